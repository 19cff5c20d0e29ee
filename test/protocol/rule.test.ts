/**
 * The rule evaluator against its vector file, which any other implementation can run as well; then rules as hostile
 * bytes: whatever stands in a value, the answer is a refusal or a yes, never an exception.
 */
import { describe, expect, test } from "vitest";
import { readFileSync } from "node:fs";
import { decodeRule, encodeRule, evaluate, mayTransfer, type RuleFacts } from "../../protocol/rule.js";
import { refusal, refusals } from "../../protocol/refusal.js";
import { unit, type Value } from "../../protocol/wire/value.js";

interface Case { name: string; value: Omit<Value, "unit" | "rule"> & { unit: "uses" | "money"; rule: number[][] }; facts: RuleFacts; refusal: number }
interface TransferCase { name: string; value: Case["value"]; at: number; may: boolean }
const vectors = JSON.parse(readFileSync(new URL("../vectors/rule.json", import.meta.url), "utf8")) as { evaluate: Case[]; transfer: TransferCase[] };

function valueOf(c: Case["value"]): Value {
  return { ...c, unit: unit[c.unit], rule: encodeRule(c.rule) };
}

describe("rule vectors", () => {
  test.each(vectors.evaluate)("$name", (c) => {
    expect(refusals[evaluate(valueOf(c.value), c.facts)]!.name).toBe(refusals[c.refusal]!.name);
  });
  test.each(vectors.transfer)("P18 transfer: $name", (c) => {
    expect(mayTransfer(valueOf(c.value), c.at)).toBe(c.may);
  });
  test("each clause and each refusal a rule can give stands in the vectors", () => {
    const clauses = new Set([...vectors.evaluate, ...vectors.transfer].flatMap((c) => c.value.rule.map((x) => x[0])));
    expect([1, 2, 3, 4, 5, 6, 7].every((code) => clauses.has(code))).toBe(true);
    const given = new Set(vectors.evaluate.map((c) => c.refusal));
    expect([0, 8, 20, 21, 22, 23, 24, 25, 28].every((code) => given.has(code))).toBe(true);
  });
});

describe("hostile rules", () => {
  const good = vectors.evaluate[0]!;
  test("random bytes are refused or evaluated, never thrown", () => {
    let seed = 7;
    const random = () => (seed = (seed * 1103515245 + 12345) >>> 0) / 4294967296;
    for (let i = 0; i < 20_000; i++) {
      const rule = Uint8Array.from({ length: Math.floor(random() * 24) }, () => Math.floor(random() * 256));
      const value = { ...valueOf(good.value), rule };
      if (decodeRule(rule) === undefined) expect(evaluate(value, good.facts)).toBe(refusal.wrong_kind);
      else expect(evaluate(value, good.facts)).toBeGreaterThanOrEqual(0);
    }
  });
  test("more clauses than the limit is no rule", () => {
    expect(decodeRule(encodeRule(Array.from({ length: 13 }, () => [1, 9])))).toBeUndefined();
  });
});
