/**
 * Keeps a terminal running on a Node machine: it is polled when bytes arrive, when its sensor moves and when it asked to be,
 * and its letters are posted as they come.
 */
import { postEnvelope } from "./network.js";
import type { Terminal } from "../../runtime/terminal.js";
import { poll } from "../../runtime/terminal.js";
import { failed, nextLetter, slots, takeAnswer, type Slot, type Sync } from "../../runtime/sync/sync.js";

export interface Running { /** Polls now. */ wake(): void; stop(): void; /** Everything recorded so far has reached the host. */ synced(): boolean }

const idleMs = 250;
/** The long poll is answered empty after 20 s. */
const withinMs: Record<Slot, number> = { talk: 10_000, ask: 1500, wait: 30_000 };

/** Runs until `stop`. Without `sync` the terminal works alone. */
export function runTerminal(terminal: Terminal, sync: Sync | undefined, host: string): Running {
  let stopped = false;
  let timer: NodeJS.Timeout | undefined;
  const board = terminal.board;
  const turn = (): void => {
    if (stopped) return;
    clearTimeout(timer);
    const due = poll(terminal);
    if (sync !== undefined) for (const slot of slots) talk(slot);
    const wait = due < 0 ? idleMs : Math.max(0, Math.min(idleMs, due - board.clock.monotonicMs()));
    timer = setTimeout(turn, wait);
  };
  const talk = (slot: Slot): void => {
    const letter = nextLetter(sync!, slot);
    if (letter === undefined) return;
    void postEnvelope(host, letter, withinMs[slot]).then((answer) => {
      if (stopped) return;
      if (answer === undefined) failed(sync!, slot); else takeAnswer(sync!, slot, answer);
      turn();
    });
  };
  board.link.onReadable = turn;
  if (board.scanner !== undefined) board.scanner.onReadable = turn;
  if (board.passage !== undefined) board.passage.onReadable = turn;
  turn();
  return {
    wake: turn, synced: () => terminal.confirmed + 1 === terminal.journal.next,
    stop: () => { stopped = true; clearTimeout(timer); board.link.onReadable = undefined; },
  };
}
