/**
 * A few named values that must survive a power cut and never go back: numbers, certificates, configuration, status bits.
 *
 * Two pages in alternation. A new value is appended to the page in use; when that is full, the newest value of every name
 * is copied to the other page, whose header is written last, so a cut leaves the old page or the new one (`trust.md` §2).
 */
import { encodeHeader, encodeRecord, headerBytes, isErased, readHeader, readRecord, recordOverheadBytes } from "./record.js";
import type { Store } from "./store.js";
import { assert } from "../../protocol/assert.js";
import { copy, fromUtf8, join, utf8 } from "../../protocol/wire/bytes.js";

/** Values of up to 64 KiB less overhead go into one record; longer ones are cut into parts under one name. */
const partBytes = 60000;

export interface Cells {
  readonly store: Store;
  page: number;
  number: number;
  offset: number;
  sequence: number;
  values: { name: string; bytes: Uint8Array }[];
}

/** Opens the two pages of `store`; an empty store is an empty set of cells. */
export function openCells(store: Store): Cells {
  assert(store.pages === 2, "cells live on two pages");
  const cells: Cells = { store: store, page: 0, number: 0, offset: 0, sequence: 1, values: [] };
  for (let page = 0; page < 2; page++) {
    const header = readHeader(store, page);
    if (header === undefined || header.number <= cells.number) continue;
    cells.page = page;
    cells.number = header.number;
  }
  if (cells.number > 0) readAll(cells);
  return cells;
}

function readAll(cells: Cells): void {
  cells.offset = headerBytes;
  let parts: Uint8Array[] = [];
  for (;;) {
    const record = readRecord(cells.store, cells.page, cells.offset, cells.sequence);
    if (record === undefined) break;
    cells.offset += record.length + recordOverheadBytes;
    cells.sequence++;
    const nameEnd = 2 + record[1]!;
    parts.push(copy(record, nameEnd, record.length));
    if (record[0] === 1) continue;
    const name = fromUtf8(record.subarray(2, nameEnd));
    if (name !== undefined) remember(cells, name, join(parts));
    parts = [];
  }
  if (parts.length > 0 || !isErased(cells.store, cells.page, cells.offset)) cells.offset = cells.store.pageBytes;
}

/** The newest value of this name, or undefined. Treat it as read only. */
export function readCell(cells: Cells, name: string): Uint8Array | undefined {
  for (const cell of cells.values) if (cell.name === name) return cell.bytes;
  return undefined;
}

/** Durable when this returns. Throws the store's `BoardError`; then nothing may be believed until opened again. */
export function writeCell(cells: Cells, name: string, bytes: Uint8Array): void {
  const records = partsOf(name, bytes);
  let length = 0;
  for (const record of records) length += record.length + recordOverheadBytes;
  if (cells.number === 0 || cells.offset + length > cells.store.pageBytes) {
    remember(cells, name, bytes);
    changePage(cells);
    return;
  }
  writeRecords(cells, cells.page, records);
  cells.store.sync();
  remember(cells, name, bytes);
}

function remember(cells: Cells, name: string, bytes: Uint8Array): void {
  for (const cell of cells.values) if (cell.name === name) { cell.bytes = bytes; return; }
  cells.values.push({ name: name, bytes: bytes });
}

/** `[more, name length, name, part]`. */
function partsOf(name: string, bytes: Uint8Array): Uint8Array[] {
  const encoded = utf8(name);
  const parts: Uint8Array[] = [];
  for (let at = 0; at === 0 || at < bytes.length; at += partBytes) {
    const end = Math.min(at + partBytes, bytes.length);
    parts.push(join([new Uint8Array([end < bytes.length ? 1 : 0, encoded.length]), encoded, bytes.subarray(at, end)]));
  }
  return parts;
}

function writeRecords(cells: Cells, page: number, records: Uint8Array[]): void {
  for (const record of records) {
    const encoded = encodeRecord(cells.sequence, record);
    cells.store.write(page, cells.offset, encoded);
    cells.offset += encoded.length;
    cells.sequence++;
  }
}

/** Everything of value to the other page; its header last, so that until then the old page stands. */
function changePage(cells: Cells): void {
  const page = cells.number === 0 ? 0 : 1 - cells.page;
  if (!isErased(cells.store, page, 0)) { cells.store.erase(page); cells.store.sync(); }
  cells.offset = headerBytes;
  cells.sequence = 1;
  let length = headerBytes;
  for (const cell of cells.values) for (const record of partsOf(cell.name, cell.bytes)) length += record.length + recordOverheadBytes;
  assert(length <= cells.store.pageBytes, "all cells together fit a page");
  for (const cell of cells.values) writeRecords(cells, page, partsOf(cell.name, cell.bytes));
  cells.store.sync();
  cells.store.write(page, 0, encodeHeader({ page: page, number: cells.number + 1, firstSequence: 1, head: new Uint8Array(16), keptFrom: 0 }));
  cells.store.sync();
  cells.page = page;
  cells.number++;
}
