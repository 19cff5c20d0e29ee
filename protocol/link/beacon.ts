/**
 * The one-way form of the link: a beacon as text in an optical code ("KST:" and base45, RFC 9285, which QR codes hold in
 * their alphanumeric mode), or as one frame that a send-only handset repeats. There is no session: a beacon is whole by
 * itself, and its own signature says whether it is believed.
 */
import { encodeFrame } from "./frame.js";
import type { Medium } from "./media.js";

const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:";
export const beaconPrefix = "KST:";
/** A code of version 10 at error correction M still holds it; longer ones scan badly on phones. */
export const beaconTextMax = 420;

/** The text of an optical code. */
export function beaconText(message: Uint8Array): string {
  return beaconPrefix + encodeBase45(message);
}

/** The message in what a scanner read; undefined for any other code that people hold before it. */
export function readBeaconText(line: Uint8Array): Uint8Array | undefined {
  if (line.length < beaconPrefix.length + 2 || line.length > beaconTextMax * 2) return undefined;
  for (let i = 0; i < beaconPrefix.length; i++) if (line[i] !== beaconPrefix.charCodeAt(i)) return undefined;
  return decodeBase45(line.subarray(beaconPrefix.length));
}

/** One frame for a send-only handset, repeated each 300 ms; bit 7 of the link byte says that a handset speaks. */
export function beaconFrame(medium: Medium, message: Uint8Array): Uint8Array {
  return encodeFrame(medium.wrapping, { link: 0x80 | 0x40, payload: message }, medium.extraBegins);
}

/** RFC 9285: two bytes become three characters, a last single byte two. */
export function encodeBase45(bytes: Uint8Array): string {
  let text = "";
  for (let i = 0; i < bytes.length; i += 2) {
    const pair = i + 1 < bytes.length;
    const n = pair ? bytes[i]! * 256 + bytes[i + 1]! : bytes[i]!;
    text += alphabet[n % 45]! + alphabet[Math.floor(n / 45) % 45]! + (pair ? alphabet[Math.floor(n / 2025)]! : "");
  }
  return text;
}

/** The bytes of a base45 text, or undefined for a character, length or value that none can have. */
export function decodeBase45(text: Uint8Array): Uint8Array | undefined {
  if (text.length % 3 === 1) return undefined;
  const bytes = new Uint8Array(Math.floor(text.length / 3) * 2 + (text.length % 3 === 2 ? 1 : 0));
  let at = 0;
  for (let i = 0; i < text.length; i += 3) {
    const triple = i + 2 < text.length;
    const a = digit(text[i]!);
    const b = digit(text[i + 1]!);
    const c = triple ? digit(text[i + 2]!) : 0;
    const n = a + b * 45 + c * 2025;
    if (a < 0 || b < 0 || c < 0 || n > (triple ? 65535 : 255)) return undefined;
    if (triple) bytes[at++] = n >> 8;
    bytes[at++] = n & 255;
  }
  return bytes;
}

function digit(code: number): number {
  return alphabet.indexOf(String.fromCharCode(code));
}

