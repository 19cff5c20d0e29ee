/**
 * Anybody may register under any user id, also under an e-mail address that is not his. So a value made out for a person
 * whom nobody has seen yet is held, and an invitation code goes with it to that person's address; whoever shows the code
 * collects (P1, P8). It is kept wrapped, so that the operator can send it again.
 */
import { timingSafeEqual } from "node:crypto";
import { daySeconds, fromHex, noteIncident, type Context } from "./context.js";
import type { Tx } from "./database.js";
import { codeDigest, codesADay, codesMost, secretCode } from "./people.js";

/** The code for this user's held values; made when it is asked for first. */
export async function invite(c: Context, tx: Tx, user: string): Promise<string> {
  const known = await tx.selectFrom("invitation").select("code").where("user_id", "=", user).executeTakeFirst();
  if (known !== undefined) return c.keys.unwrap(known.code);
  const code = secretCode(c);
  await tx.insertInto("invitation").values({ user_id: user, code: c.keys.wrap(code), created_at: c.now() }).execute();
  return code;
}

/** Frees what is held for this member if the code is right. A wrong try is durable before anybody learns that it was wrong. */
export async function redeem(c: Context, tx: Tx, user: string, typed: string): Promise<boolean> {
  const x = await tx.selectFrom("invitation").selectAll().where("user_id", "=", user).executeTakeFirst();
  if (x === undefined) return false;
  const today = Math.floor(c.now() / daySeconds);
  const tried = x.day === today ? x.wrong_today : 0;
  if (tried >= codesADay || x.wrong >= codesMost) return false;
  if (!timingSafeEqual(fromHex(codeDigest(typed)), fromHex(codeDigest(c.keys.unwrap(x.code))))) {
    await tx.updateTable("invitation").set({ wrong: x.wrong + 1, wrong_today: tried + 1, day: today }).where("user_id", "=", user).execute();
    if (x.wrong + 1 === codesMost) await noteIncident(tx, "invitation closed after too many wrong codes", user, "", c.now());
    return false;
  }
  await tx.deleteFrom("invitation").where("user_id", "=", user).execute();
  await tx.updateTable("member").set({ verified: 1 }).where("user_id", "=", user).execute();
  await tx.updateTable("issued").set({ held: 0 }).where("user_id", "=", user).execute();
  return true;
}
