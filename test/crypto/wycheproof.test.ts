/**
 * Project Wycheproof's cases, on each back end: signatures, points, MACs, derived keys and sealed texts that were made to
 * catch known mistakes. AES-GCM cases of key and nonce sizes that `Crypto` does not offer must be refused whole. The number
 * of cases that ran is asserted, so that none can be lost silently. Where the suite leaves the result open ("acceptable"),
 * the two back ends must agree.
 */
import { describe, expect, test } from "vitest";
import { backEnds, compressed, curveField, fromHex, outcome, published, toHex } from "../published.js";

interface Case { tcId: number; comment: string; flags: string[]; result: "valid" | "invalid" | "acceptable" }
interface Group<C> { keySize: number; ivSize: number; tagSize: number; publicKey: { uncompressed: string }; tests: (Case & C)[] }
type Found<C> = { group: Group<C>; c: Case & C }[];

function casesOf<C>(file: string): Found<C> {
  const { testGroups } = published<{ testGroups: Group<C>[] }>(`wycheproof/${file}_test.json`);
  return testGroups.flatMap((group) => group.tests.map((c) => ({ group, c })));
}

const label = (c: Case): string => `tcId ${c.tcId} ${c.comment} [${c.flags.join(" ")}]`;

describe.each(backEnds)("Wycheproof, %s back end", (_name, crypto) => {
  test("ECDSA P-256 with SHA-256, r and s side by side", () => {
    let ran = 0;
    for (const { group, c } of casesOf<{ msg: string; sig: string }>("ecdsa_secp256r1_sha256_p1363")) {
      const key = compressed(fromHex(group.publicKey.uncompressed));
      expect(crypto.verify(key, fromHex(c.msg), fromHex(c.sig)), label(c)).toBe(c.result === "valid");
      ran++;
    }
    expect(ran).toBe(174);
  });

  test("ECDH P-256: compressed points", () => {
    let ran = 0;
    for (const { c } of casesOf<{ public: string; private: string; shared: string }>("ecdh_secp256r1_ecpoint")) {
      if (c.result === "invalid" && c.public.length === 130) continue; // The next test: compressing would drop the wrong y.
      const point = fromHex(c.public);
      const answer = outcome(() => crypto.agree(privateScalar(c.private), point.length === 65 ? compressed(point) : point));
      const expected = c.result === "invalid" ? ["undefined"] : c.result === "valid" ? [c.shared] : [c.shared, "undefined"];
      expect(expected, label(c)).toContain(answer);
      ran++;
    }
    expect(ran).toBe(227);
  });

  test("ECDH P-256: points off the curve", () => {
    let ran = 0;
    let beyondField = 0;
    for (const { c } of casesOf<{ public: string; private: string }>("ecdh_secp256r1_ecpoint")) {
      if (c.result !== "invalid" || c.public.length !== 130) continue;
      const point = fromHex(c.public);
      const secret = privateScalar(c.private);
      expect(crypto.agree(secret, point), label(c)).toBeUndefined();
      if (BigInt("0x" + toHex(point.subarray(1, 33))) >= curveField) {
        for (const sign of [2, 3]) expect(crypto.agree(secret, Uint8Array.from([sign, ...point.subarray(1, 33)])), label(c)).toBeUndefined();
        beyondField++;
      }
      ran++;
    }
    expect([ran, beyondField]).toEqual([10, 4]);
  });

  test("HMAC-SHA-256, whole and cut short", () => {
    let ran = 0;
    for (const { group, c } of casesOf<{ key: string; msg: string; tag: string }>("hmac_sha256")) {
      const mac = crypto.hmac(fromHex(c.key), fromHex(c.msg)).subarray(0, group.tagSize / 8);
      expect(toHex(mac) === c.tag, label(c)).toBe(c.result === "valid");
      ran++;
    }
    expect(ran).toBe(116);
  });

  test("HKDF-SHA-256", () => {
    let ran = 0;
    for (const { c } of casesOf<{ ikm: string; salt: string; info: string; size: number; okm: string }>("hkdf_sha256")) {
      const derived = outcome(() => crypto.hkdf(fromHex(c.ikm), fromHex(c.salt), fromHex(c.info), c.size));
      expect(derived, label(c)).toBe(c.result === "valid" ? c.okm : "threw");
      ran++;
    }
    expect(ran).toBe(57);
  });

  test("AES-128-GCM with a 12-byte nonce", () => {
    let ran = 0;
    let refused = 0;
    for (const { group, c } of casesOf<{ key: string; iv: string; aad: string; msg: string; ct: string; tag: string }>("aes_gcm")) {
      const [key, nonce, aad, sealed] = [c.key, c.iv, c.aad, c.ct + c.tag].map(fromHex) as [Uint8Array, Uint8Array, Uint8Array, Uint8Array];
      if (group.keySize !== 128 || group.ivSize !== 96) { // Not offered: both must be refused, whatever the tag.
        expect(crypto.open(key, nonce, aad, sealed), label(c)).toBeUndefined();
        expect(outcome(() => crypto.seal(key, nonce, aad, fromHex(c.msg))), label(c)).toBe("threw");
        refused++;
        continue;
      }
      const opened = outcome(() => crypto.open(key, nonce, aad, sealed));
      expect(opened, label(c)).toBe(c.result === "valid" ? c.msg : "undefined");
      if (c.result === "valid") expect(toHex(crypto.seal(key, nonce, aad, fromHex(c.msg))), label(c)).toBe(c.ct + c.tag);
      ran++;
    }
    expect([ran, refused]).toEqual([45, 164]);
  });
});

test("where the suite leaves the result open, the back ends agree", () => {
  const open = casesOf<{ public: string; private: string }>("ecdh_secp256r1_ecpoint").filter(({ c }) => c.result === "acceptable");
  for (const { c } of open) {
    const answers = backEnds.map(([, crypto]) => outcome(() => crypto.agree(privateScalar(c.private), fromHex(c.public))));
    expect(new Set(answers).size, label(c)).toBe(1);
  }
  expect(open.length).toBe(1);
});

/** The suite writes scalars as signed integers: 33 bytes with a leading zero, or fewer than 32. */
function privateScalar(text: string): Uint8Array {
  return fromHex(text.replace(/^(00)+/, "").padStart(64, "0"));
}
