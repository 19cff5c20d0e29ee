/**
 * What Stripe's package speaks to in the tests: a server on this machine with the same HTTP contract, form-encoded in, JSON out, for
 * payment intents and refunds: idempotency keys that answer the same again and refuse other content, errors as Stripe words them, lists
 * in pages, notices signed over their bytes. It can lose its answers, be down, decline, or take its time, when a test says so.
 */
import { createHmac } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

interface Intent { id: string; object: "payment_intent"; amount: number; amount_received: number; currency: string; status: string; metadata: Record<string, string>; created: number; last_payment_error: null | { code: string; decline_code: string } }
interface Refund { id: string; object: "refund"; amount: number; payment_intent: string; status: string; metadata: Record<string, string>; created: number }

export interface StripeServer {
  readonly port: number;
  readonly intents: Intent[];
  readonly refunds: Refund[];
  /** How many requests came, by method and path. */
  readonly asked: string[];
  /** `lose`: does it and hangs up. `down`: 500 and does nothing. `decline`, `processing`, `short`: what becomes of a new payment. */
  mode: "good" | "lose" | "down" | "decline" | "processing" | "short";
  /** Forgets idempotency keys, as after a day. */
  forget(): void;
  /** The notice of this object, as it would be posted: body and signature. */
  notice(type: string, object: unknown, at: number, secret?: string): { body: string; signature: string };
  close(): Promise<void>;
}
export const webhookSecret = "whsec_for_these_tests";
export const secretKey = "sk_test_for_these_tests";

export async function startStripeServer(): Promise<StripeServer> {
  const keys = new Map<string, { content: string; status: number; answer: string }>();
  const s = { intents: [], refunds: [], asked: [], mode: "good", forget: () => keys.clear() } as unknown as StripeServer & { port: number };
  const http = createServer((request, response) => { void answer(s, keys, request, response); });
  await new Promise<void>((done) => http.listen(0, "127.0.0.1", done));
  s.port = (http.address() as AddressInfo).port;
  s.notice = (type, object, at, secret = webhookSecret) => {
    const body = JSON.stringify({ id: "evt_" + (s.asked.length + 1), object: "event", type, created: at, data: { object } });
    return { body, signature: `t=${at},v1=${createHmac("sha256", secret).update(`${at}.${body}`).digest("hex")}` };
  };
  s.close = () => new Promise((done) => { http.closeAllConnections(); http.close(() => done()); });
  return s;
}

async function answer(s: StripeServer, keys: Map<string, { content: string; status: number; answer: string }>, request: IncomingMessage, response: ServerResponse): Promise<void> {
  let body = "";
  for await (const piece of request) body += String(piece);
  const url = new URL(request.url!, "http://stripe");
  s.asked.push(`${request.method} ${url.pathname}`);
  const send = (status: number, content: string): void => { response.writeHead(status, { "content-type": "application/json", "request-id": "req_1" }).end(content); };
  if (request.headers.authorization !== `Bearer ${secretKey}`) { send(401, wrong("invalid_request_error", "api_key_invalid")); return; }
  if (s.mode === "down") { send(500, wrong("api_error", "")); return; }
  const key = request.headers["idempotency-key"];
  const known = typeof key === "string" ? keys.get(key) : undefined;
  const made = known !== undefined ? (known.content === body ? known : { status: 400, answer: wrong("idempotency_error", "") }) : act(s, request.method!, url, new URLSearchParams(body));
  if (known === undefined && typeof key === "string") keys.set(key, { content: body, ...made });
  if (s.mode === "lose" && request.method === "POST") { request.socket.destroy(); return; }
  send(made.status, made.answer);
}

const wrong = (type: string, code: string, more: object = {}): string => JSON.stringify({ error: { type, code, message: code, ...more } });
const metadataOf = (form: URLSearchParams): Record<string, string> => Object.fromEntries([...form].flatMap(([k, v]) => { const m = /^metadata\[(\w+)\]$/.exec(k); return m === null ? [] : [[m[1]!, v]]; }));
const page = (data: unknown[], url: URL): string => {
  const after = url.searchParams.get("starting_after"), from = after === null ? 0 : data.findIndex((x) => (x as { id: string }).id === after) + 1, limit = Math.min(2, Number(url.searchParams.get("limit") ?? 10));
  return JSON.stringify({ object: "list", url: url.pathname, has_more: from + limit < data.length, data: data.slice(from, from + limit) });
};

function act(s: StripeServer, method: string, url: URL, form: URLSearchParams): { status: number; answer: string } {
  const ok = (x: unknown): { status: number; answer: string } => ({ status: 200, answer: JSON.stringify(x) });
  const one = /^\/v1\/payment_intents\/(\w+)$/.exec(url.pathname);
  if (method === "GET" && one !== null) { const found = s.intents.find((x) => x.id === one[1]); return found === undefined ? { status: 404, answer: wrong("invalid_request_error", "resource_missing") } : ok(found); }
  if (method === "GET" && url.pathname === "/v1/payment_intents") return { status: 200, answer: page(s.intents.filter((x) => x.created >= Number(url.searchParams.get("created[gte]"))), url) };
  if (method === "GET" && url.pathname === "/v1/refunds") return { status: 200, answer: page(s.refunds.filter((x) => x.payment_intent === url.searchParams.get("payment_intent")), url) };
  if (method === "POST" && url.pathname === "/v1/payment_intents") return charge(s, form);
  if (method === "POST" && url.pathname === "/v1/refunds") {
    const refund: Refund = { id: "re_" + (s.refunds.length + 1), object: "refund", amount: Number(form.get("amount")), payment_intent: form.get("payment_intent")!, status: s.mode === "processing" ? "pending" : "succeeded", metadata: metadataOf(form), created: Math.floor(Date.now() / 1000) };
    s.refunds.push(refund);
    return ok(refund);
  }
  return { status: 404, answer: wrong("invalid_request_error", "unrecognised") };
}

function charge(s: StripeServer, form: URLSearchParams): { status: number; answer: string } {
  if (form.get("confirm") !== "true" || !form.get("payment_method")!.startsWith("pm_")) return { status: 400, answer: wrong("invalid_request_error", "resource_missing") };
  const amount = Number(form.get("amount")), declines = s.mode === "decline";
  const intent: Intent = {
    id: "pi_" + (s.intents.length + 1), object: "payment_intent", amount, amount_received: declines || s.mode === "processing" ? 0 : s.mode === "short" ? amount - 1 : amount, currency: form.get("currency")!,
    status: declines ? "requires_payment_method" : s.mode === "processing" ? "processing" : "succeeded", metadata: metadataOf(form), created: Math.floor(Date.now() / 1000),
    last_payment_error: declines ? { code: "card_declined", decline_code: "insufficient_funds" } : null,
  };
  s.intents.push(intent);
  return declines ? { status: 402, answer: wrong("card_error", "card_declined", { decline_code: "insufficient_funds", payment_intent: intent }) } : { status: 200, answer: JSON.stringify(intent) };
}
