/**
 * The operator API: every route asks for the token, does what its description says, names what to do when it refuses; the
 * description is sound OpenAPI; nothing secret leaves the host or lies in its files in clear; two fresh hosts share nothing.
 */
import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openApi, routes } from "../../host/api.js";
import { makeBroker } from "../../host/handover.js";
import { startHost, type Host } from "../../host/host.js";
import { claim } from "../../host/terminals.js";
import { label, seldom } from "../../host/watch.js";
import { encodeBill, encodeOrder, orderState } from "../../protocol/wire/order.js";
import { decodeBills, encodeNothing, encodePay } from "../../protocol/wire/order-letters.js";
import { messageType } from "../../protocol/wire/sync.js";
import { digest16 } from "../../protocol/wire/value.js";
import { ask, batchOf, claimRequest, enrol, enrolBox, holder, journal, newSecret, openShop, password, sync, testMachine, use, type World } from "./world.js";

const folder = mkdtempSync(join(tmpdir(), "api-"));
let host: Host;
let x: World;
const answers: string[] = [];
const logged: string[] = [];
const call = async (method: string, path: string, body?: unknown, token: string | undefined = host.operatorToken): Promise<{ status: number; json: any }> => {
  const r = await fetch(host.url + path, { method, headers: { ...(token !== undefined && { authorization: `Bearer ${token}` }), ...(body !== undefined && { "content-type": "application/json" }) }, ...(body !== undefined && { body: JSON.stringify(body) }) });
  const text = await r.text();
  answers.push(text);
  return { status: r.status, json: JSON.parse(text) };
};

beforeAll(async () => {
  const machine = testMachine("api");
  host = await startHost({ folder, name: "example", machine, log: (line) => { logged.push(line); } });
  x = { context: host.context, broker: makeBroker(machine), machine, counted: {}, count: () => undefined, close: host.close };
});
afterAll(async () => {
  await host.close();
  rmSync(folder, { recursive: true });
});

describe("without the token", () => {
  test.each(routes.map((r) => [r.method.toUpperCase(), r.path.replace(/:\w+/g, "anything")]))("%s %s says what to send, and reads nothing", async (method, path) => {
    for (const token of ["", "x", host.operatorToken.slice(1), host.operatorToken + "x"]) {
      const { status, json } = await call(method, path, method === "POST" ? { nonsense: true } : undefined, token);
      expect([status, json.error]).toEqual([401, "not_authorised"]);
    }
  });
});

test("every route does what it says", async () => {
  const done = new Set<string>();
  const ok = async (method: "get" | "post", path: string, params: Record<string, string> = {}, body?: unknown, query = ""): Promise<any> => {
    done.add(`${method} ${path}`);
    const { status, json } = await call(method.toUpperCase(), path.replace(/:(\w+)/g, (_m, name: string) => encodeURIComponent(params[name]!)) + query, body);
    expect([status, json], path).toEqual([200, json]);
    return json;
  };
  await openShop(x);
  await ok("post", "/api/merchants", {}, { merchant: "bar", name: "Bar" });
  await ok("post", "/api/issuers", {}, { issuer: "club", name: "Club" });
  await ok("post", "/api/products", {}, { product: "drink", name: "Drinks", kind: "drink", sort: "coupons", most: 3, price: 900, until: x.machine.now() + 86_400, issuer: "club", merchantShare: 10_000 });
  expect((await ok("get", "/api/merchants")).map((m: { merchant_id: string }) => m.merchant_id)).toEqual(["bar", "hall"]);
  expect(await ok("get", "/api/issuers")).toHaveLength(2);
  expect(await ok("get", "/api/products")).toHaveLength(4);
  expect((await ok("post", "/api/members", {}, { user: "Chi", password, phone: "+81 90 1234 5678" })).recovery).toMatch(/^[0-9A-Z-]{24}$/);
  const { phone, value } = await holder(x, "aiko", "ten");
  expect((await ok("get", "/api/members")).map((m: { user_id: string }) => m.user_id)).toEqual(["aiko", "chi"]);
  await ok("post", "/api/members/:user/reopen", { user: "chi" });
  expect(await ok("get", "/api/handsets")).toHaveLength(1);
  const made = await ok("post", "/api/terminals", {}, { name: 'N"or\\th', role: "gate", merchant: "hall", zones: [1], takes: [{ kind: "coupon", action: 1, zone: 1 }] });
  const claimed = await claim(x.context, claimRequest(x, made.claimCode, [newSecret(x), newSecret(x), newSecret(x)]).bytes);
  expect(claimed).toBeDefined();
  const [box, clone] = [await enrolBox(x), await enrolBox(x)];
  await ok("post", "/api/terminals/:id/settings", { id: box.id }, { passageMs: 9000 });
  await ok("post", "/api/terminals/:id/suspend", { id: box.id }, { why: "test" });
  await ok("post", "/api/terminals/:id/restore", { id: box.id }, { why: "test" });
  const meter = await ok("post", "/api/terminals", {}, { name: "Pitch 7", role: "meter", merchant: "hall", zones: [], takes: [] });
  expect((await call("POST", `/api/terminals/${box.id}/plan`, { currency: "EUR", tariffs: [{ id: 1, bands: [{ price: 1 }] }] })).json.error).toBe("no_meter");
  await ok("post", "/api/terminals/:id/plan", { id: meter.terminalId }, { currency: "EUR", tariffs: [{ id: 1, bands: [{ price: 30_250, register: "1.8.1", months: [0, 1], days: [5, 6], fromMinute: 0, toMinute: 360 }] }] });
  expect((await ok("post", "/api/terminals/:id/users", { id: meter.terminalId }, { user: "aiko", mode: "prepaid", tariff: 1 })).user).toMatch(/^[0-9a-f]{16}$/);
  expect((await call("POST", `/api/terminals/${meter.terminalId}/users`, { user: "aiko", mode: "prepaid", tariff: 1 })).json.error).toBe("user_taken");
  expect(await ok("get", "/api/charges")).toMatchObject([{ terminal_id: meter.terminalId, user_id: "aiko", stated: 0, paid: 0 }]);
  const sold = await ok("post", "/api/sales", {}, { product: "concert", user: "aiko", reference: "Desk 1/2 {d}", paid: "desk" });
  const stranger = await ok("post", "/api/sales", {}, { product: "concert", user: "Somebody@example.org", reference: "S", paid: "desk" });
  expect([sold.invitation, typeof stranger.invitation]).toEqual([undefined, "string"]);
  expect((await ok("post", "/api/import", {}, { format: "json", list: JSON.stringify([{ reference: "J", user: "dan", name: "Dan", product: "concert" }]) })).issued).toBe(1);
  const first = use(x, box, value, undefined);
  journal(box, first.entry, { kind: "refused", code: 21, valueId: value.valueId, at: 0, quality: 0 });
  journal(clone, use(x, clone, value, undefined).entry, new Uint8Array([0xff]));
  await sync(x, box);
  await sync(x, clone);
  expect(await ok("get", "/api/uses", {}, undefined, `?value=${Buffer.from(value.valueId).toString("hex")}`)).toHaveLength(2);
  const [opened] = await ok("get", "/api/cases");
  await ok("post", "/api/cases/:id", { id: opened.case_id }, { merchant: true, bearer: "issuer/box" });
  expect((await call("POST", `/api/cases/${opened.case_id}`, { merchant: false })).json.error).toBe("case_decided");
  expect((await ok("get", "/api/incidents")).map((i: { what: string }) => i.what)).toEqual(["the entry cannot be read"]);
  await ok("post", "/api/articles", {}, { article: "programme", name: "Programme", sort: "goods", merchant: "hall", price: 0, date: x.machine.now() + 86_400, stock: 2 });
  const order = { id: new Uint8Array(8).fill(7), who: { by: "own" as const }, parcels: [{ to: { kind: "payer" as const }, delivery: { by: "handset" as const }, at: 0, lines: [{ article: "programme", count: 1 }] }], demand: 0, attachments: [] };
  await ask(x, phone, messageType.order, encodeOrder(order));
  const [line] = (await ok("get", "/api/orders/:id", { id: "07".repeat(8) })).lines;
  expect((await call("POST", `/api/lines/${line.line_id}/delivered`)).json.error).toBe("not_paid");
  const [bill] = decodeBills((await ask(x, phone, messageType.bills, encodeNothing()))!)!;
  await ask(x, phone, messageType.pay, encodePay({ order: order.id, payment: order.id, bill: digest16(x.context.crypto, encodeBill(bill!)), means: { with: "free" } }));
  expect(await ok("post", "/api/lines/:id/delivered", { id: line.line_id })).toEqual({ delivered: true });
  expect((await ok("get", "/api/orders", {}, undefined, "?user=aiko")).map((o: { state: number }) => o.state)).toEqual([orderState.acknowledged]);
  expect((await ok("get", "/api/articles")).map((a: { taken: number }) => a.taken)).toEqual([1]);
  expect(await ok("get", "/api/texts")).toEqual([]);
  await ok("post", "/api/texts/:number/sent", { number: "1" });
  expect(await ok("get", "/api/refusals")).toEqual([{ code: 21, times: 1 }]);
  expect((await ok("get", "/api/values", {}, undefined, "?user=AIKO")).map((v: { status: number }) => v.status)).toEqual([0, 2]);
  await ok("post", "/api/values/:id/status", { id: sold.valueId }, { state: "revoked", why: "lost" });
  await ok("post", "/api/handsets/:kid/revoke", { kid: Buffer.from(phone.kid).toString("hex") });
  await ok("post", "/api/terminals/:id/revoke", { id: clone.id }, { why: "stolen" });
  expect((await ok("get", "/api/terminals")).map((t: { suspended: number }) => t.suspended).sort()).toEqual([0, 0, 0, 2]);
  journal(box, { kind: "closed", tap: 50 }, { kind: "closed", tap: 51 });
  await sync(x, { ...box, entries: box.entries, next: 900 } as typeof box, batchOf(box, 4, 4));
  expect(await ok("post", "/api/terminals/:id/lost", { id: box.id }, { through: 3, why: "broken flash" })).toEqual({ confirmed: 4 });
  expect(await ok("get", "/api/forgeries")).toEqual([]);
  expect(await ok("post", "/api/groups/:group/rekey", { group: "1" }, { why: "a board was opened" })).toMatchObject({ epoch: expect.any(Number) as number });
  expect((await call("POST", "/api/groups/1/rekey", { why: "x", without: [box.id] })).json.error).toBe("not_of_group");
  const ledger = await ok("get", "/api/ledger", {}, undefined, "?currency=EUR");
  expect(ledger.balance["issuer/box/" + Math.floor(x.machine.now() / 86_400)]).toBeDefined();
  expect((await ok("get", "/api/audit", {}, undefined, "?limit=3"))).toHaveLength(3);
  expect([...done].sort()).toEqual(routes.map((r) => `${r.method} ${r.path}`).sort());
});

describe("a refusal names what to do", () => {
  test.each<[string, string, unknown, number, RegExp]>([
    ["POST", "/api/merchants", {}, 400, /required property 'merchant'/], ["POST", "/api/merchants", { merchant: "a/b", name: "x" }, 400, /pattern/],
    ["POST", "/api/merchants", { merchant: "a", name: "x", extra: 1 }, 400, /additional properties/], ["POST", "/api/products", { product: "p", name: "x", kind: "k", sort: "ticket", price: 1, until: 1, issuer: "box" }, 400, /ended before it is sold/],
    ["POST", "/api/sales", { product: "no", user: "a", reference: "r", paid: "desk" }, 404, /no product no: add it first/], ["POST", "/api/members", { user: "a", password: "short" }, 400, /fewer than 10/],
    ["POST", "/api/members", { user: "a", password: "1234567890" }, 400, /not be one of the commonest/], ["POST", "/api/members/nobody/reopen", undefined, 404, /no member nobody/],
    ["POST", "/api/terminals", { name: "x", role: "gate", merchant: "no", zones: [], takes: [{ kind: "k", action: 1, zone: 0 }] }, 404, /no merchant no: add it first/],
    ["POST", "/api/terminals", { name: "x", role: "gate", merchant: "hall", zones: [], takes: [], settings: { pasageMs: 1 } }, 400, /additional properties/],
    ["POST", "/api/terminals/none/revoke", { why: "x" }, 404, /no terminal none/], ["POST", "/api/handsets/none/revoke", undefined, 404, /no handset none/],
    ["POST", "/api/values/none/status", { state: "revoked", why: "x" }, 404, /no value none/], ["POST", "/api/cases/none", { merchant: true }, 404, /no case none/],
    ["POST", "/api/cases/none", { merchant: true, bearer: "bank/own" }, 400, /pattern/], ["POST", "/api/import", { format: "csv", list: "x" }, 400, /names nobody/],
    ["GET", "/api/values?limit=1001", undefined, 400, /<= 1000/], ["GET", "/api/values?colour=red", undefined, 400, /additional properties/], ["GET", "/api/nothing", undefined, 404, /See \/openapi.json/],
  ])("%s %s %j", async (method, path, body, expected, said) => {
    const { status, json } = await call(method, path, body);
    expect([status, json.message]).toEqual([expected, expect.stringMatching(said)]);
  });
  test("none of them was the host's fault", () => { expect(logged).toEqual([]); });
});

test("lists beyond a page: each row once, in order, whatever the page", async () => {
  for (let n = 0; n < 25; n++) await call("POST", "/api/merchants", { merchant: `m${String(n).padStart(2, "0")}`, name: "x" });
  const forward: string[] = [];
  for (let after = ""; ;) {
    const page = (await call("GET", `/api/merchants?limit=10${after === "" ? "" : `&after=${after}`}`)).json as { merchant_id: string }[];
    if (page.length === 0) break;
    forward.push(...page.map((m) => m.merchant_id));
    after = forward.at(-1)!;
  }
  expect(forward).toEqual([...new Set(forward)].sort());
  expect(forward).toHaveLength(27);
  const backward: number[] = [];
  for (let before = Number.MAX_SAFE_INTEGER; ;) {
    const page = (await call("GET", `/api/values?limit=2&before=${before}`)).json as { number: number }[];
    if (page.length === 0) break;
    backward.push(...page.map((v) => v.number));
    before = backward.at(-1)!;
  }
  expect(backward).toEqual((await x.context.db.selectFrom("issued").select("status_index").orderBy("status_index", "desc").execute()).map((v) => v.status_index));
});

test("the description is sound OpenAPI 3.1: each path parameter declared, each id unique, each reference there, each schema of a known type", async () => {
  const spec = (await call("GET", "/openapi.json")).json;
  expect(spec).toEqual(JSON.parse(JSON.stringify(openApi("example"))));
  const ids: string[] = [];
  for (const [path, item] of Object.entries<Record<string, any>>(spec.paths)) for (const [method, operation] of Object.entries<any>(item)) {
    ids.push(operation.operationId);
    expect(["get", "post"], path).toContain(method);
    const declared = (operation.parameters ?? []).filter((p: { in: string }) => p.in === "path").map((p: { name: string }) => p.name);
    expect([...path.matchAll(/{(\w+)}/g)].map((m) => m[1]), path).toEqual(declared);
    expect(Object.keys(operation.responses).length, path).toBeGreaterThan(0);
    expect(operation.summary, path).toMatch(/^[A-Z]/);
    if (path.startsWith("/api/")) expect(operation.security, path).toEqual([{ operator: [] }]);
  }
  expect(new Set(ids).size).toBe(ids.length);
  const visit = (node: any): void => {
    if (typeof node !== "object" || node === null) return;
    if (typeof node["$ref"] === "string") expect(node["$ref"].slice(2).split("/").reduce((at: any, key: string) => at?.[key], spec), node["$ref"]).toBeDefined();
    if (typeof node["type"] === "string" && node["schema"] === undefined) expect(["object", "string", "integer", "boolean", "array", "http"]).toContain(node["type"]);
    Object.values(node).forEach(visit);
  };
  visit(spec);
  expect(Object.keys(spec.paths).filter((p) => p.startsWith("/api/")).length).toBe(new Set(routes.map((r) => r.path)).size);
});

describe("secrets", () => {
  test("are in no answer, no log and, but for the key store's own sealed file, nowhere on disk in clear", async () => {
    const box = await enrolBox(x);
    const phone = await enrol(x, "eve", { password: "the password of eve", phone: "+49 170 7654321" });
    const keys = x.context.keys;
    const group = keys.group(1, 1);
    const secrets: [string, string | Uint8Array][] = [
      ["password", "the password of eve"], ["phone number", "7654321"], ["operator's phone number", "1234 5678"], ["claim code", box.code.replaceAll("-", "").slice(4, 19)], ["recovery code", phone.said.recovery],
      ["pepper", keys.pepper()], ["grant key", group.grantKey], ["derive key", group.deriveKey], ["receipt key", group.receiptKey], ["wrapping key", new Uint8Array(readFileSync(join(folder, "keystore.key")))],
    ];
    const files = readdirSync(folder).filter((name) => !["keystore.key", "operator.token"].includes(name)).map((name) => readFileSync(join(folder, name)));
    const inClear = [...files, Buffer.from(logged.join("\n"))];
    for (const [name, secret] of secrets) {
      const forms = typeof secret === "string" ? [Buffer.from(secret)] : [Buffer.from(secret), Buffer.from(Buffer.from(secret).toString("hex")), Buffer.from(Buffer.from(secret).toString("base64").slice(0, 40))];
      for (const form of forms) expect(inClear.some((content) => content.includes(form)), name).toBe(false);
    }
    const read = (await Promise.all(["/api/members", "/api/handsets", "/api/terminals", "/api/issuers", "/api/incidents", "/api/audit"].map(async (path) => JSON.stringify((await call("GET", path)).json)))).join("");
    expect(read).not.toMatch(/scrypt|claim_secret|"password"|"recovery"/);
    expect(files.some((content) => content.includes(Buffer.from("eve"))), "the search finds what is there").toBe(true);
  });
  test("files are for their owner only, and the host listens on loopback unless told otherwise", () => {
    for (const name of readdirSync(folder)) expect((statSync(join(folder, name)).mode & 0o077), name).toBe(0);
    expect(new URL(host.url).hostname).toBe("127.0.0.1");
  });
  test("two fresh hosts have none in common", async () => {
    const made: string[][] = [];
    for (let n = 0; n < 2; n++) {
      const own = mkdtempSync(join(tmpdir(), "fresh-"));
      const h = await startHost({ folder: join(own, "made"), name: "example" });
      const k = h.context.keys;
      made.push([h.operatorToken, readFileSync(join(own, "made", "keystore.key"), "hex"), Buffer.from(k.pepper()).toString("hex"), ...["root", "spare root", "values", "certificates", "configuration", "status", "software", "envelope", "sender"].map((name) => Buffer.from(k.publicKey(name)).toString("hex"))]);
      expect(statSync(join(own, "made")).mode & 0o077).toBe(0);
      await h.close();
      rmSync(own, { recursive: true });
    }
    expect(new Set(made.flat()).size).toBe(made.flat().length);
  });
});

describe("watching", () => {
  test("health and metrics name no value, no member and no secret", async () => {
    const health = (await call("GET", "/health", undefined, undefined)).json;
    expect(Object.keys(health)).toEqual(["healthy", "provider", "now", "checkedAt", "broken"]);
    const text = await (await fetch(host.url + "/metrics")).text();
    expect(text).toContain('kaisatsu_terminal_seen_age_seconds{terminal="N\\"or\\\\th",id="');
    for (const line of text.trimEnd().split("\n")) expect(line).toMatch(/^(# (HELP|TYPE) kaisatsu_\w+ .+|kaisatsu_\w+(\{(\w+="([^"\\\n]|\\["\\n])*",?)+\})? -?\d+(\.\d+)?)$/);
    expect(text).not.toMatch(/aiko|example\.org/);
  });
  test("labels are escaped", () => { expect(label("a", 'x"y\\z\n')).toBe('a="x\\"y\\\\z\\n"'); });
  test("work that takes long is done seldom, and once for all who ask meanwhile", async () => {
    let ms = 0;
    let runs = 0;
    let finish: (() => void)[] = [];
    const ask = seldom(() => { runs++; return new Promise<number>((go) => { finish.push(() => go(runs)); }); }, () => ms);
    const both = [ask(), ask()];
    ms = 100;
    finish.forEach((go) => go());
    expect([await Promise.all(both), runs]).toEqual([[1, 1], 1]);
    ms = 2099;
    expect([await ask(), runs]).toEqual([1, 1]);
    ms = 2100;
    finish = [];
    const again = ask();
    finish.forEach((go) => go());
    expect([await again, runs]).toEqual([2, 2]);
  });
});

test("the audit log is a chain: every head binds what came before, and no line can be changed or taken out", async () => {
  const rows = await x.context.db.selectFrom("audit").selectAll().orderBy("number").execute();
  let head = "";
  for (const r of rows) {
    head = createHash("sha256").update(JSON.stringify([head, r.at, r.who, r.what])).digest("hex");
    expect(r.head).toBe(head);
  }
  await expect(x.context.db.updateTable("audit").set({ what: "nothing" }).execute()).rejects.toThrow("append-only");
  await expect(x.context.db.deleteFrom("audit").execute()).rejects.toThrow("append-only");
});
