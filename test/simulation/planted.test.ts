/**
 * Bugs planted on purpose are found: the quick ones here, all of them by `npm run sim -- --planted`. What each replaces must
 * stand exactly once in the compiled code, or the plant has rotted.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { findPlanted, planted, plants } from "./planted.js";

const quick = new Set(["opens before the record is written", "fsync is skipped", "the tap-number ceiling is kept in memory", "letter numbers are used again after a start", "an answer sealed to the key that waits is not read"]);
const root = join(import.meta.dirname, "..", "..");

test.each(plants.map((p) => [p.name, p] as const))("%s: can still be planted", (_name, plant) => {
  const text = readFileSync(join(root, "dist", plant.file), "utf8");
  expect(planted(text, plant)).not.toBe(text);
});
test.each(plants.filter((p) => quick.has(p.name)).map((p) => [p.name, p] as const))("%s: is found", (_name, plant) => {
  const f = findPlanted(plant, root, 20);
  expect(f.found, f.what).toBe(true);
  expect(f.invariant).toBe(plant.invariant);
}, 120_000);
