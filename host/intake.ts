/**
 * What terminals recorded arrives here, each entry once, by its place in the terminal's chain (`design.md` §8). A finished
 * record is believed for its signatures alone: the provider certified terminal and value, the terminal said amount and
 * counter, the value's own key agreed. What cannot be believed is an incident; the batch is taken all the same, so that no
 * lie of one entry wedges a terminal.
 */
import { sql } from "kysely";
import { fromHex, noteIncident, recordingAt, toHex, type Context } from "./context.js";
import type { Tx } from "./database.js";
import { macedUnder, openForgery } from "./groups.js";
import { isOutage } from "./sqlite.js";
import { statement } from "./statement.js";
import { setStatuses } from "./status.js";
import { suspension, type TerminalRow } from "./terminals.js";
import type { IssuedRow, ProductRow } from "./products.js";
import { closeThrough, expireUnfinished, handOver, openSuperseded, recordUse, reverseUse, type Use } from "./use.js";
import { fromBytes4 } from "../protocol/session/transcript.js";
import { beaconToSign } from "../protocol/session/oneway.js";
import { copy, join } from "../protocol/wire/bytes.js";
import { decodeTerminalCertificate, type TerminalCertificate } from "../protocol/wire/certificate.js";
import { decodeEntry, signerNamedIn, type BeaconEntry, type Entry, type FinishedEntry } from "../protocol/wire/entry.js";
import { decodeBeacon } from "../protocol/wire/message-b.js";
import { acknowledgementToSign, action, decodeFinishedA, decodeFinishedB, decodeReceipt, decodeReversal, receiptKind, receiptToSign, reversalToSign, type Receipt } from "../protocol/wire/receipt.js";
import { decodeSignedClaims, type Batch } from "../protocol/wire/sync.js";
import { decodeValue, digest16, flag, unit } from "../protocol/wire/value.js";

/** Seconds that clocks of a terminal and of this host may differ. */
const clockSlack = 300;
/** Entries so far ahead of a gap are taken; a box that claims to be further is not believed. */
const aheadMost = 65_536;
/** Of an entry that is kept as evidence, so much stands in its incident. */
const evidenceMost = 4096;

/**
 * Takes a batch; answers the sequence through which everything is durable here once this transaction is. A gap delays
 * nothing that did arrive (`money.md` §4): entries beyond it are taken, and the answer asks for what is missing.
 */
export async function takeBatch(c: Context, tx: Tx, t: TerminalRow, batch: Batch): Promise<number> {
  const last = batch.first + batch.entries.length - 1;
  if (batch.first < 1 || last > t.confirmed + aheadMost) {
    await noteIncident(tx, "a batch with sequences that cannot be", t.terminal_id, `from ${batch.first}`, c.now());
    return t.confirmed;
  }
  const known = await knownEntries(tx, t.terminal_id, batch.first, last);
  for (let i = 0; i < batch.entries.length; i++) {
    const sequence = batch.first + i;
    const before = known.get(sequence);
    if (before === undefined) await takeEntry(c, tx, t, sequence, batch.entries[i]!);
    else if (before !== toHex(digest16(c.crypto, batch.entries[i]!))) return await twoBoxes(c, tx, t, sequence, before, batch.entries[i]!);
  }
  await expireUnfinished(tx, recordingAt(c.now()));
  await suspendCased(c, tx);
  return await moveOn(c, tx, t, batch, last);
}

/**
 * The part of a batch before the first record under a certificate that nobody here knows. Whoever shows one certificate with a
 * letter has others to show: it says that record again with the certificate that it names, or with none when that is lost.
 */
export async function checkable(tx: Tx, batch: Batch): Promise<Batch> {
  for (let i = 0; i < batch.entries.length; i++) {
    const id = signerNamedIn(batch.entries[i]!);
    if (id === undefined || (await certificateFor(tx, id)) !== undefined) continue;
    if ((await tx.selectFrom("terminal").select("name").where("terminal_id", "=", toHex(id)).executeTakeFirst()) !== undefined) continue;
    return { ...batch, entries: batch.entries.slice(0, i), head: new Uint8Array(0) };
  }
  return batch;
}

async function knownEntries(tx: Tx, terminalId: string, first: number, last: number): Promise<Map<number, string>> {
  const rows = await tx.selectFrom("entry_taken").select(["sequence", "digest"]).where("terminal_id", "=", terminalId).where("sequence", ">=", first).where("sequence", "<=", last).execute();
  return new Map(rows.map((r) => [r.sequence, r.digest]));
}

/** Another entry under a number that was taken: a second box has this identity (`trust.md` §3). Both are evidence. */
async function twoBoxes(c: Context, tx: Tx, t: TerminalRow, sequence: number, digest: string, bytes: Uint8Array): Promise<number> {
  await noteIncident(tx, "two entries with one number", t.terminal_id, `sequence ${sequence}: ${digest} and ${evidence(bytes)}`, c.now());
  await tx.updateTable("terminal").set({ suspended: Math.max(t.suspended, suspension.suspended) }).where("terminal_id", "=", t.terminal_id).execute();
  return t.confirmed;
}

/** Confirms what is whole from the beginning, checks the chain where it can, and tells of a gap when it opens. */
async function moveOn(c: Context, tx: Tx, t: TerminalRow, batch: Batch, last: number): Promise<number> {
  const through = await wholeThrough(tx, t);
  if (batch.first <= t.confirmed + 1 && last > t.confirmed) {
    const fresh = batch.entries.slice(t.confirmed + 1 - batch.first);
    const head = fresh.reduce((h, bytes) => copy(c.crypto.sha256(join([h, bytes])), 0, 16), fromHex(t.head));
    if (t.head !== "" && batch.head.length > 0 && toHex(head) !== toHex(batch.head)) await noteIncident(tx, "chain differs", t.terminal_id, `through ${last}`, c.now());
  }
  const gap = batch.first > t.confirmed + 1 && through === t.confirmed;
  if (gap && t.gap !== t.confirmed) {
    await noteIncident(tx, "entries are missing", t.terminal_id, `from ${t.confirmed + 1} to ${batch.first - 1}`, c.now());
  }
  // The head of a batch that ends elsewhere says nothing of `through`: the chain is taken up again with the next one.
  const head = through === t.confirmed ? t.head : through === last ? toHex(batch.head) : "";
  await tx.updateTable("terminal").set({ confirmed: through, gap: gap ? t.confirmed : t.gap, head, boot: Math.max(t.boot, batch.boot), seen_at: c.now() }).where("terminal_id", "=", t.terminal_id).execute();
  return through;
}

/** The last sequence before the first that is missing. */
export async function wholeThrough(tx: Tx, t: Pick<TerminalRow, "terminal_id" | "confirmed">): Promise<number> {
  const rows = await tx.selectFrom("entry_taken").select("sequence").where("terminal_id", "=", t.terminal_id).where("sequence", ">", t.confirmed).orderBy("sequence").execute();
  let through = t.confirmed;
  for (const { sequence } of rows) if (sequence === through + 1) through = sequence; else break;
  return through;
}

const evidence = (bytes: Uint8Array): string => toHex(bytes.subarray(0, evidenceMost));

const entryTaken = statement((tx, x: { terminal: string; sequence: number; digest: string; kind: string; held: Uint8Array | null }) =>
  tx.insertInto("entry_taken").values({ terminal_id: x.terminal, sequence: x.sequence, digest: x.digest, kind: x.kind, held: x.held }));
/** An entry of a terminal that is believed no longer is kept, and counts when an operator says so. */
async function takeEntry(c: Context, tx: Tx, t: TerminalRow, sequence: number, bytes: Uint8Array): Promise<void> {
  const entry = decodeEntry(bytes);
  await entryTaken(tx, {
    terminal: t.terminal_id, sequence, digest: toHex(digest16(c.crypto, bytes)), kind: entry?.kind ?? "unreadable", held: t.suspended === 0 ? null : bytes,
  });
  if (t.suspended === 0) await countEntry(c, tx, t, sequence, bytes);
}

/**
 * What one entry says is done whole or not at all: whatever is wrong with it becomes an incident, and the next one is taken.
 * A database that fails says nothing about the entry: then nothing of the batch is taken, and the terminal brings it again.
 */
export async function countEntry(c: Context, tx: Tx, t: TerminalRow, sequence: number, bytes: Uint8Array): Promise<void> {
  const entry = decodeEntry(bytes);
  await sql`savepoint entry`.execute(tx);
  const wrong = entry === undefined ? "the entry cannot be read" : await settleEntry(c, tx, t, entry).catch((error: unknown) => (isOutage(error) ? Promise.reject(error as Error) : `the entry fits nothing (${String(error)})`));
  if (wrong !== undefined) await sql`rollback to entry`.execute(tx);
  await sql`release entry`.execute(tx);
  if (wrong !== undefined) await noteIncident(tx, wrong, t.terminal_id, `sequence ${sequence}: ${evidence(bytes)}`, c.now());
}

/** A value whose case the books opened is suspended on the list, too, by whatever road its records came. */
async function suspendCased(c: Context, tx: Tx): Promise<void> {
  const cases = await tx.selectFrom("double_use_case").select(["case_id", "value_id"]).where(sql<boolean>`listed = 0`).execute();
  for (const x of cases) {
    const byId = await tx.selectFrom("issued").select(["value_id", "status"]).where("value_id", "=", x.value_id).executeTakeFirst();
    const value = byId ?? (await tx.selectFrom("board_grant").innerJoin("issued", "issued.value_id", "board_grant.value_id").select(["issued.value_id", "status"]).where("board_grant.grant_id", "=", x.value_id).executeTakeFirst());
    if (value?.status === 0) await setStatuses(c, tx, [value.value_id], "suspended");
    await tx.updateTable("double_use_case").set({ listed: 1 }).where("case_id", "=", x.case_id).execute();
  }
}

/** Does what the entry says; answers what is wrong with it, if anything. */
async function settleEntry(c: Context, tx: Tx, t: TerminalRow, e: Entry): Promise<string | undefined> {
  switch (e.kind) {
    case "finished": return await settleFinished(c, tx, t, e);
    case "beacon": return await settleBeacon(c, tx, t, e);
    case "reversal": return await settleReversal(c, tx, t, e.reversal, e.proof);
    case "handover": await handOver(tx, t.terminal_id, toHex(e.receiptDigest), recordingAt(c.now())); return undefined;
    case "closed": await closeThrough(tx, t.terminal_id, e.tap, recordingAt(c.now())); return undefined;
    case "refused":
      await tx.insertInto("refused").values({ terminal_id: t.terminal_id, code: e.code, times: 1 })
        .onConflict((o) => o.columns(["terminal_id", "code"]).doUpdateSet((eb) => ({ times: eb("refused.times", "+", 1) }))).execute();
      return undefined;
    case "incident": return `reported: ${e.what}`;
    default: return undefined;
  }
}

// ---- finished records -----------------------------------------------------------------------------------------------------

/** A record whose evidence has been checked. `maker` is the terminal that made the receipt. */
interface Proven { receipt: Receipt; bytes: Uint8Array; maker: string; value: IssuedRow; product: ProductRow; ledgerId: string; /** By a former holder, after he had handed it on. */ superseded: boolean }

async function settleFinished(c: Context, tx: Tx, t: TerminalRow, e: FinishedEntry): Promise<string | undefined> {
  const found = e.profile === "A" ? await provenA(c, tx, e.record) : await provenB(c, tx, t, e.record);
  if (found === undefined || typeof found === "string") return found;
  const use: Use = { ...useOf(c, found, await merchantOf(tx, found.maker), "journal", e.record), finisher: t.terminal_id };
  const answer = await recordUse(tx, use, recordingAt(c.now()));
  if (found.superseded) await openSuperseded(tx, use.useId, recordingAt(c.now()));
  return typeof answer === "object" && "incident" in answer ? "the record contradicts an earlier one" : undefined;
}

async function provenA(c: Context, tx: Tx, record: Uint8Array): Promise<Proven | string> {
  const x = decodeFinishedA(record);
  const receipt = x === undefined ? undefined : decodeReceipt(x.receipt);
  if (x === undefined || receipt === undefined) return "the record cannot be read";
  const certificate = await certificateFor(tx, receipt.terminal);
  if (certificate === undefined) return "the receipt names a terminal that was never certified";
  if (!c.crypto.verify(certificate.decoded.signingKey, receiptToSign(x.receipt), x.signature)) return "the terminal's signature is not genuine";
  const late = timeOf(receipt, certificate.decoded);
  return late ?? (await provenValue(c, tx, receipt, x.receipt, x.acknowledgement, certificate.terminalId, certificate.decoded, toHex(receipt.valueId)));
}

/** A certificate past its end is good for half its life more, for a tenth of its limit (`trust.md` §2); before its begin for nothing. */
function timeOf(receipt: Receipt, k: TerminalCertificate): string | undefined {
  if (receipt.quality < 2) return undefined;
  if (receipt.at < k.notBefore - clockSlack) return "the receipt is older than its certificate";
  if (receipt.at <= k.expires + clockSlack) return undefined;
  if (receipt.at > k.expires + (k.expires - k.notBefore) / 2) return "the receipt is later than its certificate allows";
  return receipt.amount * 10 > Math.max(10, k.most) ? "the amount is above a tenth of an ended certificate" : undefined;
}

/** The MAC is the group's in its epoch; the evidence is the value key's own. Undefined for a forged grant, which has its own case. */
async function provenB(c: Context, tx: Tx, t: TerminalRow, record: Uint8Array): Promise<Proven | string | undefined> {
  const x = decodeFinishedB(record);
  const receipt = x === undefined ? undefined : decodeReceipt(x.receipt);
  if (x === undefined || receipt === undefined || t.group_number === 0) return "the record cannot be read";
  const epoch = await macedUnder(c, tx, t.group_number, "receipt", x.receipt, x.mac);
  if (epoch === undefined) return "the receipt's MAC is not the group's";
  const grantId = toHex(receipt.valueId);
  const grant = await tx.selectFrom("board_grant").select(["group_number", "epoch"]).where("grant_id", "=", grantId).executeTakeFirst();
  if (grant === undefined) await openForgery(c, tx, { grantId, group: t.group_number, epoch, terminalId: t.terminal_id, evidence: toHex(record) });
  // It stands beside the savepoint's other work, which an incident would undo: what is forged counts nothing, and is said.
  if (grant === undefined) return undefined;
  if (grant.group_number !== t.group_number || grant.epoch !== epoch) return "the receipt is of another group or epoch than its grant";
  const certified = await certificateFor(tx, receipt.terminal);
  const maker = certified?.terminalId ?? toHex(receipt.terminal);
  const made = await tx.selectFrom("terminal").select("group_number").where("terminal_id", "=", maker).executeTakeFirst();
  if (made?.group_number !== t.group_number) return "the receipt names a terminal outside the group";
  return await provenValue(c, tx, receipt, x.receipt, x.evidence, maker, certified?.decoded, toHex(receipt.valueId));
}

async function provenValue(
  c: Context, tx: Tx, receipt: Receipt, bytes: Uint8Array, acknowledgement: Uint8Array, maker: string, certificate: TerminalCertificate | undefined, ledgerId: string,
): Promise<Proven | string> {
  const grant = await tx.selectFrom("board_grant").select(["value_id", "uses"]).where("grant_id", "=", ledgerId).executeTakeFirst();
  const value = await tx.selectFrom("issued").selectAll().where("value_id", "=", grant?.value_id ?? ledgerId).executeTakeFirst();
  const holder = value === undefined ? undefined : await holderOf(tx, value, receipt, (key) => c.crypto.verify(key, acknowledgementToSign(c.crypto, bytes), acknowledgement));
  if (value === undefined || holder === undefined) return "the value was never issued";
  const product = await tx.selectFrom("product").selectAll().where("product_id", "=", value.product_id).executeTakeFirstOrThrow();
  if (holder === "nobody") return "the value's key did not agree to this receipt";
  if (receipt.kind !== receiptKind.use) return "only a use is finished by a terminal";
  if (certificate !== undefined && !certificate.kinds.includes(product.kind)) return "the terminal was not certified for this kind";
  if (certificate !== undefined && product.unit === unit.money && receipt.amount > certificate.most) return "the amount is above the terminal's certificate";
  const most = grant?.uses ?? product.most - (value.grant_id === null ? 0 : product.grant_uses);
  const takesNothing = receipt.amount < 1 && receipt.action !== action.exit;
  if (takesNothing || receipt.after < receipt.amount || receipt.after > most) return "the running total does not fit the value";
  return { receipt, bytes, maker, value, product, ledgerId, superseded: holder === "superseded" };
}

/**
 * Whose key agreed: the holder's of now, or a former one's, whose receipts are good up to the state in which he handed the value on
 * and a double use beyond it (P18). Undefined for a value that nobody ever held.
 */
async function holderOf(tx: Tx, value: IssuedRow, receipt: Receipt, agreed: (key: Uint8Array) => boolean): Promise<"now" | "before" | "superseded" | "nobody" | undefined> {
  const former = await tx.selectFrom("owner_step").select(["holder_key", "counter"]).where("value_id", "=", value.value_id).orderBy("owner_sequence", "desc").execute();
  if (value.holder_key === null && former.length === 0) return undefined;
  if (value.holder_key !== null && agreed(fromHex(value.holder_key))) return "now";
  const his = former.find((x) => agreed(fromHex(x.holder_key)));
  return his === undefined ? "nobody" : receipt.counter <= his.counter ? "before" : "superseded";
}

export async function certificateFor(tx: Tx, id: Uint8Array): Promise<{ terminalId: string; decoded: TerminalCertificate } | undefined> {
  const row = await tx.selectFrom("certificate").selectAll().where("certificate_id", "=", toHex(id)).executeTakeFirst();
  const signed = row === undefined ? undefined : decodeSignedClaims(new Uint8Array(row.bytes));
  const decoded = signed === undefined ? undefined : decodeTerminalCertificate(signed.claims);
  return row === undefined || decoded === undefined ? undefined : { terminalId: row.terminal_id, decoded };
}

async function merchantOf(tx: Tx, terminalId: string): Promise<string> {
  return (await tx.selectFrom("terminal").select("merchant_id").where("terminal_id", "=", terminalId).executeTakeFirst())?.merchant_id ?? "unknown";
}

function useOf(c: Context, p: Proven, merchant: string, source: Use["source"], record: Uint8Array): Use {
  const r = p.receipt;
  return {
    useId: toHex(digest16(c.crypto, p.bytes)), valueId: p.ledgerId, counter: r.counter, previous: toHex(r.previous), terminal: p.maker, tap: fromBytes4(r.tap), merchant,
    issuer: p.product.issuer_id, amount: r.amount, before: r.after - r.amount, after: r.after, at: r.at, quality: r.quality, acknowledged: true, source, evidence: toHex(record),
  };
}

// ---- beacons and reversals --------------------------------------------------------------------------------------------------

/** One-way class: at most one use a step, proved by the value's key over (value, action, step, zone). Whoever leaves takes nothing. */
async function settleBeacon(c: Context, tx: Tx, t: TerminalRow, e: BeaconEntry): Promise<string | undefined> {
  const beacon = decodeBeacon(e.beacon);
  const claims = beacon === undefined ? undefined : decodeValue(beacon.value.claims);
  if (beacon === undefined || claims === undefined) return "the beacon cannot be read";
  const value = await tx.selectFrom("issued").selectAll().where("value_id", "=", toHex(claims.valueId)).executeTakeFirst();
  if (value === undefined || value.holder_key === null) return "the value was never issued";
  if (!c.crypto.verify(fromHex(value.holder_key), beaconToSign(claims.valueId, beacon.action, beacon.step, beacon.zone), beacon.proof)) return "the value's key did not sign this beacon";
  const product = await tx.selectFrom("product").selectAll().where("product_id", "=", value.product_id).executeTakeFirstOrThrow();
  if ((product.flags & flag.oneWay) === 0 || product.unit !== unit.uses) return "the value is not for the one-way class";
  if (!(JSON.parse(t.kinds) as string[]).includes(product.kind) || !(JSON.parse(t.zones) as number[]).includes(beacon.zone)) return "the terminal was not certified for this kind or zone";
  if (beacon.action === action.exit) return undefined;
  const counted = await tx.selectFrom("value_use").select(sql<number>`coalesce(sum(json_extract(content, '$.amount')), 0)`.as("units")).where("value_id", "=", value.value_id).where("state", "=", "finished").executeTakeFirstOrThrow();
  const before = Math.min(Number(counted.units), Math.max(0, product.most - 1));
  const answer = await recordUse(tx, {
    useId: toHex(digest16(c.crypto, e.beacon)), valueId: value.value_id, counter: 0, previous: "", terminal: t.terminal_id, tap: 0, merchant: t.merchant_id, issuer: product.issuer_id, amount: 1,
    before, after: before + 1, at: e.at, quality: e.quality, acknowledged: false, source: "journal", oneWayStep: beacon.step, evidence: toHex(e.beacon), finisher: t.terminal_id,
  }, recordingAt(c.now()));
  return typeof answer === "object" && "incident" in answer ? "one beacon was taken by two terminals" : undefined;
}

/** Signed by a certified key of this very terminal, which made the receipt or finished it: nobody undoes another's uses. */
async function settleReversal(c: Context, tx: Tx, t: TerminalRow, bytes: Uint8Array, proof: Uint8Array): Promise<string | undefined> {
  const reversal = decodeReversal(bytes);
  if (reversal === undefined) return "the reversal cannot be read";
  const certificate = await certificateFor(tx, reversal.terminal);
  const signed = certificate !== undefined && certificate.terminalId === t.terminal_id && c.crypto.verify(certificate.decoded.signingKey, reversalToSign(bytes), proof);
  const macked = t.group_number !== 0 && proof.length === 8 && (toHex(reversal.terminal) === t.terminal_id || certificate?.terminalId === t.terminal_id) && (await macedUnder(c, tx, t.group_number, "credit", bytes, proof)) !== undefined;
  if (!signed && !macked) return "the reversal is not this terminal's";
  const answer = await reverseUse(tx, {
    useId: toHex(reversal.receipt), valueId: toHex(reversal.valueId), terminal: t.terminal_id, at: reversal.at, quality: 2,
  }, recordingAt(c.now()));
  if (typeof answer === "object" && "waits" in answer && answer.waits === "case") return "the reversal comes after its case was decided";
  return typeof answer === "object" && "incident" in answer ? "the reversal contradicts its use" : undefined;
}

// ---- what handsets bring ------------------------------------------------------------------------------------------------------

/** State of a record as a handset tells it (decision 1): 0 agrees, 1 not heard of yet, 2 undone, 3 differs. */
export async function compareRecord(c: Context, tx: Tx, record: Uint8Array): Promise<number> {
  const found = await provenA(c, tx, record);
  if (typeof found === "string") return 3;
  const useId = toHex(digest16(c.crypto, found.bytes));
  const known = await tx.selectFrom("value_use").selectAll().where("use_id", "=", useId).executeTakeFirst();
  if (known?.state === "reversed") return 2;
  if (known?.state === "finished") return 0;
  await recordUse(tx, useOf(c, found, await merchantOf(tx, found.maker), "holder", record), recordingAt(c.now()));
  await suspendCased(c, tx);
  const now = await tx.selectFrom("value_use").select("state").where("use_id", "=", useId).executeTakeFirst();
  return now?.state === "lapsed" ? 2 : now?.state === "finished" ? 0 : 1;
}
