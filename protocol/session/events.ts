/**
 * What a verifier is, what happens to it and what it wants done: the words of the terminal's table (`tap.md` §3), apart from
 * the table itself so that runtime, simulator and tests can speak them.
 */
import type { FinishedUse, HeldCertificate, ProviderKey } from "./book.js";
import type { Tap, TerminalProfile } from "./profile.js";
import type { GroupKeys } from "./transcript.js";
import type { Entry } from "../wire/entry.js";
import type { Want } from "../wire/message.js";
import type { Receipt } from "../wire/receipt.js";
import type { Value } from "../wire/value.js";

/** What one terminal is. `want` may be replaced between taps (a till's amount); the rest stays. */
export interface VerifierSettings {
  /** `terminalRole`: a gate may open once more after a power cut, a till never. */
  role: number;
  /** Profile A: own certificate. Undefined on a board that has profile B only. */
  certificate: HeldCertificate | undefined;
  /** 8 bytes, for the life of the box. */
  terminalId: Uint8Array;
  /** Profile B. */
  group: GroupKeys | undefined;
  /** `profileA` and `profileB`: a bundle holds only what it names. */
  profiles: TerminalProfile[];
  /** Accepts beacons: only where gates hear each other, or at the only gate. */
  oneWay: boolean;
  want: Want;
  zones: number[];
  /** What the provider lets this terminal take while the host is not there (`trust.md` §2, §9). */
  taking: TakingLimits;
  /** The provider's keys for values and for terminal certificates. */
  valueKeys: ProviderKey[];
  certificateKeys: ProviderKey[];
  hasSensor: boolean;
  /** A receipt may be resumed for so long. */
  resumeSeconds: number;
  /** How often a gate opens again for a use whose outcome a power cut hid: 0 or 1. */
  reopen: number;
  passageMs: number;
  pendingMax: number;
}

/** Limits of the terminal itself, money in minor units; the lower of these and the value's own always wins. */
export interface TakingLimits {
  /** Most money for one use. */
  useMost: number;
  /** Uses of one value a day, once the terminal is no longer fresh. */
  usesADay: number;
  /** Money a day that the host has not heard of yet. */
  boxADay: number;
}

/** What happens to a verifier. */
export type Input =
  /** A handset was heard, or the terminal polls. `secret`: 32 fresh random bytes (profile B alone: 8); `tap`: the next tap number. */
  | { type: "heard"; tap: number; secret: Uint8Array }
  | { type: "message"; bytes: Uint8Array }
  /** What the hello asked for is no longer wanted. Ignored unless a handset was greeted and has shown nothing yet. */
  | { type: "withdraw" }
  /** From a scanner or a send-only handset. */
  | { type: "beacon"; bytes: Uint8Array }
  /** `number` as in the effect that asked: an answer that comes when its tap is over answers nothing. */
  | { type: "agreed"; number: number; shared: Uint8Array | undefined }
  | { type: "signed"; number: number; signature: Uint8Array | undefined }
  | { type: "appended" }
  | { type: "append_failed" }
  /** The passage sensor turned. */
  | { type: "turned" }
  /** The owner's answer to `ask_owner` about this receipt: 0 given, a refusal code, or −1 when nobody answered. */
  | { type: "handover"; receipt: Uint8Array; code: number }
  /** Another terminal asks for the right to finish a receipt of ours (`by`: its certificate or terminal id). */
  | { type: "handover_asked"; by: Uint8Array; receipt: Uint8Array; proof: Uint8Array }
  /** Close all tap numbers up to `tap`, the last one issued. Ignored unless the verifier is at rest. */
  | { type: "close"; tap: number }
  | { type: "time" };

/** What the board has to do, in this order. */
export type Effect =
  /** `first` opens a session of the link; `last` needs no ack, because its loss harms nobody. */
  | { do: "send"; bytes: Uint8Array; first: boolean; last: boolean }
  /** ECDH of the certified agreement key with this point; answered by `agreed`. */
  | { do: "agree"; number: number; publicKey: Uint8Array }
  /** Signature of the certified signing key; answered by `signed`. */
  | { do: "sign"; number: number; message: Uint8Array }
  /** Durable before `appended` is said. */
  | { do: "append"; entry: Entry }
  /** Durable before the next `append`; no answer. */
  | { do: "append_lazy"; entry: Entry }
  | { do: "open" }
  /** 0: accepted; else a refusal code. `since`: when, for the text; value and receipt where they are proved. */
  | { do: "show"; code: number; since: number; value: Value | undefined; receipt: Receipt | undefined }
  /** Answered by `handover` within 1.5 s, or taken as nobody. `owner`: who made the receipt, or to whom we gave it. */
  | { do: "ask_owner"; owner: Uint8Array; receipt: Uint8Array; proof: Uint8Array }
  /** Our answer to `handover_asked`: 0 given. */
  | { do: "handover_answer"; to: Uint8Array; receipt: Uint8Array; code: number }
  /** The handset has no value for what was wanted; the terminal may greet it with another want. */
  | { do: "nothing_to_show" }
  /** The tap ended; the verifier is idle. */
  | { do: "done" };

export type VerifierState = "idle" | "greeted" | "agreeing" | "signing" | "answered" | "asking" | "recording" | "open"
  | "reversing" | "recording_reversal" | "handing" | "closing" | "out_of_service";

/** A receipt that was sent and not acknowledged yet: the same step gets the same one again. */
export interface Pending { receipt: Receipt; bytes: Uint8Array; proof: Uint8Array; tap: number }

export interface Verifier {
  settings: VerifierSettings;
  state: VerifierState;
  /** Monotonic milliseconds, or −1: nothing to wait for. */
  deadline: number;
  tap: Tap | undefined;
  /** Number of the newest `agree` or `sign`. */
  asked: number;
  pending: Pending[];
  /** While a handover is being recorded: to whom, and the state to go back to. */
  handing: { to: Uint8Array; receipt: Uint8Array; before: VerifierState; deadline: number } | undefined;
  /** While a reversal is being made. */
  reversing: { use: FinishedUse; reversal: Uint8Array; at: number } | undefined;
}
