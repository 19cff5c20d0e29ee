/**
 * The journal's pages in one file, durable by fdatasync. It keeps the rules of flash (only erased bytes are written), so that
 * the same journal runs on both. One process at a time: a lock file beside it holds the owner's process id.
 */
import { closeSync, existsSync, fdatasyncSync, fsyncSync, mkdirSync, openSync, readFileSync, readSync, unlinkSync, writeFileSync, writeSync, fstatSync } from "node:fs";
import { dirname } from "node:path";
import { faultOf } from "./fault.js";
import { boardFault, type Store } from "../../runtime/journal/store.js";

export interface FileStore extends Store { close(): void }

/** Opens or makes the file. Throws a `BoardFault`: `busy` when another process has it. */
export function openFileStore(path: string, size: { pageBytes: number; pages: number }): FileStore {
  mkdirSync(dirname(path), { recursive: true });
  lock(path);
  try {
    const descriptor = openOrMake(path, size.pageBytes * size.pages);
    return storeOf(path, descriptor, size);
  } catch (error) {
    unlock(path);
    throw (error as { kind?: string }).kind === undefined ? faultOf(error, path) : error;
  }
}

function lock(path: string): void {
  const owner = path + ".lock";
  for (let tries = 0; tries < 2; tries++) {
    try {
      writeFileSync(owner, String(process.pid), { flag: "wx" });
      return;
    } catch (error) {
      if ((error as { code?: string }).code !== "EEXIST") throw faultOf(error, owner);
      const pid = Number(readFileSync(owner, "utf8"));
      if (isAlive(pid)) throw boardFault("busy", `${path} is in use by process ${pid}: stop it first.`);
      unlinkSync(owner);
    }
  }
}
function isAlive(pid: number): boolean {
  if (pid === process.pid) return true;
  try { process.kill(pid, 0); return true; } catch (error) { return (error as { code?: string }).code === "EPERM"; }
}
function unlock(path: string): void {
  try { unlinkSync(path + ".lock"); } catch { /* the lock was taken away by hand */ }
}

function openOrMake(path: string, bytes: number): number {
  if (existsSync(path)) {
    const descriptor = openSync(path, "r+");
    const length = fstatSync(descriptor).size;
    if (length !== bytes) { closeSync(descriptor); throw boardFault("broken", `${path} has ${length} bytes instead of ${bytes}: it belongs to another configuration.`); }
    return descriptor;
  }
  const descriptor = openSync(path, "wx+");
  writeSync(descriptor, new Uint8Array(bytes).fill(0xff));
  fsyncSync(descriptor);
  const folder = openSync(dirname(path), "r");
  fsyncSync(folder);
  closeSync(folder);
  return descriptor;
}

function storeOf(path: string, descriptor: number, size: { pageBytes: number; pages: number }): FileStore {
  let broken = false;
  const attempt = <T>(work: () => T): T => {
    if (broken) throw boardFault("broken", `${path} failed before: restart, its journal is read again then.`);
    try { return work(); } catch (error) { broken = true; throw faultOf(error, path); }
  };
  const read = (page: number, offset: number, length: number): Uint8Array => {
    const bytes = new Uint8Array(length);
    if (readSync(descriptor, bytes, 0, length, page * size.pageBytes + offset) !== length) throw boardFault("broken", `${path} is shorter than it was.`);
    return bytes;
  };
  const writeAll = (bytes: Uint8Array, at: number): void => {
    for (let done = 0; done < bytes.length;) done += writeSync(descriptor, bytes, done, bytes.length - done, at + done);
  };
  return {
    pageBytes: size.pageBytes, pages: size.pages,
    read: (page, offset, length) => attempt(() => read(page, offset, length)),
    write: (page, offset, bytes) => attempt(() => {
      const there = read(page, offset, bytes.length);
      if (there.some((byte, i) => byte !== 0xff && byte !== bytes[i])) throw boardFault("broken", `${path}: a written byte was written again.`);
      writeAll(bytes, page * size.pageBytes + offset);
    }),
    erase: (page) => attempt(() => writeAll(new Uint8Array(size.pageBytes).fill(0xff), page * size.pageBytes)),
    sync: () => attempt(() => fdatasyncSync(descriptor)),
    close: () => { closeSync(descriptor); unlock(path); },
  };
}
