/**
 * Who joined the world beside gates, handsets and host: each in one file that exports a `Joining`, and in the list below.
 * What a joining draws comes from a stream of its own name, so that nobody's plan moves when another one comes.
 */
import type { Action, Config, Kind } from "./plan.js";
import type { Draw } from "./random.js";
import type { Reading } from "./model.js";
import type { World } from "./world.js";
import { courier } from "./courier.js";
import { hostClock } from "./host-clock.js";
import { lost } from "./lost.js";
import { scanner } from "./scanner.js";
import { statements, workers } from "./workers.js";

export interface Joining {
  /** In `config.with` of the plans that have it. */
  readonly name: string;
  /** What it counts in pairs; there is no other list to add these to. */
  readonly features: readonly string[];
  /** Its faults, drawn like all others in worlds that have it. */
  readonly faults: readonly Kind[];
  /** What people do with it, how often in a world at most. Each has a floor. */
  readonly actions: readonly { do: string; most: number }[];
  /** Products, terminals, what is sold: by the real roads, once a process, before any world. What it answers is given to `join`. */
  prepare?(world: World): Promise<unknown>;
  /** False: not in this world. May write into `config`; what it writes must be optional there, or plans of old break. */
  equip(draw: Draw, config: Config): boolean;
  /** Gates and handsets of a world stand; `kept` is what `prepare` answered, never to be changed. */
  join?(world: World, kept: unknown): void;
  act(world: World, a: Action): void | Promise<void>;
  /** Faults are over: put right what an operator would put right, before everybody syncs. */
  heal?(world: World): void | Promise<void>;
  /** Where it has something to bring to the host itself: all of it is there. Asked until it is, or the stated time is over. */
  isDrained?(world: World): boolean;
  /** What must hold in the end, beside what `model.ts` says. */
  check?(world: World, r: Reading): void | Promise<void>;
}

export const joinings: readonly Joining[] = [scanner, lost, hostClock, courier, workers, statements];
export const joinedIn = (world: World): Joining[] => joinings.filter((j) => world.plan.config.with?.includes(j.name));
