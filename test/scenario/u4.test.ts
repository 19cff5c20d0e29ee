/** U4: the charges are at the host; a handset, by its own network or through any fixed terminal, asks for them, checks, pays. */
import { beforeEach, expect, test } from "vitest";
import { addBox, addPhone, addUser, bills, breaches, carry, collect, day, flat, giveCard, held, openStreet, owes, pass, payBill, read, send, setPlan, through, type Box, type Phone, type Street } from "./street.js";
import { settleCode } from "../../protocol/wire/settle.js";

let street: Street;
let [garage, cellar, till]: Box[] = [];
let aiko: Phone;
let ben: Phone;
let users: Uint8Array[];

/** Aiko uses two meters; Ben, who reads meters, has carried both. */
beforeEach(async () => {
  street = await openStreet();
  [garage, cellar] = [await addBox(street, "Garage", "meter"), await addBox(street, "Cellar", "meter")];
  till = await addBox(street, "Shop", "till", { network: true });
  [aiko, ben] = [await addPhone(street, "aiko"), await addPhone(street, "ben")];
  users = [];
  for (const box of [garage, cellar]) { await setPlan(box, flat(20)); users.push(await addUser(box, aiko)); await carry(ben, box); }
  for (const kilowattHours of [0, 10]) { read(garage, kilowattHours); read(cellar!, kilowattHours * 3); pass(street, day); }
  await carry(ben, garage);
  await carry(ben, cellar!);
});

test.each([["by its own network", undefined], ["through a till", () => through(aiko, till!)]])("both bills are there without going to a meter, and are paid %s", async (_how, road) => {
  const list = await bills(aiko, road?.());
  expect(list.map((x) => [x.name, x.amount]).sort()).toEqual([["Cellar", 600], ["Garage", 200]]);
  const card = await giveCard(aiko);
  for (const bill of list) expect((await payBill(aiko, bill, { value: card }, road?.())).paid).toBe(true);
  expect(await held(street, "prepaid/")).toBe(1200);
  expect((await bills(aiko, road?.())).map((x) => x.amount)).toEqual([0, 0]);
  expect(await breaches(street)).toEqual([]);
});

test("the meters hear of it by whoever comes next, each its own", async () => {
  for (const bill of await bills(aiko)) await payBill(aiko, bill, { value: await giveCard(aiko) });
  expect([owes(garage!, users[0]!), owes(cellar!, users[1]!)]).toEqual([200, 600]);
  await carry(ben, garage!);
  expect([owes(garage!, users[0]!), owes(cellar!, users[1]!)]).toEqual([0, 600]);
  await carry(ben, cellar!);
  expect([owes(garage!, users[0]!), owes(cellar!, users[1]!)]).toEqual([0, 0]);
});

test("the bill of one meter does not pay at another, and a bill that nobody made pays nothing", async () => {
  const [one, other] = await bills(aiko);
  const card = await giveCard(aiko);
  expect(await payBill(aiko, { ...one!, user: other!.user }, { value: card })).toEqual({ paid: false, code: settleCode.not_yours });
  expect(await payBill(aiko, { ...one!, amount: one!.amount - 1 }, { value: card })).toEqual({ paid: false, code: settleCode.changed });
  expect(await held(street, "prepaid/")).toBe(2000);
});

test("a guaranteed contract pays the merchant when it is stated, and once; what was stated before it, when it is settled", async () => {
  await setPlan(garage!, { ...flat(20), guaranteed: true });
  read(garage!, 15);
  pass(street, day);
  await collect(ben, garage!);
  await send(ben);
  expect(await held(street, "merchant/hall/")).toBe(100);
  for (const bill of await bills(aiko)) await payBill(aiko, bill, { value: await giveCard(aiko) });
  expect([await held(street, "receivable/"), await held(street, "accrued/"), await held(street, "merchant/hall/")]).toEqual([0, 0, 900]);
  expect((await breaches(street)).filter((x) => (x as { check: string }).check !== "M11")).toEqual([]);
});
