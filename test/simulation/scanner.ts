/**
 * The one-way class in the world (`tap.md` §7): some gates have a scanner, and people show codes to it that their handsets
 * made, photographs of them, and codes that somebody scratched. A code opens one gate once, never for an amount; a single
 * ticket is used once at a gate by whatever road, and the host has each use that a gate recorded.
 */
import { createHash } from "node:crypto";
import { decode } from "cborg";
import type { GateActor } from "./gate.js";
import type { HandsetActor } from "./handset.js";
import type { Joining } from "./joined.js";
import type { Reading } from "./model.js";
import type { World } from "./world.js";
import { addProduct, sell } from "../../host/products.js";
import { beaconText } from "../../protocol/link/beacon.js";
import { beaconStep, beaconToSign, makeBeacon } from "../../protocol/session/oneway.js";
import { hex } from "../../protocol/wire/bytes.js";
import { action } from "../../protocol/wire/receipt.js";
import type { Serial } from "../../runtime/board.js";
import type { WalletValue } from "../../runtime/value/wallet.js";

const day = 86_400;
/** Who holds what: a pass that may be shown each minute, and single tickets. */
const holders: readonly (readonly [handset: number, product: string])[] = [[0, "badge"], [1, "voucher"], [2, "voucher"], [3, "badge"], [4, "voucher"], [5, "badge"], [5, "voucher"]];
export const shownProducts: readonly string[] = ["badge", "voucher"];

/** A scanner: one line of text a code. */
export interface Scanner extends Serial { scan(text: string): void }
export function makeScanner(): Scanner {
  const lines: Uint8Array[] = [];
  const scanner: Scanner = {
    onReadable: undefined, onClose: undefined, read: () => lines.shift(), write: () => undefined, close: () => undefined,
    scan: (text) => { lines.push(new Uint8Array(Buffer.from(text, "latin1"))); scanner.onReadable?.(); },
  };
  return scanner;
}

/** Codes that somebody photographed, oldest first. */
const photographs = new WeakMap<World, string[]>();
const photographsOf = (world: World): string[] => {
  const known = photographs.get(world) ?? [];
  photographs.set(world, known);
  return known;
};

function codeOf(world: World, h: HandsetActor, v: WalletValue, index: number, luck: number): string {
  const step = beaconStep(world.utc()) + (luck % 8 === 0 ? [-9, -1, 1, 9][(luck >>> 3) % 4]! : 0);
  const act = (luck >>> 5) % (index === 3 ? 2 : 16) === 0 ? action.exit : action.enter;
  return beaconText(makeBeacon(v.signed, act, step, 1, h.keys.sign(`value ${hex(v.value.valueId)}`, beaconToSign(v.value.valueId, act, step, 1))!));
}

/** One character of it cannot be read, or is read as another. */
function scratched(code: string, luck: number): string {
  const at = 4 + ((luck >>> 4) % (code.length - 4));
  return code.slice(0, at) + (luck % 2 === 0 ? "" : "7") + code.slice(at + 1);
}

function show(world: World, h: HandsetActor, g: GateActor, luck: number): void {
  const values = h.wallet.values.filter((v) => shownProducts.includes(v.name));
  const v = values[luck % Math.max(1, values.length)];
  if (g.scanner === undefined || g.terminal === undefined || v === undefined) return;
  const photos = photographsOf(world);
  const isPhoto = photos.length > 0 && (luck >>> 8) % 4 === 0;
  const fault = world.desk.at(`${g.name}/scanner`);
  const code = isPhoto ? photos[(luck >>> 12) % photos.length]! : codeOf(world, h, v, g.index, luck >>> 16);
  photos.push(code);
  world.taps++;
  world.note(h.name, "shows a code", `${g.name} ${isPhoto ? "photograph" : v.name}`);
  world.pairs.happened(isPhoto ? "photograph" : "code shown", h.name, g.name);
  if (fault !== undefined) world.desk.struck(fault.kind, g.name);
  g.scanner.scan(fault === undefined ? code : scratched(code, fault.arg));
}

/** Somebody walks through after a code was accepted; nobody knows who he is. */
export function walkOnCode(world: World, g: GateActor): void {
  world.pairs.happened("opened by code", g.name);
  if (world.desk.at(`${g.name}/walk`) !== undefined) { world.desk.struck("stays", g.name); return; }
  world.schedule.afterMs(world.draw("walkers").between(300, 1500), () => {
    if (g.relay === 0 || !g.hasSensor) return;
    g.passage.set(1);
    world.schedule.afterMs(120, () => g.passage.set(0));
  });
}

/** In every journal: each (value, step) once, a single ticket once by whatever road; the host has all that count (I1, I2, I4). */
async function check(world: World, r: Reading): Promise<void> {
  const books = new Map((await r.rows<{ use_id: string; journal: number; one_way: number }>("select use_id, journal, one_way from value_use where one_way = 1")).map((u) => [u.use_id, u]));
  const taken = new Set<string>();
  for (const g of world.gates) {
    const [seen, entered] = [new Set<string>(), new Set<string>()];
    for (const [sequence, entry] of world.oracle.gates.get(g.name)!.written) {
      const items = decode(entry, { useMaps: true }) as unknown[];
      if (items[0] !== 2) continue;
      const value = Buffer.from(items[2] as Uint8Array).toString("hex");
      const use = `${value}@${items[3] as number}`;
      if (seen.has(use)) r.fail("I2", `${g.name} took the code ${use} twice`);
      seen.add(use);
      if (items[5] === action.exit) continue;
      const tapped = r.finished.some((f) => f.gate === g.name && f.receipt.value === value && f.receipt.amount > 0);
      const isSingle = r.issued.get(value)?.uses === 1;
      if (isSingle && (tapped || entered.has(value))) r.fail("I2", `${g.name} took the single ticket ${value} twice`);
      entered.add(value);
      const id = createHash("sha256").update(items[1] as Uint8Array).digest("hex").slice(0, 32);
      if (r.isHeard(g, sequence) && !books.has(id)) r.fail("I1", `the books lack the code ${use} that ${g.name} took`);
      taken.add(id);
    }
  }
  for (const id of books.keys()) if (!taken.has(id)) r.fail("I4", `the books have a code ${id} that no journal has`);
}

export const scanner: Joining = {
  name: "scanner", features: ["code shown", "photograph", "opened by code"],
  faults: [{ kind: "scratched", points: [0, 1, 2, 3].map((n) => `gate${n}/scanner`), rate: [0.2, 0.6], among: 20, most: 4 }],
  actions: [{ do: "show_code", most: 12 }],
  prepare: async (world) => {
    const c = world.host.context;
    const common = { kind: "ticket", price: 900, until: Math.floor(world.utc()) + 300 * day, issuer: "box", oneWay: true };
    await addProduct(c, { ...common, zones: [1], product: "voucher", name: "voucher", sort: "ticket" });
    await addProduct(c, { ...common, zones: [1], product: "badge", name: "badge", kind: "pass", sort: "coupons", most: 1_000_000, intervalSeconds: 60, offline: { uses: 1_000_000, amount: 1_000_000, days: 60 } });
    for (const [h, product] of holders) await sell(c, { product, user: `handset${h}`, reference: `${product} of handset${h}`, paid: "desk" });
  },
  equip: (draw, config) => {
    if (!draw.chance(0.25)) return false;
    for (const gate of config.gates) if (draw.chance(0.5)) gate.scanner = true;
    return config.gates.some((g) => g.scanner);
  },
  act: (world, a) => show(world, world.handsets[a.handset]!, world.gates[a.gate]!, a.arg),
  check,
};
