/**
 * One reader for every dialect: bytes in, readouts out, however they are cut into pieces. Told the protocol, it reads only
 * that. Otherwise all dialects look at the same bytes side by side until one of them finds a telegram that it can vouch
 * for, and then that one reads on alone.
 */
import { endDlms, feedDlms, forget, makeDlms, part, type DlmsReader } from "./dlms.js";
import { iecReadout } from "./iec.js";
import { dlmsPart, feedMbus, makeMbus, mbusReadout, type MbusReader } from "./mbus.js";
import { isP1, p1Readout } from "./p1.js";
import type { Protocol, Quality, Readout } from "./reading.js";
import { feedSealed, makeSealed, openCiphered, type Opener, type SealedReader } from "./sealed.js";
import { endSml, feedSml, makeSml, type SmlReader } from "./sml.js";
import { endScan, makeScanner, scan, type Scanner, type Telegram } from "./telegram.js";
import { limits } from "../limits.js";

export interface ReaderOptions { /** Undefined: to be recognised. */ readonly protocol: Protocol | undefined; readonly opener: Opener | undefined }

export interface Reader {
  readonly options: ReaderOptions;
  readonly characters: Scanner | undefined;
  readonly sealed: SealedReader | undefined;
  readonly sml: SmlReader | undefined;
  readonly mbus: MbusReader | undefined;
  readonly dlms: DlmsReader | undefined;
  /** The dialect that reads alone, once one is known. */
  known: Protocol | undefined;
  /** Broken readouts from before that. */
  broken: Readout[];
}

export function makeReader(options: ReaderOptions): Reader {
  const p = options.protocol;
  const reads = (one: Protocol, other?: Protocol): boolean => p === undefined || p === one || p === other;
  return {
    options: options, known: p, broken: [],
    characters: reads("iec62056-21", "dsmr-p1") ? makeScanner(limits.telegramBytesMax) : undefined,
    sealed: reads("dsmr-p1") ? makeSealed(limits.dlmsBytesMax) : undefined,
    sml: reads("sml") ? makeSml() : undefined,
    mbus: reads("mbus", "dlms") ? makeMbus() : undefined,
    dlms: reads("dlms") ? makeDlms(options.opener) : undefined,
  };
}

/** Takes what arrived; answers the readouts that it ended, in order. */
export function feed(r: Reader, bytes: Uint8Array): Readout[] {
  const out: Readout[] = [];
  for (let i = 0; i < bytes.length; i++) feedByte(r, bytes[i]!, out);
  return out;
}

/** No more bytes will come. Answers what was left, and, of a stream whose dialect was never sure, the likeliest. */
export function end(r: Reader): Readout[] {
  const out: Readout[] = [];
  take(r, telegram(r, r.characters === undefined ? undefined : endScan(r.characters)), out);
  take(r, r.sml === undefined ? undefined : endSml(r.sml), out);
  take(r, r.dlms === undefined ? undefined : endDlms(r.dlms), out);
  if (r.known === undefined && r.broken.length > 0) settle(r, likeliest(r.broken), out);
  return out;
}

function feedByte(r: Reader, byte: number, out: Readout[]): void {
  const k = r.known;
  if (r.characters !== undefined && (k === undefined || k === "iec62056-21" || k === "dsmr-p1")) take(r, telegram(r, scan(r.characters, byte)), out);
  if (r.sealed !== undefined && (k === undefined || k === "dsmr-p1")) sealedByte(r, byte, out);
  if (r.sml !== undefined && (k === undefined || k === "sml")) take(r, feedSml(r.sml, byte), out);
  if (r.mbus !== undefined && (k === undefined || k === "mbus" || k === "dlms")) mbusByte(r, byte, out);
  if (r.dlms !== undefined && (k === undefined || k === "dlms")) for (const readout of feedDlms(r.dlms, byte)) take(r, readout, out);
}

/** A telegram of characters is P1's or IEC 62056-21's by what it holds, or by what was asked for. */
function telegram(r: Reader, t: Telegram | undefined): Readout | undefined {
  if (t === undefined) return undefined;
  const p1 = r.options.protocol === undefined ? isP1(t) : r.options.protocol === "dsmr-p1";
  return p1 ? p1Readout(t) : iecReadout(t);
}

function sealedByte(r: Reader, byte: number, out: Readout[]): void {
  const message = feedSealed(r.sealed!, byte);
  if (message === undefined) return;
  const opened = openCiphered(message, r.options.opener);
  const quality: Quality = { check: "missing", parity: "unseen", problem: opened.problem };
  const none: Readout = { protocol: "dsmr-p1", identification: "", readings: [], quality: quality };
  if (opened.plain === undefined) {
    take(r, none, out);
    // A torn telegram may have swallowed the beginning of the next.
    if (opened.problem === "tag_wrong") for (let i = 1; i < message.length; i++) sealedByte(r, message[i]!, out);
    return;
  }
  const inner = makeScanner(limits.telegramBytesMax);
  let found: Telegram | undefined;
  for (let i = 0; i < opened.plain.length && found === undefined; i++) found = scan(inner, opened.plain[i]!);
  if (found === undefined) found = endScan(inner);
  const readout = found === undefined ? undefined : p1Readout(found);
  take(r, readout === undefined ? none : underTag(readout, opened.problem), out);
}

/** The tag vouches for every byte, also where the telegram's own CRC was left out; a wrong CRC under a right tag stays wrong. */
function underTag(readout: Readout, problem: Quality["problem"]): Readout {
  const own = readout.quality;
  const quality: Quality = { check: own.check === "missing" && own.problem === "" ? "ok" : own.check, parity: "covered", problem: own.problem === "" ? problem : own.problem };
  const readings = readout.readings.map((x) => ({ obis: x.obis, value: x.value, scaler: x.scaler, unit: x.unit, text: x.text, nth: x.nth, quality: quality }));
  return { protocol: readout.protocol, identification: readout.identification, readings: readings, quality: quality };
}

function mbusByte(r: Reader, byte: number, out: Readout[]): void {
  for (const frame of feedMbus(r.mbus!, byte)) {
    const piece = dlmsPart(frame);
    if (piece === undefined) { if (r.options.protocol !== "dlms") take(r, mbusReadout(frame), out); continue; }
    if (r.dlms === undefined) continue;
    if (piece.first) forget(r.dlms);
    take(r, part(r.dlms, piece.bytes, frame.fits, piece.last), out);
  }
}

/** A readout whose dialect is not known yet makes it known when it is right, or when it reads without a check; broken ones wait. */
function take(r: Reader, readout: Readout | undefined, out: Readout[]): void {
  if (readout === undefined) return;
  if (r.known !== undefined) { if (readout.protocol === r.known || charactersBoth(r, readout)) out.push(readout); return; }
  const q = readout.quality;
  const vouches = q.check === "ok" || (q.check === "missing" && q.problem === "" && readout.readings.length > 0);
  if (vouches) { settle(r, readout.protocol, out); out.push(readout); return; }
  r.broken.push(readout);
  if (r.broken.length > limits.brokenReadoutsMax) r.broken.shift();
}

/** Mode D and P1 may follow each other on one line: what is not asked for by name is told apart telegram by telegram. */
function charactersBoth(r: Reader, readout: Readout): boolean {
  const character = (p: Protocol | undefined): boolean => p === "iec62056-21" || p === "dsmr-p1";
  return r.options.protocol === undefined && character(r.known) && character(readout.protocol);
}

function settle(r: Reader, protocol: Protocol, out: Readout[]): void {
  r.known = protocol;
  for (const readout of r.broken) if (readout.protocol === protocol) out.push(readout);
  r.broken = [];
}

function likeliest(broken: readonly Readout[]): Protocol {
  let best = broken[0]!;
  for (const readout of broken) if (readout.readings.length > best.readings.length) best = readout;
  return best.protocol;
}
