/**
 * A database that was restored from a backup has forgotten numbers it gave out (`trust.md` §6): the restore epoch, the upper
 * bits of every number, rises, so that nothing signed from now on is older than what devices hold.
 */
import { audit, nextNumber, readSetting, writeSetting, type Context } from "./context.js";
import { transact } from "./database.js";
import { remakeList } from "./status.js";
import { configure } from "./terminals.js";

const begin2026 = 1_767_225_600;
/** Values issued since the backup have indices that nobody here knows: so many are left out. */
const indicesLeft = 65_536;

/** To be done once after each restore, before the doors open. Answers the new epoch. */
export async function markRestored(c: Context): Promise<number> {
  return await transact(c.db, async (tx) => {
    const before = Number((await readSetting(tx, "restore epoch")) ?? "1");
    // Two restores of one backup differ by the hour.
    const epoch = Math.max(before + 1, Math.floor((c.now() - begin2026) / 3600));
    await writeSetting(tx, "restore epoch", String(epoch));
    const { highest } = await tx.selectFrom("issued").select((e) => e.fn.max("status_index").as("highest")).executeTakeFirstOrThrow();
    await writeSetting(tx, "status index floor", String(Number(highest ?? -1) + 1 + indicesLeft));
    await remakeList(c, tx);
    for (const t of await tx.selectFrom("terminal").select("terminal_id").orderBy("terminal_id").execute()) await configure(c, tx, t.terminal_id);
    await nextNumber(tx, "letter");
    // Counts of wrong tries may be older than the tries: every account begins at the first delay.
    await tx.updateTable("member").set((e) => ({ wrong_in_row: e.fn<number>("max", ["wrong_in_row", e.lit(5)]), blocked_until: e.fn<number>("max", ["blocked_until", e.lit(c.now() + 60)]) })).execute();
    await audit(tx, "operator", `restored from a backup: epoch ${epoch}`, c.now());
    return epoch;
  });
}
