/** Each check finds the violation planted for it (`money.md` §6); triggers are dropped where the plant needs it. */
import { sql } from "kysely";
import { expect, test } from "vitest";
import { check } from "../../host/invariants.js";
import { evening, runAll, withBooks } from "./use.evening.js";

const insert = (id: string, debit: string, credit: string, amount: number, phase = "posted", resolves = "null", kind = "other") => [
  `insert or ignore into transfer_set (set_id, kind, digest, rows_digest, at, quality, recorded_at, day) values ('planted/x', '${kind}', '', '', 0, 0, 0, 1)`,
  ...[debit, credit].map((x) => `insert or ignore into account (account, code, currency) values ('${x}', '${x.split("/")[0]}', 'JPY')`),
  `insert into transfer (transfer_id, set_id, kind, debit, credit, amount, currency, phase, resolves, day, at, recorded_at)
     values ('${id}', 'planted/x', '${kind}', '${debit}', '${credit}', ${amount}, 'JPY', '${phase}', ${resolves}, 1, 0, 0)`,
];
const freely = (...statements: string[]) => ["drop trigger transfer_no_update", "drop trigger transfer_no_delete", ...statements];

const plants: [string, string, string[]][] = [
  ["M1", "one side of an entry is lost", ["drop view entry", "create view entry as select transfer_id, kind, debit as account, currency, amount as minor, day from transfer"]],
  ["M2", "two currencies in a set", freely("update transfer set currency = 'EUR' where transfer_id = 'use/u1#0'")],
  ["M2", "an account nobody knows", ["delete from account where account = 'merchant/bar/1'"]],
  ["M3", "a holder is overdrawn", insert("y", "prepaid/C1", "merchant/bar/1", 1671)],
  ["M3", "a holder is overdrawn by a reservation", insert("y", "prepaid/C1", "merchant/bar/1", 1671, "pending")],
  ["M4", "posted more than reserved", freely("update transfer set amount = amount + 1 where phase = 'post' and set_id = 'pay/p1/post'")],
  ["M4", "resolves what was never pending", insert("y", "unearned/T1", "issuer/i/1", 1, "post", "'use/u1#0'")],
  ["M5", "an ended order holds money", ["insert into subject (account, kind, ended) values ('order/o1', 'order', 1)", ...insert("y", "bank/client", "order/o1", 5)]],
  ["M5", "an ended case is pending", insert("y", "dispute/C2-1", "merchant/hall/1", 5, "pending")],
  ["M6", "a use is charged twice", insert("y", "prepaid/C1", "merchant/bar/1", 100)],
  ["M6", "a receipt is forgotten", ["delete from value_use where use_id = 'u4'"]],
  ["M7", "a receipt without its set", ["update value_use set set_id = 'use/none' where use_id = 'u4'"]],
  ["M7", "a debit without a receipt", insert("y", "prepaid/C1", "merchant/bar/1", 100)],
  ["M8", "two receipts, no case", ["update value_use set case_id = null"]],
  ["M11", "money has gone", insert("y", "loss/theft", "processor/c/1", 5000)],
  ["M14", "an amount was rewritten", freely("update transfer set amount = amount + 1 where transfer_id = 'use/u1#1'")],
  ["M14", "a row was removed", freely("delete from transfer where transfer_id = 'use/u1#1'")],
];

test.each(plants)("%s finds: %s", (id, _what, statements) => withBooks(async (db) => {
  await runAll(db, evening);
  expect(await check(db, id)).toEqual([]);
  for (const statement of statements) await sql.raw(statement).execute(db);
  const found = await check(db, id);
  expect(found.length).toBeGreaterThan(0);
  expect(found.every((x) => x.check === id)).toBe(true);
}));
