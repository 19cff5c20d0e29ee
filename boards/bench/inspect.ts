/**
 * `kaisatsu inspect`: any bytes of ours as readable text — a frame, a message, a value, a terminal certificate, a receipt,
 * a finished record, a one-way code, or plain CBOR. It tries the strict readers first, from the most particular to the most
 * general, so what it prints is what a terminal would understand.
 */
import { readFileSync } from "node:fs";
import { Decoder } from "cbor-x";
import { deframer, feed, type Wrapping } from "../../protocol/link/frame.js";
import { clause, decodeRule } from "../../protocol/rule.js";
import { refusals } from "../../protocol/refusal.js";
import { hex } from "../../protocol/wire/bytes.js";
import { scan } from "../../protocol/wire/cbor.js";
import { decodeTerminalCertificate } from "../../protocol/wire/certificate.js";
import * as m from "../../protocol/wire/message.js";
import * as b from "../../protocol/wire/message-b.js";
import { decodeFinishedA, decodeFinishedB, decodeReceipt, decodeReversal } from "../../protocol/wire/receipt.js";
import { decodeValue, keyClass, undeterminedPolicy, unit } from "../../protocol/wire/value.js";

/** What the bytes are, and their fields with names. Nested bytes that are ours are opened in turn. */
export interface Inspected { is: string; bytes: number; fields: Record<string, unknown> }

type Reading = [name: string, read: (bytes: Uint8Array) => object | undefined];

const numbered = (read: (b: Uint8Array) => number, names: Record<string, number>) => (b: Uint8Array) => {
  const n = read(b);
  return n < 0 ? undefined : { what: Object.keys(names).find((k) => names[k] === n) ?? n };
};

const readings: Reading[] = [
  ["hello", m.decodeHello],
  ["ask", numbered(m.decodeAsk, m.asking)],
  ["stop", (b) => { const code = m.decodeStop(b); return code < 0 ? undefined : { refusal: refusals[code]!.name, code }; }],
  ["terminal certificate message", m.decodeCertificate],
  ["presentation, profile B", b.decodePresentationB],
  ["presentation, sealed", m.decodePresentation],
  ["answer, profile B", b.decodeAnswerB],
  ["answer, sealed", (b) => wrap(m.decodeSealed(b, m.type.answer))],
  ["acknowledgement, profile B", b.decodeAcknowledgementB],
  ["acknowledgement, sealed", (b) => wrap(m.decodeSealed(b, m.type.acknowledgement))],
  ["outcome, profile B", b.decodeOutcomeB],
  ["outcome, sealed", (b) => wrap(m.decodeSealed(b, m.type.outcome))],
  ["beacon", b.decodeBeacon],
  ["signed user id", b.decodeUserId],
  ["reversal", decodeReversal],
  ["receipt", decodeReceipt],
  ["finished record, profile A", decodeFinishedA],
  ["finished record, profile B", decodeFinishedB],
  ["shown value (plain text of a presentation)", m.decodeShown],
  ["value claims", (b) => { const v = decodeValue(b); return v === undefined ? undefined : describeValue(v); }],
  ["terminal claims", decodeTerminalCertificate],
];

const wrap = (sealed: Uint8Array | undefined) => (sealed === undefined ? undefined : { sealed });

function describeValue(v: NonNullable<ReturnType<typeof decodeValue>>): object {
  const rule = decodeRule(v.rule);
  const names = Object.entries(clause);
  const readable = rule?.list.map((c) => [names.find(([, code]) => code === c[0])?.[0] ?? `clause ${c[0]}`, ...c.slice(1)].join(" "));
  return { ...v, unit: v.unit === unit.uses ? "uses" : "money", rule: readable, flags: { bits: v.flags, keyClass: keyClass(v.flags), whenUndetermined: ["refuse", "to limit", "accept", "?"][undeterminedPolicy(v.flags)] } };
}

/** What `bytes` are, or undefined when they are nothing we know, not even CBOR. */
export function inspect(bytes: Uint8Array): Inspected | undefined {
  return frames(bytes) ?? message(bytes);
}

/** Bytes as they stand on a line: the frames in them, each with its link byte and what it carries. */
function frames(bytes: Uint8Array): Inspected | undefined {
  for (const wrapping of ["cobs", "sir"] satisfies Wrapping[]) {
    const found = feed(deframer(wrapping), bytes);
    if (found.length === 0) continue;
    const fields = found.map((frame, n) => [`frame ${n + 1}`, { is: linkByte(frame.link), bytes: frame.payload.length, fields: { carries: opened(frame.payload) } }] as const);
    return { is: wrapping === "cobs" ? "serial or BLE frames" : "infrared frames", bytes: bytes.length, fields: Object.fromEntries(fields) };
  }
  return undefined;
}

function linkByte(byte: number): string {
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
  for (const [is, read] of readings) {
    const found = read(bytes);
    if (found !== undefined) return { is, bytes: bytes.length, fields: open(found) as Record<string, unknown> };
  }
  if (!scan(bytes, true)) return undefined;
  const decoder = new Decoder({ mapsAsObjects: false, useRecords: false, int64AsNumber: true } as object);
  return { is: "CBOR", bytes: bytes.length, fields: { item: open(decoder.decode(bytes)) } };
}

/** Byte strings become hexadecimal, or, where they hold an object of ours, that object. Times get their date beside them. */
function open(x: unknown): unknown {
  if (x instanceof Uint8Array) return opened(x);
  if (Array.isArray(x)) return x.map(open);
  if (x instanceof Map) return Object.fromEntries([...x].map(([k, v]) => [String(k), open(v)]));
  if (x === null || typeof x !== "object") return x;
  return Object.fromEntries(Object.entries(x).filter(([, v]) => v !== undefined).map(([k, v]) => [k, dated(k, open(v))]));
}

/** Lengths of ids, digests, keys and signatures: never an object. */
const plainLengths = new Set([4, 8, 16, 32, 33, 64]);

function opened(bytes: Uint8Array): unknown {
  if (plainLengths.has(bytes.length)) return hex(bytes);
  const inside = message(bytes);
  return inside === undefined || inside.is === "CBOR" ? hex(bytes) : inside;
}

const timeFields = new Set(["at", "expires", "notBefore", "until", "since"]);
function dated(name: string, x: unknown): unknown {
  return timeFields.has(name) && typeof x === "number" && x > 1e9 ? `${x} (${new Date(x * 1000).toISOString().replace(".000", "")})` : x;
}

/** The fields as indented lines for people. */
export function printed(found: Inspected): string[] {
  return [`${found.is}, ${found.bytes} bytes`, ...lines(found.fields, "  ")];
}

function lines(x: object, indent: string): string[] {
  return Object.entries(x).flatMap(([name, field]) => {
    if (field !== null && typeof field === "object" && "is" in field) {
      const inner = field as Inspected;
      return [`${indent}${name}: ${inner.is}, ${inner.bytes} bytes`, ...lines(inner.fields, indent + "  ")];
    }
    if (field !== null && typeof field === "object" && !Array.isArray(field)) return [`${indent}${name}:`, ...lines(field, indent + "  ")];
    return [`${indent}${name}: ${typeof field === "string" ? field : JSON.stringify(field)}`];
  });
}

/** Bytes from what a person has at hand: hexadecimal (spaces allowed), base64, a file's path, or `-` for standard input. */
export function bytesFrom(words: readonly string[], input: () => Uint8Array): Uint8Array | undefined {
  const text = words.join("").replace(/\s|^0x/g, "");
  if (text === "-") return input();
  if (/^([0-9a-f]{2})+$/i.test(text)) return new Uint8Array(Buffer.from(text, "hex"));
  if (words.length === 1) {
    try {
      return new Uint8Array(readFileSync(words[0]!));
    } catch {
      // not a file: perhaps base64
    }
  }
  if (/^[A-Za-z0-9+/_-]+=*$/.test(text) && text.length >= 4) return new Uint8Array(Buffer.from(text.replace(/-/g, "+").replace(/_/g, "/"), "base64"));
  return undefined;
}
