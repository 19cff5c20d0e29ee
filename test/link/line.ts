/**
 * Two ends of the link and a line between them that may do anything to bytes, on a virtual clock. The ends hold a tap's
 * conversation: hello, presentation, answer, acknowledgement, and a last word that needs no ack; the terminal starts as many
 * sessions as asked for. Whatever is delivered is judged at once: genuine, of this session, in order, once.
 */
import { deadline, makeLink, poll, receive, send, type Link } from "../../protocol/link/link.js";
import type { Medium } from "../../protocol/link/media.js";

export type End = "terminal" | "handset";
/** One write to the device, as the line sees it: the n-th of the conversation. */
export interface Write { n: number; session: number; from: End; bytes: Uint8Array; nowMs: number }
/** What comes out of the line for it, where, and when. */
export interface Delivery { to: End; bytes: Uint8Array; afterMs: number }
export type Line = (write: Write) => Delivery[];

export const peerOf = (end: End): End => (end === "terminal" ? "handset" : "terminal");
export const arrive = (w: Write, bytes: Uint8Array = w.bytes, afterMs = 0): Delivery => ({ to: peerOf(w.from), bytes, afterMs });
export const good: Line = (w) => [arrive(w)];
/** A line that is good but for one write. */
export const atWrite = (n: number, fault: Line): Line => (w) => (w.n === n ? fault(w) : good(w));

/** Bytes of the five messages: those of a tap that shows its certificate. */
export const sizes = [58, 322, 104, 84, 21];
const closing = sizes.length - 1;
const textOf = (session: number, n: number): string => `${session}.${n}:`.padEnd(sizes[n]!, "abcdefgh");

export interface Told {
  /** What broke the link's promise, in words. */
  violations: string[];
  /** Sessions whose acknowledgement arrived; the closing word may be lost without a harm. */
  finished: number[];
  /** Senders that were told of a loss. */
  lost: number;
  writes: Write[];
  /** What the link could not know better than to pass up: an old hello, or a word of another handset. */
  passedUp: string[];
  endMs: number;
}

/** `thinkMs`: how long an end thinks before it answers; `others`: true for the words of a third party that the line may carry. */
export interface Talk { sessions?: number; thinkMs?: number; others?: (text: string) => boolean }

/** A session without progress ends after so long: the terminal is free (the session layer's own waits are shorter). */
const sessionMs = 20_000;

export function converse(medium: Medium, line: Line, talk: Talk = {}): Told {
  const { sessions = 1, thinkMs = 0, others = () => false } = talk;
  const told: Told = { violations: [], finished: [], lost: 0, writes: [], passedUp: [], endMs: 0 };
  const links: Record<End, Link> = { terminal: makeLink(medium, false), handset: makeLink(medium, true) };
  const at: Record<End, { session: number; next: number }> = { terminal: { session: 0, next: 1 }, handset: { session: 0, next: 0 } };
  const held = { terminal: links.terminal.deframer.held.length, handset: links.handset.deframer.held.length };
  let coming: (Delivery & { atMs: number; order: number })[] = [];
  let answers: { atMs: number; end: End; session: number; n: number }[] = [];
  let nowMs = 1000;
  let order = 0;
  let sessionEndMs = 0;

  const say = (end: End, session: number, n: number): void =>
    send(links[end], Buffer.from(textOf(session, n)), { first: n === 0, last: n === closing });
  const startSession = (): void => {
    at.terminal = { session: at.terminal.session + 1, next: 1 };
    sessionEndMs = nowMs + sessionMs;
    say("terminal", at.terminal.session, 0);
  };
  const hear = (end: End, message: Uint8Array): void => {
    const text = Buffer.from(message).toString();
    const [session, n] = text.split(":")[0]!.split(".").map(Number) as [number, number];
    const a = at[end];
    if (others(text)) { told.passedUp.push(`${end} heard another's word`); return; }
    if (!(n <= closing) || text !== textOf(session, n)) { told.violations.push(`I7 ${end} heard what nobody said`); return; }
    if (end === "handset" && n === 0) {
      if (session < a.session) told.passedUp.push(`old hello ${session}`); // Whoever replays a hello may replay all that followed it.
      Object.assign(a, { session, next: 0 });
    }
    if (session !== a.session || n !== a.next) { told.violations.push(`I4 ${end} heard ${session}.${n} and waited for ${a.session}.${a.next}`); return; }
    a.next = n + 2;
    if (n === 3) told.finished.push(session);
    if (n < closing) answers.push({ atMs: nowMs + thinkMs, end, session, n: n + 1 });
  };
  const pump = (end: End): void => {
    const out = poll(links[end], nowMs);
    if (out.lost) told.lost++;
    for (const bytes of out.output) {
      const write: Write = { n: told.writes.length, session: at.terminal.session, from: end, bytes, nowMs };
      told.writes.push(write);
      for (const d of line(write)) coming.push({ ...d, atMs: nowMs + d.afterMs, order: order++ });
    }
  };

  startSession();
  for (let steps = 0; steps < 5000; steps++) {
    for (const a of answers.filter((one) => one.atMs <= nowMs)) if (a.session === at[a.end].session) say(a.end, a.session, a.n);
    answers = answers.filter((one) => one.atMs > nowMs);
    pump("terminal");
    pump("handset");
    const times = [deadline(links.terminal), deadline(links.handset), ...coming.map((d) => d.atMs), ...answers.map((a) => a.atMs)].filter((t) => t >= 0);
    const idle = times.length === 0;
    if ((idle || nowMs >= sessionEndMs) && at.terminal.session >= sessions && coming.length === 0) break;
    if ((idle && coming.length === 0) || nowMs >= sessionEndMs) { startSession(); continue; }
    nowMs = Math.max(nowMs, Math.min(...times, sessionEndMs));
    const due = coming.filter((d) => d.atMs <= nowMs).sort((a, b) => a.atMs - b.atMs || a.order - b.order);
    coming = coming.filter((d) => d.atMs > nowMs);
    for (const d of due) for (const message of receive(links[d.to], d.bytes, nowMs).messages) hear(d.to, message);
    if (due.length === 0) nowMs++;
    for (const end of ["terminal", "handset"] as const) {
      if (links[end].deframer.held.length !== held[end] || links[end].arriving.reduce((sum, part) => sum + part.length, 0) > 2048) told.violations.push(`I10 ${end} holds more than one message`);
    }
  }
  told.endMs = nowMs;
  return told;
}
