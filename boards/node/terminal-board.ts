/**
 * A whole terminal on a Node machine, from settings to a running gate: ports, lights, journal and keys in a folder, first
 * contact by claim code, and the run loop. `kaisatsu terminal` and the venue are both made of these three steps.
 */
import { join } from "node:path";
import { makeClock, type NodeClock } from "./clock.js";
import { makeConsolePanel, makeConsoleRelay } from "./console.js";
import { openFileStore, type FileStore } from "./file-store.js";
import { openFirmata, type Pins } from "./firmata.js";
import { openKeys } from "./keys.js";
import { inflate, random } from "./machine.js";
import { makeMail } from "./mail.js";
import { postClaim } from "./network.js";
import { runTerminal, type Running, type Watch } from "./run.js";
import { openScanner } from "./scanner.js";
import { openSerial } from "./serial.js";
import type { Board } from "../../runtime/board.js";
import { flush } from "../../runtime/journal/journal.js";
import { readPage } from "../../runtime/journal/page.js";
import { readHeader, type FoundRecord } from "../../runtime/journal/record.js";
import type { BoardError, Store } from "../../runtime/journal/store.js";
import { report } from "../../runtime/keeping.js";
import { makeDesk } from "../../runtime/carry/desk.js";
import { carrying, makePost } from "../../runtime/carry/post.js";
import { openCharges, type Charges } from "../../runtime/charges/charges.js";
import { makeMeterPoint, supply, type MeterPoint } from "../../runtime/role/meter.js";
import type { Role } from "../../runtime/role/role.js";
import { openSetup } from "../../runtime/setup.js";
import { beginClaim, finishClaim } from "../../runtime/sync/claim.js";
import { makeSync } from "../../runtime/sync/sync.js";
import { makeTerminal, type Terminal, type TerminalEvent } from "../../runtime/terminal.js";
import { nodeCrypto as crypto } from "../../protocol/crypto/node/node.js";
import type { Medium } from "../../protocol/link/media.js";
import { limits } from "../../protocol/limits.js";
import { terminalRole } from "../../protocol/wire/certificate.js";
import { decodeEntry } from "../../protocol/wire/entry.js";

export interface NodeBoardSettings {
  name: string;
  /** Folder for journal, cells and keys; made when missing. */
  folder: string;
  link: { port: string; baud: number };
  scanner?: { port: string; baud: number } | undefined;
  /** Lights, relay and sensor. Without it the panel and the relay print lines by `write`. */
  firmata?: { port: string; pins: Pins } | undefined;
  write?: ((line: string) => void) | undefined;
}

/** A board and what belongs to this machine alone. `close` gives back every port and file. */
export interface NodeBoard extends Board { readonly clock: NodeClock; close(): void }

const journalPages = { pageBytes: 65_536, pages: 16 };
const cellPages = { pageBytes: 1 << 20, pages: 2 };

/** Opens everything that the settings name, or nothing: rejects with the `BoardError` of the first part that fails. */
export async function openNodeBoard(s: NodeBoardSettings): Promise<NodeBoard> {
  const opened: { close(): void }[] = [];
  const keep = <T extends { close(): void }>(part: T): T => { opened.push(part); return part; };
  const close = (): void => { for (const part of opened.reverse()) part.close(); opened.length = 0; };
  try {
    const store: FileStore = keep(openFileStore(join(s.folder, "journal"), journalPages));
    const cells: FileStore = keep(openFileStore(join(s.folder, "cells"), cellPages));
    const keys = openKeys(join(s.folder, "keys.json"), crypto);
    const link = keep(await openSerial(s.link.port, s.link.baud));
    const scanner = s.scanner === undefined ? undefined : keep(await openScanner(s.scanner.port, s.scanner.baud));
    const write = s.write ?? (() => undefined);
    const parts = s.firmata === undefined ? { panel: makeConsolePanel(write), relay: makeConsoleRelay(write), passage: undefined } : keep(await openFirmata(s.firmata.port, s.firmata.pins));
    return { name: s.name, link, scanner, relay: parts.relay, passage: parts.passage, panel: parts.panel, clock: makeClock(), random, keys, crypto, store, cells, inflate, close };
  } catch (error) {
    close();
    throw error;
  }
}

export const isEnrolled = (board: Board): boolean => openSetup(board).terminalId.length > 0;

/** First contact by claim code. `digits` are for people who compare both screens; `wrong` says why it was not enrolled. */
export async function enrolBoard(board: NodeBoard, host: string, code: string, model: string): Promise<{ digits: string } | { wrong: string }> {
  const claim = beginClaim(board, code, model, new Uint8Array(4));
  if (claim === undefined) return { wrong: "the claim code is mistyped: it has 20 letters and digits" };
  const answer = await postClaim(host, claim.bytes);
  if (answer === undefined) return { wrong: "the host did not take the claim code: it is used, over 24 hours old, or of another host" };
  return finishClaim(board, claim, answer);
}

/** Further ahead than this of what was signed, a record's time is a clock that somebody set wrongly (`trust.md` §2). */
const aheadMost = 400 * 86_400;

/** The latest time that has surely passed: of what the host signed, or of the newest record made by a set clock. */
function knownTime(board: NodeBoard, floor: number): number {
  let newest = { sequence: -1, at: 0 };
  for (const record of recordsOf(board.store)) {
    const entry = record.sequence > newest.sequence ? decodeEntry(record.payload) : undefined;
    if (entry !== undefined && "quality" in entry && entry.quality >= 2) newest = { sequence: record.sequence, at: entry.at };
  }
  return floor > 0 && newest.at > floor + aheadMost ? floor : Math.max(floor, newest.at);
}

/** All that can be read, in no order. A store that fails says so when the journal is opened. */
function recordsOf(store: Store): FoundRecord[] {
  const records: FoundRecord[] = [];
  try {
    for (let page = 0; page < store.pages; page++) {
      const header = readHeader(store, page);
      if (header !== undefined) records.push(...readPage(store, header).entries);
    }
  } catch (error) {
    if ((error as BoardError).kind === undefined) throw error;
  }
  return records;
}

export interface RunningTerminal {
  readonly terminal: Terminal; readonly running: Running;
  /** Of a meter or receiver: what it charges, and the relay that supplies. */
  readonly charges: Charges | undefined; readonly point: MeterPoint | undefined;
  /** Stops serving; everything written is durable afterwards. */
  stop(): void;
}

/** Pages of a meter's history: 400 daily records of 32 users are 2.7 MB (`test/runtime/history.test.ts`). */
export const historyPages = { pageBytes: 65_536, pages: 64 };

/**
 * Starts, or starts again, on what is durable. The board stays open when it is stopped. `host` empty: no network; then couriers
 * carry its letters. `history`: of a meter or receiver.
 */
export function startTerminal(board: NodeBoard, role: Role, medium: Medium, host: string, onEvent: (e: TerminalEvent) => void, watch: Watch = {}, history?: Store): RunningTerminal {
  const setup = openSetup(board);
  board.clock.atLeast(knownTime(board, setup.timeFloor));
  const terminal = makeTerminal(board, role, medium, setup);
  terminal.onEvent = onEvent;
  const sync = makeSync(terminal);
  sync.onTime = (at) => board.clock.set(at);
  const network = host !== "";
  const charges = history === undefined ? undefined : openCharges(board, setup, history);
  const point = charges === undefined ? undefined : makeMeterPoint(board, charges, 1);
  const post = makePost(crypto, limits.messageBytesMax, limits.envelopeBytesMax);
  // Nobody stands at a gate to wait for the host.
  terminal.besides = carrying(post, makeDesk(terminal, charges, network ? undefined : sync, network && role.number !== terminalRole.gate));
  const supplied = (): void => {
    if (charges !== undefined && charges.fault !== "") report(terminal, charges.fault);
    if (point !== undefined && role.number === terminalRole.meter) supply(point);
  };
  const mail = network ? makeMail(terminal, post, charges, host, supplied) : undefined;
  const running = runTerminal(terminal, network ? sync : undefined, host, { ...watch, turn: () => { supplied(); mail?.turn(); watch.turn?.(); } });
  return { terminal, running, charges, point, stop: () => { mail?.stop(); running.stop(); if (terminal.outOfService === "") flush(terminal.journal); } };
}
