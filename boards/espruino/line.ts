/**
 * A serial line or the Nordic UART of Bluetooth LE as a `Serial`. What arrives waits here until the terminal looks; a frame
 * below 1 KB fits, and what comes after it while nobody looks is the engine's to lose.
 */
import type { Serial } from "../../runtime/board.js";

export function openLine(port: SerialPort): Serial {
  const waiting: Uint8Array[] = [];
  const line: Serial = {
    read: () => waiting.shift(), write: (bytes) => port.write(bytes), onReadable: undefined, onClose: undefined, close: () => {},
  };
  port.on("data", (text) => {
    waiting.push(E.toUint8Array(text));
    if (line.onReadable !== undefined) line.onReadable();
  });
  return line;
}
