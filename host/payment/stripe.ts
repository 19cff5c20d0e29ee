/**
 * Stripe as a payment processor, through its own package: one PaymentIntent a payment, created and confirmed in one call under our
 * payment id as idempotency key. Answers that did not come are asked for by the intent's id, or by the same call again while Stripe
 * still knows the key, or by looking through its list; only then is a payment called absent.
 *
 * Cards and bank debits differ in two fields; a debit is `pending` until a notice says that it was collected.
 */
import Stripe from "stripe";
import type { Asked, Charge, Heard, Outcome, Processor, Return } from "./processor.js";

export interface StripeOptions {
  secretKey: string;
  /** Of the endpoint `/payment/{name}`, as Stripe shows it. */
  webhookSecret: string;
  /** As orders and accounts call it; `stripe` when left out. */
  name?: string;
  /** `card`, or a bank debit such as `sepa_debit`. */
  method?: "card" | "sepa_debit";
  /** Another address than Stripe's own, for tests. */
  server?: { host: string; port: number; protocol: "http" | "https" };
  timeoutMs?: number;
}

/** Stripe forgets an idempotency key after 24 hours at the earliest. */
const keySeconds = 23 * 3600;
/** How far the clock in a notice may be off. */
const noticeSeconds = 300;
/** Intents looked through for one of which no answer came. */
const searchMost = 1000;

export function stripe(o: StripeOptions): Processor {
  const client = new Stripe(o.secretKey, {
    maxNetworkRetries: 0, timeout: o.timeoutMs ?? 8000, telemetry: false, ...(o.server !== undefined && { host: o.server.host, port: o.server.port, protocol: o.server.protocol }),
  });
  return {
    name: o.name ?? "stripe",
    charge: (x) => create(client, o.method ?? "card", x),
    ask: (x) => ask(client, o.method ?? "card", x),
    refund: (x) => giveBack(client, x),
    hear: (body, signature, at) => hear(client, o.webhookSecret, body, signature, at),
  };
}

async function create(client: Stripe, method: "card" | "sepa_debit", x: Charge): Promise<Outcome> {
  try {
    return outcomeOf(await client.paymentIntents.create({
      amount: x.amount, currency: x.currency.toLowerCase(), payment_method: x.method, allowed_payment_method_types: [method], confirm: true, metadata: { payment: x.paymentId },
      // Nobody is at a browser: what would ask the payer for more is a decline.
      ...(method === "card" ? { error_on_requires_action: true } : { mandate_data: { customer_acceptance: { type: "offline" as const } } }),
    }, { idempotencyKey: "pay-" + x.paymentId }));
  } catch (error) {
    return outcomeOfError(error);
  }
}

async function ask(client: Stripe, method: "card" | "sepa_debit", x: Asked): Promise<Outcome> {
  try {
    if (x.reference !== null && x.reference !== "") return outcomeOf(await client.paymentIntents.retrieve(x.reference));
    if (x.askedAt + keySeconds > Math.floor(Date.now() / 1000)) return await create(client, method, x);
    let seen = 0;
    for await (const intent of client.paymentIntents.list({ created: { gte: x.askedAt - noticeSeconds, lte: x.askedAt + keySeconds }, limit: 100 })) {
      if (intent.metadata["payment"] === x.paymentId) return outcomeOf(intent);
      if (++seen >= searchMost) return { is: "unknown" };
    }
    return { is: "absent" };
  } catch (error) {
    return outcomeOfError(error);
  }
}

function outcomeOf(intent: Stripe.PaymentIntent): Outcome {
  switch (intent.status) {
    case "succeeded": return { is: "captured", reference: intent.id, amount: intent.amount_received };
    case "canceled": return { is: "declined", reference: intent.id, why: intent.cancellation_reason ?? "canceled" };
    case "requires_payment_method": return { is: "declined", reference: intent.id, why: intent.last_payment_error?.decline_code ?? intent.last_payment_error?.code ?? "declined" };
    default: return { is: "pending", reference: intent.id };
  }
}

/** A card's no is an answer, and so is a request that can never be right; everything else says nothing about the payment. */
function outcomeOfError(error: unknown): Outcome {
  if (error instanceof Stripe.errors.StripeCardError) return { is: "declined", reference: error.payment_intent?.id ?? "", why: error.decline_code ?? error.code ?? "declined" };
  if (error instanceof Stripe.errors.StripeInvalidRequestError) return { is: "declined", reference: "", why: error.code ?? "invalid_request" };
  return { is: "unknown" };
}

/** Looked for before it is sent, so that one whose answer was lost is not sent twice, however long ago that was. */
async function giveBack(client: Stripe, x: Return): Promise<Outcome> {
  try {
    for await (const known of client.refunds.list({ payment_intent: x.reference, limit: 100 })) if (known.metadata?.["refund"] === x.refundId) return outcomeOfRefund(known);
    return outcomeOfRefund(await client.refunds.create({ payment_intent: x.reference, amount: x.amount, metadata: { refund: x.refundId } }, { idempotencyKey: "refund-" + x.refundId }));
  } catch (error) {
    return outcomeOfError(error);
  }
}

function outcomeOfRefund(refund: Stripe.Refund): Outcome {
  if (refund.status === "succeeded") return { is: "captured", reference: refund.id, amount: refund.amount };
  if (refund.status === "failed" || refund.status === "canceled") return { is: "declined", reference: refund.id, why: refund.failure_reason ?? refund.status };
  return { is: "pending", reference: refund.id };
}

/** Believed for the signature over the bytes as they came, made in these minutes. */
function hear(client: Stripe, secret: string, body: Uint8Array, signature: string, at: number): Heard | undefined {
  let event: Stripe.Event;
  try {
    event = client.webhooks.constructEvent(Buffer.from(body), signature, secret, noticeSeconds, undefined, at * 1000);
  } catch {
    return undefined;
  }
  switch (event.type) {
    case "payment_intent.succeeded": case "payment_intent.payment_failed": case "payment_intent.processing": case "payment_intent.canceled": {
      const paymentId = event.data.object.metadata["payment"];
      return paymentId === undefined ? { of: "nothing" } : { of: "payment", paymentId, outcome: outcomeOf(event.data.object) };
    }
    case "refund.updated": case "refund.failed": {
      const refundId = event.data.object.metadata?.["refund"];
      return refundId === undefined ? { of: "nothing" } : { of: "refund", refundId, outcome: outcomeOfRefund(event.data.object) };
    }
    case "charge.dispute.created": {
      const of = event.data.object.payment_intent;
      return { of: "dispute", reference: typeof of === "string" ? of : of?.id ?? "", amount: event.data.object.amount, why: event.data.object.reason };
    }
    default: return { of: "nothing" };
  }
}
