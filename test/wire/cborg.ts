/**
 * A second opinion on CBOR, from another codec: whether bytes are one item of our strict deterministic subset. cborg reads
 * them, what it read is checked for what we do not speak (floats, unsafe integers, deep nesting, equal keys), and its own
 * encoding, in canonical order, must be the same bytes. Nothing of protocol/wire/cbor.ts is used, so that the two can be compared.
 */
import { decode, encode, rfc8949EncodeOptions, Tagged } from "cborg";
import { Decoder } from "cbor-x";
import { toHex } from "../published.js";

/** Every tag is kept as it stands. */
const anyTag = new Proxy({}, { get: (_none, number) => Tagged.decoder(Number(number)) });

export function decodeStrictly(bytes: Uint8Array): unknown {
  return decode(bytes, {
    strict: true, allowIndefinite: false, allowUndefined: false, allowInfinity: false, allowNaN: false, useMaps: true, tags: anyTag,
  });
}
export function encodeCanonically(item: unknown): Uint8Array {
  return encode(item, rfc8949EncodeOptions);
}

/** cborg's own canonical encoder knows no maps, arrays or tags as keys: those are put together here, from cborg's heads. */
function encodeAnyKeys(item: unknown): Uint8Array {
  const head = (major: number, n: number): Uint8Array => { const bytes = encode(n); bytes[0]! |= major << 5; return bytes; };
  if (Array.isArray(item)) return Buffer.concat([head(4, item.length), ...item.map(encodeAnyKeys)]);
  if (item instanceof Tagged) return Buffer.concat([head(6, item.tag), encodeAnyKeys(item.value)]);
  if (!(item instanceof Map)) return encodeCanonically(item);
  const pairs = [...item].map(([key, value]) => [encodeAnyKeys(key), encodeAnyKeys(value)] as const);
  return Buffer.concat([head(5, pairs.length), ...pairs.sort(([a], [b]) => Buffer.compare(a, b)).flat()]);
}

/** cborg drops a byte order mark at the start of a text; any other character of three bytes stands in for it. */
function withoutMark(bytes: Uint8Array): Uint8Array {
  return Buffer.from(Buffer.from(bytes).toString("latin1").replaceAll("\xef\xbb\xbf", "\xef\xbc\x81"), "latin1");
}

/** True when these bytes are one deterministic item of ours; tags only where `tags` is true. */
export function isOurs(given: Uint8Array, tags: boolean): boolean {
  const bytes = withoutMark(given);
  let item: unknown;
  try {
    item = decodeStrictly(bytes);
  } catch {
    return false;
  }
  return spoken(item, tags, 16) && Buffer.compare(encodeAnyKeys(item), bytes) === 0;
}

function spoken(item: unknown, tags: boolean, depth: number): boolean {
  if (depth < 0) return false;
  if (item === null || typeof item === "boolean" || typeof item === "string" || item instanceof Uint8Array) return true;
  if (typeof item === "number") return Number.isSafeInteger(item);
  if (Array.isArray(item)) return item.every((inner) => spoken(inner, tags, depth - 1));
  if (item instanceof Tagged) return tags && Number.isSafeInteger(item.tag) && spoken(item.value, tags, depth - 1);
  if (!(item instanceof Map)) return false;
  const keys = [...item.keys()];
  return [...keys, ...item.values()].every((inner) => spoken(inner, tags, depth - 1))
    && new Set(keys.map((key) => toHex(encodeAnyKeys(key)))).size === keys.length;
}

const other = new Decoder({ mapsAsObjects: false, useRecords: false });

/** True when cbor-x, which Node uses for bulk behind our `scan`, reads these bytes as cborg does. Tags are not asked. */
export function readAlike(given: Uint8Array): boolean {
  const bytes = withoutMark(given);
  return JSON.stringify(plain(other.decode(bytes))) === JSON.stringify(plain(decodeStrictly(bytes)));
}

/** The same form for both codecs: numbers for safe bigints, plain bytes, maps as lists of pairs. */
export function plain(item: unknown): unknown {
  if (typeof item === "bigint") return Number(item);
  if (item instanceof Uint8Array) return { bytes: toHex(item) };
  if (Array.isArray(item)) return item.map(plain);
  if (item instanceof Map) return { pairs: [...item].map(([key, value]) => [plain(key), plain(value)]) };
  return item;
}
