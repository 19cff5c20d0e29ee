/**
 * How an order ends otherwise (`money.md` §3 lines 16–19): its bill is refused or runs out, it is cancelled before it is handed out, or
 * a gift is not claimed. Money goes back by the way it came; what nobody answers for yet stays where it is.
 */
import { recordingAt, type Context } from "../context.js";
import type { Tx } from "../database.js";
import { cancel, finishSurrender, refund, settleRefund, surrender, ungive, type When } from "../ledger-events.js";
import { funds } from "../ledger.js";
import { toNumber } from "../money.js";
import { setStatuses } from "../status.js";
import { voidUse } from "../use.js";
import type { LineRow, OrderRow, ParcelRow, PaymentRow } from "../schema-orders.js";
import { isEnded, linesOf, parcelsOf, readOrder, setLine, setParcel, step } from "./machine.js";
import { freeStock } from "./place.js";
import { assert } from "../../protocol/assert.js";
import { articleSort } from "../../protocol/wire/order-letters.js";
import { orderRefusal, orderState } from "../../protocol/wire/order.js";

const when = (c: Context): When => ({ at: c.now(), quality: 3, recorded: recordingAt(c.now()) });

/** The payer's no: to a bill, or to whatever of a paid order nobody has in his hands yet. Answers 0 or why not. */
export async function cancelOrder(c: Context, tx: Tx, order: OrderRow): Promise<number> {
  if (order.state === orderState.billed || order.state === orderState.paying) return await endUnpaid(c, tx, order, order.state === orderState.billed ? orderState.refused : orderState.cancelled);
  if (isEnded(order.state)) return order.state === orderState.expired ? orderRefusal.order_ended : 0;
  let back = 0;
  for (const p of await parcelsOf(tx, order.order_id)) back += await cancelParcel(c, tx, p);
  await refundable(c, tx, order);
  return back > 0 ? 0 : orderRefusal.too_late;
}

/** Nothing was paid: the reservation, if any, is given up and the seats are free. Not while nobody knows what a processor did. */
export async function endUnpaid(c: Context, tx: Tx, order: OrderRow, state: number): Promise<number> {
  const payments = await tx.selectFrom("payment").selectAll().where("order_id", "=", order.order_id).execute();
  if (payments.some((x) => x.state === "asked")) return orderRefusal.outcome_unknown;
  for (const x of payments) if (x.state === "held") await voidPayment(c, tx, x);
  const lines = await linesOf(tx, order.order_id);
  await freeStock(tx, lines);
  for (const line of lines) await setLine(tx, line.line_id, orderState.cancelled);
  await tx.updateTable("parcel").set({ state: orderState.cancelled }).where("order_id", "=", order.order_id).execute();
  await step(c, tx, order.order_id, state, "unpaid");
  return 0;
}

/** If its handset has stored the receipt, it gets the amount back with the next refresh. */
export async function voidPayment(c: Context, tx: Tx, x: PaymentRow): Promise<void> {
  if (x.use_id !== null) {
    await voidUse(tx, x.use_id, recordingAt(c.now()));
    await tx.insertInto("value_back").values({ refund_id: "void-" + x.payment_id, value_id: x.value_id!, use_id: x.use_id, amount: x.amount, counter: null }).onConflict((o) => o.doNothing()).execute();
  }
  await tx.updateTable("payment").set({ state: "void" }).where("payment_id", "=", x.payment_id).execute();
}

/** Takes back every line of a parcel that is still here; answers how many. */
async function cancelParcel(c: Context, tx: Tx, p: ParcelRow): Promise<number> {
  if (isEnded(p.state)) return 0;
  const gift = await tx.selectFrom("gift").selectAll().where("order_id", "=", p.order_id).where("parcel", "=", p.parcel).executeTakeFirst();
  if (gift?.state === "waits") return await returnGift(c, tx, p, gift.gift_id, gift.amount);
  let done = 0;
  for (const line of await linesOf(tx, p.order_id, p.parcel)) if (await cancelLine(c, tx, line, gift !== undefined)) done++;
  const left = (await linesOf(tx, p.order_id, p.parcel)).map((line) => line.state).filter((state) => !isEnded(state));
  if (done > 0) await setParcel(c, tx, p, left.length === 0 ? orderState.cancelled : Math.min(...left));
  if (left.length === 0) await tx.deleteFrom("pushed").where("order_id", "=", p.order_id).where("parcel", "=", p.parcel).execute();
  return done;
}

/** Not issued: its money comes straight back (17). Issued, and bound to no key: nobody could have used it, so it is surrendered at once (18). */
async function cancelLine(c: Context, tx: Tx, line: LineRow, isGift: boolean): Promise<boolean> {
  if (line.state === orderState.billed || (line.state === orderState.held && line.sort !== articleSort.value)) {
    if (isGift) return false;
    if (line.amount > 0) posted(await cancel(tx, { lineId: line.line_id, order: line.order_id, amount: line.amount, currency: line.currency }, when(c)));
  } else {
    const v = line.value_id === null ? undefined : await tx.selectFrom("issued").selectAll().where("value_id", "=", line.value_id).executeTakeFirst();
    if (v === undefined || v.holder_key !== null) return false;
    await setStatuses(c, tx, [v.value_id], "revoked");
    posted(await surrender(tx, { valueId: v.value_id, n: 1, order: line.order_id }, when(c)));
    posted(await finishSurrender(tx, v.value_id, recordingAt(c.now())));
  }
  await freeStock(tx, [line]);
  await setLine(tx, line.line_id, orderState.cancelled);
  return true;
}

/** Line 11: not claimed, or called back before it was. Answers how many lines. */
export async function returnGift(c: Context, tx: Tx, p: ParcelRow, giftId: string, amount: number): Promise<number> {
  const lines = (await linesOf(tx, p.order_id, p.parcel)).filter((line) => !isEnded(line.state));
  if (amount > 0) posted(await ungive(tx, { giftId, order: p.order_id, amount, currency: lines[0]!.currency }, when(c)));
  await tx.updateTable("gift").set({ state: "returned" }).where("gift_id", "=", giftId).execute();
  await tx.updateTable("subject").set({ ended: 1 }).where("account", "=", "gift/" + giftId).execute();
  await freeStock(tx, lines);
  for (const line of lines) await setLine(tx, line.line_id, orderState.cancelled);
  await setParcel(c, tx, p, orderState.cancelled);
  return lines.length;
}

const posted = (answer: unknown): void => assert(answer === "posted" || answer === "exists", "what is given back was there: " + JSON.stringify(answer));

// ---- the way back (19) ----------------------------------------------------------------------------------------------------------

/** Sends back whatever stands in `refund/{o}`; answers how much. */
export async function refundable(c: Context, tx: Tx, order: OrderRow): Promise<number> {
  const amount = toNumber((await funds(tx, "refund/" + order.order_id, order.currency)).available);
  const payment = await tx.selectFrom("payment").selectAll().where("order_id", "=", order.order_id).where("state", "=", "posted").executeTakeFirst();
  if (amount <= 0 || payment === undefined) return 0;
  await sendBack(c, tx, order, payment, amount);
  return amount;
}

/** Money that came for an order which had ended: all of it back. */
export async function refundPayment(c: Context, tx: Tx, order: OrderRow, payment: PaymentRow, amount: number): Promise<void> {
  posted(await cancel(tx, { lineId: "late-" + payment.payment_id, order: order.order_id, amount, currency: order.currency }, when(c)));
  await sendBack(c, tx, order, payment, amount);
}

/** By the way it came: onto the prepaid value at once, to the processor when it has confirmed. */
async function sendBack(c: Context, tx: Tx, order: OrderRow, payment: PaymentRow, amount: number): Promise<void> {
  const { count } = await tx.selectFrom("refund").select((e) => e.fn.countAll<number>().as("count")).where("order_id", "=", order.order_id).executeTakeFirstOrThrow();
  const refundId = `${order.order_id}-${Number(count) + 1}`;
  const toValue = payment.means === "prepaid";
  const to = toValue ? "prepaid/" + payment.value_id! : `processor/${payment.processor!}/{d}`;
  posted(await refund(tx, { refundId, order: order.order_id, amount, currency: order.currency, to }, when(c)));
  await tx.insertInto("refund").values({ refund_id: refundId, order_id: order.order_id, payment_id: payment.payment_id, amount, currency: order.currency, state: "asked", reference: null, asked_at: c.now() }).execute();
  if (toValue) await refunded(c, tx, refundId);
}

/** The money has gone back. */
export async function refunded(c: Context, tx: Tx, refundId: string): Promise<void> {
  const r = await tx.selectFrom("refund").innerJoin("payment", "payment.payment_id", "refund.payment_id").select(["refund.state", "refund.amount", "refund.order_id", "payment.value_id", "payment.means"]).where("refund_id", "=", refundId).executeTakeFirstOrThrow();
  if (r.state !== "asked") return;
  posted(await settleRefund(tx, refundId, "post", recordingAt(c.now())));
  await tx.updateTable("refund").set({ state: "posted" }).where("refund_id", "=", refundId).execute();
  if (r.means === "prepaid") {
    await tx.updateTable("value").set((e) => ({ loaded: e("loaded", "+", r.amount) })).where("value_id", "=", r.value_id).execute();
    await tx.insertInto("value_back").values({ refund_id: refundId, value_id: r.value_id!, use_id: null, amount: r.amount, counter: null }).execute();
  }
  const order = (await readOrder(tx, r.order_id))!;
  if (order.state === orderState.cancelled) await step(c, tx, r.order_id, orderState.refunded, refundId);
}

