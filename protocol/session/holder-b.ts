/**
 * Profile B on the handset: MACs under the grant's own key, and for the host the same evidence signature as in profile A.
 */
import type { HandsetProfile, Meeting } from "./meeting.js";
import { mac8, none, outcomeToMac, transcriptB } from "./transcript.js";
import type { Crypto } from "../crypto/crypto.js";
import { equal, join } from "../wire/bytes.js";
import * as m from "../wire/message.js";
import * as b from "../wire/message-b.js";
import { encodeReceipt, type Receipt } from "../wire/receipt.js";

function nonce(t: Meeting): Uint8Array {
  return t.secret.subarray(0, 8);
}

function setUp(t: Meeting, crypto: Crypto): boolean {
  t.transcript = transcriptB(crypto, t.helloBytes, nonce(t));
  return true;
}

function proofToSign(): Uint8Array | undefined {
  return undefined;
}

/** The proof covers the evidence shown along: the board cannot verify it, and the holder must answer for it. */
function presentation(t: Meeting, crypto: Crypto): Uint8Array {
  const held = t.held;
  const covered = join([t.step, t.acknowledged === undefined ? none : t.acknowledged]);
  const proof = mac8(crypto, held.grantKey, "presentation", t.transcript, covered);
  return b.encodePresentationB({
    nonce: nonce(t), intent: held.intent, grant: held.signed.claims, grantMac: held.signed.signature,
    newest: held.newest === undefined ? undefined : { receipt: held.newest.receipt, mac: held.newest.proof }, proof: proof, acknowledged: t.acknowledged,
  });
}

function answer(t: Meeting, bytes: Uint8Array, crypto: Crypto, rebuild: (g: m.Granted) => Receipt): m.Answer | undefined {
  const said = b.decodeAnswerB(bytes);
  if (said === undefined) return undefined;
  const covered = "refused" in said.answer ? m.encodeAnswer(said.answer) : join([encodeReceipt(rebuild(said.answer.granted)), said.answer.granted.proof]);
  return equal(mac8(crypto, t.held.grantKey, "answer", t.transcript, covered), said.mac) ? said.answer : undefined;
}

function acknowledgement(t: Meeting, signature: Uint8Array, crypto: Crypto): Uint8Array {
  const covered = join([crypto.sha256(t.receiptBytes), signature]);
  return b.encodeAcknowledgementB(signature, mac8(crypto, t.held.grantKey, "acknowledgement", t.transcript, covered));
}

function outcome(t: Meeting, bytes: Uint8Array, crypto: Crypto): m.Outcome | undefined {
  const o = b.decodeOutcomeB(bytes);
  if (o === undefined) return undefined;
  const whole = mac8(crypto, t.held.grantKey, "outcome", t.transcript, outcomeToMac(o.code, o.at, o.reversalMac));
  return equal(whole, o.mac) ? { code: o.code, at: o.at, signature: o.reversalMac } : undefined;
}

/** The handset has no key for the group's MAC; the outcome's own MAC has proved who sent it. */
function reversalGenuine(): boolean {
  return true;
}

export const handsetB: HandsetProfile = {
  setUp: setUp, proofToSign: proofToSign, presentation: presentation, answer: answer, acknowledgement: acknowledgement,
  outcome: outcome, reversalGenuine: reversalGenuine,
};
