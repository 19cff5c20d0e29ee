/**
 * The terminal's half of carrying letters (`protocol/wire/carry.ts`): it hands out its own, takes what is brought to it, and
 * where it has a network passes on those of others and keeps their answers until they are fetched (U3, S7).
 *
 * Nothing here has to survive a restart: whoever carries still has the letter, and brings it again.
 */
import type { Crypto } from "../../protocol/crypto/crypto.js";
import { limits } from "../../protocol/limits.js";
import { equal } from "../../protocol/wire/bytes.js";
import {
  brought, decodeBring, decodeFetch, decodeKnock, encodeBrought, encodeHere, encodePiece, fetching, isWhole, letterId, pieceOf, pieceOverheadBytes, takePiece, type Arriving, type Fetch, type Piece,
} from "../../protocol/wire/carry.js";
import { messageType, type } from "../../protocol/wire/message.js";

const none = new Uint8Array(0);

export interface Kept { id: Uint8Array; bytes: Uint8Array }

/** What the terminal itself does with letters. */
export interface Desk {
  /** Letters of its own that want to be carried away. */
  letters(): Uint8Array[];
  /** Opens one that was brought: `mine` with an answer or none; else it is somebody else's. */
  take(letter: Uint8Array): { mine: boolean; answer: Uint8Array };
  /** It has a network, and passes on. */
  passesOn(): boolean;
  /** `[kid, claims, signature]`, or empty. */
  certificate(): Uint8Array;
}

export interface Post {
  readonly crypto: Crypto;
  /** Longest message and letter that this machine holds. */
  readonly messageBytesMax: number;
  readonly letterBytesMax: number;
  arriving: Arriving | undefined;
  /** Own letters as they were offered in this meeting. */
  out: Kept[];
  /** Answers by the id of their letter, oldest first. */
  answers: Kept[];
  /** Letters of others that wait for the network. */
  passing: Kept[];
}

export function makePost(crypto: Crypto, messageBytesMax: number, letterBytesMax: number): Post {
  return { crypto: crypto, messageBytesMax: messageBytesMax, letterBytesMax: letterBytesMax, arriving: undefined, out: [], answers: [], passing: [] };
}

function isAboutLetters(message: Uint8Array): boolean {
  const number = messageType(message);
  return number === type.knock || number === type.fetch || number === type.bring;
}

/** The answer to a handset's message; undefined for one that does not fit. */
function answerCarrier(p: Post, desk: Desk, message: Uint8Array): Uint8Array | undefined {
  if (messageType(message) === type.knock) {
    const nonce = decodeKnock(message);
    return nonce === undefined ? undefined : encodeHere({ nonce: nonce, passesOn: desk.passesOn(), certificate: desk.certificate() });
  }
  if (messageType(message) === type.fetch) {
    const f = decodeFetch(message);
    return f === undefined ? undefined : encodePiece(f.what === fetching.answer ? pieceFrom(p, find(p.answers, f.letter), f) : ownPiece(p, desk, f));
  }
  const piece = decodeBring(message);
  return piece === undefined ? undefined : bring(p, desk, piece);
}

function find(list: readonly Kept[], id: Uint8Array): Kept | undefined {
  for (const x of list) if (equal(x.id, id)) return x;
  return undefined;
}

function pieceFrom(p: Post, x: Kept | undefined, f: Fetch): Piece | undefined {
  if (x === undefined || f.from >= x.bytes.length) return undefined;
  return pieceOf(x.id, x.bytes, f.from, Math.min(f.most, p.messageBytesMax - pieceOverheadBytes));
}

/** Asked for the first, the letters are made anew: each meeting sees what is to be said now. */
function ownPiece(p: Post, desk: Desk, f: Fetch): Piece | undefined {
  if (f.letter.length === 0) p.out = desk.letters().map((bytes) => ({ id: letterId(p.crypto, bytes), bytes: bytes }));
  let at = 0;
  while (at < p.out.length && f.letter.length > 0 && !equal(p.out[at]!.id, f.letter)) at++;
  const x = p.out[at];
  if (x === undefined) return undefined;
  if (f.letter.length > 0 && f.from >= x.bytes.length) return p.out[at + 1] === undefined ? undefined : pieceFrom(p, p.out[at + 1], { what: f.what, letter: none, from: 0, most: f.most });
  return pieceFrom(p, x, f);
}

function bring(p: Post, desk: Desk, piece: Piece): Uint8Array {
  if (find(p.answers, piece.letter) !== undefined || find(p.passing, piece.letter) !== undefined) return said(p, piece.letter, piece.total, brought.taken);
  if (piece.total > p.letterBytesMax) return said(p, piece.letter, 0, brought.unwanted);
  p.arriving = takePiece(p.arriving, piece, p.letterBytesMax);
  const a = p.arriving;
  if (a === undefined || !equal(a.letter, piece.letter)) return said(p, piece.letter, 0, brought.more);
  if (!isWhole(a)) return said(p, piece.letter, a.have, brought.more);
  p.arriving = undefined;
  if (!equal(letterId(p.crypto, a.bytes), a.letter)) return said(p, piece.letter, 0, brought.more);
  return said(p, piece.letter, a.have, deal(p, desk, { id: a.letter, bytes: a.bytes }));
}

function deal(p: Post, desk: Desk, x: Kept): number {
  const taken = desk.take(x.bytes);
  if (taken.mine) {
    if (taken.answer.length > 0) keepAnswer(p, x.id, taken.answer);
    return brought.taken;
  }
  if (!desk.passesOn()) return brought.unwanted;
  if (p.passing.length >= limits.passedLettersMax) return brought.later;
  p.passing.push(x);
  return brought.taken;
}

function keepAnswer(p: Post, id: Uint8Array, answer: Uint8Array): void {
  p.answers = p.answers.filter((x) => !equal(x.id, id));
  p.answers.push({ id: id, bytes: answer });
  if (p.answers.length > limits.passedLettersMax) p.answers.shift();
}

function said(p: Post, letter: Uint8Array, have: number, code: number): Uint8Array {
  return encodeBrought({ letter: letter, have: have, most: p.messageBytesMax - pieceOverheadBytes, code: code });
}

// ---- the network's side ------------------------------------------------------------------------------------------------------------

/** The next letter of somebody else to post; `passed` tells what came of it. */
export function nextPassing(p: Post): Kept | undefined {
  return p.passing[0];
}
/** The host's answer, or undefined: nobody was reached, or nothing was said. The carrier brings the letter again if it wants. */
export function passed(p: Post, id: Uint8Array, answer: Uint8Array | undefined): void {
  p.passing = p.passing.filter((x) => !equal(x.id, id));
  if (answer !== undefined && answer.length <= p.letterBytesMax) keepAnswer(p, id, answer);
}


/** What a terminal says to messages that are no part of a tap. */
export function carrying(p: Post, desk: Desk): (message: Uint8Array) => Uint8Array | undefined {
  return (message) => (isAboutLetters(message) ? answerCarrier(p, desk, message) : undefined);
}
