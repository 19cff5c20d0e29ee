/**
 * Code and grammar held together, rule by rule. From the grammar to the code: what `protocol.cddl` generates is decoded, and
 * encodes back to the same bytes, the smallest and the largest items too. And the other way: an item with a node changed
 * anywhere (another type or size, a number out of range, a field or key more or less), which the grammar refuses, the
 * code refuses too; and so does it whatever is not in deterministic form, however right its content.
 */
import { describe, expect, test } from "vitest";
import { generate, matches, outerLayer } from "./cddl.js";
import { decodeStrictly } from "./cborg.js";
import { encodeFlawed, encodeTree, flaws, harmed } from "../fuzz/tree.js";
import { codecs, grammar, grammarText, kin, makers, beyond } from "./codecs.js";
import { seeded, toHex, type Random } from "../published.js";
import { encodeStep } from "../../protocol/wire/message.js";
import { encodeBeaconStep } from "../../protocol/wire/message-b.js";
import { signHeader } from "../../protocol/wire/cose.js";

const outer = outerLayer(grammarText);
/** Numbers below 1 for the generators, from the same seed as everything else of a test. */
const unit = (random: Random): (() => number) => () => random.below(2 ** 32) / 2 ** 32;
const seedOf = (rule: string): number => [...rule].reduce((sum, letter) => sum * 31 + letter.charCodeAt(0), 7) >>> 0;

describe.each(Object.keys(codecs))("%s", (rule) => {
  const codec = codecs[rule]!;
  const readsAlike = (bytes: Uint8Array): void => {
    expect(matches(grammar, rule, bytes)).toBe(true);
    const again = codec(bytes);
    if (beyond(rule, bytes)) expect(again).toBeUndefined();
    else expect(again === undefined ? "refused" : toHex(again)).toBe(toHex(bytes));
  };
  const takenByGrammar = (bytes: Uint8Array): boolean => {
    try {
      return [rule, ...(kin[rule] ?? [])].some((name) => matches(outer, name, bytes));
    } catch {
      return false; // cborg itself refuses it.
    }
  };

  test("what the grammar makes, the code reads and writes alike; least and most of everything too", () => {
    const random = seeded(seedOf(rule));
    for (let i = 0; i < 100; i++) readsAlike(generate(grammar, rule, unit(random), makers));
    readsAlike(generate(grammar, rule, () => 0, makers));
    readsAlike(generate(grammar, rule, () => 0.999999, makers));
  });

  test("what the grammar refuses, the code refuses: any node changed", () => {
    const random = seeded(seedOf(rule) + 1);
    let refused = 0;
    for (let i = 0; i < 300; i++) {
      const changed = encodeTree(harmed(decodeStrictly(generate(grammar, rule, unit(random), makers)), random));
      if (takenByGrammar(changed)) continue;
      refused++;
      expect(codec(changed) === undefined ? "refused" : toHex(changed)).toBe("refused");
    }
    expect(refused).toBeGreaterThan(30);
  });

  test.each(flaws)("the right content with a flaw in its form is refused: %s", (flaw) => {
    const random = seeded(seedOf(rule) + 2);
    let refused = 0;
    for (let i = 0; i < 30; i++) {
      const bytes = encodeFlawed(decodeStrictly(generate(grammar, rule, unit(random), makers)), flaw, random.below(1 + i % 6));
      if (bytes === undefined || (flaw.startsWith("count") && takenByGrammar(bytes))) continue; // A lie may happen to make another good item.
      expect(codec(bytes) === undefined ? "refused" : toHex(bytes)).toBe("refused");
      refused++;
    }
    if (flaw === "long head" || flaw === "trailing byte") expect(refused).toBeGreaterThan(3);
  });
});

test("every rule that nothing else uses has a decoder here, or is signed along and never sent", () => {
  const used = new Set([...grammarText.replace(/;.*$/gm, "").matchAll(/[a-z][a-z0-9-]*/g)].map(([name]) => name));
  const tops = [...grammar.keys()].filter((name) => {
    const uses = grammarText.replace(/;.*$/gm, "").split(new RegExp(`(?<![a-z0-9-])${name}(?![a-z0-9-])(?! *:)`)).length - 1;
    return uses < 2;
  });
  expect(used.size).toBeGreaterThan(100);
  expect(tops.filter((name) => codecs[name] === undefined)).toEqual(["step", "beacon-step"]);
});

test("what is only signed matches too", () => {
  const [id, digest] = [new Uint8Array(8), new Uint8Array(16)];
  expect(matches(grammar, "step", encodeStep({ intent: 2, valueId: id, counter: 0, previous: digest, action: 1, amount: Number.MAX_SAFE_INTEGER }))).toBe(true);
  expect(matches(grammar, "beacon-step", encodeBeaconStep(id, 4, 1, 0))).toBe(true);
  expect(toHex(signHeader("receipt", undefined))).toBe("a20128107825" + Buffer.from("application/vnd.kaisatsu.receipt+cbor").toString("hex"));
});
