/**
 * Seeed Xiao BLE as a gate: nRF52840, 256 KB of memory, 14,000 variables, 2 MB of flash outside the chip, native SHA-256, SHA-512
 * and AES, random numbers from hardware.
 *
 *   line     Serial1 on D43 (TX, printed 6) and D44 (RX, printed 7) at 115,200 baud
 *   relay    D29 (3), on when high       passage  D3 (1), on when high
 *   lights   LED1 red, LED2 green, LED3 blue, lit when low
 *   sounder  D28 (2), a piezo to ground
 *   button   D2 (0) to ground at a start erases the keys and opens the console for a new program
 */
import { start, hardwareRandom } from "./start.js";
import { ccm } from "./aes.js";
import { serial } from "../../protocol/link/media.js";
import { gate } from "../../runtime/role/gate.js";

Serial1.setup(115200, { tx: D43, rx: D44 });
start({
  name: "xiao-ble", line: Serial1, medium: serial, relay: D29, relayOn: 1, passage: D3, lights: { red: LED1, green: LED2, blue: LED3, on: 0, sounder: D28 }, button: D2, pressed: 0,
  // Files lie outside the memory map; the last pages of that flash are never reached by files.
  dataAddress: 0x601f8000, random: hardwareRandom, ccm: ccm,
}, gate);
