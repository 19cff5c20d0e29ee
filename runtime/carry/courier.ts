/**
 * The handset's half of carrying letters: before a terminal's line it does one job after the other, each a letter brought,
 * an answer fetched, or all of the terminal's own letters taken along (S7). It owns no clock and no timer, as the terminal.
 *
 * It does not read what it carries. Letters that it took along are known by their digest, so the same one again is the same.
 */
import type { Clock, Serial } from "../board.js";
import type { Crypto } from "../../protocol/crypto/crypto.js";
import * as links from "../../protocol/link/link.js";
import type { Medium } from "../../protocol/link/media.js";
import { limits } from "../../protocol/limits.js";
import { copy, equal } from "../../protocol/wire/bytes.js";
import type { SignedClaims } from "../../protocol/wire/certificate.js";
import {
  brought, decodeBrought, decodePiece, encodeBring, encodeFetch, fetching, isWhole, letterId, pieceOf, pieceOverheadBytes, takePiece, type Arriving,
} from "../../protocol/wire/carry.js";
import { asking, decodeCertificate, decodeHello, encodeAsk, messageType, type, type Hello } from "../../protocol/wire/message.js";

export type Job =
  /** Bring this letter. */
  | { job: "bring"; letter: Uint8Array }
  /** Fetch the answer to the letter of this id; it may take a moment, until `untilMs`. */
  | { job: "answer"; id: Uint8Array; untilMs: number }
  /** Take along what the terminal wants carried. */
  | { job: "collect" }
  /** Learn the terminal's certificate. */
  | { job: "certificate" };

/** What came of a job: `code` of `brought`, the answer, the letters, the certificate; `failed`: the line or the terminal gave up. */
export type Done =
  | { done: "brought"; id: Uint8Array; code: number }
  | { done: "answer"; id: Uint8Array; answer: Uint8Array | undefined }
  | { done: "collected"; letters: Uint8Array[] }
  | { done: "certificate"; certificate: SignedClaims | undefined }
  | { done: "failed" };

export interface Courier {
  readonly clock: Clock;
  readonly crypto: Crypto;
  readonly line: Serial;
  readonly messageBytesMax: number;
  link: links.Link;
  hello: Hello | undefined;
  wakeAtMs: number;
  jobs: Job[];
  /** Asked and not answered since then, or −1. Not asked again before `pauseUntilMs`. */
  askedMs: number;
  pauseUntilMs: number;
  from: number;
  most: number;
  arriving: Arriving | undefined;
  last: Uint8Array;
  collected: Uint8Array[];
  onDone: ((d: Done) => void) | undefined;
}

const wakeEveryMs = 300;
/** An answer that is not there yet is asked for again so often. */
const answerEveryMs = 250;

export function makeCourier(clock: Clock, crypto: Crypto, line: Serial, medium: Medium, messageBytesMax: number): Courier {
  return {
    clock: clock, crypto: crypto, line: line, messageBytesMax: messageBytesMax, link: links.makeLink(medium, true), hello: undefined, wakeAtMs: clock.monotonicMs(), jobs: [], askedMs: -1,
    pauseUntilMs: 0, from: 0, most: 512 - pieceOverheadBytes, arriving: undefined, last: none, collected: [], onDone: undefined,
  };
}

/** Adds a job behind those that wait. */
export function give(c: Courier, job: Job): void {
  c.jobs.push(job);
}

/** Looks at the line once, and goes on; answers the monotonic millisecond of the next call at the latest, or −1. */
export function pollCourier(c: Courier): number {
  const now = c.clock.monotonicMs();
  for (let bytes = c.line.read(); bytes !== undefined; bytes = c.line.read()) {
    for (const message of links.receive(c.link, bytes, now).messages) hear(c, message, now);
  }
  if (c.wakeAtMs >= 0 && now >= c.wakeAtMs) { links.wake(c.link); c.wakeAtMs = now + wakeEveryMs; }
  if (c.askedMs >= 0 && now - c.askedMs >= limits.answerWithinMs) finishJob(c, { done: "failed" });
  if (c.hello !== undefined && c.askedMs < 0 && c.jobs.length > 0 && now >= c.pauseUntilMs) askNext(c, now);
  for (const bytes of links.poll(c.link, now).output) c.line.write(bytes);
  return nextCall(c);
}
function nextCall(c: Courier): number {
  let next = -1;
  const asked = c.askedMs < 0 ? (c.hello !== undefined && c.jobs.length > 0 ? c.pauseUntilMs : -1) : c.askedMs + limits.answerWithinMs;
  for (const at of [links.deadline(c.link), c.wakeAtMs, asked]) if (at >= 0 && (next < 0 || at < next)) next = at;
  return next;
}

function askNext(c: Courier, now: number): void {
  const job = c.jobs[0]!;
  c.askedMs = now;
  links.send(c.link, question(c, job), { first: false, last: false });
}
function question(c: Courier, job: Job): Uint8Array {
  const most = c.messageBytesMax - pieceOverheadBytes;
  switch (job.job) {
    case "bring": return encodeBring(pieceOf(letterId(c.crypto, job.letter), job.letter, c.from, Math.min(most, c.most)));
    case "answer": return encodeFetch({ what: fetching.answer, letter: job.id, from: c.from, most: most });
    case "collect": return encodeFetch({ what: fetching.letter, letter: c.arriving === undefined ? c.last : c.arriving.letter, from: c.from, most: most });
    case "certificate": return encodeAsk(asking.certificate);
  }
}

function hear(c: Courier, message: Uint8Array, now: number): void {
  const number = messageType(message);
  if (number === type.hello) {
    const hello = decodeHello(message);
    if (hello === undefined) return;
    c.hello = hello;
    c.wakeAtMs = -1;
    c.askedMs = -1;
    return;
  }
  const job = c.jobs[0];
  if (job === undefined || c.askedMs < 0) return;
  if (number === type.certificate && job.job === "certificate") finishJob(c, { done: "certificate", certificate: decodeCertificate(message) });
  if (number === type.brought && job.job === "bring") hearBrought(c, job.letter, message);
  if (number === type.piece && job.job === "answer") hearAnswer(c, job, message, now);
  if (number === type.piece && job.job === "collect") hearLetter(c, message);
  if (number === type.stop) finishJob(c, { done: "failed" });
}

function hearBrought(c: Courier, letter: Uint8Array, message: Uint8Array): void {
  const b = decodeBrought(message);
  const id = letterId(c.crypto, letter);
  if (b === undefined || !equal(b.letter, id)) return;
  c.most = b.most;
  if (b.code !== brought.more) { finishJob(c, { done: "brought", id: id, code: b.code }); return; }
  c.askedMs = -1;
  c.from = b.have < letter.length ? b.have : 0;
}

function hearAnswer(c: Courier, job: { id: Uint8Array; untilMs: number }, message: Uint8Array, now: number): void {
  const p = decodePiece(message);
  if (p === undefined) return;
  c.askedMs = -1;
  if (p === "none") {
    if (now >= job.untilMs) finishJob(c, { done: "answer", id: job.id, answer: undefined });
    else { c.pauseUntilMs = now + answerEveryMs; c.from = 0; c.arriving = undefined; }
    return;
  }
  if (!equal(p.letter, job.id)) return;
  c.arriving = takePiece(c.arriving, p, limits.envelopeBytesMax);
  c.from = c.arriving === undefined ? 0 : c.arriving.have;
  if (c.arriving !== undefined && isWhole(c.arriving)) finishJob(c, { done: "answer", id: job.id, answer: c.arriving.bytes });
}

/** Letters come one after the other; one whose digest is not its id was garbled, and is left for another time. */
function hearLetter(c: Courier, message: Uint8Array): void {
  const p = decodePiece(message);
  if (p === undefined) return;
  c.askedMs = -1;
  if (p === "none") { finishJob(c, { done: "collected", letters: c.collected }); return; }
  c.arriving = takePiece(c.arriving, p, limits.envelopeBytesMax);
  c.from = c.arriving === undefined ? p.total : c.arriving.have;
  if (c.arriving === undefined || !isWhole(c.arriving)) return;
  if (equal(letterId(c.crypto, c.arriving.bytes), c.arriving.letter)) c.collected.push(c.arriving.bytes);
  c.last = copy(c.arriving.letter, 0, 8);
  c.from = c.arriving.bytes.length;
  c.arriving = undefined;
  if (c.collected.length >= limits.carriedLettersMax) finishJob(c, { done: "collected", letters: c.collected });
}

function finishJob(c: Courier, d: Done): void {
  c.jobs.shift();
  c.askedMs = -1;
  c.pauseUntilMs = 0;
  c.from = 0;
  c.arriving = undefined;
  c.last = none;
  if (d.done === "collected" || d.done === "failed") c.collected = [];
  if (c.onDone !== undefined) c.onDone(d);
}

const none = new Uint8Array(0);
