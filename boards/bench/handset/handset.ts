/**
 * What the commands of `kaisatsu handset` share: the folder that is the handset, which value is meant, and the words for
 * what a value holds and what became of its receipts.
 */
import { needed, textOf, UsageError, type Context } from "../command.js";
import { amountText } from "../amount.js";
import { openPhone, type Phone } from "../../node/phone.js";
import { newestOf, walletView, type KeptReceipt, type WalletValue } from "../../../runtime/value/wallet.js";
import { hex } from "../../../protocol/wire/bytes.js";
import { decodeReceipt, receiptKind, type Receipt } from "../../../protocol/wire/receipt.js";
import { decodeValue, unit } from "../../../protocol/wire/value.js";

export const folderOption = { folder: { type: "string" } } as const;
export const folderHelp = "  --folder F     the handset: its wallet and keys, readable by its owner alone";

/** Opens the handset, lets `use` work with it, and closes it whatever happens. */
export async function withPhone<T>(c: Context, use: (phone: Phone) => Promise<T>): Promise<T> {
  const phone = openPhone(needed(c, "folder", "the folder that is the handset"));
  try {
    return await use(phone);
  } finally {
    phone.store.close();
  }
}
/** The same for work that is done at once, in a folder that another option names. */
export function withPhoneIn<T>(folder: string, use: (phone: Phone) => T): T {
  const phone = openPhone(folder);
  try {
    return use(phone);
  } finally {
    phone.store.close();
  }
}

/** The value that `--value` names: the beginning of its id, its name, or its kind. Undefined when the option is not given. */
export function valueMeant(c: Context, phone: Phone): WalletValue | undefined {
  const said = textOf(c, "value");
  if (said === undefined) return undefined;
  const low = said.toLowerCase();
  const tests: ((v: WalletValue) => boolean)[] = [
    (v) => hex(v.value.valueId) === low, (v) => v.name === said, (v) => v.name.toLowerCase() === low, (v) => low.length >= 4 && hex(v.value.valueId).startsWith(low), (v) => v.value.kind === said,
  ];
  for (const test of tests) {
    const all = phone.wallet.values.filter(test);
    const usable = all.filter((v) => leftOf(v) > 0 || unresolved(v) !== undefined);
    const found = all.length > 1 && usable.length > 0 ? usable : all;
    if (found.length === 1) return found[0];
    if (found.length > 1) throw new UsageError(`--value ${said} fits ${found.length} values: give one of the ids ${found.map((v) => shortId(v)).join(", ")}.`);
  }
  throw new UsageError(`This handset has no value ${said}: kaisatsu handset values lists what it has.`);
}

export const shortId = (v: WalletValue): string => hex(v.value.valueId).slice(0, 8);

/** Spent so far, also of what was moved to a grant for small boards; an undone newest use is not counted. */
export function spent(v: WalletValue): number {
  return spentIn(v.receipts) + spentIn(v.grantReceipts);
}
function spentIn(chain: readonly KeptReceipt[]): number {
  const newest = newestOf(chain);
  const receipt = newest === undefined ? undefined : decodeReceipt(newest.receipt);
  if (newest === undefined || receipt === undefined) return 0;
  return newest.state === "reversed" ? receipt.after - receipt.amount : receipt.after;
}
/** What it holds in all, its grant included. */
export function mostOf(v: WalletValue): number {
  const grant = v.grant === undefined ? undefined : decodeValue(v.grant.claims);
  return v.value.most + (grant === undefined ? 0 : grant.most);
}
export const leftOf = (v: WalletValue): number => Math.max(0, mostOf(v) - spent(v));

/** "2 of 3 uses", "16.50 EUR". */
export function leftText(v: WalletValue): string {
  return v.value.unit === unit.money ? amountText(leftOf(v), v.value.currency) : `${leftOf(v)} of ${mostOf(v)} ${mostOf(v) === 1 ? "use" : "uses"}`;
}

/** What one receipt took, or what a step above it would take. */
export function takenText(v: WalletValue, amount: number): string {
  return v.value.unit === unit.money ? amountText(amount, v.value.currency) : `${amount} ${amount === 1 ? "use" : "uses"}`;
}

/** The receipt whose question is open: was its holder let through? Of the value itself, or of its grant. */
export function unresolved(v: WalletValue): { kept: KeptReceipt; receipt: Receipt } | undefined {
  const kept = [v.receipts, v.grantReceipts].map((chain) => newestOf(chain)).find((newest) => newest?.state === "unresolved");
  return kept === undefined ? undefined : { kept, receipt: decodeReceipt(kept.receipt)! };
}

/** The name of the terminal behind a receipt, as its certificate says. */
export function terminalName(phone: Phone, receipt: Receipt): string {
  if (receipt.kind === receiptKind.host) return "the provider";
  const known = walletView(phone.wallet, []).certificate(receipt.terminal);
  return known === undefined ? `terminal ${hex(receipt.terminal)}` : known.decoded.name;
}

/** In one word: what the holder can do with it. */
export function stateOf(v: WalletValue, now: number): string {
  if (v.given !== "") return `given to ${v.given}`;
  if (unresolved(v) !== undefined) return "unresolved";
  if (leftOf(v) === 0) return "used up";
  if (now < v.value.notBefore) return "not yet valid";
  return now > v.value.expires ? "expired" : "ready";
}

export const day = (at: number): string => minute(at).slice(0, 10);
/** Local time to the minute. */
export function minute(at: number): string {
  const d = new Date(at * 1000);
  const two = (n: number): string => String(n).padStart(2, "0");
  return `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())} ${two(d.getHours())}:${two(d.getMinutes())}`;
}

/** Rows under heads, columns aligned; full-width characters count two. */
export function table(c: Context, heads: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const widths = heads.map((head, i) => Math.max(...[head, ...rows.map((row) => row[i]!)].map(width)));
  const line = (row: readonly string[]): string => row.map((cell, i) => (i === row.length - 1 ? cell : cell + " ".repeat(widths[i]! - width(cell)))).join("  ");
  return [c.paint("dim", line(heads)), ...rows.map(line)];
}
const width = (text: string): number => [...text].reduce((sum, character) => sum + (/[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe4f\uff00-\uff60\uffe0-\uffe6]/.test(character) ? 2 : 1), 0);
