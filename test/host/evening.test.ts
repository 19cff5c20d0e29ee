/**
 * An evening over real HTTP: a host with its database, a gate that is enrolled by its claim code, handsets that enrol,
 * collect and tap, records that arrive once, books and receipts that agree (S1, S6, S11).
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startHost, type Host } from "../../host/host.js";
import { collect, enrolPhone, refresh, report, type Phone } from "../../boards/node/phone.js";
import { inflate, random } from "../../boards/node/machine.js";
import { postClaim, postEnvelope } from "../../boards/node/network.js";
import { makeMemoryStore } from "../../boards/sim/store.js";
import { makeSimBoard, makeSimClock, makeSimDigital, makeSimKeys, makeSimLine } from "../../boards/sim/board.js";
import { nodeCrypto as crypto } from "../../protocol/crypto/node/node.js";
import { media } from "../../protocol/link/media.js";
import { gate } from "../../runtime/role/gate.js";
import { makeHandset, pollHandset } from "../../runtime/role/handset.js";
import { openSetup } from "../../runtime/setup.js";
import { beginClaim, finishClaim } from "../../runtime/sync/claim.js";
import { failed, makeSync, nextLetter, slots, takeAnswer } from "../../runtime/sync/sync.js";
import { closeNow, makeTerminal, poll, type Terminal } from "../../runtime/terminal.js";
import { action } from "../../protocol/wire/receipt.js";
import { newestReceipt } from "../../runtime/value/wallet.js";
import { refusal } from "../../protocol/refusal.js";

const folder = mkdtempSync(join(tmpdir(), "kaisatsu-"));
let host: Host;
const phones: Phone[] = [];
const clock = makeSimClock(Math.floor(Date.now() / 1000), 2);
const until = Math.floor(Date.now() / 1000) + 30 * 86_400;

const api = async (method: string, path: string, body?: unknown): Promise<any> => {
  const response = await fetch(host.url + path, { method, headers: { authorization: `Bearer ${host.operatorToken}`, ...(body !== undefined && { "content-type": "application/json" }) }, ...(body !== undefined && { body: JSON.stringify(body) }) });
  const json = await response.json();
  if (!response.ok) throw new Error(JSON.stringify(json));
  return json;
};

beforeAll(async () => {
  host = await startHost({ folder: join(folder, "host"), name: "example" });
  await api("POST", "/api/merchants", { merchant: "hall", name: "Example Hall" });
  await api("POST", "/api/issuers", { issuer: "box-office", name: "Box office" });
  await api("POST", "/api/products", { product: "concert", name: "Concert", kind: "ticket", sort: "ticket", price: 3000, zones: [1], until, issuer: "box-office", merchantShare: 9000 });
  await api("POST", "/api/products", { product: "ten", name: "Ten swims", kind: "coupon", sort: "coupons", most: 10, price: 5000, zones: [1], until, issuer: "box-office" });
});
afterAll(async () => {
  for (const phone of phones) phone.store.close();
  await host.close();
  rmSync(folder, { recursive: true });
});

interface Gate { terminal: Terminal; line: ReturnType<typeof makeSimLine>; passage: ReturnType<typeof makeSimDigital>; sync: ReturnType<typeof makeSync>; codes: number[] }
async function enrolGate(name: string): Promise<Gate> {
  const made = await api("POST", "/api/terminals", { name, role: "gate", merchant: "hall", zones: [1], takes: [{ kind: "ticket", action: 1, zone: 1 }, { kind: "coupon", action: 1, zone: 1 }] });
  const line = makeSimLine();
  const passage = makeSimDigital();
  const sim = makeSimBoard({ name, crypto, clock, link: line.a, passage, keys: makeSimKeys(crypto, random), inflate, store: makeMemoryStore({ pageBytes: 4096, pages: 8 }) });
  const board = { ...sim, random };
  const claim = beginClaim(board, made.claimCode.toLowerCase(), "test", new Uint8Array(4))!;
  const answer = await postClaim(host.url, claim.bytes);
  const claimed = finishClaim(board, claim, answer!);
  expect(claimed).toHaveProperty("digits");
  const terminal = makeTerminal(board, gate, media.serial, openSetup(board));
  const g: Gate = { terminal, line, passage, sync: makeSync(terminal), codes: [] };
  terminal.onEvent = (e) => { if (e.event === "shown") g.codes.push(e.code); };
  return g;
}

async function talkAll(g: Gate): Promise<void> {
  for (let i = 0; i < 20; i++) {
    poll(g.terminal);
    const letter = nextLetter(g.sync, "talk");
    if (letter === undefined) return;
    const answer = await postEnvelope(host.url, letter, 5000);
    if (answer === undefined) failed(g.sync, "talk"); else expect(takeAnswer(g.sync, "talk", answer)).toBe(true);
  }
}

async function enrol(user: string): Promise<Phone> {
  const { phone } = await enrolPhone(join(folder, user), host.url, user, "correct horse battery", "");
  phones.push(phone);
  return phone;
}

function tapHere(phone: Phone, g: Gate): void {
  // The host lives by the machine's clock, however slow the machine is today.
  clock.setUtc(Math.max(clock.utc().at, Math.floor(Date.now() / 1000)), 2);
  const handset = makeHandset({ ...phone, clock }, phone.wallet, phone.trust, g.line.b, media.serial, 2000);
  clock.setUtc(Math.floor(Date.now() / 1000), 2); // the host lives by the real clock
  const before = g.codes.length;
  for (let i = 0; i < 400 && g.codes.length === before; i++) { clock.advance(2); pollHandset(handset); g.line.deliver(); poll(g.terminal); g.line.deliver(); }
  if (g.codes.at(-1) === 0) g.passage.set(1);
  poll(g.terminal);
  g.passage.set(0);
  poll(g.terminal);
  for (let i = 0; i < 10; i++) { g.line.deliver(); pollHandset(handset); g.line.deliver(); poll(g.terminal); }
}

test("S1, S6: imported, delivered, tapped, synced: three sides agree", async () => {
  const imported = await api("POST", "/api/import", { format: "csv", list: "reference,name,user,product\nA-1,Aiko Example,aiko@example.org,concert\n" });
  expect(imported.issued).toBe(1);
  await api("POST", "/api/sales", { product: "ten", user: "aiko@example.org", reference: "S-1", paid: "desk" });
  const north = await enrolGate("North");
  await talkAll(north);
  expect(north.terminal.setup.statusBits).toBeDefined();
  const phone = await enrol("aiko@example.org");
  expect(await collect(phone)).toEqual([]);
  expect((await collect(phone, imported.values[0].invitation)).sort()).toEqual(["Aiko Example", "Ten swims"]);
  expect(await collect(phone)).toEqual([]);
  const [concert, ten] = [phone.wallet.values.find((v) => v.value.kind === "ticket")!, phone.wallet.values.find((v) => v.value.kind === "coupon")!];
  phone.wallet.chosen = concert.value.valueId;
  tapHere(phone, north);
  tapHere(phone, north);
  expect(north.codes).toEqual([0, refusal.already_used]);
  phone.wallet.chosen = ten.value.valueId;
  tapHere(phone, north);
  tapHere(phone, north);
  expect(newestReceipt(ten)!.after).toBe(2);
  await talkAll(north);
  expect(north.terminal.confirmed).toBe(north.terminal.journal.next - 1);
  const ledger = await api("GET", "/api/ledger?currency=EUR");
  expect(ledger.breaches).toEqual([]);
  const held = Object.entries(ledger.balance as Record<string, number>).filter(([a]) => a.startsWith("merchant/hall/")).reduce((sum, [, v]) => sum + v, 0);
  expect(held).toBe(-(2700 + 1000));
  expect(await report(phone, ten.value.valueId)).toEqual([0, 0]);
  expect(await report(phone, concert.value.valueId)).toEqual([0]);
  expect(await api("GET", "/api/incidents")).toEqual([]);
});

test("S6: a letter posted twice is taken once, a changed one not at all", async () => {
  const south = await enrolGate("South");
  await talkAll(south);
  const phone = phones[0]!;
  phone.wallet.chosen = phone.wallet.values.find((v) => v.value.kind === "coupon")!.value.valueId;
  tapHere(phone, south);
  const letter = nextLetter(south.sync, "talk")!;
  const answers = await Promise.all([postEnvelope(host.url, letter, 5000), postEnvelope(host.url, letter, 5000)]);
  const again = await postEnvelope(host.url, letter, 5000);
  expect(again).toBeDefined();
  for (let at = 0; at < letter.length; at += 37) {
    const changed = new Uint8Array(letter);
    changed[at]! ^= 1;
    expect(await postEnvelope(host.url, changed, 5000), `byte ${at}`).toBeUndefined();
  }
  expect(takeAnswer(south.sync, "talk", answers[0]!)).toBe(true);
  await talkAll(south);
  const uses = await api("GET", "/api/uses");
  expect(uses.filter((u: { state: string }) => u.state === "finished").length).toBe(4);
  expect((await api("GET", "/api/ledger?currency=EUR")).breaches).toEqual([]);
});

test("S11: revoked at the host, refused at the gate after its next sync; a new base at the host", async () => {
  const gateC = await enrolGate("West");
  await talkAll(gateC);
  const phone = await enrol("ben@example.org");
  const { valueId } = await api("POST", "/api/sales", { product: "ten", user: "ben@example.org", reference: "S-2", paid: "desk" });
  await collect(phone);
  const v = phone.wallet.values[0]!;
  tapHere(phone, gateC);
  expect(await refresh(phone, v.value.valueId)).toBe(refusal.status_undetermined);
  await talkAll(gateC);
  expect(await refresh(phone, v.value.valueId)).toBe(0);
  expect(newestReceipt(v)!.base).toMatchObject({ counter: 2, spent: 1 });
  expect(newestReceipt(v)!.action).toBe(action.enter);
  tapHere(phone, gateC);
  expect(newestReceipt(v)!.after).toBe(2);
  await api("POST", `/api/values/${valueId}/status`, { state: "revoked", why: "test" });
  gateC.sync.nextPullMs = 0;
  await talkAll(gateC);
  gateC.sync.nextPullMs = 0;
  await talkAll(gateC);
  tapHere(phone, gateC);
  expect(gateC.codes).toEqual([0, 0, refusal.revoked]);
  closeNow(gateC.terminal);
  await talkAll(gateC);
  expect((await api("GET", "/api/ledger?currency=EUR")).breaches).toEqual([]);
  expect(slots.length).toBe(3);
});

test("S1: a revoked terminal is told to the handset when it next hears of the host, and is shown nothing then", async () => {
  const east = await enrolGate("East");
  const phone = phones[0]!;
  const id = (await api("GET", "/api/terminals")).find((t: { name: string }) => t.name === "East").terminal_id;
  await api("POST", `/api/terminals/${id}/revoke`, { why: "stolen" });
  await collect(phone);
  expect(phone.trust.revokedTerminals.map((t) => Buffer.from(t).toString("hex"))).toContain(id);
  phone.wallet.chosen = phone.wallet.values.find((v) => v.value.kind === "coupon")!.value.valueId;
  tapHere(phone, east);
  expect(east.codes).not.toContain(0);
});

test("health, metrics and the API's own description", async () => {
  expect(await (await fetch(host.url + "/health")).json()).toMatchObject({ healthy: true });
  const text = await (await fetch(host.url + "/metrics")).text();
  expect(text).toMatch(/kaisatsu_envelopes_total\{result="repeated"\} [1-9]/);
  expect(text).toMatch(/kaisatsu_ledger_breaches 0/);
  const spec = (await (await fetch(host.url + "/openapi.json")).json()) as { openapi: string; paths: Record<string, unknown> };
  expect(spec.openapi).toBe("3.1.0");
  expect(Object.keys(spec.paths)).toContain("/api/values/{id}/status");
  expect((await fetch(host.url + "/api/members")).status).toBe(401);
  const refused = await fetch(host.url + "/api/products", { method: "POST", headers: { authorization: `Bearer ${host.operatorToken}`, "content-type": "application/json" }, body: "{}" });
  expect(refused.status).toBe(400);
  expect(((await refused.json()) as { message: string }).message).toMatch(/required property/);
});
