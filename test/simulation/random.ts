/**
 * Chance from a seed: one stream a name, so that what one actor draws moves no other. The generator is sfc32, the seed of a
 * stream is SHA-256 of its name; both are the same on every machine.
 */
import { hash } from "node:crypto";

export interface Draw {
  /** 32 bits. */
  word(): number;
  /** A whole number from 0 to n − 1. */
  below(n: number): number;
  between(low: number, high: number): number;
  chance(probability: number): boolean;
  pick<T>(list: readonly T[]): T;
  bytes(length: number): Uint8Array;
}

export function makeDraw(name: string): Draw {
  const seed = hash("sha256", name, "buffer");
  let [a, b, c, counter] = [seed.readUInt32LE(0), seed.readUInt32LE(4), seed.readUInt32LE(8), seed.readUInt32LE(12) | 1];
  const word = (): number => {
    const t = (((a + b) >>> 0) + counter) >>> 0;
    counter = (counter + 1) >>> 0;
    a = (b ^ (b >>> 9)) >>> 0;
    b = (c + (c << 3)) >>> 0;
    c = (((c << 21) | (c >>> 11)) + t) >>> 0;
    return t;
  };
  const below = (n: number): number => Math.floor((word() / 2 ** 32) * n);
  return {
    word, below,
    between: (low, high) => low + below(high - low + 1),
    chance: (probability) => word() < probability * 2 ** 32,
    pick: (list) => list[below(list.length)]!,
    bytes: (length) => {
      const out = new Uint8Array(length);
      for (let at = 0; at < length; at += 4) {
        const w = word();
        for (let i = 0; i < 4 && at + i < length; i++) out[at + i] = (w >>> (8 * i)) & 255;
      }
      return out;
    },
  };
}
