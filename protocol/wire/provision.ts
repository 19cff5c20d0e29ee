/**
 * How a blank board without key agreement gets its first keys (`trust.md` §3): over its serial line, from an operator's own
 * machine, the *bench*. The claim code reaches the board by that line only; what the host answers is sealed under the code
 * and the board's nonce. A bench that listens can read these first keys, so the host re-keys the board later, by another road.
 *
 * The bench leads, on the line of the taps, after a `knock` that is answered by `here`: `introduce` is answered by `board`, `claim-code` by `board-claim`, which goes to
 * the host. Its answer, the sealed package, is brought like a letter (`carry.ts`), and the confirmation fetched as its answer.
 * A board that has keys answers `introduce` and nothing else of this page.
 */
import type { Crypto } from "../crypto/crypto.js";
import { copy, equal, join, utf8 } from "./bytes.js";
import { done, fail, finish, readArray, readBytes, readText, readUint, reader, writeArray, writeBytes, writeInt, writeText, writer } from "./cbor.js";
import { decodeGroupKeys, encodeGroupKeys, type GroupKeyPackage } from "./group-keys.js";
import { directionKeys } from "./envelope-b.js";
import { readList, readOne, writeAll } from "./lists.js";
import { begin, itemsOf, start, type } from "./message.js";

/** What of `Crypto` it takes. */
export type Digests = Pick<Crypto, "sha256" | "hmac">;

/** Bench → board. `console`: a blank board opens its console on this line, for a new program; any other ignores it. */
export const introducing = { identity: 0, console: 1 } as const;
export function encodeIntroduce(what: number): Uint8Array {
  const w = start(2, type.introduce);
  writeInt(w, what);
  return finish(w);
}
/** −1 for anything else. */
export function decodeIntroduce(bytes: Uint8Array): number {
  const r = begin(bytes, type.introduce);
  const what = readUint(r);
  return done(r) && itemsOf(bytes) === 2 && what <= introducing.console ? what : -1;
}

/** What a board can do: it has AES; it verifies signatures itself; its random source is fit for keys and nonces. */
export const feature = { aes: 1, verifies: 2, random: 4 } as const;

/** Board → bench. `model`, as "puck gate"; `chip`: its serial number; `program`: CRC-32 of the bundle; `terminal`: empty while it is blank. */
export interface BoardIdentity { model: string; chip: Uint8Array; software: string; program: number; features: number; terminal: Uint8Array }
export function encodeBoard(b: BoardIdentity): Uint8Array {
  const w = start(7, type.board);
  writeText(w, b.model); writeBytes(w, b.chip); writeText(w, b.software); writeInt(w, b.program); writeInt(w, b.features); writeBytes(w, b.terminal);
  return finish(w);
}
export function decodeBoard(bytes: Uint8Array): BoardIdentity | undefined {
  const r = begin(bytes, type.board);
  const b = { model: readText(r), chip: readBytes(r), software: readText(r), program: readUint(r), features: readUint(r), terminal: readBytes(r) };
  if (b.terminal.length !== 0 && b.terminal.length !== 8) fail(r);
  return done(r) && itemsOf(bytes) === 7 ? b : undefined;
}

/** Bench → board: the claim code as `readClaimCode` gives it. */
export interface ClaimCode { lookup: string; secret: string }
export function encodeClaimCode(c: ClaimCode): Uint8Array {
  const w = start(3, type.claimCode);
  writeText(w, c.lookup); writeText(w, c.secret);
  return finish(w);
}
export function decodeClaimCode(bytes: Uint8Array): ClaimCode | undefined {
  const r = begin(bytes, type.claimCode);
  const c = { lookup: readText(r), secret: readText(r) };
  if (utf8(c.lookup).length !== 4 || utf8(c.secret).length !== 15) fail(r);
  return done(r) && itemsOf(bytes) === 3 ? c : undefined;
}

/** Board → bench, for the host: the request and its MAC under the code. */
export interface BoardClaim { request: Uint8Array; mac: Uint8Array }
export function encodeBoardClaim(c: BoardClaim): Uint8Array {
  const w = start(3, type.boardClaim);
  writeBytes(w, c.request); writeBytes(w, c.mac);
  return finish(w);
}
export function decodeBoardClaim(bytes: Uint8Array): BoardClaim | undefined {
  const r = begin(bytes, type.boardClaim);
  const c = { request: readBytes(r), mac: readBytes(r, 32) };
  return done(r) && itemsOf(bytes) === 3 ? c : undefined;
}

/** Inside the request. The nonce is of 16 random bytes and makes the keys of this claim its own. */
export interface BoardRequest { lookup: string; nonce: Uint8Array; model: string; chip: Uint8Array; software: string; features: number }
export function encodeBoardRequest(x: BoardRequest): Uint8Array {
  const w = writer();
  writeArray(w, 6);
  writeText(w, x.lookup); writeBytes(w, x.nonce); writeText(w, x.model); writeBytes(w, x.chip); writeText(w, x.software); writeInt(w, x.features);
  return finish(w);
}
export function decodeBoardRequest(bytes: Uint8Array): BoardRequest | undefined {
  const r = reader(bytes);
  readArray(r, 6);
  const x = { lookup: readText(r), nonce: readBytes(r, 16), model: readText(r), chip: readBytes(r), software: readText(r), features: readUint(r) };
  if (utf8(x.lookup).length !== 4) fail(r);
  return done(r) ? x : undefined;
}

/** What a board is given: who it is, its master and generation, keys of its group, the present epoch's first, configuration claims, the time. */
export interface BoardPackage { terminal: Uint8Array; generation: number; master: Uint8Array; groups: GroupKeyPackage[]; configuration: Uint8Array; at: number }
export function encodeBoardPackage(x: BoardPackage): Uint8Array {
  const w = writer();
  writeArray(w, 6);
  writeBytes(w, x.terminal); writeInt(w, x.generation); writeBytes(w, x.master); writeAll(w, x.groups.map((keys) => encodeGroupKeys(keys))); writeBytes(w, x.configuration); writeInt(w, x.at);
  return finish(w);
}
export function decodeBoardPackage(bytes: Uint8Array): BoardPackage | undefined {
  const r = reader(bytes);
  readArray(r, 6);
  const x: BoardPackage = { terminal: readBytes(r, 8), generation: readUint(r), master: readBytes(r, 32), groups: [], configuration: new Uint8Array(0), at: 0 };
  for (const each of readList(r, readOne)) {
    const keys = decodeGroupKeys(each);
    if (keys === undefined) fail(r); else x.groups.push(keys);
  }
  x.configuration = readBytes(r);
  x.at = readUint(r);
  return done(r) ? x : undefined;
}

// ---- under the code: HKDF by hand, since these boards have SHA-256 and little else ------------------------------------------

/** HKDF-Extract of the code's secret part, salted with the nonce (RFC 5869 §2.2); the same as `claimKeys` takes. */
export function claimSecret(crypto: Digests, secret: string, nonce: Uint8Array): Uint8Array {
  return crypto.hmac(nonce, utf8(secret));
}

function expand(crypto: Digests, secret: Uint8Array, info: Uint8Array, length: number): Uint8Array {
  const blocks: Uint8Array[] = [];
  let block = new Uint8Array(0);
  for (let i = 1; blocks.length * 32 < length; i++) {
    block = crypto.hmac(secret, join([block, info, new Uint8Array([i])]));
    blocks.push(block);
  }
  return copy(join(blocks), 0, length);
}

export function requestMac(crypto: Digests, secret: Uint8Array, request: Uint8Array): Uint8Array {
  return crypto.hmac(expand(crypto, secret, utf8("kaisatsu claim request"), 32), request);
}

/**
 * The package under a key stream and a MAC, text first. The stream is of this request alone, so that the nonce of a careless
 * board, come again with another request, covers no second text; AES is not asked for, because not every board has it.
 */
export function sealPackage(crypto: Digests, secret: Uint8Array, request: Uint8Array, text: Uint8Array): Uint8Array {
  const sealed = covered(crypto, secret, request, text);
  return join([sealed, answerMac(crypto, secret, request, sealed)]);
}
/** The package, or undefined when it is not for this request and code. At most 8,160 bytes. */
export function openPackage(crypto: Digests, secret: Uint8Array, request: Uint8Array, bytes: Uint8Array): Uint8Array | undefined {
  const end = bytes.length - 32;
  if (end < 1 || end > 8160) return undefined;
  const sealed = bytes.subarray(0, end);
  return equal(answerMac(crypto, secret, request, sealed), bytes.subarray(end)) ? covered(crypto, secret, request, sealed) : undefined;
}

function covered(crypto: Digests, secret: Uint8Array, request: Uint8Array, text: Uint8Array): Uint8Array {
  const stream = expand(crypto, secret, join([utf8("kaisatsu board package"), crypto.sha256(request)]), text.length);
  for (let i = 0; i < text.length; i++) stream[i] = stream[i]! ^ text[i]!;
  return stream;
}
function answerMac(crypto: Digests, secret: Uint8Array, request: Uint8Array, sealed: Uint8Array): Uint8Array {
  return crypto.hmac(expand(crypto, secret, utf8("kaisatsu claim answer"), 32), join([request, sealed]));
}

/** What the board says, and the host expects, once the package is on its pages and read back: 32 bytes under the new master. */
export function confirmation(crypto: Digests, x: Pick<BoardPackage, "master" | "generation">, request: Uint8Array, sealed: Uint8Array): Uint8Array {
  const keys = directionKeys(crypto, x.master, x.generation, true);
  return crypto.hmac(keys.mac, join([utf8("kaisatsu board confirms"), crypto.sha256(request), crypto.sha256(sealed)]));
}

/** Bench → host: the board of this terminal id has confirmed. */
export interface BoardConfirmed { terminal: Uint8Array; mac: Uint8Array }
export function encodeBoardConfirmed(x: BoardConfirmed): Uint8Array {
  const w = writer();
  writeArray(w, 2);
  writeBytes(w, x.terminal); writeBytes(w, x.mac);
  return finish(w);
}
export function decodeBoardConfirmed(bytes: Uint8Array): BoardConfirmed | undefined {
  const r = reader(bytes);
  readArray(r, 2);
  const x = { terminal: readBytes(r, 8), mac: readBytes(r, 32) };
  return done(r) ? x : undefined;
}
