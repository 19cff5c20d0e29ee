/**
 * The host as a process: data folder, database, key store, HTTP (`design.md` §9). No set-up: the first start makes what is
 * missing, prints nothing secret but the operator's token, and listens on loopback.
 */
import { timingSafeEqual, createHash } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fastify, { type FastifyInstance } from "fastify";
import { sql } from "kysely";
import { openApi, routes } from "./api.js";
import { toHex, Wrong, type Context } from "./context.js";
import { inMemory, openDatabase } from "./database.js";
import { takeEnvelope } from "./device.js";
import { makeBroker, type Broker } from "./handover.js";
import { checkBooks } from "./invariants.js";
import { makeKeyStore, openKeyStore } from "./keys.js";
import { nodeMachine, type Machine } from "./machine.js";
import { makeQueue } from "./people.js";
import { revocations } from "./suspension.js";
import { readList } from "./status.js";
import { claim } from "./terminals.js";
import { refusals } from "../protocol/refusal.js";
import { limits } from "../protocol/limits.js";

export interface HostOptions {
  /** Data folder; made when missing. `inMemory`: none. */
  folder: string;
  /** 0 takes a free one. */
  port?: number;
  address?: string;
  /** The provider's name, fixed at the first start. */
  name?: string;
  /** What differs from this machine: a clock, say. */
  machine?: Partial<Machine>;
}

/** A host without its doors: `takeEnvelope`, `claim` and the routes of the API work on it. */
export interface OpenHost { readonly context: Context; readonly broker: Broker; close(): Promise<void> }

export async function openHost(o: Pick<HostOptions, "folder" | "name" | "machine">): Promise<OpenHost> {
  const machine: Machine = { ...nodeMachine, ...o.machine };
  const name = o.name ?? "kaisatsu";
  const keys = o.folder === inMemory ? makeKeyStore(machine, name) : openKeyStore(machine, o.folder, name);
  const context: Context = { ...machine, db: await openDatabase(o.folder), keys, hashing: makeQueue() };
  const broker = makeBroker(machine);
  return { context, broker, close: async () => { broker.close(); await context.db.destroy(); } };
}

export interface Host { readonly url: string; readonly operatorToken: string; readonly context: Context; readonly provider: string; /** Root's key id, as people compare it. */ readonly rootId: string; close(): Promise<void> }

/** Counters since the start of this process. */
interface Metrics { envelopes: Record<"taken" | "repeated" | "refused" | "limited", number>; claims: Record<"granted" | "refused", number>; requests: number }

export async function startHost(o: HostOptions): Promise<Host> {
  if (o.folder !== inMemory) mkdirSync(o.folder, { recursive: true, mode: 0o700 });
  const opened = await openHost(o);
  const { context, broker } = opened;
  const operatorToken = o.folder === inMemory ? newToken(context) : tokenIn(context, join(o.folder, "operator.token"));
  const metrics: Metrics = { envelopes: { taken: 0, repeated: 0, refused: 0, limited: 0 }, claims: { granted: 0, refused: 0 }, requests: 0 };
  const app = fastify({ bodyLimit: 20 * 1024 * 1024, requestTimeout: 10_000, forceCloseConnections: true });
  deviceDoor(app, context, broker, metrics);
  operatorDoor(app, context, operatorToken);
  watching(app, context, metrics);
  errors(app);
  const url = await app.listen({ port: o.port ?? 0, host: o.address ?? "127.0.0.1" }).catch(async (error: unknown) => { await context.db.destroy(); throw error; });
  return {
    url, operatorToken, context, provider: context.keys.provider, rootId: toHex(context.keys.kid("root")),
    close: async () => { broker.close(); await app.close(); await opened.close(); },
  };
}

const newToken = (m: Machine): string => Buffer.from(m.random(24)).toString("base64url");
function tokenIn(m: Machine, path: string): string {
  if (!existsSync(path)) { writeFileSync(path, newToken(m), { mode: 0o600 }); chmodSync(path, 0o600); }
  return readFileSync(path, "utf8").trim();
}

// ---- devices ---------------------------------------------------------------------------------------------------------------

/** One method, one type, no cookies, no redirects (`trust.md` §5). */
function deviceDoor(app: FastifyInstance, c: Context, broker: Broker, metrics: Metrics): void {
  app.addContentTypeParser("application/cose", { parseAs: "buffer", bodyLimit: limits.envelopeBytesMax }, (_request, body, done) => done(null, body));
  app.post("/device", { bodyLimit: limits.envelopeBytesMax }, async (request, reply) => {
    metrics.requests++;
    const answer = request.body instanceof Buffer ? await takeEnvelope(c, broker, new Uint8Array(request.body), (result) => { metrics.envelopes[result]++; }) : undefined;
    return answer === undefined ? await reply.code(400).send() : await reply.type("application/cose").send(Buffer.from(answer));
  });
  app.post("/claim", { bodyLimit: 4096 }, async (request, reply) => {
    const answer = request.body instanceof Buffer ? await claim(c, new Uint8Array(request.body)) : undefined;
    metrics.claims[answer === undefined ? "refused" : "granted"]++;
    return answer === undefined ? await reply.code(400).send() : await reply.type("application/cose").send(Buffer.from(answer));
  });
  app.get("/status/values", async (_request, reply) => reply.type("application/cose").send(Buffer.from((await readList(c)).signed)));
  app.get("/provider", async () => ({
    provider: c.keys.provider, root: toHex(c.keys.root), spareRoot: toHex(c.keys.spareRoot), roles: c.keys.roles.map(toBase64), revocations: (await revocations(c, c.db)).map(toBase64),
  }));
}

const toBase64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64");

// ---- operators ----------------------------------------------------------------------------------------------------------------

function operatorDoor(app: FastifyInstance, c: Context, token: string): void {
  const expected = createHash("sha256").update(`Bearer ${token}`).digest();
  for (const r of routes) {
    app.route({
      method: r.method === "get" ? "GET" : "POST", url: r.path, schema: { ...(r.body !== undefined && { body: r.body }), ...(r.query !== undefined && { querystring: { type: "object", properties: r.query } }) },
      // Before the body is read: a stranger costs nothing.
      onRequest: async (request, reply) => {
        const said = createHash("sha256").update(request.headers.authorization ?? "").digest();
        if (!timingSafeEqual(said, expected)) await reply.code(401).send({ error: "not_authorised", message: "Send the operator's token: Authorization: Bearer … (it is in operator.token in the data folder)." });
      },
      handler: async (request) => (await r.run(c, { body: request.body, query: request.query as Record<string, string>, path: request.params as Record<string, string> })) ?? { done: true },
    });
  }
  app.get("/openapi.json", () => openApi(c.keys.provider));
}

function errors(app: FastifyInstance): void {
  app.setErrorHandler(async (error: Error & { validation?: unknown; statusCode?: number }, request, reply) => {
    if (request.url === "/device" || request.url === "/claim") return await reply.code(400).send();
    if (error instanceof Wrong) return await reply.code(error.status).send({ error: error.code, message: error.message });
    if (error.validation !== undefined) return await reply.code(400).send({ error: "not_valid", message: `The request does not fit: ${error.message}. See /openapi.json.` });
    const status = error.statusCode ?? 500;
    return await reply.code(status).send({ error: status < 500 ? "not_taken" : "host_fault", message: status < 500 ? error.message : "The host failed; nothing was changed. Its log says why." });
  });
  app.setNotFoundHandler(async (request, reply) => reply.code(404).send({ error: "not_found", message: `There is nothing at ${request.method} ${request.url.split("?")[0]}. See /openapi.json.` }));
}

// ---- watching -----------------------------------------------------------------------------------------------------------------

function watching(app: FastifyInstance, c: Context, metrics: Metrics): void {
  app.get("/health", async (_request, reply) => {
    const breaches = await checkBooks(c.db);
    return await reply.code(breaches.length === 0 ? 200 : 503).send({ healthy: breaches.length === 0, provider: c.keys.provider, now: c.now(), breaches });
  });
  app.get("/metrics", async (_request, reply) => reply.type("text/plain; version=0.0.4").send(await prometheus(c, metrics)));
}

/** Prometheus' text form. */
async function prometheus(c: Context, m: Metrics): Promise<string> {
  const lines: string[] = [];
  const add = (name: string, kind: "counter" | "gauge", help: string, rows: [labels: string, value: number][]): void => {
    lines.push(`# HELP kaisatsu_${name} ${help}`, `# TYPE kaisatsu_${name} ${kind}`, ...rows.map(([labels, value]) => `kaisatsu_${name}${labels === "" ? "" : `{${labels}}`} ${value}`));
  };
  const uses = await c.db.selectFrom("value_use").select(["state", (e) => e.fn.countAll<number>().as("n")]).groupBy("state").execute();
  const refused = await c.db.selectFrom("refused").select(["code", (e) => e.fn.sum<number>("times").as("n")]).groupBy("code").execute();
  const one = async (query: string): Promise<number> => Number((await sql<{ n: number }>`${sql.raw(query)}`.execute(c.db)).rows[0]!.n);
  add("envelopes_total", "counter", "Envelopes at the device door by result.", Object.entries(m.envelopes).map(([result, n]) => [`result="${result}"`, n]));
  add("claims_total", "counter", "Enrolments of terminals by result.", Object.entries(m.claims).map(([result, n]) => [`result="${result}"`, n]));
  add("uses", "gauge", "Uses in the books by state.", uses.map((u) => [`state="${u.state}"`, Number(u.n)]));
  add("refusals_total", "counter", "Refusals that terminals reported, by code.", refused.map((r) => [`code="${refusals[r.code]?.name ?? r.code}"`, Number(r.n)]));
  add("incidents_total", "counter", "Lies, copies and contradictions.", [["", await one("select count(*) n from incident")]]);
  add("cases_open", "gauge", "Double-use cases to decide.", [["", await one("select count(*) n from double_use_case where decided is null")]]);
  add("values_issued_total", "counter", "Values issued.", [["", await one("select count(*) n from issued")]]);
  add("terminals_enrolled", "gauge", "Terminals with a certificate.", [["", await one("select count(*) n from terminal where certificate is not null")]]);
  add("terminal_seen_age_seconds", "gauge", "Since a terminal was heard.", (await c.db.selectFrom("terminal").select(["name", "seen_at"]).execute()).map((t) => [`terminal="${t.name.replace(/["\\\n]/g, "_")}"`, t.seen_at === 0 ? -1 : c.now() - t.seen_at]));
  add("ledger_breaches", "gauge", "Broken checks of the books; anything but 0 is an alarm.", [["", (await checkBooks(c.db)).length]]);
  add("database_bytes", "gauge", "Size of the database.", [["", await one("select page_count * page_size n from pragma_page_count(), pragma_page_size()")]]);
  return lines.join("\n") + "\n";
}

