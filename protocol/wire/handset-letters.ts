/**
 * The bodies of letters between a handset and the host: joining, collecting what was issued, refreshing, reporting
 * (`trust.md` §4). Sealed and numbered like all letters; their types stand with the terminal's in `sync.ts`.
 */
import { done, finish, readArray, readBool, readBytes, readText, readUint, reader, writeArray, writeBool, writeBytes, writeInt, writeText, writer, type Reader } from "./cbor.js";
import { readList, readOne, readOptional, writeAll, writeOptional } from "./lists.js";

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

/** *regrant*: a grant of a board group, and its newest receipt with its MAC; answered by the grant to use from now on, or a refusal code. */
export interface Regrant { grant: Uint8Array; receipt: Uint8Array; mac: Uint8Array }
export function encodeRegrant(x: Regrant): Uint8Array {
  const w = writer();
  writeArray(w, 3); writeBytes(w, x.grant); writeOptional(w, x.receipt); writeOptional(w, x.mac);
  return finish(w);
}
export function decodeRegrant(body: Uint8Array): Regrant | undefined {
  const r = reader(body);
  readArray(r, 3);
  const x = { grant: readBytes(r, 8), receipt: readOptional(r), mac: readOptional(r) };
  return done(r) ? x : undefined;
}
/** As in `Delivered`; `code` 0, or why there is none and the rest is empty. */
export interface Regranted { code: number; grant: Uint8Array; grantMac: Uint8Array; grantKey: Uint8Array; group: number; epoch: number }
export function encodeRegranted(x: Regranted): Uint8Array {
  const w = writer();
  writeArray(w, 6); writeInt(w, x.code); writeOptional(w, x.grant); writeOptional(w, x.grantMac); writeOptional(w, x.grantKey); writeInt(w, x.group); writeInt(w, x.epoch);
  return finish(w);
}
export function decodeRegranted(body: Uint8Array): Regranted | undefined {
  const r = reader(body);
  readArray(r, 6);
  const x = { code: readUint(r), grant: readOptional(r), grantMac: readOptional(r), grantKey: readOptional(r), group: readUint(r), epoch: readUint(r) };
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
