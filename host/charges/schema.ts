/**
 * The charges' part of the schema: plans of meters and receivers, their users, what was stated and settled of each, and the
 * payments for it. Versions start at 300, so that it grows without asking ledger and directory.
 */
import type { Migration } from "../schema.js";

/** `guaranteed`: the provider pays the merchant when charges are stated, not when they are settled. */
export interface MeterPlanTable { terminal_id: string; currency: string; guaranteed: number; tariffs: string; number: number; plan: Uint8Array }
/** Every plan that was ever in force: what is stated is reckoned by the one that its record names. */
export interface MeterPlanVersionTable { terminal_id: string; number: number; plan: Uint8Array }
export interface MeterUserTable {
  terminal_id: string; user: string; user_id: string; mode: number; meter: number; tariff: number; share: number; limit_minor: number;
  /** The user's chain here: records through `stated`, the digest of that one, its running total. */
  stated: number; head: string; total: number; rest: number; serial: string; registers: string; read_at: number; read_quality: number; gap: number;
  /** Settled through; paid in all, minor units; the number of the newest result, and of the one that the terminal has applied. */
  settled: number; paid: number; number: number; applied: number;
}
export interface ChargeRecordTable { terminal_id: string; user: string; sequence: number; digest: string; record: Uint8Array }
/** What one set stated: minor units that stand on `account` until they are settled. `guaranteed`: the merchant has been paid already. */
export interface ChargeTable { terminal_id: string; user: string; first: number; last: number; amount: number; account: string; guaranteed: number; settled: number }
/** `state`: `open` until somebody answers, `late` once another payment need not wait for it, `settled`, or `declined`. `method`: what the processor calls the card. */
export interface ChargePaymentTable {
  payment_id: string; digest: string; terminal_id: string; user: string; user_id: string; through: number; amount: number; currency: string; paid_by: number; value_id: string | null; processor: string | null; method: string | null; reference: string | null;
  receipt: Uint8Array | null; signature: Uint8Array | null; state: string; at: number;
}

export interface ChargeTables {
  meter_plan: MeterPlanTable; meter_plan_version: MeterPlanVersionTable; meter_user: MeterUserTable; charge_record: ChargeRecordTable; charge: ChargeTable; charge_payment: ChargePaymentTable;
}

export const chargeMigrations: Migration[] = [{ version: 300, sql: [
  `create table meter_plan (terminal_id text primary key references terminal, currency text not null, guaranteed integer not null, tariffs text not null, number integer not null, plan blob not null)`,
  `create table meter_plan_version (terminal_id text not null, number integer not null, plan blob not null, primary key (terminal_id, number))`,
  `create table meter_user (terminal_id text not null references meter_plan, user text not null, user_id text not null references member, mode integer not null, meter integer not null,
     tariff integer not null, share integer not null, limit_minor integer not null, stated integer not null, head text not null, total integer not null, rest integer not null,
     serial text not null, registers text not null, read_at integer not null, read_quality integer not null, gap integer not null, settled integer not null, paid integer not null,
     number integer not null, applied integer not null, primary key (terminal_id, user), unique (terminal_id, user_id))`,
  `create index meter_of_user on meter_user (user_id)`,
  `create table charge_record (terminal_id text not null, user text not null, sequence integer not null, digest text not null, record blob not null, primary key (terminal_id, user, sequence))`,
  `create table charge (terminal_id text not null, user text not null, first integer not null, last integer not null, amount integer not null, account text not null,
     guaranteed integer not null, settled integer not null default 0, primary key (terminal_id, user, first))`,
  `create table charge_payment (payment_id text primary key, digest text not null, terminal_id text not null, user text not null, user_id text not null, through integer not null,
     amount integer not null, currency text not null, paid_by integer not null, value_id text, processor text, method text, reference text, receipt blob, signature blob, state text not null, at integer not null)`,
  `create unique index one_payment_under_way on charge_payment (terminal_id, user) where state = 'open'`,
] }];
