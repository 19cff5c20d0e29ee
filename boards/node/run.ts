/**
 * Keeps a terminal running on a Node machine: it is polled when bytes arrive, when its sensor moves and when it asked to be,
 * and its letters are posted as they come. A host that does not answer keeps nobody waiting at the gate.
 */
import { postEnvelope } from "./network.js";
import type { BoardError } from "../../runtime/board.js";
import { report } from "../../runtime/keeping.js";
import { poll, type Terminal } from "../../runtime/terminal.js";
import { failed, nextLetter, slots, takeAnswer, type Slot, type Sync } from "../../runtime/sync/sync.js";

export interface Running {
  /** Polls now. */
  wake(): void;
  /** Stops at once: no timer, no letter and no listener is left. */
  stop(): void;
  /** Everything recorded so far has reached the host. */
  synced(): boolean;
}

/** Told to whoever runs it. After `fault` it has stopped: its line is gone. `host`: it has begun, or ceased, to answer. */
export interface Watch {
  fault?(error: BoardError): void; host?(answers: boolean): void;
  /** Looked at in each turn: what else this terminal has to do. */
  turn?(): void;
}

const idleMs = 250;
/** The long poll is answered empty after 20 s. */
const withinMs: Record<Slot, number> = { talk: 10_000, ask: 1500, wait: 30_000 };

/** Runs until `stop`. Without `sync` the terminal works alone. */
export function runTerminal(terminal: Terminal, sync: Sync | undefined, host: string, watch: Watch = {}): Running {
  const stopping = new AbortController();
  let answers: boolean | undefined;
  let timer: NodeJS.Timeout | undefined;
  const { board } = terminal;
  const inputs = [board.link, board.scanner, board.passage].filter((input) => input !== undefined);
  const turn = (): void => {
    if (stopping.signal.aborted) return;
    clearTimeout(timer);
    const due = poll(terminal);
    if (sync !== undefined) for (const slot of slots) talk(sync, slot);
    watch.turn?.();
    const wait = due < 0 ? idleMs : Math.max(0, Math.min(idleMs, due - board.clock.monotonicMs()));
    timer = setTimeout(turn, wait);
  };
  const heard = (now: boolean): void => {
    if (now === answers) return;
    answers = now;
    watch.host?.(now);
  };
  const talk = (sync: Sync, slot: Slot): void => {
    const letter = nextLetter(sync, slot);
    if (letter === undefined) return;
    void postEnvelope(host, letter, withinMs[slot], stopping.signal).then((answer) => {
      if (stopping.signal.aborted) return;
      if (answer === undefined) failed(sync, slot);
      const taken = answer !== undefined && takeAnswer(sync, slot, answer);
      if (slot === "talk") heard(taken);
      turn();
    });
  };
  const stop = (): void => {
    stopping.abort();
    clearTimeout(timer);
    for (const input of inputs) input.onReadable = undefined;
    board.link.onClose = undefined;
    if (board.scanner !== undefined) board.scanner.onClose = undefined;
  };
  for (const input of inputs) input.onReadable = turn;
  board.link.onClose = (error) => {
    report(terminal, error.message);
    stop();
    watch.fault?.(error);
  };
  // Handsets are served on without it.
  if (board.scanner !== undefined) board.scanner.onClose = (error) => report(terminal, error.message);
  turn();
  return { wake: turn, synced: () => terminal.confirmed + 1 === terminal.journal.next, stop };
}
