/**
 * Rows 35 and 36 of the fault table: every state of verifier and holder meets every message there is (of this very tap, of
 * an earlier one, of another terminal), and every truncation and many damages of each. Nothing throws, nothing opens and
 * nothing is stored that should not be, what is kept stays bounded, and the next honest tap is served.
 */
import * as core from "../../session/core.js";
import { copyGate, copyHand, fingerprint } from "../model/nodes.js";
import { nodeCrypto } from "../../../protocol/crypto/node/node.js";
import { limits } from "../../../protocol/limits.js";
import type { VerifierState } from "../../../protocol/session/events.js";
import type { HolderState } from "../../../protocol/session/holder.js";
import { beaconStep, beaconToSign, makeBeacon } from "../../../protocol/session/oneway.js";
import { encodeAsk, encodeCertificate, encodeStop, intent, messageType, type as kinds } from "../../../protocol/wire/message.js";
import { encodeUserId } from "../../../protocol/wire/message-b.js";

export interface Exhausted { points: number; faults: Record<string, number>; violations: string[] }
export interface ExhaustOptions { /** Damages of each message in each state. */ damage: number; progress?: (done: number, of: number) => void }

export interface Pair { gate: core.Gate; hand: core.Hand; /** All that was said in the tap before. */ before: core.OnTheWay[] }
type Profile = "A" | "B";

// ---- every state ----------------------------------------------------------------------------------------------------------

/** A gate that this handset has met, so that no certificate is asked for. */
function met(profile: Profile): Pair {
  const mint = core.makeMint(nodeCrypto);
  const gate = core.makeGate(mint, "north", { profiles: profile === "A" ? "A" : "B" });
  const hand = core.makeHand(mint, "coupon", { profile, name: "value in every state", change: { most: 9 } });
  core.introduce(gate);
  const before = core.tapOnce(hand, gate);
  return { gate, hand, before };
}
/** Carries messages until the gate, or the handset, is in a state. */
function until(p: Pair, reached: () => boolean, atGate: core.Moment = {}, atHand: core.Moment = {}): Pair {
  for (let i = 0; i < 12 && !reached(); i++) {
    const down = p.gate.out.shift();
    if (down !== undefined) core.hear(p.hand, down, atHand);
    else if (p.hand.out.length > 0) core.drive(p.gate, { type: "message", bytes: p.hand.out.shift()! }, atGate);
    else if (p.hand.storing !== undefined) core.finishStore(p.hand);
  }
  if (!reached()) throw new Error("assertion failed: a state of the enumeration is reached");
  return p;
}
function greeted(profile: Profile): Pair {
  const p = met(profile);
  core.greet(p.gate);
  return p;
}
function torn(p: Pair): Pair {
  core.tapOnce(p.hand, p.gate, { change: (m) => (messageType(m.bytes) === kinds.acknowledgement ? [] : [m.bytes]) });
  core.silence(p.hand, p.gate);
  p.hand.intent = intent.resume;
  return p;
}

/** One gate in each state, with the handset that stands before it. */
export function verifiers(profile: Profile): Record<string, Pair> {
  const to = (state: VerifierState, o: core.Moment = {}) => { const p = greeted(profile); return until(p, () => p.gate.verifier.state === state, o); };
  const list: Partial<Record<VerifierState, Pair>> = { idle: met(profile), greeted: greeted(profile), answered: to("answered"), recording: to("recording", { slowWrites: true }), open: to("open") };
  if (profile === "A") {
    list.agreeing = to("agreeing", { slowKeys: true });
    const signing = greeted(profile);
    core.hear(signing.hand, signing.gate.out.shift()!);
    core.drive(signing.gate, { type: "message", bytes: signing.hand.out.shift()! }, { slowKeys: true });
    core.finishKey(signing.gate, { slowKeys: true });
    list.signing = signing;
  }
  const first = torn(met(profile));
  const south = core.makeGate(first.gate.mint, "south", { profiles: profile });
  core.introduce(first.gate, south);
  const asking = { gate: south, hand: first.hand, before: first.before };
  core.greet(south);
  list.asking = until(asking, () => south.verifier.state === "asking");
  list.handing = torn(met(profile));
  const kept = core.newestOf(list.handing.hand)!;
  core.drive(list.handing.gate, { type: "handover_asked", by: core.idOf(south), receipt: kept.receipt, proof: kept.proof }, { slowWrites: true });
  list.closing = met(profile);
  core.drive(list.closing.gate, { type: "close", tap: list.closing.gate.tap }, { slowWrites: true });
  list.recording_reversal = undone(profile, { slowWrites: true });
  if (profile === "A") list.reversing = undone(profile, { slowKeys: true });
  list.out_of_service = to("recording", { slowWrites: true });
  core.drive(list.out_of_service.gate, { type: "append_failed" });
  for (const state of Object.keys(list) as VerifierState[]) if (list[state]!.gate.verifier.state !== state) throw new Error(`assertion failed: ${state} is ${list[state]!.gate.verifier.state}`);
  return list as Record<string, Pair>;
}
function undone(profile: Profile, o: core.Moment): Pair {
  const p = met(profile);
  core.tapOnce(p.hand, p.gate, { turns: false });
  core.drive(p.gate, { type: "time" }, { nowMs: 1e9 });
  core.drive(p.gate, { type: "close", tap: p.gate.tap });
  core.drive(p.gate, { type: "time" }, o);
  return p;
}

/** One handset in each state, with the gate that it stands before. */
export function holders(profile: Profile): Record<string, Pair> {
  const to = (state: HolderState, o: core.Moment = {}, from = greeted(profile)) => until(from, () => from.hand.holder.state === state, {}, o);
  const resuming = torn(met(profile));
  core.greet(resuming.gate);
  const list: Partial<Record<HolderState, Pair>> = {
    ready: met(profile), presented: to("presented"), storing: to("storing", { slowWrites: true }), acknowledging: acknowledging(profile), acknowledged: to("acknowledged"),
    acknowledging_again: resuming,
  };
  core.hear(resuming.hand, resuming.gate.out.shift()!, { slowKeys: true });
  if (profile === "A") {
    core.finishAsk(resuming.hand, { slowKeys: true });
    const unknown = greeted(profile);
    unknown.hand.known = {};
    list.checking = to("checking", {}, unknown);
    list.proving = to("proving", { slowKeys: true });
  }
  const dear = greeted(profile);
  dear.hand.holder.settings = { ...dear.hand.holder.settings, silentUses: 0 };
  list.asking = to("asking", { slowPerson: true }, dear);
  for (const state of Object.keys(list) as HolderState[]) if (list[state]!.hand.holder.state !== state) throw new Error(`assertion failed: ${state} is ${list[state]!.hand.holder.state}`);
  return list as Record<string, Pair>;
}
function acknowledging(profile: Profile): Pair {
  const p = greeted(profile);
  until(p, () => p.hand.holder.state === "storing", {}, { slowWrites: true });
  core.finishStore(p.hand, { slowKeys: true });
  return p;
}

// ---- every message ----------------------------------------------------------------------------------------------------------

export interface Said { name: string; age: "fresh" | "stale" | "other"; bytes: Uint8Array; to: "terminal" | "handset" | "both" }

/** All that is said in this tap, before it, and at another terminal; and what is said in clear. */
function messages(p: Pair, profile: Profile): Said[] {
  const list: Said[] = [];
  const add = (age: Said["age"], said: core.OnTheWay[]) => { for (const m of said) list.push({ name: `${m.to} ${messageType(m.bytes)}`, age, bytes: m.bytes, to: m.to }); };
  add("fresh", rest(p));
  add("stale", p.before);
  const elsewhere = met(profile);
  const other = core.makeGate(elsewhere.gate.mint, "elsewhere", { profiles: profile });
  core.introduce(elsewhere.gate, other);
  add("other", core.tapOnce(elsewhere.hand, other));
  for (const n of [0, 1, 2, 3]) list.push({ name: `ask ${n}`, age: "fresh", bytes: encodeAsk(n), to: "terminal" });
  for (const n of [1, 2, 3, 4, 5]) list.push({ name: `stop ${n}`, age: "fresh", bytes: encodeStop(n), to: "handset" });
  const certificate = other.verifier.settings.certificate;
  if (certificate !== undefined) list.push({ name: "certificate", age: "other", bytes: encodeCertificate(certificate.signed), to: "handset" });
  const hand = elsewhere.hand;
  const step = beaconStep(core.start);
  list.push({ name: "beacon", age: "fresh", to: "both", bytes: makeBeacon({ kid: new Uint8Array(4), claims: hand.signed.claims, signature: new Uint8Array(64) }, 1, step, 1, nodeCrypto.sign(hand.secret, beaconToSign(hand.value.valueId, 1, step, 1))) });
  list.push({ name: "user id", age: "fresh", to: "both", bytes: encodeUserId({ userId: "ann@example.org", step, zone: 1, proof: new Uint8Array(64) }) });
  return list;
}
/** What this tap would still say, and has said: worked out on copies. */
function rest(p: Pair): core.OnTheWay[] {
  const gate = copyGate(p.gate);
  const hand = copyHand(p.hand);
  if (gate.writing !== undefined) core.finishWrite(gate);
  if (gate.keyed !== undefined) core.finishKey(gate);
  if (hand.waiting !== undefined) core.finishAsk(hand);
  if (hand.storing !== undefined) core.finishStore(hand);
  const said: core.OnTheWay[] = [];
  const tap = gate.verifier.tap;
  for (const [to, bytes] of [["handset", tap?.hello], ["terminal", tap?.presentation], ["handset", tap?.answer], ["terminal", tap?.heard]] as const) if (bytes !== undefined) said.push({ to, index: 0, bytes });
  core.talk(hand, gate, {}, said);
  if (gate.verifier.state === "open") { core.drive(gate, { type: "turned" }); core.talk(hand, gate, {}, said); }
  return said.filter((m) => m.bytes.length > 0);
}

/** The same message, shortened at every byte and damaged `count` times; every fourth damage is noise. */
function damaged(bytes: Uint8Array, count: number, random: () => number): Uint8Array[] {
  const list: Uint8Array[] = [];
  const stride = Math.max(1, Math.floor(bytes.length / Math.max(1, count)));
  for (let length = 0; length < bytes.length; length += stride) list.push(bytes.slice(0, length));
  for (let i = 0; i < count; i++) {
    if (i % 4 === 3) { list.push(new Uint8Array(Array.from({ length: random() % 700 }, () => random() & 255))); continue; }
    const changed = new Uint8Array(bytes);
    changed[random() % bytes.length]! ^= 1 << (random() & 7);
    list.push(changed);
  }
  list.push(new Uint8Array(limits.messageBytesMax + 1).fill(0x41), new Uint8Array(0));
  return list;
}

// ---- the run ------------------------------------------------------------------------------------------------------------------

export function run(o: ExhaustOptions): Exhausted {
  const found: Exhausted = { points: 0, faults: {}, violations: [] };
  let seed = 36;
  const random = () => (seed = (seed * 1103515245 + 12345) & 0x7fffffff) >>> 8;
  const scenes = (["A", "B"] as const).flatMap((profile) => [
    ...Object.entries(verifiers(profile)).map(([state, p]) => ({ profile, side: "terminal" as const, state, p })),
    ...Object.entries(holders(profile)).map(([state, p]) => ({ profile, side: "handset" as const, state, p })),
  ]);
  scenes.forEach((scene, i) => {
    o.progress?.(i, scenes.length);
    const served = new Set<string>();
    for (const m of messages(scene.p, scene.profile)) {
      const note = (fault: string) => { found.faults[fault] = (found.faults[fault] ?? 0) + 1; found.points++; };
      const where = `${scene.profile} ${scene.side} ${scene.state}, ${m.age} ${m.name}`;
      note(`${m.age} message`);
      meet(scene, m.bytes, expected(scene, m), where, served, found.violations);
      for (const bytes of damaged(m.bytes, o.damage, random)) { note("damaged message"); meet(scene, bytes, false, where + " damaged", served, found.violations); }
    }
  });
  o.progress?.(scenes.length, scenes.length);
  return found;
}

export interface Scene { profile: Profile; side: "terminal" | "handset"; state: string; p: Pair }

/** The one message in a state that may move value: the acknowledgement for the terminal, the answer for the handset. */
function expected(s: Scene, m: Said): boolean {
  const type = messageType(m.bytes);
  if (m.age !== "fresh") return false;
  return s.side === "terminal" ? s.state === "answered" && type === kinds.acknowledgement : s.state === "presented" && type === kinds.answer;
}

/** One message in one state. What came of it must be allowed, and whatever it left behind must serve the next holder. */
function meet(s: Scene, bytes: Uint8Array, moves: boolean, where: string, served: Set<string>, violations: string[]): void {
  const gate = copyGate(s.p.gate);
  const hand = copyHand(s.p.hand);
  gate.out = [];
  hand.out = [];
  try {
    if (s.side === "terminal") core.drive(gate, { type: "message", bytes }); else core.hear(hand, bytes);
    const moved = s.side === "terminal" ? gate.opened - s.p.gate.opened + gate.journal.length - s.p.gate.journal.length > 0 : hand.kept.length > s.p.hand.kept.length;
    if (moved !== moves) violations.push(`${moved ? "I7" : "I12"} ${where}: ${moved ? "moved value" : "did not serve"}`);
    const said = s.side === "terminal" ? gate.out : hand.out;
    if (said.length > 3 || said.some((x) => x.length > limits.messageBytesMax)) violations.push(`I10 ${where}: answers without bound`);
    if (gate.verifier.pending.length > limits.pendingMax || (gate.verifier.tap?.sent ?? 0) > limits.messagesPerDirectionMax) violations.push(`I10 ${where}: keeps without bound`);
    if (s.side === "terminal" && said.some((x) => ![kinds.hello, kinds.answer, kinds.outcome, kinds.certificate, kinds.stop].some((t) => t === messageType(x)))) violations.push(`I11 ${where}: says what no terminal says`);
    const left = fingerprint(s.side === "terminal" ? gate.verifier : hand.holder);
    if (served.has(left)) return;
    served.add(left);
    if (!servesNext(s, gate, hand)) violations.push(`I12 ${where}: does not serve the next tap`);
  } catch (error) {
    violations.push(`I10 ${where}: ${(error as Error).message}`);
  }
}
export function servesNext(s: Scene, gate: core.Gate, hand: core.Hand): boolean {
  if (gate.verifier.state === "out_of_service") return true;
  if (gate.writing !== undefined) core.finishWrite(gate);
  if (gate.keyed !== undefined) core.finishKey(gate);
  if (s.side === "handset") {
    if (hand.waiting !== undefined) core.finishAsk(hand);
    if (hand.storing !== undefined) core.finishStore(hand);
    gate = core.makeGate(hand.mint, "next", { profiles: s.profile });
    core.introduce(gate, s.p.gate);
  } else hand = core.makeHand(gate.mint, "coupon", { profile: s.profile, name: "next holder" });
  core.silence(hand, gate);
  hand.intent = intent.use;
  hand.holder.settings = { ...hand.holder.settings, silentUses: 10 };
  const before = gate.opened;
  core.tapOnce(hand, gate);
  return gate.opened === before + 1;
}
