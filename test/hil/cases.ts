/**
 * What is done on each line, as dialogues: a ticket, coupons, a card, a refusal, a tap torn at each message and resumed, a
 * turnstile that nobody turns, and uses on a line that garbles. Each throws with one sentence where a promise is not kept.
 */
import { fare, type Bench, type Sort } from "./station.js";
import type { Faults } from "./line-emulator.js";
import { spent, unresolved } from "../../boards/bench/handset/handset.js";
import { runTap, type TapResult } from "../../boards/node/tap.js";
import { media } from "../../protocol/link/media.js";
import { refusal } from "../../protocol/refusal.js";
import { intent, type as messages } from "../../protocol/wire/message.js";
import type { WalletValue } from "../../runtime/value/wallet.js";

/** `needsBoard`: only where the emulated board decides whether somebody walks. */
export interface Case { name: string; needs: Sort; needsBoard?: boolean; run(b: Bench, value: WalletValue): Promise<string> }

/** A promise was not kept. */
export class Broken extends Error {}
function check(holds: boolean, what: string, told?: unknown): void {
  if (!holds) throw new Broken(told === undefined ? what : `${what}: ${JSON.stringify(told)}`);
}
/** Waits for what the terminal or its board does a moment later. */
async function eventually(holds: () => boolean, what: string): Promise<void> {
  for (const ends = performance.now() + 5000; !holds();) {
    check(performance.now() < ends, what);
    await new Promise((done) => setTimeout(done, 5));
  }
}

async function tap(b: Bench, value: WalletValue, wanted: number = intent.use): Promise<TapResult> {
  b.holder.wallet.chosen = value.value.valueId;
  b.holder.wallet.intent = wanted;
  return await runTap(b.holder, b.serial, { silentAmount: 1_000_000, confirm: () => Promise.resolve(true), withinMs: 8000, waitForPassage: true, medium: media[b.kind.medium] });
}

const accepted = (r: TapResult): boolean => r.resolved !== undefined && r.code === 0;

/** One use that opens the gate: the relay closes its circuit and opens it again, and the book has one use more. */
async function goodTap(b: Bench, value: WalletValue, amount: number): Promise<string> {
  const before = spent(value);
  const opened = b.gate?.opened() ?? 0;
  b.board?.relay();
  const began = performance.now();
  const r = await tap(b, value);
  check(accepted(r), "the tap was not accepted", r);
  const tookMs = performance.now() - began;
  check(spent(value) === before + amount, `the handset holds ${spent(value) - before} as used, not ${amount}`);
  if (b.gate !== undefined) check(b.gate.opened() === opened + 1, "the gate did not open once");
  if (b.board !== undefined) {
    const seen: number[] = [];
    await eventually(() => { seen.push(...b.board!.relay()); return seen.at(-1) === 0; }, "the relay was not shut again");
    check(seen.includes(1), "the relay never opened", seen);
  }
  return `${tookMs.toFixed(0)} ms to the turnstile's end`;
}

/** Broken off at one message, in both directions, then held to the terminal again. */
async function torn(b: Bench, value: WalletValue, tear: NonNullable<Faults["tear"]>, stores: boolean): Promise<string> {
  const before = spent(value);
  await b.board?.walks(false);
  await b.line.set({ tear });
  const first = await tap(b, value);
  await b.line.set({});
  await b.board?.walks(true);
  check(first.resolved === undefined, "a torn tap was resolved", first);
  check(first.stored === stores && (unresolved(value) !== undefined) === stores, stores ? "the handset stored no receipt" : "the handset stored a receipt that it never had", first);
  const again = await tap(b, value, stores ? intent.resume : intent.use);
  const wasLetThrough = b.board === undefined && again.code === refusal.already_used;
  check(accepted(again) || wasLetThrough, "it was not accepted when it was held there again", again);
  check(spent(value) === before + 1, `${spent(value) - before} uses were charged instead of one`);
  return stores ? "resumed, charged once" : "tapped anew, charged once";
}

const tearing = (name: string, from: "terminal" | "handset", type: number, stores: boolean): Case =>
  ({ name: `torn at the ${name}`, needs: "coupons", run: (b, value) => torn(b, value, { from, type }, stores) });

export const cases: readonly Case[] = [
  { name: "coupon", needs: "coupons", run: (b, v) => goodTap(b, v, 1) },
  { name: "card", needs: "card", run: (b, v) => (b.gate === undefined ? anyFare(b, v) : goodTap(b, v, fare)) },
  { name: "ticket, then refused", needs: "ticket", run: ticketTwice },
  tearing("hello", "terminal", messages.hello, false),
  tearing("presentation", "handset", messages.presentation, false),
  tearing("answer", "terminal", messages.answer, false),
  tearing("acknowledgement", "handset", messages.acknowledgement, true),
  tearing("outcome", "terminal", messages.outcome, true),
  { name: "turnstile not turned", needs: "coupons", needsBoard: true, run: notTurned },
];

async function anyFare(b: Bench, value: WalletValue): Promise<string> {
  const before = spent(value);
  const r = await tap(b, value);
  check(accepted(r), "the card was not accepted", r);
  check(spent(value) > before, "nothing was paid");
  return `paid ${spent(value) - before}`;
}

async function ticketTwice(b: Bench, value: WalletValue): Promise<string> {
  await goodTap(b, value, 1);
  const second = await tap(b, value);
  check(second.resolved === undefined && second.code === refusal.already_used, "a used ticket was not refused as used", second);
  if (b.gate !== undefined) check(b.gate.codes().at(-1) === refusal.already_used, "the gate showed something else", b.gate.codes());
  return "already used, since a time both know";
}

/** The gate opened and nobody went: the holder is told so, and walks by the same use. */
async function notTurned(b: Bench, value: WalletValue): Promise<string> {
  const before = spent(value);
  await b.board!.walks(false);
  const first = await tap(b, value);
  await b.board!.walks(true);
  check(accepted(first) && first.walkAgain, "the holder was not told to walk again", first);
  const second = await tap(b, value, intent.resume);
  check(accepted(second) && !second.walkAgain, "the second passage was not let through", second);
  check(spent(value) === before + 1, `${spent(value) - before} uses were charged instead of one`);
  return "walked on the second opening, charged once";
}

/** Taps of a person who is told nothing but what his handset says: he holds it there until it is settled. */
const triesMost = 12;
export const garbled: Case = {
  name: "three uses while bytes are damaged", needs: "coupons",
  run: async (b, value) => {
    const before = spent(value);
    let uses = 0;
    let tries = 0;
    const damagedBefore = b.line.faulted();
    await b.line.set(b.kind.faults!);
    while (uses < 3 || b.line.faulted() - damagedBefore < 3) {
      let settled = false;
      for (let again = 0; !settled; again++) {
        check(again < triesMost, `a use was not settled in ${triesMost} tries`);
        const r = await tap(b, value, unresolved(value) === undefined ? intent.use : intent.resume);
        tries++;
        settled = unresolved(value) === undefined && spent(value) === before + uses + 1;
        check(spent(value) <= before + uses + 1, "a use was charged twice", r);
      }
      uses++;
      check(uses <= 60, "the line damaged nothing");
    }
    await b.line.set({});
    return `${uses} uses in ${tries} taps, ${b.line.faulted() - damagedBefore} bytes damaged, each charged once`;
  },
};
