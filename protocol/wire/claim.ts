/**
 * The claim code and the two messages that make a fresh terminal ours (`trust.md` §3). The code proves the host to the
 * terminal as well as the terminal to the host, so neither certificate store nor clock is needed: 20 characters of
 * Crockford's base 32, four to look it up, fifteen secret, one against typing errors.
 */
import type { Crypto } from "../crypto/crypto.js";
import { copy, equal, join, utf8 } from "./bytes.js";
import { done, fail, finish, readArray, readBytes, readText, reader, writeArray, writeBytes, writeText, writer } from "./cbor.js";
import { readList, readOne, readOptional, writeAll, writeOptional } from "./lists.js";

const alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/** A code as people type it, in five groups of four, from 19 random bytes (five bits of each are used). */
export function makeClaimCode(random: Uint8Array): string {
  let text = "";
  for (let i = 0; i < 19; i++) text += alphabet[random[i]! & 31]!;
  return grouped(text + alphabet[checkOf(text)]!);
}

function grouped(text: string): string {
  let out = "";
  for (let i = 0; i < text.length; i++) out += (i > 0 && i % 4 === 0 ? "-" : "") + text[i]!;
  return out;
}

/** A sum in GF(32), each step multiplied by x: any one wrong character changes it, and so do any two swapped neighbours. */
function checkOf(text: string): number {
  let sum = 1;
  for (let i = 0; i < 19; i++) sum = timesX(sum ^ alphabet.indexOf(text[i]!));
  return sum;
}
/** Modulo x^5 + x^2 + 1. */
function timesX(n: number): number {
  return n < 16 ? n * 2 : (n * 2) ^ 0x25;
}

/** The 20 characters of a typed code, or undefined when a character is wrong. I, L and O are read as 1, 1 and 0. */
export function readClaimCode(typed: string): { lookup: string; secret: string } | undefined {
  let text = "";
  for (let i = 0; i < typed.length; i++) {
    const character = typed[i]!;
    if (character === "-" || character === " ") continue;
    const digit = digitOf(character.charCodeAt(0));
    if (digit < 0) return undefined;
    text += alphabet[digit]!;
  }
  if (text.length !== 20 || alphabet.indexOf(text[19]!) !== checkOf(text)) return undefined;
  return { lookup: text.substring(0, 4), secret: text.substring(4, 19) };
}

function digitOf(code: number): number {
  const upper = code >= 97 && code <= 122 ? code - 32 : code;
  if (upper === 79) return 0;
  if (upper === 73 || upper === 76) return 1;
  return alphabet.indexOf(String.fromCharCode(upper));
}

/** Keys from the secret part: one each for the request's MAC, the answer's MAC, and the answer's sealing. */
export interface ClaimKeys { request: Uint8Array; answer: Uint8Array }
export function claimKeys(crypto: Crypto, secret: string, nonce: Uint8Array): ClaimKeys {
  return {
    request: crypto.hkdf(utf8(secret), nonce, utf8("kaisatsu claim request"), 32),
    answer: crypto.hkdf(utf8(secret), nonce, utf8("kaisatsu claim answer"), 32),
  };
}

/** `request ‖ MAC`: 32 bytes at the end. */
export function macRequest(crypto: Crypto, keys: ClaimKeys, request: Uint8Array): Uint8Array {
  return join([request, crypto.hmac(keys.request, request)]);
}
export function splitMac(bytes: Uint8Array): { content: Uint8Array; mac: Uint8Array } | undefined {
  const end = bytes.length - 32;
  return end < 1 ? undefined : { content: copy(bytes, 0, end), mac: copy(bytes, end, bytes.length) };
}
export function requestGenuine(crypto: Crypto, keys: ClaimKeys, request: Uint8Array, mac: Uint8Array): boolean {
  return equal(crypto.hmac(keys.request, request), mac);
}

/**
 * The answer: the host's fresh point (33 bytes), the grant sealed to the terminal's new agreement key, and a MAC under
 * the code over both messages.
 */
export function sealAnswer(crypto: Crypto, keys: ClaimKeys, request: Uint8Array, ephemeral: Uint8Array, agreementKey: Uint8Array, granted: Uint8Array): Uint8Array | undefined {
  const shared = crypto.agree(ephemeral, agreementKey);
  const own = crypto.publicKey(ephemeral);
  if (shared === undefined || own === undefined) return undefined;
  const sealed = crypto.seal(answerKey(crypto, shared, request), new Uint8Array(12), own, granted);
  const content = join([own, sealed]);
  return join([content, crypto.hmac(keys.answer, join([request, content]))]);
}

/** The host's point in an answer that the code proves, and what is sealed to it. */
export function readAnswer(crypto: Crypto, keys: ClaimKeys, request: Uint8Array, answer: Uint8Array): { point: Uint8Array; sealed: Uint8Array } | undefined {
  const parts = splitMac(answer);
  if (parts === undefined || parts.content.length < 34) return undefined;
  if (!equal(crypto.hmac(keys.answer, join([request, parts.content])), parts.mac)) return undefined;
  return { point: copy(parts.content, 0, 33), sealed: copy(parts.content, 33, parts.content.length) };
}
export function openAnswer(crypto: Crypto, request: Uint8Array, point: Uint8Array, shared: Uint8Array, sealed: Uint8Array): Uint8Array | undefined {
  return crypto.open(answerKey(crypto, shared, request), new Uint8Array(12), point, sealed);
}
function answerKey(crypto: Crypto, shared: Uint8Array, request: Uint8Array): Uint8Array {
  return crypto.hkdf(shared, crypto.sha256(request), utf8("kaisatsu claim sealing"), 16);
}

/** Six digits that both sides show where the operator wants four eyes: the same on both only if nobody stood between. */
export function shownDigits(crypto: Crypto, request: Uint8Array, answer: Uint8Array): string {
  const d = crypto.sha256(join([request, answer]));
  let text = "";
  for (let i = 0; i < 6; i++) text += "" + (d[i]! % 10);
  return text;
}

// ---- the two messages, outside envelopes ----------------------------------------------------------------------------------

/** MACed under HKDF(claim code); `lookup` is its first four characters. */
export interface ClaimRequest { lookup: string; nonce: Uint8Array; identityKey: Uint8Array; signingKey: Uint8Array; agreementKey: Uint8Array; model: string; software: Uint8Array }
export function encodeClaimRequest(x: ClaimRequest): Uint8Array {
  const w = writer();
  writeArray(w, 7);
  writeText(w, x.lookup); writeBytes(w, x.nonce); writeBytes(w, x.identityKey); writeBytes(w, x.signingKey); writeBytes(w, x.agreementKey); writeText(w, x.model); writeBytes(w, x.software);
  return finish(w);
}
export function decodeClaimRequest(bytes: Uint8Array): ClaimRequest | undefined {
  const r = reader(bytes);
  readArray(r, 7);
  const x = {
    lookup: readText(r), nonce: readBytes(r, 16), identityKey: readBytes(r, 33), signingKey: readBytes(r, 33), agreementKey: readBytes(r, 33), model: readText(r),
    software: readBytes(r),
  };
  if (utf8(x.lookup).length !== 4) fail(r);
  return done(r) ? x : undefined;
}

/** What a terminal is given: both roots, role certificates, its own certificate, configuration, time, group keys (profile B). */
export interface ClaimGranted {
  provider: string; terminalId: Uint8Array; root: Uint8Array; spareRoot: Uint8Array; roles: Uint8Array[]; certificate: Uint8Array; configuration: Uint8Array;
  time: Uint8Array; group: Uint8Array;
}
export function encodeClaimGranted(x: ClaimGranted): Uint8Array {
  const w = writer();
  writeArray(w, 9);
  writeText(w, x.provider); writeBytes(w, x.terminalId); writeBytes(w, x.root); writeBytes(w, x.spareRoot); writeAll(w, x.roles); writeBytes(w, x.certificate);
  writeBytes(w, x.configuration); writeBytes(w, x.time); writeOptional(w, x.group);
  return finish(w);
}
export function decodeClaimGranted(bytes: Uint8Array): ClaimGranted | undefined {
  const r = reader(bytes);
  readArray(r, 9);
  const x = {
    provider: readText(r), terminalId: readBytes(r, 8), root: readBytes(r, 33), spareRoot: readBytes(r, 33), roles: readList(r, readOne), certificate: readBytes(r),
    configuration: readBytes(r), time: readBytes(r), group: readOptional(r),
  };
  return done(r) ? x : undefined;
}
