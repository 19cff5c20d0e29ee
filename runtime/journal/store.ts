/**
 * The pages that a journal asks of a machine: NOR flash on a microcontroller, one file on a Pi, memory in a simulation.
 *
 * Writes come in whole units of `unitBytes`, the largest that a flash of ours programs at once, and each unit is written
 * once between erases. `sync` answers when everything written before is durable. A cut may leave any part of what was not
 * synced, torn at any byte, and bits that read differently each time until they are erased. Failures throw a `BoardError`;
 * after a failed `sync` nothing more may be believed until a restart.
 */
export interface Store {
  readonly pageBytes: number;
  readonly pages: number;
  /** `length` bytes from `offset` of a page: what was last written, 0xFF where erased. */
  read(page: number, offset: number, length: number): Uint8Array;
  write(page: number, offset: number, bytes: Uint8Array): void;
  erase(page: number): void;
  sync(): void;
}

/** Offsets and lengths of writes are multiples of this: nRF52 programs 4 bytes at once, STM32L4 8. */
export const unitBytes = 8;

/** Ways a device fails that code above can act on; the message is for the person who mends it. */
export type BoardErrorKind = "absent" | "busy" | "denied" | "disconnected" | "full" | "timed_out" | "broken";
export interface BoardError {
  readonly kind: BoardErrorKind;
  /** What happened and what to do, in one sentence. */
  readonly message: string;
}

/** An error to throw for a faulty device. */
export function boardFault(kind: BoardErrorKind, message: string): Error & BoardError {
  const error = new Error(message) as Error & { kind: BoardErrorKind };
  error.name = "BoardError";
  error.kind = kind;
  return error;
}
