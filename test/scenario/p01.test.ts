/**
 * P1: a prepaid card ordered at the receiver at home. The host checks user and terminal as a pair, bills the handset, and delivers
 * to it, at once or from custody at the time that was chosen.
 */
import { expect } from "vitest";
import { addBox, alone, bill, booksOf, collect, enrol, expectCleanBooks, giveCard, mine, moved, orderAt, orderState, pass, payFromCard, refused, shop, stateOf, stepsOf, told } from "./world.js";
import { orderRefusal } from "../../protocol/wire/order.js";

told("P1 a card for home", async (w) => {
  await enrol(w, "b");
  await giveCard(w, "b");
  const receiver = await addBox(w, "Living room");
  await shop.pairWith(w.phone("b"), [receiver.id]);
  await w.step();
  const before = await booksOf(w);
  const { id, code } = await orderAt(w, receiver, { by: "typed", user: "b", password: "" }, [mine("card")]);
  expect(code).toBe(0);
  await w.step();
  const paper = await bill(w, "b");
  expect([paper.judged, paper.terminal, paper.total, paper.items[0]!.name]).toEqual(["typed", "Living room", 2000, "Card of 20"]);
  expect(moved(before, await booksOf(w)), "a bill is a demand").toEqual({});
  expect(await collect(w.phone("b")), "unpaid: nothing is delivered").toEqual([]);
  await w.step();
  expect(await payFromCard(w, "b")).toBe(orderState.paid);
  await w.step();
  expect(await collect(w.phone("b"))).toEqual(["Card of 20"]);
  expect(await stateOf(w, id)).toBe("acknowledged");
  expect(await stepsOf(w, id)).toEqual(["placed", "identified", "billed", "paying", "paid", "delivered", "acknowledged"]);
  const change = moved(before, await booksOf(w));
  expect(Object.values(change).sort((a, z) => a - z)).toEqual([-2000, 2000]);
  expect(Object.keys(change).every((account) => account.startsWith("prepaid/"))).toBe(true);
});

told("P1 delivered at the time that was chosen (S8)", async (w) => {
  await enrol(w, "b");
  await giveCard(w, "b");
  const at = w.host.context.now() + 3 * 86_400;
  const id = await shop.order(w.phone("b"), [mine("concert", { at })]);
  await w.step();
  expect(await payFromCard(w, "b")).toBe(orderState.held);
  await w.step();
  await pass(w, 2 * 86_400);
  expect(await collect(w.phone("b")), "not before").toEqual([]);
  await w.step();
  await pass(w, 86_400);
  expect(await collect(w.phone("b"))).toEqual(["Concert"]);
  expect(await stateOf(w, id)).toBe("acknowledged");
});

alone("P1 must hold: a wrong pair sends no bill, and is told apart from nothing", async (w) => {
  await enrol(w, "b");
  const [home, other] = [await addBox(w, "Living room"), await addBox(w, "Next door")];
  await shop.pairWith(w.phone("b"), [home.id]);
  for (const [box, user] of [[other, "b"], [home, "nobody"]] as const) {
    await refused(w, orderRefusal.not_identified, () => orderAt(w, box, { by: "typed", user, password: "" }, [mine("card")]));
  }
  expect(await shop.bills(w.phone("b"))).toEqual([]);
  await expectCleanBooks(w);
});
