/**
 * Orders on a Node handset: order, look at bills, pay, give, thank, pick up and hand on, each as a few letters to the host (P1–P19).
 * What must survive a cut is durable before its letter leaves, so each of these may simply be called again.
 */
import { HostRefused } from "./network.js";
import { refresh, talk, type Phone } from "./phone.js";
import { boardFault } from "../../runtime/journal/store.js";
import { takeDelivered, type Taken } from "../../runtime/sync/handset-sync.js";
import { giveAway, givenDeed, offerKey, openPushed, openThanks, sealedIdentity, sealThanks, shownId, signedIdentity, takePayment } from "../../runtime/sync/order-sync.js";
import { begin, begunFor, finishPayment, giveNumber, judgeBill, keepMail, meet, openOrderBook, storedMail, type Begun, type OrderBook } from "../../runtime/value/order-book.js";
import { newestOf, setGiven, valueOf, type WalletValue } from "../../runtime/value/wallet.js";
import { equal, hex } from "../../protocol/wire/bytes.js";
import { decodeOfferKeys, encodeOfferKeys, type OfferKey } from "../../protocol/wire/handset-letters.js";
import * as letters from "../../protocol/wire/order-letters.js";
import { decodeOrder, encodeBill, encodeOrder, orderRefusal, orderRefusals, type Attachment, type Bill, type Order, type Parcel } from "../../protocol/wire/order.js";
import * as parcels from "../../protocol/wire/parcel-letters.js";
import { acknowledgementToSign } from "../../protocol/wire/receipt.js";
import { messageType } from "../../protocol/wire/sync.js";
import { digest16, unit } from "../../protocol/wire/value.js";
import { beaconStep } from "../../protocol/session/oneway.js";
import { limits } from "../../protocol/limits.js";

/** The host said no, with the code of `orderRefusal`. */
export class OrderRefused extends HostRefused {
  readonly code: number;
  constructor(code: number, what: string) {
    super(`${what}: ${orderRefusals[code] ?? `refused with code ${code}`}.`);
    this.code = code;
  }
}

const books = new WeakMap<Phone, OrderBook>();
/** What this handset remembers of orders. */
export function bookOf(p: Phone): OrderBook {
  const known = books.get(p);
  if (known !== undefined) return known;
  const opened = openOrderBook(p.cells);
  books.set(p, opened);
  return opened;
}

async function asked<T>(p: Phone, type: number, body: Uint8Array, decode: (body: Uint8Array) => T | undefined): Promise<T> {
  const said = decode(await talk(p, type, body));
  if (said === undefined) throw boardFault("broken", `The host at ${p.host} answered something that cannot be read: is it of another version?`);
  return said;
}
const now = (p: Phone): number => p.clock.utc().at;

// ---- who am I, to a terminal ------------------------------------------------------------------------------------------------

/** P4: for a one-way link, good for this step of 15 seconds at any terminal of the zone. */
export const showId = (p: Phone, zone: number): Uint8Array => shownId(p.who, p.user, beaconStep(now(p)), zone)!;

export interface Challenge { terminal: Uint8Array; challenge: Uint8Array }
/** P5: signed; P12: sealed for the host. With a verification number that only its bill will carry (P11). Undefined while the host's key is missing. */
export function identify(p: Phone, x: Challenge, how: "signed" | "sealed"): Uint8Array | undefined {
  const identity = { user: p.user, terminal: x.terminal, challenge: x.challenge, number: giveNumber(bookOf(p), p.random, now(p)), at: now(p) };
  return how === "signed" ? signedIdentity(p.who, identity) : sealedIdentity(p.who, identity, p.clock.utc().quality);
}

/** Where our user id alone is enough, and whether typed orders are taken at all. */
export async function pairWith(p: Phone, terminals: Uint8Array[], typed = true): Promise<void> {
  refusedAs(await asked(p, messageType.pairing, letters.encodePairing({ terminals, typed }), letters.decodeSaid), "Not paired");
}
const refusedAs = (said: { code: number }, what: string): void => { if (said.code !== 0) throw new OrderRefused(said.code, what); };

// ---- ordering and paying ----------------------------------------------------------------------------------------------------------

export const catalogue = (p: Phone): Promise<letters.Article[]> => asked(p, messageType.catalogue, letters.encodeNothing(), letters.decodeCatalogue);

/** P16: ordered on the handset itself. Answers the order's id; given one, the same order is sent again. */
export async function order(p: Phone, what: Parcel[], attachments: Attachment[] = [], id: Uint8Array = p.random.fill(8)): Promise<Uint8Array> {
  const made: Order = { id, who: { by: "own" }, parcels: what, demand: 0, attachments };
  const body = encodeOrder(made);
  if (decodeOrder(body) === undefined) throw new HostRefused(`Not ordered: at most ${limits.parcelsMax} parcels of ${limits.linesMax} lines of ${limits.lineCountMax} pieces, and ${limits.shopsMax} shops.`);
  refusedAs(await asked(p, messageType.order, body, letters.decodeOrdered), "Not ordered");
  return id;
}

export type JudgedBill = Bill & { judged: ReturnType<typeof judgeBill> };
/** Open bills, each compared with the numbers that this handset gave (P11). */
export async function bills(p: Phone): Promise<JudgedBill[]> {
  const list = await asked(p, messageType.bills, letters.encodeNothing(), letters.decodeBills);
  return list.map((b) => ({ ...b, judged: judgeBill(bookOf(p), b) }));
}

export type With = { value: WalletValue } | { processor: string; method: string } | "free";
/** Pays a bill, whose number fits, once; broken off, the same call goes on with the same payment. Answers the order's state. */
export async function pay(p: Phone, bill: JudgedBill, by: With): Promise<number> {
  if (bill.judged === "differs") throw new HostRefused("Not paid: the bill does not carry the number that this handset gave. Somebody else may have ordered in your name.");
  const known = begunFor(bookOf(p), bill.order);
  const x: Begun = known ?? {
    order: bill.order, payment: p.random.fill(8), bill: digest16(p.crypto, encodeBill(bill)), total: bill.total,
    value: typeof by === "object" && "value" in by ? by.value.value.valueId : new Uint8Array(0), processor: typeof by === "object" && "processor" in by ? by.processor : "", method: typeof by === "object" && "processor" in by ? by.method : "",
  };
  if (known === undefined) begin(bookOf(p), x);
  return await goOn(p, x, bill.number);
}

/** Payments that were broken off go on. Answers how many are settled. */
export async function goOnPaying(p: Phone): Promise<number> {
  let done = 0;
  for (const x of bookOf(p).begun.slice()) {
    try { await goOn(p, x, 0); done++; } catch (error) { if (!(error instanceof OrderRefused)) throw error; }
  }
  return done;
}

async function goOn(p: Phone, x: Begun, number: number): Promise<number> {
  const said = await asked(p, messageType.pay, letters.encodePay({ order: x.order, payment: x.payment, bill: x.bill, means: meansOf(p, x) }), letters.decodePaid);
  if (said.code !== 0) throw notPaid(p, x, said.code);
  const end = said.receipt.length === 0 ? said : await acknowledge(p, x, said);
  if (end.code !== 0) throw notPaid(p, x, end.code);
  finishPayment(bookOf(p), x.payment, number);
  return end.state;
}

function meansOf(p: Phone, x: Begun): letters.Means {
  if (x.processor !== "") return { with: "processor", processor: x.processor, method: x.method };
  if (x.value.length === 0) return { with: "free" };
  const v = valueOf(p.wallet, x.value);
  const newest = v === undefined ? undefined : newestOf(v.receipts);
  return { with: "prepaid", value: x.value, receipt: newest?.receipt ?? new Uint8Array(0), proof: newest?.proof ?? new Uint8Array(0) };
}

/** Our receipt first, durable; then the value's own key says so. */
async function acknowledge(p: Phone, x: Begun, said: letters.Paid): Promise<letters.Paid> {
  if (!takePayment(p.wallet, p.trust, x.value, x.total, said.receipt, said.signature)) throw boardFault("broken", "Not paid: the host's receipt does not fit this value. Nothing was acknowledged.");
  const signature = p.keys.sign("value " + hex(x.value), acknowledgementToSign(p.crypto, said.receipt))!;
  return await asked(p, messageType.acknowledgePayment, letters.encodePaymentAcknowledgement({ payment: x.payment, signature }), letters.decodePaid);
}

/** While nobody knows, the payment stays begun; else it is over. */
function notPaid(p: Phone, x: Begun, code: number): OrderRefused {
  if (code !== orderRefusal.outcome_unknown) finishPayment(bookOf(p), x.payment, -1);
  return new OrderRefused(code, "Not paid");
}

/** The first value here that can pay this much. */
export function purse(p: Phone, bill: Bill): WalletValue | undefined {
  return p.wallet.values.find((v) => v.given === "" && v.value.unit === unit.money && v.value.currency === bill.currency && v.value.expires > now(p));
}

export async function standing(p: Phone, id: Uint8Array, what: keyof typeof letters.act = "look"): Promise<letters.Standing> {
  const said = await asked(p, messageType.act, letters.encodeAct({ order: id, what: letters.act[what] }), letters.decodeStanding);
  refusedAs(said, what === "cancel" ? "Not cancelled" : "No such order");
  if (what === "cancel") {
    const begun = begunFor(bookOf(p), id);
    if (begun !== undefined) finishPayment(bookOf(p), begun.payment, 0);
    for (const v of p.wallet.values) if (said.refunded > 0 && v.value.unit === unit.money && v.receipts.length > 0) await refresh(p, v.value.valueId);
  }
  return said;
}

// ---- what comes --------------------------------------------------------------------------------------------------------------------

/** Tells the host what is durable here; and leaves keys for what comes while this handset is away. */
export async function confirmReceived(p: Phone, taken: readonly Taken[]): Promise<void> {
  if (taken.length > 0) await asked(p, messageType.received, letters.encodeReceived(taken.map((t) => t.valueId)), letters.decodeSaid);
}
export async function leaveSpareKeys(p: Phone): Promise<void> {
  const none = await asked(p, messageType.spareKeys, encodeOfferKeys([]), letters.decodeSaid);
  const keys: OfferKey[] = [];
  for (let i = 0; i < none.wanted; i++) { const key = offerKey(p.keys, p.random.fill(8), 2); if (key !== undefined) keys.push(key); }
  if (keys.length > 0) refusedAs(await asked(p, messageType.spareKeys, encodeOfferKeys(keys), letters.decodeSaid), "No keys left");
}

/** Fetches mail and stores it; answers what is new. */
export async function fetchMail(p: Phone): Promise<parcels.Mail[]> {
  const all: parcels.Mail[] = [];
  for (;;) {
    const list = await asked(p, messageType.mail, parcels.encodeMailAfter(bookOf(p).mailAfter), parcels.decodeMail);
    keepMail(bookOf(p), list);
    all.push(...list);
    if (list.length === 0) return all;
  }
}
export const mailHere = (p: Phone): parcels.Mail[] => storedMail(bookOf(p));

/** A parcel pushed ahead to a shop, as its till hands it over: opens for nobody else. */
export function takePushed(p: Phone, sealed: Uint8Array): Taken[] {
  const body = openPushed(p.who, sealed);
  return body === undefined ? [] : takeDelivered(p.wallet, p.trust, p.keys, body);
}

/** P16, P18: by request number, ours or for somebody who told us his. Answers what was taken. */
export async function pickUp(p: Phone, user: string, number: string): Promise<Taken[]> {
  const first = await asked(p, messageType.pickUp, parcels.encodePickUp({ user, number, keys: [] }), parcels.decodePickedUp);
  refusedAs(first, "Not picked up");
  const keys = pickUpKeys(p, user, number, first.values);
  const said = await asked(p, messageType.pickUp, parcels.encodePickUp({ user, number, keys }), parcels.decodePickedUp);
  refusedAs(said, "Not picked up");
  const taken = takeDelivered(p.wallet, p.trust, p.keys, said.delivered);
  await confirmReceived(p, taken);
  return taken;
}
/** The same keys at every try: made under names that follow from the number. */
export function pickUpKeys(p: Phone, user: string, number: string, count: number): OfferKey[] {
  return Array.from({ length: count }, (_none, i) => offerKey(p.keys, p.crypto.sha256(new TextEncoder().encode(`pick up ${user} ${number} ${i}`)).slice(0, 8), 2)!);
}

// ---- gifts ---------------------------------------------------------------------------------------------------------------------------

export interface GiftHere { order: Uint8Array; notice: parcels.GiftNotice }
export const giftsHere = (p: Phone): GiftHere[] => mailHere(p).filter((m) => m.kind === parcels.mailKind.gift).map((m) => ({ order: m.order, notice: parcels.decodeGiftNotice(m.body)! })).filter((g) => g.notice !== undefined);

/** P9, P10: what we received, signed, with a word that only the giver reads. */
export async function thank(p: Phone, gift: GiftHere, values: readonly WalletValue[], message: string): Promise<void> {
  const sealed = sealThanks(p.who, { order: gift.order, parcel: gift.notice.parcel, values: values.map((v) => digest16(p.crypto, v.signed.claims)), at: now(p), server: p.trust.provider, recipient: p.user, message }, gift.notice.agreement);
  if (sealed === undefined || sealed.length > limits.attachmentBytesMax) throw new HostRefused(`Not sent: a message has at most ${limits.attachmentBytesMax} bytes, sealed.`);
  refusedAs(await asked(p, messageType.thank, parcels.encodeThank({ order: gift.order, parcel: gift.notice.parcel, sealed }), letters.decodeSaid), "Not sent");
}

export interface ThanksHere { from: string; thanks: parcels.Thanks; friend: "new" | "known" | "changed" }
/** Thanks that were signed by whom they say; anything else in the mail is not shown as thanks. */
export function thanksHere(p: Phone): ThanksHere[] {
  const all: ThanksHere[] = [];
  for (const m of mailHere(p)) {
    const x = m.kind === parcels.mailKind.thanks ? parcels.decodeForwarded(m.body) : undefined;
    const thanks = x === undefined ? undefined : openThanks(p.who, x);
    if (x === undefined || thanks === undefined || !equal(thanks.order, m.order) || thanks.recipient !== x.from) continue;
    all.push({ from: x.from, thanks, friend: meet(bookOf(p), x.from, x.signing) });
  }
  return all;
}

/** Answers false while a code is on its way to the number. */
export async function claimGift(p: Phone, token: string, code = ""): Promise<boolean> {
  const said = await asked(p, messageType.claimGift, parcels.encodeGiftClaim({ token, code }), letters.decodeSaid);
  if (said.code === orderRefusal.outcome_unknown) return false;
  refusedAs(said, "Not claimed");
  return true;
}

// ---- handing on (P18) ------------------------------------------------------------------------------------------------------------------

/** Through the host, at once or from a time on. Broken off, call it again. */
export async function handOn(p: Phone, v: WalletValue, user: string, at = 0): Promise<void> {
  if (v.given !== "" && v.given !== user) throw new HostRefused(`Not given: ${v.name} was given to ${v.given}.`);
  const body = givenDeed(p.wallet, v.value.valueId) ?? giveAway(p.who, p.wallet, v.value.valueId, user, { user }, at);
  if (body === undefined) throw new HostRefused(`Not given: ${v.name} has an open question at a terminal, or can't be passed on.`);
  const said = await asked(p, messageType.handOn, body, parcels.decodePickedUp);
  if (said.code === 0) return;
  // The host's word that no deed was taken: the value is still ours.
  setGiven(p.wallet, v, "");
  throw new OrderRefused(said.code, "Not given");
}

/** Directly, step 1, at the receiver: a key for the value that is to come. */
export function readyToTake(p: Phone): Uint8Array {
  return encodeOfferKeys([offerKey(p.keys, p.random.fill(8), 2)!]);
}
/** Step 2, at the giver: the deed, to be carried over by link or card. From here on the value is the other one's. */
export function handOver(p: Phone, v: WalletValue, ready: Uint8Array, to: string): Uint8Array {
  const [key] = decodeOfferKeys(ready) ?? [];
  const body = key === undefined ? undefined : (v.given === to ? givenDeed(p.wallet, v.value.valueId) : giveAway(p.who, p.wallet, v.value.valueId, to, key, 0));
  if (body === undefined) throw new HostRefused(`Not given: ${v.name} was given before, has an open question, or the other handset is not ready.`);
  return body;
}
/** Step 3, at the receiver, at the first contact with the host: the value, certified to him. */
export async function takeOver(p: Phone, body: Uint8Array): Promise<Taken[]> {
  const said = await asked(p, messageType.handOn, body, parcels.decodePickedUp);
  refusedAs(said, "Not taken over");
  const taken = takeDelivered(p.wallet, p.trust, p.keys, said.delivered);
  for (const t of taken) if (newestOf(valueOf(p.wallet, t.valueId)!.receipts) === undefined) await refresh(p, t.valueId);
  await confirmReceived(p, taken);
  return taken;
}
