/** `kaisatsu handset tap`: hold the handset to a terminal's serial line, answer its question, see what came of it. */
import { exitCode, needed, noWords, textOf, UsageError, wholeNumber, type Command, type Context } from "../command.js";
import { amountText, limitIn, readAmount, type TypedAmount } from "../amount.js";
import { folderHelp, folderOption, leftOf, leftText, minute, shortId, takenText, terminalName, unresolved, valueMeant, withPhone } from "./handset.js";
import type { Phone } from "../../node/phone.js";
import { openSerial } from "../../node/serial.js";
import { runTap, type TapOptions, type TapResult } from "../../node/tap.js";
import { newestReceipt, valueOf, type WalletValue } from "../../../runtime/value/wallet.js";
import { refusal, refusals } from "../../../protocol/refusal.js";
import { hex } from "../../../protocol/wire/bytes.js";
import { asking, intent } from "../../../protocol/wire/message.js";

const intents = intent as Record<string, number>;

export const tapCommand: Command = {
  name: "tap",
  summary: "use a value at a terminal",
  help: `Usage: kaisatsu handset tap --folder F --port P [--value V] [--silent AMOUNT] [--yes] [--intent I] [--json]

Holds the handset to the terminal behind a serial port. No network is needed. Money above the silent limit is paid only
after you said yes. When the last tap of a value was broken off, one question comes first: were you let through? No
resumes it, at no second charge; yes goes on with the next use or, when nothing is left, asks the terminal about it.

${folderHelp}
  --port P       the serial port, such as /dev/ttyUSB1
  --baud N       its speed (default 115200)
  --value V      this value: the beginning of its id, its name, or its kind (default: the first that the terminal takes)
  --silent AMOUNT  pay up to this without a question, such as 20.00 or "2000 JPY" (default: every amount is asked for)
  --yes          pay whatever the terminal asks
  --intent I     use, resume or inquire, instead of the question
  --within N     seconds to wait for a terminal (default 5)
  --json         one JSON document; amounts in minor units

Exit code 0 when it was accepted (with inquire: when the terminal knew), 1 when refused, declined or broken off, 3 when no
terminal answers on the port.

Examples:
  kaisatsu handset tap --folder aiko --port /dev/ttyUSB1
  kaisatsu handset tap --folder aiko --port /dev/ttyUSB1 --value card --silent 20.00
  kaisatsu handset tap --folder aiko --port /dev/ttyUSB1 --value ticket --intent resume --json
`,
  options: {
    ...folderOption, port: { type: "string" }, baud: { type: "string" }, value: { type: "string" }, silent: { type: "string" }, yes: { type: "boolean" }, intent: { type: "string" },
    within: { type: "string" },
  },
  async run(c) {
    noWords(c);
    const port = needed(c, "port", "the serial port of the terminal's line");
    const baud = wholeNumber(c, "baud", 50, 4_000_000) ?? 115_200;
    const withinMs = (wholeNumber(c, "within", 1, 3600) ?? 5) * 1000;
    const silent = silentLimit(c);
    const wanted = intentSaid(c);
    return await withPhone(c, async (phone) => {
      const meant = valueMeant(c, phone);
      if (phone.wallet.values.length === 0) { c.err("kaisatsu handset tap: this handset holds nothing. kaisatsu handset collect fetches what was bought."); return exitCode.refused; }
      await settle(c, phone, meant, wanted);
      const line = await openSerial(port, baud);
      try {
        const { result, asked } = await tapAndAsk(c, phone, line, silent, withinMs);
        const shown = result.valueId ?? phone.wallet.chosen;
        return told(c, phone, port, result, asked, shown === undefined ? undefined : valueOf(phone.wallet, shown));
      } finally {
        line.close();
      }
    });
  },
};

function silentLimit(c: Context): TypedAmount {
  const text = textOf(c, "silent") ?? "0";
  const limit = readAmount(text);
  if (limit === undefined) throw new UsageError(`--silent must be an amount such as 20.00 or "2000 JPY", not "${text}".`);
  return limit;
}

function intentSaid(c: Context): number | undefined {
  const said = textOf(c, "intent");
  if (said !== undefined && !Object.hasOwn(intents, said)) throw new UsageError(`--intent must be use, resume or inquire, not "${said}".`);
  return said === undefined ? undefined : intents[said];
}

// ---- was the holder let through? ------------------------------------------------------------------------------------------

/** Chooses value and intent. Every open question is put to the holder (`tap.md` §3), never guessed: no resumes, yes goes on. */
async function settle(c: Context, phone: Phone, meant: WalletValue | undefined, wanted: number | undefined): Promise<void> {
  const wallet = phone.wallet;
  wallet.chosen = meant?.value.valueId;
  wallet.intent = wanted ?? intent.use;
  if (wanted !== undefined) { if (wanted !== intent.use) wallet.chosen = resumable(phone, meant).value.valueId; return; }
  for (const v of meant === undefined ? wallet.values : [meant]) {
    if (unresolved(v) === undefined) continue;
    const through = await wasLetThrough(c, phone, v);
    const goesOn = leftOf(v) > 0 || (meant === undefined && wallet.values.some((other) => other.value.kind === v.value.kind && leftOf(other) > 0));
    if (through && goesOn) continue;
    wallet.chosen = v.value.valueId;
    wallet.intent = through ? intent.inquire : intent.resume;
    return;
  }
}

async function wasLetThrough(c: Context, phone: Phone, v: WalletValue): Promise<boolean> {
  const { receipt } = unresolved(v)!;
  const where = `${terminalName(phone, receipt)}, ${minute(receipt.at)}`;
  if (!c.console.asksPeople) throw new UsageError(`${v.name}: nobody knows yet whether its holder was let through at ${where}. Say --intent resume (no), or --intent use or inquire (yes).`);
  const answer = (await c.console.ask(`${v.name}: were you let through at ${where}? [y/n] `)).trim();
  if (!/^(y(es)?|n(o)?)$/i.test(answer)) throw new UsageError("the question was not answered; nothing was shown to the terminal.");
  return /^y/i.test(answer);
}

/** The value whose newest receipt is to be resumed or asked about. */
function resumable(phone: Phone, meant: WalletValue | undefined): WalletValue {
  const candidates = meant !== undefined ? [meant] : phone.wallet.values.filter((v) => unresolved(v) !== undefined);
  if (candidates.length > 1) throw new UsageError(`--intent fits ${candidates.length} values: say which with --value (${candidates.map((v) => shortId(v)).join(", ")}).`);
  if (candidates.length === 0) throw new UsageError("--intent: no value here waits for an answer; leave it out, or say which with --value.");
  if (newestReceipt(candidates[0]!) === undefined) throw new UsageError(`--intent: ${candidates[0]!.name} was never used.`);
  return candidates[0]!;
}

// ---- the tap ----------------------------------------------------------------------------------------------------------------

type Question = Parameters<TapOptions["confirm"]>[0];
interface Asked { question: Question | undefined; yes: boolean }

/** A person may think longer than the terminal waits; who has said yes to it is not asked again by the same terminal for the same. */
async function tapAndAsk(c: Context, phone: Phone, line: Parameters<typeof runTap>[1], silent: TypedAmount, withinMs: number): Promise<{ result: TapResult; asked: Asked }> {
  const asked: Asked = { question: undefined, yes: true };
  const confirm = async (q: Question): Promise<boolean> => {
    if (asked.question !== undefined && asked.yes && same(asked.question, q)) return true;
    asked.question = q;
    asked.yes = await agrees(c, q, silent);
    return asked.yes;
  };
  const onResolved = (): void => { if (!c.json) c.out(c.paint("green", "Accepted. Walk through.")); };
  const once = (): Promise<TapResult> => runTap(phone, line, { silentAmount: 0, confirm, withinMs, waitForPassage: true, onResolved });
  const result = await once();
  const wentOn = asked.question !== undefined && asked.yes && result.code < 0 && !result.stored;
  return { result: wentOn ? await once() : result, asked };
}

const same = (a: Question, b: Question): boolean => a.terminal === b.terminal && a.merchant === b.merchant && a.amount === b.amount && a.currency === b.currency && a.kind === b.kind && a.warning === b.warning;

async function agrees(c: Context, q: Question, silent: TypedAmount): Promise<boolean> {
  if (c.options["yes"] === true) return true;
  const isMoney = q.currency !== undefined;
  if (isMoney && !q.warning && q.amount <= limitIn(silent, q.currency)) return true;
  if (!c.console.asksPeople) return false;
  const what = isMoney ? amountText(q.amount, q.currency) : `${q.amount} uses`;
  const late = q.warning ? " Its certificate has just ended." : "";
  const answer = await c.console.ask(`${q.terminal}${q.merchant === "" ? "" : ` of ${q.merchant}`} asks for ${what} of your ${q.kind}.${late} Pay? [y/N] `);
  return /^y(es)?$/i.test(answer.trim());
}

// ---- what came of it --------------------------------------------------------------------------------------------------------

function told(c: Context, phone: Phone, port: string, r: TapResult, asked: Asked, v: WalletValue | undefined): number {
  const said = verdict(c, phone, port, r, asked, v);
  if (c.json) {
    const receipt = v === undefined ? undefined : newestReceipt(v);
    c.out(JSON.stringify({
      outcome: said.outcome, ...(r.code >= 0 && { code: r.code, name: r.code === 0 ? "accepted" : refusals[r.code]?.name }), text: said.text, ...(v !== undefined && { valueId: hex(v.value.valueId), name: v.name, left: leftOf(v) }),
      ...(said.outcome === "accepted" && receipt !== undefined && { counter: receipt.counter, amount: receipt.amount, after: receipt.after }), ...(r.walkAgain && { walkAgain: true }),
    }));
  } else if (said.code === exitCode.device) c.err(`kaisatsu handset tap: ${said.text}`);
  else c.out(`${c.paint(said.code === exitCode.done ? "green" : "yellow", said.head)} ${said.text}`);
  return said.code;
}

interface Verdict { outcome: string; code: number; head: string; text: string }

/** One line for what the handset knows in the end. */
function verdict(c: Context, phone: Phone, port: string, r: TapResult, asked: Asked, v: WalletValue | undefined): Verdict {
  const name = v === undefined ? "" : v.name;
  const left = v === undefined ? "" : `${leftText(v)} left`;
  if (!r.heard) return { outcome: "silence", code: exitCode.device, head: "", text: `no terminal answers on ${port}: is it running, and this its line?` };
  if (r.walkAgain) return { outcome: "walk_again", code: exitCode.refused, head: "Not through.", text: `${name}: the gate opened and nobody walked. Tap again here, and answer that you were not let through: it costs nothing more.` };
  if (r.reversed || r.code === refusal.credited) return { outcome: "reversed", code: phone.wallet.intent === intent.use ? exitCode.refused : exitCode.done, head: "Given back.", text: `${name}: the last use was undone; ${left}.` };
  if (r.resolved === "used") return { outcome: "used", code: phone.wallet.intent === intent.inquire ? exitCode.done : exitCode.refused, head: "It counted.", text: `${name}: the terminal has recorded the last use${since(r)}; ${left}.` };
  if (r.resolved !== undefined) return accepted(phone, r, v, name, left);
  if (r.stored) return { outcome: "unresolved", code: exitCode.refused, head: "Broken off.", text: `${name}: the terminal's last word is missing. Remember whether you were let through; the next tap asks.` };
  if (r.code > 0) return { outcome: "refused", code: exitCode.refused, head: "Refused.", text: `${refusals[r.code]?.english} (${r.code} ${refusals[r.code]?.name})${since(r)}${name === "" ? "" : `: ${name}`}.${advice(r.code)}` };
  if (r.declined === asking.nothing_to_show) return { outcome: "nothing_to_show", code: exitCode.refused, head: "Nothing to show.", text: name === "" ? "The terminal takes other kinds than this handset holds." : `The terminal does not take ${name}.` };
  if (r.declined === asking.not_trusted) return { outcome: "not_trusted", code: exitCode.refused, head: "Not shown.", text: "This terminal has no valid certificate of the provider; nothing was revealed to it." };
  if (!asked.yes) return { outcome: "declined", code: exitCode.refused, head: "Not paid.", text: declinedText(c, asked) };
  return { outcome: "broken_off", code: exitCode.refused, head: "Broken off.", text: "The terminal went silent before anything was used. Tap again." };
}

function accepted(phone: Phone, r: TapResult, v: WalletValue | undefined, name: string, left: string): Verdict {
  const receipt = v === undefined ? undefined : newestReceipt(v);
  const took = v === undefined || receipt === undefined ? "" : `${takenText(v, receipt.amount)} at ${terminalName(phone, receipt)}, ${left}`;
  const resumed = phone.wallet.intent === intent.resume ? " (resumed, charged once)" : "";
  return { outcome: "accepted", code: exitCode.done, head: r.resolved === "turned" ? "Through." : "Used.", text: `${name}: ${took}${resumed}.` };
}

function declinedText(c: Context, asked: Asked): string {
  const amount = asked.question === undefined ? "" : ` ${amountText(asked.question.amount, asked.question.currency)}`;
  return c.console.asksPeople ? `You declined${amount}; nothing was shown to the terminal.` : `The terminal asks for${amount}, above the silent limit: give --silent or --yes to pay it without a question.`;
}

const since = (r: TapResult): string => (r.since > 0 ? `, since ${minute(r.since)}` : "");

function advice(code: number): string {
  const row = refusals[code];
  if (row === undefined) return "";
  if (code === refusal.finish_elsewhere) return " Or go on with the next use: the one that was broken off is given back later.";
  if (code === refusal.sync_needed) return " kaisatsu handset refresh does that.";
  return { no: "", yes: " Trying again later can help.", here: " Try again here.", elsewhere: " Another terminal may take it." }[row.retry];
}
