/**
 * The least that a tap must carry, part by part: what is fresh, secret, signed or personal and can be left out by no
 * encoding. Named here so that everybody can quarrel with each number.
 */
import { place } from "./scene.js";

export interface Part { readonly name: string; readonly bytes: number }
export type Parts = readonly Part[];
export const sumOf = (parts: Parts): number => parts.reduce((sum, part) => sum + part.bytes, 0);

const part = (name: string, bytes: number): Part => ({ name, bytes });
const keyBytes = 32, signatureBytes = 64, tagBytes = 16, idBytes = 8, timeBytes = 4, macBytes = 8, digestBytes = 16;

/** What is wanted: an action, a kind, an amount. */
const hello = (kind: string, amountBytes: number) => [part("tap number", 4), part("terminal's id", idBytes), part("kind wanted", kind.length), part("amount wanted", amountBytes)];
const claims = (kind: string, mostBytes: number) => [
  part("kind", kind.length), part("window", 2 * timeBytes), part("value id", idBytes), part("most", mostBytes), part("zone", 1), part("rule", 6), part("status index", 2), part("offline limits", 2 + mostBytes),
];
const tapA = (kind: string, amountBytes: number, mostBytes: number): Parts => [
  ...hello(kind, amountBytes), part("terminal's fresh key", keyBytes), part("handset's fresh key", keyBytes),
  ...claims(kind, mostBytes), part("value's key", keyBytes), part("issuer's digest", digestBytes), part("provider's key id", 4), part("provider's signature", signatureBytes),
  part("value's proof", signatureBytes), part("receipt's time", timeBytes), part("receipt's signature", signatureBytes), part("acknowledgement", signatureBytes), part("four tags", 4 * tagBytes), part("outcome", 1),
];
const tapB = (kind: string, amountBytes: number, mostBytes: number): Parts => [
  ...hello(kind, amountBytes), part("group and epoch", 2), part("two nonces", 16), ...claims(kind, mostBytes), part("grant's MAC", macBytes), part("proof", macBytes), part("receipt's time", timeBytes),
  part("receipt's MAC", macBytes), part("three MACs of messages", 3 * macBytes), part("evidence", signatureBytes), part("outcome", 1),
];
/** An earlier receipt, of which the value beside it says the rest. */
const receipt = [part("earlier receipt's terminal", idBytes), part("its tap number", 4), part("its counter and total", 2), part("digest before it", digestBytes), part("its times", 2 * timeBytes)];

export const byteFloors = {
  ticketA: tapA("ticket", 1, 1),
  cardA: tapA("card", 4, 2),
  certificate: [
    part("certificate's key id", 4), part("two keys", 2 * keyBytes), part("box's id", idBytes), part("its window", 2 * timeBytes), part("its zone", 1), part("its limit", 4), part("its kind", "ticket".length),
    part("name", place.name.length), part("merchant", place.merchant.length), part("certificate's signature", signatureBytes),
  ],
  receipt: [...receipt, part("its signature", signatureBytes)],
  receiptB: [...receipt, part("its MAC", macBytes)],
  base: [part("base", 6)],
  ticketB: tapB("ticket", 1, 1),
  cardB: tapB("card", 4, 2),
  /** No answer and no acknowledgement of its own: both signatures are shown with the receipt. */
  resume: [
    ...tapA("ticket", 1, 1).filter((p) => !["receipt's time", "receipt's signature", "acknowledgement", "four tags"].includes(p.name)), ...receipt, part("its signature", signatureBytes),
    part("acknowledgement shown again", signatureBytes), part("two tags", 2 * tagBytes),
  ],
} satisfies Record<string, Parts>;
