/**
 * The register `value_use`: what is known of each use, and who said it. A receipt's content is fixed by its id; facts about it
 * (the journal has it, the value's key agreed, who finished it) only add up.
 */
import type { Tx } from "./database.js";
import type { UseState, ValueUseTable } from "./schema.js";
import { statement } from "./statement.js";

export interface Use {
  /** First 16 bytes of SHA-256 of the receipt (one-way: of the beacon), hexadecimal. */
  useId: string;
  valueId: string; counter: number;
  /** Digest of the receipt before, like `useId`. */
  previous: string;
  terminal: string; tap: number; merchant: string; issuer: string;
  /** Minor units; what a prepaid value pays. */
  amount: number;
  /** Running totals around the use: units of the book for tickets and coupons, minor units for prepaid. */
  before: number; after: number;
  at: number; quality: number;
  acknowledged: boolean;
  /** Only the holder's word is not yet the journal's (decision 1). */
  source: "journal" | "courier" | "holder";
  /** The beacon's step: such a use stands outside the counter chain and has no acknowledgement. */
  oneWayStep?: number;
  /** A receipt that the host signed to pay an order (line 2); its set is `pay/{paymentId}`. */
  pay?: { paymentId: string; order: string };
  /** Receipt and acknowledgement, hexadecimal; kept for a case, never compared. */
  evidence?: string;
  /** Terminal whose journal brought it, when it is not the one that made the receipt. Never compared. */
  finisher?: string;
}

export interface Reversal { useId: string; valueId: string; terminal: string; at: number; quality: number }

export async function addUse(tx: Tx, use: Use, content: string): Promise<void> {
  await tx.insertInto("value_use").values({
    use_id: use.useId, value_id: use.valueId, counter: counterOf(use), digest: use.useId, previous: use.previous, content,
    terminal: use.terminal, tap: use.tap, state: "waiting", charged: 0, lapses: 0, case_id: null, evidence: use.evidence ?? null,
    set_id: use.pay === undefined ? "use/" + use.useId : "pay/" + use.pay.paymentId,
    journal: use.source === "holder" ? 0 : 1, acknowledged: Number(use.acknowledged), one_way: Number(use.oneWayStep !== undefined),
    finisher: finisherOf(use),
  }).execute();
}

export async function addFacts(tx: Tx, known: ValueUseTable, use: Use): Promise<void> {
  await tx.updateTable("value_use").set({
    journal: Math.max(known.journal, use.source === "holder" ? 0 : 1),
    acknowledged: Math.max(known.acknowledged, Number(use.acknowledged)),
    evidence: use.acknowledged ? use.evidence ?? known.evidence : known.evidence,
    finisher: known.finisher ?? finisherOf(use),
  }).where("use_id", "=", use.useId).execute();
}

const finisherOf = (use: Use) => (use.source === "holder" ? null : use.finisher ?? use.terminal);

export function addsFact(known: ValueUseTable, use: Use): boolean {
  return (use.source !== "holder" && known.journal === 0) || (use.acknowledged && known.acknowledged === 0);
}

/** What the receipt says, without who brought it. Fields in one order, so that equal receipts are equal texts. */
export function contentOf(use: Use): string {
  const { useId, valueId, counter, previous, terminal, tap, merchant, issuer, amount, before, after, at, quality, oneWayStep, pay } = use;
  return JSON.stringify({
    useId, valueId, counter, previous, terminal, tap, merchant, issuer, amount, before, after, at, quality, oneWayStep,
    pay: pay && { paymentId: pay.paymentId, order: pay.order },
  });
}

export const useOf = (use: ValueUseTable) => JSON.parse(use.content) as Omit<Use, "acknowledged" | "source">;
export const partiesOf = (use: ValueUseTable) => ({ merchant: useOf(use).merchant, issuer: useOf(use).issuer });
export const isProven = (use: ValueUseTable) => use.journal === 1 && (use.acknowledged === 1 || use.one_way === 1);

/** One-way uses are kept at the negative of their step, outside the chain. */
const counterOf = (use: Use) => (use.oneWayStep === undefined ? use.counter : -use.oneWayStep);

const useById = statement((tx, x: { id: string }) => tx.selectFrom("value_use").selectAll().where("use_id", "=", x.id));
const valueById = statement((tx, x: { id: string }) => tx.selectFrom("value").selectAll().where("value_id", "=", x.id));
const usesAt = statement((tx, x: { value: string; counter: number }) => tx.selectFrom("value_use").selectAll().where("value_id", "=", x.value).where("counter", "=", x.counter).orderBy("use_id"));
export const readUse = async (tx: Tx, useId: string) => (await useById(tx, { id: useId })).at(0);
export const readValue = async (tx: Tx, valueId: string) => (await valueById(tx, { id: valueId })).at(0);

export const atCounter = (tx: Tx, use: ValueUseTable, counter: number) =>
  usesAt(tx, { value: use.value_id, counter });

export const sameCounter = async (tx: Tx, use: ValueUseTable) => (await atCounter(tx, use, use.counter)).filter((x) => x.use_id !== use.use_id);

export async function closedAt(tx: Tx, terminal: string): Promise<number> {
  return (await tx.selectFrom("terminal_closed").select("tap").where("terminal", "=", terminal).executeTakeFirst())?.tap ?? -1;
}

/** True when the terminal that made this receipt gave the right to finish it away, whoever holds it now. */
export async function wasHandedOver(tx: Tx, use: ValueUseTable): Promise<boolean> {
  const row = await tx.selectFrom("handover").select("use_id").where("use_id", "=", use.use_id).where("terminal", "=", use.terminal).executeTakeFirst();
  return row !== undefined;
}

export async function setState(tx: Tx, use: ValueUseTable, state: UseState, charged: number): Promise<void> {
  await tx.updateTable("value_use").set({ state, charged }).where("use_id", "=", use.use_id).execute();
}
