/**
 * How often somebody may guess (`trust.md` §4): each try is a row of the database in the same commit as its answer, so neither a
 * restart nor a power cut buys another one. Who was right gets his tries back.
 */
import type { Tx } from "./database.js";

/** So many tries within `windowSeconds`, then nothing for `pauseSeconds`. */
export interface Limit { most: number; windowSeconds: number; pauseSeconds: number }

/** Counts one try; false when there were too many and it must not even be looked at. */
export async function countTry(tx: Tx, name: string, limit: Limit, now: number): Promise<boolean> {
  const before = await tx.selectFrom("attempt").selectAll().where("name", "=", name).executeTakeFirst();
  if (before !== undefined && before.blocked_until > now) return false;
  const fresh = before === undefined || before.since + limit.windowSeconds <= now || before.blocked_until > 0;
  const row = { name, count: fresh ? 1 : before.count + 1, since: fresh ? now : before.since, blocked_until: 0 };
  if (row.count >= limit.most) row.blocked_until = now + limit.pauseSeconds;
  await tx.insertInto("attempt").values(row).onConflict((c) => c.column("name").doUpdateSet(row)).execute();
  return true;
}

/** The last try was right: it does not count. */
export async function forgive(tx: Tx, name: string): Promise<void> {
  await tx.updateTable("attempt").set((e) => ({ count: e("count", "-", 1), blocked_until: 0 })).where("name", "=", name).where("count", ">", 0).execute();
}
