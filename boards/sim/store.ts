/**
 * NOR flash in memory, with power cuts: what is written may only touch erased bytes, and a cut leaves the last unsynced
 * write torn at any byte. The journal's tests cut it at every byte there is.
 */
import { assertInPage, assertUnits, boardFault, type Store } from "../../runtime/journal/store.js";

export interface MemoryStore extends Store {
  /** Every byte as it stands. */
  readonly bytes: Uint8Array;
  /** Bytes programmed or erased so far, and syncs. */
  readonly written: number;
  readonly syncs: number;
  /** Power fails when so many more bytes have been written: that write is torn there, and everything after it throws. */
  cutAfter(bytes: number): void;
  /** The next sync throws, as a disk does that cannot write any more. */
  failSync(): void;
  /** What is there when power comes back. */
  restarted(): MemoryStore;
}

export function makeMemoryStore(size: { pageBytes: number; pages: number }, from?: Uint8Array): MemoryStore {
  const bytes = from === undefined ? new Uint8Array(size.pageBytes * size.pages).fill(0xff) : new Uint8Array(from);
  let written = 0;
  let syncs = 0;
  let left = Infinity;
  let dead = false;
  let syncFails = false;
  const check = (): void => { if (dead) throw boardFault("broken", "Power is off: restart the board."); };
  /** As far as the power lasts; a write that it does not last for is torn there. */
  const put = (at: number, data: Uint8Array): void => {
    const lasting = Math.min(left, data.length);
    bytes.set(data.subarray(0, lasting), at);
    written += lasting;
    left -= lasting;
    if (lasting < data.length) { dead = true; check(); }
  };
  const erased = new Uint8Array(size.pageBytes).fill(0xff);
  const store: MemoryStore = {
    pageBytes: size.pageBytes, pages: size.pages, bytes,
    get written() { return written; },
    get syncs() { return syncs; },
    read: (page, offset, length) => {
      assertInPage(store, page, offset, length);
      check();
      return bytes.slice(page * size.pageBytes + offset, page * size.pageBytes + offset + length);
    },
    write: (page, offset, data) => {
      assertUnits(store, page, offset, data.length);
      check();
      const at = page * size.pageBytes + offset;
      if (bytes.subarray(at, at + data.length).some((byte) => byte !== 0xff)) { dead = true; throw boardFault("broken", "Written bytes were written again: this flash must be erased first."); }
      put(at, data);
    },
    erase: (page) => {
      assertInPage(store, page, 0, size.pageBytes);
      check();
      put(page * size.pageBytes, erased);
    },
    sync: () => {
      check();
      syncs++;
      if (syncFails) { dead = true; throw boardFault("broken", "The disk could not write: replace it, its journal cannot be trusted."); }
    },
    cutAfter: (n) => { left = n; },
    failSync: () => { syncFails = true; },
    restarted: () => makeMemoryStore(size, bytes),
  };
  return store;
}
