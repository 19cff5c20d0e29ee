/**
 * Grants: uses moved out of a value for boards without signatures, under an id and a chain of their own (decision 4, `tap.md`
 * §6). A grant is of one group and epoch; when the epoch is over, the handset gets another for what is left of it.
 */
import { recordingAt, fromHex, toHex, type Context } from "./context.js";
import type { Tx } from "./database.js";
import { heldEpochs, overlapSeconds, type EpochRow } from "./groups.js";
import { post } from "./ledger.js";
import { round } from "./money.js";
import type { IssuedRow, ProductRow } from "./products.js";
import type { BoardGrantTable } from "./schema-directory.js";
import type { Selectable } from "kysely";
import { refusal } from "../protocol/refusal.js";
import { keyOfGrant, mac8, none } from "../protocol/session/transcript.js";
import { decodeReceipt } from "../protocol/wire/receipt.js";
import type { Delivered, Regrant, Regranted } from "../protocol/wire/handset-letters.js";
import { equal } from "../protocol/wire/bytes.js";
import { decodeValue, encodeValue, flag, type Value } from "../protocol/wire/value.js";

export type GrantRow = Selectable<BoardGrantTable>;
/** All boards of a provider's venue are one group, until an operator makes others. */
export const groupNumber = 1;

/** What a handset is given of a grant: it, its MAC, its own key, and whose it is. */
export type Given = Pick<Delivered, "grant" | "grantMac" | "grantKey" | "group" | "epoch">;
export const noGrant: Given = { grant: none, grantMac: none, grantKey: none, group: 0, epoch: 0 };

export async function grantGiven(c: Context, tx: Tx, grantId: string): Promise<Given> {
  const g = await tx.selectFrom("board_grant").selectAll().where("grant_id", "=", grantId).executeTakeFirstOrThrow();
  const keys = c.keys.group(g.group_number, g.epoch);
  const grant = new Uint8Array(g.bytes);
  return { grant, grantMac: mac8(c.crypto, keys.grantKey, "grant", none, grant), grantKey: keyOfGrant(c.crypto, keys, fromHex(grantId)), group: g.group_number, epoch: g.epoch };
}

/** So many uses of a value go to a new grant of the present epoch, with their part of its price. */
export async function carveGrant(c: Context, tx: Tx, v: IssuedRow, p: ProductRow, value: Value, uses: number): Promise<void> {
  const [epoch] = await heldEpochs(c, tx, groupNumber);
  const { price } = await tx.selectFrom("value").select("price").where("value_id", "=", v.value_id).executeTakeFirstOrThrow();
  await moveUses(c, tx, v, p, { from: v.value_id, uses, price: round(price, uses, p.most), value, epoch: epoch!, isUsed: false });
}

interface Move { from: string; uses: number; price: number; value: Value; epoch: EpochRow; isUsed: boolean }

async function moveUses(c: Context, tx: Tx, v: IssuedRow, p: ProductRow, m: Move): Promise<void> {
  const grantId = c.random(8);
  const id = toHex(grantId);
  const claims = encodeValue({
    ...m.value, valueId: grantId, holderKey: none, issuerPart: none, most: m.uses, flags: m.value.flags | flag.profileB, expires: Math.min(p.valid_until, m.epoch.ends + overlapSeconds),
    offline: { ...m.value.offline, uses: Math.min(m.value.offline.uses, m.uses) },
  });
  const row = await tx.selectFrom("value").selectAll().where("value_id", "=", m.from).executeTakeFirstOrThrow();
  if (m.price > 0) {
    await post(tx, {
      setId: "grant/" + id, kind: "grant", event: { value: m.from, issuer: p.issuer_id }, at: c.now(), quality: 3, recorded: recordingAt(c.now()),
      transfers: [{ debit: `unearned/${m.from}`, credit: `unearned/${id}`, amount: m.price, currency: p.currency, phase: "posted" }],
    });
  }
  // Of a value that was never used the rest is a smaller value; of a used grant each use keeps its part of the first price.
  const smaller = m.isUsed ? {} : { price: row.price - m.price, uses: row.uses - m.uses };
  await tx.updateTable("value").set({ ...smaller, loaded: row.loaded - m.price }).where("value_id", "=", m.from).execute();
  await tx.insertInto("value").values({ value_id: id, code: "unearned", currency: p.currency, issuer: p.issuer_id, price: m.price, uses: m.uses, merchant_share: p.merchant_share, loaded: m.price }).execute();
  await tx.insertInto("board_grant").values({ grant_id: id, value_id: v.value_id, group_number: m.epoch.group_number, epoch: m.epoch.epoch, uses: m.uses, bytes: claims }).execute();
  await tx.updateTable("issued").set({ grant_id: id, grant_bytes: claims }).where("value_id", "=", v.value_id).execute();
}

// ---- the next epoch ---------------------------------------------------------------------------------------------------------

const no = (code: number): Regranted => ({ code, ...noGrant });

/**
 * *regrant*: a grant of the present epoch, once the old one's is over, for what is left of this one. How much that is the holder shows by its
 * newest receipt, whose MAC only a board of the group can have made; what was used beyond it comes to light when the board's
 * records arrive, and fits the old grant no more. The same question again gets the same grant.
 */
export async function regrant(c: Context, tx: Tx, userId: string, x: Regrant): Promise<Regranted> {
  const old = await tx.selectFrom("board_grant").selectAll().where("grant_id", "=", toHex(x.grant)).executeTakeFirst();
  const v = old === undefined ? undefined : await tx.selectFrom("issued").selectAll().where("value_id", "=", old.value_id).where("user_id", "=", userId).executeTakeFirst();
  if (old === undefined || v === undefined || v.grant_id === null) return no(refusal.not_genuine);
  if (v.status !== 0) return no(v.status === 1 ? refusal.revoked : refusal.suspended);
  if (v.grant_id !== old.grant_id) return { code: 0, ...(await grantGiven(c, tx, v.grant_id)) };
  // Boards greet with the present epoch, so a grant of the next one would be of no use yet.
  const present = (await heldEpochs(c, tx, old.group_number))[0]!;
  if (present.epoch <= old.epoch) return { code: 0, ...(await grantGiven(c, tx, old.grant_id)) };
  const used = usedOf(c, old, x);
  if (used === undefined) return no(refusal.not_genuine);
  if (await hasLater(tx, old, used.counter)) return no(refusal.state_outdated);
  if (used.after >= old.uses) return no(refusal.insufficient);
  await renewGrant(c, tx, v, old, used.after, present);
  return { code: 0, ...(await grantGiven(c, tx, (await tx.selectFrom("issued").select("grant_id").where("value_id", "=", v.value_id).executeTakeFirstOrThrow()).grant_id!)) };
}

/** Counter and running total of the newest receipt of this grant, or of none at all; undefined when the MAC is not the group's. */
function usedOf(c: Context, old: GrantRow, x: Regrant): { counter: number; after: number } | undefined {
  if (x.receipt.length === 0) return { counter: 0, after: 0 };
  const receipt = decodeReceipt(x.receipt);
  const genuine = equal(mac8(c.crypto, c.keys.group(old.group_number, old.epoch).receiptKey, "receipt", none, x.receipt), x.mac);
  return receipt === undefined || !genuine || toHex(receipt.valueId) !== old.grant_id ? undefined : { counter: receipt.counter, after: receipt.after };
}

/** The books have a later use than the holder shows. */
async function hasLater(tx: Tx, old: GrantRow, counter: number): Promise<boolean> {
  const later = await tx.selectFrom("value_use").select("use_id").where("value_id", "=", old.grant_id).where("counter", ">", counter).where("state", "!=", "reversed").where("state", "!=", "lapsed").limit(1).executeTakeFirst();
  return later !== undefined;
}

/** What was used stays with the old grant, with its part of the price; the rest moves. */
async function renewGrant(c: Context, tx: Tx, v: IssuedRow, old: GrantRow, used: number, epoch: EpochRow): Promise<void> {
  const p = await tx.selectFrom("product").selectAll().where("product_id", "=", v.product_id).executeTakeFirstOrThrow();
  const row = await tx.selectFrom("value").selectAll().where("value_id", "=", old.grant_id).executeTakeFirstOrThrow();
  const price = row.price - round(row.price, used, old.uses);
  await tx.updateTable("board_grant").set({ ended: 1, uses: used }).where("grant_id", "=", old.grant_id).execute();
  await moveUses(c, tx, v, p, { from: old.grant_id, uses: old.uses - used, price, value: decodeValue(new Uint8Array(old.bytes))!, epoch, isUsed: true });
}
