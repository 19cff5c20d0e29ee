/**
 * A terminal's page files for `kaisatsu inspect`: the journal, entry by entry with its sequence, and where it is damaged;
 * cells by name alone, because keys are among them. The file is only read: it is opened as a terminal would open it, on a
 * copy in memory.
 */
import type { Inspected } from "./inspect.js";
import { openCells } from "../../runtime/journal/cells.js";
import { readPage } from "../../runtime/journal/page.js";
import { readHeader } from "../../runtime/journal/record.js";
import { openJournal } from "../../runtime/journal/recovery.js";
import { unitBytes, type Store } from "../../runtime/journal/store.js";
import { nodeCrypto as crypto } from "../../protocol/crypto/node/node.js";
import { hex } from "../../protocol/wire/bytes.js";

/** What the pages hold, or undefined when there is no page header of ours. `read` says what an entry is. */
export function inspectPages(bytes: Uint8Array, read: (entry: Uint8Array) => Inspected | undefined): Inspected | undefined {
  const starts = headersIn(bytes);
  if (starts.length === 0) return undefined;
  return hasCells(bytes, starts[0]!) ? cells(bytes) : journal(bytes, pageBytesOf(bytes, starts), read);
}

const magic = "KSJ2";

/** Where whole page headers stand. */
function headersIn(bytes: Uint8Array): number[] {
  const found: number[] = [];
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let at = text.indexOf(magic); at >= 0; at = text.indexOf(magic, at + 1)) if (readHeader(memory(bytes.slice(at), bytes.length - at), 0) !== undefined) found.push(at);
  return found;
}

/** An entry of the journal is an array; a cell's record begins with 0 or 1. */
function hasCells(bytes: Uint8Array, at: number): boolean {
  const store = memory(bytes.slice(at), bytes.length - at);
  const first = readPage(store, readHeader(store, 0)!).entries[0];
  return first !== undefined && first.payload[0]! <= 1;
}

/** The largest page that all headers can begin one of; with too few to tell, a quarter of the file does. */
function pageBytesOf(bytes: Uint8Array, starts: readonly number[]): number {
  const common = (a: number, b: number): number => (b === 0 ? a : common(b, a % b));
  const between = starts.reduce((size, at) => common(size, at), 0);
  let size = common(between, bytes.length);
  if (size < 256) size = between >= 256 ? between : 65_536;
  while (bytes.length / size < 3 && size % 2 === 0 && size > 256) size /= 2;
  return size;
}

/** Pages in memory, changed without a trace. What is cut off at the end of a file counts as erased. */
export function memory(bytes: Uint8Array, pageBytes: number, least = 1): Store {
  const pages = Math.max(least, Math.ceil(bytes.length / pageBytes));
  const image = new Uint8Array(pages * pageBytes).fill(0xff);
  image.set(bytes);
  return {
    pageBytes, pages,
    read: (page, offset, length) => image.slice(page * pageBytes + offset, page * pageBytes + offset + length),
    write: (page, offset, piece) => image.set(piece, page * pageBytes + offset),
    erase: (page) => { image.fill(0xff, page * pageBytes, (page + 1) * pageBytes); },
    sync: () => undefined,
  };
}

function journal(bytes: Uint8Array, pageBytes: number, read: (entry: Uint8Array) => Inspected | undefined): Inspected {
  const store = memory(bytes, pageBytes - (pageBytes % unitBytes), 3);
  const entries: [string, unknown][] = [];
  const j = openJournal(store, crypto, (entry, sequence) => entries.push([`entry ${sequence}`, read(entry) ?? hex(entry)]));
  const first = entries[0]?.[0].slice(6);
  const fields: Record<string, unknown> = {
    pages: `${store.pages} of ${store.pageBytes} bytes`, entries: first === undefined ? "none" : `${first} to ${j.next - 1}`,
    ...(j.damaged.length > 0 && { damaged: j.damaged.map((d) => `at entry ${d.sequence}, page ${d.page}: it cannot be read, or the chain of digests breaks there`) }),
    ...(j.torn !== undefined && { torn: `${j.torn.length} bytes of a record that a power cut broke off: ${hex(j.torn)}` }),
    ...(j.fault !== undefined && j.damaged.length === 0 && { fault: j.fault.message }),
  };
  return { is: j.damaged.length > 0 ? "journal file, DAMAGED" : "journal file", bytes: bytes.length, fields: { ...fields, head: hex(j.head), ...Object.fromEntries(entries) } };
}

function cells(bytes: Uint8Array): Inspected {
  const c = openCells(memory(bytes, Math.floor(bytes.length / 2), 2));
  const named = c.values.map(({ name, bytes: held }): [string, unknown] => [name, `${held.length} bytes`]);
  return { is: c.damaged ? "cells file, DAMAGED" : "cells file", bytes: bytes.length, fields: { cells: named.length, shown: "names alone: keys may be among them", ...Object.fromEntries(named) } };
}
