/**
 * The handset's half of a tap: the second table of `tap.md` §3. Nothing is revealed before the terminal's certificate
 * has been checked, and nothing is acknowledged before its receipt is durable.
 *
 * `hold(h, input, given)` takes one event and answers what to do, in order. The wallet behind it chooses the value and
 * keeps the newest receipts; private keys are asked for by effect.
 */
import type { Crypto } from "../crypto/crypto.js";
import type { SignedClaims } from "../wire/certificate.js";
import type { Hello } from "../wire/message.js";
import type { Value } from "../wire/value.js";
import type { HeldCertificate, ProviderKey } from "./book.js";

/** A value (profile A) or a grant (profile B) as the wallet holds it. */
export interface Held {
  profile: "A" | "B";
  /** A: claims and the provider's signature. B: grant and its 8-byte MAC in `signature`, `kid` empty. */
  signed: SignedClaims;
  value: Value;
  /** Names the private key that proves and acknowledges: the value id, for grants that of the value they were carved from. */
  key: Uint8Array;
  /** B: the grant's key K. */
  grantKey: Uint8Array | undefined;
  /** The newest receipt, its signature or MAC, and the certificate behind it where known. */
  newest: { receipt: Uint8Array; proof: Uint8Array; certificate: SignedClaims | undefined } | undefined;
  /** A reversal of the newest receipt, to be folded into the next step. */
  undone: { reversal: Uint8Array; signature: Uint8Array } | undefined;
  /** `intent.use`, or what the holder answered to *were you let through?*: `resume` on no, `inquire` to find out. */
  intent: number;
}

/** What the handset keeps, asked by the holder. Answers from durable storage only. */
export interface Wallet {
  /** The value for this terminal; undefined: nothing to show. For grants, group and epoch must be those of the hello. */
  choose(hello: Hello): Held | undefined;
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
  | { type: "signed"; signature: Uint8Array | undefined }
  | { type: "stored" }
  | { type: "store_failed" }
  | { type: "time" };

export type HolderEffect =
  | { do: "send"; bytes: Uint8Array }
  /** Answered by `confirmed`. `warning`: the certificate is past its end, in its grace. */
  | { do: "ask_person"; terminal: string; merchant: string; action: number; amount: number; currency: number | undefined; kind: string; warning: boolean }
  | { do: "sign"; key: Uint8Array; message: Uint8Array }
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
  /** A refusal to show; `since` and `help` as the terminal said. */
  | { do: "show"; code: number; since: number; help: number }
  | { do: "done" };

export type HolderState = "ready" | "checking" | "asking" | "proving" | "acknowledging_again" | "presented" | "storing" | "acknowledging" | "acknowledged";

export interface Holder { settings: HolderSettings; state: HolderState; deadline: number }

export function makeHolder(settings: HolderSettings): Holder {
  return { settings: settings, state: "ready", deadline: -1 };
}

/** When `hold` wants an input `time` at the latest, or −1. */
export function holderDeadline(h: Holder): number {
  return h.deadline;
}

export function hold(h: Holder, input: HolderInput, given: HolderGiven): HolderEffect[] {
  if (input.type === "time" && given.nowMs >= h.deadline) h.deadline = -1;
  return [];
}
