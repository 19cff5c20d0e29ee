/**
 * What a terminal was given and must not lose or take back: its identity, whom it trusts, certificate, configuration,
 * status list, and the numbers that only rise. All of it lives in cells and is written before it is used
 * (`trust.md` §2, anti-rollback).
 */
import type { Board } from "./board.js";
import { openCells, readCell, roomForCell, writeCell, type Cells } from "./journal/cells.js";
import type { Role } from "./role/role.js";
import { decodeTrust, encodeTrust, makeTrust, providerKeys, signersFor, takeObject, type Trust } from "./sync/trust.js";
import type { Crypto } from "../protocol/crypto/crypto.js";
import { limits } from "../protocol/limits.js";
import type { HeldCertificate, KnownTerminal, Ladder } from "../protocol/session/book.js";
import type { TakingLimits, VerifierSettings } from "../protocol/session/events.js";
import { profileA } from "../protocol/session/profile-a.js";
import { profileB } from "../protocol/session/profile-b.js";
import type { GroupKeys } from "../protocol/session/transcript.js";
import { copy, equal, hex } from "../protocol/wire/bytes.js";
import { certificateId, decodeTerminalCertificate, terminalToSign, type SignedClaims } from "../protocol/wire/certificate.js";
import { done, finish, readArray, readBytes, readUint, reader, writeArray, writeBytes, writeInt, writer } from "../protocol/wire/cbor.js";
import { decodeSigned, openSigned } from "../protocol/wire/signed.js";
import { decodeGroupKeys, encodeGroupKeys } from "../protocol/wire/group-keys.js";
import { decodeSignedClaims } from "../protocol/wire/sync.js";
import { readList } from "../protocol/wire/lists.js";
import { applyDelta, bitsDigest, decodeConfiguration, decodeStatusDelta, decodeStatusList, type Configuration } from "../protocol/wire/trust.js";

export interface Setup {
  readonly cells: Cells;
  readonly crypto: Crypto;
  trust: Trust;
  /** Empty until the terminal is enrolled. */
  terminalId: Uint8Array;
  certificate: HeldCertificate | undefined;
  group: GroupKeys | undefined;
  configuration: Configuration | undefined;
  /** Highest number of a configuration ever held: also when the key that signed it is no longer believed. */
  configurationNumber: number;
  /** Number of the status list held, 0 for none, and its unpacked bits. */
  listNumber: number;
  statusBits: Uint8Array | undefined;
  /** When the host last said that configuration and list are the newest: UTC seconds. */
  pulledAt: number;
  /** Latest time that is surely past. */
  timeFloor: number;
  /** Journal entries up to here are confirmed by the host. */
  confirmed: number;
  /** Envelope numbers up to here may be in use. */
  sequenceCeiling: number;
  renewalCounter: number;
  /** Terminals of the same operator by certificate id and by terminal id, this one's older certificates included. */
  terminals: Record<string, KnownTerminal>;
  terminalsNumber: number;
  /** Signed objects that contradict each other, for the host; and those told in this boot. */
  incidents: { what: string; first: Uint8Array; second: Uint8Array }[];
  contradictions: Uint8Array[];
}

const noBytes = new Uint8Array(0);
/** Without clock only objects this far above the floor are taken at once. */
const floorJumpSeconds = 400 * 86400;

/** Reads everything back. A terminal that was never enrolled has an empty `terminalId`. */
export function openSetup(board: Board): Setup {
  const cells = openCells(board.cells);
  const crypto = board.crypto;
  const trust = readCell(cells, "trust");
  const s: Setup = {
    cells: cells, crypto: crypto, trust: orEmpty(crypto, trust === undefined ? undefined : decodeTrust(crypto, trust)), terminalId: bytesOf(cells, "terminal"), certificate: undefined,
    group: undefined, configuration: undefined, configurationNumber: 0, listNumber: 0, statusBits: undefined, pulledAt: 0, timeFloor: 0, confirmed: 0, sequenceCeiling: 0, renewalCounter: 0, terminals: {},
    terminalsNumber: 0, incidents: [], contradictions: [],
  };
  const certificate = decodeSignedClaims(bytesOf(cells, "certificate"));
  if (certificate !== undefined) holdCertificate(s, certificate);
  const configuration = openSigned(crypto, bytesOf(cells, "configuration"), "configuration", signersFor(s.trust, "configuration"));
  if (configuration !== undefined) s.configuration = decodeConfiguration(configuration);
  s.configurationNumber = numberIn(bytesOf(cells, "configuration"));
  s.group = decodeGroupKeys(bytesOf(cells, "group"));
  readNumbers(s);
  readStatus(s);
  readTerminals(s);
  return s;
}

function numberIn(configuration: Uint8Array): number {
  const signed = decodeSigned(configuration);
  const x = signed === undefined ? undefined : decodeConfiguration(signed.claims);
  return x === undefined ? 0 : x.number;
}

function bytesOf(cells: Cells, name: string): Uint8Array {
  const bytes = readCell(cells, name);
  return bytes === undefined ? noBytes : bytes;
}

function orEmpty(crypto: Crypto, trust: Trust | undefined): Trust {
  return trust === undefined ? makeTrust(crypto, "", new Uint8Array(33), new Uint8Array(33)) : trust;
}

function readNumbers(s: Setup): void {
  const r = reader(bytesOf(s.cells, "numbers"));
  readArray(r, 5);
  const numbers = [readUint(r), readUint(r), readUint(r), readUint(r), readUint(r)];
  if (!done(r)) return;
  s.pulledAt = numbers[0]!; s.timeFloor = numbers[1]!; s.confirmed = numbers[2]!; s.sequenceCeiling = numbers[3]!; s.renewalCounter = numbers[4]!;
}

/** Writes the numbers that only rise. */
export function keepNumbers(s: Setup): void {
  const w = writer();
  writeArray(w, 5);
  for (const n of [s.pulledAt, s.timeFloor, s.confirmed, s.sequenceCeiling, s.renewalCounter]) writeInt(w, n);
  writeCell(s.cells, "numbers", finish(w));
}

function readStatus(s: Setup): void {
  const r = reader(bytesOf(s.cells, "status"));
  readArray(r, 2);
  const number = readUint(r);
  const bits = readBytes(r);
  if (!done(r)) return;
  s.listNumber = number;
  s.statusBits = bits;
}
/** False when this machine has no room for it: then the list held stays, and grows old. */
function keepStatus(s: Setup, number: number, bits: Uint8Array): boolean {
  const w = writer();
  writeArray(w, 2); writeInt(w, number); writeBytes(w, bits);
  const kept = finish(w);
  if (!roomForCell(s.cells, "status", kept.length)) return false;
  writeCell(s.cells, "status", kept);
  s.listNumber = number;
  s.statusBits = bits;
  return true;
}

function readTerminals(s: Setup): void {
  const r = reader(bytesOf(s.cells, "terminals"));
  readArray(r, 2);
  const number = readUint(r);
  const list = readList(r, (from) => readBytes(from));
  if (!done(r)) return;
  s.terminalsNumber = number;
  for (const bytes of list) learnTerminal(s, bytes);
}

// ---- what the host gives ----------------------------------------------------------------------------------------------

/** Everything of the first contact at once (`trust.md` §3), durable when this returns. False when it does not agree with itself. */
export function enrol(s: Setup, provider: string, root: Uint8Array, spareRoot: Uint8Array, roles: readonly Uint8Array[], terminalId: Uint8Array, certificate: Uint8Array): boolean {
  const trust = makeTrust(s.crypto, provider, root, spareRoot);
  for (const role of roles) takeObject(trust, role);
  const before = s.trust;
  s.trust = trust;
  const signed = decodeSignedClaims(certificate);
  if (signed === undefined || !isGenuine(s, signed) || !equal(decodeTerminalCertificate(signed.claims)!.terminalId, terminalId)) { s.trust = before; return false; }
  writeCell(s.cells, "trust", encodeTrust(trust));
  writeCell(s.cells, "terminal", terminalId);
  s.terminalId = terminalId;
  return takeCertificate(s, certificate);
}

export function takeRoles(s: Setup, objects: readonly Uint8Array[]): void {
  let changed = false;
  for (const object of objects) if (takeObject(s.trust, object)) changed = true;
  if (changed) writeCell(s.cells, "trust", encodeTrust(s.trust));
}

function isGenuine(s: Setup, signed: SignedClaims): boolean {
  const decoded = decodeTerminalCertificate(signed.claims);
  if (decoded === undefined) return false;
  return providerKeys(s.trust, "certificates").some((key) => equal(key.kid, signed.kid) && s.crypto.verify(key.publicKey, terminalToSign(signed.kid, signed.claims), signed.signature));
}

/** A certificate of our own, for keys that we hold; a shorter-lived one than the present never replaces it. */
export function takeCertificate(s: Setup, bytes: Uint8Array): boolean {
  const signed = decodeSignedClaims(bytes);
  const decoded = signed === undefined ? undefined : decodeTerminalCertificate(signed.claims);
  if (signed === undefined || decoded === undefined || !isGenuine(s, signed) || !equal(decoded.terminalId, s.terminalId)) return false;
  if (s.certificate !== undefined && decoded.expires < s.certificate.decoded.expires) return false;
  writeCell(s.cells, "certificate", bytes);
  holdCertificate(s, signed);
  keepTerminals(s, [bytes], s.terminalsNumber);
  return true;
}

function holdCertificate(s: Setup, signed: SignedClaims): void {
  const decoded = decodeTerminalCertificate(signed.claims);
  if (decoded !== undefined) s.certificate = { signed: signed, decoded: decoded };
}

/** Lower: ignored. Equal and different: ignored and an incident, both kept. Higher: taken. True when this one is held now. */
export function takeConfiguration(s: Setup, bytes: Uint8Array): boolean {
  const claims = openSigned(s.crypto, bytes, "configuration", signersFor(s.trust, "configuration"));
  const x = claims === undefined ? undefined : decodeConfiguration(claims);
  if (x === undefined || x.subject !== hex(s.terminalId)) return false;
  if (x.number < s.configurationNumber) return false;
  if (x.number === s.configurationNumber) return holdsAlready(s, bytes, claims!);
  writeCell(s.cells, "configuration", bytes);
  s.configuration = x;
  s.configurationNumber = x.number;
  return true;
}

/** The same signed once more is the same. Another configuration with the number of the one held is a lie of somebody who has the key; each is told once a boot. */
function holdsAlready(s: Setup, bytes: Uint8Array, claims: Uint8Array): boolean {
  const held = bytesOf(s.cells, "configuration");
  const signed = decodeSigned(held);
  if (signed !== undefined && equal(signed.claims, claims)) return true;
  if (s.contradictions.length >= contradictionsMax || s.contradictions.some((known) => equal(known, claims))) return false;
  s.contradictions.push(copy(claims, 0, claims.length));
  s.incidents.push({ what: "two configurations with one number", first: held, second: bytes });
  return false;
}
const contradictionsMax = 16;

/** Name of the one status list of values. */
export const valuesList = "values";

/** A whole list. `inflate` unpacks zlib; a list below the least number of the configuration is not taken. */
export function takeList(s: Setup, bytes: Uint8Array, inflate: (packed: Uint8Array, most: number) => Uint8Array | undefined): boolean {
  const claims = openSigned(s.crypto, bytes, "status", signersFor(s.trust, "status"));
  const list = claims === undefined ? undefined : decodeStatusList(claims);
  if (list === undefined || list.list !== valuesList || list.number <= s.listNumber || list.number < leastNumber(s)) return false;
  const bits = inflate(list.packed, limits.statusListBytesMax);
  return bits !== undefined && keepStatus(s, list.number, bits);
}

function leastNumber(s: Setup): number {
  const lists = s.configuration === undefined ? [] : s.configuration.lists;
  for (const l of lists) if (l.list === valuesList) return l.number;
  return 0;
}

/** A change to exactly the list held; otherwise the list stays and a whole one is asked for. */
export function takeDelta(s: Setup, bytes: Uint8Array): boolean {
  const claims = openSigned(s.crypto, bytes, "status-delta", signersFor(s.trust, "status"));
  const delta = claims === undefined ? undefined : decodeStatusDelta(claims);
  if (delta === undefined || delta.list !== valuesList || s.statusBits === undefined) return false;
  if (delta.appliesTo !== s.listNumber || delta.number <= s.listNumber) return false;
  for (const indices of [delta.revoked, delta.valid, delta.suspended]) if (indices.length > 0 && indices[indices.length - 1]! >= limits.statusListBytesMax * 4) return false;
  const bits = applyDelta(s.crypto, s.statusBits, delta);
  return bits !== undefined && keepStatus(s, delta.number, bits);
}

export function listDigest(s: Setup): Uint8Array {
  return s.statusBits === undefined ? new Uint8Array(8) : bitsDigest(s.crypto, s.statusBits);
}

/** Not so far above the floor that it must wait for more than one word (`trust.md` §2). */
export function isPlausible(s: Setup, at: number): boolean {
  return s.timeFloor === 0 || at < s.timeFloor + floorJumpSeconds;
}

/** A time that surely has passed; false for one that is not believed. */
export function raiseFloor(s: Setup, at: number): boolean {
  if (!isPlausible(s, at)) return false;
  if (at > s.timeFloor) s.timeFloor = at;
  return true;
}

/** Certificates `[kid, claims, signature]` of terminals of the same operator, so that their receipts can be checked. */
export function keepTerminals(s: Setup, certificates: readonly Uint8Array[], number: number): void {
  const all = keptTerminals(s);
  for (const bytes of certificates) if (learnTerminal(s, bytes) && !all.some((known) => equal(known, bytes))) all.push(bytes);
  while (all.length > terminalsMax) all.shift();
  let kept = encodeTerminals(number, all);
  while (all.length > 0 && !roomForCell(s.cells, "terminals", kept.length)) { all.shift(); kept = encodeTerminals(number, all); }
  writeCell(s.cells, "terminals", kept);
  s.terminalsNumber = number;
}
function keptTerminals(s: Setup): Uint8Array[] {
  const r = reader(bytesOf(s.cells, "terminals"));
  readArray(r, 2);
  readUint(r);
  const kept = readList(r, (from) => readBytes(from));
  return done(r) ? kept : [];
}
/** One of them by its id, as it was signed. */
export function keptCertificate(s: Setup, id: Uint8Array): Uint8Array | undefined {
  for (const bytes of keptTerminals(s)) {
    const signed = decodeSignedClaims(bytes);
    if (signed !== undefined && equal(certificateId(s.crypto, signed.claims), id)) return bytes;
  }
  return undefined;
}
function encodeTerminals(number: number, certificates: readonly Uint8Array[]): Uint8Array {
  const w = writer();
  writeArray(w, 2); writeInt(w, number); writeArray(w, certificates.length);
  for (const bytes of certificates) writeBytes(w, bytes);
  return finish(w);
}
const terminalsMax = 512;

function learnTerminal(s: Setup, bytes: Uint8Array): boolean {
  const signed = decodeSignedClaims(bytes);
  if (signed === undefined || !isGenuine(s, signed)) return false;
  const decoded = decodeTerminalCertificate(signed.claims)!;
  const own = equal(decoded.terminalId, s.terminalId);
  s.terminals[hex(certificateId(s.crypto, signed.claims))] = { own: own, certificate: decoded };
  if (own) s.terminals[hex(decoded.terminalId)] = { own: true, certificate: decoded };
  return true;
}

export function takeGroup(s: Setup, bytes: Uint8Array): boolean {
  const keys = decodeGroupKeys(bytes);
  if (keys === undefined) return false;
  writeCell(s.cells, "group", encodeGroupKeys(keys));
  s.group = keys;
  return true;
}

// ---- what the verifier works by -----------------------------------------------------------------------------------------

/** `trust.md` §2: the age of what the host last confirmed. Without a set clock never better than *offline*. */
export function ladderAt(s: Setup, at: number, quality: number): Ladder {
  const c = s.configuration;
  if (c === undefined || s.pulledAt === 0) return "closed";
  if (quality === 0) return "offline";
  const age = at - s.pulledAt;
  if (age <= c.freshSeconds && quality >= 2) return "fresh";
  if (age <= c.offlineSeconds) return "offline";
  return age <= c.reducedSeconds ? "reduced" : "closed";
}

function takingOf(s: Setup): TakingLimits {
  const c = s.configuration;
  return { useMost: mostForOneUse(s), usesADay: c === undefined ? 0 : c.usesADay, boxADay: c === undefined ? 0 : c.boxADay };
}

/** The lower of certificate and configuration, in minor units; nothing where either is missing. */
export function mostForOneUse(s: Setup): number {
  if (s.configuration === undefined || s.certificate === undefined) return 0;
  return Math.min(s.configuration.useMost.amount, s.certificate.decoded.most);
}

const nothingWanted = { action: 1, kinds: ["none"], amount: 1, currency: undefined };

export function settingsOf(s: Setup, role: Role, board: Board): VerifierSettings {
  const c = s.configuration;
  return {
    role: role.number, certificate: s.certificate, terminalId: s.terminalId, group: s.group, profiles: s.group === undefined ? [profileA] : [profileA, profileB],
    oneWay: board.scanner !== undefined, want: nothingWanted, taking: takingOf(s), zones: c === undefined ? [] : c.zones, valueKeys: providerKeys(s.trust, "values"),
    certificateKeys: providerKeys(s.trust, "certificates"), hasSensor: role.hasSensor(board), resumeSeconds: c === undefined ? limits.resumeSeconds : c.resumeSeconds,
    reopen: c === undefined ? 0 : c.reopen, passageMs: c === undefined ? limits.passageMs : c.passageMs, pendingMax: limits.pendingMax,
  };
}

