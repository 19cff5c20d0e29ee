/**
 * The promises that all commands share: help with examples, exit codes that mean something, errors that say what happened
 * and what to do, JSON that parses, no colours where nobody sees them; and no secret in any output.
 */
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { kaisatsu, Process } from "./command-line.js";
import { commands } from "../../boards/bench/commands.js";
import { amountText, limitIn, readAmount } from "../../boards/bench/amount.js";
import { guessFormat } from "../../boards/bench/import-command.js";
import { example, readConfiguration } from "../../boards/bench/terminal/configuration.js";
import { startHost, type Host } from "../../host/host.js";

const folder = mkdtempSync(join(tmpdir(), "kaisatsu-commands-"));
const inFolder = (name: string): string => join(folder, name);
let host: Host;
let stranger: Server;
let strangerUrl = "";
const tokenFile = (): string => inFolder("host/operator.token");

beforeAll(async () => {
  host = await startHost({ folder: inFolder("host"), name: "example" });
  stranger = createServer((_request, response) => { response.setHeader("content-type", "text/html"); response.end("<html>It works!</html>"); });
  await new Promise<void>((done) => stranger.listen(0, "127.0.0.1", done));
  strangerUrl = `http://127.0.0.1:${(stranger.address() as AddressInfo).port}`;
  const call = async (path: string, body: object): Promise<void> => {
    const response = await fetch(host.url + path, { method: "POST", headers: { authorization: `Bearer ${host.operatorToken}`, "content-type": "application/json" }, body: JSON.stringify(body) });
    expect(response.status).toBe(200);
  };
  await call("/api/merchants", { merchant: "hall", name: "Hall" });
  await call("/api/issuers", { issuer: "box", name: "Box office" });
  await call("/api/products", { product: "concert", name: "Concert", kind: "ticket", sort: "ticket", price: 0, until: Math.floor(Date.now() / 1000) + 86_400, issuer: "box" });
});
afterAll(async () => {
  stranger.close();
  await host.close();
  rmSync(folder, { recursive: true });
});

const all = commands.flatMap((c) => ("commands" in c ? [[c.name, ""], ...c.commands.map((sub) => [c.name, sub.name])] : [[c.name, ""]]));

describe("help", () => {
  test.each(all)("%s %s has usage and examples, on standard output", async (...words) => {
    const ran = await kaisatsu([...words.filter((w) => w !== ""), "--help"]);
    expect(ran).toMatchObject({ code: 0, err: "" });
    expect(ran.out).toMatch(/^Usage: kaisatsu /);
    expect(ran.out).toMatch(/\nExamples:\n {2}kaisatsu /);
    for (const line of ran.out.split("\n").filter((l) => !l.includes("curl") && !/^ {2}kaisatsu /.test(l))) expect(line.length, line).toBeLessThanOrEqual(124);
  });
  test("the overview lists every command; nothing at all is a usage error", async () => {
    const ran = await kaisatsu(["--help"]);
    for (const c of commands) expect(ran.out).toContain(`  ${c.name} `);
    expect((await kaisatsu([])).code).toBe(2);
    expect((await kaisatsu(["handset"])).code).toBe(2);
    expect((await kaisatsu(["--version"])).out).toMatch(/^\d+\.\d+\.\d+\n$/);
  });
  test("every option of a command is in its help", () => {
    for (const c of commands.flatMap((x) => ("commands" in x ? x.commands : [x]))) for (const name of Object.keys(c.options)) expect(c.help, `${c.name} --${name}`).toContain(`--${name}`);
  });
});

describe("a wrong command line: exit code 2, what is wrong, where to look", () => {
  test.each<[string, RegExp]>([
    ["host", /--data is missing: the folder/],
    ["host --data x --port 70000", /--port must be a whole number from 0 to 65535, not "70000"/],
    ["host --data x --port -1", /--port/],
    ["host --data x --name /etc", /--name must be/],
    ["host --data x extra", /"extra" is not expected here/],
    ["host --dta x", /Unknown option '--dta'\. See kaisatsu host --help\./],
    ["terminal", /give one configuration file/],
    ["terminal a b", /give one configuration file/],
    ["handset fly", /no command "fly"/],
    ["handset enrol --folder f --user u", /--host is missing/],
    ["handset enrol --folder f --user u --host localhost", /is no address of a host: it looks like http/],
    ["handset enrol --folder f --user u --host http://u:p@h/", /is no address of a host/],
    ["handset enrol --folder f --host http://h --user a/b", /--user must be/],
    ["handset enrol --folder f --host http://h --user u", /--password-file is missing/],
    ["handset enrol --folder f --host http://h --user u --root zz --password-file -", /--root must be/],
    ["handset tap --folder f", /--port is missing/],
    ["handset tap --folder f --port p --silent lots", /--silent must be an amount such as 20\.00/],
    ["handset tap --folder f --port p --intent steal", /--intent must be use, resume or inquire/],
    ["handset tap --folder f --port p --baud 9600x", /--baud must be a whole number/],
    ["handset values", /--folder is missing/],
    ["import --host http://h --token-file t", /give one file/],
    ["import list --token-file t", /--host is missing/],
    ["import list --host http://h", /--token-file is missing/],
    ["import list --host http://h --token-file t --format xls", /--format must be json, csv, pretix/],
    ["import list --host http://h --token-file t --product concert", /--product must be FROM=TO/],
    ["import - --host http://h --token-file -", /the list or the token, not both/],
    ["inspect", /give hexadecimal/],
    ["fly", /no command "fly"/],
  ])("%s", async (text, message) => {
    const ran = await kaisatsu(text.split(" "));
    expect(ran).toMatchObject({ code: 2, out: "" });
    expect(ran.err).toMatch(message);
    expect(ran.err).toMatch(/^kaisatsu/);
  });
});

describe("what cannot be used: exit code 3, and what to do", () => {
  test.each<[string, () => string[], RegExp]>([
    ["a port that is taken", () => ["host", "--data", inFolder("other"), "--port", new URL(host.url).port], /Port \d+ of 127\.0\.0\.1 is in use: stop the other program, or give another port/],
    ["an address of another machine", () => ["host", "--data", inFolder("other"), "--port", "0", "--address", "192.0.2.1"], /This machine has no address 192\.0\.2\.1/],
    ["a file for a folder", () => ["host", "--data", tokenFile()], /is no folder: give another with --data/],
    ["a folder that nobody can make", () => ["host", "--data", "/proc/kaisatsu"], /cannot be made: give another folder with --data/],
    ["a database that is none", () => { mkdirSync(inFolder("bad")); writeFileSync(inFolder("bad/kaisatsu.db"), "x".repeat(5000)); return ["host", "--data", inFolder("bad"), "--port", "0"]; }, /kaisatsu\.db cannot be opened .*: put a backup/],
    ["keys that others may read", () => { mkdirSync(inFolder("open")); writeFileSync(inFolder("open/keystore.key"), new Uint8Array(32)); chmodSync(inFolder("open/keystore.key"), 0o644); return ["host", "--data", inFolder("open"), "--port", "0"]; }, /can be read by others: make its mode 0600/],
    ["a configuration that is not there", () => ["terminal", inFolder("none.json")], /There is no file .*none\.json/],
    ["a folder for a configuration", () => ["terminal", folder], /is no file/],
    ["a port that is not there", () => { writeFileSync(inFolder("t.json"), JSON.stringify({ name: "T", role: "gate", host: host.url, data: "t", link: { port: "/dev/ttyNONE", baud: 9600 } })); return ["terminal", inFolder("t.json")]; }, /\/dev\/ttyNONE is not there: plug it in/],
    ["no handset in a folder", () => ["handset", "values", "--folder", inFolder("nobody")], /holds no enrolled handset: run "kaisatsu handset enrol" first/],
    ["no host at an address", () => ["handset", "enrol", "--folder", inFolder("h1"), "--host", "http://127.0.0.1:9", "--user", "u", "--password-file", "-"], /No host answers at http:\/\/127\.0\.0\.1:9/],
    ["a stranger's web server", () => ["handset", "enrol", "--folder", inFolder("h2"), "--host", strangerUrl, "--user", "u", "--password-file", "-"], /is no kaisatsu host: check the address/],
    ["a password file that is not there", () => ["handset", "enrol", "--folder", inFolder("h3"), "--host", host.url, "--user", "u", "--password-file", inFolder("no")], /There is no file/],
    ["a list that is not there", () => ["import", inFolder("no.csv"), "--host", host.url, "--token-file", tokenFile()], /There is no file/],
    ["a list for a stranger", () => ["import", tokenFile(), "--host", strangerUrl, "--token-file", tokenFile()], /is no kaisatsu host/],
    ["a token file that holds something else", () => ["import", "-", "--host", host.url, "--token-file", inFolder("t.json.csv")], /There is no file/],
  ])("%s", async (_name, argv, message) => {
    const ran = await kaisatsu(argv(), { input: "a password of some length" });
    expect(ran, ran.err).toMatchObject({ code: 3, out: "" });
    expect(ran.err).toMatch(message);
    expect(ran.err).not.toMatch(/unexpected fault|\n {4}at /);
    expect(ran.err).not.toContain("a password of some length");
  });
  test("a folder that was never a handset stays as it was", async () => {
    await kaisatsu(["handset", "values", "--folder", inFolder("typo")]);
    expect(() => readFileSync(inFolder("typo/wallet"))).toThrow();
  });
});

describe("kaisatsu host", () => {
  test("in process: says where it listens, leaves nothing behind, and one folder takes one host", async () => {
    const ran = await kaisatsu(["host", "--data", inFolder("shop"), "--port", "0", "--name", "corner shop"]);
    expect(ran).toMatchObject({ code: 0, err: "" });
    expect(ran.out).toMatch(/^The host of provider "corner shop" runs at http:\/\/127\.0\.0\.1:\d+\n {2}root {3}[0-9a-f]{16} /);
    expect(ran.out).not.toContain(readFileSync(inFolder("shop/operator.token"), "utf8"));
    const first = new Process(["host", "--data", inFolder("shop"), "--port", "0", "--json"], folder);
    await first.line(/listening/);
    const second = await kaisatsu(["host", "--data", inFolder("shop"), "--port", "0"]);
    expect(second.code).toBe(3);
    expect(second.err).toMatch(/is in use by process \d+: stop it first/);
    expect(await first.stop("SIGTERM")).toBe(0);
  });
  test("another name than the first start's is refused, not ignored", async () => {
    const ran = await kaisatsu(["host", "--data", inFolder("shop"), "--port", "0", "--name", "other"]);
    expect(ran.code).toBe(2);
    expect(ran.err).toMatch(/the provider in .* is "corner shop", and its name was fixed at its first start/);
  });
});

describe("kaisatsu import", () => {
  const run = (list: string, ...more: string[]) => kaisatsu(["import", "-", "--host", host.url, "--token-file", tokenFile(), ...more], { input: list });
  test("guesses the format from the list", () => {
    expect(guessFormat('\uFEFF  [{"reference":"1"}]')).toBe("json");
    expect(guessFormat("Order code,Position ID,Status\nA,1,Paid")).toBe("pretix");
    expect(guessFormat("Bestellnummer;Produkt\nA;x")).toBe("pretix");
    expect(guessFormat("reference;name;user;product\r\n1;a;b;c")).toBe("csv");
  });
  test("says what was issued and who needs an invitation; the same list again issues nothing", async () => {
    const list = "reference,name,user,product\nA-1,Aiko,aiko@example.org,Standing\nA-2,Ben,ben@example.org,Standing\n";
    const first = await run(list, "--product", "Standing=concert");
    expect(first.code).toBe(0);
    expect(first.out).toMatch(/^2 issued, 0 already there \(read as csv\)\.\n.*\n {2}([0-9A-Z]{4}-){4}[0-9A-Z]{4} {2}aiko@example\.org\n/);
    const again = await run(list, "--product", "Standing=concert", "--json");
    expect(JSON.parse(again.out)).toMatchObject({ format: "csv", issued: 0, already: 2 });
  });
  test("line errors are the host's own words, and nothing is issued", async () => {
    const ran = await run("reference,name,user,product\n,Nobody,n@example.org,concert\nA-9,Aiko,,concert\n");
    expect(ran).toMatchObject({ code: 1, out: "" });
    expect(ran.err).toBe("kaisatsu import: Nothing was imported. Line 2 has no reference (order code). Line 3 (A-9) names no user and no e-mail address.\n");
  });
  test("a token that is not the operator's is refused, and shown nowhere", async () => {
    writeFileSync(inFolder("token"), "c2VjcmV0IGJ1dCB3cm9uZw\n");
    const ran = await kaisatsu(["import", "-", "--host", host.url, "--token-file", inFolder("token")], { input: "[]" });
    expect(ran).toMatchObject({ code: 1, out: "" });
    expect(ran.err).toMatch(/does not know this token/);
    expect(ran.err).not.toContain("c2VjcmV0");
  });
});

describe("the configuration of a terminal", () => {
  const good = { name: "North", role: "gate", host: "http://127.0.0.1:8440", data: "north", link: { port: "/dev/ttyUSB0", baud: 115_200 } };
  const problems = (x: unknown): string[] => { const read = readConfiguration(typeof x === "string" ? x : JSON.stringify(x), "/somewhere/north.json"); return "problems" in read ? read.problems : []; };
  test("the printed example is one, and paths are meant from the file's folder", async () => {
    expect(problems(example)).toEqual([]);
    expect((await kaisatsu(["terminal", "--example"])).out).toBe(example);
    expect(readConfiguration(JSON.stringify(good), "/somewhere/north.json")).toEqual({ ...good, data: "/somewhere/north", link: { ...good.link, medium: "serial" }, scanner: undefined, firmata: undefined, claim: undefined });
  });
  test.each<[string, unknown, RegExp[]]>([
    ["nothing", "", [/It is not JSON/]],
    ["a list", [], [/The file must be an object/]],
    ["null", null, [/The file must be an object { … }, not null/]],
    ["a number", 7, [/The file must be an object/]],
    ["an empty object", {}, [/^name is missing: what this terminal is called/, /^role is missing/, /^host is missing/, /^data is missing/, /^link is missing/]],
    ["a key that is not known", { ...good, colour: "red" }, [/^colour is not known here; known are name, role/]],
    ["a key with a slip", { ...good, frimata: {} }, [/^frimata is not known here; did you mean firmata\?$/]],
    ["a nested key that is not known", { ...good, link: { ...good.link, speed: 1 } }, [/^link\.speed is not known here/]],
    ["a prototype for a key", '{"__proto__":{"name":"x"},"constructor":1}', [/^__proto__ is not known/, /^constructor is not known/, /name is missing/, /role/, /host/, /data/, /link/]],
    ["a number for a name", { ...good, name: 7 }, [/^name must be a text of 1 to 60 characters, not 7\.$/]],
    ["an empty name", { ...good, name: " " }, [/^name must be a text/]],
    ["a turnstile", { ...good, role: "turnstile" }, [/^role must be "gate" or "till" or "meter" or "receiver", not "turnstile"\.$/]],
    ["a negative baud rate", { ...good, link: { port: "p", baud: -9600 } }, [/^link\.baud must be a whole number from 50 to 4000000, not -9600\.$/]],
    ["a baud rate in words", { ...good, link: { port: "p", baud: "fast" } }, [/^link\.baud must be a whole number/]],
    ["a baud rate with a fraction", { ...good, link: { port: "p", baud: 9600.5 } }, [/^link\.baud/]],
    ["smoke signals", { ...good, link: { port: "p", baud: 9600, medium: "smoke" } }, [/^link\.medium must be "serial" or "ble" or "infrared", not "smoke"\.$/]],
    ["a host with a password", { ...good, host: "http://a:b@h" }, [/^host must be the address of a host/]],
    ["a host that is a file", { ...good, host: "file:///etc/passwd" }, [/^host must be/]],
    ["pins that are missing", { ...good, firmata: { port: "q", pins: {} } }, [/^firmata\.pins\.accept is missing: the pin of the green light/, /refuse is missing/, /relay is missing: the pin that opens the gate/]],
    ["a pin below zero", { ...good, firmata: { port: "q", pins: { accept: -1, refuse: 2, relay: 3 } } }, [/^firmata\.pins\.accept must be a whole number from 0 to 127, not -1/]],
    ["two parts on one pin", { ...good, firmata: { port: "q", pins: { accept: 7, refuse: 2, relay: 7 } } }, [/^firmata\.pins\.relay and firmata\.pins\.accept are both pin 7/]],
    ["two devices on one port", { ...good, scanner: { port: "/dev/ttyUSB0", baud: 9600 } }, [/^scanner\.port and link\.port are both \/dev\/ttyUSB0/]],
    ["a claim code with a slip", { ...good, claim: "0000-0000-0000-0000-0000" }, [/^claim is no claim code/]],
    ["a long text where a word belongs", { ...good, role: "x".repeat(1000) }, [/^role must be "gate" or "till" or "meter" or "receiver", not "x{56}\.\.\.\.$/]],
    ["something longer than any configuration", "[" + " ".repeat(70_000) + "]", [/^It is too long/]],
  ])("%s", (_name, given, expected) => {
    const found = problems(given);
    expect(found).toHaveLength(expected.length);
    expected.forEach((pattern, i) => expect(found[i]).toMatch(pattern));
  });
  test.each(["package.json", "LICENSE", "protocol/protocol.cddl"])("a stranger's file, %s, is refused whole before anything is opened", async (name) => {
    const ran = await kaisatsu(["terminal", new URL(`../../${name}`, import.meta.url).pathname]);
    expect(ran).toMatchObject({ code: 2, out: "" });
    expect(ran.err).toMatch(/is no configuration of a terminal:\n {2}/);
    expect(ran.err.split("\n").length).toBeLessThan(25);
  });
});

describe("amounts have as many digits as their currency", () => {
  test.each<[number, number | undefined, string]>([[350, 978, "3.50 EUR"], [350, 392, "350 JPY"], [5, 978, "0.05 EUR"], [7, 999, "7 minor units of currency 999"]])("%i of %s is %s", (minor, currency, text) => {
    expect(amountText(minor, currency)).toBe(text);
  });
  test.each<[string, number, number]>([["20.00", 978, 2000], ["20", 978, 2000], ["20.5", 978, 2050], ["3.499", 978, 349], ["350", 392, 350], ["3.50", 392, 3], ["350 JPY", 392, 350], ["350JPY", 978, -1], ["5", 999, -1]])("a limit of %s in currency %i is %i minor units", (text, currency, minor) => {
    expect(limitIn(readAmount(text)!, currency)).toBe(minor);
  });
  test.each(["", "-5", "1e3", "5 euros", "1,50", "99999999999999"])("%s is no amount", (text) => { expect(readAmount(text)).toBeUndefined(); });
});
