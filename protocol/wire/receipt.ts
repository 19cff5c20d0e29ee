/**
 * Receipt, reversal and the finished record: what makes a value's state a chain (`tap.md` §2, §5).
 *
 * Each use makes a receipt that names the digest of the one before; the newest is the value's state. Terminal signs the
 * receipt, the value's own key acknowledges its digest, and both together are what the host pays for (U7).
 */
import type { Crypto } from "../crypto/crypto.js";
import {
  done, fail, finish, readArray, readBytes, readNull, readUint, reader, reading, writeArray, writeBytes, writeInt,
  writeNull, writer, type Reader, type Writer,
} from "./cbor.js";
import { sigStructure, signHeader } from "./cose.js";

export const action = { enter: 1, exit: 2, pay: 3, unlock: 4 } as const;
export const receiptKind = { use: 1, host: 3 } as const;
const reversalKind = 2;
/** A value's chain ends here: handsets and notices keep the counter in four bytes. */
const counterMax = 4294967295;
const none = new Uint8Array(0);

/** The last time the host saw this chain. */
export interface Base { counter: number; spent: number; day: number }

export interface Receipt {
  /** `receiptKind.use`, or `.host` when the provider moves the base. */
  kind: number;
  /** Certificate id (A) or terminal id (B). */
  terminal: Uint8Array;
  /** 4 bytes. */
  tap: Uint8Array;
  valueId: Uint8Array;
  counter: number;
  /** First 16 bytes of SHA-256 of the previous receipt, or of the value-claims at counter 0. */
  previous: Uint8Array;
  action: number;
  amount: number;
  /** Running total after this use. */
  after: number;
  /** UTC seconds and their quality 0–3. */
  at: number;
  quality: number;
  /** May be resumed until: UTC seconds; 0 where there is no clock. */
  until: number;
  base: Base | undefined;
  /** Digest of the reversal folded into this step. */
  fold: Uint8Array | undefined;
}

export function encodeReceipt(x: Receipt): Uint8Array {
  const w = writer();
  writeArray(w, x.fold === undefined ? 13 : 14);
  writeInt(w, x.kind); writeBytes(w, x.terminal); writeBytes(w, x.tap); writeBytes(w, x.valueId);
  writeInt(w, x.counter); writeBytes(w, x.previous); writeInt(w, x.action); writeInt(w, x.amount);
  writeInt(w, x.after); writeInt(w, x.at); writeInt(w, x.quality); writeInt(w, x.until);
  writeBase(w, x.base);
  if (x.fold !== undefined) writeBytes(w, x.fold);
  return finish(w);
}

/** The receipt in these bytes, or undefined. */
export function decodeReceipt(bytes: Uint8Array): Receipt | undefined {
  const r = reading(bytes);
  const items = readArray(r);
  if (items !== 13 && items !== 14) fail(r);
  const x = {} as Receipt;
  x.kind = readUint(r); x.terminal = readBytes(r, 8); x.tap = readBytes(r, 4); x.valueId = readBytes(r, 8);
  x.counter = readUint(r); x.previous = readBytes(r, 16); x.action = readUint(r); x.amount = readUint(r);
  x.after = readUint(r); x.at = readUint(r); x.quality = readUint(r); x.until = readUint(r);
  x.base = readBase(r);
  x.fold = items === 14 ? readBytes(r, 16) : undefined;
  if (x.kind !== receiptKind.use && x.kind !== receiptKind.host) fail(r);
  if (x.action < 1 || x.action > 4 || x.quality > 3 || x.counter < 1 || x.counter > counterMax) fail(r);
  return done(r) ? x : undefined;
}

export function writeBase(w: Writer, base: Base | undefined): void {
  if (base === undefined) { writeNull(w); return; }
  writeArray(w, 3); writeInt(w, base.counter); writeInt(w, base.spent); writeInt(w, base.day);
}

export function readBase(r: Reader): Base | undefined {
  if (readNull(r)) return undefined;
  readArray(r, 3);
  return { counter: readUint(r), spent: readUint(r), day: readUint(r) };
}

/** Undoes one use, outside the counter (`tap.md` §4: the message there called credit). */
export interface Reversal {
  terminal: Uint8Array;
  tap: Uint8Array;
  valueId: Uint8Array;
  counter: number;
  /** digest16 of the receipt undone. */
  receipt: Uint8Array;
  /** 1 turnstile did not turn, 2 goods not given, 3 staff. */
  reason: number;
  at: number;
}

export function encodeReversal(x: Reversal): Uint8Array {
  const w = writer();
  writeArray(w, 8);
  writeInt(w, reversalKind); writeBytes(w, x.terminal); writeBytes(w, x.tap); writeBytes(w, x.valueId);
  writeInt(w, x.counter); writeBytes(w, x.receipt); writeInt(w, x.reason); writeInt(w, x.at);
  return finish(w);
}

export function decodeReversal(bytes: Uint8Array): Reversal | undefined {
  const r = reading(bytes);
  readArray(r, 8);
  if (readUint(r) !== reversalKind) fail(r);
  const x = {
    terminal: readBytes(r, 8), tap: readBytes(r, 4), valueId: readBytes(r, 8), counter: readUint(r),
    receipt: readBytes(r, 16), reason: readUint(r), at: readUint(r),
  };
  return done(r) ? x : undefined;
}

/** Class `receipt`: signed by the terminal, or by the provider for a host receipt. Bare bytes, empty external data. */
export function receiptToSign(receipt: Uint8Array): Uint8Array {
  return sigStructure(signHeader("receipt", undefined), none, receipt);
}
export function reversalToSign(reversal: Uint8Array): Uint8Array {
  return sigStructure(signHeader("credit", undefined), none, reversal);
}
/** U7: the value's own key signs the digest of the receipt, all 32 bytes. */
export function acknowledgementToSign(crypto: Crypto, receipt: Uint8Array): Uint8Array {
  return sigStructure(signHeader("acknowledgement", undefined), none, crypto.sha256(receipt));
}

/** What a terminal journals and the host pays for: profile A. Anyone with the certificates can check it. */
export interface FinishedA { terminalId: Uint8Array; receipt: Uint8Array; signature: Uint8Array; acknowledgement: Uint8Array }
/** Profile B: the MAC is checked by host or group, the evidence by anyone. */
export interface FinishedB { receipt: Uint8Array; mac: Uint8Array; evidence: Uint8Array }

export function encodeFinishedA(x: FinishedA): Uint8Array {
  const w = writer();
  writeArray(w, 4);
  writeBytes(w, x.terminalId); writeBytes(w, x.receipt); writeBytes(w, x.signature); writeBytes(w, x.acknowledgement);
  return finish(w);
}
export function encodeFinishedB(x: FinishedB): Uint8Array {
  const w = writer();
  writeArray(w, 3);
  writeBytes(w, x.receipt); writeBytes(w, x.mac); writeBytes(w, x.evidence);
  return finish(w);
}
/** The receipt in a finished record of either profile: A names the terminal before it. Undefined when none stands there. */
export function receiptIn(record: Uint8Array): Uint8Array | undefined {
  const r = reader(record);
  if (readArray(r) === 4) readBytes(r, 8);
  const receipt = readBytes(r);
  return r.bad ? undefined : receipt;
}
export function decodeFinishedA(bytes: Uint8Array): FinishedA | undefined {
  const r = reading(bytes);
  readArray(r, 4);
  const x = { terminalId: readBytes(r, 8), receipt: readBytes(r), signature: readBytes(r, 64), acknowledgement: readBytes(r, 64) };
  return done(r) ? x : undefined;
}
export function decodeFinishedB(bytes: Uint8Array): FinishedB | undefined {
  const r = reading(bytes);
  readArray(r, 3);
  const x = { receipt: readBytes(r), mac: readBytes(r, 8), evidence: readBytes(r, 64) };
  return done(r) ? x : undefined;
}
