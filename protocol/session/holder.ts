/**
 * The handset's half of a tap: the second table of `tap.md` §3. Nothing is revealed before the terminal's certificate
 * has been checked, and nothing is acknowledged before its receipt is durable.
 *
 * `hold(h, input, given)` takes one event and answers what to do, in order. The wallet behind it chooses the value and
 * keeps the newest receipts; private keys are asked for by effect.
 */
import { checkCertificate, type TrustVerdict } from "./trusting.js";
import type { HeldCertificate, ProviderKey } from "./book.js";
import { counterAfter, spentBefore } from "./judge.js";
import { handsetA } from "./holder-a.js";
import { handsetB } from "./holder-b.js";
import { none } from "./transcript.js";
import type { HandsetProfile, Meeting } from "./meeting.js";
import type { Crypto } from "../crypto/crypto.js";
import { limits } from "../limits.js";
import { helpNumber, refusal } from "../refusal.js";
import { equal } from "../wire/bytes.js";
import { certificateId, decodeTerminalCertificate, type SignedClaims } from "../wire/certificate.js";
import * as m from "../wire/message.js";
import { acknowledgementToSign, decodeReceipt, encodeReceipt, encodeReversal, receiptKind, type Receipt } from "../wire/receipt.js";
import { digest16, unit, type Value } from "../wire/value.js";

/** A value (profile A) or a grant (profile B) as the wallet holds it. */
export interface Held {
  profile: "A" | "B";
  /** A: claims and the provider's signature. B: grant and its 8-byte MAC in `signature`, `kid` empty. */
  signed: SignedClaims;
  value: Value;
  /** Names the private key that proves and acknowledges: the value id, for grants that of the value they were carved from. */
  key: Uint8Array;
  /** B: the grant's key K. */
  grantKey: Uint8Array;
  /** The newest receipt, its signature or MAC, and the certificate behind it where known. */
  newest: { receipt: Uint8Array; proof: Uint8Array; certificate: SignedClaims | undefined } | undefined;
  /** A reversal of the newest receipt, to be folded into the next step. */
  undone: { reversal: Uint8Array; signature: Uint8Array } | undefined;
  /** `intent.use`, or what the holder answered to *were you let through?*: `resume` on no, `inquire` to find out. */
  intent: number;
  /** The terminal did not know the certificate behind the newest receipt: show it along. */
  showCertificate: boolean;
}

/** What the handset keeps, asked by the holder. Answers from durable storage only. */
export interface Wallet {
  /** The value for this terminal; undefined: nothing to show. For grants, group and epoch must be those of the hello. */
  choose(hello: m.Hello): Held | undefined;
  /** A certificate met or delivered before, by its id; it is checked again. */
  certificate(id: Uint8Array): HeldCertificate | undefined;
  /** True for a terminal id or certificate id that a revocation names. */
  terminalRevoked(id: Uint8Array): boolean;
}

export interface HolderGiven { nowMs: number; at: number; quality: number; crypto: Crypto; wallet: Wallet }

export interface HolderSettings {
  /** The provider's keys for terminal certificates. */
  certificateKeys: ProviderKey[];
  /** Money up to this is paid without a question, minor units; uses up to that many are. */
  silentAmount: number;
  silentUses: number;
}

export type HolderInput =
  /** A hello arrived; `secret`: 32 fresh random bytes. */
  | { type: "hello"; bytes: Uint8Array; secret: Uint8Array }
  | { type: "message"; bytes: Uint8Array }
  | { type: "confirmed"; yes: boolean }
  /** `number` as in the effect that asked: a signature for a tap that is over answers nothing. */
  | { type: "signed"; number: number; signature: Uint8Array | undefined }
  | { type: "stored" }
  | { type: "store_failed" }
  | { type: "time" };

export type HolderEffect =
  | { do: "send"; bytes: Uint8Array; last: boolean }
  /** Answered by `confirmed`. `warning`: the certificate is past its end, in its grace. */
  | { do: "ask_person"; terminal: string; merchant: string; action: number; amount: number; currency: number | undefined; kind: string; warning: boolean }
  | { do: "sign"; number: number; key: Uint8Array; message: Uint8Array }
  /** Keep for next time: a checked certificate. No answer. */
  | { do: "keep_certificate"; id: Uint8Array; certificate: HeldCertificate }
  /** Durable as newest and unresolved before `stored` is said. */
  | { do: "store"; valueId: Uint8Array; counter: number; receipt: Uint8Array; proof: Uint8Array; certificate: SignedClaims | undefined }
  /** The receipt's question is answered; lazily durable. */
  | { do: "resolved"; valueId: Uint8Array; counter: number; outcome: "finished" | "turned" | "used" }
  /** The turnstile did not turn: walk through again here (next time with intent `resume`). */
  | { do: "walk_again"; valueId: Uint8Array; counter: number }
  /** The use was undone; kept with the receipt and shown as `undone`. */
  | { do: "store_reversal"; valueId: Uint8Array; counter: number; reversal: Uint8Array; proof: Uint8Array }
  /** Next time the certificate behind the newest receipt is shown along. */
  | { do: "show_certificate"; valueId: Uint8Array }
  /** A refusal to show; `since` and `help` as the terminal said. */
  | { do: "show"; code: number; since: number; help: number }
  | { do: "done" };

export type HolderState = "ready" | "checking" | "asking" | "proving" | "acknowledging_again" | "presented" | "storing" | "acknowledging" | "acknowledged";

export interface Holder { settings: HolderSettings; state: HolderState; deadline: number; meeting: Meeting | undefined; /** Number of the newest `sign`. */ asked: number }

export function makeHolder(settings: HolderSettings): Holder {
  return { settings: settings, state: "ready", deadline: -1, meeting: undefined, asked: 0 };
}

/** When `hold` wants an input `time` at the latest, or −1. */
export function holderDeadline(h: Holder): number {
  return h.deadline;
}

export function hold(h: Holder, input: HolderInput, given: HolderGiven): HolderEffect[] {
  switch (input.type) {
    case "hello": return meet(h, input.bytes, input.secret, given);
    case "message": return hear(h, input.bytes, given);
    case "confirmed": return h.state === "asking" ? (input.yes ? prove(h, given) : decline(h, m.asking.declined)) : [];
    case "signed": return input.number === h.asked ? signed(h, input.signature, given) : [];
    case "stored": return h.state === "storing" ? acknowledge(h, given) : [];
    case "store_failed": return h.state === "storing" ? leave(h) : [];
    case "time": return h.deadline >= 0 && given.nowMs >= h.deadline ? leave(h) : [];
  }
}

function become(h: Holder, state: HolderState, until: number): void {
  h.state = state;
  h.deadline = until;
}

/** Ends a meeting, if there is one: its keys are erased, its certificate is kept. */
function forget(h: Holder): HolderEffect[] {
  const t = h.meeting;
  h.meeting = undefined;
  if (t === undefined) return [];
  t.secret.fill(0);
  if (t.channel !== undefined) { t.channel.toTerminal.fill(0); t.channel.toHandset.fill(0); }
  return keepMet(t);
}

/** Whatever is durable decides. */
function leave(h: Holder): HolderEffect[] {
  const kept = forget(h);
  become(h, "ready", -1);
  return kept.concat([{ do: "done" }]);
}

/** A certificate that was met and checked is kept once the tap has ended: nobody stands before a gate and waits for that write. */
function keepMet(t: Meeting | undefined): HolderEffect[] {
  if (t === undefined || t.certificate === undefined || t.certificateKept) return [];
  t.certificateKept = true;
  return [{ do: "keep_certificate", id: t.hello.terminal, certificate: t.certificate }];
}

function decline(h: Holder, what: number): HolderEffect[] {
  const said: HolderEffect[] = [{ do: "send", bytes: m.encodeAsk(what), last: true }];
  return said.concat(leave(h));
}

/** No common version or profile: nothing is revealed, and the holder is told. */
function unsupported(h: Holder): HolderEffect[] {
  const said: HolderEffect[] = [{ do: "show", code: refusal.unsupported_version, since: 0, help: helpNumber(refusal.unsupported_version) }];
  return said.concat(decline(h, m.asking.declined));
}

function showAndLeave(h: Holder, code: number, since: number, help: number): HolderEffect[] {
  const said: HolderEffect[] = [{ do: "show", code: code, since: since, help: help }];
  return said.concat(leave(h));
}

function profileOf(t: Meeting): HandsetProfile {
  return t.held.profile === "A" ? handsetA : handsetB;
}

// ---- who is this? -----------------------------------------------------------------------------------------------------

function meet(h: Holder, bytes: Uint8Array, secret: Uint8Array, given: HolderGiven): HolderEffect[] {
  if (h.state === "storing" || h.state === "acknowledging") return [];
  const version = m.helloVersion(bytes);
  if (version < 0) return [];
  return forget(h).concat(greeted(h, bytes, version, secret, given));
}

function greeted(h: Holder, bytes: Uint8Array, version: number, secret: Uint8Array, given: HolderGiven): HolderEffect[] {
  const hello = m.decodeHello(bytes);
  if (hello === undefined) return version === m.protocolVersion ? decline(h, m.asking.declined) : unsupported(h);
  if ((hello.offer & (m.offer.profileA | m.offer.profileB)) === 0) return unsupported(h);
  const held = given.wallet.choose(hello);
  if (held === undefined) return decline(h, m.asking.nothing_to_show);
  if ((hello.offer & (held.profile === "A" ? m.offer.profileA : m.offer.profileB)) === 0) return unsupported(h);
  h.meeting = {
    hello: hello, helloBytes: bytes, secret: secret, held: held, newest: held.newest === undefined ? undefined : decodeReceipt(held.newest.receipt), certificate: undefined,
    certificateKept: false, ephemeral: none, transcript: none, channel: undefined, step: none, proof: none, acknowledged: undefined, receipt: undefined, receiptBytes: none, heard: 0,
  };
  if (held.profile === "B") return ask(h, { trusted: true, warning: false, most: 0 }, given);
  const known = given.wallet.certificate(hello.terminal);
  if (known !== undefined) { h.meeting.certificateKept = true; return trust(h, known, given); }
  become(h, "checking", given.nowMs + limits.answerWithinMs);
  return [{ do: "send", bytes: m.encodeAsk(m.asking.certificate), last: false }];
}

function hear(h: Holder, bytes: Uint8Array, given: HolderGiven): HolderEffect[] {
  switch (m.messageType(bytes)) {
    case m.type.certificate: return h.state === "checking" ? certified(h, bytes, given) : [];
    case m.type.answer: return h.state === "presented" ? answered(h, bytes, given) : [];
    case m.type.outcome: return h.state === "acknowledged" || h.state === "presented" ? ended(h, bytes, given) : [];
    case m.type.stop: return stopped(h, bytes);
    default: return [];
  }
}

/** A hint that nobody believes for money: after a receipt is stored it changes nothing. */
function stopped(h: Holder, bytes: Uint8Array): HolderEffect[] {
  const code = m.decodeStop(bytes);
  const waiting = h.state === "checking" || h.state === "presented" || h.state === "ready";
  return code > 0 && waiting ? showAndLeave(h, code, 0, 0) : [];
}

function certified(h: Holder, bytes: Uint8Array, given: HolderGiven): HolderEffect[] {
  const signedClaims = m.decodeCertificate(bytes);
  const decoded = signedClaims === undefined ? undefined : decodeTerminalCertificate(signedClaims.claims);
  if (signedClaims === undefined || decoded === undefined) return decline(h, m.asking.not_trusted);
  if (!equal(certificateId(given.crypto, signedClaims.claims), h.meeting!.hello.terminal)) return decline(h, m.asking.not_trusted);
  return trust(h, { signed: signedClaims, decoded: decoded }, given);
}

function trust(h: Holder, certificate: HeldCertificate, given: HolderGiven): HolderEffect[] {
  const t = h.meeting!;
  const found = checkCertificate(certificate, t.certificateKept, t.hello, t.held, h.settings, given);
  if (!found.trusted) return decline(h, m.asking.not_trusted);
  t.certificate = certificate;
  return ask(h, found, given);
}

/** Above the holder's silent limit a person decides, seeing who asks for what. */
function ask(h: Holder, found: TrustVerdict, given: HolderGiven): HolderEffect[] {
  const t = h.meeting!;
  const want = t.hello.want;
  const silent = t.held.value.unit === unit.money ? h.settings.silentAmount : h.settings.silentUses;
  if ((want.amount <= silent && !found.warning) || t.held.intent !== m.intent.use) return prove(h, given);
  become(h, "asking", -1);
  const c = t.certificate === undefined ? undefined : t.certificate.decoded;
  return [{
    do: "ask_person", terminal: c === undefined ? "" : c.name, merchant: c === undefined ? "" : c.merchant, action: want.action, amount: want.amount,
    currency: want.currency, kind: t.held.value.kind, warning: found.warning,
  }];
}

// ---- showing ----------------------------------------------------------------------------------------------------------

function prove(h: Holder, given: HolderGiven): HolderEffect[] {
  const t = h.meeting!;
  const profile = profileOf(t);
  if (!profile.setUp(t, given.crypto)) return decline(h, m.asking.not_trusted);
  t.step = m.encodeStep(stepOf(t, given.crypto));
  const toSign = profile.proofToSign(t);
  if (toSign !== undefined) {
    become(h, "proving", -1);
    return [{ do: "sign", number: ++h.asked, key: t.held.key, message: toSign }];
  }
  return proved(h, given);
}

function stepOf(t: Meeting, crypto: Crypto): m.Step {
  const held = t.held;
  const shown = held.intent === m.intent.use ? undefined : t.newest;
  if (shown !== undefined) {
    return { intent: held.intent, valueId: held.value.valueId, counter: shown.counter, previous: shown.previous, action: shown.action, amount: shown.amount };
  }
  return {
    intent: m.intent.use, valueId: held.value.valueId, counter: counterAfter(t.newest), previous: previousOf(t, crypto), action: t.hello.want.action, amount: t.hello.want.amount,
  };
}

function previousOf(t: Meeting, crypto: Crypto): Uint8Array {
  return digest16(crypto, t.held.newest === undefined ? t.held.signed.claims : t.held.newest.receipt);
}

/** A resume shows the acknowledgement of the stored receipt along. */
function proved(h: Holder, given: HolderGiven): HolderEffect[] {
  const t = h.meeting!;
  if (t.held.intent !== m.intent.resume || t.held.newest === undefined) return present(h, given);
  become(h, "acknowledging_again", -1);
  return [{ do: "sign", number: ++h.asked, key: t.held.key, message: acknowledgementToSign(given.crypto, t.held.newest.receipt) }];
}

function signed(h: Holder, signature: Uint8Array | undefined, given: HolderGiven): HolderEffect[] {
  const t = h.meeting;
  if (t === undefined) return [];
  if (signature === undefined) return h.state === "acknowledging" ? leave(h) : decline(h, m.asking.declined);
  switch (h.state) {
    case "proving": t.proof = signature; return proved(h, given);
    case "acknowledging_again": t.acknowledged = signature; return present(h, given);
    case "acknowledging":
      become(h, "acknowledged", given.nowMs + limits.answerWithinMs);
      return [{ do: "send", bytes: profileOf(t).acknowledgement(t, signature, given.crypto), last: false }];
    default: return [];
  }
}

function present(h: Holder, given: HolderGiven): HolderEffect[] {
  const t = h.meeting!;
  become(h, "presented", given.nowMs + limits.answerWithinMs);
  return [{ do: "send", bytes: profileOf(t).presentation(t, given.crypto), last: false }];
}

// ---- the answer ---------------------------------------------------------------------------------------------------------

function answered(h: Holder, bytes: Uint8Array, given: HolderGiven): HolderEffect[] {
  const t = h.meeting!;
  const answer = profileOf(t).answer(t, bytes, given.crypto, (g) => rebuilt(t, g, given.crypto));
  if (answer === undefined) return [];
  if ("refused" in answer) return refused(h, t, answer.refused);
  if (t.held.intent !== m.intent.use || !asAsked(t, answer.granted, given.crypto)) return showAndLeave(h, refusal.not_genuine, 0, 0);
  t.receipt = rebuilt(t, answer.granted, given.crypto);
  t.receiptBytes = encodeReceipt(t.receipt);
  become(h, "storing", -1);
  return [{
    do: "store", valueId: t.receipt.valueId, counter: t.receipt.counter, receipt: t.receiptBytes, proof: answer.granted.proof,
    certificate: t.certificate === undefined ? undefined : t.certificate.signed,
  }];
}

/** The receipt that both sides build: only what the handset cannot derive was sent. */
function rebuilt(t: Meeting, g: m.Granted, crypto: Crypto): Receipt {
  const want = t.hello.want;
  return {
    kind: receiptKind.use, terminal: t.hello.terminal, tap: g.tap, valueId: t.held.value.valueId, counter: counterAfter(t.newest), previous: previousOf(t, crypto),
    action: want.action, amount: want.amount, after: g.after, at: g.at, quality: g.quality, until: g.until, base: g.base, fold: g.fold,
  };
}

/** A receipt that reads, after = before + amount, the base unchanged, and a reversal folded in only if one was shown. */
function asAsked(t: Meeting, g: m.Granted, crypto: Crypto): boolean {
  const undone = t.held.undone;
  if (g.after !== spentBefore(t.newest, undone !== undefined) + t.hello.want.amount) return false;
  const base = t.newest === undefined ? undefined : t.newest.base;
  const sameBase = base === undefined || g.base === undefined ? base === g.base : base.counter === g.base.counter && base.spent === g.base.spent && base.day === g.base.day;
  if (!sameBase) return false;
  if (undone === undefined || g.fold === undefined) return undone === undefined && g.fold === undefined;
  return equal(g.fold, digest16(crypto, undone.reversal));
}

function refused(h: Holder, t: Meeting, r: m.Refused): HolderEffect[] {
  const effects: HolderEffect[] = [];
  const valueId = t.held.value.valueId;
  if (t.held.intent !== m.intent.use && r.refusal === refusal.already_used && t.newest !== undefined) {
    effects.push({ do: "resolved", valueId: valueId, counter: t.newest.counter, outcome: "used" });
  }
  if (r.refusal === refusal.terminal_unknown) effects.push({ do: "show_certificate", valueId: valueId });
  return effects.concat(showAndLeave(h, r.refusal, r.since, r.help));
}

/** The receipt is durable: from here no older state is shown and no other receipt of this counter acknowledged. */
function acknowledge(h: Holder, given: HolderGiven): HolderEffect[] {
  const t = h.meeting!;
  become(h, "acknowledging", -1);
  return [{ do: "sign", number: ++h.asked, key: t.held.key, message: acknowledgementToSign(given.crypto, t.receiptBytes) }];
}

/** `finished` may be followed by how the passage went, so the handset listens on for a while. */
function ended(h: Holder, bytes: Uint8Array, given: HolderGiven): HolderEffect[] {
  const t = h.meeting!;
  const receipt = h.state === "presented" ? t.newest : t.receipt;
  const said = receipt === undefined ? undefined : profileOf(t).outcome(t, bytes, given.crypto);
  if (said === undefined || receipt === undefined || (h.state === "presented" && t.held.intent === m.intent.use)) return [];
  const receiptBytes = h.state === "presented" ? t.held.newest!.receipt : t.receiptBytes;
  t.receipt = receipt;
  t.receiptBytes = receiptBytes;
  const valueId = receipt.valueId;
  switch (said.code) {
    case m.outcome.finished: {
      become(h, "acknowledged", given.nowMs + limits.passageMs + limits.answerWithinMs);
      const finished: HolderEffect[] = [{ do: "resolved", valueId: valueId, counter: receipt.counter, outcome: "finished" }];
      return finished.concat(keepMet(t));
    }
    case m.outcome.turned: {
      const turned: HolderEffect[] = [{ do: "resolved", valueId: valueId, counter: receipt.counter, outcome: "turned" }];
      return turned.concat(leave(h));
    }
    case m.outcome.not_turned: {
      const again: HolderEffect[] = [{ do: "walk_again", valueId: valueId, counter: receipt.counter }];
      return again.concat(leave(h));
    }
    default: return reversed(h, t, receipt, receiptBytes, said, given);
  }
}

function reversed(h: Holder, t: Meeting, receipt: Receipt, receiptBytes: Uint8Array, said: m.Outcome, given: HolderGiven): HolderEffect[] {
  const proof = said.signature!;
  for (const terminal of [receipt.terminal, t.hello.terminal]) {
    const reversal = encodeReversal({
      terminal: terminal, tap: receipt.tap, valueId: receipt.valueId, counter: receipt.counter, receipt: digest16(given.crypto, receiptBytes), reason: 1, at: said.at,
    });
    if (!profileOf(t).reversalGenuine(t, reversal, proof, given.crypto)) continue;
    const kept: HolderEffect[] = [{ do: "store_reversal", valueId: receipt.valueId, counter: receipt.counter, reversal: reversal, proof: proof }];
    return kept.concat(showAndLeave(h, refusal.credited, 0, 0));
  }
  return [];
}
