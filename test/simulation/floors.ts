/**
 * How often each fault, action and state must have come up, at least, in every 1,000 seeds: what never came up was not
 * tested. A run of 500 seeds or more that stays under a floor fails.
 */
import type { Totals } from "./main.js";
import { joinings } from "./joined.js";
import { actionKinds, faultKinds } from "./plan.js";

/** Per 1,000 seeds. */
const usual = 20;
const faults: Record<string, number> = { disk_full: 2, sync_fails: 2, host_restored: 5, random_constant: 50, random_repeats: 50, random_counts: 20 };
const states: Record<string, number> = {
  opened: 2000, reopened: 2, "gate shown 6": 20, "gate shown 14": 20, "gate shown 15": 5, "gate shown 16": 20, "gate shown 18": 5, "gate shown 23": 5, "gate shown 26": 5,
  "handset stored": 2000, "handset walk_again": 5, "handset reversed": 1,
};

export function missing(t: Pick<Totals, "seeds" | "faults" | "met">): string[] {
  const lines: string[] = [];
  const check = (what: string, found: number, perThousand: number): void => {
    const least = Math.max(1, Math.floor((perThousand * t.seeds) / 1000));
    if (found < least) lines.push(`${what} came up ${found} times, at least ${least} are needed in ${t.seeds} seeds`);
  };
  for (const { kind } of faultKinds) check(`fault ${kind}`, t.faults[kind] ?? 0, faults[kind] ?? usual);
  for (const [kind, least] of Object.entries(faults)) check(`fault ${kind}`, t.faults[kind] ?? 0, least);
  for (const kind of [...actionKinds, ...joinings.flatMap((j) => j.actions.map((a) => a.do))]) check(`action ${kind}`, t.met[`does ${kind}`] ?? 0, usual);
  for (const [state, least] of Object.entries(states)) check(`state ${state}`, t.met[state] ?? 0, least);
  return [...new Set(lines)];
}
