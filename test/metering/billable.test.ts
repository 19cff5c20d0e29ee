/** The rule of what may be billed, as a bookkeeper would check it: a table, each row one thing different. And S0 pulses. */
import { describe, expect, test } from "vitest";
import { household, judge, type Earlier } from "../../protocol/metering/billable.js";
import { edge, due, isWritten, makePulses, poll, pulseReading, usualPulses } from "../../protocol/metering/pulses.js";
import type { Quality, Readout } from "../../protocol/metering/reading.js";
import { dataSets } from "../../protocol/metering/data-sets.js";

const right: Quality = { check: "ok", parity: "ok", problem: "" };
const readout = (sets: string, quality: Partial<Quality> = {}, identification = "/KAI5A"): Readout => {
  const q = { ...right, ...quality };
  return { protocol: "iec62056-21", identification, readings: dataSets(sets, q), quality: q };
};
const earlier = (sets: string, ageMs?: number, identification?: string): Earlier => ({ readout: readout(sets, {}, identification), ageMs });
const one = (kwh: string): string => `1.8.0(${kwh}*kWh)`;
const three = (total: string, first: string, second: string): string => `1.8.0(${total}*kWh)1.8.1(${first}*kWh)1.8.2(${second}*kWh)`;
const reasonOf = (now: Readout, before?: Earlier, last?: Earlier): string => { const j = judge(now, before, last, household); return j.billable ? "billable" : j.reason; };
const hour = 3_600_000;

describe("one readout", () => {
  test.each<[string, Readout, string]>([
    ["tariffs add up", readout(three("3.000", "1.000", "2.000")), "billable"],
    ["tariffs are cut off, one digit short: no proof, no contradiction", readout(three("3.001", "1.000", "2.000")), "read_once"],
    ["tariffs are more than the total", readout(three("2.999", "1.000", "2.000")), "sum_wrong"],
    ["far off", readout(three("4.000", "1.000", "2.000")), "sum_wrong"],
    ["total alone", readout(one("3.000")), "read_once"],
    ["tariffs written with other precision prove nothing", readout("1.8.0(3*kWh)1.8.1(1.000*kWh)1.8.2(2.000*kWh)"), "read_once"],
    ["check missing", readout(three("3.000", "1.000", "2.000"), { check: "missing" }), "check_missing"],
    ["check bad", readout(three("3.000", "1.000", "2.000"), { check: "bad" }), "check_bad"],
    ["parity bad", readout(three("3.000", "1.000", "2.000"), { parity: "bad" }), "parity_bad"],
    ["parity unseen", readout(three("3.000", "1.000", "2.000"), { parity: "unseen" }), "parity_unseen"],
    ["a CRC instead of parity", readout(three("3.000", "1.000", "2.000"), { parity: "covered" }), "billable"],
    ["problem before check", readout(three("3.000", "1.000", "2.000"), { check: "bad", problem: "truncated" }), "truncated"],
    ["nobody's", readout(three("3.000", "1.000", "2.000"), {}, ""), "no_identification"],
    ["both directions sold, one of them once only", readout(three("3.000", "1.000", "2.000") + "2.8.0(1.000*kWh)"), "read_once"],
    ["a reactive register holds nothing up", readout(three("3.000", "1.000", "2.000") + "3.8.0(1.000*kvarh)"), "billable"],
    ["|A| is nobody's bill", readout(three("3.000", "1.000", "2.000") + "15.8.0(9.000*kWh)"), "billable"],
    ["a negative register is none", readout("1.8.0(-3.000*kWh)"), "no_register"],
  ])("%s", (_name, now, want) => expect(reasonOf(now)).toBe(want));
});

describe("two readouts", () => {
  test.each<[string, Readout, Earlier, string]>([
    ["the same", readout(one("3.000")), earlier(one("3.000"), 5000), "billable"],
    ["a little later, a little more", readout(one("3.050")), earlier(one("3.000"), 5000), "billable"],
    ["more than the connection can carry in that time", readout(one("4.000")), earlier(one("3.000"), 5000), "disagrees"],
    ["less", readout(one("2.999")), earlier(one("3.000"), 5000), "disagrees"],
    ["too long ago to bear anything out", readout(one("3.000")), earlier(one("3.000"), 60_001), "read_once"],
    ["of another meter", readout(one("3.000")), earlier(one("3.000"), 5000, "/KAI5B"), "read_once"],
    ["that itself was not sound", readout(one("3.000")), { readout: readout(one("3.000"), { check: "bad" }), ageMs: 5000 }, "read_once"],
    ["they disagree: no sum helps", readout(three("3.000", "1.000", "2.000")), earlier(three("4.000", "2.000", "2.000"), 5000), "disagrees"],
    ["m3", readout("7-0:3.0.0(1.000*m3)"), earlier("7-0:3.0.0(1.000*m3)", 5000), "billable"],
    ["GJ, as heat meters send", readout("6.8(10.512*GJ)"), earlier("6.8(10.512*GJ)", 5000), "billable"],
    ["another unit, the same energy", readout("1.8.0(3000*Wh)"), earlier(one("3.000"), 5000), "billable"],
    ["another unit, which is another thing", readout("1.8.0(3000*Wh)"), earlier("1.8.0(3.000*m3)", 5000), "disagrees"],
  ])("%s", (_name, now, before, want) => expect(reasonOf(now, before)).toBe(want));
});

describe("since the reading billed last", () => {
  const now = (total: string) => readout(three(total, total, "0.000"));
  const last = (total: string, ageMs?: number) => earlier(three(total, total, "0.000"), ageMs);
  test.each<[string, Readout, Earlier, string]>([
    ["more", now("110.000"), last("100.000", 24 * hour), "billable"],
    ["the same", now("100.000"), last("100.000", 24 * hour), "billable"],
    ["less: another meter, or a turned one", now("99.999"), last("100.000", 24 * hour), "went_back"],
    ["a hundred kilowatts for an hour and a step", now("200.001"), last("100.000", hour), "billable"],
    ["faster than that", now("200.003"), last("100.000", hour), "too_fast"],
    ["nobody knows when that was: it may only not go back", now("900.000"), last("100.000"), "billable"],
  ])("%s", (_name, current, before, want) => expect(reasonOf(current, undefined, before)).toBe(want));
  test("each register has its verdict, and says what stands beside its checks", () => {
    const j = judge(readout(three("3.000", "1.000", "2.000") + "2.8.0(1.000*kWh)"), earlier("2.8.0(1.000*kWh)", 1000), undefined, household);
    expect(j.registers.map((r) => [r.key, r.by])).toEqual([["1.8.0", "sum"], ["1.8.1", "sum"], ["1.8.2", "sum"], ["2.8.0", "second_readout"]]);
  });
});

describe("S0 pulses", () => {
  /** Edges as [ms, level]. */
  const counted = (edges: [number, 0 | 1][], endMs = 10_000, level: 0 | 1 = 0): number => {
    const p = makePulses(usualPulses, 0, level);
    for (const [at, to] of edges) edge(p, to, at);
    poll(p, endMs);
    return p.count;
  };
  test.each<[string, [number, 0 | 1][], number]>([
    ["a clean pulse", [[100, 1], [130, 0]], 1],
    ["the first one after a long pause", [[9_000, 1], [9_030, 0]], 1],
    ["bouncing as it closes", [[100, 1], [101, 0], [102, 1], [103, 0], [104, 1], [140, 0]], 1],
    ["bouncing as it opens", [[100, 1], [140, 0], [141, 1], [142, 0], [143, 1], [144, 0]], 1],
    ["a spike of 5 ms is none", [[100, 1], [105, 0]], 0],
    ["a gap of 5 ms does not make two of one", [[100, 1], [130, 0], [135, 1], [170, 0]], 1],
    ["two", [[100, 1], [130, 0], [200, 1], [230, 0]], 2],
    ["a very long one is one", [[100, 1], [9_000, 0]], 1],
    ["the same level told twice", [[100, 1], [110, 1], [130, 0], [140, 0]], 1],
  ])("%s", (_name, edges, want) => expect(counted(edges)).toBe(want));
  test("a contact that is closed when counting begins is no pulse; the next one is", () => {
    expect(counted([[100, 0], [200, 1], [240, 0]], 10_000, 1)).toBe(1);
  });
  const pulse = (p: ReturnType<typeof makePulses>, at: number): void => { edge(p, 1, at); edge(p, 0, at + 30); poll(p, at + 60); };
  test("the count is written after a hundred pulses or an hour, and a restart goes on from there: never more than was counted", () => {
    const p = makePulses(usualPulses, 5_000, 0);
    for (let i = 0; i < 99; i++) pulse(p, i * 100);
    expect([p.count, due(p, 9_990)]).toEqual([5_099, false]);
    pulse(p, 9_990);
    expect(due(p, 10_100)).toBe(true);
    const writing = p.count;
    pulse(p, 10_200);
    isWritten(p, writing, 10_300);
    expect([due(p, 10_400), poll(p, 10_400)]).toEqual([false, 10_300 + usualPulses.unwrittenForMs]);
    expect(due(p, 10_300 + usualPulses.unwrittenForMs)).toBe(true);
    expect(makePulses(usualPulses, p.written, 0).count).toBe(5_100);
    expect(p.count - p.written).toBeLessThanOrEqual(usualPulses.unwrittenMax);
  });
  test("what pulses are worth: whole thousandths, cut off, exact up to millions of units", () => {
    const at = (perUnit: number, count: number, begun = 0) => pulseReading({ obis: "1-0:1.8.0", unit: "kWh", perUnit, begunAtThousandths: begun }, count, right).value;
    expect([at(1000, 1234), at(500, 3), at(800, 1), at(3, 2), at(1000, 10, 44_168_529), at(10_000, 12_345_678_901)]).toEqual([1234, 6, 1, 666, 44_168_539, 1_234_567_890]);
  });
});
