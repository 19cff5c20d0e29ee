/**
 * A serial line on a Pi or any Node machine.
 *
 * Writes go out one at a time, in order, and a watchdog ends a line whose driver takes nothing for a long time. What
 * nobody reads is left with the driver, which loses it when it has no room: never more than a bound is held here.
 */
import type { SerialPort } from "serialport";
import { faultOf } from "./fault.js";
import { makePort, openPort } from "./port.js";
import { boardFault } from "../../runtime/journal/store.js";
import type { BoardError, Serial } from "../../runtime/board.js";
import { limits } from "../../protocol/limits.js";

/** One write the driver is given; larger ones are cut. */
const writeBytesMax = 1024;

/** Opens a port. Rejects with a `BoardError` that says what to do. */
export async function openSerial(path: string, baudRate: number): Promise<Serial> {
  const port = makePort(path, baudRate);
  await openPort(port);
  return serialOf(port);
}

/** Ten seconds, and twice the time that one write takes on the wire, ten bits a byte: a meter speaks 300 baud. */
function writeWithinMs(baudRate: number): number {
  return 10_000 + (2 * writeBytesMax * 10_000) / baudRate;
}

function serialOf(port: SerialPort): Serial {
  const path = port.path;
  const arrived: Uint8Array[] = [];
  const waiting: Uint8Array[] = [];
  let arrivedBytes = 0;
  let waitingBytes = 0;
  let writing = false;
  let closed = false;
  let asked = true;
  let watchdog: NodeJS.Timeout | undefined;

  const end = (): void => {
    closed = true;
    clearTimeout(watchdog);
    if (port.isOpen) port.close(() => undefined);
  };
  const fail = (error: BoardError): void => {
    if (closed) return;
    end();
    serial.onClose?.(error);
  };
  const writeNext = (): void => {
    const bytes = waiting.shift();
    writing = bytes !== undefined && !closed;
    if (bytes === undefined || closed) return;
    watchdog = setTimeout(() => fail(boardFault("timed_out", `${path} takes no bytes: check the cable and restart.`)), writeWithinMs(port.baudRate));
    port.write(Buffer.from(bytes), (error) => {
      clearTimeout(watchdog);
      waitingBytes -= bytes.length;
      if (error) fail(faultOf(error, path)); else writeNext();
    });
  };
  port.on("data", (chunk: Buffer) => {
    if (closed) return;
    arrived.push(new Uint8Array(chunk));
    arrivedBytes += chunk.length;
    if (arrivedBytes >= limits.lineBytesMax) port.pause();
    if (!asked || serial.onReadable === undefined) return;
    asked = false;
    serial.onReadable();
  });
  port.on("close", () => fail(boardFault("disconnected", `${path} was unplugged or closed by its other end.`)));

  const serial: Serial = {
    onReadable: undefined, onClose: undefined,
    read: () => {
      const bytes = arrived.shift();
      if (bytes === undefined) { asked = true; return undefined; }
      arrivedBytes -= bytes.length;
      if (port.isPaused() && arrivedBytes < limits.lineBytesMax) port.resume();
      return bytes;
    },
    write: (bytes) => {
      if (closed) throw boardFault("disconnected", `${path} is closed.`);
      if (waitingBytes + bytes.length > limits.lineBytesMax) throw boardFault("timed_out", `${path} takes no bytes: check the cable and restart.`);
      waitingBytes += bytes.length;
      for (let at = 0; at < bytes.length; at += writeBytesMax) waiting.push(bytes.slice(at, at + writeBytesMax));
      if (!writing) writeNext();
    },
    close: () => { if (!closed) { arrived.length = 0; end(); } },
  };
  return serial;
}
