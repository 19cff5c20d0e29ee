/**
 * What every `Clock` and `Random` promises. A clock is wound by its test: time passes where it says so.
 */
import { describe, expect, test } from "vitest";
import type { Clock, Random } from "../../runtime/board.js";

/** A set clock, and the hand that lets time pass. */
export interface TestClock { clock: Clock; pass(ms: number): void }

export function clockConforms(name: string, open: () => TestClock): void {
  describe(name, () => {
    test("the monotonic clock counts milliseconds and never goes back", () => {
      const { clock, pass } = open();
      const begin = clock.monotonicMs();
      pass(1500);
      expect(clock.monotonicMs() - begin).toBe(1500);
      pass(0);
      expect(clock.monotonicMs() - begin).toBe(1500);
    });
    test("UTC is whole seconds that go on with it, and of a stated quality", () => {
      const { clock, pass } = open();
      const begin = clock.utc();
      expect(Number.isInteger(begin.at)).toBe(true);
      expect(begin.at).toBeGreaterThan(0);
      pass(2000);
      expect(clock.utc()).toEqual({ at: begin.at + 2, quality: begin.quality });
    });
  });
}

export function randomConforms(name: string, open: () => Random): void {
  describe(name, () => {
    test.each([0, 1, 31, 32, 33, 1000])("%i bytes are that many", (length) => { expect(open().fill(length)).toHaveLength(length); });
    test("no two answers are equal, and each byte is the reader's own", () => {
      const random = open();
      const answers = Array.from({ length: 64 }, () => random.fill(16));
      expect(new Set(answers.map((a) => Buffer.from(a).toString("hex"))).size).toBe(64);
      const kept = Buffer.from(answers[0]!).toString("hex");
      answers[1]!.fill(0);
      random.fill(16).fill(0);
      expect(Buffer.from(answers[0]!).toString("hex")).toBe(kept);
    });
    test("every byte value comes, about as often as another", () => {
      const counts = new Array<number>(256).fill(0);
      for (const byte of open().fill(65536)) counts[byte]!++;
      // Each is expected 256 times, give or take 16: outside of 256 ± 120 a true source falls once in 10^11.
      expect(Math.min(...counts)).toBeGreaterThan(136);
      expect(Math.max(...counts)).toBeLessThan(376);
    });
  });
}
