/**
 * What a terminal was given under signatures and must not lose or take back: whom it trusts, certificate, configuration,
 * status list. All of it lives in cells and is written before it is used (`trust.md` §2, anti-rollback).
 */
import type { Board } from "./board.js";
import { openCells, readCell, roomForCell, writeCell } from "./journal/cells.js";
import { bytesOf, keepStatus, readNumbers, readStatus, type Kept } from "./kept.js";
import { decodeTrust, encodeTrust, makeTrust, providerKeys, signersFor, takeObject, type Trust } from "./sync/trust.js";
import type { Crypto } from "../protocol/crypto/crypto.js";
import { limits } from "../protocol/limits.js";
import { refusals } from "../protocol/refusal.js";
import { profileA } from "../protocol/session/profile-a.js";
import { profileB } from "../protocol/session/profile-b.js";
import { copy, equal, hex } from "../protocol/wire/bytes.js";
import { certificateId, decodeTerminalCertificate, terminalToSign, type SignedClaims } from "../protocol/wire/certificate.js";
import { done, finish, readArray, readBytes, readUint, reader, writeArray, writeBytes, writeInt, writer } from "../protocol/wire/cbor.js";
import { decodeSigned, openSigned } from "../protocol/wire/signed.js";
import { decodeGroupKeys, encodeGroupKeys } from "../protocol/wire/group-keys.js";
import { decodeSignedClaims } from "../protocol/wire/sync.js";
import { readList } from "../protocol/wire/lists.js";
import { applyDelta, bitsDigest, decodeConfiguration, decodeStatusDelta, decodeStatusList } from "../protocol/wire/trust.js";

export interface Setup extends Kept {
  readonly crypto: Crypto;
  trust: Trust;
  terminalsNumber: number;
  /** Signed objects that contradict each other, for the host; and those told in this boot. */
  incidents: { what: string; first: Uint8Array; second: Uint8Array }[];
  contradictions: Uint8Array[];
}

/** Reads everything back. A terminal that was never enrolled has an empty `terminalId`. */
export function openSetup(board: Board): Setup {
  const cells = openCells(board.cells);
  const crypto = board.crypto;
  const trust = readCell(cells, "trust");
  const s: Setup = {
    cells: cells, crypto: crypto, trust: orEmpty(crypto, trust === undefined ? undefined : decodeTrust(crypto, trust)), terminalId: bytesOf(cells, "terminal"), certificate: undefined,
    group: undefined, configuration: undefined, configurationNumber: 0, listNumber: 0, statusBits: undefined, pulledAt: 0, timeFloor: 0, confirmed: 0, sequenceCeiling: 0, renewalCounter: 0, terminals: {},
    terminalsNumber: 0, incidents: [], contradictions: [],
    profiles: () => (s.group === undefined ? [profileA] : [profileA, profileB]), keysFor: (role) => providerKeys(s.trust, role),
    certifiedMost: () => (s.certificate === undefined ? 0 : s.certificate.decoded.most), textOf: (code) => refusals[code]!.english,
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

function orEmpty(crypto: Crypto, trust: Trust | undefined): Trust {
  return trust === undefined ? makeTrust(crypto, "", new Uint8Array(33), new Uint8Array(33)) : trust;
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

/** This terminal's certificates, the newest last: what it signed under older ones must stay provable. */
export function ownCertificates(s: Setup): { bytes: Uint8Array; claims: Uint8Array }[] {
  const r = reader(bytesOf(s.cells, "terminals"));
  readArray(r, 2);
  readUint(r);
  const own: { bytes: Uint8Array; claims: Uint8Array }[] = [];
  for (const bytes of readList(r, (from) => readBytes(from))) {
    const signed = decodeSignedClaims(bytes);
    const decoded = signed === undefined ? undefined : decodeTerminalCertificate(signed.claims);
    if (signed !== undefined && decoded !== undefined && equal(decoded.terminalId, s.terminalId)) own.push({ bytes: bytes, claims: signed.claims });
  }
  return own;
}

export function takeGroup(s: Setup, bytes: Uint8Array): boolean {
  const keys = decodeGroupKeys(bytes);
  if (keys === undefined) return false;
  // An epoch never goes back, and the same again is not written again.
  if (s.group !== undefined && s.group.group === keys.group && s.group.epoch >= keys.epoch) return s.group.epoch === keys.epoch;
  writeCell(s.cells, "group", encodeGroupKeys(keys));
  s.group = keys;
  return true;
}
