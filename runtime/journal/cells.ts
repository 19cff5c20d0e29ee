/**
 * A few named values that must survive a power cut and never go back: numbers, certificates, configuration, status bits.
 *
 * Two pages in alternation. A new value is appended to the page in use; when that is full, the newest value of every name
 * is copied to the other page: values, header, and then the mark that it *stands*, so a cut leaves the old page or the new
 * one (`trust.md` §2). Opening copies likewise, so that nothing rests on bits that a cut left half written (`recovery.ts`).
 */
import { nextOf, readPage, sureOf, tornBytesMax, type PageRead } from "./page.js";
import {
  encodeRecord, isErased, nearlyHeader, readHeader, readStands, recordBytes, recordKind, recordsAt, saltOf, unsyncedMax, writeChecked, writeHeader, writeStands, type PageHeader,
} from "./record.js";
import { boardFault, type BoardError, type Store } from "./store.js";
import { assert } from "../../protocol/assert.js";
import { copy, fromUtf8, join, utf8 } from "../../protocol/wire/bytes.js";

/** Values of up to 64 KiB less overhead go into one record; longer ones are cut into parts under one name. */
const partBytes = 60000;

export interface Cells {
  readonly store: Store;
  /** The page in use; undefined while nothing was ever written. */
  header: PageHeader | undefined;
  /** Where the next record goes, and its sequence. */
  offset: number;
  sequence: number;
  values: { name: string; bytes: Uint8Array }[];
  /** What once was durable can no longer be read: nothing more is written, and numbers may be older than they were. */
  damaged: boolean;
  /** What a power cut left of the value it broke off, for the operator. */
  torn: Uint8Array | undefined;
  /** Why nothing can be written any more until they are opened again. */
  fault: BoardError | undefined;
}

/** Opens the two pages of `store`; an empty store is an empty set of cells. A medium that fails says so in `fault`. */
export function openCells(store: Store): Cells {
  assert(store.pages === 2, "cells live on two pages");
  const cells: Cells = { store: store, header: undefined, offset: recordsAt, sequence: 1, values: [], damaged: false, torn: undefined, fault: undefined };
  try {
    const page = pageInUse(cells);
    if (page !== undefined) takeIn(cells, page);
    if (cells.damaged) cells.fault = boardFault("broken", "The cells are damaged: provision this machine anew.");
    else if (page !== undefined) changing(cells, () => changePage(cells, sureOf(page)));
  } catch (error) {
    if ((error as BoardError).kind === undefined) throw error;
    cells.fault = error as BoardError;
  }
  return cells;
}

/** The newer page if it stands, or if the older one is no longer whole; a page whose header has rotted counts as damage. */
function pageInUse(cells: Cells): PageRead | undefined {
  const store = cells.store;
  const found: PageRead[] = [];
  let stand = false;
  for (let page = 0; page < 2; page++) {
    const header = readHeader(store, page);
    const stands = readStands(store, page);
    const rotten = header === undefined && stands ? nearlyHeader(store, page) : undefined;
    if (header !== undefined) found.push(readPage(store, header));
    else if (rotten !== undefined) { found.push(readPage(store, rotten)); cells.damaged = true; }
    stand = stand || stands;
  }
  if (found.length === 0) cells.damaged = stand;
  if (found.length < 2) return found[0];
  const newer = found[0]!.header.number > found[1]!.header.number ? found[0]! : found[1]!;
  const older = newer === found[0] ? found[1]! : found[0]!;
  const whole = older.holes.length === 0 && nextOf(older) > newer.header.sure;
  return whole && !readStands(store, newer.header.page) ? older : newer;
}

/** A record that is not of the form of `partsOf` was written by another program: it is passed over. */
function takeIn(cells: Cells, page: PageRead): void {
  cells.header = page.header;
  cells.offset = page.end;
  cells.sequence = nextOf(page);
  if (page.holes.length > 0) cells.damaged = true;
  cells.torn = page.torn;
  let parts: Uint8Array[] = [];
  for (const entry of page.entries) {
    const record = entry.payload;
    const nameEnd = record.length < 2 ? 2 : 2 + record[1]!;
    if (nameEnd > record.length) continue;
    parts.push(copy(record, nameEnd, record.length));
    if (record[0] === 1) continue;
    const name = fromUtf8(record.subarray(2, nameEnd));
    if (name !== undefined) remember(cells, name, join(parts));
    parts = [];
  }
  if (parts.length > 0 && cells.torn === undefined) cells.torn = copy(parts[0]!, 0, Math.min(parts[0]!.length, tornBytesMax));
}

/** The newest value of this name, or undefined. Treat it as read only. */
export function readCell(cells: Cells, name: string): Uint8Array | undefined {
  for (const cell of cells.values) if (cell.name === name) return cell.bytes;
  return undefined;
}

/**
 * Durable when this returns. Throws a `BoardError`: `full` when all values together would not fit a page, and nothing was
 * changed; another one of the store's, and then nothing more is written until the cells are opened again.
 */
export function writeCell(cells: Cells, name: string, bytes: Uint8Array): void {
  if (!roomForCell(cells, name, bytes.length)) throw boardFault("full", "The cells are full: remove what is no longer needed, or use larger pages.");
  const records = partsOf(name, bytes);
  changing(cells, () => {
    if (cells.header === undefined || records.length > unsyncedMax || cells.offset + lengthOf(records) > cells.store.pageBytes) {
      const before = readCell(cells, name);
      remember(cells, name, bytes);
      try { changePage(cells, cells.sequence - 1); } catch (error) { restore(cells, name, before); throw error; }
    } else {
      writeRecords(cells, cells.header, records);
      cells.store.sync();
      remember(cells, name, bytes);
    }
  });
}

/** Would all values still fit a page with one of this length? */
export function roomForCell(cells: Cells, name: string, length: number): boolean {
  let all = recordsAt + lengthWith(name, length);
  for (const cell of cells.values) if (cell.name !== name) all += lengthWith(cell.name, cell.bytes.length);
  return all <= cells.store.pageBytes;
}

/** Forgets a value, at the latest when the page is changed; until then a restart may bring it back. */
export function dropCell(cells: Cells, name: string): void {
  cells.values = cells.values.filter((cell) => cell.name !== name);
}

/** Runs something that changes the medium; when that fails nothing more is written until the cells are opened again. */
function changing(cells: Cells, change: () => void): void {
  if (cells.fault !== undefined) throw boardFault(cells.fault.kind, cells.fault.message);
  try {
    change();
  } catch (error) {
    if ((error as BoardError).kind !== undefined) cells.fault = error as BoardError;
    throw error;
  }
}

function remember(cells: Cells, name: string, bytes: Uint8Array): void {
  for (const cell of cells.values) if (cell.name === name) { cell.bytes = bytes; return; }
  cells.values.push({ name: name, bytes: bytes });
}
function restore(cells: Cells, name: string, before: Uint8Array | undefined): void {
  if (before === undefined) dropCell(cells, name); else remember(cells, name, before);
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

function lengthOf(records: readonly Uint8Array[]): number {
  let length = 0;
  for (const record of records) length += recordBytes(record.length);
  return length;
}
function lengthWith(name: string, length: number): number {
  const named = 2 + utf8(name).length;
  const whole = Math.floor(length / partBytes);
  const rest = length - whole * partBytes;
  return whole * recordBytes(named + partBytes) + (rest > 0 || whole === 0 ? recordBytes(named + rest) : 0);
}

function writeRecords(cells: Cells, header: PageHeader, records: readonly Uint8Array[]): void {
  for (let i = 0; i < records.length; i++) {
    const encoded = encodeRecord(recordKind.entry, cells.sequence, records[i]!, saltOf(header), Math.min(i, unsyncedMax));
    writeChecked(cells.store, header.page, cells.offset, encoded);
    cells.offset += encoded.length;
    cells.sequence++;
  }
}

/** Everything of value to the other page; its header and its mark last, so that until then the old page stands, `sure` as far as that. */
function changePage(cells: Cells, sure: number): void {
  const store = cells.store;
  const old = cells.header;
  const header = {
    page: old === undefined ? 0 : 1 - old.page, number: old === undefined ? 1 : old.number + 1, firstSequence: cells.sequence, keptFrom: 0, through: 0, sure: sure,
    head: new Uint8Array(16),
  };
  erase(cells, header.page);
  cells.offset = recordsAt;
  for (const cell of cells.values) writeRecords(cells, header, partsOf(cell.name, cell.bytes));
  store.sync();
  header.through = cells.sequence - 1;
  writeHeader(store, header);
  store.sync();
  writeStands(store, header.page);
  store.sync();
  cells.header = header;
  if (old === undefined) return;
  // Were its newer neighbour's header to rot, an old page must not pass for the present state.
  erase(cells, old.page);
  store.sync();
}

function erase(cells: Cells, page: number): void {
  cells.store.erase(page);
  if (!isErased(cells.store.read(page, 0, cells.store.pageBytes), 0)) throw boardFault("worn", "The storage did not erase a page: replace it.");
}
