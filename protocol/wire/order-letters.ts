/**
 * The bodies of letters about orders, between handset or terminal and host (P1–P19). Sealed and numbered like all letters;
 * their types stand in `sync.ts`, what an order and a bill are in `order.ts`. Each page below is one exchange.
 */
import {
  done, fail, finish, readArray, readBool, readBytes, readNull, readText, readUint, reader, writeArray, writeBool, writeBytes, writeInt, writeNull, writeText, writer, type Reader,
} from "./cbor.js";
import { readOptional, writeOptional } from "./lists.js";
import { decodeBill, encodeBill, readId, readSome, type Bill } from "./order.js";
import { limits } from "../limits.js";

// ---- catalogue (33) and order (32) ------------------------------------------------------------------------------------------

/** What can be ordered: value, goods, information, broadcast, bundle (S5). */
export const articleSort = { value: 1, goods: 2, information: 3, broadcast: 4, bundle: 5 } as const;
/** `left`: how many there still are, undefined when nobody counts; `date`: when goods are delivered, 0 for others. */
export interface Article { article: string; name: string; sort: number; price: number; currency: number; left: number | undefined; date: number }
export function encodeCatalogue(list: readonly Article[]): Uint8Array {
  const w = writer();
  writeArray(w, list.length);
  for (const a of list) {
    writeArray(w, 7);
    writeText(w, a.article); writeText(w, a.name); writeInt(w, a.sort); writeInt(w, a.price); writeInt(w, a.currency);
    if (a.left === undefined) writeNull(w); else writeInt(w, a.left);
    writeInt(w, a.date);
  }
  return finish(w);
}
export function decodeCatalogue(body: Uint8Array): Article[] | undefined {
  const r = reader(body);
  const list = readSome(r, 0, limits.listItemsMax, readArticle);
  return done(r) ? list : undefined;
}
function readArticle(r: Reader): Article {
  readArray(r, 7);
  const a: Article = { article: readText(r), name: readText(r), sort: readUint(r), price: readUint(r), currency: readUint(r), left: undefined, date: 0 };
  if (!readNull(r)) a.left = readUint(r);
  a.date = readUint(r);
  if (a.sort < 1 || a.sort > articleSort.bundle) fail(r);
  return a;
}

/** Answer to an order: 0 and until when its bill can be paid, or why not (`orderRefusal`). The bill goes to whom it concerns. */
export interface Ordered { code: number; expires: number }
export function encodeOrdered(x: Ordered): Uint8Array {
  const w = writer();
  writeArray(w, 2); writeInt(w, x.code); writeInt(w, x.expires);
  return finish(w);
}
export function decodeOrdered(body: Uint8Array): Ordered | undefined {
  const r = reader(body);
  readArray(r, 2);
  const x = { code: readUint(r), expires: readUint(r) };
  return done(r) ? x : undefined;
}

// ---- bills (34), pay (35), acknowledge (36) -----------------------------------------------------------------------------------

/** Asked with an empty list: the open bills, oldest first, each as the bytes whose digest a payer names. */
export function encodeBills(bills: readonly Bill[]): Uint8Array {
  const w = writer();
  writeArray(w, bills.length);
  for (const b of bills) writeBytes(w, encodeBill(b));
  return finish(w);
}
export function decodeBills(body: Uint8Array): Bill[] | undefined {
  const r = reader(body);
  const bills = readSome(r, 0, limits.billsMax, readBill);
  return done(r) ? bills : undefined;
}
function readBill(r: Reader): Bill {
  const b = decodeBill(readBytes(r));
  if (b === undefined) fail(r);
  return b!;
}
/** The body of a letter that only asks: *catalogue*, *bills*. */
export function encodeNothing(): Uint8Array {
  const w = writer();
  writeArray(w, 0);
  return finish(w);
}
export function isNothing(body: Uint8Array): boolean {
  const r = reader(body);
  readArray(r, 0);
  return done(r);
}

/**
 * With what. `free`: a bill of nothing is only confirmed. `prepaid`: a value on this handset, with its newest receipt and
 * what proves it (both empty for a card never used). `processor`: a card or bank account, as the processor named it.
 */
export type Means = { with: "free" } | { with: "prepaid"; value: Uint8Array; receipt: Uint8Array; proof: Uint8Array } | { with: "processor"; processor: string; method: string };
/** Yes to a bill. `payment`: 8 random bytes of the handset, the same for every try of one payment; `bill`: digest16 of the bill as seen. */
export interface Pay { order: Uint8Array; payment: Uint8Array; bill: Uint8Array; means: Means }
export function encodePay(p: Pay): Uint8Array {
  const w = writer();
  writeArray(w, 4); writeBytes(w, p.order); writeBytes(w, p.payment); writeBytes(w, p.bill);
  switch (p.means.with) {
    case "free": writeArray(w, 1); writeInt(w, 0); break;
    case "prepaid": writeArray(w, 4); writeInt(w, 1); writeBytes(w, p.means.value); writeOptional(w, p.means.receipt); writeOptional(w, p.means.proof); break;
    case "processor": writeArray(w, 3); writeInt(w, 2); writeText(w, p.means.processor); writeText(w, p.means.method);
  }
  return finish(w);
}
export function decodePay(body: Uint8Array): Pay | undefined {
  const r = reader(body);
  readArray(r, 4);
  const p = { order: readId(r), payment: readId(r), bill: readBytes(r, 16), means: readMeans(r) };
  return done(r) ? p : undefined;
}
function readMeans(r: Reader): Means {
  const items = readArray(r);
  const which = readUint(r);
  if (which === 1 && items === 4) return { with: "prepaid", value: readId(r), receipt: readOptional(r), proof: readOptional(r) };
  if (which === 2 && items === 3) return { with: "processor", processor: readText(r), method: readText(r) };
  if (which !== 0 || items !== 1) fail(r);
  return { with: "free" };
}
/**
 * What became of it: `code` and `state` of the order. A prepaid payment answers with the host's receipt for the value's chain
 * instead: the handset stores it, then acknowledges (36), and only then is the order paid (U7, `money.md` §3 line 2).
 */
export interface Paid { code: number; state: number; receipt: Uint8Array; signature: Uint8Array }
export function encodePaid(x: Paid): Uint8Array {
  const w = writer();
  writeArray(w, 4); writeInt(w, x.code); writeInt(w, x.state); writeOptional(w, x.receipt); writeOptional(w, x.signature);
  return finish(w);
}
export function decodePaid(body: Uint8Array): Paid | undefined {
  const r = reader(body);
  readArray(r, 4);
  const x = { code: readUint(r), state: readUint(r), receipt: readOptional(r), signature: readOptional(r) };
  return done(r) ? x : undefined;
}
/** The value's own key over the digest of the host's receipt. Answered like *pay*. */
export interface PaymentAcknowledgement { payment: Uint8Array; signature: Uint8Array }
export function encodePaymentAcknowledgement(x: PaymentAcknowledgement): Uint8Array {
  const w = writer();
  writeArray(w, 2); writeBytes(w, x.payment); writeBytes(w, x.signature);
  return finish(w);
}
export function decodePaymentAcknowledgement(body: Uint8Array): PaymentAcknowledgement | undefined {
  const r = reader(body);
  readArray(r, 2);
  const x = { payment: readId(r), signature: readBytes(r, 64) };
  return done(r) ? x : undefined;
}

// ---- act (37): look, refuse or cancel, reopen ---------------------------------------------------------------------------------

/** `cancel` refuses an unpaid bill and takes back what is paid and not yet handed out. `reopen` lets request numbers be tried again. */
export const act = { look: 0, cancel: 1, reopen: 2 } as const;
export interface Act { order: Uint8Array; what: number }
export function encodeAct(x: Act): Uint8Array {
  const w = writer();
  writeArray(w, 2); writeBytes(w, x.order); writeInt(w, x.what);
  return finish(w);
}
export function decodeAct(body: Uint8Array): Act | undefined {
  const r = reader(body);
  readArray(r, 2);
  const x = { order: readId(r), what: readUint(r) };
  if (x.what > act.reopen) fail(r);
  return done(r) ? x : undefined;
}
/** Of each parcel: its state, and its request number for the payer to keep or pass on (empty where there is none). */
export interface ParcelStanding { state: number; request: string }
/** `refunded`: minor units on their way back, or back. */
export interface Standing { code: number; state: number; refunded: number; parcels: ParcelStanding[] }
export function encodeStanding(x: Standing): Uint8Array {
  const w = writer();
  writeArray(w, 4); writeInt(w, x.code); writeInt(w, x.state); writeInt(w, x.refunded);
  writeArray(w, x.parcels.length);
  for (const p of x.parcels) { writeArray(w, 2); writeInt(w, p.state); writeText(w, p.request); }
  return finish(w);
}
export function decodeStanding(body: Uint8Array): Standing | undefined {
  const r = reader(body);
  readArray(r, 4);
  const x = { code: readUint(r), state: readUint(r), refunded: readUint(r), parcels: readSome(r, 0, limits.parcelsMax, readParcelStanding) };
  return done(r) ? x : undefined;
}
function readParcelStanding(r: Reader): ParcelStanding {
  readArray(r, 2);
  return { state: readUint(r), request: readText(r) };
}

// ---- received (38), pairing (45) and other short answers -------------------------------------------------------------------------

/** Values (by id) that are now stored on the device that says so: their parcels are acknowledged. */
export function encodeReceived(values: readonly Uint8Array[]): Uint8Array {
  const w = writer();
  writeArray(w, values.length);
  for (const v of values) writeBytes(w, v);
  return finish(w);
}
export function decodeReceived(body: Uint8Array): Uint8Array[] | undefined {
  const r = reader(body);
  const values = readSome(r, 0, limits.listItemsMax, readId);
  return done(r) ? values : undefined;
}
/** Where the sender's user id alone is enough to order (P1), and whether typed orders are taken at all. The whole list, each time. */
export interface Pairing { terminals: Uint8Array[]; typed: boolean }
export function encodePairing(x: Pairing): Uint8Array {
  const w = writer();
  writeArray(w, 2);
  writeArray(w, x.terminals.length);
  for (const t of x.terminals) writeBytes(w, t);
  writeBool(w, x.typed);
  return finish(w);
}
export function decodePairing(body: Uint8Array): Pairing | undefined {
  const r = reader(body);
  readArray(r, 2);
  const x = { terminals: readSome(r, 0, limits.parcelsMax, readId), typed: readBool(r) };
  return done(r) ? x : undefined;
}
/** Answer to *received*, *thank*, *pairing*, *handed out*, *leave offers*, and to *spare keys*: 0, or why not. Of spare keys, how many more are wanted. */
export interface Said { code: number; wanted: number }
export function encodeSaid(x: Said): Uint8Array {
  const w = writer();
  writeArray(w, 2); writeInt(w, x.code); writeInt(w, x.wanted);
  return finish(w);
}
export function decodeSaid(body: Uint8Array): Said | undefined {
  const r = reader(body);
  readArray(r, 2);
  const x = { code: readUint(r), wanted: readUint(r) };
  return done(r) ? x : undefined;
}
