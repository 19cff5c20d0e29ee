/** `kaisatsu inspect`: bytes of every layer become the words a person would use, and rubbish is said to be rubbish. */
import { describe, expect, test } from "vitest";
import { bytesFrom, inspect, printed } from "../../boards/bench/inspect.js";
import { main } from "../../boards/bench/kaisatsu.js";
import { encodeFrame } from "../../protocol/link/frame.js";
import { encodeRule } from "../../protocol/rule.js";
import { encodeAsk, encodeHello, encodeStop } from "../../protocol/wire/message.js";
import { encodeReceipt, type Receipt } from "../../protocol/wire/receipt.js";
import { encodeValue, flag, unit } from "../../protocol/wire/value.js";

const hello = encodeHello({
  version: 1, offer: 1, tap: new Uint8Array([0, 0, 0, 9]), nonce: new Uint8Array(32).fill(3), terminal: new Uint8Array(8).fill(4),
  want: { action: 1, kinds: ["ticket"], amount: 1, currency: undefined }, group: undefined,
});
const receipt: Receipt = {
  kind: 1, terminal: new Uint8Array(8), tap: new Uint8Array(4), valueId: new Uint8Array(8).fill(0xaa), counter: 2, previous: new Uint8Array(16),
  action: 1, amount: 1, after: 2, at: 1_800_000_000, quality: 2, until: 1_800_000_600, base: undefined, fold: undefined,
};

describe("what is printed", () => {
  test("a message", () => {
const lines = printed(inspect(hello)!);
    expect(lines[0]).toBe(`hello, ${hello.length} bytes`);
    expect(lines).toContain("  tap: 00000009");
    expect(inspect(encodeAsk(3))!.fields).toEqual({ what: "not_trusted" });
    expect(inspect(encodeStop(2))!.fields).toEqual({ refusal: "busy", code: 2 });
  });
  test("a receipt, with its time as a date", () => {
    const found = inspect(encodeReceipt(receipt))!;
    expect(found.is).toBe("receipt");
    expect(found.fields["at"]).toBe("1800000000 (2027-01-15T08:00:00Z)");
    expect(found.fields["valueId"]).toBe("aaaaaaaaaaaaaaaa");
  });
  test("a value, with its rule in words", () => {
    const claims = encodeValue({
      kind: "book", expires: 2_000_000_000, notBefore: 1, valueId: new Uint8Array(8), holderKey: new Uint8Array(33).fill(2), unit: unit.uses, most: 10,
      currency: undefined, zones: [1], rule: encodeRule([[1, 2]]), offline: { uses: 3, amount: 3, days: 7 }, ownerSequence: 0, flags: flag.transferable, statusIndex: 5, issuerPart: new Uint8Array(16),
    });
    expect(inspect(claims)!.fields["rule"]).toEqual(["perDay 2"]);
  });
  test("frames on a line, both wrappings, with what they carry", () => {
    for (const wrapping of ["cobs", "sir"] as const) {
      const found = inspect(encodeFrame(wrapping, { link: 16 | 4, payload: hello }, 2))!;
      expect(JSON.stringify(found)).toContain("from terminal, first of a session, number 0");
      expect(JSON.stringify(found)).toContain('"is":"hello"');
    }
  });
  test("other deterministic CBOR is shown as it is; anything else is nothing", () => {
    expect(inspect(Uint8Array.of(0xa1, 2, 3))!.is).toBe("CBOR");
    expect(inspect(Uint8Array.of(0xbf, 0xff))).toBeUndefined();
    expect(inspect(new Uint8Array(0))).toBeUndefined();
  });
});

const noInput = () => new Uint8Array(0);
test("bytes come as hexadecimal, base64 or a file", () => {
  expect(bytesFrom(["82", "06", "00"], noInput)).toEqual(Uint8Array.of(0x82, 6, 0));
  expect(bytesFrom(["ggYA"], noInput)).toEqual(Uint8Array.of(0x82, 6, 0));
  expect(bytesFrom(["package.json"], noInput)![0]).toBe(0x7b);
  expect(bytesFrom(["no such thing!"], noInput)).toBeUndefined();
});

test("exit codes: 0 known, 1 unknown bytes, 2 a wrong command line", async () => {
  expect(await main(["inspect", "820600"])).toBe(0);
  expect(await main(["inspect", "bfff"])).toBe(1);
  expect(await main(["inspect"])).toBe(2);
  expect(await main(["inspect", "--colour"])).toBe(2);
  expect(await main(["fly"])).toBe(2);
});
