/**
 * Whole COSE messages of the COSE working group's examples and of gluecose: read by our codec, checked with each back end,
 * and written again to the same bytes. A case that is marked as failing must fail somewhere on the way. Algorithms that we
 * do not offer (ES384, ES512, PS…, A192GCM, A256GCM, HMAC 384/512) still say what is signed, MACed or encrypted: there
 * the structure is compared with the published one, and the message with what we write.
 */
import { describe, expect, test } from "vitest";
import { readdirSync } from "node:fs";
import type { Crypto } from "../../protocol/crypto/crypto.js";
import { done, peekMajor, readArray, readBytes, reader, readInt, readMap, readRaw, readText } from "../../protocol/wire/cbor.js";
import * as cose from "../../protocol/wire/cose.js";
import { backEnds, compressed, fromHex, published, toHex } from "../published.js";
import { decodeStrictly, encodeCanonically } from "./cborg.js";

interface Key { kty: string; crv?: string; k?: string; x?: string; y?: string; d?: string }
interface Body { alg?: string; external?: string; key?: Key; recipients?: { key: Key; sender_key?: Key }[] }
interface Example {
  title: string; fail?: boolean; input: { plaintext: string; sign0?: Body; mac0?: Body; mac?: Body; encrypted?: Body; enveloped?: Body };
  intermediates: { ToBeSign_hex?: string; ToMac_hex?: string; AAD_hex?: string; CEK_hex?: string; recipients?: { Context_hex?: string; Secret_hex?: string }[] };
  output: { cbor: string };
}
type Kind = "sign0" | "mac0" | "mac" | "encrypted" | "enveloped";

const folders = ["aes-gcm-examples", "ecdh-direct-examples", "countersign", "countersign1", "ecdsa-examples", "encrypted-tests", "enveloped-tests", "hmac-examples", "mac0-tests", "sign1-tests"];
const examples = folders.flatMap((folder) => readdirSync(new URL(`../vectors/cose/${folder}/`, import.meta.url)).sort()
  .map((file) => ({ name: `${folder}/${file}`, x: published<Example>(`cose/${folder}/${file}`) })));
const ofKind = (kind: Kind) => examples.filter(({ x }) => x.input[kind] !== undefined)
  .map(({ name, x }) => ({ name, x, body: x.input[kind]!, bytes: fromHex(x.output.cbor) }));

const none = new Uint8Array(0);
const coordinate = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, "base64url"));
const pointOf = (key: Key): Uint8Array => compressed(Uint8Array.from([4, ...coordinate(key.x!), ...coordinate(key.y!)]));
const sameText = (bytes: Uint8Array | undefined, x: Example): boolean => bytes !== undefined && Buffer.from(bytes).toString() === x.input.plaintext;

/** One entry of a header map, still encoded; undefined when it is not there, or the map is none. */
function entry(map: Uint8Array, wanted: number): Uint8Array | undefined {
  const r = reader(map);
  let found: Uint8Array | undefined;
  for (let left = readMap(r); left > 0; left--) {
    const number = peekMajor(r) <= 1 ? readInt(r) : (readText(r), undefined);
    const value = readRaw(r);
    if (number === wanted) found = value;
  }
  return done(r) ? found : undefined;
}
function integer(encoded: Uint8Array | undefined): number | undefined {
  const r = reader(encoded ?? none);
  const n = readInt(r);
  return done(r) ? n : undefined;
}
function byteString(encoded: Uint8Array | undefined): Uint8Array | undefined {
  const r = reader(encoded ?? none);
  const bytes = readBytes(r);
  return done(r) ? bytes : undefined;
}
/** The algorithm: where the protected header names one it counts, else the unprotected one. */
function algorithmOf(x: { protectedHeader: Uint8Array; unprotected: Uint8Array }): number | undefined {
  return integer(entry(x.protectedHeader, 1) ?? entry(x.unprotected, 1));
}
/** RFC 9052 §4.4: an empty map stands in the structures as the empty string. */
const protectedBytes = (x: { protectedHeader: Uint8Array }): Uint8Array => (toHex(x.protectedHeader) === "a0" ? none : x.protectedHeader);

test("the files are all there, and each is of a kind this page knows", () => {
  const kinds = ["sign0", "mac0", "mac", "encrypted", "enveloped"] as const;
  expect(kinds.map((kind) => ofKind(kind).length)).toEqual([10, 10, 6, 10, 16]);
  expect(examples.length).toBe(54);
});

/** The message checked whole: read, its algorithm the expected one, its signature good. */
function signatureHolds(crypto: Crypto, bytes: Uint8Array, key: Uint8Array, external: Uint8Array): boolean {
  const m = cose.decodeSign1(bytes);
  return m !== undefined && algorithmOf(m) === cose.algorithm.es256
    && crypto.verify(key, cose.sigStructure(protectedBytes(m), external, m.payload), m.mark);
}
function macHolds(crypto: Crypto, bytes: Uint8Array, key: Uint8Array, external: Uint8Array): boolean {
  const m = cose.decodeMac0(bytes);
  if (m === undefined || algorithmOf(m) !== cose.algorithm.hmac256) return false;
  return toHex(crypto.hmac(key, cose.macStructure(protectedBytes(m), external, m.payload))) === toHex(m.mark);
}
function decrypted(crypto: Crypto, m: cose.Encrypted | undefined, context: string, key: Uint8Array, external: Uint8Array): Uint8Array | undefined {
  if (m === undefined || algorithmOf(m) !== cose.algorithm.a128gcm) return undefined;
  return crypto.open(key, byteString(entry(m.unprotected, 5)) ?? none, cose.encryptStructure(context, protectedBytes(m), external), m.ciphertext);
}

describe.each(backEnds)("messages of our algorithms, %s back end", (_name, crypto) => {
  test("COSE_Sign1 with ES256", () => {
    const ours = ofKind("sign0").filter(({ body }) => body.alg === "ES256");
    for (const { name, x, body, bytes } of ours) {
      expect(signatureHolds(crypto, bytes, pointOf(body.key!), fromHex(body.external ?? "")), name).toBe(x.fail !== true);
    }
    expect(ours.length).toBe(7);
  });
  test("COSE_Mac0 with HMAC 256/256", () => {
    const ours = ofKind("mac0").filter(({ body }) => body.alg === "HS256");
    for (const { name, x, body, bytes } of ours) {
      expect(macHolds(crypto, bytes, coordinate(body.recipients![0]!.key.k!), fromHex(body.external ?? "")), name).toBe(x.fail !== true);
    }
    expect(ours.length).toBe(8);
  });
  test("the MAC of COSE_Mac with HMAC 256/256 and 256/64, over the published structure (the message form is not ours)", () => {
    const lengths = ofKind("mac").filter(({ body }) => body.alg!.startsWith("HS256")).map(({ name, x, bytes }) => {
      const tag = (decodeStrictly(bytes.subarray(2)) as Uint8Array[])[3]!;
      const mac = crypto.hmac(fromHex(x.intermediates.CEK_hex!), fromHex(x.intermediates.ToMac_hex!)).subarray(0, tag.length);
      expect(toHex(mac) === toHex(tag), name).toBe(x.fail !== true);
      return tag.length;
    });
    expect(lengths).toEqual([32, 32, 8]);
  });
  test("COSE_Encrypt0 with A128GCM", () => {
    const ours = ofKind("encrypted").filter(({ body }) => coordinate(body.recipients![0]!.key.k!).length === 16);
    for (const { name, x, body, bytes } of ours) {
      const text = decrypted(crypto, cose.decodeEncrypt0(bytes), "Encrypt0", coordinate(body.recipients![0]!.key.k!), fromHex(body.external ?? ""));
      expect(sameText(text, x), name).toBe(x.fail !== true);
    }
    expect(ours.length).toBe(8);
  });
  test("COSE_Encrypt with A128GCM and a key that both hold", () => {
    const ours = ofKind("enveloped").filter(({ body }) => body.recipients![0]!.key.k !== undefined && coordinate(body.recipients![0]!.key.k!).length === 16);
    for (const { name, x, body, bytes } of ours) {
      const m = cose.decodeEncrypt(bytes);
      if (m !== undefined) expect([algorithmOf(m.recipient), m.recipient.ciphertext.length], name).toEqual([-6, 0]);
      const text = decrypted(crypto, m?.outer, "Encrypt", coordinate(body.recipients![0]!.key.k!), fromHex(body.external ?? ""));
      expect(sameText(text, x), name).toBe(x.fail !== true);
    }
    expect(ours.length).toBe(12);
  });

  test("ECDH-ES with HKDF-256: shared secret, KDF context, content key, and the text where it is A128GCM", () => {
    const ours = ofKind("enveloped").concat(ofKind("mac")).filter(({ x }) => x.intermediates.recipients?.[0]?.Context_hex !== undefined);
    let opened = 0;
    for (const { name, x, body, bytes } of ours) {
      const { Context_hex, Secret_hex } = x.intermediates.recipients![0]!;
      const { key, sender_key } = body.recipients![0]!;
      const message = encodeCanonically((decodeStrictly(bytes) as { value: unknown }).value); // Theirs is not in key order, see below.
      const r = reader(message);
      const items = readArray(r);
      const outer = { protectedHeader: readBytes(r), unprotected: readRaw(r), ciphertext: readBytes(r) };
      if (items === 5) readBytes(r); // COSE_Mac: payload, then tag.
      readArray(r, 1); readArray(r, 3);
      const recipient = { protectedHeader: readBytes(r), unprotected: readRaw(r), ciphertext: readBytes(r) };
      expect(done(r), name).toBe(true);
      const stated = reader(entry(recipient.unprotected, -1) ?? entry(recipient.unprotected, -2)!);
      const ephemeral = readPoint(stated);
      expect(toHex(crypto.agree(coordinate(key.d!), ephemeral)!), name).toBe(Secret_hex!.toLowerCase());
      if (sender_key !== undefined) {
        expect(toHex(crypto.publicKey(coordinate(sender_key.d!))!), name).toBe(toHex(ephemeral));
      } else {
        const keyBits = 4 * x.intermediates.CEK_hex!.length;
        const context = cose.kdfContext({ algorithm: algorithmOf(outer)!, keyBits, partyU: none, partyV: none, recipientProtected: recipient.protectedHeader, other: none });
        expect(toHex(context), name).toBe(Context_hex!.toLowerCase());
        expect(algorithmOf(recipient), name).toBe(cose.algorithm.ecdhEsHkdf256);
      }
      const cek = crypto.hkdf(fromHex(Secret_hex!), none, fromHex(Context_hex!), x.intermediates.CEK_hex!.length / 2);
      expect(toHex(cek), name).toBe(x.intermediates.CEK_hex!.toLowerCase());
      if (algorithmOf(outer) !== cose.algorithm.a128gcm) continue;
      const m = cose.decodeEncrypt(message)!;
      expect(sameText(decrypted(crypto, m.outer, "Encrypt", cek, none), x), name).toBe(true);
      expect(toHex(cose.encodeEncrypt(m.outer, m.recipient, false)), name).toBe(toHex(message));
      opened++;
    }
    expect([ours.length, opened]).toEqual([4, 1]);
  });
});

/** A COSE_Key with both coordinates, as the examples state it; ours has the sign of y instead. */
function readPoint(r: ReturnType<typeof reader>): Uint8Array {
  const point = new Uint8Array(65);
  expect([readMap(r), readInt(r), readInt(r), readInt(r), readInt(r), readInt(r)]).toEqual([4, 1, 2, -1, 1, -2]);
  point.set(readBytes(r, 32), 1);
  expect(readInt(r)).toBe(-3);
  point.set(readBytes(r, 32), 33);
  expect(done(r)).toBe(true);
  return compressed(point);
}

describe("structures and messages of any algorithm", () => {
  test("what is signed, MACed and encrypted is what the examples state", () => {
    let ran = 0;
    for (const { name, x, body, bytes } of (["sign0", "mac0", "encrypted", "enveloped"] as const).flatMap(ofKind)) {
      if (x.fail === true || x.intermediates.recipients?.[0]?.Context_hex !== undefined) continue; // Made to differ; out of key order.
      const external = fromHex(body.external ?? "");
      const { ToBeSign_hex, ToMac_hex, AAD_hex } = x.intermediates;
      const structure = ToBeSign_hex !== undefined ? marked(cose.decodeSign1(bytes), cose.sigStructure, external)
        : ToMac_hex !== undefined ? marked(cose.decodeMac0(bytes), cose.macStructure, external)
        : x.input.encrypted !== undefined ? cose.encryptStructure("Encrypt0", protectedBytes(cose.decodeEncrypt0(bytes)!), external)
        : cose.encryptStructure("Encrypt", protectedBytes(cose.decodeEncrypt(bytes)!.outer), external);
      expect(toHex(structure), name).toBe((ToBeSign_hex ?? ToMac_hex ?? AAD_hex)!.toLowerCase());
      ran++;
    }
    expect(ran).toBe(27);
  });

  test("what is read is written to the same bytes, tagged or not", () => {
    let ran = 0;
    for (const { name, bytes } of (["sign0", "mac0", "encrypted", "enveloped"] as const).flatMap(ofKind)) {
      for (const again of rewritten(bytes)) {
        expect(toHex(again), name).toBe(toHex(bytes));
        ran++;
      }
    }
    expect(ran).toBe(43);
  });

  test("a message with another tag, a second tag or none of ours is refused", () => {
    const { bytes } = ofKind("sign0").find(({ name }) => name === "ecdsa-examples/ecdsa-sig-01.json")!;
    const untagged = bytes.subarray(1);
    expect(cose.decodeSign1(untagged)).toEqual(cose.decodeSign1(bytes));
    for (const tags of ["d1", "d3", "d2d2", "d8d2", "d812", "d862", "d9d9f7d2"]) {
      expect(cose.decodeSign1(Uint8Array.from([...fromHex(tags), ...untagged])), tags).toBeUndefined();
    }
    expect(cose.decodeMac0(bytes)).toBeUndefined();
    expect(cose.decodeMac0(untagged)).toEqual(cose.decodeSign1(bytes)); // The same form: only the context tells them apart.
  });

  test("the ECDH examples as they stand are refused: their unprotected maps are not in key order", () => {
    const direct = examples.filter(({ name, x }) => name.startsWith("ecdh-direct") && x.input.enveloped !== undefined);
    for (const { name, x } of direct) expect(cose.decodeEncrypt(fromHex(x.output.cbor)), name).toBeUndefined();
    expect(direct.length).toBe(2);
  });
});

function marked(m: cose.Marked | undefined, structure: typeof cose.sigStructure, external: Uint8Array): Uint8Array {
  return structure(protectedBytes(m!), external, m!.payload);
}

/** The message written again by each form that reads it. */
function rewritten(bytes: Uint8Array): Uint8Array[] {
  const tagged = bytes[0]! >> 5 === 6;
  const [sign1, mac0, encrypt0, encrypt] = [cose.decodeSign1(bytes), cose.decodeMac0(bytes), cose.decodeEncrypt0(bytes), cose.decodeEncrypt(bytes)];
  return [
    ...(sign1 === undefined ? [] : [cose.encodeSign1(sign1, tagged)]), ...(mac0 === undefined ? [] : [cose.encodeMac0(mac0, tagged)]),
    ...(encrypt0 === undefined ? [] : [cose.encodeEncrypt0(encrypt0, tagged)]),
    ...(encrypt === undefined ? [] : [cose.encodeEncrypt(encrypt.outer, encrypt.recipient, tagged)]),
  ];
}

interface Glue {
  file: string; alg: string; key: Key;
  "sign1::sign"?: { payload: string; protectedHeaders: { cborHex: string }; unprotectedHeaders: { cborHex: string }; tbsHex: { cborHex: string }; expectedOutput: { cborHex: string } };
  "sign1::verify"?: { taggedCOSESign1: { cborHex: string }; external?: string; shouldVerify: boolean };
}

describe("gluecose", () => {
  const { tests } = published<{ tests: Glue[] }>("cose/sign1-gluecose.json");
  test("COSE_Sign1: what is signed, and the message it stands in", () => {
    const signing = tests.flatMap((t) => t["sign1::sign"] ?? []);
    for (const s of signing) {
      const message = cose.decodeSign1(fromHex(s.expectedOutput.cborHex))!;
      const given = { protectedHeader: fromHex(s.protectedHeaders.cborHex), unprotected: fromHex(s.unprotectedHeaders.cborHex), payload: fromHex(s.payload), mark: message.mark };
      expect(toHex(cose.sigStructure(given.protectedHeader, none, given.payload))).toBe(s.tbsHex.cborHex);
      expect(toHex(cose.encodeSign1(given, true))).toBe(s.expectedOutput.cborHex);
    }
    expect(signing.length).toBe(4);
  });
  test.each(backEnds)("COSE_Sign1 verified, %s back end; other algorithms than ES256 refused", (_name, crypto) => {
    const verifying = tests.filter((t) => t["sign1::verify"] !== undefined);
    let good = 0;
    for (const t of verifying) {
      const v = t["sign1::verify"]!;
      const bytes = fromHex(v.taggedCOSESign1.cborHex);
      expect(rewritten(bytes).map(toHex), t.file).toEqual([v.taggedCOSESign1.cborHex]);
      const ours = t.alg === "ES256";
      const holds = signatureHolds(crypto, bytes, ours ? pointOf(t.key) : none, fromHex(v.external ?? ""));
      expect(holds, t.file).toBe(ours && v.shouldVerify);
      if (holds) good++;
      if (v.external !== undefined) expect(signatureHolds(crypto, bytes, pointOf(t.key), none), t.file).toBe(false);
    }
    expect([verifying.length, good]).toEqual([5, 1]);
  });
});
