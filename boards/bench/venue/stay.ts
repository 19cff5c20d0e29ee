/**
 * The venue after its story, for tapping by hand from a second console: something is sold to a guest who is not there yet,
 * the handsets' ends of the lines are let go, and every command that is needed is printed so that it can be pasted.
 */
import { existsSync, realpathSync } from "node:fs";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Stage } from "./stage.js";
import type { Context } from "../command.js";
import { makeTapLines } from "../tap-lines.js";

const guest = "guest@example.org";
/** A demonstration's password, shown on purpose. */
const password = "correct horse battery staple";
/** People at a keyboard are slower than the story. */
const unhurried = { resumeSeconds: 600, passageMs: 8000 };

/** Stays until Ctrl-C. */
export async function stay(stage: Stage, c: Context): Promise<void> {
  const stopped = c.console.stopped();
  const invitation = await sellToGuest(stage);
  for (const t of await stage.api<{ terminal_id: string }[]>("GET", "/api/terminals")) await stage.api("POST", `/api/terminals/${t.terminal_id}/settings`, unhurried);
  for (const g of stage.gates) {
    g.port.close();
    g.watch = makeTapLines(c, g.name);
  }
  const lines = commands(stage, invitation);
  if (c.json) c.out(JSON.stringify({ event: "staying", url: stage.host.url, tokenFile: join(stage.folder, "host", "operator.token"), gates: stage.gates.map((g) => ({ name: g.name, port: g.line.b })), commands: lines.map(([, command]) => command) }));
  else tell(stage, c, lines);
  await stopped;
}

async function sellToGuest(stage: Stage): Promise<string> {
  let invitation = "";
  for (const product of ["concert", "swim-20", "card-20"]) {
    const sold = await stage.api<{ invitation?: string }>("POST", "/api/sales", { product, user: guest, reference: `guest ${product}`, paid: "desk" });
    invitation = sold.invitation ?? invitation;
  }
  return invitation;
}

function commands(stage: Stage, invitation: string): [what: string, command: string][] {
  const run = `${invocation()} handset`;
  const folder = quoted(join(stage.folder, "handsets", "guest"));
  const [north, fares] = stage.gates;
  return [
    ["Enrol a handset for a guest, to whom a ticket, a coupon book and a card were sold:", `printf '${password}' | ${run} enrol --folder ${folder} --host ${stage.host.url} --user ${guest} --code ${invitation} --root ${stage.host.rootId} --password-file -`],
    ["Collect what was sold:", `${run} values --collect --folder ${folder}`],
    [`Walk through ${north!.name} with the ticket; a second time it is refused:`, `${run} tap --folder ${folder} --port ${north!.line.b} --value ticket`],
    ["Use a swim there:", `${run} tap --folder ${folder} --port ${north!.line.b} --value swim`],
    [`Pay at ${fares!.name}:`, `${run} tap --folder ${folder} --port ${fares!.line.b} --silent 5.00`],
    ["Compare the receipts with the host's books:", `${run} receipts --folder ${folder} --report`],
  ];
}

function tell(stage: Stage, c: Context, lines: [what: string, command: string][]): void {
  c.out("");
  c.out(c.paint("bold", `The venue stays open: its host at ${stage.host.url}, the operator's token in ${join(stage.folder, "host", "operator.token")}.`));
  c.out("In a second console:");
  for (const [what, command] of lines) { c.out(""); c.out(`  ${what}`); c.out(`    ${command}`); }
  c.out("");
  c.out("What the gates decide is shown here. Ctrl-C ends the venue.");
}

/** How a second console starts this very program: by its name where that finds it, else by its file. */
function invocation(): string {
  const own = fileURLToPath(new URL("../main.js", import.meta.url));
  const found = (process.env["PATH"] ?? "").split(delimiter).filter((folder) => folder !== "" && !folder.endsWith("node_modules/.bin")).map((folder) => join(folder, "kaisatsu"));
  const named = existsSync(own) && found.some((path) => existsSync(path) && realpathSync(path) === realpathSync(own));
  return named ? "kaisatsu" : `node ${quoted(own)}`;
}

const quoted = (path: string): string => (/^[\w@%+=:,./-]+$/.test(path) ? path : `'${path.replace(/'/g, "'\\''")}'`);
