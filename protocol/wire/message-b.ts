/**
 * The messages of profile B, where nothing is sealed and each ends in its MAC, and of the one-way class (`tap.md` §2, §6, §7).
 */
import {
  done, fail, finish, readArray, readBytes, readNull, readRaw, readText, readUint, writeArray, writeBytes, writeInt, writeNull, writeText, writer,
} from "./cbor.js";
import type { SignedClaims } from "./certificate.js";
import {
  begin, decodeAnswer, itemsOf, outcome, readSignedClaims, start, type, writeAnswer, writeSignedClaims, type Answer,
} from "./message.js";

export interface PresentationB {
  nonce: Uint8Array;
  intent: number;
  /** Grant claims and their 8-byte MAC. */
  grant: Uint8Array;
  grantMac: Uint8Array;
  newest: { receipt: Uint8Array; mac: Uint8Array } | undefined;
  proof: Uint8Array;
  /** With `resume`: the evidence for the receipt shown. */
  acknowledged: Uint8Array | undefined;
}
export function encodePresentationB(p: PresentationB): Uint8Array {
  const w = start(p.acknowledged === undefined ? 7 : 8, type.presentation);
  writeBytes(w, p.nonce); writeInt(w, p.intent); writeBytes(w, p.grant); writeBytes(w, p.grantMac);
  if (p.newest === undefined) writeNull(w);
  else { writeArray(w, 2); writeBytes(w, p.newest.receipt); writeBytes(w, p.newest.mac); }
  writeBytes(w, p.proof);
  if (p.acknowledged !== undefined) writeBytes(w, p.acknowledged);
  return finish(w);
}
export function decodePresentationB(bytes: Uint8Array): PresentationB | undefined {
  const items = itemsOf(bytes);
  const r = begin(bytes, type.presentation);
  const p = {} as PresentationB;
  p.nonce = readBytes(r, 8); p.intent = readUint(r); p.grant = readBytes(r); p.grantMac = readBytes(r, 8);
  p.newest = undefined;
  if (!readNull(r)) { readArray(r, 2); p.newest = { receipt: readBytes(r), mac: readBytes(r, 8) }; }
  p.proof = readBytes(r, 8);
  p.acknowledged = items === 8 ? readBytes(r, 64) : undefined;
  if (p.intent > 2 || (items !== 7 && items !== 8)) fail(r);
  return done(r) ? p : undefined;
}

/** `[3, answer, mac8]`: the inner answer as in A, its proof the 8-byte receipt-MAC. */
export function encodeAnswerB(a: Answer, mac: Uint8Array): Uint8Array {
  const w = start(3, type.answer);
  writeAnswer(w, a);
  writeBytes(w, mac);
  return finish(w);
}
export function decodeAnswerB(bytes: Uint8Array): { answer: Answer; mac: Uint8Array } | undefined {
  const r = begin(bytes, type.answer);
  const inner = readRaw(r);
  const mac = readBytes(r, 8);
  if (!done(r) || itemsOf(bytes) !== 3) return undefined;
  const answer = decodeAnswer(inner, 8);
  return answer === undefined ? undefined : { answer: answer, mac: mac };
}

/** `[4, evidence, mac8]`: evidence is exactly A's acknowledgement. */
export function encodeAcknowledgementB(evidence: Uint8Array, mac: Uint8Array): Uint8Array {
  const w = start(3, type.acknowledgement);
  writeBytes(w, evidence); writeBytes(w, mac);
  return finish(w);
}
export function decodeAcknowledgementB(bytes: Uint8Array): { evidence: Uint8Array; mac: Uint8Array } | undefined {
  const r = begin(bytes, type.acknowledgement);
  const a = { evidence: readBytes(r, 64), mac: readBytes(r, 8) };
  return done(r) && itemsOf(bytes) === 3 ? a : undefined;
}

/** `[5, code, ? at, ? reversal-mac, mac8]`: a reversal names its time, which its MAC covers. */
export interface OutcomeB { code: number; at: number; reversalMac: Uint8Array | undefined; mac: Uint8Array }
export function encodeOutcomeB(o: OutcomeB): Uint8Array {
  const w = start(o.reversalMac === undefined ? 3 : 5, type.outcome);
  writeInt(w, o.code);
  if (o.reversalMac !== undefined) { writeInt(w, o.at); writeBytes(w, o.reversalMac); }
  writeBytes(w, o.mac);
  return finish(w);
}
export function decodeOutcomeB(bytes: Uint8Array): OutcomeB | undefined {
  const items = itemsOf(bytes);
  const r = begin(bytes, type.outcome);
  const o: OutcomeB = { code: readUint(r), at: 0, reversalMac: undefined, mac: new Uint8Array(0) };
  if (items === 5 && o.code === outcome.reversal) { o.at = readUint(r); o.reversalMac = readBytes(r, 8); }
  else if (items !== 3 || o.code > 2) fail(r);
  o.mac = readBytes(r, 8);
  return done(r) ? o : undefined;
}

// ---- one-way --------------------------------------------------------------------------------------------------------

/** `[9, kid, value-claims, signature, action, step, zone, proof]` (`tap.md` §7). */
export interface Beacon { value: SignedClaims; action: number; step: number; zone: number; proof: Uint8Array }
export function encodeBeacon(b: Beacon): Uint8Array {
  const w = start(8, type.beacon);
  writeSignedClaims(w, b.value);
  writeInt(w, b.action); writeInt(w, b.step); writeInt(w, b.zone); writeBytes(w, b.proof);
  return finish(w);
}
export function decodeBeacon(bytes: Uint8Array): Beacon | undefined {
  const r = begin(bytes, type.beacon);
  const b = { value: readSignedClaims(r), action: readUint(r), step: readUint(r), zone: readUint(r), proof: readBytes(r, 64) };
  return done(r) && itemsOf(bytes) === 8 && b.action >= 1 && b.action <= 4 ? b : undefined;
}
/** What the value's key signs in a beacon: `[value-id, action, step, zone]`, class `beacon`. */
export function encodeBeaconStep(valueId: Uint8Array, action: number, step: number, zone: number): Uint8Array {
  const w = writer();
  writeArray(w, 4);
  writeBytes(w, valueId); writeInt(w, action); writeInt(w, step); writeInt(w, zone);
  return finish(w);
}

/** `[10, user-id, step, zone, proof]`: the signed user id of P4. */
export interface UserId { userId: string; step: number; zone: number; proof: Uint8Array }
export function encodeUserId(u: UserId): Uint8Array {
  const w = start(5, type.userId);
  writeText(w, u.userId); writeInt(w, u.step); writeInt(w, u.zone); writeBytes(w, u.proof);
  return finish(w);
}
export function decodeUserId(bytes: Uint8Array): UserId | undefined {
  const r = begin(bytes, type.userId);
  const u = { userId: readText(r), step: readUint(r), zone: readUint(r), proof: readBytes(r, 64) };
  return done(r) && itemsOf(bytes) === 5 ? u : undefined;
}
