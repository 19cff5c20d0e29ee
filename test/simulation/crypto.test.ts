/** The simulator's cryptography agrees with the portable back end, also about what is no key, point or signature. */
import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { simCrypto, watchSeals } from "./crypto.js";
import { nobleCrypto } from "../../protocol/crypto/noble/noble.js";

const bytes = (word: string) => new Uint8Array(createHash("sha256").update(word).digest());

test("fifty signatures are good to the reference, the same whenever asked, and changed they are good to nobody", () => {
  for (let i = 0; i < 50; i++) {
    const [secret, message] = [bytes("secret" + i), bytes("message" + i).subarray(0, i % 33)];
    const signature = simCrypto.sign(secret, message);
    const key = simCrypto.publicKey(secret)!;
    expect(key).toEqual(nobleCrypto.publicKey(secret));
    expect(nobleCrypto.verify(key, message, signature)).toBe(true);
    expect(simCrypto.sign(secret, message)).toEqual(signature);
    for (const again of [0, 1]) expect(simCrypto.verify(key, message, signature), `time ${again}`).toBe(true);
    signature[i]! ^= 1;
    for (const again of [0, 1]) expect(simCrypto.verify(key, message, signature), `changed, time ${again}`).toBe(false);
  }
});
test("what a caller erases is not erased for the next one", () => {
  const secret = bytes("erased");
  const first = simCrypto.sign(secret, secret);
  const kept = new Uint8Array(first);
  first.fill(0);
  expect(simCrypto.sign(secret, secret)).toEqual(kept);
});
test("a scalar that is no key signs nothing and has no point", () => {
  for (const secret of [new Uint8Array(32), new Uint8Array(32).fill(255)]) {
    expect(() => simCrypto.sign(secret, secret)).toThrow(/no key/);
    expect(simCrypto.publicKey(secret)).toBeUndefined();
  }
});
test("agreed secrets are the reference's, with keys that were made here and with others; a point off the curve agrees to nothing", () => {
  const [one, other] = [bytes("one"), bytes("other")];
  const stranger = nobleCrypto.publicKey(bytes("stranger"))!;
  const point = simCrypto.publicKey(other)!;
  expect(simCrypto.agree(one, stranger)).toEqual(nobleCrypto.agree(one, stranger));
  expect(simCrypto.agree(one, point)).toEqual(nobleCrypto.agree(one, point));
  expect(simCrypto.agree(other, simCrypto.publicKey(one)!)).toEqual(nobleCrypto.agree(one, point));
  for (const key of [point, stranger]) expect(simCrypto.coordinates(key)).toEqual(nobleCrypto.coordinates(key));
  for (let i = 0; i < 16; i++) {
    const off = new Uint8Array(point);
    off[32]! ^= i + 1;
    expect(simCrypto.agree(one, off), `changed by ${i + 1}`).toEqual(nobleCrypto.agree(one, off));
  }
  expect(simCrypto.agree(one, point.subarray(0, 32))).toBeUndefined();
});
test("derived keys are the reference's at every length", () => {
  for (const length of [1, 16, 32, 33, 64, 100]) {
    for (const salt of [new Uint8Array(0), bytes("salt")]) expect(simCrypto.hkdf(bytes("key"), salt, bytes("info"), length), `${length}`).toEqual(nobleCrypto.hkdf(bytes("key"), salt, bytes("info"), length));
  }
});
test("what is sealed opens whole, changed in one byte of anything it does not, and nobody's erasing reaches the next one", () => {
  const [key, nonce, aad, plain] = [bytes("key").subarray(0, 16), bytes("nonce").subarray(0, 12), bytes("aad").subarray(0, 7), bytes("plain")];
  const sealed = simCrypto.seal(key, nonce, aad, plain);
  expect(sealed).toEqual(nobleCrypto.seal(key, nonce, aad, plain));
  for (const again of [0, 1]) {
    const text = simCrypto.open(key, nonce, aad, sealed)!;
    expect(text, `time ${again}`).toEqual(plain);
    text.fill(0);
  }
  for (const [what, n] of [[key, 0], [nonce, 1], [aad, 2], [sealed, 3]] as const) {
    const changed = [key, nonce, aad, sealed].map((x, i) => (i === n ? Uint8Array.from(x, (b, at) => (at === 3 ? b ^ 1 : b)) : x)) as [Uint8Array, Uint8Array, Uint8Array, Uint8Array];
    expect(simCrypto.open(...changed), `${what.length} bytes`).toBeUndefined();
  }
});
test("every text that is sealed is seen by the watch", () => {
  const seen: number[] = [];
  watchSeals((key, nonce, _aad, plain) => seen.push(key.length + nonce.length + plain.length));
  simCrypto.seal(new Uint8Array(16), new Uint8Array(12), new Uint8Array(0), new Uint8Array(5));
  watchSeals(undefined);
  simCrypto.seal(new Uint8Array(16), new Uint8Array(12), new Uint8Array(0), new Uint8Array(5));
  expect(seen).toEqual([33]);
});
