/**
 * Our CBOR codec against two others over random items from fixed seeds. Whatever our `scan` takes, cborg reads and writes
 * back in canonical order as the same bytes, and cbor-x reads as the same item; whatever cborg finds to be of our subset, `scan`
 * takes. Inputs are good items, good items with a few bytes changed, and plain noise.
 */
import { describe, expect, test } from "vitest";
import { scan } from "../../protocol/wire/cbor.js";
import { seeded, toHex, type Random } from "../published.js";
import { encodeCanonically, isOurs, readAlike } from "./cborg.js";

/** Around every change of head length, and some at random. */
function anInteger(random: Random): number {
  const edges = [0, 23, 24, 255, 256, 65535, 65536, 4294967295, 4294967296, Number.MAX_SAFE_INTEGER - 1];
  const n = random.below(2) === 0 ? edges[random.below(edges.length)]! : random.below(2 ** (1 + random.below(32)));
  return random.below(2) === 0 ? n : -1 - n;
}

const letters = ["a", "Z", "0", "é", "駅", "🚉", "\u0000", "\ud7ff", "\uffff"];
function aText(random: Random): string {
  return Array.from({ length: random.below(random.below(8) === 0 ? 120 : 8) }, () => letters[random.below(letters.length)]).join("");
}

function anItem(random: Random, depth: number): unknown {
  const choice = random.below(depth > 0 ? 9 : 6);
  if (choice < 2) return anInteger(random);
  if (choice === 2) return random.bytes(random.below(random.below(8) === 0 ? 300 : 10));
  if (choice === 3) return aText(random);
  if (choice === 4) return random.below(2) === 0;
  if (choice === 5) return null;
  const length = random.below(random.below(10) === 0 ? 30 : 5);
  if (choice === 6) return Array.from({ length }, () => anItem(random, depth - 1));
  return new Map(Array.from({ length }, () => [random.below(4) === 0 ? aText(random) : anInteger(random), anItem(random, depth - 1)]));
}

/** Both other codecs agree with what `scan` says of `bytes`; answers what it says. */
function compare(bytes: Uint8Array): boolean {
  const taken = scan(bytes);
  expect(isOurs(bytes, false), toHex(bytes)).toBe(taken);
  expect(isOurs(bytes, true), toHex(bytes)).toBe(scan(bytes, true));
  if (!taken) return false;
  expect(readAlike(bytes), toHex(bytes)).toBe(true);
  return true;
}

describe("three codecs", () => {
  test("2,000 random items in deterministic form are taken and read alike", () => {
    const random = seeded(11);
    for (let i = 0; i < 2000; i++) {
      const bytes = encodeCanonically(anItem(random, 4));
      expect(compare(bytes), toHex(bytes)).toBe(true);
    }
  });

  test("12,000 items with one to three bytes changed, inserted or dropped", () => {
    const random = seeded(12);
    let taken = 0;
    for (let i = 0; i < 12000; i++) {
      const bytes = [...encodeCanonically(anItem(random, 3))];
      for (let changes = 1 + random.below(3); changes > 0; changes--) {
        const at = random.below(bytes.length + 1);
        const how = random.below(4);
        if (how === 0) bytes.splice(at, 1);
        else if (how === 1) bytes.splice(at, 0, random.below(256));
        else if (how === 2) bytes.splice(at, 1, random.below(256));
        else if (at < bytes.length) bytes[at]! ^= 1 << random.below(8);
      }
      if (compare(Uint8Array.from(bytes))) taken++;
    }
    expect(taken).toBeGreaterThan(1000);
    expect(taken).toBeLessThan(11000);
  });

  test("20,000 runs of noise of up to 12 bytes", () => {
    const random = seeded(13);
    let taken = 0;
    for (let i = 0; i < 20000; i++) if (compare(random.bytes(random.below(13)))) taken++;
    expect(taken).toBeGreaterThan(100);
  });
});
