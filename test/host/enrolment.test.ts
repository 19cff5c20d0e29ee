/**
 * Who may stand in an account (`trust.md` §4): a password is weak by design, so it opens a new account and nothing that
 * exists. A second handset needs the first one's signature or the recovery code; values of strangers need their invitation.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { importList } from "../../host/import.js";
import { addMember, checkPassword, isUsable, refusedBecause, reopenMember, revokeHandset } from "../../host/people.js";
import { sell } from "../../host/products.js";
import { transact } from "../../host/database.js";
import { signObject } from "../../protocol/wire/signed.js";
import * as handsetLetters from "../../protocol/wire/handset-letters.js";
import * as w from "../../protocol/wire/sync.js";
import { ask, collect, crypto, enrol, holder, makeDevice, openShop, openWorld, password, type Device, type World } from "./world.js";

let x: World;
beforeEach(async () => { x = await openWorld(); await openShop(x); });
afterEach(() => x.close());

const consent = (by: Device, to: Device, user = "aiko", at = x.machine.now()): Uint8Array => signObject(crypto, "device", by.signing, handsetLetters.encodeDeviceConsent({ user, kid: to.kid, at }));
const status = async (user: string) => (await x.context.db.selectFrom("issued").select("status").where("user_id", "=", user).execute()).map((v) => v.status);

describe("a stolen password", () => {
  test("enrols no handset, whether it is right or wrong, and tells its thief nothing", async () => {
    await holder(x, "aiko", "concert");
    const answers = [await enrol(x, "aiko"), await enrol(x, "aiko", { password: "not her password" })].map((d) => d.said);
    expect(answers).toEqual([{ code: refusedBecause.consent, recovery: "" }, { code: refusedBecause.consent, recovery: "" }]);
    expect(await x.context.db.selectFrom("member").select("wrong").executeTakeFirst()).toEqual({ wrong: 0 });
  });
  test("with a guessed recovery code it gets five tries a day and twenty in all", async () => {
    const { phone } = await holder(x, "aiko", "concert");
    const guess = async (code: string): Promise<number> => (await enrol(x, "aiko", { code })).said.code;
    for (let day = 0; day < 6; day++) {
      for (let n = 0; n < 6; n++) expect(await guess("0000-0000-0000-0000-0000")).toBe(refusedBecause.wrong);
      x.machine.advance(86_400);
    }
    expect(await guess(phone.said.recovery), "the right code comes too late: the desk helps").toBe(refusedBecause.wrong);
    expect(await x.context.db.selectFrom("member").select("recovery_wrong").executeTakeFirst()).toEqual({ recovery_wrong: 20 });
    await reopenMember(x.context, "aiko");
    expect(await guess(phone.said.recovery)).toBe(0);
  });
});

test.each<[string, boolean]>([
  ["qwertyuiop", false], ["1q2w3e4r5t", false], ["PassWord123", false], ["unbelievable", false], ["basketball", false], ["manchester", false], ["motherfucker", false],
  ["letmeinletmein", false], ["1111111111", false], ["abcabcabcabc", false], ["0123456789", false], ["123456123456", false], ["9 letters", false], ["x".repeat(129), false],
  ["correct horse battery", true], ["kaisatsu-kaisatsu!", true], ["改札を通る人の合言葉", true], ["qwertyuiop and more", true], ["a b".repeat(42) + "cd", true],
])("the password %s is usable: %s", (text, usable) => expect(isUsable(text)).toBe(usable));

describe("a second handset", () => {
  test("stands beside the first that signed for it; each value lives on one", async () => {
    const { phone, value } = await holder(x, "aiko", "concert");
    const second = makeDevice(x);
    expect((await enrol(x, "aiko", { consent: consent(phone, second) }, second)).said).toEqual({ code: 0, recovery: "" });
    expect(await collect(x, second)).toEqual([]);
    const stolen = handsetLetters.encodeOfferKeys([{ offer: value.delivered.offer, publicKey: crypto.publicKey(value.secret)!, keyClass: 2 }]);
    expect(handsetLetters.decodeDelivered((await ask(x, second, w.messageType.deliver, stolen))!), "not even with the first one's key").toEqual([]);
    expect(handsetLetters.decodeDelivered((await ask(x, phone, w.messageType.deliver, stolen))!)).toHaveLength(1);
  });
  test.each<[string, (first: Device, second: Device, other: Device) => Uint8Array]>([
    ["signed by another member's handset", (_first, second, other) => consent(other, second)],
    ["signed for another key", (first, _second, other) => consent(first, other)],
    ["signed for another account", (first, second) => consent(first, second, "ben")],
    ["signed eleven minutes ago", (first, second) => consent(first, second, "aiko", x.machine.now() - 660)],
    ["signed for eleven minutes from now", (first, second) => consent(first, second, "aiko", x.machine.now() + 660)],
    ["signed by the new handset itself", (_first, second) => consent(second, second)],
    ["signed as another class", (first, second) => signObject(crypto, "message", first.signing, handsetLetters.encodeDeviceConsent({ user: "aiko", kid: second.kid, at: x.machine.now() }))],
    ["of noise", () => new Uint8Array([1, 2, 3])],
  ])("is not enrolled by consent %s", async (_name, made) => {
    const first = await enrol(x, "aiko");
    const other = await enrol(x, "ben");
    const second = makeDevice(x);
    expect((await enrol(x, "aiko", { consent: made(first, second, other) }, second)).said.code).toBe(refusedBecause.consent);
    expect(await x.context.db.selectFrom("handset").select("user_id").where("kid", "=", Buffer.from(second.kid).toString("hex")).execute()).toEqual([]);
  });
  test("is not enrolled by consent with a wrong password, nor by a revoked handset's", async () => {
    const first = await enrol(x, "aiko");
    const second = makeDevice(x);
    expect((await enrol(x, "aiko", { consent: consent(first, second), password: "wrong password!" }, second)).said.code).toBe(refusedBecause.wrong);
    await transact(x.context.db, (tx) => revokeHandset(x.context, tx, Buffer.from(first.kid).toString("hex")));
    expect((await enrol(x, "aiko", { consent: consent(first, second) }, second)).said.code).toBe(refusedBecause.consent);
  });
  test("a used consent enrols nobody else, and a revoked handset never comes back by it", async () => {
    const first = await enrol(x, "aiko");
    const second = makeDevice(x);
    const word = consent(first, second);
    await enrol(x, "aiko", { consent: word }, second);
    expect((await enrol(x, "aiko", { consent: word })).said.code).toBe(refusedBecause.consent);
    await transact(x.context.db, (tx) => revokeHandset(x.context, tx, Buffer.from(second.kid).toString("hex")));
    expect(await ask(x, second, w.messageType.collect, handsetLetters.encodeCollect(""))).toBeUndefined();
  });
});

describe("a lost phone", () => {
  test("password and recovery code bring a new one; the old one ends, its values are suspended, the code is another", async () => {
    const { phone } = await holder(x, "aiko", "concert");
    await sell(x.context, { product: "ten", user: "aiko", reference: "not yet collected", paid: "desk" });
    const code = phone.said.recovery.toLowerCase().replaceAll("-", " ").replaceAll("0", "o").replaceAll("1", "l");
    const next = await enrol(x, "AIKO ", { code });
    expect(next.said.code).toBe(0);
    expect(next.said.recovery).not.toBe(phone.said.recovery);
    expect(await ask(x, phone, w.messageType.collect, handsetLetters.encodeCollect(""))).toBeUndefined();
    expect((await status("aiko")).sort()).toEqual([0, 2]);
    expect(await collect(x, next)).toHaveLength(1);
    expect((await enrol(x, "aiko", { code: phone.said.recovery })).said.code, "used up").toBe(refusedBecause.wrong);
  });
  test("a member whom an operator added enrols with password and recovery code", async () => {
    const recovery = await addMember(x.context, { user: "Chi", password, phone: "" });
    expect((await enrol(x, "chi")).said.code).toBe(refusedBecause.consent);
    expect((await enrol(x, "chi", { code: recovery })).said.code).toBe(0);
  });
});

describe("a value for somebody whom nobody has seen", () => {
  const list = "reference,name,user,product\nA-1,Aiko,Aiko@Example.org,concert\n";
  test("waits for its invitation, whoever registers that address first", async () => {
    const made = await importList(x.context, "csv", list);
    const invitation = made.values[0]!.invitation!;
    expect((await importList(x.context, "csv", list)).values, "sent again").toEqual(made.values);
    const thief = await enrol(x, "aiko@example.org", { code: "0000-0000-0000-0000-0000" });
    expect(thief.said.code).toBe(0);
    expect(await collect(x, thief)).toEqual([]);
    for (let n = 0; n < 5; n++) expect(await collect(x, thief, "1111-1111-1111-1111-1111")).toEqual([]);
    expect(await collect(x, thief, invitation), "five tries a day").toEqual([]);
    x.machine.advance(86_400);
    expect(await collect(x, thief, invitation)).toHaveLength(1);
  });
  test("comes at once when the invitation is given on enrolling, and further ones without", async () => {
    const { values } = await importList(x.context, "csv", list);
    const phone = await enrol(x, "aiko@example.org", { code: values[0]!.invitation! });
    expect(await collect(x, phone)).toHaveLength(1);
    const more = await importList(x.context, "csv", list.replace("A-1", "A-2"));
    expect(more.values[0]!.invitation).toBeUndefined();
    expect(await collect(x, phone)).toHaveLength(1);
  });
  test("is not delivered by a guess of its offer either", async () => {
    await importList(x.context, "csv", list);
    const thief = await enrol(x, "aiko@example.org");
    const { offer_id } = (await x.context.db.selectFrom("issued").select("offer_id").executeTakeFirst())!;
    const body = handsetLetters.encodeOfferKeys([{ offer: new Uint8Array(Buffer.from(offer_id, "hex")), publicKey: crypto.publicKey(x.machine.random(32))!, keyClass: 2 }]);
    expect(handsetLetters.decodeDelivered((await ask(x, thief, w.messageType.deliver, body))!)).toEqual([]);
  });
});

describe("what a handset may ask of values", () => {
  test.each([0, 3, 4, 7, 4096])("key class %i is the host's or nobody's to claim", async (keyClass) => {
    expect((await enrol(x, "aiko", { keyClass })).said.code).toBe(refusedBecause.wrong);
    const phone = await enrol(x, "ben");
    await sell(x.context, { product: "concert", user: "ben", reference: "B", paid: "desk" });
    const [offer] = handsetLetters.decodeOffers((await ask(x, phone, w.messageType.collect, handsetLetters.encodeCollect("")))!)!;
    const body = handsetLetters.encodeOfferKeys([{ offer: offer!.offer, publicKey: crypto.publicKey(x.machine.random(32))!, keyClass }]);
    expect(handsetLetters.decodeDelivered((await ask(x, phone, w.messageType.deliver, body))!)).toEqual([]);
  });
  test("another member's offer is nothing, nor is a key that another value has, nor one off the curve", async () => {
    const { value } = await holder(x, "aiko", "ten");
    const ben = await enrol(x, "ben");
    await sell(x.context, { product: "concert", user: "aiko", reference: "A", paid: "desk" });
    await sell(x.context, { product: "concert", user: "ben", reference: "B", paid: "desk" });
    const rows = await x.context.db.selectFrom("issued").select(["offer_id", "user_id"]).where("holder_key", "is", null).execute();
    const offer = (user: string) => new Uint8Array(Buffer.from(rows.find((r) => r.user_id === user)!.offer_id, "hex"));
    const deliver = async (of: string, publicKey: Uint8Array) => handsetLetters.decodeDelivered((await ask(x, ben, w.messageType.deliver, handsetLetters.encodeOfferKeys([{ offer: offer(of), publicKey, keyClass: 2 }])))!)!.length;
    expect(await deliver("aiko", crypto.publicKey(x.machine.random(32))!)).toBe(0);
    expect(await deliver("ben", crypto.publicKey(value.secret)!)).toBe(0);
    expect(await deliver("ben", new Uint8Array([2, ...new Uint8Array(31), 7]))).toBe(0);
    expect(await deliver("ben", crypto.publicKey(x.machine.random(32))!)).toBe(1);
  });
  test("more values than fit one letter come in several, each letter within 16 KiB", async () => {
    const phone = await enrol(x, "aiko");
    for (let n = 0; n < 45; n++) await sell(x.context, { product: "concert", user: "aiko", reference: `R${n}`, name: "N".repeat(80), paid: "desk" });
    const sizes: number[] = [];
    for (let got = await collect(x, phone); got.length > 0; got = await collect(x, phone)) sizes.push(got.length);
    expect(sizes).toEqual([20, 20, 5]);
    const letters = await x.context.db.selectFrom("letter").select("answer").execute();
    expect(Math.max(...letters.map((l) => l.answer.length))).toBeLessThan(16_384);
  });
});

describe("wrong passwords", () => {
  const wrong = () => checkPassword(x.context, "aiko", "wrong password");
  const right = () => checkPassword(x.context, "aiko", password);
  test("the fifth makes the account wait a minute, then two, four, up to an hour; a right one ends it", async () => {
    await enrol(x, "aiko");
    for (let n = 0; n < 4; n++) expect(await wrong()).toBe(false);
    expect(await right(), "four are forgiven").toBe(true);
    for (let n = 0; n < 5; n++) await wrong();
    for (const minutes of [1, 2, 4, 8, 16, 32, 60, 60]) {
      x.machine.advance(minutes * 60 - 1);
      expect(await right(), `${minutes} minutes not over`).toBe(false);
      x.machine.advance(1);
      expect(await wrong()).toBe(false);
    }
    x.machine.advance(3600);
    expect(await right()).toBe(true);
    expect(await x.context.db.selectFrom("member").select(["wrong", "wrong_in_row", "blocked_until"]).executeTakeFirst()).toEqual({ wrong: 17, wrong_in_row: 0, blocked_until: 0 });
  });
  test("a hundred in a row close it, for the right one too, until it is opened again", async () => {
    await enrol(x, "aiko");
    for (let n = 0; n < 100; n++) { await wrong(); x.machine.advance(3601); }
    expect(await right()).toBe(false);
    await reopenMember(x.context, "aiko");
    expect(await right()).toBe(true);
  });
  test("thirty at once: none slips past the count", async () => {
    await enrol(x, "aiko");
    expect(await Promise.all(Array.from({ length: 30 }, wrong))).toEqual(Array(30).fill(false));
    expect(await x.context.db.selectFrom("member").select("wrong").executeTakeFirst()).toEqual({ wrong: 5 });
  });
  test("unknown, waiting and wrong cost the same slow hash and give the same answer", async () => {
    let hashes = 0;
    const y = await openWorld("y", undefined, { slowHash: (text, salt) => { hashes++; return Promise.resolve(crypto.hmac(salt, new TextEncoder().encode(text))); } });
    await enrol(y, "aiko");
    hashes = 0;
    const answers = [await checkPassword(y.context, "nobody", password), await checkPassword(y.context, "aiko", "wrong password")];
    for (let n = 0; n < 5; n++) await checkPassword(y.context, "aiko", "wrong password");
    answers.push(await checkPassword(y.context, "aiko", password));
    expect(answers).toEqual([false, false, false]);
    expect(hashes).toBe(8);
    await y.close();
  });
  test("more than 34 at once: the rest is told to come again, and nothing is left waiting", async () => {
    const release: (() => void)[] = [];
    const y = await openWorld("y", undefined, { slowHash: () => new Promise((go) => { release.push(() => go(new Uint8Array(32))); }) });
    const tries = Array.from({ length: 40 }, () => checkPassword(y.context, "nobody", password));
    while (y.context.hashing.waiting.length < 32) await new Promise((go) => { setImmediate(go); });
    await new Promise((go) => { setImmediate(go); });
    expect(release).toHaveLength(2);
    let done = 0;
    for (const x of tries) void x.then(() => { done++; });
    while (done < 40) { release.splice(0).forEach((go) => go()); await new Promise((go) => { setImmediate(go); }); }
    expect((await Promise.all(tries)).filter((a) => a === "busy")).toHaveLength(6);
    expect(y.context.hashing).toEqual({ running: 0, waiting: [] });
    await y.close();
  });
  test("the wait survives a restart of the host", async () => {
    const folder = mkdtempSync(join(tmpdir(), "lock-"));
    let y = await openWorld("y", folder);
    await enrol(y, "aiko");
    for (let n = 0; n < 5; n++) await checkPassword(y.context, "aiko", "wrong password");
    await y.close();
    y = await openWorld("z", folder);
    expect(await checkPassword(y.context, "aiko", password)).toBe(false);
    y.machine.advance(60);
    expect(await checkPassword(y.context, "aiko", password)).toBe(true);
    await y.close();
    rmSync(folder, { recursive: true });
  });
});
