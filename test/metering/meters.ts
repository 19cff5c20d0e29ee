/** Recordings and what must come out of them, and the reader as tests use it: bytes in, readouts and verdicts out. */
import { readFileSync } from "node:fs";
import { fromBytes, judgeAll, readRecording } from "../../boards/bench/recording.js";
import { end, feed, makeReader } from "../../protocol/metering/reader.js";
import type { Protocol, Readout } from "../../protocol/metering/reading.js";
import { makeOpener, type Opener } from "../../protocol/metering/sealed.js";
import { nodeCrypto } from "../../protocol/crypto/node/node.js";

const folder = new URL("../vectors/meters/", import.meta.url);

export interface Expected {
  integrity: string;
  identification?: string;
  data_sets?: number;
  /** code, text, unit. */
  sample?: [string, string, string][];
  frames_good?: number;
  first_good_frame?: { obis: string; unit: number | null; scaler: number | null; value: number | string }[];
}
export const expected = JSON.parse(readFileSync(new URL("expected.json", folder), "utf8")) as Record<string, Expected>;
export const names = Object.keys(expected).sort();
export const recording = (name: string): Uint8Array => readRecording(new URL(name, folder).pathname);
export const textFile = (name: string): string => readFileSync(new URL(name, folder), "latin1");

export const read = (bytes: Uint8Array, protocol?: Protocol, opener?: Opener): Readout[] => fromBytes(bytes, protocol, opener);
export const verdicts = (bytes: Uint8Array, protocol?: Protocol): string[] => judgeAll(read(bytes, protocol)).map((j) => (j.judgement.billable ? "billable" : j.judgement.reason));

/** The same bytes, in pieces of this size. */
export function readInPieces(bytes: Uint8Array, size: number, opener?: () => Opener): Readout[] {
  const reader = makeReader({ protocol: undefined, opener: opener?.() });
  const readouts: Readout[] = [];
  for (let at = 0; at < bytes.length; at += size) readouts.push(...feed(reader, bytes.subarray(at, at + size)));
  return [...readouts, ...end(reader)];
}

/** The keys that stand beside two published examples. */
export const keys: Record<string, () => Opener> = {
  "dsmr-p1/encrypted_luxembourg_spec-example.hex.txt": () => openerOf("0123456789abcdef0123456789abcdef", "ffeeddccbbaa99887766554433221100"),
  "dlms/mbus-austria-example-1.txt": () => openerOf("36c66639e48a8ca4d6bc8b282a793bbb"),
};
export const openerOf = (key: string, authentication?: string): Opener =>
  makeOpener(nodeCrypto, new Uint8Array(Buffer.from(key, "hex")), authentication === undefined ? undefined : new Uint8Array(Buffer.from(authentication, "hex")));
