/**
 * AES-CCM-16-128-128 (RFC 3610, RFC 9053 §4.2): a 13-byte nonce, a 16-byte tag, texts below 64 KiB. It seals the letters of
 * boards that share a key with the host (`trust.md` §5), and is a page beside `crypto.ts` because nothing else needs it.
 *
 * A small board has AES block by block and chained, and no CCM that takes additional data; its counter mode passes over the
 * IV in engines that are about. `composedCcm` makes CCM of the other two, one call each, on every machine. Node's own CCM is
 * the second opinion.
 */
import { assert } from "../assert.js";
import { copy, equal, join } from "../wire/bytes.js";

export interface Ccm {
  /** The text and, at its end, the tag. Asserts a 16-byte key, a 13-byte nonce and a text below 64 KiB. */
  seal(key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, plain: Uint8Array): Uint8Array;
  /** The plain text, or undefined when the tag is wrong, the text too short to hold one, or key or nonce of another length. */
  open(key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, sealed: Uint8Array): Uint8Array | undefined;
}

/** AES-128 as hardware and libraries have it, without padding; `blocks` is a multiple of 16 bytes. */
export interface AesModes {
  /** Cipher block chaining from an IV of zeros. */
  cbc(key: Uint8Array, blocks: Uint8Array): Uint8Array;
  /** Each block by itself. */
  ecb(key: Uint8Array, blocks: Uint8Array): Uint8Array;
}

export function fitsCcm(key: Uint8Array, nonce: Uint8Array): boolean {
  return key.length === 16 && nonce.length === 13;
}

const tagBytes = 16;
const textBytesMax = 65535;
/** With additional data the length before it takes two bytes; longer data would need six. */
const aadBytesMax = 0xfeff;

export function composedCcm(aes: AesModes): Ccm {
  return {
    seal: (key, nonce, aad, plain) => {
      assert(fitsCcm(key, nonce) && plain.length <= textBytesMax && aad.length <= aadBytesMax, "sealing with a 16-byte key, a 13-byte nonce and a short text");
      const both = counted(aes, key, nonce, join([tagOf(aes, key, nonce, aad, plain), plain]));
      return join([both.subarray(tagBytes), both.subarray(0, tagBytes)]);
    },
    open: (key, nonce, aad, sealed) => {
      const textBytes = sealed.length - tagBytes;
      if (!fitsCcm(key, nonce) || textBytes < 0 || textBytes > textBytesMax || aad.length > aadBytesMax) return undefined;
      const both = counted(aes, key, nonce, join([sealed.subarray(textBytes), sealed.subarray(0, textBytes)]));
      const plain = copy(both, tagBytes, both.length);
      return equal(tagOf(aes, key, nonce, aad, plain), both.subarray(0, tagBytes)) ? plain : undefined;
    },
  };
}

/** Counter mode (RFC 3610 §2.3): the tag, which comes first, meets block 0 of the counter, the text those after it. */
function counted(aes: AesModes, key: Uint8Array, nonce: Uint8Array, bytes: Uint8Array): Uint8Array {
  const counters = new Uint8Array(whole(bytes.length));
  for (let at = 0, block = 0; at < counters.length; at += 16, block++) {
    counters[at] = 1;
    counters.set(nonce, at + 1);
    counters[at + 14] = block >> 8;
    counters[at + 15] = block & 255;
  }
  const stream = aes.ecb(key, counters);
  for (let i = 0; i < bytes.length; i++) bytes[i] = bytes[i]! ^ stream[i]!;
  return bytes;
}

/** RFC 3610 §2.2: the last block of the chained first block, additional data and text. */
function tagOf(aes: AesModes, key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, plain: Uint8Array): Uint8Array {
  const aadEnd = aad.length === 0 ? 16 : whole(18 + aad.length);
  const blocks = new Uint8Array(aadEnd + whole(plain.length));
  blocks[0] = aad.length === 0 ? 0x39 : 0x79;
  blocks.set(nonce, 1);
  blocks[14] = plain.length >> 8;
  blocks[15] = plain.length & 255;
  if (aad.length > 0) {
    blocks[16] = aad.length >> 8;
    blocks[17] = aad.length & 255;
    blocks.set(aad, 18);
  }
  blocks.set(plain, aadEnd);
  return copy(aes.cbc(key, blocks), blocks.length - 16, blocks.length);
}

function whole(length: number): number {
  return Math.floor((length + 15) / 16) * 16;
}
