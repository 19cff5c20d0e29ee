/**
 * The small model (`tap.md` §11, `reliability.md` §6.7): one value of three uses, one handset, two gates, and at any point a
 * message lost, doubled or played again, a power cut on either side, a gate that closes its tap numbers, a holder who
 * walks away. Gates and handset are the real core; only cryptography is perfect and time stands still: whoever may wait in
 * vain does so at any moment. This page says what may happen next; `explore.ts` visits all of it.
 */
import { perfectCrypto } from "./perfect.js";
import { copyGate, copyHand, makePool, type Node } from "./nodes.js";
import * as core from "../../session/core.js";
import { hex } from "../../../protocol/wire/bytes.js";
import { intent, messageType, type as kinds } from "../../../protocol/wire/message.js";
import { decodeFinishedA, decodeReceipt } from "../../../protocol/wire/receipt.js";
import { fromBytes4 } from "../../../protocol/session/transcript.js";
import { digest16 } from "../../../protocol/wire/value.js";
import { refusal } from "../../../protocol/refusal.js";
import { apply } from "../../../runtime/value/book.js";

export interface Bounds {
  taps: number;
  loss: number; duplicate: number; replay: number; reset: number;
  closes: number;
  /** Gates that hear each other hand receipts over. */
  hearing: boolean;
  reopen: 0 | 1;
  /** Shows any receipt at any time, with any intent: clones and rolled-back copies included. */
  dishonest: boolean;
  plant: core.Plant | undefined;
}

/** What an onlooker who sees everything notes down. Counters index the lists. */
export interface Ghost {
  /** Passages and openings by counter, one row a gate. */
  passed: number[];
  openings: number[][];
  /** Times that opening once more is allowed: the sensor said no, or power was cut with the outcome open. */
  again: number[][];
  /** Uses that the host has undone, by receipt digest; from then on nothing may finish them. */
  undone: string[];
  /** Counters whose holder was told to ask staff. */
  staff: number[];
}

interface Reply { to: number; receipt: Node<Uint8Array>; code: number }
export interface State {
  gates: [Node<core.Gate>, Node<core.Gate>];
  hand: Node<core.Hand>;
  ghost: Node<Ghost>;
  /** Messages under way between the handset and the gate it stands at. */
  toHand: Node<Uint8Array>[];
  toGate: Node<Uint8Array>[];
  at: number;
  replies: Reply[];
  /** Words of the first tap, for whoever plays them again. */
  heard: Node<Uint8Array>[];
  left: { taps: number; loss: number; duplicate: number; replay: number; reset: number; closes: number };
}
export interface Step { name: string; to: State; violation?: string }

const gatePool = makePool<core.Gate>();
const handPool = makePool<core.Hand>();
const ghostPool = makePool<Ghost>();
const messagePool = makePool<Uint8Array>();
export const sizes = () => ({ gates: gatePool.size, hands: handPool.size, messages: messagePool.size });

const most = 6;
const zeros = () => new Array<number>(most).fill(0);

/** The beginning of a run; what was worked out for another run is forgotten. */
export function first(b: Bounds): State {
  for (const known of [gatePool, handPool, ghostPool, messagePool]) known.empty();
  gateChanges.clear();
  handChanges.clear();
  const mint = core.makeMint(perfectCrypto);
  const gates = ["north", "south"].map((name) => core.makeGate(mint, name, { reopen: b.reopen })) as [core.Gate, core.Gate];
  core.introduce(...gates);
  const hand = core.makeHand(mint, "coupon", { name: "the value" });
  for (const g of gates) hand.known[hex(core.idOf(g))] = g.verifier.settings.certificate!;
  return {
    gates: [gatePool.has(gates[0]), gatePool.has(gates[1])], hand: handPool.has(hand), toHand: [], toGate: [], at: 0, replies: [], heard: [],
    ghost: ghostPool.has({ passed: zeros(), openings: [zeros(), zeros()], again: [zeros(), zeros()], undone: [], staff: [] }),
    left: { taps: b.taps, loss: b.loss, duplicate: b.duplicate, replay: b.replay, reset: b.reset, closes: b.closes },
  };
}
const ids = (nodes: readonly Node<unknown>[]): string => nodes.map((n) => n.id).join(".");
export const keyOf = (s: State): string =>
  `${ids(s.gates)}/${s.hand.id}/${s.ghost.id}/${ids(s.toHand)}/${ids(s.toGate)}/${s.at}/${s.replies.map((r) => `${r.to}.${r.receipt.id}.${r.code}`).join()}/${ids(s.heard)}/${Object.values(s.left).join()}`;

// ---- one change of one machine, worked out once ---------------------------------------------------------------------------

interface GateChange { gate: Node<core.Gate>; said: Node<Uint8Array>[]; opened: number; violation: string | undefined }
interface HandChange { hand: Node<core.Hand>; said: Node<Uint8Array>[]; codes: number[] }
const gateChanges = new Map<string, GateChange>();
const handChanges = new Map<string, HandChange>();

function changeGate(node: Node<core.Gate>, what: string, change: (g: core.Gate) => void): GateChange {
  const key = node.id + " " + what;
  let done = gateChanges.get(key);
  if (done !== undefined) return done;
  const g = copyGate(node.value);
  const before = g.opened;
  change(g);
  const opened = g.opened - before;
  const said = g.out.splice(0).map((m) => messagePool.has(m));
  done = { gate: gatePool.has(g), said, opened: opened === 0 ? 0 : counterAt(g), violation: opened === 0 ? undefined : unexplained(g) };
  gateChanges.set(key, done);
  return done;
}
const counterAt = (g: core.Gate): number => g.verifier.tap!.receipt!.counter;

/** Nothing opens without a durable acknowledged record of exactly this receipt. */
function unexplained(g: core.Gate): string | undefined {
  const digest = hex(digest16(perfectCrypto, g.verifier.tap!.receiptBytes));
  return recordsOf(g).some((r) => r.digest === digest) ? undefined : "I3 opened without a durable record";
}

function changeHand(node: Node<core.Hand>, what: string, change: (h: core.Hand) => void): HandChange {
  const key = node.id + " " + what;
  let done = handChanges.get(key);
  if (done !== undefined) return done;
  const h = copyHand(node.value);
  change(h);
  const said = h.out.splice(0).map((m) => messagePool.has(m));
  const codes = h.shown.map((s) => s.code);
  done = { hand: handPool.has(h), said, codes };
  handChanges.set(key, done);
  return done;
}

interface Recorded { counter: number; digest: string }
const recordsKnown = new WeakMap<core.Gate, Recorded[]>();
/** Finished records in a journal. */
export function recordsOf(g: core.Gate): Recorded[] {
  let list = recordsKnown.get(g);
  if (list !== undefined) return list;
  list = g.journal.flatMap((e) => {
    if (e.kind !== "finished") return [];
    const receipt = decodeFinishedA(e.record)!.receipt;
    return [{ counter: decodeReceipt(receipt)!.counter, digest: hex(digest16(perfectCrypto, receipt)) }];
  });
  recordsKnown.set(g, list);
  return list;
}

// ---- what may happen next -----------------------------------------------------------------------------------------------

type Next = (name: string, change: Partial<State>, left?: Partial<State["left"]>, violation?: string | undefined) => void;

/** Every step from here. */
export function steps(s: State, b: Bounds): Step[] {
  const list: Step[] = [];
  const next: Next = (name, change, left, violation) => {
    const to: State = { ...s, ...change, left: left === undefined ? s.left : { ...s.left, ...left } };
    list.push(violation === undefined ? { name, to } : { name, to, violation });
  };
  holder(s, b, next);
  line(s, b, next);
  for (const i of [0, 1]) machine(s, b, i, next);
  neighbours(s, b, next);
  return list.map((x) => settle(x));
}

function moment(b: Bounds): core.Moment {
  return { slowWrites: true, plant: b.plant };
}

/** The gate at `i` changed: what it said goes to the handset if that stands there. */
function withGate(s: State, i: number, done: GateChange, extra: Partial<State> = {}): Partial<State> {
  const gates: State["gates"] = [...s.gates];
  gates[i] = done.gate;
  const toHand = extra.toHand ?? s.toHand;
  const ghost = done.opened === 0 ? extra.ghost ?? s.ghost : counted(extra.ghost ?? s.ghost, "openings", i, done.opened);
  return { ...extra, gates, ghost, toHand: i === s.at ? toHand.concat(done.said) : toHand };
}
function counted(ghost: Node<Ghost>, list: "openings" | "again", gate: number, counter: number): Node<Ghost> {
  const rows = ghost.value[list].map((row, i) => (i === gate ? row.map((n, c) => (c === counter ? n + 1 : n)) : row));
  return ghostPool.has({ ...ghost.value, [list]: rows });
}

/** The holder taps, walks through an open gate, or gives up waiting. */
function holder(s: State, b: Bounds, next: Next): void {
  const h = s.hand.value;
  const state = h.holder.state;
  const here = s.gates[s.at]!.value;
  if (here.verifier.state === "open") walk(s, b, next);
  if (h.storing !== undefined) { next("handset stores", withHand(s, changeHand(s.hand, "store", (x) => core.finishStore(x, moment(b))))); }
  if (h.holder.deadline >= 0) next("handset gives up", withHand(s, changeHand(s.hand, "time", (x) => core.ask(x, { type: "time" }, { nowMs: 1e9 }))));
  if (s.left.taps > 0 && state === "ready" && h.storing === undefined) for (const i of [0, 1]) for (const choice of choices(s, b)) tap(s, b, i, choice, next);
  if (s.left.reset > 0 && state !== "ready") {
    for (const written of h.storing === undefined ? [false] : [false, true]) {
      next(`handset killed${written ? " after storing" : ""}`, { ...withHand(s, changeHand(s.hand, `kill ${written}`, (x) => core.kill(x, written))), toHand: [] }, { reset: s.left.reset - 1 });
    }
  }
}
function withHand(s: State, done: HandChange, extra: Partial<State> = {}): Partial<State> {
  const counter = core.counterOf(done.hand.value);
  const staff = done.codes.indexOf(refusal.outcome_unknown) >= 0 && s.ghost.value.staff.indexOf(counter) < 0;
  const ghost = staff ? ghostPool.has({ ...s.ghost.value, staff: [...s.ghost.value.staff, counter] }) : s.ghost;
  return { ...extra, hand: done.hand, ghost, toGate: (extra.toGate ?? s.toGate).concat(done.said) };
}

function walk(s: State, b: Bounds, next: Next): void {
  const gate = s.gates[s.at]!.value;
  const counter = counterAt(gate);
  const passed = s.ghost.value.passed.map((n, c) => (c === counter ? n + 1 : n));
  const done = changeGate(s.gates[s.at]!, "turned", (g) => core.drive(g, { type: "turned" }, moment(b)));
  const explained = recordsOf(gate).some((r) => r.counter === counter);
  next("holder walks through", { ...withGate(s, s.at, done), ghost: ghostPool.has({ ...s.ghost.value, passed }) }, {}, explained ? undefined : "passage without a record");
}

export interface Choice { intent: number; shows: number }
/** What a holder may show now. The honest one knows whether he was let through, and says so. */
export function choices(s: State, b: Bounds): Choice[] {
  const h = s.hand.value;
  const newest = core.newestOf(h);
  if (b.dishonest) {
    const list: Choice[] = [{ intent: intent.use, shows: -2 }];
    h.kept.forEach((_, i) => { list.push({ intent: intent.use, shows: i }, { intent: intent.resume, shows: i }); });
    return list;
  }
  const use = { intent: intent.use, shows: -1 };
  if (newest === undefined || newest.state === "turned" || newest.state === "reversed" || newest.state === "used") return core.counterOf(h) < 3 ? [use] : [];
  const letThrough = s.ghost.value.passed[core.counterOf(h)]! > 0;
  if (b.plant === "resume on a missing outcome" && newest.state === "unresolved") return [{ intent: intent.resume, shows: -1 }];
  if (letThrough) return core.counterOf(h) < 3 ? [use, { intent: intent.inquire, shows: -1 }] : [{ intent: intent.inquire, shows: -1 }];
  return [{ intent: intent.resume, shows: -1 }];
}

/** He holds his handset before a gate, which greets it; what was under way before is lost. */
function tap(s: State, b: Bounds, i: number, choice: Choice, next: Next): void {
  const state = s.gates[i]!.value.verifier.state;
  if (state !== "idle" && state !== "greeted" && state !== "answered") return;
  const hand = changeHand(s.hand, `choose ${choice.intent} ${choice.shows}`, (h) => { h.intent = choice.intent; h.shows = choice.shows; });
  const done = changeGate(s.gates[i]!, "heard", (g) => core.greet(g, moment(b)));
  next(`tap at ${i} (intent ${choice.intent}, shows ${choice.shows})`, withGate({ ...s, at: i, toHand: [] }, i, done, { at: i, hand: hand.hand, toHand: [], toGate: [] }), { taps: s.left.taps - 1 });
}

/** Messages arrive in order; one is lost, comes twice, or is played again by somebody else. */
function line(s: State, b: Bounds, next: Next): void {
  const down = s.toHand[0];
  const up = s.toGate[0];
  if (down !== undefined) {
    const done = changeHand(s.hand, `hear ${down.id}`, (h) => core.hear(h, down.value, moment(b)));
    next("to handset", withHand(s, done, { toHand: s.toHand.slice(1), heard: remembered(s, down) }));
    if (s.left.duplicate > 0) next("to handset, and again later", withHand(s, done, { heard: remembered(s, down) }), { duplicate: s.left.duplicate - 1 });
    if (s.left.loss > 0) next("lost to handset", { toHand: s.toHand.slice(1) }, { loss: s.left.loss - 1 });
  }
  if (up !== undefined) {
    const done = changeGate(s.gates[s.at]!, `hear ${up.id}`, (g) => core.drive(g, { type: "message", bytes: up.value }, moment(b)));
    const heard = remembered(s, up);
    next("to gate", withGate(s, s.at, done, { toGate: s.toGate.slice(1), heard }), {}, done.violation);
    if (s.left.duplicate > 0) next("to gate, and again later", withGate(s, s.at, done, { heard }), { duplicate: s.left.duplicate - 1 }, done.violation);
    if (s.left.loss > 0) next("lost to gate", { toGate: s.toGate.slice(1) }, { loss: s.left.loss - 1 });
  }
  if (s.left.replay > 0) for (const old of s.heard) replay(s, b, old, next);
}
/** Only what decides anything is worth playing again, and only while somebody may. */
function remembered(s: State, m: Node<Uint8Array>): Node<Uint8Array>[] {
  const type = messageType(m.value);
  const telling = type === kinds.presentation || type === kinds.answer || type === kinds.acknowledgement;
  return s.left.replay === 0 || !telling || s.heard.length >= 3 || s.heard.indexOf(m) >= 0 ? s.heard : s.heard.concat([m]);
}
function replay(s: State, b: Bounds, old: Node<Uint8Array>, next: Next): void {
  const left = { replay: s.left.replay - 1 };
  if (messageType(old.value) === kinds.answer) {
    if (s.hand.value.holder.state === "ready") return;
    next("answer played again", withHand(s, changeHand(s.hand, `hear ${old.id}`, (h) => core.hear(h, old.value, moment(b)))), left);
    return;
  }
  for (const i of [0, 1]) {
    if (s.gates[i]!.value.verifier.tap === undefined) continue;
    const done = changeGate(s.gates[i]!, `hear ${old.id}`, (g) => core.drive(g, { type: "message", bytes: old.value }, moment(b)));
    next(`${messageType(old.value)} played again at ${i}`, withGate(s, i, done), left, done.violation);
  }
}

/** A gate writes, waits in vain, closes, loses power. */
function machine(s: State, b: Bounds, i: number, next: Next): void {
  const node = s.gates[i]!;
  const g = node.value;
  const state = g.verifier.state;
  if (g.writing !== undefined) {
    const done = changeGate(node, "written", (x) => core.finishWrite(x, moment(b)));
    next(`gate ${i} wrote`, withGate(s, i, done), {}, done.violation);
  }
  if (g.verifier.deadline >= 0) {
    const done = changeGate(node, "time", (x) => core.drive(x, { type: "time" }, { ...moment(b), nowMs: 1e9 }));
    const ghost = state === "open" ? counted(s.ghost, "again", i, counterAt(g)) : s.ghost;
    next(`gate ${i} waited in vain`, withGate(s, i, done, { ghost }));
  }
  if (state === "idle" && g.book.notTurned.some((use) => use.outcome === "not_turned" && use.tap <= g.book.closed)) {
    next(`gate ${i} undoes a use`, withGate(s, i, changeGate(node, "undo", (x) => core.drive(x, { type: "time" }, moment(b)))));
  }
  const careless = b.plant === "closing while a tap is open" && state === "recording" && g.writing?.kind === "finished";
  if (s.left.closes > 0 && g.tap > g.book.closed && (state === "idle" || careless)) next(`gate ${i} closes`, withGate(s, i, close(node, b)), { closes: s.left.closes - 1 });
  if (s.left.reset > 0) for (const written of g.writing === undefined ? [false] : [false, true]) reset(s, b, i, written, next);
}
function close(node: Node<core.Gate>, b: Bounds): GateChange {
  return changeGate(node, "close", (x) => {
    if (x.verifier.state === "idle") { core.drive(x, { type: "close", tap: x.tap }, { plant: b.plant }); return; }
    const entry = { kind: "closed", tap: x.tap } as const;
    x.journal.push(entry);
    apply(x.book, entry, x.journal.length);
  });
}
/** With an outcome open, or only in memory, a gate may later open once more, if it is one that does. */
function reset(s: State, b: Bounds, i: number, written: boolean, next: Next): void {
  const g = s.gates[i]!.value;
  const done = changeGate(s.gates[i]!, `cut ${written}`, (x) => core.powerCut(x, written, moment(b)));
  let ghost = s.ghost;
  if (b.reopen === 1) for (const key of Object.keys(done.gate.value.book.uses)) {
    const now = done.gate.value.book.uses[key]!.use;
    const before = g.book.uses[key]?.use.outcome;
    if (now.outcome === "unknown" && before !== "unknown" && now.reopened === 0) ghost = counted(ghost, "again", i, now.counter);
  }
  next(`power cut at gate ${i}${written ? " after the write" : ""}`, { ...withGate(s, i, done, { ghost }), ...(i === s.at ? { toHand: [] } : {}) }, { reset: s.left.reset - 1 });
}

/** Hearing gates carry a question to the owner, and its answer back. */
function neighbours(s: State, b: Bounds, next: Next): void {
  for (const i of [0, 1]) {
    const question = s.gates[i]!.value.question;
    if (question === undefined || !b.hearing) continue;
    const asked = changeGate(s.gates[i]!, "asked", (g) => { g.question = undefined; });
    const answers = changeGate(s.gates[1 - i]!, `give ${messagePool.has(question.receipt).id} to ${i}`, (g) => {
      core.drive(g, { type: "handover_asked", by: core.idOf(s.gates[i]!.value), receipt: question.receipt, proof: question.proof }, { plant: b.plant });
    });
    const told = answers.gate.value.answers;
    const quiet = changeGate(answers.gate, "told", (g) => { g.answers = []; });
    const gates: State["gates"] = [...s.gates];
    gates[i] = asked.gate;
    gates[1 - i] = quiet.gate;
    const replies = s.replies.concat(told.map((a) => ({ to: i, receipt: messagePool.has(a.receipt), code: a.code })));
    next(`gate ${1 - i} is asked`, { gates, replies });
  }
  const reply = s.replies[0];
  if (reply === undefined) return;
  const rest = { replies: s.replies.slice(1) };
  const done = changeGate(s.gates[reply.to]!, `reply ${reply.receipt.id} ${reply.code}`, (g) => core.drive(g, { type: "handover", receipt: reply.receipt.value, code: reply.code }, moment(b)));
  next("the owner answers", withGate(s, reply.to, done, rest), {}, done.violation);
  if (s.left.loss > 0) next("the owner's answer is lost", rest, { loss: s.left.loss - 1 });
}

/** Long after: a gate signs away what did not turn and may not pass any more. */
export function undoLate(s: State, b: Bounds, i: number): State {
  const state = s.gates[i]!.value.verifier.state;
  if (state !== "idle") return s;
  const done = changeGate(s.gates[i]!, "undo late", (x) => core.drive(x, { type: "time" }, { at: core.start + 5000, plant: b.plant }));
  return { ...s, ...withGate(s, i, done) };
}

// ---- the host, who undoes as soon as it may -------------------------------------------------------------------------------

interface Claim { digest: string; owner: string; tap: number }
const claims = new WeakMap<core.Kept["receipt"], Claim>();
/** What a kept receipt says, read once. */
function claimOf(receipt: Uint8Array): Claim {
  let claim = claims.get(receipt);
  if (claim === undefined) {
    const r = decodeReceipt(receipt)!;
    claims.set(receipt, (claim = { digest: hex(digest16(perfectCrypto, receipt)), owner: hex(r.terminal), tap: fromBytes4(r.tap) }));
  }
  return claim;
}
const names = new WeakMap<core.Gate["signing"], string>();
export function nameOf(g: core.Gate): string {
  let name = names.get(g.signing);
  if (name === undefined) names.set(g.signing, (name = hex(core.idOf(g))));
  return name;
}

/** The host undoes a stored receipt when its owner has closed that tap, lacks it, and gave it to nobody. */
function settle(x: Step): Step {
  const s = x.to;
  let undone = s.ghost.value.undone;
  for (const kept of s.hand.value.kept) {
    const claim = claimOf(kept.receipt);
    if (undone.indexOf(claim.digest) >= 0) continue;
    const owner = s.gates.find((g) => nameOf(g.value) === claim.owner)!.value;
    if (!owner.journal.some((e) => e.kind === "closed" && e.tap >= claim.tap)) continue;
    const handed = owner.journal.some((e) => e.kind === "handover" && hex(e.receiptDigest) === claim.digest);
    const finished = s.gates.some((g) => recordsOf(g.value).some((r) => r.digest === claim.digest));
    if (!handed && !finished) undone = [...undone, claim.digest];
  }
  return undone === s.ghost.value.undone ? x : { ...x, to: { ...s, ghost: ghostPool.has({ ...s.ghost.value, undone }) } };
}
