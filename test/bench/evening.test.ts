/**
 * An evening by command line alone (S1, S11): a host is started, a product made by the examples of its own help, a gate
 * claimed, a handset enrolled; it collects and taps over a real serial line, and its receipts and the books agree.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { atConsole, kaisatsu, Process } from "./command-line.js";
import { openLine, type Line } from "../../boards/bench/pty.js";
import { hostCommand } from "../../boards/bench/host-command.js";
import { cobs, deframer, feed } from "../../protocol/link/frame.js";
import { messageType, type as messages } from "../../protocol/wire/message.js";

const folder = mkdtempSync(join(tmpdir(), "kaisatsu-cli-"));
const password = "correct horse battery staple";
let line: Line;
let host: Process;
let gate: Process;
let url = "";
let token = "";

const inFolder = (name: string): string => join(folder, name);
const json = (text: string): any => JSON.parse(text.trim().split("\n").at(-1)!);
const handset = (...argv: string[]) => kaisatsu(["handset", argv[0]!, "--folder", inFolder("aiko"), ...argv.slice(1)]);

/** The curl commands that a help text shows, as requests. */
function curlExamples(help: string): { path: string; body: unknown }[] {
  return [...help.matchAll(/^ {2}curl .*$/gm)].map(([command]) => ({ path: /\$URL([^\s"]+)/.exec(command)![1]!, body: /--json '([^']+)'/.exec(command)?.[1] })).map(({ path, body }) => ({ path, body: body === undefined ? undefined : JSON.parse(body) }));
}
async function api(path: string, body?: unknown): Promise<any> {
  const response = await fetch(url + path, { method: body === undefined ? "GET" : "POST", headers: { authorization: `Bearer ${token}`, ...(body !== undefined && { "content-type": "application/json" }) }, ...(body !== undefined && { body: JSON.stringify(body) }) });
  const answer = await response.json();
  expect(response.status, JSON.stringify(answer)).toBe(200);
  return answer;
}

beforeAll(() => { line = openLine({ baud: 0 }); });
afterAll(async () => {
  await gate?.stop();
  await host?.stop();
  rmSync(folder, { recursive: true });
});

let invitation = "";
let rootId = "";
let claimCode = "";

test("S11: a host begins without set-up, and the examples in its help are true", async () => {
  host = new Process(["host", "--data", "shop", "--port", "0", "--name", "example", "--json"], folder);
  const listening = JSON.parse(await host.line(/listening/));
  url = listening.url;
  rootId = listening.rootId;
  token = readFileSync(join(folder, listening.tokenFile), "utf8");
  expect(listening).toMatchObject({ provider: "example", data: "shop" });
  const examples = curlExamples(hostCommand.help);
  expect(examples.map((e) => e.path)).toEqual(["/api/merchants", "/api/issuers", "/api/products", "/api/terminals", "/api/sales", "/api/ledger?currency=EUR"]);
  for (const e of examples) {
    const answer = await api(e.path, e.body);
    if (e.path === "/api/terminals") claimCode = answer.claimCode;
    if (e.path === "/api/sales") invitation = answer.invitation;
    if (e.path.startsWith("/api/ledger")) expect(answer.breaches).toEqual([]);
  }
  await api("/api/products", { product: "swim", name: "Swims", kind: "swim", sort: "coupons", most: 3, price: 1200, zones: [1], until: Math.floor(Date.now() / 1000) + 86_400, issuer: "box-office" });
  await api("/api/products", { product: "card", name: "Fare card", kind: "card", sort: "prepaid", most: 2000, price: 2000, currency: "JPY", zones: [1], until: Math.floor(Date.now() / 1000) + 86_400, issuer: "box-office" });
  const made = await api("/api/terminals", {
    name: "North", role: "gate", merchant: "hall", zones: [1], currency: "JPY", tariffs: [{ kind: "card", price: 350 }], settings: { passageMs: 100 },
    takes: [{ kind: "ticket", action: 1, zone: 1 }, { kind: "swim", action: 1, zone: 1 }, { kind: "card", action: 3, zone: 1 }],
  });
  claimCode = made.claimCode;
  await api("/api/sales", { product: "swim", user: "aiko@example.org", reference: "S-2", paid: "desk" });
  await api("/api/sales", { product: "card", user: "aiko@example.org", reference: "S-3", paid: "desk" });
});

test("S11: a terminal claims its place with a code, once", async () => {
  writeFileSync(inFolder("north.json"), JSON.stringify({ name: "North", role: "gate", host: url, data: "north", link: { port: line.a, baud: 115_200 } }));
  gate = new Process(["terminal", "north.json", "--claim", claimCode, "--json"], folder);
  expect(JSON.parse(await gate.line(/enrolled/)).digits).toMatch(/^\d{6}$/);
  expect(JSON.parse(await gate.line(/serving/))).toMatchObject({ name: "North", port: line.a, kinds: ["ticket", "swim", "card"] });
  expect(JSON.parse(await gate.line(/"host"/))).toMatchObject({ answers: true });
});

test("S11: a handset enrols after its holder compared the root, and the password goes nowhere else", async () => {
  writeFileSync(inFolder("password"), password + "\n", { mode: 0o600 });
  const enrol = (...more: string[]) => ["handset", "enrol", "--folder", inFolder("aiko"), "--host", url, "--user", "aiko@example.org", ...more];
  const other = await kaisatsu(enrol("--password-file", inFolder("password"), "--root", "0123456789abcdef"));
  expect(other).toMatchObject({ code: 1, out: "" });
  expect(other.err).toMatch(/not the provider/);
  const asked = await kaisatsu(enrol(), { answers: [password, "n"] });
  expect(asked.asked[1]).toBe(`The provider is "example", root ${rootId}. Is that what its operator shows? [y/N] `);
  expect(asked.code).toBe(1);
  expect(await api("/api/members")).toEqual([]);
  const done = await kaisatsu(enrol("--root", rootId, "--password-file", inFolder("password"), "--code", invitation));
  expect(done.code).toBe(0);
  expect(done.out).toMatch(/root [0-9a-f]{16}/);
  expect(done.out).toMatch(/recovery code.*: ([0-9A-Z]{4}-){4}[0-9A-Z]{4}/);
  expect(done.out + done.err + asked.out + asked.err + other.err).not.toContain(password);
  const again = await kaisatsu(enrol("--password-file", inFolder("password")));
  expect(again.code).toBe(1);
  expect(again.err).toMatch(/a handset already/);
  const wrong = await kaisatsu(["handset", "enrol", "--folder", inFolder("thief"), "--host", url, "--user", "aiko@example.org", "--password-file", "-"], { input: "not her password" });
  expect(wrong.code).toBe(1);
  expect(wrong.err).toBe("kaisatsu handset enrol: Not enrolled: the account exists: agree on one of its handsets, or give its recovery code.\n");
  const tablet = await kaisatsu(["handset", "enrol", "--folder", inFolder("tablet"), "--host", url, "--user", "aiko@example.org", "--password-file", inFolder("password"), "--beside", inFolder("aiko")]);
  expect(tablet).toMatchObject({ code: 0, err: "" });
});

test("a person at a console is asked for password and trust; the password is shown nowhere", async () => {
  const enrol = ["handset", "enrol", "--folder", inFolder("ben"), "--host", url, "--user", "ben@example.org"];
  const no = await atConsole(enrol, [[/Password: /, "correct horse"], [/\[y\/N\]/, ""]]);
  expect(no.code).toBe(1);
  expect(no.seen).toMatch(/this is not the provider that was meant\. Nothing was sent\./);
  const yes = await atConsole(enrol, [[/Password: /, "correct hoofs\u007f\u007frse"], [/\[y\/N\]/, "y"]]);
  expect(yes.code, yes.seen).toBe(0);
  expect(yes.seen).toMatch(new RegExp(`root ${rootId}\\. Is that what its operator shows\\? [^]*\u001b\\[32mEnrolled\\.\u001b\\[0m`));
  expect(no.seen + yes.seen).not.toMatch(/horse|hoofs/);
});

test("S1: what was bought arrives, and a tap over the line opens the gate; the same ticket again does not", async () => {
  const collected = await handset("collect", "--json");
  expect(json(collected.out).collected.map((v: { name: string }) => v.name).sort()).toEqual(["Concert", "Fare card", "Swims"]);
  expect((await handset("collect")).out).toMatch(/^Nothing waits for aiko@example.org at the host\./);
  const first = await handset("tap", "--port", line.b, "--value", "ticket", "--json");
  expect(first.code).toBe(0);
  expect(json(first.out)).toMatchObject({ outcome: "accepted", code: 0, counter: 1, left: 0 });
  const opened = JSON.parse(await gate.line(/"accepted"/));
  expect(opened).toMatchObject({ event: "tap", light: "green", code: 0, kind: "ticket", counter: 1 });
  expect(Object.keys(opened.stages)).toEqual(["shownMs", "checkedMs", "agreedMs", "recordedMs", "openMs"]);
  const second = await handset("tap", "--port", line.b, "--value", "ticket");
  expect(second.code).toBe(1);
  expect(second.out).toMatch(/^Refused\. Already used \(14 already_used\), since .*: Concert\./);
  expect(JSON.parse(await gate.line(/already_used/))).toMatchObject({ light: "yellow", code: 14 });
});

test("U7: money above the silent limit is paid only after a yes, in the currency's own digits", async () => {
  const pay = (...more: string[]) => ["handset", "tap", "--folder", inFolder("aiko"), "--port", line.b, "--value", "card", ...more];
  const unattended = await kaisatsu(pay());
  expect(unattended.code).toBe(1);
  expect(unattended.out).toMatch(/^Not paid\. The terminal asks for 350 JPY, above the silent limit/);
  const declined = await kaisatsu(pay("--silent", "3.49"), { answers: ["no"] });
  expect(declined.asked).toEqual(["North of Example Hall asks for 350 JPY of your card. Pay? [y/N] "]);
  expect(declined.out).toMatch(/^Not paid\. You declined 350 JPY/);
  const agreed = await kaisatsu(pay("--silent", "350 EUR"), { answers: ["y"] });
  expect(agreed.code).toBe(0);
  expect(agreed.out).toMatch(/Fare card: 350 JPY at North, 1650 JPY left\.\n$/);
  const silent = await kaisatsu(pay("--silent", "350"), { answers: [] });
  expect(silent).toMatchObject({ code: 0, asked: [] });
  expect(await kaisatsu(pay("--yes", "--json"))).toMatchObject({ code: 0, err: "" });
});

/** Everything from the first message of this type on is lost, towards the handset. */
function deadAfter(type: number): (bytes: Uint8Array) => Uint8Array[] {
  const frames = deframer(cobs);
  let dead = false;
  return (bytes) => {
    if (!dead) dead = feed(frames, bytes).some((f) => messageType(f.payload) === type);
    return dead ? [] : [bytes];
  };
}

test("a tap broken off asks its holder once, and is not charged twice", async () => {
  line.options.toB = deadAfter(messages.outcome);
  const torn = await handset("tap", "--port", line.b, "--value", "swim");
  line.options.toB = undefined;
  expect(torn.code).toBe(1);
  expect(torn.out).toMatch(/^Broken off\. Swims: .* Remember whether you were let through/);
  expect((await handset("values")).out).toMatch(/Swims: were you let through at North, \d{4}-\d\d-\d\d \d\d:\d\d\? The next tap asks\./);
  const script = await handset("tap", "--port", line.b, "--value", "swim", "--json");
  expect(script.code).toBe(2);
  expect(script.err).toMatch(/--intent resume \(no\), or --intent use or inquire \(yes\)/);
  const inquired = await handset("tap", "--port", line.b, "--value", "swim", "--intent", "inquire", "--json");
  expect(inquired.code).toBe(0);
  expect(json(inquired.out)).toMatchObject({ outcome: "used", left: 2 });
  line.options.toA = deadAfter(messages.acknowledgement);
  expect((await handset("tap", "--port", line.b, "--value", "swim")).code).toBe(1);
  line.options.toA = undefined;
  const resumed = await kaisatsu(["handset", "tap", "--folder", inFolder("aiko"), "--port", line.b], { answers: ["n"] });
  expect(resumed.asked).toHaveLength(1);
  expect(resumed.code).toBe(0);
  expect(resumed.out).toMatch(/Swims: 1 use at North, 1 of 3 uses left \(resumed, charged once\)\.\n$/);
});

test("S1: the host goes away, the gate works on, and what it recorded arrives when the host is back", async () => {
  const port = new URL(url).port;
  expect(await host.stop()).toBe(0);
  expect(host.out.trim().split("\n").at(-1)).toBe('{"event":"stopped"}');
  const offline = await handset("tap", "--port", line.b, "--value", "swim", "--json");
  expect(json(offline.out)).toMatchObject({ outcome: "accepted", left: 0 });
  const collect = await handset("collect");
  expect(collect.code).toBe(3);
  expect(collect.err).toMatch(/No host answers at .*: check the address and that it is running\./);
  expect(JSON.parse(await gate.line(/"answers":false/))).toHaveProperty("unposted");
  host = new Process(["host", "--data", "shop", "--port", port], folder);
  await host.line(/runs at/);
  await gate.line(/"answers":true/, 2);
});

test("S1, S11: books and receipts agree; the gate stops with its journal whole and begins again without a code", async () => {
  await expect.poll(async () => json((await handset("receipts", "--report", "--json")).out).receipts.map((r: { books: string }) => r.books), { timeout: 20_000 })
    .toEqual(new Array(7).fill("agree"));
  const printed = await handset("receipts", "--report");
  expect(printed.code).toBe(0);
  expect(printed.out).toMatch(/The host's books say the same\.\n$/);
  expect(printed.out).toMatch(/Fare card +North +3 +350 JPY +\w+ +agree/);
  expect(await handset("refresh", "--value", "card")).toMatchObject({ code: 0 });
  expect(json((await handset("values", "--json")).out).values.find((v: { kind: string }) => v.kind === "card")).toMatchObject({ left: 950, currency: "JPY", state: "ready" });
  expect(await gate.stop("SIGTERM")).toBe(0);
  expect(JSON.parse(gate.out.trim().split("\n").at(-1)!)).toEqual({ event: "stopped", unposted: 0 });
  gate = new Process(["terminal", "north.json"], folder);
  expect(await gate.line(/Handsets on/)).toMatch(/^North, "North" of Example Hall, takes ticket, swim, card\. Handsets on/);
  const used = await handset("tap", "--port", line.b, "--value", "swim");
  expect(used.out).toMatch(/^Refused\. Not enough left \(25 insufficient\): Swims\./);
  await gate.line(/yellow +25 insufficient/);
  const ledger = await api("/api/ledger?currency=JPY");
  expect(ledger.breaches).toEqual([]);
});

test("a line that is unplugged ends the terminal with code 3 and what to do", async () => {
  line.close();
  expect(await gate.ended).toBe(3);
  expect(gate.err).toMatch(/^kaisatsu terminal: .*\/dev\/.*: check|unplugged/);
});

test("secrets appear in no output of any process", () => {
  for (const p of [host, gate]) {
    expect(p.out + p.err).not.toContain(token);
    expect(p.out + p.err).not.toContain(password);
    expect(p.out + p.err).not.toContain(claimCode);
  }
});
