/**
 * What must hold of the books at any moment (`money.md` §6). A check is a query for the rows that break it, so none is
 * good news; a row raises an alarm and stops payouts, never a gate. M9, M10, M12 and M13 read registers of clearing and
 * of charges and stand with them.
 */
import { sql } from "kysely";
import type { Database } from "./database.js";
import { inOrder, rowsDigest } from "./ledger.js";
import type { TransferTable } from "./schema.js";

/** One broken row: the check and the currency, set, account, transfer or value at fault. */
export interface Breach { check: string; at: string }

const checks: Readonly<Record<string, string>> = {
  /** Conservation per currency. */
  M1: `select currency as at from entry group by currency having sum(minor) <> 0`,
  /** One currency a set, known accounts, positive amounts. */
  M2: `select set_id as at from transfer group by set_id having count(distinct currency) > 1 or min(amount) <= 0
    union select t.set_id from transfer t
    where (select count(*) from account a where a.account in (t.debit, t.credit) and a.currency = t.currency) < 2`,
  /** Holders' and escrow accounts are never overdrawn, pending debits counted. */
  M3: `select a.account as at from account a left join balance b using (account, currency)
    left join (select debit, currency, sum(amount) as reserved from held group by debit, currency) h on h.debit = a.account and h.currency = a.currency
    where a.code in ('order','prepaid','unearned','gift','refund','accrued','due','expired') and coalesce(b.minor, 0) + coalesce(h.reserved, 0) > 0`,
  /** A resolution fits its pending row. */
  M4: `select r.transfer_id as at from transfer r left join transfer p on p.transfer_id = r.resolves where r.phase in ('post','void','expire')
    and (p.transfer_id is null or p.phase <> 'pending' or r.amount > p.amount or r.debit <> p.debit or r.credit <> p.credit)`,
  /** Ended orders, gifts, cases are at zero with nothing pending. */
  M5: `select s.account as at from subject s left join balance b using (account)
    where s.ended = 1 and (coalesce(b.minor, 0) <> 0 or exists (select 1 from held h where s.account in (h.debit, h.credit)))`,
  /** What is owed equals what is unspent, value by value, from the receipts alone. */
  M6: `select v.value_id as at from value v left join balance b on b.account in ('prepaid/'||v.value_id, 'unearned/'||v.value_id)
    where -coalesce(b.minor, 0) <> v.loaded - v.returned
      - (select coalesce(sum(u.charged), 0) from value_use u where u.value_id = v.value_id and u.state = 'finished')`,
  /** Every receipt has its set, and a value is debited only by a receipt or a named end; a voided reservation debits nothing. */
  M7: `select u.set_id as at from value_use u where u.charged > 0 and not exists (select 1 from transfer t where t.set_id = u.set_id)
    union select t.set_id from transfer t join account a on a.account = t.debit and a.currency = t.currency
    where a.code in ('prepaid','unearned') and t.phase in ('posted','pending')
      and t.kind not in ('surrender','expire','resolve','grant','stated','settle')
      and not exists (select 1 from transfer r where r.resolves = t.transfer_id and r.phase in ('void','expire'))
      and not exists (select 1 from value_use u where u.set_id = t.set_id)`,
  /** Two proven receipts with one counter have a case. */
  M8: `select value_id as at from value_use where journal = 1 and (acknowledged = 1 or one_way = 1)
    group by value_id, counter having count(distinct digest) > 1 and max(case_id) is null`,
  /** Charges: what is receivable is what was stated and not settled. */
  M12: `select c.account as at from (select account, sum(case when settled = 0 then amount else 0 end) as open from charge group by account) c
    left join (select account, sum(minor) as minor from balance group by account) b using (account) where c.open <> coalesce(b.minor, 0)`,
  /** An allowance is what its user paid, less what was charged to him and is not open. */
  M15: `select u.terminal_id||'-'||u.user as at from meter_user u left join balance b on b.account = 'unearned/'||u.terminal_id||'-'||u.user
    where -coalesce(b.minor, 0) <> u.paid - (u.total - (select coalesce(sum(c.amount), 0) from charge c where c.terminal_id = u.terminal_id and c.user = u.user and c.settled = 0))`,
  /**
   * Client money, processors and float hold all that is owed to others. The days of a shared account are one debt to its
   * owner: a use undone on a later day lowers what the day of the use owes. One owner's debt never covers another's money.
   */
  M11: `select currency as at from (
      select currency, minor from balance join account using (account, currency) where code in ('processor','float') or account = 'bank/client'
      union all select currency, sum(minor) from balance join account using (account, currency)
        where code in ('order','prepaid','unearned','gift','refund','merchant','issuer','due','expired','tax','unallocated')
        group by currency, case when day is null then account else substr(account, 1, length(account) - length(day)) end having sum(minor) < 0)
    group by currency having sum(minor) < 0`,
};

/** Runs one of `M1`–`M8`, `M11`, `M12`, `M14`, `M15`. */
export async function check(db: Database, id: string): Promise<Breach[]> {
  if (id === "M14") return await checkDigests(db, () => Promise.resolve());
  const { rows } = await sql<{ at: string }>`${sql.raw(checks[id]!)}`.execute(db);
  return rows.map((x) => ({ check: id, at: x.at }));
}

/** Runs every check over everything; none broken is an empty list. `rest` is awaited between parts of the work. */
export async function checkBooks(db: Database, rest: () => Promise<void> = () => Promise.resolve()): Promise<Breach[]> {
  const found: Breach[] = [];
  for (const id of Object.keys(checks)) {
    found.push(...await check(db, id));
    await rest();
  }
  return [...found, ...await checkDigests(db, rest)];
}

/** M14: nothing was rewritten; each set's stored digest is that of its rows. */
async function checkDigests(db: Database, rest: () => Promise<void>): Promise<Breach[]> {
  const found: Breach[] = [];
  for (let after = ""; ;) {
    const sets = await db.selectFrom("transfer_set").selectAll().where("set_id", ">", after).orderBy("set_id").limit(setsAtOnce).execute();
    if (sets.length === 0) return found;
    const rows = await db.selectFrom("transfer").selectAll().where("set_id", "in", sets.map((x) => x.set_id)).execute();
    const ofSet = new Map<string, TransferTable[]>();
    for (const x of rows) ofSet.set(x.set_id, [...(ofSet.get(x.set_id) ?? []), x]);
    for (const set of sets) if (rowsDigest(set, inOrder(ofSet.get(set.set_id) ?? [])) !== set.rows_digest) found.push({ check: "M14", at: set.set_id });
    after = sets.at(-1)!.set_id;
    await rest();
  }
}
const setsAtOnce = 500;
