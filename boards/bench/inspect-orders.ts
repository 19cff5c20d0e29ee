/**
 * Letters about orders as `kaisatsu inspect` reads them: what is ordered, billed, paid, given and handed on, by the type of
 * their message. Passwords, tokens and codes are counted, not shown.
 */
import * as letters from "../../protocol/wire/order-letters.js";
import * as order from "../../protocol/wire/order.js";
import * as parcels from "../../protocol/wire/parcel-letters.js";
import { decodeDelivered, decodeOfferKeys } from "../../protocol/wire/handset-letters.js";
import { answerBit, messageType } from "../../protocol/wire/sync.js";

export type OrderReading = [name: string, read: (bytes: Uint8Array) => object | undefined];

const counted = (text: string): string => `${text.length} characters, not shown`;
const list = <T>(name: string, read: (bytes: Uint8Array) => T | undefined) => (bytes: Uint8Array): object | undefined => { const x = read(bytes); return x === undefined ? undefined : { [name]: x }; };
const state = (n: number): string => order.orderStates[n] ?? String(n);
const coded = <T extends { code: number }>(read: (bytes: Uint8Array) => T | undefined) => (bytes: Uint8Array): object | undefined => {
  const x = read(bytes);
  return x === undefined ? undefined : { ...x, code: x.code === 0 ? "0" : `${x.code} (${order.orderRefusals[x.code] ?? "unknown"})` };
};
const anOrder = (bytes: Uint8Array): object | undefined => {
  const o = order.decodeOrder(bytes);
  return o === undefined ? undefined : { ...o, who: o.who.by === "typed" ? { ...o.who, password: counted(o.who.password) } : o.who };
};
const pickUp = (bytes: Uint8Array): object | undefined => { const x = parcels.decodePickUp(bytes); return x === undefined ? undefined : { ...x, number: counted(x.number) }; };
const pickedUp = (bytes: Uint8Array): object | undefined => {
  const x = parcels.decodePickedUp(bytes);
  return x === undefined ? undefined : { code: x.code, values: x.values, delivered: decodeDelivered(x.delivered)?.map((d) => ({ name: d.name, value: d.value })) ?? "none" };
};
const giftClaim = (bytes: Uint8Array): object | undefined => { const x = parcels.decodeGiftClaim(bytes); return x === undefined ? undefined : { token: counted(x.token), code: counted(x.code) }; };
const standing = (bytes: Uint8Array): object | undefined => {
  const x = letters.decodeStanding(bytes);
  return x === undefined ? undefined : { ...x, state: state(x.state), parcels: x.parcels.map((p) => ({ state: state(p.state), request: counted(p.request) })) };
};

const t = messageType;
/** Bodies by the type of their message. */
export const orderBodies: Readonly<Record<number, OrderReading>> = {
  [t.order]: ["order", anOrder], [t.order + answerBit]: ["answer to an order", coded(letters.decodeOrdered)],
  [t.catalogue]: ["question for the catalogue", (b) => (letters.isNothing(b) ? {} : undefined)], [t.catalogue + answerBit]: ["catalogue", list("articles", letters.decodeCatalogue)],
  [t.bills]: ["question for bills", (b) => (letters.isNothing(b) ? {} : undefined)], [t.bills + answerBit]: ["bills", list("bills", letters.decodeBills)],
  [t.pay]: ["payment of a bill", letters.decodePay], [t.pay + answerBit]: ["answer to a payment", coded(letters.decodePaid)],
  [t.acknowledgePayment]: ["acknowledgement of a payment", letters.decodePaymentAcknowledgement], [t.acknowledgePayment + answerBit]: ["answer to a payment", coded(letters.decodePaid)],
  [t.act]: ["question for an order, or its cancellation", letters.decodeAct], [t.act + answerBit]: ["how an order stands", standing],
  [t.received]: ["values received", list("values", letters.decodeReceived)], [t.received + answerBit]: ["heard", coded(letters.decodeSaid)],
  [t.mail]: ["question for mail", list("after", parcels.decodeMailAfter)], [t.mail + answerBit]: ["mail", list("mail", parcels.decodeMail)],
  [t.spareKeys]: ["spare keys", list("keys", decodeOfferKeys)], [t.spareKeys + answerBit]: ["heard", coded(letters.decodeSaid)],
  [t.thank]: ["sealed thanks for the giver", parcels.decodeThank], [t.thank + answerBit]: ["heard", coded(letters.decodeSaid)],
  [t.thanks]: ["thanks of a recipient", parcels.decodeThanks],
  [t.pickUp]: ["pick-up by request number", pickUp], [t.pickUp + answerBit]: ["picked up", pickedUp],
  [t.claimGift]: ["claim of a gift", giftClaim], [t.claimGift + answerBit]: ["heard", coded(letters.decodeSaid)],
  [t.handOn]: ["deed of a value handed on", parcels.decodeHandOn], [t.handOn + answerBit]: ["answer to a deed", coded(parcels.decodePickedUp)],
  [t.pairing]: ["pairing with terminals", letters.decodePairing], [t.pairing + answerBit]: ["heard", coded(letters.decodeSaid)],
  [t.pushed]: ["question for parcels", list("after", parcels.decodeMailAfter)], [t.pushed + answerBit]: ["parcels pushed ahead", list("parcels", parcels.decodePushed)],
  [t.leaveOffers]: ["sealed offers of a shop", list("offers", parcels.decodeOffersLeft)], [t.leaveOffers + answerBit]: ["heard", coded(letters.decodeSaid)],
  [t.identity]: ["identity of a handset", order.decodeIdentity],
};

/** What can be told by its shape alone. */
export const bareOrders: readonly OrderReading[] = [["order", anOrder], ["bill", order.decodeBill], ["payment of a bill", letters.decodePay], ["identity of a handset", order.decodeIdentity], ["deed", parcels.decodeDeed]];
