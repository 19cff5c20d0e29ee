/**
 * One meeting as the handset sees it, and what the holder's table asks of a profile.
 */
import type { HeldCertificate } from "./book.js";
import type { Held } from "./holder.js";
import type { Channel } from "./transcript.js";
import type { Crypto } from "../crypto/crypto.js";
import type * as m from "../wire/message.js";
import type { Receipt } from "../wire/receipt.js";

/** One meeting as the handset sees it. */
export interface Meeting {
  hello: m.Hello;
  helloBytes: Uint8Array;
  secret: Uint8Array;
  held: Held;
  newest: Receipt | undefined;
  certificate: HeldCertificate | undefined;
  /** The certificate was handed to the wallet, or was there before. */
  certificateKept: boolean;
  /** A: x of the handset's own fresh key. */
  ephemeral: Uint8Array;
  transcript: Uint8Array;
  channel: Channel | undefined;
  /** What the proof covers: the step asked for, or that of the receipt shown. */
  step: Uint8Array;
  /** A: the value key's signature over it. */
  proof: Uint8Array;
  acknowledged: Uint8Array | undefined;
  receipt: Receipt | undefined;
  receiptBytes: Uint8Array;
  /** Messages opened so far from the terminal: the next index expected. */
  heard: number;
}

/** What differs between the profiles on the handset's side. */
export interface HandsetProfile {
  /** Transcript and keys; false when the terminal's points are none. */
  setUp(t: Meeting, crypto: Crypto): boolean;
  /** What the value's key signs as proof, or undefined where a MAC in the presentation does it. */
  proofToSign(t: Meeting): Uint8Array | undefined;
  presentation(t: Meeting, crypto: Crypto): Uint8Array;
  /** The answer, opened; undefined when it is not the terminal's. `rebuild` makes the receipt that a grant stands for. */
  answer(t: Meeting, bytes: Uint8Array, crypto: Crypto, rebuild: (g: m.Granted) => Receipt): m.Answer | undefined;
  acknowledgement(t: Meeting, signature: Uint8Array, crypto: Crypto): Uint8Array;
  outcome(t: Meeting, bytes: Uint8Array, crypto: Crypto): m.Outcome | undefined;
  /** Is this reversal of the receipt signed by the terminal it names? In B the message's own MAC has said so. */
  reversalGenuine(t: Meeting, reversal: Uint8Array, proof: Uint8Array, crypto: Crypto): boolean;
}
