/**
 * What the host asks its database for each letter, record and use stays quick however many rows there are: every such query
 * finds its rows by an index. Asked of SQLite itself, for each statement of an evening.
 */
import { Kysely, sql } from "kysely";
import { afterAll, beforeAll, expect, test } from "vitest";
import { allMigrations, migrate, type Tables } from "../../host/database.js";
import { sqliteDialect } from "../../host/sqlite.js";
import * as handsetLetters from "../../protocol/wire/handset-letters.js";
import * as w from "../../protocol/wire/sync.js";
import { ask, holder, enrolBox, journal, openShop, openWorld, pull, reversal, sync, use, type World } from "./world.js";

let x: World;
const asked = new Set<string>();
beforeAll(async () => {
  const made = await openWorld();
  const db = new Kysely<Tables>({ dialect: await sqliteDialect(":memory:"), log: (event) => { asked.add(event.query.sql); } });
  await migrate(db, allMigrations);
  await made.context.db.destroy();
  x = { ...made, context: { ...made.context, db } };
});
afterAll(() => x.context.db.destroy());

/** What stays small whatever is sold, rows that the statement itself brings, and the last row of a table. */
const small = /^SCAN (terminal|revocation|merchant|issuer|product|setting|CONSTANT|\d+-ROW VALUES CLAUSE)\b/;
const last = /order by "number" desc limit \?$/;

test("no letter, record or use reads a whole table", async () => {
  await openShop(x);
  const [box, other] = [await enrolBox(x), await enrolBox(x)];
  const { phone, value } = await holder(x, "aiko", "ten");
  asked.clear();
  const first = use(x, box, value, undefined);
  const second = use(x, box, value, first);
  journal(box, { kind: "boot", boot: 1, at: 0, quality: 0 }, first.entry, second.entry, reversal(x, box, second), { kind: "closed", tap: 9 }, { kind: "refused", code: 3, valueId: value.valueId, at: 0, quality: 0 });
  await sync(x, box);
  journal(other, use(x, other, value, undefined).entry, reversal(x, other, first));
  await sync(x, other);
  await pull(x, box);
  await ask(x, phone, w.messageType.collect, handsetLetters.encodeCollect(""));
  await ask(x, phone, w.messageType.refresh, handsetLetters.encodeRefresh({ valueId: value.valueId, receipt: second.receipt, proof: new Uint8Array(64) }));
  await ask(x, phone, w.messageType.report, handsetLetters.encodeReport([first.record, second.record]));
  const scans: string[] = [];
  for (const query of [...asked].filter((q) => /^(select|update|delete|insert)/.test(q))) {
    const bound = query.replace(/\?/g, "''");
    const { rows } = await sql<{ detail: string }>`${sql.raw("explain query plan " + bound)}`.execute(x.context.db);
    for (const { detail } of rows) if (/^SCAN /.test(detail) && !/USING (COVERING )?INDEX/.test(detail) && !small.test(detail) && !last.test(query)) scans.push(`${detail}: ${query}`);
  }
  expect(asked.size).toBeGreaterThan(40);
  expect(scans).toEqual([]);
});
