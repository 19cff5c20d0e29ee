/** A conversation with an emulated meter where time stands still until something is due: hours of line time in milliseconds. */
import { makeMeter, meterHears, meterSays, meterWakes, type Meter, type MeterOptions } from "../../boards/bench/meter-emulator.js";
import { begin, hear, makeConversation, plainReadout, poll, type Conversation, type Effect, type Plan } from "../../protocol/metering/conversation.js";
import type { Readout } from "../../protocol/metering/reading.js";

export interface Talk { end: string; readouts: Readout[]; reads: number[]; bauds: number[]; tookMs: number; meter: Meter; conversation: Conversation; sent: string[]; firstMs: number }

/** Without parity bits, as text. */
export const said = (bytes: Uint8Array): string => Buffer.from(bytes.map((byte) => byte & 0x7f)).toString("latin1");

/** `lose` may swallow or change what the meter says. */
export function talk(recording: Uint8Array, options: MeterOptions = {}, plan: Partial<Plan> = {}, o: { more?: Uint8Array[]; lose?: (bytes: Uint8Array, atMs: number) => Uint8Array } = {}): Talk {
  const meter = makeMeter(recording, options, o.more);
  const c = makeConversation({ ...plainReadout, ...plan });
  const t: Talk = { end: "", readouts: [], reads: [], bauds: [], tookMs: 0, meter, conversation: c, sent: [], firstMs: -1 };
  let now = 0;
  let port = 0;
  const take = (effects: readonly Effect[]): void => {
    for (const e of effects) {
      if (e.do === "send") { t.sent.push(said(e.bytes)); meterHears(meter, e.bytes, port, now); }
      else if (e.do === "baud") { if (port !== e.baud) t.bauds.push(e.baud); port = e.baud; }
      else if (e.do === "readout") { t.readouts.push(e.readout); t.reads.push(e.read); }
      else t.end = e.do === "failed" ? e.why : e.do;
    }
  };
  take(begin(c, now));
  for (let turns = 0; t.end === ""; turns++) {
    if (turns > 50_000) throw new Error("The conversation does not end.");
    const wakes = meterWakes(meter);
    now = Math.max(now, wakes < 0 ? c.wakeAtMs : Math.min(wakes, c.wakeAtMs));
    const heard = meterSays(meter, port, now);
    const bytes = o.lose === undefined ? heard : o.lose(heard, now);
    if (bytes.length > 0) take(hear(c, bytes, now));
    if (t.end === "") take(poll(c, now));
  }
  t.tookMs = now;
  return t;
}
