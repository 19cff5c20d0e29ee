/**
 * The reference model: what all journals say, replayed by a page that shares no code with the product, and compared with the
 * host's books and the holders' receipts. CBOR is read by an independent library, signatures are checked by OpenSSL.
 */
import { createPublicKey, ECDH, hash, verify, type KeyObject } from "node:crypto";
import { decode, encode } from "cborg";
import { sql } from "kysely";
import type { GateActor } from "./gate.js";
import { joinedIn } from "./joined.js";
import { isLost, lostOf } from "./restored.js";
import type { World } from "./world.js";
import { checkBooks } from "../../host/invariants.js";

export interface Receipt { bytes: Uint8Array; id: string; terminal: string; value: string; counter: number; previous: string; amount: number; after: number; base: number }
export interface Finished { gate: string; sequence: number; receipt: Receipt; profile: number; own: boolean; record: Uint8Array[] }
export interface Issued { value: string; holder: string; code: string; price: number; uses: number; copied: boolean; limit: { uses: number; amount: number }; claims: Uint8Array }

/** What the end is read from: the books, what was issued, and every finished use of every journal. */
export interface Reading {
  rows: Rows; issued: Map<string, Issued>; finished: readonly Finished[]; fail: Fail;
  /** The host must have this entry: not so of a box that is gone, or of one that a thief spoke for. */
  isHeard(g: GateActor, sequence: number): boolean;
}

const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const read = (bytes: Uint8Array): unknown => decode(bytes, { useMaps: true });
const digest16 = (bytes: Uint8Array): string => hash("sha256", bytes, "hex").slice(0, 32);

function receiptOf(bytes: Uint8Array): Receipt {
  const x = read(bytes) as unknown[];
  const base = x[12] as number[] | null;
  return {
    bytes, id: digest16(bytes), terminal: hexOf(x[1] as Uint8Array), value: hexOf(x[3] as Uint8Array), counter: x[4] as number, previous: hexOf(x[5] as Uint8Array),
    amount: x[7] as number, after: x[8] as number, base: base === null ? 0 : base[0]!,
  };
}

/** Keys of all worlds of this process, by their points: most are those of the first morning. */
const imported = new Map<string, KeyObject>();
function importKey(point: string): KeyObject {
  const known = imported.get(point);
  if (known !== undefined) return known;
  const full = ECDH.convertKey(Buffer.from(point, "hex"), "prime256v1", undefined, undefined, "uncompressed") as Buffer;
  const key = createPublicKey({ key: { kty: "EC", crv: "P-256", x: full.subarray(1, 33).toString("base64url"), y: full.subarray(33).toString("base64url") }, format: "jwk" });
  if (imported.size >= 1_000) imported.clear();
  imported.set(point, key);
  return key;
}

/** ES256 over a COSE Sig_structure with the class in its protected header. */
function signedBy(point: string, name: string, payload: Uint8Array, signature: Uint8Array): boolean {
  const key = importKey(point);
  const header = encode(new Map<number, unknown>([[1, -9], [16, `application/vnd.kaisatsu.${name}+cbor`]]));
  return verify("sha256", encode(["Signature1", header, new Uint8Array(0), payload]), { key, dsaEncoding: "ieee-p1363" }, signature);
}

export async function checkEnd(world: World): Promise<void> {
  const db = world.host.context.db;
  const fail = (invariant: string, what: string): void => world.oracle.broken(invariant, what);
  const rows = async <T>(query: string): Promise<T[]> => (await sql<T>`${sql.raw(query)}`.execute(db)).rows;
  const issued = await readIssued(world, rows);
  const certificates = new Map((await rows<{ certificate_id: string; terminal_id: string; bytes: Uint8Array }>("select certificate_id, terminal_id, bytes from certificate"))
    .map((r) => [r.certificate_id, (read((read(new Uint8Array(r.bytes)) as Uint8Array[])[1]!) as Map<number, Map<number, Map<number, Uint8Array>>>)]));
  const finished: Finished[] = [];
  const reversed = new Set<string>();
  for (const gate of world.gates) replay(world, gate.name, finished, reversed);
  for (const f of finished) genuine(f, issued, certificates, fail);
  for (const [value, x] of issued) oneValue(x, finished.filter((f) => f.receipt.value === value), reversed, fail);
  const unsure = new Set(world.gates.filter((g) => g.impersonated).map((g) => g.name));
  const restored = world.desk.fired["host_restored"] !== undefined;
  const isHeard = await heardEntries(world, rows);
  await booksAgree(rows, issued, finished, reversed, unsure, restored, fail, (f) => isHeard(world.gates.find((g) => g.name === f.gate)!, f.sequence));
  await takenWhole(world, rows, fail);
  for (const joined of joinedIn(world)) await joined.check?.(world, { rows, issued, finished, fail, isHeard });
  for (const lie of await rows<{ about: string; detail: string }>("select about, detail from incident join terminal on identity_kid = about where what = 'two letters with one number'")) {
    if (unsure.size === 0 && !restored) fail("I8", `a device used a letter number twice: ${lie.about} ${lie.detail}`);
  }
  for (const breach of await checkBooks(db)) fail("I1", `the books break ${breach.check} at ${breach.at}`);
  passages(world, issued, finished, reversed, fail);
  if (!restored) await listsAgree(world, rows, fail);
}

export type Rows = <T>(query: string) => Promise<T[]>;
export type Fail = (invariant: string, what: string) => void;

/** What a box that is gone did not tell, or was declared lost, is nobody's to know; neither is what a suspended identity told. */
async function heardEntries(world: World, rows: Rows): Promise<Reading["isHeard"]> {
  const through = new Map((await rows<{ name: string; n: number }>("select t.name, max(e.sequence) as n from entry_taken e join terminal t on t.terminal_id = e.terminal_id group by t.name")).map((r) => [r.name, r.n]));
  return (g, sequence) => !g.stolen && !g.impersonated && !isLost(g, sequence) && (!g.gone || sequence <= (through.get(g.name) ?? 0));
}

async function readIssued(world: World, rows: Rows): Promise<Map<string, Issued>> {
  const found = new Map<string, Issued>();
  const list = await rows<Record<string, string | number> & { value: Uint8Array }>(`select i.value_id, i.grant_id, i.holder_key, i.user_id, i.value, p.offline from issued i join product p on p.product_id = i.product_id`);
  const money = new Map((await rows<{ value_id: string; code: string; price: number; uses: number; loaded: number }>("select * from value")).map((v) => [v.value_id, v]));
  for (const r of list) {
    const owner = world.handsets.filter((h) => h.name === r["user_id"] || `handset${h.index}` === r["user_id"]);
    const copied = owner.some((h) => h.copied);
    for (const id of [r["value_id"], r["grant_id"]]) {
      const m = id === null ? undefined : money.get(id as string);
      const claims = (read(new Uint8Array(r.value)) as Uint8Array[])[1]!;
      if (m !== undefined) found.set(id as string, { value: id as string, holder: r["holder_key"] as string, code: m.code, price: m.price, uses: m.uses, copied, limit: JSON.parse(r["offline"] as string) as Issued["limit"], claims });
    }
  }
  return found;
}

/** Reads one gate's history in order; a stolen gate's is the thief's own. */
function replay(world: World, gate: string, finished: Finished[], reversed: Set<string>): void {
  const book = world.oracle.gates.get(gate)!;
  for (const sequence of [...book.written.keys()].sort((a, b) => a - b)) {
    const items = read(book.written.get(sequence)!) as unknown[];
    if (items[0] === 1) {
      const record = read(items[2] as Uint8Array) as Uint8Array[];
      finished.push({ gate, sequence, profile: items[1] as number, receipt: receiptOf(items[1] === 1 ? record[1]! : record[0]!), own: items[4] as boolean, record });
    }
    // A thief may sign away what the gate that he copied still lets through; whether the host believes him is another question.
    if (items[0] === 5 && !gate.startsWith("thief")) reversed.add(hexOf((read(items[1] as Uint8Array) as Uint8Array[])[5]!));
  }
}

/** The terminal said so, and the value's own key agreed to exactly that (I7). */
function genuine(f: Finished, issued: Map<string, Issued>, certificates: Map<string, Map<number, Map<number, Map<number, Uint8Array>>>>, fail: Fail): void {
  const value = issued.get(f.receipt.value);
  if (value === undefined) { fail("I7", `${f.gate} finished a use of ${f.receipt.value}, which was never issued`); return; }
  const digest = hash("sha256", f.receipt.bytes, "buffer");
  const evidence = f.profile === 1 ? f.record[3]! : f.record[2]!;
  if (!signedBy(value.holder, "acknowledgement", digest, evidence)) fail("I7", `${f.gate} finished ${f.receipt.value}:${f.receipt.counter} without its key's agreement`);
  if (f.profile !== 1) return;
  const key = certificates.get(f.receipt.terminal)?.get(8)?.get(1);
  if (key === undefined) { fail("I7", `a receipt names terminal ${f.receipt.terminal}, which was never certified`); return; }
  const [x, y] = [key.get(-2) as Uint8Array, key.get(-3) as Uint8Array | boolean];
  const odd = typeof y === "boolean" ? y : (y[31]! & 1) === 1;
  if (!signedBy((odd ? "03" : "02") + hexOf(x), "receipt", f.receipt.bytes, f.record[2]!)) fail("I7", `${f.gate} finished ${f.receipt.value}:${f.receipt.counter} on a forged receipt`);
}

/** One value's uses over all gates: at most once, in a chain, within what it holds; copies stay within their limit at each gate. */
function oneValue(x: Issued, uses: Finished[], reversed: Set<string>, fail: Fail): void {
  const perGate = new Map<string, Finished[]>();
  for (const f of uses) perGate.set(f.gate, [...(perGate.get(f.gate) ?? []), f]);
  for (const [gate, list] of perGate) {
    if (new Set(list.map((f) => f.receipt.counter)).size !== list.length) fail("I2", `${gate} finished one counter of ${x.value} twice`);
    for (let i = 1; i < list.length; i++) if (list[i]!.receipt.counter <= list[i - 1]!.receipt.counter) fail("I8", `${gate} went back in the chain of ${x.value}`);
    for (const base of new Set(list.map((f) => f.receipt.base))) {
      const counted = list.filter((f) => f.receipt.base === base && f.receipt.amount > 0);
      if (counted.length > x.limit.uses) fail("I2", `${gate} accepted ${counted.length} uses of ${x.value} on one base, of ${x.limit.uses}`);
    }
  }
  if (x.copied) return;
  const honest = uses.filter((f) => !f.gate.startsWith("thief"));
  const ids = new Set(uses.map((f) => f.receipt.id));
  if (new Set(honest.map((f) => f.receipt.id)).size !== honest.length) fail("I4", `a use of ${x.value} was finished at two gates`);
  if (new Set(uses.map((f) => f.receipt.counter)).size !== ids.size) fail("I2", `an honest holder's ${x.value} has a counter finished twice`);
  const worth = x.code === "prepaid" ? x.price : x.uses;
  const spent = honest.filter((f) => !reversed.has(f.receipt.id)).reduce((sum, f) => sum + f.receipt.amount, 0);
  if (spent > worth) fail("I1", `${x.value} spent ${spent} of ${worth}`);
}

/** The host has every finished use once, charged as the model says, and a case for each double use and for no other. */
async function booksAgree(rows: Rows, issued: Map<string, Issued>, finished: Finished[], reversed: Set<string>, unsure: Set<string>, loose: boolean, fail: Fail, isHeard: (f: Finished) => boolean): Promise<void> {
  const uses = await rows<{ use_id: string; value_id: string; counter: number; state: string; charged: number; journal: number; acknowledged: number; case_id: string | null; one_way: number }>("select * from value_use");
  // What was also shown as a code has uses outside its chain: `scanner.ts` looks at those.
  const shown = new Set(uses.filter((u) => u.one_way === 1).map((u) => u.value_id));
  const byId = new Map(uses.map((u) => [u.use_id, u]));
  const cases = new Set((await rows<{ value_id: string }>("select value_id from double_use_case")).map((c) => c.value_id));
  const thieves = new Set(finished.filter((f) => f.gate.startsWith("thief") || unsure.has(f.gate)).map((f) => f.receipt.value));
  for (const f of finished) {
    if (f.gate.startsWith("thief") || unsure.has(f.gate) || !isHeard(f)) continue;
    const u = byId.get(f.receipt.id);
    const name = `${f.receipt.value}:${f.receipt.counter} of ${f.gate}`;
    if (u === undefined) { fail("I1", `the books lack ${name}${await said(rows, f)}`); continue; }
    if (u.journal !== 1 || u.acknowledged !== 1) fail("I1", `the books have ${name} unproven`);
    const wanted = reversed.has(f.receipt.id) ? "reversed" : "finished";
    if (u.state !== wanted && !issued.get(f.receipt.value)!.copied && !thieves.has(f.receipt.value) && !shown.has(f.receipt.value)) fail("I1", `the books say ${u.state} of ${name}, which is ${wanted}`);
  }
  const proven = new Set(finished.map((f) => f.receipt.id));
  for (const u of uses) if (u.journal === 1 && u.one_way === 0 && !proven.has(u.use_id)) fail("I4", `the books have a use of ${u.value_id}:${u.counter} that no journal has`);
  for (const [value, x] of issued) {
    const list = finished.filter((f) => f.receipt.value === value && !f.gate.startsWith("thief"));
    if (list.some((f) => !isHeard(f))) continue;
    const twice = list.some((f) => list.some((g) => g.receipt.counter === f.receipt.counter && g.receipt.id !== f.receipt.id));
    if (twice && !cases.has(value) && !thieves.has(value)) fail("I2", `${value} was used twice at one counter and no case is open`);
    if (x.copied || thieves.has(value) || shown.has(value) || loose) continue;
    if (cases.has(value)) fail("I2", `an honest holder's ${value} has a double-use case`);
    const charged = uses.filter((u) => u.value_id === value && u.state === "finished").reduce((sum, u) => sum + u.charged, 0);
    const until = (units: number): number => (x.code === "prepaid" ? units : Math.floor((2 * x.price * units + x.uses) / (2 * x.uses)));
    const due = list.filter((f) => !reversed.has(f.receipt.id)).reduce((sum, f) => sum + until(f.receipt.after) - until(f.receipt.after - f.receipt.amount), 0);
    if (charged !== due) fail("I1", `${value} was charged ${charged}, the journals say ${due}`);
  }
}

/** What the host said of a record that it did not book. */
async function said(rows: Rows, f: Finished): Promise<string> {
  const list = await rows<{ what: string; detail: string }>("select what, detail from incident");
  const found = list.find((i) => i.detail.includes(hexOf(f.receipt.bytes)));
  const held = await rows<{ what: string }>(`select i.what from incident i join terminal t on t.terminal_id = i.about where t.name = '${f.gate}' and t.suspended <> 0`);
  if (found === undefined && held.length > 0) return `: its gate is suspended, ${held.map((i) => i.what).join(", ")}`;
  return found === undefined ? "" : `: ${found.what} (amount ${f.receipt.amount}, after ${f.receipt.after}, base ${f.receipt.base})`;
}

/** Everybody holds the newest list, as the host signed it (I15). A host without its newest numbers gives old ones out again. */
async function listsAgree(world: World, rows: Rows, fail: Fail): Promise<void> {
  const settings = new Map((await rows<{ name: string; value: string }>("select name, value from setting where name in ('number status', 'status bits')")).map((r) => [r.name, r.value]));
  const bits = Buffer.from(settings.get("status bits") ?? "", "base64").toString("hex");
  for (const g of world.gates) {
    if (g.gone || g.impersonated || g.terminal === undefined) continue;
    const { listNumber, statusBits } = g.terminal.setup;
    if (listNumber !== Number(settings.get("number status"))) fail("I15", `${g.name} holds list ${listNumber}, the newest is ${settings.get("number status")}`);
    else if (hexOf(statusBits!) !== bits || hexOf(g.terminal.book.statusBits!) !== bits) fail("I15", `${g.name} holds or goes by another list ${listNumber} than the host's`);
  }
}

/** Every entry of every gate, once, as it was written (I4, I14). */
async function takenWhole(world: World, rows: Rows, fail: Fail): Promise<void> {
  const taken = await rows<{ name: string; sequence: number; digest: string }>("select t.name, e.sequence, e.digest from entry_taken e join terminal t on t.terminal_id = e.terminal_id order by t.name, e.sequence");
  for (const gate of world.gates) {
    if (gate.stolen || gate.impersonated) continue;
    const book = world.oracle.gates.get(gate.name)!;
    const list = taken.filter((t) => t.name === gate.name);
    if (list.length + lostOf(gate) !== book.next - 1 && !gate.gone) fail("I14", `the host has ${list.length} of the ${book.next - 1} entries of ${gate.name}`);
    let expected = 1;
    for (const t of list) {
      while (isLost(gate, expected)) expected++;
      if (t.sequence !== expected++) { fail("I14", `${gate.name}'s entries at the host have a gap before ${t.sequence}`); break; }
      const written = book.written.get(t.sequence);
      if (written !== undefined && digest16(written) !== t.digest) fail("I4", `the host has another entry ${t.sequence} of ${gate.name}`);
    }
  }
}

/** Whoever passed has paid for it, and the use was not undone. */
function passages(world: World, issued: Map<string, Issued>, finished: Finished[], reversed: Set<string>, fail: Fail): void {
  for (const [gate, list] of world.oracle.passages) {
    for (const use of list) {
      const f = finished.find((x) => x.gate === gate && `${x.receipt.value}:${x.receipt.counter}` === use);
      if (f === undefined) { fail("I3", `somebody passed ${gate} for ${use}, which is in no journal`); continue; }
      if (reversed.has(f.receipt.id) && !issued.get(f.receipt.value)!.copied) fail("I1", `${use} was passed for at ${gate} and undone`);
    }
  }
}
