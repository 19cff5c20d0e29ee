/**
 * Terminals at the host: made with a claim code, enrolled by it, certified for two weeks at a time, configured by numbers
 * that only rise (`trust.md` §2, §3). A box cannot ask for more than its code was made for.
 */
import { audit, newScalar, noteIncident, currencyNumber, daySeconds, fromHex, nextNumber, toHex, Wrong, sha256Hex, type Context } from "./context.js";
import { transact, type Tx } from "./database.js";
import { groupNumber } from "./grants.js";
import { heldKeys } from "./groups.js";
import type { TerminalTable } from "./schema-directory.js";
import type { Selectable } from "kysely";
import { certificateId, decodeTerminalCertificate, encodeTerminalCertificate, terminalRole, terminalToSign } from "../protocol/wire/certificate.js";
import { claimKeys, makeClaimCode, readClaimCode, requestGenuine, sealAnswer, shownDigits, splitMac } from "../protocol/wire/claim.js";
import { keyId } from "../protocol/wire/signed.js";
import { decodeClaimRequest, encodeClaimGranted, type ClaimRequest } from "../protocol/wire/claim.js";
import { encodeGroupKeys } from "../protocol/wire/group-keys.js";
import { decodeSignedClaims, encodeSignedClaims, type Renewal } from "../protocol/wire/sync.js";
import { encodeConfiguration, encodeTime, type Taken, type Tariff } from "../protocol/wire/trust.js";

export type TerminalRow = Selectable<TerminalTable>;

/** `suspended` until somebody has looked: what it records is kept and does not count. `revoked` for ever. */
export const suspension = { none: 0, suspended: 1, revoked: 2 } as const;

/** What an operator says of a new terminal. Amounts in minor units, `currency` in ISO letters. */
export interface NewTerminal {
  name: string; role: "gate" | "till" | "meter" | "receiver"; merchant: string; zones: number[]; takes: Taken[]; tariffs?: { kind: string; price: number }[]; currency?: string; most?: number;
  profileB?: boolean;
  /** A small board without signatures: it gets its keys over its serial line. */
  board?: boolean;
  settings?: Partial<Settings>;
}
/** Decision 2 and `trust.md` §9. */
export interface Settings { reopen: number; resumeSeconds: number; passageMs: number; freshSeconds: number; offlineSeconds: number; reducedSeconds: number; usesADay: number; boxADay: number }
const defaults: Settings = { reopen: 1, resumeSeconds: 600, passageMs: 8000, freshSeconds: daySeconds, offlineSeconds: 7 * daySeconds, reducedSeconds: 30 * daySeconds, usesADay: 10, boxADay: 500_000 };

const claimLifeSeconds = daySeconds;
export const wrongProofsMost = 10;
/** Life of a certificate by role (`trust.md` §9). */
export const certificateDays = { [terminalRole.gate]: 14, [terminalRole.till]: 14, [terminalRole.receiver]: 30, [terminalRole.meter]: 90 } as Record<number, number>;
/** Terminal claims in bytes: 172 with short names (`trust.md` §2), and what a message of a tap leaves for longer ones. */
const claimsMost = 512;

/** Makes a terminal and the code that enrols it: one use, 24 hours. */
export async function addTerminal(c: Context, x: NewTerminal): Promise<{ terminalId: string; claimCode: string }> {
  const charges = x.role === "meter" || x.role === "receiver";
  if (x.takes.length === 0 && !charges) throw new Wrong("takes_nothing", "A terminal must take at least one kind of value.");
  const id = toHex(c.random(8));
  const code = await transact(c.db, async (tx) => {
    const made = await freshCode(c, tx);
    const read = readClaimCode(made)!;
    const merchant = await tx.selectFrom("merchant").select("merchant_id").where("merchant_id", "=", x.merchant).executeTakeFirst();
    if (merchant === undefined) throw new Wrong("merchant_unknown", `There is no merchant ${x.merchant}: add it first.`, 404);
    const row = {
      terminal_id: id, name: x.name, role: terminalRole[x.role], zones: JSON.stringify(x.zones), takes: JSON.stringify(x.takes),
      tariffs: JSON.stringify((x.tariffs ?? []).map((t, i) => ({ id: i + 1, kind: t.kind, price: t.price }))), kinds: JSON.stringify(x.takes.length === 0 ? ["none"] : [...new Set(x.takes.map((t) => t.kind))]),
      currency: x.currency ?? "EUR", most: x.most ?? 5000, merchant_id: x.merchant, group_number: x.profileB === true || x.board === true ? groupNumber : 0, generation: x.board === true ? 1 : 0,
      settings: JSON.stringify({ ...defaults, ...x.settings }), lookup: read.lookup, claim_secret: c.keys.wrap(read.secret), claim_until: c.now() + claimLifeSeconds,
      configuration: new Uint8Array(0), configuration_number: 0,
    };
    await tx.insertInto("terminal").values(row).execute();
    await configure(c, tx, id);
    await assertFits(c, tx, id);
    return made;
  });
  return { terminalId: id, claimCode: code };
}

/** No two live codes begin alike, or a right proof of one would count as a wrong one of the other. */
async function freshCode(c: Context, tx: Tx): Promise<string> {
  for (;;) {
    const code = makeClaimCode(c.random(19));
    const taken = await tx.selectFrom("terminal").select("terminal_id").where("lookup", "=", readClaimCode(code)!.lookup).where("claim_until", ">", c.now()).executeTakeFirst();
    if (taken === undefined) return code;
  }
}

/** A certificate that no handset could read must not be issued: its message has a limit. */
async function assertFits(c: Context, tx: Tx, id: string): Promise<void> {
  const t = await tx.selectFrom("terminal").selectAll().where("terminal_id", "=", id).executeTakeFirstOrThrow();
  const claims = await certificateClaims(c, tx, t, c.keys.publicKey("sender"), c.keys.publicKey("envelope"));
  if (claims.length > claimsMost) throw new Wrong("name_too_long", `The terminal's certificate would have ${claims.length} bytes and may have ${claimsMost}: give a shorter name, fewer kinds or fewer zones.`);
}

/** Signs the terminal's configuration under the next number. */
export async function configure(c: Context, tx: Tx, terminalId: string): Promise<void> {
  const t = await tx.selectFrom("terminal").selectAll().where("terminal_id", "=", terminalId).executeTakeFirstOrThrow();
  const s = JSON.parse(t.settings) as Settings;
  const currency = currencyNumber(t.currency);
  const number = await nextNumber(tx, "configuration " + terminalId);
  const tariffs = (JSON.parse(t.tariffs) as { id: number; kind: string; price: number }[]).map((x): Tariff => ({ id: x.id, kind: x.kind, price: { currency, amount: x.price }, from: 0 }));
  const claims = encodeConfiguration({
    issuer: c.keys.provider, subject: terminalId, expires: c.now() + 400 * daySeconds, issuedAt: c.now(), number, leastSoftware: 0, zones: JSON.parse(t.zones) as number[],
    takes: JSON.parse(t.takes) as Taken[], tariffs, useMost: { currency, amount: t.most }, usesADay: s.usesADay, boxADay: s.boxADay, freshSeconds: s.freshSeconds,
    offlineSeconds: s.offlineSeconds, reducedSeconds: s.reducedSeconds, lists: [], reopen: s.reopen, resumeSeconds: s.resumeSeconds, passageMs: s.passageMs,
  });
  await tx.updateTable("terminal").set({ configuration: c.keys.signed("configuration", "configuration", claims), configuration_number: number }).where("terminal_id", "=", terminalId).execute();
}

/**
 * First contact. Answers the sealed grant; undefined for a code that is unknown, dead, or not proved, without saying which.
 * The same request again gets the same answer until the code ends; other keys on a used code are an incident.
 */
export async function claim(c: Context, bytes: Uint8Array): Promise<Uint8Array | undefined> {
  const parts = splitMac(bytes);
  const request = parts === undefined ? undefined : decodeClaimRequest(parts.content);
  if (parts === undefined || request === undefined) return undefined;
  return await transact(c.db, async (tx) => {
    const rows = await tx.selectFrom("terminal").selectAll().where("lookup", "=", request.lookup).where("claim_until", ">", c.now()).where("claim_wrong", "<", wrongProofsMost).execute();
    for (const t of rows) {
      if (t.generation > 0) continue;
      const keys = claimKeys(c.crypto, c.keys.unwrap(t.claim_secret), request.nonce);
      if (requestGenuine(c.crypto, keys, parts.content, parts.mac)) return await grant(c, tx, t, request, parts.content, keys);
      // Nobody learns that it was wrong before this count is durable: the answer goes out after the commit.
      await tx.updateTable("terminal").set({ claim_wrong: t.claim_wrong + 1 }).where("terminal_id", "=", t.terminal_id).execute();
      if (t.claim_wrong + 1 === wrongProofsMost) await noteIncident(tx, "claim code dead after ten wrong proofs", t.terminal_id, "", c.now());
    }
    return undefined;
  });
}

async function grant(c: Context, tx: Tx, t: TerminalRow, request: ClaimRequest, content: Uint8Array, keys: ReturnType<typeof claimKeys>): Promise<Uint8Array | undefined> {
  const digest = sha256Hex(content);
  if (t.claim_request !== null) {
    if (t.claim_request === digest) return new Uint8Array(t.claim_answer!);
    await noteIncident(tx, "claim code used again with other keys", t.terminal_id, toHex(request.identityKey), c.now());
    return undefined;
  }
  if (!areKeys(c, request.identityKey, [request.signingKey, request.agreementKey])) return undefined;
  const elsewhere = await tx.selectFrom("terminal").select("terminal_id").where("identity_kid", "=", toHex(keyId(c.crypto, request.identityKey))).executeTakeFirst();
  if (elsewhere !== undefined) {
    await noteIncident(tx, "an identity key claimed a second terminal", t.terminal_id, elsewhere.terminal_id, c.now());
    return undefined;
  }
  const certificate = await certify(c, tx, t, request.signingKey, request.agreementKey);
  const granted = encodeClaimGranted({
    provider: c.keys.provider, terminalId: fromHex(t.terminal_id), root: c.keys.root, spareRoot: c.keys.spareRoot, roles: [...c.keys.roles], certificate,
    configuration: new Uint8Array(t.configuration), time: c.keys.signed("time", "status", encodeTime({ issuer: c.keys.provider, at: c.now(), nonce: undefined })),
    group: t.group_number === 0 ? new Uint8Array(0) : encodeGroupKeys((await heldKeys(c, tx, t.group_number))[0]!),
  });
  const answer = sealAnswer(c.crypto, keys, content, newScalar(c), request.agreementKey, granted);
  if (answer === undefined) return undefined;
  const digits = shownDigits(c.crypto, content, answer);
  await tx.updateTable("terminal").set({
    digits, claim_request: digest, claim_answer: answer, identity_key: toHex(request.identityKey), identity_kid: toHex(keyId(c.crypto, request.identityKey)), seen_at: c.now(),
  }).where("terminal_id", "=", t.terminal_id).execute();
  await audit(tx, "terminal", `terminal ${t.terminal_id} enrolled: it must show ${digits}, or another machine took its code`, c.now());
  return answer;
}

/** Keys of a certificate have even y, so that each may be sent as x alone; and no two are the same: one key, one purpose. */
function areKeys(c: Context, identity: Uint8Array, certified: Uint8Array[]): boolean {
  const all = [identity, ...certified];
  return certified.every((key) => key[0] === 2) && all.every((key) => c.crypto.coordinates(key) !== undefined) && new Set(all.map((key) => toHex(key.subarray(1)))).size === all.length;
}

/** A certificate for these keys, `[kid, claims, signature]`; kept, so that receipts under it can be checked for ever. */
async function certify(c: Context, tx: Tx, t: TerminalRow, signingKey: Uint8Array, agreementKey: Uint8Array): Promise<Uint8Array> {
  const claims = await certificateClaims(c, tx, t, signingKey, agreementKey);
  const kid = c.keys.shortKid("certificates");
  const bytes = encodeSignedClaims(kid, claims, c.keys.sign("certificates", terminalToSign(kid, claims)));
  const expires = endOf(c, t);
  await tx.insertInto("certificate").values({
    number: await nextNumber(tx, "certificate"), certificate_id: toHex(certificateId(c.crypto, claims)), terminal_id: t.terminal_id, bytes, issued_at: c.now(), expires,
  }).onConflict((o) => o.column("certificate_id").doNothing()).execute();
  await tx.updateTable("terminal").set({ certificate: bytes, agreement_key: toHex(agreementKey), expires }).where("terminal_id", "=", t.terminal_id).execute();
  return bytes;
}

const endOf = (c: Context, t: TerminalRow): number => c.now() + certificateDays[t.role]! * daySeconds;
async function certificateClaims(c: Context, tx: Tx, t: TerminalRow, signingKey: Uint8Array, agreementKey: Uint8Array): Promise<Uint8Array> {
  const merchant = await tx.selectFrom("merchant").select("name").where("merchant_id", "=", t.merchant_id).executeTakeFirstOrThrow();
  return encodeTerminalCertificate({
    zones: JSON.parse(t.zones) as number[], expires: endOf(c, t), notBefore: c.now() - 60, terminalId: fromHex(t.terminal_id), signingKey, agreementKey, role: t.role,
    kinds: JSON.parse(t.kinds) as string[], most: t.most, currency: currencyNumber(t.currency), name: t.name, merchant: merchant.name, group: t.group_number,
  });
}

/**
 * A certificate that a terminal shows beside its records: a host restored from a backup has forgotten those made since, and
 * with them whose receipts they are and to which key its answers go. It is kept like one made here when our own key signed it
 * for a terminal that we know. Answers whether it is such a one.
 */
export async function learnCertificate(c: Context, tx: Tx, sender: TerminalRow, bytes: Uint8Array): Promise<boolean> {
  const signed = decodeSignedClaims(bytes);
  const shown = signed === undefined ? undefined : decodeTerminalCertificate(signed.claims);
  if (signed === undefined || shown === undefined || toHex(signed.kid) !== toHex(c.keys.shortKid("certificates"))) return false;
  const id = toHex(certificateId(c.crypto, signed.claims)), terminal = toHex(shown.terminalId);
  const known = await tx.selectFrom("certificate").select("number").where("certificate_id", "=", id).executeTakeFirst();
  if (known === undefined) {
    if (!c.crypto.verify(c.keys.publicKey("certificates"), terminalToSign(signed.kid, signed.claims), signed.signature)) return false;
    if ((await tx.selectFrom("terminal").select("name").where("terminal_id", "=", terminal).executeTakeFirst()) === undefined) return false;
    await tx.insertInto("certificate").values({ number: await nextNumber(tx, "certificate"), certificate_id: id, terminal_id: terminal, bytes, issued_at: shown.notBefore, expires: shown.expires }).execute();
    await audit(tx, "terminal", `terminal ${sender.terminal_id} shows a certificate of ${terminal} that was made here and forgotten`, c.now());
  }
  if (terminal === sender.terminal_id && shown.expires > sender.expires) await tx.updateTable("terminal").set({ certificate: bytes, agreement_key: toHex(shown.agreementKey), expires: shown.expires }).where("terminal_id", "=", terminal).execute();
  return true;
}

/** Did this terminal once have a certificate for this key? */
async function wasCertified(tx: Tx, t: TerminalRow, signingKey: Uint8Array): Promise<boolean> {
  const rows = await tx.selectFrom("certificate").select("bytes").where("terminal_id", "=", t.terminal_id).execute();
  return rows.some((row) => {
    const signed = decodeSignedClaims(new Uint8Array(row.bytes));
    const decoded = signed === undefined ? undefined : decodeTerminalCertificate(signed.claims);
    return decoded !== undefined && toHex(decoded.signingKey) === toHex(signingKey);
  });
}

/**
 * *renew*: new keys, signed for by the identity key. Two different renewals of one counter are two boxes: both suspended. The
 * same again, because its answer was lost, gets the same certificate, or a new one where that is due for its next renewal.
 */
export async function renew(c: Context, tx: Tx, t: TerminalRow, x: Renewal): Promise<Uint8Array> {
  const none = new Uint8Array(0);
  const digest = sha256Hex(Buffer.concat([x.signingKey, x.agreementKey]));
  if (t.suspended !== suspension.none) return none;
  const again = x.counter === t.renewal_counter && t.renewal_digest === digest;
  if (again && c.now() < t.expires - (certificateDays[t.role]! * daySeconds) / 2) return new Uint8Array(t.certificate!);
  // A letter that was under way while a later one was answered says nothing of a second box.
  if (x.counter < t.renewal_counter && (await wasCertified(tx, t, x.signingKey))) return none;
  if (x.counter <= t.renewal_counter && !again) {
    await noteIncident(tx, "renewed twice from one counter", t.terminal_id, `counter ${x.counter}`, c.now());
    await tx.updateTable("terminal").set({ suspended: suspension.suspended }).where("terminal_id", "=", t.terminal_id).execute();
    return none;
  }
  if (!areKeys(c, fromHex(t.identity_key!), [x.signingKey, x.agreementKey])) return none;
  const bytes = await certify(c, tx, t, x.signingKey, x.agreementKey);
  await tx.updateTable("terminal").set({ renewal_counter: x.counter, renewal_digest: digest }).where("terminal_id", "=", t.terminal_id).execute();
  return bytes;
}
