/**
 * No single bit flipped, and no two flipped in one column, in any telegram, is ever billed: by going through them. Every
 * bit of every telegram is tried; of the pairs a part that shifts with each file, and all of them when KAISATSU_FLIPS is
 * `all` (half an hour).
 */
import { describe, expect, test, vi } from "vitest";
import { iecTelegram, joined, p1Lines, p1Telegram, smlFrame, smlHousehold } from "./constructed.js";
import { names, openerOf, read, recording, verdicts } from "./meters.js";
import { judgeAll } from "../../boards/bench/recording.js";
import type { Protocol } from "../../protocol/metering/reading.js";
import { sealP1 } from "./sealing.js";

const all = process.env["KAISATSU_FLIPS"] === "all";
const pairsOfEach = 400;
if (all) vi.setConfig({ testTimeout: 3_600_000 });

/** A telegram that may be billed by itself: only then a flip proves something. */
const payable: [string, Uint8Array][] = [
  ["IEC 62056-21, parity on a line of 8N1", iecTelegram()],
  ["SML, X-25", smlFrame(smlHousehold)],
  ["SML, Kermit", smlFrame(smlHousehold, { crc: "kermit" })],
  ["P1 with totals and tariffs", p1Telegram(p1Lines)],
  ["dsmr-p1/esmr-est_sagemcom-t210-d-r_austria.txt", recording("dsmr-p1/esmr-est_sagemcom-t210-d-r_austria.txt")],
  ["dsmr-p1/eon-hungary_sag.txt", recording("dsmr-p1/eon-hungary_sag.txt")],
  ["sml/DNT_ttyUSB0-2_cr-lf-mangled.bin, its first frame", recording("sml/DNT_ttyUSB0-2_cr-lf-mangled.bin").slice(0, 0x144)],
];

const flipped = (bytes: Uint8Array, ...bits: number[]): Uint8Array => {
  const out = bytes.slice();
  for (const bit of bits) out[bit >> 3]! ^= 1 << (bit & 7);
  return out;
};
/** The values that a bill would be made of. */
const billed = (bytes: Uint8Array, protocol?: Protocol): string[] => judgeAll(read(bytes, protocol)).filter((j) => j.judgement.billable).map((j) => JSON.stringify(j.readout.readings));

describe("one bit", () => {
  test.each(payable.filter(([, bytes]) => all || bytes.length < 1000))("%s: payable as it is, and with any one bit flipped never", (_name, bytes) => {
    expect(verdicts(bytes)).toEqual(["billable"]);
    const { protocol } = read(bytes)[0]!;
    const passed: number[] = [];
    for (let bit = 0; bit < bytes.length * 8; bit++) if (billed(flipped(bytes, bit), all || bit % 16 === 0 ? undefined : protocol).length > 0) passed.push(bit);
    expect(passed).toEqual([]);
  });
  test("an encrypted telegram: any one bit flipped makes its tag wrong, or takes it away", () => {
    const bytes = sealP1(p1Telegram(p1Lines), 7);
    const key = () => openerOf("000102030405060708090a0b0c0d0e0f");
    expect(judgeAll(read(bytes, undefined, key())).map((j) => j.judgement.billable)).toEqual([true]);
    for (let bit = 0; bit < bytes.length * 8; bit += 3) expect(judgeAll(read(flipped(bytes, bit), undefined, key())).some((j) => j.judgement.billable), `bit ${bit}`).toBe(false);
  });
});

describe("two bits in one column", () => {
  test.each(payable)("%s", (_name, bytes) => {
    const step = all ? 1 : Math.max(1, Math.floor((bytes.length * bytes.length * 4) / pairsOfEach)) | 1;
    const passed: string[] = [];
    const { protocol } = read(bytes)[0]!;
    let tried = 0;
    let at = 0;
    for (let column = 0; column < 8; column++) {
      for (let first = 0; first < bytes.length; first++) {
        for (let second = first + 1; second < bytes.length; second++) {
          if (at++ % step !== 0) continue;
          tried++;
          if (billed(flipped(bytes, first * 8 + column, second * 8 + column), protocol).length > 0) passed.push(`${first}.${second}.${column}`);
        }
      }
    }
    expect(passed).toEqual([]);
    expect(tried).toBeGreaterThan(300);
  });
  test("a block check alone would have let them pass: the same digits without parity are never payable", () => {
    const bytes = iecTelegram({ parity: false });
    const text = Buffer.from(bytes).toString("latin1");
    const total = text.indexOf("1.8.0(") + 6;
    const tariff = text.indexOf("1.8.1(") + 6;
    // The same bit of the same digit in total and tariff: block check and sum rule both hold, and 100 MWh too much are shown.
    const both = flipped(bytes, total * 8, tariff * 8);
    const [readout] = read(both);
    expect(readout!.quality).toMatchObject({ check: "ok", parity: "unseen" });
    expect(verdicts(both)).toEqual(["parity_unseen"]);
    expect(verdicts(flipped(bytes, (total + 2) * 8, (total + 3) * 8))).toEqual(["sum_wrong"]);
    expect(verdicts(flipped(iecTelegram(), total * 8, tariff * 8))).toEqual(["parity_bad"]);
  });
});

describe("every recording", () => {
  test.each(names.filter((n) => recording(n).length < 1200))("%s: what a flip makes of it is never billed where it was not", (name) => {
    const bytes = recording(name);
    const before = billed(bytes);
    const step = all ? 1 : Math.max(1, Math.floor((bytes.length * 8) / 250)) | 1;
    for (let bit = 0; bit < bytes.length * 8; bit += step) {
      for (const values of billed(flipped(bytes, bit))) expect(before, `bit ${bit}`).toContain(values);
    }
  });
  test("two telegrams that bear each other out: a flip in either leaves nothing payable but what was sent", () => {
    const bytes = joined(...["000001.000", "000001.001"].map((n) => p1Telegram([`1-0:1.8.1(${n}*kWh)`, "1-0:1.8.2(000000.000*kWh)"])));
    const sent = billed(bytes);
    expect(verdicts(bytes)).toEqual(["read_once", "billable"]);
    for (let bit = 0; bit < bytes.length * 8; bit++) for (const values of billed(flipped(bytes, bit))) expect(sent).toContain(values);
  });
});
