/**
 * The host put back to a backup (row 50), and what its operator does then: the word that it was restored, and once everybody
 * has told again what he has, the word that the rest is lost. What a terminal gave back after the host had confirmed it, and
 * the host forgot, is in nobody's hands.
 */
import type { GateActor } from "./gate.js";
import { dumpOf, type Dump } from "./host.js";
import { hostIn, type World } from "./world.js";
import { transact } from "../../host/database.js";
import { markRestored } from "../../host/restore.js";
import { declareLost } from "../../host/suspension.js";
import { firstKept } from "../../runtime/journal/journal.js";

const backups = new WeakMap<World, Dump>();
export async function backUpOrRestore(world: World): Promise<void> {
  const dump = backups.get(world);
  if (dump === undefined) { backups.set(world, await dumpOf(world.host.context)); return; }
  world.desk.struck("host_restored", "host");
  world.pairs.begins("host restored");
  const before = world.host;
  world.host = await hostIn(world, { keys: before.context.keys, dump });
  await markRestored(world.host.context);
  before.hangUp();
  await before.close();
}

const lost = new WeakMap<GateActor, Set<number>>();
/** An entry that was declared lost, so that nobody looks for it at the host. */
export const isLost = (g: GateActor, sequence: number): boolean => lost.get(g)?.has(sequence) === true;
export const lostOf = (g: GateActor): number => lost.get(g)?.size ?? 0;

/** What a restored host lacks and its terminal no longer has is declared lost, where what follows has arrived. */
export async function declareGaps(world: World, gates: readonly GateActor[]): Promise<void> {
  if (world.desk.fired["host_restored"] === undefined) return;
  const c = world.host.context;
  for (const g of gates) {
    if (g.terminal === undefined) continue;
    const t = await c.db.selectFrom("terminal").select(["terminal_id", "confirmed"]).where("name", "=", g.name).executeTakeFirstOrThrow();
    const first = firstKept(g.terminal.journal);
    const beyond = await c.db.selectFrom("entry_taken").select("sequence").where("terminal_id", "=", t.terminal_id).where("sequence", ">", t.confirmed).orderBy("sequence").limit(1).executeTakeFirst();
    if (beyond?.sequence !== first || first === t.confirmed + 1) continue;
    const gone = lost.get(g) ?? new Set<number>();
    lost.set(g, gone);
    for (let n = t.confirmed + 1; n < first; n++) gone.add(n);
    world.note(g.name, "has lost", `${t.confirmed + 1} to ${first - 1}`);
    world.oracle.met["declared lost"] = (world.oracle.met["declared lost"] ?? 0) + 1;
    await transact(c.db, (tx) => declareLost(c, tx, t.terminal_id, first - 1, "the host was restored, the terminal has given them back"));
  }
}
