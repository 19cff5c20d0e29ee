/**
 * The native cryptographic back end: Node's OpenSSL behind the same page as `noble/`, some 40 times faster. What
 * follows from a public key is kept in a small cache, because a gate verifies with the same provider keys at every tap.
 */
import {
  createCipheriv, createDecipheriv, createHash, createHmac, createPrivateKey, createPublicKey, createECDH, ECDH, hkdfSync,
  sign, verify, type KeyObject,
} from "node:crypto";
import { assert } from "../../assert.js";
import { equal } from "../../wire/bytes.js";
import { fitsCcm, type Ccm } from "../ccm.js";
import { fitsGcm, type Crypto } from "../crypto.js";

const curve = "prime256v1";
const tagBytes = 16;

/** Answers undefined where OpenSSL throws for bytes that are no key or point. */
function attempt<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch {
    return undefined;
  }
}

/** A small memory of what follows from a key: at most so many answers are kept, and the one used longest ago goes first. */
const rememberedMax = 256;
function remembered<T>(derive: (point: Uint8Array) => T | undefined): (point: Uint8Array) => T | undefined {
  const known = new Map<string, T>();
  return (point) => {
    if (point.length !== 33) return undefined;
    const name = Buffer.from(point).toString("latin1");
    const answer = known.get(name) ?? attempt(() => derive(point));
    if (answer === undefined) return undefined;
    known.delete(name);
    known.set(name, answer);
    if (known.size > rememberedMax) known.delete(known.keys().next().value!);
    return answer;
  };
}

const base64url = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64url");

/** x and y of a compressed point, 64 bytes. */
const uncompressed = remembered((point) => (ECDH.convertKey(point, curve, undefined, undefined, "uncompressed") as Buffer).subarray(1));
const importPublic = remembered((point): KeyObject | undefined => {
  const both = uncompressed(point);
  return both && createPublicKey({ key: { kty: "EC", crv: "P-256", x: base64url(both.subarray(0, 32)), y: base64url(both.subarray(32)) }, format: "jwk" });
});

/** The pair that a secret makes, or undefined when it is none. */
function pairOf(secret: Uint8Array): ECDH | undefined {
  return secret.length !== 32 ? undefined : attempt(() => {
    const pair = createECDH(curve);
    pair.setPrivateKey(secret);
    return pair;
  });
}

/**
 * Signing keys, each kept as long as the bytes it was made of are in use, and no longer: a copy of them stands by, so that
 * bytes that were erased or changed in place are never taken for the key that they once were.
 */
const signingKeys = new WeakMap<Uint8Array, { secret: Uint8Array; key: KeyObject }>();

function importSigning(secret: Uint8Array): KeyObject | undefined {
  const kept = signingKeys.get(secret);
  if (kept !== undefined && equal(kept.secret, secret)) return kept.key;
  const full = pairOf(secret)?.getPublicKey();
  if (full === undefined) return undefined;
  const key = createPrivateKey({
    key: { kty: "EC", crv: "P-256", d: base64url(secret), x: full.toString("base64url", 1, 33), y: full.toString("base64url", 33) },
    format: "jwk",
  });
  signingKeys.set(secret, { secret: new Uint8Array(secret), key });
  return key;
}

export const nodeCrypto: Crypto = {
  sha256: (message) => new Uint8Array(createHash("sha256").update(message).digest()),
  hmac: (key, message) => new Uint8Array(createHmac("sha256", key).update(message).digest()),
  hkdf: (secret, salt, info, length) => new Uint8Array(hkdfSync("sha256", secret, salt, info, length)),
  seal: (key, nonce, aad, plain) => {
    assert(fitsGcm(key, nonce), "sealing with a 16-byte key and a 12-byte nonce");
    const cipher = createCipheriv("aes-128-gcm", key, nonce);
    cipher.setAAD(aad);
    return new Uint8Array(Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()]));
  },
  open: (key, nonce, aad, sealed) => {
    if (!fitsGcm(key, nonce) || sealed.length < tagBytes) return undefined;
    return attempt(() => {
      const decipher = createDecipheriv("aes-128-gcm", key, nonce, { authTagLength: tagBytes });
      decipher.setAAD(aad);
      decipher.setAuthTag(sealed.subarray(sealed.length - tagBytes));
      return new Uint8Array(Buffer.concat([decipher.update(sealed.subarray(0, sealed.length - tagBytes)), decipher.final()]));
    });
  },
  sign: (secret, message) => {
    const key = importSigning(secret);
    if (key === undefined) throw new Error("assertion failed: signing with a scalar that is no key");
    return new Uint8Array(sign("sha256", message, { key, dsaEncoding: "ieee-p1363" }));
  },
  publicKey: (secret) => {
    const point = pairOf(secret)?.getPublicKey(null, "compressed");
    return point === undefined ? undefined : new Uint8Array(point);
  },
  verify: (publicKey, message, signature) => {
    const key = signature.length === 64 ? importPublic(publicKey) : undefined;
    return key !== undefined && attempt(() => verify("sha256", message, { key, dsaEncoding: "ieee-p1363" }, signature)) === true;
  },
  // A tap's secret is used once or twice and must not outlive it, so nothing is kept here.
  agree: (secret, publicKey) => {
    const own = publicKey.length === 33 ? pairOf(secret) : undefined;
    return own === undefined ? undefined : attempt(() => new Uint8Array(own.computeSecret(publicKey)));
  },
  coordinates: (publicKey) => {
    const both = uncompressed(publicKey);
    return both && new Uint8Array(both);
  },
};

/** Texts below 64 KiB, as a 13-byte nonce leaves two bytes for their length. */
const ccmTextBytesMax = 65535;

export const nodeCcm: Ccm = {
  seal: (key, nonce, aad, plain) => {
    assert(fitsCcm(key, nonce) && plain.length <= ccmTextBytesMax, "sealing with a 16-byte key, a 13-byte nonce and a short text");
    const cipher = createCipheriv("aes-128-ccm", key, nonce, { authTagLength: tagBytes });
    cipher.setAAD(aad, { plaintextLength: plain.length });
    return new Uint8Array(Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()]));
  },
  open: (key, nonce, aad, sealed) => {
    const textBytes = sealed.length - tagBytes;
    if (!fitsCcm(key, nonce) || textBytes < 0 || textBytes > ccmTextBytesMax) return undefined;
    return attempt(() => {
      const decipher = createDecipheriv("aes-128-ccm", key, nonce, { authTagLength: tagBytes });
      decipher.setAuthTag(sealed.subarray(textBytes));
      decipher.setAAD(aad, { plaintextLength: textBytes });
      return new Uint8Array(Buffer.concat([decipher.update(sealed.subarray(0, textBytes)), decipher.final()]));
    });
  },
};
