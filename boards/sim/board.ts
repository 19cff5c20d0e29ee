/**
 * A whole machine in memory, with its hands and eyes outside: a clock that only the test moves, randomness from a seed, a
 * line to the other side, a relay, a sensor, lights that remember what they showed.
 */
import { makeMemoryStore, type MemoryStore } from "./store.js";
import type { Board, Clock, Digital, Keys, Panel, Random, Serial } from "../../runtime/board.js";
import { boardFault } from "../../runtime/journal/store.js";
import type { Crypto } from "../../protocol/crypto/crypto.js";
import { limits } from "../../protocol/limits.js";

/** Two clocks that stand still until `advance`. */
export interface SimClock extends Clock { advance(ms: number): void; setUtc(at: number, quality: 0 | 1 | 2 | 3): void }
export function makeSimClock(at: number, quality: 0 | 1 | 2 | 3 = 2): SimClock {
  let ms = 0;
  let utc = at * 1000;
  let q = quality;
  return {
    monotonicMs: () => ms,
    utc: () => ({ at: q === 0 ? 0 : Math.floor(utc / 1000), quality: q }),
    advance: (by) => { ms += by; utc += by; },
    setUtc: (to, withQuality) => { utc = to * 1000; q = withQuality; },
  };
}

/** SHA-256 in counter mode over a seed: the same bytes in every run. */
export function makeSimRandom(crypto: Crypto, seed: string): Random {
  let counter = 0;
  return {
    fill: (length) => {
      const out = new Uint8Array(length);
      for (let at = 0; at < length; at += 32) {
        const block = crypto.sha256(new Uint8Array([...seed].map((c) => c.charCodeAt(0) & 255).concat([counter >>> 24, (counter >> 16) & 255, (counter >> 8) & 255, counter & 255])));
        counter++;
        out.set(block.subarray(0, Math.min(32, length - at)), at);
      }
      return out;
    },
  };
}

/** Keys in memory, for machines whose secrets are files or nothing but a test. */
export interface SimKeys extends Keys { readonly secrets: Map<string, Uint8Array>; put(name: string, secret: Uint8Array): void }
export function makeSimKeys(crypto: Crypto, random: Random): SimKeys {
  const secrets = new Map<string, Uint8Array>();
  const withSecret = <T>(name: string, use: (secret: Uint8Array) => T): T | undefined => {
    const secret = secrets.get(name);
    return secret === undefined ? undefined : use(secret);
  };
  return {
    secrets,
    put: (name, secret) => { secrets.set(name, secret); },
    make: (name) => {
      for (;;) {
        const secret = random.fill(32);
        const point = crypto.publicKey(secret);
        if (point === undefined || point[0] !== 2) continue;
        secrets.set(name, secret);
        return point;
      }
    },
    publicKey: (name) => withSecret(name, (secret) => crypto.publicKey(secret)),
    rename: (from, to) => {
      const secret = secrets.get(from);
      if (secret === undefined) return;
      secrets.delete(from);
      secrets.set(to, secret);
    },
    sign: (name, message) => withSecret(name, (secret) => crypto.sign(secret, message)),
    agree: (name, publicKey) => withSecret(name, (secret) => crypto.agree(secret, publicKey)),
  };
}

/** One end of a line; what is written waits at the other end until `deliver`. `fault` may change, drop or double bytes on the way. */
export interface SimSerial extends Serial { readonly sent: Uint8Array[]; fault: ((bytes: Uint8Array) => Uint8Array[]) | undefined }
export interface SimLine {
  a: SimSerial; b: SimSerial;
  /** Carries what was written so far; true when anything moved. */
  deliver(): boolean;
  /** Pulls the plug on both ends: what is under way is lost, and the next `deliver` tells them. */
  unplug(): void;
}
export function makeSimLine(): SimLine {
  const a = makeEnd();
  const b = makeEnd();
  a.other = b;
  b.other = a;
  return {
    a: a.serial, b: b.serial,
    deliver: () => { const moved = a.under.length + b.under.length > 0; arrive(a); arrive(b); return moved; },
    unplug: () => { for (const end of [a, b]) { end.under.length = 0; if (end.state === "open") end.state = "unplugged"; } },
  };
}

interface End { serial: SimSerial; other: End; arrived: Uint8Array[]; under: Uint8Array[]; underBytes: number; asked: boolean; state: "open" | "unplugged" | "closed" }
function makeEnd(): End {
  const end: Omit<End, "other" | "serial"> & Partial<End> = { arrived: [], under: [], underBytes: 0, asked: true, state: "open" };
  end.serial = {
    sent: [], fault: undefined, onReadable: undefined, onClose: undefined,
    read: () => {
      const bytes = end.arrived.shift();
      if (bytes === undefined) end.asked = true;
      return bytes;
    },
    write(bytes) {
      if (end.state !== "open") throw boardFault("disconnected", "This line is closed.");
      const to = end.other!;
      if (to.underBytes + bytes.length > limits.lineBytesMax) throw boardFault("timed_out", "This line takes no bytes: nobody carries them.");
      const copy = bytes.slice();
      this.sent.push(copy);
      to.underBytes += bytes.length;
      to.under.push(...(this.fault === undefined ? [copy] : this.fault(copy)));
    },
    close: () => { end.arrived.length = 0; end.state = "closed"; },
  };
  return end as End;
}

/** What is under way to this end is there now, and it is told once. */
function arrive(end: End): void {
  const pieces = end.under.splice(0);
  end.underBytes = 0;
  if (end.state === "unplugged") { end.state = "closed"; end.serial.onClose?.(boardFault("disconnected", "This line was unplugged.")); }
  if (end.state !== "open" || pieces.length === 0) return;
  end.arrived.push(...pieces);
  if (!end.asked || end.serial.onReadable === undefined) return;
  end.asked = false;
  end.serial.onReadable();
}

/** Changes that nobody has read; more are a sensor that flutters. */
const changesMax = 8;

/** `levels`: what was written, in order. `set` is the hand at an input. */
export interface SimDigital extends Digital { readonly levels: (0 | 1)[]; set(level: 0 | 1): void }
export function makeSimDigital(): SimDigital {
  let now: 0 | 1 = 0;
  let closed = false;
  const changes: (0 | 1)[] = [];
  const levels: (0 | 1)[] = [];
  const digital: SimDigital = {
    levels, onReadable: undefined,
    read: () => { now = changes.shift() ?? now; return now; },
    write: (level) => {
      if (closed) throw boardFault("disconnected", "This output is closed.");
      now = level;
      levels.push(level);
    },
    set: (level) => {
      if (closed || level === (changes.at(-1) ?? now)) return;
      changes.push(level);
      if (changes.length > changesMax) changes.shift();
      digital.onReadable?.();
    },
    close: () => { closed = true; },
  };
  return digital;
}

export interface SimPanel extends Panel { readonly shown: { light: string; manner: string; tone: string; text: string }[] }
export function makeSimPanel(): SimPanel {
  const shown: SimPanel["shown"] = [];
  return { shown, show: (light, manner, tone, text) => { shown.push({ light, manner, tone, text }); } };
}

export interface SimBoard extends Board {
  readonly clock: SimClock; readonly keys: SimKeys; readonly relay: SimDigital; readonly panel: SimPanel; readonly store: MemoryStore; readonly cells: MemoryStore;
}
export interface SimOptions {
  name: string; crypto: Crypto; clock: SimClock; link: Serial; passage?: SimDigital; scanner?: Serial; store?: MemoryStore; cells?: MemoryStore; keys?: SimKeys;
  inflate: (packed: Uint8Array, most: number) => Uint8Array | undefined;
}
export function makeSimBoard(o: SimOptions): SimBoard {
  const random = makeSimRandom(o.crypto, o.name);
  return {
    name: o.name, link: o.link, scanner: o.scanner, relay: makeSimDigital(), passage: o.passage, panel: makeSimPanel(), clock: o.clock, random,
    keys: o.keys ?? makeSimKeys(o.crypto, random), crypto: o.crypto, store: o.store ?? makeMemoryStore({ pageBytes: 4096, pages: 16 }),
    cells: o.cells ?? makeMemoryStore({ pageBytes: 65536, pages: 2 }), inflate: o.inflate,
  };
}
