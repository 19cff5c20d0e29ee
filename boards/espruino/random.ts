/**
 * Unforeseeable bytes for a board whose own source repeats: a seed of 32 bytes that its host gave it with its keys, drawn from
 * by HMAC in counter mode (SP 800-90A's idea of a generator, without reseeding). The counter goes on from a number that was
 * durable before it was used, so that a power cut never brings a draw back.
 */
import { crypto } from "./crypto.js";
import { boardFault } from "../../runtime/journal/store.js";
import { bytes4 } from "../../protocol/session/transcript.js";
import { join } from "../../protocol/wire/bytes.js";

let seed: Uint8Array | undefined;
let draws = 0;
let start = 0;

/** The seed, and a number that was never given before with it: the boot. */
export function giveSeed(bytes: Uint8Array, boot: number): void {
  seed = bytes;
  start = boot;
  draws = 0;
}

/** Throws a `BoardError` while no seed was given. */
export function givenRandom(length: number): Uint8Array {
  if (seed === undefined) throw boardFault("denied", "This board's random source repeats: give it a seed when it gets its keys.");
  const bytes = new Uint8Array(length);
  bytes.set(crypto.hmac(seed, join([bytes4(start), bytes4(draws++)])).subarray(0, length));
  return bytes;
}
