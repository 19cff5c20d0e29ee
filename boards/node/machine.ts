/**
 * What every Node machine has by itself: real randomness, and inflate with a bound.
 */
import { randomBytes } from "node:crypto";
import { inflateSync } from "node:zlib";
import type { Random } from "../../runtime/board.js";

export const random: Random = { fill: (length) => new Uint8Array(randomBytes(length)) };

/** zlib, bounded, for status lists: undefined for anything that is not zlib or would be longer than `most`. */
export function inflate(packed: Uint8Array, most: number): Uint8Array | undefined {
  try { return new Uint8Array(inflateSync(packed, { maxOutputLength: most })); } catch { return undefined; }
}
