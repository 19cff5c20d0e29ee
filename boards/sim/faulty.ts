/**
 * What the storage models of a simulation have in common: operations that are counted, so that a test can cut the power at
 * each of them in turn, and what goes wrong at them.
 *
 * `flash.ts` models NOR flash, `disk.ts` a file on a disk with a cache. Both are a `Store` to the code above. Use: run the
 * workload once and read `operations`; then for each n and each damage seed run it again on a new store with `cutAt(n, seed)`,
 * catch the `BoardError`, and open what `restarted()` gives. Damage comes from the seed alone: the same in every run.
 */
import { boardFault, type Store } from "../../runtime/journal/store.js";

export interface Operation { readonly what: "write" | "erase" | "sync"; readonly page: number; readonly offset: number; readonly length: number }

/** What goes wrong at one operation while power stays on. */
export type Misfortune =
  /** The operation answers well and did nothing. */
  | { what: "nothing" }
  /** The operation answers well and changed another page. */
  | { what: "elsewhere"; page: number }
  /** The operation throws and changed nothing: a full disk (`full`), or a device that says it failed (`broken`). */
  | { what: "refused"; kind: "full" | "broken" }
  /** A sync throws; what was pending is lost although reading still shows it, or is kept for the next sync. */
  | { what: "sync_failed"; pending: "lost" | "kept" };

export interface FaultyStore extends Store {
  /** Operations since power came on, in order; `cutAt` and `failAt` count from 1. */
  readonly operations: readonly Operation[];
  /** How often each fault fired. */
  readonly fired: Record<string, number>;
  /** Power fails in the n-th operation, which is torn as the seed says; everything after it throws. */
  cutAt(n: number, damage: number): void;
  failAt(n: number, how: Misfortune): void;
  /** One bit of the medium changes by itself. */
  rot(page: number, offset: number, bit: number): void;
  /** The same medium when power comes back. A store that was never cut loses power now, between operations. */
  restarted(): FaultyStore;
}

/** Numbers in [0, 1) from a seed (mulberry32). */
export function seeded(seed: number): () => number {
  let state = (seed * 0x9e3779b1) >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

export const powerIsOff = (): Error => boardFault("broken", "Power is off: restart the board.");

/** Plans, counting and the log, for both models. */
export interface Plan {
  operations: Operation[]; fired: Record<string, number>; cut: { n: number; damage: number } | undefined; misfortunes: Map<number, Misfortune>; dead: boolean;
}
export const makePlan = (): Plan => ({ operations: [], fired: {}, cut: undefined, misfortunes: new Map(), dead: false });
export function count(plan: Plan, fault: string): void {
  plan.fired[fault] = (plan.fired[fault] ?? 0) + 1;
}

/** Counts the operation; answers what befalls it. Throws when power is off. */
export function befalls(plan: Plan, operation: Operation): { cut: number } | Misfortune | undefined {
  if (plan.dead) throw powerIsOff();
  plan.operations.push(operation);
  const n = plan.operations.length;
  if (plan.cut?.n === n) { plan.dead = true; count(plan, "cut " + operation.what); return { cut: plan.cut.damage }; }
  const misfortune = plan.misfortunes.get(n);
  if (misfortune !== undefined) count(plan, misfortune.what);
  return misfortune;
}
