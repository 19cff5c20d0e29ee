/**
 * The protocol fuzzer at the size of a test. More of it: `run({ seeds, from })`.
 */
import { expect, test } from "vitest";
import { run } from "./protocol.js";

test("every field of every message, changed and signed anew, in every state that hears it: only what is right moves anything", { timeout: 120_000 }, () => {
  const found = run({ seeds: 3, from: 1 });
  expect(found.finds).toEqual([]);
  expect(Object.values(found.pairs).every((count) => count > 0)).toBe(true);
  expect(Object.keys(found.pairs).length).toBeGreaterThan(600);
  expect(found.moved).toBeGreaterThan(20);
  expect(found.refused).toBeGreaterThan(1000);
});
