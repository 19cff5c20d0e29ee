/**
 * What handset and terminal say to each other in a tap, one encoder and one decoder a message (`tap.md` §2).
 *
 * The first item is the type, and each type has one direction, so nobody takes its own echo for an answer. `ask`,
 * `certificate` and `stop` are in clear and decide nothing. In profile A everything else after `hello` is sealed; the
 * shapes below are the plain texts. In profile B nothing is sealed and each message ends in its MAC.
 */
import {
  done, fail, finish, peekMajor, readArray, readBytes, readNull, readRaw, readText, readUint, reader,
  writeArray, writeBytes, writeInt, writeNull, writeText, writer, type Reader, type Writer,
} from "./cbor.js";
import type { SignedClaims } from "./certificate.js";
import { readBase, writeBase, type Base } from "./receipt.js";
import { limits } from "../limits.js";

export const type = {
  hello: 1, presentation: 2, answer: 3, acknowledgement: 4, outcome: 5, ask: 6, certificate: 7, stop: 8, beacon: 9, userId: 10,
} as const;
export const protocolVersion = 1;
/** Bits of `offer`. Bit 3: the terminal can verify value claims in profile B (decision 3). */
export const offer = { profileA: 1, profileB: 2, oneWay: 4, verifiesInB: 8 } as const;
export const intent = { use: 0, resume: 1, inquire: 2 } as const;
export const asking = { certificate: 0, nothing_to_show: 1, declined: 2, not_trusted: 3 } as const;
export const outcome = { finished: 0, turned: 1, not_turned: 2, reversal: 3 } as const;

/** The type of a message, or −1 when the bytes are no message at all. */
export function messageType(bytes: Uint8Array): number {
  if (bytes.length < 2 || bytes.length > limits.messageBytesMax) return -1;
  const r = reader(bytes);
  if (readArray(r) < 1 || peekMajor(r) !== 0) return -1;
  const number = readUint(r);
  return r.bad ? -1 : number;
}

function begin(bytes: Uint8Array, number: number): Reader {
  const r = reader(bytes);
  readArray(r);
  if (readUint(r) !== number) fail(r);
  return r;
}

function start(items: number, number: number): Writer {
  const w = writer();
  writeArray(w, items);
  writeInt(w, number);
  return w;
}

/** The number of items of a message's outer array; the decoders check it where it may differ. */
function itemsOf(bytes: Uint8Array): number {
  return readArray(reader(bytes));
}

// ---- hello, ask, certificate, stop: in clear ------------------------------------------------------------------------

export interface Want { action: number; kinds: string[]; amount: number; currency: number | undefined }

export interface Hello {
  version: number;
  offer: number;
  /** 4 bytes, never the same twice at one terminal. */
  tap: Uint8Array;
  /** A: x of a fresh P-256 key (32 bytes). B: random (8 bytes). */
  nonce: Uint8Array;
  /** A: certificate id. B: terminal id. */
  terminal: Uint8Array;
  want: Want;
  /** Profile B only. */
  group: { group: number; epoch: number } | undefined;
}

export function encodeHello(h: Hello): Uint8Array {
  const w = start(h.group === undefined ? 7 : 8, type.hello);
  writeInt(w, h.version); writeInt(w, h.offer); writeBytes(w, h.tap); writeBytes(w, h.nonce); writeBytes(w, h.terminal);
  const want = h.want;
  writeArray(w, want.currency === undefined ? 3 : 4);
  writeInt(w, want.action);
  if (want.kinds.length === 1) writeText(w, want.kinds[0]!);
  else { writeArray(w, want.kinds.length); for (const kind of want.kinds) writeText(w, kind); }
  writeInt(w, want.amount);
  if (want.currency !== undefined) writeInt(w, want.currency);
  if (h.group !== undefined) { writeArray(w, 2); writeInt(w, h.group.group); writeInt(w, h.group.epoch); }
  return finish(w);
}

/** A hello of version 1, or undefined; `helloVersion` tells a newer one from rubbish. */
export function decodeHello(bytes: Uint8Array): Hello | undefined {
  const items = itemsOf(bytes);
  const r = begin(bytes, type.hello);
  const h = {} as Hello;
  h.version = readUint(r);
  if (h.version !== protocolVersion || (items !== 7 && items !== 8)) return undefined;
  h.offer = readUint(r); h.tap = readBytes(r, 4); h.nonce = readBytes(r);
  h.terminal = readBytes(r, 8);
  h.want = readWant(r);
  h.group = undefined;
  if (items === 8) { readArray(r, 2); h.group = { group: readUint(r), epoch: readUint(r) }; }
  if (h.nonce.length !== 32 && h.nonce.length !== 8) fail(r);
  return done(r) ? h : undefined;
}

/** The version a hello claims, or −1 when it is no hello. */
export function helloVersion(bytes: Uint8Array): number {
  const r = begin(bytes, type.hello);
  const version = readUint(r);
  return r.bad ? -1 : version;
}

function readWant(r: Reader): Want {
  const items = readArray(r);
  if (items !== 3 && items !== 4) fail(r);
  const action = readUint(r);
  const kinds: string[] = [];
  if (peekMajor(r) === 3) kinds.push(readText(r));
  else {
    const count = readArray(r);
    if (count < 2 || count > limits.kindsMax) fail(r);
    for (let i = 0; i < count && !r.bad; i++) kinds.push(readText(r));
  }
  const amount = readUint(r);
  if (action < 1 || action > 4) fail(r);
  return { action: action, kinds: kinds, amount: amount, currency: items === 4 ? readUint(r) : undefined };
}

export function encodeAsk(what: number): Uint8Array {
  const w = start(2, type.ask);
  writeInt(w, what);
  return finish(w);
}
/** 0 … 3, or −1. */
export function decodeAsk(bytes: Uint8Array): number {
  const r = begin(bytes, type.ask);
  const what = readUint(r);
  return done(r) && itemsOf(bytes) === 2 && what <= 3 ? what : -1;
}

export function encodeCertificate(c: SignedClaims): Uint8Array {
  const w = start(4, type.certificate);
  writeSignedClaims(w, c);
  return finish(w);
}
export function decodeCertificate(bytes: Uint8Array): SignedClaims | undefined {
  const r = begin(bytes, type.certificate);
  const c = readSignedClaims(r);
  return done(r) && itemsOf(bytes) === 4 ? c : undefined;
}
function writeSignedClaims(w: Writer, c: SignedClaims): void {
  writeBytes(w, c.kid); writeBytes(w, c.claims); writeBytes(w, c.signature);
}
function readSignedClaims(r: Reader): SignedClaims {
  return { kid: readBytes(r, 4), claims: readBytes(r), signature: readBytes(r, 64) };
}
function readSignedClaimsArray(r: Reader): SignedClaims {
  readArray(r, 3);
  return readSignedClaims(r);
}

export function encodeStop(code: number): Uint8Array {
  const w = start(2, type.stop);
  writeInt(w, code);
  return finish(w);
}
/** 1 … 5, or −1: nothing else may be said in clear. */
export function decodeStop(bytes: Uint8Array): number {
  const r = begin(bytes, type.stop);
  const code = readUint(r);
  return done(r) && itemsOf(bytes) === 2 && code >= 1 && code <= 5 ? code : -1;
}

// ---- profile A ------------------------------------------------------------------------------------------------------

/** The plain text of a presentation. */
export interface Shown {
  intent: number;
  value: SignedClaims;
  newest: { receipt: Uint8Array; signature: Uint8Array } | undefined;
  proof: Uint8Array;
  /** With `resume`: the acknowledgement of the receipt shown. */
  acknowledged: Uint8Array | undefined;
  undone: { reversal: Uint8Array; signature: Uint8Array } | undefined;
  /** The certificate behind the newest receipt, when the terminal said `terminal_unknown`. */
  certificate: SignedClaims | undefined;
}

/** Optional items keep their places: a later one present makes the earlier ones null. */
export function encodeShown(s: Shown): Uint8Array {
  const w = writer();
  const items = s.certificate !== undefined ? 7 : s.undone !== undefined ? 6 : s.acknowledged !== undefined ? 5 : 4;
  writeArray(w, items);
  writeInt(w, s.intent);
  writeArray(w, 3); writeSignedClaims(w, s.value);
  if (s.newest === undefined) writeNull(w);
  else { writeArray(w, 2); writeBytes(w, s.newest.receipt); writeBytes(w, s.newest.signature); }
  writeBytes(w, s.proof);
  if (items > 4) { if (s.acknowledged === undefined) writeNull(w); else writeBytes(w, s.acknowledged); }
  if (items > 5) {
    if (s.undone === undefined) writeNull(w);
    else { writeArray(w, 2); writeBytes(w, s.undone.reversal); writeBytes(w, s.undone.signature); }
  }
  if (s.certificate !== undefined) { writeArray(w, 3); writeSignedClaims(w, s.certificate); }
  return finish(w);
}

export function decodeShown(bytes: Uint8Array): Shown | undefined {
  const r = reader(bytes);
  const items = readArray(r);
  if (items < 4 || items > 7) fail(r);
  const s = {} as Shown;
  s.intent = readUint(r);
  if (s.intent > 2) fail(r);
  s.value = readSignedClaimsArray(r);
  s.newest = undefined;
  if (!readNull(r)) { readArray(r, 2); s.newest = { receipt: readBytes(r), signature: readBytes(r, 64) }; }
  s.proof = readBytes(r, 64);
  s.acknowledged = items > 4 && !readNull(r) ? readBytes(r, 64) : undefined;
  s.undone = undefined;
  if (items > 5 && !readNull(r)) { readArray(r, 2); s.undone = { reversal: readBytes(r), signature: readBytes(r, 64) }; }
  s.certificate = items > 6 ? readSignedClaimsArray(r) : undefined;
  if (items > 4 && items < 7 && r.bytes[r.bytes.length - 1] === 0xf6 && lastIsNull(s, items)) fail(r);
  return done(r) ? s : undefined;
}

/** One meaning, one encoding: a trailing null would be a second way to say the same. */
function lastIsNull(s: Shown, items: number): boolean {
  return items === 5 ? s.acknowledged === undefined : s.undone === undefined;
}

/** `[2, ephemeral, sealed<shown>]`. */
export function encodePresentation(ephemeral: Uint8Array, sealed: Uint8Array): Uint8Array {
  const w = start(3, type.presentation);
  writeBytes(w, ephemeral); writeBytes(w, sealed);
  return finish(w);
}
export function decodePresentation(bytes: Uint8Array): { ephemeral: Uint8Array; sealed: Uint8Array } | undefined {
  const r = begin(bytes, type.presentation);
  const p = { ephemeral: readBytes(r, 32), sealed: readBytes(r) };
  return done(r) && itemsOf(bytes) === 3 ? p : undefined;
}

/** Which profile's shape a presentation has: "A", "B", or "" for neither. */
export function presentationProfile(bytes: Uint8Array): string {
  const items = itemsOf(bytes);
  return items === 3 ? "A" : items === 7 || items === 8 ? "B" : "";
}

/** `[type, sealed]` of answer, acknowledgement and outcome. */
export function encodeSealed(number: number, sealed: Uint8Array): Uint8Array {
  const w = start(2, number);
  writeBytes(w, sealed);
  return finish(w);
}
export function decodeSealed(bytes: Uint8Array, number: number): Uint8Array | undefined {
  const r = begin(bytes, number);
  const sealed = readBytes(r);
  return done(r) && itemsOf(bytes) === 2 ? sealed : undefined;
}

/** What the handset cannot derive of a receipt; both sides rebuild the rest. `proof` is the signature (A) or receipt-MAC (B). */
export interface Granted {
  tap: Uint8Array; after: number; at: number; quality: number; until: number; base: Base | undefined; proof: Uint8Array;
  fold: Uint8Array | undefined;
}
export interface Refused { refusal: number; since: number; help: number }
export type Answer = { granted: Granted } | { refused: Refused };

/** The plain text of an answer: `[0, tap, after, at, quality, until, base, signature, ? fold]` or `[1, refusal, since, help]`. */
export function encodeAnswer(a: Answer): Uint8Array {
  const w = writer();
  writeAnswer(w, a);
  return finish(w);
}
function writeAnswer(w: Writer, a: Answer): void {
  if ("refused" in a) {
    writeArray(w, 4); writeInt(w, 1);
    writeInt(w, a.refused.refusal); writeInt(w, a.refused.since); writeInt(w, a.refused.help);
    return;
  }
  const g = a.granted;
  writeArray(w, g.fold === undefined ? 8 : 9); writeInt(w, 0);
  writeBytes(w, g.tap); writeInt(w, g.after); writeInt(w, g.at); writeInt(w, g.quality); writeInt(w, g.until);
  writeBase(w, g.base); writeBytes(w, g.proof);
  if (g.fold !== undefined) writeBytes(w, g.fold);
}
/** `proofBytes`: 64 in profile A, 8 in B. */
export function decodeAnswer(bytes: Uint8Array, proofBytes: number): Answer | undefined {
  const r = reader(bytes);
  const items = readArray(r);
  const which = readUint(r);
  if (which === 1 && items === 4) {
    const refused = { refusal: readUint(r), since: readUint(r), help: readUint(r) };
    return done(r) ? { refused: refused } : undefined;
  }
  if (which !== 0 || (items !== 8 && items !== 9)) fail(r);
  const g = {} as Granted;
  g.tap = readBytes(r, 4); g.after = readUint(r); g.at = readUint(r); g.quality = readUint(r); g.until = readUint(r);
  g.base = readBase(r); g.proof = readBytes(r, proofBytes);
  g.fold = items === 9 ? readBytes(r, 16) : undefined;
  return done(r) ? { granted: g } : undefined;
}

/** The plain text of an outcome: `[code]`, or `[3, at, signature]` for a reversal. */
export interface Outcome { code: number; at: number; signature: Uint8Array | undefined }
export function encodeOutcome(o: Outcome): Uint8Array {
  const w = writer();
  if (o.signature === undefined) { writeArray(w, 1); writeInt(w, o.code); }
  else { writeArray(w, 3); writeInt(w, outcome.reversal); writeInt(w, o.at); writeBytes(w, o.signature); }
  return finish(w);
}
export function decodeOutcome(bytes: Uint8Array): Outcome | undefined {
  const r = reader(bytes);
  const items = readArray(r);
  const code = readUint(r);
  const o: Outcome = { code: code, at: 0, signature: undefined };
  if (items === 3 && code === outcome.reversal) { o.at = readUint(r); o.signature = readBytes(r, 64); }
  else if (items !== 1 || code > 2) fail(r);
  return done(r) ? o : undefined;
}

/** What the value's key proves: the step asked for, or the receipt shown (class `presentation`, external data TH). */
export interface Step { intent: number; valueId: Uint8Array; counter: number; previous: Uint8Array; action: number; amount: number }
export function encodeStep(s: Step): Uint8Array {
  const w = writer();
  writeArray(w, 6);
  writeInt(w, s.intent); writeBytes(w, s.valueId); writeInt(w, s.counter); writeBytes(w, s.previous);
  writeInt(w, s.action); writeInt(w, s.amount);
  return finish(w);
}

// ---- profile B ------------------------------------------------------------------------------------------------------

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
