/**
 * What the tests with published cases share: files of test/vectors, hexadecimal, both cryptographic back ends under their
 * names, and random bytes from a seed, so that a failure comes back with the same seed.
 */
import { readFileSync } from "node:fs";
import type { Crypto } from "../protocol/crypto/crypto.js";
import { nobleCrypto } from "../protocol/crypto/noble/noble.js";
import { nodeCrypto } from "../protocol/crypto/node/node.js";

const root = new URL(import.meta.url.includes("/dist/test/") ? "../../" : "../", import.meta.url);
/** A file of the project by its path from the root, whether the sources run or what was built of them. */
export const projectFile = (path: string): URL => new URL(path, root);

/** A JSON file of test/vectors; the caller says what it holds. */
export function published<T>(path: string): T {
  return JSON.parse(readFileSync(projectFile(`test/vectors/${path}`), "utf8")) as T;
}

export const fromHex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, "hex"));
export const toHex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

export const backEnds: readonly (readonly [string, Crypto])[] = [["noble", nobleCrypto], ["node", nodeCrypto]];

/** What a call gives as text that two back ends can be compared by: bytes, a truth, undefined, or that it threw. */
export function outcome(call: () => Uint8Array | boolean | undefined): string {
  try {
    const answer = call();
    return answer instanceof Uint8Array ? toHex(answer) : String(answer);
  } catch {
    return "threw";
  }
}

/** The 33-byte form of a 65-byte uncompressed point; its y is taken on trust. */
export function compressed(point: Uint8Array): Uint8Array {
  return Uint8Array.from([2 | (point[64]! & 1), ...point.subarray(1, 33)]);
}

export const curveOrder = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
export const curveField = 0xffffffff00000001000000000000000000000000ffffffffffffffffffffffffn;

/** A number as 32 bytes, big endian. */
export const scalar = (n: bigint): Uint8Array => fromHex(n.toString(16).padStart(64, "0"));

export interface Random { below(n: number): number; bytes(length: number): Uint8Array }

/** mulberry32: small, even enough for choosing inputs, the same everywhere. */
export function seeded(seed: number): Random {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  const below = (n: number): number => Math.floor(next() * n);
  return { below, bytes: (length) => Uint8Array.from({ length }, () => below(256)) };
}
