/**
 * Private keys in one file of mode 0600, replaced whole and durably at each change: after a cut it is the old one or the
 * new one. What could not be made durable is not there. Programs that open it at once change it one after the other.
 */
import { randomBytes } from "node:crypto";
import { existsSync, readFileSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { disk, makeFolder, putFile, type Disk } from "./durable.js";
import { faultOf } from "./fault.js";
import { lock, unlock } from "./lock.js";
import { boardFault } from "../../runtime/journal/store.js";
import type { Keys } from "../../runtime/board.js";
import type { Crypto } from "../../protocol/crypto/crypto.js";

type Secrets = Map<string, Uint8Array>;

/** Opens the file, or begins without. Throws a `BoardError`: `denied` when others may read it. */
export function openKeys(path: string, crypto: Crypto, by: Disk = disk): Keys {
  const file = resolve(path);
  let secrets = readKeys(file);
  /** On what is in the file now, since another program may have changed it. */
  const change = (work: (secrets: Secrets) => void): void => {
    try { makeFolder(dirname(file)); } catch (error) { throw faultOf(error, dirname(file)); }
    lock(file);
    try {
      const changed = readKeys(file);
      work(changed);
      putFile(file, Buffer.from(textOf(changed)), by);
      secrets = changed;
    } catch (error) {
      throw faultOf(error, file);
    } finally {
      unlock(file);
    }
  };
  const withSecret = <T>(name: string, use: (secret: Uint8Array) => T): T | undefined => {
    const secret = secrets.get(name);
    return secret === undefined ? undefined : use(secret);
  };
  return {
    make: (name) => {
      const { secret, point } = evenKey(crypto);
      change((all) => all.set(name, secret));
      return point;
    },
    publicKey: (name) => withSecret(name, (secret) => crypto.publicKey(secret)),
    rename: (from, to) => {
      if (from === to || !secrets.has(from)) return;
      change((all) => {
        const secret = all.get(from);
        if (secret === undefined) return;
        all.delete(from);
        all.set(to, secret);
      });
    },
    sign: (name, message) => withSecret(name, (secret) => crypto.sign(secret, message)),
    agree: (name, publicKey) => withSecret(name, (secret) => crypto.agree(secret, publicKey)),
  };
}

/** A key whose public point has an even y, so that x alone names it. */
function evenKey(crypto: Crypto): { secret: Uint8Array; point: Uint8Array } {
  for (;;) {
    const secret = new Uint8Array(randomBytes(32));
    const point = crypto.publicKey(secret);
    if (point !== undefined && point[0] === 2) return { secret, point };
  }
}

function readKeys(path: string): Secrets {
  if (!existsSync(path)) return new Map();
  if ((statSync(path).mode & 0o077) !== 0) throw boardFault("denied", `${path} can be read by others: make its mode 0600, and enrol anew if anyone could have copied it.`);
  const secrets = secretsIn(readText(path));
  if (secrets === undefined) throw boardFault("broken", `${path} holds no keys that can be read: restore it from a backup, or enrol anew.`);
  return secrets;
}
function readText(path: string): string {
  try { return readFileSync(path, "utf8"); } catch (error) { throw faultOf(error, path); }
}

/** JSON: name → base64 of 32 bytes. Undefined for anything else. */
function secretsIn(text: string): Secrets | undefined {
  let stored: unknown;
  try { stored = JSON.parse(text); } catch { return undefined; }
  if (typeof stored !== "object" || stored === null || Array.isArray(stored)) return undefined;
  const secrets: Secrets = new Map();
  for (const [name, encoded] of Object.entries(stored)) {
    const secret = typeof encoded === "string" ? new Uint8Array(Buffer.from(encoded, "base64")) : undefined;
    if (secret?.length !== 32) return undefined;
    secrets.set(name, secret);
  }
  return secrets;
}
function textOf(secrets: Secrets): string {
  return JSON.stringify(Object.fromEntries([...secrets].map(([name, secret]) => [name, Buffer.from(secret).toString("base64")])));
}
