/** The emulator program as its starter sees it: a child process that is given orders and tells what happened. */
import { fork, type ChildProcess } from "node:child_process";
import type { Faults, Order, Settings, Told } from "./line-emulator.js";

/** Compiled, because a child process does not compile. */
const program = new URL(import.meta.url.includes("/dist/test/") ? "./line-emulator.js" : "../../dist/test/hil/line-emulator.js", import.meta.url);

export interface EmulatedLine {
  readonly terminal: string; readonly handset: string; readonly tapPoint: string | undefined;
  /** Bytes damaged so far. */
  faulted(): number;
  set(faults: Faults): Promise<void>;
  close(): Promise<void>;
}
export interface EmulatedBoard {
  readonly path: string;
  /** Levels the relay was given since it was last asked. */
  relay(): (0 | 1)[];
  walks(does: boolean): Promise<void>;
  close(): Promise<void>;
}

type Answer<K extends Told["is"]> = Extract<Told, { is: K }>;

class Child {
  private readonly process: ChildProcess = fork(program, { stdio: ["ignore", "inherit", "inherit", "ipc"] });
  constructor(told: (what: Told) => void) { this.process.on("message", (what) => told(what as Told)); }

  /** Gives an order and waits for the answer of this kind. */
  ask<K extends Told["is"]>(order: Order, kind: K): Promise<Answer<K>> {
    return new Promise((resolve, reject) => {
      const hear = (what: unknown): void => {
        const told = what as Told;
        if (told.is !== kind && told.is !== "failed") return;
        this.process.off("message", hear);
        this.process.off("exit", ended);
        if (told.is === "failed") reject(new Error(told.message)); else resolve(told as Answer<K>);
      };
      const ended = (): void => reject(new Error("the line emulator ended"));
      this.process.on("message", hear);
      this.process.once("exit", ended);
      this.process.send(order);
    });
  }

  close(): Promise<void> {
    return new Promise((done) => {
      if (this.process.exitCode !== null) { done(); return; }
      this.process.once("exit", () => done());
      this.process.disconnect();
    });
  }
}

export async function startLine(settings: Settings): Promise<EmulatedLine> {
  let faulted = 0;
  const child = new Child((told) => { if (told.is === "faulted") faulted += told.count; });
  const line = await child.ask({ do: "line", settings }, "line").catch(async (error: unknown) => { await child.close(); throw error; });
  return { ...line, faulted: () => faulted, set: async (faults) => { await child.ask({ do: "faults", faults }, "set"); }, close: () => child.close() };
}

export async function startBoard(pins: { relay: number; passage: number }): Promise<EmulatedBoard> {
  const levels: (0 | 1)[] = [];
  const child = new Child((told) => { if (told.is === "relay") levels.push(told.level); });
  const { path } = await child.ask({ do: "board", ...pins }, "board");
  return { path, relay: () => levels.splice(0), walks: async (walks) => { await child.ask({ do: "walk", walks }, "set"); }, close: () => child.close() };
}
