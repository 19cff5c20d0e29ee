/**
 * Readouts of wired M-Bus (EN 13757-2 and -3): `68 L L 68 C A CI data sum 16`, with the variable (CI 72) and the fixed
 * (CI 73) data structure. The sum of the bytes does not see two flips in one column that cancel, so parity (8E1) or a second
 * readout must; and every record keeps its own address: storage number, tariff, subunit.
 */
import { copy, hex } from "../wire/bytes.js";
import { integerOf, type Problem, type Quality, type Reading, type Readout } from "./reading.js";
import { quantityOf, type Quantity } from "./mbus-units.js";
import { limits } from "../limits.js";

export interface MbusReader { readonly held: Uint8Array; length: number }

export function makeMbus(): MbusReader {
  return { held: new Uint8Array(261), length: 0 };
}

const start = 0x68;
const stop = 0x16;

/** A long frame as it came, and whether its sum and its end are right. */
export interface MbusFrame { readonly bytes: Uint8Array; readonly fits: boolean }

/** Takes one byte; answers the frames that ended with it: more than one where a torn frame had swallowed the next. */
export function feedMbus(m: MbusReader, byte: number): MbusFrame[] {
  m.held[m.length++] = byte;
  while (m.length > 0 && !mayBegin(m)) drop(m, 1);
  if (m.length < 4 || m.length < m.held[1]! + 6) return [];
  const bytes = copy(m.held, 0, m.length);
  m.length = 0;
  const fits = bytes[bytes.length - 1] === stop && bytes[bytes.length - 2] === sum(bytes, 4, bytes.length - 2);
  let frames: MbusFrame[] = [{ bytes: bytes, fits: fits }];
  // It was torn, or never began here.
  if (!fits) for (let i = 1; i < bytes.length; i++) frames = frames.concat(feedMbus(m, bytes[i]!));
  return frames;
}

function mayBegin(m: MbusReader): boolean {
  const h = m.held;
  return h[0] === start && (m.length < 2 || h[1]! >= 3) && (m.length < 3 || h[2] === h[1]) && (m.length < 4 || h[3] === start);
}

function drop(m: MbusReader, count: number): void {
  for (let i = count; i < m.length; i++) m.held[i - count] = m.held[i]!;
  m.length -= count;
}

/** Sum of bytes, modulo 256. */
export function sum(bytes: Uint8Array, from: number, to: number): number {
  let total = 0;
  for (let i = from; i < to; i++) total = (total + bytes[i]!) & 255;
  return total;
}

/** The bytes that ask a meter of this address (0–250, 254 for the only one) for its data: SND_NKE, or REQ_UD2. */
export function mbusRequest(address: number, reset: boolean): Uint8Array {
  const control = reset ? 0x40 : 0x5b;
  return new Uint8Array([0x10, control, address, (control + address) & 255, stop]);
}

/** CI 00–1F carries parts of a DLMS message, not M-Bus records: its number, and whether it is the last. */
export function dlmsPart(f: MbusFrame): { bytes: Uint8Array; first: boolean; last: boolean } | undefined {
  const control = f.bytes[6]!;
  if (control > 0x1f || f.bytes.length < 12) return undefined;
  return { bytes: copy(f.bytes, 9, f.bytes.length - 2), first: (control & 15) === 0, last: (control & 16) !== 0 };
}

/** The readout of a frame. */
export function mbusReadout(f: MbusFrame): Readout {
  const b = f.bytes;
  const end = b.length - 2;
  const ci = b[6]!;
  const answer = (identification: string, problem: Problem, readings: (q: Quality) => Reading[]): Readout => {
    const quality: Quality = { check: f.fits ? "ok" : "bad", parity: "unseen", problem: problem };
    return { protocol: "mbus", identification: identification, readings: readings(quality), quality: quality };
  };
  if (ci === 0x70 || ci === 0x71) return answer("", "error_answer", () => []);
  if (ci === 0x73 && end >= 23) return answer(digitsOf(b, 7, 4).text, "", (q) => fixedRecords(b, q));
  if (ci !== 0x72 && ci !== 0x7a && ci !== 0x78) return answer("", "unreadable", () => []);
  const header = ci === 0x72 ? 12 : ci === 0x7a ? 4 : 0;
  if (7 + header > end) return answer("", "truncated", () => []);
  const long = ci === 0x72;
  const medium = long ? b[14]! : 0;
  const records = variableRecords(b, 7 + header, end, medium);
  return answer(long ? makerOf(b[11]! | (b[12]! << 8)) + digitsOf(b, 7, 4).text : "", records.problem, (q) => records.list.map((r) => withQuality(r, q)));
}

type Unqualified = Omit<Reading, "quality">;
function withQuality(r: Unqualified, quality: Quality): Reading {
  return { obis: r.obis, value: r.value, scaler: r.scaler, unit: r.unit, text: r.text, nth: r.nth, quality: quality };
}

/** Three letters in five bits each (EN 13757-3, FLAG association). */
function makerOf(code: number): string {
  return String.fromCharCode(64 + ((code >> 10) & 31), 64 + ((code >> 5) & 31), 64 + (code & 31));
}

/** A record's place and what its VIB says. */
interface Place { type: number; storage: number; tariff: number; subunit: number; kind: number; quantity: Quantity; address: string }

function variableRecords(b: Uint8Array, from: number, end: number, medium: number): { list: Unqualified[]; problem: Problem } {
  const list: Unqualified[] = [];
  let at = from;
  while (at < end) {
    const dif = b[at]!;
    if (dif === 0x2f) { at++; continue; }
    // 0F and 1F: what follows is the maker's own.
    if (dif === 0x0f || dif === 0x1f) break;
    const head = recordHead(b, at, end);
    if (head === undefined || list.length >= limits.readingsMax) return { list: list, problem: "truncated" };
    const data = dataOf(b, head.at, end, head.record.type);
    if (data === undefined) return { list: list, problem: "truncated" };
    list.push({
      obis: codeOf(head.record, medium), value: data.value, scaler: data.value === undefined ? 0 : head.record.quantity.scaler,
      unit: head.record.quantity.unit, text: data.text, nth: 0,
    });
    at = data.at;
  }
  return { list: list, problem: "" };
}

/** DIF, up to ten DIFE, VIF, up to ten VIFE. */
function recordHead(b: Uint8Array, from: number, end: number): { record: Place; at: number } | undefined {
  let at = from;
  const dif = b[at++]!;
  const r: Place = { type: dif & 15, storage: (dif >> 6) & 1, tariff: 0, subunit: 0, kind: (dif >> 4) & 3, quantity: { unit: "", scaler: 0, is: "" }, address: "" };
  let more = dif >= 0x80;
  let scale = 2;
  for (let i = 0; more; i++) {
    if (at >= end || i === 10) return undefined;
    const dife = b[at++]!;
    r.storage += (dife & 15) * scale;
    r.tariff += ((dife >> 4) & 3) << (2 * Math.min(i, 10));
    r.subunit += ((dife >> 6) & 1) << i;
    scale *= 16;
    more = dife >= 0x80;
  }
  const vib = at;
  more = true;
  for (let i = 0; more; i++) {
    if (at >= end || i === 12) return undefined;
    const vif = b[at++]!;
    more = vif >= 0x80;
    // VIF 7C: the unit is a text of its own, its length first.
    if (i > 0 || (vif & 0x7f) !== 0x7c) continue;
    if (at >= end || at + 1 + b[at]! > end) return undefined;
    at += 1 + b[at]!;
  }
  r.quantity = quantityOf(b, vib, at);
  r.address = hex(b.subarray(from, at));
  return { record: r, at: at };
}

/** The value by its DIF's type; `at` is where the next record begins. */
function dataOf(b: Uint8Array, at: number, end: number, type: number): { value: number | undefined; text: string; at: number } | undefined {
  if (type === 0x0d) return variableLength(b, at, end);
  const length = lengths[type]!;
  if (length < 0 || at + length > end) return undefined;
  if (type >= 9) { const digits = digitsOf(b, at, length); return { value: digits.value, text: digits.text, at: at + length }; }
  if (type === 5) return { value: undefined, text: hex(b.subarray(at, at + length)), at: at + length };
  const value = length === 0 ? undefined : integerOf(reversed(b, at, length), 0, length, true);
  return { value: value, text: value === undefined ? hex(b.subarray(at, at + length)) : "" + value, at: at + length };
}
/** Bytes by type: none, integers of 1 to 4, real, 6, 8, selection, BCD of 2 to 8 digits, variable, BCD of 12, special. */
const lengths = [0, 1, 2, 3, 4, 4, 6, 8, 0, 1, 2, 3, 4, -1, 6, -1];

function variableLength(b: Uint8Array, at: number, end: number): { value: number | undefined; text: string; at: number } | undefined {
  const length = at < end ? b[at]! : 255;
  if (length > 0xbf || at + 1 + length > end) return undefined;
  let text = "";
  for (let i = at + length; i > at; i--) text += String.fromCharCode(b[i]!);
  return { value: undefined, text: text, at: at + 1 + length };
}

function reversed(b: Uint8Array, at: number, length: number): Uint8Array {
  const out = new Uint8Array(length);
  for (let i = 0; i < length; i++) out[i] = b[at + length - 1 - i]!;
  return out;
}

/** Decimal digits, lowest byte first; F on top is a minus. Undefined where a digit is none. */
function digitsOf(b: Uint8Array, at: number, length: number): { value: number | undefined; text: string } {
  let text = "";
  let value: number | undefined = 0;
  let negative = false;
  for (let i = length * 2 - 1; i >= 0; i--) {
    const digit = (b[at + (i >> 1)]! >> (i & 1 ? 4 : 0)) & 15;
    text += "0123456789abcdef"[digit]!;
    if (digit === 15 && i === length * 2 - 1) negative = true;
    else if (digit > 9) value = undefined;
    else if (value !== undefined) value = value * 10 + digit;
  }
  return { value: value !== undefined && negative && value > 0 ? -value : value, text: value !== undefined && negative ? "-" + text.substring(1) : text };
}

/** The OBIS code of the main registers (EN 13757-1): energy and volume as they stand, by medium; everything else keeps its own address. */
function codeOf(r: Place, medium: number): string {
  const group = r.kind !== 0 || r.subunit !== 0 || r.storage > 99 || r.tariff > 9 ? "" : registerOf(medium, r.quantity);
  return group === "" ? "mbus:" + r.address : group + "." + r.tariff + "*" + (r.storage === 0 ? 255 : r.storage);
}

function registerOf(medium: number, q: Quantity): string {
  const energy = q.is === "energy";
  if (medium === 2) return energy ? "1-0:1.8" : "";
  if (medium === 3) return q.is === "volume" ? "7-0:3.0" : "";
  if (medium === 4 || (medium >= 10 && medium <= 13)) return energy ? "6-0:1.0" : q.is === "volume" ? "6-0:2.0" : "";
  if (medium === 6 || medium === 0x15) return q.is === "volume" ? "9-0:1.0" : "";
  if (medium === 7 || medium === 0x16) return q.is === "volume" ? "8-0:1.0" : "";
  return "";
}

/** The fixed data structure: two counters of eight digits, their units in the two low parts of the medium's bytes. */
function fixedRecords(b: Uint8Array, quality: Quality): Reading[] {
  const binary = (b[12]! & 1) !== 0;
  return [0, 1].map((n) => {
    const at = 15 + 4 * n;
    const code = b[13 + n]! & 63;
    const unit = n === 1 && code === 0x3e ? fixedUnit(b[13]! & 63) : fixedUnit(code);
    const digits = binary ? { value: integerOf(reversed(b, at, 4), 0, 4, true), text: "" } : digitsOf(b, at, 4);
    const text = binary ? "" + digits.value : digits.text;
    return { obis: "mbus:" + (n + 1), value: digits.value, scaler: digits.value === undefined ? 0 : unit.scaler, unit: unit.unit, text: text, nth: 0, quality: quality };
  });
}

/** Table of physical units of the fixed structure (EN 13757-3 annex): steps of ten. */
function fixedUnit(code: number): { unit: string; scaler: number } {
  if (code >= 2 && code <= 10) return { unit: "Wh", scaler: code - 2 };
  if (code >= 11 && code <= 19) return { unit: "kJ", scaler: code - 11 };
  if (code >= 20 && code <= 28) return { unit: "W", scaler: code - 20 };
  if (code >= 29 && code <= 37) return { unit: "kJ/h", scaler: code - 29 };
  if (code >= 38 && code <= 46) return { unit: "ml", scaler: code - 38 };
  if (code >= 47 && code <= 55) return { unit: "ml/h", scaler: code - 47 };
  return { unit: "", scaler: 0 };
}
