/**
 * The standard structures around our bytes (RFC 9052, 9053): what is signed, MACed or encrypted, and keys as COSE_Key.
 *
 * In a tap the protected header is never sent: both sides know it, so it is rebuilt from the class of the object. The
 * class is in every signed header, so that a receipt is never taken for a value. Stored or sent alone, an object is the
 * full COSE structure, which any COSE library reads.
 */
import { fail, finish, readBool, readBytes, readInt, readMap, writeArray, writeBool, writeBytes, writeInt, writeMap, writeText, writer, type Reader, type Writer } from "./cbor.js";

/** Registered algorithm numbers. */
export const algorithm = { esp256: -9, es256: -7, hmac64: 4, hmac256: 5, a128gcm: 1, ecdhEsHkdf256: -25 } as const;

function className(name: string): string {
  return "application/vnd.kaisatsu." + name + "+cbor";
}

/** `{1: -9, ? 4: kid, 16: class}`: the protected header of everything signed. */
export function signHeader(name: string, kid: Uint8Array | undefined): Uint8Array {
  const w = writer();
  writeMap(w, kid === undefined ? 2 : 3);
  writeInt(w, 1); writeInt(w, algorithm.esp256);
  if (kid !== undefined) { writeInt(w, 4); writeBytes(w, kid); }
  writeInt(w, 16); writeText(w, className(name));
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
