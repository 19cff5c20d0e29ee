/** `kaisatsu terminal` as a meter on a network: it reads its meter's port, and stops in good order (U1). */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { Process } from "./command-line.js";
import { emulateMeter } from "../../boards/bench/meter-emulator-command.js";
import { openLine } from "../../boards/bench/pty.js";
import { meterAfter } from "../../boards/bench/venue/recording.js";
import { addMeterUser, setMeterPlan } from "../../host/charges/plans.js";
import { startHost } from "../../host/host.js";
import { addMember } from "../../host/people.js";
import { addMerchant } from "../../host/products.js";
import { addTerminal } from "../../host/terminals.js";

const folder = mkdtempSync(join(tmpdir(), "kaisatsu-meter-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("a meter from a configuration file: enrolled, read", async () => {
  const host = await startHost({ folder: join(folder, "host"), name: "example" });
  await addMerchant(host.context, { merchant: "hall", name: "Hall" });
  await addMember(host.context, { user: "aiko", password: "correct horse battery", phone: "" });
  const { terminalId, claimCode } = await addTerminal(host.context, { name: "Cellar", role: "meter", merchant: "hall", zones: [], takes: [] });
  await setMeterPlan(host.context, terminalId, { currency: "EUR", tariffs: [{ id: 1, bands: [{ register: "1.8.1", price: 24_000 }] }] });
  await addMeterUser(host.context, terminalId, { user: "aiko", mode: "postpaid", tariff: 1 });
  const [line, emulated] = [openLine({ baud: 115_200 }), emulateMeter(meterAfter(0, 0), {}, { everyMs: 50, baud: 115_200 })];
  const config = join(folder, "cellar.json");
  writeFileSync(config, JSON.stringify({ name: "Cellar", role: "meter", host: host.url, data: "cellar", link: { port: line.a, baud: 115_200 }, meter: { port: emulated.path, protocol: "dsmr-p1", everySeconds: 10 }, claim: claimCode }));
  const terminal = new Process(["terminal", config], folder);
  expect(await terminal.line(/Read 4530/)).toContain("1.8.1 3808.351 kWh");
  expect(await terminal.stop()).toBe(0);
  emulated.close();
  line.close();
  await host.close();
}, 30_000);
