/**
 * Unknown versions and fields end in a clean refusal: each message of a tap, each object, entry and body, once with a field
 * more, once with an unknown key, once with a type or version of the future. The answer is undefined (or, for a hello, a
 * version that the session can name), never a guess and never an exception.
 */
import { describe, expect, test } from "vitest";
import { readFileSync } from "node:fs";
import { Tagged } from "cborg";
import { decodeAsk, decodeHello, decodeStop, encodeHello, helloVersion, messageType, protocolVersion, type Hello } from "../../protocol/wire/message.js";
import { codecs } from "./codecs.js";
import { decodeStrictly } from "./cborg.js";
import { corpus } from "../fuzz/corpus.js";
import { encodeTree } from "../fuzz/tree.js";
import { toHex } from "../published.js";

const samples = corpus().filter((item) => codecs[item.why] !== undefined).map((item) => [item.why, item.bytes] as const);
type Place = unknown[] | Map<unknown, unknown>;

/** Every array and map of an item, deep ones too, each as a fresh copy of the whole with that one at hand. */
function* places(bytes: Uint8Array): Generator<{ whole: unknown; place: Place }> {
  const find = (item: unknown, found: Place[]): Place[] => {
    if (item instanceof Tagged) find(item.value, found);
    if (item instanceof Map) { found.push(item); for (const inner of item.values()) find(inner, found); }
    if (Array.isArray(item)) { found.push(item); for (const inner of item) find(inner, found); }
    return found;
  };
  for (let n = 0; n < find(decodeStrictly(bytes), []).length; n++) {
    const whole = decodeStrictly(bytes);
    yield { whole, place: find(whole, [])[n]! };
  }
}
/** Rules that are lists, or hold one, of anything: there one item more may be good. */
const openLists = new Set(["offers", "offer-keys", "delivered", "report", "reported", "records", "news", "claim-granted", "rule", "configuration-claims", "terminal-claims", "value-claims", "grant-claims", "hello", "gift-notice"]);

const grammar = new Map([...readFileSync(new URL("../../protocol/protocol.cddl", import.meta.url), "utf8").replace(/;.*$/gm, "").matchAll(/^([a-z][\w-]*) = ((?:.|\n(?![a-z]))*)/gm)].map(([, rule, text]) => [rule!, text!.trim()]));
/** The numbers that an item of this rule may begin with, by the grammar; undefined where what comes first is no type. */
function typesOf(rule: string): number[] | undefined {
  const text = grammar.get(rule) ?? "";
  if (/^[a-z]/.test(text)) return text.split("/").map((name) => typesOf(name.trim())).reduce((all, some) => (all === undefined || some === undefined ? undefined : [...all, ...some]));
  const types = [...text.matchAll(/(?:^|\/ *)\[(\d+)(?=[,\]])/g)].map(([, type]) => Number(type));
  return types.length > 0 ? types : undefined;
}

describe.each(samples)("%s", (rule, bytes) => {
  const taken = (item: unknown): boolean => {
    const again = codecs[rule]!(encodeTree(item));
    return again !== undefined && again.length > 0;
  };
  test("is taken as it is", () => {
    expect(taken(decodeStrictly(bytes))).toBe(true);
  });
  test("with a field of the future anywhere is refused", () => {
    for (const future of [new Map([[1, 2]]), "new", -5]) {
      for (const { whole, place } of places(bytes)) {
        if (place instanceof Map) place.set(9, future); else place.push(future);
        if (taken(whole)) expect(openLists.has(rule) && Array.isArray(place), toHex(encodeTree(whole))).toBe(true);
      }
    }
  });
  test("with an unknown key for a known one is refused", () => {
    for (const { whole, place } of places(bytes)) {
      if (!(place instanceof Map) || place.size === 0) continue;
      const [key, value] = [...place][0]!;
      place.delete(key);
      place.set(99, value);
      expect(taken(whole), toHex(encodeTree(whole))).toBe(false);
    }
  });
  test("with a type of the future, or as no array or map at all, is refused", () => {
    const item = decodeStrictly(bytes);
    const known = typesOf(rule);
    for (const type of known === undefined || !Array.isArray(item) ? [] : [0, 1, 2, 11, 13, 99, 1e12, -1]) {
      if (!known!.includes(type)) expect(taken([type, ...(item as unknown[]).slice(1)]), `type ${type}`).toBe(false);
    }
    for (const other of [0, "text", null, true, new Uint8Array(4), new Tagged(99, item)]) expect(taken(other)).toBe(false);
  });
});

test("the grammar says of messages, entries and charges what they begin with, and of bodies of letters that they begin with no type", () => {
  expect([typesOf("hello"), typesOf("presentation"), typesOf("fetch"), typesOf("piece"), typesOf("ordered")]).toEqual([[1], [2], [11, 11], [12, 12], undefined]);
  expect(new Set(typesOf("entry")).size).toBeGreaterThan(10);
});

describe("hello", () => {
  const hello: Hello = {
    version: 1, offer: 1, tap: new Uint8Array(4), nonce: new Uint8Array(32), terminal: new Uint8Array(8), want: { action: 1, kinds: ["t"], amount: 1, currency: undefined }, group: undefined,
  };
  test("of another version is not decoded, and its version is told, so that the answer can be `unsupported_version`", () => {
    for (const version of [0, 2, 3, 255, 70_000]) {
      const bytes = encodeHello({ ...hello, version });
      expect([decodeHello(bytes), helloVersion(bytes), messageType(bytes)]).toEqual([undefined, version, 1]);
    }
    expect(helloVersion(encodeHello(hello))).toBe(protocolVersion);
    const newer = encodeTree([1, 2, "all", new Map([[1, "different"]])]);
    expect([decodeHello(newer), helloVersion(newer)]).toEqual([undefined, 2]);
  });
  test("no hello has no version", () => {
    for (const item of [[], [1], [1, -1], [1, "1"], [2, 1], new Map(), 1, null]) expect(helloVersion(encodeTree(item))).toBe(-1);
    expect(helloVersion(new Uint8Array(0))).toBe(-1);
  });
  test("offer bits of the future are kept, not judged: each end uses those it knows", () => {
    expect(decodeHello(encodeHello({ ...hello, offer: 1 | 1024 }))!.offer).toBe(1025);
  });
});

test("a message's type: −1 for what is no message", () => {
  for (const bytes of [[], [0x80], [0x81], [0x81, 0x20], [0x82, 0x61, 0x31, 0x00], [0xa1, 1, 2], [0x01, 0x01]]) expect(messageType(Uint8Array.from(bytes))).toBe(-1);
  expect(messageType(encodeTree([77, 1]))).toBe(77);
  expect(messageType(encodeTree([1, new Uint8Array(2043)]))).toBe(1);
  expect(messageType(encodeTree([1, new Uint8Array(2044)]))).toBe(-1);
});

test("ask and stop: only the codes that exist", () => {
  for (let code = 0; code < 300; code++) {
    expect(decodeAsk(encodeTree([6, code]))).toBe(code <= 3 ? code : -1);
    expect(decodeStop(encodeTree([8, code]))).toBe(code >= 1 && code <= 5 ? code : -1);
  }
});
