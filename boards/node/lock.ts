/**
 * One process at a time: a lock file beside what it guards names its owner by process id, start time and boot, because a
 * process id alone comes again: after a power cut a terminal often gets the one it had before.
 */
import { linkSync, readFileSync, renameSync, unlinkSync, writeFileSync } from "node:fs";
import { faultOf } from "./fault.js";
import { boardFault } from "../../runtime/journal/store.js";

/** Takes the lock of `path`. Throws a `BoardError`, `busy` when another process lives that has it. */
export function lock(path: string): void {
  const file = path + ".lock";
  for (let tries = 0; tries < 8; tries++) {
    if (make(file)) return;
    const owner = readOwner(file);
    if (owner === undefined) continue;
    if (isAlive(owner)) throw boardFault("busy", `${path} is in use by process ${owner.split(" ")[0]}: stop it first.`);
    takeAway(file, owner);
  }
  throw boardFault("busy", `${path} is being opened by another process: try again.`);
}

export function unlock(path: string): void {
  try { unlinkSync(path + ".lock"); } catch { /* the lock was taken away by hand */ }
}

/** Makes the file with its content at once, so that nobody finds it half written; false when it is there. */
function make(file: string): boolean {
  const own = `${file}.${process.pid}`;
  try {
    writeFileSync(own, identityOf(process.pid));
    linkSync(own, file);
    return true;
  } catch (error) {
    if ((error as { code?: string }).code === "EEXIST") return false;
    throw faultOf(error, file);
  } finally {
    try { unlinkSync(own); } catch { /* it could not be written */ }
  }
}

function readOwner(file: string): string | undefined {
  try { return readFileSync(file, "utf8"); } catch (error) {
    if ((error as { code?: string }).code === "ENOENT") return undefined;
    throw faultOf(error, file);
  }
}

/** Of two that find the same dead owner only one takes its lock away; the other puts back what it took by mistake. */
function takeAway(file: string, dead: string): void {
  const aside = `${file}.${process.pid}`;
  try { renameSync(file, aside); } catch { return; }
  if (readOwner(aside) !== dead) { try { linkSync(aside, file); } catch { /* there is a newer one */ } }
  try { unlinkSync(aside); } catch { /* gone already */ }
}

/** `pid start boot`; `-` for what this system does not tell. */
function identityOf(pid: number): string {
  return `${pid} ${startOf(pid) ?? "-"} ${bootId()}`;
}

/** Something unreadable, as a power cut leaves it, is nobody. */
function isAlive(owner: string): boolean {
  const [word, start, boot] = owner.split(" ");
  const pid = Number(word);
  if (!Number.isInteger(pid) || pid <= 0 || boot !== bootId()) return false;
  try { process.kill(pid, 0); } catch (error) { if ((error as { code?: string }).code !== "EPERM") return false; }
  const now = startOf(pid);
  return now === undefined || start === "-" || start === now;
}

/** When a process started, in ticks of this boot: the 22nd field of its line, the 20th behind its name. */
function startOf(pid: number): string | undefined {
  try {
    const line = readFileSync(`/proc/${pid}/stat`, "utf8");
    return line.slice(line.lastIndexOf(")") + 2).split(" ")[19];
  } catch { return undefined; }
}

function bootId(): string {
  try { return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim(); } catch { return "-"; }
}
