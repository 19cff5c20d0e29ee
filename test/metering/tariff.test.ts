/** Prices by time, season and register (money in integers): months and weekdays as a calendar has them, costs that add up. */
import { expect, test } from "vitest";
import { seeded } from "../published.js";
import type { MeterRegister } from "../../protocol/wire/charge.js";
import type { MeterTariff } from "../../protocol/wire/statement.js";
import { addCost, changesPrice, civil, costBetween, localTime, priceAt, thousandthsOf } from "../../protocol/metering/tariff.js";

const register = (value: number, scaler = 0, unit = 30, rate = 0): MeterRegister => ({ obis: new Uint8Array([1, 0, 1, 8, rate, 255]), value, scaler, unit });
const utc = (text: string): number => Date.parse(text + "Z") / 1000;
const taken = (e: number): number => 65536 + 8 * 256 + e;
const all = { months: 4095, days: 127, fromMinute: 0, toMinute: 1440 };
const flat: MeterTariff = { id: 1, offsetMinutes: 0, bands: [{ register: taken(0), ...all, price: 30_250 }] };
/** Nights and week-ends are cheap, winters dear. */
const seasons: MeterTariff = { id: 2, offsetMinutes: 60, bands: [
  { register: taken(0), ...all, days: 0b1100000, price: 20_000 }, { register: taken(0), ...all, fromMinute: 0, toMinute: 360, price: 20_000 },
  { register: taken(0), ...all, months: 0b110000000111, price: 40_000 }, { register: taken(0), ...all, price: 30_000 },
] };

test("month, weekday and minute are the calendar's, for every day of 130 years", () => {
  for (let day = 0; day < 47_500; day++) {
    const at = day * 86_400 + (day * 7919) % 86_400;
    const date = new Date(at * 1000);
    expect(civil(day)).toEqual({ year: date.getUTCFullYear(), month: date.getUTCMonth(), date: date.getUTCDate() });
    expect(localTime(at, 0)).toEqual({ day, month: date.getUTCMonth(), weekday: (date.getUTCDay() + 6) % 7, minute: date.getUTCHours() * 60 + date.getUTCMinutes() });
  }
});

test.each([
  ["2026-07-15T10:00", 30_000, "a summer's Wednesday"], ["2026-01-14T10:00", 40_000, "a winter's Wednesday"], ["2026-01-17T10:00", 20_000, "a Saturday"],
  ["2026-01-14T23:30", 20_000, "after midnight where the meter stands"], ["2026-01-14T04:59", 20_000, "the last minute of the night"], ["2026-01-14T05:00", 40_000, "the first of the day"],
])("at %s the price is %i: %s", (at, price) => {
  expect(priceAt(seasons, taken(0), utc(at), 2)).toBe(price);
});

test("without a clock the price is the cheapest; a rate without a price costs nothing", () => {
  expect(priceAt(seasons, taken(0), utc("2026-01-14T10:00"), 0)).toBe(20_000);
  expect(priceAt(seasons, taken(3), utc("2026-01-14T10:00"), 2)).toBe(0);
});

test("another price begins: a record is due", () => {
  expect(changesPrice(seasons, [register(1)], utc("2026-01-14T04:50"), utc("2026-01-14T05:10"))).toBe(true);
  expect(changesPrice(seasons, [register(1)], utc("2026-01-14T06:00"), utc("2026-01-14T22:00"))).toBe(false);
});

test.each([
  [register(1_234_567, 0), 1_234_567], [register(1234, 3), 1_234_000], [register(12_345, 1), 123_450], [register(12_345_678, -1), 1_234_567],
  [register(12_345, -3, 13), 12_345], [register(12, 0, 13), 12_000], [register(5, 0, 27), undefined], [register(2 ** 52, 3), undefined],
])("%o is %s thousandths", (x, thousandths) => {
  expect(thousandthsOf(x)).toBe(thousandths);
});

test("1 kWh at 30.25 cents is 30 cents and a quarter that is not lost", () => {
  const cost = costBetween(flat, 10_000, [register(5_000)], [register(6_000)], 0, 2)!;
  expect(addCost(0, 0, cost)).toEqual({ total: 30, rest: 250_000 });
  expect(addCost(90, 750_000, cost)).toEqual({ total: 121, rest: 0 });
});

test("many small intervals cost what one long one does; shares of all users never cost more than the whole", () => {
  const random = seeded(5);
  let [value, total, rest] = [0, 0, 0];
  for (let i = 0; i < 5000; i++) {
    const next = value + random.below(400);
    ({ total, rest } = addCost(total, rest, costBetween(flat, 10_000, [register(value)], [register(next)], 0, 2)!));
    value = next;
  }
  expect({ total, rest }).toEqual(addCost(0, 0, value * 30_250));
  const whole = costBetween(flat, 10_000, [register(0)], [register(777)], 0, 2)!;
  const parts = [3333, 3333, 3334].map((share) => costBetween(flat, share, [register(0)], [register(777)], 0, 2)!);
  expect(parts.reduce((a, b) => a + b)).toBeLessThanOrEqual(whole);
  expect(parts.reduce((a, b) => a + b)).toBeGreaterThan(whole - 10);
});

test("each tariff register of a meter has its own price", () => {
  const two: MeterTariff = { id: 3, offsetMinutes: 0, bands: [{ register: taken(1), ...all, price: 30_000 }, { register: taken(2), ...all, price: 10_000 }] };
  const cost = costBetween(two, 10_000, [register(0, 0, 30, 1), register(0, 0, 30, 2)], [register(100, 0, 30, 1), register(50, 0, 30, 2), register(150, 0, 30, 0)], 0, 2);
  expect(cost).toBe(100 * 30_000 + 50 * 10_000);
});

test("a register that went back costs nothing and is no reading", () => {
  expect(costBetween(flat, 10_000, [register(10)], [register(9)], 0, 2)).toBeUndefined();
});

test("what is delivered to the grid, and gas on the same telegram, is not charged by the price of what is taken", () => {
  const day: MeterTariff = { id: 3, offsetMinutes: 0, bands: [{ register: taken(1), ...all, price: 30_000 }] };
  const others = (value: number): MeterRegister[] => [[1, 0, 2, 8, 1, 255], [0, 1, 24, 2, 1, 255]].map((obis) => ({ obis: new Uint8Array(obis), value, scaler: 0, unit: 30 }));
  expect(costBetween(day, 10_000, others(0), others(500), 0, 2)).toBe(0);
});
