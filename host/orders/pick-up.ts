/**
 * Values that wait: in custody for user id and request number (P16), in shops (P17), at a terminal (P7), on the way to a handset. A
 * number works once; guessing it is counted before it is looked at, for the order and for the terminal (`trust.md` §4).
 */
import { countTry, forgive } from "../attempts.js";
import { fromHex, toHex, type Context } from "../context.js";
import type { Tx } from "../database.js";
import { userIdOf } from "../people.js";
import { certify, isTaken } from "../products.js";
import type { ParcelRow } from "../schema-orders.js";
import { linesOf, setLine, setParcel } from "./machine.js";
import { numberDigest, parcelState } from "./release.js";
import { tryParcel } from "./work.js";
import { encodeDelivered, type Delivered, type OfferKey } from "../../protocol/wire/handset-letters.js";
import type { Said } from "../../protocol/wire/order-letters.js";
import { orderRefusal, orderState } from "../../protocol/wire/order.js";
import type { PickedUp, PickUp, PushedParcel } from "../../protocol/wire/parcel-letters.js";
import { limits } from "../../protocol/limits.js";

const none = new Uint8Array(0);
const no = (code: number): PickedUp => ({ code, values: 0, delivered: none });
const terminalLimit = { most: 10, windowSeconds: 600, pauseSeconds: 600 };
const wrongMost = 5;

/** `at`: the terminal or handset where the number was shown. Unknown user, wrong and closed number get one answer. */
export async function pickUp(c: Context, tx: Tx, at: string, x: PickUp): Promise<PickedUp> {
  const name = "pick up at " + at;
  if (!(await countTry(tx, name, terminalLimit, c.now()))) return no(orderRefusal.number_wrong);
  const waiting = await tx.selectFrom("parcel").selectAll().where("user_id", "=", userIdOf(x.user) ?? "").where("delivery", "=", "custody").where("state", "in", [orderState.paid, orderState.delivered])
    .where("wrong", "<", wrongMost).orderBy("order_id").orderBy("parcel").execute();
  const digest = numberDigest(c, x.number);
  const p = waiting.find((w) => w.request_digest === digest);
  if (p === undefined) {
    await tx.updateTable("parcel").set((e) => ({ wrong: e("wrong", "+", 1) })).where("user_id", "=", userIdOf(x.user) ?? "").where("delivery", "=", "custody").where("state", "=", orderState.paid).where("wrong", "<", wrongMost).execute();
    return no(orderRefusal.number_wrong);
  }
  await forgive(tx, name);
  return await take(c, tx, p, x.keys);
}

/** Each value to its key, in order. The same keys again get the same values; other keys come too late. */
async function take(c: Context, tx: Tx, p: ParcelRow, keys: readonly OfferKey[]): Promise<PickedUp> {
  const values = (await linesOf(tx, p.order_id, p.parcel)).filter((line) => line.value_id !== null && line.state < orderState.refused);
  if (keys.length === 0) return p.state === orderState.paid ? { code: 0, values: values.length, delivered: none } : no(orderRefusal.too_late);
  if (keys.length !== values.length || keys.some((k) => c.crypto.coordinates(k.publicKey) === undefined || (k.keyClass !== 1 && k.keyClass !== 2))) return no(orderRefusal.not_genuine);
  const rows = await Promise.all(values.map((line) => tx.selectFrom("issued").selectAll().where("value_id", "=", line.value_id!).executeTakeFirstOrThrow()));
  if (rows.some((v) => v.wants_part === 1)) return no(orderRefusal.busy);
  for (const [i, v] of rows.entries()) {
    const key = toHex(keys[i]!.publicKey);
    if (v.holder_key === null ? await isTaken(tx, keys[i]!.publicKey) : v.holder_key !== key) return no(orderRefusal.too_late);
  }
  if (new Set(keys.map((k) => toHex(k.publicKey))).size !== keys.length) return no(orderRefusal.not_genuine);
  const delivered: Delivered[] = [];
  for (const [i, v] of rows.entries()) delivered.push(await certify(c, tx, v, keys[i]!, null));
  for (const line of values) if (line.state === orderState.paid) await setLine(tx, line.line_id, orderState.delivered);
  if (p.state === orderState.paid) await setParcel(c, tx, p, orderState.delivered);
  return { code: 0, values: values.length, delivered: encodeDelivered(delivered) };
}

/** The payer's handset lets the numbers of an order be tried again. */
export async function reopenNumbers(tx: Tx, order: string): Promise<void> {
  await tx.updateTable("parcel").set({ wrong: 0 }).where("order_id", "=", order).where("state", "=", orderState.paid).execute();
}

// ---- what was handed out, and what the device says of it -----------------------------------------------------------------------------

/** Certified to a key just now: their lines are delivered. */
export async function noteDelivered(c: Context, tx: Tx, valueIds: readonly string[]): Promise<void> {
  for (const id of valueIds) {
    const line = await tx.selectFrom("order_line").selectAll().where("value_id", "=", id).where("state", "=", orderState.paid).executeTakeFirst();
    if (line === undefined) continue;
    await setLine(tx, line.line_id, orderState.delivered);
    await setParcel(c, tx, line, await parcelState(tx, line));
  }
}

/** The device has stored them durably. Only what it was given counts. */
export async function received(c: Context, tx: Tx, by: { handset: string; user: string } | { terminal: string }, values: readonly Uint8Array[]): Promise<Said> {
  for (const id of values) {
    const v = await tx.selectFrom("issued").select(["value_id", "handset", "user_id", "place", "holder_key"]).where("value_id", "=", toHex(id)).executeTakeFirst();
    const own = v !== undefined && v.holder_key !== null && ("terminal" in by ? v.place === "terminal " + by.terminal : v.handset === by.handset || (v.handset === null && v.user_id === by.user));
    if (own) await tx.updateTable("issued").set({ received: 1 }).where("value_id", "=", v.value_id).execute();
    const line = own ? await tx.selectFrom("order_line").selectAll().where("value_id", "=", v.value_id).where("state", "in", [orderState.paid, orderState.delivered]).executeTakeFirst() : undefined;
    if (v === undefined || line === undefined) continue;
    if ("handset" in by && v.handset === null) await tx.updateTable("issued").set({ handset: by.handset }).where("value_id", "=", v.value_id).execute();
    await setLine(tx, line.line_id, orderState.acknowledged);
    await setParcel(c, tx, line, await parcelState(tx, line));
  }
  return { code: 0, wanted: 0 };
}

/** Keys that the host may certify values to while this handset is away. Answers how many more are welcome. */
export async function keepSpareKeys(c: Context, tx: Tx, by: { handset: string; user: string }, keys: readonly OfferKey[]): Promise<Said> {
  const free = async (): Promise<number> => Number((await tx.selectFrom("spare_key").select((e) => e.fn.countAll<number>().as("n")).where("handset", "=", by.handset).where("used", "=", 0).executeTakeFirstOrThrow()).n);
  let room = limits.spareKeysMax - (await free());
  for (const k of keys) {
    if (room <= 0 || c.crypto.coordinates(k.publicKey) === undefined || (k.keyClass !== 1 && k.keyClass !== 2) || (await isTaken(tx, k.publicKey))) continue;
    const done = await tx.insertInto("spare_key").values({ offer_id: toHex(k.offer), handset: by.handset, public_key: toHex(k.publicKey), key_class: k.keyClass }).onConflict((o) => o.doNothing()).executeTakeFirst();
    room -= Number(done.numInsertedOrUpdatedRows ?? 0n);
  }
  for (const p of await tx.selectFrom("parcel").select(["order_id", "parcel"]).where("user_id", "=", by.user).where("state", "=", orderState.held).where("delivery", "=", "shops").execute()) await tryParcel(c, tx, p.order_id, p.parcel);
  return { code: 0, wanted: limits.spareKeysMax - (await free()) };
}

/** What waits in this shop and is not there yet. */
export async function pushedTo(c: Context, tx: Tx, terminal: string, after: number): Promise<PushedParcel[]> {
  const rows = await tx.selectFrom("pushed").selectAll().where("terminal_id", "=", terminal).where("number", ">", after).where("until", ">", c.now()).orderBy("number").limit(limits.mailMax).execute();
  return rows.map((r) => ({ number: r.number, user: fromHex(r.user_digest), check: fromHex(r.number_check), sealed: new Uint8Array(r.sealed), until: r.until }));
}
