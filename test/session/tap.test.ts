/**
 * Taps as dialogues: what a holder, a handset and a terminal do together, and what must be refused (S1, U7; `tap.md` §3, §8).
 */
import { expect, test } from "vitest";
import { card, coupons, makePhone, makeProvider, makeStation, makeWorld, shownTo, tap, ticket, trustOf } from "./world.js";
import { newestReceipt } from "../../runtime/value/wallet.js";
import { nobleCrypto } from "../../protocol/crypto/noble/noble.js";
import { nodeCrypto } from "../../protocol/crypto/node/node.js";
import { channel } from "../../protocol/session/transcript.js";
import { finish } from "./neighbours.js";
import { refusal } from "../../protocol/refusal.js";

test("S1: a ticket opens the gate, and never again", () => {
  const w = makeWorld();
  const gate = makeStation(w);
  const phone = makePhone(w, ticket(w));
  tap(phone, gate);
  expect(gate.codes()).toEqual([0]);
  expect(gate.board.relay.levels.slice(0, 2)).toEqual([1, 0]);
  expect(phone.events.map((e) => e.event)).toEqual(["stored", "resolved", "resolved", "done"]);
  tap(phone, gate);
  expect(gate.codes()).toEqual([0, refusal.already_used]);
  expect(shownTo(phone)).toEqual([refusal.already_used]);
});

test("S1: a coupon book counts down and ends", () => {
  const w = makeWorld();
  const gate = makeStation(w);
  const phone = makePhone(w, coupons(w, 3));
  for (let i = 0; i < 4; i++) tap(phone, gate);
  expect(gate.codes()).toEqual([0, 0, 0, refusal.insufficient]);
  expect(newestReceipt(phone.wallet.values[0]!)!.after).toBe(3);
});

test("U7: a card pays the price asked, above the silent limit only when its holder agrees", () => {
  const w = makeWorld();
  const fare = makeStation(w, { takes: [{ kind: "card", action: 3, zone: 1 }], tariffs: [{ id: 1, kind: "card", price: { currency: 978, amount: 350 }, from: 0 }] });
  const phone = makePhone(w, card(w, 1000));
  tap(phone, fare);
  expect(newestReceipt(phone.wallet.values[0]!)!.after).toBe(350);
  tap(phone, fare, { silentAmount: 300, confirm: false });
  expect(newestReceipt(phone.wallet.values[0]!)!.after).toBe(350);
  tap(phone, fare, { silentAmount: 300, confirm: true });
  expect(newestReceipt(phone.wallet.values[0]!)!.after).toBe(700);
  tap(phone, fare);
  expect(fare.codes()).toEqual([0, 0, refusal.insufficient]);
});

test("S1: the next in the queue is greeted at once after somebody was let through, however quick both are", () => {
  const w = makeWorld();
  const gate = makeStation(w);
  for (const phone of [makePhone(w, ticket(w)), makePhone(w, ticket(w))]) {
    const came = w.clock.monotonicMs();
    tap(phone, gate, { stopWhen: () => phone.events.some((e) => e.event === "done") });
    expect(gate.codes().at(-1)).toBe(0);
    expect(w.clock.monotonicMs() - came).toBeLessThan(100);
  }
  expect(gate.codes()).toEqual([0, 0]);
});

test("a certificate that the handset kept is believed no longer than its signer is", () => {
  const w = makeWorld();
  const gate = makeStation(w);
  const phone = makePhone(w, coupons(w, 5));
  tap(phone, gate);
  phone.trust = trustOf(makeProvider("another"));
  tap(phone, gate);
  phone.trust = trustOf(w.provider);
  tap(phone, gate);
  expect(gate.codes()).toEqual([0, 0]);
  expect(newestReceipt(phone.wallet.values[0]!)!.after).toBe(2);
});

test.each([nodeCrypto, nobleCrypto])("the two keys of a tap are HKDF-SHA-256 with the transcript as salt (RFC 5869; tap.md §2)", (crypto) => {
  const [transcript, certified, ephemeral] = [1, 2, 3].map((n) => new Uint8Array(32).fill(n));
  const secret = new Uint8Array([...certified!, ...ephemeral!]);
  const info = (text: string): Uint8Array => new TextEncoder().encode(text);
  const keys = channel(crypto, transcript!, certified!, ephemeral!);
  expect(keys.toTerminal).toEqual(crypto.hkdf(secret, transcript!, info("kaisatsu 1A h>t"), 16));
  expect(keys.toHandset).toEqual(crypto.hkdf(secret, transcript!, info("kaisatsu 1A t>h"), 16));
});

test("S1: a second handset while the gate is open is told to wait, and served when the first has passed", () => {
  const w = makeWorld();
  const gate = makeStation(w);
  const [first, second] = [makePhone(w, ticket(w)), makePhone(w, ticket(w))];
  tap(first, gate, { turns: false, stopWhen: () => gate.opened() > 0 });
  tap(second, gate, { turns: false, forMs: 1000 });
  expect([...new Set(shownTo(second))]).toEqual([refusal.busy]);
  expect([gate.opened(), gate.board.relay.read()]).toEqual([1, 1]);
  finish(gate);
  tap(second, gate);
  expect(gate.codes()).toEqual([0, 0]);
});
