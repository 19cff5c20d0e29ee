/**
 * What a terminal and the host say to each other inside envelopes: a body for each type of message (`trust.md` §5). A record
 * is good at any age, a request is not. Letters of handsets stand in `handset-letters.ts`, first contact in `claim.ts`.
 */
import { done, fail, finish, readArray, readBytes, readUint, reader, writeArray, writeBytes, writeInt, writer } from "./cbor.js";
import { readList, readOne, readOptional, writeAll, writeOptional } from "./lists.js";

/** Types of messages; an answer has its request's type + 128. Types up to 15 come from terminals, 32 to 63 speak of orders and come from either. */
export const messageType = {
  records: 1, pull: 2, renew: 3, handoverAsk: 4, handoverWait: 5, pullBoard: 6,
  enrolHandset: 16, collect: 17, deliver: 18, refresh: 19, report: 20, regrant: 21,
  order: 32, catalogue: 33, bills: 34, pay: 35, acknowledgePayment: 36, act: 37, received: 38, mail: 39, spareKeys: 40, thank: 41, pickUp: 42, claimGift: 43, handOn: 44,
  pairing: 45, pushed: 46, leaveOffers: 48, identity: 49, thanks: 50,
} as const;
export const answerBit = 128;

// ---- records: up, exactly once ------------------------------------------------------------------------------------------

/** Journal entries `first`, `first + 1` … of this terminal; `head` is the chain digest after the last one. */
export interface Batch { boot: number; first: number; entries: Uint8Array[]; head: Uint8Array }
export function encodeBatch(b: Batch): Uint8Array {
  const w = writer();
  writeArray(w, 4); writeInt(w, b.boot); writeInt(w, b.first); writeAll(w, b.entries); writeBytes(w, b.head);
  return finish(w);
}
export function decodeBatch(body: Uint8Array): Batch | undefined {
  const r = reader(body);
  readArray(r, 4);
  const b = { boot: readUint(r), first: readUint(r), entries: readList(r, readOne), head: readBytes(r, 16) };
  return done(r) ? b : undefined;
}
/** Everything up to this sequence is durable at the host; the terminal goes on from the next. */
export interface BatchTaken { through: number }
export function encodeBatchTaken(b: BatchTaken): Uint8Array {
  const w = writer();
  writeArray(w, 1); writeInt(w, b.through);
  return finish(w);
}
export function decodeBatchTaken(body: Uint8Array): BatchTaken | undefined {
  const r = reader(body);
  readArray(r, 1);
  const b = { through: readUint(r) };
  return done(r) ? b : undefined;
}

// ---- pull: what is new ----------------------------------------------------------------------------------------------------

/** What the terminal holds. `list` is 0 when it has none; `digest` then is eight zeros. */
export interface Pull { configuration: number; list: number; digest: Uint8Array; nonce: Uint8Array; knownTerminals: number }
export function encodePull(p: Pull): Uint8Array {
  const w = writer();
  writeArray(w, 5); writeInt(w, p.configuration); writeInt(w, p.list); writeBytes(w, p.digest); writeBytes(w, p.nonce); writeInt(w, p.knownTerminals);
  return finish(w);
}
export function decodePull(body: Uint8Array): Pull | undefined {
  const r = reader(body);
  readArray(r, 5);
  const p = { configuration: readUint(r), list: readUint(r), digest: readBytes(r, 8), nonce: readBytes(r, 8), knownTerminals: readUint(r) };
  return done(r) ? p : undefined;
}

/**
 * Signed objects, each to be checked by itself. `deltas` lead from the list held to the newest, or `list` is a whole one;
 * `roles` are role certificates and revocations signed by a root; `terminals` are certificates `[kid, claims, signature]`
 * of the same operator, from the number asked for on, so that each other's receipts can be checked.
 */
export interface News { time: Uint8Array; configuration: Uint8Array; list: Uint8Array; deltas: Uint8Array[]; roles: Uint8Array[]; terminals: Uint8Array[]; terminalsNumber: number; /** Group keys of the present epoch (profile B), or empty. */ group: Uint8Array }
export function encodeNews(n: News): Uint8Array {
  const w = writer();
  writeArray(w, 8); writeBytes(w, n.time); writeOptional(w, n.configuration); writeOptional(w, n.list); writeAll(w, n.deltas); writeAll(w, n.roles);
  writeAll(w, n.terminals); writeInt(w, n.terminalsNumber); writeOptional(w, n.group);
  return finish(w);
}
export function decodeNews(body: Uint8Array): News | undefined {
  const r = reader(body);
  readArray(r, 8);
  const n = {
    time: readBytes(r), configuration: readOptional(r), list: readOptional(r), deltas: readList(r, readOne), roles: readList(r, readOne),
    terminals: readList(r, readOne), terminalsNumber: readUint(r), group: readOptional(r),
  };
  return done(r) ? n : undefined;
}

// ---- renew -----------------------------------------------------------------------------------------------------------------

/** New keys for a new terminal certificate; the counter shows a copied box (`trust.md` §3). */
export interface Renewal { counter: number; signingKey: Uint8Array; agreementKey: Uint8Array }
export function encodeRenewal(x: Renewal): Uint8Array {
  const w = writer();
  writeArray(w, 3); writeInt(w, x.counter); writeBytes(w, x.signingKey); writeBytes(w, x.agreementKey);
  return finish(w);
}
export function decodeRenewal(body: Uint8Array): Renewal | undefined {
  const r = reader(body);
  readArray(r, 3);
  const x = { counter: readUint(r), signingKey: readBytes(r, 33), agreementKey: readBytes(r, 33) };
  return done(r) ? x : undefined;
}
/** `[kid, claims, signature]`: certificates and values where they are carried. */
export function encodeSignedClaims(kid: Uint8Array, claims: Uint8Array, signature: Uint8Array): Uint8Array {
  const w = writer();
  writeArray(w, 3); writeBytes(w, kid); writeBytes(w, claims); writeBytes(w, signature);
  return finish(w);
}
export function decodeSignedClaims(bytes: Uint8Array): { kid: Uint8Array; claims: Uint8Array; signature: Uint8Array } | undefined {
  const r = reader(bytes);
  readArray(r, 3);
  const x = { kid: readBytes(r, 4), claims: readBytes(r), signature: readBytes(r, 64) };
  return done(r) ? x : undefined;
}

// ---- handover through the host (decision 5) ---------------------------------------------------------------------------------

/** Terminal → host: may I finish this receipt? `owner`: who made it, or to whom it went. Answered by a code, 0 given. */
export interface HandoverAsk { owner: Uint8Array; receipt: Uint8Array; proof: Uint8Array }
export function encodeHandoverAsk(x: HandoverAsk): Uint8Array {
  const w = writer();
  writeArray(w, 3); writeBytes(w, x.owner); writeBytes(w, x.receipt); writeBytes(w, x.proof);
  return finish(w);
}
export function decodeHandoverAsk(body: Uint8Array): HandoverAsk | undefined {
  const r = reader(body);
  readArray(r, 3);
  const x = { owner: readBytes(r, 8), receipt: readBytes(r), proof: readBytes(r) };
  return done(r) ? x : undefined;
}
export interface HandoverCode { code: number }
export function encodeHandoverCode(x: HandoverCode): Uint8Array {
  const w = writer();
  writeArray(w, 1); writeInt(w, x.code);
  return finish(w);
}
export function decodeHandoverCode(body: Uint8Array): HandoverCode | undefined {
  const r = reader(body);
  readArray(r, 1);
  const x = { code: readUint(r) };
  return done(r) ? x : undefined;
}

/** The owner's long poll: it brings the answer to the question before, and waits for the next. `number` 0: no answer yet. */
export interface HandoverWait { number: number; code: number }
export function encodeHandoverWait(x: HandoverWait): Uint8Array {
  const w = writer();
  writeArray(w, 2); writeInt(w, x.number); writeInt(w, x.code);
  return finish(w);
}
export function decodeHandoverWait(body: Uint8Array): HandoverWait | undefined {
  const r = reader(body);
  readArray(r, 2);
  const x = { number: readUint(r), code: readUint(r) };
  return done(r) ? x : undefined;
}
/** The host's question to the owner: `by` (certificate id) wants to finish this receipt. `number` 0: nothing asked, wait again. */
export interface HandoverQuestion { number: number; by: Uint8Array; receipt: Uint8Array; proof: Uint8Array }
export function encodeHandoverQuestion(x: HandoverQuestion): Uint8Array {
  const w = writer();
  writeArray(w, 4); writeInt(w, x.number); writeBytes(w, x.by); writeBytes(w, x.receipt); writeBytes(w, x.proof);
  return finish(w);
}
export function decodeHandoverQuestion(body: Uint8Array): HandoverQuestion | undefined {
  const r = reader(body);
  readArray(r, 4);
  const x = { number: readUint(r), by: readBytes(r), receipt: readBytes(r), proof: readBytes(r) };
  if (x.number === 0 ? x.by.length + x.receipt.length + x.proof.length > 0 : x.by.length !== 8) fail(r);
  return done(r) ? x : undefined;
}
