/** Signed readings as OCMF, checked by an OCMF library that is not ours, and by the JSON that it reads. */
import { Crypto } from "@road-labs/ocmf-crypto-noble";
import { Verifier } from "@road-labs/ocmf";
import { expect, test } from "vitest";
import { addBox, addPhone, addUser, askBytes, carry, day, flat, openStreet, pass, read, setPlan } from "../scenario/street.js";
import { decodeShownStatement } from "../../protocol/wire/statement.js";

const spki = (point: Uint8Array): Uint8Array => Buffer.concat([Buffer.from("3039301306072a8648ce3d020106082a8648ce3d030107032200", "hex"), point]);

async function exported(): Promise<{ ocmf: string; key: Uint8Array }> {
  const street = await openStreet();
  const meter = await addBox(street, "Pitch 7", "meter");
  const aiko = await addPhone(street, "aiko");
  await setPlan(meter, flat(30));
  await addUser(meter, aiko);
  await carry(aiko, meter);
  for (const kilowattHours of [1000.123, 1010.5, 1025.007]) { read(meter, kilowattHours, "1EMH \"0012\""); pass(street, day); }
  const { bytes } = (await askBytes(aiko, meter, 1, true))!;
  return { ocmf: decodeShownStatement(bytes)!.ocmf, key: meter.setup.certificate!.decoded.signingKey };
}

test("an independent library takes it for genuine, and reads what the meter showed, digit by digit", async () => {
  const { ocmf, key } = await exported();
  const crypto = new Crypto();
  const verified = await new Verifier(crypto).parseAndVerify(ocmf, await crypto.decodeEcPublicKey(spki(key), "spki-der"));
  expect(verified.verified).toBe(true);
  const payload = JSON.parse(ocmf.split("|")[1]!) as { PG: string; MS: string; RD: { TX: string; RV: number; RU: string; RI: string; TM: string }[] };
  expect(ocmf).toContain("\"RV\":1000.123,");
  expect(payload).toMatchObject({ PG: "T3", MS: "1EMH \"0012\"", RD: [{ TX: "B", RV: 1000.123, RU: "kWh", RI: "1-0:1.8.0*255" }, { TX: "E", RV: 1025.007 }] });
  expect(payload.RD[0]!.TM).toMatch(/^2027-01-15T08:00:\d\d,000\+0000 I$/);
});

test("with any character of it changed the library takes it no more", async () => {
  const { ocmf, key } = await exported();
  const crypto = new Crypto();
  const publicKey = await crypto.decodeEcPublicKey(spki(key), "spki-der");
  for (const [from, to] of [["1025.007", "1025.008"], ["\"T3\"", "\"T4\""], ["0012", "0013"], [" I\"", " S\""]] as const) {
    const verified = await new Verifier(crypto).parseAndVerify(ocmf.replace(from, to), publicKey);
    expect(verified.verified).toBe(false);
  }
});

test("without two readings there is nothing to export", async () => {
  const street = await openStreet();
  const meter = await addBox(street, "Pitch 7", "meter");
  const aiko = await addPhone(street, "aiko");
  await setPlan(meter, flat(30));
  await addUser(meter, aiko);
  await carry(aiko, meter);
  read(meter, 5);
  expect(decodeShownStatement((await askBytes(aiko, meter, 1, true))!.bytes)!.ocmf).toBe("");
});
