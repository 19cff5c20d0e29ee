/**
 * The bare cost of a tap's cryptography: the library calls that a terminal cannot do without, and nothing around them. Keys
 * that live longer than a tap are ready; those that arrive with the handset are imported from their bytes, once each, the
 * quickest way that was found. Messages are as long as a ticket's.
 */
import { createCipheriv, createECDH, createHash, createPublicKey, ECDH, generateKeyPairSync, hkdfSync, sign, verify, type KeyObject } from "node:crypto";
import { gcm } from "@noble/ciphers/aes.js";
import { p256 } from "@noble/curves/nist.js";
import { hkdf } from "@noble/hashes/hkdf.js";
import { sha256 } from "@noble/hashes/sha2.js";

/** One handset's part: points and signatures that no earlier round has seen. */
interface Visitor { ephemeral: Uint8Array; holder: Uint8Array; imported: KeyObject; byHolder: Uint8Array[] }
const visitorsMax = 64;
const curve = "prime256v1";
const raw = (key: KeyObject) => ({ key, dsaEncoding: "ieee-p1363" as const });

const message = new Uint8Array(180).fill(1);
const key16 = new Uint8Array(16).fill(2);
const nonce = new Uint8Array(12).fill(3);
const type = new Uint8Array([2]);
/** Plain bytes of presentation, answer, acknowledgement, finished, turned. */
const plains = [264, 84, 64, 2, 2].map((length) => new Uint8Array(length).fill(4));
/** Digests over hello, claims, transcript, receipt: what is signed or named. */
const hashed = [140, 220, 130, 80, 150, 80].map((length) => new Uint8Array(length).fill(5));

function pair(): { secret: Uint8Array; publicKey: Uint8Array; privateKey: KeyObject; object: KeyObject } {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: curve });
  const jwk = privateKey.export({ format: "jwk" });
  const [d, x, y] = [jwk.d, jwk.x, jwk.y].map((part) => Buffer.from(part!, "base64url"));
  return { secret: new Uint8Array(d!), publicKey: new Uint8Array([2 + (y![31]! & 1), ...x!]), privateKey, object: publicKey };
}

const visitors: Visitor[] = Array.from({ length: visitorsMax }, () => {
  const holder = pair();
  const signed = new Uint8Array(sign("sha256", message, raw(holder.privateKey)));
  return { ephemeral: pair().publicKey, holder: holder.publicKey, imported: holder.object, byHolder: [signed, signed] };
});
const provider = pair();
const own = pair();
const agreement = pair();
const byProvider = new Uint8Array(sign("sha256", message, raw(provider.privateKey)));
const byOwn = new Uint8Array(sign("sha256", message, raw(own.privateKey)));
const agreementReady = createECDH(curve);
agreementReady.setPrivateKey(agreement.secret);

/** Everything that one tap of a terminal needs. With an earlier receipt the holder was here before, and his key is still at hand. */
export interface Bare { readonly name: string; tap(round: number, earlierReceipt: boolean): void }

export const bareNative: Bare = {
  name: "node:crypto",
  tap: (round, earlierReceipt) => {
    const visitor = visitors[round % visitorsMax]!;
    const ephemeral = createECDH(curve);
    ephemeral.generateKeys();
    ephemeral.getPublicKey(null, "compressed");
    agreementReady.computeSecret(visitor.ephemeral);
    const shared = ephemeral.computeSecret(visitor.ephemeral);
    const holder = earlierReceipt ? visitor.imported : imported(visitor.holder);
    expectTrue(verify("sha256", message, raw(provider.object), byProvider));
    for (const signature of visitor.byHolder) expectTrue(verify("sha256", message, raw(holder), signature));
    if (earlierReceipt) expectTrue(verify("sha256", message, raw(own.object), byOwn));
    sign("sha256", message, raw(own.privateKey));
    for (let i = 0; i < 2; i++) hkdfSync("sha256", shared, message, type, 16);
    for (const plain of plains) sealNatively(plain);
    for (const bytes of hashed) createHash("sha256").update(bytes).digest();
  },
};

function imported(point: Uint8Array): KeyObject {
  const full = ECDH.convertKey(point, curve, undefined, undefined, "uncompressed") as Buffer;
  return createPublicKey({ key: { kty: "EC", crv: "P-256", x: full.toString("base64url", 1, 33), y: full.toString("base64url", 33) }, format: "jwk" });
}

/** Opening costs what sealing costs. */
function sealNatively(plain: Uint8Array): void {
  const cipher = createCipheriv("aes-128-gcm", key16, nonce);
  cipher.setAAD(type);
  Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
}

export const bareNoble: Bare = {
  name: "@noble",
  tap: (round, earlierReceipt) => {
    const visitor = visitors[round % visitorsMax]!;
    const ephemeral = p256.utils.randomSecretKey();
    p256.getPublicKey(ephemeral, true);
    p256.getSharedSecret(agreement.secret, visitor.ephemeral, true);
    const shared = p256.getSharedSecret(ephemeral, visitor.ephemeral, true);
    expectTrue(p256.verify(byProvider, message, provider.publicKey, { lowS: false }));
    for (const signature of visitor.byHolder) expectTrue(p256.verify(signature, message, visitor.holder, { lowS: false }));
    if (earlierReceipt) expectTrue(p256.verify(byOwn, message, own.publicKey, { lowS: false }));
    p256.sign(message, own.secret);
    for (let i = 0; i < 2; i++) hkdf(sha256, shared, message, type, 16);
    for (const plain of plains) gcm(key16, nonce, type).encrypt(plain);
    for (const bytes of hashed) sha256(bytes);
  },
};

/** A floor that fails would be too low. */
function expectTrue(fine: boolean): void {
  if (!fine) throw new Error("A signature of the floor does not hold.");
}

/** The single operations, for the table: what the floor consists of. */
export const operations: readonly [string, number, (round: number) => void][] = [
  ["key generation", 1, () => { const e = createECDH(curve); e.generateKeys(); e.getPublicKey(null, "compressed"); }],
  ["key agreement", 2, (round) => { agreementReady.computeSecret(visitors[round % visitorsMax]!.ephemeral); }],
  ["signature made", 1, () => { sign("sha256", message, raw(own.privateKey)); }],
  ["signature verified", 3, () => { verify("sha256", message, raw(provider.object), byProvider); }],
  ["new public key imported", 1, (round) => { imported(visitors[round % visitorsMax]!.holder); }],
  ["message sealed or opened", 5, () => sealNatively(plains[0]!)],
  ["key derived", 2, () => { hkdfSync("sha256", key16, message, type, 16); }],
];
