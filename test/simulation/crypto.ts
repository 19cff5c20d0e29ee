/**
 * Native cryptography made deterministic, for the simulator: signatures as RFC 6979 says, byte for byte those of the portable
 * back end, with the point multiplication left to OpenSSL. What was computed once for the same input is remembered, within
 * bounds: a provider's key verifies the same certificate at every tap. It also watches invariant I9: a key and a nonce
 * never seal two texts.
 */
import { createECDH, hash, type ECDH } from "node:crypto";
import { nodeCrypto } from "../../protocol/crypto/node/node.js";
import type { Crypto } from "../../protocol/crypto/crypto.js";

const order = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
const half = order >> 1n;

const latin = (bytes: Uint8Array): string => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1");
const toBig = (bytes: Uint8Array): bigint => BigInt("0x" + Buffer.from(bytes).toString("hex"));
const to32 = (n: bigint): Buffer => Buffer.from(n.toString(16).padStart(64, "0"), "hex");

/** Remembers up to `most` answers; when full it forgets all, which costs time and nothing else. */
function remembered<T>(most: number, compute: (...inputs: Uint8Array[]) => T): (...inputs: Uint8Array[]) => T {
  let known = new Map<string, T>();
  return (...inputs) => {
    const name = inputs.map(latin).join("|" + inputs.map((x) => x.length).join(",") + "|");
    const held = known.get(name);
    if (held !== undefined) return held;
    const answer = compute(...inputs);
    if (known.size >= most) known = new Map();
    known.set(name, answer);
    return answer;
  };
}

const sha256 = (...parts: Uint8Array[]): Buffer => hash("sha256", parts.length === 1 ? parts[0]! : Buffer.concat(parts), "buffer");

/** RFC 2104 out of hashes in one call: an object of the library's for each is what costs time. */
const hmac = (key: Uint8Array, ...parts: Uint8Array[]): Buffer => {
  const short = key.length > 64 ? sha256(key) : key;
  const [inner, outer] = [Buffer.alloc(64, 0x36), Buffer.alloc(64, 0x5c)];
  for (let i = 0; i < short.length; i++) { inner[i]! ^= short[i]!; outer[i]! ^= short[i]!; }
  return sha256(outer, sha256(inner, ...parts));
};

/** The k of RFC 6979 §3.2 for SHA-256 and P-256. */
function nonceFor(secret: Uint8Array, digest: Buffer, tried: (k: bigint) => Uint8Array | undefined): Uint8Array {
  const reduced = to32(toBig(digest) % order);
  let v: Buffer = Buffer.alloc(32, 1);
  let k: Buffer = Buffer.alloc(32, 0);
  for (const separator of [0, 1]) {
    k = hmac(k, v, Buffer.from([separator]), secret, reduced);
    v = hmac(k, v);
  }
  for (;;) {
    v = hmac(k, v);
    const candidate = toBig(v);
    const done = candidate > 0n && candidate < order ? tried(candidate) : undefined;
    if (done !== undefined) return done;
    k = hmac(k, v, Buffer.from([0]));
    v = hmac(k, v);
  }
}

function inverse(a: bigint): bigint {
  let [low, high, x, y] = [a % order, order, 1n, 0n];
  while (low > 1n) {
    const ratio = high / low;
    [low, high, x, y] = [high - ratio * low, low, y - ratio * x, x];
  }
  return x < 0n ? x + order : x;
}

function signDeterministically(secret: Uint8Array, message: Uint8Array): Uint8Array {
  const digest = sha256(message);
  const d = toBig(secret);
  if (d === 0n || d >= order) throw new Error("assertion failed: signing with a scalar that is no key");
  const z = toBig(digest) % order;
  return nonceFor(secret, digest, (k) => {
    const pair = createECDH("prime256v1");
    pair.setPrivateKey(to32(k));
    const r = toBig(pair.getPublicKey().subarray(1, 33)) % order;
    const s = (inverse(k) * ((z + r * d) % order)) % order;
    if (r === 0n || s === 0n) return undefined;
    return new Uint8Array(Buffer.concat([to32(r), to32(s > half ? order - s : s)]));
  });
}

/** The pair that a secret makes, kept for a while: an ephemeral key is asked for its point and agrees in one breath. */
const pairOf = remembered(2_000, (secret): { pair: ECDH | undefined; point: Uint8Array | undefined } => {
  try {
    const pair = createECDH("prime256v1");
    pair.setPrivateKey(secret!);
    return { pair, point: new Uint8Array(pair.getPublicKey(null, "compressed")) };
  } catch {
    return { pair: undefined, point: undefined };
  }
});
const pointOf = (secret: Uint8Array): Uint8Array | undefined => (secret.length === 32 ? pairOf(secret).point : undefined);

function agreeNatively(secret: Uint8Array, point: Uint8Array): Uint8Array | undefined {
  try {
    return new Uint8Array(pairOf(secret).pair!.computeSecret(point));
  } catch {
    return undefined;
  }
}

/** Both sides of an agreement find the same x: it is remembered by the two public keys in one order, so one multiplication serves both. */
const agreements = new Map<string, Uint8Array>();
function agree(secret: Uint8Array, point: Uint8Array): Uint8Array | undefined {
  const own = secret.length === 32 && point.length === 33 && (point[0] === 2 || point[0] === 3) ? pointOf(secret) : undefined;
  if (own === undefined) return undefined;
  const [a, b] = [latin(own.subarray(1)), latin(point.subarray(1))];
  const name = a < b ? a + b : b + a;
  const known = agreements.get(name);
  if (known !== undefined) return new Uint8Array(known);
  const shared = agreeNatively(secret, point);
  if (shared === undefined) return undefined;
  if (agreements.size >= 5_000) agreements.clear();
  agreements.set(name, new Uint8Array(shared));
  return shared;
}

/** HKDF out of HMAC: the library's own call starts a job of its own each time. */
function hkdf(secret: Uint8Array, salt: Uint8Array, info: Uint8Array, length: number): Uint8Array {
  const key = hmac(salt, secret);
  const out = Buffer.alloc(Math.ceil(length / 32) * 32);
  let block: Buffer = Buffer.alloc(0);
  for (let i = 1; (i - 1) * 32 < length; i++) {
    block = hmac(key, block, info, Buffer.from([i]));
    block.copy(out, (i - 1) * 32);
  }
  return new Uint8Array(out.subarray(0, length));
}

/** Called for each text sealed; an answer is the complaint that (key, nonce) sealed another text before. */
export interface SealWatch { (key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, plain: Uint8Array): void }
let watch: SealWatch | undefined;
export function watchSeals(by: SealWatch | undefined): void {
  watch = by;
}

/** One signature in so many is checked as well: the others are known to be good because they were made here. */
const checkEvery = 64;
let made = 0;
const signatures = new Map<string, true>();
const nameOf = (key: Uint8Array, message: Uint8Array, signature: Uint8Array): string => latin(key) + latin(signature) + latin(message);

const verifyNatively = remembered(20_000, (key, message, signature) => nodeCrypto.verify(key!, message!, signature!));
const verify = (key: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean =>
  (key.length === 33 && signature.length === 64 && signatures.has(nameOf(key, message, signature))) || verifyNatively(key, message, signature);
const sign = remembered(10_000, (secret, message) => {
  const signature = signDeterministically(secret!, message!);
  const name = nameOf(pointOf(secret!)!, message!, signature);
  if (made++ % checkEvery === 0 && !nodeCrypto.verify(pointOf(secret!)!, message!, signature)) throw new Error("assertion failed: a signature made here is no good");
  if (signatures.size >= 20_000) signatures.clear();
  signatures.set(name, true);
  return signature;
});
const coordinates = remembered(5_000, (point) => ({ both: nodeCrypto.coordinates(point!) }));

/** Answers are copies: what a caller erases must not be erased here. */
export const simCrypto: Crypto = {
  sha256: (message) => new Uint8Array(sha256(message)), hmac: (key, message) => new Uint8Array(hmac(key, message)), hkdf, open: nodeCrypto.open, agree,
  seal: (key, nonce, aad, plain) => {
    watch?.(key, nonce, aad, plain);
    return nodeCrypto.seal(key, nonce, aad, plain);
  },
  verify,
  sign: (secret, message) => new Uint8Array(sign(secret, message)),
  publicKey: (secret) => { const point = pointOf(secret); return point === undefined ? undefined : new Uint8Array(point); },
  coordinates: (point) => { const { both } = coordinates(point); return both === undefined ? undefined : new Uint8Array(both); },
};
