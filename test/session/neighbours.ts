/**
 * Two terminals of one operator, introduced to each other, and the words between them carried by hand.
 */
import { encodeSignedClaims } from "../../protocol/wire/sync.js";
import { certificateId } from "../../protocol/wire/certificate.js";
import { keepTerminals } from "../../runtime/setup.js";
import { drive, poll, takeSetup } from "../../runtime/terminal.js";
import { crypto, type Station } from "./world.js";

export function know(station: Station, other: Station): void {
  const c = other.terminal.setup.certificate!.signed;
  keepTerminals(station.terminal.setup, [encodeSignedClaims(c.kid, c.claims, c.signature)], 1);
  takeSetup(station.terminal);
}

export const idOf = (s: Station): Uint8Array => certificateId(crypto, s.terminal.setup.certificate!.signed.claims);

export function driveQuestion(owner: Station, by: Station, receipt: Uint8Array, proof: Uint8Array): void {
  drive(owner.terminal, { type: "handover_asked", by: idOf(by), receipt, proof });
}
export function driveHandover(asker: Station, receipt: Uint8Array, code: number): void {
  drive(asker.terminal, { type: "handover", receipt, code });
}
/** The holder walks through. */
export function finish(s: Station): void {
  s.passage?.set(1);
  poll(s.terminal);
  s.passage?.set(0);
  poll(s.terminal);
}
