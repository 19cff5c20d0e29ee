/**
 * The command line. Each command is a file of its own that says what it does, takes its options and answers an exit code;
 * this page only finds the command and keeps the promises all share: `--help` with examples, `--json` for machines,
 * `NO_COLOR`, and exit codes that mean something.
 */
import { parseArgs } from "node:util";
import { colours, exitCode, UsageError, type Command, type CommandGroup, type Context, type Paint } from "./command.js";
import { commands } from "./commands.js";
import { Interrupted, processConsole, type Console } from "./console.js";
import { HostRefused } from "../node/network.js";

function painter(plain: boolean): Paint {
  return (colour, text) => (plain ? text : `\u001b[${colours[colour]}m${text}\u001b[0m`);
}

function listed(list: readonly { name: string; summary: string }[]): string {
  const width = Math.max(...list.map((c) => c.name.length));
  return list.map((c) => `  ${c.name.padEnd(width)}  ${c.summary}`).join("\n");
}

function overview(): string {
  return `kaisatsu: open terminals for electronic value

Usage: kaisatsu COMMAND [options]

${listed(commands)}

  --help     help for kaisatsu or for a command
  --json     machine-readable output, one JSON document or one JSON line an event
  --version  the version

Exit codes: 0 it worked, 1 it was refused or failed, 2 the command line was wrong, 3 a device, file or host could not be
used. Colours are left out when NO_COLOR is set or the output is no console.

Examples:
  kaisatsu venue                      a whole venue on this machine, told in plain lines
  kaisatsu host --data shop           a host with its books in the folder "shop"
  kaisatsu inspect 820600             what these bytes mean
`;
}

function groupHelp(g: CommandGroup): string {
  return `Usage: kaisatsu ${g.name} COMMAND [options]\n\n${g.about}\n\n${listed(g.commands)}\n\nkaisatsu ${g.name} COMMAND --help says more.\n\nExamples:\n${g.examples}`;
}

/** Runs one command line; answers its exit code. */
export async function main(argv: readonly string[], on: Console = processConsole): Promise<number> {
  const [name, ...rest] = argv;
  const err = (line: string) => on.err(line + "\n");
  if (name === undefined || name === "--help" || name === "help") { on.out(overview()); return name === undefined ? exitCode.usage : exitCode.done; }
  if (name === "--version") { on.out((await import("./version.js")).version + "\n"); return exitCode.done; }
  const found = commands.find((c) => c.name === name);
  if (found === undefined) { err(`kaisatsu: no command "${name}". kaisatsu --help lists them.`); return exitCode.usage; }
  return "commands" in found ? await within(found, rest, on) : await runCommand(name, found, rest, on);
}

async function within(g: CommandGroup, argv: readonly string[], on: Console): Promise<number> {
  const [name, ...rest] = argv;
  if (name === undefined || name === "--help" || name === "help") { on.out(groupHelp(g)); return name === undefined ? exitCode.usage : exitCode.done; }
  const found = g.commands.find((c) => c.name === name);
  if (found === undefined) { on.err(`kaisatsu ${g.name}: no command "${name}". kaisatsu ${g.name} --help lists them.\n`); return exitCode.usage; }
  return await runCommand(`${g.name} ${name}`, found, rest, on);
}

async function runCommand(name: string, command: Command, argv: readonly string[], on: Console): Promise<number> {
  const err = (line: string) => on.err(line + "\n");
  if (argv.includes("--help")) { on.out(command.help); return exitCode.done; }
  try {
    const parsed = parseArgs({ args: [...argv], options: { json: { type: "boolean" }, ...command.options }, allowPositionals: true });
    const options = parsed.values as Context["options"];
    const json = options["json"] === true;
    return await command.run({ options, words: parsed.positionals, json, paint: painter(json || !on.colour), out: (line) => on.out(line + "\n"), err, console: on });
  } catch (error) {
    return explain(name, error, err);
  }
}

/** A wrong option is the caller's; a board error says itself what to do; anything else is a fault of ours and keeps its stack. */
function explain(name: string, error: unknown, err: (line: string) => void): number {
  const problem = error as { code?: string; kind?: string; message?: string; stack?: string };
  if (error instanceof HostRefused || error instanceof Interrupted) { err(`kaisatsu ${name}: ${problem.message}`); return exitCode.refused; }
  if (error instanceof UsageError || problem.code?.startsWith("ERR_PARSE_ARGS")) { err(`kaisatsu ${name}: ${sentence(problem.message ?? "")} See kaisatsu ${name} --help.`); return exitCode.usage; }
  if (problem.kind !== undefined) { err(`kaisatsu ${name}: ${problem.message}`); return exitCode.device; }
  err(`kaisatsu ${name}: unexpected fault, please report it: ${problem.stack ?? String(error)}`);
  return exitCode.refused;
}

/** What node says of a wrong option, without its advice on how to quote words that look like options. */
function sentence(message: string): string {
  const first = message.split(/\. To specify|\n/)[0]!;
  return first.endsWith(".") ? first : first + ".";
}
