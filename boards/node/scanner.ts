/**
 * An optical scanner that types what it reads, a line at a time: each `read` is one whole line without its end. Lines that
 * no code of ours can have are dropped here, before anything looks at them.
 */
import { ReadlineParser } from "@serialport/parser-readline";
import type { SerialPort } from "serialport";
import { makePort, openPort } from "./port.js";
import { boardFault } from "../../runtime/journal/store.js";
import type { Serial } from "../../runtime/board.js";

/** Twice the longest beacon: room for a scanner's own prefix. */
const lineBytesMax = 840;
/** Lines that nobody has fetched; an older one is an old code, so the oldest go. */
const linesMax = 8;
/** A trigger or a beep command to the scanner is a few bytes. */
const writeBytesMax = 1024;

/** Opens the scanner's port; `delimiter` is what it sends after each code. Rejects with a `BoardError` that says what to do. */
export async function openScanner(path: string, baudRate: number, delimiter = "\n"): Promise<Serial> {
  const port = makePort(path, baudRate);
  await openPort(port);
  return scannerOf(port, delimiter);
}

function scannerOf(port: SerialPort, delimiter: string): Serial {
  const lines: Uint8Array[] = [];
  let asked = true;
  let closed = false;
  linesOf(port, delimiter, (text) => {
    if (closed || text.length === 0 || text.length > lineBytesMax) return;
    lines.push(new Uint8Array(Buffer.from(text, "latin1")));
    if (lines.length > linesMax) lines.shift();
    if (!asked || scanner.onReadable === undefined) return;
    asked = false;
    scanner.onReadable();
  });
  port.on("close", () => {
    if (closed) return;
    closed = true;
    scanner.onClose?.(boardFault("disconnected", `${port.path} was unplugged or closed by its other end.`));
  });
  const scanner: Serial = {
    onReadable: undefined, onClose: undefined,
    read: () => {
      const line = lines.shift();
      if (line === undefined) asked = true;
      return line;
    },
    write: (bytes) => {
      if (closed) throw boardFault("disconnected", `${port.path} is closed.`);
      if (port.writableLength + bytes.length > writeBytesMax) throw boardFault("timed_out", `${port.path} takes no bytes: check the cable and restart.`);
      port.write(Buffer.from(bytes));
    },
    close: () => {
      closed = true;
      lines.length = 0;
      if (port.isOpen) port.close(() => undefined);
    },
  };
  return scanner;
}

/** Calls `take` for each whole line, without delimiter and carriage return. */
function linesOf(port: SerialPort, delimiter: string, take: (text: string) => void): void {
  const parser = port.pipe(new ReadlineParser({ delimiter, encoding: "latin1" }));
  // What the parser holds of a line whose end has not come; it has no bound of its own. Enough stays that the line is
  // known to be too long when its end comes, and a delimiter that came half.
  const held = parser as unknown as { buffer: Buffer };
  port.on("data", () => {
    if (held.buffer.length > lineBytesMax * 4) held.buffer = Buffer.concat([held.buffer.subarray(0, lineBytesMax + 1), held.buffer.subarray(-delimiter.length)]);
  });
  parser.on("data", (text: string) => take(text.replace(/\r$/, "")));
}
