/**
 * What a pushed DLMS message holds (A-XDR, IEC 62056-6-2): codes and values in the layouts that makers use. Most carry
 * their codes along, one after another or described in a list up front; two carry values alone, in an order that the maker
 * published.
 */
import { hex } from "../wire/bytes.js";
import { integerOf, obisOf, textOf, unitOf, type Quality, type Reading } from "./reading.js";
import { limits } from "../limits.js";

/** A value: structures and arrays have items, everything else bytes and perhaps a number. */
interface Value { readonly tag: number; readonly items: Value[]; readonly bytes: Uint8Array; readonly number: number | undefined }
interface Walk { readonly bytes: Uint8Array; at: number; cut: boolean; count: number }

export interface Pushed { identification: string; /** It ended before all its values. */ cut: boolean; readings(quality: Quality): Reading[] }

const tags = { array: 1, structure: 2, octets: 9, text: 10, enumeration: 0x16 } as const;
/** Bytes of types that have a fixed length; signed ones below. */
const fixed: Record<number, number> = { 0: 0, 3: 1, 5: 4, 6: 4, 0x0f: 1, 0x10: 2, 0x11: 1, 0x12: 2, 0x14: 8, 0x15: 8, 0x16: 1, 0x17: 4, 0x18: 8, 0x19: 12, 0x1a: 5, 0x1b: 4 };
const signed = [5, 0x0f, 0x10, 0x14];

/** Reads a message from its tag (0F) on: invoke id, time, one value. Undefined when nothing of it is a list. */
export function pushed(message: Uint8Array): Pushed | undefined {
  const w: Walk = { bytes: message, at: 5, cut: false, count: 0 };
  const timeBytes = w.at < message.length ? message[w.at]! : 0;
  // The time stands bare behind its length, or as an octet string with its tag.
  w.at += timeBytes === tags.octets ? 2 + message[w.at + 1]! : 1 + timeBytes;
  if (w.at >= message.length) return undefined;
  const body = valueAt(w, 0);
  if (body.items.length === 0) return undefined;
  const found: Found[] = described(body) || positional(body) || walked(body);
  return { identification: identificationIn(found), cut: w.cut, readings: (quality) => found.map((f) => readingOf(f, quality)) };
}

function valueAt(w: Walk, depth: number): Value {
  const none: Value = { tag: 0, items: [], bytes: new Uint8Array(0), number: undefined };
  if (w.at >= w.bytes.length || depth > 6 || ++w.count > limits.readingsMax) { w.cut = true; return none; }
  const tag = w.bytes[w.at++]!;
  if (tag === tags.array || tag === tags.structure) {
    const count = w.bytes[w.at++]!;
    const items: Value[] = [];
    for (let i = 0; i < count && !w.cut; i++) { const item = valueAt(w, depth + 1); if (!w.cut || item.items.length > 0) items.push(item); }
    return { tag: tag, items: items, bytes: none.bytes, number: undefined };
  }
  const known = fixed[tag];
  const length = tag === tags.octets || tag === tags.text ? w.bytes[w.at++] : known;
  if (length === undefined || w.at + length > w.bytes.length) { w.cut = true; w.at = w.bytes.length; return none; }
  const bytes = w.bytes.subarray(w.at, w.at + length);
  w.at += length;
  const numeric = known !== undefined && length > 0 && tag < 0x17;
  return { tag: tag, items: [], bytes: bytes, number: numeric ? integerOf(bytes, 0, length, signed.indexOf(tag) >= 0) : undefined };
}

interface Found { obis: string; value: Value; scaler: number; unit: string }

/** Six bytes with FF behind: the code of an object. */
function isCode(v: Value | undefined): boolean {
  return v !== undefined && v.tag === tags.octets && v.bytes.length === 6 && v.bytes[5] === 255;
}

/** Codes one after another, each with its value and perhaps `{scaler, unit}`: flat (Kamstrup, Austria) or each in a structure of its own (Aidon). */
function walked(body: Value): Found[] {
  const found: Found[] = [];
  const items = body.items;
  for (let i = 0; i < items.length; i++) {
    const item = items[i]!;
    if (item.tag === tags.structure || item.tag === tags.array) { for (const inner of walked(item)) found.push(inner); continue; }
    if (!isCode(item) || items[i + 1] === undefined) continue;
    const value = items[i + 1]!;
    const measure = items[i + 2];
    const scaled = measure !== undefined && measure.tag === tags.structure && measure.items.length === 2 && measure.items[1]!.tag === tags.enumeration;
    found.push({ obis: obisOf(item.bytes, 0), value: value, scaler: scaled ? measure.items[0]!.number! : 0, unit: scaled ? unitOf(measure.items[1]!.number!) : "" });
    i += scaled ? 2 : 1;
  }
  return found;
}

/** First a list of objects `{class, code, attribute, version}`, itself among them, then their values in that order. */
function described(body: Value): Found[] | undefined {
  const list = body.items[0]!;
  if (list.items.length === 0 || !list.items.every((entry) => entry.items.length === 4 && isCode(entry.items[1]))) return undefined;
  const found: Found[] = [];
  for (let i = 1; i < list.items.length && i < body.items.length; i++) {
    found.push({ obis: obisOf(list.items[i]!.items[1]!.bytes, 0), value: body.items[i]!, scaler: 0, unit: "" });
  }
  return found;
}

/** Layouts without codes: the first value tells which. */
function positional(body: Value): Found[] | undefined {
  const first = body.items[0]!;
  const octetsAt = (i: number): boolean => body.items[i] !== undefined && body.items[i]!.tag === tags.octets && !isCode(body.items[i]);
  const layout = isCode(first) && octetsAt(1) && octetsAt(2) ? iskraList : octetsAt(0) && first.bytes.length === 16 ? sloveneList : undefined;
  if (layout === undefined) return undefined;
  const found: Found[] = [];
  for (let i = 0; i < layout.length && i < body.items.length; i++) if (layout[i] !== "") found.push({ obis: layout[i]!, value: body.items[i]!, scaler: 0, unit: "" });
  return found;
}
/** Iskraemeco's push list: its own name, serial number, time, date, energy and power. */
const iskraList = [
  "", "0-0:42.0.0*255", "1-0:0.9.1*255", "1-0:0.9.2*255", "1-0:1.8.0*255", "1-0:2.8.0*255", "1-0:3.8.0*255", "1-0:4.8.0*255", "1-0:1.7.0*255", "1-0:2.7.0*255", "1-0:3.7.0*255", "1-0:4.7.0*255",
];
/** Slovenia's list 2: device name, message, breaker, tariff, energy by tariff, reactive energy. */
const sloveneList = [
  "0-0:42.0.0*255", "0-0:96.1.3*255", "0-0:96.3.10*255", "0-0:96.14.0*255",
  "1-0:1.8.0*255", "1-0:1.8.1*255", "1-0:1.8.2*255", "1-0:2.8.0*255", "1-0:2.8.1*255", "1-0:2.8.2*255", "1-0:3.8.0*255", "1-0:4.8.0*255",
];

function readingOf(f: Found, quality: Quality): Reading {
  const v = f.value;
  const text = v.number !== undefined ? "" + v.number : printable(v) ? textOf(v.bytes, 0, v.bytes.length) : hex(v.bytes);
  return { obis: f.obis, value: v.number, scaler: v.number === undefined ? 0 : f.scaler, unit: f.unit, text: text, nth: 0, quality: quality };
}

function printable(v: Value): boolean {
  if (v.tag !== tags.text && v.tag !== tags.octets) return false;
  for (let i = 0; i < v.bytes.length; i++) if (v.bytes[i]! < 32 || v.bytes[i]! > 126) return false;
  return true;
}

/** The device's name or number, by the codes that carry it. */
function identificationIn(found: readonly Found[]): string {
  for (const part of ["42.0.0*", "96.1.0*", "96.1.1*", "0.0.5*"]) {
    for (const f of found) if (f.obis.indexOf(":" + part) >= 0 && f.value.bytes.length > 0) return printable(f.value) ? textOf(f.value.bytes, 0, f.value.bytes.length) : hex(f.value.bytes);
  }
  return "";
}
