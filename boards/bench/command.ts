/** What a command of the command line is, what it is given, and what its exit codes mean. */
import type { ParseArgsConfig } from "node:util";
import type { Console } from "./console.js";

/** 0 it worked · 1 it was refused or failed · 2 the command line was wrong · 3 a device, file or host could not be used. */
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

/** Commands under one word, as `handset enrol`. */
export interface CommandGroup {
  readonly name: string;
  readonly summary: string;
  /** What stands before and after the list of commands in its help. */
  readonly about: string;
  readonly examples: string;
  readonly commands: readonly Command[];
}

export interface Context {
  readonly options: Readonly<Record<string, string | boolean | (string | boolean)[] | undefined>>;
  readonly words: readonly string[];
  readonly json: boolean;
  /** Wraps text in a colour, or not: `NO_COLOR`, `--json` and a pipe switch it off. */
  readonly paint: Paint;
  readonly out: (line: string) => void;
  readonly err: (line: string) => void;
  readonly console: Console;
}

/** The command line was wrong: what is missing or does not fit. Exit code 2. */
export class UsageError extends Error {}

/** The text of an option, or undefined. */
export function textOf(c: Context, name: string): string | undefined {
  const given = c.options[name];
  if (given === "") throw new UsageError(`--${name} is empty.`);
  return given as string | undefined;
}

/** The text of an option that must be there. */
export function needed(c: Context, name: string, what: string): string {
  const given = textOf(c, name);
  if (given === undefined) throw new UsageError(`--${name} is missing: ${what}.`);
  return given;
}

/** A whole number in its bounds, or undefined when it is not given. */
export function wholeNumber(c: Context, name: string, least: number, most: number): number | undefined {
  const given = textOf(c, name);
  if (given === undefined) return undefined;
  const number = /^\d{1,15}$/.test(given) ? Number(given) : -1;
  if (number < least || number > most) throw new UsageError(`--${name} must be a whole number from ${least} to ${most}, not "${given}".`);
  return number;
}

/** Takes no words beside its options. */
export function noWords(c: Context): void {
  if (c.words.length > 0) throw new UsageError(`"${c.words[0]}" is not expected here.`);
}

/** The address of a host without a last slash. Throws a `UsageError` when it is none. */
export function hostAddress(text: string): string {
  const found = readHostAddress(text);
  if (found === undefined) throw new UsageError(`"${text}" is no address of a host: it looks like http://127.0.0.1:8440.`);
  return found;
}
/** As `hostAddress`; undefined when it is none. No account, path or query belongs to it. */
export function readHostAddress(text: string): string | undefined {
  if (!URL.canParse(text)) return undefined;
  const url = new URL(text);
  const plain = (url.protocol === "http:" || url.protocol === "https:") && url.username === "" && url.password === "" && url.pathname === "/" && url.search === "" && url.hash === "";
  return plain ? url.origin : undefined;
}

export type Paint = (colour: keyof typeof colours, text: string) => string;
export const colours = { green: 32, red: 31, yellow: 33, blue: 34, dim: 2, bold: 1 } as const;
