/**
 * What the host takes from the machine it runs on: time, randomness, cryptography, timers, slow hashing. Everything else is
 * a function of these and of the database, so a simulation hands in its own and gets the same bytes each time.
 */
import { randomBytes, scrypt } from "node:crypto";
import type { Crypto } from "../protocol/crypto/crypto.js";
import type { Ccm } from "../protocol/crypto/ccm.js";
import { nodeCcm, nodeCrypto } from "../protocol/crypto/node/node.js";

export interface Machine {
  readonly crypto: Crypto;
  /** For the letters of boards without signatures. */
  readonly ccm: Ccm;
  /** UTC seconds. */
  now(): number;
  /** Secret bytes: keys, ids, nonces, salts. */
  random(length: number): Uint8Array;
  /** Does `work` after so many milliseconds, unless what it answers is called first. */
  after(milliseconds: number, work: () => void): () => void;
  /** 32 bytes that cost a guesser time and memory (`trust.md` §4). */
  slowHash(password: string, salt: Uint8Array): Promise<Uint8Array>;
}

/** OWASP's smaller memory; 0.2 s on one server core. Node's default `maxmem` refuses it, so it is set. */
export const slowHashCost = { N: 2 ** 15, r: 8, p: 3 };

export const nodeMachine: Machine = {
  crypto: nodeCrypto,
  ccm: nodeCcm,
  now: () => Math.floor(Date.now() / 1000),
  random: (length) => new Uint8Array(randomBytes(length)),
  after: (milliseconds, work) => {
    const timer = setTimeout(work, milliseconds);
    return () => clearTimeout(timer);
  },
  slowHash: (password, salt) => new Promise((resolve, reject) => {
    scrypt(password, salt, 32, { ...slowHashCost, maxmem: 64 * 1024 * 1024 }, (error, key) => (error === null ? resolve(new Uint8Array(key)) : reject(error)));
  }),
};
