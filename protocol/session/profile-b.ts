/**
 * Profile B at the terminal: nothing is secret on the air, everything is authenticated by eight-byte MACs, and the board
 * needs SHA-256 only. The holder's evidence passes through it to the host, which alone verifies it (`tap.md` §6).
 */
import { helpNumber, refusal } from "../refusal.js";
import { equal, join } from "../wire/bytes.js";
import { encodeAnswer, type Answer } from "../wire/message.js";
import { decodeAcknowledgementB, decodePresentationB, encodeAnswerB, encodeOutcomeB, type PresentationB } from "../wire/message-b.js";
import { decodeReceipt, encodeFinishedB, receiptKind } from "../wire/receipt.js";
import { decodeValue } from "../wire/value.js";
import type { Given } from "./book.js";
import { coherent, provedStep, type Presented, type Proved, type Tap, type TerminalProfile } from "./profile.js";
import { keyOfGrant, mac8, none, outcomeToMac, transcriptB } from "./transcript.js";
import type { VerifierSettings } from "./events.js";

function peer(bytes: Uint8Array, tap: Tap): Uint8Array | undefined {
  tap.read = decodePresentationB(bytes);
  return tap.read === undefined ? undefined : none;
}

/** Until the grant's MAC holds there is no key to protect an answer with. */
function open(tap: Tap, _shared: Uint8Array, s: VerifierSettings, given: Given): Presented | undefined {
  const message = tap.read!;
  const group = s.group!;
  tap.transcript = transcriptB(given.crypto, tap.hello, message.nonce);
  const presented = read(message);
  if (presented === undefined) return undefined;
  if (!equal(mac8(given.crypto, group.grantKey, "grant", none, message.grant), message.grantMac)) return undefined;
  tap.grantKey = keyOfGrant(given.crypto, group, presented.value.valueId);
  tap.secured = true;
  return presented;
}

function read(m: PresentationB): Presented | undefined {
  const value = decodeValue(m.grant);
  if (value === undefined || value.holderKey.length !== 0) return undefined;
  const newest = m.newest === undefined ? undefined : decodeReceipt(m.newest.receipt);
  if ((newest === undefined) !== (m.newest === undefined)) return undefined;
  return {
    intent: m.intent, value: value, claims: m.grant, kid: none, signature: m.grantMac, newest: newest,
    newestBytes: m.newest === undefined ? none : m.newest.receipt, newestProof: m.newest === undefined ? none : m.newest.mac,
    proof: m.proof, acknowledged: m.acknowledged, undone: undefined, undoneBytes: none, undoneProof: none, certificate: undefined,
  };
}

/** The grant's own MAC was checked on opening; what is left is the newest receipt and the fresh proof. */
function genuine(tap: Tap, p: Presented, s: VerifierSettings, given: Given): number {
  const crypto = given.crypto;
  if (!coherent(p, crypto)) return refusal.not_genuine;
  const covered = join([provedStep(tap, p, crypto), p.acknowledged === undefined ? none : p.acknowledged]);
  if (!equal(mac8(crypto, tap.grantKey, "presentation", tap.transcript, covered), p.proof)) return refusal.not_genuine;
  if (p.newest !== undefined) {
    if (p.newest.kind !== receiptKind.use) return refusal.not_genuine;
    if (!equal(mac8(crypto, s.group!.receiptKey, "receipt", none, p.newestBytes), p.newestProof)) return refusal.not_genuine;
  }
  return 0;
}

function toSign(): Uint8Array | undefined {
  return undefined;
}

function mac(className: "receipt" | "credit", payload: Uint8Array, s: VerifierSettings, given: Given): Uint8Array {
  return mac8(given.crypto, s.group!.receiptKey, className, none, payload);
}

/** The message's MAC covers the receipt's own: a receipt stored with a spoilt one could never be shown again. */
function grantedMessage(tap: Tap, proved: Proved, given: Given): Uint8Array {
  const r = proved.receipt;
  const answer: Answer = { granted: {
    tap: r.tap, after: r.after, at: r.at, quality: r.quality, until: r.until, base: r.base, proof: proved.proof, fold: r.fold,
  } };
  return encodeAnswerB(answer, mac8(given.crypto, tap.grantKey, "answer", tap.transcript, join([proved.bytes, proved.proof])));
}

function refusedMessage(tap: Tap, code: number, since: number, given: Given): Uint8Array {
  const answer: Answer = { refused: { refusal: code, since: since, help: helpNumber(code) } };
  return encodeAnswerB(answer, mac8(given.crypto, tap.grantKey, "answer", tap.transcript, encodeAnswer(answer)));
}

function outcomeMessage(tap: Tap, code: number, at: number, proof: Uint8Array | undefined, given: Given): Uint8Array {
  const whole = mac8(given.crypto, tap.grantKey, "outcome", tap.transcript, outcomeToMac(code, at, proof));
  return encodeOutcomeB({ code: code, at: at, reversalMac: proof, mac: whole });
}

/** The MAC binds the evidence to this tap; the evidence itself is verified at the host, or by boards that can. */
function evidence(tap: Tap, bytes: Uint8Array, receipt: Uint8Array, given: Given): Uint8Array | undefined {
  const message = decodeAcknowledgementB(bytes);
  if (message === undefined) return undefined;
  const covered = join([given.crypto.sha256(receipt), message.evidence]);
  return equal(mac8(given.crypto, tap.grantKey, "acknowledgement", tap.transcript, covered), message.mac) ? message.evidence : undefined;
}

function madeBy(_terminal: Uint8Array, receipt: Uint8Array, proof: Uint8Array, s: VerifierSettings, given: Given): boolean {
  return s.group !== undefined && proof.length === 8 && equal(mac("receipt", receipt, s, given), proof);
}

function record(_terminalId: Uint8Array, receipt: Uint8Array, proof: Uint8Array, acknowledged: Uint8Array): Uint8Array {
  return encodeFinishedB({ receipt: receipt, mac: proof, evidence: acknowledged });
}

function name(s: VerifierSettings): Uint8Array {
  return s.terminalId;
}

function nonce(secret: Uint8Array): Uint8Array | undefined {
  return secret.subarray(0, 8);
}

export const profileB: TerminalProfile = {
  letter: "B", peer: peer, open: open, genuine: genuine, toSign: toSign, mac: mac, grantedMessage: grantedMessage,
  refusedMessage: refusedMessage, outcomeMessage: outcomeMessage, evidence: evidence, madeBy: madeBy, record: record, name: name, nonce: nonce, isUnpaid: (s) => s.group === undefined, certificate: () => undefined,
  beacon: undefined,
};
