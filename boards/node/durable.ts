/**
 * Files that are whole or not there after a power cut: written beside their place, made durable, then renamed, and the
 * folder that names them made durable too. Only their owner may read them.
 */
import { closeSync, fsyncSync, mkdirSync, openSync, renameSync, unlinkSync, writeSync } from "node:fs";
import { dirname } from "node:path";

/** What a file is written by; a test's disk may fail at each. */
export const disk = { writeSync, fsyncSync, renameSync };
export type Disk = typeof disk;

/** Puts `bytes` at `path`, in place of an older file. Throws the error of the operating system; then the older file stands. */
export function putFile(path: string, bytes: Uint8Array, by: Disk = disk): void {
  makeFolder(dirname(path));
  const beside = path + ".new";
  // One that a cut left may have another owner or mode.
  try { unlinkSync(beside); } catch { /* there is none */ }
  const descriptor = openSync(beside, "wx", 0o600);
  try {
    writeAll(descriptor, bytes, 0, by);
    by.fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
  by.renameSync(beside, path);
  syncFolder(dirname(path));
}

/** Writes all of it; an operating system may take less at a time than it is given. */
export function writeAll(descriptor: number, bytes: Uint8Array, at: number, by: Pick<Disk, "writeSync">): void {
  for (let done = 0; done < bytes.length;) {
    const taken = by.writeSync(descriptor, bytes, done, bytes.length - done, at + done);
    if (taken === 0) throw Object.assign(new Error("the disk takes no bytes"), { code: "ENOSPC" });
    done += taken;
  }
}

/** Makes a folder and those above it, each durable in its own. */
export function makeFolder(path: string): void {
  const first = mkdirSync(path, { recursive: true, mode: 0o700 });
  for (let made = path; first !== undefined && made.length >= first.length; made = dirname(made)) syncFolder(dirname(made));
}

function syncFolder(path: string): void {
  const folder = openSync(path, "r");
  try { fsyncSync(folder); } finally { closeSync(folder); }
}
