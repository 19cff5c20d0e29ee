/**
 * What every `Keys` promises: private keys by name, made here, used here, never seen outside.
 */
import { describe, expect, test } from "vitest";
import { nobleCrypto } from "../../protocol/crypto/noble/noble.js";
import type { Keys } from "../../runtime/board.js";

/** `reopen`: what a restart finds. */
export interface TestKeys { keys: Keys; reopen(): Keys }
/** x = 1: on P-256 no y belongs to it. */
const offCurve = new Uint8Array(33).fill(2, 0, 1).fill(1, 32);
const said = (text: string) => new TextEncoder().encode(text);

export function keysConform(name: string, open: () => TestKeys): void {
  describe(name, () => {
    test("a key that was made is a point with an even y, another each time, and there after a restart", () => {
      const { keys, reopen } = open();
      const points = Array.from({ length: 8 }, (_, i) => keys.make("key " + i)!);
      for (const point of points) expect([point.length, point[0]]).toEqual([33, 2]);
      expect(new Set(points.map((p) => Buffer.from(p).toString("hex"))).size).toBe(8);
      const again = reopen();
      points.forEach((point, i) => { expect(keys.publicKey("key " + i)).toEqual(point); expect(again.publicKey("key " + i)).toEqual(point); });
    });

    test("what it signs verifies under its point, over these bytes and no others", () => {
      const { keys } = open();
      const point = keys.make("signing")!;
      const signature = keys.sign("signing", said("message"))!;
      expect(signature).toHaveLength(64);
      expect(nobleCrypto.verify(point, said("message"), signature)).toBe(true);
      expect(nobleCrypto.verify(point, said("massage"), signature)).toBe(false);
    });

    test("two keys agree, from either side, and a third does not", () => {
      const { keys } = open();
      const [a, b] = [keys.make("a")!, keys.make("b")!];
      keys.make("c");
      const shared = keys.agree("a", b)!;
      expect(shared).toHaveLength(32);
      expect(keys.agree("b", a)).toEqual(shared);
      expect(keys.agree("c", a)).not.toEqual(shared);
    });

    test.each([["of zeros", new Uint8Array(33)], ["off the curve", offCurve], ["beyond the field", new Uint8Array(33).fill(255).fill(2, 0, 1)], ["cut short", new Uint8Array(32).fill(2)], ["empty", new Uint8Array(0)]])("a point %s agrees on nothing", (_name, point) => {
      const { keys } = open();
      keys.make("a");
      expect(keys.agree("a", point)).toBeUndefined();
    });

    test("a name that is not there answers undefined, whatever is asked", () => {
      const { keys } = open();
      const point = keys.make("there")!;
      for (const name of ["missing", "", "__proto__", "constructor"]) {
        expect([keys.publicKey(name), keys.sign(name, said("x")), keys.agree(name, point)]).toEqual([undefined, undefined, undefined]);
      }
      keys.rename("missing", "there");
      expect(keys.publicKey("there")).toEqual(point);
    });

    test("a name that looks like the language's own is a name", () => {
      const { keys, reopen } = open();
      const point = keys.make("__proto__")!;
      expect([keys.publicKey("__proto__"), reopen().publicKey("__proto__")]).toEqual([point, point]);
    });

    test("making a key anew takes the place of the old one", () => {
      const { keys, reopen } = open();
      const old = keys.make("a")!;
      const now = keys.make("a")!;
      expect(now).not.toEqual(old);
      expect([keys.publicKey("a"), reopen().publicKey("a")]).toEqual([now, now]);
    });

    test("renamed: the key is there under its new name alone, an older one of that name is gone", () => {
      const { keys, reopen } = open();
      const next = keys.make("signing-next")!;
      keys.make("signing");
      keys.rename("signing-next", "signing");
      keys.rename("signing", "signing");
      for (const k of [keys, reopen()]) expect([k.publicKey("signing"), k.publicKey("signing-next")]).toEqual([next, undefined]);
      expect(nobleCrypto.verify(next, said("x"), keys.sign("signing", said("x"))!)).toBe(true);
    });
  });
}
