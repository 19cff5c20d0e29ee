/**
 * The charges of all users of one terminal, kept: a journal of signed records beside the terminal's own, and for each user
 * what follows from them. Records are never changed. As many are kept as there is room for: when it is needed, the oldest page
 * is given back, and what of it is not settled, or still needed, is written again, byte for byte, as it is signed.
 *
 * An unsettled record is never given up: a history that is full of them takes no more, and then the supply ends, not the debt.
 * Room is kept for the results that settle them, and for writing again what a page must not take with it.
 */
import { append, firstKept, flush, oldestEnds, readFrom, releaseThrough, roomFor, type Journal } from "../journal/journal.js";
import { openJournal } from "../journal/recovery.js";
import type { Store } from "../journal/store.js";
import type { Crypto } from "../../protocol/crypto/crypto.js";
import { hex } from "../../protocol/wire/bytes.js";
import { chargeDigest, decodeCharge, type ChargeRecord, type MeterRegister } from "../../protocol/wire/charge.js";
import { decodeSigned } from "../../protocol/wire/signed.js";

/** Where a record stands in the journal. */
interface Place { sequence: number; at: number }

/** One user at this terminal. */
export interface Stream {
  user: Uint8Array;
  /** Number of the next record, digest of the last. */
  next: number;
  head: Uint8Array;
  total: number;
  rest: number;
  /** Registers of the newest reading, or of the meter as it was fitted, by meter; and when. */
  meter: number;
  serial: string;
  registers: MeterRegister[];
  readAt: number;
  readQuality: number;
  readSequence: number;
  fittedSequence: number;
  /** The newest result applied: its number, settled through, paid in all. */
  number: number;
  through: number;
  paid: number;
  paidSequence: number;
  /** Through which record the host has it, and the number of the result that said so. Not durable: after a restart it is told again. */
  stated: number;
  seen: number;
  places: Place[];
}

export interface History { readonly journal: Journal; readonly crypto: Crypto; streams: Record<string, Stream>; /** The next sequence when room was last made in vain. */ triedAt: number }

/** A page's worth of records may have to be written again before it is given back. */
const recordRoomBytes = 1024;

/** Opens it; a damaged store says so in `journal.fault`. */
export function openHistory(store: Store, crypto: Crypto): History {
  const streams: Record<string, Stream> = {};
  const h: History = { journal: openJournal(store, crypto, (bytes, at) => takeIn(crypto, streams, bytes, at)), crypto: crypto, streams: streams, triedAt: 0 };
  return h;
}

function takeIn(crypto: Crypto, streams: Record<string, Stream>, signed: Uint8Array, at: number): void {
  const object = decodeSigned(signed);
  const x = object === undefined ? undefined : decodeCharge(object.claims);
  if (x !== undefined) applyRecord(crypto, streamIn(streams, x.user), x, signed, at);
}

function streamIn(streams: Record<string, Stream>, user: Uint8Array): Stream {
  const known = streams[hex(user)];
  if (known !== undefined) return known;
  const s: Stream = {
    user: user, next: 1, head: new Uint8Array(16), total: 0, rest: 0, meter: 0, serial: "", registers: [], readAt: 0, readQuality: 0, readSequence: 0, fittedSequence: 0, number: 0, through: 0,
    paid: 0, paidSequence: 0, stated: 0, seen: 0, places: [],
  };
  streams[hex(user)] = s;
  return s;
}

/** The user's stream; a new one where there was none. */
export function streamOf(h: History, user: Uint8Array): Stream {
  return streamIn(h.streams, user);
}

/** A record written again stands at its new place, and says nothing new. */
function applyRecord(crypto: Crypto, s: Stream, x: ChargeRecord, signed: Uint8Array, at: number): void {
  place(s, x.sequence, at);
  if (x.sequence >= s.next) {
    s.next = x.sequence + 1;
    s.head = chargeDigest(crypto, signed);
    s.total = x.total;
    s.rest = x.rest;
  }
  if ((x.what === "reading" || x.what === "fitted") && x.sequence > s.readSequence) {
    s.readSequence = x.sequence;
    s.meter = x.meter; s.registers = x.what === "reading" ? x.registers : x.opening; s.readAt = x.at; s.readQuality = x.quality;
  }
  if (x.what === "fitted" && x.sequence > s.fittedSequence) { s.fittedSequence = x.sequence; s.serial = x.serial; }
  if (x.what === "paid" && x.number > s.number) { s.number = x.number; s.through = x.through; s.paid = x.paid; s.paidSequence = x.sequence; s.stated = Math.max(s.stated, x.through); s.seen = Math.max(s.seen, x.number); }
}

function place(s: Stream, sequence: number, at: number): void {
  for (const p of s.places) if (p.sequence === sequence) { p.at = at; return; }
  s.places.push({ sequence: sequence, at: at });
  for (let i = s.places.length - 1; i > 0 && s.places[i - 1]!.sequence > sequence; i--) {
    s.places[i] = s.places[i - 1]!;
    s.places[i - 1] = { sequence: sequence, at: at };
  }
}

// ---- writing -------------------------------------------------------------------------------------------------------------------------

/** Durable when this returns true; false when there is no room. Throws what the store throws. */
export function keepRecord(h: History, x: ChargeRecord, signed: Uint8Array): boolean {
  if (!hasRoom(h, x.what)) return false;
  const at = append(h.journal, signed, true);
  applyRecord(h.crypto, streamOf(h, x.user), x, signed, at);
  return true;
}

/** Is there room for another record of this kind, after giving back what may be? A result finds room where nothing else does. */
export function hasRoom(h: History, what: ChargeRecord["what"]): boolean {
  if (h.journal.fault !== undefined) return false;
  while (!roomFor(h.journal, recordRoomBytes, 2)) {
    if (h.triedAt === h.journal.next || !giveBack(h)) { h.triedAt = h.journal.next; return what === "paid" && roomFor(h.journal, recordRoomBytes, 1); }
  }
  return true;
}

/** Gives the oldest page back; false when most of it is still needed. */
function giveBack(h: History): boolean {
  const through = oldestEnds(h.journal);
  if (through === 0) return false;
  const first = firstKept(h.journal);
  const old = readFrom(h.journal, first, through - first + 1, h.journal.store.pageBytes);
  const again: { x: ChargeRecord; signed: Uint8Array }[] = [];
  let bytes = 0;
  for (let i = 0; i < old.entries.length; i++) {
    const object = decodeSigned(old.entries[i]!);
    const x = object === undefined ? undefined : decodeCharge(object.claims);
    if (x === undefined || !isNeeded(streamOf(h, x.user), x.sequence, old.first + i)) continue;
    again.push({ x: x, signed: old.entries[i]! });
    bytes += old.entries[i]!.length + 16;
  }
  if (bytes > h.journal.store.pageBytes / 2 || !roomFor(h.journal, bytes, 0)) return false;
  for (const one of again) applyRecord(h.crypto, streamOf(h, one.x.user), one.x, one.signed, append(h.journal, one.signed, false));
  flush(h.journal);
  releaseThrough(h.journal, through);
  forget(h, through);
  return true;
}

function isNeeded(s: Stream, sequence: number, at: number): boolean {
  for (const p of s.places) if (p.sequence === sequence && p.at !== at) return false;
  return sequence > s.through || sequence === s.next - 1 || sequence === s.readSequence || sequence === s.fittedSequence || sequence === s.paidSequence;
}

function forget(h: History, through: number): void {
  for (const key of Object.keys(h.streams)) {
    const s = h.streams[key]!;
    s.places = s.places.filter((p) => p.at > through);
  }
}

// ---- reading --------------------------------------------------------------------------------------------------------------------------

/** Signed records of a user from this number on that follow each other, at most `most` and `bytesMost` bytes of them. */
export function recordsFrom(h: History, s: Stream, from: number, most: number, bytesMost: number): { first: number; records: Uint8Array[] } {
  const records: Uint8Array[] = [];
  let first = from;
  let bytes = 0;
  for (const p of s.places) {
    if (p.sequence < from) continue;
    if (records.length === 0) first = p.sequence;
    else if (p.sequence !== first + records.length) break;
    if (records.length >= most) break;
    const found = readFrom(h.journal, p.at, 1, 1);
    if (found.entries.length === 0 || found.first !== p.at) break;
    bytes += found.entries[0]!.length + 3;
    if (records.length > 0 && bytes > bytesMost) break;
    records.push(found.entries[0]!);
  }
  return { first: records.length === 0 ? from : first, records: records };
}
