/**
 * The engine's native SHA-256 as the core asks for it. There is no native HMAC: two digests with pads made ahead do it
 * (RFC 2104), and the pads of the few keys in use are kept, because making them is the dearest part of an HMAC here.
 */
import type { Crypto } from "../../protocol/crypto/crypto.js";
import { join } from "../../protocol/wire/bytes.js";

const native = require("crypto");

function sha256(message: Uint8Array): Uint8Array {
  return new Uint8Array(native.SHA256(message));
}

/** Keys and their pads, last used last: three of a group, one of a grant, one of the letters. */
const pads: { key: Uint8Array; inner: Uint8Array; outer: Uint8Array }[] = [];
const padsMax = 5;

function padOf(key: Uint8Array, mask: number): Uint8Array {
  const block = new Uint8Array(64);
  block.set(key.length > 64 ? sha256(key) : key);
  const words = new Uint32Array(block.buffer);
  for (let i = 0; i < 16; i++) words[i] = words[i]! ^ mask;
  return block;
}

/** Found by the key's own place in memory: the same bytes elsewhere are made again. */
function padsOf(key: Uint8Array): { inner: Uint8Array; outer: Uint8Array } {
  for (let i = 0; i < pads.length; i++) if (pads[i]!.key === key) { pads.push(pads.splice(i, 1)[0]!); return pads[pads.length - 1]!; }
  const made = { key: key, inner: padOf(key, 0x36363636), outer: padOf(key, 0x5c5c5c5c) };
  if (pads.push(made) > padsMax) pads.shift();
  return made;
}

function hmac(key: Uint8Array, message: Uint8Array): Uint8Array {
  const made = padsOf(key);
  return sha256(join([made.outer, sha256(join([made.inner, message]))]));
}

/** Of the core's cryptography a board of profile B reaches these two and nothing else. */
export const crypto = { sha256: sha256, hmac: hmac } as Crypto;
