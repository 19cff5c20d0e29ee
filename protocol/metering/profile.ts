/**
 * Load profile and event log as a meter gives them in programming mode (`R5` of `P.01` and `P.98`, IEC 62056-21 and the
 * makers' common list): a header with time, status and what is recorded, then a row of values for each interval. So the
 * meter itself can prove a past reading.
 */
import { numberOf, whole, type Reading } from "./reading.js";

export interface Channel { readonly obis: string; readonly unit: string }

/** One block: it begins at a time; a row for each interval, a value for each channel; undefined where none was recorded. */
export interface ProfileBlock {
  readonly obis: string;
  /** As the meter writes it: season digit, then YYMMDDhhmmss. */
  readonly time: string;
  readonly status: string;
  /** Minutes; 0 in a log of events. */
  readonly interval: number;
  readonly channels: readonly Channel[];
  readonly rows: readonly (readonly Reading[])[];
}

/** The blocks in the readings of such an answer. A block whose header does not fit is left out. */
export function profileBlocks(readings: readonly Reading[]): ProfileBlock[] {
  const blocks: ProfileBlock[] = [];
  for (let at = 0; at < readings.length;) {
    let end = at + 1;
    while (end < readings.length && readings[end]!.nth > 0) end++;
    const block = blockOf(readings.slice(at, end));
    if (block !== undefined) blocks.push(block);
    at = end;
  }
  return blocks;
}

/** time, status, interval, number of channels, then code and unit of each, then the values. */
function blockOf(parts: readonly Reading[]): ProfileBlock | undefined {
  const count = parts.length < 4 ? -1 : whole(parts[3]!.text);
  const interval = parts.length < 4 ? -1 : parts[2]!.text === "" ? 0 : whole(parts[2]!.text);
  if (count < 0 || interval < 0 || parts.length < 4 + 2 * count) return undefined;
  const channels: Channel[] = [];
  for (let i = 0; i < count; i++) channels.push({ obis: parts[4 + 2 * i]!.text, unit: parts[5 + 2 * i]!.text });
  const rows: Reading[][] = [];
  for (let at = 4 + 2 * count; count > 0 && at + count <= parts.length; at += count) rows.push(channels.map((c, i) => valueIn(parts[at + i]!, c)));
  return { obis: parts[0]!.obis, time: parts[0]!.text, status: parts[1]!.text, interval: interval, channels: channels, rows: rows };
}

function valueIn(r: Reading, c: Channel): Reading {
  const number = numberOf(r.text);
  return { obis: c.obis, value: number === undefined ? undefined : number.value, scaler: number === undefined ? 0 : number.scaler, unit: c.unit, text: r.text, nth: 0, quality: r.quality };
}
