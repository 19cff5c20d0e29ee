/** `kaisatsu provision`: a blank board gets its keys from the host, over its own line (`trust.md` §3). */
import { modelFor } from "./flash-command.js";
import { introduced, withLine } from "./flashing.js";
import type { BenchLine } from "./bench-line.js";
import { exitCode, hostAddress, needed, noWords, textOf, UsageError, type Command } from "../command.js";
import { HostRefused, postBoard } from "../../node/network.js";
import { boardFault } from "../../../runtime/journal/store.js";
import { nodeCrypto } from "../../../protocol/crypto/node/node.js";
import { brought, fetching, letterId } from "../../../protocol/wire/carry.js";
import { readClaimCode } from "../../../protocol/wire/claim.js";
import { encodeBoardConfirmed, encodeClaimCode, feature, introducing, type BoardIdentity } from "../../../protocol/wire/provision.js";

export const provisionCommand: Command = {
  name: "provision",
  summary: "enrols a small board with the host and installs its keys",
  help: `Usage: kaisatsu provision --board NAME --port PATH --host URL [--claim CODE] [--json]

The claim code is what the operator got when the terminal was added ("board": true). It goes to the board by this line and
nowhere else; the board asks the host for its keys through this machine, puts them on its pages, reads them back, and closes
its console for good. This machine could read these first keys, so it must be an operator's own; the host gives the board
new ones with the first letter that is carried.

  --board NAME  which board it is, as for kaisatsu flash
  --port PATH   where it is plugged in
  --host URL    the host, as http://127.0.0.1:8440
  --claim CODE  five groups of four characters; asked for when it is not given

Examples:
  kaisatsu provision --board puck --port /dev/rfcomm0 --host http://192.168.1.10:8440 --claim ABCD-EFGH-JKMN-PQRS-TVWX
`,
  options: { board: { type: "string" }, port: { type: "string" }, host: { type: "string" }, claim: { type: "string" } },
  async run(c) {
    noWords(c);
    const model = modelFor(c);
    const port = needed(c, "port", "the port that the board is plugged in at");
    const host = hostAddress(needed(c, "host", "the host's address"));
    const typed = textOf(c, "claim") ?? (c.console.asksPeople ? await c.console.ask("Claim code: ") : needed(c, "claim", "the claim code"));
    const code = readClaimCode(typed);
    if (code === undefined) throw new UsageError("the claim code was mistyped: one of its characters is wrong.");
    const told = (step: string): void => { if (c.json) c.out(JSON.stringify({ event: "progress", step })); else c.err(c.paint("dim", step)); };
    const terminal = await withLine(port, model, (line) => provisionBoard(line, host, code, told));
    if (c.json) c.out(JSON.stringify({ event: "provisioned", port, terminal }));
    else c.out(`${c.paint("green", "It has its keys.")} It is terminal ${terminal} now; its console is closed. kaisatsu carry --board ${model.name} --port ${port} --host ${host} takes its letters along.`);
    return exitCode.done;
  },
};

/** Answers the terminal's id. Throws a `BoardError` for a board, a `HostRefused` for a host that does not do its part. */
export async function provisionBoard(line: BenchLine, host: string, code: { lookup: string; secret: string }, told: (step: string) => void): Promise<string> {
  told("Looking for the board …");
  if ((await line.knock(3000)) === undefined) throw boardFault("timed_out", "No firmware answers on this line: kaisatsu flash writes it.");
  const board = await introduced(line, introducing.identity);
  if (board === undefined) throw silent();
  assertBlank(board);
  told(`${board.model}, version ${board.software}, chip ${Buffer.from(board.chip).toString("hex")}: asking the host for its keys …`);
  const claim = await line.ask(encodeClaimCode(code));
  if (claim === undefined) throw silent();
  const sealed = await postBoard(host, claim);
  if (sealed === undefined || sealed.length === 0) throw new HostRefused("the host gives no keys for this code: was it typed as it was shown, is it not older than a day, not used by another board, and for a board? The host's incidents say more.");
  told("Installing them …");
  const came = await line.bring(sealed);
  if (came === undefined) throw silent();
  if (came !== brought.taken) throw boardFault("broken", "The board did not keep its keys: its flash is worn, or the line changed them. Try again; then replace the board.");
  const confirmation = await line.fetch(fetching.answer, letterId(nodeCrypto, sealed));
  const after = await introduced(line, introducing.identity);
  if (confirmation === undefined || confirmation.length !== 32 || after === undefined || after.terminal.length !== 8) throw silent();
  // Lost, it is no harm: the board's first letter says the same.
  if ((await postBoard(host, encodeBoardConfirmed({ terminal: after.terminal, mac: confirmation }))) === undefined) told("The host did not hear that the board has its keys; its first letter will say so.");
  return Buffer.from(after.terminal).toString("hex");
}

function assertBlank(board: BoardIdentity): void {
  if (board.terminal.length > 0) throw boardFault("denied", `This board has keys: it is terminal ${Buffer.from(board.terminal).toString("hex")}. Hold its button while it starts to erase them, and retire it at the host.`);
  if ((board.features & feature.random) === 0) throw boardFault("denied", "This board's random numbers can be foreseen (plain rand()), so it is given no keys: use a board with a hardware source, or give it entropy from elsewhere.");
}

const silent = (): Error => boardFault("timed_out", "The board stopped answering: check the line, and try again. The same code works until its keys are confirmed.");
