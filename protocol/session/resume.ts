/**
 * Taps broken off (`tap.md` §4): who may finish a receipt, and what its owner's journal says of it. A receipt is finished
 * by exactly one owner, at first the terminal that issued it; ownership moves only by a durable handover.
 */
import type { FinishedUse, Given } from "./book.js";
import { daySeconds, first, owner, standing, verdict, type Verdict } from "./judge.js";
import type { VerifierSettings } from "./events.js";
import type { Presented, TerminalProfile } from "./profile.js";
import { fromBytes4 } from "./transcript.js";
import { refusal } from "../refusal.js";
import { equal } from "../wire/bytes.js";
import { terminalRole } from "../wire/certificate.js";
import type { HandoverEntry } from "../wire/entry.js";
import type { Want } from "../wire/message.js";
import { decodeReceipt, receiptKind, type Receipt } from "../wire/receipt.js";
import { digest16 } from "../wire/value.js";

/** *May finish*, but for ownership: above `closed`, not in the journal, not handed over, and no higher counter. */
export function mayFinish(receipt: Receipt, given: Given): Verdict {
  const used = given.book.finished(receipt.valueId, receipt.counter);
  if (used !== undefined) return verdict(refusal.already_used, used.at);
  const notice = given.book.notice(receipt.valueId, Math.floor(given.at / daySeconds));
  if (notice !== undefined && notice.counter >= receipt.counter) return verdict(refusal.state_outdated, notice.lastAt);
  if (given.book.handedTo(receipt.valueId, receipt.counter) !== undefined) return verdict(refusal.finish_elsewhere, 0);
  return verdict(isOver(receipt.until, fromBytes4(receipt.tap), given) ? refusal.resume_too_late : 0, 0);
}

/** Past its `until` by a known time, or closed for ever (`tap` −1: not a tap number of ours). */
function isOver(until: number, tap: number, given: Given): boolean {
  const late = until > 0 && given.quality > 0 && given.at > until;
  return late || (tap >= 0 && tap <= given.book.closed());
}

/** What to do about a receipt shown with `resume`. */
export type Resume =
  | { then: "record" }
  /** In the journal, and may pass again: noted durably first. */
  | { then: "reopen" }
  /** Another terminal owns it. */
  | { then: "ask"; owner: Uint8Array }
  | { then: "undone"; use: FinishedUse }
  | { then: "refuse"; verdict: Verdict };

export function judgeResume(p: Presented, want: Want, s: VerifierSettings, given: Given): Resume {
  const found = whatStands(p, s, given);
  if (found.then === "refuse" || found.then === "undone") return found;
  const here = wantedHere(p, want, s);
  return here.code === 0 ? found : { then: "refuse", verdict: here };
}

/** A receipt opens only where the same is wanted: what was torn at one price is not carried away at another. */
function wantedHere(p: Presented, want: Want, s: VerifierSettings): Verdict {
  if (p.newest!.action !== want.action || p.newest!.amount !== want.amount) return verdict(refusal.finish_elsewhere, 0);
  const inZone = p.value.zones.length === 0 || p.value.zones.some((zone) => s.zones.indexOf(zone) >= 0);
  return verdict(inZone ? 0 : refusal.wrong_zone, 0);
}

function whatStands(p: Presented, s: VerifierSettings, given: Given): Resume {
  const receipt = p.newest!;
  const used = given.book.finished(receipt.valueId, receipt.counter);
  if (used !== undefined) return again(used, p, s, given);
  const found = first([standing(p.value, given), owner(p.value, given.book.notice(p.value.valueId, Math.floor(given.at / daySeconds)))]);
  if (found.code !== 0) return { then: "refuse", verdict: found };
  return finishOrAsk(receipt, s, given);
}

function finishOrAsk(receipt: Receipt, s: VerifierSettings, given: Given): Resume {
  if (receipt.kind !== receiptKind.use) return { then: "refuse", verdict: verdict(refusal.bad_message, 0) };
  const handed = given.book.handedTo(receipt.valueId, receipt.counter);
  const may = mayFinish(receipt, given);
  // Its time ends for every owner; a tap number says that only where it was given out.
  const asked = may.code === refusal.finish_elsewhere || may.code === refusal.resume_too_late;
  if (asked && isOver(receipt.until, -1, given)) return { then: "refuse", verdict: verdict(refusal.resume_too_late, 0) };
  if (!isOwn(receipt.terminal, s, given)) return may.code === 0 || may.code === refusal.resume_too_late ? { then: "ask", owner: receipt.terminal } : { then: "refuse", verdict: may };
  if (handed !== undefined && may.code === refusal.finish_elsewhere) return { then: "ask", owner: handed };
  return may.code === 0 ? { then: "record" } : { then: "refuse", verdict: may };
}

/** Ours under any of our certificates, or by our terminal id. */
export function isOwn(terminal: Uint8Array, s: VerifierSettings, given: Given): boolean {
  if (equal(terminal, s.terminalId)) return true;
  if (s.profiles.some((profile) => equal(terminal, profile.name(s, given.crypto)))) return true;
  const known = given.book.terminal(terminal);
  return known !== undefined && known.own;
}

/** The receipt is in the journal already: what became of it decides. */
function again(used: FinishedUse, p: Presented, s: VerifierSettings, given: Given): Resume {
  const found = standingOf(used, p, s, given);
  if (used.outcome === "reversed" && found.code === refusal.credited) return { then: "undone", use: used };
  return found.code === 0 ? { then: "reopen" } : { then: "refuse", verdict: found };
}

/** Code 0: it may pass (again). A power cut's one reopening is for gates only; *not turned* passes again until its end. */
function standingOf(used: FinishedUse, p: Presented, s: VerifierSettings, given: Given): Verdict {
  if (!equal(used.receiptDigest, digest16(given.crypto, p.newestBytes))) return verdict(refusal.state_outdated, used.at);
  switch (used.outcome) {
    case "reversed": return verdict(refusal.credited, 0);
    case "not_turned": return verdict(isOver(used.until, used.own ? used.tap : -1, given) ? refusal.resume_too_late : 0, 0);
    case "unknown": {
      const opens = s.role === terminalRole.gate && used.reopened < s.reopen;
      return verdict(opens ? 0 : refusal.outcome_unknown, used.at);
    }
    default: return verdict(refusal.already_used, used.at);
  }
}

/** What the journal says of a receipt shown with `inquire`. `not_acknowledged`: it may be resumed here. */
export function judgeInquiry(p: Presented, s: VerifierSettings, given: Given): Resume & ({ then: "undone" } | { then: "refuse" }) {
  const receipt = p.newest!;
  const used = given.book.finished(receipt.valueId, receipt.counter);
  if (used !== undefined) {
    const found = standingOf(used, p, s, given);
    if (found.code === refusal.credited && used.reversal !== undefined) return { then: "undone", use: used };
    return { then: "refuse", verdict: found.code === 0 ? verdict(refusal.not_acknowledged, used.at) : found };
  }
  if (!isOwn(receipt.terminal, s, given)) return { then: "refuse", verdict: verdict(refusal.finish_elsewhere, 0) };
  const may = mayFinish(receipt, given);
  return { then: "refuse", verdict: may.code === 0 ? verdict(refusal.not_acknowledged, 0) : may };
}

/**
 * Another terminal asks for a receipt that we made or were given: the entry that gives it away, or a code (0 without
 * entry: given to the same before).
 */
export function judgeHandover(
  by: Uint8Array, receiptBytes: Uint8Array, proof: Uint8Array, s: VerifierSettings, given: Given,
): { code: number; entry: HandoverEntry | undefined } {
  const receipt = decodeReceipt(receiptBytes);
  if (receipt === undefined || receipt.kind !== receiptKind.use) return no(refusal.finish_elsewhere);
  if (!madeHere(receipt, receiptBytes, proof, s, given)) return no(refusal.not_genuine);
  const used = given.book.finished(receipt.valueId, receipt.counter);
  if (used !== undefined) return no(ofFinished(used));
  const handed = given.book.handedTo(receipt.valueId, receipt.counter);
  if (handed !== undefined) return no(equal(handed, by) ? 0 : refusal.finish_elsewhere);
  const may = mayFinish(receipt, given);
  const foreignTap = may.code === refusal.resume_too_late && !isOwn(receipt.terminal, s, given);
  if (may.code !== 0 && !foreignTap) return no(may.code);
  return { code: 0, entry: {
    kind: "handover", valueId: receipt.valueId, counter: receipt.counter, to: by, receiptDigest: digest16(given.crypto, receiptBytes), at: given.at, quality: given.quality,
  } };
}

function no(code: number): { code: number; entry: undefined } {
  return { code: code, entry: undefined };
}

function ofFinished(used: FinishedUse): number {
  if (used.outcome === "reversed") return refusal.credited;
  if (used.outcome === "unknown") return refusal.outcome_unknown;
  return used.outcome === "not_turned" ? refusal.finish_elsewhere : refusal.already_used;
}

/** Its signature (A) or MAC (B) is ours. */
function madeHere(receipt: Receipt, bytes: Uint8Array, proof: Uint8Array, s: VerifierSettings, given: Given): boolean {
  return s.profiles.some((profile: TerminalProfile) => profile.madeBy(receipt.terminal, bytes, proof, s, given));
}
