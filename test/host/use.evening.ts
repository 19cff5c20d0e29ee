/** The evening of `money.md` §7 as actions that may be repeated and shuffled, and what runs them. */
import { inMemory, openDatabase, transact, type Database, type Tx } from "../../host/database.js";
import { finishSurrender, give, issue, pay, refund, settlePayment, settleRefund, surrender, type Issue } from "../../host/ledger-events.js";
import { closeThrough, handOver, recordUse, resolveCase, reverseUse, type Use } from "../../host/use.js";

export const recorded = { day: 1, at: 1000 };
export const when = { at: 900, quality: 2, recorded };
export type Action = (tx: Tx) => Promise<unknown>;

/** A finished use brought by its terminal; tests change what matters to them. */
export function use(useId: string, valueId: string, counter: number, previous: string, more: Partial<Use> = {}): Use {
  return {
    useId, valueId, counter, previous, terminal: "t-" + useId, tap: 5, merchant: "hall", issuer: "i", amount: 1, before: 0, after: 1,
    at: 900, quality: 2, acknowledged: true, source: "journal", ...more,
  };
}
export const used = (x: Use): Action => (tx) => recordUse(tx, x, recorded);
export const reversed = (x: Use): Action => (tx) => reverseUse(tx, { useId: x.useId, valueId: x.valueId, terminal: x.terminal, at: 950, quality: 2 }, recorded);
export const closed = (terminal: string, tap: number): Action => (tx) => closeThrough(tx, terminal, tap, recorded);

export const handedOver = (x: Use, terminal = x.terminal): Action => (tx) => handOver(tx, terminal, x.useId, recorded);

export const ticket = (valueId: string, from: string, more: Partial<Issue> = {}): Action => (tx) =>
  issue(tx, { valueId, code: "unearned", currency: "JPY", issuer: "i", price: 6000, uses: 1, merchantShare: 2000, from, ...more }, when);
export const card = (valueId: string, from: string, price: number): Action => ticket(valueId, from, { code: "prepaid", price, merchantShare: 10_000 });
export function paid(paymentId: string, order: string, amount: number): Action[] {
  return [
    (tx) => pay(tx, { paymentId, processor: "c", order, amount, currency: "JPY" }, when),
    (tx) => settlePayment(tx, paymentId, "post", recorded),
  ];
}

const u2 = use("u2", "T2", 1, "T2");
const p5 = use("p5", "C1", 1, "C1", { amount: 2000, after: 2000, pay: { paymentId: "p5", order: "o5" } });

export const evening: Action[] = [
  ...paid("p1", "o1", 12200),
  ticket("T1", "order/o1", { handling: { kind: "handling", amount: 182, tax: { authority: "jp", period: "q2", amount: 18 } } }),
  (tx) => give(tx, { giftId: "g1", order: "o1", amount: 6000, currency: "JPY" }, when), ticket("T2", "gift/g1"),
  ...paid("p2", "o2", 6000), ticket("T3", "order/o2"),
  ...paid("p3", "o3", 5000), card("C1", "order/o3", 5000),
  ...paid("p4", "o4", 3000), card("C2", "order/o4", 3000),
  used({ ...p5, acknowledged: false }), used(p5),
  ticket("K1", "order/o5", { price: 2000, uses: 3, merchantShare: 10_000 }),
  async (tx) => { const x = await surrender(tx, { valueId: "T3", n: 1, order: "o2" }, when); await finishSurrender(tx, "T3", recorded); return x; },
  (tx) => refund(tx, { refundId: "f1", order: "o2", amount: 5400, currency: "JPY", to: "processor/c/{d}", fee: { issuer: "i", amount: 600 } }, when),
  (tx) => settleRefund(tx, "f1", "post", recorded),
  used(use("u1", "T1", 1, "T1")), used(u2), reversed(u2), used(use("u3", "T2", 2, "u2")),
  used(use("u4", "C1", 2, "p5", { amount: 1330, before: 2000, after: 3330, merchant: "bar" })),
  used(use("u5", "K1", 1, "K1", { merchant: "bar" })),
  used(use("u6", "C2", 1, "C2", { amount: 1800, after: 1800, merchant: "bar" })),
  used(use("u7", "C2", 1, "C2", { amount: 2000, after: 2000 })),
  (tx) => resolveCase(tx, "C2-1", { merchant: true, bearer: "issuer/i/{d}" }, recorded),
];

/** Trial balance after the decision and before clearing, added up by hand from the table of §7. */
export const beforeClearing = new Map(Object.entries({
  "fee/handling/1": -182n, "issuer/i/1": -9400n, "merchant/bar/1": -3797n, "merchant/hall/1": -4400n, "prepaid/C1": -1670n,
  "processor/c/1": 20800n, "tax/jp/q2": -18n, "unearned/K1": -1333n,
}));

/** Runs each action in its own transaction; one that must wait for another is tried again later. An incident throws. */
export async function runAll(db: Database, actions: readonly Action[]): Promise<void> {
  let left = [...actions];
  while (left.length > 0) {
    const again: Action[] = [];
    for (const action of left) {
      const answer = await transact(db, action).catch((error: unknown) => error);
      const said = typeof answer === "object" && answer !== null ? answer : {};
      if ("incident" in said) throw new Error("incident " + String(said.incident));
      const waits = said instanceof Error || "refused" in said;
      if (waits) again.push(action);
    }
    if (again.length === left.length) throw new Error(`${again.length} actions wait for ever: ${await transact(db, again[0]!).catch(String)}`);
    left = again;
  }
}

export async function withBooks<T>(work: (db: Database) => Promise<T>): Promise<T> {
  const db = await openDatabase(inMemory);
  try {
    return await work(db);
  } finally {
    await db.destroy();
  }
}

/** mulberry32: the same seed gives the same order on every machine. */
export function random(seed: number): () => number {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

export function shuffle<T>(items: readonly T[], next: () => number): T[] {
  const all = [...items];
  for (let i = all.length - 1; i > 0; i--) {
    const j = Math.floor(next() * (i + 1));
    [all[i], all[j]] = [all[j]!, all[i]!];
  }
  return all;
}
