/**
 * Who orders (P1–P5, P12): a user id with its password or from a terminal that he paired with himself, a signed one, or a sealed
 * one. None of it pays; it decides whose handset gets the bill. Whatever is wrong, the answer is the same, and it is counted.
 */
import { countTry, forgive } from "../attempts.js";
import { fromHex, toHex, type Context } from "../context.js";
import { transact, type Tx } from "../database.js";
import { openLetter } from "../letter.js";
import { checkPassword, userIdOf } from "../people.js";
import { orderRefusal, decodeIdentity, userIdToSign, type Identification, type Identity } from "../../protocol/wire/order.js";
import { equal } from "../../protocol/wire/bytes.js";
import { verifyMessage } from "../../protocol/wire/envelope.js";
import { decodeUserId } from "../../protocol/wire/message-b.js";
import { decodeSigned, objectToSign } from "../../protocol/wire/signed.js";
import { messageType } from "../../protocol/wire/sync.js";
import { limits } from "../../protocol/limits.js";

/** Who was named, with his verification number; or the code of the refusal. */
export type Who = { user: string; number: number } | { refused: number };
/** In the order's own transaction: proofs are marked as taken with it, or not at all. */
export type Identify = (tx: Tx) => Promise<Who>;

const no: Who = { refused: orderRefusal.not_identified };
/** How old a proof may be, as any request (`trust.md` §5). */
const proofSeconds = 600;
const aheadSeconds = 120;
/** `trust.md` §4: twenty wrong ones an hour, then this terminal takes signed ids only. */
const terminalLimit = { most: 20, windowSeconds: 3600, pauseSeconds: 3600 };

/** What is slow or must be counted before it is judged is done here, before the order's transaction. `terminal`: who sent the order. */
export async function prepareIdentification(c: Context, who: Identification, terminal: string): Promise<Identify> {
  switch (who.by) {
    case "typed": {
      const found = await typed(c, who.user, who.password, terminal);
      return () => Promise.resolve(found);
    }
    case "shown": return (tx) => shown(c, tx, who.proof);
    case "signed": return (tx) => signed(c, tx, who.proof, terminal);
    case "sealed": return (tx) => sealed(c, tx, who.proof, terminal);
    case "own": return () => Promise.resolve(no);
  }
}

/** Counted for the terminal and for the user before anything is compared. */
async function typed(c: Context, said: string, password: string, terminal: string): Promise<Who> {
  const name = "typed at " + terminal;
  if (!(await transact(c.db, (tx) => countTry(tx, name, terminalLimit, c.now())))) return no;
  const user = userIdOf(said) ?? "";
  const right = password === "" ? await isPaired(c.db, user, terminal) : await checkPassword(c, user, password);
  if (right === "busy") return { refused: orderRefusal.busy };
  if (!right || !(await takesTyped(c.db, user))) return no;
  await transact(c.db, (tx) => forgive(tx, name));
  return { user, number: 0 };
}

async function isPaired(tx: Tx, user: string, terminal: string): Promise<boolean> {
  return (await tx.selectFrom("pairing").select("user_id").where("user_id", "=", user).where("terminal_id", "=", terminal).executeTakeFirst()) !== undefined;
}
async function takesTyped(tx: Tx, user: string): Promise<boolean> {
  return (await tx.selectFrom("order_setting").select("typed").where("user_id", "=", user).executeTakeFirst())?.typed !== 0;
}

/** P4: signed for a time step, over a link that only speaks. The same step twice is a replay. */
async function shown(c: Context, tx: Tx, proof: Uint8Array): Promise<Who> {
  const x = decodeUserId(proof);
  if (x === undefined) return no;
  const age = c.now() - x.step * limits.beaconStepSeconds;
  if (age > proofSeconds || age < -aheadSeconds) return no;
  const user = userIdOf(x.userId) ?? "";
  for (const h of await handsetsOf(tx, user)) {
    if (!c.crypto.verify(fromHex(h.signing_key), userIdToSign(x.userId, x.step, x.zone), x.proof)) continue;
    return (await takeProof(c, tx, `shown ${h.kid} ${x.step} ${x.zone}`)) ? { user, number: 0 } : no;
  }
  return no;
}

/** P5: the answer to this terminal's challenge. */
async function signed(c: Context, tx: Tx, proof: Uint8Array, terminal: string): Promise<Who> {
  const object = decodeSigned(proof);
  const h = object?.type === "identity" ? await handset(tx, object.kid) : undefined;
  if (object === undefined || h === undefined || !c.crypto.verify(fromHex(h.signing_key), objectToSign("identity", object.kid, object.claims), object.signature)) return no;
  return await believed(c, tx, decodeIdentity(object.claims), h, terminal);
}

/** P12: the same in an envelope; its number is taken like any letter's, so a copy of it orders nothing. */
async function sealed(c: Context, tx: Tx, envelope: Uint8Array, terminal: string): Promise<Who> {
  const letter = openLetter(c, envelope);
  const h = letter === undefined ? undefined : await handset(tx, letter.kid);
  const m = letter === undefined || h === undefined ? undefined : verifyMessage(c.crypto, letter.signed, [{ kid: letter.kid, publicKey: fromHex(h.signing_key) }], letter.recipient);
  if (m === undefined || h === undefined || m.type !== messageType.identity) return no;
  if (!(await takeProof(c, tx, `letter ${h.kid} ${m.sequence}`))) return no;
  return await believed(c, tx, decodeIdentity(m.body), h, terminal);
}

interface Speaker { kid: string; user_id: string; signing_key: string }

/** Meant for this terminal, of now, and not used before. */
async function believed(c: Context, tx: Tx, x: Identity | undefined, h: Speaker, terminal: string): Promise<Who> {
  if (x === undefined || userIdOf(x.user) !== h.user_id || !equal(x.terminal, fromHex(terminal))) return no;
  if (x.at < c.now() - proofSeconds || x.at > c.now() + aheadSeconds) return no;
  return (await takeProof(c, tx, `challenge ${h.kid} ${toHex(x.challenge)}`)) ? { user: h.user_id, number: x.number } : no;
}

async function handset(tx: Tx, kid: Uint8Array): Promise<Speaker | undefined> {
  return await tx.selectFrom("handset").select(["kid", "user_id", "signing_key"]).where("kid", "=", toHex(kid)).where("revoked", "=", 0).executeTakeFirst();
}
async function handsetsOf(tx: Tx, user: string): Promise<Speaker[]> {
  return await tx.selectFrom("handset").select(["kid", "user_id", "signing_key"]).where("user_id", "=", user).where("revoked", "=", 0).orderBy("created_at", "desc").limit(16).execute();
}

/** True the first time. It is remembered longer than a proof is good. */
async function takeProof(c: Context, tx: Tx, proof: string): Promise<boolean> {
  await tx.deleteFrom("shown_id").where("until", "<", c.now()).execute();
  const done = await tx.insertInto("shown_id").values({ proof, until: c.now() + 2 * proofSeconds + aheadSeconds }).onConflict((o) => o.doNothing()).executeTakeFirst();
  return done.numInsertedOrUpdatedRows === 1n;
}
