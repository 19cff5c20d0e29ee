/**
 * AES-CCM-16-128-128: the portable composition and Node's own against published cases, and against each other on random
 * input. What a board composes out of two native modes and what the host opens must never differ.
 */
import { describe, expect, test } from "vitest";
import { fromHex, outcome, published, seeded, toHex } from "../published.js";
import type { Ccm } from "../../protocol/crypto/ccm.js";
import { nobleCcm } from "../../protocol/crypto/noble/noble.js";
import { nodeCcm } from "../../protocol/crypto/node/node.js";

const backEnds: [string, Ccm][] = [["noble", nobleCcm], ["node", nodeCcm]];
interface Group { keySize: number; ivSize: number; tagSize: number; tests: { tcId: number; key: string; iv: string; aad: string; msg: string; ct: string; tag: string; result: string }[] }

describe.each(backEnds)("%s", (_name, ccm) => {
  test("Wycheproof's AES-CCM: those of this key, nonce and tag; any other key or nonce is refused whole", () => {
    let [ran, refused] = [0, 0];
    for (const group of published<{ testGroups: Group[] }>("wycheproof/aes_ccm_test.json").testGroups) {
      for (const c of group.tests) {
        const [key, nonce, aad, msg] = [c.key, c.iv, c.aad, c.msg].map(fromHex) as [Uint8Array, Uint8Array, Uint8Array, Uint8Array];
        const opened = ccm.open(key, nonce, aad, fromHex(c.ct + c.tag));
        if (group.keySize === 128 && group.ivSize === 104 && group.tagSize === 128) {
          ran++;
          expect(opened === undefined ? "refused" : toHex(opened), `tcId ${c.tcId}`).toBe(c.result === "valid" ? c.msg : "refused");
          if (c.result === "valid") expect(toHex(ccm.seal(key, nonce, aad, msg)), `tcId ${c.tcId}`).toBe(c.ct + c.tag);
        } else if (group.keySize !== 128 || group.ivSize !== 104) {
          refused++;
          expect(opened, `tcId ${c.tcId}`).toBeUndefined();
        }
      }
    }
    expect([ran, refused]).toEqual([4, 368]);
  });

  test.each(["aes-ccm-02", "aes-ccm-enc-02"])("the COSE working group's %s", (name) => {
    interface Example { input: { plaintext: string }; intermediates: { AAD_hex: string; CEK_hex: string }; output: { cbor: string } }
    const example = published<Example>(`cose/aes-ccm-examples/${name}.json`);
    // COSE_Encrypt(0): [protected, {5: nonce}, ciphertext, …]; the nonce of these two examples is the same.
    const whole = example.output.cbor.toLowerCase();
    const nonce = /a1054d([0-9a-f]{26})/.exec(whole)![1]!;
    const sealed = toHex(ccm.seal(fromHex(example.intermediates.CEK_hex), fromHex(nonce), fromHex(example.intermediates.AAD_hex), new Uint8Array(Buffer.from(example.input.plaintext))));
    expect(whole).toContain(sealed);
  });
});

test("300 random texts are sealed alike, opened crosswise, and refused when one bit of text, tag, nonce or additional data is changed", () => {
  const random = seeded(21);
  for (let i = 0; i < 300; i++) {
    const [key, nonce, aad, plain] = [random.bytes(16), random.bytes(13), random.bytes(random.below(70)), random.bytes(random.below(i < 250 ? 130 : 2000))];
    const sealed = nobleCcm.seal(key, nonce, aad, plain);
    expect(toHex(nodeCcm.seal(key, nonce, aad, plain))).toBe(toHex(sealed));
    const inputs = [sealed, nonce, aad];
    const which = random.below(aad.length === 0 ? 2 : 3);
    const changed = inputs.map((bytes, at) => { const x = Uint8Array.from(bytes); if (at === which) x[random.below(x.length)]! ^= 1 << random.below(8); return x; });
    for (const [, ccm] of backEnds) {
      expect(toHex(ccm.open(key, nonce, aad, sealed)!)).toBe(toHex(plain));
      expect(ccm.open(key, changed[1]!, changed[2]!, changed[0]!)).toBeUndefined();
    }
  }
});

test("lengths at their edges: nothing, whole blocks, the longest text, one byte more, too short for a tag", () => {
  const [key, nonce] = [new Uint8Array(16).fill(7), new Uint8Array(13).fill(9)];
  const none = new Uint8Array(0);
  for (const length of [0, 1, 15, 16, 17, 31, 32, 65_535]) {
    for (const aadLength of [0, 13, 14, 15, 16, 30]) {
      const [plain, aad] = [new Uint8Array(length).fill(length), new Uint8Array(aadLength).fill(3)];
      expect(toHex(nobleCcm.seal(key, nonce, aad, plain).subarray(length))).toBe(toHex(nodeCcm.seal(key, nonce, aad, plain).subarray(length)));
    }
  }
  for (const [, ccm] of backEnds) {
    expect(outcome(() => ccm.seal(key, nonce, none, new Uint8Array(65_536)))).toBe("threw");
    expect(outcome(() => ccm.seal(key, new Uint8Array(12), none, none))).toBe("threw");
    for (const length of [0, 1, 15]) expect(ccm.open(key, nonce, none, new Uint8Array(length))).toBeUndefined();
  }
});
