/**
 * Terminals ask each other through the host (decision 5): each holds one long poll open; a question to its owner answers
 * that poll, and the owner's next one brings the word. Nobody there within 1.5 s: finish elsewhere.
 */
import type { Machine } from "./machine.js";
import { limits } from "../protocol/limits.js";
import { refusal } from "../protocol/refusal.js";
import type { HandoverAsk, HandoverQuestion, HandoverWait } from "../protocol/wire/sync.js";

const none = new Uint8Array(0);
const nothing: HandoverQuestion = { number: 0, by: none, receipt: none, proof: none };
/** A poll is answered empty after so long, so that no proxy cuts it. */
export const pollMs = 20_000;

export interface Broker {
  /** The owner's poll; answers with a question, or with nothing after a while. */
  wait(terminalId: string, said: HandoverWait): Promise<HandoverQuestion>;
  /** A terminal's question; `owner` is the terminal that made the receipt. Answers 0 or a refusal code. */
  ask(owner: string, by: Uint8Array, x: HandoverAsk): Promise<number>;
  /** Whether this terminal holds a poll open. */
  isWaiting(terminalId: string): boolean;
  /** Answers everybody who waits. */
  close(): void;
}

export function makeBroker(m: Pick<Machine, "after" | "random">): Broker {
  const polls = new Map<string, (question: HandoverQuestion) => void>();
  /** Questions under way, each to be answered by the terminal that was asked. */
  const asked = new Map<number, { owner: string; answer: (code: number) => void }>();
  // Not from 0: an answer to a question of an earlier run must not fit one of this run.
  let next = m.random(6).reduce((number, byte) => number * 256 + byte, 0);
  return {
    wait: (terminalId, said) => {
      const question = asked.get(said.number);
      if (question?.owner === terminalId) {
        asked.delete(said.number);
        question.answer(said.code);
      }
      polls.get(terminalId)?.(nothing);
      return new Promise((resolve) => {
        const answer = (question: HandoverQuestion): void => {
          cancel();
          if (polls.get(terminalId) === answer) polls.delete(terminalId);
          resolve(question);
        };
        const cancel = m.after(pollMs, () => answer(nothing));
        polls.set(terminalId, answer);
      });
    },
    ask: (owner, by, x) => {
      const poll = polls.get(owner);
      if (poll === undefined) return Promise.resolve(refusal.finish_elsewhere);
      const number = ++next;
      return new Promise((resolve) => {
        const cancel = m.after(limits.handoverWithinMs - 200, () => { asked.delete(number); resolve(refusal.finish_elsewhere); });
        asked.set(number, { owner, answer: (code) => { cancel(); resolve(code); } });
        poll({ number, by, receipt: x.receipt, proof: x.proof });
      });
    },
    isWaiting: (terminalId) => polls.has(terminalId),
    close: () => {
      for (const poll of [...polls.values()]) poll(nothing);
      for (const question of [...asked.values()]) question.answer(refusal.finish_elsewhere);
      asked.clear();
    },
  };
}
