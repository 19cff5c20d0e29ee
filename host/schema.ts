/**
 * The tables of the ledger and of the registers that its checks compare it with (`money.md` §6).
 *
 * Three kinds live side by side. *Books*: `account`, `transfer_set`, `transfer` are only ever inserted into, and triggers
 * refuse anything else. *Registers*: `value`, `value_use`, `double_use_case`, `subject`, `terminal_closed`, `handover` say what the
 * evidence said; their rows change state. *Waiting*: `intake` keeps records whose precondition has not arrived.
 * Amounts are minor units, times UTC seconds, days integers counted from 1970-01-01, flags 0 or 1.
 */
import type { Generated, Selectable } from "kysely";

/** One step of the schema. Versions below 100 are the ledger's. */
export interface Migration { version: number; sql: string[] }

export type Phase = "posted" | "pending" | "post" | "void" | "expire";

export interface AccountTable { account: string; code: string; currency: string; day: number | null; reconciled: Generated<number> }
export interface TransferSetTable {
  set_id: string; kind: string; digest: string; rows_digest: string; corrects: string | null;
  merchant: string | null; issuer: string | null; processor: string | null; terminal: string | null; sequence: number | null;
  value_id: string | null; order_id: string | null; at: number; quality: number; recorded_at: number; day: number;
}
export interface TransferTable {
  transfer_id: string; set_id: string; kind: string; debit: string; credit: string; amount: number; currency: string;
  phase: Phase; resolves: string | null; day: number; at: number; recorded_at: number;
}
export interface ValueTable {
  value_id: string; code: "prepaid" | "unearned"; currency: string; issuer: string;
  /** Price and how many uses it buys; a prepaid value has 1. */
  price: number; uses: number;
  /** The merchant's part of a use, in basis points; the issuer earns the rest. */
  merchant_share: number;
  loaded: number; returned: Generated<number>; suspended: Generated<number>;
}
export type Value = Selectable<ValueTable>;
/** `finished` counts. `waiting` waits for money or predecessor, `lapsed` was given up but may still be proved. */
export type UseState = "waiting" | "pending" | "lapsed" | "finished" | "reversed";
export interface ValueUseTable {
  use_id: string; value_id: string; counter: number; digest: string; previous: string; content: string;
  terminal: string; tap: number; state: UseState; charged: number;
  /** Set that charges it now; a proof that comes after a lapse gets a new one. */
  set_id: string; lapses: number; journal: number; acknowledged: number; one_way: number; case_id: string | null;
  /** Terminal whose journal has it; after a handover not the one that made the receipt. */
  finisher: string | null;
  /** Receipt and acknowledgement as they came, in hexadecimal, where the bringer had them. */
  evidence: string | null;
}
export interface CaseTable {
  case_id: string; value_id: string; counter: number; first_use: string; second_use: string;
  first_evidence: string | null; second_evidence: string | null; opened_at: number; decided: string | null;
  /** Whether the value was suspended on the status list for it. */
  listed: Generated<number>;
}
export interface SubjectTable { account: string; kind: string; ended: Generated<number> }
export interface IntakeTable { record_id: string; kind: string; value_id: string; waits_for: string; content: string; recorded_at: number }
export interface ClosedTable { terminal: string; tap: number }
/** A terminal gave the right to finish this receipt away; it counts when that terminal made it. */
export interface HandoverTable { use_id: string; terminal: string }
export interface EntryView { transfer_id: string; kind: string; account: string; currency: string; minor: number; day: number }
export interface BalanceView { account: string; currency: string; minor: number }

export interface LedgerTables {
  account: AccountTable; transfer_set: TransferSetTable; transfer: TransferTable; value: ValueTable; value_use: ValueUseTable;
  double_use_case: CaseTable; subject: SubjectTable; intake: IntakeTable; terminal_closed: ClosedTable;
  handover: HandoverTable;
  entry: EntryView; balance: BalanceView; held: TransferTable;
}

const books = [
  `create table account (account text not null, code text not null, currency text not null, day integer,
     reconciled integer not null default 0, primary key (account, currency))`,
  `create table transfer_set (set_id text primary key, kind text not null, digest text not null, rows_digest text not null,
     corrects text, merchant text, issuer text, processor text, terminal text, sequence integer, value_id text, order_id text,
     at integer not null, quality integer not null, recorded_at integer not null, day integer not null)`,
  `create table transfer (transfer_id text primary key, set_id text not null references transfer_set, kind text not null,
     debit text not null, credit text not null, amount integer not null check (amount > 0), currency text not null,
     phase text not null check (phase in ('posted','pending','post','void','expire')),
     resolves text unique references transfer, day integer not null, at integer not null, recorded_at integer not null,
     check ((resolves is null) = (phase in ('posted','pending'))), check (debit <> credit))`,
  `create index transfer_debit on transfer (debit)`,
  `create index transfer_credit on transfer (credit)`,
  `create index transfer_of_set on transfer (set_id)`,
  `create index set_of_value on transfer_set (value_id)`,
  `create index set_of_order on transfer_set (order_id)`,
  ...["transfer", "transfer_set"].flatMap((table) => ["update", "delete"].map((verb) =>
    `create trigger ${table}_no_${verb} before ${verb} on ${table} begin select raise(abort, '${table} is append-only'); end`)),
];

const registers = [
  `create table value (value_id text primary key, code text not null check (code in ('prepaid','unearned')), currency text not null,
     issuer text not null, price integer not null, uses integer not null, merchant_share integer not null,
     loaded integer not null, returned integer not null default 0, suspended integer not null default 0)`,
  `create table value_use (use_id text primary key, value_id text not null, counter integer not null, digest text not null,
     previous text not null, content text not null, terminal text not null, tap integer not null, state text not null,
     charged integer not null, set_id text not null, lapses integer not null, journal integer not null,
     acknowledged integer not null, one_way integer not null, case_id text, finisher text, evidence text, unique (value_id, counter, digest))`,
  `create index use_of_terminal on value_use (terminal, state, tap)`,
  `create index use_of_set on value_use (set_id)`,
  `create table double_use_case (case_id text primary key, value_id text not null, counter integer not null,
     first_use text not null, second_use text not null, first_evidence text, second_evidence text,
     opened_at integer not null, decided text, listed integer not null default 0)`,
  `create index case_unlisted on double_use_case (case_id) where listed = 0`,
  `create table subject (account text primary key, kind text not null, ended integer not null default 0)`,
  `create table intake (record_id text primary key, kind text not null, value_id text not null, waits_for text not null,
     content text not null, recorded_at integer not null)`,
  `create index intake_of_value on intake (value_id)`,
  `create table terminal_closed (terminal text primary key, tap integer not null)`,
];

const views = [
  `create view entry as
     select transfer_id, kind, debit as account, currency, amount as minor, day from transfer where phase in ('posted','post')
     union all select transfer_id, kind, credit, currency, -amount, day from transfer where phase in ('posted','post')`,
  `create view balance as select account, currency, sum(minor) as minor from entry group by account, currency`,
  `create view held as select * from transfer p where phase = 'pending'
     and not exists (select 1 from transfer r where r.resolves = p.transfer_id)`,
];

export const migrations: Migration[] = [
  { version: 1, sql: [...books, ...registers, ...views] },
  { version: 2, sql: [
    `create table handover (use_id text not null, terminal text not null, primary key (use_id, terminal))`,
    `create index use_pending on value_use (use_id) where state = 'pending'`,
  ] },
];
