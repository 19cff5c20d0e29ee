/**
 * The terminal's half of a tap: the table of `tap.md` §3, row by row. Nothing opens before its record is durable.
 *
 * `step(v, input, given)` takes one event and answers what to do, in order; the verifier itself waits, sends and stores
 * nothing. It serves one tap at a time and forgets everything but its pending receipts when the power is cut.
 */
import type { SignedClaims } from "../wire/certificate.js";
import type { Want } from "../wire/message.js";
import type { Entry, Given, GroupKeys, HeldCertificate, ProviderKey } from "./book.js";

/** What one terminal is. `want` may be replaced between taps (a till's amount); the rest stays. */
export interface VerifierSettings {
  /** A gate may open once more after a power cut, a till never. */
  role: "gate" | "till";
  /** Profile A: own certificate. Undefined on a board that has profile B only. */
  certificate: HeldCertificate | undefined;
  /** 8 bytes, for the life of the box. */
  terminalId: Uint8Array;
  /** Profile B. */
  group: GroupKeys | undefined;
  /** `profileA` and `profileB` of `profile-a.ts`, `profile-b.ts`: a bundle holds only what it names. */
  profiles: TerminalProfile[];
  /** Accepts beacons (`oneway.ts`). */
  oneWay: boolean;
  want: Want;
  zones: number[];
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

/** What happens to a verifier. */
export type Input =
  /** A handset was heard, or the terminal polls. `secret`: 32 fresh random bytes (profile B only: 8); `tap`: the next tap number. */
  | { type: "heard"; tap: number; secret: Uint8Array }
  | { type: "message"; bytes: Uint8Array }
  | { type: "agreed"; shared: Uint8Array | undefined }
  | { type: "signed"; signature: Uint8Array | undefined }
  | { type: "appended" }
  | { type: "append_failed" }
  /** The passage sensor turned. */
  | { type: "turned" }
  /** The owner's answer to `ask_owner`: 0 given, a refusal code, or −1 when nobody answered. */
  | { type: "handover"; code: number }
  /** Another terminal asks for the right to finish a receipt of ours (`by`: its certificate or terminal id). */
  | { type: "handover_asked"; by: Uint8Array; receipt: Uint8Array; proof: Uint8Array }
  /** Close all tap numbers up to `tap`, the last one issued. Ignored while a use is being recorded or the gate is open. */
  | { type: "close"; tap: number }
  | { type: "time" };

/** What the board has to do, in this order. */
export type Effect =
  | { do: "send"; bytes: Uint8Array }
  /** ECDH of the certified agreement key with this point; answered by `agreed`. */
  | { do: "agree"; publicKey: Uint8Array }
  /** Signature of the certified signing key; answered by `signed`. */
  | { do: "sign"; key: "signing"; message: Uint8Array }
  /** Durable before `appended` is said. */
  | { do: "append"; entry: Entry }
  /** Durable before the next `append`; no answer. */
  | { do: "append_lazy"; entry: Entry }
  | { do: "open" }
  /** 0: accepted; else a refusal code. `since`: when, for the text. */
  | { do: "show"; code: number; since: number }
  /** Answered by `handover` within 1.5 s, or taken as nobody. `owner`: who made the receipt, or to whom we gave it. */
  | { do: "ask_owner"; owner: Uint8Array; receipt: Uint8Array; proof: Uint8Array; valueId: Uint8Array; counter: number }
  /** Our answer to `handover_asked`: 0 given. */
  | { do: "handover_answer"; to: Uint8Array; code: number }
  /** The tap ended; the verifier is idle. */
  | { do: "done" };

export type VerifierState = "idle" | "greeted" | "agreeing" | "signing" | "answered" | "asking" | "recording" | "open"
  | "recording_outcome" | "reversing" | "recording_reversal" | "handing" | "closing" | "out_of_service";

/** One profile's way to open, prove and answer (filled in by `profile-a.ts` and `profile-b.ts`). */
export interface TerminalProfile { letter: "A" | "B" }

export interface Verifier {
  settings: VerifierSettings;
  state: VerifierState;
  /** Monotonic milliseconds, or −1: nothing to wait for. */
  deadline: number;
}

export function makeVerifier(settings: VerifierSettings): Verifier {
  return { settings: settings, state: "idle", deadline: -1 };
}

/** When `step` wants an input `time` at the latest, or −1. */
export function deadline(v: Verifier): number {
  return v.deadline;
}

export function step(v: Verifier, input: Input, given: Given): Effect[] {
  if (input.type === "time" && given.nowMs >= v.deadline) v.deadline = -1;
  return [];
}
export type { SignedClaims };
