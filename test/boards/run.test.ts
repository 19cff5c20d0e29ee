/**
 * The run loop of a Node machine over real ports: it serves whatever the host does, tells what fails, and leaves nothing
 * behind when it is stopped (S1: "offline-capable").
 */
import { afterEach, describe, expect, test } from "vitest";
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { openLine, type Line } from "../../boards/bench/pty.js";
import { makeClock } from "../../boards/node/clock.js";
import { random } from "../../boards/node/machine.js";
import { runTerminal, type Running } from "../../boards/node/run.js";
import { openSerial } from "../../boards/node/serial.js";
import { runTap, type TapResult } from "../../boards/node/tap.js";
import { openNodeBoard, startTerminal } from "../../boards/node/terminal-board.js";
import type { BoardError, Serial } from "../../runtime/board.js";
import { gate } from "../../runtime/role/gate.js";
import { makeSync } from "../../runtime/sync/sync.js";
import { poll } from "../../runtime/terminal.js";
import { media } from "../../protocol/link/media.js";
import { refusal } from "../../protocol/refusal.js";
import { crypto, makePhone, makeStation, makeWorld, start, startStation, tap, ticket, type Phone, type Station } from "../session/world.js";

const turnOfLoop = () => new Promise<void>((done) => setImmediate(done));
const until = async (holds: () => boolean): Promise<void> => { while (!holds()) await turnOfLoop(); };
const opened: (() => void)[] = [];
afterEach(() => { for (const close of opened.splice(0).reverse()) close(); });

/** A host that takes every letter and answers none. */
async function silentHost(): Promise<{ url: string; letters(): number; lines(): number; server: Server }> {
  let letters = 0;
  const sockets = new Set<Socket>();
  const server = createServer(() => { letters++; });
  server.on("connection", (socket) => { sockets.add(socket); socket.on("close", () => sockets.delete(socket)); });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  opened.push(() => { server.closeAllConnections(); server.close(); });
  return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, letters: () => letters, lines: () => sockets.size };
}

interface Gate { station: Station; running: Running; line: Line; port: Serial; tap(phone: Phone): Promise<TapResult> }
/** A gate on a real port and a real clock, and a handset's port at the other end of its line. */
async function gateBefore(url: string, fault?: (error: BoardError) => void): Promise<Gate> {
  const line = openLine({ baud: 0 });
  const begin = performance.now();
  const clock = makeClock({ monotonicMs: () => performance.now() - begin, systemMs: () => start * 1000 + performance.now() - begin, isSet: () => true });
  const simulated = makeStation(makeWorld());
  const link = await openSerial(line.a, 115_200);
  const station = startStation({ ...simulated, board: { ...simulated.board, link, clock } as unknown as Station["board"] });
  // Whoever is let in walks.
  const { relay, passage } = station.board;
  const write = relay.write;
  relay.write = (level) => { write(level); if (level === 1) setImmediate(() => { passage!.onReadable?.(); (passage as Station["passage"])!.set(1); (passage as Station["passage"])!.set(0); }); };
  const running = runTerminal(station.terminal, makeSync(station.terminal), url, fault === undefined ? {} : { fault });
  const port = await openSerial(line.b, 115_200);
  opened.push(() => { running.stop(); link.close(); port.close(); line.close(); });
  return {
    station, running, line, port,
    tap: (phone) => runTap({ clock, random, keys: phone.keys, crypto, trust: phone.trust, wallet: phone.wallet }, port, { silentAmount: 0, confirm: () => Promise.resolve(true), withinMs: 5000, waitForPassage: true }),
  };
}

describe("a gate that runs", () => {
  test("S1: opens over real ports while its host hangs, and refuses the second time", async () => {
    const host = await silentHost();
    const gate = await gateBefore(host.url);
    const world = gate.station.world;
    const phone = makePhone(world, ticket(world));
    await until(() => host.letters() >= 2);
    expect(await gate.tap(phone)).toMatchObject({ stored: true, resolved: "turned", code: 0 });
    expect(gate.station.opened()).toBe(1);
    expect((await gate.tap(phone)).code).toBe(refusal.already_used);
    expect([gate.station.opened(), gate.running.synced()]).toEqual([1, false]);
  });

  test("S1: opens with no host at all", async () => {
    const gate = await gateBefore("http://127.0.0.1:9");
    const phone = makePhone(gate.station.world, ticket(gate.station.world));
    expect(await gate.tap(phone)).toMatchObject({ resolved: "turned", code: 0 });
  });

  test("stopped: its letters are hung up on, and nobody calls it any more", async () => {
    const host = await silentHost();
    const gate = await gateBefore(host.url);
    await until(() => host.letters() >= 2);
    gate.running.stop();
    await until(() => host.lines() === 0);
    const { board, events } = gate.station as Station & { events: unknown[] };
    expect([board.link.onReadable, board.link.onClose, board.passage!.onReadable]).toEqual([undefined, undefined, undefined]);
    const [before, letters] = [events.length, host.letters()];
    gate.running.wake();
    gate.running.stop();
    gate.line.close();
    for (let i = 0; i < 50; i++) await turnOfLoop();
    expect([events.length, host.letters()]).toEqual([before, letters]);
  });

  test("its line unplugged: stopped, and whoever runs it is told once, with what to do", async () => {
    const told: string[] = [];
    const gate = await gateBefore("http://127.0.0.1:9", (error) => told.push(error.message));
    gate.line.close();
    await until(() => told.length > 0);
    gate.running.wake();
    expect(told).toEqual([expect.stringMatching(/was unplugged or closed by its other end/)]);
    expect(gate.station.events.filter((e) => e.event === "fault")).toHaveLength(1);
    expect(gate.station.board.passage!.onReadable).toBeUndefined();
  });

  test("a disk that takes no more numbers for letters: it is said, no letter goes out without one, and holders are served on", async () => {
    const host = await silentHost();
    const station = makeStation(makeWorld());
    station.board.cells.cutAfter(0);
    const running = runTerminal(station.terminal, makeSync(station.terminal), host.url);
    opened.push(running.stop);
    for (let i = 0; i < 10; i++) { running.wake(); await turnOfLoop(); }
    expect(station.events.filter((e) => e.event === "fault")).toHaveLength(1);
    expect(host.letters()).toBe(0);
    const phone = makePhone(station.world, ticket(station.world));
    tap(phone, station);
    expect(station.codes()).toEqual([0]);
  });

  test("a program that stops its terminal ends by itself: no timer, port, letter or listener is left", async () => {
    const program = join(dirname(fileURLToPath(import.meta.url)), "../../dist/test/boards/run-and-stop.js");
    const child = spawn(process.execPath, [program]);
    let said = "";
    child.stdout.on("data", (text: Buffer) => { said += text.toString(); });
    child.stderr.on("data", (text: Buffer) => { said += text.toString(); });
    const code = await new Promise((done) => child.on("exit", done));
    expect([code, said]).toEqual([0, "stopped\n"]);
  });
});

test("switched off and on without a battery: time goes on from the newest record, and is not believed for more", async () => {
  const folder = mkdtempSync(join(tmpdir(), "kaisatsu-time-"));
  const line = openLine({ baud: 0 });
  const board = await openNodeBoard({ name: "north", folder, link: { port: line.a, baud: 115_200 } });
  opened.push(() => { board.close(); line.close(); rmSync(folder, { recursive: true, force: true }); });
  const started = (systemAt: number, isSet: boolean): { at: number; quality: number } => {
    const clock = makeClock({ monotonicMs: () => 0, systemMs: () => systemAt * 1000, isSet: () => isSet });
    startTerminal({ ...board, clock }, gate, media.serial, "http://127.0.0.1:9", () => undefined).stop();
    return clock.utc();
  };
  expect(started(0, false)).toEqual({ at: 0, quality: 0 });
  expect(started(start, true)).toEqual({ at: start, quality: 2 });
  expect(started(0, false)).toEqual({ at: start, quality: 1 });
  expect(started(start + 60, false)).toEqual({ at: start + 60, quality: 1 });
  expect(started(0, false)).toEqual({ at: start, quality: 1 });
  expect(started(start - 3600, true)).toEqual({ at: start, quality: 1 });
});

test("while a gate stands open nothing is polled for in vain: the next look is always ahead", () => {
  const world = makeWorld();
  const station = makeStation(world);
  const phone = makePhone(world, ticket(world));
  tap(phone, station, { turns: false, stopWhen: () => station.opened() === 1 });
  for (let ms = 0; ms < 7000; ms += 100) {
    world.clock.advance(100);
    station.line.deliver();
    const due = poll(station.terminal);
    if (due >= 0 && station.terminal.verifier.state === "open") expect(due).toBeGreaterThan(world.clock.monotonicMs());
  }
});
