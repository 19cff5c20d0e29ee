/**
 * What the journal and the cells promise besides surviving: extracts within their bounds, long values in parts, a failing
 * page change that forgets nothing, and errors of broken code that pass through as they are.
 */
import { expect, test } from "vitest";
import { makeFlash } from "../../boards/sim/flash.js";
import { makeMemoryStore } from "../../boards/sim/store.js";
import { nodeCrypto as crypto } from "../../protocol/crypto/node/node.js";
import { dropCell, openCells, readCell, writeCell } from "../../runtime/journal/cells.js";
import { append, firstKept, prepare, readFrom, releaseThrough } from "../../runtime/journal/journal.js";
import { openJournal } from "../../runtime/journal/recovery.js";
import type { Store } from "../../runtime/journal/store.js";

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
