/**
 * Cards through Stripe (`money.md` §3 lines 3–6, 16, 19): each payment counts once whatever is lost on the way, what nobody knows
 * stays pending until somebody does, a notice is believed for its signature, and a refund goes back once. Against a server on this machine
 * that speaks Stripe's HTTP contract to Stripe's own package.
 */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { secretKey, startStripeServer, webhookSecret, type StripeServer } from "./stripe-server.js";
import { bill, booksOf, collect, enrol, expectCleanBooks, incidents, mine, moved, openShop, openWorld, orderState, pass, refused, shop, stateOf, type World } from "../scenario/world.js";
import { stripe } from "../../host/payment/stripe.js";
import { orderRefusal } from "../../protocol/wire/order.js";

let server: StripeServer;
let w: World;
beforeEach(async () => {
  server = await startStripeServer();
  w = await openWorld(true, [stripe({ secretKey, webhookSecret, server: { host: "127.0.0.1", port: server.port, protocol: "http" }, timeoutMs: 2000 })]);
  await openShop(w);
  await enrol(w, "b");
});
afterEach(async () => { await w.close(); await server.close(); });

const byCard = { processor: "stripe", method: "pm_card_visa" };
const placed = async (article = "concert"): Promise<Uint8Array> => { const id = await shop.order(w.phone("b"), [mine(article)]); await w.step(); return id; };
const payByCard = async (): Promise<number> => await shop.pay(w.phone("b"), await bill(w, "b"), byCard);
const post = async (notice: { body: string; signature: string }): Promise<number> => (await fetch(w.host.url + "/payment/stripe", { method: "POST", headers: { "content-type": "application/json", "stripe-signature": notice.signature }, body: notice.body })).status;

test("paid by card: captured, delivered, the processor owes us the money", async () => {
  const before = await booksOf(w);
  const id = await placed();
  expect(await payByCard()).toBe(orderState.paid);
  expect(await collect(w.phone("b"))).toEqual(["Concert"]);
  expect(server.intents.map((i) => [i.amount, i.currency, i.status])).toEqual([[3000, "eur", "succeeded"]]);
  const change = moved(before, await booksOf(w));
  expect(change["processor/stripe"]).toBe(3000);
  expect(await stateOf(w, id)).toBe("acknowledged");
  await expectCleanBooks(w);
});

test("declined: nothing is owed, nothing delivered, the bill is open for another card", async () => {
  server.mode = "decline";
  const id = await placed();
  await refused(w, orderRefusal.declined, payByCard);
  expect(await stateOf(w, id)).toBe("billed");
  server.mode = "good";
  expect(await payByCard()).toBe(orderState.paid);
});

test("a method that the processor does not know is declined, and a processor that is not here refused", async () => {
  await placed();
  await refused(w, orderRefusal.declined, async () => shop.pay(w.phone("b"), await bill(w, "b"), { processor: "stripe", method: "4242424242424242" }));
  await refused(w, orderRefusal.value_unfit, async () => shop.pay(w.phone("b"), await bill(w, "b"), { processor: "nobody", method: "pm_x" }));
});

describe("nobody knows what became of it", () => {
  test.each<[string, (id: Uint8Array) => Promise<void>]>([
    ["the handset asks again: the same payment, once", async () => { expect(await shop.goOnPaying(w.phone("b"))).toBe(1); }],
    ["the host asks again, after a restart", async () => { await w.step(); await pass(w, 20); }],
    ["a notice comes first", async () => { expect(await post(server.notice("payment_intent.succeeded", server.intents[0], w.host.context.now()))).toBe(200); }],
    ["all three, twice", async () => {
      for (let i = 0; i < 2; i++) { await post(server.notice("payment_intent.succeeded", server.intents[0], w.host.context.now())); await shop.goOnPaying(w.phone("b")); await w.step(); await pass(w, 20); }
    }],
  ])("%s", async (_name, resolve) => {
    const id = await placed();
    server.mode = "lose";
    await expect(payByCard()).rejects.toMatchObject({ code: orderRefusal.outcome_unknown });
    expect([await stateOf(w, id), server.intents.length]).toEqual(["paying", 1]);
    expect(await collect(w.phone("b")), "unknown is not paid").toEqual([]);
    await expect(shop.standing(w.phone("b"), id, "cancel"), "and not cancelled either").rejects.toMatchObject({ code: orderRefusal.outcome_unknown });
    server.mode = "good";
    await resolve(id);
    expect(server.intents, "one charge").toHaveLength(1);
    expect(await stateOf(w, id)).toBe("paid");
    expect(await collect(w.phone("b"))).toEqual(["Concert"]);
    await expectCleanBooks(w);
    expect(await incidents(w)).toEqual([]);
  });

  test("its bill does not run out, and a week later what Stripe never heard of has never been", async () => {
    const id = await placed();
    server.mode = "down";
    await expect(payByCard()).rejects.toMatchObject({ code: orderRefusal.outcome_unknown });
    await pass(w, 90_000);
    expect(await stateOf(w, id), "no clock alone voids a payment").toBe("paying");
    server.mode = "good";
    const row = await w.host.context.db.selectFrom("payment").select("payment_id").executeTakeFirstOrThrow();
    await w.host.context.db.updateTable("payment").set({ asked_at: Math.floor(Date.now() / 1000) - 30 * 86_400 }).where("payment_id", "=", row.payment_id).execute();
    await pass(w, 20);
    expect(server.intents).toEqual([]);
    expect(await stateOf(w, id)).toBe("billed");
    await expectCleanBooks(w);
  });

  test("found in Stripe's list when the key is forgotten and no answer ever came", async () => {
    const id = await placed();
    server.mode = "lose";
    await expect(payByCard()).rejects.toMatchObject({ code: orderRefusal.outcome_unknown });
    server.mode = "good";
    server.forget();
    server.intents.unshift(...[1, 2, 3].map((n) => ({ ...server.intents[0]!, id: "pi_other" + n, metadata: {} })));
    await w.host.context.db.updateTable("payment").set({ asked_at: Math.floor(Date.now() / 1000) - 86_400 }).execute();
    await pass(w, 20);
    expect(server.intents.filter((i) => i.metadata["payment"] !== undefined), "no second charge").toHaveLength(1);
    expect(await stateOf(w, id)).toBe("paid");
  });
});

describe("a bank debit takes days", () => {
  test.each([["collected", "payment_intent.succeeded", { status: "succeeded", amount_received: 3000 }, "paid"], ["returned", "payment_intent.payment_failed", { status: "requires_payment_method", last_payment_error: { code: "debit_not_authorized" } }, "billed"]] as const)(
    "%s", async (_name, type, more, state) => {
      const id = await placed();
      server.mode = "processing";
      await expect(payByCard()).rejects.toMatchObject({ code: orderRefusal.outcome_unknown });
      expect(await collect(w.phone("b"))).toEqual([]);
      await w.step();
      expect(await post(server.notice(type, { ...server.intents[0], ...more }, w.host.context.now()))).toBe(200);
      expect(await stateOf(w, id)).toBe(state);
      await expectCleanBooks(w);
    });
});

describe("a notice is believed for its signature over these bytes, of these minutes", () => {
  test.each<[string, () => { body: string; signature: string }]>([
    ["another secret", () => server.notice("payment_intent.succeeded", server.intents[0], w.host.context.now(), "whsec_other")],
    ["one letter changed", () => { const n = server.notice("payment_intent.succeeded", server.intents[0], w.host.context.now()); return { ...n, body: n.body.replace("succeeded", "succeedeb") }; }],
    ["eleven minutes old", () => server.notice("payment_intent.succeeded", server.intents[0], w.host.context.now() - 660)],
    ["no signature", () => ({ ...server.notice("payment_intent.succeeded", server.intents[0], w.host.context.now()), signature: "" })],
  ])("not with %s", async (_name, forged) => {
    const id = await placed();
    server.mode = "lose";
    await expect(payByCard()).rejects.toMatchObject({ code: orderRefusal.outcome_unknown });
    expect(await post(forged())).toBe(400);
    expect(await stateOf(w, id)).toBe("paying");
  });
  test("of a payment that nobody made it is an incident, and moves nothing", async () => {
    const before = await booksOf(w);
    await placed();
    server.mode = "lose";
    await expect(payByCard()).rejects.toBeDefined();
    expect(await post(server.notice("payment_intent.succeeded", { ...server.intents[0], metadata: { payment: "ff".repeat(8) } }, w.host.context.now()))).toBe(200);
    expect(await incidents(w)).toEqual(["a processor speaks of a payment that nobody made"]);
    expect(moved(before, await booksOf(w))).toEqual({});
  });
  test("another amount than ours is an incident, and not paid", async () => {
    const id = await placed();
    server.mode = "short";
    await expect(payByCard()).rejects.toMatchObject({ code: orderRefusal.outcome_unknown });
    expect([await incidents(w), await stateOf(w, id)]).toEqual([["a processor captured another amount"], "paying"]);
  });
  test("a chargeback is put before a person, once", async () => {
    await placed();
    await payByCard();
    for (let i = 0; i < 2; i++) await post(server.notice("charge.dispute.created", { id: "dp_1", object: "dispute", payment_intent: server.intents[0]!.id, amount: 3000, reason: "fraudulent" }, w.host.context.now()));
    expect(await incidents(w)).toEqual(["a payer contests a payment"]);
  });
});

describe("refunds", () => {
  test.each([["answered", "good"], ["whose answer is lost", "lose"], ["that take their time", "processing"]] as const)("cancelled before it is handed out, %s: back to the card, once", async (_name, mode) => {
    const before = await booksOf(w);
    const id = await placed();
    await payByCard();
    await w.step();
    expect((await shop.standing(w.phone("b"), id, "cancel")).refunded).toBe(3000);
    server.mode = mode;
    await pass(w, 20);
    server.forget();
    server.mode = "good";
    await w.step();
    if (mode === "processing") await post(server.notice("refund.updated", { ...server.refunds[0], status: "succeeded" }, w.host.context.now()));
    await pass(w, 20);
    expect(server.refunds).toHaveLength(1);
    expect(await stateOf(w, id)).toBe("refunded");
    expect(moved(before, await booksOf(w)), "every account is where it was").toEqual({});
    expect(await collect(w.phone("b"))).toEqual([]);
    await expectCleanBooks(w);
  });
});
