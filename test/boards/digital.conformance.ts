/**
 * What every `Digital` and every `Panel` promises: an output is what was written last, an input tells each change once, and
 * of all lights exactly the one that was asked for is lit.
 */
import { afterEach, describe, expect, test } from "vitest";
import type { BoardError, Digital, Panel } from "../../runtime/board.js";

export interface TestOutput { digital: Digital; /** The level outside, once all that was written has arrived. */ outside(): Promise<0 | 1>; unplug(): void; carry(): Promise<void>; close(): void }
export interface TestInput { digital: Digital; /** A hand at the pin. */ set(level: 0 | 1): void; carry(): Promise<void>; close(): void }
export interface TestPanel {
  panel: Panel;
  /** Lights that are lit, once all that was shown has arrived; after `off` there are none. */
  lit(): Promise<string[]>;
  /** True when what was shown last goes dark and comes back by itself, as a person would see it. */
  blinks(): Promise<boolean>;
  close(): void;
}

const until = async (carry: () => Promise<void>, holds: () => boolean): Promise<void> => { while (!holds()) await carry(); };

export function outputConforms(name: string, open: () => Promise<TestOutput>): void {
  describe(`${name}, an output`, () => {
    let x: TestOutput;
    afterEach(() => x.close());

    test("is off at first, whatever was before", async () => {
      x = await open();
      expect([x.digital.read(), await x.outside()]).toEqual([0, 0]);
    });

    test("is what was written last, inside and outside", async () => {
      x = await open();
      for (const level of [1, 1, 0, 1, 0, 0, 1] as const) {
        x.digital.write(level);
        expect([x.digital.read(), await x.outside()]).toEqual([level, level]);
      }
    });

    test("calls nobody", async () => {
      x = await open();
      let calls = 0;
      x.digital.onReadable = () => { calls++; };
      x.digital.write(1);
      x.digital.write(0);
      await x.outside();
      expect(calls).toBe(0);
    });

    test("that is gone throws a board error when it is written", async () => {
      x = await open();
      x.unplug();
      const error = (): BoardError | undefined => { try { x.digital.write(1); return undefined; } catch (e) { return e as BoardError; } };
      await until(x.carry, () => error() !== undefined);
      expect(error()).toMatchObject({ kind: "disconnected" });
    });
  });
}

export function inputConforms(name: string, open: () => Promise<TestInput>): void {
  describe(`${name}, an input`, () => {
    let x: TestInput;
    let calls = 0;
    const opened = async (): Promise<void> => { x = await open(); calls = 0; x.digital.onReadable = () => { calls++; }; };
    afterEach(() => x.close());

    test("is low while nobody touches it, and nobody is called", async () => {
      await opened();
      expect([x.digital.read(), x.digital.read(), calls]).toEqual([0, 0, 0]);
    });

    test("tells a change once, and keeps its level", async () => {
      await opened();
      x.set(1);
      await until(x.carry, () => calls === 1);
      expect([x.digital.read(), x.digital.read(), x.digital.read()]).toEqual([1, 1, 1]);
      x.set(0);
      await until(x.carry, () => calls === 2);
      expect([x.digital.read(), x.digital.read()]).toEqual([0, 0]);
    });

    test("a pulse between two reads is seen, also two of them", async () => {
      await opened();
      for (const level of [1, 0, 1, 0] as const) x.set(level);
      await until(x.carry, () => calls === 4);
      expect([1, 2, 3, 4, 5].map(() => x.digital.read())).toEqual([1, 0, 1, 0, 0]);
    });

    test("the same level again is no change", async () => {
      await opened();
      for (const level of [0, 1, 1, 1] as const) x.set(level);
      x.set(0);
      await until(x.carry, () => calls >= 2);
      expect(calls).toBe(2);
    });

    test("one that flutters unread is bounded, and ends at its level", async () => {
      await opened();
      for (let i = 0; i < 101; i++) x.set(i % 2 === 0 ? 1 : 0);
      await until(x.carry, () => calls === 101);
      const read = Array.from({ length: 20 }, () => x.digital.read());
      expect(read.slice(9)).toEqual(new Array(11).fill(1));
    });

    test("closed: nobody is called any more", async () => {
      await opened();
      x.set(1);
      await until(x.carry, () => calls === 1);
      x.digital.close();
      x.set(0);
      x.set(1);
      for (let i = 0; i < 20; i++) await x.carry();
      expect(calls).toBe(1);
    });
  });
}

export const lights = ["green", "amber", "yellow", "red", "blue"] as const;

export function panelConforms(name: string, open: () => Promise<TestPanel>): void {
  describe(`${name}, a panel`, () => {
    let x: TestPanel;
    afterEach(() => x.close());

    test("after each light exactly that one is lit, whichever was before", async () => {
      x = await open();
      for (const before of lights) {
        for (const light of lights) {
          x.panel.show(before, "steady", "", "");
          x.panel.show(light, "steady", "l-l", "Not now");
          expect(await x.lit()).toEqual([light]);
        }
      }
    });

    test("a blinking light blinks, a steady one does not, whichever came before", async () => {
      x = await open();
      for (const manner of ["blinking", "steady", "blinking", "steady"] as const) {
        x.panel.show("amber", manner, "", "Please wait");
        expect(await x.blinks(), manner).toBe(manner === "blinking");
      }
    });

    test("off is dark, also twice", async () => {
      x = await open();
      x.panel.show("red", "steady", "l", "Expired");
      await x.lit();
      x.panel.show("off", "steady", "", "");
      x.panel.show("off", "steady", "", "");
      expect(await x.lit()).toEqual([]);
    });
  });
}
