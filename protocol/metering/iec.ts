/**
 * Readouts of IEC 62056-21 (IEC 1107), modes A to E as far as they are characters: `/XXXZident`, then `STX data ! ETX BCC`,
 * or in mode D the data alone. Characters are 7E1. A port opened as 8N1 shows the parity bit in bit 7, so it is checked
 * here, where no driver can leave it out; bytes that came without it leave parity unseen, and such a readout is never billed.
 */
import { dataSets } from "./data-sets.js";
import { parseObis, type Check, type Parity, type Problem, type Readout } from "./reading.js";
import type { Telegram } from "./telegram.js";

/** The characters of a telegram without their parity bits, and what these said. */
export function characters(t: Telegram): { text: string; parity: Parity } {
  let text = "";
  let shown = false;
  let wrong = false;
  for (let i = 0; i < t.bytes.length; i++) {
    const byte = t.bytes[i]!;
    if (byte >= 0x80) shown = true;
    if (odd(byte)) wrong = true;
    text += String.fromCharCode(byte & 0x7f);
  }
  return { text: text, parity: !shown ? "unseen" : wrong ? "bad" : "ok" };
}

/** An odd number of ones. */
export function odd(byte: number): boolean {
  let ones = byte ^ (byte >> 4);
  ones ^= ones >> 2;
  return ((ones ^ (ones >> 1)) & 1) !== 0;
}

/** The character with even parity in bit 7: 7E1 on a line of 8N1. */
export function withParity(character: number): number {
  return odd(character & 0x7f) ? (character & 0x7f) | 0x80 : character & 0x7f;
}

/** ISO 1155: exclusive or of all characters after STX or SOH, up to and with ETX. It may be any character, LF, CR and STX included. */
export function blockCheck(bytes: Uint8Array, start: number, end: number): number {
  let sum = 0;
  for (let i = start; i < end; i++) sum ^= bytes[i]! & 0x7f;
  return sum;
}

/** The readout in a telegram; undefined when it holds no data set. */
export function iecReadout(t: Telegram): Readout | undefined {
  const read = characters(t);
  const text = read.text;
  const check = checkOf(t);
  const quality = { check: check, parity: read.parity, problem: problemOf(t, text) };
  const readings = dataSets(bodyOf(t, text), quality);
  if (readings.length === 0) return undefined;
  // Without a head and without a block it is only a text with brackets, unless it begins with a code.
  if (t.headBytes === 0 && t.stxAt < 0 && parseObis(readings[0]!.obis) === undefined) return undefined;
  return { protocol: "iec62056-21", identification: identificationOf(t, text), readings: readings, quality: quality };
}

function checkOf(t: Telegram): Check {
  if (t.stxAt < 0 || t.etxAt < 0 || t.bytes.length !== t.etxAt + 2) return "missing";
  return (t.bytes[t.etxAt + 1]! & 0x7f) === blockCheck(t.bytes, t.stxAt + 1, t.etxAt + 1) ? "ok" : "bad";
}

function problemOf(t: Telegram, text: string): Problem {
  if (t.overlong) return "too_long";
  if (!t.whole && t.etxAt < 0 && t.markAt < 0 && text.indexOf("\n!") < 0) return "truncated";
  if (t.headBytes === 0) return text.indexOf("(ER") >= 0 ? "error_answer" : "no_identification";
  return "";
}

function bodyOf(t: Telegram, text: string): string {
  const start = t.stxAt >= 0 ? t.stxAt + 1 : t.headBytes;
  return text.substring(start, t.etxAt >= 0 ? t.etxAt : t.markAt >= 0 ? t.markAt : text.length);
}

/** The identification line without its end. */
export function identificationOf(t: Telegram, text: string): string {
  let end = t.headBytes;
  while (end > 0 && (text.charCodeAt(end - 1) === 10 || text.charCodeAt(end - 1) === 13)) end--;
  return text.substring(0, end);
}
