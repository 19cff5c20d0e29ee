/**
 * Perfect cryptography for the model: every algebraic law of the real back ends and none of their cost. A signature is a
 * digest of public key and message, a shared secret a digest of both public keys, sealing leaves the text in clear behind a
 * keyed tag. Whoever knows a public key could forge here, so nobody in the model tries: it asks what the protocol does
 * when cryptography holds, and leaves cryptography to its own tests.
 */
import { createHash } from "node:crypto";
import type { Crypto } from "../../../protocol/crypto/crypto.js";

function digest(label: string, ...parts: Uint8Array[]): Uint8Array {
  const hash = createHash("sha256").update(label);
  for (const part of parts) hash.update(new Uint8Array([part.length >> 8, part.length & 255])).update(part);
  return new Uint8Array(hash.digest());
}
const sha256 = (message: Uint8Array): Uint8Array => new Uint8Array(createHash("sha256").update(message).digest());
const publicKey = (secret: Uint8Array): Uint8Array => new Uint8Array([2, ...digest("public", secret)]);
function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  const all = new Uint8Array(a.length + b.length);
  all.set(a);
  all.set(b, a.length);
  return all;
}
const signature = (key: Uint8Array, message: Uint8Array): Uint8Array => { const half = digest("signature", key, message); return joined(half, half); };
const same = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0;

export const perfectCrypto: Crypto = {
  sha256,
  hmac: (key, message) => digest("hmac", key, message),
  hkdf: (secret, salt, info, length) => digest("hkdf", secret, salt, info).slice(0, length),
  seal: (key, nonce, aad, plain) => joined(plain, digest("seal", key, nonce, aad, plain).slice(0, 16)),
  open: (key, nonce, aad, sealed) => {
    if (sealed.length < 16) return undefined;
    const plain = sealed.slice(0, sealed.length - 16);
    return same(digest("seal", key, nonce, aad, plain).slice(0, 16), sealed.slice(sealed.length - 16)) ? plain : undefined;
  },
  verify: (key, message, proof) => same(signature(key, message), proof),
  sign: (secret, message) => signature(publicKey(secret), message),
  publicKey,
  agree: (secret, peer) => {
    const own = publicKey(secret);
    return Buffer.compare(own, peer) < 0 ? digest("agree", own, peer) : digest("agree", peer, own);
  },
  coordinates: (key) => joined(key.slice(1), digest("y", key)),
};
