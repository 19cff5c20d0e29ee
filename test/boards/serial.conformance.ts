/**
 * What every `Serial` promises, whatever it is made of. A line is two ends; bytes are carried between them by time (a real
 * driver) or by hand (the simulated one), which is all that a kind of line has to say about itself.
 */
import { afterEach, describe, expect, test } from "vitest";
import type { BoardError, Serial } from "../../runtime/board.js";
import { limits } from "../../protocol/limits.js";

export interface SerialPair {
  a: Serial; b: Serial;
  /** Lets whatever is under way arrive, or a part of it. */
  carry(): Promise<void>;
  /** Pulls the plug on both ends; undefined where no test can. */
  unplug: (() => void) | undefined;
  close(): void;
}
export type OpenPair = () => Promise<SerialPair>;

/** `length` bytes that repeat nowhere near each other, each value among them. */
export function pattern(length: number, seed: number): Uint8Array {
  let x = seed;
  return new Uint8Array(length).map(() => { x = (Math.imul(x, 1664525) + 1013904223) >>> 0; return x >>> 24; });
}

/** The next `length` bytes that arrive at an end. */
export async function take(pair: Pick<SerialPair, "carry">, end: Serial, length: number): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  for (let bytes = 0; bytes < length;) {
    const piece = end.read();
    if (piece === undefined) { await pair.carry(); continue; }
    pieces.push(piece);
    bytes += piece.length;
  }
  return new Uint8Array(Buffer.concat(pieces));
}

const said = (text: string): Uint8Array => new TextEncoder().encode(text);
const kindOf = (work: () => void): string | undefined => {
  try { work(); return undefined; } catch (error) { return (error as BoardError).kind; }
};

export function serialConforms(name: string, open: OpenPair): void {
  describe(name, () => {
    let pair: SerialPair | undefined;
    const opened = async (): Promise<SerialPair> => (pair = await open());
    afterEach(() => { pair?.close(); pair = undefined; });
    /** Carries until it holds: the test's own time limit is the only clock. */
    const until = async (p: SerialPair, holds: () => boolean): Promise<void> => { while (!holds()) await p.carry(); };

    test("bytes of every value arrive at the other end, in order, both ways", async () => {
      const p = await opened();
      const all = new Uint8Array(256).map((_, i) => i);
      p.a.write(all);
      p.a.write(said("and more"));
      p.b.write(said("back"));
      expect(await take(p, p.b, 264)).toEqual(new Uint8Array([...all, ...said("and more")]));
      expect(await take(p, p.a, 4)).toEqual(said("back"));
    });

    test("64 KiB both ways at once, to the last byte", async () => {
      const p = await opened();
      const there = pattern(limits.lineBytesMax, 1);
      const back = pattern(limits.lineBytesMax, 2);
      for (let at = 0; at < there.length; at += 4096) { p.a.write(there.subarray(at, at + 4096)); p.b.write(back.subarray(at, at + 4096)); }
      const [atB, atA] = await Promise.all([take(p, p.b, there.length), take(p, p.a, back.length)]);
      expect(Buffer.compare(atB, there)).toBe(0);
      expect(Buffer.compare(atA, back)).toBe(0);
    });

    test("what the writer changes afterwards is not sent", async () => {
      const p = await opened();
      const bytes = said("before");
      p.a.write(bytes);
      bytes.fill(0);
      expect(await take(p, p.b, 6)).toEqual(said("before"));
    });

    test("nothing written is nothing read: no echo, no bytes of its own", async () => {
      const p = await opened();
      expect(p.a.read()).toBeUndefined();
      p.a.write(new Uint8Array(0));
      p.a.write(said("question"));
      await take(p, p.b, 8);
      p.b.write(said("answer"));
      expect(await take(p, p.a, 6)).toEqual(said("answer"));
      expect(p.a.read()).toBeUndefined();
      expect(p.b.read()).toBeUndefined();
    });

    test("onReadable is called once for each read that found nothing, never from inside a call", async () => {
      const p = await opened();
      let armed = true;
      let calls = 0;
      let inside = false;
      const wrapped = <T>(work: () => T): T => { inside = true; const answer = work(); inside = false; return answer; };
      p.b.onReadable = () => { expect([armed, inside]).toEqual([true, false]); armed = false; calls++; };
      const readAll = (): number => {
        for (let bytes = 0; ;) {
          const piece = wrapped(() => p.b.read());
          if (piece === undefined) { armed = true; return bytes; }
          bytes += piece.length;
        }
      };
      for (let got = 0, sent = 0; got < 300;) {
        if (sent < 300) { wrapped(() => p.a.write(said("abc"))); sent += 3; }
        await p.carry();
        if (!armed) got += readAll();
      }
      expect(readAll()).toBe(0);
      const before = calls;
      p.b.write(said("fence"));
      await take(p, p.a, 5);
      expect(calls).toBe(before);
      wrapped(() => p.a.write(said("again")));
      await until(p, () => calls === before + 1);
    });

    test("a listener that comes late is told of what arrives then", async () => {
      const p = await opened();
      p.a.write(said("early"));
      await take(p, p.b, 5);
      p.a.write(said("unheard"));
      p.b.write(said("fence"));
      await take(p, p.a, 5);
      let calls = 0;
      p.b.onReadable = () => { calls++; };
      p.a.write(said("heard"));
      await until(p, () => calls > 0);
      expect(await take(p, p.b, 12)).toEqual(said("unheardheard"));
    });

    test("an end may write from inside onReadable", async () => {
      const p = await opened();
      p.b.onReadable = () => { for (let bytes = p.b.read(); bytes !== undefined; bytes = p.b.read()) p.b.write(bytes); };
      p.a.write(said("echo this"));
      expect(await take(p, p.a, 9)).toEqual(said("echo this"));
    });

    test("more than 64 KiB waiting: the write throws, and queues none of it", async () => {
      const p = await opened();
      const most = pattern(limits.lineBytesMax, 3);
      p.a.write(most);
      expect(kindOf(() => p.a.write(new Uint8Array(limits.lineBytesMax + 1)))).toBe("timed_out");
      expect(Buffer.compare(await take(p, p.b, most.length), most)).toBe(0);
      p.a.write(said("afterwards"));
      expect(await take(p, p.b, 10)).toEqual(said("afterwards"));
    });

    test("after close: nothing is read, a write is refused, closing again is nothing, nobody is called", async () => {
      const p = await opened();
      let closes = 0;
      let reads = 0;
      p.a.onClose = () => { closes++; };
      p.b.write(said("unread"));
      await until(p, () => { const bytes = p.a.read(); return bytes !== undefined; });
      p.a.onReadable = () => { reads++; };
      p.a.close();
      p.a.close();
      p.b.write(said("to nobody"));
      for (let i = 0; i < 20; i++) await p.carry();
      expect(kindOf(() => p.a.write(said("late")))).toBe("disconnected");
      expect(p.a.read()).toBeUndefined();
      expect([closes, reads]).toEqual([0, 0]);
    });
  });

  describe(`${name}, unplugged`, () => {
    test("both ends are told once, with what to do; what had arrived is still there; a write is refused", async () => {
      const p = await open();
      if (p.unplug === undefined) return p.close();
      const told: string[] = [];
      p.a.onClose = (error) => told.push("a " + error.kind);
      p.b.onClose = (error) => told.push("b " + error.kind);
      p.a.write(said("last words"));
      let arrived = false;
      p.b.onReadable = () => { arrived = true; };
      while (!arrived) await p.carry();
      p.unplug();
      while (told.length < 2) await p.carry();
      for (let i = 0; i < 20; i++) await p.carry();
      expect(told.sort()).toEqual(["a disconnected", "b disconnected"]);
      expect(p.b.read()).toEqual(said("last words"));
      expect(kindOf(() => p.a.write(said("late")))).toBe("disconnected");
      p.close();
      expect(told).toHaveLength(2);
    });

    test("a closed end is not told", async () => {
      const p = await open();
      if (p.unplug === undefined) return p.close();
      const told: string[] = [];
      p.a.onClose = () => told.push("a");
      p.b.onClose = () => told.push("b");
      p.a.close();
      p.unplug();
      while (told.length === 0) await p.carry();
      expect(told).toEqual(["b"]);
      p.close();
    });
  });
}
