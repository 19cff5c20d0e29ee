/**
 * The claim code and the first two messages of a fresh terminal (`trust.md` §3): what people type is forgiven its letters and
 * not its mistakes, and nobody without the code can ask, answer, or put his own keys between.
 */
import { describe, expect, test } from "vitest";
import { nodeCrypto } from "../../protocol/crypto/node/node.js";
import * as claim from "../../protocol/wire/claim.js";
import { backEnds, scalar, seeded, toHex } from "../published.js";

describe("a claim code", () => {
  const random = seeded(5);
  const codes = Array.from({ length: 50 }, () => claim.makeClaimCode(random.bytes(19)));
  const alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

  test("five groups of four, of letters that nobody takes for one another; reads as four to look up and fifteen secret", () => {
    for (const code of codes) {
      expect(code).toMatch(/^([0-9A-HJKMNP-TV-Z]{4}-){4}[0-9A-HJKMNP-TV-Z]{4}$/);
      const plain = code.replaceAll("-", "");
      expect(claim.readClaimCode(code)).toEqual({ lookup: plain.slice(0, 4), secret: plain.slice(4, 19) });
    }
    expect(new Set(codes).size).toBe(50);
    expect(claim.makeClaimCode(new Uint8Array(19))).toBe(claim.makeClaimCode(new Uint8Array(19).fill(0xe0)));
  });
  test("small letters, spaces, no hyphens, O for 0, I and L for 1: the same code", () => {
    for (const code of codes) {
      for (const typed of [code.toLowerCase(), code.replaceAll("-", ""), code.replaceAll("-", " "), code.replaceAll("0", "O").replaceAll("1", "I"), code.replaceAll("0", "o").replaceAll("1", "l")]) {
        expect(claim.readClaimCode(typed)).toEqual(claim.readClaimCode(code));
      }
    }
  });
  test("one wrong character or two neighbours swapped: refused, every place and every character", () => {
    for (const code of codes.slice(0, 8)) {
      const plain = code.replaceAll("-", "");
      for (let at = 0; at < 20; at++) {
        for (const other of alphabet) if (other !== plain[at]) expect(claim.readClaimCode(plain.slice(0, at) + other + plain.slice(at + 1)), `${plain} ${at} ${other}`).toBeUndefined();
        const swapped = plain.slice(0, at) + plain.slice(at + 1, at + 2) + plain[at] + plain.slice(at + 2);
        if (swapped !== plain) expect(claim.readClaimCode(swapped), `${plain} ${at} swapped`).toBeUndefined();
      }
    }
  });
  test("too short, too long, empty, other characters: refused", () => {
    const plain = codes[0]!.replaceAll("-", "");
    for (const typed of ["", "-", plain.slice(1), plain + "0", plain.slice(0, 19) + "U", plain.slice(0, 19) + "é", plain.slice(0, 19) + "_"]) expect(claim.readClaimCode(typed)).toBeUndefined();
  });
});

describe.each(backEnds)("first contact, %s back end", (_name, crypto) => {
  const secret = "0123456789ABCDE";
  const keys = claim.claimKeys(crypto, secret, new Uint8Array(16).fill(1));
  const request = new Uint8Array([1, 2, 3]);
  const [hostSide, terminalSide, between] = [scalar(11n), scalar(12n), scalar(13n)];
  const publicOf = (s: Uint8Array): Uint8Array => crypto.publicKey(s)!;
  const granted = new Uint8Array(300).fill(5);
  const answer = claim.sealAnswer(crypto, keys, request, hostSide, publicOf(terminalSide), granted)!;
  const opened = (bytes: Uint8Array, asked = request, with_ = keys): Uint8Array | undefined => {
    const read = claim.readAnswer(crypto, with_, asked, bytes);
    const shared = read && crypto.agree(terminalSide, read.point);
    return read && shared && claim.openAnswer(crypto, asked, read.point, shared, read.sealed);
  };

  test("the request proves the code, the answer proves it back and opens at the terminal's new key alone", () => {
    const { content, mac } = claim.splitMac(claim.macRequest(crypto, keys, request))!;
    expect([toHex(content), claim.requestGenuine(crypto, keys, content, mac)]).toEqual(["010203", true]);
    expect(opened(answer)).toEqual(granted);
    const read = claim.readAnswer(crypto, keys, request, answer)!;
    expect(claim.openAnswer(crypto, request, read.point, crypto.agree(between, read.point)!, read.sealed)).toBeUndefined();
  });
  test("another code, another nonce, another request: nothing is proven", () => {
    const { mac } = claim.splitMac(claim.macRequest(crypto, keys, request))!;
    for (const other of [claim.claimKeys(crypto, "0123456789ABCDF", new Uint8Array(16).fill(1)), claim.claimKeys(crypto, secret, new Uint8Array(16).fill(2))]) {
      expect(claim.requestGenuine(crypto, other, request, mac)).toBe(false);
      expect(opened(answer, request, other)).toBeUndefined();
    }
    expect(claim.requestGenuine(crypto, keys, new Uint8Array([1, 2, 4]), mac)).toBe(false);
    expect(opened(answer, new Uint8Array([1, 2, 4]))).toBeUndefined();
    expect(claim.requestGenuine(crypto, { request: keys.answer, answer: keys.request }, request, mac)).toBe(false);
  });
  test("every byte of the answer changed, or cut: refused", () => {
    for (let at = 0; at < answer.length; at += 1 + (at > 40 ? 7 : 0)) {
      const bad = Uint8Array.from(answer);
      bad[at]! ^= 1;
      expect(opened(bad)).toBeUndefined();
    }
    for (let end = 0; end < 80; end++) expect(opened(answer.subarray(0, end))).toBeUndefined();
    expect(claim.splitMac(new Uint8Array(32))).toBeUndefined();
  });
  test("whoever stands between with keys of his own and without the code gets no answer read", () => {
    const forged = claim.sealAnswer(crypto, claim.claimKeys(crypto, "guess", new Uint8Array(16).fill(1)), request, between, publicOf(terminalSide), granted)!;
    expect(opened(forged)).toBeUndefined();
    expect(claim.sealAnswer(crypto, keys, request, hostSide, new Uint8Array(33), granted)).toBeUndefined();
    expect(claim.sealAnswer(crypto, keys, request, new Uint8Array(32), publicOf(terminalSide), granted)).toBeUndefined();
  });
  test("six digits, the same on both sides, others for another answer", () => {
    const digits = claim.shownDigits(crypto, request, answer);
    expect(digits).toMatch(/^[0-9]{6}$/);
    expect(claim.shownDigits(nodeCrypto, request, answer)).toBe(digits);
    expect(claim.shownDigits(crypto, request, answer.subarray(1))).not.toBe(digits);
  });
});
