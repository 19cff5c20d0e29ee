/**
 * Yes to a bill (P1, S9; `money.md` §3 lines 2–5, 16). Who pays names the digest of the bill that he saw. A prepaid value pays by a
 * receipt of the host in its own chain: reserved when it is signed, posted when the value's key acknowledged it, so an answer that
 * was lost costs nothing and a second try pays once. What a processor does stands in `processor.ts`.
 */
import { daySeconds, fromHex, noteIncident, recordingAt, toHex, type Context } from "../context.js";
import type { Tx } from "../database.js";
import { funds } from "../ledger.js";
import type { IssuedRow } from "../products.js";
import { knownTo, payTerminal } from "../refresh.js";
import type { OrderRow, PaymentRow } from "../schema-orders.js";
import { recordUse, voidUse } from "../use.js";
import { refundPayment } from "./cancel.js";
import { isEnded, readOrder, step } from "./machine.js";
import { release } from "./release.js";
import { acknowledgementToSign, action, decodeReceipt, encodeReceipt, receiptKind, receiptToSign, type Receipt } from "../../protocol/wire/receipt.js";
import type { Paid, Pay, PaymentAcknowledgement } from "../../protocol/wire/order-letters.js";
import { demand, orderRefusal, orderState } from "../../protocol/wire/order.js";
import { decodeSignedClaims } from "../../protocol/wire/sync.js";
import { digest16, unit } from "../../protocol/wire/value.js";

const none = new Uint8Array(0);
export const unpaid = (code: number, state = 0): Paid => ({ code, state, receipt: none, signature: none });

/** Who pays: a handset by its key id, for its member. */
export interface Payer { handset: string; user: string }

/** The order if this payer may pay this bill now; or the code of the refusal. */
export async function payable(c: Context, tx: Tx, payer: Payer, p: Pay): Promise<OrderRow | number> {
  const order = await readOrder(tx, toHex(p.order));
  if (order === undefined || (order.demand === demand.handset && order.user_id !== payer.user)) return orderRefusal.order_unknown;
  if (toHex(digest16(c.crypto, new Uint8Array(order.bill))) !== toHex(p.bill)) return order.user_id === payer.user ? orderRefusal.bill_differs : orderRefusal.order_unknown;
  if (isEnded(order.state) || order.expires <= c.now()) return orderRefusal.order_ended;
  return order;
}

/** Pays from a value, or confirms a bill of nothing. */
export async function payHere(c: Context, tx: Tx, payer: Payer, p: Pay): Promise<Paid> {
  const known = await tx.selectFrom("payment").selectAll().where("payment_id", "=", toHex(p.payment)).executeTakeFirst();
  if (known !== undefined) return known.order_id === toHex(p.order) && known.handset === payer.handset ? await again(tx, known) : unpaid(orderRefusal.order_differs);
  const order = await payable(c, tx, payer, p);
  if (typeof order === "number") return unpaid(order);
  if (order.state !== orderState.billed) return unpaid(orderRefusal.busy, order.state);
  if (order.total === 0) return await confirm(c, tx, payer, p, order);
  return p.means.with === "prepaid" ? await hold(c, tx, payer, p, order, p.means) : unpaid(orderRefusal.value_unfit, order.state);
}

/** A payment that is repeated is answered as it stands. */
async function again(tx: Tx, x: PaymentRow): Promise<Paid> {
  const order = (await readOrder(tx, x.order_id))!;
  if (x.state === "held") return { code: 0, state: order.state, receipt: new Uint8Array(x.receipt!), signature: new Uint8Array(x.signature!) };
  return unpaid(x.state === "posted" ? 0 : x.state === "asked" ? orderRefusal.outcome_unknown : orderRefusal.declined, order.state);
}

async function confirm(c: Context, tx: Tx, payer: Payer, p: Pay, order: OrderRow): Promise<Paid> {
  await tx.insertInto("payment").values({ ...paymentRow(c, payer, p, order), means: "free", state: "posted" }).execute();
  return unpaid(0, await markPaid(c, tx, order, payer.handset));
}

export function paymentRow(c: Context, payer: Payer, p: Pay, order: OrderRow) {
  return {
    payment_id: toHex(p.payment), order_id: order.order_id, processor: null, method: null, value_id: null, use_id: null, receipt: null, signature: null, amount: order.total, currency: order.currency,
    reference: null, asked_at: c.now(), handset: payer.handset,
  };
}

// ---- from a prepaid value ---------------------------------------------------------------------------------------------------

interface Shown { value: Uint8Array; receipt: Uint8Array; proof: Uint8Array }

/** Reserves the amount and signs the receipt for it, in the chain of a value that lives on this handset. */
async function hold(c: Context, tx: Tx, payer: Payer, p: Pay, order: OrderRow, shown: Shown): Promise<Paid> {
  const v = await tx.selectFrom("issued").selectAll().where("value_id", "=", toHex(shown.value)).where("handset", "=", payer.handset).where("status", "=", 0).executeTakeFirst();
  const product = v === undefined ? undefined : await tx.selectFrom("product").selectAll().where("product_id", "=", v.product_id).executeTakeFirstOrThrow();
  if (v === undefined || v.value === null || product?.unit !== unit.money || product.currency !== order.currency || product.valid_until <= c.now()) return unpaid(orderRefusal.value_unfit, order.state);
  if ((await tx.selectFrom("payment").select("payment_id").where("value_id", "=", v.value_id).where("state", "=", "held").executeTakeFirst()) !== undefined) return unpaid(orderRefusal.busy, order.state);
  const newest = shown.receipt.length === 0 ? undefined : decodeReceipt(shown.receipt);
  const books = await knownTo(c, tx, v, newest, shown.receipt);
  if (books === undefined) return unpaid(orderRefusal.state_unknown, order.state);
  const { available } = await funds(tx, "prepaid/" + v.value_id, order.currency);
  if (books.after + order.total > product.most || available < BigInt(order.total)) return unpaid(orderRefusal.insufficient, order.state);
  return await reserve(c, tx, payer, p, order, { v, newest, bytes: shown.receipt, before: books.after, issuer: product.issuer_id });
}

interface From { v: IssuedRow; newest: Receipt | undefined; bytes: Uint8Array; before: number; issuer: string }

async function reserve(c: Context, tx: Tx, payer: Payer, p: Pay, order: OrderRow, from: From): Promise<Paid> {
  const previous = digest16(c.crypto, from.newest === undefined ? decodeSignedClaims(new Uint8Array(from.v.value!))!.claims : from.bytes);
  const after = from.before + order.total;
  const receipt = encodeReceipt({
    kind: receiptKind.host, terminal: new Uint8Array(8), tap: new Uint8Array(4), valueId: fromHex(from.v.value_id), counter: (from.newest?.counter ?? 0) + 1, previous, amount: order.total, after,
    action: action.pay, at: c.now(), quality: 3, until: order.expires, base: { counter: (from.newest?.counter ?? 0) + 1, spent: after, day: Math.floor(c.now() / daySeconds) }, fold: undefined,
  });
  const signature = c.keys.sign("values", receiptToSign(receipt));
  const useId = toHex(digest16(c.crypto, receipt));
  await tx.insertInto("payment").values({ ...paymentRow(c, payer, p, order), means: "prepaid", state: "held", value_id: from.v.value_id, use_id: useId, receipt, signature }).execute();
  const answer = await recordUse(tx, payment(from.v.value_id, from.issuer, decodeReceipt(receipt)!, useId, p.payment, order.order_id, false), recordingAt(c.now()));
  if (answer !== "pending") return await notHeld(c, tx, p, order);
  await step(c, tx, order.order_id, orderState.paying, "from a value");
  return { code: 0, state: orderState.paying, receipt, signature };
}

/** The books say no after all: what was begun is undone with them. */
async function notHeld(c: Context, tx: Tx, p: Pay, order: OrderRow): Promise<Paid> {
  const row = await tx.selectFrom("payment").select("use_id").where("payment_id", "=", toHex(p.payment)).executeTakeFirstOrThrow();
  await voidUse(tx, row.use_id!, recordingAt(c.now()));
  await tx.updateTable("payment").set({ state: "void" }).where("payment_id", "=", toHex(p.payment)).execute();
  return unpaid(orderRefusal.insufficient, order.state);
}

function payment(valueId: string, issuer: string, r: Receipt, useId: string, paymentId: Uint8Array, order: string, acknowledged: boolean): Parameters<typeof recordUse>[1] {
  return {
    useId, valueId, counter: r.counter, previous: toHex(r.previous), terminal: payTerminal, tap: 0, merchant: "-", issuer, amount: r.amount, before: r.after - r.amount, after: r.after, at: r.at, quality: r.quality,
    acknowledged, source: "journal", pay: { paymentId: toHex(paymentId), order },
  };
}

/** The value's own key agreed: the money is the order's. Too late for an order that ended meanwhile, it goes back. */
export async function acknowledge(c: Context, tx: Tx, payer: Payer, x: PaymentAcknowledgement): Promise<Paid> {
  const row = await tx.selectFrom("payment").selectAll().where("payment_id", "=", toHex(x.payment)).where("handset", "=", payer.handset).executeTakeFirst();
  const order = row === undefined ? undefined : await readOrder(tx, row.order_id);
  if (row === undefined || order === undefined || row.receipt === null) return unpaid(orderRefusal.order_unknown);
  if (row.state === "posted") return unpaid(0, order.state);
  const v = await tx.selectFrom("issued").selectAll().where("value_id", "=", row.value_id!).executeTakeFirstOrThrow();
  const bytes = new Uint8Array(row.receipt);
  if (v.holder_key === null || !c.crypto.verify(fromHex(v.holder_key), acknowledgementToSign(c.crypto, bytes), x.signature)) return unpaid(orderRefusal.not_genuine, order.state);
  return await post(c, tx, payer, row, order, v, decodeReceipt(bytes)!, x);
}

async function post(c: Context, tx: Tx, payer: Payer, row: PaymentRow, order: OrderRow, v: IssuedRow, receipt: Receipt, x: PaymentAcknowledgement): Promise<Paid> {
  const product = await tx.selectFrom("product").select("issuer_id").where("product_id", "=", v.product_id).executeTakeFirstOrThrow();
  await recordUse(tx, payment(v.value_id, product.issuer_id, receipt, row.use_id!, x.payment, order.order_id, true), recordingAt(c.now()));
  const use = await tx.selectFrom("value_use").select(["state", "charged"]).where("use_id", "=", row.use_id!).executeTakeFirstOrThrow();
  if (use.state !== "finished" || use.charged !== row.amount) {
    await noteIncident(tx, "a payment that its value does not cover", row.payment_id, `order ${order.order_id}, charged ${use.charged} of ${row.amount}`, c.now());
    return unpaid(orderRefusal.insufficient, order.state);
  }
  await tx.updateTable("payment").set({ state: "posted" }).where("payment_id", "=", row.payment_id).execute();
  await tx.updateTable("value_back").set({ counter: receipt.counter }).where("refund_id", "=", "void-" + row.payment_id).execute();
  if (order.state === orderState.paying && row.state === "held") return unpaid(0, await markPaid(c, tx, order, payer.handset));
  await refundPayment(c, tx, order, { ...row, state: "posted" }, row.amount);
  return unpaid(orderRefusal.order_ended, order.state);
}

/** From here on the order is the payer's: everything that waits for money goes. Answers its new state. */
export async function markPaid(c: Context, tx: Tx, order: OrderRow, handset: string): Promise<number> {
  await tx.updateTable("orders").set({ payer: handset }).where("order_id", "=", order.order_id).execute();
  await tx.insertInto("subject").values({ account: "order/" + order.order_id, kind: "order" }).onConflict((o) => o.doNothing()).execute();
  await step(c, tx, order.order_id, orderState.paid, "");
  await release(c, tx, order.order_id);
  return (await readOrder(tx, order.order_id))!.state;
}
