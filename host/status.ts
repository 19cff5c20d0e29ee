/**
 * The status list of all values: two bits each, signed, numbered, with a chain of deltas (`trust.md` §2). A terminal that is
 * a few changes behind gets the deltas, any other the whole list.
 */
import { deflateSync } from "node:zlib";
import { auditHead, daySeconds, nextNumber, readSetting, Wrong, writeSetting, type Context } from "./context.js";
import { transact, type Tx } from "./database.js";
import { bitsDigest, encodeStatusDelta, encodeStatusList, status, withStatus } from "../protocol/wire/trust.js";

export type State = "valid" | "revoked" | "suspended";
const listName = "values";
const ttlSeconds = 900;
/** Longer chains are not sent: the whole list is shorter. */
const deltasMost = 200;
/** Values in one delta, so that it stays below 2 KB. */
const changesMost = 1000;

interface List { number: number; bits: Uint8Array; signed: Uint8Array }

/** Number and bits of the newest list, for boards, which check no signature; number 0 while there is none. */
export async function readNumbered(tx: Tx): Promise<{ number: number; bits: Uint8Array }> {
  return { number: Number((await readSetting(tx, "number status")) ?? "0"), bits: await readBits(tx) };
}

async function readBits(tx: Tx): Promise<Uint8Array> {
  const text = await readSetting(tx, "status bits");
  return text === undefined ? new Uint8Array(0) : new Uint8Array(Buffer.from(text, "base64"));
}

/** Changes the state of one value and signs list and delta. Changing it to what it is changes nothing. */
export async function setStatus(c: Context, tx: Tx, valueId: string, state: State): Promise<void> {
  await setStatuses(c, tx, [valueId], state);
}

/** The same for many values under one number. */
export async function setStatuses(c: Context, tx: Tx, valueIds: readonly string[], state: State): Promise<void> {
  const indices: number[] = [];
  for (const id of valueIds) {
    const value = await tx.selectFrom("issued").select(["status_index", "status"]).where("value_id", "=", id).executeTakeFirst();
    if (value === undefined) throw new Wrong("value_unknown", `There is no value ${id}.`, 404);
    if (value.status === status[state]) continue;
    indices.push(value.status_index);
    await tx.updateTable("issued").set({ status: status[state] }).where("value_id", "=", id).execute();
  }
  for (let at = 0; at < indices.length; at += changesMost) await change(c, tx, indices.slice(at, at + changesMost).sort((a, b) => a - b), state);
}

/** Signs the list after this change, and the delta that leads to it. */
async function change(c: Context, tx: Tx, indices: number[], state: State): Promise<void> {
  const before = await readBits(tx);
  const appliesTo = await listNumber(c, tx);
  const bits = withStatus(before, indices, status[state]);
  const number = await nextNumber(tx, "status");
  const pick = (wanted: State): number[] => (state === wanted ? indices : []);
  const delta = c.keys.signed("status-delta", "status", encodeStatusDelta({
    issuer: c.keys.provider, list: listName, issuedAt: c.now(), ttl: ttlSeconds, number, appliesTo, result: bitsDigest(c.crypto, bits), revoked: pick("revoked"), valid: pick("valid"),
    suspended: pick("suspended"),
  }));
  await tx.insertInto("status_delta").values({ number, bytes: delta }).execute();
  await keepList(c, tx, number, bits);
}

async function keepList(c: Context, tx: Tx, number: number, bits: Uint8Array): Promise<void> {
  const signed = c.keys.signed("status", "status", encodeStatusList({
    issuer: c.keys.provider, list: listName, expires: c.now() + 60 * daySeconds, issuedAt: c.now(), packed: new Uint8Array(deflateSync(bits)), ttl: ttlSeconds, number,
    auditHead: await auditHead(tx),
  }));
  await writeSetting(tx, "status list signed", String(c.now()));
  await writeSetting(tx, "status bits", Buffer.from(bits).toString("base64"));
  await writeSetting(tx, "status list", Buffer.from(signed).toString("base64"));
}

/** Number of the newest list; the first is made here. */
async function listNumber(c: Context, tx: Tx): Promise<number> {
  const number = await readSetting(tx, "number status");
  if (number !== undefined) return Number(number);
  const first = await nextNumber(tx, "status");
  await keepList(c, tx, first, new Uint8Array(0));
  return first;
}

/** A list ends after sixty days, also one that nothing changes: it is signed anew each week, with a delta that changes nothing. */
async function renewList(c: Context, tx: Tx): Promise<void> {
  const signedAt = Number((await readSetting(tx, "status list signed")) ?? "0");
  if (signedAt > 0 && c.now() - signedAt >= 7 * daySeconds) await change(c, tx, [], "valid");
}

/** After a restore: numbers that were given out since the backup lead nowhere, so every terminal gets the whole list. */
export async function remakeList(c: Context, tx: Tx): Promise<void> {
  const bits = await readBits(tx);
  await tx.deleteFrom("status_delta").execute();
  await keepList(c, tx, await nextNumber(tx, "status"), bits);
}

/** The newest list, signed. */
export async function readList(c: Context): Promise<List> {
  return await transact(c.db, async (tx) => {
    await renewList(c, tx);
    const number = await listNumber(c, tx);
    return { number, bits: await readBits(tx), signed: new Uint8Array(Buffer.from((await readSetting(tx, "status list"))!, "base64")) };
  });
}

/** What a terminal lacks that holds list `number` with this digest: deltas in order, or the whole list. */
export async function newsFor(c: Context, tx: Tx, number: number, digest: Uint8Array): Promise<{ list: Uint8Array; deltas: Uint8Array[] }> {
  const none = new Uint8Array(0);
  await renewList(c, tx);
  const newest = await listNumber(c, tx);
  if (number === newest && Buffer.compare(digest, bitsDigest(c.crypto, await readBits(tx))) === 0) return { list: none, deltas: [] };
  const deltas = await tx.selectFrom("status_delta").select(["number", "bytes"]).where("number", ">", number).orderBy("number").limit(deltasMost + 1).execute();
  const knows = number > 0 && number < newest && (await isKnown(tx, number)) && deltas.length > 0 && deltas.length <= deltasMost;
  if (knows) return { list: none, deltas: deltas.map((d) => new Uint8Array(d.bytes)) };
  return { list: new Uint8Array(Buffer.from((await readSetting(tx, "status list"))!, "base64")), deltas: [] };
}

/** A number that this host once gave out: the first list, or one that a delta made. */
async function isKnown(tx: Tx, number: number): Promise<boolean> {
  const made = await tx.selectFrom("status_delta").select("number").where("number", "=", number).executeTakeFirst();
  if (made !== undefined) return true;
  const first = await tx.selectFrom("status_delta").select("number").orderBy("number").limit(1).executeTakeFirst();
  return first !== undefined && number === first.number - 1;
}
