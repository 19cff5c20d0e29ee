/**
 * What every Node machine has: two clocks, real randomness, keys in a file that only its owner reads, inflate.
 */
import { randomBytes } from "node:crypto";
import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, statSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { inflateSync } from "node:zlib";
import { faultOf } from "./fault.js";
import { boardFault } from "../../runtime/journal/store.js";
import type { Clock, Keys, Random } from "../../runtime/board.js";
import type { Crypto } from "../../protocol/crypto/crypto.js";

export interface NodeClock extends Clock { /** Signed time has come: UTC seconds, quality 3 for a day. */ set(at: number): void }

/** The system's clock, of quality 2; corrected and of quality 3 once signed time came. */
export function makeClock(): NodeClock {
  const begin = process.hrtime.bigint();
  let correction = 0;
  let signedAtMs = -Infinity;
  const monotonicMs = (): number => Number((process.hrtime.bigint() - begin) / 1000n) / 1000;
  return {
    monotonicMs,
    utc: () => ({ at: Math.floor(Date.now() / 1000) + correction, quality: monotonicMs() - signedAtMs < 86_400_000 ? 3 : 2 }),
    set: (at) => { correction = at - Math.floor(Date.now() / 1000); signedAtMs = monotonicMs(); },
  };
}

export const random: Random = { fill: (length) => new Uint8Array(randomBytes(length)) };

/** zlib, bounded, for status lists. */
export function inflate(packed: Uint8Array, most: number): Uint8Array | undefined {
  try { return new Uint8Array(inflateSync(packed, { maxOutputLength: most })); } catch { return undefined; }
}

/** Keys in one file of mode 0600, replaced whole and durably at each change. Throws a `BoardFault` when others may read it. */
export function openKeys(path: string, crypto: Crypto): Keys {
  const secrets = readKeys(path);
  const keep = (): void => writeKeys(path, secrets);
  const withSecret = <T>(name: string, use: (secret: Uint8Array) => T): T | undefined => {
    const secret = secrets.get(name);
    return secret === undefined ? undefined : use(secret);
  };
  return {
    make: (name) => {
      for (;;) {
        const secret = new Uint8Array(randomBytes(32));
        const point = crypto.publicKey(secret);
        if (point === undefined || point[0] !== 2) continue;
        secrets.set(name, secret);
        keep();
        return point;
      }
    },
    publicKey: (name) => withSecret(name, (secret) => crypto.publicKey(secret)),
    rename: (from, to) => {
      const secret = secrets.get(from);
      if (secret === undefined) return;
      secrets.delete(from);
      secrets.set(to, secret);
      keep();
    },
    sign: (name, message) => withSecret(name, (secret) => crypto.sign(secret, message)),
    agree: (name, publicKey) => withSecret(name, (secret) => crypto.agree(secret, publicKey)),
  };
}

function readKeys(path: string): Map<string, Uint8Array> {
  if (!existsSync(path)) return new Map();
  if ((statSync(path).mode & 0o077) !== 0) throw boardFault("denied", `${path} can be read by others: make its mode 0600, and enrol anew if anyone could have copied it.`);
  try {
    const stored = JSON.parse(readFileSync(path, "utf8")) as Record<string, string>;
    return new Map(Object.entries(stored).map(([name, text]) => [name, new Uint8Array(Buffer.from(text, "base64"))]));
  } catch (error) {
    throw faultOf(error, path);
  }
}

function writeKeys(path: string, secrets: Map<string, Uint8Array>): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const text = JSON.stringify(Object.fromEntries([...secrets].map(([name, secret]) => [name, Buffer.from(secret).toString("base64")])));
  try {
    const descriptor = openSync(path + ".new", "w", 0o600);
    writeSync(descriptor, text);
    fsyncSync(descriptor);
    closeSync(descriptor);
    renameSync(path + ".new", path);
    const folder = openSync(dirname(path), "r");
    fsyncSync(folder);
    closeSync(folder);
  } catch (error) {
    throw faultOf(error, path);
  }
}
