/**
 * Where a telegram of characters begins and ends in a stream of bytes (IEC 62056-21 data messages and DSMR P1 are built
 * alike): an identification line, then either `STX … ETX BCC`, or lines up to one that begins with `!`. It finds its place
 * again after noise, echoes, torn lines and restarts, never holds more than one telegram, and interprets nothing.
 */
import { copy } from "../wire/bytes.js";

/** One telegram as it stood in the stream, complete or not. Positions are -1 for what was not there. */
export interface Telegram {
  readonly bytes: Uint8Array;
  /** Bytes of the identification line with its end; 0 when there was none. */
  readonly headBytes: number;
  /** STX, or the SOH that stands for it in programming mode. */
  readonly stxAt: number;
  /** ETX, or EOT when the meter has more blocks to give. */
  readonly etxAt: number;
  /** The `!` that begins a line, outside STX and ETX. */
  readonly markAt: number;
  /** It ended as it should: BCC after ETX, or the line of `!`. */
  readonly whole: boolean;
  /** More bytes than may be held. */
  readonly overlong: boolean;
}

export interface Scanner {
  readonly held: Uint8Array;
  length: number;
  state: "headless" | "identified" | "block" | "check" | "marked";
  lineAt: number; headBytes: number; stxAt: number; etxAt: number; markAt: number;
  /** A telegram with an identification was seen: characters before the next one are the rest of a torn one. */
  met: boolean;
}

const soh = 0x01;
const stx = 0x02;
const etx = 0x03;
const eot = 0x04;
const newline = 0x0a;
/** Identification line: `/`, three letters of the maker, baud rate, 16 characters, escapes. Longer ones are met in P1. */
const identificationMax = 64;

export function makeScanner(bytesMax: number): Scanner {
  return { held: new Uint8Array(bytesMax), length: 0, state: "headless", lineAt: 0, headBytes: 0, stxAt: -1, etxAt: -1, markAt: -1, met: false };
}

/** Takes one byte as it came, parity bit and all; answers a telegram that ended with it, or that it showed to be torn. */
export function scan(s: Scanner, byte: number): Telegram | undefined {
  const overlong = s.length === s.held.length ? close(s, s.length, false, true) : undefined;
  s.held[s.length++] = byte;
  const character = byte & 0x7f;
  if (s.state === "check") return close(s, s.length, true, false);
  if (s.state === "block") {
    if (character === etx || character === eot) { s.etxAt = s.length - 1; s.state = "check"; return overlong; }
  } else if ((character === stx || character === soh) && !inIdentification(s)) {
    begin(s);
    return overlong;
  } else if (character === 0x21 && s.length - 1 === s.lineAt && s.state === "identified") {
    s.markAt = s.length - 1;
    s.state = "marked";
  }
  if (character !== newline) return overlong;
  const torn = lineEnded(s);
  return torn === undefined ? overlong : torn;
}

/** No more bytes will come: whatever is held, as far as it can mean something. */
export function endScan(s: Scanner): Telegram | undefined {
  if (s.state !== "headless" || (!s.met && s.length > 0)) return close(s, s.length, s.state === "marked", false);
  forget(s);
  return undefined;
}

/** Begins a block, with STX or in programming mode with SOH. Without an identification the telegram begins here. */
function begin(s: Scanner): void {
  if (s.state === "headless") { s.held[0] = s.held[s.length - 1]!; s.length = 1; s.headBytes = 0; }
  s.stxAt = s.length - 1;
  s.markAt = -1;
  s.lineAt = s.length;
  s.state = "block";
}

/** A whole line is there: the end of a telegram, the beginning of another, or one more line. */
function lineEnded(s: Scanner): Telegram | undefined {
  const head = headIn(s.held, s.lineAt, s.length);
  if (head >= 0) return restart(s, head);
  if (s.state === "marked") return close(s, s.length, true, false);
  if (s.state === "headless" && s.met) forget(s);
  s.lineAt = s.length;
  return undefined;
}

/** The former telegram is over, whole or not; the held bytes from `head` on are the identification of the next. */
function restart(s: Scanner, head: number): Telegram | undefined {
  const length = s.length;
  const torn = s.state === "headless" || head === 0 ? undefined : telegramOf(s, head, false, false);
  for (let i = head; i < length; i++) s.held[i - head] = s.held[i]!;
  forget(s);
  s.length = length - head;
  s.headBytes = s.length;
  s.lineAt = s.length;
  s.state = "identified";
  s.met = true;
  return torn;
}

/** Position of the last identification line in these bytes, which end with a line: `/`, three letters, a character, no brackets. -1 for none. */
function headIn(bytes: Uint8Array, start: number, end: number): number {
  for (let at = end - 1; at >= start; at--) {
    const character = bytes[at]! & 0x7f;
    if (character === 0x28 || character === 0x29 || end - at > identificationMax) return -1;
    if (character !== 0x2f) continue;
    return end - at >= 6 && letter(bytes[at + 1]!) && letter(bytes[at + 2]!) && letter(bytes[at + 3]!) && (bytes[at + 4]! & 0x7f) >= 32 ? at : -1;
  }
  return -1;
}

function letter(byte: number): boolean {
  const upper = byte & 0x5f;
  return (byte & 0x40) !== 0 && upper >= 65 && upper <= 90;
}

/** A line that began with `/` is going on: 0x02 in it is a character (some meters' `\2`), no STX. */
function inIdentification(s: Scanner): boolean {
  return s.length - s.lineAt > 4 && (s.held[s.lineAt]! & 0x7f) === 0x2f && letter(s.held[s.lineAt + 1]!);
}

function close(s: Scanner, end: number, whole: boolean, overlong: boolean): Telegram {
  const telegram = telegramOf(s, end, whole, overlong);
  forget(s);
  return telegram;
}

function telegramOf(s: Scanner, end: number, whole: boolean, overlong: boolean): Telegram {
  return { bytes: copy(s.held, 0, end), headBytes: s.headBytes, stxAt: s.stxAt, etxAt: s.etxAt, markAt: s.markAt, whole: whole, overlong: overlong };
}

function forget(s: Scanner): void {
  s.length = 0;
  s.state = "headless";
  s.lineAt = 0;
  s.headBytes = 0;
  s.stxAt = -1;
  s.etxAt = -1;
  s.markAt = -1;
}
