/**
 * Row 48 of the fault table on one database that two workers share: the same event, contradicting events and events that
 * draw on the same money are taken by both at once, the second beginning at every step of the first. One of them is first,
 * and the books are as if the other had come afterwards (I1, I4).
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sql } from "kysely";
import { openDatabase, transact, type Database } from "../../../host/database.js";
import { checkBooks } from "../../../host/invariants.js";
import { funds, post, type TransferSet } from "../../../host/ledger.js";
import { card, closed, paid, reversed, use, used, when, type Action } from "../../host/use.evening.js";
import { violation } from "../violation.js";

export interface Found { points: number; faults: Record<string, number>; violations: string[] }
export interface Options { /** Only each so-many-th beginning of the second worker, when above 1. */ damage: number; progress?: (done: number, of: number) => void }

/** Two actions at once on what was before; both answers, in any order, and what the account then holds. */
interface Race { name: string; before: Action[]; one: Action; two: Action; answers: readonly string[]; account: string; owed: bigint }

const draw = (setId: string, order: string, amount: number): Action => (tx) => {
  const set: TransferSet = { setId, kind: "issue", event: {}, ...when, transfers: [{ debit: `order/${order}`, credit: `refund/${order}`, amount, currency: "JPY", phase: "posted" }] };
  return post(tx, set);
};
/** Names are new for each point, so that one database does for all. */
function races(n: string): Race[] {
  const use1 = use(`u${n}`, `V${n}`, 1, `V${n}`, { amount: 150, after: 150, terminal: `t${n}` });
  const loaded = [...paid(`p${n}`, `o${n}`, 1000), card(`V${n}`, `order/o${n}`, 1000)];
  return [
    { name: "two draw on money that is there for one", before: paid(`p${n}`, `o${n}`, 1000), one: draw(`a${n}`, `o${n}`, 700), two: draw(`b${n}`, `o${n}`, 700), answers: ["insufficient", "posted"], account: `order/o${n}`, owed: 300n },
    { name: "one event, twice", before: paid(`p${n}`, `o${n}`, 1000), one: draw(`a${n}`, `o${n}`, 300), two: draw(`a${n}`, `o${n}`, 300), answers: ["exists", "posted"], account: `order/o${n}`, owed: 700n },
    { name: "one id, two contents", before: paid(`p${n}`, `o${n}`, 1000), one: draw(`a${n}`, `o${n}`, 300), two: draw(`a${n}`, `o${n}`, 301), answers: ["incident", "posted"], account: `refund/o${n}`, owed: -1n },
    { name: "one use, brought twice", before: loaded, one: used(use1), two: used(use1), answers: ["exists", "posted"], account: `prepaid/V${n}`, owed: 850n },
    { name: "a use, and its proof by another road", before: loaded, one: used({ ...use1, source: "holder" }), two: used({ ...use1, acknowledged: false }), answers: [], account: `prepaid/V${n}`, owed: 850n },
    { name: "a use, and its reversal", before: loaded, one: used(use1), two: reversed(use1), answers: [], account: `prepaid/V${n}`, owed: 1000n },
    { name: "a holder's word, and that its terminal closed without it", before: loaded, one: used({ ...use1, source: "holder" }), two: closed(`t${n}`, 9), answers: [], account: `prepaid/V${n}`, owed: 1000n },
  ];
}

const said = (answer: unknown): string => {
  if (typeof answer === "string") return answer;
  const x = answer as { refused?: string };
  return x.refused ?? Object.keys((answer ?? {}) as object)[0] ?? "nothing";
};

/** So many turns of the promise queue later. */
async function later(turns: number): Promise<void> {
  for (let i = 0; i < turns; i++) await Promise.resolve();
}

async function race(dbs: readonly Database[], r: Race, turns: number): Promise<{ wrong: string | undefined; isOver: boolean }> {
  for (const action of r.before) await transact(dbs[0]!, action);
  let done = false;
  const first = transact(dbs[0]!, r.one).finally(() => { done = true; });
  const second = later(turns).then(async () => { const isOver = done; return { isOver, answer: await transact(dbs[1]!, r.two) }; });
  const [a, b] = await Promise.allSettled([first, second]);
  const isOver = b.status === "fulfilled" && b.value.isOver;
  if (a.status === "rejected" || b.status === "rejected") return { wrong: `I10 a worker threw ${String(a.status === "rejected" ? a.reason : (b as PromiseRejectedResult).reason)}`, isOver };
  const answers = [said(a.value), said(b.value.answer)].sort();
  const { owed } = await funds(dbs[0]!, r.account, "JPY");
  if (r.owed >= 0n && owed !== r.owed) return { wrong: `I1 ${r.account} holds ${owed}, not ${r.owed}`, isOver };
  if (r.answers.length > 0 && answers.join() !== r.answers.join()) return { wrong: `I4 both said ${answers.join(" and ")}, not ${r.answers.join(" and ")}`, isOver };
  return { wrong: undefined, isOver };
}

/** What no race has lasted; the second worker then comes after the first anyway. */
const turnsMost = 2000;

export async function run(o: Options): Promise<Found> {
  const found: Found = { points: 0, faults: {}, violations: [] };
  const folder = await mkdtemp(join(tmpdir(), "kaisatsu-workers-"));
  const dbs = [await openDatabase(folder), await openDatabase(folder)];
  // Nothing here is about the disk, and whoever finds the lock taken comes back by itself.
  for (const db of dbs) { await sql`pragma synchronous = off`.execute(db); await sql`pragma busy_timeout = 0`.execute(db); }
  try {
    const names = races("").map((r) => r.name);
    for (const [i, name] of names.entries()) {
      for (let turns = 0, isOver = false; turns < turnsMost && !isOver && found.violations.length < 20; turns += Math.max(1, o.damage)) {
        const r = races(`${i}-${turns}`)[i]!;
        const point = await race(dbs, r, turns);
        isOver = point.isOver;
        found.points++;
        found.faults[name] = (found.faults[name] ?? 0) + 1;
        if (point.wrong !== undefined) found.violations.push(violation(`${name}, the second ${turns} turns behind`, point.wrong));
      }
      const books = await checkBooks(dbs[0]!);
      if (books.length > 0) found.violations.push(violation(name, `I1 ${JSON.stringify(books[0])}`));
      o.progress?.(i + 1, names.length);
    }
  } finally {
    for (const db of dbs) await db.destroy();
    await rm(folder, { recursive: true });
  }
  return found;
}
