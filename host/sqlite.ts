/**
 * The embedded SQL engine behind the query builder.
 *
 * Node brings SQLite itself from 22.5 on, at first behind a flag and until 22.16 without a way to ask a statement for
 * its columns, so the import is tried and the answer looked at; everything else uses the prebuilt package with the same
 * interface. The rest of the host sees a Kysely dialect and no engine.
 */
import { closeSync, openSync } from "node:fs";
import { SqliteDialect, type SqliteDatabase } from "kysely";

interface Statement {
  columns?(): unknown[];
  all(...values: unknown[]): unknown[];
  run(...values: unknown[]): { changes: number | bigint; lastInsertRowid: number | bigint };
  iterate(...values: unknown[]): IterableIterator<unknown>;
}
interface Engine { prepare(text: string): Statement; exec(text: string): void; close(): void }
interface Library { DatabaseSync: new (file: string) => Engine; StatementSync: { prototype: object } }

/** How long one statement may wait for another process, in milliseconds; longer waits are the retry's (`database.ts`). */
const busyWait = 100;

/** A dialect on this file, created when missing: WAL, each commit synced, foreign keys checked. */
export async function sqliteDialect(file: string): Promise<SqliteDialect> {
  const { DatabaseSync } = await library();
  // SQLite makes its other files with the mode of this one.
  if (file !== ":memory:") closeSync(openSync(file, "a", 0o600));
  const engine = new DatabaseSync(file);
  engine.exec(`pragma busy_timeout = ${busyWait}`);
  engine.exec("pragma journal_mode = wal");
  engine.exec("pragma synchronous = full");
  engine.exec("pragma foreign_keys = on");
  return new SqliteDialect({ database: shim(engine) });
}

/** True for a failure that says only "another writer was first": SQLite busy or locked, SQL states 40001 and 40P01. */
export function isConflict(error: unknown): boolean {
  const { code, errcode, message } = (error ?? {}) as { code?: unknown; errcode?: unknown; message?: unknown };
  if (code === "40001" || code === "40P01" || code === "SQLITE_BUSY" || code === "SQLITE_LOCKED") return true;
  if (typeof errcode === "number" && ((errcode & 0xff) === 5 || (errcode & 0xff) === 6)) return true;
  return typeof message === "string" && /database (table )?is locked|database is busy/.test(message);
}

/**
 * True when the database itself failed (connection, disk, memory, another writer), not what it was asked: SQLite's primary
 * codes, and the classes of SQL states that say so. Nothing may be concluded from it about what was being recorded.
 */
export function isOutage(error: unknown): boolean {
  const { code, errcode } = (error ?? {}) as { code?: unknown; errcode?: unknown };
  if (isConflict(error)) return true;
  if (typeof errcode === "number") return outages.has(errcode & 0xff);
  return typeof code === "string" && /^(08|40|53|55|57|58)[0-9A-Z]{3}$/.test(code);
}
/** Busy, locked, no memory, read-only, interrupted, input or output, corrupt, full, cannot open, protocol, no database. */
const outages = new Set([5, 6, 7, 8, 9, 10, 11, 13, 14, 15, 26]);

async function library(): Promise<Library> {
  const builtIn: string = "node:sqlite";
  try {
    const found = await import(builtIn) as Library;
    if ("columns" in found.StatementSync.prototype) return found;
  } catch { /* this Node has none: the package below is the same interface */ }
  return await import("@photostructure/sqlite") as unknown as Library;
}

/** Statements kept prepared; the host has some 200, and lists of values in a query make a few more. */
const preparedMost = 500;

function shim(engine: Engine): SqliteDatabase {
  type Prepared = ReturnType<SqliteDatabase["prepare"]>;
  const prepared = new Map<string, Prepared>();
  const prepare = (text: string): Prepared => {
    const statement = engine.prepare(text);
    return {
      reader: statement.columns === undefined || statement.columns().length > 0,
      all: (values) => statement.all(...values),
      run: (values) => statement.run(...values),
      iterate: (values) => statement.iterate(...values),
    };
  };
  return {
    close: () => engine.close(),
    prepare(text) {
      const known = prepared.get(text) ?? prepare(text);
      if (prepared.size >= preparedMost) prepared.clear();
      prepared.set(text, known);
      return known;
    },
  };
}
