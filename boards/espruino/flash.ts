/**
 * Raw flash pages as the journal and the cells want them (`runtime/journal/store.ts`). They lie in one file that was reserved
 * when the board was flashed and is never written as a file: its pages are programmed and erased by address. Where files are
 * not mapped to memory the page of the board names the address itself.
 */
import { boardFault, type Store } from "../../runtime/journal/store.js";

const flash = require("Flash");

/** The file with the data pages. */
const dataFile = "kaisatsu";
/** Three for the journal, two in alternation for keys, numbers and status. */
const journalPages = 3;

/** Where the first whole page of the file begins. Throws a `BoardError` when the board was never prepared. */
function dataAt(address: number): number {
  const file = require("Storage").read(dataFile);
  const at = address > 0 ? address : file === undefined ? 0 : E.getAddressOf(file, false);
  const page = at > 0 ? flash.getPage(at) : undefined;
  if (page === undefined) throw boardFault("absent", "This board has no pages for its journal: flash it anew.");
  return page.addr === at ? at : page.addr + page.length;
}

function pagesAt(start: number, pageBytes: number, pages: number): Store {
  return {
    pageBytes: pageBytes, pages: pages,
    read: (page, offset, length) => flash.read(length, start + page * pageBytes + offset),
    write: (page, offset, bytes) => flash.write(bytes, start + page * pageBytes + offset),
    erase: (page) => flash.erasePage(start + page * pageBytes),
    sync: () => {},
  };
}

/** Journal and cells of this board. */
export function openFlash(address: number): { store: Store; cells: Store } {
  const start = dataAt(address);
  const pageBytes = flash.getPage(start)!.length;
  return { store: pagesAt(start, pageBytes, journalPages), cells: pagesAt(start + journalPages * pageBytes, pageBytes, 2) };
}
