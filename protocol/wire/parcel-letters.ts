/**
 * What follows an order: mail that waits for a handset, gifts and their receipts, picking up, and handing a value on
 * (P8–P10, P14–P19). Sealed and numbered like all letters; their types stand in `sync.ts`.
 */
import { done, fail, finish, readArray, readBytes, readText, readUint, reader, writeArray, writeBytes, writeInt, writeText, writer, type Reader } from "./cbor.js";
import { copy, utf8 } from "./bytes.js";
import { readOptional, writeOptional } from "./lists.js";
import type { Crypto } from "../crypto/crypto.js";
import { readFull, readId, readSome } from "./order.js";
import { limits } from "../limits.js";

// ---- mail (39) ------------------------------------------------------------------------------------------------------------------

/**
 * What mail may be. `attachment`: sealed by the ordering terminal, released on payment (P6). `gift`: a `gift-notice`. `thanks`: a
 * `forwarded` receipt of a recipient (P9, P10). `offer`: a shop's sealed offer (P19). `information`: what was bought, as text.
 */
export const mailKind = { attachment: 1, gift: 2, thanks: 3, offer: 4, information: 5 } as const;
/** `number` rises; `order` is what it belongs to. */
export interface Mail { number: number; kind: number; order: Uint8Array; body: Uint8Array }
/** Asked with the number of the last mail that is stored here: what has a higher one, in order, as much as fits a letter. */
export function encodeMailAfter(after: number): Uint8Array {
  const w = writer();
  writeArray(w, 1); writeInt(w, after);
  return finish(w);
}
export function decodeMailAfter(body: Uint8Array): number | undefined {
  const r = reader(body);
  readArray(r, 1);
  const after = readUint(r);
  return done(r) ? after : undefined;
}
export function encodeMail(list: readonly Mail[]): Uint8Array {
  const w = writer();
  writeArray(w, list.length);
  for (const m of list) { writeArray(w, 4); writeInt(w, m.number); writeInt(w, m.kind); writeBytes(w, m.order); writeBytes(w, m.body); }
  return finish(w);
}
export function decodeMail(body: Uint8Array): Mail[] | undefined {
  const r = reader(body);
  const list = readSome(r, 0, limits.mailMax, readMail);
  return done(r) ? list : undefined;
}
function readMail(r: Reader): Mail {
  readArray(r, 4);
  const m = { number: readUint(r), kind: readUint(r), order: readId(r), body: readBytes(r) };
  if (m.kind < 1 || m.kind > mailKind.information) fail(r);
  return m;
}

// ---- gifts: notice, thank (41), thanks (50), claim (43) ------------------------------------------------------------------------------

/**
 * To the recipient: from whom, which parcel of the order (from 1), what it is, and the giver's agreement key, so that nobody else
 * reads the thanks. `request`: the request number where it is to be picked up (P18), else empty.
 */
export interface GiftNotice { from: string; parcel: number; agreement: Uint8Array; request: string; names: string[] }
export function encodeGiftNotice(x: GiftNotice): Uint8Array {
  const w = writer();
  writeArray(w, 5); writeText(w, x.from); writeInt(w, x.parcel); writeBytes(w, x.agreement); writeText(w, x.request);
  writeArray(w, x.names.length);
  for (const name of x.names) writeText(w, name);
  return finish(w);
}
export function decodeGiftNotice(body: Uint8Array): GiftNotice | undefined {
  const r = reader(body);
  readArray(r, 5);
  const x = { from: readText(r), parcel: readUint(r), agreement: readBytes(r, 33), request: readText(r), names: readSome(r, 1, limits.linesMax * limits.lineCountMax, readText) };
  return done(r) ? x : undefined;
}
/**
 * P9, P10: what the recipient's handset signs, in an envelope to the giver's (type `thanks`): content, time, server,
 * recipient, and a message between the two. `values`: digest16 of each value received.
 */
export interface Thanks { order: Uint8Array; parcel: number; values: Uint8Array[]; at: number; server: string; recipient: string; message: string }
export function encodeThanks(x: Thanks): Uint8Array {
  const w = writer();
  writeArray(w, 7); writeBytes(w, x.order); writeInt(w, x.parcel);
  writeArray(w, x.values.length);
  for (const v of x.values) writeBytes(w, v);
  writeInt(w, x.at); writeText(w, x.server); writeText(w, x.recipient); writeText(w, x.message);
  return finish(w);
}
export function decodeThanks(body: Uint8Array): Thanks | undefined {
  const r = reader(body);
  readArray(r, 7);
  const x = {
    order: readId(r), parcel: readUint(r), values: readSome(r, 1, limits.linesMax * limits.lineCountMax, readDigest), at: readUint(r), server: readText(r), recipient: readText(r), message: readText(r),
  };
  return done(r) ? x : undefined;
}
function readDigest(r: Reader): Uint8Array {
  return readBytes(r, 16);
}
/** To the host: pass this on to the giver, unread. */
export interface Thank { order: Uint8Array; parcel: number; sealed: Uint8Array }
export function encodeThank(x: Thank): Uint8Array {
  const w = writer();
  writeArray(w, 3); writeBytes(w, x.order); writeInt(w, x.parcel); writeBytes(w, x.sealed);
  return finish(w);
}
export function decodeThank(body: Uint8Array): Thank | undefined {
  const r = reader(body);
  readArray(r, 3);
  const x = { order: readId(r), parcel: readUint(r), sealed: readFull(r) };
  if (x.sealed.length > limits.attachmentBytesMax) fail(r);
  return done(r) ? x : undefined;
}
/** As mail to the giver: the sealed thanks, who sent it, and the key that must have signed it. */
export interface Forwarded { from: string; signing: Uint8Array; sealed: Uint8Array }
export function encodeForwarded(x: Forwarded): Uint8Array {
  const w = writer();
  writeArray(w, 3); writeText(w, x.from); writeBytes(w, x.signing); writeBytes(w, x.sealed);
  return finish(w);
}
export function decodeForwarded(body: Uint8Array): Forwarded | undefined {
  const r = reader(body);
  readArray(r, 3);
  const x = { from: readText(r), signing: readBytes(r, 33), sealed: readFull(r) };
  return done(r) ? x : undefined;
}
/** The token that came with the gift's notice; without a code it has one sent to the number, with it the gift is the sender's. */
export interface GiftClaim { token: string; code: string }
export function encodeGiftClaim(x: GiftClaim): Uint8Array {
  const w = writer();
  writeArray(w, 2); writeText(w, x.token); writeText(w, x.code);
  return finish(w);
}
export function decodeGiftClaim(body: Uint8Array): GiftClaim | undefined {
  const r = reader(body);
  readArray(r, 2);
  const x = { token: readText(r), code: readText(r) };
  return done(r) ? x : undefined;
}

// ---- picking up (42), pushed ahead (46, 47) --------------------------------------------------------------------------------------

/** User id and request number as shown, and a public key for each value, made by whoever takes it; none yet: how many are needed? */
export interface PickUp { user: string; number: string; keys: PickUpKey[] }
export interface PickUpKey { offer: Uint8Array; publicKey: Uint8Array; keyClass: number }
export function encodePickUp(x: PickUp): Uint8Array {
  const w = writer();
  writeArray(w, 3); writeText(w, x.user); writeText(w, x.number);
  writeArray(w, x.keys.length);
  for (const k of x.keys) { writeArray(w, 3); writeBytes(w, k.offer); writeBytes(w, k.publicKey); writeInt(w, k.keyClass); }
  return finish(w);
}
export function decodePickUp(body: Uint8Array): PickUp | undefined {
  const r = reader(body);
  readArray(r, 3);
  const x = { user: readText(r), number: readText(r), keys: readSome(r, 0, limits.lineCountMax, readPickUpKey) };
  return done(r) ? x : undefined;
}
function readPickUpKey(r: Reader): PickUpKey {
  readArray(r, 3);
  return { offer: readId(r), publicKey: readBytes(r, 33), keyClass: readUint(r) };
}
/** 0 and how many values wait, or why not; `delivered` is the body of an answer to *deliver*, empty until keys were named. */
export interface PickedUp { code: number; values: number; delivered: Uint8Array }
export function encodePickedUp(x: PickedUp): Uint8Array {
  const w = writer();
  writeArray(w, 3); writeInt(w, x.code); writeInt(w, x.values); writeOptional(w, x.delivered);
  return finish(w);
}
export function decodePickedUp(body: Uint8Array): PickedUp | undefined {
  const r = reader(body);
  readArray(r, 3);
  const x = { code: readUint(r), values: readUint(r), delivered: readOptional(r) };
  return done(r) ? x : undefined;
}

/**
 * A parcel that waits in a shop (P17): `user` and `check` tell the shop whether a shown user id and request number fit
 * (`pushedUser`, `pushedCheck`); `sealed` is an envelope for the recipient's handset, which the shop cannot open.
 */
export interface PushedParcel { number: number; user: Uint8Array; check: Uint8Array; sealed: Uint8Array; until: number }
/** Asked like mail: the number of the last one that is stored here. */
export function encodePushed(list: readonly PushedParcel[]): Uint8Array {
  const w = writer();
  writeArray(w, list.length);
  for (const p of list) { writeArray(w, 5); writeInt(w, p.number); writeBytes(w, p.user); writeBytes(w, p.check); writeBytes(w, p.sealed); writeInt(w, p.until); }
  return finish(w);
}
export function decodePushed(body: Uint8Array): PushedParcel[] | undefined {
  const r = reader(body);
  const list = readSome(r, 0, limits.mailMax, readPushed);
  return done(r) ? list : undefined;
}
function readPushed(r: Reader): PushedParcel {
  readArray(r, 5);
  return { number: readUint(r), user: readBytes(r, 16), check: readBytes(r, 16), sealed: readFull(r), until: readUint(r) };
}

/** How a shop finds a parcel without learning who its recipient is before he comes: both are digests, the second with the number. */
export function pushedUser(crypto: Crypto, user: string): Uint8Array {
  return copy(crypto.sha256(utf8("user " + user)), 0, 16);
}
export function pushedCheck(crypto: Crypto, user: string, number: string): Uint8Array {
  return copy(crypto.sha256(utf8("pick up " + number + " " + user)), 0, 16);
}

// ---- handing on (44) -----------------------------------------------------------------------------------------------------------------

/**
 * P18: the holder's word that a value is another's from now on (object class `ks-deed`, signed by the value's own key).
 * `counter` and `newest` (digest16 of its newest receipt, of its claims at 0) say in which state; `step` is the owner
 * sequence that it gets. Through the host it names a user, and from when on; between two handsets a key that the other one made.
 */
export interface Deed { value: Uint8Array; counter: number; newest: Uint8Array; step: number; at: number; to: { user: string } | { offer: Uint8Array; publicKey: Uint8Array; keyClass: number } }
export function encodeDeed(d: Deed): Uint8Array {
  const w = writer();
  writeArray(w, 6); writeBytes(w, d.value); writeInt(w, d.counter); writeBytes(w, d.newest); writeInt(w, d.step); writeInt(w, d.at);
  if ("user" in d.to) { writeArray(w, 1); writeText(w, d.to.user); }
  else { writeArray(w, 3); writeBytes(w, d.to.offer); writeBytes(w, d.to.publicKey); writeInt(w, d.to.keyClass); }
  return finish(w);
}
export function decodeDeed(claims: Uint8Array): Deed | undefined {
  const r = reader(claims);
  readArray(r, 6);
  const d = { value: readId(r), counter: readUint(r), newest: readBytes(r, 16), step: readUint(r), at: readUint(r), to: readTo(r) };
  return done(r) ? d : undefined;
}
function readTo(r: Reader): Deed["to"] {
  const items = readArray(r);
  if (items === 1) return { user: readText(r) };
  if (items !== 3) fail(r);
  return { offer: readId(r), publicKey: readBytes(r, 33), keyClass: readUint(r) };
}
/** To the host, from the giver or from the one who got it directly: the deed, and the newest receipt with what proves it. */
export interface HandOn { deed: Uint8Array; receipt: Uint8Array; proof: Uint8Array }
export function encodeHandOn(x: HandOn): Uint8Array {
  const w = writer();
  writeArray(w, 3); writeBytes(w, x.deed); writeOptional(w, x.receipt); writeOptional(w, x.proof);
  return finish(w);
}
export function decodeHandOn(body: Uint8Array): HandOn | undefined {
  const r = reader(body);
  readArray(r, 3);
  const x = { deed: readFull(r), receipt: readOptional(r), proof: readOptional(r) };
  return done(r) ? x : undefined;
}

// ---- shops' offers (48) ----------------------------------------------------------------------------------------------------------------

/** P19: what a shop leaves beforehand, each sealed by itself; the whole list, each time. */
export function encodeOffersLeft(list: readonly Uint8Array[]): Uint8Array {
  const w = writer();
  writeArray(w, list.length);
  for (const sealed of list) writeBytes(w, sealed);
  return finish(w);
}
export function decodeOffersLeft(body: Uint8Array): Uint8Array[] | undefined {
  const r = reader(body);
  const list = readSome(r, 0, limits.shopsMax, readFull);
  if (list.some((sealed) => sealed.length > limits.attachmentBytesMax)) fail(r);
  return done(r) ? list : undefined;
}
