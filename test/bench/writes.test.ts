/**
 * One durable write per accepted tap on the path to opening (issue "first slice", Numbers; `tap.md` §10), at the terminal and at
 * the handset; a refusal costs none.
 */
import { expect, test } from "vitest";
import { writesCases } from "./writes.js";

const all = writesCases();

test.each(all.filter((c) => c.opens))("$what: one durable write at the terminal before it opens, none after", (c) => {
  expect([c.writes.terminal, c.writes.afterwards]).toEqual([1, 0]);
});

test.each(all.filter((c) => c.opens))("$what: at most one at the handset, also when it meets the terminal for the first time", (c) => {
  expect(c.writes.handset).toBe(c.what.includes("resumed") ? 0 : 1);
});

test.each(all.filter((c) => !c.opens))("$what: nobody waits for a write", (c) => {
  expect(c.writes).toEqual({ terminal: 0, handset: 0, afterwards: 0 });
});
