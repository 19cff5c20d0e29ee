/**
 * Lights, buzzer, relay and passage sensor on a Firmata board (an Arduino with the standard sketch), by `johnny-five`.
 */
import { createRequire } from "node:module";
import { SerialPort } from "serialport";
import { faultOf } from "./fault.js";
import { boardFault } from "../../runtime/journal/store.js";
import { keepBothWaits } from "./serial.js";
import type { Digital, Panel } from "../../runtime/board.js";

type Five = typeof import("johnny-five");
const load = createRequire(import.meta.url);

/** Pin numbers. A light without a pin of its own falls back to `refuse`. */
export interface Pins { accept: number; refuse: number; amber?: number; yellow?: number; blue?: number; buzzer?: number; relay: number; passage?: number }
export interface FirmataParts { panel: Panel; relay: Digital; passage: Digital | undefined; close(): void }

const readyWithinMs = 8000;

/** Opens the board on a serial port. Rejects with a `BoardFault` when there is no Firmata behind it. */
export async function openFirmata(path: string, pins: Pins): Promise<FirmataParts> {
  const port = new SerialPort({ path, baudRate: 57600, autoOpen: false });
  port.on("error", () => undefined);
  const five = load("johnny-five") as Five;
  const firmata = load("firmata-io") as { Firmata: new (transport: SerialPort, options: object) => object };
  // Made before the port opens: the library waits for that event.
  const board = new five.Board({ io: new firmata.Firmata(port, { reportVersionTimeout: 200 }), repl: false, debug: false, sigint: false } as unknown as ConstructorParameters<Five["Board"]>[0]);
  const isReady = ready(board, path);
  isReady.catch(() => undefined);
  await new Promise<void>((resolve, reject) => port.open((error) => (error === null ? resolve() : reject(faultOf(error, path)))));
  keepBothWaits(port);
  await isReady;
  return partsOf(five, board, pins, () => { if (port.isOpen) port.close(() => undefined); });
}

function ready(board: { on(event: string, listener: (error?: unknown) => void): unknown }, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(boardFault("timed_out", `${path} does not answer as a Firmata board: load the StandardFirmata sketch.`)), readyWithinMs);
    board.on("ready", () => { clearTimeout(timer); resolve(); });
    board.on("error", (error) => { clearTimeout(timer); reject(faultOf(error, path)); });
  });
}

function partsOf(five: Five, board: InstanceType<Five["Board"]>, pins: Pins, close: () => void): FirmataParts {
  const led = (pin: number | undefined) => (pin === undefined ? undefined : new five.Led({ pin, board } as ConstructorParameters<Five["Led"]>[0]));
  const refuse = led(pins.refuse)!;
  const lights = { green: led(pins.accept)!, red: refuse, amber: led(pins.amber) ?? refuse, yellow: led(pins.yellow) ?? refuse, blue: led(pins.blue) ?? refuse };
  const buzzer = pins.buzzer === undefined ? undefined : new five.Pin({ pin: pins.buzzer, type: "digital", board } as unknown as ConstructorParameters<Five["Pin"]>[0]);
  const panel: Panel = {
    show: (light, tone) => {
      for (const lamp of new Set(Object.values(lights))) lamp.off();
      if (light !== "off") lights[light].on();
      if (buzzer !== undefined) sound(buzzer, tone);
    },
  };
  const relayPin = new five.Relay({ pin: pins.relay, board } as unknown as ConstructorParameters<Five["Relay"]>[0]);
  let level: 0 | 1 = 0;
  const relay: Digital = {
    onReadable: undefined, read: () => level, close: () => undefined,
    write: (to) => { level = to; if (to === 1) relayPin.close(); else relayPin.open(); },
  };
  return { panel, relay, passage: pins.passage === undefined ? undefined : sensorOf(five, board, pins.passage), close };
}

const toneMs: Record<string, number> = { h: 80, l: 250, "-": 100 };

/** `h` and `l` sound, `-` is silence; an active buzzer knows one pitch, so length tells them apart. */
function sound(buzzer: { high(): unknown; low(): unknown }, tone: string): void {
  let at = 0;
  for (const letter of tone) {
    const ms = toneMs[letter] ?? 0;
    if (letter !== "-") {
      setTimeout(() => buzzer.high(), at).unref();
      setTimeout(() => buzzer.low(), at + ms).unref();
    }
    at += ms;
  }
}

/** The passage sensor: an input that is high while somebody is in it. Short passages are remembered until they were read. */
function sensorOf(five: Five, board: InstanceType<Five["Board"]>, pin: number): Digital {
  let level: 0 | 1 = 0;
  let edges: (0 | 1)[] = [];
  const input = new five.Pin({ pin, type: "digital", mode: 0, board } as unknown as ConstructorParameters<Five["Pin"]>[0]);
  (input as unknown as { read(callback: (error: unknown, value: number) => void): void }).read((_error, value) => {
    const now: 0 | 1 = value === 1 ? 1 : 0;
    if (now === (edges.at(-1) ?? level)) return;
    edges = [...edges, now].slice(-8);
    digital.onReadable?.();
  });
  const digital: Digital = {
    onReadable: undefined, write: () => undefined, close: () => undefined,
    read: () => { level = edges.shift() ?? level; return level; },
  };
  return digital;
}
