/**
 * A small world for tests of taps: a provider with its keys, terminals on simulated boards, handsets with wallets, and a
 * line between them that a test may damage. Real core, real cryptography, a clock that only the test moves.
 */
import { inflateSync } from "node:zlib";
import { makeMemoryStore, type MemoryStore } from "../../boards/sim/store.js";
import { makeSimBoard, makeSimClock, makeSimDigital, makeSimKeys, makeSimLine, makeSimRandom, type SimBoard, type SimClock, type SimDigital, type SimKeys, type SimLine } from "../../boards/sim/board.js";
import { nodeCrypto as crypto } from "../../protocol/crypto/node/node.js";
import { media, type Medium } from "../../protocol/link/media.js";
import { encodeRule } from "../../protocol/rule.js";
import { hex } from "../../protocol/wire/bytes.js";
import { encodeTerminalCertificate, terminalRole, terminalToSign } from "../../protocol/wire/certificate.js";
import { shortKeyId, signObject } from "../../protocol/wire/signed.js";
import { encodeGroupKeys, type GroupKeyPackage } from "../../protocol/wire/group-keys.js";
import { encodeSignedClaims } from "../../protocol/wire/sync.js";
import { encodeConfiguration, encodeRole, roles, type Configuration, type Taken, type Tariff } from "../../protocol/wire/trust.js";
import { encodeValue, unit, valueToSign, type Value } from "../../protocol/wire/value.js";
import { keyOfGrant, mac8, none } from "../../protocol/session/transcript.js";
import { openCells } from "../../runtime/journal/cells.js";
import { gate } from "../../runtime/role/gate.js";
import { makeHandset, pollHandset, confirm, type Handset, type HandsetEvent } from "../../runtime/role/handset.js";
import type { Role } from "../../runtime/role/role.js";
import { enrol, openSetup, takeConfiguration, takeGroup } from "../../runtime/setup.js";
import { makeTrust, takeObject, type Trust } from "../../runtime/sync/trust.js";
import { makeTerminal, poll, takeSetup, type Terminal, type TerminalEvent } from "../../runtime/terminal.js";
import { addValue, openWallet, type WalletState } from "../../runtime/value/wallet.js";

export const start = 1_800_000_000;
export const daySeconds = 86400;
const utf8 = (text: string) => new TextEncoder().encode(text);
export { crypto };

/** A secret from a word, with an even public point where the protocol sends x alone. */
export function secretOf(word: string): Uint8Array {
  for (let i = 0; ; i++) {
    const secret = crypto.sha256(utf8(word + i));
    if (crypto.publicKey(secret)![0] === 2) return secret;
  }
}
export const publicOf = (secret: Uint8Array) => crypto.publicKey(secret)!;

export interface Provider { name: string; root: Uint8Array; secrets: Record<string, Uint8Array>; objects: Uint8Array[] }
export function makeProvider(name = "example"): Provider {
  const root = secretOf(name + " root");
  const secrets: Record<string, Uint8Array> = {};
  const objects = roles.map((role) => {
    secrets[role] = secretOf(`${name} ${role}`);
    return signObject(crypto, "role", root, encodeRole({
      issuer: name, role, expires: start + 1000 * daySeconds, notBefore: start - daySeconds, publicKey: publicOf(secrets[role]!), generation: 1, leastGeneration: 0,
      signsUntil: start + 400 * daySeconds,
    }));
  });
  return { name, root, secrets, objects };
}
export function trustOf(p: Provider): Trust {
  const trust = makeTrust(crypto, p.name, publicOf(p.root), publicOf(secretOf(p.name + " spare")));
  for (const object of p.objects) takeObject(trust, object);
  return trust;
}

/** One world: its provider and its clock. */
export interface World { provider: Provider; clock: SimClock; group: GroupKeyPackage }
export function makeWorld(): World {
  const key = (word: string) => crypto.sha256(utf8(word));
  return { provider: makeProvider(), clock: makeSimClock(start), group: { group: 7, epoch: 3, grantKey: key("grant"), deriveKey: key("derive"), receiptKey: key("receipt") } };
}

// ---- values -----------------------------------------------------------------------------------------------------------

export interface Sold { value: Value; claims: Uint8Array; signed: { kid: Uint8Array; claims: Uint8Array; signature: Uint8Array }; secret: Uint8Array; name: string }
let issued = 0;
export function sell(w: World, kind: string, change: Partial<Value> = {}, signer = w.provider.secrets["values"]!): Sold {
  const number = ++issued;
  const secret = secretOf("value " + number);
  const value: Value = {
    kind, expires: start + 30 * daySeconds, notBefore: start - 3600, valueId: crypto.sha256(utf8("id" + number)).slice(0, 8), holderKey: publicOf(secret), unit: unit.uses, most: 1,
    currency: undefined, zones: [1], rule: encodeRule([]), offline: { uses: 10, amount: 10, days: 30 }, ownerSequence: 0, flags: (1 << 3) | (1 << 5), statusIndex: number,
    issuerPart: new Uint8Array(16), ...change,
  };
  const claims = encodeValue(value);
  const kid = shortKeyId(crypto, publicOf(w.provider.secrets["values"]!));
  return { value, claims, signed: { kid, claims, signature: crypto.sign(signer, valueToSign(kid, claims)) }, secret, name: `${kid.length}:${kind}` };
}
export const ticket = (w: World, change: Partial<Value> = {}) => sell(w, "ticket", change);
export const coupons = (w: World, uses: number, change: Partial<Value> = {}) => sell(w, "coupon", { most: uses, ...change });
export const card = (w: World, most: number, change: Partial<Value> = {}) =>
  sell(w, "card", { unit: unit.money, most, currency: 978, offline: { uses: 20, amount: 10000, days: 30 }, ...change });

/** Profile B: a grant carved out of a value, with its MAC and its own key. */
export function grantOf(w: World, sold: Sold, change: Partial<Value> = {}) {
  const grantId = crypto.sha256(sold.value.valueId).slice(0, 8);
  const claims = encodeValue({ ...sold.value, valueId: grantId, holderKey: new Uint8Array(0), issuerPart: new Uint8Array(0), flags: sold.value.flags | 4, ...change });
  return { claims, mac: mac8(crypto, w.group.grantKey, "grant", none, claims), key: keyOfGrant(crypto, w.group, grantId), group: w.group.group, epoch: w.group.epoch };
}

// ---- terminals --------------------------------------------------------------------------------------------------------

export interface TerminalOptions {
  name?: string; zones?: number[]; takes?: Taken[]; tariffs?: Tariff[]; sensor?: boolean; role?: Role; profileB?: boolean; most?: number; change?: Partial<Configuration>;
  certificate?: Partial<{ expires: number; notBefore: number; kinds: string[] }>; oneWay?: boolean;
}
export interface Station {
  world: World; options: TerminalOptions; board: SimBoard; terminal: Terminal; line: SimLine; passage: SimDigital | undefined; events: TerminalEvent[]; scanner: SimLine | undefined;
  /** Codes shown, in order; 0 is the all-clear. */
  codes(): number[];
  opened(): number;
}
const inflate = (packed: Uint8Array, most: number): Uint8Array | undefined => {
  try { return new Uint8Array(inflateSync(packed, { maxOutputLength: most })); } catch { return undefined; }
};
const defaultTakes: Taken[] = [{ kind: "ticket", action: 1, zone: 1 }, { kind: "coupon", action: 1, zone: 1 }];

export function makeStation(world: World, options: TerminalOptions = {}): Station {
  const name = options.name ?? "north";
  const line = makeSimLine();
  const scanner = options.oneWay === true ? makeSimLine() : undefined;
  const passage = options.sensor === false ? undefined : makeSimDigital();
  const keys = makeSimKeys(crypto, makeSimRandom(crypto, name));
  for (const purpose of ["identity", "signing", "agreement"]) keys.put(purpose, secretOf(`${name} ${purpose}`));
  const board = makeSimBoard({ name, crypto, clock: world.clock, link: line.a, ...(passage && { passage }), ...(scanner && { scanner: scanner.a }), keys, inflate });
  enrolStation(world, options, board, name);
  return startStation({ world, options, board, line, passage, scanner, events: [] } as unknown as Station);
}

export function certificateOf(world: World, options: TerminalOptions, name: string): { kid: Uint8Array; claims: Uint8Array; signature: Uint8Array } {
  const secret = world.provider.secrets["certificates"]!;
  const claims = encodeTerminalCertificate({
    zones: options.zones ?? [1], expires: options.certificate?.expires ?? start + 14 * daySeconds, notBefore: options.certificate?.notBefore ?? start - 3600,
    terminalId: crypto.sha256(utf8(name)).slice(0, 8), signingKey: publicOf(secretOf(`${name} signing`)), agreementKey: publicOf(secretOf(`${name} agreement`)),
    role: (options.role ?? gate).number, kinds: options.certificate?.kinds ?? ["ticket", "coupon", "card"], most: options.most ?? 5000, currency: 978, name, merchant: "Example Hall",
    group: options.profileB === true ? world.group.group : 0,
  });
  const kid = shortKeyId(crypto, publicOf(secret));
  return { kid, claims, signature: crypto.sign(secret, terminalToSign(kid, claims)) };
}

function enrolStation(world: World, options: TerminalOptions, board: SimBoard, name: string): void {
  const setup = openSetup(board);
  const p = world.provider;
  const c = certificateOf(world, options, name);
  const terminalId = crypto.sha256(utf8(name)).slice(0, 8);
  if (!enrol(setup, p.name, publicOf(p.root), publicOf(secretOf(p.name + " spare")), p.objects, terminalId, encodeSignedClaims(c.kid, c.claims, c.signature))) throw new Error("the station was not enrolled");
  const configuration: Configuration = {
    issuer: p.name, subject: hex(terminalId), expires: start + 400 * daySeconds, issuedAt: start, number: 1, leastSoftware: 0, zones: options.zones ?? [1],
    takes: options.takes ?? defaultTakes, tariffs: options.tariffs ?? [], useMost: { currency: 978, amount: 5000 }, usesADay: 10, boxADay: 500000, freshSeconds: daySeconds,
    offlineSeconds: 7 * daySeconds, reducedSeconds: 30 * daySeconds, lists: [], reopen: 1, resumeSeconds: 600, passageMs: 8000, ...options.change,
  };
  if (!takeConfiguration(setup, signObject(crypto, "configuration", p.secrets["configuration"]!, encodeConfiguration(configuration)))) throw new Error("no configuration");
  if (options.profileB === true) takeGroup(setup, encodeGroupKeys(world.group));
}

/** Starts (again) on what is durable. */
export function startStation(s: Station, medium: Medium = media.serial): Station {
  const setup = openSetup(s.board);
  setup.pulledAt = s.world.clock.utc().at;
  setup.statusBits = new Uint8Array(0);
  const events: TerminalEvent[] = [];
  const terminal = makeTerminal(s.board, s.options.role ?? gate, medium, setup);
  terminal.onEvent = (e) => events.push(e);
  const station: Station = {
    ...s, terminal, events,
    codes: () => events.flatMap((e) => (e.event === "shown" ? [e.code] : [])),
    opened: () => events.filter((e) => e.event === "opened").length,
  };
  takeSetup(terminal);
  return station;
}

/** Power is cut and comes back: memory is gone, what is durable stands. The line is empty. */
export function powerCut(s: Station): Station {
  const board = { ...s.board, store: s.board.store.restarted(), cells: s.board.cells.restarted(), relay: s.board.relay } as SimBoard;
  const line = makeSimLine();
  return startStation({ ...s, board: { ...board, link: line.a } as SimBoard, line });
}

// ---- handsets ---------------------------------------------------------------------------------------------------------

export interface Phone { world: World; wallet: WalletState; keys: SimKeys; cells: MemoryStore; trust: Trust; events: HandsetEvent[]; random: ReturnType<typeof makeSimRandom> }
let phones = 0;
export function makePhone(world: World, ...sold: Sold[]): Phone {
  const random = makeSimRandom(crypto, "phone" + ++phones);
  const keys = makeSimKeys(crypto, random);
  const cells = makeMemoryStore({ pageBytes: 65536, pages: 2 });
  const phone: Phone = { world, wallet: openWallet(openCells(cells)), keys, cells, trust: trustOf(world.provider), events: [], random };
  for (const s of sold) give(phone, s);
  return phone;
}
export function give(phone: Phone, sold: Sold, withGrant = false): void {
  phone.keys.put("value " + hex(sold.value.valueId), sold.secret);
  addValue(phone.wallet, sold.name, sold.signed, new Uint8Array(0), withGrant ? grantOf(phone.world, sold) : undefined);
}
/** The same phone again, as a copy or after it was killed: only what is durable. */
export function copyPhone(phone: Phone): Phone {
  const cells = phone.cells.restarted();
  return { ...phone, cells, wallet: openWallet(openCells(cells)), events: [] };
}

export interface TapOptions { silentAmount?: number; confirm?: boolean; forMs?: number; toTerminal?: (bytes: Uint8Array) => Uint8Array[]; toHandset?: (bytes: Uint8Array) => Uint8Array[]; turns?: boolean; stopWhen?: () => boolean }

/** Holds the phone before the terminal for a while (3 s unless told) and lets both talk; the holder walks unless told not to. */
export function tap(phone: Phone, station: Station, o: TapOptions = {}): Handset {
  const clock = phone.world.clock;
  station.line.a.fault = o.toHandset;
  station.line.b.fault = o.toTerminal;
  const board = { clock, random: phone.random, keys: phone.keys, crypto };
  const handset = makeHandset(board, phone.wallet, phone.trust, station.line.b, media.serial, o.silentAmount ?? 2000);
  phone.events = [];
  const openedBefore = station.opened();
  handset.onEvent = (e) => phone.events.push(e);
  const until = clock.monotonicMs() + (o.forMs ?? 3000);
  let walked = false;
  while (clock.monotonicMs() < until && o.stopWhen?.() !== true) {
    pollHandset(handset);
    if (phone.events.some((e) => e.event === "confirm") && o.confirm !== undefined && handset.holder.state === "asking") confirm(handset, o.confirm);
    station.line.deliver();
    poll(station.terminal);
    if (!walked && o.turns !== false && station.passage !== undefined && station.opened() > openedBefore) {
      walked = true;
      station.passage.set(1);
      poll(station.terminal);
      station.passage.set(0);
    }
    clock.advance(station.line.deliver() ? 1 : 5);
  }
  station.line.a.fault = undefined;
  station.line.b.fault = undefined;
  return handset;
}

/** Time passes at a terminal nobody stands before. */
export function wait(station: Station, ms: number): void {
  const clock = station.world.clock;
  for (let passed = 0; passed < ms; passed += 500) { clock.advance(Math.min(500, ms - passed)); poll(station.terminal); }
}
export const shownTo = (phone: Phone): number[] => phone.events.flatMap((e) => (e.event === "shown" ? [e.code] : []));
export { terminalRole };
