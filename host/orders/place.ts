/**
 * An order arrives: identified, checked, its pieces taken from the stock, and billed (`design.md` §6; `money.md` line 1: a bill is a
 * demand, nobody owes yet). The same order again answers the same; another one under its id is refused.
 */
import { currencyNumber, sha256Hex, toHex, type Context } from "../context.js";
import type { Tx } from "../database.js";
import { userIdOf } from "../people.js";
import { productOrWrong, runsApart } from "../products.js";
import { giveBack, piecesOf, takePiece, type Piece } from "./articles.js";
import { prepareIdentification, type Identify, type Who } from "./identify.js";
import { step } from "./machine.js";
import type { ArticleRow, OrderRow } from "../schema-orders.js";
import { articleSort, type Ordered } from "../../protocol/wire/order-letters.js";
import { demand, encodeBill, encodeOrder, identified, orderRefusal, orderState, type Item, type Order, type Parcel } from "../../protocol/wire/order.js";

/** A bill that nobody answers ends after a day, and its seats are free again. */
export const billSeconds = 86_400;

/** Who brought the order: a terminal by its id, or a handset by its key id, for its member. */
export type Bringer = { terminal: string } | { handset: string; user: string };

const refused = (code: number): Ordered => ({ code, expires: 0 });

/** What is slow is done now; what it answers runs in the letter's transaction. */
export async function prepareOrder(c: Context, from: Bringer, order: Order): Promise<(tx: Tx) => Promise<Ordered>> {
  const known = await c.db.selectFrom("orders").select("order_id").where("order_id", "=", toHex(order.id)).executeTakeFirst();
  const identify: Identify = known !== undefined ? () => Promise.resolve({ refused: orderRefusal.order_differs }) : await identification(c, from, order);
  return (tx) => place(c, tx, from, order, identify);
}

/** Only a handset's own letter needs no further proof, and from a handset there is no other one. */
async function identification(c: Context, from: Bringer, order: Order): Promise<Identify> {
  if ("terminal" in from) return await prepareIdentification(c, order.who, from.terminal);
  const who: Who = order.who.by === "own" ? { user: from.user, number: 0 } : { refused: orderRefusal.not_identified };
  return () => Promise.resolve(who);
}

async function place(c: Context, tx: Tx, from: Bringer, order: Order, identify: Identify): Promise<Ordered> {
  const digest = sha256Hex(encodeOrder({ ...order, who: { by: "own" } }));
  const known = await tx.selectFrom("orders").selectAll().where("order_id", "=", toHex(order.id)).executeTakeFirst();
  if (known !== undefined) return isSame(known, digest, from) ? { code: 0, expires: known.expires } : refused(orderRefusal.order_differs);
  const who = await identify(tx);
  if ("refused" in who) return refused(who.refused);
  if ("handset" in from && order.demand !== demand.handset) return refused(orderRefusal.delivery_impossible);
  const found = await read(c, tx, order, who.user);
  if (typeof found === "number") return refused(found);
  if (!(await takeAll(tx, found))) return refused(orderRefusal.sold_out);
  return await bill(c, tx, from, order, { digest, who, found });
}

const isSame = (known: OrderRow, digest: string, from: Bringer): boolean => known.digest === digest && ("terminal" in from ? known.terminal_id === from.terminal : known.terminal_id === null && known.user_id === from.user);

/** One line of a parcel with what it stands for. */
interface Found { parcel: number; count: number; article: ArticleRow; pieces: Piece[] }

/** Every line by its article; or why this cannot be ordered. */
async function read(c: Context, tx: Tx, order: Order, payer: string): Promise<Found[] | number> {
  const found: Found[] = [];
  for (const [i, p] of order.parcels.entries()) {
    for (const line of p.lines) {
      const x = await piecesOf(c, tx, line.article);
      if (x === undefined) return orderRefusal.article_unknown;
      found.push({ parcel: i, count: line.count, ...x });
    }
    if (!(await canDeliver(tx, p, payer, found.filter((x) => x.parcel === i)))) return orderRefusal.delivery_impossible;
  }
  if (new Set(found.map((x) => x.article.currency)).size > 1) return orderRefusal.currencies_differ;
  return order.attachments.every((a) => a.to <= order.parcels.length) ? found : orderRefusal.delivery_impossible;
}

/** Custody and shops give a value to whoever is named; only values go to a place or to somebody unregistered. */
async function canDeliver(tx: Tx, p: Parcel, payer: string, found: Found[]): Promise<boolean> {
  const onlyValues = found.every((x) => x.pieces.every((piece) => piece.article.sort === articleSort.value));
  const named = p.to.kind === "payer" || (p.to.kind === "user" && userIdOf(p.to.user) !== undefined);
  const places = p.delivery.by === "shops" ? p.delivery.shops : [...(p.delivery.by === "terminal" ? [p.delivery.terminal] : []), ...(p.to.kind === "terminal" ? [p.to.terminal] : [])];
  for (const place of places) if ((await terminal(tx, toHex(place))) === undefined) return false;
  if (p.to.kind === "phone" && phoneOf(p.to.phone) === undefined) return false;
  if (p.to.kind === "terminal" && p.delivery.by !== "handset" && p.delivery.by !== "terminal") return false;
  if (p.delivery.by !== "handset" && p.to.kind !== "terminal" && !named) return false;
  const registered = p.to.kind === "payer" || (p.to.kind === "user" && (userIdOf(p.to.user) === payer || (await isMember(tx, userIdOf(p.to.user) ?? ""))));
  // What is pushed ahead is certified when it is paid: there is no waiting for an issuer then.
  if (p.delivery.by === "shops") for (const x of found) for (const piece of x.pieces) if (piece.article.product_id !== null && (await isApart(tx, piece.article.product_id))) return false;
  return onlyValues || (p.delivery.by === "handset" && registered);
}
const isApart = async (tx: Tx, product: string): Promise<boolean> => await runsApart(tx, (await productOrWrong(tx, product)).issuer_id);

const terminal = (tx: Tx, id: string): Promise<{ name: string } | undefined> => tx.selectFrom("terminal").select("name").where("terminal_id", "=", id).where("identity_key", "is not", null).where("suspended", "=", 0).executeTakeFirst();
const isMember = async (tx: Tx, user: string): Promise<boolean> => (await tx.selectFrom("member").select("user_id").where("user_id", "=", user).executeTakeFirst()) !== undefined;

/** A number as it is kept: digits behind a plus. */
export function phoneOf(text: string): string | undefined {
  const digits = text.replace(/[\s()./-]/g, "");
  return /^\+[0-9]{6,15}$/.test(digits) ? digits : undefined;
}

/** All pieces or none. */
async function takeAll(tx: Tx, found: Found[]): Promise<boolean> {
  const taken: string[] = [];
  for (const x of found) {
    for (let i = 0; i < x.count; i++) {
      for (const id of x.pieces.flatMap((_piece, k) => takesOf(x, k))) {
        if (!(await takePiece(tx, id))) { for (const back of taken) await giveBack(tx, back); return false; }
        taken.push(id);
      }
    }
  }
  return true;
}

/** What piece `k` takes of the stock: the first part of a bundle takes the bundle, too. */
function takesOf(x: Found, k: number): string[] {
  const own = x.pieces[k]!.article.article_id;
  return k === 0 && own !== x.article.article_id ? [x.article.article_id, own] : [own];
}

interface Billing { digest: string; who: { user: string; number: number }; found: Found[] }

async function bill(c: Context, tx: Tx, from: Bringer, order: Order, x: Billing): Promise<Ordered> {
  const id = toHex(order.id), now = c.now(), expires = now + billSeconds;
  const at = "terminal" in from ? from.terminal : null;
  const total = x.found.reduce((sum, f) => sum + f.article.price * f.count, 0);
  const currency = x.found[0]!.article.currency;
  const items = x.found.map((f): Item => ({ name: f.article.name, count: f.count, amount: f.article.price * f.count, date: f.article.date, to: nameOf(order.parcels[f.parcel]!) }));
  const place = at === null ? undefined : await terminal(tx, at);
  const paper = encodeBill({ order: order.id, number: x.who.number, how: identified[order.who.by], terminal: place?.name ?? "", at: now, expires, currency: currencyNumber(currency), total, items });
  await tx.insertInto("orders").values({
    order_id: id, digest: x.digest, state: orderState.placed, user_id: x.who.user, terminal_id: at, how: identified[order.who.by], demand: order.demand, currency, total, bill: paper, placed_at: now, expires,
  }).execute();
  await step(c, tx, id, orderState.placed, at === null ? "on a handset" : "at terminal " + at);
  await step(c, tx, id, orderState.identified, order.who.by);
  for (const [i, p] of order.parcels.entries()) await tx.insertInto("parcel").values(parcelRow(c, id, i, p, x.who.user)).execute();
  await insertLines(tx, id, x.found);
  for (const [i, a] of order.attachments.entries()) await tx.insertInto("attachment").values({ order_id: id, at: i, recipient: a.to, sealed: a.sealed }).execute();
  await step(c, tx, id, orderState.billed, `${total} ${currency}`);
  return { code: 0, expires };
}

const nameOf = (p: Parcel): string => (p.to.kind === "user" ? p.to.user : p.to.kind === "phone" ? p.to.phone : p.to.kind === "terminal" ? "terminal " + toHex(p.to.terminal) : "");

function parcelRow(c: Context, order: string, i: number, p: Parcel, payer: string) {
  const user = p.to.kind === "payer" ? payer : p.to.kind === "user" ? userIdOf(p.to.user)! : null;
  const phone = p.to.kind === "phone" ? phoneOf(p.to.phone)! : null;
  const toTerminal = p.to.kind === "terminal" ? p.to.terminal : p.delivery.by === "terminal" ? p.delivery.terminal : undefined;
  return {
    order_id: order, parcel: i, state: orderState.billed, user_id: user, terminal_id: p.to.kind === "terminal" ? toHex(p.to.terminal) : null, phone: phone === null ? null : c.keys.wrap(phone),
    phone_digest: phone === null ? null : phoneDigest(c, phone), is_gift: Number(user !== payer), delivery: toTerminal === undefined ? p.delivery.by : "terminal",
    target: p.delivery.by === "shops" ? JSON.stringify([...new Set(p.delivery.shops.map(toHex))]) : toTerminal === undefined ? null : toHex(toTerminal), due_at: p.at,
  };
}
/** Numbers are kept as a keyed digest: a copy of the database names nobody. */
export const phoneDigest = (c: Context, phone: string): string => toHex(c.crypto.hmac(c.keys.pepper(), new TextEncoder().encode("phone " + phone)));

async function insertLines(tx: Tx, order: string, found: Found[]): Promise<void> {
  let n = 0;
  for (const x of found) for (let i = 0; i < x.count; i++) for (const [k, piece] of x.pieces.entries()) {
    const a = piece.article;
    await tx.insertInto("order_line").values({
      line_id: `${order}-${String(n++).padStart(4, "0")}`, order_id: order, parcel: x.parcel, article_id: x.article.article_id, name: a.name, sort: a.sort, product_id: a.product_id, merchant_id: a.merchant_id, amount: piece.amount,
      currency: a.currency, content: a.content, state: orderState.billed, takes: JSON.stringify(takesOf(x, k)),
    }).execute();
  }
}

/** What the pieces of an ended order took goes back on sale. */
export async function freeStock(tx: Tx, lines: readonly { takes: string }[]): Promise<void> {
  for (const line of lines) for (const article of JSON.parse(line.takes) as string[]) await giveBack(tx, article);
}
