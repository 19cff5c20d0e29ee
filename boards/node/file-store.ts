/**
 * The journal's pages in one file, durable by fdatasync. It keeps the rules of flash (only erased bytes are written), so that
 * the same journal runs on both. One process at a time, and only the owner may read: pages hold keys and records.
 */
import { closeSync, existsSync, fchmodSync, fdatasyncSync, fstatSync, openSync, readSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { disk, makeFolder, putFile, writeAll } from "./durable.js";
import { faultOf } from "./fault.js";
import { lock, unlock } from "./lock.js";
import { assertInPage, assertUnits, boardFault, type BoardError, type Store } from "../../runtime/journal/store.js";

export interface FileStore extends Store { close(): void }

/** What the pages are read and written by; a test's disk may fail at each. */
export const pageDisk = { ...disk, readSync, fdatasyncSync };
export type PageDisk = typeof pageDisk;

/** Opens or makes the file. Throws a `BoardError`: `busy` when another process has it. */
export function openFileStore(path: string, size: { pageBytes: number; pages: number }, by: PageDisk = pageDisk): FileStore {
  const file = resolve(path);
  try { makeFolder(dirname(file)); } catch (error) { throw faultOf(error, dirname(file)); }
  lock(file);
  try {
    const descriptor = openOrMake(file, size.pageBytes * size.pages, by);
    try {
      // A file that was copied here may be open to others.
      fchmodSync(descriptor, 0o600);
      // What a process wrote that was killed may stand in memory alone: it counts only when it is on the disk.
      by.fdatasyncSync(descriptor);
      return storeOf(file, descriptor, size, by);
    } catch (error) {
      closeSync(descriptor);
      throw error;
    }
  } catch (error) {
    unlock(file);
    throw faultOf(error, file);
  }
}

function openOrMake(path: string, bytes: number, by: PageDisk): number {
  // Whole or not there: a cut while it is made leaves no file of another length.
  if (!existsSync(path)) putFile(path, new Uint8Array(bytes).fill(0xff), by);
  const descriptor = openSync(path, "r+");
  const length = fstatSync(descriptor).size;
  if (length === bytes) return descriptor;
  closeSync(descriptor);
  throw boardFault("broken", `${path} has ${length} bytes instead of ${bytes}: it belongs to another configuration.`);
}

function storeOf(path: string, descriptor: number, size: { pageBytes: number; pages: number }, by: PageDisk): FileStore {
  let fault: BoardError | undefined;
  let closed = false;
  /** After the first failure nothing is read or written any more. */
  const attempt = <T>(work: () => T): T => {
    if (closed) throw boardFault("disconnected", `${path} is closed.`);
    if (fault !== undefined) throw boardFault(fault.kind, `${fault.message} Restart then: the journal is read again.`);
    try { return work(); } catch (error) { throw (fault = faultOf(error, path)); }
  };
  const read = (page: number, offset: number, length: number): Uint8Array => {
    const bytes = new Uint8Array(length);
    for (let done = 0; done < length;) {
      const got = by.readSync(descriptor, bytes, done, length - done, page * size.pageBytes + offset + done);
      if (got === 0) throw boardFault("broken", `${path} is shorter than it was: something else wrote to it.`);
      done += got;
    }
    return bytes;
  };
  const store: FileStore = {
    pageBytes: size.pageBytes, pages: size.pages,
    read: (page, offset, length) => {
      assertInPage(store, page, offset, length);
      return attempt(() => read(page, offset, length));
    },
    write: (page, offset, bytes) => {
      assertUnits(store, page, offset, bytes.length);
      attempt(() => {
        if (read(page, offset, bytes.length).some((byte) => byte !== 0xff)) throw boardFault("broken", `${path}: written bytes were written again, which no page allows.`);
        writeAll(descriptor, bytes, page * size.pageBytes + offset, by);
      });
    },
    erase: (page) => {
      assertInPage(store, page, 0, size.pageBytes);
      attempt(() => writeAll(descriptor, new Uint8Array(size.pageBytes).fill(0xff), page * size.pageBytes, by));
    },
    sync: () => attempt(() => by.fdatasyncSync(descriptor)),
    close: () => {
      if (closed) return;
      closed = true;
      closeSync(descriptor);
      unlock(path);
    },
  };
  return store;
}
