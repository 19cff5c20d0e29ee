/**
 * The small work of a tap, one piece at a time: reading what a handset shows, frames, rules, a status bit. Each beside what
 * others take for the same, or beside the least that the machine can do.
 */
import { crc32 } from "node:zlib";
import { Decoder } from "cbor-x";
import { decode as decodeCborg } from "cborg";
import { interleaved, median, spent, type Figure, type Measure, type Options, type Table } from "./measure.js";
import { season, singleUse } from "./scene.js";
import { cobs, deframer, encodeFrame, feed } from "../../protocol/link/frame.js";
import { clause, encodeRule, evaluate, type RuleFacts } from "../../protocol/rule.js";
import { scan } from "../../protocol/wire/cbor.js";
import { decodeShown, encodePresentation, encodeShown } from "../../protocol/wire/message.js";
import { statusAt, withStatus } from "../../protocol/wire/trust.js";
import { decodeValue } from "../../protocol/wire/value.js";
import { makeWorld, start, ticket } from "../session/world.js";
import { sir } from "../../protocol/link/sir.js";

const calls = 2000;
const rounds = (o: Options): number => (o.quick ? 30 : 100);

/** Median nanoseconds a call of each kind of work. */
function nanoseconds(o: Options, ...works: ((i: number) => void)[]): number[] {
  return interleaved(rounds(o), works, calls, spent).map((found) => median(found) * 1000);
}

function reading(o: Options): Table {
  const sold = singleUse(makeWorld());
  const shown = encodeShown({ intent: 0, value: sold.signed, newest: undefined, proof: new Uint8Array(64).fill(9), acknowledged: undefined, undone: undefined, certificate: undefined });
  const cborX = new Decoder({ mapsAsObjects: false });
  const buffers = { shown: Buffer.from(shown), claims: Buffer.from(sold.claims) };
  const [ours, scanned, x, g] = nanoseconds(o,
    () => { if (decodeShown(shown) === undefined || decodeValue(sold.claims) === undefined) throw new Error("A presentation does not read."); },
    () => { scan(shown); scan(sold.claims); },
    () => { cborX.decode(buffers.shown); cborX.decode(buffers.claims); },
    () => { decodeCborg(shown); decodeCborg(sold.claims, { useMaps: true }); },
  );
  const floor = { value: Math.min(x!, g!), of: "the quicker of cbor-x and cborg on the same bytes, which leaves them unchecked maps and arrays" };
  return { title: `Reading a presentation (${shown.length} bytes, its claims ${sold.claims.length} of them)`, figures: [
    { what: "strictly, into checked records", value: ours!, unit: "ns", floor }, { what: "  of which the scan for determinism", value: scanned!, unit: "ns" },
    { what: "cbor-x", value: x!, unit: "ns" }, { what: "cborg", value: g!, unit: "ns" },
  ], notes: [] };
}

function framing(o: Options): Table {
  const payload = encodePresentation(new Uint8Array(32).fill(7), Uint8Array.from({ length: 280 }, (_, i) => (i * 89 + 13) & 255));
  const frame = encodeFrame(cobs, { link: 132, payload }, 0);
  const infrared = encodeFrame(sir, { link: 132, payload }, 10);
  const receiver = deframer(cobs);
  const seeing = deframer(sir);
  const target = new Uint8Array(frame.length);
  const [encoded, decoded, encodedSir, decodedSir, copied] = nanoseconds(o,
    () => { encodeFrame(cobs, { link: 132, payload }, 0); },
    () => { if (feed(receiver, frame).length !== 1) throw new Error("A frame was lost."); },
    () => { encodeFrame(sir, { link: 132, payload }, 10); },
    () => { if (feed(seeing, infrared).length !== 1) throw new Error("A frame was lost."); },
    () => { target.set(frame); crc32(frame); },
  );
  const floor = { value: copied!, of: "copying those bytes, and their CRC-32 by the machine's own library" };
  const row = (what: string, value: number): Figure => ({ what: `${what}: ${((frame.length * 1000) / value).toFixed(0)} MB/s`, value, unit: "ns", floor });
  return { title: `Frames of ${frame.length} bytes`, figures: [row("serial, encode", encoded!), row("serial, decode", decoded!), row("infrared, encode", encodedSir!), row("infrared, decode", decodedSir!)], notes: [] };
}

function ruling(o: Options): Table {
  const world = makeWorld();
  const simple = season(world).value;
  const rich = ticket(world, { most: 10, rule: encodeRule([[clause.perDay, 3], [clause.interval, 600], [clause.passage, 0], [clause.active, start - 10, start + 10_000], [clause.hours, 480, 1320, 127, 540]]) }).value;
  const facts: RuleFacts = { action: 1, amount: 1, at: start + 5000, quality: 2, spent: 1, lastAction: 2, lastAt: start - 5000, usesToday: 1, zones: [1] };
  const [one, five] = nanoseconds(o, () => { evaluate(simple, facts); }, () => { evaluate(rich, facts); });
  return { title: "Evaluating a rule", figures: [{ what: "one clause", value: one!, unit: "ns" }, { what: "five clauses", value: five!, unit: "ns" }], notes: [] };
}

const lookups = 100;
function standing(o: Options): Table {
  const values = 1_000_000;
  const bits = withStatus(new Uint8Array(values / 4), Array.from({ length: values / 100 }, (_, i) => i * 100), 1);
  const index = Int32Array.from({ length: lookups }, (_, i) => (i * 7919) % values);
  let sum = 0;
  const [looked, read] = nanoseconds(o, () => { for (let i = 0; i < lookups; i++) sum += statusAt(bits, index[i]!); }, () => { for (let i = 0; i < lookups; i++) sum += bits[index[i]! >> 2]!; }).map((ns) => ns / lookups);
  if (sum === 0) throw new Error("Nothing was looked up.");
  return { title: "Status of one value in a million, one in a hundred of them revoked", figures: [
    { what: "looked up", value: looked!, unit: "ns", floor: { value: read!, of: "reading that byte of the array" } }, { what: "memory of the list", value: bits.length / 1000, unit: "KB" },
  ], notes: [] };
}

export const core: Measure = {
  name: "core", summary: "reading, frames, rules and status, piece by piece",
  run: async (o) => [reading(o), framing(o), ruling(o), standing(o)],
};
