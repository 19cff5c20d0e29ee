/**
 * An emulated Espruino board on a pseudo-terminal, for people without one and for tests of whatever speaks to one: the stand-in
 * engine in real time, its console and its firmware behind one port. Its flash may be a file, so that what was written is
 * there tomorrow.
 */
import { randomBytes } from "node:crypto";
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { makeEngine, type Engine } from "./engine.js";
import { makeChip } from "./flash.js";
import type { Model } from "./models.js";
import { openPty, type Pty } from "../pty.js";
import { boardFault } from "../../../runtime/journal/store.js";

export interface EmulatorOptions {
  readonly model: Model;
  /** Keeps the flash; made when missing. */
  readonly file?: string;
  /** A pin was driven, an error was thrown that nobody caught, the board started. */
  readonly told?: (what: Told) => void;
}
export type Told = { is: "pin"; pin: string; level: number; hertz: number } | { is: "error"; message: string } | { is: "started"; by: string };

export interface Emulator {
  readonly path: string;
  readonly engine: Engine;
  /** Presses the button, or lets it go. */
  button(pressed: boolean): void;
  /** Drives a pin from outside. */
  drive(pin: string, level: 0 | 1): void;
  /** Switches off and on again. */
  restart(): void;
  close(): void;
}

export function startEmulator(o: EmulatorOptions): Emulator {
  const { model } = o;
  const chip = makeChip(model, Math.random);
  if (o.file !== undefined && existsSync(o.file)) {
    const kept = readFileSync(o.file);
    if (kept.length !== chip.bytes.length) throw boardFault("broken", `${o.file} is not the flash of a ${model.title}: it has ${kept.length} bytes, not ${chip.bytes.length}.`);
    chip.bytes.set(kept);
  }
  const pty: Pty = openPty();
  const engine = makeEngine({
    model, chip, random32: () => randomBytes(4).readUInt32LE(),
    world: { onBytes: (_port, bytes) => pty.write(bytes), onPin: (pin, level, hertz) => o.told?.({ is: "pin", pin, level, hertz }) },
  });
  let timer: NodeJS.Timeout | undefined;
  let lastMs = performance.now();
  let [errors, boots, kept] = [0, 0, chip.operations];
  /** The engine's time is ours; it is looked at when something is due, or arrived. */
  const turn = (work?: () => void): void => {
    clearTimeout(timer);
    const now = performance.now();
    engine.advance(now - lastMs);
    lastMs = now;
    work?.();
    while (errors < engine.errors.length) o.told?.({ is: "error", message: engine.errors[errors++]!.split("\n")[0]! });
    if (boots !== engine.boots) { boots = engine.boots; o.told?.({ is: "started", by: engine.startedBy }); }
    if (o.file !== undefined && kept !== chip.operations) { kept = chip.operations; keep(o.file, chip.bytes); }
    const next = engine.next();
    timer = setTimeout(turn, next < 0 ? 1000 : Math.min(1000, Math.max(1, next - engine.nowMs)));
  };
  pty.onBytes = (bytes) => turn(() => engine.receive(model.line, bytes));
  turn(() => engine.powerOn());
  return {
    path: pty.path, engine,
    button: (pressed) => turn(() => engine.drive(model.button.pin, pressed ? model.button.pressed : model.button.pressed === 1 ? 0 : 1)),
    drive: (pin, level) => turn(() => engine.drive(pin, level)),
    restart: () => turn(() => { engine.powerOff(); engine.powerOn(); }),
    close: () => { clearTimeout(timer); engine.powerOff(); pty.close(); },
  };
}

function keep(path: string, bytes: Uint8Array): void {
  writeFileSync(path + ".new", bytes, { mode: 0o600 });
  renameSync(path + ".new", path);
}
