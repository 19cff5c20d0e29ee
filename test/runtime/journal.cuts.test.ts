/**
 * The journal survives its media: every operation cut, every byte rotten, every sync failed, every set of sectors lost, each
 * with a few damages; `npm run sim -- --exhaust journal` takes two hundred a point.
 */
import { describe, expect, test } from "vitest";
import { cuts, full, makeResult, rot, silent, subsets, syncs, type Result } from "../simulation/exhaust/journal.js";

function checked(part: (result: Result) => void): Result {
  const result = makeResult();
  part(result);
  expect(result.violations.slice(0, 5)).toEqual([]);
  expect(result.points).toBeGreaterThan(50);
  return result;
}

describe("the journal keeps what it acknowledged (I3, I5, I6)", () => {
  test("18: power cut at every operation, on flash and disk", () => {
    const result = checked((r) => cuts(r, 6));
    for (const fault of ["cut write", "cut erase", "cut sync", "weak read"]) expect(result.faults[fault], fault).toBeGreaterThan(20);
  });
  test("27: any unsynced sectors survive", () => { checked(subsets); });
  test("22: a bit flips in every byte of 64 records: found, and the rest is served", () => { checked((r) => rot(r, [3])); });
  test("23: a write that does nothing or lands elsewhere is found", () => { checked(silent); });
  test("25: full is said before anything is taken, and ends when pages are given back", () => { checked(full); });
  test("26: a failed sync is the end until it is opened again", () => { checked(syncs); });
});
