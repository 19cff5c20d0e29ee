/**
 * The terminal certificate: two keys of one terminal (signing and agreement, never the same), what it may take and for
 * how much, signed by the provider (`tap.md` §2, `trust.md` §2, decision 2). Its id is what `hello` and receipts carry.
 */
import type { Crypto } from "../crypto/crypto.js";
import { copy } from "./bytes.js";
import {
  done, fail, finish, readArray, readBytes, readMap, readText, readUint, reader, writeArray, writeBytes, writeInt,
  writeMap, writeText, writer,
} from "./cbor.js";
import { readKey, sigStructure, signHeader, writeKey } from "./cose.js";
import { label, privateLabel, readUints } from "./value.js";
import { limits } from "../limits.js";

export const terminalRole = { gate: 1, meter: 2, till: 3, receiver: 4 } as const;

export interface TerminalCertificate {
  zones: number[];
  expires: number;
  notBefore: number;
  /** 8 bytes, for the life of the box. */
  terminalId: Uint8Array;
  /** Compressed points. */
  signingKey: Uint8Array;
  agreementKey: Uint8Array;
  role: number;
  kinds: string[];
  /** Most for one use, minor units; 0 for none. */
  most: number;
  currency: number;
  /** Shown by the handset. */
  name: string;
  merchant: string;
  /** Profile B group, or 0. */
  group: number;
}

/** A certificate with its signature, as it travels: `[7, kid, claims, signature]` without the type. */
export interface SignedClaims { kid: Uint8Array; claims: Uint8Array; signature: Uint8Array }

/** terminal-claims; the agreement key's point has even y, so that x alone is sent. */
export function encodeTerminalCertificate(c: TerminalCertificate): Uint8Array {
  const w = writer();
  writeMap(w, 6);
  writeInt(w, 3); writeArray(w, c.zones.length);
  for (const zone of c.zones) writeInt(w, zone);
  writeInt(w, 4); writeInt(w, c.expires);
  writeInt(w, 5); writeInt(w, c.notBefore);
  writeInt(w, 7); writeBytes(w, c.terminalId);
  writeInt(w, 8); writeMap(w, 1); writeInt(w, 1); writeKey(w, c.signingKey);
  writeInt(w, privateLabel); writeMap(w, 4);
  writeInt(w, 20); writeBytes(w, c.agreementKey.subarray(1));
  writeInt(w, 21); writeArray(w, 4); writeInt(w, c.role);
  writeArray(w, c.kinds.length);
  for (const kind of c.kinds) writeText(w, kind);
  writeArray(w, 2); writeInt(w, c.currency); writeInt(w, c.most);
  writeText(w, c.name);
  writeInt(w, 22); writeText(w, c.merchant);
  writeInt(w, 23); writeInt(w, c.group);
  return finish(w);
}

/** The certificate in `claims`, or undefined. Both keys must differ. */
export function decodeTerminalCertificate(claims: Uint8Array): TerminalCertificate | undefined {
  const r = reader(claims);
  const c = {} as TerminalCertificate;
  if (readMap(r) !== 6) fail(r);
  label(r, 3); c.zones = readUints(r, limits.zonesMax);
  label(r, 4); c.expires = readUint(r);
  label(r, 5); c.notBefore = readUint(r);
  label(r, 7); c.terminalId = readBytes(r, 8);
  label(r, 8); if (readMap(r) !== 1) fail(r);
  label(r, 1); c.signingKey = readKey(r);
  label(r, privateLabel); if (readMap(r) !== 4) fail(r);
  label(r, 20);
  c.agreementKey = new Uint8Array(33);
  c.agreementKey[0] = 2;
  c.agreementKey.set(readBytes(r, 32), 1);
  label(r, 21); readArray(r, 4); c.role = readUint(r);
  const kinds = readArray(r);
  c.kinds = [];
  if (kinds < 1 || kinds > limits.kindsMax) fail(r);
  for (let i = 0; i < kinds && !r.bad; i++) c.kinds.push(readText(r));
  readArray(r, 2); c.currency = readUint(r); c.most = readUint(r);
  c.name = readText(r);
  label(r, 22); c.merchant = readText(r);
  label(r, 23); c.group = readUint(r);
  if (!done(r) || sameX(c.signingKey, c.agreementKey)) return undefined;
  return c;
}

function sameX(a: Uint8Array, b: Uint8Array): boolean {
  for (let i = 1; i < 33; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** What the provider signs for a terminal: class `terminal`, key id in the protected header. */
export function terminalToSign(kid: Uint8Array, claims: Uint8Array): Uint8Array {
  return sigStructure(signHeader("terminal", kid), new Uint8Array(0), claims);
}

/** First 8 bytes of SHA-256 of the claims: what `hello` and receipts name a terminal by. */
export function certificateId(crypto: Crypto, claims: Uint8Array): Uint8Array {
  return copy(crypto.sha256(claims), 0, 8);
}
