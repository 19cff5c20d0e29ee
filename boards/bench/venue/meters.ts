/**
 * The story of `kaisatsu venue` goes on at a pitch behind the hall: a real meter's telegram, played by the emulator, is read,
 * charged, shown to the phone, paid from a card and settled at the meter, which never has a network (U1); then the same by the
 * longer road, through the receiver at home, while the phone has none either (U3).
 */
import { join } from "node:path";
import { meterAfter } from "./recording.js";
import { baud, type Stage } from "./stage.js";
import { emulateMeter } from "../meter-emulator-command.js";
import { readPort } from "../meter-port.js";
import { openLine, type Line } from "../pty.js";
import { judgeAll } from "../recording.js";
import { recordText } from "../verify-command.js";
import { askOwed, exchangeCarried, meet, postCarried, throughTerminal, type Meeting } from "../../node/courier.js";
import { openFileStore } from "../../node/file-store.js";
import type { Phone } from "../../node/phone.js";
import { openSerial } from "../../node/serial.js";
import { network, owedAtHost, settleBill, type Road } from "../../node/settling.js";
import { enrolBoard, historyPages, openNodeBoard, startTerminal, type RunningTerminal } from "../../node/terminal-board.js";
import { boardFault } from "../../../runtime/journal/store.js";
import { owedBy } from "../../../runtime/charges/charges.js";
import { readingOf } from "../../../runtime/charges/readout.js";
import { meter, readPoint } from "../../../runtime/role/meter.js";
import { receiver } from "../../../runtime/role/receiver.js";
import type { Serial } from "../../../runtime/board.js";
import { media } from "../../../protocol/link/media.js";
import { fromHex } from "../../../protocol/wire/bytes.js";
import type { WalletValue } from "../../../runtime/value/wallet.js";

interface Place { readonly id: string; readonly running: RunningTerminal; readonly line: Line; readonly port: Serial; close(): void }

const day = 86_400;
const wrong = (what: string) => boardFault("broken", `The story went wrong: ${what}.`);
const euros = (minor: number): string => `${(minor / 100).toFixed(2)} EUR`;

export interface MeterSummary { records: number; paid: number }

/** Tells it; throws a `BoardError` as soon as anything differs from what it must be. */
export async function tellMeters(stage: Stage, phone: Phone, card: WalletValue, say: (text: string) => void): Promise<MeterSummary> {
  const user = phone.user;
  const pitch = await open(stage, "Pitch 7", "meter", "");
  const home = await open(stage, "Living room", "receiver", stage.host.url);
  try {
    await stage.api("POST", `/api/terminals/${pitch.id}/plan`, { currency: "EUR", tariffs: [{ id: 1, bands: [{ register: "1.8.1", price: 24_000 }, { register: "1.8.2", price: 34_000 }] }] });
    const called = fromHex((await stage.api<{ user: string }>("POST", `/api/terminals/${pitch.id}/users`, { user, mode: "postpaid", tariff: 1 })).user)!;
    say("  A meter on Pitch 7 and a receiver at home enrol. The meter has no network from now on; who uses it, and at which price, a courier brings it.");
    await carry(phone, pitch, network(phone));
    if (pitch.running.charges!.plan === undefined) throw wrong("the plan did not arrive");
    const now = Math.floor(Date.now() / 1000);
    await read(pitch, meterAfter(0, 0), now - 3 * day);
    await read(pitch, meterAfter(4_120, 2_985), now - 2 * day);
    await read(pitch, meterAfter(9_400, 5_310), now - day);
    say("  It reads an Iskraemeco AM550, played from a recording: three days, each register read twice before it counts.");

    const seen = await at(pitch, phone, (m) => askOwed(phone, m, 1, false));
    if (seen === undefined || !seen.checked.genuine) throw wrong("the meter showed no genuine statement");
    const owed = seen.checked.total - seen.checked.paid;
    for (const r of seen.checked.records) say(`    record ${r.sequence}: ${recordText(r)}`);
    say(`  Aiko's phone asks. Neither has a network: the meter signs and seals for her alone what she owes, ${euros(owed)}, and her phone checks it.`);
    await settle(phone, pitch, called, card, network(phone), say, "In the street her phone has a network");

    await read(pitch, meterAfter(11_000, 6_000), now);
    say("  Another day. Her phone has no network any more: it carries the letter home, and the receiver there passes it on, sealed.");
    const before = owedBy(pitch.running.charges!, called);
    await at(pitch, phone, (m) => exchangeCarried(phone, m));
    await at(home, phone, async (m) => {
      await exchangeCarried(phone, m);
      await pay(phone, card, throughTerminal(m), before, say, "Through the receiver");
    });
    await at(pitch, phone, (m) => exchangeCarried(phone, m));
    const left = owedBy(pitch.running.charges!, called);
    if (left !== 0) throw wrong(`the meter shows ${left} and not zero`);
    say("  Back at the meter: it takes the result, once, and shows zero.");
    return { records: seen.checked.records.length, paid: owed + before };
  } finally {
    pitch.close();
    home.close();
  }
}

async function settle(phone: Phone, pitch: Place, called: Uint8Array, card: WalletValue, road: Road, say: (text: string) => void, where: string): Promise<void> {
  const owed = owedBy(pitch.running.charges!, called);
  await at(pitch, phone, (m) => exchangeCarried(phone, m));
  await postCarried(phone, road);
  await pay(phone, card, road, owed, say, where);
  await at(pitch, phone, (m) => exchangeCarried(phone, m));
  if (owedBy(pitch.running.charges!, called) !== 0) throw wrong("the meter does not show zero");
  say("  She walks back; the meter, still without a network, takes the result and shows zero.");
}

async function pay(phone: Phone, card: WalletValue, road: Road, owed: number, say: (text: string) => void, where: string): Promise<void> {
  const [bill] = await owedAtHost(phone, road);
  if (bill?.amount !== owed) throw wrong(`the host bills ${bill?.amount} and the meter showed ${owed}`);
  const done = await settleBill(phone, bill, { value: card.value.valueId, more: 0 }, road);
  if (!done.paid) throw wrong(`the bill was not paid (${done.code})`);
  say(`  ${where}: the host, which reckoned it again from the readings, bills ${euros(owed)}; her card pays, and its own key agrees.`);
}

async function carry(phone: Phone, place: Place, road: Road): Promise<void> {
  await at(place, phone, (m) => exchangeCarried(phone, m));
  await postCarried(phone, road);
  await at(place, phone, (m) => exchangeCarried(phone, m));
}

async function at<T>(place: Place, phone: Phone, work: (m: Meeting) => Promise<T>): Promise<T> {
  const done = await meet(phone, place.port, 5000, async (m) => ({ answer: await work(m) }));
  if (done === undefined) throw wrong("a terminal did not answer a courier");
  return done.answer;
}

/** The emulated meter is read over its port until the newest telegram may be billed, then charged. */
async function read(place: Place, telegram: Uint8Array, when: number): Promise<void> {
  const emulated = emulateMeter(telegram, {}, { everyMs: 50, baud });
  try {
    const newest = judgeAll(await readPort({ path: emulated.path, protocol: "dsmr-p1", opener: undefined, wake: "none", baud, say: () => undefined })).at(-1);
    const reading = newest === undefined ? undefined : readingOf(newest.readout, newest.judgement, 1);
    if (reading === undefined) throw wrong("the meter's telegram was not billable");
    // As of that day: the story does not take three.
    readPoint(place.running.point!, reading, { at: when, quality: 2 });
  } finally {
    emulated.close();
  }
}

/** A terminal of this role on a line of its own; `host` empty: it has no network after its enrolment. */
async function open(stage: Stage, name: string, role: "meter" | "receiver", host: string): Promise<Place> {
  const { terminalId, claimCode } = await stage.api<{ terminalId: string; claimCode: string }>("POST", "/api/terminals", { name, role, merchant: "hall", zones: [], takes: [] });
  const line = openLine({ baud });
  const folder = join(stage.folder, "meters", name.toLowerCase().replace(/\W+/g, "-"));
  const board = await openNodeBoard({ name, folder, link: { port: line.a, baud } });
  const enrolled = await enrolBoard(board, stage.host.url, claimCode, "venue");
  if ("wrong" in enrolled) throw boardFault("denied", `${name} was not enrolled: ${enrolled.wrong}.`);
  const history = openFileStore(join(folder, "history"), historyPages);
  const running = startTerminal(board, role === "meter" ? meter : receiver, media.serial, host, () => undefined, {}, history);
  const port = await openSerial(line.b, baud);
  return { id: terminalId, running, line, port, close: () => { running.stop(); port.close(); history.close(); board.close(); setTimeout(() => line.close(), 50); } };
}
