/**
 * The status list at the host (`trust.md` §2, §6; rows 50, 51): a chain of deltas that leads to the whole list, numbers that
 * never go back, the audit log's head in it, and what a restore from a backup leaves of all that.
 */
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inflateSync } from "node:zlib";
import { afterEach, beforeEach, expect, test } from "vitest";
import { auditHead } from "../../host/context.js";
import { transact } from "../../host/database.js";
import { checkBooks } from "../../host/invariants.js";
import { checkPassword } from "../../host/people.js";
import { sell } from "../../host/products.js";
import { markRestored } from "../../host/restore.js";
import { readList, setStatus, setStatuses } from "../../host/status.js";
import { openSigned } from "../../protocol/wire/signed.js";
import { applyDelta, bitsDigest, decodeConfiguration, decodeStatusDelta, decodeStatusList, statusAt, type StatusDelta, type StatusList } from "../../protocol/wire/trust.js";
import { batchOf, crypto, enrolBox, holder, journal, openShop, openWorld, password, pull, sync, use, type Box, type World } from "./world.js";

let x: World;
let box: Box;
let sold = 0;
beforeEach(async () => { x = await openWorld(); await openShop(x); box = await enrolBox(x); });
afterEach(() => x.close());

const signer = (y = x, name = "status") => [{ kid: y.context.keys.kid(name), publicKey: y.context.keys.publicKey(name) }];
const listOf = (bytes: Uint8Array, y = x): StatusList => decodeStatusList(openSigned(crypto, bytes, "status", signer(y))!)!;
const deltaOf = (bytes: Uint8Array): StatusDelta => decodeStatusDelta(openSigned(crypto, bytes, "status-delta", signer())!)!;
const bitsOf = (list: StatusList): Uint8Array => new Uint8Array(inflateSync(list.packed));
const issue = async (n: number): Promise<string[]> => {
  const ids: string[] = [];
  for (let k = 0; k < n; k++) ids.push((await sell(x.context, { product: "concert", user: "aiko", reference: `R${sold++}`, paid: "desk" })).valueId);
  return ids;
};
const change = (ids: string[], state: "valid" | "revoked" | "suspended") => transact(x.context.db, (tx) => setStatuses(x.context, tx, ids, state));

test("deltas lead from any list that was given out to the newest; a stranger's number gets the whole list", async () => {
  const ids = await issue(6);
  const first = listOf((await pull(x, box))!.list);
  const held = [{ number: first.number, bits: bitsOf(first) }];
  for (const [n, state] of [[0, "revoked"], [1, "suspended"], [2, "revoked"], [1, "valid"], [5, "suspended"]] as const) {
    await change([ids[n]!], state);
    held.push({ number: (await readList(x.context)).number, bits: (await readList(x.context)).bits });
  }
  const newest = held.at(-1)!;
  expect([0, 1, 2, 3, 4, 5].map((i) => statusAt(newest.bits, i))).toEqual([1, 0, 1, 0, 0, 2]);
  for (const from of held) {
    const news = (await pull(x, box, { list: from.number, digest: bitsDigest(crypto, from.bits) }))!;
    let { number, bits } = from;
    for (const delta of news.deltas.map(deltaOf)) {
      expect(delta.appliesTo).toBe(number);
      bits = applyDelta(crypto, bits, delta)!;
      number = delta.number;
    }
    expect([number, news.list.length]).toEqual([newest.number, 0]);
    expect(bitsDigest(crypto, bits)).toEqual(bitsDigest(crypto, newest.bits));
  }
  for (const number of [first.number - 1, newest.number + 7, 1]) expect(listOf((await pull(x, box, { list: number }))!.list).number, `${number}`).toBe(newest.number);
});

test("a change that changes nothing makes no number; many at once make one", async () => {
  const ids = await issue(40);
  const { number } = await readList(x.context);
  await change(ids.slice(0, 3), "valid");
  expect((await readList(x.context)).number).toBe(number);
  await change(ids, "suspended");
  expect((await readList(x.context)).number).toBe(number + 1);
  await expect(transact(x.context.db, (tx) => setStatus(x.context, tx, "nothing", "revoked"))).rejects.toThrow("no value nothing");
});

test("the list carries the audit log's head, a quarter of an hour's life and sixty days' end; it is signed anew each week", async () => {
  await change(await issue(1), "revoked");
  const list = listOf((await readList(x.context)).signed);
  expect([list.auditHead, list.ttl, list.expires - list.issuedAt]).toEqual([await auditHead(x.context.db), 900, 60 * 86_400]);
  x.machine.advance(7 * 86_400 - 1);
  expect(listOf((await readList(x.context)).signed).number).toBe(list.number);
  x.machine.advance(1);
  const news = (await pull(x, box, { list: list.number, digest: bitsDigest(crypto, bitsOf(list)) }))!;
  expect(news.deltas.map(deltaOf).map((d) => [d.appliesTo, d.number])).toEqual([[list.number, list.number + 1]]);
  expect(listOf((await readList(x.context)).signed).issuedAt).toBe(x.machine.now());
});

test("row 51: a million values, one in a hundred revoked: the list is 15 KB and still fits an envelope with its news", async () => {
  const [first] = await issue(1);
  await x.context.db.updateTable("issued").set({ status_index: 999_999 }).where("value_id", "=", first!).execute();
  const bits = new Uint8Array(250_000);
  for (let n = 0; n < 10_000; n++) { const i = crypto.sha256(new Uint8Array([n >> 8, n & 255])).reduce((sum, b) => (sum * 256 + b) % 1_000_000, 0); bits[i >> 2]! |= 1 << ((i & 3) * 2); }
  await pull(x, box);
  await x.context.db.insertInto("setting").values({ name: "status bits", value: Buffer.from(bits).toString("base64") }).onConflict((o) => o.column("name").doUpdateSet({ value: Buffer.from(bits).toString("base64") })).execute();
  await change([first!], "revoked");
  const news = (await pull(x, box))!;
  expect(news.list.length).toBeLessThan(24_000);
  expect(statusAt(bitsOf(listOf(news.list)), 999_999)).toBe(1);
});

test("row 50: a restored host gives out no number twice, repairs its books from the journals, and forgets no lock", async () => {
  const [folder, backup] = [mkdtempSync(join(tmpdir(), "host-")), mkdtempSync(join(tmpdir(), "backup-"))];
  let y = await openWorld("y", folder);
  await openShop(y);
  const gate = await enrolBox(y);
  const { value } = await holder(y, "aiko", "ten");
  const links = [use(y, gate, value, undefined)];
  for (let n = 0; n < 4; n++) links.push(use(y, gate, value, links.at(-1)));
  journal(gate, ...links.map((l) => l.entry));
  await sync(y, gate, batchOf(gate, 1, 2));
  await y.close();
  cpSync(folder, backup, { recursive: true });
  y = await openWorld("y2", folder);
  await sync(y, gate);
  const later = await sell(y.context, { product: "concert", user: "aiko", reference: "after the backup", paid: "desk" });
  await transact(y.context.db, (tx) => setStatus(y.context, tx, later.valueId, "revoked"));
  const lost = { list: (await readList(y.context)).number, configuration: decodeConfiguration(openSigned(crypto, (await pull(y, gate))!.configuration, "configuration", signer(y, "configuration"))!)!.number };
  const index = (await y.context.db.selectFrom("issued").select("status_index").where("value_id", "=", later.valueId).executeTakeFirst())!.status_index;
  await y.close();

  y = await openWorld("y3", backup);
  const epochs = [await markRestored(y.context)];
  y.machine.advance(3600);
  epochs.push(await markRestored(y.context));
  expect(epochs[1]).toBeGreaterThan(epochs[0]!);
  const news = (await pull(y, gate, { list: lost.list, digest: new Uint8Array(8), configuration: lost.configuration }))!;
  expect(listOf(news.list, y).number).toBeGreaterThan(lost.list);
  expect(decodeConfiguration(openSigned(crypto, news.configuration, "configuration", signer(y, "configuration"))!)!.number).toBeGreaterThan(lost.configuration);
  const again = await sell(y.context, { product: "concert", user: "aiko", reference: "after the restore", paid: "desk" });
  expect((await y.context.db.selectFrom("issued").select("status_index").where("value_id", "=", again.valueId).executeTakeFirst())!.status_index).toBeGreaterThan(index);
  expect(await checkPassword(y.context, "aiko", password), "every account begins at the first delay").toBe(false);
  y.machine.advance(60);
  expect(await checkPassword(y.context, "aiko", password)).toBe(true);
  journal(gate, { kind: "closed", tap: 90 });
  expect(await sync(y, gate, batchOf(gate, 6, 6)), "what was confirmed before is asked for again").toBe(2);
  expect(await sync(y, gate, batchOf(gate, 3, 6))).toBe(6);
  expect((await y.context.db.selectFrom("value_use").select("state").execute()).map((u) => u.state)).toEqual(Array(5).fill("finished"));
  expect(await checkBooks(y.context.db)).toEqual([]);
  await y.close();
  for (const f of [folder, backup]) rmSync(f, { recursive: true });
});
