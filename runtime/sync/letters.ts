/**
 * Letters between a device and the host: envelopes with a number, so that the host takes each once and a stored answer
 * comes back for a repeated one (S6, `trust.md` §5). The ceiling of the numbers is durable before they are used.
 */
import type { Keys, Random } from "../board.js";
import { newestOf, signersFor, type Trust } from "./trust.js";
import type { Crypto } from "../../protocol/crypto/crypto.js";
import { equal } from "../../protocol/wire/bytes.js";
import { encodeMessage, openEnvelope, readEnvelope, sealEnvelope, verifyMessage, type Message } from "../../protocol/wire/envelope.js";
import { encodeSigned, keyId, objectToSign } from "../../protocol/wire/signed.js";

/** Numbers are reserved durably so far ahead. */
export const sequencesAhead = 1000;

/** One device as a correspondent. */
export interface Correspondent {
  readonly crypto: Crypto;
  readonly keys: Keys;
  readonly random: Random;
  readonly trust: Trust;
  /** Name of the key that signs (a terminal's identity key, a handset's device key) and of those that open, newest first. */
  readonly signer: string;
  readonly openers: readonly string[];
  /** Next number, and the durable ceiling; `reserve` makes a higher one durable before it is used. */
  next: number;
  ceiling: number;
  reserve(ceiling: number): void;
}

export interface Letter { bytes: Uint8Array; sequence: number; type: number }

/** A sealed letter to the host, or undefined while the host's key or our own is missing. `certificate`: one that the host may not know. */
export function writeLetter(c: Correspondent, type: number, body: Uint8Array, at: number, quality: number, certificate?: Uint8Array): Letter | undefined {
  const host = newestOf(c.trust, "envelope");
  return host === undefined ? undefined : sealTo(c, host.kid, host.publicKey, type, body, at, quality, certificate);
}

/** The same to whoever holds this agreement key: another handset, say. `recipient` is the key's id. */
export function sealTo(c: Correspondent, recipient: Uint8Array, recipientKey: Uint8Array, type: number, body: Uint8Array, at: number, quality: number, certificate?: Uint8Array): Letter | undefined {
  const own = c.keys.publicKey(c.signer);
  if (own === undefined) return undefined;
  if (c.next >= c.ceiling) {
    const ceiling = c.next + sequencesAhead;
    c.reserve(ceiling);
    c.ceiling = ceiling;
  }
  const sequence = c.next++;
  const claims = encodeMessage({ recipient: recipient, at: at, quality: quality, sequence: sequence, type: type, body: body, answers: undefined, certificate: certificate });
  const kid = keyId(c.crypto, own);
  const signature = c.keys.sign(c.signer, objectToSign("message", kid, claims));
  if (signature === undefined) return undefined;
  const signed = encodeSigned("message", kid, claims, signature, false);
  const bytes = sealEnvelope(c.crypto, signed, { ephemeral: freshScalar(c, signed), nonce: c.random.fill(12), recipientKey: recipientKey, least: 0 });
  return bytes === undefined ? undefined : { bytes: bytes, sequence: sequence, type: type };
}

/**
 * A letter's own key. What is signed, with a number that is used once, is mixed in: a random source that repeats itself, or
 * stands still, costs secrecy, but no two letters are ever sealed under one key and nonce.
 */
function freshScalar(c: Correspondent, signed: Uint8Array): Uint8Array {
  let secret = c.crypto.hmac(c.random.fill(32), signed);
  while (c.crypto.publicKey(secret) === undefined) secret = c.crypto.hmac(secret, signed);
  return secret;
}

/** The host's answer to this letter; undefined for anything that is not exactly that. */
export function readAnswer(c: Correspondent, letter: Letter, bytes: Uint8Array): Message | undefined {
  const sealed = readEnvelope(bytes);
  const own = c.keys.publicKey(c.signer);
  if (sealed === undefined || own === undefined) return undefined;
  for (const opener of c.openers) {
    const publicKey = c.keys.publicKey(opener);
    if (publicKey === undefined || !equal(keyId(c.crypto, publicKey), sealed.recipient)) continue;
    const shared = c.keys.agree(opener, sealed.ephemeral);
    const signed = shared === undefined ? undefined : openEnvelope(c.crypto, sealed, publicKey, shared);
    const m = signed === undefined ? undefined : verifyMessage(c.crypto, signed, signersFor(c.trust, "sender"), sealed.recipient);
    if (m === undefined || m.answers === undefined) return undefined;
    const ours = m.answers.sequence === letter.sequence && equal(m.answers.kid, keyId(c.crypto, own)) && m.type === letter.type + 128;
    return ours ? m : undefined;
  }
  return undefined;
}
