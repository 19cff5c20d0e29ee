/**
 * Frames on infrared: the IrDA SIR wrapper (IrLAP asynchronous framing): extra beginnings for slow transceivers, C0, the
 * escaped bytes with FCS-16, C1.
 */
import { fcs16 } from "./crc16.js";
import { restart, take, type Deframer, type Frame, type Wrapping } from "./frame.js";
import { copy } from "../wire/bytes.js";

const beginSir = 0xc0;
const endSir = 0xc1;
const escapeSir = 0x7d;
const extraBegin = 0xff;

function feed(d: Deframer, bytes: Uint8Array, frames: Frame[]): void {
  for (let i = 0; i < bytes.length; i++) feedByte(d, bytes[i]!, frames);
}

function feedByte(d: Deframer, byte: number, frames: Frame[]): void {
  if (byte === beginSir) {
    if (d.inFrame && d.length > 0) d.lost++;
    restart(d, true);
  } else if (byte === endSir) {
    const expected = d.inFrame;
    const plain = d.inFrame && !d.escaped ? unwrapped(d.held.subarray(0, d.length)) : undefined;
    restart(d, false);
    take(d, plain, expected, frames);
  } else if (!d.inFrame) return;
  else if (d.escaped) { d.escaped = false; holdByte(d, byte ^ 0x20); }
  else if (byte === escapeSir) d.escaped = true;
  else holdByte(d, byte);
}

function holdByte(d: Deframer, byte: number): void {
  if (d.length >= d.held.length) { restart(d, false); return; }
  d.held[d.length++] = byte;
}

/** FCS-16 stripped, if right: the wrapper's own quick check before CRC-32. */
function unwrapped(bytes: Uint8Array): Uint8Array | undefined {
  const end = bytes.length - 2;
  if (end < 5) return undefined;
  const plain = copy(bytes, 0, end);
  return fcs16(plain) === (bytes[end]! | (bytes[end + 1]! << 8)) ? plain : undefined;
}

function encode(plain: Uint8Array, extraBegins: number): Uint8Array {
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

export const sir: Wrapping = { name: "sir", open: false, feed: feed, encode: encode };
