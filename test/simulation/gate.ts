/**
 * A gate in the world: the real terminal on a board whose power, clock, stores, randomness and network may fail. It is polled
 * when bytes arrive, when its sensor moves, when it asked to be, and now and then; power may go at any operation of its
 * stores, and what it would have done after that moment never happens.
 */
import { inflateSync } from "node:zlib";
import { simCrypto as crypto } from "./crypto.js";
import type { Line } from "./line.js";
import type { GateConfig } from "./plan.js";
import { makeDraw } from "./random.js";
import { makeScanner, walkOnCode, type Scanner } from "./scanner.js";
import type { Handle } from "./schedule.js";
import type { World } from "./world.js";
import { pagesOf, type Pages } from "./pages.js";
import { makeSimDigital, makeSimKeys, makeSimPanel, type SimDigital, type SimKeys } from "../../boards/sim/board.js";
import type { Board, Clock, Digital, Keys, Random } from "../../runtime/board.js";
import type { Store } from "../../runtime/journal/store.js";
import type { Role } from "../../runtime/role/role.js";
import { openSetup } from "../../runtime/setup.js";
import { adoptKeys, failed, makeSync, nextLetter, slots, takeAnswer, type Slot, type Sync } from "../../runtime/sync/sync.js";
import { makeTerminal, poll, type Terminal, type TerminalEvent } from "../../runtime/terminal.js";
import type { VerifierSettings } from "../../protocol/session/events.js";
import type { Medium } from "../../protocol/link/media.js";
import { messageType } from "../../protocol/wire/sync.js";

/** Power went in the middle of what the code was doing. No board error: nothing may catch it. */
export class PowerCut extends Error {}

export interface GateActor {
  readonly world: World; readonly name: string; readonly index: number; readonly medium: Medium; readonly config: GateConfig; readonly line: Line; readonly hasSensor: boolean; readonly role: Role;
  journal: Pages; cells: Pages; readonly keys: SimKeys;
  /** Undefined while it is off. */
  terminal: Terminal | undefined; sync: Sync | undefined;
  readonly passage: SimDigital;
  readonly scanner: Scanner | undefined;
  relay: 0 | 1;
  boots: number; bootUs: number;
  /** Wall clock: seconds it is ahead of the truth, and its quality. */
  aheadSeconds: number; quality: 0 | 1 | 2 | 3;
  onlineUntilUs: number;
  /** On the network it only brings records and fetches news. */
  talksOnly: boolean;
  next: Handle | undefined;
  idleMs: number;
  /** Never comes back. */
  gone: boolean;
  /** A copy of a gate, run by a thief with its keys. */
  readonly stolen: boolean;
  /** The copy has spoken to the host: what the host believes of this gate is the operator's to sort out. */
  impersonated: boolean;
}

export interface GateSizes { pageBytes: number; pages: number }
const cellsSize = { pageBytes: 16384, pages: 2 };
const inflate = (packed: Uint8Array, most: number): Uint8Array | undefined => {
  try { return new Uint8Array(inflateSync(packed, { maxOutputLength: most })); } catch { return undefined; }
};

export interface GateOptions { name: string; index: number; medium: Medium; config: GateConfig; line: Line; hasSensor: boolean; sizes: GateSizes; role: Role; stolen?: boolean }
export function makeGate(world: World, o: GateOptions): GateActor {
  return {
    world, name: o.name, index: o.index, medium: o.medium, config: o.config, line: o.line, hasSensor: o.hasSensor, role: o.role, journal: pagesOf(o.config.store, o.sizes), cells: pagesOf(o.config.store, cellsSize),
    keys: makeSimKeys(crypto, { fill: (n) => world.draw(`${o.name} keys`).bytes(n) }), terminal: undefined, sync: undefined, passage: makeSimDigital(), scanner: o.config.scanner === true ? makeScanner() : undefined, relay: 0, boots: 0, bootUs: 0,
    aheadSeconds: o.config.offsetSeconds, quality: 2, onlineUntilUs: 0, talksOnly: false, next: undefined, idleMs: 250, gone: false, stolen: o.stolen === true, impersonated: false,
  };
}

// ---- the board ------------------------------------------------------------------------------------------------------------

export function boardOf(g: GateActor): Board {
  const boot = g.boots;
  const alive = (): boolean => g.boots === boot && g.terminal !== undefined;
  const end = g.line.plugGate();
  end.onReadable = () => soon(g);
  g.passage.onReadable = () => soon(g);
  if (g.scanner !== undefined) g.scanner.onReadable = () => soon(g);
  const relay: Digital = { read: () => g.relay, write: (level) => { if (g.boots === boot) setRelay(g, level); }, onReadable: undefined, close: () => undefined };
  return {
    name: g.name, link: { ...end, write: (bytes) => { if (alive()) end.write(bytes); }, read: () => end.read() }, scanner: g.scanner, relay, passage: g.hasSensor ? g.passage : undefined,
    panel: makeSimPanel(), clock: clockOf(g), random: randomOf(g), keys: faultyKeys(g), crypto, store: faultyStore(g, "journal"), cells: faultyStore(g, "cells"), inflate,
  };
}

function setRelay(g: GateActor, level: 0 | 1): void {
  const rises = level === 1 && g.relay === 0;
  g.relay = level;
  g.world.note(g.name, "relay", String(level));
  if (rises) g.world.oracle.opened(g);
}

function clockOf(g: GateActor): Clock {
  return {
    monotonicMs: () => Math.floor((g.world.schedule.nowUs - g.bootUs) / 1000),
    utc: () => {
      const drift = (g.config.driftPpm * (g.world.schedule.nowUs - g.bootUs)) / 1e12;
      return { at: g.quality === 0 ? 0 : Math.max(1, Math.floor(g.world.utc() + g.aheadSeconds + drift)), quality: g.quality };
    },
  };
}

/** Models of a bad source: the same bytes after each boot, one byte for ever, or a counter. */
function randomOf(g: GateActor): Random {
  const kind = g.config.random;
  if (kind !== "good") g.world.desk.struck(`random_${kind}`, g.name);
  if (kind === "good") return { fill: (n) => g.world.draw(`${g.name} random`).bytes(n) };
  if (kind === "repeats") { const draw = makeDraw(`${g.name} repeats`); return { fill: (n) => draw.bytes(n) }; }
  if (kind === "constant") return { fill: (n) => new Uint8Array(n).fill(7) };
  let count = 0;
  return { fill: (n) => { const out = new Uint8Array(n); out[n - 1] = ++count & 255; out[0] = count >> 8; return out; } };
}

/** Power may also go before or behind a change of keys. */
function faultyKeys(g: GateActor): Keys {
  const cut = (work: () => Uint8Array | undefined): Uint8Array | undefined => {
    const fault = g.world.desk.at(`${g.name}/keys`);
    if (fault === undefined) return work();
    g.world.desk.struck("key_cut", g.name);
    if (fault.arg % 2 === 1) work();
    throw new PowerCut(`${g.name}: power went while a key changed`);
  };
  return { ...g.keys, make: (name) => cut(() => g.keys.make(name)), rename: (from, to) => { cut(() => { g.keys.rename(from, to); return undefined; }); } };
}

function faultyStore(g: GateActor, which: "journal" | "cells"): Store {
  const store = g[which];
  const guarded = (work: () => void): void => {
    const fault = g.world.desk.at(`${g.name}/${which}`);
    const n = store.operations.length + 1;
    if (fault?.kind === "power_cut") {
      store.cutAt(n, fault.arg);
      try { work(); } catch { struckPower(g, which); throw new PowerCut(`${g.name}: power went at operation ${n} of its ${which}`); }
      return;
    }
    // A chip has no cache to lose and no room to run out of.
    if (store.kind === "flash" && fault?.kind !== "power_cut") { work(); return; }
    if (fault?.kind === "sync_fails") store.failAt(n, { what: "sync_failed", pending: fault.arg % 2 === 0 ? "lost" : "kept" });
    if (fault?.kind === "disk_full") store.failAt(n, { what: "refused", kind: "full" });
    try {
      work();
    } catch (error) {
      if (fault !== undefined) g.world.desk.struck(fault.kind, g.name);
      throw error;
    }
  };
  return {
    pageBytes: store.pageBytes, pages: store.pages, read: (page, offset, length) => store.read(page, offset, length),
    write: (page, offset, bytes) => guarded(() => store.write(page, offset, bytes)), erase: (page) => guarded(() => store.erase(page)), sync: () => { if (store.kind === "disk") guarded(() => store.sync()); },
  };
}

function struckPower(g: GateActor, which: "journal" | "cells"): void {
  const { met } = g.world.oracle;
  for (const where of [which, g[which].kind]) met[`power_cut on ${where}`] = (met[`power_cut on ${where}`] ?? 0) + 1;
  g.world.desk.struck("power_cut", g.name);
}

// ---- power ------------------------------------------------------------------------------------------------------------------

/** Starts on what is durable. Power may go again while it does. */
export function boot(g: GateActor): void {
  if (g.gone || g.terminal !== undefined) return;
  g.boots++;
  g.bootUs = g.world.schedule.nowUs;
  g.quality = g.config.battery === "dead" && g.boots > 1 ? 0 : 2;
  if (g.quality === 0) g.world.pairs.begins("no clock", g.name);
  withPower(g, () => {
    const board = boardOf(g);
    const terminal = makeTerminal(board, g.role, g.medium, openSetup(board));
    if (g.config.only === "B") withoutA(terminal);
    g.terminal = terminal;
    terminal.onEvent = (e) => heard(g, e);
    adoptKeys(terminal);
    g.sync = makeSync(terminal);
    g.sync.onTime = (at) => { g.aheadSeconds = at - g.world.utc(); g.quality = 3; g.world.pairs.ends("no clock", g.name); };
    g.world.note(g.name, "boots", terminal.outOfService);
    g.world.oracle.booted(g);
  });
  soon(g);
}

/** Such a board has the group's keys and nothing that verifies a signature, whatever it is configured for. */
function withoutA(t: Terminal): void {
  const keep = (s: VerifierSettings): VerifierSettings => ({ ...s, profiles: s.profiles.filter((p) => p.letter === "B") });
  let kept = keep(t.verifier.settings);
  Object.defineProperty(t.verifier, "settings", { get: () => kept, set: (s: VerifierSettings) => { kept = keep(s); } });
}

/** Power goes now; it comes back by itself after a while unless the world is told otherwise. */
export function powerOff(g: GateActor, backAfterMs: number): void {
  g.world.note(g.name, "power off", "");
  if (g.next !== undefined) g.next.cancelled = true;
  g.terminal = undefined;
  g.sync = undefined;
  g.relay = 0;
  g.boots++;
  g.journal = g.journal.restarted();
  g.cells = g.cells.restarted();
  if (backAfterMs >= 0 && !g.gone) g.world.schedule.afterMs(backAfterMs, () => boot(g));
}

/** Whatever writes may lose its power in the middle. */
export function withPower(g: GateActor, work: () => void): void {
  try {
    work();
  } catch (error) {
    if (!(error instanceof PowerCut)) { g.world.oracle.threw(g.name, error); return; }
    powerOff(g, g.world.draw(`${g.name} power`).pick([50, 2000, 15_000]));
  }
}

// ---- its turn -----------------------------------------------------------------------------------------------------------------

/** Polls in an event of its own. */
export function soon(g: GateActor): void {
  wakeAt(g, g.world.schedule.nowUs);
}

function wakeAt(g: GateActor, us: number): void {
  if (g.next !== undefined && !g.next.cancelled) g.next.cancelled = true;
  g.next = g.world.schedule.at(us, () => turn(g));
}

function turn(g: GateActor): void {
  if (g.terminal === undefined) return;
  const fault = g.world.desk.at(`${g.name}/turn`);
  if (fault !== undefined) g.world.desk.struck(fault.kind, g.name);
  if (fault?.kind === "reset") { powerOff(g, fault.arg % 3 === 0 ? 20 : fault.arg % 5000); return; }
  if (fault?.kind === "late_timer") { g.next = g.world.schedule.afterMs(fault.arg % 60_000, () => turn(g)); return; }
  if (fault?.kind === "clock_jump") {
    // Only a clock that was set jumps (quality 2): what is counted on from signed time is no wall clock (`boards/node/clock.ts`).
    g.quality = g.quality === 3 ? 2 : g.quality;
    g.aheadSeconds += makeDraw(`jump ${fault.arg}`).pick([-1, 3600, -3600, 86_400, -86_400, 8 * 86_400, -400 * 86_400, 7300 * 86_400, -7300 * 86_400, 3 * 7200]);
  }
  withPower(g, () => step(g, g.terminal!));
}

function step(g: GateActor, terminal: Terminal): void {
  const due = poll(terminal);
  g.world.oracle.polled(g, due);
  const online = g.world.schedule.nowUs < g.onlineUntilUs;
  if (online) for (const slot of g.talksOnly ? ["talk" as const] : slots) talk(g, terminal, slot);
  const now = g.world.schedule.nowUs;
  const busy = terminal.verifier.state !== "idle" && terminal.verifier.state !== "out_of_service";
  g.idleMs = busy ? 250 : online ? 1000 : Math.min(g.idleMs * 2, 21_600_000);
  const idle = now + g.idleMs * 1000;
  const wanted = due < 0 ? idle : g.bootUs + due * 1000;
  wakeAt(g, Math.max(now + 1000, Math.min(idle, wanted)));
}

/** The long poll is answered empty after 20 s. */
const withinMs: Record<Slot, number> = { talk: 10_000, ask: 1500, wait: 30_000 };

function talk(g: GateActor, terminal: Terminal, slot: Slot): void {
  const sync = g.sync!;
  const letter = nextLetter(sync, slot);
  if (letter === undefined) return;
  const { type } = sync.outstanding[slot]!.letter;
  g.world.note(g.name, "posts", `${slot} ${type}`);
  if (type === messageType.renew) g.world.pairs.happened("renewal", g.name);
  if (type === messageType.handoverAsk) g.world.pairs.happened("handover", g.name);
  g.world.post(g.name, type, letter, withinMs[slot], (answer) => {
    if (g.terminal !== terminal) return;
    withPower(g, () => {
      if (answer === undefined) failed(sync, slot); else takeAnswer(sync, slot, answer);
      g.world.oracle.polled(g);
    });
    soon(g);
  });
}

function heard(g: GateActor, e: TerminalEvent): void {
  g.idleMs = 250;
  g.world.note(g.name, e.event, e.event === "shown" ? String(e.code) : e.event === "greeted" ? String(e.tap) : e.event === "ended" ? String(e.turned) : e.event === "fault" ? e.message : "");
  g.world.oracle.told(g, e);
  if (e.event !== "shown" || e.code !== 0) return;
  if (e.receipt !== undefined) g.world.letThrough(g, e.receipt); else walkOnCode(g.world, g);
}
