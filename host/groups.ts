/**
 * Groups of boards without signatures and the epochs of their keys (profile B; `trust.md` §1). An epoch is thirty days; boards
 * hold the previous one for seven days more, the present one, and the next one from seven days before. Whoever opens one board
 * has its group's keys: the group is made new without it, at once, and what was forged comes to light at the host.
 */
import { audit, daySeconds, noteIncident, Wrong, type Context } from "./context.js";
import type { Tx } from "./database.js";
import type { GroupEpochTable } from "./schema-directory.js";
import { suspendTerminal } from "./suspension.js";
import { equal } from "../protocol/wire/bytes.js";
import { mac8, none } from "../protocol/session/transcript.js";
import type { GroupKeyPackage } from "../protocol/wire/group-keys.js";

export type EpochRow = GroupEpochTable;
const epochSeconds = 30 * daySeconds;
/** The next epoch's keys are there so long before it, the previous one's so long after it. */
export const overlapSeconds = 7 * daySeconds;
/** Small enough that its loss can be stated (`trust.md` §1). */
export const groupBoardsMost = 16;

/** The epoch of now, made when there is none: the first one begins with the group. */
export async function presentEpoch(c: Context, tx: Tx, group: number): Promise<EpochRow> {
  const newest = await tx.selectFrom("group_epoch").selectAll().where("group_number", "=", group).orderBy("epoch", "desc").limit(1).executeTakeFirst();
  if (newest === undefined) return await addEpoch(tx, group, 1, c.now());
  if (newest.ends > c.now()) return newest.starts <= c.now() ? newest : await epochAt(c, tx, group);
  // Of a group that rested long, epochs in which nobody asked are left out.
  return await addEpoch(tx, group, newest.epoch + 1, newest.ends + Math.floor((c.now() - newest.ends) / epochSeconds) * epochSeconds);
}

async function epochAt(c: Context, tx: Tx, group: number): Promise<EpochRow> {
  return await tx.selectFrom("group_epoch").selectAll().where("group_number", "=", group).where("starts", "<=", c.now()).orderBy("epoch", "desc").limit(1).executeTakeFirstOrThrow();
}

async function addEpoch(tx: Tx, group: number, epoch: number, starts: number): Promise<EpochRow> {
  const row = { group_number: group, epoch, starts, ends: starts + epochSeconds };
  await tx.insertInto("group_epoch").values(row).execute();
  return row;
}

/** What a board should hold now, the present epoch first. */
export async function heldEpochs(c: Context, tx: Tx, group: number): Promise<EpochRow[]> {
  const present = await presentEpoch(c, tx, group);
  const held = [present];
  if (present.ends - c.now() <= overlapSeconds) held.push(await nextEpoch(tx, present));
  const before = await tx.selectFrom("group_epoch").selectAll().where("group_number", "=", group).where("epoch", "=", present.epoch - 1).executeTakeFirst();
  if (before !== undefined && before.ends + overlapSeconds > c.now()) held.push(before);
  return held;
}

async function nextEpoch(tx: Tx, present: EpochRow): Promise<EpochRow> {
  const known = await tx.selectFrom("group_epoch").selectAll().where("group_number", "=", present.group_number).where("epoch", "=", present.epoch + 1).executeTakeFirst();
  return known ?? (await addEpoch(tx, present.group_number, present.epoch + 1, present.ends));
}

/** Keys of the epochs that a board should hold, the present one's first. */
export async function heldKeys(c: Context, tx: Tx, group: number): Promise<GroupKeyPackage[]> {
  return (await heldEpochs(c, tx, group)).map((e) => c.keys.group(group, e.epoch));
}

/** Every epoch whose receipts may still arrive: a courier takes up to 400 days. */
export async function keysEver(c: Context, tx: Tx, group: number): Promise<GroupKeyPackage[]> {
  const rows = await tx.selectFrom("group_epoch").select("epoch").where("group_number", "=", group).where("ends", ">", c.now() - 400 * daySeconds).orderBy("epoch", "desc").execute();
  return rows.map((r) => c.keys.group(group, r.epoch));
}

/** The epoch under whose `receiptKey` this receipt's or reversal's MAC holds. */
export async function macedUnder(c: Context, tx: Tx, group: number, className: "receipt" | "credit", payload: Uint8Array, mac: Uint8Array): Promise<number | undefined> {
  return (await keysEver(c, tx, group)).find((keys) => equal(mac8(c.crypto, keys.receiptKey, className, none, payload), mac))?.epoch;
}

/**
 * A board was opened: a new epoch begins at once, the old ones end at once. The boards named are suspended and get no keys of it; the others get
 * them with their next letter, handsets new grants at their next refresh. Until then nobody of the group is served: better so.
 */
export async function rekeyGroup(c: Context, tx: Tx, group: number, without: readonly string[], why: string): Promise<{ epoch: number }> {
  const present = await presentEpoch(c, tx, group);
  for (const id of without) {
    const board = await tx.selectFrom("terminal").select("group_number").where("terminal_id", "=", id).executeTakeFirst();
    if (board?.group_number !== group) throw new Wrong("not_of_group", `Terminal ${id} is not of group ${group}.`, 404);
    await suspendTerminal(c, tx, id, why);
  }
  // So far back that nothing of them is held any more, whatever the overlap.
  await tx.updateTable("group_epoch").set({ ends: c.now() - overlapSeconds }).where("group_number", "=", group).where("ends", ">", c.now() - overlapSeconds).execute();
  const next = await tx.selectFrom("group_epoch").select((e) => e.fn.max("epoch").as("epoch")).where("group_number", "=", group).executeTakeFirstOrThrow();
  const made = await addEpoch(tx, group, Number(next.epoch) + 1, c.now());
  await audit(tx, "operator", `group ${group} made new as epoch ${made.epoch} (was ${present.epoch})${without.length > 0 ? `, without ${without.join(", ")}` : ""}: ${why}`, c.now());
  return { epoch: made.epoch };
}

/**
 * Under the group's own keys came a grant that this host never issued: a board was opened, or its keys were read on their way.
 * One case for each such grant, with the receipt as evidence; the operator makes the group new.
 */
export async function openForgery(c: Context, tx: Tx, x: { grantId: string; group: number; epoch: number; terminalId: string; evidence: string }): Promise<void> {
  const known = await tx.selectFrom("forgery").select("grant_id").where("grant_id", "=", x.grantId).executeTakeFirst();
  if (known !== undefined) return;
  await tx.insertInto("forgery").values({ grant_id: x.grantId, group_number: x.group, epoch: x.epoch, terminal_id: x.terminalId, evidence: x.evidence, opened_at: c.now() }).execute();
  await noteIncident(tx, "a grant was forged with the keys of a group: make the group new without the board that was opened", x.terminalId, `group ${x.group}, epoch ${x.epoch}, grant ${x.grantId}`, c.now());
}
