/**
 * An envelope to this host, opened: who says to have signed what, not yet believed (S6, `trust.md` §5). The device door opens
 * letters this way, and an order opens the sealed identity in it.
 */
import { newScalar, nextNumber, toHex, type Context } from "./context.js";
import type { Tx } from "./database.js";
import { assert } from "../protocol/assert.js";
import { encodeMessage, openEnvelope, readEnvelope, sealEnvelope, type Message } from "../protocol/wire/envelope.js";
import { decodeSigned, keyId } from "../protocol/wire/signed.js";

/** `signed`: the message with its signature; `kid`: the key that it names; `recipient`: the host key it was sealed to. */
export interface Letter { signed: Uint8Array; kid: Uint8Array; recipient: Uint8Array }

/** Undefined for anything that is not an envelope to this host. */
export function openLetter(c: Context, bytes: Uint8Array): Letter | undefined {
  const sealed = readEnvelope(bytes);
  if (sealed === undefined || toHex(sealed.recipient) !== toHex(c.keys.kid("envelope"))) return undefined;
  const shared = c.keys.agree("envelope", sealed.ephemeral);
  const signed = shared === undefined ? undefined : openEnvelope(c.crypto, sealed, c.keys.publicKey("envelope"), shared);
  const object = signed === undefined ? undefined : decodeSigned(signed);
  return signed === undefined || object === undefined ? undefined : { signed, kid: object.kid, recipient: sealed.recipient };
}

/** A letter of this host to a device, sealed to its agreement key. `answers`: the letter that asked; undefined when nobody did. */
export async function sealTo(c: Context, tx: Tx, agreementKey: Uint8Array, type: number, body: Uint8Array, answers: Message["answers"]): Promise<Uint8Array> {
  const claims = encodeMessage({ recipient: keyId(c.crypto, agreementKey), at: c.now(), quality: 3, sequence: await nextNumber(tx, "letter"), type, body, answers, certificate: undefined });
  const bytes = sealEnvelope(c.crypto, c.keys.signed("message", "sender", claims), { ephemeral: newScalar(c), nonce: c.random(12), recipientKey: agreementKey, least: 0 });
  assert(bytes !== undefined, "a device's agreement key was checked when it was enrolled");
  return bytes!;
}
