/**
 * What every `Store` promises: pages as flash has them, durable when `sync` has returned, and silent for ever after the
 * first failure. How a kind of store is made to fail is all that it has to say about itself.
 */
import { afterEach, describe, expect, test } from "vitest";
import { unitBytes, type BoardError, type Store } from "../../runtime/journal/store.js";

export interface TestStore {
  store: Store;
  /** The same pages, as a restart finds them. */
  reopen(): Store;
  /** The next write that reaches the medium fails, or the next sync. */
  fail(what: "write" | "sync"): void;
  close(): void;
}
export const size = { pageBytes: 256, pages: 4 };

export const faultIn = (work: () => unknown): BoardError | undefined => {
  try { work(); return undefined; } catch (error) {
    if ((error as BoardError).kind === undefined) throw error;
    return error as BoardError;
  }
};

export function storeConforms(name: string, open: () => TestStore): void {
  describe(name, () => {
    let t: TestStore;
    const opened = (): TestStore => (t = open());
    afterEach(() => t.close());
    const bytes = (...b: number[]) => new Uint8Array(b);
    /** One unit of one byte. */
    const eight = (byte: number) => new Uint8Array(unitBytes).fill(byte);

    test("new pages are erased", () => {
      const { store } = opened();
      expect([store.pageBytes, store.pages]).toEqual([size.pageBytes, size.pages]);
      for (let page = 0; page < size.pages; page++) expect(store.read(page, 0, size.pageBytes).every((b) => b === 0xff)).toBe(true);
    });

    test("what was written is read, at its place alone, before and after a restart", () => {
      const x = opened();
      x.store.write(1, 16, eight(1));
      x.store.write(1, 32, bytes(...eight(2), ...eight(3)));
      x.store.write(3, size.pageBytes - 8, eight(9));
      x.store.write(2, 0, bytes());
      x.store.sync();
      for (const now of [() => x.store, x.reopen]) {
        const store = now();
        expect(store.read(1, 15, 34)).toEqual(bytes(0xff, ...eight(1), ...eight(0xff), ...eight(2), ...eight(3), 0xff));
        expect(store.read(3, size.pageBytes - 9, 9)).toEqual(bytes(0xff, ...eight(9)));
        expect(store.read(0, 0, size.pageBytes).every((b) => b === 0xff)).toBe(true);
        expect(store.read(2, 0, 0)).toEqual(bytes());
      }
    });

    test("what is read belongs to the reader, what is written to the store", () => {
      const { store } = opened();
      const mine = eight(1);
      store.write(0, 0, mine);
      mine.fill(7);
      store.read(0, 0, 8).fill(8);
      expect(store.read(0, 0, 8)).toEqual(eight(1));
    });

    test("erasing gives a whole page back, and no other", () => {
      const { store } = opened();
      for (const page of [0, 1, 2]) store.write(page, 0, eight(page));
      store.erase(1);
      store.sync();
      expect([0, 1, 2].map((page) => store.read(page, 0, 1)[0])).toEqual([0, 0xff, 2]);
      store.write(1, 0, eight(4));
      expect(store.read(1, 0, 9)).toEqual(bytes(...eight(4), 0xff));
    });

    test.each([["other bytes", 3], ["the same", 1]])("a unit written once is not written again, %s or not: a board error, none of it is written, and nothing more is done", (_name, again) => {
      const x = opened();
      x.store.write(0, 8, eight(1));
      x.store.sync();
      expect(faultIn(() => x.store.write(0, 0, bytes(...eight(3), ...eight(again))))).toMatchObject({ kind: "broken" });
      expect(silence(x.store)).toBe(5);
      expect(x.reopen().read(0, 0, 16)).toEqual(bytes(...eight(0xff), ...eight(1)));
    });

    test.each([[4, 8], [0, 12], [1, 1]])("a write at %i of %i bytes is no whole unit: broken code, and harms nothing", (offset, length) => {
      const { store } = opened();
      expect(() => store.write(0, offset, new Uint8Array(length))).toThrow("assertion failed");
      expect(store.read(0, 0, 16)).toEqual(new Uint8Array(16).fill(0xff));
    });

    test.each([[0, size.pageBytes - 8, 16], [size.pages, 0, 8], [-1, 0, 8], [0, -8, 8]])("reaching past a page (%i, %i, %i) is broken code, and harms nothing", (page, offset, length) => {
      const { store } = opened();
      expect(() => store.read(page, offset, length)).toThrow("assertion failed");
      expect(() => store.write(page, offset, new Uint8Array(length))).toThrow("assertion failed");
      expect(store.read(0, 0, 1)).toEqual(bytes(0xff));
    });

    test("a write that fails is a board error, and then all is silence", () => {
      const x = opened();
      x.store.write(0, 0, eight(1));
      x.store.sync();
      x.fail("write");
      expect(faultIn(() => x.store.write(1, 0, eight(2)))).toBeDefined();
      expect(silence(x.store)).toBe(5);
      expect(x.reopen().read(0, 0, 1)).toEqual(bytes(1));
    });

    test("a sync that fails is a board error: nothing is read, written or synced any more", () => {
      const x = opened();
      x.store.write(0, 0, eight(1));
      x.store.sync();
      x.store.write(0, 8, eight(2));
      x.fail("sync");
      expect(faultIn(() => x.store.sync())).toBeDefined();
      expect(silence(x.store)).toBe(5);
      expect(x.reopen().read(0, 0, 1)).toEqual(bytes(1));
    });

    /** How many of five attempts end in a board error. */
    const silence = (s: Store): number =>
      [() => s.read(0, 0, 1), () => s.write(3, 0, eight(1)), () => s.erase(3), () => s.sync(), () => s.sync()].filter((work) => faultIn(work) !== undefined).length;
  });
}
