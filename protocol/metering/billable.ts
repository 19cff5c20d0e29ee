/**
 * Which registers of a readout may be billed. One rule for every dialect, each part of it paid for by a fault that was seen:
 *
 * - the telegram is whole, its check character fits, and its parity fits or a CRC covers it: a check by exclusive or does
 *   not see two flips in one column that cancel, parity alone does not see two in one character;
 * - the register was read twice and agrees, or the tariffs add up to it (1.8.0 = 1.8.1 + 1.8.2): meters do send wrong values
 *   under right checks;
 * - it did not go back, and did not run faster than the connection can, since the reading billed last.
 *
 * Everything else is kept and shown with its reason, and never billed.
 */
import { parseObis, registerKey, safeInteger, type Reading, type Readout } from "./reading.js";
import { limits } from "../limits.js";

/** In order of precedence, the first that holds is told. */
export type Reason =
  | "" | Exclude<Readout["quality"]["problem"], "">
  | "check_missing" | "check_bad" | "parity_bad" | "no_register" | "doubled" | "sum_wrong" | "parity_unseen" | "disagrees" | "read_once" | "went_back" | "too_fast";

/** One register and its verdict. `by`: what stands beside the checks. */
export interface Register { readonly key: string; readonly reading: Reading; readonly reason: Reason; readonly by: "" | "sum" | "second_readout" }

export interface Judgement {
  /** All energy and volume registers may be billed. Reactive ones are judged too, and hold nothing up. */
  readonly billable: boolean;
  readonly reason: Reason;
  readonly registers: readonly Register[];
}

export interface Plausible {
  /** What the connection can carry at most: watt hours an hour, litres an hour. */
  readonly mostWattHours: number;
  readonly mostLitres: number;
}

/** A house's main fuse of 3 × 145 A, a pipe of 40 m³/h: a board that knows its connection says less. */
export const household: Plausible = { mostWattHours: 100000, mostLitres: 40000 };

/** An earlier readout, and how long ago it was; undefined where nobody knows. */
export interface Earlier { readonly readout: Readout; readonly ageMs: number | undefined }

/** Judges a readout by the one read shortly before it and by the one billed last, where there are such. */
export function judge(readout: Readout, before: Earlier | undefined, last: Earlier | undefined, plausible: Plausible): Judgement {
  const registers = registersOf(readout);
  const unsound = soundness(readout, registers);
  if (unsound !== "") return { billable: false, reason: unsound, registers: registers.map((r) => verdict(r, unsound, "")) };
  const judged = registers.map((r) => judgeRegister(r, registers, before, last, plausible, readout));
  const refused = judged.filter((r) => r.reason !== "" && measureOf(r.reading)!.holds);
  return { billable: refused.length === 0, reason: refused.length === 0 ? "" : worst(refused), registers: judged };
}

function verdict(r: Register, reason: Reason, by: Register["by"]): Register {
  return { key: r.key, reading: r.reading, reason: reason, by: by };
}

const precedence: readonly Reason[] = ["disagrees", "read_once", "went_back", "too_fast"];
function worst(refused: readonly Register[]): Reason {
  for (const reason of precedence) if (refused.some((r) => r.reason === reason)) return reason;
  return refused[0]!.reason;
}

/** The running registers of a readout: energy or volume, no history, no value that is absent. */
export function registersOf(readout: Readout): Register[] {
  const registers: Register[] = [];
  for (const reading of readout.readings) if (isRegister(reading)) registers.push({ key: registerKey(reading.obis), reading: reading, reason: "", by: "" });
  return registers;
}

function isRegister(r: Reading): boolean {
  const code = parseObis(r.obis);
  if (code === undefined || r.value === undefined || r.value < 0 || measureOf(r) === undefined) return false;
  // F below 255 is a value kept from an earlier period, C 98 and 99 are lists of such; C 15 is the sum of both directions, which nobody bills.
  return (code.f < 0 || code.f === 255) && ["15", "98", "99"].indexOf(code.c) < 0 && r.nth <= 1;
}

/** What a unit measures, its power of ten over the base unit, and whether a readout is held up for it. Undefined for what is no register. */
function measureOf(r: Reading): { kind: string; power: number; holds: boolean } | undefined {
  switch (r.unit) {
    case "Wh": return { kind: "Wh", power: 0, holds: true };
    case "kWh": return { kind: "Wh", power: 3, holds: true };
    case "MWh": return { kind: "Wh", power: 6, holds: true };
    case "J": return { kind: "J", power: 0, holds: true };
    case "MJ": return { kind: "J", power: 6, holds: true };
    case "GJ": return { kind: "J", power: 9, holds: true };
    case "m3": return { kind: "m3", power: 0, holds: true };
    case "l": return { kind: "m3", power: -3, holds: true };
    case "varh": case "VAh": return { kind: r.unit, power: 0, holds: false };
    case "kvarh": case "kVArh": return { kind: "varh", power: 3, holds: false };
    case "kVAh": return { kind: "VAh", power: 3, holds: false };
    default: return undefined;
  }
}

function soundness(readout: Readout, registers: readonly Register[]): Reason {
  const q = readout.quality;
  if (q.problem !== "") return q.problem;
  if (q.check !== "ok") return q.check === "bad" ? "check_bad" : "check_missing";
  if (q.parity === "bad") return "parity_bad";
  if (readout.identification === "") return "no_identification";
  if (registers.length === 0) return "no_register";
  if (registers.some((r) => registers.some((o) => o.key === r.key && differenceOf(r.reading, o.reading) !== 0))) return "doubled";
  if (registers.some((r) => sumOf(r, registers) === "wrong")) return "sum_wrong";
  return q.parity === "unseen" ? "parity_unseen" : "";
}

function judgeRegister(r: Register, all: readonly Register[], before: Earlier | undefined, last: Earlier | undefined, plausible: Plausible, readout: Readout): Register {
  const sum = sumOf(r, all) === "right";
  const second = secondReadout(r, before, plausible, readout);
  if (second === "disagrees") return verdict(r, "disagrees", "");
  if (!sum && second !== "agrees") return verdict(r, "read_once", "");
  return verdict(r, sinceLast(r, last, plausible, readout), sum ? "sum" : "second_readout");
}

/** Whether the tariffs of this register's group add up to its total: as many last digits as there are tariffs may be lost by cutting off. */
function sumOf(r: Register, all: readonly Register[]): "right" | "wrong" | "none" {
  const group = groupOf(r.key);
  const same = all.filter((o, i) => groupOf(o.key) === group && all.map((x) => x.key).indexOf(o.key) === i);
  const total = same.filter((o) => o.key === group + "0")[0];
  const tariffs = same.filter((o) => o.key !== group + "0");
  if (total === undefined || tariffs.length === 0) return "none";
  let sum = 0;
  for (const tariff of tariffs) {
    if (tariff.reading.scaler !== total.reading.scaler || tariff.reading.unit !== total.reading.unit) return "none";
    sum += tariff.reading.value!;
  }
  const off = total.reading.value! - sum;
  if (off === 0) return "right";
  return tariffs.length === 1 || (off > 0 && off < tariffs.length) ? "none" : "wrong";
}

/** `1.8.0` and `1.8.2` are both `1.8.`: all but the tariff. */
function groupOf(key: string): string {
  const parts = key.split(".");
  return parts[0]! + "." + parts[1]! + ".";
}

function secondReadout(r: Register, before: Earlier | undefined, plausible: Plausible, readout: Readout): "agrees" | "disagrees" | "none" {
  if (before === undefined || before.readout.identification !== readout.identification || soundness(before.readout, registersOf(before.readout)) !== "") return "none";
  const there = registerIn(before.readout, r.key);
  if (there === undefined) return "none";
  const ageMs = before.ageMs === undefined ? limits.agreeWithinMs : before.ageMs;
  if (ageMs > limits.agreeWithinMs) return "none";
  const grown = differenceOf(r.reading, there.reading);
  return grown !== undefined && grown >= 0 && grown <= mostGrowth(r.reading, there.reading, ageMs, plausible) ? "agrees" : "disagrees";
}

function sinceLast(r: Register, last: Earlier | undefined, plausible: Plausible, readout: Readout): Reason {
  const there = last === undefined || last.readout.identification !== readout.identification ? undefined : registerIn(last.readout, r.key);
  if (there === undefined) return "";
  const grown = differenceOf(r.reading, there.reading);
  if (grown === undefined || grown < 0) return "went_back";
  return last!.ageMs !== undefined && grown > mostGrowth(r.reading, there.reading, last!.ageMs, plausible) ? "too_fast" : "";
}

function registerIn(readout: Readout, key: string): Register | undefined {
  return registersOf(readout).filter((r) => r.key === key)[0];
}

/** `a - b` in steps of the finer of the two; undefined when they measure different things, or the number would not be exact. */
function differenceOf(a: Reading, b: Reading): number | undefined {
  const ma = measureOf(a)!;
  const mb = measureOf(b)!;
  if (ma.kind !== mb.kind) return undefined;
  const pa = ma.power + a.scaler;
  const pb = mb.power + b.scaler;
  const finer = Math.min(pa, pb);
  const va = a.value! * tenTo(pa - finer);
  const vb = b.value! * tenTo(pb - finer);
  return va > safeInteger || vb > safeInteger ? undefined : va - vb;
}

/** How far a register can run in this time, in steps of the finer one, and one step of the coarser, which may just have been about to turn. */
function mostGrowth(a: Reading, b: Reading, ageMs: number, plausible: Plausible): number {
  const measure = measureOf(a)!;
  const pa = measure.power + a.scaler;
  const pb = measureOf(b)!.power + b.scaler;
  const finer = Math.min(pa, pb);
  const hourly = measure.kind === "m3" ? plausible.mostLitres / 1000 : measure.kind === "J" ? plausible.mostWattHours * 3600 : plausible.mostWattHours;
  const run = (hourly * ageMs) / 3600000;
  return (finer < 0 ? run * tenTo(-finer) : run / tenTo(finer)) + tenTo(Math.max(pa, pb) - finer);
}

function tenTo(power: number): number {
  let value = 1;
  for (let i = 0; i < power; i++) value *= 10;
  return value;
}
