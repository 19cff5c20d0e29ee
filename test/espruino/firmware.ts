/**
 * The finished bundle on the stand-in engine, provisioned, and a handset on its line: bytes both ways, the link machine at the
 * handset's end, the same holder as everywhere. Time moves only as the dialogue asks.
 */
import { ask, hear, makeMint, start, type Hand, type Mint } from "../session/core.js";
import { seeded } from "../published.js";
import { buildBundle, bundleOf, type Built } from "../../boards/bench/espruino/bundle.js";
import { makeEngine, type Engine } from "../../boards/bench/espruino/engine.js";
import { makeChip, type Chip } from "../../boards/bench/espruino/flash.js";
import { modelOf } from "../../boards/bench/espruino/models.js";
import { nodeCrypto } from "../../protocol/crypto/node/node.js";
import { makeLink, poll, receive, send, wake, type Link } from "../../protocol/link/link.js";
import { serial } from "../../protocol/link/media.js";
import { encodeConfiguration, type Configuration } from "../../protocol/wire/trust.js";
import { hex, utf8 } from "../../protocol/wire/bytes.js";
import type { Board } from "../../runtime/board.js";
import { openBoardSetup, takePackage } from "../../runtime/board-setup.js";
import type { Store } from "../../runtime/journal/store.js";
import { keepStatus } from "../../runtime/kept.js";

export const dataAddress = 0x601f8000;
export const master = new Uint8Array(32).fill(5);
const built = new Map<string, Promise<Built>>();
export function bundle(board: string): Promise<Built> {
  if (!built.has(board)) built.set(board, buildBundle(bundleOf(board, "gate")!));
  return built.get(board)!;
}

export interface Firmware { engine: Engine; chip: Chip; mint: Mint; terminalId: Uint8Array; link: Link; toHandset: Uint8Array[]; pins: [string, number][]; nowMs(): number }

/** Pages of the chip, from outside: where the bench writes a board's first keys. */
export function pagesOf(chip: Chip, address: number, pages: number): Store {
  const at = (page: number, offset: number): number => address - chip.address + page * chip.pageBytes + offset;
  return {
    pageBytes: chip.pageBytes, pages,
    read: (page, offset, length) => chip.bytes.slice(at(page, offset), at(page, offset) + length),
    write: (page, offset, bytes) => { for (let i = 0; i < bytes.length; i++) chip.bytes[at(page, offset) + i]! &= bytes[i]!; },
    erase: (page) => { chip.bytes.fill(0xff, at(page, 0), at(page, 0) + chip.pageBytes); },
    sync: () => undefined,
  };
}

export const configuration = (terminalId: Uint8Array, change: Partial<Configuration> = {}): Configuration => ({
  issuer: "example", subject: hex(terminalId), expires: 2_000_000_000, issuedAt: 1_700_000_000, number: 1, leastSoftware: 0, zones: [1],
  takes: [{ kind: "ticket", action: 1, zone: 1 }, { kind: "coupon", action: 1, zone: 1 }], tariffs: [], useMost: { currency: 978, amount: 500 }, usesADay: 10, boxADay: 100000,
  freshSeconds: 86400, offlineSeconds: 604800, reducedSeconds: 2592000, lists: [], reopen: 1, resumeSeconds: 600, passageMs: 8000, ...change,
});

/** A board with this bundle and keys of the mint's group, switched on. */
export async function firmware(board = "xiao-ble", change: Partial<Configuration> = {}, code?: string): Promise<Firmware> {
  const model = modelOf(board)!;
  const random = seeded(11);
  const random32 = (): number => random.below(2 ** 32);
  const chip = makeChip(model, () => random32() / 2 ** 32);
  const mint = makeMint(nodeCrypto);
  const terminalId = nodeCrypto.sha256(utf8("board")).slice(0, 8);
  const setup = openBoardSetup({ cells: pagesOf(chip, dataAddress + 3 * chip.pageBytes, 2) } as unknown as Board, []);
  takePackage(setup, { terminal: terminalId, generation: 1, master, groups: [mint.group], configuration: encodeConfiguration(configuration(terminalId, change)), at: start });
  keepStatus(setup, 1, new Uint8Array(64));
  const f = { chip, mint, terminalId, link: makeLink(serial, true), toHandset: [] as Uint8Array[], pins: [] as [string, number][] } as Firmware;
  f.engine = makeEngine({ model, chip, random32, world: { onBytes: (_, bytes) => f.toHandset.push(new Uint8Array(bytes)), onPin: (pin, level) => f.pins.push([pin, level]) } });
  f.nowMs = () => f.engine.nowMs;
  f.engine.powerOn();
  f.engine.evaluate(`require("Storage").write(".bootcde", ${JSON.stringify(code ?? (await bundle(board)).code)})`);
  f.engine.powerOff();
  f.engine.powerOn();
  f.toHandset = [];
  return f;
}

/** What is said on the line until nobody has anything to say; `change` alters or drops what the handset hears or says. */
export function talk(f: Firmware, h: Hand, change: (from: "board" | "handset", bytes: Uint8Array) => Uint8Array[] = (_, bytes) => [bytes]): void {
  for (let quiet = 0, i = 0; quiet < 4 && i < 400; i++) {
    let busy = false;
    for (const bytes of f.toHandset.splice(0)) {
      busy = true;
      for (const message of receive(f.link, bytes, f.nowMs()).messages) for (const heard of change("board", message)) hear(h, heard, { nowMs: f.nowMs() });
    }
    for (const message of h.out.splice(0)) for (const said of change("handset", message)) send(f.link, said, { first: false, last: false });
    for (const bytes of poll(f.link, f.nowMs()).output) { busy = true; f.engine.receive("Serial1", bytes); }
    f.engine.advance(10);
    quiet = busy ? 0 : quiet + 1;
  }
}

/** A handset comes, and a whole tap is tried. */
export function tap(f: Firmware, h: Hand, change?: Parameters<typeof talk>[2]): void {
  f.engine.advance(200);
  f.link = makeLink(serial, true);
  wake(f.link);
  ask(h, { type: "time" }, { nowMs: f.nowMs() });
  talk(f, h, change);
}

/** Power comes back. */
export function restart(f: Firmware): void {
  f.engine.powerOn();
  f.toHandset.splice(0);
  f.engine.advance(100);
}

/** One question of a courier or a bench, and what the board answers; undefined when it says nothing. */
export function question(f: Firmware, message: Uint8Array, first: boolean): Uint8Array | undefined {
  if (first) { f.link = makeLink(serial, true); f.toHandset.splice(0); }
  send(f.link, message, { first, last: false });
  for (let i = 0; i < 200; i++) {
    for (const bytes of poll(f.link, f.nowMs()).output) f.engine.receive("Serial1", bytes);
    f.engine.advance(10);
    for (const bytes of f.toHandset.splice(0)) for (const answer of receive(f.link, bytes, f.nowMs()).messages) return answer;
  }
  return undefined;
}
