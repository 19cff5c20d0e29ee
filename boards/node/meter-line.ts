/**
 * A serial line whose rate changes in the middle of a conversation, as an optical head's does: a port of 8N1 that is read
 * piece by piece and drained before each change.
 */
import { makePort, openPort } from "./port.js";
import { faultOf } from "./fault.js";
import { limits } from "../../protocol/limits.js";
import { boardFault } from "../../runtime/journal/store.js";

export interface MeterLine {
  write(bytes: Uint8Array): void;
  /** What arrived next, or undefined when nothing did in this time. Rejects with a `BoardError` when the line is gone. */
  read(withinMs: number): Promise<Uint8Array | undefined>;
  /** Everything written goes out first. */
  setBaud(baud: number): Promise<void>;
  close(): void;
}

/** Opens a port. Rejects with a `BoardError` that says what to do. */
export async function openMeterLine(path: string, baud: number): Promise<MeterLine> {
  const port = makePort(path, baud);
  await openPort(port);
  const arrived: Uint8Array[] = [];
  let gone: Error | undefined;
  let wake: (() => void) | undefined;
  const fail = (error: Error): void => { gone ??= error; wake?.(); };
  let arrivedBytes = 0;
  port.on("data", (chunk: Buffer) => {
    arrived.push(new Uint8Array(chunk));
    arrivedBytes += chunk.length;
    if (arrivedBytes >= limits.lineBytesMax) port.pause();
    wake?.();
  });
  port.on("error", (error) => fail(faultOf(error, path)));
  port.on("close", () => fail(boardFault("disconnected", `${path} was unplugged or closed by its other end.`)));
  const done = (work: (answer: (error?: Error | null) => void) => void): Promise<void> =>
    new Promise((resolve, reject) => { work((error) => { if (error) reject(faultOf(error, path)); else resolve(); }); });
  return {
    write: (bytes) => { if (gone !== undefined) throw gone; port.write(Buffer.from(bytes), (error) => { if (error) fail(faultOf(error, path)); }); },
    read: async (withinMs) => {
      if (arrived.length === 0 && gone === undefined) {
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, Math.max(0, withinMs));
          wake = () => { clearTimeout(timer); resolve(); };
        });
        wake = undefined;
      }
      if (arrived.length === 0 && gone !== undefined) throw gone;
      const bytes = arrived.shift();
      arrivedBytes -= bytes?.length ?? 0;
      if (port.isPaused()) port.resume();
      return bytes;
    },
    setBaud: async (rate) => {
      await done((answer) => port.drain(answer));
      if (port.baudRate !== rate) await done((answer) => port.update({ baudRate: rate }, answer));
    },
    close: () => { if (port.isOpen) port.close(() => undefined); },
  };
}
