/** A part of the hardware-in-the-loop suite that takes seconds; `npm run hil` runs all of it. */
import { describe, expect, test } from "vitest";
import { runSuite, devicesOf, lines } from "./suite.js";
import { garbled } from "./cases.js";

const emulated = devicesOf({});
const part = async (line: RegExp, cases: RegExp): Promise<string[]> => {
  const ran = await runSuite(emulated, (kind, one) => line.test(kind.name) && cases.test(one.name));
  expect(ran.rows.map((row) => `${row.case}: ${row.result}, ${row.says}`).filter((row) => !row.includes(": ok, "))).toEqual([]);
  return ran.rows.map((row) => row.case);
};

describe("real ports on an emulated line, a gate, and a Firmata board", () => {
  test("S1: a coupon, a card, a ticket and its refusal, over 115,200 baud", async () => {
    expect(await part(/^serial, 115200 baud$/, /^(coupon|card|ticket)/)).toEqual(["coupon", "card", "ticket, then refused"]);
  });
  test("S1: torn at the acknowledgement, the use is resumed and charged once", async () => {
    expect(await part(/^serial, 115200 baud$/, /acknowledgement/)).toHaveLength(1);
  });
  test("half-duplex infrared framing hears its own echo and takes it for nothing", async () => {
    expect(await part(/own echo, 115200 baud$/, /^coupon$/)).toHaveLength(1);
  });
  test("pieces of twenty bytes make whole messages", async () => {
    expect(await part(/20 bytes/, /^card$/)).toHaveLength(1);
  });
  test("bits flipped on the way: every use is settled, and charged once", async () => {
    expect(await part(/^serial.*flipped/, /./)).toEqual([garbled.name]);
  });
});

test("S1, S7: the firmware of a small board, flashed and provisioned here: a use, a use torn and resumed, and all of it in the books", { timeout: 90_000 }, async () => {
  const ran = await runSuite(devicesOf({}), (line, one) => line.name === "Espruino board, serial, 115200 baud" && /^(coupon|torn at the acknowledgement)$/.test(one.name));
  expect(ran.rows.filter((row) => row.result !== "ok")).toEqual([]);
  expect(ran.rows.map((row) => row.case)).toEqual(["coupon", "torn at the acknowledgement", "every use is in the books, once"]);
  expect(ran.terminal).toContain("the firmware of the Seeed Xiao BLE in the stand-in engine");
});

test("the suite covers 9,600 to 115,200 baud, infrared with echo, pieces, noise, flips and losses", () => {
  const names = lines.map((line) => line.name).join("\n");
  for (const what of [/9600/, /19200/, /38400/, /57600/, /115200/, /echo/, /20 bytes/, /noise/, /flipped/, /lost/]) expect(names).toMatch(what);
});

test("a real terminal needs a handset of its host: without one it says so and opens nothing", async () => {
  await expect(runSuite(devicesOf({ KAISATSU_PORT: "/dev/no-such-port" }), () => true)).rejects.toThrow(/KAISATSU_HANDSET must name/);
});
