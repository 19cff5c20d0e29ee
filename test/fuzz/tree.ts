/**
 * CBOR items as trees that can be harmed: one node replaced, lengthened, cut, given a key more or less; and encoded with a
 * flaw that no reader of ours may forgive: keys unsorted or doubled, an indefinite length, a head longer than needed, a
 * count that lies. The encoder here is its own, since ours refuses to write such things.
 */
import { Tagged } from "cborg";
import type { Random } from "../published.js";

/** Nodes of an item: itself, items of arrays, values of maps, what stands behind a tag. */
export function countNodes(item: unknown): number {
  return 1 + childrenOf(item).reduce<number>((sum, child) => sum + countNodes(child), 0);
}
function childrenOf(item: unknown): unknown[] {
  if (Array.isArray(item)) return item;
  if (item instanceof Map) return [...item.values()];
  return item instanceof Tagged ? [item.value] : [];
}

/** The item with its n-th node (in reading order) changed; everything else is copied. */
function withNode(item: unknown, n: number, changed: (node: unknown) => unknown): unknown {
  if (n === 0) return changed(item);
  let left = n - 1;
  const child = (inner: unknown): unknown => {
    const size = countNodes(inner);
    const here = left >= 0 && left < size;
    const result = here ? withNode(inner, left, changed) : inner;
    left -= size;
    return result;
  };
  if (Array.isArray(item)) return item.map(child);
  if (item instanceof Map) return new Map([...item].map(([key, value]) => [key, child(value)]));
  return new Tagged((item as Tagged).tag, child((item as Tagged).value));
}

/** One node changed: another type, another size, a field more or less, a number out of range. */
export function harmed(item: unknown, random: Random): unknown {
  return withNode(item, random.below(countNodes(item)), (node) => harmNode(node, random));
}

const numbers = [0, 1, 2, 3, 4, 5, 23, 24, 77, 255, 256, 65535, 65536, 4294967295, 4294967296, Number.MAX_SAFE_INTEGER, -1, -2, -70001, Number.MIN_SAFE_INTEGER];
function another(random: Random): unknown {
  const n = random.below(10);
  if (n === 0) return null;
  if (n === 1) return random.below(2) === 0;
  if (n === 2) return "x".repeat(random.below(3));
  if (n === 3) return random.bytes([0, 1, 4, 8, 16, 32, 33, 64][random.below(8)]!);
  if (n === 4) return [1];
  if (n === 5) return new Map([[1, 2]]);
  if (n === 6) return [];
  return numbers[random.below(numbers.length)];
}

function harmNode(node: unknown, random: Random): unknown {
  if (random.below(3) === 0) return another(random);
  if (Array.isArray(node)) return harmArray([...node], random);
  if (node instanceof Map) return harmMap(new Map(node), random);
  if (node instanceof Uint8Array) return random.below(2) === 0 ? Uint8Array.from([...node, random.below(256)]) : node.subarray(1);
  if (typeof node === "string") return random.below(2) === 0 ? node + "é" : node.slice(1);
  if (node instanceof Tagged) return random.below(2) === 0 ? node.value : new Tagged(node.tag + 1, node.value);
  return random.below(8) === 0 ? new Tagged(random.below(30), node) : another(random);
}

function harmArray(items: unknown[], random: Random): unknown[] {
  const at = random.below(items.length + 1);
  const how = random.below(4);
  if (how === 0) items.splice(at, 1);
  else if (how === 1) items.splice(at, 0, another(random));
  else if (how === 2) items.splice(at, 0, items[at]);
  else if (at + 1 < items.length) [items[at], items[at + 1]] = [items[at + 1], items[at]];
  else items.push(another(random));
  return items.map((item) => (item === undefined ? null : item));
}

function harmMap(map: Map<unknown, unknown>, random: Random): Map<unknown, unknown> {
  const keys = [...map.keys()];
  const key = keys[random.below(keys.length)];
  const how = random.below(3);
  if (how === 0) map.delete(key);
  else if (how === 1) map.set([99, 0, 7, -1, "x", -70002][random.below(6)], another(random));
  else { const value = map.get(key); map.delete(key); map.set([99, 9, -1, "lst"][random.below(4)], value ?? null); }
  return map;
}

export const flaws = ["unsorted keys", "doubled key", "indefinite length", "long head", "count too high", "count too low", "trailing byte"] as const;
export type Flaw = (typeof flaws)[number];

/** The item encoded with this flaw at the first node, counted from `from`, that can have it; undefined where none can. */
export function encodeFlawed(item: unknown, flaw: Flaw, from: number): Uint8Array | undefined {
  const state = { flaw, from, done: false };
  const bytes = Buffer.concat(encodeItem(item, state));
  if (flaw === "trailing byte") return Uint8Array.from([...bytes, from & 255]);
  return state.done ? new Uint8Array(bytes) : undefined;
}
/** The item encoded well, keys in the order of their encoding. */
export function encodeTree(item: unknown): Uint8Array {
  return new Uint8Array(Buffer.concat(encodeItem(item, { flaw: "trailing byte", from: 0, done: true })));
}

interface Flawing { flaw: Flaw; from: number; done: boolean }

/** True once: when the flaw's turn has come. */
function turn(s: Flawing, flaw: Flaw, possible: boolean): boolean {
  if (s.done || s.flaw !== flaw || !possible || s.from-- > 0) return false;
  s.done = true;
  return true;
}

function encodeItem(item: unknown, s: Flawing): Uint8Array[] {
  if (item === null) return [Uint8Array.of(0xf6)];
  if (typeof item === "boolean") return [Uint8Array.of(item ? 0xf5 : 0xf4)];
  if (typeof item === "number") return [head(item < 0 ? 1 : 0, item < 0 ? -1 - item : item, s)];
  if (item instanceof Tagged) return [head(6, item.tag, s), ...encodeItem(item.value, s)];
  if (item instanceof Uint8Array) return encodeString(2, item, s);
  if (typeof item === "string") return encodeString(3, Buffer.from(item), s);
  const isMap = item instanceof Map;
  const count = isMap ? item.size : (item as unknown[]).length;
  const open = turn(s, "indefinite length", true);
  const lie = turn(s, "count too high", true) ? 1 : turn(s, "count too low", count > 0) ? -1 : 0;
  const parts = isMap ? encodePairs(item, s) : (item as unknown[]).flatMap((inner) => encodeItem(inner, s));
  const doubled = isMap ? parts.length - count : 0;
  const start = open ? Uint8Array.of(isMap ? 0xbf : 0x9f) : head(isMap ? 5 : 4, count + doubled + lie, s);
  return [start, ...parts, ...(open ? [Uint8Array.of(0xff)] : [])];
}

/** One part a pair. */
function encodePairs(map: Map<unknown, unknown>, s: Flawing): Uint8Array[] {
  const pairs = [...map].map(([key, value]) => [Buffer.concat(encodeItem(key, { ...s, done: true })), Buffer.concat(encodeItem(value, s))] as const)
    .sort(([a], [b]) => Buffer.compare(a, b));
  if (turn(s, "unsorted keys", pairs.length > 1)) pairs.reverse();
  const parts = pairs.map((pair) => Buffer.concat(pair));
  if (turn(s, "doubled key", pairs.length > 0)) parts.splice(1, 0, parts[0]!);
  return parts;
}

function encodeString(major: number, bytes: Uint8Array, s: Flawing): Uint8Array[] {
  if (turn(s, "indefinite length", true)) return [Uint8Array.of((major << 5) | 31), head(major, bytes.length, s), bytes, Uint8Array.of(0xff)];
  const lie = turn(s, "count too high", true) ? 1 : turn(s, "count too low", bytes.length > 0) ? -1 : 0;
  return [head(major, bytes.length + lie, s), bytes];
}

/** A head in shortest form, or in the flaw's next longer one. */
function head(major: number, n: number, s: Flawing): Uint8Array {
  let size = n < 24 ? 0 : n < 256 ? 1 : n < 65536 ? 2 : n < 4294967296 ? 4 : 8;
  if (turn(s, "long head", size < 8)) size = size === 0 ? 1 : size * 2;
  const bytes = Buffer.alloc(size + 1);
  if (size === 8) bytes.writeBigUInt64BE(BigInt(n), 1);
  else if (size > 0) bytes.writeUIntBE(n, 1, size);
  bytes[0] = (major << 5) | (size === 0 ? n : size === 1 ? 24 : size === 2 ? 25 : size === 4 ? 26 : 27);
  return bytes;
}
