/**
 * The electronic value as a terminal sees it: one map of claims, signed once by the provider (`tap.md` §2). That one
 * signature is presented part and certificate together; claim 8 of the private map binds the issuer's own signed part,
 * which stays on the handset until somebody asks for it (`design.md` §5).
 */
import type { Crypto } from "../crypto/crypto.js";
import { copy } from "./bytes.js";
import {
  done, fail, finish, readArray, readBytes, readInt, readMap, readText, readUint, reading, writeArray,
  writeBytes, writeInt, writeMap, writeRaw, writeText, writer, type Reader,
} from "./cbor.js";
import { readKey, sigStructure, signHeader, writeKey } from "./cose.js";
import { limits } from "../limits.js";

/** Label of the one private map, below −65536 where labels are free to use. */
export const privateLabel = -70001;

/** What `most` and the running total count. */
export const unit = { uses: 1, money: 2 } as const;

/** Bits of `flags`. Bits 3–4 hold the key class, bits 5–6 the policy when status or time is undetermined. */
export const flag = { transferable: 1, oneWay: 2, profileB: 4 } as const;
export function keyClass(flags: number): number { return (flags >> 3) & 3; }
/** 0 refuse, 1 accept to the offline limit, 2 accept. */
export function undeterminedPolicy(flags: number): number { return (flags >> 5) & 3; }

export interface Value {
  kind: string;
  /** UTC seconds. */
  expires: number;
  notBefore: number;
  /** 8 bytes. In a grant: the grant id. */
  valueId: Uint8Array;
  /** The value's own key, compressed; empty in a grant, whose key is derived. */
  holderKey: Uint8Array;
  /** `unit.uses` or `unit.money`. */
  unit: number;
  /** The running total may never pass this. */
  most: number;
  /** ISO 4217 number, for money. */
  currency: number | undefined;
  zones: number[];
  /** The encoded rule (`rule.ts`). */
  rule: Uint8Array;
  /** What offline terminals may accept since the last base: uses, amount, days. */
  offline: { uses: number; amount: number; days: number };
  ownerSequence: number;
  flags: number;
  statusIndex: number;
  /** First 16 bytes of SHA-256 of the issuer's signed part; empty in a grant. */
  issuerPart: Uint8Array;
}

/** The claims' bytes. `claims[8]` and the issuer's part are left out of a grant (both empty). */
export function encodeValue(v: Value): Uint8Array {
  const w = writer();
  const isGrant = v.holderKey.length === 0;
  writeMap(w, isGrant ? 5 : 6);
  writeInt(w, 2); writeText(w, v.kind);
  writeInt(w, 4); writeInt(w, v.expires);
  writeInt(w, 5); writeInt(w, v.notBefore);
  writeInt(w, 7); writeBytes(w, v.valueId);
  if (!isGrant) { writeInt(w, 8); writeMap(w, 1); writeInt(w, 1); writeKey(w, v.holderKey); }
  writeInt(w, privateLabel);
  writeMap(w, isGrant ? 7 : 8);
  writeInt(w, 1);
  writeArray(w, v.currency === undefined ? 2 : 3);
  writeInt(w, v.unit); writeInt(w, v.most);
  if (v.currency !== undefined) writeInt(w, v.currency);
  writeInt(w, 2); writeArray(w, v.zones.length);
  for (const zone of v.zones) writeInt(w, zone);
  writeInt(w, 3); writeRaw(w, v.rule);
  writeInt(w, 4); writeArray(w, 3); writeInt(w, v.offline.uses); writeInt(w, v.offline.amount); writeInt(w, v.offline.days);
  writeInt(w, 5); writeInt(w, v.ownerSequence);
  writeInt(w, 6); writeInt(w, v.flags);
  writeInt(w, 7); writeInt(w, v.statusIndex);
  if (!isGrant) { writeInt(w, 8); writeBytes(w, v.issuerPart); }
  return finish(w);
}

/** The value in `claims`, or undefined when they are not exactly of this form. */
export function decodeValue(claims: Uint8Array): Value | undefined {
  if (claims.length > limits.valueClaimsBytesMax) return undefined;
  const r = reading(claims);
  const pairs = readMap(r);
  const isGrant = pairs === 5;
  if (pairs !== 5 && pairs !== 6) fail(r);
  const v = {} as Value;
  label(r, 2); v.kind = readText(r);
  label(r, 4); v.expires = readUint(r);
  label(r, 5); v.notBefore = readUint(r);
  label(r, 7); v.valueId = readBytes(r, 8);
  v.holderKey = new Uint8Array(0);
  if (!isGrant) { label(r, 8); if (readMap(r) !== 1) fail(r); label(r, 1); v.holderKey = readKey(r); }
  label(r, privateLabel);
  if (readMap(r) !== (isGrant ? 7 : 8)) fail(r);
  readWorth(r, v);
  label(r, 2); v.zones = readUints(r, limits.zonesMax);
  label(r, 3);
  const ruleStart = r.at;
  readClauses(r);
  v.rule = copy(claims, ruleStart, r.at);
  label(r, 4); readArray(r, 3);
  v.offline = { uses: readUint(r), amount: readUint(r), days: readUint(r) };
  label(r, 5); v.ownerSequence = readUint(r);
  label(r, 6); v.flags = readUint(r);
  label(r, 7); v.statusIndex = readUint(r);
  v.issuerPart = new Uint8Array(0);
  if (!isGrant) { label(r, 8); v.issuerPart = readBytes(r, 16); }
  return done(r) ? v : undefined;
}

function readWorth(r: Reader, v: Value): void {
  label(r, 1);
  const items = readArray(r);
  if (items !== 2 && items !== 3) fail(r);
  v.unit = readUint(r);
  v.most = readUint(r);
  v.currency = items === 3 ? readUint(r) : undefined;
  if (v.unit !== unit.uses && v.unit !== unit.money) fail(r);
  if ((v.unit === unit.money) !== (v.currency !== undefined)) fail(r);
}

/** A rule's clauses, at most 12 of 1 to 8 integers; what they mean is `rule.ts`'s to say. */
export function readClauses(r: Reader): number[][] {
  const count = readArray(r);
  if (count > limits.clausesMax) fail(r);
  const list: number[][] = [];
  for (let i = 0; i < count && !r.bad; i++) {
    const items = readArray(r);
    if (items < 1 || items > 8) fail(r);
    const clause: number[] = [];
    for (let j = 0; j < items && !r.bad; j++) clause.push(readInt(r));
    list.push(clause);
  }
  return list;
}

/** Reads a map's next key, which must be this one. */
export function label(r: Reader, expected: number): void {
  if (readInt(r) !== expected) fail(r);
}

/** A list of unsigned integers, at most `most` of them. */
export function readUints(r: Reader, most: number): number[] {
  const count = readArray(r);
  const list: number[] = [];
  if (count > most) fail(r);
  for (let i = 0; i < count && !r.bad; i++) list.push(readUint(r));
  return list;
}

/** What the provider signs for a value: class `value`, key id in the protected header. */
export function valueToSign(kid: Uint8Array, claims: Uint8Array): Uint8Array {
  return sigStructure(signHeader("value", kid), new Uint8Array(0), claims);
}

/** A chain's start: the digest that stands for "no receipt yet", and what any receipt's successor names. */
export function digest16(crypto: Crypto, payload: Uint8Array): Uint8Array {
  return copy(crypto.sha256(payload), 0, 16);
}
