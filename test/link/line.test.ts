/**
 * Rows 1 to 12 of the fault table at the link, with few seeds; `npm run sim -- --exhaust line` runs the same with many. Each
 * fault must have come up, and none may break what the link promises.
 */
import { expect, test } from "vitest";
import { run } from "../simulation/exhaust/line.js";

test("whatever the line does, a message is delivered whole, once and in its session, or its sender knows", { timeout: 120_000 }, () => {
  let last = [0, 0];
  const found = run({ damage: 3, every: 17, progress: (done, of) => { last = [done, of]; } });
  expect(found.violations).toEqual([]);
  expect(last[0]).toBe(last[1]);
  const rows = new Set(Object.keys(found.faults).map((fault) => Number(fault.split(" ")[0])));
  expect([...rows]).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
  for (const [fault, times] of Object.entries(found.faults)) expect(times, fault).toBeGreaterThan(2);
});
