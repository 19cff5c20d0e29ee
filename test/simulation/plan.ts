/**
 * A plan is all that happens to a world: how it is equipped, what people do and when, and which faults strike where. It is
 * drawn from a seed, written as JSON, shrunk element by element, and replayed. A fault names its place by logical
 * occurrence (the 7th write to gate 1's journal), not by time, so that taking one out does not move the others.
 */
import { joinings, type Joining } from "./joined.js";
import { makeDraw, type Draw } from "./random.js";
import { stage } from "./scenes.js";

export interface Action {
  /** Virtual milliseconds from the beginning of the safety phase. */
  at: number;
  do: string;
  /** Handset or gate it concerns, and one more number whose meaning is the action's. */
  handset: number; gate: number; arg: number;
}
export const actionKinds = [
  "tap", "pair", "online", "everybody_online", "refresh", "report", "clone", "roll_back", "revoke", "suspend", "configure", "travel", "outage", "restore_host", "steal_key", "reboot", "close", "torn_tap", "dawdle",
] as const;
export type ActionKind = (typeof actionKinds)[number];

export interface Fault { point: string; n: number; kind: string; arg: number }

export interface GateConfig {
  /** A disk unless it says flash. */
  store?: "flash";
  scanner?: boolean;
  /** A board that verifies no signatures. */
  only?: "B";
  battery: "good" | "dead"; random: "good" | "repeats" | "constant" | "counts"; driftPpm: number; offsetSeconds: number;
}
export interface Config {
  gates: GateConfig[];
  /** Of the six handsets that the world has, these take part. */
  handsets: number[];
  /** Percent of holders' answers that are lies; clones always lie. */
  lies: number;
  /** Who joined this world (`joined.ts`), and what they need to know. */
  with?: string[];
  foundLate?: boolean;
}
export interface Plan { seed: number; config: Config; workload: Action[]; faults: Fault[] }

export const gatesCount = 4;
export const handsetsCount = 6;

/** Where a kind of fault can strike, how often at least and at most where it is switched on, and among how many occurrences. */
export interface Kind { kind: string; points: readonly string[]; rate: readonly [number, number]; among: number; most: number }
const gates = [0, 1, 2, 3].map((n) => `gate${n}`);
const lines = gates.flatMap((g) => [`${g}/up`, `${g}/down`]);
const journals = gates.map((g) => `${g}/journal`);
const cells = gates.map((g) => `${g}/cells`);
const keyFiles = gates.map((g) => `${g}/keys`);
const handsets = [0, 1, 2, 3, 4, 5].map((n) => `handset${n}`);
const posts = [...gates, ...handsets].map((x) => `${x}/post`);

const ownKinds: readonly Kind[] = [
  { kind: "lost_byte", points: lines, rate: [0.01, 0.15], among: 60, most: 6 },
  { kind: "flip", points: lines, rate: [0.01, 0.15], among: 60, most: 6 },
  { kind: "burst", points: lines, rate: [0.01, 0.15], among: 60, most: 6 },
  { kind: "garbage", points: lines, rate: [0.01, 0.15], among: 60, most: 6 },
  { kind: "echo", points: lines, rate: [0.02, 0.6], among: 60, most: 12 },
  { kind: "duplicate", points: lines, rate: [0.02, 0.3], among: 60, most: 8 },
  { kind: "late", points: lines, rate: [0.01, 0.15], among: 60, most: 6 },
  { kind: "dropped", points: lines, rate: [0.02, 0.3], among: 60, most: 8 },
  { kind: "leave", points: lines, rate: [0.02, 0.2], among: 60, most: 6 },
  { kind: "trickle", points: lines, rate: [0.01, 0.05], among: 60, most: 2 },
  { kind: "endless", points: lines, rate: [0.01, 0.05], among: 60, most: 2 },
  { kind: "error_marks", points: lines, rate: [0.01, 0.1], among: 60, most: 4 },
  { kind: "replay", points: lines, rate: [0.02, 0.3], among: 60, most: 8 },
  { kind: "alter", points: lines, rate: [0.02, 0.3], among: 60, most: 8 },
  { kind: "power_cut", points: [...journals, ...cells], rate: [0.005, 0.06], among: 150, most: 4 },
  { kind: "sync_fails", points: journals, rate: [0.005, 0.03], among: 100, most: 1 },
  { kind: "disk_full", points: journals, rate: [0.005, 0.03], among: 100, most: 1 },
  { kind: "reset", points: gates.map((g) => `${g}/turn`), rate: [0.002, 0.03], among: 400, most: 5 },
  { kind: "clock_jump", points: gates.map((g) => `${g}/turn`), rate: [0.002, 0.02], among: 400, most: 3 },
  { kind: "late_timer", points: gates.map((g) => `${g}/turn`), rate: [0.002, 0.03], among: 400, most: 4 },
  { kind: "stays", points: gates.map((g) => `${g}/walk`), rate: [0.1, 0.6], among: 20, most: 8 },
  { kind: "killed", points: handsets.map((h) => `${h}/turn`), rate: [0.005, 0.08], among: 120, most: 4 },
  { kind: "killed_writing", points: handsets.map((h) => `${h}/cells`), rate: [0.02, 0.2], among: 30, most: 3 },
  { kind: "request_lost", points: posts, rate: [0.02, 0.4], among: 40, most: 8 },
  { kind: "answer_lost", points: posts, rate: [0.02, 0.4], among: 40, most: 8 },
  { kind: "posted_again", points: posts, rate: [0.02, 0.4], among: 40, most: 8 },
  { kind: "posted_late", points: posts, rate: [0.02, 0.3], among: 40, most: 6 },
  { kind: "answer_altered", points: posts, rate: [0.02, 0.2], among: 40, most: 4 },
  { kind: "key_cut", points: keyFiles, rate: [0.1, 0.5], among: 15, most: 3 },
];

export const faultKinds: readonly Kind[] = [...ownKinds, ...joinings.flatMap((j) => j.faults)];

/** The plan of a seed. */
export function drawPlan(seed: number): Plan {
  const draw = makeDraw(`plan ${seed}`);
  const config = drawConfig(draw);
  const plan = { seed, config, workload: drawWorkload(draw, config), faults: drawFaults(draw, config, ownKinds, 0.3) };
  widen(makeDraw(`wide ${seed}`), plan);
  stage(makeDraw(`scenes ${seed}`), plan);
  for (const joining of joinings) joinIn(makeDraw(`${joining.name} ${seed}`), plan, joining);
  return plan;
}

/** What few worlds have, from a stream of its own: each takes some of it, none all. */
function widen(draw: Draw, plan: Plan): void {
  if (draw.chance(0.4)) for (const gate of plan.config.gates) if (draw.chance(0.5)) gate.store = "flash";
  if (draw.chance(0.2)) plan.config.gates[draw.between(2, 3)]!.only = "B";
}

/** Its actions fall between those that were there. */
function joinIn(draw: Draw, plan: Plan, joining: Joining): void {
  if (!joining.equip(draw, plan.config)) return;
  plan.config.with = [...(plan.config.with ?? []), joining.name];
  const ends = plan.workload.at(-1)!.at;
  const more = joining.actions.flatMap((x) => Array.from({ length: draw.between(1, x.most) }, (): Action => ({
    at: draw.between(0, ends), do: x.do, handset: draw.pick(plan.config.handsets), gate: draw.below(gatesCount), arg: draw.word(),
  })));
  plan.workload = [...plan.workload, ...more].sort((a, b) => a.at - b.at);
  plan.faults.push(...drawFaults(draw, plan.config, joining.faults, 0.6));
}

function drawConfig(draw: Draw): Config {
  const gate = (): GateConfig => ({
    battery: draw.chance(0.2) ? "dead" : "good", random: draw.chance(0.85) ? "good" : draw.pick(["repeats", "constant", "counts"] as const),
    driftPpm: draw.chance(0.2) ? draw.between(-200, 200) : 0, offsetSeconds: draw.chance(0.15) ? draw.between(-3000, 3000) : 0,
  });
  const gates = Array.from({ length: gatesCount }, gate);
  const some = [0, 1, 2, 3, 4, 5].filter(() => draw.chance(0.65));
  return { gates, handsets: some.length === 0 ? [draw.below(handsetsCount)] : some, lies: draw.chance(0.25) ? draw.pick([10, 50, 100]) : 0 };
}

const likely: readonly [ActionKind, number][] = [
  ["tap", 100], ["pair", 5], ["online", 8], ["everybody_online", 4], ["refresh", 4], ["report", 2], ["clone", 3], ["roll_back", 3], ["revoke", 1], ["suspend", 1], ["configure", 2],
  ["travel", 3], ["outage", 2], ["restore_host", 1], ["steal_key", 2], ["reboot", 2], ["close", 2],
];

function drawWorkload(draw: Draw, config: Config): Action[] {
  const weights = likely.map(([kind, weight]): [ActionKind, number] => [kind, kind === "tap" ? weight : draw.chance(0.6) ? weight * 2 : 0]);
  const total = weights.reduce((sum, [, weight]) => sum + weight, 0);
  const gatesUsed = Array.from({ length: gatesCount }, (_, i) => i).filter(() => draw.chance(0.7));
  const near = gatesUsed.length === 0 ? [draw.below(gatesCount)] : gatesUsed;
  const pace = draw.pick([[300, 3000], [2000, 9000], [5000, 60_000]] as const);
  const actions: Action[] = [];
  let at = 0;
  for (let i = draw.between(8, 32); i > 0; i--) {
    at += draw.between(pace[0], pace[1]);
    let left = draw.below(total);
    const [kind] = weights.find(([, weight]) => (left -= weight) < 0)!;
    actions.push({ at, do: kind, handset: draw.pick(config.handsets), gate: draw.pick(near), arg: draw.word() });
  }
  return actions;
}

function drawFaults(draw: Draw, config: Config, kinds: readonly Kind[], share: number): Fault[] {
  const faults: Fault[] = [];
  for (const k of kinds) {
    if (!draw.chance(share)) continue;
    const rate = k.rate[0] * (k.rate[1] / k.rate[0]) ** (draw.below(1000) / 1000);
    for (const point of k.points) {
      if (draw.chance(0.3) || isAbsent(point, config)) continue;
      let count = 0;
      for (let n = gap(draw, rate); n <= k.among && count < k.most; n += gap(draw, rate), count++) faults.push({ point, n, kind: k.kind, arg: draw.word() });
    }
  }
  return faults;
}

const isAbsent = (point: string, config: Config): boolean => point.startsWith("handset") && !config.handsets.includes(Number(point[7]));
/** Occurrences until the next strike. */
const gap = (draw: Draw, rate: number): number => 1 + Math.floor(Math.log(1 - draw.below(2 ** 30) / 2 ** 30) / Math.log(1 - rate));

/** Hands out the faults of a plan as their places come up, and counts what struck. */
export interface Desk {
  /** The next occurrence at this point: the fault planned for it, if any. Nothing strikes while `quiet`. */
  at(point: string): Fault | undefined;
  /** A fault did what it says, at this point (`gate1/journal`). */
  struck(kind: string, point: string): void;
  quiet: boolean;
  readonly fired: Record<string, number>;
}
/** `heard` gets each fault that struck, and the actor that it struck. */
export function makeDesk(faults: readonly Fault[], heard: (kind: string, actor: string) => void): Desk {
  const planned = new Map(faults.map((f) => [`${f.point} ${f.n}`, f]));
  const seen = new Map<string, number>();
  const fired: Record<string, number> = {};
  const desk: Desk = {
    fired, quiet: true,
    at: (point) => {
      if (desk.quiet) return undefined;
      const n = (seen.get(point) ?? 0) + 1;
      seen.set(point, n);
      return planned.get(`${point} ${n}`);
    },
    struck: (kind, point) => { fired[kind] = (fired[kind] ?? 0) + 1; heard(kind, point.split("/")[0]!); },
  };
  return desk;
}
