/**
 * What a terminal states, what the host answers, and by which tariffs both reckon (`design.md` §7): three signed objects
 * beside the records themselves.
 *
 * A *statement* is a range of one user's records, under the terminal's signature: for its user, who can check it, and for the
 * host, who settles it. A *result* says through which record the host has it, and what is paid in all; it is numbered, and
 * only a higher number counts, so it may come twice, late and by several roads. A *plan* names the users of a terminal, who
 * may read for them, and the tariffs.
 */
import { done, fail, finish, readArray, readBool, readBytes, readInt, readMap, readText, readUint, reader, writeArray, writeBool, writeBytes, writeInt, writeMap, writeText, writer, type Reader, type Writer } from "./cbor.js";
import { readList, readOne, readOptional, writeAll, writeOptional } from "./lists.js";
import { label, privateLabel } from "./value.js";
import { limits } from "../limits.js";

/** `first` … : records that follow each other, each signed; none where nothing is new. `number`, `through`, `paid`: the result that this terminal goes by. */
export interface Statement {
  /** 8 bytes each; a terminal without users states for eight zeros, to be given a plan. */
  terminal: Uint8Array;
  user: Uint8Array;
  first: number;
  records: Uint8Array[];
  number: number;
  through: number;
  paid: number;
  plan: number;
  at: number;
  quality: number;
}
export function encodeStatement(s: Statement): Uint8Array {
  const w = writer();
  writeArray(w, 10);
  writeBytes(w, s.terminal); writeBytes(w, s.user); writeInt(w, s.first); writeAll(w, s.records); writeInt(w, s.number); writeInt(w, s.through); writeInt(w, s.paid);
  writeInt(w, s.plan); writeInt(w, s.at); writeInt(w, s.quality);
  return finish(w);
}
export function decodeStatement(claims: Uint8Array): Statement | undefined {
  const r = reader(claims);
  readArray(r, 10);
  const s = {
    terminal: readBytes(r, 8), user: readBytes(r, 8), first: readUint(r), records: readList(r, readOne), number: readUint(r), through: readUint(r), paid: readUint(r),
    plan: readUint(r), at: readUint(r), quality: readUint(r),
  };
  if (s.first < 1 || s.quality > 3) fail(r);
  return done(r) ? s : undefined;
}

/** The host has this user's records through `stated`; they are settled through `settled`; `paid` minor units in all, allowance bought included. */
export interface Result { terminal: Uint8Array; user: Uint8Array; number: number; stated: number; settled: number; paid: number; at: number }
export function encodeResult(x: Result): Uint8Array {
  const w = writer();
  writeArray(w, 7);
  writeBytes(w, x.terminal); writeBytes(w, x.user); writeInt(w, x.number); writeInt(w, x.stated); writeInt(w, x.settled); writeInt(w, x.paid); writeInt(w, x.at);
  return finish(w);
}
export function decodeResult(claims: Uint8Array): Result | undefined {
  const r = reader(claims);
  readArray(r, 7);
  const x = { terminal: readBytes(r, 8), user: readBytes(r, 8), number: readUint(r), stated: readUint(r), settled: readUint(r), paid: readUint(r), at: readUint(r) };
  if (x.settled > x.stated) fail(r);
  return done(r) ? x : undefined;
}

// ---- plan -------------------------------------------------------------------------------------------------------------------------

/**
 * One price. It holds for one register (C, D and E of its OBIS code as one number: 1.8.0 the energy taken in all, 1.8.1 … by a
 * meter's own tariffs, 24.2.1 gas), in these months (bit 0 January), on these days of the week (bit 0 Monday), from minute to minute of the day; the first that fits.
 * `price`: millionths of a minor unit for a thousandth of the unit, so 30,250 a watt hour are 30.25 cents a kilowatt hour.
 */
export interface Band { register: number; months: number; days: number; fromMinute: number; toMinute: number; price: number }
/** `offsetMinutes`: local time less UTC, the same in summer and winter, so that no hour comes twice. */
export interface MeterTariff { id: number; offsetMinutes: number; bands: Band[] }
export const mode = { postpaid: 0, prepaid: 1 } as const;
/** `handsets`: signing and agreement keys of those who may read for this user. `limit`: most that a postpaid user may owe before the supply opens; 0: no bound. */
export interface PlanUser {
  user: Uint8Array; mode: number; meter: number; tariff: number;
  /** Part of the meter's consumption, basis points. */
  share: number;
  limit: number;
  handsets: { signingKey: Uint8Array; agreementKey: Uint8Array }[];
}
export interface Plan { issuer: string; subject: string; issuedAt: number; number: number; currency: number; users: PlanUser[]; tariffs: MeterTariff[] }

export function encodePlan(p: Plan): Uint8Array {
  const w = writer();
  writeMap(w, 4);
  writeInt(w, 1); writeText(w, p.issuer);
  writeInt(w, 2); writeText(w, p.subject);
  writeInt(w, 6); writeInt(w, p.issuedAt);
  writeInt(w, privateLabel); writeMap(w, 4);
  writeInt(w, 1); writeInt(w, p.number);
  writeInt(w, 2); writeInt(w, p.currency);
  writeInt(w, 3); writeArray(w, p.users.length);
  for (const u of p.users) writeUser(w, u);
  writeInt(w, 4); writeArray(w, p.tariffs.length);
  for (const t of p.tariffs) writeTariff(w, t);
  return finish(w);
}
function writeUser(w: Writer, u: PlanUser): void {
  writeArray(w, 7);
  writeBytes(w, u.user); writeInt(w, u.mode); writeInt(w, u.meter); writeInt(w, u.tariff); writeInt(w, u.share); writeInt(w, u.limit);
  writeArray(w, u.handsets.length);
  for (const h of u.handsets) { writeArray(w, 2); writeBytes(w, h.signingKey); writeBytes(w, h.agreementKey); }
}
function writeTariff(w: Writer, t: MeterTariff): void {
  writeArray(w, 3);
  writeInt(w, t.id); writeInt(w, t.offsetMinutes); writeArray(w, t.bands.length);
  for (const b of t.bands) { writeArray(w, 6); for (const n of [b.register, b.months, b.days, b.fromMinute, b.toMinute, b.price]) writeInt(w, n); }
}

export function decodePlan(claims: Uint8Array): Plan | undefined {
  const r = reader(claims);
  const p = {} as Plan;
  if (readMap(r) !== 4) fail(r);
  label(r, 1); p.issuer = readText(r);
  label(r, 2); p.subject = readText(r);
  label(r, 6); p.issuedAt = readUint(r);
  label(r, privateLabel); if (readMap(r) !== 4) fail(r);
  label(r, 1); p.number = readUint(r);
  label(r, 2); p.currency = readUint(r);
  label(r, 3); p.users = readList(r, readUser);
  label(r, 4); p.tariffs = readList(r, readTariff);
  if (p.users.length > limits.meterUsersMax) fail(r);
  return done(r) ? p : undefined;
}
function readUser(r: Reader): PlanUser {
  readArray(r, 7);
  const u = { user: readBytes(r, 8), mode: readUint(r), meter: readUint(r), tariff: readUint(r), share: readUint(r), limit: readUint(r), handsets: readList(r, readHandset) };
  if (u.mode > 1 || u.share > 10000) fail(r);
  return u;
}
function readHandset(r: Reader): { signingKey: Uint8Array; agreementKey: Uint8Array } {
  readArray(r, 2);
  return { signingKey: readBytes(r, 33), agreementKey: readBytes(r, 33) };
}
function readTariff(r: Reader): MeterTariff {
  readArray(r, 3);
  const t = { id: readUint(r), offsetMinutes: readInt(r), bands: readList(r, readBand) };
  if (t.offsetMinutes < -1440 || t.offsetMinutes > 1440) fail(r);
  return t;
}
function readBand(r: Reader): Band {
  readArray(r, 6);
  const b = { register: readUint(r), months: readUint(r), days: readUint(r), fromMinute: readUint(r), toMinute: readUint(r), price: readUint(r) };
  if (b.register > 16777215 || b.months > 4095 || b.days > 127 || b.fromMinute > 1440 || b.toMinute > 1440 || b.price > 1000000000) fail(r);
  return b;
}

// ---- what stands in paired letters ---------------------------------------------------------------------------------------------------

/** Host → terminal: results, and the plan when it is newer than the one the statement named. */
export interface Settled { results: Uint8Array[]; plan: Uint8Array }
export function encodeSettled(x: Settled): Uint8Array {
  const w = writer();
  writeArray(w, 2); writeAll(w, x.results); writeOptional(w, x.plan);
  return finish(w);
}
export function decodeSettled(text: Uint8Array): Settled | undefined {
  const r = reader(text);
  readArray(r, 2);
  const x = { results: readList(r, readOne), plan: readOptional(r) };
  return done(r) ? x : undefined;
}

/** Handset → terminal: my records from this number on, and where `ocmf` also as signed OCMF. `nonce` makes each request a letter of its own. */
export interface StatementAsk { from: number; nonce: Uint8Array; ocmf: boolean }
export function encodeStatementAsk(x: StatementAsk): Uint8Array {
  const w = writer();
  writeArray(w, 3); writeInt(w, x.from); writeBytes(w, x.nonce); writeBool(w, x.ocmf);
  return finish(w);
}
export function decodeStatementAsk(text: Uint8Array): StatementAsk | undefined {
  const r = reader(text);
  readArray(r, 3);
  const x = { from: readUint(r), nonce: readBytes(r, 8), ocmf: readBool(r) };
  if (x.from < 1) fail(r);
  return done(r) ? x : undefined;
}

/** Terminal → handset, and a file for `kaisatsu verify`: the signed statement, every certificate that its signatures need, and OCMF, or an empty text. */
export interface ShownStatement { statement: Uint8Array; certificates: Uint8Array[]; ocmf: string }
export function encodeShownStatement(x: ShownStatement): Uint8Array {
  const w = writer();
  writeArray(w, 3); writeBytes(w, x.statement); writeAll(w, x.certificates); writeText(w, x.ocmf);
  return finish(w);
}
export function decodeShownStatement(text: Uint8Array): ShownStatement | undefined {
  const r = reader(text);
  readArray(r, 3);
  const x = { statement: readBytes(r), certificates: readList(r, readOne), ocmf: readText(r) };
  return done(r) ? x : undefined;
}
