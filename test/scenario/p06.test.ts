/**
 * P6, P7, P14, P15, P19 as the host sees them: what a terminal seals for a handset is handed on only when the order is paid, and is
 * the same bytes; a parcel may go to a fixed terminal; a shop's offer comes to whoever bought there.
 */
import { expect } from "vitest";
import { addBox, alone, challengeOf, collect, enrol, forUser, giveCard, mine, orderAt, payFromCard, say, sealedFor, shop, stateOf, told, type World } from "./world.js";
import { nodeCrypto as crypto } from "../../protocol/crypto/node/node.js";
import { decodeDelivered, decodeOffers, encodeCollect, encodeOfferKeys } from "../../protocol/wire/handset-letters.js";
import { encodeReceived } from "../../protocol/wire/order-letters.js";
import { encodeOffersLeft, mailKind } from "../../protocol/wire/parcel-letters.js";
import { decodeSignedClaims, messageType } from "../../protocol/wire/sync.js";
import { decodeValue } from "../../protocol/wire/value.js";

const mailOf = async (w: World, name: string, kind: number): Promise<string[]> => { await shop.fetchMail(w.phone(name)); return shop.mailHere(w.phone(name)).filter((m) => m.kind === kind).map((m) => Buffer.from(m.body).toString()); };

told("P6, P14: an attachment under the common key comes with payment, and not before", async (w) => {
  await enrol(w, "b");
  await giveCard(w, "b");
  const box = await addBox(w, "Receiver");
  await orderAt(w, box, { by: "signed", proof: shop.identify(w.phone("b"), challengeOf(box), "signed")! }, [mine("concert")], { attachments: [sealedFor(0, "sealed: the nearest service point")] });
  await w.step();
  expect(await mailOf(w, "b", mailKind.attachment), "unpaid").toEqual([]);
  await payFromCard(w, "b");
  await w.step();
  expect(await mailOf(w, "b", mailKind.attachment)).toEqual(["sealed: the nearest service point"]);
  await w.step();
  expect(await mailOf(w, "b", mailKind.attachment), "once").toHaveLength(1);
});

alone("P6 must hold: refused, the attachment never comes", async (w) => {
  await enrol(w, "b");
  const box = await addBox(w, "Receiver");
  const { id } = await orderAt(w, box, { by: "signed", proof: shop.identify(w.phone("b"), challengeOf(box), "signed")! }, [mine("concert")], { attachments: [sealedFor(0, "sealed")] });
  await shop.standing(w.phone("b"), id, "cancel");
  expect(await stateOf(w, id)).toBe("refused");
  expect(await mailOf(w, "b", mailKind.attachment)).toEqual([]);
});

told("P7 the bill to the handset, the ticket to the box at home", async (w) => {
  await enrol(w, "b");
  await giveCard(w, "b");
  const box = await addBox(w, "Box at home");
  const id = await shop.order(w.phone("b"), [mine("concert", { delivery: { by: "terminal", terminal: box.id } })]);
  expect(decodeOffers(await say(w, box, messageType.collect, encodeCollect(""))), "unpaid").toEqual([]);
  await payFromCard(w, "b");
  await w.step();
  expect(await collect(w.phone("b"))).toEqual([]);
  const [offer] = decodeOffers(await say(w, box, messageType.collect, encodeCollect("")))!;
  const keys = encodeOfferKeys([{ offer: offer!.offer, publicKey: crypto.publicKey(new Uint8Array(32).fill(9))!, keyClass: 2 }]);
  const [delivered] = decodeDelivered(await say(w, box, messageType.deliver, keys))!;
  await w.step();
  expect(decodeDelivered(await say(w, box, messageType.deliver, keys)), "the same again").toEqual([delivered]);
  await say(w, box, messageType.received, encodeReceived([decodeValue(decodeSignedClaims(delivered!.value)!.claims)!.valueId]));
  expect(await stateOf(w, id)).toBe("acknowledged");
});

told("P15 coupon A for B and coupon B for D, each to its own; P19 the shop's offer to who bought there", async (w) => {
  for (const name of ["b", "d"]) await enrol(w, name);
  await giveCard(w, "b");
  const till = await addBox(w, "Shop");
  await say(w, till, messageType.leaveOffers, encodeOffersLeft([new TextEncoder().encode("sealed offer")]));
  await orderAt(w, till, { by: "sealed", proof: shop.identify(w.phone("b"), challengeOf(till), "sealed")! }, [forUser("d", "concert")], { attachments: [sealedFor(0, "coupon A"), sealedFor(1, "coupon B")] });
  await w.step();
  for (const name of ["b", "d"]) expect(await mailOf(w, name, mailKind.attachment)).toEqual([]);
  await payFromCard(w, "b");
  await w.step();
  expect(await mailOf(w, "b", mailKind.attachment)).toEqual(["coupon A"]);
  expect(await mailOf(w, "d", mailKind.attachment)).toEqual(["coupon B"]);
  expect([await mailOf(w, "b", mailKind.offer), await mailOf(w, "d", mailKind.offer)]).toEqual([["sealed offer"], []]);
  expect(await collect(w.phone("d"))).toEqual(["Concert"]);
});
