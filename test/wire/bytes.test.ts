/**
 * The small work on bytes that everything stands on: hexadecimal, UTF-8 with its traps, comparison; and the edges of readers
 * and lists that only a hand-made input reaches.
 */
import { describe, expect, test } from "vitest";
import { copy, equal, fromHex, fromUtf8, hex, join, utf8 } from "../../protocol/wire/bytes.js";
import * as cbor from "../../protocol/wire/cbor.js";
import { beaconFrame, beaconPrefix, beaconText, beaconTextMax, readBeaconText } from "../../protocol/link/beacon.js";
import { decodeCobs, deframer, feed } from "../../protocol/link/frame.js";
import { media } from "../../protocol/link/media.js";
import { decodeSigned } from "../../protocol/wire/signed.js";
import { decodeEntry } from "../../protocol/wire/entry.js";
import { decodeReport } from "../../protocol/wire/handset-letters.js";
import { decodeTerminalCertificate } from "../../protocol/wire/certificate.js";
import { openEnvelope } from "../../protocol/wire/envelope.js";
import { backEnds, seeded, toHex } from "../published.js";
import { encodeTree } from "../fuzz/tree.js";
import { corpus } from "../fuzz/corpus.js";
import { decodeStrictly } from "./cborg.js";

const ascii = (text: string): Uint8Array => new Uint8Array(Buffer.from(text));

describe("bytes", () => {
  test("hexadecimal both ways, in both cases; anything else is none", () => {
    const all = Uint8Array.from({ length: 256 }, (_none, i) => i);
    expect(hex(all)).toBe(Buffer.from(all).toString("hex"));
    expect(fromHex(hex(all))).toEqual(all);
    expect(fromHex(hex(all).toUpperCase())).toEqual(all);
    expect(fromHex("")).toEqual(new Uint8Array(0));
    for (const bad of ["0", "abc", "0g", "/0", ":0", "@0", "G0", "`0", "g0", " 0", "é0"]) expect(fromHex(bad), bad).toBeUndefined();
  });
  test("UTF-8 as the platform writes it; a surrogate alone becomes U+FFFD", () => {
    for (const text of ["", "a", "é", "駅", "🚉", "a\u{10ffff}z", "\ud800", "\udc00", "\ud800x", "x\ud800", "\ud800\ud800\udc00", "\udc00\ud800"]) {
      expect(toHex(utf8(text)), JSON.stringify(text)).toBe(toHex(new TextEncoder().encode(text)));
    }
  });
  test("UTF-8 is read in shortest form only: every pair of bytes, and the edges of longer ones, as the platform judges", () => {
    const platform = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
    const judge = (bytes: Uint8Array): string | undefined => { try { return platform.decode(bytes); } catch { return undefined; } };
    for (let n = 0; n < 65536; n++) {
      const pair = Uint8Array.of(n >> 8, n & 255);
      if (fromUtf8(pair) !== judge(pair)) expect.fail(toHex(pair));
    }
    const edges = [0x00, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0];
    for (const first of [0xe0, 0xe1, 0xec, 0xed, 0xee, 0xef, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5]) {
      for (const a of edges) for (const b of edges) for (const c of edges) {
        for (const bytes of [Uint8Array.of(first, a, b), Uint8Array.of(first, a, b, c)]) if (fromUtf8(bytes) !== judge(bytes)) expect.fail(toHex(bytes));
      }
    }
  });
  test("joined, copied, compared", () => {
    const given = Uint8Array.of(1, 2, 3, 4);
    const part = copy(given, 1, 3);
    given.fill(9);
    expect(part).toEqual(Uint8Array.of(2, 3));
    expect(join([part, new Uint8Array(0), Uint8Array.of(7)])).toEqual(Uint8Array.of(2, 3, 7));
    expect([equal(part, Uint8Array.of(2, 3)), equal(part, Uint8Array.of(2, 4)), equal(part, Uint8Array.of(2)), equal(new Uint8Array(0), new Uint8Array(0))]).toEqual([true, false, false, true]);
  });
});

describe("the reader", () => {
  test("asked for what is not there: zero or empty from then on, and not done", () => {
    const asks: ((r: cbor.Reader) => unknown)[] = [cbor.readUint, cbor.readInt, cbor.readBytes, cbor.readText, cbor.readArray, cbor.readMap, cbor.readBool, cbor.readRaw];
    const fits: Record<string, string[]> = { "00": ["readUint", "readInt", "readRaw"], "20": ["readInt", "readRaw"], "40": ["readBytes", "readRaw"], "60": ["readText", "readRaw"], "80": ["readArray", "readRaw"],
      "a0": ["readMap", "readRaw"], "f4": ["readBool", "readRaw"], "f5": ["readBool", "readRaw"], "f6": ["readRaw"], "": [] };
    for (const [item, names] of Object.entries(fits)) {
      for (const ask of asks) {
        const r = cbor.reader(Uint8Array.from(Buffer.from(item, "hex")));
        ask(r);
        expect(cbor.done(r), `${ask.name} of ${item}`).toBe(names.includes(ask.name));
        if (names.includes(ask.name)) continue;
        expect([cbor.readUint(r), cbor.readText(r), cbor.readBytes(r, 4).length, cbor.readBytes(r).length, cbor.readNull(r), cbor.peekMajor(r)]).toEqual([0, "", 4, 0, false, -1]);
      }
    }
  });
  test("behind its end there is nothing", () => {
    const r = cbor.reader(Uint8Array.of(0xf6));
    expect([cbor.readNull(r), cbor.readNull(r), cbor.peekMajor(r), cbor.done(r)]).toEqual([true, false, -1, true]);
    expect(cbor.readRaw(r).length).toBe(0);
    expect(cbor.done(r)).toBe(false);
  });
  test("an exact number of items or bytes, or none", () => {
    expect(cbor.readArray(cbor.reader(Uint8Array.of(0x81, 0)), 2)).toBe(0);
    const r = cbor.reader(Uint8Array.of(0x41, 7));
    expect([cbor.readBytes(r, 2), cbor.done(r)]).toEqual([new Uint8Array(2), false]);
  });
  test("a writer refuses what no integer of ours can be: that would be a mistake of the code", () => {
    for (const n of [1.5, NaN, Infinity, 2 ** 53, -(2 ** 53)]) {
      expect(() => { const w = cbor.writer(); cbor.writeInt(w, n); cbor.finish(w); }, `${n}`).toThrow(/assertion failed/);
    }
    const twice = cbor.writer();
    cbor.writeInt(twice, 1); cbor.writeInt(twice, 2);
    expect(() => cbor.finish(twice)).toThrow(/one deterministic item/);
  });
});

describe("edges", () => {
  test("lists that are too long are refused before they are read", () => {
    const long = (most: number): unknown[] => Array.from({ length: most }, () => new Uint8Array(0));
    expect(decodeReport(encodeTree(long(4096)))!.length).toBe(4096);
    expect(decodeReport(encodeTree(long(4097)))).toBeUndefined();
    const claims = decodeStrictly(corpus().find((item) => item.why === "terminal-claims")!.bytes) as Map<number, unknown>;
    const zones = (n: number): Uint8Array => encodeTree(new Map(claims).set(3, Array.from({ length: n }, (_none, i) => i)));
    expect([decodeTerminalCertificate(zones(16))?.zones.length, decodeTerminalCertificate(zones(17))]).toEqual([16, undefined]);
  });
  test("a signed object whose header is almost right is none", () => {
    const good: [unknown, unknown][] = [[1, -9], [4, new Uint8Array(8)], [16, "ks-role"]];
    const object = (header: [unknown, unknown][], mark = 64, unprotected = new Map<unknown, unknown>()): Uint8Array => encodeTree([encodeTree(new Map(header)), unprotected, new Uint8Array(1), new Uint8Array(mark)]);
    expect(decodeSigned(object(good))?.type).toBe("role");
    const bad: [unknown, unknown][][] = [
      good.slice(0, 2), [...good, [17, 1]], [[1, -7], ...good.slice(1)], [[2, -9], ...good.slice(1)], [good[0]!, [5, new Uint8Array(8)], good[2]!], [good[0]!, [4, new Uint8Array(4)], good[2]!],
      [good[0]!, good[1]!, [15, "ks-role"]], [good[0]!, good[1]!, [16, 7]], [good[0]!, good[1]!, [16, "ks-future"]], [good[0]!, good[1]!, [16, "ks-role+cbor"]], [],
    ];
    for (const [n, header] of bad.entries()) expect(decodeSigned(object(header)), `header ${n}`).toBeUndefined();
    expect(decodeSigned(object(good, 63))).toBeUndefined();
    expect(decodeSigned(object(good, 64, new Map([[4, new Uint8Array(8)]])))).toBeUndefined(); // A key id outside counts for nothing, so it may not stand there.
  });
  test("an entry of a kind of the future is none", () => {
    for (const kind of [0, 14, 99]) expect(decodeEntry(encodeTree([kind, 1]))).toBeUndefined();
    expect(decodeEntry(encodeTree([]))).toBeUndefined();
  });
  test.each(backEnds)("%s back end: a key that is no point has no coordinates and opens no envelope", (_name, crypto) => {
    for (const point of [new Uint8Array(0), new Uint8Array(33), new Uint8Array(65)]) {
      expect(crypto.coordinates(point)).toBeUndefined();
      expect(openEnvelope(crypto, { recipient: new Uint8Array(8), ephemeral: point, nonce: new Uint8Array(12), ciphertext: new Uint8Array(300) }, point, new Uint8Array(32))).toBeUndefined();
    }
  });
  test("writers within writers and one behind the other share no buffer, and what was written stays", () => {
    const outer = cbor.writer();
    cbor.writeArray(outer, 2);
    const inner = cbor.writer();
    cbor.writeBytes(inner, new Uint8Array(90).fill(7));
    const first = cbor.finish(inner);
    cbor.writeRaw(outer, first);
    const long = cbor.writer();
    cbor.writeBytes(long, new Uint8Array(300).fill(9));
    cbor.writeRaw(outer, cbor.finish(long));
    const whole = cbor.finish(outer);
    const next = cbor.writer();
    cbor.writeInt(next, 1);
    expect(cbor.finish(next)).toEqual(Uint8Array.of(1));
    expect(decodeStrictly(first)).toEqual(new Uint8Array(90).fill(7));
    expect(decodeStrictly(whole)).toEqual([new Uint8Array(90).fill(7), new Uint8Array(300).fill(9)]);
  });
  test("COBS: a zero inside is no code", () => {
    for (const coded of [[3, 1, 0], [2, 0], [0], [1, 0, 1]]) expect(decodeCobs(Uint8Array.from(coded))).toBeUndefined();
  });
});

describe("one-way: text of an optical code, frame of a send-only handset", () => {
  const random = seeded(12);
  test("any bytes come back from the code's text, in the alphabet that a QR code packs", () => {
    for (let n = 1; n < 300; n++) {
      const bytes = random.bytes(n);
      expect(beaconText(bytes)).toMatch(/^KST:[0-9A-Z $%*+./:-]+$/);
      expect(readBeaconText(ascii(beaconText(bytes)))).toEqual(bytes);
    }
  });
  test("whatever else people hold before a scanner is no beacon", () => {
    const good = beaconText(random.bytes(30));
    for (const text of ["", "KST", "KST:", "KST:A", "kst:" + good.slice(4), "HC1:" + good.slice(4), " " + good, good + "a", good.slice(0, 5) + "é" + good.slice(6), "https://example.org", "KST:::::", "KST:GGW:", beaconPrefix + "0".repeat(beaconTextMax * 2)]) {
      expect(readBeaconText(ascii(text)), text.slice(0, 40)).toBeUndefined();
    }
  });
  test.each(Object.values(media))("$name: one frame, told from a session's by its link byte", (medium) => {
    const frames = feed(deframer(medium.wrapping), beaconFrame(medium, Uint8Array.of(1, 2)));
    expect(frames).toEqual([{ link: 0xc0, payload: Uint8Array.of(1, 2) }]);
  });
});
