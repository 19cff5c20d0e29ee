/**
 * One gate or one handset at one moment, kept once however often it is met: two that cannot be told apart by anything that
 * they will ever do share a number. A change works on a copy, so that what was met before stays as it was.
 */
import type { Gate, Hand } from "../../session/core.js";
import type { BookState } from "../../../runtime/value/book.js";
import type { FinishedUse } from "../../../protocol/session/book.js";

/** What never changes in a run, or only tells the story of how one came here. */
const left = new Set(["settings", "crypto", "mint", "terminals", "statusBits", "profile", "signing", "agreement", "shown", "effects", "opened", "since", "events", "known", "decoded", "asked", "certificate", "boot"]);

/** A text that is equal exactly when everything that counts is. */
export function fingerprint(x: unknown): string {
  if (x instanceof Uint8Array) return x.length + "'" + Buffer.from(x.buffer, x.byteOffset, x.length).toString("latin1");
  if (Array.isArray(x)) return "[" + x.map(fingerprint).join() + "]";
  if (typeof x !== "object" || x === null) return String(x);
  let text = "{";
  for (const key of Object.keys(x).sort()) if (!left.has(key)) text += key + ":" + fingerprint((x as Record<string, unknown>)[key]) + ",";
  return text + "}";
}

export interface Node<T> { readonly id: number; readonly value: T }
export interface Pool<T> { has(value: T): Node<T>; empty(): void; readonly size: number }
export function makePool<T>(): Pool<T> {
  const known = new Map<string, Node<T>>();
  return {
    has: (value) => {
      const key = fingerprint(value);
      let node = known.get(key);
      if (node === undefined) known.set(key, (node = { id: known.size, value }));
      return node;
    },
    empty: () => { known.clear(); },
    get size() { return known.size; },
  };
}

const bytes = (b: Uint8Array): Uint8Array => new Uint8Array(b);

export function copyGate(g: Gate): Gate {
  const v = g.verifier;
  const tap = v.tap === undefined ? undefined : {
    ...v.tap, secret: bytes(v.tap.secret), grantKey: bytes(v.tap.grantKey),
    channel: v.tap.channel && { ...v.tap.channel, toTerminal: bytes(v.tap.channel.toTerminal), toHandset: bytes(v.tap.channel.toHandset) },
  };
  return { ...g, verifier: { ...v, tap, pending: [...v.pending] }, book: copyBook(g.book), journal: [...g.journal], lazy: [...g.lazy], out: [...g.out], shown: [], effects: [], answers: [...g.answers] };
}
function copyBook(b: BookState): BookState {
  const uses: BookState["uses"] = {};
  const copies = new Map<FinishedUse, FinishedUse>();
  for (const [key, kept] of Object.entries(b.uses)) {
    const use = { ...kept.use };
    copies.set(kept.use, use);
    uses[key] = { ...kept, use };
  }
  return { ...b, uses, notices: { ...b.notices }, handed: { ...b.handed }, beacons: { ...b.beacons }, beaconSteps: [...b.beaconSteps], notTurned: b.notTurned.map((use) => copies.get(use) ?? { ...use }) };
}

export function copyHand(h: Hand): Hand {
  const t = h.holder.meeting;
  const meeting = t === undefined ? undefined : { ...t, secret: bytes(t.secret), channel: t.channel && { ...t.channel, toTerminal: bytes(t.channel.toTerminal), toHandset: bytes(t.channel.toHandset) } };
  return { ...h, holder: { ...h.holder, meeting }, kept: [...h.kept], known: { ...h.known }, out: [...h.out], shown: [], events: [] };
}
