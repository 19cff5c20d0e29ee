/**
 * Receipts that a terminal makes and remembers until they are acknowledged (`tap.md` §3). They live in memory only: after a
 * power cut the terminal's own signature on a receipt shown back is proof enough.
 */
import type { Given } from "./book.js";
import type { Pending, Verifier } from "./events.js";
import { baseOf, counterAfter, spentBefore } from "./judge.js";
import { previousOf, type Presented, type Tap } from "./profile.js";
import { bytes4 } from "./transcript.js";
import { equal } from "../wire/bytes.js";
import { receiptKind, type Receipt } from "../wire/receipt.js";
import { digest16 } from "../wire/value.js";

/** The receipt for the step asked for. */
export function nextReceipt(v: Verifier, tap: Tap, p: Presented, given: Given): Receipt {
  const before = spentBefore(p.newest, p.undone !== undefined);
  const base = baseOf(p.value, p.newest);
  return {
    kind: receiptKind.use, terminal: tap.terminal, tap: bytes4(tap.number), valueId: p.value.valueId, counter: counterAfter(p.newest),
    previous: previousOf(p, given.crypto), action: tap.want.action, amount: tap.want.amount, after: before + tap.want.amount,
    at: given.at, quality: given.quality, until: given.quality === 0 ? 0 : given.at + v.settings.resumeSeconds,
    base: base.counter === 0 ? undefined : base, fold: p.undone === undefined ? undefined : digest16(given.crypto, p.undoneBytes),
  };
}

/** Stays until `until`, replacement, `closed` or a power cut. */
export function pendingFor(v: Verifier, r: Receipt, given: Given): Pending | undefined {
  for (const x of v.pending) {
    const same = equal(x.receipt.valueId, r.valueId) && x.receipt.counter === r.counter && equal(x.receipt.previous, r.previous)
      && equal(x.receipt.terminal, r.terminal) && x.receipt.amount === r.amount && x.receipt.action === r.action && sameFold(x.receipt.fold, r.fold);
    const over = x.receipt.until > 0 && given.quality > 0 && given.at > x.receipt.until;
    if (same && !over && x.tap > given.book.closed()) return x;
  }
  return undefined;
}

function sameFold(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  return a === undefined || b === undefined ? a === b : equal(a, b);
}

/** The newest replaces the oldest, and any other of the same value and counter stays: the journal decides which counts. */
export function remember(v: Verifier, tap: Tap): void {
  v.pending = v.pending.filter((x) => !equal(x.bytes, tap.receiptBytes));
  v.pending.push({ receipt: tap.receipt!, bytes: tap.receiptBytes, proof: tap.proof, tap: tap.number });
  if (v.pending.length > v.settings.pendingMax) v.pending.shift();
}

/** Forgets a receipt that was finished or handed over. */
export function forget(v: Verifier, receiptBytes: Uint8Array): void {
  v.pending = v.pending.filter((x) => !equal(x.bytes, receiptBytes));
}
