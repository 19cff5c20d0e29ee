/**
 * A street for scenarios: meters, a receiver and a till that are real terminals on machines in memory, handsets with real wallets,
 * and the real host without its HTTP. They meet over lines that carry bytes; letters go by hand, so a test may lose, copy, delay
 * and change them as it likes. Nothing sleeps; time moves when a test moves it.
 */
import { openShop, openWorld, password, type World } from "../host/world.js";
import { makeSimBoard, makeSimClock, makeSimKeys, makeSimLine, makeSimRandom, type SimBoard, type SimClock, type SimKeys, type SimLine } from "../../boards/sim/board.js";
import { makeMemoryStore, type MemoryStore } from "../../boards/sim/store.js";
import { addMeterUser, setMeterPlan, type NewMeterPlan, type NewMeterUser } from "../../host/charges/plans.js";
import { takeEnvelope } from "../../host/device.js";
import type { Processor } from "../../host/payment/processor.js";
import { checkBooks } from "../../host/invariants.js";
import { trialBalance } from "../../host/ledger.js";
import { sell } from "../../host/products.js";
import { addTerminal, claim, type NewTerminal } from "../../host/terminals.js";
import { nodeCrypto } from "../../protocol/crypto/node/node.js";
import { media } from "../../protocol/link/media.js";
import { hex } from "../../protocol/wire/bytes.js";
import { brought, letterId } from "../../protocol/wire/carry.js";
import type { MeterRegister } from "../../protocol/wire/charge.js";
import { decodeOffers, encodeCollect, encodeHandsetEnrolment } from "../../protocol/wire/handset-letters.js";
import { decodeOwed, settleType, type Owed } from "../../protocol/wire/settle.js";
import { encodeSignedClaims, messageType } from "../../protocol/wire/sync.js";
import { openCells } from "../../runtime/journal/cells.js";
import { openCharges, owedBy, type Charges } from "../../runtime/charges/charges.js";
import { askStatement, beginSettling, openStatement, takeSettling, unfinished, type Payer, type Said } from "../../runtime/charges/payer.js";
import type { CheckedStatement } from "../../runtime/charges/verify.js";
import { give, makeCourier, pollCourier, type Done, type Job } from "../../runtime/carry/courier.js";
import { makeDesk } from "../../runtime/carry/desk.js";
import { carrying, makePost, nextPassing, passed, type Post } from "../../runtime/carry/post.js";
import { meter, makeMeterPoint, readPoint, supply, type MeterPoint } from "../../runtime/role/meter.js";
import { receiver } from "../../runtime/role/receiver.js";
import { till } from "../../runtime/role/till.js";
import { gate } from "../../runtime/role/gate.js";
import { openSetup, type Setup } from "../../runtime/setup.js";
import { beginClaim, finishClaim } from "../../runtime/sync/claim.js";
import { keysFor, takeDelivered } from "../../runtime/sync/handset-sync.js";
import { readAnswer, writeLetter, type Correspondent } from "../../runtime/sync/letters.js";
import { makeSync, type Sync } from "../../runtime/sync/sync.js";
import { makeTrust, takeObject, type Trust } from "../../runtime/sync/trust.js";
import { makeTerminal, poll, type Terminal } from "../../runtime/terminal.js";
import { openWallet, type WalletState } from "../../runtime/value/wallet.js";

export const crypto = nodeCrypto;
const roles = { meter, receiver, till, gate };

// ---- terminals ----------------------------------------------------------------------------------------------------------------------

export interface Box {
  readonly street: Street; readonly id: string; readonly role: keyof typeof roles; readonly network: boolean; readonly clock: SimClock; readonly keys: SimKeys;
  journal: MemoryStore; cells: MemoryStore; history: MemoryStore;
  line: SimLine; board: SimBoard; setup: Setup; terminal: Terminal<Setup>; charges: Charges; post: Post; sync: Sync; point: MeterPoint;
}

export interface Street { world: World; boxes: Box[] }
export async function openStreet(processors: readonly Processor[] = []): Promise<Street> {
  const world = await openWorld("street", undefined, {}, processors);
  await openShop(world);
  return { world, boxes: [] };
}

export async function addBox(street: Street, name: string, role: keyof typeof roles, more: Partial<NewTerminal> & { network?: boolean; pages?: number } = {}): Promise<Box> {
  const { network = false, pages = 16, ...terminal } = more;
  const takes = role === "gate" ? [{ kind: "ticket", action: 1, zone: 1 }] : role === "till" ? [{ kind: "card", action: 3, zone: 1 }] : [];
  const { terminalId, claimCode } = await addTerminal(street.world.context, { name, role, merchant: "hall", zones: [1], takes, most: 5000, ...terminal });
  const clock = makeSimClock(street.world.machine.now());
  const keys = makeSimKeys(crypto, makeSimRandom(crypto, name + " keys"));
  const box = { street, id: terminalId, role, network, clock, keys, journal: makeMemoryStore({ pageBytes: 4096, pages: 16 }), cells: makeMemoryStore({ pageBytes: 65536, pages: 2 }), history: makeMemoryStore({ pageBytes: 4096, pages }) } as Box;
  plug(box);
  const asked = beginClaim(box.board, claimCode, "street", new Uint8Array(4))!;
  const done = finishClaim(box.board, asked, (await claim(street.world.context, asked.bytes))!);
  if ("wrong" in done) throw new Error(done.wrong);
  boot(box);
  street.boxes.push(box);
  return box;
}

function plug(box: Box): void {
  box.line = makeSimLine();
  box.board = makeSimBoard({ name: box.id + box.journal.pages, crypto, clock: box.clock, link: box.line.a, store: box.journal, cells: box.cells, keys: box.keys, inflate: () => undefined });
}

/** Also after a power cut: everything but what is durable is gone. */
export function boot(box: Box): void {
  plug(box);
  box.setup = openSetup(box.board);
  box.terminal = makeTerminal(box.board, roles[box.role], media.serial, box.setup);
  box.charges = openCharges(box.board, box.setup, box.history);
  box.sync = makeSync(box.terminal);
  box.post = makePost(crypto, 2048, 65536);
  const isCharging = box.role === "meter" || box.role === "receiver";
  box.terminal.besides = carrying(box.post, makeDesk(box.terminal, isCharging ? box.charges : undefined, box.sync, box.network));
  box.point = makeMeterPoint(box.board, box.charges, 1);
  if (isCharging) supply(box.point);
}
export function cutPower(box: Box): void {
  box.journal = box.journal.restarted();
  box.cells = box.cells.restarted();
  box.history = box.history.restarted();
  boot(box);
}

export const now = (box: Box): { at: number; quality: number } => ({ at: box.clock.utc().at, quality: box.clock.utc().quality });
export const watts = (kilowattHours: number, rate = 0): MeterRegister => ({ obis: new Uint8Array([1, 0, 1, 8, rate, 255]), value: Math.round(kilowattHours * 1000), scaler: 0, unit: 30 });
/** The meter is read: one register, billable. */
export function read(box: Box, kilowattHours: number, serial = "1EMH0012345678"): void {
  readPoint(box.point, { meter: 1, serial, registers: [watts(kilowattHours)], by: 2 }, now(box));
}

/** Time goes on for everybody. */
export function pass(street: Street, seconds: number): void {
  street.world.machine.advance(seconds);
  for (const box of street.boxes) box.clock.advance(seconds * 1000);
}
export const day = 86_400;

/** Letters that others left here go to the host, as on any machine with a network. */
export async function postAll(box: Box): Promise<void> {
  for (let x = nextPassing(box.post); x !== undefined; x = nextPassing(box.post)) passed(box.post, x.id, await knock(box.street, x.bytes));
}
/** The host's door: what comes back, or nothing. */
export const knock = (street: Street, letter: Uint8Array): Promise<Uint8Array | undefined> => takeEnvelope(street.world.context, street.world.broker, letter, street.world.count);

// ---- users --------------------------------------------------------------------------------------------------------------------------------

export const flat = (cents: number): NewMeterPlan => ({ currency: "EUR", tariffs: [{ id: 1, bands: [{ price: cents * 1000 }] }] });
export const setPlan = (box: Box, plan: NewMeterPlan): Promise<void> => setMeterPlan(box.street.world.context, box.id, plan);
export async function addUser(box: Box, phone: Phone, more: Partial<NewMeterUser> = {}): Promise<Uint8Array> {
  return new Uint8Array(Buffer.from(await addMeterUser(box.street.world.context, box.id, { user: phone.user, mode: "postpaid", tariff: 1, ...more }), "hex"));
}
/** What the terminal itself goes by. */
export const owes = (box: Box, user: Uint8Array): number => owedBy(box.charges, user);

export interface Phone {
  readonly street: Street; readonly user: string; readonly keys: SimKeys; store: MemoryStore; clock: SimClock; trust: Trust; wallet: WalletState; payer: Payer; who: Correspondent;
  /** Letters on their way, by id, and their answers. */
  mail: Map<string, { letter: Uint8Array; answer: Uint8Array | undefined }>;
}

let made = 0;
export async function addPhone(street: Street, user: string, consent = new Uint8Array(0)): Promise<Phone> {
  const keys = makeSimKeys(crypto, makeSimRandom(crypto, `${user} ${made++}`));
  const [signingKey, agreementKey] = [keys.make("device")!, keys.make("device agreement")!];
  const phone = { street, user, keys, store: makeMemoryStore({ pageBytes: 65536, pages: 2 }), mail: new Map() } as unknown as Phone;
  restart(phone);
  await tellHost(phone, messageType.enrolHandset, encodeHandsetEnrolment({ user, password, phone: "", consent, code: "", signingKey, agreementKey, keyClass: 2 }));
  return phone;
}
/** The phone begins again with what its storage holds, or with an older copy of it. */
export function restart(phone: Phone, store = phone.store.restarted()): void {
  const host = phone.street.world.context.keys;
  const trust = makeTrust(crypto, host.provider, host.root, host.spareRoot);
  for (const role of host.roles) takeObject(trust, role);
  const random = makeSimRandom(crypto, `${phone.user} random ${made++}`);
  const cells = openCells(store);
  const wallet = openWallet(cells);
  const next = (phone.who?.next ?? 0) + 1000;
  Object.assign(phone, {
    store, clock: makeSimClock(phone.street.world.machine.now()), trust, wallet,
    payer: { crypto, keys: phone.keys, random, cells, trust, wallet, signer: "device", opener: "device agreement" },
    who: { crypto, keys: phone.keys, random, trust, signer: "device", openers: ["device agreement"], next, ceiling: next + 1e6, reserve: () => undefined },
  });
}

/** A road for sealed letters to the host and back. */
export type Road = (letter: Uint8Array) => Promise<Uint8Array | undefined>;
export const mobile = (phone: Phone): Road => (letter) => knock(phone.street, letter);
export async function tellHost(phone: Phone, type: number, body: Uint8Array, road: Road = mobile(phone)): Promise<Uint8Array | undefined> {
  const letter = writeLetter(phone.who, type, body, phone.street.world.machine.now(), 2)!;
  const answer = await road(letter.bytes);
  return answer === undefined ? undefined : readAnswer(phone.who, letter, answer)?.body;
}

/** Sold at the desk, and collected. Answers the value's id. */
export async function giveCard(phone: Phone, product = "card"): Promise<Uint8Array> {
  await sell(phone.street.world.context, { product, user: phone.user, reference: `${product} of ${phone.user} ${made++}`, paid: "desk" });
  const offers = decodeOffers((await tellHost(phone, messageType.collect, encodeCollect("")))!)!;
  const delivered = (await tellHost(phone, messageType.deliver, keysFor(phone.keys, offers, 2)))!;
  takeDelivered(phone.wallet, phone.trust, phone.keys, delivered);
  return phone.wallet.values.at(-1)!.value.valueId;
}

// ---- meeting --------------------------------------------------------------------------------------------------------------------------------

/** Puts the phone before the box and does these jobs, one after the other; `faults` may lose or change bytes on the line. */
export async function meet(phone: Phone, box: Box, jobs: Job[], faults?: (bytes: Uint8Array) => Uint8Array[]): Promise<Done[]> {
  const done: Done[] = [];
  plugLine(box);
  const courier = makeCourier(box.clock, phone.payer.random, crypto, box.line.b, media.serial, 2048);
  courier.onDone = (d) => { if (d.done !== "here") done.push(d); };
  for (const job of jobs) give(courier, job);
  if (faults !== undefined) { box.line.a.fault = faults; box.line.b.fault = faults; }
  for (let i = 0; i < 20_000 && done.length < jobs.length; i++) {
    pollCourier(courier);
    box.line.deliver();
    poll(box.terminal);
    box.line.deliver();
    await postAll(box);
    box.clock.advance(20);
  }
  if (box.role === "meter") supply(box.point);
  return done;
}
function plugLine(box: Box): void {
  box.line = makeSimLine();
  Object.assign(box.board, { link: box.line.a });
}

/** What the terminal's own certificate is, as it says itself. */
export const certificateOf = (box: Box): Uint8Array => { const c = box.setup.certificate!.signed; return encodeSignedClaims(c.kid, c.claims, c.signature); };

/** *What do I owe here?* The statement, opened and checked; undefined when the terminal has nothing for this phone. */
export async function askAt(phone: Phone, box: Box, from = 1): Promise<CheckedStatement | undefined> {
  const found = await askBytes(phone, box, from);
  return found?.checked;
}
export async function askBytes(phone: Phone, box: Box, from = 1, ocmf = false): Promise<{ bytes: Uint8Array; checked: CheckedStatement } | undefined> {
  const ask = askStatement(phone.payer, certificateOf(box), from, ocmf)!;
  const [said, answered] = await meet(phone, box, [{ job: "bring", letter: ask }, { job: "answer", id: letterId(crypto, ask), untilMs: 0 }]);
  if (said?.done !== "brought" || said.code !== brought.taken || answered?.done !== "answer" || answered.answer === undefined) return undefined;
  return openStatement(phone.payer, certificateOf(box), answered.answer);
}

/** Takes the box's letters along. */
export async function collect(phone: Phone, box: Box): Promise<number> {
  const [d] = await meet(phone, box, [{ job: "collect" }]);
  const letters = d?.done === "collected" ? d.letters : [];
  for (const letter of letters) if (!phone.mail.has(hex(letterId(crypto, letter)))) phone.mail.set(hex(letterId(crypto, letter)), { letter, answer: undefined });
  return letters.length;
}
/** Sends what is carried by a road; answers how many got an answer. */
export async function send(phone: Phone, road: Road = mobile(phone)): Promise<number> {
  let answers = 0;
  for (const x of phone.mail.values()) {
    if (x.answer !== undefined) continue;
    x.answer = await road(x.letter);
    if (x.answer !== undefined) answers++;
  }
  return answers;
}
/** Brings every answer that is here to the box; what it takes is done with. Answers how many it took. */
export async function bringBack(phone: Phone, box: Box): Promise<number> {
  let taken = 0;
  for (const [id, x] of [...phone.mail]) {
    if (x.answer === undefined) continue;
    const [d] = await meet(phone, box, [{ job: "bring", letter: x.answer }]);
    if (d?.done !== "brought" || d.code !== brought.taken) continue;
    phone.mail.delete(id);
    taken++;
  }
  return taken;
}
export async function bring(phone: Phone, box: Box, letter: Uint8Array): Promise<number> {
  const [d] = await meet(phone, box, [{ job: "bring", letter }]);
  return d?.done === "brought" ? d.code : -1;
}
/** There, to the host and back again by one phone with its own network. */
export async function carry(phone: Phone, box: Box): Promise<void> {
  await collect(phone, box);
  await send(phone);
  await bringBack(phone, box);
}

/** A road through another fixed terminal: the letter is brought, passed on, and its answer fetched (U3, P13). */
export const through = (phone: Phone, box: Box): Road => async (letter) => {
  const [said, answered] = await meet(phone, box, [{ job: "bring", letter }, { job: "answer", id: letterId(crypto, letter), untilMs: box.clock.monotonicMs() + 5000 }]);
  return said?.done === "brought" && said.code === brought.taken && answered?.done === "answer" ? answered.answer : undefined;
};

// ---- paying ----------------------------------------------------------------------------------------------------------------------------------

export async function bills(phone: Phone, road?: Road): Promise<Owed[]> {
  const body = await tellHost(phone, settleType.owed, new Uint8Array([0x80]), road);
  return body === undefined ? [] : decodeOwed(body)!;
}

export type Paid = { paid: true; letter: Uint8Array; result: Uint8Array } | { paid: false; code: number };
/** Pays a bill, or goes on with one that was begun; `code` −1: no answer, it may be tried again. */
export async function payBill(phone: Phone, bill: Owed | undefined, how: { value?: Uint8Array; method?: string; more?: number } = {}, road?: Road, until: "end" | "receipt" | "begun" = "end"): Promise<Paid> {
  const begun = bill === undefined ? unfinished(phone.payer) : beginSettling(phone.payer, bill, how.value ?? new Uint8Array(0), how.method === undefined ? "" : "acquirer", how.method ?? "", how.more ?? 0);
  if (begun === undefined) return { paid: false, code: -2 };
  if (until === "begun") return { paid: false, code: -1 };
  for (let said: Said = begun; ;) {
    const body = await tellHost(phone, said.type, said.body, road);
    if (body === undefined) return { paid: false, code: -1 };
    const step = takeSettling(phone.payer, body);
    if (step.step === "done") return { paid: true, letter: step.letter, result: step.result };
    if (step.step === "refused") return { paid: false, code: step.code };
    if (step.step === "again" || until === "receipt") return { paid: false, code: -1 };
    said = step.said;
  }
}

// ---- books -----------------------------------------------------------------------------------------------------------------------------------

export const balance = (street: Street): Promise<Map<string, bigint>> => trialBalance(street.world.context.db, "EUR");
/** Sum of all accounts whose id begins so, in the owner's favour. */
export async function held(street: Street, account: string): Promise<number> {
  return [...await balance(street)].filter(([id]) => id.startsWith(account)).reduce((sum, [, minor]) => sum - Number(minor), 0);
}
export const breaches = (street: Street): Promise<unknown[]> => checkBooks(street.world.context.db);
export const incidents = async (street: Street): Promise<string[]> => (await street.world.context.db.selectFrom("incident").select("what").orderBy("incident_id").execute()).map((x) => x.what);

