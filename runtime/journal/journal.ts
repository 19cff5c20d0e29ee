/**
 * The append-only, hash-chained journal: what is acknowledged here is there after any power cut (`design.md` §8).
 *
 * Pages are used in a ring. A record is durable when `append` with `durable` has returned: one sync each. Pages are given
 * back only when the host has confirmed all of them and their owner has carried over what is still needed; that they are
 * is itself a record (sequence 0), durable before they are erased, so that a cut while erasing is no damage. After a
 * restart the journal is a prefix of what was written, holds all that was acknowledged, and says so if it does not.
 */
import { encodeHeader, encodeRecord, get32, headerBytes, isErased, lengthAt, put32, readHeader, readRecord, recordOverheadBytes, type PageHeader } from "./record.js";
import type { Store } from "./store.js";
import { assert } from "../../protocol/assert.js";
import { copy, equal, join } from "../../protocol/wire/bytes.js";
import type { Crypto } from "../../protocol/crypto/crypto.js";

export interface Journal {
  readonly store: Store;
  readonly crypto: Crypto;
  /** Used pages, oldest first; the last is the one written to. */
  pages: PageHeader[];
  /** Where the next record goes in the last page. */
  offset: number;
  /** Sequence of the next entry; the first ever is 1. */
  next: number;
  /** Chain digest after the last entry: first 16 bytes of SHA-256(digest before ‖ entry). */
  head: Uint8Array;
  /** Entries lost to damage that was once acknowledged; empty for a sound journal. */
  damaged: { page: number; sequence: number }[];
  /** Written and not yet synced. */
  dirty: boolean;
}

/** A record that is no entry: pages before the number in it no longer count. Room for one is kept on every page. */
const releaseSequence = 0;
const releaseBytes = 4 + recordOverheadBytes;

/** Called once for each entry, in order, when a journal is opened. */
export type Visit = (entry: Uint8Array, sequence: number) => void;

/** Finds everything that is there. A torn end is cut off; a hole before the end is damage. */
export function openJournal(store: Store, crypto: Crypto, visit: Visit): Journal {
  assert(store.pages >= 3, "a journal needs three pages: one to write, one to keep, one free");
  const journal: Journal = { store: store, crypto: crypto, pages: usedPages(store), offset: headerBytes, next: 1, head: new Uint8Array(16), damaged: [], dirty: false };
  if (journal.pages.length > 0) {
    journal.next = journal.pages[0]!.firstSequence;
    journal.head = journal.pages[0]!.head;
  }
  for (const header of journal.pages) readPage(journal, header, visit);
  const last = journal.pages[journal.pages.length - 1];
  if (last !== undefined && !isErased(store, last.page, journal.offset)) journal.offset = store.pageBytes;
  return journal;
}

/** Pages with a whole header and consecutive numbers up to the newest, without those that were given back. */
function usedPages(store: Store): PageHeader[] {
  const found: PageHeader[] = [];
  for (let page = 0; page < store.pages; page++) {
    const header = readHeader(store, page);
    if (header === undefined) continue;
    let at = found.length;
    while (at > 0 && found[at - 1]!.number > header.number) at--;
    insertAt(found, at, header);
  }
  if (found.length === 0) return found;
  const kept = keptFrom(store, found[found.length - 1]!);
  let first = found.length - 1;
  while (first > 0 && found[first - 1]!.number === found[first]!.number - 1 && found[first - 1]!.number >= kept) first--;
  return found.slice(first);
}

/** What the newest page says of the oldest that counts. */
function keptFrom(store: Store, newest: PageHeader): number {
  let kept = newest.keptFrom;
  let sequence = newest.firstSequence;
  for (let offset = headerBytes; ;) {
    const release = readRecord(store, newest.page, offset, releaseSequence);
    const record = release === undefined ? readRecord(store, newest.page, offset, sequence) : release;
    if (record === undefined) return kept;
    if (release === undefined) sequence++;
    else kept = get32(release, 0);
    offset += record.length + recordOverheadBytes;
  }
}

function insertAt(list: PageHeader[], at: number, header: PageHeader): void {
  list.push(header);
  for (let i = list.length - 1; i > at; i--) list[i] = list[i - 1]!;
  list[at] = header;
}

function readPage(journal: Journal, header: PageHeader, visit: Visit): void {
  if (header.firstSequence !== journal.next || !equal(header.head, journal.head)) {
    journal.damaged.push({ page: header.page, sequence: journal.next });
    journal.next = header.firstSequence;
    journal.head = header.head;
  }
  let offset = headerBytes;
  for (;;) {
    const release = readRecord(journal.store, header.page, offset, releaseSequence);
    if (release !== undefined) { offset += release.length + recordOverheadBytes; continue; }
    const entry = readRecord(journal.store, header.page, offset, journal.next);
    if (entry === undefined) break;
    visit(entry, journal.next);
    journal.head = chained(journal.crypto, journal.head, entry);
    journal.next++;
    offset += entry.length + recordOverheadBytes;
  }
  if (followedByRecord(journal, header.page, offset)) journal.damaged.push({ page: header.page, sequence: journal.next });
  journal.offset = offset;
}

/** A record that cannot be read, but the one behind it can: not a torn end but a hole. */
function followedByRecord(journal: Journal, page: number, offset: number): boolean {
  const length = lengthAt(journal.store, page, offset);
  return length >= 0 && readRecord(journal.store, page, offset + length + recordOverheadBytes, journal.next + 1) !== undefined;
}

/** The chain: changing, dropping or reordering any entry changes every later digest. */
export function chained(crypto: Crypto, head: Uint8Array, entry: Uint8Array): Uint8Array {
  return copy(crypto.sha256(join([head, entry])), 0, 16);
}

/** Longest entry that a page can hold. */
export function entryBytesMax(store: Store): number {
  return store.pageBytes - headerBytes - recordOverheadBytes - releaseBytes;
}

/**
 * Writes one entry and answers its sequence. With `durable` it is on the medium when this returns; without, when the next
 * durable one is. Throws the store's `BoardError`; then nothing more may be believed until the journal is opened again.
 */
export function append(journal: Journal, entry: Uint8Array, durable: boolean): number {
  assert(entry.length <= entryBytesMax(journal.store), "an entry fits a page");
  if (!fitsPage(journal, entry.length)) beginPage(journal);
  const last = journal.pages[journal.pages.length - 1]!;
  const record = encodeRecord(journal.next, entry);
  journal.dirty = true;
  journal.store.write(last.page, journal.offset, record);
  if (durable) flush(journal);
  journal.offset += record.length;
  journal.head = chained(journal.crypto, journal.head, entry);
  return journal.next++;
}

/** Makes everything written so far durable. */
export function flush(journal: Journal): void {
  if (!journal.dirty) return;
  journal.store.sync();
  journal.dirty = false;
}

function fitsPage(journal: Journal, bytes: number): boolean {
  return journal.pages.length > 0 && journal.offset + bytes + recordOverheadBytes + releaseBytes <= journal.store.pageBytes;
}

function beginPage(journal: Journal): void {
  assert(freePages(journal) > 0, "a page is free: `roomFor` was asked");
  const last = journal.pages[journal.pages.length - 1];
  const page = last === undefined ? 0 : (last.page + 1) % journal.store.pages;
  if (!isErased(journal.store, page, 0)) journal.store.erase(page);
  const header = { page: page, number: last === undefined ? 1 : last.number + 1, firstSequence: journal.next, head: journal.head, keptFrom: last === undefined ? 1 : journal.pages[0]!.number };
  journal.dirty = true;
  journal.store.write(page, 0, encodeHeader(header));
  journal.pages.push(header);
  journal.offset = headerBytes;
}

export function freePages(journal: Journal): number {
  return journal.store.pages - journal.pages.length;
}

/** Can this many bytes more, in entries of at most `entryBytes`, be appended without giving a page back? `spare` pages stay free. */
export function roomFor(journal: Journal, bytes: number, spare: number): boolean {
  if (fitsPage(journal, bytes)) return true;
  return freePages(journal) > spare && bytes <= entryBytesMax(journal.store);
}

/** The last entry that could be given back: the end of the page before the one written to; 0 while there is none. */
export function releasable(journal: Journal): number {
  return journal.pages.length < 2 ? 0 : journal.pages[journal.pages.length - 1]!.firstSequence - 1;
}

/** The oldest page's entries end with this sequence; 0 while only one page is in use. */
export function oldestEnds(journal: Journal): number {
  return journal.pages.length < 2 ? 0 : journal.pages[1]!.firstSequence - 1;
}

/** Gives back all whole pages up to `through`. What is still needed of them must have been appended before. */
export function releaseThrough(journal: Journal, through: number): void {
  let count = 0;
  while (count + 1 < journal.pages.length && journal.pages[count + 1]!.firstSequence - 1 <= through) count++;
  if (count === 0) return;
  if (journal.offset + releaseBytes > journal.store.pageBytes) {
    if (freePages(journal) === 0) return;
    beginPage(journal);
  }
  const kept = new Uint8Array(4);
  put32(kept, 0, journal.pages[count]!.number);
  const record = encodeRecord(releaseSequence, kept);
  journal.dirty = true;
  journal.store.write(journal.pages[journal.pages.length - 1]!.page, journal.offset, record);
  flush(journal);
  journal.offset += record.length;
  for (let i = 0; i < count; i++) journal.store.erase(journal.pages.shift()!.page);
  journal.store.sync();
}

/** First entry that is still there. */
export function firstKept(journal: Journal): number {
  return journal.pages.length === 0 ? journal.next : journal.pages[0]!.firstSequence;
}

/** Entries from `first` on, at most `most` of them and `bytesMost` bytes; `head` is the chain digest after the last. */
export function readFrom(journal: Journal, first: number, most: number, bytesMost: number): { entries: Uint8Array[]; head: Uint8Array } {
  const entries: Uint8Array[] = [];
  let bytes = 0;
  let head = new Uint8Array(16);
  for (let i = 0; i < journal.pages.length; i++) {
    const page = journal.pages[i]!;
    const ends = i + 1 < journal.pages.length ? journal.pages[i + 1]!.firstSequence : journal.next;
    if (ends <= first) continue;
    head = page.head;
    let offset = headerBytes;
    for (let sequence = page.firstSequence; sequence < ends;) {
      const release = readRecord(journal.store, page.page, offset, releaseSequence);
      if (release !== undefined) { offset += release.length + recordOverheadBytes; continue; }
      const entry = readRecord(journal.store, page.page, offset, sequence);
      if (entry === undefined) break;
      offset += entry.length + recordOverheadBytes;
      if (sequence >= first && (entries.length >= most || (entries.length > 0 && bytes + entry.length > bytesMost))) return { entries: entries, head: head };
      head = chained(journal.crypto, head, entry);
      if (sequence >= first) { entries.push(entry); bytes += entry.length; }
      sequence++;
    }
  }
  return { entries: entries, head: head };
}
