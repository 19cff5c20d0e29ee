/**
 * The console a command runs on: where its lines go, what a person types, and when it is told to stop. Tests give one of
 * their own; everything else uses the process's.
 */
import { createInterface } from "node:readline/promises";
import { readFileSync } from "node:fs";

export interface Console {
  /** A person sits there and can be asked. */
  readonly asksPeople: boolean;
  /** Text may be coloured. */
  readonly colour: boolean;
  out(text: string): void;
  err(text: string): void;
  /** All of standard input. */
  readInput(): Uint8Array;
  /** One typed line. */
  ask(question: string): Promise<string>;
  /** One typed line that is not shown. */
  askSecret(question: string): Promise<string>;
  /** Each line typed from now on, until the answered function is called or the input ends. */
  lines(heard: (line: string) => void): () => void;
  /** Resolves on Ctrl-C or when the process is told to end; a second Ctrl-C ends it at once. */
  stopped(): Promise<void>;
}

export const processConsole: Console = {
  get asksPeople() { return process.stdin.isTTY && process.stderr.isTTY; },
  get colour() { return process.stdout.isTTY && process.env["NO_COLOR"] === undefined; },
  out: (text) => { process.stdout.write(text); },
  err: (text) => { process.stderr.write(text); },
  readInput: () => new Uint8Array(readFileSync(0)),
  ask: async (question) => {
    const lines = createInterface({ input: process.stdin, output: process.stderr });
    try {
      return await new Promise<string>((resolve, reject) => {
        lines.on("close", () => reject(new Interrupted()));
        lines.on("SIGINT", () => lines.close());
        void lines.question(question).then(resolve);
      });
    } finally {
      lines.close();
    }
  },
  askSecret: (question) => new Promise((resolve, reject) => {
    const { stdin, stderr } = process;
    stderr.write(question);
    stdin.setRawMode(true);
    let typed = "";
    const end = (result: () => void): void => {
      stdin.off("data", hear);
      stdin.setRawMode(false);
      stdin.pause();
      stderr.write("\n");
      result();
    };
    const hear = (chunk: Buffer): void => {
      for (const character of chunk.toString("utf8")) {
        if (character === "\r" || character === "\n" || character === "\u0004") { end(() => resolve(typed)); return; }
        if (character === "\u0003") { end(() => reject(new Interrupted())); return; }
        typed = character === "\u007f" || character === "\b" ? typed.slice(0, -1) : typed + character;
      }
    };
    stdin.on("data", hear);
    stdin.resume();
  }),
  lines: (heard) => {
    const typed = createInterface({ input: process.stdin });
    // Ctrl-C is for whoever waits on `stopped`, also while lines are read.
    typed.on("SIGINT", () => process.emit("SIGINT"));
    typed.on("line", heard);
    return () => { typed.close(); process.stdin.pause(); };
  },
  stopped: () => new Promise((done) => {
    const end = (): void => { process.off("SIGINT", end); process.off("SIGTERM", end); done(); };
    process.on("SIGINT", end);
    process.on("SIGTERM", end);
  }),
};

/** The person broke it off. */
export class Interrupted extends Error {
  constructor() { super("broken off."); }
}
