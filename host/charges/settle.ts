/**
 * Settling by a handset (U1, U4, S9): what is owed, paying exactly that, and the result for the terminal. A payment is named by
 * the handset before it first sends it; whatever comes again under that name gets the same answer and pays nothing again.
 */
import { letterFor, resultFor } from "./intake.js";
import { allowanceOf, applyPayment, openCharges } from "./money.js";
import type { ChargePaymentTable } from "./schema.js";
import { currencyNumber, daySeconds, fromHex, noteIncident, recordingAt, sha256Hex, toHex, type Context } from "../context.js";
import { transact, type Tx } from "../database.js";
import { funds } from "../ledger.js";
import { pay, settlePayment } from "../ledger-events.js";
import type { Outcome } from "../payment/processor.js";
import { toNumber } from "../money.js";
import { certificateFor } from "../intake.js";
import { payTerminal } from "../refresh.js";
import { recordUse, type Use } from "../use.js";
import { acknowledgementToSign, action, decodeReceipt, encodeReceipt, receiptKind, receiptToSign, type Receipt } from "../../protocol/wire/receipt.js";
import { payBy, settleCode, type Owed, type SettleAcknowledged, type SettleAnswer, type Settling } from "../../protocol/wire/settle.js";
import { decodeSignedClaims } from "../../protocol/wire/sync.js";
import { digest16, unit } from "../../protocol/wire/value.js";

const none = new Uint8Array(0);
const no = (code: number): SettleAnswer => ({ code, receipt: none, signature: none, letter: none, result: none });
/** A payment that nobody finished holds up another one for so long; the first is then taken as allowance, should it still come. */
const underWaySeconds = 600;

/** Everything that this member owes, by whatever road its statements came (U4). */
export async function owedBy(tx: Tx, userId: string): Promise<Owed[]> {
  const rows = await tx.selectFrom("meter_user").innerJoin("meter_plan", "meter_plan.terminal_id", "meter_user.terminal_id").innerJoin("terminal", "terminal.terminal_id", "meter_user.terminal_id")
    .innerJoin("merchant", "merchant.merchant_id", "terminal.merchant_id")
    .select(["meter_user.terminal_id", "user", "stated", "paid", "meter_plan.currency", "terminal.name", "merchant.name as merchant"]).where("meter_user.user_id", "=", userId).orderBy("meter_user.terminal_id").execute();
  const list: Owed[] = [];
  for (const x of rows) {
    list.push({
      terminal: fromHex(x.terminal_id), user: fromHex(x.user), name: x.name, merchant: x.merchant, through: x.stated, amount: await amountOf(tx, x), currency: currencyNumber(x.currency), paid: x.paid,
      left: toNumber((await funds(tx, allowanceOf(x), x.currency)).available), records: x.stated,
    });
  }
  return list;
}
const amountOf = async (tx: Tx, u: { terminal_id: string; user: string }): Promise<number> => (await openCharges(tx, u)).reduce((sum, charge) => sum + charge.amount, 0);

/** Pays, or answers what became of this payment before. Outside the letter's transaction, because a processor is asked. */
export async function settle(c: Context, userId: string, x: Settling): Promise<(tx: Tx) => Promise<SettleAnswer>> {
  if (x.by === payBy.value) return (tx) => payWithValue(c, tx, userId, x);
  const processor = c.processors.get(x.processor);
  if (processor === undefined) return () => Promise.resolve(no(settleCode.not_taken));
  const begun = await transact(c.db, (tx) => begin(c, tx, userId, x));
  if ("code" in begun) return () => Promise.resolve(begun);
  const outcome = begun.state === "open" || begun.state === "late" ? await quietly(processor.charge(chargeOf(begun))) : undefined;
  return async (tx) => {
    if (outcome !== undefined) await settleCharge(c, tx, begun.payment_id, outcome);
    return await standingOf(c, tx, begun.payment_id);
  };
}
const quietly = (outcome: Promise<Outcome>): Promise<Outcome> => outcome.catch((): Outcome => ({ is: "unknown" }));
const chargeOf = (p: ChargePaymentTable) => ({ paymentId: p.payment_id, amount: p.amount, currency: p.currency, method: p.method! });

/** The payment as it was begun, now or before; or why not. */
async function begin(c: Context, tx: Tx, userId: string, x: Settling): Promise<ChargePaymentTable | SettleAnswer> {
  const id = toHex(x.payment);
  const known = await tx.selectFrom("charge_payment").selectAll().where("payment_id", "=", id).executeTakeFirst();
  const digest = contentOf(x);
  if (known !== undefined) return known.digest === digest && known.user_id === userId ? known : no(settleCode.not_yours);
  const wrong = await refused(c, tx, userId, x);
  if (wrong !== 0) return no(wrong);
  const { currency } = await tx.selectFrom("meter_plan").select("currency").where("terminal_id", "=", toHex(x.terminal)).executeTakeFirstOrThrow();
  const row: ChargePaymentTable = {
    payment_id: id, digest, terminal_id: toHex(x.terminal), user: toHex(x.user), user_id: userId, through: x.through, amount: x.amount, currency, paid_by: x.by,
    value_id: x.by === payBy.value ? toHex(x.value) : null, processor: x.by === payBy.value ? null : x.processor, method: x.by === payBy.value ? null : x.method, reference: null,
    receipt: null, signature: null, state: "open", at: c.now(),
  };
  await tx.insertInto("charge_payment").values(row).execute();
  if (x.by !== payBy.value) await pay(tx, { paymentId: id, processor: x.processor, order: id, amount: x.amount, currency }, now(c));
  return row;
}
const now = (c: Context) => ({ at: c.now(), quality: 3, recorded: recordingAt(c.now()) });
const contentOf = (x: Settling): string => sha256Hex(JSON.stringify([toHex(x.terminal), toHex(x.user), x.through, x.amount, x.by, toHex(x.value), x.processor, x.method]));

/** The bill must be the one that its payer saw: of this account, through the record and to the amount that it shows; more is allowance. */
async function refused(c: Context, tx: Tx, userId: string, x: Settling): Promise<number> {
  const at = { terminal_id: toHex(x.terminal), user: toHex(x.user) };
  const u = await tx.selectFrom("meter_user").selectAll().where("terminal_id", "=", at.terminal_id).where("user", "=", at.user).where("user_id", "=", userId).executeTakeFirst();
  if (u === undefined) return settleCode.not_yours;
  if (u.stated !== x.through || x.amount < (await amountOf(tx, at))) return settleCode.changed;
  await tx.updateTable("charge_payment").set({ state: "late" }).where("terminal_id", "=", at.terminal_id).where("user", "=", at.user).where("state", "=", "open").where("at", "<", c.now() - underWaySeconds).execute();
  const other = await tx.selectFrom("charge_payment").select("payment_id").where("terminal_id", "=", at.terminal_id).where("user", "=", at.user).where("state", "=", "open").executeTakeFirst();
  return other === undefined ? 0 : settleCode.under_way;
}

// ---- by card or debit -------------------------------------------------------------------------------------------------------------

/**
 * What a processor says of a payment, in its answer, by a notice or asked again: once, in any order. False for a payment that is
 * none of charges. What it does not know stays open; another amount than ours is looked at by a person and posts nothing.
 */
export async function settleCharge(c: Context, tx: Tx, paymentId: string, outcome: Outcome): Promise<boolean> {
  const p = await tx.selectFrom("charge_payment").selectAll().where("payment_id", "=", paymentId).executeTakeFirst();
  if (p?.processor == null) return false;
  if ("reference" in outcome) await tx.updateTable("charge_payment").set({ reference: outcome.reference }).where("payment_id", "=", paymentId).execute();
  const isOpen = p.state === "open" || p.state === "late";
  if (!isOpen && ((outcome.is === "captured" && p.state === "declined") || (outcome.is === "declined" && p.state === "settled"))) {
    await noteIncident(tx, `a processor says ${outcome.is} of a payment that is ${p.state}`, paymentId, "", c.now());
  }
  if (!isOpen || (outcome.is !== "captured" && outcome.is !== "declined")) return true;
  if (outcome.is === "captured" && outcome.amount !== p.amount) { await noteIncident(tx, "a processor captured another amount", paymentId, `${outcome.amount} in place of ${p.amount}`, c.now()); return true; }
  await settlePayment(tx, paymentId, outcome.is === "captured" ? "post" : "void", recordingAt(c.now()));
  if (outcome.is === "captured") await applyPayment(c, tx, p);
  else await tx.updateTable("charge_payment").set({ state: "declined" }).where("payment_id", "=", paymentId).execute();
  return true;
}

/** Payments without an outcome are asked for again. Answers how many were settled. */
export async function reconcileCharges(c: Context): Promise<number> {
  let done = 0;
  const open = await c.db.selectFrom("charge_payment").selectAll().where("processor", "is not", null).where("state", "in", ["open", "late"]).where("at", "<=", c.now() - askAfterSeconds).orderBy("at").limit(askedAtOnce).execute();
  for (const p of open) {
    const processor = c.processors.get(p.processor!);
    if (processor === undefined) continue;
    const outcome = await quietly(processor.ask({ ...chargeOf(p), reference: p.reference, askedAt: p.at }));
    await transact(c.db, (tx) => settleCharge(c, tx, p.payment_id, outcome));
    if (outcome.is === "captured" || outcome.is === "declined") done++;
  }
  return done;
}
const askAfterSeconds = 15;
const askedAtOnce = 50;

async function standingOf(c: Context, tx: Tx, paymentId: string): Promise<SettleAnswer> {
  const p = await tx.selectFrom("charge_payment").selectAll().where("payment_id", "=", paymentId).executeTakeFirstOrThrow();
  return p.state === "settled" ? await settledAnswer(c, tx, p) : no(p.state === "declined" ? settleCode.declined : settleCode.pending);
}

async function settledAnswer(c: Context, tx: Tx, p: ChargePaymentTable): Promise<SettleAnswer> {
  const t = await tx.selectFrom("terminal").selectAll().where("terminal_id", "=", p.terminal_id).executeTakeFirstOrThrow();
  const letter = await letterFor(c, tx, t, Number.MAX_SAFE_INTEGER);
  return { ...no(settleCode.settled), ...kept(p), letter: letter ?? none, result: await resultFor(c, tx, p.terminal_id, p.user) };
}
const kept = (p: ChargePaymentTable) => ({ receipt: p.receipt === null ? none : new Uint8Array(p.receipt), signature: p.signature === null ? none : new Uint8Array(p.signature) });

// ---- with a prepaid value of the handset --------------------------------------------------------------------------------------------

/** The host takes the part of the till: it signs the next receipt of the value's chain, which reserves the money until it is acknowledged. */
async function payWithValue(c: Context, tx: Tx, userId: string, x: Settling): Promise<SettleAnswer> {
  const before = await tx.selectFrom("charge_payment").selectAll().where("payment_id", "=", toHex(x.payment)).executeTakeFirst();
  if (before?.state === "settled") return before.user_id === userId ? await settledAnswer(c, tx, before) : no(settleCode.not_yours);
  if (before?.receipt != null) return before.user_id === userId && before.digest === contentOf(x) ? { ...no(settleCode.acknowledge), ...kept(before) } : no(settleCode.not_yours);
  const chain = await chainOf(c, tx, userId, x);
  if (typeof chain === "number") return no(chain);
  const begun = await begin(c, tx, userId, x);
  if ("code" in begun) return begun;
  const receipt = encodeReceipt(nextReceipt(c, x, chain.newest, chain.previous));
  const signature = c.keys.sign("values", receiptToSign(receipt));
  await tx.insertInto("host_receipt").values({ digest: toHex(digest16(c.crypto, receipt)), value_id: toHex(x.value), counter: chain.counter, receipt, signature }).execute();
  await tx.updateTable("charge_payment").set({ receipt, signature }).where("payment_id", "=", begun.payment_id).execute();
  await recordUse(tx, useOf(c, begun, receipt, chain.issuer, chain.merchant, false), recordingAt(c.now()));
  return { ...no(settleCode.acknowledge), receipt, signature };
}

interface Chain { newest: Receipt | undefined; previous: Uint8Array; counter: number; issuer: string; merchant: string }

/** The value's state as its holder shows it, if it can pay so much; else a code. An old copy of it is not taken. */
async function chainOf(c: Context, tx: Tx, userId: string, x: Settling): Promise<Chain | number> {
  const valueId = toHex(x.value);
  const v = await tx.selectFrom("issued").innerJoin("product", "product.product_id", "issued.product_id").select(["issued.value", "issued.status", "product.unit", "product.most", "product.currency", "product.issuer_id"])
    .where("issued.value_id", "=", valueId).where("issued.user_id", "=", userId).executeTakeFirst();
  const t = await tx.selectFrom("meter_plan").innerJoin("terminal", "terminal.terminal_id", "meter_plan.terminal_id").select(["meter_plan.currency", "terminal.merchant_id"]).where("meter_plan.terminal_id", "=", toHex(x.terminal)).executeTakeFirst();
  if (v === undefined || v.value === null || t === undefined) return settleCode.not_yours;
  if (v.status !== 0 || v.unit !== unit.money || v.currency !== t.currency) return settleCode.not_taken;
  const newest = x.receipt.length === 0 ? undefined : decodeReceipt(x.receipt);
  if (x.receipt.length > 0 && (newest === undefined || toHex(newest.valueId) !== valueId)) return settleCode.outdated;
  const counter = (newest?.counter ?? 0) + 1;
  const later = await tx.selectFrom("value_use").select("use_id").where("value_id", "=", valueId).where("counter", ">=", counter).where("one_way", "=", 0).where("state", "!=", "lapsed").executeTakeFirst();
  const hosts = await tx.selectFrom("host_receipt").select("digest").where("value_id", "=", valueId).where("counter", ">=", counter).executeTakeFirst();
  if (later !== undefined || hosts !== undefined || !(await isKnown(c, tx, valueId, newest, x))) return settleCode.outdated;
  const { available } = await funds(tx, "prepaid/" + valueId, v.currency);
  if (toNumber(available) < x.amount || (newest?.after ?? 0) + x.amount > v.most) return settleCode.too_little;
  const previous = newest === undefined ? digest16(c.crypto, decodeSignedClaims(new Uint8Array(v.value))!.claims) : digest16(c.crypto, x.receipt);
  return { newest, previous, counter, issuer: v.issuer_id, merchant: t.merchant_id };
}

/** The receipt shown is one that the books know of, or that its terminal signed: nobody makes up a state of his own. */
async function isKnown(c: Context, tx: Tx, valueId: string, newest: Receipt | undefined, x: Settling): Promise<boolean> {
  if (newest === undefined) return true;
  const id = toHex(digest16(c.crypto, x.receipt));
  const use = await tx.selectFrom("value_use").select("state").where("use_id", "=", id).executeTakeFirst();
  if (use !== undefined) return use.state === "finished";
  const terminal = await certificateFor(tx, newest.terminal);
  if (terminal !== undefined) return c.crypto.verify(terminal.decoded.signingKey, receiptToSign(x.receipt), x.proof);
  return (await tx.selectFrom("host_receipt").select("digest").where("value_id", "=", valueId).where("digest", "=", id).executeTakeFirst()) !== undefined;
}

/** It leaves the base where it was: the books may lack uses that terminals have not reported yet. */
function nextReceipt(c: Context, x: Settling, newest: Receipt | undefined, previous: Uint8Array): Receipt {
  const base = newest?.base;
  return {
    kind: receiptKind.host, terminal: new Uint8Array(8), tap: new Uint8Array(4), valueId: x.value, counter: (newest?.counter ?? 0) + 1, previous, action: action.pay, amount: x.amount,
    after: (newest?.after ?? 0) + x.amount, at: c.now(), quality: 3, until: 0, base: base ?? { counter: 0, spent: 0, day: Math.floor(c.now() / daySeconds) }, fold: undefined,
  };
}

function useOf(c: Context, p: ChargePaymentTable, receipt: Uint8Array, issuer: string, merchant: string, acknowledged: boolean): Use {
  const r = decodeReceipt(receipt)!;
  return {
    useId: toHex(digest16(c.crypto, receipt)), valueId: p.value_id!, counter: r.counter, previous: toHex(r.previous), terminal: payTerminal, tap: 0, merchant, issuer, amount: r.amount,
    before: r.after - r.amount, after: r.after, at: r.at, quality: r.quality, acknowledged, source: "journal", pay: { paymentId: p.payment_id, order: p.payment_id },
  };
}

/** The value's own key agreed: the money is paid, and the result may go to the terminal. */
export async function acknowledgeSettling(c: Context, tx: Tx, userId: string, x: SettleAcknowledged): Promise<SettleAnswer> {
  const p = await tx.selectFrom("charge_payment").selectAll().where("payment_id", "=", toHex(x.payment)).where("user_id", "=", userId).executeTakeFirst();
  if (p === undefined || p.receipt === null || p.value_id === null) return no(settleCode.not_yours);
  if (p.state === "settled") return await settledAnswer(c, tx, p);
  const receipt = new Uint8Array(p.receipt);
  const holder = await tx.selectFrom("issued").innerJoin("product", "product.product_id", "issued.product_id").select(["holder_key", "issuer_id"]).where("value_id", "=", p.value_id).executeTakeFirst();
  if (holder?.holder_key == null || !c.crypto.verify(fromHex(holder.holder_key), acknowledgementToSign(c.crypto, receipt), x.signature)) return no(settleCode.not_yours);
  const { merchant_id } = await tx.selectFrom("terminal").select("merchant_id").where("terminal_id", "=", p.terminal_id).executeTakeFirstOrThrow();
  const answer = await recordUse(tx, useOf(c, p, receipt, holder.issuer_id, merchant_id, true), recordingAt(c.now()));
  if (answer !== "posted" && answer !== "exists" && !(typeof answer === "object" && "case" in answer)) return no(settleCode.pending);
  await applyPayment(c, tx, p);
  return await settledAnswer(c, tx, p);
}
