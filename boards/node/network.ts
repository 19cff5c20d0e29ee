/**
 * The network road: envelopes to the host's device door by HTTP, first contact, and what a handset must know of a provider.
 *
 * Whoever answers may be anybody. What comes is believed for its seals alone; here it is only held to a size and a time,
 * and nobody is followed elsewhere.
 */
import { boardFault, type BoardError } from "../../runtime/journal/store.js";
import { limits } from "../../protocol/limits.js";

/** The host was asked and said no: a refusal with its reason, not a fault of a device. */
export class HostRefused extends Error {}

const cose = { "content-type": "application/cose" };
const reachWithinMs = 10_000;

/** Posts an envelope; undefined when nobody answered in time, the host took nothing, or `until` was aborted. */
export async function postEnvelope(host: string, bytes: Uint8Array, withinMs: number, until?: AbortSignal): Promise<Uint8Array | undefined> {
  return await post(host, "/device", bytes, withinMs, until);
}

/** First contact of a terminal. Throws a `BoardError` when there is no host; undefined when it takes nothing. */
export async function postClaim(host: string, bytes: Uint8Array): Promise<Uint8Array | undefined> {
  await readProvider(host);
  return await post(host, "/claim", bytes, reachWithinMs);
}

/** First keys of a small board: its claim, or its confirmation, which is answered by nothing. As `postClaim`. */
export async function postBoard(host: string, bytes: Uint8Array): Promise<Uint8Array | undefined> {
  await readProvider(host);
  return await post(host, "/board", bytes, reachWithinMs);
}

async function post(host: string, path: string, bytes: Uint8Array, withinMs: number, until?: AbortSignal): Promise<Uint8Array | undefined> {
  try { return await ask(host, path, { method: "POST", headers: cose, body: Buffer.from(bytes) }, withinMs, until); } catch { return undefined; }
}

/** The body of a good answer, of at most an envelope's size; undefined for another status or a longer one. Throws when nobody answers. */
async function ask(host: string, path: string, what: RequestInit, withinMs: number, until?: AbortSignal): Promise<Uint8Array | undefined> {
  const tooLate = AbortSignal.timeout(withinMs);
  const response = await fetch(host.replace(/\/+$/, "") + path, { ...what, redirect: "error", signal: until === undefined ? tooLate : AbortSignal.any([tooLate, until]) });
  if (!response.ok) { await response.body?.cancel(); return undefined; }
  const pieces: Uint8Array[] = [];
  let length = 0;
  for await (const piece of (response.body ?? []) as AsyncIterable<Uint8Array>) {
    length += piece.length;
    // Leaving the loop hangs up.
    if (length > limits.envelopeBytesMax) return undefined;
    pieces.push(piece);
  }
  return new Uint8Array(Buffer.concat(pieces));
}

export interface ProviderPage { provider: string; root: Uint8Array; spareRoot: Uint8Array; roles: Uint8Array[]; /** Ends of terminals that could be believed otherwise. */ revocations: Uint8Array[] }

/** Whom a handset is about to trust; its holder compares the root's id. Throws a `BoardError` when there is no host, or something else. */
export async function readProvider(host: string): Promise<ProviderPage> {
  const page = pageIn(await ask(host, "/provider", {}, reachWithinMs).catch((error: unknown) => { throw unreachable(host, error); }));
  if (page === undefined) throw boardFault("broken", `What answers at ${host} is no kaisatsu host: check the address.`);
  return page;
}

function unreachable(host: string, error: unknown): BoardError {
  if (!/^https?:\/\/[^/]+\/*$/.test(host)) return boardFault("absent", `${host} is no address of a host: write it like http://192.168.1.10:8080, with nothing behind the port.`);
  const late = error instanceof Error && error.name === "TimeoutError";
  return boardFault("absent", late ? `The host at ${host} takes too long to answer: check the network, and that it is not overloaded.` : `No host answers at ${host}: check the address and that it is running.`);
}

/** JSON: name, two compressed points in hex, roles and revocations in base64. Undefined for anything else. */
function pageIn(bytes: Uint8Array | undefined): ProviderPage | undefined {
  const page = bytes === undefined ? undefined : parsed(bytes);
  const { provider, root, spareRoot, roles, revocations = [] } = (page ?? {}) as Record<string, unknown>;
  const isPoint = (text: unknown): text is string => typeof text === "string" && /^0[23][0-9a-f]{64}$/.test(text);
  const areTexts = (list: unknown): list is string[] => Array.isArray(list) && list.every((text) => typeof text === "string");
  if (typeof provider !== "string" || provider === "" || !isPoint(root) || !isPoint(spareRoot) || !areTexts(roles) || !areTexts(revocations)) return undefined;
  const hex = (text: string) => new Uint8Array(Buffer.from(text, "hex"));
  const base64 = (text: string) => new Uint8Array(Buffer.from(text, "base64"));
  return { provider, root: hex(root), spareRoot: hex(spareRoot), roles: roles.map(base64), revocations: revocations.map(base64) };
}
function parsed(bytes: Uint8Array): unknown {
  try { return JSON.parse(Buffer.from(bytes).toString("utf8")); } catch { return undefined; }
}
