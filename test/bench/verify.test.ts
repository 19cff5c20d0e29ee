/** `kaisatsu verify`: a user checks what he is charged by himself, offline; what was changed anywhere is told. */
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { kaisatsu } from "./command-line.js";
import { addBox, addPhone, addUser, askBytes, bills, bring, carry, day, flat, giveCard, openStreet, pass, payBill, read, setPlan, type Street } from "../scenario/street.js";
import { decodeStatement, decodeShownStatement, encodeShownStatement, encodeStatement } from "../../protocol/wire/statement.js";
import { decodeSigned, signObject } from "../../protocol/wire/signed.js";
import { nodeCrypto } from "../../protocol/crypto/node/node.js";

const run = (...argv: string[]) => kaisatsu(argv);
const folder = mkdtempSync(join(tmpdir(), "kaisatsu-verify-"));
const at = (name: string, content: string | Uint8Array): string => { writeFileSync(join(folder, name), content); return join(folder, name); };
function provider(street: Street, name: string): string {
  const keys = street.world.context.keys;
  return at(name, JSON.stringify({ provider: keys.provider, root: Buffer.from(keys.root).toString("hex"), spareRoot: Buffer.from(keys.spareRoot).toString("hex"), roles: keys.roles.map((r) => Buffer.from(r).toString("base64")) }));
}

async function made(): Promise<{ street: Street; bytes: Uint8Array; signing: Uint8Array }> {
  const street = await openStreet();
  const meter = await addBox(street, "Pitch 7", "meter");
  const aiko = await addPhone(street, "aiko");
  await setPlan(meter, flat(30));
  await addUser(meter, aiko);
  await carry(aiko, meter);
  for (const kilowattHours of [1000, 1010.5, 1025]) { read(meter, kilowattHours); pass(street, day); }
  await carry(aiko, meter);
  const paid = await payBill(aiko, (await bills(aiko))[0], { value: await giveCard(aiko) });
  await bring(aiko, meter, paid.paid ? paid.letter : new Uint8Array(0));
  for (const kilowattHours of [1030]) { read(meter, kilowattHours); pass(street, day); }
  return { street, bytes: (await askBytes(aiko, meter, 1, true))!.bytes, signing: meter.keys.secrets.get("signing")! };
}

test("readings with their digits, what each cost, what was paid, what is owed; signatures and chain", async () => {
  const { street, bytes } = await made();
  const [statement, keys] = [at("statement.cbor", bytes), provider(street, "provider.json")];
  const said = await run("verify", statement, "--provider", keys);
  expect(said.code).toBe(0);
  for (const text of ["Hall, Pitch 7", "certified by example", "1.8.0 1010.500 kWh (read twice)", "3.15 EUR", "paid 7.50 EUR in all, settled through record 3", "charged 9.00 EUR, paid 7.50 EUR: 1.50 EUR owed", "genuine: 5 records, none missing"]) {
    expect(said.out).toContain(text);
  }
  const document = JSON.parse((await run("verify", statement, "--provider", keys, "--json")).out) as { owed: number; genuine: boolean; records: { what: string; charged: number }[] };
  expect(document).toMatchObject({ genuine: true, owed: 150 });
  expect(document.records.map((r) => [r.what, r.charged])).toEqual([["fitted", 0], ["reading", 315], ["reading", 435], ["paid", 0], ["reading", 150]]);
  expect((await run("verify", statement, "--provider", keys, "--ocmf")).out).toMatch(/^OCMF\|\{"FV":"1.4"/);
});

test("a record left out by its own terminal, under its own signature, is told", async () => {
  const { street, bytes, signing } = await made();
  const shown = decodeShownStatement(bytes)!;
  const s = decodeStatement(decodeSigned(shown.statement)!.claims)!;
  const without = signObject(nodeCrypto, "statement", signing, encodeStatement({ ...s, records: s.records.filter((_, i) => i !== 2) }));
  const said = await run("verify", at("gap.cbor", encodeShownStatement({ ...shown, statement: without })), "--provider", provider(street, "provider.json"));
  expect(said.code).toBe(1);
  expect(said.out).toContain("A RECORD IS MISSING BEFORE IT");
  expect(said.out).toContain("NOT GENUINE");
});

test("another provider's keys, a file that is none, no keys at all: refused, with what to do", async () => {
  const { bytes } = await made();
  const other = await openStreet();
  const statement = at("statement.cbor", bytes);
  other.world.context.keys.roles.splice(0);
  expect(await run("verify", statement, "--provider", provider(other, "other.json"))).toMatchObject({ code: 1 });
  expect(await run("verify", at("none.cbor", "hello"), "--provider", provider(other, "other.json"))).toMatchObject({ code: 1 });
  expect(await run("verify", statement)).toMatchObject({ code: 2 });
  expect(await run("verify", join(folder, "absent"), "--provider", provider(other, "other.json"))).toMatchObject({ code: 2 });
});
