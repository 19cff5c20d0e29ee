/**
 * A signed object: a fact with a number that any road may deliver, late, twice, in any order (`trust.md` rule 3, §2).
 *
 * It is a COSE_Sign1 whose protected header names algorithm, signer and type; the type keeps a status list from being
 * read as a configuration. A key id finds a key, it never proves one.
 */
import type { Crypto } from "../crypto/crypto.js";
import { copy, equal } from "./bytes.js";
import { done, finish, readBytes, readInt, readMap, readText, reader, writeBytes, writeInt, writeMap, writer } from "./cbor.js";
import { decodeSign1, emptyMap, encodeSign1, sigStructure, typedHeader } from "./cose.js";

/** What may be signed outside a tap, and how its header says so: shortly, since each letter carries one (`trust.md` §2). */
const typeNames = {
  role: "ks-role", revocation: "ks-rev", configuration: "ks-cfg", status: "ks-list", "status-delta": "ks-delta", time: "ks-time", message: "ks-msg", issuer: "ks-iss",
  device: "ks-dev", record: "ks-rec", statement: "ks-stm", result: "ks-res", plan: "ks-plan", identity: "ks-id", deed: "ks-deed",
} as const;
export type SignedType = keyof typeof typeNames;

export interface SignedObject { type: SignedType; /** 8 bytes. */ kid: Uint8Array; claims: Uint8Array; signature: Uint8Array }

const none = new Uint8Array(0);
const types = ["role", "revocation", "configuration", "status", "status-delta", "time", "message", "issuer", "device", "record", "statement", "result", "plan", "identity", "deed"] as const satisfies readonly SignedType[];

/** What the signer signs. */
export function objectToSign(type: SignedType, kid: Uint8Array, claims: Uint8Array): Uint8Array {
  return sigStructure(typedHeader(typeNames[type], kid), none, claims);
}

/** The untagged array, as it is sent; with `tagged` as it is stored or leaves the system. */
export function encodeSigned(type: SignedType, kid: Uint8Array, claims: Uint8Array, signature: Uint8Array, tagged: boolean): Uint8Array {
  return encodeSign1({ protectedHeader: typedHeader(typeNames[type], kid), unprotected: emptyMap, payload: claims, mark: signature }, tagged);
}

/** The parts of a signed object, or undefined. The signature is not checked here. */
export function decodeSigned(bytes: Uint8Array): SignedObject | undefined {
  const s = decodeSign1(bytes);
  if (s === undefined || s.mark.length !== 64 || s.unprotected.length !== 1) return undefined;
  const r = reader(s.protectedHeader);
  if (readMap(r) !== 3 || readInt(r) !== 1 || readInt(r) !== -9 || readInt(r) !== 4) return undefined;
  const kid = readBytes(r, 8);
  if (readInt(r) !== 16) return undefined;
  const name = readText(r);
  if (!done(r)) return undefined;
  for (const type of types) if (typeNames[type] === name) return { type: type, kid: kid, claims: s.payload, signature: s.mark };
  return undefined;
}

/** A public key that may sign objects, found by its id. */
export interface SignerKey { kid: Uint8Array; publicKey: Uint8Array }

/** The claims of an object of this type signed by one of these keys; undefined for anything else. */
export function openSigned(crypto: Crypto, bytes: Uint8Array, type: SignedType, keys: readonly SignerKey[]): Uint8Array | undefined {
  const s = decodeSigned(bytes);
  if (s === undefined || s.type !== type) return undefined;
  for (const key of keys) {
    if (equal(key.kid, s.kid) && crypto.verify(key.publicKey, objectToSign(type, s.kid, s.claims), s.signature)) return s.claims;
  }
  return undefined;
}

/** RFC 9679: SHA-256 over the deterministic COSE_Key with both coordinates in full. Undefined for a point off the curve. */
export function thumbprint(crypto: Crypto, publicKey: Uint8Array): Uint8Array | undefined {
  const xy = crypto.coordinates(publicKey);
  if (xy === undefined) return undefined;
  const w = writer();
  writeMap(w, 4);
  writeInt(w, 1); writeInt(w, 2);
  writeInt(w, -1); writeInt(w, 1);
  writeInt(w, -2); writeBytes(w, xy.subarray(0, 32));
  writeInt(w, -3); writeBytes(w, xy.subarray(32));
  return crypto.sha256(finish(w));
}

/** Key id: the first 8 bytes of the thumbprint; taps use the first 4. Eight zeros for a point off the curve, which no key has. */
export function keyId(crypto: Crypto, publicKey: Uint8Array): Uint8Array {
  const print = thumbprint(crypto, publicKey);
  return print === undefined ? new Uint8Array(8) : copy(print, 0, 8);
}
export function shortKeyId(crypto: Crypto, publicKey: Uint8Array): Uint8Array {
  return copy(keyId(crypto, publicKey), 0, 4);
}

/** Signs claims with a key at hand (host, tests, software keys) and encodes the object. */
export function signObject(crypto: Crypto, type: SignedType, secret: Uint8Array, claims: Uint8Array): Uint8Array {
  const kid = keyId(crypto, crypto.publicKey(secret)!);
  return encodeSigned(type, kid, claims, crypto.sign(secret, objectToSign(type, kid, claims)), false);
}

