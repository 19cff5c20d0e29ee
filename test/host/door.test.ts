/**
 * The device door over real HTTP (`trust.md` §5): whatever fails before its sender is known gets one and the same answer; what
 * is asked too often, too slowly or too largely costs little; letters of one sender are numbered and kept as long as needed.
 */
import { connect } from "node:net";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { makeBuckets } from "../../host/buckets.js";
import { inMemory, transact } from "../../host/database.js";
import { startHost, type Host } from "../../host/host.js";
import { revokeHandset } from "../../host/people.js";
import { makeBroker } from "../../host/handover.js";
import { encodeMessage } from "../../protocol/wire/envelope.js";
import { keyId, signObject } from "../../protocol/wire/signed.js";
import * as handsetLetters from "../../protocol/wire/handset-letters.js";
import * as w from "../../protocol/wire/sync.js";
import { refusal } from "../../protocol/refusal.js";
import { ask, collect, crypto, deliverLetter, enrol, enrolBox, holder, letter, makeDevice, newSecret, open, openShop, openWorld, pull, seal, testMachine, type Device, type World } from "./world.js";

describe("over HTTP", () => {
  let host: Host;
  let x: World;
  const logged: string[] = [];
  beforeAll(async () => {
    const machine = testMachine("http");
    host = await startHost({ folder: inMemory, name: "example", machine, log: (line) => { logged.push(line); } });
    x = { context: host.context, broker: makeBroker(machine), machine, counted: {}, count: () => undefined, close: host.close };
    await openShop(x);
  });
  afterAll(() => host.close());
  const post = async (body: Uint8Array, type = "application/cose", path = "/device"): Promise<Response> => await fetch(host.url + path, { method: "POST", headers: { "content-type": type }, body: Buffer.from(body) });
  const fingerprint = async (r: Response): Promise<string> => JSON.stringify([r.status, await r.text(), [...r.headers].filter(([name]) => name !== "date").sort()]);

  test("every failure before the sender is known is the same 400, empty, with the same headers", async () => {
    const { phone } = await holder(x, "aiko", "concert");
    const gone = await enrol(x, "gone");
    await transact(x.context.db, (tx) => revokeHandset(x.context, tx, Buffer.from(gone.kid).toString("hex")));
    const good = letter(x, phone, w.messageType.collect, handsetLetters.encodeCollect(""));
    const flipped = (at: number): Uint8Array => good.map((b, i) => (i === at ? b ^ 1 : b));
    const stranger = makeDevice(x);
    const posing: Device = { ...stranger, kid: phone.kid };
    const claims = (sequence: number): Uint8Array => encodeMessage({ recipient: x.context.keys.kid("envelope"), at: x.machine.now(), quality: 2, sequence, type: w.messageType.collect, body: handsetLetters.encodeCollect(""), answers: undefined, certificate: undefined });
    const wrongKind = (type: "device" | "time"): Uint8Array => seal(x, signObject(crypto, type, phone.signing, claims(900)));
    const forOther = seal(x, signObject(crypto, "message", phone.signing, encodeMessage({ recipient: new Uint8Array(8), at: x.machine.now(), quality: 2, sequence: 901, type: 17, body: handsetLetters.encodeCollect(""), answers: undefined, certificate: undefined })));
    const failures: [string, Uint8Array, string?][] = [
      ["nothing", new Uint8Array(0)], ["one byte", new Uint8Array([0xff])], ["noise", x.machine.random(400)], ["as large as a letter may be", new Uint8Array(65_536)], ["too large", new Uint8Array(65_537)],
      ...[0, 5, 40, 80, 120, 200, good.length - 1].map((at): [string, Uint8Array] => [`byte ${at} changed`, flipped(at)]),
      ["cut short", good.subarray(0, good.length - 1)], ["one byte more", new Uint8Array([...good, 0])],
      ["an unknown sender", letter(x, stranger, w.messageType.collect, handsetLetters.encodeCollect(""))], ["another's key id", letter(x, posing, w.messageType.pull, handsetLetters.encodeCollect(""))],
      ["a revoked handset", letter(x, gone, w.messageType.collect, handsetLetters.encodeCollect(""))], ["another class", wrongKind("device")], ["a time", wrongKind("time")], ["meant for another", forOther],
      ["an enrolment signed by another key", letter(x, stranger, w.messageType.enrolHandset, enrolmentOf(makeDevice(x)))],
      ["another media type", good, "application/json"], ["plain text", good, "text/plain"],
    ];
    const said = new Map<string, string[]>();
    for (const [name, bytes, type] of failures) {
      const print = await fingerprint(await post(bytes, type));
      said.set(print, [...(said.get(print) ?? []), name]);
    }
    expect([...said.values()], [...said.keys()].join(" ")).toHaveLength(1);
    expect([...said.keys()][0]).toMatch(/^\[400,""/);
    expect((await post(good)).status, "and the good one is taken").toBe(200);
    expect(logged).toEqual([]);
  });

  test("a claim that proves nothing is the same 400", async () => {
    const answers = new Set<string>();
    for (const bytes of [new Uint8Array(0), x.machine.random(33), x.machine.random(300)]) answers.add(await fingerprint(await post(bytes, "application/cose", "/claim")));
    expect([...answers]).toHaveLength(1);
  });

  test("no cookies, no redirects, no cross-origin words", async () => {
    for (const path of ["/provider", "/status/values", "/health", "/openapi.json", "/nothing"]) {
      const r = await fetch(host.url + path, { headers: { origin: "http://evil.example" }, redirect: "error" });
      expect([...r.headers.keys()].filter((name) => name === "set-cookie" || name.startsWith("access-control")), path).toEqual([]);
    }
  });

  test("headers above 8 KiB are refused", async () => {
    expect((await fetch(host.url + "/health", { headers: { "x-long": "y".repeat(9000) } })).status).toBe(431);
  });

  test("an address that knocks too often is told to come later, and nothing else", async () => {
    const statuses = new Set<number>();
    for (let n = 0; n < 40; n++) for (const r of await Promise.all(Array.from({ length: 10 }, () => post(new Uint8Array([1]))))) statuses.add(r.status);
    expect([...statuses].sort()).toEqual([400, 429]);
  });

  test("the hundred and first connection of an address is closed", async () => {
    const { hostname, port } = new URL(host.url);
    const sockets = Array.from({ length: 140 }, () => connect(Number(port), hostname));
    const closed = await new Promise<number>((done) => {
      let count = 0;
      for (const s of sockets) s.on("error", () => undefined).once("close", () => { if (++count === 40 || count === 41) setImmediate(() => done(count)); });
    });
    expect(closed).toBeGreaterThanOrEqual(40);
    expect(sockets.filter((s) => !s.destroyed).length).toBeLessThanOrEqual(100);
    await Promise.all(sockets.map((s) => new Promise<void>((done) => { if (s.destroyed) done(); else s.once("close", () => done()).destroy(); })));
  });
});

const enrolmentOf = (d: Device): Uint8Array => handsetLetters.encodeHandsetEnrolment({
  user: "eve", password: "a password of eve", phone: "", keyClass: 2, consent: new Uint8Array(0), code: "", signingKey: crypto.publicKey(d.signing)!, agreementKey: crypto.publicKey(d.agreement)!,
});

describe("buckets", () => {
  test("so many a second on average, a burst at first, every name by itself", () => {
    let ms = 0;
    const b = makeBuckets(10, 20, () => ms);
    const admitted = (name: string, tries: number): number => Array.from({ length: tries }, () => b.admit(name)).filter(Boolean).length;
    expect([admitted("a", 50), admitted("b", 5)]).toEqual([20, 5]);
    ms += 1000;
    expect(admitted("a", 50)).toBe(10);
    ms += 3_600_000;
    expect(admitted("a", 50)).toBe(20);
  });
  test("a million names take no more room than ten thousand, and a busy one is not pushed out by strangers in between", () => {
    const b = makeBuckets(0, 2, () => 0);
    expect([b.admit("busy"), b.admit("busy")]).toEqual([true, true]);
    for (let n = 0; n < 30_000; n++) { b.admit(`stranger ${n}`); if (n % 1000 === 0) expect(b.admit("busy")).toBe(false); }
  });
});

describe("letters", () => {
  let x: World;
  beforeAll(async () => { x = await openWorld(); await openShop(x); });
  afterAll(() => x.close());
  const letters = async (): Promise<number> => (await x.context.db.selectFrom("letter").select("sender").execute()).length;

  test("a request is at most ten minutes old and two minutes ahead, else only the time is answered", async () => {
    const { phone } = await holder(x, "ben", "ten");
    const at = async (seconds: number) => (await ask(x, phone, w.messageType.collect, handsetLetters.encodeCollect(""), { at: x.machine.now() + seconds }))!.length > 0;
    expect([await at(-599), await at(-600), await at(119), await at(120)]).toEqual([true, false, true, false]);
  });
  test("one number with another content is an incident, and said nothing about", async () => {
    const phone = await enrol(x, "chi");
    const first = letter(x, phone, w.messageType.collect, handsetLetters.encodeCollect(""), { sequence: 77 });
    const other = letter(x, phone, w.messageType.collect, handsetLetters.encodeCollect("x"), { sequence: 77 });
    expect([(await deliverLetter(x, first)) !== undefined, await deliverLetter(x, other), (await deliverLetter(x, first)) !== undefined]).toEqual([true, undefined, true]);
    expect((await x.context.db.selectFrom("incident").select("what").execute()).map((r) => r.what)).toEqual(["two letters with one number"]);
  });
  test("what only reads is forgotten after a day, records after 400", async () => {
    const box = await enrolBox(x);
    for (let n = 0; n < 20; n++) await pull(x, box);
    await ask(x, box, w.messageType.records, w.encodeBatch({ boot: 1, first: 1, entries: [], head: new Uint8Array(16) }));
    const before = await letters();
    x.machine.advance(86_401);
    await pull(x, box);
    expect(await letters()).toBeLessThan(before - 19);
    x.machine.advance(400 * 86_400);
    await pull(x, box);
    expect(await letters()).toBe(1);
  });
  test("answers of one host are numbered upwards, also after a restart in the same second", async () => {
    const folder = mkdtempSync(join(tmpdir(), "numbers-"));
    const numbers: number[] = [];
    for (let n = 0; n < 2; n++) {
      const y = await openWorld(`${n}`, folder);
      const phone = await enrol(y, `user${n}`);
      for (let k = 0; k < 3; k++) numbers.push(Number((await y.context.db.selectFrom("setting").select("value").where("name", "=", "number letter").executeTakeFirst())!.value) + (await collect(y, phone)).length);
      await y.close();
    }
    expect(numbers).toEqual([...numbers].sort((a, b) => a - b));
    expect(new Set(numbers).size).toBe(numbers.length);
    rmSync(folder, { recursive: true });
  });
  test("if the host fails while it acts, nothing of the letter remains, and the same letter is taken afterwards", async () => {
    const box = await enrolBox(x);
    const bytes = letter(x, box, w.messageType.records, w.encodeBatch({ boot: 1, first: 1, entries: [new Uint8Array([1])], head: new Uint8Array(16) }), { quality: 0 });
    const broken: World = { ...x, context: { ...x.context, keys: { ...x.context.keys, signed: () => { throw new Error("no power"); } } } };
    await expect(deliverLetter(broken, bytes)).rejects.toThrow("no power");
    expect(await x.context.db.selectFrom("entry_taken").selectAll().where("terminal_id", "=", box.id).execute()).toEqual([]);
    expect(await deliverLetter(x, bytes)).toBeDefined();
  });
});

describe("handover through the host (decision 5)", () => {
  const none = new Uint8Array(0);
  const waiting = async (x: World, id: string): Promise<void> => { while (!x.broker.isWaiting(id)) await Promise.resolve(); };
  test("only the terminal that was asked answers, and a copied poll takes no questions away", async () => {
    const x = await openWorld();
    await openShop(x);
    const [owner, other, thief] = [await enrolBox(x), await enrolBox(x), await enrolBox(x)];
    const poll = letter(x, owner, w.messageType.handoverWait, w.encodeHandoverWait({ number: 0, code: 0 }));
    const first = deliverLetter(x, poll);
    await waiting(x, owner.id);
    expect(await deliverLetter(x, poll), "the copy").toBeUndefined();
    const asked = ask(x, other, w.messageType.handoverAsk, w.encodeHandoverAsk({ owner: owner.certificateId, receipt: new Uint8Array([1]), proof: none }));
    expect(await first).toBeDefined();
    const question = w.decodeHandoverQuestion(open(x, owner, (await first)!).body)!;
    const polls = [ask(x, thief, w.messageType.handoverWait, w.encodeHandoverWait({ number: question.number, code: 0 }))];
    await waiting(x, thief.id);
    polls.push(ask(x, owner, w.messageType.handoverWait, w.encodeHandoverWait({ number: question.number, code: refusal.already_used })));
    expect(w.decodeHandoverCode((await asked)!)).toEqual({ code: refusal.already_used });
    x.broker.close();
    await Promise.all(polls);
    await x.close();
  });
  test("a suspended terminal neither asks nor is asked", async () => {
    const x = await openWorld();
    await openShop(x);
    const box = await enrolBox(x);
    await x.context.db.updateTable("terminal").set({ suspended: 1 }).execute();
    expect(await ask(x, box, w.messageType.handoverAsk, w.encodeHandoverAsk({ owner: box.certificateId, receipt: none, proof: none }))).toEqual(none);
    expect(keyId(crypto, crypto.publicKey(newSecret(x))!)).toHaveLength(8);
    await x.close();
  });
});
