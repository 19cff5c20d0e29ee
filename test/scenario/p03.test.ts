/**
 * P3 to P5: the user id without typing. Over a link that only speaks, plain where the pair is known (P3) or signed for a time step
 * (P4); over one that goes both ways, signed for the terminal that asks (P5). Altered or replayed ones are refused.
 */
import { expect } from "vitest";
import { addBox, alone, bill, challengeOf, collect, enrol, giveCard, mine, orderAt, payFromCard, refused, shop, told, type World } from "./world.js";
import { deframer, encodeFrame, feed } from "../../protocol/link/frame.js";
import { media } from "../../protocol/link/media.js";
import { utf8, fromUtf8 } from "../../protocol/wire/bytes.js";
import { decodeUserId, encodeUserId } from "../../protocol/wire/message-b.js";
import { orderRefusal, type Identification } from "../../protocol/wire/order.js";

/** What the handset says into a line that carries nothing back, as the terminal hears it. */
function oneWay(bytes: Uint8Array): Uint8Array {
  const line = deframer(media.infrared.wrapping);
  const heard = [...encodeFrame(media.infrared.wrapping, { link: 0, payload: bytes }, 0)].flatMap((byte) => feed(line, new Uint8Array([byte])));
  return heard[0]!.payload;
}
const settle = async (w: World): Promise<void> => { await payFromCard(w, "b"); await w.step(); expect(await collect(w.phone("b"))).toEqual(["Concert"]); };

told("P3 the id itself, at a paired terminal", async (w) => {
  await enrol(w, "b");
  await giveCard(w, "b");
  const box = await addBox(w, "Living room");
  await shop.pairWith(w.phone("b"), [box.id]);
  await w.step();
  const heard = fromUtf8(oneWay(utf8(w.phone("b").user)))!;
  expect((await orderAt(w, box, { by: "typed", user: heard, password: "" }, [mine("concert")])).code).toBe(0);
  await w.step();
  await settle(w);
});

told("P4 signed, at any terminal", async (w) => {
  await enrol(w, "b");
  await giveCard(w, "b");
  const box = await addBox(w, "Kiosk");
  await w.step();
  const proof = oneWay(shop.showId(w.phone("b"), 1));
  expect((await orderAt(w, box, { by: "shown", proof }, [mine("concert")])).code).toBe(0);
  await w.step();
  await refused(w, orderRefusal.not_identified, () => orderAt(w, box, { by: "shown", proof }, [mine("concert")]));
  await settle(w);
});

alone("P4 must hold: altered on the way, replayed at another terminal, old, or early: refused", async (w) => {
  await enrol(w, "b");
  await enrol(w, "c");
  const [box, other] = [await addBox(w, "Kiosk"), await addBox(w, "Elsewhere")];
  const proof = shop.showId(w.phone("b"), 1);
  const said = decodeUserId(proof)!;
  const forged: Uint8Array[] = [
    encodeUserId({ ...said, userId: "c" }), encodeUserId({ ...said, step: said.step + 1 }), encodeUserId({ ...said, zone: 2 }), encodeUserId({ ...said, proof: said.proof.map((b, i) => (i === 9 ? b ^ 1 : b)) as Uint8Array }), new Uint8Array([10]),
  ];
  for (const bytes of forged) await refused(w, orderRefusal.not_identified, () => orderAt(w, box, { by: "shown", proof: bytes }, [mine("concert")]));
  expect((await orderAt(w, box, { by: "shown", proof }, [mine("concert")])).code).toBe(0);
  await refused(w, orderRefusal.not_identified, () => orderAt(w, other, { by: "shown", proof }, [mine("concert")]));
  w.ahead += 30;
  const later = shop.showId(w.phone("b"), 1);
  w.ahead += 700;
  await refused(w, orderRefusal.not_identified, () => orderAt(w, box, { by: "shown", proof: later }, [mine("concert")]));
  w.ahead -= 400;
  w.ahead += 900;
  const future = shop.showId(w.phone("b"), 1);
  w.ahead -= 900;
  await refused(w, orderRefusal.not_identified, () => orderAt(w, box, { by: "shown", proof: future }, [mine("concert")]));
});

told("P5 the terminal asks, the handset answers by itself", async (w) => {
  await enrol(w, "b");
  await giveCard(w, "b");
  const box = await addBox(w, "Kiosk");
  await w.step();
  const proof = shop.identify(w.phone("b"), challengeOf(box), "signed")!;
  await w.step();
  expect((await orderAt(w, box, { by: "signed", proof }, [mine("concert")])).code).toBe(0);
  await w.step();
  expect((await bill(w, "b")).judged).toBe("matches");
  await settle(w);
});

alone("P5 must hold: an answer given to one terminal is worth nothing at another, nor twice, nor altered, nor by a revoked handset", async (w) => {
  await enrol(w, "b");
  const [box, other] = [await addBox(w, "Kiosk"), await addBox(w, "Elsewhere")];
  const proof = shop.identify(w.phone("b"), challengeOf(box), "signed")!;
  const who = (bytes: Uint8Array): Identification => ({ by: "signed", proof: bytes });
  await refused(w, orderRefusal.not_identified, () => orderAt(w, other, who(proof), [mine("concert")]));
  for (const at of [12, 40, proof.length - 3]) await refused(w, orderRefusal.not_identified, () => orderAt(w, box, who(proof.map((b, i) => (i === at ? b ^ 1 : b)) as Uint8Array), [mine("concert")]));
  expect((await orderAt(w, box, who(proof), [mine("concert")])).code).toBe(0);
  await refused(w, orderRefusal.not_identified, () => orderAt(w, box, who(proof), [mine("concert")]));
  const late = shop.identify(w.phone("b"), challengeOf(box), "signed")!;
  w.ahead += 601;
  await refused(w, orderRefusal.not_identified, () => orderAt(w, box, who(late), [mine("concert")]));
});
