/** `kaisatsu monitor`: the command around `monitor.ts`. It opens a port and never writes to it. */
import { exitCode, textOf, UsageError, wholeNumber, type Command, type Context } from "./command.js";
import { printed } from "./inspect.js";
import { makeWatcher, watch, type Watched } from "./monitor.js";
import { readRecording } from "./recording.js";
import { openSerial } from "../node/serial.js";
import { media } from "../../protocol/link/media.js";
import { hex } from "../../protocol/wire/bytes.js";
import type { BoardError } from "../../runtime/board.js";

export const monitorCommand: Command = {
  name: "monitor",
  summary: "watch a line: every frame with its time, its direction and what it carries",
  help: `Usage: kaisatsu monitor --port PATH [--baud N] [--medium M] [--raw] [--json]
       kaisatsu monitor FILE [--medium M] [--raw] [--json]

Prints each frame on a line until Ctrl-C: when, who speaks, and what it says, in the words of "kaisatsu inspect". It only
reads, never writes. A port belongs to one program: give it the receiving half of an adapter that hears the line beside the
terminal's own (its RX on the line, its TX left open). FILE is a recording of such bytes, raw or as hexadecimal text; - is
standard input.

  --baud N     speed of the port (default 115200)
  --medium M   ${Object.keys(media).join(", ")} (default serial): how frames are wrapped
  --raw        the bytes of every frame too, and what was damaged
  --json       one JSON line a frame

What is sealed stays sealed: its length is shown. Exit code 0 when it was stopped or the recording ended, 1 when a recording
holds no frame, 3 when the port or file could not be used or was lost.

Examples:
  kaisatsu monitor --port /dev/ttyUSB2
  kaisatsu monitor --port /dev/ttyUSB2 --medium infrared --baud 9600 --raw
  kaisatsu monitor evening.bin --json | jq .is
`,
  options: { port: { type: "string" }, baud: { type: "string" }, medium: { type: "string" }, raw: { type: "boolean" } },
  async run(c) {
    const name = textOf(c, "medium") ?? "serial";
    const medium = Object.values(media).find((m) => m.name === name);
    if (medium === undefined) throw new UsageError(`--medium is one of ${Object.keys(media).join(", ")}, not "${name}".`);
    const port = textOf(c, "port");
    if ((port === undefined) === (c.words.length !== 1)) throw new UsageError("give --port with a serial port, or one recording.");
    const w = makeWatcher(medium.wrapping);
    if (port !== undefined) return await live(c, port, (bytes) => tell(c, w, bytes, Date.now()));
    if (textOf(c, "baud") !== undefined) throw new UsageError("--baud belongs to --port.");
    const found = tell(c, w, recorded(c, c.words[0]!), undefined);
    if (found > 0) return exitCode.done;
    c.err(`kaisatsu monitor: there is no whole ${medium.name} frame in this recording${w.damaged > 0 ? `, but ${w.damaged} damaged` : ""}.`);
    return exitCode.refused;
  },
};

function recorded(c: Context, path: string): Uint8Array {
  return path === "-" ? c.console.readInput() : readRecording(path);
}

async function live(c: Context, path: string, take: (bytes: Uint8Array) => void): Promise<number> {
  const stopped = c.console.stopped();
  const port = await openSerial(path, wholeNumber(c, "baud", 50, 4_000_000) ?? 115_200);
  try {
    const lost = new Promise<BoardError>((done) => { port.onClose = done; });
    const read = (): void => { for (let bytes = port.read(); bytes !== undefined; bytes = port.read()) take(bytes); };
    port.onReadable = read;
    if (!c.json) c.err(`Watching ${path}. Ctrl-C stops it.`);
    const error = await Promise.race([lost, stopped]);
    read();
    if (error === undefined) return exitCode.done;
    c.err(`kaisatsu monitor: ${error.message}`);
    return exitCode.device;
  } finally {
    port.close();
  }
}

/** Prints the frames in these bytes; answers how many there were. A recording has no times. */
function tell(c: Context, w: ReturnType<typeof makeWatcher>, bytes: Uint8Array, atMs: number | undefined): number {
  const before = w.damaged;
  const frames = watch(w, bytes, atMs ?? 0);
  for (const frame of frames) if (c.json) c.out(JSON.stringify(plain(c, frame, atMs))); else lines(c, frame, atMs);
  const damaged = w.damaged - before;
  if (damaged > 0 && c.options["raw"] === true) c.out(c.json ? JSON.stringify({ damaged }) : c.paint("red", `${damaged} damaged`));
  return frames.length;
}

function plain(c: Context, f: Watched, atMs: number | undefined): object {
  return {
    ...(atMs !== undefined && { at: new Date(atMs).toISOString() }), from: f.from, link: f.link, is: named(f), bytes: f.payload.length,
    ...(f.carries !== undefined && { fields: f.carries.fields }), ...(c.options["raw"] === true && { raw: hex(f.payload) }),
  };
}

function named(f: Watched): string {
  if (f.payload.length === 0) return "no message";
  return f.more ? "part of a message" : f.carries?.is ?? "nothing known";
}

const arrows = { terminal: "terminal → handset", handset: "handset → terminal" } as const;

function lines(c: Context, f: Watched, atMs: number | undefined): void {
  const when = atMs === undefined ? "" : `${new Date(atMs).toISOString().slice(11, 23)} `;
  c.out(`${when}${c.paint(f.from === "terminal" ? "yellow" : "green", arrows[f.from])}  ${c.paint("bold", named(f))}, ${f.payload.length} bytes ${c.paint("dim", `(${f.link})`)}`);
  if (c.options["raw"] === true && f.payload.length > 0) c.out(c.paint("dim", `    ${hex(f.payload)}`));
  if (f.carries !== undefined) for (const line of printed(f.carries).slice(1)) c.out(`  ${line}`);
}
