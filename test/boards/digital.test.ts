/**
 * The conformance of outputs, inputs and panels on everything there is: simulated ones, a console, and `johnny-five` before a
 * Firmata board that is emulated on a pseudo-terminal. Then what only the Firmata board has: pins, a buzzer, a cable.
 */
import { afterAll, afterEach, describe, expect, test, vi } from "vitest";
import { makeFirmataBoard, type FirmataBoard } from "../../boards/bench/firmata-board.js";
import { openPty, type Pty } from "../../boards/bench/pty.js";
import { makeConsolePanel, makeConsoleRelay } from "../../boards/node/console.js";
import { openFirmata, type FirmataParts, type Pins } from "../../boards/node/firmata.js";
import { openSerial } from "../../boards/node/serial.js";
import { makeSimDigital, makeSimPanel } from "../../boards/sim/board.js";
import type { BoardError, Serial } from "../../runtime/board.js";
import { inputConforms, lights, outputConforms, panelConforms } from "./digital.conformance.js";

const turnOfLoop = () => new Promise<void>((done) => setImmediate(done));
const until = async (holds: () => boolean): Promise<void> => { while (!holds()) await turnOfLoop(); };

const pins = { accept: 13, refuse: 12, amber: 11, yellow: 10, blue: 9, buzzer: 8, relay: 7, passage: 2 };
const pinOf = { green: 13, red: 12, amber: 11, yellow: 10, blue: 9 };
interface OnFirmata extends FirmataParts { pty: Pty; board: FirmataBoard; carry(): Promise<void>; /** All that was written has arrived. */ settled(): Promise<void> }

/** Devices whose program was closed and may still have something to say to them. */
const closing: Pty[] = [];
afterAll(() => { for (const pty of closing) pty.close(); });

async function onFirmata(with_: Pins = pins): Promise<OnFirmata> {
  const pty = openPty();
  const board = makeFirmataBoard(pty);
  const parts = await openFirmata(pty.path, with_);
  return {
    ...parts, pty, board, carry: turnOfLoop,
    close: () => { parts.close(); closing.push(pty); },
    // Bytes arrive in order: once a light of no meaning went on and off again, so did everything before it.
    settled: async () => {
      const relay = parts.relay.read();
      for (const level of [1, 0, 1, 0] as const) { parts.relay.write(level); await until(() => board.level(pins.relay) === level); }
      parts.relay.write(relay);
      await until(() => board.level(pins.relay) === relay);
    },
  };
}

outputConforms("a relay on a Firmata board", async () => {
  const x = await onFirmata();
  return { ...x, digital: x.relay, unplug: () => x.pty.close(), outside: async () => { await x.settled(); return x.board.level(pins.relay); } };
});
outputConforms("a simulated line", async () => {
  const digital = makeSimDigital();
  return Promise.resolve({ digital, unplug: digital.close, carry: turnOfLoop, close: digital.close, outside: () => Promise.resolve(digital.levels.at(-1) ?? 0) });
});
outputConforms("a relay on a console", () => {
  const lines: string[] = [];
  const digital = makeConsoleRelay((line) => lines.push(line));
  return Promise.resolve({ digital, unplug: digital.close, carry: turnOfLoop, close: digital.close, outside: () => Promise.resolve(lines.at(-1) === "[relay] open" ? 1 : 0) });
});
inputConforms("a passage sensor on a Firmata board", async () => {
  const x = await onFirmata();
  // The board reports its pin from when it was asked to.
  await x.settled();
  return { ...x, digital: x.passage!, set: (level) => x.board.setInput(pins.passage, level) };
});
inputConforms("a simulated line", () => {
  const digital = makeSimDigital();
  return Promise.resolve({ digital, set: digital.set, carry: turnOfLoop, close: digital.close });
});
panelConforms("lights on a Firmata board", async () => {
  const x = await onFirmata();
  const lit = async () => { await x.settled(); return lights.filter((light) => x.board.level(pinOf[light]) === 1); };
  const blinks = async () => {
    const seen = new Set<number>();
    for (let i = 0; i < 4; i++) { seen.add((await lit()).length); vi.advanceTimersByTime(250); }
    return seen.size === 2;
  };
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  return { ...x, lit, blinks, close: () => { vi.useRealTimers(); x.close(); } };
});
panelConforms("a console", () => {
  let lines: string[] = [];
  const panel = makeConsolePanel((line) => lines.push(line));
  return Promise.resolve({ panel, close: () => undefined, blinks: () => Promise.resolve(lines.at(-1)!.includes("blinking]")), lit: () => { const last = lines.at(-1); lines = []; return Promise.resolve(last === undefined ? [] : [/^\[(\w+)\]/.exec(last)![1]!]); } });
});
panelConforms("a simulated panel", () => {
  const panel = makeSimPanel();
  return Promise.resolve({ panel, close: () => undefined, blinks: () => Promise.resolve(panel.shown.at(-1)!.manner === "blinking"), lit: () => Promise.resolve(panel.shown.slice(-1).map((s) => s.light).filter((l) => l !== "off")) });
});

test("a console says what a person would see and hear, in one line", () => {
  const lines: string[] = [];
  const panel = makeConsolePanel((line) => lines.push(line));
  panel.show("green", "steady", "h", "");
  panel.show("off", "steady", "", "");
  panel.show("red", "steady", "l-l", "Expired");
  panel.show("amber", "blinking", "l", "Tap again");
  expect(lines).toEqual(["[green] Welcome (h)", "[red] Expired (l-l)", "[amber blinking] Tap again (l)"]);
});

describe("a Firmata board", () => {
  let x: OnFirmata;
  const parts: { close(): void }[] = [];
  afterEach(() => { vi.useRealTimers(); for (const part of parts.splice(0).reverse()) part.close(); });
  const opened = async (with_?: Pins): Promise<OnFirmata> => { x = await onFirmata(with_); parts.push(x); return x; };

  /** What the buzzer did, as the milliseconds it sounded (+) and was silent (−), wound by hand. */
  async function heard(work: () => void, then: (atMs: number) => void = () => undefined): Promise<number[]> {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const levels: number[] = [];
    work();
    for (let ms = 0; ms < 1500; ms += 10) {
      then(ms);
      await x.settled();
      levels.push(x.board.level(pins.buzzer));
      vi.advanceTimersByTime(10);
    }
    const runs: number[] = [];
    for (const [i, level] of levels.entries()) {
      if (i === 0 || level !== levels[i - 1]) runs.push(0);
      runs[runs.length - 1]! += level === 1 ? 10 : -10;
    }
    return runs.at(-1)! < 0 ? runs.slice(0, -1) : runs;
  }

  test.each([["h", [80]], ["l", [250]], ["l-l", [250, -100, 250]], ["l-h", [250, -100, 80]], ["l-l-l", [250, -100, 250, -100, 250]], ["", []]])("the tone %s is heard as %j", async (tone, pattern) => {
    await opened();
    expect(await heard(() => x.panel.show("red", "steady", tone, ""))).toEqual(pattern);
  });

  test("a new tone takes the place of one that still sounds", async () => {
    await opened();
    expect(await heard(() => x.panel.show("red", "steady", "l-l-l", ""), (ms) => { if (ms === 300) x.panel.show("green", "steady", "h", ""); })).toEqual([250, -50, 80]);
  });

  test("a light without a pin of its own is the red one", async () => {
    await opened({ accept: 13, refuse: 12, relay: 7 });
    for (const light of ["amber", "yellow", "blue", "red"] as const) {
      x.panel.show(light, "steady", "l", "");
      await x.settled();
      expect([x.board.level(12), x.board.level(13)]).toEqual([1, 0]);
    }
    expect(x.passage).toBeUndefined();
  });

  test("somebody who stands in the gate when it is switched on is seen", async () => {
    const pty = openPty();
    parts.push(pty);
    const board = makeFirmataBoard(pty);
    board.setInput(pins.passage, 1);
    const firmata = await openFirmata(pty.path, pins);
    parts.push(firmata);
    await until(() => firmata.passage!.read() === 1);
  });

  test("an earlier program left the gate open and the lights on: opening the board shuts and darkens it", async () => {
    const pty = openPty();
    parts.push(pty);
    const board = makeFirmataBoard(pty);
    const before = await openSerial(pty.path, 57_600);
    for (const pin of [pins.relay, pins.accept, pins.buzzer]) before.write(new Uint8Array([0xf5, pin, 1]));
    await until(() => [pins.relay, pins.accept, pins.buzzer].every((pin) => board.level(pin) === 1));
    before.close();
    parts.push(await openFirmata(pty.path, pins));
    await until(() => [pins.relay, pins.accept, pins.buzzer].every((pin) => board.level(pin) === 0));
  });

  test("closed while the gate is open: it is shut first, and silent", async () => {
    await opened();
    x.panel.show("green", "steady", "l-l-l", "");
    x.relay.write(1);
    await until(() => x.board.level(pins.relay) === 1 && x.board.level(pins.buzzer) === 1);
    x.close();
    await until(() => [pins.relay, pins.accept, pins.buzzer].every((pin) => x.board.level(pin) === 0));
    expect(() => x.relay.write(1)).toThrow(/closed or unplugged/);
    expect(() => x.panel.show("green", "steady", "", "")).toThrow(/closed or unplugged/);
  });

  test("unplugged: every write says so, and what to do", async () => {
    await opened();
    x.pty.close();
    const error = (): BoardError | undefined => { try { x.panel.show("green", "steady", "h", ""); return undefined; } catch (e) { return e as BoardError; } };
    await until(() => error() !== undefined);
    expect(error()).toMatchObject({ kind: "disconnected", message: expect.stringMatching(/plug it in and restart/) as unknown });
  });

  test("a port with no Firmata behind it: a board error after eight seconds, and the port is given back", async () => {
    const pty = openPty();
    parts.push(pty);
    let asked = 0;
    pty.onBytes = (bytes) => { asked += bytes.length; };
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const opening = openFirmata(pty.path, pins).then(() => undefined, (e: unknown) => e as BoardError);
    while (asked === 0) { vi.advanceTimersByTime(100); await turnOfLoop(); }
    vi.advanceTimersByTime(8000);
    expect(await opening).toMatchObject({ kind: "timed_out", message: expect.stringMatching(/load the StandardFirmata sketch/) as unknown });
    vi.useRealTimers();
    let port: Serial | undefined;
    while (port === undefined) port = await openSerial(pty.path, 9600).catch(() => undefined);
    port.close();
  });

  test("no port: a board error", async () => {
    await expect(openFirmata("/dev/no-such-board", pins)).rejects.toMatchObject({ kind: "absent" });
  });
});
