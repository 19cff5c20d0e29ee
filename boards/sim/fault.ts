/**
 * A faulty device as boards report it: a kind to act on and a sentence for the person who mends it.
 */
import type { BoardError, BoardErrorKind } from "../../runtime/board.js";

export class BoardFault extends Error implements BoardError {
  readonly kind: BoardErrorKind;
  constructor(kind: BoardErrorKind, message: string) {
    super(message);
    this.name = "BoardFault";
    this.kind = kind;
  }
}
