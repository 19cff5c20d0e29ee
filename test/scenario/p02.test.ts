/** P2: B orders at a friend's terminal with user id and password; bill and ticket go to B's own handset. Guessing is limited, across restarts. */
import { expect } from "vitest";
import { addBox, alone, bill, collect, enrol, giveCard, mine, orderAt, password, payFromCard, refused, shop, stateOf, told } from "./world.js";
import { orderRefusal } from "../../protocol/wire/order.js";

told("P2 at a friend's", async (w) => {
  await enrol(w, "b");
  await enrol(w, "friend");
  await giveCard(w, "b");
  const box = await addBox(w, "The friend's receiver");
  await shop.pairWith(w.phone("friend"), [box.id]);
  await w.step();
  const { id, code } = await orderAt(w, box, { by: "typed", user: "b", password }, [mine("concert")]);
  expect(code).toBe(0);
  await w.step();
  expect(await shop.bills(w.phone("friend")), "the owner of the terminal has no part in it").toEqual([]);
  expect((await bill(w, "b")).terminal).toBe("The friend's receiver");
  await payFromCard(w, "b");
  await w.step();
  expect(await collect(w.phone("friend"))).toEqual([]);
  expect(await collect(w.phone("b"))).toEqual(["Concert"]);
  expect(await stateOf(w, id)).toBe("acknowledged");
});

told("P2 must hold: a wrong password is refused and counted, whatever was wrong in the same words; the right one comes too late", async (w) => {
  await enrol(w, "b");
  const box = await addBox(w, "The friend's receiver");
  const wrong = (user: string, typed: string): Promise<void> => refused(w, orderRefusal.not_identified, () => orderAt(w, box, { by: "typed", user, password: typed }, [mine("concert")]));
  await wrong("nobody", password);
  for (let i = 0; i < 5; i++) { await wrong("b", "wrong password " + i); await w.step(); }
  await wrong("b", password);
  w.ahead += 61;
  expect((await orderAt(w, box, { by: "typed", user: "b", password }, [mine("concert")])).code, "after the wait").toBe(0);
});

told("P2 must hold: after twenty wrong ones in an hour a terminal takes no typed ids, whoever they name", async (w) => {
  await enrol(w, "b");
  const box = await addBox(w, "The friend's receiver");
  for (let i = 0; i < 20; i++) expect((await orderAt(w, box, { by: "typed", user: "user" + i, password: "wrong password" }, [mine("concert")])).code).toBe(orderRefusal.not_identified);
  await w.step();
  await refused(w, orderRefusal.not_identified, () => orderAt(w, box, { by: "typed", user: "b", password }, [mine("concert")]));
  const other = await addBox(w, "Another one");
  expect((await orderAt(w, other, { by: "typed", user: "b", password }, [mine("concert")])).code).toBe(0);
  w.ahead += 3601;
  expect((await orderAt(w, box, { by: "typed", user: "b", password }, [mine("concert")])).code).toBe(0);
});

alone("P2 a password never pays, and its owner may turn typed orders off", async (w) => {
  await enrol(w, "b");
  await enrol(w, "thief");
  await giveCard(w, "thief");
  const box = await addBox(w, "The thief's receiver");
  await orderAt(w, box, { by: "typed", user: "b", password }, [mine("concert")]);
  const paper = await bill(w, "b");
  await refused(w, orderRefusal.order_unknown, () => shop.pay(w.phone("thief"), paper, { value: w.phone("thief").wallet.values[0]! }));
  await refused(w, orderRefusal.order_unknown, () => shop.standing(w.phone("thief"), paper.order));
  await shop.standing(w.phone("b"), paper.order, "cancel");
  await shop.pairWith(w.phone("b"), [], false);
  await refused(w, orderRefusal.not_identified, () => orderAt(w, box, { by: "typed", user: "b", password }, [mine("concert")]));
});
