/**
 * Code and grammar held together. From the grammar to the code: what `protocol.cddl` generates is decoded, and encodes
 * back to the same bytes. And the other way: an item with one field more, one less, or a field of another type, which
 * the grammar refuses, the code refuses too.
 */
import { describe, expect, test } from "vitest";
import { readFileSync } from "node:fs";
import { decode, encode, rfc8949EncodeOptions } from "cborg";
import { generate, matches, outerLayer, readGrammar } from "./cddl.js";
import * as m from "../../protocol/wire/message.js";
import * as b from "../../protocol/wire/message-b.js";
import * as receipt from "../../protocol/wire/receipt.js";
import { decodeValue, encodeValue } from "../../protocol/wire/value.js";
import { decodeTerminalCertificate, encodeTerminalCertificate } from "../../protocol/wire/certificate.js";
import { decodeRule, encodeRule } from "../../protocol/rule.js";
import { limits } from "../../protocol/limits.js";

const text = readFileSync(new URL("../../protocol/protocol.cddl", import.meta.url), "utf8");
const grammar = readGrammar(text);
const outer = outerLayer(text);

/** Decodes and encodes again; undefined when the code refuses. */
type Codec = (bytes: Uint8Array) => Uint8Array | undefined;
function twoWays<T>(decoded: (b: Uint8Array) => T | undefined, encoded: (x: T) => Uint8Array): Codec {
  return (bytes) => {
    const x = decoded(bytes);
    return x === undefined ? undefined : encoded(x);
  };
}
const sealed = (number: number) => twoWays((b) => m.decodeSealed(b, number), (x) => m.encodeSealed(number, x));
const answer = (proofBytes: number) => twoWays((b) => m.decodeAnswer(b, proofBytes), m.encodeAnswer);
const orUndefined = (decoded: (b: Uint8Array) => number) => (b: Uint8Array) => { const n = decoded(b); return n < 0 ? undefined : n; };

const codecs: Record<string, Codec> = {
  hello: twoWays(m.decodeHello, m.encodeHello),
  ask: twoWays(orUndefined(m.decodeAsk), m.encodeAsk),
  certificate: twoWays(m.decodeCertificate, m.encodeCertificate),
  stop: twoWays(orUndefined(m.decodeStop), m.encodeStop),
  presentation: twoWays(m.decodePresentation, (p) => m.encodePresentation(p.ephemeral, p.sealed)),
  answer: sealed(3), acknowledgement: sealed(4), outcome: sealed(5),
  shown: twoWays(m.decodeShown, m.encodeShown),
  "shown-more": twoWays(m.decodeShown, m.encodeShown),
  "shown-most": twoWays(m.decodeShown, m.encodeShown),
  granted: answer(64), "granted-b": answer(8), refused: answer(64),
  "finished-outcome": twoWays(m.decodeOutcome, m.encodeOutcome),
  "reversed-outcome": twoWays(m.decodeOutcome, m.encodeOutcome),
  "presentation-b": twoWays(b.decodePresentationB, b.encodePresentationB),
  "answer-b": twoWays(b.decodeAnswerB, (a) => b.encodeAnswerB(a.answer, a.mac)),
  "acknowledgement-b": twoWays(b.decodeAcknowledgementB, (a) => b.encodeAcknowledgementB(a.evidence, a.mac)),
  "outcome-b": twoWays(b.decodeOutcomeB, b.encodeOutcomeB),
  "reversed-b": twoWays(b.decodeOutcomeB, b.encodeOutcomeB),
  beacon: twoWays(b.decodeBeacon, b.encodeBeacon),
  "user-id": twoWays(b.decodeUserId, b.encodeUserId),
  "value-claims": twoWays(decodeValue, encodeValue),
  "grant-claims": twoWays(decodeValue, encodeValue),
  "terminal-claims": twoWays(decodeTerminalCertificate, encodeTerminalCertificate),
  rule: twoWays(decodeRule, (r) => encodeRule(r.list)),
  receipt: twoWays(receipt.decodeReceipt, receipt.encodeReceipt),
  reversal: twoWays(receipt.decodeReversal, receipt.encodeReversal),
  "finished-a": twoWays(receipt.decodeFinishedA, receipt.encodeFinishedA),
  "finished-b": twoWays(receipt.decodeFinishedB, receipt.encodeFinishedB),
};

/** Alternatives that one decoder reads: a change may turn one into another, which is then no mistake. */
const kin: Record<string, string[]> = {
  shown: ["shown-more", "shown-most"], "shown-more": ["shown", "shown-most"], "shown-most": ["shown", "shown-more"],
  granted: ["refused"], "granted-b": ["refused"], refused: ["granted"], "value-claims": ["grant-claims"], "grant-claims": ["value-claims"],
  "finished-outcome": ["reversed-outcome"], "reversed-outcome": ["finished-outcome"], "outcome-b": ["reversed-b"], "reversed-b": ["outcome-b"],
};

function randomFrom(start: number): () => number {
  let seed = start >>> 0;
  return () => (seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0) / 4294967296;
}
const tooLong = (rule: string, bytes: Uint8Array) => /value|grant/.test(rule) && rule.endsWith("-claims") && bytes.length > limits.valueClaimsBytesMax;

describe.each(Object.keys(codecs))("%s", (rule) => {
  const codec = codecs[rule]!;

  test("what the grammar makes, the code reads and writes alike", () => {
    const random = randomFrom(rule.length * 7919);
    for (let i = 0; i < 200; i++) {
      const bytes = generate(grammar, rule, random);
      expect(matches(grammar, rule, bytes)).toBe(true);
      const again = codec(bytes);
      if (tooLong(rule, bytes)) expect(again).toBeUndefined();
      else expect(again === undefined ? "refused" : Buffer.from(again).toString("hex")).toBe(Buffer.from(bytes).toString("hex"));
    }
  });

  test("what the grammar refuses, the code refuses: a field more, a field less, a field of another type", () => {
    const random = randomFrom(rule.length * 104729);
    let refused = 0;
    for (let i = 0; i < 200; i++) {
      const changed = change(generate(grammar, rule, random), random);
      if ([rule, ...(kin[rule] ?? [])].some((name) => matches(outer, name, changed))) continue;
      refused++;
      expect(codec(changed) === undefined ? "refused" : Buffer.from(changed).toString("hex")).toBe("refused");
    }
    expect(refused).toBeGreaterThan(50);
  });
});

function change(bytes: Uint8Array, random: () => number): Uint8Array {
  const item = decode(bytes, { useMaps: true }) as unknown[] | Map<number, unknown>;
  const pick = (n: number) => Math.floor(random() * n);
  const other = [null, 77, -3, "x", new Uint8Array(3), [1], true][pick(7)];
  const how = pick(3);
  if (item instanceof Map) {
    const key = [...item.keys()][pick(item.size)]!;
    if (how === 0) item.delete(key);
    else item.set(how === 1 ? key : 99, other);
  } else {
    const place = pick(item.length);
    if (how === 0) item.splice(place, 1);
    else item.splice(place, how === 1 ? 1 : 0, other);
  }
  return encode(item, rfc8949EncodeOptions);
}
