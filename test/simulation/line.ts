/**
 * The air before a gate: one half-duplex medium at 115,200 baud that everybody attached to it shares. Writes take time;
 * while two handsets are there, what they say is cut into pieces and runs together. Faults strike single writes.
 */
import { alter, type Attacker } from "./attacker.js";
import type { Desk, Fault } from "./plan.js";
import { makeDraw } from "./random.js";
import type { Schedule } from "./schedule.js";
import type { Serial } from "../../runtime/board.js";
import type { Medium } from "../../protocol/link/media.js";

const usPerByte = 87;
/** Pieces of a write while more than one handset is there. */
const pieceBytes = 24;

export interface End extends Serial {
  /** Called when bytes have arrived; the actor reads in an event of its own. */
  onReadable: (() => void) | undefined;
}
export interface Line {
  /** The gate's end: a new one for each boot, the old one is dead. */
  plugGate(): End;
  attach(name: string): End;
  detach(end: End): void;
  attached(): number;
}
export interface LineOptions {
  name: string; medium: Medium; schedule: Schedule; desk: Desk; attacker: Attacker;
  /** Everything that is written, as it is written. */
  heard(direction: "up" | "down", bytes: Uint8Array): void;
  /** The person holding this handset walks away. */
  leaves(end: End | undefined): void;
}

/** A piece of a write on its way: microseconds behind the end of the write, and whether it comes back to its sender. */
interface Piece { afterUs: number; bytes: Uint8Array; back: boolean }

export function makeLine(o: LineOptions): Line {
  let gate: End | undefined;
  let handsets: End[] = [];
  const inboxes = new Map<End, Uint8Array[]>();
  const busyUntil = new Map<End, number>();

  const deliver = (to: End, bytes: Uint8Array): void => {
    const inbox = inboxes.get(to);
    if (inbox === undefined || bytes.length === 0) return;
    inbox.push(bytes);
    to.onReadable?.();
  };
  const receivers = (from: End): End[] => (from === gate ? handsets : gate === undefined ? [] : [gate]);
  const carry = (from: End, bytes: Uint8Array, atUs: number, back: boolean): void => {
    o.schedule.at(atUs, () => { for (const to of back ? [from] : receivers(from)) deliver(to, bytes); });
  };
  const write = (from: End, direction: "up" | "down", bytes: Uint8Array): void => {
    if (!inboxes.has(from)) return;
    o.heard(direction, bytes);
    const begins = Math.max(o.schedule.nowUs, busyUntil.get(from) ?? 0);
    const ends = begins + bytes.length * usPerByte;
    busyUntil.set(from, ends);
    const fault = o.desk.at(`${o.name}/${direction}`);
    const pieces = fault === undefined ? [{ afterUs: 0, bytes, back: false }] : o.desk.quiet ? [] : struck(o, fault, direction, bytes);
    if (fault?.kind === "leave") o.schedule.at(ends, () => o.leaves(from === gate ? undefined : from));
    for (const piece of pieces) {
      if (handsets.length < 2 || piece.back || fault !== undefined) { carry(from, piece.bytes, ends + piece.afterUs, piece.back); continue; }
      for (let at = 0; at < piece.bytes.length; at += pieceBytes) carry(from, piece.bytes.slice(at, at + pieceBytes), begins + (at + pieceBytes) * usPerByte, false);
    }
  };
  const end = (direction: "up" | "down"): End => {
    const made: End = {
      onReadable: undefined, onClose: undefined,
      read: () => inboxes.get(made)?.shift(),
      write: (bytes) => write(made, direction, new Uint8Array(bytes)),
      close: () => undefined,
    };
    inboxes.set(made, []);
    return made;
  };
  return {
    plugGate: () => {
      if (gate !== undefined) inboxes.delete(gate);
      gate = end("down");
      return gate;
    },
    attach: () => {
      const made = end("up");
      handsets = [...handsets, made];
      return made;
    },
    detach: (gone) => {
      handsets = handsets.filter((h) => h !== gone);
      inboxes.delete(gone);
    },
    attached: () => handsets.length,
  };
}

/** What a fault makes of a write. */
function struck(o: LineOptions, fault: Fault, direction: "up" | "down", bytes: Uint8Array): Piece[] {
  const draw = makeDraw(`${fault.kind} ${fault.arg}`);
  const whole = (x: Uint8Array, afterUs = 0): Piece => ({ afterUs, bytes: x, back: false });
  const changed = (change: (copy: Uint8Array, at: number) => void): Piece[] => {
    const copy = new Uint8Array(bytes);
    change(copy, draw.below(copy.length));
    return [whole(copy)];
  };
  o.desk.struck(fault.kind, fault.point);
  switch (fault.kind) {
    case "lost_byte": {
      const at = draw.below(bytes.length);
      return [whole(bytes.slice(0, at)), whole(bytes.slice(at + draw.between(1, 4)))];
    }
    case "flip": return changed((copy, at) => { copy[at]! ^= 1 << draw.below(8); });
    case "burst": return changed((copy, at) => { for (let i = draw.between(1, 64); i > 0 && at < copy.length; i--) copy[at++]! ^= draw.below(256); });
    case "error_marks": return changed((copy, at) => { for (let i = draw.between(1, 200); i > 0 && at < copy.length; i--) copy[at++] = 0xff; });
    case "garbage": {
      const noise = draw.bytes(draw.pick([1, 3, 40, 500, 4096]));
      return draw.chance(0.5) ? [whole(noise), whole(bytes, noise.length * usPerByte)] : [whole(bytes), whole(noise, noise.length * usPerByte)];
    }
    case "echo": {
      const back = draw.chance(0.3) ? bytes.slice(0, draw.between(1, bytes.length)) : new Uint8Array(bytes);
      if (draw.chance(0.3)) back[draw.below(back.length)]! ^= 1 << draw.below(8);
      return [{ afterUs: draw.below(20_000), bytes: back, back: true }, whole(bytes)];
    }
    case "duplicate": return Array.from({ length: draw.between(2, 6) }, (_, i) => whole(bytes, i * draw.pick([0, 1000, 40_000, 500_000])));
    case "late": return [whole(bytes, draw.pick([5000, 60_000, 460_000, 1_500_000, 3_000_000, 9_000_000]))];
    case "dropped": return [];
    case "leave": return draw.chance(0.5) ? [whole(bytes.slice(0, draw.below(bytes.length)))] : [whole(bytes)];
    case "trickle": return [...bytes].map((b, i) => whole(new Uint8Array([b]), i * draw.pick([20_000, 1_000_000])));
    case "endless": return [whole(bytes), ...Array.from({ length: 20 }, (_, i) => whole(new Uint8Array(400).fill(0x55), (i + 1) * 400 * usPerByte))];
    case "replay": return [whole(bytes), ...o.attacker.recorded(draw).map((frame, i) => whole(frame, (i + 1) * 2000))];
    case "alter": return alter(o.attacker, o.medium, direction, bytes, draw).map((frame, i) => whole(frame, i * 1000));
    default: throw new Error(`the line knows no fault ${fault.kind}`);
  }
}
