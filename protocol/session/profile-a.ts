/**
 * Profile A at the terminal: everything after `hello` is sealed to this terminal, everything that counts is signed.
 * Three signatures are verified in a use: the provider's on the value, the value key's proof, the holder's acknowledgement;
 * a fourth on an earlier receipt (`tap.md` §10).
 */
import type { Crypto } from "../crypto/crypto.js";
import { pointFromX } from "../crypto/crypto.js";
import { refusal, helpNumber } from "../refusal.js";
import { limits } from "../limits.js";
import { equal } from "../wire/bytes.js";
import { certificateId, decodeTerminalCertificate, terminalToSign } from "../wire/certificate.js";
import {
  decodePresentation, decodeSealed, decodeShown, encodeAnswer, encodeCertificate, encodeOutcome, encodeSealed, type,
} from "../wire/message.js";
import {
  acknowledgementToSign, decodeReceipt, decodeReversal, encodeFinishedA, receiptKind, receiptToSign, reversalToSign, type Receipt,
} from "../wire/receipt.js";
import { decodeValue, valueToSign } from "../wire/value.js";
import type { Given } from "./book.js";
import { beaconVerdict } from "./oneway.js";
import { coherent, findKey, provedStep, type Presented, type Proved, type Tap, type TerminalProfile } from "./profile.js";
import { channel, none, openMessage, presentationToSign, sealMessage, transcriptA } from "./transcript.js";
import type { VerifierSettings } from "./events.js";

function peer(bytes: Uint8Array): Uint8Array | undefined {
  const message = decodePresentation(bytes);
  return message === undefined ? undefined : pointFromX(message.ephemeral);
}

function open(tap: Tap, shared: Uint8Array, s: VerifierSettings, given: Given): Presented | undefined {
  const message = decodePresentation(tap.presentation!)!;
  if (!setUp(tap, message.ephemeral, shared, s, given.crypto)) return undefined;
  const plain = openMessage(given.crypto, tap.channel!.toTerminal, 0, type.presentation, message.sealed);
  if (plain === undefined) return undefined;
  tap.secured = true;
  return read(plain);
}

/** TH and both keys; false when the handset's point is none. */
function setUp(tap: Tap, ephemeral: Uint8Array, shared: Uint8Array, s: VerifierSettings, crypto: Crypto): boolean {
  const withEphemeral = crypto.agree(tap.secret, pointFromX(ephemeral));
  if (withEphemeral === undefined) return false;
  tap.transcript = transcriptA(crypto, tap.hello, crypto.sha256(s.certificate!.signed.claims), ephemeral);
  tap.channel = channel(crypto, tap.transcript, shared, withEphemeral);
  return true;
}

function read(plain: Uint8Array): Presented | undefined {
  const shown = decodeShown(plain);
  if (shown === undefined) return undefined;
  const value = decodeValue(shown.value.claims);
  if (value === undefined || value.holderKey.length === 0) return undefined;
  const newest = shown.newest === undefined ? undefined : decodeReceipt(shown.newest.receipt);
  const undone = shown.undone === undefined ? undefined : decodeReversal(shown.undone.reversal);
  if ((newest === undefined) !== (shown.newest === undefined) || (undone === undefined) !== (shown.undone === undefined)) return undefined;
  return {
    intent: shown.intent, value: value, claims: shown.value.claims, kid: shown.value.kid, signature: shown.value.signature,
    newest: newest, newestBytes: shown.newest === undefined ? none : shown.newest.receipt, newestProof: shown.newest === undefined ? none : shown.newest.signature,
    proof: shown.proof, acknowledged: shown.acknowledged, certificate: shown.certificate,
    undone: undone, undoneBytes: shown.undone === undefined ? none : shown.undone.reversal, undoneProof: shown.undone === undefined ? none : shown.undone.signature,
  };
}

/** Code 9 before code 10: whatever can be verified is, before a missing certificate is named. */
function genuine(tap: Tap, p: Presented, s: VerifierSettings, given: Given): number {
  const crypto = given.crypto;
  if (!coherent(p, crypto)) return refusal.not_genuine;
  const provider = findKey(s.valueKeys, p.kid);
  if (provider === undefined || !crypto.verify(provider, valueToSign(p.kid, p.claims), p.signature)) return refusal.not_genuine;
  if (!crypto.verify(p.value.holderKey, presentationToSign(tap.transcript, provedStep(tap, p, crypto)), p.proof)) return refusal.not_genuine;
  if (p.acknowledged !== undefined && !crypto.verify(p.value.holderKey, acknowledgementToSign(crypto, p.newestBytes), p.acknowledged)) return refusal.not_genuine;
  const receipt = p.newest === undefined ? 0 : receiptGenuine(p, p.newest, s, given);
  const reversal = p.undone === undefined ? 0 : signedBy(p.undone.terminal, p, s, given, reversalToSign(p.undoneBytes), p.undoneProof);
  if (receipt === refusal.not_genuine || reversal === refusal.not_genuine) return refusal.not_genuine;
  return receipt !== 0 ? receipt : reversal;
}

function receiptGenuine(p: Presented, newest: Receipt, s: VerifierSettings, given: Given): number {
  const message = receiptToSign(p.newestBytes);
  if (newest.kind !== receiptKind.host) return signedBy(newest.terminal, p, s, given, message, p.newestProof);
  return s.valueKeys.some((key) => given.crypto.verify(key.publicKey, message, p.newestProof)) ? 0 : refusal.not_genuine;
}

function signedBy(terminal: Uint8Array, p: Presented, s: VerifierSettings, given: Given, message: Uint8Array, signature: Uint8Array): number {
  const key = terminalKey(terminal, p, s, given);
  if (key === undefined) return refusal.terminal_unknown;
  return given.crypto.verify(key, message, signature) ? 0 : refusal.not_genuine;
}

/** Signing key of the terminal that a receipt names: ourselves, one we know, or one whose certificate is shown along. */
function terminalKey(terminal: Uint8Array, p: Presented, s: VerifierSettings, given: Given): Uint8Array | undefined {
  const key = knownKey(terminal, s, given);
  if (key !== undefined) return key;
  const shown = p.certificate;
  if (shown === undefined || !equal(certificateId(given.crypto, shown.claims), terminal)) return undefined;
  const provider = findKey(s.certificateKeys, shown.kid);
  if (provider === undefined || !given.crypto.verify(provider, terminalToSign(shown.kid, shown.claims), shown.signature)) return undefined;
  const decoded = decodeTerminalCertificate(shown.claims);
  return decoded === undefined ? undefined : decoded.signingKey;
}

function knownKey(terminal: Uint8Array, s: VerifierSettings, given: Given): Uint8Array | undefined {
  if (equal(terminal, certificateId(given.crypto, s.certificate!.signed.claims))) return s.certificate!.decoded.signingKey;
  const known = given.book.terminal(terminal);
  return known === undefined || known.certificate === undefined ? undefined : known.certificate.signingKey;
}

function toSign(className: "receipt" | "credit", payload: Uint8Array): Uint8Array | undefined {
  return className === "receipt" ? receiptToSign(payload) : reversalToSign(payload);
}

function noMac(): Uint8Array {
  return none;
}

function sealed(tap: Tap, number: number, plain: Uint8Array, given: Given): Uint8Array {
  return encodeSealed(number, sealMessage(given.crypto, tap.channel!.toHandset, tap.sent++, number, plain));
}

function grantedMessage(tap: Tap, proved: Proved, given: Given): Uint8Array {
  const r = proved.receipt;
  return sealed(tap, type.answer, encodeAnswer({ granted: {
    tap: r.tap, after: r.after, at: r.at, quality: r.quality, until: r.until, base: r.base, proof: proved.proof, fold: r.fold,
  } }), given);
}

function refusedMessage(tap: Tap, code: number, since: number, given: Given): Uint8Array {
  return sealed(tap, type.answer, encodeAnswer({ refused: { refusal: code, since: since, help: helpNumber(code) } }), given);
}

function outcomeMessage(tap: Tap, code: number, at: number, proof: Uint8Array | undefined, given: Given): Uint8Array {
  return sealed(tap, type.outcome, encodeOutcome({ code: code, at: at, signature: proof }), given);
}

/** The second message of the handset: 64 bare signature bytes, sealed. */
function evidence(tap: Tap, bytes: Uint8Array, receipt: Uint8Array, given: Given): Uint8Array | undefined {
  const message = decodeSealed(bytes, type.acknowledgement);
  if (message === undefined) return undefined;
  const signature = openMessage(given.crypto, tap.channel!.toTerminal, 1, type.acknowledgement, message);
  if (signature === undefined || signature.length !== 64) return undefined;
  const key = tap.presented!.value.holderKey;
  return given.crypto.verify(key, acknowledgementToSign(given.crypto, receipt), signature) ? signature : undefined;
}

function madeBy(terminal: Uint8Array, receipt: Uint8Array, proof: Uint8Array, s: VerifierSettings, given: Given): boolean {
  const key = s.certificate === undefined || proof.length !== 64 ? undefined : knownKey(terminal, s, given);
  return key !== undefined && given.crypto.verify(key, receiptToSign(receipt), proof);
}

function record(terminalId: Uint8Array, receipt: Uint8Array, proof: Uint8Array, acknowledged: Uint8Array): Uint8Array {
  return encodeFinishedA({ terminalId: terminalId, receipt: receipt, signature: proof, acknowledgement: acknowledged });
}

function name(s: VerifierSettings, crypto: Crypto): Uint8Array {
  return s.certificate === undefined ? s.terminalId : certificateId(crypto, s.certificate.signed.claims);
}

/** The x of a fresh key. */
function nonce(secret: Uint8Array, crypto: Crypto): Uint8Array | undefined {
  const point = crypto.publicKey(secret);
  return point === undefined ? undefined : point.subarray(1);
}

/**
 * By our own clock nobody would pay for what we take now: the certificate has not begun, or is past its grace of half its life,
 * or is in that grace and the amount above a tenth of its limit (`trust.md` §2). A clock that is wrong so far must not take
 * anybody's value either.
 */
function isUnpaid(s: VerifierSettings, amount: number, given: Given): boolean {
  if (s.certificate === undefined) return true;
  if (given.quality < 2) return false;
  const c = s.certificate.decoded;
  if (given.at < c.notBefore - limits.clockSlackSeconds || given.at > c.expires + (c.expires - c.notBefore) / 2) return true;
  return given.at > c.expires + limits.clockSlackSeconds && amount * 10 > Math.max(10, c.most);
}

function certificate(s: VerifierSettings): Uint8Array | undefined {
  return encodeCertificate(s.certificate!.signed);
}

export const profileA: TerminalProfile = {
  letter: "A", peer: peer, open: open, genuine: genuine, toSign: toSign, mac: noMac, grantedMessage: grantedMessage,
  refusedMessage: refusedMessage, outcomeMessage: outcomeMessage, evidence: evidence, madeBy: madeBy, record: record, name: name, nonce: nonce, isUnpaid: isUnpaid, certificate: certificate,
  beacon: beaconVerdict,
};
