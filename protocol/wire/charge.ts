/**
 * One record of what a user owes at a terminal (U1, S3): a reading of a meter, a programme seen, what was paid, and what
 * happened to the meter. A user's records at a terminal are a chain: each has its number without a gap, the digest of the
 * one before, and the running total after it, so that none can be dropped, exchanged or read alone as something else.
 *
 * A record is complete in itself and signed by the terminal (COSE_Sign1, type `ks-rec`): whoever has it, and the terminal's
 * certificate, can check it for ever, without the terminal and without the host.
 */
import type { Crypto } from "../crypto/crypto.js";
import { copy } from "./bytes.js";
import { done, fail, finish, readArray, readBytes, readInt, readText, readUint, reader, writeArray, writeBytes, writeInt, writeText, writer, type Reader, type Writer } from "./cbor.js";
import { limits } from "../limits.js";

/** One register: OBIS in six bytes, value × 10^scaler in a DLMS unit (30 watt hour, 13 cubic metre …). */
export interface MeterRegister { obis: Uint8Array; value: number; scaler: number; unit: number }

interface Common {
  /** 8 bytes: what the host calls this user at this terminal, and nowhere else. */
  user: Uint8Array;
  sequence: number;
  /** First 16 bytes of SHA-256 of the signed record before; zeros at the first. */
  previous: Uint8Array;
  at: number;
  quality: number;
  /** Number of the plan whose tariffs were in force. */
  plan: number;
  /** Charged so far, whole minor units, and millionths of one beyond. */
  total: number;
  rest: number;
}
/** A meter was fitted, or took the place of another: its number here, its own serial, where the old one ended and this one began. */
export interface FittedRecord extends Common { what: "fitted"; meter: number; serial: string; closing: MeterRegister[]; opening: MeterRegister[] }
/** `by`: what stood beside the checks of the telegram: 1 the sum rule, 2 a second readout, 3 pulses counted by the terminal itself. */
export interface ReadingRecord extends Common { what: "reading"; meter: number; registers: MeterRegister[]; by: number }
/** A programme, a service: something with a price of its own. */
export interface ServiceRecord extends Common { what: "service"; name: string; amount: number }
/** The host's result `number` was applied: settled through a sequence, so much paid in all. */
export interface PaidRecord extends Common { what: "paid"; number: number; through: number; paid: number }
/** Cover opened, magnet, the meter's own alarm words. */
export interface TamperRecord extends Common { what: "tamper"; sign: string }

export type ChargeRecord = FittedRecord | ReadingRecord | ServiceRecord | PaidRecord | TamperRecord;

const number = { fitted: 1, reading: 2, service: 3, paid: 4, tamper: 5 } as const;
/** Names and signs, in characters: a serial has at most 16, a programme's title fits a handset's line. */
const textMax = 64;

export function encodeCharge(x: ChargeRecord): Uint8Array {
  const w = writer();
  writeArray(w, 9 + (x.what === "fitted" ? 4 : x.what === "reading" || x.what === "paid" ? 3 : x.what === "service" ? 2 : 1));
  writeInt(w, number[x.what]); writeBytes(w, x.user); writeInt(w, x.sequence); writeBytes(w, x.previous); writeInt(w, x.at); writeInt(w, x.quality);
  writeInt(w, x.plan); writeInt(w, x.total); writeInt(w, x.rest);
  switch (x.what) {
    case "fitted": writeInt(w, x.meter); writeText(w, x.serial); writeRegisters(w, x.closing); writeRegisters(w, x.opening); break;
    case "reading": writeInt(w, x.meter); writeRegisters(w, x.registers); writeInt(w, x.by); break;
    case "service": writeText(w, x.name); writeInt(w, x.amount); break;
    case "paid": writeInt(w, x.number); writeInt(w, x.through); writeInt(w, x.paid); break;
    case "tamper": writeText(w, x.sign); break;
  }
  return finish(w);
}

export function decodeCharge(claims: Uint8Array): ChargeRecord | undefined {
  const r = reader(claims);
  const items = readArray(r);
  const what = readUint(r);
  const c = {
    user: readBytes(r, 8), sequence: readUint(r), previous: readBytes(r, 16), at: readUint(r), quality: readUint(r), plan: readUint(r), total: readUint(r), rest: readUint(r),
  };
  if (c.sequence < 1 || c.quality > 3 || c.rest > 999999) fail(r);
  let x: ChargeRecord | undefined;
  let expected = 0;
  switch (what) {
    case number.fitted:
      expected = 13;
      x = { what: "fitted", user: c.user, sequence: c.sequence, previous: c.previous, at: c.at, quality: c.quality, plan: c.plan, total: c.total, rest: c.rest, meter: readUint(r), serial: readName(r), closing: readRegisters(r, 0), opening: readRegisters(r, 0) };
      break;
    case number.reading:
      expected = 12;
      x = { what: "reading", user: c.user, sequence: c.sequence, previous: c.previous, at: c.at, quality: c.quality, plan: c.plan, total: c.total, rest: c.rest, meter: readUint(r), registers: readRegisters(r, 1), by: readUint(r) };
      if (x.by < 1 || x.by > 3) fail(r);
      break;
    case number.service:
      expected = 11;
      x = { what: "service", user: c.user, sequence: c.sequence, previous: c.previous, at: c.at, quality: c.quality, plan: c.plan, total: c.total, rest: c.rest, name: readName(r), amount: readUint(r) };
      break;
    case number.paid:
      expected = 12;
      x = { what: "paid", user: c.user, sequence: c.sequence, previous: c.previous, at: c.at, quality: c.quality, plan: c.plan, total: c.total, rest: c.rest, number: readUint(r), through: readUint(r), paid: readUint(r) };
      break;
    case number.tamper:
      expected = 10;
      x = { what: "tamper", user: c.user, sequence: c.sequence, previous: c.previous, at: c.at, quality: c.quality, plan: c.plan, total: c.total, rest: c.rest, sign: readName(r) };
      break;
  }
  if (items !== expected) fail(r);
  return done(r) ? x : undefined;
}

function readName(r: Reader): string {
  const text = readText(r);
  if (text.length < 1 || text.length > textMax) fail(r);
  return text;
}

export function writeRegisters(w: Writer, registers: readonly MeterRegister[]): void {
  writeArray(w, registers.length);
  for (const x of registers) { writeArray(w, 4); writeBytes(w, x.obis); writeInt(w, x.value); writeInt(w, x.scaler); writeInt(w, x.unit); }
}
export function readRegisters(r: Reader, least: number): MeterRegister[] {
  const count = readArray(r);
  const registers: MeterRegister[] = [];
  if (count < least || count > limits.registersMax) fail(r);
  for (let i = 0; i < count && !r.bad; i++) {
    readArray(r, 4);
    const x = { obis: readBytes(r, 6), value: readUint(r), scaler: readInt(r), unit: readUint(r) };
    if (x.scaler < -9 || x.scaler > 9) fail(r);
    registers.push(x);
  }
  return registers;
}

/** What the next record names as the one before. */
export function chargeDigest(crypto: Crypto, signed: Uint8Array): Uint8Array {
  return copy(crypto.sha256(signed), 0, 16);
}
