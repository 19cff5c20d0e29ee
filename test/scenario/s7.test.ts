/** S7, claims 37 and 38: any record kept in a fixed terminal reaches the host through a handset, or a handset and another terminal, or a memory card; the answer comes back the same way. */
import { beforeEach, expect, test } from "vitest";
import { addBox, addPhone, bills, bring, bringBack, carry, collect, cutPower, day, flat, addUser, incidents, knock, openStreet, owes, pass, read, send, setPlan, through, type Box, type Phone, type Street } from "./street.js";
import { decodeCard, encodeCard } from "../../protocol/wire/carry.js";
import { write } from "../../runtime/keeping.js";

let street: Street;
let gate: Box;
let aiko: Phone;
let ben: Phone;
beforeEach(async () => {
  street = await openStreet();
  gate = await addBox(street, "North", "gate");
  [aiko, ben] = [await addPhone(street, "aiko"), await addPhone(street, "ben")];
  for (let i = 0; i < 5; i++) write(gate.terminal, { kind: "refused", code: 12, valueId: new Uint8Array(8), at: 1_800_000_000 + i, quality: 2 }, true);
});
const confirmed = async (box: Box): Promise<number> => (await street.world.context.db.selectFrom("terminal").select("confirmed").where("terminal_id", "=", box.id).executeTakeFirstOrThrow()).confirmed;

test("a gate without network: its records reach the host by a handset, each once, and the answer confirms them", async () => {
  const last = gate.terminal.journal.next - 1;
  await carry(aiko, gate);
  expect([await confirmed(gate), gate.terminal.confirmed]).toEqual([last, last]);
  expect(await incidents(street)).toEqual([]);
});

test("through a handset and a till; by two handsets, in any order: once", async () => {
  const till = await addBox(street, "Shop", "till", { network: true });
  const last = gate.terminal.journal.next - 1;
  await collect(aiko, gate);
  await collect(ben, gate);
  expect(await send(ben, through(ben, till))).toBe(1);
  expect(await send(aiko)).toBe(1);
  expect(await bringBack(aiko, gate)).toBe(1);
  expect(await bringBack(ben, gate)).toBe(0);
  expect(gate.terminal.confirmed).toBe(last);
  expect(await incidents(street)).toEqual([]);
});

test("by a memory card, which anybody may have had in his hands", async () => {
  await collect(aiko, gate);
  const card = encodeCard([...aiko.mail.values()].map((x) => ({ letter: x.letter, answer: new Uint8Array(0) })));
  expect(Buffer.from(card).includes("North")).toBe(false);
  const carried = decodeCard(card)!;
  for (const x of carried) x.answer = (await knock(street, x.letter))!;
  for (const x of decodeCard(encodeCard(carried))!) expect(await bring(ben, gate, x.answer)).toBe(1);
  expect(gate.terminal.confirmed).toBe(gate.terminal.journal.next - 1);
  for (let at = 0; at < card.length; at += 7) {
    const changed = decodeCard(card.map((byte, i) => (i === at ? byte ^ 0x10 : byte)));
    for (const x of changed ?? []) if (Buffer.compare(x.letter, carried[0]!.letter) !== 0) expect(await knock(street, x.letter)).toBeUndefined();
  }
});

test("the couriers are lost, the gate loses its power: the next one carries all of it", async () => {
  await collect(aiko, gate);
  cutPower(gate);
  await collect(ben, gate);
  await send(ben);
  cutPower(gate);
  await bringBack(ben, gate);
  await carry(ben, gate);
  expect(gate.terminal.confirmed).toBe(await confirmed(gate));
  expect(await confirmed(gate)).toBe(gate.terminal.journal.next - 1);
});

test("what a courier brings from elsewhere, made up or meant for others, is not taken", async () => {
  const meter = await addBox(street, "Cellar", "meter");
  await setPlan(meter, flat(10));
  const user = await addUser(meter, aiko);
  await carry(aiko, meter);
  for (const kilowattHours of [0, 10]) { read(meter, kilowattHours); pass(street, day); }
  await collect(ben, meter);
  await collect(ben, gate);
  await send(ben);
  expect(await bringBack(ben, gate)).toBe(1);
  expect(await bringBack(ben, meter)).toBe(2);
  for (const letter of [new Uint8Array(40), new Uint8Array([0xd0, 0x83]), crypto.getRandomValues(new Uint8Array(300))]) for (const box of [gate, meter]) expect(await bring(ben, box, letter)).toBe(2);
  expect(owes(meter, user)).toBe(100);
  expect((await bills(aiko))[0]!.amount).toBe(100);
});
