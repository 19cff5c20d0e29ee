/**
 * Plans of meters and receivers: who uses a terminal, which of his handsets may read for him, and by which tariffs he is
 * charged. A plan is signed under a number that only rises, and goes to its terminal with the results (`trust.md` §2).
 *
 * A user is known at each terminal by eight bytes of its own, so that two terminals cannot compare whom they serve.
 */
import { audit, currencyNumber, nextNumber, toHex, fromHex, Wrong, type Context } from "../context.js";
import { transact, type Tx } from "../database.js";
import { userIdOrWrong } from "../people.js";
import { assert } from "../../protocol/assert.js";
import { terminalRole } from "../../protocol/wire/certificate.js";
import { limits } from "../../protocol/limits.js";
import { decodeSigned } from "../../protocol/wire/signed.js";
import { decodePlan, encodePlan, mode, type MeterTariff, type Plan, type PlanUser } from "../../protocol/wire/statement.js";

/** Prices in millionths of a minor unit for a thousandth of a kilowatt hour or cubic metre; what is left out holds always, and the register is 1.8.0. */
export interface NewTariff { id: number; offsetMinutes?: number; bands: { register?: string; months?: number[]; days?: number[]; fromMinute?: number; toMinute?: number; price: number }[] }
export interface NewMeterPlan { currency: string; guaranteed?: boolean; tariffs: NewTariff[] }
export interface NewMeterUser { user: string; mode: "postpaid" | "prepaid"; meter?: number; tariff: number; share?: number; limit?: number }

/** Sets the tariffs of a terminal, from now on: what was stated before stays as it was. */
export async function setMeterPlan(c: Context, terminalId: string, x: NewMeterPlan): Promise<void> {
  currencyNumber(x.currency);
  if (x.tariffs.length === 0 || x.tariffs.some((t) => t.bands.length === 0)) throw new Wrong("no_price", "A plan needs a tariff, and a tariff a price.");
  await transact(c.db, async (tx) => {
    const t = await tx.selectFrom("terminal").select("role").where("terminal_id", "=", terminalId).executeTakeFirst();
    if (t === undefined) throw new Wrong("terminal_unknown", `There is no terminal ${terminalId}.`, 404);
    if (t.role !== terminalRole.meter && t.role !== terminalRole.receiver) throw new Wrong("no_meter", "Only meters and receivers have plans.");
    const before = await tx.selectFrom("meter_plan").select("currency").where("terminal_id", "=", terminalId).executeTakeFirst();
    if (before !== undefined && before.currency !== x.currency) throw new Wrong("currency_fixed", `This terminal charges in ${before.currency}: what is owed cannot change its currency.`, 409);
    const row = { currency: x.currency, guaranteed: Number(x.guaranteed === true), tariffs: JSON.stringify(x.tariffs.map(tariffOf)) };
    await tx.insertInto("meter_plan").values({ terminal_id: terminalId, ...row, number: 0, plan: new Uint8Array(0) }).onConflict((o) => o.column("terminal_id").doUpdateSet(row)).execute();
    await freshPlan(c, tx, terminalId);
  });
}

const bitsOf = (list: number[] | undefined, most: number): number => (list ?? Array.from({ length: most }, (_, i) => i)).reduce((bits, i) => bits | (1 << i), 0);
/** C, D and E of an OBIS code as one number. */
function registerIn(text: string): number {
  const parts = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text)?.slice(1).map(Number);
  if (parts === undefined || parts.some((x) => x > 255)) throw new Wrong("register_unknown", `${text} is no register: write it like 1.8.0.`);
  return parts[0]! * 65_536 + parts[1]! * 256 + parts[2]!;
}
const tariffOf = (t: NewTariff): MeterTariff => ({
  id: t.id, offsetMinutes: t.offsetMinutes ?? 0,
  bands: t.bands.map((b) => ({ register: registerIn(b.register ?? "1.8.0"), months: bitsOf(b.months, 12), days: bitsOf(b.days, 7), fromMinute: b.fromMinute ?? 0, toMinute: b.toMinute ?? 1440, price: b.price })),
});

/** A member uses this terminal from now on. Answers the eight bytes by which it knows him. */
export async function addMeterUser(c: Context, terminalId: string, x: NewMeterUser): Promise<string> {
  const userId = userIdOrWrong(x.user);
  return await transact(c.db, async (tx) => {
    const plan = await tx.selectFrom("meter_plan").select("tariffs").where("terminal_id", "=", terminalId).executeTakeFirst();
    if (plan === undefined) throw new Wrong("no_plan", "Give this terminal a plan first.", 404);
    if ((await tx.selectFrom("member").select("user_id").where("user_id", "=", userId).executeTakeFirst()) === undefined) throw new Wrong("member_unknown", `There is no member ${userId}.`, 404);
    if (!(JSON.parse(plan.tariffs) as MeterTariff[]).some((t) => t.id === x.tariff)) throw new Wrong("tariff_unknown", `The plan has no tariff ${x.tariff}.`);
    const users = await tx.selectFrom("meter_user").select(["user", "user_id"]).where("terminal_id", "=", terminalId).execute();
    if (users.some((u) => u.user_id === userId)) throw new Wrong("user_taken", `${userId} uses this terminal already.`, 409);
    if (users.length >= limits.meterUsersMax) throw new Wrong("plan_full", `A terminal has at most ${limits.meterUsersMax} users.`);
    const user = toHex(c.random(8));
    await tx.insertInto("meter_user").values({
      terminal_id: terminalId, user, user_id: userId, mode: mode[x.mode], meter: x.meter ?? 1, tariff: x.tariff, share: x.share ?? 10_000, limit_minor: x.limit ?? 0, stated: 0,
      head: "0".repeat(32), total: 0, rest: 0, serial: "", registers: "[]", read_at: 0, read_quality: 0, gap: -1, settled: 0, paid: 0, number: 0, applied: 0,
    }).execute();
    await freshPlan(c, tx, terminalId);
    await audit(tx, "operator", `${userId} uses terminal ${terminalId} as ${user}`, c.now());
    return user;
  });
}

/** The signed plan as it should be now: under a new number when tariffs, users or their handsets are others than in the last. */
export async function freshPlan(c: Context, tx: Tx, terminalId: string): Promise<Uint8Array> {
  const row = await tx.selectFrom("meter_plan").selectAll().where("terminal_id", "=", terminalId).executeTakeFirst();
  if (row === undefined) return new Uint8Array(0);
  const held = row.plan.length === 0 ? undefined : planIn(new Uint8Array(row.plan));
  const content = { issuer: c.keys.provider, subject: terminalId, currency: currencyNumber(row.currency), users: await usersOf(tx, terminalId), tariffs: JSON.parse(row.tariffs) as MeterTariff[] };
  if (held !== undefined && toHex(encodePlan({ ...content, number: held.number, issuedAt: held.issuedAt })) === toHex(encodePlan(held))) return new Uint8Array(row.plan);
  const number = shortened(await nextNumber(tx, "plan " + terminalId));
  const plan = c.keys.signed("plan", "configuration", encodePlan({ ...content, number, issuedAt: c.now() }));
  await tx.updateTable("meter_plan").set({ number, plan }).where("terminal_id", "=", terminalId).execute();
  await tx.insertInto("meter_plan_version").values({ terminal_id: terminalId, number, plan }).execute();
  return plan;
}

/** Each record carries the number of its plan: restore epoch and counter in five bytes, which still only rises. */
function shortened(number: number): number {
  const [epoch, counter] = [Math.floor(number / 2 ** 32), number % 2 ** 32];
  assert(counter < 65_536, "a terminal's plans are fewer than 65,536");
  return epoch * 65_536 + counter;
}

async function usersOf(tx: Tx, terminalId: string): Promise<PlanUser[]> {
  const rows = await tx.selectFrom("meter_user").selectAll().where("terminal_id", "=", terminalId).orderBy("user").execute();
  const users: PlanUser[] = [];
  for (const u of rows) {
    const handsets = await tx.selectFrom("handset").select(["signing_key", "agreement_key"]).where("user_id", "=", u.user_id).where("revoked", "=", 0).orderBy("created_at", "desc").orderBy("kid").limit(handsetsMost).execute();
    users.push({
      user: fromHex(u.user), mode: u.mode, meter: u.meter, tariff: u.tariff, share: u.share, limit: u.limit_minor,
      handsets: handsets.map((h) => ({ signingKey: fromHex(h.signing_key), agreementKey: fromHex(h.agreement_key) })),
    });
  }
  return users;
}
/** So many handsets of a user are known at a meter, the newest. */
const handsetsMost = 4;

/** The plan in these signed bytes. */
export function planIn(bytes: Uint8Array): Plan | undefined {
  const object = decodeSigned(bytes);
  return object === undefined ? undefined : decodePlan(object.claims);
}
