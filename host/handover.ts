/**
 * Terminals ask each other through the host (decision 5): each holds one long poll open; a question to its owner answers
 * that poll, and the owner's next one brings the word. Nobody there within 1.5 s: finish elsewhere.
 */
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
  close(): void;
}

export function makeBroker(): Broker {
  const polls = new Map<string, (question: HandoverQuestion) => void>();
  const asked = new Map<number, (code: number) => void>();
  let next = 0;
  return {
    wait: (terminalId, said) => {
      asked.get(said.number)?.(said.code);
      asked.delete(said.number);
      polls.get(terminalId)?.(nothing);
      return new Promise((resolve) => {
        const answer = (question: HandoverQuestion): void => {
          clearTimeout(timer);
          if (polls.get(terminalId) === answer) polls.delete(terminalId);
          resolve(question);
        };
        const timer = setTimeout(() => answer(nothing), pollMs);
        polls.set(terminalId, answer);
      });
    },
    ask: (owner, by, x) => {
      const poll = polls.get(owner);
      if (poll === undefined) return Promise.resolve(refusal.finish_elsewhere);
      const number = ++next;
      return new Promise((resolve) => {
        const timer = setTimeout(() => { asked.delete(number); resolve(refusal.finish_elsewhere); }, limits.handoverWithinMs - 200);
        asked.set(number, (code) => { clearTimeout(timer); resolve(code); });
        poll({ number, by, receipt: x.receipt, proof: x.proof });
      });
    },
    close: () => { for (const poll of polls.values()) poll(nothing); },
  };
}
