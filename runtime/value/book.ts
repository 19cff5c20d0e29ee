/**
 * What a terminal knows of the values it has met: an index in memory over its journal, rebuilt entry by entry at start.
 *
 * `apply` is the only way in, for entries read back and for entries just appended, so that what the terminal believes
 * after a power cut is what it believed before. Notices outlive the pages they came from: `carryOver` says what must be
 * written again before a page is given back (`tap.md` §5).
 */
import type { Book, FinishedUse, KnownTerminal, Ladder, UseNotice } from "../../protocol/session/book.js";
import { fromBytes4 } from "../../protocol/session/transcript.js";
import type { Crypto } from "../../protocol/crypto/crypto.js";
import { limits } from "../../protocol/limits.js";
import { hex, keyOf } from "../../protocol/wire/bytes.js";
import type { BeaconEntry, Entry, FinishedEntry, HandoverEntry, NoticeEntry } from "../../protocol/wire/entry.js";
import { action, decodeReceipt, decodeReversal, receiptIn, type Receipt } from "../../protocol/wire/receipt.js";
import { statusAt } from "../../protocol/wire/trust.js";
import { digest16 } from "../../protocol/wire/value.js";

const daySeconds = 86400;
/** Two minutes of beacon steps: one in 45 seconds could be shown again, the rest is for a clock that is set back. */
const stepsKept = 8;

interface Kept { notice: NoticeEntry; sequence: number }
interface KeptUse { use: FinishedUse; sequence: number }

export interface BookState {
  readonly crypto: Crypto;
  notices: Record<string, Kept>;
  noticesCount: number;
  uses: Record<string, KeptUse>;
  handed: Record<string, { entry: HandoverEntry; sequence: number }>;
  beacons: Record<string, BeaconEntry>;
  /** Keys of `beacons` by step, oldest first, of steps that may still be shown again. */
  beaconSteps: { key: string; step: number }[];
  closed: number;
  ceiling: number;
  /** Where `closed` and `ceiling` were written last. */
  closedSequence: number;
  ceilingSequence: number;
  boot: number;
  /** Where `boot` stands, and the record that named the latest time. */
  bootSequence: number;
  timeSequence: number;
  /** Up to here the host has heard; money taken after that, on `takenDay`. */
  confirmed: number;
  takenDay: number;
  taken: number;
  /** Finished uses since `closed` moved. */
  finishedSinceClosed: number;
  /** Uses that did not turn and may still pass; looked through when idle. */
  notTurned: FinishedUse[];
  terminals: Record<string, KnownTerminal>;
  /** Unpacked status bits, and whether there is a list at all. */
  statusBits: Uint8Array | undefined;
  ladder: Ladder;
  onLine: boolean;
  journalFull: boolean;
  /** Latest time that the own journal names: of a clock set by the host's signed time, and of one set otherwise since then. */
  signedAt: number;
  setAt: number;
}

export function makeBook(crypto: Crypto): BookState {
  return {
    crypto: crypto, notices: {}, noticesCount: 0, uses: {}, handed: {}, beacons: {}, beaconSteps: [], closed: 0, ceiling: 0, closedSequence: 0, ceilingSequence: 0, boot: 0, bootSequence: 0, timeSequence: 0, confirmed: 0, takenDay: 0, taken: 0, finishedSinceClosed: 0, notTurned: [],
    terminals: {}, statusBits: undefined, ladder: "offline", onLine: false, journalFull: false, signedAt: 0, setAt: 0,
  };
}

function useKey(valueId: Uint8Array, counter: number): string {
  return keyOf(valueId) + ":" + counter;
}

/** Takes in one entry of the own journal. */
export function apply(b: BookState, e: Entry, sequence: number): void {
  if (e.kind === "boot" || e.kind === "outcome" || e.kind === "refused") applyTime(b, e.at, e.quality, sequence);
  switch (e.kind) {
    case "finished": applyFinished(b, e, sequence); break;
    case "beacon": applyBeacon(b, e, sequence); break;
    case "outcome": setOutcome(b, useKey(e.valueId, e.counter), e.turned ? "turned" : "not_turned"); break;
    case "reopened": applyReopened(b, useKey(e.valueId, e.counter)); break;
    case "reversal": applyReversal(b, e.reversal, e.proof); break;
    case "handover": b.handed[useKey(e.valueId, e.counter)] = { entry: e, sequence: sequence }; break;
    case "closed": applyClosed(b, e.tap, sequence); break;
    case "ceiling": b.ceiling = Math.max(b.ceiling, e.tap); b.ceilingSequence = sequence; break;
    case "boot": applyBoot(b, e.boot, sequence); break;
    case "notice": putNotice(b, e, sequence); break;
    default: break;
  }
}

/** A clock that somebody set wrongly ahead is forgotten at the first record under signed time (`trust.md` §2). */
function applyTime(b: BookState, at: number, quality: number, sequence: number): void {
  const before = latestAt(b);
  if (quality >= 3) { b.signedAt = Math.max(b.signedAt, at); b.setAt = 0; } else if (quality === 2) b.setAt = Math.max(b.setAt, at);
  if (latestAt(b) !== before) b.timeSequence = sequence;
}

/** Surely past, as far as the own journal can say; 0 when no record was made under a set clock. */
export function latestAt(b: BookState): number {
  return Math.max(b.signedAt, b.setAt);
}

/** The same number written again, because its page was given back, is no new boot. */
function applyBoot(b: BookState, boot: number, sequence: number): void {
  if (boot > b.boot) forgetOutcomes(b);
  b.boot = Math.max(b.boot, boot);
  b.bootSequence = sequence;
}

/** The same number written again, because its page was given back, closes nothing new. */
function applyClosed(b: BookState, tap: number, sequence: number): void {
  if (tap > b.closed) b.finishedSinceClosed = 0;
  b.closed = Math.max(b.closed, tap);
  b.closedSequence = sequence;
}

function receiptOf(e: FinishedEntry): { receipt: Receipt; bytes: Uint8Array } | undefined {
  const bytes = receiptIn(e.record);
  const receipt = bytes === undefined ? undefined : decodeReceipt(bytes);
  return bytes === undefined || receipt === undefined ? undefined : { receipt: receipt, bytes: bytes };
}

function applyFinished(b: BookState, e: FinishedEntry, sequence: number): void {
  const found = receiptOf(e);
  if (found === undefined) return;
  const r = found.receipt;
  b.uses[useKey(r.valueId, r.counter)] = { sequence: sequence, use: {
    outcome: "finished", profile: e.profile, at: r.at, own: e.own, tap: fromBytes4(r.tap), until: r.until, receiptDigest: digest16(b.crypto, found.bytes),
    valueId: r.valueId, counter: r.counter, reopened: 0, reversal: undefined,
  } };
  b.finishedSinceClosed++;
  if (r.action === action.pay && sequence > b.confirmed) take(b, r);
  putNotice(b, noticeAfter(b, e, r), sequence);
}

/** A day that has begun forgets the one before, also when a record of an earlier one comes late. */
function take(b: BookState, r: Receipt): void {
  const day = Math.floor(r.at / daySeconds);
  if (day > b.takenDay) { b.takenDay = day; b.taken = 0; }
  b.taken += r.amount;
}

/** The host has heard everything up to `through`; `next` is the journal's next sequence. Money taken is let go when it has heard all. */
export function heardThrough(b: BookState, through: number, next: number): void {
  b.confirmed = through;
  if (through + 1 >= next) b.taken = 0;
}

function noticeAfter(b: BookState, e: FinishedEntry, r: Receipt): NoticeEntry {
  const before = noticeOf(b, r.valueId);
  const baseCounter = r.base === undefined ? 0 : r.base.counter;
  const day = Math.floor(r.at / daySeconds);
  const sameBase = before !== undefined && before.baseCounter === baseCounter;
  const counts = r.action === action.exit ? 0 : 1;
  return {
    kind: "notice", valueId: r.valueId, counter: r.counter, spentOnBase: (sameBase ? before.spentOnBase : 0) + r.amount, baseCounter: baseCounter, day: day,
    usesToday: (before !== undefined && before.day === day ? before.usesToday : 0) + counts, lastAction: r.action, lastAt: r.at,
    ownerSequence: Math.max(e.ownerSequence, before === undefined ? 0 : before.ownerSequence), beaconUses: before === undefined ? 0 : before.beaconUses, expires: e.expires,
  };
}

function applyBeacon(b: BookState, e: BeaconEntry, sequence: number): void {
  const key = keyOf(e.valueId) + ":" + e.step;
  b.beacons[key] = e;
  b.beaconSteps.push({ key: key, step: e.step });
  while (b.beaconSteps[0]!.step + stepsKept < e.step) delete b.beacons[b.beaconSteps.shift()!.key];
  b.beacons[keyOf(e.valueId) + "@" + e.zone] = e;
  const before = noticeOf(b, e.valueId);
  const day = Math.floor(e.at / daySeconds);
  const counts = e.action === action.exit ? 0 : 1;
  putNotice(b, {
    kind: "notice", valueId: e.valueId, counter: before === undefined ? 0 : before.counter, spentOnBase: before === undefined ? 0 : before.spentOnBase,
    baseCounter: before === undefined ? 0 : before.baseCounter, day: day, usesToday: (before !== undefined && before.day === day ? before.usesToday : 0) + counts,
    lastAction: e.action, lastAt: e.at, ownerSequence: before === undefined ? 0 : before.ownerSequence,
    beaconUses: (before === undefined ? 0 : before.beaconUses) + counts, expires: e.expires,
  }, sequence);
}

function noticeOf(b: BookState, valueId: Uint8Array): NoticeEntry | undefined {
  const kept = b.notices[keyOf(valueId)];
  return kept === undefined ? undefined : kept.notice;
}

function putNotice(b: BookState, notice: NoticeEntry, sequence: number): void {
  const key = keyOf(notice.valueId);
  if (b.notices[key] === undefined) b.noticesCount++;
  b.notices[key] = { notice: notice, sequence: sequence };
}

function setOutcome(b: BookState, key: string, outcome: "turned" | "not_turned"): void {
  const kept = b.uses[key];
  if (kept === undefined) return;
  kept.use.outcome = outcome;
  if (outcome === "not_turned") b.notTurned.push(kept.use);
}

function applyReopened(b: BookState, key: string): void {
  const kept = b.uses[key];
  if (kept === undefined) return;
  if (kept.use.outcome === "unknown") kept.use.reopened++;
  kept.use.outcome = "reopened";
}

function applyReversal(b: BookState, reversal: Uint8Array, proof: Uint8Array): void {
  const r = decodeReversal(reversal);
  const kept = r === undefined ? undefined : b.uses[useKey(r.valueId, r.counter)];
  if (r === undefined || kept === undefined) return;
  kept.use.outcome = "reversed";
  kept.use.reversal = { reversal: reversal, at: r.at, proof: proof };
  b.notTurned = b.notTurned.filter((use) => use.outcome === "not_turned");
}

/** A power cut hid how these ended. */
function forgetOutcomes(b: BookState): void {
  for (const key of Object.keys(b.uses)) {
    const use = b.uses[key]!.use;
    if (use.outcome === "finished" || use.outcome === "reopened") use.outcome = "unknown";
  }
}

// ---- giving pages back ------------------------------------------------------------------------------------------------

/**
 * What stands at or before `through` and must outlive its page, to be written again: the tap numbers used and closed, to whom
 * receipts were given that may still be shown here, notices of values that may, and the boot's number with the latest time.
 */
export function carryOver(b: BookState, through: number, at: number, quality: number): Entry[] {
  const live: Entry[] = [];
  if (b.ceiling > 0 && b.ceilingSequence <= through) live.push({ kind: "ceiling", tap: b.ceiling });
  if (b.closed > 0 && b.closedSequence <= through) live.push({ kind: "closed", tap: b.closed });
  for (const key of Object.keys(b.handed)) {
    const kept = b.handed[key]!;
    if (kept.sequence <= through && mayComeBack(kept.entry, at, quality)) live.push(kept.entry);
  }
  for (const key of Object.keys(b.notices)) {
    const kept = b.notices[key]!;
    if (kept.sequence > through) continue;
    if (quality > 0 && kept.notice.expires < at) { delete b.notices[key]; b.noticesCount--; } else live.push(kept.notice);
  }
  if (b.boot > 0 && (b.bootSequence <= through || b.timeSequence <= through)) live.push({ kind: "boot", boot: b.boot, at: latestAt(b), quality: latestAt(b) === 0 ? 0 : b.signedAt >= b.setAt ? 3 : 2 });
  return live;
}

/** Nothing may be resumed for longer than the longest `until`; where a clock is missing nobody knows how long ago it was. */
function mayComeBack(handed: HandoverEntry, at: number, quality: number): boolean {
  return quality === 0 || handed.quality === 0 || at <= handed.at + limits.resumeSecondsMax;
}

/** True while an entry up to `through` may still be asked for: a use that may pass again, or a handover that may be repeated. */
export function isHeld(b: BookState, through: number): boolean {
  return Object.keys(b.uses).some((key) => {
    const kept = b.uses[key]!;
    return kept.sequence <= through && kept.use.outcome === "not_turned";
  });
}

/** Forgets uses whose entries were given back: the notice still refuses their counters. */
export function forgetThrough(b: BookState, through: number): void {
  for (const key of Object.keys(b.uses)) if (b.uses[key]!.sequence <= through) delete b.uses[key];
  for (const key of Object.keys(b.handed)) if (b.handed[key]!.sequence <= through) delete b.handed[key];
}

// ---- what the verifier asks ---------------------------------------------------------------------------------------------

/** The book as the verifier sees it: always the present state of `b`. */
export function bookView(b: BookState): Book {
  return {
    status: (index) => (b.statusBits === undefined ? undefined : (statusAt(b.statusBits, index) as 0 | 1 | 2)),
    ladder: () => b.ladder,
    notice: (valueId, today) => viewNotice(b, valueId, today),
    finished: (valueId, counter) => viewUse(b, valueId, counter),
    handedTo: (valueId, counter) => {
      const handed = b.handed[useKey(valueId, counter)];
      return handed === undefined ? undefined : handed.entry.to;
    },
    takenToday: (today) => (today <= b.takenDay ? b.taken : 0),
    closed: () => b.closed,
    terminal: (id) => b.terminals[hex(id)],
    journalFull: () => b.journalFull,
    noticesFull: () => b.noticesCount >= limits.noticesMax,
    overdue: (at, quality, profiles) => overdue(b, at, quality, profiles),
    beaconSeen: (valueId, step) => b.beacons[keyOf(valueId) + ":" + step] !== undefined,
    lastBeacon: (valueId, zone) => b.beacons[keyOf(valueId) + "@" + zone],
    onLine: () => b.onLine,
  };
}

function viewNotice(b: BookState, valueId: Uint8Array, today: number): UseNotice | undefined {
  const n = noticeOf(b, valueId);
  if (n === undefined) return undefined;
  return {
    counter: n.counter, spentOnBase: n.spentOnBase, baseCounter: n.baseCounter, usesToday: n.day === today ? n.usesToday : 0, lastAction: n.lastAction, lastAt: n.lastAt,
    ownerSequence: n.ownerSequence, beaconUses: n.beaconUses,
  };
}

function viewUse(b: BookState, valueId: Uint8Array, counter: number): FinishedUse | undefined {
  const kept = b.uses[useKey(valueId, counter)];
  return kept === undefined ? undefined : kept.use;
}

/** Time to pass again is over: by a known time past `until`, or because its tap number is closed. */
function overdue(b: BookState, at: number, quality: number, profiles: readonly { letter: string }[]): FinishedUse | undefined {
  for (const each of b.notTurned) {
    const use = each;
    const late = use.until > 0 && quality > 0 && at > use.until;
    if (use.outcome === "not_turned" && profiles.some((x) => x.letter === use.profile) && (late || (use.own && use.tap <= b.closed))) return use;
  }
  return undefined;
}
