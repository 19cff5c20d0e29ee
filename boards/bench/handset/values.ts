/** `kaisatsu handset values`: what this handset holds. */
import { exitCode, noWords, type Command } from "../command.js";
import { day, folderHelp, folderOption, leftOf, leftText, minute, mostOf, shortId, spent, stateOf, table, terminalName, unresolved, withPhone } from "./handset.js";
import { collect, type Phone } from "../../node/phone.js";
import type { WalletValue } from "../../../runtime/value/wallet.js";
import { currencyLetters } from "../../../host/context.js";
import { hex } from "../../../protocol/wire/bytes.js";
import { unit } from "../../../protocol/wire/value.js";

export const valuesCommand: Command = {
  name: "values",
  summary: "list tickets, coupon books and cards on the handset",
  help: `Usage: kaisatsu handset values --folder F [--collect] [--json]

Lists each value: how much is left, until when it is valid, and its state. A value whose last tap was broken off asks one
question: were you let through? The next "kaisatsu handset tap" settles it.

${folderHelp}
  --collect      fetch what was bought first (needs the host; the list alone does not)
  --json         one JSON document; amounts in minor units

Examples:
  kaisatsu handset values --folder aiko
  kaisatsu handset values --folder aiko --collect --json | jq '.values[].left'
`,
  options: { ...folderOption, collect: { type: "boolean" } },
  run: async (c) => withPhone(c, async (phone) => {
    noWords(c);
    if (c.options["collect"] === true) await collect(phone);
    const now = phone.clock.utc().at;
    const values = phone.wallet.values;
    if (c.json) { c.out(JSON.stringify({ user: phone.user, host: phone.host, values: values.map((v) => asJson(phone, v, now)) })); return exitCode.done; }
    if (values.length === 0) { c.out(`This handset of ${phone.user} holds nothing. kaisatsu handset collect fetches what was bought.`); return exitCode.done; }
    for (const line of table(c, ["ID", "NAME", "KIND", "LEFT", "VALID UNTIL", "STATE"], values.map((v) => [shortId(v), v.name, v.value.kind, leftText(v), day(v.value.expires), stateOf(v, now)]))) c.out(line);
    for (const v of values) {
      const open = unresolved(v);
      if (open !== undefined) c.out(c.paint("yellow", `${shortId(v)} ${v.name}: were you let through at ${terminalName(phone, open.receipt)}, ${minute(open.receipt.at)}? The next tap asks.`));
    }
    return exitCode.done;
  }),
};

function asJson(phone: Phone, v: WalletValue, now: number): object {
  const open = unresolved(v);
  return {
    valueId: hex(v.value.valueId), name: v.name, kind: v.value.kind, unit: v.value.unit === unit.money ? "money" : "uses", ...(v.value.currency !== undefined && { currency: currencyLetters(v.value.currency) ?? v.value.currency }),
    most: mostOf(v), spent: spent(v), left: leftOf(v), validFrom: v.value.notBefore, validUntil: v.value.expires, zones: v.value.zones, state: stateOf(v, now), receipts: v.receipts.length,
    ...(open !== undefined && { unresolved: { terminal: terminalName(phone, open.receipt), counter: open.receipt.counter, at: open.receipt.at, until: open.receipt.until } }),
  };
}
