/**
 * Raw flash pages as the journal and the cells want them (`runtime/journal/store.ts`). They lie in one file that is reserved at
 * the first start and never written as a file: its pages are programmed and erased by address. Where files are not mapped to
 * memory the page of the board names the address itself.
 */
import { boardFault, type Store } from "../../runtime/journal/store.js";

const flash = require("Flash");
const storage = require("Storage");

/** The file with the data pages. */
const dataFile = "kaisatsu";
/** Three for the journal, two in alternation for keys, numbers and status. */
const journalPages = 3;
const cellPages = 2;

/** Where the first whole page of the file begins; reserves it when there is none. Throws a `BoardError` when there is no room. */
function dataAt(address: number): number {
  if (address > 0) return address;
  const page = flash.getPage(addressOf(".bootcde"));
  if (page !== undefined && storage.read(dataFile) === undefined) storage.write(dataFile, "", 0, (journalPages + cellPages + 1) * page.length);
  const at = addressOf(dataFile);
  const first = at > 0 ? flash.getPage(at) : undefined;
  if (first === undefined) throw boardFault("absent", "This board has no pages for its journal: flash it anew.");
  return first.addr === at ? at : first.addr + first.length;
}

function addressOf(file: string): number {
  const text = storage.read(file);
  return text === undefined ? 0 : E.getAddressOf(text, false);
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
  return { store: pagesAt(start, pageBytes, journalPages), cells: pagesAt(start + journalPages * pageBytes, pageBytes, cellPages) };
}
