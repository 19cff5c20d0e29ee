/**
 * The pages that a journal asks of a machine: NOR flash on a microcontroller, one file on a Pi, memory in a simulation.
 *
 * Writes come in whole units of `unitBytes`, the largest that a flash of ours programs at once, and each unit is written
 * once between erases. `sync` answers when everything written before is durable. A cut may leave any part of what was not
 * synced, torn at any byte, and bits that read differently each time until they are erased. Failures throw a `BoardError`:
 * `worn` says that this page alone has failed, and the others serve on; after any other nothing more may be believed, and
 * everything throws, until a restart. Reaching past a page is broken code.
 */
import { assert } from "../../protocol/assert.js";

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

/** Asserts that a page has these bytes. */
export function assertInPage(store: Store, page: number, offset: number, length: number): void {
  assert(page >= 0 && page < store.pages && offset >= 0 && length >= 0 && offset + length <= store.pageBytes, "reads and writes stay inside a page");
}

/** Asserts that a write is of whole units of a page. */
export function assertUnits(store: Store, page: number, offset: number, length: number): void {
  assertInPage(store, page, offset, length);
  assert(offset % unitBytes === 0 && length % unitBytes === 0, "writes are of whole units");
}

/** Ways a device fails that code above can act on; the message is for the person who mends it. */
export type BoardErrorKind = "absent" | "busy" | "denied" | "disconnected" | "full" | "timed_out" | "broken" | "worn";
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
