/**
 * The host in the world: the real services over a database in memory, whose time, chance and waits are the world's. It may
 * be down, and it may be put back to an older copy of its database.
 */
import { simCrypto as crypto } from "./crypto.js";
import { nodeCcm } from "../../protocol/crypto/node/node.js";
import type { Draw } from "./random.js";
import type { Schedule } from "./schedule.js";
import { drained } from "./schedule.js";
import { through, type StatementLine } from "./statements.js";
import { CompiledQuery, Kysely, sql, type DatabaseConnection, type Dialect } from "kysely";
import type { Context } from "../../host/context.js";
import { allMigrations, inMemory, migrate, openDatabase, type Database, type Tables } from "../../host/database.js";
import { sqliteDialect } from "../../host/sqlite.js";
import { takeEnvelope } from "../../host/device.js";
import { makeBroker } from "../../host/handover.js";
import { makeKeyStore, type KeyStore } from "../../host/keys.js";
import type { Machine } from "../../host/machine.js";
import { makeQueue } from "../../host/people.js";

export type Dump = readonly string[];

export interface HostActor {
  /** The operator's; workers have their own, on the same database. */
  readonly context: Context;
  down: boolean;
  counted: Record<string, number>;
  take(bytes: Uint8Array, worker: number): Promise<Uint8Array | undefined>;
  /** Whoever waits for a handover is answered. */
  hangUp(): void;
  close(): Promise<void>;
}

/** `begins`: rows to begin with, the same for many worlds; `dump`: rows of this world alone. */
export interface HostOptions { schedule: Schedule; utc: () => number; draw: Draw; keys?: KeyStore; begins?: Dump; dump?: Dump; workers?: number; line?: (worker: number) => StatementLine | undefined }
export async function startHostActor(o: HostOptions): Promise<HostActor> {
  const machine: Machine = {
    crypto, ccm: nodeCcm, now: () => Math.floor(o.utc()), random: (length) => o.draw.bytes(length), slowHash: (password, salt) => Promise.resolve(crypto.hmac(salt, new TextEncoder().encode(password))),
    after: (milliseconds, work) => {
      const handle = o.schedule.afterMs(milliseconds, () => { o.schedule.settle(); work(); });
      return () => { handle.cancelled = true; };
    },
  };
  const lent = o.begins === undefined ? undefined : await borrow(o.begins);
  const context: Context = { ...machine, db: lent?.db ?? await openDatabase(inMemory), keys: o.keys ?? makeKeyStore(machine, "example"), hashing: makeQueue(), processors: new Map() };
  const workers = Array.from({ length: o.workers ?? 1 }, (_, n) => {
    const line = o.line?.(n);
    return { context: line === undefined ? context : { ...context, db: through(context.db, line) }, broker: makeBroker(machine) };
  });
  if (o.dump !== undefined) await restore(context.db, o.dump);
  const host: HostActor = {
    context, down: false, counted: {},
    take: (bytes, worker) => takeEnvelope(workers[worker]!.context, workers[worker]!.broker, bytes, (result) => { host.counted[result] = (host.counted[result] ?? 0) + 1; }),
    hangUp: () => { for (const { broker } of workers) broker.close(); },
    close: async () => {
      host.hangUp();
      await drained();
      await (lent === undefined ? context.db.destroy() : giveBack(lent));
    },
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

async function restore(db: Database, dump: Dump): Promise<void> {
  await sql`begin immediate`.execute(db);
  await sql`pragma defer_foreign_keys = on`.execute(db);
  for (const statement of dump) await sql.raw(statement).execute(db);
  await sql`commit`.execute(db);
}

// ---- one database for many worlds ---------------------------------------------------------------------------------------------

/** A database that begins with these rows whenever it is lent: a world runs in a transaction that is rolled back behind it. */
interface Lent { readonly db: Database; readonly rows: Dump }
const free: Lent[] = [];

async function borrow(rows: Dump): Promise<Lent> {
  const at = free.findIndex((x) => x.rows === rows);
  if (at >= 0) return free.splice(at, 1)[0]!;
  const db: Database = new Kysely<Tables>({ dialect: nested(await sqliteDialect(inMemory)) });
  await migrate(db, allMigrations);
  await restore(db, rows);
  await sql`begin -- world`.execute(db);
  return { db, rows };
}

/** A transaction left open, or a statement under way, is a bug of the host: then this throws. */
async function giveBack(lent: Lent): Promise<void> {
  await sql`rollback -- world`.execute(lent.db);
  await sql`begin -- world`.execute(lent.db);
  free.push(lent);
}

/** The host's transactions are savepoints within the world's. */
const within: Record<string, readonly string[]> = { "begin immediate": ["savepoint host"], commit: ["release host"], rollback: ["rollback to host", "release host"] };

function nested(dialect: Dialect): Dialect {
  const wrapped = (c: DatabaseConnection): DatabaseConnection => ({
    executeQuery: async <R>(query: CompiledQuery) => {
      const [first, second] = within[query.sql] ?? [];
      const answer = await c.executeQuery<R>(first === undefined ? query : CompiledQuery.raw(first));
      return second === undefined ? answer : c.executeQuery<R>(CompiledQuery.raw(second));
    },
    streamQuery: (query, size) => c.streamQuery(query, size),
  });
  return {
    createAdapter: () => dialect.createAdapter(), createIntrospector: (db) => dialect.createIntrospector(db), createQueryCompiler: () => dialect.createQueryCompiler(),
    createDriver: () => {
      const driver = dialect.createDriver();
      const known = new WeakMap<DatabaseConnection, DatabaseConnection>();
      const inner = new WeakMap<DatabaseConnection, DatabaseConnection>();
      return {
        init: () => driver.init(), destroy: () => driver.destroy(), beginTransaction: (c, settings) => driver.beginTransaction(inner.get(c)!, settings),
        commitTransaction: (c) => driver.commitTransaction(inner.get(c)!), rollbackTransaction: (c) => driver.rollbackTransaction(inner.get(c)!),
        releaseConnection: (c) => driver.releaseConnection(inner.get(c)!),
        acquireConnection: async () => {
          const c = await driver.acquireConnection();
          const outer = known.get(c) ?? wrapped(c);
          known.set(c, outer);
          inner.set(outer, c);
          return outer;
        },
      };
    },
  };
}
