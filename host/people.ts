/**
 * Members and their handsets: accounts, passwords, enrolment (`trust.md` §4). A password opens a new account and places
 * orders; it never pays, moves, reveals or enrols: an account that exists takes another handset only when one of its
 * handsets signed for it, or for its recovery code. Wrong tries are durable before anybody learns that they were wrong.
 */
import { timingSafeEqual } from "node:crypto";
import { dictionary } from "@zxcvbn-ts/language-common";
import { daySeconds, fromHex, noteIncident, sha256Hex, toHex, Wrong, type Context } from "./context.js";
import { transact, type Tx } from "./database.js";
import { redeem } from "./invitations.js";
import { slowHashCost } from "./machine.js";
import { setStatuses } from "./status.js";
import { decodeSigned, openSigned } from "../protocol/wire/signed.js";
import { decodeDeviceConsent, type HandsetEnrolled, type HandsetEnrolment } from "../protocol/wire/handset-letters.js";

const atOnce = 2;
const waitingMost = 32;
const wrongBeforeWait = 5;
const wrongInRowMost = 100;
/** Recovery codes and invitations: five a day, twenty in all. */
export const codesADay = 5;
export const codesMost = 20;
/** How old a handset's word for another one may be. */
const consentSeconds = 600;

/** Hashing of passwords: how many run, and who waits. */
export interface Queue { running: number; waiting: (() => void)[] }
export const makeQueue = (): Queue => ({ running: 0, waiting: [] });

/** Why an enrolment may be refused: indices into `enrolmentRefusals` of the wire. */
export const refusedBecause = { wrong: 1, taken: 2, weak: 3, busy: 4, consent: 5 } as const;

export async function hashPassword(c: Context, password: string, salt: Uint8Array): Promise<Uint8Array | undefined> {
  const q = c.hashing;
  if (q.running >= atOnce) {
    if (q.waiting.length >= waitingMost) return undefined;
    await new Promise<void>((go) => q.waiting.push(go));
  }
  q.running++;
  try {
    return c.crypto.hmac(c.keys.pepper(), await c.slowHash(password, salt));
  } finally {
    q.running--;
    q.waiting.shift()?.();
  }
}

const passwordLength = { least: 10, most: 128 };
/** From leaks of many services, commonest first, some 49,000: more than the ten thousand of `trust.md` §4. */
const common = new Set([...dictionary["passwords-common"].map((word) => word.toLowerCase()), "0123456789"]);

/** 10 to 128 characters, no rules of composition, not one of the commonest. */
export function isUsable(password: string): boolean {
  if (password.length < passwordLength.least || password.length > passwordLength.most) return false;
  return !isCommon(password);
}
/** On the list, or made by saying again one of the list or up to three characters. */
function isCommon(password: string): boolean {
  const small = password.toLowerCase();
  const again = /^(.+?)\1+$/s.exec(small)?.[1] ?? small;
  return common.has(small) || common.has(again) || again.length <= 3;
}

/** A user id as it is kept: no capitals, no blanks, at most 80 characters. Undefined for anything else. */
export function userIdOf(text: string): string | undefined {
  const id = text.normalize("NFC").trim().toLowerCase();
  return id.length >= 1 && id.length <= 80 && !/[\s\p{C}]/u.test(id) ? id : undefined;
}
export function userIdOrWrong(text: string): string {
  const id = userIdOf(text);
  if (id === undefined) throw new Wrong("user_wrong", `"${text.slice(0, 80)}" is no user id: 1 to 80 characters without blanks.`);
  return id;
}

/** Adds a member whom an operator knows. Throws `Wrong` when the id is taken or the password not usable. */
export async function addMember(c: Context, member: { user: string; password: string; phone: string }): Promise<string> {
  if (!isUsable(member.password)) throw new Wrong("password_weak", "The password must have 10 to 128 characters and not be one of the commonest.");
  const user = userIdOrWrong(member.user);
  const stored = await storedPassword(c, member.password);
  if (stored === undefined) throw new Wrong("busy", "Too many passwords at once: try again in a moment.", 503);
  return await transact(c.db, async (tx) => {
    if ((await readMember(tx, user)) !== undefined) throw new Wrong("user_taken", `The user id ${user} is taken: choose another.`, 409);
    return await insertMember(c, tx, user, stored, member.phone, true);
  });
}

const readMember = (tx: Tx, user: string) => tx.selectFrom("member").selectAll().where("user_id", "=", user).executeTakeFirst();

async function storedPassword(c: Context, password: string): Promise<string | undefined> {
  const salt = c.random(16);
  const hash = await hashPassword(c, password, salt);
  return hash === undefined ? undefined : JSON.stringify({ ...slowHashCost, salt: toHex(salt), hash: toHex(hash) });
}

/** Answers the recovery code; only its digest is kept. */
async function insertMember(c: Context, tx: Tx, user: string, password: string, phone: string, verified: boolean): Promise<string> {
  const recovery = secretCode(c);
  await tx.insertInto("member").values({
    user_id: user, password, phone: phone === "" ? "" : c.keys.wrap(phone), recovery: codeDigest(recovery), verified: Number(verified), created_at: c.now(),
  }).execute();
  return recovery;
}

/** 20 characters of Crockford's base 32: 100 bits. */
export function secretCode(c: Context): string {
  const alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
  return [...c.random(20)].map((b) => alphabet[b & 31]!).join("").replace(/(.{4})(?=.)/g, "$1-");
}
/** As people type it: small letters, blanks, I, L and O allowed. */
export const codeDigest = (typed: string): string => sha256Hex(typed.toUpperCase().replace(/[^0-9A-Z]/g, "").replace(/[IL]/g, "1").replace(/O/g, "0"));

/**
 * True when the password is right. An unknown user, a wrong password and an account that waits or is closed give one answer
 * in one time. "busy" when too many are being hashed. The try is durable before the comparison.
 */
export async function checkPassword(c: Context, user: string, password: string): Promise<boolean | "busy"> {
  const now = c.now();
  const member = await transact(c.db, async (tx) => {
    const row = await readMember(tx, user);
    if (row === undefined || row.blocked_until > now || row.wrong_in_row >= wrongInRowMost) return undefined;
    const inRow = row.wrong_in_row + 1;
    const waits = inRow < wrongBeforeWait ? 0 : Math.min(3600, 60 * 2 ** Math.min(10, inRow - wrongBeforeWait));
    await tx.updateTable("member").set({ wrong: row.wrong + 1, wrong_in_row: inRow, blocked_until: waits === 0 ? 0 : now + waits }).where("user_id", "=", user).execute();
    return row;
  });
  const kept = member === undefined ? { salt: "00".repeat(16), hash: "00".repeat(32) } : (JSON.parse(member.password) as { salt: string; hash: string });
  const hash = await hashPassword(c, password, fromHex(kept.salt));
  if (hash === undefined) return "busy";
  const right = timingSafeEqual(hash, fromHex(kept.hash)) && member !== undefined;
  if (right) await c.db.updateTable("member").set((e) => ({ wrong: e("wrong", "-", 1), wrong_in_row: 0, blocked_until: 0 })).where("user_id", "=", user).execute();
  return right;
}

/** Opens an account that a hundred wrong passwords closed. */
export async function reopenMember(c: Context, user: string): Promise<void> {
  const found = await c.db.updateTable("member").set({ wrong_in_row: 0, blocked_until: 0, recovery_wrong: 0, recovery_today: 0 }).where("user_id", "=", user).executeTakeFirst();
  if (found.numUpdatedRows === 0n) throw new Wrong("member_unknown", `There is no member ${user}.`, 404);
}

// ---- handsets ---------------------------------------------------------------------------------------------------------------

type Enrolled = (tx: Tx) => Promise<HandsetEnrolled>;
const no = (code: number): Enrolled => () => Promise.resolve({ code, recovery: "" });

/**
 * A handset's first letter, signed by the key with this id. A new account needs a password; one that exists needs it too,
 * and either a handset of it that signed for this one, or its recovery code, which ends the handsets it had.
 */
export async function enrolHandset(c: Context, x: HandsetEnrolment, kid: Uint8Array): Promise<Enrolled> {
  const user = userIdOf(x.user);
  if (user === undefined || (x.keyClass !== 1 && x.keyClass !== 2)) return no(refusedBecause.wrong);
  const known = await c.db.selectFrom("handset").select("user_id").where("kid", "=", toHex(kid)).executeTakeFirst();
  if (known !== undefined) return no(known.user_id === user ? 0 : refusedBecause.taken);
  if ((await readMember(c.db, user)) === undefined) return await openAccount(c, x, user, kid);
  const agreed = await isAgreed(c, x, user, kid);
  if (!agreed && x.code === "") return no(refusedBecause.consent);
  const right = await checkPassword(c, user, x.password);
  if (right !== true) return no(right === "busy" ? refusedBecause.busy : refusedBecause.wrong);
  return (tx) => (agreed ? addHandset(c, tx, x, user, kid, "") : recover(c, tx, x, user, kid));
}

async function openAccount(c: Context, x: HandsetEnrolment, user: string, kid: Uint8Array): Promise<Enrolled> {
  if (!isUsable(x.password)) return no(refusedBecause.weak);
  const stored = await storedPassword(c, x.password);
  if (stored === undefined) return no(refusedBecause.busy);
  return async (tx) => {
    if ((await readMember(tx, user)) !== undefined) return { code: refusedBecause.taken, recovery: "" };
    const recovery = await insertMember(c, tx, user, stored, x.phone, false);
    if (x.code !== "") await redeem(c, tx, user, x.code);
    return await addHandset(c, tx, x, user, kid, recovery);
  };
}

async function addHandset(c: Context, tx: Tx, x: HandsetEnrolment, user: string, kid: Uint8Array, recovery: string): Promise<HandsetEnrolled> {
  await tx.insertInto("handset").values({
    kid: toHex(kid), user_id: user, signing_key: toHex(x.signingKey), agreement_key: toHex(x.agreementKey), key_class: x.keyClass, created_at: c.now(),
  }).onConflict((o) => o.doNothing()).execute();
  return { code: 0, recovery };
}

/** A handset of this account signed, a moment ago, that it wants this one beside it. */
async function isAgreed(c: Context, x: HandsetEnrolment, user: string, kid: Uint8Array): Promise<boolean> {
  const signer = x.consent.length === 0 ? undefined : decodeSigned(x.consent)?.kid;
  if (signer === undefined) return false;
  const first = await c.db.selectFrom("handset").select("signing_key").where("kid", "=", toHex(signer)).where("user_id", "=", user).where("revoked", "=", 0).executeTakeFirst();
  const claims = first === undefined ? undefined : openSigned(c.crypto, x.consent, "device", [{ kid: signer, publicKey: fromHex(first.signing_key) }]);
  const said = claims === undefined ? undefined : decodeDeviceConsent(claims);
  return said !== undefined && said.user === user && toHex(said.kid) === toHex(kid) && Math.abs(said.at - c.now()) <= consentSeconds;
}

/** The phone was lost: its keys end, its values are suspended, the code is replaced. */
async function recover(c: Context, tx: Tx, x: HandsetEnrolment, user: string, kid: Uint8Array): Promise<HandsetEnrolled> {
  const member = (await readMember(tx, user))!;
  const today = Math.floor(c.now() / daySeconds);
  const tried = member.recovery_day === today ? member.recovery_today : 0;
  if (tried >= codesADay || member.recovery_wrong >= codesMost) return { code: refusedBecause.wrong, recovery: "" };
  const isRight = timingSafeEqual(fromHex(codeDigest(x.code)), fromHex(member.recovery));
  const count = { recovery_wrong: member.recovery_wrong + 1, recovery_today: tried + 1, recovery_day: today };
  const recovery = secretCode(c);
  await tx.updateTable("member").set(isRight ? { recovery: codeDigest(recovery), recovery_wrong: 0 } : count).where("user_id", "=", user).execute();
  if (!isRight) return { code: refusedBecause.wrong, recovery: "" };
  for (const old of await tx.selectFrom("handset").select("kid").where("user_id", "=", user).where("revoked", "=", 0).execute()) await revokeHandset(c, tx, old.kid);
  return await addHandset(c, tx, x, user, kid, recovery);
}

/** The device is believed no longer, and what lives on it is suspended: at online gates at once, at others with the next list. */
export async function revokeHandset(c: Context, tx: Tx, kid: string): Promise<void> {
  const found = await tx.updateTable("handset").set({ revoked: 1 }).where("kid", "=", kid).executeTakeFirst();
  if (found.numUpdatedRows === 0n) throw new Wrong("handset_unknown", `There is no handset ${kid}.`, 404);
  const values = await tx.selectFrom("issued").select("value_id").where("handset", "=", kid).where("status", "=", 0).execute();
  await setStatuses(c, tx, values.map((v) => v.value_id), "suspended");
  await noteIncident(tx, "handset revoked", kid, `${values.length} values suspended`, c.now());
}
