/**
 * The link machine: whole messages over a half-duplex line, each delivered once and in order, or the link says it is lost.
 *
 * Both ends run the same machine; only the direction bit differs, and a frame with one's own direction is one's own echo.
 * One frame is outstanding at a time. The next frame the other way carries its ack as a bit, so a tap without faults has
 * no ack frame at all; only a fragment that is not the last, or a frame seen twice, is answered by one. A frame marked
 * `first` starts a new session at the other end, whatever was going on there; a session bit that changes with each keeps
 * what was still on its way from being taken for an answer. Frames are numbered modulo four, so that the late copy of one is
 * known for a copy; a line that keeps order, as wires and light do, would need but two.
 *
 * Sans-IO: bytes and time in; bytes, messages and the next deadline out.
 */
import { deframer, encodeFrame, feed, type Deframer, type Frame } from "./frame.js";
import type { Medium } from "./media.js";
import { assert } from "../assert.js";
import { copy, equal, join } from "../wire/bytes.js";
import { limits } from "../limits.js";

/** Bits of the link byte. A frame with data is numbered 0 to 3; of the number it expects an end says only whether it is odd. */
const bit = { odd: 1, expectsOdd: 2, data: 4, more: 8, first: 16, session: 32, high: 64, fromHandset: 128 } as const;

export interface Link {
  readonly medium: Medium;
  readonly fromHandset: boolean;
  deframer: Deframer;
  /** Number (0 to 3) of the next frame to send, and of the next one expected. */
  sendNumber: number;
  expectNumber: number;
  /** 0 or `bit.session`, of the present session. */
  session: number;
  /** Fragments still to go; the first is the outstanding one once `sentAtMs` is set. */
  queue: { payload: Uint8Array; flags: number; needsAck: boolean }[];
  sentAtMs: number;
  tries: number;
  /** Fragments of the message that is arriving, and their bytes; one more than the longest message where it is too long. */
  arriving: Uint8Array[];
  arrivingBytes: number;
  /** The frame that last started a session here, to know its repetition. */
  firstFrame: Uint8Array;
  /** Nothing is sent before this moment (turnaround). */
  quietUntilMs: number;
  /** An ack frame is owed. */
  owesAck: boolean;
  /** The peer repeated itself, so the outstanding frame was lost: send it again at once. */
  sendAgain: boolean;
  /** A wake frame is to be sent: a new session is wanted. */
  owesWake: boolean;
}

/**
 * What a step gives: bytes to write (in pieces the medium takes), whole messages, whether the outgoing one was given up,
 * and whether the other side asks for a new session (`wake`).
 */
export interface Out { output: Uint8Array[]; messages: Uint8Array[]; lost: boolean; woken: boolean }

export function makeLink(medium: Medium, fromHandset: boolean): Link {
  return {
    medium: medium, fromHandset: fromHandset, deframer: deframer(medium.wrapping), sendNumber: 0, expectNumber: 0, session: 0, queue: [], sentAtMs: -1,
    tries: 0, arriving: [], arrivingBytes: 0, firstFrame: new Uint8Array(0), quietUntilMs: 0, owesAck: false, sendAgain: false, owesWake: false,
  };
}

/** How a message is sent: `first` opens a session, `last` needs no ack because its loss harms nobody; nothing follows it but a new session. */
export interface Sending { first: boolean; last: boolean }

/** Queues a message (at most `limits.messageBytesMax` bytes); `poll` gives its bytes. */
export function send(link: Link, message: Uint8Array, how: Sending): void {
  assert(message.length > 0 && message.length <= limits.messageBytesMax, "message fits the link");
  if (how.first) { forgetSession(link); link.session = bit.session - link.session; }
  const size = link.medium.fragmentBytes;
  for (let at = 0; at < message.length; at += size) {
    const end = Math.min(at + size, message.length);
    const more = end < message.length;
    const flags = bit.data | (more ? bit.more : 0) | (how.first && at === 0 ? bit.first : 0);
    link.queue.push({ payload: copy(message, at, end), flags: flags, needsAck: more || !how.last });
  }
}

/** Says *I am here*: a frame marked `first` that carries nothing. A terminal that is free answers by its hello. */
export function wake(link: Link): void {
  link.owesWake = true;
}

function forgetSession(link: Link): void {
  link.queue = [];
  link.sentAtMs = -1;
  link.sendNumber = 0;
  link.expectNumber = 0;
  link.tries = 0;
  link.owesAck = false;
  link.sendAgain = false;
  forgetArriving(link);
}

function forgetArriving(link: Link): void {
  link.arriving = [];
  link.arrivingBytes = 0;
}

/** Bytes arrived. */
export function receive(link: Link, bytes: Uint8Array, nowMs: number): Out {
  const out: Out = { output: [], messages: [], lost: false, woken: false };
  for (const frame of feed(link.deframer, bytes)) receiveFrame(link, frame, nowMs, out);
  return out;
}

function receiveFrame(link: Link, frame: Frame, nowMs: number, out: Out): void {
  const f = frame.link;
  const isEcho = ((f & bit.fromHandset) !== 0) === link.fromHandset;
  if (isEcho || (f & (bit.high | bit.data)) === bit.high) return; // Without data, bit 6 marks a beacon (`beacon.ts`).
  link.quietUntilMs = nowMs + link.medium.turnaroundMs;
  if ((f & (bit.first | bit.data)) === bit.first) { out.woken = true; return; }
  if ((f & bit.first) !== 0 && !startsAgain(link, frame)) { beginSession(link, frame); out.messages = []; }
  if ((f & bit.session) !== link.session) return;
  takeAck(link, (f & bit.expectsOdd) !== 0 ? 1 : 0);
  if ((f & bit.data) === 0) return;
  if (numberOf(f) !== link.expectNumber) { repeat(link); return; }
  link.expectNumber = (link.expectNumber + 1) & 3;
  takeFragment(link, frame, out);
}

/** The same first frame again is a repetition, not a new session. */
function startsAgain(link: Link, frame: Frame): boolean {
  return link.firstFrame.length > 0 && equal(link.firstFrame, frame.payload);
}

function beginSession(link: Link, frame: Frame): void {
  forgetSession(link);
  link.firstFrame = frame.payload;
  link.expectNumber = numberOf(frame.link);
  link.session = frame.link & bit.session;
}

function numberOf(link: number): number {
  return (link & bit.odd) | ((link & bit.high) !== 0 ? 2 : 0);
}

/** The peer expects the number after the outstanding one: it has arrived. */
function takeAck(link: Link, expected: number): void {
  if (link.sentAtMs < 0 || expected === (link.sendNumber & 1)) return;
  link.queue.shift();
  link.sendNumber = (link.sendNumber + 1) & 3;
  link.sentAtMs = -1;
  link.sendAgain = false;
  link.tries = 0;
}

/**
 * A frame seen before: our answer was lost. Send it again, or an ack if there is none. Being asked is no try of ours: many
 * late copies of one frame must not make us give up.
 */
function repeat(link: Link): void {
  if (link.sentAtMs >= 0) link.sendAgain = true;
  else link.owesAck = true;
}

function takeFragment(link: Link, frame: Frame, out: Out): void {
  link.arrivingBytes = Math.min(link.arrivingBytes + frame.payload.length, limits.messageBytesMax + 1);
  if (link.arrivingBytes <= limits.messageBytesMax) link.arriving.push(frame.payload);
  else link.arriving = []; // Too long: nothing of it is kept, to its end.
  if ((frame.link & bit.more) !== 0) { link.owesAck = true; return; }
  const message = join(link.arriving);
  forgetArriving(link);
  if (message.length > 0) out.messages.push(message);
}

/** Time passed, or something was queued: what goes out now. A message given up after `triesMax` is `lost`. */
export function poll(link: Link, nowMs: number): Out {
  const out: Out = { output: [], messages: [], lost: false, woken: false };
  if (nowMs < link.quietUntilMs) return out;
  const head = link.queue[0];
  if (head !== undefined && isDue(link, nowMs)) {
    if (!link.sendAgain && link.tries >= link.medium.triesMax) { giveUp(link, out); return out; }
    transmit(link, head.payload, head.flags, out);
    if (head.needsAck) { link.sentAtMs = nowMs; if (!link.sendAgain) link.tries++; }
    else { link.queue.shift(); link.sendNumber = (link.sendNumber + 1) & 3; }
    link.sendAgain = false;
  } else if (link.owesAck) transmit(link, new Uint8Array(0), 0, out);
  if (link.owesWake) { link.owesWake = false; transmit(link, new Uint8Array(0), bit.first, out); }
  return out;
}

function isDue(link: Link, nowMs: number): boolean {
  return link.sentAtMs < 0 || link.sendAgain || nowMs - link.sentAtMs >= link.medium.retransmitMs;
}

function giveUp(link: Link, out: Out): void {
  link.queue = [];
  link.sentAtMs = -1;
  link.sendAgain = false;
  link.tries = 0;
  out.lost = true;
}

function transmit(link: Link, payload: Uint8Array, flags: number, out: Out): void {
  const number = (flags & bit.data) === 0 ? 0 : (link.sendNumber & 1) | (link.sendNumber > 1 ? bit.high : 0);
  const byte = flags | link.session | (link.fromHandset ? bit.fromHandset : 0) | number | ((link.expectNumber & 1) === 1 ? bit.expectsOdd : 0);
  const extraBegins = Math.max(link.medium.extraBegins, link.tries > 0 ? 1 : 0); // Noise before a frame sent again costs none but itself.
  const coded = encodeFrame(link.medium.wrapping, { link: byte, payload: payload }, extraBegins);
  for (let at = 0; at < coded.length; at += link.medium.writeBytes) {
    out.output.push(copy(coded, at, Math.min(at + link.medium.writeBytes, coded.length)));
  }
  link.owesAck = false;
}

/** When `poll` has something to do next, or −1 when only an arrival can change anything. */
export function deadline(link: Link): number {
  if (link.owesAck || link.owesWake) return link.quietUntilMs;
  if (link.queue.length === 0) return -1;
  return Math.max(link.quietUntilMs, link.sentAtMs < 0 || link.sendAgain ? 0 : link.sentAtMs + link.medium.retransmitMs);
}
