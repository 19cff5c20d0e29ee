/** What each dialect is known to do to its readers, built byte by byte, and the reason that is told for it. */
import { describe, expect, test } from "vitest";
import { ascii, hexadecimal, household, iecTelegram, iecWithCheck, joined, p1Lines, p1Telegram, smlFrame, smlHousehold } from "./constructed.js";
import { openerOf, read, readInPieces, verdicts } from "./meters.js";
import { sealP1 } from "./sealing.js";
import { crc16, crc16Kermit } from "../../protocol/link/crc16.js";
import { dataSets } from "../../protocol/metering/data-sets.js";
import { sum } from "../../protocol/metering/mbus.js";
import { numberOf, registerKey } from "../../protocol/metering/reading.js";

const key = () => openerOf("000102030405060708090a0b0c0d0e0f");

test("check values of the CRCs", () => {
  expect([crc16(ascii("123456789")), crc16Kermit(ascii("123456789"))]).toEqual([0xbb3d, 0x2189]);
});

describe("digits", () => {
  test.each([
    ["042951.721", 42951721, -3], ["0000008", 8, 0], ["-000073.69", -7369, -2], ["+000.8", 8, -1], ["  80", 80, 0], ["00000000", 0, 0], ["-0.00", 0, -2], ["9007199254740991", 9007199254740991, 0],
  ])("%s", (text, value, scaler) => expect(numberOf(text)).toEqual({ value, scaler }));
  test.each(["", " ", "-", ".", ".5", "5.", "1.2.3", "1,5", "0x10", "1e3", "M26", "??345", "9007199254740992", "101209110000W"])("%s is no number", (text) => expect(numberOf(text)).toBeUndefined());
  test.each([
    ["1.8.0", "1.8.0"], ["1-0:1.8.0*255", "1.8.0"], ["1-0:1.8.0", "1.8.0"], ["1.8.0*01", "1.8.0*1"], ["1.8.0&01", "1.8.0*1"], ["1-0:21.7.0.255", "21.7.0"], ["0-1:24.2.1", "0-1:24.2.1"], ["6.8", "6.8.0"], ["C.1.0", "C.1.0"], ["F.F", "F.F.0"], ["", ""], ["abc", "abc"],
  ])("register %s is %s", (code, name) => expect(registerKey(code)).toBe(name));
});

describe("data sets", () => {
  const q = { check: "ok", parity: "ok", problem: "" } as const;
  const sets = (text: string) => dataSets(text, q).map((r) => `${r.obis}|${r.text}|${r.unit}|${r.nth}`);
  test.each<[string, string[]]>([
    ["6.8(0029.055*MWh)6.26(01589.28*m3)", ["6.8|0029.055|MWh|0", "6.26|01589.28|m3|0"]], ["1.6.0(02.468*kW)(1703100930)", ["1.6.0|02.468|kW|0", "1.6.0|1703100930||1"]],
    ["1.8.0(024562 kWh)", ["1.8.0|024562|kWh|0"]], ["1-0:1.8.0(000173.640kWh)", ["1-0:1.8.0|000173.640|kWh|0"]], ["9.4(088*C&082*C)", ["9.4|088*C&082*C||0"]], ["0-1:24.2.1(161129200000W)", ["0-1:24.2.1|161129200000W||0"]],
    ["FF(\r\n1.8.0(1*kWh)", ["1.8.0|1|kWh|0"]], ["n.n.n,n(5*V)", ["n.n.n,n|5|V|0"]], ["C.1.1(        )", ["C.1.1|        ||0"]], ["96.13.0()", ["96.13.0|||0"]], ["", []], ["((((", []], [")(", []],
  ])("%s", (text, want) => expect(sets(text)).toEqual(want));
});

describe("IEC 62056-21", () => {
  test.each([["LF", 10], ["CR", 13], ["STX", 2], ["ETX", 3], ["/", 47], ["NUL", 0], ["!", 33]])("a block check that is %s is a check like any other, and the next telegram begins behind it", (_name, wanted) => {
    const telegram = iecWithCheck(wanted);
    expect(verdicts(joined(telegram, iecTelegram()))).toEqual(["billable", "billable"]);
    for (const size of [1, 2]) expect(readInPieces(telegram, size)).toEqual(read(telegram));
  });
  const traps: [string, Uint8Array, string[]][] = [
    ["as it should be", iecTelegram(), ["billable"]],
    ["without parity bits", iecTelegram({ parity: false }), ["parity_unseen"]],
    ["wrong block check", iecTelegram({ bcc: 0x55 }), ["check_bad"]],
    ["no block check", iecTelegram().slice(0, -1), ["check_missing"]],
    ["cut off", iecTelegram().slice(0, 200), ["truncated"]],
    ["no identification line", iecTelegram({ head: "" }), ["no_identification"]],
    ["wake-up, request and choice reflected before it", joined(new Uint8Array(66), ascii("/?!\r\n"), iecTelegram()), ["billable"]],
    ["noise of an idle line before and after", joined(new Uint8Array(30).fill(0x7f), iecTelegram(), new Uint8Array(30).fill(0xff), ascii("\r\n")), ["billable"]],
    ["a torn line before it", joined(ascii("031207.446*kWh)\r\n1.8.2(0129"), iecTelegram()), ["billable"]],
    ["the meter restarts within it", joined(iecTelegram().slice(0, 150), iecTelegram()), ["truncated", "billable"]],
    ["total and tariffs disagree", iecTelegram({ lines: household.lines.map((l) => l.replace("044168.529", "044168.528")) }), ["sum_wrong"]],
    ["one register twice, with two values", iecTelegram({ lines: [...household.lines, "1-0:1.8.0*255(044168.530*kWh)"] }), ["doubled"]],
    ["one register twice, with one value", iecTelegram({ lines: [...household.lines, "1-0:1.8.0*255(044168.529*kWh)"] }), ["billable"]],
    ["no tariffs: once is not enough", iecTelegram({ lines: ["1.8.0(000001.000*kWh)"] }), ["read_once"]],
    ["no register at all", iecTelegram({ lines: ["F.F(00)", "C.1.0(12345678)"] }), ["no_register"]],
    ["a register that a roller hides", iecTelegram({ lines: ["7-1:1.0(0123?.567*m3)"] }), ["no_register"]],
    ["history beside the register of today", iecTelegram({ lines: [...household.lines, "1.8.0*01(043000.000*kWh)", "1.8.0*02(042000.000*kWh)"] }), ["billable"]],
  ];
  test.each(traps)("%s", (_name, bytes, want) => expect(verdicts(bytes)).toEqual(want));
  test("longer than any meter sends: let go, and the next one is right", () => {
    const endless = joined(ascii("/KAI5X\r\n\x02"), ascii("1.8.0(1*kWh)\r\n".repeat(1400)));
    const found = read(joined(endless, iecTelegram()));
    expect(found.map((r) => r.quality.problem)).toContain("too_long");
    expect(found.at(-1)!.quality).toMatchObject({ check: "ok", parity: "ok" });
  });
});

describe("P1", () => {
  const traps: [string, Uint8Array, string[]][] = [
    ["as it should be", p1Telegram(p1Lines), ["billable"]],
    ["line ends translated", ascii(Buffer.from(p1Telegram(p1Lines)).toString("latin1").replaceAll("\r\n", "\n")), ["check_bad"]],
    ["a CRC in small letters", p1Telegram(p1Lines, { crc: crcOf(p1Lines).toLowerCase() === crcOf(p1Lines) ? "abcd" : crcOf(p1Lines).toLowerCase() }), ["check_bad"]],
    ["no CRC", p1Telegram(p1Lines, { crc: "" }), ["check_missing"]],
    ["a CRC with something behind it", p1Telegram(p1Lines, { crc: crcOf(p1Lines) + "0" }), ["check_bad"]],
    ["cut in a line by the next one", joined(p1Telegram(p1Lines).slice(0, 120), p1Telegram(p1Lines)), ["truncated", "billable"]],
    ["ends with its CRC, without a line end", p1Telegram(p1Lines).slice(0, -2), ["billable"]],
    ["ends within its CRC", p1Telegram(p1Lines).slice(0, -3), ["check_bad"]],
  ];
  test.each(traps)("%s", (_name, bytes, want) => expect(verdicts(bytes)).toEqual(want));
  test("a CRC whose leading zero the meter leaves out", () => {
    for (let n = 0; n < 200; n++) {
      const lines = [...p1Lines, `0-0:96.13.0(${n})`];
      if (!crcOf(lines).startsWith("0")) continue;
      expect(verdicts(p1Telegram(lines, { crc: crcOf(lines).replace(/^0+/, "") }))).toEqual(["billable"]);
      return;
    }
    expect.fail("no CRC with a leading zero");
  });
  test("byte 0x02 in the identification, where `\\2` was meant, begins no block", () => {
    expect(verdicts(p1Telegram(p1Lines, { head: "/KAI5\x02METER" }))).toEqual(["billable"]);
  });
});
function crcOf(lines: readonly string[]): string {
  return Buffer.from(p1Telegram(lines)).toString("latin1").split("!").at(-1)!.trim();
}

describe("encrypted P1", () => {
  const telegram = p1Telegram(p1Lines);
  test("opens with its key, in pieces of any size; the tag vouches for it", () => {
    const sealed = sealP1(telegram, 1);
    const [readout] = read(sealed, undefined, key());
    expect(readout).toMatchObject({ protocol: "dsmr-p1", identification: "/KAI5KAISATSU-METER", quality: { check: "ok", parity: "covered", problem: "" } });
    for (const size of [1, 7]) expect(readInPieces(sealed, size, key)).toEqual([readout]);
  });
  const problemOf = (bytes: Uint8Array, opener = key()) => read(bytes, undefined, opener).map((r) => r.quality.problem);
  test("without its key, with another's, changed, or shown again", () => {
    expect(read(sealP1(telegram, 1))[0]!.quality.problem).toBe("key_missing");
    expect(problemOf(sealP1(telegram, 1), openerOf("ff0102030405060708090a0b0c0d0e0f"))).toEqual(["tag_wrong"]);
    expect(problemOf(sealP1(telegram, 1), openerOf("000102030405060708090a0b0c0d0e0f", "ff".repeat(16)))).toEqual(["tag_wrong"]);
    expect(problemOf(joined(sealP1(telegram, 5), sealP1(telegram, 5), sealP1(telegram, 4), sealP1(telegram, 6)))).toEqual(["", "replayed", "replayed", ""]);
  });
  test("torn, and the next one behind it is whole", () => {
    const found = read(joined(sealP1(telegram, 1).slice(0, 90), sealP1(telegram, 2)), undefined, key());
    expect(found.at(-1)!.quality).toMatchObject({ check: "ok", problem: "" });
  });
});

describe("SML", () => {
  test("64 bits, a status, both kinds of CRC, and 1B1B1B1B inside", () => {
    for (const crc of ["x25", "kermit"] as const) {
      const [readout] = read(smlFrame(smlHousehold, { crc, serverId: hexadecimal("0a1b1b1b1b1b1b1b1b01") }));
      expect(readout).toMatchObject({ identification: "0a1b1b1b1b1b1b1b1b01", quality: { check: "ok" } });
      expect(readout!.readings[1]).toMatchObject({ obis: "1-0:1.8.0*255", value: 1103403151, scaler: -1, unit: "Wh", text: "1103403151" });
    }
  });
  test("a message CRC of one byte, since its high byte is 0", () => {
    let found = 0;
    for (let transaction = 0; transaction < 250; transaction++) {
      const frame = smlFrame(smlHousehold, { transaction });
      if (!Buffer.from(frame).toString("latin1").match(/\x62[\s\S]\x00(\x76|[\x00]{0,3}\x1b)/)) continue;
      found++;
      expect(read(frame)[0]!.quality.check).toBe("ok");
    }
    expect(found).toBeGreaterThan(0);
  });
  test("a right frame CRC over a wrong message CRC, and a mixture of both kinds: bad", () => {
    expect(read(smlFrame(smlHousehold, { crc: "x25", messageCrc: "kermit" }))[0]!.quality.check).toBe("bad");
    expect(read(smlFrame(smlHousehold, { crc: "kermit", messageCrc: "x25" }))[0]!.quality.check).toBe("bad");
  });
  test("a meter whose PIN is entered between two frames changes its scaler, and still bears itself out", () => {
    const coarse = smlFrame([{ obis: "1-0:1.8.0*255", unit: 30, scaler: 3, value: 2355 }]);
    const fine = smlFrame([{ obis: "1-0:1.8.0*255", unit: 30, scaler: -1, value: 23559290 }]);
    expect(verdicts(joined(coarse, fine))).toEqual(["read_once", "billable"]);
    expect(verdicts(joined(fine, coarse))).toEqual(["read_once", "disagrees"]);
  });
});

describe("M-Bus", () => {
  const frame = (data: string): Uint8Array => {
    const body = hexadecimal(data);
    return joined(Uint8Array.of(0x68, body.length, body.length, 0x68), body, Uint8Array.of(sum(body, 0, body.length), 0x16));
  };
  const water = "0801 72 78563412 2434 0107 55000000";
  test("storage, tariff and subunit keep their own names; negative and broken digits", () => {
    const [readout] = read(frame(`${water} 0C13 27048502 4C13 19543201 8C1013 11000000 0C13 560000F0 0C13 A1000000`));
    expect(readout!.readings.map((r) => [r.obis, r.value, r.scaler])).toEqual([["8-0:1.0.0*255", 2850427, -3], ["8-0:1.0.0*1", 1325419, -3], ["8-0:1.0.1*255", 11, -3], ["8-0:1.0.0*255", -56, -3], ["8-0:1.0.0*255", undefined, 0]]);
  });
  test("two flips that cancel in the sum are not seen by it, so nothing of it is payable without parity", () => {
    const bytes = frame(`${water} 0C13 27048502`);
    const at = bytes.indexOf(0x27);
    bytes[at]! ^= 1; bytes[at + 1]! ^= 1;
    expect(read(bytes)[0]!.quality.check).toBe("ok");
    expect(verdicts(joined(bytes, bytes))).toEqual(["parity_unseen", "parity_unseen"]);
  });
});

test("rubbish of every kind: no fault, nothing payable, and bounded", () => {
  let state = 7;
  const random = (): number => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 4294967296;
  const starts = [[0x1b, 0x1b, 0x1b, 0x1b, 1, 1, 1, 1], [0x68, 20, 20, 0x68, 8, 1, 0x72], [0x7e, 0xa0, 30], [0xdb, 8], [0x0f, 0, 0, 0, 0, 0, 2, 9], [...ascii("/KAI5X\r\n\x02")], [...ascii("/KAI5X\r\n\r\n")]];
  for (let round = 0; round < 400; round++) {
    const bytes = Uint8Array.from([...starts[round % starts.length]!, ...Array.from({ length: 300 }, () => (random() < 0.3 ? [0x1b, 0x28, 0x29, 0x0a, 0x2f, 0x68, 0x7e, 0x16, 2, 3, 9, 0x76, 0xff][Math.floor(random() * 13)]! : Math.floor(random() * 256)))]);
    expect(verdicts(bytes)).not.toContain("billable");
  }
});
