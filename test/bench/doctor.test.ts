/** `kaisatsu doctor`: each finding from a machine that has the trouble; nothing is changed and no secret shown. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, describe, expect, test } from "vitest";
import { kaisatsu } from "./command-line.js";
import { checkClock, checkData, checkHost, checkNode, checkPort, type Finding } from "../../boards/bench/doctor.js";
import { makeFirmataBoard } from "../../boards/bench/firmata-board.js";
import { openPty, type Pty } from "../../boards/bench/pty.js";
import { openFileStore } from "../../boards/node/file-store.js";
import { openSerial } from "../../boards/node/serial.js";
import { append } from "../../runtime/journal/journal.js";
import { openJournal } from "../../runtime/journal/recovery.js";
import { encodeEntry } from "../../protocol/wire/entry.js";
import { crypto, makeStation, makeWorld, start, tap, makePhone, ticket } from "../session/world.js";

const folder = mkdtempSync(join(tmpdir(), "kaisatsu-doctor-"));
afterAll(() => rmSync(folder, { recursive: true }));
const opened: { close(): void }[] = [];
afterEach(() => { for (const part of opened.splice(0).reverse()) part.close(); });
const ptyOf = (): Pty => { const pty = openPty(); opened.push(pty); return pty; };
const said = (findings: readonly Finding[]): string[] => findings.map((f) => `${f.what}: ${f.state}`);
const link = (path: string, medium = "serial") => ({ kind: "link" as const, path, baud: 115_200, medium });

test("Node: the least version is that of package.json", () => {
  const { engines } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as { engines: { node: string } };
  const least = engines.node.replace(">=", "");
  expect([checkNode(least).state, checkNode("20.18.9").state, checkNode("18.0.0").state, checkNode("24.1.0").state]).toEqual(["ok", "problem", "problem", "ok"]);
});

test("a Pi whose clock nobody set is told what optical codes are answered until it has heard one", () => {
  const root = join(folder, "pi");
  mkdirSync(join(root, "proc/device-tree"), { recursive: true });
  writeFileSync(join(root, "proc/device-tree/model"), "Raspberry Pi");
  expect(checkClock(root)).toMatchObject({ state: "warning", says: expect.stringMatching(/no time service runs.*Cannot check now/) as unknown });
  mkdirSync(join(root, "run/systemd/timesync"), { recursive: true });
  writeFileSync(join(root, "run/systemd/timesync/synchronized"), "");
  expect(checkClock(root).state).toBe("ok");
});

describe("ports", () => {
  test("not there; no port; free and silent", async () => {
    expect(said(await checkPort(link("/dev/no-such-port")))).toEqual(["link port: problem"]);
    writeFileSync(join(folder, "file"), "");
    expect((await checkPort(link(join(folder, "file"))))[0]!.says).toMatch(/is no serial port/);
    expect(said(await checkPort(link(ptyOf().path)))).toEqual(["link port: ok"]);
  });
  test("in use: it is said by whom, and the port is left alone", async () => {
    const pty = ptyOf();
    const bytes: number[] = [];
    pty.onBytes = (piece) => bytes.push(...piece);
    opened.push(await openSerial(pty.path, 9600));
    const [found] = await checkPort(link(pty.path));
    expect(found).toMatchObject({ state: "problem", says: expect.stringMatching(/in use: stop the other program/) as unknown });
    expect(bytes).toEqual([]);
  });
  test("an echo is a warning on a wire and expected of infrared", async () => {
    for (const [medium, state] of [["serial", "warning"], ["infrared", "ok"]] as const) {
      const pty = ptyOf();
      pty.onBytes = (bytes) => pty.write(bytes);
      expect(said(await checkPort(link(pty.path, medium)))).toEqual(["link port: ok", `echo: ${state}`]);
    }
  });
  test("a Firmata board answers, and none of its pins is touched", async () => {
    const pty = ptyOf();
    const board = makeFirmataBoard(pty);
    const touched: number[] = [];
    board.onPin = (pin) => touched.push(pin);
    expect(said(await checkPort({ kind: "firmata", path: pty.path, baud: 57_600, medium: "serial" }))).toEqual(["firmata board: ok"]);
    expect(touched).toEqual([]);
  });
});

test("host: away is a warning, another clock is one, something else on its port a problem", async () => {
  let date = new Date();
  let status = 200;
  const server = createServer((_request, response) => { response.writeHead(status, { date: date.toUTCString() }); response.end("{}"); });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  expect((await checkHost(url)).state).toBe("ok");
  date = new Date(Date.now() - 3_600_000);
  expect(await checkHost(url)).toMatchObject({ state: "warning", says: expect.stringMatching(/3(599|600|601) seconds apart/) as unknown });
  status = 404;
  expect((await checkHost(url)).state).toBe("problem");
  server.closeAllConnections();
  await new Promise((done) => server.close(done));
  expect((await checkHost(url)).state).toBe("warning");
});

describe("what a terminal keeps", () => {
  const pageBytes = 65_536;
  const data = join(folder, "north");
  mkdirSync(data);
  /** The folder of a gate that took one tap. */
  const world = makeWorld();
  const gate = makeStation(world, { name: "North" });
  tap(makePhone(world, ticket(world)), gate);
  writeFileSync(join(data, "cells"), Buffer.concat([0, 1].map((page) => gate.board.cells.read(page, 0, gate.board.cells.pageBytes))));
  openFileStore(join(data, "journal"), { pageBytes, pages: 4 }).close();
  writeFileSync(join(data, "keys.json"), '{"signing":"c2VjcmV0"}', { mode: 0o600 });
  const states = (now: number): Record<string, string> => Object.fromEntries(checkData(data, now).map((f) => [f.what, f.state]));

  test("all is well", () => {
    expect(states(start)).toEqual({ keys: "ok", certificate: "ok", journal: "ok", disk: "ok" });
  });
  test("a certificate past its half is due, past its end a problem", () => {
    expect(states(start + 10 * 86_400)["certificate"]).toBe("warning");
    expect(states(start + 15 * 86_400)["certificate"]).toBe("problem");
  });
  test("keys that others may read are a problem, and are not shown", () => {
    chmodSync(join(data, "keys.json"), 0o644);
    const found = checkData(data, start).find((f) => f.what === "keys")!;
    chmodSync(join(data, "keys.json"), 0o600);
    expect(found).toMatchObject({ state: "problem", says: expect.stringMatching(/mode 644/) as unknown });
    expect(JSON.stringify(found)).not.toContain("c2VjcmV0");
  });
  test("a journal that is damaged is a problem; looking at it changes no byte", () => {
    const path = join(data, "journal");
    const whole = readFileSync(path);
    writeFileSync(path, Buffer.alloc(whole.length, 0x55));
    const found = checkData(data, start).find((f) => f.what === "journal")!;
    expect(found.state).toBe("problem");
    expect(readFileSync(path).every((byte) => byte === 0x55)).toBe(true);
    writeFileSync(path, whole);
  });
  test("a journal with one bad bit before its end is a problem too", () => {
    const store = openFileStore(join(data, "journal"), { pageBytes, pages: 4 });
    const journal = openJournal(store, crypto, () => undefined);
    for (let i = 0; i < 5; i++) append(journal, encodeEntry({ kind: "boot", boot: i + 1, at: start, quality: 2 }), true);
    store.close();
    expect(checkData(data, start).find((f) => f.what === "journal")).toMatchObject({ state: "ok", says: "The journal is whole up to entry 5." });
    const path = join(data, "journal");
    const whole = readFileSync(path);
    const bent = Buffer.from(whole);
    bent[bent.indexOf(encodeEntry({ kind: "boot", boot: 2, at: start, quality: 2 })) + 2]! ^= 1;
    writeFileSync(path, bent);
    expect(checkData(data, start).find((f) => f.what === "journal")!.state).toBe("problem");
    expect(readFileSync(path).equals(bent)).toBe(true);
    writeFileSync(path, whole);
  });
  test("a folder that is not there yet is no problem", () => {
    expect(said(checkData(join(folder, "none")))).toEqual(["data: warning"]);
  });
});

test("the command: exit code 1 and one sentence a finding where there is a problem, the same as JSON", async () => {
  const path = join(folder, "gate.json");
  writeFileSync(path, JSON.stringify({ name: "North", role: "gate", host: "http://127.0.0.1:1", data: "none", link: { port: "/dev/no-such-port", baud: 9600 } }));
  const ran = await kaisatsu(["doctor", path]);
  expect(ran.code).toBe(1);
  expect(ran.out).toMatch(/^problem {2}link port {6}\/dev\/no-such-port is not there: plug it in/m);
  const json = JSON.parse((await kaisatsu(["doctor", path, "--json"])).out) as { findings: Finding[] };
  expect(json.findings.map((f) => f.what)).toEqual(["node", "clock", "link port", "host", "data"]);
});
