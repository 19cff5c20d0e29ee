/**
 * The standard structures around our bytes (RFC 9052, 9053): what is signed, MACed or encrypted, and keys as COSE_Key.
 *
 * In a tap the protected header is never sent: both sides know it, so it is rebuilt from the class of the object. The
 * class is in every signed header, so that a receipt is never taken for a value. Stored or sent alone, an object is the
 * full COSE structure, which any COSE library reads.
 */
import {
  done, fail, finish, peekMajor, readArray, readBool, readBytes, readInt, readMap, readRaw, reader, writeArray, writeBool, writeBytes,
  writeInt, writeMap, writeNull, writeRaw, writeTag, writeText, writer, type Reader, type Writer,
} from "./cbor.js";
import { copy } from "./bytes.js";

/** Registered algorithm numbers. */
export const algorithm = { esp256: -9, es256: -7, hmac64: 4, hmac256: 5, a128gcm: 1, aesCcm16: 30, ecdhEsHkdf256: -25 } as const;

function className(name: string): string {
  return "application/vnd.kaisatsu." + name + "+cbor";
}

/** `{1: -9, ? 4: kid, 16: class}`: the protected header of everything signed in a tap, where it is never sent. */
export function signHeader(name: string, kid: Uint8Array | undefined): Uint8Array {
  return typedHeader(className(name), kid);
}
/** The same with the type as it stands. */
export function typedHeader(type: string, kid: Uint8Array | undefined): Uint8Array {
  const w = writer();
  writeMap(w, kid === undefined ? 2 : 3);
  writeInt(w, 1); writeInt(w, algorithm.esp256);
  if (kid !== undefined) { writeInt(w, 4); writeBytes(w, kid); }
  writeInt(w, 16); writeText(w, type);
  return finish(w);
}

/** `{1: 4, 16: class}`: HMAC 256/64. */
export function macHeader(name: string): Uint8Array {
  const w = writer();
  writeMap(w, 2);
  writeInt(w, 1); writeInt(w, algorithm.hmac64);
  writeInt(w, 16); writeText(w, className(name));
  return finish(w);
}

/** What a COSE_Mac0 of a class in a tap covers: as `macStructure` of its header, whose bytes are made once for each class. */
export function classStructure(name: string, externalAad: Uint8Array, payload: Uint8Array): Uint8Array {
  let begins = beginnings[name];
  if (begins === undefined) {
    const head = writer();
    writeArray(head, 4);
    writeText(head, "MAC0"); writeBytes(head, macHeader(name));
    begins = copy(head.bytes, 0, head.at);
    beginnings[name] = begins;
  }
  const w = writer();
  writeRaw(w, begins); writeBytes(w, externalAad); writeBytes(w, payload);
  return finish(w);
}
/** There are seven classes. */
const beginnings: Record<string, Uint8Array | undefined> = {};

/** RFC 9052 §4.4: what a signature of a COSE_Sign1 covers. */
export function sigStructure(protectedHeader: Uint8Array, externalAad: Uint8Array, payload: Uint8Array): Uint8Array {
  return structure("Signature1", protectedHeader, externalAad, payload);
}

/** RFC 9052 §6.3: what a COSE_Mac0 covers. */
export function macStructure(protectedHeader: Uint8Array, externalAad: Uint8Array, payload: Uint8Array): Uint8Array {
  return structure("MAC0", protectedHeader, externalAad, payload);
}

function structure(context: string, protectedHeader: Uint8Array, externalAad: Uint8Array, payload: Uint8Array): Uint8Array {
  const w = writer();
  writeArray(w, 4);
  writeText(w, context); writeBytes(w, protectedHeader); writeBytes(w, externalAad); writeBytes(w, payload);
  return finish(w);
}

/** A P-256 public key as COSE_Key `{1: 2, -1: 1, -2: x, -3: sign of y}` (RFC 9053 §7.1.1), from 33 compressed bytes. */
export function writeKey(w: Writer, point: Uint8Array): void {
  writeMap(w, 4);
  writeInt(w, 1); writeInt(w, 2);
  writeInt(w, -1); writeInt(w, 1);
  writeInt(w, -2); writeBytes(w, point.subarray(1));
  writeInt(w, -3); writeBool(w, point[0] === 3);
}

/** The compressed point of a COSE_Key of exactly that form. */
export function readKey(r: Reader): Uint8Array {
  const point = new Uint8Array(33);
  if (readMap(r) !== 4) fail(r);
  if (readInt(r) !== 1 || readInt(r) !== 2 || readInt(r) !== -1 || readInt(r) !== 1 || readInt(r) !== -2) fail(r);
  point.set(readBytes(r, 32), 1);
  if (readInt(r) !== -3) fail(r);
  point[0] = readBool(r) ? 3 : 2;
  return point;
}

// ---- whole structures, for what is stored or sent outside a tap -------------------------------------------------------

/** Registered tags; inside our own messages the untagged array is sent. */
export const coseTag = { encrypt0: 16, mac0: 17, sign1: 18, encrypt: 96 } as const;

/** COSE_Sign1, and with `mark` for the tag COSE_Mac0: header bytes, unprotected map as it stands, payload, signature or tag. */
export interface Marked { protectedHeader: Uint8Array; unprotected: Uint8Array; payload: Uint8Array; mark: Uint8Array }

export function encodeSign1(x: Marked, tagged: boolean): Uint8Array {
  return encodeMarked(x, tagged ? coseTag.sign1 : 0);
}
export function decodeSign1(bytes: Uint8Array): Marked | undefined {
  return decodeMarked(bytes, coseTag.sign1);
}
export function encodeMac0(x: Marked, tagged: boolean): Uint8Array {
  return encodeMarked(x, tagged ? coseTag.mac0 : 0);
}
export function decodeMac0(bytes: Uint8Array): Marked | undefined {
  return decodeMarked(bytes, coseTag.mac0);
}

/** The empty unprotected map. */
export const emptyMap = new Uint8Array([0xa0]);

function encodeMarked(x: Marked, tag: number): Uint8Array {
  const w = writer();
  if (tag !== 0) writeTag(w, tag);
  writeArray(w, 4);
  writeBytes(w, x.protectedHeader); writeRaw(w, x.unprotected); writeBytes(w, x.payload); writeBytes(w, x.mark);
  return finish(w);
}

function decodeMarked(bytes: Uint8Array, tag: number): Marked | undefined {
  const r = reader(bytes, tag);
  readArray(r, 4);
  const x = { protectedHeader: readBytes(r), unprotected: readUnprotected(r), payload: readBytes(r), mark: readBytes(r) };
  return done(r) ? x : undefined;
}

function readUnprotected(r: Reader): Uint8Array {
  if (peekMajor(r) !== 5) fail(r);
  return readRaw(r);
}

/** COSE_Encrypt0, or the outer part of COSE_Encrypt. */
export interface Encrypted { protectedHeader: Uint8Array; unprotected: Uint8Array; ciphertext: Uint8Array }
export function encodeEncrypt0(x: Encrypted, tagged: boolean): Uint8Array {
  const w = writer();
  if (tagged) writeTag(w, coseTag.encrypt0);
  writeArray(w, 3);
  writeEncrypted(w, x);
  return finish(w);
}
export function decodeEncrypt0(bytes: Uint8Array): Encrypted | undefined {
  const r = reader(bytes, coseTag.encrypt0);
  readArray(r, 3);
  const x = readEncrypted(r);
  return done(r) ? x : undefined;
}

/** COSE_Encrypt to one recipient, whose key follows from a key agreement (its `ciphertext` is empty). */
export function encodeEncrypt(x: Encrypted, recipient: Encrypted, tagged: boolean): Uint8Array {
  const w = writer();
  if (tagged) writeTag(w, coseTag.encrypt);
  writeArray(w, 4);
  writeEncrypted(w, x);
  writeArray(w, 1); writeArray(w, 3); writeEncrypted(w, recipient);
  return finish(w);
}
export function decodeEncrypt(bytes: Uint8Array): { outer: Encrypted; recipient: Encrypted } | undefined {
  const r = reader(bytes, coseTag.encrypt);
  readArray(r, 4);
  const outer = readEncrypted(r);
  readArray(r, 1); readArray(r, 3);
  const recipient = readEncrypted(r);
  return done(r) ? { outer: outer, recipient: recipient } : undefined;
}

function writeEncrypted(w: Writer, x: Encrypted): void {
  writeBytes(w, x.protectedHeader); writeRaw(w, x.unprotected); writeBytes(w, x.ciphertext);
}
function readEncrypted(r: Reader): Encrypted {
  return { protectedHeader: readBytes(r), unprotected: readUnprotected(r), ciphertext: readBytes(r) };
}

/** RFC 9052 §5.3: the additional data of an encryption, for the contexts "Encrypt" and "Encrypt0". */
export function encryptStructure(context: string, protectedHeader: Uint8Array, externalAad: Uint8Array): Uint8Array {
  const w = writer();
  writeArray(w, 3);
  writeText(w, context); writeBytes(w, protectedHeader); writeBytes(w, externalAad);
  return finish(w);
}

/**
 * RFC 9053 §5.2, COSE_KDF_Context: what the key agreement's HKDF is bound to. An identity that is empty stands as nil,
 * and so do nonces and other data of both parties; `other` is left out when empty.
 */
export interface KdfContext { algorithm: number; keyBits: number; partyU: Uint8Array; partyV: Uint8Array; recipientProtected: Uint8Array; other: Uint8Array }
export function kdfContext(x: KdfContext): Uint8Array {
  const w = writer();
  writeArray(w, 4);
  writeInt(w, x.algorithm);
  writeParty(w, x.partyU); writeParty(w, x.partyV);
  writeArray(w, x.other.length === 0 ? 2 : 3);
  writeInt(w, x.keyBits); writeBytes(w, x.recipientProtected);
  if (x.other.length > 0) writeBytes(w, x.other);
  return finish(w);
}
function writeParty(w: Writer, identity: Uint8Array): void {
  writeArray(w, 3);
  if (identity.length === 0) writeNull(w); else writeBytes(w, identity);
  writeNull(w); writeNull(w);
}
