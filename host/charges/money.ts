/**
 * What charges do to money (`money.md` §3 lines 27–30). Stated, they are a receivable of the user and owed to the merchant
 * once he pays (or at once, where the provider guarantees it); an allowance that was paid before takes them first. Settled, the
 * receivable is gone and the merchant has earned it. What is paid beyond what is owed becomes allowance: so a payment that
 * comes late, or twice by two ways, is never lost and never takes anything twice.
 */
import { nextNumber, recordingAt, type Context } from "../context.js";
import type { Tx } from "../database.js";
import { funds, post, type Transfer } from "../ledger.js";
import { toNumber } from "../money.js";
import type { TerminalRow } from "../terminals.js";
import type { ChargePaymentTable, MeterUserTable } from "./schema.js";
import { assert } from "../../protocol/assert.js";

export const receivableOf = (u: { terminal_id: string; user: string }): string => `receivable/${u.user}/${u.terminal_id}`;
export const allowanceOf = (u: { terminal_id: string; user: string }): string => `unearned/${u.terminal_id}-${u.user}`;

/** Lines 27, 30: records from `first` on are stated, and cost so much. */
export async function stateAmount(c: Context, tx: Tx, t: TerminalRow, u: MeterUserTable, first: number, amount: number): Promise<void> {
  const plan = await tx.selectFrom("meter_plan").selectAll().where("terminal_id", "=", t.terminal_id).executeTakeFirstOrThrow();
  const left = toNumber((await funds(tx, allowanceOf(u), plan.currency)).available);
  const consumed = Math.min(left, amount), owed = amount - consumed, earned = `merchant/${t.merchant_id}/{d}`;
  const rows: Transfer[] = [
    transfer(allowanceOf(u), earned, consumed, plan.currency),
    transfer(receivableOf(u), `accrued/${t.merchant_id}`, owed, plan.currency),
    transfer(`accrued/${t.merchant_id}`, earned, plan.guaranteed === 1 ? owed : 0, plan.currency),
  ].filter((x) => x.amount > 0);
  const recorded = recordingAt(c.now());
  const answer = await post(tx, {
    setId: `stated/${u.terminal_id}/${u.user}/${first}`, kind: "stated", event: { merchant: t.merchant_id, terminal: t.terminal_id, sequence: first }, at: u.read_at, quality: u.read_quality,
    recorded, transfers: rows,
  });
  assert(answer === "posted", "records are stated once: " + first);
  if (owed > 0) await tx.insertInto("charge").values({ terminal_id: u.terminal_id, user: u.user, first, last: u.stated, amount: owed, account: receivableOf(u), guaranteed: plan.guaranteed, settled: 0 }).execute();
  await moveThrough(c, tx, u);
}

const transfer = (debit: string, credit: string, amount: number, currency: string): Transfer => ({ debit, credit, amount, currency, phase: "posted" });

/** Charges that are not settled, oldest first. */
export const openCharges = (tx: Tx, u: { terminal_id: string; user: string }) =>
  tx.selectFrom("charge").selectAll().where("terminal_id", "=", u.terminal_id).where("user", "=", u.user).where("settled", "=", 0).orderBy("first").execute();

/**
 * Line 28: this payment's money stands on its order, and pays what it can, oldest first; the rest is allowance. Then the
 * terminal has a new result to hear of.
 */
export async function applyPayment(c: Context, tx: Tx, p: ChargePaymentTable): Promise<void> {
  const order = "order/" + p.payment_id;
  const left = await settleFrom(c, tx, p, order, p.amount);
  if (left > 0) await move(c, tx, "credit", p.payment_id, p, [transfer(order, allowanceOf(p), left, p.currency)]);
  await tx.updateTable("meter_user").set((e) => ({ paid: e("paid", "+", p.amount) })).where("terminal_id", "=", p.terminal_id).where("user", "=", p.user).execute();
  await tx.updateTable("charge_payment").set({ state: "settled" }).where("payment_id", "=", p.payment_id).execute();
  const { available } = await funds(tx, allowanceOf(p), p.currency);
  await settleFrom(c, tx, p, allowanceOf(p), toNumber(available));
  await moveThrough(c, tx, p, true);
}

/** Settles whole charges, oldest first, from an account that holds so much; answers what is left of it. */
async function settleFrom(c: Context, tx: Tx, u: { terminal_id: string; user: string; currency: string }, from: string, amount: number): Promise<number> {
  const { merchant_id } = await tx.selectFrom("terminal").select("merchant_id").where("terminal_id", "=", u.terminal_id).executeTakeFirstOrThrow();
  let left = amount;
  for (const charge of await openCharges(tx, u)) {
    if (charge.amount > left) break;
    const rows = [transfer(from, charge.account, charge.amount, u.currency)];
    if (charge.guaranteed === 0) rows.push(transfer(`accrued/${merchant_id}`, `merchant/${merchant_id}/{d}`, charge.amount, u.currency));
    await move(c, tx, "settle", `${u.terminal_id}/${u.user}/${charge.first}`, u, rows, merchant_id);
    await tx.updateTable("charge").set({ settled: 1 }).where("terminal_id", "=", u.terminal_id).where("user", "=", u.user).where("first", "=", charge.first).execute();
    left -= charge.amount;
  }
  return left;
}

async function move(c: Context, tx: Tx, kind: string, id: string, u: { terminal_id: string }, transfers: Transfer[], merchant?: string): Promise<void> {
  const recorded = recordingAt(c.now());
  const answer = await post(tx, { setId: `${kind}/${id}`, kind, event: { terminal: u.terminal_id, ...(merchant !== undefined && { merchant }) }, at: recorded.at, quality: 3, recorded, transfers });
  assert(answer === "posted", "a charge is settled once, from money that is there: " + id);
}

/** Settled through the record before the oldest open charge; a result that says something new has a new number. */
async function moveThrough(c: Context, tx: Tx, u: { terminal_id: string; user: string }, paid = false): Promise<void> {
  const now = await tx.selectFrom("meter_user").select(["stated", "settled"]).where("terminal_id", "=", u.terminal_id).where("user", "=", u.user).executeTakeFirstOrThrow();
  const open = (await openCharges(tx, u))[0];
  const settled = open === undefined ? now.stated : open.first - 1;
  if (settled <= now.settled && !paid) return;
  const isNews = paid || (await hasAllowance(tx, u));
  await tx.updateTable("meter_user").set({ settled: Math.max(now.settled, settled), ...(isNews && { number: await nextNumber(tx, "result") }) }).where("terminal_id", "=", u.terminal_id).where("user", "=", u.user).execute();
}
/** Records that cost nothing are settled as they are stated; nobody has to be told. */
async function hasAllowance(tx: Tx, u: { terminal_id: string; user: string }): Promise<boolean> {
  return (await tx.selectFrom("transfer").select("transfer_id").where("debit", "=", allowanceOf(u)).limit(1).executeTakeFirst()) !== undefined;
}
