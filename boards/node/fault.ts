/**
 * What the errors of this operating system mean for a device or file, with a sentence for the person who mends it.
 */
import { boardFault, type BoardError, type BoardErrorKind } from "../../runtime/journal/store.js";

/** In order: the code of an error, or words of an error that has none (`serialport`'s); what it means; what to do. */
const meanings: readonly (readonly [codes: readonly string[], words: RegExp, kind: BoardErrorKind, says: string])[] = [
  [["ENOENT", "ENXIO", "ENODEV"], /no such (file|device)/i, "absent", "is not there: plug it in, or correct its path"],
  [["EACCES", "EPERM"], /permission denied|not permitted/i, "denied", "may not be opened: give this user the right to (for a serial port, the group that owns it, often dialout)"],
  [["EBUSY", "EAGAIN"], /busy|cannot lock/i, "busy", "is in use: stop the other program that holds it"],
  [["ENOSPC", "EDQUOT", "EFBIG"], /no space left/i, "full", "has no room left: free some space on its disk"],
  [["EROFS"], /read-only/i, "broken", "can only be read: its disk is mounted read-only, which a worn SD card does by itself; replace it"],
  [["EIO"], /input\/output error|\bi\/o error/i, "broken", "could not be read or written: check its cable, or replace the disk"],
  [["EISDIR", "ENOTDIR"], /is a directory|not a directory/i, "absent", "is no file: correct its path"],
];

/** What an error of the operating system means for a device or file of this name. A `BoardError` stays what it is. */
export function faultOf(error: unknown, device: string): Error & BoardError {
  const { code = "", kind } = (error ?? {}) as { code?: string; kind?: BoardErrorKind };
  if (error instanceof Error && kind !== undefined) return error as Error & BoardError;
  const text = error instanceof Error ? error.message : String(error);
  for (const [codes, words, means, says] of meanings) {
    if (codes.includes(code) || words.test(text)) return boardFault(means, `${device} ${says}.`);
  }
  return boardFault("broken", `${device} failed: ${text}`);
}
