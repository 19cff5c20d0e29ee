/**
 * Lights, buzzer, relay and passage sensor on a Firmata board (an Arduino with the standard sketch), by `johnny-five`.
 *
 * The board keeps its pins when this program ends or dies, so everything is switched off when it is opened and when it is
 * closed: a gate must not stand open because nobody is there to shut it. Once unplugged, every write throws.
 */
import { createRequire } from "node:module";
import type { SerialPort } from "serialport";
import { faultOf } from "./fault.js";
import { makePort, openPort } from "./port.js";
import { boardFault } from "../../runtime/journal/store.js";
import type { Digital, Panel } from "../../runtime/board.js";

type Five = typeof import("johnny-five");
type FiveBoard = InstanceType<Five["Board"]>;
const load = createRequire(import.meta.url);

/** Pin numbers. A light without a pin of its own falls back to `refuse`. */
export interface Pins { accept: number; refuse: number; amber?: number; yellow?: number; blue?: number; buzzer?: number; relay: number; passage?: number }
export interface FirmataParts { panel: Panel; relay: Digital; passage: Digital | undefined; close(): void }

const readyWithinMs = 8000;

/** Opens the board on a serial port. Rejects with a `BoardError` when there is no Firmata behind it. */
export async function openFirmata(path: string, pins: Pins): Promise<FirmataParts> {
  const port = makePort(path, 57600);
  const five = load("johnny-five") as Five;
  const firmata = load("firmata-io") as { Firmata: new (transport: SerialPort, options: object) => object };
  // Made before the port opens: the library waits for that event.
  const io = new firmata.Firmata(port, { reportVersionTimeout: 200 });
  const board = new five.Board({ io, repl: false, debug: false, sigint: false } as unknown as ConstructorParameters<Five["Board"]>[0]);
  try {
    const isReady = ready(board, path);
    await openPort(port);
    await isReady;
    return partsOf(five, board, pins, port);
  } catch (error) {
    clearTimeout((board as unknown as { timer: NodeJS.Timeout | undefined }).timer);
    clearTimeout((io as { reportVersionTimeoutId?: NodeJS.Timeout }).reportVersionTimeoutId);
    if (port.isOpen) port.close(() => undefined);
    throw error;
  }
}

function ready(board: { on(event: string, listener: (error?: unknown) => void): unknown }, path: string): Promise<void> {
  const isReady = new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => reject(boardFault("timed_out", `${path} does not answer as a Firmata board: load the StandardFirmata sketch.`)), readyWithinMs);
    timer.unref();
    board.on("ready", () => { clearTimeout(timer); resolve(); });
    board.on("error", (error) => { clearTimeout(timer); reject(faultOf(error, path)); });
  });
  isReady.catch(() => undefined);
  return isReady;
}

function partsOf(five: Five, board: FiveBoard, pins: Pins, port: SerialPort): FirmataParts {
  let closed = false;
  /** Does it on the board, or says that there is none any more. */
  const onBoard = (work: () => void): void => {
    if (closed || !port.isOpen) throw boardFault("disconnected", `The Firmata board on ${port.path} is closed or unplugged: plug it in and restart.`);
    work();
  };
  const panel = panelOf(five, board, pins, onBoard);
  const relay = relayOf(five, board, pins.relay, onBoard);
  const passage = pins.passage === undefined ? undefined : sensorOf(board, pins.passage);
  const rest = (): void => { relay.write(0); panel.show("off", "steady", "", ""); };
  rest();
  const close = (): void => {
    if (closed) return;
    passage?.close();
    if (port.isOpen) { rest(); port.drain(() => { if (port.isOpen) port.close(() => undefined); }); }
    closed = true;
  };
  return { panel, relay, passage, close };
}

type OnBoard = (work: () => void) => void;

/** All lights off, then one on. */
function panelOf(five: Five, board: FiveBoard, pins: Pins, onBoard: OnBoard): Panel {
  const led = (pin: number | undefined) => (pin === undefined ? undefined : new five.Led({ pin, board } as ConstructorParameters<Five["Led"]>[0]));
  const refuse = led(pins.refuse)!;
  const lights = { green: led(pins.accept)!, red: refuse, amber: led(pins.amber) ?? refuse, yellow: led(pins.yellow) ?? refuse, blue: led(pins.blue) ?? refuse };
  const buzzer = pins.buzzer === undefined ? undefined : new five.Pin({ pin: pins.buzzer, type: "digital", board } as unknown as ConstructorParameters<Five["Pin"]>[0]);
  const sound = buzzer === undefined ? undefined : sounder((on) => onBoard(() => { if (on) buzzer.high(); else buzzer.low(); }));
  let blinking: NodeJS.Timeout | undefined;
  return {
    show: (light, manner, tone) => {
      clearTimeout(blinking);
      onBoard(() => {
        for (const lamp of new Set(Object.values(lights))) lamp.off();
        if (light !== "off") lights[light].on();
        if (light !== "off" && manner === "blinking") blink(lights[light], true);
        sound?.(tone);
      });
    },
  };
  /** Changes the lamp after half a period, until something else is shown or the board is gone. */
  function blink(lamp: { on(): unknown; off(): unknown }, isOn: boolean): void {
    blinking = setTimeout(() => {
      try { onBoard(() => { if (isOn) lamp.off(); else lamp.on(); }); } catch { return; }
      blink(lamp, !isOn);
    }, blinkMs);
    blinking.unref();
  }
}
/** Half a period: on as long as off. */
const blinkMs = 250;

function relayOf(five: Five, board: FiveBoard, pin: number, onBoard: OnBoard): Digital {
  const relay = new five.Relay({ pin, board } as unknown as ConstructorParameters<Five["Relay"]>[0]);
  let level: 0 | 1 = 0;
  return {
    onReadable: undefined, read: () => level, close: () => undefined,
    write: (to) => onBoard(() => { if (to === 1) relay.close(); else relay.open(); level = to; }),
  };
}

const toneMs: Record<string, number> = { h: 80, l: 250, "-": 100 };

/**
 * `h` and `l` sound, `-` is silence; an active buzzer knows one pitch, so length tells them apart. A new tone takes the
 * place of one that still sounds.
 */
function sounder(put: (on: boolean) => void): (tone: string) => void {
  let timer: NodeJS.Timeout | undefined;
  const play = (rest: string): void => {
    const letter = rest[0] ?? "";
    put(letter === "h" || letter === "l");
    if (letter === "") return;
    timer = setTimeout(() => { try { play(rest.slice(1)); } catch { /* unplugged: the next write says so */ } }, toneMs[letter] ?? 0);
  };
  return (tone) => { clearTimeout(timer); play(tone); };
}

/** Changes that nobody has read; a sensor that flutters faster is read as one that fluttered eight times. */
const changesMax = 8;

/** The passage sensor: an input that is high while somebody is in it. Each change the board reports is read once. */
function sensorOf(board: FiveBoard, pin: number): Digital {
  let level: 0 | 1 = 0;
  let changes: (0 | 1)[] = [];
  let closed = false;
  board.pinMode(pin, 0);
  board.digitalRead(pin, (value) => {
    const now: 0 | 1 = value === 1 ? 1 : 0;
    if (closed || now === (changes.at(-1) ?? level)) return;
    changes = [...changes, now].slice(-changesMax);
    digital.onReadable?.();
  });
  const digital: Digital = {
    onReadable: undefined, close: () => { closed = true; },
    write: () => { throw new Error("assertion failed: a sensor is not written"); },
    read: () => { level = changes.shift() ?? level; return level; },
  };
  return digital;
}
