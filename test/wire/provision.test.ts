/**
 * A blank board's first keys (`trust.md` §3), the cryptographic half: what the host seals under code and nonce is opened by
 * that board and nobody else, both back ends agree, and HKDF by hand is HKDF.
 */
import { expect, test } from "vitest";
import { seeded, toHex } from "../published.js";
import { nobleCrypto } from "../../protocol/crypto/noble/noble.js";
import { nodeCrypto } from "../../protocol/crypto/node/node.js";
import { claimKeys, requestGenuine } from "../../protocol/wire/claim.js";
import * as p from "../../protocol/wire/provision.js";

const random = seeded(41);
const [nonce, code] = [random.bytes(16), "ABCDEFGHJKMNPQR"];
const request = p.encodeBoardRequest({ lookup: "WXYZ", nonce, model: "puck gate", chip: random.bytes(8), software: "1", features: 7 });
const secret = p.claimSecret(nodeCrypto, code, nonce);
const group = (epoch: number) => ({ group: 1, epoch, grantKey: random.bytes(32), deriveKey: random.bytes(32), receiptKey: random.bytes(32) });
const granted: p.BoardPackage = { terminal: random.bytes(8), generation: 1, master: random.bytes(32), groups: [group(6), group(7), group(8)], configuration: random.bytes(190), at: 1_700_000_000 };
const text = p.encodeBoardPackage(granted);
const sealed = p.sealPackage(nodeCrypto, secret, request, text);

test("the board opens what the host sealed, with either back end, and it is a secret", () => {
  expect(p.decodeBoardPackage(p.openPackage(nobleCrypto, p.claimSecret(nobleCrypto, code, nonce), request, sealed)!)).toEqual(granted);
  for (const key of [granted.master, granted.groups[0]!.grantKey]) expect(toHex(sealed)).not.toContain(toHex(key).slice(0, 16));
});

test("the request's MAC is that of a Pi's claim: HKDF-SHA-256 of code and nonce", () => {
  expect(requestGenuine(nodeCrypto, claimKeys(nodeCrypto, code, nonce), request, p.requestMac(nobleCrypto, secret, request))).toBe(true);
});

test("another code, nonce or request opens nothing, nor does a package with any bit changed or cut off", () => {
  const others: [Uint8Array, Uint8Array][] = [
    [p.claimSecret(nodeCrypto, "ABCDEFGHJKMNPQS", nonce), request], [p.claimSecret(nodeCrypto, code, random.bytes(16)), request], [secret, random.bytes(request.length)],
  ];
  for (const [other, asked] of others) expect(p.openPackage(nodeCrypto, other, asked, sealed)).toBeUndefined();
  for (let bit = 0; bit < sealed.length * 8; bit += 7) {
    const changed = Uint8Array.from(sealed);
    changed[bit >> 3]! ^= 1 << (bit & 7);
    expect(p.openPackage(nodeCrypto, secret, request, changed)).toBeUndefined();
  }
  for (const length of [0, 1, 31, 32, 33, sealed.length - 1]) expect(p.openPackage(nodeCrypto, secret, request, sealed.subarray(0, length))).toBeUndefined();
});

test("a careless board that asks again with its old nonce is answered under another key stream", () => {
  const again = p.encodeBoardRequest({ lookup: "WXYZ", nonce, model: "puck gate", chip: random.bytes(8), software: "2", features: 7 });
  const second = p.sealPackage(nodeCrypto, secret, again, text);
  let same = 0;
  for (let i = 0; i < text.length; i++) if (second[i] === sealed[i]) same++;
  expect(same).toBeLessThan(text.length / 16);
});

test("the confirmation says that this very package is there: any other master, generation or package gives another", () => {
  const said = toHex(p.confirmation(nobleCrypto, granted, request, sealed));
  expect(toHex(p.confirmation(nodeCrypto, granted, request, sealed))).toBe(said);
  const others = [
    p.confirmation(nodeCrypto, { ...granted, generation: 2 }, request, sealed), p.confirmation(nodeCrypto, { ...granted, master: random.bytes(32) }, request, sealed),
    p.confirmation(nodeCrypto, granted, request, sealed.subarray(1)), p.confirmation(nodeCrypto, granted, request.subarray(1), sealed),
  ];
  for (const other of others) expect(toHex(other)).not.toBe(said);
});
