/**
 * Profile A on the handset: what is shown is sealed to the certified terminal, what counts is signed by it.
 */
import type { HandsetProfile, Meeting } from "./meeting.js";
import { channel, openMessage, presentationToSign, sealMessage, transcriptA } from "./transcript.js";
import { pointFromX, type Crypto } from "../crypto/crypto.js";
import { limits } from "../limits.js";
import * as m from "../wire/message.js";
import { encodeReceipt, receiptToSign, reversalToSign, type Receipt } from "../wire/receipt.js";

function setUp(t: Meeting, crypto: Crypto): boolean {
  const own = crypto.publicKey(t.secret);
  const certificate = t.certificate!;
  const withCertified = crypto.agree(t.secret, certificate.decoded.agreementKey);
  const withEphemeral = t.hello.nonce.length === 32 ? crypto.agree(t.secret, pointFromX(t.hello.nonce)) : undefined;
  if (own === undefined || withCertified === undefined || withEphemeral === undefined) return false;
  t.ephemeral = own.subarray(1);
  t.transcript = transcriptA(crypto, t.helloBytes, crypto.sha256(certificate.signed.claims), t.ephemeral);
  t.channel = channel(crypto, t.transcript, withCertified, withEphemeral);
  return true;
}

function proofToSign(t: Meeting): Uint8Array | undefined {
  return presentationToSign(t.transcript, t.step);
}

function presentation(t: Meeting, crypto: Crypto): Uint8Array {
  const held = t.held;
  const shown = m.encodeShown({
    intent: held.intent, value: held.signed, newest: held.newest === undefined ? undefined : { receipt: held.newest.receipt, signature: held.newest.proof },
    proof: t.proof, acknowledged: t.acknowledged, undone: held.intent === m.intent.use ? held.undone : undefined,
    certificate: held.showCertificate && held.newest !== undefined ? held.newest.certificate : undefined,
  });
  return m.encodePresentation(t.ephemeral, sealMessage(crypto, t.channel!.toTerminal, 0, m.type.presentation, shown));
}

/** A message may have been lost, so the indices after the expected one are tried, too; each opens once. */
function open(t: Meeting, bytes: Uint8Array, type: number, crypto: Crypto): Uint8Array | undefined {
  const sealed = m.decodeSealed(bytes, type);
  if (sealed === undefined) return undefined;
  for (let index = t.heard; index < limits.messagesPerDirectionMax; index++) {
    const plain = openMessage(crypto, t.channel!.toHandset, index, type, sealed);
    if (plain === undefined) continue;
    t.heard = index + 1;
    return plain;
  }
  return undefined;
}

function answer(t: Meeting, bytes: Uint8Array, crypto: Crypto, rebuild: (g: m.Granted) => Receipt): m.Answer | undefined {
  const plain = open(t, bytes, m.type.answer, crypto);
  const said = plain === undefined ? undefined : m.decodeAnswer(plain, 64);
  if (said === undefined || "refused" in said) return said;
  const message = receiptToSign(encodeReceipt(rebuild(said.granted)));
  return crypto.verify(t.certificate!.decoded.signingKey, message, said.granted.proof) ? said : undefined;
}

function acknowledgement(t: Meeting, signature: Uint8Array, crypto: Crypto): Uint8Array {
  return m.encodeSealed(m.type.acknowledgement, sealMessage(crypto, t.channel!.toTerminal, 1, m.type.acknowledgement, signature));
}

function outcome(t: Meeting, bytes: Uint8Array, crypto: Crypto): m.Outcome | undefined {
  const plain = open(t, bytes, m.type.outcome, crypto);
  return plain === undefined ? undefined : m.decodeOutcome(plain);
}

function reversalGenuine(t: Meeting, reversal: Uint8Array, proof: Uint8Array, crypto: Crypto): boolean {
  return crypto.verify(t.certificate!.decoded.signingKey, reversalToSign(reversal), proof);
}

export const handsetA: HandsetProfile = {
  setUp: setUp, proofToSign: proofToSign, presentation: presentation, answer: answer, acknowledgement: acknowledgement,
  outcome: outcome, reversalGenuine: reversalGenuine,
};
