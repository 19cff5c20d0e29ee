/**
 * What a small board says on its line beside taps: who it is, how it gets its first keys (`provision.ts`), and letters that
 * others carry between it and the host (`carry.ts`). The board's main page routes messages by type: those of `isService` come
 * here, and each is answered by at most one message, sent `{ first: false, last: false }`; all others are the terminal's.
 *
 * A blank board has a nonce, and after a claim code a request; a board with keys has letters, and answers no claim.
 */
import { isWhole, brought, decodeBring, decodeFetch, decodeKnock, encodeBrought, encodeHere, encodePiece, fetching, takePiece, type Arriving } from "../protocol/wire/carry.js";
import { limits } from "../protocol/limits.js";
import { equal } from "../protocol/wire/bytes.js";
import { messageType, type } from "../protocol/wire/message.js";
import {
  claimSecret, confirmation, decodeBoardPackage, decodeClaimCode, decodeIntroduce, encodeBoard, encodeBoardClaim, encodeBoardRequest, introducing, openPackage, requestMac, type BoardIdentity,
  type BoardPackage, type Digests,
} from "../protocol/wire/provision.js";
import { letterOf, pieceAt, takeAnswerB, type BoardSync } from "./sync/board-sync.js";

/** What the board's main page does for it. */
export interface ServiceHooks {
  random(length: number): Uint8Array;
  /** Keys to their pages, durably, read back; true when they are there. The console closes for good. Answers the new sync. */
  install(given: BoardPackage): BoardSync | undefined;
  /** Only asked of a blank board. */
  openConsole(): void;
}

export interface Service {
  readonly crypto: Digests;
  readonly hooks: ServiceHooks;
  identity: BoardIdentity;
  /** Undefined while the board is blank. */
  sync: BoardSync | undefined;
  claim: { request: Uint8Array; secret: Uint8Array } | undefined;
  /** What was made of a letter that was brought, for whoever asks again or fetches it: the confirmation of a package. */
  answered: { id: Uint8Array; bytes: Uint8Array } | undefined;
  arriving: Arriving | undefined;
}

export function makeService(crypto: Digests, hooks: ServiceHooks, identity: BoardIdentity, sync: BoardSync | undefined): Service {
  return { crypto: crypto, hooks: hooks, identity: identity, sync: sync, claim: undefined, answered: undefined, arriving: undefined };
}

export function isService(message: Uint8Array): boolean {
  const number = messageType(message);
  return number === type.knock || number === type.fetch || number === type.bring || number === type.introduce || number === type.claimCode;
}

/** One message of a bench or courier; the answer, or undefined for none. */
export function hearService(s: Service, message: Uint8Array): Uint8Array | undefined {
  switch (messageType(message)) {
    case type.knock: return here(s, message);
    case type.introduce: return introduce(s, message);
    case type.claimCode: return claimWith(s, message);
    case type.fetch: return fetchFrom(s, message);
    case type.bring: return takeBrought(s, message);
  }
  return undefined;
}

/** A board passes on nothing of others, and has no certificate. Whoever comes may bring news. */
function here(s: Service, message: Uint8Array): Uint8Array | undefined {
  const nonce = decodeKnock(message);
  if (s.sync !== undefined) s.sync.isUpToDate = false;
  return nonce === undefined ? undefined : encodeHere({ nonce: nonce, passesOn: false, certificate: new Uint8Array(0) });
}

function introduce(s: Service, message: Uint8Array): Uint8Array | undefined {
  const what = decodeIntroduce(message);
  if (what < 0) return undefined;
  if (what === introducing.console && s.sync === undefined) s.hooks.openConsole();
  return encodeBoard(s.identity);
}

/** Each code makes a request with a nonce of its own: whoever breaks off begins anew. */
function claimWith(s: Service, message: Uint8Array): Uint8Array | undefined {
  const code = decodeClaimCode(message);
  if (code === undefined || s.sync !== undefined) return undefined;
  const b = s.identity;
  const nonce = s.hooks.random(16);
  const secret = claimSecret(s.crypto, code.secret, nonce);
  const request = encodeBoardRequest({ lookup: code.lookup, nonce: nonce, model: b.model, chip: b.chip, software: b.software, features: b.features });
  s.claim = { request: request, secret: secret };
  s.answered = undefined;
  return encodeBoardClaim({ request: request, mac: requestMac(s.crypto, secret, request) });
}

function fetchFrom(s: Service, message: Uint8Array): Uint8Array | undefined {
  const f = decodeFetch(message);
  if (f === undefined) return undefined;
  if (f.what === fetching.answer) {
    const held = s.answered;
    return encodePiece(held === undefined || !equal(held.id, f.letter) ? undefined : pieceAt(held, f.from, f.most));
  }
  if (s.sync === undefined) return encodePiece(undefined);
  const letter = letterOf(s.sync);
  return encodePiece(letter === undefined || f.letter.length > 0 && !equal(f.letter, letter.id) ? undefined : pieceAt(letter, f.from, f.most));
}

function takeBrought(s: Service, message: Uint8Array): Uint8Array | undefined {
  const piece = decodeBring(message);
  if (piece === undefined) return undefined;
  const most = pieceBytesMax;
  if (s.answered !== undefined && equal(s.answered.id, piece.letter)) return encodeBrought({ letter: piece.letter, have: piece.total, most: most, code: brought.taken });
  s.arriving = takePiece(s.arriving, piece, bytesMax);
  const a = s.arriving;
  if (a === undefined || !equal(a.letter, piece.letter)) return encodeBrought({ letter: piece.letter, have: 0, most: most, code: piece.total > bytesMax ? brought.unwanted : brought.more });
  if (!isWhole(a)) return encodeBrought({ letter: piece.letter, have: a.have, most: most, code: brought.more });
  s.arriving = undefined;
  const taken = s.sync !== undefined ? takeAnswerB(s.sync, a.bytes) : installFrom(s, piece.letter, a.bytes);
  return encodeBrought({ letter: piece.letter, have: a.have, most: most, code: taken ? brought.taken : brought.unwanted });
}
/** A package with keys of three epochs, and what of it one message carries. */
const bytesMax = 1536;
const pieceBytesMax = limits.envelopeToBoardBytesMax - 64;

/** Sealed for this claim, or nothing happens. */
function installFrom(s: Service, id: Uint8Array, bytes: Uint8Array): boolean {
  const claim = s.claim;
  const text = claim === undefined ? undefined : openPackage(s.crypto, claim.secret, claim.request, bytes);
  const given = text === undefined ? undefined : decodeBoardPackage(text);
  if (claim === undefined || given === undefined) return false;
  const sync = s.hooks.install(given);
  if (sync === undefined) return false;
  s.answered = { id: id, bytes: confirmation(s.crypto, given, claim.request, bytes) };
  s.claim = undefined;
  s.sync = sync;
  s.identity.terminal = given.terminal;
  return true;
}
