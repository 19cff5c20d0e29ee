/** `kaisatsu handset owed`, `settle` and `carry`: what a user of meters and receivers does with a phone (U1–U4, S7, S9). */
import { readFileSync, writeFileSync } from "node:fs";
import { amountText, limitIn, readAmount } from "../amount.js";
import { exitCode, needed, noWords, textOf, UsageError, wholeNumber, type Command, type Context } from "../command.js";
import { folderHelp, folderOption, leftText, table, valueMeant, withPhone } from "./handset.js";
import { recordText } from "../verify-command.js";
import { addCarried, askOwed, carriedBy, exchangeCarried, meet, postCarried, throughTerminal, type Meeting } from "../../node/courier.js";
import type { Phone } from "../../node/phone.js";
import { openSerial } from "../../node/serial.js";
import { isUnfinished, network, owedAtHost, settleBill, type How, type Road, type Settled } from "../../node/settling.js";
import { boardFault } from "../../../runtime/journal/store.js";
import { hex } from "../../../protocol/wire/bytes.js";
import { decodeCard, encodeCard } from "../../../protocol/wire/carry.js";
import { settleCode, type Owed } from "../../../protocol/wire/settle.js";

const portOptions = { port: { type: "string" }, baud: { type: "string" } } as const;
const knockForMs = 5000;

/** Opens the line, knocks, does the work, closes it. */
async function atTerminal<T>(c: Context, phone: Phone, work: (m: Meeting) => Promise<T>): Promise<T> {
  const port = needed(c, "port", "the serial port of the terminal's line");
  const line = await openSerial(port, wholeNumber(c, "baud", 50, 4_000_000) ?? 115_200);
  try {
    const done = await meet(phone, line, knockForMs, async (m) => ({ answer: await work(m) }));
    if (done === undefined) throw boardFault("timed_out", `No terminal that carries letters answers on ${port}: is it running, and this its line?`);
    return done.answer;
  } finally {
    line.close();
  }
}
const withRoad = async <T>(c: Context, phone: Phone, work: (road: Road) => Promise<T>): Promise<T> =>
  textOf(c, "port") === undefined ? await work(network(phone)) : await atTerminal(c, phone, (m) => work(throughTerminal(m)));

export const owedCommand: Command = {
  name: "owed",
  summary: "what is owed at meters and receivers: asked at the terminal, or at the host",
  help: `Usage: kaisatsu handset owed --folder F [--port P] [--keep FILE] [--ocmf] [--from N] [--json]

With --port the meter or receiver on that line is asked for this user's own records, which no network and nobody else is
needed for; letters that it wants carried are taken along. Without, the host is asked what it has heard of.

${folderHelp}
  --port P       the serial port of the terminal's line, such as /dev/ttyUSB1
  --baud N       its speed (default 115200)
  --from N       records from this number on (default 1)
  --keep FILE    keep the signed statement, for "kaisatsu verify"
  --ocmf         with signed OCMF in it, for other tools
  --json         one JSON document; amounts in minor units

Exit code 1 when the terminal has nothing for this handset.

Examples:
  kaisatsu handset owed --folder aiko --port /dev/ttyUSB1 --keep statement.cbor
  kaisatsu handset owed --folder aiko
`,
  options: { ...folderOption, ...portOptions, from: { type: "string" }, keep: { type: "string" }, ocmf: { type: "boolean" } },
  run: async (c) => withPhone(c, async (phone) => {
    noWords(c);
    return textOf(c, "port") === undefined ? listOwed(c, await owedAtHost(phone, network(phone))) : await atTerminal(c, phone, (m) => askThere(c, phone, m));
  }),
};

function listOwed(c: Context, list: readonly Owed[]): number {
  if (c.json) c.out(JSON.stringify({ owed: list.map((x) => ({ terminal: hex(x.terminal), name: x.name, merchant: x.merchant, owed: x.amount, left: x.left, paid: x.paid, currency: x.currency, records: x.records })) }));
  else if (list.length === 0) c.out("This user uses no meter or receiver that the host has heard of.");
  else for (const line of table(c, ["WHERE", "RECORDS", "PAID", "OWED"], list.map((x) => [`${x.merchant}, ${x.name}`, String(x.records), amountText(x.paid, x.currency), x.left > 0 ? `${amountText(x.left, x.currency)} left` : amountText(x.amount, x.currency)]))) c.out(line);
  return exitCode.done;
}

async function askThere(c: Context, phone: Phone, m: Meeting): Promise<number> {
  const found = await askOwed(phone, m, wholeNumber(c, "from", 1, Number.MAX_SAFE_INTEGER) ?? 1, c.options["ocmf"] === true);
  const carried = await exchangeCarried(phone, m);
  if (found === undefined) { c.err("kaisatsu handset owed: this terminal has nothing for this handset. A meter learns its users by the letters that couriers bring it."); return exitCode.refused; }
  const keep = textOf(c, "keep");
  if (keep !== undefined) writeFileSync(keep, found.bytes, { mode: 0o600 });
  const s = found.checked;
  const owed = s.total - s.paid;
  if (c.json) c.out(JSON.stringify({ name: s.terminal.name, genuine: s.genuine, charged: s.total, paid: s.paid, owed, currency: s.terminal.currency, records: s.records.map((r) => ({ sequence: r.sequence, text: recordText(r), charged: r.amount ?? null })), letters: carried.taken, results: carried.brought }));
  else {
    for (const r of s.records.slice(-5)) c.out(`  ${r.sequence}  ${recordText(r)}`);
    c.out(`${s.terminal.name} of ${s.terminal.merchant}: ${owed > 0 ? `you owe ${amountText(owed, s.terminal.currency)}` : owed < 0 ? `${amountText(-owed, s.terminal.currency)} left` : "nothing owed"}${s.genuine ? "" : c.paint("red", "; NOT GENUINE, see kaisatsu verify")}`);
    if (carried.brought > 0) c.out(`${carried.brought} answers brought back to it.`);
    if (carried.taken > 0) c.out(`${carried.taken} letters taken along: "kaisatsu handset carry" sends them, here or at any terminal with a network.`);
  }
  return s.genuine ? exitCode.done : exitCode.refused;
}

export const settleCommand: Command = {
  name: "settle",
  summary: "pay what is owed at meters and receivers",
  help: `Usage: kaisatsu handset settle --folder F (--value V | --processor NAME --method M) [--at NAME] [--more AMOUNT]
                               [--port P] [--yes] [--json]

Pays what the host has heard of, exactly as it is shown, with a prepaid value of this handset or through a payment
processor. With --port everything goes through the terminal on that line, which sees sealed letters only. The result is
carried back to the meter by "kaisatsu handset carry" or "owed". A payment that was broken off goes on where it was.

${folderHelp}
  --value V      pay with this prepaid value: the beginning of its id, its name, or its kind
  --processor N  pay through this processor of the host, and
  --method M     with this card or account, as the processor calls it
  --at NAME      only at the terminal of this name
  --more AMOUNT  beyond what is owed, as an allowance for a prepaid meter
  --port P       through the terminal on this serial port, instead of the network
  --baud N       its speed (default 115200)
  --yes          pay without a question
  --json         one JSON document; amounts in minor units

Exit code 1 when something was not paid.

Examples:
  kaisatsu handset settle --folder aiko --value card
  kaisatsu handset settle --folder aiko --value card --at "Pitch 7" --more 20.00 --port /dev/ttyUSB2 --yes
`,
  options: { ...folderOption, ...portOptions, value: { type: "string" }, processor: { type: "string" }, method: { type: "string" }, at: { type: "string" }, more: { type: "string" }, yes: { type: "boolean" } },
  run: async (c) => withPhone(c, async (phone) => {
    noWords(c);
    const value = valueMeant(c, phone);
    const [processor, method] = [textOf(c, "processor"), textOf(c, "method")];
    if ((value === undefined) === (processor === undefined) || (processor === undefined) !== (method === undefined)) throw new UsageError("Give --value, or --processor and --method.");
    const more = readAmount(textOf(c, "more") ?? "0");
    if (more === undefined) throw new UsageError("--more is an amount such as 20.00.");
    return await withRoad(c, phone, async (road) => {
      if (isUnfinished(phone)) report(c, "A payment that was not finished", await settleBill(phone, undefined, { more: 0 }, road));
      const only = textOf(c, "at");
      const bills = (await owedAtHost(phone, road)).filter((x) => only === undefined || x.name === only);
      let all = true;
      for (const bill of bills) {
        const extra = Math.max(0, limitIn(more, bill.currency));
        if (bill.amount + extra === 0) continue;
        const what = `${amountText(bill.amount + extra, bill.currency)} at ${bill.name} of ${bill.merchant}`;
        if (!(await agrees(c, what))) { all = false; continue; }
        const how: How = { more: extra, ...(value !== undefined ? { value: value.value.valueId } : { processor: processor!, method: method! }) };
        const done = await settleBill(phone, bill, how, road);
        all = report(c, what, done) && all;
      }
      if (!c.json && value !== undefined) c.out(`${value.name}: ${leftText(value)} left.`);
      if (!c.json && bills.every((x) => x.amount === 0) && textOf(c, "more") === undefined) c.out("Nothing is owed, as far as the host has heard.");
      return all ? exitCode.done : exitCode.refused;
    });
  }),
};

async function agrees(c: Context, what: string): Promise<boolean> {
  if (c.options["yes"] === true) return true;
  if (!c.console.asksPeople) throw new UsageError("Say --yes, or run it at a console.");
  return /^y(es)?$/i.test((await c.console.ask(`Pay ${what}? [y/N] `)).trim());
}
const reasons: Record<number, string> = {
  [-1]: "not finished; try again, nothing is paid twice", [-2]: "another payment is not finished", [settleCode.pending]: "nobody knows yet; ask again", [settleCode.not_yours]: "it is not this user's", [settleCode.changed]: "the bill has grown since it was shown",
  [settleCode.under_way]: "another handset is paying it", [settleCode.declined]: "declined", [settleCode.outdated]: "this value was used meanwhile: refresh it", [settleCode.too_little]: "this value holds too little", [settleCode.not_taken]: "this is not taken for it",
};
function report(c: Context, what: string, s: Settled): boolean {
  if (c.json) c.out(JSON.stringify({ what, paid: s.paid, ...(!s.paid && { code: s.code, text: reasons[s.code] }) }));
  else c.out(s.paid ? `${c.paint("green", "Paid.")} ${what}.` : `${c.paint("yellow", "Not paid.")} ${what}: ${reasons[s.code] ?? s.code}.`);
  return s.paid;
}

export const carryCommand: Command = {
  name: "carry",
  summary: "carry sealed letters between terminals without network and the host",
  help: `Usage: kaisatsu handset carry --folder F [--port P] [--read CARD] [--write CARD] [--json]

With --port: brings the terminal on that line what is its own, takes its letters along, and leaves those of others where
there is a network. Without: sends what is carried over this handset's own network. Nothing of it can be read or changed on
the way, and nothing is taken twice. A memory card is a file, carried by hand.

${folderHelp}
  --port P       the serial port of the terminal's line, such as /dev/ttyUSB1
  --baud N       its speed (default 115200)
  --read CARD    first take the letters on this memory card
  --write CARD   at last write everything that is carried to this memory card
  --json         one JSON document

Examples:
  kaisatsu handset carry --folder aiko --port /dev/ttyUSB1
  kaisatsu handset carry --folder aiko
  kaisatsu handset carry --folder aiko --write /media/card/letters
`,
  options: { ...folderOption, ...portOptions, read: { type: "string" }, write: { type: "string" } },
  run: async (c) => withPhone(c, async (phone) => {
    noWords(c);
    const [from, to] = [textOf(c, "read"), textOf(c, "write")];
    const read = from === undefined ? 0 : addCarried(phone, cardAt(from));
    const met = textOf(c, "port") === undefined ? undefined : await atTerminal(c, phone, (m) => exchangeCarried(phone, m));
    const answered = met?.answered ?? (to === undefined ? await postCarried(phone) : 0);
    const carried = carriedBy(phone);
    if (to !== undefined) writeFileSync(to, encodeCard(carried), { mode: 0o600 });
    const waiting = carried.filter((x) => x.answer.length === 0).length;
    if (c.json) c.out(JSON.stringify({ read, brought: met?.brought ?? 0, taken: met?.taken ?? 0, answered, waiting, toBring: carried.length - waiting }));
    else c.out(`${[from === undefined ? "" : `${read} read from the card, `, met === undefined ? "" : `${met.brought} brought, ${met.taken} taken along, `].join("")}${answered} answered by the host; carried now: ${waiting} to send, ${carried.length - waiting} to bring back.`);
    return exitCode.done;
  }),
};

function cardAt(path: string): ReturnType<typeof decodeCard> & object {
  let bytes: Uint8Array;
  try { bytes = new Uint8Array(readFileSync(path)); } catch { throw new UsageError(`${path} cannot be read.`); }
  const letters = decodeCard(bytes);
  if (letters === undefined) throw new UsageError(`${path} is no memory card with letters.`);
  return letters;
}
