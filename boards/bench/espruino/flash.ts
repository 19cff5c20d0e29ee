/**
 * Flash of a small board as it is: erased bytes are 0xFF, writing only clears bits, whole words only, a page is erased whole;
 * and the power may go at any of these, in the middle. On it the engine's `Storage`: files one behind the other, each with a
 * header of 32 bytes, replaced ones left as trash until all live ones are moved together.
 */
import type { Model } from "./models.js";

/** Thrown at the operation at which the power goes; nothing of the engine runs on. */
export class PowerCut extends Error {}

export interface Chip {
  readonly address: number;
  readonly pageBytes: number;
  readonly bytes: Uint8Array;
  /** Writes and erases so far, over all boots. */
  operations: number;
  /** The operation, counted so, in which the power goes; −1 never. */
  cutAt: number;
  /** Numbers below 1 for what a cut leaves. */
  random: () => number;
  /** Writes of each word since its page was erased: hardware allows two. */
  readonly written: Uint8Array;
  /** What no program may do, and was done. */
  readonly violations: string[];
}

/** What was written at the factory: nothing. */
export function makeChip(model: Model, random: () => number): Chip {
  const length = model.storage.pageBytes * model.storage.pages;
  return { address: model.storage.address, pageBytes: model.storage.pageBytes, bytes: new Uint8Array(length).fill(0xff), operations: 0, cutAt: -1, random, written: new Uint8Array(length / 4), violations: [] };
}

function offsetOf(chip: Chip, address: number, length: number): number {
  const offset = address - chip.address;
  if (offset >= 0 && offset + length <= chip.bytes.length) return offset;
  chip.violations.push(`flash outside the area for files was reached: 0x${address.toString(16)}`);
  throw new Error("Address out of range");
}

export function readFlash(chip: Chip, address: number, length: number): Uint8Array {
  return chip.bytes.slice(offsetOf(chip, address, length), offsetOf(chip, address, length) + length);
}

/** The engine's own rule for `Flash.write`: whole words. */
export function writeFlash(chip: Chip, address: number, data: Uint8Array): void {
  if (address % 4 !== 0 || data.length % 4 !== 0) throw new Error("Flash writes must be aligned to, and a multiple of, 4 bytes");
  const offset = offsetOf(chip, address, data.length);
  const whole = chip.operations++ !== chip.cutAt;
  const until = whole ? data.length : Math.floor(chip.random() * (data.length / 4)) * 4;
  for (let i = 0; i < until; i += 4) writeWord(chip, offset + i, data.subarray(i, i + 4), 0xffffffff);
  if (whole) return;
  // The word that was being written: any of its bits may have been cleared.
  writeWord(chip, offset + until, data.subarray(until, until + 4), Math.floor(chip.random() * 2 ** 32));
  throw new PowerCut("in a write");
}

function writeWord(chip: Chip, offset: number, word: Uint8Array, mask: number): void {
  if (++chip.written[offset / 4]! > 2) chip.violations.push(`the word at 0x${(chip.address + offset).toString(16)} was written more than twice since its page was erased`);
  for (let i = 0; i < 4; i++) chip.bytes[offset + i]! &= word[i]! | ~(mask >>> (8 * i));
}

export function eraseFlash(chip: Chip, address: number): void {
  const offset = Math.floor(offsetOf(chip, address, 1) / chip.pageBytes) * chip.pageBytes;
  const whole = chip.operations++ !== chip.cutAt;
  for (let i = offset; i < offset + chip.pageBytes; i++) chip.bytes[i]! |= whole ? 0xff : Math.floor(chip.random() * 256);
  chip.written.fill(0, offset / 4, (offset + chip.pageBytes) / 4);
  if (!whole) throw new PowerCut("in an erase");
}

// ---- files --------------------------------------------------------------------------------------------------------------

const headerBytes = 32;
const nameBytes = 28;
interface Found { name: string; address: number; size: number; isLive: boolean }

export interface Storage {
  readonly chip: Chip;
  /** How often live files were moved together, which takes them all through memory: a cut then loses them. */
  compactions: number;
}

const align = (n: number): number => Math.ceil(n / 4) * 4;

/** The file whose header stands at `offset`, or undefined. Names are cut at 28 characters, without a word. */
function headerAt(chip: Chip, offset: number): Found | undefined {
  const size = new DataView(chip.bytes.buffer).getUint32(offset, true);
  if (size === 0xffffffff || offset + headerBytes + (size & 0xffffff) > chip.bytes.length) return undefined;
  const name = Buffer.from(chip.bytes.subarray(offset + 4, offset + headerBytes)).toString("latin1");
  return { name: name.replace(/\0.*$/s, ""), address: chip.address + offset + headerBytes, size: size & 0xffffff, isLive: chip.bytes[offset + 4] !== 0 };
}

function filesOf(s: Storage): { all: Found[]; end: number } {
  const all: Found[] = [];
  let offset = 0;
  for (let file = headerAt(s.chip, 0); file !== undefined; file = offset + headerBytes > s.chip.bytes.length ? undefined : headerAt(s.chip, offset)) {
    all.push(file);
    offset = align(file.address - s.chip.address + file.size);
  }
  return { all, end: offset };
}

const nameOf = (name: string): string => name.slice(0, nameBytes);

export function findFile(s: Storage, name: string): { address: number; size: number } | undefined {
  return filesOf(s).all.find((file) => file.isLive && file.name === nameOf(name));
}
export function fileNames(s: Storage): string[] {
  return filesOf(s).all.filter((file) => file.isLive).map((file) => file.name);
}
export function freeBytes(s: Storage): number {
  return s.chip.bytes.length - filesOf(s).end;
}

/** A replaced file is trash: the first character of its name is cleared. */
export function eraseFile(s: Storage, name: string): void {
  const file = findFile(s, name);
  if (file === undefined) return;
  const at = file.address - headerBytes + 4;
  const word = readFlash(s.chip, at, 4);
  word[0] = 0;
  writeFlash(s.chip, at, word);
}

/**
 * `Storage.write`: without `offset` the whole file is made or replaced; the same content again costs nothing. With `size`, room
 * is reserved; with `offset`, only bytes still 0xFF may be written, or equal ones.
 */
export function writeFile(s: Storage, name: string, data: Uint8Array, offset: number, size: number): void {
  let file = findFile(s, name);
  const wanted = size > 0 ? size : data.length;
  if (offset === 0 && (file === undefined || file.size !== wanted || !fits(s, file, 0, data))) file = createFile(s, name, wanted);
  if (file === undefined) throw new Error("Unable to find or create file");
  if (offset + data.length > file.size) throw new Error("Too much data for file size");
  if (!fits(s, file, offset, data)) throw new Error("File already written with different data");
  writeBytes(s.chip, file.address + offset, data);
}

function fits(s: Storage, file: { address: number }, offset: number, data: Uint8Array): boolean {
  const there = readFlash(s.chip, file.address + offset, data.length);
  return there.every((byte, i) => byte === 0xff) || there.every((byte, i) => byte === data[i]);
}

function createFile(s: Storage, name: string, size: number): { address: number; size: number } {
  eraseFile(s, name);
  if (filesOf(s).end + headerBytes + align(size) > s.chip.bytes.length) compact(s);
  const end = filesOf(s).end;
  if (end + headerBytes + align(size) > s.chip.bytes.length) throw new Error("Unable to find or create file");
  const header = new Uint8Array(headerBytes);
  new DataView(header.buffer).setUint32(0, size, true);
  header.set(Buffer.from(nameOf(name), "latin1"), 4);
  // The header stands before the data, and nothing says whether that was written to its end.
  writeFlash(s.chip, s.chip.address + end, header);
  return { address: s.chip.address + end + headerBytes, size };
}

/** All live files through memory: erase everything, write them one behind the other. */
function compact(s: Storage): void {
  s.compactions++;
  const live = filesOf(s).all.filter((file) => file.isLive).map((file) => ({ ...file, data: readFlash(s.chip, file.address, file.size) }));
  for (let page = 0; page < s.chip.bytes.length; page += s.chip.pageBytes) eraseFlash(s.chip, s.chip.address + page);
  for (const file of live) {
    createFile(s, file.name, file.size);
    writeBytes(s.chip, findFile(s, file.name)!.address, file.data);
  }
}

/** Any bytes: words at the ends are filled with what stands there, and equal ones are left alone. */
function writeBytes(chip: Chip, address: number, data: Uint8Array): void {
  const start = address - (address % 4);
  const whole = readFlash(chip, start, align(address - start + data.length));
  const before = whole.slice();
  whole.set(data, address - start);
  if (whole.some((byte, i) => byte !== before[i])) writeFlash(chip, start, whole);
}
