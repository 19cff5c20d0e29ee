/**
 * Letters of a terminal on a Node machine that has a network: those of couriers are passed on, and a meter's own statements are
 * posted, with time between them. Whoever does not answer is asked again later; nothing waits for it.
 */
import { postEnvelope } from "./network.js";
import type { Post } from "../../runtime/carry/post.js";
import { nextPassing, passed } from "../../runtime/carry/post.js";
import type { Charges } from "../../runtime/charges/charges.js";
import { lettersToHost, takePaired } from "../../runtime/charges/letters.js";
import { timeOf } from "../../runtime/keeping.js";
import type { Terminal } from "../../runtime/terminal.js";

const withinMs = 10_000;
/** A meter's own statements: one round so often, for records come by the day. */
const stateEveryMs = 60_000;
/** The first round, and one after a failure. */
const soonMs = 2000;

export interface Mail { /** Looks whether anything is to be posted. */ turn(): void; stop(): void }

/** `changed` is called after an answer was taken. */
export function makeMail(terminal: Terminal, post: Post, charges: Charges | undefined, host: string, changed: () => void): Mail {
  const stopping = new AbortController();
  let passing = false;
  let stating = false;
  let stateAtMs = terminal.board.clock.monotonicMs() + soonMs;
  const passOn = async (): Promise<void> => {
    for (let x = nextPassing(post); x !== undefined && !stopping.signal.aborted; x = nextPassing(post)) passed(post, x.id, await postEnvelope(host, x.bytes, withinMs, stopping.signal));
  };
  const state = async (own: Charges): Promise<void> => {
    let answered = true;
    for (const letter of lettersToHost(own)) {
      const answer = await postEnvelope(host, letter, withinMs, stopping.signal);
      answered &&= answer !== undefined;
      if (answer === undefined || stopping.signal.aborted) break;
      takePaired(own, answer, timeOf(terminal));
      changed();
    }
    stateAtMs = terminal.board.clock.monotonicMs() + (answered ? stateEveryMs : soonMs * 5);
  };
  return {
    turn: () => {
      if (stopping.signal.aborted) return;
      if (!passing && nextPassing(post) !== undefined) { passing = true; void passOn().finally(() => { passing = false; }); }
      if (charges !== undefined && !stating && terminal.board.clock.monotonicMs() >= stateAtMs) { stating = true; void state(charges).finally(() => { stating = false; }); }
    },
    stop: () => stopping.abort(),
  };
}
