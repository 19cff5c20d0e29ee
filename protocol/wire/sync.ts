/**
 * What devices and host say to each other inside envelopes: a body for each type of message, and the first contact of a
 * terminal, which has no keys yet (`trust.md` §3–5). A record is good at any age, a request is not.
 */
import {
  done, fail, finish, readArray, readBool, readBytes, readNull, readText, readUint, reader, writeArray, writeBool, writeBytes, writeInt, writeNull, writeText, writer,
  type Reader, type Writer,
} from "./cbor.js";
import { utf8 } from "./bytes.js";
import { readList } from "./trust.js";

/** Types of messages; an answer has its request's type + 128. Types up to 15 come from terminals. */
export const messageType = {
  records: 1, pull: 2, renew: 3, handoverAsk: 4, handoverWait: 5,
  enrolHandset: 16, collect: 17, deliver: 18, refresh: 19, report: 20,
} as const;
export const answerBit = 128;

const none = new Uint8Array(0);

function writeAll(w: Writer, items: readonly Uint8Array[]): void {
  writeArray(w, items.length);
  for (const item of items) writeBytes(w, item);
}
function readOne(r: Reader): Uint8Array {
  return readBytes(r);
}
/** Empty stands for nothing. */
function writeOptional(w: Writer, bytes: Uint8Array): void {
  if (bytes.length === 0) writeNull(w); else writeBytes(w, bytes);
}
function readOptional(r: Reader): Uint8Array {
  if (readNull(r)) return none;
  const bytes = readBytes(r);
  if (bytes.length === 0) fail(r);
  return bytes;
}

// ---- records: up, exactly once ------------------------------------------------------------------------------------------

/** Journal entries `first`, `first + 1` … of this terminal; `head` is the chain digest after the last one. */
export interface Batch { boot: number; first: number; entries: Uint8Array[]; head: Uint8Array }
export function encodeBatch(b: Batch): Uint8Array {
  const w = writer();
  writeArray(w, 4); writeInt(w, b.boot); writeInt(w, b.first); writeAll(w, b.entries); writeBytes(w, b.head);
  return finish(w);
}
export function decodeBatch(body: Uint8Array): Batch | undefined {
  const r = reader(body);
  readArray(r, 4);
  const b = { boot: readUint(r), first: readUint(r), entries: readList(r, readOne), head: readBytes(r, 16) };
  return done(r) ? b : undefined;
}
/** Everything up to this sequence is durable at the host; the terminal goes on from the next. */
export interface BatchTaken { through: number }
export function encodeBatchTaken(b: BatchTaken): Uint8Array {
  const w = writer();
  writeArray(w, 1); writeInt(w, b.through);
  return finish(w);
}
export function decodeBatchTaken(body: Uint8Array): BatchTaken | undefined {
  const r = reader(body);
  readArray(r, 1);
  const b = { through: readUint(r) };
  return done(r) ? b : undefined;
}

// ---- pull: what is new ----------------------------------------------------------------------------------------------------

/** What the terminal holds. `list` is 0 when it has none; `digest` then is eight zeros. */
export interface Pull { configuration: number; list: number; digest: Uint8Array; nonce: Uint8Array; knownTerminals: number }
export function encodePull(p: Pull): Uint8Array {
  const w = writer();
  writeArray(w, 5); writeInt(w, p.configuration); writeInt(w, p.list); writeBytes(w, p.digest); writeBytes(w, p.nonce); writeInt(w, p.knownTerminals);
  return finish(w);
}
export function decodePull(body: Uint8Array): Pull | undefined {
  const r = reader(body);
  readArray(r, 5);
  const p = { configuration: readUint(r), list: readUint(r), digest: readBytes(r, 8), nonce: readBytes(r, 8), knownTerminals: readUint(r) };
  return done(r) ? p : undefined;
}

/**
 * Signed objects, each to be checked by itself. `deltas` lead from the list held to the newest, or `list` is a whole one;
 * `roles` are role certificates and revocations signed by a root; `terminals` are certificates `[kid, claims, signature]`
 * of the same operator, from the number asked for on, so that each other's receipts can be checked.
 */
export interface News { time: Uint8Array; configuration: Uint8Array; list: Uint8Array; deltas: Uint8Array[]; roles: Uint8Array[]; terminals: Uint8Array[]; terminalsNumber: number }
export function encodeNews(n: News): Uint8Array {
  const w = writer();
  writeArray(w, 7); writeBytes(w, n.time); writeOptional(w, n.configuration); writeOptional(w, n.list); writeAll(w, n.deltas); writeAll(w, n.roles);
  writeAll(w, n.terminals); writeInt(w, n.terminalsNumber);
  return finish(w);
}
export function decodeNews(body: Uint8Array): News | undefined {
  const r = reader(body);
  readArray(r, 7);
  const n = {
    time: readBytes(r), configuration: readOptional(r), list: readOptional(r), deltas: readList(r, readOne), roles: readList(r, readOne),
    terminals: readList(r, readOne), terminalsNumber: readUint(r),
  };
  return done(r) ? n : undefined;
}

// ---- renew -----------------------------------------------------------------------------------------------------------------

/** New keys for a new terminal certificate; the counter shows a copied box (`trust.md` §3). */
export interface Renewal { counter: number; signingKey: Uint8Array; agreementKey: Uint8Array }
export function encodeRenewal(x: Renewal): Uint8Array {
  const w = writer();
  writeArray(w, 3); writeInt(w, x.counter); writeBytes(w, x.signingKey); writeBytes(w, x.agreementKey);
  return finish(w);
}
export function decodeRenewal(body: Uint8Array): Renewal | undefined {
  const r = reader(body);
  readArray(r, 3);
  const x = { counter: readUint(r), signingKey: readBytes(r, 33), agreementKey: readBytes(r, 33) };
  return done(r) ? x : undefined;
}
/** `[kid, claims, signature]`: certificates and values where they are carried. */
export function encodeSignedClaims(kid: Uint8Array, claims: Uint8Array, signature: Uint8Array): Uint8Array {
  const w = writer();
  writeArray(w, 3); writeBytes(w, kid); writeBytes(w, claims); writeBytes(w, signature);
  return finish(w);
}
export function decodeSignedClaims(bytes: Uint8Array): { kid: Uint8Array; claims: Uint8Array; signature: Uint8Array } | undefined {
  const r = reader(bytes);
  readArray(r, 3);
  const x = { kid: readBytes(r, 4), claims: readBytes(r), signature: readBytes(r, 64) };
  return done(r) ? x : undefined;
}

// ---- handover through the host (decision 5) ---------------------------------------------------------------------------------

/** Terminal → host: may I finish this receipt? `owner`: who made it, or to whom it went. Answered by a code, 0 given. */
export interface HandoverAsk { owner: Uint8Array; receipt: Uint8Array; proof: Uint8Array }
export function encodeHandoverAsk(x: HandoverAsk): Uint8Array {
  const w = writer();
  writeArray(w, 3); writeBytes(w, x.owner); writeBytes(w, x.receipt); writeBytes(w, x.proof);
  return finish(w);
}
export function decodeHandoverAsk(body: Uint8Array): HandoverAsk | undefined {
  const r = reader(body);
  readArray(r, 3);
  const x = { owner: readBytes(r, 8), receipt: readBytes(r), proof: readBytes(r) };
  return done(r) ? x : undefined;
}
export interface HandoverCode { code: number }
export function encodeHandoverCode(x: HandoverCode): Uint8Array {
  const w = writer();
  writeArray(w, 1); writeInt(w, x.code);
  return finish(w);
}
export function decodeHandoverCode(body: Uint8Array): HandoverCode | undefined {
  const r = reader(body);
  readArray(r, 1);
  const x = { code: readUint(r) };
  return done(r) ? x : undefined;
}

/** The owner's long poll: it brings the answer to the question before, and waits for the next. `number` 0: no answer yet. */
export interface HandoverWait { number: number; code: number }
export function encodeHandoverWait(x: HandoverWait): Uint8Array {
  const w = writer();
  writeArray(w, 2); writeInt(w, x.number); writeInt(w, x.code);
  return finish(w);
}
export function decodeHandoverWait(body: Uint8Array): HandoverWait | undefined {
  const r = reader(body);
  readArray(r, 2);
  const x = { number: readUint(r), code: readUint(r) };
  return done(r) ? x : undefined;
}
/** The host's question to the owner: `by` (certificate id) wants to finish this receipt. `number` 0: nothing asked, wait again. */
export interface HandoverQuestion { number: number; by: Uint8Array; receipt: Uint8Array; proof: Uint8Array }
export function encodeHandoverQuestion(x: HandoverQuestion): Uint8Array {
  const w = writer();
  writeArray(w, 4); writeInt(w, x.number); writeBytes(w, x.by); writeBytes(w, x.receipt); writeBytes(w, x.proof);
  return finish(w);
}
export function decodeHandoverQuestion(body: Uint8Array): HandoverQuestion | undefined {
  const r = reader(body);
  readArray(r, 4);
  const x = { number: readUint(r), by: readBytes(r), receipt: readBytes(r), proof: readBytes(r) };
  if (x.number === 0 ? x.by.length + x.receipt.length + x.proof.length > 0 : x.by.length !== 8) fail(r);
  return done(r) ? x : undefined;
}

// ---- handsets ---------------------------------------------------------------------------------------------------------------

/**
 * First message of a handset, signed by the signing key it names. The password makes an account; for one that exists it is
 * not enough: `consent` is signed by a handset of it, or `code` is its recovery code. With a new account, `code` is the
 * invitation that came with a value. Both may be empty.
 */
export interface HandsetEnrolment { user: string; password: string; phone: string; signingKey: Uint8Array; agreementKey: Uint8Array; keyClass: number; consent: Uint8Array; code: string }
export function encodeHandsetEnrolment(x: HandsetEnrolment): Uint8Array {
  const w = writer();
  writeArray(w, 8); writeText(w, x.user); writeText(w, x.password); writeText(w, x.phone); writeBytes(w, x.signingKey); writeBytes(w, x.agreementKey); writeInt(w, x.keyClass);
  writeOptional(w, x.consent); writeText(w, x.code);
  return finish(w);
}
export function decodeHandsetEnrolment(body: Uint8Array): HandsetEnrolment | undefined {
  const r = reader(body);
  readArray(r, 8);
  const x = {
    user: readText(r), password: readText(r), phone: readText(r), signingKey: readBytes(r, 33), agreementKey: readBytes(r, 33), keyClass: readUint(r),
    consent: readOptional(r), code: readText(r),
  };
  return done(r) ? x : undefined;
}

/** Claims of class `device`: a handset of this account wants the one with this key id beside it. Good for ten minutes. */
export interface DeviceConsent { user: string; kid: Uint8Array; at: number }
export function encodeDeviceConsent(x: DeviceConsent): Uint8Array {
  const w = writer();
  writeArray(w, 3); writeText(w, x.user); writeBytes(w, x.kid); writeInt(w, x.at);
  return finish(w);
}
export function decodeDeviceConsent(claims: Uint8Array): DeviceConsent | undefined {
  const r = reader(claims);
  readArray(r, 3);
  const x = { user: readText(r), kid: readBytes(r, 8), at: readUint(r) };
  return done(r) ? x : undefined;
}
/** `code` 0: enrolled, with the recovery code, shown once. Else why not (`enrolmentRefusals`). */
export interface HandsetEnrolled { code: number; recovery: string }
export function encodeHandsetEnrolled(x: HandsetEnrolled): Uint8Array {
  const w = writer();
  writeArray(w, 2); writeInt(w, x.code); writeText(w, x.recovery);
  return finish(w);
}
export function decodeHandsetEnrolled(body: Uint8Array): HandsetEnrolled | undefined {
  const r = reader(body);
  readArray(r, 2);
  const x = { code: readUint(r), recovery: readText(r) };
  return done(r) ? x : undefined;
}
export const enrolmentRefusals = [
  "", "wrong user id, password or code, or too many tries: wait", "the user id or this handset is taken", "the password is too short, too long or too common", "busy: try again",
  "the account exists: agree on one of its handsets, or give its recovery code",
] as const;

/** *collect*: what is waiting for me? `code` is an invitation, or empty. Answer: an offer for each value that needs a new key of this handset. */
export function encodeCollect(code: string): Uint8Array {
  const w = writer();
  writeArray(w, 1); writeText(w, code);
  return finish(w);
}
export function decodeCollect(body: Uint8Array): string | undefined {
  const r = reader(body);
  readArray(r, 1);
  const code = readText(r);
  return done(r) ? code : undefined;
}
export interface ValueOffer { offer: Uint8Array; name: string; kind: string; profileB: boolean }
export function encodeOffers(offers: readonly ValueOffer[]): Uint8Array {
  const w = writer();
  writeArray(w, offers.length);
  for (const o of offers) { writeArray(w, 4); writeBytes(w, o.offer); writeText(w, o.name); writeText(w, o.kind); writeBool(w, o.profileB); }
  return finish(w);
}
export function decodeOffers(body: Uint8Array): ValueOffer[] | undefined {
  const r = reader(body);
  const offers = readList(r, readOffer);
  return done(r) ? offers : undefined;
}
function readOffer(r: Reader): ValueOffer {
  readArray(r, 4);
  return { offer: readBytes(r, 8), name: readText(r), kind: readText(r), profileB: readBool(r) };
}

/** *deliver*: a public key made for each offer. Answer: the values, certified to those keys. */
export interface OfferKey { offer: Uint8Array; publicKey: Uint8Array; keyClass: number }
export function encodeOfferKeys(keys: readonly OfferKey[]): Uint8Array {
  const w = writer();
  writeArray(w, keys.length);
  for (const k of keys) { writeArray(w, 3); writeBytes(w, k.offer); writeBytes(w, k.publicKey); writeInt(w, k.keyClass); }
  return finish(w);
}
export function decodeOfferKeys(body: Uint8Array): OfferKey[] | undefined {
  const r = reader(body);
  const keys = readList(r, readOfferKey);
  return done(r) ? keys : undefined;
}
function readOfferKey(r: Reader): OfferKey {
  readArray(r, 3);
  return { offer: readBytes(r, 8), publicKey: readBytes(r, 33), keyClass: readUint(r) };
}

/** A value as delivered. `issuerPart`: the issuer's signed part, which claim 8 binds. `grant…` are empty without profile B. */
export interface Delivered {
  offer: Uint8Array; name: string; value: Uint8Array; issuerPart: Uint8Array;
  grant: Uint8Array; grantMac: Uint8Array; grantKey: Uint8Array; group: number; epoch: number;
}
export function encodeDelivered(list: readonly Delivered[]): Uint8Array {
  const w = writer();
  writeArray(w, list.length);
  for (const d of list) {
    writeArray(w, 9);
    writeBytes(w, d.offer); writeText(w, d.name); writeBytes(w, d.value); writeBytes(w, d.issuerPart); writeBytes(w, d.grant); writeBytes(w, d.grantMac);
    writeBytes(w, d.grantKey); writeInt(w, d.group); writeInt(w, d.epoch);
  }
  return finish(w);
}
export function decodeDelivered(body: Uint8Array): Delivered[] | undefined {
  const r = reader(body);
  const list = readList(r, readDelivered);
  return done(r) ? list : undefined;
}
function readDelivered(r: Reader): Delivered {
  readArray(r, 9);
  return {
    offer: readBytes(r, 8), name: readText(r), value: readBytes(r), issuerPart: readBytes(r), grant: readBytes(r), grantMac: readBytes(r), grantKey: readBytes(r),
    group: readUint(r), epoch: readUint(r),
  };
}

/** *refresh*: the newest receipt of a value (and its proof); answered by the host's receipt with a new base, or a refusal code. */
export interface Refresh { valueId: Uint8Array; receipt: Uint8Array; proof: Uint8Array }
export function encodeRefresh(x: Refresh): Uint8Array {
  const w = writer();
  writeArray(w, 3); writeBytes(w, x.valueId); writeOptional(w, x.receipt); writeOptional(w, x.proof);
  return finish(w);
}
export function decodeRefresh(body: Uint8Array): Refresh | undefined {
  const r = reader(body);
  readArray(r, 3);
  const x = { valueId: readBytes(r, 8), receipt: readOptional(r), proof: readOptional(r) };
  return done(r) ? x : undefined;
}
export interface Refreshed { code: number; receipt: Uint8Array; signature: Uint8Array; reversal: Uint8Array; reversalProof: Uint8Array }
export function encodeRefreshed(x: Refreshed): Uint8Array {
  const w = writer();
  writeArray(w, 5); writeInt(w, x.code); writeOptional(w, x.receipt); writeOptional(w, x.signature); writeOptional(w, x.reversal); writeOptional(w, x.reversalProof);
  return finish(w);
}
export function decodeRefreshed(body: Uint8Array): Refreshed | undefined {
  const r = reader(body);
  readArray(r, 5);
  const x = { code: readUint(r), receipt: readOptional(r), signature: readOptional(r), reversal: readOptional(r), reversalProof: readOptional(r) };
  return done(r) ? x : undefined;
}

/** *report*: finished records as the handset keeps them (its receipts with its own acknowledgements); the host compares. */
export function encodeReport(records: readonly Uint8Array[]): Uint8Array {
  const w = writer();
  writeAll(w, records);
  return finish(w);
}
export function decodeReport(body: Uint8Array): Uint8Array[] | undefined {
  const r = reader(body);
  const records = readList(r, readOne);
  return done(r) ? records : undefined;
}
/** What the host says of each reported record: 0 agrees, 1 not heard yet (undetermined), 2 undone, 3 differs. */
export function encodeReported(states: readonly number[]): Uint8Array {
  const w = writer();
  writeArray(w, states.length);
  for (const s of states) writeInt(w, s);
  return finish(w);
}
export function decodeReported(body: Uint8Array): number[] | undefined {
  const r = reader(body);
  const states = readList(r, readUint);
  return done(r) ? states : undefined;
}

// ---- first contact of a terminal (`trust.md` §3), outside envelopes -----------------------------------------------------------

/** MACed under HKDF(claim code); `lookup` is its first four characters. */
export interface ClaimRequest { lookup: string; nonce: Uint8Array; identityKey: Uint8Array; signingKey: Uint8Array; agreementKey: Uint8Array; model: string; software: Uint8Array }
export function encodeClaimRequest(x: ClaimRequest): Uint8Array {
  const w = writer();
  writeArray(w, 7);
  writeText(w, x.lookup); writeBytes(w, x.nonce); writeBytes(w, x.identityKey); writeBytes(w, x.signingKey); writeBytes(w, x.agreementKey); writeText(w, x.model); writeBytes(w, x.software);
  return finish(w);
}
export function decodeClaimRequest(bytes: Uint8Array): ClaimRequest | undefined {
  const r = reader(bytes);
  readArray(r, 7);
  const x = {
    lookup: readText(r), nonce: readBytes(r, 16), identityKey: readBytes(r, 33), signingKey: readBytes(r, 33), agreementKey: readBytes(r, 33), model: readText(r),
    software: readBytes(r),
  };
  if (utf8(x.lookup).length !== 4) fail(r);
  return done(r) ? x : undefined;
}

/** What a terminal is given: both roots, role certificates, its own certificate, configuration, time, group keys (profile B). */
export interface ClaimGranted {
  provider: string; terminalId: Uint8Array; root: Uint8Array; spareRoot: Uint8Array; roles: Uint8Array[]; certificate: Uint8Array; configuration: Uint8Array;
  time: Uint8Array; group: Uint8Array;
}
export function encodeClaimGranted(x: ClaimGranted): Uint8Array {
  const w = writer();
  writeArray(w, 9);
  writeText(w, x.provider); writeBytes(w, x.terminalId); writeBytes(w, x.root); writeBytes(w, x.spareRoot); writeAll(w, x.roles); writeBytes(w, x.certificate);
  writeBytes(w, x.configuration); writeBytes(w, x.time); writeOptional(w, x.group);
  return finish(w);
}
export function decodeClaimGranted(bytes: Uint8Array): ClaimGranted | undefined {
  const r = reader(bytes);
  readArray(r, 9);
  const x = {
    provider: readText(r), terminalId: readBytes(r, 8), root: readBytes(r, 33), spareRoot: readBytes(r, 33), roles: readList(r, readOne), certificate: readBytes(r),
    configuration: readBytes(r), time: readBytes(r), group: readOptional(r),
  };
  return done(r) ? x : undefined;
}

/** `[group, epoch, grantKey, deriveKey, receiptKey]`, sealed on its way. */
export interface GroupKeyPackage { group: number; epoch: number; grantKey: Uint8Array; deriveKey: Uint8Array; receiptKey: Uint8Array }
export function encodeGroupKeys(x: GroupKeyPackage): Uint8Array {
  const w = writer();
  writeArray(w, 5); writeInt(w, x.group); writeInt(w, x.epoch); writeBytes(w, x.grantKey); writeBytes(w, x.deriveKey); writeBytes(w, x.receiptKey);
  return finish(w);
}
export function decodeGroupKeys(bytes: Uint8Array): GroupKeyPackage | undefined {
  const r = reader(bytes);
  readArray(r, 5);
  const x = { group: readUint(r), epoch: readUint(r), grantKey: readBytes(r, 32), deriveKey: readBytes(r, 32), receiptKey: readBytes(r, 32) };
  return done(r) ? x : undefined;
}
