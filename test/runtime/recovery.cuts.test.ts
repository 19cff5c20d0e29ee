/**
 * A cut during the recovery from a cut, and cells that change pages: the same promise at any depth. A few damages a point;
 * `npm run sim -- --exhaust recovery` takes many.
 */
import { describe, expect, test } from "vitest";
import { makeResult, type Result } from "../simulation/exhaust/journal.js";
import { keys } from "../simulation/exhaust/keys.js";
import { cellsCut, cellsRot, cellsSilent, journalTwice } from "../simulation/exhaust/recovery.js";

function checked(part: (result: Result) => void): Result {
  const result = makeResult();
  part(result);
  expect(result.violations.slice(0, 5)).toEqual([]);
  expect(result.points).toBeGreaterThan(50);
  return result;
}

describe("recovery can be cut (I5)", () => {
  test("19: at every operation of it, after a cut at every operation", () => {
    const result = checked((r) => journalTwice(r, ["three entries", "the largest entries"], 1, 3));
    for (const fault of ["cut write", "cut erase", "cut sync", "weak read"]) expect(result.faults[fault], fault).toBeGreaterThan(20);
  });
  test("19, 21: where pages are given back", () => { checked((r) => journalTwice(r, ["pages given back"], 1, 1)); });
});

describe("cells are old or new, and numbers never go back (I15)", () => {
  test("18, 21, 52: cut at every operation, and again while opening", () => { checked((r) => cellsCut(r, 4, 3)); });
  test("22: a bit flips in every byte: found, or nothing has changed", () => { checked(cellsRot); });
  test("23: a write that does nothing or lands on the other page is found", () => { checked(cellsSilent); });
});

describe("keys and certificate are of one pair after any cut (I15)", () => {
  test("52: first contact and renewal cut at every write", () => { checked((r) => keys(r, 2)); });
});
