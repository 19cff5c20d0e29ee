/**
 * Rows of the tables of `tap.md` §3–§5 that only show on the bare core: what is forgotten and what is not, what a receipt
 * opens and what it does not, what a leaving holder may always do.
 */
import { describe, expect, test } from "vitest";
import { ask, counterOf, drive, greet, hear, idOf, introduce, makeGate, makeHand, makeMint, newestOf, silence, start, daySeconds, talk, tapOnce, type Gate, type Hand, type OnTheWay } from "./core.js";
import { nodeCrypto as crypto } from "../../protocol/crypto/node/node.js";
import { clause, encodeRule } from "../../protocol/rule.js";
import { refusal } from "../../protocol/refusal.js";
import { terminalRole } from "../../protocol/wire/certificate.js";
import { decodeHello, encodeHello, encodeStop, intent, messageType, offer, type as kinds } from "../../protocol/wire/message.js";
import { writeArray, writeBytes, writeInt, writer, finish } from "../../protocol/wire/cbor.js";
import { digest16 } from "../../protocol/wire/value.js";
import { decodeReceipt, encodeReceipt, receiptKind, receiptToSign } from "../../protocol/wire/receipt.js";

const mint = makeMint(crypto);
const typeAt = (type: number) => (m: OnTheWay): Uint8Array[] => (messageType(m.bytes) === type ? [] : [m.bytes]);
/** The receipt is stored, its acknowledgement never arrives. */
function torn(h: Hand, g: Gate): void {
  tapOnce(h, g, { change: typeAt(kinds.acknowledgement) });
  silence(h, g);
  expect(newestOf(h)!.state).toBe("unresolved");
}

describe("one want a tap (§3)", () => {
  test("a till's new amount between hello and presentation belongs to the next tap", () => {
    const shop = makeGate(mint, "shop", { role: terminalRole.till, sensor: false, want: { action: 3, kinds: ["card"], amount: 300, currency: 978 } });
    const hand = makeHand(mint, "card");
    tapOnce(hand, shop, { change: (m) => {
      if (messageType(m.bytes) === kinds.presentation) shop.verifier.settings.want = { action: 3, kinds: ["coffee"], amount: 900, currency: 978 };
      return [m.bytes];
    } });
    expect(shop.shown).toEqual([0]);
    expect(decodeReceipt(newestOf(hand)!.receipt)!.amount).toBe(300);
  });
});

describe("what a hello asked for is withdrawn", () => {
  test("between hello and presentation the tap ends; once a receipt is out, or at rest, nothing happens", () => {
    for (const when of [kinds.presentation, kinds.acknowledgement]) {
      const shop = makeGate(mint, "shop", { role: terminalRole.till, sensor: false, want: { action: 3, kinds: ["card"], amount: 300, currency: 978 } });
      const hand = makeHand(mint, "card");
      tapOnce(hand, shop, { change: (m) => { if (messageType(m.bytes) === when) drive(shop, { type: "withdraw" }); return [m.bytes]; } });
      expect(shop.shown).toEqual(when === kinds.presentation ? [refusal.busy] : [0]);
      expect(newestOf(hand) === undefined).toBe(when === kinds.presentation);
      silence(hand, shop);
      drive(shop, { type: "withdraw" });
      expect(shop.verifier.state).toBe("idle");
    }
  });
});

describe("pending receipts (§3)", () => {
  test("closing old tap numbers forgets only their receipts: a younger one is sent again as it was", () => {
    const gate = makeGate(mint, "north");
    const first = makeHand(mint, "coupon");
    const second = makeHand(mint, "coupon");
    for (const hand of [first, second]) { tapOnce(hand, gate, { change: typeAt(kinds.answer) }); silence(hand, gate); }
    const before = gate.verifier.pending.map((p) => p.tap);
    expect(before).toEqual([1, 2]);
    drive(gate, { type: "close", tap: 1 });
    expect(gate.verifier.pending.map((p) => p.tap)).toEqual([2]);
    tapOnce(second, gate);
    expect(decodeReceipt(newestOf(second)!.receipt)!.tap).toEqual(new Uint8Array([0, 0, 0, 2]));
  });
});

describe("a receipt opens only what it paid for (§4)", () => {
  const dear = { action: 3, kinds: ["card"], amount: 900, currency: 978 };
  test("torn at a cheap price, it is not resumed at a dear one: neither at this till nor at another", () => {
    const shop = makeGate(mint, "shop", { role: terminalRole.till, sensor: false, want: { ...dear, amount: 10 } });
    const other = makeGate(mint, "other shop", { role: terminalRole.till, sensor: false, want: dear });
    introduce(shop, other);
    const hand = makeHand(mint, "card");
    torn(hand, shop);
    hand.intent = intent.resume;
    shop.verifier.settings.want = dear;
    tapOnce(hand, shop);
    tapOnce(hand, other);
    expect([shop.opened, other.opened, other.question]).toEqual([0, 0, undefined]);
    expect([shop.shown, other.shown].map((s) => s[s.length - 1])).toEqual([refusal.finish_elsewhere, refusal.finish_elsewhere]);
    shop.verifier.settings.want = { ...dear, amount: 10 };
    tapOnce(hand, shop);
    expect(shop.opened).toBe(1);
  });
  test("a receipt of another zone's gate is not handed on to a gate where the value is not valid", () => {
    const north = makeGate(mint, "north");
    const vip = makeGate(mint, "vip", { zones: [9] });
    introduce(north, vip);
    const hand = makeHand(mint, "coupon");
    torn(hand, north);
    hand.intent = intent.resume;
    tapOnce(hand, vip);
    expect([vip.question, vip.shown]).toEqual([undefined, [refusal.wrong_zone]]);
  });
});

describe("whoever is inside may always leave (rule, §5)", () => {
  const rule = encodeRule([[clause.passage, 0]]);
  const exit = { action: 2, amount: 0 };
  test("an exit that did not turn and was undone may be taken again", () => {
    const entrance = makeGate(mint, "in");
    const way = makeGate(mint, "out", { want: exit });
    introduce(entrance, way);
    const hand = makeHand(mint, "coupon", { change: { rule } });
    tapOnce(hand, entrance);
    tapOnce(hand, way, { turns: false });
    drive(way, { type: "time" }, { nowMs: 1e9 });
    drive(way, { type: "close", tap: way.tap });
    drive(way, { type: "time" });
    hand.intent = intent.inquire;
    tapOnce(hand, way);
    expect(newestOf(hand)!.state).toBe("reversed");
    hand.intent = intent.use;
    tapOnce(hand, way);
    expect(way.shown[way.shown.length - 1]).toBe(0);
    expect(way.opened).toBe(2);
  });
  test("an entrance that did not turn and was undone may be taken again, and once only", () => {
    const entrance = makeGate(mint, "in");
    const hand = makeHand(mint, "coupon", { change: { rule } });
    tapOnce(hand, entrance, { turns: false });
    drive(entrance, { type: "time" }, { nowMs: 1e9 });
    drive(entrance, { type: "close", tap: entrance.tap });
    drive(entrance, { type: "time" });
    hand.intent = intent.inquire;
    tapOnce(hand, entrance);
    hand.intent = intent.use;
    tapOnce(hand, entrance);
    tapOnce(hand, entrance);
    expect(entrance.shown).toEqual([0, refusal.credited, 0, refusal.pass_back]);
  });
});

describe("a weak random source (§9)", () => {
  test.each([["zero", 0], ["all ones", 255]])("%s as a secret: no hello, no crash, the next one serves", (_name, byte) => {
    const gate = makeGate(mint, "north");
    const hand = makeHand(mint, "ticket");
    gate.tap++;
    gate.ceiling = 10;
    drive(gate, { type: "heard", tap: 1, secret: new Uint8Array(32).fill(byte) });
    expect([gate.out, gate.verifier.state]).toEqual([[], "idle"]);
    greet(gate);
    ask(hand, { type: "hello", bytes: gate.out[0]!, secret: new Uint8Array(32).fill(byte) });
    expect(hand.holder.state).not.toBe("presented");
    tapOnce(hand, gate);
    expect(gate.opened).toBe(1);
  });
});

describe("secrets (§2)", () => {
  test("a new hello ends the meeting before it: its secrets are erased on the handset", () => {
    const gate = makeGate(mint, "north");
    const hand = makeHand(mint, "coupon");
    tapOnce(hand, gate);
    greet(gate);
    hear(hand, gate.out.pop()!);
    const old = hand.holder.meeting!;
    greet(gate);
    hear(hand, gate.out.pop()!);
    expect(old.secret.every((b) => b === 0)).toBe(true);
    expect(old.channel!.toTerminal.every((b) => b === 0) && old.channel!.toHandset.every((b) => b === 0)).toBe(true);
  });
});

describe("repeats get the same bytes (§2)", () => {
  test("a resuming presentation that comes twice, after the certificate was asked for, gets its outcome twice", () => {
    const gate = makeGate(mint, "north");
    const hand = makeHand(mint, "ticket");
    torn(hand, gate);
    hand.known = {};
    hand.intent = intent.resume;
    let twice: Uint8Array[] = [];
    tapOnce(hand, gate, { turns: false, change: (m) => {
      if (messageType(m.bytes) === kinds.presentation) twice = [m.bytes, m.bytes];
      return [m.bytes];
    } });
    expect(gate.verifier.state).toBe("open");
    const outcome = gate.verifier.tap!.answer!;
    drive(gate, { type: "message", bytes: twice[0]! });
    expect(gate.out).toEqual([outcome]);
    drive(gate, { type: "message", bytes: new Uint8Array([0x82, 6, 0]) });
    expect(gate.out).toEqual([outcome]);
  });
});

describe("no common ground (§8, code 4)", () => {
  test("a hello of version 2: the handset says update the app, and reveals nothing", () => {
    const gate = makeGate(mint, "north");
    const hand = makeHand(mint, "ticket");
    const said = tapOnce(hand, gate, { change: (m) => [m.bytes[1] === 1 ? new Uint8Array([...m.bytes.slice(0, 2), 2, ...m.bytes.slice(3)]) : m.bytes] });
    expect(hand.shown.map((s) => s.code)).toEqual([refusal.unsupported_version]);
    expect(said.map((m) => messageType(m.bytes))).toEqual([kinds.hello, kinds.ask]);
    expect(gate.verifier.state).toBe("idle");
  });
  test("a hello that offers neither A nor B: the same", () => {
    const gate = makeGate(mint, "north");
    const hand = makeHand(mint, "ticket");
    tapOnce(hand, gate, { change: (m) => [messageType(m.bytes) === kinds.hello ? encodeHello({ ...decodeHello(m.bytes)!, offer: 16 | offer.oneWay }) : m.bytes] });
    expect(hand.shown.map((s) => s.code)).toEqual([refusal.unsupported_version]);
  });
  test("a handset that would speak B only, at a gate with A only: the same", () => {
    const gate = makeGate(mint, "north");
    const hand = makeHand(mint, "ticket", { profile: "B" });
    const said = tapOnce(hand, gate);
    expect(hand.shown.map((s) => s.code)).toEqual([refusal.unsupported_version]);
    expect(said.map((m) => messageType(m.bytes))).not.toContain(kinds.presentation);
  });
  test("bits of offer that nobody knows yet harm nothing", () => {
    const gate = makeGate(mint, "north");
    const hand = makeHand(mint, "ticket");
    gate.verifier.settings.profiles = [...gate.verifier.settings.profiles];
    greet(gate);
    const hello = encodeHello({ ...decodeHello(gate.out.pop()!)!, offer: 1 | 64 | 1024 });
    gate.verifier.tap!.hello = hello;
    hear(hand, hello);
    talk(hand, gate, {}, []);
    expect(gate.opened).toBe(1);
  });
  test("a presentation of a shape from the future is told so at once", () => {
    const gate = makeGate(mint, "north");
    greet(gate);
    gate.out = [];
    const w = writer();
    writeArray(w, 5); writeInt(w, kinds.presentation); writeBytes(w, new Uint8Array(32)); writeBytes(w, new Uint8Array(90)); writeInt(w, 1); writeInt(w, 2);
    drive(gate, { type: "message", bytes: finish(w) });
    expect(gate.out).toEqual([encodeStop(refusal.unsupported_version)]);
    expect(gate.verifier.state).toBe("idle");
  });
  test("B spoken to a gate with A only: no common profile", () => {
    const both = makeGate(mint, "north", { profiles: "AB" });
    const gate = makeGate(mint, "north");
    const hand = makeHand(mint, "ticket", { profile: "B" });
    greet(both);
    hear(hand, both.out.pop()!);
    greet(gate);
    gate.out = [];
    drive(gate, { type: "message", bytes: hand.out.pop()! });
    expect(gate.shown).toEqual([refusal.unsupported_version]);
  });
});

describe("a false answer of a certified terminal (§3, handset)", () => {
  /** A terminal with real keys whose receipts say what `change` says. */
  function lying(change: (r: NonNullable<ReturnType<typeof decodeReceipt>>) => void): Hand {
    const gate = makeGate(mint, "north");
    const hand = makeHand(mint, "coupon");
    greet(gate);
    const sign = crypto.sign;
    gate.mint = { ...mint, crypto: { ...crypto, sign: (secret, message) => {
      if (gate.verifier.tap?.receipt === undefined) return sign(secret, message);
      change(gate.verifier.tap.receipt);
      gate.verifier.tap.receiptBytes = encodeReceipt(gate.verifier.tap.receipt);
      return sign(secret, receiptToSign(gate.verifier.tap.receiptBytes));
    } } };
    tapOnce(hand, gate, { greeted: false, turns: false });
    return hand;
  }
  test.each([
    ["a higher total", (r: { after: number }) => { r.after += 1; }], ["a base of its own", (r: { base: unknown }) => { r.base = { counter: 1, spent: 0, day: 9 }; }],
    ["a quality that does not exist", (r: { quality: number }) => { r.quality = 9; }], ["a reversal folded in that nobody showed", (r: { fold: unknown }) => { r.fold = new Uint8Array(16); }],
    ["a total above the value's most", (r: { after: number }) => { r.after = 2 ** 53 - 1; }],
  ])("%s: not stored, not acknowledged", (_what, change) => {
    const hand = lying(change as never);
    expect([counterOf(hand), hand.events.includes("store")]).toEqual([0, false]);
    tapOnce(hand, makeGate(mint, "south"));
    expect(counterOf(hand)).toBe(1);
  });
});

describe("a host receipt moves the base and nothing else (§5)", () => {
  /** What the host signs on line: the step before, with nothing taken and a new base. */
  function refreshed(h: Hand, atNow: number): void {
    const newest = newestOf(h);
    const before = newest === undefined ? undefined : decodeReceipt(newest.receipt)!;
    const counter = counterOf(h) + 1;
    const after = before?.after ?? 0;
    const receipt = encodeReceipt({
      kind: receiptKind.host, terminal: new Uint8Array(8), tap: new Uint8Array(4), valueId: h.value.valueId, counter, previous: digest16(crypto, newest?.receipt ?? h.signed.claims),
      action: before?.action ?? 3, amount: 0, after, at: before?.at ?? 0, quality: 3, until: 0, base: { counter, spent: after, day: Math.floor(atNow / daySeconds) }, fold: undefined,
    });
    h.kept = [...h.kept, { receipt, proof: crypto.sign(mint.values, receiptToSign(receipt)), certificate: undefined, state: "finished", reversal: undefined }];
  }
  test("offline uses begin anew, the total goes on, the next receipt carries the base", () => {
    const gate = makeGate(mint, "north");
    const hand = makeHand(mint, "coupon", { change: { offline: { uses: 1, amount: 1, days: 30 } } });
    tapOnce(hand, gate);
    tapOnce(hand, gate);
    refreshed(hand, start);
    tapOnce(hand, gate);
    expect(gate.shown).toEqual([0, refusal.sync_needed, 0]);
    expect(decodeReceipt(newestOf(hand)!.receipt)).toMatchObject({ counter: 3, after: 2, base: { counter: 2, spent: 1 } });
  });
  test("who was inside is inside still, and may leave", () => {
    const entrance = makeGate(mint, "in");
    const way = makeGate(mint, "out", { want: { action: 2, amount: 0 } });
    introduce(entrance, way);
    const hand = makeHand(mint, "coupon", { change: { rule: encodeRule([[clause.passage, 3600]]) } });
    tapOnce(hand, entrance);
    refreshed(hand, start + 10);
    tapOnce(hand, entrance, { at: start + 20 });
    tapOnce(hand, way, { at: start + 30 });
    expect([entrance.shown, way.shown]).toEqual([[0, refusal.pass_back], [0]]);
  });
  test("an interval goes on from the use before it, also at a gate that never met the value", () => {
    const gates = [makeGate(mint, "north"), makeGate(mint, "south")];
    introduce(...gates);
    const hand = makeHand(mint, "coupon", { change: { rule: encodeRule([[clause.interval, 3600]]) } });
    tapOnce(hand, gates[0]!);
    refreshed(hand, start + 60);
    tapOnce(hand, gates[1]!, { at: start + 120 });
    tapOnce(hand, gates[1]!, { at: start + 3600 });
    expect(gates[1]!.shown).toEqual([refusal.rule_refused, 0]);
  });
  test("a copy from before the base that this gate saw is an old copy, whatever its counter: sums of two bases do not take turns", () => {
    const gate = makeGate(mint, "north");
    const hand = makeHand(mint, "coupon", { change: { offline: { uses: 20, amount: 2, days: 30 }, most: 9 } });
    tapOnce(hand, gate);
    tapOnce(hand, gate);
    const copy: Hand = { ...hand, kept: [...hand.kept], known: {} };
    refreshed(hand, start);
    tapOnce(hand, gate);
    const far = makeGate(mint, "far");
    introduce(gate, far);
    for (let i = 0; i < 2; i++) {
      const newest = decodeReceipt(newestOf(copy)!.receipt)!;
      const receipt = encodeReceipt({ ...newest, terminal: idOf(far), counter: newest.counter + 1, previous: digest16(crypto, newestOf(copy)!.receipt), amount: 0, after: 1 });
      copy.kept = [...copy.kept, { receipt, proof: crypto.sign(far.signing, receiptToSign(receipt)), certificate: undefined, state: "turned", reversal: undefined }];
    }
    tapOnce(copy, gate);
    expect(gate.shown).toEqual([0, 0, 0, refusal.state_outdated]);
  });
  test("signed by another than the provider it proves nothing", () => {
    const gate = makeGate(mint, "north");
    const hand = makeHand(mint, "coupon");
    tapOnce(hand, gate);
    refreshed(hand, start);
    const kept = hand.kept.pop()!;
    hand.kept.push({ ...kept, proof: crypto.sign(gate.signing, receiptToSign(kept.receipt)) });
    tapOnce(hand, gate);
    expect(gate.shown).toEqual([0, refusal.not_genuine]);
  });
});
