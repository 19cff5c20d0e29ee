/**
 * The least till: it wants an amount of money and has no sensor. For tests of what differs from a gate.
 */
import { terminalRole } from "../../protocol/wire/certificate.js";
import type { Role } from "../../runtime/role/role.js";

export function till(amount: number): Role {
  return {
    number: terminalRole.till, isAsked: false, hasSensor: () => false,
    wants: (c) => [{ action: 3, kinds: c.takes.map((t) => t.kind), amount, currency: 978 }],
    accept: (board) => board.relay.write(1), end: (board) => board.relay.write(0),
  };
}
