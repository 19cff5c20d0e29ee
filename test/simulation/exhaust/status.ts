/**
 * Row 51 of the fault table: what the real host signed over a status list's life (values suspended, released, revoked)
 * reaches a real terminal's setup lost, out of order, again, with a byte changed, or signed by another key, in every
 * sequence of three. The list held is always one that the host gave out, under its own number, its number never falls, it is
 * the same after a restart, and one honest answer leads to the newest (I10, I15).
 */
import { inflateSync } from "node:zlib";
import { makeBase, worldFrom, type Base } from "../base.js";
import { boardOf } from "../gate.js";
import { copyOfPages } from "../pages.js";
import type { World } from "../world.js";
import { newsFor, readList, setStatuses, type State } from "../../../host/status.js";
import { transact } from "../../../host/database.js";
import { hex } from "../../../protocol/wire/bytes.js";
import { encodeStatusDelta } from "../../../protocol/wire/trust.js";
import { listDigest, openSetup, takeDelta, takeList, type Setup } from "../../../runtime/setup.js";
import { violation } from "../violation.js";

export interface Found { points: number; faults: Record<string, number>; violations: string[] }
export interface Options { /** Sequences of three from each state; below 2, of two. */ damage: number; progress?: (done: number, of: number) => void }

/** Something that may arrive: a list or a delta as signed, or what somebody made of one. `leads` as the host meant it, nowhere for a forgery. */
interface Arrival { what: "list" | "delta"; bytes: Uint8Array; name: string; from: number; to: number }

const inflate = (packed: Uint8Array, most: number): Uint8Array | undefined => {
  try { return new Uint8Array(inflateSync(packed, { maxOutputLength: most })); } catch { return undefined; }
};

/** A life in which a list comes back to what it was: two changes undo each other, twice. */
const life: readonly [value: number, state: State][] = [[0, "suspended"], [0, "valid"], [1, "revoked"], [2, "suspended"], [2, "valid"]];

/** What the host signed, and the bits of each number. */
async function lifeOf(world: World): Promise<{ arrivals: Arrival[]; given: Map<number, string> }> {
  const c = world.host.context;
  const ids = (await c.db.selectFrom("issued").select("value_id").orderBy("status_index").limit(3).execute()).map((v) => v.value_id);
  const given = new Map<number, string>();
  const arrivals: Arrival[] = [];
  const keep = async (): Promise<void> => {
    const list = await readList(c);
    given.set(list.number, hex(list.bits));
    arrivals.push({ what: "list", bytes: list.signed, name: `list ${list.number}`, from: -1, to: list.number });
  };
  await keep();
  for (const [value, state] of life) { await transact(c.db, (tx) => setStatuses(c, tx, [ids[value]!], state)); await keep(); }
  const numbers = [...given.keys()];
  for (const d of await c.db.selectFrom("status_delta").selectAll().where("number", ">", numbers[0]!).orderBy("number").execute()) {
    const from = numbers[numbers.indexOf(d.number) - 1]!;
    arrivals.push({ what: "delta", bytes: new Uint8Array(d.bytes), name: `delta ${from} to ${d.number}`, from, to: d.number });
  }
  return { arrivals: [...arrivals, ...forged(world, arrivals)], given };
}

/** Another key's signature, a byte changed, and the right key's word on what leads to another list than it says. */
function forged(world: World, genuine: readonly Arrival[]): Arrival[] {
  const keys = world.host.context.keys;
  const newest = genuine.at(-1)!;
  const claims = encodeStatusDelta({ issuer: keys.provider, list: "values", issuedAt: 1, ttl: 900, number: newest.to + 1, appliesTo: newest.to, result: new Uint8Array(8), revoked: [], valid: [0, 1, 2], suspended: [] });
  const changed = (a: Arrival): Uint8Array => { const bytes = a.bytes.slice(); bytes[bytes.length >> 1]! ^= 1; return bytes; };
  const lie = (what: Arrival["what"], bytes: Uint8Array, name: string): Arrival => ({ what, bytes, name, from: -1, to: -1 });
  return [
    lie("delta", changed(newest), "a delta with a bit changed"), lie("list", changed(genuine[2]!), "a list with a bit changed"),
    lie("delta", keys.signed("status-delta", "certificates", claims), "a delta of another key"), lie("delta", keys.signed("status-delta", "status", claims), "a delta that does not lead where it says"),
    lie("list", newest.bytes, "a delta as a list"), lie("delta", genuine[2]!.bytes, "a list as a delta"),
  ];
}

const take = (s: Setup, a: Arrival): boolean => (a.what === "list" ? takeList(s, a.bytes, inflate) : takeDelta(s, a.bytes));
const held = (s: Setup): string => `${s.listNumber} ${s.statusBits === undefined ? "" : hex(s.statusBits)}`;

/** What a terminal that holds `number` holds after this arrival. */
function after(number: number, a: Arrival): number {
  if (a.what === "list" && a.to > number) return a.to;
  return a.what === "delta" && a.from === number ? a.to : number;
}

export async function run(o: Options): Promise<Found> {
  const found: Found = { points: 0, faults: {}, violations: [] };
  const base: Base = await makeBase();
  const plan = { seed: 0, config: { gates: base.gates.map(() => ({ battery: "good", random: "good", driftPpm: 0, offsetSeconds: 0 }) as const), handsets: [], lies: 0 }, workload: [], faults: [] };
  const world = await worldFrom(base, plan);
  const { arrivals, given } = await lifeOf(world);
  const gate = world.gates[0]!;
  const empty = copyOfPages(gate.cells);
  const numbers = [...given.keys()];
  const lists = arrivals.filter((a) => a.what === "list" && a.to > 0);
  const fail = (what: string): void => { if (found.violations.length < 20) found.violations.push(violation("lists", `I15 ${what}`)); };
  const start = (list: Arrival): Setup => {
    gate.cells = copyOfPages(empty);
    const s = openSetup(boardOf(gate));
    take(s, list);
    return s;
  };
  for (const [i, list] of lists.entries()) {
    for (const one of arrivals) for (const two of arrivals) for (const three of o.damage < 2 ? [undefined] : arrivals) {
      const s = start(list);
      let number = list.to;
      const sequence = [one, two, ...(three === undefined ? [] : [three])];
      for (const a of sequence) {
        const before = s.listNumber;
        take(s, a);
        number = after(number, a);
        found.faults[a.name.replace(/[0-9]+/g, "n")] = (found.faults[a.name.replace(/[0-9]+/g, "n")] ?? 0) + 1;
        if (s.listNumber < before) fail(`from ${list.name} by ${sequence.map((x) => x.name).join(", ")}: its number went back from ${before} to ${s.listNumber}`);
      }
      found.points++;
      if (held(s) !== `${number} ${given.get(number)!}`) fail(`from ${list.name} by ${sequence.map((x) => x.name).join(", ")}: holds ${held(s)}, not ${number} ${given.get(number)!}`);
      if (three === undefined && held(openSetup(boardOf(gate))) !== held(s)) fail(`from ${list.name} by ${sequence.map((x) => x.name).join(", ")}: holds another list after a restart`);
    }
    const s = start(list);
    const news = await transact(world.host.context.db, (tx) => newsFor(world.host.context, tx, s.listNumber, listDigest(s)));
    for (const delta of news.deltas) takeDelta(s, delta);
    if (news.list.length > 0) takeList(s, news.list, inflate);
    if (s.listNumber !== numbers.at(-1)) fail(`from ${list.name}: one honest answer leads to ${s.listNumber}`);
    o.progress?.(i + 1, lists.length);
  }
  for (const g of world.gates) { if (g.next !== undefined) g.next.cancelled = true; }
  world.host.hangUp();
  await world.host.close();
  return found;
}
