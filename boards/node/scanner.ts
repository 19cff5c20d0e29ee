/**
 * An optical scanner that types what it reads, a line at a time: each `read` is one whole line without its end. Lines that
 * no code of ours can have are dropped here, before anything looks at them.
 */
import { ReadlineParser } from "@serialport/parser-readline";
import { SerialPort } from "serialport";
import { faultOf } from "./fault.js";
import { keepBothWaits } from "./serial.js";
import type { Serial } from "../../runtime/board.js";

/** Twice the longest beacon: room for a scanner's own prefix. */
const lineBytesMax = 840;
/** Lines that nobody has fetched; an older one is an old code, so the oldest go. */
const linesMax = 8;

/** Opens the scanner's port; `delimiter` is what it sends after each code. */
export function openScanner(path: string, baudRate: number, delimiter = "\n"): Promise<Serial> {
  return new Promise((resolve, reject) => {
    const port = new SerialPort({ path, baudRate, autoOpen: false });
    port.on("error", () => undefined);
    port.open((error) => {
      if (error !== null) { reject(faultOf(error, path)); return; }
      keepBothWaits(port);
      resolve(scannerOf(port, delimiter));
    });
  });
}

function scannerOf(port: SerialPort, delimiter: string): Serial {
  const lines: Uint8Array[] = [];
  const parser = port.pipe(new ReadlineParser({ delimiter, encoding: "latin1" }));
  let unended = 0;
  port.on("data", (chunk: Buffer) => {
    const last = chunk.lastIndexOf(delimiter);
    unended = last < 0 ? unended + chunk.length : chunk.length - last;
    if (unended > lineBytesMax * 4) { (parser as unknown as { buffer: Buffer }).buffer = Buffer.alloc(0); unended = 0; }
  });
  parser.on("data", (line: string) => {
    const text = line.replace(/\r$/, "");
    if (text.length === 0 || text.length > lineBytesMax) return;
    lines.push(Buffer.from(text, "latin1"));
    if (lines.length > linesMax) lines.shift();
    scanner.onReadable?.();
  });
  port.on("close", () => scanner.onClose?.(undefined));
  const scanner: Serial = {
    onReadable: undefined, onClose: undefined,
    read: () => { const line = lines.shift(); return line === undefined ? undefined : new Uint8Array(line); },
    write: (bytes) => { port.write(Buffer.from(bytes)); },
    close: () => { if (port.isOpen) port.close(() => undefined); },
  };
  return scanner;
}
