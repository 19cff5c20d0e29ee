/**
 * How sealed letters travel over the local link, both ways, in pieces that fit a message (S7, claims 37 and 38).
 *
 * The handset leads and the terminal answers each of its messages by one of its own: `knock` by `here`, `fetch` by a `piece`,
 * `bring` by `brought`. No tap is begun for it, so a till that waits for an amount, or a meter that takes no value, answers too. Whoever carries sees only bytes, an id that is their digest, and their number: a letter is an envelope
 * (`envelope.ts`) or a board's COSE_Encrypt0, and what stands in it, or is missing, only sender and recipient can tell.
 * Nothing here has a state that a lost or repeated message could harm: a piece says where it belongs, the same piece
 * again changes nothing, and a meeting that was broken off goes on, or begins anew, at whatever byte the asker names.
 *
 * The terminal knows by a letter's recipient whether it is for itself or to be passed on. Its answer is fetched by the id of
 * the letter that it answers, in this meeting or a later one, from whoever has it by then.
 */
import type { Crypto } from "../crypto/crypto.js";
import { assert } from "../assert.js";
import { limits } from "../limits.js";
import { copy, equal } from "./bytes.js";
import {
  done, fail, finish, readArray, readBool, readBytes, readNull, readText, readUint, reader, writeArray, writeBool, writeBytes, writeInt, writeNull, writeText, writer, type Reader, type Writer,
} from "./cbor.js";
import { begin, itemsOf, start, type } from "./message.js";
import { readList, readOptional, writeOptional } from "./lists.js";

/** The bytes of a message around those of the letter, at most. */
export const pieceOverheadBytes = 24;

/** A letter's id: the first 8 bytes of its SHA-256. It finds a letter and shows one that was garbled; it proves nothing. */
export function letterId(crypto: Pick<Crypto, "sha256">, letter: Uint8Array): Uint8Array {
  return copy(crypto.sha256(letter), 0, 8);
}

/** Handset → terminal, first of a session: 8 bytes never the same twice, so that it is not taken for a repetition. */
export function encodeKnock(nonce: Uint8Array): Uint8Array {
  const w = start(2, type.knock);
  writeBytes(w, nonce);
  return finish(w);
}
export function decodeKnock(bytes: Uint8Array): Uint8Array | undefined {
  const r = begin(bytes, type.knock);
  const nonce = readBytes(r, 8);
  return done(r) && itemsOf(bytes) === 2 ? nonce : undefined;
}

/** Terminal → handset: the knock's nonce, whether letters of others are passed on, and the certificate, empty at a board without one. */
export interface Here { nonce: Uint8Array; passesOn: boolean; certificate: Uint8Array }
export function encodeHere(h: Here): Uint8Array {
  const w = start(4, type.here);
  writeBytes(w, h.nonce); writeBool(w, h.passesOn); writeOptional(w, h.certificate);
  return finish(w);
}
export function decodeHere(bytes: Uint8Array): Here | undefined {
  const r = begin(bytes, type.here);
  const h = { nonce: readBytes(r, 8), passesOn: readBool(r), certificate: readOptional(r) };
  return done(r) && itemsOf(bytes) === 4 ? h : undefined;
}

/** What is fetched: a letter that this terminal wants carried away, or the answer to one that was brought. */
export const fetching = { letter: 0, answer: 1 } as const;

/**
 * Handset → terminal. Of letters, `letter` may be empty: the first; asked from the end of one, the terminal gives the
 * beginning of the next. `most`: bytes of the letter that one message may hold.
 */
export interface Fetch { what: number; letter: Uint8Array; from: number; most: number }
export function encodeFetch(f: Fetch): Uint8Array {
  const w = start(5, type.fetch);
  writeInt(w, f.what); writeBytes(w, f.letter); writeInt(w, f.from); writeInt(w, f.most);
  return finish(w);
}
export function decodeFetch(bytes: Uint8Array): Fetch | undefined {
  const r = begin(bytes, type.fetch);
  const f = { what: readUint(r), letter: readBytes(r), from: readUint(r), most: readUint(r) };
  if (f.what > fetching.answer || (f.letter.length !== 8 && (f.what === fetching.answer || f.letter.length !== 0))) fail(r);
  if (f.from > limits.envelopeBytesMax || f.most < 1 || f.most > limits.messageBytesMax) fail(r);
  return done(r) && itemsOf(bytes) === 5 ? f : undefined;
}

/** Bytes `from` … of a letter of `total` bytes. Of an answer, `letter` is the id of the letter that it answers. */
export interface Piece { letter: Uint8Array; total: number; from: number; bytes: Uint8Array }

/** Terminal → handset; undefined stands for *nothing to fetch, or not yet*. */
export function encodePiece(p: Piece | undefined): Uint8Array {
  const w = start(p === undefined ? 1 : 5, type.piece);
  if (p !== undefined) writePiece(w, p);
  return finish(w);
}
/** `"none"` for nothing to fetch; undefined for what is no piece. */
export function decodePiece(bytes: Uint8Array): Piece | "none" | undefined {
  const r = begin(bytes, type.piece);
  if (itemsOf(bytes) === 1) return done(r) ? "none" : undefined;
  const p = readPiece(r);
  return done(r) && itemsOf(bytes) === 5 ? p : undefined;
}

/** Handset → terminal: a piece of a letter for this terminal, or to be passed on. */
export function encodeBring(p: Piece): Uint8Array {
  const w = start(5, type.bring);
  writePiece(w, p);
  return finish(w);
}
export function decodeBring(bytes: Uint8Array): Piece | undefined {
  const r = begin(bytes, type.bring);
  const p = readPiece(r);
  return done(r) && itemsOf(bytes) === 5 ? p : undefined;
}

function writePiece(w: Writer, p: Piece): void {
  writeBytes(w, p.letter); writeInt(w, p.total); writeInt(w, p.from); writeBytes(w, p.bytes);
}
function readPiece(r: Reader): Piece {
  const p = { letter: readBytes(r, 8), total: readUint(r), from: readUint(r), bytes: readBytes(r) };
  if (p.total < 1 || p.total > limits.envelopeBytesMax || p.from >= limits.envelopeBytesMax || p.bytes.length < 1) fail(r);
  return p;
}

/** `more`: go on from `have`. `taken`: whole, and kept or dealt with. `unwanted`: not for me, and I pass nothing on. `later`: no room now. */
export const brought = { more: 0, taken: 1, unwanted: 2, later: 3 } as const;

/** Terminal → handset: how much of the letter is here, how many bytes the next message may hold, and what came of it. */
export interface Brought { letter: Uint8Array; have: number; most: number; code: number }
export function encodeBrought(b: Brought): Uint8Array {
  const w = start(5, type.brought);
  writeBytes(w, b.letter); writeInt(w, b.have); writeInt(w, b.most); writeInt(w, b.code);
  return finish(w);
}
export function decodeBrought(bytes: Uint8Array): Brought | undefined {
  const r = begin(bytes, type.brought);
  const b = { letter: readBytes(r, 8), have: readUint(r), most: readUint(r), code: readUint(r) };
  if (b.have > limits.envelopeBytesMax || b.most < 1 || b.most > limits.messageBytesMax || b.code > brought.later) fail(r);
  return done(r) && itemsOf(bytes) === 5 ? b : undefined;
}

// ---- cutting and joining ----------------------------------------------------------------------------------------------------

/** The piece of a letter that begins at `from`, below its end. */
export function pieceOf(id: Uint8Array, letter: Uint8Array, from: number, most: number): Piece {
  assert(from < letter.length && most > 0, "a piece has bytes");
  return { letter: id, total: letter.length, from: from, bytes: copy(letter, from, Math.min(letter.length, from + most)) };
}

/** A letter of which the first `have` bytes are here. */
export interface Arriving { letter: Uint8Array; bytes: Uint8Array; have: number }

/**
 * Takes a piece. One that begins a letter takes the place of whatever was arriving; one that continues it is added; any
 * other changes nothing. Undefined while nothing arrives, and for a letter longer than `bytesMax`, of which nothing is kept.
 */
export function takePiece(a: Arriving | undefined, p: Piece, bytesMax: number): Arriving | undefined {
  const same = a !== undefined && equal(a.letter, p.letter) && a.bytes.length === p.total;
  if (same && p.from !== a.have) return a;
  if (!same && (p.from !== 0 || p.total > bytesMax)) return p.total > bytesMax ? undefined : a;
  const into = same ? a : { letter: p.letter, bytes: new Uint8Array(p.total), have: 0 };
  if (p.from + p.bytes.length > p.total) return same ? a : undefined;
  into.bytes.set(p.bytes, p.from);
  into.have += p.bytes.length;
  return into;
}

export function isWhole(a: Arriving): boolean {
  return a.have === a.bytes.length;
}

// ---- a memory card ------------------------------------------------------------------------------------------------------------

/** A letter on its way, and its answer on the way back; `answer` is empty until it has one. */
export interface Carried { letter: Uint8Array; answer: Uint8Array }

/** Letters as a file: the card that is carried by hand. Nobody needs to trust it, or whoever had it. */
export function encodeCard(letters: readonly Carried[]): Uint8Array {
  const w = writer();
  writeArray(w, 2);
  writeText(w, cardName);
  writeArray(w, letters.length);
  for (const x of letters) {
    writeArray(w, 2);
    writeBytes(w, x.letter);
    if (x.answer.length === 0) writeNull(w); else writeBytes(w, x.answer);
  }
  return finish(w);
}
export function decodeCard(bytes: Uint8Array): Carried[] | undefined {
  const r = reader(bytes);
  readArray(r, 2);
  if (readText(r) !== cardName) fail(r);
  const letters = readList(r, readCarried);
  return done(r) && letters.length <= limits.carriedLettersMax ? letters : undefined;
}
const cardName = "kaisatsu letters 1";
function readCarried(r: Reader): Carried {
  readArray(r, 2);
  const letter = readBytes(r);
  const answer = readNull(r) ? new Uint8Array(0) : readBytes(r);
  if (letter.length < 1 || letter.length > limits.envelopeBytesMax || answer.length > limits.envelopeBytesMax) fail(r);
  return { letter: letter, answer: answer };
}
