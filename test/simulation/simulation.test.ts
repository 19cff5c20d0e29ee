/**
 * The simulator itself, as part of every test run: some worlds whole, plans of fixed bugs, the same trace for the same seed.
 * `npm run sim` runs thousands.
 */
import { execFile } from "node:child_process";
import { beforeAll, expect, test } from "vitest";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { makeBase, type Base } from "./base.js";
import { drawPlan, type Plan } from "./plan.js";
import { runPlan } from "./run.js";

let base: Base;
beforeAll(async () => { base = await makeBase(); });

const traces = new Map<number, string>();
test.each([1, 2, 3, 4, 5, 6, 7, 8])("seed %i: nothing breaks", async (seed) => {
  const result = await runPlan(base, drawPlan(seed));
  expect(result.violations).toEqual([]);
  traces.set(seed, result.trace);
});
test("the same seed gives the same trace behind any others, and alone in a process of its own", async () => {
  for (const seed of [8, 1]) expect((await runPlan(base, drawPlan(seed))).trace, `seed ${seed}`).toBe(traces.get(seed));
  const { stdout } = await promisify(execFile)(process.execPath, [join(import.meta.dirname, "../../dist/test/simulation/main.js"), "--seed", "8", "--trace"], { env: { PATH: process.env["PATH"] } });
  expect(stdout.trim()).toBe(traces.get(8));
});
const folder = join(import.meta.dirname, "regressions");
test.each(readdirSync(folder).filter((f) => f.endsWith(".json")))("fixed once and for all: %s", async (file) => {
  expect((await runPlan(base, JSON.parse(readFileSync(join(folder, file), "utf8")) as Plan)).violations).toEqual([]);
});
