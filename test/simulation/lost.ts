/**
 * A terminal that never comes back (theft, fire: the last row of `tap.md` §4): what the host heard of it stands, what it did
 * not hear is not charged for ever, and who tapped there goes on elsewhere. In half of the worlds somebody finds it weeks
 * later, and then everything that it recorded counts after all.
 */
import { boot, powerOff } from "./gate.js";
import type { Joining } from "./joined.js";

/** A certificate's life of two weeks, half of it as grace, and the sixty days after which the host gives up what nobody proved. */
const awayDays = 82;

export const lost: Joining = {
  name: "lost", features: ["lost gate"], faults: [], actions: [{ do: "lose", most: 1 }],
  equip: (draw, config) => {
    if (!draw.chance(0.12)) return false;
    config.foundLate = draw.chance(0.5);
    return true;
  },
  act: (world, a) => {
    const g = world.gates[a.gate]!;
    if (g.stolen || world.gates.some((x) => x.gone)) return;
    powerOff(g, -1);
    g.gone = true;
    world.pairs.begins("lost gate");
  },
  heal: async (world) => {
    const g = world.gates.find((x) => x.gone && !x.stolen);
    if (g === undefined) return;
    await world.schedule.run(world.schedule.nowUs + awayDays * 86_400e6, () => world.oracle.violations.length > 0);
    if (world.plan.config.foundLate !== true) return;
    world.note(g.name, "is found", "");
    world.oracle.met["found late"] = (world.oracle.met["found late"] ?? 0) + 1;
    g.gone = false;
    boot(g);
  },
  check: async (world, r) => {
    const old = Math.floor(world.utc()) - 61 * 86_400;
    for (const u of await r.rows<{ use_id: string; state: string; recorded_at: number }>("select use_id, state, recorded_at from value_use join transfer_set on transfer_set.set_id = 'use/' || use_id where journal = 0")) {
      if (u.state === "finished") r.fail("I1", `the use ${u.use_id} is charged and in no journal`);
      if (u.state === "pending" && u.recorded_at < old) r.fail("I12", `the use ${u.use_id} has waited for its proof since ${u.recorded_at}`);
    }
  },
};
