/** `kaisatsu doctor`: the command around `doctor.ts`. */
import { exitCode, UsageError, type Command } from "./command.js";
import { checkClock, checkData, checkHost, checkNode, checkPort, type Finding, type NamedPort } from "./doctor.js";
import { configurationIn } from "./terminal/terminal-command.js";
import type { TerminalConfiguration } from "./terminal/configuration.js";

export const doctorCommand: Command = {
  name: "doctor",
  summary: "what is well and what is not on this machine, and what to do",
  help: `Usage: kaisatsu doctor [CONFIG] [--json]

Looks at Node and the clock; with a terminal's configuration also at its ports (there, allowed, in use, their echo), its
Firmata board, its host and that clock, its key file, certificate and journal, and the room on its disk. Nothing is changed
and no secret shown: files are read and opened as copies, a port that is in use is left alone.

  CONFIG   the configuration of a terminal (kaisatsu terminal --example prints one)
  --json   one JSON document: { "findings": [ { "what", "state", "says" } ] }

Exit code 0 when there is no problem (warnings are none), 1 when there is, 2 for a wrong configuration.

Examples:
  kaisatsu doctor
  kaisatsu doctor north.json
  kaisatsu doctor north.json --json | jq '.findings[] | select(.state != "ok")'
`,
  options: {},
  async run(c) {
    if (c.words.length > 1) throw new UsageError("give one configuration file, or none.");
    const x = c.words.length === 0 ? undefined : configurationIn(c, c.words[0]!);
    if (c.words.length > 0 && x === undefined) return exitCode.usage;
    const findings = [checkNode(), checkClock(), ...(x === undefined ? [] : await ofTerminal(x))];
    if (c.json) c.out(JSON.stringify({ findings }));
    else for (const f of findings) c.out(`${c.paint(colours[f.state], f.state.padEnd(7))}  ${f.what.padEnd(13)}  ${f.says}`);
    return findings.some((f) => f.state === "problem") ? exitCode.refused : exitCode.done;
  },
};

const colours = { ok: "green", warning: "yellow", problem: "red" } as const;

async function ofTerminal(x: TerminalConfiguration): Promise<Finding[]> {
  const ports: NamedPort[] = [{ kind: "link", path: x.link.port, baud: x.link.baud, medium: x.link.medium }];
  if (x.scanner !== undefined) ports.push({ kind: "scanner", path: x.scanner.port, baud: x.scanner.baud, medium: "serial" });
  if (x.firmata !== undefined) ports.push({ kind: "firmata", path: x.firmata.port, baud: 57_600, medium: "serial" });
  const found = await Promise.all([...ports.map(checkPort), checkHost(x.host).then((f) => [f])]);
  return [...found.flat(), ...checkData(x.data)];
}
