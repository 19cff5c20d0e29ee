/**
 * The host in the world: the real services over a database in memory, whose time, chance and waits are the world's. It may
 * be down, and it may be put back to an older copy of its database.
 */
import { simCrypto as crypto } from "./crypto.js";
import type { Draw } from "./random.js";
import type { Schedule } from "./schedule.js";
import { sql } from "kysely";
import type { Context } from "../../host/context.js";
import { inMemory, openDatabase } from "../../host/database.js";
import { takeEnvelope } from "../../host/device.js";
import { makeBroker, type Broker } from "../../host/handover.js";
import { makeKeyStore, type KeyStore } from "../../host/keys.js";
import type { Machine } from "../../host/machine.js";
import { makeQueue } from "../../host/people.js";

export type Dump = readonly string[];

export interface HostActor {
  readonly context: Context; readonly broker: Broker;
  down: boolean;
  counted: Record<string, number>;
  take(bytes: Uint8Array): Promise<Uint8Array | undefined>;
  close(): Promise<void>;
}

export interface HostOptions { schedule: Schedule; utc: () => number; draw: Draw; keys?: KeyStore; dump?: Dump }
export async function startHostActor(o: HostOptions): Promise<HostActor> {
  const machine: Machine = {
    crypto, now: () => Math.floor(o.utc()), random: (length) => o.draw.bytes(length), slowHash: (password, salt) => Promise.resolve(crypto.hmac(salt, new TextEncoder().encode(password))),
    after: (milliseconds, work) => {
      const handle = o.schedule.afterMs(milliseconds, () => { o.schedule.settle(); work(); });
      return () => { handle.cancelled = true; };
    },
  };
  const context: Context = { ...machine, db: await openDatabase(inMemory), keys: o.keys ?? makeKeyStore(machine, "example"), hashing: makeQueue() };
  const broker = makeBroker(machine);
  if (o.dump !== undefined) await restore(context, o.dump);
  const host: HostActor = {
    context, broker, down: false, counted: {},
    take: (bytes) => takeEnvelope(context, broker, bytes, (result) => { host.counted[result] = (host.counted[result] ?? 0) + 1; }),
    close: async () => { broker.close(); await context.db.destroy(); },
  };
  return host;
}

/** A backup: statements that put every row back. */
export async function dumpOf(c: Context): Promise<Dump> {
  const tables = await sql<{ name: string }>`select name from sqlite_master where type = 'table' and name not like 'sqlite_%' and name <> 'migration' order by rowid`.execute(c.db);
  const dump: string[] = [];
  for (const { name } of tables.rows) {
    const { rows } = await sql<Record<string, unknown>>`select * from ${sql.table(name)}`.execute(c.db);
    for (let at = 0; at < rows.length; at += 200) dump.push(`insert into ${name} values ${rows.slice(at, at + 200).map((row) => `(${Object.values(row).map(literal).join(",")})`).join(",")}`);
  }
  return dump;
}

function literal(x: unknown): string {
  if (x === null) return "null";
  if (x instanceof Uint8Array) return `x'${Buffer.from(x).toString("hex")}'`;
  return typeof x === "number" ? String(x) : `'${String(x).replaceAll("'", "''")}'`;
}

async function restore(c: Context, dump: Dump): Promise<void> {
  await sql`begin`.execute(c.db);
  await sql`pragma defer_foreign_keys = on`.execute(c.db);
  for (const statement of dump) await sql.raw(statement).execute(c.db);
  await sql`commit`.execute(c.db);
}
