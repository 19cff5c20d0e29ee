/**
 * Letters between two who share a key: a meter and the host, a meter and a user's handset (U1–U3; `trust.md` §1, meter–host
 * keys). The key is agreed between the certified agreement key of the terminal and the other's, so nobody has to deliver
 * it, and each new certificate is its next generation. COSE_Encrypt0 with A128GCM, not padded: a signed record of 176 bytes
 * travels in 221, over lines where the envelope's 623 would take a second.
 *
 * The nonce is a MAC of the text. The same text is then the same letter, which a courier may bring twice, and a terminal
 * that was copied, restored or has no random source never seals two texts under one nonce.
 *
 * The sender proves itself by the key alone (only these two can make it); what has to convince others is signed inside.
 */
import type { Crypto } from "../crypto/crypto.js";
import { copy, equal, join, utf8 } from "./bytes.js";
import { done, finish, readBytes, readInt, readMap, reader, writeBytes, writeInt, writeMap, writer } from "./cbor.js";
import { algorithm, coseTag, decodeEncrypt0, encodeEncrypt0, encryptStructure } from "./cose.js";
import { limits } from "../limits.js";

/** Who says it to whom: keys of different directions are different. */
export const direction = { toHost: 1, fromHost: 2, toUser: 3, fromUser: 4 } as const;

export interface PairKeys { key: Uint8Array; nonceKey: Uint8Array }

/** `shared`: the terminal's agreement key with the other's; `terminal`: the certificate's id, `other`: the other key's id, 8 bytes each. */
export function pairKeys(crypto: Crypto, shared: Uint8Array, terminal: Uint8Array, other: Uint8Array, way: number): PairKeys {
  const bytes = crypto.hkdf(shared, none, join([utf8("ks-pair"), new Uint8Array([way]), terminal, other]), 48);
  return { key: copy(bytes, 0, 16), nonceKey: copy(bytes, 16, 48) };
}

/** `name`: the certificate's id in letters of, and to, a terminal; the handset's key id in those of a user. It finds the key. */
export function sealPaired(crypto: Crypto, keys: PairKeys, name: Uint8Array, text: Uint8Array): Uint8Array {
  const header = headerOf(name);
  const nonce = nonceOf(crypto, keys, header, text);
  const w = writer();
  writeMap(w, 1); writeInt(w, 5); writeBytes(w, nonce);
  return encodeEncrypt0({ protectedHeader: header, unprotected: finish(w), ciphertext: crypto.seal(keys.key, nonce, encryptStructure("Encrypt0", header, none), text) }, true);
}

export interface PairedLetter { name: Uint8Array; nonce: Uint8Array; header: Uint8Array; ciphertext: Uint8Array }

/** The outside of a letter; undefined for anything else. It always carries its tag. */
export function readPaired(bytes: Uint8Array): PairedLetter | undefined {
  if (bytes.length > limits.envelopeBytesMax || bytes[0] !== 0xc0 + coseTag.encrypt0) return undefined;
  const e = decodeEncrypt0(bytes);
  if (e === undefined) return undefined;
  const outer = reader(e.unprotected);
  if (readMap(outer) !== 1 || readInt(outer) !== 5) return undefined;
  const nonce = readBytes(outer, 12);
  const r = reader(e.protectedHeader);
  if (readMap(r) !== 2 || readInt(r) !== 1 || readInt(r) !== algorithm.a128gcm || readInt(r) !== 4) return undefined;
  const name = readBytes(r, 8);
  return done(outer) && done(r) ? { name: name, nonce: nonce, header: e.protectedHeader, ciphertext: e.ciphertext } : undefined;
}

/** The text, or undefined when these keys did not seal it. */
export function openPaired(crypto: Crypto, keys: PairKeys, letter: PairedLetter): Uint8Array | undefined {
  const text = crypto.open(keys.key, letter.nonce, encryptStructure("Encrypt0", letter.header, none), letter.ciphertext);
  return text !== undefined && equal(nonceOf(crypto, keys, letter.header, text), letter.nonce) ? text : undefined;
}

function nonceOf(crypto: Crypto, keys: PairKeys, header: Uint8Array, text: Uint8Array): Uint8Array {
  return copy(crypto.hmac(keys.nonceKey, join([header, text])), 0, 12);
}

function headerOf(name: Uint8Array): Uint8Array {
  const w = writer();
  writeMap(w, 2);
  writeInt(w, 1); writeInt(w, algorithm.a128gcm);
  writeInt(w, 4); writeBytes(w, name);
  return finish(w);
}

const none = new Uint8Array(0);
