/** `kaisatsu carry`: a terminal's letters to the host and the answers back, by whoever has a cable (S7). */
import { modelFor } from "./flash-command.js";
import { withLine } from "./flashing.js";
import type { BenchLine } from "./bench-line.js";
import { exitCode, hostAddress, needed, noWords, wholeNumber, type Command } from "../command.js";
import { postEnvelope } from "../../node/network.js";
import { boardFault } from "../../../runtime/journal/store.js";
import { brought, fetching } from "../../../protocol/wire/carry.js";

export const carryCommand: Command = {
  name: "carry",
  summary: "takes a small board's letters to the host, and the answers back",
  help: `Usage: kaisatsu carry --board NAME --port PATH --host URL [--letters N] [--json]

What travels is sealed: this machine sees how long it is and nothing else. A lost letter or answer is no harm, the board
says it again. It ends when the board has said all and knows all, or when N letters were answered.

  --board NAME  which board it is, as for kaisatsu flash
  --port PATH   where it is plugged in
  --host URL    the host
  --letters N   at most so many letters; 64 by default

Examples:
  kaisatsu carry --board puck --port /dev/rfcomm0 --host http://192.168.1.10:8440
`,
  options: { board: { type: "string" }, port: { type: "string" }, host: { type: "string" }, letters: { type: "string" } },
  async run(c) {
    noWords(c);
    const model = modelFor(c);
    const port = needed(c, "port", "the port that the board is plugged in at");
    const host = hostAddress(needed(c, "host", "the host's address"));
    const most = wholeNumber(c, "letters", 1, 1000) ?? 64;
    const done = await withLine(port, model, (line) => carryLetters(line, host, most));
    if (c.json) c.out(JSON.stringify({ event: "carried", port, ...done }));
    else c.out(`${done.answered} letter${done.answered === 1 ? "" : "s"} carried, ${done.bytes} bytes up and down.${done.why === "" ? "" : ` ${done.why}`}`);
    return done.answered > 0 ? exitCode.done : exitCode.refused;
  },
};

export interface Carried { answered: number; bytes: number; why: string }

/** Until the board has no letter more. */
export async function carryLetters(line: BenchLine, host: string, most: number): Promise<Carried> {
  const done: Carried = { answered: 0, bytes: 0, why: "" };
  if ((await line.knock(3000)) === undefined) throw boardFault("timed_out", "No firmware answers on this line.");
  while (done.answered < most) {
    const letter = await line.fetch(fetching.letter, new Uint8Array(0));
    if (letter === undefined) throw boardFault("timed_out", "The board stopped answering: what was not carried is said again the next time.");
    if (letter.length === 0) { done.why = done.answered === 0 ? "The board has no letters: it has no keys yet." : ""; break; }
    const answer = await postEnvelope(host, letter, 10_000);
    if (answer === undefined) { done.why = "The host took no letter: is it this board's host, and is it running?"; break; }
    if ((await line.bring(answer)) !== brought.taken) { done.why = "The board did not take the host's answer; it asks again the next time."; break; }
    done.answered++;
    done.bytes += letter.length + answer.length;
  }
  return done;
}
