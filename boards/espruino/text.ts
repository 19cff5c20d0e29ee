/**
 * Text on an engine whose strings are of 8-bit characters, in the place of `protocol/wire/text.ts`: a literal is its UTF-8 bytes,
 * so nothing is converted. What is no UTF-8 is kept as it is; texts come to a board inside what its host authenticated.
 */
export function utf8(text: string): Uint8Array {
  return text.length === 0 ? new Uint8Array(0) : E.toUint8Array(text);
}

export function fromUtf8(bytes: Uint8Array): string | undefined {
  return bytes.length === 0 ? "" : E.toString(bytes);
}

export function keyOf(bytes: Uint8Array): string {
  return E.toString(bytes)!;
}

export function hex(bytes: Uint8Array): string {
  let text = "";
  for (let i = 0; i < bytes.length; i++) text += (bytes[i]! + 256).toString(16).substring(1);
  return text;
}

export function same(a: Uint8Array, b: Uint8Array): boolean {
  return E.toString(a) === E.toString(b);
}
