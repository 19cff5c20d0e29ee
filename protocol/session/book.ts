/**
 * What a terminal knows, as the verifier asks for it: the journal, the status list, notices of neighbours, certificates.
 *
 * The verifier never stores anything itself. It asks this page, answers with entries to append, and trusts that an entry
 * whose append was acknowledged is seen by the next question. The runtime keeps the book on top of its journal; tests
 * keep one in memory. Every answer is plain and at once: a book is an index in memory, not a search on a disk.
 */
import type { Crypto } from "../crypto/crypto.js";
import type { SignedClaims, TerminalCertificate } from "../wire/certificate.js";

/** Step of the offline ladder (`trust.md` §2): the age of the older of configuration and status list. */
export type Ladder = "fresh" | "offline" | "reduced" | "closed";

/** What own journal and neighbours together say of a value: the last use that anyone here heard of. */
export interface UseNotice {
  /** Highest counter finished or heard; 0 when only beacons were. */
  counter: number;
  /** What this terminal itself accepted on `baseCounter`, in the value's unit. */
  spentOnBase: number;
  baseCounter: number;
  /** Uses finished here on the present UTC day. */
  usesToday: number;
  /** Of the newest use; 0 when not known. */
  lastAction: number;
  lastAt: number;
  /** Highest seen. */
  ownerSequence: number;
  /** Uses by beacon, outside the counter chain. */
  beaconUses: number;
}

/**
 * `finished`: recorded, outcome still open in this boot. `unknown`: recorded, and power was cut before the outcome.
 * `reopened`: opened once more, outcome still open. The others are outcomes.
 */
export type FinishedOutcome = "finished" | "turned" | "not_turned" | "unknown" | "reversed" | "reopened";

/** A signed or MACed reversal as the journal keeps it. */
export interface KeptReversal { reversal: Uint8Array; at: number; proof: Uint8Array }

/** What the own journal says of one use: the record that finished it, and what became of it. */
export interface FinishedUse {
  outcome: FinishedOutcome;
  profile: "A" | "B";
  /** Of the record. */
  at: number;
  /** False when another terminal made the receipt: `tap` and `closed` are then not of one row. */
  own: boolean;
  tap: number;
  until: number;
  /** digest16 of the receipt. */
  receiptDigest: Uint8Array;
  valueId: Uint8Array;
  counter: number;
  /** Times the gate opened once more for it after a power cut. */
  reopened: number;
  /** With outcome `reversed`. */
  reversal: KeptReversal | undefined;
}

/** A terminal that this one knows: itself (under any of its certificates), or one of its operator's. */
export interface KnownTerminal { own: boolean; certificate: TerminalCertificate | undefined }

export interface Book {
  /** 0 good, 1 revoked, 2 suspended, undefined: no list, or not readable. */
  status(statusIndex: number): 0 | 1 | 2 | undefined;
  ladder(): Ladder;
  /** `today`: the present UTC day. */
  notice(valueId: Uint8Array, today: number): UseNotice | undefined;
  /** From the own journal only. */
  finished(valueId: Uint8Array, counter: number): FinishedUse | undefined;
  /** To whom this terminal gave the right to finish a receipt (the last handover entry), by certificate or terminal id. */
  handedTo(valueId: Uint8Array, counter: number): Uint8Array | undefined;
  /** Money taken here on this UTC day, in minor units, that the host has not heard of yet. */
  takenToday(today: number): number;
  /** Tap numbers up to this one are closed for ever. */
  closed(): number;
  /** By what receipts name it: certificate id (A) or terminal id (B). */
  terminal(id: Uint8Array): KnownTerminal | undefined;
  /** No room for one more record, its outcome and a reversal. */
  journalFull(): boolean;
  /** No room for a value that has no notice yet. */
  noticesFull(): boolean;
  /** The oldest use here, of these profiles, that is *not turned* and whose time to pass again is over at `at`; asked when idle. */
  overdue(at: number, quality: number, profiles: readonly { letter: string }[]): FinishedUse | undefined;
  /** One-way class: has this (value, step) been accepted, and when was the value last accepted in this zone? */
  beaconSeen(valueId: Uint8Array, step: number): boolean;
  lastBeacon(valueId: Uint8Array, zone: number): { action: number; at: number } | undefined;
  /** The host answered within the last minute. */
  onLine(): boolean;
}

/** Handed to every step: the moment, the machine's cryptography, and the book. */
export interface Given {
  /** Monotonic milliseconds, for deadlines. */
  nowMs: number;
  /** UTC seconds and their quality 0–3; at quality 0 a time that is surely past, or 0. */
  at: number;
  quality: number;
  crypto: Crypto;
  book: Book;
}

/** A public key of the provider, found by its short id. */
export interface ProviderKey { kid: Uint8Array; publicKey: Uint8Array }

/** A certificate as it travels and as it reads. */
export interface HeldCertificate { signed: SignedClaims; decoded: TerminalCertificate }
