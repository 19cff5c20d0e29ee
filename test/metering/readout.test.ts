/**
 * `kaisatsu readout` and `kaisatsu meter-emulator`: files and hexadecimal text, the document for machines, the table for people,
 * and a real `serialport` on a pseudo-terminal that asks an emulated meter, at the pace of a real line.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, describe, expect, test } from "vitest";
import { ascii, household, iecTelegram, joined, p1Lines, p1Telegram, smlFrame, smlHousehold } from "./constructed.js";
import { sealP1 } from "./sealing.js";
import { kaisatsu } from "../bench/command-line.js";
import { emulateMeter, type Emulated } from "../../boards/bench/meter-emulator-command.js";

const folder = mkdtempSync(join(tmpdir(), "kaisatsu-meter-"));
afterAll(() => rmSync(folder, { recursive: true }));
const file = (name: string, bytes: Uint8Array): string => { const path = join(folder, name); writeFileSync(path, bytes); return path; };
const vector = (name: string): string => new URL(`../vectors/meters/${name}`, import.meta.url).pathname;
const json = async (...argv: string[]): Promise<Record<string, unknown>[]> => JSON.parse((await kaisatsu(["readout", ...argv, "--json"])).out) as Record<string, unknown>[];

describe("a recording", () => {
  test("the document for machines has these keys, in this order, and no other", async () => {
    const [readout, ...more] = await json(file("small.bin", iecTelegram({ lines: ["1.8.0(003.000*kWh)", "1.8.1(001.000*kWh)", "1.8.2(002.000*kWh)", "0.2.0(K01)"] })));
    expect(more).toEqual([]);
    expect(JSON.stringify(readout)).toBe(JSON.stringify({
      protocol: "iec62056-21", identification: "/KAI4ZMA-100.K01",
      readings: [
        { obis: "1.8.0", value: 3000, scaler: -3, unit: "kWh", text: "003.000" }, { obis: "1.8.1", value: 1000, scaler: -3, unit: "kWh", text: "001.000" }, { obis: "1.8.2", value: 2000, scaler: -3, unit: "kWh", text: "002.000" },
        { obis: "0.2.0", value: null, scaler: 0, unit: "", text: "K01" },
      ],
      check: "ok", billable: true, reason: "",
    }));
  });
  test("a broken telegram and a whole one: two readouts, the second billable", async () => {
    const found = await json(file("two.bin", joined(iecTelegram({ bcc: 1 }), iecTelegram())));
    expect(found.map((r) => [r["check"], r["billable"], r["reason"]])).toEqual([["bad", false, "check_bad"], ["ok", true, ""]]);
  });
  test("the protocol is recognised, also in hexadecimal text; told another, nothing is found", async () => {
    expect((await json(vector("mbus/ACW_Itron-BM-plus-m.hex")))[0]).toMatchObject({ protocol: "mbus", identification: "ACW11490378" });
    expect((await json(vector("dlms/aidon-example-1.txt")))[0]).toMatchObject({ protocol: "dlms" });
    const other = await kaisatsu(["readout", vector("mbus/ACW_Itron-BM-plus-m.hex"), "--protocol", "sml", "--json"]);
    expect([other.code, other.out]).toEqual([1, "[]\n"]);
  });
  test("an encrypted one with its key", async () => {
    const path = file("sealed.bin", sealP1(p1Telegram(p1Lines), 3));
    expect((await json(path))[0]).toMatchObject({ readings: [], billable: false, reason: "key_missing" });
    expect((await json(path, "--key", "000102030405060708090a0b0c0d0e0f"))[0]).toMatchObject({ identification: "/KAI5KAISATSU-METER", billable: true });
  });
  test("a table for people: digits as the meter shows them, the verdict in words, nothing that steers the screen", async () => {
    const { out, code } = await kaisatsu(["readout", file("sml.bin", smlFrame(smlHousehold))]);
    expect(code).toBe(0);
    expect(out).toContain("0a014b41490000010203, sml, check ok, billable");
    expect(out).toMatch(/1-0:1\.8\.0\*255 +110340315\.1 +Wh +billable/);
    const evil = await kaisatsu(["readout", file("evil.bin", iecTelegram({ lines: ["0.2.0(\u001b[2J)", "1.8.0(1*kWh)"], parity: false }))]);
    expect(evil.out).not.toContain("\u001b");
    expect(evil.out).toContain("not billable: the parity bits were not recorded");
  });
  test.each([
    [["readout"], 2, /give one recording/], [["readout", "a", "b"], 2, /give one recording/], [["readout", "/no/such/file"], 3, /There is no file/], [["readout", folder], 3, /no recording/],
    [["readout", "x", "--protocol", "d0"], 2, /--protocol is one of/], [["readout", "x", "--key", "00"], 2, /32 hexadecimal digits/], [["readout", "--port", "/dev/no-such-port"], 3, /plug it in/],
    [["meter-emulator"], 2, /give the recording/], [["meter-emulator", "/no/such/file"], 3, /There is no file/],
  ])("%j: exit code %i", async (argv, code, says) => {
    const ran = await kaisatsu(argv);
    expect([ran.code, ran.err]).toEqual([code, expect.stringMatching(says) as unknown]);
  });
  test("what is no recording of a meter", async () => {
    const path = file("letter.txt", ascii("Dear customer, your meter 1.8.0 (see /home/page) is fine.\n"));
    const ran = await kaisatsu(["readout", path]);
    expect([ran.code, ran.out]).toEqual([1, ""]);
    expect(ran.err).toMatch(/no recording of a meter that is known/);
  });
});

describe("a meter on a serial port", () => {
  const opened: Emulated[] = [];
  afterEach(() => { for (const meter of opened.splice(0)) meter.close(); });
  const emulate: typeof emulateMeter = (...given) => { const meter = emulateMeter(...given); opened.push(meter); return meter; };
  const short = { lines: ["1.8.0(003.000*kWh)", "1.8.1(001.000*kWh)", "1.8.2(002.000*kWh)"], head: household.head.replace("4", "5") };

  test("asked through the real serialport: rate changed, parity checked, a damaged message asked for again, the echo left out", async () => {
    const meter = emulate(iecTelegram(short), { damaged: 1, echoes: true });
    const found = await json("--port", meter.path, "--protocol", "iec62056-21");
    expect(found.map((r) => [r["identification"], r["check"], r["billable"]])).toEqual([["/KAI5ZMA-100.K01", "bad", false], ["/KAI5ZMA-100.K01", "ok", true]]);
  });
  test("listened to: P1 as it comes, two telegrams that bear each other out", async () => {
    const meter = emulate(p1Telegram(p1Lines.filter((line) => !line.includes("1.8.0("))), {}, { everyMs: 200, baud: 115_200 });
    const found = await json("--port", meter.path, "--protocol", "dsmr-p1");
    expect(found.map((r) => r["reason"]).filter((r) => r !== "truncated")).toEqual(["read_once", ""]);
  });
  test("its command line prints the port", async () => {
    const ran = await kaisatsu(["meter-emulator", file("emulated.bin", iecTelegram(short)), "--json"]);
    expect([ran.code, JSON.parse(ran.out)]).toEqual([0, { event: "ready", port: expect.stringMatching(/^\/dev\//) as unknown, identification: "/KAI5ZMA-100.K01", asked: true }]);
  });
});
