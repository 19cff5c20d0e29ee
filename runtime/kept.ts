/**
 * What every terminal keeps in its cells whatever its profile: its identity, the numbers that only rise, its status bits, and
 * what the verifier works by. How such things are believed differs: by signatures (`setup.ts`) or, on a board without
 * them, by the MACs of its own host (`board-setup.ts`).
 */
import type { Board } from "./board.js";
import { readCell, roomForCell, writeCell, type Cells } from "./journal/cells.js";
import type { Role } from "./role/role.js";
import { limits } from "../protocol/limits.js";
import type { HeldCertificate, KnownTerminal, Ladder, ProviderKey } from "../protocol/session/book.js";
import type { TakingLimits, VerifierSettings } from "../protocol/session/events.js";
import type { TerminalProfile } from "../protocol/session/profile.js";
import type { GroupKeys } from "../protocol/session/transcript.js";
import { done, finish, readArray, readBytes, readUint, reader, writeArray, writeBytes, writeInt, writer } from "../protocol/wire/cbor.js";
import type { Configuration } from "../protocol/wire/trust.js";

export interface Kept {
  readonly cells: Cells;
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
  /** What a display says to a code; empty for 0, and where there is no display. */
  textOf(code: number): string;
  /** Most for one use by the certificate; what a board without one is given is limited by its configuration alone. */
  certifiedMost(): number;
  /** What is spoken here, the one that leads a hello first. */
  profiles(): TerminalProfile[];
  /** The provider's keys that are believed now. */
  keysFor(role: "values" | "certificates"): ProviderKey[];
}

const noBytes = new Uint8Array(0);
/** Without clock only objects this far above the floor are taken at once. */
const floorJumpSeconds = 400 * 86400;

export function bytesOf(cells: Cells, name: string): Uint8Array {
  const bytes = readCell(cells, name);
  return bytes === undefined ? noBytes : bytes;
}

export function readNumbers(s: Kept): void {
  const r = reader(bytesOf(s.cells, "numbers"));
  readArray(r, 5);
  const numbers = [readUint(r), readUint(r), readUint(r), readUint(r), readUint(r)];
  if (!done(r)) return;
  s.pulledAt = numbers[0]!; s.timeFloor = numbers[1]!; s.confirmed = numbers[2]!; s.sequenceCeiling = numbers[3]!; s.renewalCounter = numbers[4]!;
}

/** Writes the numbers that only rise. */
export function keepNumbers(s: Kept): void {
  const w = writer();
  writeArray(w, 5);
  for (const n of [s.pulledAt, s.timeFloor, s.confirmed, s.sequenceCeiling, s.renewalCounter]) writeInt(w, n);
  writeCell(s.cells, "numbers", finish(w));
}

export function readStatus(s: Kept): void {
  const r = reader(bytesOf(s.cells, "status"));
  readArray(r, 2);
  const number = readUint(r);
  const bits = readBytes(r);
  if (!done(r)) return;
  s.listNumber = number;
  s.statusBits = bits;
}
/** False when this machine has no room for it: then the list held stays, and grows old. */
export function keepStatus(s: Kept, number: number, bits: Uint8Array): boolean {
  const w = writer();
  writeArray(w, 2); writeInt(w, number); writeBytes(w, bits);
  const kept = finish(w);
  if (!roomForCell(s.cells, "status", kept.length)) return false;
  writeCell(s.cells, "status", kept);
  s.listNumber = number;
  s.statusBits = bits;
  return true;
}

/** Not so far above the floor that it must wait for more than one word (`trust.md` §2). */
export function isPlausible(s: Kept, at: number): boolean {
  return s.timeFloor === 0 || at < s.timeFloor + floorJumpSeconds;
}

/** A time that surely has passed; false for one that is not believed. */
export function raiseFloor(s: Kept, at: number): boolean {
  if (!isPlausible(s, at)) return false;
  if (at > s.timeFloor) s.timeFloor = at;
  return true;
}

// ---- what the verifier works by -----------------------------------------------------------------------------------------

/** `trust.md` §2: the age of what the host last confirmed. Without a set clock never better than *offline*. */
export function ladderAt(s: Kept, at: number, quality: number): Ladder {
  const c = s.configuration;
  if (c === undefined || s.pulledAt === 0) return "closed";
  if (quality === 0) return "offline";
  const age = at - s.pulledAt;
  if (age <= c.freshSeconds && quality >= 2) return "fresh";
  if (age <= c.offlineSeconds) return "offline";
  return age <= c.reducedSeconds ? "reduced" : "closed";
}

function takingOf(s: Kept): TakingLimits {
  const c = s.configuration;
  return { useMost: mostForOneUse(s), usesADay: c === undefined ? 0 : c.usesADay, boxADay: c === undefined ? 0 : c.boxADay };
}

/** The lower of certificate and configuration, in minor units; nothing where either is missing. */
export function mostForOneUse(s: Kept): number {
  return s.configuration === undefined ? 0 : Math.min(s.configuration.useMost.amount, s.certifiedMost());
}

const nothingWanted = { action: 1, kinds: ["none"], amount: 1, currency: undefined };

export function settingsOf(s: Kept, role: Role, board: Board): VerifierSettings {
  const c = s.configuration;
  return {
    role: role.number, certificate: s.certificate, terminalId: s.terminalId, group: s.group, profiles: s.profiles(),
    oneWay: board.scanner !== undefined, want: nothingWanted, taking: takingOf(s), zones: c === undefined ? [] : c.zones, valueKeys: s.keysFor("values"),
    certificateKeys: s.keysFor("certificates"), hasSensor: role.hasSensor(board), resumeSeconds: c === undefined ? limits.resumeSeconds : c.resumeSeconds,
    reopen: c === undefined ? 0 : c.reopen, passageMs: c === undefined ? limits.passageMs : c.passageMs, pendingMax: limits.pendingMax,
  };
}
