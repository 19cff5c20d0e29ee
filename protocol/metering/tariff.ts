/**
 * What a reading costs: consumption between two records times the price in force when it began, in whole millionths of a
 * minor unit, so that terminal, host and user reckon the same to the last digit and nothing is rounded twice.
 *
 * A terminal writes a record whenever another price begins, so an interval has one price. A meter with tariff registers of
 * its own (1.8.1, 1.8.2) has a price for each; a register without a price costs nothing.
 */
import type { MeterRegister } from "../wire/charge.js";
import type { Band, MeterTariff } from "../wire/statement.js";
import { equal } from "../wire/bytes.js";

const daySeconds = 86400;

/** The register in thousandths of a kilowatt hour or cubic metre, cut off; undefined for a unit that is not billed, and past 2^53. */
export function thousandthsOf(x: MeterRegister): number | undefined {
  const power = x.unit === wattHour ? x.scaler : x.unit === cubicMetre || x.unit === cubicMetreCorrected ? x.scaler + 3 : undefined;
  if (power === undefined) return undefined;
  let value = x.value;
  for (let i = 0; i < power; i++) value *= 10;
  for (let i = 0; i > power; i--) value = Math.floor(value / 10);
  return value <= 9007199254740991 ? value : undefined;
}
/** Units by their DLMS numbers. */
export const wattHour = 30;
export const cubicMetre = 13;
const cubicMetreCorrected = 14;

/** Month 0 … 11, day of the week 0 (Monday) … 6, minute of the day, at this offset from UTC. */
export function localTime(at: number, offsetMinutes: number): { day: number; month: number; weekday: number; minute: number } {
  const local = Math.max(0, at + offsetMinutes * 60);
  const day = Math.floor(local / daySeconds);
  return { day: day, month: civil(day).month, weekday: (day + 3) % 7, minute: Math.floor((local % daySeconds) / 60) };
}

/** The date of a day counted from 1970-01-01, month 0 … 11: eras of 400 years that begin on 1 March, as leap days then come last. */
export function civil(day: number): { year: number; month: number; date: number } {
  const era = Math.floor((day + 719468) / 146097);
  const inEra = (day + 719468) % 146097;
  const yearOfEra = Math.floor((inEra - Math.floor(inEra / 1460) + Math.floor(inEra / 36524) - Math.floor(inEra / 146096)) / 365);
  const dayOfYear = inEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const fromMarch = Math.floor((5 * dayOfYear + 2) / 153);
  const month = (fromMarch + 2) % 12;
  return { year: yearOfEra + era * 400 + (month < 2 ? 1 : 0), month: month, date: dayOfYear - Math.floor((153 * fromMarch + 2) / 5) + 1 };
}

/** Index of the band in force for a register at this time, −1 for none. */
export function bandAt(t: MeterTariff, register: number, at: number): number {
  const local = localTime(at, t.offsetMinutes);
  for (let i = 0; i < t.bands.length; i++) if (isIn(t.bands[i]!, register, local)) return i;
  return -1;
}
function isIn(b: Band, register: number, local: { month: number; weekday: number; minute: number }): boolean {
  return b.register === register && ((b.months >> local.month) & 1) === 1 && ((b.days >> local.weekday) & 1) === 1 && local.minute >= b.fromMinute && local.minute < b.toMinute;
}

/** Millionths of a minor unit for a thousandth. Where the time is unknown, the cheapest of the register: a doubt is the customer's. */
export function priceAt(t: MeterTariff, register: number, at: number, quality: number): number {
  if (quality > 0) {
    const band = bandAt(t, register, at);
    return band < 0 ? 0 : t.bands[band]!.price;
  }
  let least = -1;
  for (const b of t.bands) if (b.register === register && (least < 0 || b.price < least)) least = b.price;
  return Math.max(0, least);
}

/** True when any register's price is another at the second time: a record is due between them. */
export function changesPrice(t: MeterTariff, registers: readonly MeterRegister[], before: number, after: number): boolean {
  for (const x of registers) if (bandAt(t, registerNumber(x), before) !== bandAt(t, registerNumber(x), after)) return true;
  return false;
}

/** Which register it is: C, D and E of its code. What is delivered (2.8.0) is none of what is taken, and gas none of the current. */
export function registerNumber(x: MeterRegister): number {
  return x.obis[2]! * 65536 + x.obis[3]! * 256 + x.obis[4]!;
}

/**
 * What was used from one set of registers to the next, by a user with `share` basis points of it, at the prices of `at`.
 * Millionths of a minor unit; undefined when a register went back or cannot be reckoned with.
 */
export function costBetween(t: MeterTariff, share: number, before: readonly MeterRegister[], after: readonly MeterRegister[], at: number, quality: number): number | undefined {
  let cost = 0;
  for (const now of after) {
    const then = registerOf(before, now.obis);
    if (then === undefined) continue;
    const used = (thousandthsOf(now) || 0) - (thousandthsOf(then) || 0);
    if (used < 0 || thousandthsOf(now) === undefined || thousandthsOf(then) === undefined) return undefined;
    cost += partOf(used * priceAt(t, registerNumber(now), at, quality), share);
  }
  return cost <= 9007199254740991 ? cost : undefined;
}
/** `share` basis points, cut off, without passing 2^53 on the way. */
function partOf(whole: number, share: number): number {
  return Math.floor(whole / 10000) * share + Math.floor(((whole % 10000) * share) / 10000);
}
export function registerOf(registers: readonly MeterRegister[], obis: Uint8Array): MeterRegister | undefined {
  for (const x of registers) if (equal(x.obis, obis)) return x;
  return undefined;
}

/** A running total in minor units and millionths, with so many millionths more. */
export function addCost(total: number, rest: number, millionths: number): { total: number; rest: number } {
  const sum = rest + millionths;
  return { total: total + Math.floor(sum / 1000000), rest: sum % 1000000 };
}
