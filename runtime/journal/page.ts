/**
 * One page as it reads, in one reading, because bits that a cut left weak may read differently the next time: its records
 * up to the end, and whether the end is a torn write or a hole, that is, damage to what was once durable.
 */
import { findRecord, isErased, numberOf32, readRecord, recordKind, recordsAt, saltOf, type FoundRecord, type PageHeader } from "./record.js";
import type { Store } from "./store.js";
import { copy } from "../../protocol/wire/bytes.js";

/** As much of a torn record as is kept for the operator. */
export const tornBytesMax = 256;

export interface PageRead {
  header: PageHeader;
  /** Entries in order; after a hole those behind it. */
  entries: FoundRecord[];
  /** By the header, or by the last release on this page. */
  keptFrom: number;
  /** Where the next record would go. */
  end: number;
  /** Sequences where something durable can no longer be read. */
  holes: number[];
  /** What stands behind the end and is no record. */
  torn: Uint8Array | undefined;
}

export function readPage(store: Store, header: PageHeader): PageRead {
  return readImage(store.read(header.page, 0, store.pageBytes), header);
}

export function readImage(image: Uint8Array, header: PageHeader): PageRead {
  const salt = saltOf(header);
  const page: PageRead = { header: header, entries: [], keptFrom: header.keptFrom, end: recordsAt, holes: [], torn: undefined };
  let firstHole = -1;
  let before = 0;
  let vouched = false;
  for (;;) {
    const record = readRecord(image, page.end, salt);
    if (record === undefined) {
      const behind = isErased(image, page.end) ? -1 : findRecord(image, page.end, salt);
      if (behind < 0) break;
      if (firstHole < 0) { firstHole = page.end; before = page.entries.length; }
      page.holes.push(nextOf(page));
      page.end = behind;
      continue;
    }
    page.end = record.end;
    if (record.kind === recordKind.release) { page.keptFrom = numberOf32(record.payload); vouched = vouched || firstHole >= 0; continue; }
    if (firstHole >= 0 && record.sequence - record.unsynced > page.holes[0]!) vouched = true;
    page.entries.push(record);
  }
  if (firstHole >= 0 && !vouched) {
    // Nothing says that the lost record was durable: a disk kept a later part of one sync and lost an earlier one.
    page.entries.splice(before);
    page.holes = [];
    page.end = firstHole;
  }
  if (nextOf(page) <= header.through) page.holes.push(nextOf(page));
  if (!isErased(image, page.end)) page.torn = copy(image, page.end, Math.min(image.length, page.end + tornBytesMax));
  return page;
}

/** Sequence after the page's last entry. */
export function nextOf(page: PageRead): number {
  const last = page.entries[page.entries.length - 1];
  return last === undefined ? page.header.firstSequence : last.sequence + 1;
}

/** Up to here the page's entries were durable for certain; those behind it were written by one sync, which a cut may have broken off. */
export function sureOf(page: PageRead): number {
  const last = page.entries[page.entries.length - 1];
  return last === undefined ? page.header.firstSequence - 1 : Math.max(page.header.firstSequence - 1, last.sequence - last.unsynced - 1);
}
