/**
 * `npm run bench`: what a tap costs, each figure beside its floor from the same run and its goal. One measure a file; this
 * page only chooses, runs and prints them. A figure that is the same on every machine and misses its goal fails the run; a
 * time that misses is marked, since it may be the machine's.
 */
import { cpus } from "node:os";
import { parseArgs } from "node:util";
import { meets, type Measure, type Table } from "./measure.js";
import { printed } from "./print.js";
import { bytes } from "./bytes.js";
import { charges } from "./charges.js";
import { core } from "./core.js";
import { cpu } from "./cpu.js";
import { intake } from "./intake.js";
import { journal } from "./journal.js";
import { metering } from "./metering.js";
import { orders } from "./orders.js";
import { tap } from "./tap.js";
import { writes } from "./writes.js";

const measures: readonly Measure[] = [bytes, writes, tap, cpu, core, journal, intake, orders, metering, charges];

const help = `Usage: npm run bench -- [--only NAME] [--quick] [--json]

Measures taps, each figure beside its floor: what the same work cannot cost less than, found in the same run.

${measures.map((m) => `  ${m.name.padEnd(10)} ${m.summary}`).join("\n")}

  --only NAME  this measure only; may be given several times
  --quick      fewer rounds: for a look, not for a record
  --json       one JSON document instead of tables; progress goes to stderr either way

Exit code 0; 1 when a figure that is the same on every machine misses its goal; 2 for a wrong option. A time that misses
its goal is marked MISSED and fails nothing.
`;

interface Outcome { readonly name: string; readonly tables: readonly Table[] }

async function main(): Promise<number> {
  const { values } = parseArgs({ options: { only: { type: "string", multiple: true }, quick: { type: "boolean" }, json: { type: "boolean" }, help: { type: "boolean" } } });
  if (values.help === true) { process.stdout.write(help); return 0; }
  const unknown = values.only?.find((name) => !measures.some((m) => m.name === name));
  if (unknown !== undefined) return usage(`There is no measure "${unknown}".`);
  const say = (line: string): void => { process.stderr.write(line + "\n"); };
  const outcomes: Outcome[] = [];
  for (const measure of measures.filter((m) => values.only?.includes(m.name) ?? true)) {
    say(`${measure.name}: ${measure.summary} …`);
    const tables = await measure.run({ quick: values.quick === true, say });
    outcomes.push({ name: measure.name, tables });
    if (values.json !== true) process.stdout.write(tables.map((table) => printed(table) + "\n").join(""));
  }
  const missed = outcomes.flatMap((o) => o.tables.flatMap((t) => t.figures.filter((f) => !meets(f)).map((f) => ({ measure: o.name, what: f.what, exact: f.exact === true }))));
  if (values.json === true) process.stdout.write(JSON.stringify({ machine: machine(), measures: outcomes, missed }, undefined, 2) + "\n");
  else process.stdout.write(summary(missed));
  return missed.some((m) => m.exact) ? 1 : 0;
}

function machine(): { processor: string; cores: number; node: string } {
  return { processor: cpus()[0]?.model ?? "unknown", cores: cpus().length, node: process.version };
}

function summary(missed: readonly { measure: string; what: string }[]): string {
  const on = machine();
  const goals = missed.length === 0 ? "Every goal met" : `Missed: ${missed.map((m) => `${m.measure} "${m.what.trim()}"`).join(", ")}`;
  return `${goals}. ${on.processor}, ${on.cores} cores, Node ${on.node}.\n`;
}

function usage(problem: string): number {
  process.stderr.write(`bench: ${problem} npm run bench -- --help lists them.\n`);
  return 2;
}

// Who looks at the head of the tables closes the pipe: nothing is wrong then.
process.stdout.on("error", () => process.exit(0));
try {
  process.exitCode = await main();
} catch (error) {
  if ((error as { code?: string }).code?.startsWith("ERR_PARSE_ARGS") !== true) throw error;
  process.exitCode = usage((error as Error).message);
}
