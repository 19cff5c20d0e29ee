/**
 * Statements of meters and receivers arrive here, by whatever road, twice, late, in any order (`design.md` §7, U1–U3, S7). A
 * record counts once, by its place in its user's chain; what is charged is reckoned anew from readings and the plan that the
 * record names, and a terminal that says more than that is not believed (`money.md` §1.8).
 *
 * The answer is sealed for the terminal: through which record this host has it, what is paid, and the plan where it is newer.
 */
import { freshPlan, planIn } from "./plans.js";
import { stateAmount } from "./money.js";
import { fromHex, noteIncident, toHex, type Context } from "../context.js";
import { transact, type Tx } from "../database.js";
import { suspension, type TerminalRow } from "../terminals.js";
import type { MeterUserTable } from "./schema.js";
import { addCost, costBetween, registerOf, thousandthsOf } from "../../protocol/metering/tariff.js";
import { certificateId, decodeTerminalCertificate, type TerminalCertificate } from "../../protocol/wire/certificate.js";
import { chargeDigest, decodeCharge, type ChargeRecord, type MeterRegister } from "../../protocol/wire/charge.js";
import { direction, openPaired, pairKeys, readPaired, sealPaired } from "../../protocol/wire/paired.js";
import { keyId, openSigned } from "../../protocol/wire/signed.js";
import { decodeSignedClaims } from "../../protocol/wire/sync.js";
import { decodeStatement, encodeResult, encodeSettled, type Statement } from "../../protocol/wire/statement.js";

const none = new Uint8Array(0);
/** Of a record that is kept as evidence, so much stands in its incident. */
const evidenceMost = 1024;

/** True for the outside of a meter's letter. */
export const isStatement = (bytes: Uint8Array): boolean => readPaired(bytes) !== undefined;

/** Takes a sealed statement; answers the letter for its terminal, or undefined for whatever cannot be opened and believed. */
export async function takeStatement(c: Context, bytes: Uint8Array): Promise<Uint8Array | undefined> {
  const letter = readPaired(bytes);
  if (letter === undefined) return undefined;
  const row = await c.db.selectFrom("certificate").selectAll().where("certificate_id", "=", toHex(letter.name)).executeTakeFirst();
  const signed = row === undefined ? undefined : decodeSignedClaims(new Uint8Array(row.bytes));
  const certificate = signed === undefined ? undefined : decodeTerminalCertificate(signed.claims);
  const shared = certificate === undefined ? undefined : c.keys.agree("envelope", certificate.agreementKey);
  if (row === undefined || certificate === undefined || shared === undefined) return undefined;
  const text = openPaired(c.crypto, pairKeys(c.crypto, shared, letter.name, c.keys.kid("envelope"), direction.toHost), letter);
  const claims = text === undefined ? undefined : openSigned(c.crypto, text, "statement", [{ kid: keyId(c.crypto, certificate.signingKey), publicKey: certificate.signingKey }]);
  const statement = claims === undefined ? undefined : decodeStatement(claims);
  if (statement === undefined || toHex(statement.terminal) !== row.terminal_id) return undefined;
  return await transact(c.db, async (tx) => {
    const t = await tx.selectFrom("terminal").selectAll().where("terminal_id", "=", row.terminal_id).executeTakeFirstOrThrow();
    if (t.suspended !== suspension.none) return undefined;
    await tx.updateTable("terminal").set({ seen_at: c.now() }).where("terminal_id", "=", t.terminal_id).execute();
    await stateRecords(c, tx, t, statement);
    return await letterFor(c, tx, t, statement.plan);
  });
}

// ---- records ---------------------------------------------------------------------------------------------------------------------

type MeterUser = MeterUserTable;

async function stateRecords(c: Context, tx: Tx, t: TerminalRow, s: Statement): Promise<void> {
  if (s.records.length === 0) return;
  const u = await tx.selectFrom("meter_user").selectAll().where("terminal_id", "=", t.terminal_id).where("user", "=", toHex(s.user)).executeTakeFirst();
  if (u === undefined) { await noteIncident(tx, "a statement for nobody who uses this terminal", t.terminal_id, toHex(s.user), c.now()); return; }
  const signers = await signersOf(c, tx, t.terminal_id);
  const before = { ...u };
  for (const [i, bytes] of s.records.entries()) {
    const wrong = await stateOne(c, tx, t, u, s.first + i, bytes, signers);
    if (wrong === undefined) continue;
    await noteIncident(tx, wrong, t.terminal_id, `record ${s.first + i} of ${u.user}: ${toHex(bytes.subarray(0, evidenceMost))}`, c.now());
    break;
  }
  if (u.stated === before.stated && u.gap === before.gap) return;
  const { terminal_id, user, user_id: _user, mode: _mode, meter: _meter, tariff: _tariff, share: _share, limit_minor: _limit, settled: _settled, paid: _paid, number: _number, ...state } = u;
  await tx.updateTable("meter_user").set(state).where("terminal_id", "=", terminal_id).where("user", "=", user).execute();
  if (u.stated > before.stated) await stateAmount(c, tx, t, u, before.stated + 1, u.total - before.total);
}

/** Keys of all certificates this terminal ever had: a record is signed by the one of its day. */
async function signersOf(c: Context, tx: Tx, terminalId: string): Promise<{ kid: Uint8Array; publicKey: Uint8Array }[]> {
  const rows = await tx.selectFrom("certificate").select("bytes").where("terminal_id", "=", terminalId).execute();
  return rows.flatMap((row) => {
    const k = certificateIn(new Uint8Array(row.bytes));
    return k === undefined ? [] : [{ kid: keyId(c.crypto, k.signingKey), publicKey: k.signingKey }];
  });
}
function certificateIn(bytes: Uint8Array): TerminalCertificate | undefined {
  const signed = decodeSignedClaims(bytes);
  return signed === undefined ? undefined : decodeTerminalCertificate(signed.claims);
}

/** Takes one record into the user's state; answers what is wrong with it, and then nothing of it or behind it counts. */
async function stateOne(c: Context, tx: Tx, t: TerminalRow, u: MeterUser, sequence: number, bytes: Uint8Array, signers: { kid: Uint8Array; publicKey: Uint8Array }[]): Promise<string | undefined> {
  const claims = openSigned(c.crypto, bytes, "record", signers);
  const x = claims === undefined ? undefined : decodeCharge(claims);
  if (x === undefined || x.sequence !== sequence || toHex(x.user) !== u.user) return "a record that its terminal did not sign";
  const digest = toHex(chargeDigest(c.crypto, bytes));
  if (sequence <= u.stated) return await sameAsBefore(tx, t, u, sequence, digest);
  if (sequence > u.stated + 1) {
    if (u.gap === u.stated) return await Promise.resolve("records are still missing");
    u.gap = u.stated;
    return "records are missing";
  }
  if (toHex(x.previous) !== u.head) return "a record does not follow the one before";
  const wrong = await reckon(tx, t, u, x);
  if (wrong !== undefined) return wrong;
  await tx.insertInto("charge_record").values({ terminal_id: t.terminal_id, user: u.user, sequence, digest, record: bytes }).execute();
  Object.assign(u, { stated: sequence, head: digest, total: x.total, rest: x.rest });
  return undefined;
}

/** Two records with one number: a second box, or an old image of it, has this identity (`trust.md` §3). */
async function sameAsBefore(tx: Tx, t: TerminalRow, u: MeterUser, sequence: number, digest: string): Promise<string | undefined> {
  const known = await tx.selectFrom("charge_record").select("digest").where("terminal_id", "=", t.terminal_id).where("user", "=", u.user).where("sequence", "=", sequence).executeTakeFirst();
  if (known === undefined || known.digest === digest) return undefined;
  await tx.updateTable("terminal").set({ suspended: Math.max(t.suspended, suspension.suspended) }).where("terminal_id", "=", t.terminal_id).execute();
  return "two records with one number";
}

/** Does the running total follow from the readings? Moves the user's meter on. */
async function reckon(tx: Tx, t: TerminalRow, u: MeterUser, x: ChargeRecord): Promise<string | undefined> {
  const cost = await costOf(tx, t, u, x);
  if (typeof cost === "string") return cost;
  const sum = addCost(u.total, u.rest, cost);
  if (sum.total !== x.total || sum.rest !== x.rest) return "the amount is not what plan and readings say";
  if (x.what === "reading" || x.what === "fitted") {
    const registers = x.what === "reading" ? x.registers : x.opening;
    Object.assign(u, { registers: packed(registers), read_at: x.at, read_quality: x.quality, ...(x.what === "fitted" && { serial: x.serial }) });
  }
  if (x.what === "paid") {
    if (x.number > u.number || x.paid > u.paid) return "the terminal has applied a result that was never given";
    u.applied = Math.max(u.applied, x.number);
  }
  return undefined;
}

async function costOf(tx: Tx, t: TerminalRow, u: MeterUser, x: ChargeRecord): Promise<number | string> {
  if (x.what === "service") return x.amount * 1_000_000;
  if (x.what === "fitted") return fits(unpacked(u.registers), x.closing) ? 0 : "a meter was replaced behind its last reading";
  if (x.what !== "reading") return 0;
  const version = await tx.selectFrom("meter_plan_version").select("plan").where("terminal_id", "=", t.terminal_id).where("number", "=", x.plan).executeTakeFirst();
  const plan = version === undefined ? undefined : planIn(new Uint8Array(version.plan));
  const user = plan?.users.find((p) => toHex(p.user) === u.user);
  const tariff = plan?.tariffs.find((k) => k.id === user?.tariff);
  if (user === undefined || tariff === undefined) return "a record names a plan that this user has not";
  return costBetween(tariff, user.share, unpacked(u.registers), x.registers, u.read_at, u.read_quality) ?? "a register went back";
}
/** The old meter ended no lower than it was read last. */
function fits(last: readonly MeterRegister[], closing: readonly MeterRegister[]): boolean {
  return last.every((r) => { const end = registerOf(closing, r.obis); return end !== undefined && (thousandthsOf(end) ?? 0) >= (thousandthsOf(r) ?? 0); });
}

const packed = (list: readonly MeterRegister[]): string => JSON.stringify(list.map((r) => [toHex(r.obis), r.value, r.scaler, r.unit]));
const unpacked = (text: string): MeterRegister[] => (JSON.parse(text) as [string, number, number, number][]).map(([obis, value, scaler, unit]) => ({ obis: fromHex(obis), value, scaler, unit }));

// ---- results ---------------------------------------------------------------------------------------------------------------------

/** The signed result of one user at one terminal, as it is now. */
export async function resultFor(c: Context, tx: Tx, terminalId: string, user: string): Promise<Uint8Array> {
  const u = await tx.selectFrom("meter_user").selectAll().where("terminal_id", "=", terminalId).where("user", "=", user).executeTakeFirstOrThrow();
  const claims = encodeResult({ terminal: fromHex(terminalId), user: fromHex(user), number: u.number, stated: u.stated, settled: u.settled, paid: u.paid, at: c.now() });
  return c.keys.signed("result", "sender", claims);
}

/** Sealed for the terminal under its newest certificate: the results of all its users, and the plan when it has an older one. */
export async function letterFor(c: Context, tx: Tx, t: TerminalRow, knownPlan: number): Promise<Uint8Array | undefined> {
  const own = t.certificate === null ? undefined : decodeSignedClaims(new Uint8Array(t.certificate));
  const certificate = own === undefined ? undefined : decodeTerminalCertificate(own.claims);
  const shared = certificate === undefined ? undefined : c.keys.agree("envelope", certificate.agreementKey);
  if (own === undefined || shared === undefined) return undefined;
  const plan = await freshPlan(c, tx, t.terminal_id);
  const users = await tx.selectFrom("meter_user").select("user").where("terminal_id", "=", t.terminal_id).orderBy("user").execute();
  const results: Uint8Array[] = [];
  for (const u of users) results.push(await resultFor(c, tx, t.terminal_id, u.user));
  const isNewer = plan.length > 0 && (planIn(plan)?.number ?? 0) > knownPlan;
  const id = certificateId(c.crypto, own.claims);
  const keys = pairKeys(c.crypto, shared, id, c.keys.kid("envelope"), direction.fromHost);
  return sealPaired(c.crypto, keys, id, encodeSettled({ results, plan: isNewer ? plan : none }));
}

