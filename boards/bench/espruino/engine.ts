/**
 * A stand-in for an Espruino board's engine: it runs the finished firmware bundle, as it would lie in flash, in a context
 * that has what the board has and nothing more. Deterministic: time stands still until it is moved, randomness comes from
 * a seed, and the power can be cut at any operation of the flash. It is no emulator of the chip: it shows missing methods,
 * wrong use of the engine's functions, what survives a cut, and what is said on the line; not speed, not late declarations.
 */
import { createContext, runInContext, type Context } from "node:vm";
import { crc32 } from "node:zlib";
import { eraseFile, eraseFlash, fileNames, findFile, freeBytes, PowerCut, readFlash, writeFile, writeFlash, type Chip, type Storage } from "./flash.js";
import type { Model } from "./models.js";
import { cryptoModule } from "./natives.js";
import { prelude } from "./prelude.js";

export type PortName = "Serial1" | "Bluetooth";
type Heard = (...args: unknown[]) => void;

/** What the world sees of the board. All may be called while the engine runs a turn. */
export interface World {
  /** Bytes leave on a port, one call for each Bluetooth notification. */
  onBytes?(port: PortName, bytes: Uint8Array): void;
  /** A pin was driven: its level, 0 … 1, and the frequency where it is pulsed. */
  onPin?(pin: string, level: number, hertz: number): void;
}

export interface EngineOptions {
  readonly model: Model;
  readonly chip: Chip;
  /** 32 bits each; of a board whose source is `rand()`, the engine brings its own. */
  readonly random32: () => number;
  readonly world?: World;
  /** Where the console is after a start. */
  readonly console?: PortName;
}

interface Timer { id: number; atMs: number; everyMs: number; work: () => void }
interface Watch { id: number; pin: string; work: (e: object) => void; repeat: boolean; edge: string }

export interface Engine {
  readonly model: Model;
  readonly storage: Storage;
  readonly nowMs: number;
  /** Power is there. */
  readonly isOn: boolean;
  /** Starts, or restarts, with saved code; as a person sees it, the lights flash. */
  powerOn(): void;
  powerOff(): void;
  /** Bytes come in on a port. */
  receive(port: PortName, bytes: Uint8Array): void;
  /** A pin is driven from outside. */
  drive(pin: string, level: 0 | 1): void;
  /** Bluetooth connects, or goes. */
  connect(isConnected: boolean): void;
  /** Time passes; everything that is due in it happens in its order. */
  advance(milliseconds: number): void;
  /** When the next timer is due, milliseconds of `nowMs`; −1: none. */
  next(): number;
  /** Errors nobody caught, newest last. */
  readonly errors: string[];
  /** Times the board started since it was made, and why the last time. */
  readonly boots: number;
  readonly startedBy: string;
  /** Bytes that came too fast for the program. */
  readonly lost: number;
  /** Blocks of memory that a value takes in the board's own memory, by the prices of `E.getSizeOf`. */
  sizeOf(value: unknown): number;
  /** Bytes of typed arrays that the program has made since the last start, freed or not. */
  readonly allocated: number;
  /** Runs a line at the console, as a person would. */
  evaluate(line: string): unknown;
  /** A global of the running program. */
  global(name: string): unknown;
}

const latin = (bytes: Uint8Array): string => Buffer.from(bytes).toString("latin1");

/** The bytes of an 8-bit string. A character above 255 has no place on a board: such text was never meant to be bytes. */
function eightBit(text: string): Uint8Array {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 255) throw new Error(`assertion failed: a character above 255 at ${i} of ${text.length} was to become a byte`);
  return Buffer.from(text, "latin1");
}

/** What a program hands to a native function: typed array, buffer, array of numbers, or text. */
function bytesOf(what: unknown): Uint8Array {
  if (typeof what === "string") return eightBit(what);
  if (ArrayBuffer.isView(what)) return new Uint8Array(what.buffer, what.byteOffset, what.byteLength);
  if (Object.prototype.toString.call(what) === "[object ArrayBuffer]") return new Uint8Array(what as ArrayBuffer);
  if (Array.isArray(what)) return Uint8Array.from(what as number[]);
  if (typeof what === "number") return Uint8Array.of(what);
  throw new Error("Expecting something iterable, got " + typeof what);
}

export function makeEngine(o: EngineOptions): Engine {
  const { model, chip } = o;
  const storage: Storage = { chip, compactions: 0 };
  const world = o.world ?? {};
  // A button at rest is held by its own resistor, or by the pull of its pin.
  const pins = new Map<string, number>([[model.button.pin, model.button.pressed === 1 ? 0 : 1]]);
  const errors: string[] = [];
  let [nowMs, boots, lost, allocated, startedBy] = [0, 0, 0, 0, ""];
  let isOn = false;
  let context: Context | undefined;
  let ours: { bytesOf(list: ArrayLike<number>): unknown; wrap(list: ArrayLike<number>): unknown };
  let timers: Timer[] = [];
  let watches: Watch[] = [];
  let reactions: (() => void)[] = [];
  let heard: Record<string, Heard[]> = {};
  let nextId = 1;
  let console: PortName | null = o.console ?? model.line;
  let watchdog = { everyMs: 0, byUs: false, kickedMs: 0 };
  let typed = "";
  let rand = 1;
  /** Files that were read whole: on a board they are strings that lie in flash, and have an address there. */
  let flashStrings = new Map<string, number>();
  let inputWaiting = 0;

  /** Runs something of the program; what it throws is its own affair, but for the power. */
  function run<T>(work: () => T): T | undefined {
    if (!isOn) return undefined;
    try {
      return work();
    } catch (error) {
      if (error instanceof PowerCut || !isOn) { off(); return undefined; }
      if (error instanceof Restart) { start(error.reason, error.withCode); return undefined; }
      uncaught(error);
      return undefined;
    }
  }
  function off(): void {
    isOn = false;
    context = undefined;
    timers = []; watches = []; reactions = []; heard = {};
  }
  function uncaught(error: unknown): void {
    const said = error as { stack?: string; message?: string };
    const handlers = heard["process uncaughtException"] ?? [];
    if (handlers.length === 0) { errors.push(`${said.message ?? String(error)}\n${said.stack ?? ""}`); print("Uncaught " + String(said.message ?? error)); }
    for (const handler of handlers) run(() => handler(error));
  }
  /** Native functions reach nothing once the power is gone: a program that catches everything does not run on. */
  function powered<A extends unknown[], R>(work: (...args: A) => R): (...args: A) => R {
    return (...args) => {
      if (!isOn) throw new PowerCut("the power is gone");
      try { return work(...args); } catch (error) { if (error instanceof PowerCut) isOn = false; throw error; }
    };
  }
  function emit(event: string, ...args: unknown[]): void {
    for (const handler of heard[event] ?? []) run(() => handler(...args));
  }
  const on = (source: string) => (event: string, handler: Heard): void => { (heard[`${source} ${event}`] ??= []).push(handler); };

  // ---- lines --------------------------------------------------------------------------------------------------------------

  function send(port: PortName, bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    const most = port === "Bluetooth" ? model.notificationBytes : bytes.length;
    for (let at = 0; at < bytes.length; at += most) world.onBytes?.(port, bytes.slice(at, at + most));
  }
  function print(text: string): void {
    if (console !== null) send(console, eightBit(text + "\r\n"));
  }
  function port(name: PortName): Record<string, unknown> {
    const write = powered((...data: unknown[]) => data.forEach((each) => send(name, bytesOf(each))));
    return {
      setup: powered((baud: number) => { void baud; }), write, print: write, println: powered((text: string) => send(name, eightBit(text + "\r\n"))), on: on(name),
      setConsole: powered(() => { console = name; }), removeAllListeners: (event: string) => { heard[`${name} ${event}`] = []; },
    };
  }
  /** The program hears what fits its input buffer; what comes faster than it is read is lost, and said by a flag. */
  function hear(name: PortName, bytes: Uint8Array): void {
    const room = Math.max(0, model.inputBytes - inputWaiting);
    if (bytes.length > room) { lost += bytes.length - room; errorFlag("FIFO_FULL"); }
    inputWaiting += Math.min(room, bytes.length);
    const whole = latin(bytes.subarray(0, room));
    const most = name === "Bluetooth" ? 20 : 64;
    for (let at = 0; at < whole.length; at += most) emit(`${name} data`, whole.slice(at, at + most));
  }
  function errorFlag(flag: string): void { emit("E errorFlag", [flag]); }

  /** The console: Ctrl-C forgets the line, a line that begins with 0x10 is not echoed. */
  function type(bytes: Uint8Array): void {
    for (const byte of bytes) {
      if (byte === 3) { typed = ""; if (console !== null) send(console, eightBit("\r\n>")); continue; }
      if (byte !== 10 && byte !== 13) { typed += String.fromCharCode(byte); continue; }
      const line = typed;
      typed = "";
      const quiet = line.startsWith("\x10");
      if (!quiet && line !== "" && console !== null) send(console, eightBit(line + "\r\n"));
      if (line === "") continue;
      const value = run(() => evaluate(quiet ? line.slice(1) : line));
      if (!quiet && isOn) { print("=" + String(value)); if (console !== null) send(console, eightBit(">")); }
    }
  }
  function evaluate(line: string): unknown {
    if (context === undefined) throw new PowerCut("the power is off");
    return runInContext(line, context, { filename: "console" }) as unknown;
  }

  // ---- pins ---------------------------------------------------------------------------------------------------------------

  const pinObjects = new Map<string, Record<string, unknown>>();
  function pinOf(name: string): Record<string, unknown> {
    const real = model.named[name] ?? name;
    let pin = pinObjects.get(real);
    if (pin === undefined) {
      const output = (level: number): void => drivePin(real, level ? 1 : 0, 0);
      pin = { write: powered(output), read: () => (pins.get(real) ?? 0) > 0.5 ? 1 : 0, set: powered(() => output(1)), reset: powered(() => output(0)), mode: (mode: unknown) => { if (!pins.has(real) && mode === "input_pullup") pins.set(real, 1); }, toString: () => real, pin: real };
      pinObjects.set(real, pin);
    }
    return pin;
  }
  const nameOf = (pin: unknown): string => {
    const name = (pin as { pin?: string } | undefined)?.pin;
    if (name === undefined) throw new Error("Invalid pin");
    return name;
  };
  function drivePin(name: string, level: number, hertz: number): void {
    pins.set(name, level);
    world.onPin?.(name, level, hertz);
  }
  function drive(name: string, level: 0 | 1): void {
    const real = model.named[name] ?? name;
    const before = pins.get(real) ?? 0;
    pins.set(real, level);
    if (before === level || !isOn) return;
    for (const w of watches.filter((each) => each.pin === real)) {
      if (w.edge !== "both" && (w.edge === "rising") !== (level === 1)) continue;
      if (!w.repeat) watches = watches.filter((each) => each !== w);
      run(() => w.work({ state: level === 1, time: nowMs / 1000, lastTime: nowMs / 1000, pin: pinOf(real) }));
    }
    settle();
  }

  // ---- time ---------------------------------------------------------------------------------------------------------------

  function setTimer(work: unknown, ms: number | undefined, everyMs: number, args: unknown[]): number {
    const id = nextId++;
    timers.push({ id, atMs: nowMs + Math.max(0, ms ?? 0), everyMs, work: () => (typeof work === "string" ? evaluate(work) : (work as Heard)(...args)) });
    return id;
  }
  const clear = (id: number): void => { timers = timers.filter((t) => t.id !== id); };

  /** Reactions of promises, once no timer of this moment is left. */
  function settle(): void {
    for (let due = nextDue(nowMs); due !== undefined || reactions.length > 0; due = nextDue(nowMs)) {
      if (due !== undefined) fire(due); else run(reactions.shift()!);
      inputWaiting = 0;
      if (!isOn) return;
    }
    inputWaiting = 0;
  }
  function nextDue(until: number): Timer | undefined {
    let best: Timer | undefined;
    for (const t of timers) if (t.atMs <= until && (best === undefined || t.atMs < best.atMs)) best = t;
    return best;
  }
  function fire(t: Timer): void {
    if (t.everyMs > 0) t.atMs += t.everyMs; else clear(t.id);
    run(t.work);
  }
  /** The watchdog bites when the program is stuck; here a program is stuck that does not kick it in time. */
  const bitesAt = (): number => (watchdog.everyMs > 0 && watchdog.byUs ? watchdog.kickedMs + watchdog.everyMs : Infinity);
  function advance(milliseconds: number): void {
    const end = nowMs + milliseconds;
    settle();
    for (let due = nextDue(end); isOn && (due !== undefined || bitesAt() <= end); due = nextDue(end)) {
      if (bitesAt() <= (due?.atMs ?? end)) { nowMs = bitesAt(); start("the watchdog", true); settle(); continue; }
      nowMs = Math.max(nowMs, due!.atMs);
      fire(due!);
      settle();
    }
    nowMs = end;
  }

  // ---- the engine's own objects ---------------------------------------------------------------------------------------------

  const random32 = (): number => {
    if (model.random === "hardware") return o.random32() >>> 0;
    rand = (Math.imul(rand, 1103515245) + 12345) >>> 0;
    return rand;
  };

  function engineObject(): Record<string, unknown> {
    return {
      setConsole: powered((device: unknown) => { console = device === null ? null : device === globals!["Bluetooth"] ? "Bluetooth" : "Serial1"; }),
      enableWatchdog: powered((seconds: number, automatic: boolean) => { watchdog = { everyMs: seconds * 1000, byUs: automatic === false, kickedMs: nowMs }; }),
      kickWatchdog: powered(() => { watchdog.kickedMs = nowMs; }),
      hwRand: powered(() => random32() | 0), CRC32: powered((data: unknown) => crc32(bytesOf(data))),
      toString: (data: unknown) => latin(bytesOf(data)), toFlatString: (data: unknown) => latin(bytesOf(data)),
      toUint8Array: (...data: unknown[]) => ours.bytesOf(Buffer.concat(data.map(bytesOf))), toArrayBuffer: (data: unknown) => ours.wrap(bytesOf(data)),
      getAddressOf: (value: unknown) => (typeof value === "string" && model.mapped ? flashStrings.get(value) ?? 0 : 0),
      nativeCall: () => { throw new Error("no ARM here: the stand-in engine runs no native code"); },
      getSizeOf: (value: unknown) => sizeOf(value), on: on("E"), reboot: powered(() => { throw new Restart("the program", true); }), getErrorFlags: () => [], setFlags: () => undefined,
    };
  }
  function modules(name: string): unknown {
    if (name === "Storage") return storageModule();
    if (name === "Flash") return flashModule();
    if (name === "crypto" && model.digests.length > 0) return cryptoModule(model, bytesOf, (bytes) => ours.wrap(bytes));
    throw new Error(`Module ${name} not found`);
  }
  function flashModule(): Record<string, unknown> {
    return {
      read: powered((length: number, address: number) => ours.bytesOf(readFlash(chip, address, length))),
      write: powered((data: unknown, address: number) => writeFlash(chip, address, bytesOf(data))),
      erasePage: powered((address: number) => eraseFlash(chip, address)),
      getPage: (address: number) => (address < chip.address || address >= chip.address + chip.bytes.length ? undefined : { addr: chip.address + Math.floor((address - chip.address) / chip.pageBytes) * chip.pageBytes, length: chip.pageBytes }),
      getFree: () => model.free,
    };
  }
  function storageModule(): Record<string, unknown> {
    return {
      read: powered((name: string, offset?: number, length?: number) => {
        const file = findFile(storage, name);
        if (file === undefined) return undefined;
        const from = Math.min(offset ?? 0, file.size);
        const text = latin(readFlash(chip, file.address + from, Math.min(length ?? file.size, file.size - from)));
        flashStrings.set(text, file.address + from);
        return text;
      }),
      readArrayBuffer: powered((name: string) => { const file = findFile(storage, name); return file === undefined ? undefined : ours.wrap(readFlash(chip, file.address, file.size)); }),
      write: powered((name: string, data: unknown, offset?: number, size?: number) => { writeFile(storage, name, bytesOf(data), offset ?? 0, size ?? 0); return true; }),
      erase: powered((name: string) => eraseFile(storage, name)), list: () => fileNames(storage), getFree: () => freeBytes(storage),
      eraseAll: powered(() => { for (let page = 0; page < chip.bytes.length; page += chip.pageBytes) eraseFlash(chip, chip.address + page); }),
    };
  }

  let globals: Record<string, unknown> | undefined;
  function makeGlobals(): Record<string, unknown> {
    const made: Record<string, unknown> = {
      E: engineObject(), Serial1: port("Serial1"), require: powered(modules), Pin: (name: unknown) => (typeof name === "string" && /^[A-H]\d{1,2}$|^LED\d$|^BTN\d?$/.test(name) ? pinOf(name) : pinOf(nameOf(name))),
      setTimeout: (work: unknown, ms?: number, ...args: unknown[]) => setTimer(work, ms, 0, args), setInterval: (work: unknown, ms?: number, ...args: unknown[]) => setTimer(work, ms, Math.max(1, ms ?? 1), args),
      clearTimeout: clear, clearInterval: clear, getTime: () => nowMs / 1000, changeInterval: (id: number, ms: number) => { const t = timers.find((each) => each.id === id); if (t !== undefined) { t.everyMs = ms; t.atMs = nowMs + ms; } },
      setWatch: (work: Heard, pin: unknown, options?: { repeat?: boolean; edge?: string }) => {
        const id = nextId++;
        watches.push({ id, pin: nameOf(pin), work, repeat: options?.repeat ?? false, edge: options?.edge ?? "both" });
        return id;
      },
      clearWatch: (id: number) => { watches = watches.filter((w) => w.id !== id); },
      digitalWrite: powered((pin: unknown, level: unknown) => drivePin(nameOf(pin), level === 0 || level === false ? 0 : 1, 0)), digitalRead: (pin: unknown) => ((pins.get(nameOf(pin)) ?? 0) > 0.5 ? 1 : 0),
      analogWrite: powered((pin: unknown, level: number, options?: { freq?: number }) => drivePin(nameOf(pin), level, options?.freq ?? 0)), pinMode: () => undefined,
      atob: (text: string) => latin(Buffer.from(text, "base64")), btoa: (text: string) => Buffer.from(eightBit(text)).toString("base64"), print: powered((...what: unknown[]) => print(what.map(String).join(" "))),
      process: { memory: () => ({ free: model.variables - 60, usage: 60, total: model.variables }), env: { VERSION: "2v29", BOARD: model.id, SERIAL: serialOf(chip) }, on: on("process") },
      reset: powered(() => { throw new Restart("reset()", false); }), load: powered(() => { throw new Restart("load()", true); }), console: { log: powered((...what: unknown[]) => print(what.map(String).join(" "))) },
    };
    if (model.notificationBytes > 0) {
      made["Bluetooth"] = port("Bluetooth");
      made["NRF"] = { on: on("NRF"), setAdvertising: () => undefined, setServices: () => undefined, getAddress: () => serialOf(chip) };
    }
    for (const letter of "ABCDH") for (let i = 0; i < 48; i++) if (isPin(model, letter + i)) made[letter + i] = pinOf(letter + i);
    for (const name of Object.keys(model.named)) made[name] = pinOf(name);
    return made;
  }

  /** A start: nothing of before is left but flash and pins' inputs; saved code runs, then everything that waits for `init`. */
  function start(reason: string, withCode: boolean): void {
    off();
    boots++;
    startedBy = reason;
    isOn = true;
    console = o.console ?? model.line;
    watchdog = { everyMs: 0, byUs: false, kickedMs: nowMs };
    [typed, rand, allocated, inputWaiting] = ["", 1, 0, 0];
    flashStrings = new Map();
    context = createContext({}, { codeGeneration: { strings: true, wasm: false } });
    const set = runInContext(prelude, context, { filename: "prelude" }) as (host: object) => typeof ours;
    ours = set({ allocated: (n: number) => { allocated += n; }, react: (work: () => void) => { reactions.push(work); }, random: () => random32() / 2 ** 32 });
    globals = makeGlobals();
    for (const [name, value] of Object.entries(globals)) Object.defineProperty(context, name, { value, writable: true, enumerable: false, configurable: true });
    const file = withCode ? findFile(storage, ".bootcde") : undefined;
    if (file !== undefined) run(() => runInContext(latin(readFlash(chip, file.address, file.size)), context!, { filename: ".bootcde" }));
    run(() => emit("E init"));
    settle();
  }

  function sizeOf(value: unknown): number { return blocksOf(value, model.variableBytes, new Set()); }

  return {
    model, storage, errors, sizeOf,
    get nowMs() { return nowMs; }, get isOn() { return isOn; }, get boots() { return boots; }, get startedBy() { return startedBy; }, get lost() { return lost; }, get allocated() { return allocated; },
    powerOn: () => { off(); pins.forEach((_level, pin) => { if (pin !== model.button.pin) pins.set(pin, 0); }); start("power", true); },
    powerOff: off,
    receive: (name, bytes) => {
      if (!isOn) return;
      if (console === name) type(bytes); else hear(name, bytes);
      settle();
    },
    drive,
    connect: (isConnected) => { emit(isConnected ? "NRF connect" : "NRF disconnect"); settle(); },
    advance,
    next: () => timers.reduce((least, t) => (least < 0 || t.atMs < least ? t.atMs : least), -1),
    evaluate: (line) => run(() => evaluate(latin(Buffer.from(line, "utf8")))),
    global: (name) => (context === undefined ? undefined : (context as Record<string, unknown>)[name]),
  };
}

/** Thrown out of the program by `reset`, `load` and `reboot`. */
class Restart extends Error {
  constructor(readonly reason: string, readonly withCode: boolean) { super(reason); }
}

/** Boards name their pins by letters of ports (STM32) or D0 … D31. */
function isPin(model: Model, name: string): boolean {
  return model.chip.startsWith("STM32") ? /^[ABC]\d|^[ABC]1[0-5]$|^H[01]$/.test(name) && Number(name.slice(1)) < 16 : name.startsWith("D");
}

/** A chip's own number, as it was made: of this chip's address and size, since it has no other identity. */
function serialOf(chip: Chip): string {
  return crc32(Buffer.from(`${chip.address}/${chip.bytes.length}`)).toString(16).padStart(8, "0") + "-00112233";
}

/** Prices of `E.getSizeOf` (measured on the real engine, 13-byte blocks): small values, objects by fields, arrays, buffers. */
function blocksOf(value: unknown, blockBytes: number, seen: Set<unknown>): number {
  if (typeof value === "string") return 1 + Math.max(0, Math.ceil((value.length - 4) / (blockBytes - 1)));
  if (typeof value === "number") return 1;
  if (value === null || typeof value !== "object") return typeof value === "function" ? 5 : 1;
  if (seen.has(value)) return 0;
  seen.add(value);
  if (ArrayBuffer.isView(value)) {
    if (seen.has(value.buffer)) return 1;
    seen.add(value.buffer);
    const length = value.buffer.byteLength;
    return length <= 16 ? 4 : 3 + Math.ceil(length / blockBytes);
  }
  const isArray = Array.isArray(value);
  return Object.entries(value).reduce((sum, [name, each]) => {
    const own = blocksOf(each, blockBytes, seen);
    const small = typeof each === "number" && Number.isInteger(each) && Math.abs(each) < 2 ** 15 ? 0 : own;
    return sum + 1 + (isArray || name.length <= 4 ? 0 : Math.ceil((name.length - 4) / (blockBytes - 1))) + small;
  }, 1);
}
