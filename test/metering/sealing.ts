/** Encrypted P1 as a meter sends it, by the native cipher and not by the code under test. */
import { createCipheriv } from "node:crypto";
import { joined } from "./constructed.js";

const title = new Uint8Array(Buffer.from("KAI\0\0\0\0\x01", "latin1"));
export const sealingKey = new Uint8Array(Buffer.from("000102030405060708090a0b0c0d0e0f", "hex"));
const published = Buffer.from("00112233445566778899aabbccddeeff", "hex");

/** `DB 08 title 82 length 30 counter text tag`; the authentication key is the published one unless another is given. */
export function sealP1(telegram: Uint8Array, counter: number, authentication: Uint8Array = published): Uint8Array {
  const count = Uint8Array.of(counter >>> 24, (counter >> 16) & 255, (counter >> 8) & 255, counter & 255);
  const cipher = createCipheriv("aes-128-gcm", sealingKey, joined(title, count), { authTagLength: 12 });
  cipher.setAAD(joined(Uint8Array.of(0x30), authentication));
  const text = Buffer.concat([cipher.update(telegram), cipher.final()]);
  const length = 5 + text.length + 12;
  return joined(Uint8Array.of(0xdb, 8), title, Uint8Array.of(0x82, length >> 8, length & 255, 0x30), count, text, cipher.getAuthTag());
}
