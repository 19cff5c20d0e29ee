/**
 * P8 to P10: gifts. To a user, a terminal, or the number of somebody who is not registered; several at once. D's handset answers with a
 * signed receipt and a word to B, which the host passes on and can neither read nor make.
 */
import { expect } from "vitest";
import { addBox, alone, api, booksOf, card, collect, enrol, expectCleanBooks, forPhone, forUser, giveCard, mine, moved, orderState, pass, payFromCard, refused, say, shop, stateOf, tickets, told, type World } from "./world.js";
import { nodeCrypto as crypto } from "../../protocol/crypto/node/node.js";
import { decodeDelivered, decodeOffers, encodeCollect, encodeOfferKeys } from "../../protocol/wire/handset-letters.js";
import { encodeReceived } from "../../protocol/wire/order-letters.js";
import { decodeForwarded, mailKind } from "../../protocol/wire/parcel-letters.js";
import { orderRefusal } from "../../protocol/wire/order.js";
import { messageType } from "../../protocol/wire/sync.js";
import { decodeSignedClaims } from "../../protocol/wire/sync.js";
import { decodeValue } from "../../protocol/wire/value.js";

/** The texts that wait for a gateway: to whom, and the code or token in each. */
const texts = async (w: World): Promise<{ to: string; text: string; number: number }[]> => await api(w, "GET", "/api/texts");

told("P8 to a registered friend, with a receipt and a word back (P9, P10)", async (w) => {
  for (const name of ["b", "d"]) await enrol(w, name);
  await giveCard(w, "b");
  const id = await shop.order(w.phone("b"), [forUser("d", "concert")]);
  await payFromCard(w, "b");
  await w.step();
  expect(await collect(w.phone("b")), "not the giver's").toEqual([]);
  expect(await collect(w.phone("d"))).toEqual(["Concert"]);
  await w.step();
  await shop.fetchMail(w.phone("d"));
  await w.step();
  const [gift] = shop.giftsHere(w.phone("d"));
  expect([gift!.notice.from, gift!.notice.parcel, gift!.notice.names]).toEqual(["b", 1, ["Concert"]]);
  await shop.thank(w.phone("d"), gift!, tickets(w, "d"), "See you there!");
  await w.step();
  await shop.fetchMail(w.phone("b"));
  await w.step();
  const [thanks] = shop.thanksHere(w.phone("b"));
  expect([thanks!.from, thanks!.thanks.message, thanks!.thanks.recipient, thanks!.thanks.server, thanks!.thanks.values.length]).toEqual(["d", "See you there!", "d", "example", 1]);
  expect(await stateOf(w, id)).toBe("acknowledged");
});

told("P8 to several at once: a user, a terminal, a number; one's own ticket among them", async (w) => {
  for (const name of ["b", "d"]) await enrol(w, name);
  await giveCard(w, "b");
  await giveCard(w, "b");
  await giveCard(w, "b");
  const box = await addBox(w, "D's receiver");
  const id = await shop.order(w.phone("b"), [mine("guide"), forUser("d", "guide"), mine("concert", { to: { kind: "terminal", terminal: box.id } }), forPhone("+81 90-1234-5678", "guide")].map((p) => (p.to.kind === "phone" ? { ...p, lines: [{ article: "card", count: 1 }] } : p)));
  await w.step();
  expect(await payFromCard(w, "b")).toBe(orderState.held);
  await w.step();
  for (const name of ["b", "d"]) expect((await shop.fetchMail(w.phone(name))).filter((m) => m.kind === mailKind.information)).toHaveLength(1);
  const offers = decodeOffers(await say(w, box, messageType.collect, encodeCollect("")))!;
  const secret = new Uint8Array(32).fill(7);
  const delivered = decodeDelivered(await say(w, box, messageType.deliver, encodeOfferKeys([{ offer: offers[0]!.offer, publicKey: crypto.publicKey(secret)!, keyClass: 2 }])))!;
  const value = decodeValue(decodeSignedClaims(delivered[0]!.value)!.claims)!;
  await say(w, box, messageType.received, encodeReceived([value.valueId]));
  expect((await shop.standing(w.phone("b"), id)).parcels.map((p) => p.state)).toEqual([orderState.acknowledged, orderState.acknowledged, orderState.acknowledged, orderState.held]);
});

told("P8 to a number: it waits until they register and prove it, and belongs to nobody else", async (w) => {
  await enrol(w, "b");
  await giveCard(w, "b");
  const before = await booksOf(w);
  const id = await shop.order(w.phone("b"), [forPhone("+819012345678", "concert")]);
  await payFromCard(w, "b");
  const giftAccount = Object.keys(moved(before, await booksOf(w))).find((a) => a.startsWith("gift/"));
  expect(giftAccount, "the money waits in an account of its own").toBeDefined();
  await w.step();
  const [first] = await texts(w);
  expect(first!.to).toBe("+819012345678");
  const token = /[0-9A-Z]{4}(-[0-9A-Z]{4}){4}/.exec(first!.text)![0];
  await api(w, "POST", `/api/texts/${first!.number}/sent`);
  for (const name of ["d", "thief"]) await enrol(w, name);
  expect(await collect(w.phone("d"))).toEqual([]);
  await refused(w, orderRefusal.number_wrong, () => shop.claimGift(w.phone("d"), "AAAA-BBBB-CCCC-DDDD-EEEE"));
  expect(await shop.claimGift(w.phone("thief"), token), "he saw the token, and has not the phone").toBe(false);
  await w.step();
  const code = /\d{8}/.exec((await texts(w))[0]!.text)![0];
  const wrong = code === "00000000" ? "00000001" : "00000000";
  await refused(w, orderRefusal.number_wrong, () => shop.claimGift(w.phone("thief"), token, wrong));
  expect(await shop.claimGift(w.phone("d"), token, code)).toBe(true);
  await w.step();
  expect(await collect(w.phone("d"))).toEqual(["Concert"]);
  await refused(w, orderRefusal.number_wrong, () => shop.claimGift(w.phone("thief"), token, code));
  expect(await stateOf(w, id)).toBe("acknowledged");
});

alone("P8 must hold: five wrong codes, an old code and too many codes open nothing", async (w) => {
  for (const name of ["b", "d"]) await enrol(w, name);
  await giveCard(w, "b");
  await shop.order(w.phone("b"), [forPhone("+819012345678", "concert")]);
  await payFromCard(w, "b");
  const token = /[0-9A-Z]{4}(-[0-9A-Z]{4}){4}/.exec((await texts(w))[0]!.text)![0];
  const codes = async (): Promise<string> => { await shop.claimGift(w.phone("d"), token); return /\d{8}/.exec((await texts(w)).at(-1)!.text)![0]; };
  const first = await codes();
  for (let i = 0; i < 5; i++) await refused(w, orderRefusal.number_wrong, () => shop.claimGift(w.phone("d"), token, String((Number(first) + 1 + i) % 100_000_000).padStart(8, "0")));
  await refused(w, orderRefusal.number_wrong, () => shop.claimGift(w.phone("d"), token, first));
  const second = await codes();
  w.ahead += 601;
  await refused(w, orderRefusal.number_wrong, () => shop.claimGift(w.phone("d"), token, second));
  await codes();
  await codes();
  await refused(w, orderRefusal.number_wrong, () => shop.claimGift(w.phone("d"), token));
});

told("P8 a gift that nobody claims goes back to the giver's card after thirty days", async (w) => {
  await enrol(w, "b");
  await giveCard(w, "b");
  const before = await booksOf(w);
  const id = await shop.order(w.phone("b"), [forUser("stranger", "concert")]);
  await payFromCard(w, "b");
  await w.step();
  await pass(w, 29 * 86_400);
  expect(await stateOf(w, id)).toBe("held");
  await w.step();
  await pass(w, 86_400 + 1);
  expect(await stateOf(w, id)).toBe("refunded");
  expect(moved(before, await booksOf(w)), "every account is where it was").toEqual({});
  await shop.standing(w.phone("b"), id);
  const { refresh } = await import("../../boards/node/phone.js");
  expect(await refresh(w.phone("b"), card(w, "b").value.valueId)).toBe(0);
  const { newestReceipt } = await import("../../runtime/value/wallet.js");
  expect(newestReceipt(card(w, "b"))!.after, "and the handset's card holds it again").toBe(0);
});

told("P8 must hold: whoever registers under the recipient's user id does not get the gift without its token", async (w) => {
  await enrol(w, "b");
  await giveCard(w, "b");
  const at = w.host.context.now() + 3600;
  const id = await shop.order(w.phone("b"), [forUser("stranger", "concert"), forUser("stranger", "guide", { lines: [{ article: "card", count: 1 }], at })]);
  await payFromCard(w, "b");
  await enrol(w, "stranger");
  await pass(w, 3601);
  await w.step();
  expect(await collect(w.phone("stranger")), "neither the one of now nor the one of later").toEqual([]);
  for (const text of await texts(w)) expect(await shop.claimGift(w.phone("stranger"), /[0-9A-Z]{4}(-[0-9A-Z]{4}){4}/.exec(text.text)![0])).toBe(true);
  await w.step();
  expect((await collect(w.phone("stranger"))).sort()).toEqual(["Card of 20", "Concert"]);
  expect(await stateOf(w, id)).toBe("acknowledged");
});

alone("P9 must hold: the host can't read thanks, and thanks that D did not sign are not shown", async (w) => {
  for (const name of ["b", "d", "x"]) await enrol(w, name);
  await giveCard(w, "b");
  await shop.order(w.phone("b"), [forUser("d", "concert")]);
  await payFromCard(w, "b");
  await collect(w.phone("d"));
  await shop.fetchMail(w.phone("d"));
  const [gift] = shop.giftsHere(w.phone("d"));
  await refused(w, orderRefusal.order_unknown, () => shop.thank(w.phone("x"), gift!, tickets(w, "d"), "I am D"));
  await shop.thank(w.phone("d"), gift!, tickets(w, "d"), "A secret between us");
  const row = await w.host.context.db.selectFrom("mail").selectAll().where("kind", "=", mailKind.thanks).executeTakeFirstOrThrow();
  expect(Buffer.from(row.body).includes("A secret between us")).toBe(false);
  const forwarded = decodeForwarded(new Uint8Array(row.body))!;
  // What a dishonest host could put in its place: another signer's word, or a damaged one.
  const forgeries = [{ ...forwarded, signing: w.phone("x").keys.publicKey("device")! }, { ...forwarded, from: "x" }, { ...forwarded, sealed: forwarded.sealed.map((b, i) => (i === 200 ? b ^ 1 : b)) as Uint8Array }];
  const { encodeForwarded } = await import("../../protocol/wire/parcel-letters.js");
  for (const x of forgeries) await w.host.context.db.insertInto("mail").values({ user_id: "b", kind: mailKind.thanks, order_id: row.order_id, body: encodeForwarded(x), at: row.at }).execute();
  await shop.fetchMail(w.phone("b"));
  expect(shop.mailHere(w.phone("b")).filter((m) => m.kind === mailKind.thanks)).toHaveLength(4);
  expect(shop.thanksHere(w.phone("b")).map((t) => t.thanks.message)).toEqual(["A secret between us"]);
  await expectCleanBooks(w);
});
