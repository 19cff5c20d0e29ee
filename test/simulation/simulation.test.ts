/**
 * The simulator itself, as part of every test run: some worlds whole, plans of fixed bugs, the same trace for the same seed.
 * `npm run sim` runs thousands.
 */
import { beforeAll, expect, test } from "vitest";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { makeBase, type Base } from "./base.js";
import { drawPlan, type Plan } from "./plan.js";
import { runPlan } from "./run.js";

let base: Base;
beforeAll(async () => { base = await makeBase(); });

test.each([1, 2, 3, 4, 5, 6, 7, 8])("seed %i: nothing breaks, and the same seed gives the same trace", async (seed) => {
  const first = await runPlan(base, drawPlan(seed));
  expect(first.violations).toEqual([]);
  if (seed % 4 === 0) expect((await runPlan(base, drawPlan(seed))).trace).toBe(first.trace);
});
const folder = join(import.meta.dirname, "regressions");
test.each(readdirSync(folder).filter((f) => f.endsWith(".json")))("fixed once and for all: %s", async (file) => {
  expect((await runPlan(base, JSON.parse(readFileSync(join(folder, file), "utf8")) as Plan)).violations).toEqual([]);
});
