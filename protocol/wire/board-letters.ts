/**
 * News for a board that verifies no signatures (profile B): what a pull brings a Pi as signed objects comes to it inside an
 * envelope that only the host can have made (`envelope-b.ts`), a little at a time, because its letters are of 512 bytes.
 *
 * Everything has a number that only rises; the board says what it holds, and the host answers with what fits of the rest.
 */
import { done, fail, finish, readArray, readBool, readBytes, readNull, readUint, reading, writeArray, writeBool, writeBytes, writeInt, writeNull, writer } from "./cbor.js";
import { readOptional, writeOptional } from "./lists.js";
import { limits } from "../limits.js";

/** What the board holds. `arriving`, `from`: number of the list whose first bytes are here, and how many; 0 for none. */
export interface PullBoard { configuration: number; generation: number; epoch: number; list: number; arriving: number; from: number }
export function encodePullBoard(p: PullBoard): Uint8Array {
  const w = writer();
  writeArray(w, 6);
  writeInt(w, p.configuration); writeInt(w, p.generation); writeInt(w, p.epoch); writeInt(w, p.list); writeInt(w, p.arriving); writeInt(w, p.from);
  return finish(w);
}
export function decodePullBoard(body: Uint8Array): PullBoard | undefined {
  const r = reading(body);
  readArray(r, 6);
  const p = { configuration: readUint(r), generation: readUint(r), epoch: readUint(r), list: readUint(r), arriving: readUint(r), from: readUint(r) };
  return done(r) ? p : undefined;
}

/** Bytes `from` … of list `number`, of `total`; `digest`: the first 8 bytes of the whole list's SHA-256. */
export interface ListPiece { number: number; total: number; from: number; digest: Uint8Array; bytes: Uint8Array }

/**
 * `at`, `epoch`: the time, and the group's epoch of now. `configuration`: claims as in `trust.ts`. `group`: keys of one epoch (`group-keys.ts`). `master`: the next generation of the
 * board's own master. Empty or undefined for what is not new; `more`: something did not fit, ask again.
 */
export interface NewsBoard {
  at: number; epoch: number; more: boolean; configuration: Uint8Array; group: Uint8Array;
  master: { generation: number; master: Uint8Array } | undefined;
  piece: ListPiece | undefined;
}
export function encodeNewsBoard(n: NewsBoard): Uint8Array {
  const w = writer();
  writeArray(w, 7);
  writeInt(w, n.at); writeInt(w, n.epoch); writeBool(w, n.more); writeOptional(w, n.configuration); writeOptional(w, n.group);
  if (n.master === undefined) writeNull(w);
  else { writeArray(w, 2); writeInt(w, n.master.generation); writeBytes(w, n.master.master); }
  if (n.piece === undefined) writeNull(w);
  else { writeArray(w, 5); writeInt(w, n.piece.number); writeInt(w, n.piece.total); writeInt(w, n.piece.from); writeBytes(w, n.piece.digest); writeBytes(w, n.piece.bytes); }
  return finish(w);
}
export function decodeNewsBoard(body: Uint8Array): NewsBoard | undefined {
  const r = reading(body);
  readArray(r, 7);
  const n = { at: readUint(r), epoch: readUint(r), more: readBool(r), configuration: readOptional(r), group: readOptional(r) } as NewsBoard;
  n.master = undefined;
  if (!readNull(r)) { readArray(r, 2); n.master = { generation: readUint(r), master: readBytes(r, 32) }; }
  n.piece = undefined;
  if (!readNull(r)) {
    readArray(r, 5);
    const p = { number: readUint(r), total: readUint(r), from: readUint(r), digest: readBytes(r, 8), bytes: readBytes(r) };
    if (p.total < 1 || p.total > limits.statusListBytesMax || p.bytes.length === 0) fail(r);
    n.piece = p;
  }
  return done(r) ? n : undefined;
}
