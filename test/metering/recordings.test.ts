/**
 * Every recording gives exactly what an independent decoder found in it, cut into pieces of any size, and alone or behind
 * another. What does not verify is read and shown, and never billed.
 */
import { describe, expect, test } from "vitest";
import { expected, keys, names, readInPieces, read, recording, textFile, verdicts } from "./meters.js";
import { judgeAll } from "../../boards/bench/recording.js";
import type { Readout } from "../../protocol/metering/reading.js";

const checkOf = (integrity: string): string => (/^(bcc|crc|cs)-ok/.test(integrity) ? "ok" : /BAD/.test(integrity) ? "bad" : "missing");
const reading = (r: Readout, code: string, text: string, unit: string): boolean => r.readings.some((x) => x.obis === code && x.text === text && x.unit === unit);
const characterFiles = names.filter((n) => /^(iec|dsmr)/.test(n) && !n.includes("stream") && !n.includes("encrypted"));

describe("telegrams of characters", () => {
  test.each(characterFiles)("%s", (name) => {
    const want = expected[name]!;
    const readouts = read(recording(name));
    expect(readouts[0]!.protocol).toBe(name.split("/")[0]);
    if (want.identification !== undefined) expect(readouts[0]!.identification).toBe(want.identification);
    expect(readouts.reduce((sum, r) => sum + r.readings.length, 0)).toBe(want.data_sets);
    for (const [code, text, unit] of want.sample ?? []) expect(readouts.some((r) => reading(r, code, text, unit)), `${code} ${text}`).toBe(true);
    expect(readouts[0]!.quality.check).toBe(checkOf(want.integrity));
    if (checkOf(want.integrity) !== "ok") expect(verdicts(recording(name))).not.toContain("billable");
  });
  test("DSMR 2.2 and 3.0: gas on a line of its own is the gas register", () => {
    for (const name of ["dsmr-p1/dsmr-2.2_isk-mt382-1004.txt", "dsmr-p1/dsmr-2.2_mangled.txt"]) {
      expect(read(recording(name))[0]!.readings.filter((r) => r.unit === "m3").map((r) => [r.obis, r.text])).toEqual([["0-1:24.2.1", name.includes("mangled") ? "22806.137" : "00001.001"]]);
    }
  });
  test("fifteen months of history are kept apart from the register of today, and from each other", () => {
    const [readout] = read(recording("iec62056-21/isk-mt174-0001_modeC_15-months-history_ack-echo.bin"));
    const totals = readout!.readings.filter((r) => r.obis.startsWith("1-0:1.8.0*"));
    expect(new Set(totals.map((r) => r.obis)).size).toBe(16);
    expect(totals[0]).toMatchObject({ obis: "1-0:1.8.0*255", value: 8048375, scaler: -3, unit: "kWh", text: "0008048.375" });
    expect(judgeAll([readout!])[0]!.judgement.registers.map((r) => r.key)).not.toContain("1.8.0*01");
  });
  test("a stream that begins inside a telegram: every whole one is right, and from the second on they bear each other out", () => {
    const name = names.find((n) => n.includes("stream")) ?? "dsmr-p1/stream_isk-am550_first-12-starts-mid-telegram.txt";
    const found = judgeAll(read(recording(name)));
    const whole = textFile(name).split(/(?=\/ISK5)/).slice(1).filter((t) => /![0-9A-F]{4}\r\n$/.test(t));
    expect(found.filter((f) => f.readout.quality.check === "ok")).toHaveLength(whole.length);
    expect(found.map((f) => f.judgement.reason)).toEqual(["read_once", ...whole.slice(1).map(() => ""), "truncated"]);
  });
});

describe("SML", () => {
  test.each(names.filter((n) => n.startsWith("sml/")))("%s", (name) => {
    const want = expected[name]!;
    const good = read(recording(name)).filter((r) => r.quality.check === "ok");
    expect(good).toHaveLength(want.frames_good!);
    for (const entry of want.first_good_frame!) {
      const found = good[0]!.readings.find((r) => r.obis === entry.obis)!;
      if (typeof entry.value === "number") expect([found.value, found.scaler]).toEqual([entry.value, entry.scaler ?? 0]);
      else expect(found.text).toBe(entry.value);
    }
  });
});

describe("M-Bus: the values that libmbus finds", () => {
  const seconds: Record<string, number> = { s: 1, min: 60, h: 3600, d: 86400 };
  test.each(names.filter((n) => n.startsWith("mbus/") && !n.includes("error")))("%s", (name) => {
    const [readout] = read(recording(name));
    const xml = textFile(name.replace(".hex", ".expected.norm.xml"));
    const records = [...xml.matchAll(/<DataRecord[\s\S]*?<\/DataRecord>/g)].map((m) => ({ unit: /<Unit>(.*?)<\/Unit>/.exec(m[0])![1]!, value: /<Value>(.*?)<\/Value>/.exec(m[0])?.[1] ?? "" }));
    expect(readout!.quality).toMatchObject({ check: "ok", problem: "" });
    expect(readout!.identification).toContain(/<Id>(.*?)<\/Id>/.exec(xml)![1]!.toLowerCase());
    let compared = 0;
    records.forEach((record, i) => {
      const found = readout!.readings[i];
      if (found?.value === undefined || !/^-?\d+(\.\d+)?$/.test(record.value)) return;
      const scale = record.unit === "kWh" || record.unit === "l" ? 1000 : 1;
      const value = found.value * 10 ** found.scaler * (record.unit === "s" ? seconds[found.unit]! : 1) * (found.unit === "MWh" && record.unit === "Wh" ? 1e6 : 1);
      expect(value, `${found.obis} ${found.unit}`).toBeCloseTo(Number(record.value) * scale, 4);
      compared++;
    });
    expect(compared).toBeGreaterThan(0);
  });
  test.each(names.filter((n) => n.includes("mbus/error")))("%s: damaged inside a right sum: no fault, nothing billable", (name) => {
    expect(verdicts(recording(name))).not.toContain("billable");
  });
});

describe("DLMS: what the upstream decoder finds", () => {
  interface Upstream { cosem: { knownObjects: string[]; unknownObjects: string[] }; crcValid: boolean }
  test.each(names.filter((n) => n.startsWith("dlms/") && !n.includes("austria")))("%s", (name) => {
    const upstream = JSON.parse(textFile(name.replace(".txt", ".expected.json"))) as Upstream;
    const [readout, ...more] = read(recording(name));
    expect(more).toEqual([]);
    expect(readout!.quality.check).toBe(upstream.crcValid ? "ok" : "bad");
    let compared = 0;
    for (const object of [...upstream.cosem.knownObjects, ...upstream.cosem.unknownObjects]) {
      const [, code, value] = /^([0-9:.-]+)\((-?[0-9.]+)\*?[A-Za-z]*\)$/.exec(object) ?? [];
      const found = readout!.readings.find((r) => r.obis.split("*")[0] === code);
      if (code === undefined || found?.value === undefined) continue;
      expect(found.value * 10 ** found.scaler, object).toBeCloseTo(Number(value), 6);
      compared++;
    }
    expect(compared).toBeGreaterThan(name.includes("iskra") ? 1 : 3);
  });
  test("an encrypted list in two M-Bus frames opens with the meter's key, and says what is missing without it", () => {
    const bytes = recording("dlms/mbus-austria-example-1.txt");
    expect(read(bytes)[0]).toMatchObject({ protocol: "dlms", readings: [], quality: { problem: "key_missing" } });
    const [opened] = read(bytes, undefined, keys["dlms/mbus-austria-example-1.txt"]!());
    expect(opened!.readings.slice(0, 2).map((r) => [r.obis, r.value, r.unit])).toEqual([["1-0:1.8.0*255", 12937, "Wh"], ["1-0:2.8.0*255", 0, "Wh"]]);
    expect(read(recording("dlms/mbus-austria-decrypted-1.txt"), "dlms")[0]!.readings.map((r) => r.obis)).toEqual(opened!.readings.map((r) => r.obis));
  });
});

describe("however it is cut", () => {
  const withoutQuality = (readouts: Readout[]): string => JSON.stringify(readouts);
  test.each(names)("%s: pieces of 1, 2, 7 and 64 bytes", (name) => {
    const bytes = recording(name);
    const whole = withoutQuality(readInPieces(bytes, bytes.length, keys[name]));
    for (const size of [1, 2, 7, 64]) expect(withoutQuality(readInPieces(bytes, size, keys[name]))).toBe(whole);
  });
});

describe("one behind the other", () => {
  const good = names.filter((n) => /^(bcc|crc|cs)-ok|frames: ok/.test(expected[n]!.integrity) && !/stream|error|truncated|cr-lf/.test(n));
  test.each(good)("%s twice: the second is the first, and behind a torn copy of itself it is still whole", (name) => {
    const bytes = recording(name);
    const once = read(bytes);
    const ok = (readouts: Readout[]): string[] => readouts.filter((r) => r.quality.check === "ok").map((r) => JSON.stringify(r));
    const crlf = name.startsWith("dsmr") && bytes.at(-1) !== 10 ? new Uint8Array(Buffer.from("\r\n")) : new Uint8Array(0);
    expect(ok(read(new Uint8Array(Buffer.concat([bytes, crlf, bytes]))))).toEqual([...ok(once), ...ok(once)]);
    for (const share of [0.3, 0.5, 0.9]) {
      const torn = bytes.subarray(0, Math.floor(bytes.length * share));
      const found = ok(read(new Uint8Array(Buffer.concat([torn, bytes]))));
      expect(found.at(-1), `torn at ${share}`).toBe(ok(once).at(-1));
    }
  });
});
