/**
 * A value's bounds: what a signed value may at most hold, to the byte and to the clause, whoever signed it.
 */
import { expect, test } from "vitest";
import { encodeRule } from "../../protocol/rule.js";
import { limits } from "../../protocol/limits.js";
import { decodeValue, encodeValue, unit, type Value } from "../../protocol/wire/value.js";
import { nodeCrypto as crypto } from "../../protocol/crypto/node/node.js";

const value = (change: Partial<Value>): Value => ({
  kind: "ticket", expires: 1_900_000_000, notBefore: 1_800_000_000, valueId: new Uint8Array(8), holderKey: crypto.publicKey(new Uint8Array(32).fill(7))!, unit: unit.uses, most: 1, currency: undefined, zones: [],
  rule: encodeRule([]), offline: { uses: 1, amount: 1, days: 1 }, ownerSequence: 0, flags: 0, statusIndex: 1, issuerPart: new Uint8Array(16), ...change,
});
const reads = (v: Value): boolean => decodeValue(encodeValue(v)) !== undefined;

test("claims of the longest length read, one byte more does not", () => {
  const room = limits.valueClaimsBytesMax - encodeValue(value({ kind: "" })).length;
  const kind = (length: number): string => "k".repeat(length);
  expect(encodeValue(value({ kind: kind(room - 2) }))).toHaveLength(limits.valueClaimsBytesMax);
  expect([reads(value({ kind: kind(room - 2) })), reads(value({ kind: kind(room - 1) }))]).toEqual([true, false]);
});
test("a rule of twelve clauses reads, one of thirteen does not", () => {
  const rule = (clauses: number): Uint8Array => encodeRule(Array.from({ length: clauses }, () => [1, 2]));
  expect([reads(value({ rule: rule(limits.clausesMax) })), reads(value({ rule: rule(limits.clausesMax + 1) }))]).toEqual([true, false]);
});
