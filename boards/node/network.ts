/**
 * The network road: envelopes to the host's device door by HTTP, first contact, and what a handset must know of a provider.
 */
import { boardFault } from "../../runtime/journal/store.js";

/** The host was asked and said no: a refusal with its reason, not a fault of a device. */
export class HostRefused extends Error {}

const cose = { "content-type": "application/cose" };

/** Posts an envelope; undefined when nobody answered in time or the host took nothing. */
export async function postEnvelope(host: string, bytes: Uint8Array, withinMs: number): Promise<Uint8Array | undefined> {
  return await post(`${host}/device`, bytes, withinMs);
}

/** First contact of a terminal. Throws a `BoardError` when there is no host; undefined when it takes nothing. */
export async function postClaim(host: string, bytes: Uint8Array): Promise<Uint8Array | undefined> {
  await reach(host);
  return await post(`${host}/claim`, bytes, 10_000);
}

async function post(url: string, bytes: Uint8Array, withinMs: number): Promise<Uint8Array | undefined> {
  try {
    const response = await fetch(url, { method: "POST", headers: cose, body: Buffer.from(bytes), redirect: "error", signal: AbortSignal.timeout(withinMs) });
    return response.ok ? new Uint8Array(await response.arrayBuffer()) : undefined;
  } catch {
    return undefined;
  }
}

export interface ProviderPage { provider: string; root: Uint8Array; spareRoot: Uint8Array; roles: Uint8Array[] }

/** A page of role certificates is a few kilobytes. */
const pageCharactersMax = 65_536;

/** Whom a handset is about to trust; its holder compares the root's id. Throws a `BoardError` when there is no host, or something else. */
export async function readProvider(host: string): Promise<ProviderPage> {
  const response = await reach(host);
  try {
    const text = await response.text();
    const page = JSON.parse(text.slice(0, pageCharactersMax)) as { provider: string; root: string; spareRoot: string; roles: string[] };
    const point = (hex: string): Uint8Array => { if (!/^0[23][0-9a-f]{64}$/.test(hex)) throw new Error("no point"); return new Uint8Array(Buffer.from(hex, "hex")); };
    if (typeof page.provider !== "string" || page.provider === "") throw new Error("no name");
    return { provider: page.provider, root: point(page.root), spareRoot: point(page.spareRoot), roles: page.roles.map((r) => new Uint8Array(Buffer.from(r, "base64"))) };
  } catch {
    throw boardFault("broken", `What answers at ${host} is no kaisatsu host: check the address.`);
  }
}

async function reach(host: string): Promise<Response> {
  try {
    return await fetch(`${host}/provider`, { signal: AbortSignal.timeout(10_000) });
  } catch {
    throw boardFault("absent", `No host answers at ${host}: check the address and that it is running.`);
  }
}
