/**
 * Buying by hand: every command of `kaisatsu handset` that orders, pays, gives and takes, against a running host, as a stranger would
 * type them one after the other (P1, P8–P10, P16, P18).
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { kaisatsu, Process } from "./command-line.js";
import { addArticle } from "../../host/orders/articles.js";
import { startHost, type Host } from "../../host/host.js";
import { addIssuer, addMerchant, addProduct, sell } from "../../host/products.js";
import { checkBooks } from "../../host/invariants.js";

const folder = mkdtempSync(join(tmpdir(), "order-commands-"));
let host: Host;
const at = (name: string): string => join(folder, name);
beforeAll(async () => {
  host = await startHost({ folder: at("host"), name: "example" });
  const c = host.context, until = c.now() + 30 * 86_400;
  await addMerchant(c, { merchant: "hall", name: "Hall" });
  await addIssuer(c, { issuer: "box", name: "Box office" });
  await addProduct(c, { product: "concert", name: "Concert", kind: "ticket", sort: "ticket", price: 1500, zones: [1], until, issuer: "box", transferable: true });
  await addProduct(c, { product: "card", name: "Card of 50", kind: "card", sort: "prepaid", price: 5000, most: 5000, until, issuer: "box" });
  await addArticle(c, { article: "concert", sort: "value", stock: 5 });
  await addArticle(c, { article: "programme", sort: "goods", name: "Programme", merchant: "hall", price: 500, date: until });
  for (const user of ["aiko", "ben"]) expect((await kaisatsu(["handset", "enrol", "--folder", at(user), "--host", host.url, "--user", user, "--password-file", "-", "--yes"], { input: "correct horse battery" })).code).toBe(0);
  await sell(c, { product: "card", user: "aiko", reference: "desk", paid: "desk" });
  await run("aiko", "collect");
});
afterAll(async () => { await host.close(); rmSync(folder, { recursive: true, force: true }); });

/** One command, which must succeed; its JSON. */
async function run(user: string, command: string, ...more: string[]): Promise<any> {
  const ran = await kaisatsu(["handset", command, "--folder", at(user), "--json", ...more]);
  expect([ran.code, ran.err], `${command} ${more.join(" ")}`).toEqual([0, ""]);
  return JSON.parse(ran.out);
}
const no = async (user: string, code: number, command: string, ...more: string[]): Promise<string> => {
  const ran = await kaisatsu(["handset", command, "--folder", at(user), ...more]);
  expect(ran.code, ran.out + ran.err).toBe(code);
  return ran.err + ran.out;
};

test("order, look, pay, collect; the books stay clean", async () => {
  expect((await run("aiko", "catalogue")).articles.map((a: { article: string; left?: number }) => [a.article, a.left])).toEqual([["concert", 5], ["programme", undefined]]);
  const { order, total } = await run("aiko", "order", "concert*2", "programme");
  expect(total).toBe(3500);
  const [bill] = (await run("aiko", "bills")).bills;
  expect([bill.order, bill.judged, bill.how, bill.currency, bill.items.length]).toEqual([order, "own", "own", "EUR", 2]);
  const asked = await kaisatsu(["handset", "pay", "--folder", at("aiko")], { answers: ["n"] });
  expect([asked.code, asked.asked[0]]).toEqual([1, "Pay 35.00 EUR from Card of 50 (" + /\((\w{8})\)/.exec(asked.asked[0]!)![1] + ")? [y/N] "]);
  expect(await run("aiko", "pay", "--order", order, "--yes")).toEqual({ order, state: "paid" });
  expect((await run("aiko", "collect")).collected.map((v: { name: string }) => v.name)).toEqual(["Concert", "Concert"]);
  expect((await run("aiko", "bills")).bills).toEqual([]);
  expect(await checkBooks(host.context.db)).toEqual([]);
});

test("a bill is refused, and its seats are free again", async () => {
  const { order } = await run("aiko", "order", "concert*3");
  expect(await no("ben", 1, "order", "concert")).toContain("sold out");
  expect(await run("aiko", "cancel", "--order", order)).toEqual({ state: "refused", refunded: 0 });
  const { order: again } = await run("ben", "order", "concert");
  expect(await no("ben", 1, "pay", "--yes")).toContain("no card here can pay");
  await run("ben", "cancel", "--order", again);
});

test("a gift, the friend's thanks, and a value handed on both ways", async () => {
  const { order } = await run("aiko", "gift", "concert", "--to", "ben");
  await run("aiko", "pay", "--yes");
  expect(await no("ben", 1, "mail", "--thank", "Thanks!")).toContain("handset collect");
  await run("ben", "collect");
  expect((await run("ben", "mail")).gifts).toEqual([{ order, from: "aiko", names: ["Concert"], request: "" }]);
  expect(await run("ben", "mail", "--thank", "See you there!")).toEqual({ thanked: "aiko" });
  expect((await run("aiko", "mail")).thanks).toEqual([{ order, from: "ben", message: "See you there!", friend: "new" }]);
  expect(await run("ben", "give", "--value", "concert", "--to", "aiko")).toEqual({ given: "Concert", to: "aiko" });
  expect((await run("aiko", "collect")).collected).toHaveLength(1);
  expect((await run("ben", "values")).values.map((v: { state: string }) => v.state)).toEqual(["given to aiko"]);
  await run("ben", "take", "--ready", at("ready"));
  const ticket = (await run("aiko", "values")).values.find((v: { kind: string }) => v.kind === "ticket").valueId;
  await run("aiko", "give", "--value", ticket, "--to", "ben", "--ready", at("ready"), "--deed", at("deed"));
  expect((await run("ben", "take", "--deed", at("deed"))).taken.map((t: { name: string }) => t.name)).toEqual(["Concert"]);
  expect(await checkBooks(host.context.db)).toEqual([]);
});

test("custody: the request number fetches it once", async () => {
  const { order } = await run("aiko", "order", "programme");
  expect(await no("aiko", 1, "order", "programme", "--custody"), "only values wait in custody").toContain("cannot be delivered");
  await run("aiko", "cancel", "--order", order);
  const kept = await host.context.db.selectFrom("article").select("taken").where("article_id", "=", "programme").executeTakeFirstOrThrow();
  expect(kept.taken).toBe(1);
  await sell(host.context, { product: "card", user: "aiko", reference: "another", paid: "desk" });
  await run("aiko", "collect");
  const card = (await run("aiko", "values")).values.filter((v: { kind: string }) => v.kind === "card").at(-1).valueId;
  const { order: waits } = await run("aiko", "order", "concert", "--custody");
  await run("aiko", "pay", "--yes", "--value", card);
  const [number] = (await run("aiko", "mail", "--order", waits)).numbers;
  expect(number.request).toMatch(/^\d{8}$/);
  expect(await no("aiko", 1, "pick-up", "--number", "1")).toContain("does not fit");
  expect((await run("aiko", "pick-up", "--number", number.request)).taken).toHaveLength(1);
  expect(await no("aiko", 1, "pick-up", "--number", number.request)).toContain("does not fit");
});

test("an issuer as a process of its own signs what the host sells in its name (S6)", async () => {
  const argv = ["issuer", "--data", "club", "--id", "club", "--port", "0", "--json"];
  const stranger = new Process([...argv, "--host", host.url, "--root", "0".repeat(16)], folder);
  expect(await stranger.ended, "another root").toBe(1);
  const issuer = new Process([...argv, "--host", host.url, "--root", host.rootId], folder);
  const { url, signingKey, agreementKey } = JSON.parse(await issuer.line(/"listening"/)) as Record<string, string>;
  writeFileSync(at("club/products.json"), JSON.stringify({ "club-night": 3 }));
  await addIssuer(host.context, { issuer: "club", name: "Club", apart: { url: url!, signingKey: signingKey!, agreementKey: agreementKey! } });
  await addProduct(host.context, { product: "club-night", name: "Club night", kind: "ticket", sort: "ticket", price: 0, zones: [1], until: host.context.now() + 86_400, issuer: "club" });
  await addArticle(host.context, { article: "club-night", sort: "value" });
  await run("ben", "order", "club-night");
  await run("ben", "pay", "--yes");
  expect((await run("ben", "collect")).collected.map((v: { name: string }) => v.name)).toEqual(["Club night"]);
  expect(await issuer.stop()).toBe(0);
});

test.each([
  ["order", [], "say what"], ["order", ["concert*0"], "from 1 to 20"], ["order", ["concert", "--custody", "--shop", "0123456789abcdef"], "exclude each other"], ["order", ["concert", "--shop", "x"], "16 hexadecimal digits"],
  ["order", ["concert", "--at", "soon"], "--at must be a time"], ["gift", ["concert"], "--to is missing"], ["cancel", [], "--order is missing"], ["cancel", ["--order", "1"], "16 hexadecimal"], ["claim", [], "--token is missing"],
  ["pick-up", [], "--number is missing"], ["give", ["--to", "ben"], "--value is missing"], ["mail", ["--thank", "x"], "--thank needs --order"],
] as const)("%s %j is explained", async (command, more, says) => {
  expect(await no("aiko", 2, command, ...more)).toContain(says);
});
