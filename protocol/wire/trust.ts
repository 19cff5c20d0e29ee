/**
 * What the provider signs for devices: which keys have which role, how a terminal is configured, which values are
 * revoked, and what time it is (`trust.md` §2). Each has a number or a time; a lower one never replaces a higher one.
 */
import type { Crypto } from "../crypto/crypto.js";
import { copy } from "./bytes.js";
import {
  done, fail, finish, readArray, readBytes, readMap, readText, readUint, reader, writeArray, writeBytes, writeInt, writeMap, writeText, writer,
  type Reader, type Writer,
} from "./cbor.js";
import { readList } from "./lists.js";
import { readKey, writeKey } from "./cose.js";
import { label, privateLabel, readUints } from "./value.js";
import { limits } from "../limits.js";

export type Role = "values" | "certificates" | "configuration" | "status" | "software" | "envelope" | "sender";
export const roles: readonly Role[] = ["values", "certificates", "configuration", "status", "software", "envelope", "sender"];

/** Signed by a root: this key may do this. */
export interface RoleCertificate {
  issuer: string; role: string; expires: number; notBefore: number; publicKey: Uint8Array;
  generation: number; leastGeneration: number; signsUntil: number;
}
export function encodeRole(x: RoleCertificate): Uint8Array {
  const w = writer();
  writeMap(w, 6);
  writeInt(w, 1); writeText(w, x.issuer);
  writeInt(w, 2); writeText(w, x.role);
  writeInt(w, 4); writeInt(w, x.expires);
  writeInt(w, 5); writeInt(w, x.notBefore);
  writeInt(w, 8); writeMap(w, 1); writeInt(w, 1); writeKey(w, x.publicKey);
  writeInt(w, privateLabel); writeMap(w, 3);
  writeInt(w, 1); writeInt(w, x.generation);
  writeInt(w, 2); writeInt(w, x.leastGeneration);
  writeInt(w, 3); writeInt(w, x.signsUntil);
  return finish(w);
}
export function decodeRole(claims: Uint8Array): RoleCertificate | undefined {
  const r = reader(claims);
  const x = {} as RoleCertificate;
  if (readMap(r) !== 6) fail(r);
  label(r, 1); x.issuer = readText(r);
  label(r, 2); x.role = readText(r);
  if (roles.indexOf(x.role as Role) < 0) fail(r);
  label(r, 4); x.expires = readUint(r);
  label(r, 5); x.notBefore = readUint(r);
  label(r, 8); if (readMap(r) !== 1) fail(r);
  label(r, 1); x.publicKey = readKey(r);
  label(r, privateLabel); if (readMap(r) !== 3) fail(r);
  label(r, 1); x.generation = readUint(r);
  label(r, 2); x.leastGeneration = readUint(r);
  label(r, 3); x.signsUntil = readUint(r);
  return done(r) ? x : undefined;
}

/** Signed by a root (for a role key), or by the certificates key: what is named is no longer believed. Never withdrawn. */
export interface Revocation { issuer: string; at: number; what: number; name: Uint8Array }
export const revoked = { role: 1, issuer: 2, terminal: 3, device: 4 } as const;
export function encodeRevocation(x: Revocation): Uint8Array {
  const w = writer();
  writeMap(w, 3);
  writeInt(w, 1); writeText(w, x.issuer);
  writeInt(w, 6); writeInt(w, x.at);
  writeInt(w, privateLabel); writeMap(w, 2);
  writeInt(w, 1); writeInt(w, x.what);
  writeInt(w, 2); writeBytes(w, x.name);
  return finish(w);
}
export function decodeRevocation(claims: Uint8Array): Revocation | undefined {
  const r = reader(claims);
  const x = {} as Revocation;
  if (readMap(r) !== 3) fail(r);
  label(r, 1); x.issuer = readText(r);
  label(r, 6); x.at = readUint(r);
  label(r, privateLabel); if (readMap(r) !== 2) fail(r);
  label(r, 1); x.what = readUint(r);
  label(r, 2); x.name = readBytes(r);
  if (x.what < 1 || x.what > 4) fail(r);
  return done(r) ? x : undefined;
}

// ---- configuration ----------------------------------------------------------------------------------------------------

export interface Money { currency: number; amount: number }
/** What a terminal takes: kind of value, action, and the zone a use counts for. */
export interface Taken { kind: string; action: number; zone: number }
export interface Tariff { id: number; kind: string; price: Money; from: number }
export interface LeastList { list: string; number: number }

export interface Configuration {
  issuer: string;
  /** Terminal id, hexadecimal. */
  subject: string;
  expires: number;
  issuedAt: number;
  number: number;
  leastSoftware: number;
  zones: number[];
  takes: Taken[];
  tariffs: Tariff[];
  /** Most for one use; uses of one value a day offline; whole box a day offline (minor units). */
  useMost: Money;
  usesADay: number;
  boxADay: number;
  /** Ages in seconds up to which the terminal is fresh, offline, reduced (`trust.md` §2, the ladder). */
  freshSeconds: number;
  offlineSeconds: number;
  reducedSeconds: number;
  lists: LeastList[];
  /** Decision 2: opens again for a use whose outcome a power cut hid; resume time; passage time. */
  reopen: number;
  resumeSeconds: number;
  passageMs: number;
}

export function encodeConfiguration(x: Configuration): Uint8Array {
  const w = writer();
  writeMap(w, 5);
  writeInt(w, 1); writeText(w, x.issuer);
  writeInt(w, 2); writeText(w, x.subject);
  writeInt(w, 4); writeInt(w, x.expires);
  writeInt(w, 6); writeInt(w, x.issuedAt);
  writeInt(w, privateLabel); writeMap(w, 11);
  writeInt(w, 1); writeInt(w, x.number);
  writeInt(w, 2); writeInt(w, x.leastSoftware);
  writeInt(w, 3); writeArray(w, x.zones.length);
  for (const zone of x.zones) writeInt(w, zone);
  writeInt(w, 4); writeArray(w, x.takes.length);
  for (const t of x.takes) { writeArray(w, 3); writeText(w, t.kind); writeInt(w, t.action); writeInt(w, t.zone); }
  writeInt(w, 5); writeArray(w, x.tariffs.length);
  for (const t of x.tariffs) { writeArray(w, 4); writeInt(w, t.id); writeText(w, t.kind); writeMoney(w, t.price); writeInt(w, t.from); }
  writeInt(w, 6); writeArray(w, 3); writeMoney(w, x.useMost); writeInt(w, x.usesADay); writeInt(w, x.boxADay);
  writeInt(w, 7); writeArray(w, 3); writeInt(w, x.freshSeconds); writeInt(w, x.offlineSeconds); writeInt(w, x.reducedSeconds);
  writeInt(w, 8); writeArray(w, x.lists.length);
  for (const l of x.lists) { writeArray(w, 2); writeText(w, l.list); writeInt(w, l.number); }
  writeInt(w, 9); writeInt(w, x.reopen);
  writeInt(w, 10); writeInt(w, x.resumeSeconds);
  writeInt(w, 11); writeInt(w, x.passageMs);
  return finish(w);
}

export function decodeConfiguration(claims: Uint8Array): Configuration | undefined {
  const r = reader(claims);
  const x = {} as Configuration;
  if (readMap(r) !== 5) fail(r);
  label(r, 1); x.issuer = readText(r);
  label(r, 2); x.subject = readText(r);
  label(r, 4); x.expires = readUint(r);
  label(r, 6); x.issuedAt = readUint(r);
  label(r, privateLabel); if (readMap(r) !== 11) fail(r);
  label(r, 1); x.number = readUint(r);
  label(r, 2); x.leastSoftware = readUint(r);
  label(r, 3); x.zones = readUints(r, limits.zonesMax);
  label(r, 4); x.takes = readList(r, readTaken);
  label(r, 5); x.tariffs = readList(r, readTariff);
  label(r, 6); readArray(r, 3); x.useMost = readMoney(r); x.usesADay = readUint(r); x.boxADay = readUint(r);
  label(r, 7); readArray(r, 3); x.freshSeconds = readUint(r); x.offlineSeconds = readUint(r); x.reducedSeconds = readUint(r);
  label(r, 8); x.lists = readList(r, readLeastList);
  label(r, 9); x.reopen = readUint(r);
  label(r, 10); x.resumeSeconds = readUint(r);
  label(r, 11); x.passageMs = readUint(r);
  return done(r) ? x : undefined;
}

function writeMoney(w: Writer, m: Money): void {
  writeArray(w, 2); writeInt(w, m.currency); writeInt(w, m.amount);
}
function readMoney(r: Reader): Money {
  readArray(r, 2);
  return { currency: readUint(r), amount: readUint(r) };
}
function readTaken(r: Reader): Taken {
  readArray(r, 3);
  return { kind: readText(r), action: readUint(r), zone: readUint(r) };
}
function readTariff(r: Reader): Tariff {
  readArray(r, 4);
  return { id: readUint(r), kind: readText(r), price: readMoney(r), from: readUint(r) };
}
function readLeastList(r: Reader): LeastList {
  readArray(r, 2);
  return { list: readText(r), number: readUint(r) };
}

// ---- status ------------------------------------------------------------------------------------------------------------

/** State of one index: two bits, as in the Token Status List draft. */
export const status = { valid: 0, revoked: 1, suspended: 2 } as const;

/** A full list; `packed` is the zlib stream of two bits a value, low bits first. */
export interface StatusList { issuer: string; list: string; expires: number; issuedAt: number; packed: Uint8Array; ttl: number; number: number; auditHead: Uint8Array }
export function encodeStatusList(x: StatusList): Uint8Array {
  const w = writer();
  writeMap(w, 7);
  writeInt(w, 1); writeText(w, x.issuer);
  writeInt(w, 2); writeText(w, x.list);
  writeInt(w, 4); writeInt(w, x.expires);
  writeInt(w, 6); writeInt(w, x.issuedAt);
  writeInt(w, 65533); writeMap(w, 2); writeText(w, "lst"); writeBytes(w, x.packed); writeText(w, "bits"); writeInt(w, 2);
  writeInt(w, 65534); writeInt(w, x.ttl);
  writeInt(w, privateLabel); writeMap(w, 2); writeInt(w, 1); writeInt(w, x.number); writeInt(w, 2); writeBytes(w, x.auditHead);
  return finish(w);
}
export function decodeStatusList(claims: Uint8Array): StatusList | undefined {
  const r = reader(claims);
  const x = {} as StatusList;
  if (readMap(r) !== 7) fail(r);
  label(r, 1); x.issuer = readText(r);
  label(r, 2); x.list = readText(r);
  label(r, 4); x.expires = readUint(r);
  label(r, 6); x.issuedAt = readUint(r);
  label(r, 65533); if (readMap(r) !== 2) fail(r);
  if (readText(r) !== "lst") fail(r);
  x.packed = readBytes(r);
  if (readText(r) !== "bits" || readUint(r) !== 2) fail(r);
  label(r, 65534); x.ttl = readUint(r);
  label(r, privateLabel); if (readMap(r) !== 2) fail(r);
  label(r, 1); x.number = readUint(r);
  label(r, 2); x.auditHead = readBytes(r, 32);
  return done(r) ? x : undefined;
}

/** What changed since list `appliesTo`; indices in rising order. */
export interface StatusDelta {
  issuer: string; list: string; issuedAt: number; ttl: number; number: number; appliesTo: number;
  /** First 8 bytes of SHA-256 of the unpacked bits afterwards. */
  result: Uint8Array;
  revoked: number[]; valid: number[]; suspended: number[];
}
export function encodeStatusDelta(x: StatusDelta): Uint8Array {
  const w = writer();
  const changes = [x.revoked, x.valid, x.suspended].filter((list) => list.length > 0).length;
  writeMap(w, 5);
  writeInt(w, 1); writeText(w, x.issuer);
  writeInt(w, 2); writeText(w, x.list);
  writeInt(w, 6); writeInt(w, x.issuedAt);
  writeInt(w, 65534); writeInt(w, x.ttl);
  writeInt(w, privateLabel); writeMap(w, 3 + changes);
  writeInt(w, 1); writeInt(w, x.number);
  writeInt(w, 2); writeInt(w, x.appliesTo);
  writeInt(w, 3); writeBytes(w, x.result);
  writeGaps(w, 4, x.revoked); writeGaps(w, 5, x.valid); writeGaps(w, 6, x.suspended);
  return finish(w);
}
export function decodeStatusDelta(claims: Uint8Array): StatusDelta | undefined {
  const r = reader(claims);
  const x = {} as StatusDelta;
  if (readMap(r) !== 5) fail(r);
  label(r, 1); x.issuer = readText(r);
  label(r, 2); x.list = readText(r);
  label(r, 6); x.issuedAt = readUint(r);
  label(r, 65534); x.ttl = readUint(r);
  label(r, privateLabel);
  const pairs = readMap(r);
  label(r, 1); x.number = readUint(r);
  label(r, 2); x.appliesTo = readUint(r);
  label(r, 3); x.result = readBytes(r, 8);
  x.revoked = []; x.valid = []; x.suspended = [];
  let before = 3;
  for (let i = 3; i < pairs && !r.bad; i++) {
    const which = readUint(r);
    const list = readGaps(r);
    if (which <= before || which > 6 || list.length === 0) fail(r);
    if (which === 4) x.revoked = list; else if (which === 5) x.valid = list; else x.suspended = list;
    before = which;
  }
  return done(r) ? x : undefined;
}

/** Rising indices as gaps in base 128, high groups first. */
function writeGaps(w: Writer, number: number, indices: readonly number[]): void {
  if (indices.length === 0) return;
  const out: number[] = [];
  let next = 0;
  for (const index of indices) {
    const groups: number[] = [];
    for (let gap = index - next; groups.length === 0 || gap > 0; gap = Math.floor(gap / 128)) groups.push(gap % 128);
    for (let i = groups.length - 1; i >= 0; i--) out.push(groups[i]! | (i > 0 ? 128 : 0));
    next = index + 1;
  }
  writeInt(w, number);
  writeBytes(w, new Uint8Array(out));
}
function readGaps(r: Reader): number[] {
  const bytes = readBytes(r);
  const indices: number[] = [];
  let gap = 0;
  let next = 0;
  for (let i = 0; i < bytes.length; i++) {
    if (gap === 0 && bytes[i] === 128) fail(r);
    gap = gap * 128 + (bytes[i]! & 127);
    if (next + gap >= limits.statusListBytesMax * 4) { fail(r); return []; } // Two bits a value: no list reaches further.
    if (bytes[i]! >= 128) continue;
    indices.push(next + gap);
    next += gap + 1;
    gap = 0;
  }
  if (bytes.length > 0 && bytes[bytes.length - 1]! >= 128) fail(r);
  return indices;
}

/** State of one index in unpacked bits; an index beyond the list is valid: it was issued after the list was made. */
export function statusAt(bits: Uint8Array, index: number): number {
  const byte = Math.floor(index / 4);
  return byte >= bits.length ? status.valid : (bits[byte]! >> ((index % 4) * 2)) & 3;
}

/** The bits with some indices set; grows as needed. */
export function withStatus(bits: Uint8Array, indices: readonly number[], state: number): Uint8Array {
  let length = bits.length;
  for (const index of indices) length = Math.max(length, Math.floor(index / 4) + 1);
  const changed = new Uint8Array(length);
  changed.set(bits);
  for (const index of indices) {
    const byte = Math.floor(index / 4);
    const shift = (index % 4) * 2;
    changed[byte] = (changed[byte]! & ~(3 << shift)) | (state << shift);
  }
  return changed;
}

/** The bits after a delta, or undefined when their digest is not the one it names. */
export function applyDelta(crypto: Crypto, bits: Uint8Array, delta: StatusDelta): Uint8Array | undefined {
  let after = withStatus(bits, delta.revoked, status.revoked);
  after = withStatus(after, delta.valid, status.valid);
  after = withStatus(after, delta.suspended, status.suspended);
  const digest = bitsDigest(crypto, after);
  for (let i = 0; i < 8; i++) if (digest[i] !== delta.result[i]) return undefined;
  return after;
}
export function bitsDigest(crypto: Crypto, bits: Uint8Array): Uint8Array {
  return copy(crypto.sha256(bits), 0, 8);
}

// ---- time --------------------------------------------------------------------------------------------------------------

/** The status key says what time it is; with the terminal's own nonce it may set the clock. */
export interface SignedTime { issuer: string; at: number; nonce: Uint8Array | undefined }
export function encodeTime(x: SignedTime): Uint8Array {
  const w = writer();
  writeMap(w, x.nonce === undefined ? 2 : 3);
  writeInt(w, 1); writeText(w, x.issuer);
  writeInt(w, 6); writeInt(w, x.at);
  if (x.nonce !== undefined) { writeInt(w, 10); writeBytes(w, x.nonce); }
  return finish(w);
}
export function decodeTime(claims: Uint8Array): SignedTime | undefined {
  const r = reader(claims);
  const x = {} as SignedTime;
  const pairs = readMap(r);
  label(r, 1); x.issuer = readText(r);
  label(r, 6); x.at = readUint(r);
  x.nonce = undefined;
  if (pairs === 3) { label(r, 10); x.nonce = readBytes(r, 8); } else if (pairs !== 2) fail(r);
  return done(r) ? x : undefined;
}
