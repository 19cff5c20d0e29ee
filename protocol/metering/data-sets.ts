/**
 * Data sets, `code(value*unit)`, as IEC 62056-21 and DSMR P1 write them: several in a line, several values after one code,
 * the code left out where the former one goes on. Meters break most of the standard's rules (§6.5.1, 6.6), so everything is
 * taken that can mean only one thing, and kept as it was sent.
 */
import { numberOf, parseObis, type Quality, type Reading } from "./reading.js";
import { limits } from "../limits.js";

/** All data sets of a text; what is none is passed over. */
export function dataSets(text: string, quality: Quality): Reading[] {
  const readings: Reading[] = [];
  let code = "";
  let nth = 0;
  let from = 0;
  while (readings.length < limits.readingsMax) {
    const open = text.indexOf("(", from);
    if (open < 0) break;
    const close = closing(text, open + 1);
    const before = codeBefore(text, from, open);
    if (before !== "") { code = before; nth = 0; }
    if (close < 0) { from = open + 1; continue; }
    readings.push(readingOf(code, text.substring(open + 1, close), nth++, quality));
    from = close + 1;
  }
  return withGasOfFormerLine(readings);
}

/** The bracket that closes, in the same line; -1 when the line ends before. */
function closing(text: string, from: number): number {
  for (let i = from; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === 41) return i;
    if (code === 40 || code === 10 || code === 13) return -1;
  }
  return -1;
}

/** The printable characters directly before a bracket, in its line. */
function codeBefore(text: string, from: number, open: number): string {
  let at = open;
  while (at > from && text.charCodeAt(at - 1) > 32 && text.charCodeAt(at - 1) < 127) at--;
  return text.substring(at, open);
}

function readingOf(code: string, inside: string, nth: number, quality: Quality): Reading {
  const parts = splitUnit(inside);
  const number = numberOf(parts.text);
  const value = number === undefined ? undefined : number.value;
  return { obis: code, value: value, scaler: number === undefined ? 0 : number.scaler, unit: parts.unit, text: parts.text, nth: nth, quality: quality };
}

/** `042951.721*kWh`; and, as some meters have it, `024562 kWh` and `000173.640kWh`. */
function splitUnit(inside: string): { text: string; unit: string } {
  const star = inside.indexOf("*");
  if (star >= 0 && inside.indexOf("&") < 0) return { text: inside.substring(0, star), unit: inside.substring(star + 1) };
  for (const unit of looseUnits) {
    const at = inside.length - unit.length;
    if (at <= 0 || inside.substring(at) !== unit) continue;
    const text = inside.substring(0, inside[at - 1] === " " ? at - 1 : at);
    if (numberOf(text) !== undefined) return { text: text, unit: unit };
  }
  return { text: inside, unit: "" };
}
/** No single letters: `161129200000W` is a time in winter. */
const looseUnits = ["kWh", "MWh", "Wh", "kvarh", "kVArh", "varh", "kW", "kvar", "m3", "GJ"];

/**
 * DSMR 2.2 and 3.0 name the gas register and its unit at the end of one line, `0-1:24.3.0(…)(0-1:24.2.1)(m3)`, and give the
 * value alone on the next.
 */
function withGasOfFormerLine(readings: Reading[]): Reading[] {
  return readings.map((r, i) => {
    if (r.nth < 3 || r.value === undefined) return r;
    const unit = readings[i - 1]!;
    const name = readings[i - 2]!;
    if (unit.text !== "m3" && unit.text !== "GJ") return r;
    if (name.text.indexOf(":") < 0 || parseObis(name.text) === undefined) return r;
    return { obis: name.text, value: r.value, scaler: r.scaler, unit: unit.text, text: r.text, nth: 0, quality: r.quality };
  });
}
