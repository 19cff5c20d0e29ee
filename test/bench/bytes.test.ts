/**
 * The byte budgets of a tap (issue "first slice", Numbers; `tap.md` §10). Bytes are the same on every machine, so a message
 * that grew past its budget is a failure here, not a figure to look at later.
 */
import { describe, expect, test } from "vitest";
import { answers, cases } from "./bytes.js";
import { sumOf } from "./floors.js";

const all = cases();

describe("a tap takes no more bytes than its budget", () => {
  test.each(all.filter((c) => c.budget !== undefined))("$what: at most $budget", (c) => {
    expect(c.counted.total).toBeLessThanOrEqual(c.budget!);
  });
});

describe("and carries everything it must", () => {
  test.each(all)("$what", (c) => {
    expect(c.counted.total).toBeGreaterThan(sumOf(c.parts));
    const messages = Object.keys(c.counted.messages);
    const shown = c.what.includes("resume") ? ["wake", "hello", "presentation", "outcome"] : ["wake", "hello", "presentation", "answer", "acknowledgement", "outcome"];
    expect(messages.filter((name) => name !== "ask" && name !== "certificate").sort()).toEqual([...shown].sort());
    expect(messages.includes("certificate")).toBe(c.what.includes("both certificates"));
  });
});

test("an earlier receipt adds at most 140 bytes", () => {
  const total = (what: string): number => all.find((c) => c.what === what)!.counted.total;
  expect(total("A ticket with an earlier receipt, terminal known") - total("A ticket, terminal known")).toBeLessThanOrEqual(140);
});

test("a refusal and a reversal are one short message each", () => {
  const found = answers();
  expect(found.refusalA).toBeLessThanOrEqual(36);
  expect(found.refusalB).toBeLessThanOrEqual(27);
  expect(found.reversal).toBeLessThanOrEqual(100);
});
