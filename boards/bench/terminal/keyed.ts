/**
 * What is keyed in at a till: one amount a line on its console, for the next handset to pay; "0" takes it back. Each line is
 * answered by what the till now asks for, or why it does not.
 */
import { amountText, limitIn, readAmount } from "../amount.js";
import type { Context } from "../command.js";
import { mostForOneUse } from "../../../runtime/kept.js";
import { ask, type Terminal } from "../../../runtime/terminal.js";

/** Reads lines until the answered function is called. `wake` lets the terminal look at once. */
export function takeKeyed(c: Context, t: Terminal, wake: () => void): () => void {
  return c.console.lines((line) => {
    keyed(c, t, line);
    wake();
  });
}

/** One line. */
function keyed(c: Context, t: Terminal, line: string): void {
  const currency = t.setup.configuration?.useMost.currency;
  const typed = readAmount(line);
  const due = typed === undefined ? -1 : limitIn(typed, currency);
  if (due < 0) return no(c, "not_an_amount", `"${printable(line)}" is no amount here: key in what is due, such as ${amountText(1250, currency)}, or 0 to take it back.`);
  switch (ask(t, due === 0 ? undefined : due)) {
    case "asked": return yes(c, due, currency);
    case "busy": return no(c, "busy", "A payment is under way: wait for its light, then key in again.");
    case "too_much": return no(c, "too_much", `The host allows this till ${amountText(mostForOneUse(t.setup), currency)} at most for one payment: take the rest separately, or have it raised there.`);
  }
}

function yes(c: Context, due: number, currency: number | undefined): void {
  if (c.json) c.out(JSON.stringify({ event: "due", amount: due, ...(currency !== undefined && { currency }) }));
  else c.out(due === 0 ? "Nothing is due." : `${c.paint("bold", amountText(due, currency))} is due. The next handset pays it.`);
}

function no(c: Context, reason: string, message: string): void {
  c.err(c.json ? JSON.stringify({ event: "not_due", reason, message }) : message);
}

const printable = (line: string): string => line.replace(/[^\x20-\x7e]/g, "?").slice(0, 40);
