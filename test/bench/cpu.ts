/**
 * Processor time of a tap at the terminal: the whole of it (link, CBOR, session, rules, journal in memory, book), against the
 * bare library calls that it cannot do without. Both run in turn, round after round, so the ratio holds on a busy machine.
 */
import { bareNative, bareNoble, operations, type Bare } from "./bare.js";
import { interleaved, median, spent, type Figure, type Measure, type Options, type Table } from "./measure.js";
import { choose, makePhone, makeScene, season, singleUse, tapOnce, type Scene, type Turn } from "./scene.js";
import { nobleCrypto } from "../../protocol/crypto/noble/noble.js";
import { nodeCrypto } from "../../protocol/crypto/node/node.js";
import type { Crypto } from "../../protocol/crypto/crypto.js";
import type { Phone } from "../session/world.js";

interface Timed { terminal: number; handset: number }

/** A gate and the taps at it, one a call. A handset's first tap fetches the certificate and is not timed. */
function taps(crypto: Crypto, earlierReceipt: boolean): () => Timed {
  const scene = makeScene("ticket", { crypto, journalPages: 64 });
  let visit = newVisit(scene, earlierReceipt);
  return () => {
    if (visit.left === 0) visit = newVisit(scene, earlierReceipt);
    visit.left--;
    if (!earlierReceipt) choose(visit.phone, visit.tickets[visit.left]!);
    return timedTap(visit.phone, scene);
  };
}

const tapsOfAVisit = 16;
function newVisit(scene: Scene, earlierReceipt: boolean) {
  const tickets = Array.from({ length: tapsOfAVisit + 1 }, () => (earlierReceipt ? season : singleUse)(scene.world));
  const phone = makePhone(scene.world, ...(earlierReceipt ? [tickets[0]!] : tickets));
  choose(phone, tickets[earlierReceipt ? 0 : tapsOfAVisit]!);
  timedTap(phone, scene);
  return { phone, tickets, left: tapsOfAVisit };
}

function timedTap(phone: Phone, scene: Scene): Timed {
  const took: Timed = { terminal: 0, handset: 0 };
  const turn = (side: keyof Timed): Turn => (work) => { took[side] += spent(work); };
  tapOnce(phone, scene.gate, { turn: turn("terminal"), handsetTurn: turn("handset") });
  if (scene.gate.codes().at(-1) !== 0) throw new Error("A tap to time was refused.");
  return took;
}

interface Compared { tap: number; bare: number; ratios: number[]; handset: number }

/** Rounds of one tap and one time the bare calls; the first ones, in which the engine compiles, do not count. */
function compare(crypto: Crypto, bare: Bare, earlierReceipt: boolean, rounds: number, warming: number): Compared {
  const tap = taps(crypto, earlierReceipt);
  const found: Timed[] = [];
  const bares: number[] = [];
  for (let round = 0; round < warming + rounds; round++) {
    found.push(tap());
    bares.push(spent(() => bare.tap(round, earlierReceipt)));
  }
  const counted = found.slice(-rounds);
  const floors = bares.slice(-rounds);
  return {
    tap: median(counted.map((t) => t.terminal)), bare: median(floors), handset: median(counted.map((t) => t.handset)),
    ratios: counted.map((t, i) => t.terminal / floors[i]!).sort((a, b) => a - b),
  };
}

const floorOf = "the same cryptography by bare library calls: 1 key made, 2 agreed, 1 signature made, 3 verified (4 with an earlier receipt), 1 public key imported (none with an earlier receipt: the holder was here before), 5 messages sealed or opened";

function figuresOf(what: string, c: Compared): Figure[] {
  return [{ what, value: c.tap, unit: "µs", floor: { value: c.bare, of: floorOf }, goal: { timesFloor: 1.5 } }];
}
const spread = (what: string, c: Compared): string =>
  `${what}, round by round: ${c.ratios[0]!.toFixed(2)} least, ${median(c.ratios).toFixed(2)} median, ${c.ratios.at(-1)!.toFixed(2)} most times the floor`;

async function run(o: Options): Promise<Table[]> {
  const rounds = o.quick ? 150 : 600;
  const cases: [string, Crypto, Bare, boolean, number][] = [
    ["ticket, native back end", nodeCrypto, bareNative, false, rounds], ["  with an earlier receipt", nodeCrypto, bareNative, true, rounds],
    ["ticket, portable back end", nobleCrypto, bareNoble, false, rounds / 10], ["  with an earlier receipt, portable", nobleCrypto, bareNoble, true, rounds / 10],
  ];
  const found = cases.map(([what, crypto, bare, earlier, count]) => {
    o.say(`  ${what.trim()}`);
    return { what, compared: compare(crypto, bare, earlier, count, crypto === nodeCrypto ? (o.quick ? 400 : 1200) : 10) };
  });
  const single = interleaved(rounds / 10, operations.map(([, , work]) => work), 10, spent);
  return [
    { title: "Processor time of a tap at the terminal, profile A", figures: found.flatMap((f) => figuresOf(f.what, f.compared)), notes: found.map((f) => spread(f.what.trim(), f.compared)) },
    { title: "What the native floor consists of", figures: operations.map(([what, times], i) => ({ what: `${what}, ${times} a tap`, value: median(single[i]!), unit: "µs" })), notes: [] },
    { title: "Processor time of a tap at the handset, native back end", figures: found.slice(0, 2).map((f) => ({ what: f.what, value: f.compared.handset, unit: "µs" })), notes: ["wallet on memory; a phone's key store signs slower"] },
  ];
}

export const cpu: Measure = { name: "cpu", summary: "processor time of a tap against its bare cryptography", run };
