/**
 * What the journal and the cells promise besides surviving: extracts within their bounds, long values in parts, a failing
 * page change that forgets nothing, and errors of broken code that pass through as they are.
 */
import { describe, expect, test } from "vitest";
import { makeFlash } from "../../boards/sim/flash.js";
import { makeMemoryStore } from "../../boards/sim/store.js";
import { nodeCrypto as crypto } from "../../protocol/crypto/node/node.js";
import { dropCell, openCells, readCell, roomForCell, writeCell, type Cells } from "../../runtime/journal/cells.js";
import { append, firstKept, oldestEnds, prepare, readFrom, releaseThrough, roomFor, type Journal } from "../../runtime/journal/journal.js";
import { freePages } from "../../runtime/journal/ring.js";
import { openJournal } from "../../runtime/journal/recovery.js";
import { encodeRecord, recordBytes, recordKind, recordsAt, saltOf } from "../../runtime/journal/record.js";
import { boardFault, type Store } from "../../runtime/journal/store.js";

const open = (store: Store) => openJournal(store, crypto, () => undefined);
const broken = (store: Store): Store => ({ ...store, read: store.read, write: () => { throw new TypeError("broken code"); }, erase: store.erase, sync: store.sync });

test("an extract keeps to its bounds and begins where it was asked to", () => {
  const j = open(makeFlash({ pageBytes: 512, pages: 4 }));
  prepare(j, 100);
  releaseThrough(j, 10);
  for (let i = 0; i < 12; i++) append(j, new Uint8Array(40).fill(i), true);
  expect(readFrom(j, 1, 5, 1e9).entries).toHaveLength(5);
  expect(readFrom(j, 4, 100, 100).entries.map((e) => e[0])).toEqual([3, 4]);
  expect(readFrom(j, 4, 100, 1).entries).toHaveLength(1);
  expect([readFrom(j, 13, 5, 100).entries, firstKept(j)]).toEqual([[], 1]);
});

test("more lazy entries than one sync vouches for", () => {
  const store = makeFlash({ pageBytes: 16384, pages: 3 });
  const j = open(store);
  for (let i = 0; i < 300; i++) append(j, new Uint8Array(8), false);
  expect(store.operations.length).toBeGreaterThan(300);
  expect(open(store.restarted()).next).toBe(301);
});

test("a value longer than a record is kept in parts, and again over page changes; a dropped one goes", () => {
  const store = makeMemoryStore({ pageBytes: 1 << 20, pages: 2 });
  const cells = openCells(store);
  const long = new Uint8Array(200_000).map((_, i) => i % 251);
  for (let i = 0; i < 8; i++) { long[0] = i; writeCell(cells, "long", long.slice()); writeCell(cells, "short", new Uint8Array([i])); }
  dropCell(cells, "short");
  for (let i = 0; i < 6; i++) writeCell(cells, "long", long);
  const again = openCells(store.restarted());
  expect(readCell(again, "long")).toEqual(long);
  expect(readCell(again, "short")).toBeUndefined();
});

test("a page change that fails leaves the values as they were, in memory and on the medium", () => {
  for (const name of ["known", "new"]) {
    const store = makeFlash({ pageBytes: 512, pages: 2 });
    const cells = openCells(store);
    writeCell(cells, "known", new Uint8Array(100).fill(1));
    while (cells.offset + 144 < 512) writeCell(cells, "known", new Uint8Array(100).fill(1));
    store.failAt(store.operations.length + 1, { what: "refused", kind: "broken" });
    expect(() => writeCell(cells, name, new Uint8Array(100).fill(2))).toThrow(/refuses/);
    expect(() => writeCell(cells, name, new Uint8Array(1))).toThrow(/refuses/);
    expect([readCell(cells, "known")![0], readCell(cells, "new")]).toEqual([1, undefined]);
    expect(readCell(openCells(store.restarted()), "known")![0]).toBe(1);
  }
});

test("an error of broken code is not taken for a faulty device", () => {
  const store = makeFlash({ pageBytes: 512, pages: 4 });
  append(open(store), new Uint8Array(8), true);
  expect(() => open(broken(store.restarted()))).toThrow(TypeError);
  const cells = makeFlash({ pageBytes: 512, pages: 2 });
  writeCell(openCells(cells), "a", new Uint8Array(8));
  expect(() => openCells(broken(cells.restarted()))).toThrow(TypeError);
});

/** The same medium, with bytes flipped, and as if it had `pages` pages. */
function seen(store: Store, o: { page?: number; flip?: number[]; pages?: number }): Store {
  return {
    pageBytes: store.pageBytes, pages: o.pages ?? store.pages, write: store.write, erase: store.erase, sync: store.sync,
    read: (page, offset, length) => {
      const bytes = new Uint8Array(store.read(page, offset, length));
      if (page === o.page) for (const at of o.flip ?? []) if (at >= offset && at < offset + length) bytes[at - offset]! ^= 0x55;
      return bytes;
    },
  };
}
const reading = (store: Store): { journal: Journal; entries: number[] } => {
  const entries: number[] = [];
  return { journal: openJournal(store, crypto, (entry) => entries.push(entry[0]!)), entries };
};

test("a page whose header is lost is read still, if it stood; what stood and cannot be read at all is damage, not a new journal", () => {
  const store = makeFlash({ pageBytes: 512, pages: 4 });
  for (let i = 0; i < 3; i++) append(open(store), new Uint8Array(16).fill(i), true);
  const firm = store.restarted();
  const page = open(firm).pages[0]!.page;
  const headless = reading(seen(firm, { page, flip: [8, 9, 20] }));
  expect([headless.entries, headless.journal.fault?.kind, headless.journal.damaged.length]).toEqual([[0, 1, 2], "broken", 1]);
  const lost = reading(seen(firm, { page, flip: [8, 9, 20, recordsAt + 9, recordsAt + 41, recordsAt + 73] }));
  expect([lost.entries, lost.journal.fault?.kind, lost.journal.damaged]).toEqual([[], "broken", [{ page: -1, sequence: 1 }]]);
});

test("a hole in the middle of a page: what stands behind it is handed out still, from where it can be read", () => {
  const store = makeFlash({ pageBytes: 512, pages: 4 });
  const j = open(store);
  for (let i = 0; i < 6; i++) append(j, new Uint8Array(16).fill(i), true);
  const holed = seen(store, { page: j.pages[0]!.page, flip: [recordsAt + 2 * recordBytes(16) + 9] });
  const { journal, entries } = reading(holed);
  expect([entries, journal.damaged, journal.fault?.kind]).toEqual([[0, 1, 3, 4, 5], [{ page: 0, sequence: 3 }], "broken"]);
  expect(readFrom(journal, 1, 10, 1e9)).toMatchObject({ first: 1, entries: { length: 2 } });
  expect(readFrom(journal, 3, 10, 1e9)).toMatchObject({ first: 4, entries: { length: 3 } });
});

test("a journal opened as if its medium had fewer pages than it was written on says so, and loses nothing", () => {
  const store = makeFlash({ pageBytes: 512, pages: 4 });
  const j = open(store);
  while (roomFor(j, 200, 0)) append(j, new Uint8Array(200).fill(j.next), true);
  expect(freePages(j)).toBe(1);
  prepare(j, 400);
  expect(freePages(j)).toBe(1);
  const small = reading(seen(store, { pages: 3 }));
  expect([small.journal.fault?.kind, small.entries.length]).toEqual(["full", j.next - 1]);
  expect(reading(store.restarted()).journal.fault).toBeUndefined();
});

test("with no other page left, the recovery takes one that was about to be given back", () => {
  const store = makeFlash({ pageBytes: 512, pages: 4 });
  const j = open({ ...seen(store, {}), erase: (page) => { if (store.read(page, 0, 1)[0] !== 0xff) throw boardFault("broken", "refuses"); } });
  while (roomFor(j, 200, 0)) append(j, new Uint8Array(200).fill(j.next), true);
  expect(() => releaseThrough(j, oldestEnds(j))).toThrow(/refuses/);
  const { journal, entries } = reading(seen(store, { pages: 3 }));
  expect([journal.fault, journal.pages.map((p) => p.page), entries[0]]).toEqual([undefined, [1, 0], j.pages[0]!.firstSequence]);
});

describe("pages that wear out, one after the other", () => {
  const worn = (): never => { throw boardFault("worn", "worn"); };
  const over = (store: Store, change: Partial<Store>): Store => ({ ...seen(store, {}), ...change });
  /** Three of four pages in use, the last one full but for its release. */
  function brim(store: Store): Journal {
    const j = open(store);
    while (roomFor(j, 200, 0)) append(j, new Uint8Array(200).fill(j.next), true);
    for (let bytes = 200; bytes >= 0; bytes--) if (roomFor(j, bytes, 9)) append(j, new Uint8Array(bytes), true);
    return j;
  }
  test("of pages about to be given back the nearest is taken when there is no other; a sound free one goes before it", () => {
    for (const [pages, taken] of [[5, 4], [4, 0]] as const) {
      const store = makeMemoryStore({ pageBytes: 512, pages: 5 });
      const j = open(over(store, { erase: (page) => { if (store.read(page, 0, 1)[0] !== 0xff) throw boardFault("broken", "refuses"); } }));
      while (roomFor(j, 200, 0)) append(j, new Uint8Array(200).fill(j.next), true);
      expect(() => releaseThrough(j, j.pages[2]!.firstSequence - 1)).toThrow(/refuses/);
      const { journal } = reading(seen(store.restarted(), { pages }));
      expect([journal.fault, journal.pages.map((p) => p.page)]).toEqual([undefined, [2, taken]]);
    }
  });
  test("a release that finds no room and no sound page says so, and nothing that counts is touched", () => {
    const store = makeMemoryStore({ pageBytes: 512, pages: 4 });
    let dead = false;
    const j = brim(over(store, { erase: (page) => (dead ? worn() : store.erase(page)) }));
    dead = true;
    releaseThrough(j, oldestEnds(j));
    expect(() => releaseThrough(j, oldestEnds(j))).toThrow(/no sound page left/);
    const again = reading(store.restarted());
    expect([again.journal.next, again.journal.damaged]).toEqual([j.next, []]);
  });
  test("a recovery that finds only worn pages says broken, not full; what was kept is read", () => {
    const store = makeMemoryStore({ pageBytes: 512, pages: 3 });
    const j = open(store);
    while (roomFor(j, 200, 0)) append(j, new Uint8Array(200).fill(j.next), true);
    const { journal, entries } = reading(over(store.restarted(), { erase: worn }));
    expect([journal.fault?.kind, entries.length]).toEqual(["broken", j.next - 1]);
  });
  test("a write that landed and was reported as failed: the entry moves with its page and is there once", () => {
    const store = makeMemoryStore({ pageBytes: 512, pages: 4 });
    let failing = false;
    const j = open(over(store, { write: (page, offset, bytes) => { store.write(page, offset, bytes); if (failing) { failing = false; worn(); } } }));
    append(j, new Uint8Array(8).fill(1), true);
    failing = true;
    append(j, new Uint8Array(8).fill(2), true);
    append(j, new Uint8Array(8).fill(3), true);
    expect([j.worn, reading(store.restarted()).entries]).toEqual([[0], [1, 2, 3]]);
  });
  test("a page that loses an entry between two readings is not copied without it: the journal stops", () => {
    const store = makeMemoryStore({ pageBytes: 512, pages: 4 });
    let wholeReads = -1;
    const j = open(over(store, {
      write: (page, offset, bytes) => { if (wholeReads < 0 && j.next === 2) { wholeReads = 0; worn(); } store.write(page, offset, bytes); },
      read: (page, offset, length) => (length === 512 && wholeReads >= 0 && ++wholeReads > 1 ? new Uint8Array(512).fill(0xff) : store.read(page, offset, length)),
    }));
    append(j, new Uint8Array(8).fill(1), true);
    expect(() => append(j, new Uint8Array(8).fill(2), true)).toThrow(/lost what it had kept/);
    expect([j.fault?.kind, reading(store.restarted()).entries]).toEqual(["broken", [1]]);
  });
});

test("the first entry kept of an empty journal is the next one, and giving back nothing writes nothing", () => {
  const store = makeFlash({ pageBytes: 512, pages: 4 });
  const j = open(store);
  expect(firstKept(j)).toBe(1);
  append(j, new Uint8Array(8), true);
  const before = store.operations.length;
  releaseThrough(j, 1000);
  expect([store.operations.length, oldestEnds(j)]).toEqual([before, 0]);
});

test("values of exactly one and two records' length, and all that a page can hold, to the byte", () => {
  for (const length of [0, 59_999, 60_000, 60_001, 120_000]) {
    const store = makeMemoryStore({ pageBytes: 1 << 18, pages: 2 });
    writeCell(openCells(store), "long", new Uint8Array(length).fill(7));
    expect(readCell(openCells(store.restarted()), "long")).toEqual(new Uint8Array(length).fill(7));
  }
  const store = makeMemoryStore({ pageBytes: 512, pages: 2 });
  const cells = openCells(store);
  let most = 0;
  while (roomForCell(cells, "a", most + 1)) most++;
  expect(recordsAt + recordBytes(3 + most)).toBe(512);
  expect(() => writeCell(cells, "a", new Uint8Array(most + 1))).toThrow(/full/);
  writeCell(cells, "a", new Uint8Array(most).fill(9));
  expect(readCell(openCells(store.restarted()), "a")).toHaveLength(most);
});

describe("cells that another program wrote into, under right check sums", () => {
  function written(...payloads: number[][]): Cells {
    const store = makeMemoryStore({ pageBytes: 512, pages: 2 });
    const cells = openCells(store);
    writeCell(cells, "known", new Uint8Array([1, 2, 3]));
    for (const payload of payloads) {
      const record = encodeRecord(recordKind.entry, cells.sequence++, new Uint8Array(payload), saltOf(cells.header!), 0);
      store.write(cells.header!.page, cells.offset, record);
      cells.offset += record.length;
    }
    return openCells(store);
  }
  test.each([["a name that is no text", [0, 1, 0xff, 7]], ["nothing at all", []], ["one byte", [0]], ["a name longer than the record", [0, 200, 97]]])("%s: the values beside it stand", (_what, payload) => {
    const cells = written(payload, [0, 1, 98, 5]);
    expect([readCell(cells, "known"), readCell(cells, "b"), cells.fault]).toEqual([new Uint8Array([1, 2, 3]), new Uint8Array([5]), undefined]);
  });
  test("a long value without its end is none, and shown to the operator as what a cut left", () => {
    const cells = written([1, 1, 98, 5, 6]);
    expect([readCell(cells, "b"), cells.torn]).toEqual([undefined, new Uint8Array([5, 6])]);
  });
});
