/**
 * The handset's half of carrying letters: before a terminal's line it does one job after the other, each a letter brought,
 * an answer fetched, or all of the terminal's own letters taken along (S7). It owns no clock and no timer, as the terminal.
 *
 * It does not read what it carries. Letters that it took along are known by their digest, so the same one again is the same.
 */
import type { Clock, Random, Serial } from "../board.js";
import type { Crypto } from "../../protocol/crypto/crypto.js";
import * as links from "../../protocol/link/link.js";
import type { Medium } from "../../protocol/link/media.js";
import { limits } from "../../protocol/limits.js";
import { copy, equal } from "../../protocol/wire/bytes.js";
import {
  brought, decodeBrought, decodeHere, decodePiece, encodeBring, encodeFetch, encodeKnock, fetching, isWhole, letterId, pieceOf, pieceOverheadBytes, takePiece, type Arriving, type Here,
} from "../../protocol/wire/carry.js";
import { messageType, type } from "../../protocol/wire/message.js";

export type Job =
  /** Bring this letter. */
  | { job: "bring"; letter: Uint8Array }
  /** Fetch the answer to the letter of this id; it may take a moment, until `untilMs`. */
  | { job: "answer"; id: Uint8Array; untilMs: number }
  /** Take along what the terminal wants carried. */
  | { job: "collect" };

/** What came of a job: `code` of `brought`, the answer, the letters. `here`: the terminal has answered. `failed`: it does not any more. */
export type Done =
  | { done: "brought"; id: Uint8Array; code: number }
  | { done: "answer"; id: Uint8Array; answer: Uint8Array | undefined }
  | { done: "collected"; letters: Uint8Array[] }
  | { done: "here"; here: Here }
  | { done: "failed" };

export interface Courier {
  readonly clock: Clock;
  readonly crypto: Crypto;
  readonly random: Random;
  readonly line: Serial;
  readonly messageBytesMax: number;
  link: links.Link;
  /** The terminal's answer to our knock, and the knock that waits for one. */
  here: Here | undefined;
  knocked: Uint8Array;
  jobs: Job[];
  /** Asked and not answered since then, or −1, and how often in vain. Not asked again before `pauseUntilMs`. */
  askedMs: number;
  tries: number;
  pauseUntilMs: number;
  from: number;
  most: number;
  arriving: Arriving | undefined;
  last: Uint8Array;
  collected: Uint8Array[];
  onDone: ((d: Done) => void) | undefined;
}

/** An answer that is not there yet is asked for again so often. */
const answerEveryMs = 250;
/** Terminals have taps to serve: so often it is knocked and asked again. */
const triesMax = 5;

export function makeCourier(clock: Clock, random: Random, crypto: Crypto, line: Serial, medium: Medium, messageBytesMax: number): Courier {
  return {
    clock: clock, crypto: crypto, random: random, line: line, messageBytesMax: messageBytesMax, link: links.makeLink(medium, true), here: undefined, knocked: none, jobs: [], askedMs: -1,
    tries: 0, pauseUntilMs: 0, from: 0, most: 512 - pieceOverheadBytes, arriving: undefined, last: none, collected: [], onDone: undefined,
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
  if (c.askedMs >= 0 && now - c.askedMs >= limits.answerWithinMs) askAgain(c);
  if (c.askedMs < 0 && (c.here === undefined || (c.jobs.length > 0 && now >= c.pauseUntilMs))) askNext(c, now);
  for (const bytes of links.poll(c.link, now).output) c.line.write(bytes);
  return nextCall(c);
}
function nextCall(c: Courier): number {
  let next = -1;
  const asked = c.askedMs >= 0 ? c.askedMs + limits.answerWithinMs : c.here === undefined || c.jobs.length > 0 ? c.pauseUntilMs : -1;
  for (const at of [links.deadline(c.link), asked]) if (at >= 0 && (next < 0 || at < next)) next = at;
  return next;
}

/** No answer: the session may be lost, so it is knocked anew; the job goes on where it was. */
function askAgain(c: Courier): void {
  c.askedMs = -1;
  c.here = undefined;
  c.tries++;
  if (c.tries < triesMax) return;
  c.tries = 0;
  finishJob(c, { done: "failed" });
}

function askNext(c: Courier, now: number): void {
  c.askedMs = now;
  if (c.here !== undefined) { links.send(c.link, question(c, c.jobs[0]!), { first: false, last: false }); return; }
  c.knocked = c.random.fill(8);
  links.send(c.link, encodeKnock(c.knocked), { first: true, last: false });
}
function question(c: Courier, job: Job): Uint8Array {
  const most = c.messageBytesMax - pieceOverheadBytes;
  switch (job.job) {
    case "bring": return encodeBring(pieceOf(letterId(c.crypto, job.letter), job.letter, c.from, Math.min(most, c.most)));
    case "answer": return encodeFetch({ what: fetching.answer, letter: job.id, from: c.from, most: most });
    case "collect": return encodeFetch({ what: fetching.letter, letter: c.arriving === undefined ? c.last : c.arriving.letter, from: c.from, most: most });
  }
}

function hear(c: Courier, message: Uint8Array, now: number): void {
  const number = messageType(message);
  if (number === type.here) { hearHere(c, message); return; }
  const job = c.jobs[0];
  if (job === undefined || c.askedMs < 0 || c.here === undefined) return;
  if (number === type.brought && job.job === "bring") hearBrought(c, job.letter, message);
  if (number === type.piece && job.job === "answer") hearAnswer(c, job, message, now);
  if (number === type.piece && job.job === "collect") hearLetter(c, message);
}

/** Answered: what was lost before is forgotten. */
function answered(c: Courier): void {
  c.askedMs = -1;
  c.tries = 0;
}

function hearHere(c: Courier, message: Uint8Array): void {
  const here = decodeHere(message);
  if (here === undefined || c.here !== undefined || !equal(here.nonce, c.knocked)) return;
  c.here = here;
  c.askedMs = -1;
  tell(c, { done: "here", here: here });
}

function hearBrought(c: Courier, letter: Uint8Array, message: Uint8Array): void {
  const b = decodeBrought(message);
  const id = letterId(c.crypto, letter);
  if (b === undefined || !equal(b.letter, id)) return;
  c.most = b.most;
  if (b.code !== brought.more) { finishJob(c, { done: "brought", id: id, code: b.code }); return; }
  answered(c);
  c.from = b.have < letter.length ? b.have : 0;
}

function hearAnswer(c: Courier, job: { id: Uint8Array; untilMs: number }, message: Uint8Array, now: number): void {
  const p = decodePiece(message);
  if (p === undefined) return;
  answered(c);
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
  answered(c);
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
  tell(c, d);
}

function tell(c: Courier, d: Done): void {
  if (c.onDone !== undefined) c.onDone(d);
}

const none = new Uint8Array(0);
