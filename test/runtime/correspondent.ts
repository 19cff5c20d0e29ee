/**
 * The other end of sync for tests: opens letters with the host's real key, takes entries by their place in the chain, and
 * answers each letter once; what a test changes is what goes wrong on the road or in its books.
 */
import { crypto, publicOf, secretOf, start, type Station } from "../session/world.js";
import { copy, equal, hex, join } from "../../protocol/wire/bytes.js";
import { decodeMessage, encodeMessage, openEnvelope, readEnvelope, sealEnvelope, type Message } from "../../protocol/wire/envelope.js";
import { decodeSigned, encodeSigned, keyId, objectToSign, signObject } from "../../protocol/wire/signed.js";
import * as s from "../../protocol/wire/sync.js";
import { encodeTime } from "../../protocol/wire/trust.js";
import { failed, makeSync, nextLetter, takeAnswer, type Slot, type Sync } from "../../runtime/sync/sync.js";

export interface Correspondent {
  /** Taken entries, the first has sequence 1. */
  entries: Uint8Array[];
  /** Letters as they were read, in the order of their arrival. */
  letters: Message[];
  news: Partial<s.News>;
  /** Answers a renewal. */
  renew: (x: s.Renewal) => Uint8Array;
  /** Answers by sequence, as a host keeps them. */
  answers: Map<number, Uint8Array>;
  at: () => number;
}
export const makeCorrespondent = (): Correspondent =>
  ({ entries: [], letters: [], news: {}, renew: () => new Uint8Array(0), answers: new Map(), at: () => start });

/** Takes a letter; the same one again gets the stored answer again. */
export function receive(c: Correspondent, station: Station, bytes: Uint8Array): Uint8Array | undefined {
  const provider = station.world.provider;
  const sealed = readEnvelope(bytes)!;
  const secret = provider.secrets["envelope"]!;
  const signed = decodeSigned(openEnvelope(crypto, sealed, publicOf(secret), crypto.agree(secret, sealed.ephemeral)!)!)!;
  const message = decodeMessage(signed.claims)!;
  c.letters.push(message);
  const known = c.answers.get(message.sequence);
  if (known !== undefined) return known;
  const answer = seal(station, message, answerTo(c, station, message), signed.kid, c.at());
  c.answers.set(message.sequence, answer);
  return answer;
}

export function seal(station: Station, to: { sequence: number; type: number }, body: Uint8Array, kid: Uint8Array, at: number): Uint8Array {
  const agreement = publicOf(station.board.keys.secrets.get("agreement")!);
  const sender = station.world.provider.secrets["sender"]!;
  const own = keyId(crypto, publicOf(sender));
  const claims = encodeMessage({
    recipient: keyId(crypto, agreement), at, quality: 3, sequence: 7, type: to.type + s.answerBit, body, answers: { sequence: to.sequence, kid }, certificate: undefined,
  });
  const letter = encodeSigned("message", own, claims, crypto.sign(sender, objectToSign("message", own, claims)), false);
  return sealEnvelope(crypto, letter, { ephemeral: secretOf("ephemeral"), nonce: new Uint8Array(12), recipientKey: agreement, least: 0 })!;
}

function answerTo(c: Correspondent, station: Station, m: Message): Uint8Array {
  switch (m.type) {
    case s.messageType.records: return s.encodeBatchTaken({ through: take(c, s.decodeBatch(m.body)!) });
    case s.messageType.pull: return s.encodeNews(newsOf(c, station, s.decodePull(m.body)!));
    case s.messageType.renew: return c.renew(s.decodeRenewal(m.body)!);
    default: return s.encodeHandoverQuestion({ number: 0, by: new Uint8Array(8), receipt: new Uint8Array(0), proof: new Uint8Array(0) });
  }
}

function take(c: Correspondent, batch: s.Batch): number {
  if (batch.first > c.entries.length + 1) return c.entries.length;
  batch.entries.forEach((entry, i) => {
    const sequence = batch.first + i;
    if (sequence > c.entries.length) c.entries.push(entry.slice());
    else if (!equal(entry, c.entries[sequence - 1]!)) throw new Error(`entry ${sequence} was another one`);
  });
  if (batch.entries.length > 0 && batch.first + batch.entries.length - 1 === c.entries.length && !equal(batch.head, headOf(c))) throw new Error("another chain");
  return c.entries.length;
}
export const headOf = (c: Correspondent): Uint8Array => c.entries.reduce<Uint8Array>((head, entry) => copy(crypto.sha256(join([head, entry])), 0, 16), new Uint8Array(16));

function newsOf(c: Correspondent, station: Station, pull: s.Pull): s.News {
  const time = signObject(crypto, "time", station.world.provider.secrets["status"]!, encodeTime({ issuer: station.world.provider.name, at: c.at(), nonce: pull.nonce }));
  return { time, configuration: new Uint8Array(0), list: new Uint8Array(0), deltas: [], roles: [], terminals: [], terminalsNumber: pull.knownTerminals, group: new Uint8Array(0), ...c.news };
}

/** What befalls one letter. */
export type Road = "through" | "lost" | "answer lost" | "twice" | "garbage";

/** Carries letters until nothing more is to be said at this moment, or `most` were; answers how many were carried. */
export function talk(sync: Sync, c: Correspondent, station: Station, road: (n: number) => Road = () => "through", most = 50, slot: Slot = "talk"): number {
  for (let n = 0; n < most; n++) {
    const letter = nextLetter(sync, slot);
    if (letter === undefined) return n;
    const what = road(n);
    if (what === "lost") { failed(sync, slot); continue; }
    const answer = receive(c, station, letter)!;
    if (what === "twice" && hex(receive(c, station, letter)!) !== hex(answer)) throw new Error("another answer");
    if (what === "answer lost") failed(sync, slot);
    else if (what === "garbage") takeAnswer(sync, slot, answer.map((byte, i) => (i === 40 ? byte ^ 1 : byte)));
    else takeAnswer(sync, slot, answer);
  }
  return most;
}
export const syncOf = (station: Station): Sync => makeSync(station.terminal);
