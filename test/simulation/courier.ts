/**
 * Status lists and deltas by another road than the host's own answer: somebody fetches them and carries them to a gate, and
 * on his way they are lost, come again, late, or are no longer what was signed. Each is believed for its own signature
 * and number alone; in the end every gate holds the host's newest list (I15, checked in `model.ts` for all worlds).
 */
import { withPower, type GateActor } from "./gate.js";
import type { Joining } from "./joined.js";
import type { Fault } from "./plan.js";
import type { World } from "./world.js";
import { readSetting } from "../../host/context.js";
import { encodeStatusDelta } from "../../protocol/wire/trust.js";
import { keepNumbers } from "../../runtime/kept.js";
import { takeDelta, takeList } from "../../runtime/setup.js";
import { setupChanged } from "../../runtime/terminal.js";

interface Carried { what: "list" | "delta"; bytes: Uint8Array }
/** Everything that this world's courier ever had in his hands. */
const bags = new WeakMap<World, Carried[]>();

/** What the host has now: deltas in order, then the list. */
async function fetchStatus(world: World): Promise<Carried[]> {
  const db = world.host.context.db;
  const deltas = await db.selectFrom("status_delta").select("bytes").orderBy("number").execute();
  const list = await readSetting(db, "status list");
  return [...deltas.map((d): Carried => ({ what: "delta", bytes: new Uint8Array(d.bytes) })), ...(list === undefined ? [] : [{ what: "list" as const, bytes: new Uint8Array(Buffer.from(list, "base64")) }])];
}

/** Another bit, another key, or the one in place of the other. */
function forged(world: World, g: GateActor, x: Carried, luck: number): Carried {
  const keys = world.host.context.keys;
  switch (luck % 3) {
    case 0: { const bytes = x.bytes.slice(); bytes[(luck >>> 3) % bytes.length]! ^= 1 << (luck % 8); return { what: x.what, bytes }; }
    case 1: {
      const held = g.terminal!.setup.listNumber;
      const claims = encodeStatusDelta({ issuer: keys.provider, list: "values", issuedAt: 1, ttl: 900, number: held + 1, appliesTo: held, result: new Uint8Array(8), revoked: [], valid: [0, 1, 2, 3], suspended: [] });
      return { what: "delta", bytes: keys.signed("status-delta", luck % 2 === 0 ? "certificates" : "status", claims) };
    }
    default: return { what: x.what === "list" ? "delta" : "list", bytes: x.bytes };
  }
}

/** In the order of their arrival, after what befell each. */
function onTheWay(world: World, g: GateActor, objects: readonly Carried[], bag: readonly Carried[]): Carried[] {
  const arrives: Carried[] = [];
  const late: Carried[] = [];
  for (const x of objects) {
    const fault: Fault | undefined = world.desk.at(`${g.name}/courier`);
    if (fault !== undefined) world.desk.struck(fault.kind, g.name);
    if (fault === undefined) arrives.push(x);
    else if (fault.kind === "status_late") late.push(x);
    else if (fault.kind === "status_again") arrives.push(x, x, bag[fault.arg % bag.length]!);
    else if (fault.kind === "status_forged") arrives.push(forged(world, g, x, fault.arg));
  }
  return [...arrives, ...late];
}

async function bring(world: World, g: GateActor): Promise<void> {
  const objects = await fetchStatus(world);
  const bag = [...(bags.get(world) ?? []), ...objects].slice(-60);
  bags.set(world, bag);
  const t = g.terminal;
  if (t === undefined || t.outOfService !== "") return;
  world.pairs.happened("status by courier", g.name);
  const arriving = onTheWay(world, g, objects, bag);
  withPower(g, () => {
    for (const x of arriving) if (x.what === "delta") takeDelta(t.setup, x.bytes); else takeList(t.setup, x.bytes, (packed, most) => t.board.inflate(packed, most));
    keepNumbers(t.setup);
    setupChanged(t);
    world.oracle.polled(g);
  });
}

const points = [0, 1, 2, 3].map((n) => `gate${n}/courier`);
export const courier: Joining = {
  name: "courier", features: ["status by courier"],
  faults: ["status_lost", "status_again", "status_late", "status_forged"].map((kind) => ({ kind, points, rate: [0.1, 0.6], among: 40, most: 10 })),
  actions: [{ do: "bring_status", most: 8 }],
  equip: (draw) => draw.chance(0.2),
  act: (world, a) => bring(world, world.gates[a.gate]!),
};
