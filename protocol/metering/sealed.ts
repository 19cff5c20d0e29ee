/**
 * General-glo-ciphering of DLMS (IEC 62056-5-3 §5.7), in which Luxembourg's and Austria's P1 and some push lists travel:
 * `DB 08 title, length, 30, frame counter, text, tag of 12 bytes`. AES-128-GCM; the nonce is title and counter.
 *
 * The core's `Crypto` seals with tags of 16 bytes, of which 12 are a beginning. Counter mode is its own inverse, so sealing
 * the ciphered text gives the plain text, and sealing that again gives the tag to compare with.
 */
import { copy, equal, join } from "../wire/bytes.js";
import type { Crypto } from "../crypto/crypto.js";
import type { Problem } from "./reading.js";

/** The meter's keys, and the counter of its newest telegram: an older one shown again is a replay. */
export interface Opener { readonly crypto: Pick<Crypto, "seal">; readonly key: Uint8Array; readonly authenticationKey: Uint8Array; counter: number }

/** The authentication key that Luxembourg publishes for all its meters: the tag then proves knowledge of the key alone. */
export const publicAuthenticationKey: readonly number[] = [0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff];

export function makeOpener(crypto: Pick<Crypto, "seal">, key: Uint8Array, authenticationKey: Uint8Array | undefined): Opener {
  return { crypto: crypto, key: key, authenticationKey: authenticationKey === undefined ? new Uint8Array(publicAuthenticationKey) : authenticationKey, counter: -1 };
}

const tagBytes = 12;
/** Authenticated and encrypted; or encrypted alone, as Austrian meters do it: that is read, and proves nothing. One flipped bit makes the one the other. */
const authenticatedAndEncrypted = 0x30;
const encrypted = 0x20;

/** Bytes of the length field at `at`, and the length it says; undefined while it is not whole or none. */
export function lengthAt(b: Uint8Array, at: number, end: number): { bytes: number; length: number } | undefined {
  if (at >= end) return undefined;
  const first = b[at]!;
  if (first < 0x80) return { bytes: 1, length: first };
  if (first === 0x81) return at + 1 < end ? { bytes: 2, length: b[at + 1]! } : undefined;
  if (first === 0x82) return at + 2 < end ? { bytes: 3, length: (b[at + 1]! << 8) | b[at + 2]! } : undefined;
  return undefined;
}

/** The plain text of a whole message that begins with DB, or why there is none. */
export function openCiphered(b: Uint8Array, opener: Opener | undefined): { plain: Uint8Array | undefined; problem: Problem } {
  const head = b[1] === 8 ? lengthAt(b, 10, b.length) : undefined;
  if (head === undefined || head.length < 5 || 10 + head.bytes + head.length > b.length) return { plain: undefined, problem: "truncated" };
  if (opener === undefined) return { plain: undefined, problem: "key_missing" };
  const at = 10 + head.bytes;
  const end = at + head.length;
  const control = b[at]!;
  const counter = ((b[at + 1]! * 256 + b[at + 2]!) * 256 + b[at + 3]!) * 256 + b[at + 4]!;
  const nonce = join([b.subarray(2, 10), b.subarray(at + 1, at + 5)]);
  const tagged = control === authenticatedAndEncrypted;
  if ((!tagged && control !== encrypted) || (tagged && head.length < 5 + tagBytes)) return { plain: undefined, problem: "unreadable" };
  const text = copy(b, at + 5, tagged ? end - tagBytes : end);
  const associated = tagged ? join([new Uint8Array([control]), opener.authenticationKey]) : new Uint8Array(0);
  const plain = copy(opener.crypto.seal(opener.key, nonce, associated, text), 0, text.length);
  if (!tagged) return { plain: plain, problem: "tag_missing" };
  const again = opener.crypto.seal(opener.key, nonce, associated, plain);
  if (!equal(again.subarray(text.length, text.length + tagBytes), b.subarray(end - tagBytes, end))) return { plain: undefined, problem: "tag_wrong" };
  const replayed = counter <= opener.counter;
  if (!replayed) opener.counter = counter;
  return { plain: plain, problem: replayed ? "replayed" : "" };
}

/** Finds ciphered telegrams in a stream: P1 sends them with nothing around. Never holds more than one. */
export interface SealedReader { readonly held: Uint8Array; length: number }

export function makeSealed(bytesMax: number): SealedReader {
  return { held: new Uint8Array(bytesMax), length: 0 };
}

/** Takes one byte; answers the message from DB on that ended with it. */
export function feedSealed(s: SealedReader, byte: number): Uint8Array | undefined {
  if (s.length === s.held.length) s.length = 0;
  s.held[s.length++] = byte;
  while (s.length > 0 && !mayBegin(s)) {
    for (let i = 1; i < s.length; i++) s.held[i - 1] = s.held[i]!;
    s.length--;
  }
  const head = s.length < 12 ? undefined : lengthAt(s.held, 10, s.length);
  if (head === undefined || s.length < 10 + head.bytes + head.length) return undefined;
  const message = copy(s.held, 0, s.length);
  s.length = 0;
  return message;
}

function mayBegin(s: SealedReader): boolean {
  const h = s.held;
  if (h[0] !== 0xdb || (s.length > 1 && h[1] !== 8)) return false;
  if (s.length > 10 && h[10]! > 0x82) return false;
  const head = s.length < 11 ? undefined : lengthAt(h, 10, s.length);
  if (head === undefined) return true;
  if (head.length < 5 || 10 + head.bytes + head.length > h.length) return false;
  return s.length <= 10 + head.bytes || h[10 + head.bytes] === authenticatedAndEncrypted || h[10 + head.bytes] === encrypted;
}
