/**
 * What a board's letters say and change (`board-sync.ts`): records out of its journal, and news of its host into its cells.
 * As on a machine with signatures (`sync.ts`): a record is kept until the host has it, numbers only rise, and what cannot be
 * taken is asked for again.
 */
import type { BoardBooks } from "./board-sync.js";
import { keepConfiguration, keepGroup, keepMaster, type BoardSetup } from "../board-setup.js";
import { firstKept, flush, readFrom } from "../journal/journal.js";
import { attempt, endService, need, timeOf } from "../keeping.js";
import { keepNumbers, keepStatus, raiseFloor } from "../kept.js";
import { takeSetup, type AnyTerminal } from "../terminal.js";
import { limits } from "../../protocol/limits.js";
import { equal } from "../../protocol/wire/bytes.js";
import type { ListPiece, NewsBoard, PullBoard } from "../../protocol/wire/board-letters.js";
import { decodeGroupKeys } from "../../protocol/wire/group-keys.js";
import type { Batch } from "../../protocol/wire/sync.js";
import { bitsDigest } from "../../protocol/wire/trust.js";

/** An answer within so long of its question may set the clock (`trust.md` §2). */
const quickMs = 600000;

export interface Books extends BoardBooks {
  readonly terminal: AnyTerminal;
  readonly setup: BoardSetup;
  /** The list that is arriving, and how much of it is here. */
  arriving: { number: number; bits: Uint8Array; have: number } | undefined;
  askedMs: number;
  /** Sets the board's clock from signed time; quality 3. */
  onTime: (at: number) => void;
}

export function makeBooks(t: AnyTerminal, s: BoardSetup, onTime: (at: number) => void): Books {
  const b: Books = {
    terminal: t, setup: s, arriving: undefined, askedMs: 0, onTime: onTime,
    at: () => { b.askedMs = t.board.clock.monotonicMs(); return timeOf(t); },
    records: (bytesMost) => records(t, bytesMost), confirm: (through) => confirm(b, through), holds: () => holds(b), take: (news) => { need(t, () => take(b, news)); },
    reserve: (ceiling) => { s.sequenceCeiling = ceiling; keepNumbers(s); },
  };
  return b;
}

/** What is durable after the last confirmed entry, or undefined when there is none. */
function records(t: AnyTerminal, bytesMost: number): Batch | undefined {
  if (t.journal.fault === undefined) attempt(t, () => flush(t.journal));
  const first = Math.max(t.confirmed + 1, firstKept(t.journal));
  const durable = t.journal.next - t.journal.unsynced - first;
  if (durable <= 0) return undefined;
  const batch = readFrom(t.journal, first, Math.min(limits.batchEntriesMax, durable), bytesMost);
  return { boot: t.book.boot, first: batch.first, entries: batch.entries, head: batch.head };
}

function confirm(b: Books, through: number): void {
  const t = b.terminal;
  if (through >= t.journal.next) { endService(t, "The host has more entries of this terminal than its journal: the journal was cut or exchanged, call the operator."); return; }
  if (through <= t.confirmed) return;
  t.confirmed = through;
  b.setup.confirmed = through;
  need(t, () => keepNumbers(b.setup));
}

function holds(b: Books): PullBoard {
  const s = b.setup;
  let newest = 0;
  for (const keys of s.groups) if (keys !== undefined && keys.epoch > newest) newest = keys.epoch;
  const arriving = b.arriving;
  return {
    configuration: s.configurationNumber, generation: s.generation, epoch: newest, list: s.listNumber, arriving: arriving === undefined ? 0 : arriving.number,
    from: arriving === undefined ? 0 : arriving.have,
  };
}

/** Keys before the epoch that uses them; the numbers last, so that what is fresh is what was taken. */
function take(b: Books, news: NewsBoard): void {
  const s = b.setup;
  const keys = decodeGroupKeys(news.group);
  if (keys !== undefined) keepGroup(s, keys);
  const master = news.master !== undefined && news.master.generation > s.generation ? news.master : s;
  if (master !== s || news.epoch !== s.epoch) keepMaster(s, master.generation, master.master, news.epoch);
  keepConfiguration(s, news.configuration);
  if (news.piece !== undefined) takePiece(b, news.piece);
  if (b.terminal.board.clock.monotonicMs() - b.askedMs < quickMs) b.onTime(news.at);
  if (raiseFloor(s, news.at) && !news.more && news.at > s.pulledAt) s.pulledAt = news.at;
  keepNumbers(s);
  if (b.terminal.verifier.state === "idle") takeSetup(b.terminal);
}

/** Piece by piece into memory; a list counts when all of it is here and is what the host digested. */
function takePiece(b: Books, p: ListPiece): void {
  if (p.number <= b.setup.listNumber) return;
  if (p.from === 0) b.arriving = { number: p.number, bits: new Uint8Array(p.total), have: 0 };
  const a = b.arriving;
  if (a === undefined || a.number !== p.number || a.have !== p.from || a.bits.length !== p.total || p.from + p.bytes.length > p.total) { b.arriving = undefined; return; }
  a.bits.set(p.bytes, p.from);
  a.have += p.bytes.length;
  if (a.have < p.total) return;
  b.arriving = undefined;
  if (equal(bitsDigest(b.terminal.board.crypto, a.bits), p.digest)) keepStatus(b.setup, p.number, a.bits);
}
