/** What operators ask about orders: what is on sale, how an order stands step by step, that goods are on their way, and texts to be sent. */
import { sql } from "kysely";
import type { Route } from "../api.js";
import { daySeconds, Wrong, type Context } from "../context.js";
import { transact } from "../database.js";
import { addArticle, type NewArticle } from "./articles.js";
import { linesOf, parcelsOf, readOrder, setParcel } from "./machine.js";
import { deliverLine, parcelState } from "./release.js";
import { orderStates } from "../../protocol/wire/order.js";

const word = { type: "string", pattern: "^[A-Za-z0-9@._+-]{1,80}$" };
const text = { type: "string", minLength: 1, maxLength: 200 };
const count = { type: "integer", minimum: 0, maximum: Number.MAX_SAFE_INTEGER };
const limit = { type: "integer", minimum: 1, maximum: 1000 };

export const orderRoutes: Route[] = [
  {
    method: "post", path: "/api/articles", summary: "Put on sale: a value, goods, information, a broadcast, or a bundle", run: (c, { body }) => addArticle(c, body as NewArticle),
    body: { type: "object", additionalProperties: false, required: ["article", "sort"], properties: {
      article: word, name: text, sort: { enum: ["value", "goods", "information", "broadcast", "bundle"] }, product: word, merchant: word, price: count, currency: { type: "string", pattern: "^[A-Z]{3}$" }, date: count,
      stock: count, parts: { type: "array", minItems: 2, maxItems: 20, items: word }, content: { type: "string", minLength: 1, maxLength: 2048 }, until: count,
    } },
  },
  { method: "get", path: "/api/articles", summary: "What is on sale, and how much of it is taken", query: { after: text, limit }, run: (c, { query }) =>
    c.db.selectFrom("article").select(["article_id", "name", "sort", "product_id", "merchant_id", "price", "currency", "date", "stock", "taken", "parts", "until"]).where("article_id", ">", query["after"] ?? "").orderBy("article_id").limit(Number(query["limit"] ?? 1000)).execute() },
  { method: "get", path: "/api/orders", summary: "Orders, newest first", query: { user: word, before: count, limit }, run: (c, { query }) => {
    const all = c.db.selectFrom("orders").select([sql<number>`orders.rowid`.as("number"), "order_id", "state", "user_id", "terminal_id", "total", "currency", "placed_at", "expires"])
      .where(sql<boolean>`orders.rowid < ${Number(query["before"] ?? Number.MAX_SAFE_INTEGER)}`).orderBy(sql`orders.rowid`, "desc").limit(Number(query["limit"] ?? 1000));
    return (query["user"] === undefined ? all : all.where("user_id", "=", query["user"])).execute();
  } },
  { method: "get", path: "/api/orders/:id", summary: "One order: its steps, parcels, lines, payments and refunds", run: (c, { path }) => oneOrder(c, path["id"]!) },
  { method: "post", path: "/api/lines/:id/delivered", summary: "Goods were dispatched, or a broadcast was sent: the money is the merchant's", run: (c, { path }) => dispatched(c, path["id"]!) },
  { method: "get", path: "/api/texts", summary: "Texts that wait to be sent, oldest first; a gateway marks each when it is sent", run: async (c) =>
    (await c.db.selectFrom("text_out").selectAll().where("sent", "=", 0).where("at", ">", c.now() - daySeconds).orderBy("number").limit(100).execute()).map((t) => ({ number: t.number, to: c.keys.unwrap(t.address), text: c.keys.unwrap(t.text), at: t.at })) },
  { method: "post", path: "/api/texts/:number/sent", summary: "This text was sent", run: async (c, { path }) => { await c.db.updateTable("text_out").set({ sent: 1 }).where("number", "=", Number(path["number"])).execute(); } },
];

async function oneOrder(c: Context, id: string): Promise<unknown> {
  const order = await readOrder(c.db, id);
  if (order === undefined) throw new Wrong("order_unknown", `There is no order ${id}.`, 404);
  const name = <T extends { state: number }>(x: T): T & { is: string } => ({ ...x, is: orderStates[x.state] ?? "" });
  const { bill: _bill, digest: _digest, ...rest } = order;
  return {
    ...name(rest), steps: (await c.db.selectFrom("order_step").select(["state", "what", "at"]).where("order_id", "=", id).orderBy("number").execute()).map(name),
    parcels: (await parcelsOf(c.db, id)).map(({ request: _request, request_digest: _digest, phone: _phone, phone_digest: _phoneDigest, ...p }) => name(p)),
    lines: (await linesOf(c.db, id)).map(({ content: _content, ...line }) => name(line)),
    payments: await c.db.selectFrom("payment").select(["payment_id", "means", "processor", "amount", "currency", "state", "reference", "asked_at"]).where("order_id", "=", id).execute(),
    refunds: await c.db.selectFrom("refund").select(["refund_id", "amount", "currency", "state", "reference"]).where("order_id", "=", id).execute(),
  };
}

async function dispatched(c: Context, lineId: string): Promise<unknown> {
  return await transact(c.db, async (tx) => {
    const line = await tx.selectFrom("order_line").selectAll().where("line_id", "=", lineId).executeTakeFirst();
    if (line === undefined) throw new Wrong("line_unknown", `There is no line ${lineId} in any order.`, 404);
    const order = (await readOrder(tx, line.order_id))!;
    if (order.payer === null) throw new Wrong("not_paid", `Order ${line.order_id} is not paid: nothing of it is handed out.`, 409);
    const isNew = await deliverLine(c, tx, line);
    if (isNew) await setParcel(c, tx, line, await parcelState(tx, line));
    return { delivered: isNew };
  });
}
