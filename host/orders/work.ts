/**
 * What time does to orders (S8): bills run out, parcels become due, gifts nobody claimed go back. Each in a transaction of its own,
 * found by what the database says, so a host that was away simply goes on; who starts this, and how often, decides nothing.
 */
import type { Context } from "../context.js";
import { transact, type Tx } from "../database.js";
import { endUnpaid, refundable, returnGift } from "./cancel.js";
import { workDeeds } from "./hand-on.js";
import { readOrder } from "./machine.js";
import { releaseParcel } from "./release.js";
import { orderState } from "../../protocol/wire/order.js";

/** So that no other work waits for a great many; the rest follows at the next turn. */
const atOnce = 100;

/** Does what is due now; answers how many things that were. */
export async function workOrders(c: Context): Promise<number> {
  const bills = await c.db.selectFrom("orders").select("order_id").where("state", "in", [orderState.billed, orderState.paying]).where("expires", "<=", c.now()).orderBy("expires").limit(atOnce).execute();
  for (const { order_id } of bills) await transact(c.db, (tx) => expireBill(c, tx, order_id));
  const due = await c.db.selectFrom("parcel").select(["order_id", "parcel"]).where("state", "=", orderState.held).where("due_at", "<=", c.now()).orderBy("due_at").limit(atOnce).execute();
  for (const p of due) await transact(c.db, (tx) => tryParcel(c, tx, p.order_id, p.parcel));
  const gifts = await c.db.selectFrom("gift").select("gift_id").where("state", "=", "waits").where("until", "<=", c.now()).orderBy("until").limit(atOnce).execute();
  for (const { gift_id } of gifts) await transact(c.db, (tx) => expireGift(c, tx, gift_id));
  const deeds = await transact(c.db, (tx) => workDeeds(tx, c.now()));
  return bills.length + due.length + gifts.length + deeds;
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
