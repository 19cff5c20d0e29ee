/**
 * The order machine where it could slip: many buyers and workers at once, the same letter twice, a payment acknowledged too late or by
 * somebody else, a card whose last use nobody has heard of, a copy of a value that was handed on. Each no by its code, and the books
 * as they were.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { addArticle } from "../../host/orders/articles.js";
import { workOrders } from "../../host/orders/work.js";
import { checkBooks } from "../../host/invariants.js";
import { trialBalance } from "../../host/ledger.js";
import { addProduct, sell } from "../../host/products.js";
import { decodeRefreshed, encodeRefresh } from "../../protocol/wire/handset-letters.js";
import * as letters from "../../protocol/wire/order-letters.js";
import { encodeOrder, orderRefusal, orderState, type Order } from "../../protocol/wire/order.js";
import { decodePickedUp, encodeDeed, encodeHandOn } from "../../protocol/wire/parcel-letters.js";
import { acknowledgementToSign, decodeReceipt } from "../../protocol/wire/receipt.js";
import { signObject } from "../../protocol/wire/signed.js";
import { messageType as type } from "../../protocol/wire/sync.js";
import { digest16 } from "../../protocol/wire/value.js";
import { ask, card, collect, concert, crypto, deliverLetter, enrol, enrolBox, holder, journal, letter, makeDevice, open, openShop, openWorld, sync, use, type Device, type Held, type World } from "./world.js";

let x: World;
beforeEach(async () => { x = await openWorld(); await stock(x); });
afterEach(() => x.close());

/** The shop of the other tests, with a transferable ticket, and everything on sale. */
async function stock(w: World): Promise<void> {
  await openShop(w);
  await addProduct(w.context, { ...concert, product: "seat", name: "Seat", price: 1000, transferable: true });
  await addProduct(w.context, { ...card, product: "purse", name: "Card of 50", price: 5000, most: 5000, transferable: true });
  for (const article of ["concert", "seat", "card"]) await addArticle(w.context, { article, sort: "value" });
  await addArticle(w.context, { article: "last", sort: "value", product: "seat", name: "The last three", stock: 3 });
}

const orderOf = (w: World, article: string, count = 1, id = w.machine.random(8)): Order => ({ id, who: { by: "own" }, parcels: [{ to: { kind: "payer" }, delivery: { by: "handset" }, at: 0, lines: [{ article, count }] }], demand: 0, attachments: [] });
const place = async (d: Device, order: Order, w = x): Promise<number> => letters.decodeOrdered((await ask(w, d, type.order, encodeOrder(order)))!)!.code;
const bill = async (order: Order): Promise<Uint8Array> => new Uint8Array((await x.context.db.selectFrom("orders").select("bill").where("order_id", "=", hex(order.id)).executeTakeFirstOrThrow()).bill);
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const stateOf = async (order: Order): Promise<number> => (await x.context.db.selectFrom("orders").select("state").where("order_id", "=", hex(order.id)).executeTakeFirstOrThrow()).state;
const none = new Uint8Array(0);

interface Chain { newest: Uint8Array; proof: Uint8Array }
const fresh: Chain = { newest: none, proof: none };
async function pay(d: Device, order: Order, v: Held, chain: Chain, payment = x.machine.random(8)): Promise<letters.Paid & { payment: Uint8Array }> {
  const body = letters.encodePay({ order: order.id, payment, bill: digest16(crypto, await bill(order)), means: { with: "prepaid", value: v.valueId, receipt: chain.newest, proof: chain.proof } });
  return { ...letters.decodePaid((await ask(x, d, type.pay, body))!)!, payment };
}
const acknowledge = async (d: Device, paid: { payment: Uint8Array; receipt: Uint8Array }, secret: Uint8Array): Promise<letters.Paid> =>
  letters.decodePaid((await ask(x, d, type.acknowledgePayment, letters.encodePaymentAcknowledgement({ payment: paid.payment, signature: crypto.sign(secret, acknowledgementToSign(crypto, paid.receipt)) })))!)!;
const act = async (d: Device, order: Order, what: number): Promise<letters.Standing> => letters.decodeStanding((await ask(x, d, type.act, letters.encodeAct({ order: order.id, what })))!)!;

const books = (): Promise<Map<string, bigint>> => trialBalance(x.context.db, "EUR");
const clean = async (): Promise<void> => { expect(await checkBooks(x.context.db)).toEqual([]); };

describe("many at once", () => {
  test("three seats, two workers, twelve buyers: three orders, and no thirteenth seat", async () => {
    const folder = mkdtempSync(join(tmpdir(), "orders-"));
    try {
      const one = await openWorld("workers", folder), two = await openWorld("others", folder);
      await stock(one);
      const buyers: Device[] = [];
      for (let i = 0; i < 12; i++) buyers.push(await enrol(one, "buyer" + i));
      const codes = await Promise.all(buyers.map((d, i) => place(d, orderOf(i % 2 === 0 ? one : two, "last"), i % 2 === 0 ? one : two)));
      expect(codes.filter((code) => code === 0)).toHaveLength(3);
      expect(codes.filter((code) => code === orderRefusal.sold_out)).toHaveLength(9);
      expect(await one.context.db.selectFrom("article").select("taken").where("article_id", "=", "last").executeTakeFirstOrThrow()).toEqual({ taken: 3 });
      await one.close();
      await two.close();
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
  test("an order that needs more than is left takes nothing", async () => {
    const d = await enrol(x, "b");
    expect(await place(d, orderOf(x, "last", 4))).toBe(orderRefusal.sold_out);
    expect(await place(d, orderOf(x, "last", 3))).toBe(0);
  });
});

describe("the same again", () => {
  test("the same order is the same order, under whatever letter; other content or another sender is refused", async () => {
    const [b, c] = [await enrol(x, "b"), await enrol(x, "c")];
    const order = orderOf(x, "last");
    for (let i = 0; i < 3; i++) expect(await place(b, order)).toBe(0);
    expect(await place(b, { ...order, parcels: [{ ...order.parcels[0]!, lines: [{ article: "last", count: 2 }] }] })).toBe(orderRefusal.order_differs);
    expect(await place(c, order)).toBe(orderRefusal.order_differs);
    expect(await x.context.db.selectFrom("article").select("taken").where("article_id", "=", "last").executeTakeFirstOrThrow()).toEqual({ taken: 1 });
  });
  test("one letter delivered twice is answered twice and done once", async () => {
    const b = await enrol(x, "b");
    const bytes = letter(x, b, type.order, encodeOrder(orderOf(x, "last")));
    const [first, second] = [await deliverLetter(x, bytes), await deliverLetter(x, bytes)];
    expect(hex(first!)).toBe(hex(second!));
    expect(open(x, b, first!).type).toBe(type.order + 128);
    expect(await x.context.db.selectFrom("article").select("taken").where("article_id", "=", "last").executeTakeFirstOrThrow()).toEqual({ taken: 1 });
  });
});

describe("a payment from a card", () => {
  test("the same payment again gets the same receipt; it posts once, on the value's own word alone", async () => {
    const { phone, value } = await holder(x, "b", "purse");
    const stranger = await enrol(x, "c");
    const order = orderOf(x, "concert");
    await place(phone, order);
    const first = await pay(phone, order, value, fresh);
    const again = await pay(phone, order, value, fresh, first.payment);
    expect([first.code, hex(again.receipt)]).toEqual([0, hex(first.receipt)]);
    const held = await books();
    expect((await acknowledge(phone, first, makeDevice(x).signing)).code).toBe(orderRefusal.not_genuine);
    expect((await acknowledge(stranger, first, value.secret)).code, "by another handset").toBe(orderRefusal.order_unknown);
    expect(await books()).toEqual(held);
    expect((await acknowledge(phone, first, value.secret)).state).toBe(orderState.paid);
    const paid = await books();
    expect((await acknowledge(phone, first, value.secret)).code).toBe(0);
    expect((await pay(phone, order, value, fresh, first.payment)).code).toBe(0);
    expect((await pay(phone, order, value, { newest: first.receipt, proof: first.signature })).code, "another payment of a paid order").toBe(orderRefusal.busy);
    expect(await books()).toEqual(paid);
    await clean();
  });
  test.each<[string, (p: { b: Device; order: Order; v: Held }) => Promise<number>, number]>([
    ["of another bill", async ({ b, order, v }) => letters.decodePaid((await ask(x, b, type.pay, letters.encodePay({ order: order.id, payment: x.machine.random(8), bill: new Uint8Array(16), means: { with: "prepaid", value: v.valueId, receipt: none, proof: none } })))!)!.code, orderRefusal.bill_differs],
    ["by somebody else", async ({ order, v }) => (await pay(await enrol(x, "c"), order, v, fresh)).code, orderRefusal.order_unknown],
    ["after its bill has run out", async ({ b, order, v }) => { x.machine.advance(86_401); return (await pay(b, order, v, fresh)).code; }, orderRefusal.order_ended],
    ["with a card of somebody else", async ({ b, order }) => (await pay(b, order, (await holder(x, "c", "purse")).value, fresh)).code, orderRefusal.value_unfit],
    ["with a ticket", async ({ b, order }) => { await sell(x.context, { product: "seat", user: "b", reference: "s", paid: "desk" }); return (await pay(b, order, (await collect(x, b))[0]!, fresh)).code; }, orderRefusal.value_unfit],
    ["with a card that holds too little", async ({ b, order }) => { await sell(x.context, { product: "card", user: "b", reference: "s", paid: "desk" }); return (await pay(b, order, (await collect(x, b))[0]!, fresh)).code; }, orderRefusal.insufficient],
    ["with a receipt that the books do not know", async ({ b, order, v }) => { const box = await enrolBox(x); return (await pay(b, order, v, { newest: use(x, box, v, undefined, { action: 3, amount: 100 }).receipt, proof: new Uint8Array(64) })).code; }, orderRefusal.state_unknown],
  ])("%s is refused", async (_name, attempt, code) => {
    const { phone, value } = await holder(x, "b", "purse");
    const order = orderOf(x, "concert");
    await place(phone, order);
    expect(await attempt({ b: phone, order, v: value })).toBe(code);
    expect((await books()).get("order/" + hex(order.id))).toBeUndefined();
    await clean();
  });
  test("an older state than the books know pays nothing, and its newest pays once the terminal has reported", async () => {
    const box = await enrolBox(x);
    const { phone, value } = await holder(x, "b", "purse");
    const used = use(x, box, value, undefined, { action: 3, amount: 700 });
    const order = orderOf(x, "concert");
    await place(phone, order);
    const chain = { newest: used.receipt, proof: new Uint8Array(64) };
    expect((await pay(phone, order, value, chain)).code).toBe(orderRefusal.state_unknown);
    journal(box, used.entry);
    await sync(x, box);
    expect((await pay(phone, order, value, fresh)).code, "a copy from before that use").toBe(orderRefusal.state_unknown);
    const paid = await pay(phone, order, value, chain);
    expect([paid.code, decodeReceipt(paid.receipt)!.after]).toEqual([0, 3700]);
    expect((await acknowledge(phone, paid, value.secret)).state).toBe(orderState.paid);
    await clean();
  });
  test("one card, two bills at once: the second waits for the first", async () => {
    const { phone, value } = await holder(x, "b", "purse");
    const [one, two] = [orderOf(x, "seat"), orderOf(x, "seat")];
    await place(phone, one);
    await place(phone, two);
    const first = await pay(phone, one, value, fresh);
    expect((await pay(phone, two, value, fresh)).code).toBe(orderRefusal.busy);
    expect(decodeRefreshed((await ask(x, phone, type.refresh, encodeRefresh({ valueId: value.valueId, receipt: none, proof: none })))!)!.code, "nor is its base moved meanwhile").not.toBe(0);
    await acknowledge(phone, first, value.secret);
    expect((await pay(phone, two, value, { newest: first.receipt, proof: first.signature })).code).toBe(0);
  });
});

describe("given up before it was acknowledged", () => {
  const refresh = async (d: Device, v: Held, chain: Chain): Promise<number | undefined> => {
    const said = decodeRefreshed((await ask(x, d, type.refresh, encodeRefresh({ valueId: v.valueId, receipt: chain.newest, proof: chain.proof })))!)!;
    return said.code === 0 ? decodeReceipt(said.receipt)!.after : undefined;
  };
  test.each([["cancelled", (d: Device, o: Order) => act(d, o, letters.act.cancel)], ["run out", async () => { x.machine.advance(86_401); await workOrders(x.context); }]] as const)("%s: nothing moved; the handset that had stored the receipt gets the amount back", async (_name, end) => {
    const { phone, value } = await holder(x, "b", "purse");
    const before = await books();
    const order = orderOf(x, "concert");
    await place(phone, order);
    const held = await pay(phone, order, value, fresh);
    await end(phone, order);
    expect(await stateOf(order)).toBeGreaterThanOrEqual(orderState.refused);
    expect(await books()).toEqual(before);
    expect(await refresh(phone, value, { newest: held.receipt, proof: held.signature })).toBe(0);
    await clean();
  });
  test("one that never stored it goes on as if nothing had been", async () => {
    const { phone, value } = await holder(x, "b", "purse");
    const order = orderOf(x, "concert"), next = orderOf(x, "seat");
    await place(phone, order);
    await pay(phone, order, value, fresh);
    await act(phone, order, letters.act.cancel);
    await place(phone, next);
    const paid = await pay(phone, next, value, fresh);
    expect([paid.code, decodeReceipt(paid.receipt)!.counter, decodeReceipt(paid.receipt)!.after]).toEqual([0, 1, 1000]);
    await acknowledge(phone, paid, value.secret);
    expect(await refresh(phone, value, { newest: paid.receipt, proof: paid.signature }), "and nothing is given back for it").toBe(1000);
    await clean();
  });
  test("acknowledged all the same, too late: charged and sent back, and its seat stays free", async () => {
    const { phone, value } = await holder(x, "b", "purse");
    const before = await books();
    const order = orderOf(x, "last", 3);
    await place(phone, order);
    const held = await pay(phone, order, value, fresh);
    await act(phone, order, letters.act.cancel);
    expect(await place(await enrol(x, "c"), orderOf(x, "last", 3)), "the seats are another's by now").toBe(0);
    expect((await acknowledge(phone, held, value.secret)).code).toBe(orderRefusal.order_ended);
    expect(await books()).toEqual(before);
    expect((await acknowledge(phone, held, value.secret)).code, "again").toBe(0);
    expect(await books()).toEqual(before);
    expect(await refresh(phone, value, { newest: held.receipt, proof: held.signature })).toBe(0);
    expect(await collect(x, phone)).toEqual([]);
    await clean();
  });
});

describe("a value that was handed on (P18)", () => {
  async function given(): Promise<{ b: Device; d: Device; v: Held; box: Awaited<ReturnType<typeof enrolBox>>; code: number; late: ReturnType<typeof use> }> {
    const box = await enrolBox(x);
    const { phone: b, value: v } = await holder(x, "b", "seat");
    const d = await enrol(x, "d");
    const late = use(x, box, v, undefined);
    const claims = encodeDeed({ value: v.valueId, counter: 0, newest: digest16(crypto, v.claims), step: 1, at: 0, to: { user: "d" } });
    const deed = signObject(crypto, "deed", v.secret, claims);
    const code = decodePickedUp((await ask(x, b, type.handOn, encodeHandOn({ deed, receipt: none, proof: none })))!)!.code;
    return { b, d, v, box, code, late };
  }
  test("a use by the copy that its former holder kept opens a case and suspends the value", async () => {
    const { d, box, code, late } = await given();
    expect(code).toBe(0);
    expect(await collect(x, d)).toHaveLength(1);
    journal(box, late.entry);
    await sync(x, box);
    expect(await x.context.db.selectFrom("double_use_case").select("case_id").execute()).toHaveLength(1);
    expect((await x.context.db.selectFrom("issued").select("status").where("user_id", "=", "d").executeTakeFirstOrThrow()).status).toBe(2);
    await clean();
  });
  test("a use that he made before, and that arrives late, is a use", async () => {
    const box = await enrolBox(x);
    const { phone: b, value: v } = await holder(x, "b", "purse");
    const d = await enrol(x, "d");
    const used = use(x, box, v, undefined, { action: 3, amount: 500 });
    journal(box, used.entry);
    await sync(x, box);
    const deed = signObject(crypto, "deed", v.secret, encodeDeed({ value: v.valueId, counter: 1, newest: digest16(crypto, used.receipt), step: 1, at: 0, to: { user: "d" } }));
    expect(decodePickedUp((await ask(x, b, type.handOn, encodeHandOn({ deed, receipt: used.receipt, proof: new Uint8Array(64) })))!)!.code).toBe(0);
    await collect(x, d);
    expect(await x.context.db.selectFrom("double_use_case").select("case_id").execute()).toEqual([]);
    const again = await enrolBox(x);
    journal(again, used.entry);
    await sync(x, again);
    expect(await x.context.db.selectFrom("double_use_case").select("case_id").execute(), "also brought by another terminal").toEqual([]);
    await clean();
  });
  test("while the books lack a use of its chain it is not handed on; a deed by any other key is none", async () => {
    const box = await enrolBox(x);
    const { phone: b, value: v } = await holder(x, "b", "purse");
    await enrol(x, "d");
    const used = use(x, box, v, undefined, { action: 3, amount: 500 });
    const say = async (secret: Uint8Array, newest: Uint8Array, counter: number, receipt: Uint8Array, step = 1): Promise<number> => {
      const deed = signObject(crypto, "deed", secret, encodeDeed({ value: v.valueId, counter, newest, step, at: 0, to: { user: "d" } }));
      return decodePickedUp((await ask(x, b, type.handOn, encodeHandOn({ deed, receipt, proof: none })))!)!.code;
    };
    expect(await say(v.secret, digest16(crypto, used.receipt), 1, used.receipt)).toBe(orderRefusal.state_unknown);
    expect(await say(b.signing, digest16(crypto, v.claims), 0, none), "by the device key").toBe(orderRefusal.not_genuine);
    expect(await say(v.secret, digest16(crypto, v.claims), 0, none, 2), "a step too far").toBe(orderRefusal.too_late);
    expect(await say(v.secret, digest16(crypto, v.claims), 5, none), "of a state that it is not in").toBe(orderRefusal.not_genuine);
    journal(box, used.entry);
    await sync(x, box);
    expect(await say(v.secret, digest16(crypto, v.claims), 0, none), "an older state").toBe(orderRefusal.state_unknown);
    expect(await say(v.secret, digest16(crypto, used.receipt), 1, used.receipt)).toBe(0);
  });
});

test("a terminal that is suspended orders nothing, and none may pay", async () => {
  const box = await enrolBox(x);
  await enrol(x, "b");
  expect(await ask(x, box, type.pay, letters.encodePay({ order: new Uint8Array(8), payment: new Uint8Array(8), bill: new Uint8Array(16), means: { with: "free" } }))).toHaveLength(0);
  await x.context.db.updateTable("terminal").set({ suspended: 1 }).execute();
  expect(await ask(x, box, type.catalogue, letters.encodeNothing())).toHaveLength(0);
});
