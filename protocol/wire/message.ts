/**
 * What handset and terminal say to each other in a tap, one encoder and one decoder a message (`tap.md` §2).
 *
 * The first item is the type, and each type has one direction, so nobody takes its own echo for an answer. `ask`,
 * `certificate` and `stop` are in clear and decide nothing. In profile A everything else after `hello` is sealed; the
 * shapes below are the plain texts. In profile B nothing is sealed and each message ends in its MAC. What carries letters
 * instead of a tap is in `carry.ts`, what makes a blank board ours in `provision.ts`.
 */
import {
  done, fail, finish, peekMajor, readArray, readBytes, readNull, readText, readUint, reader, reading,
  writeArray, writeBytes, writeInt, writeNull, writeText, writer, type Reader, type Writer,
} from "./cbor.js";
import type { SignedClaims } from "./certificate.js";
import { readBase, writeBase, type Base } from "./receipt.js";
import { limits } from "../limits.js";

export const type = {
  hello: 1, presentation: 2, answer: 3, acknowledgement: 4, outcome: 5, ask: 6, certificate: 7, stop: 8, beacon: 9, userId: 10,
  fetch: 11, piece: 12, bring: 13, brought: 14, introduce: 15, board: 16, claimCode: 17, boardClaim: 18,
  knock: 19, here: 20,
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
  return readArray(r) < 1 || peekMajor(r) !== 0 ? -1 : readUint(r);
}

/** A message of this type, for a decoder that reads all of it. */
export function begin(bytes: Uint8Array, number: number): Reader {
  const r = reading(bytes);
  readArray(r);
  if (readUint(r) !== number) fail(r);
  return r;
}

export function start(items: number, number: number): Writer {
  const w = writer();
  writeArray(w, items);
  writeInt(w, number);
  return w;
}

/** The number of items of the outer array of a message whose form is checked elsewhere; the decoders check it where it may differ. */
export function itemsOf(bytes: Uint8Array): number {
  return bytes.length > 0 && bytes[0]! >= 0x80 && bytes[0]! < 0x98 ? bytes[0]! & 31 : 0;
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
  const r = reader(bytes);
  readArray(r);
  if (readUint(r) !== type.hello) fail(r);
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
export function writeSignedClaims(w: Writer, c: SignedClaims): void {
  writeBytes(w, c.kid); writeBytes(w, c.claims); writeBytes(w, c.signature);
}
export function readSignedClaims(r: Reader): SignedClaims {
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
export function writeAnswer(w: Writer, a: Answer): void {
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
  if (g.quality > 3) fail(r);
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
