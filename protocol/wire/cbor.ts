/**
 * Strict deterministic CBOR (RFC 8949 §4.2): the one codec for whatever is signed or spoken, the same on every machine.
 *
 * A writer appends items to a growing buffer; maps are written in the order of their encoded keys by the caller, and
 * `finish` checks the whole. A reader walks once, front to back; the first thing that does not fit marks it bad, every
 * later read answers zero or empty, and `done` is asked once, at the end: true only if all fitted and nothing is left.
 * Whoever reads everything and ends so needs no second walk: `reading` checks each item as it is read.
 * `scan` is the door for bytes from outside: it refuses indefinite lengths, non-shortest forms, unsorted or duplicate
 * keys, floats, tags, bad UTF-8, trailing bytes and deep nesting, before anything is read. Integers are safe integers.
 */
import { assert } from "../assert.js";
import { copy, fromUtf8, utf8 } from "./bytes.js";

/** Deepest nesting that `scan` walks into; ours needs 6. */
export const cborDepthMax = 16;

export interface Writer { bytes: Uint8Array; at: number }


const none = new Uint8Array(0);
/** A buffer that waits for the next writer: most items are short, and memory is what costs time. */
let spare: Uint8Array | undefined;
const spareBytes = 128;

/** A fresh writer; its buffer doubles as needed. */
export function writer(): Writer {
  const bytes = spare === undefined ? new Uint8Array(spareBytes) : spare;
  spare = undefined;
  return { bytes: bytes, at: 0 };
}

/** What was written, as bytes of their own. The writer is done with: it has no buffer any more. */
export function finish(w: Writer): Uint8Array {
  const done = copy(w.bytes, 0, w.at);
  if (w.bytes.length === spareBytes) spare = w.bytes;
  w.bytes = none;
  assert(scan(done, true), "written CBOR is one deterministic item");
  return done;
}

/** An integer within ±(2^53 − 1). */
export function writeInt(w: Writer, n: number): void {
  if (n >= 0) writeHead(w, 0, n);
  else writeHead(w, 1, -1 - n);
}
export function writeBytes(w: Writer, bytes: Uint8Array): void {
  writeHead(w, 2, bytes.length);
  writeRaw(w, bytes);
}
export function writeText(w: Writer, text: string): void {
  const bytes = utf8(text);
  writeHead(w, 3, bytes.length);
  writeRaw(w, bytes);
}
/** The head of an array; `items` items follow. */
export function writeArray(w: Writer, items: number): void {
  writeHead(w, 4, items);
}
/** The head of a map; `pairs` pairs follow, keys in bytewise order of their encoding (0 … 23, 24 …, then −1, −2 …). */
export function writeMap(w: Writer, pairs: number): void {
  writeHead(w, 5, pairs);
}
/** A tag's head; the tagged item follows. Tags stand only around stored objects, so `scan` must be told to allow them. */
export function writeTag(w: Writer, tag: number): void {
  writeHead(w, 6, tag);
}
export function writeNull(w: Writer): void {
  writeHead(w, 7, 22);
}
export function writeBool(w: Writer, yes: boolean): void {
  writeHead(w, 7, yes ? 21 : 20);
}
/** An item that is already encoded. */
export function writeRaw(w: Writer, bytes: Uint8Array): void {
  if (w.at + bytes.length > w.bytes.length) grow(w, bytes.length);
  w.bytes.set(bytes, w.at);
  w.at += bytes.length;
}

function writeHead(w: Writer, major: number, n: number): void {
  assert(n >= 0 && n <= 9007199254740991 && Math.floor(n) === n, "CBOR integer is safe");
  if (w.at + 9 > w.bytes.length) grow(w, 9);
  const top = major << 5;
  if (n < 24) w.bytes[w.at++] = top | n;
  else if (n < 256) { w.bytes[w.at++] = top | 24; w.bytes[w.at++] = n; }
  else {
    const size = n < 65536 ? 2 : n < 4294967296 ? 4 : 8;
    w.bytes[w.at] = top | (size === 2 ? 25 : size === 4 ? 26 : 27);
    let rest = n;
    for (let at = w.at + size; at > w.at; at--) {
      w.bytes[at] = rest % 256;
      rest = Math.floor(rest / 256);
    }
    w.at += size + 1;
  }
}

function grow(w: Writer, more: number): void {
  const grown = new Uint8Array(Math.max(w.bytes.length * 2, w.at + more));
  grown.set(w.bytes.subarray(0, w.at));
  w.bytes = grown;
}

export interface Reader { bytes: Uint8Array; at: number; bad: boolean }

/**
 * A reader over one item from outside. Bytes that `scan` refuses give a reader that is bad from the start; a good one can
 * fail by what it is asked for, never by the form of what is there. Where `tag` is given, the item may stand behind that one
 * tag; the reader then starts after it.
 */
export function reader(bytes: Uint8Array, tag?: number): Reader {
  let start = 0;
  if (tag !== undefined && bytes.length > 0 && bytes[0]! >> 5 === 6) {
    const end = head(bytes, 0);
    if (end > 0 && argument === tag) start = end;
  }
  return { bytes: bytes, at: start, bad: item(bytes, start, cborDepthMax, false) !== bytes.length };
}

/**
 * The same for a decoder that reads all of it and asks `done`: whatever `scan` would refuse, one of its reads does. A decoder
 * that stops before the end must take `reader`.
 */
export function reading(bytes: Uint8Array): Reader {
  return { bytes: bytes, at: 0, bad: false };
}

/** True when all reads fitted and nothing is left over. */
export function done(r: Reader): boolean {
  return !r.bad && r.at === r.bytes.length;
}

/** Marks the reader bad: for checks that only the caller can make (a wrong length, an unknown number). */
export function fail(r: Reader): void {
  r.bad = true;
}

export function readInt(r: Reader): number {
  if (peekMajor(r) !== 1) return readHead(r, 0);
  const n = readHead(r, 1);
  if (n > 9007199254740990) r.bad = true;
  return -1 - n;
}
export function readUint(r: Reader): number {
  return readHead(r, 0);
}
/** A byte string; with `size` given, of exactly that many bytes. A copy, so that nothing of the message is kept alive. */
export function readBytes(r: Reader, size?: number): Uint8Array {
  const length = readHead(r, 2);
  if ((size !== undefined && length !== size) || length > r.bytes.length - r.at) r.bad = true;
  if (r.bad) return new Uint8Array(size === undefined ? 0 : size);
  const bytes = copy(r.bytes, r.at, r.at + length);
  r.at += length;
  return bytes;
}
export function readText(r: Reader): string {
  const length = readHead(r, 3);
  const text = r.bad || length > r.bytes.length - r.at ? undefined : fromUtf8(r.bytes.subarray(r.at, r.at + length));
  r.at += length;
  if (text !== undefined) return text;
  r.bad = true;
  return "";
}
/** An array's length; with `items` given, exactly that. */
export function readArray(r: Reader, items?: number): number {
  const length = readHead(r, 4);
  if (items !== undefined && length !== items) r.bad = true;
  return r.bad ? 0 : length;
}
/** A map's number of pairs. */
export function readMap(r: Reader): number {
  const pairs = readHead(r, 5);
  return r.bad ? 0 : pairs;
}
export function readBool(r: Reader): boolean {
  const simple = readHead(r, 7);
  if (simple !== 20 && simple !== 21) r.bad = true;
  return simple === 21;
}
/** Takes a null and answers true, or leaves whatever else is there. */
export function readNull(r: Reader): boolean {
  if (r.bad || r.bytes[r.at] !== 0xf6) return false;
  r.at++;
  return true;
}
/** The major type of the next item (0 … 7), or −1 at the end. */
export function peekMajor(r: Reader): number {
  return r.bad || r.at >= r.bytes.length ? -1 : r.bytes[r.at]! >> 5;
}
/** The next item whole, still encoded. */
export function readRaw(r: Reader): Uint8Array {
  if (r.bad || r.at >= r.bytes.length) { r.bad = true; return new Uint8Array(0); }
  const start = r.at;
  const end = item(r.bytes, start, cborDepthMax, true);
  if (end < 0) { r.bad = true; return new Uint8Array(0); }
  r.at = end;
  return copy(r.bytes, start, end);
}
function readHead(r: Reader, major: number): number {
  if (r.bad || r.at >= r.bytes.length || r.bytes[r.at]! >> 5 !== major) { r.bad = true; return 0; }
  const end = head(r.bytes, r.at);
  if (end < 0) { r.bad = true; return 0; }
  r.at = end;
  return argument;
}

/** True when `bytes` are exactly one deterministic item of ours; tags only where `tags` is given. */
export function scan(bytes: Uint8Array, tags?: boolean): boolean {
  return item(bytes, 0, cborDepthMax, tags === true) === bytes.length;
}

/** The argument of the head that `head` walked last: one number kept here instead of an object made for each item. */
let argument = 0;

/** Walks one head, of which there is a byte; answers where it ends, or −1 when it is not in shortest form, cut off, or no safe integer. */
function head(b: Uint8Array, at: number): number {
  const info = b[at]! & 31;
  if (info < 24) { argument = info; return at + 1; }
  if (info === 24 && at + 1 < b.length) { argument = b[at + 1]!; return argument < 24 ? -1 : at + 2; }
  if (info > 27) return -1;
  const size = 1 << (info - 24);
  if (at + size >= b.length) return -1;
  let n = 0;
  for (let i = 1; i <= size; i++) n = n * 256 + b[at + i]!;
  if (n < (size === 1 ? 24 : size === 2 ? 256 : size === 4 ? 65536 : 4294967296) || n > 9007199254740991) return -1;
  argument = n;
  return at + size + 1;
}

/** Walks one item; answers where it ends, or −1. */
function item(b: Uint8Array, at: number, depth: number, tags: boolean): number {
  if (depth < 0 || at >= b.length) return -1;
  const major = b[at]! >> 5;
  if (major === 7) return b[at]! >= 0xf4 && b[at]! <= 0xf6 ? at + 1 : -1;
  const start = head(b, at);
  if (start < 0) return -1;
  const n = argument;
  if (major < 2) return major === 1 && n > 9007199254740990 ? -1 : start;
  if (major === 6) return tags ? item(b, start, depth - 1, tags) : -1;
  if (n > b.length - start) return -1;
  if (major === 2) return start + n;
  if (major === 3) return fromUtf8(b.subarray(start, start + n)) === undefined ? -1 : start + n;
  return major === 4 ? items(b, start, n, depth, tags) : pairs(b, start, n, depth, tags);
}

function items(b: Uint8Array, start: number, count: number, depth: number, tags: boolean): number {
  let at = start;
  for (let i = 0; i < count && at >= 0; i++) at = item(b, at, depth - 1, tags);
  return at;
}

/** RFC 8949 §4.2.1: keys in bytewise order of their encoding, hence none twice. */
function pairs(b: Uint8Array, start: number, count: number, depth: number, tags: boolean): number {
  let at = start;
  let keyStart = -1;
  let keyEnd = -1;
  for (let i = 0; i < count; i++) {
    const end = item(b, at, depth - 1, tags);
    if (end < 0 || (keyStart >= 0 && !before(b, keyStart, keyEnd, at, end))) return -1;
    keyStart = at;
    keyEnd = end;
    at = item(b, end, depth - 1, tags);
    if (at < 0) return -1;
  }
  return at;
}

function before(b: Uint8Array, aStart: number, aEnd: number, bStart: number, bEnd: number): boolean {
  const shorter = Math.min(aEnd - aStart, bEnd - bStart);
  for (let i = 0; i < shorter; i++) {
    const difference = b[aStart + i]! - b[bStart + i]!;
    if (difference !== 0) return difference < 0;
  }
  return aEnd - aStart < bEnd - bStart;
}
