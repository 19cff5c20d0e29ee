/**
 * Evidence that is weaker than a full tap (`tap.md` §6, §7): beacons of the one-way class and MACs of a profile-B group. A
 * beacon counts once a step and never beyond its value; a stolen group key makes no money, only incidents.
 */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { checkBooks } from "../../host/invariants.js";
import { trialBalance } from "../../host/ledger.js";
import { addProduct } from "../../host/products.js";
import { beaconToSign } from "../../protocol/session/oneway.js";
import { mac8 } from "../../protocol/session/transcript.js";
import { encodeBeacon } from "../../protocol/wire/message-b.js";
import type { Entry } from "../../protocol/wire/entry.js";
import { acknowledgementToSign, action, encodeFinishedB, encodeReceipt, type Receipt } from "../../protocol/wire/receipt.js";
import { decodeSignedClaims } from "../../protocol/wire/sync.js";
import { digest16 } from "../../protocol/wire/value.js";
import { concert, crypto, enrolBox, gateOf, holder, journal, newSecret, openShop, openWorld, sync, ten, use, type Box, type Held, type World } from "./world.js";

let x: World;
beforeEach(async () => {
  x = await openWorld();
  await openShop(x);
  await addProduct(x.context, { ...concert, product: "pass", oneWay: true });
  await addProduct(x.context, { ...ten, product: "grant", grantUses: 3 });
});
afterEach(async () => {
  expect(await checkBooks(x.context.db)).toEqual([]);
  await x.close();
});
const incidents = async (): Promise<string[]> => (await x.context.db.selectFrom("incident").select("what").orderBy("incident_id").execute()).map((r) => r.what);
const earned = async (): Promise<number> => [...await trialBalance(x.context.db, "EUR")].filter(([a]) => a.startsWith("merchant/")).reduce((sum, [, v]) => sum - Number(v), 0);
const cases = async (): Promise<number> => (await x.context.db.selectFrom("double_use_case").select("case_id").execute()).length;
const listed = async (): Promise<number> => (await x.context.db.selectFrom("issued").select("status").executeTakeFirst())!.status;

describe("beacons", () => {
  const shown = (v: Held, step: number, zone = 1, signer = v.secret, act: number = action.enter): Entry => ({
    kind: "beacon", valueId: v.valueId, step, zone, action: act, expires: 0, at: x.machine.now(), quality: 2,
    beacon: encodeBeacon({ value: decodeSignedClaims(v.delivered.value)!, action: act, step, zone, proof: crypto.sign(signer, beaconToSign(v.valueId, act, step, zone)) }),
  });
  const left = (v: Held, step: number): Entry => shown(v, step, 1, v.secret, action.exit);
  test.each([["by code", 100], ["by code, in the same quarter of a minute", 101]])("leaving %s takes nothing, whoever comes first, and is nobody's double use", async (_name, step) => {
    const { value } = await holder(x, "aiko", "pass");
    const [entrance, exit] = [await enrolBox(x), await enrolBox(x)];
    journal(exit, left(value, 101));
    journal(entrance, shown(value, step));
    await sync(x, exit);
    await sync(x, entrance);
    expect([await earned(), await cases(), await listed(), await incidents()]).toEqual([2700, 0, 0, []]);
  });
  test("a code's share is that of the next unit: taps that took nothing are not counted", async () => {
    await addProduct(x.context, { ...concert, product: "three", kind: "coupon", sort: "coupons", most: 3, price: 1000, merchantShare: 10_000, oneWay: true });
    const { value } = await holder(x, "aiko", "three");
    const box = await enrolBox(x);
    const entered = use(x, box, value, undefined);
    journal(box, entered.entry, use(x, box, value, entered, { action: action.exit, amount: 0 }).entry, shown(value, 100));
    await sync(x, box);
    expect([await earned(), await incidents()]).toEqual([667, []]);
  });
  test("one counts; the same one photographed at another gate is told and earns nothing", async () => {
    const { value } = await holder(x, "aiko", "pass");
    const [a, b] = [await enrolBox(x), await enrolBox(x)];
    journal(a, shown(value, 100));
    journal(b, shown(value, 100));
    expect([await sync(x, a), await sync(x, b)]).toEqual([1, 1]);
    expect([await earned(), await incidents()]).toEqual([2700, ["one beacon was taken by two terminals"]]);
  });
  test("I2: another step at another gate, beyond what the value holds, is a case with both, and the value is suspended", async () => {
    const { value } = await holder(x, "aiko", "pass");
    const [a, b] = [await enrolBox(x), await enrolBox(x)];
    journal(a, shown(value, 100));
    journal(b, shown(value, 101));
    await sync(x, a);
    await sync(x, b);
    expect([await cases(), await listed(), await earned()]).toEqual([1, 2, 2700]);
  });
  test.each(["the tap first", "the beacon first"])("a full tap and a beacon of one single ticket are a case, %s", async (order) => {
    const { value } = await holder(x, "aiko", "pass");
    const [a, b] = [await enrolBox(x), await enrolBox(x)];
    journal(a, use(x, a, value, undefined).entry);
    journal(b, shown(value, 100));
    for (const box of order === "the tap first" ? [a, b] : [b, a]) await sync(x, box);
    expect([await cases(), await listed(), await earned()]).toEqual([1, 2, 2700]);
  });
  test.each<[string, string, (v: Held, other: Held) => Entry]>([
    ["not signed by the value's key", "the value's key did not sign this beacon", (v) => shown(v, 1, 1, newSecret(x))],
    ["for a zone that is not this terminal's", "the terminal was not certified for this kind or zone", (v) => shown(v, 1, 2)],
    ["of a value that does not allow it", "the value is not for the one-way class", (_v, other) => shown(other, 1)],
  ])("one %s earns nothing", async (_name, what, made) => {
    const [one, other] = [await holder(x, "aiko", "pass"), await holder(x, "ben", "concert")];
    const box = await enrolBox(x);
    journal(box, made(one.value, other.value));
    await sync(x, box);
    expect([await incidents(), await earned()]).toEqual([[what], 0]);
  });
});

describe("profile B", () => {
  const groupGate = (): Promise<Box> => enrolBox(x, gateOf({ profileB: true }));
  const record = (v: Held, more: Partial<Receipt> = {}, holderKey = v.secret, key = x.context.keys.group(1, 1).receiptKey): Entry => {
    const receipt = encodeReceipt({
      kind: 1, terminal: new Uint8Array(8), tap: new Uint8Array([0, 0, 0, 1]), valueId: v.valueId, counter: 1, previous: digest16(crypto, v.claims), action: 1, amount: 1, after: 1, at: x.machine.now(), quality: 2,
      until: 0, base: undefined, fold: undefined, ...more,
    });
    const made = encodeFinishedB({ receipt, mac: mac8(crypto, key, "receipt", new Uint8Array(0), receipt), evidence: crypto.sign(holderKey, acknowledgementToSign(crypto, receipt)) });
    return { kind: "finished", profile: "B", record: made, valueKind: "coupon", own: true, ownerSequence: 0, statusIndex: 0, expires: 0 };
  };
  const grantOf = async (v: Held): Promise<Held> => {
    const { grant_id } = (await x.context.db.selectFrom("issued").select("grant_id").where("value_id", "=", Buffer.from(v.valueId).toString("hex")).executeTakeFirst())!;
    return { ...v, valueId: new Uint8Array(Buffer.from(grant_id!, "hex")), claims: v.delivered.grant };
  };
  const idOf = (box: Box): Uint8Array => new Uint8Array(Buffer.from(box.id, "hex"));

  test("a use of a grant with the holder's evidence pays the terminal that made it", async () => {
    const box = await groupGate();
    const grant = await grantOf((await holder(x, "aiko", "grant")).value);
    journal(box, record(grant, { terminal: idOf(box) }));
    await sync(x, box);
    expect([await incidents(), await earned()]).toEqual([[], 450]);
  });
  test.each<[string, string, (grant: Held, box: Box, outside: Box) => Entry]>([
    ["a forged grant", "a grant was forged with the keys of a group: make the group new without the board that was opened", (g, box) => record({ ...g, valueId: new Uint8Array(8).fill(3) }, { terminal: idOf(box) })],
    ["a use without the holder", "the value's key did not agree to this receipt", (g, box) => record(g, { terminal: idOf(box) }, newSecret(x))],
    ["a terminal outside the group", "the receipt names a terminal outside the group", (g, _box, outside) => record(g, { terminal: idOf(outside) })],
    ["a terminal that does not exist", "the receipt names a terminal outside the group", (g) => record(g, { terminal: new Uint8Array(8).fill(7) })],
    ["more uses than were carved out", "the running total does not fit the value", (g, box) => record(g, { terminal: idOf(box), amount: 4, after: 4 })],
    ["a MAC of another key", "the receipt's MAC is not the group's", (g, box) => record(g, { terminal: idOf(box) }, g.secret, new Uint8Array(32))],
  ])("who holds the stolen group key and claims %s gets an incident and no money", async (_name, what, forge) => {
    const [box, outside] = [await groupGate(), await enrolBox(x)];
    const grant = await grantOf((await holder(x, "aiko", "grant")).value);
    journal(box, forge(grant, box, outside));
    expect(await sync(x, box)).toBe(1);
    expect([await incidents(), await earned()]).toEqual([[what], 0]);
  });
  test("a terminal without a group brings no record of one", async () => {
    const [box, inside] = [await enrolBox(x), await groupGate()];
    const grant = await grantOf((await holder(x, "aiko", "grant")).value);
    journal(box, record(grant, { terminal: idOf(inside) }));
    await sync(x, box);
    expect([await incidents(), await earned()]).toEqual([["the record cannot be read"], 0]);
  });
});
