/**
 * What watches the host: `/health`, and `/metrics` in Prometheus' text form. Both may be asked by anybody and as often as he
 * likes, so their answers are kept, and making them takes at most a twentieth of the host's time however large it grows.
 */
import type { FastifyInstance } from "fastify";
import { sql } from "kysely";
import type { Context } from "./context.js";
import { checkBooks } from "./invariants.js";
import { refusals } from "../protocol/refusal.js";

/** Counters since the start of this process. */
export interface Metrics { envelopes: Record<"taken" | "repeated" | "refused" | "limited", number>; claims: Record<"granted" | "refused", number> }
export const makeMetrics = (): Metrics => ({ envelopes: { taken: 0, repeated: 0, refused: 0, limited: 0 }, claims: { granted: 0, refused: 0 } });

const share = 20;

/** The answer of `work`, made anew when it is older than twenty times what making it took. Who comes meanwhile waits for the same. */
export function seldom<T>(work: () => Promise<T>, nowMs: () => number = () => performance.now()): () => Promise<T> {
  let kept: { answer: Promise<T>; until: number } | undefined;
  return () => {
    if (kept !== undefined && nowMs() < kept.until) return kept.answer;
    const begin = nowMs();
    const made = { answer: work(), until: Infinity };
    kept = made;
    const end = (): void => { made.until = nowMs() + share * (nowMs() - begin); };
    made.answer.then(end, () => { made.until = 0; });
    return made.answer;
  };
}

/** Lets others have their turn between two parts of long work. */
const rest = (): Promise<void> => new Promise((go) => { setImmediate(go); });

export function watching(app: FastifyInstance, c: Context, m: Metrics): void {
  const books = seldom(async () => ({ at: c.now(), breaches: await checkBooks(c.db, rest) }));
  const text = seldom(async () => await prometheus(c, (await books()).breaches.length));
  app.get("/health", async (_request, reply) => {
    const { at, breaches } = await books();
    return await reply.code(breaches.length === 0 ? 200 : 503).send({ healthy: breaches.length === 0, provider: c.keys.provider, now: c.now(), checkedAt: at, broken: [...new Set(breaches.map((b) => b.check))] });
  });
  app.get("/metrics", async (_request, reply) => reply.type("text/plain; version=0.0.4").send(counters(m) + (await text())));
}

type Line = [labels: string, value: number];
function metric(name: string, kind: "counter" | "gauge", help: string, rows: Line[]): string {
  return [`# HELP kaisatsu_${name} ${help}`, `# TYPE kaisatsu_${name} ${kind}`, ...rows.map(([labels, value]) => `kaisatsu_${name}${labels === "" ? "" : `{${labels}}`} ${value}`)].join("\n") + "\n";
}
/** As the text form escapes it. */
export const label = (name: string, value: string): string => `${name}="${value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n")}"`;

function counters(m: Metrics): string {
  return metric("envelopes_total", "counter", "Envelopes at the device door by result.", Object.entries(m.envelopes).map(([result, n]) => [label("result", result), n]))
    + metric("claims_total", "counter", "Enrolments of terminals by result.", Object.entries(m.claims).map(([result, n]) => [label("result", result), n]));
}

async function prometheus(c: Context, breaches: number): Promise<string> {
  const uses = await c.db.selectFrom("value_use").select(["state", (e) => e.fn.countAll<number>().as("n")]).groupBy("state").execute();
  const refused = await c.db.selectFrom("refused").select(["code", (e) => e.fn.sum<number>("times").as("n")]).groupBy("code").execute();
  const terminals = await c.db.selectFrom("terminal").select(["terminal_id", "name", "seen_at"]).execute();
  const one = async (query: string): Promise<Line[]> => [["", Number((await sql<{ n: number }>`${sql.raw(query)}`.execute(c.db)).rows[0]!.n)]];
  return [
    metric("uses", "gauge", "Uses in the books by state.", uses.map((u) => [label("state", u.state), Number(u.n)])),
    metric("refusals_total", "counter", "Refusals that terminals reported, by code.", refused.map((r) => [label("code", refusals[r.code]?.name ?? String(r.code)), Number(r.n)])),
    metric("incidents_total", "counter", "Lies, copies and contradictions.", await one("select count(*) n from incident")),
    metric("cases_open", "gauge", "Double-use cases to decide.", await one("select count(*) n from double_use_case where decided is null")),
    metric("values_issued_total", "counter", "Values issued.", await one("select count(*) n from issued")),
    metric("terminals_enrolled", "gauge", "Terminals with a certificate.", await one("select count(*) n from terminal where certificate is not null")),
    metric("terminals_suspended", "gauge", "Terminals that are believed no longer.", await one("select count(*) n from terminal where suspended > 0")),
    metric("terminal_seen_age_seconds", "gauge", "Since a terminal was heard; -1 never.", terminals.map((t) => [`${label("terminal", t.name)},${label("id", t.terminal_id)}`, t.seen_at === 0 ? -1 : c.now() - t.seen_at])),
    metric("ledger_breaches", "gauge", "Broken checks of the books; anything but 0 is an alarm.", [["", breaches]]),
    metric("database_bytes", "gauge", "Size of the database.", await one("select page_count * page_size n from pragma_page_count(), pragma_page_size()")),
  ].join("");
}
