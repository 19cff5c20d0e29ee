/**
 * A whole machine in memory, with its hands and eyes outside: a clock that only the test moves, randomness from a seed, a
 * line to the other side, a relay, a sensor, lights that remember what they showed.
 */
import { makeMemoryStore, type MemoryStore } from "./store.js";
import type { Board, Clock, Digital, Keys, Panel, Random, Serial } from "../../runtime/board.js";
import type { Crypto } from "../../protocol/crypto/crypto.js";

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
export interface SimLine { a: SimSerial; b: SimSerial; /** Carries what was written so far; true when anything moved. */ deliver(): boolean }
export function makeSimLine(): SimLine {
  const arrived: { a: Uint8Array[]; b: Uint8Array[] } = { a: [], b: [] };
  const under: { a: Uint8Array[]; b: Uint8Array[] } = { a: [], b: [] };
  const end = (own: "a" | "b", other: "a" | "b"): SimSerial => ({
    sent: [], fault: undefined, onReadable: undefined, onClose: undefined,
    read: () => arrived[own].shift(),
    write(bytes) {
      this.sent.push(bytes);
      under[other].push(...(this.fault === undefined ? [bytes] : this.fault(bytes)));
    },
    close() { this.onClose?.(undefined); },
  });
  const a = end("a", "b");
  const b = end("b", "a");
  return { a, b, deliver: () => {
    const moved = under.a.length + under.b.length > 0;
    for (const [to, serial] of [["a", a], ["b", b]] as const) {
      if (under[to].length === 0) continue;
      arrived[to].push(...under[to].splice(0));
      serial.onReadable?.();
    }
    return moved;
  } };
}

export interface SimDigital extends Digital { readonly levels: (0 | 1)[]; set(level: 0 | 1): void }
export function makeSimDigital(): SimDigital {
  let now: 0 | 1 = 0;
  const levels: (0 | 1)[] = [];
  const digital: SimDigital = {
    levels, onReadable: undefined,
    read: () => now,
    write: (level) => { now = level; levels.push(level); },
    set: (level) => { now = level; digital.onReadable?.(); },
    close: () => undefined,
  };
  return digital;
}

export interface SimPanel extends Panel { readonly shown: { light: string; tone: string; text: string }[] }
export function makeSimPanel(): SimPanel {
  const shown: { light: string; tone: string; text: string }[] = [];
  return { shown, show: (light, tone, text) => { shown.push({ light, tone, text }); } };
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
