/**
 * A meter that only pulses (S0): the count lives in a cell, written when `protocol/metering/pulses.ts` says it is due. What was
 * counted since is lost by a power cut, never counted twice.
 */
import type { Digital } from "../board.js";
import type { MeterReading } from "./charges.js";
import { readCell, roomForCell, writeCell, type Cells } from "../journal/cells.js";
import { due, edge, isWritten, makePulses, poll, type PulseMeter, type Pulses, type PulseSettings } from "../../protocol/metering/pulses.js";
import { done, finish, readUint, reader, writeInt, writer } from "../../protocol/wire/cbor.js";
import { cubicMetre, wattHour } from "../../protocol/metering/tariff.js";

export interface Counter { readonly cells: Cells; readonly input: Digital; readonly number: number; readonly serial: string; readonly plate: PulseMeter; readonly obis: Uint8Array; pulses: Pulses }

/** `number`: of the meter in the plan; `obis`: its register in six bytes. Counts on from what is durable. */
export function openCounter(cells: Cells, input: Digital, number: number, serial: string, obis: Uint8Array, plate: PulseMeter, settings: PulseSettings): Counter {
  return { cells: cells, input: input, number: number, serial: serial, plate: plate, obis: obis, pulses: makePulses(settings, countIn(cells, number), input.read()) };
}
function cellOf(number: number): string {
  return "pulses " + number;
}
function countIn(cells: Cells, number: number): number {
  const held = readCell(cells, cellOf(number));
  if (held === undefined) return 0;
  const r = reader(held);
  const count = readUint(r);
  return done(r) ? count : 0;
}

/** Looks at the contact; answers when to come back, or −1. Throws what the cells throw. */
export function pollCounter(c: Counter, nowMs: number): number {
  edge(c.pulses, c.input.read(), nowMs);
  const next = poll(c.pulses, nowMs);
  if (due(c.pulses, nowMs)) keepCount(c, nowMs);
  return next;
}

/** Before a record is made of it, and whenever it is due: the count is durable. */
export function keepCount(c: Counter, nowMs: number): void {
  const count = c.pulses.count;
  if (count === c.pulses.written) return;
  const w = writer();
  writeInt(w, count);
  const bytes = finish(w);
  if (!roomForCell(c.cells, cellOf(c.number), bytes.length)) return;
  writeCell(c.cells, cellOf(c.number), bytes);
  isWritten(c.pulses, count, nowMs);
}

/** What a record may say: the durable count alone, or a record would say more than the count after a cut. */
export function counted(c: Counter): MeterReading {
  const p = c.plate;
  const value = p.begunAtThousandths + Math.floor(c.pulses.written / p.perUnit) * 1000 + Math.floor(((c.pulses.written % p.perUnit) * 1000) / p.perUnit);
  const energy = p.unit === "kWh";
  return { meter: c.number, serial: c.serial, by: 3, registers: [{ obis: c.obis, value: value, scaler: energy ? 0 : -3, unit: energy ? wattHour : cubicMetre }] };
}
