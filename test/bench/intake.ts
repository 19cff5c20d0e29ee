/**
 * The host takes in what a gate recorded: batches of finished records, each checked, settled and booked in one transaction on
 * this disk, against the bare signature checks that they need.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { median, spent, type Measure, type Options, type Table } from "./measure.js";
import { place } from "./scene.js";
import { openHost } from "../../host/host.js";
import { toHex, type Context } from "../../host/context.js";
import { transact } from "../../host/database.js";
import { takeBatch } from "../../host/intake.js";
import { addIssuer, addMerchant, addProduct, issueOne } from "../../host/products.js";
import { addTerminal } from "../../host/terminals.js";
import { limits } from "../../protocol/limits.js";
import { copy, fromHex, join as joined } from "../../protocol/wire/bytes.js";
import { certificateId, encodeTerminalCertificate, terminalToSign } from "../../protocol/wire/certificate.js";
import { encodeEntry } from "../../protocol/wire/entry.js";
import { acknowledgementToSign, encodeFinishedA, encodeReceipt, receiptKind, receiptToSign } from "../../protocol/wire/receipt.js";
import { encodeSignedClaims, type Batch } from "../../protocol/wire/sync.js";
import { digest16 } from "../../protocol/wire/value.js";
import { crypto, publicOf, secretOf } from "../session/world.js";

const values = limits.batchEntriesMax;

interface Sold { valueId: Uint8Array; secret: Uint8Array; previous: Uint8Array }
interface Gate { terminalId: string; signing: Uint8Array; certificate: Uint8Array; head: Uint8Array; next: number }

/** A host with a product of many uses, so many values sold, each bound to a key, and a certified gate. */
async function prepare(c: Context): Promise<{ sold: Sold[]; gate: Gate }> {
  await addMerchant(c, { merchant: "hall", name: place.merchant });
  await addIssuer(c, { issuer: "box-office", name: "Box office" });
  await addProduct(c, { product: "swim", name: "Twenty swims", kind: "swim", sort: "coupons", most: 20, price: 6000, until: c.now() + 30 * 86_400, zones: [1], issuer: "box-office" });
  const sold: Sold[] = [];
  await transact(c.db, async (tx) => {
    for (let i = 0; i < values; i++) {
      await issueOne(c, tx, { product: "swim", user: `member${i}@example.org`, reference: `S-${i}`, paid: "sold" });
    }
    for (const row of await tx.selectFrom("issued").select("value_id").execute()) {
      const secret = secretOf("bench " + row.value_id);
      await tx.updateTable("issued").set({ holder_key: toHex(publicOf(secret)) }).where("value_id", "=", row.value_id).execute();
      sold.push({ valueId: fromHex(row.value_id)!, secret, previous: digest16(crypto, fromHex(row.value_id)!) });
    }
  });
  return { sold, gate: await certified(c) };
}

async function certified(c: Context): Promise<Gate> {
  const { terminalId } = await addTerminal(c, { name: place.name, role: "gate", merchant: "hall", zones: [1], takes: [{ kind: "swim", action: 1, zone: 1 }] });
  const signing = secretOf("bench signing");
  const claims = encodeTerminalCertificate({
    zones: [1], expires: c.now() + 14 * 86_400, notBefore: c.now() - 60, terminalId: fromHex(terminalId)!, signingKey: publicOf(signing), agreementKey: publicOf(secretOf("bench agreement")), role: 1, kinds: ["swim"],
    most: 5000, currency: 978, name: place.name, merchant: place.merchant, group: 0,
  });
  const kid = c.keys.shortKid("certificates");
  const bytes = encodeSignedClaims(kid, claims, c.keys.sign("certificates", terminalToSign(kid, claims)));
  const certificate = certificateId(crypto, claims);
  await c.db.insertInto("certificate").values({ number: 1, certificate_id: toHex(certificate), terminal_id: terminalId, bytes, issued_at: c.now(), expires: c.now() + 14 * 86_400 }).execute();
  return { terminalId, signing, certificate, head: new Uint8Array(16), next: 1 };
}

/** One use of every value, as the gate's journal has them. */
function batchOf(c: Context, gate: Gate, sold: readonly Sold[], counter: number): Batch {
  const first = gate.next;
  const entries = sold.map((s, i) => {
    const receipt = encodeReceipt({
      kind: receiptKind.use, terminal: gate.certificate, tap: new Uint8Array([0, 0, counter, i]), valueId: s.valueId, counter, previous: s.previous, action: 1, amount: 1, after: counter, at: c.now(),
      quality: 2, until: c.now() + 600, base: undefined, fold: undefined,
    });
    s.previous = digest16(crypto, receipt);
    const record = encodeFinishedA({
      terminalId: fromHex(gate.terminalId)!, receipt, signature: crypto.sign(gate.signing, receiptToSign(receipt)), acknowledgement: crypto.sign(s.secret, acknowledgementToSign(crypto, receipt)),
    });
    const entry = encodeEntry({ kind: "finished", profile: "A", record, valueKind: "swim", own: true, ownerSequence: 0, statusIndex: i, expires: c.now() + 86_400 });
    gate.head = copy(crypto.sha256(joined([gate.head, entry])), 0, 16);
    gate.next++;
    return entry;
  });
  return { boot: 1, first, entries, head: gate.head };
}

interface Took { wallMs: number; processorMs: number }

async function take(c: Context, gate: Gate, batch: Batch): Promise<Took> {
  const begin = { at: performance.now(), processor: process.cpuUsage() };
  const through = await transact(c.db, async (tx) => takeBatch(c, tx, await tx.selectFrom("terminal").selectAll().where("terminal_id", "=", gate.terminalId).executeTakeFirstOrThrow(), batch));
  const used = process.cpuUsage(begin.processor);
  const took = { wallMs: performance.now() - begin.at, processorMs: (used.user + used.system) / 1000 };
  if (through !== batch.first + batch.entries.length - 1) throw new Error(`The host took the batch through ${through} only.`);
  return took;
}

/** Two signatures a record: the terminal's, always the same key, and the value's own. */
function bareChecks(gate: Gate, sold: readonly Sold[]): number {
  const message = new Uint8Array(150).fill(1);
  const byGate = crypto.sign(gate.signing, message);
  const signed = sold.map((s) => ({ key: publicOf(s.secret), signature: crypto.sign(s.secret, message) }));
  const own = publicOf(gate.signing);
  return spent(() => { for (const s of signed) { crypto.verify(own, message, byGate); crypto.verify(s.key, message, s.signature); } }) / 1000;
}

async function run(o: Options): Promise<Table[]> {
  const folder = mkdtempSync(join(tmpdir(), "kaisatsu-bench-"));
  const host = await openHost({ folder: join(folder, "host"), name: "example" });
  try {
    const c = host.context;
    const { sold, gate } = await prepare(c);
    const took: Took[] = [];
    const bare: number[] = [];
    for (let counter = 1; counter <= (o.quick ? 3 : 8); counter++) {
      took.push(await take(c, gate, batchOf(c, gate, sold, counter)));
      bare.push(bareChecks(gate, sold));
    }
    const incidents = await c.db.selectFrom("incident").select("what").execute();
    if (incidents.length > 0) throw new Error(`The host found an incident: ${incidents[0]!.what}.`);
    const perBatch = median(took.slice(1).map((t) => t.wallMs));
    const floor = { value: median(bare.slice(1)), of: `${2 * values} signature checks` };
    return [{ title: `The host takes in a batch of ${values} finished records`, figures: [
      { what: `one batch: ${((values * 1000) / perBatch).toFixed(0)} records a second`, value: perBatch, unit: "ms", floor },
      { what: "  of which processor time", value: median(took.slice(1).map((t) => t.processorMs)), unit: "ms", floor },
    ], notes: ["checked, settled by product and merchant, booked in the ledger, durable; the first batch does not count"] }];
  } finally {
    await host.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

export const intake: Measure = { name: "intake", summary: "the host takes in what a gate recorded", run };
