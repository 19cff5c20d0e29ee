/** `kaisatsu issuer`: an issuer that runs apart from the host, with keys of its own (S4, S6). */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { exitCode, hostAddress, needed, noWords, textOf, UsageError, wholeNumber, type Command, type Context } from "./command.js";
import { prepareFolder } from "./folder.js";
import { Wrong } from "../../host/context.js";
import { startIssuer, writeQuotas, type Issuer, type IssuerOptions } from "../../host/issuer/issuer.js";
import { HostRefused, readProvider } from "../node/network.js";
import { lock, unlock } from "../node/lock.js";
import { boardFault } from "../../runtime/journal/store.js";
import { nodeCrypto as crypto } from "../../protocol/crypto/node/node.js";
import { hex } from "../../protocol/wire/bytes.js";
import { keyId } from "../../protocol/wire/signed.js";

export const issuerCommand: Command = {
  name: "issuer",
  summary: "an issuer apart from the host: signs what is sold in its name",
  help: `Usage: kaisatsu issuer --data FOLDER --id ID [--host URL --root ID] [--port N] [--address A] [--json]

Runs until Ctrl-C. The first start makes its keys, and pins the host by its root, which you compare with what the host's
operator shows. What it may sign stands in FOLDER/products.json, product by product: {"concert": 500}. It never signs more,
nor for others, nor two words about one value. Give the two keys that it prints to the host's operator.

  --data FOLDER  keys, register and products.json; made when missing, readable by its owner alone
  --id ID        the issuer's id at the host
  --host URL     the host, at the first start
  --root ID      its root id, 16 digits, at the first start
  --port N       port to listen on, 0 for any free one (default 8450)
  --address A    address to listen on (default 127.0.0.1)
  --json         one JSON line when it listens, one when it has stopped

Examples:
  kaisatsu issuer --data club --id club --host http://127.0.0.1:8440 --root 0123456789abcdef
  kaisatsu issuer --data club --id club
`,
  options: { data: { type: "string" }, id: { type: "string" }, host: { type: "string" }, root: { type: "string" }, port: { type: "string" }, address: { type: "string" } },
  async run(c) {
    noWords(c);
    const folder = needed(c, "data", "the folder for keys and register"), id = needed(c, "id", "the issuer's id at the host"), stopped = c.console.stopped();
    const port = wholeNumber(c, "port", 0, 65_535) ?? 8450, address = textOf(c, "address") ?? "127.0.0.1";
    prepareFolder(folder, "--data");
    lock(join(folder, "issuer"));
    try {
      const provider = await pinned(c, folder);
      if (!existsSync(join(folder, "products.json"))) writeQuotas(folder, {});
      const issuer = await start({ folder, issuer: id, provider, port, address });
      try { listening(c, issuer, folder); await stopped; } finally { await issuer.close(); }
    } finally {
      unlock(join(folder, "issuer"));
    }
    c.out(c.json ? JSON.stringify({ event: "stopped" }) : "Stopped.");
    return exitCode.done;
  },
};

async function start(o: IssuerOptions): Promise<Issuer> {
  try {
    return await startIssuer(o);
  } catch (error) {
    if (error instanceof Wrong) throw boardFault("broken", error.message);
    if ((error as { code?: string }).code === "EADDRINUSE") throw boardFault("busy", `Port ${o.port} is in use: give another one with --port.`);
    throw error;
  }
}

/** The host's page as it was when its root was compared; kept from the first start on. */
async function pinned(c: Context, folder: string): Promise<IssuerOptions["provider"]> {
  const path = join(folder, "provider.json");
  if (existsSync(path)) return JSON.parse(readFileSync(path, "utf8")) as IssuerOptions["provider"];
  const host = hostAddress(needed(c, "host", "the host's address, at the first start")), root = needed(c, "root", "the host's root id, at the first start").toLowerCase();
  if (!/^[0-9a-f]{16}$/.test(root)) throw new UsageError("--root must be the 16 hexadecimal digits that the host's operator shows.");
  const page = await readProvider(host);
  if (hex(keyId(crypto, page.root)) !== root) throw new HostRefused(`Not started: the host at ${host} has root ${hex(keyId(crypto, page.root))}, not ${root}.`);
  const provider = { root: hex(page.root), roles: page.roles.map((r) => Buffer.from(r).toString("base64")) };
  writeFileSync(path, JSON.stringify(provider), { mode: 0o600 });
  return provider;
}

function listening(c: Context, issuer: Issuer, folder: string): void {
  if (c.json) { c.out(JSON.stringify({ event: "listening", url: issuer.url, signingKey: issuer.signingKey, agreementKey: issuer.agreementKey })); return; }
  c.out(c.paint("bold", `The issuer runs at ${issuer.url}`));
  c.out(`  signing key    ${issuer.signingKey}`);
  c.out(`  agreement key  ${issuer.agreementKey}`);
  c.out(`  products       ${join(folder, "products.json")}`);
  c.out("Ctrl-C stops it.");
}
