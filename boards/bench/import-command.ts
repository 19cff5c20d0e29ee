/** `kaisatsu import`: an attendee list becomes issued values at a host, through its operator API. */
import { exitCode, hostAddress, needed, textOf, UsageError, type Command, type Context } from "./command.js";
import { readSecret } from "./handset/enrol.js";
import { HostRefused } from "../node/network.js";
import { boardFault } from "../../runtime/journal/store.js";
import type { Imported, ImportFormat } from "../../host/import.js";

const formats: readonly string[] = ["json", "csv", "pretix"] satisfies ImportFormat[];

export const importCommand: Command = {
  name: "import",
  summary: "issue values for an attendee list: JSON, CSV, or a pretix order export",
  help: `Usage: kaisatsu import FILE --host URL --token-file T [--format F] [--product FROM=TO …] [--json]

Issues one value for each line, all or nothing: if a line is wrong, nothing is issued and each wrong line is named. The
same list again issues nothing twice, so a growing list can be imported every day. People whom the host has not seen yet
collect with an invitation code; it is printed, for you to send.

  FILE             the list, or - for standard input. Columns: reference, name, user (or email), product; of a pretix
                   order export: order code, position id, status, attendee name and email, product
  --host URL       the host, such as http://127.0.0.1:8440
  --token-file T   the operator's token: operator.token in the host's data folder
  --format F       json, csv or pretix (default: seen from the list itself)
  --product FROM=TO  the list's name of a product, and the host's; may be given several times
  --json           one JSON document

Exit code 0 when imported, 1 when the host refused, 3 when the file or host could not be used.

Examples:
  kaisatsu import orders.csv --host http://127.0.0.1:8440 --token-file shop/operator.token
  kaisatsu import orders.csv --host http://127.0.0.1:8440 --token-file shop/operator.token --product "Standing ticket=concert"
`,
  options: { host: { type: "string" }, "token-file": { type: "string" }, format: { type: "string" }, product: { type: "string", multiple: true } },
  async run(c) {
    if (c.words.length !== 1) throw new UsageError("give one file, or - for standard input.");
    const host = hostAddress(needed(c, "host", "the host's address, such as http://127.0.0.1:8440"));
    const tokenFile = needed(c, "token-file", "the operator's token, operator.token in the host's data folder");
    const products = productNames(c);
    const given = textOf(c, "format");
    if (given !== undefined && !formats.includes(given)) throw new UsageError(`--format must be ${formats.join(", ")}, not "${given}".`);
    if (c.words[0] === "-" && tokenFile === "-") throw new UsageError("standard input can be the list or the token, not both.");
    const text = (path: string): string => (path === "-" ? Buffer.from(c.console.readInput()).toString("utf8") : readSecret(path));
    const list = text(c.words[0]!);
    const format = given ?? guessFormat(list);
    const imported = await send(host, text(tokenFile).trim(), { format, list, ...(Object.keys(products).length > 0 && { products }) });
    if (c.json) c.out(JSON.stringify({ format, ...imported }));
    else printed(c, imported, format);
    return exitCode.done;
  },
};

function printed(c: Context, x: Imported, format: string): void {
  c.out(`${c.paint("green", `${x.issued} issued`)}, ${x.already} already there (read as ${format}).`);
  const invitations = [...new Map(x.values.flatMap((v) => (v.invitation === undefined ? [] : [[v.user, v.invitation] as const])))];
  if (invitations.length === 0) return;
  c.out("The host has not seen these people yet; send each the code that collects what is theirs, and nobody else's:");
  for (const [user, code] of invitations) c.out(`  ${code}  ${user}`);
}

function productNames(c: Context): Record<string, string> {
  const list = (c.options["product"] ?? []) as string[];
  return Object.fromEntries(list.map((text) => {
    const at = text.lastIndexOf("=");
    if (at < 1 || at === text.length - 1) throw new UsageError(`--product must be FROM=TO, such as "Standing ticket=concert", not "${text}".`);
    return [text.slice(0, at), text.slice(at + 1)];
  }));
}

/** JSON begins with a bracket; a pretix order export has a column for the order code and one for the position. */
export function guessFormat(list: string): ImportFormat {
  const text = list.replace(/^\uFEFF/, "").trimStart();
  if (text.startsWith("[") || text.startsWith("{")) return "json";
  const header = text.slice(0, text.search(/\r?\n|$/)).toLowerCase();
  return /order code|bestellnummer/.test(header) || (/\bcode\b/.test(header) && /position/.test(header)) ? "pretix" : "csv";
}

async function send(host: string, token: string, body: object): Promise<Imported> {
  if (!/^[\x21-\x7e]{1,200}$/.test(token)) throw boardFault("broken", "The token file holds no operator's token: it is operator.token in the host's data folder.");
  const response = await fetch(`${host}/api/import`, {
    method: "POST", redirect: "error", signal: AbortSignal.timeout(120_000), headers: { authorization: `Bearer ${token}`, "content-type": "application/json" }, body: JSON.stringify(body),
  }).catch(() => { throw boardFault("absent", `No host answers at ${host}: check the address and that it is running.`); });
  const answer = await response.json().catch(() => undefined) as (Imported & { message?: string }) | undefined;
  if (response.status === 401) throw new HostRefused("The host does not know this token: take operator.token from its data folder.");
  if (response.ok && typeof answer?.issued === "number") return answer;
  if (typeof answer?.message === "string") throw new HostRefused(answer.message);
  throw boardFault("broken", `What answers at ${host} is no kaisatsu host: check the address.`);
}
