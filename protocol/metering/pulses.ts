/**
 * S0 pulses (IEC 62053-31): an open collector that closes for at least 30 ms, so many times a unit. Counted on the device
 * that never sleeps, as whole pulses; what a pulse is worth is a matter of the meter's plate and is applied when shown.
 *
 * The count is durable through the journal: `due` says when the total must be written. What was counted since is lost by a
 * power cut, at most `unwrittenMax` pulses, and never counted twice: an error of that size, in the customer's favour, and known.
 */
import type { Reading, Quality } from "./reading.js";

export interface PulseSettings {
  /** A contact that was closed or open for a shorter time was bouncing. Half the standard's 30 ms. */
  readonly steadyMs: number;
  /** Write after so many pulses, or when so much time has passed since the first unwritten one. */
  readonly unwrittenMax: number;
  readonly unwrittenForMs: number;
}

export const usualPulses: PulseSettings = { steadyMs: 15, unwrittenMax: 100, unwrittenForMs: 3600000 };

export interface Pulses {
  readonly settings: PulseSettings;
  /** All pulses ever, as far as they were counted. */
  count: number;
  /** The count that is durable. */
  written: number;
  /** When the first pulse after that was counted, or -1. */
  unwrittenSinceMs: number;
  /** Steady level, and the level now with its beginning, -1 when it is steady. 1 is closed. */
  level: 0 | 1;
  seen: 0 | 1;
  seenSinceMs: number;
}

/** Counting on from a durable count. `level` is the contact's now: a contact that is closed at the start is no pulse yet. */
export function makePulses(settings: PulseSettings, count: number, level: 0 | 1): Pulses {
  return { settings: settings, count: count, written: count, unwrittenSinceMs: -1, level: level, seen: level, seenSinceMs: -1 };
}

/**
 * The contact changed to `level`. A pulse counts once it was open, and then closed for `steadyMs`; its length does not
 * matter, nor how long ago the one before it was, so neither the first after a pause nor a bouncing one is miscounted.
 */
export function edge(p: Pulses, level: 0 | 1, nowMs: number): void {
  settle(p, nowMs);
  if (level === p.seen) return;
  p.seen = level;
  p.seenSinceMs = level === p.level ? -1 : nowMs;
}

/** Takes note of the time; answers when to come back, or -1. */
export function poll(p: Pulses, nowMs: number): number {
  settle(p, nowMs);
  const steadyAt = p.seenSinceMs < 0 ? -1 : p.seenSinceMs + p.settings.steadyMs;
  const dueAt = p.unwrittenSinceMs < 0 ? -1 : p.count - p.written >= p.settings.unwrittenMax ? nowMs : p.unwrittenSinceMs + p.settings.unwrittenForMs;
  return steadyAt < 0 ? dueAt : dueAt < 0 ? steadyAt : Math.min(steadyAt, dueAt);
}

function settle(p: Pulses, nowMs: number): void {
  if (p.seenSinceMs < 0 || nowMs - p.seenSinceMs < p.settings.steadyMs) return;
  p.level = p.seen;
  if (p.level === 1) {
    p.count++;
    if (p.unwrittenSinceMs < 0) p.unwrittenSinceMs = p.seenSinceMs;
  }
  p.seenSinceMs = -1;
}

/** The count must be written now. */
export function due(p: Pulses, nowMs: number): boolean {
  return p.unwrittenSinceMs >= 0 && (p.count - p.written >= p.settings.unwrittenMax || nowMs - p.unwrittenSinceMs >= p.settings.unwrittenForMs);
}

/** This count is durable; pulses that came while it was written are still to be. */
export function isWritten(p: Pulses, count: number, nowMs: number): void {
  p.written = count;
  p.unwrittenSinceMs = p.count > count ? nowMs : -1;
}

/** Pulses a kilowatt hour or cubic metre, where the register stood when counting began (same unit, thousandths), and its code. */
export interface PulseMeter { readonly obis: string; readonly unit: string; readonly perUnit: number; readonly begunAtThousandths: number }

/** The register that so many pulses mean, in whole thousandths, cut off and never rounded up. */
export function pulseReading(m: PulseMeter, count: number, quality: Quality): Reading {
  const value = m.begunAtThousandths + Math.floor(count / m.perUnit) * 1000 + Math.floor(((count % m.perUnit) * 1000) / m.perUnit);
  return { obis: m.obis, value: value, scaler: -3, unit: m.unit, text: "" + value, nth: 0, quality: quality };
}
