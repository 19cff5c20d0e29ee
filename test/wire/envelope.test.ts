/**
 * The envelope (S6, `trust.md` §5): what goes in comes out on either back end, only at whom it was meant for; what a blind road
 * sees is a key id and a size in steps; whatever is changed, cut or put in another's place is refused. The outside is checked
 * against RFC 9052 and 9053 by hand, with cborg and node:crypto alone.
 */
import { createDecipheriv, createHash, createPrivateKey, createPublicKey, diffieHellman, hkdfSync, verify } from "node:crypto";
import { describe, expect, test } from "vitest";
import { decode, encode, rfc8949EncodeOptions, Tagged } from "cborg";
import type { Crypto } from "../../protocol/crypto/crypto.js";
import { nobleCrypto } from "../../protocol/crypto/noble/noble.js";
import { nodeCrypto } from "../../protocol/crypto/node/node.js";
import { encodeMessage, openEnvelope, pad, readEnvelope, sealEnvelope, unpad, verifyMessage, type Message } from "../../protocol/wire/envelope.js";
import { keyId, openSigned, shortKeyId, signObject, thumbprint, encodeSigned, objectToSign, decodeSigned } from "../../protocol/wire/signed.js";
import { backEnds, scalar, seeded, toHex } from "../published.js";
import { encodeFlawed, encodeTree, flaws, harmed } from "../fuzz/tree.js";
import { decodeStrictly } from "./cborg.js";

const [senderKey, hostKey, strangerKey, ephemeral] = [scalar(1001n), scalar(1002n), scalar(1003n), scalar(1004n)];
const publicOf = (secret: Uint8Array): Uint8Array => nodeCrypto.publicKey(secret)!;
const idOf = (secret: Uint8Array): Uint8Array => keyId(nodeCrypto, publicOf(secret));
const senders = [{ kid: idOf(strangerKey), publicKey: publicOf(strangerKey) }, { kid: idOf(senderKey), publicKey: publicOf(senderKey) }];
const nonce = new Uint8Array(12).fill(7);

const message = (body: Uint8Array, more: Partial<Message> = {}): Message =>
  ({ recipient: idOf(hostKey), at: 1_800_000_000, quality: 2, sequence: 5, type: 1, body, answers: undefined, certificate: undefined, ...more });
function seal(crypto: Crypto, m: Message, more: { least?: number; to?: Uint8Array } = {}): Uint8Array {
  const signed = signObject(crypto, "message", senderKey, encodeMessage(m));
  return sealEnvelope(crypto, signed, { ephemeral, nonce, recipientKey: more.to ?? publicOf(hostKey), least: more.least ?? 0 })!;
}
/** What the holder of a key makes of bytes at its door: a message, or nothing. */
function receive(crypto: Crypto, bytes: Uint8Array, secret: Uint8Array = hostKey): Message | undefined {
  const own = crypto.publicKey(secret)!;
  const sealed = readEnvelope(bytes);
  if (sealed === undefined || toHex(sealed.recipient) !== toHex(keyId(crypto, own))) return undefined; // A key id finds the key; nothing is opened with another.
  const shared = crypto.agree(secret, sealed.ephemeral);
  const signed = shared && openEnvelope(crypto, sealed, own, shared);
  return signed && verifyMessage(crypto, signed, senders, keyId(crypto, own));
}

describe.each(backEnds)("S6: sealed by the %s back end", (_name, sealing) => {
  test.each(backEnds)("opened by the %s back end: the same message, with and without its optional parts", (_other, opening) => {
    const answers = { sequence: 9, kid: idOf(strangerKey) };
    for (const more of [{}, { answers }, { certificate: new Uint8Array([1, 2]) }, { answers, certificate: new Uint8Array([3]), quality: 3, sequence: Number.MAX_SAFE_INTEGER }]) {
      const sent = message(new Uint8Array([0x81, 5]), more);
      expect(receive(opening, seal(sealing, sent))).toEqual(sent);
    }
  });
});

test("sizes on the road: a body of up to 127 bytes travels in 367, 300 in 623, 3,500 in 4,207", () => {
  const travels = (bytes: number, least = 0): number => seal(nodeCrypto, message(new Uint8Array(bytes)), { least }).length;
  expect([0, 1, 23, 60, 100, 127].map((n) => travels(n))).toEqual([367, 367, 367, 367, 367, 367]);
  expect(travels(300)).toBe(623);
  expect(travels(3500)).toBe(4207);
  expect(travels(1, 1024)).toBe(travels(800, 1024));
  for (const [sequence, inside] of [[23, 124], [70_000, 128], [4294967295, 128], [4294967296, 132]] as const) {
    expect(signObject(nodeCrypto, "message", senderKey, encodeMessage(message(new Uint8Array(127), { sequence }))).length - 127, `${sequence}`).toBe(inside);
  }
});

describe("padding", () => {
  test("256, 512 … 4,096, then Padmé: never more than 6.2 % more, never two sizes for one step, always taken off again", () => {
    const table = [[0, 256], [255, 256], [256, 512], [511, 512], [512, 1024], [1024, 2048], [2047, 2048], [2048, 4096], [4095, 4096], [4096, 4352], [9000, 9216], [61439, 61440]];
    for (const [plain, padded] of table) expect(pad(new Uint8Array(plain!), 0).length, `${plain}`).toBe(padded);
    const sizes = new Set<number>();
    for (let n = 0; n < 61_440; n += n < 5000 ? 1 : 37) {
      const padded = pad(new Uint8Array(n).fill(0x80), 0);
      sizes.add(padded.length);
      if (n > 4096) expect(padded.length / (n + 1)).toBeLessThan(1.0625);
      if (n % 101 === 0) expect(unpad(padded)!.length).toBe(n);
    }
    expect(sizes.size).toBeLessThan(70);
  });
  test("one byte 0x80, then zeros: anything else is no padding", () => {
    expect(unpad(Uint8Array.of(5, 0x80, 0, 0))).toEqual(Uint8Array.of(5));
    expect(unpad(Uint8Array.of(0x80))).toEqual(new Uint8Array(0));
    expect(unpad(Uint8Array.of(0x80, 0x80, 0))).toEqual(Uint8Array.of(0x80));
    for (const bad of [[], [0], [0, 0, 0], [5, 0x80, 0, 1], [5, 0x81, 0], [5, 0x40, 0], [5]]) expect(unpad(Uint8Array.from(bad))).toBeUndefined();
  });
  test("`least` hides sizes through a till: request and answer start at 1,024", () => {
    expect(pad(new Uint8Array(3), 1024).length).toBe(1024);
    expect(pad(new Uint8Array(1500), 1024).length).toBe(2048);
  });
});

describe("S6: who else may read or pass on", () => {
  const sent = message(new Uint8Array(40));
  const good = seal(nodeCrypto, sent);
  test("another key opens nothing", () => {
    expect(receive(nodeCrypto, good, strangerKey)).toBeUndefined();
  });
  test("a letter that its recipient seals on to a third is refused there: it names whom it was meant for", () => {
    const inside = signObject(nodeCrypto, "message", senderKey, encodeMessage(sent));
    const onward = sealEnvelope(nodeCrypto, inside, { ephemeral, nonce, recipientKey: publicOf(strangerKey), least: 0 })!;
    expect(receive(nodeCrypto, onward, strangerKey)).toBeUndefined();
    const own = sealEnvelope(nodeCrypto, inside, { ephemeral, nonce, recipientKey: publicOf(hostKey), least: 0 })!;
    expect(receive(nodeCrypto, own)).toEqual(sent);
  });
  test("a sender that is not known, or signs in another's name, is refused", () => {
    const claims = encodeMessage(sent);
    const sealedBy = (signed: Uint8Array) => receive(nodeCrypto, sealEnvelope(nodeCrypto, signed, { ephemeral, nonce, recipientKey: publicOf(hostKey), least: 0 })!);
    expect(sealedBy(signObject(nodeCrypto, "message", scalar(77n), claims))).toBeUndefined();
    const stolenName = encodeSigned("message", idOf(senderKey), claims, nodeCrypto.sign(strangerKey, objectToSign("message", idOf(senderKey), claims)), false);
    expect(sealedBy(stolenName)).toBeUndefined();
  });
  test("an object of another type with the very claims of a message is none", () => {
    const claims = encodeMessage(sent);
    for (const type of ["role", "configuration", "status", "time", "issuer", "device"] as const) {
      expect(openSigned(nodeCrypto, signObject(nodeCrypto, type, senderKey, claims), "message", senders)).toBeUndefined();
    }
    expect(openSigned(nodeCrypto, new Uint8Array([0x80]), "message", senders)).toBeUndefined();
  });
  test("the outside shows the recipient's key id and nothing of the sender; two letters alike differ by key and nonce", () => {
    expect(toHex(readEnvelope(good)!.recipient)).toBe(toHex(idOf(hostKey)));
    for (const secret of [idOf(senderKey), publicOf(senderKey).subarray(1), new Uint8Array(40)]) expect(Buffer.from(good).includes(Buffer.from(secret))).toBe(false);
    const other = sealEnvelope(nodeCrypto, signObject(nodeCrypto, "message", senderKey, encodeMessage(sent)), { ephemeral: scalar(5n), nonce: new Uint8Array(12), recipientKey: publicOf(hostKey), least: 0 })!;
    expect(other.length).toBe(good.length);
    expect(Buffer.compare(readEnvelope(other)!.ciphertext, readEnvelope(good)!.ciphertext)).not.toBe(0);
  });
  test("no envelope to a key that is no point", () => {
    expect(seal(nodeCrypto, sent, { to: new Uint8Array(33) })).toBeUndefined();
    expect(sealEnvelope(nodeCrypto, good, { ephemeral: new Uint8Array(32), nonce, recipientKey: publicOf(hostKey), least: 0 })).toBeUndefined();
    expect(toHex(keyId(nodeCrypto, new Uint8Array(33)))).toBe("0000000000000000");
  });
});

describe.each(backEnds)("S6: what is harmed is refused, %s back end", (_name, crypto) => {
  const good = seal(nodeCrypto, message(new Uint8Array(30)));
  test("every byte changed (every fifth where the back end takes milliseconds)", () => {
    const random = seeded(6);
    for (let at = 0; at < good.length; at += crypto === nobleCrypto ? 5 : 1) {
      const bad = Uint8Array.from(good);
      bad[at]! ^= 1 << random.below(8);
      expect(receive(crypto, bad), `byte ${at}`).toBeUndefined();
    }
  });
  test("cut anywhere, or with a byte more", () => {
    for (let end = 0; end < good.length; end++) expect(readEnvelope(good.subarray(0, end))).toBeUndefined();
    expect(receive(crypto, Uint8Array.from([...good, 0]))).toBeUndefined();
  });
});

describe("S6: what is no envelope of ours", () => {
  const good = seal(nodeCrypto, message(new Uint8Array(30)));
  const item = decodeStrictly(good) as Tagged;
  test("without its tag, with another, or with two", () => {
    const inner = encodeTree(item.value);
    for (const bytes of [inner, encodeTree(new Tagged(16, item.value)), encodeTree(new Tagged(96, item)), encodeTree(new Tagged(97, item.value))]) expect(readEnvelope(bytes)).toBeUndefined();
  });
  test("another algorithm, type, key id length, nonce length, a second recipient, a recipient's ciphertext", () => {
    const harm = (change: (x: any[]) => void): Uint8Array => {
      const copy = structuredClone((decodeStrictly(good) as Tagged).value) as any[];
      change(copy);
      return encodeTree(new Tagged(96, copy));
    };
    const header = (pairs: [number, unknown][]) => encode(new Map(pairs));
    expect(readEnvelope(harm(() => undefined))).toBeDefined();
    const harms: ((x: any[]) => void)[] = [
      (x) => { x[0] = header([[1, 3], [16, "ks-env"]]); },
      (x) => { x[0] = header([[1, 1], [16, "ks-msg"]]); },
      (x) => { x[0] = header([[1, 1]]); },
      (x) => { x[0] = header([[1, 1], [2, [99]], [16, "ks-env"]]); },
      (x) => { x[1] = new Map([[5, new Uint8Array(11)]]); },
      (x) => { x[1] = new Map<number, unknown>([[5, new Uint8Array(12)], [7, 1]]); },
      (x) => { x[1] = new Map([[6, new Uint8Array(12)]]); },
      (x) => { x[3].push(x[3][0]); },
      (x) => { x[3] = []; },
      (x) => { x[3][0][0] = header([[1, -27]]); },
      (x) => { x[3][0][1].delete(4); },
      (x) => { x[3][0][1].set(4, new Uint8Array(4)); },
      (x) => { x[3][0][1].set(5, 1); },
      (x) => { const key = x[3][0][1].get(-1); x[3][0][1] = new Map([[4, new Uint8Array(8)], [-2, key]]); },
      (x) => { x[3][0][1].get(-1).set(-1, 2); },
      (x) => { x[3][0][1].get(-1).set(-3, new Uint8Array(32)); },
      (x) => { x[3][0][2] = new Uint8Array(1); },
    ];
    for (const [n, change] of harms.entries()) expect(readEnvelope(harm(change)), `harm ${n}`).toBeUndefined();
  });
  test("an ephemeral key off the curve agrees with nobody", () => {
    const bytes = Uint8Array.from(good);
    const x = Buffer.from(bytes).indexOf(Buffer.from(publicOf(ephemeral).subarray(1)));
    bytes.set(new Uint8Array(32).fill(0xff), x);
    expect(receive(nodeCrypto, bytes)).toBeUndefined();
    expect(receive(nobleCrypto, bytes)).toBeUndefined();
  });
  test("longer than any envelope: not read at all", () => {
    expect(readEnvelope(seal(nodeCrypto, message(new Uint8Array(65_000))))).toBeUndefined();
    expect(readEnvelope(seal(nodeCrypto, message(new Uint8Array(61_000))))).toBeDefined();
  });
  test("2,000 harmed structures and flawed forms: refused, never thrown", () => {
    const random = seeded(8);
    let read = 0;
    for (let i = 0; i < 2000; i++) {
      const bytes = i % 4 === 0 ? encodeFlawed(item, flaws[random.below(flaws.length)]!, random.below(12)) : encodeTree(harmed(item, random));
      if (bytes === undefined || Buffer.compare(bytes, good) === 0) continue;
      if (readEnvelope(bytes) !== undefined) read++;
      expect(receive(nodeCrypto, bytes)).toBeUndefined();
    }
    expect(read).toBeGreaterThan(20); // Some are envelopes still, of other content: the tag refuses those.
  });
});

describe("by other hands: RFC 9052 and 9053 with cborg and node:crypto alone", () => {
  const pem = (secret: Uint8Array) => createPrivateKey({ key: { kty: "EC", crv: "P-256", d: Buffer.from(secret).toString("base64url"), ...jwk(publicOf(secret)) }, format: "jwk" });
  const jwk = (point: Uint8Array) => { const xy = Buffer.from(nobleCrypto.coordinates(point)!); return { x: xy.subarray(0, 32).toString("base64url"), y: xy.subarray(32).toString("base64url") }; };
  const publicKey = (point: Uint8Array) => createPublicKey({ key: { kty: "EC", crv: "P-256", ...jwk(point) }, format: "jwk" });
  /** RFC 9679: the digest of the COSE_Key with y in full, keys in order. */
  const print = (point: Uint8Array): Buffer => {
    const xy = nobleCrypto.coordinates(point)!;
    return createHash("sha256").update(encode(new Map<number, unknown>([[1, 2], [-1, 1], [-2, xy.slice(0, 32)], [-3, xy.slice(32)]]), rfc8949EncodeOptions)).digest();
  };

  test("the envelope opens with the KDF context written out; the letter inside is a COSE_Sign1 that verifies", () => {
    const sent = message(new Uint8Array([1, 2, 3]));
    const { value } = decode(seal(nodeCrypto, sent), { useMaps: true, tags: { 96: Tagged.decoder(96) } as never }) as Tagged;
    const [header, outer, ciphertext, [[agreement, recipient, empty]]] = value as [Uint8Array, Map<number, Uint8Array>, Uint8Array, [[Uint8Array, Map<number, any>, Uint8Array]]];
    expect(decode(header, { useMaps: true })).toEqual(new Map<number, unknown>([[1, 1], [16, "ks-env"]]));
    expect(decode(agreement, { useMaps: true })).toEqual(new Map([[1, -25]]));
    expect(empty.length).toBe(0);
    const key = recipient.get(-1) as Map<number, any>;
    const point = Uint8Array.from([key.get(-3) ? 3 : 2, ...key.get(-2)]);
    expect(print(publicOf(hostKey)).subarray(0, 8).equals(Buffer.from(recipient.get(4)))).toBe(true);
    expect(toHex(thumbprint(nodeCrypto, publicOf(hostKey))!)).toBe(print(publicOf(hostKey)).toString("hex"));
    expect(toHex(shortKeyId(nodeCrypto, publicOf(hostKey)))).toBe(print(publicOf(hostKey)).subarray(0, 4).toString("hex"));
    const shared = diffieHellman({ privateKey: pem(hostKey), publicKey: publicKey(point) });
    const party = (p: Uint8Array) => [new Uint8Array(print(p)), null, null];
    const context = encode([1, party(point), party(publicOf(hostKey)), [128, agreement, new TextEncoder().encode("ks-env")]]);
    const cek = new Uint8Array(hkdfSync("sha256", shared, new Uint8Array(0), context, 16));
    const opening = createDecipheriv("aes-128-gcm", cek, outer.get(5)!, { authTagLength: 16 });
    opening.setAAD(encode(["Encrypt", header, new Uint8Array(0)]));
    opening.setAuthTag(ciphertext.subarray(-16));
    const padded = Buffer.concat([opening.update(ciphertext.subarray(0, -16)), opening.final()]);
    const signed = padded.subarray(0, padded.lastIndexOf(0x80));
    const [protectedHeader, unprotected, payload, signature] = decode(signed, { useMaps: true }) as [Uint8Array, Map<number, unknown>, Uint8Array, Uint8Array];
    expect(unprotected.size).toBe(0);
    expect(decode(protectedHeader, { useMaps: true })).toEqual(new Map<number, unknown>([[1, -9], [4, idOf(senderKey)], [16, "ks-msg"]]));
    const toVerify = encode(["Signature1", protectedHeader, new Uint8Array(0), payload]);
    expect(verify("sha256", toVerify, { key: publicKey(publicOf(senderKey)), dsaEncoding: "ieee-p1363" }, signature)).toBe(true);
    expect(toHex(payload)).toBe(toHex(encodeMessage(sent)));
  });

  test("a stored object carries tag 18 and is the same object", () => {
    const claims = encodeMessage(message(new Uint8Array(1)));
    const bare = signObject(nodeCrypto, "message", senderKey, claims);
    const stored = encodeSigned("message", idOf(senderKey), claims, decodeSigned(bare)!.signature, true);
    expect(stored[0]).toBe(0xd2);
    expect(decodeSigned(stored)).toEqual(decodeSigned(bare));
    expect(openSigned(nodeCrypto, stored, "message", senders)).toEqual(claims);
  });
});
