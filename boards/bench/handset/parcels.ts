/** `kaisatsu handset mail`, `claim`, `pick-up`, `give`, `take`: what comes after an order, and values handed on (P8–P10, P16–P18). */
import { readFileSync, writeFileSync } from "node:fs";
import { exitCode, needed, noWords, textOf, UsageError, type Command, type Context } from "../command.js";
import { folderHelp, folderOption, valueMeant, withPhone } from "./handset.js";
import { idGiven, timeGiven } from "./order.js";
import { faultOf } from "../../node/fault.js";
import type { Phone } from "../../node/phone.js";
import * as shop from "../../node/shopping.js";
import { hex } from "../../../protocol/wire/bytes.js";
import { mailKind } from "../../../protocol/wire/parcel-letters.js";

export const mailCommand: Command = {
  name: "mail",
  summary: "gifts, thanks, information and offers; request numbers of an order",
  help: `Usage: kaisatsu handset mail --folder F [--order ID] [--thank TEXT] [--json]

Fetches what came, and shows it. Thanks are shown when the friend's own handset signed them; the host passes them on and
cannot read them. With --order: how that order stands, and its request numbers.

${folderHelp}
  --order ID     this order only
  --thank TEXT   answer the giver of --order with a signed receipt and these words
  --json         one JSON document

Examples:
  kaisatsu handset mail --folder ben
  kaisatsu handset mail --folder ben --order 0123456789abcdef --thank "See you there!"
`,
  options: { ...folderOption, order: { type: "string" }, thank: { type: "string" } },
  run: async (c) => withPhone(c, async (phone) => {
    noWords(c);
    const said = textOf(c, "order"), words = textOf(c, "thank");
    const order = said === undefined ? undefined : hex(idGiven("order", said));
    await shop.fetchMail(phone);
    if (words !== undefined) return await thank(c, phone, order, words);
    const shown = await shownMail(phone, order);
    if (c.json) c.out(JSON.stringify(shown));
    else for (const line of lines(c, shown)) c.out(line);
    return exitCode.done;
  }),
};

interface Shown { gifts: { order: string; from: string; names: string[]; request: string }[]; thanks: { order: string; from: string; message: string; friend: string }[]; information: { order: string; text: string }[]; sealed: number; numbers: { order: string; request: string }[] }

async function shownMail(phone: Phone, order: string | undefined): Promise<Shown> {
  const mine = <T extends { order: string }>(list: T[]): T[] => list.filter((x) => order === undefined || x.order === order);
  const numbers = order === undefined ? [] : await ownNumbers(phone, order);
  return {
    gifts: mine(shop.giftsHere(phone).map((g) => ({ order: hex(g.order), from: g.notice.from, names: g.notice.names, request: g.notice.request }))),
    thanks: mine(shop.thanksHere(phone).map((t) => ({ order: hex(t.thanks.order), from: t.from, message: t.thanks.message, friend: t.friend }))),
    information: mine(shop.mailHere(phone).filter((m) => m.kind === mailKind.information).map((m) => ({ order: hex(m.order), text: Buffer.from(m.body).toString("utf8") }))),
    sealed: shop.mailHere(phone).filter((m) => m.kind === mailKind.attachment || m.kind === mailKind.offer).length, numbers,
  };
}

/** A gift's order is the giver's: only who paid sees its numbers. */
async function ownNumbers(phone: Phone, order: string): Promise<{ order: string; request: string }[]> {
  try {
    return (await shop.standing(phone, idGiven("order", order))).parcels.filter((p) => p.request !== "").map((p) => ({ order, request: p.request }));
  } catch (error) {
    if (error instanceof shop.OrderRefused) return [];
    throw error;
  }
}

function lines(c: Context, x: Shown): string[] {
  const changed = (friend: string): string => (friend === "changed" ? c.paint("yellow", " (with another key than before: ask your friend)") : "");
  const all = [
    ...x.gifts.map((g) => `${c.paint("green", "A gift")} from ${g.from}: ${g.names.join(", ")}${g.request === "" ? "" : `, to be picked up with ${g.request}`}  (${g.order})`),
    ...x.thanks.map((t) => `${c.paint("green", "Thanks")} from ${t.from}${changed(t.friend)}: ${t.message === "" ? "received" : t.message}  (${t.order})`),
    ...x.information.map((i) => `${i.text}  (${i.order})`), ...x.numbers.map((n) => `Request number ${c.paint("bold", n.request)}  (${n.order})`),
    ...(x.sealed > 0 ? [`${x.sealed} sealed for this handset by a terminal: the terminal opens ${x.sealed === 1 ? "it" : "them"}.`] : []),
  ];
  return all.length === 0 ? ["There is no mail."] : all;
}

async function thank(c: Context, phone: Phone, order: string | undefined, words: string): Promise<number> {
  const gifts = shop.giftsHere(phone).filter((g) => order === undefined || hex(g.order) === order);
  if (gifts.length !== 1) throw new UsageError(`--thank needs --order: there ${gifts.length === 0 ? "is no such gift" : `are ${gifts.length} gifts`}.`);
  const values = phone.wallet.values.filter((v) => gifts[0]!.notice.names.includes(v.name) && v.given === "");
  if (values.length === 0) { c.err("kaisatsu handset mail: nothing of this gift is here yet: kaisatsu handset collect fetches it."); return exitCode.refused; }
  await shop.thank(phone, gifts[0]!, values, words);
  c.out(c.json ? JSON.stringify({ thanked: gifts[0]!.notice.from }) : `${c.paint("green", "Sent.")} ${gifts[0]!.notice.from} alone can read it.`);
  return exitCode.done;
}

export const claimCommand: Command = {
  name: "claim",
  summary: "claim a gift that was sent to your user id or phone number",
  help: `Usage: kaisatsu handset claim --folder F --token TOKEN [--code CODE] [--json]

The token came with the text. For a gift to a phone number a code is sent to that number; give it with the same token.

${folderHelp}
  --token TOKEN  from the text
  --code CODE    the eight digits that were sent to the number
  --json         one JSON document

Exit code 0 when it is yours, 1 while a code is on its way, or when the host said no.

Examples:
  kaisatsu handset claim --folder ben --token ABCD-EFGH-JKMN-PQRS-TVWX
  kaisatsu handset claim --folder ben --token ABCD-EFGH-JKMN-PQRS-TVWX --code 12345678
`,
  options: { ...folderOption, token: { type: "string" }, code: { type: "string" } },
  run: async (c) => withPhone(c, async (phone) => {
    noWords(c);
    const done = await shop.claimGift(phone, needed(c, "token", "the token from the text"), textOf(c, "code") ?? "");
    if (c.json) c.out(JSON.stringify({ claimed: done }));
    else c.out(done ? `${c.paint("green", "It is yours.")} Next: kaisatsu handset collect --folder ${phone.folder}` : "A code was sent to the number: give it with --code.");
    return done ? exitCode.done : exitCode.refused;
  }),
};

export const pickUpCommand: Command = {
  name: "pick-up",
  summary: "fetch what waits in custody, with its request number",
  help: `Usage: kaisatsu handset pick-up --folder F --number N [--user ID] [--json]

What a shop's till does with this handset before it, done directly at the host.

${folderHelp}
  --number N     the request number, eight digits
  --user ID      for whom it was ordered (default: this handset's user)
  --json         one JSON document

Examples:
  kaisatsu handset pick-up --folder aiko --number 12345678
  kaisatsu handset pick-up --folder ben --number 12345678 --user ben@example.org
`,
  options: { ...folderOption, number: { type: "string" }, user: { type: "string" } },
  run: async (c) => withPhone(c, async (phone) => {
    noWords(c);
    const taken = await shop.pickUp(phone, textOf(c, "user") ?? phone.user, needed(c, "number", "the request number"));
    c.out(c.json ? JSON.stringify({ taken: taken.map((t) => ({ valueId: hex(t.valueId), name: t.name })) }) : `${c.paint("green", "Picked up:")} ${taken.map((t) => t.name).join(", ")}`);
    return exitCode.done;
  }),
};

// ---- handing on ---------------------------------------------------------------------------------------------------------------

export const giveCommand: Command = {
  name: "give",
  summary: "hand a value on that you own: through the host, or directly",
  help: `Usage: kaisatsu handset give --folder F --value V --to USER [--at TIME] [--json]
       kaisatsu handset give --folder F --value V --to USER --ready FILE --deed FILE

Through the host the other handset collects it, at once or from a time on. Directly, without a network: the other one makes
a file with "handset take --ready"; this writes the deed, and from then on the value is his. Broken off, say it again.

${folderHelp}
  --value V      the beginning of its id, its name, or its kind
  --to USER      whose it will be
  --at TIME      not before this time, such as 2027-05-01T19:00
  --ready FILE   made by the other handset
  --deed FILE    where to write the deed
  --json         one JSON document

Exit code 0 when it is given, 1 when the host said no (then it is still yours).

Examples:
  kaisatsu handset give --folder aiko --value concert --to ben@example.org
  kaisatsu handset give --folder aiko --value concert --to ben --ready ben.ready --deed ben.deed
`,
  options: { ...folderOption, value: { type: "string" }, to: { type: "string" }, at: { type: "string" }, ready: { type: "string" }, deed: { type: "string" } },
  run: async (c) => withPhone(c, async (phone) => {
    noWords(c);
    needed(c, "value", "which value");
    const v = valueMeant(c, phone)!, to = needed(c, "to", "whose it will be"), ready = textOf(c, "ready");
    if (ready === undefined) await shop.handOn(phone, v, to, timeGiven(c));
    else writeOwn(needed(c, "deed", "where to write the deed"), shop.handOver(phone, v, readOwn(ready), to));
    c.out(c.json ? JSON.stringify({ given: v.name, to }) : `${c.paint("green", "Given.")} ${v.name} is ${to}'s from now on.`);
    return exitCode.done;
  }),
};

export const takeCommand: Command = {
  name: "take",
  summary: "take a value over that another handset gives directly",
  help: `Usage: kaisatsu handset take --folder F --ready FILE
       kaisatsu handset take --folder F --deed FILE [--json]

First make a file for the giver, then bring his deed: the host certifies the value to this handset.

${folderHelp}
  --ready FILE   write what the giver needs
  --deed FILE    the giver's deed
  --json         one JSON document

Examples:
  kaisatsu handset take --folder ben --ready ben.ready
  kaisatsu handset take --folder ben --deed ben.deed
`,
  options: { ...folderOption, ready: { type: "string" }, deed: { type: "string" } },
  run: async (c) => withPhone(c, async (phone) => {
    noWords(c);
    const ready = textOf(c, "ready");
    if (ready !== undefined) { writeOwn(ready, shop.readyToTake(phone)); c.out(c.json ? JSON.stringify({ ready }) : `${ready} is for the giver.`); return exitCode.done; }
    const taken = await shop.takeOver(phone, readOwn(needed(c, "deed", "the giver's deed, or --ready first")));
    c.out(c.json ? JSON.stringify({ taken: taken.map((t) => ({ valueId: hex(t.valueId), name: t.name })) }) : `${c.paint("green", "Yours now:")} ${taken.map((t) => t.name).join(", ")}`);
    return exitCode.done;
  }),
};

function readOwn(path: string): Uint8Array {
  try { return new Uint8Array(readFileSync(path)); } catch (error) { throw faultOf(error, path); }
}
function writeOwn(path: string, bytes: Uint8Array): void {
  try { writeFileSync(path, bytes, { mode: 0o600 }); } catch (error) { throw faultOf(error, path); }
}
