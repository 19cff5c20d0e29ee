/** `kaisatsu meter-emulator`: a meter on a pseudo-terminal, for people without one and for tests of a reader. */
import { makeMeter, meterHears, meterSays, meterWakes, recordedMessage, type Meter, type MeterOptions } from "./meter-emulator.js";
import { openPty, type Pty } from "./pty.js";
import { fromBytes, readRecording } from "./recording.js";
import { exitCode, textOf, UsageError, wholeNumber, type Command } from "./command.js";
import { boardFault } from "../../runtime/journal/store.js";

export const meterEmulatorCommand: Command = {
  name: "meter-emulator",
  summary: "a meter on a pseudo-terminal that plays a recording",
  help: `Usage: kaisatsu meter-emulator FILE [PROFILE …] [options] [--json]

Prints the port to read it at, and runs until Ctrl-C. A recording of IEC 62056-21 (modes A, B, C) is given out when it is
asked for, by the standard's rules: 300 baud at first, even parity, the change of baud rate, its waiting times; what it
refuses it tells. Any other recording (P1, SML, mode D, DLMS) is sent again and again. PROFILE files answer in programming
mode.

  --echo         reflects what it hears, as an optical head may
  --sleeps       must be woken first, like a battery meter
  --damaged N    damages the first N messages in one character
  --bad-fast     damages every message faster than 300 baud
  --restarts     restarts once in the middle of a message
  --impatient    offers a rate and sends at 300 baud without waiting
  --address A    answers to this device address only
  --parity none  for programs that set 7E1 on the port: a pseudo-terminal carries no parity of its own
  --every S      seconds between two telegrams of a recording that is sent by itself; 1 by default
  --baud N       their rate; 9600 by default

Examples:
  kaisatsu meter-emulator recording.bin
  kaisatsu readout --port /dev/pts/7 --protocol iec62056-21
`,
  options: {
    echo: { type: "boolean" }, sleeps: { type: "boolean" }, damaged: { type: "string" }, "bad-fast": { type: "boolean" }, restarts: { type: "boolean" }, impatient: { type: "boolean" },
    address: { type: "string" }, parity: { type: "string" }, every: { type: "string" }, baud: { type: "string" },
  },
  async run(c) {
    if (c.words.length === 0) throw new UsageError("give the recording of a meter.");
    const parity = textOf(c, "parity") ?? "even";
    if (parity !== "even" && parity !== "none") throw new UsageError('--parity is "even" or "none".');
    const [recording, ...more] = c.words.map(readRecording);
    const is = (name: string): boolean => c.options[name] === true;
    const address = textOf(c, "address");
    const options: MeterOptions = {
      echoes: is("echo"), sleeps: is("sleeps"), damaged: wholeNumber(c, "damaged", 0, 1000) ?? 0, badWhenFast: is("bad-fast"), restarts: is("restarts"), impatient: is("impatient"),
      parity: parity === "even", ...(address !== undefined && { address }),
    };
    const stopped = c.console.stopped();
    const emulated = emulateMeter(recording!, options, {
      more, everyMs: (wholeNumber(c, "every", 1, 3600) ?? 1) * 1000, baud: wholeNumber(c, "baud", 50, 1_000_000) ?? 9600,
      refused: (what) => c.err(c.json ? JSON.stringify({ event: "refused", what }) : c.paint("dim", `Refused: ${what}.`)),
    });
    try {
      if (c.json) c.out(JSON.stringify({ event: "ready", port: emulated.path, identification: emulated.identification, asked: emulated.asked }));
      else c.out(`${c.paint("bold", emulated.identification || "A meter")} on ${c.paint("bold", emulated.path)}${emulated.asked ? ", 300 baud, 7E1" : ", sent by itself"}. Ctrl-C stops it.`);
      await stopped;
    } finally {
      emulated.close();
    }
    return exitCode.done;
  },
};

export interface Emulated { readonly path: string; readonly identification: string; /** It waits to be asked. */ readonly asked: boolean; close(): void }
export interface EmulatedOptions { readonly more?: readonly Uint8Array[]; readonly everyMs?: number; readonly baud?: number; readonly refused?: (what: string) => void }

/** A meter on a pseudo-terminal of its own. Throws a `BoardError` where the recording is none. */
export function emulateMeter(recording: Uint8Array, options: MeterOptions, o: EmulatedOptions = {}): Emulated {
  const first = fromBytes(recording, undefined, undefined)[0];
  if (first === undefined) throw boardFault("broken", "This is no recording of a meter that is known.");
  const head = first.protocol === "iec62056-21" ? recordedMessage(recording)?.head ?? "" : "";
  const asked = head !== "" && !isPushed(recording, head);
  const pty = openPty();
  const stop = asked ? play(pty, makeMeter(recording, options, o.more), o) : push(pty, recording, o);
  return { path: pty.path, identification: head.trim() || first.identification, asked, close: () => { stop(); pty.close(); } };
}

/** Mode D sends by itself: rate `3` and no STX. */
function isPushed(recording: Uint8Array, head: string): boolean {
  return !recording.some((byte) => (byte & 0x7f) === 0x02) && /^\/...[35]/.test(head) && Buffer.from(recording).toString("latin1").includes(head + "\r\n");
}

function play(pty: Pty, m: Meter, o: EmulatedOptions): () => void {
  let timer: NodeJS.Timeout | undefined;
  let told = 0;
  const turn = (): void => {
    clearTimeout(timer);
    const bytes = meterSays(m, pty.baud(), performance.now());
    if (bytes.length > 0) pty.write(bytes);
    for (; told < m.refused.length; told++) o.refused?.(m.refused[told]!);
    const wakes = meterWakes(m);
    if (wakes >= 0) timer = setTimeout(turn, Math.max(1, wakes - performance.now()));
  };
  pty.onBytes = (bytes) => { meterHears(m, bytes, pty.baud(), performance.now()); turn(); };
  return () => clearTimeout(timer);
}

/** The whole recording, piece by piece at its rate, and again after a pause. */
function push(pty: Pty, recording: Uint8Array, o: EmulatedOptions): () => void {
  const baud = o.baud ?? 9600;
  const bytesAtOnce = Math.max(1, Math.round(baud / 100));
  let at = 0;
  let timer: NodeJS.Timeout | undefined;
  const turn = (): void => {
    pty.write(recording.subarray(at, at + bytesAtOnce));
    at += bytesAtOnce;
    const over = at >= recording.length;
    if (over) at = 0;
    timer = setTimeout(turn, over ? o.everyMs ?? 1000 : (bytesAtOnce * 10_000) / baud);
  };
  timer = setTimeout(turn, 1);
  return () => clearTimeout(timer);
}
