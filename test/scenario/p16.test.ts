/**
 * P16 and P17: ordered on the handset, kept at the host for a request number, or pushed ahead, sealed, to the shops that were named.
 * A number works once, and guessing it is counted for the order and for the terminal.
 */
import { expect } from "vitest";
import { addBox, alone, collect, enrol, forUser, giveCard, mine, pass, payFromCard, refused, say, shop, stateOf, tickets, told, type Box, type World } from "./world.js";
import { nodeCrypto as crypto } from "../../protocol/crypto/node/node.js";
import { equal } from "../../protocol/wire/bytes.js";
import { orderRefusal, orderState } from "../../protocol/wire/order.js";
import { decodePickedUp, decodePushed, encodeMailAfter, encodePickUp, mailKind, pushedCheck, pushedUser, type PickUpKey } from "../../protocol/wire/parcel-letters.js";
import { messageType } from "../../protocol/wire/sync.js";
import { takeDelivered } from "../../runtime/sync/handset-sync.js";

/** At a shop: the till asks the host for what this user and number name. */
const pickUpAt = async (w: World, box: Box, user: string, number: string, keys: PickUpKey[] = []) => decodePickedUp(await say(w, box, messageType.pickUp, encodePickUp({ user, number, keys })))!;
const wrongOf = (number: string, by = 1): string => String((Number(number) + by) % 100_000_000).padStart(8, "0");

told("P16 a request number, shown at any shop", async (w) => {
  await enrol(w, "b");
  await giveCard(w, "b");
  const till = await addBox(w, "Station kiosk");
  const id = await shop.order(w.phone("b"), [mine("concert", { delivery: { by: "custody" } })]);
  expect((await shop.standing(w.phone("b"), id)).parcels[0]!.request, "no number before payment").toBe("");
  await w.step();
  await payFromCard(w, "b");
  await w.step();
  const { request } = (await shop.standing(w.phone("b"), id)).parcels[0]!;
  expect(request).toMatch(/^\d{8}$/);
  expect(await collect(w.phone("b")), "it waits in custody").toEqual([]);
  expect((await pickUpAt(w, till, "b", request)).values).toBe(1);
  await w.step();
  const keys = shop.pickUpKeys(w.phone("b"), "b", request, 1);
  const first = await pickUpAt(w, till, "b", request, keys);
  await w.step();
  expect((await pickUpAt(w, till, "b", request, keys)).delivered, "a lost answer comes again").toEqual(first.delivered);
  const taken = takeDelivered(w.phone("b").wallet, w.phone("b").trust, w.phone("b").keys, first.delivered);
  expect(taken.map((t) => t.name)).toEqual(["Concert"]);
  await shop.confirmReceived(w.phone("b"), taken);
  expect(await stateOf(w, id)).toBe("acknowledged");
  await refused(w, orderRefusal.number_wrong, () => pickUpAt(w, till, "b", request));
});

alone("P16 must hold: a number works once, for whoever came first", async (w) => {
  for (const name of ["b", "x"]) await enrol(w, name);
  await giveCard(w, "b");
  const till = await addBox(w, "Station kiosk");
  const id = await shop.order(w.phone("b"), [mine("concert", { delivery: { by: "custody" } })]);
  await payFromCard(w, "b");
  const { request } = (await shop.standing(w.phone("b"), id)).parcels[0]!;
  await pickUpAt(w, till, "b", request, shop.pickUpKeys(w.phone("b"), "b", request, 1));
  await refused(w, orderRefusal.too_late, () => pickUpAt(w, till, "b", request, shop.pickUpKeys(w.phone("x"), "b", request, 1)));
});

told("P16 must hold: five wrong numbers close the order until its handset opens it; ten pause a terminal", async (w) => {
  for (const name of ["b", "x"]) await enrol(w, name);
  await giveCard(w, "b");
  const [till, other, third] = [await addBox(w, "Kiosk"), await addBox(w, "Elsewhere"), await addBox(w, "Third")];
  const id = await shop.order(w.phone("b"), [mine("concert", { delivery: { by: "custody" } })]);
  await payFromCard(w, "b");
  const { request } = (await shop.standing(w.phone("b"), id)).parcels[0]!;
  for (let i = 1; i <= 5; i++) await refused(w, orderRefusal.number_wrong, () => pickUpAt(w, till, "b", wrongOf(request, i)));
  await w.step();
  await refused(w, orderRefusal.number_wrong, () => pickUpAt(w, other, "b", request));
  await expect(shop.standing(w.phone("x"), id, "reopen")).rejects.toThrow();
  await shop.standing(w.phone("b"), id, "reopen");
  for (let i = 0; i < 5; i++) await refused(w, orderRefusal.number_wrong, () => pickUpAt(w, till, "nobody", request));
  await w.step();
  await refused(w, orderRefusal.number_wrong, () => pickUpAt(w, till, "b", request));
  expect((await pickUpAt(w, third, "b", request)).code, "another terminal is not paused").toBe(0);
  w.ahead += 601;
  expect((await pickUpAt(w, till, "b", request)).code).toBe(0);
});

told("P17 pushed ahead to two shops, sealed: picked up without a network", async (w) => {
  await enrol(w, "b");
  await giveCard(w, "b");
  const [near, far] = [await addBox(w, "Near"), await addBox(w, "Far")];
  const id = await shop.order(w.phone("b"), [mine("concert", { delivery: { by: "shops", shops: [near.id, far.id] } })]);
  const pushedTo = async (box: Box) => decodePushed(await say(w, box, messageType.pushed, encodeMailAfter(0)))!;
  expect(await pushedTo(near), "unpaid").toEqual([]);
  expect(await payFromCard(w, "b"), "until the handset has left a key for it").toBe(orderState.held);
  await w.step();
  await shop.leaveSpareKeys(w.phone("b"));
  await w.step();
  const { request } = (await shop.standing(w.phone("b"), id)).parcels[0]!;
  const [parcel] = await pushedTo(near);
  expect(await pushedTo(far)).toHaveLength(1);
  expect(equal(parcel!.user, pushedUser(crypto, "b")) && equal(parcel!.check, pushedCheck(crypto, "b", request))).toBe(true);
  expect(equal(parcel!.check, pushedCheck(crypto, "b", wrongOf(request)))).toBe(false);
  expect(Buffer.from(parcel!.sealed).includes("Concert"), "the shop reads nothing").toBe(false);
  await w.host.close();
  expect(shop.takePushed(w.phone("b"), parcel!.sealed).map((t) => t.name), "the host is away").toEqual(["Concert"]);
  expect(shop.takePushed(w.phone("b"), parcel!.sealed), "at the other shop it is the same value").toHaveLength(1);
  expect(tickets(w, "b")).toHaveLength(1);
  w.restarts = true;
  await w.step();
  await shop.confirmReceived(w.phone("b"), tickets(w, "b").map((v) => ({ name: v.name, valueId: v.value.valueId })));
  expect(await stateOf(w, id)).toBe("acknowledged");
});

told("P18 a gift to be picked up: D learns the number, B's shop or the gate has the parcel", async (w) => {
  for (const name of ["b", "d", "x"]) await enrol(w, name);
  await giveCard(w, "b");
  const gate = await addBox(w, "North gate", "gate");
  await shop.leaveSpareKeys(w.phone("d"));
  await shop.order(w.phone("b"), [forUser("d", "concert", { delivery: { by: "shops", shops: [gate.id] } })]);
  await payFromCard(w, "b");
  await w.step();
  await shop.fetchMail(w.phone("d"));
  const [gift] = shop.giftsHere(w.phone("d"));
  const [parcel] = decodePushed(await say(w, gate, messageType.pushed, encodeMailAfter(0)))!;
  expect(equal(parcel!.check, pushedCheck(crypto, "d", gift!.notice.request))).toBe(true);
  expect(shop.takePushed(w.phone("x"), parcel!.sealed), "nobody else opens it").toEqual([]);
  expect(shop.takePushed(w.phone("d"), parcel!.sealed)).toHaveLength(1);
  expect((await shop.fetchMail(w.phone("b"))).filter((m) => m.kind === mailKind.gift)).toEqual([]);
  await pass(w, 1);
});
