/**
 * Gifts (P8–P10): for somebody who is registered they are parcels like others; for somebody who is not, the money waits in an account
 * of its own until he claims it, at most thirty days (`money.md` line 11, `trust.md` §4). What he says to the giver passes through sealed.
 */
import { timingSafeEqual } from "node:crypto";
import { countTry } from "../attempts.js";
import { fromHex, recordingAt, type Context } from "../context.js";
import type { Tx } from "../database.js";
import { give } from "../ledger-events.js";
import { codeDigest, secretCode } from "../people.js";
import type { LineRow, ParcelRow } from "../schema-orders.js";
import { linesOf, readOrder } from "./machine.js";
import { digits, handOver, numberDigest, putMail } from "./release.js";
import { assert } from "../../protocol/assert.js";
import { orderRefusal, orderState } from "../../protocol/wire/order.js";
import { encodeForwarded, mailKind, type GiftClaim, type Thank } from "../../protocol/wire/parcel-letters.js";

/** After thirty days it goes back to the giver. */
export const giftSeconds = 30 * 86_400;
const codeSeconds = 600;
const codeTries = 5;
/** Codes a day to one number. */
const codesADay = { most: 4, windowSeconds: 86_400, pauseSeconds: 86_400 };
/** Tokens have 100 bits; this only keeps the guesser's noise down. */
const tokenTries = { most: 20, windowSeconds: 86_400, pauseSeconds: 86_400 };

/** Puts the money aside and writes to the person, once. */
export async function giftTo(c: Context, tx: Tx, p: ParcelRow, lines: readonly LineRow[]): Promise<void> {
  const giftId = `${p.order_id}-${p.parcel}`;
  if ((await tx.selectFrom("gift").select("gift_id").where("gift_id", "=", giftId).executeTakeFirst()) !== undefined) return;
  const amount = lines.reduce((sum, line) => sum + line.amount, 0);
  if (amount > 0) {
    const answer = await give(tx, { giftId, order: p.order_id, amount, currency: lines[0]!.currency }, { at: c.now(), quality: 3, recorded: recordingAt(c.now()) });
    assert(answer === "posted" || answer === "exists", "a paid order holds what it gives: " + giftId);
  }
  const token = secretCode(c);
  await tx.insertInto("subject").values({ account: "gift/" + giftId, kind: "gift" }).onConflict((o) => o.doNothing()).execute();
  await tx.insertInto("gift").values({ gift_id: giftId, order_id: p.order_id, parcel: p.parcel, token_digest: codeDigest(token), until: c.now() + giftSeconds, amount, state: "waits" }).execute();
  const giver = (await readOrder(tx, p.order_id))!.user_id;
  await writeTo(c, tx, p, `${giver} has a gift for you: ${lines.map((line) => line.name).join(", ")}. Enrol a handset and claim it with ${token}.`);
}

async function writeTo(c: Context, tx: Tx, p: ParcelRow, text: string): Promise<void> {
  const address = p.phone ?? c.keys.wrap(p.user_id!);
  await tx.insertInto("text_out").values({ address, text: c.keys.wrap(text), at: c.now() }).execute();
}

/** Answers 0 when it is the claimer's now; `outcome_unknown` when a code was sent to the number first. */
export async function claimGift(c: Context, tx: Tx, user: string, x: GiftClaim): Promise<number> {
  if (!(await countTry(tx, "gift token " + user, tokenTries, c.now()))) return orderRefusal.number_wrong;
  const gift = await tx.selectFrom("gift").selectAll().where("token_digest", "=", codeDigest(x.token)).where("until", ">", c.now()).executeTakeFirst();
  if (gift === undefined || gift.state === "returned") return orderRefusal.number_wrong;
  const p = await tx.selectFrom("parcel").selectAll().where("order_id", "=", gift.order_id).where("parcel", "=", gift.parcel).executeTakeFirstOrThrow();
  if (gift.state === "claimed") return p.user_id === user ? 0 : orderRefusal.number_wrong;
  if (p.phone === null) {
    if (p.user_id !== user) return orderRefusal.number_wrong;
    await claim(c, tx, gift.gift_id, p, user);
    return 0;
  }
  return x.code === "" ? await sendCode(c, tx, gift.gift_id, p) : await proveNumber(c, tx, gift, p, user, x.code);
}

/** Whoever reads the token on somebody's screen does not have his phone. */
async function sendCode(c: Context, tx: Tx, giftId: string, p: ParcelRow): Promise<number> {
  if (!(await countTry(tx, "code to " + p.phone_digest!, codesADay, c.now()))) return orderRefusal.number_wrong;
  const code = digits(c);
  await tx.updateTable("gift").set({ code_digest: numberDigest(c, code), code_until: c.now() + codeSeconds, code_wrong: 0 }).where("gift_id", "=", giftId).execute();
  await writeTo(c, tx, p, `Your code is ${code}. It is good for ten minutes.`);
  return orderRefusal.outcome_unknown;
}

interface Coded { gift_id: string; code_digest: string | null; code_until: number; code_wrong: number }

/** The right code opens every gift to this number, and nothing else. */
async function proveNumber(c: Context, tx: Tx, gift: Coded, p: ParcelRow, user: string, code: string): Promise<number> {
  if (gift.code_digest === null || gift.code_until <= c.now() || gift.code_wrong >= codeTries) return orderRefusal.number_wrong;
  await tx.updateTable("gift").set({ code_wrong: gift.code_wrong + 1 }).where("gift_id", "=", gift.gift_id).execute();
  if (!timingSafeEqual(fromHex(numberDigest(c, code)), fromHex(gift.code_digest))) return orderRefusal.number_wrong;
  const all = await tx.selectFrom("gift").innerJoin("parcel", (on) => on.onRef("parcel.order_id", "=", "gift.order_id").onRef("parcel.parcel", "=", "gift.parcel"))
    .select("gift.gift_id").where("phone_digest", "=", p.phone_digest).where("gift.state", "=", "waits").where("gift.until", ">", c.now()).execute();
  for (const { gift_id } of all) {
    const g = await tx.selectFrom("gift").selectAll().where("gift_id", "=", gift_id).executeTakeFirstOrThrow();
    await claim(c, tx, gift_id, await tx.selectFrom("parcel").selectAll().where("order_id", "=", g.order_id).where("parcel", "=", g.parcel).executeTakeFirstOrThrow(), user);
  }
  return 0;
}

async function claim(c: Context, tx: Tx, giftId: string, p: ParcelRow, user: string): Promise<void> {
  const order = (await readOrder(tx, p.order_id))!;
  const lines = (await linesOf(tx, p.order_id, p.parcel)).filter((line) => line.state === orderState.billed || line.state === orderState.held);
  await tx.updateTable("parcel").set({ user_id: user }).where("order_id", "=", p.order_id).where("parcel", "=", p.parcel).execute();
  await tx.updateTable("gift").set({ state: "claimed" }).where("gift_id", "=", giftId).execute();
  if (p.due_at <= c.now()) await handOver(c, tx, order, { ...p, user_id: user }, lines, "gift/" + giftId);
}

/** P9, P10: passes the recipient's sealed word on to the giver's handset, with the key that must have signed it. */
export async function thank(c: Context, tx: Tx, from: { user: string; handset: string }, x: Thank, orderId: string): Promise<number> {
  const order = await readOrder(tx, orderId);
  const p = await tx.selectFrom("parcel").selectAll().where("order_id", "=", orderId).where("parcel", "=", x.parcel - 1).executeTakeFirst();
  if (order === undefined || p === undefined || p.user_id !== from.user || p.is_gift === 0 || p.state < orderState.delivered) return orderRefusal.order_unknown;
  const h = await tx.selectFrom("handset").select("signing_key").where("kid", "=", from.handset).executeTakeFirstOrThrow();
  await putMail(c, tx, order.user_id, mailKind.thanks, orderId, encodeForwarded({ from: from.user, signing: fromHex(h.signing_key), sealed: x.sealed }));
  return 0;
}
