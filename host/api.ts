/**
 * The operator API as one table: path, what it does, what it takes. HTTP routes and the OpenAPI document are both made from
 * it, so they cannot differ.
 */
import { sql } from "kysely";
import { audit, recordingAt, Wrong, type Context } from "./context.js";
import { transact, type Tables } from "./database.js";
import { rekeyGroup } from "./groups.js";
import { addMeterUser, setMeterPlan, type NewMeterPlan, type NewMeterUser } from "./charges/plans.js";
import { importList, type ImportFormat } from "./import.js";
import { checkBooks } from "./invariants.js";
import { trialBalance } from "./ledger.js";
import { orderRoutes } from "./orders/api.js";
import { addMember, reopenMember, revokeHandset, userIdOrWrong } from "./people.js";
import { addIssuer, addMerchant, addProduct, sell, type Apart, type NewProduct, type Sale } from "./products.js";
import { declareLost, readTerminal, restoreTerminal, revokeTerminal, suspendTerminal } from "./suspension.js";
import { setStatus, type State } from "./status.js";
import { addTerminal, configure, type NewTerminal, type Settings } from "./terminals.js";
import { resolveCase } from "./use.js";

type Schema = Record<string, unknown>;
export interface Route {
  method: "get" | "post"; path: string; summary: string; body?: Schema; query?: Schema;
  /** It writes its own line into the audit log, with the reason. */
  audits?: true;
  run(c: Context, input: { body: unknown; query: Record<string, string>; path: Record<string, string> }): Promise<unknown>;
}

const text = { type: "string", minLength: 1, maxLength: 200 };
const point = { type: "string", pattern: "^0[23][0-9a-f]{64}$" };
const word = { type: "string", pattern: "^[A-Za-z0-9@._+-]{1,80}$" };
const minuteOfDay = { type: "integer", minimum: 0, maximum: 1440 };
const count = { type: "integer", minimum: 0, maximum: Number.MAX_SAFE_INTEGER };
const object = (required: string[], properties: Record<string, unknown>): Schema => ({ type: "object", additionalProperties: false, required, properties });
const why = object(["why"], { why: text });
/** Seconds, milliseconds and counts of `Settings`. */
const settings = object([], Object.fromEntries(["reopen", "resumeSeconds", "passageMs", "freshSeconds", "offlineSeconds", "reducedSeconds", "usesADay", "boxADay"].map((name) => [name, count])));
const taken = object(["kind", "action", "zone"], { kind: word, action: { type: "integer", minimum: 1, maximum: 4 }, zone: count });

/** Lists come in pages of at most a thousand: the next one begins after the last row's id, newest-first ones before its number. */
const limit = { type: "integer", minimum: 1, maximum: 1000 };
const forward = { after: text, limit };
const backward = { before: { type: "integer", minimum: 0 }, limit };
const limitOf = (query: Record<string, string>): number => Number(query["limit"] ?? 1000);
const beforeOf = (query: Record<string, string>): number => Number(query["before"] ?? Number.MAX_SAFE_INTEGER);

/** Rows of a table in the order of its key. */
function listed<T extends keyof Tables & string>(path: string, summary: string, table: T, key: keyof Tables[T] & string, columns: (keyof Tables[T] & string)[]): Route {
  return {
    method: "get", path, summary, query: forward,
    run: (c, { query }) => sql`select ${sql.join(columns.map((x) => sql.ref(x)))} from ${sql.table(table)} where ${sql.ref(key)} > ${query["after"] ?? ""} order by ${sql.ref(key)} limit ${limitOf(query)}`
      .execute(c.db).then((r) => r.rows),
  };
}

export const routes: Route[] = [
  ...orderRoutes,
  { method: "post", path: "/api/merchants", summary: "Add or rename a merchant", body: object(["merchant", "name"], { merchant: word, name: text }), run: (c, { body }) => addMerchant(c, body as { merchant: string; name: string }) },
  listed("/api/merchants", "Merchants", "merchant", "merchant_id", ["merchant_id", "name"]),
  {
    method: "post", path: "/api/issuers", summary: "Add or rename an issuer; apart: it runs elsewhere with keys of its own", run: (c, { body }) => addIssuer(c, body as { issuer: string; name: string; apart?: Apart }),
    body: object(["issuer", "name"], { issuer: word, name: text, apart: object(["url", "signingKey", "agreementKey"], { url: { type: "string", pattern: "^https?://[^/]+/?$", maxLength: 200 }, signingKey: point, agreementKey: point }) }),
  },
  listed("/api/issuers", "Issuers", "issuer", "issuer_id", ["issuer_id", "name", "public_key", "url"]),
  {
    method: "post", path: "/api/products", summary: "Add or change a product: ticket, coupon book or prepaid card", run: (c, { body }) => addProduct(c, body as NewProduct),
    body: object(["product", "name", "kind", "sort", "price", "until", "issuer"], {
      product: word, name: text, kind: word, sort: { enum: ["ticket", "coupons", "prepaid"] }, most: { type: "integer", minimum: 1 }, price: count, currency: { type: "string", pattern: "^[A-Z]{3}$" },
      zones: { type: "array", maxItems: 16, items: count }, from: count, until: count, perDay: count, intervalSeconds: count, passage: { type: "boolean" }, transferable: { type: "boolean" },
      oneWay: { type: "boolean" }, undetermined: { enum: ["refuse", "accept_to_limit", "accept"] }, offline: object(["uses", "amount", "days"], { uses: count, amount: count, days: count }),
      issuer: word, merchantShare: { type: "integer", minimum: 0, maximum: 10_000 }, grantUses: count,
    }),
  },
  listed("/api/products", "Products", "product", "product_id", [
    "product_id", "name", "kind", "unit", "most", "price", "currency", "zones", "rule", "valid_until", "offline", "flags", "issuer_id", "merchant_share", "grant_uses",
  ]),
  {
    method: "post", path: "/api/members", summary: "Add a member; answers the recovery code, shown once", body: object(["user", "password"], { user: word, password: { type: "string", minLength: 10, maxLength: 128 }, phone: { type: "string", maxLength: 40 } }),
    run: async (c, { body }) => { const x = body as { user: string; password: string; phone?: string }; return { recovery: await addMember(c, { user: x.user, password: x.password, phone: x.phone ?? "" }) }; },
  },
  listed("/api/members", "Members, without passwords", "member", "user_id", ["user_id", "wrong", "wrong_in_row", "blocked_until", "verified", "created_at"]),
  { method: "post", path: "/api/members/:user/reopen", summary: "Open an account that too many wrong passwords or codes closed", run: (c, { path }) => reopenMember(c, path["user"]!) },
  listed("/api/handsets", "Handsets", "handset", "kid", ["kid", "user_id", "key_class", "revoked", "created_at"]),
  { method: "post", path: "/api/handsets/:kid/revoke", summary: "A handset is believed no longer", run: (c, { path }) => transact(c.db, (tx) => revokeHandset(c, tx, path["kid"]!)) },
  {
    method: "post", path: "/api/terminals", summary: "Add a terminal; answers its claim code: one use, 24 hours", run: (c, { body }) => addTerminal(c, body as NewTerminal),
    body: object(["name", "role", "merchant", "zones", "takes"], {
      name: text, role: { enum: ["gate", "till", "meter", "receiver"] }, merchant: word, zones: { type: "array", maxItems: 16, items: count }, takes: { type: "array", maxItems: 16, items: taken },
      tariffs: { type: "array", maxItems: 16, items: object(["kind", "price"], { kind: word, price: count }) }, currency: { type: "string", pattern: "^[A-Z]{3}$" }, most: count,
      profileB: { type: "boolean" }, board: { type: "boolean" }, settings,
    }),
  },
  listed("/api/terminals", "Terminals: enrolled, seen, confirmed; suspended 1, revoked 2; digits: as the terminal shows them, to compare", "terminal", "terminal_id", [
    "terminal_id", "name", "role", "merchant_id", "expires", "confirmed", "gap", "boot", "suspended", "seen_at", "configuration_number", "digits",
  ]),
  {
    method: "post", path: "/api/terminals/:id/plan", summary: "Tariffs of a meter or receiver, from its next letter on; prices in millionths of a minor unit for a watt hour or litre", run: (c, { path, body }) => setMeterPlan(c, path["id"]!, body as NewMeterPlan),
    body: object(["currency", "tariffs"], {
      currency: { type: "string", pattern: "^[A-Z]{3}$" }, guaranteed: { type: "boolean" },
      tariffs: { type: "array", maxItems: 32, items: object(["id", "bands"], {
        id: count, offsetMinutes: { type: "integer", minimum: -1440, maximum: 1440 },
        bands: { type: "array", maxItems: 64, items: object(["price"], { price: { type: "integer", minimum: 0, maximum: 1_000_000_000 }, register: { type: "string", pattern: "^[0-9]{1,3}[.][0-9]{1,3}[.][0-9]{1,3}$" }, months: { type: "array", items: { type: "integer", minimum: 0, maximum: 11 } }, days: { type: "array", items: { type: "integer", minimum: 0, maximum: 6 } }, fromMinute: minuteOfDay, toMinute: minuteOfDay }) },
      }) },
    }),
  },
  {
    method: "post", path: "/api/terminals/:id/users", summary: "A member uses a meter or receiver; answers how it is called there",
    run: async (c, { path, body }) => ({ user: await addMeterUser(c, path["id"]!, body as NewMeterUser) }),
    body: object(["user", "mode", "tariff"], { user: word, mode: { enum: ["postpaid", "prepaid"] }, tariff: count, meter: count, share: { type: "integer", minimum: 0, maximum: 10_000 }, limit: count }),
  },
  listed("/api/charges", "What users of meters and receivers owe: stated and settled records, totals and payments in minor units", "meter_user", "user", ["terminal_id", "user", "user_id", "mode", "stated", "settled", "total", "paid", "applied", "number"]),
  {
    method: "post", path: "/api/terminals/:id/settings", summary: "Change a terminal's settings; it takes them at its next sync", body: settings,
    run: (c, { path, body }) => transact(c.db, async (tx) => {
      const t = await readTerminal(tx, path["id"]!);
      await tx.updateTable("terminal").set({ settings: JSON.stringify({ ...(JSON.parse(t.settings) as Settings), ...(body as Partial<Settings>) }) }).where("terminal_id", "=", path["id"]!).execute();
      await configure(c, tx, path["id"]!);
    }),
  },
  {
    method: "post", path: "/api/terminals/:id/suspend", summary: "A terminal is not believed until it is restored: no renewal; what it records is kept and does not count", audits: true, body: why,
    run: (c, { path, body }) => transact(c.db, (tx) => suspendTerminal(c, tx, path["id"]!, (body as { why: string }).why)),
  },
  {
    method: "post", path: "/api/terminals/:id/restore", summary: "A suspended terminal is believed again, and what it recorded meanwhile counts", audits: true, body: why,
    run: (c, { path, body }) => transact(c.db, (tx) => restoreTerminal(c, tx, path["id"]!, (body as { why: string }).why)),
  },
  {
    method: "post", path: "/api/terminals/:id/revoke", summary: "A terminal is stolen or gone: never believed again; handsets and neighbours are told", audits: true, body: why,
    run: (c, { path, body }) => transact(c.db, (tx) => revokeTerminal(c, tx, path["id"]!, (body as { why: string }).why)),
  },
  {
    method: "post", path: "/api/terminals/:id/lost", summary: "Entries up to this sequence will never come", audits: true, body: object(["through", "why"], { through: count, why: text }),
    run: (c, { path, body }) => transact(c.db, async (tx) => { const x = body as { through: number; why: string }; return { confirmed: await declareLost(c, tx, path["id"]!, x.through, x.why) }; }),
  },
  {
    method: "post", path: "/api/sales", summary: "Sell one value at the desk, or issue one that its issuer sold", run: async (c, { body }) => { const { valueId, invitation } = await sell(c, body as Sale); return { valueId, ...(invitation !== undefined && { invitation }) }; },
    body: object(["product", "user", "reference", "paid"], { product: word, user: word, reference: text, name: text, paid: { enum: ["desk", "sold"] } }),
  },
  {
    method: "post", path: "/api/import", summary: "Import an attendee list: JSON, CSV, or a pretix order export", body: object(["format", "list"], { format: { enum: ["json", "csv", "pretix"] }, list: { type: "string" }, products: { type: "object", additionalProperties: word } }),
    run: (c, { body }) => { const x = body as { format: ImportFormat; list: string; products?: Record<string, string> }; return importList(c, x.format, x.list, x.products); },
  },
  {
    method: "get", path: "/api/values", summary: "Issued values, newest first", query: { user: word, ...backward },
    run: (c, { query }) => {
      const all = c.db.selectFrom("issued").select(["status_index as number", "value_id", "product_id", "user_id", "reference", "name", "status", "issued_at", "grant_id", "handset", "held"])
        .where("status_index", "<", beforeOf(query)).orderBy("status_index", "desc").limit(limitOf(query));
      return (query["user"] === undefined ? all : all.where("user_id", "=", userIdOrWrong(query["user"]))).execute();
    },
  },
  {
    method: "post", path: "/api/values/:id/status", summary: "Revoke, suspend or restore a value", audits: true, body: object(["state", "why"], { state: { enum: ["valid", "revoked", "suspended"] }, why: text }),
    run: (c, { path, body }) => transact(c.db, async (tx) => {
      const x = body as { state: State; why: string };
      await audit(tx, "operator", `${path["id"]} ${x.state}: ${x.why}`, c.now());
      await setStatus(c, tx, path["id"]!, x.state);
      if (x.state === "valid") await tx.updateTable("value").set({ suspended: 0 }).where("value_id", "=", path["id"]!).execute();
    }),
  },
  { method: "get", path: "/api/uses", summary: "Uses of values, last heard of first", query: { value: word, ...backward }, run: (c, { query }) => {
    const all = c.db.selectFrom("value_use").select([sql<number>`value_use.rowid`.as("number"), "use_id", "value_id", "counter", "terminal", "finisher", "tap", "state", "charged", "journal", "acknowledged", "case_id"])
      .where(sql<boolean>`value_use.rowid < ${beforeOf(query)}`).orderBy(sql`value_use.rowid`, "desc").limit(limitOf(query));
    return (query["value"] === undefined ? all : all.where("value_id", "=", query["value"])).execute();
  } },
  listed("/api/cases", "Double-use cases with both receipts as evidence", "double_use_case", "case_id", [
    "case_id", "value_id", "counter", "first_use", "second_use", "first_evidence", "second_evidence", "opened_at", "decided",
  ]),
  {
    method: "post", path: "/api/cases/:id", summary: "Decide a double-use case", audits: true, body: object(["merchant"], { merchant: { type: "boolean" }, bearer: { type: "string", pattern: "^(issuer|loss)/[A-Za-z0-9@._+-]{1,80}$" } }),
    run: (c, { path, body }) => transact(c.db, async (tx) => {
      const x = body as { merchant: boolean; bearer?: string };
      const known = await tx.selectFrom("double_use_case").select("case_id").where("case_id", "=", path["id"]!).executeTakeFirst();
      if (known === undefined) throw new Wrong("case_unknown", `There is no case ${path["id"]}.`, 404);
      const bearer = x.bearer ?? "loss/double_use";
      const issuer = bearer.startsWith("issuer/") ? await tx.selectFrom("issuer").select("issuer_id").where("issuer_id", "=", bearer.slice(7)).executeTakeFirst() : undefined;
      if (bearer.startsWith("issuer/") && issuer === undefined) throw new Wrong("issuer_unknown", `There is no issuer ${bearer.slice(7)} to bear it.`, 404);
      await audit(tx, "operator", `case ${path["id"]} decided ${x.merchant ? `for the merchant, borne by ${bearer}` : "against the merchant"}`, c.now());
      const answer = await resolveCase(tx, path["id"]!, x.merchant ? { merchant: true, bearer: issuer === undefined ? bearer : bearer + "/{d}" } : { merchant: false }, recordingAt(c.now()));
      if (typeof answer !== "string") throw new Wrong("case_decided", `Case ${path["id"]} was decided before, otherwise: a decision stays.`, 409);
      return { decided: answer };
    }),
  },
  listed("/api/forgeries", "Grants that were never issued, under the keys of a group of boards: one of them was opened", "forgery", "grant_id", ["grant_id", "group_number", "epoch", "terminal_id", "evidence", "opened_at"]),
  {
    method: "post", path: "/api/groups/:group/rekey", summary: "Make a group of boards new, at once, without those that were opened", audits: true,
    body: object(["why"], { why: text, without: { type: "array", maxItems: 16, items: word } }),
    run: (c, { path, body }) => transact(c.db, async (tx) => {
      const x = body as { why: string; without?: string[] };
      if (!/^\d{1,9}$/.test(path["group"]!)) throw new Wrong("group_unknown", `There is no group ${path["group"]}.`, 404);
      return await rekeyGroup(c, tx, Number(path["group"]), x.without ?? [], x.why);
    }),
  },
  { method: "get", path: "/api/incidents", summary: "Lies, copies and contradictions, newest first", query: backward, run: (c, { query }) => c.db.selectFrom("incident").selectAll().where("incident_id", "<", beforeOf(query)).orderBy("incident_id", "desc").limit(limitOf(query)).execute() },
  { method: "get", path: "/api/audit", summary: "What operators and the host did, newest first; each head binds all before it", query: backward, run: (c, { query }) => c.db.selectFrom("audit").selectAll().where("number", "<", beforeOf(query)).orderBy("number", "desc").limit(limitOf(query)).execute() },
  { method: "get", path: "/api/refusals", summary: "How often terminals said no, by code", run: (c) => c.db.selectFrom("refused").select(["code", (e) => e.fn.sum<number>("times").as("times")]).groupBy("code").execute() },
  {
    method: "get", path: "/api/ledger", summary: "Trial balance of a currency, and the checks of the books", query: { currency: { type: "string", pattern: "^[A-Z]{3}$" } },
    run: async (c, { query }) => ({
      balance: Object.fromEntries([...await trialBalance(c.db, query["currency"] ?? "EUR")].map(([account, minor]) => [account, Number(minor)])), breaches: await checkBooks(c.db),
    }),
  },
];

/** OpenAPI 3.1 of the table above and of the device door. */
export function openApi(provider: string): Schema {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const r of routes) {
    const path = r.path.replace(/:(\w+)/g, "{$1}");
    const parameters = [
      ...[...r.path.matchAll(/:(\w+)/g)].map((m) => ({ name: m[1], in: "path", required: true, schema: { type: "string" } })),
      ...Object.entries(r.query ?? {}).map(([name, schema]) => ({ name, in: "query", required: false, schema })),
    ];
    (paths[path] ??= {})[r.method] = {
      summary: r.summary, operationId: `${r.method}${r.path.replace(/[^A-Za-z]+(.)?/g, (_m, c: string | undefined) => (c ?? "").toUpperCase())}`, security: [{ operator: [] }],
      ...(parameters.length > 0 && { parameters }), ...(r.body !== undefined && { requestBody: { required: true, content: { "application/json": { schema: r.body } } } }),
      responses: { 200: { description: "Done", content: { "application/json": { schema: {} } } }, default: { description: "Refused, with what to do", content: { "application/json": { schema: { $ref: "#/components/schemas/Refusal" } } } } },
    };
  }
  const cose = { content: { "application/cose": { schema: { type: "string", format: "binary" } } } };
  paths["/device"] = { post: { summary: "One envelope in, one out", operationId: "device", requestBody: { required: true, ...cose }, responses: { 200: { description: "The sealed answer", ...cose }, 400: { description: "Not taken; nothing is said why" } } } };
  paths["/claim"] = { post: { summary: "First contact of a terminal", operationId: "claim", requestBody: { required: true, ...cose }, responses: { 200: { description: "The sealed grant", ...cose }, 400: { description: "Not taken" } } } };
  paths["/board"] = { post: { summary: "First keys of a small board, brought by a bench", operationId: "board", requestBody: { required: true, ...cose }, responses: { 200: { description: "The sealed package, or nothing for a confirmation", ...cose }, 400: { description: "Not taken" } } } };
  paths["/status/values"] = { get: { summary: "The signed status list", operationId: "status", responses: { 200: { description: "Signed list", ...cose } } } };
  paths["/provider"] = { get: { summary: "Name, roots and role certificates, for handsets", operationId: "provider", responses: { 200: { description: "Provider" } } } };
  return {
    openapi: "3.1.0", info: { title: `Kaisatsu host of ${provider}`, version: "1", license: { name: "Apache-2.0", identifier: "Apache-2.0" } }, servers: [{ url: "/" }], paths,
    components: { securitySchemes: { operator: { type: "http", scheme: "bearer" } }, schemas: { Refusal: object(["error", "message"], { error: { type: "string" }, message: { type: "string" } }) } },
  };
}
