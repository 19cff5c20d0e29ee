/**
 * Row 24, bad pages and wear: in each of the five ways a page fails, it costs its capacity and never a record (I3, I6); the
 * terminal goes on with the pages left, says so to its host, and refuses before anything is taken when too few are (I11).
 */
import { describe, expect, test } from "vitest";
import { makeFlash, type WearOut } from "../../boards/sim/flash.js";
import type { SimBoard } from "../../boards/sim/board.js";
import { decodeEntry } from "../../protocol/wire/entry.js";
import { nodeCrypto as crypto } from "../../protocol/crypto/node/node.js";
import { append, chained, firstKept, oldestEnds, prepare, readFrom, releaseThrough, roomFor, type Journal } from "../../runtime/journal/journal.js";

import { openJournal } from "../../runtime/journal/recovery.js";
import { freePages } from "../../runtime/journal/ring.js";
import { boardFault, type Store } from "../../runtime/journal/store.js";
import { coupons, makePhone, makeStation, makeWorld, startStation, tap, wait } from "../session/world.js";

const ways: WearOut["way"][] = ["program error", "erase error", "read error", "program does nothing", "erase does nothing"];
const entryOf = (n: number) => new Uint8Array(60).fill(n & 255);

/** What is durable and not given back, opened from the medium alone; its chain is checked by `readFrom` against the journal's head. */
function reopened(store: Store): { journal: Journal; entries: Uint8Array[] } {
  const entries: Uint8Array[] = [];
  const journal = openJournal(store, crypto, (bytes) => { entries.push(bytes); });
  return { journal, entries };
}

/** Appends, gives back all whole pages as a host that confirms at once, restarts now and then; answers how many were acknowledged before it ended. */
function lived(store: ReturnType<typeof makeFlash>, uses: number, restartEvery: number): { acknowledged: number; store: ReturnType<typeof makeFlash>; journal: Journal; retired: number[] } {
  let journal = reopened(store).journal;
  let acknowledged = 0;
  const retired = new Set<number>();
  while (acknowledged < uses && journal.fault === undefined) {
    try {
      if (roomFor(journal, 60, 0)) { append(journal, entryOf(acknowledged + 1), true); acknowledged++; }
      else if (oldestEnds(journal) === 0) break;
      else while (oldestEnds(journal) > 0) releaseThrough(journal, oldestEnds(journal));
      prepare(journal, 60);
    } catch (error) {
      if ((error as { kind?: string }).kind === undefined) throw error;
      if (journal.fault !== undefined || oldestEnds(journal) === 0) break;
      // Full, because pages wore out when they were needed: said, nothing taken, and well again when some are given back.
      expect((error as { kind?: string }).kind).toBe("full");
      try { while (oldestEnds(journal) > 0) releaseThrough(journal, oldestEnds(journal)); } catch { break; }
    }
    for (const page of journal.worn) retired.add(page);
    if (acknowledged % restartEvery !== 0) continue;
    store = store.restarted() as typeof store;
    journal = reopened(store).journal;
    for (const page of journal.worn) retired.add(page);
    expect(journal.damaged, `after ${acknowledged}`).toEqual([]);
    expect(journal.next - 1, "all that was acknowledged").toBe(acknowledged);
  }
  for (const page of journal.worn) retired.add(page);
  return { acknowledged, store, journal, retired: [...retired].sort() };
}

describe.each(ways)("24: pages that wear out, %s", (way) => {
  test("one bad page: retired, the rest goes on for ever", () => {
    const r = lived(makeFlash({ pageBytes: 512, pages: 6, wearOut: { way, afterErases: (page) => (page === 2 ? 3 : Infinity) } }), 600, 37);
    expect([r.acknowledged, r.retired, r.journal.fault]).toEqual([600, [2], undefined]);
    expect(freePages(r.journal) + r.journal.pages.length).toBeGreaterThanOrEqual(5);
  });
  test("one page after the other, to the end: nothing acknowledged is lost, and the end is said", () => {
    const r = lived(makeFlash({ pageBytes: 512, pages: 6, wearOut: { way, afterErases: (page) => 4 + page * 3 } }), 5000, 53);
    expect(r.acknowledged).toBeGreaterThan(100);
    expect(r.acknowledged).toBeLessThan(5000);
    expect(r.retired.length).toBeGreaterThanOrEqual(3);
    const after = reopened(r.store.restarted());
    expect(after.journal.damaged).toEqual([]);
    expect(after.entries).toEqual(Array.from({ length: r.acknowledged }, (_, i) => entryOf(i + 1)).slice(-after.entries.length || r.acknowledged));
    expect(after.journal.next - 1).toBe(r.acknowledged);
  });
  test("a gate on such a flash lets people through, tells its host which page, and keeps the records", () => {
    const w = makeWorld();
    const flash = makeFlash({ pageBytes: 4096, pages: 6, wearOut: { way, afterErases: (page) => (page === 3 ? (way.startsWith("erase") ? 0 : 1) : Infinity) } });
    flash.write(3, 0, new Uint8Array(8));
    const sound = makeStation(w, { change: { usesADay: 100000 } });
    let gate = startStation({ ...sound, board: { ...sound.board, store: flash } as unknown as SimBoard });
    const phone = makePhone(w, coupons(w, 1000, { offline: { uses: 1000, amount: 1000, days: 30 } }));
    for (let i = 0; i < 45; i++) {
      tap(phone, gate, { forMs: 700 });
      gate.terminal.confirmed = gate.terminal.journal.next - 1;
      wait(gate, 1000);
    }
    expect([gate.opened(), gate.terminal.outOfService]).toEqual([45, ""]);
    const entries = readFrom(gate.terminal.journal, firstKept(gate.terminal.journal), 10000, 1e9).entries.map((e) => decodeEntry(e)!);
    expect(gate.events.filter((e) => e.event === "fault").map((e) => e.message)).toEqual(["A page of the journal is worn out, 5 of 6 are left: replace the storage in time."]);
    expect(entries.filter((e) => e.kind === "incident").map((e) => [e.what, [...e.first], [...e.second]])).toEqual([["a page of the journal is worn out", [0, 0, 0, 3], [0, 0, 0, 5]]]);
    gate = startStation(gate);
    expect(gate.terminal.journal.damaged).toEqual([]);
  });
});

describe("24: a page that fails in the middle", () => {
  /** A medium whose page in use refuses every write from the n-th record on it. */
  function failing(store: Store, isBad: (page: number, offset: number) => boolean): Store {
    return {
      pageBytes: store.pageBytes, pages: store.pages, read: (page, offset, length) => store.read(page, offset, length), erase: (page) => store.erase(page), sync: () => store.sync(),
      write: (page, offset, bytes) => { if (isBad(page, offset)) throw boardFault("worn", "no more"); store.write(page, offset, bytes); },
    };
  }
  test("what stands on it moves to a fresh page, lazy entries too, and a cut at any operation of the move loses nothing", () => {
    const run = (cutAt: number) => {
      const flash = makeFlash({ pageBytes: 512, pages: 5 });
      let bad = -1;
      const j = openJournal(failing(flash, (page) => page === bad), crypto, () => undefined);
      append(j, entryOf(1), true);
      append(j, entryOf(2), false);
      bad = j.pages[0]!.page;
      const before = flash.operations.length;
      if (cutAt > 0) flash.cutAt(before + cutAt, cutAt * 31);
      let done = false;
      try { append(j, entryOf(3), true); done = true; } catch (error) { if ((error as { kind?: string }).kind === undefined) throw error; }
      return { flash, j, done, took: flash.operations.length - before };
    };
    const whole = run(0);
    expect([whole.done, whole.j.worn]).toEqual([true, [0]]);
    expect(reopened(whole.flash.restarted()).entries).toEqual([1, 2, 3].map(entryOf));
    for (let n = 1; n <= whole.took; n++) {
      const cut = run(n);
      const after = reopened(cut.flash.restarted());
      expect(after.journal.damaged, `cut at ${n}`).toEqual([]);
      expect(after.entries, `cut at ${n}`).toEqual([1, 2, 3].map(entryOf).slice(0, after.entries.length));
      expect(after.entries.length, `cut at ${n}`).toBeGreaterThanOrEqual(1);
    }
  });
  test("with no page but the recovery's it ends its service, and the next start has everything", () => {
    const flash = makeFlash({ pageBytes: 512, pages: 3 });
    let bad = -1;
    const j = openJournal(failing(flash, (page) => page === bad), crypto, () => undefined);
    let n = 0;
    while (freePages(j) > 1 || roomFor(j, 60, 0)) append(j, entryOf(++n), true);
    const last = j.pages[j.pages.length - 1]!;
    bad = last.page;
    releaseThrough(j, 0);
    expect(() => { append(j, new Uint8Array(1), true); append(j, new Uint8Array(1), true); append(j, new Uint8Array(1), true); append(j, new Uint8Array(1), true); }).toThrow();
    const after = reopened(flash.restarted());
    expect([after.journal.damaged, after.entries.length]).toEqual([[], n]);
  });
});

test("24: ten years of planned traffic wear all pages alike", () => {
  const flash = makeFlash({ pageBytes: 4096, pages: 16 });
  let store = flash;
  let journal = reopened(store).journal;
  const entry = new Uint8Array(220);
  for (let day = 0; day < 3650; day++) {
    for (let use = 0; use < 20; use++) append(journal, entry, true);
    while (oldestEnds(journal) > 0) releaseThrough(journal, oldestEnds(journal));
    prepare(journal, 700);
    if (day % 30 === 29) { store = store.restarted() as typeof store; journal = reopened(store).journal; }
  }
  const least = Math.min(...store.wear), most = Math.max(...store.wear);
  expect(journal.next - 1).toBe(73_000);
  expect(journal.head).toEqual(chained(crypto, readFrom(journal, journal.next - 1, 1, 1e9).entries.length === 1 ? headBefore(journal) : journal.head, entry));
  expect([most < 1000, most - least <= Math.ceil(most / 10)], `erases of a page in ten years: ${least} to ${most}`).toEqual([true, true]);
});
/** The chain's digest before the last entry. */
function headBefore(journal: Journal): Uint8Array {
  const first = firstKept(journal);
  return readFrom(journal, first, journal.next - 1 - first, 1e9).head;
}
