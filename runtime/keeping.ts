/**
 * What a terminal keeps and when it lets go: its journal and book, its time, and the faults of its devices. A failed write
 * ends its service until a restart; a full journal, a lost line or a dark display do not.
 */
import type { BoardError } from "./journal/store.js";
import { append, flush, oldestEnds, prepare, releaseThrough, roomFor } from "./journal/journal.js";
import { bytesOf32, recordBytes } from "./journal/record.js";
import type { AnyTerminal, TerminalEvent } from "./terminal.js";
import { apply, carryOver, forgetThrough, isHeld, latestAt } from "./value/book.js";
import { limits } from "../protocol/limits.js";
import { equal } from "../protocol/wire/bytes.js";
import { encodeEntry, type Entry } from "../protocol/wire/entry.js";

/** A finished record, its outcome and a reversal. */
export const recordRoomBytes = 700;
const marksMax = 64;
/** A clock that is so far behind what was signed is wrong. */
const clockBehindSeconds = 120;

export function tell(t: AnyTerminal, e: TerminalEvent): void {
  if (t.onEvent !== undefined) t.onEvent(e);
}

// ---- faults ---------------------------------------------------------------------------------------------------------------

/** Says once what is wrong; the same again only after something else was. */
export function report(t: AnyTerminal, message: string): void {
  if (message === t.lastFault) return;
  t.lastFault = message;
  tell(t, { event: "fault", message: message });
}

/** Nothing is served until a restart. */
export function endService(t: AnyTerminal, message: string): void {
  if (t.outOfService === "") t.outOfService = message;
  report(t, message);
}

/** Does something with a device; when that fails it is reported, and the answer is undefined. Other errors are not ours. */
export function attempt<T>(t: AnyTerminal, work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    if ((error as BoardError).kind === undefined) throw error;
    report(t, (error as BoardError).message);
    return undefined;
  }
}

/** The same with a device without which nobody may be let through. */
export function need(t: AnyTerminal, work: () => void): boolean {
  const done = attempt(t, () => { work(); return true; });
  if (done === undefined) endService(t, t.lastFault);
  return done === true;
}

/** Two draws that agree are no chance: such a source would repeat keys. */
export function repeats(t: AnyTerminal): boolean {
  const draws = attempt(t, () => [t.board.random.fill(32), t.board.random.fill(32)]);
  return draws === undefined || equal(draws[0]!, draws[1]!);
}

// ---- time -----------------------------------------------------------------------------------------------------------------

/** What surely has passed: the latest of signed objects, and of own records under a set clock. */
export function floorOf(t: AnyTerminal): number {
  return Math.max(t.setup.timeFloor, latestAt(t.book));
}

/**
 * Signed time with our own nonce: what own records say beyond it was a clock that somebody set ahead, and yields; a floor of
 * signed objects does not (`trust.md` §2). The host is told, with the time signed and the later one that was recorded.
 */
export function yieldTo(t: AnyTerminal, at: number, signed: Uint8Array): void {
  if (t.book.setAt <= at + clockBehindSeconds) return;
  const said = bytesOf32(t.book.setAt);
  t.book.setAt = 0;
  noteIncident(t, "the clock had been set ahead", signed, said);
  // Under signed time, so that it holds after a restart.
  const entry: Entry = { kind: "boot", boot: t.book.boot, at: at, quality: 3 };
  if (roomFor(t.journal, 64, 0)) write(t, entry, false);
}

/** UTC as far as it can be believed (I13): a clock behind what was signed counts as unknown, and the floor as surely past. */
export function timeOf(t: AnyTerminal): { at: number; quality: number } {
  const said = t.board.clock.utc();
  const floor = floorOf(t);
  if (said.quality > 0 && said.at + clockBehindSeconds >= floor) return said;
  return { at: floor, quality: 0 };
}

// ---- the journal ----------------------------------------------------------------------------------------------------------

/** Appends and applies; false when the journal is full, or when the store failed, after which nothing is served until a restart. */
export function write(t: AnyTerminal, entry: Entry, durable: boolean): boolean {
  try {
    const sequence = append(t.journal, encodeEntry(entry), durable);
    apply(t.book, entry, sequence);
    return true;
  } catch (error) {
    const fault = error as BoardError;
    if (fault.kind === undefined) throw error;
    if (fault.kind === "full" && t.journal.fault === undefined) report(t, fault.message); else endService(t, fault.message);
    return false;
  }
}

/** Told to the host, with the bytes that show it, or their digests where an entry cannot hold them. False when there is no room. */
export function noteIncident(t: AnyTerminal, what: string, first: Uint8Array, second: Uint8Array): boolean {
  const whole = first.length + second.length + what.length + 32 <= t.journal.store.pageBytes / 2;
  const entry: Entry = { kind: "incident", what: what, first: whole ? first : t.board.crypto.sha256(first), second: whole ? second : t.board.crypto.sha256(second) };
  return roomFor(t.journal, encodeEntry(entry).length, 0) && write(t, entry, false);
}

/** An end that was torn, so that nothing is lost without a word (I6). */
export function noteTorn(t: AnyTerminal, torn: Uint8Array | undefined, what: string): void {
  if (torn !== undefined) noteIncident(t, what, torn, new Uint8Array(0));
}

/** Remembers when a tap number was issued. */
export function mark(t: AnyTerminal, tap: number): void {
  const atMs = t.board.clock.monotonicMs();
  const last = t.marks[t.marks.length - 1];
  if (last !== undefined && atMs - last.atMs < 10000) { last.tap = tap; last.atMs = atMs; } else t.marks.push({ tap: tap, atMs: atMs });
  if (t.marks.length > marksMax) t.marks.shift();
}

/** The tap number up to which no receipt may be resumed any more, by age or after many later uses; −1: none newly. */
export function overdueTap(t: AnyTerminal, now: number): number {
  const overMs = t.verifier.settings.resumeSeconds * 1000;
  let tap = -1;
  while (t.marks.length > 0 && now - t.marks[0]!.atMs > overMs) tap = t.marks.shift()!.tap;
  if (t.book.finishedSinceClosed >= limits.usesUntilClosed) tap = t.lastTap;
  return tap > t.book.closed ? tap : -1;
}

/**
 * Gives back the oldest page once the host has all of it and nothing on it may still be asked for. What of it must be
 * written again is at most half a page, or nothing would be gained; then the terminal is full until values end.
 */
export function tidy(t: AnyTerminal): void {
  const through = oldestEnds(t.journal);
  if (t.journal.fault !== undefined || through === 0 || through > t.confirmed || t.tidiedAt === t.journal.next) return;
  if (roomFor(t.journal, recordRoomBytes * 4, 2) || isHeld(t.book, through)) return;
  const time = timeOf(t);
  const entries = carryOver(t.book, through, time.at, time.quality);
  let bytes = 0;
  for (const entry of entries) bytes += recordBytes(encodeEntry(entry).length);
  t.tidiedAt = t.journal.next;
  if (bytes > t.journal.store.pageBytes / 2) { report(t, "The journal is full of uses that are still valid: give this terminal more storage."); return; }
  for (const entry of entries) if (!write(t, entry, false)) return;
  need(t, () => {
    flush(t.journal);
    releaseThrough(t.journal, through);
  });
  forgetThrough(t.book, through);
}

/** Said for each page that wore out, to whoever watches and to the host, with its number and how many are left. */
export function noteWorn(t: AnyTerminal): void {
  const store = t.journal.store;
  while (t.journal.worn.length > 0) {
    const page = t.journal.worn[0]!;
    const left = store.pages - t.journal.retired.filter((gone) => gone === true).length;
    report(t, "A page of the journal is worn out, " + left + " of " + store.pages + " are left: replace the storage in time.");
    if (!noteIncident(t, "a page of the journal is worn out", bytesOf32(page), bytesOf32(left))) return;
    t.journal.worn.shift();
  }
}

/** At rest: no tap shall wait for an erase or for a sync that another entry needs. */
export function prepareNext(t: AnyTerminal): void {
  if (t.journal.fault === undefined) need(t, () => prepare(t.journal, recordRoomBytes));
  noteWorn(t);
}
