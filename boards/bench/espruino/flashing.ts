/**
 * From a file to a board that answers as what it now is: find its console, or ask a blank board's firmware for it, upload, start,
 * and hear from the firmware itself who it is. Keys on a board are never overwritten from here: its button is held first.
 */
import { crc32 } from "node:zlib";
import { benchLine, type BenchLine } from "./bench-line.js";
import type { Model } from "./models.js";
import { openConsole, upload, type Console } from "./upload.js";
import { openSerial } from "../../node/serial.js";
import type { Serial } from "../../../runtime/board.js";
import { boardFault, type BoardError } from "../../../runtime/journal/store.js";
import { media, type Medium } from "../../../protocol/link/media.js";
import { decodeBoard, encodeIntroduce, introducing, type BoardIdentity } from "../../../protocol/wire/provision.js";

/** The console of an nRF52 on plain wires begins at 9,600 baud; on USB and Bluetooth the rate means nothing. */
const consoleBauds = [115_200, 9600];
export const firmwareBaud = 115_200;
const firmwareWithinMs = 2000;
/** The program begins a tenth of a second after it was asked for, and reads its pages first. */
const startMs = 600;

export const mediumOf = (model: Model): Medium => (model.line === "Bluetooth" ? media.ble : media.serial);

export interface Flashed { readonly bytes: number; readonly crc: number; readonly engine: string; readonly board: BoardIdentity }

/** Throws a `BoardError` that says what happened and what to do. `told` hears of each step, and how far the upload is. */
export async function flashBoard(port: string, model: Model, code: Uint8Array, told: (step: string, part: number) => void): Promise<Flashed> {
  const uploaded = await withConsole(port, model, told, (console) => {
    told("writing", 0);
    return upload(console, model, code, (written) => told("writing", written / code.length));
  });
  told("starting", 1);
  // Its console is there until the firmware takes it: knocking now would be typing.
  await new Promise((resume) => { setTimeout(resume, startMs); });
  const board = await whoIsThere(port, model, 5);
  if (board === undefined) throw boardFault("timed_out", `The program is on the board and its check sum is right, but it does not answer on ${port}: is it built for this board and this line? Hold the button at a start to get its console back.`);
  // A firmware that does not tell its check sum says 0; what is in flash was checked before it ran.
  if (board.program !== 0 && board.program !== crc32(code)) throw boardFault("broken", "The board answers, but with another program than the one that was written: switch it off and on, and try again.");
  return { ...uploaded, board };
}

/** Asks the firmware on this line who it is; undefined when it does not answer. */
export async function whoIsThere(port: string, model: Model, tries: number): Promise<BoardIdentity | undefined> {
  return await withLine(port, model, async (line) => {
    for (let i = 0; i < tries; i++) if ((await line.knock(firmwareWithinMs)) !== undefined) return await introduced(line, introducing.identity);
    return undefined;
  });
}

export async function introduced(line: BenchLine, what: number): Promise<BoardIdentity | undefined> {
  const said = await line.ask(encodeIntroduce(what));
  return said === undefined ? undefined : decodeBoard(said);
}

export async function withLine<T>(port: string, model: Model, work: (line: BenchLine) => Promise<T>): Promise<T> {
  return await withPort(port, firmwareBaud, async (serial) => {
    const line = benchLine(serial, mediumOf(model));
    try { return await work(line); } finally { line.close(); }
  });
}

async function withPort<T>(port: string, baud: number, work: (serial: Serial) => Promise<T>): Promise<T> {
  const serial = await reopen(port, baud);
  let broken: ((error: unknown) => void) | undefined;
  const gone = new Promise<never>((_resolve, reject) => { broken = reject; });
  gone.catch(() => undefined);
  serial.onClose = (error) => broken?.(error);
  try { return await Promise.race([work(serial), gone]); } finally { serial.close(); }
}

/** A port that we closed a moment ago may still be locked by ourselves. */
async function reopen(port: string, baud: number): Promise<Serial> {
  for (let tries = 0; ; tries++) {
    try {
      return await openSerial(port, baud);
    } catch (error) {
      if ((error as BoardError).kind !== "busy" || tries === 10) throw error;
      await new Promise((resume) => { setTimeout(resume, 50); });
    }
  }
}

/** The console as it is, or after the firmware of a blank board gave it; at the rates where it may be. */
async function withConsole<T>(port: string, model: Model, told: (step: string, part: number) => void, work: (console: Console) => Promise<T>): Promise<T> {
  told("looking for the console", 0);
  for (const attempt of [0, 1]) {
    for (const baud of consoleBauds) {
      const done = await withPort(port, baud, async (serial) => {
        const console = await openConsole(serial);
        if (console === undefined) return undefined;
        try { return { answer: await work(console) }; } finally { console.close(); }
      });
      if (done !== undefined) return done.answer;
    }
    if (attempt === 0) await askForConsole(port, model);
  }
  throw boardFault("timed_out", `Nothing answers on ${port}: is the board plugged in, is it this port, and does no other program use it? Hold its button while you plug it in, then try again.`);
}

/** A board with keys gives no console: who holds its button at a start opens it, and the keys are erased first. */
async function askForConsole(port: string, model: Model): Promise<void> {
  const board = await withLine(port, model, async (line) => ((await line.knock(firmwareWithinMs)) === undefined ? undefined : await introduced(line, introducing.console)));
  if (board !== undefined && board.terminal.length > 0) {
    throw boardFault("denied", `This board has keys: it is terminal ${Buffer.from(board.terminal).toString("hex")}, and its console is closed. To put another program on it, hold its button while it starts; that erases its keys, so retire it at the host first.`);
  }
}
