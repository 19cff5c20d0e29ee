/**
 * The two clocks of a Node machine, and how far the second may be trusted (`trust.md` §2, "Terminal without a clock").
 *
 * Waiting is measured on the monotonic clock. UTC is the system's, if somebody set it; a board without a battery starts
 * with the time at which it was switched off, or with 1970, and says so by its quality. Signed time goes before all of it
 * and is counted on from there, so that a system clock that is set meanwhile moves nothing.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import type { Clock } from "../../runtime/board.js";

export interface NodeClock extends Clock {
  /** Signed time has come: UTC seconds, quality 3 for a day. */
  set(at: number): void;
  /** This time has surely passed: that of a verified object or of a record. It only rises. */
  atLeast(at: number): void;
}

/** What the operating system tells. */
export interface ClockSource { monotonicMs(): number; systemMs(): number; isSet(): boolean }

/** This software was not there before: UTC seconds of 2026. */
export const softwareTime = Date.UTC(2026, 0, 1) / 1000;
const signedForMs = 86_400_000;

export function makeClock(source: ClockSource = systemClock()): NodeClock {
  /** A time that was known at a moment of the monotonic clock. */
  let signed: { at: number; atMs: number } | undefined;
  let floor: { at: number; atMs: number } | undefined;
  const countedOn = (from: { at: number; atMs: number }): number => Math.floor(from.at + (source.monotonicMs() - from.atMs) / 1000);
  return {
    monotonicMs: source.monotonicMs,
    utc: () => {
      if (signed !== undefined) return { at: countedOn(signed), quality: source.monotonicMs() - signed.atMs < signedForMs ? 3 : 2 };
      const system = Math.floor(source.systemMs() / 1000);
      const least = floor === undefined ? undefined : countedOn(floor);
      if (source.isSet() && system >= Math.max(least ?? 0, softwareTime)) return { at: system, quality: 2 };
      return least === undefined ? { at: 0, quality: 0 } : { at: Math.max(system, least), quality: 1 };
    },
    set: (at) => { signed = { at, atMs: source.monotonicMs() }; },
    atLeast: (at) => { if (at > (floor === undefined ? 0 : countedOn(floor))) floor = { at, atMs: source.monotonicMs() }; },
  };
}

const askEveryMs = 10_000;

function systemClock(): ClockSource {
  const begin = process.hrtime.bigint();
  const monotonicMs = (): number => Number((process.hrtime.bigint() - begin) / 1000n) / 1000;
  let isSet = false;
  let askAtMs = 0;
  return {
    monotonicMs,
    systemMs: () => Date.now(),
    isSet: () => {
      if (!isSet && monotonicMs() >= askAtMs) { isSet = systemClockIsSet(); askAtMs = monotonicMs() + askEveryMs; }
      return isSet;
    },
  };
}

/**
 * Whether anybody set the system's clock in this boot. Single-board computers (they have a device tree that names their
 * model) have no battery unless the kernel says that it took the time from one; there it is set once the time service of
 * systemd says that it is synchronised. Other machines have a clock that runs on. `root` is for tests.
 */
export function systemClockIsSet(root = ""): boolean {
  if (!existsSync(`${root}/proc/device-tree/model`)) return true;
  return existsSync(`${root}/run/systemd/timesync/synchronized`) || hasBattery(`${root}/sys/class/rtc`);
}
function hasBattery(clocks: string): boolean {
  try { return readdirSync(clocks).some((name) => readFileSync(`${clocks}/${name}/hctosys`, "utf8").trim() === "1"); } catch { return false; }
}
