/**
 * Postings around an order: paid, issued, given, cancelled, surrendered, refunded (`money.md` §3 lines 3–8, 11, 13–14,
 * 16–19). Each is one set named by its origin; a payment, a surrender and a refund are pending until somebody answers.
 */
import { assert } from "../protocol/assert.js";
import type { Tx } from "./database.js";
import { funds, post, resolve, type EventAttributes, type Posted, type Recording, type Transfer } from "./ledger.js";
import { toNumber } from "./money.js";
import { retryWaiting } from "./use.js";

/** When the origin believed it happened, and when the host recorded it. */
export interface When { at: number; quality: number; recorded: Recording }

export interface Payment { paymentId: string; processor: string; order: string; amount: number; currency: string }
export interface Issue {
  valueId: string; code: "prepaid" | "unearned"; currency: string; issuer: string; order?: string;
  /** Minor units, and how many uses they buy. */
  price: number; uses: number;
  /** The merchant's part of each use, basis points. */
  merchantShare: number;
  /** Where the money is: `order/{o}`, `gift/{g}` or, for values the issuer sold itself, `float/{i}`. */
  from: string;
  handling?: { kind: string; amount: number; tax?: { authority: string; period: string; amount: number } };
}

/** Line 3: authorised at the processor, pending until `settlePayment`. */
export function pay(tx: Tx, x: Payment, when: When): Promise<Posted> {
  const row = move(`processor/${x.processor}/{d}`, `order/${x.order}`, x.amount, x.currency, "pending");
  return one(tx, "pay", x.paymentId, { processor: x.processor, order: x.order }, [row], when);
}

/** Lines 3–4, 16: captured, declined, or lapsed without a trace in the closed report. */
export function settlePayment(tx: Tx, paymentId: string, phase: "post" | "void" | "expire", recorded: Recording): Promise<Posted> {
  return resolve(tx, "pay/" + paymentId, phase, recorded);
}

/** Lines 7, 8, 11, 14: the value is signed for its holder. Uses that came before it are taken up. */
export async function issue(tx: Tx, x: Issue, when: When): Promise<Posted> {
  const rows = [move(x.from, `${x.code}/${x.valueId}`, x.price, x.currency)];
  const { handling } = x, order = orderOf(x.order);
  if (handling !== undefined) rows.push(move(x.from, `fee/${handling.kind}/{d}`, handling.amount, x.currency));
  if (handling?.tax !== undefined) rows.push(move(x.from, `tax/${handling.tax.authority}/${handling.tax.period}`, handling.tax.amount, x.currency));
  const answer = await one(tx, "issue", x.valueId, { value: x.valueId, issuer: x.issuer, ...order }, rows.filter((r) => r.amount > 0), when);
  if (answer !== "posted") return answer;
  await tx.insertInto("value").values({
    value_id: x.valueId, code: x.code, currency: x.currency, issuer: x.issuer, price: x.price, uses: x.uses,
    merchant_share: x.merchantShare, loaded: x.price,
  }).execute();
  await retryWaiting(tx, x.valueId, when.recorded);
  return answer;
}

/** Line 13: an order's money goes onto a prepaid value. */
export async function topUp(tx: Tx, x: { topUpId: string; valueId: string; order: string; amount: number; currency: string }, when: When): Promise<Posted> {
  const value = await tx.selectFrom("value").selectAll().where("value_id", "=", x.valueId).executeTakeFirst();
  assert(value?.code === "prepaid" && value.currency === x.currency, "a top-up goes onto a prepaid value of its currency");
  const row = move(`order/${x.order}`, `prepaid/${x.valueId}`, x.amount, x.currency);
  const answer = await one(tx, "issue", x.topUpId, { value: x.valueId, order: x.order, issuer: value.issuer }, [row], when);
  if (answer !== "posted") return answer;
  await tx.updateTable("value").set({ loaded: value.loaded + x.amount }).where("value_id", "=", x.valueId).execute();
  await retryWaiting(tx, x.valueId, when.recorded);
  return answer;
}

interface OfOrder { order: string; amount: number; currency: string }

/** Line 11: bought for somebody not yet registered; claimed by `issue` from `gift/{g}`. */
export function give(tx: Tx, x: OfOrder & { giftId: string }, when: When): Promise<Posted> {
  return one(tx, "gift", x.giftId, { order: x.order }, [move(`order/${x.order}`, `gift/${x.giftId}`, x.amount, x.currency)], when);
}

/** Line 11: not claimed in time. */
export function ungive(tx: Tx, x: OfOrder & { giftId: string }, when: When): Promise<Posted> {
  return one(tx, "ungift", x.giftId, { order: x.order }, [move(`gift/${x.giftId}`, `refund/${x.order}`, x.amount, x.currency)], when);
}

/** Line 17: cancelled after paying, before issue. */
export function cancel(tx: Tx, x: OfOrder & { lineId: string }, when: When): Promise<Posted> {
  return one(tx, "cancel", x.lineId, { order: x.order }, [move(`order/${x.order}`, `refund/${x.order}`, x.amount, x.currency)], when);
}

/** Line 18: the holder's key signed the surrender; what is left is reserved until the horizon. `n` counts from 1. */
export async function surrender(tx: Tx, x: { valueId: string; n: number; order: string }, when: When): Promise<Posted> {
  const value = await tx.selectFrom("value").selectAll().where("value_id", "=", x.valueId).executeTakeFirst();
  assert(value !== undefined, "what is surrendered was issued: " + x.valueId);
  const account = `${value.code}/${x.valueId}`;
  const left = toNumber((await funds(tx, account, value.currency)).available);
  const rows = left > 0 ? [move(account, `refund/${x.order}`, left, value.currency, "pending")] : [];
  return await post(tx, {
    setId: `surrender/${x.valueId}/${x.n}`, kind: "surrender", event: { value: x.valueId, order: x.order }, at: when.at, quality: when.quality,
    recorded: when.recorded, transfers: rows, content: JSON.stringify(x.order),
  });
}

/** Line 18 at the horizon: whatever of this value's surrender is still reserved leaves it. */
export async function finishSurrender(tx: Tx, valueId: string, recorded: Recording): Promise<Posted> {
  const held = await tx.selectFrom("held").innerJoin("transfer_set", "transfer_set.set_id", "held.set_id")
    .select(["held.set_id", "held.amount"]).where("transfer_set.value_id", "=", valueId).where("held.kind", "=", "surrender").executeTakeFirst();
  if (held === undefined) return "exists";
  const answer = await resolve(tx, held.set_id, "post", recorded);
  if (answer === "posted") {
    await tx.updateTable("value").set((e) => ({ returned: e("returned", "+", held.amount) })).where("value_id", "=", valueId).execute();
  }
  return answer;
}

/**
 * Line 19: pending when sent, until `settleRefund`. `to` is `processor/{p}/{d}`, `bank/client` or `prepaid/{v}`; a fee
 * goes to the issuer.
 */
export function refund(tx: Tx, x: OfOrder & { refundId: string; to: string; fee?: { issuer: string; amount: number } }, when: When): Promise<Posted> {
  const rows = [move(`refund/${x.order}`, x.to, x.amount, x.currency, "pending")];
  if (x.fee !== undefined) rows.unshift(move(`refund/${x.order}`, `issuer/${x.fee.issuer}/{d}`, x.fee.amount, x.currency, "pending"));
  return one(tx, "refund", x.refundId, { order: x.order, ...(x.fee && { issuer: x.fee.issuer }) }, rows, when);
}

/** Line 19: confirmed, or failed. */
export function settleRefund(tx: Tx, refundId: string, phase: "post" | "void", recorded: Recording): Promise<Posted> {
  return resolve(tx, "refund/" + refundId, phase, recorded);
}

function one(tx: Tx, kind: string, id: string, event: EventAttributes, transfers: Transfer[], when: When): Promise<Posted> {
  return post(tx, { setId: `${kind}/${id}`, kind, event, at: when.at, quality: when.quality, recorded: when.recorded, transfers });
}

function move(debit: string, credit: string, amount: number, currency: string, phase: "posted" | "pending" = "posted"): Transfer {
  return { debit, credit, amount, currency, phase };
}

const orderOf = (order: string | undefined) => (order === undefined ? {} : { order });
