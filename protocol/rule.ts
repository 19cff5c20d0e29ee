/**
 * The rule evaluator: may this value be used like this, here, now? (`design.md` §4, `system.md` "program data")
 *
 * A rule is data in the value: a list of clauses `[code, number …]`, all of which must hold. The same evaluator runs on
 * host, Pi and microcontroller, and `test/vectors/rule.json` lets any other implementation check itself against it.
 * A new kind of value is a new rule, not new terminal code; a terminal that meets a clause it does not know refuses
 * cleanly. Facts that only the terminal knows (uses today, its zones) are given; nothing here reads a clock.
 */
import { done, reader, finish, writeArray, writeInt, writer } from "./wire/cbor.js";
import { flag, readClauses, type Value } from "./wire/value.js";
import { action } from "./wire/receipt.js";
import { refusal } from "./refusal.js";

/** Clause codes. Arguments stand behind each; times are UTC seconds. */
export const clause = {
  /** `[1, n]`: at most n uses a day, as far as this terminal knows. */
  perDay: 1,
  /** `[2, seconds]`: so long between two uses. */
  interval: 2,
  /** `[3, seconds]`: entry and exit must alternate; with seconds > 0 a missing exit is forgiven after so long. */
  passage: 3,
  /** `[4, least, most]`: bounds of one use's amount. */
  amount: 4,
  /** `[5, from, until]`: active in this span only, inside the value's own window. */
  active: 5,
  /** `[6, fromMinute, toMinute, weekdays, offsetMinutes]`: hours of local days; weekday bit 0 is Monday. */
  hours: 6,
  /** `[7, changes, until]`: at most so many changes of owner, none after `until` (0: no end). */
  transfer: 7,
} as const;

/** What the terminal knows when it asks. */
export interface RuleFacts {
  action: number;
  /** What this use takes: 1 for a use, minor units for money, 0 for an exit. */
  amount: number;
  at: number;
  /** 0 unknown … 3 signed. */
  quality: number;
  /** Running total before this use. */
  spent: number;
  /** The newest receipt's action and time; 0 when there is none. */
  lastAction: number;
  lastAt: number;
  usesToday: number;
  zones: readonly number[];
}

interface Clauses { list: number[][]; understood: boolean }

/** The first refusal that applies, in the order of `refusal.ts`, or 0 when the value may be used. */
export function evaluate(value: Value, f: RuleFacts): number {
  const rule = decodeRule(value.rule);
  if (rule === undefined || !rule.understood) return refusal.wrong_kind;
  let first = 0;
  for (const code of reasons(value, rule.list, f)) if (code !== 0 && (first === 0 || code < first)) first = code;
  return first;
}

function reasons(value: Value, clauses: number[][], f: RuleFacts): number[] {
  const found = [window(value.notBefore, value.expires, f), zone(value, f), worth(value, f)];
  for (const c of clauses) found.push(check(c, f));
  return found;
}

/** Whoever is inside may always leave: an exit ignores ends, limits and intervals, never the order of entry and exit. */
function leaves(f: RuleFacts): boolean {
  return f.action === action.exit;
}

function window(from: number, until: number, f: RuleFacts): number {
  if (leaves(f)) return 0;
  if (f.quality === 0) return refusal.clock_unknown;
  if (f.at < from) return refusal.not_yet_valid;
  return f.at >= until ? refusal.expired : 0;
}

/** No zones in a value: valid in all. */
function zone(value: Value, f: RuleFacts): number {
  if (value.zones.length === 0) return 0;
  return value.zones.some((z) => f.zones.indexOf(z) >= 0) ? 0 : refusal.wrong_zone;
}

function worth(value: Value, f: RuleFacts): number {
  return f.spent + f.amount > value.most ? refusal.insufficient : 0;
}

function check(c: number[], f: RuleFacts): number {
  switch (c[0]) {
    case clause.perDay: return !leaves(f) && f.usesToday >= c[1]! ? refusal.rule_refused : 0;
    case clause.interval: return interval(c[1]!, f);
    case clause.passage: return passage(c[1]!, f);
    case clause.amount: return !leaves(f) && (f.amount < c[1]! || f.amount > c[2]!) ? refusal.rule_refused : 0;
    case clause.active: return window(c[1]!, c[2]!, f);
    case clause.hours: return hours(c, f);
    default: return 0;
  }
}

function interval(seconds: number, f: RuleFacts): number {
  if (leaves(f) || f.lastAt === 0) return 0;
  if (f.quality === 0) return refusal.clock_unknown;
  return f.at - f.lastAt < seconds ? refusal.rule_refused : 0;
}

/** Anti-pass-back: nobody enters twice without leaving, nobody leaves who is not inside. */
function passage(seconds: number, f: RuleFacts): number {
  if (f.action === action.exit) return f.lastAction === action.enter ? 0 : refusal.pass_back;
  if (f.action !== action.enter || f.lastAction !== action.enter) return 0;
  const forgiven = seconds > 0 && f.quality > 0 && f.at - f.lastAt >= seconds;
  return forgiven ? 0 : refusal.pass_back;
}

const dayMinutes = 1440;

function hours(c: number[], f: RuleFacts): number {
  if (leaves(f)) return 0;
  if (f.quality === 0) return refusal.clock_unknown;
  const minutes = Math.floor(f.at / 60) + c[4]!;
  const minute = minutes % dayMinutes;
  const weekday = (Math.floor(minutes / dayMinutes) + 3) % 7; // 1970-01-01 was a Thursday
  const open = minute >= c[1]! && minute < c[2]! && ((c[3]! >> weekday) & 1) === 1;
  return open ? 0 : refusal.rule_refused;
}

/** May the value change its owner once more at this time? Both its flag and its transfer clauses must allow it (P18). */
export function mayTransfer(value: Value, at: number): boolean {
  const rule = decodeRule(value.rule);
  if (rule === undefined || !rule.understood || (value.flags & flag.transferable) === 0) return false;
  return rule.list.every((c) => c[0] !== clause.transfer || (value.ownerSequence < c[1]! && (c[2] === 0 || at < c[2]!)));
}

/** The bytes of a rule. */
export function encodeRule(clauses: readonly (readonly number[])[]): Uint8Array {
  const w = writer();
  writeArray(w, clauses.length);
  for (const c of clauses) {
    writeArray(w, c.length);
    for (const n of c) writeInt(w, n);
  }
  return finish(w);
}

/** Numbers behind each known clause code. */
const argumentsOf = [-1, 1, 1, 1, 2, 2, 4, 2];

/** The clauses of a rule, or undefined when the bytes are no rule; `understood` is false for clauses from the future. */
export function decodeRule(bytes: Uint8Array): Clauses | undefined {
  const r = reader(bytes);
  const list = readClauses(r);
  return done(r) ? { list: list, understood: list.every((c) => argumentsOf[c[0]!] === c.length - 1) } : undefined;
}
