/**
 * A terminal: one board, one role, one journal, one tap at a time. It reads its line and sensor, lets the verifier decide,
 * and does what the verifier says, in that order; it owns no clock and no timer (`design.md` §2).
 *
 * `poll(t)` looks at everything once and answers when it must be called again at the latest; the board calls it also when
 * bytes arrived or the sensor moved. Everything that counts goes through the journal before it shows.
 */
import type { Board, Serial } from "./board.js";
import { roomFor, type Journal } from "./journal/journal.js";
import { openJournal } from "./journal/recovery.js";
import {
  attempt, endService, mark, need, noteTorn, overdueTap, prepareNext, recordRoomBytes, repeats, tell, tidy, timeOf, write,
} from "./keeping.js";
import type { Role } from "./role/role.js";
import { ladderAt, mostForOneUse, settingsOf, type Kept } from "./kept.js";
import type { Setup } from "./setup.js";
import { apply, bookView, makeBook, type BookState } from "./value/book.js";
import { assert } from "../protocol/assert.js";
import { deadline as linkDeadline, makeLink, poll as pollLink, receive, send as sendOver, type Link } from "../protocol/link/link.js";
import { readBeaconText } from "../protocol/link/beacon.js";
import type { Medium } from "../protocol/link/media.js";
import { limits } from "../protocol/limits.js";
import { blinkingMax, lightOf, refusal, toneOf } from "../protocol/refusal.js";
import type { Given } from "../protocol/session/book.js";
import type { Effect, Input, Verifier } from "../protocol/session/events.js";
import { deadline, makeVerifier, step } from "../protocol/session/verifier.js";
import { decodeEntry, type BootEntry } from "../protocol/wire/entry.js";
import { encodeStop, type Want } from "../protocol/wire/message.js";
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

export interface Terminal<S extends Kept = Setup> {
  readonly board: Board;
  readonly role: Role;
  readonly medium: Medium;
  setup: S;
  /** Something of the setup changed during a tap: it is in force from the next one on. */
  setupWaits: boolean;
  /** Makes the keys of a certificate that came meanwhile the ones in use: what is signed by them names that certificate, so both change at once. */
  adopt: (() => void) | undefined;
  journal: Journal;
  book: BookState;
  verifier: Verifier;
  link: Link;
  /** Wants in turn, and which is asked for now. */
  wants: Want[];
  /** What people keyed in, in minor units, for a role that is asked. */
  due: number | undefined;
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
  /** Why nobody is served; empty while all is well. */
  outOfService: string;
  /** The fault last told. */
  lastFault: string;
  /** The journal's next sequence when pages were last looked through. */
  tidiedAt: number;
  /** Answers messages that are no part of a tap (`carry/`); undefined for others. Undefined as a whole: this terminal has none. */
  besides: ((message: Uint8Array) => Uint8Array | undefined) | undefined;
  /** Called for each event; never from inside a call of the board's. */
  onEvent: ((e: TerminalEvent) => void) | undefined;
}

/** Whatever it was set up by. */
export type AnyTerminal = Terminal<Kept>;

const greetEveryMs = 100;
/** How long a light and its text stay. */
const lightMs = 2500;

/** Opens journal and cells and is ready to serve, or out of service with the reason in `outOfService`. */
export function makeTerminal<S extends Kept>(board: Board, role: Role, medium: Medium, setup: S): Terminal<S> {
  const book = makeBook(board.crypto);
  book.confirmed = setup.confirmed;
  const journal = openJournal(board.store, board.crypto, (bytes, sequence) => {
    const entry = decodeEntry(bytes);
    if (entry !== undefined) apply(book, entry, sequence);
  });
  const settings = settingsOf(setup, role, board);
  const t: Terminal<S> = {
    board: board, role: role, medium: medium, setup: setup, setupWaits: false, adopt: undefined, journal: journal, book: book, verifier: makeVerifier(settings), link: makeLink(medium, false),
    wants: [], due: undefined, wantNumber: 0, triedWants: 0, greetAgain: false, lastTap: book.ceiling, marks: [], question: undefined, handoverAnswers: [], confirmed: setup.confirmed,
    lightUntilMs: -1, passageBefore: 0, stages: noStages(), outOfService: "", lastFault: "", tidiedAt: 0, besides: undefined, onEvent: undefined,
  };
  takeSetup(t);
  const wrong = whatIsWrong(t);
  if (wrong !== "") endService(t, wrong); else boot(t);
  return t;
}

/** Looked at before anybody is served; empty when all is well. */
function whatIsWrong(t: AnyTerminal): string {
  if (t.journal.fault !== undefined) return t.journal.fault.message;
  if (t.setup.cells.fault !== undefined) return t.setup.cells.fault.message;
  if (t.setup.confirmed >= t.journal.next) return "The journal is shorter than what the host has confirmed: it was cut or exchanged, call the operator.";
  return repeats(t) ? "The random source repeats itself: replace the board." : "";
}

function noStages(): Stages {
  return { greetedMs: -greetEveryMs, presentedMs: 0, answeredMs: 0, acknowledgedMs: 0, durableMs: 0, openMs: 0 };
}

function boot(t: AnyTerminal): void {
  tidy(t);
  noteTorn(t, t.journal.torn, "the journal's end was torn");
  noteTorn(t, t.setup.cells.torn, "the end of the cells was torn");
  const time = timeOf(t);
  const entry: BootEntry = { kind: "boot", boot: t.book.boot + 1, at: time.at, quality: time.quality };
  // A full journal does not hide that power was cut.
  if (!roomFor(t.journal, 64, 0)) apply(t.book, entry, 0); else write(t, entry, true);
  mark(t, t.book.ceiling);
}

/** New configuration, certificate, keys or status: taken over between taps, now or when the one under way has ended. */
export function setupChanged(t: AnyTerminal): void {
  t.setupWaits = true;
  takeWaiting(t);
}

function takeWaiting(t: AnyTerminal): void {
  if (t.setupWaits && t.verifier.state === "idle") takeSetup(t);
}

/** What the setup says is in force from now on. */
export function takeSetup(t: AnyTerminal): void {
  t.setupWaits = false;
  const adopt = t.adopt;
  t.adopt = undefined;
  if (adopt !== undefined) need(t, adopt);
  t.verifier.settings = settingsOf(t.setup, t.role, t.board);
  t.wants = t.setup.configuration === undefined ? [] : t.role.wants(t.setup.configuration, t.due);
  t.wantNumber = 0;
  t.book.statusBits = t.setup.statusBits;
  t.book.terminals = t.setup.terminals;
  if (t.wants.length > 0) t.verifier.settings.want = t.wants[0]!;
}

/** `busy`: a receipt that was sent may be acknowledged yet, and then it is paid. `too_much`: the host allows this terminal less for one use. */
export type Asked = "asked" | "busy" | "too_much";

/**
 * People key in what the next handset is to pay (U7), or take it back (undefined); `due` in minor units. Unless it answers
 * `asked`, nothing was changed.
 */
export function ask(t: AnyTerminal, due: number | undefined): Asked {
  assert(t.role.isAsked && (due === undefined || (due > 0 && Math.floor(due) === due)), "an amount is keyed in at a till");
  if (t.verifier.state !== "idle" && t.verifier.state !== "greeted") return "busy";
  if (due !== undefined && due > mostForOneUse(t.setup)) return "too_much";
  const isGreeted = t.verifier.state === "greeted";
  if (due === undefined) drive(t, { type: "withdraw" });
  t.due = due;
  takeSetup(t);
  if (isGreeted && due !== undefined) greet(t);
  return "asked";
}

function given(t: AnyTerminal): Given {
  const time = timeOf(t);
  t.book.ladder = ladderAt(t.setup, time.at, time.quality);
  t.book.journalFull = !roomFor(t.journal, recordRoomBytes, 1);
  return { nowMs: t.board.clock.monotonicMs(), at: time.at, quality: time.quality, crypto: t.board.crypto, book: bookView(t.book) };
}

// ---- the loop -----------------------------------------------------------------------------------------------------------

/** Looks at line, scanner and sensor once; answers the monotonic millisecond of the next call at the latest, or −1. */
export function poll(t: AnyTerminal): number {
  readLine(t);
  if (t.board.scanner !== undefined) readScanner(t, t.board.scanner);
  readPassage(t);
  const now = t.board.clock.monotonicMs();
  const due = deadline(t.verifier);
  if (t.verifier.state === "idle" || (due >= 0 && now >= due)) drive(t, { type: "time" });
  if (t.verifier.state === "idle") rest(t, now);
  writeLine(t);
  return nextCall(t);
}

function readLine(t: AnyTerminal): void {
  for (let bytes = attempt(t, () => t.board.link.read()); bytes !== undefined; bytes = attempt(t, () => t.board.link.read())) {
    const out = receive(t.link, bytes, t.board.clock.monotonicMs());
    for (const message of out.messages) hear(t, message);
    if (out.woken) answerWake(t);
    writeLine(t);
  }
}

/**
 * A new handset is there, or the old one begins anew. Whoever calls again and again is greeted ten times a second at most; who
 * comes after somebody who was let through is not kept waiting for that. While the gate is open its light is for him who walks.
 */
function answerWake(t: AnyTerminal): void {
  const now = t.board.clock.monotonicMs();
  const state = t.verifier.state;
  if (state === "open") { sendOver(t.link, encodeStop(refusal.busy), { first: true, last: true }); return; }
  if (state !== "idle" && state !== "greeted" && state !== "answered" && state !== "out_of_service") return;
  // Who comes before there is something to pay goes on calling until there is.
  if (t.role.isAsked && t.due === undefined && t.outOfService === "") return;
  const soon = t.stages.openMs === 0 && now - t.stages.greetedMs < greetEveryMs;
  if (soon) return;
  t.triedWants = 0;
  greet(t);
}

function hear(t: AnyTerminal, message: Uint8Array): void {
  if (hearBesides(t, message)) return;
  const now = t.board.clock.monotonicMs();
  if (t.verifier.state === "greeted") t.stages.presentedMs = now;
  if (t.verifier.state === "answered") t.stages.acknowledgedMs = now;
  drive(t, { type: "message", bytes: message });
  if (!t.greetAgain) return;
  t.greetAgain = false;
  greet(t);
}

/** What is no part of a tap, as long as none has gone beyond its greeting. */
function hearBesides(t: AnyTerminal, message: Uint8Array): boolean {
  const reply = t.besides === undefined || (t.verifier.state !== "idle" && t.verifier.state !== "greeted") ? undefined : t.besides(message);
  if (reply !== undefined) sendOver(t.link, reply, { first: false, last: false });
  return reply !== undefined;
}

/** idle → greeted, with a fresh tap number below the durable ceiling. Whoever cannot be served is told so. */
function greet(t: AnyTerminal): void {
  takeWaiting(t);
  t.stages = noStages();
  t.stages.greetedMs = t.board.clock.monotonicMs();
  if (t.outOfService !== "" || t.wants.length === 0) { sayStop(t, refusal.out_of_service); return; }
  if (t.lastTap >= t.book.ceiling && !write(t, { kind: "ceiling", tap: t.lastTap + limits.tapNumbersAhead }, true)) {
    sayStop(t, t.outOfService === "" ? refusal.terminal_full : refusal.out_of_service);
    return;
  }
  const secret = attempt(t, () => t.board.random.fill(32));
  if (secret === undefined) { endService(t, t.lastFault); sayStop(t, refusal.out_of_service); return; }
  t.lastTap++;
  mark(t, t.lastTap);
  t.verifier.settings.want = t.wants[t.wantNumber]!;
  tell(t, { event: "greeted", tap: t.lastTap });
  drive(t, { type: "heard", tap: t.lastTap, secret: secret });
}

function sayStop(t: AnyTerminal, code: number): void {
  show(t, code, 0, undefined, undefined);
  sendOver(t.link, encodeStop(code), { first: true, last: true });
  writeLine(t);
}

function readScanner(t: AnyTerminal, scanner: Serial): void {
  takeWaiting(t);
  for (let bytes = attempt(t, () => scanner.read()); bytes !== undefined; bytes = attempt(t, () => scanner.read())) {
    const beacon = readBeaconText(bytes);
    if (beacon !== undefined && t.wants.length > 0 && t.outOfService === "") drive(t, { type: "beacon", bytes: beacon });
  }
}

/** The sensor's rising edge is a passage. Without it nobody would be known to have passed. */
function readPassage(t: AnyTerminal): void {
  const passage = t.board.passage;
  let level = t.passageBefore;
  if (passage === undefined || !need(t, () => { level = passage.read(); })) return;
  if (level === 1 && t.passageBefore === 0) drive(t, { type: "turned" });
  t.passageBefore = level;
}

function writeLine(t: AnyTerminal): void {
  const out = pollLink(t.link, t.board.clock.monotonicMs());
  out.output.forEach((bytes) => attempt(t, () => t.board.link.write(bytes)));
}

function nextCall(t: AnyTerminal): number {
  let next = -1;
  // The light goes out at rest: until then its time is nobody's reason to look.
  const lightDue = t.verifier.state === "idle" ? t.lightUntilMs : -1;
  for (const due of [deadline(t.verifier), linkDeadline(t.link), lightDue]) {
    if (due >= 0 && (next < 0 || due < next)) next = due;
  }
  return next;
}

/** At rest: the light goes out, `closed` moves, pages are given back. */
function rest(t: AnyTerminal, now: number): void {
  if (t.lightUntilMs >= 0 && now >= t.lightUntilMs) { t.lightUntilMs = -1; attempt(t, () => t.board.panel.show("off", "steady", "", "")); }
  if (t.outOfService !== "") return;
  takeWaiting(t);
  const tap = roomFor(t.journal, 64, 0) ? overdueTap(t, now) : -1;
  if (tap >= 0) drive(t, { type: "close", tap: tap });
  tidy(t);
  prepareNext(t);
}

// ---- effects --------------------------------------------------------------------------------------------------------------

/** One input to the verifier, and everything that it wants done. */
export function drive(t: AnyTerminal, input: Input): void {
  const queue: Input[] = [input];
  for (let i = 0; i < queue.length; i++) {
    assert(i < 32, "a step of the verifier ends");
    for (const effect of step(t.verifier, queue[i]!, given(t))) {
      const answer = perform(t, effect);
      if (answer !== undefined) queue.push(answer);
    }
  }
  if (t.verifier.state === "out_of_service") endService(t, "A key is missing or refused to work: restart, and enrol anew if that does not help.");
}

/** Does one thing; its answer, if it has one, is the verifier's next input. */
function perform(t: AnyTerminal, e: Effect): Input | undefined {
  const board = t.board;
  switch (e.do) {
    case "send":
      sendOver(t.link, e.bytes, { first: e.first, last: e.last });
      if (t.verifier.state === "answered") t.stages.answeredMs = board.clock.monotonicMs();
      writeLine(t);
      return undefined;
    case "agree": return { type: "agreed", number: e.number, shared: attempt(t, () => board.keys.agree("agreement", e.publicKey)) };
    case "sign": return { type: "signed", number: e.number, signature: attempt(t, () => board.keys.sign("signing", e.message)) };
    case "append": {
      const done = t.outOfService === "" && write(t, e.entry, true);
      t.stages.durableMs = board.clock.monotonicMs();
      return { type: done ? "appended" : "append_failed" };
    }
    case "append_lazy": write(t, e.entry, false); if (e.entry.kind === "outcome") ended(t, e.entry.turned); return undefined;
    case "open":
      need(t, () => t.role.accept(board));
      if (t.role.isAsked) { t.due = undefined; t.wants = []; }
      t.stages.openMs = board.clock.monotonicMs();
      return undefined;
    case "show": show(t, e.code, e.since, e.value, e.receipt); return undefined;
    case "ask_owner": t.question = { owner: e.owner, receipt: e.receipt, proof: e.proof }; return undefined;
    case "handover_answer": t.handoverAnswers.push({ to: e.to, code: e.code }); return undefined;
    case "nothing_to_show": return nextWant(t);
    case "done": need(t, () => t.role.end(board)); return undefined;
  }
}

/** Greets the same handset again with the next thing wanted, until all were tried. */
function nextWant(t: AnyTerminal): Input | undefined {
  t.triedWants++;
  t.wantNumber = (t.wantNumber + 1) % Math.max(1, t.wants.length);
  if (t.triedWants < t.wants.length) t.greetAgain = true;
  return undefined;
}

function ended(t: AnyTerminal, turned: boolean): void {
  need(t, () => t.role.end(t.board));
  tell(t, { event: "ended", turned: turned });
}

function show(t: AnyTerminal, told: number, since: number, value: Value | undefined, receipt: Receipt | undefined): void {
  // Recorded, and then the gate did not move: green would be a lie. It was not turned, so its holder gets it back.
  const code = told === 0 && t.outOfService !== "" ? refusal.out_of_service : told;
  attempt(t, () => t.board.panel.show(lightOf(code), code > 0 && code <= blinkingMax ? "blinking" : "steady", toneOf(code), t.setup.textOf(code)));
  t.lightUntilMs = t.board.clock.monotonicMs() + lightMs;
  tell(t, { event: "shown", code: code, since: since, value: value, receipt: receipt });
  if (code === 0) tell(t, { event: "opened", stages: t.stages });
  else noteRefusal(t, code, value);
}

/** Who was told no, for the operator; only while there is plenty of room. */
function noteRefusal(t: AnyTerminal, code: number, value: Value | undefined): void {
  if (code < refusal.profile_too_weak || !roomFor(t.journal, recordRoomBytes, 2)) return;
  const time = timeOf(t);
  write(t, { kind: "refused", code: code, valueId: value === undefined ? new Uint8Array(0) : value.valueId, at: time.at, quality: time.quality }, false);
}

/** Closes every tap number issued so far, for draining: nothing of them can be resumed here any more. */
export function closeNow(t: AnyTerminal): void {
  if (t.verifier.state === "idle" && t.lastTap > t.book.closed && roomFor(t.journal, 64, 0)) drive(t, { type: "close", tap: t.lastTap });
}
