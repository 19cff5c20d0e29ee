/**
 * `npm run hil`: every case on every line, real serial ports and a Firmata board, and a list of what ran on what. With
 * KAISATSU_PORT (and KAISATSU_HANDSET, KAISATSU_BAUD) it is the terminal behind that port; with KAISATSU_FIRMATA lights and
 * turnstile are that board's, whose pins 7 and 2 are joined by a wire, so that each opening is a passage. `--json` for machines.
 */
import { devicesOf, runSuite, type Row } from "./suite.js";

const json = process.argv.includes("--json");
const marks = { ok: "ok     ", broken: "BROKEN ", "not run": "not run" } as const;
let line = "";
const print = (row: Row): void => {
  if (json) return;
  if (row.line !== line) process.stdout.write(`\n${(line = row.line)}\n`);
  process.stdout.write(`  ${marks[row.result]}  ${row.case.padEnd(36)} ${row.says}\n`);
};

try {
  const ran = await runSuite(devicesOf(process.env), () => true, print);
  const count = (result: Row["result"]): number => ran.rows.filter((row) => row.result === result).length;
  if (json) process.stdout.write(JSON.stringify(ran) + "\n");
  else process.stdout.write(`\nTerminal: ${ran.terminal}.\nLights and turnstile: ${ran.board}.\n${count("ok")} ok, ${count("broken")} broken, ${count("not run")} not run.\n`);
  process.exit(count("broken") === 0 ? 0 : 1);
} catch (error) {
  process.stderr.write(`hil: ${(error as Error).message}\n`);
  process.exit(3);
}
