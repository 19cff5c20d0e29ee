/**
 * How often each fault, action and state must have come up, at least, in every 1,000 seeds: what never came up was not
 * tested. A run of 500 seeds or more that stays under a floor fails.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Totals } from "./main.js";
import { joinings } from "./joined.js";
import { features, nameOfPair, names } from "./pairs.js";
import { actionKinds, faultKinds } from "./plan.js";

/** Per 1,000 seeds. */
const usual = 20;
const faults: Record<string, number> = { disk_full: 2, sync_fails: 2, host_restored: 5, random_constant: 50, random_repeats: 50, random_counts: 20 };
const states: Record<string, number> = {
  opened: 2000, reopened: 2, "gate shown 6": 20, "gate shown 14": 20, "gate shown 15": 5, "gate shown 16": 20, "gate shown 18": 5, "gate shown 23": 5, "gate shown 26": 5,
  "handset stored": 2000, "handset walk_again": 5, "handset reversed": 1,
};

/** Two things that cannot be at one place, and why. A name stands for each pair with a name of the list behind it. */
const apart: readonly [string, readonly string[], string][] = [
  ["flash store", ["disk store"], "a gate has one store"],
  ["flash store", ["sync_fails", "disk_full"], "a chip has no cache to lose and shares its room with nobody"],
  ["only profile B", ["certificate asked for", "certificate known"], "a board with profile B alone shows no certificate"],
  ["only profile B", ["no sensor"], "gate 1 has no sensor, the boards are gates 2 and 3"],
];
/**
 * Pairs that came up in fewer than 12 of 700 worlds, by the earlier name: `later` are asked for from 2,000 seeds on, `counted`
 * (fewer than 6) of no run. What stands in neither is asked for from 500 seeds on.
 */
type Seldom = Record<string, { later: string[]; counted: string[] }>;
const readSeldom = (): Seldom => JSON.parse(readFileSync(join(import.meta.dirname, "..", "..", "..", "test", "simulation", "seldom.json"), "utf8")) as Seldom;
const laterFrom = 2000;
const askedFrom = (seldom: Seldom, a: string, b: string): number => (seldom[a]?.counted.includes(b) ? Infinity : seldom[a]?.later.includes(b) ? laterFrom : 0);

export interface PairCount { pair: string; worlds: number; /** Seeds from which on it must have met; Infinity where it is only counted, or why it cannot meet. */ from: number | string }
/** Every pair of features, and of a feature and a fault. */
export function pairsOf(t: Pick<Totals, "pairs">): PairCount[] {
  const seldom = readSeldom();
  return features.flatMap((a, i) => names.slice(i + 1).map((b): PairCount => {
    const pair = nameOfPair(a, b);
    const why = apart.find(([x, others]) => (x === a && others.includes(b)) || (x === b && others.includes(a)))?.[2];
    return { pair, worlds: t.pairs[pair] ?? 0, from: why ?? askedFrom(seldom, a, b) };
  }));
}

/** For machines: `worlds[i][k]` is in how many worlds `names[i]` met `names[i + 1 + k]`; −1 where they are apart. */
export function pairsInShort(t: Pick<Totals, "pairs">): { names: readonly string[]; worlds: number[][]; met: number; asked: number; apart: string[]; counted: number } {
  const all = pairsOf(t);
  let at = 0;
  const worlds = features.map((_, i) => names.slice(i + 1).map(() => { const x = all[at++]!; return typeof x.from === "string" ? -1 : x.worlds; }));
  const asked = all.filter((x) => typeof x.from === "number" && x.from < Infinity);
  return { names, worlds, met: asked.filter((x) => x.worlds > 0).length, asked: asked.length, apart: all.flatMap((x) => (typeof x.from === "string" ? [`${x.pair}: ${x.from}`] : [])), counted: all.filter((x) => x.from === Infinity).length };
}

export function missing(t: Pick<Totals, "seeds" | "faults" | "met" | "pairs">): string[] {
  const lines: string[] = [];
  const check = (what: string, found: number, perThousand: number): void => {
    const least = Math.max(1, Math.floor((perThousand * t.seeds) / 1000));
    if (found < least) lines.push(`${what} came up ${found} times, at least ${least} are needed in ${t.seeds} seeds`);
  };
  for (const { kind } of faultKinds) check(`fault ${kind}`, t.faults[kind] ?? 0, faults[kind] ?? usual);
  for (const [kind, least] of Object.entries(faults)) check(`fault ${kind}`, t.faults[kind] ?? 0, least);
  for (const kind of [...actionKinds, ...joinings.flatMap((j) => j.actions.map((a) => a.do))]) check(`action ${kind}`, t.met[`does ${kind}`] ?? 0, usual);
  for (const [state, least] of Object.entries(states)) check(`state ${state}`, t.met[state] ?? 0, least);
  for (const { pair, worlds, from } of pairsOf(t)) if (worlds === 0 && typeof from === "number" && t.seeds >= from) lines.push(`pair ${pair} never met in ${t.seeds} seeds`);
  return [...new Set(lines)];
}
