/**
 * What binds a tap together: the transcript digest over everything said in clear, the keys that follow from it, and the
 * sealing of one message (`tap.md` §2). Both halves of the session use this page and nothing else for cryptography.
 *
 * Every byte of `hello` is covered, `offer` included, so a downgraded or altered hello fails. The tap number makes the
 * transcript unique even if both random sources repeat.
 */
import type { Crypto } from "../crypto/crypto.js";
import { copy, join, utf8 } from "../wire/bytes.js";
import { finish, writeArray, writeBytes, writeInt, writeText, writer } from "../wire/cbor.js";
import { classStructure, sigStructure, signHeader } from "../wire/cose.js";

export const none = new Uint8Array(0);

/** Keys of one tap in profile A, and the next message index in each direction; erased when it ends. */
export interface Channel { transcript: Uint8Array; toTerminal: Uint8Array; toHandset: Uint8Array }

/** TH of profile A. `claimsDigest` is the full SHA-256 of the terminal's claims. */
export function transcriptA(crypto: Crypto, hello: Uint8Array, claimsDigest: Uint8Array, ephemeral: Uint8Array): Uint8Array {
  const w = writer();
  writeArray(w, 4);
  writeText(w, "kaisatsu tap 1A"); writeBytes(w, hello); writeBytes(w, claimsDigest); writeBytes(w, ephemeral);
  return crypto.sha256(finish(w));
}

/** TH of profile B. */
export function transcriptB(crypto: Crypto, hello: Uint8Array, handsetNonce: Uint8Array): Uint8Array {
  const w = writer();
  writeArray(w, 3);
  writeText(w, "kaisatsu tap 1B"); writeBytes(w, hello); writeBytes(w, handsetNonce);
  return crypto.sha256(finish(w));
}

/** The first term lets only the certified terminal read; the second shuts recorded taps against a key stolen later. */
export function channel(crypto: Crypto, transcript: Uint8Array, withCertified: Uint8Array, withEphemeral: Uint8Array): Channel {
  const extracted = crypto.hmac(transcript, join([withCertified, withEphemeral]));
  return {
    transcript: transcript,
    toTerminal: firstBlock(crypto, extracted, "kaisatsu 1A h>t"),
    toHandset: firstBlock(crypto, extracted, "kaisatsu 1A t>h"),
  };
}

/** HKDF-Expand of 16 bytes (RFC 5869 §2.3): one block. Extracted once for both directions, it is HKDF with half the work. */
function firstBlock(crypto: Crypto, extracted: Uint8Array, info: string): Uint8Array {
  return copy(crypto.hmac(extracted, join([utf8(info), new Uint8Array([1])])), 0, 16);
}

/** Eleven zero bytes and the message's index in its direction: a repeat is the same bytes, so none covers two texts. */
function nonce(index: number): Uint8Array {
  const bytes = new Uint8Array(12);
  bytes[11] = index;
  return bytes;
}

/** AES-128-GCM of one message; the type byte is authenticated beside it. */
export function sealMessage(crypto: Crypto, key: Uint8Array, index: number, type: number, plain: Uint8Array): Uint8Array {
  return crypto.seal(key, nonce(index), new Uint8Array([type]), plain);
}
export function openMessage(crypto: Crypto, key: Uint8Array, index: number, type: number, sealed: Uint8Array): Uint8Array | undefined {
  return crypto.open(key, nonce(index), new Uint8Array([type]), sealed);
}

/** What the value's key signs to show itself: class `presentation`, external data TH. */
export function presentationToSign(transcript: Uint8Array, step: Uint8Array): Uint8Array {
  return sigStructure(signHeader("presentation", undefined), transcript, step);
}

// ---- profile B ------------------------------------------------------------------------------------------------------

/** Three keys of a group of boards in one epoch; handsets never hold them. */
export interface GroupKeys { group: number; epoch: number; grantKey: Uint8Array; deriveKey: Uint8Array; receiptKey: Uint8Array }

/** HMAC 256/64 over the standard MAC structure of a class. */
export function mac8(crypto: Crypto, key: Uint8Array, className: string, aad: Uint8Array, payload: Uint8Array): Uint8Array {
  return copy(crypto.hmac(key, classStructure(className, aad, payload)), 0, 8);
}

/** K: the grant's own key, one HKDF-Expand block (`tap.md` §6). Group and epoch are four bytes each, big endian. */
export function keyOfGrant(crypto: Crypto, keys: GroupKeys, grantId: Uint8Array): Uint8Array {
  const info = join([utf8("kaisatsu 1B value"), bytes4(keys.group), bytes4(keys.epoch), grantId, new Uint8Array([1])]);
  return crypto.hmac(keys.deriveKey, info);
}

/** A number as four bytes, big endian: tap numbers, groups, epochs. */
export function bytes4(n: number): Uint8Array {
  return new Uint8Array([(n >>> 24) & 255, (n >>> 16) & 255, (n >>> 8) & 255, n & 255]);
}
export function fromBytes4(bytes: Uint8Array): number {
  return bytes[0]! * 16777216 + ((bytes[1]! << 16) | (bytes[2]! << 8) | bytes[3]!);
}

/** What the MAC of an outcome covers: its items after the type. */
export function outcomeToMac(code: number, at: number, reversalMac: Uint8Array | undefined): Uint8Array {
  const w = writer();
  writeArray(w, reversalMac === undefined ? 1 : 3);
  writeInt(w, code);
  if (reversalMac !== undefined) { writeInt(w, at); writeBytes(w, reversalMac); }
  return finish(w);
}
