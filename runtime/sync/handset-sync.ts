/**
 * A handset's letters to the host: enrol, collect what was bought, have it certified to keys of its own, ask for a new
 * base, and compare its receipts with the books. Each function makes a body or takes an answer; somebody else posts.
 */
import type { Keys } from "../board.js";
import { addValue, newestOf, setGrant, storeReceipt, storeReversal, valueOf, type WalletState } from "../value/wallet.js";
import { signersFor, type Trust } from "./trust.js";
import { hex } from "../../protocol/wire/bytes.js";
import { decodeReceipt, decodeReversal, encodeFinishedA, receiptKind, receiptToSign } from "../../protocol/wire/receipt.js";
import type { Crypto } from "../../protocol/crypto/crypto.js";
import { decodeDelivered, decodeOffers, decodeRefreshed, decodeRegranted, encodeOfferKeys, encodeRefresh, encodeRegrant, encodeReport, type OfferKey, type ValueOffer } from "../../protocol/wire/handset-letters.js";
import { decodeSignedClaims } from "../../protocol/wire/sync.js";
import { decodeValue, digest16, valueToSign } from "../../protocol/wire/value.js";

/** A key for each offer, made now or on an earlier try, so that a lost answer changes nothing. */
export function keysFor(keys: Keys, offers: readonly ValueOffer[], keyClass: number): Uint8Array {
  const made: OfferKey[] = [];
  for (const o of offers) {
    const name = "offer " + hex(o.offer);
    const held = keys.publicKey(name);
    const key = held === undefined ? keys.make(name) : held;
    if (key !== undefined) made.push({ offer: o.offer, publicKey: key, keyClass: keyClass });
  }
  return encodeOfferKeys(made);
}

/** A value that was delivered and is durable here. */
export interface Taken { name: string; valueId: Uint8Array }

export { decodeOffers };

/** Takes delivered values whose certificate is genuine and names our key. Answers what is in the wallet now. */
export function takeDelivered(w: WalletState, trust: Trust, keys: Keys, body: Uint8Array): Taken[] {
  const list = decodeDelivered(body);
  const taken: Taken[] = [];
  for (const d of list === undefined ? [] : list) {
    const signed = decodeSignedClaims(d.value);
    const value = signed === undefined ? undefined : decodeValue(signed.claims);
    if (signed === undefined || value === undefined) continue;
    const genuine = signersFor(trust, "values").some((key) => trust.crypto.verify(key.publicKey, valueToSign(signed.kid, signed.claims), signed.signature));
    const name = "offer " + hex(d.offer);
    const own = keys.publicKey(name);
    const known = keys.publicKey("value " + hex(value.valueId));
    if (!genuine || (own === undefined && known === undefined) || hex(own === undefined ? known! : own) !== hex(value.holderKey)) continue;
    if (own !== undefined) keys.rename(name, "value " + hex(value.valueId));
    const grant = d.grant.length === 0 ? undefined : { claims: d.grant, mac: d.grantMac, key: d.grantKey, group: d.group, epoch: d.epoch };
    if (addValue(w, d.name, signed, d.issuerPart, grant)) taken.push({ name: d.name, valueId: value.valueId });
  }
  return taken;
}

/** Body of *refresh*: the newest state, for a new base. Undefined for a value that is not here. */
export function refreshBody(w: WalletState, valueId: Uint8Array): Uint8Array | undefined {
  const v = valueOf(w, valueId);
  const none = new Uint8Array(0);
  if (v === undefined) return undefined;
  const newest = newestOf(v.receipts);
  return encodeRefresh({ valueId: valueId, receipt: newest === undefined ? none : newest.receipt, proof: newest === undefined ? none : newest.proof });
}

/** Body of *regrant*: the grant held and its newest receipt. Undefined without one, or while its holder has a question to answer. */
export function regrantBody(w: WalletState, valueId: Uint8Array): Uint8Array | undefined {
  const v = valueOf(w, valueId);
  const grant = v === undefined || v.grant === undefined ? undefined : decodeValue(v.grant.claims);
  if (v === undefined || grant === undefined) return undefined;
  const newest = newestOf(v.grantReceipts);
  if (newest !== undefined && newest.state === "unresolved") return undefined;
  const none = new Uint8Array(0);
  return encodeRegrant({ grant: grant.valueId, receipt: newest === undefined ? none : newest.receipt, mac: newest === undefined ? none : newest.proof });
}

/** Takes the grant to use from now on; answers 0 or the host's refusal code. */
export function takeRegranted(w: WalletState, valueId: Uint8Array, body: Uint8Array): number {
  const said = decodeRegranted(body);
  const v = valueOf(w, valueId);
  if (said === undefined || v === undefined) return -1;
  if (said.code !== 0) return said.code;
  if (decodeValue(said.grant) === undefined || said.grantMac.length !== 8 || said.grantKey.length !== 32) return -1;
  setGrant(w, v, { claims: said.grant, mac: said.grantMac, key: said.grantKey, group: said.group, epoch: said.epoch });
  return 0;
}

/** Takes the host's receipt if it is genuine and follows our newest one; answers 0 or the host's refusal code. */
export function takeRefreshed(w: WalletState, trust: Trust, valueId: Uint8Array, body: Uint8Array): number {
  const said = decodeRefreshed(body);
  const v = valueOf(w, valueId);
  if (said === undefined || v === undefined) return -1;
  const newest = newestOf(v.receipts);
  if (said.reversal.length > 0) {
    const reversal = decodeReversal(said.reversal);
    if (reversal !== undefined) storeReversal(w, valueId, reversal.counter, said.reversal, said.reversalProof);
  }
  if (said.code !== 0) return said.code;
  const receipt = decodeReceipt(said.receipt);
  const before = newest === undefined ? undefined : decodeReceipt(newest.receipt);
  // Handed on to us in use: our chain begins with the receipt that the host made for it then.
  const begins = before === undefined && v.value.ownerSequence > 0 && receipt !== undefined && receipt.kind === receiptKind.host && hex(receipt.valueId) === hex(valueId);
  const follows = begins || receipt !== undefined && receipt.kind === receiptKind.host && receipt.counter === (before === undefined ? 1 : before.counter + 1)
    && hex(receipt.previous) === hex(digest16(trust.crypto, newest === undefined ? v.signed.claims : newest.receipt));
  if (!follows || !signersFor(trust, "values").some((key) => trust.crypto.verify(key.publicKey, receiptToSign(said.receipt), said.signature))) return -1;
  storeReceipt(w, valueId, said.receipt, said.signature, undefined, "finished");
  return 0;
}

/** Body of *report*: this value's receipts as records, acknowledged by its own key. */
export function reportBody(w: WalletState, keys: Keys, crypto: Crypto, valueId: Uint8Array, toSign: (receipt: Uint8Array) => Uint8Array): Uint8Array | undefined {
  const v = valueOf(w, valueId);
  if (v === undefined) return undefined;
  const records: Uint8Array[] = [];
  for (const kept of v.receipts) {
    const receipt = decodeReceipt(kept.receipt);
    const signature = keys.sign("value " + hex(valueId), toSign(kept.receipt));
    if (receipt === undefined || signature === undefined || receipt.kind !== receiptKind.use || kept.proof.length !== 64) continue;
    records.push(encodeFinishedA({ terminalId: receipt.terminal, receipt: kept.receipt, signature: kept.proof, acknowledgement: signature }));
  }
  return records.length === 0 ? undefined : encodeReport(records);
}
