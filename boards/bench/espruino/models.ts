/**
 * What the boards of the Espruino class are, as far as the stand-in engine and the uploader must know: memory, flash, native
 * cryptography, lines. Facts of the hardware and its firmware, kept apart from the firmware's own board pages, so that one
 * can be held against the other.
 */
export interface Model {
  /** As `kaisatsu flash --board` names it. */
  readonly name: string;
  /** `process.env.BOARD`. */
  readonly id: string;
  readonly title: string;
  readonly chip: string;
  readonly mhz: number;
  readonly variables: number;
  readonly variableBytes: number;
  /** Where files lie: address, bytes of an erase block, how many. */
  readonly storage: { readonly address: number; readonly pageBytes: number; readonly pages: number };
  /** Raw flash beside it that programs may use, as `require("Flash").getFree()` says. */
  readonly free: readonly { readonly addr: number; readonly length: number }[];
  /** A read of a file is a string that lies in flash. */
  readonly mapped: boolean;
  readonly digests: readonly ("SHA1" | "SHA224" | "SHA256" | "SHA384" | "SHA512")[];
  readonly aes: boolean;
  readonly ccm: boolean;
  /** A hardware source, or the C library's `rand()`, which repeats at each boot. */
  readonly random: "hardware" | "rand";
  /** UARTs, and bytes of one Bluetooth notification, 0 without Bluetooth. */
  readonly serials: number;
  readonly notificationBytes: number;
  /** Bytes that wait for the program before any is lost. */
  readonly inputBytes: number;
  /** Where the console is after a start, and where the firmware speaks: the same line, at different times. */
  readonly line: "Serial1" | "Bluetooth";
  /** Pins that have a name of their own, and the level at rest of a button. */
  readonly named: Readonly<Record<string, string>>;
  readonly button: { readonly pin: string; readonly pressed: 0 | 1 };
}

const k = 1024;
const nrf52832 = { chip: "nRF52832", mhz: 64, variableBytes: 13, storage: { address: 108 * 4 * k, pageBytes: 4 * k, pages: 10 }, free: [], mapped: true, random: "hardware", serials: 1, notificationBytes: 20, inputBytes: 1024 } as const;

export const models: readonly Model[] = [
  {
    ...nrf52832, name: "puck", line: "Bluetooth", id: "PUCKJS", title: "Puck.js", variables: 2630, digests: ["SHA1", "SHA224", "SHA256"], aes: true, ccm: false,
    named: { LED1: "D5", LED2: "D4", LED3: "D3", BTN: "D0", BTN1: "D0" }, button: { pin: "D0", pressed: 1 },
  },
  {
    ...nrf52832, name: "mdbt42q", line: "Bluetooth", id: "MDBT42Q", title: "MDBT42Q breakout", variables: 2950, digests: ["SHA1", "SHA224", "SHA256"], aes: false, ccm: false,
    named: { LED1: "D16", BTN: "D0", BTN1: "D0" }, button: { pin: "D0", pressed: 1 },
  },
  {
    name: "xiao-ble", line: "Serial1", id: "XIAOBLE", title: "Seeed Xiao BLE", chip: "nRF52840", mhz: 64, variables: 14000, variableBytes: 14, storage: { address: 0x60000000, pageBytes: 4 * k, pages: 512 }, free: [], mapped: false,
    digests: ["SHA1", "SHA224", "SHA256", "SHA384", "SHA512"], aes: true, ccm: true, random: "hardware", serials: 1, notificationBytes: 128, inputBytes: 2048,
    named: { LED1: "D26", LED2: "D30", LED3: "D6" }, button: { pin: "D2", pressed: 0 },
  },
  {
    name: "pico", line: "Serial1", id: "PICO_R1_3", title: "Espruino Pico", chip: "STM32F401CD", mhz: 84, variables: 5100, variableBytes: 13, storage: { address: 0x08004000, pageBytes: 16 * k, pages: 3 }, free: [], mapped: true,
    digests: ["SHA1", "SHA224", "SHA256"], aes: true, ccm: false, random: "hardware", serials: 6, notificationBytes: 0, inputBytes: 1024,
    named: { LED1: "B2", LED2: "B12", BTN: "C13", BTN1: "C13" }, button: { pin: "C13", pressed: 1 },
  },
  {
    name: "esp32", line: "Serial1", id: "ESP32", title: "ESP32", chip: "ESP32", mhz: 240, variables: 16383, variableBytes: 14, storage: { address: 0x320000, pageBytes: 4 * k, pages: 224 }, free: [], mapped: true,
    digests: ["SHA1", "SHA224", "SHA256", "SHA384", "SHA512"], aes: true, ccm: false, random: "rand", serials: 3, notificationBytes: 20, inputBytes: 1024,
    named: { LED1: "D2", BTN: "D0", BTN1: "D0" }, button: { pin: "D0", pressed: 0 },
  },
];

export function modelOf(name: string): Model | undefined {
  return models.find((m) => m.name === name);
}
