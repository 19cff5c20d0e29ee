/** `kaisatsu terminal`: one gate or till on this machine's ports, from a configuration file. */
import { join } from "node:path";
import { readFileSync, statSync } from "node:fs";
import { charactersMax, example, readConfiguration, type TerminalConfiguration } from "./configuration.js";
import { exitCode, textOf, UsageError, type Command, type Context } from "../command.js";
import { prepareFolder } from "../folder.js";
import { clockTime, makeTapLines } from "../tap-lines.js";
import { enrolBoard, isEnrolled, openNodeBoard, historyPages, startTerminal, type NodeBoard } from "../../node/terminal-board.js";
import { takeKeyed } from "./keyed.js";
import { tellService } from "./service.js";
import { faultOf } from "../../node/fault.js";
import { boardFault } from "../../../runtime/journal/store.js";
import { readPort } from "../meter-port.js";
import { judgeAll } from "../recording.js";
import { registerText } from "../verify-command.js";
import { openFileStore } from "../../node/file-store.js";
import { timeOf } from "../../../runtime/keeping.js";
import { readingOf } from "../../../runtime/charges/readout.js";
import { meter, readPoint, type MeterPoint } from "../../../runtime/role/meter.js";
import { receiver } from "../../../runtime/role/receiver.js";
import { gate } from "../../../runtime/role/gate.js";
import { till } from "../../../runtime/role/till.js";
import { openSetup } from "../../../runtime/setup.js";
import type { BoardError } from "../../../runtime/board.js";
import type { Terminal } from "../../../runtime/terminal.js";
import { media } from "../../../protocol/link/media.js";

const roles = { gate, till, meter, receiver };

export const terminalCommand: Command = {
  name: "terminal",
  summary: "a gate, till, meter or receiver on this machine's serial ports, from a configuration file",
  help: `Usage: kaisatsu terminal CONFIG [--claim CODE] [--json]
       kaisatsu terminal --example

Runs until Ctrl-C: it serves handsets on its serial line, decides offline, journals durably before it opens, and posts its
journal to the host whenever that answers. The first start enrols it by a claim code that the host's operator made
(kaisatsu host --help, /api/terminals); later starts need none.

A meter ("role": "meter", "meter": { "port": "/dev/ttyUSB1", "protocol": "dsmr-p1", "everySeconds": 900 }) reads and
charges what the host's plan says; its relay supplies while there is credit. A receiver keeps what its users have seen.

A till ("role": "till") asks for what is keyed in: one amount a line on its standard input, such as 12.50, which the next
handset pays; 0 takes it back.

  CONFIG        a JSON file; "kaisatsu terminal --example" prints one. scanner, firmata and claim may be left out:
                without firmata, lights and relay are printed. Relative folders are meant from the file's own folder
  --claim CODE  the claim code, or - to read it from standard input; without it, "claim" of the file is used
  --json        one JSON line an event: tap, turned, not_turned, host, fault; of a till also due, not_due

Exit code 0 when it was stopped, 1 when the host did not enrol it, 2 for a wrong configuration, 3 when a port, folder or
host could not be used.

Examples:
  kaisatsu terminal --example > north.json
  kaisatsu terminal north.json --claim ABCD-EFGH-JKMN-PQRS-TVWX
  kaisatsu terminal north.json --json | jq .code
  echo 12.50 | kaisatsu terminal shop.json
`,
  options: { claim: { type: "string" }, example: { type: "boolean" } },
  async run(c) {
    if (c.options["example"] === true) { c.console.out(example); return exitCode.done; }
    if (c.words.length !== 1) throw new UsageError("give one configuration file; kaisatsu terminal --example prints one.");
    const x = configurationIn(c, c.words[0]!);
    if (x === undefined) return exitCode.usage;
    const code = claimCode(c, x);
    const stopped = c.console.stopped();
    prepareFolder(x.data, "data in the configuration");
    const board = await openNodeBoard({ name: x.name, folder: x.data, link: x.link, scanner: x.scanner, firmata: x.firmata, write: (line) => { if (!c.json) c.out(c.paint("dim", line)); } });
    try {
      if (!(await enrolled(c, board, x, code))) return exitCode.refused;
      return await serve(c, board, x, stopped);
    } finally {
      board.close();
    }
  },
};

/** The configuration in this file; undefined after all that is wrong with it was said. */
export function configurationIn(c: Context, path: string): TerminalConfiguration | undefined {
  const read = readConfiguration(sourceOf(path), path);
  if (!("problems" in read)) return read;
  c.err(`kaisatsu: ${path} is no configuration of a terminal:`);
  for (const problem of read.problems.slice(0, 20)) c.err(`  ${problem}`);
  if (read.problems.length > 20) c.err(`  And ${read.problems.length - 20} more.`);
  c.err("kaisatsu terminal --example prints one.");
  return undefined;
}

/** The file's text; of anything longer than a configuration can be only so much that it is seen to be too long. */
function sourceOf(path: string): string {
  try {
    const found = statSync(path);
    if (!found.isFile()) throw boardFault("denied", `${path} is no file.`);
    return found.size > charactersMax * 4 ? " ".repeat(charactersMax + 1) : readFileSync(path, "utf8");
  } catch (error) {
    const { kind, code } = error as { kind?: string; code?: string };
    if (kind !== undefined) throw error;
    throw code === "ENOENT" ? boardFault("absent", `There is no file ${path}.`) : code === "EACCES" ? boardFault("denied", `${path} may not be read by this user.`) : faultOf(error, path);
  }
}

function claimCode(c: Context, x: TerminalConfiguration): string | undefined {
  const given = textOf(c, "claim");
  return given === "-" ? Buffer.from(c.console.readInput()).toString("utf8").trim() : given ?? x.claim;
}

/** Enrols a fresh box. Says what to do when it cannot. */
async function enrolled(c: Context, board: NodeBoard, x: TerminalConfiguration, code: string | undefined): Promise<boolean> {
  if (!isEnrolled(board)) {
    if (code === undefined) { c.err(`kaisatsu terminal: ${x.name} is not enrolled yet: give the claim code that the host's operator made, with --claim CODE.`); return false; }
    const said = await enrolBoard(board, x.host, code, "kaisatsu terminal");
    if ("wrong" in said) { c.err(`kaisatsu terminal: ${x.name} was not enrolled: ${said.wrong}.`); return false; }
    c.out(c.json ? JSON.stringify({ event: "enrolled", digits: said.digits }) : `Enrolled. The six digits of this enrolment are ${c.paint("bold", said.digits)}.`);
  }
  const role = openSetup(board).certificate?.decoded.role;
  if (role === roles[x.role].number) return true;
  c.err(`kaisatsu terminal: the host enrolled ${x.name} for another role than "${x.role}": make a terminal of this role there, and start with a new data folder.`);
  return false;
}

async function serve(c: Context, board: NodeBoard, x: TerminalConfiguration, stopped: Promise<void>): Promise<number> {
  let fault: ((error: BoardError) => void) | undefined;
  const broken = new Promise<BoardError>((done) => { fault = done; });
  const history = x.role === "meter" || x.role === "receiver" ? openFileStore(join(x.data, "history"), historyPages) : undefined;
  const t = startTerminal(board, roles[x.role], media[x.link.medium], x.host, makeTapLines(c), { fault: (error) => fault!(error), host: (answers) => hostLine(c, x, answers, t.terminal) }, history);
  const unread = x.meter === undefined || t.point === undefined ? () => undefined : keepReading(c, t.point, t.terminal, x.meter);
  if (board.scanner !== undefined) board.scanner.onClose = () => c.err(c.json ? JSON.stringify({ event: "fault", message: "The scanner is gone." }) : c.paint("red", "The scanner is gone: plug it in and start again. Taps go on."));
  serving(c, t.terminal, x);
  const untold = tellService(process.env);
  const unkeyed = roles[x.role].isAsked ? takeKeyed(c, t.terminal, () => t.running.wake()) : () => undefined;
  const error = await Promise.race([broken, stopped]);
  if (error === undefined) await atRest(t.terminal);
  untold();
  unkeyed();
  unread();
  t.stop();
  history?.close();
  board.relay.write(0);
  board.panel.show("off", "steady", "", "");
  if (error !== undefined) { c.err(`kaisatsu terminal: ${error.message}`); return exitCode.device; }
  const left = unposted(t.terminal);
  if (c.json) c.out(JSON.stringify({ event: "stopped", unposted: left }));
  else c.out(`Stopped; the journal is on disk${left > 0 ? `, the next start posts ${entries(left)} of it` : ", and the host has all of it"}.`);
  return exitCode.done;
}

/** Reads the meter again and again; what may not be billed is said, and waited out. */
function keepReading(c: Context, point: MeterPoint, terminal: Terminal, x: NonNullable<TerminalConfiguration["meter"]>): () => void {
  let stopped = false;
  let timer: NodeJS.Timeout | undefined;
  const say = (text: string): void => { if (c.json) c.out(JSON.stringify({ event: "meter", text })); else c.out(`${clockTime()} ${text}`); };
  const turn = async (): Promise<void> => {
    try {
      const newest = judgeAll(await readPort({ path: x.port, protocol: x.protocol, opener: undefined, wake: "none", baud: undefined, say: () => undefined })).at(-1);
      const reading = newest === undefined ? undefined : readingOf(newest.readout, newest.judgement, 1);
      if (stopped) return;
      if (reading === undefined) say(`The meter on ${x.port} ${newest === undefined ? "says nothing that is known" : `may not be billed: ${newest.judgement.reason}`}.`);
      else { readPoint(point, reading, timeOf(terminal)); say(`Read ${reading.serial}: ${reading.registers.map(registerText).join(", ")}.`); }
    } catch (error) {
      if ((error as BoardError).kind === undefined) throw error;
      say((error as BoardError).message);
    }
    if (!stopped) timer = setTimeout(() => void turn(), x.everySeconds * 1000);
  };
  void turn();
  return () => { stopped = true; clearTimeout(timer); };
}

const unposted = (t: Terminal): number => t.journal.next - 1 - t.confirmed;

function serving(c: Context, t: Terminal, x: TerminalConfiguration): void {
  const setup = t.setup;
  const certificate = setup.certificate?.decoded;
  if (t.outOfService !== "") { c.err(c.json ? JSON.stringify({ event: "fault", message: t.outOfService }) : c.paint("red", `Out of service: ${t.outOfService}.`)); return; }
  if (c.json) { c.out(JSON.stringify({ event: "serving", name: x.name, port: x.link.port, medium: x.link.medium, ...(certificate !== undefined && { terminalId: Buffer.from(certificate.terminalId).toString("hex"), kinds: certificate.kinds, expires: certificate.expires }) })); return; }
  const known = certificate === undefined ? "" : `, "${certificate.name}" of ${certificate.merchant}, takes ${certificate.kinds.join(", ")}`;
  c.out(`${c.paint("bold", x.name)}${known}. Handsets on ${x.link.port} at ${x.link.baud} baud. Ctrl-C stops it.`);
}

function hostLine(c: Context, x: TerminalConfiguration, answers: boolean, t: Terminal): void {
  const left = unposted(t);
  if (c.json) c.out(JSON.stringify({ event: "host", answers, unposted: left }));
  else if (answers) c.out(`${clockTime()} The host answers${left > 0 ? `; posting ${entries(left)}` : ""}.`);
  else c.out(c.paint("yellow", `${clockTime()} The host at ${x.host} does not answer: serving on, and trying again.`));
}

const entries = (n: number) => `${n} ${n === 1 ? "entry" : "entries"}`;

/** A tap under way is finished, a person under way walks through; but nobody waits longer than for those. */
async function atRest(t: Terminal): Promise<void> {
  const ends = performance.now() + t.verifier.settings.passageMs + 2000;
  while (t.verifier.state !== "idle" && t.verifier.state !== "greeted" && performance.now() < ends) await new Promise((done) => setTimeout(done, 20));
}
