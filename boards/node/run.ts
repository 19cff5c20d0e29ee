/**
 * Keeps a terminal running on a Node machine: it is polled when bytes arrive, when its sensor moves and when it asked to be,
 * and its letters are posted as they come.
 */
import { postEnvelope } from "./network.js";
import type { BoardError } from "../../runtime/board.js";
import { boardFault } from "../../runtime/journal/store.js";
import type { Terminal } from "../../runtime/terminal.js";
import { poll } from "../../runtime/terminal.js";
import { failed, nextLetter, slots, takeAnswer, type Slot, type Sync } from "../../runtime/sync/sync.js";

export interface Running { /** Polls now. */ wake(): void; stop(): void; /** Everything recorded so far has reached the host. */ synced(): boolean }

/** Told to whoever runs it. After `fault` it has stopped: its line is gone. `host`: it has begun, or ceased, to answer. */
export interface Watch { fault?(error: BoardError): void; host?(answers: boolean): void }

const idleMs = 250;
/** The long poll is answered empty after 20 s. */
const withinMs: Record<Slot, number> = { talk: 10_000, ask: 1500, wait: 30_000 };

/** Runs until `stop`. Without `sync` the terminal works alone. */
export function runTerminal(terminal: Terminal, sync: Sync | undefined, host: string, watch: Watch = {}): Running {
  let stopped = false;
  let answers: boolean | undefined;
  let timer: NodeJS.Timeout | undefined;
  const board = terminal.board;
  const turn = (): void => {
    if (stopped) return;
    clearTimeout(timer);
    const due = attempt();
    if (due === undefined) return;
    if (sync !== undefined) for (const slot of slots) talk(slot);
    const wait = due < 0 ? idleMs : Math.max(0, Math.min(idleMs, due - board.clock.monotonicMs()));
    timer = setTimeout(turn, wait);
  };
  const attempt = (): number | undefined => {
    try {
      return poll(terminal);
    } catch (error) {
      if ((error as Partial<BoardError>).kind === undefined || watch.fault === undefined) throw error;
      end(error as BoardError);
      return undefined;
    }
  };
  const stop = (): void => { stopped = true; clearTimeout(timer); board.link.onReadable = undefined; };
  const end = (error: BoardError | undefined): void => {
    if (stopped) return;
    stop();
    watch.fault?.(error ?? boardFault("disconnected", "The line to handsets was closed."));
  };
  const heard = (now: boolean): void => {
    if (now === answers) return;
    answers = now;
    watch.host?.(now);
  };
  const talk = (slot: Slot): void => {
    const letter = nextLetter(sync!, slot);
    if (letter === undefined) return;
    void postEnvelope(host, letter, withinMs[slot]).then((answer) => {
      if (stopped) return;
      if (answer === undefined) failed(sync!, slot);
      const taken = answer !== undefined && takeAnswer(sync!, slot, answer);
      if (slot === "talk") heard(taken);
      turn();
    });
  };
  board.link.onReadable = turn;
  board.link.onClose = end;
  if (board.scanner !== undefined) board.scanner.onReadable = turn;
  if (board.passage !== undefined) board.passage.onReadable = turn;
  turn();
  return {
    wake: turn, synced: () => terminal.confirmed + 1 === terminal.journal.next,
    stop,
  };
}
