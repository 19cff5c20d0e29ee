/**
 * What a machine must provide so that the core can verify, seal and sign. Two back ends live beside this page, each a
 * project of its own: `noble/` (portable reference) and `node/` (the same work natively). The core sees this page only.
 *
 * Every call is plain and synchronous. Private keys that live in a secure element or a phone's key store are not here:
 * the core asks for them by an effect (`sign`, `agree`) that the board answers.
 * Public keys are SEC1 compressed points, 33 bytes; secrets are 32-byte scalars, big endian; signatures are raw r‖s.
 */
export interface Crypto {
  /** SHA-256: 32 bytes. */
  sha256(message: Uint8Array): Uint8Array;
  /** HMAC-SHA-256: 32 bytes; a shorter MAC is its beginning. */
  hmac(key: Uint8Array, message: Uint8Array): Uint8Array;
  /** HKDF-SHA-256 (RFC 5869), `length` at most 8,160 bytes. */
  hkdf(secret: Uint8Array, salt: Uint8Array, info: Uint8Array, length: number): Uint8Array;
  /** AES-128-GCM: 16-byte key, 12-byte nonce; the answer is the text and, at its end, the 16-byte tag. Throws for other lengths. */
  seal(key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, plain: Uint8Array): Uint8Array;
  /** The plain text, or undefined when the tag is wrong, the text too short to hold one, or key or nonce of another length. */
  open(key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, sealed: Uint8Array): Uint8Array | undefined;
  /** ES256 over `message` (hashed here). High-S is accepted: phones make it. False for a bad point or length. */
  verify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean;
  /** ES256 over `message` (hashed here): 64 bytes r‖s; deterministic (RFC 6979) where the machine allows. */
  sign(secret: Uint8Array, message: Uint8Array): Uint8Array;
  /** The public key of a secret, or undefined when the scalar is 0 or not below the order. */
  publicKey(secret: Uint8Array): Uint8Array | undefined;
  /** ECDH: the shared point's x, 32 bytes; undefined when `publicKey` is no point of the curve. */
  agree(secret: Uint8Array, publicKey: Uint8Array): Uint8Array | undefined;
  /** Both coordinates of a compressed point, x ‖ y, 64 bytes; undefined when it is no point of the curve. */
  coordinates(publicKey: Uint8Array): Uint8Array | undefined;
}

/** AES-128-GCM's lengths. Libraries take others as well, and not all the same ones: a back end asks this first. */
export function fitsGcm(key: Uint8Array, nonce: Uint8Array): boolean {
  return key.length === 16 && nonce.length === 12;
}

/** A public key from its x alone, as handshakes send it: the point with even y. ECDH's answer does not depend on the choice. */
export function pointFromX(x: Uint8Array): Uint8Array {
  const point = new Uint8Array(33);
  point[0] = 2;
  point.set(x, 1);
  return point;
}
