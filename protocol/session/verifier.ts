/**
 * The terminal's half of a tap: the table of `tap.md` §3, row by row. Nothing opens before its record is durable.
 *
 * `step(v, input, given)` takes one event and answers what to do, in order; the verifier itself waits, sends and stores
 * nothing. It serves one tap at a time and forgets everything but its pending receipts when the power is cut.
 */
import type { FinishedUse, Given } from "./book.js";
import { become, clearStop, fallOut, idle, refuse, send, show, stop } from "./ending.js";
import type { Effect, Input, Verifier, VerifierSettings, VerifierState } from "./events.js";
import { judgeUse, tooWeak, wrongKind } from "./judge.js";
import { forget, nextReceipt, pendingFor, remember } from "./pending.js";
import { closeTap, newTap, type Presented, type Tap } from "./profile.js";
import { judgeHandover, judgeInquiry, judgeResume, mayFinish } from "./resume.js";
import { bytes4, none } from "./transcript.js";
import { limits } from "../limits.js";
import { refusal } from "../refusal.js";
import { equal } from "../wire/bytes.js";
import {
  asking, decodeAsk, encodeHello, intent, messageType, offer, outcome, protocolVersion, type,
} from "../wire/message.js";
import { encodeReceipt, encodeReversal } from "../wire/receipt.js";

export function makeVerifier(settings: VerifierSettings): Verifier {
  return { settings: settings, state: "idle", deadline: -1, tap: undefined, asked: 0, pending: [], handing: undefined, reversing: undefined };
}

/** When `step` wants an input `time` at the latest, or −1. */
export function deadline(v: Verifier): number {
  return v.deadline;
}

export function step(v: Verifier, input: Input, given: Given): Effect[] {
  if (v.state === "out_of_service") return input.type === "heard" ? clearStop(refusal.out_of_service) : [];
  switch (input.type) {
    case "heard": return greet(v, input.tap, input.secret, given);
    case "message": return hear(v, input.bytes, given);
    case "withdraw": return v.state === "greeted" ? stop(v, refusal.busy) : [];
    case "beacon": return heardBeacon(v, input.bytes, given);
    case "agreed": return v.state === "agreeing" && input.number === v.asked ? opened(v, input.shared, given) : [];
    case "signed": return input.number === v.asked ? signed(v, input.signature, given) : [];
    case "appended": return appended(v, given);
    case "append_failed": return isWriting(v.state) ? fallOut(v) : [];
    case "turned": return v.state === "open" ? passed(v, true, given) : [];
    case "handover": return v.state === "asking" && equal(input.receipt, v.tap!.receiptBytes) ? handedOver(v, input.code, given) : [];
    case "handover_asked": return handOver(v, input.by, input.receipt, input.proof, given);
    case "close": return close(v, input.tap);
    case "time": return timeUp(v, given);
  }
}

function signed(v: Verifier, signature: Uint8Array | undefined, given: Given): Effect[] {
  if (v.state === "signing") return answer(v, signature, given);
  return v.state === "reversing" ? reversalSigned(v, signature) : [];
}

function isWriting(state: VerifierState): boolean {
  return state === "recording" || state === "recording_reversal" || state === "handing" || state === "closing";
}

// ---- greeting ---------------------------------------------------------------------------------------------------------

/** idle → greeted: tap number + 1, fresh ephemeral, hello. A new handset ends a tap that nobody acknowledged; a secret that is no key greets nobody. */
function greet(v: Verifier, tapNumber: number, secret: Uint8Array, given: Given): Effect[] {
  if (v.state === "open") return clearStop(refusal.busy);
  if (v.state !== "idle" && v.state !== "greeted" && v.state !== "answered") return [];
  if (v.tap !== undefined) closeTap(v.tap);
  const s = v.settings;
  const lead = s.profiles[0]!;
  if (lead.isUnpaid(s, s.want.amount, given)) return clearStop(refusal.out_of_service).concat(idle(v));
  const nonce = lead.nonce(secret, given.crypto);
  if (nonce === undefined) return idle(v);
  const terminal = lead.name(s, given.crypto);
  const hello = encodeHello({
    version: protocolVersion, offer: offered(s), tap: bytes4(tapNumber), nonce: nonce, terminal: terminal, want: s.want,
    group: s.group === undefined ? undefined : { group: s.group.group, epoch: s.group.epoch },
  });
  v.tap = newTap(tapNumber, s.want, hello, terminal, secret);
  become(v, "greeted", given.nowMs + limits.presentationWithinMs);
  return [{ do: "send", bytes: hello, first: true, last: false }];
}

function offered(s: VerifierSettings): number {
  let bits = s.oneWay ? offer.oneWay : 0;
  for (const profile of s.profiles) bits |= profile.letter === "A" ? offer.profileA : offer.profileB;
  return bits;
}

// ---- messages ---------------------------------------------------------------------------------------------------------

function hear(v: Verifier, bytes: Uint8Array, given: Given): Effect[] {
  const tap = v.tap;
  if (tap === undefined) return [];
  if (tap.heard !== undefined && tap.answer !== undefined && equal(bytes, tap.heard)) return [send(tap.answer, v.state === "open")];
  const kind = messageType(bytes);
  if (kind === type.ask && v.state === "greeted") return asked(v, tap, bytes);
  if (kind === type.presentation && v.state === "greeted") return presented(v, tap, bytes, given);
  if (kind === type.acknowledgement && v.state === "answered") return acknowledged(v, tap, bytes, given);
  return ignored(v, tap);
}

/** Unlisted input is ignored; after three the tap ends. A gate that is recording or open is not disturbed. */
function ignored(v: Verifier, tap: Tap): Effect[] {
  tap.ignored++;
  if (tap.ignored < 3 || (v.state !== "greeted" && v.state !== "answered")) return [];
  return stop(v, refusal.bad_message);
}

function asked(v: Verifier, tap: Tap, bytes: Uint8Array): Effect[] {
  const what = decodeAsk(bytes);
  if (what === asking.certificate) {
    const certificate = v.settings.profiles[0]!.certificate(v.settings);
    if (tap.certificateSent || certificate === undefined) return ignored(v, tap);
    tap.certificateSent = true;
    tap.heard = bytes;
    tap.answer = certificate;
    return [send(tap.answer, false)];
  }
  if (what < 0) return ignored(v, tap);
  const said: Effect[] = what === asking.nothing_to_show ? [{ do: "nothing_to_show" }] : [];
  return said.concat(idle(v));
}

/** Well-formed, and of no shape that is spoken here: from the future, or for a profile that this terminal lacks. */
function presented(v: Verifier, tap: Tap, bytes: Uint8Array, given: Given): Effect[] {
  tap.presentation = bytes;
  tap.heard = bytes;
  tap.answer = undefined;
  for (const profile of v.settings.profiles) {
    const peer = profile.peer(bytes, tap);
    if (peer === undefined) continue;
    tap.profile = profile;
    if (peer.length === 0) return opened(v, none, given);
    become(v, "agreeing", v.deadline);
    return [{ do: "agree", number: ++v.asked, publicKey: peer }];
  }
  return stop(v, refusal.unsupported_version);
}

/** Opens what is shown, proves it, and judges it. */
function opened(v: Verifier, shared: Uint8Array | undefined, given: Given): Effect[] {
  const tap = v.tap!;
  const p = shared === undefined ? undefined : tap.profile!.open(tap, shared, v.settings, given);
  if (p === undefined) return refuse(v, refusal.bad_message, 0, given);
  if (given.book.journalFull()) return refuse(v, refusal.terminal_full, 0, given);
  if (tooWeak(p.value, tap.profile!.letter)) return refuse(v, refusal.profile_too_weak, 0, given);
  if (wrongKind(p.value, tap.want)) return refuse(v, refusal.wrong_kind, 0, given);
  const code = tap.profile!.genuine(tap, p, v.settings, given);
  if (code !== 0) return refuse(v, code, 0, given);
  tap.presented = p;
  if (p.intent === intent.use) return use(v, tap, p, given);
  return p.intent === intent.resume ? resume(v, tap, p, given) : inquire(v, tap, p, given);
}

// ---- use --------------------------------------------------------------------------------------------------------------

/** greeted → answered: the pending receipt of this very step again, or a new one. No write: its signature proves it later. */
function use(v: Verifier, tap: Tap, p: Presented, given: Given): Effect[] {
  const found = judgeUse({
    profile: tap.profile!.letter, value: p.value, newest: p.newest, undone: p.undone !== undefined, want: tap.want, zones: v.settings.zones, taking: v.settings.taking,
  }, given);
  if (found.code !== 0) return refuse(v, found.code, found.since, given);
  if (v.settings.profiles[0]!.isUnpaid(v.settings, tap.want.amount, given)) return refuse(v, refusal.out_of_service, 0, given);
  const receipt = nextReceipt(v, tap, p, given);
  const pending = pendingFor(v, receipt, given);
  if (pending !== undefined) {
    tap.receipt = pending.receipt;
    tap.receiptBytes = pending.bytes;
    return answer(v, pending.proof, given);
  }
  tap.receipt = receipt;
  tap.receiptBytes = encodeReceipt(receipt);
  const toSign = tap.profile!.toSign("receipt", tap.receiptBytes);
  if (toSign === undefined) return answer(v, tap.profile!.mac("receipt", tap.receiptBytes, v.settings, given), given);
  become(v, "signing", v.deadline);
  return [{ do: "sign", number: ++v.asked, message: toSign }];
}

function answer(v: Verifier, proof: Uint8Array | undefined, given: Given): Effect[] {
  const tap = v.tap!;
  if (proof === undefined) return fallOut(v);
  tap.proof = proof;
  remember(v, tap);
  tap.answer = tap.profile!.grantedMessage(tap, { receipt: tap.receipt!, bytes: tap.receiptBytes, proof: proof }, given);
  become(v, "answered", given.nowMs + limits.acknowledgementWithinMs);
  return [send(tap.answer, false)];
}

/** answered → recording: the value's own key agreed to exactly this receipt (U7). */
function acknowledged(v: Verifier, tap: Tap, bytes: Uint8Array, given: Given): Effect[] {
  const evidence = tap.profile!.evidence(tap, bytes, tap.receiptBytes, given);
  if (evidence === undefined) return ignored(v, tap);
  const found = mayFinish(tap.receipt!, given);
  if (found.code !== 0) return refuse(v, found.code, found.since, given);
  tap.heard = bytes;
  tap.answer = undefined;
  return record(v, tap, evidence, true);
}

function record(v: Verifier, tap: Tap, evidence: Uint8Array, own: boolean): Effect[] {
  const value = tap.presented!.value;
  become(v, "recording", -1);
  return [{ do: "append", entry: {
    kind: "finished", profile: tap.profile!.letter, record: tap.profile!.record(v.settings.terminalId, tap.receiptBytes, tap.proof, evidence),
    valueKind: value.kind, own: own, ownerSequence: value.ownerSequence, statusIndex: value.statusIndex, expires: value.expires,
  } }];
}

function appended(v: Verifier, given: Given): Effect[] {
  switch (v.state) {
    case "recording": return letThrough(v, given);
    case "recording_reversal": v.reversing = undefined; return idle(v);
    case "closing": return idle(v);
    case "handing": return handed(v);
    default: return [];
  }
}

/** recording → open. */
function letThrough(v: Verifier, given: Given): Effect[] {
  const tap = v.tap!;
  forget(v, tap.receiptBytes);
  become(v, "open", given.nowMs + v.settings.passageMs);
  const effects: Effect[] = [{ do: "open" }, show(v, 0, 0)];
  if (tap.profile !== undefined) {
    tap.answer = tap.profile.outcomeMessage(tap, outcome.finished, 0, undefined, given);
    effects.push(send(tap.answer, true));
  }
  return effects;
}

/** open → idle. The outcome is durable before the next tap's append. */
function passed(v: Verifier, turned: boolean, given: Given): Effect[] {
  const tap = v.tap!;
  const effects: Effect[] = [];
  if (tap.receipt !== undefined) {
    effects.push({ do: "append_lazy", entry: { kind: "outcome", valueId: tap.receipt.valueId, counter: tap.receipt.counter, turned: turned, at: given.at, quality: given.quality } });
    effects.push(send(tap.profile!.outcomeMessage(tap, turned ? outcome.turned : outcome.not_turned, 0, undefined, given), true));
  }
  return effects.concat(idle(v));
}

function timeUp(v: Verifier, given: Given): Effect[] {
  if (v.state === "idle") return reverseOverdue(v, given);
  if (v.deadline < 0 || given.nowMs < v.deadline) return [];
  switch (v.state) {
    case "open": return passed(v, !v.settings.hasSensor, given);
    case "answered": {
      const said: Effect[] = [show(v, refusal.not_acknowledged, 0)];
      return said.concat(idle(v));
    }
    case "asking": return refuse(v, refusal.finish_elsewhere, 0, given);
    default: return idle(v);
  }
}

// ---- resume, inquire, reverse (`tap.md` §4) -----------------------------------------------------------------------------

/** The holder shows a receipt he stored and was not let through for; it is finished once, without a second charge. */
function resume(v: Verifier, tap: Tap, p: Presented, given: Given): Effect[] {
  tap.receipt = p.newest!;
  tap.receiptBytes = p.newestBytes;
  tap.proof = p.newestProof;
  const found = judgeResume(p, tap.want, v.settings, given);
  switch (found.then) {
    case "record": return record(v, tap, p.acknowledged!, true);
    case "reopen":
      become(v, "recording", -1);
      return [{ do: "append", entry: { kind: "reopened", valueId: tap.receipt.valueId, counter: tap.receipt.counter, at: given.at, quality: given.quality } }];
    case "ask":
      become(v, "asking", given.nowMs + limits.handoverWithinMs);
      return [{ do: "ask_owner", owner: found.owner, receipt: p.newestBytes, proof: p.newestProof }];
    case "undone": return tellReversal(v, tap, found.use, given);
    case "refuse": return refuse(v, found.verdict.code, found.verdict.since, given);
  }
}

function handedOver(v: Verifier, code: number, given: Given): Effect[] {
  const tap = v.tap!;
  if (code !== 0) return refuse(v, code < 0 ? refusal.finish_elsewhere : code, 0, given);
  return record(v, tap, tap.presented!.acknowledged!, false);
}

/** What the journal says of a receipt; never opens. */
function inquire(v: Verifier, tap: Tap, p: Presented, given: Given): Effect[] {
  const found = judgeInquiry(p, v.settings, given);
  return found.then === "undone" ? tellReversal(v, tap, found.use, given) : refuse(v, found.verdict.code, found.verdict.since, given);
}

function tellReversal(v: Verifier, tap: Tap, use: FinishedUse, given: Given): Effect[] {
  const kept = use.reversal!;
  const said: Effect[] = [show(v, refusal.credited, 0), send(tap.profile!.outcomeMessage(tap, outcome.reversal, kept.at, kept.proof, given), true)];
  return said.concat(idle(v));
}

/** A *not turned* whose time is over is signed away; from then on it does not pass again. */
function reverseOverdue(v: Verifier, given: Given): Effect[] {
  if (given.book.journalFull()) return [];
  const use = given.book.overdue(given.at, given.quality, v.settings.profiles);
  if (use === undefined) return [];
  const profile = v.settings.profiles.filter((x) => x.letter === use.profile)[0]!;
  const reversal = encodeReversal({
    terminal: profile.name(v.settings, given.crypto), tap: bytes4(use.tap), valueId: use.valueId, counter: use.counter, receipt: use.receiptDigest, reason: 1, at: given.at,
  });
  v.reversing = { use: use, reversal: reversal, at: given.at };
  become(v, "reversing", -1);
  const toSign = profile.toSign("credit", reversal);
  if (toSign === undefined) return reversalSigned(v, profile.mac("credit", reversal, v.settings, given));
  return [{ do: "sign", number: ++v.asked, message: toSign }];
}

function reversalSigned(v: Verifier, proof: Uint8Array | undefined): Effect[] {
  if (proof === undefined) return fallOut(v);
  become(v, "recording_reversal", -1);
  return [{ do: "append", entry: { kind: "reversal", reversal: v.reversing!.reversal, proof: proof } }];
}

// ---- handover and closing -------------------------------------------------------------------------------------------------

/** We are the owner: the right goes over durably before the new owner hears it. Asked again by the same, the same answer. */
function handOver(v: Verifier, by: Uint8Array, receiptBytes: Uint8Array, proof: Uint8Array, given: Given): Effect[] {
  const atRest = v.state === "idle" || v.state === "greeted" || v.state === "answered";
  const found = atRest ? judgeHandover(by, receiptBytes, proof, v.settings, given) : { code: refusal.busy, entry: undefined };
  if (found.entry === undefined) return [{ do: "handover_answer", to: by, receipt: receiptBytes, code: found.code }];
  forget(v, receiptBytes);
  v.handing = { to: by, receipt: receiptBytes, before: v.state, deadline: v.deadline };
  become(v, "handing", -1);
  return [{ do: "append", entry: found.entry }];
}

function handed(v: Verifier): Effect[] {
  const h = v.handing!;
  v.handing = undefined;
  become(v, h.before, h.deadline);
  return [{ do: "handover_answer", to: h.to, receipt: h.receipt, code: 0 }];
}

/** `closed` is said only after every open tap and pending receipt up to it has been dropped: it is final. */
function close(v: Verifier, tapNumber: number): Effect[] {
  if (v.state !== "idle") return [];
  v.pending = v.pending.filter((x) => x.tap > tapNumber);
  become(v, "closing", -1);
  return [{ do: "append", entry: { kind: "closed", tap: tapNumber } }];
}

// ---- one-way class --------------------------------------------------------------------------------------------------------

function heardBeacon(v: Verifier, bytes: Uint8Array, given: Given): Effect[] {
  if (v.state !== "idle" && v.state !== "greeted") return [];
  const reads = v.settings.profiles[0]!.beacon;
  const found = reads === undefined ? undefined : reads(bytes, v.settings, given);
  if (found === undefined) return [];
  if (found.entry === undefined) return [{ do: "show", code: found.verdict.code, since: found.verdict.since, value: found.value, receipt: undefined }];
  if (v.tap !== undefined) closeTap(v.tap);
  v.tap = newTap(0, v.settings.want, none, none, none);
  become(v, "recording", -1);
  return [{ do: "append", entry: found.entry }];
}
