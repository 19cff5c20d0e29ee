/**
 * Every way to say no (`tap.md` §8): the table as the specification has it, each code in a dialogue of its own, and of two
 * reasons that hold at once the one that comes first.
 */
import { describe, expect, test } from "vitest";
import { drive, finishStore, greet, hear, idOf, introduce, makeGate, makeHand, makeMint, newestOf, powerCut, secretOf, signedValue, silence, start, tapOnce, type Gate, type GateOptions, type Hand, type Moment, type OnTheWay } from "./core.js";
import { nodeCrypto as crypto } from "../../protocol/crypto/node/node.js";
import { accepted, helpNumber, helpers, lightOf, refusal, refusals, toneOf } from "../../protocol/refusal.js";
import { clause, encodeRule } from "../../protocol/rule.js";
import { mac8, none } from "../../protocol/session/transcript.js";
import { intent, messageType, type as kinds } from "../../protocol/wire/message.js";
import { encodeReceipt, receiptKind, receiptToSign } from "../../protocol/wire/receipt.js";
import { digest16, encodeValue, type Value } from "../../protocol/wire/value.js";

const mint = makeMint(crypto);
const last = <T>(list: readonly T[]): T | undefined => list[list.length - 1];

// ---- the table ------------------------------------------------------------------------------------------------------------

const table = `
1 out_of_service red l-l-l | Out of service | 使用中止 | elsewhere staff
2 busy amber l | Please wait | お待ちください | here nobody
3 terminal_full red l-l-l | Use another gate | 別の改札へ | elsewhere staff
4 unsupported_version red l-l | Update the app | アプリを更新 | no holder
5 bad_message amber l | Tap again | もう一度 | here nobody
6 not_acknowledged amber l | Tap again | もう一度 | here nobody
7 profile_too_weak red l-l | Use a full tap | 通常タッチで | elsewhere holder
8 wrong_kind red l-l | Not accepted here | 取扱対象外 | elsewhere holder
9 not_genuine red l-l-l | Not valid | 無効です | no issuer
10 terminal_unknown amber l | Tap again | もう一度 | yes nobody
11 revoked red l-l-l | Cancelled | 取消済み | no issuer
12 suspended red l-l | On hold | 利用停止中 | no provider
13 owner_superseded red l-l | Given to another | 譲渡済み | no holder
14 already_used yellow l-l | Already used | 使用済み | no staff
15 state_outdated yellow l-l | Old copy, go online | 更新が必要 | no holder
16 finish_elsewhere yellow l-l | Return to first gate | 最初の改札へ | elsewhere holder
17 outcome_unknown yellow l-l | Ask staff | 係員へ | no staff
18 resume_too_late yellow l-l | Will be refunded | 後日返金 | no host
19 credited yellow l | Tap as new | 再タッチ | yes nobody
20 not_yet_valid yellow l-l | Too early | 時間前です | yes nobody
21 expired red l-l | Expired | 期限切れ | no issuer
22 wrong_zone yellow l-l | Other entrance | 入口が違います | elsewhere holder
23 pass_back yellow l-l | Already inside | 入場中です | no staff
24 rule_refused yellow l-l | Not now | 回数・間隔制限 | yes nobody
25 insufficient yellow l-l | Not enough left | 残高不足 | no holder
26 sync_needed yellow l-l | Connect to network | 通信が必要 | yes holder
27 status_undetermined blue l-h | Cannot check now | 確認できません | elsewhere staff
28 clock_unknown blue l-h | Cannot check now | 確認できません | elsewhere staff`.trim().split("\n");

describe("the table", () => {
  test.each(table)("%s", (row) => {
    const [head, english, japanese, tail] = row.split(" | ") as [string, string, string, string];
    const [code, name, light, tone] = head.split(" ") as [string, string, string, string];
    const [retry, help] = tail.split(" ");
    expect(refusals[Number(code)]).toMatchObject({ code: Number(code), name, light, tone, english, japanese, retry, help });
    expect((refusal as Record<string, number>)[name]).toBe(Number(code));
  });
  test("it has 28 rows; accepted is green and one high tone", () => {
    expect([refusals.length, Object.keys(refusal).length, accepted]).toEqual([29, 28, { light: "green", tone: "h" }]);
  });
});

// ---- each in a dialogue -----------------------------------------------------------------------------------------------------

interface Scene { gate: Gate; hand: Hand; moment?: Moment }
const scene = (kind: "ticket" | "coupon" | "card", change: Partial<Value> = {}, o: GateOptions = {}, profile: "A" | "B" = "A"): Scene =>
  ({ gate: makeGate(mint, "north", { profiles: profile, ...o }), hand: makeHand(mint, kind, { profile, change }) });
const tapped = (s: Scene, o: Moment & { turns?: boolean; change?: (m: OnTheWay) => Uint8Array[] } = {}): Scene => { tapOnce(s.hand, s.gate, { ...s.moment, ...o }); return s; };
const unacknowledged = (s: Scene): Scene => {
  tapped(s, { change: (m) => (messageType(m.bytes) === kinds.acknowledgement ? [] : [m.bytes]) });
  silence(s.hand, s.gate);
  s.hand.intent = intent.resume;
  return s;
};
const notTurned = (s: Scene): Scene => {
  tapped(s, { turns: false });
  drive(s.gate, { type: "time" }, { nowMs: 1e9 });
  drive(s.gate, { type: "close", tap: s.gate.tap });
  s.hand.intent = intent.resume;
  return s;
};

/** How each code comes about; `since` where the table promises one. */
const dialogues: Record<number, { scene: () => Scene; since?: number }> = {
  3: { scene: () => { const s = scene("ticket"); s.gate.book.journalFull = true; return tapped(s); } },
  5: { scene: () => {
    const s = scene("ticket");
    const claims = new Uint8Array([...encodeValue(s.hand.value)]);
    claims[0] = 0xa7;
    s.hand.signed = { ...s.hand.signed, claims };
    return tapped(s);
  } },
  6: { scene: () => { const s = unacknowledged(scene("ticket")); s.hand.intent = intent.inquire; return tapped(s); } },
  7: { scene: () => tapped(scene("ticket", { flags: 1 << 3 }, {}, "B")) },
  8: { scene: () => tapped(scene("ticket", {}, { want: { kinds: ["coffee"] } })) },
  9: { scene: () => { const s = scene("ticket"); s.hand.secret = secretOf(crypto, "not it"); return tapped(s); } },
  10: { scene: () => { const s = scene("coupon"); tapOnce(s.hand, makeGate(mint, "far")); return tapped(s); } },
  11: { scene: () => { const s = scene("ticket"); s.gate.book.statusBits = new Uint8Array(64).fill(0x55); return tapped(s); } },
  12: { scene: () => { const s = scene("ticket"); s.gate.book.statusBits = new Uint8Array(64).fill(0xaa); return tapped(s); } },
  13: { scene: () => {
    const s = scene("coupon", { ownerSequence: 1 });
    tapped(s);
    s.hand.value = { ...s.hand.value, ownerSequence: 0 };
    s.hand.signed = signedValue(mint, s.hand.value);
    s.hand.kept = [];
    return tapped(s);
  } },
  14: { scene: () => tapped(tapped(scene("ticket"))), since: start },
  15: { scene: () => { const s = tapped(tapped(scene("coupon"))); s.hand.shows = -2; return tapped(s); }, since: start },
  16: { scene: () => {
    const s = unacknowledged(scene("coupon"));
    const far = makeGate(mint, "far");
    introduce(far, s.gate);
    tapOnce(s.hand, far);
    drive(far, { type: "handover", receipt: far.question!.receipt, code: -1 });
    hear(s.hand, far.out.pop()!);
    return { gate: far, hand: s.hand };
  } },
  17: { scene: () => { const s = tapped(scene("ticket", {}, { reopen: 0 }), { turns: false }); powerCut(s.gate, false); s.hand.intent = intent.resume; return tapped(s); }, since: start },
  18: { scene: () => { const s = unacknowledged(scene("ticket")); drive(s.gate, { type: "close", tap: s.gate.tap }); return tapped(s); } },
  19: { scene: () => { const s = notTurned(scene("ticket")); drive(s.gate, { type: "time" }); return tapped(s); } },
  20: { scene: () => tapped(scene("ticket", { notBefore: start + 500 })), since: start + 500 },
  21: { scene: () => tapped(scene("ticket", { notBefore: start - 900, expires: start - 500 })), since: start - 500 },
  22: { scene: () => tapped(scene("ticket", {}, { zones: [2] })) },
  23: { scene: () => tapped(tapped(scene("coupon", { rule: encodeRule([[clause.passage, 0]]) }))) },
  24: { scene: () => tapped(tapped(scene("coupon", { rule: encodeRule([[clause.interval, 60]]) }))) },
  25: { scene: () => tapped(tapped(tapped(tapped(scene("coupon"))))) },
  26: { scene: () => tapped(tapped(scene("coupon", { offline: { uses: 1, amount: 9, days: 9 } }))) },
  27: { scene: () => { const s = scene("ticket", { flags: 1 << 3 }); s.gate.book.statusBits = undefined; return tapped(s); } },
  28: { scene: () => { const s = scene("ticket", { flags: 4 | (1 << 3), rule: encodeRule([[clause.hours, 0, 1440, 127, 0]]) }, {}, "B"); return tapped(s, { quality: 0, at: 0 }); } },
};

describe("said by the gate under the tap's own protection, and shown alike on both sides", () => {
  test.each(Object.keys(dialogues).map(Number))("code %i", (code) => {
    const { gate, hand } = dialogues[code]!.scene();
    expect(last(gate.shown)).toBe(code);
    const told = last(hand.shown)!;
    expect(told.code).toBe(code);
    if (code === refusal.credited) expect(newestOf(hand)!.state).toBe("reversed");
    else expect(helpers[told.help]).toBe(refusals[code]!.help);
    expect(told.since).toBe(dialogues[code]!.since ?? 0);
    expect(gate.verifier.state).toBe("idle");
  });
});

describe("said in clear", () => {
  test("1: a gate whose journal failed says so to everybody, and takes nothing", () => {
    const s = scene("ticket");
    tapOnce(s.hand, s.gate, { slowWrites: true });
    finishStore(s.hand);
    drive(s.gate, { type: "message", bytes: s.hand.out.pop()! }, { slowWrites: true });
    drive(s.gate, { type: "append_failed" });
    expect([s.gate.opened, last(s.gate.shown)]).toEqual([0, refusal.out_of_service]);
    greet(s.gate);
    const other = makeHand(mint, "ticket");
    hear(other, last(s.gate.out)!);
    expect(last(other.shown)!.code).toBe(refusal.out_of_service);
  });
  test("2: a second handset while the gate is open waits", () => {
    const s = tapped(scene("ticket"), { turns: false });
    greet(s.gate);
    const other = makeHand(mint, "ticket");
    hear(other, last(s.gate.out)!);
    expect([last(s.gate.shown), last(other.shown)!.code, s.gate.verifier.state]).toEqual([refusal.busy, refusal.busy, "open"]);
  });
  test("4: no common profile", () => {
    const s = scene("ticket");
    const hand = makeHand(mint, "ticket", { profile: "B" });
    tapOnce(hand, s.gate);
    expect(last(hand.shown)!.code).toBe(refusal.unsupported_version);
  });
  test("6: nobody acknowledges: the gate says tap again, and nothing is charged", () => {
    const s = scene("ticket");
    tapped(s, { change: (m) => (messageType(m.bytes) === kinds.acknowledgement ? [] : [m.bytes]) });
    drive(s.gate, { type: "time" }, { nowMs: 1e9 });
    expect([last(s.gate.shown), s.gate.journal.filter((e) => e.kind === "finished")]).toEqual([refusal.not_acknowledged, []]);
  });
});

// ---- of two reasons the first -------------------------------------------------------------------------------------------------

interface Setting { change: Partial<Value>; rule: number[][]; want: GateOptions["want"]; zones: number[]; moment: Moment; gate: ((g: Gate) => void)[]; hand: ((h: Hand) => void)[]; profile: "A" | "B" }
/** What makes each reason hold, beside any other. */
const reasons: Record<number, (s: Setting) => void> = {
  3: (s) => s.gate.push((g) => { g.book.journalFull = true; }),
  7: (s) => { s.profile = "B"; s.change.flags = (s.change.flags ?? 1 << 5) & ~4; },
  8: (s) => { s.want = { ...s.want, kinds: ["coffee"] }; },
  9: (s) => s.hand.push((h) => { h.secret = secretOf(crypto, "not it"); h.grantKey = new Uint8Array(32); }),
  10: (s) => s.gate.push((g) => { g.book.terminals = {}; }),
  11: (s) => s.gate.push((g) => { g.book.statusBits = new Uint8Array(64).fill(0x55); }),
  12: (s) => s.gate.push((g) => { g.book.statusBits = new Uint8Array(64).fill(0xaa); }),
  13: (s) => s.hand.push((h) => { noticed.owner = 5; void h; }),
  15: (s) => s.hand.push((h) => { noticed.counter = 9; void h; }),
  20: (s) => { s.change.notBefore = start + 500; },
  21: (s) => { s.change.expires = start - 500; },
  22: (s) => { s.zones = [9]; },
  23: (s) => s.rule.push([clause.passage, 0]),
  24: (s) => s.rule.push([clause.amount, 50, 90]),
  25: (s) => { s.want = { ...s.want, amount: 3 }; },
  26: (s) => { s.change.offline = { uses: 1, amount: 100, days: 60 }; },
  27: (s) => { s.change.flags = (s.change.flags ?? 0) & 4; s.gate.push((g) => { g.book.statusBits = undefined; }); },
  28: (s) => { s.profile = "B"; s.change.flags = (s.change.flags ?? 4) & 4; s.rule.push([clause.hours, 0, 1440, 127, 0]); s.moment = { quality: 0, at: start - 3600 }; },
};
const apart: [number, number][] = [[11, 12], [11, 27], [12, 27], [20, 21], [20, 28], [21, 28], [7, 10], [10, 28]];
let noticed = { owner: 0, counter: 0 };

/** A coupon with one use behind it, made elsewhere, before a gate where all of `codes` hold. */
function given(...codes: number[]): number {
  noticed = { owner: 0, counter: 0 };
  const s: Setting = { change: {}, rule: [], want: {}, zones: [1], moment: {}, gate: [], hand: [], profile: codes.some((c) => c === 7 || c === 28) ? "B" : "A" };
  if (s.profile === "B") s.change.flags = (1 << 5) | 4;
  for (const code of codes) reasons[code]!(s);
  const gate = makeGate(mint, "north", { profiles: s.profile, want: s.want ?? {}, zones: s.zones });
  const far = makeGate(mint, "far", { profiles: s.profile });
  introduce(gate, far);
  const hand = makeHand(mint, "coupon", { profile: s.profile, change: { ...s.change, rule: encodeRule(s.rule) } });
  const receipt = encodeReceipt({
    kind: receiptKind.use, terminal: idOf(far), tap: new Uint8Array(4), valueId: hand.value.valueId, counter: 1, previous: digest16(crypto, hand.signed.claims), action: 1, amount: 1, after: 1,
    at: start - 7200, quality: 2, until: start - 6600, base: undefined, fold: undefined,
  });
  const proof = s.profile === "A" ? crypto.sign(far.signing, receiptToSign(receipt)) : mac8(crypto, mint.group.receiptKey, "receipt", none, receipt);
  hand.kept = [{ receipt, proof, certificate: undefined, state: "turned", reversal: undefined }];
  for (const change of s.gate) change(gate);
  for (const change of s.hand) change(hand);
  if (noticed.owner + noticed.counter > 0) {
    const key = Buffer.from(hand.value.valueId).toString("hex");
    gate.book.notices[key] = { sequence: 1, notice: {
      kind: "notice", valueId: hand.value.valueId, counter: noticed.counter, spentOnBase: 0, baseCounter: 0, day: 0, usesToday: 0, lastAction: 1, lastAt: start - 100, ownerSequence: noticed.owner, beaconUses: 0,
      expires: start + 9999,
    } };
  }
  tapOnce(hand, gate, s.moment);
  return last(gate.shown)!;
}

describe("days that have no end: without a clock the limit of days counts as reached (`tap.md` §5), and 26 comes before 28", () => {
  const rows: [profile: "A" | "B", policy: string, code: number][] = [
    ["A", "refuse", refusal.sync_needed], ["A", "accept to limit", refusal.sync_needed], ["A", "accept", 0], ["B", "refuse", 0], ["B", "accept to limit", 0], ["B", "accept", 0],
  ];
  const policies = ["refuse", "accept to limit", "accept"];
  test.each(rows)("profile %s, policy %s: %i", (profile, policy, code) => {
    const gate = makeGate(mint, "north", { profiles: profile });
    const hand = makeHand(mint, "coupon", { profile, change: { flags: (policies.indexOf(policy) << 5) | 4 } });
    tapOnce(hand, gate, { quality: 0, hand: { quality: 2 } });
    expect(last(gate.shown)).toBe(code);
  });
  test.each([0, 1, 2, 3])("and a clock of quality %i", (quality) => {
    const gate = makeGate(mint, "north");
    tapOnce(makeHand(mint, "coupon"), gate, { quality, hand: { quality: 2 } });
    expect(last(gate.shown)).toBe(quality === 0 ? refusal.sync_needed : 0);
  });
});

describe("of two reasons that hold at once the one that comes first in the table is given", () => {
  const codes = Object.keys(reasons).map(Number);
  test.each(codes)("%i alone", (code) => { expect(given(code)).toBe(code); });
  test("none: accepted", () => { expect(given()).toBe(0); });
  test.each(codes)("%i with each later one, in either order", (first) => {
    for (const second of codes) {
      if (second <= first || apart.some(([a, b]) => a === first && b === second)) continue;
      expect([given(first, second), given(second, first)], `${first} with ${second}`).toEqual([first, first]);
    }
  });
  test("before the proof held, nothing about a value is said: 9 hides everything behind it", () => {
    for (const code of codes) if (code > 9) expect(given(9, code), `with ${code}`).toBe(refusal.not_genuine);
  });
});

test("a machine without texts shows and tells the same as one with them", () => {
  for (const row of refusals.slice(1)) expect([lightOf(row.code), toneOf(row.code), helpers[helpNumber(row.code)]]).toEqual([row.light, row.tone, row.help]);
  expect([lightOf(0), toneOf(0)]).toEqual([accepted.light, accepted.tone]);
});
