/**
 * Settling from a handset on a Node machine (U1, U4, S9): what is owed, paying it, and the result kept for its terminal. Letters go
 * over the handset's own network, or through the terminal that it stands at.
 */
import { addCarried, payerOf } from "./courier.js";
import { HostRefused, postEnvelope } from "./network.js";
import type { Phone } from "./phone.js";
import { boardFault } from "../../runtime/journal/store.js";
import { beginSettling, takeSettling, unfinished, type Said } from "../../runtime/charges/payer.js";
import { readAnswer, writeLetter } from "../../runtime/sync/letters.js";
import { decodeOwed, settleType, type Owed } from "../../protocol/wire/settle.js";

/** How a sealed letter reaches the host and its answer comes back; undefined: no answer. */
export type Road = (letter: Uint8Array) => Promise<Uint8Array | undefined>;
export const network = (p: Phone): Road => (letter) => postEnvelope(p.host, letter, 15_000);

/** The body of the host's word. Throws a `BoardError` when there is none. */
async function tell(p: Phone, said: Said, road: Road): Promise<Uint8Array> {
  const time = p.clock.utc();
  const letter = writeLetter(p.who, said.type, said.body, time.at, time.quality);
  const answer = letter === undefined ? undefined : await road(letter.bytes);
  const message = letter === undefined || answer === undefined ? undefined : readAnswer(p.who, letter, answer);
  if (message === undefined) throw boardFault("timed_out", "The host did not answer: check the network, or the terminal in between, and try again. Nothing is paid twice.");
  if (message.body.length === 0) throw new HostRefused("The host did not take this letter: is this handset still one of its own?");
  return message.body;
}

/** Everything that this user owes at meters and receivers, as far as the host has heard (U4). */
export async function owedAtHost(p: Phone, road: Road): Promise<Owed[]> {
  return decodeOwed(await tell(p, { type: settleType.owed, body: new Uint8Array([0x80]) }, road)) ?? [];
}

/** With a value of this handset, or through a processor; `more` buys allowance. */
export interface How { value?: Uint8Array; processor?: string; method?: string; more: number }
export type Settled = { paid: true; letter: Uint8Array } | { paid: false; /** `settleCode`, −1: not finished, try again; −2: nothing to pay, or another payment is not finished. */ code: number };

/** Pays one bill, or goes on with a payment that was not finished; the result is carried to its terminal from then on. */
export async function settleBill(p: Phone, bill: Owed | undefined, how: How, road: Road): Promise<Settled> {
  const payer = payerOf(p);
  const begun = bill === undefined ? unfinished(payer) : beginSettling(payer, bill, how.value ?? new Uint8Array(0), how.processor ?? "", how.method ?? "", how.more);
  if (begun === undefined) return { paid: false, code: -2 };
  for (let said = begun; ;) {
    const step = takeSettling(payer, await tell(p, said, road));
    if (step.step === "refused") return { paid: false, code: step.code };
    if (step.step === "again") return { paid: false, code: -1 };
    if (step.step === "next") { said = step.said; continue; }
    if (step.letter.length > 0) addCarried(p, [{ letter: step.letter, answer: step.letter }]);
    return { paid: true, letter: step.letter };
  }
}
export const isUnfinished = (p: Phone): boolean => unfinished(payerOf(p)) !== undefined;
