/**
 * Charges at a terminal (U1, S3, S9): readings and services become signed records of the users that the plan names; results
 * of the host say what is paid. Sans-IO like everything here: the board reads its meter and calls, time comes in.
 *
 * What is owed is one subtraction, charged in all less paid in all, for postpaid as for prepaid, where it is what is left. A
 * result is numbered and says the whole, so one that comes twice, late or out of order changes nothing.
 */
import type { Board } from "../board.js";
import { readCell, writeCell } from "../journal/cells.js";
import type { Setup } from "../setup.js";
import { signersFor } from "../sync/trust.js";
import { hasRoom, keepRecord, openHistory, streamOf, type History, type Stream } from "./history.js";
import { addCost, changesPrice, costBetween, localTime } from "../../protocol/metering/tariff.js";
import { copy, equal, hex } from "../../protocol/wire/bytes.js";
import { encodeCharge, type ChargeRecord, type MeterRegister } from "../../protocol/wire/charge.js";
import { encodeSigned, keyId, objectToSign, openSigned } from "../../protocol/wire/signed.js";
import { decodePlan, decodeResult, mode, type MeterTariff, type Plan, type PlanUser, type Result } from "../../protocol/wire/statement.js";
import type { Store } from "../journal/store.js";

/** A meter as it was read last: billable registers alone. `by` as in a reading's record. */
export interface MeterReading { meter: number; serial: string; registers: MeterRegister[]; by: number }
export interface Time { at: number; quality: number }

export interface Charges {
  readonly board: Board;
  readonly setup: Setup;
  readonly history: History;
  plan: Plan | undefined;
  planBytes: Uint8Array;
  /** The newest reading of each meter and its time, not durable. */
  readings: { reading: MeterReading; time: Time }[];
  /** The last letter for the host of each user, and what it says: signatures differ each time, and couriers know a letter by its bytes. */
  sealed: Record<string, { name: Uint8Array; claims: Uint8Array; letter: Uint8Array }>;
  /** Users told in this boot of a register that went back. */
  warned: Record<string, boolean>;
  /** Why nothing is recorded any more, for the operator; empty while all is well. */
  fault: string;
  /** The history takes no more: the supply ends until it is settled. */
  full: boolean;
}

const none = new Uint8Array(0);
/** A user who asks is shown a fresh reading, but not more often than this. */
const freshSeconds = 600;

/** Reads back plan and history. */
export function openCharges(board: Board, setup: Setup, store: Store): Charges {
  const held = readCell(setup.cells, "plan");
  const c: Charges = { board: board, setup: setup, history: openHistory(store, board.crypto), plan: undefined, planBytes: none, readings: [], sealed: {}, warned: {}, fault: "", full: false };
  if (held !== undefined) holdPlan(c, held);
  return c;
}

// ---- plan ----------------------------------------------------------------------------------------------------------------------------

/** A plan of the configuration key for this terminal, newer than the one held; durable when this returns true. */
export function takePlan(c: Charges, bytes: Uint8Array): boolean {
  const before = c.plan === undefined ? 0 : c.plan.number;
  const plan = genuinePlan(c, bytes);
  if (plan === undefined || plan.number <= before) return false;
  writeCell(c.setup.cells, "plan", bytes);
  holdPlan(c, bytes);
  return true;
}
function genuinePlan(c: Charges, bytes: Uint8Array): Plan | undefined {
  const claims = openSigned(c.board.crypto, bytes, "plan", signersFor(c.setup.trust, "configuration"));
  const plan = claims === undefined ? undefined : decodePlan(claims);
  return plan !== undefined && plan.subject === hex(c.setup.terminalId) ? plan : undefined;
}
function holdPlan(c: Charges, bytes: Uint8Array): void {
  const plan = genuinePlan(c, bytes);
  if (plan === undefined) return;
  c.plan = plan;
  c.planBytes = bytes;
}

export function planUser(c: Charges, user: Uint8Array): PlanUser | undefined {
  for (const u of c.plan === undefined ? [] : c.plan.users) if (equal(u.user, user)) return u;
  return undefined;
}
function tariffOf(c: Charges, u: PlanUser): MeterTariff | undefined {
  for (const t of c.plan === undefined ? [] : c.plan.tariffs) if (t.id === u.tariff) return t;
  return undefined;
}

// ---- records --------------------------------------------------------------------------------------------------------------------------

/** What all records of a stream begin with, the running total raised by so many millionths. */
function common(c: Charges, s: Stream, time: Time, millionths: number): { user: Uint8Array; sequence: number; previous: Uint8Array; at: number; quality: number; plan: number; total: number; rest: number } {
  const sum = addCost(s.total, s.rest, millionths);
  return {
    user: s.user, sequence: s.next, previous: s.head, at: time.at, quality: time.quality, plan: c.plan === undefined ? 0 : c.plan.number, total: sum.total, rest: sum.rest,
  };
}

/** Signs and keeps; false without a key or without room. */
function keep(c: Charges, x: ChargeRecord): boolean {
  if (c.fault !== "") return false;
  if (!hasRoom(c.history, x.what)) { c.full = true; return false; }
  const own = c.board.keys.publicKey("signing");
  const kid = own === undefined ? none : keyId(c.board.crypto, own);
  const claims = encodeCharge(x);
  const signature = own === undefined ? undefined : c.board.keys.sign("signing", objectToSign("record", kid, claims));
  if (signature === undefined) return false;
  c.full = !keepRecord(c.history, x, encodeSigned("record", kid, claims, signature, false));
  return !c.full;
}

/**
 * A billable reading of a meter. A record is made for each of its users where one is due: the meter is another one, the day
 * or the price has changed since the last record, or what was used since has taken all the credit that was left.
 */
export function takeReading(c: Charges, reading: MeterReading, time: Time): void {
  c.readings = c.readings.filter((x) => x.reading.meter !== reading.meter);
  c.readings.push({ reading: reading, time: time });
  for (const u of c.plan === undefined ? [] : c.plan.users) if (u.meter === reading.meter) readFor(c, u, reading, time, false);
}

function readFor(c: Charges, u: PlanUser, reading: MeterReading, time: Time, force: boolean): boolean {
  const s = streamOf(c.history, u.user);
  const t = tariffOf(c, u);
  if (s.fittedSequence === 0 || s.serial !== reading.serial || s.meter !== reading.meter) return fit(c, s, reading, time);
  const cost = t === undefined ? undefined : costBetween(t, u.share, s.registers, reading.registers, s.readAt, s.readQuality);
  if (t !== undefined && cost === undefined) return wentBack(c, u.user, time);
  if (t === undefined || cost === undefined) return false;
  const credit = creditOf(c, u.user);
  const isSpent = credit > 0 && addCost(0, s.rest, cost).total >= credit;
  if (!isDue(t, s, reading, time, force) && !isSpent) return false;
  const x = common(c, s, time, cost);
  return keep(c, { what: "reading", user: x.user, sequence: x.sequence, previous: x.previous, at: x.at, quality: x.quality, plan: x.plan, total: x.total, rest: x.rest, meter: reading.meter, registers: reading.registers, by: reading.by });
}

/** Said once in each boot: a meter that stays behind its own past would fill the history. */
function wentBack(c: Charges, user: Uint8Array, time: Time): boolean {
  if (c.warned[hex(user)] === true) return false;
  c.warned[hex(user)] = true;
  return noteTamper(c, user, "register went back", time);
}

function isDue(t: MeterTariff, s: Stream, reading: MeterReading, time: Time, force: boolean): boolean {
  const sameDay = localTime(time.at, t.offsetMinutes).day === localTime(s.readAt, t.offsetMinutes).day;
  if (!sameDay || changesPrice(t, reading.registers, s.readAt, time.at)) return true;
  return force && changed(s.registers, reading.registers);
}
function changed(before: readonly MeterRegister[], after: readonly MeterRegister[]): boolean {
  if (before.length !== after.length) return true;
  for (let i = 0; i < after.length; i++) if (before[i]!.value !== after[i]!.value || !equal(before[i]!.obis, after[i]!.obis)) return true;
  return false;
}

/** The first meter of a user, or another in its place: what the old one showed last, and where the new one begins. */
function fit(c: Charges, s: Stream, reading: MeterReading, time: Time): boolean {
  const x = common(c, s, time, 0);
  return keep(c, {
    what: "fitted", user: x.user, sequence: x.sequence, previous: x.previous, at: x.at, quality: x.quality, plan: x.plan, total: x.total, rest: x.rest,
    meter: reading.meter, serial: reading.serial, closing: s.registers, opening: reading.registers,
  });
}

/** A programme or service with a price of its own (S3). False for a user whom the plan does not name, without credit, or without room. */
export function addService(c: Charges, user: Uint8Array, name: string, amount: number, time: Time): boolean {
  if (planUser(c, user) === undefined || creditOf(c, user) < amount) return false;
  const x = common(c, streamOf(c.history, user), time, amount * 1000000);
  return keep(c, { what: "service", user: x.user, sequence: x.sequence, previous: x.previous, at: x.at, quality: x.quality, plan: x.plan, total: x.total, rest: x.rest, name: name, amount: amount });
}

/** Signs of tampering stand in the user's own chain, where neither he nor anybody else can take them out. */
export function noteTamper(c: Charges, user: Uint8Array, sign: string, time: Time): boolean {
  const x = common(c, streamOf(c.history, user), time, 0);
  return keep(c, { what: "tamper", user: x.user, sequence: x.sequence, previous: x.previous, at: x.at, quality: x.quality, plan: x.plan, total: x.total, rest: x.rest, sign: sign });
}

/** A fresh record for a user who asks what he owes, if his meter went on since the last. */
export function refreshFor(c: Charges, user: Uint8Array): void {
  const u = planUser(c, user);
  const s = streamOf(c.history, user);
  for (const x of c.readings) {
    const isFresh = u !== undefined && u.meter === x.reading.meter && x.time.at - s.readAt >= freshSeconds && changed(s.registers, x.reading.registers);
    if (isFresh) readFor(c, u!, x.reading, x.time, true);
  }
}

// ---- results ----------------------------------------------------------------------------------------------------------------------------

/**
 * Takes a result that the host's sender key signed for this terminal. A higher number than the last is recorded, durably, and
 * counts; any other changes nothing. True when it is known here now, newly or before.
 */
export function takeResult(c: Charges, bytes: Uint8Array, time: Time): boolean {
  const claims = openSigned(c.board.crypto, bytes, "result", signersFor(c.setup.trust, "sender"));
  const x = claims === undefined ? undefined : decodeResult(claims);
  if (x === undefined || !equal(x.terminal, c.setup.terminalId)) return false;
  const s = streamOf(c.history, x.user);
  // Records that the host has and this history lacks: other ones under their numbers would look like two boxes.
  if (x.stated >= s.next) { c.fault = "The history of this meter is shorter than what the host has confirmed: it was cut or exchanged, call the operator."; return false; }
  // How far the host is may go back, when it was restored from a backup; what is paid never does.
  if (x.number > s.seen) { s.seen = x.number; s.stated = x.stated; } else if (x.number === s.seen) s.stated = Math.max(s.stated, x.stated);
  const isNews = x.number > s.number && x.paid >= s.paid && x.settled >= s.through && (x.paid > s.paid || x.settled > s.through);
  return !isNews || applyResult(c, s, x, time);
}
function applyResult(c: Charges, s: Stream, r: Result, time: Time): boolean {
  const x = common(c, s, time, 0);
  return keep(c, { what: "paid", user: x.user, sequence: x.sequence, previous: x.previous, at: x.at, quality: x.quality, plan: x.plan, total: x.total, rest: x.rest, number: r.number, through: r.settled, paid: r.paid });
}

// ---- supply -----------------------------------------------------------------------------------------------------------------------------

/** Whole minor units that this user owes; below zero: what is left of an allowance. */
export function owedBy(c: Charges, user: Uint8Array): number {
  const s = streamOf(c.history, user);
  return s.total - s.paid;
}

/** What this user may still consume before his supply ends, minor units. */
export function creditOf(c: Charges, user: Uint8Array): number {
  const u = planUser(c, user);
  if (u === undefined || c.full || c.fault !== "") return 0;
  if (u.mode === mode.prepaid) return Math.max(0, -owedBy(c, user));
  return u.limit === 0 ? 2147483647 : Math.max(0, u.limit - owedBy(c, user));
}

/** 1 while anybody whom this meter serves may consume: one relay cannot tell its users apart. A terminal without a plan supplies nobody. */
export function supplyOf(c: Charges, meter: number): 0 | 1 {
  for (const u of c.plan === undefined ? [] : c.plan.users) if (u.meter === meter && creditOf(c, u.user) > 0) return 1;
  return 0;
}

/** The certificates `[kid, claims, signature]` of this terminal, for whoever checks its signatures. */
export function certificateBytes(c: Charges): Uint8Array {
  const held = readCell(c.setup.cells, "certificate");
  return held === undefined ? none : copy(held, 0, held.length);
}
