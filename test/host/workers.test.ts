/**
 * Two hosts on one data folder, and hosts that die (rows 44, 48; decision 10): one database, one key store, each letter once,
 * whoever takes it and wherever it stops; what was answered is there after a kill.
 */
import { fork } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { checkBooks } from "../../host/invariants.js";
import { addIssuer, addProduct, sell } from "../../host/products.js";
import * as w from "../../protocol/wire/sync.js";
import { batchOf, collect, concert, deliverLetter, enrol, enrolBox, holder, journal, letter, open, openShop, openWorld, sync, use, type World } from "./world.js";

let folder: string;
beforeEach(() => { folder = mkdtempSync(join(tmpdir(), "workers-")); });
afterEach(() => { rmSync(folder, { recursive: true }); });
const both = async (): Promise<[World, World]> => [await openWorld("one", folder), await openWorld("two", folder)];

test("two workers that start at once on an empty folder are one provider with one set of keys", async () => {
  const workers = await Promise.all([openWorld("one", folder), openWorld("two", folder)]);
  for (const name of ["root", "values", "certificates", "status", "envelope", "sender"]) expect(workers[0].context.keys.publicKey(name), name).toEqual(workers[1].context.keys.publicKey(name));
  await Promise.all(workers.map((x) => x.close()));
});

test("keys that one makes, the other has, and neither writes over the other's", async () => {
  const [a, b] = await both();
  await openShop(a);
  await addIssuer(b.context, { issuer: "club", name: "Club" });
  await addIssuer(a.context, { issuer: "third", name: "Third" });
  expect(a.context.keys.group(1, 1)).toEqual(b.context.keys.group(1, 1));
  const names = ["issuer box", "issuer club", "issuer third"];
  expect(names.map((n) => a.context.keys.publicKey(n))).toEqual(names.map((n) => b.context.keys.publicKey(n)));
  await addProduct(a.context, { ...concert, product: "party", issuer: "club" });
  const phone = await enrol(b, "aiko");
  await sell(b.context, { product: "party", user: "aiko", reference: "P", paid: "desk" });
  expect(await collect(a, phone)).toHaveLength(1);
  await a.close();
  await b.close();
  const again = await openWorld("again", folder);
  expect(names.map((n) => again.context.keys.publicKey(n).length)).toEqual([33, 33, 33]);
  await again.close();
});

test("row 48: the same letters at both workers at once: each takes effect once, answers of one letter are one", async () => {
  const [a, b] = await both();
  await openShop(a);
  const box = await enrolBox(a);
  const { value } = await holder(a, "aiko", "ten");
  const links = [use(a, box, value, undefined)];
  for (let n = 0; n < 7; n++) links.push(use(a, box, value, links.at(-1)));
  journal(box, ...links.map((l) => l.entry));
  const letters = [[1, 3], [2, 5], [4, 8], [1, 8]].map(([first, last]) => letter(a, box, w.messageType.records, batchOf(box, first, last), { quality: 0 }));
  const answers = await Promise.all(letters.flatMap((bytes) => [deliverLetter(a, bytes), deliverLetter(b, bytes)]));
  for (let n = 0; n < answers.length; n += 2) expect(answers[n]).toEqual(answers[n + 1]);
  expect(await sync(b, { ...box, next: 500 })).toBe(8);
  expect((await a.context.db.selectFrom("value_use").select("state").execute()).map((u) => u.state)).toEqual(Array(8).fill("finished"));
  expect(await checkBooks(b.context.db)).toEqual([]);
  const numbers = answers.map((bytes) => open(a, box, bytes!).sequence);
  expect(new Set(numbers).size).toBe(letters.length);
  await a.close();
  await b.close();
});

/** A host in a process of its own that takes letters from its parent and is killed without a word. */
const child = (host: string): string => `
import { openHost } from ${JSON.stringify(host + "/host.js")};
import { takeEnvelope } from ${JSON.stringify(host + "/device.js")};
const h = await openHost({ folder: process.argv[2], machine: { now: () => ${1_800_000_000} } });
process.on("message", (text) => {
  void takeEnvelope(h.context, h.broker, new Uint8Array(Buffer.from(text, "base64")), () => undefined).then((answer) => { process.send(Buffer.from(answer ?? []).toString("base64")); });
});
process.send("ready");
`;

test("row 44: killed at any moment, also between commit and answer: sent again, each record counts once, and the answer is the same", async () => {
  const x = await openWorld("one", folder);
  await openShop(x);
  const box = await enrolBox(x);
  const { value } = await holder(x, "aiko", "ten");
  const links = [use(x, box, value, undefined)];
  for (let n = 0; n < 5; n++) links.push(use(x, box, value, links.at(-1)));
  journal(box, ...links.map((l) => l.entry));
  const bytes = letter(x, box, w.messageType.records, batchOf(box), { quality: 0 });
  await x.close();
  const script = join(folder, "child.mjs");
  writeFileSync(script, child(join(import.meta.dirname, "../../dist/host")));
  const start = async () => {
    const process = fork(script, [folder]);
    await new Promise((go) => process.once("message", go));
    return process;
  };
  for (let round = 0; round < 3; round++) {
    const host = await start();
    host.send(Buffer.from(bytes).toString("base64"));
    for (let turn = 0; turn < round; turn++) await new Promise((go) => { setImmediate(go); });
    const dead = new Promise((go) => host.once("exit", go));
    host.kill("SIGKILL");
    await dead;
  }
  const answers: string[] = [];
  for (let round = 0; round < 2; round++) {
    const host = await start();
    const answer = new Promise<string>((go) => host.once("message", (text) => go(String(text))));
    host.send(Buffer.from(bytes).toString("base64"));
    answers.push(await answer);
    const dead = new Promise((go) => host.once("exit", go));
    host.kill("SIGKILL");
    await dead;
  }
  expect(answers[0]).toBe(answers[1]);
  const y = await openWorld("two", folder);
  expect(w.decodeBatchTaken(open(y, box, new Uint8Array(Buffer.from(answers[0]!, "base64"))).body)).toEqual({ through: 6 });
  expect((await y.context.db.selectFrom("value_use").select("state").execute()).map((u) => u.state)).toEqual(Array(6).fill("finished"));
  expect(await checkBooks(y.context.db)).toEqual([]);
  await y.close();
});
