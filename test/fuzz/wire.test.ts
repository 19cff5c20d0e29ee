/**
 * The corpus, then a few thousand hostile inputs from fixed seeds, at everything that reads bytes from outside. More of them:
 * `run({ seeds, from })`.
 */
import { describe, expect, test } from "vitest";
import { scan } from "../../protocol/wire/cbor.js";
import { matches } from "../wire/cddl.js";
import { codecs, grammar } from "../wire/codecs.js";
import { fromHex, seeded, toHex } from "../published.js";
import { corpus, publishedItems } from "./corpus.js";
import { judge, run, type Fuzzed } from "./wire.js";
import { countNodes, encodeFlawed, encodeTree, flaws, harmed } from "./tree.js";

test("the corpus: one item of each rule, taken by its decoder; what was found once is refused by all", () => {
  const items = corpus();
  const good = items.filter((item) => codecs[item.why] !== undefined);
  expect(good.map((item) => item.why).sort()).toEqual(Object.keys(codecs).sort());
  for (const item of good) {
    expect(matches(grammar, item.why, item.bytes), item.why).toBe(true);
    expect(toHex(codecs[item.why]!(item.bytes)!), item.why).toBe(toHex(item.bytes));
  }
  const found = items.filter((item) => codecs[item.why] === undefined);
  for (const item of found) for (const [rule, codec] of Object.entries(codecs)) expect(codec(item.bytes), `${rule} takes ${item.why}`).toBeUndefined();
  expect(found.length).toBeGreaterThan(15);
});

test("published items are many", () => {
  expect(publishedItems().length).toBeGreaterThan(1500);
});

test("1,500 hostile inputs: nothing throws, nothing is taken that the grammar refuses, codecs agree", { timeout: 60_000 }, () => {
  const found = run({ seeds: 1500, from: 1 });
  expect(found.finds).toEqual([]);
  expect(found.taken).toBeGreaterThan(200);
  expect(found.wellFormed).toBeGreaterThan(400);
  expect(found.inputs).toBe(1500 + corpus().length);
});

test("the same seeds give the same inputs", () => {
  const once = (from: number): Fuzzed => run({ seeds: 20, from });
  expect(once(77)).toEqual(once(77));
});

test.each([
  ["forgives", (bytes: Uint8Array) => bytes, /takes what scan refuses/],
  ["throws", () => { throw new Error("out of range"); }, /threw out of range/],
  ["believes a length", () => { new Uint8Array(1e7); return undefined; }, /allocates 10000000 bytes/],
])("a decoder that %s is found", (_what, planted, find) => {
  const all: Fuzzed = { inputs: 0, taken: 0, wellFormed: 0, finds: [] };
  codecs.planted = planted;
  try {
    judge(fromHex("a2010000000000"), "keys out of order", all);
  } finally {
    delete codecs.planted;
  }
  expect(all.finds.length).toBe(1);
  expect(all.finds[0]).toMatch(find);
});

describe("the fuzzers' own tools", () => {
  const item = new Map<unknown, unknown>([[1, [1, "two", new Uint8Array(3)]], [2, new Map([["a", null], ["b", true]])]]);
  test("a good encoding is good, and each flaw is one", () => {
    expect(scan(encodeTree(item))).toBe(true);
    for (const flaw of flaws) {
      const flawed = encodeFlawed(item, flaw, 0);
      expect(flawed === undefined ? undefined : scan(flawed), flaw).toBe(false);
    }
    expect(encodeFlawed(7, "doubled key", 0)).toBeUndefined();
  });
  test("harm reaches every node and leaves the original alone", () => {
    const before = toHex(encodeTree(item));
    const random = seeded(3);
    const seen = new Set(Array.from({ length: 400 }, () => toHex(encodeTree(harmed(item, random)))));
    expect(seen.size).toBeGreaterThan(100);
    expect(countNodes(item)).toBe(8);
    expect(toHex(encodeTree(item))).toBe(before);
  });
});
