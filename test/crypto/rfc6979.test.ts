/**
 * Deterministic ECDSA (RFC 6979) on P-256 with SHA-256. The portable back end promises these very signatures, with the
 * smaller of the two possible s; the native one draws its nonces at random, so it must verify them, and the portable one
 * must verify what the native one signs.
 */
import { describe, expect, test } from "vitest";
import { nobleCrypto } from "../../protocol/crypto/noble/noble.js";
import { nodeCrypto } from "../../protocol/crypto/node/node.js";
import { backEnds, compressed, curveOrder, fromHex, published, scalar, toHex } from "../published.js";

interface Case { comment: string; x: string; Ux: string; Uy: string; msg: string; r: string; s: string; high_s: boolean; rejected_candidates: number }
const { tests } = published<{ tests: Case[] }>("rfc6979/p256-sha256.json");

const mirrored = (s: string): string => toHex(scalar(curveOrder - BigInt("0x" + s)));
const keyOf = (c: Case): Uint8Array => compressed(fromHex("04" + c.Ux + c.Uy));

test("the file holds what it should: high s, low s, and a rejected first candidate", () => {
  expect(tests.length).toBe(16);
  expect(tests.filter((c) => c.rejected_candidates > 0).length).toBe(1);
  for (const c of tests) expect(BigInt("0x" + c.s) > curveOrder / 2n, c.comment).toBe(c.high_s);
  expect(new Set(tests.map((c) => c.high_s)).size).toBe(2);
});

test.each(tests)("$comment: the portable back end gives this signature, with the smaller s", (c) => {
  const signature = nobleCrypto.sign(fromHex(c.x), fromHex(c.msg));
  expect(toHex(signature)).toBe(c.r + (c.high_s ? mirrored(c.s) : c.s));
});

describe.each(backEnds)("%s back end", (_name, crypto) => {
  test.each(tests)("$comment: public key, and both forms of s verified", (c) => {
    expect(toHex(crypto.publicKey(fromHex(c.x))!)).toBe(toHex(keyOf(c)));
    for (const s of [c.s, mirrored(c.s)]) {
      expect(crypto.verify(keyOf(c), fromHex(c.msg), fromHex(c.r + s))).toBe(true);
      expect(crypto.verify(keyOf(c), fromHex(c.msg + "00"), fromHex(c.r + s))).toBe(false);
    }
  });
});

test.each(tests)("$comment: what the native back end signs, the portable one verifies", (c) => {
  const signature = nodeCrypto.sign(fromHex(c.x), fromHex(c.msg));
  expect(signature.length).toBe(64);
  expect(nobleCrypto.verify(keyOf(c), fromHex(c.msg), signature)).toBe(true);
});
