/** The history of a meter's users: what it must hold on a Pi, what it gives back, and what it never gives up. */
import { expect, test } from "vitest";
import { makeMemoryStore, type MemoryStore } from "../../boards/sim/store.js";
import { historyPages } from "../../boards/node/terminal-board.js";
import { nodeCrypto as crypto } from "../../protocol/crypto/node/node.js";
import { hex } from "../../protocol/wire/bytes.js";
import { decodeCharge, encodeCharge, type ChargeRecord } from "../../protocol/wire/charge.js";
import { decodeSigned, encodeSigned } from "../../protocol/wire/signed.js";
import { hasRoom, keepRecord, openHistory, recordsFrom, streamOf, type History } from "../../runtime/charges/history.js";

const start = 1_800_000_000;
const userOf = (n: number): Uint8Array => new Uint8Array(8).fill(n + 1);
const signed = (x: ChargeRecord): Uint8Array => encodeSigned("record", new Uint8Array(8).fill(7), encodeCharge(x), new Uint8Array(64).fill(9), false);
const common = (h: History, user: Uint8Array) => { const s = streamOf(h, user); return { user, sequence: s.next, previous: s.head, at: start + s.next * 86_400, quality: 2, plan: 3, total: s.total + 130, rest: 123_456 }; };
const registers = (n: number) => [1, 2].map((e) => ({ obis: new Uint8Array([1, 0, 1, 8, e, 255]), value: 12_345_678 + n, scaler: 0, unit: 30 }));

function read(h: History, user: Uint8Array): boolean {
  const x: ChargeRecord = { what: "reading", ...common(h, user), meter: 1, registers: registers(streamOf(h, user).next), by: 2 };
  return keepRecord(h, x, signed(x));
}
function settle(h: History, user: Uint8Array): boolean {
  const s = streamOf(h, user);
  const x: ChargeRecord = { what: "paid", ...common(h, user), number: s.number + 1, through: s.next - 1, paid: s.total };
  return keepRecord(h, { ...x, total: s.total }, signed({ ...x, total: s.total }));
}
const sequences = (h: History, user: Uint8Array): number[] => recordsFrom(h, streamOf(h, user), 1, 1e6, 1e9).records.map((bytes) => decodeCharge(decodeSigned(bytes)!.claims)!.sequence);

test("a Pi holds 400 daily records of each of 32 users, unsettled, and says how much that is", () => {
  const h = openHistory(makeMemoryStore(historyPages), crypto);
  const users = Array.from({ length: 32 }, (_, n) => userOf(n));
  for (let day = 0; day < 400; day++) for (const user of users) if (!read(h, user)) throw new Error(`full on day ${day}`);
  expect(hasRoom(h, "reading")).toBe(true);
  for (const user of users) expect(streamOf(h, user).places).toHaveLength(400);
  expect(h.journal.pages.length * historyPages.pageBytes).toBeLessThan(2_900_000);
  expect(historyPages.pages - h.journal.pages.length).toBeGreaterThan(15);
}, 30_000);

const small = { pageBytes: 8192, pages: 12 };

test("settled, the oldest give way to the newest for ever; what is left of each user follows without a gap to the end", () => {
  const h = openHistory(makeMemoryStore(small), crypto);
  for (let day = 0; day < 3000; day++) { for (const n of [0, 1]) { expect(read(h, userOf(n))).toBe(true); if (day % 30 === 29) expect(settle(h, userOf(n))).toBe(true); } }
  const again = openHistory((h.journal.store as MemoryStore).restarted(), crypto);
  for (const n of [0, 1]) {
    const s = streamOf(h, userOf(n));
    const kept = s.places.map((p) => p.sequence);
    expect(kept.at(-1)).toBe(s.next - 1);
    expect(kept.length).toBeGreaterThan(100);
    expect({ ...streamOf(again, userOf(n)), seen: s.seen, stated: s.stated }).toEqual(s);
  }
});

test("unsettled records are never given up: the history is full, and takes more once they are settled", () => {
  const h = openHistory(makeMemoryStore(small), crypto);
  let count = 0;
  while (read(h, userOf(0))) count++;
  expect(count).toBeGreaterThan(300);
  expect(sequences(h, userOf(0))).toHaveLength(count);
  expect(settle(h, userOf(0))).toBe(true);
  count++;
  const again = openHistory((h.journal.store as MemoryStore).restarted(), crypto);
  expect(sequences(again, userOf(0))).toEqual(Array.from({ length: count }, (_, i) => i + 1));
  expect(hex(streamOf(again, userOf(0)).head)).toBe(hex(streamOf(h, userOf(0)).head));
  for (let i = 0; i < 500; i++) { expect(read(again, userOf(0))).toBe(true); if (i % 50 === 49) expect(settle(again, userOf(0))).toBe(true); }
});

test("who left and still owes: his records outlive the pages they stood on, byte for byte", () => {
  const h = openHistory(makeMemoryStore(small), crypto);
  for (let i = 0; i < 5; i++) read(h, userOf(9));
  const before = recordsFrom(h, streamOf(h, userOf(9)), 1, 10, 1e6).records;
  for (let day = 0; day < 2000; day++) { expect(read(h, userOf(0))).toBe(true); if (day % 10 === 9) expect(settle(h, userOf(0))).toBe(true); }
  expect(h.journal.pages[0]!.firstSequence).toBeGreaterThan(5);
  expect(recordsFrom(h, streamOf(h, userOf(9)), 1, 10, 1e6).records.map(hex)).toEqual(before.map(hex));
  const again = openHistory((h.journal.store as MemoryStore).restarted(), crypto);
  expect(recordsFrom(again, streamOf(again, userOf(9)), 1, 10, 1e6).records.map(hex)).toEqual(before.map(hex));
});

test("power cut at any point of giving a page back: everything needed is there, nothing twice", () => {
  const h = openHistory(makeMemoryStore({ pageBytes: 2048, pages: 6 }), crypto);
  for (let i = 0; i < 3; i++) read(h, userOf(9));
  while (h.journal.pages[0]!.firstSequence === 1 && streamOf(h, userOf(0)).next < 40) { if (!read(h, userOf(0)) || !settle(h, userOf(0))) break; }
  const image = (h.journal.store as MemoryStore).restarted();
  for (let cut = 0; cut < 6000; cut += 97) {
    const store = image.restarted();
    const one = openHistory(store, crypto);
    store.cutAfter(cut);
    try { for (let i = 0; i < 12; i++) { read(one, userOf(0)); settle(one, userOf(0)); } } catch { /* the power failed */ }
    const after = openHistory(store.restarted(), crypto);
    expect(after.journal.fault).toBeUndefined();
    expect(sequences(after, userOf(9))).toEqual([1, 2, 3]);
    const kept = streamOf(after, userOf(0)).places.map((p) => p.sequence);
    expect(new Set(kept).size).toBe(kept.length);
    expect(kept.at(-1)).toBe(streamOf(after, userOf(0)).next - 1);
  }
});
