/**
 * Espruino Pico as a gate: STM32F401, 96 KB of memory, 5,100 variables, native SHA-256 and AES; random numbers from the noise of
 * its voltage reference. Its flash for files is three blocks of 16 KB, so a bundle may have 15.5 KB there.
 *
 *   line     Serial1 on B6 (TX) and B7 (RX) at 115,200 baud
 *   relay    B3, on when high            passage  B4, on when high
 *   lights   LED1 red, LED2 green on the board itself; no blue
 *   sounder  B13, a piezo to ground
 *   button   BTN held at a start erases the keys and opens the console for a new program
 */
import { start, hardwareRandom } from "./start.js";
import { ccm } from "./aes.js";
import { serial } from "../../protocol/link/media.js";
import { gate } from "../../runtime/role/gate.js";

Serial1.setup(115200, { tx: B6, rx: B7 });
start({
  name: "pico", line: Serial1, medium: serial, relay: B3, relayOn: 1, passage: B4, lights: { red: LED1, green: LED2, blue: undefined, on: 1, sounder: B13 }, button: BTN, pressed: 1, dataAddress: 0, random: hardwareRandom, ccm: ccm,
}, gate);
