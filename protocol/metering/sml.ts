/**
 * Readouts of SML (Smart Message Language, BSI TR-03109-1 annex IV, transport version 1), which German meters push every
 * few seconds at 9,600 baud. A frame is `1B1B1B1B 01010101`, messages, `1B1B1B1B 1A pad CRC`; 1B1B1B1B inside is doubled.
 * Both CRCs must fit, that of the frame and that of every message, and all of the same kind: X-25, or Kermit's of some makes.
 */
import { crc16Kermit, fcs16 } from "../link/crc16.js";
import { copy, hex } from "../wire/bytes.js";
import { integerOf, obisOf, unitOf, type Check, type Problem, type Quality, type Reading, type Readout } from "./reading.js";
import { limits } from "../limits.js";

/** `raw` is the frame as it came, from the first 1B; `length` its bytes so far. */
export interface SmlReader {
  readonly raw: Uint8Array; length: number; inFrame: boolean;
  /** 1B in a row, at most 4. */
  run: number;
  /** Where the four bytes after 1B1B1B1B begin, or -1. */
  escapeAt: number;
}

export function makeSml(): SmlReader {
  return { raw: new Uint8Array(limits.smlBytesMax), length: 0, inFrame: false, run: 0, escapeAt: -1 };
}

const escape = 0x1b;

/** Takes one byte; answers the frame that ended with it, or that it showed to be torn. */
export function feedSml(s: SmlReader, byte: number): Readout | undefined {
  return s.inFrame ? inside(s, byte) : outside(s, byte);
}

/** No more bytes will come. */
export function endSml(s: SmlReader): Readout | undefined {
  const torn = s.inFrame && s.length > 8 ? readoutOf(copy(s.raw, 0, s.length), false) : undefined;
  s.inFrame = false;
  s.length = 0;
  return torn;
}

/** Waits for 1B1B1B1B 01010101. */
function outside(s: SmlReader, byte: number): undefined {
  const expected = s.length < 4 ? escape : 1;
  if (byte === expected) s.raw[s.length++] = byte;
  else if (byte === escape && s.length === 4) return undefined;
  else { s.length = byte === escape ? 1 : 0; if (byte === escape) s.raw[0] = byte; }
  if (s.length === 8) { s.inFrame = true; s.run = 0; s.escapeAt = -1; }
  return undefined;
}

function inside(s: SmlReader, byte: number): Readout | undefined {
  if (s.length === s.raw.length) { s.inFrame = false; s.length = 0; return torn("too_long"); }
  s.raw[s.length++] = byte;
  if (s.escapeAt >= 0) return afterEscape(s);
  s.run = byte === escape ? s.run + 1 : 0;
  if (s.run === 4) { s.escapeAt = s.length; s.run = 0; }
  return undefined;
}

/** The four bytes after 1B1B1B1B: themselves doubled, an end, or the beginning of another frame. */
function afterEscape(s: SmlReader): Readout | undefined {
  const at = s.escapeAt;
  if (s.length < at + 4) return undefined;
  s.escapeAt = -1;
  const first = s.raw[at]!;
  if (first === 0x1a) {
    const raw = copy(s.raw, 0, s.length);
    s.inFrame = false;
    s.length = 0;
    return readoutOf(raw, true);
  }
  if (first === escape && s.raw[at + 1] === escape && s.raw[at + 2] === escape && s.raw[at + 3] === escape) return undefined;
  const before = copy(s.raw, 0, at - 4);
  const begins = first === 1 && s.raw[at + 1] === 1 && s.raw[at + 2] === 1 && s.raw[at + 3] === 1;
  if (begins) for (let i = 0; i < 8; i++) s.raw[i] = i < 4 ? escape : 1;
  s.length = begins ? 8 : 0;
  s.inFrame = begins;
  return readoutOf(before, false);
}

function torn(problem: Problem): Readout {
  return { protocol: "sml", identification: "", readings: [], quality: { check: "missing", parity: "unseen", problem: problem } };
}

type Crc = (bytes: Uint8Array) => number;

/** The readout of a frame. Where the frame's CRC does not fit, what can be read is shown all the same. */
function readoutOf(raw: Uint8Array, ended: boolean): Readout {
  const crc = ended ? kindOf(raw) : undefined;
  const inner = unescaped(raw, ended ? raw.length - 8 : raw.length, ended ? raw[raw.length - 3]! : 0);
  const walk: Walk = { bytes: inner === undefined ? new Uint8Array(0) : inner, at: 0, broken: inner === undefined, items: 0 };
  const messages: Item[] = [];
  let fits = crc !== undefined;
  while (walk.at < walk.bytes.length && !walk.broken) {
    const start = walk.at;
    const message = itemAt(walk, 0);
    if (walk.broken || !isMessage(message)) break;
    messages.push(message);
    if (crc !== undefined && !messageFits(walk.bytes, start, message, crc)) fits = false;
  }
  const whole = !walk.broken && walk.at === walk.bytes.length && messages.length > 0;
  const check: Check = !ended ? "missing" : fits && whole ? "ok" : "bad";
  const quality: Quality = { check: check, parity: check === "ok" ? "covered" : "unseen", problem: !ended ? "truncated" : whole ? "" : "unreadable" };
  return listOf(messages, quality);
}

/** Which CRC the frame's own is, over everything from the first 1B to the number of pad bytes, low byte first. */
function kindOf(raw: Uint8Array): Crc | undefined {
  const sent = raw[raw.length - 2]! | (raw[raw.length - 1]! << 8);
  const covered = raw.subarray(0, raw.length - 2);
  return fcs16(covered) === sent ? fcs16 : crc16Kermit(covered) === sent ? crc16Kermit : undefined;
}

/** The messages: without beginning, doubled escapes and pad bytes. Undefined when there is more padding than bytes. */
function unescaped(raw: Uint8Array, end: number, pad: number): Uint8Array | undefined {
  const out = new Uint8Array(raw.length);
  let length = 0;
  let run = 0;
  for (let i = 8; i < end; i++) {
    out[length++] = raw[i]!;
    run = raw[i] === escape ? run + 1 : 0;
    if (run === 4) { i += 4; run = 0; }
  }
  return pad > 3 || pad > length ? undefined : copy(out, 0, length - pad);
}

/** A value of SML: `items` of a list, else bytes `[start, end)` of type 0 octets, 4 boolean, 5 signed, 6 unsigned. */
interface Item { readonly bytes: Uint8Array; type: number; start: number; end: number; items: Item[] }
interface Walk { readonly bytes: Uint8Array; at: number; broken: boolean; items: number }

function itemAt(w: Walk, depth: number): Item {
  const at = w.at;
  let byte = w.bytes[w.at++]!;
  const type = (byte >> 4) & 7;
  let length = byte & 15;
  for (let more = 0; byte >= 0x80 && more < 2 && w.at < w.bytes.length; more++) { byte = w.bytes[w.at++]!; length = length * 16 + (byte & 15); }
  const head = w.at - at;
  const item: Item = { bytes: w.bytes, type: type, start: w.at, end: w.at, items: [] };
  if (w.at > w.bytes.length || depth > 8 || ++w.items > limits.smlItemsMax) { w.broken = true; return item; }
  if (type === 7) {
    for (let i = 0; i < length && !w.broken; i++) {
      if (w.at >= w.bytes.length) w.broken = true; else item.items.push(itemAt(w, depth + 1));
    }
    return item;
  }
  // Length counts the head too; 00 alone is the end of a message.
  const bytes = length === 0 && head === 1 ? 0 : length - head;
  if (bytes < 0 || w.at + bytes > w.bytes.length) { w.broken = true; return item; }
  w.at += bytes;
  item.end = w.at;
  return item;
}

/** transaction, group, abort, [choice, body], CRC, end. */
function isMessage(m: Item): boolean {
  return m.type === 7 && m.items.length === 6 && m.items[3]!.type === 7 && m.items[3]!.items.length === 2 && m.items[4]!.type === 6;
}

/** Over the message up to its CRC, which is sent low byte first; makers drop a leading 00 (`62 E0`). */
function messageFits(bytes: Uint8Array, start: number, m: Item, crc: Crc): boolean {
  const field = m.items[4]!;
  const own = crc(bytes.subarray(start, field.start - 1));
  return integerOf(bytes, field.start, field.end, false) === (((own & 255) << 8) | (own >> 8)) && field.end - field.start <= 2;
}

const getListResponse = 0x0701;

/** The entries of all lists in these messages. */
function listOf(messages: readonly Item[], quality: Quality): Readout {
  const readings: Reading[] = [];
  let identification = "";
  for (const m of messages) {
    const body = m.items[3]!;
    if (integerOf(body.items[0]!.bytes, body.items[0]!.start, body.items[0]!.end, false) !== getListResponse || body.items[1]!.items.length !== 7) continue;
    const list = body.items[1]!;
    identification = hexIn(list.items[1]!);
    for (const entry of list.items[4]!.items) {
      if (readings.length < limits.readingsMax && entry.items.length === 7) readings.push(entryOf(entry, quality));
    }
  }
  return { protocol: "sml", identification: identification, readings: readings, quality: quality };
}

/** name, status, time, unit, scaler, value, signature. */
function entryOf(entry: Item, quality: Quality): Reading {
  const name = entry.items[0]!;
  const value = entry.items[5]!;
  const number = value.type === 5 || value.type === 6 ? integerOf(value.bytes, value.start, value.end, value.type === 5) : undefined;
  const scaler = number === undefined ? undefined : integerOf(entry.bytes, entry.items[4]!.start, entry.items[4]!.end, true);
  const unit = integerOf(entry.bytes, entry.items[3]!.start, entry.items[3]!.end, false);
  return {
    obis: name.end - name.start === 6 ? obisOf(name.bytes, name.start) : hexIn(name), value: number, scaler: scaler === undefined ? 0 : scaler,
    unit: unit === undefined ? "" : unitOf(unit), text: number === undefined ? hexIn(value) : "" + number, nth: 0, quality: quality,
  };
}

function hexIn(item: Item): string {
  return hex(item.bytes.subarray(item.start, item.end));
}
