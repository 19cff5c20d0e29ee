/**
 * The gate (S1): one relay that lets one person through, and where there is one a sensor that says whether he went.
 * Kinds without a tariff take one use; kinds with a tariff take its price.
 */
import type { Role } from "./role.js";
import type { Board } from "../board.js";
import { terminalRole } from "../../protocol/wire/certificate.js";
import type { Want } from "../../protocol/wire/message.js";
import { action } from "../../protocol/wire/receipt.js";
import type { Configuration, Taken } from "../../protocol/wire/trust.js";

/** One want for all kinds that take a use, then one a price. Exits take nothing. */
function wants(configuration: Configuration): Want[] {
  const list: Want[] = [];
  for (const taken of configuration.takes) {
    const want = wantOf(configuration, taken);
    const same = list.filter((x) => x.action === want.action && x.amount === want.amount && x.currency === want.currency)[0];
    if (same === undefined) list.push(want);
    else if (same.kinds.indexOf(taken.kind) < 0) same.kinds.push(taken.kind);
  }
  return list;
}

function wantOf(configuration: Configuration, taken: Taken): Want {
  const leaves = taken.action === action.exit;
  for (const tariff of configuration.tariffs) {
    if (tariff.kind === taken.kind) return { action: taken.action, kinds: [taken.kind], amount: leaves ? 0 : tariff.price.amount, currency: tariff.price.currency };
  }
  return { action: taken.action, kinds: [taken.kind], amount: leaves ? 0 : 1, currency: undefined };
}

function accept(board: Board): void {
  board.relay.write(1);
}
function end(board: Board): void {
  board.relay.write(0);
}
function hasSensor(board: Board): boolean {
  return board.passage !== undefined;
}

export const gate: Role = { number: terminalRole.gate, isAsked: false, wants: wants, accept: accept, end: end, hasSensor: hasSensor };
