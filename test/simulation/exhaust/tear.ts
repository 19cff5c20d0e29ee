/**
 * Rows 13 to 17 of the fault table: a tap of every kind is torn after every message and the holder comes back as people do,
 * to the same gate in time, too late or when that gate has forgotten his pending receipt, to another one that hears the
 * first or does not; and a gate loses power, or a handset is killed, at every event. In the end every holder was charged
 * exactly for his passages, and no counter counts twice. Cryptography is perfect here: what matters is what comes when.
 */
import * as core from "../../session/core.js";
import { perfectCrypto } from "../model/perfect.js";
import { refusal } from "../../../protocol/refusal.js";
import { intent } from "../../../protocol/wire/message.js";
import { decodeFinishedA, decodeFinishedB, decodeReceipt } from "../../../protocol/wire/receipt.js";
import type { Exhausted, ExhaustOptions } from "./session.js";
import { violation } from "../violation.js";

const kinds = ["ticket", "coupon", "card"] as const;
const profiles = ["A", "B"] as const;
const transactions = ["use", "second use", "resume", "inquire", "fold"] as const;
const returns = ["in time", "late", "forgotten", "other gate, deaf", "other gate, hearing"] as const;
type Transaction = (typeof transactions)[number];
type Return = (typeof returns)[number];
interface Kind { value: (typeof kinds)[number]; profile: "A" | "B"; transaction: Transaction; plant: core.Plant | undefined }

/** Two gates, one holder with his value, and who passed where. */
interface Scene { north: core.Gate; south: core.Gate; hand: core.Hand; passed: Record<number, number>; lookedAfter: Set<number>; hears: boolean; at: number; plant: core.Plant | undefined }

function scene(k: Kind): Scene {
  const mint = core.makeMint(perfectCrypto);
  const want = k.value === "card" ? { action: 3, kinds: ["card"], amount: 100, currency: 978 } : {};
  const [north, south] = ["north", "south"].map((name) => core.makeGate(mint, name, { profiles: k.profile, want })) as [core.Gate, core.Gate];
  core.introduce(north, south);
  const hand = core.makeHand(mint, k.value, { profile: k.profile, name: `torn ${k.value}` });
  const s: Scene = { north, south, hand, passed: {}, lookedAfter: new Set(), hears: false, at: core.start, plant: k.plant };
  prepare(s, k);
  return s;
}
/** What must have happened before the transaction that is torn. */
function prepare(s: Scene, k: Kind): void {
  if (k.transaction === "use") return;
  if (k.transaction === "second use") { whole(s, s.north); return; }
  if (k.transaction === "resume") {
    core.tapOnce(s.hand, s.north, { at: s.at, change: (m) => (m.to === "terminal" && m.bytes[1] === 4 ? [] : [m.bytes]) });
    core.silence(s.hand, s.north);
    return;
  }
  if (k.transaction === "inquire") {
    tapOf(s, s.north, { events: Infinity, lost: (m) => m.to === "handset" && m.bytes[1] === 5 });
    core.silence(s.hand, s.north);
    return;
  }
  core.tapOnce(s.hand, s.north, { at: s.at, turns: false });
  core.drive(s.north, { type: "time" }, { at: s.at, nowMs: 1e9 });
  core.silence(s.hand, s.north);
  passLater(s);
  s.hand.intent = intent.inquire;
  core.tapOnce(s.hand, s.north, { at: s.at });
}
/** So long that nothing can be resumed; both gates close and undo what did not turn. */
function passLater(s: Scene): void {
  s.at += 1000;
  for (const g of [s.north, s.south]) {
    core.drive(g, { type: "close", tap: g.tap }, { at: s.at });
    for (let i = 0; i < 3; i++) core.drive(g, { type: "time" }, { at: s.at });
  }
}

// ---- one tap, event by event ------------------------------------------------------------------------------------------------

interface Torn {
  /** Messages that get through; everything after is lost. */
  messages?: number;
  /** At this event the gate loses power (before or after a write under way), or the handset is killed. */
  events: number;
  reset?: "gate" | "gate, written" | "handset" | "handset, stored";
  lost?: (m: core.OnTheWay) => boolean;
}

/** One tap in which appends and stores are events of their own. Answers how many messages and events there were. */
function tapOf(s: Scene, g: core.Gate, o: Torn): { messages: number; events: number } {
  const slow = { slowWrites: true, at: s.at, plant: s.plant };
  const h = s.hand;
  let messages = 0;
  let events = 0;
  let dead = false;
  const walk = (): boolean => {
    if (g.verifier.state !== "open" || dead) return false;
    const counter = g.verifier.tap!.receipt!.counter;
    s.passed[counter] = (s.passed[counter] ?? 0) + 1;
    core.drive(g, { type: "turned" }, slow);
    return true;
  };
  g.out = [];
  h.out = [];
  core.greet(g, slow);
  for (let i = 0; i < 40; i++) {
    if (events++ === o.events && o.reset !== undefined) { reset(s, g, o.reset); dead = true; break; }
    if (h.storing !== undefined) { core.finishStore(h, slow); continue; }
    if (g.writing !== undefined) { core.finishWrite(g, slow); continue; }
    const to = g.out.length > 0 ? "handset" : "terminal";
    const bytes = (to === "handset" ? g.out : h.out).shift();
    if (bytes === undefined) {
      if (g.question !== undefined) { handover(s, g); continue; }
      if (walk()) continue;
      break;
    }
    if (messages++ >= (o.messages ?? Infinity) || o.lost?.({ to, index: messages, bytes }) === true) continue;
    if (to === "handset") core.hear(h, bytes, slow); else core.drive(g, { type: "message", bytes }, slow);
  }
  return { messages, events };
}
function reset(s: Scene, g: core.Gate, what: NonNullable<Torn["reset"]>): void {
  if (what === "handset" || what === "handset, stored") core.kill(s.hand, what === "handset, stored");
  else core.powerCut(g, what === "gate, written", { plant: s.plant });
}
function handover(s: Scene, g: core.Gate): void {
  const question = g.question!;
  const owner = g === s.north ? s.south : s.north;
  g.question = undefined;
  if (!s.hears) { core.drive(g, { type: "handover", receipt: question.receipt, code: -1 }, { slowWrites: true, at: s.at }); return; }
  core.drive(owner, { type: "handover_asked", by: core.idOf(g), receipt: question.receipt, proof: question.proof }, { at: s.at });
  const answer = owner.answers.pop()!;
  core.drive(g, { type: "handover", receipt: answer.receipt, code: answer.code }, { slowWrites: true, at: s.at });
}
/** A gate whose holder went away waits in vain; what it was writing is written. */
function rest(s: Scene): void {
  for (const g of [s.north, s.south]) {
    if (g.writing !== undefined) core.finishWrite(g, { at: s.at });
    core.silence(s.hand, g, { at: s.at });
  }
  if (s.hand.storing !== undefined) core.finishStore(s.hand, { at: s.at });
  core.silence(s.hand, s.north, { at: s.at });
}
function whole(s: Scene, g: core.Gate): void {
  s.hand.intent = wish(s);
  tapOf(s, g, { events: Infinity });
  rest(s);
  const told = s.hand.shown[s.hand.shown.length - 1];
  if (told?.code === refusal.outcome_unknown) s.lookedAfter.add(core.counterOf(s.hand));
}

/** What an honest holder wants: he knows whether he was let through for his newest receipt. */
function wish(s: Scene): number {
  const newest = core.newestOf(s.hand);
  if (newest === undefined || newest.state === "reversed" || newest.state === "turned" || newest.state === "used") return intent.use;
  return (s.passed[core.counterOf(s.hand)] ?? 0) > 0 ? intent.inquire : intent.resume;
}
const isOpen = (s: Scene): boolean => wish(s) === intent.resume;

// ---- and back again -----------------------------------------------------------------------------------------------------------

function comeBack(s: Scene, how: Return): void {
  s.hears = how === "other gate, hearing";
  if (how === "late") passLater(s);
  if (how === "forgotten") s.north.verifier.pending = [];
  const other = how === "other gate, deaf" || how === "other gate, hearing";
  if (isOpen(s) || how !== "late") whole(s, other ? s.south : s.north);
  for (let i = 0; i < 3 && isOpen(s); i++) whole(s, i === 1 ? s.south : s.north);
  passLater(s);
  for (const g of [s.north, s.south]) {
    if (!isOpen(s)) break;
    s.hand.intent = intent.inquire;
    tapOf(s, g, { events: Infinity });
    rest(s);
  }
}

interface Charge { counter: number; amount: number }
function charges(g: core.Gate): Charge[] {
  return g.journal.flatMap((e) => {
    if (e.kind !== "finished") return [];
    const receipt = decodeReceipt((e.profile === "A" ? decodeFinishedA(e.record)! : decodeFinishedB(e.record)!).receipt)!;
    const undone = Object.values(g.book.uses).some(({ use }) => use.counter === receipt.counter && use.outcome === "reversed");
    return [{ counter: receipt.counter, amount: undone ? 0 : receipt.amount }];
  });
}
/** The promise that the end breaks, if one. */
function judge(s: Scene): string | undefined {
  const all = [...charges(s.north), ...charges(s.south)];
  const seen = new Set<number>();
  for (const c of all) {
    if (seen.has(c.counter)) return `I2 counter ${c.counter} finished twice`;
    seen.add(c.counter);
    const passed = s.passed[c.counter] ?? 0;
    if (c.amount === 0 && passed > 0) return `I1 counter ${c.counter} passed and undone`;
    if (c.amount > 0 && passed !== 1 && !s.lookedAfter.has(c.counter)) return `I1 counter ${c.counter} charged, passed ${passed} times`;
  }
  for (const counter of Object.keys(s.passed)) if (!seen.has(Number(counter))) return `I3 counter ${counter} passed and never recorded`;
  return undefined;
}

// ---- the run ------------------------------------------------------------------------------------------------------------------

/** `damage` counts for nothing here: there is one way to tear a tap after a message. `only`: a part, for quick tests; `plant`: a mistake to be found. */
export function run(o: ExhaustOptions & { only?: (k: { value: string; profile: string; transaction: string }) => boolean; plant?: core.Plant }): Exhausted {
  const found: Exhausted = { points: 0, faults: {}, violations: [] };
  const all: Kind[] = kinds.flatMap((value) => profiles.flatMap((profile) => transactions.map((transaction) => ({ value, profile, transaction, plant: o.plant }))));
  const fit = all.filter((k) => !(k.profile === "B" && k.transaction === "fold") && !(k.value === "ticket" && k.transaction === "second use") && (o.only?.(k) ?? true));
  fit.forEach((k, i) => {
    o.progress?.(i, fit.length);
    for (const how of returns) { left(k, how, found); for (const what of ["gate", "gate, written", "handset", "handset, stored"] as const) torn(k, how, what, found); }
  });
  o.progress?.(fit.length, fit.length);
  return found;
}
function begin(k: Kind): Scene {
  const s = scene(k);
  s.hand.intent = wish(s);
  return s;
}
function end(s: Scene, k: Kind, how: Return, fault: string, where: string, found: Exhausted): void {
  rest(s);
  found.points++;
  found.faults[fault] = (found.faults[fault] ?? 0) + 1;
  try {
    comeBack(s, how);
    const broken = judge(s);
    if (broken !== undefined) found.violations.push(violation(`${k.value} ${k.profile} ${k.transaction}, ${where}, ${how}`, broken));
  } catch (error) {
    found.violations.push(violation(`${k.value} ${k.profile} ${k.transaction}, ${where}, ${how}`, `I10 ${(error as Error).message}`));
  }
}
/** Row 13: the line goes dead after each message. */
function left(k: Kind, how: Return, found: Exhausted): void {
  const count = tapOf(begin(k), scene(k).north, { events: Infinity }).messages + 1;
  for (let n = 0; n <= count; n++) {
    const s = begin(k);
    tapOf(s, s.north, { messages: n, events: Infinity });
    end(s, k, how, "handset left", `after message ${n}`, found);
  }
}
/** Rows 16 and 17: memory is lost at each event. */
function torn(k: Kind, how: Return, what: NonNullable<Torn["reset"]>, found: Exhausted): void {
  const once = begin(k);
  const count = tapOf(once, once.north, { events: Infinity }).events;
  for (let n = 0; n < count; n++) {
    const s = begin(k);
    tapOf(s, s.north, { events: n, reset: what });
    end(s, k, how, what.startsWith("gate") ? "gate reset" : "handset killed", `${what} at event ${n}`, found);
  }
}
