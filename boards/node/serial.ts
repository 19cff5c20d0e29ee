/**
 * A serial line on a Pi or any Node machine, by the real `serialport`.
 *
 * Writes go out one at a time, in order. The library's poller drops a pending wait for *writable* when the read side starts
 * to wait, so that a write can hang until the next byte comes in; `keepBothWaits` mends that, and a watchdog ends a line
 * whose driver takes nothing for ten seconds.
 */
import { SerialPort } from "serialport";
import { faultOf } from "./fault.js";
import { boardFault } from "../../runtime/journal/store.js";
import type { BoardError, Serial } from "../../runtime/board.js";

/** One write the driver is given; larger ones are cut. */
const writeBytesMax = 1024;
/** More waiting than this is a line that nobody reads. */
const queuedBytesMax = 65536;
const writeWithinMs = 10000;

/** Opens a port. Rejects with a `BoardFault` that says what to do. */
export function openSerial(path: string, baudRate: number): Promise<Serial> {
  return new Promise((resolve, reject) => {
    const port = new SerialPort({ path, baudRate, autoOpen: false });
    port.on("error", () => undefined);
    port.open((error) => {
      if (error !== null) { reject(faultOf(error, path)); return; }
      keepBothWaits(port);
      resolve(serialOf(port, path));
    });
  });
}

/** Arms the poller for all that anybody waits for. `port.port` is the binding; other platforms have no poller. */
export function keepBothWaits(port: SerialPort): void {
  const poller = (port.port as unknown as { poller?: { poll(flag?: number): void; listenerCount(name: string): number } } | undefined)?.poller;
  if (poller === undefined) return;
  const poll = Object.getPrototypeOf(poller).poll as (flag: number) => void;
  poller.poll = function keepingBoth(this: { listenerCount(name: string): number }, flag = 0) {
    const wanted = flag | (this.listenerCount("readable") > 0 ? 1 : 0) | (this.listenerCount("writable") > 0 ? 2 : 0);
    poll.call(this, wanted);
  };
}

function serialOf(port: SerialPort, path: string): Serial {
  const arrived: Uint8Array[] = [];
  const waiting: Uint8Array[] = [];
  let waitingBytes = 0;
  let writing = false;
  let closed = false;
  let asked = true;
  let watchdog: NodeJS.Timeout | undefined;

  const end = (error: BoardError | undefined): void => {
    if (closed) return;
    closed = true;
    clearTimeout(watchdog);
    if (port.isOpen) port.close(() => undefined);
    serial.onClose?.(error);
  };
  const writeNext = (): void => {
    const bytes = waiting.shift();
    if (bytes === undefined || closed) { writing = false; return; }
    writing = true;
    watchdog = setTimeout(() => end(boardFault("timed_out", `${path} takes no bytes: check the cable and restart.`)), writeWithinMs);
    port.write(Buffer.from(bytes), (error) => {
      clearTimeout(watchdog);
      waitingBytes -= bytes.length;
      if (error) end(faultOf(error, path)); else writeNext();
    });
  };
  port.on("data", (chunk: Buffer) => {
    arrived.push(new Uint8Array(chunk));
    if (!asked) return;
    asked = false;
    serial.onReadable?.();
  });
  port.on("close", () => end(boardFault("disconnected", `${path} was unplugged or closed by its other end.`)));

  const serial: Serial = {
    onReadable: undefined, onClose: undefined,
    read: () => {
      const bytes = arrived.shift();
      if (bytes === undefined) asked = true;
      return bytes;
    },
    write: (bytes) => {
      if (closed) throw boardFault("disconnected", `${path} is closed.`);
      if (waitingBytes + bytes.length > queuedBytesMax) throw boardFault("timed_out", `${path} takes no bytes: check the cable and restart.`);
      waitingBytes += bytes.length;
      for (let at = 0; at < bytes.length; at += writeBytesMax) waiting.push(bytes.slice(at, at + writeBytesMax));
      if (!writing) writeNext();
    },
    close: () => end(undefined),
  };
  return serial;
}
