/**
 * The host as a process: data folder, database, key store, HTTP (`design.md` §9). No set-up: the first start makes what is
 * missing, prints nothing secret but the operator's token, and listens on loopback.
 */
import { timingSafeEqual, createHash } from "node:crypto";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from "fastify";
import { openApi, routes } from "./api.js";
import { provision } from "./boards.js";
import { makeBuckets } from "./buckets.js";
import { audit, toHex, Wrong, type Context } from "./context.js";
import { inMemory, openDatabase, transact } from "./database.js";
import { takeEnvelope, type Count } from "./device.js";
import { makeBroker, type Broker } from "./handover.js";
import { makeKeyStore, openKeyStore } from "./keys.js";
import { nodeMachine, type Machine } from "./machine.js";
import { reconcileCharges } from "./charges/settle.js";
import { fetchParts } from "./issuers.js";
import { takeNotice, reconcile } from "./orders/processor.js";
import { workOrders } from "./orders/work.js";
import type { Processor } from "./payment/processor.js";
import { makeQueue } from "./people.js";
import { markRestored } from "./restore.js";
import { revocations } from "./suspension.js";
import { readList } from "./status.js";
import { claim } from "./terminals.js";
import { makeMetrics, watching, type Metrics } from "./watch.js";
import { limits } from "../protocol/limits.js";
import { messageType } from "../protocol/wire/sync.js";

export interface HostOptions {
  /** Data folder; made when missing. `inMemory`: none. */
  folder: string;
  /** 0 takes a free one. */
  port?: number;
  address?: string;
  /** The provider's name, fixed at the first start. */
  name?: string;
  /** Takes what went wrong inside, a line each; never what somebody sent. Else the standard error. */
  log?: (line: string) => void;
  /** The database was restored from a backup since the last start. */
  restored?: boolean;
  /** What differs from this machine: a clock, say. */
  machine?: Partial<Machine>;
  /** Payment processors: none but the host's own prepaid values when left out. */
  processors?: readonly Processor[];
}

/** A host without its doors: `takeEnvelope`, `claim` and the routes of the API work on it. */
export interface OpenHost { readonly context: Context; readonly broker: Broker; close(): Promise<void> }

export async function openHost(o: Pick<HostOptions, "folder" | "name" | "machine" | "restored" | "processors">): Promise<OpenHost> {
  const machine: Machine = { ...nodeMachine, ...o.machine };
  const name = o.name ?? "kaisatsu";
  const keys = o.folder === inMemory ? makeKeyStore(machine, name) : openKeyStore(machine, o.folder, name);
  const context: Context = { ...machine, db: await openDatabase(o.folder), keys, hashing: makeQueue(), processors: new Map((o.processors ?? []).map((p) => [p.name, p])) };
  if (o.restored === true) await markRestored(context);
  const broker = makeBroker(machine);
  return { context, broker, close: async () => { broker.close(); await context.db.destroy(); } };
}

export interface Host { readonly url: string; readonly operatorToken: string; readonly context: Context; readonly provider: string; /** Root's key id, as people compare it. */ readonly rootId: string; close(): Promise<void> }

export async function startHost(o: HostOptions): Promise<Host> {
  const opened = await openHost(o);
  const { context, broker } = opened;
  const operatorToken = o.folder === inMemory ? newToken(context) : tokenIn(context, join(o.folder, "operator.token"));
  const metrics = makeMetrics();
  const app = fastify({
    bodyLimit: 20 * 1024 * 1024, requestTimeout: requestMs, forceCloseConnections: true, trustProxy: "loopback", ajv: { customOptions: { removeAdditional: false } }, http: { maxHeaderSize: 8192, headersTimeout: requestMs, connectionsCheckingInterval: 1000 },
  });
  limitConnections(app);
  deviceDoor(app, context, broker, metrics);
  operatorDoor(app, context, operatorToken);
  noticeDoor(app, context);
  watching(app, context, metrics);
  const log = o.log ?? ((line: string) => { process.stderr.write(line + "\n"); });
  errors(app, log);
  const url = await app.listen({ port: o.port ?? 0, host: o.address ?? "127.0.0.1" }).catch(async (error: unknown) => { await opened.close(); throw error; });
  const stopWork = keepWorking(context, log);
  return {
    url, operatorToken, context, provider: context.keys.provider, rootId: toHex(context.keys.kid("root")),
    close: async () => { broker.close(); await stopWork(); await app.close(); await opened.close(); },
  };
}

/** What time does to orders, and what processors still owe an answer to. */
const workEveryMs = 15_000;
function keepWorking(c: Context, log: (line: string) => void): () => Promise<void> {
  let stopped = false, running: Promise<void> = Promise.resolve(), cancel = (): void => undefined;
  const again = (): void => { if (!stopped) cancel = c.after(workEveryMs, () => { running = turn(); }); };
  const turn = async (): Promise<void> => {
    try { await workOrders(c); await reconcile(c); await fetchParts(c); await reconcileCharges(c); } catch (error) { log(`orders: ${String(error)}`); }
    again();
  };
  again();
  return async () => { stopped = true; cancel(); await running; };
}

const newToken = (m: Machine): string => Buffer.from(m.random(24)).toString("base64url");
function tokenIn(m: Machine, path: string): string {
  try {
    writeFileSync(path, newToken(m), { mode: 0o600, flag: "wx" });
  } catch (error) {
    if ((error as { code?: string }).code !== "EEXIST") throw error;
  }
  if ((statSync(path).mode & 0o077) !== 0) throw new Wrong("token_open", `${path} can be read by others: delete it, and the next start makes a new one.`, 500);
  return readFileSync(path, "utf8").trim();
}

// ---- devices ---------------------------------------------------------------------------------------------------------------

const requestMs = 10_000;
const connectionsMost = 100;

/** The one answer to whoever is not known: empty, and the line is closed. */
const sayNothing = async (reply: FastifyReply): Promise<FastifyReply> => await reply.code(400).header("connection", "close").send();

/** One address holds so many connections and no more. */
function limitConnections(app: FastifyInstance): void {
  const open = new Map<string, number>();
  app.server.on("connection", (socket) => {
    const address = socket.remoteAddress ?? "";
    const count = (open.get(address) ?? 0) + 1;
    open.set(address, count);
    socket.once("close", () => {
      const left = open.get(address)! - 1;
      if (left === 0) open.delete(address); else open.set(address, left);
    });
    if (count > connectionsMost) socket.destroy();
  });
}

/** One method, one type, no cookies, no redirects (`trust.md` §5). */
function deviceDoor(app: FastifyInstance, c: Context, broker: Broker, metrics: Metrics): void {
  app.addContentTypeParser("application/cose", { parseAs: "buffer", bodyLimit: limits.envelopeBytesMax }, (_request, body, done) => done(null, body));
  const nowMs = () => performance.now();
  const [addresses, senders, passwords] = [makeBuckets(50, 100, nowMs), makeBuckets(10, 40, nowMs), makeBuckets(1, 60, nowMs)];
  const knock = async (request: FastifyRequest, reply: FastifyReply): Promise<void> => { if (!addresses.admit(request.ip)) await reply.code(429).send(); };
  app.post("/device", { bodyLimit: limits.envelopeBytesMax, onRequest: knock }, async (request, reply) => {
    const admit = (kid: string, type: number): boolean => senders.admit(kid) && (type !== messageType.enrolHandset || passwords.admit(request.ip));
    const count: Count = (result) => { metrics.envelopes[result]++; };
    const answer = request.body instanceof Buffer ? await takeEnvelope(c, broker, new Uint8Array(request.body), count, admit) : undefined;
    return answer === undefined ? await sayNothing(reply) : await reply.type("application/cose").send(Buffer.from(answer));
  });
  app.post("/claim", { bodyLimit: 4096, onRequest: knock }, async (request, reply) => {
    const answer = request.body instanceof Buffer ? await claim(c, new Uint8Array(request.body)) : undefined;
    metrics.claims[answer === undefined ? "refused" : "granted"]++;
    return answer === undefined ? await sayNothing(reply) : await reply.type("application/cose").send(Buffer.from(answer));
  });
  app.post("/board", { bodyLimit: 4096, onRequest: knock }, async (request, reply) => {
    const answer = request.body instanceof Buffer ? await provision(c, new Uint8Array(request.body)) : undefined;
    metrics.claims[answer === undefined ? "refused" : "granted"]++;
    return answer === undefined ? await sayNothing(reply) : await reply.type("application/cose").send(Buffer.from(answer));
  });
  app.get("/status/values", async (_request, reply) => reply.type("application/cose").send(Buffer.from((await readList(c)).signed)));
  app.get("/provider", async () => ({
    provider: c.keys.provider, root: toHex(c.keys.root), spareRoot: toHex(c.keys.spareRoot), roles: c.keys.roles.map(toBase64), revocations: (await revocations(c, c.db)).map(toBase64),
  }));
}

const toBase64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64");

/** Notices of payment processors, believed for their signature alone: the bytes as they came. */
function noticeDoor(app: FastifyInstance, c: Context): void {
  void app.register((scope, _options, done) => {
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser("*", { parseAs: "buffer", bodyLimit: noticeBytesMost }, (_request, body, parsed) => parsed(null, body));
    scope.post("/payment/:name", { bodyLimit: noticeBytesMost }, async (request, reply) => {
      const { name } = request.params as { name: string };
      const signature = request.headers["stripe-signature"] ?? request.headers["signature"];
      const taken = request.body instanceof Buffer && typeof signature === "string" && (await takeNotice(c, name, new Uint8Array(request.body), signature));
      return taken ? await reply.code(200).send({ taken: true }) : await sayNothing(reply);
    });
    done();
  });
}
const noticeBytesMost = 256 * 1024;

// ---- operators ----------------------------------------------------------------------------------------------------------------

function operatorDoor(app: FastifyInstance, c: Context, token: string): void {
  const expected = createHash("sha256").update(`Bearer ${token}`).digest();
  for (const r of routes) {
    app.route({
      method: r.method === "get" ? "GET" : "POST", url: r.path, schema: { ...(r.body !== undefined && { body: r.body }), ...(r.query !== undefined && { querystring: { type: "object", additionalProperties: false, properties: r.query } }) },
      // Before the body is read: a stranger costs nothing.
      onRequest: async (request, reply) => {
        const said = createHash("sha256").update(request.headers.authorization ?? "").digest();
        if (!timingSafeEqual(said, expected)) await reply.code(401).send({ error: "not_authorised", message: "Send the operator's token: Authorization: Bearer … (it is in operator.token in the data folder)." });
      },
      handler: async (request) => {
        const answer = await r.run(c, { body: request.body, query: request.query as Record<string, string>, path: request.params as Record<string, string> });
        if (r.method === "post" && r.audits !== true) await transact(c.db, (tx) => audit(tx, "operator", `${r.summary} (${request.url})`, c.now()));
        return answer ?? { done: true };
      },
    });
  }
  app.get("/openapi.json", () => openApi(c.keys.provider));
}

function errors(app: FastifyInstance, log: (line: string) => void): void {
  app.setErrorHandler(async (error: Error & { validation?: unknown; statusCode?: number }, request, reply) => {
    const isOurs = !(error instanceof Wrong) && error.validation === undefined && (error.statusCode ?? 500) >= 500;
    if (isOurs) log(`${request.method} ${request.routeOptions.url}: ${error.stack ?? error.message}`);
    if (request.url === "/device" || request.url === "/claim" || request.url === "/board") return await sayNothing(reply);
    if (error instanceof Wrong) return await reply.code(error.status).send({ error: error.code, message: error.message });
    if (error.validation !== undefined) return await reply.code(400).send({ error: "not_valid", message: `The request does not fit: ${error.message}. See /openapi.json.` });
    const status = error.statusCode ?? 500;
    return await reply.code(status).send({ error: status < 500 ? "not_taken" : "host_fault", message: status < 500 ? error.message : "The host failed; nothing was changed. Its log says why." });
  });
  app.setNotFoundHandler(async (request, reply) => reply.code(404).send({ error: "not_found", message: `There is nothing at ${request.method} ${request.url.split("?")[0]}. See /openapi.json.` }));
}
