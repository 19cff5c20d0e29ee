/**
 * What the errors of this operating system mean for a device, with a sentence for the person who mends it.
 */
import { boardFault, type BoardError } from "../../runtime/journal/store.js";

/** What an error of the operating system means for a device of this name. */
export function faultOf(error: unknown, device: string): Error & BoardError {
  const text = error instanceof Error ? error.message : String(error);
  const code = (error as { code?: string }).code ?? "";
  if (code === "ENOENT" || /no such file/i.test(text)) return boardFault("absent", `${device} is not there: plug it in, or correct its path.`);
  if (code === "EACCES" || /permission denied/i.test(text)) return boardFault("denied", `${device} may not be opened: add this user to the group that owns it (often dialout).`);
  if (code === "EBUSY" || /busy|cannot lock/i.test(text)) return boardFault("busy", `${device} is in use: stop the other program that holds it.`);
  if (code === "ENOSPC") return boardFault("full", `${device} has no room left: free some space on its disk.`);
  return boardFault("broken", `${device} failed: ${text}`);
}
