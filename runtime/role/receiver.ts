/**
 * The receiver (U1): a set-top box at home or in a hotel room. It keeps each user's viewing history in the way in which a meter
 * keeps readings, and shows a programme to whoever has credit.
 */
import type { Role } from "./role.js";
import { nothingIsTaken } from "./meter.js";
import { addService, type Charges, type Time } from "../charges/charges.js";
import { terminalRole } from "../../protocol/wire/certificate.js";

function nothing(): void {}
function never(): boolean { return false; }

export const receiver: Role = { number: terminalRole.receiver, wants: nothingIsTaken, accept: nothing, end: nothing, hasSensor: never, isAsked: false };

/** The record is durable before the programme is shown; false: not shown, and nothing is owed. */
export function view(c: Charges, user: Uint8Array, programme: string, price: number, time: Time): boolean {
  return addService(c, user, programme, price, time);
}
