/** What a command of the command line is, what it is given, and what its exit codes mean. */
import type { ParseArgsConfig } from "node:util";

/** 0 it worked · 1 it was refused or failed · 2 the command line was wrong · 3 a device or file could not be used. */
export const exitCode = { done: 0, refused: 1, usage: 2, device: 3 } as const;

export interface Command {
  readonly name: string;
  /** One line for the list. */
  readonly summary: string;
  /** The whole help: usage, options, examples. */
  readonly help: string;
  readonly options: NonNullable<ParseArgsConfig["options"]>;
  run(context: Context): Promise<number>;
}

export interface Context {
  readonly options: Readonly<Record<string, string | boolean | (string | boolean)[] | undefined>>;
  readonly words: readonly string[];
  readonly json: boolean;
  /** Wraps text in a colour, or not: `NO_COLOR`, `--json` and a pipe switch it off. */
  readonly paint: Paint;
  readonly out: (line: string) => void;
  readonly err: (line: string) => void;
}

export type Paint = (colour: keyof typeof colours, text: string) => string;
export const colours = { green: 32, red: 31, yellow: 33, blue: 34, dim: 2, bold: 1 } as const;
