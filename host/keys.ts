/**
 * The host's key store: roots, role keys, issuer keys and group keys in one encrypted file (`trust.md` §1, §6).
 *
 * AES-256-GCM under a key of 32 bytes that stands in a file of its own, mode 0600, unless one is given. With no set-up the
 * first start makes both roots here, so that anyone can try it; an operator who sells anything makes them at a ceremony and
 * gives this host role certificates only. Nothing of it is ever in the database or in a log.
 */
import { createCipheriv, createDecipheriv } from "node:crypto";
import { chmodSync, closeSync, existsSync, fsyncSync, linkSync, mkdirSync, openSync, readFileSync, renameSync, statSync, unlinkSync, writeSync } from "node:fs";
import { dirname, join } from "node:path";
import { Wrong } from "./context.js";
import type { Machine } from "./machine.js";
import { assert } from "../protocol/assert.js";
import { copy, hex } from "../protocol/wire/bytes.js";
import { encodeSigned, keyId, objectToSign, signObject, type SignedType } from "../protocol/wire/signed.js";
import type { GroupKeyPackage } from "../protocol/wire/group-keys.js";
import { encodeRole, roles, type Role } from "../protocol/wire/trust.js";

const day = 86_400;
const year = 365 * day;
/** Verify periods after twelve months of signing (`trust.md` §9). */
const verifyFor: Record<Role, number> = { values: 3 * year, certificates: year + 91 * day, configuration: year + 61 * day, status: year + 61 * day, software: 2 * year, envelope: year + 400 * day, sender: year + 61 * day };

export interface KeyStore {
  readonly provider: string;
  readonly root: Uint8Array;
  readonly spareRoot: Uint8Array;
  /** Role certificates signed by the root. */
  readonly roles: Uint8Array[];
  publicKey(name: string): Uint8Array;
  /** 8 bytes; taps use the first 4. */
  kid(name: string): Uint8Array;
  shortKid(name: string): Uint8Array;
  sign(name: string, message: Uint8Array): Uint8Array;
  signed(type: SignedType, name: string, claims: Uint8Array): Uint8Array;
  agree(name: string, publicKey: Uint8Array): Uint8Array | undefined;
  /** A key that is made when it is asked for first (issuers). Like `group` and `board`, only inside a transaction: its lock is the store's. */
  ensure(name: string): Uint8Array;
  /** Keys of a group of boards in one epoch (profile B). */
  group(number: number, epoch: number): GroupKeyPackage;
  /** The 32-byte master that a board without signatures shares with this host, one for each generation. */
  board(terminalId: string, generation: number): Uint8Array;
  /** A few secret bytes for a row of the database, so that a copy of the database alone opens nothing. */
  wrap(plain: string): string;
  unwrap(wrapped: string): string;
  /** HMAC key for passwords. */
  pepper(): Uint8Array;
}

interface Stored { provider: string; secrets: Record<string, string>; roles: string[]; groups: Record<string, { epoch: number; keys: string[] }> }

/** Opens or makes the store in `folder`. Throws when the key file can be read by others or does not fit. */
export function openKeyStore(m: Machine, folder: string, provider: string, given?: Uint8Array): KeyStore {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const wrapping = given ?? wrappingKey(m, join(folder, "keystore.key"));
  const path = join(folder, "keystore");
  if (!existsSync(path)) writeFirst(path, encrypt(m, wrapping, JSON.stringify(makeStored(m, provider))));
  return storeOf(m, wrapping, {
    read: () => JSON.parse(decrypt(wrapping, readFileSync(path))) as Stored,
    write: (stored) => writeWhole(path, encrypt(m, wrapping, JSON.stringify(stored))),
  });
}

/** A store that lives as long as this process, for tests and simulations. */
export function makeKeyStore(m: Machine, provider: string): KeyStore {
  let kept = makeStored(m, provider);
  return storeOf(m, m.random(32), { read: () => kept, write: (stored) => { kept = stored; } });
}

/** `kid` as in `KeyStore`. */
interface Pair { secret: Uint8Array; publicKey: Uint8Array; kid: Uint8Array }

/** Where the store lies. Several workers share one file: what another of them made is read again when it is missed. */
interface Shelf { read(): Stored; write(stored: Stored): void }

function wrappingKey(m: Machine, path: string): Uint8Array {
  if (!existsSync(path)) writeFirst(path, m.random(32));
  if ((statSync(path).mode & 0o077) !== 0) throw new Wrong("keys_open", `${path} can be read by others: make its mode 0600, and renew the roles if anyone could have copied it.`, 500);
  return new Uint8Array(readFileSync(path));
}

function makeStored(m: Machine, provider: string): Stored {
  const now = m.now();
  const secrets: Record<string, string> = { root: newSecret(m), "spare root": newSecret(m), pepper: hex(m.random(32)), row: hex(m.random(32)) };
  const certificates = roles.map((role) => {
    secrets[role] = newSecret(m);
    return Buffer.from(signObject(m.crypto, "role", bytes(secrets["root"]!), encodeRole({
      issuer: provider, role, expires: now + verifyFor[role], notBefore: now - 300, publicKey: m.crypto.publicKey(bytes(secrets[role]!))!, generation: 1, leastGeneration: 0, signsUntil: now + year,
    }))).toString("base64");
  });
  return { provider, secrets, roles: certificates, groups: {} };
}

/** A scalar whose point has even y, so that every key may also be sent as x alone. */
function newSecret(m: Machine): string {
  for (;;) {
    const secret = m.random(32);
    if (m.crypto.publicKey(secret)?.[0] === 2) return hex(secret);
  }
}

function storeOf(m: Machine, wrapping: Uint8Array, shelf: Shelf): KeyStore {
  const crypto = m.crypto;
  let stored = shelf.read();
  // A key of a name never changes, so what follows from it is worked out once: letters are signed and opened with it by the thousand.
  const known = new Map<string, Pair>();
  const pair = (name: string): Pair => {
    const before = known.get(name);
    if (before !== undefined) return before;
    if (stored.secrets[name] === undefined) stored = shelf.read();
    const text = stored.secrets[name];
    assert(text !== undefined, "a key of this name is in the store: " + name);
    const secret = bytes(text!);
    const publicKey = crypto.publicKey(secret)!;
    const made = { secret, publicKey, kid: keyId(crypto, publicKey) };
    known.set(name, made);
    return made;
  };
  /** Adds what is missing to what is there now, also by other workers; the caller holds the database's write lock. */
  const add = (isMissing: (s: Stored) => boolean, change: (s: Stored) => void): void => {
    if (!isMissing(stored)) return;
    stored = shelf.read();
    if (!isMissing(stored)) return;
    change(stored);
    shelf.write(stored);
  };
  const publicKey = (name: string): Uint8Array => pair(name).publicKey;
  return {
    provider: stored.provider, root: publicKey("root"), spareRoot: publicKey("spare root"), roles: stored.roles.map((text) => new Uint8Array(Buffer.from(text, "base64"))),
    publicKey, kid: (name) => pair(name).kid, shortKid: (name) => copy(pair(name).kid, 0, 4),
    sign: (name, message) => crypto.sign(pair(name).secret, message),
    signed: (type, name, claims) => {
      const { secret, kid } = pair(name);
      return encodeSigned(type, kid, claims, crypto.sign(secret, objectToSign(type, kid, claims)), false);
    },
    agree: (name, peer) => crypto.agree(pair(name).secret, peer),
    ensure: (name) => {
      add((s) => s.secrets[name] === undefined, (s) => { s.secrets[name] = newSecret(m); });
      return publicKey(name);
    },
    group: (number, epoch) => {
      const key = epoch === 1 ? String(number) : `${number}/${epoch}`;
      add((s) => s.groups[key] === undefined, (s) => { s.groups[key] = { epoch, keys: [0, 1, 2].map(() => hex(m.random(32))) }; });
      const { keys } = stored.groups[key]!;
      return { group: number, epoch, grantKey: bytes(keys[0]!), deriveKey: bytes(keys[1]!), receiptKey: bytes(keys[2]!) };
    },
    board: (terminalId, generation) => {
      add((s) => s.secrets["boards"] === undefined, (s) => { s.secrets["boards"] = hex(m.random(32)); });
      return crypto.hkdf(bytes(stored.secrets["boards"]!), bytes(terminalId), Buffer.from(`kaisatsu board master ${generation}`), 32);
    },
    wrap: (plain) => encrypt(m, rowKey(m, wrapping, stored), plain).toString("base64"),
    unwrap: (wrapped) => decrypt(rowKey(m, wrapping, stored), Buffer.from(wrapped, "base64")),
    pepper: () => bytes(stored.secrets["pepper"]!),
  };
}

const rowKey = (m: Machine, wrapping: Uint8Array, stored: Stored) => m.crypto.hmac(wrapping, bytes(stored.secrets["row"]!));

function encrypt(m: Machine, key: Uint8Array, plain: string): Buffer {
  const nonce = m.random(12);
  const cipher = createCipheriv("aes-256-gcm", key, nonce);
  return Buffer.concat([nonce, cipher.update(plain, "utf8"), cipher.final(), cipher.getAuthTag()]);
}
function decrypt(key: Uint8Array, sealed: Uint8Array): string {
  const decipher = createDecipheriv("aes-256-gcm", key, sealed.subarray(0, 12), { authTagLength: 16 });
  decipher.setAuthTag(sealed.subarray(sealed.length - 16));
  try {
    return Buffer.concat([decipher.update(sealed.subarray(12, sealed.length - 16)), decipher.final()]).toString("utf8");
  } catch {
    throw new Wrong("keys_shut", "The key store does not open with this key: give the key that it was made with.", 500);
  }
}

function writeWhole(path: string, content: Uint8Array): void {
  writeDurably(path + ".new", content);
  renameSync(path + ".new", path);
  syncFolder(path);
}

/** The file appears whole and once: of two workers that start together the second uses what the first made. */
function writeFirst(path: string, content: Uint8Array): void {
  const own = `${path}.${process.pid}.new`;
  writeDurably(own, content);
  try {
    linkSync(own, path);
  } catch (error) {
    if ((error as { code?: string }).code !== "EEXIST") throw error;
  }
  unlinkSync(own);
  syncFolder(path);
}

function writeDurably(path: string, content: Uint8Array): void {
  const descriptor = openSync(path, "w", 0o600);
  writeSync(descriptor, content);
  fsyncSync(descriptor);
  closeSync(descriptor);
  chmodSync(path, 0o600);
}

/** A new name is durable with its folder. */
function syncFolder(path: string): void {
  const descriptor = openSync(dirname(path), "r");
  fsyncSync(descriptor);
  closeSync(descriptor);
}

const bytes = (text: string) => new Uint8Array(Buffer.from(text, "hex"));
