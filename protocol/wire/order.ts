/**
 * An order, and the bill for it: one shape for all nineteen ways of buying (P1–P19, S5, S8, S9; `design.md` §6).
 *
 * An order is *who* asks for it (identification), and *parcels*: what goes to one recipient, by one way, at one time. A ticket
 * for oneself, a gift to three friends, a card that waits in a shop: each is a parcel or two with other words in it. Whoever
 * takes the order, a handset, a receiver at home or a till, makes its id, once, before it first sends it; the same order
 * again is the same order. The host answers with a *bill*, always to the one who was identified, never on the
 * word of the terminal, and nothing is owed before that one says yes.
 *
 * A handset may give a fresh *verification number* with its id (P11); the bill must repeat it. What a terminal seals for a
 * handset under their common key travels as an *attachment*, and is handed on only when the order is paid (P6, P14, P15).
 */
import { done, fail, finish, readArray, readBytes, readText, readUint, reader, writeArray, writeBytes, writeInt, writeText, writer, type Reader, type Writer } from "./cbor.js";
import { signHeader, sigStructure } from "./cose.js";
import { limits } from "../limits.js";

const none = new Uint8Array(0);

// ---- who orders ---------------------------------------------------------------------------------------------------------

/**
 * How the orderer is known, weakest first. None of them can pay: they decide whose handset gets the bill.
 * `typed` (P1–P3): a user id, typed or said over a one-way link. With its password it is good at every terminal; without
 * (empty) only at a terminal that this user has paired with himself (his receiver at home).
 * `shown` (P4): the user id signed by the handset for a time step of 15 s, over a one-way link: `user-id` of `message-b.ts`.
 * `signed` (P5): the handset's answer over a two-way link, an `identity` signed by its device key.
 * `sealed` (P12–P14): the same identity in an envelope to the host: the terminal can neither read nor alter it.
 * `own` (P13, P16): the order stands in the handset's own letter, whose signature says who sent it.
 */
export const identified = { typed: 0, shown: 1, signed: 2, sealed: 3, own: 4 } as const;
export type Identification =
  | { by: "typed"; user: string; password: string }
  | { by: "shown" | "signed" | "sealed"; proof: Uint8Array }
  | { by: "own" };

/**
 * What a handset says of itself to a terminal that asks (object class `ks-id`; in a letter of type `identity` when sealed).
 * `terminal` is who asked, and `challenge` its fresh bytes: so the answer is good there, now, and once. `number` is the
 * verification number of P11, 0 for none.
 */
export interface Identity { user: string; terminal: Uint8Array; challenge: Uint8Array; number: number; at: number }
export function encodeIdentity(x: Identity): Uint8Array {
  const w = writer();
  writeArray(w, 5); writeText(w, x.user); writeBytes(w, x.terminal); writeBytes(w, x.challenge); writeInt(w, x.number); writeInt(w, x.at);
  return finish(w);
}
export function decodeIdentity(claims: Uint8Array): Identity | undefined {
  const r = reader(claims);
  readArray(r, 5);
  const x = { user: readText(r), terminal: readBytes(r, 8), challenge: readBytes(r, challengeBytes), number: readUint(r), at: readUint(r) };
  if (x.number > verificationMost) fail(r);
  return done(r) ? x : undefined;
}
/** A terminal's challenge to a handset that is to say who it is. */
export const challengeBytes = 16;
/** A verification number has at most eight digits. */
export const verificationMost = 99999999;

/** P4: what the handset's device key signs for `user-id`, class `user-id`: user, step, zone. */
export function userIdToSign(user: string, step: number, zone: number): Uint8Array {
  const w = writer();
  writeArray(w, 3); writeText(w, user); writeInt(w, step); writeInt(w, zone);
  return sigStructure(signHeader("user-id", undefined), none, finish(w));
}

// ---- what goes to whom ----------------------------------------------------------------------------------------------------

/**
 * Who gets a parcel. `phone`: somebody who may not be registered; it waits, at most 30 days, until he is (P8). A gift is
 * any parcel that is not the payer's own.
 */
export type Recipient = { kind: "payer" } | { kind: "user"; user: string } | { kind: "terminal"; terminal: Uint8Array } | { kind: "phone"; phone: string };

/**
 * By which way. `handset`: the recipient's fetches it. `terminal`: a fixed terminal keeps it (P7). `custody`: it waits at the
 * host for user id and request number, shown at any shop terminal (P16). `shops`: pushed ahead to the named terminals, so
 * that pick-up there needs no network, sealed for the recipient's handset (P17, P18).
 */
export type Delivery = { by: "handset" } | { by: "terminal"; terminal: Uint8Array } | { by: "custody" } | { by: "shops"; shops: Uint8Array[] };

export interface Line { article: string; count: number }
/** `at`: UTC seconds before which it is not delivered (S8); 0 at once. */
export interface Parcel { to: Recipient; delivery: Delivery; at: number; lines: Line[] }

/** Sealed by the terminal for a handset: the host cannot read it. `to` 0: for the payer; n: for the recipient of parcel n, from 1. */
export interface Attachment { to: number; sealed: Uint8Array }

/** Where payment is demanded (S9): of the orderer's handset, or of whoever pays at the ordering or the receiving terminal. */
export const demand = { handset: 0, here: 1, there: 2 } as const;

export interface Order {
  /** 8 random bytes of whoever takes it. */
  id: Uint8Array;
  who: Identification;
  parcels: Parcel[];
  /** One of `demand`. */
  demand: number;
  attachments: Attachment[];
}

export function encodeOrder(o: Order): Uint8Array {
  const w = writer();
  writeArray(w, 5);
  writeBytes(w, o.id);
  writeIdentification(w, o.who);
  writeArray(w, o.parcels.length);
  for (const p of o.parcels) writeParcel(w, p);
  writeInt(w, o.demand);
  writeArray(w, o.attachments.length);
  for (const a of o.attachments) { writeArray(w, 2); writeInt(w, a.to); writeBytes(w, a.sealed); }
  return finish(w);
}
export function decodeOrder(body: Uint8Array): Order | undefined {
  const r = reader(body);
  readArray(r, 5);
  const o = { id: readBytes(r, 8), who: readIdentification(r), parcels: readSome(r, 1, limits.parcelsMax, readParcel), demand: readUint(r), attachments: readSome(r, 0, limits.parcelsMax, readAttachment) };
  if (o.demand > demand.there) fail(r);
  return done(r) ? o : undefined;
}

function writeIdentification(w: Writer, who: Identification): void {
  writeArray(w, who.by === "typed" ? 3 : who.by === "own" ? 1 : 2);
  writeInt(w, identified[who.by]);
  if (who.by === "typed") { writeText(w, who.user); writeText(w, who.password); }
  else if (who.by !== "own") writeBytes(w, who.proof);
}
function readIdentification(r: Reader): Identification {
  const items = readArray(r);
  const which = readUint(r);
  if (items !== (which === identified.typed ? 3 : which === identified.own ? 1 : 2)) fail(r);
  switch (which) {
    case identified.typed: return { by: "typed", user: readText(r), password: readText(r) };
    case identified.shown: return { by: "shown", proof: readFull(r) };
    case identified.signed: return { by: "signed", proof: readFull(r) };
    case identified.sealed: return { by: "sealed", proof: readFull(r) };
    case identified.own: break;
    default: fail(r);
  }
  return { by: "own" };
}

function writeParcel(w: Writer, p: Parcel): void {
  writeArray(w, 4);
  writeRecipient(w, p.to);
  writeDelivery(w, p.delivery);
  writeInt(w, p.at);
  writeArray(w, p.lines.length);
  for (const line of p.lines) { writeArray(w, 2); writeText(w, line.article); writeInt(w, line.count); }
}
function readParcel(r: Reader): Parcel {
  readArray(r, 4);
  return { to: readRecipient(r), delivery: readDelivery(r), at: readUint(r), lines: readSome(r, 1, limits.linesMax, readLine) };
}
function readLine(r: Reader): Line {
  readArray(r, 2);
  const line = { article: readText(r), count: readUint(r) };
  if (line.count < 1 || line.count > limits.lineCountMax) fail(r);
  return line;
}
function readAttachment(r: Reader): Attachment {
  readArray(r, 2);
  const a = { to: readUint(r), sealed: readFull(r) };
  if (a.to > limits.parcelsMax || a.sealed.length > limits.attachmentBytesMax) fail(r);
  return a;
}

function writeRecipient(w: Writer, to: Recipient): void {
  writeArray(w, to.kind === "payer" ? 1 : 2);
  switch (to.kind) {
    case "payer": writeInt(w, 0); return;
    case "user": writeInt(w, 1); writeText(w, to.user); return;
    case "terminal": writeInt(w, 2); writeBytes(w, to.terminal); return;
    case "phone": writeInt(w, 3); writeText(w, to.phone);
  }
}
function readRecipient(r: Reader): Recipient {
  const items = readArray(r);
  const which = readUint(r);
  if (items !== (which === 0 ? 1 : 2) || which > 3) fail(r);
  switch (which) {
    case 1: return { kind: "user", user: readText(r) };
    case 2: return { kind: "terminal", terminal: readBytes(r, 8) };
    case 3: return { kind: "phone", phone: readText(r) };
    default: return { kind: "payer" };
  }
}

function writeDelivery(w: Writer, x: Delivery): void {
  writeArray(w, x.by === "handset" || x.by === "custody" ? 1 : 2);
  switch (x.by) {
    case "handset": writeInt(w, 0); return;
    case "terminal": writeInt(w, 1); writeBytes(w, x.terminal); return;
    case "custody": writeInt(w, 2); return;
    case "shops":
      writeInt(w, 3);
      writeArray(w, x.shops.length);
      for (const shop of x.shops) writeBytes(w, shop);
  }
}
function readDelivery(r: Reader): Delivery {
  const items = readArray(r);
  const which = readUint(r);
  if (items !== (which === 0 || which === 2 ? 1 : 2) || which > 3) fail(r);
  switch (which) {
    case 1: return { by: "terminal", terminal: readBytes(r, 8) };
    case 2: return { by: "custody" };
    case 3: return { by: "shops", shops: readSome(r, 1, limits.shopsMax, readId) };
    default: return { by: "handset" };
  }
}

// ---- the bill -------------------------------------------------------------------------------------------------------------

/** One position: what it is called, how many, what they cost together, when goods come (0: does not apply), and for whom. */
export interface Item { name: string; count: number; amount: number; date: number; to: string }

/**
 * What the host asks of the one who was identified. `number`: the verification number that came with the id, 0 for none;
 * `how`: one of `identified`; `terminal`: the name of the terminal that took the order, empty for one's own handset.
 * Amounts in minor units. Whoever pays names the bill's digest, so that he pays what he saw.
 */
export interface Bill { order: Uint8Array; number: number; how: number; terminal: string; at: number; expires: number; currency: number; total: number; items: Item[] }
export function encodeBill(b: Bill): Uint8Array {
  const w = writer();
  writeArray(w, 9);
  writeBytes(w, b.order); writeInt(w, b.number); writeInt(w, b.how); writeText(w, b.terminal); writeInt(w, b.at); writeInt(w, b.expires); writeInt(w, b.currency); writeInt(w, b.total);
  writeArray(w, b.items.length);
  for (const i of b.items) { writeArray(w, 5); writeText(w, i.name); writeInt(w, i.count); writeInt(w, i.amount); writeInt(w, i.date); writeText(w, i.to); }
  return finish(w);
}
export function decodeBill(bytes: Uint8Array): Bill | undefined {
  const r = reader(bytes);
  readArray(r, 9);
  const b = {
    order: readBytes(r, 8), number: readUint(r), how: readUint(r), terminal: readText(r), at: readUint(r), expires: readUint(r), currency: readUint(r), total: readUint(r),
    items: readSome(r, 1, limits.parcelsMax * limits.linesMax, readItem),
  };
  if (b.how > identified.own || b.number > verificationMost) fail(r);
  return done(r) ? b : undefined;
}
function readItem(r: Reader): Item {
  readArray(r, 5);
  return { name: readText(r), count: readUint(r), amount: readUint(r), date: readUint(r), to: readText(r) };
}

// ---- states and refusals ----------------------------------------------------------------------------------------------------

/** Where an order stands. From `refused` on it has ended; `delivered` and `acknowledged` speak of its last parcel. */
export const orderState = { placed: 1, identified: 2, billed: 3, paying: 4, paid: 5, held: 6, delivered: 7, acknowledged: 8, refused: 9, expired: 10, cancelled: 11, refunded: 12 } as const;
export const orderStates = ["", "placed", "identified", "billed", "paying", "paid", "held", "delivered", "acknowledged", "refused", "expired", "cancelled", "refunded"] as const;

/** Why something around an order is refused. `not_identified` never tells which part was wrong. */
export const orderRefusal = {
  not_identified: 1, busy: 2, article_unknown: 3, sold_out: 4, delivery_impossible: 5, order_differs: 6, order_unknown: 7, order_ended: 8, bill_differs: 9, value_unfit: 10, insufficient: 11,
  state_unknown: 12, declined: 13, outcome_unknown: 14, not_genuine: 15, not_transferable: 16, number_wrong: 17, too_late: 18, not_paid: 19, currencies_differ: 20,
} as const;
/** The same in words, by code. */
export const orderRefusals = [
  "", "not identified: user id, password, pairing or proof does not fit, or too many tries", "busy: try again in a moment", "there is no such article", "sold out", "it cannot be delivered that way",
  "another order has this id", "there is no such order", "the order has ended", "the bill is another one", "this value cannot pay this bill", "not enough left",
  "the books do not know this value's newest use yet: try again later", "the payment was declined", "nobody knows yet what became of the payment: ask again", "the proof is not genuine",
  "this value may not be passed on", "user id or request number does not fit, or too many tries", "too late: it is used, handed out, or over", "not paid yet", "one order, one currency",
] as const;

// ---- lists ------------------------------------------------------------------------------------------------------------------

/** A list of at least and at most so many items. */
export function readSome<T>(r: Reader, least: number, most: number, readItem: (r: Reader) => T): T[] {
  const count = readArray(r);
  const items: T[] = [];
  if (count < least || count > most) fail(r);
  for (let i = 0; i < count && !r.bad; i++) items.push(readItem(r));
  return items;
}
/** A byte string that is not empty. */
export function readFull(r: Reader): Uint8Array {
  const bytes = readBytes(r);
  if (bytes.length === 0) fail(r);
  return bytes;
}
/** An id of 8 bytes. */
export function readId(r: Reader): Uint8Array {
  return readBytes(r, 8);
}
