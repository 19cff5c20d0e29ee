/**
 * A handset and the person who holds it: the real wallet and holder, a store that may lose power, and a memory of where the
 * person really went. Asked whether he was let through, an honest one says what happened; a liar says what suits him.
 */
import { simCrypto as crypto } from "./crypto.js";
import { PowerCut, type GateActor } from "./gate.js";
import { copyOfPages, pagesOf, type Pages } from "./pages.js";
import type { End } from "./line.js";
import { makeDraw } from "./random.js";
import type { Handle } from "./schedule.js";
import type { World } from "./world.js";
import { makeSimKeys, type SimKeys } from "../../boards/sim/board.js";
import { openCells, readCell, writeCell, type Cells } from "../../runtime/journal/cells.js";
import type { Store } from "../../runtime/journal/store.js";
import { confirm, makeHandset, pollHandset, type Handset, type HandsetEvent } from "../../runtime/role/handset.js";
import { readAnswer, writeLetter, type Correspondent } from "../../runtime/sync/letters.js";
import type { Trust } from "../../runtime/sync/trust.js";
import { newestOf, newestReceipt, openWallet, type WalletState, type WalletValue } from "../../runtime/value/wallet.js";
import { hex } from "../../protocol/wire/bytes.js";
import { intent } from "../../protocol/wire/message.js";

export interface HandsetActor {
  readonly world: World; readonly name: string; readonly index: number;
  store: Pages; cells: Cells; wallet: WalletState; who: Correspondent;
  readonly keys: SimKeys; readonly trust: Trust;
  meeting: Meeting | undefined;
  /** `value:counter` of uses after which the person stood on the other side. */
  readonly passed: Set<string>;
  /** Another handset has, or had, the same keys: nothing is promised to its holder. */
  copied: boolean;
  /** An older state was put back. */
  rolledBack: boolean;
  /** The person does not walk through the next time that he may. */
  dawdles: boolean;
  /** The next receipt that it stores is never acknowledged: he walks away in that moment. */
  tears: boolean;
  /** A copy; the person holding it lies. */
  readonly clone: boolean;
  snapshot: Pages | undefined;
}

/** Standing before a gate. */
export interface Meeting { handset: Handset; end: End; gate: GateActor; events: HandsetEvent[]; next: Handle | undefined; leaveAtUs: number; passes: boolean }

const pages = { pageBytes: 16384, pages: 2 };
const patienceMs = 12_000;

export interface HandsetOptions { name: string; index: number; trust: Trust; keys?: SimKeys; store?: Pages; clone?: boolean }
export function makeHandsetActor(world: World, o: HandsetOptions): HandsetActor {
  const h = {
    world, name: o.name, index: o.index, store: o.store ?? pagesOf("disk", pages), trust: o.trust, keys: o.keys ?? makeSimKeys(crypto, { fill: (n) => world.draw(`${o.name} keys`).bytes(n) }),
    meeting: undefined, passed: new Set<string>(), copied: o.clone === true, rolledBack: false, dawdles: false, tears: false, clone: o.clone === true, snapshot: undefined,
  } as unknown as HandsetActor;
  reopen(h);
  return h;
}

/** Starts on what is durable, again and again if it dies while it does. */
export function reopen(h: HandsetActor): void {
  for (;;) {
    try { start(h); return; } catch (error) {
      if (!(error instanceof PowerCut)) throw error;
      h.store = h.store.restarted();
    }
  }
}

function start(h: HandsetActor): void {
  h.cells = openCells(faultyStore(h));
  h.wallet = openWallet(h.cells);
  const next = Number(Buffer.from(readCell(h.cells, "sequence") ?? []).toString("utf8") || "0");
  h.who = {
    crypto, keys: h.keys, random: { fill: (n) => h.world.draw(`${h.name} random`).bytes(n) }, trust: h.trust, signer: "device", openers: ["device agreement"], next, ceiling: next,
    reserve: (ceiling) => writeCell(h.cells, "sequence", new Uint8Array(Buffer.from(String(ceiling)))),
  };
}

function faultyStore(h: HandsetActor): Store {
  const store = h.store;
  const guarded = (work: () => void): void => {
    const fault = h.world.desk.at(`${h.name}/cells`);
    if (fault === undefined) { work(); return; }
    store.cutAt(store.operations.length + 1, fault.arg);
    try { work(); } catch { h.world.desk.struck("killed_writing", h.name); throw new PowerCut(`${h.name}: died while writing`); }
  };
  return {
    pageBytes: store.pageBytes, pages: store.pages, read: (page, offset, length) => store.read(page, offset, length),
    write: (page, offset, bytes) => guarded(() => store.write(page, offset, bytes)), erase: (page) => guarded(() => store.erase(page)), sync: () => guarded(() => store.sync()),
  };
}

/** Memory is gone, what was synced stands; the person still holds it to the gate and taps again some other time. */
export function kill(h: HandsetActor): void {
  h.world.note(h.name, "killed", "");
  leave(h);
  h.store = h.store.restarted();
  h.world.oracle.reopened(h);
  reopen(h);
}

/** As it was when the snapshot was taken. */
export function rollBack(h: HandsetActor): void {
  if (h.snapshot === undefined) { h.snapshot = copyOfPages(h.store); return; }
  leave(h);
  h.copied = true;
  h.rolledBack = true;
  h.store = h.snapshot;
  h.snapshot = undefined;
  reopen(h);
}

// ---- a tap ----------------------------------------------------------------------------------------------------------------

/** The person steps before a gate and holds the handset to it. False while he stands somewhere else. */
export function approach(h: HandsetActor, gate: GateActor, v: WalletValue, saying: number): boolean {
  if (h.meeting !== undefined || gate.line.attached() > 1) return false;
  h.wallet.chosen = v.value.valueId;
  h.wallet.intent = saying;
  h.wallet.profile = undefined;
  const end = gate.line.attach(h.name);
  const clock = { monotonicMs: () => Math.floor(h.world.schedule.nowUs / 1000), utc: () => ({ at: Math.floor(h.world.utc()), quality: 2 as const }) };
  const line = { ...end, read: () => end.read(), write: (bytes: Uint8Array) => { h.world.oracle.says(h, bytes); end.write(bytes); } };
  const handset = makeHandset({ clock, random: h.who.random, keys: h.keys, crypto }, h.wallet, h.trust, line, gate.medium, 2000);
  const m: Meeting = { handset, end, gate, events: [], next: undefined, leaveAtUs: h.world.schedule.nowUs + patienceMs * 1000, passes: false };
  h.meeting = m;
  handset.onEvent = (e) => heard(h, m, e);
  end.onReadable = () => wakeAt(h, m, h.world.schedule.nowUs);
  h.world.pairs.stands(h.name, gate.name);
  h.world.note(h.name, "approaches", `${gate.name} ${hex(v.value.valueId)} ${saying}`);
  wakeAt(h, m, h.world.schedule.nowUs);
  return true;
}

/** What an honest holder says of the value's newest receipt; a liar says anything. */
export function answerOf(h: HandsetActor, v: WalletValue, luck: number): number {
  const newest = newestOf(v.receipts);
  if (newest === undefined) return intent.use;
  if (h.clone || luck % 100 < h.world.plan.config.lies) return luck % 3;
  if (newest.state !== "unresolved") return intent.use;
  const went = h.passed.has(nameOf(v.value.valueId, newestReceipt(v)!.counter));
  if (!went) return intent.resume;
  return luck % 2 === 0 ? intent.use : intent.inquire;
}
export const nameOf = (valueId: Uint8Array, counter: number): string => `${hex(valueId)}:${counter}`;

function wakeAt(h: HandsetActor, m: Meeting, us: number): void {
  if (m.next !== undefined) m.next.cancelled = true;
  m.next = h.world.schedule.at(us, () => turn(h, m));
}

function turn(h: HandsetActor, m: Meeting): void {
  if (h.meeting !== m) return;
  const now = h.world.schedule.nowUs;
  const fault = h.world.desk.at(`${h.name}/turn`);
  if (fault !== undefined) { h.world.desk.struck("killed", h.name); kill(h); return; }
  if (now >= m.leaveAtUs) { leave(h); return; }
  guard(h, () => {
    const due = pollHandset(m.handset);
    if (h.meeting === m) wakeAt(h, m, Math.min(m.leaveAtUs, due < 0 ? m.leaveAtUs : Math.max(now + 1000, due * 1000)));
  });
}

function guard(h: HandsetActor, work: () => void): void {
  try {
    work();
  } catch (error) {
    if (error instanceof PowerCut) kill(h);
    else h.world.oracle.threw(h.name, error);
  }
}

function heard(h: HandsetActor, m: Meeting, e: HandsetEvent): void {
  m.events.push(e);
  if (e.event !== "done") m.leaveAtUs = Math.max(m.leaveAtUs, h.world.schedule.nowUs + patienceMs * 500);
  h.world.note(h.name, e.event, "code" in e ? String(e.code) : "outcome" in e ? `${hex(e.valueId)}:${e.counter} ${e.outcome}` : "counter" in e ? String(e.counter) : "");
  h.world.oracle.heardBy(h, e);
  const now = h.world.schedule.nowUs;
  if (e.event === "stored" && h.tears && !h.world.desk.quiet) { h.tears = false; h.world.desk.struck("leave", h.name); m.gate.line.detach(m.end); m.leaveAtUs = now; return; }
  if (e.event === "confirm") {
    const yes = makeDraw(`${h.name} ${now}`).chance(0.9);
    h.world.schedule.afterMs(700, () => { if (h.meeting === m && m.handset.holder.state === "asking") guard(h, () => { confirm(m.handset, yes); wakeAt(h, m, h.world.schedule.nowUs); }); });
  }
  if (e.event === "done") m.leaveAtUs = Math.min(m.leaveAtUs, now + 1_500_000);
}

/** The gate opened for this handset's value: its holder walks, unless he dawdles. */
export function walk(h: HandsetActor, gate: GateActor, name: string, lingers: boolean): void {
  if (lingers || gate.relay === 0) return;
  h.passed.add(name);
  h.world.note(h.name, "passes", name);
  h.world.oracle.passed(gate, name);
  if (gate.hasSensor) { gate.passage.set(1); h.world.schedule.afterMs(120, () => gate.passage.set(0)); }
  if (h.meeting !== undefined) h.meeting.leaveAtUs = Math.min(h.meeting.leaveAtUs, h.world.schedule.nowUs + 400_000);
}

export function leave(h: HandsetActor): void {
  const m = h.meeting;
  if (m === undefined) return;
  h.meeting = undefined;
  if (m.next !== undefined) m.next.cancelled = true;
  m.gate.line.detach(m.end);
  h.world.note(h.name, "leaves", "");
}

// ---- its letters ------------------------------------------------------------------------------------------------------------

/** Posts a letter to the host; `took` gets the body of its word, or nothing. */
export function talk(h: HandsetActor, type: number, body: Uint8Array, took: (body: Uint8Array) => void): void {
  guard(h, () => {
    const letter = writeLetter(h.who, type, body, Math.floor(h.world.utc()), 2);
    if (letter === undefined) return;
    const who = h.who;
    h.world.post(h.name, type, letter.bytes, 15_000, (answer) => {
      if (h.who !== who || answer === undefined) return;
      const message = readAnswer(who, letter, answer);
      if (message !== undefined && message.body.length > 0) guard(h, () => took(message.body));
    });
  });
}
