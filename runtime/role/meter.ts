/**
 * The meter (U1, U3): it takes no value, and lets nobody through; it reads, records what each user has used, and has its relay
 * supply while somebody has credit. Handsets greet it to ask what they owe and to carry letters.
 */
import type { Role } from "./role.js";
import type { Board } from "../board.js";
import type { Charges, MeterReading, Time } from "../charges/charges.js";
import { supplyOf, takeReading } from "../charges/charges.js";
import { terminalRole } from "../../protocol/wire/certificate.js";
import { action } from "../../protocol/wire/receipt.js";

/** Its greeting asks for a kind that no value has: whoever shows a ticket here is told that it is not taken. */
export function nothingIsTaken(): { action: number; kinds: string[]; amount: number; currency: undefined }[] {
  return [{ action: action.unlock, kinds: ["none"], amount: 1, currency: undefined }];
}
function nothing(): void {}
function never(): boolean { return false; }

export const meter: Role = { number: terminalRole.meter, wants: nothingIsTaken, accept: nothing, end: nothing, hasSensor: never, isAsked: false };

/** One meter at its terminal: what is read is charged, and the relay follows. */
export interface MeterPoint { readonly board: Board; readonly charges: Charges; readonly number: number; supplied: 0 | 1 | -1 }
export function makeMeterPoint(board: Board, charges: Charges, number: number): MeterPoint {
  return { board: board, charges: charges, number: number, supplied: -1 };
}

/** A billable reading arrived. */
export function readPoint(p: MeterPoint, reading: MeterReading, time: Time): void {
  takeReading(p.charges, reading, time);
  supply(p);
}

/** The relay says who may consume: after a reading, a result, a plan, and at the start. */
export function supply(p: MeterPoint): void {
  const level = supplyOf(p.charges, p.number);
  if (level === p.supplied) return;
  p.board.relay.write(level);
  p.supplied = level;
}
