/**
 * A terminal that is believed no longer (`trust.md` §3, §8): suspended when two boxes share an identity or an operator
 * says so, revoked for ever when it was stolen. What it records meanwhile is kept as evidence and does not count.
 */
import { audit, daySeconds, fromHex, Wrong, type Context } from "./context.js";
import type { Tx } from "./database.js";
import { countEntry, wholeThrough } from "./intake.js";
import { certificateDays, suspension, type TerminalRow } from "./terminals.js";
import { encodeRevocation, revoked } from "../protocol/wire/trust.js";

export async function readTerminal(tx: Tx, id: string): Promise<TerminalRow> {
  const t = await tx.selectFrom("terminal").selectAll().where("terminal_id", "=", id).executeTakeFirst();
  if (t === undefined) throw new Wrong("terminal_unknown", `There is no terminal ${id}.`, 404);
  return t;
}

/** No renewal and no money until it is restored. */
export async function suspendTerminal(c: Context, tx: Tx, id: string, why: string): Promise<void> {
  const t = await readTerminal(tx, id);
  await audit(tx, "operator", `terminal ${id} suspended: ${why}`, c.now());
  await tx.updateTable("terminal").set({ suspended: Math.max(t.suspended, suspension.suspended) }).where("terminal_id", "=", id).execute();
}

/** Believed again: what it recorded meanwhile counts now, in its order. */
export async function restoreTerminal(c: Context, tx: Tx, id: string, why: string): Promise<void> {
  const t = await readTerminal(tx, id);
  if (t.suspended === suspension.revoked) throw new Wrong("terminal_revoked", "A revoked terminal stays revoked: add it again, with a new claim code.", 409);
  await audit(tx, "operator", `terminal ${id} restored: ${why}`, c.now());
  await tx.updateTable("terminal").set({ suspended: suspension.none }).where("terminal_id", "=", id).execute();
  const held = await tx.selectFrom("entry_taken").select(["sequence", "held"]).where("terminal_id", "=", id).where("held", "is not", null).orderBy("sequence").execute();
  for (const e of held) await countEntry(c, tx, { ...t, suspended: suspension.none }, e.sequence, new Uint8Array(e.held!));
  await tx.updateTable("entry_taken").set({ held: null }).where("terminal_id", "=", id).where("held", "is not", null).execute();
}

/** Stolen or gone: signed by the certificates key, for handsets and neighbours, until no certificate of it is believed any more. */
export async function revokeTerminal(c: Context, tx: Tx, id: string, why: string): Promise<void> {
  const t = await readTerminal(tx, id);
  if (t.suspended === suspension.revoked) return;
  await audit(tx, "operator", `terminal ${id} revoked: ${why}`, c.now());
  await tx.updateTable("terminal").set({ suspended: suspension.revoked, claim_until: 0 }).where("terminal_id", "=", id).execute();
  const bytes = c.keys.signed("revocation", "certificates", encodeRevocation({ issuer: c.keys.provider, at: c.now(), what: revoked.terminal, name: fromHex(id) }));
  // Past its end a certificate is believed for half its life more (`trust.md` §9).
  await tx.insertInto("revocation").values({ terminal_id: id, bytes, needed_until: t.expires + certificateDays[t.role]! * daySeconds / 2 }).execute();
}

/** Signed ones of 160 bytes, so that they fit beside a list; devices keep a few more (`endsMax`). */
const revocationsMost = 200;

/** Revocations that still matter, the latest to end: the certificates they end could be believed otherwise. */
export async function revocations(c: Context, tx: Tx): Promise<Uint8Array[]> {
  const rows = await tx.selectFrom("revocation").select("bytes").where("needed_until", ">", c.now()).orderBy("needed_until", "desc").orderBy("terminal_id").limit(revocationsMost).execute();
  return rows.map((r) => new Uint8Array(r.bytes));
}

/** An operator's word that the entries up to here will never come (`money.md` §4): the gap is closed, nothing is made up. */
export async function declareLost(c: Context, tx: Tx, id: string, through: number, why: string): Promise<number> {
  const t = await readTerminal(tx, id);
  const beyond = await tx.selectFrom("entry_taken").select("sequence").where("terminal_id", "=", id).where("sequence", ">", t.confirmed).orderBy("sequence").limit(1).executeTakeFirst();
  if (beyond === undefined || through <= t.confirmed || through >= beyond.sequence) throw new Wrong("no_gap", `Terminal ${id} has no gap up to ${through}: entries through ${t.confirmed} are here${beyond === undefined ? "" : `, the next one is ${beyond.sequence}`}.`, 409);
  await audit(tx, "operator", `terminal ${id}: entries ${t.confirmed + 1} to ${through} declared lost: ${why}`, c.now());
  const whole = await wholeThrough(tx, { terminal_id: id, confirmed: through });
  await tx.updateTable("terminal").set({ confirmed: whole, head: "" }).where("terminal_id", "=", id).execute();
  return whole;
}
