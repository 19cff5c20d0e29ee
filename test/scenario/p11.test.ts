/**
 * P11 to P13: a number that only the host's bill can repeat, an id that the shop can neither read nor alter, and everything between
 * handset and host through the shop's till.
 */
import { expect } from "vitest";
import { addBox, alone, bill, card, challengeOf, collect, enrol, giveCard, mine, orderAt, payFromCard, refused, shop, stateOf, told } from "./world.js";
import { HostRefused, postEnvelope } from "../../boards/node/network.js";
import { openEnvelope, readEnvelope } from "../../protocol/wire/envelope.js";
import { nodeCrypto as crypto } from "../../protocol/crypto/node/node.js";
import { readAnswer, writeLetter } from "../../runtime/sync/letters.js";
import { judgeBill } from "../../runtime/value/order-book.js";
import { decodeOrdered, decodeStanding, encodeAct } from "../../protocol/wire/order-letters.js";
import { encodeOrder, orderRefusal, orderState } from "../../protocol/wire/order.js";
import { messageType } from "../../protocol/wire/sync.js";

told("P11 and P12: the id and a fresh number, sealed for the host", async (w) => {
  await enrol(w, "b");
  await giveCard(w, "b");
  const till = await addBox(w, "Corner shop");
  await w.step();
  const proof = shop.identify(w.phone("b"), challengeOf(till), "sealed")!;
  await w.step();
  expect((await orderAt(w, till, { by: "sealed", proof }, [mine("concert")])).code).toBe(0);
  await w.step();
  const paper = await bill(w, "b");
  expect([paper.judged, paper.number > 0, paper.terminal]).toEqual(["matches", true, "Corner shop"]);
  await payFromCard(w, "b");
  await w.step();
  expect(await collect(w.phone("b"))).toEqual(["Concert"]);
  expect(judgeBill(shop.bookOf(w.phone("b")), paper), "the number is used up").toBe("differs");
});

alone("P11 must hold: a bill without the number, or with another, is not paid", async (w) => {
  await enrol(w, "b");
  await giveCard(w, "b");
  const till = await addBox(w, "Corner shop");
  await orderAt(w, till, { by: "signed", proof: shop.identify(w.phone("b"), challengeOf(till), "signed")! }, [mine("concert")]);
  const paper = await bill(w, "b");
  for (const number of [0, paper.number === 1 ? 2 : paper.number - 1]) {
    const judged = judgeBill(shop.bookOf(w.phone("b")), { ...paper, number });
    expect(judged).toBe("differs");
    const before = card(w, "b").receipts.length;
    await expect(shop.pay(w.phone("b"), { ...paper, number, judged }, { value: card(w, "b") })).rejects.toThrow(HostRefused);
    expect(card(w, "b").receipts.length).toBe(before);
  }
  expect(await stateOf(w, paper.order)).toBe("billed");
});

alone("P12 must hold: the till can't read who it is, nor alter, replay or use the id elsewhere; without the host's key the handset says nothing", async (w) => {
  await enrol(w, "b");
  await enrol(w, "thief");
  const [till, other] = [await addBox(w, "Corner shop"), await addBox(w, "Elsewhere")];
  const proof = shop.identify(w.phone("b"), challengeOf(till), "sealed")!;
  expect(Buffer.from(proof).includes(Buffer.from("b@")) || Buffer.from(proof).includes(Buffer.from(w.phone("b").keys.publicKey("device")!.subarray(1)))).toBe(false);
  for (const at of [3, 60, 150, proof.length - 5]) await refused(w, orderRefusal.not_identified, () => orderAt(w, till, { by: "sealed", proof: proof.map((b, i) => (i === at ? b ^ 1 : b)) as Uint8Array }, [mine("concert")]));
  expect((await orderAt(w, till, { by: "sealed", proof }, [mine("concert")])).code).toBe(0);
  await refused(w, orderRefusal.not_identified, () => orderAt(w, till, { by: "sealed", proof }, [mine("record")]));
  await refused(w, orderRefusal.not_identified, () => orderAt(w, other, { by: "sealed", proof: shop.identify(w.phone("b"), challengeOf(till), "sealed")! }, [mine("concert")]));
  expect(await shop.bills(w.phone("thief"))).toEqual([]);
  // A handset that lacks the host's key takes it from the till, certified by the root that it knows; another one it does not take.
  const { makeTrust, takeObject } = await import("../../runtime/sync/trust.js");
  const p = w.phone("b"), bare = makeTrust(crypto, p.trust.provider, p.trust.root, p.trust.spareRoot), who = { ...p.who, trust: bare };
  const { sealedIdentity } = await import("../../runtime/sync/order-sync.js");
  const said = { user: p.user, terminal: till.id, challenge: new Uint8Array(16), number: 1, at: w.host.context.now() };
  expect(sealedIdentity(who, said, 2)).toBeUndefined();
  const brought = w.host.context.keys.roles;
  expect(brought.map((role) => takeObject(bare, role.map((b, i) => (i === 80 ? b ^ 1 : b)) as Uint8Array)).some((taken) => taken)).toBe(false);
  for (const role of brought) takeObject(bare, role);
  expect(sealedIdentity(who, said, 2)).toBeDefined();
});

told("P13 a whole order through a till that is blind: it carries letters and learns nothing", async (w) => {
  await enrol(w, "b");
  await giveCard(w, "b");
  await w.step();
  const id = new Uint8Array(8).fill(3);
  const p = w.phone("b");
  const order = encodeOrder({ id, who: { by: "own" }, parcels: [mine("concert")], demand: 0, attachments: [] });
  const letter = writeLetter(p.who, messageType.order, order, p.clock.utc().at, 2)!;
  // What the till holds: bytes with a recipient. It opens none of it, and whatever it changes is refused.
  const sealed = readEnvelope(letter.bytes)!;
  expect(openEnvelope(crypto, sealed, sealed.ephemeral, new Uint8Array(32))).toBeUndefined();
  expect(Buffer.from(letter.bytes).includes("concert")).toBe(false);
  for (const at of [5, 40, 120, letter.bytes.length - 1]) expect(await postEnvelope(w.host.url, letter.bytes.map((b, i) => (i === at ? b ^ 1 : b)) as Uint8Array, 5000)).toBeUndefined();
  const answer = (await postEnvelope(w.host.url, letter.bytes, 5000))!;
  expect(decodeOrdered(readAnswer(p.who, letter, answer)!.body)!.code).toBe(0);
  const again = (await postEnvelope(w.host.url, letter.bytes, 5000))!;
  expect(Buffer.from(again).equals(Buffer.from(answer)), "a replay gets the stored answer, and orders nothing").toBe(true);
  expect((await w.host.context.db.selectFrom("orders").select("order_id").execute())).toHaveLength(1);
  // Reordered answers: this one fits no other question.
  const look = writeLetter(p.who, messageType.act, encodeAct({ order: id, what: 0 }), p.clock.utc().at, 2)!;
  expect(readAnswer(p.who, look, answer)).toBeUndefined();
  expect(decodeStanding(readAnswer(p.who, look, (await postEnvelope(w.host.url, look.bytes, 5000))!)!.body)!.state).toBe(orderState.billed);
  // Held back for eleven minutes, an order is refused for its age.
  const late = writeLetter(p.who, messageType.order, encodeOrder({ id: new Uint8Array(8).fill(4), who: { by: "own" }, parcels: [mine("concert")], demand: 0, attachments: [] }), p.clock.utc().at, 2)!;
  w.ahead += 660;
  const refusedAnswer = readAnswer(p.who, late, (await postEnvelope(w.host.url, late.bytes, 5000))!)!;
  expect(refusedAnswer.body).toHaveLength(0);
  expect((await w.host.context.db.selectFrom("orders").select("order_id").execute())).toHaveLength(1);
  await w.step();
  await payFromCard(w, "b");
  await w.step();
  expect(await collect(w.phone("b"))).toEqual(["Concert"]);
});
