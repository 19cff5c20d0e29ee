/**
 * What every service of the host works with: database, key store, the time, and a few small words used by all of them.
 */
import { createHash } from "node:crypto";
import type { Database, Tx } from "./database.js";
import type { KeyStore } from "./keys.js";
import type { Recording } from "./ledger.js";
import type { Machine } from "./machine.js";
import type { Processor } from "./payment/processor.js";
import type { Queue } from "./people.js";
import { statement } from "./statement.js";

export interface Context extends Machine {
  readonly db: Database;
  readonly keys: KeyStore;
  /** Passwords that are being hashed or wait for it. */
  readonly hashing: Queue;
  /** Who moves money outside, by name. */
  readonly processors: ReadonlyMap<string, Processor>;
}

/** Something an operator or device asked for that cannot be: what happened and what to do. `status` is HTTP's. */
export class Wrong extends Error {
  readonly code: string;
  readonly status: number;
  constructor(code: string, message: string, status = 400) {
    super(message);
    this.code = code;
    this.status = status;
  }
}

export const daySeconds = 86_400;
export const recordingAt = (now: number): Recording => ({ day: Math.floor(now / daySeconds), at: now });
export const toHex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
export const fromHex = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, "hex"));
/** A secret scalar that has a point: keys of one letter. */
export function newScalar(m: Machine): Uint8Array {
  for (;;) {
    const secret = m.random(32);
    if (m.crypto.publicKey(secret) !== undefined) return secret;
  }
}
export const sha256Hex = (content: Uint8Array | string): string => createHash("sha256").update(content).digest("hex");

/** Currencies on the wire are ISO 4217 numbers, in the books letters. */
const numbers: Record<string, number> = { AUD: 36, CAD: 124, CHF: 756, CNY: 156, CZK: 203, DKK: 208, EUR: 978, GBP: 826, HKD: 344, JPY: 392, KRW: 410, NOK: 578, NZD: 554, PLN: 985, SEK: 752, SGD: 702, TWD: 901, USD: 840 };
export function currencyNumber(letters: string): number {
  const number = numbers[letters];
  if (number === undefined) throw new Wrong("currency_unknown", `${letters} is not a currency of this host: use one of ${Object.keys(numbers).join(", ")}.`);
  return number;
}

/** The letters of an ISO 4217 number, or undefined for one that is not known here. */
export function currencyLetters(number: number): string | undefined {
  return Object.keys(numbers).find((letters) => numbers[letters] === number);
}

/** A lie, a copy or a contradiction: kept for the operator, never thrown at whoever brought it. */
export async function noteIncident(tx: Tx, what: string, about: string, detail: string, now: number): Promise<void> {
  await tx.insertInto("incident").values({ what, about, detail, at: now }).execute();
}

/** The audit log is a chain: its head stands in every full status list (`trust.md` §6). */
export async function audit(tx: Tx, who: string, what: string, now: number): Promise<void> {
  const before = await tx.selectFrom("audit").select("head").orderBy("number", "desc").limit(1).executeTakeFirst();
  await tx.insertInto("audit").values({ at: now, who, what, head: sha256Hex(JSON.stringify([before?.head ?? "", now, who, what])) }).execute();
}
export async function auditHead(tx: Tx): Promise<Uint8Array> {
  const row = await tx.selectFrom("audit").select("head").orderBy("number", "desc").limit(1).executeTakeFirst();
  return row === undefined ? new Uint8Array(32) : fromHex(row.head);
}

const settingOf = statement((tx, x: { name: string }) => tx.selectFrom("setting").select("value").where("name", "=", x.name));
const settingSet = statement((tx, x: { name: string; value: string }) =>
  tx.insertInto("setting").values({ name: x.name, value: x.value }).onConflict((c) => c.column("name").doUpdateSet({ value: x.value })));
export async function readSetting(tx: Tx, name: string): Promise<string | undefined> {
  return (await settingOf(tx, { name }))[0]?.value;
}
export async function writeSetting(tx: Tx, name: string, value: string): Promise<void> {
  await settingSet(tx, { name, value });
}

/** Numbers that never go back, also after a restore: restore epoch × 2^32 + counter (`trust.md` §2). */
export async function nextNumber(tx: Tx, name: string): Promise<number> {
  const epoch = Number((await readSetting(tx, "restore epoch")) ?? "1");
  const before = Number((await readSetting(tx, "number " + name)) ?? "0");
  const next = Math.max(before, epoch * 2 ** 32) + 1;
  await writeSetting(tx, "number " + name, String(next));
  return next;
}
