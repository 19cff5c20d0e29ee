/** S9: who is asked for payment, and with what: a prepaid value at once, a card or a bank through the processor, or later, from the history that gathered. */
import { expect, test } from "vitest";
import { addBox, addPhone, addUser, bills, breaches, bring, carry, day, flat, giveCard, held, openStreet, owes, pass, payBill, read, setPlan, through } from "./street.js";
import type { Outcome, Processor } from "../../host/payment/processor.js";

const acquirer = (answer: (amount: number) => Outcome): Processor => ({
  name: "acquirer", charge: (x) => Promise.resolve(answer(x.amount)), ask: (x) => Promise.resolve(answer(x.amount)), refund: () => Promise.reject(new Error("no refund")), hear: () => undefined,
});

test.each([
  ["a prepaid value, on the handset's own network", "value", false], ["a prepaid value, through the terminal in a shop", "value", true],
  ["a card, on the handset's own network", "card", false], ["a card, through the terminal in a shop", "card", true],
] as const)("%s: three months of history are settled together, on wish", async (_how, means, atShop) => {
  const street = await openStreet([acquirer((amount) => ({ is: "captured", reference: "r", amount }))]);
  const meter = await addBox(street, "Pitch 7", "meter");
  const shop = await addBox(street, "Shop", "till", { network: true });
  const aiko = await addPhone(street, "aiko");
  const card = await giveCard(aiko);
  await setPlan(meter, flat(1));
  const user = await addUser(meter, aiko);
  await carry(aiko, meter);
  for (let i = 0; i < 80; i++) { read(meter, i * 2); pass(street, day); }
  await carry(aiko, meter);
  const road = atShop ? through(aiko, shop) : undefined;
  const [bill] = await bills(aiko, road);
  expect(bill).toMatchObject({ amount: 158, through: 80 });
  const paid = await payBill(aiko, bill, means === "value" ? { value: card } : { method: "card_1" }, road);
  expect(await bring(aiko, meter, paid.paid ? paid.letter : new Uint8Array(0))).toBe(1);
  expect(owes(meter, user)).toBe(0);
  expect(await held(street, "merchant/hall/")).toBe(158);
  expect(await held(street, means === "value" ? "prepaid/" : "processor/acquirer/")).toBe(means === "value" ? 1842 : -158);
  expect(await breaches(street)).toEqual([]);
});

test("a processor that captured another amount settles nothing; what it does not know is never taken for no", async () => {
  for (const outcome of [{ is: "captured", reference: "r", amount: 1 }, { is: "unknown" }, { is: "pending", reference: "r" }, { is: "absent" }] as Outcome[]) {
    const street = await openStreet([acquirer(() => outcome)]);
    const meter = await addBox(street, "Pitch 7", "meter");
    const aiko = await addPhone(street, "aiko");
    await setPlan(meter, flat(1));
    await addUser(meter, aiko);
    await carry(aiko, meter);
    for (const kilowattHours of [0, 90]) { read(meter, kilowattHours); pass(street, day); }
    await carry(aiko, meter);
    expect(await payBill(aiko, (await bills(aiko))[0], { method: "card_1" })).toEqual({ paid: false, code: -1 });
    expect((await bills(aiko))[0]!.amount).toBe(90);
    expect(await breaches(street)).toEqual([]);
  }
});
