/**
 * May this value take this step here? All reasons to say no, found together; the one that comes first in `refusal.ts` is
 * given (`tap.md` §5, §8; `trust.md` §2 for age and key class). Whether the value is genuine has been settled before.
 */
import { limits } from "../limits.js";
import { refusal } from "../refusal.js";
import { evaluate } from "../rule.js";
import type { Want } from "../wire/message.js";
import { action, type Base, type Receipt } from "../wire/receipt.js";
import { flag, keyClass, undeterminedPolicy, unit, type Value } from "../wire/value.js";
import type { Given, Ladder, UseNotice } from "./book.js";
import type { TakingLimits } from "./events.js";

export const daySeconds = 86400;
export const policy = { refuse: 0, acceptToLimit: 1, accept: 2 } as const;

/** A step that a handset asks for; everything in it has been proved. */
export interface Asked {
  profile: "A" | "B";
  value: Value;
  /** The receipt this step follows; undefined at counter 0. */
  newest: Receipt | undefined;
  /** True when a reversal of that receipt was shown, which the step folds in. */
  undone: boolean;
  want: Want;
  zones: readonly number[];
  taking: TakingLimits;
}

/** A refusal code (0 for none) and the moment it refers to, 0 when there is none. */
export interface Verdict { code: number; since: number }

export function verdict(code: number, since: number): Verdict {
  return { code: code, since: since };
}

/** The verdict on the use with counter `newest + 1`. */
export function judgeUse(asked: Asked, given: Given): Verdict {
  const notice = given.book.notice(asked.value.valueId, Math.floor(given.at / daySeconds));
  return first([
    room(notice, given), standing(asked.value, given), owner(asked.value, notice), chain(asked, notice),
    rule(asked, notice, given), ceilings(asked, notice, given), boxLimits(asked, notice, given), undetermined(asked.value, asked.want.action, given),
  ]);
}

/** The verdict that comes first in the order of precedence. */
export function first(found: readonly Verdict[]): Verdict {
  let best = verdict(0, 0);
  for (const v of found) if (v.code !== 0 && (best.code === 0 || v.code < best.code)) best = v;
  return best;
}

export function counterAfter(newest: Receipt | undefined): number {
  return newest === undefined ? 1 : newest.counter + 1;
}

/** Running total before the step: a reversal that is folded in gives back what its receipt took. */
export function spentBefore(newest: Receipt | undefined, undone: boolean): number {
  if (newest === undefined) return 0;
  return undone ? newest.after - newest.amount : newest.after;
}

/** The last time the host saw this chain; null in a receipt, and no receipt, mean the certificate itself. */
export function baseOf(value: Value, newest: Receipt | undefined): Base {
  const base = newest === undefined ? undefined : newest.base;
  return base === undefined ? { counter: 0, spent: 0, day: Math.floor(value.notBefore / daySeconds) } : base;
}

/** Code 7: a grant says itself whether MACs are enough for it. */
export function tooWeak(value: Value, profile: "A" | "B"): boolean {
  return profile === "B" && (value.flags & flag.profileB) === 0;
}

/** Code 8: kind, unit or currency that is not taken here. Said before any signature is looked at. */
export function wrongKind(value: Value, want: Want): boolean {
  return want.kinds.indexOf(value.kind) < 0 || (want.action !== action.exit && want.currency !== value.currency);
}

/** Code 3: a full table refuses values it has never seen, instead of forgetting one it has. */
export function room(notice: UseNotice | undefined, given: Given): Verdict {
  return verdict(notice === undefined && given.book.noticesFull() ? refusal.terminal_full : 0, 0);
}

/** Codes 11 and 12. */
export function standing(value: Value, given: Given): Verdict {
  const status = given.book.status(value.statusIndex);
  return verdict(status === 1 ? refusal.revoked : status === 2 ? refusal.suspended : 0, 0);
}

/** Code 13: transferred on. */
export function owner(value: Value, notice: UseNotice | undefined): Verdict {
  return verdict(notice !== undefined && value.ownerSequence < notice.ownerSequence ? refusal.owner_superseded : 0, 0);
}

/** Codes 14 and 15: a counter counts once, and never after a higher one or a later base. */
function chain(asked: Asked, notice: UseNotice | undefined): Verdict {
  const single = asked.value.unit === unit.uses && asked.value.most === 1;
  const over = spentBefore(asked.newest, asked.undone) + asked.want.amount > asked.value.most;
  if (single && asked.want.amount > 0 && notice !== undefined && notice.beaconUses > 0) return verdict(refusal.already_used, notice.lastAt);
  const older = notice !== undefined && baseOf(asked.value, asked.newest).counter < notice.baseCounter;
  if (notice !== undefined && (older || counterAfter(asked.newest) <= notice.counter)) {
    return verdict(single ? refusal.already_used : refusal.state_outdated, notice.lastAt);
  }
  return single && over && asked.newest !== undefined ? verdict(refusal.already_used, asked.newest.at) : verdict(0, 0);
}

/** Codes 8, 20–25 and 28: the value's own window, zones, worth and rule. */
function rule(asked: Asked, notice: UseNotice | undefined, given: Given): Verdict {
  const value = asked.value;
  const code = evaluate(value, {
    action: asked.want.action, amount: asked.want.amount, at: given.at, quality: given.quality,
    spent: spentBefore(asked.newest, asked.undone) + beaconUses(value, notice),
    lastAction: lastAction(asked), lastAt: asked.newest === undefined || asked.undone ? 0 : asked.newest.at,
    usesToday: notice === undefined ? 0 : notice.usesToday, zones: asked.zones,
  });
  const leaves = asked.want.action === action.exit;
  if (code === refusal.clock_unknown || code === refusal.sync_needed || code === 0) {
    if (!leaves && given.quality === 0 && given.at >= value.expires) return verdict(refusal.expired, value.expires);
    return verdict(code === refusal.clock_unknown && timeMayLack(asked) ? 0 : code, 0);
  }
  return verdict(code, code === refusal.not_yet_valid ? value.notBefore : code === refusal.expired ? value.expires : 0);
}

/** Whoever left, and did not get out, is still inside; whoever entered, and did not get in, is outside. */
function lastAction(asked: Asked): number {
  if (asked.newest === undefined) return 0;
  if (!asked.undone) return asked.newest.action;
  return asked.newest.action === action.exit ? action.enter : 0;
}

/** Uses by beacon stand outside the chain until the host books them into the next base. */
function beaconUses(value: Value, notice: UseNotice | undefined): number {
  return notice === undefined || value.unit !== unit.uses ? 0 : notice.beaconUses;
}

/** Without a clock the value's own policy answers; a grant without clauses needs none, since its epoch is the coarse one. */
function timeMayLack(asked: Asked): boolean {
  return undeterminedPolicy(asked.value.flags) !== policy.refuse || (asked.profile === "B" && asked.value.rule.length === 1);
}

/** Code 26: what may be accepted since the host last saw the chain, tightened by age and key class. Exits stay open. */
function ceilings(asked: Asked, notice: UseNotice | undefined, given: Given): Verdict {
  if (asked.want.action === action.exit) return verdict(0, 0);
  const ladder = given.book.ladder();
  if (ladder === "closed") return tooOld(asked.value, notice, given);
  const base = baseOf(asked.value, asked.newest);
  const limit = tightened(asked.value, ladder);
  const overUses = counterAfter(asked.newest) - base.counter > limit.uses;
  const overAmount = spentBefore(asked.newest, asked.undone) + asked.want.amount - base.spent > limit.amount;
  const overHere = notice !== undefined && notice.baseCounter >= base.counter && notice.spentOnBase + asked.want.amount > limit.amount;
  return overUses || overAmount || overHere || overDays(asked, base, given) ? verdict(refusal.sync_needed, 0) : tooOld(asked.value, notice, given);
}

/** Code 26: what the provider lets the terminal itself take, whatever the value allows (`trust.md` §2). Exits take nothing. */
function boxLimits(asked: Asked, notice: UseNotice | undefined, given: Given): Verdict {
  const limit = asked.taking;
  if (asked.want.action === action.exit) return verdict(0, 0);
  const overUses = given.book.ladder() !== "fresh" && notice !== undefined && notice.usesToday >= limit.usesADay;
  const money = asked.value.unit === unit.money ? asked.want.amount : 0;
  const most = asked.profile === "B" ? Math.min(limit.useMost, limits.grantUseMost) : limit.useMost;
  const overBox = money > 0 && given.book.takenToday(Math.floor(given.at / daySeconds)) + money > limit.boxADay;
  return verdict(overUses || money > most || overBox ? refusal.sync_needed : 0, 0);
}

/** Code 26 by the age of what the terminal knows alone: *closed* takes only what its value lets pass always, *reduced* one use a day. */
export function tooOld(value: Value, notice: UseNotice | undefined, given: Given): Verdict {
  const ladder = given.book.ladder();
  const overToday = ladder === "reduced" && notice !== undefined && notice.usesToday > 0;
  const closed = ladder === "closed" && !(value.unit === unit.uses && undeterminedPolicy(value.flags) === policy.accept);
  return verdict(overToday || closed ? refusal.sync_needed : 0, 0);
}

/** "clock quality ≥ 1, else the *days* limit counts as reached" — but a grant's epoch ends by itself, and *accept* accepts. */
function overDays(asked: Asked, base: Base, given: Given): boolean {
  if (given.quality === 0) return asked.profile === "A" && undeterminedPolicy(asked.value.flags) !== policy.accept;
  return Math.floor(given.at / daySeconds) - base.day > asked.value.offline.days;
}

/** `trust.md` §2. *Offline*: key class 2 (and none stated) half, class 3 once. *Reduced*: a tenth of the amounts. One use stays one. */
function tightened(value: Value, ladder: Ladder): { uses: number; amount: number } {
  const least = value.unit === unit.uses ? 1 : 0;
  let uses = value.offline.uses;
  let amount = value.offline.amount;
  const weak = keyClass(value.flags);
  if (ladder !== "fresh" && weak !== 1 && weak !== 3) { uses = cut(uses, 2, 1); amount = cut(amount, 2, least); }
  if (ladder !== "fresh" && weak === 3) uses = Math.min(uses, 1);
  if (ladder === "reduced") amount = cut(amount, 10, least);
  return { uses: uses, amount: amount };
}

function cut(limit: number, by: number, least: number): number {
  return Math.min(limit, Math.max(least, Math.floor(limit / by)));
}

/** Code 27: undetermined is neither revoked nor fine; the value says which. */
export function undetermined(value: Value, act: number, given: Given): Verdict {
  if (act === action.exit || undeterminedPolicy(value.flags) !== policy.refuse) return verdict(0, 0);
  const unsure = given.book.status(value.statusIndex) === undefined || given.book.ladder() === "reduced";
  return verdict(unsure ? refusal.status_undetermined : 0, 0);
}
