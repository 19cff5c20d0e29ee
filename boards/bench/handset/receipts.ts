/** `kaisatsu handset receipts`: what was used where, and whether the host's books say the same. */
import { exitCode, noWords, type Command, type Context } from "../command.js";
import { folderHelp, folderOption, minute, shortId, table, takenText, terminalName, valueMeant, withPhone } from "./handset.js";
import { report, type Phone } from "../../node/phone.js";
import type { KeptReceipt, WalletValue } from "../../../runtime/value/wallet.js";
import { hex } from "../../../protocol/wire/bytes.js";
import { decodeReceipt, receiptKind, type Receipt } from "../../../protocol/wire/receipt.js";

export const receiptsCommand: Command = {
  name: "receipts",
  summary: "list receipts with their state; --report compares them with the host's books",
  help: `Usage: kaisatsu handset receipts --folder F [--value V] [--report] [--json]

Lists the receipts of each value, newest last. States: unresolved (nobody knows yet whether you were let through),
finished, turned (you walked through), used (the terminal said so when asked), reversed (given back). Receipts of the
provider move a value's base and take nothing.

${folderHelp}
  --value V      only this value: the beginning of its id, its name, or its kind
  --report       send them to the host and say whether its books agree
  --json         one JSON document

Exit code 0; with --report 1 when any receipt differs from the books.

Examples:
  kaisatsu handset receipts --folder aiko
  kaisatsu handset receipts --folder aiko --report
`,
  options: { ...folderOption, value: { type: "string" }, report: { type: "boolean" } },
  run: async (c) => withPhone(c, async (phone) => {
    noWords(c);
    const meant = valueMeant(c, phone);
    const rows: Row[] = [];
    for (const v of meant === undefined ? phone.wallet.values : [meant]) rows.push(...(await rowsOf(c, phone, v)));
    const differs = rows.some((r) => r.books === "differs");
    if (c.json) c.out(JSON.stringify({ receipts: rows.map((r) => asJson(phone, r)), ...(c.options["report"] === true && { agree: !differs }) }));
    else print(c, phone, rows);
    return differs ? exitCode.refused : exitCode.done;
  }),
};

interface Row { value: WalletValue; kept: KeptReceipt; receipt: Receipt; profile: "A" | "B"; books: string | undefined }
const booksSay = ["agree", "not heard yet", "undone", "differs"];

/** With `--report` each receipt that can be reported has the books' word beside it. */
async function rowsOf(c: Context, phone: Phone, value: WalletValue): Promise<Row[]> {
  const row = (profile: "A" | "B") => (kept: KeptReceipt): Row => ({ value, kept, receipt: decodeReceipt(kept.receipt)!, profile, books: undefined });
  const rows = [...value.receipts.map(row("A")), ...value.grantReceipts.map(row("B"))];
  if (c.options["report"] !== true) return rows;
  const reported = rows.filter((r) => r.profile === "A" && r.receipt.kind === receiptKind.use);
  const states = reported.length === 0 ? [] : await report(phone, value.value.valueId);
  reported.forEach((r, i) => { r.books = booksSay[states[i] ?? 3] ?? "differs"; });
  return rows;
}

const stateText = (r: Row): string => (r.receipt.kind === receiptKind.host ? "new base" : r.kept.state === "" ? "kept" : r.kept.state);

function asJson(phone: Phone, r: Row): object {
  return {
    valueId: hex(r.value.value.valueId), name: r.value.name, terminal: terminalName(phone, r.receipt), counter: r.receipt.counter, amount: r.receipt.amount, after: r.receipt.after,
    at: r.receipt.at, until: r.receipt.until, profile: r.profile, state: stateText(r), ...(r.books !== undefined && { books: r.books }),
  };
}

function print(c: Context, phone: Phone, rows: readonly Row[]): void {
  if (rows.length === 0) { c.out("There are no receipts: nothing was used yet."); return; }
  const reported = c.options["report"] === true;
  const heads = ["WHEN", "VALUE", "WHERE", "NO.", "TAKEN", "STATE", ...(reported ? ["BOOKS"] : [])];
  const cells = rows.map((r) => [minute(r.receipt.at), `${shortId(r.value)} ${r.value.name}`, terminalName(phone, r.receipt), String(r.receipt.counter), takenText(r.value, r.receipt.amount), stateText(r), ...(reported ? [r.books ?? "-"] : [])]);
  for (const line of table(c, heads, cells)) c.out(line);
  if (!reported) return;
  const wrong = rows.filter((r) => r.books === "differs").length;
  c.out(wrong === 0 ? c.paint("green", "The host's books say the same.") : c.paint("red", `${wrong} of these differ from the host's books: show this list to the operator.`));
}
