/**
 * Somebody on the line with a key pair of his own and a good memory: he records every frame that passes, plays any of them
 * again at any gate, and changes messages so that the frame around them is whole again.
 */
import { createHash } from "node:crypto";
import { simCrypto } from "./crypto.js";
import type { Draw } from "./random.js";
import { deframer, encodeFrame, feed } from "../../protocol/link/frame.js";
import type { Medium } from "../../protocol/link/media.js";
import * as m from "../../protocol/wire/message.js";
import { decodeTerminalCertificate, encodeTerminalCertificate, terminalToSign } from "../../protocol/wire/certificate.js";

const recordedMost = 200;

export interface Attacker {
  record(bytes: Uint8Array): void;
  /** One to four writes heard before, in the order heard. */
  recorded(draw: Draw): Uint8Array[];
  /** A message of this type heard before, anywhere. */
  message(type: number, draw: Draw): Uint8Array | undefined;
  keep(payload: Uint8Array): void;
  readonly secret: Uint8Array;
  readonly point: Uint8Array;
}

export function makeAttacker(): Attacker {
  const secret = new Uint8Array(createHash("sha256").update("a stranger's key 2").digest());
  const writes: Uint8Array[] = [];
  const messages = new Map<number, Uint8Array[]>();
  return {
    secret, point: simCrypto.publicKey(secret)!,
    record: (bytes) => { writes.push(bytes); if (writes.length > recordedMost) writes.shift(); },
    recorded: (draw) => {
      const from = draw.below(Math.max(1, writes.length));
      return writes.slice(from, from + draw.between(1, 4));
    },
    keep: (payload) => {
      const type = payload.length === 0 ? -1 : m.messageType(payload);
      const list = messages.get(type) ?? [];
      list.push(payload);
      if (list.length > 20) list.shift();
      messages.set(type, list);
    },
    message: (type, draw) => { const list = messages.get(type); return list === undefined ? undefined : draw.pick(list); },
  };
}

/** The frames in a write, each changed, left out or swapped for another. */
export function alter(who: Attacker, medium: Medium, direction: "up" | "down", bytes: Uint8Array, draw: Draw): Uint8Array[] {
  const frames = feed(deframer(medium.wrapping), bytes);
  if (frames.length === 0) return [bytes];
  return frames.flatMap((frame) => {
    if (frame.payload.length > 0) who.keep(frame.payload);
    const link = draw.chance(0.15) ? frame.link ^ (1 << draw.below(8)) : frame.link;
    const payload = frame.payload.length === 0 ? frame.payload : changed(who, direction, frame.payload, draw);
    return payload === undefined ? [] : [encodeFrame(medium.wrapping, { link, payload }, medium.extraBegins)];
  });
}

function changed(who: Attacker, direction: "up" | "down", payload: Uint8Array, draw: Draw): Uint8Array | undefined {
  switch (draw.below(8)) {
    case 0: return undefined;
    case 1: return payload.slice(0, draw.between(1, payload.length));
    case 2: return new Uint8Array([...payload, ...draw.bytes(draw.between(1, 40))]);
    case 3: return who.message(m.messageType(payload), draw) ?? payload;
    case 4: return who.message(draw.between(1, 8), draw) ?? payload;
    case 5: case 6: return pretended(who, direction, payload, draw);
    default: {
      const copy = new Uint8Array(payload);
      copy[draw.below(copy.length)]! ^= 1 << draw.below(8);
      return copy;
    }
  }
}

/** Well-formed lies with his own key: another price, another nonce, a certificate that he signed himself. */
function pretended(who: Attacker, direction: "up" | "down", payload: Uint8Array, draw: Draw): Uint8Array {
  const hello = m.decodeHello(payload);
  if (hello !== undefined) return m.encodeHello(pretendedHello(who, hello, draw));
  const certificate = m.decodeCertificate(payload);
  if (certificate !== undefined) return m.encodeCertificate(ownCertificate(who, certificate.claims, certificate.kid));
  const presentation = m.decodePresentation(payload);
  if (presentation !== undefined) return m.encodePresentation(draw.chance(0.5) ? who.point.subarray(1) : draw.bytes(32), presentation.sealed);
  if (direction === "down") return m.encodeStop(draw.between(1, 5));
  return m.encodeAsk(draw.below(4));
}

function pretendedHello(who: Attacker, hello: m.Hello, draw: Draw): m.Hello {
  switch (draw.below(5)) {
    case 0: return { ...hello, want: { ...hello.want, amount: hello.want.amount + draw.between(1, 100) } };
    case 1: return { ...hello, nonce: hello.nonce.length === 32 ? who.point.slice(1) : draw.bytes(8) };
    case 2: return { ...hello, offer: draw.below(8) };
    case 3: return { ...hello, tap: draw.bytes(4) };
    default: return { ...hello, terminal: draw.bytes(8) };
  }
}

/** The same certificate with the stranger's keys in it, signed by himself under the provider's key id. */
function ownCertificate(who: Attacker, claims: Uint8Array, kid: Uint8Array): { kid: Uint8Array; claims: Uint8Array; signature: Uint8Array } {
  const decoded = decodeTerminalCertificate(claims);
  const own = decoded === undefined ? claims : encodeTerminalCertificate({ ...decoded, signingKey: who.point, agreementKey: who.point });
  return { kid, claims: own, signature: simCrypto.sign(who.secret, terminalToSign(kid, own)) };
}
