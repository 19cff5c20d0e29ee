/** The command line inside a test: the same `main`, with a console that remembers what was said and answers what it is asked. */
import { spawn, type ChildProcess } from "node:child_process";
import { closeSync, openSync, writeSync } from "node:fs";
import { main } from "../../boards/bench/kaisatsu.js";
import { openPty } from "../../boards/bench/pty.js";
import type { Console } from "../../boards/bench/console.js";

export interface Ran { code: number; out: string; err: string; /** Questions that were put. */ asked: string[] }

/** Runs one command line to its end. `answers` are typed by a person, in order; `input` is standard input. */
export async function kaisatsu(argv: readonly string[], o: { answers?: string[]; input?: string } = {}): Promise<Ran> {
  const ran: Ran = { code: -1, out: "", err: "", asked: [] };
  const answers = [...(o.answers ?? [])];
  const answer = (question: string): Promise<string> => {
    ran.asked.push(question);
    return Promise.resolve(answers.shift() ?? "");
  };
  const console: Console = {
    asksPeople: o.answers !== undefined, colour: false, out: (text) => { ran.out += text; }, err: (text) => { ran.err += text; },
    readInput: () => new Uint8Array(Buffer.from(o.input ?? "")), ask: answer, askSecret: answer, lines: () => () => undefined, stopped: () => Promise.resolve(),
  };
  ran.code = await main(argv, console);
  return ran;
}

const program = new URL("../../dist/boards/bench/main.js", import.meta.url).pathname;

/** Runs one command line on a console of its own, a pseudo-terminal, where a person types each answer when its question stands there. */
export async function atConsole(argv: readonly string[], answers: [question: RegExp, typed: string][]): Promise<{ code: number; seen: string }> {
  const console = openPty();
  const descriptor = openSync(console.path, "r+");
  const left = [...answers];
  let seen = "";
  console.onBytes = (bytes) => {
    seen += Buffer.from(bytes).toString("utf8");
    if (left.length > 0 && left[0]![0].test(seen)) console.write(Buffer.from(left.shift()![1] + "\r"));
  };
  const child = spawn(process.execPath, [program, ...argv], { stdio: [descriptor, descriptor, descriptor] });
  const code = await new Promise<number>((resolve) => child.on("close", (ended) => resolve(ended ?? -1)));
  // What the program said last is still on its way through the pseudo-terminal.
  await new Promise<void>((done) => { const before = console.onBytes!; console.onBytes = (bytes) => { before(bytes); if (seen.includes("\u0000end")) done(); }; writeSync(descriptor, "\u0000end"); });
  closeSync(descriptor);
  console.close();
  return { code, seen: seen.replace("\u0000end", "") };
}

/** A command that runs until it is stopped, as a process of its own. */
export class Process {
  private readonly child: ChildProcess;
  out = "";
  err = "";
  private waiting: { holds: () => boolean; done: () => void }[] = [];
  readonly ended: Promise<number>;

  constructor(argv: readonly string[], folder: string, variables: Record<string, string> = {}) {
    this.child = spawn(process.execPath, [program, ...argv], { cwd: folder, stdio: ["pipe", "pipe", "pipe"], env: { ...process.env, NO_COLOR: "1", ...variables } });
    this.child.stdout!.on("data", (chunk: Buffer) => { this.out += chunk.toString("utf8"); this.look(); });
    this.child.stderr!.on("data", (chunk: Buffer) => { this.err += chunk.toString("utf8"); });
    this.ended = new Promise((resolve) => this.child.on("close", (code) => { resolve(code ?? -1); this.waiting.forEach((w) => w.done()); }));
  }

  private look(): void {
    for (const w of this.waiting.filter((x) => x.holds())) w.done();
    this.waiting = this.waiting.filter((x) => !x.holds());
  }

  /** Waits until this many lines fit the pattern; answers the last of them. Throws with everything said when it ended before. */
  async line(pattern: RegExp, times = 1): Promise<string> {
    const found = (): string[] => this.out.split("\n").filter((line) => pattern.test(line));
    if (found().length < times) await new Promise<void>((done) => this.waiting.push({ holds: () => found().length >= times, done }));
    if (found().length < times) throw new Error(`It ended without a line like ${pattern}:\n${this.out}${this.err}`);
    return found()[times - 1]!;
  }

  /** What a person types on its console. */
  type(line: string): void {
    this.child.stdin!.write(line + "\n");
  }

  async stop(signal: NodeJS.Signals = "SIGINT"): Promise<number> {
    this.child.kill(signal);
    return await this.ended;
  }
}
