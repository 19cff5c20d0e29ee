/**
 * Orders through the host: placed, billed, paid from a card, acknowledged, delivered and confirmed, each step a sealed letter and a
 * durable commit of the embedded database; against as many bare commits of the same engine on the same disk, in the same run.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sql } from "kysely";
import { median, type Measure, type Options, type Table } from "./measure.js";
import { ask, collect, crypto, enrol, openShop, openWorld, type Device, type Held, type World } from "../host/world.js";
import { addArticle } from "../../host/orders/articles.js";
import { checkBooks } from "../../host/invariants.js";
import { transact } from "../../host/database.js";
import { addProduct, sell } from "../../host/products.js";
import { nodeCrypto } from "../../protocol/crypto/node/node.js";
import * as letters from "../../protocol/wire/order-letters.js";
import { encodeBill, encodeOrder, orderState } from "../../protocol/wire/order.js";
import { acknowledgementToSign } from "../../protocol/wire/receipt.js";
import { messageType as type } from "../../protocol/wire/sync.js";
import { digest16 } from "../../protocol/wire/value.js";

/** Letters of one order: order, bills, pay, acknowledge, collect, deliver, received; each is one transaction. */
const lettersAnOrder = 7;

interface Buyer { phone: Device; card: Held; newest: Uint8Array; proof: Uint8Array }

async function prepare(w: World): Promise<Buyer> {
  await openShop(w);
  const until = w.context.now() + 30 * 86_400;
  await addProduct(w.context, { product: "day", name: "Day ticket", kind: "ticket", sort: "ticket", price: 10, zones: [1], until, issuer: "box" });
  await addProduct(w.context, { product: "purse", name: "Card", kind: "card", sort: "prepaid", price: 100_000, most: 100_000, until, issuer: "box" });
  await addArticle(w.context, { article: "day", sort: "value", stock: 100_000 });
  const phone = await enrol(w, "buyer");
  await sell(w.context, { product: "purse", user: "buyer", reference: "purse", paid: "desk" });
  return { phone, card: (await collect(w, phone))[0]!, newest: new Uint8Array(0), proof: new Uint8Array(0) };
}

/** One order from the first letter to the last. */
async function buy(w: World, b: Buyer): Promise<void> {
  const id = w.machine.random(8);
  const say = async (kind: number, body: Uint8Array): Promise<Uint8Array> => (await ask(w, b.phone, kind, body))!;
  await say(type.order, encodeOrder({ id, who: { by: "own" }, parcels: [{ to: { kind: "payer" }, delivery: { by: "handset" }, at: 0, lines: [{ article: "day", count: 1 }] }], demand: 0, attachments: [] }));
  const bill = letters.decodeBills(await say(type.bills, letters.encodeNothing()))![0]!;
  const means = { with: "prepaid" as const, value: b.card.valueId, receipt: b.newest, proof: b.proof };
  const held = letters.decodePaid(await say(type.pay, letters.encodePay({ order: id, payment: id, bill: digest16(crypto, encodeBill(bill)), means })))!;
  const signature = crypto.sign(b.card.secret, acknowledgementToSign(crypto, held.receipt));
  const paid = letters.decodePaid(await say(type.acknowledgePayment, letters.encodePaymentAcknowledgement({ payment: id, signature })))!;
  if (paid.state !== orderState.paid) throw new Error(`The order was not paid: code ${paid.code}.`);
  b.newest = held.receipt;
  b.proof = held.signature;
  const tickets = await collect(w, b.phone);
  if (tickets.length !== 1) throw new Error("The ticket did not come.");
  await say(type.received, letters.encodeReceived([tickets[0]!.valueId]));
}

/** One new row, durable. */
async function commit(w: World, name: string): Promise<void> {
  await transact(w.context.db, async (tx) => { await sql`insert into setting (name, value) values (${name}, 'x')`.execute(tx); });
}

async function timedMs(work: () => Promise<void>): Promise<number> {
  const begin = performance.now();
  await work();
  return performance.now() - begin;
}

async function run(o: Options): Promise<Table[]> {
  const folder = mkdtempSync(join(tmpdir(), "kaisatsu-bench-"));
  const w = await openWorld("bench orders", join(folder, "host"), { crypto: nodeCrypto });
  try {
    const buyer = await prepare(w);
    const ours: number[] = [], bare: number[] = [];
    for (let i = 0; i < (o.quick ? 20 : 150); i++) {
      ours.push(await timedMs(() => buy(w, buyer)));
      bare.push(await timedMs(async () => { for (let k = 0; k < lettersAnOrder; k++) await commit(w, `bench ${i} ${k}`); }));
    }
    const breaches = await checkBooks(w.context.db);
    if (breaches.length > 0) throw new Error(`The books are broken: ${breaches[0]!.check} at ${breaches[0]!.at}.`);
    const one = median(ours.slice(3)), floor = median(bare.slice(3));
    return [{ title: "Orders on the embedded database: placed → paid → delivered → confirmed", figures: [
      { what: `one order: ${(1000 / one).toFixed(0)} a second`, value: one, unit: "ms", floor: { value: floor, of: `${lettersAnOrder} bare commits of the same engine, one row each (${((1000 * lettersAnOrder) / floor).toFixed(0)} a second), in turn` } },
    ], notes: ["one buyer, one letter after the other; the handset's own signatures and seals included; the books are checked at the end"] }];
  } finally {
    await w.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

export const orders: Measure = { name: "orders", summary: "orders a second, from placed to confirmed", run };
