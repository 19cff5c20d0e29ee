/**
 * The host's workers in the world. Two may serve one database: each letter reaches one of them, or both at once, and a
 * handover may be asked of one while its owner waits at the other. And statements fail: one is lost, a worker dies in the
 * middle of its work and is back after two seconds, a commit is done and nobody hears of it.
 *
 * Conflicts of two writers (40001) are the suites' (`exhaust/sql.ts`, `exhaust/workers.ts`): here transactions take turns on
 * one connection, and a retry would wait on a real clock.
 */
import type { Joining } from "./joined.js";
import type { StatementLine } from "./statements.js";
import type { World } from "./world.js";

const deadMs = 2000;
const actors = [...[0, 1, 2, 3].map((n) => `gate${n}`), ...[0, 1, 2, 3, 4, 5].map((n) => `handset${n}`)];

export const workers: Joining = {
  name: "workers", features: ["two workers"], actions: [],
  faults: [{ kind: "to_both", points: actors.map((x) => `${x}/workers`), rate: [0.1, 0.6], among: 40, most: 8 }],
  equip: (draw) => draw.chance(0.2),
  join: (world) => world.pairs.begins("two workers"),
  act: () => undefined,
};

export const statements: Joining = {
  name: "statements", features: [], actions: [],
  faults: [
    { kind: "statement_lost", points: ["worker0/statement", "worker1/statement"], rate: [0.004, 0.05], among: 1000, most: 8 },
    { kind: "worker_dies", points: ["worker0/statement", "worker1/statement"], rate: [0.003, 0.015], among: 1000, most: 3 },
    { kind: "commit_unknown", points: ["worker0/commit", "worker1/commit"], rate: [0.02, 0.3], among: 100, most: 6 },
  ],
  equip: (draw) => draw.chance(0.25),
  act: () => undefined,
};

export const workersIn = (world: World): number => (world.plan.config.with?.includes(workers.name) ? 2 : 1);

/** What befalls a worker's statements; undefined where none fails in this world. */
export function lineOf(world: World, worker: number): StatementLine | undefined {
  if (!world.plan.config.with?.includes(statements.name)) return undefined;
  let deadUntilUs = -1;
  return {
    before: () => {
      if (world.schedule.nowUs < deadUntilUs) return "57P01";
      const fault = world.desk.at(`worker${worker}/statement`);
      if (fault === undefined) return undefined;
      world.desk.struck(fault.kind, fault.point);
      if (fault.kind === "statement_lost") return "08006";
      deadUntilUs = world.schedule.nowUs + deadMs * 1000;
      return "57P01";
    },
    after: (text) => {
      if (text !== "commit" || world.desk.at(`worker${worker}/commit`) === undefined) return undefined;
      world.desk.struck("commit_unknown", `worker${worker}/commit`);
      return "08006";
    },
  };
}
