/**
 * The envelope of boards without signatures (S6, `trust.md` §5): sender and recipient are the key. COSE_Encrypt0 under
 * AES-CCM-16-128-128, or, for a board that has no AES, COSE_Mac0 under HMAC-SHA-256: authenticated and readable, so it must
 * hold no personal data.
 *
 * Each direction and generation of a terminal's 32-byte master has keys of its own, so the sequence alone, as the partial IV,
 * is the nonce: whoever numbers no two messages alike never uses one twice. The message inside names the terminal as its
 * recipient in both directions, and the sequence again.
 */
import type { Ccm } from "../crypto/ccm.js";
import type { Crypto } from "../crypto/crypto.js";
import { copy, equal, join, utf8 } from "./bytes.js";
import { done, finish, readBytes, readInt, readMap, reader, writeBytes, writeInt, writeMap, writer } from "./cbor.js";
import { algorithm, coseTag, decodeEncrypt0, decodeMac0, emptyMap, encodeEncrypt0, encodeMac0, encryptStructure, macStructure } from "./cose.js";
import { decodeMessage, encodeMessage, type Message } from "./envelope.js";
import { limits } from "../limits.js";

/** What of `Crypto` it takes: every board has it. */
export type Mac = Pick<Crypto, "hmac">;

/** Keys of one direction. `kid`: 4 bytes that find the terminal, and prove nothing. */
export interface DirectionKeys { kid: Uint8Array; seal: Uint8Array; mac: Uint8Array }

const none = new Uint8Array(0);
const toHostLabel = "kaisatsu 1B t>h";
const toTerminalLabel = "kaisatsu 1B h>t";

/** Keys of a master's generation in one direction: two HKDF-Expand blocks (RFC 5869 §2.3), the master being uniform. */
export function directionKeys(crypto: Mac, master: Uint8Array, generation: number, toHost: boolean): DirectionKeys {
  const info = join([utf8(toHost ? toHostLabel : toTerminalLabel), bigEndian(generation, 4)]);
  const first = crypto.hmac(master, join([info, new Uint8Array([1])]));
  const second = crypto.hmac(master, join([first, info, new Uint8Array([2])]));
  return { mac: first, seal: copy(second, 0, 16), kid: copy(second, 16, 20) };
}

/** Seals a message; without `ccm` it is only authenticated. `m.recipient` is the terminal's id. */
export function sealMessageB(crypto: Mac, ccm: Ccm | undefined, keys: DirectionKeys, m: Message): Uint8Array {
  const plain = encodeMessage(m);
  if (ccm !== undefined) {
    const header = sealedHeader(keys.kid);
    const sealed = ccm.seal(keys.seal, nonceOf(m.sequence), encryptStructure("Encrypt0", header, none), plain);
    return encodeEncrypt0({ protectedHeader: header, unprotected: sequenceMap(m.sequence), ciphertext: sealed }, true);
  }
  const header = macedHeader(keys.kid, m.sequence);
  return encodeMac0({ protectedHeader: header, unprotected: emptyMap, payload: plain, mark: crypto.hmac(keys.mac, macStructure(header, none, plain)) }, true);
}

/** An envelope of a board, not yet opened: whose, with which number, and whether it is sealed or only authenticated. */
export interface SealedB { kid: Uint8Array; sequence: number; isSealed: boolean; header: Uint8Array; content: Uint8Array; mark: Uint8Array }

/** Reads the outside; undefined for anything that is not an envelope of a board. It always carries its tag. */
export function readEnvelopeB(bytes: Uint8Array): SealedB | undefined {
  if (bytes.length > limits.envelopeBytesMax) return undefined;
  return bytes[0] === 0xc0 + coseTag.encrypt0 ? readSealed(bytes) : bytes[0] === 0xc0 + coseTag.mac0 ? readMaced(bytes) : undefined;
}

/** The message inside, or undefined when it is not of these keys, or the board has no AES and it is sealed. */
export function openMessageB(crypto: Mac, ccm: Ccm | undefined, keys: DirectionKeys, e: SealedB): Message | undefined {
  if (!equal(e.kid, keys.kid)) return undefined;
  let plain: Uint8Array | undefined;
  if (!e.isSealed) plain = equal(crypto.hmac(keys.mac, macStructure(e.header, none, e.content)), e.mark) ? e.content : undefined;
  else if (ccm !== undefined) plain = ccm.open(keys.seal, nonceOf(e.sequence), encryptStructure("Encrypt0", e.header, none), e.content);
  const m = plain === undefined ? undefined : decodeMessage(plain);
  return m !== undefined && m.sequence === e.sequence && m.certificate === undefined ? m : undefined;
}

function readSealed(bytes: Uint8Array): SealedB | undefined {
  const e = decodeEncrypt0(bytes);
  if (e === undefined) return undefined;
  const r = reader(e.unprotected);
  if (readMap(r) !== 1 || readInt(r) !== 6) return undefined;
  const sequence = numberOf(readBytes(r));
  const kid = kidIn(e.protectedHeader);
  if (!done(r) || sequence < 0 || kid === undefined || !equal(e.protectedHeader, sealedHeader(kid))) return undefined;
  return { kid: kid, sequence: sequence, isSealed: true, header: e.protectedHeader, content: e.ciphertext, mark: none };
}

function readMaced(bytes: Uint8Array): SealedB | undefined {
  const e = decodeMac0(bytes);
  if (e === undefined || e.mark.length !== 32 || !equal(e.unprotected, emptyMap)) return undefined;
  const kid = kidIn(e.protectedHeader);
  const sequence = sequenceIn(e.protectedHeader);
  if (kid === undefined || sequence < 0 || !equal(e.protectedHeader, macedHeader(kid, sequence))) return undefined;
  return { kid: kid, sequence: sequence, isSealed: false, header: e.protectedHeader, content: e.payload, mark: e.mark };
}

// ---- headers: read loosely, and then held against the one that would have been written ------------------------------------

/** `{1: 30, 4: kid}`. */
function sealedHeader(kid: Uint8Array): Uint8Array {
  const w = writer();
  writeMap(w, 2);
  writeInt(w, 1); writeInt(w, algorithm.aesCcm16);
  writeInt(w, 4); writeBytes(w, kid);
  return finish(w);
}

/** `{1: 5, 4: kid, 6: sequence}`: here the number must stand where the MAC covers it. */
function macedHeader(kid: Uint8Array, sequence: number): Uint8Array {
  const w = writer();
  writeMap(w, 3);
  writeInt(w, 1); writeInt(w, algorithm.hmac256);
  writeInt(w, 4); writeBytes(w, kid);
  writeInt(w, 6); writeBytes(w, sequenceBytes(sequence));
  return finish(w);
}

function kidIn(header: Uint8Array): Uint8Array | undefined {
  const r = reader(header);
  readMap(r); readInt(r); readInt(r); readInt(r);
  const kid = readBytes(r, 4);
  return r.bad ? undefined : kid;
}
function sequenceIn(header: Uint8Array): number {
  const r = reader(header);
  readMap(r); readInt(r); readInt(r); readInt(r); readBytes(r); readInt(r);
  const bytes = readBytes(r);
  return r.bad ? -1 : numberOf(bytes);
}

function sequenceMap(sequence: number): Uint8Array {
  const w = writer();
  writeMap(w, 1); writeInt(w, 6); writeBytes(w, sequenceBytes(sequence));
  return finish(w);
}

/** Big endian without leading zeros: one to seven bytes, since numbers stay below 2^53. */
function sequenceBytes(sequence: number): Uint8Array {
  let length = 1;
  for (let rest = Math.floor(sequence / 256); rest > 0; rest = Math.floor(rest / 256)) length++;
  return bigEndian(sequence, length);
}
function numberOf(bytes: Uint8Array): number {
  if (bytes.length < 1 || bytes.length > 7 || (bytes.length > 1 && bytes[0] === 0) || (bytes.length === 7 && bytes[0]! > 31)) return -1;
  let n = 0;
  for (let i = 0; i < bytes.length; i++) n = n * 256 + bytes[i]!;
  return n;
}

/** RFC 9052 §3.1: the partial IV, filled from the left to the nonce's length; the context's own IV is zero. */
function nonceOf(sequence: number): Uint8Array {
  return bigEndian(sequence, 13);
}
function bigEndian(n: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let i = length - 1, rest = n; i >= 0; i--) { bytes[i] = rest - Math.floor(rest / 256) * 256; rest = Math.floor(rest / 256); }
  return bytes;
}
