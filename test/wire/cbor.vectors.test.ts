/**
 * Our CBOR codec against published cases: RFC 8949 Appendix A and the CBOR working group's lists, two lists of the dCBOR
 * profile, and QCBOR's inputs that are not well-formed. The codec is a strict subset: a good item in another than the
 * deterministic form is refused, and so are floats, bignum-sized integers and unassigned simple values. For every case the
 * verdict is held against a second opinion (cborg.ts), and how many of each file are taken is written down here.
 */
import { describe, expect, test } from "vitest";
import * as cbor from "../../protocol/wire/cbor.js";
import { fromHex, published, toHex } from "../published.js";
import { isOurs } from "./cborg.js";

interface Case { hex: string; description?: string; name?: string; notes?: string; roundtrip?: boolean; expect?: { ok: boolean; code?: string } }
const casesOf = (file: string): Case[] => published<{ tests: Case[] }>(`cbor/${file}.json`).tests;
const label = (c: Case): string => `${c.description ?? c.name ?? c.notes ?? ""} ${c.hex.slice(0, 80)}`;

/** File, cases, taken without tags, taken with tags. */
const files: readonly (readonly [string, number, number, number])[] = [
  ["appendix_a", 57, 25, 30], ["wg-rfc8949-appendixA-mt0", 8, 8, 8], ["wg-rfc8949-appendixA-mt1", 4, 3, 3], ["wg-rfc8949-appendixA-mt2", 2, 2, 2],
  ["wg-rfc8949-appendixA-mt3", 4, 4, 4], ["wg-rfc8949-appendixA-mt4", 2, 2, 2], ["wg-rfc8949-appendixA-mt5", 4, 4, 4],
  ["wg-rfc8949-appendixA-mt6", 5, 0, 5], ["wg-rfc8949-appendixA-mt7-float", 13, 0, 0], ["wg-rfc8949-appendixA-mt7-simple", 4, 2, 2],
  ["wg-rfc8949-appendixA-streaming", 8, 0, 0], ["wg-rfc8949-good", 57, 7, 10], ["wg-rfc8949-bad", 32, 0, 2], ["wg-spike-spike", 775, 162, 408],
  ["bc-dcbor-decode", 160, 24, 31], ["bc-dcbor-encode", 210, 118, 154], ["qcbor-not-well-formed", 82, 0, 0],
];

describe.each(files)("%s", (file, cases, plain, tagged) => {
  const tests = casesOf(file);
  test(`${cases} cases: ${plain} taken, ${tagged} where tags are allowed`, () => {
    expect(tests.length).toBe(cases);
    for (const c of tests) {
      expect(cbor.scan(fromHex(c.hex)), label(c)).toBe(isOurs(fromHex(c.hex), false));
      expect(cbor.scan(fromHex(c.hex), true), label(c)).toBe(isOurs(fromHex(c.hex), true));
    }
    expect(tests.filter((c) => cbor.scan(fromHex(c.hex))).length).toBe(plain);
    expect(tests.filter((c) => cbor.scan(fromHex(c.hex), true)).length).toBe(tagged);
  });
  test("what is taken reads and writes back to the same bytes; cut short or with a byte more it is refused", () => {
    for (const c of tests) {
      const bytes = fromHex(c.hex);
      const ours = cbor.scan(bytes);
      const r = cbor.reader(bytes);
      const w = cbor.writer();
      copyItem(r, w);
      expect(cbor.done(r), label(c)).toBe(ours);
      if (!ours) continue;
      expect(toHex(cbor.finish(w)), label(c)).toBe(c.hex);
      for (let end = 0; end < bytes.length; end++) expect(cbor.scan(bytes.subarray(0, end), true), label(c)).toBe(false);
      expect(cbor.scan(Uint8Array.from([...bytes, 0]), true), label(c)).toBe(false);
    }
  });
});

/** Reads one item and writes it; tags are not read, as `reader` refuses them inside. */
function copyItem(r: cbor.Reader, w: cbor.Writer): void {
  const major = cbor.peekMajor(r);
  if (major === 0 || major === 1) cbor.writeInt(w, cbor.readInt(r));
  else if (major === 2) cbor.writeBytes(w, cbor.readBytes(r));
  else if (major === 3) cbor.writeText(w, cbor.readText(r));
  else if (major === 4 || major === 5) {
    const count = major === 4 ? cbor.readArray(r) : cbor.readMap(r);
    if (major === 4) cbor.writeArray(w, count); else cbor.writeMap(w, count);
    for (let i = 0; i < (major === 4 ? count : 2 * count); i++) copyItem(r, w);
  } else if (cbor.readNull(r)) cbor.writeNull(w);
  else cbor.writeBool(w, cbor.readBool(r));
}

describe("the verdicts the lists themselves give", () => {
  test("not well-formed: refused, tags allowed or not", () => {
    for (const c of casesOf("qcbor-not-well-formed")) expect(cbor.scan(fromHex(c.hex), true), label(c)).toBe(false);
    for (const c of casesOf("wg-rfc8949-bad")) expect(cbor.scan(fromHex(c.hex)), label(c)).toBe(false);
  });
  test("the two of the bad list taken where tags are allowed are well-formed: what a date tag stands around is not ours to judge", () => {
    const taken = casesOf("wg-rfc8949-bad").filter((c) => cbor.scan(fromHex(c.hex), true));
    expect(taken.map((c) => c.hex)).toEqual(["c1a1616100", "c0a1616100"]);
  });
  test("not in preferred or deterministic form: refused", () => {
    let ran = 0;
    for (const file of ["wg-rfc8949-good", "wg-rfc8949-appendixA-streaming", "wg-spike-spike"]) {
      for (const c of casesOf(file).filter((one) => one.roundtrip === false)) {
        expect(cbor.scan(fromHex(c.hex)), label(c)).toBe(false);
        ran++;
      }
    }
    expect(ran).toBe(421);
  });
  test("dCBOR: what that profile refuses, ours refuses; only Unicode's normal form C is not ours to ask for", () => {
    const refused = casesOf("bc-dcbor-decode").filter((c) => !c.expect!.ok);
    for (const c of refused) expect(cbor.scan(fromHex(c.hex), true), label(c)).toBe(c.expect!.code === "NonCanonicalString");
    expect(refused.length).toBe(119);
    expect(refused.filter((c) => c.expect!.code === "NonCanonicalString").length).toBe(3);
  });
});

test("nesting: as deep as the limit, and one deeper", () => {
  for (const open of ["81", "a100"]) {
    const nested = (levels: number): Uint8Array => fromHex(open.repeat(levels) + "00");
    expect(cbor.scan(nested(cbor.cborDepthMax))).toBe(true);
    expect(cbor.scan(nested(cbor.cborDepthMax + 1))).toBe(false);
    expect(cbor.scan(nested(100_000))).toBe(false);
  }
});
