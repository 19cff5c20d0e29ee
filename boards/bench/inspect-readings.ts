/**
 * What `kaisatsu inspect` can recognise: one strict reader for each kind of bytes, from the most particular to the most
 * general. The readers are those of the terminal and the host, so what is printed is what they would understand.
 */
import type { Inspected } from "./inspect.js";
import { clause, decodeRule } from "../../protocol/rule.js";
import { refusals } from "../../protocol/refusal.js";
import { decodeTerminalCertificate } from "../../protocol/wire/certificate.js";
import { splitMac } from "../../protocol/wire/claim.js";
import { decodeEntry } from "../../protocol/wire/entry.js";
import { decodeMessage, readEnvelope } from "../../protocol/wire/envelope.js";
import * as m from "../../protocol/wire/message.js";
import * as b from "../../protocol/wire/message-b.js";
import { decodeFinishedA, decodeFinishedB, decodeReceipt, decodeReversal } from "../../protocol/wire/receipt.js";
import { decodeSigned } from "../../protocol/wire/signed.js";
import { bareOrders, orderBodies } from "./inspect-orders.js";
import { decodeIdentity } from "../../protocol/wire/order.js";
import { decodeDeed } from "../../protocol/wire/parcel-letters.js";
import * as handsetLetters from "../../protocol/wire/handset-letters.js";
import * as claim from "../../protocol/wire/claim.js";
import * as groupKeys from "../../protocol/wire/group-keys.js";
import * as s from "../../protocol/wire/sync.js";
import * as t from "../../protocol/wire/trust.js";
import { decodeValue, keyClass, undeterminedPolicy, unit } from "../../protocol/wire/value.js";

type Read = (bytes: Uint8Array) => object | undefined;
type Reading = [name: string, read: Read];

const numbered = (read: (bytes: Uint8Array) => number, names: Record<string, number>): Read => (bytes) => {
  const n = read(bytes);
  return n < 0 ? undefined : { what: Object.keys(names).find((k) => names[k] === n) ?? n };
};
const sealed = (type: number): Read => (bytes) => wrapped("sealed", m.decodeSealed(bytes, type));
const wrapped = (name: string, x: unknown) => (x === undefined ? undefined : { [name]: x });
/** Whoever inspects a letter may pass on what is printed: secrets are counted, not shown. */
const secret = (x: string | Uint8Array) => `${x.length} ${typeof x === "string" ? "characters" : "bytes"}, not shown`;
const without = <T extends object>(x: T | undefined, ...names: (keyof T)[]): object | undefined =>
  x === undefined ? undefined : { ...x, ...Object.fromEntries(names.map((name) => [name, secret(x[name] as string | Uint8Array)])) };
const some = <T>(name: string, list: readonly T[] | undefined): object | undefined => (list === undefined || list.length === 0 ? undefined : { [name]: list });

// ---- the messages of a tap --------------------------------------------------------------------------------------------------

const tapMessages: Reading[] = [
  ["hello", m.decodeHello],
  ["ask", numbered(m.decodeAsk, m.asking)],
  ["stop", (bytes) => { const code = m.decodeStop(bytes); return code < 0 ? undefined : { refusal: refusals[code]!.name, code }; }],
  ["terminal certificate message", (bytes) => claimsOf("claims", m.decodeCertificate(bytes))],
  ["presentation, profile B", b.decodePresentationB],
  ["presentation, sealed", m.decodePresentation],
  ["answer, profile B", b.decodeAnswerB],
  ["answer, sealed", sealed(m.type.answer)],
  ["acknowledgement, profile B", b.decodeAcknowledgementB],
  ["acknowledgement, sealed", sealed(m.type.acknowledgement)],
  ["outcome, profile B", b.decodeOutcomeB],
  ["outcome, sealed", sealed(m.type.outcome)],
  ["beacon", b.decodeBeacon],
  ["signed user id", b.decodeUserId],
];

// ---- what is kept and signed --------------------------------------------------------------------------------------------------

const records: Reading[] = [
  ["reversal", decodeReversal],
  ["receipt", decodeReceipt],
  ["finished record, profile A", decodeFinishedA],
  ["finished record, profile B", decodeFinishedB],
  ["journal entry", (bytes) => { const e = decodeEntry(bytes); return e === undefined ? undefined : describeEntry(e); }],
  ["shown value (plain text of a presentation)", (bytes) => { const x = m.decodeShown(bytes); return x === undefined ? undefined : { ...x, value: claimsOf("claims", x.value), certificate: claimsOf("claims", x.certificate) }; }],
  ["answer (its plain text)", (bytes) => m.decodeAnswer(bytes, 64) ?? m.decodeAnswer(bytes, 8)],
  ["outcome (its plain text)", m.decodeOutcome],
];

const claims: Record<string, Read> = {
  role: t.decodeRole,
  revocation: (bytes) => { const x = t.decodeRevocation(bytes); return x === undefined ? undefined : { ...x, what: nameOf(t.revoked, x.what) }; },
  configuration: t.decodeConfiguration,
  status: t.decodeStatusList,
  "status-delta": t.decodeStatusDelta,
  time: t.decodeTime,
  message: (bytes) => { const x = decodeMessage(bytes); return x === undefined ? undefined : describeMessage(x); },
  device: handsetLetters.decodeDeviceConsent,
  identity: decodeIdentity,
  deed: decodeDeed,
};
const claimNames: Record<string, string> = {
  role: "role claims", revocation: "revocation claims", configuration: "terminal configuration", status: "status list", "status-delta": "status list delta", time: "signed time's claims",
  message: "message to or from the host", device: "consent to another handset", identity: "identity of a handset", deed: "deed",
};

const signedThings: Reading[] = [
  ["envelope", (bytes) => { const x = readEnvelope(bytes); return x === undefined ? undefined : { ...x, ciphertext: `${x.ciphertext.length} bytes, only the recipient opens them` }; }],
  ["signed object", describeSigned],
  ["signed claims", (bytes) => { const x = s.decodeSignedClaims(bytes); return x === undefined ? undefined : claimsOf("claims", x); }],
  ["value claims", (bytes) => { const v = decodeValue(bytes); return v === undefined ? undefined : describeValue(v); }],
  ["terminal claims", decodeTerminalCertificate],
  ...Object.entries(claims).filter(([type]) => type !== "device" && type !== "identity" && type !== "deed").map(([type, read]): Reading => [claimNames[type]!, read]),
];

/** Role, configuration, status …: signed outside a tap. Which key signed can be said, whether it did not: that needs the key. */
function describeSigned(bytes: Uint8Array): object | undefined {
  const x = decodeSigned(bytes);
  if (x === undefined) return undefined;
  const read = Object.hasOwn(claims, x.type) ? claims[x.type]!(x.claims) : undefined;
  const inside: Inspected | Uint8Array = read === undefined ? x.claims : { is: claimNames[x.type]!, bytes: x.claims.length, fields: read as Record<string, unknown> };
  return { type: x.type, signer: x.kid, claims: inside, signature: x.signature, checked: "no: that needs the signer's key" };
}

/** `kid, claims, signature` as they travel in taps. */
function claimsOf(name: string, x: { kid: Uint8Array; claims: Uint8Array; signature: Uint8Array } | undefined): object | undefined {
  return x === undefined ? undefined : { signer: x.kid, [name]: x.claims, signature: x.signature, checked: "no: that needs the signer's key" };
}

const nameOf = (names: Record<string, number>, n: number): string | number => Object.keys(names).find((k) => names[k] === n) ?? n;

function describeEntry(e: NonNullable<ReturnType<typeof decodeEntry>>): object {
  const { kind, ...rest } = e;
  return { entry: kind, ...rest, ...(e.kind === "refused" && { refusal: refusals[e.code]?.name ?? "unknown" }) };
}

function describeValue(v: NonNullable<ReturnType<typeof decodeValue>>): object {
  const rule = decodeRule(v.rule);
  const readable = rule?.list.map((c) => [nameOf(clause, c[0]!), ...c.slice(1)].join(" "));
  return { ...v, unit: v.unit === unit.uses ? "uses" : "money", rule: readable, flags: { bits: v.flags, keyClass: keyClass(v.flags), whenUndetermined: ["refuse", "to limit", "accept", "?"][undeterminedPolicy(v.flags)] } };
}

// ---- letters between devices and host -------------------------------------------------------------------------------------------

const enrolment: Read = (bytes) => without(handsetLetters.decodeHandsetEnrolment(bytes), "password", "code");
const delivered: Read = (bytes) => some("values", handsetLetters.decodeDelivered(bytes)?.map((d) => without(d, "grantKey")));
const one = <T>(name: string, read: (bytes: Uint8Array) => T | undefined): Read => (bytes) => wrapped(name, read(bytes));

/** Bodies by the type of their message; an answer has its request's type + 128. */
const bodies: Record<number, Reading> = {
  ...orderBodies,
  [s.messageType.records]: ["journal entries for the host", s.decodeBatch],
  [s.messageType.records + s.answerBit]: ["entries taken", s.decodeBatchTaken],
  [s.messageType.pull]: ["question for news", s.decodePull],
  [s.messageType.pull + s.answerBit]: ["news", s.decodeNews],
  [s.messageType.renew]: ["renewal of a terminal certificate", s.decodeRenewal],
  [s.messageType.renew + s.answerBit]: ["renewed terminal certificate", (bytes) => claimsOf("claims", s.decodeSignedClaims(bytes))],
  [s.messageType.handoverAsk]: ["question for a handover", s.decodeHandoverAsk],
  [s.messageType.handoverAsk + s.answerBit]: ["answer to a handover", s.decodeHandoverCode],
  [s.messageType.handoverWait]: ["long poll for handovers", s.decodeHandoverWait],
  [s.messageType.handoverWait + s.answerBit]: ["handover asked by another terminal", s.decodeHandoverQuestion],
  [s.messageType.enrolHandset]: ["enrolment of a handset", enrolment],
  [s.messageType.enrolHandset + s.answerBit]: ["handset enrolled", (bytes) => without(handsetLetters.decodeHandsetEnrolled(bytes), "recovery")],
  [s.messageType.collect]: ["question for what was bought", (bytes) => { const code = handsetLetters.decodeCollect(bytes); return code === undefined ? undefined : { invitation: code === "" ? "none" : secret(code) }; }],
  [s.messageType.collect + s.answerBit]: ["what was bought", one("offers", handsetLetters.decodeOffers)],
  [s.messageType.deliver]: ["keys for what was bought", one("keys", handsetLetters.decodeOfferKeys)],
  [s.messageType.deliver + s.answerBit]: ["delivered values", (bytes) => delivered(bytes) ?? (handsetLetters.decodeDelivered(bytes) === undefined ? undefined : { values: [] })],
  [s.messageType.refresh]: ["question for a new base", handsetLetters.decodeRefresh],
  [s.messageType.refresh + s.answerBit]: ["new base", handsetLetters.decodeRefreshed],
  [s.messageType.report]: ["receipts to compare", one("records", handsetLetters.decodeReport)],
  [s.messageType.report + s.answerBit]: ["receipts compared", (bytes) => wrapped("states", handsetLetters.decodeReported(bytes)?.map((n) => ["agrees", "not heard yet", "undone", "differs"][n] ?? n))],
};

function describeMessage(x: NonNullable<ReturnType<typeof decodeMessage>>): object {
  const reading = bodies[x.type];
  const read = reading?.[1](x.body);
  return { ...x, type: reading === undefined ? x.type : `${x.type} (${reading[0]})`, body: read === undefined ? x.body : { is: reading![0], bytes: x.body.length, fields: read } };
}

/** Bodies by themselves: only those whose shape nothing else has. */
const bareBodies: Reading[] = [
  bodies[s.messageType.pull + s.answerBit]!, bodies[s.messageType.records]!, bodies[s.messageType.pull]!, bodies[s.messageType.renew]!, bodies[s.messageType.enrolHandset]!,
  ["what was bought", (bytes) => some("offers", handsetLetters.decodeOffers(bytes))], ["keys for what was bought", (bytes) => some("keys", handsetLetters.decodeOfferKeys(bytes))], ["delivered values", delivered],
  ["consent to another handset", handsetLetters.decodeDeviceConsent],
  ...bareOrders,
  ["claim request", claim.decodeClaimRequest],
  ["claim request with its MAC", (bytes) => { const parts = splitMac(bytes); const x = parts === undefined ? undefined : claim.decodeClaimRequest(parts.content); return x === undefined ? undefined : { ...x, mac: parts!.mac }; }],
  ["what a claim grants", (bytes) => { const x = claim.decodeClaimGranted(bytes); return x === undefined ? undefined : { ...x, group: x.group.length === 0 ? "none" : secret(x.group) }; }],
  ["group keys, profile B", (bytes) => without(groupKeys.decodeGroupKeys(bytes), "grantKey", "deriveKey", "receiptKey")],
];

/** In the order in which they are tried. */
const readings: readonly Reading[] = [...tapMessages, ...records, ...signedThings, ...bareBodies];

/** The first reading that fits, its byte strings not yet opened. */
export function readingOf(bytes: Uint8Array): { is: string; fields: object } | undefined {
  for (const [name, read] of readings) {
    const fields = read(bytes);
    if (fields !== undefined) return { is: nameFor(name, fields, bytes), fields };
  }
  return undefined;
}

/** More exact names where the fields tell more than the reader. */
function nameFor(name: string, fields: object, bytes: Uint8Array): string {
  if (name === "journal entry") return `journal entry, ${(fields as { entry: string }).entry}`;
  if (name === "signed object") return `signed object, ${(fields as { type: string }).type}`;
  if (name !== "signed claims") return name;
  const inner = s.decodeSignedClaims(bytes)!.claims;
  return decodeValue(inner) !== undefined ? "signed value" : decodeTerminalCertificate(inner) !== undefined ? "signed terminal certificate" : name;
}

// ---- numbers as words -------------------------------------------------------------------------------------------------------------

const timeFields = new Set(["at", "expires", "notBefore", "until", "since", "issuedAt", "signsUntil", "lastAt"]);
const words: Record<string, Record<number, string>> = {
  action: { 1: "enter", 2: "exit", 3: "pay", 4: "unlock" }, intent: { 0: "use", 1: "resume", 2: "inquire" }, quality: { 0: "unknown", 1: "counted", 2: "clock set", 3: "signed within a day" },
  role: { 1: "gate", 2: "meter", 3: "till", 4: "receiver" },
};

/** A number beside what it means to a person: a time with its date, an action with its name. */
export function worded(name: string, n: number): string {
  if (timeFields.has(name) && n > 1e9 && n < 1e11) return `${n} (${new Date(n * 1000).toISOString().replace(".000", "")})`;
  const word = words[name]?.[n] ?? (name === "code" || name === "refusal" ? refusals[n]?.name : undefined);
  return word === undefined || n === 0 && name === "code" ? String(n) : `${n} (${word})`;
}

