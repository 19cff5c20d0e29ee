/**
 * Native cryptography made deterministic and cheap, for the simulator. Everything is real, and what is real already is not
 * worked out twice: all secrets of a world are made in this process, so that an agreement needs one multiplication for both
 * sides and a signature made here is known to be good. One in 64 of either is checked by OpenSSL all the same. It also watches
 * invariant I9: a key and a nonce never seal two texts.
 */
import { createECDH, hash } from "node:crypto";
import { nodeCrypto } from "../../protocol/crypto/node/node.js";
import type { Crypto } from "../../protocol/crypto/crypto.js";
import { equal } from "../../protocol/wire/bytes.js";

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

/** One key object for all multiplications with the base point: making one costs as much as the multiplication. */
const multiplier = createECDH("prime256v1");
/** k·G, 65 bytes, uncompressed. Throws for a scalar that is none. */
function multiplied(k: Uint8Array): Buffer {
  multiplier.setPrivateKey(k);
  return multiplier.getPublicKey();
}

function inverse(a: bigint): bigint {
  let [low, high, x, y] = [a % order, order, 1n, 0n];
  while (low > 1n) {
    const ratio = high / low;
    [low, high, x, y] = [high - ratio * low, low, y - ratio * x, x];
  }
  return x < 0n ? x + order : x;
}

/**
 * Nonces come from a small pool, each with its inverse and its r: nobody computes our keys from two signatures. Which one it
 * is follows from key and message, so the same two give the same signature.
 */
interface Nonce { inverse: bigint; r: bigint }
const nonces: (Nonce | undefined)[] = [];
const noncesCount = 256;
function nonceOf(n: number): Nonce {
  return (nonces[n] ??= nonce(toBig(sha256(Buffer.from(`nonce ${n}`))) % order));
}
const nonce = (k: bigint): Nonce => ({ inverse: inverse(k), r: toBig(multiplied(to32(k)).subarray(1, 33)) % order });

function signDeterministically(secret: Uint8Array, message: Uint8Array): Uint8Array {
  const digest = sha256(message);
  const d = toBig(secret);
  if (d === 0n || d >= order) throw new Error("assertion failed: signing with a scalar that is no key");
  const { inverse: i, r } = nonceOf(sha256(secret, digest).readUInt32LE(0) % noncesCount);
  const s = (i * (toBig(digest) + r * d)) % order;
  return new Uint8Array(Buffer.concat([to32(r), to32(s > half ? order - s : s)]));
}

/** Secrets by the x of their points: whoever agrees with a key that was made here is helped by its secret, in a fifth of the time. */
const scalars = new Map<string, bigint>();
const points = new Map<string, Uint8Array | undefined>();
const made = remembered(5_000, (secret): Uint8Array | undefined => {
  try {
    const full = multiplied(secret!);
    const point = new Uint8Array(full.subarray(0, 33));
    point[0] = 2 + (full[64]! & 1);
    if (scalars.size >= 20_000) { scalars.clear(); points.clear(); }
    scalars.set(latin(point.subarray(1)), toBig(secret!));
    points.set(latin(point), new Uint8Array(full.subarray(1)));
    return point;
  } catch {
    return undefined;
  }
});
const pointOf = (secret: Uint8Array): Uint8Array | undefined => (secret.length === 32 ? made(secret) : undefined);
function coordinates(point: Uint8Array): Uint8Array | undefined {
  const name = latin(point);
  if (!points.has(name)) points.set(name, nodeCrypto.coordinates(point));
  const both = points.get(name);
  return both === undefined ? undefined : new Uint8Array(both);
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
  const peer = scalars.get(b);
  const shared = peer === undefined ? nodeCrypto.agree(secret, point) : new Uint8Array(multiplied(to32((toBig(secret) * peer) % order)).subarray(1, 33));
  if (shared === undefined) return undefined;
  if (peer !== undefined) sometimes(() => equal(shared, nodeCrypto.agree(secret, point)!), "a secret agreed here is another one");
  if (agreements.size >= 5_000) agreements.clear();
  agreements.set(name, new Uint8Array(shared));
  return shared;
}

/** HKDF out of HMAC: the library's own call starts a job of its own each time. Both ends of a letter or a tap derive the same key. */
const derived = new Map<string, Uint8Array>();
function hkdf(secret: Uint8Array, salt: Uint8Array, info: Uint8Array, length: number): Uint8Array {
  const name = `${length} ${secret.length} ${salt.length} ${latin(secret)}${latin(salt)}${latin(info)}`;
  const known = derived.get(name) ?? derive(secret, salt, info, length);
  if (derived.size >= 2_000) derived.clear();
  derived.set(name, known);
  return new Uint8Array(known);
}
function derive(secret: Uint8Array, salt: Uint8Array, info: Uint8Array, length: number): Uint8Array {
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

/** One in so many is checked as well: the others are known to be good because they were made here. */
const checkEvery = 64;
let checks = 0;
function sometimes(isGood: () => boolean, otherwise: string): void {
  if (checks++ % checkEvery === 0 && !isGood()) throw new Error(`assertion failed: ${otherwise}`);
}

/** What was sealed here, by all that it is opened with. */
const opened = new Map<string, Uint8Array>();
const nameOfSealed = (key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, sealed: Uint8Array): string => `${aad.length} ${latin(key)}${latin(nonce)}${latin(aad)}${latin(sealed)}`;
function seal(key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, plain: Uint8Array): Uint8Array {
  watch?.(key, nonce, aad, plain);
  const sealed = nodeCrypto.seal(key, nonce, aad, plain);
  if (opened.size >= 1_000) opened.clear();
  opened.set(nameOfSealed(key, nonce, aad, sealed), new Uint8Array(plain));
  return sealed;
}
function open(key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, sealed: Uint8Array): Uint8Array | undefined {
  const known = key.length === 16 && nonce.length === 12 ? opened.get(nameOfSealed(key, nonce, aad, sealed)) : undefined;
  if (known === undefined) return nodeCrypto.open(key, nonce, aad, sealed);
  sometimes(() => { const plain = nodeCrypto.open(key, nonce, aad, sealed); return plain !== undefined && equal(plain, known); }, "what was sealed here opens to something else");
  return new Uint8Array(known);
}

const signatures = new Set<string>();
const nameOf = (key: Uint8Array, message: Uint8Array, signature: Uint8Array): string => latin(key) + latin(signature) + latin(message);

const verifyNatively = remembered(20_000, (key, message, signature) => nodeCrypto.verify(key!, message!, signature!));
const verify = (key: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean =>
  (key.length === 33 && signature.length === 64 && signatures.has(nameOf(key, message, signature))) || verifyNatively(key, message, signature);
const sign = remembered(10_000, (secret, message) => {
  const signature = signDeterministically(secret!, message!);
  const point = pointOf(secret!)!;
  sometimes(() => nodeCrypto.verify(point, message!, signature), "a signature made here is no good");
  if (signatures.size >= 20_000) signatures.clear();
  signatures.add(nameOf(point, message!, signature));
  return signature;
});

/** Answers are copies: what a caller erases must not be erased here. */
export const simCrypto: Crypto = {
  sha256: (message) => new Uint8Array(sha256(message)), hmac: (key, message) => new Uint8Array(hmac(key, message)), hkdf, open, seal, agree,
  verify,
  sign: (secret, message) => new Uint8Array(sign(secret, message)),
  publicKey: (secret) => { const point = pointOf(secret); return point === undefined ? undefined : new Uint8Array(point); },
  coordinates,
};
