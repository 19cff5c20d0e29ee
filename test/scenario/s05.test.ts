/**
 * S5: four kinds of product in one order, and bundles of them. The bill shows delivery dates; each line earns its own share (`money.md`
 * lines 7, 9, 10, 24), and what nobody has in his hands yet can be cancelled for its money (16–19). S9: a bill may be paid where it is.
 */
import { expect } from "vitest";
import { addBox, alone, api, bill, booksOf, card, collect, enrol, giveCard, mine, moved, orderAt, orderState, pass, payFromCard, refused, say, shop, stateOf, told, type World } from "./world.js";
import { addArticle } from "../../host/orders/articles.js";
import { refresh } from "../../boards/node/phone.js";
import { newestReceipt } from "../../runtime/value/wallet.js";
import { hex } from "../../protocol/wire/bytes.js";
import { decodeBills, encodeNothing } from "../../protocol/wire/order-letters.js";
import { demand, orderRefusal } from "../../protocol/wire/order.js";
import { mailKind } from "../../protocol/wire/parcel-letters.js";
import { messageType } from "../../protocol/wire/sync.js";

const linesOf = async (w: World, id: Uint8Array): Promise<{ line_id: string; name: string; amount: number; is: string }[]> => (await api<{ lines: { line_id: string; name: string; amount: number; is: string }[] }>(w, "GET", "/api/orders/" + hex(id))).lines;
const all = mine("", { lines: [{ article: "record", count: 1 }, { article: "concert", count: 1 }, { article: "stream", count: 1 }, { article: "guide", count: 1 }] });

told("S5 a record, a ticket, a stream and a guide in one order", async (w) => {
  await enrol(w, "b");
  await giveCard(w, "b");
  await giveCard(w, "b");
  const before = await booksOf(w);
  const id = await shop.order(w.phone("b"), [all]);
  const paper = await bill(w, "b");
  expect([paper.total, paper.items.map((i) => [i.name, i.amount, i.date > 0])]).toEqual([5400, [["Record", 1500, true], ["Concert", 3000, false], ["Live stream", 900, false], ["Guide to the evening", 0, false]]]);
  await refused(w, orderRefusal.insufficient, () => shop.pay(w.phone("b"), paper, { value: card(w, "b") }));
  await api(w, "POST", "/api/products", { product: "big", name: "Card of 100", kind: "card", sort: "prepaid", most: 10_000, price: 10_000, until: w.host.context.now() + 30 * 86_400, issuer: "box" });
  await api(w, "POST", "/api/sales", { product: "big", user: "b", reference: "big", paid: "desk" });
  await collect(w.phone("b"));
  await w.step();
  const big = w.phone("b").wallet.values.find((v) => v.name === "Card of 100")!;
  expect(await shop.pay(w.phone("b"), await bill(w, "b"), { value: big })).toBe(orderState.paid);
  await w.step();
  expect(await collect(w.phone("b"))).toEqual(["Concert"]);
  expect((await shop.fetchMail(w.phone("b"))).filter((m) => m.kind === mailKind.information).map((m) => Buffer.from(m.body).toString())).toEqual(["Doors open at seven."]);
  expect(await stateOf(w, id), "record and stream are still to come").toBe("paid");
  for (const name of ["Record", "Live stream"]) {
    const line = (await linesOf(w, id)).find((l) => l.name === name)!;
    expect(await api(w, "POST", `/api/lines/${line.line_id}/delivered`)).toEqual({ delivered: true });
    expect(await api(w, "POST", `/api/lines/${line.line_id}/delivered`), "once").toEqual({ delivered: false });
    await w.step();
  }
  expect(await stateOf(w, id)).toBe("acknowledged");
  const change = moved(before, await booksOf(w));
  expect([change["merchant/records"], change["merchant/hall"], Object.keys(change).filter((a) => a.startsWith("order/"))]).toEqual([-1500, -900, []]);
  expect(Object.entries(change).filter(([a]) => a.startsWith("unearned/")).map(([, minor]) => minor)).toEqual([-3000]);
});

told("S5 a bundle is one line of the bill, and its price falls on its parts by what they cost alone", async (w) => {
  await enrol(w, "b");
  await giveCard(w, "b");
  const id = await shop.order(w.phone("b"), [mine("evening")]);
  expect((await bill(w, "b")).items.map((i) => [i.name, i.amount])).toEqual([["Record, concert and stream", 5000]]);
  await w.step();
  await payFromCard(w, "b");
  // 1500, 3000 and 900 of 5400, at 5000: 1388.89, 2777.78 and 833.33, the missing unit to the largest remainder.
  expect((await linesOf(w, id)).map((l) => [l.name, l.amount])).toEqual([["Record", 1389], ["Concert", 2778], ["Live stream", 833]]);
  await w.step();
  expect(await collect(w.phone("b"))).toEqual(["Concert"]);
});

alone("S5 a bundle counts against its own stock and its parts'; a card in it is never cheaper than what it holds", async (w) => {
  const c = w.host.context;
  await enrol(w, "b");
  await addArticle(c, { article: "seat-and-record", sort: "bundle", name: "Seat and record", price: 4000, parts: ["seat", "record"], stock: 5 });
  const id = await shop.order(w.phone("b"), [mine("seat-and-record")]);
  await refused(w, orderRefusal.sold_out, () => shop.order(w.phone("b"), [mine("seat")]));
  await refused(w, orderRefusal.sold_out, () => shop.order(w.phone("b"), [mine("seat-and-record")]));
  const left = async (): Promise<unknown> => Object.fromEntries((await shop.catalogue(w.phone("b"))).filter((a) => a.left !== undefined).map((a) => [a.article, a.left]));
  expect(await left()).toEqual({ seat: 0, "seat-and-record": 4 });
  await shop.standing(w.phone("b"), id, "cancel");
  expect(await left()).toEqual({ seat: 1, "seat-and-record": 5 });
  await expect(addArticle(c, { article: "x", sort: "bundle", name: "Card, cheap", price: 1900, parts: ["card", "guide"] })).rejects.toThrow(/cards in it/);
  await expect(addArticle(c, { article: "x", sort: "bundle", name: "Bundle of bundles", price: 1, parts: ["evening", "guide"] })).rejects.toThrow(/no bundle itself/);
});

told("cancelled after paying: what is not handed out comes back, what is stays sold", async (w) => {
  await enrol(w, "b");
  await giveCard(w, "b");
  const before = await booksOf(w);
  const at = w.host.context.now() + 86_400;
  const id = await shop.order(w.phone("b"), [mine("record"), mine("concert", { at })]);
  await payFromCard(w, "b");
  await w.step();
  const line = (await linesOf(w, id)).find((l) => l.name === "Record")!;
  await api(w, "POST", `/api/lines/${line.line_id}/delivered`);
  expect((await shop.standing(w.phone("b"), id, "cancel")).refunded).toBe(3000);
  await w.step();
  await pass(w, 86_401);
  expect(await collect(w.phone("b")), "the ticket never comes").toEqual([]);
  await refused(w, orderRefusal.too_late, () => shop.standing(w.phone("b"), id, "cancel"));
  const change = moved(before, await booksOf(w));
  expect(change["merchant/records"]).toBe(-1500);
  expect(Object.entries(change).filter(([a]) => a.startsWith("prepaid/")).map(([, minor]) => minor), "the card is charged for the record alone").toEqual([1500]);
  expect(await refresh(w.phone("b"), card(w, "b").value.valueId)).toBe(0);
  expect(newestReceipt(card(w, "b"))!.after).toBe(1500);
});

told("cancelled before the handset collected it: the ticket is revoked and its money comes back", async (w) => {
  await enrol(w, "b");
  await giveCard(w, "b");
  const before = await booksOf(w);
  const id = await shop.order(w.phone("b"), [mine("concert")]);
  await payFromCard(w, "b");
  await w.step();
  expect((await shop.standing(w.phone("b"), id, "cancel")).refunded).toBe(3000);
  expect(await stateOf(w, id)).toBe("refunded");
  await w.step();
  expect(await collect(w.phone("b"))).toEqual([]);
  expect(moved(before, await booksOf(w))).toEqual({});
});

alone("cancelled after it was collected: too late, whatever was paid", async (w) => {
  await enrol(w, "b");
  await giveCard(w, "b");
  const id = await shop.order(w.phone("b"), [mine("concert")]);
  await payFromCard(w, "b");
  await collect(w.phone("b"));
  await refused(w, orderRefusal.too_late, () => shop.standing(w.phone("b"), id, "cancel"));
});

told("S9 the bill at the terminal: whoever is there and has seen it pays; nobody else", async (w) => {
  for (const name of ["b", "friend", "stranger"]) await enrol(w, name);
  for (const name of ["friend", "stranger"]) await giveCard(w, name);
  const till = await addBox(w, "Shop");
  const { id, code } = await orderAt(w, till, { by: "sealed", proof: shop.identify(w.phone("b"), { terminal: till.id, challenge: new Uint8Array(16).fill(5) }, "sealed")! }, [mine("concert")], { demand: demand.here });
  expect(code).toBe(0);
  await w.step();
  expect(await shop.bills(w.phone("b")), "not on the handset").toEqual([]);
  const [paper] = decodeBills(await say(w, till, messageType.bills, encodeNothing()))!;
  const other = { ...paper!, total: paper!.total - 1, judged: "own" as const };
  await refused(w, orderRefusal.order_unknown, () => shop.pay(w.phone("stranger"), other, { value: card(w, "stranger") }));
  expect(await shop.pay(w.phone("friend"), { ...paper!, judged: "own" }, { value: card(w, "friend") })).toBe(orderState.paid);
  await w.step();
  expect(await collect(w.phone("friend"))).toEqual([]);
  expect(await collect(w.phone("b"))).toEqual(["Concert"]);
  expect(await stateOf(w, id)).toBe("acknowledged");
});
