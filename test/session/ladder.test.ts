/**
 * How far a terminal goes that has not heard of the host for a while (`trust.md` §2), and what a terminal without a clock
 * takes: the same value at every step of the ladder, under every class of key.
 */
import { describe, expect, test } from "vitest";
import { drive, greet, hear, makeGate, makeHand, makeMint, newestOf, signedValue, start, daySeconds, tapOnce, type Gate, type Hand, type OnTheWay } from "./core.js";
import { nodeCrypto as crypto } from "../../protocol/crypto/node/node.js";
import { clause, encodeRule } from "../../protocol/rule.js";
import { refusal } from "../../protocol/refusal.js";
import type { Ladder } from "../../protocol/session/book.js";
import { messageType, type as kinds } from "../../protocol/wire/message.js";
import { decodeReceipt } from "../../protocol/wire/receipt.js";
import { heardThrough } from "../../runtime/value/book.js";
import type { TakingLimits } from "../../protocol/session/events.js";
import type { Value } from "../../protocol/wire/value.js";

const mint = makeMint(crypto);
const last = <T>(list: readonly T[]): T | undefined => list[list.length - 1];
/** Flags of a value that asks no list, with a class of key. */
const withClass = (n: number): number => (1 << 5) | (n << 3);
/** How many uses of one a gate takes in a row at a step of the ladder, each on its own day; and the code that ends it. */
function taken(ladder: Ladder, o: { money?: boolean; price?: number; change?: Partial<Value>; sameDay?: boolean } = {}): [number, number] {
  const gate = o.money === true ? makeGate(mint, "fare", { sensor: false, want: { action: 3, kinds: ["card"], amount: o.price ?? 10, currency: 978 } }) : makeGate(mint, "north");
  gate.book.ladder = ladder;
  const hand = makeHand(mint, o.money === true ? "card" : "coupon", { change: { most: 1000, ...o.change } });
  for (let i = 0; i < 40; i++) {
    tapOnce(hand, gate, { at: start + (o.sameDay === true ? i : i * 600) });
    drive(gate, { type: "time" }, { nowMs: 1e9 });
    if (last(gate.shown) !== 0) return [i, last(gate.shown)!];
  }
  return [40, 0];
}

describe("what the provider lets the terminal itself take, whatever a value allows", () => {
  const shop = (taking: Partial<TakingLimits>, amount = 10, profiles: "A" | "AB" = "A"): Gate =>
    makeGate(mint, "fare", { sensor: false, profiles, want: { action: 3, kinds: ["card"], amount, currency: 978 }, settings: { taking: { useMost: 100_000, usesADay: 100, boxADay: 1_000_000, ...taking } } });
  const pays = (g: Gate, at = start, h = makeHand(mint, "card")): number => { tapOnce(h, g, { at }); drive(g, { type: "time" }, { nowMs: 1e9 }); return last(g.shown)!; };
  test("one use: as much as is allowed, and not one more", () => {
    expect(pays(shop({ useMost: 10 }))).toBe(0);
    expect(pays(shop({ useMost: 9 }))).toBe(refusal.sync_needed);
  });
  test("profile B: five a use, whatever the configuration says, since its keys are a group's", () => {
    const grant = () => makeHand(mint, "card", { profile: "B" });
    expect(pays(shop({}, 500, "AB"), start, grant())).toBe(0);
    expect(pays(shop({}, 501, "AB"), start, grant())).toBe(refusal.sync_needed);
    expect(pays(shop({}, 501, "AB"))).toBe(0);
  });
  test("the whole box: by all holders together, on one day, and anew on the next", () => {
    const g = shop({ boxADay: 25 });
    expect([pays(g), pays(g), pays(g)]).toEqual([0, 0, refusal.sync_needed]);
    expect(pays(g, start + daySeconds)).toBe(0);
  });
  test("the whole box: a clock that is set back to yesterday opens it no further", () => {
    const g = shop({ boxADay: 15 });
    expect([pays(g, start + daySeconds), pays(g, start)]).toEqual([0, refusal.sync_needed]);
  });
  test("the whole box: what the host has heard of counts no more, and half of it is not all", () => {
    const g = shop({ boxADay: 25 });
    pays(g); pays(g);
    heardThrough(g.book, g.journal.length - 1, g.journal.length + 1);
    expect(pays(g)).toBe(refusal.sync_needed);
    heardThrough(g.book, g.journal.length, g.journal.length + 1);
    expect([pays(g), pays(g), pays(g)]).toEqual([0, 0, refusal.sync_needed]);
  });
  test("one value: so many uses a day when the terminal is not fresh, as many as it likes when it is, and out again always", () => {
    const gate = makeGate(mint, "north", { settings: { taking: { useMost: 0, usesADay: 2, boxADay: 0 } } });
    const hand = makeHand(mint, "coupon", { change: { most: 1000, flags: withClass(1), offline: { uses: 100, amount: 1000, days: 30 } } });
    const used = (at: number, h = hand): number => pays(gate, at, h);
    gate.book.ladder = "offline";
    expect([used(start), used(start + 1), used(start + 2), used(start + 3, makeHand(mint, "coupon")), used(start + daySeconds)]).toEqual([0, 0, refusal.sync_needed, 0, 0]);
    gate.book.ladder = "fresh";
    expect([1, 2, 3, 4].map((i) => used(start + daySeconds + i))).toEqual([0, 0, 0, 0]);
  });
});

describe("ceilings by the age of what the terminal knows and by class of key", () => {
  const uses = { offline: { uses: 8, amount: 1000, days: 30 } };
  test.each([
    ["fresh", 0, 8], ["fresh", 1, 8], ["fresh", 2, 8], ["fresh", 3, 8], ["offline", 0, 4], ["offline", 1, 8], ["offline", 2, 4], ["offline", 3, 1], ["reduced", 1, 1], ["reduced", 3, 1],
  ] as const)("%s, class %i: %i uses on one day", (ladder, key, most) => {
    expect(taken(ladder, { sameDay: true, change: { ...uses, flags: withClass(key) } })).toEqual([most, refusal.sync_needed]);
  });
  test.each([
    ["fresh", 0, 20], ["offline", 0, 10], ["offline", 1, 20], ["offline", 2, 10], ["offline", 3, 1],
  ] as const)("money: %s, class %i: %i payments of 10 out of an offline amount of 200", (ladder, key, most) => {
    expect(taken(ladder, { money: true, change: { offline: { uses: 100, amount: 200, days: 30 }, flags: withClass(key) } })).toEqual([most, refusal.sync_needed]);
  });
  test.each([[1, 20, 1], [1, 21, 0], [0, 10, 1], [0, 11, 0]] as const)("money: reduced, class %i, one payment of %i: a tenth of the amount, %i taken", (key, price, most) => {
    expect(taken("reduced", { money: true, price, change: { offline: { uses: 100, amount: 200, days: 30 }, flags: withClass(key) } })).toEqual([most, refusal.sync_needed]);
  });
  test("one use stays one, an offline amount of none stays none, however it is tightened", () => {
    expect(taken("offline", { change: { offline: { uses: 1, amount: 1, days: 30 }, flags: withClass(0) } })[0]).toBe(1);
    expect(taken("offline", { change: { offline: { uses: 0, amount: 0, days: 30 }, flags: withClass(0) } })).toEqual([0, refusal.sync_needed]);
    expect(taken("offline", { money: true, price: 1, change: { offline: { uses: 9, amount: 1, days: 30 }, flags: withClass(0) } })).toEqual([0, refusal.sync_needed]);
  });
  test("closed: uses only of a value that may pass always; money never", () => {
    for (const [policy, code] of [[0, refusal.sync_needed], [1, refusal.sync_needed], [2, 0]] as const) {
      const gate = makeGate(mint, "north");
      gate.book.ladder = "closed";
      tapOnce(makeHand(mint, "coupon", { change: { flags: policyFlags(policy) } }), gate);
      expect([policy, gate.shown]).toEqual([policy, [code]]);
    }
    expect(taken("closed", { money: true, change: { flags: policyFlags(2) } })).toEqual([0, refusal.sync_needed]);
  });
  test("whoever is inside may leave a closed gate, and one that does not know the status", () => {
    const gate = makeGate(mint, "out", { want: { action: 2, amount: 0 } });
    gate.book.ladder = "closed";
    gate.book.statusBits = undefined;
    tapOnce(makeHand(mint, "coupon", { change: { flags: 0, offline: { uses: 0, amount: 0, days: 0 } } }), gate);
    expect(gate.shown).toEqual([0]);
  });
  test("reduced does not vouch for a value that demands a list; fresh and offline do", () => {
    const shown = (["fresh", "offline", "reduced"] as const).map((ladder) => {
      const gate = makeGate(mint, "north");
      gate.book.ladder = ladder;
      tapOnce(makeHand(mint, "coupon", { change: { flags: 0 } }), gate);
      return gate.shown[0];
    });
    expect(shown).toEqual([0, 0, refusal.status_undetermined]);
  });
});

/** Flags with this policy for what cannot be determined. */
function policyFlags(policy: number): number {
  return policy << 5;
}

describe("days since the host saw the chain", () => {
  test.each([[0, 0], [5, 0], [6, refusal.sync_needed]] as const)("%i days after the value was made, five allowed: %i", (days, code) => {
    const gate = makeGate(mint, "north");
    tapOnce(makeHand(mint, "coupon", { change: { notBefore: start, offline: { uses: 9, amount: 9, days: 5 } } }), gate, { at: start + days * daySeconds });
    expect(gate.shown).toEqual([code]);
  });
});

describe("without a clock (§8, code 28)", () => {
  /** The gate has no clock; the handset has one, or it would show nothing. */
  function tapUndated(hand: Hand, gate: Gate, o: { at?: number; lose?: number } = {}): void {
    const moment = { at: o.at ?? 0, quality: 0 };
    greet(gate, moment);
    while (gate.out.length + hand.out.length > 0) {
      const down = gate.out.shift();
      if (down === undefined) drive(gate, { type: "message", bytes: hand.out.shift()! }, moment);
      else if (messageType(down) !== o.lose) hear(hand, down);
    }
    drive(gate, { type: "time" }, { nowMs: 1e9, ...moment });
  }
  const hours = encodeRule([[clause.hours, 0, 1440, 127, 0]]);
  test.each([
    ["A", 0, encodeRule([]), refusal.sync_needed], ["A", 1, encodeRule([]), refusal.sync_needed], ["A", 2, encodeRule([]), 0], ["A", 2, hours, 0],
    ["B", 0, encodeRule([]), 0], ["B", 0, hours, refusal.clock_unknown], ["B", 1, hours, 0],
  ] as const)("profile %s, policy %i: the value's own word counts", (profile, policy, rule, code) => {
    const gate = makeGate(mint, "north", { profiles: profile });
    tapUndated(makeHand(mint, "coupon", { profile, change: { flags: policyFlags(policy) | (profile === "B" ? 4 : 0), rule } }), gate);
    expect(gate.shown).toEqual([code]);
  });
  test("a time that is surely past is past the end of a value: expired, but for who leaves", () => {
    for (const [want, code] of [[{}, refusal.expired], [{ action: 2, amount: 0 }, 0]] as const) {
      const gate = makeGate(mint, "north", { want });
      tapUndated(makeHand(mint, "coupon", { change: { flags: policyFlags(2), expires: start - 1, notBefore: start - 100 } }), gate, { at: start });
      expect([gate.shown, gate.since]).toEqual([[code], code === 0 ? 0 : start - 1]);
    }
  });
  test("its receipts have no end by time, and one that was not acknowledged is sent again as it was", () => {
    const gate = makeGate(mint, "north");
    const hand = makeHand(mint, "coupon", { change: { flags: policyFlags(2) } });
    tapUndated(hand, gate, { lose: kinds.answer });
    expect(gate.verifier.pending[0]!.receipt.until).toBe(0);
    tapUndated(hand, gate);
    expect([gate.shown, decodeReceipt(newestOf(hand)!.receipt)!.tap[3]]).toEqual([[refusal.not_acknowledged, 0], 1]);
  });
});

describe("what is pending (§3)", () => {
  const lose = (m: OnTheWay): Uint8Array[] => (messageType(m.bytes) === kinds.answer ? [] : [m.bytes]);
  const unanswered = (hand: Hand, gate: Gate, o: { at?: number } = {}): void => { tapOnce(hand, gate, { ...o, change: lose }); drive(gate, { type: "time" }, { nowMs: 1e9, ...o }); };
  test("no more receipts than there is room for: the newest replaces the oldest", () => {
    const gate = makeGate(mint, "north", { settings: { pendingMax: 2 } });
    const hands = [1, 2, 3].map(() => makeHand(mint, "coupon"));
    for (const hand of hands) unanswered(hand, gate);
    expect(gate.verifier.pending.map((p) => p.tap)).toEqual([2, 3]);
  });
  test.each([["until its end", 600, 1], ["after its end", 601, 2]] as const)("%s, the same step gets receipt %#", (_when, later, tapNumber) => {
    const gate = makeGate(mint, "north");
    const hand = makeHand(mint, "coupon");
    unanswered(hand, gate);
    tapOnce(hand, gate, { at: start + later });
    expect(decodeReceipt(newestOf(hand)!.receipt)!.tap[3]).toBe(tapNumber);
  });
  test("another amount or action is another step, with a receipt of its own", () => {
    const gate = makeGate(mint, "north");
    const hand = makeHand(mint, "coupon");
    unanswered(hand, gate);
    gate.verifier.settings.want = { ...gate.verifier.settings.want, amount: 2 };
    unanswered(hand, gate);
    gate.verifier.settings.want = { ...gate.verifier.settings.want, action: 4 };
    unanswered(hand, gate);
    expect(gate.verifier.pending.map((p) => [p.receipt.action, p.receipt.amount, p.tap])).toEqual([[1, 1, 1], [1, 2, 2], [4, 2, 3]]);
    tapOnce(hand, gate);
    expect(decodeReceipt(newestOf(hand)!.receipt)!.tap[3]).toBe(3);
    expect(gate.verifier.pending.map((p) => p.tap)).toEqual([1, 2]);
  });
  test("with and without a reversal folded in are two steps; the same reversal is the same", () => {
    const gate = makeGate(mint, "north");
    const hand = makeHand(mint, "coupon");
    tapOnce(hand, gate, { turns: false });
    drive(gate, { type: "time" }, { nowMs: 1e9 });
    unanswered(hand, gate);
    drive(gate, { type: "close", tap: 1 });
    drive(gate, { type: "time" });
    hand.intent = 2;
    tapOnce(hand, gate);
    expect(newestOf(hand)!.state).toBe("reversed");
    hand.intent = 0;
    unanswered(hand, gate);
    unanswered(hand, gate);
    expect(gate.verifier.pending.map((p) => p.receipt.fold?.length)).toEqual([undefined, 16]);
    tapOnce(hand, gate);
    expect([last(gate.shown), decodeReceipt(newestOf(hand)!.receipt)!.after]).toEqual([0, 1]);
  });
  test("a receipt whose tap number is closed is not sent again", () => {
    const gate = makeGate(mint, "north");
    const hand = makeHand(mint, "coupon");
    unanswered(hand, gate);
    gate.book.closed = 1;
    tapOnce(hand, gate);
    expect(decodeReceipt(newestOf(hand)!.receipt)!.tap[3]).toBe(2);
  });
});

test("an old holder's copy is named as such, though its counter would do (§8, code 13)", () => {
  const gate = makeGate(mint, "north");
  const hand = makeHand(mint, "coupon", { change: { ownerSequence: 2, most: 9 } });
  tapOnce(hand, gate);
  hand.value = { ...hand.value, ownerSequence: 1 };
  hand.signed = signedValue(mint, hand.value);
  hand.kept = [];
  tapOnce(hand, gate);
  expect(last(gate.shown)).toBe(refusal.owner_superseded);
});
