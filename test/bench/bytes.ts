/**
 * Bytes on the wire of one tap: whole frames both ways, from the handset's *I am here* until it heard the outcome, counted on
 * a simulated line. A signature's random bytes may spare COBS a byte, so each frame is counted as long as it can get: the
 * figures are the same in every run, and a budget that is passed fails the build (`tap.md` §10).
 */
import { byteFloors, sumOf, type Parts } from "./floors.js";
import type { Figure, Measure, Table } from "./measure.js";
import { choose, earlierReceipt, makePhone, makeScene, prepaid, season, singleUse, tapOnce, type Scene } from "./scene.js";
import { cobs, deframer, feed } from "../../protocol/link/frame.js";
import { refusal } from "../../protocol/refusal.js";
import { intent, messageType } from "../../protocol/wire/message.js";
import { give, wait, type Phone, type Sold, type World } from "../session/world.js";

const names = ["wake", "hello", "presentation", "answer", "acknowledgement", "outcome", "ask", "certificate"] as const; // by message type
export type Name = (typeof names)[number];
/** Framed bytes of each message that crossed the line, and of all together. */
export interface Counted { readonly total: number; readonly messages: Partial<Record<Name, number>> }

/**
 * Every budget of a whole tap, and what it holds. `paper`: the sum in `tap.md` §10, which knows no wake frame and a certificate
 * without names. A card's amount and currency take the 790 of an earlier receipt to 792 there, and to 800 with the wake frame.
 */
export interface Case { readonly what: string; readonly budget?: number; readonly paper?: number; readonly parts: Parts; readonly counted: Counted }

export function cases(): Case[] {
  const f = byteFloors;
  return [
    { what: "A ticket, both certificates", budget: 900, paper: 838, parts: [...f.ticketA, ...f.certificate], counted: first("ticket", singleUse) },
    { what: "A ticket, terminal known", budget: 650, paper: 625, parts: f.ticketA, counted: known("ticket", singleUse) },
    { what: "A ticket with an earlier receipt, both certificates", budget: 1040, parts: [...f.ticketA, ...f.certificate, ...f.receipt], counted: unknownLater("ticket", season) },
    { what: "A ticket with an earlier receipt, terminal known", budget: 790, parts: [...f.ticketA, ...f.receipt], counted: later("ticket", season) },
    { what: "A card, both certificates", budget: 1060, parts: [...f.cardA, ...f.certificate], counted: first("card", prepaid) },
    { what: "A card, terminal known", budget: 800, parts: f.cardA, counted: known("card", prepaid) },
    { what: "A card with an earlier receipt and base, both certificates", budget: 1060, paper: 1005, parts: [...f.cardA, ...f.certificate, ...f.receipt, ...f.base], counted: unknownLater("card", prepaid) },
    { what: "A card with an earlier receipt and base, terminal known", budget: 800, paper: 792, parts: [...f.cardA, ...f.receipt, ...f.base], counted: knownLater("card", prepaid) },
    { what: "B ticket, first use", budget: 340, paper: 293, parts: f.ticketB, counted: first("ticket", singleUse, true) },
    { what: "B ticket with an earlier receipt", budget: 404, parts: [...f.ticketB, ...f.receiptB], counted: later("ticket", season, true) },
    { what: "B card with an earlier receipt", budget: 404, paper: 404, parts: [...f.cardB, ...f.receiptB], counted: later("card", prepaid, true) },
    { what: "A resume of a tap torn before its acknowledgement", budget: 650, paper: 614, parts: f.resume, counted: resumed() },
  ];
}

// ---- the taps -----------------------------------------------------------------------------------------------------------------

type Takes = "ticket" | "card";
type Sell = (w: World) => Sold;
interface Met { scene: Scene; phone: Phone; sold: Sold[] }

function meet(takes: Takes, sell: Sell, boardB: boolean): Met {
  const scene = makeScene(takes, { boardB });
  const phone = makePhone(scene.world);
  const sold = [sell(scene.world), sell(scene.world)];
  for (const s of sold) give(phone, s, boardB);
  choose(phone, sold[0]!);
  return { scene, phone, sold };
}

/** A handset that never met this gate. */
function first(takes: Takes, sell: Sell, boardB = false): Counted {
  const m = meet(takes, sell, boardB);
  return count(m.phone, m.scene);
}
/** Its second value, first use. */
function known(takes: Takes, sell: Sell): Counted {
  const m = meet(takes, sell, false);
  tapOnce(m.phone, m.scene.gate);
  choose(m.phone, m.sold[1]!);
  return count(m.phone, m.scene);
}
/** The second use of one value. */
function later(takes: Takes, sell: Sell, boardB = false): Counted {
  const m = meet(takes, sell, boardB);
  tapOnce(m.phone, m.scene.gate);
  return count(m.phone, m.scene);
}
/** A value whose newest receipt the host made, with its base, at a gate that the handset never met. */
function unknownLater(takes: Takes, sell: Sell): Counted {
  const m = meet(takes, sell, false);
  earlierReceipt(m.phone, m.sold[0]!);
  return count(m.phone, m.scene);
}
/** A use on top of such a receipt, then the next: its earlier receipt is a gate's own and carries the base on. */
function knownLater(takes: Takes, sell: Sell): Counted {
  const m = meet(takes, sell, false);
  earlierReceipt(m.phone, m.sold[0]!);
  tapOnce(m.phone, m.scene.gate);
  return count(m.phone, m.scene);
}
/** The acknowledgement never arrived; the holder shows receipt and acknowledgement again. */
function resumed(): Counted {
  const m = meet("ticket", singleUse, false);
  tapOnce(m.phone, m.scene.gate);
  choose(m.phone, m.sold[1]!);
  m.scene.gate.line.b.fault = (bytes) => (typeOf(bytes) === "acknowledgement" ? [] : [bytes]);
  tapOnce(m.phone, m.scene.gate);
  m.scene.gate.line.b.fault = undefined;
  wait(m.scene.gate, 3000);
  m.phone.wallet.intent = intent.resume;
  return count(m.phone, m.scene);
}

/** Bytes of the one message that says no, and of the one that takes a use back. */
export function answers(): { refusalA: number; refusalB: number; reversal: number } {
  const refused = (boardB: boolean): number => {
    const m = meet("ticket", singleUse, boardB);
    tapOnce(m.phone, m.scene.gate);
    return count(m.phone, m.scene, refusal.already_used).messages.answer!;
  };
  return { refusalA: refused(false), refusalB: refused(true), reversal: reversal() };
}

/** The turnstile did not turn, the time to pass again is over, and the holder asks what became of it. */
function reversal(): number {
  const m = meet("ticket", singleUse, false);
  tapOnce(m.phone, m.scene.gate, { walks: false });
  wait(m.scene.gate, 700_000);
  m.phone.wallet.intent = intent.inquire;
  return count(m.phone, m.scene, refusal.credited).messages.outcome!;
}

/** Counts a tap that must end in this code; 0 opens the gate. */
function count(phone: Phone, scene: Scene, code = 0): Counted {
  const { line } = scene.gate;
  const before = [line.b.sent.length, line.a.sent.length] as const;
  let counted: Counted = { total: 0, messages: {} };
  tapOnce(phone, scene.gate, { afterOutcome: () => { counted = sumUp([...line.b.sent.slice(before[0]), ...line.a.sent.slice(before[1])]); } });
  const shown = scene.gate.codes().at(-1);
  if (shown !== code) throw new Error(`The tap to count ended in ${shown} instead of ${code}.`);
  return counted;
}

const payloadOf = (frame: Uint8Array): Uint8Array => feed(deframer(cobs), frame)[0]!.payload;
const typeOf = (frame: Uint8Array): Name => names[Math.max(0, messageType(payloadOf(frame)))]!;

/** A frame with this payload as long as it can get: link byte, payload, CRC-32, one COBS byte in 254 and one more, delimiter. */
export function framedBytes(payload: number): number {
  const plain = payload + 5;
  return plain + Math.floor(plain / 254) + 2;
}
const longest = (frame: Uint8Array): number => framedBytes(payloadOf(frame).length);

function sumUp(frames: readonly Uint8Array[]): Counted {
  const messages: Partial<Record<Name, number>> = {};
  for (const frame of frames) messages[typeOf(frame)] = (messages[typeOf(frame)] ?? 0) + longest(frame);
  return { total: frames.reduce((sum, frame) => sum + longest(frame), 0), messages };
}

// ---- the tables ---------------------------------------------------------------------------------------------------------------

const floorOf = "keys, signatures, tags, ids, texts and times that the tap cannot do without, without framing and encoding";

function figureOf(c: Case): Figure {
  return {
    what: c.what, value: c.counted.total, unit: "bytes", exact: true, floor: { value: sumOf(c.parts), of: floorOf },
    ...(c.budget !== undefined && { goal: { most: c.budget } }), ...(c.paper !== undefined && { beside: { value: c.paper, from: "on paper" } }),
  };
}

/** `tap.md` §10, row by row. */
const paper: Record<string, Partial<Record<Name, number>>> = {
  "A ticket": { hello: 65, presentation: 330, answer: 111, acknowledgement: 91, outcome: 28 },
  "A card with an earlier receipt and base": { hello: 67, presentation: 481, answer: 125, acknowledgement: 91, outcome: 28 },
  "B ticket": { hello: 44, presentation: 101, answer: 45, acknowledgement: 84, outcome: 19 },
  "B card with an earlier receipt": { hello: 46, presentation: 196, answer: 59, acknowledgement: 84, outcome: 19 },
};

function messageFigures(all: readonly Case[]): Figure[] {
  const shown: Record<string, Case> = {
    "A ticket": all[1]!, "A card with an earlier receipt and base": all[7]!, "B ticket": all[8]!, "B card with an earlier receipt": all[10]!,
  };
  return Object.entries(shown).flatMap(([what, c]) => inOrder(c.counted.messages).map(([name, value]): Figure => {
    const planned = paper[what]![name];
    return { what: `${what}: ${name}`, value, unit: "bytes", exact: true, ...(planned !== undefined && { beside: { value: planned, from: "on paper" } }) };
  }));
}

function inOrder(messages: Counted["messages"]): [Name, number][] {
  return names.flatMap((name) => (messages[name] === undefined ? [] : [[name, messages[name]] as [Name, number]]));
}

function single(): Figure[] {
  const found = answers();
  const row = (what: string, value: number, planned: number): Figure => ({ what, value, unit: "bytes", exact: true, beside: { value: planned, from: "on paper" } });
  return [row("A refusal that says since when", found.refusalA, 36), row("B refusal that says since when", found.refusalB, 23), row("A outcome with reversal", found.reversal, 100)];
}

/** Calypso: six commands of the Keyple project's published test vectors, added up. mdoc: request and response of the standard's own example. */
const elsewhere = "elsewhere: a Calypso Prime validation 176 bytes, with secrets in every reader; an mdoc of ISO 18013-5 Annex D 4,421 bytes";

async function run(): Promise<Table[]> {
  const all = cases();
  const certificates = all[0]!.counted.messages;
  return [
    { title: "Bytes on the wire, a whole tap", figures: all.map(figureOf), notes: [
      `floor of the first row: ${all[0]!.parts.map((p) => `${p.name} ${p.bytes}`).join(", ")}`,
      elsewhere,
    ] },
    { title: "Bytes on the wire, message by message (framed)", figures: [
      ...messageFigures(all), { what: "ask and certificate", value: certificates.ask! + certificates.certificate!, unit: "bytes", exact: true, beside: { value: 213, from: "on paper" } }, ...single(),
    ], notes: ["on paper: the table of tap.md §10; its certificate has no name and no limits, its gate is not woken, its B refusal has no time"] },
  ];
}

export const bytes: Measure = { name: "bytes", summary: "bytes on the wire of every kind of tap", run };
