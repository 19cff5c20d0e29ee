/**
 * The fuzzer that knows the protocol (`reliability.md` §6.6 c): right messages with one field changed, signed, MACed and
 * sealed anew by somebody who holds real keys: a handset's against the terminal, a certified terminal's against the handset,
 * the provider's for values that no honest host would issue. Whatever is answered, stored or opened must be right by a
 * reading that is written here and not taken from the core. It counts which field of which message met which state: a
 * pair that never occurred is a hole in the fuzzer.
 */
import * as core from "../session/core.js";
import { copyGate, copyHand, fingerprint } from "../simulation/model/nodes.js";
import { holders, servesNext, verifiers, type Pair, type Scene } from "../simulation/exhaust/session.js";
import { seeded, type Random } from "../published.js";
import { nodeCrypto as crypto } from "../../protocol/crypto/node/node.js";
import { mac8, openMessage, outcomeToMac, presentationToSign, sealMessage, type Channel } from "../../protocol/session/transcript.js";
import { encodeRule } from "../../protocol/rule.js";
import { equal, join } from "../../protocol/wire/bytes.js";
import * as m from "../../protocol/wire/message.js";
import * as b from "../../protocol/wire/message-b.js";
import { acknowledgementToSign, decodeFinishedA, decodeFinishedB, decodeReceipt, encodeReceipt, receiptKind, receiptToSign, type Receipt } from "../../protocol/wire/receipt.js";
import { decodeValue, digest16, valueToSign, type Value } from "../../protocol/wire/value.js";

export interface ProtocolFuzzed { messages: number; moved: number; refused: number; /** Times that a (state, message, field) occurred. */ pairs: Record<string, number>; finds: string[] }
type Profile = "A" | "B";
type Draft = Record<string, unknown>;

// ---- one field changed --------------------------------------------------------------------------------------------------------

const numbers = [0, 1, 2, 3, 4, 7, 24, 255, 65536, 2 ** 31, 2 ** 32, Number.MAX_SAFE_INTEGER];
/** Another value of the same kind, or none, or one where there was none. */
function other(value: unknown, random: Random): unknown {
  if (typeof value === "number") return random.below(3) === 0 ? value + 1 : random.below(4) === 0 ? Math.max(0, value - 1) : numbers[random.below(numbers.length)];
  if (typeof value === "string") return value + "x";
  if (Array.isArray(value)) return random.below(2) === 0 ? [] : [...value, value[0]];
  if (value instanceof Uint8Array && value.length > 0) {
    const how = random.below(5);
    if (how === 0) return new Uint8Array(value.length);
    if (how === 1) return value.slice(1);
    if (how === 2) return new Uint8Array([...value, 0]);
    const flipped = new Uint8Array(value);
    flipped[random.below(value.length)]! ^= 1 << random.below(8);
    return flipped;
  }
  return value === undefined ? new Uint8Array(random.below(80)).fill(7) : undefined;
}
/** Sets the field at a path like `shown.newest.receipt` to another value; false where there is no such place. */
function change(draft: Draft, path: string, random: Random): boolean {
  const names = path.split(".");
  let at: Draft = draft;
  for (const name of names.slice(0, -1)) {
    const inner = at[name];
    if (typeof inner !== "object" || inner === null) return false;
    at = at[name] = Array.isArray(inner) ? [...inner] as unknown as Draft : { ...inner };
  }
  const field = names[names.length - 1]!;
  at[field] = other(at[field], random);
  return true;
}

// ---- what a handset with real keys can say --------------------------------------------------------------------------------------

interface Meeting { transcript: Uint8Array; channel: Channel | undefined; secret: Uint8Array }
/** The handset's own view of the tap that the gate is in. */
function meetingOf(p: Pair): { meeting: Meeting; hand: core.Hand } {
  const hand = copyHand(p.hand);
  if (hand.holder.meeting === undefined) core.hear(hand, p.gate.verifier.tap!.hello);
  return { meeting: hand.holder.meeting!, hand };
}
const receiptOf = (h: core.Hand): Receipt => decodeReceipt(core.newestOf(h)!.receipt)!;

function presentation(p: Pair, profile: Profile, path: string, random: Random): Uint8Array | undefined {
  const { meeting, hand } = meetingOf(p);
  const draft: Draft = {
    value: hand.value, newest: receiptOf(hand), kid: hand.signed.kid, certificate: undefined, acknowledged: undefined, undone: undefined, index: 0, ephemeral: crypto.publicKey(meeting.secret)!.subarray(1),
    nonce: meeting.secret.slice(0, 8), step: { intent: 0, valueId: hand.value.valueId, counter: receiptOf(hand).counter + 1, previous: new Uint8Array(16), action: 1, amount: 1 }, intent: 0,
  };
  if (path === "value.rule") draft["value"] = { ...hand.value, rule: encodeRule([[random.below(9), numbers[random.below(numbers.length)]!], [5, 0, random.below(3) * 2 ** 32]].slice(random.below(2))) };
  else if (!change(draft, path, random)) return undefined;
  const value = draft["value"] as Value;
  const signed = path.startsWith("value.") ? core.signedValue(p.gate.mint, value) : hand.signed;
  const newest = draft["newest"] as Receipt | undefined;
  const receipt = newest === undefined ? undefined : encodeReceipt(newest);
  const step = draft["step"] as m.Step;
  if (path !== "step.previous") step.previous = digest16(crypto, receipt ?? signed.claims);
  if (path === "newest.counter") step.counter = newest!.counter + 1;
  const toProve = m.encodeStep(step);
  const intent = path === "intent" ? draft["intent"] as number : 0;
  const acknowledged = path === "acknowledged" && receipt !== undefined ? crypto.sign(hand.secret, acknowledgementToSign(crypto, receipt)) : undefined;
  if (profile === "B") {
    const mac = receipt === undefined ? undefined : mac8(crypto, p.gate.mint.group.receiptKey, "receipt", new Uint8Array(0), receipt);
    return b.encodePresentationB({
      nonce: draft["nonce"] as Uint8Array, intent, grant: signed.claims, grantMac: signed.signature, newest: receipt === undefined ? undefined : { receipt, mac: mac! },
      proof: mac8(crypto, hand.grantKey, "presentation", meeting.transcript, toProve), acknowledged,
    });
  }
  const shown = m.encodeShown({
    intent, value: { ...signed, kid: draft["kid"] as Uint8Array, signature: path === "kid" ? crypto.sign(hand.secret, valueToSign(draft["kid"] as Uint8Array, signed.claims)) : signed.signature },
    newest: receipt === undefined ? undefined : { receipt, signature: crypto.sign(p.gate.signing, receiptToSign(receipt)) }, proof: crypto.sign(hand.secret, presentationToSign(meeting.transcript, toProve)),
    acknowledged, undone: path === "undone" ? { reversal: new Uint8Array(40), signature: new Uint8Array(64) } : undefined,
    certificate: path === "certificate" ? { kid: new Uint8Array(4), claims: new Uint8Array(60), signature: new Uint8Array(64) } : undefined,
  });
  return m.encodePresentation(draft["ephemeral"] as Uint8Array, sealMessage(crypto, meeting.channel!.toTerminal, (draft["index"] as number) & 255, m.type.presentation, shown));
}

/** An acknowledgement of a receipt of which one field differs, signed by the value's own key. */
function acknowledgement(p: Pair, profile: Profile, path: string, random: Random): Uint8Array | undefined {
  const { meeting, hand } = meetingOf(p);
  const receipt = p.gate.verifier.tap?.receipt;
  if (receipt === undefined) return undefined;
  const draft: Draft = { receipt: { ...receipt }, index: 1, secret: hand.secret, transcript: meeting.transcript };
  if (!change(draft, path, random)) return undefined;
  const secret = path === "secret" ? core.secretOf(crypto, "not the value's key") : hand.secret;
  const bytes = encodeReceipt(draft["receipt"] as Receipt);
  const signature = crypto.sign(secret, acknowledgementToSign(crypto, bytes));
  if (profile === "A") return m.encodeSealed(m.type.acknowledgement, sealMessage(crypto, meeting.channel!.toTerminal, (draft["index"] as number) & 255, m.type.acknowledgement, signature));
  return b.encodeAcknowledgementB(signature, mac8(crypto, path === "secret" ? secret : hand.grantKey, "acknowledgement", draft["transcript"] as Uint8Array, join([crypto.sha256(bytes), signature])));
}

// ---- what a certified terminal can say --------------------------------------------------------------------------------------------

function answer(p: Pair, profile: Profile, path: string, random: Random): Uint8Array | undefined {
  const { meeting, hand } = meetingOf(p);
  const hello = m.decodeHello(p.gate.verifier.tap!.hello)!;
  const before = receiptOf(hand);
  const draft: Draft = {
    receipt: {
      kind: receiptKind.use, terminal: hello.terminal, tap: hello.tap, valueId: hand.value.valueId, counter: before.counter + 1, previous: digest16(crypto, core.newestOf(hand)!.receipt), action: 1, amount: 1,
      after: before.after + 1, at: core.start, quality: 2, until: core.start + 600, base: undefined, fold: undefined,
    },
    refused: { refusal: 14, since: core.start, help: 1 }, index: 0,
  };
  if (path === "receipt.base") (draft["receipt"] as Receipt).base = { counter: 1, spent: random.below(3), day: random.below(30000) };
  else if (path === "receipt.fold") (draft["receipt"] as Receipt).fold = random.bytes(16);
  else if (!change(draft, path, random)) return undefined;
  const r = draft["receipt"] as Receipt;
  const bytes = encodeReceipt(r);
  const mint = p.gate.mint;
  const proof = profile === "A" ? crypto.sign(p.gate.signing, receiptToSign(bytes)) : mac8(crypto, mint.group.receiptKey, "receipt", new Uint8Array(0), bytes);
  const said: m.Answer = path.startsWith("refused.") ? { refused: draft["refused"] as m.Refused }
    : { granted: { tap: r.tap, after: r.after, at: r.at, quality: r.quality, until: r.until, base: r.base, proof, fold: r.fold } };
  if (profile === "A") return m.encodeSealed(m.type.answer, sealMessage(crypto, meeting.channel!.toHandset, (draft["index"] as number) & 255, m.type.answer, m.encodeAnswer(said)));
  return b.encodeAnswerB(said, mac8(crypto, hand.grantKey, "answer", meeting.transcript, "refused" in said ? m.encodeAnswer(said) : join([bytes, proof])));
}
function outcome(p: Pair, profile: Profile, path: string, random: Random): Uint8Array | undefined {
  const { meeting, hand } = meetingOf(p);
  const draft: Draft = { code: 0, at: core.start, signature: random.bytes(profile === "A" ? 64 : 8), index: 1 + random.below(3) };
  if (!change(draft, path, random)) return undefined;
  const reversal = path === "at" || path === "signature";
  const o = { code: reversal ? 3 : draft["code"] as number, at: draft["at"] as number, signature: reversal ? (draft["signature"] as Uint8Array | undefined) ?? new Uint8Array(0) : undefined };
  if (profile === "A") return m.encodeSealed(m.type.outcome, sealMessage(crypto, meeting.channel!.toHandset, (draft["index"] as number) & 255, m.type.outcome, m.encodeOutcome(o)));
  return b.encodeOutcomeB({ code: o.code, at: o.at, reversalMac: o.signature, mac: mac8(crypto, hand.grantKey, "outcome", meeting.transcript, outcomeToMac(o.code, o.at, o.signature)) });
}
function hello(p: Pair, _profile: Profile, path: string, random: Random): Uint8Array | undefined {
  const draft: Draft = { ...m.decodeHello(p.gate.verifier.tap!.hello)! };
  if (path === "want.currency") (draft["want"] as m.Want).currency = 978;
  else if (path === "group" && draft["group"] === undefined) draft["group"] = { group: 1, epoch: 1 };
  else if (!change(draft, path, random)) return undefined;
  return m.encodeHello(draft as unknown as m.Hello);
}

// ---- the fields, and the states they meet -------------------------------------------------------------------------------------------

const receiptFields = ["kind", "terminal", "tap", "valueId", "counter", "previous", "action", "amount", "after", "at", "quality", "until", "base", "fold"];
const valueFields = ["kind", "expires", "notBefore", "valueId", "most", "zones", "rule", "offline.uses", "offline.amount", "offline.days", "ownerSequence", "flags", "statusIndex"];
const under = (name: string, fields: readonly string[]): string[] => fields.map((f) => `${name}.${f}`);
type Maker = (p: Pair, profile: Profile, path: string, random: Random) => Uint8Array | undefined;
interface Family { side: "terminal" | "handset"; message: string; make: Maker; fields: (profile: Profile) => string[]; states: string[] }

const families: Family[] = [
  { side: "terminal", message: "presentation", make: presentation, states: ["greeted", "answered", "recording", "open", "asking"], fields: (profile) => [
    "intent", "newest", "acknowledged", ...under("step", ["intent", "valueId", "counter", "previous", "action", "amount"]), ...under("value", valueFields),
    ...under("newest", receiptFields.filter((f) => f !== "base" && f !== "fold")), ...(profile === "A" ? ["kid", "ephemeral", "index", "certificate", "undone"] : ["nonce"]),
  ] },
  { side: "terminal", message: "acknowledgement", make: acknowledgement, states: ["answered", "recording", "open"], fields: (profile) => [...under("receipt", receiptFields.filter((f) => f !== "base" && f !== "fold")), "secret", profile === "A" ? "index" : "transcript"] },
  { side: "handset", message: "answer", make: answer, states: ["presented", "storing", "acknowledged"], fields: (profile) => [...under("receipt", receiptFields), ...under("refused", ["refusal", "since", "help"]), ...(profile === "A" ? ["index"] : [])] },
  { side: "handset", message: "outcome", make: outcome, states: ["presented", "storing", "acknowledged"], fields: (profile) => ["code", "at", "signature", ...(profile === "A" ? ["index"] : [])] },
  { side: "handset", message: "hello", make: hello, states: ["ready", "presented", "storing", "acknowledged"], fields: () => ["version", "offer", "tap", "nonce", "terminal", "group", ...under("want", ["action", "kinds", "amount", "currency"])] },
];

interface Case { profile: Profile; family: Family; state: string; pair: Pair; field: string }
function cases(): Case[] {
  return (["A", "B"] as const).flatMap((profile) => {
    const scenes = { terminal: verifiers(profile), handset: holders(profile) };
    return families.flatMap((family) => family.states.flatMap((state) => family.fields(profile).map((field) => {
      const pair = scenes[family.side][state]!;
      if (pair.gate.verifier.tap === undefined) core.greet(pair.gate);
      return { profile, family, state, pair, field };
    })));
  });
}
const nameOf = (c: Case): string => `${c.profile} ${c.state} ${c.family.message} ${c.field}`;

// ---- the run --------------------------------------------------------------------------------------------------------------------

/** Each round takes every pair once, in an order of its own; `seeds` rounds from seed `from`. */
export function run(o: { seeds: number; from: number; progress?: (done: number, of: number) => void }): ProtocolFuzzed {
  const all = cases();
  const found: ProtocolFuzzed = { messages: 0, moved: 0, refused: 0, pairs: Object.fromEntries(all.map((c) => [nameOf(c), 0])), finds: [] };
  const served = new Set<string>();
  for (let seed = o.from; seed < o.from + o.seeds; seed++) {
    const random = seeded(seed);
    for (const c of all) {
      let bytes: Uint8Array | undefined;
      try { bytes = c.family.make(c.pair, c.profile, c.field, random); } catch (error) {
        if (!(error as Error).message.startsWith("assertion failed") && !(error instanceof RangeError)) throw error;
      }
      if (bytes === undefined) continue;
      found.messages++;
      found.pairs[nameOf(c)]!++;
      throwAt(c, bytes, `seed ${seed}, ${nameOf(c)}`, served, found);
    }
    o.progress?.(seed - o.from + 1, o.seeds);
  }
  for (const [name, count] of Object.entries(found.pairs)) if (count === 0) found.finds.push(`never occurred: ${name}`);
  return found;
}

function throwAt(c: Case, bytes: Uint8Array, where: string, served: Set<string>, found: ProtocolFuzzed): void {
  const gate = copyGate(c.pair.gate);
  const hand = copyHand(c.pair.hand);
  gate.out = [];
  hand.out = [];
  try {
    if (c.family.side === "terminal") core.drive(gate, { type: "message", bytes }); else core.hear(hand, bytes);
    const wrong = c.family.side === "terminal" ? wrongAtGate(c, gate, bytes) : wrongAtHand(c, hand);
    if (wrong !== undefined) found.finds.push(`I7 ${where}: ${wrong}`);
    if (gate.opened > c.pair.gate.opened || hand.kept.length > c.pair.hand.kept.length || gate.verifier.pending.length > c.pair.gate.verifier.pending.length) found.moved++; else found.refused++;
    const left = c.profile + fingerprint(c.family.side === "terminal" ? gate.verifier : hand.holder);
    if (served.has(left)) return;
    served.add(left);
    const scene: Scene = { profile: c.profile, side: c.family.side, state: c.state, p: c.pair };
    const same = hand.kept.length === c.pair.hand.kept.length;
    if ((c.family.side === "terminal" || same) && !servesNext(scene, gate, hand)) found.finds.push(`I12 ${where}: does not serve the next tap`);
  } catch (error) {
    found.finds.push(`I10 ${where}: threw ${(error as Error).message}`);
  }
}

/** What opened has a record whose signatures hold and whose numbers follow; what was promised follows from what was shown. */
function wrongAtGate(c: Case, gate: core.Gate, bytes: Uint8Array): string | undefined {
  const before = c.pair.gate;
  for (const entry of gate.journal.slice(before.journal.length)) {
    if (entry.kind !== "finished") continue;
    if (c.family.message !== "acknowledgement") return "a presentation alone was recorded";
    const record = entry.profile === "A" ? decodeFinishedA(entry.record)! : undefined;
    const receipt = record?.receipt ?? decodeFinishedB(entry.record)!.receipt;
    if (!equal(receipt, before.verifier.tap!.receiptBytes)) return "another receipt was recorded than was answered";
    if (record === undefined) continue;
    const evidence = crypto.verify(crypto.publicKey(c.pair.hand.secret)!, acknowledgementToSign(crypto, receipt), record.acknowledgement);
    if (!evidence || !crypto.verify(crypto.publicKey(gate.signing)!, receiptToSign(receipt), record.signature)) return "recorded without valid evidence";
  }
  const records = gate.journal.slice(before.journal.length).filter((entry) => entry.kind === "finished").length;
  if (gate.opened - before.opened !== records) return "opened otherwise than by a record";
  for (const pending of gate.verifier.pending.slice(before.verifier.pending.length)) {
    const shown = shownIn(c, bytes);
    const r = pending.receipt;
    const counter = (shown.newest?.counter ?? 0) + 1;
    if (r.counter !== counter || r.amount !== 1 || r.after !== (shown.newest?.after ?? 0) + 1 || r.after > shown.value.most) return `promised counter ${r.counter}, after ${r.after} on ${shown.newest?.counter ?? 0}, ${shown.newest?.after ?? 0}`;
    if (!equal(r.valueId, shown.value.valueId) || core.start < shown.value.notBefore || core.start >= shown.value.expires) return "promised for a value that is not good now";
  }
  return undefined;
}
function shownIn(c: Case, bytes: Uint8Array): { value: Value; newest: Receipt | undefined } {
  if (c.profile === "B") {
    const p = b.decodePresentationB(bytes)!;
    return { value: decodeValue(p.grant)!, newest: p.newest === undefined ? undefined : decodeReceipt(p.newest.receipt)! };
  }
  const { meeting } = meetingOf(c.pair);
  const shown = m.decodeShown(openMessage(crypto, meeting.channel!.toTerminal, 0, m.type.presentation, m.decodePresentation(bytes)!.sealed)!)!;
  return { value: decodeValue(shown.value.claims)!, newest: shown.newest === undefined ? undefined : decodeReceipt(shown.newest.receipt)! };
}

/** What was stored reads, follows the newest by one, and costs what was asked. */
function wrongAtHand(c: Case, hand: core.Hand): string | undefined {
  const before = receiptOf(c.pair.hand);
  for (const kept of hand.kept.slice(c.pair.hand.kept.length)) {
    const r = decodeReceipt(kept.receipt);
    if (r === undefined) return "stored what does not read";
    if (r.counter !== before.counter + 1 || r.amount !== 1 || r.after !== before.after + 1 || r.base !== undefined || r.fold !== undefined) return `stored counter ${r.counter}, after ${r.after}`;
    if (c.profile === "A" && !crypto.verify(crypto.publicKey(c.pair.gate.signing)!, receiptToSign(kept.receipt), kept.proof)) return "stored what its terminal did not sign";
  }
  return undefined;
}
