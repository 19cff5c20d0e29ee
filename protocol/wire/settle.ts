/**
 * How a handset settles what is owed at meters and receivers (U1, U4, S9): bodies of three letters between handset and host.
 *
 * *owed* (64) asks for the charges of this account, wherever they came from. *settle* (65) pays one of them, exactly as it was
 * shown, with a prepaid value of this handset, by card or debit through a payment processor. With a prepaid value the
 * host answers by its receipt for the value's chain; the handset stores it, and *settled* (66) acknowledges it by the value's
 * own key; only then is it paid. Each may be sent again: it names its payment, and gets the same answer.
 */
import { done, fail, finish, readArray, readBytes, readText, readUint, reader, writeArray, writeBytes, writeInt, writeText, writer, type Reader } from "./cbor.js";
import { readList, readOptional, writeOptional } from "./lists.js";

export const settleType = { owed: 64, settle: 65, settled: 66 } as const;

/** What one user owes at one terminal: `amount` minor units for everything through record `through`; `left` of an allowance; `paid` in all. */
export interface Owed { terminal: Uint8Array; user: Uint8Array; name: string; merchant: string; through: number; amount: number; currency: number; paid: number; left: number; records: number }
export function encodeOwed(list: readonly Owed[]): Uint8Array {
  const w = writer();
  writeArray(w, list.length);
  for (const x of list) {
    writeArray(w, 10);
    writeBytes(w, x.terminal); writeBytes(w, x.user); writeText(w, x.name); writeText(w, x.merchant); writeInt(w, x.through); writeInt(w, x.amount); writeInt(w, x.currency);
    writeInt(w, x.paid); writeInt(w, x.left); writeInt(w, x.records);
  }
  return finish(w);
}
export function decodeOwed(body: Uint8Array): Owed[] | undefined {
  const r = reader(body);
  const list = readList(r, readOwed);
  return done(r) ? list : undefined;
}
function readOwed(r: Reader): Owed {
  readArray(r, 10);
  return {
    terminal: readBytes(r, 8), user: readBytes(r, 8), name: readText(r), merchant: readText(r), through: readUint(r), amount: readUint(r), currency: readUint(r), paid: readUint(r),
    left: readUint(r), records: readUint(r),
  };
}

export const payBy = { value: 0, processor: 1 } as const;
/**
 * `payment`: 16 bytes that the handset drew and stored before it sent this. `amount` above what is owed through `through` buys
 * allowance. `value`, `receipt` (its newest, or empty) and `proof` (of that receipt) where a value pays; else the processor, and what it calls the card or account.
 */
export interface Settling { payment: Uint8Array; terminal: Uint8Array; user: Uint8Array; through: number; amount: number; by: number; value: Uint8Array; receipt: Uint8Array; proof: Uint8Array; processor: string; method: string }
export function encodeSettling(x: Settling): Uint8Array {
  const w = writer();
  writeArray(w, 11);
  writeBytes(w, x.payment); writeBytes(w, x.terminal); writeBytes(w, x.user); writeInt(w, x.through); writeInt(w, x.amount); writeInt(w, x.by); writeOptional(w, x.value); writeOptional(w, x.receipt); writeOptional(w, x.proof);
  writeText(w, x.processor); writeText(w, x.method);
  return finish(w);
}
export function decodeSettling(body: Uint8Array): Settling | undefined {
  const r = reader(body);
  readArray(r, 11);
  const x = {
    payment: readBytes(r, 16), terminal: readBytes(r, 8), user: readBytes(r, 8), through: readUint(r), amount: readUint(r), by: readUint(r), value: readOptional(r), receipt: readOptional(r),
    proof: readOptional(r), processor: readText(r), method: readText(r),
  };
  if (x.by > payBy.processor || x.amount < 1) fail(r);
  if (x.by === payBy.value ? x.value.length !== 8 || x.processor.length + x.method.length > 0 : x.value.length + x.receipt.length + x.proof.length > 0) fail(r);
  return done(r) ? x : undefined;
}

/** The value's key agreed to the host's receipt for this payment. */
export interface SettleAcknowledged { payment: Uint8Array; signature: Uint8Array }
export function encodeSettleAcknowledged(x: SettleAcknowledged): Uint8Array {
  const w = writer();
  writeArray(w, 2); writeBytes(w, x.payment); writeBytes(w, x.signature);
  return finish(w);
}
export function decodeSettleAcknowledged(body: Uint8Array): SettleAcknowledged | undefined {
  const r = reader(body);
  readArray(r, 2);
  const x = { payment: readBytes(r, 16), signature: readBytes(r, 64) };
  return done(r) ? x : undefined;
}

/** `settled`: paid, `result` goes to the terminal. `acknowledge`: store `receipt`, then acknowledge. `pending`: nobody knows yet, ask again. */
export const settleCode = {
  settled: 0, acknowledge: 1, pending: 2, not_yours: 3, changed: 4, under_way: 5, declined: 6, outdated: 7, too_little: 8, not_taken: 9,
} as const;
/** `receipt` and `signature`: the host's, for the value's chain. `letter`: sealed for the terminal. `result`: the same result, for whoever paid. */
export interface SettleAnswer { code: number; receipt: Uint8Array; signature: Uint8Array; letter: Uint8Array; result: Uint8Array }
export function encodeSettleAnswer(x: SettleAnswer): Uint8Array {
  const w = writer();
  writeArray(w, 5);
  writeInt(w, x.code); writeOptional(w, x.receipt); writeOptional(w, x.signature); writeOptional(w, x.letter); writeOptional(w, x.result);
  return finish(w);
}
export function decodeSettleAnswer(body: Uint8Array): SettleAnswer | undefined {
  const r = reader(body);
  readArray(r, 5);
  const x = { code: readUint(r), receipt: readOptional(r), signature: readOptional(r), letter: readOptional(r), result: readOptional(r) };
  if (x.code > settleCode.not_taken) fail(r);
  return done(r) ? x : undefined;
}
