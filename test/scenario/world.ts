/**
 * The parties of an order, each with its own keys and journal: a host behind HTTP with its books on disk, handsets in folders, and
 * terminals that are only what they say to the host (their own roles have their own scenarios). Every party can be restarted from
 * what is durable; time is moved by hand for all of them.
 *
 * A scenario is told once, and once more with everybody restarted after each step: `told` runs it both ways.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { startHost, type Host } from "../../host/host.js";
import { nodeMachine } from "../../host/machine.js";
import { checkBooks } from "../../host/invariants.js";
import { trialBalance } from "../../host/ledger.js";
import { addArticle, type NewArticle } from "../../host/orders/articles.js";
import { reconcile } from "../../host/orders/processor.js";
import { workOrders } from "../../host/orders/work.js";
import type { Processor } from "../../host/payment/processor.js";
import { addIssuer, addMerchant, addProduct, type NewProduct } from "../../host/products.js";
import { addTerminal, claim } from "../../host/terminals.js";
import { postEnvelope } from "../../boards/node/network.js";
import { collect, enrolPhone, openPhone, type Phone } from "../../boards/node/phone.js";
import * as shop from "../../boards/node/shopping.js";
import { nodeCrypto as crypto } from "../../protocol/crypto/node/node.js";
import { claimKeys, macRequest, openAnswer, readAnswer, readClaimCode } from "../../protocol/wire/claim.js";
import * as contact from "../../protocol/wire/claim.js";
import { encodeMessage, openEnvelope, readEnvelope, sealEnvelope, verifyMessage } from "../../protocol/wire/envelope.js";
import * as letters from "../../protocol/wire/order-letters.js";
import { encodeOrder, orderState, orderStates, type Attachment, type Identification, type Order, type Parcel } from "../../protocol/wire/order.js";
import { keyId, signObject } from "../../protocol/wire/signed.js";
import { messageType } from "../../protocol/wire/sync.js";
import { valueOf, type WalletValue } from "../../runtime/value/wallet.js";
import { hex } from "../../protocol/wire/bytes.js";

export const password = "correct horse battery staple";

/** A terminal as the host knows it: an identity, and letters. */
export interface Box { id: Uint8Array; identity: Uint8Array; agreement: Uint8Array; next: number }

export interface World {
  host: Host;
  readonly phones: Record<string, Phone>;
  /** Seconds by which everybody's clock is ahead. */
  ahead: number;
  /** Everybody is restarted from what is durable, in this mode after each step. */
  restarts: boolean;
  step(): Promise<void>;
  phone(name: string): Phone;
  close(): Promise<void>;
  processors: Processor[];
  readonly folder: string;
}

/** Slow hashing costs a quarter of a second a password, and is not what these scenarios are about. */
const quickHash = (text: string, salt: Uint8Array): Promise<Uint8Array> => Promise.resolve(crypto.hmac(salt, new TextEncoder().encode(text)));

export async function openWorld(restarts: boolean, processors: Processor[] = []): Promise<World> {
  const folder = mkdtempSync(join(tmpdir(), "order-"));
  const w = { folder, phones: {} as Record<string, Phone>, ahead: 0, restarts, processors } as unknown as World;
  const clock = { monotonicMs: () => performance.now(), utc: () => ({ at: Math.floor(Date.now() / 1000) + w.ahead, quality: 2 as const }) };
  const start = async (): Promise<void> => {
    w.host = await startHost({ folder: join(folder, "host"), name: "example", machine: { now: () => nodeMachine.now() + w.ahead, slowHash: quickHash }, processors: w.processors, port: w.host === undefined ? 0 : Number(new URL(w.host.url).port) });
  };
  const reopen = (name: string): void => { w.phones[name]!.store.close(); w.phones[name] = openPhone(w.phones[name]!.folder, clock); };
  w.phone = (name) => w.phones[name]!;
  w.step = async () => {
    if (!w.restarts) return;
    await w.host.close();
    await start();
    for (const name of Object.keys(w.phones)) reopen(name);
  };
  w.close = async () => { for (const p of Object.values(w.phones)) p.store.close(); await w.host.close(); rmSync(folder, { recursive: true, force: true }); };
  await start();
  Object.assign(w, { clock });
  return w;
}

export async function enrol(w: World, name: string, phoneNumber = ""): Promise<Phone> {
  const { phone } = await enrolPhone(join(w.folder, name), w.host.url, name, password, phoneNumber, { clock: (w as unknown as { clock: Phone["clock"] }).clock });
  w.phones[name] = phone;
  return phone;
}

// ---- what is sold ---------------------------------------------------------------------------------------------------------

const days = 86_400;
/** A hall, a record shop, an issuer; a ticket for 30.00 that may be passed on, one that may not, a card of 20.00 and one of 50.00. */
export async function openShop(w: World): Promise<void> {
  const c = w.host.context, until = c.now() + 90 * days;
  for (const [merchant, name] of [["hall", "Hall"], ["records", "Record shop"]] as const) await addMerchant(c, { merchant, name });
  await addIssuer(c, { issuer: "box", name: "Box office" });
  const ticket: NewProduct = { product: "concert", name: "Concert", kind: "ticket", sort: "ticket", price: 3000, zones: [1], until, issuer: "box", merchantShare: 9000, transferable: true };
  for (const product of [ticket, { ...ticket, product: "members", name: "Members' evening", transferable: false }, { ...ticket, product: "card", name: "Card of 20", kind: "card", sort: "prepaid" as const, price: 2000, most: 2000 },
    { ...ticket, product: "purse", name: "Card of 50", kind: "card", sort: "prepaid" as const, price: 5000, most: 5000 }]) await addProduct(c, product);
  const articles: NewArticle[] = [
    { article: "concert", sort: "value" }, { article: "members", sort: "value" }, { article: "card", sort: "value" }, { article: "seat", sort: "value", product: "concert", name: "The last seat", stock: 1 },
    { article: "record", sort: "goods", name: "Record", merchant: "records", price: 1500, date: until },
    { article: "stream", sort: "broadcast", name: "Live stream", merchant: "hall", price: 900 },
    { article: "guide", sort: "information", name: "Guide to the evening", merchant: "hall", price: 0, content: "Doors open at seven." },
    { article: "evening", sort: "bundle", name: "Record, concert and stream", price: 5000, parts: ["record", "concert", "stream"] },
  ];
  for (const article of articles) await addArticle(c, article);
}

/** Buys a card at the desk and collects it, so that there is something to pay with. */
export async function giveCard(w: World, name: string, product: "card" | "purse" = "purse"): Promise<WalletValue> {
  await api(w, "POST", "/api/sales", { product, user: name, reference: `${product} of ${name} ${w.phone(name).wallet.values.length}`, paid: "desk" });
  await collect(w.phone(name));
  return card(w, name);
}
export const card = (w: World, name: string): WalletValue => w.phone(name).wallet.values.find((v) => v.value.kind === "card" && v.given === "")!;
export const tickets = (w: World, name: string): WalletValue[] => w.phone(name).wallet.values.filter((v) => v.value.kind === "ticket");
export const valueHere = (w: World, name: string, id: Uint8Array): WalletValue => valueOf(w.phone(name).wallet, id)!;

export async function api<T>(w: World, method: string, path: string, body?: unknown): Promise<T> {
  const r = await fetch(w.host.url + path, { method, headers: { authorization: `Bearer ${w.host.operatorToken}`, ...(body !== undefined && { "content-type": "application/json" }) }, ...(body !== undefined && { body: JSON.stringify(body) }) });
  const json = await r.json() as T;
  if (!r.ok) throw new Error(`${method} ${path}: ${JSON.stringify(json)}`);
  return json;
}

// ---- terminals --------------------------------------------------------------------------------------------------------------

function newSecret(): Uint8Array {
  for (;;) {
    const secret = nodeMachine.random(32);
    if (crypto.publicKey(secret)?.[0] === 2) return secret;
  }
}

/** Enrols a terminal by its claim code, as any terminal does. */
export async function addBox(w: World, name: string, role: "till" | "gate" = "till"): Promise<Box> {
  const { claimCode } = await addTerminal(w.host.context, { name, role, merchant: "hall", zones: [1], takes: [{ kind: "card", action: 3, zone: 1 }, { kind: "ticket", action: 1, zone: 1 }] });
  const read = readClaimCode(claimCode)!, nonce = nodeMachine.random(16);
  const [identity, signing, agreement] = [newSecret(), newSecret(), newSecret()];
  const request = contact.encodeClaimRequest({ lookup: read.lookup, nonce, identityKey: crypto.publicKey(identity)!, signingKey: crypto.publicKey(signing)!, agreementKey: crypto.publicKey(agreement)!, model: "test", software: new Uint8Array(4) });
  const keys = claimKeys(crypto, read.secret, nonce);
  const parts = readAnswer(crypto, keys, request, (await claim(w.host.context, macRequest(crypto, keys, request)))!)!;
  const granted = contact.decodeClaimGranted(openAnswer(crypto, request, parts.point, crypto.agree(agreement, parts.point)!, parts.sealed)!)!;
  return { id: granted.terminalId, identity, agreement, next: 1 };
}

/** One letter of a terminal, and the body of the host's answer. */
export async function say(w: World, box: Box, type: number, body: Uint8Array): Promise<Uint8Array> {
  const keys = w.host.context.keys;
  const claims = encodeMessage({ recipient: keys.kid("envelope"), at: w.host.context.now(), quality: 2, sequence: box.next++, type, body, answers: undefined, certificate: undefined });
  const letter = sealEnvelope(crypto, signObject(crypto, "message", box.identity, claims), { ephemeral: newSecret(), nonce: nodeMachine.random(12), recipientKey: keys.publicKey("envelope"), least: 0 })!;
  const answer = await postEnvelope(w.host.url, letter, 10_000);
  if (answer === undefined) throw new Error("the host said nothing to the terminal");
  const sealed = readEnvelope(answer)!;
  const signed = openEnvelope(crypto, sealed, crypto.publicKey(box.agreement)!, crypto.agree(box.agreement, sealed.ephemeral)!)!;
  return verifyMessage(crypto, signed, [{ kid: keys.kid("sender"), publicKey: keys.publicKey("sender") }], keyId(crypto, crypto.publicKey(box.agreement)!))!.body;
}

/** A terminal places an order; answers its id and the host's code. */
export async function orderAt(w: World, box: Box, who: Identification, parcels: Parcel[], more: Partial<Order> = {}): Promise<{ id: Uint8Array; code: number }> {
  const order: Order = { id: nodeMachine.random(8), who, parcels, demand: 0, attachments: [], ...more };
  return { id: order.id, code: letters.decodeOrdered(await say(w, box, messageType.order, encodeOrder(order)))!.code };
}
export const challengeOf = (box: Box): shop.Challenge => ({ terminal: box.id, challenge: nodeMachine.random(16) });

// ---- parcels in a few words -----------------------------------------------------------------------------------------------------

export const mine = (article: string, more: Partial<Parcel> = {}): Parcel => ({ to: { kind: "payer" }, delivery: { by: "handset" }, at: 0, lines: [{ article, count: 1 }], ...more });
export const forUser = (user: string, article: string, more: Partial<Parcel> = {}): Parcel => mine(article, { to: { kind: "user", user }, ...more });
export const forPhone = (phone: string, article: string): Parcel => mine(article, { to: { kind: "phone", phone } });
export const sealedFor = (to: number, text: string): Attachment => ({ to, sealed: new TextEncoder().encode(text) });

// ---- what must hold ---------------------------------------------------------------------------------------------------------------

export type Books = Map<string, bigint>;
export const booksOf = (w: World): Promise<Books> => trialBalance(w.host.context.db, "EUR");
/** Debit + and credit − of what moved, without days. */
export function moved(before: Books, after: Books): Record<string, number> {
  const change: Record<string, number> = {};
  for (const account of new Set([...before.keys(), ...after.keys()])) {
    const by = Number((after.get(account) ?? 0n) - (before.get(account) ?? 0n));
    if (by !== 0) change[account.replace(/\/\d{4,6}$/, "")] = by;
  }
  return change;
}
/** Every check of `money.md` §6 is clean. */
export async function expectCleanBooks(w: World): Promise<void> {
  expect(await checkBooks(w.host.context.db)).toEqual([]);
}
/** Runs what must be refused: with this code, and no account has moved. */
export async function refused(w: World, code: number, what: () => Promise<unknown>): Promise<void> {
  const before = await booksOf(w);
  const said = await what().then((answer) => (typeof answer === "object" && answer !== null && "code" in answer ? (answer as { code: number }).code : "not refused"), (error: unknown) => (error instanceof shop.OrderRefused ? error.code : error));
  expect(said).toBe(code);
  expect(moved(before, await booksOf(w))).toEqual({});
  await expectCleanBooks(w);
}
export const stateOf = async (w: World, id: Uint8Array): Promise<string> => orderStates[(await w.host.context.db.selectFrom("orders").select("state").where("order_id", "=", hex(id)).executeTakeFirst())?.state ?? 0];
export const stepsOf = async (w: World, id: Uint8Array): Promise<string[]> => (await w.host.context.db.selectFrom("order_step").select("state").where("order_id", "=", hex(id)).orderBy("number").execute()).map((s) => orderStates[s.state] ?? "");
export const incidents = async (w: World): Promise<string[]> => (await w.host.context.db.selectFrom("incident").select("what").execute()).map((x) => x.what);

/** What time does at the host, and what processors still owe. */
export async function pass(w: World, seconds: number): Promise<void> {
  w.ahead += seconds;
  await workOrders(w.host.context);
  await reconcile(w.host.context);
}

/** The only open bill of this handset. */
export async function bill(w: World, name: string): Promise<shop.JudgedBill> {
  const list = await shop.bills(w.phone(name));
  expect(list).toHaveLength(1);
  return list[0]!;
}
/** Pays it from the card here. */
export async function payFromCard(w: World, name: string): Promise<number> {
  return await shop.pay(w.phone(name), await bill(w, name), { value: card(w, name) });
}

let open: World | undefined;
afterEach(async () => { await open?.close(); open = undefined; });

/** The scenario as it is told, and with every party restarted after each step. */
export function told(title: string, tale: (w: World) => Promise<void>, processors: () => Processor[] = () => []): void {
  describe(title, () => {
    test.each([["in one go", false], ["everybody restarted after each step", true]] as const)("%s", async (_how, restarts) => {
      open = await openWorld(restarts, processors());
      await openShop(open);
      await tale(open);
      await expectCleanBooks(open);
      expect(await incidents(open)).toEqual([]);
    });
  });
}
/** A test of its own in a fresh world. */
export function alone(title: string, tale: (w: World) => Promise<void>, processors: () => Processor[] = () => []): void {
  test(title, async () => {
    open = await openWorld(false, processors());
    await openShop(open);
    await tale(open);
    await expectCleanBooks(open);
  });
}
export { orderState, shop, collect };
