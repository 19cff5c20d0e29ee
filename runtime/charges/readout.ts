/**
 * From what a meter said to what may be charged: the registers of a readout that `billable.ts` lets pass, in the form in which
 * records keep them. All or none: a readout of which one register is held up is waited out.
 */
import type { MeterReading } from "./charges.js";
import { registersOf, type Judgement, type Register } from "../../protocol/metering/billable.js";
import { parseObis, type Readout, type Reading } from "../../protocol/metering/reading.js";
import { cubicMetre, wattHour } from "../../protocol/metering/tariff.js";
import type { MeterRegister } from "../../protocol/wire/charge.js";
import { limits } from "../../protocol/limits.js";

/** The reading of meter number `meter`; undefined when it may not be billed, or has no register of energy or volume. */
export function readingOf(readout: Readout, judgement: Judgement, meter: number): MeterReading | undefined {
  if (!judgement.billable) return undefined;
  const registers: MeterRegister[] = [];
  for (const r of judgement.registers) {
    const register = r.reason === "" ? registerFrom(r) : undefined;
    if (register !== undefined && registers.length < limits.registersMax) registers.push(register);
  }
  if (registers.length === 0) return undefined;
  return { meter: meter, serial: serialOf(readout), registers: registers, by: judgement.registers.some((r) => r.by === "second_readout") ? 2 : 1 };
}

/** Prices are for thousandths of a kilowatt hour or cubic metre: kilo and litre are powers of ten of these. */
function registerFrom(r: Register): MeterRegister | undefined {
  const obis = sixBytes(r.reading.obis);
  const unit = unitOf(r.reading);
  if (obis === undefined || unit === undefined || r.reading.value === undefined) return undefined;
  return { obis: obis, value: r.reading.value, scaler: r.reading.scaler + unit.power, unit: unit.code };
}
function unitOf(r: Reading): { code: number; power: number } | undefined {
  switch (r.unit) {
    case "Wh": return { code: wattHour, power: 0 };
    case "kWh": return { code: wattHour, power: 3 };
    case "MWh": return { code: wattHour, power: 6 };
    case "m3": return { code: cubicMetre, power: 0 };
    case "l": return { code: cubicMetre, power: -3 };
    default: return undefined;
  }
}

/** A missing medium is electricity, a missing channel 0, a missing F the present value. */
function sixBytes(text: string): Uint8Array | undefined {
  const code = parseObis(text);
  const c = code === undefined ? -1 : digits(code.c);
  const d = code === undefined ? -1 : digits(code.d);
  const e = code === undefined ? -1 : digits(code.e);
  if (code === undefined || c < 0 || d < 0 || e < 0) return undefined;
  return new Uint8Array([code.a < 0 ? 1 : code.a, Math.max(0, code.b), c, d, e, 255]);
}
function digits(text: string): number {
  let value = text.length === 0 ? -1 : 0;
  for (let i = 0; i < text.length && value >= 0; i++) {
    const digit = text.charCodeAt(i) - 48;
    value = digit < 0 || digit > 9 ? -1 : value * 10 + digit;
  }
  return value > 255 ? -1 : value;
}

/** The number on the meter's plate where it says it, else how it names itself. */
function serialOf(readout: Readout): string {
  for (const name of ["C.1.0", "0.0.0", "96.1.0", "1-0:0.0.9", "96.1.1"]) {
    for (const r of readout.readings) if (r.text.length > 0 && r.text.length <= 64 && (r.obis === name || r.obis === "0-0:" + name || r.obis === "0-0:" + name + "*255" || r.obis === name + "*255")) return r.text;
  }
  return readout.identification.length > 64 ? readout.identification.substring(0, 64) : readout.identification;
}

export { registersOf };
