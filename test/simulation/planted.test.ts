/**
 * Bugs planted on purpose are found, each by its plan, or by the exhaustive run named for it; without the bug the same plan is
 * clean. `npm run sim -- --planted` looks for all of them from seed 1 on. What each replaces must stand exactly once in the
 * compiled code, or the plant has rotted. Plans of fixed bugs fail with their fix taken out again.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { makeBase, type Base } from "./base.js";
import type { Plan } from "./plan.js";
import { breaksItsPlan, findPlanted, inCopy, linesOf, planOf, planted, plants } from "./planted.js";
import { runPlan } from "./run.js";

const root = join(import.meta.dirname, "..", "..");
const named = plants.map((p) => [p.name, p] as const);

test.each(named)("%s: can still be planted", (_name, plant) => {
  for (const [file, text] of planted(plant, (name) => readFileSync(join(root, "dist", name), "utf8"))) expect(text).not.toBe(readFileSync(join(root, "dist", file), "utf8"));
});
test.each(named)("%s: is found, and breaks what it is said to break", async (_name, plant) => {
  const f = planOf(plant) === undefined ? await findPlanted(plant, root, true) : await breaksItsPlan(plant, root);
  expect({ found: f.found, invariant: f.invariant }, f.what).toEqual({ found: true, invariant: plant.invariant });
}, 300_000);

test("each plan of a fixed bug names the fix that it guards, and each plan of a planted bug has its bug", () => {
  for (const folder of ["regressions", "planted"]) {
    const guarded = plants.map(planOf).filter((path) => path?.startsWith(folder)).map((path) => basename(path!)).sort();
    expect(readdirSync(join(import.meta.dirname, folder)).sort()).toEqual(guarded);
  }
});

describe("without the bug the plan is clean", () => {
  let base: Base;
  beforeAll(async () => { base = await makeBase(); });
  const plans = plants.map(planOf).filter((path) => path?.startsWith("planted/"));
  test.each(plans)("%s", async (path) => {
    expect((await runPlan(base, JSON.parse(readFileSync(join(import.meta.dirname, path!), "utf8")) as Plan)).violations).toEqual([]);
  });
});

test("--json: a failing run says JSON lines and nothing else, the last of them is the summary", async () => {
  const lines = await inCopy(plants[0]!, root, (program) => linesOf(program, ["--seeds", "2", "--json"]));
  expect(Object.keys(lines.at(-1)!)).toEqual(["seeds", "taps", "faults", "violations", "tracesRepeated"]);
  expect(lines.at(-1)).toMatchObject({ seeds: 2, violations: 2 });
  const { replay } = lines.find((line) => "replay" in line) as { replay: string };
  expect(existsSync(replay.split(" ").at(-1)!)).toBe(true);
}, 120_000);
