/**
 * What comes when nobody waits for it: an answer of a key, of the journal, of a neighbour or of a person in a state that did
 * not ask. It changes nothing, in any state; and what fails while it was asked for is said and ends the tap.
 */
import { describe, expect, test } from "vitest";
import { ask, drive, finishAsk, finishKey, finishStore, greet, hear, idOf, introduce, makeGate, makeHand, makeMint, newestOf, secretOf, silence, start, talk, tapOnce, type Hand, type Gate, type OnTheWay } from "./core.js";
import { holders, verifiers, type Pair } from "../simulation/exhaust/session.js";
import { copyGate, copyHand, fingerprint } from "../simulation/model/nodes.js";
import { nodeCrypto as crypto } from "../../protocol/crypto/node/node.js";
import { apply } from "../../runtime/value/book.js";
import { refusal } from "../../protocol/refusal.js";
import type { Input } from "../../protocol/session/events.js";
import type { HolderInput } from "../../protocol/session/holder.js";
import { asking, decodeHello, encodeAsk, encodeHello, encodeStop, intent, messageType, type as kinds } from "../../protocol/wire/message.js";

const mint = makeMint(crypto);
const without = (type: number) => (m: OnTheWay): Uint8Array[] => (messageType(m.bytes) === type ? [] : [m.bytes]);
const last = <T>(list: readonly T[]): T | undefined => list[list.length - 1];
function torn(h: Hand, g: Gate): void {
  tapOnce(h, g, { change: without(kinds.acknowledgement) });
  silence(h, g);
}

describe("an answer that nobody waits for changes nothing (§3)", () => {
  const none = new Uint8Array(0);
  /** In which states each input is waited for. */
  const inputs: [string, (p: Pair) => Input, string[]][] = [
    ["a turn of the sensor", () => ({ type: "turned" }), ["open"]],
    ["an appended", () => ({ type: "appended" }), ["recording", "recording_reversal", "handing", "closing"]],
    ["a failed append", () => ({ type: "append_failed" }), ["recording", "recording_reversal", "handing", "closing"]],
    ["a neighbour's yes", () => ({ type: "handover", receipt: none, code: 0 }), []],
    ["a key agreed", (p) => ({ type: "agreed", number: p.gate.verifier.asked, shared: new Uint8Array(32) }), ["agreeing"]],
    ["a key agreed for another", (p) => ({ type: "agreed", number: p.gate.verifier.asked + 1, shared: new Uint8Array(32) }), []],
    ["a signature", (p) => ({ type: "signed", number: p.gate.verifier.asked, signature: new Uint8Array(64) }), ["signing", "reversing"]],
    ["a closing", () => ({ type: "close", tap: 1 }), ["idle"]],
    ["time before its end", () => ({ type: "time" }), []],
    ["a beacon that is noise", () => ({ type: "beacon", bytes: new Uint8Array(9) }), []],
  ];
  for (const profile of ["A", "B"] as const) {
    test.each(inputs)(`terminal, profile ${profile}: %s`, (_name, input, waited) => {
      for (const [state, p] of Object.entries(verifiers(profile))) {
        if (waited.includes(state)) continue;
        const gate = copyGate(p.gate);
        drive(gate, input(p), { slowWrites: true, slowKeys: true });
        expect([state, fingerprint(gate.verifier), gate.journal.length, gate.opened]).toEqual([state, fingerprint(p.gate.verifier), p.gate.journal.length, p.gate.opened]);
      }
    });
    test(`terminal, profile ${profile}: a hello is begun only where nothing would be lost by it`, () => {
      for (const [state, p] of Object.entries(verifiers(profile))) {
        const gate = copyGate(p.gate);
        gate.out = [];
        greet(gate);
        const said = gate.out.map((b) => messageType(b));
        expect([state, said]).toEqual([state, ["idle", "greeted", "answered"].includes(state) ? [kinds.hello] : ["open", "out_of_service"].includes(state) ? [kinds.stop] : []]);
      }
    });
    test(`terminal, profile ${profile}: a beacon is read only where nobody's tap would end by it`, () => {
      for (const [state, p] of Object.entries(verifiers(profile))) {
        const gate = copyGate(p.gate);
        const tap = gate.verifier.tap;
        drive(gate, { type: "beacon", bytes: new Uint8Array(200) });
        expect([state, gate.verifier.state, gate.verifier.tap]).toEqual([state, state, tap]);
      }
    });
    const answers: [string, (h: Hand) => HolderInput, string[]][] = [
      ["a stored", () => ({ type: "stored" }), ["storing"]], ["a failed store", () => ({ type: "store_failed" }), ["storing"]], ["a person's yes", () => ({ type: "confirmed", yes: true }), ["asking"]],
      ["a signature", (h) => ({ type: "signed", number: h.holder.asked, signature: new Uint8Array(64) }), ["proving", "acknowledging", "acknowledging_again"]],
      ["a signature for another", (h) => ({ type: "signed", number: h.holder.asked + 1, signature: new Uint8Array(64) }), []], ["time before its end", () => ({ type: "time" }), []],
      ["bytes that are no message", () => ({ type: "message", bytes: new Uint8Array([0x82, 99, 1]) }), []],
      ["a hello of no version", () => ({ type: "hello", bytes: new Uint8Array([0x82, 1]), secret: secretOf(crypto, "h") }), []],
    ];
    test.each(answers)(`handset, profile ${profile}: %s`, (_name, input, waited) => {
      for (const [state, p] of Object.entries(holders(profile))) {
        if (waited.includes(state)) continue;
        const hand = copyHand(p.hand);
        ask(hand, input(hand), { slowKeys: true, slowWrites: true, slowPerson: true });
        expect([state, fingerprint(hand.holder), hand.kept.length]).toEqual([state, fingerprint(p.hand.holder), p.hand.kept.length]);
      }
    });
  }
  test("a hello while the receipt is being stored or acknowledged is not heard: nothing may overtake it", () => {
    for (const state of ["storing", "acknowledging"]) {
      const p = holders("A")[state]!;
      greet(p.gate);
      const before = fingerprint(p.hand.holder);
      hear(p.hand, last(p.gate.out)!);
      expect(fingerprint(p.hand.holder)).toBe(before);
    }
  });
});

describe("messages out of place (§3)", () => {
  test("two are overlooked, the third ends the tap; at an open gate none does", () => {
    for (const [state, ends] of [["greeted", true], ["answered", true], ["agreeing", false], ["open", false]] as const) {
      const gate = copyGate(verifiers("A")[state]!.gate);
      gate.out = [];
      for (let i = 0; i < 2; i++) drive(gate, { type: "message", bytes: new Uint8Array([0x82, 77, i]) });
      expect([state, gate.out, gate.verifier.state]).toEqual([state, [], state]);
      drive(gate, { type: "message", bytes: new Uint8Array([0x82, 77, 9]) });
      expect([state, gate.out, gate.verifier.state]).toEqual(ends ? [state, [encodeStop(refusal.bad_message)], "idle"] : [state, [], state]);
    }
  });
  test("the certificate is sent once a tap, and by a board that has none never", () => {
    const gate = makeGate(mint, "north");
    greet(gate);
    drive(gate, { type: "message", bytes: encodeAsk(asking.certificate) });
    expect(messageType(last(gate.out)!)).toBe(kinds.certificate);
    const certificate = last(gate.out);
    drive(gate, { type: "message", bytes: encodeAsk(asking.certificate) });
    expect(last(gate.out)).toBe(certificate);
    gate.out = [];
    drive(gate, { type: "message", bytes: new Uint8Array([0x82, kinds.ask, 9]) });
    gate.verifier.tap!.heard = undefined;
    drive(gate, { type: "message", bytes: encodeAsk(asking.certificate) });
    expect([gate.out, gate.verifier.tap!.ignored]).toEqual([[], 2]);
    const board = makeGate(mint, "board", { profiles: "B" });
    greet(board);
    board.out = [];
    drive(board, { type: "message", bytes: encodeAsk(asking.certificate) });
    expect([board.out, board.verifier.tap!.ignored]).toEqual([[], 1]);
  });
  test("an acknowledgement that is none is overlooked, and the true one still counts", () => {
    for (const profile of ["A", "B"] as const) {
      const gate = makeGate(mint, "north", { profiles: profile });
      const hand = makeHand(mint, "ticket", { profile });
      tapOnce(hand, gate, { change: (m) => (messageType(m.bytes) === kinds.acknowledgement ? [new Uint8Array([0x82, kinds.acknowledgement, 7]), m.bytes] : [m.bytes]) });
      expect(gate.opened).toBe(1);
    }
  });
  test("an answer and an outcome that are none are overlooked, and the true ones still count", () => {
    for (const profile of ["A", "B"] as const) {
      const gate = makeGate(mint, "north", { profiles: profile });
      const hand = makeHand(mint, "ticket", { profile });
      tapOnce(hand, gate, { change: (m) => (m.to === "handset" && [kinds.answer, kinds.outcome].some((t) => t === messageType(m.bytes)) ? [new Uint8Array([0x82, m.bytes[1]!, 7]), new Uint8Array(m.bytes).fill(9, m.bytes.length - 8), m.bytes] : [m.bytes]) });
      expect([gate.opened, newestOf(hand)!.state]).toEqual([1, "turned"]);
    }
  });
  test("a presentation that is none, and one that was spoilt on its way: nothing is said of its value", () => {
    for (const [change, ends] of [[(b: Uint8Array) => new Uint8Array([0x82, b[1]!, 0x58]), false], [(b: Uint8Array) => new Uint8Array(b).fill(9, b.length - 8), true]] as const) {
      const gate = makeGate(mint, "north");
      tapOnce(makeHand(mint, "ticket"), gate, { change: (m) => [messageType(m.bytes) === kinds.presentation ? change(m.bytes) : m.bytes] });
      expect([gate.shown, gate.verifier.state]).toEqual(ends ? [[refusal.bad_message], "idle"] : [[], "greeted"]);
    }
  });
  test("an outcome instead of an answer, on a first use, resolves nothing", () => {
    const gate = makeGate(mint, "north");
    const hand = makeHand(mint, "ticket");
    tapOnce(hand, gate, { change: (m) => (messageType(m.bytes) === kinds.answer ? [new Uint8Array([0x82, kinds.outcome, 0x41, 7])] : [m.bytes]) });
    expect([hand.kept, hand.holder.state]).toEqual([[], "presented"]);
  });
  test("a hello of this version that does not read is declined", () => {
    const gate = makeGate(mint, "north");
    const hand = makeHand(mint, "ticket");
    const said = tapOnce(hand, gate, { change: (m) => [messageType(m.bytes) === kinds.hello ? encodeHello({ ...decodeHello(m.bytes)!, nonce: new Uint8Array(9) }) : m.bytes] });
    expect(said.map((m) => messageType(m.bytes))).toEqual([kinds.hello, kinds.ask]);
    expect(hand.holder.state).toBe("ready");
  });
  test("a certificate that does not read, or is another's, is shown nothing", () => {
    for (const change of [new Uint8Array([0x82, kinds.certificate, 0]), undefined]) {
      const gate = makeGate(mint, "north");
      const other = makeGate(mint, "other");
      const hand = makeHand(mint, "ticket");
      greet(other);
      drive(other, { type: "message", bytes: encodeAsk(asking.certificate) });
      const said = tapOnce(hand, gate, { change: (m) => [messageType(m.bytes) === kinds.certificate ? change ?? last(other.out)! : m.bytes] });
      expect(said.map((m) => messageType(m.bytes))).not.toContain(kinds.presentation);
    }
  });
});

describe("a key, a store or a journal that fails while it is asked (§3)", () => {
  const denied = () => ({ ...crypto, sign: () => undefined as unknown as Uint8Array });
  test("terminal: no signature on a receipt: out of service, nothing promised", () => {
    const gate = makeGate(mint, "north");
    const hand = makeHand(mint, "ticket");
    gate.mint = { ...mint, crypto: denied() };
    tapOnce(hand, gate);
    expect([gate.shown, gate.verifier.state, hand.shown.map((s) => s.code), hand.kept]).toEqual([[refusal.out_of_service], "out_of_service", [refusal.out_of_service], []]);
  });
  test("terminal: no signature on a reversal: out of service, and no reversal is told", () => {
    const gate = makeGate(mint, "north");
    const hand = makeHand(mint, "coupon");
    tapOnce(hand, gate, { turns: false });
    drive(gate, { type: "time" }, { nowMs: 1e9 });
    drive(gate, { type: "close", tap: gate.tap });
    gate.mint = { ...mint, crypto: denied() };
    gate.out = [];
    drive(gate, { type: "time" });
    expect([gate.verifier.state, gate.out, gate.journal.some((e) => e.kind === "reversal")]).toEqual(["out_of_service", [], false]);
  });
  test("terminal: an append that fails while nobody stands there: the lights say so, nobody is sent anything", () => {
    for (const state of ["closing", "recording_reversal", "handing"]) {
      const gate = copyGate(verifiers("A")[state]!.gate);
      gate.out = [];
      drive(gate, { type: "append_failed" });
      expect([state, gate.verifier.state, gate.shown, gate.out]).toEqual([state, "out_of_service", [refusal.out_of_service], []]);
    }
  });
  test("handset: no signature to prove: declined; none to acknowledge: the receipt stays unresolved; no store: nothing is acknowledged", () => {
    const proving = holders("A")["proving"]!;
    proving.hand.out = [];
    ask(proving.hand, { type: "signed", number: proving.hand.holder.asked, signature: undefined });
    expect([proving.hand.out, proving.hand.holder.state]).toEqual([[encodeAsk(asking.declined)], "ready"]);
    const acknowledging = holders("A")["acknowledging"]!;
    acknowledging.hand.out = [];
    ask(acknowledging.hand, { type: "signed", number: acknowledging.hand.holder.asked, signature: undefined });
    expect([acknowledging.hand.out, newestOf(acknowledging.hand)!.state, acknowledging.hand.holder.state]).toEqual([[], "unresolved", "ready"]);
    const storing = holders("A")["storing"]!;
    storing.hand.out = [];
    ask(storing.hand, { type: "store_failed" });
    expect([storing.hand.out, storing.hand.holder.state]).toEqual([[], "ready"]);
  });
  test("handset: a person who says no declines, and nothing was shown", () => {
    const p = holders("A")["asking"]!;
    p.hand.out = [];
    ask(p.hand, { type: "confirmed", yes: false });
    expect([p.hand.out, p.hand.holder.state]).toEqual([[encodeAsk(asking.declined)], "ready"]);
  });
  test("handset: a terminal without a certificate is named by nothing when a person is asked", () => {
    const board = makeGate(mint, "board", { profiles: "B" });
    const hand = makeHand(mint, "ticket", { profile: "B" });
    hand.holder.settings = { ...hand.holder.settings, silentUses: 0 };
    greet(board);
    hear(hand, board.out.shift()!, { slowPerson: true });
    expect(hand.holder.state).toBe("asking");
    ask(hand, { type: "confirmed", yes: true });
    talk(hand, board, {}, []);
    expect(board.opened).toBe(1);
  });
  test("a key store that answers for a point that lies on no curve: the tap's own key notices", () => {
    const gate = makeGate(mint, "north");
    const hand = makeHand(mint, "ticket");
    tapOnce(hand, gate, { slowKeys: true });
    finishAsk(hand);
    const shown = new Uint8Array(hand.out.pop()!);
    drive(gate, { type: "message", bytes: shown.fill(0xff, 4, 36) }, { slowKeys: true });
    expect(gate.verifier.state).toBe("agreeing");
    gate.keyed = { type: "agreed", number: gate.verifier.asked, shared: new Uint8Array(32) };
    finishKey(gate);
    expect([gate.shown, gate.opened, gate.verifier.state]).toEqual([[refusal.bad_message], 0, "idle"]);
  });
});

describe("handed over while somebody else stands there (§4)", () => {
  test("asked in the middle of a greeting and of an answer: given, and the tap goes on; asked while open or recording: busy", () => {
    const north = makeGate(mint, "north");
    const south = makeGate(mint, "south");
    introduce(north, south);
    const lost = makeHand(mint, "coupon");
    torn(lost, north);
    const kept = newestOf(lost)!;
    const question = { type: "handover_asked" as const, by: idOf(south), receipt: kept.receipt, proof: kept.proof };
    const hand = makeHand(mint, "coupon");
    greet(north);
    drive(north, question);
    expect([north.answers.map((a) => a.code), north.verifier.state]).toEqual([[0], "greeted"]);
    talk(hand, north, { slowWrites: true }, []);
    finishStore(hand);
    talk(hand, north, { slowWrites: true }, []);
    expect(north.verifier.state).toBe("recording");
    drive(north, question);
    expect(last(north.answers)!.code).toBe(refusal.busy);
    const late = copyGate(verifiers("A")["answered"]!.gate);
    const before = late.verifier.deadline;
    drive(late, { type: "handover_asked", by: idOf(south), receipt: late.verifier.tap!.receiptBytes, proof: late.verifier.tap!.proof });
    expect([late.verifier.state, late.verifier.deadline, last(late.answers)!.code]).toEqual(["answered", before, 0]);
  });
  test("given away between answer and acknowledgement: the acknowledgement opens nothing here", () => {
    const p = verifiers("A")["answered"]!;
    const south = makeGate(p.gate.mint, "south");
    drive(p.gate, { type: "handover_asked", by: idOf(south), receipt: p.gate.verifier.tap!.receiptBytes, proof: p.gate.verifier.tap!.proof });
    const before = p.gate.opened;
    p.gate.out = [p.gate.verifier.tap!.answer!];
    talk(p.hand, p.gate, {}, []);
    expect([p.gate.opened - before, last(p.gate.shown), last(p.hand.shown)?.code]).toEqual([0, refusal.finish_elsewhere, undefined]);
  });
});

test("two readers on one journal: a receipt finished at the one is used at the other, which was waiting for its acknowledgement", () => {
  const left = makeGate(mint, "north");
  const right = makeGate(mint, "north");
  right.book = left.book;
  right.tap = right.ceiling = 10;
  const hand = makeHand(mint, "coupon");
  let late = new Uint8Array(0);
  tapOnce(hand, left, { change: (m) => {
    if (messageType(m.bytes) !== kinds.acknowledgement) return [m.bytes];
    late = new Uint8Array(m.bytes);
    return [];
  } });
  const copy = { ...copyHand(hand), intent: intent.resume };
  tapOnce(copy, right);
  drive(left, { type: "message", bytes: late });
  expect([right.shown, left.shown, left.opened]).toEqual([[0], [refusal.already_used], 0]);
});
test("a neighbour tells of a later use while an acknowledgement is waited for: an old copy", () => {
  const p = verifiers("A")["answered"]!;
  const { valueId, counter } = p.gate.verifier.tap!.receipt!;
  const entry = { kind: "notice" as const, valueId, counter: counter + 1, spentOnBase: 0, baseCounter: 0, day: 0, usesToday: 0, lastAction: 1, lastAt: start - 5, ownerSequence: 0, beaconUses: 0, expires: start + 99 };
  apply(p.gate.book, entry, 99);
  const before = p.gate.opened;
  p.gate.out = [p.gate.verifier.tap!.answer!];
  talk(p.hand, p.gate, {}, []);
  expect([p.gate.opened - before, last(p.gate.shown), p.gate.since]).toEqual([0, refusal.state_outdated, start - 5]);
});
