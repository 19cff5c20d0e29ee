/**
 * The pages of a journal as a ring: which are free, which have worn out, and how the page in use moves to a fresh one.
 *
 * A page that fails to erase, to program or to read is retired: it is used no more in this boot, the ring goes on without it,
 * and what stood on it was copied away first (reliability: a bad page costs capacity, never a record). After a restart it is
 * tried again when its turn comes, because nothing on the medium can be trusted to remember it.
 */
import type { Journal } from "./journal.js";
import { nextOf, readPage, type PageRead } from "./page.js";
import { encodeRecord, isErased, readHeader, recordKind, recordsAt, saltOf, writeChecked, writeHeader, writeStands, type PageHeader } from "./record.js";
import { boardFault, type BoardError } from "./store.js";

/** Does something with one page; when that page turns out to be worn it is retired, and the answer is false. */
export function orRetire(journal: Journal, page: number, work: () => void): boolean {
  try {
    work();
    return true;
  } catch (error) {
    if ((error as BoardError).kind !== "worn") throw error;
    if (journal.retired[page] !== true) journal.worn.push(page);
    journal.retired[page] = true;
    // What was written may have landed on another page.
    journal.erased = [];
    if (!isKept(journal)) throw boardFault("broken", "The storage lost what it had kept: drain the journal and replace it.");
    return false;
  }
}

/** Nothing that counts was touched: an erase, too, may have hit another page. */
function isKept(journal: Journal): boolean {
  return journal.pages.every((used, i) => {
    const next = i + 1 < journal.pages.length ? journal.pages[i + 1]!.firstSequence : journal.next;
    const header = readHeader(journal.store, used.page);
    return header !== undefined && header.number === used.number && isWholeUpTo(readPage(journal.store, used), next);
  });
}

function isFree(journal: Journal, page: number): boolean {
  return journal.retired[page] !== true && !journal.pages.some((used) => used.page === page);
}

export function freePages(journal: Journal): number {
  let free = 0;
  for (let page = 0; page < journal.store.pages; page++) if (isFree(journal, page)) free++;
  return free;
}

/** The next one in the order of the ring, which spreads wear evenly. `when` narrows the choice. Throws a `BoardError` when none is left. */
export function freePageAfter(journal: Journal, after: number, when: (page: number) => boolean): number {
  let any = -1;
  for (let i = journal.store.pages; i >= 1; i--) {
    const page = (after + i) % journal.store.pages;
    if (isFree(journal, page) && (any < 0 || when(page) || !when(any))) any = page;
  }
  if (any < 0) throw boardFault(journal.retired.length > 0 ? "broken" : "full", "The journal has no sound page left: drain it and call the operator.");
  return any;
}

/** Erases unless this boot has; an erase that did nothing is found. */
export function erasePage(journal: Journal, page: number): void {
  if (journal.erased[page] === true) return;
  journal.store.erase(page);
  if (!isErased(journal.store.read(page, 0, journal.store.pageBytes), 0)) throw boardFault("worn", "The storage did not erase a page: replace it.");
  journal.erased[page] = true;
}

/** Were the mark of a page that stands to rot, no page that it replaced must pass for it; nor a header that landed on the wrong page. */
export function eraseReplaced(journal: Journal): void {
  for (let i = 0; i < journal.store.pages; i++) {
    const page = i;
    if (journal.pages.some((used) => used.page === page)) continue;
    orRetire(journal, page, () => { if (readHeader(journal.store, page) !== undefined) erasePage(journal, page); });
  }
  journal.store.sync();
}

/**
 * Copies the page in use, as it was read, to a fresh one and goes on there: records first, then the header, then the mark that
 * it stands, so that a cut leaves the one or the other. `sure`: so far the old page was durable for certain.
 */
export function copyPage(journal: Journal, source: PageRead, sure: number, when: (page: number) => boolean): void {
  for (;;) {
    const page = freePageAfter(journal, source.header.page, when);
    const number = source.header.number + 1;
    const header = {
      page: page, number: number, firstSequence: source.header.firstSequence, keptFrom: journal.pages.length === 1 ? number : journal.pages[0]!.number, through: journal.next - 1,
      sure: sure, head: source.header.head,
    };
    if (!orRetire(journal, page, () => writeCopy(journal, source, header))) { eraseReplaced(journal); continue; }
    journal.erased[page] = false;
    journal.pages.pop();
    journal.pages.push(header);
    eraseReplaced(journal);
    return;
  }
}

function writeCopy(journal: Journal, source: PageRead, header: PageHeader): void {
  const store = journal.store;
  const salt = saltOf(header);
  erasePage(journal, header.page);
  let offset = recordsAt;
  journal.erased[header.page] = false;
  for (const entry of source.entries) {
    if (entry.sequence >= journal.next) continue;
    const record = encodeRecord(recordKind.copied, entry.sequence, entry.payload, salt, 0);
    writeChecked(store, header.page, offset, record);
    offset += record.length;
  }
  store.sync();
  writeHeader(store, header);
  store.sync();
  writeStands(store, header.page);
  store.sync();
  journal.offset = offset;
}

/** True when a page holds all entries that the journal believes to be on it. */
export function isWholeUpTo(page: PageRead, next: number): boolean {
  return page.holes.length === 0 && nextOf(page) >= next;
}
