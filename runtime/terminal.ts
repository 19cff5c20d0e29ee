/**
 * A terminal: one board, one role, one journal, one tap at a time. It reads its line and sensor, lets the verifier decide,
 * and does what the verifier says, in that order; it owns no clock and no timer (`design.md` §2).
 *
 * `poll(t)` looks at everything once and answers when it must be called again at the latest; the board calls it also when
 * bytes arrived or the sensor moved. Everything that counts goes through the journal before it shows.
 */
import type { Board } from "./board.js";
import { append, flush, oldestEnds, releaseThrough, roomFor, type Journal } from "./journal/journal.js";
import { openJournal } from "./journal/recovery.js";
import type { BoardError } from "./journal/store.js";
import type { Role } from "./role/role.js";
import { ladderAt, settingsOf, type Setup } from "./setup.js";
import { apply, bookView, carryOver, forgetThrough, isHeld, makeBook, type BookState } from "./value/book.js";
import { assert } from "../protocol/assert.js";
import * as links from "../protocol/link/link.js";
import { readBeaconText } from "../protocol/link/beacon.js";
import type { Medium } from "../protocol/link/media.js";
import { limits } from "../protocol/limits.js";
import { accepted, refusal, refusals } from "../protocol/refusal.js";
import type { Given } from "../protocol/session/book.js";
import type { Effect, Input, Verifier } from "../protocol/session/events.js";
import { deadline, makeVerifier, step } from "../protocol/session/verifier.js";
import { decodeEntry, encodeEntry, type Entry } from "../protocol/wire/entry.js";
import type { Want } from "../protocol/wire/message.js";
import type { Receipt } from "../protocol/wire/receipt.js";
import type { Value } from "../protocol/wire/value.js";

/** What a terminal tells whoever watches it: one row a decision, and times of the tap in milliseconds of this boot. */
export type TerminalEvent =
  | { event: "greeted"; tap: number }
  | { event: "shown"; code: number; since: number; value: Value | undefined; receipt: Receipt | undefined }
  | { event: "opened"; stages: Stages }
  | { event: "ended"; turned: boolean }
  | { event: "fault"; message: string };

/** When each stage of the present tap was reached: bytes of the presentation in, receipt out, acknowledgement in, record durable. */
export interface Stages { greetedMs: number; presentedMs: number; answeredMs: number; acknowledgedMs: number; durableMs: number; openMs: number }

/** A question to another terminal that is waiting for an answer, or a question of another to this one. */
export interface HandoverQuestion { owner: Uint8Array; receipt: Uint8Array; proof: Uint8Array }

export interface Terminal {
  readonly board: Board;
  readonly role: Role;
  readonly medium: Medium;
  setup: Setup;
  journal: Journal;
  book: BookState;
  verifier: Verifier;
  link: links.Link;
  /** Wants in turn, and which is asked for now. */
  wants: Want[];
  wantNumber: number;
  triedWants: number;
  /** The handset had nothing for this want: greet it with the next one. */
  greetAgain: boolean;
  lastTap: number;
  /** Tap numbers and when they were issued, for closing; oldest first. */
  marks: { tap: number; atMs: number }[];
  /** To be asked over the host; `sync` takes it. */
  question: HandoverQuestion | undefined;
  /** Answers of ours that `sync` takes. */
  handoverAnswers: { to: Uint8Array; code: number }[];
  /** Entries up to this sequence are confirmed by the host. */
  confirmed: number;
  lightUntilMs: number;
  passageBefore: 0 | 1;
  stages: Stages;
  outOfService: string;
  /** Called for each event; never from inside a call of the board's. */
  onEvent: ((e: TerminalEvent) => void) | undefined;
}

const greetEveryMs = 100;
/** How long a light and its text stay. */
const lightMs = 2500;
const marksMax = 64;

/** Opens journal and cells and is ready to serve, or out of service with the reason in `outOfService`. */
export function makeTerminal(board: Board, role: Role, medium: Medium, setup: Setup): Terminal {
  const book = makeBook(board.crypto);
  const journal = openJournal(board.store, board.crypto, (bytes, sequence) => {
    const entry = decodeEntry(bytes);
    if (entry !== undefined) apply(book, entry, sequence);
  });
  const settings = settingsOf(setup, role, board);
  const t: Terminal = {
    board: board, role: role, medium: medium, setup: setup, journal: journal, book: book, verifier: makeVerifier(settings), link: links.makeLink(medium, false),
    wants: [], wantNumber: 0, triedWants: 0, greetAgain: false, lastTap: book.ceiling, marks: [], question: undefined, handoverAnswers: [], confirmed: setup.confirmed,
    lightUntilMs: -1, passageBefore: 0, stages: noStages(), outOfService: journal.damaged.length > 0 ? "the journal is damaged: drain it and call the operator" : "", onEvent: undefined,
  };
  takeSetup(t);
  if (t.outOfService === "") boot(t);
  return t;
}

function noStages(): Stages {
  return { greetedMs: -greetEveryMs, presentedMs: 0, answeredMs: 0, acknowledgedMs: 0, durableMs: 0, openMs: 0 };
}

function boot(t: Terminal): void {
  const time = t.board.clock.utc();
  tidy(t);
  if (!roomFor(t.journal, 64, 0)) return;
  write(t, { kind: "boot", boot: t.book.boot + 1, at: time.at, quality: time.quality }, true);
  mark(t, t.book.ceiling);
}

/** New configuration, certificate, keys or status: taken over between taps. */
export function takeSetup(t: Terminal): void {
  t.verifier.settings = settingsOf(t.setup, t.role, t.board);
  t.wants = t.setup.configuration === undefined ? [] : t.role.wants(t.setup.configuration);
  t.wantNumber = 0;
  t.book.statusBits = t.setup.statusBits;
  t.book.terminals = t.setup.terminals;
  if (t.wants.length > 0) t.verifier.settings.want = t.wants[0]!;
}

function given(t: Terminal): Given {
  const time = t.board.clock.utc();
  t.book.ladder = ladderAt(t.setup, time.at, time.quality);
  t.book.journalFull = !roomFor(t.journal, recordRoomBytes, 1);
  return { nowMs: t.board.clock.monotonicMs(), at: time.at, quality: time.quality, crypto: t.board.crypto, book: bookView(t.book) };
}

/** A finished record, its outcome and a reversal. */
const recordRoomBytes = 700;

// ---- the loop -----------------------------------------------------------------------------------------------------------

/** Looks at line, scanner and sensor once; answers the monotonic millisecond of the next call at the latest, or −1. */
export function poll(t: Terminal): number {
  readLine(t);
  readScanner(t);
  readPassage(t);
  const now = t.board.clock.monotonicMs();
  const due = deadline(t.verifier);
  if (t.verifier.state === "idle" || (due >= 0 && now >= due)) drive(t, { type: "time" });
  if (t.verifier.state === "idle") rest(t, now);
  writeLine(t);
  return nextCall(t);
}

function readLine(t: Terminal): void {
  for (let bytes = t.board.link.read(); bytes !== undefined; bytes = t.board.link.read()) {
    const out = links.receive(t.link, bytes, t.board.clock.monotonicMs());
    for (const message of out.messages) hear(t, message);
    if (out.woken) answerWake(t);
    writeLine(t);
  }
}

/**
 * A new handset is there, or the old one begins anew. Whoever calls again and again is greeted ten times a second at most; who
 * comes after somebody who was let through is not kept waiting for that.
 */
function answerWake(t: Terminal): void {
  const now = t.board.clock.monotonicMs();
  const state = t.verifier.state;
  if (state !== "idle" && state !== "greeted" && state !== "answered") return;
  const soon = t.stages.openMs === 0 && now - t.stages.greetedMs < greetEveryMs;
  if (t.wants.length === 0 || soon) return;
  t.triedWants = 0;
  greet(t);
}

function hear(t: Terminal, message: Uint8Array): void {
  const now = t.board.clock.monotonicMs();
  if (t.verifier.state === "greeted") t.stages.presentedMs = now;
  if (t.verifier.state === "answered") t.stages.acknowledgedMs = now;
  drive(t, { type: "message", bytes: message });
  if (!t.greetAgain) return;
  t.greetAgain = false;
  greet(t);
}

/** idle → greeted, with a fresh tap number below the durable ceiling. */
function greet(t: Terminal): void {
  if (t.outOfService !== "") return;
  if (t.lastTap >= t.book.ceiling && !write(t, { kind: "ceiling", tap: t.lastTap + limits.tapNumbersAhead }, true)) return;
  t.lastTap++;
  mark(t, t.lastTap);
  t.verifier.settings.want = t.wants[t.wantNumber]!;
  t.stages = noStages();
  t.stages.greetedMs = t.board.clock.monotonicMs();
  tell(t, { event: "greeted", tap: t.lastTap });
  drive(t, { type: "heard", tap: t.lastTap, secret: t.board.random.fill(32) });
}

function readScanner(t: Terminal): void {
  const scanner = t.board.scanner;
  if (scanner === undefined) return;
  for (let bytes = scanner.read(); bytes !== undefined; bytes = scanner.read()) {
    const beacon = readBeaconText(bytes);
    if (beacon !== undefined && t.wants.length > 0) drive(t, { type: "beacon", bytes: beacon });
  }
}

/** The sensor's rising edge is a passage. */
function readPassage(t: Terminal): void {
  if (t.board.passage === undefined) return;
  const level = t.board.passage.read();
  if (level === 1 && t.passageBefore === 0) drive(t, { type: "turned" });
  t.passageBefore = level;
}

function writeLine(t: Terminal): void {
  const out = links.poll(t.link, t.board.clock.monotonicMs());
  for (const bytes of out.output) t.board.link.write(bytes);
}

function nextCall(t: Terminal): number {
  let next = -1;
  for (const due of [deadline(t.verifier), links.deadline(t.link), t.lightUntilMs]) {
    if (due >= 0 && (next < 0 || due < next)) next = due;
  }
  return next;
}

/** At rest: the light goes out, `closed` moves, pages are given back. */
function rest(t: Terminal, now: number): void {
  if (t.lightUntilMs >= 0 && now >= t.lightUntilMs) { t.lightUntilMs = -1; t.board.panel.show("off", "", ""); }
  closeOld(t, now);
  tidy(t);
}

// ---- effects --------------------------------------------------------------------------------------------------------------

/** One input to the verifier, and everything that it wants done. */
export function drive(t: Terminal, input: Input): void {
  const queue: Input[] = [input];
  for (let i = 0; i < queue.length; i++) {
    assert(i < 32, "a step of the verifier ends");
    for (const effect of step(t.verifier, queue[i]!, given(t))) {
      const answer = perform(t, effect);
      if (answer !== undefined) queue.push(answer);
    }
  }
}

/** Does one thing; its answer, if it has one, is the verifier's next input. */
function perform(t: Terminal, e: Effect): Input | undefined {
  const board = t.board;
  switch (e.do) {
    case "send":
      links.send(t.link, e.bytes, { first: e.first, last: e.last });
      if (t.verifier.state === "answered") t.stages.answeredMs = board.clock.monotonicMs();
      writeLine(t);
      return undefined;
    case "agree": return { type: "agreed", number: e.number, shared: board.keys.agree("agreement", e.publicKey) };
    case "sign": return { type: "signed", number: e.number, signature: board.keys.sign("signing", e.message) };
    case "append": {
      const done = write(t, e.entry, true);
      t.stages.durableMs = board.clock.monotonicMs();
      return { type: done ? "appended" : "append_failed" };
    }
    case "append_lazy": write(t, e.entry, false); if (e.entry.kind === "outcome") ended(t, e.entry.turned); return undefined;
    case "open":
      t.role.accept(board);
      t.stages.openMs = board.clock.monotonicMs();
      return undefined;
    case "show": show(t, e.code, e.since, e.value, e.receipt); return undefined;
    case "ask_owner": t.question = { owner: e.owner, receipt: e.receipt, proof: e.proof }; return undefined;
    case "handover_answer": t.handoverAnswers.push({ to: e.to, code: e.code }); return undefined;
    case "nothing_to_show": return nextWant(t);
    case "done": t.role.end(board); return undefined;
  }
}

/** Greets the same handset again with the next thing wanted, until all were tried. */
function nextWant(t: Terminal): Input | undefined {
  t.triedWants++;
  t.wantNumber = (t.wantNumber + 1) % Math.max(1, t.wants.length);
  if (t.triedWants < t.wants.length) t.greetAgain = true;
  return undefined;
}

function ended(t: Terminal, turned: boolean): void {
  t.role.end(t.board);
  tell(t, { event: "ended", turned: turned });
}

function show(t: Terminal, code: number, since: number, value: Value | undefined, receipt: Receipt | undefined): void {
  const row = refusals[code]!;
  if (code === 0) t.board.panel.show(accepted.light, accepted.tone, "");
  else t.board.panel.show(row.light, row.tone, row.english);
  t.lightUntilMs = t.board.clock.monotonicMs() + lightMs;
  tell(t, { event: "shown", code: code, since: since, value: value, receipt: receipt });
  if (code === 0) tell(t, { event: "opened", stages: t.stages });
  else noteRefusal(t, code, value);
}

/** Who was told no, for the operator; only while there is plenty of room. */
function noteRefusal(t: Terminal, code: number, value: Value | undefined): void {
  if (code < refusal.profile_too_weak || !roomFor(t.journal, recordRoomBytes * 8, 1)) return;
  const time = t.board.clock.utc();
  write(t, { kind: "refused", code: code, valueId: value === undefined ? new Uint8Array(0) : value.valueId, at: time.at, quality: time.quality }, false);
}

function tell(t: Terminal, e: TerminalEvent): void {
  if (t.onEvent !== undefined) t.onEvent(e);
}

// ---- the journal ----------------------------------------------------------------------------------------------------------

/** Appends and applies; false when the store failed, after which nothing is served until a restart. */
function write(t: Terminal, entry: Entry, durable: boolean): boolean {
  try {
    const sequence = append(t.journal, encodeEntry(entry), durable);
    apply(t.book, entry, sequence);
    return true;
  } catch (error) {
    fail(t, error as BoardError);
    return false;
  }
}

function fail(t: Terminal, error: BoardError): void {
  if (error.kind === undefined) throw error;
  t.outOfService = error.message;
  tell(t, { event: "fault", message: error.message });
}

function mark(t: Terminal, tap: number): void {
  const atMs = t.board.clock.monotonicMs();
  const last = t.marks[t.marks.length - 1];
  if (last !== undefined && atMs - last.atMs < 10000) { last.tap = tap; last.atMs = atMs; } else t.marks.push({ tap: tap, atMs: atMs });
  if (t.marks.length > marksMax) t.marks.shift();
}

/** `closed` follows when no receipt of those taps may be resumed any more, or after many later uses. */
function closeOld(t: Terminal, now: number): void {
  const overMs = t.verifier.settings.resumeSeconds * 1000;
  let tap = -1;
  while (t.marks.length > 0 && now - t.marks[0]!.atMs > overMs) tap = t.marks.shift()!.tap;
  if (t.book.finishedSinceClosed >= limits.usesUntilClosed) tap = t.lastTap;
  if (tap > t.book.closed) drive(t, { type: "close", tap: tap });
}

/** Closes every tap number issued so far, for draining: nothing of them can be resumed here any more. */
export function closeNow(t: Terminal): void {
  if (t.verifier.state === "idle" && t.lastTap > t.book.closed) drive(t, { type: "close", tap: t.lastTap });
}

/** Gives back the oldest page once the host has all of it and nothing on it may still be asked for. */
function tidy(t: Terminal): void {
  const through = oldestEnds(t.journal);
  if (through === 0 || through > t.confirmed || isHeld(t.book, through) || roomFor(t.journal, recordRoomBytes * 4, 2)) return;
  const time = t.board.clock.utc();
  for (const notice of carryOver(t.book, through, time.at, time.quality)) if (!write(t, notice, false)) return;
  flush(t.journal);
  releaseThrough(t.journal, through);
  forgetThrough(t.book, through);
}
