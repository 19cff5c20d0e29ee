/**
 * A handset's part in orders, besides posting letters: who it is when a terminal asks (P3–P5, P12), receipts of the host that pay
 * from a value, thanks that only the giver reads (P9, P10), and deeds for values handed on (P18).
 */
import type { Keys } from "../board.js";
import { newestOf as newestReceiptOf, setGiven, storeReceipt, valueOf, type WalletState, type WalletValue } from "../value/wallet.js";
import { readCell, writeCell } from "../journal/cells.js";
import { sealTo, writeLetter, type Correspondent } from "./letters.js";
import { signersFor, type Trust } from "./trust.js";
import { equal, hex } from "../../protocol/wire/bytes.js";
import { openEnvelope, readEnvelope, verifyMessage, type Message } from "../../protocol/wire/envelope.js";
import type { OfferKey } from "../../protocol/wire/handset-letters.js";
import { encodeUserId } from "../../protocol/wire/message-b.js";
import { encodeIdentity, userIdToSign, type Identity } from "../../protocol/wire/order.js";
import { decodeThanks, encodeDeed, encodeHandOn, encodeThanks, type Deed, type Forwarded, type Thanks } from "../../protocol/wire/parcel-letters.js";
import { decodeReceipt, receiptKind, receiptToSign, type Receipt } from "../../protocol/wire/receipt.js";
import { encodeSigned, keyId, objectToSign, type SignerKey } from "../../protocol/wire/signed.js";
import { messageType } from "../../protocol/wire/sync.js";
import { digest16 } from "../../protocol/wire/value.js";

// ---- who this handset is ------------------------------------------------------------------------------------------------------

/** P4: for a link that only speaks: the user id signed for this time step. Undefined without a key. */
export function shownId(c: Correspondent, user: string, step: number, zone: number): Uint8Array | undefined {
  const proof = c.keys.sign(c.signer, userIdToSign(user, step, zone));
  return proof === undefined ? undefined : encodeUserId({ userId: user, step: step, zone: zone, proof: proof });
}

/** P5: the answer to a terminal's challenge, signed. */
export function signedIdentity(c: Correspondent, x: Identity): Uint8Array | undefined {
  return signedObject(c, c.signer, "identity", encodeIdentity(x));
}

/** P12: the same for the host's eyes alone. Undefined while the host's key is missing: the terminal can bring it, certified. */
export function sealedIdentity(c: Correspondent, x: Identity, quality: number): Uint8Array | undefined {
  const letter = writeLetter(c, messageType.identity, encodeIdentity(x), x.at, quality);
  return letter === undefined ? undefined : letter.bytes;
}

function signedObject(c: Correspondent, signer: string, type: "identity" | "deed", claims: Uint8Array): Uint8Array | undefined {
  const own = c.keys.publicKey(signer);
  if (own === undefined) return undefined;
  const kid = keyId(c.crypto, own);
  const signature = c.keys.sign(signer, objectToSign(type, kid, claims));
  return signature === undefined ? undefined : encodeSigned(type, kid, claims, signature, false);
}

// ---- paying from a value ----------------------------------------------------------------------------------------------------------

/** The host's receipt for a payment, if it is genuine, follows our newest one and takes exactly this much; it may be stored already. */
export function takePayment(w: WalletState, trust: Trust, valueId: Uint8Array, total: number, bytes: Uint8Array, signature: Uint8Array): boolean {
  const v = valueOf(w, valueId);
  const receipt = decodeReceipt(bytes);
  if (v === undefined || receipt === undefined) return false;
  const newest = newestReceiptOf(v.receipts);
  if (newest !== undefined && equal(newest.receipt, bytes)) return true;
  if (!follows(trust, v, receipt) || receipt.amount !== total) return false;
  if (!signersFor(trust, "values").some((key) => trust.crypto.verify(key.publicKey, receiptToSign(bytes), signature))) return false;
  storeReceipt(w, valueId, bytes, signature, undefined, "finished");
  return true;
}

function follows(trust: Trust, v: WalletValue, receipt: Receipt): boolean {
  const newest = newestReceiptOf(v.receipts);
  const before = newest === undefined ? undefined : decodeReceipt(newest.receipt)!;
  const spent = before === undefined ? 0 : before.after;
  const chained = hex(receipt.previous) === hex(digest16(trust.crypto, newest === undefined ? v.signed.claims : newest.receipt));
  return receipt.kind === receiptKind.host && hex(receipt.valueId) === hex(v.value.valueId) && chained && receipt.counter === (before === undefined ? 1 : before.counter + 1)
    && receipt.after === spent + receipt.amount && receipt.after <= v.value.most;
}

// ---- gifts ----------------------------------------------------------------------------------------------------------------------------

/** Signed by this handset, sealed to the giver's: the host passes it on and cannot read it. */
export function sealThanks(c: Correspondent, x: Thanks, giver: Uint8Array): Uint8Array | undefined {
  const letter = sealTo(c, keyId(c.crypto, giver), giver, messageType.thanks, encodeThanks(x), x.at, 2);
  return letter === undefined ? undefined : letter.bytes;
}

/** The thanks inside, if the key that the host names for its sender signed it, and for us. */
export function openThanks(c: Correspondent, x: Forwarded): Thanks | undefined {
  const m = openFor(c, x.sealed, [{ kid: keyId(c.crypto, x.signing), publicKey: x.signing }]);
  return m === undefined || m.type !== messageType.thanks ? undefined : decodeThanks(m.body);
}

/** A letter that nobody asked for: a parcel that was pushed ahead, for this handset. */
export function openPushed(c: Correspondent, sealed: Uint8Array): Uint8Array | undefined {
  const m = openFor(c, sealed, signersFor(c.trust, "sender"));
  return m === undefined || m.type !== messageType.pushed || m.answers !== undefined ? undefined : m.body;
}

function openFor(c: Correspondent, bytes: Uint8Array, keys: readonly SignerKey[]): Message | undefined {
  const sealed = readEnvelope(bytes);
  if (sealed === undefined) return undefined;
  for (const opener of c.openers) {
    const own = c.keys.publicKey(opener);
    if (own === undefined || !equal(keyId(c.crypto, own), sealed.recipient)) continue;
    const shared = c.keys.agree(opener, sealed.ephemeral);
    const signed = shared === undefined ? undefined : openEnvelope(c.crypto, sealed, own, shared);
    return signed === undefined ? undefined : verifyMessage(c.crypto, signed, keys, sealed.recipient);
  }
  return undefined;
}

// ---- handing on ----------------------------------------------------------------------------------------------------------------------

/** A key for a value that another handset is about to hand over; its offer finds it again. */
export function offerKey(keys: Keys, offer: Uint8Array, keyClass: number): OfferKey | undefined {
  const name = "offer " + hex(offer);
  const held = keys.publicKey(name);
  const key = held === undefined ? keys.make(name) : held;
  return key === undefined ? undefined : { offer: offer, publicKey: key, keyClass: keyClass };
}

/**
 * The body of *hand on*: from its return on the value is not ours, also if the power fails now. `to` is how it is called here;
 * `toWhom` stands in the deed. Undefined for a value that is not here, was given, or has a question open.
 */
export function giveAway(c: Correspondent, w: WalletState, valueId: Uint8Array, to: string, toWhom: Deed["to"], at: number): Uint8Array | undefined {
  const v = valueOf(w, valueId);
  if (v === undefined || v.given !== "" || v.grant !== undefined) return undefined;
  const newest = newestReceiptOf(v.receipts);
  if (newest !== undefined && newest.state === "unresolved") return undefined;
  const none = new Uint8Array(0);
  const counter = newest === undefined ? 0 : decodeReceipt(newest.receipt)!.counter;
  const claims = encodeDeed({ value: valueId, counter: counter, newest: digest16(c.crypto, newest === undefined ? v.signed.claims : newest.receipt), step: v.value.ownerSequence + 1, at: at, to: toWhom });
  const deed = signedObject(c, "value " + hex(valueId), "deed", claims);
  if (deed === undefined) return undefined;
  const body = encodeHandOn({ deed: deed, receipt: newest === undefined ? none : newest.receipt, proof: newest === undefined ? none : newest.proof });
  writeCell(w.cells, deedCell(valueId), body);
  setGiven(w, v, to);
  return body;
}

/** The deed of a value that was given: to be sent again when nobody is sure that it arrived, and proof that the value is spent here. */
export function givenDeed(w: WalletState, valueId: Uint8Array): Uint8Array | undefined {
  const v = valueOf(w, valueId);
  return v === undefined || v.given === "" ? undefined : readCell(w.cells, deedCell(valueId));
}
function deedCell(valueId: Uint8Array): string {
  return "deed " + hex(valueId);
}
