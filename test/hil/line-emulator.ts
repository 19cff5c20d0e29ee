/**
 * A program of its own: the line between a terminal and a handset, and a Firmata board. It paces bytes as a wire of its baud
 * does, echoes them to their sender as light does, cuts, garbles and loses them, and breaks off at a message it is told. One
 * end may be a real port instead of a pseudo-terminal. Started by `emulator.ts`, which it hears and tells by messages.
 */
import { makeFirmataBoard } from "../../boards/bench/firmata-board.js";
import { openPty, type Pty } from "../../boards/bench/pty.js";
import { openSerial } from "../../boards/node/serial.js";
import { deframer, feed, type Wrapping } from "../../protocol/link/frame.js";
import { media } from "../../protocol/link/media.js";
import { messageType } from "../../protocol/wire/message.js";

/** What goes wrong. `noise`, `flips` and `lost` are chances a byte; `tear` loses everything from that message on, both ways, until the faults are set anew. */
export interface Faults { noise?: number; flips?: number; lost?: number; tear?: { from: Way; type: number } }
export interface Settings {
  baud: number; /** By name: functions do not go to another process. */ medium: keyof typeof media; seed: number;
  /** Whoever sends hears himself too. */
  echo?: boolean;
  /** Bytes come in pieces of so many, each after a gap, as notifications do. */
  pieces?: { bytes: number; gapMs: number };
  /** The terminal's end is this real port. */
  port?: string;
  /** Everything carried is also given out at a third port, where a monitor may listen. */
  tapPoint?: boolean;
}
export type Way = "terminal" | "handset";
export type Told =
  | { is: "line"; terminal: string; handset: string; tapPoint: string | undefined }
  | { is: "board"; path: string }
  | { is: "failed"; message: string }
  | { is: "set" }
  | { is: "faulted"; count: number }
  | { is: "relay"; level: 0 | 1 };
export type Order = { do: "line"; settings: Settings } | { do: "board"; relay: number; passage: number } | { do: "faults"; faults: Faults } | { do: "walk"; walks: boolean };

interface End { readonly path: string; write(bytes: Uint8Array): void; onBytes: ((bytes: Uint8Array) => void) | undefined }

const tell = (told: Told): void => { process.send!(told); };
let faults: Faults = {};
let torn = false;
let walks = true;

/** Numbers in [0, 1) that are the same for the same seed (mulberry32). */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let x = Math.imul(state ^ (state >>> 15), 1 | state);
    x = (x + Math.imul(x ^ (x >>> 7), 61 | x)) ^ x;
    return ((x ^ (x >>> 14)) >>> 0) / 4294967296;
  };
}

async function realEnd(path: string, baud: number): Promise<End> {
  const port = await openSerial(path, baud);
  const end: End = { path, onBytes: undefined, write: (bytes) => port.write(bytes) };
  port.onReadable = () => { for (let bytes = port.read(); bytes !== undefined; bytes = port.read()) end.onBytes?.(bytes); };
  port.onClose = (error) => tell({ is: "failed", message: error.message });
  return end;
}

async function openLine(s: Settings): Promise<void> {
  const terminal: End = s.port === undefined ? openPty() : await realEnd(s.port, s.baud);
  const handset = openPty();
  const tapPoint = s.tapPoint === true ? openPty() : undefined;
  const random = randomOf(s.seed);
  const carry = (way: Way, from: End, to: End): void => {
    const send = paced(s, (bytes) => { to.write(bytes); if (s.echo === true) from.write(bytes); tapPoint?.write(bytes); });
    const breaks = tearing(way, media[s.medium].wrapping);
    from.onBytes = (bytes) => { breaks(bytes); if (!torn) send(damaged(bytes, random)); };
  };
  carry("terminal", terminal, handset);
  carry("handset", handset, terminal);
  tell({ is: "line", terminal: terminal.path, handset: handset.path, tapPoint: tapPoint?.path });
}

/** Bytes arrive when a wire of this baud has carried them, some at a time: ten bits a byte, in order. */
function paced(s: Settings, arrive: (bytes: Uint8Array) => void): (bytes: Uint8Array) => void {
  const size = s.pieces?.bytes ?? 32;
  const waiting: { bytes: Uint8Array; atMs: number }[] = [];
  let freeAtMs = 0;
  const deliver = (): void => {
    while (waiting.length > 0 && waiting[0]!.atMs <= performance.now()) arrive(waiting.shift()!.bytes);
    if (waiting.length > 0) setTimeout(deliver, Math.max(1, waiting[0]!.atMs - performance.now()));
  };
  return (bytes) => {
    const idle = waiting.length === 0;
    for (let at = 0; at < bytes.length; at += size) {
      const piece = bytes.slice(at, at + size);
      freeAtMs = Math.max(freeAtMs, performance.now()) + (piece.length * 10_000) / s.baud + (s.pieces?.gapMs ?? 0);
      waiting.push({ bytes: piece, atMs: freeAtMs });
    }
    if (idle) deliver();
  };
}

const moreFollows = 8;

/** Watches one way for the message at which the line is to break. The last bytes of its last frame are not carried, so it never arrives whole. */
function tearing(way: Way, wrapping: Wrapping): (bytes: Uint8Array) => void {
  const frames = deframer(wrapping);
  let pieces: Uint8Array[] = [];
  let last = Buffer.alloc(0);
  return (bytes) => {
    for (const frame of feed(frames, bytes)) {
      // Sent again, because an ack was late: no piece of a message twice.
      const repeated = last.equals(frame.payload);
      last = Buffer.from(frame.payload);
      if (repeated) continue;
      pieces.push(frame.payload);
      if ((frame.link & moreFollows) !== 0) continue;
      const message = new Uint8Array(Buffer.concat(pieces));
      pieces = [];
      if (faults.tear?.from === way && message.length > 0 && messageType(message) === faults.tear.type) torn = true;
    }
  };
}

function damaged(bytes: Uint8Array, random: () => number): Uint8Array {
  const { noise = 0, flips = 0, lost = 0 } = faults;
  const out: number[] = [];
  let count = 0;
  const happens = (chance: number): boolean => { const does = chance > 0 && random() < chance; if (does) count++; return does; };
  for (const byte of bytes) {
    if (happens(noise)) out.push(Math.floor(random() * 256));
    if (happens(lost)) continue;
    out.push(happens(flips) ? byte ^ (1 << Math.floor(random() * 8)) : byte);
  }
  if (count > 0) tell({ is: "faulted", count });
  return new Uint8Array(out);
}

/** A board whose turnstile is walked through whenever its relay opens, unless nobody walks. */
function openBoard(relay: number, passage: number): Pty {
  const pty = openPty();
  const board = makeFirmataBoard(pty);
  board.onPin = (pin, level) => {
    if (pin !== relay) return;
    tell({ is: "relay", level });
    if (level === 0 || !walks) return;
    setTimeout(() => board.setInput(passage, 1), 20);
    setTimeout(() => board.setInput(passage, 0), 60);
  };
  return pty;
}

async function obey(order: Order): Promise<void> {
  if (order.do === "line") await openLine(order.settings);
  else if (order.do === "board") tell({ is: "board", path: openBoard(order.relay, order.passage).path });
  else if (order.do === "faults") { faults = order.faults; torn = false; tell({ is: "set" }); }
  else { walks = order.walks; tell({ is: "set" }); }
}

process.on("message", (order: Order) => { obey(order).catch((error: unknown) => tell({ is: "failed", message: error instanceof Error ? error.message : String(error) })); });
// Nobody is left to carry for.
process.on("disconnect", () => process.exit(0));
