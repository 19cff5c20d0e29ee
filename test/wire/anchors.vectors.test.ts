/**
 * Sanity anchors: tokens that other people's systems made and really use, read by our codec and checked with each back
 * end. The CWT examples of RFC 8392; the European health certificates' shared test data, whose Base45 is also that of our
 * optical codes; and the phone-to-reader exchange of ISO 18013-5 Annex D, for key agreement and key derivation.
 */
import { createDecipheriv, X509Certificate } from "node:crypto";
import { inflateSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { decode, encode, Tagged } from "cborg";
import { decodeBase45, encodeBase45 } from "../../protocol/link/beacon.js";
import type { Crypto } from "../../protocol/crypto/crypto.js";
import * as cose from "../../protocol/wire/cose.js";
import { backEnds, compressed, fromHex, published, toHex } from "../published.js";
import { decodeStrictly } from "./cborg.js";

const none = new Uint8Array(0);
const ascii = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, "latin1"));

/** The algorithm that the protected header names, or else the unprotected one. Read by cborg: real ones are often not in key order. */
function algorithmOf(m: cose.Marked): number | undefined {
  const headers = [m.protectedHeader, m.unprotected].map((map) => (map.length === 0 ? new Map() : (decodeStrictly(map) as Map<number, number>)));
  return headers[0]!.get(1) ?? headers[1]!.get(1);
}

describe("CWT, RFC 8392 appendix A", () => {
  interface Cwt {
    input: { plaintext_hex: string; sign0?: { key: { x_hex: string; y_hex: string; d_hex: string } }; mac0?: { recipients: [{ key: { k_hex: string } }] } };
    intermediates: { ToBeSign_hex?: string; ToMac_hex?: string }; output: { cbor: string };
  }
  test.each(backEnds)("A.3 signed with ES256, A.4 with HMAC 256/64, %s back end", (_name, crypto) => {
    const signed = published<Cwt>("cose/CWT/A_3.json");
    const key = signed.input.sign0!.key;
    const s = cose.decodeSign1(fromHex(signed.output.cbor))!;
    const toSign = cose.sigStructure(s.protectedHeader, none, s.payload);
    expect(toHex(s.payload)).toBe(signed.input.plaintext_hex);
    expect(toHex(toSign)).toBe(signed.intermediates.ToBeSign_hex!.toLowerCase());
    expect(toHex(crypto.publicKey(fromHex(key.d_hex))!)).toBe(toHex(compressed(fromHex("04" + key.x_hex + key.y_hex))));
    expect(crypto.verify(crypto.publicKey(fromHex(key.d_hex))!, toSign, s.mark)).toBe(true);

    const maced = published<Cwt>("cose/CWT/A_4.json");
    const m = cose.decodeMac0(fromHex(maced.output.cbor))!;
    const toMac = cose.macStructure(m.protectedHeader, none, m.payload);
    expect(toHex(toMac)).toBe(maced.intermediates.ToMac_hex!.toLowerCase());
    expect([algorithmOf(s), algorithmOf(m)]).toEqual([cose.algorithm.es256, cose.algorithm.hmac64]);
    expect(toHex(crypto.hmac(fromHex(maced.input.mac0!.recipients[0].key.k_hex), toMac).subarray(0, 8))).toBe(toHex(m.mark));
  });
});

describe("European health certificates", () => {
  interface Token { file: string; BASE45?: string; COSE?: string; COMPRESSED?: string; CERTIFICATE: string; expected: { EXPECTEDVERIFY?: boolean; EXPECTEDB45DECODE?: boolean } }
  const { tests } = published<{ tests: Token[] }>("eudcc/dgc-testdata.json");

  test("Base45: 24 texts decode to the compressed bytes and back, the one with a wrong character does not", () => {
    let good = 0;
    for (const t of tests.filter((one) => one.BASE45 !== undefined && one.expected.EXPECTEDB45DECODE !== undefined)) {
      const bytes = decodeBase45(ascii(t.BASE45!));
      expect(bytes !== undefined, t.file).toBe(t.expected.EXPECTEDB45DECODE);
      if (bytes === undefined) continue;
      expect(encodeBase45(bytes), t.file).toBe(t.BASE45);
      expect(t.COSE, t.file).toBe(inflateSync(bytes).toString("hex"));
      good++;
    }
    expect(good).toBe(24);
  });

  test.each(backEnds)("COSE_Sign1 of 29 tokens: 22 good, 1 bad, 4 with RSA; 2 refused for an unprotected map out of key order, %s back end", (_name, crypto) => {
    const seen = { good: 0, bad: 0, otherAlgorithm: 0, notOurs: [] as string[] };
    for (const t of tests.filter((one) => one.COSE !== undefined && one.expected.EXPECTEDVERIFY !== undefined)) {
      const m = cose.decodeSign1(fromHex(t.COSE!));
      if (m === undefined) { seen.notOurs.push(t.file); continue; }
      expect(toHex(cose.encodeSign1(m, true)), t.file).toBe(t.COSE);
      if (algorithmOf(m) !== cose.algorithm.es256) { seen.otherAlgorithm++; continue; }
      const holds = crypto.verify(pointOf(t.CERTIFICATE), cose.sigStructure(m.protectedHeader, none, m.payload), m.mark);
      expect(holds, t.file).toBe(t.expected.EXPECTEDVERIFY);
      if (holds) seen.good++; else seen.bad++;
    }
    expect(seen).toEqual({ good: 22, bad: 1, otherAlgorithm: 4, notOurs: ["common/2DCode/raw/CO22.json", "common/2DCode/raw/CO23.json"] });
  });

  function pointOf(certificate: string): Uint8Array {
    const spki = new X509Certificate(Buffer.from(certificate, "base64")).publicKey.export({ format: "der", type: "spki" });
    return compressed(spki.subarray(spki.length - 65));
  }
});

describe.each(backEnds)("ISO 18013-5 Annex D, %s back end", (_name, crypto: Crypto) => {
  const { values: v } = published<{ values: Record<string, string> }>("mdoc/iso18013-5-annex-d.json");
  const point = (name: string): Uint8Array => compressed(fromHex("04" + v[`${name}_KEY_X`]! + v[`${name}_KEY_Y`]!));
  const secret = (name: string): Uint8Array => fromHex(v[`${name}_KEY_D`]!);
  const salt = crypto.sha256(fromHex(v.SESSION_TRANSCRIPT_BYTES!));
  const tags = { 0: Tagged.decoder(0), 24: Tagged.decoder(24) };
  const item = (bytes: Uint8Array): any => decode(bytes, { useMaps: true, tags });

  test("session keys: both sides agree, and the reader's key opens the published request", () => {
    const shared = crypto.agree(secret("EPHEMERAL_READER"), point("EPHEMERAL_DEVICE"))!;
    expect(toHex(crypto.agree(secret("EPHEMERAL_DEVICE"), point("EPHEMERAL_READER"))!)).toBe(toHex(shared));
    const key = crypto.hkdf(shared, salt, ascii("SKReader"), 32);
    const sealed = item(fromHex(v.SESSION_ESTABLISHMENT!)).get("data") as Uint8Array;
    const opening = createDecipheriv("aes-256-gcm", key, fromHex("000000000000000000000001"), { authTagLength: 16 });
    opening.setAuthTag(sealed.subarray(-16));
    const request = Buffer.concat([opening.update(sealed.subarray(0, -16)), opening.final()]);
    expect(item(request).get("version")).toBe("1.0");
  });

  const document = item(fromHex(v.DEVICE_RESPONSE!)).get("documents")[0] as Map<string, any>;
  test("the issuer's COSE_Sign1 holds under the key of its certificate", () => {
    const [protectedHeader, unprotected, payload, mark] = document.get("issuerSigned").get("issuerAuth") as [Uint8Array, unknown, Uint8Array, Uint8Array];
    const bytes = cose.encodeSign1({ protectedHeader, unprotected: encode(unprotected), payload, mark }, false);
    const m = cose.decodeSign1(bytes)!;
    const spki = new X509Certificate(fromHex(v.DS_CERT!)).publicKey.export({ format: "der", type: "spki" });
    const key = compressed(spki.subarray(spki.length - 65));
    expect(crypto.verify(key, cose.sigStructure(m.protectedHeader, none, m.payload), m.mark)).toBe(true);
    expect(crypto.verify(key, cose.sigStructure(m.protectedHeader, none, m.payload.subarray(1)), m.mark)).toBe(false);
  });

  test("the device's MAC: HMAC 256/256 under a key from its long-lived key and the reader's", () => {
    const shared = crypto.agree(secret("STATIC_DEVICE"), point("EPHEMERAL_READER"))!;
    const key = crypto.hkdf(shared, salt, ascii("EMacKey"), 32);
    const signed = document.get("deviceSigned") as Map<string, any>;
    const [protectedHeader, , payload, tag] = signed.get("deviceAuth").get("deviceMac") as [Uint8Array, unknown, null, Uint8Array];
    const names = signed.get("nameSpaces") as Tagged;
    const transcript = (item(fromHex(v.SESSION_TRANSCRIPT_BYTES!)) as Tagged).value as Uint8Array;
    const authentication = Buffer.concat([
      fromHex("84"), encode("DeviceAuthentication"), transcript, encode(document.get("docType")), fromHex("d818"), encode(names.value),
    ]);
    const detached = Buffer.concat([fromHex("d818"), encode(new Uint8Array(authentication))]);
    expect(payload).toBeNull();
    expect(toHex(crypto.hmac(key, cose.macStructure(protectedHeader, none, detached)))).toBe(toHex(tag));
    expect(cose.decodeMac0(encode([protectedHeader, new Map(), null, tag]))).toBeUndefined(); // Detached content is not ours to take.
  });
});
