/**
 * The line's faults at the link, rows 1 to 12 of the fault table: each where the table says *exhaustive* at every byte, frame
 * or pair of frames of a conversation on every medium, the others from `damage` seeds. What must hold at this layer: whatever
 * is delivered was said by the peer, in this session, in order, once; nothing is held beyond one message; and once the line is
 * good again a session goes through. What a link cannot know (an old hello is a hello; a second handset is a handset) is
 * passed up and counted, and refused by the session.
 */
import { beaconFrame } from "../../../protocol/link/beacon.js";
import { cobs, deframer, encodeFrame, feed } from "../../../protocol/link/frame.js";
import { makeLink, poll, receive, send } from "../../../protocol/link/link.js";
import { media, type Medium } from "../../../protocol/link/media.js";
import { limits } from "../../../protocol/limits.js";
import { arrive, atWrite, converse, good, peerOf, sizes, type Delivery, type Line, type Talk, type Told, type Write } from "../../link/line.js";
import { seeded, type Random } from "../../published.js";
import { violation } from "../violation.js";

/** `damage`: seeds for each row that is not enumerated; `every`: only each so-many-th point of those that are, for a quick look. */
export interface LineRun { damage: number; every?: number; progress?: (done: number, of: number) => void }
export interface LineFound { points: number; faults: Record<string, number>; violations: string[] }

export function run(o: LineRun): LineFound {
  const found: LineFound = { points: 0, faults: {}, violations: [] };
  const every = o.every ?? 1;
  const work = Object.values(media).flatMap((medium) => rows.map((row) => ({ medium, row })));
  work.forEach(({ medium, row }, i) => {
    o.progress?.(i, work.length);
    let passed = 0;
    row.points({ medium, damage: o.damage, base: converse(medium, good).writes }, (where, point, sessionsNeeded) => {
      if (row.seeded !== true && passed++ % every > 0) return;
      const told = point();
      found.points++;
      found.faults[row.fault] = (found.faults[row.fault] ?? 0) + 1;
      const missing = sessionsNeeded.filter((session) => !told.finished.includes(session)).map((session) => `I12 session ${session} did not finish`);
      for (const what of [...told.violations, ...missing]) if (found.violations.length < 100) found.violations.push(violation(`${medium.name} ${row.fault} ${where}`, what));
    });
  });
  o.progress?.(work.length, work.length);
  return found;
}

/** One point: where, how to try it, and which sessions must go through. */
type Report = (where: string, point: () => Pick<Told, "violations" | "finished">, sessionsNeeded: number[]) => void;
interface Ground { medium: Medium; damage: number; base: Write[] }
interface Row { fault: string; seeded?: true; points(g: Ground, report: Report): void }

const without = (bytes: Uint8Array, at: number): Uint8Array => Uint8Array.from([...bytes.subarray(0, at), ...bytes.subarray(at + 1)]);
const changed = (bytes: Uint8Array, at: number, value: number): Uint8Array => { const c = Uint8Array.from(bytes); c[at] = value; return c; };
const noise = (random: Random, most: number): Uint8Array => random.bytes(random.below(most + 1));

/** Each byte of each write harmed in some ways, one at a time; the first session must get over it. */
function atEachByte(g: Ground, report: Report, harms: ((bytes: Uint8Array, at: number) => Uint8Array)[]): void {
  for (const w of g.base) {
    for (let at = 0; at < w.bytes.length; at++) {
      harms.forEach((harm, n) => report(`write ${w.n} byte ${at} way ${n}`, () => converse(g.medium, atWrite(w.n, (x) => [arrive(x, harm(x.bytes, at))])), [1]));
    }
  }
}
/** So many seeds, each a line of its own. */
function fromSeeds(g: Ground, report: Report, line: (random: Random) => Line, needed: number[], talk: Talk = {}): void {
  for (let seed = 1; seed <= g.damage; seed++) report(`seed ${seed}`, () => converse(g.medium, line(seeded(seed)), talk), needed);
}
/** Only in the first session; from then on the line is good. */
const inFirst = (line: Line): Line => (w) => (w.session === 1 ? line(w) : good(w));

const rows: Row[] = [
  { fault: "1 byte lost", points: (g, report) => atEachByte(g, report, [without]) },
  { fault: "1 byte doubled or inserted", points: (g, report) => atEachByte(g, report, [
    (b, at) => Uint8Array.from([...b.subarray(0, at + 1), ...b.subarray(at)]), (b, at) => Uint8Array.from([...b.subarray(0, at), 0x5a, ...b.subarray(at)]),
  ]) },
  { fault: "2 bit flipped", points: (g, report) => atEachByte(g, report, [0, 1, 2, 3, 4, 5, 6, 7].map((bit) => (b, at) => changed(b, at, b[at]! ^ (1 << bit)))) },
  { fault: "2 noise burst", seeded: true, points: (g, report) => {
    const frame = encodeFrame(g.medium.wrapping, { link: 4, payload: seeded(1).bytes(200) }, 0);
    for (let seed = 1; seed <= g.damage * 20; seed++) {
      const random = seeded(seed);
      const burst = Uint8Array.from(frame);
      const from = random.below(frame.length);
      for (let at = from; at < Math.min(frame.length, from + 1 + random.below(64)); at++) burst[at]! ^= random.below(256);
      const taken = Buffer.compare(burst, frame) === 0 ? [] : feed(deframer(g.medium.wrapping), burst);
      report(`seed ${seed}`, () => ({ violations: taken.length > 0 ? ["I6 a damaged frame is taken"] : [], finished: [] }), []);
    }
  } },
  { fault: "3 garbage between frames", seeded: true, points: (g, report) => fromSeeds(g, report, (random) => beforeFrames(() => noise(random, random.below(4) === 0 ? 4096 : 40)), [1], { sessions: 3 }) },
  { fault: "3 garbage before one frame", seeded: true, points: (g, report) => {
    for (const w of g.base) fromSeeds(g, report, (random) => atWrite(w.n, (x) => [arrive(x, Uint8Array.from([...noise(random, 4096), ...x.bytes]))]), [1]);
  } },
  { fault: "4 own echo", points: (g, report) => {
    for (const w of g.base) {
      const half = w.bytes.length >> 1;
      const echoes = [(b: Uint8Array) => b, (b: Uint8Array) => b.subarray(0, half), (b: Uint8Array) => b.subarray(half), (b: Uint8Array) => changed(b, half, b[half]! ^ 0x10), (b: Uint8Array) => without(b, half)];
      for (const delay of [0, 5, 20]) echoes.forEach((echo, n) =>
        report(`write ${w.n} after ${delay} ms, way ${n}`, () => converse(g.medium, atWrite(w.n, (x) => [arrive(x), { to: x.from, bytes: echo(x.bytes), afterMs: delay }]), { thinkMs: 10 }), [1]));
    }
    fromSeeds(g, report, (random) => inFirst((w) => [arrive(w), { to: w.from, bytes: w.bytes.subarray(random.below(4), w.bytes.length - random.below(4)), afterMs: random.below(21) }]), [2], { sessions: 3 });
  } },
  { fault: "5 frame duplicated", points: (g, report) => {
    for (const w of g.base) for (let times = 1; times <= 5; times++) for (const gap of [0, 10, 100]) for (const thinkMs of [0, 150]) {
      const copies = (x: Write): Delivery[] => Array.from({ length: times }, (_none, i) => arrive(x, x.bytes, gap * (i + 1)));
      report(`write ${w.n} ${times} times, ${gap} ms apart, thinking ${thinkMs} ms`, () => converse(g.medium, atWrite(w.n, (x) => [arrive(x), ...copies(x)]), { thinkMs }), [1]);
    }
  } },
  { fault: "6 frame late", points: (g, report) => {
    for (const w of g.base) for (let after = 1; after <= 4; after++) for (const second of [undefined, ...g.base]) {
      if (second !== undefined && second.n <= w.n) continue;
      report(`write ${w.n} ${after < 4 ? `${after} later` : "after the session"}${second === undefined ? "" : `, write ${second.n} too`}`,
        () => converse(g.medium, holding([w.n, ...(second === undefined ? [] : [second.n])], after), { sessions: 3 }), [3]);
    }
  } },
  { fault: "7 frame of an earlier session", points: (g, report) => {
    const later = g.base.length;
    for (const old of g.base) for (let point = 0; point < g.base.length; point++) {
      const line: Line = (w) => (w.n === later + point ? [arrive(w), { to: peerOf(old.from), bytes: old.bytes, afterMs: 1 }] : good(w));
      report(`write ${old.n} before write ${point}`, () => converse(g.medium, line, { sessions: 4, thinkMs: 5 }), [1, 4]);
    }
  } },
  { fault: "8 line cut", points: (g, report) => {
    const total = g.base.reduce((sum, w) => sum + w.bytes.length, 0);
    for (let cut = 0; cut < total; cut++) {
      let passed = 0;
      const line: Line = (w) => {
        const part = w.bytes.subarray(0, Math.max(0, cut - passed));
        passed += w.bytes.length;
        return part.length === 0 ? [] : [arrive(w, part)];
      };
      report(`after byte ${cut}`, () => converse(g.medium, inFirst(line), { sessions: 2 }), [2]);
    }
  } },
  { fault: "9 trickle and stall", seeded: true, points: (g, report) => {
    fromSeeds(g, report, (random) => inFirst((w) => [...w.bytes].map((byte, i) => arrive(w, Uint8Array.of(byte), (i + 1) * (200 + random.below(1000))))), [60], { sessions: 60 });
    report("a day of bytes", () => endless(g.medium), []);
  } },
  { fault: "10 length lies", points: (g, report) => {
    const lengths = g.medium.wrapping === cobs ? codes(g.base) : g.base.flatMap((w) => [...w.bytes.keys()].map((at) => ({ n: w.n, at })));
    const lies = g.medium.wrapping === cobs ? [0, 1, 2, 3, 4, 16, 32, 64, 127, 128, 129, 200, 252, 253, 254, 255] : [0x7d, 0xc0, 0xc1];
    for (const { n, at } of lengths) for (const lie of lies) report(`write ${n} byte ${at} says ${lie}`, () => converse(g.medium, atWrite(n, (x) => [arrive(x, changed(x.bytes, at, lie))])), [1]);
  } },
  { fault: "10 message without an end", points: (g, report) => report("fragment after fragment", () => unending(g.medium), []) },
  { fault: "11 wrong speed", seeded: true, points: (g, report) => fromSeeds(g, report, (random) => {
    const often = 1 + random.below(20);
    return inFirst((w) => [arrive(w, w.bytes.map((byte) => (random.below(20) < often ? (random.below(2) === 0 ? 0 : 255) : byte)))]);
  }, [2], { sessions: 2 }) },
  { fault: "12 two handsets", seeded: true, points: (g, report) => fromSeeds(g, report, (random) => inFirst(crowd(g.medium, random)), [2], { sessions: 2, others: isOthers(g.medium) }) },
  { fault: "12 a beacon beside", points: (g, report) => {
    for (const w of g.base) report(`before write ${w.n}`, () => converse(g.medium, atWrite(w.n, (x) => [{ to: "terminal", bytes: beaconFrame(g.medium, Uint8Array.of(9)), afterMs: 0 }, arrive(x)])), [1]);
  } },
];

/** Noise before each frame, also before those that are sent again: never inside one, which a medium may cut into several writes. */
function beforeFrames(some: () => Uint8Array): Line {
  let last = 0;
  return (w) => {
    const starts = last === 0 || last === 0xc1;
    last = w.bytes[w.bytes.length - 1]!;
    return [arrive(w, starts ? Uint8Array.from([...some(), ...w.bytes]) : w.bytes)];
  };
}

/** Where the COBS codes stand: the only lengths that a frame has. Infrared has none; there a delimiter in the wrong place lies as well. */
function codes(base: Write[]): { n: number; at: number }[] {
  const found: { n: number; at: number }[] = [];
  let left = 0;
  for (const w of base) for (const [at, byte] of w.bytes.entries()) {
    if (left-- > 0) continue;
    if (byte > 0) found.push({ n: w.n, at });
    left = Math.max(0, byte - 1);
  }
  return found;
}

/** Writes that come only when `after` further ones have passed, or when a next session began (4). */
function holding(which: number[], after: number): Line {
  const held: { until: number; d: Delivery; session: number }[] = [];
  return (w) => {
    const due = held.filter((h) => (after < 4 ? w.n >= h.until : w.session > h.session));
    for (const h of due) held.splice(held.indexOf(h), 1);
    if (!which.includes(w.n)) return [...good(w), ...due.map((h) => h.d)];
    held.push({ until: w.n + after, d: arrive(w), session: w.session });
    return due.map((h) => h.d);
  };
}

/** One byte a second for a day, then without a pause, never a delimiter: what is held does not grow, and a good frame gets through at once. */
function endless(medium: Medium): Pick<Told, "violations" | "finished"> {
  const link = makeLink(medium, false);
  const random = seeded(9);
  const size = link.deframer.held.length;
  const violations: string[] = [];
  for (let second = 0; second < 86_400; second++) receive(link, Uint8Array.of(1 + random.below(0xbf)), second * 1000);
  receive(link, new Uint8Array(1_000_000).fill(0x55), 86_400_000);
  if (link.deframer.held.length !== size || link.arriving.length > 0) violations.push("I10 bytes without a delimiter are kept");
  receive(link, Uint8Array.of(0), 86_400_001);
  const frame = encodeFrame(medium.wrapping, { link: 128 | 16 | 4, payload: Uint8Array.of(7) }, 0);
  if (receive(link, frame, 86_400_002).messages.length !== 1) violations.push("I12 a good frame after a day of noise is not heard");
  return { violations, finished: [] };
}

/** Fragments that each promise another one: nothing is held beyond the longest message, and the next message is heard. */
function unending(medium: Medium): Pick<Told, "violations" | "finished"> {
  const link = makeLink(medium, false);
  const violations: string[] = [];
  for (let n = 0; n < 200; n++) {
    receive(link, encodeFrame(medium.wrapping, { link: 128 | 8 | 4 | (n === 0 ? 16 : 0) | (n & 1) | ((n & 2) << 5), payload: new Uint8Array(200).fill(n) }, 0), n);
    const held = link.arriving.reduce((sum, part) => sum + part.length, 0);
    if (held > limits.messageBytesMax) { violations.push(`I10 ${held} bytes of a message are held, ${limits.messageBytesMax} is the longest`); break; }
  }
  if (receive(link, encodeFrame(medium.wrapping, { link: 128 | 16 | 4, payload: Uint8Array.of(7) }, 0), 60_000).messages.length !== 1) violations.push("I12 a good message after an endless one is not heard");
  return { violations, finished: [] };
}

/** A second handset that hears the terminal too, and whose bytes run into the first one's. */
function crowd(medium: Medium, random: Random): Line {
  const second = makeLink(medium, true);
  let waiting: Uint8Array[] = [];
  const speaks = (w: Write): void => {
    for (const message of receive(second, w.bytes, w.nowMs).messages) {
      const n = Number(Buffer.from(message).toString().split(":")[0]!.split(".")[1]);
      if (n + 1 < sizes.length) send(second, Buffer.from(`other ${n + 1}`.padEnd(sizes[n + 1]!, "z")), { first: false, last: false });
    }
    waiting.push(...poll(second, w.nowMs + medium.turnaroundMs).output);
  };
  return (w) => {
    if (w.from === "terminal") { speaks(w); return [arrive(w)]; }
    const [mine, theirs] = [[...w.bytes], waiting.flatMap((bytes) => [...bytes])];
    waiting = [];
    const mixed: number[] = [];
    while (mine.length + theirs.length > 0) mixed.push(...(random.below(2) === 0 ? mine : theirs).splice(0, 1 + random.below(random.below(2) === 0 ? 400 : 6)));
    return [arrive(w, Uint8Array.from(mixed))];
  };
}
/** A word of the second handset; where messages come in fragments, also one of whose fragments one is the other's. */
function isOthers(medium: Medium): (text: string) => boolean {
  return (text) => text.startsWith("other ") || (text.length > medium.fragmentBytes && text.includes("zz"));
}
