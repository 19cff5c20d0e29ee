/**
 * The native cryptography of an Espruino board, with that board's functions and no others (`espruino` has no HMAC and no
 * elliptic curve anywhere). One-shot, answers are `ArrayBuffer`s; lengths that the engine refuses are refused.
 */
import { createCipheriv, createDecipheriv, createHash } from "node:crypto";
import type { Model } from "./models.js";

type Bytes = (what: unknown) => Uint8Array;
type Wrap = (bytes: Uint8Array) => unknown;

/** `bytes` takes what a program hands over, `wrap` makes an `ArrayBuffer` of the program's own world. */
export function cryptoModule(model: Model, bytes: Bytes, wrap: Wrap): Record<string, unknown> {
  const module: Record<string, unknown> = {};
  for (const name of model.digests) module[name] = (data: unknown) => wrap(createHash(name.toLowerCase()).update(bytes(data)).digest());
  if (model.aes) module["AES"] = aes(model, bytes, wrap);
  return module;
}

function aes(model: Model, bytes: Bytes, wrap: Wrap): Record<string, unknown> {
  const module: Record<string, unknown> = {
    encrypt: (data: unknown, key: unknown, options: Options | undefined) => wrap(modes(true, bytes(data), bytes(key), options, bytes)),
    decrypt: (data: unknown, key: unknown, options: Options | undefined) => wrap(modes(false, bytes(data), bytes(key), options, bytes)),
  };
  if (!model.ccm) return module;
  module["ccmEncrypt"] = (data: unknown, key: unknown, iv: unknown, tagBytes: number) => {
    const cipher = createCipheriv("aes-128-ccm", bytes(key), bytes(iv), { authTagLength: tagBytes });
    const sealed = Buffer.concat([cipher.update(bytes(data)), cipher.final()]);
    return { data: wrap(sealed), tag: wrap(cipher.getAuthTag()) };
  };
  module["ccmDecrypt"] = (data: unknown, key: unknown, iv: unknown, tag: unknown) => {
    const decipher = createDecipheriv("aes-128-ccm", bytes(key), bytes(iv), { authTagLength: bytes(tag).length });
    decipher.setAuthTag(bytes(tag));
    try { return wrap(Buffer.concat([decipher.update(bytes(data)), decipher.final()])); } catch { return false; }
  };
  return module;
}

interface Options { iv?: unknown; mode?: string }

/** No padding. Counter mode passes over `iv` and begins at zero, as engines that are about do. */
function modes(encrypts: boolean, data: Uint8Array, key: Uint8Array, options: Options | undefined, bytes: Bytes): Uint8Array {
  if (key.length !== 16 && key.length !== 24 && key.length !== 32) throw new Error("Invalid key length");
  const mode = (options?.mode ?? "CBC").toLowerCase();
  if (!["cbc", "ctr", "ecb", "cfb"].includes(mode)) throw new Error("Feature unavailable");
  if (mode === "cbc" && data.length % 16 !== 0) throw new Error("Invalid input length");
  const iv = new Uint8Array(16);
  if (options?.iv !== undefined && mode !== "ctr") iv.set(bytes(options.iv).subarray(0, 16));
  const name = `aes-${key.length * 8}-${mode === "cfb" ? "cfb8" : mode}`;
  const whole = mode === "ecb" ? data.length - (data.length % 16) : data.length;
  const cipher = encrypts || mode === "ctr" ? createCipheriv(name, key, mode === "ecb" ? null : iv) : createDecipheriv(name, key, mode === "ecb" ? null : iv);
  cipher.setAutoPadding(false);
  const out = new Uint8Array(data.length);
  out.set(Buffer.concat([cipher.update(data.subarray(0, whole)), cipher.final()]));
  return out;
}
