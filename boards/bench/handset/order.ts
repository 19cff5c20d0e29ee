/** `kaisatsu handset order`, `gift`, `catalogue`, `bills`, `pay`, `cancel`: buying on the handset (P1, P8, P16, P17, S8). */
import { exitCode, needed, noWords, textOf, UsageError, type Command, type Context } from "../command.js";
import { amountText } from "../amount.js";
import { day, folderHelp, folderOption, minute, shortId, table, valueMeant, withPhone } from "./handset.js";
import type { Phone } from "../../node/phone.js";
import * as shop from "../../node/shopping.js";
import { articleSort } from "../../../protocol/wire/order-letters.js";
import { identified, orderStates, type Delivery, type Parcel, type Recipient } from "../../../protocol/wire/order.js";
import { limits } from "../../../protocol/limits.js";
import { fromHex, hex } from "../../../protocol/wire/bytes.js";
import { currencyLetters } from "../../../host/context.js";

const nameOf = (names: Record<string, number>, n: number): string => Object.keys(names).find((k) => names[k] === n) ?? String(n);
/** The 16 hexadecimal digits of an order or a terminal. */
export function idGiven(option: string, text: string): Uint8Array {
  const id = /^[0-9a-f]{16}$/i.test(text) ? fromHex(text.toLowerCase()) : undefined;
  if (id === undefined) throw new UsageError(`--${option} must be 16 hexadecimal digits, not "${text}".`);
  return id;
}
/** UTC seconds of a time as people write it; 0 when it is not given. */
export function timeGiven(c: Context): number {
  const text = textOf(c, "at");
  const at = text === undefined ? 0 : Math.floor(Date.parse(text) / 1000);
  if (Number.isNaN(at)) throw new UsageError(`--at must be a time such as 2027-05-01T19:00, not "${text}".`);
  return at;
}

export const catalogueCommand: Command = {
  name: "catalogue",
  summary: "what can be ordered",
  help: `Usage: kaisatsu handset catalogue --folder F [--json]

Lists what the host has on sale: values, goods with their delivery date, information, broadcasts, and bundles of them.

${folderHelp}
  --json         one JSON document; prices in minor units

Examples:
  kaisatsu handset catalogue --folder aiko
  kaisatsu handset catalogue --folder aiko --json | jq -r '.articles[].article'
`,
  options: { ...folderOption },
  run: async (c) => withPhone(c, async (phone) => {
    noWords(c);
    const list = await shop.catalogue(phone);
    if (c.json) c.out(JSON.stringify({ articles: list.map((a) => ({ ...a, sort: nameOf(articleSort, a.sort), currency: currencyLetters(a.currency) ?? a.currency })) }));
    else if (list.length === 0) c.out("Nothing is on sale at this host.");
    else for (const line of table(c, ["ARTICLE", "NAME", "SORT", "PRICE", "LEFT", "DELIVERED"], list.map((a) => [a.article, a.name, nameOf(articleSort, a.sort), amountText(a.price, a.currency), a.left === undefined ? "" : String(a.left), a.date === 0 ? "" : day(a.date)]))) c.out(line);
    return exitCode.done;
  }),
};

// ---- ordering -------------------------------------------------------------------------------------------------------------

const orderOptions = { ...folderOption, custody: { type: "boolean" }, shop: { type: "string", multiple: true }, terminal: { type: "string" }, at: { type: "string" } } as const;
const deliveryHelp = `  --custody      it waits at the host: a request number picks it up, at any shop
  --shop ID      it is pushed ahead to this terminal and picked up there without a network; may be given several times
  --terminal ID  it goes to this fixed terminal
  --at TIME      not before this time, such as 2027-05-01T19:00
  --json         one JSON document`;

export const orderCommand: Command = {
  name: "order",
  summary: "order something for yourself",
  help: `Usage: kaisatsu handset order ARTICLE[*COUNT] ... --folder F [--custody | --shop ID ... | --terminal ID] [--at TIME]
                              [--json]

Orders from the handset, wherever it is. The bill comes to this handset; nothing is owed before you pay it.

${folderHelp}
${deliveryHelp}

Exit code 0 when it is ordered, 1 when the host said no (sold out, unknown article).

Examples:
  kaisatsu handset order concert --folder aiko
  kaisatsu handset order concert*2 programme --folder aiko --custody
`,
  options: orderOptions,
  run: async (c) => withPhone(c, (phone) => ordered(c, phone, { kind: "payer" })),
};

export const giftCommand: Command = {
  name: "gift",
  summary: "order something for somebody else",
  help: `Usage: kaisatsu handset gift ARTICLE[*COUNT] ... --to USER --folder F [--custody | --shop ID ... ] [--at TIME] [--json]

As order, for a user id, a phone number (+81 90 1234 5678) or a terminal (its 16 digits). Who is not registered yet gets a
text with a token, and has thirty days; then the money comes back.

${folderHelp}
  --to USER      who gets it
${deliveryHelp}

Examples:
  kaisatsu handset gift concert --to ben@example.org --folder aiko
  kaisatsu handset gift concert --to +819012345678 --folder aiko
`,
  options: { ...orderOptions, to: { type: "string" } },
  run: async (c) => withPhone(c, (phone) => ordered(c, phone, recipient(needed(c, "to", "a user id, a phone number, or a terminal's id")))),
};

function recipient(text: string): Recipient {
  if (/^\+[\d\s()./-]+$/.test(text)) return { kind: "phone", phone: text };
  return /^[0-9a-f]{16}$/i.test(text) ? { kind: "terminal", terminal: idGiven("to", text) } : { kind: "user", user: text };
}

async function ordered(c: Context, phone: Phone, to: Recipient): Promise<number> {
  if (c.words.length === 0) throw new UsageError("say what: an article of kaisatsu handset catalogue, such as concert or concert*2.");
  const lines = c.words.map((word) => {
    const [article, count = "1"] = word.split("*");
    if (!/^\d{1,2}$/.test(count) || Number(count) < 1 || Number(count) > limits.lineCountMax) throw new UsageError(`"${word}" must end in a number of pieces from 1 to ${limits.lineCountMax}.`);
    return { article: article!, count: Number(count) };
  });
  const parcel: Parcel = { to, delivery: delivery(c), at: timeGiven(c), lines };
  const id = await shop.order(phone, [parcel]);
  const bill = (await shop.bills(phone)).find((b) => hex(b.order) === hex(id));
  if (c.json) c.out(JSON.stringify({ order: hex(id), ...(bill !== undefined && { total: bill.total, currency: currencyLetters(bill.currency) ?? bill.currency, expires: bill.expires }) }));
  else { c.out(`${c.paint("green", "Ordered.")} ${hex(id)}${bill === undefined ? "" : `: ${amountText(bill.total, bill.currency)}, to be paid until ${minute(bill.expires)}`}.`); c.out(`Next: kaisatsu handset pay --folder ${phone.folder} --order ${hex(id)}`); }
  return exitCode.done;
}

function delivery(c: Context): Delivery {
  const shops = (c.options["shop"] ?? []) as string[], terminal = textOf(c, "terminal"), custody = c.options["custody"] === true;
  if (Number(shops.length > 0) + Number(terminal !== undefined) + Number(custody) > 1) throw new UsageError("--custody, --shop and --terminal exclude each other.");
  if (shops.length > 0) return { by: "shops", shops: shops.map((s) => idGiven("shop", s)) };
  if (terminal !== undefined) return { by: "terminal", terminal: idGiven("terminal", terminal) };
  return { by: custody ? "custody" : "handset" };
}

// ---- bills ----------------------------------------------------------------------------------------------------------------

const judgement = { matches: "the number is the one this handset gave", own: "ordered on this handset", typed: "somebody gave your user id at this terminal", differs: "NOT yours: the number differs, do not pay" } as const;

export const billsCommand: Command = {
  name: "bills",
  summary: "what is to be paid",
  help: `Usage: kaisatsu handset bills --folder F [--json]

Lists open bills with what was ordered, where, and whether the number on it is the one that this handset gave with its id.

${folderHelp}
  --json         one JSON document; amounts in minor units

Examples:
  kaisatsu handset bills --folder aiko
  kaisatsu handset bills --folder aiko --json | jq '.bills[].total'
`,
  options: { ...folderOption },
  run: async (c) => withPhone(c, async (phone) => {
    noWords(c);
    const list = await shop.bills(phone);
    if (c.json) { c.out(JSON.stringify({ bills: list.map((b) => ({ ...b, order: hex(b.order), how: nameOf(identified, b.how), currency: currencyLetters(b.currency) ?? b.currency })) })); return exitCode.done; }
    if (list.length === 0) c.out("Nothing is to be paid.");
    for (const b of list) for (const line of billLines(c, b)) c.out(line);
    return exitCode.done;
  }),
};

function billLines(c: Context, b: shop.JudgedBill): string[] {
  const items = b.items.map((i) => `  ${i.count} × ${i.name}  ${amountText(i.amount, b.currency)}${i.to === "" ? "" : `  for ${i.to}`}${i.date === 0 ? "" : `  delivered ${day(i.date)}`}`);
  return [`${c.paint("bold", hex(b.order))}  ${amountText(b.total, b.currency)}  until ${minute(b.expires)}${b.terminal === "" ? "" : `  ordered at ${b.terminal}`}`, ...items, `  ${c.paint(b.judged === "differs" ? "red" : b.judged === "typed" ? "yellow" : "dim", judgement[b.judged])}`];
}

export const payCommand: Command = {
  name: "pay",
  summary: "pay a bill, from a value here or through a payment processor",
  help: `Usage: kaisatsu handset pay --folder F [--order ID] [--value V | --card METHOD [--processor NAME]] [--yes] [--json]

Shows the bill, asks, and pays it once: broken off, the same command goes on with the same payment. A bill with a number
that is not the one this handset gave is never paid.

${folderHelp}
  --order ID     which bill (default: the only one)
  --value V      a card here: the beginning of its id, its name, or its kind (default: the first that fits)
  --card METHOD  a card or account as the processor calls it, such as pm_...
  --processor NAME  the processor (default stripe)
  --yes          without a question
  --json         one JSON document

Exit code 0 when it is paid, 1 when it is refused, declined, or nobody knows yet (then try again).

Examples:
  kaisatsu handset pay --folder aiko
  kaisatsu handset pay --folder aiko --order 0123456789abcdef --value card --yes
`,
  options: { ...folderOption, order: { type: "string" }, value: { type: "string" }, card: { type: "string" }, processor: { type: "string" }, yes: { type: "boolean" } },
  run: async (c) => withPhone(c, async (phone) => {
    noWords(c);
    const bill = billMeant(c, await shop.bills(phone));
    if (bill === undefined) { c.err("kaisatsu handset pay: there is no such bill: kaisatsu handset bills lists what is open."); return exitCode.refused; }
    const by = means(c, phone, bill);
    if (by === undefined) { c.err(`kaisatsu handset pay: no card here can pay ${amountText(bill.total, bill.currency)}: order one, or give --card.`); return exitCode.refused; }
    if (!(await agrees(c, bill, by))) { c.out("Not paid; the bill stays open."); return exitCode.refused; }
    const state = await shop.pay(phone, bill, by);
    if (c.json) c.out(JSON.stringify({ order: hex(bill.order), state: orderStates[state] }));
    else c.out(`${c.paint("green", "Paid.")} ${hex(bill.order)} is ${orderStates[state] ?? "paid"}. Next: kaisatsu handset collect --folder ${phone.folder}`);
    return exitCode.done;
  }),
};

function billMeant(c: Context, list: readonly shop.JudgedBill[]): shop.JudgedBill | undefined {
  const said = textOf(c, "order");
  if (said !== undefined) return list.find((b) => hex(b.order) === hex(idGiven("order", said)));
  if (list.length > 1) throw new UsageError(`--order is missing: there are ${list.length} bills (${list.map((b) => hex(b.order)).join(", ")}).`);
  return list[0];
}

function means(c: Context, phone: Phone, bill: shop.JudgedBill): shop.With | undefined {
  const method = textOf(c, "card");
  if (method !== undefined) return { processor: textOf(c, "processor") ?? "stripe", method };
  if (bill.total === 0) return "free";
  const value = valueMeant(c, phone) ?? shop.purse(phone, bill);
  return value === undefined ? undefined : { value };
}

async function agrees(c: Context, bill: shop.JudgedBill, by: shop.With): Promise<boolean> {
  if (c.options["yes"] === true) return true;
  if (!c.console.asksPeople) throw new UsageError("--yes is missing: nobody is here to be asked.");
  for (const line of billLines(c, bill)) c.out(line);
  const from = by === "free" ? "" : "value" in by ? ` from ${by.value.name} (${shortId(by.value)})` : ` with ${by.method}`;
  return /^y(es)?$/i.test((await c.console.ask(`Pay ${amountText(bill.total, bill.currency)}${from}? [y/N] `)).trim());
}

export const cancelCommand: Command = {
  name: "cancel",
  summary: "refuse a bill, or take an order back before it is handed out",
  help: `Usage: kaisatsu handset cancel --folder F --order ID [--json]

An unpaid bill is refused. Of a paid order everything that nobody has in his hands yet is cancelled, and its money goes back
by the way it came. Without --order nothing is guessed.

${folderHelp}
  --order ID     which order
  --json         one JSON document

Examples:
  kaisatsu handset cancel --folder aiko --order 0123456789abcdef
  kaisatsu handset cancel --folder aiko --order 0123456789abcdef --json
`,
  options: { ...folderOption, order: { type: "string" } },
  run: async (c) => withPhone(c, async (phone) => {
    noWords(c);
    const now = await shop.standing(phone, idGiven("order", needed(c, "order", "the order's 16 digits")), "cancel");
    if (c.json) c.out(JSON.stringify({ state: orderStates[now.state], refunded: now.refunded }));
    else c.out(`${c.paint("green", "Cancelled.")} It is ${orderStates[now.state] ?? ""}${now.refunded > 0 ? "; the money is on its way back" : ""}.`);
    return exitCode.done;
  }),
};
