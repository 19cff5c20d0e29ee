/**
 * Watches a line: bytes in, its frames out, each with what it carries, from whom, and the link's own words. A frame says
 * itself which side speaks, so one wire that hears both is enough.
 */
import { inspect, linkByte, type Inspected } from "./inspect.js";
import { deframer, feed, type Deframer, type Frame, type Wrapping } from "../../protocol/link/frame.js";
import { equal, join } from "../../protocol/wire/bytes.js";
import { limits } from "../../protocol/limits.js";

export interface Watched {
  /** Milliseconds since the first byte of the recording, or the wall clock's, as the watcher was told. */
  atMs: number;
  from: "terminal" | "handset";
  /** `number 0, expects an odd number`, as `inspect` says it. */
  link: string;
  payload: Uint8Array;
  /** What it carries; undefined for an acknowledgement, for a fragment before the last, and for what is nothing known. */
  carries: Inspected | undefined;
  /** More of the message follows in the next frame. */
  more: boolean;
}
export interface Watcher { readonly deframer: Deframer; readonly arriving: Record<"terminal" | "handset", Uint8Array[]>; damaged: number }

export function makeWatcher(wrapping: Wrapping): Watcher {
  return { deframer: deframer(wrapping), arriving: { terminal: [], handset: [] }, damaged: 0 };
}

/** Takes what arrived; answers the frames that are now whole. `damaged` counts what was none. */
export function watch(w: Watcher, bytes: Uint8Array, atMs: number): Watched[] {
  const frames = feed(w.deframer, bytes);
  w.damaged = w.deframer.lost;
  return frames.map((frame) => watched(w, frame, atMs));
}

const moreFollows = 8;
const firstOfSession = 16;
const fromHandset = 128;

function watched(w: Watcher, frame: Frame, atMs: number): Watched {
  const from = (frame.link & fromHandset) !== 0 ? "handset" : "terminal";
  const more = (frame.link & moreFollows) !== 0;
  const held = (frame.link & firstOfSession) !== 0 ? [] : w.arriving[from];
  const sentAgain = more && held.length > 0 && equal(held[held.length - 1]!, frame.payload);
  const pieces = sentAgain ? held : [...held, frame.payload];
  w.arriving[from] = more && lengthOf(pieces) <= limits.messageBytesMax ? pieces : [];
  const message = more ? new Uint8Array(0) : join(pieces);
  return { atMs, from, link: linkByte(frame.link).replace(/^from (handset|terminal), /, ""), payload: frame.payload, carries: message.length === 0 ? undefined : inspect(message), more };
}

const lengthOf = (pieces: readonly Uint8Array[]): number => pieces.reduce((sum, piece) => sum + piece.length, 0);
