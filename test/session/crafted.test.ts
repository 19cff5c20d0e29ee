/**
 * A handset, a neighbour or a terminal with real keys that says something well sealed and not true (`tap.md` §4, §9): whatever
 * contradicts itself is refused as not genuine, and nothing is recorded, opened, kept or given away for it.
 */
import { describe, expect, test } from "vitest";
import { drive, greet, hear, idOf, introduce, makeGate, makeHand, makeMint, newestOf, secretOf, silence, start, daySeconds, talk, tapOnce, type Gate, type Hand, type OnTheWay } from "./core.js";
import { copyHand } from "../simulation/model/nodes.js";
import { nodeCrypto as crypto } from "../../protocol/crypto/node/node.js";
import { refusal } from "../../protocol/refusal.js";
import { mac8, none } from "../../protocol/session/transcript.js";
import { beaconStep, beaconToSign, makeBeacon } from "../../protocol/session/oneway.js";
import { clause, encodeRule } from "../../protocol/rule.js";
import { hold } from "../../protocol/session/holder.js";
import { hex } from "../../protocol/wire/bytes.js";
import { certificateId, decodeTerminalCertificate, encodeTerminalCertificate, terminalToSign } from "../../protocol/wire/certificate.js";
import { asking, decodeHello, decodeShown, encodeAsk, encodeHello, encodeShown, encodeStop, intent, messageType, offer, type as kinds, type Shown } from "../../protocol/wire/message.js";
import { decodeReceipt, encodeReceipt, receiptKind, receiptToSign } from "../../protocol/wire/receipt.js";
import { shortKeyId } from "../../protocol/wire/signed.js";
import { digest16, flag } from "../../protocol/wire/value.js";

const mint = makeMint(crypto);
const last = <T>(list: readonly T[]): T | undefined => list[list.length - 1];
const without = (type: number) => (m: OnTheWay): Uint8Array[] => (messageType(m.bytes) === type ? [] : [m.bytes]);
function torn(h: Hand, g: Gate): void {
  tapOnce(h, g, { change: without(kinds.acknowledgement) });
  silence(h, g);
  h.intent = intent.resume;
}
/** This handset seals what `change` makes of what it would show. */
function showing(h: Hand, change: (shown: Shown) => Shown | Uint8Array): Hand {
  h.mint = { ...h.mint, crypto: { ...crypto, seal: (key, nonce, aad, plain) => {
    const shown = aad[0] === kinds.presentation ? decodeShown(plain) : undefined;
    const changed = shown === undefined ? plain : change(shown);
    return crypto.seal(key, nonce, aad, changed instanceof Uint8Array ? changed : encodeShown(changed));
  } } };
  return h;
}
/** What the host signs on line on top of the newest receipt. */
function hostReceipt(h: Hand): { receipt: Uint8Array; proof: Uint8Array } {
  const newest = newestOf(h);
  const counter = newest === undefined ? 1 : decodeReceipt(newest.receipt)!.counter + 1;
  const receipt = encodeReceipt({
    kind: receiptKind.host, terminal: new Uint8Array(8), tap: new Uint8Array(4), valueId: h.value.valueId, counter, previous: digest16(crypto, newest?.receipt ?? h.signed.claims), action: 1, amount: 0,
    after: 0, at: start, quality: 3, until: 0, base: { counter, spent: 0, day: Math.floor(start / daySeconds) }, fold: undefined,
  });
  return { receipt, proof: h.profile === "A" ? crypto.sign(mint.values, receiptToSign(receipt)) : mac8(crypto, mint.group.receiptKey, "receipt", none, receipt) };
}
const keep = (h: Hand, kept: { receipt: Uint8Array; proof: Uint8Array }): void => { h.kept = [...h.kept, { ...kept, certificate: undefined, state: "turned", reversal: undefined }]; };

describe("a presentation that contradicts itself", () => {
  const scene = (): [Gate, Hand] => {
    const gate = makeGate(mint, "north");
    const hand = makeHand(mint, "coupon");
    introduce(gate);
    tapOnce(hand, gate);
    return [gate, hand];
  };
  test.each<[string, number, (s: Shown, h: Hand) => Shown | Uint8Array]>([
    ["bytes that are none", refusal.bad_message, () => new Uint8Array([0x80])],
    ["a grant where a value belongs", refusal.bad_message, (s) => ({ ...s, value: { ...s.value, claims: makeHand(mint, "coupon", { profile: "B" }).signed.claims } })],
    ["a newest receipt that does not read", refusal.bad_message, (s) => ({ ...s, newest: { ...s.newest!, receipt: new Uint8Array([1]) } })],
    ["a reversal that does not read", refusal.bad_message, (s) => ({ ...s, undone: { reversal: new Uint8Array([1]), signature: new Uint8Array(64) } })],
    ["another value's receipt", refusal.not_genuine, (s) => { const other = makeHand(mint, "coupon"); tapOnce(other, makeGate(mint, "north")); return { ...s, newest: { receipt: newestOf(other)!.receipt, signature: newestOf(other)!.proof } }; }],
    ["a use with an acknowledgement along", refusal.not_genuine, (s) => ({ ...s, acknowledged: new Uint8Array(64) })],
    ["a resume without one", refusal.not_genuine, (s) => ({ ...s, intent: intent.resume })],
    ["an inquiry about nothing", refusal.not_genuine, (s) => ({ ...s, intent: intent.inquire, newest: undefined })],
    ["the newest receipt under a false signature", refusal.not_genuine, (s) => ({ ...s, newest: { ...s.newest!, signature: new Uint8Array(64) } })],
    ["a signer that nobody knows", refusal.not_genuine, (s) => ({ ...s, value: { ...s.value, kid: new Uint8Array(s.value.kid.length) } })],
  ])("%s: code %i", (_what, code, change) => {
    const [gate, hand] = scene();
    tapOnce(showing(hand, (s) => change(s, hand)), gate);
    expect([last(gate.shown), gate.opened, gate.journal.filter((e) => e.kind === "finished").length, gate.verifier.state]).toEqual([code, 1, 1, "idle"]);
  });
  test("a resume whose acknowledgement is not the value's: not genuine, nothing recorded in its name", () => {
    const gate = makeGate(mint, "north");
    const hand = makeHand(mint, "coupon");
    torn(hand, gate);
    tapOnce(showing(hand, (s) => ({ ...s, acknowledged: new Uint8Array(64).fill(3) })), gate);
    expect([last(gate.shown), gate.opened, gate.journal.some((e) => e.kind === "finished")]).toEqual([refusal.not_genuine, 0, false]);
  });
  test("an acknowledgement of another receipt, sealed as it should be: nothing opens", () => {
    const gate = makeGate(mint, "north");
    const hand = makeHand(mint, "coupon");
    let nth = 0;
    hand.mint = { ...mint, crypto: { ...crypto, sign: (secret, message) => crypto.sign(secret, ++nth === 2 ? new Uint8Array(message.length) : message) } };
    tapOnce(hand, gate);
    expect([gate.opened, gate.verifier.state]).toEqual([0, "answered"]);
  });
  test("a certificate along that the provider signed and that is none of a terminal: unknown", () => {
    const gate = makeGate(mint, "north");
    const far = makeGate(mint, "far");
    const hand = makeHand(mint, "coupon");
    tapOnce(hand, far);
    const kid = shortKeyId(crypto, crypto.publicKey(mint.certificates)!);
    const claims = new Uint8Array([0xa0]);
    const receipt = encodeReceipt({ ...decodeReceipt(newestOf(hand)!.receipt)!, terminal: certificateId(crypto, claims) });
    hand.kept = [{ ...newestOf(hand)!, receipt, certificate: { kid, claims, signature: crypto.sign(mint.certificates, terminalToSign(kid, claims)) } }];
    hand.showCertificate = true;
    tapOnce(hand, gate);
    expect([gate.shown, gate.opened]).toEqual([[refusal.terminal_unknown], 0]);
  });
  test("profile B: a newest receipt that does not read, and one of the host's under the group's MAC", () => {
    for (const kept of [(h: Hand) => ({ receipt: new Uint8Array([1]), proof: newestOf(h)!.proof }), hostReceipt]) {
      const gate = makeGate(mint, "board", { profiles: "B" });
      const hand = makeHand(mint, "coupon", { profile: "B" });
      tapOnce(hand, gate);
      keep(hand, kept(hand));
      greet(gate);
      hear(hand, gate.out.pop()!);
      talk(hand, gate, {}, []);
      expect([gate.opened, gate.verifier.state]).toEqual([1, "idle"]);
      expect([refusal.bad_message, refusal.not_genuine]).toContain(last(gate.shown));
    }
  });
});

describe("a resume that cannot be (§4)", () => {
  test("a value revoked meanwhile is not finished", () => {
    const gate = makeGate(mint, "north");
    const hand = makeHand(mint, "coupon");
    torn(hand, gate);
    gate.book.statusBits = new Uint8Array(64).fill(0x55);
    tapOnce(hand, gate);
    expect([last(gate.shown), gate.opened]).toEqual([refusal.revoked, 0]);
  });
  test("a host receipt is nobody's passage", () => {
    const gate = makeGate(mint, "north");
    const hand = makeHand(mint, "coupon");
    keep(hand, hostReceipt(hand));
    gate.verifier.settings.want = { ...gate.verifier.settings.want, amount: 0 };
    hand.intent = intent.resume;
    tapOnce(hand, gate);
    expect([gate.shown, gate.opened]).toEqual([[refusal.bad_message], 0]);
    hand.intent = intent.inquire;
    tapOnce(hand, gate);
    expect([last(gate.shown), gate.opened]).toEqual([refusal.finish_elsewhere, 0]);
  });
  test("another terminal's receipt behind a later use that this one saw: an old copy, and nobody is asked", () => {
    const [north, south] = [makeGate(mint, "north"), makeGate(mint, "south")];
    introduce(north, south);
    const hand = makeHand(mint, "coupon");
    torn(hand, north);
    const copy = copyHand(hand);
    hand.intent = intent.use;
    tapOnce(hand, south);
    tapOnce(copy, south);
    expect([south.shown, south.question]).toEqual([[0, refusal.state_outdated], undefined]);
  });
  test("two receipts of one counter: the one that was not finished does not pass on the other's record", () => {
    const gate = makeGate(mint, "north");
    const hand = makeHand(mint, "coupon");
    const copy = copyHand(hand);
    copy.holder = { ...copy.holder };
    torn(hand, gate);
    const want = gate.verifier.settings.want;
    gate.verifier.settings.want = { ...want, amount: 2 };
    tapOnce(copy, gate, { turns: false });
    drive(gate, { type: "time" }, { nowMs: 1e9 });
    gate.verifier.settings.want = want;
    tapOnce(hand, gate);
    expect([last(gate.shown), gate.opened, gate.since]).toEqual([refusal.state_outdated, 1, start]);
  });
  test.each([[600, 0], [601, refusal.resume_too_late]] as const)("another's receipt, finished here and not turned, passes until its own end: after %i s %i", (later, code) => {
    const [north, south] = [makeGate(mint, "north"), makeGate(mint, "south")];
    introduce(north, south);
    const hand = makeHand(mint, "coupon");
    torn(hand, north);
    south.book.closed = 50;
    tapOnce(hand, south);
    drive(south, { type: "handover", receipt: south.question!.receipt, code: 0 });
    drive(south, { type: "time" }, { nowMs: 1e9 });
    silence(hand, south);
    south.tap = south.ceiling = 60;
    tapOnce(hand, south, { at: start + later });
    expect([last(south.shown), south.opened]).toEqual([code, code === 0 ? 2 : 1]);
  });
  test("inquired about what may be resumed here and what is already too late", () => {
    const gate = makeGate(mint, "north");
    const hand = makeHand(mint, "coupon");
    tapOnce(hand, gate, { turns: false });
    drive(gate, { type: "time" }, { nowMs: 1e9 });
    hand.intent = intent.inquire;
    tapOnce(hand, gate);
    expect(last(gate.shown)).toBe(refusal.not_acknowledged);
    const lost = makeHand(mint, "coupon");
    torn(lost, gate);
    lost.intent = intent.inquire;
    tapOnce(lost, gate, { at: start + 601 });
    expect(last(gate.shown)).toBe(refusal.resume_too_late);
  });
});

describe("a neighbour asks for a receipt (§4)", () => {
  /** North made a receipt; what it answers when South asks for it. */
  function asked(prepare: (north: Gate, hand: Hand) => void, o: { receipt?: Uint8Array; proof?: Uint8Array; profiles?: "A" | "AB" } = {}): number {
    const north = makeGate(mint, "north", { profiles: o.profiles ?? "A" });
    const south = makeGate(mint, "south");
    introduce(north, south);
    const hand = makeHand(mint, "coupon");
    torn(hand, north);
    const kept = newestOf(hand)!;
    prepare(north, hand);
    const before = north.journal.length;
    drive(north, { type: "handover_asked", by: idOf(south), receipt: o.receipt ?? kept.receipt, proof: o.proof ?? kept.proof });
    const code = last(north.answers)!.code;
    expect(north.journal.length - before).toBe(code === 0 ? 1 : 0);
    return code;
  }
  const notTurned = (gate: Gate, hand: Hand): void => { tapOnce(hand, gate, { turns: false }); drive(gate, { type: "time" }, { nowMs: 1e9 }); };
  test("bytes that are no receipt, a host receipt, a proof of the wrong length", () => {
    expect(asked(() => undefined, { receipt: new Uint8Array([1]) })).toBe(refusal.finish_elsewhere);
    const host = hostReceipt(makeHand(mint, "coupon"));
    expect(asked(() => undefined, host)).toBe(refusal.finish_elsewhere);
    expect(asked(() => undefined, { proof: new Uint8Array(8), profiles: "AB" })).toBe(refusal.not_genuine);
    expect(asked(() => undefined, { proof: new Uint8Array(64) })).toBe(refusal.not_genuine);
  });
  test("still open: given. Finished, not turned, reversed, hidden by a power cut: each says what it is", () => {
    expect(asked(() => undefined)).toBe(0);
    expect(asked((g, h) => tapOnce(h, g))).toBe(refusal.already_used);
    expect(asked(notTurned)).toBe(refusal.finish_elsewhere);
    expect(asked((g, h) => { notTurned(g, h); drive(g, { type: "close", tap: g.tap }); drive(g, { type: "time" }); })).toBe(refusal.credited);
    expect(asked((g, h) => { tapOnce(h, g, { turns: false }); Object.values(g.book.uses)[0]!.use.outcome = "unknown"; drive(g, { type: "time" }, { nowMs: 1e9 }); Object.values(g.book.uses)[0]!.use.outcome = "unknown"; })).toBe(refusal.outcome_unknown);
  });
  test("closed, or behind a later use: not given", () => {
    expect(asked((g) => drive(g, { type: "close", tap: g.tap }))).toBe(refusal.resume_too_late);
    expect(asked((g, h) => { const copy = copyHand(h); copy.intent = intent.use; tapOnce(copy, g); })).toBe(refusal.state_outdated);
  });
  test("whom it was given to may have it again from who holds it now, though the maker's tap numbers mean nothing there", () => {
    const [north, south, west] = [makeGate(mint, "north"), makeGate(mint, "south"), makeGate(mint, "west")];
    introduce(north, south, west);
    const hand = makeHand(mint, "coupon");
    torn(hand, north);
    const kept = newestOf(hand)!;
    south.book.closed = 50;
    drive(south, { type: "handover_asked", by: idOf(west), receipt: kept.receipt, proof: kept.proof });
    expect(last(south.answers)!.code).toBe(0);
  });
});

describe("whom a handset believes (§3; trust.md §2)", () => {
  const fare = (change: { most?: number; currency?: number; notBefore?: number; expires?: number } = {}, amount = 350): Gate => {
    const gate = makeGate(mint, "fare", { sensor: false, want: { action: 3, kinds: ["card"], amount, currency: 978 } });
    const c = gate.verifier.settings.certificate!;
    const claims = encodeTerminalCertificate({ ...c.decoded, ...change });
    gate.verifier.settings.certificate = { signed: { kid: c.signed.kid, claims, signature: crypto.sign(mint.certificates, terminalToSign(c.signed.kid, claims)) }, decoded: decodeTerminalCertificate(claims)! };
    return gate;
  };
  const paid = (gate: Gate, hand = makeHand(mint, "card")): boolean => { tapOnce(hand, gate); return gate.opened === 1; };
  test("a price up to the certificate's limit, in its currency", () => {
    expect([paid(fare({ most: 350 })), paid(fare({ most: 349 })), paid(fare({ currency: 840 }))]).toEqual([true, false, false]);
  });
  test("past its end, within half its life: a tenth of the limit, and a person is asked first", () => {
    const old = { notBefore: start - 20 * daySeconds, expires: start - 5 * daySeconds };
    const hand = makeHand(mint, "card");
    expect([paid(fare({ ...old, most: 3500 }), hand), paid(fare({ ...old, most: 3499 }))]).toEqual([true, false]);
    expect(hand.events).toContain("ask_person");
  });
  test.each([
    ["long past its grace", { notBefore: start - 30 * daySeconds, expires: start - 15 * daySeconds - 1 }], ["not begun for hours", { notBefore: start + 3600, expires: start + 9999 }],
  ])("a terminal whose own clock says that its certificate is %s says out of service, and greets nobody", (_when, change) => {
    const gate = fare(change);
    expect(paid(gate)).toBe(false);
    expect([gate.shown, gate.verifier.state]).toEqual([[refusal.out_of_service], "idle"]);
  });
  test.each([
    ["a clock set ahead between greeting and receipt, beyond its grace", { notBefore: start - 5 * daySeconds, expires: start + 5 * daySeconds }, 20 * daySeconds, true],
    ["the same within its grace, for a tenth of its limit", { notBefore: start - 5 * daySeconds, expires: start + 5 * daySeconds, most: 3500 }, 7 * daySeconds, false],
    ["the same for more than a tenth, whatever the phone's clock says", { notBefore: start - 5 * daySeconds, expires: start + 5 * daySeconds, most: 3499 }, 7 * daySeconds, true],
  ])("%s: no receipt that nobody would pay", (_when, change, ahead, refused) => {
    const gate = fare(change);
    const hand = makeHand(mint, "card");
    greet(gate);
    talk(hand, gate, { at: start + ahead, hand: { at: start } }, []);
    expect([gate.opened, last(gate.shown)]).toEqual(refused ? [0, refusal.out_of_service] : [1, 0]);
  });
  test("without a set clock it does greet, and the handset judges", () => {
    const gate = fare({ notBefore: start - 30 * daySeconds, expires: start - 16 * daySeconds });
    const hand = makeHand(mint, "card");
    greet(gate, { quality: 1 });
    hear(hand, gate.out.pop()!);
    talk(hand, gate, { quality: 1 }, []);
    expect([gate.opened, hand.kept]).toEqual([0, []]);
  });
  test("revoked by terminal or by certificate: shown nothing", () => {
    const gate = makeGate(mint, "north");
    for (const id of [gate.verifier.settings.terminalId, idOf(gate)]) {
      const hand = makeHand(mint, "ticket");
      hand.revoked = [hex(id)];
      const said = tapOnce(hand, gate);
      expect(said.map((m) => messageType(m.bytes))).not.toContain(kinds.presentation);
      expect(last(said)!.bytes).toEqual(encodeAsk(asking.not_trusted));
    }
  });
  test("a hello of profile A with the short nonce of a board: declined", () => {
    const gate = makeGate(mint, "north");
    const hand = makeHand(mint, "ticket");
    const said = tapOnce(hand, gate, { change: (m) => [messageType(m.bytes) === kinds.hello ? encodeHello({ ...decodeHello(m.bytes)!, offer: offer.profileA, nonce: new Uint8Array(8) }) : m.bytes] });
    expect(last(said)!.bytes).toEqual(encodeAsk(asking.not_trusted));
  });
  test("a terminal with the right agreement key and not the signing key makes no receipt", () => {
    const gate = makeGate(mint, "north");
    const hand = makeHand(mint, "ticket");
    gate.signing = secretOf(crypto, "another");
    tapOnce(hand, gate);
    expect([hand.kept, gate.opened]).toEqual([[], 0]);
  });
  test("a handset without a clock cannot judge a certificate's age, and shows nothing", () => {
    const gate = makeGate(mint, "north");
    const said = tapOnce(makeHand(mint, "ticket"), gate, { quality: 0 });
    expect(last(said)!.bytes).toEqual(encodeAsk(asking.not_trusted));
  });
  test("a wallet without a value for this terminal says so in its first word", () => {
    const gate = makeGate(mint, "north");
    const hand = makeHand(mint, "ticket");
    greet(gate);
    const wallet = { choose: () => undefined, certificate: () => undefined, terminalRevoked: () => false };
    const said = hold(hand.holder, { type: "hello", bytes: gate.out.pop()!, secret: secretOf(crypto, "h") }, { nowMs: 0, at: start, quality: 2, crypto, wallet });
    expect(said).toEqual([{ do: "send", bytes: encodeAsk(asking.nothing_to_show), last: true }, { do: "done" }]);
  });
  test("a wallet without a value for this terminal has nothing to show, and says which of the two it was", () => {
    const gate = makeGate(mint, "north");
    greet(gate);
    gate.out = [];
    gate.effects = [];
    drive(gate, { type: "message", bytes: encodeAsk(asking.nothing_to_show) });
    expect([gate.effects, gate.verifier.state]).toEqual([["nothing_to_show", "done"], "idle"]);
  });
});

describe("a reversal told to a handset (§4)", () => {
  function undone(change: (gate: Gate) => void): { gate: Gate; hand: Hand } {
    const gate = makeGate(mint, "north");
    const hand = makeHand(mint, "coupon");
    tapOnce(hand, gate, { turns: false });
    drive(gate, { type: "time" }, { nowMs: 1e9 });
    drive(gate, { type: "close", tap: gate.tap });
    change(gate);
    drive(gate, { type: "time" });
    hand.intent = intent.inquire;
    tapOnce(hand, gate);
    return { gate, hand };
  }
  /** The same terminal under a certificate of a later week. */
  const renewed = (gate: Gate): void => {
    const c = gate.verifier.settings.certificate!;
    const claims = encodeTerminalCertificate({ ...c.decoded, expires: c.decoded.expires + 7 * daySeconds });
    gate.verifier.settings.certificate = { signed: { kid: c.signed.kid, claims, signature: crypto.sign(mint.certificates, terminalToSign(c.signed.kid, claims)) }, decoded: decodeTerminalCertificate(claims)! };
    gate.book.terminals[hex(certificateId(crypto, c.signed.claims))] = { own: true, certificate: c.decoded };
  };
  test("by the terminal that made the receipt, and by the same under a new certificate", () => {
    expect(newestOf(undone(() => undefined).hand)!.state).toBe("reversed");
    const { hand, gate } = undone(renewed);
    expect(newestOf(hand)!.state).toBe("reversed");
    hand.intent = intent.use;
    introduce(gate);
    tapOnce(hand, gate);
    expect([last(gate.shown), decodeReceipt(newestOf(hand)!.receipt)!.after]).toEqual([0, 1]);
  });
  test("under a signature that is not its terminal's it is not kept: the use stands as it was", () => {
    const { hand } = undone((gate) => { gate.signing = secretOf(crypto, "another"); });
    expect([newestOf(hand)!.state, newestOf(hand)!.reversal]).toEqual(["finished", undefined]);
  });
  test("a use made in profile B, at a terminal that lost its group's keys, does not keep the others waiting for theirs", () => {
    const gate = makeGate(mint, "pi", { profiles: "AB" });
    const [b, a] = [makeHand(mint, "coupon", { profile: "B" }), makeHand(mint, "coupon")];
    for (const hand of [b, a]) { tapOnce(hand, gate, { turns: false }); drive(gate, { type: "time" }, { nowMs: 1e9 }); }
    drive(gate, { type: "close", tap: gate.tap });
    gate.verifier.settings = { ...gate.verifier.settings, group: undefined, profiles: gate.verifier.settings.profiles.filter((p) => p.letter === "A") };
    for (let i = 0; i < 3; i++) drive(gate, { type: "time" });
    a.intent = intent.inquire;
    tapOnce(a, gate);
    expect(newestOf(a)!.state).toBe("reversed");
  });
  test("a full journal signs nothing away", () => {
    const { gate } = undone((g) => { g.book.journalFull = true; });
    expect(gate.journal.some((e) => e.kind === "reversal")).toBe(false);
  });
});

test("the owner's no to another terminal is said as it is", () => {
  const [north, south] = [makeGate(mint, "north"), makeGate(mint, "south")];
  introduce(north, south);
  const hand = makeHand(mint, "coupon");
  torn(hand, north);
  tapOnce(hand, south);
  drive(south, { type: "handover", receipt: south.question!.receipt, code: refusal.already_used });
  expect([south.shown, south.opened, south.journal.filter((e) => e.kind === "finished")]).toEqual([[refusal.already_used], 0, []]);
});

describe("beacons and taps at one gate (§7)", () => {
  const beacon = (h: Hand): Uint8Array => makeBeacon(h.signed, 1, beaconStep(start), 1, crypto.sign(h.secret, beaconToSign(h.value.valueId, 1, beaconStep(start), 1)));
  const oneWay = (change = {}): Hand => makeHand(mint, "ticket", { change: { flags: (1 << 3) | (1 << 5) | flag.oneWay, ...change } });
  test("a code read while somebody is greeted ends that tap and erases its secrets; while the gate is open it is not read", () => {
    const gate = makeGate(mint, "scanner", { oneWay: true });
    greet(gate);
    const secret = gate.verifier.tap!.secret;
    drive(gate, { type: "beacon", bytes: beacon(oneWay()) });
    expect([gate.shown, gate.opened, secret.every((x) => x === 0)]).toEqual([[0], 1, true]);
    drive(gate, { type: "beacon", bytes: beacon(oneWay()) });
    expect([gate.shown, gate.opened]).toEqual([[0], 1]);
    gate.out = [];
    drive(gate, { type: "turned" });
    expect([gate.out, gate.lazy, gate.verifier.state]).toEqual([[], [], "idle"]);
  });
  test("a full journal takes no code", () => {
    const gate = makeGate(mint, "scanner", { oneWay: true });
    gate.book.journalFull = true;
    drive(gate, { type: "beacon", bytes: beacon(oneWay()) });
    expect([gate.shown, gate.opened]).toEqual([[refusal.terminal_full], 0]);
  });
  test("a pass whose rule is entry and exit is inside until it left, whatever was shown in between", () => {
    const gate = makeGate(mint, "scanner", { oneWay: true });
    const hand = oneWay({ most: 1_000_000, rule: encodeRule([[clause.passage, 0]]), offline: { uses: 1_000_000, amount: 1_000_000, days: 30 } });
    drive(gate, { type: "beacon", bytes: beacon(hand) });
    drive(gate, { type: "turned" });
    const later = beaconStep(start) + 4;
    drive(gate, { type: "beacon", bytes: makeBeacon(hand.signed, 1, later, 1, crypto.sign(hand.secret, beaconToSign(hand.value.valueId, 1, later, 1))) }, { at: start + 60 });
    expect(gate.shown).toEqual([0, refusal.pass_back]);
  });
});

test("a pass whose missing exit is forgiven after a while enters again by code when it is", () => {
  const gate = makeGate(mint, "scanner", { oneWay: true });
  const hand = makeHand(mint, "ticket", { change: { flags: (1 << 3) | (1 << 5) | flag.oneWay, most: 1_000_000, rule: encodeRule([[clause.passage, 600]]), offline: { uses: 1_000_000, amount: 1_000_000, days: 30 } } });
  for (const later of [0, 585, 600]) {
    const at = beaconStep(start + later);
    drive(gate, { type: "beacon", bytes: makeBeacon(hand.signed, 1, at, 1, crypto.sign(hand.secret, beaconToSign(hand.value.valueId, 1, at, 1))) }, { at: start + later });
    drive(gate, { type: "turned" });
  }
  expect(gate.shown).toEqual([0, refusal.pass_back, 0]);
});

test("a stop in clear is a hint of the five codes only", () => {
  const gate = makeGate(mint, "north");
  greet(gate);
  gate.out = [];
  for (let i = 0; i < 3; i++) drive(gate, { type: "message", bytes: new Uint8Array([0x82, 70, i]) });
  expect(gate.out).toEqual([encodeStop(refusal.bad_message)]);
});
