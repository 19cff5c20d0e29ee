/**
 * Opening a journal: what a power cut, a failed disk or a thief left of it is read once, judged, and made firm.
 *
 * A cut leaves at most one write half done, but such bits may read well now and badly later, and what a disk shows need not
 * be on it. So nothing is believed from the page in use as it stands: its whole records are copied to a fresh page, header
 * last, and then the mark that the copy *stands*. Only then does anyone act on what was read. While the copy does not stand
 * and the page behind it is whole, that page counts; so a cut during the recovery, at any depth, begins it anew.
 */
import { changing, chained, type Journal } from "./journal.js";
import { nextOf, readImage, readPage, sureOf, type PageRead } from "./page.js";
import { nearlyHeader, readHeader, readRecord, readStands, recordKind, recordsAt, saltOf, type PageHeader } from "./record.js";
import { copyPage, orRetire } from "./ring.js";
import { boardFault, unitBytes, type BoardError, type Store } from "./store.js";
import { assert } from "../../protocol/assert.js";
import { equal } from "../../protocol/wire/bytes.js";
import type { Crypto } from "../../protocol/crypto/crypto.js";

/** Called once for each entry, in order, when a journal is opened. */
export type Visit = (entry: Uint8Array, sequence: number) => void;

/** A page that may count. `rotten`: its header was whole once and has lost a bit since. */
interface Found { header: PageHeader; rotten: boolean }

/**
 * Finds everything that is there. A torn end is cut off; a hole before the end is damage, and what stands behind it is
 * still served, but such a journal takes no more entries. A medium that fails says so in `fault`.
 */
export function openJournal(store: Store, crypto: Crypto, visit: Visit): Journal {
  assert(store.pages >= 3, "a journal needs three pages: one to write, one to keep, one free");
  assert(store.pageBytes % unitBytes === 0, "a page holds whole units");
  const journal: Journal = {
    store: store, crypto: crypto, pages: [], erased: [], retired: [], worn: [], offset: recordsAt, next: 1, head: new Uint8Array(16), damaged: [], torn: undefined, fault: undefined, dirty: false, unsynced: 0,
  };
  try {
    for (let i = 0; i < store.pages; i++) { const page = i; orRetire(journal, page, () => { readHeader(store, page); }); }
    let last: PageRead | undefined;
    for (const found of usedPages(journal)) last = readOn(journal, found, visit);
    rescue(journal, visit);
    if (journal.pages.length === 0 && standsAnywhere(journal)) journal.damaged.push({ page: -1, sequence: journal.next });
    if (journal.damaged.length > 0) journal.fault = boardFault("broken", "The journal is damaged: drain it and call the operator.");
    else if (last !== undefined) makeFirm(journal, last);
  } catch (error) {
    if ((error as BoardError).kind === undefined) throw error;
    journal.fault = error as BoardError;
  }
  return journal;
}

// ---- which pages count --------------------------------------------------------------------------------------------------------

/** Oldest first: whole headers, without pages that a standing copy replaced, that were given back, or that are empty. */
function usedPages(journal: Journal): Found[] {
  const store = journal.store;
  let found: Found[] = [];
  for (let page = 0; page < store.pages; page++) {
    const here = journal.retired[page] === true ? undefined : findPage(store, page);
    if (here === undefined) continue;
    found = found.filter((x) => x.header.number < here.header.number).concat([here]).concat(found.filter((x) => x.header.number >= here.header.number));
  }
  dropReplaced(store, found);
  if (found.length === 0) return found;
  const newest = readPage(store, found[found.length - 1]!.header);
  const used = found.filter((x) => x.header.number >= newest.keptFrom);
  if (used[0]!.header.number !== newest.keptFrom) journal.damaged.push({ page: -1, sequence: used[0]!.header.firstSequence - 1 });
  // The newest page without a record promises nothing, and its header may be half written.
  if (used.length > 1 && newest.end === recordsAt) used.pop();
  return used;
}

function findPage(store: Store, page: number): Found | undefined {
  const header = readHeader(store, page);
  if (header !== undefined) return { header: header, rotten: false };
  const nearly = nearlyHeader(store, page);
  if (nearly === undefined) return undefined;
  const wasWhole = readStands(store, page) || (nearly.through < nearly.firstSequence && readPage(store, nearly).end > recordsAt);
  return wasWhole ? { header: nearly, rotten: true } : undefined;
}

/** Of a page and its copy one counts: the copy if it stands, or if the page is no longer whole. */
function dropReplaced(store: Store, found: Found[]): void {
  for (let i = found.length - 1; i > 0; i--) {
    const newer = found[i]!.header;
    if (newer.firstSequence > found[i - 1]!.header.firstSequence) continue;
    const older = readPage(store, found[i - 1]!.header);
    const whole = older.holes.length === 0 && nextOf(older) > newer.sure;
    found.splice(whole && !readStands(store, newer.page) ? i : i - 1, 1);
  }
}

// ---- reading ------------------------------------------------------------------------------------------------------------------

/** The next page in order. Pages whose header is lost, but whose records go on where the journal stands, are read before it. */
function readOn(journal: Journal, found: Found, visit: Visit): PageRead {
  const header = found.header;
  const page = readPage(journal.store, header);
  if (journal.pages.length === 0) { journal.next = header.firstSequence; journal.head = header.head; }
  else if (header.firstSequence > journal.next) rescue(journal, visit);
  if (header.firstSequence !== journal.next || !equal(header.head, journal.head)) {
    journal.damaged.push({ page: header.page, sequence: journal.next });
    journal.next = header.firstSequence;
    journal.head = header.head;
  }
  if (found.rotten) journal.damaged.push({ page: header.page, sequence: header.firstSequence });
  takeIn(journal, page, visit);
  return page;
}

function takeIn(journal: Journal, page: PageRead, visit: Visit): void {
  for (const sequence of page.holes) journal.damaged.push({ page: page.header.page, sequence: sequence });
  for (const entry of page.entries) {
    visit(entry.payload, entry.sequence);
    journal.head = chained(journal.crypto, journal.head, entry.payload);
    journal.next = entry.sequence + 1;
  }
  journal.pages.push(page.header);
  journal.offset = page.end;
  journal.torn = page.torn;
}

/** A page that begins exactly where the journal stands and has no header any more: its header was lost after it was whole. */
function rescue(journal: Journal, visit: Visit): void {
  const last = journal.pages[journal.pages.length - 1];
  const number = last === undefined ? 1 : last.number + 1;
  for (let i = 0; i < journal.store.pages; i++) {
    const page = i;
    if (journal.retired[page] === true || journal.pages.some((used) => used.page === page) || readHeader(journal.store, page) !== undefined) continue;
    const keptFrom = last === undefined ? number : journal.pages[0]!.number;
    const header = { page: page, number: number, firstSequence: journal.next, keptFrom: keptFrom, through: journal.next - 1, sure: journal.next - 1, head: journal.head };
    const image = journal.store.read(page, 0, journal.store.pageBytes);
    const first = readRecord(image, recordsAt, saltOf(header));
    if (first === undefined || first.sequence !== journal.next || (first.kind === recordKind.copied && !readStands(journal.store, page))) continue;
    journal.damaged.push({ page: page, sequence: journal.next });
    takeIn(journal, readImage(image, header), visit);
    rescue(journal, visit);
    return;
  }
}

/** No page has a header, but one was whole: it cannot be a journal that was never written to. */
function standsAnywhere(journal: Journal): boolean {
  for (let page = 0; page < journal.store.pages; page++) if (journal.retired[page] !== true && readStands(journal.store, page)) return true;
  return false;
}

// ---- making firm --------------------------------------------------------------------------------------------------------------

/**
 * Copies the page in use, as it was read, to a fresh one: first of those that are not about to be given back, because until the
 * copy stands that may be undone.
 */
function makeFirm(journal: Journal, source: PageRead): void {
  const store = journal.store;
  changing(journal, () => copyPage(journal, source, sureOf(source), (page) => {
    const header = readHeader(store, page);
    return header === undefined || header.number < source.header.keptFrom || header.number >= source.keptFrom;
  }));
}
