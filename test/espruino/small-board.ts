/**
 * The smallest firmware that uploader, bench and emulator can be tried with, bundled by the tests: it answers on its line, takes
 * its keys, keeps them on raw pages, and sends letters. The real one does all this beside its taps.
 */
import { composedCcm } from "../../protocol/crypto/ccm.js";
import * as links from "../../protocol/link/link.js";
import { ble, serial } from "../../protocol/link/media.js";
import { copy } from "../../protocol/wire/bytes.js";
import { decodeBoardPackage, encodeBoardPackage, feature, type BoardPackage, type Digests } from "../../protocol/wire/provision.js";
import { hearService, isService, makeService } from "../../runtime/service.js";
import { makeBoardSync, type BoardBooks, type BoardSync } from "../../runtime/sync/board-sync.js";

interface Port { write(data: Uint8Array): void; on(event: "data", heard: (text: string) => void): void }
declare const E: { setConsole(port: Port | null, options?: { force: boolean }): void; toUint8Array(text: string | ArrayBuffer): Uint8Array; toString(bytes: Uint8Array): string; hwRand(): number; CRC32(text: string): number; getAddressOf(text: string, flat: boolean): number };
declare const Serial1: Port;
declare const Bluetooth: Port | undefined;
declare const process: { env: { BOARD: string; SERIAL: string } };
declare function getTime(): number;
declare function setTimeout(work: () => void, ms: number): number;
declare function require(name: string): any;

const flash = require("Flash"), storage = require("Storage"), native = require("crypto");
const line: Port = process.env.BOARD === "PUCKJS" ? Bluetooth! : Serial1;
const medium = process.env.BOARD === "PUCKJS" ? ble : serial;

const digests: Digests = {
  sha256: (m) => new Uint8Array(native.SHA256(m)),
  hmac: (key, message) => {
    const block = new Uint8Array(64);
    block.set(key.length > 64 ? digests.sha256(key) : key);
    const inner = new Uint8Array(64 + message.length), outer = new Uint8Array(96);
    for (let i = 0; i < 64; i++) { inner[i] = block[i]! ^ 0x36; outer[i] = block[i]! ^ 0x5c; }
    inner.set(message, 64);
    outer.set(digests.sha256(inner), 64);
    return digests.sha256(outer);
  },
};
const ccm = native.AES === undefined ? undefined : composedCcm({
  cbc: (key, blocks) => new Uint8Array(native.AES.encrypt(blocks, key, { iv: new Uint8Array(16), mode: "CBC" })), ecb: (key, blocks) => new Uint8Array(native.AES.encrypt(blocks, key, { mode: "ECB" })),
});

/** The first whole page of a file of two: keys, with their length before them. */
function page(): number {
  if (storage.read("keys") === undefined) storage.write("keys", "", 0, 8192);
  const at = E.getAddressOf(storage.read("keys"), false);
  const p = flash.getPage(at);
  return p.addr === at ? at : p.addr + p.length;
}
function keep(given: BoardPackage): boolean {
  const bytes = encodeBoardPackage(given), at = page();
  const whole = new Uint8Array(4 + Math.floor((bytes.length + 3) / 4) * 4);
  whole[0] = bytes.length >> 8; whole[1] = bytes.length & 255;
  whole.set(bytes, 4);
  flash.erasePage(at);
  flash.write(whole, at);
  const there = flash.read(whole.length, at);
  for (let i = 0; i < whole.length; i++) if (there[i] !== whole[i]) return false;
  return true;
}
function kept(): BoardPackage | undefined {
  const at = page(), head = flash.read(4, at), length = head[0] * 256 + head[1];
  return length === 65535 ? undefined : decodeBoardPackage(copy(flash.read(length + 4, at), 4, length + 4));
}

let held = kept();
const books: BoardBooks = {
  at: () => ({ at: 0, quality: 0 }), records: () => undefined, confirm: () => undefined, reserve: () => undefined,
  holds: () => ({ configuration: 9e15, generation: held!.generation, epoch: held!.groups[0]!.epoch, list: 0, arriving: 0, from: 0 }),
  take: (news) => { if (news.master !== undefined) { held!.master = news.master.master; held!.generation = news.master.generation; keep(held!); } },
};
const syncOf = (given: BoardPackage): BoardSync => makeBoardSync(digests, ccm, books, given.terminal, given.master, given.generation, 0);
const random = (length: number): Uint8Array => { const bytes = new Uint8Array(length); for (let i = 0; i < length; i++) bytes[i] = E.hwRand() & 255; return bytes; };

const service = makeService(digests, {
  random: random, openConsole: () => setTimeout(() => E.setConsole(line), 50),
  install: (given) => { if (!keep(given)) return undefined; held = given; return syncOf(given); },
}, {
  model: process.env.BOARD + " test", chip: E.toUint8Array(process.env.SERIAL), software: "test", program: E.CRC32(storage.read(".bootcde")), features: (process.env.BOARD === "ESP32" ? 0 : feature.random) + (ccm === undefined ? 0 : feature.aes),
  terminal: held === undefined ? new Uint8Array(0) : held.terminal,
}, held === undefined ? undefined : syncOf(held));

const link = links.makeLink(medium, false);
const now = (): number => Math.floor(getTime() * 1000);
function pump(): void { for (const bytes of links.poll(link, now()).output) line.write(bytes); const due = links.deadline(link); if (due >= 0) setTimeout(pump, Math.max(1, due - now())); }
line.on("data", (text) => {
  for (const message of links.receive(link, E.toUint8Array(text), now()).messages) {
    const answer = isService(message) ? hearService(service, message) : undefined;
    if (answer !== undefined) links.send(link, answer, { first: false, last: false });
  }
  pump();
});
E.setConsole(null, { force: true });
