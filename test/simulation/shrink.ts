/**
 * Makes a failing plan small: takes out halves, quarters and single elements of faults and workload as long as the same
 * invariant still breaks (delta debugging). Faults name their place by occurrence, so what is left strikes where it did.
 */
import type { Base } from "./base.js";
import type { Plan } from "./plan.js";
import { runPlan, type Result } from "./run.js";

/** `tries` bounds the work; each is one run of the world. */
export async function shrink(base: Base, plan: Plan, invariant: string, tries = 250): Promise<{ plan: Plan; result: Result }> {
  let left = tries;
  let best = plan;
  let result = await runPlan(base, plan);
  const breaks = async (candidate: Plan): Promise<boolean> => {
    if (left-- <= 0) return false;
    const r = await runPlan(base, candidate);
    if (!r.violations.some((v) => v.invariant === invariant)) return false;
    best = candidate;
    result = r;
    return true;
  };
  for (let before = Infinity; sizeOf(best) < before && left > 0;) {
    before = sizeOf(best);
    await lessOf("faults", best, breaks, () => best);
    await lessOf("workload", best, breaks, () => best);
  }
  return { plan: best, result };
}

const sizeOf = (plan: Plan): number => plan.faults.length + plan.workload.length;

async function lessOf(list: "faults" | "workload", from: Plan, breaks: (candidate: Plan) => Promise<boolean>, now: () => Plan): Promise<void> {
  for (let size = from[list].length; size >= 1; size = Math.floor(size / 2)) {
    for (let at = 0; at < now()[list].length;) {
      const plan = now();
      const rest = (plan[list] as unknown[]).filter((_, i) => i < at || i >= at + size);
      if (!(await breaks({ ...plan, [list]: rest }))) at += size;
    }
  }
}
