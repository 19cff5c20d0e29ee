/**
 * One world in one process from one plan: real handsets, gates and host on simulated machines, with one virtual clock. The
 * trace is the SHA-256 of everything that happened; the same plan and the same code give the same trace.
 */
import { createHash, hash } from "node:crypto";
import { makeAttacker, type Attacker } from "./attacker.js";
import { watchSeals } from "./crypto.js";
import { copyOfPages } from "./pages.js";
import { makeGate, type GateActor, type GateSizes } from "./gate.js";
import { makeHandsetActor, nameOf, walk, type HandsetActor } from "./handset.js";
import { startHostActor, type HostActor, type HostOptions } from "./host.js";
import { makeLine } from "./line.js";
import { makeOracle, type Oracle } from "./oracle.js";
import { makePairs, names, type Pairs } from "./pairs.js";
import { makeDesk, type Desk, type GateConfig, type Plan } from "./plan.js";
import { makeDraw, type Draw } from "./random.js";
import { makeSchedule, type Schedule } from "./schedule.js";
import { lineOf, workersIn } from "./workers.js";
import { media, type Medium } from "../../protocol/link/media.js";
import { gate as gateRole } from "../../runtime/role/gate.js";
import type { Role } from "../../runtime/role/role.js";
import type { Receipt } from "../../protocol/wire/receipt.js";
import type { Trust } from "../../runtime/sync/trust.js";
import { equal } from "../../protocol/wire/bytes.js";
import { decodeValue } from "../../protocol/wire/value.js";

/** UTC seconds at which every world begins. */
export const start = 1_800_000_000;
const lastMost = 50;

/** Called once: with the host's answer, or nothing. */
export type Answered = (answer: Uint8Array | undefined) => void;

export interface World {
  readonly plan: Plan; readonly schedule: Schedule; readonly desk: Desk; readonly pairs: Pairs; readonly oracle: Oracle; readonly attacker: Attacker;
  readonly gates: GateActor[]; readonly handsets: HandsetActor[];
  host: HostActor;
  taps: number;
  /** Gets every line of the trace, for whoever wants to read it. */
  hear: ((line: string) => void) | undefined;
  /** True time, UTC seconds. */
  utc(): number;
  /** So far the host's own clock is behind it. */
  hostBehindSeconds: number;
  /** The stream of this name: it goes on where it stopped. */
  draw(name: string): Draw;
  note(actor: string, what: string, detail: string): void;
  last(): string[];
  digest(): string;
  /** A letter to the host over a network that may lose, repeat, delay or alter. `answered` is called once. */
  post(from: string, type: number, bytes: Uint8Array, withinMs: number, answered: Answered): void;
  letThrough(gate: GateActor, receipt: Receipt): void;
}

export interface GateKind { medium: Medium; hasSensor: boolean; sizes: GateSizes; /** A gate unless it says otherwise. */ role?: Role }
/** Four gates that differ in line, sensor and journal. */
export const gateKinds: readonly GateKind[] = [
  { medium: media.serial, hasSensor: true, sizes: { pageBytes: 4096, pages: 8 } },
  { medium: media.infrared, hasSensor: false, sizes: { pageBytes: 8192, pages: 6 } },
  { medium: media.serial, hasSensor: true, sizes: { pageBytes: 2048, pages: 5 } },
  { medium: media.serial, hasSensor: true, sizes: { pageBytes: 4096, pages: 8 } },
];

export async function makeWorld(plan: Plan, host: Pick<HostOptions, "keys" | "begins">, begins = start): Promise<World> {
  const schedule = makeSchedule();
  const streams = new Map<string, Draw>();
  const draw = (name: string): Draw => {
    let stream = streams.get(name);
    if (stream === undefined) streams.set(name, (stream = makeDraw(`${plan.seed} ${name}`)));
    return stream;
  };
  const utc = (): number => begins + schedule.nowUs / 1e6;
  const desk = makeDesk(plan.faults, (kind, actor) => { if (names.includes(kind)) pairs.happened(kind, ...placesOf(world, actor)); });
  const pairs = makePairs(() => schedule.nowUs, () => !desk.quiet);
  const trace = createHash("sha256");
  let unhashed = "";
  const digested = (): void => { trace.update(unhashed); unhashed = ""; };
  const last: string[] = [];
  const note = (actor: string, what: string, detail: string): void => {
    const line = `${(schedule.nowUs / 1000).toFixed(3)} ${actor} ${what} ${detail}`;
    unhashed += line + "\n";
    if (unhashed.length > 16_384) digested();
    last.push(line);
    world.hear?.(line);
    if (last.length > lastMost) last.shift();
  };
  const world: { -readonly [K in keyof World]: World[K] } = {
    plan, schedule, desk, pairs, attacker: makeAttacker(), gates: [], handsets: [], taps: 0, utc, hostBehindSeconds: 0, draw, note, last: () => [...last], digest: () => { digested(); return trace.copy().digest("hex"); },
    post: (from: string, type: number, bytes: Uint8Array, withinMs: number, answered: Answered) => post(world, from, type, bytes, withinMs, answered),
    letThrough: (gate: GateActor, receipt: Receipt) => letThrough(world, gate, receipt),
  } as unknown as World;
  world.host = await hostIn(world, host);
  world.oracle = makeOracle(world);
  watchSeals((key, nonce, aad, plain) => world.oracle.sealed(key, nonce, aad, plain));
  return world;
}

/** The host of this world, with as many workers as it has. */
export function hostIn(world: World, more: Pick<HostOptions, "keys" | "begins" | "dump">): Promise<HostActor> {
  return startHostActor({ schedule: world.schedule, utc: () => world.utc() - world.hostBehindSeconds, draw: world.draw("host"), workers: workersIn(world), line: (n) => lineOf(world, n), ...more });
}

/** An actor, and the gate before which a handset stands; what befalls the host befalls everybody. */
export function placesOf(world: World, actor: string): string[] {
  if (actor === "host" || actor.startsWith("worker")) return [];
  const gate = world.handsets.find((h) => h.name === actor)?.meeting?.gate;
  return gate === undefined ? [actor] : [actor, gate.name];
}

/** A terminal on a line of its own: a gate, a gate's twin, or whatever role its kind names. */
export function addGate(world: World, index: number, kind: GateKind, more: { name?: string; config?: GateConfig; stolen?: boolean } = {}): GateActor {
  const stolen = more.stolen === true;
  const name = more.name ?? (stolen ? `thief${index}` : `gate${index}`);
  const line = makeLine({
    name, medium: kind.medium, schedule: world.schedule, desk: world.desk, attacker: world.attacker,
    heard: (direction, bytes) => {
      world.attacker.record(bytes);
      world.note(`${name}/${direction}`, "says", hash("sha256", bytes, "hex").slice(0, 16));
      world.oracle.onLine(gate, direction, bytes);
    },
    leaves: (end) => { for (const h of world.handsets) if (h.meeting?.gate === gate && (end === undefined || h.meeting.end === end)) h.meeting.leaveAtUs = world.schedule.nowUs; for (const h of world.handsets) if (h.meeting?.gate === gate) h.meeting.end.onReadable?.(); },
  });
  const gate = makeGate(world, { name, index, medium: kind.medium, config: more.config ?? world.plan.config.gates[index]!, line, hasSensor: kind.hasSensor, sizes: kind.sizes, role: kind.role ?? gateRole, stolen });
  world.gates.push(gate);
  world.pairs.begins(gate.config.store === "flash" ? "flash store" : "disk store", name);
  if (gate.config.only === "B") world.pairs.begins("only profile B", name);
  if (!kind.hasSensor) world.pairs.begins("no sensor", name);
  if (gate.config.random !== "good") world.pairs.begins("weak random", name);
  if (gate.config.driftPpm !== 0 || gate.config.offsetSeconds !== 0) world.pairs.begins("clock off", name);
  if (stolen) world.pairs.begins("gate's twin");
  return gate;
}

export function addHandset(world: World, index: number, trust: Trust, from?: HandsetActor): HandsetActor {
  const h = makeHandsetActor(world, from === undefined ? { name: `handset${index}`, index, trust } : { name: `clone${world.handsets.length}`, index, trust, keys: from.keys, store: copyOfPages(from.store), clone: true });
  world.handsets.push(h);
  return h;
}

/** Whoever stands there with this value walks through, in a moment; nobody may be there any more. */
function letThrough(world: World, gate: GateActor, receipt: Receipt): void {
  const walker = world.handsets.find((h) => h.meeting?.gate === gate && holds(h, receipt.valueId));
  const stays = world.desk.at(`${gate.name}/walk`) !== undefined || (walker?.dawdles === true && !world.desk.quiet);
  if (stays) world.desk.struck("stays", gate.name);
  if (walker === undefined) return;
  walker.dawdles = false;
  world.schedule.afterMs(world.draw("walkers").between(300, 1500), () => walk(walker, gate, nameOf(receipt.valueId, receipt.counter), stays));
}

/** The value itself, or one whose grant has this id. */
export function holds(h: HandsetActor, id: Uint8Array): boolean {
  return h.wallet.values.some((v) => equal(v.value.valueId, id) || (v.grant !== undefined && equal(decodeValue(v.grant.claims)!.valueId, id)));
}

// ---- the network --------------------------------------------------------------------------------------------------------------

function post(world: World, from: string, type: number, bytes: Uint8Array, withinMs: number, answered: Answered): void {
  const { schedule, desk } = world;
  world.oracle.posted(from, type);
  const delay = (): number => world.draw("network").between(3, 120);
  const fault = desk.at(`${from}/post`);
  if (fault !== undefined) desk.struck(fault.kind, from);
  let open = true;
  const finish = (answer: Uint8Array | undefined): void => {
    if (!open) return;
    open = false;
    timeout.cancelled = true;
    world.note(from, answer === undefined ? "hears nothing" : "is answered", "");
    answered(answer);
  };
  const timeout = schedule.afterMs(withinMs, () => finish(undefined));
  const workers = workersIn(world);
  const toBoth = desk.at(`${from}/workers`);
  const first = workers === 1 ? 0 : world.draw("workers").below(workers);
  const deliver = (afterMs: number, heard: (answer: Uint8Array | undefined) => void): void => {
    schedule.afterMs(afterMs, () => {
      if (world.host.down) { heard(undefined); return; }
      schedule.settle();
      const take = (worker: number): void => world.oracle.hostCalled(world.host.take(new Uint8Array(bytes), worker), (answer) => schedule.afterMs(delay(), () => heard(answer)));
      take(first);
      if (toBoth === undefined) return;
      desk.struck("to_both", from);
      take(1 - first);
    });
  };
  if (fault?.kind === "request_lost") return;
  deliver(fault?.kind === "posted_late" ? fault.arg % 60_000 : delay(), (answer) => {
    if (fault?.kind === "answer_lost") return;
    if (fault?.kind === "answer_altered" && answer !== undefined) { const copy = new Uint8Array(answer); copy[fault.arg % copy.length]! ^= 1 << (fault.arg % 8); finish(copy); return; }
    finish(answer);
  });
  if (fault?.kind === "posted_again") for (let i = 1 + (fault.arg % 5); i > 0; i--) deliver((fault.arg >> 8) % 30_000 * i, () => undefined);
}
