/**
 * The boundary to whoever moves money outside (cards, bank debit): four questions and an ear. An adapter keeps nothing: our own
 * payment id is its idempotency key, so the same question asked again is the same payment, and what it does not know it calls
 * unknown, never no (`money.md` §1.6, §3 lines 3–5).
 */

/** `pending`: under way, as a bank debit is for days. `absent`: the processor is certain that it never heard of it. */
export type Outcome =
  | { is: "captured"; reference: string; amount: number }
  | { is: "declined"; reference: string; why: string }
  | { is: "pending"; reference: string }
  | { is: "absent" }
  | { is: "unknown" };

/** Amount in minor units; `method` is what the processor itself calls a card or account, never its number. */
export interface Charge { paymentId: string; amount: number; currency: string; method: string }
/** `reference`: what it answered before, null when no answer came; `askedAt`: UTC seconds. */
export interface Asked extends Charge { reference: string | null; askedAt: number }
export interface Return { refundId: string; paymentId: string; reference: string; amount: number; currency: string }

/** What a processor says by itself: of a payment or of a refund, by our ids; that a payer contests one, by its reference. */
export type Heard =
  | { of: "payment"; paymentId: string; outcome: Outcome }
  | { of: "refund"; refundId: string; outcome: Outcome }
  | { of: "dispute"; reference: string; amount: number; why: string }
  | { of: "nothing" };

/** None of these throws for what happens outside: whatever went wrong there is `unknown`. */
export interface Processor {
  readonly name: string;
  charge(x: Charge): Promise<Outcome>;
  ask(x: Asked): Promise<Outcome>;
  refund(x: Return): Promise<Outcome>;
  /** A notice as it came, if it is genuine and of these minutes; undefined for anything else. `at`: UTC seconds now. */
  hear(body: Uint8Array, signature: string, at: number): Heard | undefined;
}
