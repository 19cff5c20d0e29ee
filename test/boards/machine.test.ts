/**
 * Clocks and randomness of every board, inflate with its bound, and what a machine without a battery may say of the time
 * (`trust.md` §2, "Terminal without a clock"; qualities of `tap.md` §2).
 */
import { afterAll, describe, expect, test } from "vitest";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { deflateSync } from "node:zlib";
import { makeClock, softwareTime, systemClockIsSet, type NodeClock } from "../../boards/node/clock.js";
import { inflate, random } from "../../boards/node/machine.js";
import { makeSimClock, makeSimRandom } from "../../boards/sim/board.js";
import { nodeCrypto } from "../../protocol/crypto/node/node.js";
import { ladderAt } from "../../runtime/kept.js";
import { makeStation, makeWorld } from "../session/world.js";
import { clockConforms, randomConforms } from "./clock.conformance.js";

const now = 1_800_000_000;
const day = 86_400;

/** A machine whose two clocks a test winds, together or the system's alone. */
function machine(systemAt = now, isSet = true) {
  let ms = 5000;
  const source = { at: systemAt * 1000, isSet };
  const clock: NodeClock = makeClock({ monotonicMs: () => ms, systemMs: () => source.at, isSet: () => source.isSet });
  return { clock, source, pass: (by: number) => { ms += by; source.at += by; } };
}

clockConforms("the clock of a Node machine", () => machine());
clockConforms("the clock of a Node machine, after signed time", () => { const m = machine(); m.clock.set(now + 1000); return m; });
clockConforms("the clock of a Node machine without a battery", () => { const m = machine(0, false); m.clock.atLeast(now); return m; });
clockConforms("the simulated clock", () => { const clock = makeSimClock(now); return { clock, pass: clock.advance }; });
randomConforms("the randomness of a Node machine", () => random);
randomConforms("simulated randomness", () => makeSimRandom(nodeCrypto, "seed"));

test("the same seed gives the same bytes, another seed others", () => {
  const bytes = (seed: string) => makeSimRandom(nodeCrypto, seed).fill(64);
  expect(bytes("a")).toEqual(bytes("a"));
  expect(bytes("a")).not.toEqual(bytes("b"));
});

test("a simulated clock that does not know the time says nothing of it", () => {
  expect(makeSimClock(now, 0).utc()).toEqual({ at: 0, quality: 0 });
});

test("the real clocks run, and agree with the system's", () => {
  const clock = makeClock();
  const begin = clock.monotonicMs();
  for (let i = 0; i < 1000; i++) expect(clock.monotonicMs()).toBeGreaterThanOrEqual(begin);
  expect(Math.abs(clock.utc().at - Date.now() / 1000)).toBeLessThan(2);
});

describe("what a machine may say of the time", () => {
  const rows: [string, () => NodeClock, { at: number; quality: number }][] = [
    ["the system's clock was set: it is believed", () => machine().clock, { at: now, quality: 2 }],
    ["no battery, nothing known: nothing is said", () => machine(now, false).clock, { at: 0, quality: 0 }],
    ["no battery, 1970: nothing is said", () => machine(0, false).clock, { at: 0, quality: 0 }],
    ["set, as it says, to a time before this software was written: nothing is said", () => machine(softwareTime - 1).clock, { at: 0, quality: 0 }],
    ["no battery, and the time it was switched off behind a record: counted from the record", () => known(machine(now - day, false)), { at: now, quality: 1 }],
    ["no battery, and the time it was switched off after the newest record: counted from there", () => known(machine(now + day, false)), { at: now + day, quality: 1 }],
    ["set, as it says, and yet before a record: the record is later, and true", () => known(machine(now - day)), { at: now, quality: 1 }],
    ["set, and after every record: believed", () => known(machine(now + day)), { at: now + day, quality: 2 }],
  ];
  const known = (m: ReturnType<typeof machine>): NodeClock => { m.clock.atLeast(now); return m.clock; };
  test.each(rows)("%s", (_name, clock, says) => { expect(clock().utc()).toEqual(says); });

  test("what surely has passed only rises", () => {
    const m = machine(0, false);
    m.clock.atLeast(now);
    m.pass(10_000);
    m.clock.atLeast(now + 5);
    expect(m.clock.utc()).toEqual({ at: now + 10, quality: 1 });
    m.clock.atLeast(now + 60);
    m.pass(1000);
    expect(m.clock.utc()).toEqual({ at: now + 61, quality: 1 });
  });

  test("set in the middle, by the time service: believed from then on", () => {
    const m = machine(now - day, false);
    m.clock.atLeast(now);
    Object.assign(m.source, { at: (now + 7) * 1000, isSet: true });
    expect(m.clock.utc()).toEqual({ at: now + 7, quality: 2 });
  });

  test("signed time is quality 3 for a day, then a clock that was set", () => {
    const m = machine(0, false);
    m.clock.set(now);
    m.pass(day * 1000 - 1);
    expect(m.clock.utc()).toEqual({ at: now + day - 1, quality: 3 });
    m.pass(1);
    expect(m.clock.utc()).toEqual({ at: now + day, quality: 2 });
  });

  test("a system clock that is set, or goes back, after signed time moves nothing", () => {
    const m = machine(now - day);
    m.clock.set(now);
    m.source.at = (now + 3) * 1000;
    m.pass(3000);
    expect(m.clock.utc()).toEqual({ at: now + 3, quality: 3 });
    m.source.at = 0;
    m.pass(1000);
    expect(m.clock.utc()).toEqual({ at: now + 4, quality: 3 });
  });

  test("newer signed time goes before older", () => {
    const m = machine();
    m.clock.set(now + 500);
    m.pass(1000);
    m.clock.set(now + 499);
    expect(m.clock.utc()).toEqual({ at: now + 499, quality: 3 });
  });
});

describe("whether anybody set the system's clock", () => {
  const folder = mkdtempSync(join(tmpdir(), "kaisatsu-clock-"));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  let roots = 0;
  /** A file system of these files. */
  const root = (files: Record<string, string>): string => {
    const path = join(folder, String(++roots));
    for (const [name, text] of Object.entries(files)) { mkdirSync(dirname(join(path, name)), { recursive: true }); writeFileSync(join(path, name), text); }
    return path;
  };
  const pi = { "proc/device-tree/model": "Raspberry Pi 4 Model B Rev 1.4\0" };
  test.each([
    ["a computer with a battery, as all but small boards are", {}, true],
    ["a Pi that just started", pi, false],
    ["a Pi with a clock that was empty", { ...pi, "sys/class/rtc/rtc0/hctosys": "0\n" }, false],
    ["a Pi with a clock that the kernel took its time from", { ...pi, "sys/class/rtc/rtc0/hctosys": "0\n", "sys/class/rtc/rtc1/hctosys": "1\n" }, true],
    ["a Pi that has heard a time server", { ...pi, "run/systemd/timesync/synchronized": "" }, true],
  ] as [string, Record<string, string>, boolean][])("%s", (_name, files, isSet) => { expect(systemClockIsSet(root(files))).toBe(isSet); });
});

describe("inflate", () => {
  test.each([0, 1, 1000, 100_000])("%i bytes come back whole when that many are allowed, and not at all when one less is", (length) => {
    const packed = new Uint8Array(deflateSync(new Uint8Array(length).fill(7)));
    expect(Buffer.compare(inflate(packed, Math.max(1, length))!, Buffer.alloc(length, 7))).toBe(0);
    if (length > 1) expect(inflate(packed, length - 1)).toBeUndefined();
  });
  test("a bomb of a thousand to one is not unpacked", () => {
    const bomb = new Uint8Array(deflateSync(new Uint8Array(64 << 20), { level: 9 }));
    expect(bomb.length).toBeLessThan(70_000);
    const before = process.memoryUsage().arrayBuffers;
    expect(inflate(bomb, 1 << 20)).toBeUndefined();
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(16 << 20);
  });
  test.each([["nothing", []], ["noise", [1, 2, 3, 4]], ["a beginning", [0x78, 0x9c]], ["a cut end", [...deflateSync(new Uint8Array(500))].slice(0, -3)], ["a wrong sum", [...deflateSync(new Uint8Array(5)).subarray(0, -1), 0xee]]])("%s is not zlib", (_name, bytes) => {
    expect(inflate(new Uint8Array(bytes), 1000)).toBeUndefined();
  });
});

test("without a set clock the offline ladder starts at offline, and goes down with the time that is known", () => {
  const setup = makeStation(makeWorld()).terminal.setup;
  const { freshSeconds, offlineSeconds, reducedSeconds } = setup.configuration!;
  const at = (age: number, quality: number) => ladderAt(setup, setup.pulledAt + age, quality);
  expect([0, 1, 2, 3].map((quality) => at(freshSeconds, quality))).toEqual(["offline", "offline", "fresh", "fresh"]);
  expect([1, 2].map((quality) => at(offlineSeconds + 1, quality))).toEqual(["reduced", "reduced"]);
  expect([1, 2].map((quality) => at(reducedSeconds + 1, quality))).toEqual(["closed", "closed"]);
});
