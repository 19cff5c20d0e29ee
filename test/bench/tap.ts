/**
 * From a handset held to the line until the gate opens, over the real `serialport` on a pair of pseudo-terminals that carries
 * 115,200 baud, with journal and wallet on files that are really synced. Beside each figure stands its floor: the time that
 * the bytes up to the acknowledgement need on such a line, ten bits each.
 */
import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { median, quantile, timed, type Figure, type Measure, type Options, type Table } from "./measure.js";
import { choose, makeScene, singleUse, type Scene } from "./scene.js";
import { openLine, type Line } from "../../boards/bench/pty.js";
import { openFileStore, type FileStore } from "../../boards/node/file-store.js";
import { makeClock } from "../../boards/node/clock.js";
import { random } from "../../boards/node/machine.js";
import { runTerminal, type Running } from "../../boards/node/run.js";
import { openSerial } from "../../boards/node/serial.js";
import { runTap } from "../../boards/node/tap.js";
import { makeSimDigital, type SimDigital } from "../../boards/sim/board.js";
import { media } from "../../protocol/link/media.js";
import type { Board, Clock, Serial } from "../../runtime/board.js";
import { openCells } from "../../runtime/journal/cells.js";
import { gate } from "../../runtime/role/gate.js";
import { openSetup } from "../../runtime/setup.js";
import { makeTerminal, takeSetup, type Stages, type Terminal } from "../../runtime/terminal.js";
import { openWallet } from "../../runtime/value/wallet.js";
import { crypto, give, makePhone, start, type Phone, type Sold } from "../session/world.js";

const baud = 115_200;
const warmingTaps = 20;
const lineMs = (bytes: number): number => (bytes * 10_000) / baud;

interface Tapped { toOpenMs: number; helloToOpenMs: number; lineMs: number; stages: Stages; syncMs: number }

// ---- the bench ----------------------------------------------------------------------------------------------------------------

interface Bench {
  readonly folder: string; readonly scene: Scene; readonly clock: Clock; readonly line: Line; readonly port: Serial; readonly terminal: Terminal; readonly running: Running; readonly passage: SimDigital;
  readonly journal: FileStore; readonly handsets: FileStore[];
  /** Of the last opening: when, and what the line had carried by then. */
  opened: { atMs: number; bytes: number; stages: Stages } | undefined;
}

/** The gate of `scene.ts`, moved onto this machine: its line, its clock, its disk. */
async function openBench(): Promise<Bench> {
  const folder = mkdtempSync(join(tmpdir(), "kaisatsu-bench-"));
  const scene = makeScene("ticket");
  const machine = makeClock();
  const clock: Clock = { monotonicMs: machine.monotonicMs, utc: () => ({ at: start + Math.floor(machine.monotonicMs() / 1000), quality: 2 }) };
  const line = openLine({ baud });
  const passage = makeSimDigital();
  const journal = openFileStore(join(folder, "journal"), { pageBytes: 65_536, pages: 16 });
  const relay = makeSimDigital();
  const board: Board = { ...scene.gate.board, link: await openSerial(line.a, baud), clock, random, passage, relay, store: journal };
  const setup = openSetup(board);
  setup.pulledAt = start;
  setup.statusBits = new Uint8Array(0);
  const terminal = makeTerminal(board, gate, media.serial, setup);
  takeSetup(terminal);
  const bench: Bench = {
    folder, scene, clock, line, passage, journal, terminal, handsets: [], port: await openSerial(line.b, baud), running: runTerminal(terminal, undefined, ""), opened: undefined,
  };
  const write = relay.write.bind(relay);
  relay.write = (level) => {
    write(level);
    if (level === 1) bench.opened = { atMs: clock.monotonicMs(), bytes: line.carried.toA + line.carried.toB, stages: terminal.stages };
  };
  return bench;
}

function closeBench(b: Bench): void {
  b.running.stop();
  b.port.close();
  b.terminal.board.link.close();
  b.line.close();
  b.journal.close();
  for (const store of b.handsets) store.close();
  rmSync(b.folder, { recursive: true, force: true });
}

/** A handset whose wallet lies on this disk. */
function handset(b: Bench, tickets: readonly Sold[], pageBytes: number): Phone {
  const store = openFileStore(join(b.folder, `wallet-${b.handsets.length}`), { pageBytes, pages: 2 });
  b.handsets.push(store);
  const phone = { ...makePhone(b.scene.world), wallet: openWallet(openCells(store)) };
  for (const ticket of tickets) give(phone, ticket);
  return phone;
}

// ---- one tap -------------------------------------------------------------------------------------------------------------------

async function tapOnce(b: Bench, phone: Phone, ticket: Sold, syncFloor: () => number): Promise<Tapped> {
  choose(phone, ticket);
  const syncMs = syncFloor();
  const before = b.line.carried.toA + b.line.carried.toB;
  b.opened = undefined;
  const held = b.clock.monotonicMs();
  const result = await runTap({ ...phone, clock: b.clock as ReturnType<typeof makeClock>, random, crypto }, b.port, {
    silentAmount: 0, confirm: () => Promise.resolve(false), withinMs: 5000, waitForPassage: true, onResolved: () => walk(b),
  });
  const opened = b.opened as Bench["opened"];
  if (opened === undefined || result.resolved !== "turned") throw new Error(`A tap to time was refused with ${result.code}.`);
  const stages = { ...opened.stages };
  return { toOpenMs: opened.atMs - held, helloToOpenMs: opened.atMs - stages.greetedMs, lineMs: lineMs(opened.bytes - before), stages, syncMs };
}

/** Through at once: the gate is free for the next. */
function walk(b: Bench): void {
  setImmediate(() => { b.passage.set(1); b.passage.set(0); });
}

/** As long as a record's append takes on this disk: written over existing bytes of a file, then synced. */
function syncProbe(b: Bench): { take: () => number; close: () => void } {
  const descriptor = openSync(join(b.folder, "probe"), "w+");
  writeSync(descriptor, new Uint8Array(65_536).fill(255));
  fdatasyncSync(descriptor);
  const record = new Uint8Array(260);
  let at = 0;
  return {
    take: () => timed(() => { writeSync(descriptor, record, 0, record.length, at); fdatasyncSync(descriptor); at = (at + record.length) % 65_000; }) / 1000,
    close: () => closeSync(descriptor),
  };
}

// ---- the series ------------------------------------------------------------------------------------------------------------------

async function known(b: Bench, taps: number, sync: () => number): Promise<Tapped[]> {
  const tickets = Array.from({ length: warmingTaps + taps }, () => singleUse(b.scene.world));
  const phone = handset(b, tickets, 1 << 20);
  const found: Tapped[] = [];
  for (const ticket of tickets) found.push(await tapOnce(b, phone, ticket, sync));
  return found.slice(warmingTaps);
}

async function unknown(b: Bench, taps: number, sync: () => number): Promise<Tapped[]> {
  const found: Tapped[] = [];
  for (let i = 0; i < taps; i++) {
    const ticket = singleUse(b.scene.world);
    found.push(await tapOnce(b, handset(b, [ticket], 16_384), ticket, sync));
  }
  return found;
}

const floorOf = `the bytes up to the acknowledgement at ${baud.toLocaleString("en-US")} baud, ten bits each`;

function figuresOf(what: string, taps: readonly Tapped[]): Figure[] {
  const line = { value: median(taps.map((t) => t.lineMs)), of: floorOf };
  const row = (of: string, value: number, more: Partial<Figure> = {}): Figure => ({ what: `${what}: ${of}`, value, unit: "ms", floor: line, ...more });
  const toOpen = taps.map((t) => t.toOpenMs);
  return [
    row("tap to open, p50", median(toOpen)), row("tap to open, p99", quantile(toOpen, 0.99), { goal: { most: 150 } }), row("tap to open, most", Math.max(...toOpen)),
    row("hello to open, p50", median(taps.map((t) => t.helloToOpenMs))), row("hello to open, p99", quantile(taps.map((t) => t.helloToOpenMs), 0.99)),
    { what: `${what}: share of the tap that is line time`, value: (100 * line.value) / median(toOpen), unit: "%" },
  ];
}

/** Where the median tap's time went. */
function stagesOf(taps: readonly Tapped[]): Figure[] {
  const of = (part: (t: Tapped) => number): number => median(taps.map(part));
  const check = of((t) => t.stages.answeredMs - t.stages.presentedMs);
  const record = of((t) => t.stages.durableMs - t.stages.acknowledgedMs);
  const open = of((t) => t.stages.openMs - t.stages.durableMs);
  const line = of((t) => t.lineMs);
  const sync = of((t) => t.syncMs);
  return [
    { what: "on the line", value: line, unit: "ms" },
    { what: "terminal: presentation in, receipt out", value: check, unit: "ms" },
    { what: "terminal: acknowledgement in, record durable", value: record, unit: "ms", floor: { value: sync, of: "a bare write and fdatasync of as many bytes on the same disk, before each tap" } },
    { what: "terminal: record durable, gate open", value: open, unit: "ms" },
    { what: "handset (two signatures, one durable write), ports, turns of the event loop", value: of((t) => t.toOpenMs) - line - check - record - open, unit: "ms" },
  ];
}

/** In milliseconds a passage. Chip cards: the vendors' and operators' own statements; Transport for London: its engineers' account of what makes queues. */
const elsewhere = "elsewhere: Calypso and Suica cards under 200 ms, Oyster 300-350, bank cards at a gate 250-800, an mdoc over BLE some 2,000; over 500 makes queues";

async function run(o: Options): Promise<Table[]> {
  const b = await openBench();
  const probe = syncProbe(b);
  try {
    o.say(`  terminal known, after ${warmingTaps} taps that do not count`);
    const knownTaps = await known(b, o.quick ? 50 : 200, probe.take);
    o.say("  terminal unknown to each handset");
    const unknownTaps = await unknown(b, o.quick ? 20 : 80, probe.take);
    return [
      { title: `Tap to open over a serial line, ${knownTaps.length} taps at a known and ${unknownTaps.length} at an unknown terminal`, figures: [...figuresOf("known", knownTaps), ...figuresOf("unknown", unknownTaps)], notes: [
        `${warmingTaps} taps before the first did not count; handset and gate share this process and its processor`, elsewhere,
      ] },
      { title: "Where the time of the median tap goes, terminal known", figures: stagesOf(knownTaps), notes: [] },
    ];
  } finally {
    probe.close();
    closeBench(b);
  }
}

export const tap: Measure = { name: "tap", summary: "tap to open over a paced serial line, with a journal that syncs", run };
