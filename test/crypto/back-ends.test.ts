/**
 * The two cryptographic back ends against each other: the same random input (from fixed seeds), the same answer. A gate
 * with one and a phone with the other must never differ, least of all on input that is no key, no point, or of a wrong
 * length. Refusing by `undefined` or false and refusing by throwing are different answers here.
 */
import { describe, expect, test } from "vitest";
import type { Crypto } from "../../protocol/crypto/crypto.js";
import { nobleCrypto } from "../../protocol/crypto/noble/noble.js";
import { nodeCrypto } from "../../protocol/crypto/node/node.js";
import { curveField, curveOrder, outcome, scalar, seeded, type Random } from "../published.js";

type Answer = Uint8Array | boolean | undefined;

/** Both back ends' one answer. */
function same(what: string, call: (crypto: Crypto) => Answer): string {
  const portable = outcome(() => call(nobleCrypto));
  expect(outcome(() => call(nodeCrypto)), what).toBe(portable);
  return portable;
}

/** Counts how often each kind of answer came, so that a test cannot pass on refusals alone. */
function kind(answer: string): "threw" | "no" | "yes" {
  return answer === "threw" ? "threw" : answer === "undefined" || answer === "false" ? "no" : "yes";
}

const goodSecret = (random: Random): Uint8Array => scalar(1n + BigInt("0x" + Buffer.from(random.bytes(32)).toString("hex")) % (curveOrder - 1n));
const flipped = (random: Random, bytes: Uint8Array): Uint8Array => {
  const changed = Uint8Array.from(bytes);
  changed[random.below(changed.length)]! ^= 1 << random.below(8);
  return changed;
};

describe("hashing and deriving", () => {
  test("SHA-256 and HMAC over 400 random messages and keys", () => {
    const random = seeded(1);
    for (let i = 0; i < 400; i++) {
      const message = random.bytes(random.below(i < 200 ? 130 : 3000));
      const key = random.bytes(random.below(140));
      expect(kind(same(`message ${i}`, (c) => c.sha256(message)))).toBe("yes");
      expect(kind(same(`key ${i}`, (c) => c.hmac(key, message)))).toBe("yes");
    }
  });

  test("HKDF over 300 random secrets, and at its limits", () => {
    const random = seeded(2);
    for (let i = 0; i < 300; i++) {
      const [secret, salt, info] = [random.bytes(random.below(80)), random.bytes(random.below(70)), random.bytes(random.below(90))];
      const length = random.below(200);
      expect(kind(same(`case ${i}`, (c) => c.hkdf(secret, salt, info, length)))).toBe("yes");
    }
    const none = new Uint8Array(0);
    const answers = [0, 1, 8160, 8161, 100000].map((length) => kind(same(`length ${length}`, (c) => c.hkdf(none, none, none, length))));
    expect(answers).toEqual(["yes", "yes", "yes", "threw", "threw"]);
  });
});

describe("sealing", () => {
  test("300 random texts sealed alike, opened crosswise, refused when one bit is changed", () => {
    const random = seeded(3);
    for (let i = 0; i < 300; i++) {
      const [key, nonce, aad, plain] = [random.bytes(16), random.bytes(12), random.bytes(random.below(60)), random.bytes(random.below(200))];
      const sealed = nobleCrypto.seal(key, nonce, aad, plain);
      same(`seal ${i}`, (c) => c.seal(key, nonce, aad, plain));
      expect(same(`open ${i}`, (c) => c.open(key, nonce, aad, sealed))).toBe(Buffer.from(plain).toString("hex"));
      const harmed = flipped(random, sealed);
      expect(same(`harmed ${i}`, (c) => c.open(key, nonce, aad, harmed))).toBe("undefined");
      const cut = sealed.subarray(0, random.below(sealed.length));
      expect(same(`cut ${i}`, (c) => c.open(key, nonce, aad, cut))).toBe("undefined");
    }
  });

  test("keys and nonces of any other length are refused alike", () => {
    const random = seeded(4);
    const none = new Uint8Array(0);
    let refused = 0;
    for (let keyBytes = 0; keyBytes <= 40; keyBytes++) {
      for (const nonceBytes of [0, 1, 7, 8, 11, 12, 13, 16, 64]) {
        const [key, nonce] = [random.bytes(keyBytes), random.bytes(nonceBytes)];
        const fits = keyBytes === 16 && nonceBytes === 12;
        const what = `key of ${keyBytes}, nonce of ${nonceBytes}`;
        expect(kind(same(what, (c) => c.seal(key, nonce, none, none))), what).toBe(fits ? "yes" : "threw");
        expect(same(what, (c) => c.open(key, nonce, none, random.bytes(32))), what).toBe("undefined");
        if (!fits) refused++;
      }
    }
    expect(refused).toBe(41 * 9 - 1);
  });
});

describe("keys, signatures and agreement", () => {
  test("a secret that was overwritten in place is another key at once: nothing of the old one is remembered", () => {
    const random = seeded(90);
    const message = random.bytes(40);
    for (const crypto of [nobleCrypto, nodeCrypto]) {
      const [first, second] = [goodSecret(random), goodSecret(random)];
      const bytes = Uint8Array.from(first);
      expect(crypto.verify(crypto.publicKey(first)!, message, crypto.sign(bytes, message))).toBe(true);
      bytes.set(second);
      expect(crypto.verify(crypto.publicKey(second)!, message, crypto.sign(bytes, message))).toBe(true);
      bytes.fill(0);
      expect(() => crypto.sign(bytes, message)).toThrow();
    }
  });

  test("150 random keys: the same public key, signatures verified crosswise, the same shared secret", () => {
    const random = seeded(5);
    for (let i = 0; i < 150; i++) {
      const [mine, theirs, message] = [goodSecret(random), goodSecret(random), random.bytes(random.below(100))];
      expect(kind(same(`key ${i}`, (c) => c.publicKey(mine)))).toBe("yes");
      const [own, peer] = [nobleCrypto.publicKey(mine)!, nobleCrypto.publicKey(theirs)!];
      for (const signer of [nobleCrypto, nodeCrypto]) {
        const signature = signer.sign(mine, message);
        expect(same(`signature ${i}`, (c) => c.verify(own, message, signature))).toBe("true");
        expect(same(`other key ${i}`, (c) => c.verify(peer, message, signature))).toBe("false");
        const harmed = flipped(random, signature);
        expect(same(`harmed ${i}`, (c) => c.verify(own, message, harmed))).toBe("false");
      }
      const shared = same(`agree ${i}`, (c) => c.agree(mine, peer));
      expect(same(`agree back ${i}`, (c) => c.agree(theirs, own))).toBe(shared);
    }
  });

  test("scalars that are no key", () => {
    const point = nobleCrypto.publicKey(scalar(7n))!;
    const message = Uint8Array.of(1);
    for (const n of [0n, curveOrder, curveOrder + 1n, (1n << 256n) - 1n]) {
      expect(same(`public key of ${n}`, (c) => c.publicKey(scalar(n)))).toBe("undefined");
      expect(same(`agree with ${n}`, (c) => c.agree(scalar(n), point))).toBe("undefined");
      expect(same(`sign with ${n}`, (c) => c.sign(scalar(n), message))).toBe("threw");
    }
    for (const n of [1n, 2n, curveOrder - 1n]) {
      expect(kind(same(`public key of ${n}`, (c) => c.publicKey(scalar(n))))).toBe("yes");
      expect(kind(same(`agree with ${n}`, (c) => c.agree(scalar(n), point)))).toBe("yes");
    }
    const random = seeded(6);
    for (const length of [0, 1, 16, 31, 33, 48, 64]) {
      const secret = random.bytes(length);
      expect(same(`public key of ${length} bytes`, (c) => c.publicKey(secret))).toBe("undefined");
      expect(same(`agree with ${length} bytes`, (c) => c.agree(secret, point))).toBe("undefined");
      expect(same(`sign with ${length} bytes`, (c) => c.sign(secret, message))).toBe("threw");
    }
  });

  test("points: 600 random x, of which about half are on the curve", () => {
    const random = seeded(7);
    const secret = goodSecret(random);
    const message = random.bytes(20);
    const signature = nobleCrypto.sign(secret, message);
    const seen = { yes: 0, no: 0, threw: 0 };
    for (let i = 0; i < 600; i++) {
      const point = Uint8Array.from([2 + random.below(2), ...random.bytes(32)]);
      seen[kind(same(`point ${i}`, (c) => c.agree(secret, point)))]++;
      expect(same(`verify ${i}`, (c) => c.verify(point, message, signature))).toBe("false");
    }
    expect(seen.threw).toBe(0);
    expect(Math.min(seen.yes, seen.no)).toBeGreaterThan(240);
  });

  test("points of a wrong form, beyond the field, or at infinity", () => {
    const random = seeded(8);
    const secret = goodSecret(random);
    const message = random.bytes(20);
    const own = nobleCrypto.publicKey(secret)!;
    const signature = nobleCrypto.sign(secret, message);
    const wrong = [new Uint8Array(0), new Uint8Array(1), new Uint8Array(33), own.subarray(1), own.subarray(0, 32), Uint8Array.from([...own, 0])];
    for (const first of [0, 1, 4, 5, 6, 7, 0x82, 255]) wrong.push(Uint8Array.from([first, ...own.subarray(1)]));
    for (const over of [0n, 1n, 2n, 5n]) for (const sign of [2, 3]) wrong.push(Uint8Array.from([sign, ...scalar(curveField + over)]));
    wrong.push(Uint8Array.from([4, ...random.bytes(64)]));
    for (const point of wrong) {
      const what = Buffer.from(point).toString("hex");
      expect(same(what, (c) => c.agree(secret, point)), what).toBe("undefined");
      expect(same(what, (c) => c.verify(point, message, signature)), what).toBe("false");
    }
    expect(wrong.length).toBe(23);
  });

  test("300 keys, each asked for its coordinates twice: what a caller erases is not erased for the next one", () => {
    const random = seeded(8);
    const points = Array.from({ length: 300 }, () => nobleCrypto.publicKey(goodSecret(random))!);
    for (const point of [...points, ...points]) {
      same(Buffer.from(point).toString("hex"), (c) => c.coordinates(point));
      for (const c of [nobleCrypto, nodeCrypto]) c.coordinates(point)!.fill(0);
    }
  });

  test("signatures of a wrong length or with r or s out of range", () => {
    const secret = scalar(12345n);
    const own = nobleCrypto.publicKey(secret)!;
    const message = Uint8Array.of(9);
    const good = nobleCrypto.sign(secret, message);
    const [r, s] = [good.subarray(0, 32), good.subarray(32)];
    const wrong = [0, 1, 32, 63].map((length) => good.subarray(0, length));
    wrong.push(Uint8Array.from([...good, 0]), Uint8Array.from([0, ...r, 0, ...s]));
    for (const n of [0n, curveOrder, (1n << 256n) - 1n]) {
      wrong.push(Uint8Array.from([...scalar(n), ...s]), Uint8Array.from([...r, ...scalar(n)]), Uint8Array.from([...scalar(n), ...scalar(n)]));
    }
    for (const signature of wrong) expect(same(Buffer.from(signature).toString("hex"), (c) => c.verify(own, message, signature))).toBe("false");
    const mirrored = Uint8Array.from([...r, ...scalar(curveOrder - BigInt("0x" + Buffer.from(s).toString("hex")))]);
    expect(same("high s", (c) => c.verify(own, message, mirrored))).toBe("true");
  });
});
