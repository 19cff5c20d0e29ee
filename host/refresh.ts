/**
 * The provider's own receipt: it moves a value's base, so that offline terminals may accept it again (`tap.md` §5). It is
 * given only when the books know every use of the chain; else the answer is *undetermined*, never a guess.
 */
import { daySeconds, toHex, type Context } from "./context.js";
import type { Tx } from "./database.js";
import type { IssuedRow } from "./products.js";
import { refusal } from "../protocol/refusal.js";
import { action, decodeReceipt, encodeReceipt, receiptKind, receiptToSign, type Receipt } from "../protocol/wire/receipt.js";
import { type Refresh, type Refreshed } from "../protocol/wire/handset-letters.js";
import { decodeSignedClaims } from "../protocol/wire/sync.js";
import { digest16 } from "../protocol/wire/value.js";

const none = new Uint8Array(0);
const no = (code: number): Refreshed => ({ code, receipt: none, signature: none, reversal: none, reversalProof: none });

export async function refreshValue(c: Context, tx: Tx, userId: string, x: Refresh): Promise<Refreshed> {
  const v = await tx.selectFrom("issued").selectAll().where("value_id", "=", toHex(x.valueId)).where("user_id", "=", userId).executeTakeFirst();
  if (v === undefined || v.value === null) return no(refusal.not_genuine);
  if (v.status === 1) return no(refusal.revoked);
  if (v.status === 2) return no(refusal.suspended);
  const newest = x.receipt.length === 0 ? undefined : decodeReceipt(x.receipt);
  if (x.receipt.length > 0 && newest === undefined) return no(refusal.bad_message);
  const previous = newest === undefined ? digest16(c.crypto, decodeSignedClaims(new Uint8Array(v.value))!.claims) : digest16(c.crypto, x.receipt);
  if ((await tx.selectFrom("payment").select("payment_id").where("value_id", "=", v.value_id).where("state", "=", "held").executeTakeFirst()) !== undefined) return no(refusal.busy);
  const again = await tx.selectFrom("host_receipt").selectAll().where("value_id", "=", v.value_id).where("counter", "=", (newest?.counter ?? 0) + 1).executeTakeFirst();
  if (again !== undefined) return answered(again.receipt, again.signature, previous);
  // Handed on in use: its new holder's chain goes on from the receipt that was made for it then.
  const handed = newest === undefined && v.owner_sequence > 0 ? await tx.selectFrom("host_receipt").selectAll().where("value_id", "=", v.value_id).orderBy("counter", "desc").limit(1).executeTakeFirst() : undefined;
  if (handed !== undefined) return { code: 0, receipt: new Uint8Array(handed.receipt), signature: new Uint8Array(handed.signature), reversal: none, reversalProof: none };
  const books = await knownTo(c, tx, v, newest, x.receipt);
  if (books === undefined) return no(refusal.status_undetermined);
  return await moveBase(c, tx, v, newest, x.receipt, books);
}

/** The receipt that follows `newest`, with what came back meanwhile taken off its total. */
export async function moveBase(c: Context, tx: Tx, v: IssuedRow, newest: Receipt | undefined, bytes: Uint8Array, books: Books): Promise<Refreshed> {
  const previous = newest === undefined ? digest16(c.crypto, decodeSignedClaims(new Uint8Array(v.value!))!.claims) : digest16(c.crypto, bytes);
  const back = await backFor(tx, v.value_id, newest);
  return await sign(c, tx, v, newest, previous, { ...books, after: Math.max(0, books.after - back) });
}

/**
 * What came back to this value since its last receipt from here: refunds, and payments that came to nothing after the handset had
 * stored their receipt. Whether it had, the chain tells: then nothing else has that receipt's counter.
 */
async function backFor(tx: Tx, valueId: string, newest: Receipt | undefined): Promise<number> {
  const counter = newest?.counter ?? 0;
  let back = 0;
  for (const x of await tx.selectFrom("value_back").selectAll().where("value_id", "=", valueId).where("counter", "is", null).execute()) {
    if (x.use_id === null || (await isInChain(tx, x.use_id, counter))) back += x.amount;
    await tx.updateTable("value_back").set({ counter: counter + 1 }).where("refund_id", "=", x.refund_id).execute();
  }
  return back;
}
async function isInChain(tx: Tx, useId: string, newest: number): Promise<boolean> {
  const use = await tx.selectFrom("value_use").selectAll().where("use_id", "=", useId).executeTakeFirstOrThrow();
  const other = await tx.selectFrom("value_use").select("use_id").where("value_id", "=", use.value_id).where("counter", "=", use.counter).where("use_id", "!=", useId).executeTakeFirst();
  const host = await tx.selectFrom("host_receipt").select("digest").where("value_id", "=", use.value_id).where("counter", "=", use.counter).executeTakeFirst();
  return use.counter <= newest && other === undefined && host === undefined;
}

/** The same question again is answered by the same receipt; one that follows another state is an old copy. */
function answered(receipt: Uint8Array, signature: Uint8Array, previous: Uint8Array): Refreshed {
  const bytes = new Uint8Array(receipt);
  if (toHex(decodeReceipt(bytes)!.previous) !== toHex(previous)) return no(refusal.state_outdated);
  return { code: 0, receipt: bytes, signature: new Uint8Array(signature), reversal: none, reversalProof: none };
}

/** Stands for the terminal in the record of a payment that the host itself receipts (`money.md` §3 line 2). */
export const payTerminal = "host";

/** What the books confirm: the running total, an undone newest use given back. An exit takes nothing, so that it was undone is said by itself. */
export interface Books { after: number; undone: boolean }

/** Undefined while the books lack a use of the chain. */
export async function knownTo(c: Context, tx: Tx, v: IssuedRow, newest: Receipt | undefined, bytes: Uint8Array): Promise<Books | undefined> {
  const useId = newest === undefined ? undefined : toHex(digest16(c.crypto, bytes));
  const uses = await tx.selectFrom("value_use").selectAll().where("value_id", "=", v.value_id).where("one_way", "=", 0).execute();
  const hosts = await tx.selectFrom("host_receipt").select(["digest", "counter"]).where("value_id", "=", v.value_id).execute();
  // A payment that came to nothing and that its handset never stored left no trace there.
  if (newest === undefined) return uses.every((u) => u.terminal === payTerminal && u.state === "lapsed") && hosts.length === 0 ? { after: 0, undone: false } : undefined;
  const highest = Math.max(0, ...uses.filter((u) => u.state === "finished").map((u) => u.counter), ...hosts.map((h) => h.counter));
  if (newest.counter < highest) return undefined;
  if (hosts.some((h) => h.digest === useId)) return { after: newest.after, undone: false };
  const own = uses.find((u) => u.use_id === useId);
  if (own?.state !== "finished" && own?.state !== "reversed" && own?.state !== "lapsed") return undefined;
  const heard = new Set([...uses.map((u) => u.counter), ...hosts.map((h) => h.counter)]);
  for (let counter = 1; counter <= newest.counter; counter++) if (!heard.has(counter)) return undefined;
  const undone = own.state !== "finished" && own.terminal !== payTerminal;
  return { after: undone ? newest.after - newest.amount : newest.after, undone };
}

/**
 * Moves the base and nothing else: action and time are of the step before, so that pass-back and intervals go on from there.
 * Whose exit was undone is inside, as a terminal judges it that holds the reversal.
 */
async function sign(c: Context, tx: Tx, v: IssuedRow, newest: Receipt | undefined, previous: Uint8Array, { after, undone }: Books): Promise<Refreshed> {
  const counter = (newest?.counter ?? 0) + 1;
  const stood = undone ? undefined : newest;
  const inside = undone && newest?.action === action.exit;
  const receipt = encodeReceipt({
    kind: receiptKind.host, terminal: new Uint8Array(8), tap: new Uint8Array(4), valueId: new Uint8Array(Buffer.from(v.value_id, "hex")), counter, previous, amount: 0, after,
    action: inside ? action.enter : stood?.action ?? action.pay, at: stood?.at ?? 0, quality: 3, until: 0, base: { counter, spent: after, day: Math.floor(c.now() / daySeconds) }, fold: undefined,
  });
  const signature = c.keys.sign("values", receiptToSign(receipt));
  await tx.insertInto("host_receipt").values({ digest: toHex(digest16(c.crypto, receipt)), value_id: v.value_id, counter, receipt, signature }).execute();
  return { code: 0, receipt, signature, reversal: none, reversalProof: none };
}
