/**
 * Readouts that meters push as DLMS data notifications (IEC 62056-5-3, -46): HDLC frames `7E A… addresses control HCS …
 * FCS 7E`, one message in several segments, and inside it values by A-XDR. There is no client here: what a meter pushes is
 * read as far as its layouts are known, and nothing is asked.
 */
import { fcs16 } from "../link/crc16.js";
import { copy, join } from "../wire/bytes.js";
import { pushed } from "./dlms-list.js";
import type { Check, Problem, Quality, Readout } from "./reading.js";
import { openCiphered, type Opener } from "./sealed.js";
import { limits } from "../limits.js";

export interface DlmsReader {
  readonly held: Uint8Array;
  length: number;
  /** Segments of the message under way, and whether all were right. */
  parts: Uint8Array[];
  partsBytes: number;
  fits: boolean;
  /** Nothing else was seen yet: a message without a frame may stand here. */
  bare: boolean;
  readonly opener: Opener | undefined;
}

const flag = 0x7e;
/** HDLC's longest: eleven bits of length, and two flags. */
const frameBytesMax = 2049;

export function makeDlms(opener: Opener | undefined): DlmsReader {
  return { held: new Uint8Array(frameBytesMax), length: 0, parts: [], partsBytes: 0, fits: true, bare: true, opener: opener };
}

/** Takes one byte; answers the messages that ended with it: more than one where a torn frame had swallowed the next. */
export function feedDlms(d: DlmsReader, byte: number): Readout[] {
  if (d.length === d.held.length) { d.length = 0; d.bare = false; }
  d.held[d.length++] = byte;
  if (d.bare && d.held[0] === dataNotification) return [];
  while (d.length > 0 && !mayBegin(d)) { shift(d, 1); d.bare = false; }
  if (d.length < 3 || d.length < frameLength(d) + 2) return [];
  const frame = copy(d.held, 1, byte === flag ? d.length - 1 : d.length);
  d.bare = false;
  d.length = 0;
  let ended: Readout[] = [];
  if (byte === flag) {
    // The closing flag may open the next frame.
    d.held[d.length++] = flag;
    const readout = frameEnded(d, frame);
    return readout === undefined ? [] : [readout];
  }
  for (let i = 0; i < frame.length; i++) ended = ended.concat(feedDlms(d, frame[i]!));
  return ended;
}

/** Eleven bits, without the flags. */
function frameLength(d: DlmsReader): number {
  return ((d.held[1]! & 7) << 8) | d.held[2]!;
}

function mayBegin(d: DlmsReader): boolean {
  const h = d.held;
  if (h[0] !== flag) return false;
  if (d.length < 2) return true;
  return (h[1]! & 0xf0) === 0xa0 && (d.length < 3 || frameLength(d) >= 9);
}

function shift(d: DlmsReader, count: number): void {
  for (let i = count; i < d.length; i++) d.held[i - count] = d.held[i]!;
  d.length -= count;
}

/** No more bytes will come: a message without any frame around it, or the part of one. */
export function endDlms(d: DlmsReader): Readout | undefined {
  const bytes = d.bare && d.length > 8 && d.held[0] === dataNotification ? copy(d.held, 0, d.length) : undefined;
  const parts = d.parts;
  d.length = 0;
  d.bare = true;
  if (bytes !== undefined) return readoutOf(bytes, "missing", "", d.opener);
  forget(d);
  return parts.length === 0 ? undefined : readoutOf(join(parts), "missing", "truncated", d.opener);
}

/** One frame without flags: format, two addresses, control, HCS, information, FCS. */
function frameEnded(d: DlmsReader, frame: Uint8Array): Readout | undefined {
  const fits = fcsFits(frame, frame.length);
  let at = 2;
  for (let address = 0; address < 2; address++) {
    while (at < frame.length && (frame[at]! & 1) === 0) at++;
    at++;
  }
  at++;
  const information = at + 2 > frame.length - 2 ? undefined : copy(frame, at + 2, frame.length - 2);
  if (information === undefined) return undefined;
  // The first segment of a message carries the LLC header: whatever waits then was torn.
  if (hasLlc(information)) forget(d);
  return part(d, hasLlc(information) ? copy(information, 3, information.length) : information, fits && fcsFits(frame, at + 2), (frame[0]! & 8) === 0);
}

/** One part of a message, from HDLC or from M-Bus. */
export function part(d: DlmsReader, bytes: Uint8Array, fits: boolean, last: boolean): Readout | undefined {
  d.bare = false;
  d.partsBytes += bytes.length;
  if (d.partsBytes > limits.dlmsBytesMax) { forget(d); return undefined; }
  d.parts.push(bytes);
  if (!fits) d.fits = false;
  if (!last) return undefined;
  const message = join(d.parts);
  const whole = d.fits;
  forget(d);
  return readoutOf(message, whole ? "ok" : "bad", "", d.opener);
}

/** What was collected is no use: another message begins. */
export function forget(d: DlmsReader): void {
  d.parts = [];
  d.partsBytes = 0;
  d.fits = true;
}

function fcsFits(frame: Uint8Array, end: number): boolean {
  return fcs16(frame.subarray(0, end - 2)) === (frame[end - 2]! | (frame[end - 1]! << 8));
}

function hasLlc(b: Uint8Array): boolean {
  return b.length > 3 && b[0] === 0xe6 && (b[1] === 0xe7 || b[1] === 0xe6) && b[2] === 0;
}

const dataNotification = 0x0f;
const ciphered = 0xdb;

/** The readout of a whole message, opened first when it is ciphered. */
function readoutOf(message: Uint8Array, check: Check, problem: Problem, opener: Opener | undefined): Readout {
  let plain: Uint8Array | undefined = message;
  let amiss = problem;
  if (message[0] === ciphered) {
    const opened = openCiphered(message, opener);
    plain = opened.plain;
    if (amiss === "") amiss = opened.problem;
  }
  const list = plain === undefined || plain[0] !== dataNotification ? undefined : pushed(plain);
  if (plain !== undefined && list === undefined && amiss === "") amiss = "unreadable";
  if (list !== undefined && list.cut && amiss === "") amiss = "truncated";
  const quality: Quality = { check: check, parity: check === "ok" ? "covered" : "unseen", problem: amiss };
  const readings = list === undefined ? [] : list.readings(quality);
  return { protocol: "dlms", identification: list === undefined ? "" : list.identification, readings: readings, quality: quality };
}
