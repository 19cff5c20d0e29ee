/**
 * Check sums and framing against third-party-checked vectors, and the case a 16-bit check cannot see: a damaged infrared
 * frame whose FCS-16 fits is refused by CRC-32.
 */
import { describe, expect, test } from "vitest";
import { readFileSync } from "node:fs";
import { crc32 } from "../../protocol/link/crc.js";
import { fcs16 } from "../../protocol/link/crc16.js";
import { cobs, decodeCobs, deframer, encodeCobs, encodeFrame, feed } from "../../protocol/link/frame.js";
import { sir } from "../../protocol/link/sir.js";

const load = (name: string) => JSON.parse(readFileSync(new URL(`../vectors/framing/${name}`, import.meta.url), "utf8"));
const fromHex = (text: string) => Uint8Array.from(Buffer.from(text, "hex"));

test("known check values", () => {
  const nine = new TextEncoder().encode("123456789");
  expect(crc32(nine)).toBe(0xcbf43926);
  expect(fcs16(nine)).toBe(0x906e);
});

interface CrcCase { msg?: string; crc?: string; onWire: string; valid: boolean }
interface CobsCase { decoded?: string; encoded: string; valid?: boolean; acceptable?: boolean; comment: string }

describe("framing vectors", () => {
  const algorithms = load("crc.json").algorithms as { name: string; tests: CrcCase[] }[];
  const casesOf = (name: string) => algorithms.find((a) => a.name === name)!.tests;
  test.each([["CRC-32/ISO-HDLC", crc32, 4], ["CRC-16/IBM-SDLC", fcs16, 2]] as const)("%s", (name, crc, bytes) => {
    for (const c of casesOf(name)) {
      const wire = fromHex(c.onWire);
      const sent = Buffer.from(wire.subarray(wire.length - bytes)).readUIntLE(0, bytes);
      expect(crc(wire.subarray(0, wire.length - bytes)) === sent).toBe(c.valid);
    }
    expect(casesOf(name).length).toBeGreaterThan(20);
  });
  test.each(load("cobs.json").tests as CobsCase[])("COBS $comment", (c) => {
    const decoded = decodeCobs(fromHex(c.encoded));
    if (c.valid === false) expect(decoded).toBeUndefined();
    else if (c.valid === true) {
      expect(Buffer.from(decoded!).toString("hex")).toBe(c.decoded);
      expect(Buffer.from(encodeCobs(fromHex(c.decoded!))).toString("hex")).toBe(c.encoded + "00");
    } else expect(decoded === undefined || Buffer.from(decoded).toString("hex") === c.decoded).toBe(true);
  });
});

test("infrared: a burst that FCS-16 lets pass is refused by CRC-32", () => {
  const plain = new Uint8Array(40).map((_, i) => (i * 37 + 11) & 0x3f);
  const good = encodeFrame(sir, { link: 4, payload: plain }, 0);
  const inside = good.slice(1, -1); // nothing here needs an escape, so bytes and code are the same
  let passed = 0;
  const seen = deframer(sir);
  for (let seed = 1; seed < 2_000_000 && passed < 5; seed++) {
    const damaged = Uint8Array.from(inside);
    damaged[seed % 30]! ^= (seed >> 3) & 0x3f;
    damaged[(seed * 7) % 30]! ^= (seed >> 9) & 0x3f;
    damaged[(seed * 11) % 30]! ^= (seed >> 15) & 0x3f;
    const body = damaged.subarray(0, -2);
    if (Buffer.compare(damaged, inside) === 0 || fcs16(body) !== (damaged.at(-2)! | (damaged.at(-1)! << 8))) continue;
    passed++;
    expect(feed(seen, Uint8Array.from([0xc0, ...damaged, 0xc1]))).toEqual([]);
  }
  expect(passed).toBe(5);
});

test("seeded bursts on COBS frames: none is accepted as another frame", () => {
  const good = encodeFrame(cobs, { link: 4, payload: new Uint8Array(100).map((_, i) => i) }, 0);
  let state = 99;
  const random = () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 4294967296;
  for (let i = 0; i < 20_000; i++) {
    const damaged = Uint8Array.from(good);
    const from = Math.floor(random() * good.length);
    const length = 1 + Math.floor(random() * 64);
    for (let at = from; at < Math.min(good.length, from + length); at++) damaged[at] = Math.floor(random() * 256);
    if (Buffer.compare(damaged, good) === 0) continue;
    expect(feed(deframer(cobs), damaged)).toEqual([]);
  }
});

test.each([cobs, sir])("$name: a frame of any length up to the longest, of bytes that need coding most; one byte more is refused", (wrapping) => {
  const through = (payload: Uint8Array) => feed(deframer(wrapping), encodeFrame(wrapping, { link: 0x7d, payload }, 3));
  for (const byte of [0, 1, 0x7d, 0xc0, 0xff]) {
    for (let length = 0; length <= 1024; length += length < 600 ? 1 : 53) {
      const payload = new Uint8Array(length).fill(byte);
      if (length % 254 === 1) payload[length - 1] = 0;
      const [frame, ...more] = through(payload);
      if (frame?.link !== 0x7d || Buffer.compare(frame.payload, payload) !== 0 || more.length > 0) expect.fail(`${length} bytes of ${byte}`);
    }
    expect(through(new Uint8Array(1024).fill(byte)).length).toBe(1);
    expect(through(new Uint8Array(1025).fill(byte))).toEqual([]);
  }
});

test("SIR: an escape before the end is no frame, and is counted; bytes outside a frame are not", () => {
  const d = deframer(sir);
  expect(feed(d, Uint8Array.of(1, 2, 0xc1, 0xc0, 5, 6, 7, 8, 9, 10, 11, 0x7d, 0xc1))).toEqual([]);
  expect(d.lost).toBe(1);
  expect(feed(d, Uint8Array.of(0xc0, 5, 0xc0, 0xc1))).toEqual([]);
  expect(d.lost).toBe(3);
  expect(feed(d, encodeFrame(sir, { link: 1, payload: Uint8Array.of(1) }, 0)).length).toBe(1);
});

test("infrared: each of the two check sums is asked; one alone that fits is not enough", () => {
  const plain = Uint8Array.of(4, 1, 2, 3);
  const sum32 = new Uint8Array(new Uint32Array([crc32(plain)]).buffer).reverse();
  const wrapped = (crc: Uint8Array, off: number): Uint8Array => {
    const bytes = [...plain, ...crc];
    const fcs = fcs16(Uint8Array.from(bytes)) ^ off;
    return Uint8Array.from([0xc0, ...[...bytes, fcs & 255, fcs >> 8].flatMap((b) => (b === 0xc0 || b === 0xc1 || b === 0x7d ? [0x7d, b ^ 0x20] : [b])), 0xc1]);
  };
  expect(feed(deframer(sir), wrapped(sum32, 0))).toEqual([{ link: 4, payload: Uint8Array.of(1, 2, 3) }]);
  expect(feed(deframer(sir), wrapped(sum32, 1))).toEqual([]);
  expect(feed(deframer(sir), wrapped(sum32.map((b) => b ^ 1), 0))).toEqual([]);
});

test.each([252, 253, 254, 255, 507, 508, 509, 1016])("a zero behind %i bytes that are none is there again, at the end and before more", (run) => {
  for (const tail of [[0], [0, 0], [0, 7], [0, 0, 7]]) {
    const plain = Uint8Array.from([...Array<number>(run).fill(9), ...tail]);
    const coded = encodeCobs(plain);
    expect(coded.indexOf(0)).toBe(coded.length - 1);
    expect(Buffer.compare(decodeCobs(coded.subarray(0, -1))!, plain)).toBe(0);
  }
});
