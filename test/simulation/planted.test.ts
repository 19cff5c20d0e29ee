/**
 * Bugs planted on purpose are found, each by the suite or the seeds named for it; `npm run sim -- --planted` looks for all of
 * them from seed 1 on. What each replaces must stand exactly once in the compiled code, or the plant has rotted.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { findPlanted, planted, plants } from "./planted.js";

const root = join(import.meta.dirname, "..", "..");

test.each(plants.map((p) => [p.name, p] as const))("%s: can still be planted", (_name, plant) => {
  const text = readFileSync(join(root, "dist", plant.file), "utf8");
  expect(planted(text, plant)).not.toBe(text);
});
test.each(plants.map((p) => [p.name, p] as const))("%s: is found", async (_name, plant) => {
  const f = await findPlanted(plant, root, plant.near ?? 1);
  expect(f.found, f.what).toBe(true);
  expect(f.invariant).toBe(plant.invariant);
}, 300_000);
