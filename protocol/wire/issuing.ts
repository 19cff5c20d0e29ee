/**
 * What host and issuer say to each other when the issuer runs apart (S6, `trust.md` §1): claims of values that were sold, and the same
 * signed. In envelopes like all letters, each sealed to the other's key.
 */
import { done, fail, finish, readArray, readBytes, readMap, readText, readUint, reader, writeArray, writeBytes, writeInt, writeMap, writeText, writer, type Reader } from "./cbor.js";
import { label } from "./value.js";

/** Type of the host's message; the answer has + 128. */
export const issuingType = 70;
/** Values in one letter. */
export const issuingMost = 20;

/** The issuer's own word on a value: who issues it, what it is, for whom it is made out, its id. It stays on the handset until asked for. */
export interface IssuerClaims { issuer: string; product: string; name: string; valueId: Uint8Array }
export function encodeIssuerClaims(x: IssuerClaims): Uint8Array {
  const w = writer();
  writeMap(w, 4);
  writeInt(w, 1); writeText(w, x.issuer);
  writeInt(w, 2); writeText(w, x.product);
  writeInt(w, 3); writeText(w, x.name);
  writeInt(w, 7); writeBytes(w, x.valueId);
  return finish(w);
}
export function decodeIssuerClaims(claims: Uint8Array): IssuerClaims | undefined {
  const r = reader(claims);
  if (readMap(r) !== 4) fail(r);
  label(r, 1); const issuer = readText(r);
  label(r, 2); const product = readText(r);
  label(r, 3); const name = readText(r);
  label(r, 7); const valueId = readBytes(r, 8);
  return done(r) ? { issuer: issuer, product: product, name: name, valueId: valueId } : undefined;
}

/** Host → issuer: product and claims of each value; the product's id is what quotas count by. */
export interface Asked { product: string; claims: Uint8Array }
export function encodeIssuing(list: readonly Asked[]): Uint8Array {
  const w = writer();
  writeArray(w, list.length);
  for (const x of list) { writeArray(w, 2); writeText(w, x.product); writeBytes(w, x.claims); }
  return finish(w);
}
export function decodeIssuing(body: Uint8Array): Asked[] | undefined {
  const r = reader(body);
  const list = readFew(r, readAsked);
  return done(r) ? list : undefined;
}
function readAsked(r: Reader): Asked {
  readArray(r, 2);
  return { product: readText(r), claims: readBytes(r) };
}

/** Why an issuer does not sign: not its value, not its product, more than its quota, another word for a value it signed. */
export const issuingRefusal = { foreign: 1, product: 2, quota: 3, differs: 4 } as const;
/** Issuer → host, in the same order: 0 and the signed claims, or why not (empty). */
export interface Signed { code: number; part: Uint8Array }
export function encodeIssued(list: readonly Signed[]): Uint8Array {
  const w = writer();
  writeArray(w, list.length);
  for (const x of list) { writeArray(w, 2); writeInt(w, x.code); writeBytes(w, x.part); }
  return finish(w);
}
export function decodeIssued(body: Uint8Array): Signed[] | undefined {
  const r = reader(body);
  const list = readFew(r, readSigned);
  return done(r) ? list : undefined;
}
function readSigned(r: Reader): Signed {
  readArray(r, 2);
  return { code: readUint(r), part: readBytes(r) };
}

function readFew<T>(r: Reader, readItem: (r: Reader) => T): T[] {
  const count = readArray(r);
  const items: T[] = [];
  if (count > issuingMost) fail(r);
  for (let i = 0; i < count && !r.bad; i++) items.push(readItem(r));
  return items;
}
