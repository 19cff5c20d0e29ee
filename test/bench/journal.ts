/**
 * The journal on this disk: durable appends against a bare write and sync of as many bytes, recovery of a full journal
 * against reading its file, and what a hundred thousand notices of values that were met take of the memory.
 */
import { closeSync, fdatasyncSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { interleaved, median, spent, type Measure, type Options, type Table } from "./measure.js";
import { makeScene, season, tapOnce } from "./scene.js";
import { openFileStore } from "../../boards/node/file-store.js";
import { limits } from "../../protocol/limits.js";
import { decodeEntry, type FinishedEntry } from "../../protocol/wire/entry.js";
import { append, readFrom, roomFor, type Journal } from "../../runtime/journal/journal.js";
import { openJournal } from "../../runtime/journal/recovery.js";
import { apply, makeBook, type BookState } from "../../runtime/value/book.js";
import { crypto, makePhone } from "../session/world.js";

const size = { pageBytes: 65_536, pages: 16 };

/** The entry of a real tap. */
function finishedEntry(): Uint8Array {
  const scene = makeScene("ticket");
  tapOnce(makePhone(scene.world, season(scene.world)), scene.gate);
  const { entries } = readFrom(scene.gate.terminal.journal, 1, 100, 1 << 20);
  return entries.find((bytes) => decodeEntry(bytes)?.kind === "finished")!;
}

function appending(o: Options, folder: string, entry: Uint8Array): Table {
  const store = openFileStore(join(folder, "appended"), size);
  const journal = openJournal(store, crypto, () => undefined);
  const descriptor = openSync(join(folder, "bare"), "w+");
  writeSync(descriptor, new Uint8Array(1 << 20).fill(255));
  fdatasyncSync(descriptor);
  let at = 0;
  const [ours, bare] = interleaved(o.quick ? 100 : 400, [
    () => { append(journal, entry, true); },
    () => { writeSync(descriptor, entry, 0, entry.length, at); fdatasyncSync(descriptor); at += entry.length; },
  ]).map((found) => median(found));
  closeSync(descriptor);
  store.close();
  return { title: `Durable appends of a finished record (${entry.length} bytes)`, figures: [
    { what: `one: ${(1e6 / ours!).toFixed(0)} a second`, value: ours!, unit: "µs", floor: { value: bare!, of: "a bare write and fdatasync of as many bytes on the same disk, in turn" } },
  ], notes: [] };
}

function fill(journal: Journal, entry: Uint8Array): number {
  while (roomFor(journal, entry.length, 0)) append(journal, entry, false);
  return journal.next - 1;
}

function recovering(o: Options, folder: string, entry: Uint8Array): Table {
  const path = join(folder, "full");
  const store = openFileStore(path, size);
  const entries = fill(openJournal(store, crypto, () => undefined), entry);
  store.sync();
  const finished = decodeEntry(entry) as FinishedEntry;
  const [recovered, applied, read] = interleaved(o.quick ? 5 : 20, [
    () => { if (openJournal(store, crypto, () => undefined).next !== entries + 1) throw new Error("The journal was not recovered whole."); },
    () => { const book = makeBook(crypto); openJournal(store, crypto, (bytes, sequence) => apply(book, decodeEntry(bytes)!, sequence)); },
    () => { readFileSync(path); },
  ], 1, spent).map((found) => median(found) / 1000);
  store.close();
  return { title: `Recovery of a full journal, 1 MiB, ${entries} records of kind ${finished.kind}`, figures: [
    { what: "every record found, checked and chained", value: recovered!, unit: "ms", floor: { value: read!, of: "reading the file" } },
    { what: "  and the book built of them: ready to serve", value: applied!, unit: "ms", floor: { value: read!, of: "reading the file" }, goal: { most: 1000 } },
  ], notes: [] };
}

/** Bytes that live on the heap and beside it once everything else was collected. */
function living(): number {
  setFlagsFromString("--expose-gc");
  (runInNewContext("gc") as () => void)();
  const used = process.memoryUsage();
  return used.heapUsed + used.arrayBuffers;
}

/** A notice on flash: value id, counter, sum; in memory an index stands around it. */
const bareNoticeBytes = 16;

function meetMany(book: BookState): void {
  for (let i = 0; i < limits.noticesMax; i++) {
    const valueId = new Uint8Array(8);
    new DataView(valueId.buffer).setUint32(0, i * 2654435761);
    apply(book, {
      kind: "notice", valueId, counter: 1 + (i % 9), spentOnBase: i, baseCounter: 0, day: 20_000, usesToday: 1, lastAction: 1, lastAt: 1_800_000_000 + i, ownerSequence: 0, beaconUses: 0, expires: 1_900_000_000,
    }, i);
  }
}

function remembering(): Table {
  const before = living();
  const book = makeBook(crypto);
  const took = spent(() => meetMany(book));
  const bytes = living() - before;
  if (book.noticesCount !== limits.noticesMax) throw new Error("Two notices became one.");
  return { title: `A terminal that remembers ${limits.noticesMax.toLocaleString("en-US")} values`, figures: [
    { what: "memory", value: bytes / 1e6, unit: "MB", floor: { value: (limits.noticesMax * bareNoticeBytes) / 1e6, of: "16 bytes a value: its id, counter and sum" } },
    { what: "time to take all of them in", value: took / 1000, unit: "ms" },
  ], notes: ["elsewhere: pretix advises against carrying the ticket list along beyond 25,000 tickets"] };
}

async function run(o: Options): Promise<Table[]> {
  const folder = mkdtempSync(join(tmpdir(), "kaisatsu-bench-"));
  const entry = finishedEntry();
  try {
    return [appending(o, folder, entry), recovering(o, folder, entry), remembering()];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

export const journal: Measure = { name: "journal", summary: "durable appends, recovery, and the memory of values met", run };
