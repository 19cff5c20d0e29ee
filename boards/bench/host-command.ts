/** `kaisatsu host`: the service provider's server as one process, with its books in one folder. */
import { isIP } from "node:net";
import { join } from "node:path";
import { exitCode, needed, noWords, textOf, UsageError, wholeNumber, type Command, type Context } from "./command.js";
import { faultOfFolder, prepareFolder } from "./folder.js";
import { Wrong } from "../../host/context.js";
import { startHost, type Host } from "../../host/host.js";
import type { Processor } from "../../host/payment/processor.js";
import { stripe } from "../../host/payment/stripe.js";
import { readSecret } from "./handset/enrol.js";
import { lock, unlock } from "../node/lock.js";
import { boardFault } from "../../runtime/journal/store.js";

const defaultPort = 8440;
/** The end of next year, so that the examples can be sold. */
const until = Date.UTC(new Date().getUTCFullYear() + 2, 0, 1) / 1000;

export const hostCommand: Command = {
  name: "host",
  summary: "the service provider's server: members, products, terminals, books",
  help: `Usage: kaisatsu host --data FOLDER [--port N] [--address A] [--name NAME] [--restored]
                     [--stripe-key FILE --stripe-webhook FILE] [--json]

Runs until Ctrl-C. The first start makes everything: database, keys, and the operator's token in FOLDER/operator.token,
which the operator API asks for. What the API takes is described at /openapi.json; /health and /metrics watch.

  --data FOLDER  database, keys and token; made when missing, readable by its owner alone
  --port N       port to listen on, 0 for any free one (default ${defaultPort})
  --address A    address to listen on (default 127.0.0.1: this machine only); put TLS in front before using another
  --name NAME    the provider's name, fixed at the first start (default kaisatsu)
  --restored     the folder was restored from a backup: numbers begin anew above all that were given out; once after
                 each restore
  --stripe-key FILE      take cards through Stripe: a file with its secret key (test mode: sk_test_...)
  --stripe-webhook FILE  a file with the signing secret of Stripe's endpoint for https://HOST/payment/stripe
  --json         one JSON line when it listens, one when it has stopped

Exit code 0 when it was stopped, 3 when it could not run (port in use, folder not writable).

Examples:
  kaisatsu host --data shop
  kaisatsu host --data shop --port 80 --address 0.0.0.0 --name example

To sell a ticket by hand, once the host runs:
  URL=http://127.0.0.1:${defaultPort}
  TOKEN=$(cat shop/operator.token)
  curl -sH "Authorization: Bearer $TOKEN" --json '{"merchant":"hall","name":"Example Hall"}' $URL/api/merchants
  curl -sH "Authorization: Bearer $TOKEN" --json '{"issuer":"box-office","name":"Box office"}' $URL/api/issuers
  curl -sH "Authorization: Bearer $TOKEN" --json '{"product":"concert","name":"Concert","kind":"ticket","sort":"ticket","price":3000,"currency":"EUR","zones":[1],"until":${until},"issuer":"box-office"}' $URL/api/products
  curl -sH "Authorization: Bearer $TOKEN" --json '{"name":"North","role":"gate","merchant":"hall","zones":[1],"takes":[{"kind":"ticket","action":1,"zone":1}]}' $URL/api/terminals
  curl -sH "Authorization: Bearer $TOKEN" --json '{"product":"concert","user":"aiko@example.org","reference":"S-1","paid":"desk"}' $URL/api/sales
The fourth answers the claim code for kaisatsu terminal. The fifth answers an invitation where the host has not seen the
member yet; kaisatsu handset enrol --code takes it, and kaisatsu handset collect fetches the ticket.
  curl -sH "Authorization: Bearer $TOKEN" "$URL/api/ledger?currency=EUR"
`,
  options: { data: { type: "string" }, port: { type: "string" }, address: { type: "string" }, name: { type: "string" }, restored: { type: "boolean" }, "stripe-key": { type: "string" }, "stripe-webhook": { type: "string" } },
  async run(c) {
    noWords(c);
    const folder = needed(c, "data", "the folder for database, keys and token, made when missing");
    const port = wholeNumber(c, "port", 0, 65_535) ?? defaultPort;
    const address = textOf(c, "address") ?? "127.0.0.1";
    const name = providerName(c);
    const stopped = c.console.stopped();
    prepareFolder(folder, "--data");
    // Two hosts in one folder would each believe that the keys are theirs alone.
    lock(join(folder, "host"));
    try {
      const host = await start(folder, port, address, name, c.options["restored"] === true, processors(c));
      try {
        if (name !== undefined && name !== host.provider) throw new UsageError(`--name: the provider in ${folder} is "${host.provider}", and its name was fixed at its first start. Leave --name out, or give another folder.`);
        listening(c, host, folder);
        await stopped;
      } finally {
        await host.close();
      }
    } finally {
      unlock(join(folder, "host"));
    }
    c.out(c.json ? JSON.stringify({ event: "stopped" }) : "Stopped; everything is on disk.");
    return exitCode.done;
  },
};

function providerName(c: Context): string | undefined {
  const name = textOf(c, "name");
  if (name !== undefined && !/^[\p{L}\p{N}][\p{L}\p{N} ._-]{0,59}$/u.test(name)) throw new UsageError("--name must be 1 to 60 letters, digits, spaces, dots or dashes, and begin with a letter or digit.");
  return name;
}

/** Secrets come in files, never on the command line, where others see them. */
function processors(c: Context): Processor[] {
  const key = textOf(c, "stripe-key"), webhook = textOf(c, "stripe-webhook");
  if ((key === undefined) !== (webhook === undefined)) throw new UsageError("--stripe-key and --stripe-webhook belong together: without notices nobody would know what became of a payment.");
  if (key === undefined || webhook === undefined) return [];
  const secretKey = readSecret(key).trim(), webhookSecret = readSecret(webhook).trim();
  if (!/^(sk|rk)_(test|live)_\w+$/.test(secretKey) || !/^whsec_\w+$/.test(webhookSecret)) throw new UsageError("--stripe-key must hold a key that begins with sk_ or rk_, --stripe-webhook a secret that begins with whsec_.");
  return [stripe({ secretKey, webhookSecret })];
}

async function start(folder: string, port: number, address: string, name: string | undefined, restored: boolean, takes: readonly Processor[]): Promise<Host> {
  try {
    return await startHost({ folder, port, address, restored, processors: takes, ...(name !== undefined && { name }) });
  } catch (error) {
    throw faultOfStart(error, folder, port, address);
  }
}

/** What an error of a start means for the person who runs the host. */
function faultOfStart(error: unknown, folder: string, port: number, address: string): unknown {
  const { code = "", syscall = "", message = "" } = error as { code?: string; syscall?: string; message?: string };
  if (code === "EADDRINUSE") return boardFault("busy", `Port ${port} of ${address} is in use: stop the other program, or give another port with --port (0 for any free one).`);
  if (code === "EADDRNOTAVAIL" || code === "ENOTFOUND" || code === "EAI_AGAIN") return boardFault("absent", `This machine has no address ${address}: give one of its own with --address, or leave it out.`);
  if (code === "EACCES" && syscall === "listen") return boardFault("denied", `Port ${port} may not be used by this user: give a port above 1023 with --port.`);
  if (error instanceof Wrong) return boardFault("broken", message);
  if (/SQLITE|sqlite/.test(code + message) || /not a database|malformed/.test(message)) return boardFault("broken", `The database ${join(folder, "kaisatsu.db")} cannot be opened (${message}): put a backup of the whole folder in its place.`);
  return faultOfFolder(error, folder, "--data");
}

function listening(c: Context, host: Host, folder: string): void {
  const token = join(folder, "operator.token");
  if (c.json) { c.out(JSON.stringify({ event: "listening", url: host.url, provider: host.provider, rootId: host.rootId, tokenFile: token, data: folder })); return; }
  c.out(`${c.paint("bold", `The host of provider "${host.provider}" runs at ${host.url}`)}`);
  c.out(`  root   ${host.rootId} (a handset shows the same when it enrols)`);
  c.out(`  token  ${token} (for the operator API: kaisatsu host --help has examples)`);
  c.out(`  data   ${folder}`);
  if (!isLoopback(new URL(host.url).hostname)) c.out(c.paint("yellow", "  It is reached from other machines without TLS: what devices say is sealed, the operator's token is not."));
  c.out("Ctrl-C stops it.");
}

const isLoopback = (name: string) => name === "localhost" || name === "[::1]" || (isIP(name) === 4 && name.startsWith("127."));
