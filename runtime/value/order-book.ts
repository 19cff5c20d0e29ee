/**
 * What a handset must not forget about orders: the verification numbers it gave with its id, payments it has begun, mail, and
 * whom it has met (P9–P11). Each change is one cell write, durable before it is acted on, so that a payment that was cut off is
 * gone on with, never begun twice.
 */
import { readCell, writeCell, type Cells } from "../journal/cells.js";
import type { Random } from "../board.js";
import { equal, hex } from "../../protocol/wire/bytes.js";
import { done, finish, readArray, readBytes, readText, readUint, reader, writeArray, writeBytes, writeInt, writeText, writer, type Reader, type Writer } from "../../protocol/wire/cbor.js";
import { readList } from "../../protocol/wire/lists.js";
import { identified, verificationMost, type Bill } from "../../protocol/wire/order.js";
import type { Mail } from "../../protocol/wire/parcel-letters.js";

/** A number given with an id, until its bill has come or a day has passed. */
export interface GivenNumber { number: number; at: number }
/** A payment on its way. `value` is empty when a processor pays. */
export interface Begun { order: Uint8Array; payment: Uint8Array; bill: Uint8Array; total: number; value: Uint8Array; processor: string; method: string }
export interface OrderBook { readonly cells: Cells; numbers: GivenNumber[]; begun: Begun[]; mailAfter: number }

const numbersMax = 32;
const numberSeconds = 86400;

export function openOrderBook(cells: Cells): OrderBook {
  const stored = readCell(cells, "orders");
  const book: OrderBook = { cells: cells, numbers: [], begun: [], mailAfter: 0 };
  if (stored === undefined) return book;
  const r = reader(stored);
  readArray(r, 3);
  const numbers = readList(r, readNumber);
  const begun = readList(r, readBegun);
  const after = readUint(r);
  return done(r) ? { cells: cells, numbers: numbers, begun: begun, mailAfter: after } : book;
}

function readNumber(r: Reader): GivenNumber {
  readArray(r, 2);
  return { number: readUint(r), at: readUint(r) };
}
function readBegun(r: Reader): Begun {
  readArray(r, 7);
  return { order: readBytes(r, 8), payment: readBytes(r, 8), bill: readBytes(r, 16), total: readUint(r), value: readBytes(r), processor: readText(r), method: readText(r) };
}

function keep(b: OrderBook, numbers: GivenNumber[], begun: Begun[], mailAfter: number): void {
  const w: Writer = writer();
  writeArray(w, 3);
  writeArray(w, numbers.length);
  for (const n of numbers) { writeArray(w, 2); writeInt(w, n.number); writeInt(w, n.at); }
  writeArray(w, begun.length);
  for (const x of begun) {
    writeArray(w, 7);
    writeBytes(w, x.order); writeBytes(w, x.payment); writeBytes(w, x.bill); writeInt(w, x.total); writeBytes(w, x.value); writeText(w, x.processor); writeText(w, x.method);
  }
  writeInt(w, mailAfter);
  writeCell(b.cells, "orders", finish(w));
  b.numbers = numbers;
  b.begun = begun;
  b.mailAfter = mailAfter;
}

// ---- verification numbers (P11) ---------------------------------------------------------------------------------------------

/** A fresh number from 1 to 99,999,999, remembered before it is given. The oldest makes room. */
export function giveNumber(b: OrderBook, random: Random, at: number): number {
  const bytes = random.fill(6);
  let n = 0;
  for (let i = 0; i < 6; i++) n = n * 256 + bytes[i]!;
  const number = 1 + (n % verificationMost);
  const fresh = b.numbers.filter((x) => x.at + numberSeconds > at && x.number !== number);
  fresh.push({ number: number, at: at });
  keep(b, fresh.slice(fresh.length > numbersMax ? fresh.length - numbersMax : 0), b.begun, b.mailAfter);
  return number;
}

/**
 * How a bill is to be taken. *matches*: its number is one we gave. *own*: we ordered it ourselves. *typed*: somebody named us at
 * that terminal without a number: the person must know of it. *differs*: it claims that we identified ourselves, and the number
 * is not ours, or there is none: it is not paid.
 */
export function judgeBill(b: OrderBook, bill: Bill): "matches" | "own" | "typed" | "differs" {
  if (bill.number !== 0) return b.numbers.some((x) => x.number === bill.number) ? "matches" : "differs";
  if (bill.how === identified.own) return "own";
  return bill.how === identified.typed || bill.how === identified.shown ? "typed" : "differs";
}

// ---- payments -----------------------------------------------------------------------------------------------------------------

export function begunFor(b: OrderBook, order: Uint8Array): Begun | undefined {
  for (const x of b.begun) if (equal(x.order, order)) return x;
  return undefined;
}
/** Durable before the first letter of it leaves. */
export function begin(b: OrderBook, x: Begun): void {
  const begun = b.begun.slice();
  begun.push(x);
  keep(b, b.numbers, begun, b.mailAfter);
}
/** Paid, or certainly not: its number is used up with it when it was paid. */
export function finishPayment(b: OrderBook, payment: Uint8Array, number: number): void {
  keep(b, b.numbers.filter((x) => x.number !== number), b.begun.filter((x) => !equal(x.payment, payment)), b.mailAfter);
}

// ---- mail and friends -----------------------------------------------------------------------------------------------------------

/** Stores what came, in order, before its number moves on: a cut in between brings it again. */
export function keepMail(b: OrderBook, list: readonly Mail[]): void {
  for (const m of list) {
    const w = writer();
    writeArray(w, 4); writeInt(w, m.number); writeInt(w, m.kind); writeBytes(w, m.order); writeBytes(w, m.body);
    writeCell(b.cells, mailCell + m.number, finish(w));
  }
  if (list.length > 0) keep(b, b.numbers, b.begun, list[list.length - 1]!.number);
}
const mailCell = "mail ";

export function storedMail(b: OrderBook): Mail[] {
  const all: Mail[] = [];
  for (const cell of b.cells.values) {
    if (cell.name.indexOf(mailCell) !== 0) continue;
    const r = reader(readCell(b.cells, cell.name)!);
    readArray(r, 4);
    const m = { number: readUint(r), kind: readUint(r), order: readBytes(r, 8), body: readBytes(r) };
    if (!done(r)) continue;
    all.push(m);
    for (let at = all.length - 1; at > 0 && all[at - 1]!.number > m.number; at--) { all[at] = all[at - 1]!; all[at - 1] = m; }
  }
  return all;
}

/** Remembers a friend's signing key; "changed" when he had another one before, which a person should hear of (`trust.md` §8). */
export function meet(b: OrderBook, user: string, signing: Uint8Array): "new" | "known" | "changed" {
  const before = readCell(b.cells, "friend " + user);
  if (before !== undefined && hex(before) === hex(signing)) return "known";
  writeCell(b.cells, "friend " + user, signing);
  return before === undefined ? "new" : "changed";
}
