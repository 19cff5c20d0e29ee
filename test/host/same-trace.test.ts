/**
 * A host is a function of its machine: with the same time, randomness and cryptography it gives the same bytes, so that a
 * simulation can repeat a run. Two hosts in one process do not feel each other.
 */
import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { encodeCollect } from "../../protocol/wire/handset-letters.js";
import { messageType, encodeHandoverAsk, decodeHandoverCode, decodeHandoverQuestion, encodeHandoverWait } from "../../protocol/wire/sync.js";
import { refusal } from "../../protocol/refusal.js";
import { ask, concert, deliverLetter, enrol, enrolBox, holder, journal, letter, openShop, openWorld, pull, sync, use, type World } from "./world.js";

/** Some of everything; the digest covers every answer and every row. */
async function evening(x: World, pause: () => Promise<void> = () => Promise.resolve()): Promise<string> {
  const trace = createHash("sha256");
  await openShop(x);
  const north = await enrolBox(x);
  await pause();
  const { phone, value } = await holder(x, "aiko", concert.product);
  journal(north, { kind: "boot", boot: 1, at: x.machine.now(), quality: 2 }, use(x, north, value, undefined).entry);
  trace.update(String(await sync(x, north)));
  await pause();
  const answer = await deliverLetter(x, letter(x, phone, messageType.collect, encodeCollect("")));
  trace.update(answer!);
  trace.update((await pull(x, north))!.list);
  for (const table of ["member", "handset", "terminal", "certificate", "issued", "transfer", "value_use", "letter", "audit", "setting"] as const) {
    trace.update(JSON.stringify(await x.context.db.selectFrom(table).selectAll().execute()));
  }
  return trace.digest("hex");
}

test("the same machine gives the same trace, byte for byte; another seed another", async () => {
  const seen: string[] = [];
  for (const seed of ["a", "a", "b"]) {
    const x = await openWorld(seed);
    seen.push(await evening(x));
    await x.close();
  }
  expect(seen[0]).toBe(seen[1]);
  expect(seen[2]).not.toBe(seen[0]);
});

test("two hosts in turns give what each gives alone", async () => {
  const alone = await openWorld("a");
  const expected = await evening(alone);
  const [one, other] = [await openWorld("a"), await openWorld("b")];
  const yields = () => new Promise<void>((go) => { setImmediate(go); });
  const [first] = await Promise.all([evening(one, yields), evening(other, yields)]);
  expect(first).toBe(expected);
  for (const x of [alone, one, other]) await x.close();
});

test("waits of a handover end by the machine's timers, not by the wall's", async () => {
  const x = await openWorld();
  await openShop(x);
  const [owner, other] = [await enrolBox(x), await enrolBox(x)];
  const poll = ask(x, owner, messageType.handoverWait, encodeHandoverWait({ number: 0, code: 0 }));
  const none = new Uint8Array(0);
  while (!(await isPolling(x, owner.id))) await Promise.resolve();
  const asked = ask(x, other, messageType.handoverAsk, encodeHandoverAsk({ owner: owner.certificateId, receipt: new Uint8Array([1]), proof: none }));
  expect(decodeHandoverQuestion((await poll)!)).toMatchObject({ by: other.certificateId });
  x.machine.ring();
  expect(decodeHandoverCode((await asked)!)).toEqual({ code: refusal.finish_elsewhere });
  await x.close();
});
const isPolling = (x: World, id: string) => Promise.resolve(x.broker.isWaiting(id));

test("a handset is enrolled the same way as over HTTP", async () => {
  const x = await openWorld();
  expect((await enrol(x, "aiko")).said.code).toBe(0);
  expect(x.counted).toEqual({ taken: 1 });
  await x.close();
});
