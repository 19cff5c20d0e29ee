/**
 * A meter that plays a recording and keeps the rules of IEC 62056-21, or breaks one of them on purpose: 300 baud at first,
 * even parity, the reaction time, a change of baud rate only for the rate that it offered, 300 baud again when the choice is
 * wrong or never comes. Time and bytes in, bytes out; `meter-emulator-command.ts` gives it a pseudo-terminal.
 */
import { characters as withEvenParity, baudOf, command } from "../../protocol/metering/conversation.js";
import { dataSets } from "../../protocol/metering/data-sets.js";
import { blockCheck, characters, odd, withParity } from "../../protocol/metering/iec.js";
import { endScan, makeScanner, scan, type Telegram } from "../../protocol/metering/telegram.js";

export interface MeterOptions {
  /** Reflects what it hears, as optical heads do. */
  echoes?: boolean;
  /** Sleeps until it is woken by two seconds of NULs. */
  sleeps?: boolean;
  /** Of each conversation's messages, so many are damaged in one character. */
  damaged?: number;
  /** Every message faster than 300 baud is damaged. */
  badWhenFast?: boolean;
  /** Restarts once in the middle of a message and says who it is. */
  restarts?: boolean;
  /** Offers a rate, and sends at 300 baud at once without waiting for the choice. */
  impatient?: boolean;
  /** Answers the first command in programming mode with NAK. */
  refusesFirst?: boolean;
  /** Answers only to this address. */
  address?: string;
  /** Even parity in bit 7, as a line of 7E1 shows it to a port of 8N1; false for programs that set 7E1 on the port, which a pseudo-terminal cannot carry. */
  parity?: boolean;
}

interface Piece { readonly atMs: number; readonly bytes: Uint8Array; readonly baud: number }

export interface Meter {
  readonly options: MeterOptions;
  /** `/XXXZident` and its line end. */
  readonly head: string;
  /** From STX to BCC, or the lines as they are. */
  readonly message: Uint8Array;
  /** What programming mode answers to a code. */
  readonly registers: ReadonlyMap<string, string>;
  state: "asleep" | "listening" | "offering" | "sending" | "programming";
  baud: number;
  heard: string;
  queue: Piece[];
  /** When the last piece has gone out. */
  busyUntilMs: number;
  offerEndsMs: number;
  sessionEndsMs: number;
  zeros: number; zerosSinceMs: number;
  damagedLeft: number; restartsLeft: number; refusalsLeft: number;
  last: Uint8Array;
  /** What it refused, and why, for the person who wonders. */
  refused: string[];
}

/** Identification and message of a recording, or undefined when it has none that a meter could be asked for. */
export function recordedMessage(recording: Uint8Array): { head: string; message: Uint8Array } | undefined {
  const scanner = makeScanner(1 << 20);
  let found: Telegram | undefined;
  for (let i = 0; i < recording.length && found === undefined; i++) found = scan(scanner, recording[i]!);
  found ??= endScan(scanner);
  if (found === undefined || found.headBytes === 0) return undefined;
  const text = characters(found).text;
  const message = Buffer.from(text.slice(found.stxAt >= 0 ? found.stxAt : found.headBytes), "latin1");
  return { head: text.slice(0, found.headBytes), message: new Uint8Array(message) };
}

/** `more` are recordings without identification, as of a load profile: programming mode gives them out by their first code. */
export function makeMeter(recording: Uint8Array, options: MeterOptions, more: readonly Uint8Array[] = []): Meter {
  const found = recordedMessage(recording);
  if (found === undefined) throw new Error("This recording has no identification line.");
  return {
    options, head: found.head, message: found.message, registers: registersOf(found.message, more), state: options.sleeps === true ? "asleep" : "listening", baud: 300, heard: "", queue: [],
    busyUntilMs: 0, offerEndsMs: -1, sessionEndsMs: -1, zeros: 0, zerosSinceMs: 0, damagedLeft: options.damaged ?? 0, restartsLeft: options.restarts === true ? 1 : 0,
    refusalsLeft: options.refusesFirst === true ? 1 : 0, last: new Uint8Array(0), refused: [],
  };
}

function registersOf(message: Uint8Array, more: readonly Uint8Array[]): Map<string, string> {
  const registers = new Map<string, string>();
  const quality = { check: "ok", parity: "ok", problem: "" } as const;
  const add = (code: string, answer: string): void => { registers.set(code, (registers.get(code) ?? "") + answer); };
  for (const r of dataSets(Buffer.from(message).toString("latin1"), quality)) add(r.obis, `${r.nth === 0 ? r.obis : ""}(${r.text}${r.unit === "" ? "" : "*" + r.unit})`);
  for (const text of more.map((bytes) => Buffer.from(bytes).toString("latin1"))) registers.set(text.slice(0, text.indexOf("(")), text);
  return registers;
}

const times = { reaction: 200, reactionFast: 20, offer: 2000, session: 60_000, woken: 2050, pause: 1400 } as const;
/** What arrives together: one character on a slow line, some more on a fast one. */
const pieceOf = (baud: number): number => (baud === 0 ? 64 : Math.max(1, Math.round(baud / 1200)));

/** Bytes came over the line, sent at this rate. */
export function meterHears(m: Meter, bytes: Uint8Array, baud: number, nowMs: number): void {
  if (m.options.echoes === true) say(m, bytes, nowMs, 0);
  for (const byte of bytes) hearByte(m, byte, baud, nowMs);
}

function hearByte(m: Meter, byte: number, baud: number, nowMs: number): void {
  settle(m, nowMs);
  if (baud !== m.baud) return refuse(m, `a character at ${baud} baud, while the line is at ${m.baud}`);
  if (m.options.parity !== false && odd(byte)) return refuse(m, "a character of wrong parity");
  const character = byte & 0x7f;
  if (m.state === "asleep") return wakeUp(m, character, nowMs);
  if (character === 0) return;
  m.heard = (m.heard + String.fromCharCode(character)).slice(-256);
  if (m.state === "sending" && character === 0x15) return again(m, nowMs);
  if (m.state === "programming") return commanded(m, nowMs);
  if (!m.heard.endsWith("\r\n")) return;
  const line = m.heard;
  m.heard = "";
  const request = /\/\?([ -~]{0,32})!\r\n$/.exec(line);
  if (request !== null) requested(m, request[1]!, nowMs + charactersMs(line.length, 300));
  else if (m.state === "offering") chosen(m, line, nowMs + charactersMs(line.length, 300));
  else refuse(m, `"${line.trim()}", which is no request`);
}

const charactersMs = (count: number, baud: number): number => (count * 10_000) / baud;
const reaction = (m: Meter): number => (/[a-z]/.test(m.head[3]!) ? times.reactionFast : times.reaction);

function refuse(m: Meter, what: string): void {
  if (m.refused.at(-1) !== what) m.refused.push(what);
}

/** NULs for 2.1 s at 300 baud, and then 1.5 s of silence (annex B.1). What a pseudo-terminal brings at once took its time on a line. */
function wakeUp(m: Meter, character: number, nowMs: number): void {
  if (character === 0) {
    if (m.zeros === 0) m.zerosSinceMs = nowMs;
    m.zeros++;
    return;
  }
  const awake = charactersMs(m.zeros, 300);
  if (awake < times.woken || nowMs < m.zerosSinceMs + awake + times.pause) return refuse(m, "a request while it sleeps");
  m.state = "listening";
  m.heard = String.fromCharCode(character);
}

function requested(m: Meter, address: string, nowMs: number): void {
  const own = m.options.address ?? "";
  if (address.replace(/^0+/, "") !== own.replace(/^0+/, "") && address !== "") return refuse(m, `a request for the meter "${address}"`);
  m.baud = 300;
  const z = m.head[4]!;
  say(m, withEvenParity(m.head), nowMs + reaction(m), 300);
  m.offerEndsMs = -1;
  if (m.options.impatient === true || baudOf(z) === 0) return send(m, 300, m.busyUntilMs);
  if (z >= "A" && z <= "F") return send(m, baudOf(z), m.busyUntilMs + 20);
  m.state = "offering";
  m.offerEndsMs = m.busyUntilMs + times.offer;
}

/** ACK, protocol, rate, mode. Any rate but the offered one leaves the line at 300 baud. */
function chosen(m: Meter, line: string, nowMs: number): void {
  const choice = /\x06(.)(.)(.)\r\n$/.exec(line);
  if (choice === null || choice[1] !== "0") return refuse(m, `"${line.trim()}", which is no choice of a mode`);
  const offered = choice[2] === m.head[4];
  const baud = offered ? baudOf(choice[2]!) : 300;
  if (!offered && choice[2] !== "0") refuse(m, `the rate "${choice[2]}", which it did not offer`);
  m.offerEndsMs = -1;
  if (choice[3] === "1" && offered) return programming(m, baud, nowMs);
  send(m, baud, nowMs + reaction(m));
}

function send(m: Meter, baud: number, atMs: number): void {
  m.state = "sending";
  m.baud = baud;
  m.sessionEndsMs = Math.max(atMs, m.busyUntilMs) + charactersMs(m.message.length, baud) + times.offer;
  m.last = m.message.map(withParity);
  const sent = damage(m, m.last, baud);
  if (m.restartsLeft === 0) return say(m, sent, atMs, baud);
  m.restartsLeft--;
  say(m, sent.subarray(0, sent.length >> 1), atMs, baud);
  m.queue.push({ atMs: m.busyUntilMs + 50, bytes: withEvenParity(m.head), baud });
  m.sessionEndsMs = m.busyUntilMs;
}

function damage(m: Meter, message: Uint8Array, baud: number): Uint8Array {
  if (m.damagedLeft === 0 && !(m.options.badWhenFast === true && baud > 300)) return message;
  m.damagedLeft = Math.max(0, m.damagedLeft - 1);
  const damaged = message.slice();
  damaged[damaged.length >> 1]! ^= 1;
  return damaged;
}

/** NAK: the message again. */
function again(m: Meter, nowMs: number): void {
  m.heard = "";
  say(m, damage(m, m.last, m.baud), nowMs + reaction(m), m.baud);
  m.sessionEndsMs = Math.max(m.sessionEndsMs, m.busyUntilMs + times.offer);
}

function programming(m: Meter, baud: number, nowMs: number): void {
  m.state = "programming";
  m.baud = baud;
  m.sessionEndsMs = nowMs + times.session;
  say(m, asMessage("P0\x02()\x03", 0x01), nowMs + reaction(m), baud);
}

/** `SOH … ETX BCC`, `STX … ETX BCC`, with their parity. */
function asMessage(body: string, begin: number): Uint8Array {
  const bytes = new Uint8Array(Buffer.from(String.fromCharCode(begin) + body + " ", "latin1"));
  bytes[bytes.length - 1] = blockCheck(bytes, 1, bytes.length - 1);
  return bytes.map(withParity);
}

/** A command is whole with the character behind its ETX. */
function commanded(m: Meter, nowMs: number): void {
  if (m.heard === "\x15") return again(m, nowMs);
  const whole = /\x01([PRWB].)(?:\x02([^\x03]*))?\x03([\s\S])$/.exec(m.heard);
  if (whole === null) return;
  m.heard = "";
  m.sessionEndsMs = nowMs + times.session;
  const [text, name, data = ""] = [whole[0], whole[1]!, whole[2]];
  const expected = Buffer.from(command(name, data)).map((byte) => byte & 0x7f);
  if (text.charCodeAt(text.length - 1) !== expected.at(-1)) return say(m, withEvenParity("\x15"), nowMs + reaction(m), m.baud);
  if (m.refusalsLeft > 0) { m.refusalsLeft--; return say(m, withEvenParity("\x15"), nowMs + reaction(m), m.baud); }
  if (name[0] === "B") { m.sessionEndsMs = nowMs; return; }
  const answer = name[0] === "R" ? m.registers.get(data.slice(0, Math.max(0, data.indexOf("(")))) : undefined;
  m.last = asMessage(`${answer ?? "(ER01)"}\x03`, 0x02);
  say(m, damage(m, m.last, m.baud), nowMs + reaction(m), m.baud);
}

/** Rate 0 goes out at once: an echo has the rate of what it reflects. */
function say(m: Meter, bytes: Uint8Array, atMs: number, baud: number): void {
  let at = baud === 0 ? atMs : Math.max(atMs, m.busyUntilMs);
  for (let from = 0; from < bytes.length; from += pieceOf(baud)) {
    const piece = bytes.subarray(from, from + pieceOf(baud));
    if (baud !== 0) at += charactersMs(piece.length, baud);
    m.queue.push({ atMs: at, bytes: piece.slice(), baud });
  }
  if (baud !== 0) m.busyUntilMs = at;
}

/** What ends by itself: an offer that nobody took, a session in which nobody spoke. */
function settle(m: Meter, nowMs: number): void {
  if (m.state === "offering" && nowMs >= m.offerEndsMs) { m.offerEndsMs = -1; send(m, 300, nowMs); }
  if ((m.state === "sending" || m.state === "programming") && nowMs >= m.sessionEndsMs) {
    m.state = "listening";
    m.baud = 300;
    m.heard = "";
  }
}

/** What goes out now on a line whose other end is set to this rate; a character at another rate is no character there. */
export function meterSays(m: Meter, portBaud: number, nowMs: number): Uint8Array {
  settle(m, nowMs);
  const due = m.queue.filter((piece) => piece.atMs <= nowMs);
  m.queue = m.queue.filter((piece) => piece.atMs > nowMs);
  const bytes = due.flatMap((piece) => [...piece.bytes].map((byte) => (piece.baud === 0 || piece.baud === portBaud ? byte : byte ^ 0xa5)));
  return Uint8Array.from(m.options.parity === false ? bytes.map((byte) => byte & 0x7f) : bytes);
}

/** When to come back, or -1. */
export function meterWakes(m: Meter): number {
  const due = m.queue.map((piece) => piece.atMs);
  if (m.state === "offering") due.push(m.offerEndsMs);
  if (m.state === "sending" || m.state === "programming") due.push(m.sessionEndsMs);
  return due.length === 0 ? -1 : Math.min(...due);
}
