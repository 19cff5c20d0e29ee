/**
 * The finished bundle and its host, by whoever carries letters between them (S7, S8): records go up and are confirmed, keys, configuration,
 * status and the time come down, each only from the host's own key.
 */
import { describe, expect, test } from "vitest";
import { configuration, firmware, master, question, restart, tap, type Firmware } from "./firmware.js";
import { makeHand, start } from "../session/core.js";
import { nodeCcm, nodeCrypto as crypto } from "../../protocol/crypto/node/node.js";
import { refusal } from "../../protocol/refusal.js";
import { encodeNewsBoard, type NewsBoard } from "../../protocol/wire/board-letters.js";
import { brought, decodeBrought, decodePiece, encodeBring, encodeFetch, encodeKnock, fetching, letterId, type Piece } from "../../protocol/wire/carry.js";
import { decodeEntry } from "../../protocol/wire/entry.js";
import { directionKeys, openMessageB, readEnvelopeB, sealMessageB } from "../../protocol/wire/envelope-b.js";
import { encodeGroupKeys } from "../../protocol/wire/group-keys.js";
import type { Message } from "../../protocol/wire/envelope.js";
import { decodeReceipt, receiptIn } from "../../protocol/wire/receipt.js";
import { decodeBatch, encodeBatchTaken, messageType } from "../../protocol/wire/sync.js";
import { bitsDigest, encodeConfiguration, status, withStatus } from "../../protocol/wire/trust.js";

const none = new Uint8Array(0);

/** What the board wants carried away, whole; whoever comes knocks. */
let knocks = 0;
function fetchLetter(f: Firmware): Uint8Array {
  question(f, encodeKnock(Uint8Array.of(0, 0, 0, 0, 0, 0, 1, knocks++)), true);
  const bytes: number[] = [];
  for (let id: Uint8Array = none, from = 0, total = 1; from < total; ) {
    const piece = decodePiece(question(f, encodeFetch({ what: fetching.letter, letter: id, from, most: 200 }), false)!) as Piece;
    bytes.push(...piece.bytes);
    [id, total, from] = [piece.letter, piece.total, bytes.length];
  }
  return Uint8Array.from(bytes);
}
function bring(f: Firmware, letter: Uint8Array): number {
  let code = -1;
  for (let from = 0; from < letter.length; from += 200) code = decodeBrought(question(f, encodeBring({ letter: letterId(crypto, letter), total: letter.length, from, bytes: letter.slice(from, from + 200) }), from === 0)!)!.code;
  return code;
}
function opened(letter: Uint8Array, generation = 1): Message {
  return openMessageB(crypto, nodeCcm, directionKeys(crypto, master, generation, true), readEnvelopeB(letter)!)!;
}
let number = 0;
function answerTo(f: Firmware, m: Message, body: Uint8Array, key = master): Uint8Array {
  return sealMessageB(crypto, nodeCcm, directionKeys(crypto, key, 1, false), {
    recipient: f.terminalId, at: start, quality: 3, sequence: ++number, type: m.type + 128, body, answers: { sequence: m.sequence, kid: f.terminalId }, certificate: undefined,
  });
}
const nothingNew: NewsBoard = { at: start + 100, epoch: 3, more: false, configuration: none, group: none, master: undefined, piece: undefined };
/** Brings all records up; answers their entries. */
function drain(f: Firmware): Uint8Array[] {
  const entries: Uint8Array[] = [];
  for (let m = opened(fetchLetter(f)); m.type === messageType.records; m = opened(fetchLetter(f))) {
    const batch = decodeBatch(m.body)!;
    entries.push(...batch.entries);
    expect(bring(f, answerTo(f, m, encodeBatchTaken({ through: batch.first + batch.entries.length - 1 })))).toBe(brought.taken);
  }
  return entries;
}
function pull(f: Firmware, news: NewsBoard): void {
  drain(f);
  expect(bring(f, answerTo(f, opened(fetchLetter(f)), encodeNewsBoard(news)))).toBe(brought.taken);
}

describe("a board's letters", () => {
  test("records go up once, in letters that fit it, and are not said again after a restart", { timeout: 20_000 }, async () => {
    const f = await firmware();
    for (let i = 0; i < 3; i++) { tap(f, makeHand(f.mint, "ticket", { profile: "B" })); f.engine.advance(9000); }
    const kinds = drain(f).map((e) => decodeEntry(e)!.kind);
    expect(kinds.filter((k) => k === "finished").length).toBe(3);
    restart({ ...f, engine: (f.engine.powerOff(), f.engine) });
    expect(drain(f).map((e) => decodeEntry(e)!.kind).filter((k) => k === "finished")).toEqual([]);
    expect(f.engine.errors).toEqual([]);
  });
  test("signed time sets its clock: receipts carry it", { timeout: 20_000 }, async () => {
    const f = await firmware();
    pull(f, nothingNew);
    tap(f, makeHand(f.mint, "ticket", { profile: "B" }));
    f.engine.advance(9000);
    const finished = drain(f).map((e) => decodeEntry(e)!).find((e) => e.kind === "finished");
    const receipt = decodeReceipt(receiptIn((finished as { record: Uint8Array }).record)!)!;
    expect([receipt.quality, receipt.at >= start + 100 && receipt.at < start + 110]).toEqual([3, true]);
  });
  test("a status list comes in pieces and counts when it is whole; who is on it is refused", { timeout: 20_000 }, async () => {
    const f = await firmware();
    const hand = makeHand(f.mint, "coupon", { profile: "B" });
    const bits = withStatus(new Uint8Array(400), [hand.value.statusIndex], status.revoked);
    const piece = { number: 2, total: bits.length, digest: bitsDigest(crypto, bits) };
    pull(f, { ...nothingNew, more: true, piece: { ...piece, from: 0, bytes: bits.slice(0, 250) } });
    tap(f, makeHand(f.mint, "ticket", { profile: "B" }));
    f.engine.advance(9000);
    pull(f, { ...nothingNew, piece: { ...piece, from: 250, bytes: bits.slice(250) } });
    f.engine.advance(9000);
    tap(f, hand);
    expect(hand.shown.at(-1)?.code).toBe(refusal.revoked);
  });
  test("a new epoch's keys and a new configuration are taken over, across a restart; without keys nobody is let through", { timeout: 20_000 }, async () => {
    const f = await firmware();
    const next = { ...f.mint.group, epoch: 4, grantKey: new Uint8Array(32).fill(1), deriveKey: new Uint8Array(32).fill(2), receiptKey: new Uint8Array(32).fill(3) };
    pull(f, { ...nothingNew, group: encodeGroupKeys(next), more: true });
    const before = makeHand(f.mint, "ticket", { profile: "B" });
    tap(f, before);
    expect(before.kept.length).toBe(1);
    f.engine.advance(9000);
    pull(f, { ...nothingNew, epoch: 4, configuration: encodeConfiguration(configuration(f.terminalId, { number: 2, takes: [{ kind: "coupon", action: 1, zone: 1 }] })) });
    f.engine.powerOff();
    restart(f);
    const after = makeHand({ ...f.mint, group: next }, "coupon", { profile: "B" });
    tap(f, after);
    expect(after.kept.length).toBe(1);
    f.engine.advance(9000);
    pull(f, { ...nothingNew, epoch: 0 });
    const late = makeHand({ ...f.mint, group: next }, "coupon", { profile: "B" });
    tap(f, late);
    expect(late.kept.length).toBe(0);
  });
  test("what is not of its host, or answers another letter, changes nothing", { timeout: 20_000 }, async () => {
    const f = await firmware();
    drain(f);
    const m = opened(fetchLetter(f));
    for (const wrong of [answerTo(f, m, encodeNewsBoard({ ...nothingNew, epoch: 0 }), new Uint8Array(32)), answerTo(f, { ...m, sequence: m.sequence + 1 }, encodeNewsBoard({ ...nothingNew, epoch: 0 })), new Uint8Array(90).fill(7)]) {
      expect(bring(f, wrong)).toBe(brought.unwanted);
    }
    const hand = makeHand(f.mint, "ticket", { profile: "B" });
    tap(f, hand);
    expect(hand.kept.length).toBe(1);
  });
});
