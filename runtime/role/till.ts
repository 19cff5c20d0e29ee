/**
 * The till (U7): a shop or a vending machine takes an amount from the next handset, with no network. The amount is keyed in
 * anew for each payment; it is gone with the payment, with a cancellation and with a restart, while what was paid is not.
 *
 * Where a sensor sees the goods fall, goods that were not given are credited as at a gate that did not turn.
 */
import type { Role } from "./role.js";
import type { Board } from "../board.js";
import { limits } from "../../protocol/limits.js";
import { terminalRole } from "../../protocol/wire/certificate.js";
import type { Want } from "../../protocol/wire/message.js";
import { action } from "../../protocol/wire/receipt.js";
import type { Configuration } from "../../protocol/wire/trust.js";

/** Each kind of money that the provider lets this till take, for the amount due in its own currency. */
function wants(configuration: Configuration, due: number | undefined): Want[] {
  const kinds: string[] = [];
  for (const taken of configuration.takes) {
    if (taken.action === action.pay && kinds.indexOf(taken.kind) < 0 && kinds.length < limits.kindsMax) kinds.push(taken.kind);
  }
  if (due === undefined || kinds.length === 0) return [];
  return [{ action: action.pay, kinds: kinds, amount: due, currency: configuration.useMost.currency }];
}

/** The goods are handed out, the drawer opens. */
function accept(board: Board): void {
  board.relay.write(1);
}
function end(board: Board): void {
  board.relay.write(0);
}
function hasSensor(board: Board): boolean {
  return board.passage !== undefined;
}

export const till: Role = { number: terminalRole.till, isAsked: true, wants: wants, accept: accept, end: end, hasSensor: hasSensor };
