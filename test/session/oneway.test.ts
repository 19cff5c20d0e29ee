/**
 * The one-way class as dialogues (`tap.md` §7): the handset only speaks. What is accepted, how often, and for what never.
 */
import { describe, expect, test } from "vitest";
import { drive, makeGate, makeHand, makeMint, secretOf, start, tapOnce, type Gate, type GateOptions, type Hand, type Moment } from "./core.js";
import { nodeCrypto as crypto } from "../../protocol/crypto/node/node.js";
import { beaconText, readBeaconText } from "../../protocol/link/beacon.js";
import { clause, encodeRule } from "../../protocol/rule.js";
import { refusal } from "../../protocol/refusal.js";
import { beaconStep, beaconToSign, makeBeacon } from "../../protocol/session/oneway.js";
import { flag, type Value } from "../../protocol/wire/value.js";

const mint = makeMint(crypto);
const scanner = (o: GateOptions = {}) => makeGate(mint, "scanner", { oneWay: true, ...o });
const accepting = (1 << 3) | (1 << 5) | flag.oneWay;
const code = (kind: "ticket" | "coupon" | "card" = "ticket", change: Partial<Value> = {}) => makeHand(mint, kind, { change: { flags: accepting, ...change } });
const pass = (change: Partial<Value> = {}) => code("coupon", { most: 1_000_000, offline: { uses: 1_000_000, amount: 1_000_000, days: 30 }, ...change });

/** What the handset's screen shows at a moment. */
function shown(h: Hand, at = start, o: { action?: number; zone?: number; step?: number; secret?: Uint8Array } = {}): Uint8Array {
  const [action, step, zone] = [o.action ?? 1, o.step ?? beaconStep(at), o.zone ?? 1];
  return makeBeacon(h.signed, action, step, zone, crypto.sign(o.secret ?? h.secret, beaconToSign(h.value.valueId, action, step, zone)));
}
/** The scanner reads it; whoever passes, passes. Answers the code shown by the lights. */
function scan(g: Gate, bytes: Uint8Array, o: Moment = {}): number | undefined {
  const before = g.shown.length;
  drive(g, { type: "beacon", bytes }, o);
  if (g.verifier.state === "open") drive(g, { type: "turned" }, o);
  return g.shown[before];
}

describe("time", () => {
  test.each([[-2, refusal.state_outdated], [-1, 0], [0, 0], [1, 0], [2, refusal.state_outdated]])("step %i of the terminal's clock: %i", (away, expected) => {
    expect(scan(scanner(), shown(code(), start, { step: beaconStep(start) + away }))).toBe(expected);
  });
  test.each([[0, refusal.clock_unknown], [1, refusal.clock_unknown], [2, 0], [3, 0]])("clock quality %i: %i", (quality, expected) => {
    expect(scan(scanner(), shown(code()), { quality })).toBe(expected);
  });
  test("before and after its window", () => {
    expect(scan(scanner(), shown(code("ticket", { notBefore: start + 60 })))).toBe(refusal.not_yet_valid);
    expect(scan(scanner(), shown(code("ticket", { expires: start - 60, notBefore: start - 120 })))).toBe(refusal.expired);
  });
});

describe("how often", () => {
  test("a single ticket once, also by a full tap afterwards, and a used one not by code", () => {
    const gate = scanner();
    const hand = code();
    expect(scan(gate, shown(hand))).toBe(0);
    expect(scan(gate, shown(hand, start + 15), { at: start + 15 })).toBe(refusal.already_used);
    tapOnce(hand, gate, { at: start + 30 });
    expect(gate.shown[gate.shown.length - 1]).toBe(refusal.already_used);
    const tapped = code();
    tapOnce(tapped, gate);
    expect(scan(gate, shown(tapped))).toBe(refusal.already_used);
  });
  test("who entered with a single ticket leaves by code, once, and does not come back", () => {
    const gate = scanner();
    const hand = code();
    expect(scan(gate, shown(hand))).toBe(0);
    gate.verifier.settings.want = { ...gate.verifier.settings.want, action: 2, amount: 0 };
    expect(scan(gate, shown(hand, start + 60, { action: 2 }), { at: start + 60 })).toBe(0);
    expect(scan(gate, shown(hand, start + 90, { action: 2 }), { at: start + 90 })).toBe(refusal.pass_back);
    gate.verifier.settings.want = { ...gate.verifier.settings.want, action: 1, amount: 1 };
    expect(scan(gate, shown(hand, start + 120), { at: start + 120 })).toBe(refusal.already_used);
  });
  test("a photographed code of a single ticket opens nothing where the first one did", () => {
    const gate = scanner();
    const photo = shown(code());
    expect([scan(gate, photo), scan(gate, photo, { at: start + 1 })]).toEqual([0, refusal.already_used]);
  });
  test("a photographed code works at another gate that hears nobody, for 45 seconds at most", () => {
    const photo = shown(code());
    expect(scan(scanner(), photo, { at: start + 29 })).toBe(0);
    expect(scan(makeGate(mint, "deaf", { oneWay: true }), photo, { at: start + 29 })).toBe(0);
    expect(scan(makeGate(mint, "later", { oneWay: true }), photo, { at: start + 45 })).toBe(refusal.state_outdated);
  });
  test("a pass: each (value, step) once, then not again in this zone until it left", () => {
    const gate = scanner();
    const out = makeGate(mint, "out", { oneWay: true, want: { action: 2, amount: 0 } });
    const hand = pass();
    expect(scan(gate, shown(hand))).toBe(0);
    expect(scan(gate, shown(hand))).toBe(refusal.already_used);
    expect(scan(gate, shown(hand, start + 60), { at: start + 60 })).toBe(refusal.pass_back);
    gate.verifier.settings.want = out.verifier.settings.want;
    expect(scan(gate, shown(hand, start + 90, { action: 2 }), { at: start + 90 })).toBe(0);
    gate.verifier.settings.want = { ...out.verifier.settings.want, action: 1, amount: 1 };
    expect(scan(gate, shown(hand, start + 120), { at: start + 120 })).toBe(0);
  });
  test("a pass with an interval: again once the interval is over", () => {
    const gate = scanner();
    const hand = pass({ rule: encodeRule([[clause.interval, 600]]) });
    const seen = [0, 60, 630].map((later) => scan(gate, shown(hand, start + later), { at: start + later }));
    expect(seen).toEqual([0, refusal.rule_refused, 0]);
  });
  test("a pass-back clause says nothing about unlocking, so once in this zone stands there too", () => {
    const gate = scanner({ want: { action: 4 } });
    const hand = pass({ rule: encodeRule([[clause.passage, 0]]) });
    expect([0, 60].map((later) => scan(gate, shown(hand, start + later, { action: 4 }), { at: start + later }))).toEqual([0, refusal.pass_back]);
  });
  test("another zone of a terminal that has two: only where the value is valid", () => {
    const gate = scanner({ zones: [1, 2] });
    const hand = pass();
    expect(scan(gate, shown(hand))).toBe(0);
    expect(scan(gate, shown(hand, start + 60, { zone: 2 }), { at: start + 60 })).toBe(refusal.wrong_zone);
    expect(scan(gate, shown(hand, start + 75, { zone: 9 }), { at: start + 75 })).toBe(refusal.wrong_zone);
  });
});

describe("for what never", () => {
  test("amounts", () => {
    expect(scan(scanner({ want: { action: 3, kinds: ["card"], amount: 1, currency: 978 } }), shown(code("card"), start, { action: 3 }))).toBe(refusal.profile_too_weak);
  });
  test("a gate that wants money takes no pass for it", () => {
    expect(scan(scanner({ want: { action: 3, kinds: ["coupon"], amount: 1, currency: 978 } }), shown(pass(), start, { action: 3 }))).toBe(refusal.wrong_kind);
  });
  test("a value that does not allow it, a terminal that does not", () => {
    expect(scan(scanner(), shown(code("ticket", { flags: 1 << 3 })))).toBe(refusal.profile_too_weak);
    expect(scan(scanner({ oneWay: false }), shown(code()))).toBe(refusal.profile_too_weak);
  });
  test("coupons, unless the host is on line; and nothing about them is said before they are proved", () => {
    const gate = scanner();
    const hand = code("coupon");
    expect(scan(gate, shown(hand))).toBe(refusal.sync_needed);
    expect(scan(gate, shown(hand, start, { secret: secretOf(crypto, "nobody's") }))).toBe(refusal.not_genuine);
    gate.book.onLine = true;
    expect(scan(gate, shown(hand))).toBe(0);
  });
  test("revoked, transferred on, undetermined where the value demands a list, closed terminals", () => {
    const gate = scanner();
    const hand = pass();
    gate.book.statusBits = new Uint8Array(64).fill(0x55);
    expect(scan(gate, shown(hand))).toBe(refusal.revoked);
    gate.book.statusBits = undefined;
    expect(scan(gate, shown(pass({ flags: (1 << 3) | flag.oneWay })))).toBe(refusal.status_undetermined);
    gate.book.ladder = "closed";
    expect(scan(gate, shown(pass()))).toBe(refusal.sync_needed);
  });
  test("a table of notices that is full takes no value it has never met", () => {
    const gate = scanner();
    gate.book.noticesCount = 1e9;
    expect(scan(gate, shown(code()))).toBe(refusal.terminal_full);
  });
  test("a forged value, a false proof, another action: refused, nothing recorded", () => {
    const gate = scanner();
    const hand = code();
    hand.signed = { ...hand.signed, signature: new Uint8Array(64).fill(1) };
    expect(scan(gate, shown(hand))).toBe(refusal.not_genuine);
    expect(scan(gate, shown(code(), start, { secret: secretOf(crypto, "other") }))).toBe(refusal.not_genuine);
    expect(scan(gate, shown(code(), start, { action: 2 }))).toBe(refusal.wrong_kind);
    expect(gate.journal).toEqual([]);
  });
  test("noise before a scanner is nobody's refusal", () => {
    const gate = scanner();
    for (const bytes of [new Uint8Array(0), new Uint8Array([0x88, 9]), new Uint8Array(400).fill(7)]) expect(scan(gate, bytes)).toBeUndefined();
  });
});

describe("record and text", () => {
  test("nothing opens before the beacon is recorded; the lights say whose it was", () => {
    const gate = scanner();
    drive(gate, { type: "beacon", bytes: shown(code()) }, { slowWrites: true });
    expect([gate.opened, gate.writing!.kind]).toEqual([0, "beacon"]);
  });
  test("the text of a ticket is at most 420 characters, and reads back", () => {
    const bytes = shown(code());
    const text = beaconText(bytes);
    expect(text.length).toBeLessThanOrEqual(420);
    expect(readBeaconText(new TextEncoder().encode(text))).toEqual(bytes);
  });
  test("what a scanner saw is forgotten when no step can come again: memory does not grow", () => {
    const gate = scanner();
    const hand = pass({ rule: encodeRule([[clause.interval, 1]]) });
    for (let i = 0; i < 50; i++) expect(scan(gate, shown(hand, start + 15 * i), { at: start + 15 * i })).toBe(0);
    expect(Object.keys(gate.book.beacons).length).toBeLessThan(12);
  });
});
