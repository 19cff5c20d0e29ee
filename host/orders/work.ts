/**
 * What time does to orders (S8): bills run out, parcels become due, gifts nobody claimed go back. Each in a transaction of its own,
 * found by what the database says, so a host that was away simply goes on; who starts this, and how often, decides nothing.
 */
import { noteIncident, type Context } from "../context.js";
import { transact, type Tx } from "../database.js";
import { isOutage } from "../sqlite.js";
import { endUnpaid, refundable, returnGift } from "./cancel.js";
import { workDeeds } from "./hand-on.js";
import { readOrder } from "./machine.js";
import { releaseParcel } from "./release.js";
import { orderState } from "../../protocol/wire/order.js";

/** So that no other work waits for a great many; the rest follows at the next turn. */
const atOnce = 100;

/** Does what is due now; answers how many things that were. */
export async function workOrders(c: Context): Promise<number> {
  const turn = { done: 0 };
  const bills = await c.db.selectFrom("orders").select("order_id").where("state", "in", [orderState.billed, orderState.paying]).where("expires", "<=", c.now()).orderBy("expires").limit(atOnce).execute();
  for (const { order_id } of bills) await alone(c, turn, "bill of order " + order_id, (tx) => expireBill(c, tx, order_id));
  const due = await c.db.selectFrom("parcel").select(["order_id", "parcel"]).where("state", "=", orderState.held).where("due_at", ">", 0).where("due_at", "<=", c.now()).orderBy("due_at").limit(atOnce).execute();
  for (const p of due) await alone(c, turn, `parcel ${p.order_id}/${p.parcel}`, (tx) => dueParcel(c, tx, p.order_id, p.parcel));
  const gifts = await c.db.selectFrom("gift").select("gift_id").where("state", "=", "waits").where("until", "<=", c.now()).orderBy("until").limit(atOnce).execute();
  for (const { gift_id } of gifts) await alone(c, turn, "gift " + gift_id, (tx) => expireGift(c, tx, gift_id));
  return turn.done + (await transact(c.db, (tx) => workDeeds(tx, c.now())));
}

/** One that fails is put before a person, once, and keeps nobody else waiting; a database that fails says nothing about it. */
async function alone(c: Context, turn: { done: number }, about: string, work: (tx: Tx) => Promise<void>): Promise<void> {
  try {
    await transact(c.db, work);
    turn.done++;
  } catch (error) {
    if (isOutage(error)) throw error;
    const what = "an order cannot go on";
    const known = await c.db.selectFrom("incident").select("incident_id").where("what", "=", what).where("about", "=", about).executeTakeFirst();
    if (known === undefined) await transact(c.db, (tx) => noteIncident(tx, what, about, String(error), c.now()));
  }
}

/** Looked at once when it is due; what it waits for then, a claim or a key, takes it up again by itself. */
async function dueParcel(c: Context, tx: Tx, order: string, parcel: number): Promise<void> {
  await tryParcel(c, tx, order, parcel);
  await tx.updateTable("parcel").set({ due_at: 0 }).where("order_id", "=", order).where("parcel", "=", parcel).execute();
}

/** A payment whose outcome is unknown keeps its order open: no clock alone voids it (`money.md` §1.6). */
async function expireBill(c: Context, tx: Tx, id: string): Promise<void> {
  const order = await readOrder(tx, id);
  if (order !== undefined && (order.state === orderState.billed || order.state === orderState.paying) && order.expires <= c.now()) await endUnpaid(c, tx, order, orderState.expired);
}

/** A held parcel goes when it can: its time has come, its recipient has registered, his handset has left keys. */
export async function tryParcel(c: Context, tx: Tx, orderId: string, parcel: number): Promise<void> {
  const p = await tx.selectFrom("parcel").selectAll().where("order_id", "=", orderId).where("parcel", "=", parcel).executeTakeFirst();
  const order = await readOrder(tx, orderId);
  if (p?.state === orderState.held && order !== undefined) await releaseParcel(c, tx, order, p);
}

async function expireGift(c: Context, tx: Tx, giftId: string): Promise<void> {
  const gift = await tx.selectFrom("gift").selectAll().where("gift_id", "=", giftId).where("state", "=", "waits").executeTakeFirst();
  if (gift === undefined) return;
  const p = await tx.selectFrom("parcel").selectAll().where("order_id", "=", gift.order_id).where("parcel", "=", gift.parcel).executeTakeFirstOrThrow();
  await returnGift(c, tx, p, giftId, gift.amount);
  await refundable(c, tx, (await readOrder(tx, gift.order_id))!);
}
