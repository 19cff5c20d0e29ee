/** Recordings of meters: their bytes, the readouts in them, and which of these may be billed. */
import { readFileSync, statSync } from "node:fs";
import { faultOf } from "../node/fault.js";
import { household, judge, type Earlier, type Judgement } from "../../protocol/metering/billable.js";
import { end, feed, makeReader } from "../../protocol/metering/reader.js";
import type { Protocol, Readout } from "../../protocol/metering/reading.js";
import type { Opener } from "../../protocol/metering/sealed.js";
import { boardFault } from "../../runtime/journal/store.js";

/** No recording is longer: a meter at 115,200 baud fills it in three hours. */
const recordingBytesMax = 128 * 1024 * 1024;

/** The bytes of a recording's file, hexadecimal text taken for what it means. */
export function readRecording(path: string): Uint8Array {
  try {
    const found = statSync(path);
    if (!found.isFile() || found.size > recordingBytesMax) throw boardFault("denied", `${path} is no recording of a meter.`);
    return withoutHexadecimal(new Uint8Array(readFileSync(path)));
  } catch (error) {
    throw (error as { code?: string }).code === "ENOENT" ? boardFault("absent", `There is no file ${path}.`) : faultOf(error, path);
  }
}

export function withoutHexadecimal(bytes: Uint8Array): Uint8Array {
  if (!bytes.every((byte) => byte < 128)) return bytes;
  const digits = Buffer.from(bytes).toString("latin1").replace(/\s/g, "");
  return digits.length >= 2 && /^([0-9a-f]{2})+$/i.test(digits) ? new Uint8Array(Buffer.from(digits, "hex")) : bytes;
}

/** All readouts in these bytes. */
export function fromBytes(bytes: Uint8Array, protocol: Protocol | undefined, opener: Opener | undefined): Readout[] {
  const reader = makeReader({ protocol, opener });
  return [...feed(reader, bytes), ...end(reader)];
}

export interface Judged { readonly readout: Readout; readonly judgement: Judgement }

/** Each readout by the one before it, and by the last of the same meter that may be billed. When they were read is not known. */
export function judgeAll(readouts: readonly Readout[]): Judged[] {
  const judged: Judged[] = [];
  let before: Readout | undefined;
  const billed = new Map<string, Readout>();
  for (const readout of readouts) {
    const last = billed.get(readout.identification);
    const earlier = (one: Readout | undefined): Earlier | undefined => (one === undefined ? undefined : { readout: one, ageMs: undefined });
    const judgement = judge(readout, earlier(before), earlier(last), household);
    judged.push({ readout, judgement });
    before = readout;
    if (judgement.billable) billed.set(readout.identification, readout);
  }
  return judged;
}
