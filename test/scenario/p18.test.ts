/**
 * P18: B hands a value on that he owns: directly from handset to handset, through the host, or through the host at a chosen time. The
 * value exists once: from the moment the deed is written B's handset shows it nowhere, and a copy that uses it all the same is a case.
 */
import { expect } from "vitest";
import { alone, api, booksOf, card, collect, enrol, moved, pass, refused, shop, tickets, told, type World } from "./world.js";
import { walletView } from "../../runtime/value/wallet.js";
import { encodeHello, decodeHello, intent } from "../../protocol/wire/message.js";
import { orderRefusal } from "../../protocol/wire/order.js";
import { decodeHandOn, decodePickedUp, encodeHandOn } from "../../protocol/wire/parcel-letters.js";
import { talk } from "../../boards/node/phone.js";
import { messageType } from "../../protocol/wire/sync.js";

async function giveTicket(w: World, name: string, product = "concert"): Promise<void> {
  await api(w, "POST", "/api/sales", { product, user: name, reference: `${product} of ${name}`, paid: "desk" });
  await collect(w.phone(name));
}
/** Would this handset show its ticket at a gate now? */
function shows(w: World, name: string): boolean {
  const hello = decodeHello(encodeHello({ version: 1, offer: 1, tap: new Uint8Array(4), nonce: new Uint8Array(32), terminal: new Uint8Array(8), want: { action: 1, kinds: ["ticket"], amount: 1, currency: undefined }, group: undefined }))!;
  return walletView({ ...w.phone(name).wallet, intent: intent.use }, []).choose(hello) !== undefined;
}

told("P18 through the host", async (w) => {
  for (const name of ["b", "d"]) await enrol(w, name);
  await giveTicket(w, "b");
  const before = await booksOf(w);
  expect([shows(w, "b"), shows(w, "d")]).toEqual([true, false]);
  await shop.handOn(w.phone("b"), tickets(w, "b")[0]!, "d");
  await w.step();
  expect([shows(w, "b"), shows(w, "d")], "in neither while it is under way").toEqual([false, false]);
  await shop.handOn(w.phone("b"), tickets(w, "b")[0]!, "d");
  expect(await collect(w.phone("d"))).toEqual(["Concert"]);
  await w.step();
  expect([shows(w, "b"), shows(w, "d")]).toEqual([false, true]);
  expect(tickets(w, "d")[0]!.value.ownerSequence).toBe(1);
  expect(moved(before, await booksOf(w)), "no account moves").toEqual({});
  await shop.handOn(w.phone("d"), tickets(w, "d")[0]!, "b");
  await collect(w.phone("b"));
  await w.step();
  expect([shows(w, "b"), shows(w, "d"), tickets(w, "b")[0]!.value.ownerSequence], "and back").toEqual([true, false, 2]);
});

told("P18 through the host, at the time that B chose (S8)", async (w) => {
  for (const name of ["b", "d"]) await enrol(w, name);
  await giveTicket(w, "b");
  await shop.handOn(w.phone("b"), tickets(w, "b")[0]!, "d", w.host.context.now() + 86_400);
  await w.step();
  await pass(w, 80_000);
  expect(await collect(w.phone("d"))).toEqual([]);
  await w.step();
  await pass(w, 6_500);
  expect(await collect(w.phone("d"))).toEqual(["Concert"]);
  expect([shows(w, "b"), shows(w, "d")]).toEqual([false, true]);
});

told("P18 directly, handset to handset, without a network; a card that was used keeps what is left", async (w) => {
  for (const name of ["b", "d"]) await enrol(w, name);
  await api(w, "POST", "/api/products", { product: "gift-card", name: "Gift card", kind: "card", sort: "prepaid", most: 5000, price: 5000, until: w.host.context.now() + 86_400 * 30, issuer: "box", transferable: true });
  await api(w, "POST", "/api/sales", { product: "gift-card", user: "b", reference: "g", paid: "desk" });
  await collect(w.phone("b"));
  await shop.order(w.phone("b"), [{ to: { kind: "payer" }, delivery: { by: "handset" }, at: 0, lines: [{ article: "record", count: 1 }] }]);
  const [paper] = await shop.bills(w.phone("b"));
  await shop.pay(w.phone("b"), paper!, { value: card(w, "b") });
  await w.step();
  const ready = shop.readyToTake(w.phone("d"));
  await w.step();
  const deed = shop.handOver(w.phone("b"), w.phone("b").wallet.values[0]!, ready, "d");
  await w.step();
  expect(w.phone("b").wallet.values[0]!.given, "given, also after a restart").toBe("d");
  expect(await shop.takeOver(w.phone("d"), deed)).toHaveLength(1);
  await w.step();
  expect(await shop.takeOver(w.phone("d"), deed), "a lost answer comes again").toHaveLength(1);
  const held = card(w, "d");
  const { newestReceipt } = await import("../../runtime/value/wallet.js");
  expect([held.value.ownerSequence, held.value.most - newestReceipt(held)!.after]).toEqual([1, 3500]);
  await shop.order(w.phone("d"), [{ to: { kind: "payer" }, delivery: { by: "handset" }, at: 0, lines: [{ article: "concert", count: 1 }] }]);
  const [second] = await shop.bills(w.phone("d"));
  await shop.pay(w.phone("d"), second!, { value: held });
  expect(newestReceipt(card(w, "d"))!.after).toBe(4500);
});

alone("P18 must hold: never both, never twice, never what may not be passed on, never by somebody else", async (w) => {
  for (const name of ["b", "d", "x"]) await enrol(w, name);
  await giveTicket(w, "b", "members");
  await refused(w, orderRefusal.not_transferable, () => shop.handOn(w.phone("b"), tickets(w, "b")[0]!, "d"));
  expect(tickets(w, "b")[0]!.given, "a no gives it back").toBe("");
  await giveTicket(w, "b");
  const ticket = tickets(w, "b").find((v) => v.name === "Concert")!;
  await refused(w, orderRefusal.delivery_impossible, () => shop.handOn(w.phone("b"), ticket, "nobody"));
  const forD = shop.handOver(w.phone("b"), ticket, shop.readyToTake(w.phone("d")), "d");
  expect(() => shop.handOver(w.phone("b"), ticket, shop.readyToTake(w.phone("x")), "x"), "given is given").toThrow();
  const x = decodeHandOn(forD)!;
  const take = async (who: string, body: Uint8Array): Promise<{ code: number }> => decodePickedUp(await talk(w.phone(who), messageType.handOn, body))!;
  for (const at of [30, 60, x.deed.length - 4]) await refused(w, orderRefusal.not_genuine, () => take("x", encodeHandOn({ ...x, deed: x.deed.map((b, i) => (i === at ? b ^ 1 : b)) as Uint8Array })));
  expect((await take("d", forD)).code).toBe(0);
  await refused(w, orderRefusal.too_late, () => take("x", forD));
  // A copy of B's handset that never heard of the first deed writes another one.
  const { setGiven } = await import("../../runtime/value/wallet.js");
  setGiven(w.phone("b").wallet, ticket, "");
  const second = shop.handOver(w.phone("b"), ticket, shop.readyToTake(w.phone("x")), "x");
  await refused(w, orderRefusal.too_late, () => take("x", second));
});
