/**
 * Rows 48 and 49 by enumeration: every SQL statement of every kind of transaction fails. A lost connection or a killed
 * process leaves the work undone whole; a conflict is tried again, within bounds; a commit of unknown fate is settled by
 * asking again, and the repeated letter gets the stored answer. Nothing counts twice (I1, I4, I8).
 */
import type { Result } from "./journal.js";
import type { Context } from "../../../host/context.js";
import { through } from "../statements.js";
import { transact } from "../../../host/database.js";
import { takeEnvelope } from "../../../host/device.js";
import { checkBooks } from "../../../host/invariants.js";
import { sell } from "../../../host/products.js";
import { setStatus } from "../../../host/status.js";
import { revokeTerminal } from "../../../host/suspension.js";
import { addTerminal, claim } from "../../../host/terminals.js";
import * as handsetLetters from "../../../protocol/wire/handset-letters.js";
import * as w from "../../../protocol/wire/sync.js";
import * as h from "../../host/world.js";

type Act = (c: Context) => Promise<unknown>;
/** What one transaction does, from a world that is ready for it; the same bytes each time. */
type Kind = (x: h.World) => Promise<Act>;

const none = new Uint8Array(0);
const posted = (x: h.World, bytes: Uint8Array): Act => (c) => takeEnvelope(c, x.broker, bytes, x.count);

export const kinds: Record<string, Kind> = {
  records: async (x) => {
    const box = await h.enrolBox(x);
    const { value } = await h.holder(x, "aiko", "ten");
    const first = h.use(x, box, value, undefined), second = h.use(x, box, value, first), twin = h.use(x, box, value, first);
    h.journal(box, { kind: "boot", boot: 1, at: 0, quality: 0 }, first.entry, second.entry, h.reversal(x, box, first), twin.entry, { kind: "closed", tap: 9 });
    return posted(x, h.letter(x, box, w.messageType.records, h.batchOf(box)));
  },
  pull: async (x) => {
    const box = await h.enrolBox(x);
    return posted(x, h.letter(x, box, w.messageType.pull, w.encodePull({ configuration: 0, list: 0, digest: new Uint8Array(8), nonce: new Uint8Array(8), knownTerminals: 0 })));
  },
  renew: async (x) => {
    const box = await h.enrolBox(x);
    const [signing, agreement] = [h.newSecret(x), h.newSecret(x)].map((key) => h.crypto.publicKey(key)!);
    return posted(x, h.letter(x, box, w.messageType.renew, w.encodeRenewal({ counter: 1, signingKey: signing!, agreementKey: agreement! })));
  },
  enrolHandset: (x) => {
    const d = h.makeDevice(x);
    const body = handsetLetters.encodeHandsetEnrolment({ user: "aiko", password: h.password, phone: "", keyClass: 2, consent: none, code: "", signingKey: h.crypto.publicKey(d.signing)!, agreementKey: h.crypto.publicKey(d.agreement)! });
    return Promise.resolve(posted(x, h.letter(x, d, w.messageType.enrolHandset, body)));
  },
  deliver: async (x) => {
    const phone = await h.enrol(x, "aiko");
    await sell(x.context, { product: "ten", user: "aiko", reference: "S-1", paid: "desk" });
    const offers = handsetLetters.decodeOffers((await h.ask(x, phone, w.messageType.collect, handsetLetters.encodeCollect("")))!)!;
    return posted(x, h.letter(x, phone, w.messageType.deliver, handsetLetters.encodeOfferKeys(offers.map((o) => ({ offer: o.offer, publicKey: h.crypto.publicKey(h.newSecret(x))!, keyClass: 2 })))));
  },
  refresh: async (x) => {
    const { phone, value } = await h.holder(x, "aiko", "ten");
    return posted(x, h.letter(x, phone, w.messageType.refresh, handsetLetters.encodeRefresh({ valueId: value.valueId, receipt: none, proof: none })));
  },
  report: async (x) => {
    const box = await h.enrolBox(x);
    const { phone, value } = await h.holder(x, "aiko", "ten");
    return posted(x, h.letter(x, phone, w.messageType.report, handsetLetters.encodeReport([h.use(x, box, value, undefined).record])));
  },
  claim: async (x) => {
    const { claimCode } = await addTerminal(x.context, h.gateOf());
    const asked = h.claimRequest(x, claimCode, [h.newSecret(x), h.newSecret(x), h.newSecret(x)]);
    return (c) => claim(c, asked.bytes);
  },
  sell: () => Promise.resolve((c) => sell(c, { product: "ten", user: "aiko", reference: "S-1", paid: "desk" })),
  "status change": async (x) => {
    const { value } = await h.holder(x, "aiko", "ten");
    return (c) => transact(c.db, (tx) => setStatus(c, tx, Buffer.from(value.valueId).toString("hex"), "revoked"));
  },
  "terminal revoked": async (x) => {
    const box = await h.enrolBox(x);
    return (c) => transact(c.db, (tx) => revokeTerminal(c, tx, box.id, "stolen"));
  },
};

// ---- failing statements -------------------------------------------------------------------------------------------------------

interface Faults {
  /** Statements since the last `begin again`, rollbacks left out: the engine does those by itself. */
  count: number;
  /** Error code for a statement, before it is done or after; undefined lets it be. */
  before(n: number, text: string): string | undefined;
  after(text: string): string | undefined;
}
const quiet = (): Faults => ({ count: 0, before: () => undefined, after: () => undefined });
const tables = ["transfer_set", "transfer", "value", "value_use", "double_use_case", "intake", "terminal_closed", "handover", "member", "handset", "terminal", "certificate", "revocation", "issued", "host_receipt",
  "status_delta", "letter", "entry_taken", "incident", "audit", "invitation"] as const;
/** What stands in the books and registers, as far as it does not hang on what was drawn. */
async function stateOf(x: h.World, checked = true): Promise<string> {
  const rows: string[] = [];
  for (const table of tables) rows.push(`${table} ${(await x.context.db.selectFrom(table).select((e) => e.fn.countAll<number>().as("n")).executeTakeFirstOrThrow()).n}`);
  const uses = await x.context.db.selectFrom("value_use").select(["state", "charged", "lapses"]).orderBy("rowid" as never).execute();
  const breaches = checked ? await checkBooks(x.context.db) : [];
  return JSON.stringify([rows, uses, breaches]);
}

interface Scene { x: h.World; line: { faults: Faults }; run(): Promise<unknown> }
async function sceneOf(kind: Kind): Promise<Scene> {
  const x = await h.openWorld("sql");
  await h.openShop(x);
  const act = await kind(x);
  const line = { faults: quiet() };
  const context: Context = { ...x.context, db: through(x.context.db, { before: (text) => line.faults.before(++line.faults.count, text), after: (text) => line.faults.after(text) }) };
  return { x, line, run: () => act(context) };
}
async function inScene<T>(kind: Kind, work: (s: Scene) => Promise<T>): Promise<T> {
  const s = await sceneOf(kind);
  return await work(s).finally(() => s.x.close());
}
const codeOf = (error: unknown): string => (error as { code?: string }).code ?? String(error);
/** "done", or how it failed. */
const tried = (s: Scene): Promise<string> => s.run().then(() => "done", codeOf);

/** Each statement in turn, in one world: whatever fails leaves everything as it was, so that the next may fail there too. */
async function everyStatement(result: Result, name: string, kind: Kind, faultsAt: (n: number) => Faults, fault: string): Promise<void> {
  const after = await inScene(kind, async (s) => { await s.run(); return { statements: s.line.faults.count, state: await stateOf(s.x) }; });
  await inScene(kind, async (s) => {
    const before = await stateOf(s.x, false);
    for (let n = 1; n <= after.statements; n++) {
      s.line.faults = faultsAt(n);
      const said = await tried(s);
      result.points++;
      result.faults[fault] = (result.faults[fault] ?? 0) + 1;
      s.line.faults = quiet();
      const now = await stateOf(s.x, false);
      if (said === "done" || now !== before) { result.violations.push(`I4 ${name}, ${fault} at statement ${n}: ${said}, ${now === before ? "and nothing was kept" : "and a part of it stayed: " + now}`); return; }
    }
    await settles(result, s, `${name}, after each ${fault}`, after.state);
  });
}

/** Asked again without a fault it is done once; asked a third time the answer is the same and nothing more happens. */
async function settles(result: Result, s: Scene, where: string, expected: string): Promise<void> {
  s.line.faults = quiet();
  const first = await s.run();
  const now = await stateOf(s.x);
  if (now !== expected) result.violations.push(`I4 ${where}: not what one undisturbed run leaves: ${now} instead of ${expected}`);
  if (!(first instanceof Uint8Array)) return;
  const again = await s.run();
  if (!(again instanceof Uint8Array) || Buffer.compare(first, again) !== 0) result.violations.push(`I4 ${where}: the repeated letter got another answer`);
  if ((await stateOf(s.x)) !== expected) result.violations.push(`I4 ${where}: the repeated letter did something`);
}

/** A statement of the first try conflicts; the second goes through, and leaves what an undisturbed run leaves. */
async function conflicts(result: Result, name: string, kind: Kind, stride: number): Promise<void> {
  const after = await inScene(kind, async (s) => { await s.run(); return { statements: s.line.faults.count, state: await stateOf(s.x) }; });
  for (const code of ["40001", "40P01"]) for (let n = after.statements; n > 0; n -= stride) await inScene(kind, async (s) => {
    let open = false, struck = false;
    s.line.faults = { count: 0, after: () => undefined, before: (at, text) => {
      open ||= text === "begin immediate";
      if (at < n || !open || struck) return undefined;
      struck = true;
      return code;
    } };
    const said = await tried(s);
    const now = await stateOf(s.x);
    result.points++;
    result.faults[`conflict ${code}`] = (result.faults[`conflict ${code}`] ?? 0) + 1;
    if (said !== "done" || now !== after.state) result.violations.push(`I4 ${name}, conflict ${code} at statement ${n}: ${said}, ${now}`);
  });
}

/** The commit is done, and nobody hears of it. */
async function unknownCommit(result: Result, name: string, kind: Kind): Promise<void> {
  const expected = await inScene(kind, async (s) => { await s.run(); return await stateOf(s.x); });
  await inScene(kind, async (s) => {
    s.line.faults = { ...quiet(), after: (text) => (text === "commit" ? "08006" : undefined) };
    const said = await tried(s);
    result.points++;
    result.faults["commit of unknown fate"] = (result.faults["commit of unknown fate"] ?? 0) + 1;
    if (said !== "08006" && said !== "done") result.violations.push(`I4 ${name}, commit of unknown fate: ${said}`);
    await settles(result, s, `${name}, after a commit of unknown fate`, expected);
  });
}

/** Whoever always meets a conflict is told so in the end. */
async function bounded(result: Result, name: string, kind: Kind): Promise<void> {
  await inScene(kind, async (s) => {
    const before = await stateOf(s.x);
    let commits = 0;
    s.line.faults = { ...quiet(), before: (_n, text) => (text === "commit" ? (commits++, "40001") : undefined) };
    const said = await tried(s);
    result.points++;
    if (said !== "40001" || commits !== 8 || (await stateOf(s.x)) !== before) result.violations.push(`I4 ${name}, conflict for ever: ${said} after ${commits} commits`);
  });
}

/** The connection is gone for one statement; or the process is, and nothing after it is done either. */
const lostAt = (n: number): Faults => ({ ...quiet(), before: (at) => (at === n ? "08006" : undefined) });
const killedAt = (n: number): Faults => ({ ...quiet(), before: (at) => (at >= n ? "killed" : undefined) });

export interface SqlRun { damage: number; only?: readonly string[]; progress?: (done: number, of: number) => void }
/** `damage` 10 and above: conflicts at every statement, else at each so-many-th from the commit back. */
export async function run(o: SqlRun): Promise<Result> {
  const result: Result = { points: 0, faults: {}, violations: [] };
  const chosen = Object.entries(kinds).filter(([name]) => o.only === undefined || o.only.includes(name));
  for (const [i, [name, kind]] of chosen.entries()) {
    await everyStatement(result, name, kind, lostAt, "lost connection");
    await everyStatement(result, name, kind, killedAt, "kill");
    await conflicts(result, name, kind, Math.max(1, 11 - o.damage));
    await unknownCommit(result, name, kind);
    if (i === 0) await bounded(result, name, kind);
    o.progress?.(i + 1, chosen.length);
  }
  return result;
}
