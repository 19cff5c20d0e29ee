/**
 * The journal on media that fail, by enumeration: power cut at every operation of every workload, bit rot in every byte,
 * writes that do nothing or land elsewhere, a disk that is full, syncs that fail, and every set of sectors that may survive
 * (rows 18, 20, 22, 23, 25, 26 and 27 of the fault table). After each: a prefix of what was written, all that was
 * acknowledged, its chain whole, and what was once read stays (I3, I5, I6).
 */
import { makeDisk, type Disk } from "../../../boards/sim/disk.js";
import { seeded, type FaultyStore } from "../../../boards/sim/faulty.js";
import { makeFlash } from "../../../boards/sim/flash.js";
import { nodeCrypto as crypto } from "../../../protocol/crypto/node/node.js";
import { append, chained, entryBytesMax, flush, oldestEnds, prepare, readFrom, releaseThrough, roomFor, type Journal } from "../../../runtime/journal/journal.js";
import { openJournal } from "../../../runtime/journal/recovery.js";
import { freePages } from "../../../runtime/journal/ring.js";
import type { Store } from "../../../runtime/journal/store.js";
import { violation } from "../violation.js";

export interface Result { points: number; faults: Record<string, number>; violations: string[] }
export interface Options { /** Damage seeds a point. */ damage: number; progress?: (done: number, of: number) => void }

// ---- workloads --------------------------------------------------------------------------------------------------------------

/** A number: an entry of so many bytes, durable; negative: lazily. */
export type Step = number | "flush" | "release" | "prepare";
export const size = { pageBytes: 512, pages: 4 };
export const workloads: Record<string, Step[]> = {
  "three entries": [8, 24, 40],
  "lazy ones between": [20, -16, 33, -9, -17, 40, -8, "flush"],
  "a page change": [100, 100, 100, -30, 100, -30, 100],
  "the largest entries": [entryBytesMax({ pageBytes: 512 } as Store), entryBytesMax({ pageBytes: 512 } as Store), 1, 0, 7],
  "pages given back": [180, 180, 180, 180, "release", 60, "prepare", 180, 180, "release", 20],
  "around the ring": [380, 380, "release", 380, "prepare", 380, "release", -380, 380, "release", 380, 380, "release", 5],
};

/** What a journal was told, and what it answered. */
export interface Told { written: Uint8Array[]; acknowledged: number; released: number; releasing: number }
export const nothingTold = (): Told => ({ written: [], acknowledged: 0, released: 0, releasing: 0 });

export function entryOf(number: number, length: number): Uint8Array {
  const random = seeded(number * 7919 + length);
  return new Uint8Array(length).map(() => Math.floor(random() * 256));
}

/** Does one step; what the journal acknowledges is noted only when the call returned. */
export function take(j: Journal, step: Step, told: Told): void {
  if (step === "flush") { flush(j); told.acknowledged = told.written.length; return; }
  if (step === "prepare") { prepare(j, 400); return; }
  if (step === "release") {
    told.releasing = oldestEnds(j);
    releaseThrough(j, told.releasing);
    told.released = told.releasing;
    if (j.unsynced === 0) told.acknowledged = told.written.length;
    return;
  }
  const entry = entryOf(told.written.length, Math.abs(step));
  told.written.push(entry);
  append(j, entry, step >= 0);
  if (step >= 0) told.acknowledged = told.written.length;
}

/** Runs steps until power fails; true when all were done. */
export function work(j: Journal, steps: readonly Step[], told: Told): boolean {
  try {
    for (const step of steps) take(j, step, told);
    return true;
  } catch (error) {
    if ((error as { kind?: string }).kind === undefined) throw error;
    return false;
  }
}

// ---- the oracle ---------------------------------------------------------------------------------------------------------------

export interface Opened { journal: Journal; first: number; visited: Uint8Array[] }
export function open(store: Store): Opened {
  const opened = { journal: undefined as unknown as Journal, first: 0, visited: [] as Uint8Array[] };
  let expected = 0;
  opened.journal = openJournal(store, crypto, (entry, sequence) => {
    if (expected === 0) opened.first = sequence;
    else if (sequence !== expected) opened.first = NaN;
    expected = sequence + 1;
    opened.visited.push(entry.slice());
  });
  if (expected === 0) opened.first = opened.journal.next;
  return opened;
}

const same = (a: Uint8Array, b: Uint8Array | undefined): boolean => b !== undefined && a.length === b.length && a.every((byte, i) => byte === b[i]);

/** I5 of a journal that was told this; undefined when it holds. */
export function wrong(o: Opened, told: Told): string | undefined {
  const j = o.journal;
  if (j.damaged.length > 0) return `I6 damage at ${JSON.stringify(j.damaged)} that nobody did`;
  if (j.fault !== undefined) return `I5 fault: ${j.fault.message}`;
  if (Number.isNaN(o.first)) return "I5 entries are not in sequence";
  const last = o.first + o.visited.length - 1;
  if (o.first > Math.max(told.released, told.releasing) + 1) return `I5 begins with ${o.first}, given back were ${told.releasing}`;
  if (last < told.acknowledged) return `I5 ends with ${last}, acknowledged were ${told.acknowledged}`;
  if (last > told.written.length) return `I5 ends with ${last}, written were ${told.written.length}`;
  for (let i = 0; i < o.visited.length; i++) if (!same(o.visited[i]!, told.written[o.first + i - 1])) return `I5 entry ${o.first + i} is another one`;
  if (!same(headOf(told, last), j.head)) return "I5 the chain is another one";
  return served(j, told, o.first, last);
}

function headOf(told: Told, through: number): Uint8Array {
  let head: Uint8Array = new Uint8Array(16);
  for (let i = 0; i < through; i++) head = chained(crypto, head, told.written[i]!);
  return head;
}

function served(j: Journal, told: Told, first: number, last: number): string | undefined {
  const read = readFrom(j, first, 1000, 1e9);
  if (read.entries.length !== last - first + 1) return `I5 serves ${read.entries.length} of ${last - first + 1} entries`;
  return read.entries.every((entry, i) => same(entry, told.written[first + i - 1])) && (last < first || same(read.head, j.head)) ? undefined : "I5 serves other entries";
}

/** Opened, what was read stays: also after more was written and power failed again. */
export function stays(store: FaultyStore, told: Told, collect: (s: FaultyStore) => void): string | undefined {
  try {
    return whatGoes(store, told, collect);
  } catch (error) {
    return `I10 it threw ${String(error)}`;
  }
}
function whatGoes(store: FaultyStore, told: Told, collect: (s: FaultyStore) => void): string | undefined {
  const first = open(store);
  const problem = wrong(first, told);
  if (problem !== undefined) return problem;
  const last = first.first + first.visited.length - 1;
  const later: Told = { ...told, written: told.written.slice(0, last), acknowledged: last, released: first.first - 1, releasing: first.first - 1 };
  for (let boot = 0; boot < 2; boot++) {
    collect(store);
    store = store.restarted();
    const again = open(store);
    const gone = wrong(again, later);
    if (gone !== undefined) return `after restart ${boot + 1}: ${gone}`;
    if (!roomFor(again.journal, 12, 0)) return undefined;
    take(again.journal, 12, later);
  }
  collect(store);
  return undefined;
}

// ---- runs ---------------------------------------------------------------------------------------------------------------------

export interface Run { result: Result; medium: string; workload: string; told: Told; fail(what: string): void; collect(s: FaultyStore): void }
export function makeResult(): Result {
  return { points: 0, faults: {}, violations: [] };
}
export function collectInto(result: Result): (s: FaultyStore) => void {
  return (s) => { for (const [fault, times] of Object.entries(s.fired)) result.faults[fault] = (result.faults[fault] ?? 0) + times; };
}
export const media: Record<string, () => FaultyStore> = {
  flash: () => makeFlash(size),
  "flash of 4-byte units": () => makeFlash({ ...size, unitBytes: 4 }),
  disk: () => makeDisk({ ...size, sectorBytes: 128 }),
};

/** Runs a workload on a store that fails in the n-th operation of it, on top of the opening. */
export function fresh(make: () => FaultyStore, steps: readonly Step[], plan: (s: FaultyStore) => void): { store: FaultyStore; told: Told; whole: boolean; journal: Journal } {
  const store = make();
  plan(store);
  const told = nothingTold();
  const journal = open(store).journal;
  return { store, told, whole: work(journal, steps, told), journal };
}

/** Row 18 (and 20, 21 where the workload erases): power fails at every operation. */
export function cuts(result: Result, damage: number): void {
  const collect = collectInto(result);
  for (const [medium, make] of Object.entries(media)) for (const [name, steps] of Object.entries(workloads)) {
    const operations = fresh(make, steps, () => undefined).store.operations.length;
    for (let n = 1; n <= operations; n++) for (let seed = 0; seed < damage; seed++) {
      const { store, told } = fresh(make, steps, (s) => s.cutAt(n, seed));
      collect(store);
      const problem = stays(store.restarted(), told, collect);
      result.points++;
      if (problem !== undefined) result.violations.push(violation(`${medium}, ${name}, cut at operation ${n}, damage ${seed}`, problem));
    }
  }
}

/** Row 27: every subset of up to twelve pending sectors survives; beyond that the seeds of row 18. */
export function subsets(result: Result): void {
  const collect = collectInto(result);
  for (const [name, steps] of Object.entries(workloads)) {
    const make = (): Disk => makeDisk({ ...size, sectorBytes: 128 });
    const operations = fresh(make, steps, () => undefined).store.operations.length;
    for (let n = 1; n <= operations; n++) {
      let pending: number[] = [];
      const probe = make();
      const j = open(probe).journal;
      stopBefore(probe, n);
      work(j, steps, nothingTold());
      pending = probe.pending();
      for (let set = 0; set < 2 ** Math.min(12, pending.length); set++) {
        const store = make();
        store.cutAt(n, set);
        store.surviving(pending.filter((_, i) => (set >> i) & 1));
        const told = nothingTold();
        work(open(store).journal, steps, told);
        collect(store);
        const problem = stays(store.restarted(), told, collect);
        result.points++;
        if (problem !== undefined) result.violations.push(violation(`disk, ${name}, operation ${n}, sectors ${set.toString(2)} survive`, problem));
      }
    }
  }
}
/** The n-th operation is done, and then nothing more is taken. */
function stopBefore(store: FaultyStore, n: number): void {
  store.failAt(n + 1, { what: "refused", kind: "broken" });
}

/** Row 22: one bit flips in every byte of an image of 64 records. Found, or outside all records; the rest is served. */
export function rot(result: Result, bits: readonly number[]): void {
  const collect = collectInto(result);
  const steps: Step[] = Array.from({ length: 64 }, (_, i) => 8 + (i % 5) * 7);
  const big = { pageBytes: 512, pages: 10 };
  const image = fresh(() => makeFlash(big), steps, () => undefined);
  for (let page = 0; page < big.pages; page++) for (let offset = 0; offset < big.pageBytes; offset++) for (const bit of bits) {
    const store = image.store.restarted();
    store.rot(page, offset, bit);
    collect(store);
    const o = open(store);
    result.points++;
    const problem = rotten(o, image.told);
    if (problem !== undefined) result.violations.push(violation(`bit ${bit} of byte ${offset} on page ${page}`, problem));
  }
}

function rotten(o: Opened, told: Told): string | undefined {
  const j = o.journal;
  const read = o.visited.map((entry) => told.written.findIndex((w) => same(w, entry)));
  if (read.some((number) => number < 0)) return "I6 an entry that nobody wrote";
  const lost = told.written.length - read.length;
  if (lost > 1) return `I6 ${lost} entries are not served`;
  if (lost === 1 && j.damaged.length === 0 && j.torn === undefined) return "I6 a lost entry and not a word of it";
  if (j.damaged.length > 0 && j.fault === undefined) return "I6 a damaged journal goes on";
  return undefined;
}

/** Row 23: an operation answers well and did nothing, or changed another page. Never acknowledged, or found when opened. */
export function silent(result: Result): void {
  const collect = collectInto(result);
  for (const [medium, make] of Object.entries(media)) for (const [name, steps] of Object.entries(workloads)) {
    const whole = fresh(make, steps, () => undefined).store;
    whole.operations.forEach((operation, i) => {
      if (operation.what === "sync") return;
      for (const how of [{ what: "nothing" } as const, ...[0, 1, 2, 3].filter((page) => page !== operation.page).map((page) => ({ what: "elsewhere", page }) as const)]) {
        const run = fresh(make, steps, (s) => s.failAt(i + 1, how));
        collect(run.store);
        const o = open(run.store.restarted());
        result.points++;
        const said = !run.whole || o.journal.damaged.length > 0;
        const problem = said ? undefined : wrong(o, run.told)?.replace(/^I\d+ /, "I6 ");
        const invented = o.visited.some((entry) => !run.told.written.some((w) => same(w, entry)));
        if (problem !== undefined || invented) result.violations.push(violation(`${medium}, ${name}, operation ${i + 1} did ${how.what}`, problem ?? "I6 an entry that nobody wrote"));
      }
    });
  }
}

/** Row 25: the medium is full at every operation, and every capacity of small entries. Refused before anything is taken. */
export function full(result: Result): void {
  const collect = collectInto(result);
  for (const [name, steps] of Object.entries(workloads)) {
    const operations = fresh(media["disk"]!, steps, () => undefined).store.operations.length;
    for (let n = 1; n <= operations; n++) {
      const run = fresh(media["disk"]!, steps, (s) => s.failAt(n, { what: "refused", kind: "full" }));
      collect(run.store);
      const problem = stays(run.store.restarted(), run.told, collect);
      result.points++;
      if (problem !== undefined) result.violations.push(violation(`disk full at operation ${n} of ${name}`, problem));
    }
  }
  for (let pages = 3; pages <= 12; pages++) for (let length = 8; length <= 400; length += 56) {
    const problem = capacity(pages, length);
    result.points++;
    if (problem !== undefined) result.violations.push(violation(`${pages} pages, entries of ${length} bytes`, problem));
  }
}

/** Fills up, is refused, gives back, and takes as much again. */
function capacity(pages: number, length: number): string | undefined {
  const store = makeFlash({ pageBytes: 512, pages });
  const j = open(store).journal;
  const told = nothingTold();
  for (let round = 0; round < 3; round++) {
    const before = told.written.length;
    while (roomFor(j, length, 0)) take(j, length, told);
    if (told.written.length === before) return "I11 nothing more is taken after pages were given back";
    const operations = store.operations.length;
    let refused = "";
    try { append(j, new Uint8Array(length), true); } catch (error) { refused = (error as { kind: string }).kind; }
    if (refused !== "full" || store.operations.length !== operations || j.fault !== undefined) return `I11 a full journal answers "${refused}"`;
    if (freePages(j) < 1) return "I11 no page is kept for the recovery";
    while (oldestEnds(j) > 0) take(j, "release", told);
  }
  return wrong(open(store.restarted()), told);
}

/** Row 26: the n-th sync fails, what was pending is lost or kept; the journal stops, and opened again it is whole. */
export function syncs(result: Result): void {
  const collect = collectInto(result);
  for (const [name, steps] of Object.entries(workloads)) {
    const operations = fresh(media["disk"]!, steps, () => undefined).store.operations;
    operations.forEach((operation, i) => {
      if (operation.what !== "sync") return;
      for (const pending of ["lost", "kept"] as const) for (const machine of ["crashed", "restarted"] as const) {
        const run = fresh(media["disk"]!, steps, (s) => s.failAt(i + 1, { what: "sync_failed", pending }));
        collect(run.store);
        const goesOn = run.journal.fault === undefined || attempt(run.journal);
        const problem = goesOn ? "I3 a journal whose sync failed takes entries" : stays((run.store as Disk)[machine](), run.told, collect);
        result.points++;
        if (problem !== undefined) result.violations.push(violation(`${name}, sync ${i + 1} failed, pending ${pending}, ${machine}`, problem));
      }
    });
  }
}
function attempt(j: Journal): boolean {
  try { append(j, new Uint8Array(8), true); return true; } catch { return false; }
}

export function run(o: Options): Result {
  const result = makeResult();
  const parts: (() => void)[] = [
    () => cuts(result, o.damage), () => subsets(result), () => rot(result, o.damage >= 100 ? [0, 1, 2, 3, 4, 5, 6, 7] : [3]), () => silent(result), () => full(result), () => syncs(result),
  ];
  parts.forEach((part, i) => { part(); o.progress?.(i + 1, parts.length); });
  return result;
}
