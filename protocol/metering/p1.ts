/**
 * Readouts of the consumer port P1: DSMR 2.2 to 5, ESMR, eMUCS and their neighbours. From version 4 on a CRC-16 over all
 * characters from `/` to `!` follows in four hexadecimal digits; before that there is no check, and nothing to bill by.
 * The CRC runs over the line ends too, so a reader that splits lines first can never verify it.
 */
import { crc16 } from "../link/crc16.js";
import { dataSets } from "./data-sets.js";
import { characters, identificationOf } from "./iec.js";
import type { Check, Problem, Readout } from "./reading.js";
import type { Telegram } from "./telegram.js";

/** Whether these characters are P1 rather than mode D of IEC 62056-21: digits after `!`, or codes that only P1 begins with. */
export function isP1(t: Telegram): boolean {
  if (t.stxAt >= 0 || t.headBytes === 0) return false;
  const text = characters(t).text;
  if (t.markAt >= 0 && t.bytes.length > t.markAt + 1 && text.charCodeAt(t.markAt + 1) > 32) return true;
  return p1Codes.some((code) => text.indexOf("\n" + code + "(") >= 0);
}
/** Version, time, equipment identifier, tariff, text message; mode D sends codes with `*255`. */
const p1Codes = ["1-3:0.2.8", "0-0:96.1.1", "0-0:96.1.4", "0-0:1.0.0", "0-0:96.14.0", "0-0:96.13.0"];

/** The readout in a telegram; undefined when it holds no data set. */
export function p1Readout(t: Telegram): Readout | undefined {
  const read = characters(t);
  const text = read.text;
  const check = checkOf(t, text);
  const quality = { check: check, parity: check === "ok" ? ("covered" as const) : read.parity, problem: problemOf(t) };
  const readings = dataSets(text.substring(t.headBytes, t.markAt >= 0 ? t.markAt : text.length), quality);
  if (readings.length === 0) return undefined;
  return { protocol: "dsmr-p1", identification: identificationOf(t, text), readings: readings, quality: quality };
}

function problemOf(t: Telegram): Problem {
  if (t.overlong) return "too_long";
  if (t.markAt < 0) return "truncated";
  return t.headBytes === 0 ? "no_identification" : "";
}

/** What stands between `!` and the end of its line, as a CRC. Some meters leave out leading zeros. */
function checkOf(t: Telegram, text: string): Check {
  if (t.markAt < 0) return "missing";
  let end = text.length;
  const ended = end > 0 && text.charCodeAt(end - 1) === 10;
  if (ended) end--;
  if (ended && text.charCodeAt(end - 1) === 13) end--;
  const digits = text.substring(t.markAt + 1, end);
  if (digits.length === 0) return "missing";
  if (digits.length > 4 || (digits.length < 4 && !ended)) return "bad";
  let sent = 0;
  // The line of the CRC is covered by nothing, so every bit of it must be as it should.
  for (let i = t.markAt; i < t.bytes.length; i++) if (t.bytes[i]! >= 0x80) return "bad";
  for (let i = 0; i < digits.length; i++) {
    const digit = "0123456789ABCDEF".indexOf(digits[i]!);
    if (digit < 0) return "bad";
    sent = sent * 16 + digit;
  }
  return sent === crc16(t.bytes.subarray(0, t.markAt + 1)) ? "ok" : "bad";
}
