/**
 * How every world begins: a host with products, four gates claimed by their codes and synced, six handsets enrolled that
 * have collected what was bought. It is made once a process, by the real roads, and copied for each seed.
 */
import { joinedIn, joinings } from "./joined.js";
import { copyOfPages, type Pages } from "./pages.js";
import { boot, boardOf, type GateActor } from "./gate.js";
import { reopen, talk, type HandsetActor } from "./handset.js";
import { dumpOf, type Dump } from "./host.js";
import type { Plan } from "./plan.js";
import { bought } from "./scenes.js";
import { addGate, addHandset, gateKinds, makeWorld, start, type World } from "./world.js";
import { simCrypto as crypto } from "./crypto.js";
import type { KeyStore } from "../../host/keys.js";
import { addIssuer, addMerchant, addProduct, sell, type NewProduct } from "../../host/products.js";
import { addTerminal, claim, type NewTerminal } from "../../host/terminals.js";
import { beginClaim, finishClaim } from "../../runtime/sync/claim.js";
import { decodeOffers, keysFor, takeDelivered } from "../../runtime/sync/handset-sync.js";
import { makeTrust, takeObject, type Trust } from "../../runtime/sync/trust.js";
import { decodeHandsetEnrolled, encodeCollect, encodeHandsetEnrolment } from "../../protocol/wire/handset-letters.js";
import { messageType } from "../../protocol/wire/sync.js";

export const hour = 3600;
const day = 24 * hour;
const product = (name: string, more: Partial<NewProduct>): NewProduct =>
  ({ product: name, name, kind: "coupon", sort: "coupons", most: 10, price: 5000, zones: [1], until: start + 400 * day, issuer: "box", merchantShare: 8000, ...more });
export const products: readonly NewProduct[] = [
  product("concert", { kind: "ticket", sort: "ticket", price: 3000, until: start + 90 * day, merchantShare: 9000 }),
  product("matinee", { kind: "ticket", sort: "ticket", price: 2000, until: start + 3 * hour, undetermined: "accept" }),
  product("ten", {}),
  product("card", { kind: "card", sort: "prepaid", most: 2000, price: 2000, offline: { uses: 4, amount: 1600, days: 30 } }),
  product("season", { kind: "pass", most: 1_000_000, price: 40_000, passage: true, offline: { uses: 1_000_000, amount: 1_000_000, days: 60 } }),
  product("mixed", { most: 8, grantUses: 3, undetermined: "refuse" }),
  product("reserve", { most: 6, price: 6001, undetermined: "accept" }),
];
const takes = [{ kind: "ticket", action: 1, zone: 1 }, { kind: "coupon", action: 1, zone: 1 }, { kind: "pass", action: 1, zone: 1 }, { kind: "card", action: 3, zone: 1 }];
const terminals: readonly NewTerminal[] = [
  { name: "gate0", role: "gate", merchant: "hall", zones: [1], takes, tariffs: [{ kind: "card", price: 350 }] },
  { name: "gate1", role: "gate", merchant: "hall", zones: [1], takes, tariffs: [{ kind: "card", price: 350 }], settings: { resumeSeconds: 120 } },
  { name: "gate2", role: "gate", merchant: "bar", zones: [1], takes, tariffs: [{ kind: "card", price: 120 }], profileB: true, settings: { reopen: 0, resumeSeconds: 60 } },
  { name: "gate3", role: "gate", merchant: "hall", zones: [1], takes: [{ kind: "pass", action: 2, zone: 1 }, { kind: "coupon", action: 1, zone: 1 }], profileB: true },
];

export interface Base { dump: Dump; keys: KeyStore; gates: { journal: Pages; cells: Pages; secrets: Map<string, Uint8Array> }[]; handsets: { store: Pages; secrets: Map<string, Uint8Array> }[]; terminalIds: string[]; endsAt: number; kept: Record<string, unknown> }

const quiet: Plan = { seed: 0, config: { gates: gateKinds.map(() => ({ battery: "good", random: "good", driftPpm: 0, offsetSeconds: 0 })), handsets: [], lies: 0 }, workload: [], faults: [] };

export const trustIn = (keys: KeyStore): Trust => {
  const trust = makeTrust(crypto, keys.provider, keys.root, keys.spareRoot);
  for (const role of keys.roles) takeObject(trust, role);
  return trust;
};
/** What one handset learns the others do not know. */
const copyOf = (t: Trust): Trust =>
  ({ ...t, objects: [...t.objects], ends: [...t.ends], roles: [...t.roles], revokedKeys: [...t.revokedKeys], revokedTerminals: [...t.revokedTerminals] });

export async function makeBase(): Promise<Base> {
  const world = await makeWorld(quiet, {});
  const c = world.host.context;
  for (const merchant of ["hall", "bar"]) await addMerchant(c, { merchant, name: merchant });
  await addIssuer(c, { issuer: "box", name: "Box office" });
  for (const x of products) await addProduct(c, x);
  const terminalIds: string[] = [];
  for (const [i, terminal] of terminals.entries()) terminalIds.push(await claimGate(world, addGate(world, i, gateKinds[i]!), terminal));
  for (const [i, names] of bought.entries()) {
    const h = addHandset(world, i, trustIn(c.keys));
    await enrol(world, h);
    for (const name of names) await sell(c, { product: name, user: h.name, reference: `${name} of ${h.name}`, paid: "desk" });
  }
  const kept: Record<string, unknown> = {};
  for (const joining of joinings) kept[joining.name] = await joining.prepare?.(world);
  for (const h of world.handsets) await collect(world, h);
  for (const g of world.gates) { boot(g); g.onlineUntilUs = world.schedule.nowUs + 4e6; }
  await world.schedule.run(world.schedule.nowUs + 6e6);
  if (world.oracle.violations.length > 0) throw new Error("the first morning broke: " + JSON.stringify(world.oracle.violations) + world.last().join("\n"));
  const base = {
    dump: await dumpOf(c), keys: c.keys, terminalIds, kept, endsAt: Math.ceil(world.utc()), gates: world.gates.map((g) => ({ journal: g.journal, cells: g.cells, secrets: g.keys.secrets })),
    handsets: world.handsets.map((h) => ({ store: h.store, secrets: h.keys.secrets })),
  };
  for (const g of base.gates) { g.journal.restarted(); g.cells.restarted(); }
  for (const h of base.handsets) h.store.restarted();
  await world.host.close();
  return base;
}

async function claimGate(world: World, g: GateActor, terminal: NewTerminal): Promise<string> {
  const { terminalId, claimCode } = await addTerminal(world.host.context, terminal);
  const board = boardOf(g);
  const asked = beginClaim(board, claimCode, "simulated", new Uint8Array(4))!;
  const done = finishClaim(board, asked, (await claim(world.host.context, asked.bytes))!);
  if ("wrong" in done) throw new Error(`${g.name} was not claimed: ${done.wrong}`);
  return terminalId;
}

async function enrol(world: World, h: HandsetActor): Promise<void> {
  const [signingKey, agreementKey] = [h.keys.make("device")!, h.keys.make("device agreement")!];
  let code = -1;
  talk(h, messageType.enrolHandset, encodeHandsetEnrolment({ user: h.name, password: "correct horse battery", phone: "", consent: new Uint8Array(0), code: "", signingKey, agreementKey, keyClass: 2 }), (body) => { code = decodeHandsetEnrolled(body)!.code; });
  await world.schedule.run(world.schedule.nowUs + 1e6);
  if (code !== 0) throw new Error(`${h.name} was not enrolled: ${code}`);
}

async function collect(world: World, h: HandsetActor): Promise<void> {
  talk(h, messageType.collect, encodeCollect(""), (body) => {
    talk(h, messageType.deliver, keysFor(h.keys, decodeOffers(body)!, 2), (delivered) => { takeDelivered(h.wallet, h.trust, h.keys, delivered); });
  });
  await world.schedule.run(world.schedule.nowUs + 2e6);
  if (h.wallet.values.length < 3) throw new Error(`${h.name} did not collect`);
}

/** A world as it begins: powered, synced, nobody at a gate. */
export async function worldFrom(base: Base, plan: Plan): Promise<World> {
  const world = await makeWorld(plan, { keys: base.keys, begins: base.dump }, base.endsAt + 60);
  for (const [i, from] of base.gates.entries()) {
    const g = addGate(world, i, gateKinds[i]!);
    const onFlash = g.config.store === "flash";
    g.journal = onFlash ? copyOfPages(from.journal.restarted(), "flash") : from.journal.restarted();
    g.cells = onFlash ? copyOfPages(from.cells.restarted(), "flash") : from.cells.restarted();
    for (const [name, secret] of from.secrets) g.keys.put(name, secret);
    boot(g);
  }
  const trust = trustIn(base.keys);
  for (const [i, from] of base.handsets.entries()) {
    const h = addHandset(world, i, copyOf(trust), undefined);
    for (const [name, secret] of from.secrets) h.keys.put(name, secret);
    h.store = from.store.restarted();
    reopen(h);
  }
  for (const joined of joinedIn(world)) joined.join?.(world, base.kept[joined.name]);
  return world;
}
