/** U2: several users at one meter, each with a history of his own, encrypted for him: nobody else reads it, not even on the way. */
import { beforeEach, expect, test } from "vitest";
import { addBox, addPhone, addUser, askAt, askBytes, bills, breaches, carry, certificateOf, collect, crypto, day, meet, openStreet, owes, pass, payBill, giveCard, bring, read, setPlan, type Box, type Phone, type Street } from "./street.js";
import { revokeHandset } from "../../host/people.js";
import { transact } from "../../host/database.js";
import { letterId } from "../../protocol/wire/carry.js";
import { keyId } from "../../protocol/wire/signed.js";
import { askStatement, openStatement } from "../../runtime/charges/payer.js";

let street: Street;
let meter: Box;
let [aiko, ben, carol]: Phone[] = [];
let [ofAiko, ofBen]: Uint8Array[] = [];

/** Aiko has two thirds of the meter at 30 cents, Ben one third at 60. */
beforeEach(async () => {
  street = await openStreet();
  meter = await addBox(street, "House 3", "meter");
  [aiko, ben, carol] = [await addPhone(street, "aiko"), await addPhone(street, "ben"), await addPhone(street, "carol")];
  await setPlan(meter, { currency: "EUR", tariffs: [{ id: 1, bands: [{ price: 30_000 }] }, { id: 2, bands: [{ price: 60_000 }] }] });
  ofAiko = await addUser(meter, aiko, { share: 6666 });
  ofBen = await addUser(meter, ben, { share: 3333, tariff: 2 });
  await carry(carol, meter);
  for (const kilowattHours of [100, 130]) { read(meter, kilowattHours); pass(street, day); }
});

test("each sees his own history and total, by his own tariff and share; a stranger sees nothing", async () => {
  expect((await askAt(aiko!, meter))!.total).toBe(599);
  expect((await askAt(ben!, meter))!.total).toBe(599);
  expect(Buffer.from((await askAt(aiko!, meter))!.statement.user)).toEqual(Buffer.from(ofAiko!));
  expect(Buffer.from((await askAt(ben!, meter))!.statement.user)).toEqual(Buffer.from(ofBen!));
  expect(await askAt(carol!, meter)).toBeUndefined();
});

test("the answer to Aiko, taken off the line by Ben, says nothing to him; nor do the letters that Carol carries for both", async () => {
  const ask = askStatement(aiko!.payer, certificateOf(meter), 1, false)!;
  const [, answered] = await meet(aiko!, meter, [{ job: "bring", letter: ask }, { job: "answer", id: letterId(crypto, ask), untilMs: 0 }]);
  const answer = answered!.done === "answer" ? answered!.answer! : new Uint8Array(0);
  expect(openStatement(aiko!.payer, certificateOf(meter), answer)).toBeDefined();
  expect(openStatement(ben!.payer, certificateOf(meter), answer)).toBeUndefined();
  await collect(carol!, meter);
  for (const { letter } of carol!.mail.values()) {
    for (const phone of [aiko!, ben!, carol!]) expect(openStatement(phone.payer, certificateOf(meter), letter)).toBeUndefined();
    for (const secret of ["aiko", "ben", "House 3"]) expect(Buffer.from(letter).includes(secret)).toBe(false);
    for (const user of [ofAiko!, ofBen!]) expect(Buffer.from(letter).includes(Buffer.from(user))).toBe(false);
  }
});

test("a request in Aiko's name by Ben's keys is nobody's, and one of hers repeated gives him only what he can't open", async () => {
  const kid = keyId(crypto, aiko!.keys.publicKey("device")!);
  const forged = askStatement({ ...ben!.payer, keys: { ...ben!.keys, publicKey: (name) => aiko!.keys.publicKey(name) } }, certificateOf(meter), 1, false)!;
  expect(Buffer.from(forged).includes(Buffer.from(kid))).toBe(true);
  expect(await bring(ben!, meter, forged)).toBe(2);
});

test("one pays, the other's debt stands; the plan of the meter knows the new phone of a user at its next letter, and no longer a revoked one", async () => {
  await carry(carol!, meter);
  const paid = await payBill(aiko!, (await bills(aiko!))[0], { value: await giveCard(aiko!) });
  await bring(aiko!, meter, paid.paid ? paid.letter : new Uint8Array(0));
  expect([owes(meter, ofAiko!), owes(meter, ofBen!)]).toEqual([0, 599]);
  const kid = Buffer.from(keyId(crypto, ben!.keys.publicKey("device")!)).toString("hex");
  await transact(street.world.context.db, (tx) => revokeHandset(street.world.context, tx, kid));
  expect((await askAt(ben!, meter))!.total).toBe(599);
  await carry(carol!, meter);
  expect(await askAt(ben!, meter)).toBeUndefined();
  expect(await breaches(street)).toEqual([]);
});

test("what a user keeps proves itself later: any byte changed, and it is no statement or not genuine", async () => {
  const { bytes } = (await askBytes(aiko!, meter))!;
  const { checkStatement } = await import("../../runtime/charges/verify.js");
  const { providerKeys } = await import("../../runtime/sync/trust.js");
  const keys = providerKeys(aiko!.trust, "certificates");
  expect(checkStatement(crypto, keys, bytes)!.genuine).toBe(true);
  for (let at = 0; at < bytes.length; at++) {
    const changed = checkStatement(crypto, keys, bytes.map((byte, i) => (i === at ? byte ^ 4 : byte)));
    expect(changed?.genuine === true).toBe(false);
  }
});
