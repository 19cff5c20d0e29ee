/** `kaisatsu handset owed`, `settle` and `carry` over a real line of pseudo-terminals, to a meter without network and a receiver with one. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { kaisatsu, type Ran } from "./command-line.js";
import { openLine, type Line } from "../../boards/bench/pty.js";
import { openFileStore } from "../../boards/node/file-store.js";
import { enrolPhone } from "../../boards/node/phone.js";
import { enrolBoard, historyPages, openNodeBoard, startTerminal, type RunningTerminal } from "../../boards/node/terminal-board.js";
import { startHost, type Host } from "../../host/host.js";
import { addIssuer, addMerchant, addProduct, sell } from "../../host/products.js";
import { addMeterUser, setMeterPlan } from "../../host/charges/plans.js";
import { addTerminal } from "../../host/terminals.js";
import { media } from "../../protocol/link/media.js";
import { owedBy } from "../../runtime/charges/charges.js";
import { meter, readPoint } from "../../runtime/role/meter.js";
import { receiver } from "../../runtime/role/receiver.js";

const folder = mkdtempSync(join(tmpdir(), "kaisatsu-owed-"));
const aiko = join(folder, "aiko");
interface Place { running: RunningTerminal; line: Line; id: string; close(): void }
let host: Host;
let pitch: Place;
let home: Place;
let user: Uint8Array;

async function place(name: string, role: "meter" | "receiver", url: string): Promise<Place> {
  const { terminalId, claimCode } = await addTerminal(host.context, { name, role, merchant: "hall", zones: [], takes: [] });
  const line = openLine({ baud: 115_200 });
  const board = await openNodeBoard({ name, folder: join(folder, name), link: { port: line.a, baud: 115_200 } });
  await enrolBoard(board, host.url, claimCode, "test");
  const history = openFileStore(join(folder, name, "history"), historyPages);
  const running = startTerminal(board, role === "meter" ? meter : receiver, media.serial, url, () => undefined, {}, history);
  return { running, line, id: terminalId, close: () => { running.stop(); history.close(); board.close(); line.close(); } };
}
const handset = (...argv: string[]): Promise<Ran> => kaisatsu(["handset", ...argv, "--folder", aiko]);
const read = (kilowattHours: number, daysAgo: number): void =>
  readPoint(pitch.running.point!, { meter: 1, serial: "1EMH", by: 2, registers: [{ obis: new Uint8Array([1, 0, 1, 8, 0, 255]), value: kilowattHours * 1000, scaler: 0, unit: 30 }] }, { at: Math.floor(Date.now() / 1000) - daysAgo * 86_400, quality: 2 });

beforeAll(async () => {
  host = await startHost({ folder: join(folder, "host"), name: "example" });
  await addMerchant(host.context, { merchant: "hall", name: "Hall" });
  await addIssuer(host.context, { issuer: "box", name: "Box" });
  await addProduct(host.context, { product: "card", name: "Card", kind: "card", sort: "prepaid", most: 2000, price: 2000, zones: [1], until: Math.floor(Date.now() / 1000) + 86_400, issuer: "box", merchantShare: 9000 });
  (await enrolPhone(aiko, host.url, "aiko", "correct horse battery", "")).phone.store.close();
  await sell(host.context, { product: "card", user: "aiko", reference: "1", paid: "desk" });
  [pitch, home] = [await place("Pitch", "meter", ""), await place("Home", "receiver", host.url)];
  await setMeterPlan(host.context, pitch.id, { currency: "EUR", tariffs: [{ id: 1, bands: [{ price: 30_000 }] }] });
  user = new Uint8Array(Buffer.from(await addMeterUser(host.context, pitch.id, { user: "aiko", mode: "postpaid", tariff: 1 }), "hex"));
});
afterAll(async () => { pitch.close(); home.close(); await host.close(); rmSync(folder, { recursive: true, force: true }); });

test("carried by network: the plan comes; asked at the meter, kept, verified; paid through the receiver at home; brought back: nothing owed", async () => {
  expect((await handset("collect")).code).toBe(0);
  expect(await handset("owed", "--port", pitch.line.b)).toMatchObject({ code: 1 });
  expect((await handset("carry", "--port", pitch.line.b)).out).toContain("2 to send");
  expect((await handset("carry")).out).toContain("2 answered by the host; carried now: 0 to send, 2 to bring back.");
  expect((await handset("carry", "--port", pitch.line.b)).out).toMatch(/^2 brought/);
  for (const [kilowattHours, daysAgo] of [[100, 2], [110, 1], [125, 0]] as const) read(kilowattHours, daysAgo);

  const asked = await handset("owed", "--port", pitch.line.b, "--keep", join(folder, "statement.cbor"), "--ocmf");
  expect(asked).toMatchObject({ code: 0, err: "" });
  expect(asked.out).toContain("Pitch of Hall: you owe 7.50 EUR");
  const verified = await kaisatsu(["verify", join(folder, "statement.cbor"), "--folder", aiko]);
  expect(verified.out).toContain("genuine: 3 records");
  expect((await kaisatsu(["verify", join(folder, "statement.cbor"), "--folder", aiko, "--ocmf"])).out).toMatch(/^OCMF\|/);
  expect(readFileSync(join(folder, "statement.cbor")).includes("aiko")).toBe(false);

  expect((await handset("carry", "--port", home.line.b)).out).toContain("3 answered by the host");
  expect((await handset("owed")).out).toContain("7.50 EUR");
  const paid = await handset("settle", "--value", "card", "--port", home.line.b, "--yes");
  expect(paid).toMatchObject({ code: 0, err: "" });
  expect(paid.out).toContain("Paid. 7.50 EUR at Pitch of Hall.\nCard: 12.50 EUR left.");
  expect((await handset("carry", "--port", pitch.line.b)).out).toMatch(/^3 brought/);
  expect(owedBy(pitch.running.charges!, user)).toBe(0);
  expect((await handset("owed", "--port", pitch.line.b)).out).toContain("nothing owed");
  expect((await handset("settle", "--value", "card", "--yes")).out).toContain("Nothing is owed");
});

test("by a memory card, from one handset's hands", async () => {
  read(130, -1);
  const card = join(folder, "letters");
  expect((await handset("carry", "--port", pitch.line.b, "--write", card)).code).toBe(0);
  expect((await handset("carry", "--read", card)).out).toContain("answered by the host");
  expect(await handset("carry", "--read", join(folder, "statement.cbor"))).toMatchObject({ code: 2 });
});

test("nobody at the line: exit code 3, and what to do", async () => {
  const line = openLine({ baud: 115_200 });
  const ran = await handset("owed", "--port", line.b);
  expect(ran.code).toBe(3);
  expect(ran.err).toContain("No terminal that carries letters answers");
  line.close();
}, 20_000);
