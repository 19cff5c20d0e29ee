/**
 * What a board without signatures was given and keeps: its identity, the keys of its group by epoch, its configuration and
 * its status bits. It believes what stands in its own cells, because only what its host authenticated ever came there
 * (`sync/board-sync.ts`, `service.ts`).
 */
import type { Board } from "./board.js";
import { openCells, writeCell, type Cells } from "./journal/cells.js";
import { bytesOf, readNumbers, readStatus, type Kept } from "./kept.js";
import type { TerminalProfile } from "../protocol/session/profile.js";
import { decodeGroupKeys } from "../protocol/wire/group-keys.js";
import { decodeConfiguration } from "../protocol/wire/trust.js";

/** No amount limit by certificate: there is none; the configuration's holds. */
const noLimit = 4294967295;

/** Reads everything back; an empty `terminalId` is a blank board. */
export function openBoardSetup(board: Board, profiles: TerminalProfile[]): Kept {
  const cells = openCells(board.cells);
  const s: Kept = {
    cells: cells, terminalId: bytesOf(cells, "terminal"), certificate: undefined, group: undefined, configuration: undefined, configurationNumber: 0, listNumber: 0, statusBits: undefined,
    pulledAt: 0, timeFloor: 0, confirmed: 0, sequenceCeiling: 0, renewalCounter: 0, terminals: {}, profiles: () => (s.group === undefined ? [] : profiles), keysFor: () => [], textOf: () => "",
    certifiedMost: () => noLimit,
  };
  readGiven(s);
  readNumbers(s);
  readStatus(s);
  return s;
}

function readGiven(s: Kept): void {
  s.group = decodeGroupKeys(bytesOf(s.cells, "group"));
  s.configuration = decodeConfiguration(bytesOf(s.cells, "configuration"));
  if (s.configuration !== undefined) s.configurationNumber = s.configuration.number;
}

/** Claims and keys that the host authenticated, durable when this returns. Empty bytes are none. */
export function takeGiven(s: Kept, terminal: Uint8Array, configuration: Uint8Array, group: Uint8Array): void {
  keep(s.cells, "terminal", terminal);
  keep(s.cells, "configuration", configuration);
  keep(s.cells, "group", group);
  s.terminalId = bytesOf(s.cells, "terminal");
  readGiven(s);
}
function keep(cells: Cells, name: string, bytes: Uint8Array): void {
  if (bytes.length > 0) writeCell(cells, name, bytes);
}
