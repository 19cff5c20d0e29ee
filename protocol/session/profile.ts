/**
 * What the verifier's table asks of a profile. The table is one; how a message is opened, proved and answered differs, and
 * a board without signatures carries `profile-b.ts` only.
 */
import type { Want } from "../wire/message.js";
import { encodeStep } from "../wire/message.js";
import type { PresentationB } from "../wire/message-b.js";
import type { Receipt, Reversal } from "../wire/receipt.js";
import type { BeaconEntry } from "../wire/entry.js";
import { digest16, type Value } from "../wire/value.js";
import type { Crypto } from "../crypto/crypto.js";
import type { Given, ProviderKey } from "./book.js";
import { none, type Channel } from "./transcript.js";
import type { VerifierSettings } from "./events.js";
import { counterAfter, type Verdict } from "./judge.js";
import { equal } from "../wire/bytes.js";

/** One meeting, from hello to its end; `closeTap` erases its secrets. */
export interface Tap {
  number: number;
  want: Want;
  /** As sent; every byte is in the transcript. */
  hello: Uint8Array;
  /** The id that `hello` carries. */
  terminal: Uint8Array;
  secret: Uint8Array;
  /** Both are undefined until a presentation came. */
  profile: TerminalProfile | undefined;
  presentation: Uint8Array | undefined;
  /** B: the presentation as it reads. */
  read: PresentationB | undefined;
  /** True once an answer can be protected: before that only codes 1–5 may be said, in clear. */
  secured: boolean;
  transcript: Uint8Array;
  /** A. */
  channel: Channel | undefined;
  /** B: the grant's key. */
  grantKey: Uint8Array;
  presented: Presented | undefined;
  /** The receipt that this tap is about, its bytes, and its signature or MAC. */
  receipt: Receipt | undefined;
  receiptBytes: Uint8Array;
  proof: Uint8Array;
  /** Messages sent under the channel so far: the next one's index. */
  sent: number;
  /** The last message heard and what it was answered with: a repeat gets the same bytes. */
  heard: Uint8Array | undefined;
  answer: Uint8Array | undefined;
  certificateSent: boolean;
  ignored: number;
}

export function newTap(number: number, want: Want, hello: Uint8Array, terminal: Uint8Array, secret: Uint8Array): Tap {
  return {
    number: number, want: want, hello: hello, terminal: terminal, secret: secret, profile: undefined, presentation: undefined, read: undefined, secured: false,
    transcript: none, channel: undefined, grantKey: none, presented: undefined, receipt: undefined, receiptBytes: none, proof: none, sent: 0,
    heard: undefined, answer: undefined, certificateSent: false, ignored: 0,
  };
}

/** Erases the tap's secrets. */
export function closeTap(tap: Tap): void {
  tap.secret.fill(0);
  if (tap.grantKey.length > 0) tap.grantKey.fill(0);
  if (tap.channel === undefined) return;
  tap.channel.toTerminal.fill(0);
  tap.channel.toHandset.fill(0);
}

/** A presentation, opened and read; nothing in it is proved until `genuine` said so. */
export interface Presented {
  intent: number;
  value: Value;
  claims: Uint8Array;
  /** A: kid and signature of the value. B: empty, and the grant's MAC. */
  kid: Uint8Array;
  signature: Uint8Array;
  newest: Receipt | undefined;
  newestBytes: Uint8Array;
  newestProof: Uint8Array;
  proof: Uint8Array;
  acknowledged: Uint8Array | undefined;
  undone: Reversal | undefined;
  undoneBytes: Uint8Array;
  undoneProof: Uint8Array;
  /** A: `[kid, claims, signature]` of the terminal behind the newest receipt, when shown along. */
  certificate: { kid: Uint8Array; claims: Uint8Array; signature: Uint8Array } | undefined;
}

/** What an answer says beside the receipt that both sides rebuild. */
export interface Proved { receipt: Receipt; bytes: Uint8Array; proof: Uint8Array }

export interface TerminalProfile {
  letter: "A" | "B";
  /** Bytes to agree with the certified key; empty where none is needed; undefined: no presentation of this profile. */
  peer(bytes: Uint8Array, tap: Tap): Uint8Array | undefined;
  /** Sets up the tap's keys and reads what is shown. */
  open(tap: Tap, shared: Uint8Array, s: VerifierSettings, given: Given): Presented | undefined;
  /** 0, or `bad_message`, `profile_too_weak`, `not_genuine`, `terminal_unknown`. */
  genuine(tap: Tap, p: Presented, s: VerifierSettings, given: Given): number;
  /** What the certified key signs, or undefined where a MAC does it (`receiptMac`). */
  toSign(className: "receipt" | "credit", payload: Uint8Array): Uint8Array | undefined;
  mac(className: "receipt" | "credit", payload: Uint8Array, s: VerifierSettings, given: Given): Uint8Array;
  grantedMessage(tap: Tap, proved: Proved, given: Given): Uint8Array;
  refusedMessage(tap: Tap, code: number, since: number, given: Given): Uint8Array;
  outcomeMessage(tap: Tap, code: number, at: number, proof: Uint8Array | undefined, given: Given): Uint8Array;
  /** The holder's evidence in an acknowledgement of this receipt, or undefined. */
  evidence(tap: Tap, bytes: Uint8Array, receipt: Uint8Array, given: Given): Uint8Array | undefined;
  /** Did the terminal of this id, which is ours, make this receipt? */
  madeBy(terminal: Uint8Array, receipt: Uint8Array, proof: Uint8Array, s: VerifierSettings, given: Given): boolean;
  record(terminalId: Uint8Array, receipt: Uint8Array, proof: Uint8Array, evidence: Uint8Array): Uint8Array;
  /** By what receipts of this profile name this terminal. */
  name(s: VerifierSettings, crypto: Crypto): Uint8Array;
  /** The nonce of a hello that this profile leads; undefined: greet nobody with this secret. */
  nonce(secret: Uint8Array, crypto: Crypto): Uint8Array | undefined;
  /** By our own clock nobody would pay for so much taken now, or without keys nothing could be taken. Asked at the greeting, and again for each receipt: the clock may have been set in between. */
  isUnpaid(s: VerifierSettings, amount: number, given: Given): boolean;
  /** The certificate that a handset may ask for. */
  certificate(s: VerifierSettings): Uint8Array | undefined;
  /** One-way class, where signatures can be verified. */
  readonly beacon: BeaconReader | undefined;
}

/** What came of a beacon: `entry` is to be recorded before anything opens, or the verdict says why not. */
export interface BeaconVerdict { verdict: Verdict; value: Value | undefined; entry: BeaconEntry | undefined }
/** Undefined for bytes that are no beacon. */
export type BeaconReader = (bytes: Uint8Array, s: VerifierSettings, given: Given) => BeaconVerdict | undefined;

/** The step that `proof` covers: the one asked for, or with `resume` and `inquire` that of the receipt shown. */
export function provedStep(tap: Tap, p: Presented, crypto: Crypto): Uint8Array {
  const shown = p.intent === 0 ? undefined : p.newest;
  if (shown !== undefined) {
    return encodeStep({ intent: p.intent, valueId: p.value.valueId, counter: shown.counter, previous: shown.previous, action: shown.action, amount: shown.amount });
  }
  return encodeStep({
    intent: p.intent, valueId: p.value.valueId, counter: counterAfter(p.newest), previous: previousOf(p, crypto),
    action: tap.want.action, amount: tap.want.amount,
  });
}

/** Digest that the next receipt names: of the newest, or of the claims at counter 0. */
export function previousOf(p: { newest: Receipt | undefined; newestBytes: Uint8Array; claims: Uint8Array }, crypto: Crypto): Uint8Array {
  return digest16(crypto, p.newest === undefined ? p.claims : p.newestBytes);
}

export function findKey(keys: readonly ProviderKey[], kid: Uint8Array): Uint8Array | undefined {
  for (const key of keys) if (equal(key.kid, kid)) return key.publicKey;
  return undefined;
}

/** False when a presentation contradicts itself: another value's receipt, a resume without one, a reversal of something else. */
export function coherent(p: Presented, crypto: Crypto): boolean {
  if (p.newest !== undefined && !equal(p.newest.valueId, p.value.valueId)) return false;
  if (p.intent !== 0 && p.newest === undefined) return false;
  if ((p.intent === 1) !== (p.acknowledged !== undefined)) return false;
  if (p.undone === undefined) return true;
  return p.intent === 0 && p.newest !== undefined && p.undone.counter === p.newest.counter && equal(p.undone.valueId, p.value.valueId)
    && equal(p.undone.receipt, digest16(crypto, p.newestBytes));
}
