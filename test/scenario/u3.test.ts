/** U3: meter → handset → another fixed terminal → host, and back: free local links all the way, and nobody on the way reads or alters anything. */
import { beforeEach, describe, expect, test } from "vitest";
import {
  addBox, addPhone, addUser, bills, breaches, bring, bringBack, collect, cutPower, day, flat, giveCard, held, incidents, knock, openStreet, owes, pass, payBill, read, send, setPlan, tellHost, through,
  type Box, type Phone, type Road, type Street,
} from "./street.js";
import { settleType } from "../../protocol/wire/settle.js";

let street: Street;
let meter: Box;
let home: Box;
let shop: Box;
let aiko: Phone;
let user: Uint8Array;
let card: Uint8Array;

/** Neither meter nor phone ever has a network; the receiver at home and the till in the shop have. */
beforeEach(async () => {
  street = await openStreet();
  meter = await addBox(street, "Cellar", "meter");
  home = await addBox(street, "Living room", "receiver", { network: true });
  shop = await addBox(street, "Shop", "till", { network: true });
  aiko = await addPhone(street, "aiko");
  card = await giveCard(aiko);
  await setPlan(meter, flat(25));
  user = await addUser(meter, aiko);
  await collect(aiko, meter);
  await send(aiko, through(aiko, home));
  await bringBack(aiko, meter);
  for (const kilowattHours of [0, 12, 20]) { read(meter, kilowattHours); pass(street, day); }
});

describe.each([["the receiver at home", () => home], ["the till in a shop", () => shop]])("through %s", (_name, box) => {
  test("the statement goes, the bill comes, the card pays, the result comes back: the meter shows zero", async () => {
    const road = through(aiko, box());
    await collect(aiko, meter);
    expect(await send(aiko, road)).toBe(2);
    const [bill] = await bills(aiko, road);
    expect(bill).toMatchObject({ name: "Cellar", amount: 500 });
    const paid = await payBill(aiko, bill, { value: card }, road);
    expect(paid.paid).toBe(true);
    await bring(aiko, meter, paid.paid ? paid.letter : new Uint8Array(0));
    expect(owes(meter, user)).toBe(0);
    expect(await bringBack(aiko, meter)).toBe(2);
    expect(await held(street, "merchant/hall/")).toBe(500);
    expect(await breaches(street)).toEqual([]);
    expect(await incidents(street)).toEqual([]);
  });

  test("it sees sealed bytes, twice the same or not: no user, no amount, no name", async () => {
    const seen: Uint8Array[] = [];
    const road: Road = async (letter) => { seen.push(letter); const answer = await through(aiko, box())(letter); if (answer !== undefined) seen.push(answer); return answer; };
    await collect(aiko, meter);
    await send(aiko, road);
    await payBill(aiko, (await bills(aiko, road))[0], { value: card }, road);
    expect(seen.length).toBeGreaterThan(8);
    for (const bytes of seen) for (const word of ["aiko", "Cellar", Buffer.from(user), Buffer.from(card)]) expect(Buffer.from(bytes).includes(word)).toBe(false);
  });

  test("what it changes is refused, what it drops is sent again, what it copies and brings later changes nothing", async () => {
    await collect(aiko, meter);
    const kept: Uint8Array[] = [];
    const changing: Road = (letter) => through(aiko, box())(letter.map((byte, i) => (i === letter.length - 20 ? byte ^ 1 : byte)));
    expect(await send(aiko, changing)).toBe(0);
    expect(await bills(aiko, changing)).toEqual([]);
    const copying: Road = (letter) => { kept.push(letter); return through(aiko, box())(letter); };
    await send(aiko, copying);
    const [bill] = await bills(aiko, copying);
    expect((await payBill(aiko, bill, { value: card }, copying)).paid).toBe(true);
    for (const letter of [...kept, ...kept.reverse()]) await knock(street, letter);
    expect(await held(street, "prepaid/")).toBe(1500);
    expect((await bills(aiko))[0]!.amount).toBe(0);
    expect(await breaches(street)).toEqual([]);
  });

  test("an answer that it lost with its power is asked for again, by the same letter", async () => {
    await collect(aiko, meter);
    let cut = false;
    const road: Road = async (letter) => { const answer = await through(aiko, box())(letter); if (!cut) { cut = true; cutPower(box()); return undefined; } return answer; };
    expect(await send(aiko, road)).toBe(1);
    expect(await send(aiko, road)).toBe(1);
    expect((await bills(aiko, road))[0]!.amount).toBe(500);
  });
});

test("a terminal without network passes nothing on, and says so at once", async () => {
  const gate = await addBox(street, "North", "gate");
  await collect(aiko, meter);
  expect(await send(aiko, through(aiko, gate))).toBe(0);
  expect(await bring(aiko, gate, [...aiko.mail.values()][0]!.letter)).toBe(2);
});

test("an answer for somebody else is not taken by the meter, a request from somebody else not answered by it", async () => {
  const letter = new Uint8Array((await tellSealed())!);
  expect(await bring(aiko, meter, letter)).toBe(2);
});
async function tellSealed(): Promise<Uint8Array | undefined> {
  let sent: Uint8Array | undefined;
  await tellHost(aiko, settleType.owed, new Uint8Array([0x80]), (letter) => { sent = letter; return Promise.resolve(undefined); });
  return sent;
}
