/**
 * The exhaustive runs at the size of a test: a tap torn at every point, every state against every message, the small model.
 * `npm run sim -- --exhaust tear|session|model` runs them whole.
 */
import { describe, expect, test } from "vitest";
import { run as session } from "./session.js";
import { run as tear } from "./tear.js";
import { bounds, explore, findPlant, plants } from "../model/explore.js";

test("S11, rows 13–17: a coupon torn after every message and at every event, in A and in B", () => {
  const found = tear({ damage: 1, only: (k) => k.value === "coupon" && (k.transaction === "use" || k.transaction === "resume") });
  expect(found.violations).toEqual([]);
  expect(found.points).toBeGreaterThan(500);
});
test("a journal that forgets is found by tearing", () => {
  const found = tear({ damage: 1, plant: "journal lost in a power cut", only: (k) => k.value === "ticket" && k.profile === "A" && k.transaction === "use" });
  expect(found.violations.length).toBeGreaterThan(0);
});
test("rows 35, 36: every state meets every message, whole and damaged", () => {
  const found = session({ damage: 1 });
  expect(found.violations).toEqual([]);
  expect(found.points).toBeGreaterThan(4000);
});

describe("the small model", () => {
  test.each(bounds("few").map((b) => [b.dishonest ? "a holder who lies" : "one message lost", b] as const))("%s: no promise is broken, all is visited", (_name, b) => {
    const seen = explore(b, 100_000);
    expect(seen.found).toBeUndefined();
    expect(seen.complete).toBe(true);
  });
  test.each(plants)("planted: %s is found", (plant, within) => {
    expect(findPlant(plant, within, 100_000).found?.promise).toBeTruthy();
  });
});
