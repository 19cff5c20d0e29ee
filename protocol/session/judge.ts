/**
 * May this value take this step here? All reasons to say no, found together; the one that comes first in `refusal.ts` is
 * given (`tap.md` §5, §8; `trust.md` §2 for age and key class). Signatures are checked before this page is asked, so nothing
 * said here tells a stranger anything about a value that is not his.
 */
import type { Book, Notice } from "./book.js";
import { evaluate } from "../rule.js";
import { refusal } from "../refusal.js";
import { action } from "../wire/receipt.js";
import type { Base, Receipt } from "../wire/receipt.js";
import { keyClass, undeterminedPolicy, unit, type Value } from "../wire/value.js";
import type { Want } from "../wire/message.js";

export const daySeconds = 86400;

export interface Asked {
  value: Value;
  /** The receipt this step would follow; undefined at counter 0. */
  newest: Receipt | undefined;
  want: Want;
  zones: readonly number[];
  at: number;
  quality: number;
  /** Configured ceiling for one use in minor units, or 0 for none. */
  most: number;
}

/** A refusal code (0 for none) and the moment it refers to, 0 when there is none. */
export interface Verdict { code: number; since: number }

/** The verdict on a use with counter `newest + 1`. */
export function judgeUse(asked: Asked, book: Book): Verdict {
  const notice = book.notice(asked.value.valueId);
  const found: Verdict[] = [
    standing(asked, book), owner(asked.value, notice), chain(asked, book, notice), rule(asked, notice), offlineLimits(asked, book, notice),
  ];
  return first(found);
}

/** The verdict that comes first in the order of the list. */
export function first(found: readonly Verdict[]): Verdict {
  let best: Verdict = { code: 0, since: 0 };
  for (const v of found) if (v.code !== 0 && (best.code === 0 || v.code < best.code)) best = v;
  return best;
}

function verdict(code: number): Verdict {
  return { code: code, since: 0 };
}

/** Codes 11, 12 and 27. Undetermined is neither revoked nor fine: the value's own policy answers. */
export function standing(asked: Asked, book: Book): Verdict {
  const status = book.status(asked.value.statusIndex);
  if (status === 1) return verdict(refusal.revoked);
  if (status === 2) return verdict(refusal.suspended);
  const refuses = undeterminedPolicy(asked.value.flags) === 0;
  const unsure = status === undefined || book.ladder() === "reduced";
  return unsure && refuses && asked.want.action !== action.exit ? verdict(refusal.status_undetermined) : verdict(0);
}

/** Code 13: the value was transferred on. */
function owner(value: Value, notice: Notice | undefined): Verdict {
  return verdict(notice !== undefined && value.ownerSequence < notice.ownerSequence ? refusal.owner_superseded : 0);
}

/** Codes 14 and 15: a counter counts once, and never after a higher one. */
function chain(asked: Asked, book: Book, notice: Notice | undefined): Verdict {
  const counter = counterAfter(asked.newest);
  const single = asked.value.unit === unit.uses && asked.value.most === 1;
  const used = book.finished(asked.value.valueId, counter);
  if (single && asked.newest !== undefined && asked.want.action !== action.exit) return { code: refusal.already_used, since: asked.newest.at };
  if (single && used !== undefined) return { code: refusal.already_used, since: used.receipt.at };
  if (notice !== undefined && counter <= notice.counter) return { code: single ? refusal.already_used : refusal.state_outdated, since: notice.lastAt };
  return verdict(0);
}

export function counterAfter(newest: Receipt | undefined): number {
  return newest === undefined ? 1 : newest.counter + 1;
}

/** Codes 8 and 20–25, 28: the value's own window, zones, worth and rule. */
function rule(asked: Asked, notice: Notice | undefined): Verdict {
  const newest = asked.newest;
  const today = Math.floor(asked.at / daySeconds);
  const code = evaluate(asked.value, {
    action: asked.want.action, amount: asked.want.amount, at: asked.at, quality: asked.quality, spent: newest === undefined ? 0 : newest.after,
    lastAction: newest === undefined ? 0 : newest.action, lastAt: newest === undefined ? 0 : newest.at,
    usesToday: notice !== undefined && notice.day === today ? notice.usesToday : 0, zones: asked.zones,
  });
  const since = code === refusal.not_yet_valid ? asked.value.notBefore : code === refusal.expired ? asked.value.expires : 0;
  return { code: code, since: since };
}

/** Code 26: what offline terminals may accept since the host last saw the chain, tightened by age and by key class. */
function offlineLimits(asked: Asked, book: Book, notice: Notice | undefined): Verdict {
  if (asked.want.action === action.exit) return verdict(0);
  const ladder = book.ladder();
  if (ladder === "closed") return verdict(undeterminedPolicy(asked.value.flags) === 2 && asked.value.unit === unit.uses ? 0 : refusal.sync_needed);
  const base = baseOf(asked);
  const spent = asked.newest === undefined ? 0 : asked.newest.after;
  const limit = tightened(asked.value, ladder);
  const own = notice !== undefined && notice.baseCounter === base.counter ? notice : undefined;
  const amount = asked.want.amount;
  const overUses = counterAfter(asked.newest) - base.counter > limit.uses;
  const overAmount = spent + amount - base.spent > limit.amount;
  const overHere = own !== undefined && own.amountHere + amount > limit.amount;
  const overDays = asked.quality === 0 || Math.floor(asked.at / daySeconds) - base.day > asked.value.offline.days;
  const overToday = ladder === "reduced" && notice !== undefined && notice.day === Math.floor(asked.at / daySeconds) && notice.usesToday > 0;
  const overUse = asked.most > 0 && asked.value.unit === unit.money && amount > asked.most;
  return verdict(overUses || overAmount || overHere || overDays || overToday || overUse ? refusal.sync_needed : 0);
}

/** The last time the host saw this chain; null in the receipt means the certificate itself. */
export function baseOf(asked: { value: Value; newest: Receipt | undefined }): Base {
  const base = asked.newest === undefined ? undefined : asked.newest.base;
  return base === undefined ? { counter: 0, spent: 0, day: Math.floor(asked.value.notBefore / daySeconds) } : base;
}

/** `trust.md` §2: offline, class 2 keys count half and class 3 once; reduced, a tenth of the amounts. A use is never less than one. */
function tightened(value: Value, ladder: string): { uses: number; amount: number } {
  let uses = value.offline.uses;
  let amount = value.offline.amount;
  if (ladder === "offline" && keyClass(value.flags) === 2) { uses = Math.max(1, Math.floor(uses / 2)); amount = Math.floor(amount / 2); }
  if (ladder === "offline" && keyClass(value.flags) === 3) uses = Math.min(uses, 1);
  if (ladder === "reduced") amount = Math.floor(amount / 10);
  if (value.unit === unit.uses) amount = Math.max(1, amount);
  return { uses: uses, amount: amount };
}
