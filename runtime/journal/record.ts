/**
 * How pages and records lie on the medium, and how they are read after a power cut. All is in whole units of 8 bytes, each
 * written once, so that the same bytes do on every flash and on a disk. Erased bytes are 0xFF.
 *
 * A page: header (magic, number, first sequence, kept from, through, sure, chain digest, check sum, commit word), the *stands* unit,
 * then records. A record: length, sequence, kind, how many before it were not durable yet, payload, check sum, commit word. The commit word is written last, so
 * whatever stands behind the last whole record was never acknowledged. A record's check sum begins with its page's first
 * sequence and digest: a record on the wrong page, or left from an earlier use of the page, is none.
 */
import { boardFault, unitBytes, type Store } from "./store.js";
import { crc32 } from "../../protocol/link/crc.js";
import { copy, join, same } from "../../protocol/wire/bytes.js";

const magic = 0x4b534a32; // "KSJ2"
const committed = 0xa55a3cc3;
const fieldBytes = 40;
const headerBytes = fieldBytes + unitBytes;
/** Where a page's first record begins. */
export const recordsAt = headerBytes + unitBytes;
export const recordOverheadBytes = 2 * unitBytes;
/** So many records may be written before a sync. */
export const unsyncedMax = 255;

/** Kinds of records: an entry of the journal or a cell; how far pages were given back; an entry that a recovery copied, before its page had a header. */
export const recordKind = { entry: 1, release: 2, copied: 3 } as const;

/**
 * A page's beginning: its number in the order of use, the sequence of its first record, the chain digest before it, the
 * number of the oldest page that still counted when it was begun, and the last sequence that stood on it when its header
 * was written (one before the first for a page that was begun empty). `sure`: up to here the page that this one replaces was
 * durable for certain; what it held behind that may have been the end of a write that a cut broke off.
 */
export interface PageHeader { page: number; number: number; firstSequence: number; keptFrom: number; through: number; sure: number; head: Uint8Array }

function encodeHeader(h: PageHeader): Uint8Array {
  const bytes = new Uint8Array(headerBytes);
  put32(bytes, 0, magic);
  put32(bytes, 4, h.number);
  put32(bytes, 8, h.firstSequence);
  put32(bytes, 12, h.keptFrom);
  put32(bytes, 16, h.through);
  put32(bytes, 20, h.sure);
  bytes.set(h.head, 24);
  put32(bytes, fieldBytes, crc32(bytes.subarray(0, fieldBytes)));
  put32(bytes, fieldBytes + 4, committed);
  return bytes;
}

export function writeHeader(store: Store, h: PageHeader): void {
  writeChecked(store, h.page, 0, encodeHeader(h));
}

/** The header of a page, or undefined when it has none: erased, torn, or never used. */
export function readHeader(store: Store, page: number): PageHeader | undefined {
  return decodeHeader(page, store.read(page, 0, headerBytes));
}

function decodeHeader(page: number, bytes: Uint8Array): PageHeader | undefined {
  if (get32(bytes, 0) !== magic || get32(bytes, fieldBytes + 4) !== committed || get32(bytes, fieldBytes) !== crc32(bytes.subarray(0, fieldBytes))) return undefined;
  return {
    page: page, number: get32(bytes, 4), firstSequence: get32(bytes, 8), keptFrom: get32(bytes, 12), through: get32(bytes, 16), sure: get32(bytes, 20), head: copy(bytes, 24, 40),
  };
}

/** The header that differs from what stands there in a single bit: a whole one that has rotted, or the last bit of a torn one. */
export function nearlyHeader(store: Store, page: number): PageHeader | undefined {
  const bytes = store.read(page, 0, headerBytes);
  let off = 0;
  for (let bit = 0; bit < 32; bit++) if (((get32(bytes, fieldBytes + 4) ^ committed) >>> bit) & 1) off++;
  if (off > 1) return undefined;
  for (let bit = 0; bit < headerBytes * 8; bit++) {
    bytes[bit >> 3] = bytes[bit >> 3]! ^ (1 << (bit & 7));
    const header = decodeHeader(page, bytes);
    if (header !== undefined) return header;
    bytes[bit >> 3] = bytes[bit >> 3]! ^ (1 << (bit & 7));
  }
  return undefined;
}

/** Written after the header is durable: whoever sees it knows that the header was written to its end. */
export function writeStands(store: Store, page: number): void {
  writeChecked(store, page, headerBytes, stands);
}
export function readStands(store: Store, page: number): boolean {
  return same(store.read(page, headerBytes, unitBytes), stands);
}
const stands = new Uint8Array([0x5a, 0xa5, 0xc3, 0x3c, 0x5a, 0xa5, 0xc3, 0x3c]);

/** What the check sums of a page's records begin with. */
export function saltOf(h: PageHeader): Uint8Array {
  const salt = new Uint8Array(20);
  put32(salt, 0, h.firstSequence);
  salt.set(h.head, 4);
  return salt;
}

/** Bytes that a record of this payload takes. */
export function recordBytes(payloadBytes: number): number {
  return recordOverheadBytes + Math.floor((payloadBytes + unitBytes - 1) / unitBytes) * unitBytes;
}

/** `unsynced`: how many records directly before this one were not durable when it was written, at most 255. */
export function encodeRecord(kind: number, sequence: number, payload: Uint8Array, salt: Uint8Array, unsynced: number): Uint8Array {
  const bytes = new Uint8Array(recordBytes(payload.length));
  const end = bytes.length - unitBytes;
  bytes[0] = payload.length >> 8;
  bytes[1] = payload.length & 255;
  put32(bytes, 2, sequence);
  bytes[6] = kind;
  bytes[7] = unsynced;
  bytes.set(payload, unitBytes);
  put32(bytes, end, crc32(join([salt, bytes.subarray(0, end)])));
  put32(bytes, end + 4, committed);
  return bytes;
}

/** A record as it stands on a page, and where the next one begins. */
export interface FoundRecord { kind: number; sequence: number; unsynced: number; payload: Uint8Array; end: number }

/** The whole record at `offset` of a page's image, or undefined when none stands there. */
export function readRecord(image: Uint8Array, offset: number, salt: Uint8Array): FoundRecord | undefined {
  if (offset + recordOverheadBytes > image.length) return undefined;
  const length = (image[offset]! << 8) | image[offset + 1]!;
  const end = offset + recordBytes(length);
  if (end > image.length || get32(image, end - 4) !== committed) return undefined;
  if (get32(image, end - unitBytes) !== crc32(join([salt, image.subarray(offset, end - unitBytes)]))) return undefined;
  const payload = copy(image, offset + unitBytes, offset + unitBytes + length);
  return { kind: image[offset + 6]!, sequence: get32(image, offset + 2), unsynced: image[offset + 7]!, payload: payload, end: end };
}

/** The first whole record behind `offset`, where a record should stand and cannot be read. */
export function findRecord(image: Uint8Array, offset: number, salt: Uint8Array): number {
  for (let at = offset + unitBytes; at + recordOverheadBytes <= image.length; at += unitBytes) if (readRecord(image, at, salt) !== undefined) return at;
  return -1;
}

/** True when nothing stands in an image from `offset` to its end. */
export function isErased(image: Uint8Array, offset: number): boolean {
  for (let i = offset; i < image.length; i++) if (image[i] !== 0xff) return false;
  return true;
}

/** Writes and reads back: a medium that answers well and did nothing is found before anybody relies on it. */
export function writeChecked(store: Store, page: number, offset: number, bytes: Uint8Array): void {
  store.write(page, offset, bytes);
  if (!same(store.read(page, offset, bytes.length), bytes)) throw boardFault("worn", "The storage did not keep what was written: replace it.");
}

function put32(bytes: Uint8Array, at: number, n: number): void {
  bytes[at] = n >>> 24; bytes[at + 1] = (n >>> 16) & 255; bytes[at + 2] = (n >>> 8) & 255; bytes[at + 3] = n & 255;
}
function get32(bytes: Uint8Array, at: number): number {
  return bytes[at]! * 16777216 + ((bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!);
}
/** Payload of a release. */
export function bytesOf32(n: number): Uint8Array {
  const bytes = new Uint8Array(4);
  put32(bytes, 0, n);
  return bytes;
}
export function numberOf32(bytes: Uint8Array): number {
  return get32(bytes, 0);
}
