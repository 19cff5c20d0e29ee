/**
 * U1: a meter keeps what its users have used, and is never on a network. A user asks it, sees what he owes, pays the host from a
 * prepaid card, and carries the result back. History is never lost, nothing is settled twice.
 */
import { beforeEach, describe, expect, test } from "vitest";
import {
  addBox, addPhone, addUser, askAt, bills, breaches, bring, bringBack, carry, collect, cutPower, day, flat, giveCard, held, incidents, knock, meet, openStreet, owes, pass, payBill, read, restart, send, setPlan, type Box, type Phone, type Street,
} from "./street.js";
import { reconcileCharges } from "../../host/charges/settle.js";
import type { Charge, Outcome } from "../../host/payment/processor.js";
import { brought } from "../../protocol/wire/carry.js";
import { settleCode } from "../../protocol/wire/settle.js";

let street: Street;
let meter: Box;
let aiko: Phone;
let user: Uint8Array;

/** A meter at 30 cents a kilowatt hour that Aiko uses, with its plan, read for three days: 41 kWh. */
beforeEach(async () => {
  street = await openStreet();
  meter = await addBox(street, "Pitch 7", "meter");
  aiko = await addPhone(street, "aiko");
  await setPlan(meter, flat(30));
  user = await addUser(meter, aiko);
  await carry(aiko, meter);
  for (const kilowattHours of [1000, 1010, 1025, 1041]) { read(meter, kilowattHours); pass(street, day); }
});

describe("U1: ask, see, pay, carry back", () => {
  test("the meter says what is owed, the host bills it, the card pays, the meter shows zero", async () => {
    const seen = (await askAt(aiko, meter))!;
    expect(seen).toMatchObject({ genuine: true, total: 1230, paid: 0 });
    expect(seen.records.map((r) => [r.record!.what, r.amount])).toEqual([["fitted", 0], ["reading", 300], ["reading", 450], ["reading", 480]]);
    expect(owes(meter, user)).toBe(1230);

    await collect(aiko, meter);
    await send(aiko);
    const [bill] = await bills(aiko);
    expect(bill).toMatchObject({ name: "Pitch 7", merchant: "Hall", through: 4, amount: 1230 });

    const card = await giveCard(aiko);
    const paid = await payBill(aiko, bill, { value: card });
    expect(paid.paid).toBe(true);
    expect(aiko.wallet.values[0]!.receipts).toHaveLength(1);

    expect(await bring(aiko, meter, paid.paid ? paid.letter : new Uint8Array(0))).toBe(brought.taken);
    expect(owes(meter, user)).toBe(0);
    expect(await bills(aiko)).toMatchObject([{ amount: 0, paid: 1230 }]);
    expect(await held(street, "merchant/hall/")).toBe(1230);
    expect(await held(street, "prepaid/")).toBe(770);
    expect(await breaches(street)).toEqual([]);
    expect(await incidents(street)).toEqual([]);
  });

  test("the meter's own record of it goes to the host with the next statement: then both know that it was applied", async () => {
    await carry(aiko, meter);
    const paid = await payBill(aiko, (await bills(aiko))[0], { value: await giveCard(aiko) });
    await bring(aiko, meter, paid.paid ? paid.letter : new Uint8Array(0));
    await carry(aiko, meter);
    const row = await street.world.context.db.selectFrom("meter_user").select(["number", "applied", "stated", "settled"]).executeTakeFirstOrThrow();
    expect(row.applied).toBe(row.number);
    expect(row).toMatchObject({ stated: 5, settled: 5 });
  });

  test("a card, by the processor: declined, nothing has changed; unknown, it is asked again; captured, the result is given, once", async () => {
    const outcomes: Outcome["is"][] = ["declined", "unknown"];
    const charged: string[] = [];
    const captured = (x: Charge): Outcome => ({ is: "captured", reference: "r", amount: x.amount });
    street = await openStreet([{
      name: "acquirer", hear: () => undefined, refund: () => Promise.reject(new Error("no refund")), ask: (x) => Promise.resolve(captured(x)),
      charge: (x) => { charged.push(x.paymentId); const is = outcomes.shift(); return Promise.resolve(is === undefined ? captured(x) : { is, reference: "r", why: "no money" } as Outcome); },
    }]);
    meter = await addBox(street, "Pitch 7", "meter");
    aiko = await addPhone(street, "aiko");
    await setPlan(meter, flat(30));
    user = await addUser(meter, aiko);
    await carry(aiko, meter);
    for (const kilowattHours of [10, 20]) { read(meter, kilowattHours); pass(street, day); }
    await carry(aiko, meter);
    expect(await payBill(aiko, (await bills(aiko))[0], { method: "card_1" })).toEqual({ paid: false, code: settleCode.declined });
    expect((await bills(aiko))[0]!.amount).toBe(300);
    expect(await payBill(aiko, (await bills(aiko))[0], { method: "card_1" })).toEqual({ paid: false, code: -1 });
    pass(street, 20);
    expect(await reconcileCharges(street.world.context)).toBe(1);
    expect((await payBill(aiko, undefined)).paid).toBe(true);
    expect((await bills(aiko))[0]).toMatchObject({ amount: 0, paid: 300 });
    expect(new Set(charged).size).toBe(2);
    expect(await breaches(street)).toEqual([]);
  });
});

describe("never settled twice", () => {
  test("the same statement by two phones, twice, late: stated once, billed once", async () => {
    const [ben, carol] = [await addPhone(street, "ben"), await addPhone(street, "carol")];
    for (const phone of [ben, carol, aiko]) await collect(phone, meter);
    for (const phone of [carol, ben, aiko, carol]) { await send(phone); for (const x of phone.mail.values()) x.answer = undefined; }
    expect((await bills(aiko))[0]!.amount).toBe(1230);
    expect(await held(street, "receivable/")).toBe(-1230);
    expect(await held(street, "accrued/")).toBe(1230);
    expect(await breaches(street)).toEqual([]);
    expect(await incidents(street)).toEqual([]);
  });

  test("old and new statements in any order; results in any order: the newest counts, at the meter too", async () => {
    await collect(aiko, meter);
    const ben = await addPhone(street, "ben");
    read(meter, 1050);
    await collect(ben, meter);
    await send(ben);
    const late = [...ben.mail.values()][0]!.answer!;
    const paid = await payBill(aiko, (await bills(aiko))[0], { value: await giveCard(aiko) });
    await send(aiko);
    expect((await bills(aiko))[0]).toMatchObject({ amount: 0, paid: 1500 });
    expect(await bring(aiko, meter, paid.paid ? paid.letter : new Uint8Array(0))).toBe(brought.taken);
    expect(owes(meter, user)).toBe(0);
    expect(await bring(ben, meter, late)).toBe(brought.taken);
    expect(owes(meter, user)).toBe(0);
    expect(await breaches(street)).toEqual([]);
  });

  test("a payment whose answers are lost is said again under its own name, and pays once", async () => {
    await carry(aiko, meter);
    const card = await giveCard(aiko);
    const lost = async (letter: Uint8Array): Promise<undefined> => { await knock(street, letter); };
    expect(await payBill(aiko, (await bills(aiko))[0], { value: card }, lost)).toEqual({ paid: false, code: -1 });
    restart(aiko);
    expect((await payBill(aiko, undefined)).paid).toBe(true);
    expect(await held(street, "prepaid/")).toBe(770);
    expect((await bills(aiko))[0]!.amount).toBe(0);
    expect(await breaches(street)).toEqual([]);
  });

  test("a phone that dies between receipt and acknowledgement goes on after its restart", async () => {
    await carry(aiko, meter);
    const card = await giveCard(aiko);
    expect(await payBill(aiko, (await bills(aiko))[0], { value: card }, undefined, "receipt")).toEqual({ paid: false, code: -1 });
    expect((await bills(aiko))[0]!.amount).toBe(1230);
    restart(aiko);
    expect(aiko.wallet.values[0]!.receipts).toHaveLength(1);
    expect((await payBill(aiko, undefined)).paid).toBe(true);
    expect(await held(street, "prepaid/")).toBe(770);
    expect(await breaches(street)).toEqual([]);
  });

  test("a phone restored from before the payment pays nothing again, and its old state of the card is not taken", async () => {
    await carry(aiko, meter);
    const card = await giveCard(aiko);
    const old = aiko.store.restarted();
    expect((await payBill(aiko, (await bills(aiko))[0], { value: card })).paid).toBe(true);
    restart(aiko, old);
    expect(await payBill(aiko, (await bills(aiko))[0], { value: card })).toEqual({ paid: false, code: -2 });
    expect(await payBill(aiko, (await bills(aiko))[0], { value: card, more: 100 })).toEqual({ paid: false, code: settleCode.outdated });
    expect(await held(street, "prepaid/")).toBe(770);
    expect(await breaches(street)).toEqual([]);
  });

  test("the phone is lost after paying: the next courier brings the result", async () => {
    await carry(aiko, meter);
    await payBill(aiko, (await bills(aiko))[0], { value: await giveCard(aiko) });
    expect(owes(meter, user)).toBe(1230);
    read(meter, 1042);
    pass(street, day);
    const ben = await addPhone(street, "ben");
    read(meter, 1043);
    await carry(ben, meter);
    expect(owes(meter, user)).toBe(60);
    expect(await breaches(street)).toEqual([]);
  });

  test("two payments of one bill: the second is refused while the first is under way; if both come through, one is allowance", async () => {
    await carry(aiko, meter);
    const [one, other] = [await giveCard(aiko), await giveCard(aiko)];
    const [bill] = await bills(aiko);
    await payBill(aiko, bill, { value: one }, undefined, "receipt");
    const before = aiko.store.restarted();
    aiko.payer.cells.values.splice(aiko.payer.cells.values.findIndex((x) => x.name === "settling"), 1);
    expect(await payBill(aiko, bill, { value: other })).toEqual({ paid: false, code: settleCode.under_way });
    pass(street, 601);
    expect((await payBill(aiko, bill, { value: other })).paid).toBe(true);
    restart(aiko, before);
    expect((await payBill(aiko, undefined)).paid).toBe(true);
    expect(await bills(aiko)).toMatchObject([{ amount: 0, paid: 2460, left: 1230 }]);
    await carry(aiko, meter);
    expect(owes(meter, user)).toBe(-1230);
    expect(await breaches(street)).toEqual([]);
  });
});

describe("never lost", () => {
  test("power cut at the meter at any time: history and results are there again", async () => {
    cutPower(meter);
    expect(owes(meter, user)).toBe(1230);
    await carry(aiko, meter);
    const paid = await payBill(aiko, (await bills(aiko))[0], { value: await giveCard(aiko) });
    await bring(aiko, meter, paid.paid ? paid.letter : new Uint8Array(0));
    cutPower(meter);
    expect(owes(meter, user)).toBe(0);
    expect((await askAt(aiko, meter))!.records).toHaveLength(5);
  });

  test("a result torn at each byte of its write is applied wholly or not at all, and when it is brought again once", async () => {
    await carry(aiko, meter);
    const paid = await payBill(aiko, (await bills(aiko))[0], { value: await giveCard(aiko) });
    const letter = paid.paid ? paid.letter : new Uint8Array(0);
    const whole = meter.history.restarted();
    for (let bytes = 0; bytes < 260; bytes += 7) {
      meter.history = whole.restarted();
      cutPower(meter);
      meter.history.cutAfter(bytes);
      await bring(aiko, meter, letter).catch(() => undefined);
      cutPower(meter);
      expect([0, 1230]).toContain(owes(meter, user));
      await bring(aiko, meter, letter);
      expect(owes(meter, user)).toBe(0);
      expect((await askAt(aiko, meter))!.records.filter((r) => r.record!.what === "paid")).toHaveLength(1);
    }
  });

  test("no network for ever: what nobody carried is all there", async () => {
    for (let i = 0; i < 80; i++) { read(meter, 1041 + i); pass(street, day); }
    const seen = (await askAt(aiko, meter))!;
    expect(seen.genuine).toBe(true);
    expect(seen.records).toHaveLength(84);
  });
});

describe("lies", () => {
  test("a statement changed in any byte, or sealed for nobody, says nothing", async () => {
    await collect(aiko, meter);
    const { letter } = [...aiko.mail.values()][0]!;
    for (let at = 0; at < letter.length; at += 13) expect(await knock(street, letter.map((byte, i) => (i === at ? byte ^ 1 : byte)))).toBeUndefined();
    expect(await bills(aiko)).toMatchObject([{ amount: 0 }]);
  });

  test("a stranger can't pay somebody's bill into his own account, nor read what another owes", async () => {
    await carry(aiko, meter);
    const mallory = await addPhone(street, "mallory");
    expect(await bills(mallory)).toEqual([]);
    expect(await payBill(mallory, (await bills(aiko))[0], { value: await giveCard(mallory) })).toEqual({ paid: false, code: settleCode.not_yours });
    expect(await askAt(mallory, meter)).toBeUndefined();
  });

  test("a bill that has grown since it was seen is not paid as it was; a card with too little pays nothing", async () => {
    await carry(aiko, meter);
    const [bill] = await bills(aiko);
    for (const kilowattHours of [1060, 1200]) { read(meter, kilowattHours); pass(street, day); }
    await carry(aiko, meter);
    const card = await giveCard(aiko);
    expect(await payBill(aiko, bill, { value: card })).toEqual({ paid: false, code: settleCode.changed });
    expect(await payBill(aiko, (await bills(aiko))[0], { value: card })).toEqual({ paid: false, code: settleCode.too_little });
    expect(await held(street, "prepaid/")).toBe(2000);
    expect(await breaches(street)).toEqual([]);
  });

  test("noise on the line costs time, nothing else", async () => {
    let n = 0;
    const done = await meet(aiko, meter, [{ job: "collect" }], (bytes) => (++n % 5 === 0 ? [] : n % 7 === 0 ? [bytes, bytes] : [bytes]));
    expect(done).toMatchObject([{ done: "collected" }]);
    expect(done[0]!.done === "collected" ? done[0]!.letters.length : 0).toBe(2);
  });
});

test("U1: answers for a meter are not taken by another", async () => {
  const other = await addBox(street, "Pitch 8", "meter");
  await collect(aiko, meter);
  await send(aiko);
  expect(await bringBack(aiko, other)).toBe(0);
  expect(await bringBack(aiko, meter)).toBe(2);
});
