/**
 * Hostile bytes and hostile structure at everything that reads bytes from outside: deframers, link, scan, reader, each decoder
 * of `wire/`, the COSE readers. From a seed: the same inputs on every machine. Held for each input:
 * nothing throws, nothing allocates beyond a factor of the input; `scan` says of it what cborg says of our subset, and cbor-x reads alike
 * what `scan` takes; a decoder that takes it encodes it back to the same bytes, and the grammar takes it too.
 */
import { scan } from "../../protocol/wire/cbor.js";
import * as cose from "../../protocol/wire/cose.js";
import * as m from "../../protocol/wire/message.js";
import { decodeAnswerB } from "../../protocol/wire/message-b.js";
import { readEnvelope, unpad } from "../../protocol/wire/envelope.js";
import { readClaimCode, splitMac } from "../../protocol/wire/claim.js";
import { fromUtf8, utf8 } from "../../protocol/wire/bytes.js";
import { deframer, encodeFrame, feed, type Wrapping } from "../../protocol/link/frame.js";
import { encodeBase45, decodeBase45, readBeaconText } from "../../protocol/link/beacon.js";
import { makeLink, poll, receive } from "../../protocol/link/link.js";
import { media } from "../../protocol/link/media.js";
import { seeded, toHex, type Random } from "../published.js";
import { generate, matches, outerLayer } from "../wire/cddl.js";
import { codecs, grammar, grammarText, kin, makers } from "../wire/codecs.js";
import { decodeStrictly, isOurs, readAlike } from "../wire/cborg.js";
import { corpus, publishedItems } from "./corpus.js";
import { encodeFlawed, encodeTree, flaws, harmed } from "./tree.js";

export interface FuzzRun { seeds: number; from: number; progress?: (done: number, of: number) => void }
/** `taken`: how many inputs some decoder took; a run in which none was taken has shown nothing. */
export interface Fuzzed { inputs: number; taken: number; wellFormed: number; finds: string[] }

const outer = outerLayer(grammarText);
const rules = Object.keys(codecs);

/** Inputs of seeds `from` … `from + seeds − 1`, one a seed, after the corpus. */
export function run(o: FuzzRun): Fuzzed {
  const all: Fuzzed = { inputs: 0, taken: 0, wellFormed: 0, finds: [] };
  for (const item of corpus()) judge(item.bytes, `corpus: ${item.why}`, all);
  const starts = [...corpus().map((item) => item.bytes), ...publishedItems()];
  for (let seed = o.from; seed < o.from + o.seeds && all.finds.length < 50; seed++) {
    if (seed % 1000 === 0) o.progress?.(seed - o.from, o.seeds);
    judge(input(seeded(seed), starts), `seed ${seed}`, all);
  }
  o.progress?.(o.seeds, o.seeds);
  return all;
}

// ---- inputs --------------------------------------------------------------------------------------------------------------

function input(random: Random, starts: Uint8Array[]): Uint8Array {
  const how = random.below(10);
  if (how === 0) return random.bytes(random.below(random.below(10) === 0 ? 3000 : 60));
  if (how < 4) return edited(starts[random.below(starts.length)]!, random);
  if (how === 4) return monster(random);
  const item = decodeStrictly(generate(grammar, rules[random.below(rules.length)]!, () => random.below(2 ** 32) / 2 ** 32, makers));
  if (how === 5) return encodeFlawed(item, flaws[random.below(flaws.length)]!, random.below(5)) ?? encodeTree(item);
  let tree: unknown = item;
  for (let times = random.below(4); times > 0; times--) tree = harmed(tree, random);
  return how === 6 ? edited(encodeTree(tree), random) : encodeTree(tree);
}

/** One to four bytes changed, dropped, inserted, or a stretch copied over another. */
function edited(start: Uint8Array, random: Random): Uint8Array {
  const bytes = [...start];
  for (let times = 1 + random.below(4); times > 0; times--) {
    const at = random.below(bytes.length + 1);
    const how = random.below(6);
    if (how === 0) bytes.splice(at, 1 + random.below(4));
    else if (how === 1) bytes.splice(at, 0, ...random.bytes(1 + random.below(4)));
    else if (how === 2 && at < bytes.length) bytes[at]! ^= 1 << random.below(8);
    else if (how === 3 && at < bytes.length) bytes[at] = [0, 0x18, 0x1b, 0x40, 0x5b, 0x5f, 0x80, 0x9b, 0x9f, 0xa0, 0xbb, 0xbf, 0xc0, 0xdb, 0xf6, 0xf7, 0xfb, 0xff][random.below(18)]!;
    else if (how === 4) bytes.splice(at, 0, ...bytes.slice(random.below(bytes.length + 1)).slice(0, random.below(40)));
    else bytes.length = at;
  }
  return Uint8Array.from(bytes);
}

/** Deep nesting, counts of up to 2^64 − 1 with nothing behind them, long strings of heads. */
function monster(random: Random): Uint8Array {
  const times = random.below(random.below(5) === 0 ? 2000 : 30);
  const head = [[0x81], [0xa1, 0], [0x9f], [0xbf], [0xc1], [0xd8, 0x18], [0x5f], [0x7f], [0xa1, 0x81]][random.below(9)]!;
  const count = [[0x9a, 255, 255, 255, 255], [0x9b, 255, 255, 255, 255, 255, 255, 255, 255], [0xbb, 0, 0x1f, 255, 255, 255, 255, 255, 255], [0x5a, 127, 255, 255, 255],
    [0x7b, 0, 0, 0, 1, 0, 0, 0, 0], [0xba, 0, 1, 0, 0], [0x00], [0x80], [0x1b, 0, 0x20, 0, 0, 0, 0, 0, 0], [0x3b, 0, 0x1f, 255, 255, 255, 255, 255, 255]][random.below(10)]!;
  return Uint8Array.from([...Array.from({ length: times }, () => head).flat(), ...count, ...random.bytes(random.below(8))]);
}

// ---- judgement -----------------------------------------------------------------------------------------------------------

/** Adds what is wrong with the readers of this input, found by trying them all. */
export function judge(bytes: Uint8Array, where: string, all: Fuzzed): void {
  all.inputs++;
  const finds: string[] = [];
  const find = (what: string): void => { finds.push(what); };
  const ours = attempt("scan", () => scan(bytes), find) === true;
  if (ours) all.wellFormed++;
  if (ours !== isOurs(bytes, false)) find(`scan says ${ours}, cborg the other`);
  const tagged = attempt("scan with tags", () => scan(bytes, true), find) === true;
  if (tagged !== isOurs(bytes, true)) find(`scan with tags says ${tagged}, cborg the other`);
  if (ours && attempt("cbor-x", () => readAlike(bytes), find) === false) find("cbor-x reads it otherwise");
  if (judgeDecoders(bytes, tagged, find)) all.taken++;
  judgeCose(bytes, find);
  judgeLine(bytes, find);
  judgeText(bytes, find);
  for (const what of finds) all.finds.push(`${where}: ${what}: ${toHex(bytes.subarray(0, 200))}`);
}

function attempt<T>(name: string, call: () => T, find: (what: string) => void): T | undefined {
  try {
    return call();
  } catch (e) {
    find(`${name} threw ${(e as Error).message}`);
    return undefined;
  }
}

function judgeDecoders(bytes: Uint8Array, tagged: boolean, find: (what: string) => void): boolean {
  let taken = false;
  for (const [rule, codec] of Object.entries(codecs)) {
    const [again, allocated] = counted(() => attempt(rule, () => codec(bytes), find));
    if (allocated > 4096 + 40 * bytes.length) find(`${rule} allocates ${allocated} bytes for ${bytes.length}`);
    if (again === undefined || again.length === 0) continue;
    taken = true;
    if (!tagged) find(`${rule} takes what scan refuses`);
    else if (toHex(again) !== toHex(bytes)) find(`${rule} writes ${toHex(again)}`);
    else if (![rule, ...(kin[rule] ?? [])].some((name) => matches(outer, name, bytes))) find(`${rule} takes what the grammar refuses`);
  }
  for (const read of [m.messageType, m.helloVersion, m.itemsOf, decodeAnswerB, readEnvelope]) attempt(read.name, () => read(bytes), find);
  return taken;
}

/** What `call` asks of the memory in byte strings: every constructor call in the core goes through the global name. */
function counted<T>(call: () => T): [T, number] {
  const real = globalThis.Uint8Array;
  let allocated = 0;
  globalThis.Uint8Array = new Proxy(real, {
    construct(target, args: [number | ArrayLike<number>]) {
      allocated += typeof args[0] === "number" ? args[0] : args[0].length;
      return Reflect.construct(target, args) as Uint8Array;
    },
  });
  try {
    return [call(), allocated];
  } finally {
    globalThis.Uint8Array = real;
  }
}

function judgeCose(bytes: Uint8Array, find: (what: string) => void): void {
  const isTagged = bytes.length > 0 && bytes[0]! >> 5 === 6;
  const same = (name: string, again: Uint8Array | undefined): void => { if (again !== undefined && toHex(again) !== toHex(bytes)) find(`${name} writes ${toHex(again)}`); };
  same("Sign1", attempt("Sign1", () => { const x = cose.decodeSign1(bytes); return x && cose.encodeSign1(x, isTagged); }, find));
  same("Mac0", attempt("Mac0", () => { const x = cose.decodeMac0(bytes); return x && cose.encodeMac0(x, isTagged); }, find));
  same("Encrypt0", attempt("Encrypt0", () => { const x = cose.decodeEncrypt0(bytes); return x && cose.encodeEncrypt0(x, isTagged); }, find));
  same("Encrypt", attempt("Encrypt", () => { const x = cose.decodeEncrypt(bytes); return x && cose.encodeEncrypt(x.outer, x.recipient, isTagged); }, find));
}

/** As a line's bytes: whole or one by one the same frames, none longer than a frame can be, and the link holds no more than a message. */
function judgeLine(bytes: Uint8Array, find: (what: string) => void): void {
  for (const medium of [media.serial, media.infrared]) {
    const wrapping: Wrapping = medium.wrapping;
    attempt(`${wrapping.name} deframer`, () => {
      const whole = feed(deframer(wrapping), bytes);
      const single = deframer(wrapping);
      const pieces = [...bytes].flatMap((byte) => feed(single, Uint8Array.of(byte)));
      if (JSON.stringify(whole) !== JSON.stringify(pieces)) find(`${wrapping.name} frames depend on how the bytes come`);
      for (const frame of whole) if (frame.payload.length > 1024) find(`${wrapping.name} frame of ${frame.payload.length} bytes`);
    }, find);
    attempt(`${medium.name} link`, () => {
      const link = makeLink(medium, false);
      receive(link, bytes, 0);
      // As a frame of its own, check sums right: what a hostile neighbour can always do.
      receive(link, encodeFrame(wrapping, { link: bytes.length > 0 ? bytes[0]! : 0, payload: bytes.subarray(1, 1024) }, 0), 1);
      poll(link, 100);
      if (link.arrivingBytes > 2049 || link.queue.length > 0) find(`${medium.name} link holds ${link.arrivingBytes} bytes`);
    }, find);
  }
}

function judgeText(bytes: Uint8Array, find: (what: string) => void): void {
  attempt("text", () => {
    const text = fromUtf8(bytes);
    const theirs = isUtf8(bytes);
    if ((text !== undefined) !== theirs) find(`UTF-8 is ${theirs ? "good" : "bad"}`);
    if (text !== undefined && toHex(utf8(text)) !== toHex(bytes)) find("UTF-8 comes back otherwise");
    readClaimCode(Buffer.from(bytes).toString("latin1"));
    readBeaconText(Uint8Array.from([...Buffer.from("KST:"), ...bytes]));
    const decoded = decodeBase45(bytes);
    if (decoded !== undefined && encodeBase45(decoded) !== Buffer.from(bytes).toString("latin1")) find("base45 comes back otherwise");
    if (Buffer.compare(decodeBase45(Buffer.from(encodeBase45(bytes))) ?? Buffer.from("none"), bytes) !== 0) find("base45 does not bring the bytes back");
    unpad(bytes);
    splitMac(bytes);
  }, find);
}

function isUtf8(bytes: Uint8Array): boolean {
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    return true;
  } catch {
    return false;
  }
}
