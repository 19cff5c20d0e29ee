/**
 * What a board without signatures was given and keeps: its identity, the master key that it shares with the host, its group's
 * keys by epoch, its configuration and its status bits. It believes what stands in its own cells, because only what its host
 * authenticated ever came there (`service.ts`, `sync/board-books.ts`). Everything is durable before it is used.
 */
import type { Board } from "./board.js";
import { openCells, writeCell } from "./journal/cells.js";
import { bytesOf, keepNumbers, raiseFloor, readNumbers, readStatus, type Kept } from "./kept.js";
import type { TerminalProfile } from "../protocol/session/profile.js";
import { decodeGroupKeys, encodeGroupKeys, type GroupKeyPackage } from "../protocol/wire/group-keys.js";
import { done, finish, readArray, readBytes, readUint, reader, writeArray, writeBytes, writeInt, writer } from "../protocol/wire/cbor.js";
import type { BoardPackage } from "../protocol/wire/provision.js";
import { decodeConfiguration } from "../protocol/wire/trust.js";

export interface BoardSetup extends Kept {
  /** Empty on a blank board. */
  master: Uint8Array;
  generation: number;
  /** The group's epoch of now, as the host said last; 0: this board is not believed any more. */
  epoch: number;
  /** Keys of the previous, the present and the next epoch, as far as they were given. */
  groups: (GroupKeyPackage | undefined)[];
}

/** No amount limit by certificate: there is none; the configuration's holds. */
const noLimit = 4294967295;
/** Epochs whose keys are kept, each in a cell of its own. */
const epochsKept = 3;
const cellOf = (epoch: number): string => "group" + (epoch % epochsKept);

/** Reads everything back; an empty `terminalId` is a blank board. */
export function openBoardSetup(board: Board, profiles: TerminalProfile[]): BoardSetup {
  const s: BoardSetup = {
    cells: openCells(board.cells), terminalId: new Uint8Array(0), certificate: undefined, group: undefined, configuration: undefined, configurationNumber: 0, listNumber: 0, statusBits: undefined,
    pulledAt: 0, timeFloor: 0, confirmed: 0, sequenceCeiling: 0, renewalCounter: 0, terminals: {}, profiles: () => profiles, keysFor: () => [], textOf: () => "",
    certifiedMost: () => noLimit, master: new Uint8Array(0), generation: 0, epoch: 0, groups: [],
  };
  s.terminalId = bytesOf(s.cells, "terminal");
  for (let i = 0; i < epochsKept; i++) s.groups[i] = decodeGroupKeys(bytesOf(s.cells, cellOf(i)));
  s.configuration = decodeConfiguration(bytesOf(s.cells, "configuration"));
  s.configurationNumber = s.configuration === undefined ? 0 : s.configuration.number;
  const r = reader(bytesOf(s.cells, "master"));
  readArray(r, 3);
  const held = { generation: readUint(r), epoch: readUint(r), master: readBytes(r, 32) };
  if (done(r)) { s.generation = held.generation; s.epoch = held.epoch; s.master = held.master; }
  s.group = s.groups[s.epoch % epochsKept];
  readNumbers(s);
  readStatus(s);
  return s;
}

/** Master and epoch in one cell, so that a cut never leaves the one without the other. */
export function keepMaster(s: BoardSetup, generation: number, master: Uint8Array, epoch: number): void {
  const w = writer();
  writeArray(w, 3); writeInt(w, generation); writeInt(w, epoch); writeBytes(w, master);
  writeCell(s.cells, "master", finish(w));
  s.generation = generation;
  s.master = master;
  s.epoch = epoch;
  const group = s.groups[epoch % epochsKept];
  s.group = group !== undefined && group.epoch === epoch ? group : undefined;
}

/** Keys of one epoch take the place of those three epochs before. */
export function keepGroup(s: BoardSetup, keys: GroupKeyPackage): void {
  writeCell(s.cells, cellOf(keys.epoch), encodeGroupKeys(keys));
  s.groups[keys.epoch % epochsKept] = keys;
}

/** A configuration with a higher number than the one held; true when it was taken. */
export function keepConfiguration(s: BoardSetup, claims: Uint8Array): boolean {
  const x = decodeConfiguration(claims);
  if (x === undefined || x.number <= s.configurationNumber) return false;
  writeCell(s.cells, "configuration", claims);
  s.configuration = x;
  s.configurationNumber = x.number;
  return true;
}

/** A blank board's first keys (`provision.ts`): who it is comes last, so that until then it is blank. The first group is the present one. */
export function takePackage(s: BoardSetup, x: BoardPackage): void {
  for (const keys of x.groups) keepGroup(s, keys);
  keepConfiguration(s, x.configuration);
  raiseFloor(s, x.at);
  s.pulledAt = x.at;
  keepNumbers(s);
  keepMaster(s, x.generation, x.master, x.groups.length > 0 ? x.groups[0]!.epoch : 0);
  writeCell(s.cells, "terminal", x.terminal);
  s.terminalId = x.terminal;
}
