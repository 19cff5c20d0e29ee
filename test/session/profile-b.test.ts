/**
 * Profile B as dialogues (`tap.md` §2, §6): a board with MACs only, a handset with a grant carved out of its value. Nothing
 * is secret on the air and everything is authenticated; no valid evidence, no money.
 */
import { describe, expect, test } from "vitest";
import { ask, counterOf, drive, greet, hear, idOf, introduce, makeGate, makeHand, makeMint, newestOf, powerCut, secretOf, signedValue, silence, start, tapOnce, type Gate, type Hand, type OnTheWay } from "./core.js";
import { nodeCrypto as crypto } from "../../protocol/crypto/node/node.js";
import { cobs, encodeFrame } from "../../protocol/link/frame.js";
import { refusal } from "../../protocol/refusal.js";
import { keyOfGrant } from "../../protocol/session/transcript.js";
import { equal } from "../../protocol/wire/bytes.js";
import { intent, messageType, type as kinds } from "../../protocol/wire/message.js";
import { decodePresentationB, encodePresentationB } from "../../protocol/wire/message-b.js";
import { acknowledgementToSign, decodeFinishedB, decodeReceipt } from "../../protocol/wire/receipt.js";

const mint = makeMint(crypto);
const board = (name = "board", change: Parameters<typeof makeGate>[2] = {}) => makeGate(mint, name, { profiles: "B", ...change });
const ticket = () => makeHand(mint, "ticket", { profile: "B" });
const coupon = (change = {}) => makeHand(mint, "coupon", { profile: "B", change });
const last = <T>(list: readonly T[]): T => list[list.length - 1]!;
const without = (type: number) => (m: OnTheWay): Uint8Array[] => (messageType(m.bytes) === type ? [] : [m.bytes]);
function torn(h: Hand, g: Gate): void {
  tapOnce(h, g, { change: without(kinds.acknowledgement) });
  silence(h, g);
}
const finished = (g: Gate) => g.journal.flatMap((e) => (e.kind === "finished" ? [e] : []));

describe("use", () => {
  test("S1: a grant opens the board and carries evidence that anyone can verify", () => {
    const gate = board();
    const hand = ticket();
    tapOnce(hand, gate);
    expect([gate.shown, newestOf(hand)!.state]).toEqual([[0], "turned"]);
    const record = decodeFinishedB(finished(gate)[0]!.record)!;
    expect(crypto.verify(crypto.publicKey(hand.secret)!, acknowledgementToSign(crypto, record.receipt), record.evidence)).toBe(true);
    tapOnce(hand, gate);
    expect(last(gate.shown)).toBe(refusal.already_used);
  });
  test("a first use takes at most 340 bytes on the line, evidence included", () => {
    const framed = tapOnce(ticket(), board()).map((m) => encodeFrame(cobs, { link: 1, payload: m.bytes }, 0).length);
    expect(framed.length).toBe(6);
    expect(framed.slice(0, 5).reduce((a, b) => a + b, 0)).toBeLessThanOrEqual(340);
  });
  test("the chain goes on at another board of the group", () => {
    const [north, south] = [board("north"), board("south")];
    const hand = coupon();
    for (const gate of [north, south, north]) tapOnce(hand, gate);
    expect(decodeReceipt(newestOf(hand)!.receipt)).toMatchObject({ counter: 3, after: 3 });
    tapOnce(hand, south);
    expect(last(south.shown)).toBe(refusal.insufficient);
  });
});

describe("broken off (S11)", () => {
  test("resumed: one record, no second charge", () => {
    const gate = board();
    const hand = coupon();
    torn(hand, gate);
    expect(finished(gate)).toEqual([]);
    hand.intent = intent.resume;
    tapOnce(hand, gate);
    expect([gate.opened, finished(gate).length, decodeReceipt(newestOf(hand)!.receipt)!.after]).toEqual([1, 1, 1]);
  });
  test("after the board's power cut the receipt shown back is proof", () => {
    const gate = board();
    const hand = coupon();
    torn(hand, gate);
    powerCut(gate, false);
    hand.intent = intent.resume;
    tapOnce(hand, gate);
    expect([gate.opened, finished(gate).length]).toEqual([1, 1]);
  });
  test("inquired: used, and nothing opens", () => {
    const gate = board();
    const hand = coupon();
    tapOnce(hand, gate, { change: without(kinds.outcome) });
    silence(hand, gate);
    hand.intent = intent.inquire;
    tapOnce(hand, gate);
    expect([gate.opened, newestOf(hand)!.state]).toEqual([1, "used"]);
  });
  test("power cut with the outcome open: opens once more, then ask staff", () => {
    const gate = board();
    const hand = coupon();
    hand.intent = intent.resume;
    for (let i = 0; i < 3; i++) { tapOnce(hand, gate, { turns: false }); powerCut(gate, false); silence(hand, gate); }
    expect(gate.opened).toBe(2);
    expect(last(gate.shown)).toBe(refusal.outcome_unknown);
  });
  test("not turned: passes again; not taken again: reversed under MAC, and told", () => {
    const gate = board();
    const hand = coupon();
    tapOnce(hand, gate, { turns: false });
    const passing = (): void => { hand.intent = intent.resume; tapOnce(hand, gate, { turns: false }); };
    drive(gate, { type: "time" }, { nowMs: 1e9 });
    passing();
    expect(gate.opened).toBe(2);
    drive(gate, { type: "time" }, { nowMs: 1e9 });
    drive(gate, { type: "close", tap: gate.tap });
    drive(gate, { type: "time" });
    expect(last(gate.journal).kind).toBe("reversal");
    passing();
    expect([gate.opened, newestOf(hand)!.state]).toEqual([2, "reversed"]);
  });
  test("S11: torn at one board, finished at another that hears it", () => {
    const [north, south] = [board("north"), board("south")];
    const hand = coupon();
    torn(hand, north);
    hand.intent = intent.resume;
    tapOnce(hand, south);
    const q = south.question!;
    drive(north, { type: "handover_asked", by: idOf(south), receipt: q.receipt, proof: q.proof });
    expect(north.answers[0]!.code).toBe(0);
    drive(south, { type: "handover", receipt: q.receipt, code: 0 });
    expect([north.opened, south.opened, finished(south)[0]!.own]).toEqual([0, 1, false]);
  });
});

describe("attacks", () => {
  /** Flips a bit at every byte of one message; nothing may move on either side. */
  function flipped(type: number): void {
    const length = tapOnce(ticket(), board()).find((m) => messageType(m.bytes) === type)!.bytes.length;
    for (let at = 0; at < length; at++) {
      const gate = board();
      const hand = ticket();
      tapOnce(hand, gate, { change: (m) => {
        if (messageType(m.bytes) !== type) return [m.bytes];
        const changed = new Uint8Array(m.bytes);
        changed[at]! ^= 1;
        return [changed];
      } });
      expect([gate.opened, finished(gate).length], `byte ${at}`).toEqual([0, 0]);
      if (type === kinds.answer) expect(hand.kept, `byte ${at}`).toEqual([]);
    }
  }
  test("any byte of the presentation altered: nothing opens", () => { flipped(kinds.presentation); });
  test("any byte of the answer altered, the receipt's own MAC included: nothing is stored", () => { flipped(kinds.answer); });
  test("any byte of the acknowledgement altered, evidence included: nothing opens", () => { flipped(kinds.acknowledgement); });
  test("any byte of the evidence altered in a resuming presentation: nothing is recorded that would cost the holder his value", () => {
    for (let at = 0; at < 64; at += 3) {
      const gate = board();
      const hand = coupon();
      torn(hand, gate);
      hand.intent = intent.resume;
      tapOnce(hand, gate, { change: (m) => {
        if (messageType(m.bytes) !== kinds.presentation) return [m.bytes];
        const p = decodePresentationB(m.bytes)!;
        p.acknowledged![at]! ^= 1;
        return [encodePresentationB(p)];
      } });
      expect([gate.opened, finished(gate).length, last(gate.shown)], `byte ${at}`).toEqual([0, 0, refusal.not_genuine]);
    }
  });
  test("an eavesdropper's replay opens nothing, here or at another board", () => {
    const gate = board();
    const said = tapOnce(ticket(), gate).filter((m) => m.to === "terminal");
    for (const victim of [gate, board("other")]) {
      const before = victim.opened;
      greet(victim);
      for (const m of said) drive(victim, { type: "message", bytes: m.bytes });
      expect(victim.opened).toBe(before);
    }
  });
  test("a forged grant, a grant of another group's keys and one of another epoch: nothing is believed", () => {
    for (const change of [{ grantKey: crypto.sha256(new Uint8Array([1])) }, { group: 8, grantKey: crypto.sha256(new Uint8Array([2])) }, { epoch: 4, deriveKey: crypto.sha256(new Uint8Array([3])), grantKey: crypto.sha256(new Uint8Array([4])) }]) {
      const gate = board();
      const hand = makeHand({ ...mint, group: { ...mint.group, ...change } }, "ticket", { profile: "B" });
      tapOnce(hand, gate);
      expect([gate.opened, gate.shown]).toEqual([0, [refusal.bad_message]]);
    }
  });
  test("a grant without its key K: not genuine", () => {
    const gate = board();
    const hand = ticket();
    hand.grantKey = crypto.sha256(new Uint8Array([5]));
    tapOnce(hand, gate);
    expect(gate.shown).toEqual([refusal.not_genuine]);
  });
  test("more worth written into a grant: its MAC fails", () => {
    const gate = board();
    const hand = ticket();
    hand.signed = { ...hand.signed, claims: signedValue(mint, { ...hand.value, most: 99 }).claims };
    tapOnce(hand, gate);
    expect(gate.opened).toBe(0);
  });
  test("a lower state made up by the holder: he has no receipt key", () => {
    const gate = board();
    const hand = coupon();
    tapOnce(hand, gate);
    const kept = newestOf(hand)!;
    const receipt = new Uint8Array(kept.receipt);
    receipt[receipt.length - 10]! ^= 1;
    hand.kept = [{ ...kept, receipt }];
    if (decodeReceipt(receipt) !== undefined) { tapOnce(hand, gate); expect(last(gate.shown)).toBe(refusal.not_genuine); }
    hand.kept = [{ ...kept, proof: new Uint8Array(8) }];
    tapOnce(hand, gate);
    expect(last(gate.shown)).toBe(refusal.not_genuine);
  });
  test("a board with a stolen group key forges a grant: the board opens, and no evidence stands behind it", () => {
    const gate = board();
    const victim = ticket();
    const thief = makeHand(mint, "ticket", { profile: "B", name: "never issued" });
    thief.grantKey = keyOfGrant(crypto, mint.group, thief.value.valueId);
    thief.secret = secretOf(crypto, "thief");
    tapOnce(thief, gate);
    expect(gate.opened).toBe(1);
    const record = decodeFinishedB(finished(gate)[0]!.record)!;
    expect(crypto.verify(crypto.publicKey(victim.secret)!, acknowledgementToSign(crypto, record.receipt), record.evidence)).toBe(false);
  });
  test("a false board cannot answer: the handset acknowledges nothing", () => {
    const thief = makeGate({ ...mint, group: { ...mint.group, deriveKey: crypto.sha256(new Uint8Array([6])) } }, "thief", { profiles: "B" });
    const hand = ticket();
    const said = tapOnce(hand, thief);
    expect(said.map((m) => messageType(m.bytes))).not.toContain(kinds.acknowledgement);
    expect(hand.kept).toEqual([]);
  });
  test("a value that forbids B is told so, before anything else is said about it", () => {
    const gate = board("board", { want: { kinds: ["coffee"] } });
    const hand = ticket();
    hand.value = { ...hand.value, flags: hand.value.flags & ~4 };
    hand.signed = signedValue(mint, hand.value);
    tapOnce(hand, gate);
    expect(gate.shown).toEqual([refusal.profile_too_weak]);
  });
  test("evidence of another receipt under a right MAC is the holder's fault: recorded, for the host to see", () => {
    const gate = board();
    const hand = ticket();
    greet(gate);
    hear(hand, gate.out.pop()!);
    drive(gate, { type: "message", bytes: hand.out.pop()! });
    hand.secret = secretOf(crypto, "another key");
    hear(hand, gate.out.pop()!);
    drive(gate, { type: "message", bytes: hand.out.pop()! });
    expect(gate.opened).toBe(1);
    expect(equal(decodeFinishedB(finished(gate)[0]!.record)!.evidence, new Uint8Array(64))).toBe(false);
  });
});

describe("a mixed venue", () => {
  test("one terminal with certificate and group keys takes A and B, and neither doubles the other", () => {
    const gate = makeGate(mint, "pi", { profiles: "AB" });
    const [a, b] = [makeHand(mint, "ticket"), ticket()];
    for (const hand of [a, b, a, b]) tapOnce(hand, gate);
    expect(gate.shown).toEqual([0, 0, refusal.already_used, refusal.already_used]);
    expect(finished(gate).map((e) => e.profile)).toEqual(["A", "B"]);
  });
  test("a receipt of one profile proves nothing in the other", () => {
    const gate = makeGate(mint, "pi", { profiles: "AB" });
    introduce(gate);
    const [a, b] = [makeHand(mint, "coupon"), coupon()];
    tapOnce(a, gate);
    tapOnce(b, gate);
    b.kept = [...a.kept];
    tapOnce(b, gate);
    expect(counterOf(b)).toBe(1);
    expect(gate.opened).toBe(2);
  });
  test("one bit of offer taken away on the way (downgrade to B): the transcript differs, nothing opens", () => {
    const gate = makeGate(mint, "pi", { profiles: "AB" });
    const hand = ticket();
    greet(gate);
    const hello = new Uint8Array(gate.out.pop()!);
    hello[3] = 2;
    ask(hand, { type: "hello", bytes: hello, secret: secretOf(crypto, "handset") });
    const shown = hand.out.pop();
    if (shown !== undefined) drive(gate, { type: "message", bytes: encodePresentationB(decodePresentationB(shown)!) }, { at: start });
    expect(gate.opened).toBe(0);
  });
});
