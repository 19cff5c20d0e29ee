/**
 * The envelope of boards without signatures (S6): sealed or only MACed, under keys of its direction and generation alone. What
 * is sealed is opened by Node's own AES-CCM from RFC 9052's definition, not by our code, so that any COSE library can.
 */
import { describe, expect, test } from "vitest";
import { createDecipheriv, createHmac } from "node:crypto";
import { encode } from "cborg";
import { decodeStrictly } from "./cborg.js";
import { seeded, toHex } from "../published.js";
import { nobleCcm, nobleCrypto } from "../../protocol/crypto/noble/noble.js";
import { nodeCcm, nodeCrypto } from "../../protocol/crypto/node/node.js";
import type { Message } from "../../protocol/wire/envelope.js";
import { directionKeys, openMessageB, readEnvelopeB, sealMessageB } from "../../protocol/wire/envelope-b.js";

const random = seeded(31);
const master = random.bytes(32);
const up = directionKeys(nodeCrypto, master, 1, true);
const message = (sequence: number, body = 100): Message => ({
  recipient: new Uint8Array(8).fill(5), at: 1_700_000_000, quality: 1, sequence, type: 1, body: random.bytes(body), answers: undefined, certificate: undefined,
});

describe.each([["sealed", nodeCcm], ["only MACed", undefined]] as const)("%s", (_name, ccm) => {
  test.each([0, 1, 255, 256, 65_535, 2 ** 32 + 1, Number.MAX_SAFE_INTEGER])("number %i goes through, and no other bit string does", (sequence) => {
    const sent = message(sequence);
    const bytes = sealMessageB(nodeCrypto, ccm, up, sent);
    const read = readEnvelopeB(bytes)!;
    expect(read.sequence).toBe(sequence);
    expect(openMessageB(nobleCrypto, ccm === undefined ? undefined : nobleCcm, up, read)).toEqual(sent);
    for (let i = 0; i < bytes.length * 8; i += 5) {
      const changed = Uint8Array.from(bytes);
      changed[i >> 3]! ^= 1 << (i & 7);
      const again = readEnvelopeB(changed);
      expect(again === undefined ? undefined : openMessageB(nodeCrypto, nodeCcm, up, again), `bit ${i}`).toBeUndefined();
    }
  });

  test("the other direction, another generation and another terminal open nothing, even where the key id agrees", () => {
    const read = readEnvelopeB(sealMessageB(nodeCrypto, ccm, up, message(7)))!;
    for (const keys of [directionKeys(nodeCrypto, master, 1, false), directionKeys(nodeCrypto, master, 2, true), directionKeys(nodeCrypto, random.bytes(32), 1, true)]) {
      expect(openMessageB(nodeCrypto, nodeCcm, keys, read)).toBeUndefined();
      expect(openMessageB(nodeCrypto, nodeCcm, { ...keys, kid: up.kid }, read)).toBeUndefined();
    }
  });
});

test("a COSE library opens it: nonce and additional data are RFC 9052's", () => {
  const sent = message(0x1234, 9);
  const [header, unprotected, ciphertext] = untagged(sealMessageB(nodeCrypto, nodeCcm, up, sent), 16);
  expect(unprotected).toEqual(new Map([[6, Uint8Array.of(0x12, 0x34)]]));
  const nonce = Buffer.from("00000000000000000000001234", "hex");
  const plain = openNatively(up.seal, nonce, encode(["Encrypt0", header, new Uint8Array(0)]), ciphertext);
  const claims = decodeStrictly(plain) as Map<number, unknown>;
  expect((claims.get(-70001) as Map<number, unknown>).get(4)).toEqual(sent.body);
});

test("a COSE library checks the MACed one, its number included", () => {
  const [header, , payload, mac] = untagged(sealMessageB(nodeCrypto, undefined, up, message(3)), 17);
  expect(decodeStrictly(header)).toEqual(new Map<number, unknown>([[1, 5], [4, up.kid], [6, Uint8Array.of(3)]]));
  expect(toHex(mac!)).toBe(createHmac("sha256", up.mac).update(encode(["MAC0", header, new Uint8Array(0), payload])).digest("hex"));
});

test("keys are HKDF-Expand of the master, and no two of them agree", () => {
  const seen = new Set<string>();
  for (const generation of [0, 1, 2]) {
    for (const toHost of [true, false]) {
      const keys = directionKeys(nobleCrypto, master, generation, toHost);
      const info = Buffer.concat([Buffer.from(toHost ? "kaisatsu 1B t>h" : "kaisatsu 1B h>t"), Buffer.from([0, 0, 0, generation])]);
      expect(toHex(keys.mac) + toHex(keys.seal) + toHex(keys.kid)).toBe(expand(master, info, 52));
      for (const key of [keys.mac, keys.seal, keys.kid]) seen.add(toHex(key));
    }
  }
  expect(seen.size).toBe(18);
});

test("around a body it takes what trust.md says, 73 to 76 bytes, and one less around nothing", () => {
  const sizes = [0, 200, 300].map((body) => sealMessageB(nodeCrypto, nodeCcm, up, message(70_000, body)).length - body);
  expect(sizes).toEqual([72, 73, 75]);
});

test("what is neither is refused: another tag, no tag, no number, a number with leading zeros or above 2^53", () => {
  const good = sealMessageB(nodeCrypto, nodeCcm, up, message(1));
  const items = untagged(good, 16);
  const withNumber = (...bytes: number[]) => Uint8Array.from([0xd0, ...encode([items[0], new Map([[6, Uint8Array.from(bytes)]]), items[2]])]);
  expect(readEnvelopeB(withNumber(1))?.sequence).toBe(1);
  for (const bytes of [good.subarray(1), Uint8Array.from([0xd1, ...good.subarray(1)]), withNumber(), withNumber(0, 1), withNumber(32, 0, 0, 0, 0, 0, 0), withNumber(1, 0, 0, 0, 0, 0, 0, 0), new Uint8Array(0)]) {
    expect(readEnvelopeB(bytes)).toBeUndefined();
  }
});

function untagged(bytes: Uint8Array, tag: number): [Uint8Array, unknown, Uint8Array, Uint8Array?] {
  expect(bytes[0]).toBe(0xc0 + tag);
  return decodeStrictly(bytes.subarray(1)) as [Uint8Array, unknown, Uint8Array, Uint8Array?];
}
function openNatively(key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, sealed: Uint8Array): Uint8Array {
  const decipher = createDecipheriv("aes-128-ccm", key, nonce, { authTagLength: 16 });
  decipher.setAuthTag(sealed.subarray(-16));
  decipher.setAAD(aad, { plaintextLength: sealed.length - 16 });
  return decipher.update(sealed.subarray(0, -16));
}
/** HKDF-Expand alone (RFC 5869 §2.3). */
function expand(key: Uint8Array, info: Uint8Array, length: number): string {
  let [block, out] = [Buffer.alloc(0), Buffer.alloc(0)];
  for (let i = 1; out.length < length; i++) out = Buffer.concat([out, (block = createHmac("sha256", key).update(Buffer.concat([block, info, Buffer.from([i])])).digest())]);
  return out.toString("hex", 0, length);
}
