/**
 * The order machine's own part: each step is a row in the same commit as what it did, and where an order stands follows from its
 * parcels (`design.md` §6). What ended stands in `subject`, so that the books can be held against it (M5).
 */
import { type Context } from "../context.js";
import type { Tx } from "../database.js";
import type { LineRow, OrderRow, ParcelRow } from "../schema-orders.js";
import { orderState } from "../../protocol/wire/order.js";

/** An order moves on; the last step is its state. */
export async function step(c: Context, tx: Tx, order: string, state: number, what: string): Promise<void> {
  await tx.insertInto("order_step").values({ order_id: order, state, what, at: c.now() }).execute();
  await tx.updateTable("orders").set({ state }).where("order_id", "=", order).execute();
}

export const readOrder = (tx: Tx, id: string): Promise<OrderRow | undefined> => tx.selectFrom("orders").selectAll().where("order_id", "=", id).executeTakeFirst();
export const parcelsOf = (tx: Tx, order: string): Promise<ParcelRow[]> => tx.selectFrom("parcel").selectAll().where("order_id", "=", order).orderBy("parcel").execute();
export const linesOf = (tx: Tx, order: string, parcel?: number): Promise<LineRow[]> => {
  const all = tx.selectFrom("order_line").selectAll().where("order_id", "=", order);
  return (parcel === undefined ? all : all.where("parcel", "=", parcel)).orderBy("line_id").execute();
};

export const isEnded = (state: number): boolean => state >= orderState.refused;

/** A parcel goes on, and with it perhaps the order. */
export async function setParcel(c: Context, tx: Tx, p: { order_id: string; parcel: number }, state: number): Promise<void> {
  await tx.updateTable("parcel").set({ state }).where("order_id", "=", p.order_id).where("parcel", "=", p.parcel).execute();
  const order = (await readOrder(tx, p.order_id))!;
  const now = standingOf((await parcelsOf(tx, p.order_id)).map((x) => x.state));
  if (now !== order.state && order.state >= orderState.paid) await step(c, tx, p.order_id, now, `parcel ${p.parcel + 1}`);
  await endIfDone(tx, p.order_id, now);
}

/** Of a paid order: a parcel that was not looked at yet counts as held. Held as long as one is held, paid as long as one waits, delivered when all are, ended when all have. */
function standingOf(states: readonly number[]): number {
  const open = states.filter((s) => !isEnded(s));
  if (open.length === 0) return orderState.cancelled;
  return open.some((s) => s === orderState.held || s === orderState.billed) ? orderState.held : Math.min(...open);
}

/** Nothing is left to hand out: its account must be at zero from here on. */
async function endIfDone(tx: Tx, order: string, state: number): Promise<void> {
  const open = await tx.selectFrom("order_line").select("line_id").where("order_id", "=", order).where("state", "in", [orderState.billed, orderState.held]).executeTakeFirst();
  const ended = (isEnded(state) || state >= orderState.delivered) && open === undefined;
  if (ended) await tx.updateTable("subject").set({ ended: 1 }).where("account", "=", "order/" + order).execute();
}

export async function setLine(tx: Tx, line: string, state: number): Promise<void> {
  await tx.updateTable("order_line").set({ state }).where("line_id", "=", line).execute();
}
