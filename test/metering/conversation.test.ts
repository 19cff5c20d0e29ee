/**
 * Asking a meter, against one that keeps the standard's rules and one that breaks them: every mode, wake-up, programming mode,
 * and every way in which an optical head spoils it.
 */
import { describe, expect, test } from "vitest";
import { household, iecTelegram, ascii } from "./constructed.js";
import { said, talk } from "./line.js";
import { judgeAll } from "../../boards/bench/recording.js";
import { makeMeter, meterHears, meterSays, meterWakes } from "../../boards/bench/meter-emulator.js";
import { baudOf, characters, command } from "../../protocol/metering/conversation.js";
import { profileBlocks } from "../../protocol/metering/profile.js";

const withRate = (z: string): string => household.head.replace("4", z);
const meterOf = (z: string): Uint8Array => iecTelegram({ head: withRate(z) });
const sound = (t: ReturnType<typeof talk>): boolean => judgeAll(t.readouts).at(-1)?.judgement.billable === true;

describe("a readout in every mode", () => {
  const modes: [string, string, number[]][] = [
    ["A: 300 baud throughout", " ", [300]], ["B at 600", "A", [300, 600]], ["B at 2400", "C", [300, 2400]], ["C at 300", "0", [300]], ["C at 4800", "4", [300, 4800]], ["C at 9600", "5", [300, 9600]], ["C at 19200", "6", [300, 19200]],
  ];
  test.each(modes)("%s", (_name, z, bauds) => {
    const t = talk(meterOf(z));
    expect([t.end, t.bauds, t.readouts.length, sound(t)]).toEqual(["done", bauds, 1, true]);
    expect(t.readouts[0]!.identification).toBe(withRate(z).trim());
    expect(t.sent[0]).toBe("/?!\r\n");
    expect(t.sent.slice(1)).toEqual(z >= "0" && z <= "9" ? [`\x060${z}0\r\n`] : []);
    expect(t.meter.refused).toEqual([]);
  });
  test("E: the offer of HDLC is declined by choosing characters", () => {
    const t = talk(iecTelegram({ head: "/KAI5\\2ZMA-400.K01\r\n" }));
    expect([t.end, sound(t), t.sent[1]]).toEqual(["done", true, "\x06050\r\n"]);
  });
  test("an address is asked for, leading zeros or not; another meter stays silent", () => {
    expect(talk(meterOf("5"), { address: "0012" }, { address: "12" }).end).toBe("done");
    expect(talk(meterOf("5"), { address: "0012" }, { address: "13" }).end).toBe("no_answer");
  });
  test("a port that must not go so fast stays at 300 baud", () => {
    const t = talk(meterOf("6"), {}, { baudMax: 9600 });
    expect([t.end, t.bauds, sound(t), t.sent[1]]).toEqual(["done", [300], true, "\x06000\r\n"]);
  });
});

describe("battery meters sleep", () => {
  test("asked without waking, nothing; woken by two seconds of NULs, all", () => {
    expect(talk(meterOf("5"), { sleeps: true }).end).toBe("no_answer");
    const t = talk(meterOf("5"), { sleeps: true }, { wake: "normal" });
    expect([t.end, sound(t), t.meter.refused]).toEqual(["done", true, []]);
    expect(t.sent[0]).toBe("\0".repeat(66));
  });
  test("the fast way: half a second of NULs at the agreed rate, then the request at 300 baud", () => {
    const t = talk(meterOf("5"), {}, { wake: "fast", wakeBaud: 9600 });
    expect([t.bauds.slice(0, 2), t.sent[0]!.length]).toEqual([[9600, 300], 528]);
    expect(sound(t)).toBe(true);
  });
  test("the optical head reflects the wake-up and every word of ours", () => {
    const t = talk(meterOf("5"), { sleeps: true, echoes: true }, { wake: "normal" });
    expect([t.end, t.readouts.length, sound(t)]).toEqual(["done", 1, true]);
  });
});

describe("what goes wrong on a line", () => {
  test("one damaged message: NAK, and it is sent again", () => {
    const t = talk(meterOf("5"), { damaged: 1 });
    expect([t.end, t.readouts.map((r) => r.quality.check), sound(t)]).toEqual(["done", ["bad", "ok"], true]);
    expect(t.sent.at(-1)).toBe("\x15");
    expect(t.readouts[1]!.identification).toBe(withRate("5").trim());
  });
  test("bad at every fast rate: after two NAKs all again, at 300 baud", () => {
    const t = talk(meterOf("5"), { badWhenFast: true });
    expect([t.end, sound(t)]).toEqual(["done", true]);
    expect(t.bauds).toEqual([300, 9600, 300]);
    expect(t.sent.filter((s) => s === "\x15")).toHaveLength(2);
  });
  test("never right: it ends, and says so; nothing of it is billable", () => {
    const t = talk(meterOf("0"), { damaged: 1000 });
    expect(t.end).toBe("never_right");
    expect(judgeAll(t.readouts).some((j) => j.judgement.billable)).toBe(false);
  });
  test("the meter restarts inside its message: the torn half is shown as such, and all is asked again", () => {
    const t = talk(meterOf("5"), { restarts: true });
    expect([t.end, sound(t)]).toEqual(["done", true]);
    expect(t.readouts[0]!.quality.problem).toBe("truncated");
  });
  test("it offers 9600 and sends at 300 without waiting: heard all the same", () => {
    const t = talk(meterOf("5"), { impatient: true });
    expect([t.end, sound(t), t.bauds, t.sent.length]).toEqual(["done", true, [300], 1]);
  });
  test("noise before, and a reflected request: the identification is found behind both", () => {
    let first = true;
    const lose = (bytes: Uint8Array): Uint8Array => {
      if (!first || bytes.length === 0) return bytes;
      first = false;
      return new Uint8Array(Buffer.concat([Uint8Array.of(0x7f, 0xff, 0x41), bytes]));
    };
    const t = talk(meterOf("5"), { echoes: true }, {}, { lose });
    expect([t.end, sound(t)]).toEqual(["done", true]);
  });
  test.each([3, 40, 200, 350])("the line drops one byte, number %i: asked again, and right in the end", (drop) => {
    let seen = 0;
    const lose = (bytes: Uint8Array): Uint8Array => bytes.filter(() => seen++ !== drop);
    const t = talk(meterOf("5"), {}, {}, { lose });
    expect([t.end, sound(t)]).toEqual(["done", true]);
  });
  test("a line that goes dead at any byte ends the conversation; nothing torn is billable", () => {
    for (let bytes = 0; bytes < meterOf("5").length; bytes += 23) {
      let seen = 0;
      const t = talk(meterOf("5"), {}, {}, { lose: (heard) => heard.filter(() => seen++ < bytes) });
      expect(["no_answer", "never_right"], `after ${bytes}`).toContain(t.end);
      expect(judgeAll(t.readouts).some((j) => j.judgement.billable)).toBe(false);
    }
  });
});

describe("programming mode, reading only", () => {
  const profile = ascii("P.01(1240823161500)(00000000)(15)(2)(1.5)(kW)(2.5)(kW)\r\n(0.18374)(0.00078)\r\n(0.16832)(0.00000)\r\n");
  const log = ascii("P.98(1240826235646)(00008020)()(2)(0.9.1)()(0.9.2)()(1235703)(1220826)\r\nP.98(1240901000000)(00000010)()(0)\r\n");
  test("registers, load profile and event log, one after the other, and a goodbye", () => {
    const t = talk(meterOf("5"), {}, { reads: ["1.8.0()", "P.01(1240823000000;)", "P.98()"] }, { more: [profile, log] });
    expect([t.end, t.reads, t.sent[1]]).toEqual(["done", [0, 1, 2], "\x06051\r\n"]);
    expect(t.readouts[0]!.readings.map((r) => [r.obis, r.text, r.unit])).toEqual([["1.8.0", "044168.529", "kWh"]]);
    const [block] = profileBlocks(t.readouts[1]!.readings);
    expect([block!.time, block!.interval, block!.channels]).toEqual(["1240823161500", 15, [{ obis: "1.5", unit: "kW" }, { obis: "2.5", unit: "kW" }]]);
    expect(block!.rows.map((row) => row.map((r) => [r.obis, r.value, r.scaler, r.unit]))).toEqual([[["1.5", 18374, -5, "kW"], ["2.5", 78, -5, "kW"]], [["1.5", 16832, -5, "kW"], ["2.5", 0, -5, "kW"]]]);
    expect(profileBlocks(t.readouts[2]!.readings).map((b) => [b.time, b.status, b.rows.length])).toEqual([["1240826235646", "00008020", 1], ["1240901000000", "00000010", 0]]);
    expect(t.sent.at(-1)).toBe(said(command("B0", "")));
  });
  test("NAK to a command and a damaged answer: asked again", () => {
    for (const options of [{ refusesFirst: true }, { damaged: 1 }]) {
      const t = talk(meterOf("5"), options, { reads: ["1.8.0()"] });
      expect([t.end, t.readouts.at(-1)!.readings[0]!.text]).toEqual(["done", "044168.529"]);
    }
  });
  test("a command that the head reflects is not taken for its answer", () => {
    const t = talk(meterOf("5"), { echoes: true }, { reads: ["1.8.0()"] });
    expect([t.end, t.readouts.map((r) => r.readings.map((x) => x.text))]).toEqual(["done", [["044168.529"]]]);
  });
  test("what the meter does not have is its error answer, never a value", () => {
    const t = talk(meterOf("5"), {}, { reads: ["9.9.9()"] });
    expect([t.end, t.readouts[0]!.quality.problem]).toEqual(["done", "error_answer"]);
  });
  test("nothing that is sent can write: R5 and B0 only", () => {
    const t = talk(meterOf("5"), {}, { reads: ["1.8.0()", "P.01(;)"] }, { more: [profile] });
    expect(t.sent.filter((s) => s.startsWith("\x01")).map((s) => s.slice(1, 3))).toEqual(["R5", "R5", "B0"]);
  });
});

describe("the emulator refuses what the standard refuses", () => {
  const hearing = (bytes: Uint8Array, baud: number) => {
    const m = makeMeter(meterOf("5"), {});
    meterHears(m, bytes, baud, 0);
    return { refused: m.refused.length, wakes: meterWakes(m), m };
  };
  test.each([
    ["a request at 9600 baud", characters("/?!\r\n"), 9600], ["a request of wrong parity", characters("/?!\r\n").map((b) => b ^ 0x80), 300], ["no request at all", characters("hello\r\n"), 300],
  ] as const)("%s: silence", (_name, bytes, baud) => {
    const found = hearing(bytes, baud);
    expect([found.refused > 0, found.wakes]).toEqual([true, -1]);
  });
  test("it does not answer before its reaction time, and waits for the choice before it goes on by itself at 300 baud", () => {
    const { m } = hearing(characters("/?!\r\n"), 300);
    const requestMs = (5 * 10_000) / 300;
    expect(meterSays(m, 300, requestMs + 199).length).toBe(0);
    const offered = m.offerEndsMs;
    expect(offered - m.busyUntilMs).toBeGreaterThanOrEqual(1500);
    expect(offered - m.busyUntilMs).toBeLessThanOrEqual(2200);
    meterSays(m, 300, offered);
    expect([m.state, m.baud]).toEqual(["sending", 300]);
  });
  test("a rate it did not offer leaves it at 300 baud, the one it offered does not", () => {
    for (const choice of ["\x06040\r\n", "\x06050\r\n"]) {
      const { m } = hearing(characters("/?!\r\n"), 300);
      meterSays(m, 300, m.busyUntilMs);
      meterHears(m, characters(choice), 300, m.busyUntilMs + 300);
      expect(m.baud).toBe(choice.includes("4") ? 300 : 9600);
    }
  });
  test("read at the wrong rate, its characters are none", () => {
    const { m } = hearing(characters("/?!\r\n"), 300);
    expect(said(meterSays(m, 9600, m.busyUntilMs))).not.toContain("KAI");
  });
  test("rates by their characters", () => {
    expect([..."0123456"].map(baudOf)).toEqual([300, 600, 1200, 2400, 4800, 9600, 19200]);
    expect([..."ABCDEF"].map(baudOf)).toEqual([600, 1200, 2400, 4800, 9600, 19200]);
    expect([baudOf(" "), baudOf("7"), baudOf("G")]).toEqual([0, 0, 0]);
  });
});
