/**
 * The three keys that the boards of a group share for one epoch (profile B, `tap.md` §6), as they travel sealed and lie in a cell.
 */
import { done, finish, readArray, readBytes, readUint, reading, writeArray, writeBytes, writeInt, writer } from "./cbor.js";

/** `[group, epoch, grantKey, deriveKey, receiptKey]`, sealed on its way. */
export interface GroupKeyPackage { group: number; epoch: number; grantKey: Uint8Array; deriveKey: Uint8Array; receiptKey: Uint8Array }
export function encodeGroupKeys(x: GroupKeyPackage): Uint8Array {
  const w = writer();
  writeArray(w, 5); writeInt(w, x.group); writeInt(w, x.epoch); writeBytes(w, x.grantKey); writeBytes(w, x.deriveKey); writeBytes(w, x.receiptKey);
  return finish(w);
}
export function decodeGroupKeys(bytes: Uint8Array): GroupKeyPackage | undefined {
  const r = reading(bytes);
  readArray(r, 5);
  const x = { group: readUint(r), epoch: readUint(r), grantKey: readBytes(r, 32), deriveKey: readBytes(r, 32), receiptKey: readBytes(r, 32) };
  return done(r) ? x : undefined;
}
