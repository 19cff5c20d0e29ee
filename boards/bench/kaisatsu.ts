/**
 * The command line. Each command is a file of its own that says what it does, takes its options and answers an exit code;
 * this page only finds the command and keeps the promises all share: `--help` with examples, `--json` for machines,
 * `NO_COLOR`, and exit codes that mean something.
 */
import { parseArgs } from "node:util";
import { colours, exitCode, type Context, type Paint } from "./command.js";
import { commands } from "./commands.js";

function painter(plain: boolean): Paint {
  return (colour, text) => (plain ? text : `\u001b[${colours[colour]}m${text}\u001b[0m`);
}

function overview(): string {
  const width = Math.max(...commands.map((c) => c.name.length));
  const list = commands.map((c) => `  ${c.name.padEnd(width)}  ${c.summary}`).join("\n");
  return `kaisatsu: open terminals for electronic value

Usage: kaisatsu COMMAND [options]

${list}

  --help     help for kaisatsu or for a command
  --json     machine-readable output, one JSON document or one JSON line an event
  --version  the version

Examples:
  kaisatsu venue                      a whole venue on this machine, told in plain lines
  kaisatsu inspect 820600             what these bytes mean
`;
}

/** Runs one command line; answers its exit code. */
export async function main(argv: readonly string[]): Promise<number> {
  const [name, ...rest] = argv;
  const err = (line: string) => process.stderr.write(line + "\n");
  const out = (line: string) => process.stdout.write(line + "\n");
  if (name === undefined || name === "--help" || name === "help") { process.stdout.write(overview()); return name === undefined ? exitCode.usage : exitCode.done; }
  if (name === "--version") { out((await import("./version.js")).version); return exitCode.done; }
  const command = commands.find((c) => c.name === name);
  if (command === undefined) { err(`kaisatsu: no command "${name}". kaisatsu --help lists them.`); return exitCode.usage; }
  if (rest.includes("--help")) { process.stdout.write(command.help); return exitCode.done; }
  try {
    const parsed = parseArgs({ args: rest, options: { json: { type: "boolean" }, ...command.options }, allowPositionals: true });
    const options = parsed.values as Context["options"];
    const json = options["json"] === true;
    const plain = json || process.env["NO_COLOR"] !== undefined || !process.stdout.isTTY;
    return await command.run({ options, words: parsed.positionals, json, paint: painter(plain), out, err });
  } catch (error) {
    return explain(name, error, err);
  }
}

/** A wrong option is the caller's; a board error says itself what to do; anything else is a fault of ours and keeps its stack. */
function explain(name: string, error: unknown, err: (line: string) => void): number {
  const problem = error as { code?: string; kind?: string; message?: string; stack?: string };
  if (problem.code?.startsWith("ERR_PARSE_ARGS")) { err(`kaisatsu ${name}: ${problem.message} See kaisatsu ${name} --help.`); return exitCode.usage; }
  if (problem.kind !== undefined) { err(`kaisatsu ${name}: ${problem.message}`); return exitCode.device; }
  err(`kaisatsu ${name}: unexpected fault, please report it: ${problem.stack ?? String(error)}`);
  return exitCode.refused;
}
