/**
 * What can be ordered: values, goods with a delivery date, information, broadcasts, and bundles of them (S5). Stock and seats are
 * taken when an order is placed and given back when it ends otherwise; a check of the table holds the limit whoever comes at once.
 */
import { currencyNumber, Wrong, type Context } from "../context.js";
import { transact, type Tx } from "../database.js";
import { split } from "../money.js";
import type { ArticleRow } from "../schema-orders.js";
import { articleSort, type Article } from "../../protocol/wire/order-letters.js";
import { limits } from "../../protocol/limits.js";

/** An article as an operator says it; prices in minor units. A value's price and currency are its product's, a bundle's parts are articles. */
export interface NewArticle {
  article: string; name?: string; sort: keyof typeof articleSort; product?: string; merchant?: string; price?: number; currency?: string; date?: number; stock?: number; parts?: string[]; content?: string; until?: number;
}

export async function addArticle(c: Context, x: NewArticle): Promise<void> {
  await transact(c.db, async (tx) => {
    const row = await rowOf(c, tx, x);
    const before = await tx.selectFrom("article").selectAll().where("article_id", "=", x.article).executeTakeFirst();
    if (before !== undefined && row.stock !== null && row.stock < before.taken) throw new Wrong("stock_taken", `${before.taken} pieces of ${x.article} are taken already: the stock can't be ${row.stock}.`, 409);
    await tx.insertInto("article").values(row).onConflict((o) => o.column("article_id").doUpdateSet(row)).execute();
  });
}

async function rowOf(c: Context, tx: Tx, x: NewArticle): Promise<Omit<ArticleRow, "taken">> {
  const common = { article_id: x.article, sort: articleSort[x.sort], stock: x.stock ?? null, product_id: null, merchant_id: null, date: 0, parts: null, content: null };
  if (x.sort === "value") {
    const p = await tx.selectFrom("product").selectAll().where("product_id", "=", x.product ?? x.article).executeTakeFirst();
    if (p === undefined) throw new Wrong("product_unknown", `There is no product ${x.product ?? x.article}: add it first.`, 404);
    return { ...common, name: x.name ?? p.name, product_id: p.product_id, price: p.price, currency: p.currency, until: Math.min(x.until ?? p.valid_until, p.valid_until) };
  }
  const { name, price } = x;
  if (name === undefined || price === undefined) throw new Wrong("article_incomplete", `Article ${x.article} needs a name and a price.`);
  const currency = x.currency ?? "EUR", until = x.until ?? Number.MAX_SAFE_INTEGER;
  currencyNumber(currency);
  if (x.sort === "bundle") return { ...common, name, price, currency, until, parts: JSON.stringify(await partsOf(tx, x, price, currency)) };
  const merchant = await tx.selectFrom("merchant").select("merchant_id").where("merchant_id", "=", x.merchant ?? "").executeTakeFirst();
  if (merchant === undefined) throw new Wrong("merchant_unknown", `Article ${x.article} needs a merchant who is here: add him first.`, 404);
  if (x.sort === "goods" && x.date === undefined) throw new Wrong("date_missing", `Goods need a delivery date: give ${x.article} one.`);
  if (x.sort === "information" && (x.content === undefined || x.content.length > limits.attachmentBytesMax)) throw new Wrong("content_missing", `Information needs its content, at most ${limits.attachmentBytesMax} characters.`);
  return { ...common, name, price, currency, until, merchant_id: merchant.merchant_id, date: x.date ?? 0, content: x.content ?? null };
}

async function partsOf(tx: Tx, x: NewArticle, price: number, currency: string): Promise<string[]> {
  const parts = x.parts ?? [];
  if (parts.length < 2 || parts.length > limits.lineCountMax) throw new Wrong("parts_missing", `A bundle has 2 to ${limits.lineCountMax} parts.`);
  const rows = [];
  for (const part of parts) {
    const row = await tx.selectFrom("article").selectAll().where("article_id", "=", part).executeTakeFirst();
    if (row === undefined || row.sort === articleSort.bundle || row.currency !== currency) throw new Wrong("part_unfit", `${part} can't be a part of ${x.article}: it must be an article of ${currency} and no bundle itself.`);
    rows.push({ ...row, fixed: await isMoney(tx, row) });
  }
  shares(price, rows);
  return parts;
}

const isMoney = async (tx: Tx, a: Pick<ArticleRow, "product_id">): Promise<boolean> =>
  a.product_id !== null && (await tx.selectFrom("product").select("unit").where("product_id", "=", a.product_id).executeTakeFirst())?.unit === 2;

/** `money.md` §1.11 and line 10: the bundle's price split by stand-alone prices. A card holds what is paid for it, so it is never cheaper. */
function shares(price: number, parts: readonly { price: number; fixed: boolean }[]): number[] {
  const fixed = parts.reduce((sum, p) => sum + (p.fixed ? p.price : 0), 0);
  const others = parts.map((p, i) => ({ party: String(i).padStart(3, "0"), weight: p.fixed ? 0 : p.price }));
  const open = others.some((o) => o.weight > 0);
  if (price < fixed || (!open && price !== fixed)) throw new Wrong("price_differs", "A bundle can't cost less than the cards in it, and its discount needs another part to fall on.");
  const split_ = open ? split(price - fixed, others) : new Map<string, number>();
  return parts.map((p, i) => (p.fixed ? p.price : split_.get(String(i).padStart(3, "0")) ?? 0));
}

/** One piece of an order: an article, or a part of a bundle with its share. */
export interface Piece { article: ArticleRow; amount: number }

/** The pieces that one article stands for, undefined when there is none on sale by this name. */
export async function piecesOf(c: Context, tx: Tx, articleId: string): Promise<{ article: ArticleRow; pieces: Piece[] } | undefined> {
  const article = await tx.selectFrom("article").selectAll().where("article_id", "=", articleId).executeTakeFirst();
  if (article === undefined || article.until <= c.now()) return undefined;
  if (article.parts === null) return { article, pieces: [{ article, amount: article.price }] };
  const parts: (ArticleRow & { fixed: boolean })[] = [];
  for (const id of JSON.parse(article.parts) as string[]) {
    const part = await tx.selectFrom("article").selectAll().where("article_id", "=", id).executeTakeFirstOrThrow();
    if (part.until <= c.now()) return undefined;
    parts.push({ ...part, fixed: await isMoney(tx, part) });
  }
  const amounts = shares(article.price, parts);
  return { article, pieces: parts.map((part, i) => ({ article: part, amount: amounts[i]! })) };
}

/** Takes one piece of the stock; false when there is none left. */
export async function takePiece(tx: Tx, articleId: string): Promise<boolean> {
  const done = await tx.updateTable("article").set((e) => ({ taken: e("taken", "+", 1) })).where("article_id", "=", articleId)
    .where((w) => w.or([w("stock", "is", null), w("stock", ">", w.ref("taken"))])).executeTakeFirst();
  return done.numUpdatedRows === 1n;
}

/** Gives back what an order took that ended otherwise; a bundle counts as itself and as its parts. */
export async function giveBack(tx: Tx, articleId: string): Promise<void> {
  await tx.updateTable("article").set((e) => ({ taken: e("taken", "-", 1) })).where("article_id", "=", articleId).execute();
}

/** The order page (S10): what is on sale now, and how many there still are. */
export async function catalogue(c: Context, tx: Tx): Promise<Article[]> {
  const rows = await tx.selectFrom("article").selectAll().where("until", ">", c.now()).orderBy("article_id").limit(limits.listItemsMax).execute();
  return rows.map((a) => ({ article: a.article_id, name: a.name, sort: a.sort, price: a.price, currency: currencyNumber(a.currency), left: a.stock === null ? undefined : a.stock - a.taken, date: a.date }));
}
