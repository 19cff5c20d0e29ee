/**
 * A meter on a serial port: asked or listened to, by the real `serialport`. The port is always 8N1 and parity is checked in
 * the readout: the library passes characters of wrong parity on without a word.
 */
import { openMeterLine, type MeterLine } from "../node/meter-line.js";
import { judgeAll } from "./recording.js";
import { begin, hear, makeConversation, plainReadout, poll, type Conversation, type Effect, type Plan } from "../../protocol/metering/conversation.js";
import { mbusRequest } from "../../protocol/metering/mbus.js";
import { feed, makeReader } from "../../protocol/metering/reader.js";
import type { Protocol, Readout } from "../../protocol/metering/reading.js";
import type { Opener } from "../../protocol/metering/sealed.js";

export interface PortReading {
  readonly path: string;
  readonly protocol: Protocol | undefined;
  readonly opener: Opener | undefined;
  readonly wake: Plan["wake"];
  readonly baud: number | undefined;
  /** Progress, to the person at the console. */
  readonly say: (line: string) => void;
}

/** Readouts that are taken before giving up on agreement. */
const readoutsMax = 3;
/** P1 of version 2 speaks every ten seconds. */
const listenForMs = 25_000;

/** Reads until the newest readout may be billed, at most three times. Rejects with the port's `BoardError`. */
export async function readPort(o: PortReading): Promise<Readout[]> {
  const line = await openMeterLine(o.path, o.baud ?? 300);
  try {
    if (o.protocol === "iec62056-21") return await ask(line, o);
    if (o.protocol !== undefined || o.baud !== undefined) return await listen(line, o, o.baud ?? usualBaud[o.protocol!]);
    const asked = await ask(line, o);
    if (asked.length > 0) return asked;
    for (const baud of [9600, 115_200]) {
      const heard = await listen(line, o, baud);
      if (heard.length > 0) return heard;
    }
    return [];
  } finally {
    line.close();
  }
}

const usualBaud: Record<Protocol, number> = { "iec62056-21": 2400, "dsmr-p1": 115_200, sml: 9600, mbus: 2400, dlms: 2400 };

const enough = (readouts: readonly Readout[]): boolean => readouts.length >= readoutsMax || judgeAll(readouts).at(-1)?.judgement.billable === true;

async function ask(line: MeterLine, o: PortReading): Promise<Readout[]> {
  const readouts: Readout[] = [];
  while (!enough(readouts)) {
    o.say(readouts.length === 0 ? `Asking the meter on ${o.path} …` : "Asking again, for a second readout …");
    const c = makeConversation({ ...plainReadout, wake: o.wake, baudMax: o.baud ?? plainReadout.baudMax });
    const before = readouts.length;
    const end = await converse(line, c, (readout) => readouts.push(readout));
    if (end.do === "failed" || readouts.length === before) break;
  }
  return readouts;
}

/** One conversation to its end. */
export async function converse(line: MeterLine, c: Conversation, onReadout: (readout: Readout, read: number) => void): Promise<Effect & { do: "done" | "failed" }> {
  const now = (): number => performance.now();
  let effects = begin(c, now());
  for (;;) {
    for (const effect of effects) {
      if (effect.do === "send") line.write(effect.bytes);
      else if (effect.do === "baud") await line.setBaud(effect.baud);
      else if (effect.do === "readout") onReadout(effect.readout, effect.read);
      else return effect;
    }
    const bytes = await line.read(c.wakeAtMs - now());
    effects = bytes === undefined ? poll(c, now()) : hear(c, bytes, now());
  }
}

async function listen(line: MeterLine, o: PortReading, baud: number): Promise<Readout[]> {
  o.say(`Listening on ${o.path} at ${baud} baud …`);
  await line.setBaud(baud);
  const reader = makeReader({ protocol: o.protocol, opener: o.opener });
  const readouts: Readout[] = [];
  const endsAt = performance.now() + listenForMs;
  const asks = o.protocol === "mbus";
  if (asks) line.write(mbusRequest(mbusOnly, true));
  while (!enough(readouts)) {
    const bytes = await line.read(Math.min(endsAt - performance.now(), asks ? mbusAnswersWithinMs : listenForMs));
    if (bytes !== undefined) for (const readout of feed(reader, bytes)) readouts.push(readout);
    else if (performance.now() >= endsAt) break;
    // Silence ends an answer, right or not: the next one is asked for.
    else if (asks) line.write(mbusRequest(mbusOnly, false));
  }
  return readouts;
}

/** The only meter on the line, whatever its address. It begins to answer within 330 bit times and 50 ms. */
const mbusOnly = 254;
const mbusAnswersWithinMs = 500;
