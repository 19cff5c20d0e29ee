/** Letters between a terminal and whoever shares its key: small, blind to carriers, and the same text is the same letter. */
import { expect, test } from "vitest";
import { nodeCrypto as crypto } from "../../protocol/crypto/node/node.js";
import { encodeCharge, type ReadingRecord } from "../../protocol/wire/charge.js";
import { decodeEncrypt0, encodeEncrypt0 } from "../../protocol/wire/cose.js";
import { direction, openPaired, pairKeys, readPaired, sealPaired } from "../../protocol/wire/paired.js";
import { signObject } from "../../protocol/wire/signed.js";

const bytes = (length: number, fill: number): Uint8Array => new Uint8Array(length).fill(fill);
const [terminal, host] = [bytes(8, 1), bytes(8, 2)];
const shared = bytes(32, 7);
const keys = (way: number) => pairKeys(crypto, shared, terminal, host, way);

const reading: ReadingRecord = {
  what: "reading", user: bytes(8, 3), sequence: 397, previous: bytes(16, 4), at: 1_800_000_000, quality: 2, plan: 65_536 + 3, total: 48_210, rest: 123_456, meter: 1, by: 2,
  registers: [1, 2].map((e) => ({ obis: new Uint8Array([1, 0, 1, 8, e, 255]), value: 12_345_678, scaler: 0, unit: 30 })),
};

test("a signed record of two registers has at most 180 bytes, and sealed for the host at most 230", () => {
  const signed = signObject(crypto, "record", bytes(32, 9), encodeCharge(reading));
  expect(signed.length).toBeLessThanOrEqual(180);
  expect(sealPaired(crypto, keys(direction.toHost), terminal, signed).length).toBeLessThanOrEqual(230);
});

test("what one seals the other opens; the same text is the same letter", () => {
  const text = encodeCharge(reading);
  const letter = sealPaired(crypto, keys(direction.toHost), terminal, text);
  expect(Buffer.compare(letter, sealPaired(crypto, keys(direction.toHost), terminal, text))).toBe(0);
  expect(Buffer.compare(openPaired(crypto, keys(direction.toHost), readPaired(letter)!)!, text)).toBe(0);
});

test("two texts never share a nonce, however copied the terminal", () => {
  const [one, other] = [bytes(40, 1), bytes(40, 2)].map((text) => readPaired(sealPaired(crypto, keys(direction.toHost), terminal, text))!);
  expect(Buffer.compare(one!.nonce, other!.nonce)).not.toBe(0);
});

test.each([
  ["sent back the other way", keys(direction.fromHost)],
  ["opened by another terminal", pairKeys(crypto, shared, bytes(8, 5), host, direction.toHost)],
  ["opened by another host", pairKeys(crypto, shared, terminal, bytes(8, 5), direction.toHost)],
  ["opened with another agreement", pairKeys(crypto, bytes(32, 8), terminal, host, direction.toHost)],
])("a letter %s says nothing", (_what, others) => {
  expect(openPaired(crypto, others, readPaired(sealPaired(crypto, keys(direction.toHost), terminal, bytes(40, 1)))!)).toBeUndefined();
});

test("a letter with any bit changed is no letter", () => {
  const letter = sealPaired(crypto, keys(direction.toHost), terminal, bytes(20, 1));
  for (let bit = 0; bit < letter.length * 8; bit++) {
    const changed = Uint8Array.from(letter);
    changed[bit >> 3]! ^= 1 << (bit & 7);
    const read = readPaired(changed);
    expect(read === undefined ? undefined : openPaired(crypto, keys(direction.toHost), read)).toBeUndefined();
  }
});

test("a text sealed by the right key under a nonce that is not its own is refused", () => {
  const k = keys(direction.toHost);
  const honest = decodeEncrypt0(sealPaired(crypto, k, terminal, bytes(20, 1)))!;
  const nonce = bytes(12, 0);
  const aad = new Uint8Array([0x83, 0x68, ...Buffer.from("Encrypt0"), 0x40 + honest.protectedHeader.length, ...honest.protectedHeader, 0x40]);
  const forged = encodeEncrypt0({ protectedHeader: honest.protectedHeader, unprotected: new Uint8Array([0xa1, 0x05, 0x4c, ...nonce]), ciphertext: crypto.seal(k.key, nonce, aad, bytes(20, 1)) }, true);
  expect(openPaired(crypto, k, readPaired(forged)!)).toBeUndefined();
});
