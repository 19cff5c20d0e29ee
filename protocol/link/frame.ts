/**
 * Where a frame starts and ends on a medium, and whether it is whole.
 *
 * A frame is one link byte, a payload and CRC-32. On serial lines and BLE it is COBS-coded and ends in a zero byte, so a
 * receiver that lost its place finds it again at the next zero. On infrared it stands in the IrDA SIR wrapper: extra
 * beginnings for slow transceivers, C0, the escaped bytes with FCS-16, C1. A frame arrives whole or not at all.
 */
import { crc32 } from "./crc.js";
import { copy, join } from "../wire/bytes.js";

/** Longest frame before coding: link byte, 1,024 bytes of payload, CRC-32. */
export const frameBytesMax = 1029;

/** How frames stand on a medium: `cobs` here, `sir` on its own page, so that a machine carries what its medium needs. */
export interface Wrapping {
  readonly name: string;
  /** Whether a receiver is inside a frame before the first beginning. */
  readonly open: boolean;
  encode(plain: Uint8Array, extraBegins: number): Uint8Array;
  feed(d: Deframer, bytes: Uint8Array, frames: Frame[]): void;
}
export interface Frame { link: number; payload: Uint8Array }

/** The bytes of one frame as they go out, behind so many extra beginnings: FF on infrared, the delimiter elsewhere. */
export function encodeFrame(wrapping: Wrapping, frame: Frame, extraBegins: number): Uint8Array {
  const plain = new Uint8Array(frame.payload.length + 5);
  plain[0] = frame.link;
  plain.set(frame.payload, 1);
  put32(plain, frame.payload.length + 1, crc32(plain.subarray(0, frame.payload.length + 1)));
  return wrapping.encode(plain, extraBegins);
}

/** Collects bytes until a frame is whole. Never holds more than one frame. */
export interface Deframer { wrapping: Wrapping; held: Uint8Array; length: number; inFrame: boolean; escaped: boolean; lost: number }

export function deframer(wrapping: Wrapping): Deframer {
  return { wrapping: wrapping, held: new Uint8Array(frameBytesMax + 16), length: 0, inFrame: wrapping.open, escaped: false, lost: 0 };
}

/** Takes what arrived; answers the frames that are now whole. `lost` counts what was discarded as damaged. */
export function feed(d: Deframer, bytes: Uint8Array): Frame[] {
  const frames: Frame[] = [];
  d.wrapping.feed(d, bytes, frames);
  return frames;
}

/** Whole runs at a time, from zero to zero: where bytes are dear, one by one would be too slow. */
function feedCobs(d: Deframer, bytes: Uint8Array, frames: Frame[]): void {
  for (let at = 0; at < bytes.length;) {
    const zero = bytes.indexOf(0, at);
    const end = zero < 0 ? bytes.length : zero;
    hold(d, bytes.subarray(at, end));
    at = end + 1;
    if (zero < 0) return;
    const coded = d.held.subarray(0, d.length);
    const empty = d.inFrame && d.length === 0;
    const plain = d.inFrame && !empty ? decodeCobs(coded) : undefined;
    restart(d, true);
    take(d, plain, !empty, frames);
  }
}

/** A frame whose check sum is right; another one is lost, where one was expected. */
export function take(d: Deframer, plain: Uint8Array | undefined, expected: boolean, frames: Frame[]): void {
  const frame = plain === undefined ? undefined : checked(plain);
  if (frame !== undefined) frames.push(frame);
  else if (expected) d.lost++;
}

/** More than a frame can hold: forget it all and wait for the next beginning. */
export function hold(d: Deframer, bytes: Uint8Array): void {
  if (!d.inFrame) return;
  if (d.length + bytes.length > d.held.length) { d.inFrame = false; d.length = 0; return; }
  d.held.set(bytes, d.length);
  d.length += bytes.length;
}

export function restart(d: Deframer, inFrame: boolean): void {
  d.length = 0;
  d.inFrame = inFrame;
  d.escaped = false;
}

function checked(plain: Uint8Array): Frame | undefined {
  const end = plain.length - 4;
  if (end < 1 || plain.length > frameBytesMax) return undefined;
  if (crc32(plain.subarray(0, end)) !== get32(plain, end)) return undefined;
  return { link: plain[0]!, payload: copy(plain, 1, end) };
}

/** Consistent Overhead Byte Stuffing (Cheshire and Baker 1999) with its delimiter: at most one byte more in 254. */
export function encodeCobs(plain: Uint8Array): Uint8Array {
  const out = new Uint8Array(plain.length + Math.floor(plain.length / 254) + 2);
  let at = 0;
  let from = 0;
  for (let more = true; more;) {
    const zero = plain.indexOf(0, from);
    const end = Math.min(zero < 0 ? plain.length : zero, from + 254);
    out[at] = end - from + 1;
    out.set(plain.subarray(from, end), at + 1);
    at += end - from + 1;
    more = end < plain.length;
    // A full run stands for no zero of its own: one behind it begins the next.
    from = end === zero && end - from < 254 ? end + 1 : end;
  }
  return copy(out, 0, at + 1);
}

/** The bytes before stuffing, without delimiter; undefined when there is nothing, or a code points past the end or stands for a zero. */
export function decodeCobs(coded: Uint8Array): Uint8Array | undefined {
  if (coded.length === 0) return undefined;
  const out = new Uint8Array(coded.length);
  let length = 0;
  let at = 0;
  while (at < coded.length) {
    const code = coded[at]!;
    if (code === 0 || at + code > coded.length) return undefined;
    const run = coded.subarray(at + 1, at + code);
    if (run.indexOf(0) >= 0) return undefined;
    out.set(run, length);
    length += run.length;
    at += code;
    if (code < 255 && at < coded.length) out[length++] = 0;
  }
  return copy(out, 0, length);
}

/** COBS, each frame behind its delimiter's zero; extra beginnings are more of them. */
export const cobs: Wrapping = {
  name: "cobs", open: true, feed: feedCobs,
  encode: (plain, extraBegins) => (extraBegins === 0 ? encodeCobs(plain) : join([new Uint8Array(extraBegins), encodeCobs(plain)])),
};

function put32(bytes: Uint8Array, at: number, n: number): void {
  bytes[at] = n >>> 24; bytes[at + 1] = (n >>> 16) & 255; bytes[at + 2] = (n >>> 8) & 255; bytes[at + 3] = n & 255;
}

function get32(bytes: Uint8Array, at: number): number {
  return bytes[at]! * 16777216 + ((bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!);
}
