/**
 * The link between two ends: whatever a line does to bytes, a message arrives once and whole, or the sender is told that it
 * is lost. The fault table's rows are enumerated in `line.test.ts`; here stand seeds and single stories.
 */
import { describe, expect, test } from "vitest";
import { deadline, makeLink, poll, receive, send, wake, type Link, type Sending } from "../../protocol/link/link.js";
import { media, type Medium } from "../../protocol/link/media.js";
import { beaconFrame } from "../../protocol/link/beacon.js";
import { encodeFrame } from "../../protocol/link/frame.js";
import { sir } from "../../protocol/link/sir.js";

type Damage = (bytes: Uint8Array, write: number) => Uint8Array;
interface Told { atTerminal: string[]; atHandset: string[]; lost: boolean; bytes: number; frames: number }

const text = (n: number, size: number) => `${n}:`.padEnd(size, "abcdefgh");
const middle: Sending = { first: false, last: false };

/** Four messages in turn, as in a tap: hello, presentation, answer, acknowledgement, and a last one that needs no ack. */
function exchange(medium: Medium, sizes: number[], damage: Damage): Told {
  const terminal = makeLink(medium, false);
  const handset = makeLink(medium, true);
  const told: Told = { atTerminal: [], atHandset: [], lost: false, bytes: 0, frames: 0 };
  let write = 0;
  let nowMs = 1000;
  const say = (link: Link, n: number, how: Sending) => send(link, new TextEncoder().encode(text(n, sizes[n]!)), how);
  say(terminal, 0, { first: true, last: false });
  const hear = (link: Link, other: Link, heard: string[]) => {
    const out = poll(other, nowMs);
    told.lost ||= out.lost;
    for (const bytes of out.output) {
      told.bytes += bytes.length;
      told.frames++;
      const arrived = receive(link, damage(bytes, write++), nowMs);
      for (const message of arrived.messages) {
        heard.push(new TextDecoder().decode(message));
        const n = Number(heard.at(-1)!.split(":")[0]);
        if (n + 1 < sizes.length) say(link, n + 1, n + 1 === sizes.length - 1 ? { first: false, last: true } : middle);
      }
    }
  };
  for (let steps = 0; steps < 400; steps++) {
    hear(handset, terminal, told.atHandset);
    hear(terminal, handset, told.atTerminal);
    const times = [deadline(terminal), deadline(handset)].filter((t) => t >= 0);
    if (times.length === 0) break;
    nowMs = Math.max(nowMs + 1, Math.min(...times));
  }
  return told;
}

const sizes = [58, 322, 104, 84, 21];
const expected = (parity: number) => sizes.map((size, n) => ({ n, size })).filter(({ n }) => n % 2 === parity).map(({ n, size }) => text(n, size));
/** Everything arrived in order, or a gap that the sender knows of; never a message twice, altered or out of order. */
function check(told: Told): void {
  const prefix = (heard: string[], all: string[]) => expect(heard).toEqual(all.slice(0, heard.length));
  prefix(told.atHandset, expected(0));
  prefix(told.atTerminal, expected(1));
  const withoutLast = told.atHandset.length >= 2 && told.atTerminal.length === 2;
  if (!withoutLast) expect(told.lost).toBe(true);
}

describe.each(Object.values(media))("$name", (medium) => {
  test("without faults each message arrives once", () => {
    const told = exchange(medium, sizes, (b) => b);
    expect(told.atHandset).toEqual(expected(0));
    expect(told.atTerminal).toEqual(expected(1));
    expect(told.lost).toBe(false);
  });

  test("500 seeds of loss, flips, doubled frames and noise", () => {
    for (let seed = 1; seed <= 500; seed++) {
      let state = seed * 2654435761;
      const random = () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 4294967296;
      check(exchange(medium, sizes, (b) => {
        const roll = random();
        if (roll < 0.1) return new Uint8Array(0);
        if (roll < 0.2) return Uint8Array.from([...b, ...b]);
        if (roll < 0.3) return Uint8Array.from(b, (x) => (random() < 0.02 ? x ^ (1 << Math.floor(random() * 8)) : x));
        if (roll < 0.4) return Uint8Array.from([...Array.from({ length: Math.floor(random() * 40) }, () => Math.floor(random() * 256)), ...b]);
        return b;
      }));
    }
  });

  test("its own echo, whole or partly, is never taken for the peer", () => {
    const link = makeLink(medium, false);
    send(link, new TextEncoder().encode("hello"), { first: true, last: false });
    const out = poll(link, 0).output;
    for (const echo of out) expect(receive(link, echo, 1).messages).toEqual([]);
    for (const echo of out) expect(receive(link, echo.subarray(2), 2).messages).toEqual([]);
    expect(link.queue.length).toBe(1);
  });

  test("endless bytes without a delimiter, trickled or at once, hold no memory and free the line", () => {
    const link = makeLink(medium, false);
    const held = link.deframer.held.length;
    for (let i = 0; i < 200; i++) receive(link, new Uint8Array(1000).fill(0x55), i);
    expect(link.deframer.held.length).toBe(held);
    expect(link.arrivingBytes).toBe(0);
    const good = encodeFrame(medium.wrapping, { link: 128 | 16 | 4, payload: new Uint8Array([7]) }, 0);
    receive(link, new Uint8Array([0]), 300);
    expect(receive(link, good, 301).messages.length).toBe(1);
  });

  test("fragments without end hold no more than the longest message; when the end comes, nothing is delivered, and the next message is", () => {
    const link = makeLink(medium, false);
    const heard: Uint8Array[] = [];
    const hear = (i: number, flags: number, payload: Uint8Array): void => {
      const frame = { link: 128 | 4 | flags | (i === 0 ? 16 : 0) | (i & 1) | (i & 2 ? 64 : 0), payload };
      heard.push(...receive(link, encodeFrame(medium.wrapping, frame, 0), i * 20).messages);
      expect(poll(link, i * 20 + 15).output.length).toBe(flags === 8 ? 1 : 0);
      expect(link.arriving.reduce((sum, part) => sum + part.length, 0)).toBeLessThanOrEqual(2048);
    };
    for (let i = 0; i < 40; i++) hear(i, 8, new Uint8Array(500));
    hear(40, 0, new Uint8Array(3));
    expect(heard).toEqual([]);
    hear(41, 0, new Uint8Array(4));
    expect(heard).toEqual([new Uint8Array(4)]);
  });
});

test("a tap without faults costs, for each message, one link byte, CRC-32, one COBS byte and the delimiter; the long one too", () => {
  const told = exchange(media.serial, sizes, (b) => b);
  const overhead = sizes.map((size) => 1 + 4 + 1 + Math.floor((size + 5) / 255) + 1);
  expect(told.bytes).toBeLessThanOrEqual(sizes.reduce((a, b) => a + b) + overhead.reduce((a, b) => a + b));
  expect(told.frames).toBe(sizes.length);
});

test("an old frame, replayed after a new session began, is not delivered", () => {
  const terminal = makeLink(media.serial, false);
  const handset = makeLink(media.serial, true);
  const deliver = (from: Link, to: Link, now: number) => poll(from, now).output.flatMap((b) => receive(to, b, now).messages);
  send(terminal, new Uint8Array([1]), { first: true, last: false });
  expect(deliver(terminal, handset, 0).length).toBe(1);
  send(handset, new Uint8Array([2]), middle);
  const old = poll(handset, 1).output[0]!;
  expect(receive(terminal, old, 1).messages.length).toBe(1);
  expect(receive(terminal, old, 2).messages.length).toBe(0);
});

test("two sessions in one read: only what belongs to the newer one is delivered", () => {
  const terminal = makeLink(media.serial, false);
  const handset = makeLink(media.serial, true);
  send(terminal, new Uint8Array([1]), { first: true, last: false });
  const older = poll(terminal, 0).output;
  send(terminal, new Uint8Array([2]), { first: true, last: false });
  const newer = poll(terminal, 1).output;
  const both = new Uint8Array([...older, ...newer].flatMap((b) => [...b]));
  expect(receive(handset, both, 2).messages).toEqual([new Uint8Array([2])]);
});

test("an answer to an older session is not delivered in the newer one", () => {
  const terminal = makeLink(media.serial, false);
  const handset = makeLink(media.serial, true);
  send(terminal, new Uint8Array([1]), { first: true, last: false });
  for (const bytes of poll(terminal, 0).output) receive(handset, bytes, 0);
  send(handset, new Uint8Array([7]), { first: false, last: false });
  const late = poll(handset, 1).output;
  send(terminal, new Uint8Array([2]), { first: true, last: false });
  poll(terminal, 2);
  expect(late.flatMap((bytes) => receive(terminal, bytes, 3).messages)).toEqual([]);
});

test("five late copies of a hello, while the phone's answer is on its way: the phone does not give up", () => {
  const terminal = makeLink(media.serial, false);
  const handset = makeLink(media.serial, true);
  send(terminal, new Uint8Array([1]), { first: true, last: false });
  const hello = poll(terminal, 0).output[0]!;
  receive(handset, hello, 0);
  send(handset, new Uint8Array([7]), middle);
  for (const bytes of poll(handset, 1).output) receive(terminal, bytes, 1);
  for (let copyOf = 1; copyOf <= 5; copyOf++) {
    receive(handset, hello, 50 * copyOf);
    expect(poll(handset, 50 * copyOf).lost).toBe(false);
  }
  send(terminal, new Uint8Array([2]), middle);
  expect(poll(terminal, 300).output.flatMap((bytes) => receive(handset, bytes, 300).messages)).toEqual([new Uint8Array([2])]);
});

test.each(Object.values(media))("$name: an ack owed beside an outstanding frame goes out after the turnaround, not with the next retry", (medium) => {
  const handset = makeLink(medium, true);
  receive(handset, encodeFrame(medium.wrapping, { link: 4 | 16 | 32, payload: new Uint8Array([1]) }, 0), 0);
  send(handset, new Uint8Array([7]), middle);
  poll(handset, 100); // Now both speak at once, and the terminal's is heard.
  const part = encodeFrame(medium.wrapping, { link: 4 | 8 | 32 | 1, payload: new Uint8Array([9]) }, 0);
  receive(handset, part, 101);
  expect(deadline(handset)).toBeLessThanOrEqual(101 + medium.turnaroundMs);
  expect(poll(handset, 101 + medium.turnaroundMs).output.length).toBeGreaterThan(0);
  expect(deadline(handset)).toBe(100 + medium.retransmitMs);
});

test("a fragment that comes once more, late, is no part of another message", () => {
  const terminal = makeLink(media.infrared, false);
  const part = (number: number, more: boolean, letter: string) => encodeFrame(sir, { link: 128 | 4 | (more ? 8 : 0) | (number & 1) | (number > 1 ? 64 : 0) | (number === 0 ? 16 : 0), payload: Buffer.from(letter) }, 0);
  const heard = [part(0, true, "a"), part(1, false, "b"), part(0, true, "a"), part(2, true, "c"), part(0, true, "a"), part(1, false, "b"), part(3, false, "d")]
    .flatMap((bytes, n) => receive(terminal, bytes, n).messages.map((m) => Buffer.from(m).toString()));
  expect(heard).toEqual(["ab", "cd"]);
});

test("a handset that says it is there: the terminal hears so, and its session goes on", () => {
  const terminal = makeLink(media.serial, false);
  const handset = makeLink(media.serial, true);
  wake(handset);
  expect(deadline(handset)).toBe(0);
  const [first, ...more] = poll(handset, 5).output;
  expect([more.length, deadline(handset)]).toEqual([0, -1]);
  send(terminal, new Uint8Array([1]), { first: true, last: false });
  poll(terminal, 6);
  expect(receive(terminal, first!, 7)).toMatchObject({ woken: true, messages: [] });
  expect(terminal.queue.length).toBe(1);
  expect(receive(makeLink(media.serial, true), first!, 7).woken).toBe(false); // Its own echo.
});

test("a beacon frame on a two-way line acknowledges nothing", () => {
  const terminal = makeLink(media.serial, false);
  send(terminal, new Uint8Array([1]), { first: true, last: false });
  terminal.sendNumber = 1;
  poll(terminal, 0);
  receive(terminal, beaconFrame(media.serial, new Uint8Array([9])), 1);
  expect(terminal.queue.length).toBe(1);
});

test("a frame sent again begins with a delimiter: noise before it costs nothing but the first try", () => {
  const terminal = makeLink(media.serial, false);
  const handset = makeLink(media.serial, true);
  send(terminal, new Uint8Array([1]), { first: true, last: false });
  const first = poll(terminal, 0).output[0]!;
  expect(first[0]).not.toBe(0);
  receive(handset, Uint8Array.from([0x5a, 0x5a, ...first]), 0);
  const again = poll(terminal, 450).output[0]!;
  expect(again[0]).toBe(0);
  expect(receive(handset, Uint8Array.from([0x5a, 0x5a, ...again]), 450).messages).toEqual([new Uint8Array([1])]);
});

describe("infrared", () => {
  test("ten extra beginnings, none of which is taken for a frame; silence of 10 ms before answering", () => {
    const terminal = makeLink(media.infrared, false);
    const handset = makeLink(media.infrared, true);
    send(terminal, new Uint8Array([1]), { first: true, last: false });
    const hello = poll(terminal, 0).output[0]!;
    expect([...hello.subarray(0, 11)]).toEqual([...Array.from({ length: 10 }, () => 0xff), 0xc0]);
    for (let cut = 0; cut <= 10; cut++) expect(receive(makeLink(media.infrared, true), hello.subarray(cut), 0).messages.length).toBe(1);
    receive(handset, hello, 100);
    send(handset, new Uint8Array([2]), middle);
    expect(deadline(handset)).toBe(110);
    expect(poll(handset, 109).output).toEqual([]);
    expect(poll(handset, 110).output.length).toBe(1);
  });

  test.each([[255, 1], [256, 1], [257, 2], [512, 2], [513, 3], [2048, 8]])("a message of %i bytes in %i fragments, whatever its bytes", (size, fragments) => {
    for (const byte of [0xc0, 0xc1, 0x7d, 0x00, 0xff, 0x20]) {
      const terminal = makeLink(media.infrared, false);
      const handset = makeLink(media.infrared, true);
      send(terminal, new Uint8Array(size).fill(byte), { first: true, last: false });
      const heard: Uint8Array[] = [];
      let frames = 0;
      for (let nowMs = 0; terminal.queue.length > 0; nowMs += 20) {
        for (const bytes of poll(terminal, nowMs).output) { frames++; heard.push(...receive(handset, bytes, nowMs).messages); }
        if (heard.length > 0) break;
        for (const bytes of poll(handset, nowMs + 10).output) receive(terminal, bytes, nowMs + 10);
      }
      expect(frames).toBe(fragments);
      expect(heard).toEqual([new Uint8Array(size).fill(byte)]);
    }
  });
});
