/**
 * What is sold: merchants, issuers, products, and the values issued from them (P1; `money.md` §3 lines 3, 7, 8). A value is
 * issued for a member at once; it gets its certificate when a handset of his names a key for it.
 */
import { audit, currencyNumber, fromHex, readSetting, recordingAt, sha256Hex, toHex, Wrong, type Context } from "./context.js";
import { transact, type Tx } from "./database.js";
import { issue, pay, settlePayment } from "./ledger-events.js";
import { carveGrant, grantGiven, noGrant } from "./grants.js";
import { invite } from "./invitations.js";
import { userIdOrWrong } from "./people.js";
import type { IssuedTable, ProductTable } from "./schema-directory.js";
import { sql, type Selectable } from "kysely";
import { clause, encodeRule } from "../protocol/rule.js";
import { limits } from "../protocol/limits.js";
import { type Delivered, type OfferKey, type ValueOffer } from "../protocol/wire/handset-letters.js";
import { encodeIssuerClaims } from "../protocol/wire/issuing.js";
import { encodeSignedClaims } from "../protocol/wire/sync.js";
import { digest16, encodeValue, flag, unit, valueToSign, type Value } from "../protocol/wire/value.js";

export type ProductRow = Selectable<ProductTable>;
export type IssuedRow = Selectable<IssuedTable>;

/** A product as an operator says it. Prices and amounts in minor units; a prepaid card's `most` is what it holds. */
export interface NewProduct {
  product: string; name: string; kind: string; sort: "ticket" | "coupons" | "prepaid"; most?: number; price: number; currency?: string; zones?: number[];
  /** UTC seconds. `from` is when it may first be used; it is valid from its issue on. */
  from?: number; until: number; perDay?: number; intervalSeconds?: number; passage?: boolean; transferable?: boolean; oneWay?: boolean;
  undetermined?: "refuse" | "accept_to_limit" | "accept"; offline?: { uses: number; amount: number; days: number }; issuer: string; merchantShare?: number;
  /** Profile B: uses moved to a grant for boards without signatures. */
  grantUses?: number;
}
const policies = { refuse: 0, accept_to_limit: 1, accept: 2 };

export async function addMerchant(c: Context, x: { merchant: string; name: string }): Promise<void> {
  await c.db.insertInto("merchant").values({ merchant_id: x.merchant, name: x.name }).onConflict((o) => o.column("merchant_id").doUpdateSet({ name: x.name })).execute();
}

/** An issuer that runs apart: where it is asked, and its two keys, as it printed them. */
export interface Apart { url: string; signingKey: string; agreementKey: string }

/** The issuer's key is made here, or the issuer runs apart and keeps its own. What it is does not change once values were sold. */
export async function addIssuer(c: Context, x: { issuer: string; name: string; apart?: Apart }): Promise<void> {
  const { apart } = x;
  for (const key of apart === undefined ? [] : [apart.signingKey, apart.agreementKey]) if (c.crypto.coordinates(fromHex(key)) === undefined) throw new Wrong("key_wrong", `${key.slice(0, 80)} is no key of an issuer: copy it from what the issuer printed.`);
  await transact(c.db, async (tx) => {
    const before = await tx.selectFrom("issuer").selectAll().where("issuer_id", "=", x.issuer).executeTakeFirst();
    const key = apart?.signingKey ?? (before === undefined || before.url === null ? toHex(c.keys.ensure("issuer " + x.issuer)) : before.public_key);
    if (before !== undefined && apart !== undefined && before.public_key !== key) throw new Wrong("issuer_differs", `Issuer ${x.issuer} has another key: values that it signed could not be checked any more. Add another issuer.`, 409);
    const row = { name: x.name, public_key: key, ...(apart !== undefined && { url: apart.url, agreement_key: apart.agreementKey }) };
    await tx.insertInto("issuer").values({ issuer_id: x.issuer, ...row }).onConflict((o) => o.column("issuer_id").doUpdateSet(row)).execute();
  });
}

export async function addProduct(c: Context, x: NewProduct): Promise<void> {
  const most = x.sort === "ticket" ? 1 : x.most ?? 0;
  if (most < 1) throw new Wrong("most_missing", `Product ${x.product} needs "most": how many uses, or how much money, it holds.`);
  if (x.sort === "prepaid" && most !== x.price) throw new Wrong("price_differs", "A prepaid card holds what is paid for it: price and most must be equal.");
  if (x.until <= c.now()) throw new Wrong("over", `Product ${x.product} would have ended before it is sold.`);
  const issuer = await c.db.selectFrom("issuer").select("issuer_id").where("issuer_id", "=", x.issuer).executeTakeFirst();
  if (issuer === undefined) throw new Wrong("issuer_unknown", `There is no issuer ${x.issuer}: add it first.`, 404);
  currencyNumber(x.currency ?? "EUR");
  const row = {
    product_id: x.product, name: x.name, kind: x.kind, unit: x.sort === "prepaid" ? unit.money : unit.uses, most, price: x.price, currency: x.currency ?? "EUR",
    zones: JSON.stringify(x.zones ?? []), rule: JSON.stringify(ruleOf(x)), valid_until: x.until, offline: JSON.stringify(x.offline ?? offlineOf(x, most)), flags: flagsOf(x), issuer_id: x.issuer,
    merchant_share: x.merchantShare ?? 10_000, grant_uses: x.sort === "prepaid" ? 0 : Math.min(x.grantUses ?? 0, most),
  };
  assertSmall(c, x, row);
  await transact(c.db, async (tx) => {
    await assertUnsold(tx, row);
    await tx.insertInto("product").values(row).onConflict((o) => o.column("product_id").doUpdateSet(row)).execute();
  });
}

/** What a sold value is worth, and to whom, stands in the books and in its certificate: it never changes behind its holder. */
async function assertUnsold(tx: Tx, row: ProductRow): Promise<void> {
  const before = await tx.selectFrom("product").selectAll().where("product_id", "=", row.product_id).executeTakeFirst();
  const worth: (keyof ProductRow)[] = ["kind", "unit", "most", "price", "currency", "issuer_id", "merchant_share", "grant_uses"];
  const changed = before === undefined ? [] : worth.filter((name) => before[name] !== row[name]);
  if (changed.length === 0) return;
  const sold = await tx.selectFrom("issued").select("value_id").where("product_id", "=", row.product_id).limit(1).executeTakeFirst();
  if (sold !== undefined) throw new Wrong("product_sold", `Product ${row.product_id} has been sold: its ${changed.join(", ").replaceAll("_", " ")} can't change. Add a product with another id.`, 409);
}

/** A value's claims must fit the messages of a tap. */
function assertSmall(c: Context, x: NewProduct, row: ProductRow): void {
  const claims = encodeValue({
    kind: x.kind, expires: row.valid_until, notBefore: c.now(), valueId: new Uint8Array(8), holderKey: c.keys.publicKey("values"), unit: row.unit, most: row.most,
    currency: row.unit === unit.money ? currencyNumber(row.currency) : undefined, zones: x.zones ?? [], rule: encodeRule(ruleOf(x)), offline: JSON.parse(row.offline) as Value["offline"],
    ownerSequence: 2 ** 32, flags: row.flags, statusIndex: 2 ** 32, issuerPart: new Uint8Array(16),
  });
  if (claims.length > limits.valueClaimsBytesMax) throw new Wrong("product_too_large", `A value of product ${x.product} would have ${claims.length} bytes and may have ${limits.valueClaimsBytesMax}: use a shorter kind, fewer zones or fewer rules.`);
}

function ruleOf(x: NewProduct): number[][] {
  const rule: number[][] = [];
  if (x.perDay !== undefined) rule.push([clause.perDay, x.perDay]);
  if (x.intervalSeconds !== undefined) rule.push([clause.interval, x.intervalSeconds]);
  if (x.passage === true) rule.push([clause.passage, 0]);
  if (x.from !== undefined) rule.push([clause.active, x.from, x.until]);
  return rule;
}
const offlineOf = (x: NewProduct, most: number) => ({ uses: x.sort === "prepaid" ? 10 : Math.min(most, 10), amount: x.sort === "prepaid" ? Math.min(most, 5000) : Math.min(most, 10), days: 60 });
function flagsOf(x: NewProduct): number {
  return (x.transferable === true ? flag.transferable : 0) | (x.oneWay === true ? flag.oneWay : 0) | (policies[x.undetermined ?? "accept_to_limit"] << 5);
}

// ---- issue ------------------------------------------------------------------------------------------------------------------

/** Where its money is: `desk` was paid here and now; `sold` by the issuer itself, as on an attendee list. */
export interface Sale { product: string; user: string; reference: string; name?: string; paid: "desk" | "sold" }

/** `invitation`: for whom it is held must show this code first; it is sent to that person and nobody else. */
export interface Issued { valueId: string; isNew: boolean; invitation?: string }

export async function sell(c: Context, sale: Sale): Promise<Issued> {
  return await transact(c.db, (tx) => issueOne(c, tx, { ...sale, user: userIdOrWrong(sale.user) }));
}

/** Issues one value; the same reference again answers the same value. */
export async function issueOne(c: Context, tx: Tx, sale: Sale): Promise<Issued> {
  const known = await tx.selectFrom("issued").select(["value_id", "product_id", "user_id", "held"]).where("reference", "=", sale.reference).executeTakeFirst();
  if (known !== undefined) {
    if (known.product_id !== sale.product || known.user_id !== sale.user) throw new Wrong("reference_differs", `Reference ${sale.reference} was issued before for another product or member.`, 409);
    return { valueId: known.value_id, isNew: false, ...(known.held === 1 && { invitation: await invite(c, tx, sale.user) }) };
  }
  const isHeld = await isStranger(tx, sale);
  const p = await productOrWrong(tx, sale.product);
  const order = orderOf(sale.reference);
  const from = sale.paid === "sold" ? `float/${p.issuer_id}` : await paidAtDesk(tx, p, order, { at: c.now(), quality: 3, recorded: recordingAt(c.now()) });
  const valueId = await issueValue(c, tx, p, { user: sale.user, reference: sale.reference, name: sale.name ?? p.name, from, ...(sale.paid === "desk" && { order }), price: p.price, held: isHeld, place: "" });
  return { valueId, isNew: true, ...(isHeld && { invitation: await invite(c, tx, sale.user) }) };
}

export async function productOrWrong(tx: Tx, product: string): Promise<ProductRow> {
  const p = await tx.selectFrom("product").selectAll().where("product_id", "=", product).executeTakeFirst();
  if (p === undefined) throw new Wrong("product_unknown", `There is no product ${product}: add it first.`, 404);
  return p;
}

/** A value about to be issued: for whom, where its money is, at what price (a bundle's part has a share), and where it waits. */
export interface Issuing { user: string; reference: string; name: string; from: string; order?: string; price: number; held: boolean; place: string }

/** Lines 7, 8, 11 and 14: the money becomes owed to its holder. Answers the value's id; its certificate comes with its holder's key. */
export async function issueValue(c: Context, tx: Tx, p: ProductRow, x: Issuing): Promise<string> {
  const valueId = toHex(c.random(8));
  const posted = await issue(tx, {
    valueId, code: p.unit === unit.money ? "prepaid" : "unearned", currency: p.currency, issuer: p.issuer_id, price: x.price, uses: p.unit === unit.money ? 1 : p.most, merchantShare: p.merchant_share,
    from: x.from, ...(x.order !== undefined && { order: x.order }),
  }, { at: c.now(), quality: 3, recorded: recordingAt(c.now()) });
  if (posted !== "posted") throw new Wrong("not_posted", `Value ${valueId} could not be booked.`, 500);
  await tx.insertInto("issued").values({
    value_id: valueId, offer_id: toHex(c.random(8)), product_id: p.product_id, user_id: x.user, reference: x.reference, name: x.name,
    status_index: await nextIndex(tx), issued_at: c.now(), holder_key: null, value: null, issuer_part: null, grant_id: null, grant_bytes: null, handset: null, held: Number(x.held), place: x.place,
    wants_part: Number(await runsApart(tx, p.issuer_id)),
  }).execute();
  await audit(tx, "host", `issued ${valueId} of ${p.product_id} for ${x.user}`, c.now());
  return valueId;
}

/** Its values are offered once it has signed them (`issuers.ts`). */
export async function runsApart(tx: Tx, issuer: string): Promise<boolean> {
  const row = await tx.selectFrom("issuer").select("url").where("issuer_id", "=", issuer).executeTakeFirst();
  return row !== undefined && row.url !== null;
}

/** Orders in the books have no free text: a reference may hold a name, a slash, anything. */
const orderOf = (reference: string): string => sha256Hex(reference).slice(0, 16);

/** Nobody has seen this person: no account yet, or one that anybody could have opened, and not at the desk either. */
async function isStranger(tx: Tx, sale: Sale): Promise<boolean> {
  const member = await tx.selectFrom("member").select("verified").where("user_id", "=", sale.user).executeTakeFirst();
  return member === undefined || (member.verified === 0 && sale.paid === "sold");
}

async function paidAtDesk(tx: Tx, p: ProductRow, order: string, when: Parameters<typeof pay>[2]): Promise<string> {
  if (p.price > 0) {
    await pay(tx, { paymentId: "desk-" + order, processor: "desk", order, amount: p.price, currency: p.currency }, when);
    await settlePayment(tx, "desk-" + order, "post", when.recorded);
  }
  return `order/${order}`;
}

/** Above all that were given, also of those that a restore made the host forget. */
async function nextIndex(tx: Tx): Promise<number> {
  const { highest } = await tx.selectFrom("issued").select((e) => e.fn.max("status_index").as("highest")).executeTakeFirstOrThrow();
  return Math.max(Number(highest ?? -1) + 1, Number((await readSetting(tx, "status index floor")) ?? 0));
}

// ---- delivery ---------------------------------------------------------------------------------------------------------------

/** So many values fit the letter that brings them to a handset (16 KiB); the rest is offered next time. */
const offersMost = 20;

/** Whose values: a member's, waiting for his handset, or those that a terminal keeps. */
export type Keeper = { user: string } | { terminal: string };
const ofKeeper = (k: Keeper): { column: "user_id"; is: string; place: string } | { column: "place"; is: string; place: string } =>
  ("user" in k ? { column: "user_id", is: k.user, place: "" } : { column: "place", is: "terminal " + k.terminal, place: "terminal " + k.terminal });

/**
 * *collect*: what waits for this member or terminal and has no key yet; behind that, what was certified to this device and never
 * confirmed: the answer that brought it may have been lost, and the same key gets it again.
 */
export async function offersFor(tx: Tx, keeper: Keeper, handset: string | null): Promise<ValueOffer[]> {
  const whose = ofKeeper(keeper);
  const rows = await tx.selectFrom("issued").innerJoin("product", "product.product_id", "issued.product_id").select(["offer_id", "issued.name as title", "kind", "grant_uses"])
    .where(whose.column, "=", whose.is).where("place", "=", whose.place).where("received", "=", 0).where("held", "=", 0).where("wants_part", "=", 0).where("issued.status", "=", 0)
    .where((w) => w.or([w("holder_key", "is", null), handset === null ? w("handset", "is", null) : w("handset", "=", handset)]))
    .orderBy(sql`holder_key is not null`).orderBy("issued_at").orderBy("value_id").limit(offersMost).execute();
  return rows.map((r) => ({ offer: fromHex(r.offer_id), name: r.title, kind: r.kind, profileB: r.grant_uses > 0 }));
}

/** *deliver*: certifies each value to the key named for it. The same key again gets the same bytes; another key gets nothing. */
export async function deliver(c: Context, tx: Tx, keeper: Keeper, handset: string | null, keys: readonly OfferKey[]): Promise<{ valueId: string; delivered: Delivered }[]> {
  const whose = ofKeeper(keeper);
  const delivered: { valueId: string; delivered: Delivered }[] = [];
  for (const k of keys.slice(0, offersMost)) {
    const v = await tx.selectFrom("issued").selectAll().where("offer_id", "=", toHex(k.offer)).where(whose.column, "=", whose.is).where("place", "=", whose.place).where("held", "=", 0).where("wants_part", "=", 0).executeTakeFirst();
    if (v === undefined || c.crypto.coordinates(k.publicKey) === undefined || (k.keyClass !== 1 && k.keyClass !== 2)) continue;
    if (v.holder_key === null ? v.status !== 0 || (await isTaken(tx, k.publicKey)) : v.holder_key !== toHex(k.publicKey) || v.handset !== handset) continue;
    delivered.push({ valueId: v.value_id, delivered: await certify(c, tx, v, k, handset) });
  }
  return delivered;
}

/** Binds a value to this key, once, and answers it as it is delivered. */
export async function certify(c: Context, tx: Tx, v: IssuedRow, k: OfferKey, handset: string | null): Promise<Delivered> {
  const p = await tx.selectFrom("product").selectAll().where("product_id", "=", v.product_id).executeTakeFirstOrThrow();
  if (v.holder_key === null) await certifyValue(c, tx, v, p, k, handset);
  return await deliveredOf(c, tx, await tx.selectFrom("issued").selectAll().where("value_id", "=", v.value_id).executeTakeFirstOrThrow(), k.offer);
}

/** One key, one value. */
export async function isTaken(tx: Tx, publicKey: Uint8Array): Promise<boolean> {
  return (await tx.selectFrom("issued").select("value_id").where("holder_key", "=", toHex(publicKey)).executeTakeFirst()) !== undefined;
}

async function deliveredOf(c: Context, tx: Tx, v: IssuedRow, offer: Uint8Array): Promise<Delivered> {
  const grant = v.grant_id === null ? noGrant : await grantGiven(c, tx, v.grant_id);
  return { offer, name: v.name, value: new Uint8Array(v.value!), issuerPart: new Uint8Array(v.issuer_part!), ...grant };
}

async function certifyValue(c: Context, tx: Tx, v: IssuedRow, p: ProductRow, k: OfferKey, handset: string | null): Promise<void> {
  const part = v.issuer_part === null ? c.keys.signed("issuer", "issuer " + p.issuer_id, issuerClaimsOf(v, p)) : new Uint8Array(v.issuer_part);
  const value: Value = {
    kind: p.kind, expires: p.valid_until, notBefore: v.issued_at - (v.issued_at % 60), valueId: fromHex(v.value_id), holderKey: k.publicKey, unit: p.unit, most: p.most - p.grant_uses,
    currency: p.unit === unit.money ? currencyNumber(p.currency) : undefined, zones: JSON.parse(p.zones) as number[], rule: encodeRule(JSON.parse(p.rule) as number[][]),
    offline: JSON.parse(p.offline) as Value["offline"], ownerSequence: v.owner_sequence, flags: p.flags | (k.keyClass << 3), statusIndex: v.status_index, issuerPart: digest16(c.crypto, part),
  };
  const claims = encodeValue(value);
  const kid = c.keys.shortKid("values");
  const bytes = encodeSignedClaims(kid, claims, c.keys.sign("values", valueToSign(kid, claims)));
  await tx.updateTable("issued").set({ holder_key: toHex(k.publicKey), value: bytes, issuer_part: part, handset }).where("value_id", "=", v.value_id).execute();
  if (p.grant_uses > 0 && v.grant_id === null) await carveGrant(c, tx, v, p, value, p.grant_uses);
}

/** The issuer's own word on the value. */
export const issuerClaimsOf = (v: IssuedRow, p: ProductRow): Uint8Array => encodeIssuerClaims({ issuer: p.issuer_id, product: p.name, name: v.name, valueId: fromHex(v.value_id) });
