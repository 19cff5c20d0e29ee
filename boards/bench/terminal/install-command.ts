/** `kaisatsu install`: a terminal as a service of systemd, with its configuration where services have theirs. */
import { chmodSync, existsSync, readFileSync } from "node:fs";
import { isAbsolute, join, resolve } from "node:path";
import { configurationIn } from "./terminal-command.js";
import type { TerminalConfiguration } from "./configuration.js";
import { instanceOf, unitText } from "./unit.js";
import { exitCode, textOf, UsageError, type Command } from "../command.js";
import { faultOfFolder } from "../folder.js";
import { putFile } from "../../node/durable.js";

export const installCommand: Command = {
  name: "install",
  summary: "a terminal as a service of systemd, as on a Raspberry Pi",
  help: `Usage: kaisatsu install CONFIG [--dry-run] [--force] [--folder ROOT] [--json]

Writes two files: a systemd unit, and the configuration where the unit finds it. The service has a user of its own, may
reach the ports named in the configuration and its own data under /var/lib/kaisatsu and nothing else, lives on a read-only
system, is started again when it ends, and by a watchdog when it hangs. Nothing is started: the next commands are printed.

  CONFIG         the configuration of a terminal (kaisatsu terminal --example); the service has a data folder of its own
  --dry-run      print both files and write nothing; a claim code is not shown
  --force        replace files that differ
  --folder ROOT  write below this folder instead of /, for an image of a card

Exit code 0 when both files are there, 1 when one that differs would be replaced, 2 for a wrong configuration, 3 when a file
could not be written (writing to / needs root).

Examples:
  kaisatsu install north.json --dry-run
  sudo kaisatsu install north.json
  kaisatsu install north.json --folder /mnt/card
`,
  options: { "dry-run": { type: "boolean" }, force: { type: "boolean" }, folder: { type: "string" } },
  run(c) {
    if (c.words.length !== 1) throw new UsageError("give one configuration file; kaisatsu terminal --example prints one.");
    const x = configurationIn(c, c.words[0]!);
    if (x === undefined) return Promise.resolve(exitCode.usage);
    const instance = instanceOf(x.name);
    if (instance === undefined) throw new UsageError(`name "${x.name}" has no letter or digit that a service can be called by.`);
    for (const port of portsOf(x)) if (!isAbsolute(port) || !resolve(port).startsWith("/dev/")) throw new UsageError(`${port} is no port that systemd can be told of: give its path under /dev.`);
    const files = filesOf(x, instance, resolve(textOf(c, "folder") ?? "/"));
    if (c.options["dry-run"] === true) {
      if (c.json) c.out(JSON.stringify({ written: [], files: files.map(({ path, shown }) => ({ path, text: shown })) }));
      else for (const { path, shown } of files) c.out(`${c.paint("bold", path)}\n${shown}`);
      return Promise.resolve(exitCode.done);
    }
    const differing = files.filter(({ path, text }) => existsSync(path) && readFileSync(path, "utf8") !== text);
    if (differing.length > 0 && c.options["force"] !== true) {
      for (const { path } of differing) c.err(`kaisatsu install: ${path} is there and differs: look at it, then give --force to replace it. Nothing was written.`);
      return Promise.resolve(exitCode.refused);
    }
    for (const file of files) write(file);
    const next = ["sudo systemctl daemon-reload", `sudo systemctl enable --now kaisatsu-${instance}`, `journalctl -u kaisatsu-${instance} -f`];
    if (c.json) { c.out(JSON.stringify({ written: files.map(({ path }) => path), next })); return Promise.resolve(exitCode.done); }
    for (const { path, what } of files) c.out(`Written: ${path} (${what}).`);
    if (existsSync(join(x.data, "keys.json"))) c.out(c.paint("yellow", `${x.data} holds a terminal that is enrolled already: the service begins with data of its own. Make it a new claim code, or move that folder's files to /var/lib/kaisatsu/${instance} first.`));
    c.out(`Next:\n${next.map((line) => `  ${line}`).join("\n")}`);
    return Promise.resolve(exitCode.done);
  },
};

const portsOf = (x: TerminalConfiguration): string[] => [x.link.port, x.scanner?.port, x.firmata?.port].filter((port) => port !== undefined);

interface Put { path: string; text: string; /** Without what is secret. */ shown: string; mode: number; what: string }

function filesOf(x: TerminalConfiguration, instance: string, root: string): Put[] {
  const at = `/etc/kaisatsu/${instance}.json`;
  const unit = unitText(x, instance, at, [process.execPath, resolve(process.argv[1] ?? "kaisatsu")]);
  const kept = { ...x, data: `/var/lib/kaisatsu/${instance}` };
  const json = (of: object): string => JSON.stringify(of, null, 2) + "\n";
  return [
    { path: join(root, `etc/systemd/system/kaisatsu-${instance}.service`), text: unit, shown: unit, mode: 0o644, what: "the service" },
    { path: join(root, at), text: json(kept), shown: json(x.claim === undefined ? kept : { ...kept, claim: "(not shown)" }), mode: 0o600, what: "its configuration, for root alone" },
  ];
}

function write({ path, text, mode }: Put): void {
  try {
    putFile(path, Buffer.from(text));
    chmodSync(path, mode);
  } catch (error) {
    throw faultOfFolder(error, path, "--folder");
  }
}
