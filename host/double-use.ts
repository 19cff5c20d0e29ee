/**
 * Double-use cases (`money.md` §3 line 33, §5): two proven receipts of one counter, or one-way uses beyond what the value
 * held. Both receipts are the evidence; an operator decides who bears what the value does not cover.
 */
import { assert } from "../protocol/assert.js";
import type { Tx } from "./database.js";
import { post, resolution, type Posted, type Recording } from "./ledger.js";
import type { ValueUseTable } from "./schema.js";
import { atCounter, isProven, sameCounter } from "./use-register.js";

/**
 * Decides a double-use case (line 33). For the merchant: what is pending posts and the bearer, `issuer/{i}/{d}` or
 * `loss/{kind}`, pays it at once. Against: it is voided.
 */
export async function resolveCase(
  tx: Tx, caseId: string, decision: { merchant: true; bearer: string } | { merchant: false }, recorded: Recording,
): Promise<Posted> {
  const opened = await tx.selectFrom("double_use_case").selectAll().where("case_id", "=", caseId).executeTakeFirst();
  assert(opened !== undefined, "a case that is decided was opened: " + caseId);
  const account = "dispute/" + caseId;
  const held = await tx.selectFrom("held").selectAll().where("debit", "=", account).orderBy("transfer_id").execute();
  const transfers = held.map((x) => resolution(x, decision.merchant ? "post" : "void"));
  const total = held.reduce((sum, x) => sum + x.amount, 0);
  if (decision.merchant && total > 0) {
    transfers.push({ debit: decision.bearer, credit: account, amount: total, currency: held[0]!.currency, phase: "posted" });
  }
  const answer = await post(tx, {
    setId: "resolve/" + caseId, kind: "resolve", event: { value: opened.value_id }, at: recorded.at, quality: 3, recorded: recorded,
    transfers, content: JSON.stringify(decision),
  });
  if (answer !== "posted") return answer;
  await tx.updateTable("double_use_case").set({ decided: decision.merchant ? decision.bearer : "merchant" }).where("case_id", "=", caseId).execute();
  await tx.updateTable("subject").set({ ended: 1 }).where("account", "=", account).execute();
  return answer;
}

/** Opens a case when another proven receipt has this counter, or a neighbour in the chain names another receipt. */
export async function openIfDouble(tx: Tx, use: ValueUseTable, recorded: Recording): Promise<string | undefined> {
  const twin = (await sameCounter(tx, use)).find(isProven);
  if (twin !== undefined) return await openCase(tx, twin, use, recorded);
  if (use.one_way === 1) return undefined;
  const before = (await atCounter(tx, use, use.counter - 1)).filter(isProven);
  if (before.length > 0 && before.every((x) => x.digest !== use.previous)) return await openCase(tx, before[0]!, use, recorded);
  const stranger = (await atCounter(tx, use, use.counter + 1)).filter(isProven).find((x) => x.previous !== use.digest);
  return stranger === undefined ? undefined : await openCase(tx, stranger, use, recorded);
}

/** One-way uses have no chain that could show a fork: what they take beyond the value is a double use by itself. */
export async function openIfSpent(tx: Tx, use: ValueUseTable, recorded: Recording): Promise<string | undefined> {
  const finished = await tx.selectFrom("value_use").selectAll().where("value_id", "=", use.value_id).where("state", "=", "finished").where("use_id", "!=", use.use_id)
    .orderBy("one_way", "desc").orderBy("counter", "desc").limit(1).executeTakeFirst();
  return finished === undefined || (use.one_way === 0 && finished.one_way === 0) ? undefined : await openCase(tx, finished, use, recorded);
}

export async function openCase(tx: Tx, first: ValueUseTable, second: ValueUseTable, recorded: Recording): Promise<string> {
  const plain = `${second.value_id}-${second.counter}`;
  const known = await tx.selectFrom("double_use_case").select("decided").where("case_id", "=", plain).executeTakeFirst();
  const caseId = known === undefined || known.decided === null ? plain : `${plain}-${second.use_id}`;
  await tx.insertInto("double_use_case").values({
    case_id: caseId, value_id: second.value_id, counter: second.counter, first_use: first.use_id, second_use: second.use_id,
    first_evidence: first.evidence, second_evidence: second.evidence, opened_at: recorded.at, decided: null,
  }).onConflict((c) => c.doNothing()).execute();
  await tx.insertInto("subject").values({ account: "dispute/" + caseId, kind: "case" }).onConflict((c) => c.doNothing()).execute();
  await tx.updateTable("value").set({ suspended: 1 }).where("value_id", "=", second.value_id).execute();
  await tx.updateTable("value_use").set({ case_id: caseId }).where("use_id", "in", [first.use_id, second.use_id]).execute();
  return caseId;
}
