/**
 * What the status key says: a list, what changed since, and how far that may reach. A delta comes from whoever holds the key,
 * so a stolen one must not be able to fill a terminal's memory with a few bytes.
 */
import { describe, expect, test } from "vitest";
import { nodeCrypto } from "../../protocol/crypto/node/node.js";
import { limits } from "../../protocol/limits.js";
import { applyDelta, bitsDigest, decodeStatusDelta, encodeStatusDelta, status, statusAt, withStatus, type StatusDelta } from "../../protocol/wire/trust.js";
import { fromHex, toHex } from "../published.js";

const delta = (more: Partial<StatusDelta>): StatusDelta =>
  ({ issuer: "host", list: "values", issuedAt: 9, ttl: 900, number: 2, appliesTo: 1, result: new Uint8Array(8), revoked: [], valid: [], suspended: [], ...more });
const last = limits.statusListBytesMax * 4 - 1;

describe("a delta's indices", () => {
  test("from none to many, near and far, come back as they were", () => {
    for (const revoked of [[], [0], [0, 1, 2], [127], [128], [0, 129], [16383, 16384], [5, 300_000, 300_001, last], Array.from({ length: 1000 }, (_none, i) => i * 1000)]) {
      for (const x of [delta({ revoked }), delta({ valid: revoked, suspended: [3] })]) expect(decodeStatusDelta(encodeStatusDelta(x))).toEqual(x);
    }
  });
  test("beyond the longest list they are refused, in one step or in many", () => {
    expect(decodeStatusDelta(encodeStatusDelta(delta({ revoked: [last + 1] })))).toBeUndefined();
    expect(decodeStatusDelta(encodeStatusDelta(delta({ revoked: [1_000_000_000] })))).toBeUndefined();
    expect(decodeStatusDelta(encodeStatusDelta(delta({ suspended: [last - 1, last, last + 1] })))).toBeUndefined();
    expect(decodeStatusDelta(encodeStatusDelta(delta({ valid: [2 ** 52] })))).toBeUndefined();
  });
  test("a gap cut short, not in shortest form, or a list of none is refused", () => {
    const good = toHex(encodeStatusDelta(delta({ revoked: [300] })));
    expect(good.endsWith("0442822c")).toBe(true);
    for (const gaps of ["0441" + "82", "0443" + "80822c", "0440", "0442" + "8282", "044a" + "ff".repeat(9) + "7f"]) {
      expect(decodeStatusDelta(fromHex(good.slice(0, -8) + gaps)), gaps).toBeUndefined();
    }
  });
});

describe("a list's bits", () => {
  test("two bits a value, low bits first; beyond the end everything is valid, for it was issued later", () => {
    const bits = withStatus(new Uint8Array(1), [1, 4, 9], status.revoked);
    expect(toHex(bits)).toBe("040104");
    expect([0, 1, 2, 4, 9, 10, 12, 1_000_000].map((i) => statusAt(bits, i))).toEqual([0, 1, 0, 1, 1, 0, 0, 0]);
    expect(toHex(withStatus(bits, [1], status.suspended))).toBe("080104");
    expect(toHex(withStatus(bits, [1], status.valid))).toBe("000104");
    expect(toHex(bits)).toBe("040104");
  });
  test("a delta applies if what comes out is what it names, else not at all", () => {
    const before = withStatus(new Uint8Array(2), [0, 5], status.revoked);
    const changes = { revoked: [7], valid: [0], suspended: [5, 20] };
    const after = withStatus(withStatus(withStatus(before, [7], 1), [0], 0), [5, 20], 2);
    const good = delta({ ...changes, result: bitsDigest(nodeCrypto, after) });
    expect(applyDelta(nodeCrypto, before, good)).toEqual(after);
    expect(applyDelta(nodeCrypto, withStatus(before, [3], 1), good)).toBeUndefined();
    expect(applyDelta(nodeCrypto, before, delta({ ...changes, revoked: [8], result: good.result }))).toBeUndefined();
  });
});
