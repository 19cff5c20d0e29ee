/** Failing statements at the size of a test; `npm run sim -- --exhaust sql` runs every kind and every conflict. */
import { expect, test } from "vitest";
import { run } from "./sql.js";
import { isOutage } from "../../../host/sqlite.js";

test("rows 48, 49: every statement of a batch of records fails; it is undone whole, and done once in the end", async () => {
  const found = await run({ damage: -40, only: ["records"] });
  expect(found.violations).toEqual([]);
  expect(found.faults["kill"]).toBeGreaterThan(50);
}, 60_000);
test("rows 48, 49: so do a claim and a change of status", async () => {
  const found = await run({ damage: -10, only: ["claim", "status change"] });
  expect(found.violations).toEqual([]);
  expect(Object.keys(found.faults)).toHaveLength(5);
}, 60_000);
test.each<[string, object, boolean]>([
  ["disk full", { errcode: 13 }, true], ["input or output", { errcode: 10 | (3 << 8) }, true], ["another writer", { errcode: 5 }, true], ["connection lost", { code: "08006" }, true],
  ["server going down", { code: "57P01" }, true], ["a constraint", { errcode: 19 | (7 << 8), code: "ERR_SQLITE_ERROR" }, false], ["unique, elsewhere", { code: "23505" }, false], ["a broken promise", new Error("assertion"), false],
])("%s: %j is the database's own failure: %s", (_name, error, own) => expect(isOutage(error)).toBe(own));
