/**
 * The envelope: how words between a device and the host travel over any road, blind intermediaries included (S6,
 * `trust.md` §5). Inside, a message signed by its sender that names its recipient; outside, only the recipient's key id
 * and a fresh key. COSE_Encrypt with ECDH-ES + HKDF-256 and A128GCM: any COSE library opens it with the right key.
 *
 * The sender signs by effect, the recipient agrees by effect, so this page only prepares and finishes.
 */
import type { Crypto } from "../crypto/crypto.js";
import { copy, equal, utf8 } from "./bytes.js";
import {
  done, fail, finish, readArray, readBytes, readInt, readMap, readUint, reader, reading, writeArray, writeBytes, writeInt, writeMap, writeText,
  writer,
} from "./cbor.js";
import { algorithm, decodeEncrypt, encodeEncrypt, encryptStructure, kdfContext, readKey, writeKey } from "./cose.js";
import { keyId, openSigned, thumbprint, type SignerKey } from "./signed.js";
import { label, privateLabel } from "./value.js";
import { limits } from "../limits.js";

/** What one message says; `recipient` is signed along, so that nobody passes the letter on as if it were meant for another. */
export interface Message {
  recipient: Uint8Array;
  at: number;
  quality: number;
  sequence: number;
  /** `messageType` of `sync.ts`. */
  type: number;
  body: Uint8Array;
  /** The sequence that this answers, and the kid of its sender. */
  answers: { sequence: number; kid: Uint8Array } | undefined;
  /** The sender's certificate, when the recipient may not know it. */
  certificate: Uint8Array | undefined;
}

export function encodeMessage(m: Message): Uint8Array {
  const w = writer();
  writeMap(w, 3);
  writeInt(w, 3); writeBytes(w, m.recipient);
  writeInt(w, 6); writeInt(w, m.at);
  writeInt(w, privateLabel);
  writeMap(w, 4 + (m.answers === undefined ? 0 : 1) + (m.certificate === undefined ? 0 : 1));
  writeInt(w, 1); writeInt(w, m.sequence);
  writeInt(w, 2); writeInt(w, m.quality);
  writeInt(w, 3); writeInt(w, m.type);
  writeInt(w, 4); writeBytes(w, m.body);
  if (m.answers !== undefined) { writeInt(w, 5); writeArray(w, 2); writeBytes(w, m.answers.kid); writeInt(w, m.answers.sequence); }
  if (m.certificate !== undefined) { writeInt(w, 6); writeBytes(w, m.certificate); }
  return finish(w);
}

export function decodeMessage(claims: Uint8Array): Message | undefined {
  const r = reading(claims);
  const m = {} as Message;
  if (readMap(r) !== 3) fail(r);
  label(r, 3); m.recipient = readBytes(r, 8);
  label(r, 6); m.at = readUint(r);
  label(r, privateLabel);
  const pairs = readMap(r);
  label(r, 1); m.sequence = readUint(r);
  label(r, 2); m.quality = readUint(r);
  label(r, 3); m.type = readUint(r);
  label(r, 4); m.body = readBytes(r);
  m.answers = undefined;
  m.certificate = undefined;
  let before = 4;
  for (let i = 4; i < pairs && !r.bad; i++) {
    const which = readUint(r);
    if (which <= before || which > 6) fail(r);
    before = which;
    if (which === 5) { readArray(r, 2); m.answers = { kid: readBytes(r, 8), sequence: readUint(r) }; }
    if (which === 6) m.certificate = readBytes(r);
  }
  if (m.quality > 3) fail(r);
  return done(r) ? m : undefined;
}

/** Sizes are hidden in steps: 256, 512 … 4,096, then Padmé (at most 6.2 % more). One byte 0x80, then zeros. */
export function pad(plain: Uint8Array, least: number): Uint8Array {
  const padded = new Uint8Array(paddedLength(Math.max(plain.length + 1, least)));
  padded.set(plain);
  padded[plain.length] = 0x80;
  return padded;
}

function paddedLength(length: number): number {
  for (let step = 256; step <= 4096; step *= 2) if (length <= step) return step;
  let exponent = 0;
  while (length >> (exponent + 1) > 0) exponent++;
  let exponentBits = 0;
  while (exponent >> exponentBits > 0) exponentBits++;
  const mask = (1 << (exponent - exponentBits)) - 1;
  return (length + mask) & ~mask;
}

/** The text before its padding, or undefined when there is none. */
export function unpad(padded: Uint8Array): Uint8Array | undefined {
  let end = padded.length - 1;
  while (end >= 0 && padded[end] === 0) end--;
  return end >= 0 && padded[end] === 0x80 ? copy(padded, 0, end) : undefined;
}

const noBytes = new Uint8Array(0);
const type = "ks-env";
const purpose = utf8(type);
/** The same in every envelope. */
const outerHeader = encodedOuterHeader();
const agreementHeader = encodedAgreementHeader();
const additional = encryptStructure("Encrypt", outerHeader, noBytes);

function encodedOuterHeader(): Uint8Array {
  const w = writer();
  writeMap(w, 2);
  writeInt(w, 1); writeInt(w, algorithm.a128gcm);
  writeInt(w, 16); writeText(w, type);
  return finish(w);
}
function encodedAgreementHeader(): Uint8Array {
  const w = writer();
  writeMap(w, 1); writeInt(w, 1); writeInt(w, algorithm.ecdhEsHkdf256);
  return finish(w);
}

/** A fresh secret and nonce for each envelope; `least` is the first padding step (1,024 through a till, else 0). */
export interface Sealing { ephemeral: Uint8Array; nonce: Uint8Array; recipientKey: Uint8Array; least: number }

/** Encrypts a signed message to one recipient. Undefined when the recipient's key is no point. */
export function sealEnvelope(crypto: Crypto, signed: Uint8Array, s: Sealing): Uint8Array | undefined {
  const shared = crypto.agree(s.ephemeral, s.recipientKey);
  const own = crypto.publicKey(s.ephemeral);
  if (shared === undefined || own === undefined) return undefined;
  const key = contentKey(crypto, shared, own, s.recipientKey);
  return encodeEncrypt(
    { protectedHeader: outerHeader, unprotected: nonceMap(s.nonce), ciphertext: crypto.seal(key, s.nonce, additional, pad(signed, s.least)) },
    { protectedHeader: agreementHeader, unprotected: recipientMap(own, keyId(crypto, s.recipientKey)), ciphertext: noBytes },
    true,
  );
}

/** An envelope, not yet opened: who can, and with which point. */
export interface Sealed { recipient: Uint8Array; ephemeral: Uint8Array; nonce: Uint8Array; ciphertext: Uint8Array }

/** Reads the outside; undefined for anything that is not an envelope of ours. It always carries its tag. */
export function readEnvelope(bytes: Uint8Array): Sealed | undefined {
  if (bytes.length > limits.envelopeBytesMax || bytes[0] !== 0xd8) return undefined;
  const e = decodeEncrypt(bytes);
  if (e === undefined || e.recipient.ciphertext.length !== 0) return undefined;
  if (!equal(e.outer.protectedHeader, outerHeader) || !equal(e.recipient.protectedHeader, agreementHeader)) return undefined;
  const outer = reader(e.outer.unprotected);
  if (readMap(outer) !== 1 || readInt(outer) !== 5) return undefined;
  const nonce = readBytes(outer, 12);
  const r = reader(e.recipient.unprotected);
  if (readMap(r) !== 2 || readInt(r) !== 4) return undefined;
  const recipient = readBytes(r, 8);
  if (readInt(r) !== -1) return undefined;
  const ephemeral = readKey(r);
  return done(outer) && done(r) ? { recipient: recipient, ephemeral: ephemeral, nonce: nonce, ciphertext: e.outer.ciphertext } : undefined;
}

/** The signed message inside. `shared`: the recipient's key agreed with `sealed.ephemeral`. */
export function openEnvelope(crypto: Crypto, sealed: Sealed, recipientKey: Uint8Array, shared: Uint8Array): Uint8Array | undefined {
  const key = contentKey(crypto, shared, sealed.ephemeral, recipientKey);
  const plain = crypto.open(key, sealed.nonce, additional, sealed.ciphertext);
  return plain === undefined ? undefined : unpad(plain);
}

/** The message of a signed one, if one of `keys` signed it and it is meant for `recipient`. */
export function verifyMessage(crypto: Crypto, signed: Uint8Array, keys: readonly SignerKey[], recipient: Uint8Array): Message | undefined {
  const claims = openSigned(crypto, signed, "message", keys);
  const m = claims === undefined ? undefined : decodeMessage(claims);
  return m !== undefined && equal(m.recipient, recipient) ? m : undefined;
}

function contentKey(crypto: Crypto, shared: Uint8Array, ephemeral: Uint8Array, recipientKey: Uint8Array): Uint8Array {
  const context = kdfContext({
    algorithm: algorithm.a128gcm, keyBits: 128, partyU: orNone(thumbprint(crypto, ephemeral)), partyV: orNone(thumbprint(crypto, recipientKey)),
    recipientProtected: agreementHeader, other: purpose,
  });
  return crypto.hkdf(shared, noBytes, context, 16);
}
function orNone(bytes: Uint8Array | undefined): Uint8Array {
  return bytes === undefined ? noBytes : bytes;
}

function nonceMap(nonce: Uint8Array): Uint8Array {
  const w = writer();
  writeMap(w, 1); writeInt(w, 5); writeBytes(w, nonce);
  return finish(w);
}
function recipientMap(ephemeral: Uint8Array, kid: Uint8Array): Uint8Array {
  const w = writer();
  writeMap(w, 2);
  writeInt(w, 4); writeBytes(w, kid);
  writeInt(w, -1); writeKey(w, ephemeral);
  return finish(w);
}
