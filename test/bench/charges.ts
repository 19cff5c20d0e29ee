/**
 * A meter's records on their way (U1–U3): how many bytes one has, and how long a month of them takes to the phone and a year to
 * the host, over real link machines whose bytes are counted; the line's time is what these bytes take at its rate.
 */
import type { Figure, Measure, Options, Table } from "./measure.js";
import { addBox, addPhone, addUser, askBytes, carry, collect, crypto, day, flat, meet, openStreet, pass, read, send, setPlan, type Box, type Phone, type Street } from "../scenario/street.js";
import { addCost } from "../../protocol/metering/tariff.js";
import { encodeCharge } from "../../protocol/wire/charge.js";
import { direction, pairKeys, sealPaired } from "../../protocol/wire/paired.js";
import { signObject } from "../../protocol/wire/signed.js";

const secondsAt = (bytes: number, baud: number): number => (bytes * 10) / baud;

function sizes(): Table {
  const fill = (length: number, byte: number): Uint8Array => new Uint8Array(length).fill(byte);
  const registers = [1, 2].map((e) => ({ obis: new Uint8Array([1, 0, 1, 8, e, 255]), value: 12_345_678, scaler: 0, unit: 30 }));
  const claims = encodeCharge({ what: "reading", user: fill(8, 3), sequence: 397, previous: fill(16, 4), at: 1_800_000_000, quality: 2, plan: 65_536 + 3, ...addCost(48_210, 123_456, 0), meter: 1, by: 2, registers });
  const signed = signObject(crypto, "record", fill(32, 9), claims);
  const sealed = sealPaired(crypto, pairKeys(crypto, fill(32, 1), fill(8, 2), fill(8, 3), direction.toHost), fill(8, 2), signed);
  const row = (what: string, bytes: number, most: number, from: string, value: number): Figure => ({ what, value: bytes, unit: "B", exact: true, floor: { value: claims.length, of: "its claims" }, goal: { most }, beside: { value, from } });
  return { title: "A record of two registers", figures: [
    row("signed", signed.length, 180, "OCMF, signed text", 434), row("sealed for the host", sealed.length, 230, "an envelope of ours, padded", 623),
  ], notes: [] };
}

interface Scene { street: Street; meter: Box; phone: Phone }
async function months(records: number): Promise<Scene> {
  const street = await openStreet();
  const meter = await addBox(street, "Pitch 7", "meter", { pages: 40 });
  const phone = await addPhone(street, "aiko");
  await setPlan(meter, flat(30));
  await addUser(meter, phone);
  await carry(phone, meter);
  for (let i = 0; i < records; i++) { read(meter, 1000 + i); pass(street, i === records - 1 ? 0 : day / 24); if (i < records - 1) pass(street, day - day / 24); }
  return { street, meter, phone };
}
const carried = (box: Box): number => [...box.line.a.sent, ...box.line.b.sent].reduce((sum, bytes) => sum + bytes.length, 0);

async function toPhone(): Promise<Figure> {
  const { meter, phone } = await months(31);
  const found = await askBytes(phone, meter);
  if (found?.checked.genuine !== true || found.checked.records.length !== 31) throw new Error("The statement did not arrive.");
  const bytes = carried(meter);
  return { what: "31 daily records to the phone, at 9,600 baud", value: secondsAt(bytes, 9600), unit: "s", exact: true, floor: { value: secondsAt(found.bytes.length, 9600), of: "the statement's bytes on the line" }, goal: { most: 8 } };
}

/** The certificate of a meter lasts 90 days: a year's records are of several hours each here, so that it need not be renewed. */
async function toHost(o: Options): Promise<Figure> {
  const street = await openStreet();
  const meter = await addBox(street, "Pitch 7", "meter", { pages: 40 });
  const phone = await addPhone(street, "aiko");
  await setPlan(meter, { currency: "EUR", tariffs: [{ id: 1, bands: Array.from({ length: 24 }, (_, hour) => ({ price: 30_000 + hour, fromMinute: hour * 60, toMinute: hour * 60 + 60 })) }] });
  await addUser(meter, phone);
  await carry(phone, meter);
  const records = o.quick ? 120 : 400;
  for (let i = 0; i < records; i++) { read(meter, 1000 + i); pass(street, 3600); }
  let bytes = 0;
  const begun = performance.now();
  const stated = async (): Promise<number> => (await street.world.context.db.selectFrom("meter_user").select("stated").executeTakeFirstOrThrow()).stated;
  while ((await stated()) < records) {
    await collect(phone, meter);
    bytes += carried(meter);
    await send(phone);
    for (const x of phone.mail.values()) if (x.answer !== undefined) { await meet(phone, meter, [{ job: "bring", letter: x.answer }]); bytes += carried(meter); }
    phone.mail.clear();
  }
  const worked = (performance.now() - begun) / 1000;
  return { what: `${records} records, meter to host and confirmed, at 115,200 baud`, value: secondsAt(bytes, 115_200) + worked, unit: "s", floor: { value: secondsAt(bytes, 115_200), of: "their bytes on the line" }, goal: { most: 60 } };
}

export const charges: Measure = {
  name: "charges", summary: "a meter's records: bytes, to the phone, to the host",
  run: async (o) => [sizes(), { title: "Records on their way", figures: [await toPhone(), await toHost(o)], notes: [] }],
};
