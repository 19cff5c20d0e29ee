/**
 * ESP32 as a gate: 512 KB of memory, 16,383 variables, native SHA-256 and AES. Its `E.hwRand` is the C library's `rand()`, which
 * repeats at each start, so nothing is drawn from it: without a source from elsewhere the terminal is out of service, and says so.
 *
 *   line     Serial1 on D17 (TX) and D16 (RX) at 115,200 baud
 *   relay    D4, on when high            passage  D5, on when high
 *   lights   D18 red, D19 green, D21 blue
 *   sounder  D22, a piezo to ground
 *   button   D0 (BOOT) held at a start erases the keys and opens the console for a new program
 */
import { start } from "./start.js";
import { ccm } from "./aes.js";
import { boardFault } from "../../runtime/journal/store.js";
import { serial } from "../../protocol/link/media.js";
import { gate } from "../../runtime/role/gate.js";

function refused(): Uint8Array {
  throw boardFault("denied", "This board's own random source repeats at each start: use another board, or give it a source.");
}

Serial1.setup(115200, { tx: D17, rx: D16 });
start({
  name: "esp32", line: Serial1, medium: serial, relay: D4, relayOn: 1, passage: D5, lights: { red: D18, green: D19, blue: D21, on: 1, sounder: D22 }, button: D0, pressed: 0, dataAddress: 0, random: refused, ccm: ccm,
}, gate);
