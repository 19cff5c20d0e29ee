/**
 * Puck.js as a gate: nRF52832, 64 KB of memory, 2,630 variables, native SHA-256 and AES, random numbers from hardware.
 *
 *   line     Bluetooth LE (Nordic UART), frames of at most 20 bytes a notification
 *   relay    D1, on when high            passage  D2, on when high (a turnstile's contact to 3.3 V)
 *   lights   LED1 red, LED2 green, LED3 blue on the board itself
 *   sounder  D28, a piezo to ground
 *   button   BTN held at a start erases the keys and opens the console for a new program
 */
import { start, hardwareRandom } from "./start.js";
import { ccm } from "./aes.js";
import { ble } from "../../protocol/link/media.js";
import { gate } from "../../runtime/role/gate.js";

start({
  name: "puck", line: Bluetooth, medium: ble, relay: D1, relayOn: 1, passage: D2, lights: { red: LED1, green: LED2, blue: LED3, on: 1, sounder: D28 }, button: BTN, pressed: 1, dataAddress: 0,
  random: hardwareRandom, ccm: ccm,
}, gate);
