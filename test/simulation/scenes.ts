/**
 * Scenes: a few actions in a row with the same people, that lead where single throws of dice seldom do: a receipt that another
 * gate finishes, an exit, a gate that opens again after its power came back, a use that is undone. Most worlds play
 * some of them in place of the rest of what would have happened anyway; faults strike in them as everywhere.
 */
import type { Action, Plan } from "./plan.js";
import type { Draw } from "./random.js";

/** What each handset holds; the reserve is used by nobody before faults have stopped. */
export const bought: readonly (readonly string[])[] = [
  ["concert", "ten", "reserve"], ["ten", "card", "reserve"], ["matinee", "card", "season", "reserve"], ["mixed", "concert", "reserve"], ["card", "ten", "reserve"], ["concert", "season", "ten", "reserve"],
];
const usableOf = (handset: number): readonly string[] => bought[handset]!.filter((name) => name !== "reserve");

/** One handset, one of its values, two gates; `after` is milliseconds behind the last action. */
interface Cast { draw: Draw; handset: number; value: number; here: number; there: number }
type Step = (after: number, what: string, more?: { gate?: number; arg?: number }) => void;
type Scene = (step: Step, c: Cast) => void;

/** Any number by which a tap chooses this value, profile and answer left to chance. */
const tapOf = (c: Cast): number => ((c.value + usableOf(c.handset).length * c.draw.below(2 ** 20)) * 8 + c.draw.below(8)) >>> 0;
const again = (step: Step, c: Cast, after: number, gate = c.here): void => step(after, "tap", { gate, arg: tapOf(c) });

const scenes: Record<string, Scene> = {
  "another gate finishes it": (step, c) => {
    step(0, "everybody_online", { arg: 1 });
    step(c.draw.between(500, 3000), "torn_tap", { arg: tapOf(c) });
    again(step, c, c.draw.between(2500, 6000), c.there);
    again(step, c, c.draw.between(3000, 9000), c.draw.chance(0.5) ? c.there : c.here);
  },
  "torn, and back": (step, c) => {
    step(0, "torn_tap", { arg: tapOf(c) });
    again(step, c, c.draw.between(2500, 9000));
    again(step, c, c.draw.between(2500, 9000));
  },
  "power goes while it is open": (step, c) => {
    again(step, c, 0);
    step(c.draw.between(200, 1400), "reboot", { arg: c.draw.below(3000) });
    again(step, c, c.draw.between(3500, 9000));
    again(step, c, c.draw.between(3500, 9000));
  },
  "in and out": (step, c) => {
    again(step, c, 0);
    again(step, c, c.draw.between(4000, 12_000), 3);
    again(step, c, c.draw.between(4000, 12_000), c.draw.chance(0.5) ? 3 : c.here);
  },
  "nobody walks through": (step, c) => {
    step(0, "dawdle", { arg: tapOf(c) });
    again(step, c, c.draw.pick([9000, 15_000, 70_000, 130_000]));
    step(c.draw.pick([5000, 70_000, 130_000]), "online", { arg: 1 });
    again(step, c, c.draw.between(1000, 9000));
  },
  "revoked": (step, c) => {
    step(0, c.draw.pick(["revoke", "suspend"]), { arg: c.value });
    step(c.draw.between(100, 1000), "everybody_online", { arg: c.draw.below(2) });
    again(step, c, c.draw.between(500, 5000));
    again(step, c, c.draw.between(3000, 9000), c.there);
  },
  "an older state is put back": (step, c) => {
    step(0, "roll_back");
    again(step, c, c.draw.between(100, 1000));
    step(c.draw.between(4000, 9000), "roll_back");
    again(step, c, c.draw.between(100, 1000), c.draw.chance(0.5) ? c.there : c.here);
    again(step, c, c.draw.between(4000, 9000));
  },
  "a week later": (step, c) => {
    step(0, "travel", { arg: 3 });
    step(c.draw.between(100, 1000), "everybody_online", { arg: 1 });
    again(step, c, c.draw.between(500, 3000));
    step(c.draw.between(1000, 5000), "reboot", { arg: c.draw.below(3000) });
    step(c.draw.between(4000, 9000), "online", { arg: 1 });
  },
  "a backup is put back": (step, c) => {
    step(0, "restore_host");
    again(step, c, c.draw.between(100, 1000));
    step(c.draw.between(3000, 6000), "everybody_online", { arg: 1 });
    step(c.draw.between(3000, 9000), "restore_host");
    again(step, c, c.draw.between(500, 3000));
    step(c.draw.between(500, 3000), "everybody_online", { arg: 1 });
  },
  "papers": (step, c) => {
    step(0, "refresh", { arg: c.value });
    again(step, c, c.draw.between(500, 3000));
    step(c.draw.between(4000, 9000), "report", { arg: c.value });
    again(step, c, c.draw.between(500, 3000), c.there);
  },
  "two alike": (step, c) => {
    step(0, "clone");
    again(step, c, c.draw.between(500, 3000));
    again(step, c, c.draw.between(3000, 9000), c.there);
    again(step, c, c.draw.between(3000, 9000));
  },
};

const often: Record<string, number> = { "another gate finishes it": 3, "in and out": 2, "nobody walks through": 2, "power goes while it is open": 2 };

/** Plays some of them behind the first third of what was planned. */
export function stage(draw: Draw, plan: Plan): void {
  if (!draw.chance(0.6)) return;
  const all = Object.entries(scenes).flatMap(([name, scene]) => Array.from({ length: often[name] ?? 1 }, () => scene));
  const kept = plan.workload.slice(0, Math.ceil(plan.workload.length / 3));
  const played: Action[] = [];
  let at = kept.at(-1)!.at;
  for (let n = draw.between(2, 4); n > 0; n--) {
    const scene = draw.pick(all);
    const handset = draw.pick(scene === scenes["in and out"] && plan.config.handsets.some((h) => usableOf(h).includes("season")) ? plan.config.handsets.filter((h) => usableOf(h).includes("season")) : plan.config.handsets);
    const here = draw.below(4);
    // Gate 3 takes passes out and coupons in, and little else: who goes on elsewhere does so at the others, more often than not.
    const there = draw.chance(0.8) ? (here + draw.between(1, 2)) % 3 : (here + draw.between(1, 3)) % 4;
    const season = usableOf(handset).indexOf("season");
    const value = scene === scenes["in and out"] && season >= 0 ? season : draw.below(usableOf(handset).length);
    const cast: Cast = { draw, handset, value, here: scene === scenes["in and out"] || draw.chance(0.8) ? here % 3 : here, there };
    at += draw.between(1000, 15_000);
    scene((after, what, more) => { at += after; played.push({ at, do: what, handset, gate: more?.gate ?? cast.here, arg: more?.arg ?? draw.word() }); }, cast);
  }
  plan.workload = [...kept, ...played];
}
