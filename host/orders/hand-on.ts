/**
 * A value changes hands (P18, S8): by a deed that its own key signed, which the giver sends to the host, or which he gave directly to
 * the other handset, who brings it. The register takes one deed for each owner step, so the value exists once; receipts that the
 * former owner's copy makes afterwards open a case (`money.md` §5). No account moves (line 12).
 */
import { fromHex, toHex, type Context } from "../context.js";
import type { Tx } from "../database.js";
import { userIdOf } from "../people.js";
import { certify, isTaken, productOrWrong, type IssuedRow } from "../products.js";
import { knownTo, moveBase } from "../refresh.js";
import { decodeReceipt, type Receipt } from "../../protocol/wire/receipt.js";
import { encodeDelivered } from "../../protocol/wire/handset-letters.js";
import { orderRefusal } from "../../protocol/wire/order.js";
import { decodeDeed, type Deed, type HandOn, type PickedUp } from "../../protocol/wire/parcel-letters.js";
import { decodeSigned, objectToSign } from "../../protocol/wire/signed.js";
import { decodeSignedClaims } from "../../protocol/wire/sync.js";
import { digest16, flag } from "../../protocol/wire/value.js";

const none = new Uint8Array(0);
const no = (code: number): PickedUp => ({ code, values: 0, delivered: none });

export interface Bearer { handset: string; user: string }

/** Answers the value certified to its new key when the deed names one, else 0: it waits for the recipient's handset. */
export async function handOn(c: Context, tx: Tx, by: Bearer, x: HandOn): Promise<PickedUp> {
  const object = decodeSigned(x.deed);
  const deed = object?.type === "deed" ? decodeDeed(object.claims) : undefined;
  const v = deed === undefined ? undefined : await tx.selectFrom("issued").selectAll().where("value_id", "=", toHex(deed.value)).executeTakeFirst();
  if (object === undefined || deed === undefined || v === undefined) return no(orderRefusal.not_genuine);
  if (v.owner_sequence === deed.step) return await again(c, tx, by, x, v, deed);
  const code = await refused(c, tx, by, v, deed, object);
  if (code !== 0) return no(code);
  const newest = x.receipt.length === 0 ? undefined : decodeReceipt(x.receipt);
  if (!isState(c, v, deed, newest, x.receipt)) return no(orderRefusal.not_genuine);
  const books = await knownTo(c, tx, v, newest, x.receipt);
  if (books === undefined) return no(orderRefusal.state_unknown);
  if (newest !== undefined) await moveBase(c, tx, v, newest, x.receipt, books);
  return await takeStep(c, tx, by, x, v, deed);
}

async function refused(c: Context, tx: Tx, by: Bearer, v: IssuedRow, deed: Deed, object: { kid: Uint8Array; claims: Uint8Array; signature: Uint8Array }): Promise<number> {
  if (v.holder_key === null || !c.crypto.verify(fromHex(v.holder_key), objectToSign("deed", object.kid, object.claims), object.signature)) return orderRefusal.not_genuine;
  if (deed.step !== v.owner_sequence + 1) return orderRefusal.too_late;
  if ("user" in deed.to && v.handset !== by.handset) return orderRefusal.not_genuine;
  const p = await productOrWrong(tx, v.product_id);
  if ((p.flags & flag.transferable) === 0 || v.grant_id !== null) return orderRefusal.not_transferable;
  if (v.status !== 0 || p.valid_until <= c.now()) return orderRefusal.value_unfit;
  if ((await tx.selectFrom("payment").select("payment_id").where("value_id", "=", v.value_id).where("state", "=", "held").executeTakeFirst()) !== undefined) return orderRefusal.busy;
  if ("user" in deed.to) return (await isMember(tx, userIdOf(deed.to.user) ?? "")) ? 0 : orderRefusal.delivery_impossible;
  const fits = c.crypto.coordinates(deed.to.publicKey) !== undefined && (deed.to.keyClass === 1 || deed.to.keyClass === 2) && !(await isTaken(tx, deed.to.publicKey));
  return fits ? 0 : orderRefusal.not_genuine;
}
const isMember = async (tx: Tx, user: string): Promise<boolean> => (await tx.selectFrom("member").select("user_id").where("user_id", "=", user).executeTakeFirst()) !== undefined;

/** The deed names the state that is shown along. */
function isState(c: Context, v: IssuedRow, deed: Deed, newest: Receipt | undefined, bytes: Uint8Array): boolean {
  if (newest === undefined) return bytes.length === 0 && deed.counter === 0 && toHex(deed.newest) === toHex(digest16(c.crypto, decodeSignedClaims(new Uint8Array(v.value!))!.claims));
  return toHex(newest.valueId) === v.value_id && newest.counter === deed.counter && toHex(digest16(c.crypto, bytes)) === toHex(deed.newest);
}

async function takeStep(c: Context, tx: Tx, by: Bearer, x: HandOn, v: IssuedRow, deed: Deed): Promise<PickedUp> {
  const due = "user" in deed.to && deed.at > c.now() ? deed.at : 0;
  await tx.insertInto("owner_step").values({ value_id: v.value_id, owner_sequence: v.owner_sequence, user_id: v.user_id, holder_key: v.holder_key!, counter: deed.counter, deed: x.deed, at: c.now(), due_at: due }).execute();
  await tx.updateTable("issued").set({
    user_id: "user" in deed.to ? userIdOf(deed.to.user)! : by.user, holder_key: null, value: null, handset: null, received: 0, owner_sequence: deed.step, offer_id: toHex(c.random(8)), place: due === 0 ? "" : "due",
  }).where("value_id", "=", v.value_id).execute();
  return await given(c, tx, by, v.value_id, deed);
}

/** Direct: certified to the key in the deed, for whoever brought it. */
async function given(c: Context, tx: Tx, by: Bearer, valueId: string, deed: Deed): Promise<PickedUp> {
  if ("user" in deed.to) return { code: 0, values: 1, delivered: none };
  const now = await tx.selectFrom("issued").selectAll().where("value_id", "=", valueId).executeTakeFirstOrThrow();
  return { code: 0, values: 1, delivered: encodeDelivered([await certify(c, tx, now, deed.to, by.handset)]) };
}

/** The same deed again gets the same answer; another one for this step comes too late. */
async function again(c: Context, tx: Tx, by: Bearer, x: HandOn, v: IssuedRow, deed: Deed): Promise<PickedUp> {
  const before = await tx.selectFrom("owner_step").select("deed").where("value_id", "=", v.value_id).where("owner_sequence", "=", deed.step - 1).executeTakeFirst();
  if (before === undefined || toHex(new Uint8Array(before.deed)) !== toHex(x.deed)) return no(orderRefusal.too_late);
  if (!("user" in deed.to) && v.handset !== by.handset) return no(orderRefusal.too_late);
  return await given(c, tx, by, v.value_id, deed);
}

/** S8: what was given for later becomes the recipient's now. Answers how many. */
export async function workDeeds(tx: Tx, now: number): Promise<number> {
  const due = await tx.selectFrom("owner_step").select(["value_id", "owner_sequence"]).where("due_at", ">", 0).where("due_at", "<=", now).limit(100).execute();
  for (const x of due) {
    await tx.updateTable("issued").set({ place: "" }).where("value_id", "=", x.value_id).where("place", "=", "due").execute();
    await tx.updateTable("owner_step").set({ due_at: 0 }).where("value_id", "=", x.value_id).where("owner_sequence", "=", x.owner_sequence).execute();
  }
  return due.length;
}
