/**
 * A serial port of the operating system, by the real `serialport`, opened so that its writes do not hang.
 */
import { SerialPort } from "serialport";
import { faultOf } from "./fault.js";

/** A port that is not open yet. */
export function makePort(path: string, baudRate: number): SerialPort {
  const port = new SerialPort({ path, baudRate, autoOpen: false });
  // Whatever breaks a port also closes it; without a listener the error would end the process.
  port.on("error", () => undefined);
  return port;
}

/** Opens it. Rejects with a `BoardError` that says what to do. */
export function openPort(port: SerialPort): Promise<void> {
  return new Promise((resolve, reject) => {
    port.open((error) => {
      if (error !== null) { reject(faultOf(error, port.path)); return; }
      keepAllWaits(port);
      closeAtHangUp(port);
      resolve();
    });
  });
}

interface Poller { poll(flag?: number): void; once(name: string, done: () => void): void; listenerCount(name: string): number }
/** `port.port` is the binding; other platforms have no poller. */
const pollerOf = (port: SerialPort): Poller | undefined => (port.port as unknown as { poller?: Poller } | undefined)?.poller;
const waits: readonly (readonly [string, number])[] = [["readable", 1], ["writable", 2], ["disconnect", 4]];

/**
 * Arms the poller for all that anybody waits for. The library's own drops a pending wait for *writable* when the read side
 * starts to wait, so that a write hangs until the next byte comes in.
 */
function keepAllWaits(port: SerialPort): void {
  const poller = pollerOf(port);
  if (poller === undefined) return;
  const poll = Object.getPrototypeOf(poller).poll as (flag: number) => void;
  poller.poll = function keepingAll(this: Poller, flag = 0) {
    poll.call(this, waits.reduce((all, [name, bit]) => (this.listenerCount(name) > 0 ? all | bit : all), flag));
  };
}

/** The library reads a port that hung up again and again, as long as it answers nothing. Unplugged is closed. */
function closeAtHangUp(port: SerialPort): void {
  pollerOf(port)?.once("disconnect", () => { if (port.isOpen) port.close(() => undefined); });
}
