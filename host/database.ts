/**
 * The host's database: opened in a data folder, brought to the newest schema, and changed in transactions only.
 *
 * A transaction takes the write lock at once (`BEGIN IMMEDIATE`), so what it reads cannot change before it commits. When
 * another process holds the lock it is tried again, eight times in all (`money.md` §1). Whatever runs in one may
 * therefore run more than once: every posting is safe to repeat because its id was made at its origin.
 */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { Kysely, sql } from "kysely";
import { migrations, type LedgerTables, type Migration } from "./schema.js";
import { chargeMigrations, type ChargeTables } from "./charges/schema.js";
import { moreMigrations, type MoreTables } from "./schema-directory.js";
import { orderMigrations, type OrderTables } from "./schema-orders.js";
import { isConflict, sqliteDialect } from "./sqlite.js";
import { assert } from "../protocol/assert.js";

export interface Tables extends LedgerTables, MoreTables, OrderTables, ChargeTables {}
/** Outside a transaction: reading. */
export type Database = Kysely<Tables>;
/** Inside one; nothing else may be awaited in it. */
export type Tx = Kysely<Tables>;

/** Every step of the schema. */
export const allMigrations: readonly Migration[] = [...migrations, ...moreMigrations, ...orderMigrations, ...chargeMigrations];

const triesMax = 8;

/** In place of a folder: everything is gone with the process. For tests and simulations. */
export const inMemory = ":memory:";

/** Opens `kaisatsu.db` in this folder, creating folder, file and tables where they are missing. */
export async function openDatabase(folder: string): Promise<Database> {
  if (folder !== inMemory) await mkdir(folder, { recursive: true, mode: 0o700 });
  const db: Database = new Kysely<Tables>({ dialect: await sqliteDialect(folder === inMemory ? inMemory : join(folder, "kaisatsu.db")) });
  await migrate(db, allMigrations);
  return db;
}

/**
 * Runs `work` in one serializable transaction and returns its answer; an exception undoes all of it and is passed on.
 * Must not be called from inside `work`: there is one connection, and it is taken.
 */
export async function transact<T>(db: Database, work: (tx: Tx) => Promise<T>): Promise<T> {
  for (let tried = 1; ; tried++) {
    try {
      return await once(db, work);
    } catch (error) {
      if (tried === triesMax || !isConflict(error)) throw error;
      await pause(2 ** tried * (0.5 + Math.random()));
    }
  }
}

/** Applies the steps that this database has not seen, in order of version, each in a transaction of its own. */
export async function migrate(db: Database, steps: readonly Migration[]): Promise<void> {
  const ordered = [...steps].sort((a, b) => a.version - b.version);
  assert(new Set(ordered.map((x) => x.version)).size === ordered.length, "each schema version is one step");
  await transact(db, async (tx) => { await sql`create table if not exists migration (version integer primary key)`.execute(tx); });
  for (const step of ordered) await transact(db, (tx) => apply(tx, step));
}

async function apply(tx: Tx, step: Migration): Promise<void> {
  const { rows } = await sql`select version from migration where version = ${step.version}`.execute(tx);
  if (rows.length > 0) return;
  for (const statement of step.sql) await sql.raw(statement).execute(tx);
  await sql`insert into migration (version) values (${step.version})`.execute(tx);
}

function once<T>(db: Database, work: (tx: Tx) => Promise<T>): Promise<T> {
  return db.connection().execute(async (tx) => {
    await sql`begin immediate`.execute(tx);
    try {
      const answer = await work(tx);
      await sql`commit`.execute(tx);
      return answer;
    } catch (error) {
      await sql`rollback`.execute(tx).catch(() => undefined);
      throw error;
    }
  });
}

const pause = (milliseconds: number) => new Promise((done) => setTimeout(done, milliseconds));
