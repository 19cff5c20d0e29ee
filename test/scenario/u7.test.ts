/**
 * U7: till and handset alone, no network. A shop keys in an amount; the handset pays electronic money over a serial line
 * while the host is switched off, and acknowledges with the value's own key before the till finishes. What broke off is
 * completed or undone. When the host is back, its books and the handset's receipts agree. By command line, each party a process.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { kaisatsu, Process, type Ran } from "../bench/command-line.js";
import { openLine, type Line } from "../../boards/bench/pty.js";
import { cobs, deframer, feed } from "../../protocol/link/frame.js";
import { messageType, type as messages } from "../../protocol/wire/message.js";

const folder = mkdtempSync(join(tmpdir(), "kaisatsu-u7-"));
let line: Line;
let host: Process;
let shop: Process;
let url = "";
let token = "";

const inFolder = (name: string): string => join(folder, name);
const startHost = async (port: string): Promise<void> => {
  host = new Process(["host", "--data", "host", "--port", port, "--name", "example", "--json"], folder);
  const listening = JSON.parse(await host.line(/listening/));
  url = listening.url;
  token = readFileSync(join(folder, listening.tokenFile), "utf8");
};
const startShop = async (...more: string[]): Promise<void> => {
  shop = new Process(["terminal", "shop.json", "--json", ...more], folder);
  await shop.line(/serving/);
};
async function api(path: string, body?: unknown): Promise<any> {
  const response = await fetch(url + path, { method: body === undefined ? "GET" : "POST", headers: { authorization: `Bearer ${token}`, ...(body !== undefined && { "content-type": "application/json" }) }, ...(body !== undefined && { body: JSON.stringify(body) }) });
  const answer = await response.json();
  expect(response.status, JSON.stringify(answer)).toBe(200);
  return answer;
}
const handset = (word: string, ...more: string[]): Promise<Ran> => kaisatsu(["handset", word, "--folder", inFolder("aiko"), ...more]);
const tap = (...more: string[]): Promise<Ran> => handset("tap", "--port", line.b, "--json", ...more);
const said = (ran: Ran): any => JSON.parse(ran.out.trim().split("\n").at(-1)!);
const left = async (): Promise<number> => said(await handset("values", "--json")).values[0].left;
/** What is owed by the accounts whose name begins so: credits are negative in a trial balance. */
const balance = async (name: string): Promise<number> => {
  const { balance: accounts } = await api("/api/ledger?currency=EUR");
  return Object.entries(accounts as Record<string, number>).filter(([account]) => account.startsWith(name)).reduce((sum, [, minor]) => sum - minor, 0);
};

beforeAll(async () => {
  line = openLine({ baud: 0 });
  await startHost("0");
  await api("/api/merchants", { merchant: "kiosk", name: "Kiosk" });
  await api("/api/issuers", { issuer: "bank", name: "Card issuer" });
  await api("/api/products", { product: "card", name: "Purse", kind: "card", sort: "prepaid", most: 10_000, price: 10_000, currency: "EUR", zones: [1], until: Math.floor(Date.now() / 1000) + 86_400 * 30, issuer: "bank" });
  const { claimCode } = await api("/api/terminals", { name: "Kiosk", role: "till", merchant: "kiosk", zones: [1], currency: "EUR", takes: [{ kind: "card", action: 3, zone: 1 }], settings: { passageMs: 100 } });
  const { invitation } = await api("/api/sales", { product: "card", user: "aiko@example.org", reference: "S-1", paid: "desk" });
  writeFileSync(inFolder("password"), "correct horse battery staple\n", { mode: 0o600 });
  const enrolled = await handset("enrol", "--host", url, "--user", "aiko@example.org", "--password-file", inFolder("password"), "--code", invitation);
  expect(enrolled).toMatchObject({ code: 0 });
  expect((await handset("collect")).code).toBe(0);
  writeFileSync(inFolder("shop.json"), JSON.stringify({ name: "Kiosk", role: "till", host: url, data: "shop", link: { port: line.a, baud: 115_200 } }));
  await startShop("--claim", claimCode);
  await shop.line(/"answers":true/);
}, 60_000);
afterAll(async () => {
  await shop?.stop();
  await host?.stop();
  line.close();
  rmSync(folder, { recursive: true });
});

test("a till that has heard the host once takes money", async () => {
  shop.type("1.00");
  await shop.line(/"amount":100/);
  await expect.poll(async () => said(await tap("--yes")).outcome, { timeout: 20_000 }).toBe("accepted");
  expect(await left()).toBe(9900);
});

test("U7: with the host switched off, the shop keys in 12.50 and the handset pays it", async () => {
  expect(await host.stop()).toBe(0);
  shop.type("12.50");
  expect(JSON.parse(await shop.line(/"amount":1250/))).toEqual({ event: "due", amount: 1250, currency: 978 });
  const paid = await tap("--yes");
  expect(said(paid)).toMatchObject({ outcome: "accepted", code: 0, left: 8650 });
  expect(JSON.parse(await shop.line(/"accepted"/, 2))).toMatchObject({ light: "green", amount: 1250, after: 1350 });
});

test("U7: it is paid once: with nothing due the same handset pays nothing", async () => {
  const again = await tap("--yes", "--within", "1");
  expect(again.code).not.toBe(0);
  expect(await left()).toBe(8650);
});

test("the shop is told what cannot be keyed in, and takes back what nobody paid", async () => {
  const typed: [string, string][] = [["12,5 or so", "not_an_amount"], ["60.00", "too_much"], ["5.00 USD", "not_an_amount"]];
  for (const [line, reason] of typed) {
    shop.type(line);
    await expect.poll(() => shop.err, { timeout: 10_000 }).toContain(`"reason":"${reason}"`);
  }
  shop.type("3.00");
  await shop.line(/"amount":300/);
  shop.type("0");
  expect(JSON.parse(await shop.line(/"amount":0/))).toMatchObject({ event: "due" });
  expect((await tap("--yes", "--within", "1")).code).not.toBe(0);
  expect(await left()).toBe(8650);
});

test("the holder is asked, and an amount that he declines stays due for another", async () => {
  shop.type("4.00");
  await shop.line(/"amount":400/);
  const declined = await kaisatsu(["handset", "tap", "--folder", inFolder("aiko"), "--port", line.b, "--silent", "1.00"], { answers: ["no"] });
  expect(declined.asked[0]).toMatch(/asks for 4\.00 EUR/);
  expect(declined.out).toMatch(/^Not paid/);
  const agreed = await kaisatsu(["handset", "tap", "--folder", inFolder("aiko"), "--port", line.b, "--silent", "1.00"], { answers: ["y"] });
  expect(agreed).toMatchObject({ code: 0 });
  expect(await left()).toBe(8250);
});

test("U7: the acknowledgement is lost and both sides start again: the payment is finished at the next tap, without a second charge", async () => {
  shop.type("2.50");
  await shop.line(/"amount":250/);
  const frames = deframer(cobs);
  let dead = false;
  line.options.toA = (bytes) => {
    if (!dead) dead = feed(frames, bytes).some((f) => messageType(f.payload) === messages.acknowledgement);
    return dead ? [] : [bytes];
  };
  expect((await tap("--yes")).code).toBe(1);
  line.options.toA = undefined;
  expect(shop.out.split("\n").filter((l) => /"accepted"/.test(l))).toHaveLength(3);
  expect(await shop.stop()).toBe(0);
  await startShop();
  shop.type("2.50");
  await shop.line(/"amount":250/);
  expect(said(await tap("--yes", "--intent", "resume"))).toMatchObject({ outcome: "accepted", left: 8000 });
  expect(await left()).toBe(8000);
});

test("S4: the host is back: what the till recorded is the merchant's, receipts and books agree, and the sums hold", async () => {
  await startHost(new URL(url).port);
  expect(await shop.stop()).toBe(0);
  await startShop();
  await shop.line(/"answers":true/);
  await expect.poll(() => balance("merchant/kiosk"), { timeout: 30_000 }).toBe(2000);
  expect(await balance("prepaid/")).toBe(8000);
  expect((await api("/api/ledger?currency=EUR")).breaches).toEqual([]);
  const report = said(await handset("receipts", "--report", "--json"));
  expect(report.receipts.map((r: { books: string }) => r.books)).toEqual(["agree", "agree", "agree", "agree"]);
});
