/**
 * Members and their handsets: accounts, passwords, enrolment (`trust.md` §4). A password can do one thing, place orders and
 * enrol a handset; it never pays. Wrong tries are counted durably before the comparison, so that no restart buys one.
 */
import { timingSafeEqual } from "node:crypto";
import { toHex, fromHex, sha256Hex, Wrong, noteIncident, type Context } from "./context.js";
import { transact, type Tx } from "./database.js";
import { slowHashCost } from "./machine.js";
import { keyId } from "../protocol/wire/signed.js";
import type { HandsetEnrolled, HandsetEnrolment } from "../protocol/wire/sync.js";

const atOnce = 2;
const waitingMost = 32;
const wrongBeforeWait = 5;
const wrongInRowMost = 100;
const common = new Set("1234567890 password123 qwertyuiop 0123456789 1111111111 passwordpassword letmeinletmein iloveyou123 qwerty12345 1q2w3e4r5t".split(" "));

/** Hashing of passwords: how many run, and who waits. */
export interface Queue { running: number; waiting: (() => void)[] }
export const makeQueue = (): Queue => ({ running: 0, waiting: [] });

/** Why an enrolment may be refused: indices into `enrolmentRefusals` of the wire. */
export const refusedBecause = { wrong: 1, taken: 2, weak: 3, tries: 4, busy: 5 } as const;

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

/** 10 to 128 characters, no rules of composition, not one of the commonest. */
export const isUsable = (password: string): boolean => password.length >= 10 && password.length <= 128 && !common.has(password.toLowerCase());

/** Adds a member. Throws `Wrong` when the id is taken or the password not usable. */
export async function addMember(c: Context, member: { user: string; password: string; phone: string }): Promise<string> {
  if (!isUsable(member.password)) throw new Wrong("password_weak", "The password must have 10 to 128 characters and not be one of the commonest.");
  const stored = await storedPassword(c, member.password);
  if (stored === undefined) throw new Wrong("busy", "Too many passwords at once: try again in a moment.", 503);
  return await transact(c.db, (tx) => insertMember(c, tx, member.user, stored, member.phone));
}

async function storedPassword(c: Context, password: string): Promise<string | undefined> {
  const salt = c.random(16);
  const hash = await hashPassword(c, password, salt);
  return hash === undefined ? undefined : JSON.stringify({ ...slowHashCost, salt: toHex(salt), hash: toHex(hash) });
}

async function insertMember(c: Context, tx: Tx, user: string, password: string, phone: string): Promise<string> {
  const taken = await tx.selectFrom("member").select("user_id").where("user_id", "=", user).executeTakeFirst();
  if (taken !== undefined) throw new Wrong("user_taken", `The user id ${user} is taken: choose another.`, 409);
  const recovery = recoveryCode(c);
  await tx.insertInto("member").values({ user_id: user, password, phone: phone === "" ? "" : c.keys.wrap(phone), recovery: sha256Hex(recovery), created_at: c.now() }).execute();
  return recovery;
}

/** 20 characters, 100 bits; only its digest is kept. */
function recoveryCode(c: Context): string {
  const alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
  return [...c.random(20)].map((b) => alphabet[b & 31]!).join("").replace(/(.{4})(?=.)/g, "$1-");
}

/** True, false, or "tries" while the account waits and "busy" when too many are being hashed. Counts the try first. */
export async function checkPassword(c: Context, user: string, password: string): Promise<boolean | "tries" | "busy"> {
  const now = c.now();
  const member = await transact(c.db, async (tx) => {
    const row = await tx.selectFrom("member").selectAll().where("user_id", "=", user).executeTakeFirst();
    if (row === undefined || row.blocked_until > now || row.wrong_in_row >= wrongInRowMost) return row === undefined ? undefined : ("tries" as const);
    const inRow = row.wrong_in_row + 1;
    const waits = inRow < wrongBeforeWait ? 0 : Math.min(3600, 60 * 2 ** Math.min(10, inRow - wrongBeforeWait));
    await tx.updateTable("member").set({ wrong: row.wrong + 1, wrong_in_row: inRow, blocked_until: waits === 0 ? 0 : now + waits }).where("user_id", "=", user).execute();
    return row;
  });
  if (member === "tries") return "tries";
  const kept = member === undefined ? { salt: "00".repeat(16), hash: "00".repeat(32) } : (JSON.parse(member.password) as { salt: string; hash: string });
  const hash = await hashPassword(c, password, fromHex(kept.salt));
  if (hash === undefined) return "busy";
  const right = timingSafeEqual(hash, fromHex(kept.hash)) && member !== undefined;
  if (right) await c.db.updateTable("member").set({ wrong_in_row: 0, blocked_until: 0 }).where("user_id", "=", user).execute();
  return right;
}

/** A handset's first letter: opens the account, or makes it. `kid` signed the letter; the key it names must be that one. */
export async function enrolHandset(c: Context, x: HandsetEnrolment, kid: Uint8Array): Promise<HandsetEnrolled> {
  if (toHex(keyId(c.crypto, x.signingKey)) !== toHex(kid) || c.crypto.coordinates(x.agreementKey) === undefined) return { code: refusedBecause.wrong, recovery: "" };
  const known = await c.db.selectFrom("handset").select("user_id").where("kid", "=", toHex(kid)).executeTakeFirst();
  const member = await c.db.selectFrom("member").select("user_id").where("user_id", "=", x.user).executeTakeFirst();
  if (known !== undefined) return { code: known.user_id === x.user ? 0 : refusedBecause.taken, recovery: "" };
  let recovery = "";
  if (member === undefined) {
    if (!isUsable(x.password)) return { code: refusedBecause.weak, recovery: "" };
    const stored = await storedPassword(c, x.password);
    if (stored === undefined) return { code: refusedBecause.busy, recovery: "" };
    recovery = await transact(c.db, (tx) => insertMember(c, tx, x.user, stored, x.phone));
  } else {
    const right = await checkPassword(c, x.user, x.password);
    if (right !== true) return { code: right === false ? refusedBecause.wrong : right === "busy" ? refusedBecause.busy : refusedBecause.tries, recovery: "" };
  }
  await c.db.insertInto("handset").values({
    kid: toHex(kid), user_id: x.user, signing_key: toHex(x.signingKey), agreement_key: toHex(x.agreementKey), key_class: x.keyClass, created_at: c.now(),
  }).onConflict((o) => o.doNothing()).execute();
  return { code: 0, recovery };
}

/** The device is believed no longer; its values are suspended by whoever calls. */
export async function revokeHandset(c: Context, kid: string): Promise<void> {
  const found = await c.db.updateTable("handset").set({ revoked: 1 }).where("kid", "=", kid).executeTakeFirst();
  if (found.numUpdatedRows === 0n) throw new Wrong("handset_unknown", `There is no handset ${kid}.`, 404);
  await transact(c.db, (tx) => noteIncident(tx, "handset revoked", kid, "", c.now()));
}
