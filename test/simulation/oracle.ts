/**
 * What must hold at every moment, looked at from outside: the oracle keeps its own books of what each gate wrote, opened and
 * counted, and of what each handset was promised, and compares them with what the real code does. What must hold of the
 * whole in the end is `model.ts`.
 */
import { hash } from "node:crypto";
import { decode } from "cborg";
import type { GateActor } from "./gate.js";
import { nameOf, type HandsetActor } from "./handset.js";
import { isPlanted } from "./statements.js";
import type { World } from "./world.js";
import { openCells } from "../../runtime/journal/cells.js";
import { firstKept, readFrom } from "../../runtime/journal/journal.js";
import type { HandsetEvent } from "../../runtime/role/handset.js";
import type { TerminalEvent } from "../../runtime/terminal.js";
import { newestOf, openWallet } from "../../runtime/value/wallet.js";
import { messageType } from "../../protocol/wire/sync.js";
import { deframer, feed, type Deframer } from "../../protocol/link/frame.js";

export interface Violation { invariant: string; what: string; atMs: number }

/** What the oracle knows of one gate, whatever its power did. */
export interface GateBook {
  /** Entries as they were written, by sequence. */
  written: Map<number, Uint8Array>;
  next: number;
  durableThrough: number;
  lastTap: number;
  /** Tap numbers up to this one are closed. */
  closed: number;
  /** Sequence of the entry that explained the last opening. */
  explained: number;
  /** State of each use in this gate's journal, replayed. */
  uses: Map<string, { outcome: "none" | "turned" | "not_turned" | "unknown"; reopened: number }>;
  openings: Map<string, number>;
  /** Numbers that may only rise. */
  floor: { configuration: number; list: number; time: number; confirmed: number };
  deframer: Deframer;
  /** A certificate went out since the last hello. */
  certified: boolean;
  polls: { second: number; count: number };
}

export interface Oracle {
  readonly violations: Violation[];
  readonly gates: Map<string, GateBook>;
  /** Uses that somebody walked through for, by gate. */
  readonly passages: Map<string, string[]>;
  /** States and features met. */
  readonly met: Record<string, number>;
  broken(invariant: string, what: string): void;
  opened(g: GateActor): void;
  booted(g: GateActor): void;
  /** `due`: when it wants to be called again. */
  polled(g: GateActor, due?: number): void;
  told(g: GateActor, e: TerminalEvent): void;
  threw(actor: string, error: unknown): void;
  reopened(h: HandsetActor): void;
  says(h: HandsetActor, bytes: Uint8Array): void;
  heardBy(h: HandsetActor, e: HandsetEvent): void;
  passed(g: GateActor, use: string): void;
  onLine(g: GateActor, direction: "up" | "down", bytes: Uint8Array): void;
  sealed(key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, plain: Uint8Array): void;
  hostCalled(answer: Promise<Uint8Array | undefined>, heard: (answer: Uint8Array | undefined) => void): void;
  posted(from: string, type: number): void;
  bookOf(g: GateActor): GateBook;
}

const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const short = (bytes: Uint8Array): string => hash("sha256", bytes, "hex").slice(0, 24);
/** A state that is not *idle* ends by itself within this time (I11): five seconds to present, two to acknowledge, eight to walk. */
const stateMostMs = 8_100;

/** `value:counter` of an entry that may open a gate, from its CBOR alone. */
export function useIn(entry: Uint8Array): { kind: number; use: string } | undefined {
  const items = decode(entry, { useMaps: true }) as unknown[];
  const kind = items[0] as number;
  if (kind === 1) {
    const receipt = receiptIn(items);
    return { kind, use: `${hexOf(receipt[3] as Uint8Array)}:${receipt[4] as number}` };
  }
  if (kind === 2) return { kind, use: `${hexOf(items[2] as Uint8Array)}@${items[3] as number}` };
  if (kind === 3 || kind === 4 || kind === 6) return { kind, use: `${hexOf(items[1] as Uint8Array)}:${items[2] as number}` };
  return kind === 8 ? { kind, use: "" } : undefined;
}

export function makeOracle(world: World): Oracle {
  const o: Oracle = {
    violations: [], gates: new Map(), passages: new Map(), met: {},
    broken: (invariant, what) => { o.violations.push({ invariant, what, atMs: Math.round(world.schedule.nowUs / 1000) }); world.note("oracle", invariant, what); },
    bookOf: (g) => bookOf(o, g),
    opened: (g) => opened(o, g),
    booted: (g) => booted(o, g),
    polled: (g, due) => { collect(o, g); bounded(o, g); restless(o, g, due); },
    told: (g, e) => told(o, g, e),
    threw: (actor, error) => o.broken("I10", `${actor} threw ${error instanceof Error ? error.stack?.split("\n").slice(0, 4).join(" | ") : String(error)}`),
    reopened: (h) => reopened(o, h),
    says: (h) => { if (h.store.pending().length > 0) o.broken("I3", `${h.name} spoke before its store was durable`); },
    heardBy: (h, e) => { if (e.event === "stored") promised(h).set(hexOf(e.valueId), e.counter); note(o, e.event === "shown" ? `handset shown ${e.code}` : `handset ${e.event}`); },
    passed: (g, use) => { const list = o.passages.get(g.name) ?? []; list.push(use); o.passages.set(g.name, list); },
    onLine: (g, direction, bytes) => { if (direction === "down") hellos(o, g, bytes); },
    sealed: (key, nonce, aad, plain) => sealed(o, key, nonce, aad, plain),
    posted: (from, type) => posted(o, world, from, type),
    hostCalled: (answer, heard) => {
      const { host } = world;
      // Whoever asked hears nothing of a database that failed.
      // A host that was replaced by its backup died with what it was doing.
      void answer.then((said) => { if (world.host === host) heard(said); }, (error: unknown) => { if (world.host !== host) return; if (isPlanted(error)) heard(undefined); else o.threw("host", error); });
    },
  };
  return o;
}

const note = (o: Oracle, what: string): void => { o.met[what] = (o.met[what] ?? 0) + 1; };

function bookOf(o: Oracle, g: GateActor): GateBook {
  let book = o.gates.get(g.name);
  if (book === undefined) {
    book = {
      written: new Map(), next: 1, durableThrough: 0, lastTap: 0, closed: 0, explained: 0, uses: new Map(), openings: new Map(), floor: { configuration: 0, list: 0, time: 0, confirmed: 0 }, deframer: deframer(g.medium.wrapping), certified: false, polls: { second: 0, count: 0 },
    };
    o.gates.set(g.name, book);
  }
  return book;
}

// ---- gates ------------------------------------------------------------------------------------------------------------------

/** What was appended since the last look. */
function collect(o: Oracle, g: GateActor): void {
  const journal = g.terminal?.journal;
  if (journal === undefined) return;
  const book = bookOf(o, g);
  if (journal.next > book.next) {
    for (const entry of readFrom(journal, book.next, 10_000, 1e9).entries) { take(book, book.next++, entry); notePair(g, decode(entry, { useMaps: true }) as unknown[]); }
    if (book.next !== journal.next) o.broken("I6", `${g.name} counts ${journal.next - 1} entries and can read ${book.next - 1}`);
  }
  if (g.journal.pending().length === 0 && journal.fault === undefined) book.durableThrough = journal.next - 1;
}

/** The receipt in a *finished* entry. */
function receiptIn(items: unknown[]): unknown[] {
  const record = decode(items[2] as Uint8Array, { useMaps: true }) as Uint8Array[];
  return decode(items[1] === 1 ? record[1]! : record[0]!, { useMaps: true }) as unknown[];
}

/** What an entry says of a rare way that a use went. */
function notePair(g: GateActor, items: unknown[]): void {
  if (items[0] === 1 && receiptIn(items)[6] === 2) g.world.pairs.happened("exit", g.name, ...g.world.handsets.filter((h) => h.meeting?.gate === g).map((h) => h.name));
  if (items[0] === 2 && items[5] === 2) g.world.pairs.happened("exit", g.name);
  if (items[0] === 1 && items[4] === false) g.world.pairs.happened("finished elsewhere", g.name);
  if (items[0] === 4) g.world.pairs.happened("reopened", g.name);
  if (items[0] === 5) g.world.pairs.happened("reversal", g.name);
  if (items[0] === 6) g.world.pairs.happened("handover", g.name);
}

function take(book: GateBook, sequence: number, entry: Uint8Array): void {
  book.written.set(sequence, entry);
  const items = decode(entry, { useMaps: true }) as unknown[];
  if (items[0] === 7) book.closed = Math.max(book.closed, items[1] as number);
  const said = useIn(entry);
  if (said === undefined) return;
  const known = book.uses.get(said.use);
  if (said.kind === 1 && known === undefined) book.uses.set(said.use, { outcome: "none", reopened: 0 });
  if (said.kind === 3 && known !== undefined) known.outcome = (decode(entry, { useMaps: true }) as unknown[])[3] === true ? "turned" : "not_turned";
  if (said.kind === 4 && known !== undefined) { if (known.outcome === "unknown") known.reopened++; known.outcome = "turned"; }
  if (said.kind === 8) for (const use of book.uses.values()) if (use.outcome === "none") use.outcome = "unknown";
}

/** The barrier opened: the entry that explains it is the last one, durable, and explains no other opening (I2, I3). */
function opened(o: Oracle, g: GateActor): void {
  const book = bookOf(o, g);
  const before = new Map([...book.uses].map(([use, state]) => [use, { ...state }]));
  if (g.journal.pending().length > 0) o.broken("I3", `${g.name} opened before its journal was durable`);
  collect(o, g);
  const last = book.next - 1;
  const said = book.written.has(last) ? useIn(book.written.get(last)!) : undefined;
  if (said === undefined || (said.kind !== 1 && said.kind !== 2 && said.kind !== 4) || last <= book.explained) { o.broken("I3", `${g.name} opened without a record of its own`); return; }
  book.explained = last;
  book.openings.set(said.use, (book.openings.get(said.use) ?? 0) + 1);
  note(o, said.kind === 4 ? "reopened" : "opened");
  const known = before.get(said.use);
  if (said.kind === 1 && known !== undefined) o.broken("I2", `${g.name} finished ${said.use} twice`);
  if (said.kind === 4 && !(known?.outcome === "not_turned" || (known?.outcome === "unknown" && known.reopened === 0 && g.index !== 2))) {
    o.broken("I2", `${g.name} opened again for ${said.use}, which is ${known?.outcome ?? "not recorded"}`);
  }
  if (said.kind === 1) inTime(o, g, book, last);
  const expires = said.kind === 1 ? ((decode(book.written.get(last)!, { useMaps: true }) as unknown[])[7] as number) : Infinity;
  if (expires < book.floor.time) o.broken("I13", `${g.name} opened for ${said.use}, which had ended ${book.floor.time - expires} s before a time it knew to be past`);
}

/** A receipt is finished before its end, and never once its tap number is closed: the host may have undone it (I1). */
function inTime(o: Oracle, g: GateActor, book: GateBook, sequence: number): void {
  const items = decode(book.written.get(sequence)!, { useMaps: true }) as unknown[];
  const receipt = receiptIn(items);
  const tap = Buffer.from(receipt[2] as Uint8Array).readUInt32BE(0);
  if (items[4] === true && tap <= book.closed) o.broken("I1", `${g.name} finished tap ${tap} after it closed ${book.closed}`);
}

/** After it started: its journal is a prefix of what was written and holds all that was durable; behind it is only this start (I5). */
function booted(o: Oracle, g: GateActor): void {
  const book = bookOf(o, g);
  const journal = g.terminal!.journal;
  if (journal.damaged.length > 0) o.broken("I6", `${g.name} found damage at entry ${journal.damaged[0]!.sequence}`);
  if (journal.next - 1 < book.durableThrough) o.broken("I5", `${g.name} lost entries ${journal.next} to ${book.durableThrough}, which were durable`);
  const first = firstKept(journal);
  if (book.next > 1 && first > 1 && first - 1 > book.floor.confirmed) o.broken("I5", `${g.name} gave back entries up to ${first - 1}, of which the host confirmed ${book.floor.confirmed}`);
  const held = readFrom(journal, first, 100_000, 1e9);
  let isNew = false;
  for (const [i, entry] of held.entries.entries()) {
    const sequence = first + i;
    const written = book.written.get(sequence);
    if (written === undefined || (!isNew && Buffer.from(written).equals(entry))) continue;
    isNew = sequence > book.durableThrough;
    const kind = (decode(entry, { useMaps: true }) as unknown[])[0] as number;
    if (!isNew || !startsWith.has(kind)) { o.broken("I5", `${g.name} holds another entry ${sequence} than was written`); break; }
  }
  if (book.explained >= journal.next) o.broken("I3", `${g.name} opened for entry ${book.explained}, which is not there any more`);
  replayBook(book, first, held.entries, journal.next);
  // What raised the floor may not have been durable; within a boot it never goes back.
  book.floor.time = g.terminal!.setup.timeFloor;
  rising(o, g);
}
/** What a start may write first: what it found torn, and what a page given back said (handover, closed, boot, ceiling, notices). */
const startsWith = new Set([6, 7, 8, 9, 11, 12]);

function replayBook(book: GateBook, first: number, held: readonly Uint8Array[], next: number): void {
  const all = [...book.written].filter(([sequence]) => sequence < first);
  for (const [i, entry] of held.entries()) all.push([first + i, entry]);
  book.written = new Map();
  book.uses = new Map();
  book.closed = 0;
  book.next = next;
  book.durableThrough = next - 1;
  for (const [sequence, entry] of all.sort((a, b) => a[0] - b[0])) take(book, sequence, entry);
}

/** Configuration, list, time floor and confirmation never go back, whatever happened (I13, I15). */
function rising(o: Oracle, g: GateActor): void {
  const book = bookOf(o, g);
  const setup = g.terminal!.setup;
  const now = { configuration: setup.configuration?.number ?? 0, list: setup.listNumber, time: setup.timeFloor, confirmed: setup.confirmed };
  for (const name of ["configuration", "list", "time", "confirmed"] as const) {
    // A host that was put back to a backup is told again what it had confirmed.
    if (name === "confirmed" && g.world.desk.fired["host_restored"] !== undefined) continue;
    if (now[name] < book.floor[name]) o.broken(name === "time" ? "I13" : "I15", `${g.name}: ${name} went back from ${book.floor[name]} to ${now[name]}`);
  }
  book.floor = now;
}

function bounded(o: Oracle, g: GateActor): void {
  const t = g.terminal;
  if (t === undefined) return;
  rising(o, g);
  const now = t.board.clock.monotonicMs();
  const { state, deadline, pending } = t.verifier;
  if (pending.length > 64 || t.marks.length > 64) o.broken("I10", `${g.name} remembers ${pending.length} pending receipts and ${t.marks.length} marks`);
  if (t.link.queue.length > 16 || t.link.arrivingBytes > 2048) o.broken("I10", `${g.name}'s line holds ${t.link.queue.length} frames to send and ${t.link.arrivingBytes} bytes`);
  if (state !== "idle" && state !== "out_of_service" && (deadline < 0 || deadline > now + stateMostMs)) o.broken("I11", `${g.name} is ${state} without an end in sight`);
  if ((g.relay === 1) !== (state === "open")) o.broken("I11", `${g.name} is ${state} and its barrier is ${g.relay === 1 ? "open" : "closed"}`);
}

const pollsMost = 400;
/** A gate that asks to be called again and again within a second never lets its machine rest (I10). */
function restless(o: Oracle, g: GateActor, due = -1): void {
  const book = bookOf(o, g);
  const t = g.terminal;
  const second = Math.floor(g.world.schedule.nowUs / 1e6);
  book.polls = book.polls.second === second ? { second, count: book.polls.count + 1 } : { second, count: 1 };
  if (t === undefined || book.polls.count !== pollsMost) return;
  o.broken("I10", `${g.name} was polled ${pollsMost} times within a second: ${t.verifier.state} ${t.outOfService}, due ${due} at ${t.board.clock.monotonicMs()}, deadline ${t.verifier.deadline}, light ${t.lightUntilMs}, ${t.link.queue.length} frames`);
}

function told(o: Oracle, g: GateActor, e: TerminalEvent): void {
  const book = bookOf(o, g);
  note(o, e.event === "shown" ? `gate shown ${e.code}` : `gate ${e.event}`);
  if (e.event === "shown" && (e.code === 11 || e.code === 12)) g.world.pairs.happened("refused by status", g.name);
  if (e.event !== "greeted") return;
  if (e.tap <= book.lastTap) o.broken("I8", `${g.name} used tap number ${e.tap} after ${book.lastTap}`);
  book.lastTap = e.tap;
}

/** Two different hellos never share terminal and tap number, whatever the random source gives (I8). */
function hellos(o: Oracle, g: GateActor, bytes: Uint8Array): void {
  const book = bookOf(o, g);
  for (const { payload } of feed(book.deframer, bytes)) {
    if (payload[1] === 1) book.certified = false;
    if (payload[1] === 7) { book.certified = true; g.world.pairs.happened("certificate asked for", g.name); }
    if (payload[1] === 3 && !book.certified) g.world.pairs.happened("certificate known", g.name);
    if (payload[0] !== undefined && (payload[0] & 0xe0) === 0x80 && payload[1] === 1) {
      const hello = decode(payload, { useMaps: true }) as unknown[];
      const name = `${hexOf(hello[5] as Uint8Array)} ${hexOf(hello[3] as Uint8Array)}`;
      const known = helloBooks.get(o) ?? new Map<string, string>();
      helloBooks.set(o, known);
      if (known.has(name) && known.get(name) !== short(payload)) o.broken("I8", `${g.name} greeted twice with tap number ${hexOf(hello[3] as Uint8Array)}`);
      known.set(name, short(payload));
    }
  }
}
const helloBooks = new WeakMap<Oracle, Map<string, string>>();

// ---- handsets -----------------------------------------------------------------------------------------------------------------

const promises = new WeakMap<HandsetActor, Map<string, number>>();
function promised(h: HandsetActor): Map<string, number> {
  const known = promises.get(h) ?? new Map<string, number>();
  promises.set(h, known);
  return known;
}

/** After it died: every receipt that it said was stored is there (I3). */
function reopened(o: Oracle, h: HandsetActor): void {
  const wallet = openWallet(openCells(h.store));
  for (const [id, counter] of promised(h)) {
    const chains = wallet.values.flatMap((v) => [v.receipts, v.grantReceipts]);
    const found = chains.some((chain) => {
      const newest = newestOf(chain);
      const receipt = newest === undefined ? undefined : (decode(newest.receipt, { useMaps: true }) as unknown[]);
      return receipt !== undefined && hexOf(receipt[3] as Uint8Array) === id && (receipt[4] as number) >= counter;
    });
    if (!found && !h.copied) o.broken("I3", `${h.name} lost receipt ${counter} of ${id}, which it had acknowledged`);
  }
}

// ---- letters ---------------------------------------------------------------------------------------------------------------------

const lettersMost = 30;
/** In a minute: all letters of one sender, and its renewals, which are one an hour but for what is lost or cut on the way. */
const minuteMost = { letters: 60, renewals: 10 };
interface LetterBook { second: number; count: number; minute: number; letters: number; renewals: number }
const letterBooks = new WeakMap<Oracle, Map<string, LetterBook>>();
/** Nobody hammers the host, whatever it answers (I10). */
function posted(o: Oracle, world: World, from: string, type: number): void {
  const known = letterBooks.get(o) ?? new Map<string, LetterBook>();
  letterBooks.set(o, known);
  const second = Math.floor(world.schedule.nowUs / 1e6), minute = Math.floor(second / 60);
  const book = known.get(from) ?? { second, count: 0, minute, letters: 0, renewals: 0 };
  known.set(from, book);
  if (book.second !== second) { book.second = second; book.count = 0; }
  if (book.minute !== minute) { book.minute = minute; book.letters = 0; book.renewals = 0; }
  book.letters++;
  if (type === messageType.renew) book.renewals++;
  if (++book.count === lettersMost) o.broken("I10", `${from} posted ${lettersMost} letters within a second`);
  if (book.letters === minuteMost.letters) o.broken("I10", `${from} posted ${book.letters} letters within a minute`);
  if (book.renewals === minuteMost.renewals) o.broken("I10", `${from} asked for ${book.renewals} certificates within a minute`);
}

// ---- secrets --------------------------------------------------------------------------------------------------------------------

const sealBooks = new WeakMap<Oracle, Map<string, string>>();
/** One key and nonce, one text (I9). */
function sealed(o: Oracle, key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, plain: Uint8Array): void {
  const known = sealBooks.get(o) ?? new Map<string, string>();
  sealBooks.set(o, known);
  const name = hexOf(key) + hexOf(nonce);
  const text = short(Buffer.concat([aad, plain]));
  const before = known.get(name);
  if (before !== undefined && before !== text) o.broken("I9", `two texts were sealed under one key and nonce`);
  known.set(name, text);
}
export { nameOf };
