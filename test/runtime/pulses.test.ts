/** A meter that only pulses (S0): what is charged is durable, and a power cut loses at most what was not written, never counts twice. */
import { expect, test } from "vitest";
import { makeSimDigital } from "../../boards/sim/board.js";
import { makeMemoryStore } from "../../boards/sim/store.js";
import { openCells } from "../../runtime/journal/cells.js";
import { counted, keepCount, openCounter, pollCounter, type Counter } from "../../runtime/charges/pulses.js";
import { usualPulses } from "../../protocol/metering/pulses.js";

const plate = { obis: "1-0:1.8.0", unit: "kWh", perUnit: 1000, begunAtThousandths: 5_000_000 };
const obis = new Uint8Array([1, 0, 1, 8, 0, 255]);
function counter(store = makeMemoryStore({ pageBytes: 8192, pages: 2 })): { c: Counter; store: typeof store; input: ReturnType<typeof makeSimDigital> } {
  const input = makeSimDigital();
  return { c: openCounter(openCells(store), input, 1, "S0 7", obis, plate, usualPulses), store, input };
}
function pulse(x: { c: Counter; input: ReturnType<typeof makeSimDigital> }, times: number, from: number): number {
  let now = from;
  for (let i = 0; i < times; i++) { x.input.set(1); pollCounter(x.c, now); pollCounter(x.c, now += 40); x.input.set(0); pollCounter(x.c, now += 20); pollCounter(x.c, now += 40); }
  return now;
}

test("a reading says no more than what is durable, and after a cut counting goes on from there", () => {
  const one = counter();
  const now = pulse(one, 250, 0);
  expect(one.c.pulses.count).toBe(250);
  expect(counted(one.c).registers[0]!.value).toBe(5_000_000 + 200);
  const again = counter(one.store.restarted());
  expect(again.c.pulses.count).toBe(200);
  keepCount(one.c, now);
  expect(counted(one.c)).toMatchObject({ meter: 1, serial: "S0 7", by: 3, registers: [{ value: 5_000_250, scaler: 0, unit: 30 }] });
  expect(counter(one.store.restarted()).c.pulses.count).toBe(250);
});

test("power cut at any byte of a write: the count before or the count after", () => {
  const first = counter();
  pulse(first, 100, 0);
  for (let bytes = 0; bytes < 60; bytes++) {
    const x = counter(first.store.restarted());
    x.store.cutAfter(bytes);
    try { pulse(x, 100, 0); } catch { /* the power failed */ }
    expect([100, 200]).toContain(counter(x.store.restarted()).c.pulses.count);
  }
});
