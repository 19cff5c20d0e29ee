/**
 * The small model as an exhaustive run: each kind of fault alone at any point, gates that hear each other and gates that do
 * not, both settings of `reopen`, and a holder who lies. `damage` of 1,000 and more asks for all faults in one run, which
 * takes ten minutes and more.
 */
import { bounds, explore, plants, findPlant } from "../model/explore.js";
import type { Exhausted, ExhaustOptions } from "./session.js";

const statesMost = 5_000_000;

export function run(o: ExhaustOptions): Exhausted {
  const found: Exhausted = { points: 0, faults: {}, violations: [] };
  const all = bounds(o.damage >= 1000 ? "together" : "each");
  all.forEach((b, i) => {
    o.progress?.(i, all.length);
    const seen = explore(b, statesMost);
    found.points += seen.states;
    for (const fault of ["loss", "duplicate", "replay", "reset"] as const) if (b[fault] > 0) found.faults[fault] = (found.faults[fault] ?? 0) + seen.states;
    if (seen.found !== undefined) found.violations.push(`${seen.found.promise}: ${seen.found.way.join("; ")}`);
    else if (!seen.complete) found.violations.push(`more than ${statesMost} states: not all was visited`);
  });
  for (const [plant, within] of plants) if (findPlant(plant, within, statesMost).found === undefined) found.violations.push(`I2 planted and not found: ${plant}`);
  o.progress?.(all.length, all.length);
  return found;
}
