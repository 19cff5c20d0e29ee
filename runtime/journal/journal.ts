/**
 * The append-only, hash-chained journal: what is acknowledged here is there after any power cut (`design.md` §8).
 *
 * Pages are used in a ring; one is always kept free, for the recovery (`recovery.ts`). A record is durable when `append`
 * with `durable` has returned: one sync each. Pages are given back only when the host has confirmed all of them and their
 * owner has carried over what is still needed; that they are is itself a record, durable before they are erased, so that a
 * cut while erasing is no damage. After a restart the journal is a prefix of what was written, holds all that was
 * acknowledged, and says so if it does not.
 */
import { readPage, sureOf } from "./page.js";
import { copyPage, erasePage, eraseReplaced, freePageAfter, freePages, isWholeUpTo, orRetire } from "./ring.js";
import {
  bytesOf32, encodeRecord, findRecord, readRecord, recordBytes, recordKind, recordsAt, saltOf, unsyncedMax, writeChecked, writeHeader, type FoundRecord, type PageHeader,
} from "./record.js";
import { boardFault, type BoardError, type Store } from "./store.js";
import { assert } from "../../protocol/assert.js";
import { copy, join } from "../../protocol/wire/bytes.js";
import type { Crypto } from "../../protocol/crypto/crypto.js";

export interface Journal {
  readonly store: Store;
  readonly crypto: Crypto;
  /** Used pages, oldest first; the last is the one written to. */
  pages: PageHeader[];
  /** Pages erased in this boot and not written since: `erased[page]`. What a cut left of an erase is never trusted. */
  erased: boolean[];
  /** Pages found worn in this boot, `retired[page]`, which are used no more; and those that nobody was told of yet. */
  retired: boolean[];
  worn: number[];
  /** Where the next record goes in the last page. */
  offset: number;
  /** Sequence of the next entry; the first ever is 1. */
  next: number;
  /** Chain digest after the last entry: first 16 bytes of SHA-256(digest before ‖ entry). */
  head: Uint8Array;
  /** Entries lost to damage that were once acknowledged; empty for a sound journal. */
  damaged: { page: number; sequence: number }[];
  /** What a power cut left of the record it broke off, for the operator; at most `tornBytesMax` bytes. */
  torn: Uint8Array | undefined;
  /** Why nothing can be written any more until the journal is opened again. */
  fault: BoardError | undefined;
  /** Something is written and not yet synced; so many entries are. */
  dirty: boolean;
  unsynced: number;
}

/** Room for one release is kept on every page. */
const releaseBytes = recordBytes(4);

/** The chain: changing, dropping or reordering any entry changes every later digest. */
export function chained(crypto: Crypto, head: Uint8Array, entry: Uint8Array): Uint8Array {
  return copy(crypto.sha256(join([head, entry])), 0, 16);
}

/** Longest entry that a page can hold. */
export function entryBytesMax(store: Store): number {
  return Math.min(0xfffe, store.pageBytes - recordsAt - releaseBytes - recordBytes(0));
}

/** Runs something that changes the medium; when that fails nothing more is written until the journal is opened again. */
export function changing(journal: Journal, change: () => void): void {
  if (journal.fault !== undefined) throw boardFault(journal.fault.kind, journal.fault.message);
  try {
    change();
  } catch (error) {
    if ((error as BoardError).kind !== undefined) journal.fault = error as BoardError;
    throw error;
  }
}

// ---- writing --------------------------------------------------------------------------------------------------------------

/**
 * Writes one entry and answers its sequence. With `durable` it is on the medium when this returns; without, when the next
 * durable one is. Throws a `BoardError`: `full` when `roomFor` would have said no, and nothing was changed; another one of
 * the store's, and then nothing more is written until the journal is opened again.
 */
export function append(journal: Journal, entry: Uint8Array, durable: boolean): number {
  assert(entry.length <= entryBytesMax(journal.store), "an entry fits a page");
  let room = roomFor(journal, entry.length, 0);
  // Pages may turn out to be worn just when they are needed; the last one stays for the recovery.
  if (room && !fitsPage(journal, entry.length)) changing(journal, () => { room = beginPage(journal, 1); });
  if (!room) throw boardFault("full", "The journal is full: let the terminal reach the host, so that it can give pages back.");
  changing(journal, () => {
    if (journal.unsynced >= unsyncedMax) flush(journal);
    writeSurely(journal, () => writeRecord(journal, recordKind.entry, journal.next, entry));
    journal.unsynced++;
    if (durable) flush(journal);
  });
  journal.head = chained(journal.crypto, journal.head, entry);
  return journal.next++;
}

/** Makes everything written so far durable. */
export function flush(journal: Journal): void {
  if (!journal.dirty) return;
  changing(journal, () => journal.store.sync());
  journal.dirty = false;
  journal.unsynced = 0;
}

function writeRecord(journal: Journal, kind: number, sequence: number, payload: Uint8Array): void {
  const last = journal.pages[journal.pages.length - 1]!;
  const record = encodeRecord(kind, sequence, payload, saltOf(last), journal.unsynced);
  journal.dirty = true;
  writeChecked(journal.store, last.page, journal.offset, record);
  journal.offset += record.length;
}

function fitsPage(journal: Journal, bytes: number): boolean {
  return journal.pages.length > 0 && journal.offset + recordBytes(bytes) + releaseBytes <= journal.store.pageBytes;
}

/** Writes to the page in use; when that turns out to be worn, everything on it moves to a fresh one, and it is written there. */
function writeSurely(journal: Journal, write: () => void): void {
  for (;;) {
    const page = journal.pages[journal.pages.length - 1]!.page;
    // The last free page is the recovery's: without another one the next start moves there instead.
    const mayMove = freePages(journal) > 1;
    if (!mayMove) { write(); return; }
    if (orRetire(journal, page, write)) return;
    movePage(journal);
  }
}

function movePage(journal: Journal): void {
  const source = readPage(journal.store, journal.pages[journal.pages.length - 1]!);
  if (!isWholeUpTo(source, journal.next)) throw boardFault("broken", "The storage lost what it had kept: drain the journal and replace it.");
  copyPage(journal, source, sureOf(source), () => true);
  journal.dirty = false;
  journal.unsynced = 0;
}

/**
 * What stands on the page before is durable first, so that no page is there without those it follows. `spare` sound pages stay
 * free; false when that leaves none.
 */
function beginPage(journal: Journal, spare: number): boolean {
  flush(journal);
  const last = journal.pages[journal.pages.length - 1];
  const number = last === undefined ? 1 : last.number + 1;
  while (freePages(journal) > spare) {
    const page = freePageAfter(journal, last === undefined ? journal.store.pages - 1 : last.page, () => true);
    const header = {
      page: page, number: number, firstSequence: journal.next, keptFrom: last === undefined ? number : journal.pages[0]!.number, through: journal.next - 1, sure: journal.next - 1,
      head: journal.head,
    };
    const begun = orRetire(journal, page, () => {
      erasePage(journal, page);
      journal.erased[page] = false;
      journal.dirty = true;
      writeHeader(journal.store, header);
    });
    if (!begun) { eraseReplaced(journal); continue; }
    journal.pages.push(header);
    journal.offset = recordsAt;
    return true;
  }
  return false;
}

/** At rest, when an entry of so many bytes would begin a page: has it ready, so that no tap waits for an erase or a second sync. */
export function prepare(journal: Journal, bytes: number): void {
  const last = journal.pages[journal.pages.length - 1];
  if (last === undefined || fitsPage(journal, bytes)) return;
  flush(journal);
  changing(journal, () => {
    while (freePages(journal) > 1) {
      const page = freePageAfter(journal, last.page, () => true);
      if (orRetire(journal, page, () => erasePage(journal, page))) return;
    }
  });
}

/** Can an entry of this many bytes be appended without giving a page back? `spare` pages stay free, beside the recovery's. */
export function roomFor(journal: Journal, bytes: number, spare: number): boolean {
  if (fitsPage(journal, bytes)) return true;
  return freePages(journal) > spare + 1 && bytes <= entryBytesMax(journal.store);
}

// ---- giving pages back ------------------------------------------------------------------------------------------------------

/** The oldest page's entries end with this sequence; 0 while only one page is in use. */
export function oldestEnds(journal: Journal): number {
  return journal.pages.length < 2 ? 0 : journal.pages[1]!.firstSequence - 1;
}

/** Gives back all whole pages up to `through`. What is still needed of them must have been appended before. */
export function releaseThrough(journal: Journal, through: number): void {
  let count = 0;
  while (count + 1 < journal.pages.length && journal.pages[count + 1]!.firstSequence - 1 <= through) count++;
  if (count === 0) return;
  changing(journal, () => {
    flush(journal);
    // The page kept for the recovery may be begun here: those that come back are free before anything else is written.
    if (journal.offset + releaseBytes > journal.store.pageBytes && !beginPage(journal, 0)) throw boardFault("broken", "The journal has no sound page left: drain it and replace the storage.");
    writeSurely(journal, () => writeRecord(journal, recordKind.release, 0, bytesOf32(journal.pages[count]!.number)));
    flush(journal);
    for (let i = 0; i < count; i++) {
      const page = journal.pages.shift()!.page;
      orRetire(journal, page, () => erasePage(journal, page));
    }
    journal.store.sync();
  });
}

// ---- reading ----------------------------------------------------------------------------------------------------------------

/** First entry that is still there. */
export function firstKept(journal: Journal): number {
  return journal.pages.length === 0 ? journal.next : journal.pages[0]!.firstSequence;
}

/** Entries that follow each other without a gap; `head` is the chain digest after the last. */
export interface Extract { first: number; entries: Uint8Array[]; head: Uint8Array }

/** From the first entry at or behind `first` that can be read: at most `most` of them and `bytesMost` bytes. */
export function readFrom(journal: Journal, first: number, most: number, bytesMost: number): Extract {
  const out: Extract = { first: first, entries: [], head: new Uint8Array(16) };
  let bytes = 0;
  for (let i = 0; i < journal.pages.length; i++) {
    const page = journal.pages[i]!;
    const ends = i + 1 < journal.pages.length ? journal.pages[i + 1]!.firstSequence : journal.next;
    if (ends <= first) continue;
    if (out.entries.length === 0) out.head = page.head;
    const image = journal.store.read(page.page, 0, journal.store.pageBytes);
    const salt = saltOf(page);
    for (let record = recordAt(image, recordsAt, salt); record !== undefined && record.sequence < ends; record = recordAt(image, record.end, salt)) {
      if (record.kind === recordKind.release) continue;
      const follows = record.sequence === out.first + out.entries.length;
      const full = out.entries.length >= most || (out.entries.length > 0 && bytes + record.payload.length > bytesMost);
      if (record.sequence >= first && out.entries.length > 0 && (!follows || full)) return out;
      out.head = chained(journal.crypto, out.head, record.payload);
      if (record.sequence < first) continue;
      if (out.entries.length === 0) out.first = record.sequence;
      out.entries.push(record.payload);
      bytes += record.payload.length;
    }
  }
  return out;
}

/** The record at `offset`, or the next one behind it that can be read. */
function recordAt(image: Uint8Array, offset: number, salt: Uint8Array): FoundRecord | undefined {
  const record = readRecord(image, offset, salt);
  const behind = record === undefined ? findRecord(image, offset, salt) : -1;
  return behind < 0 ? record : readRecord(image, behind, salt);
}
