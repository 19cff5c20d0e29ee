/**
 * Paying through a processor (`money.md` §3 lines 3–6, 16, 19): written down first, asked outside of any transaction, settled by
 * whatever answers: the call itself, a notice, or being asked again. All of them may come, twice and in any order, and count once.
 */
import { settleCharge } from "../charges/settle.js";
import { noteIncident, recordingAt, toHex, type Context } from "../context.js";
import { transact, type Tx } from "../database.js";
import { pay as pend, settlePayment, settleRefund } from "../ledger-events.js";
import type { Heard, Outcome, Processor } from "../payment/processor.js";
import type { PaymentRow } from "../schema-orders.js";
import { refunded, refundPayment } from "./cancel.js";
import { readOrder, step } from "./machine.js";
import { markPaid, payable, paymentRow, unpaid, type Payer } from "./pay.js";
import { assert } from "../../protocol/assert.js";
import type { Paid, Pay } from "../../protocol/wire/order-letters.js";
import { orderRefusal, orderState } from "../../protocol/wire/order.js";

/** A question that was just asked is not asked again. */
const askAfterSeconds = 15;
/** Past this an idempotency key may have been forgotten outside; what is absent then has never been. */
const lapsedSeconds = 7 * 86_400;
const atOnce = 50;

/** Pends the payment durably, then asks; what it answers settles it in the letter's transaction. */
export async function preparePayment(c: Context, payer: Payer, p: Pay): Promise<(tx: Tx) => Promise<Paid>> {
  const begun = await transact(c.db, (tx) => begin(c, tx, payer, p));
  if ("code" in begun) return () => Promise.resolve(begun);
  const processor = c.processors.get(begun.processor!)!;
  const outcome = await quietly(processor.charge({ paymentId: begun.payment_id, amount: begun.amount, currency: begun.currency, method: begun.method! }));
  return async (tx) => {
    await settle(c, tx, begun.payment_id, outcome);
    return await standingOf(tx, begun.payment_id);
  };
}

async function begin(c: Context, tx: Tx, payer: Payer, p: Pay): Promise<PaymentRow | Paid> {
  assert(p.means.with === "processor", "only these come here");
  const known = await tx.selectFrom("payment").selectAll().where("payment_id", "=", toHex(p.payment)).executeTakeFirst();
  if (known !== undefined) return known.handset !== payer.handset ? unpaid(orderRefusal.order_differs) : known.state === "asked" ? known : await standingOf(tx, known.payment_id);
  const order = await payable(c, tx, payer, p);
  if (typeof order === "number") return unpaid(order);
  if (order.state !== orderState.billed) return unpaid(orderRefusal.busy, order.state);
  if (order.total === 0 || !c.processors.has(p.means.processor)) return unpaid(orderRefusal.value_unfit, order.state);
  const asked: PaymentRow = { ...paymentRow(c, payer, p, order), means: "processor", processor: p.means.processor, method: p.means.method, state: "asked" };
  await tx.insertInto("payment").values(asked).execute();
  const answer = await pend(tx, { paymentId: asked.payment_id, processor: p.means.processor, order: order.order_id, amount: order.total, currency: order.currency }, { at: c.now(), quality: 3, recorded: recordingAt(c.now()) });
  assert(answer === "posted", "a payment id is new: " + asked.payment_id);
  await step(c, tx, order.order_id, orderState.paying, "through " + p.means.processor);
  return asked;
}

const quietly = (outcome: Promise<Outcome>): Promise<Outcome> => outcome.catch((): Outcome => ({ is: "unknown" }));

async function standingOf(tx: Tx, paymentId: string): Promise<Paid> {
  const x = await tx.selectFrom("payment").innerJoin("orders", "orders.order_id", "payment.order_id").select(["payment.state", "orders.state as order"]).where("payment_id", "=", paymentId).executeTakeFirstOrThrow();
  return unpaid(x.state === "posted" ? 0 : x.state === "void" ? orderRefusal.declined : orderRefusal.outcome_unknown, x.order);
}

/** Settles a payment by what was answered, once. Another amount than ours is looked at by a person and posts nothing. */
export async function settle(c: Context, tx: Tx, paymentId: string, outcome: Outcome): Promise<void> {
  const row = await tx.selectFrom("payment").selectAll().where("payment_id", "=", paymentId).executeTakeFirst();
  if (row === undefined && (await settleCharge(c, tx, paymentId, outcome))) return;
  if (row === undefined || row.means !== "processor") { await noteIncident(tx, "a processor speaks of a payment that nobody made", paymentId, outcome.is, c.now()); return; }
  if (row.state !== "asked") { await contradicted(c, tx, row, outcome); return; }
  if ("reference" in outcome) await tx.updateTable("payment").set({ reference: outcome.reference }).where("payment_id", "=", paymentId).execute();
  if (outcome.is === "captured") await captured(c, tx, row, outcome);
  else if (outcome.is === "declined") await declined(c, tx, row, outcome.why);
  else if (outcome.is === "absent" && row.asked_at + lapsedSeconds < c.now()) await declined(c, tx, row, "never arrived");
}

async function captured(c: Context, tx: Tx, row: PaymentRow, outcome: Outcome & { is: "captured" }): Promise<void> {
  if (outcome.amount !== row.amount) { await noteIncident(tx, "a processor captured another amount", row.payment_id, `${outcome.amount} in place of ${row.amount} ${row.currency}`, c.now()); return; }
  assert((await settlePayment(tx, row.payment_id, "post", recordingAt(c.now()))) === "posted", "a pending payment posts once: " + row.payment_id);
  await tx.updateTable("payment").set({ state: "posted" }).where("payment_id", "=", row.payment_id).execute();
  const order = (await readOrder(tx, row.order_id))!;
  if (order.state === orderState.paying) await markPaid(c, tx, order, row.handset);
  else await refundPayment(c, tx, order, { ...row, state: "posted", reference: outcome.reference }, row.amount);
}

/** The bill is open again, for another card. */
async function declined(c: Context, tx: Tx, row: PaymentRow, why: string): Promise<void> {
  await settlePayment(tx, row.payment_id, "void", recordingAt(c.now()));
  await tx.updateTable("payment").set({ state: "void" }).where("payment_id", "=", row.payment_id).execute();
  const order = (await readOrder(tx, row.order_id))!;
  if (order.state === orderState.paying) await step(c, tx, row.order_id, orderState.billed, "declined: " + why.slice(0, 80));
}

/** An answer that comes late says what is known, or the opposite, which a person must see (line 6). */
async function contradicted(c: Context, tx: Tx, row: PaymentRow, outcome: Outcome): Promise<void> {
  const other = (row.state === "posted" && outcome.is === "declined") || (row.state === "void" && outcome.is === "captured");
  if (other) await noteIncident(tx, `a processor says ${outcome.is} of a payment that is ${row.state}`, row.payment_id, "", c.now());
}

// ---- asking again -----------------------------------------------------------------------------------------------------------------

/** Resolves what nobody knows: payments without an outcome are asked for, refunds are sent (again). Answers how many were settled. */
export async function reconcile(c: Context): Promise<number> {
  let done = 0;
  const open = await c.db.selectFrom("payment").selectAll().where("state", "=", "asked").where("asked_at", "<=", c.now() - askAfterSeconds).orderBy("asked_at").limit(atOnce).execute();
  for (const x of open) {
    const processor = c.processors.get(x.processor!);
    if (processor === undefined) continue;
    const outcome = await quietly(processor.ask({ paymentId: x.payment_id, amount: x.amount, currency: x.currency, method: x.method!, reference: x.reference, askedAt: x.asked_at }));
    await transact(c.db, (tx) => settle(c, tx, x.payment_id, outcome));
    if (outcome.is === "captured" || outcome.is === "declined") done++;
  }
  return done + (await sendRefunds(c));
}

async function sendRefunds(c: Context): Promise<number> {
  let done = 0;
  const open = await c.db.selectFrom("refund").innerJoin("payment", "payment.payment_id", "refund.payment_id").select(["refund_id", "payment.payment_id", "refund.amount", "refund.currency", "processor", "payment.reference"])
    .where("refund.state", "=", "asked").where("payment.means", "=", "processor").orderBy("refund.asked_at").limit(atOnce).execute();
  for (const r of open) {
    const processor: Processor | undefined = c.processors.get(r.processor!);
    if (processor === undefined || r.reference === null) continue;
    const outcome = await quietly(processor.refund({ refundId: r.refund_id, paymentId: r.payment_id, reference: r.reference, amount: r.amount, currency: r.currency }));
    await transact(c.db, (tx) => settleReturn(c, tx, r.refund_id, outcome));
    if (outcome.is === "captured") done++;
  }
  return done;
}

/** A refund that failed outside stays owed in its account: the try is void, and an operator decides by which way it goes back. */
async function settleReturn(c: Context, tx: Tx, refundId: string, outcome: Outcome): Promise<void> {
  const r = await tx.selectFrom("refund").select("state").where("refund_id", "=", refundId).executeTakeFirst();
  if (r === undefined) { await noteIncident(tx, "a processor speaks of a refund that nobody sent", refundId, outcome.is, c.now()); return; }
  if (r.state !== "asked") return;
  if ("reference" in outcome) await tx.updateTable("refund").set({ reference: outcome.reference }).where("refund_id", "=", refundId).execute();
  if (outcome.is === "captured") await refunded(c, tx, refundId);
  if (outcome.is === "declined") {
    await settleRefund(tx, refundId, "void", recordingAt(c.now()));
    await tx.updateTable("refund").set({ state: "void" }).where("refund_id", "=", refundId).execute();
    await noteIncident(tx, "a refund was declined; the money is still owed", refundId, outcome.why, c.now());
  }
}

/** A processor's notice: false when it is not genuine. */
export async function takeNotice(c: Context, name: string, body: Uint8Array, signature: string): Promise<boolean> {
  const heard: Heard | undefined = c.processors.get(name)?.hear(body, signature, c.now());
  if (heard === undefined) return false;
  if (heard.of === "payment") await transact(c.db, (tx) => settle(c, tx, heard.paymentId, heard.outcome));
  if (heard.of === "refund") await transact(c.db, (tx) => settleReturn(c, tx, heard.refundId, heard.outcome));
  if (heard.of === "dispute") await transact(c.db, (tx) => noteDispute(c, tx, name, heard));
  return true;
}

/** A chargeback is a person's to decide (line 34); until then the operator sees which payment it is. */
async function noteDispute(c: Context, tx: Tx, processor: string, x: Heard & { of: "dispute" }): Promise<void> {
  const row = await tx.selectFrom("payment").select(["payment_id", "order_id", "currency"]).where("processor", "=", processor).where("reference", "=", x.reference).executeTakeFirst();
  const detail = `${x.amount} ${row?.currency ?? ""} of order ${row?.order_id ?? "unknown"}: ${x.why}`;
  const known = await tx.selectFrom("incident").select("incident_id").where("what", "=", "a payer contests a payment").where("about", "=", x.reference).executeTakeFirst();
  if (known === undefined) await noteIncident(tx, "a payer contests a payment", x.reference, detail, c.now());
}
