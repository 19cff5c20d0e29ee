/**
 * Each rule of the grammar that has a decoder, with the function that decodes and encodes again: what the grammar tests and
 * the fuzzers run. A rule that stands here is a promise; one that does not is only a part of others.
 */
import { readFileSync } from "node:fs";
import { readGrammar, type Makers } from "./cddl.js";
import { decodeStrictly } from "./cborg.js";
import { projectFile } from "../published.js";
import * as m from "../../protocol/wire/message.js";
import * as b from "../../protocol/wire/message-b.js";
import * as receipt from "../../protocol/wire/receipt.js";
import * as handsetLetters from "../../protocol/wire/handset-letters.js";
import * as claim from "../../protocol/wire/claim.js";
import * as groupKeys from "../../protocol/wire/group-keys.js";
import * as carry from "../../protocol/wire/carry.js";
import * as settle from "../../protocol/wire/settle.js";
import * as statement from "../../protocol/wire/statement.js";
import { decodeCharge, encodeCharge } from "../../protocol/wire/charge.js";
import { readPaired } from "../../protocol/wire/paired.js";
import * as order from "../../protocol/wire/order.js";
import * as letters from "../../protocol/wire/order-letters.js";
import * as issuing from "../../protocol/wire/issuing.js";
import * as parcels from "../../protocol/wire/parcel-letters.js";
import * as sync from "../../protocol/wire/sync.js";
import * as trust from "../../protocol/wire/trust.js";
import { decodeEncrypt, decodeEncrypt0, decodeMac0, encodeEncrypt, encodeEncrypt0, encodeMac0 } from "../../protocol/wire/cose.js";
import { decodeEntry, encodeEntry } from "../../protocol/wire/entry.js";
import { decodeMessage, encodeMessage, readEnvelope } from "../../protocol/wire/envelope.js";
import * as board from "../../protocol/wire/board-letters.js";
import * as provision from "../../protocol/wire/provision.js";
import { readEnvelopeB } from "../../protocol/wire/envelope-b.js";
import { decodeSigned, encodeSigned, type SignedType } from "../../protocol/wire/signed.js";
import { decodeValue, encodeValue } from "../../protocol/wire/value.js";
import { decodeTerminalCertificate, encodeTerminalCertificate } from "../../protocol/wire/certificate.js";
import { decodeRule, encodeRule } from "../../protocol/rule.js";
import { limits } from "../../protocol/limits.js";

export const grammarText = readFileSync(projectFile("protocol/protocol.cddl"), "utf8");
export const grammar = readGrammar(grammarText);

/** Decodes and encodes again; undefined when the code refuses. */
export type Codec = (bytes: Uint8Array) => Uint8Array | undefined;
function twoWays<T>(decoded: (b: Uint8Array) => T | undefined, encoded: (x: T) => Uint8Array): Codec {
  return (bytes) => {
    const x = decoded(bytes);
    return x === undefined ? undefined : encoded(x);
  };
}
const sealed = (number: number) => twoWays((b) => m.decodeSealed(b, number), (x) => m.encodeSealed(number, x));
const answer = (proofBytes: number) => twoWays((b) => m.decodeAnswer(b, proofBytes), m.encodeAnswer);
const orUndefined = (decoded: (b: Uint8Array) => number) => (b: Uint8Array) => { const n = decoded(b); return n < 0 ? undefined : n; };
const signed = (type: SignedType): Codec => twoWays(decodeSigned, (x) => (x.type === type ? encodeSigned(type, x.kid, x.claims, x.signature, false) : new Uint8Array(0)));
const signedClaims = twoWays(sync.decodeSignedClaims, (x) => sync.encodeSignedClaims(x.kid, x.claims, x.signature));

export const codecs: Record<string, Codec> = {
  hello: twoWays(m.decodeHello, m.encodeHello),
  ask: twoWays(orUndefined(m.decodeAsk), m.encodeAsk),
  certificate: twoWays(m.decodeCertificate, m.encodeCertificate),
  stop: twoWays(orUndefined(m.decodeStop), m.encodeStop),
  presentation: twoWays(m.decodePresentation, (p) => m.encodePresentation(p.ephemeral, p.sealed)),
  answer: sealed(3), acknowledgement: sealed(4), outcome: sealed(5),
  shown: twoWays(m.decodeShown, m.encodeShown),
  "shown-more": twoWays(m.decodeShown, m.encodeShown),
  "shown-most": twoWays(m.decodeShown, m.encodeShown),
  granted: answer(64), "granted-b": answer(8), refused: answer(64),
  "finished-outcome": twoWays(m.decodeOutcome, m.encodeOutcome),
  "reversed-outcome": twoWays(m.decodeOutcome, m.encodeOutcome),
  "presentation-b": twoWays(b.decodePresentationB, b.encodePresentationB),
  "answer-b": twoWays(b.decodeAnswerB, (a) => b.encodeAnswerB(a.answer, a.mac)),
  "acknowledgement-b": twoWays(b.decodeAcknowledgementB, (a) => b.encodeAcknowledgementB(a.evidence, a.mac)),
  "outcome-b": twoWays(b.decodeOutcomeB, b.encodeOutcomeB),
  "reversed-b": twoWays(b.decodeOutcomeB, b.encodeOutcomeB),
  beacon: twoWays(b.decodeBeacon, b.encodeBeacon),
  "user-id": twoWays(b.decodeUserId, b.encodeUserId),
  value: signedClaims, "signed-terminal": signedClaims,
  fetch: twoWays(carry.decodeFetch, carry.encodeFetch),
  piece: twoWays(carry.decodePiece, (p) => carry.encodePiece(p === "none" ? undefined : p)),
  bring: twoWays(carry.decodeBring, carry.encodeBring),
  brought: twoWays(carry.decodeBrought, carry.encodeBrought),
  knock: twoWays(carry.decodeKnock, carry.encodeKnock),
  here: twoWays(carry.decodeHere, carry.encodeHere),
  "memory-card": twoWays(carry.decodeCard, carry.encodeCard),
  "value-claims": twoWays(decodeValue, encodeValue),
  "grant-claims": twoWays(decodeValue, encodeValue),
  "terminal-claims": twoWays(decodeTerminalCertificate, encodeTerminalCertificate),
  rule: twoWays(decodeRule, (r) => encodeRule(r.list)),
  receipt: twoWays(receipt.decodeReceipt, receipt.encodeReceipt),
  reversal: twoWays(receipt.decodeReversal, receipt.encodeReversal),
  "finished-a": twoWays(receipt.decodeFinishedA, receipt.encodeFinishedA),
  "finished-b": twoWays(receipt.decodeFinishedB, receipt.encodeFinishedB),
  entry: twoWays(decodeEntry, encodeEntry),
  "signed-role": signed("role"), "signed-revocation": signed("revocation"), "signed-configuration": signed("configuration"), "signed-status": signed("status"),
  "signed-delta": signed("status-delta"), "signed-time": signed("time"), "signed-message": signed("message"), "signed-issuer": signed("issuer"), "signed-device": signed("device"),
  "signed-record": signed("record"), "signed-statement": signed("statement"), "signed-result": signed("result"), "signed-plan": signed("plan"),
  charge: twoWays(decodeCharge, encodeCharge),
  statement: twoWays(statement.decodeStatement, statement.encodeStatement),
  result: twoWays(statement.decodeResult, statement.encodeResult),
  "plan-claims": twoWays(statement.decodePlan, statement.encodePlan),
  owed: twoWays(settle.decodeOwed, settle.encodeOwed),
  settling: twoWays(settle.decodeSettling, settle.encodeSettling),
  "settle-acknowledged": twoWays(settle.decodeSettleAcknowledged, settle.encodeSettleAcknowledged),
  "settle-answer": twoWays(settle.decodeSettleAnswer, settle.encodeSettleAnswer),
  settled: twoWays(statement.decodeSettled, statement.encodeSettled),
  "statement-ask": twoWays(statement.decodeStatementAsk, statement.encodeStatementAsk),
  "shown-statement": twoWays(statement.decodeShownStatement, statement.encodeShownStatement),
  "paired-letter": (bytes) => {
    const e = readPaired(bytes) === undefined ? undefined : decodeEncrypt0(bytes);
    return e === undefined ? undefined : encodeEncrypt0(e, true);
  },
  "signed-identity": signed("identity"), "signed-deed": signed("deed"),
  "role-claims": twoWays(trust.decodeRole, trust.encodeRole),
  "revocation-claims": twoWays(trust.decodeRevocation, trust.encodeRevocation),
  "configuration-claims": twoWays(trust.decodeConfiguration, trust.encodeConfiguration),
  "status-claims": twoWays(trust.decodeStatusList, trust.encodeStatusList),
  "delta-claims": twoWays(trust.decodeStatusDelta, trust.encodeStatusDelta),
  "time-claims": twoWays(trust.decodeTime, trust.encodeTime),
  envelope: (bytes) => {
    const e = readEnvelope(bytes) === undefined ? undefined : decodeEncrypt(bytes);
    return e === undefined ? undefined : encodeEncrypt(e.outer, e.recipient, true);
  },
  "envelope-b": (bytes) => (readEnvelopeB(bytes)?.isSealed === true ? encodeEncrypt0(decodeEncrypt0(bytes)!, true) : undefined),
  "maced-b": (bytes) => (readEnvelopeB(bytes)?.isSealed === false ? encodeMac0(decodeMac0(bytes)!, true) : undefined),
  "pull-board": twoWays(board.decodePullBoard, board.encodePullBoard),
  "news-board": twoWays(board.decodeNewsBoard, board.encodeNewsBoard),
  introduce: twoWays(orUndefined(provision.decodeIntroduce), provision.encodeIntroduce),
  board: twoWays(provision.decodeBoard, provision.encodeBoard),
  "claim-code": twoWays(provision.decodeClaimCode, provision.encodeClaimCode),
  "board-claim": twoWays((bytes) => { const c = provision.decodeBoardClaim(bytes); return c === undefined || provision.decodeBoardRequest(c.request) === undefined ? undefined : c; }, provision.encodeBoardClaim),
  "board-request": twoWays(provision.decodeBoardRequest, provision.encodeBoardRequest),
  "board-package": twoWays(provision.decodeBoardPackage, provision.encodeBoardPackage),
  "board-confirmed": twoWays(provision.decodeBoardConfirmed, provision.encodeBoardConfirmed),
  "message-claims": twoWays(decodeMessage, encodeMessage),
  records: twoWays(sync.decodeBatch, sync.encodeBatch),
  "records-taken": twoWays(sync.decodeBatchTaken, sync.encodeBatchTaken),
  pull: twoWays(sync.decodePull, sync.encodePull),
  news: twoWays(sync.decodeNews, sync.encodeNews),
  renewal: twoWays(sync.decodeRenewal, sync.encodeRenewal),
  "handover-ask": twoWays(sync.decodeHandoverAsk, sync.encodeHandoverAsk),
  "handover-code": twoWays(sync.decodeHandoverCode, sync.encodeHandoverCode),
  "handover-wait": twoWays(sync.decodeHandoverWait, sync.encodeHandoverWait),
  "handover-question": twoWays(sync.decodeHandoverQuestion, sync.encodeHandoverQuestion),
  enrolment: twoWays(handsetLetters.decodeHandsetEnrolment, handsetLetters.encodeHandsetEnrolment),
  enrolled: twoWays(handsetLetters.decodeHandsetEnrolled, handsetLetters.encodeHandsetEnrolled),
  "device-consent": twoWays(handsetLetters.decodeDeviceConsent, handsetLetters.encodeDeviceConsent),
  collect: twoWays(handsetLetters.decodeCollect, handsetLetters.encodeCollect),
  offers: twoWays(handsetLetters.decodeOffers, handsetLetters.encodeOffers),
  "offer-keys": twoWays(handsetLetters.decodeOfferKeys, handsetLetters.encodeOfferKeys),
  delivered: twoWays(handsetLetters.decodeDelivered, handsetLetters.encodeDelivered),
  refresh: twoWays(handsetLetters.decodeRefresh, handsetLetters.encodeRefresh),
  refreshed: twoWays(handsetLetters.decodeRefreshed, handsetLetters.encodeRefreshed),
  regrant: twoWays(handsetLetters.decodeRegrant, handsetLetters.encodeRegrant),
  regranted: twoWays(handsetLetters.decodeRegranted, handsetLetters.encodeRegranted),
  report: twoWays(handsetLetters.decodeReport, handsetLetters.encodeReport),
  reported: twoWays(handsetLetters.decodeReported, handsetLetters.encodeReported),
  order: twoWays(order.decodeOrder, order.encodeOrder),
  identity: twoWays(order.decodeIdentity, order.encodeIdentity),
  bill: twoWays(order.decodeBill, order.encodeBill),
  ordered: twoWays(letters.decodeOrdered, letters.encodeOrdered),
  nothing: (bytes) => (letters.isNothing(bytes) ? letters.encodeNothing() : undefined),
  catalogue: twoWays(letters.decodeCatalogue, letters.encodeCatalogue),
  bills: twoWays(letters.decodeBills, letters.encodeBills),
  pay: twoWays(letters.decodePay, letters.encodePay),
  paid: twoWays(letters.decodePaid, letters.encodePaid),
  "payment-acknowledgement": twoWays(letters.decodePaymentAcknowledgement, letters.encodePaymentAcknowledgement),
  act: twoWays(letters.decodeAct, letters.encodeAct),
  standing: twoWays(letters.decodeStanding, letters.encodeStanding),
  received: twoWays(letters.decodeReceived, letters.encodeReceived),
  said: twoWays(letters.decodeSaid, letters.encodeSaid),
  pairing: twoWays(letters.decodePairing, letters.encodePairing),
  "mail-after": (bytes) => { const after = parcels.decodeMailAfter(bytes); return after === undefined ? undefined : parcels.encodeMailAfter(after); },
  mail: twoWays(parcels.decodeMail, parcels.encodeMail),
  "gift-notice": twoWays(parcels.decodeGiftNotice, parcels.encodeGiftNotice),
  forwarded: twoWays(parcels.decodeForwarded, parcels.encodeForwarded),
  thank: twoWays(parcels.decodeThank, parcels.encodeThank),
  thanks: twoWays(parcels.decodeThanks, parcels.encodeThanks),
  "pick-up": twoWays(parcels.decodePickUp, parcels.encodePickUp),
  "picked-up": twoWays(parcels.decodePickedUp, parcels.encodePickedUp),
  "gift-claim": twoWays(parcels.decodeGiftClaim, parcels.encodeGiftClaim),
  "hand-on": twoWays(parcels.decodeHandOn, parcels.encodeHandOn),
  deed: twoWays(parcels.decodeDeed, parcels.encodeDeed),
  pushed: twoWays(parcels.decodePushed, parcels.encodePushed),
  "offers-left": twoWays(parcels.decodeOffersLeft, parcels.encodeOffersLeft),
  "issuer-claims": twoWays(issuing.decodeIssuerClaims, issuing.encodeIssuerClaims),
  issuing: twoWays(issuing.decodeIssuing, issuing.encodeIssuing),
  issued: twoWays(issuing.decodeIssued, issuing.encodeIssued),
  "claim-request": twoWays(claim.decodeClaimRequest, claim.encodeClaimRequest),
  "claim-granted": twoWays(claim.decodeClaimGranted, claim.encodeClaimGranted),
  "group-keys": twoWays(groupKeys.decodeGroupKeys, groupKeys.encodeGroupKeys),
};

/** Rules that one decoder reads: a change may turn one into another, which is then no mistake. */
export const kin: Record<string, string[]> = {
  shown: ["shown-more", "shown-most"], "shown-more": ["shown", "shown-most"], "shown-most": ["shown", "shown-more"],
  granted: ["refused"], "granted-b": ["refused"], refused: ["granted"], "value-claims": ["grant-claims"], "grant-claims": ["value-claims"],
  "finished-outcome": ["reversed-outcome"], "reversed-outcome": ["finished-outcome"], "outcome-b": ["reversed-b"], "reversed-b": ["outcome-b"],
};

/** Beyond CDDL: numbers without leading zeros; base 128, a few gaps of one or two bytes in shortest form. */
export const makers: Makers = {
  "partial-iv": (random) => Uint8Array.from({ length: 1 + Math.floor(random() * 6.99) }, (_, i) => (i === 0 ? 1 + Math.floor(random() * 31) : Math.floor(random() * 256))),
  gaps: (random) => Uint8Array.from(Array.from({ length: 1 + Math.floor(random() * 5) }, () => Math.floor(random() * 16384))
    .flatMap((gap) => (gap < 128 ? [gap] : [128 | (gap >> 7), gap & 127]))),
};

/** Well formed, and refused all the same: a value too long for an optical code, a terminal whose two keys are one. */
export function beyond(rule: string, bytes: Uint8Array): boolean {
  if (rule === "value-claims" || rule === "grant-claims") return bytes.length > limits.valueClaimsBytesMax;
  if (rule === "result") { const x = decodeStrictly(bytes) as number[]; return x[4]! > x[3]!; }
  if (rule !== "terminal-claims") return false;
  const claims = decodeStrictly(bytes) as Map<number, Map<number, Map<number, Uint8Array>>>;
  return Buffer.compare(claims.get(8)!.get(1)!.get(-2)!, claims.get(-70001)!.get(20) as unknown as Uint8Array) === 0;
}
