/**
 * The stage of `kaisatsu venue`: a real host over HTTP, gates on real serial ports with lights and turnstile on emulated
 * Firmata boards, handsets in folders. Only the copper is missing: the lines are pseudo-terminals, paced at 115,200 baud.
 */
import { cpSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { collect, enrolPhone, openPhone, type Phone } from "../../node/phone.js";
import type { Running } from "../../node/run.js";
import { openSerial } from "../../node/serial.js";
import { runTap, type TapResult } from "../../node/tap.js";
import { enrolBoard, openNodeBoard, startTerminal, type NodeBoard } from "../../node/terminal-board.js";
import { makeFirmataBoard, type FirmataBoard } from "../firmata-board.js";
import { openLine, openPty, type Line } from "../pty.js";
import { startHost, type Host } from "../../../host/host.js";
import type { NewTerminal } from "../../../host/terminals.js";
import type { Serial } from "../../../runtime/board.js";
import { boardFault } from "../../../runtime/journal/store.js";
import { gate } from "../../../runtime/role/gate.js";
import type { Stages, Terminal, TerminalEvent } from "../../../runtime/terminal.js";
import { media } from "../../../protocol/link/media.js";
import type { Receipt } from "../../../protocol/wire/receipt.js";
import type { Value } from "../../../protocol/wire/value.js";

export const baud = 115_200;
const pins = { accept: 13, refuse: 12, amber: 11, yellow: 10, blue: 9, buzzer: 8, relay: 7, passage: 2 };
const lights: Record<number, string> = { 13: "green", 12: "red", 11: "amber", 10: "yellow", 9: "blue" };

/** What the terminal said of one tap. */
export interface Shown { code: number; since: number; value: Value | undefined; receipt: Receipt | undefined; stages: Stages | undefined }

export interface GateOnStage {
  readonly name: string; readonly board: NodeBoard; terminal: Terminal; running: Running; readonly line: Line; readonly firmata: FirmataBoard;
  /** The handset's end of the line. */
  readonly port: Serial;
  /** Newest last. */
  shown: Shown[];
  /** Lights lit since they were last asked for, in order. */
  lit: string[];
  opened: number;
  /** Whether a person walks when the turnstile opens. */
  walks: boolean;
  /** Told everything the terminal says. */
  watch?: (e: TerminalEvent) => void;
  close(): void;
}

export interface Stage {
  readonly folder: string;
  host: Host;
  readonly gates: GateOnStage[];
  readonly phones: Phone[];
  api<T>(method: "GET" | "POST", path: string, body?: unknown): Promise<T>;
  stopHost(): Promise<void>;
  restartHost(): Promise<void>;
  close(): Promise<void>;
}

export async function openStage(folder: string): Promise<Stage> {
  mkdirSync(folder, { recursive: true });
  const start = (port: number): Promise<Host> => startHost({ folder: join(folder, "host"), name: "example", port });
  const stage: Stage = {
    folder, host: await start(0), gates: [], phones: [],
    api: async (method, path, body) => {
      const response = await fetch(stage.host.url + path, {
        method, headers: { authorization: `Bearer ${stage.host.operatorToken}`, ...(body !== undefined && { "content-type": "application/json" }) }, ...(body !== undefined && { body: JSON.stringify(body) }),
      });
      const answer = (await response.json()) as { message?: string };
      if (!response.ok) throw boardFault("denied", `The host refused ${method} ${path}: ${answer.message}`);
      return answer as never;
    },
    stopHost: () => stage.host.close(),
    restartHost: async () => { stage.host = await start(Number(new URL(stage.host.url).port)); },
    close: async () => {
      for (const g of stage.gates) g.close();
      for (const p of stage.phones) p.store.close();
      await stage.host.close();
    },
  };
  return stage;
}

// ---- gates ------------------------------------------------------------------------------------------------------------------

/** A new gate: made at the host, claimed by its code over HTTP, then running. */
export async function addGate(stage: Stage, x: Omit<NewTerminal, "role">): Promise<GateOnStage> {
  const { claimCode } = await stage.api<{ claimCode: string }>("POST", "/api/terminals", { ...x, role: "gate" });
  const line = openLine({ baud });
  const pty = openPty();
  const firmata = makeFirmataBoard(pty);
  const folder = join(stage.folder, "gates", x.name.toLowerCase().replace(/\W+/g, "-"));
  const board = await openNodeBoard({ name: x.name, folder, link: { port: line.a, baud }, firmata: { port: pty.path, pins } });
  const enrolled = await enrolBoard(board, stage.host.url, claimCode, "venue");
  if ("wrong" in enrolled) throw boardFault("denied", `Gate ${x.name} was not enrolled: ${enrolled.wrong}.`);
  const g = onStage(x.name, board, line, firmata, await openSerial(line.b, baud), () => { board.close(); setTimeout(() => { pty.close(); line.close(); }, 50); });
  startGate(stage, g);
  stage.gates.push(g);
  return g;
}

function onStage(name: string, board: NodeBoard, line: Line, firmata: FirmataBoard, port: Serial, close: () => void): GateOnStage {
  const g = {
    name, board, line, firmata, port, shown: [], lit: [], opened: 0, walks: true,
    close: () => { g.running.stop(); port.close(); close(); },
  } as unknown as GateOnStage;
  firmata.onPin = (pin, level) => {
    if (level === 1 && lights[pin] !== undefined) g.lit.push(lights[pin]!);
    if (pin === pins.relay && level === 1 && g.walks) { setTimeout(() => firmata.setInput(pins.passage, 1), 120); setTimeout(() => firmata.setInput(pins.passage, 0), 260); }
  };
  return g;
}

/** Starts (again) on what is durable: also after a power cut. */
export function startGate(stage: Stage, g: GateOnStage): void {
  const { terminal, running } = startTerminal(g.board, gate, media.serial, stage.host.url, (e) => note(g, e));
  g.terminal = terminal;
  g.running = running;
}

function note(g: GateOnStage, e: TerminalEvent): void {
  g.watch?.(e);
  if (e.event === "shown") g.shown.push({ code: e.code, since: e.since, value: e.value, receipt: e.receipt, stages: undefined });
  if (e.event === "opened") { g.opened++; g.shown.at(-1)!.stages = { ...e.stages }; }
}

/** The terminal loses power and starts again; the handset's line stays. */
export function powerCut(stage: Stage, g: GateOnStage): void {
  g.running.stop();
  startGate(stage, g);
}

// ---- handsets -----------------------------------------------------------------------------------------------------------------

export async function addPhone(stage: Stage, user: string): Promise<Phone> {
  const { phone } = await enrolPhone(join(stage.folder, "handsets", user), stage.host.url, user, "correct horse battery staple", "");
  stage.phones.push(phone);
  return phone;
}

/** A thief's copy of a handset: wallet and keys, as they are now. */
export function copyPhone(stage: Stage, p: Phone, name: string): Phone {
  const folder = join(stage.folder, "handsets", name);
  mkdirSync(folder, { recursive: true });
  for (const file of ["wallet", "keys.json"]) cpSync(join(p.folder, file), join(folder, file));
  const copy = openPhone(folder);
  stage.phones.push(copy);
  return copy;
}
export { collect };

const carried = (g: GateOnStage): number => g.line.carried.toA + g.line.carried.toB;

/** One tap with everything seen on all sides. `bytes`: on the wire both ways until the handset heard the outcome. */
export interface Seen { result: TapResult; shown: Shown | undefined; light: string; bytes: number; walked: boolean }

/** Holds a handset to a gate's line. `cut`: the line goes dead on these bytes. */
export async function tapAt(g: GateOnStage, p: Phone, o: { intent?: number; silentAmount?: number; walks?: boolean; cut?: (way: "toA" | "toB", bytes: Uint8Array) => boolean } = {}): Promise<Seen> {
  await quiet(g);
  p.wallet.intent = o.intent ?? 0;
  g.walks = o.walks ?? true;
  g.lit = [];
  const before = { shown: g.shown.length, opened: g.opened, carried: carried(g) };
  let bytes = 0;
  if (o.cut !== undefined) {
    const cut = o.cut;
    g.line.options.toA = (bytes) => (cut("toA", bytes) ? [] : [bytes]);
    g.line.options.toB = (bytes) => (cut("toB", bytes) ? [] : [bytes]);
  }
  const result = await runTap(p, g.port, { silentAmount: o.silentAmount ?? 2000, confirm: () => Promise.resolve(true), withinMs: 1200, waitForPassage: true, onResolved: () => { bytes = carried(g) - before.carried; } });
  g.line.options.toA = undefined;
  g.line.options.toB = undefined;
  p.wallet.intent = 0;
  await until(() => g.shown.length > before.shown || g.terminal.verifier.state !== "open", 1000);
  const shown = g.shown.length > before.shown ? g.shown.at(-1) : undefined;
  await until(() => g.lit.length > 0 || shown === undefined, 300);
  return {
    result, shown, light: g.lit.at(-1) ?? "none", walked: g.opened > before.opened && g.walks,
    bytes: bytes > 0 ? bytes : carried(g) - before.carried,
  };
}

/** The gate is at rest: the one before has walked on. */
async function quiet(g: GateOnStage): Promise<void> {
  await until(() => g.terminal.verifier.state !== "open" && g.terminal.verifier.state !== "recording", 10_000);
}

export async function until(holds: () => boolean, withinMs: number): Promise<boolean> {
  const end = performance.now() + withinMs;
  while (!holds()) {
    if (performance.now() > end) return false;
    await pause(5);
  }
  return true;
}
export const pause = (ms: number) => new Promise<void>((done) => setTimeout(done, ms));
