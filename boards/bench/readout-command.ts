/**
 * `kaisatsu readout`: what a meter says, from a recording or from the meter itself, with the verdict whether it may be
 * billed. The same reader and the same rule as in a terminal.
 */
import { readPort } from "./meter-port.js";
import { fromBytes, judgeAll, readRecording, withoutHexadecimal, type Judged } from "./recording.js";
import { readingLines } from "./readout-table.js";
import { exitCode, textOf, UsageError, wholeNumber, type Command, type Context } from "./command.js";
import { nodeCrypto } from "../../protocol/crypto/node/node.js";
import type { Protocol, Readout } from "../../protocol/metering/reading.js";
import { makeOpener, type Opener } from "../../protocol/metering/sealed.js";

export const protocols: readonly Protocol[] = ["iec62056-21", "dsmr-p1", "sml", "mbus", "dlms"];

export const readoutCommand: Command = {
  name: "readout",
  summary: "what a meter says: from a recording, or from its optical head or P1 port",
  help: `Usage: kaisatsu readout FILE [--protocol P] [--key HEX] [--json]
       kaisatsu readout --port PATH [--protocol P] [--baud N] [--wake normal|fast] [--key HEX] [--json]

FILE is a recording, as bytes or as hexadecimal text; - is standard input. With --port the meter itself is read: asked,
where its protocol asks (IEC 62056-21, M-Bus), else listened to. It is read until its registers may be billed, at most three
times.

  --protocol P    ${protocols.join(", ")}; recognised by itself when it is not given
  --baud N        of the line, for protocols that only listen: P1 115200, SML 9600, M-Bus and DLMS 2400
  --wake HOW      wake a battery meter first: normal (any), or fast (where its maker says so)
  --key HEX       key of an encrypted P1 or DLMS meter, 32 digits; and behind it its authentication key, 32 more
  --json          one JSON document: a list of readouts

A register is billable when its telegram is whole, check and parity (or a CRC) fit, it was read twice or its tariffs add up
to it, and it did not go back. Everything else is shown with its reason. A recording without parity bits is never billable.

Exit code 0 when something was read, 1 when nothing was, 3 when the file or port could not be used.

Examples:
  kaisatsu readout recording.bin
  kaisatsu readout --port /dev/ttyUSB0 --protocol iec62056-21
  kaisatsu readout --port /dev/ttyUSB0 --json | jq '.[-1] | select(.billable) | .readings'
`,
  options: { protocol: { type: "string" }, port: { type: "string" }, baud: { type: "string" }, wake: { type: "string" }, key: { type: "string" } },
  async run(c) {
    const protocol = protocolOf(c);
    const opener = openerOf(c);
    const port = textOf(c, "port");
    if ((port === undefined) === (c.words.length !== 1)) throw new UsageError("give one recording, or --port with a serial port.");
    const readouts = port === undefined ? fromBytes(recording(c, c.words[0]!), protocol, opener) : await fromPort(c, port, protocol, opener);
    const judged = judgeAll(readouts);
    if (c.json) c.out(JSON.stringify(judged.map(plain)));
    else if (judged.length === 0) c.err(`kaisatsu readout: ${port === undefined ? "this is no recording of a meter that is known" : "the meter said nothing that is known"}.`);
    else for (const one of judged) for (const line of readingLines(one.readout, one.judgement, c.paint)) c.out(line);
    return judged.length === 0 ? exitCode.refused : exitCode.done;
  },
};

function protocolOf(c: Context): Protocol | undefined {
  const given = textOf(c, "protocol");
  const found = protocols.find((p) => p === given);
  if (given !== undefined && found === undefined) throw new UsageError(`--protocol is one of ${protocols.join(", ")}, not "${given}".`);
  return found;
}

function openerOf(c: Context): Opener | undefined {
  const given = textOf(c, "key")?.replace(/[\s:]/g, "");
  if (given === undefined) return undefined;
  if (!/^([0-9a-f]{32}){1,2}$/i.test(given)) throw new UsageError("--key is 32 hexadecimal digits, or 64 with the authentication key.");
  const bytes = new Uint8Array(Buffer.from(given, "hex"));
  return makeOpener(nodeCrypto, bytes.slice(0, 16), bytes.length === 32 ? bytes.slice(16) : undefined);
}

async function fromPort(c: Context, path: string, protocol: Protocol | undefined, opener: Opener | undefined): Promise<Readout[]> {
  const wake = textOf(c, "wake") ?? "none";
  if (wake !== "none" && wake !== "normal" && wake !== "fast") throw new UsageError('--wake is "normal" or "fast".');
  const say = (line: string): void => { if (!c.json) c.err(c.paint("dim", line)); };
  return await readPort({ path, protocol, opener, wake, baud: wholeNumber(c, "baud", 50, 1_000_000), say });
}

function recording(c: Context, path: string): Uint8Array {
  if (path === "-") return withoutHexadecimal(c.console.readInput());
  return readRecording(path);
}

function plain({ readout, judgement }: Judged): object {
  const readings = readout.readings.map((r) => ({ obis: r.obis, value: r.value ?? null, scaler: r.scaler, unit: r.unit, text: r.text }));
  return { protocol: readout.protocol, identification: readout.identification, readings, check: readout.quality.check, billable: judgement.billable, reason: judgement.reason };
}
