/**
 * What a meter said, the same for every dialect: a `Reading` is one register or line of a readout, a `Readout` one whole
 * telegram with the verdict of its own checks. Numbers are integers with a scaler, and the digits stay as they were sent:
 * a floating point number would lose how many there were, and with it what the meter's display shows.
 */

export type Protocol = "iec62056-21" | "dsmr-p1" | "sml" | "mbus" | "dlms";

/** The check character or check sum at the end of a telegram: fits, was not there, or does not fit. */
export type Check = "ok" | "missing" | "bad";

/**
 * Parity of each character (7E1, 8E1): right; wrong somewhere; not to be seen, since the bytes came without their parity
 * bit; or `covered`, where a CRC of 16 bits or a tag finds every error of one and two bits by itself.
 */
export type Parity = "ok" | "bad" | "unseen" | "covered";

/** Why a readout is less than whole, beside its check; empty when nothing is amiss. */
export type Problem =
  | "" | "truncated" | "too_long" | "no_identification" | "unreadable" | "error_answer" | "key_missing" | "tag_wrong" | "tag_missing" | "replayed";

export interface Quality { readonly check: Check; readonly parity: Parity; readonly problem: Problem }

export interface Reading {
  /** The code as sent (`1.8.0`, `1-0:1.8.0*01`, `C.1.0`), or `A-B:C.D.E*F` made of six bytes. M-Bus records without one: `mbus:` and their DIB and VIB in hexadecimal. */
  readonly obis: string;
  /** Value × 10^scaler in `unit`; undefined when the text is no number, or needs more than 53 bits. */
  readonly value: number | undefined;
  readonly scaler: number;
  /** As sent, `kWh` or `m3`; empty when there is none. */
  readonly unit: string;
  /** The digits or characters as sent, without the unit; bytes as hexadecimal. */
  readonly text: string;
  /** Which of several values after one code, from 0: a demand and its time are two readings. */
  readonly nth: number;
  readonly quality: Quality;
}

export interface Readout {
  readonly protocol: Protocol;
  /** `/XXXZident` as sent; of SML and DLMS the meter's id in hexadecimal or text; of M-Bus manufacturer and number. Empty when it was not said. */
  readonly identification: string;
  readonly readings: readonly Reading[];
  readonly quality: Quality;
}

/** What a text says as a number: digits with at most one point, a sign, blanks around. Undefined for anything else, and past 2^53. */
export function numberOf(text: string): { value: number; scaler: number } | undefined {
  let at = 0;
  let end = text.length;
  while (at < end && text[at] === " ") at++;
  while (end > at && text[end - 1] === " ") end--;
  const negative = text[at] === "-";
  if (negative || text[at] === "+") at++;
  let value = 0;
  let scaler = 0;
  let digits = 0;
  let pointed = false;
  for (; at < end; at++) {
    const code = text.charCodeAt(at);
    if (code === 46 && !pointed && digits > 0) { pointed = true; continue; }
    if (code < 48 || code > 57) return undefined;
    value = value * 10 + (code - 48);
    digits++;
    if (pointed) scaler--;
    if (value > safeInteger) return undefined;
  }
  if (digits === 0 || (pointed && scaler === 0)) return undefined;
  return { value: negative && value > 0 ? -value : value, scaler: scaler };
}

/** 2^53 - 1: above it a number is not exact any more. */
export const safeInteger = 9007199254740991;

/** Parts of an OBIS code (IEC 62056-61). `a`, `b`, `f` are -1 when they were not sent, `e` is then 0. `c` and `d` may be letters (`C`, `F`, `P`). */
export interface Obis { a: number; b: number; c: string; d: string; e: string; f: number }

/** Reads `A-B:C.D.E*F` with the parts that may be left out; `&F` and a fifth `.255` are F as well. Undefined for what is no code. */
export function parseObis(text: string): Obis | undefined {
  const colon = text.indexOf(":");
  const dash = text.indexOf("-");
  let a = -1;
  let b = -1;
  if (colon >= 0) {
    if (dash < 0 || dash > colon) return undefined;
    a = whole(text.substring(0, dash));
    b = whole(text.substring(dash + 1, colon));
    if (a < 0 || b < 0) return undefined;
  }
  let rest = text.substring(colon + 1);
  let mark = rest.indexOf("*");
  if (mark < 0) mark = rest.indexOf("&");
  let f = mark < 0 ? -1 : whole(rest.substring(mark + 1));
  if (mark >= 0) { if (f < 0) return undefined; rest = rest.substring(0, mark); }
  const parts = rest.split(".");
  if (parts.length === 4 && mark < 0) f = whole(parts[3]!);
  if (parts.length < 2 || parts.length > 4 || parts.some((part) => part === "")) return undefined;
  return { a: a, b: b, c: parts[0]!, d: parts[1]!, e: parts.length > 2 ? parts[2]! : "0", f: f };
}

/** One name for one register, however the meter wrote it: `1.8.0`, `1-0:1.8.0` and `1-0:1.8.0*255` are the same; `*01` is another. */
export function registerKey(text: string): string {
  const code = parseObis(text);
  if (code === undefined) return text;
  const channel = code.a < 0 || (code.a === 1 && code.b === 0) ? "" : code.a + "-" + code.b + ":";
  return channel + code.c + "." + code.d + "." + code.e + (code.f < 0 || code.f === 255 ? "" : "*" + code.f);
}

/** The number in a text of digits alone, or -1. */
export function whole(text: string): number {
  if (text.length === 0 || text.length > 9) return -1;
  let value = 0;
  for (let i = 0; i < text.length; i++) {
    const digit = text.charCodeAt(i) - 48;
    if (digit < 0 || digit > 9) return -1;
    value = value * 10 + digit;
  }
  return value;
}

/** `A-B:C.D.E*F` of six bytes, as SML and DLMS send them. */
export function obisOf(bytes: Uint8Array, at: number): string {
  return bytes[at]! + "-" + bytes[at + 1]! + ":" + bytes[at + 2]! + "." + bytes[at + 3]! + "." + bytes[at + 4]! + "*" + bytes[at + 5]!;
}

/** Units by their number in DLMS and SML (IEC 62056-62, table of units), as far as meters send them. */
export function unitOf(code: number): string {
  switch (code) {
    case 6: return "h";
    case 7: return "s";
    case 8: return "°";
    case 9: return "°C";
    case 13: case 14: return "m3";
    case 15: case 16: return "m3/h";
    case 19: return "l";
    case 25: return "J";
    case 27: return "W";
    case 28: return "VA";
    case 29: return "var";
    case 30: return "Wh";
    case 31: return "VAh";
    case 32: return "varh";
    case 33: return "A";
    case 35: return "V";
    case 44: return "Hz";
    default: return "";
  }
}

/** Characters of bytes one by one, ISO 646. */
export function textOf(bytes: Uint8Array, start: number, end: number): string {
  let text = "";
  for (let i = start; i < end; i++) text += String.fromCharCode(bytes[i]!);
  return text;
}

/** A big-endian integer of at most 8 bytes; undefined when it needs more than 53 bits. */
export function integerOf(bytes: Uint8Array, start: number, end: number, signed: boolean): number | undefined {
  const negative = signed && end > start && bytes[start]! >= 0x80;
  let value = 0;
  for (let i = start; i < end; i++) {
    value = value * 256 + (negative ? 255 - bytes[i]! : bytes[i]!);
    if (value > safeInteger) return undefined;
  }
  return negative ? -value - 1 : value;
}
