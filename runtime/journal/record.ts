/**
 * How one record lies on a page, and how a page is read after a power cut.
 *
 * A record is length, sequence, payload, CRC-32 and a commit byte, written in this order; a page begins with a header of
 * the same care. Whatever stands behind the last whole record was never acknowledged. Erased bytes are 0xFF.
 */
import { crc32 } from "../../protocol/link/crc.js";
import { copy } from "../../protocol/wire/bytes.js";
import type { Store } from "./store.js";

export const headerBytes = 37;
export const recordOverheadBytes = 11;
const committed = 0xa5;
const magic = 0x4b534a31; // "KSJ1"

/**
 * A page's beginning: its number in the order of use, the sequence of its first record, the chain digest before it, and
 * the number of the oldest page that still counted when it was begun.
 */
export interface PageHeader { page: number; number: number; firstSequence: number; head: Uint8Array; keptFrom: number }

export function encodeHeader(h: PageHeader): Uint8Array {
  const bytes = new Uint8Array(headerBytes);
  put32(bytes, 0, magic);
  put32(bytes, 4, h.number);
  put32(bytes, 8, h.firstSequence);
  bytes.set(h.head, 12);
  put32(bytes, 28, h.keptFrom);
  put32(bytes, 32, crc32(bytes.subarray(0, 32)));
  bytes[36] = committed;
  return bytes;
}

/** The header of a page, or undefined when it has none: erased, torn, or never used. */
export function readHeader(store: Store, page: number): PageHeader | undefined {
  const bytes = store.read(page, 0, headerBytes);
  if (get32(bytes, 0) !== magic || bytes[36] !== committed || get32(bytes, 32) !== crc32(bytes.subarray(0, 32))) return undefined;
  return { page: page, number: get32(bytes, 4), firstSequence: get32(bytes, 8), head: copy(bytes, 12, 28), keptFrom: get32(bytes, 28) };
}

export function encodeRecord(sequence: number, payload: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(payload.length + recordOverheadBytes);
  bytes[0] = payload.length >> 8;
  bytes[1] = payload.length & 255;
  put32(bytes, 2, sequence);
  bytes.set(payload, 6);
  put32(bytes, payload.length + 6, crc32(bytes.subarray(0, payload.length + 6)));
  bytes[payload.length + 10] = committed;
  return bytes;
}

/** The payload of the record at `offset`, or undefined when no whole record with this sequence stands there. */
export function readRecord(store: Store, page: number, offset: number, sequence: number): Uint8Array | undefined {
  const length = lengthAt(store, page, offset);
  if (length < 0) return undefined;
  const bytes = store.read(page, offset, length + recordOverheadBytes);
  if (bytes[length + 10] !== committed || get32(bytes, 2) !== sequence) return undefined;
  if (get32(bytes, length + 6) !== crc32(bytes.subarray(0, length + 6))) return undefined;
  return copy(bytes, 6, length + 6);
}

/** Length of the payload that claims to stand at `offset`, or −1 when it cannot be: erased, or past the page. */
export function lengthAt(store: Store, page: number, offset: number): number {
  if (offset + recordOverheadBytes > store.pageBytes) return -1;
  const bytes = store.read(page, offset, 2);
  const length = (bytes[0]! << 8) | bytes[1]!;
  return length === 0xffff || offset + length + recordOverheadBytes > store.pageBytes ? -1 : length;
}

/** True when nothing was ever written from `offset` to the page's end. */
export function isErased(store: Store, page: number, offset: number): boolean {
  for (let at = offset; at < store.pageBytes; at += 256) {
    const bytes = store.read(page, at, Math.min(256, store.pageBytes - at));
    for (let i = 0; i < bytes.length; i++) if (bytes[i] !== 0xff) return false;
  }
  return true;
}

export function put32(bytes: Uint8Array, at: number, n: number): void {
  bytes[at] = n >>> 24; bytes[at + 1] = (n >>> 16) & 255; bytes[at + 2] = (n >>> 8) & 255; bytes[at + 3] = n & 255;
}
export function get32(bytes: Uint8Array, at: number): number {
  return bytes[at]! * 16777216 + ((bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!);
}
