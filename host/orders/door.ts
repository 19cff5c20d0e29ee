/**
 * Letters about orders, by type: which function each of them is. Handsets and terminals use one door; what a terminal may ask is
 * less, and nothing of it pays.
 */
import { fromHex, toHex, type Context } from "../context.js";
import type { Tx } from "../database.js";
import type { OrderRow } from "../schema-orders.js";
import { catalogue } from "./articles.js";
import { cancelOrder } from "./cancel.js";
import { claimGift, thank } from "./gifts.js";
import { handOn } from "./hand-on.js";
import { parcelsOf, readOrder } from "./machine.js";
import { acknowledge, payHere } from "./pay.js";
import { keepSpareKeys, pickUp, pushedTo, received, reopenNumbers } from "./pick-up.js";
import { prepareOrder, type Bringer } from "./place.js";
import { preparePayment } from "./processor.js";
import { decodeOfferKeys } from "../../protocol/wire/handset-letters.js";
import * as letters from "../../protocol/wire/order-letters.js";
import { decodeBill, decodeOrder, demand, orderRefusal, orderState } from "../../protocol/wire/order.js";
import * as parcels from "../../protocol/wire/parcel-letters.js";
import { messageType as type } from "../../protocol/wire/sync.js";
import { limits } from "../../protocol/limits.js";
import { assert } from "../../protocol/assert.js";

const none = new Uint8Array(0);
type Act = (tx: Tx) => Promise<Uint8Array>;

export const isAboutOrders = (messageType: number): boolean => messageType >= 32 && messageType < 64;
/** Only read, or refused by its age: a copy of it does nothing. */
export const briefTypes: readonly number[] = [type.catalogue, type.bills, type.mail, type.pushed];

/** Slow work is done before the letter's transaction, as everywhere; undefined body: a letter that does not read. */
export async function prepareOrderLetter(c: Context, from: Bringer, messageType: number, body: Uint8Array): Promise<Act> {
  if (messageType === type.order) {
    const order = decodeOrder(body);
    const placed = order === undefined ? undefined : await prepareOrder(c, from, order);
    return async (tx) => (placed === undefined ? none : letters.encodeOrdered(await placed(tx)));
  }
  const pay = messageType === type.pay && "handset" in from ? letters.decodePay(body) : undefined;
  if (pay !== undefined && "handset" in from && pay.means.with === "processor") {
    const paid = await preparePayment(c, from, pay);
    return async (tx) => letters.encodePaid(await paid(tx));
  }
  return "handset" in from ? (tx) => fromHandset(c, tx, from, messageType, body) : (tx) => fromTerminal(c, tx, from.terminal, messageType, body);
}

async function fromHandset(c: Context, tx: Tx, by: { handset: string; user: string }, messageType: number, body: Uint8Array): Promise<Uint8Array> {
  switch (messageType) {
    case type.catalogue: return letters.isNothing(body) ? letters.encodeCatalogue(await catalogue(c, tx)) : none;
    case type.bills: return letters.isNothing(body) ? await bills(c, tx, (o) => o.where("user_id", "=", by.user).where("demand", "=", demand.handset)) : none;
    case type.pay: return await answer(letters.decodePay(body), async (x) => letters.encodePaid(await payHere(c, tx, by, x)));
    case type.acknowledgePayment: return await answer(letters.decodePaymentAcknowledgement(body), async (x) => letters.encodePaid(await acknowledge(c, tx, by, x)));
    case type.act: return await answer(letters.decodeAct(body), async (x) => letters.encodeStanding(await act(c, tx, by.user, x)));
    case type.received: return await answer(letters.decodeReceived(body), async (x) => letters.encodeSaid(await received(c, tx, by, x)));
    case type.mail: return await answer(parcels.decodeMailAfter(body), (x) => mail(tx, by.user, x));
    case type.spareKeys: return await answer(decodeOfferKeys(body), async (x) => letters.encodeSaid(await keepSpareKeys(c, tx, by, x)));
    case type.thank: return await answer(parcels.decodeThank(body), async (x) => said(await thank(c, tx, by, x, toHex(x.order))));
    case type.pickUp: return await answer(parcels.decodePickUp(body), async (x) => parcels.encodePickedUp(await pickUp(c, tx, by.handset, x)));
    case type.claimGift: return await answer(parcels.decodeGiftClaim(body), async (x) => said(await claimGift(c, tx, by.user, x)));
    case type.handOn: return await answer(parcels.decodeHandOn(body), async (x) => parcels.encodePickedUp(await handOn(c, tx, by, x)));
    case type.pairing: return await answer(letters.decodePairing(body), async (x) => said(await pair(tx, by.user, x)));
    default: return none;
  }
}

async function fromTerminal(c: Context, tx: Tx, terminal: string, messageType: number, body: Uint8Array): Promise<Uint8Array> {
  switch (messageType) {
    case type.catalogue: return letters.isNothing(body) ? letters.encodeCatalogue(await catalogue(c, tx)) : none;
    case type.bills: return letters.isNothing(body) ? await bills(c, tx, (o) => o.where((w) => w.or([
      w.and([w("demand", "=", demand.here), w("terminal_id", "=", terminal)]),
      w.and([w("demand", "=", demand.there), w.exists(w.selectFrom("parcel").select("parcel.order_id").whereRef("parcel.order_id", "=", "orders.order_id").where("parcel.target", "=", terminal))]),
    ]))) : none;
    case type.act: return await answer(letters.decodeAct(body), async (x) => letters.encodeStanding(await lookAt(c, tx, terminal, x)));
    case type.received: return await answer(letters.decodeReceived(body), async (x) => letters.encodeSaid(await received(c, tx, { terminal }, x)));
    case type.pickUp: return await answer(parcels.decodePickUp(body), async (x) => parcels.encodePickedUp(await pickUp(c, tx, terminal, x)));
    case type.pushed: return await answer(parcels.decodeMailAfter(body), async (x) => parcels.encodePushed(await pushedTo(c, tx, terminal, x)));
    case type.leaveOffers: return await answer(parcels.decodeOffersLeft(body), async (x) => said(await leaveOffers(tx, terminal, x)));
    default: return none;
  }
}

const answer = <T>(x: T | undefined, act: (x: T) => Promise<Uint8Array>): Promise<Uint8Array> => (x === undefined ? Promise.resolve(none) : act(x));
const said = (code: number): Uint8Array => letters.encodeSaid({ code, wanted: 0 });

/** Open bills, oldest first. */
async function bills(c: Context, tx: Tx, whose: (orders: ReturnType<typeof openOrders>) => ReturnType<typeof openOrders>): Promise<Uint8Array> {
  const rows = await whose(openOrders(c, tx)).orderBy("placed_at").orderBy("order_id").limit(limits.billsMax).execute();
  const all = rows.map((o) => decodeBill(new Uint8Array(o.bill)));
  assert(all.every((b) => b !== undefined), "a bill reads as it was written");
  return letters.encodeBills(all.map((b) => b!));
}
const openOrders = (c: Context, tx: Tx) => tx.selectFrom("orders").selectAll().where("state", "in", [orderState.billed, orderState.paying]).where("expires", ">", c.now());

const standing = async (c: Context, tx: Tx, order: OrderRow, code: number, showsNumbers: boolean): Promise<letters.Standing> => {
  const now = (await readOrder(tx, order.order_id))!;
  const refunds = await tx.selectFrom("refund").select("amount").where("order_id", "=", order.order_id).execute();
  const all = await parcelsOf(tx, order.order_id);
  return { code, state: now.state, refunded: refunds.reduce((sum, r) => sum + r.amount, 0), parcels: all.map((p) => ({ state: p.state, request: showsNumbers && p.request !== null ? c.keys.unwrap(p.request) : "" })) };
};
const unknownOrder: letters.Standing = { code: orderRefusal.order_unknown, state: 0, refunded: 0, parcels: [] };

async function act(c: Context, tx: Tx, user: string, x: letters.Act): Promise<letters.Standing> {
  const order = await readOrder(tx, toHex(x.order));
  if (order === undefined || order.user_id !== user) return unknownOrder;
  const code = x.what === letters.act.cancel ? await cancelOrder(c, tx, order) : 0;
  if (x.what === letters.act.reopen) await reopenNumbers(tx, order.order_id);
  return await standing(c, tx, order, code, true);
}

/** The terminal that took an order may see how it stands, to show it; not the request number. */
async function lookAt(c: Context, tx: Tx, terminal: string, x: letters.Act): Promise<letters.Standing> {
  const order = await readOrder(tx, toHex(x.order));
  return order === undefined || order.terminal_id !== terminal || x.what !== letters.act.look ? unknownOrder : await standing(c, tx, order, 0, false);
}

/** As much as fits a letter to a handset. */
async function mail(tx: Tx, user: string, after: number): Promise<Uint8Array> {
  const rows = await tx.selectFrom("mail").selectAll().where("user_id", "=", user).where("number", ">", after).orderBy("number").limit(limits.mailMax).execute();
  let room = mailBytes;
  const fit = rows.filter((m) => (room -= m.body.length + 32) >= 0);
  return parcels.encodeMail(fit.map((m) => ({ number: m.number, kind: m.kind, order: fromHex(m.order_id), body: new Uint8Array(m.body) })));
}
const mailBytes = 12 * 1024;

async function pair(tx: Tx, user: string, x: letters.Pairing): Promise<number> {
  for (const id of x.terminals) if ((await tx.selectFrom("terminal").select("terminal_id").where("terminal_id", "=", toHex(id)).executeTakeFirst()) === undefined) return orderRefusal.delivery_impossible;
  await tx.deleteFrom("pairing").where("user_id", "=", user).execute();
  for (const id of x.terminals) await tx.insertInto("pairing").values({ user_id: user, terminal_id: toHex(id) }).onConflict((o) => o.doNothing()).execute();
  await tx.insertInto("order_setting").values({ user_id: user, typed: Number(x.typed) }).onConflict((o) => o.column("user_id").doUpdateSet({ typed: Number(x.typed) })).execute();
  return 0;
}

async function leaveOffers(tx: Tx, terminal: string, sealed: readonly Uint8Array[]): Promise<number> {
  await tx.deleteFrom("shop_offer").where("terminal_id", "=", terminal).execute();
  for (const [at, bytes] of sealed.entries()) await tx.insertInto("shop_offer").values({ terminal_id: terminal, at, sealed: bytes }).execute();
  return 0;
}

