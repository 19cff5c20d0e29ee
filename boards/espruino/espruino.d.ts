/**
 * The globals of an Espruino board as far as the firmware uses them, with the engine's own names. What is not on this page is
 * not called: the names here are those that a bundle keeps when its own are shortened, and those that the stand-in engine
 * of the tests has. A board lacks what its `Board` page says it lacks (no `Bluetooth`, no `AES`).
 */

/** A pin: a value of its own type, made by the engine (`D3`, `A0`, `LED1`). */
interface Pin {
  /** Writes 0 or 1. */
  write(level: number): void;
  read(): number;
  mode(mode: "input" | "input_pullup" | "input_pulldown" | "output"): void;
}
/** The pin of a name ("D3"), or an invalid one. */
declare function Pin(name: string): Pin;

/** A UART, or the Nordic UART service of Bluetooth LE. What arrives comes as strings of 8-bit characters. */
interface SerialPort {
  setup(baud: number, options: { rx: Pin; tx: Pin; parity?: "even" | "odd" | null }): void;
  /** Takes bytes, arrays of them or text. */
  write(data: Uint8Array): void;
  /** The console moves here. */
  setConsole(): void;
  on(event: "data", heard: (text: string) => void): void;
}
declare const Serial1: SerialPort;
declare const Bluetooth: SerialPort;

/** Bluetooth LE, on nRF boards. */
declare const NRF: {
  on(event: "connect" | "disconnect", happened: () => void): void;
  setAdvertising(data: object, options: { name?: string; interval?: number }): void;
};

declare const E: {
  /** Moves the console; `null` with `force` takes it off every port for good. */
  setConsole(device: SerialPort | null, options?: { force: boolean }): void;
  /** Resets the board when `kickWatchdog` was not called for so many seconds; `automatic` false: by us alone. */
  enableWatchdog(seconds: number, automatic: boolean): void;
  kickWatchdog(): void;
  /** 32 bits of the board's own source; plain `rand()` on some boards. */
  hwRand(): number;
  /** Standard CRC-32, unsigned. */
  CRC32(data: Uint8Array): number;
  /** A string of the bytes; undefined when there is no room. */
  toString(data: Uint8Array): string | undefined;
  /** One contiguous string of the bytes; undefined when there is no room. */
  toFlatString(data: Uint8Array): string | undefined;
  toUint8Array(data: string | ArrayBuffer): Uint8Array;
  /** Address of a flat string or of memory-mapped flash, 0 when there is none. */
  getAddressOf(value: string | Uint8Array, flat: boolean): number;
  nativeCall(address: number, signature: string, code: string): (...args: number[]) => number;
  /** `init`: after every boot of saved code; `kill`: before the engine's memory goes. */
  on(event: "init" | "kill" | "errorFlag", happened: (flags: string[]) => void): void;
  reboot(): void;
};

declare const process: {
  memory(): { free: number; usage: number; total: number };
  env: { VERSION: string; BOARD: string; SERIAL: string };
  on(event: "uncaughtException", happened: (error: unknown) => void): void;
};

/** Seconds since the board's epoch, with a fraction; never set by us. */
declare function getTime(): number;
declare function setTimeout(work: () => void, ms: number): number;
declare function clearTimeout(id: number): void;
declare function setInterval(work: () => void, ms: number): number;
declare function clearInterval(id: number): void;
/** Calls on a change of a pin; `state` is its new level. */
declare function setWatch(changed: (e: { state: boolean; time: number }) => void, pin: Pin, options: { repeat: boolean; edge: "both" | "rising" | "falling"; debounce?: number }): number;
declare function digitalWrite(pin: Pin, level: number): void;
declare function digitalRead(pin: Pin): number;
/** PWM: 0 … 1 at a frequency; 0 is silence. */
declare function analogWrite(pin: Pin, level: number, options: { freq: number }): void;
declare function atob(text: string): string;

/** Raw flash by absolute address. Writes are of whole words and only clear bits; a page is erased whole. */
interface FlashModule {
  read(length: number, address: number): Uint8Array;
  write(data: Uint8Array, address: number): void;
  erasePage(address: number): void;
  /** The erase block that holds this address. */
  getPage(address: number): { addr: number; length: number } | undefined;
}

/** Files in flash. A read of a whole file on memory-mapped flash is a string that lies in flash. */
interface StorageModule {
  read(name: string, offset?: number, length?: number): string | undefined;
  write(name: string, data: string | Uint8Array, offset?: number, size?: number): boolean;
  erase(name: string): void;
}

/** Native digests and ciphers; AES is missing on some boards, CCM on more. */
interface CryptoModule {
  SHA256(data: Uint8Array): ArrayBuffer;
  AES: {
    encrypt(data: Uint8Array, key: Uint8Array, options: { iv: Uint8Array; mode: "CBC" | "CTR" | "ECB" }): ArrayBuffer;
    decrypt(data: Uint8Array, key: Uint8Array, options: { iv: Uint8Array; mode: "CBC" | "CTR" | "ECB" }): ArrayBuffer;
    ccmEncrypt(data: Uint8Array, key: Uint8Array, iv: Uint8Array, tagBytes: number): { data: ArrayBuffer; tag: ArrayBuffer };
    ccmDecrypt(data: Uint8Array, key: Uint8Array, iv: Uint8Array, tag: Uint8Array): ArrayBuffer | false;
  };
}
declare function require(name: "Flash"): FlashModule;
declare function require(name: "Storage"): StorageModule;
declare function require(name: "crypto"): CryptoModule;

interface Uint8ArrayConstructor { new (buffer: ArrayBuffer, offset?: number, length?: number): Uint8Array }
interface Uint32Array { readonly length: number; [index: number]: number }
declare const Uint32Array: { new (buffer: ArrayBuffer): Uint32Array };

/** Pins by name, as far as a board page uses them; a board has those of its chip. */
declare const LED1: Pin, LED2: Pin, LED3: Pin, BTN: Pin;
declare const D0: Pin, D1: Pin, D2: Pin, D3: Pin, D4: Pin, D5: Pin, D16: Pin, D17: Pin, D18: Pin, D19: Pin, D21: Pin, D22: Pin, D28: Pin, D29: Pin, D43: Pin, D44: Pin;
declare const B3: Pin, B4: Pin, B6: Pin, B7: Pin, B13: Pin;
