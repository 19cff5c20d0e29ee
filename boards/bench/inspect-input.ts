/**
 * Bytes from what a person has at hand: hexadecimal, base64, the text of an optical code, base45, a file's path, or `-` for
 * standard input. Where a word could be several of these, the one whose bytes mean something is taken.
 */
import { readFileSync, statSync } from "node:fs";
import { inspect } from "./inspect.js";
import { beaconPrefix, decodeBase45 } from "../../protocol/link/beacon.js";

/** No file of ours is longer. */
const fileBytesMax = 256 * 1024 * 1024;

/** The bytes meant, or undefined when the words can be none. `input` reads standard input. */
export function bytesFrom(words: readonly string[], input: () => Uint8Array): Uint8Array | undefined {
  if (words.length === 1 && words[0] === "-") return typed(input());
  const file = words.length === 1 ? fileAt(words[0]!) : undefined;
  return file ?? meant(words.join(" "));
}

function fileAt(path: string): Uint8Array | undefined {
  try {
    const found = statSync(path);
    return found.isFile() && found.size <= fileBytesMax ? typed(new Uint8Array(readFileSync(path))) : undefined;
  } catch {
    return undefined;
  }
}

/** A file or a pipe may hold the bytes themselves or one of their texts. */
function typed(bytes: Uint8Array): Uint8Array {
  if (bytes.length > 1 << 20 || inspect(bytes) !== undefined) return bytes;
  const text = Buffer.from(bytes).toString("latin1");
  return /^[\x20-\x7e\s]+$/.test(text) ? meant(text) ?? bytes : bytes;
}

function meant(text: string): Uint8Array | undefined {
  const candidates = [hexadecimal(text), opticalCode(text), base64(text), base45(text)].filter((bytes) => bytes !== undefined);
  const known = (bytes: Uint8Array): boolean => { const found = inspect(bytes); return found !== undefined && found.is !== "CBOR"; };
  return candidates.find(known) ?? candidates[0];
}

function hexadecimal(text: string): Uint8Array | undefined {
  const plain = text.replace(/\s|0x|[:,]/gi, "");
  return /^([0-9a-f]{2})+$/i.test(plain) ? new Uint8Array(Buffer.from(plain, "hex")) : undefined;
}
function opticalCode(text: string): Uint8Array | undefined {
  const line = text.trim();
  return line.startsWith(beaconPrefix) ? new Uint8Array(Buffer.from(line, "latin1")) : undefined;
}
function base64(text: string): Uint8Array | undefined {
  const plain = text.replace(/\s/g, "");
  if (plain.length < 4 || !/^[A-Za-z0-9+/_-]+=*$/.test(plain)) return undefined;
  return new Uint8Array(Buffer.from(plain.replace(/-/g, "+").replace(/_/g, "/"), "base64"));
}
function base45(text: string): Uint8Array | undefined {
  const line = text.replace(/[\r\n]+$/, "");
  return line.length < 3 ? undefined : decodeBase45(new Uint8Array(Buffer.from(line, "latin1")));
}
