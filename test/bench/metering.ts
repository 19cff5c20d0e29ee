/**
 * Reading a meter: what its line takes, computed by playing the whole conversation against an emulated meter where time is
 * exact, beside the characters' own time on the line; and what reading a telegram takes the processor.
 */
import { readFileSync } from "node:fs";
import { interleaved, median, spent, type Figure, type Measure, type Options, type Table } from "./measure.js";
import { household, iecTelegram, p1Lines, p1Telegram, smlFrame, smlHousehold } from "../metering/constructed.js";
import { talk } from "../metering/line.js";
import { judgeAll } from "../../boards/bench/recording.js";
import { withParity } from "../../protocol/metering/iec.js";
import { crc16 } from "../../protocol/link/crc16.js";
import { feed, makeReader } from "../../protocol/metering/reader.js";
import type { Protocol } from "../../protocol/metering/reading.js";

const vectors = new URL("../../../test/vectors/meters/", import.meta.url);
const recorded = (name: string): Uint8Array => new Uint8Array(readFileSync(new URL(name, vectors)));

const characterMs = (characters: number, baud: number): number => (characters * 10_000) / baud;
/** The shortest times that the standard lets both sides react in, twice the meter and once we; a small third letter says that the meter is quick. */
const reactionsMs = (identification: string): number => 3 * (/[a-z]/.test(identification[3]!) ? 20 : 200);

/** A household readout of about so many bytes, at the rate of this character. */
function ofLength(bytes: number, z: string): Uint8Array {
  const lines = [...household.lines];
  const head = household.head.replace("4", z);
  while (iecTelegram({ head, lines }).length < bytes) lines.push(`0.0.${lines.length}(${"0".repeat(Math.min(20, Math.max(1, bytes - iecTelegram({ head, lines }).length - 12)))})`);
  return iecTelegram({ head, lines });
}

function lineRow(what: string, recording: Uint8Array, baud: number, goal: Figure["goal"], beside?: Figure["beside"]): Figure {
  const t = talk(recording);
  if (t.end !== "done" || t.readouts.length !== 1 || t.readouts[0]!.quality.check !== "ok") throw new Error(`${what} was not read.`);
  const head = t.readouts[0]!.identification.length + 2;
  const message = recording.length - recording.findIndex((byte) => (byte & 0x7f) === 2);
  const floor = characterMs(5 + head + 6, 300) + characterMs(message, baud) + reactionsMs(t.readouts[0]!.identification);
  const of = "its characters on the line, and the standard's shortest reaction times, 20 or 200 ms";
  return { what, value: t.tookMs / 1000, unit: "s", exact: true, floor: { value: floor / 1000, of }, ...(goal !== undefined && { goal }), ...(beside !== undefined && { beside }) };
}

function lines(): Table {
  const history = recorded("iec62056-21/isk-mt174-0001_modeC_15-months-history_ack-echo.bin").filter((_byte, i, all) => !(i > all.indexOf(10) && i < all.indexOf(2))).map(withParity);
  const paper = (value: number): Figure["beside"] => ({ value, from: "computed, reaction at once to the slowest" });
  return { title: "A mode C readout, from the request to the last character checked", figures: [
    lineRow("400 bytes at 4,800 baud", ofLength(400, "4"), 4800, { timesFloor: 1.1 }, paper(1.9)), lineRow("400 bytes at 9,600 baud", ofLength(400, "5"), 9600, { most: 2.5 }, paper(1.5)),
    lineRow("400 bytes, 300 baud throughout", ofLength(400, "0"), 300, { timesFloor: 1.1 }, paper(14)), lineRow("15 months of history at 9,600 baud", history, 9600, { most: 12 }, paper(10.9)),
  ], notes: ["elsewhere: vzlogger's users wait some 90 s for a full readout at 300 baud (its issue 233)"] };
}

function work(o: Options, bytes: Uint8Array, protocol: Protocol | undefined): number[] {
  const reader = makeReader({ protocol, opener: undefined });
  let sums = 0;
  const took = interleaved(o.quick ? 20 : 60, [
    () => { if (feed(reader, bytes).at(-1)?.quality.check !== "ok") throw new Error("A telegram was lost."); },
    () => { sums += crc16(bytes); },
  ], 20, spent).map((found) => median(found));
  if (sums === 0) throw new Error("No check sum was made.");
  return took;
}

function reading(o: Options): Table {
  const row = (what: string, bytes: Uint8Array, protocol: Protocol | undefined, goal?: Figure["goal"]): Figure => {
    const [ours, floor] = work(o, bytes, protocol);
    return { what: `${what}, ${bytes.length} bytes`, value: ours!, unit: "µs", floor: { value: floor!, of: "one check sum over the same bytes" }, ...(goal !== undefined && { goal }) };
  };
  const p1 = recorded("dsmr-p1/dsmr-5.0_isk-am550_two-mbus.txt");
  const twice = judgeAll([...feed(makeReader({ protocol: undefined, opener: undefined }), p1), ...feed(makeReader({ protocol: undefined, opener: undefined }), p1)]);
  if (twice[1]?.judgement.billable !== true) throw new Error("A telegram read twice is not billable.");
  return { title: "Reading a telegram", figures: [
    row("P1", p1, "dsmr-p1", { most: 1000 }), row("P1, protocol not told", p1, undefined, { most: 1000 }), row("P1, short", p1Telegram(p1Lines), "dsmr-p1"),
    row("IEC 62056-21", iecTelegram(), "iec62056-21"),
    row("IEC 62056-21, 15 months", recorded("iec62056-21/isk-mt174-0001_modeC_15-months-history_ack-echo.bin"), "iec62056-21"), row("SML", smlFrame(smlHousehold), "sml"),
  ], notes: ["elsewhere: smartmeter-obis 2.9 ms for the 15 months, open-sml 0.25 ms for a frame"] };
}

export const metering: Measure = { name: "metering", summary: "reading a meter: line time, and the processor's", run: async (o) => [lines(), reading(o)] };
