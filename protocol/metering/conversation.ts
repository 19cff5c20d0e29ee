/**
 * Asking a meter by IEC 62056-21: wake-up, request, identification, option select with its change of baud rate, readout;
 * or, in programming mode, reading load profile and event log (`R5`), never writing. Bytes and time in, effects out: whoever
 * owns the port does them in order.
 *
 *     we                                    meter
 *     NULs for 2.2 s, a pause of 1.6 s              only where it runs on a battery (annex B)
 *     / ? address ! CR LF           300 Bd
 *                                           / X X X Z ident CR LF          300 Bd, after 20 or 200 ms to 1.5 s
 *     ACK 0 Z Y CR LF               300 Bd          modes C and E; A and B send at once, B at the rate of Z
 *                                           STX data ! CR LF ETX BCC       at the rate of Z
 *     NAK                                           when it was not right; then all again, a rate lower
 *
 * Characters are 7E1 on a line of 8N1: parity is put in here and checked in the readout. The optical head may reflect what
 * we send; as much as comes back is left out. Sections are those of IEC 62056-21:2002.
 */
import { blockCheck, withParity, iecReadout } from "./iec.js";
import { endScan, makeScanner, scan, type Scanner, type Telegram } from "./telegram.js";
import type { Readout } from "./reading.js";
import { limits } from "../limits.js";

export interface Plan {
  /** `normal`: NULs at 300 Bd; `fast`: half a second of them at `wakeBaud`, which such a meter acknowledges (annex B.2). */
  readonly wake: "none" | "normal" | "fast";
  readonly wakeBaud: number;
  /** Device address of at most 32 characters; empty for the one that is there. */
  readonly address: string;
  /** What to read: `readout`, or registers, profiles and logs by programming mode, as `1.8.0()` or `P.01(1240101000000;)`. */
  readonly reads: readonly string[];
  /** Not faster than this, whatever the meter offers. */
  readonly baudMax: number;
}

export const plainReadout: Plan = { wake: "none", wakeBaud: 300, address: "", reads: [], baudMax: 19200 };

/** In order, and each only when the one before is done: bytes out, rate of the line from now on, what was read, the end. */
export type Effect =
  | { readonly do: "send"; readonly bytes: Uint8Array }
  | { readonly do: "baud"; readonly baud: number }
  | { readonly do: "readout"; readonly readout: Readout; /** Of `Plan.reads`, or -1. */ readonly read: number }
  | { readonly do: "done" }
  | { readonly do: "failed"; readonly why: Failure };

/** No answer at all, answers that were never right, or a meter that refuses programming mode. */
export type Failure = "no_answer" | "never_right" | "refused";

type Step = "pausing" | "identifying" | "selecting" | "switching" | "reading" | "resting" | "opening" | "answering" | "closing" | "over";

export interface Conversation {
  readonly plan: Plan;
  step: Step;
  /** When to come back at the latest. */
  wakeAtMs: number;
  baud: number;
  /** Whole conversations begun, messages asked for again in this one, baud rates left out. */
  tries: number; naks: number; lower: number;
  scanner: Scanner;
  /** What we sent and may hear reflected, and how much of it came back. */
  sent: Uint8Array; echoed: number;
  identification: string;
  /** Something right or wrong was heard in this conversation. */
  heard: boolean;
  /** Which of `plan.reads` is asked for. */
  read: number;
  /** The rate that we chose in this conversation. */
  selected: number;
}

const ack = 0x06;
const nak = 0x15;
const soh = 0x01;
const stx = 0x02;
const etx = 0x03;
const eot = 0x04;

/** Times of §6.4.3.6 and annex B, milliseconds. */
const times = {
  characterGap: 1500, reaction: 1500, wakeNormal: 2200, pauseNormal: 1600, wakeFast: 550, pauseFast: 45, beforeRetry: 1600, beforeSelect: 220, beforeSelectFast: 25, afterSwitch: 20, closing: 100,
} as const;
/** Conversations before giving up, messages asked for again in each. */
const triesMax = 4;
const naksMax = 2;
const openingBaud = 300;

/** Baud rates by their character: modes C and E `0`–`6`, mode B `A`–`F`. */
export function baudOf(character: string): number {
  const c = "0123456".indexOf(character);
  if (c >= 0) return rates[c]!;
  const b = "ABCDEF".indexOf(character);
  return b >= 0 ? rates[b + 1]! : 0;
}
const rates = [300, 600, 1200, 2400, 4800, 9600, 19200];

export function makeConversation(plan: Plan): Conversation {
  return {
    plan: plan, step: "over", wakeAtMs: -1, baud: openingBaud, tries: 0, naks: 0, lower: 0, scanner: makeScanner(limits.telegramBytesMax),
    sent: new Uint8Array(0), echoed: 0,
    identification: "", heard: false, read: -1, selected: openingBaud,
  };
}

/** Begins. The line must be 8N1; its rate is set by the first effect. */
export function begin(c: Conversation, nowMs: number): Effect[] {
  c.tries++;
  c.naks = 0;
  c.read = -1;
  c.scanner = makeScanner(limits.telegramBytesMax);
  c.identification = "";
  if (c.plan.wake === "none") return switchTo(c, openingBaud).concat(request(c, nowMs));
  const fast = c.plan.wake === "fast";
  const effects = switchTo(c, fast ? c.plan.wakeBaud : openingBaud);
  const length = (fast ? times.wakeFast : times.wakeNormal);
  const zeros = new Uint8Array(Math.floor((length * c.baud) / 10000));
  c.step = "pausing";
  c.wakeAtMs = nowMs + length + (fast ? times.pauseFast : times.pauseNormal);
  return effects.concat([send(c, zeros)]);
}

/** Time passed. Answers effects; `wakeAtMs` says when to come back. */
export function poll(c: Conversation, nowMs: number): Effect[] {
  if (c.step === "over" || nowMs < c.wakeAtMs) return [];
  switch (c.step) {
    case "pausing": return switchTo(c, openingBaud).concat(request(c, nowMs));
    case "resting": return begin(c, nowMs);
    case "selecting": return select(c, nowMs);
    case "switching": return startReading(c, nowMs);
    case "reading": case "answering": case "opening": return lateIn(c, nowMs);
    case "closing": c.step = "over"; return [{ do: "done" }];
    default: return again(c, nowMs);
  }
}

/** Bytes came. */
export function hear(c: Conversation, bytes: Uint8Array, nowMs: number): Effect[] {
  const effects: Effect[] = [];
  for (let i = 0; i < bytes.length && c.step !== "over"; i++) {
    for (const byte of withoutEcho(c, bytes[i]!)) for (const effect of heardByte(c, byte, nowMs)) effects.push(effect);
  }
  return effects;
}

/** Our own bytes, reflected, in the order in which they were sent. What only began like them is given back. */
function withoutEcho(c: Conversation, byte: number): readonly number[] {
  if (c.echoed >= c.sent.length) return [byte];
  if (((byte ^ c.sent[c.echoed]!) & 0x7f) === 0) {
    c.echoed++;
    return [];
  }
  const back: number[] = [];
  for (let i = 0; i < c.echoed; i++) if (c.sent[i] !== 0) back.push(c.sent[i]!);
  // NULs before a request may come back in any number.
  if (byte !== 0) { c.echoed = c.sent.length; back.push(byte); }
  return back;
}

function heardByte(c: Conversation, byte: number, nowMs: number): Effect[] {
  if (c.step === "resting" || c.step === "pausing" || c.step === "switching" || c.step === "closing") return [];
  // It names a rate and sends at 300 Bd all the same, without waiting for our choice.
  if (c.step === "selecting" && (byte & 0x7f) >= 0x20) c.step = "reading";
  c.heard = true;
  c.wakeAtMs = nowMs + times.characterGap;
  if (c.step === "answering" && c.scanner.stxAt < 0 && (byte & 0x7f) === nak) return repeatRead(c, nowMs);
  const telegram = scan(c.scanner, byte);
  if (c.step === "identifying") return identifiedBy(c, nowMs);
  if (c.step === "selecting") return waitOn(c, nowMs);
  return telegram === undefined ? [] : telegramEnded(c, telegram, nowMs);
}

/** `/ ? address ! CR LF` (§6.3.1). */
function request(c: Conversation, nowMs: number): Effect[] {
  c.step = "identifying";
  const effect = send(c, characters("/?" + c.plan.address + "!\r\n"));
  c.wakeAtMs = nowMs + lineMs(c, effect.bytes.length) + times.reaction;
  return [effect];
}

/** STX or a blank line alone does not make it speak out of turn yet. */
function waitOn(c: Conversation, nowMs: number): Effect[] {
  c.wakeAtMs = nowMs + times.beforeSelect;
  return [];
}

/** The identification line is whole: `/XXXZ…` (§6.3.2). Z says the mode, and the rate. */
function identifiedBy(c: Conversation, nowMs: number): Effect[] {
  const s = c.scanner;
  if (s.state !== "identified" || s.length !== s.headBytes) return [];
  const head = text(s.held, s.headBytes);
  c.identification = head.substring(0, head.length - (head.charCodeAt(head.length - 2) === 13 ? 2 : 1));
  const z = head[4]!;
  const baud = baudOf(z);
  const modeC = z >= "0" && z <= "6";
  if (!modeC) {
    // Mode A goes on at 300 Bd, mode B changes at once; neither waits for anything.
    c.step = "reading";
    return baud === 0 ? [] : switchTo(c, baud);
  }
  const code = head.charCodeAt(3);
  c.step = "selecting";
  c.selected = c.lower > 0 || baud > c.plan.baudMax ? openingBaud : baud;
  c.wakeAtMs = nowMs + (code >= 97 && code <= 122 ? times.beforeSelectFast : times.beforeSelect);
  return [];
}

/** ACK 0 Z Y CR LF (§6.3.3). A meter changes its rate for the Z that it offered and for no other (§6.4.3.2), so the one lower rate is 300 Bd. */
function select(c: Conversation, nowMs: number): Effect[] {
  const programming = c.plan.reads.length > 0;
  const effect = send(c, characters(String.fromCharCode(ack) + "0" + rates.indexOf(c.selected) + (programming ? "1" : "0") + "\r\n"));
  c.step = "switching";
  c.wakeAtMs = nowMs + lineMs(c, effect.bytes.length) + times.afterSwitch;
  return [effect];
}

function startReading(c: Conversation, nowMs: number): Effect[] {
  c.step = c.plan.reads.length > 0 ? "opening" : "reading";
  c.wakeAtMs = nowMs + times.reaction + 700;
  return switchTo(c, c.selected);
}

/** A whole message, or one that a new identification cut short. */
function telegramEnded(c: Conversation, t: Telegram, nowMs: number): Effect[] {
  if (c.step === "opening") return open(c, t, nowMs);
  if (c.step === "answering") return answered(c, t, nowMs);
  // A meter that restarted has sent another identification: its rate is that of the opening again.
  const readout = withHead(c, iecReadout(t));
  if (readout === undefined) return [];
  const right = readout.quality.check === "ok" && readout.quality.parity !== "bad" && readout.quality.problem === "";
  if (right || readout.quality.check === "missing" && t.whole) return ended(c, [{ do: "readout", readout: readout, read: -1 }]);
  const effects: Effect[] = [{ do: "readout", readout: readout, read: -1 }];
  return effects.concat(t.whole && c.naks < naksMax ? askAgain(c, nowMs) : again(c, nowMs));
}

/** After NAK the message comes without its identification: it is still that meter's. */
function withHead(c: Conversation, readout: Readout | undefined): Readout | undefined {
  if (readout === undefined || readout.identification !== "" || readout.quality.problem !== "no_identification") return readout;
  const quality = { check: readout.quality.check, parity: readout.quality.parity, problem: "" as const };
  return { protocol: readout.protocol, identification: c.identification, readings: readout.readings, quality: quality };
}

/** NAK: the meter sends its message again (§6.4.3.5). */
function askAgain(c: Conversation, nowMs: number): Effect[] {
  c.naks++;
  c.scanner = makeScanner(limits.telegramBytesMax);
  c.wakeAtMs = nowMs + times.reaction + times.characterGap;
  return [send(c, characters(String.fromCharCode(nak)))];
}

/** Everything from the beginning, a rate lower. */
function again(c: Conversation, nowMs: number): Effect[] {
  if (c.tries >= triesMax) {
    c.step = "over";
    return [{ do: "failed", why: c.heard ? "never_right" : "no_answer" }];
  }
  if (c.identification !== "") c.lower++;
  c.step = "resting";
  c.wakeAtMs = nowMs + times.beforeRetry;
  return [];
}

/** Nothing more came: what is held may be a message that never had an end. */
function lateIn(c: Conversation, nowMs: number): Effect[] {
  const held = endScan(c.scanner);
  const readout = held === undefined ? undefined : withHead(c, iecReadout(held));
  if (readout === undefined || c.step !== "reading") return again(c, nowMs);
  const effects: Effect[] = [{ do: "readout", readout: readout, read: -1 }];
  // Some meters never send an end. Once it may have been lost, twice it is their way.
  const ends = readout.quality.problem === "" && held!.etxAt < 0 && c.tries > 1;
  return effects.concat(ends ? ended(c, []) : again(c, nowMs));
}

function ended(c: Conversation, effects: Effect[]): Effect[] {
  c.step = "over";
  return effects.concat([{ do: "done" }]);
}

/** The meter asks for a password with `SOH P0 STX (…) ETX BCC`: reading needs none. */
function open(c: Conversation, t: Telegram, nowMs: number): Effect[] {
  if (!isRight(t)) return c.naks < naksMax ? askAgain(c, nowMs) : again(c, nowMs);
  if (text(t.bytes, t.bytes.length).indexOf("B0") === 1) {
    c.step = "over";
    return [{ do: "failed", why: "refused" }];
  }
  c.read = 0;
  return ask(c, nowMs);
}

function ask(c: Conversation, nowMs: number): Effect[] {
  c.step = "answering";
  c.scanner = makeScanner(limits.telegramBytesMax);
  const effect = send(c, command("R5", c.plan.reads[c.read]!));
  c.wakeAtMs = nowMs + lineMs(c, effect.bytes.length) + times.reaction + times.characterGap;
  return [effect];
}

function repeatRead(c: Conversation, nowMs: number): Effect[] {
  if (c.naks >= naksMax) return again(c, nowMs);
  c.naks++;
  return ask(c, nowMs);
}

function answered(c: Conversation, t: Telegram, nowMs: number): Effect[] {
  // Our own command, reflected behind noise: its check fits, and it is no answer.
  if ((t.bytes[t.stxAt]! & 0x7f) === soh) { c.scanner = makeScanner(limits.telegramBytesMax); return []; }
  const readout = withHead(c, iecReadout(t));
  if (readout === undefined || !isRight(t)) return c.naks < naksMax ? askAgain(c, nowMs) : again(c, nowMs);
  const effects: Effect[] = [{ do: "readout", readout: readout, read: c.read }];
  c.naks = 0;
  c.scanner = makeScanner(limits.telegramBytesMax);
  // EOT instead of ETX: more blocks follow, each asked for by ACK.
  if ((t.bytes[t.etxAt]! & 0x7f) === eot) {
    c.wakeAtMs = nowMs + times.reaction + times.characterGap;
    return effects.concat([send(c, characters(String.fromCharCode(ack)))]);
  }
  c.read++;
  if (c.read < c.plan.reads.length) return effects.concat(ask(c, nowMs));
  const bye = send(c, command("B0", ""));
  c.step = "closing";
  c.wakeAtMs = nowMs + lineMs(c, bye.bytes.length) + times.closing;
  return effects.concat([bye]);
}

/** BCC fits, and parity as far as it can be seen. */
function isRight(t: Telegram): boolean {
  const readout = iecReadout(t);
  const bare = t.stxAt >= 0 && t.etxAt > 0 && t.bytes.length === t.etxAt + 2 && blockCheck(t.bytes, t.stxAt + 1, t.etxAt + 1) === (t.bytes[t.etxAt + 1]! & 0x7f);
  return readout === undefined ? bare : readout.quality.check === "ok" && readout.quality.parity !== "bad";
}

/** `SOH R 5 STX code(…) ETX BCC`, `SOH B 0 ETX BCC` (§6.3.9, 6.3.12). The check runs from behind SOH. */
export function command(name: string, data: string): Uint8Array {
  const body = name + (data === "" ? "" : String.fromCharCode(stx) + data) + String.fromCharCode(etx);
  const bytes = plainCharacters(String.fromCharCode(soh) + body + " ");
  bytes[bytes.length - 1] = blockCheck(bytes, 1, bytes.length - 1);
  for (let i = 0; i < bytes.length; i++) bytes[i] = withParity(bytes[i]!);
  return bytes;
}

function plainCharacters(said: string): Uint8Array {
  const bytes = new Uint8Array(said.length);
  for (let i = 0; i < said.length; i++) bytes[i] = said.charCodeAt(i);
  return bytes;
}

/** Characters with even parity in bit 7. */
export function characters(said: string): Uint8Array {
  const bytes = plainCharacters(said);
  for (let i = 0; i < bytes.length; i++) bytes[i] = withParity(bytes[i]!);
  return bytes;
}

function text(bytes: Uint8Array, length: number): string {
  let said = "";
  for (let i = 0; i < length; i++) said += String.fromCharCode(bytes[i]! & 0x7f);
  return said;
}

function send(c: Conversation, bytes: Uint8Array): { do: "send"; bytes: Uint8Array } {
  c.sent = bytes;
  c.echoed = 0;
  return { do: "send", bytes: bytes };
}

function switchTo(c: Conversation, baud: number): Effect[] {
  c.baud = baud;
  return [{ do: "baud", baud: baud }];
}

/** Ten bits a character. */
function lineMs(c: Conversation, characterCount: number): number {
  return (characterCount * 10000) / c.baud;
}
