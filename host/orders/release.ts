/**
 * What a paid order sets free (P1, P6–P8, P14–P19, S5, S8): attachments and offers as mail, values to handsets, terminals, custody
 * and shops, each parcel at its time. A value is issued when its turn comes, not before, so that what is held can still be
 * cancelled without a trace in the books but the refund.
 */
import { fromHex, recordingAt, toHex, type Context } from "../context.js";
import type { Tx } from "../database.js";
import { post } from "../ledger.js";
import { sealTo } from "../letter.js";
import { certify, issueValue, productOrWrong } from "../products.js";
import type { LineRow, OrderRow, ParcelRow } from "../schema-orders.js";
import { giftTo } from "./gifts.js";
import { linesOf, parcelsOf, readOrder, setLine, setParcel } from "./machine.js";
import { assert } from "../../protocol/assert.js";
import { encodeDelivered, type OfferKey } from "../../protocol/wire/handset-letters.js";
import { articleSort } from "../../protocol/wire/order-letters.js";
import { orderState } from "../../protocol/wire/order.js";
import { encodeGiftNotice, mailKind, pushedCheck, pushedUser } from "../../protocol/wire/parcel-letters.js";
import { messageType } from "../../protocol/wire/sync.js";

/** A parcel in a shop that nobody picks up stays that long. */
const shopSeconds = 30 * 86_400;

/** Everything that waited for the money of this order. */
export async function release(c: Context, tx: Tx, orderId: string): Promise<void> {
  const order = (await readOrder(tx, orderId))!;
  await releaseAttachments(c, tx, order, 0, order.user_id);
  await releaseOffers(c, tx, order);
  for (const p of await parcelsOf(tx, orderId)) await releaseParcel(c, tx, order, p);
}

export async function putMail(c: Context, tx: Tx, user: string, kind: number, order: string, body: Uint8Array): Promise<void> {
  await tx.insertInto("mail").values({ user_id: user, kind, order_id: order, body, at: c.now() }).execute();
}

/** P6, P14, P15: sealed by the terminal for this recipient; 0 is the payer. */
export async function releaseAttachments(c: Context, tx: Tx, order: OrderRow, recipient: number, user: string): Promise<void> {
  for (const a of await tx.selectFrom("attachment").selectAll().where("order_id", "=", order.order_id).where("recipient", "=", recipient).orderBy("at").execute()) {
    await putMail(c, tx, user, mailKind.attachment, order.order_id, new Uint8Array(a.sealed));
  }
}

/** P19: what the shops of this order left for whoever pays. */
async function releaseOffers(c: Context, tx: Tx, order: OrderRow): Promise<void> {
  const shops = new Set(order.terminal_id === null ? [] : [order.terminal_id]);
  for (const p of await parcelsOf(tx, order.order_id)) if (p.delivery === "shops") for (const shop of JSON.parse(p.target!) as string[]) shops.add(shop);
  for (const shop of shops) {
    for (const o of await tx.selectFrom("shop_offer").selectAll().where("terminal_id", "=", shop).orderBy("at").execute()) await putMail(c, tx, order.user_id, mailKind.offer, order.order_id, new Uint8Array(o.sealed));
  }
}

/**
 * Hands a parcel on when its time has come and its recipient can take it; else it is held. Who was not registered when it was paid
 * must claim it: whoever registers under his name meanwhile gets nothing.
 */
export async function releaseParcel(c: Context, tx: Tx, order: OrderRow, p: ParcelRow): Promise<void> {
  const lines = (await linesOf(tx, p.order_id, p.parcel)).filter((line) => line.state === orderState.billed || line.state === orderState.held);
  const gift = await tx.selectFrom("gift").select(["gift_id", "state"]).where("order_id", "=", p.order_id).where("parcel", "=", p.parcel).executeTakeFirst();
  const known = gift !== undefined || p.terminal_id !== null || (p.user_id !== null && (await isMember(tx, p.user_id)));
  if (!known) await giftTo(c, tx, p, lines);
  if (!known || gift?.state === "waits" || p.due_at > c.now()) { await hold(c, tx, p); return; }
  await handOver(c, tx, order, p, lines, gift === undefined ? "order/" + order.order_id : "gift/" + gift.gift_id);
}
async function hold(c: Context, tx: Tx, p: ParcelRow): Promise<void> {
  if (p.state !== orderState.held) await setParcel(c, tx, p, orderState.held);
}
const isMember = async (tx: Tx, user: string): Promise<boolean> => (await tx.selectFrom("member").select("user_id").where("user_id", "=", user).executeTakeFirst()) !== undefined;

/** The parcel goes to whom it is for. `from`: where its values' money is, the order or a gift that was claimed. */
export async function handOver(c: Context, tx: Tx, order: OrderRow, p: ParcelRow, lines: readonly LineRow[], from: string): Promise<void> {
  const values = lines.filter((line) => line.sort === articleSort.value);
  const keys = p.delivery === "shops" ? await spareKeys(tx, p.user_id!, values.length) : undefined;
  if (p.delivery === "shops" && keys === undefined) { await hold(c, tx, p); return; }
  const request = p.delivery === "custody" || p.delivery === "shops" ? await giveNumber(c, tx, p) : "";
  for (const line of values) await issueLine(c, tx, p, line, from);
  for (const line of lines) if (line.sort !== articleSort.value) await releaseOther(c, tx, order, p, line);
  if (p.is_gift === 1 && p.user_id !== null) await notice(c, tx, order, p, lines, request);
  if (keys !== undefined) await pushAhead(c, tx, p, keys, request);
  if (from.startsWith("gift/")) await tx.updateTable("subject").set({ ended: 1 }).where("account", "=", from).execute();
  await setParcel(c, tx, p, await parcelState(tx, p));
}

/** Delivered when nothing of it waits any more. */
export async function parcelState(tx: Tx, p: { order_id: string; parcel: number }): Promise<number> {
  const open = (await linesOf(tx, p.order_id, p.parcel)).map((line) => line.state).filter((state) => state < orderState.refused);
  if (open.length === 0) return orderState.cancelled;
  if (open.every((state) => state === orderState.acknowledged)) return orderState.acknowledged;
  return open.every((state) => state >= orderState.delivered) ? orderState.delivered : orderState.paid;
}

async function issueLine(c: Context, tx: Tx, p: ParcelRow, line: LineRow, from: string): Promise<void> {
  const place = p.delivery === "custody" ? "custody" : p.delivery === "shops" ? "shop" : p.delivery === "terminal" || p.terminal_id !== null ? `terminal ${p.target ?? p.terminal_id!}` : "";
  const product = await productOrWrong(tx, line.product_id!);
  const valueId = await issueValue(c, tx, product, {
    user: p.user_id ?? "terminal " + p.terminal_id!, reference: "order " + line.line_id, name: line.name, from, order: p.order_id, price: line.amount, held: false, place,
  });
  await tx.updateTable("order_line").set({ state: orderState.paid, value_id: valueId }).where("line_id", "=", line.line_id).execute();
}

/** Information goes as mail, and is delivered with it; goods and broadcasts wait for whoever sends them to say so. */
async function releaseOther(c: Context, tx: Tx, order: OrderRow, p: ParcelRow, line: LineRow): Promise<void> {
  if (line.sort !== articleSort.information || p.user_id === null) { await setLine(tx, line.line_id, orderState.held); return; }
  await putMail(c, tx, p.user_id, mailKind.information, order.order_id, new TextEncoder().encode(line.content ?? ""));
  await deliverLine(c, tx, line);
}

/** Lines 9 and 24: dispatched, read or sent: its money is the merchant's. False when it is not its turn. */
export async function deliverLine(c: Context, tx: Tx, line: LineRow): Promise<boolean> {
  if (line.sort === articleSort.value || (line.state !== orderState.billed && line.state !== orderState.held)) return false;
  if (line.amount > 0) {
    const answer = await post(tx, {
      setId: "deliver/" + line.line_id, kind: "deliver", event: { order: line.order_id, merchant: line.merchant_id! }, at: c.now(), quality: 3, recorded: recordingAt(c.now()),
      transfers: [{ debit: "order/" + line.order_id, credit: `merchant/${line.merchant_id!}/{d}`, amount: line.amount, currency: line.currency, phase: "posted" }],
    });
    assert(answer === "posted" || answer === "exists", "a paid order holds what its lines cost: " + line.line_id);
  }
  await setLine(tx, line.line_id, orderState.acknowledged);
  return true;
}

/** Tells the recipient from whom, and how to thank. */
async function notice(c: Context, tx: Tx, order: OrderRow, p: ParcelRow, lines: readonly LineRow[], request: string): Promise<void> {
  const payer = await tx.selectFrom("handset").select("agreement_key").where("kid", "=", order.payer!).executeTakeFirstOrThrow();
  await putMail(c, tx, p.user_id!, mailKind.gift, order.order_id, encodeGiftNotice({ from: order.user_id, parcel: p.parcel + 1, agreement: fromHex(payer.agreement_key), request, names: lines.map((line) => line.name) }));
  await releaseAttachments(c, tx, order, p.parcel + 1, p.user_id!);
}

// ---- pushed ahead (P17, P18) ----------------------------------------------------------------------------------------------------

interface Spare { handset: string; agreementKey: Uint8Array; keys: OfferKey[] }

/** Keys that the recipient's newest handset left here; undefined when there are not enough. */
async function spareKeys(tx: Tx, user: string, count: number): Promise<Spare | undefined> {
  for (const h of await tx.selectFrom("handset").select(["kid", "agreement_key"]).where("user_id", "=", user).where("revoked", "=", 0).orderBy("created_at", "desc").limit(16).execute()) {
    const rows = await tx.selectFrom("spare_key").selectAll().where("handset", "=", h.kid).where("used", "=", 0).orderBy("offer_id").limit(count).execute();
    if (rows.length === count) return { handset: h.kid, agreementKey: fromHex(h.agreement_key), keys: rows.map((r) => ({ offer: fromHex(r.offer_id), publicKey: fromHex(r.public_key), keyClass: r.key_class })) };
  }
  return undefined;
}

/** Certifies the values to the recipient's own keys and seals them for his handset: the shops keep what they cannot open. */
async function pushAhead(c: Context, tx: Tx, p: ParcelRow, spare: Spare, request: string): Promise<void> {
  const lines = (await linesOf(tx, p.order_id, p.parcel)).filter((line) => line.value_id !== null);
  const delivered = [];
  for (const [i, line] of lines.entries()) {
    const v = await tx.selectFrom("issued").selectAll().where("value_id", "=", line.value_id!).executeTakeFirstOrThrow();
    delivered.push(await certify(c, tx, v, spare.keys[i]!, spare.handset));
    await tx.updateTable("spare_key").set({ used: 1 }).where("offer_id", "=", toHex(spare.keys[i]!.offer)).execute();
  }
  const sealed = await sealTo(c, tx, spare.agreementKey, messageType.pushed, encodeDelivered(delivered), undefined);
  const [user, check] = [toHex(pushedUser(c.crypto, p.user_id!)), toHex(pushedCheck(c.crypto, p.user_id!, request))];
  for (const shop of JSON.parse(p.target!) as string[]) {
    await tx.insertInto("pushed").values({ terminal_id: shop, order_id: p.order_id, parcel: p.parcel, user_digest: user, number_check: check, sealed, until: c.now() + shopSeconds }).execute();
  }
}

/** Eight digits for one parcel; kept wrapped, so that its payer can look again, and as a keyed digest to compare. */
async function giveNumber(c: Context, tx: Tx, p: ParcelRow): Promise<string> {
  const number = digits(c);
  await tx.updateTable("parcel").set({ request: c.keys.wrap(number), request_digest: numberDigest(c, number) }).where("order_id", "=", p.order_id).where("parcel", "=", p.parcel).execute();
  return number;
}
/** Eight digits, each as likely as the others. */
export function digits(c: Context): string {
  for (;;) {
    const b = c.random(4);
    const n = b[0]! * 2 ** 24 + b[1]! * 65536 + b[2]! * 256 + b[3]!;
    if (n < 4_200_000_000) return String(n % 100_000_000).padStart(8, "0");
  }
}
export const numberDigest = (c: Context, number: string): string => toHex(c.crypto.hmac(c.keys.pepper(), new TextEncoder().encode("request " + number)));
