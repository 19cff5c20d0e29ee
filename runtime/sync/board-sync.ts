/**
 * Sync of a board without signatures (profile B): one letter outstanding, small, sealed under the key it shares with the host
 * (`trust.md` §5). It has no network: whoever holds a phone or a bench to its line fetches the letter and brings the answer
 * (`carry.ts`), now or next week. A lost answer is no harm: the same is said again in a letter with a new number.
 *
 * An answer counts only for the letter that is outstanding, so nothing else of what is brought needs to be remembered.
 */
import type { Ccm } from "../../protocol/crypto/ccm.js";
import { limits } from "../../protocol/limits.js";
import { letterId, type Piece } from "../../protocol/wire/carry.js";
import { decodeNewsBoard, encodePullBoard, type NewsBoard, type PullBoard } from "../../protocol/wire/board-letters.js";
import { directionKeys, openMessageB, readEnvelopeB, sealMessageB, type DirectionKeys } from "../../protocol/wire/envelope-b.js";
import { equal } from "../../protocol/wire/bytes.js";
import type { Digests } from "../../protocol/wire/provision.js";
import { decodeBatchTaken, encodeBatch, messageType, type Batch } from "../../protocol/wire/sync.js";

/** Numbers are reserved durably so far ahead: a board's flash is small, and a power cut wastes at most these. */
export const boardSequencesAhead = 64;

/** The board's side of it: its journal, and what it keeps. */
export interface BoardBooks {
  at(): { at: number; quality: number };
  /** Unconfirmed entries of at most so many bytes; an empty batch asks how far the host is. Undefined: nothing to say. */
  records(bytesMost: number): Batch | undefined;
  confirm(through: number): void;
  holds(): PullBoard;
  /** Durable when it returns. */
  take(news: NewsBoard): void;
  /** Makes a higher ceiling of the numbers durable, before one below it is used. */
  reserve(ceiling: number): void;
}

export interface BoardSync {
  readonly crypto: Digests;
  readonly ccm: Ccm | undefined;
  readonly books: BoardBooks;
  readonly terminal: Uint8Array;
  master: Uint8Array;
  generation: number;
  next: number;
  ceiling: number;
  up: DirectionKeys | undefined;
  down: DirectionKeys | undefined;
  letter: { id: Uint8Array; bytes: Uint8Array; sequence: number; type: number } | undefined;
  /** The host had nothing more to tell: until somebody comes anew, only records are worth a letter. */
  isUpToDate: boolean;
}

export function makeBoardSync(crypto: Digests, ccm: Ccm | undefined, books: BoardBooks, terminal: Uint8Array, master: Uint8Array, generation: number, ceiling: number): BoardSync {
  return { crypto: crypto, ccm: ccm, books: books, terminal: terminal, master: master, generation: generation, next: ceiling, ceiling: ceiling, up: undefined, down: undefined, letter: undefined, isUpToDate: false };
}

/** A new generation of the master: from the next letter on. The one under way is answered under the old one, or not at all. */
export function changeMaster(s: BoardSync, master: Uint8Array, generation: number): void {
  s.master = master;
  s.generation = generation;
  s.up = undefined;
  s.down = undefined;
  s.letter = undefined;
}

/** The letter to fetch: the outstanding one, else a new one; records before questions, because they are money. Undefined: nothing to say. */
export function letterOf(s: BoardSync): { id: Uint8Array; bytes: Uint8Array } | undefined {
  if (s.letter !== undefined) return s.letter;
  const batch = s.books.records(limits.boardBodyBytesMax - 40);
  if (batch === undefined && s.isUpToDate) return undefined;
  if (s.next >= s.ceiling) {
    s.books.reserve(s.next + boardSequencesAhead);
    s.ceiling = s.next + boardSequencesAhead;
  }
  const type = batch === undefined ? messageType.pullBoard : messageType.records;
  const body = batch === undefined ? encodePullBoard(s.books.holds()) : encodeBatch(batch);
  const time = s.books.at();
  const sequence = s.next++;
  if (s.up === undefined) s.up = directionKeys(s.crypto, s.master, s.generation, true);
  const bytes = sealMessageB(s.crypto, s.ccm, s.up, { recipient: s.terminal, at: time.at, quality: time.quality, sequence: sequence, type: type, body: body, answers: undefined, certificate: undefined });
  s.letter = { id: letterId(s.crypto, bytes), bytes: bytes, sequence: sequence, type: type };
  return s.letter;
}

/** The bytes of a letter that somebody asks for; beyond its end, or of one that is gone, nothing. */
export function pieceAt(letter: { id: Uint8Array; bytes: Uint8Array }, from: number, most: number): Piece | undefined {
  if (from >= letter.bytes.length) return undefined;
  return { letter: letter.id, total: letter.bytes.length, from: from, bytes: letter.bytes.subarray(from, Math.min(letter.bytes.length, from + most)) };
}

/** What was brought. True when it is the host's answer to the outstanding letter, which then is done with. */
export function takeAnswerB(s: BoardSync, bytes: Uint8Array): boolean {
  const e = readEnvelopeB(bytes);
  const letter = s.letter;
  if (e === undefined || letter === undefined || e.isSealed !== (s.ccm !== undefined)) return false;
  if (s.down === undefined) s.down = directionKeys(s.crypto, s.master, s.generation, false);
  const m = openMessageB(s.crypto, s.ccm, s.down, e);
  if (m === undefined || m.answers === undefined || m.answers.sequence !== letter.sequence || m.type !== letter.type + 128) return false;
  if (!equal(m.recipient, s.terminal) || !equal(m.answers.kid, s.terminal)) return false;
  s.letter = undefined;
  if (letter.type === messageType.records) {
    const taken = decodeBatchTaken(m.body);
    if (taken !== undefined) s.books.confirm(taken.through);
    return true;
  }
  const news = decodeNewsBoard(m.body);
  if (news === undefined) return true;
  s.books.take(news);
  s.isUpToDate = !news.more && news.master === undefined;
  if (news.master !== undefined && news.master.generation > s.generation) changeMaster(s, news.master.master, news.master.generation);
  return true;
}
