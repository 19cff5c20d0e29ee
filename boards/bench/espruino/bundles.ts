/**
 * Which bundles there are, and what the bundler may rely on for each: names that the engine gives, words that only the
 * program itself reads, and what a board of profile B at a gate never has and never hears.
 */
import type { Shortening } from "./shorten.js";

export interface Bundle extends Shortening {
  readonly board: string;
  readonly role: string;
  /** Module of `boards/espruino` that starts it. */
  readonly entry: string;
  /** Modules that the engine has natively: ours, and the board's in its place. */
  readonly own: Readonly<Record<string, string>>;
  /** Where a board has less room than the others. */
  readonly bytesMax?: number;
}

/** Properties that the language or the engine names. */
export const keptNames = (
  "length push pop shift splice slice concat indexOf join map filter some every forEach subarray set fill buffer byteLength charCodeAt substring split toString fromCharCode hasOwnProperty keys floor min max message name " +
  "write read mode setup rx tx on setAdvertising setConsole force enableWatchdog kickWatchdog hwRand CRC32 toFlatString toUint8Array getAddressOf nativeCall reboot memory free usage total env VERSION BOARD SERIAL " +
  "state time repeat edge debounce freq erasePage getPage addr SHA256 AES encrypt decrypt iv interval removeAllListeners"
).split(" ");

/** States, kinds of inputs, effects and entries: none is spoken, stored or asked of the engine. */
const words = (
  "send agree sign append append_lazy show ask_owner handover_answer nothing_to_show done heard message beacon agreed signed appended append_failed turned handover handover_asked time idle greeted agreeing signing " +
  "answered asking recording reversing recording_reversal handing closing out_of_service finished fresh offline reduced closed record reopen undone refuse not_turned unknown reversed reopened worn full broken " +
  "shown opened ended fault green red amber yellow blue off steady blinking boot ceiling refused incident notice values certificates disconnected timed_out"
).split(" ");

const gateB: Shortening = {
  words,
  unheard: ["assert", "tell"],
  absent: "scanner undone fold certificateSent isAsked due onEvent oneWay beacon".split(" "),
  never: "agree sign beacon handover handover_asked ask_owner handover_answer agreed signed agreeing signing asking handing A too_much".split(" "),
};

const own = { "protocol/link/crc": "boards/espruino/crc", "protocol/wire/text": "boards/espruino/text" };

export const bundles: readonly Bundle[] = [
  { board: "puck", role: "gate", entry: "puck", own, ...gateB },
  { board: "xiao-ble", role: "gate", entry: "xiao-ble", own, ...gateB },
  { board: "esp32", role: "gate", entry: "esp32", own, ...gateB },
  { board: "pico", role: "gate", entry: "pico", own, bytesMax: 15872, ...gateB },
];
