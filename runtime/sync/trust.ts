/**
 * Whom a device believes: two roots pinned at provisioning, and the role keys they signed (`trust.md` §1). Revocations are
 * a set without order; a role certificate of an old generation is not believed once a newer one says so.
 */
import type { Crypto } from "../../protocol/crypto/crypto.js";
import type { ProviderKey } from "../../protocol/session/book.js";
import { copy, equal } from "../../protocol/wire/bytes.js";
import { done, finish, readArray, readBytes, readText, reader, writeArray, writeBytes, writeText, writer } from "../../protocol/wire/cbor.js";
import { keyId, openSigned, type SignerKey } from "../../protocol/wire/signed.js";
import { readList } from "../../protocol/wire/lists.js";
import { decodeRevocation, decodeRole, revoked, type RoleCertificate } from "../../protocol/wire/trust.js";

export interface Trust {
  readonly crypto: Crypto;
  readonly provider: string;
  readonly root: Uint8Array;
  readonly spareRoot: Uint8Array;
  readonly rootKeys: readonly SignerKey[];
  /** Role certificates and ends of role keys as signed; kept to be read again after a restart. */
  objects: Uint8Array[];
  /** Ends of terminals, the same, and when each was said. */
  ends: { at: number; bytes: Uint8Array; terminal: Uint8Array }[];
  roles: { kid: Uint8Array; certificate: RoleCertificate }[];
  /** Key ids and terminal ids that a revocation names. */
  revokedKeys: Uint8Array[];
  revokedTerminals: Uint8Array[];
}

/** More objects than this are not kept: seven roles, renewed each year of a root's ten. */
const objectsMax = 128;
/**
 * So many ends of terminals are kept, the newest. A revoked terminal is not renewed, so its certificate ends by itself within
 * 21 days at a gate or till, 135 at a meter (`trust.md` §9, half a life of grace): whoever revokes fewer in that time loses none.
 */
export const endsMax = 256;

export function makeTrust(crypto: Crypto, provider: string, root: Uint8Array, spareRoot: Uint8Array): Trust {
  const rootKeys = [root, spareRoot].map((key) => ({ kid: keyId(crypto, key), publicKey: key }));
  return { crypto: crypto, provider: provider, root: root, spareRoot: spareRoot, rootKeys: rootKeys, objects: [], ends: [], roles: [], revokedKeys: [], revokedTerminals: [] };
}

/** Takes a role certificate or a revocation; answers true when it is new and genuine. */
export function takeObject(t: Trust, bytes: Uint8Array): boolean {
  if (t.objects.some((known) => equal(known, bytes)) || t.ends.some((known) => equal(known.bytes, bytes))) return false;
  return (t.objects.length < objectsMax && takeRole(t, bytes)) || takeRevocation(t, bytes);
}

function takeRole(t: Trust, bytes: Uint8Array): boolean {
  const claims = openSigned(t.crypto, bytes, "role", t.rootKeys);
  const certificate = claims === undefined ? undefined : decodeRole(claims);
  if (certificate === undefined || certificate.issuer !== t.provider) return false;
  t.roles.push({ kid: keyId(t.crypto, certificate.publicKey), certificate: certificate });
  t.objects.push(bytes);
  return true;
}

/** A role key's end is said by a root, a terminal's by the certificates key. */
function takeRevocation(t: Trust, bytes: Uint8Array): boolean {
  const byRoot = openSigned(t.crypto, bytes, "revocation", t.rootKeys);
  const claims = byRoot === undefined ? openSigned(t.crypto, bytes, "revocation", signersFor(t, "certificates")) : byRoot;
  const said = claims === undefined ? undefined : decodeRevocation(claims);
  if (said === undefined || said.issuer !== t.provider) return false;
  if (said.what === revoked.terminal) return takeEnd(t, { at: said.at, bytes: bytes, terminal: said.name });
  if (said.what !== revoked.role || byRoot === undefined || t.objects.length >= objectsMax) return false;
  t.revokedKeys.push(said.name);
  t.objects.push(bytes);
  return true;
}

/** When there are too many the one said first gives way; one older than all of them is not new. A terminal has one end. */
function takeEnd(t: Trust, end: { at: number; bytes: Uint8Array; terminal: Uint8Array }): boolean {
  if (t.ends.some((known) => equal(known.terminal, end.terminal))) return false;
  let oldest = 0;
  for (let i = 1; i < t.ends.length; i++) if (t.ends[i]!.at < t.ends[oldest]!.at) oldest = i;
  if (t.ends.length >= endsMax) {
    if (end.at <= t.ends[oldest]!.at) return false;
    t.ends.splice(oldest, 1);
  }
  t.ends.push(end);
  t.revokedTerminals = t.ends.map((known) => known.terminal);
  return true;
}

/** Keys of a role that are believed: not revoked, and of a generation still good. Their end is judged by `at` where known. */
export function signersFor(t: Trust, role: string): SignerKey[] {
  let least = 0;
  for (const r of t.roles) if (r.certificate.role === role && r.certificate.leastGeneration > least) least = r.certificate.leastGeneration;
  const keys: SignerKey[] = [];
  for (const r of t.roles) {
    const good = r.certificate.role === role && r.certificate.generation >= least && !t.revokedKeys.some((kid) => equal(kid, r.kid));
    if (good) keys.push({ kid: r.kid, publicKey: r.certificate.publicKey });
  }
  return keys;
}

/** The same by the short ids of a tap. */
export function providerKeys(t: Trust, role: string): ProviderKey[] {
  return signersFor(t, role).map((key) => ({ kid: copy(key.kid, 0, 4), publicKey: key.publicKey }));
}

/** The newest key of a role: to whom an envelope goes. */
export function newestOf(t: Trust, role: string): SignerKey | undefined {
  let best: { kid: Uint8Array; certificate: RoleCertificate } | undefined;
  for (const r of t.roles) {
    const better = r.certificate.role === role && (best === undefined || r.certificate.generation > best.certificate.generation);
    if (better && !t.revokedKeys.some((kid) => equal(kid, r.kid))) best = r;
  }
  return best === undefined ? undefined : { kid: best.kid, publicKey: best.certificate.publicKey };
}

/** For a cell. */
export function encodeTrust(t: Trust): Uint8Array {
  const w = writer();
  writeArray(w, 4);
  writeText(w, t.provider); writeBytes(w, t.root); writeBytes(w, t.spareRoot);
  writeArray(w, t.objects.length + t.ends.length);
  for (const object of t.objects) writeBytes(w, object);
  for (const end of t.ends) writeBytes(w, end.bytes);
  return finish(w);
}
export function decodeTrust(crypto: Crypto, bytes: Uint8Array): Trust | undefined {
  const r = reader(bytes);
  readArray(r, 4);
  const t = makeTrust(crypto, readText(r), readBytes(r, 33), readBytes(r, 33));
  const objects = readList(r, (from) => readBytes(from));
  if (!done(r)) return undefined;
  for (const object of objects) takeObject(t, object);
  return t;
}
