/**
 * What a role adds to a terminal: what it wants of a handset, and what it does when a value is accepted. The terminal
 * itself knows taps, journal and sync; a gate, a till or a vending machine is one of these pages.
 */
import type { Want } from "../../protocol/wire/message.js";
import type { Configuration } from "../../protocol/wire/trust.js";
import type { Board } from "../board.js";

export interface Role {
  /** `terminalRole`. */
  readonly number: number;
  /** People key in what is due each time; until they did, nobody is greeted. */
  readonly isAsked: boolean;
  /** What to ask for, in turn: a handset that has nothing for the first is greeted with the next. `due`: what was keyed in, in minor units. */
  wants(configuration: Configuration, due: number | undefined): Want[];
  /** An accepted use: open, hand out, switch on. */
  accept(board: Board): void;
  /** The passage or hand-over is over: close again. */
  end(board: Board): void;
  /** A sensor tells whether the use was made. */
  hasSensor(board: Board): boolean;
}
