/**
 * Double entry by shape (`money.md` §1, §2).
 *
 * A transfer debits one account, credits another, and has one amount, so it cannot be out of balance. All transfers of
 * one event are one set, posted whole or not at all, under the id that the event's origin gave it: the same set again
 * answers "exists", the same id with another content is an incident and changes nothing. Accounts need no opening: an
 * id says what it is. A shared account carries the business day of recording, written `{d}` by whoever posts and filled
 * in here, so the same event is the same set on whatever day it is repeated.
 */
import { createHash } from "node:crypto";
import { sql } from "kysely";
import { assert } from "../protocol/assert.js";
import type { Tx } from "./database.js";
import type { Phase, TransferSetTable, TransferTable } from "./schema.js";

interface Code { type: "asset" | "liability" | "income" | "expense" | "equity"; keys: number; daily?: true; guarded?: true }
/** Chart of accounts (§2). `daily`: the last key is a day. `guarded`: its owner's money, never overdrawn (M3). */
export const chart: Readonly<Record<string, Code>> = {
  bank: { type: "asset", keys: 1 }, processor: { type: "asset", keys: 2, daily: true },
  receivable: { type: "asset", keys: 2 }, float: { type: "asset", keys: 1 }, dispute: { type: "asset", keys: 1 },
  order: { type: "liability", keys: 1, guarded: true }, prepaid: { type: "liability", keys: 1, guarded: true },
  unearned: { type: "liability", keys: 1, guarded: true }, gift: { type: "liability", keys: 1, guarded: true },
  refund: { type: "liability", keys: 1, guarded: true }, accrued: { type: "liability", keys: 1, guarded: true },
  merchant: { type: "liability", keys: 2, daily: true }, issuer: { type: "liability", keys: 2, daily: true },
  due: { type: "liability", keys: 2, guarded: true }, expired: { type: "liability", keys: 1, guarded: true },
  tax: { type: "liability", keys: 2 }, unallocated: { type: "liability", keys: 2, daily: true },
  fee: { type: "income", keys: 2, daily: true }, breakage: { type: "income", keys: 1 }, cost: { type: "expense", keys: 1 },
  loss: { type: "expense", keys: 1 }, rounding: { type: "expense", keys: 1 }, exchange: { type: "asset", keys: 1 },
  capital: { type: "equity", keys: 1 },
};

export interface Account { id: string; code: string; keys: string[]; day: number | null; side: "debit" | "credit"; guarded: boolean }

/** Business day and time of recording at the host; the first goes into shared accounts. */
export interface Recording { day: number; at: number }

export interface Transfer { debit: string; credit: string; amount: number; currency: string; phase: Phase; resolves?: string }

/** Whom a set concerns: clearing and statements read these. */
export interface EventAttributes {
  merchant?: string; issuer?: string; processor?: string; terminal?: string; sequence?: number; value?: string; order?: string;
}
export interface TransferSet {
  setId: string; kind: string; event: EventAttributes; corrects?: string;
  /** What the origin believed: UTC seconds, and quality 0–3. */
  at: number; quality: number;
  recorded: Recording;
  transfers: Transfer[];
  /** The event's own content, when the transfers depend on what else has arrived; it decides "exists" or incident. */
  content?: string;
}

export type Refused = { refused: "insufficient" | "resolved"; account?: string };
export type Incident = { incident: string };
export type Posted = "posted" | "exists" | Incident | Refused;

/** Reads an account's id; an id that the chart does not know is broken code. */
export function parseAccount(id: string): Account {
  const [code, ...keys] = id.split("/");
  const known = Object.hasOwn(chart, code!) ? chart[code!]! : undefined;
  assert(known !== undefined && keys.length === known.keys && keys.every((x) => x !== ""), "account of the chart: " + id);
  assert(code !== "bank" || keys[0] === "client" || keys[0] === "own", "bank/client or bank/own: " + id);
  const day = known.daily ? Number(keys.at(-1)) : null;
  assert(day === null || Number.isSafeInteger(day), "a shared account ends in its day: " + id);
  const side = known.type === "asset" || known.type === "expense" ? "debit" : "credit";
  return { id, code: code!, keys, day, side, guarded: known.guarded === true };
}

/**
 * Posts one set, whole or not at all. Refuses what would overdraw a holder's account or resolve a pending row twice;
 * asserts what no event can ask for: unknown accounts, amounts below 1, a second currency.
 */
export async function post(tx: Tx, set: TransferSet): Promise<Posted> {
  const digest = contentDigest(set);
  const known = await tx.selectFrom("transfer_set").select("digest").where("set_id", "=", set.setId).executeTakeFirst();
  if (known !== undefined) return known.digest === digest ? "exists" : { incident: set.setId };
  const found = await readResolved(tx, set);
  if (found === "resolved") return { refused: "resolved" };
  const rows = toRows(set);
  for (const row of rows) assertFits(row, found);
  const short = await findShort(tx, rows, found);
  if (short !== undefined) return { refused: "insufficient", account: short };
  await insert(tx, set, digest, rows);
  return "posted";
}

/**
 * The set that resolves the pending rows of another: `{setId}/post`, `/void` or `/expire`. Rows keep their accounts;
 * `amounts` posts less than was reserved, by row, and the rest is free again.
 */
export async function resolve(tx: Tx, setId: string, phase: "post" | "void" | "expire", recorded: Recording, amounts?: number[]): Promise<Posted> {
  const set = await tx.selectFrom("transfer_set").selectAll().where("set_id", "=", setId).executeTakeFirst();
  assert(set !== undefined, "what is resolved was recorded: " + setId);
  const pending = await pendingOf(tx, setId);
  return post(tx, {
    setId: `${setId}/${phase}`, kind: set.kind, event: attributes(set), at: set.at, quality: set.quality, recorded,
    transfers: pending.map((x, i) => resolution(x, phase, amounts?.[i])),
  });
}

/** A row that resolves this pending one. */
export function resolution(x: TransferTable, phase: "post" | "void" | "expire", amount = x.amount): Transfer {
  return { debit: x.debit, credit: x.credit, amount, currency: x.currency, phase, resolves: x.transfer_id };
}

/** All rows of a set that began as pending, resolved or not, in order. */
export async function pendingOf(tx: Tx, setId: string): Promise<TransferTable[]> {
  const rows = await transfersOf(tx, setId);
  return rows.filter((x) => x.phase === "pending");
}

/** The rows of one set in the order they were given. */
export async function transfersOf(tx: Tx, setId: string): Promise<TransferTable[]> {
  return inOrder(await tx.selectFrom("transfer").selectAll().where("set_id", "=", setId).execute());
}
export const inOrder = (rows: TransferTable[]): TransferTable[] => rows.sort((a, b) => indexOf(a.transfer_id) - indexOf(b.transfer_id));

/** What the account holds in its owner's favour, and what of it no pending debit has reserved. Minor units. */
export async function funds(tx: Tx, account: string, currency: string): Promise<{ owed: bigint; available: bigint }> {
  const { rows } = await sql<{ owed: string; reserved: string }>`select
    cast((select coalesce(sum(amount), 0) from transfer where credit = ${account} and currency = ${currency} and phase in ('posted','post'))
       - (select coalesce(sum(amount), 0) from transfer where debit = ${account} and currency = ${currency} and phase in ('posted','post')) as text) as owed,
    cast((select coalesce(sum(amount), 0) from held where debit = ${account} and currency = ${currency}) as text) as reserved`.execute(tx);
  const owed = BigInt(rows[0]!.owed);
  return { owed, available: owed - BigInt(rows[0]!.reserved) };
}

/** Debit + and credit − of every account that is not at zero, by id: the trial balance of one currency. */
export async function trialBalance(tx: Tx, currency: string): Promise<Map<string, bigint>> {
  const { rows } = await sql<{ account: string; minor: string }>`
    select account, cast(minor as text) as minor from balance where currency = ${currency} and minor <> 0 order by account`.execute(tx);
  return new Map(rows.map((x) => [x.account, BigInt(x.minor)]));
}

/** The digest of a set's rows as stored (M14). */
export function rowsDigest(set: Omit<TransferSetTable, "rows_digest">, rows: TransferTable[]): string {
  return sha256([set.set_id, set.kind, set.digest, set.corrects, set.merchant, set.issuer, set.processor, set.terminal, set.sequence,
    set.value_id, set.order_id, set.at, set.quality, set.recorded_at, set.day,
    rows.map((x) => [x.transfer_id, x.kind, x.debit, x.credit, x.amount, x.currency, x.phase, x.resolves, x.day, x.at, x.recorded_at])]);
}

function contentDigest(set: TransferSet): string {
  const e = set.event;
  return sha256([set.setId, set.kind, set.corrects ?? null, set.at, set.quality,
    e.merchant ?? null, e.issuer ?? null, e.processor ?? null, e.terminal ?? null, e.sequence ?? null, e.value ?? null, e.order ?? null,
    set.content ?? set.transfers.map((x) => [x.debit, x.credit, x.amount, x.currency, x.phase, x.resolves ?? null])]);
}

async function readResolved(tx: Tx, set: TransferSet): Promise<Map<string, TransferTable> | "resolved"> {
  const ids = set.transfers.flatMap((x) => (x.resolves === undefined ? [] : [x.resolves]));
  if (ids.length === 0) return new Map();
  const taken = await tx.selectFrom("transfer").select("transfer_id").where("resolves", "in", ids).execute();
  if (taken.length > 0) return "resolved";
  const rows = await tx.selectFrom("transfer").selectAll().where("transfer_id", "in", ids).execute();
  return new Map(rows.map((x) => [x.transfer_id, x]));
}

function toRows(set: TransferSet): TransferTable[] {
  assert(new Set(set.transfers.map((x) => x.currency)).size <= 1, "a set has one currency: " + set.setId);
  return set.transfers.map((x, i) => ({
    transfer_id: `${set.setId}#${i}`, set_id: set.setId, kind: set.kind, debit: onDay(x.debit, set.recorded.day),
    credit: onDay(x.credit, set.recorded.day), amount: x.amount, currency: x.currency, phase: x.phase, resolves: x.resolves ?? null,
    day: set.recorded.day, at: set.at, recorded_at: set.recorded.at,
  }));
}

function assertFits(row: TransferTable, found: Map<string, TransferTable>): void {
  assert(Number.isSafeInteger(row.amount) && row.amount > 0, "an amount is a positive whole number: " + row.transfer_id);
  assert(/^[A-Z]{3}$/.test(row.currency), "a currency is an ISO 4217 code: " + row.currency);
  assert((row.resolves === null) === (row.phase === "posted" || row.phase === "pending"), "only a resolution names a pending row");
  if (row.resolves === null) return;
  const p = found.get(row.resolves);
  assert(p !== undefined && p.phase === "pending", "a resolution names a pending row: " + row.resolves);
  assert(p.debit === row.debit && p.credit === row.credit && p.currency === row.currency, "it keeps the accounts: " + row.resolves);
  assert(row.phase === "post" ? row.amount <= p.amount : row.amount === p.amount, "it fits the amount: " + row.resolves);
}

/** The first holder's account that the rows would leave short, counting reservations as spent. */
async function findShort(tx: Tx, rows: TransferTable[], found: Map<string, TransferTable>): Promise<string | undefined> {
  const change = new Map<string, bigint>();
  const add = (account: string, minor: number) => change.set(account, (change.get(account) ?? 0n) + BigInt(minor));
  for (const x of rows) {
    if (x.resolves !== null) add(x.debit, found.get(x.resolves)!.amount);
    if (x.phase === "posted" || x.phase === "pending" || x.phase === "post") add(x.debit, -x.amount);
    if (x.phase === "posted" || x.phase === "post") add(x.credit, x.amount);
  }
  for (const [account, minor] of change) {
    if (minor >= 0n || !parseAccount(account).guarded) continue;
    const { available } = await funds(tx, account, rows[0]!.currency);
    if (available + minor < 0n) return account;
  }
  return undefined;
}

async function insert(tx: Tx, set: TransferSet, digest: string, rows: TransferTable[]): Promise<void> {
  const e = set.event;
  const row = {
    set_id: set.setId, kind: set.kind, digest, corrects: set.corrects ?? null, merchant: e.merchant ?? null, issuer: e.issuer ?? null,
    processor: e.processor ?? null, terminal: e.terminal ?? null, sequence: e.sequence ?? null, value_id: e.value ?? null,
    order_id: e.order ?? null, at: set.at, quality: set.quality, recorded_at: set.recorded.at, day: set.recorded.day,
  };
  await tx.insertInto("transfer_set").values({ ...row, rows_digest: rowsDigest(row, rows) }).execute();
  if (rows.length === 0) return;
  const accounts = [...new Set(rows.flatMap((x) => [x.debit, x.credit]))].map(parseAccount);
  await tx.insertInto("account").values(accounts.map((x) => ({ account: x.id, code: x.code, currency: rows[0]!.currency, day: x.day })))
    .onConflict((c) => c.doNothing()).execute();
  await tx.insertInto("transfer").values(rows).execute();
}

function attributes(set: TransferSetTable): EventAttributes {
  const event: EventAttributes = {};
  if (set.merchant !== null) event.merchant = set.merchant;
  if (set.issuer !== null) event.issuer = set.issuer;
  if (set.processor !== null) event.processor = set.processor;
  if (set.terminal !== null) event.terminal = set.terminal;
  if (set.sequence !== null) event.sequence = set.sequence;
  if (set.value_id !== null) event.value = set.value_id;
  if (set.order_id !== null) event.order = set.order_id;
  return event;
}

const onDay = (account: string, day: number) => account.replace("{d}", String(day));
const indexOf = (transferId: string) => Number(transferId.slice(transferId.lastIndexOf("#") + 1));
const sha256 = (content: unknown) => createHash("sha256").update(JSON.stringify(content)).digest("hex");
