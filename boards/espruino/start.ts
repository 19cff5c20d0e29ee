/**
 * The firmware's own work: it takes the console off the line, makes a board of what the page names, opens what survived, and
 * then only calls the terminal when something happened or is due. A watchdog starts the board again if that ever ends.
 */
// First what is called most: an engine looks for names in the order in which they were given.
import "../../protocol/wire/cbor.js";
import { crypto } from "./crypto.js";
import { openFlash } from "./flash.js";
import { openLine } from "./line.js";
import { input, output, panel, type Lights } from "./pins.js";
import { openBoardSetup, takePackage } from "../../runtime/board-setup.js";
import type { Board } from "../../runtime/board.js";
import type { Store } from "../../runtime/journal/store.js";
import type { Role } from "../../runtime/role/role.js";
import { hearService, isService, makeService } from "../../runtime/service.js";
import { makeBooks } from "../../runtime/sync/board-books.js";
import { makeBoardSync } from "../../runtime/sync/board-sync.js";
import { makeTerminal, poll, takeSetup, type AnyTerminal } from "../../runtime/terminal.js";
import type { Medium } from "../../protocol/link/media.js";
import type { Ccm } from "../../protocol/crypto/ccm.js";
import { profileB } from "../../protocol/session/profile-b.js";
import { feature } from "../../protocol/wire/provision.js";

/** What differs from board to board. */
export interface Page {
  readonly name: string;
  readonly line: SerialPort;
  readonly medium: Medium;
  readonly relay: Pin;
  readonly relayOn: number;
  /** The passage sensor, if there is one. */
  readonly passage: Pin | undefined;
  readonly lights: Lights;
  /** Held at a start it opens the console for a new program; its level then. */
  readonly button: Pin;
  readonly pressed: number;
  /** Address of the data pages where files are not mapped to memory; else 0. */
  readonly dataAddress: number;
  /** Unforeseeable bytes; boards whose own source is `rand()` have none until one is given to them. */
  random(length: number): Uint8Array;
  /** Seals its letters; a board without AES only authenticates them. */
  readonly ccm: Ccm | undefined;
}

/** The hardware's own source, four bytes at a draw. */
export function hardwareRandom(length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  const words = new Uint32Array(bytes.buffer);
  for (let i = 0; i < words.length; i++) words[i] = E.hwRand();
  return bytes;
}

/** Longest without a look at the clock; the watchdog waits for many of these. */
const lookMs = 5000;
const watchdogSeconds = 30;

let terminal: AnyTerminal;
let timer = 0;
/** Signed time, and when it was said. */
let setAt = 0;
let setMs = 0;

/** Something happened or is due: look once, and come back in time. */
function look(): void {
  if (timer !== 0) clearTimeout(timer);
  E.kickWatchdog();
  const due = poll(terminal);
  const wait = due < 0 ? lookMs : Math.min(lookMs, Math.max(0, due - monotonicMs()));
  timer = setTimeout(look, wait);
}
/** Never from inside a call of the engine's. */
function lookSoon(): void {
  if (timer !== 0) clearTimeout(timer);
  timer = setTimeout(look, 0);
}
function monotonicMs(): number {
  return Math.floor(getTime() * 1000);
}
/** Counted on from the time that the host said last in this boot: signed within a day, then set. */
function utc(): { at: number; quality: 0 | 2 | 3 } {
  const passed = Math.floor((monotonicMs() - setMs) / 1000);
  return setAt === 0 ? { at: 0, quality: 0 } : { at: setAt + passed, quality: passed < 86400 ? 3 : 2 };
}
function onTime(at: number): void {
  setAt = at;
  setMs = monotonicMs();
}

/** Whoever holds the board in his hands may give it another program, but not its keys: they are erased before he gets a console. */
function reopen(page: Page, cells: Store): void {
  for (let i = 0; i < cells.pages; i++) cells.erase(i);
  page.line.setConsole();
}

/** Starts this board in its role. */
export function start(page: Page, role: Role): void {
  const flash = openFlash(page.dataAddress);
  page.button.mode(page.pressed === 1 ? "input_pulldown" : "input_pullup");
  if (page.button.read() === page.pressed) { reopen(page, flash.cells); return; }
  E.setConsole(null, { force: true });
  E.enableWatchdog(watchdogSeconds, false);
  const board = {
    name: page.name, link: openLine(page.line), scanner: undefined, relay: output(page.relay, page.relayOn),
    passage: page.passage === undefined ? undefined : input(page.passage, 1, lookSoon), panel: panel(page.lights),
    clock: { monotonicMs: monotonicMs, utc: utc }, random: { fill: page.random }, crypto: crypto, store: flash.store, cells: flash.cells,
  } as unknown as Board;
  board.link.onReadable = lookSoon;
  const setup = openBoardSetup(board, [profileB]);
  terminal = makeTerminal(board, role, page.medium, setup);
  const books = makeBooks(terminal, setup, onTime);
  const sync = () => makeBoardSync(crypto, page.ccm, books, setup.terminalId, setup.master, setup.generation, setup.sequenceCeiling);
  const service = makeService(crypto, {
    random: page.random, openConsole: () => page.line.setConsole(),
    install: (given) => {
      takePackage(setup, given);
      takeSetup(terminal);
      return sync();
    },
  }, {
    model: page.name + " gate", chip: E.toUint8Array(process.env.SERIAL), software: version, program: 0, features: (page.ccm === undefined ? 0 : feature.aes) | feature.random, terminal: setup.terminalId,
  }, setup.terminalId.length > 0 ? sync() : undefined);
  terminal.besides = (message) => (isService(message) ? hearService(service, message) : undefined);
  look();
}

const version = "0.1.0";
