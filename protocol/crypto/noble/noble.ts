/**
 * The portable cryptographic back end and the reference: `@noble/*`, audited code in the language itself, the same bytes
 * on every machine that has BigInt. Signatures are deterministic (RFC 6979) and low-S; verification takes high-S too,
 * since phones' key stores make it half the time.
 */
import { cbc, ecb, gcm } from "@noble/ciphers/aes.js";
import { p256 } from "@noble/curves/nist.js";
import { hkdf } from "@noble/hashes/hkdf.js";
import { hmac } from "@noble/hashes/hmac.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { assert } from "../../assert.js";
import { composedCcm, type Ccm } from "../ccm.js";
import { fitsGcm, type Crypto } from "../crypto.js";

/** Answers undefined where the library throws for bytes that are no key, point or signature. */
function attempt<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch {
    return undefined;
  }
}

export const nobleCrypto: Crypto = {
  sha256: (message) => sha256(message),
  hmac: (key, message) => hmac(sha256, key, message),
  hkdf: (secret, salt, info, length) => hkdf(sha256, secret, salt, info, length),
  seal: (key, nonce, aad, plain) => {
    assert(fitsGcm(key, nonce), "sealing with a 16-byte key and a 12-byte nonce");
    return gcm(key, nonce, aad).encrypt(plain);
  },
  open: (key, nonce, aad, sealed) => (fitsGcm(key, nonce) ? attempt(() => gcm(key, nonce, aad).decrypt(sealed)) : undefined),
  sign: (secret, message) => p256.sign(message, secret),
  publicKey: (secret) => attempt(() => p256.getPublicKey(secret, true)),
  verify: (publicKey, message, signature) =>
    publicKey.length === 33 && attempt(() => p256.verify(signature, message, publicKey, { lowS: false })) === true,
  agree: (secret, publicKey) =>
    publicKey.length === 33 ? attempt(() => p256.getSharedSecret(secret, publicKey, true).subarray(1)) : undefined,
  coordinates: (publicKey) =>
    publicKey.length === 33 ? attempt(() => p256.Point.fromBytes(publicKey).toBytes(false).subarray(1)) : undefined,
};

export const nobleCcm: Ccm = composedCcm({
  cbc: (key, blocks) => cbc(key, new Uint8Array(16), { disablePadding: true }).encrypt(blocks),
  ecb: (key, blocks) => ecb(key, { disablePadding: true }).encrypt(blocks),
});
