/**
 * What a use does to money (`money.md` §3 lines 2, 20–26, 33; `tap.md` §4; decision 1).
 *
 * A use is *proven* when its terminal's journal has it and the value's key acknowledged it; who carried either does not
 * matter. Proven uses post, others reserve. Records come late, twice and in any order, so each arrival only adds a fact
 * to the register `value_use`, and `settle` moves the books to what the facts now say. A use that has no money yet, for
 * its payment or an earlier reversal is still under way, waits and is tried again with the next arrival for its value.
 *
 * Two proven receipts of one counter open a double-use case. The first to arrive is regular; the other is charged to the
 * value as far as it goes, and only what exceeds it stays pending against `dispute/{case}`.
 */
import { sql } from "kysely";
import { assert } from "../protocol/assert.js";
import type { Tx } from "./database.js";
import {
  funds, pendingOf, post, resolution, resolve, transfersOf, type Incident, type Posted, type Recording, type Transfer,
} from "./ledger.js";
import { openCase, openIfDouble, openIfSpent } from "./double-use.js";
import { round, toNumber } from "./money.js";
import type { IntakeTable, TransferSetTable, TransferTable, UseState, Value, ValueUseTable } from "./schema.js";
import {
  addFacts, addsFact, addUse, closedAt, contentOf, isProven, partiesOf, readUse, readValue, sameCounter, setState, useOf, wasHandedOver, type Reversal, type Use,
} from "./use-register.js";

export { resolveCase } from "./double-use.js";
export type { Reversal, Use } from "./use-register.js";

/** `unfinishedDaysMax` of line 23: longer than any receipt may be resumed (`limits.resumeSecondsMax`) and its record be carried. */
const unfinishedSeconds = 60 * 86_400;
/** So that no arrival waits for a great many. */
const expiredAtOnce = 100;

/** `lapsed`: given up for now, a later proof still counts. `case`: charged, and a double-use case is open. */
export type UseAnswer = "posted" | "pending" | "lapsed" | "exists" | { waits: "value" | "funds" | "use" | "case" } | { case: string } | Incident;

/** Takes in one record of a use, by whatever road it came. Errors are incidents; running it again changes nothing. */
export async function recordUse(tx: Tx, use: Use, recorded: Recording): Promise<UseAnswer> {
  const content = contentOf(use);
  const known = await readUse(tx, use.useId);
  if (known !== undefined && known.content !== content) return { incident: "use/" + use.useId };
  const value = await readValue(tx, use.valueId);
  if (value === undefined) return await waitForValue(tx, use, recorded);
  if (known !== undefined && !addsFact(known, use)) return "exists";
  if (known === undefined) await addUse(tx, use, content);
  else await addFacts(tx, known, use);
  const answer = await settle(tx, (await readUse(tx, use.useId))!, value, recorded);
  await retryWaiting(tx, use.valueId, recorded);
  return answer;
}

/** Undoes one use, whatever became of it, by its terminal's signed reversal (line 26). Waits for a use not seen yet. */
export async function reverseUse(tx: Tx, reversal: Reversal, recorded: Recording): Promise<UseAnswer> {
  const use = await readUse(tx, reversal.useId);
  if (use === undefined || !isReversible(use, reversal)) return await wait(tx, "reverse", `${reversal.useId}/${reversal.terminal}`, reversal.valueId, "use", reversal, recorded);
  if (use.value_id !== reversal.valueId || (use.terminal !== reversal.terminal && use.finisher !== reversal.terminal)) return { incident: "reverse/" + reversal.useId };
  const rows = await transfersOf(tx, use.set_id);
  const ends = await resolutionsOf(tx, rows);
  if (rows.some((x) => isDispute(x) && ends.get(x.transfer_id)?.phase === "post")) return { waits: "case" };
  const answer = await post(tx, {
    setId: "reverse/" + use.use_id, kind: "reverse", event: { value: use.value_id, terminal: use.terminal, sequence: use.tap, ...partiesOf(use) },
    corrects: use.set_id, at: reversal.at, quality: reversal.quality, recorded, content: JSON.stringify(reversal.useId),
    transfers: rows.flatMap((x) => undo(x, ends.get(x.transfer_id))),
  });
  if (answer === "exists") return "exists";
  if (answer !== "posted") return asIncident(answer, "reverse/" + use.use_id);
  await setState(tx, use, "reversed", use.charged);
  await extendSurrender(tx, use.value_id, recorded);
  await retryWaiting(tx, use.value_id, recorded);
  return "posted";
}

/**
 * The terminal says that every tap number up to this one is closed. What a holder brought and its journal lacks will
 * never be finished there: its reservation is voided. Returns the ids of those uses. A receipt that it handed over is not
 * its to close: whoever has it may still finish it, also the maker again, and that ends with the time (`expireUnfinished`).
 */
export async function closeThrough(tx: Tx, terminal: string, tap: number, recorded: Recording): Promise<string[]> {
  await tx.insertInto("terminal_closed").values({ terminal, tap })
    .onConflict((c) => c.column("terminal").doUpdateSet({ tap }).where("terminal_closed.tap", "<", tap)).execute();
  const open = await tx.selectFrom("value_use").selectAll().where("terminal", "=", terminal).where("tap", "<=", tap)
    .where("state", "in", ["pending", "waiting"]).where("journal", "=", 0)
    .where((w) => w.not(w.exists(w.selectFrom("handover").select("handover.use_id").whereRef("handover.use_id", "=", "value_use.use_id").where("handover.terminal", "=", terminal)))).execute();
  for (const use of open) await lapse(tx, use, "void", recorded);
  for (const value of new Set(open.map((x) => x.value_id))) await retryWaiting(tx, value, recorded);
  return open.map((x) => x.use_id);
}

/**
 * The terminal gave the right to finish this receipt away (`tap.md` §4). Only the maker's word counts: it takes from its own
 * `closed` the power to undo the receipt. When `closed` was heard first, what it voided is reserved again.
 */
export async function handOver(tx: Tx, terminal: string, useId: string, recorded: Recording): Promise<void> {
  await tx.insertInto("handover").values({ use_id: useId, terminal }).onConflict((c) => c.doNothing()).execute();
  const use = await readUse(tx, useId);
  if (use?.state !== "lapsed" || use.terminal !== terminal || use.journal === 1 || (await isOverdue(tx, use, recorded))) return;
  await setState(tx, use, "waiting", 0);
  await retryWaiting(tx, use.value_id, recorded);
}

/** Receipts without a proof after `unfinishedDaysMax` (line 23): as many as one arrival should pay for. Returns their ids. */
export async function expireUnfinished(tx: Tx, recorded: Recording): Promise<string[]> {
  const old = await tx.selectFrom("value_use").innerJoin("transfer_set", (on) => on.on("transfer_set.set_id", "=", sql<string>`'use/' || value_use.use_id`)).select("use_id")
    .where("state", "=", "pending").where("transfer_set.recorded_at", "<", recorded.at - unfinishedSeconds).orderBy("use_id").limit(expiredAtOnce).execute();
  for (const { use_id } of old) await expireUse(tx, use_id, recorded);
  return old.map((x) => x.use_id);
}
async function isOverdue(tx: Tx, use: ValueUseTable, recorded: Recording): Promise<boolean> {
  const first = await tx.selectFrom("transfer_set").select("recorded_at").where("set_id", "=", "use/" + use.use_id).executeTakeFirst();
  return first !== undefined && first.recorded_at < recorded.at - unfinishedSeconds;
}

/** Ends the reservation of a receipt that nobody acknowledged within `unfinishedDaysMax` (line 23). */
export async function expireUse(tx: Tx, useId: string, recorded: Recording): Promise<UseAnswer> {
  const use = await readUse(tx, useId);
  if (use?.state !== "pending") return "exists";
  await lapse(tx, use, "expire", recorded);
  await retryWaiting(tx, use.value_id, recorded);
  return "lapsed";
}

/** A use by a copy that a former holder kept (`money.md` §5): a case by itself, whatever its counter. */
export async function openSuperseded(tx: Tx, useId: string, recorded: Recording): Promise<void> {
  const use = await readUse(tx, useId);
  if (use === undefined || use.case_id !== null) return;
  await openCase(tx, use, use, recorded);
  await retryWaiting(tx, use.value_id, recorded);
}

/** Gives up a reservation at once: a payment of an order that nobody acknowledged and that was cancelled (line 16). */
export async function voidUse(tx: Tx, useId: string, recorded: Recording): Promise<void> {
  const use = await readUse(tx, useId);
  if (use?.state !== "pending" && use?.state !== "waiting") return;
  await lapse(tx, use, "void", recorded);
  await retryWaiting(tx, use.value_id, recorded);
}

/** Everything that waits for this value, tried again until nothing moves: called whenever a fact about it arrives. */
export async function retryWaiting(tx: Tx, valueId: string, recorded: Recording): Promise<void> {
  for (let moved = true; moved;) {
    moved = await retryIntake(tx, valueId, recorded);
    const value = await readValue(tx, valueId);
    if (value === undefined) return;
    const waiting = await tx.selectFrom("value_use").selectAll().where("value_id", "=", valueId).where("state", "=", "waiting").orderBy("counter").orderBy("use_id").execute();
    for (const use of waiting) {
      const answer = await settle(tx, use, (await readValue(tx, valueId))!, recorded);
      if (typeof answer === "string" || "case" in answer) moved = true;
    }
  }
}

/** Moves the books to what is known about this use. */
async function settle(tx: Tx, use: ValueUseTable, value: Value, recorded: Recording): Promise<UseAnswer> {
  switch (use.state) {
    case "finished": case "reversed": return "exists";
    case "lapsed": return isProven(use) ? await charge(tx, use, value, recorded) : "lapsed";
    case "pending": return isProven(use) ? await finish(tx, use, recorded) : "pending";
    case "waiting": return isProven(use) ? await charge(tx, use, value, recorded) : await reserve(tx, use, value, recorded);
  }
}

/** Reserves what an unproven use would cost, unless its counter is taken or its terminal closed without it. */
async function reserve(tx: Tx, use: ValueUseTable, value: Value, recorded: Recording): Promise<UseAnswer> {
  const taken = (await sameCounter(tx, use)).some(isProven);
  if (taken || (use.journal === 0 && use.tap <= await closedAt(tx, use.terminal) && !(await wasHandedOver(tx, use)))) {
    await setState(tx, use, "lapsed", 0);
    return "lapsed";
  }
  return withRoom(tx, value, recorded, async (available) => {
    const due = shares(value, use);
    if (available < due.merchant + due.issuer) return { waits: "funds" };
    return await postUse(tx, use, rows(value, use, due, "pending"), "pending", due.merchant + due.issuer, recorded);
  });
}

/** The proof of a reserved use has come: what was reserved posts. */
async function finish(tx: Tx, use: ValueUseTable, recorded: Recording): Promise<UseAnswer> {
  const double = await openIfDouble(tx, use, recorded);
  const answer = (await pendingOf(tx, use.set_id)).length === 0 ? "posted" : await resolve(tx, use.set_id, "post", recorded);
  if (answer !== "posted") return asIncident(answer, use.set_id);
  await setState(tx, use, "finished", use.charged);
  return double === undefined ? "posted" : { case: double };
}

/** Charges a proven use: in full if the value holds it; as far as it goes if the value is suspended; else it waits. */
async function charge(tx: Tx, use: ValueUseTable, value: Value, recorded: Recording): Promise<UseAnswer> {
  const others = await sameCounter(tx, use);
  for (const x of others) if (!isProven(x) && (x.state === "pending" || x.state === "waiting")) await lapse(tx, x, "void", recorded);
  const double = await openIfDouble(tx, use, recorded);
  const suspended = double !== undefined || value.suspended === 1;
  return await withRoom(tx, value, recorded, async (available) => {
    const due = shares(value, use);
    if (others.some((x) => x.state === "finished" || x.state === "reversed")) due.issuer = 0;
    const total = due.merchant + due.issuer;
    if (available >= total) {
      const answer = await postUse(tx, use, rows(value, use, due, "posted"), "finished", total, recorded);
      return answer === "posted" && double !== undefined ? { case: double } : answer;
    }
    const spent = double ?? (await openIfSpent(tx, use, recorded));
    if (!suspended && spent === undefined) return { waits: "funds" };
    return await chargeRest(tx, use, value, due, available, spent, recorded);
  });
}

/** What is left of the value goes to the merchant first; what the merchant is short of stays pending in the case. */
async function chargeRest(
  tx: Tx, use: ValueUseTable, value: Value, due: Shares, left: number, double: string | undefined, recorded: Recording,
): Promise<UseAnswer> {
  const caseId = double ?? await openCase(tx, use, use, recorded);
  const merchant = Math.min(due.merchant, left), issuer = Math.min(due.issuer, left - merchant);
  const transfers = rows(value, use, { merchant, issuer }, "posted");
  const short = due.merchant - merchant;
  if (short > 0) transfers.push({ debit: "dispute/" + caseId, credit: payee(use), amount: short, currency: value.currency, phase: "pending" });
  const answer = await postUse(tx, use, transfers, "finished", merchant + issuer, recorded);
  return answer === "posted" ? { case: caseId } : answer;
}

/**
 * Runs `work` with what the value can pay now. A surrender that still waits for its horizon gives way: it is voided, and
 * what the use leaves is reserved for it again, in the same commit (line 18).
 */
async function withRoom(tx: Tx, value: Value, recorded: Recording, work: (available: number) => Promise<UseAnswer>): Promise<UseAnswer> {
  const open = await openSurrender(tx, value.value_id);
  if (open !== undefined) await voidHeld(tx, open.set_id, recorded);
  const { available } = await funds(tx, `${value.code}/${value.value_id}`, value.currency);
  const answer = await work(toNumber(available));
  if (open !== undefined) await surrenderRest(tx, value, open, recorded);
  return answer;
}

/** Money came back to the value: if its holder has surrendered it, that is reserved, too. */
async function extendSurrender(tx: Tx, valueId: string, recorded: Recording): Promise<void> {
  const open = await openSurrender(tx, valueId);
  const value = await readValue(tx, valueId);
  if (open === undefined || value === undefined) return;
  await voidHeld(tx, open.set_id, recorded);
  await surrenderRest(tx, value, open, recorded);
}

/** The newest surrender of this value, unless its horizon has passed. */
async function openSurrender(tx: Tx, valueId: string): Promise<TransferSetTable | undefined> {
  const sets = await tx.selectFrom("transfer_set").selectAll().where("value_id", "=", valueId).where("kind", "=", "surrender").execute();
  if (sets.some((x) => x.set_id.endsWith("/post"))) return undefined;
  const number = (x: TransferSetTable) => Number(x.set_id.split("/")[2]);
  return sets.filter((x) => x.set_id.split("/").length === 3).sort((a, b) => number(b) - number(a))[0];
}

async function voidHeld(tx: Tx, setId: string, recorded: Recording): Promise<void> {
  if ((await pendingOf(tx, setId)).length > 0) await resolve(tx, setId, "void", recorded);
}

async function surrenderRest(tx: Tx, value: Value, before: TransferSetTable, recorded: Recording): Promise<void> {
  const debit = `${value.code}/${value.value_id}`, order = before.order_id!, currency = value.currency;
  const left = toNumber((await funds(tx, debit, currency)).available);
  const [kind, id, n] = before.set_id.split("/");
  const answer = await post(tx, {
    setId: `${kind}/${id}/${Number(n) + 1}`, kind: "surrender", event: { value: value.value_id, order }, corrects: before.set_id,
    at: before.at, quality: before.quality, recorded,
    transfers: left === 0 ? [] : [{ debit, credit: "refund/" + order, amount: left, currency, phase: "pending" }],
  });
  assert(answer === "posted", "the rest of a surrender is reserved again: " + before.set_id);
}

interface Shares { merchant: number; issuer: number }

/** Who earns what: each party's part is the difference of two rounded cumulative amounts (§1.11). */
function shares(value: Value, use: ValueUseTable): Shares {
  const { amount, before, after } = useOf(use);
  if (value.code === "prepaid") return { merchant: amount, issuer: 0 };
  const until = (units: number) => round(value.price, units, value.uses);
  const merchantUntil = (units: number) => round(until(units), value.merchant_share, 10_000);
  const merchant = merchantUntil(after) - merchantUntil(before);
  return { merchant, issuer: until(after) - until(before) - merchant };
}

function rows(value: Value, use: ValueUseTable, due: Shares, phase: "posted" | "pending"): Transfer[] {
  const debit = `${value.code}/${value.value_id}`, currency = value.currency;
  const all: Transfer[] = [
    { debit, credit: `issuer/${useOf(use).issuer}/{d}`, amount: due.issuer, currency, phase },
    { debit, credit: payee(use), amount: due.merchant, currency, phase },
  ];
  return all.filter((x) => x.amount > 0);
}

function payee(use: ValueUseTable): string {
  const { pay, merchant } = useOf(use);
  return pay === undefined ? `merchant/${merchant}/{d}` : `order/${pay.order}`;
}

async function postUse(tx: Tx, use: ValueUseTable, transfers: Transfer[], state: UseState, charged: number, recorded: Recording): Promise<UseAnswer> {
  const { pay, at, quality } = useOf(use);
  const first = pay === undefined ? "use/" + use.use_id : "pay/" + pay.paymentId;
  const setId = use.lapses === 0 ? first : `${first}/late/${use.lapses}`;
  const answer = await post(tx, {
    setId, kind: pay === undefined ? "use" : "pay", at, quality, recorded, transfers, content: use.content,
    event: { ...partiesOf(use), value: use.value_id, terminal: use.terminal, sequence: use.tap, ...(pay && { order: pay.order }) },
  });
  if (answer !== "posted") return asIncident(answer, setId);
  await tx.updateTable("value_use").set({ state, charged, set_id: setId }).where("use_id", "=", use.use_id).execute();
  return state === "pending" ? "pending" : "posted";
}

/** Gives up what a use reserved, if anything; a later proof charges it under a new set. */
async function lapse(tx: Tx, use: ValueUseTable, phase: "void" | "expire", recorded: Recording): Promise<void> {
  if (use.state === "pending" && (await pendingOf(tx, use.set_id)).length > 0) await resolve(tx, use.set_id, phase, recorded);
  await tx.updateTable("value_use").set({ state: "lapsed", charged: 0, lapses: use.lapses + 1 }).where("use_id", "=", use.use_id).execute();
  await extendSurrender(tx, use.value_id, recorded);
}

/** What a reversal does to one row: posted money goes back, from today's accounts; a reservation is voided. */
function undo(x: TransferTable, end: TransferTable | undefined): Transfer[] {
  if (x.phase === "posted") return [swapped(x, x.amount)];
  if (end === undefined) return [resolution(x, "void")];
  return end.phase === "post" ? [swapped(x, end.amount)] : [];
}

function swapped(x: TransferTable, amount: number): Transfer {
  return { debit: x.credit.replace(/^((?:merchant|issuer)\/.*)\/\d+$/, "$1/{d}"), credit: x.debit, amount, currency: x.currency, phase: "posted" };
}

async function resolutionsOf(tx: Tx, found: TransferTable[]): Promise<Map<string | null, TransferTable>> {
  if (found.length === 0) return new Map();
  const ends = await tx.selectFrom("transfer").selectAll().where("resolves", "in", found.map((x) => x.transfer_id)).execute();
  return new Map(ends.map((x) => [x.resolves, x]));
}

/** A use of a value that is not issued yet waits; each bringer's record by itself, since each may hold another fact. */
async function waitForValue(tx: Tx, use: Use, recorded: Recording): Promise<UseAnswer> {
  const waiting = await tx.selectFrom("intake").selectAll().where("value_id", "=", use.valueId).where("kind", "=", "use").execute();
  const same = waiting.map((x) => JSON.parse(x.content) as Use).find((x) => x.useId === use.useId);
  if (same !== undefined && contentOf(same) !== contentOf(use)) return { incident: "use/" + use.useId };
  const record = `${use.useId}/${use.source === "holder" ? "holder" : "journal"}/${Number(use.acknowledged)}`;
  return await wait(tx, "use", record, use.valueId, "value", use, recorded);
}

async function wait(
  tx: Tx, kind: "use" | "reverse", id: string, valueId: string, waitsFor: "value" | "use", content: Use | Reversal, recorded: Recording,
): Promise<UseAnswer> {
  await tx.insertInto("intake").values({
    record_id: `${kind}/${id}`, kind, value_id: valueId, waits_for: waitsFor, content: JSON.stringify(content), recorded_at: recorded.at,
  }).onConflict((c) => c.doNothing()).execute();
  return { waits: waitsFor };
}

/** Takes up records of the intake whose value or use has come. True when one of them did something. */
async function retryIntake(tx: Tx, valueId: string, recorded: Recording): Promise<boolean> {
  const records = await tx.selectFrom("intake").selectAll().where("value_id", "=", valueId).orderBy("kind", "desc").execute();
  for (const x of records) {
    if (!(await isReady(tx, valueId, x))) continue;
    await tx.deleteFrom("intake").where("record_id", "=", x.record_id).execute();
    if (x.kind === "use") await recordUse(tx, JSON.parse(x.content) as Use, recorded);
    else await reverseUse(tx, JSON.parse(x.content) as Reversal, recorded);
    return true;
  }
  return false;
}

async function isReady(tx: Tx, valueId: string, x: IntakeTable): Promise<boolean> {
  if (x.kind === "use") return (await readValue(tx, valueId)) !== undefined;
  const reversal = JSON.parse(x.content) as Reversal;
  const use = await readUse(tx, reversal.useId);
  return use !== undefined && isReversible(use, reversal);
}

/** By the terminal that made the receipt at once; by another only when it is known who finished it. */
const isReversible = (use: ValueUseTable, reversal: Reversal) => use.terminal === reversal.terminal || use.finisher !== null;

const isDispute = (x: TransferTable) => x.debit.startsWith("dispute/");

function asIncident(answer: Posted, setId: string): Incident {
  return typeof answer === "object" && "incident" in answer ? answer : { incident: setId };
}
