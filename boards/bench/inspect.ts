/**
 * `kaisatsu inspect`: any bytes of ours as readable text: frames on a line, optical codes, messages, values, certificates,
 * records, signed objects, envelopes, journal files, or plain CBOR. It tries the strict readers first, from the most
 * particular to the most general, so what it prints is what a terminal would understand.
 */
import { Decoder } from "cbor-x";
import { inspectPages } from "./inspect-journal.js";
import { readingOf, worded } from "./inspect-readings.js";
import { readBeaconText } from "../../protocol/link/beacon.js";
import { cobs, deframer, feed, type Wrapping } from "../../protocol/link/frame.js";
import { hex } from "../../protocol/wire/bytes.js";
import { scan } from "../../protocol/wire/cbor.js";
import { sir } from "../../protocol/link/sir.js";

/** What the bytes are, and their fields with names. Nested bytes that are ours are opened in turn. */
export interface Inspected { is: string; bytes: number; fields: Record<string, unknown> }

/** What `bytes` are, or undefined when they are nothing we know, not even CBOR. */
export function inspect(bytes: Uint8Array): Inspected | undefined {
  return opticalCode(bytes) ?? inspectPages(bytes, (entry) => message(entry)) ?? frames(bytes) ?? message(bytes);
}

/** The text of an optical code, as a scanner types it. */
function opticalCode(bytes: Uint8Array): Inspected | undefined {
  const beacon = readBeaconText(trimmed(bytes));
  return beacon === undefined ? undefined : { is: "optical code", bytes: bytes.length, fields: { carries: opened(beacon) } };
}
function trimmed(bytes: Uint8Array): Uint8Array {
  let end = bytes.length;
  while (end > 0 && (bytes[end - 1] === 10 || bytes[end - 1] === 13)) end--;
  return bytes.subarray(0, end);
}

/** Bytes as they stand on a line: the frames in them, each with its link byte and what it carries. */
function frames(bytes: Uint8Array): Inspected | undefined {
  for (const wrapping of [cobs, sir] satisfies Wrapping[]) {
    const found = feed(deframer(wrapping), bytes);
    if (found.length === 0) continue;
    const fields = found.map((frame, n) => [`frame ${n + 1}`, { is: linkByte(frame.link), bytes: frame.payload.length, fields: frame.payload.length === 0 ? {} : { carries: opened(frame.payload) } }] as const);
    return { is: `${found.length === 1 ? "a" : found.length} ${wrapping === cobs ? "serial or BLE" : "infrared"} frame${found.length === 1 ? "" : "s"}`, bytes: bytes.length, fields: Object.fromEntries(fields) };
  }
  return undefined;
}

/** The bits of a link byte in words. */
export function linkByte(byte: number): string {
  const parts = [byte & 128 ? "from handset" : "from terminal"];
  if (byte & 16) parts.push("first of a session");
  if (byte & 4) parts.push(`number ${(byte & 1) | (byte & 64 ? 2 : 0)}`);
  else if (byte & 64) parts.push("beacon");
  else parts.push("ack only");
  if (byte & 8) parts.push("more follows");
  parts.push(byte & 2 ? "expects an odd number" : "expects an even number");
  return parts.join(", ");
}

function message(bytes: Uint8Array): Inspected | undefined {
  const found = readingOf(bytes);
  if (found !== undefined) return { is: found.is, bytes: bytes.length, fields: open(found.fields) as Record<string, unknown> };
  if (!scan(bytes, true)) return undefined;
  const decoder = new Decoder({ mapsAsObjects: false, useRecords: false, int64AsNumber: true } as object);
  return { is: "CBOR", bytes: bytes.length, fields: { item: open(decoder.decode(bytes)) } };
}

/** Byte strings become hexadecimal, or, where they hold an object of ours, that object. */
function open(x: unknown): unknown {
  if (x instanceof Uint8Array) return opened(x);
  if (Array.isArray(x)) return x.map(open);
  if (x instanceof Map) return Object.fromEntries([...x].map(([k, v]) => [String(k), open(v)]));
  if (x === null || typeof x !== "object") return x;
  return Object.fromEntries(Object.entries(x).filter(([, v]) => v !== undefined).map(([k, v]) => [k, open(v)]));
}

/** Lengths of ids, digests, keys and signatures: never an object. */
const plainLengths = new Set([4, 8, 16, 32, 33, 64]);

function opened(bytes: Uint8Array): unknown {
  if (plainLengths.has(bytes.length)) return hex(bytes);
  const inside = message(bytes);
  return inside === undefined || inside.is === "CBOR" ? hex(bytes) : inside;
}

/** The fields as indented lines for people. */
export function printed(found: Inspected): string[] {
  return [`${found.is}, ${size(found.bytes)}`, ...lines(found.fields, "  ")];
}

const size = (bytes: number): string => `${bytes} ${bytes === 1 ? "byte" : "bytes"}`;

function lines(x: object, indent: string): string[] {
  return Object.entries(x).flatMap(([name, field]) => line(name, field, indent));
}

function line(name: string, field: unknown, indent: string): string[] {
  if (Array.isArray(field) && field.some((item) => item !== null && typeof item === "object")) return field.flatMap((item, i) => line(`${name} ${i + 1}`, item, indent));
  if (Array.isArray(field)) return [`${indent}${name}: ${field.length === 0 ? "none" : field.join(", ")}`];
  if (field !== null && typeof field === "object" && "is" in field) {
    const inner = field as Inspected;
    return [`${indent}${name}: ${inner.is}, ${size(inner.bytes)}`, ...lines(inner.fields, indent + "  ")];
  }
  if (field !== null && typeof field === "object") return [`${indent}${name}:`, ...lines(field, indent + "  ")];
  return [`${indent}${name}: ${typeof field === "number" ? worded(name, field) : typeof field === "string" ? visible(field) : JSON.stringify(field)}`];
}

/** Text from outside, without what would move a console's cursor. */
const visible = (text: string): string => (text === "" ? "(empty)" : text).replace(/[\u0000-\u001f\u007f-\u009f]/g, "\ufffd");
