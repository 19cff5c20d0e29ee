/**
 * Lists and byte strings that may be missing, as they stand in bodies of letters and in signed objects.
 */
import { fail, readArray, readBytes, readNull, writeArray, writeBytes, writeNull, type Reader, type Writer } from "./cbor.js";
import { limits } from "../limits.js";

const none = new Uint8Array(0);

/** A list of byte strings. */
export function writeAll(w: Writer, items: readonly Uint8Array[]): void {
  writeArray(w, items.length);
  for (const item of items) writeBytes(w, item);
}
/** One byte string of a list, for `readList`. */
export function readOne(r: Reader): Uint8Array {
  return readBytes(r);
}
/** Empty stands for nothing. */
export function writeOptional(w: Writer, bytes: Uint8Array): void {
  if (bytes.length === 0) writeNull(w); else writeBytes(w, bytes);
}
export function readOptional(r: Reader): Uint8Array {
  if (readNull(r)) return none;
  const bytes = readBytes(r);
  if (bytes.length === 0) fail(r);
  return bytes;
}

/** A list of at most `limits.listItemsMax` items. */
export function readList<T>(r: Reader, readItem: (r: Reader) => T): T[] {
  const count = readArray(r);
  const items: T[] = [];
  if (count > limits.listItemsMax) fail(r);
  for (let i = 0; i < count && !r.bad; i++) items.push(readItem(r));
  return items;
}
