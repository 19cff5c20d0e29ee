/**
 * The hardware boundary: what a machine gives the runtime, as a handful of small interfaces that speak of intent.
 *
 * The pattern and the names are ECMA-419's: an options object in, `read` answers undefined when there is nothing, `write`
 * takes all or throws, `onReadable` only says "look now" and is never called from inside a call. The runtime itself
 * reads no clock and owns no timer: `poll(now)` is called by the board and answers when to come back.
 */
import type { Crypto } from "../protocol/crypto/crypto.js";
import type { BoardError, Store } from "./journal/store.js";

export type { BoardError, BoardErrorKind } from "./journal/store.js";

/** A byte stream to a handset, a scanner or a meter. */
export interface Serial {
  /** What has arrived next, a piece of any size (of a scanner: one whole line), or undefined when there is nothing. */
  read(): Uint8Array | undefined;
  /** Queues all of `bytes`, in order, or throws a `BoardError` and queues none: `disconnected`, or `timed_out` when too many wait. */
  write(bytes: Uint8Array): void;
  /** Called once when something has arrived after `read` answered undefined, or before the first `read`; never from inside a call. */
  onReadable: (() => void) | undefined;
  /** Called once when the line is gone for good: unplugged, or dead. What had arrived can still be read. Not for a `close` of our own. */
  onClose: ((error: BoardError) => void) | undefined;
  /** Nothing is read, written or called any more. */
  close(): void;
}

/** One line in or out: a light, a relay, a buzzer, a passage sensor. 1 is *on* whatever the wiring. */
export interface Digital {
  /** Of an input, the level after its next change that was not read yet, so that a short pulse is seen; else the level now. */
  read(): 0 | 1;
  /** Throws a `BoardError` when the output cannot be reached any more. */
  write(level: 0 | 1): void;
  /** Called after an input changed; never from inside a call. */
  onReadable: (() => void) | undefined;
  /** Nothing is called any more. */
  close(): void;
}

/** Two clocks. Waiting is measured on the first, records carry the second, which may be unknown. */
export interface Clock {
  /** Milliseconds since some moment of this boot; never goes back; meaningless after a restart. */
  monotonicMs(): number;
  /** UTC seconds, and how far to trust them: 0 unknown, 1 counted from the last trusted time, 2 set, 3 signed within a day. */
  utc(): { at: number; quality: 0 | 1 | 2 | 3 };
}

/** Bytes nobody can foretell. */
export interface Random {
  fill(length: number): Uint8Array;
}

/** Private keys that never leave where they live. All answer undefined when the key is missing or the peer's point bad. */
export interface Keys {
  /** Makes a new key under this name, durably, in place of an older one; answers its compressed point, whose y is even. */
  make(name: string): Uint8Array | undefined;
  publicKey(name: string): Uint8Array | undefined;
  /** Gives the key `from` the name `to`, durably; an older one of that name is erased. */
  rename(from: string, to: string): void;
  /** Signs with the key of this name: 64 bytes r‖s. */
  sign(name: string, message: Uint8Array): Uint8Array | undefined;
  /** ECDH of the key of this name with a compressed point: x, 32 bytes. */
  agree(name: string, publicKey: Uint8Array): Uint8Array | undefined;
}

/** What a person at the terminal sees and hears. Lights and tones are those of `refusal.ts`. */
export interface Panel {
  /** One light, or none; `blinking` where the fault is of the terminal or the tap and nobody's value was judged (`tap.md` §8). */
  show(light: "green" | "amber" | "yellow" | "red" | "blue" | "off", manner: "steady" | "blinking", tone: string, text: string): void;
}

/** All of it, for one terminal. What a machine has not is undefined. */
export interface Board {
  readonly name: string;
  readonly link: Serial;
  readonly scanner: Serial | undefined;
  readonly relay: Digital;
  readonly passage: Digital | undefined;
  readonly panel: Panel;
  readonly clock: Clock;
  readonly random: Random;
  readonly keys: Keys;
  readonly crypto: Crypto;
  /** The journal's pages. */
  readonly store: Store;
  /** The two pages for what must not go back: numbers, certificates, configuration. */
  readonly cells: Store;
  /** zlib inflate of at most `most` bytes; undefined for anything else. */
  inflate(packed: Uint8Array, most: number): Uint8Array | undefined;
}
