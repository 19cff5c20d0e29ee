/** S3: postpaid, prepaid or at once: charges that gather, an allowance that is used up, and a supply that ends with the credit. */
import { beforeEach, describe, expect, test } from "vitest";
import {
  addBox, addPhone, addUser, askAt, bills, boot, breaches, bring, carry, collect, cutPower, day, flat, giveCard, held, incidents, now, openStreet, owes, pass, payBill, read, send, setPlan, type Box, type Phone, type Street,
} from "./street.js";
import { view } from "../../runtime/role/receiver.js";

let street: Street;
let aiko: Phone;
let card: Uint8Array;
beforeEach(async () => {
  street = await openStreet();
  aiko = await addPhone(street, "aiko");
  card = await giveCard(aiko);
});
const lastLevel = (box: Box): number => box.board.relay.levels.at(-1)!;

describe("prepaid: the meter supplies what was paid for", () => {
  let meter: Box;
  let user: Uint8Array;
  beforeEach(async () => {
    meter = await addBox(street, "Pitch 7", "meter");
    await setPlan(meter, flat(50));
    user = await addUser(meter, aiko, { mode: "prepaid" });
    await carry(aiko, meter);
    read(meter, 100);
  });
  const topUp = async (more: number): Promise<void> => {
    await carry(aiko, meter);
    const paid = await payBill(aiko, (await bills(aiko))[0], { value: card, more });
    await bring(aiko, meter, paid.paid ? paid.letter : new Uint8Array(0));
  };

  test("nothing paid, nothing supplied; paid, the relay closes at once; used up, it opens, to the cent; paid again, it closes", async () => {
    expect(lastLevel(meter)).toBe(0);
    await topUp(500);
    expect([lastLevel(meter), owes(meter, user)]).toEqual([1, -500]);
    for (const kilowattHours of [103, 106, 109]) read(meter, kilowattHours);
    expect([lastLevel(meter), owes(meter, user)]).toEqual([1, -500]);
    read(meter, 110);
    expect([lastLevel(meter), owes(meter, user)]).toEqual([0, 0]);
    await topUp(100);
    expect(lastLevel(meter)).toBe(1);
    expect(await held(street, "merchant/hall/")).toBe(500);
    expect(await breaches(street)).toEqual([]);
  });

  test("what it supplied beyond the allowance before it heard of it is owed, and taken from the next payment", async () => {
    await topUp(500);
    read(meter, 112);
    expect([lastLevel(meter), owes(meter, user)]).toEqual([0, 100]);
    await carry(aiko, meter);
    expect(await bills(aiko)).toMatchObject([{ amount: 100, left: 0 }]);
    await topUp(200);
    expect([lastLevel(meter), owes(meter, user)]).toEqual([1, -200]);
    expect(await held(street, "unearned/")).toBe(200);
    expect(await held(street, "merchant/hall/")).toBe(600);
    expect(await breaches(street)).toEqual([]);
  });

  test("a power cut changes neither the allowance nor the relay", async () => {
    await topUp(300);
    cutPower(meter);
    expect([lastLevel(meter), owes(meter, user)]).toEqual([1, -300]);
  });
});

describe("postpaid: charges gather up to a limit", () => {
  test("the supply ends at the limit, and comes back when it is settled", async () => {
    const meter = await addBox(street, "Pitch 8", "meter");
    await setPlan(meter, flat(50));
    const user = await addUser(meter, aiko, { limit: 600 });
    await carry(aiko, meter);
    read(meter, 0);
    expect(lastLevel(meter)).toBe(1);
    read(meter, 11);
    expect(lastLevel(meter)).toBe(1);
    read(meter, 12);
    expect([lastLevel(meter), owes(meter, user)]).toEqual([0, 600]);
    await carry(aiko, meter);
    const paid = await payBill(aiko, (await bills(aiko))[0], { value: card });
    await bring(aiko, meter, paid.paid ? paid.letter : new Uint8Array(0));
    expect(lastLevel(meter)).toBe(1);
  });

  test("a receiver shows a programme while there is credit, and its viewing history is settled like a meter's (U1)", async () => {
    const receiver = await addBox(street, "Living room", "receiver");
    await setPlan(receiver, flat(1));
    const user = await addUser(receiver, aiko, { limit: 1000 });
    await carry(aiko, receiver);
    expect(view(receiver.charges, user, "Rashomon", 400, now(receiver))).toBe(true);
    expect(view(receiver.charges, user, "Ikiru", 500, now(receiver))).toBe(true);
    expect(view(receiver.charges, user, "Ran", 400, now(receiver))).toBe(false);
    expect(view(receiver.charges, new Uint8Array(8), "Ran", 1, now(receiver))).toBe(false);
    const seen = (await askAt(aiko, receiver))!;
    expect(seen.records.map((r) => r.record!.what === "service" && [r.record!.name, r.amount])).toEqual([["Rashomon", 400], ["Ikiru", 500]]);
    await carry(aiko, receiver);
    const paid = await payBill(aiko, (await bills(aiko))[0], { value: card });
    await bring(aiko, receiver, paid.paid ? paid.letter : new Uint8Array(0));
    expect(owes(receiver, user)).toBe(0);
    expect(view(receiver.charges, user, "Ran", 400, now(receiver))).toBe(true);
    expect(await breaches(street)).toEqual([]);
  });
});

describe("tariffs come signed, by letter, and are recorded", () => {
  test("a new price holds from when the meter has it; what was used before costs what it cost", async () => {
    const meter = await addBox(street, "Pitch 9", "meter");
    await setPlan(meter, flat(10));
    const user = await addUser(meter, aiko);
    await carry(aiko, meter);
    for (const kilowattHours of [0, 10]) { read(meter, kilowattHours); pass(street, day); }
    await setPlan(meter, flat(30));
    read(meter, 20);
    await carry(aiko, meter);
    pass(street, day);
    read(meter, 30);
    expect(owes(meter, user)).toBe(100 + 100 + 300);
    await carry(aiko, meter);
    expect((await bills(aiko))[0]!.amount).toBe(500);
    expect(await incidents(street)).toEqual([]);
  });

  test("an older plan, brought again, changes nothing; one for another terminal is not taken", async () => {
    const [meter, other] = [await addBox(street, "Pitch 9", "meter"), await addBox(street, "Pitch 10", "meter")];
    await setPlan(meter, flat(10));
    await addUser(meter, aiko);
    await collect(aiko, meter);
    await send(aiko);
    const old = [...aiko.mail.values()].map((x) => x.answer!);
    await setPlan(meter, flat(30));
    await carry(aiko, meter);
    const number = meter.charges.plan!.number;
    for (const letter of old) await bring(aiko, meter, letter);
    expect(meter.charges.plan!.number).toBe(number);
    for (const letter of old) expect(await bring(aiko, other, letter)).toBe(2);
    expect(other.charges.plan).toBeUndefined();
  });

  test("night and day are different prices, in one record each", async () => {
    const meter = await addBox(street, "Pitch 11", "meter");
    await setPlan(meter, { currency: "EUR", tariffs: [{ id: 1, bands: [{ fromMinute: 0, toMinute: 360, price: 10_000 }, { price: 40_000 }] }] });
    const user = await addUser(meter, aiko);
    await carry(aiko, meter);
    const untilMidnight = day - (now(meter).at % day);
    pass(street, untilMidnight);
    for (let hour = 0; hour <= 24; hour++) { read(meter, hour); pass(street, 3600); }
    expect(owes(meter, user)).toBe(6 * 10 + 18 * 40);
    expect((await askAt(aiko, meter))!.records.filter((r) => r.record!.what === "reading")).toHaveLength(2);
  });
});

describe("a meter that lies is not believed (what the old way got wrong)", () => {
  let meter: Box;
  beforeEach(async () => {
    meter = await addBox(street, "Pitch 7", "meter");
    await setPlan(meter, flat(30));
    await addUser(meter, aiko);
    await carry(aiko, meter);
    read(meter, 1000);
    pass(street, day);
  });

  test("it charges more than its readings and the signed tariff say: nothing of it is owed, and the operator is told", async () => {
    meter.charges.plan!.tariffs[0]!.bands[0]!.price *= 2;
    read(meter, 1010);
    await collect(aiko, meter);
    await send(aiko);
    expect((await bills(aiko))[0]!.amount).toBe(0);
    expect(await incidents(street)).toEqual(["the amount is not what plan and readings say"]);
    expect(await breaches(street)).toEqual([]);
  });

  test("two boxes with one identity, or one and its old image, make two records with one number: suspended, and nothing more is stated", async () => {
    const image = meter.history.restarted();
    read(meter, 1010);
    await carry(aiko, meter);
    meter.history = image;
    boot(meter);
    read(meter, 1005);
    pass(street, day);
    read(meter, 1500);
    await collect(aiko, meter);
    await send(aiko);
    expect(await incidents(street)).toEqual(["two records with one number"]);
    expect((await bills(aiko))[0]!.amount).toBe(300);
    await collect(aiko, meter);
    expect(await send(aiko)).toBe(0);
  });

  test("an old image that hears of it first records nothing more, supplies nobody, and says why", async () => {
    const image = meter.history.restarted();
    read(meter, 1010);
    await carry(aiko, meter);
    await collect(aiko, meter);
    await send(aiko);
    const letters = [...aiko.mail.values()].map((x) => x.answer!);
    meter.history = image;
    boot(meter);
    for (const letter of letters) await bring(aiko, meter, letter);
    expect(meter.charges.fault).toMatch(/shorter than what the host has confirmed/);
    pass(street, day);
    read(meter, 1005);
    expect((await askAt(aiko, meter))!.records.map((r) => r.record!.what)).toEqual(["fitted"]);
    expect(lastLevel(meter)).toBe(0);
    expect(await incidents(street)).toEqual([]);
  });

  test("a register that goes back costs nothing and is a sign of tampering in the user's own chain; another meter begins at its own reading", async () => {
    read(meter, 990);
    pass(street, day);
    read(meter, 995);
    const seen = (await askAt(aiko, meter))!;
    expect(seen.records.map((r) => r.record!.what)).toEqual(["fitted", "tamper"]);
    read(meter, 3, "2EMH0000000001");
    pass(street, day);
    read(meter, 8, "2EMH0000000001");
    expect((await askAt(aiko, meter))!.records.map((r) => [r.record!.what, r.amount])).toEqual([["fitted", 0], ["tamper", 0], ["fitted", 0], ["reading", 150]]);
    await carry(aiko, meter);
    expect((await bills(aiko))[0]!.amount).toBe(150);
    expect(await incidents(street)).toEqual([]);
  });
});
