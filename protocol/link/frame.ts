/**
 * Where a frame starts and ends on a medium, and whether it is whole.
 *
 * A frame is one link byte, a payload and CRC-32. On serial lines and BLE it is COBS-coded and ends in a zero byte, so a
 * receiver that lost its place finds it again at the next zero. On infrared it stands in the IrDA SIR wrapper: extra
 * beginnings for slow transceivers, C0, the escaped bytes with FCS-16, C1. A frame arrives whole or not at all.
 */
import { crc32, fcs16 } from "./crc.js";
import { copy, join } from "../wire/bytes.js";

/** Longest frame before coding: link byte, 1,024 bytes of payload, CRC-32. */
export const frameBytesMax = 1029;

export type Wrapping = "cobs" | "sir";
export interface Frame { link: number; payload: Uint8Array }

const beginSir = 0xc0;
const endSir = 0xc1;
const escapeSir = 0x7d;
const extraBegin = 0xff;

/** The bytes of one frame as they go out, behind so many extra beginnings: FF on infrared, the delimiter elsewhere. */
export function encodeFrame(wrapping: Wrapping, frame: Frame, extraBegins: number): Uint8Array {
  const plain = new Uint8Array(frame.payload.length + 5);
  plain[0] = frame.link;
  plain.set(frame.payload, 1);
  put32(plain, frame.payload.length + 1, crc32(plain.subarray(0, frame.payload.length + 1)));
  return wrapping === "sir" ? encodeSir(plain, extraBegins) : extraBegins === 0 ? encodeCobs(plain) : join([new Uint8Array(extraBegins), encodeCobs(plain)]);
}

/** Collects bytes until a frame is whole. Never holds more than one frame. */
export interface Deframer { wrapping: Wrapping; held: Uint8Array; length: number; inFrame: boolean; escaped: boolean; lost: number }

export function deframer(wrapping: Wrapping): Deframer {
  return { wrapping: wrapping, held: new Uint8Array(frameBytesMax + 16), length: 0, inFrame: wrapping === "cobs", escaped: false, lost: 0 };
}

/** Takes what arrived; answers the frames that are now whole. `lost` counts what was discarded as damaged. */
export function feed(d: Deframer, bytes: Uint8Array): Frame[] {
  const frames: Frame[] = [];
  for (let i = 0; i < bytes.length; i++) {
    const frame = d.wrapping === "cobs" ? feedCobs(d, bytes[i]!) : feedSir(d, bytes[i]!);
    if (frame !== undefined) frames.push(frame);
  }
  return frames;
}

function feedCobs(d: Deframer, byte: number): Frame | undefined {
  if (byte !== 0) { hold(d, byte); return undefined; }
  const coded = d.held.subarray(0, d.length);
  const kept = d.inFrame && d.length > 0;
  const empty = d.length === 0 && d.inFrame;
  restart(d, true);
  const plain = kept ? decodeCobs(coded) : undefined;
  const frame = plain === undefined ? undefined : checked(plain);
  if (frame === undefined && !empty) d.lost++;
  return frame;
}

function feedSir(d: Deframer, byte: number): Frame | undefined {
  if (byte === beginSir) {
    if (d.inFrame && d.length > 0) d.lost++;
    restart(d, true);
    return undefined;
  }
  if (byte === endSir) {
    const plain = d.inFrame && !d.escaped ? unwrapped(d.held.subarray(0, d.length)) : undefined;
    const frame = plain === undefined ? undefined : checked(plain);
    if (frame === undefined && d.inFrame) d.lost++;
    restart(d, false);
    return frame;
  }
  if (!d.inFrame) return undefined;
  if (d.escaped) { d.escaped = false; hold(d, byte ^ 0x20); }
  else if (byte === escapeSir) d.escaped = true;
  else hold(d, byte);
  return undefined;
}

/** More than a frame can hold: forget it all and wait for the next beginning. */
function hold(d: Deframer, byte: number): void {
  if (!d.inFrame) return;
  if (d.length >= d.held.length) { d.inFrame = false; d.length = 0; return; }
  d.held[d.length++] = byte;
}

function restart(d: Deframer, inFrame: boolean): void {
  d.length = 0;
  d.inFrame = inFrame;
  d.escaped = false;
}

/** FCS-16 stripped, if right: the wrapper's own quick check before CRC-32. */
function unwrapped(bytes: Uint8Array): Uint8Array | undefined {
  const end = bytes.length - 2;
  if (end < 5) return undefined;
  const plain = copy(bytes, 0, end);
  return fcs16(plain) === (bytes[end]! | (bytes[end + 1]! << 8)) ? plain : undefined;
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
  let code = 0;
  let at = 1;
  for (let i = 0; i < plain.length; i++) {
    if (plain[i] !== 0) out[at++] = plain[i]!;
    const full = at - code === 255 && i + 1 < plain.length;
    if (plain[i] === 0 || full) {
      out[code] = at - code;
      code = at++;
    }
  }
  out[code] = at - code;
  out[at++] = 0;
  return copy(out, 0, at);
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
    for (let i = 1; i < code; i++) {
      if (coded[at + i] === 0) return undefined;
      out[length++] = coded[at + i]!;
    }
    at += code;
    if (code < 255 && at < coded.length) out[length++] = 0;
  }
  return copy(out, 0, length);
}

function encodeSir(plain: Uint8Array, extraBegins: number): Uint8Array {
  const out = new Uint8Array(extraBegins + 2 + (plain.length + 2) * 2);
  let at = 0;
  while (at < extraBegins) out[at++] = extraBegin;
  out[at++] = beginSir;
  const check = fcs16(plain);
  for (let i = 0; i < plain.length + 2; i++) {
    const byte = i < plain.length ? plain[i]! : i === plain.length ? check & 255 : check >> 8;
    if (byte === beginSir || byte === endSir || byte === escapeSir) { out[at++] = escapeSir; out[at++] = byte ^ 0x20; }
    else out[at++] = byte;
  }
  out[at++] = endSir;
  return copy(out, 0, at);
}

function put32(bytes: Uint8Array, at: number, n: number): void {
  bytes[at] = n >>> 24; bytes[at + 1] = (n >>> 16) & 255; bytes[at + 2] = (n >>> 8) & 255; bytes[at + 3] = n & 255;
}

function get32(bytes: Uint8Array, at: number): number {
  return bytes[at]! * 16777216 + ((bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!);
}
