/**
 * Bugs planted on purpose, so that the simulator proves its worth: each is one replacement in the compiled code of a copy,
 * which must fit exactly once, and is found within 500 seeds or by an exhaustive run. No switch for any of them is in the
 * product.
 */
import { execFile } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface Plant {
  name: string; file: string; find: string; replace: string;
  /** Which run finds it: worlds from seeds, an exhaustive suite by its name, or fuzzing. */
  by: string;
  invariant: string;
  /** A seed at which it comes to light soon: a test begins there, a full run with 1. */
  near?: number;
  /** Damages a point of the suite, where one is not enough. */
  damage?: number;
}

export const plants: readonly Plant[] = [
  { name: "opens before the record is written", file: "runtime/terminal.js", find: `const done = t.outOfService === "" && write(t, e.entry, true);`, replace: `const done = true;`, by: "seeds", invariant: "I3" },
  { name: "a check sum is not looked at", file: "runtime/journal/record.js", find: `if (get32(image, end - unitBytes) !== crc32(join([salt, image.subarray(offset, end - unitBytes)])))`, replace: `if (false)`, by: "journal", invariant: "I5" },
  { name: "fsync is skipped", file: "runtime/journal/journal.js", find: `    changing(journal, () => journal.store.sync());\n    journal.dirty = false;`, replace: `    journal.dirty = false;`, by: "seeds", invariant: "I3" },
  { name: "an fsync error is ignored", file: "runtime/journal/journal.js", find: `    changing(journal, () => journal.store.sync());\n    journal.dirty = false;`, replace: `    try { journal.store.sync(); } catch { /* planted */ }\n    journal.dirty = false;`, by: "journal", invariant: "I3" },
  { name: "the tap-number ceiling is kept in memory", file: "runtime/terminal.js", find: `!write(t, { kind: "ceiling", tap: t.lastTap + limits.tapNumbersAhead }, true)`, replace: `(t.book.ceiling = t.lastTap + limits.tapNumbersAhead) < 0`, by: "seeds", invariant: "I8" },
  { name: "letter numbers are used again after a start", file: "runtime/sync/letters.js", find: `        c.reserve(ceiling);\n`, replace: ``, by: "seeds", invariant: "I8" },
  { name: "an own echo is taken for the peer", file: "protocol/link/link.js", find: `const isEcho = ((f & bit.fromHandset) !== 0) === link.fromHandset;`, replace: `const isEcho = false;`, by: "line", invariant: "I7" },
  { name: "a receipt is good for ever", file: "protocol/session/resume.js", find: `    return late || (tap >= 0 && tap <= given.book.closed());`, replace: `    return late && false;`, by: "seeds", invariant: "I1", near: 31 },
  { name: "the ceiling goes with the page it stands on", file: "runtime/value/book.js", find: `if (b.ceiling > 0 && b.ceilingSequence <= through)`, replace: `if (false)`, by: "seeds", invariant: "I8", near: 16 },
  { name: "an answer sealed to the key that waits is not read", file: "runtime/sync/sync.js", find: `openers: ["agreement", "agreement-next", "agreement-old"]`, replace: `openers: ["agreement", "agreement-old"]`, by: "seeds", invariant: "I12", near: 6 },
  { name: "a letter's key rests on the random source alone", file: "runtime/sync/letters.js", find: `ephemeral: freshScalar(c, signed)`, replace: `ephemeral: c.random.fill(32)`, by: "seeds", invariant: "I9", near: 30 },
  { name: "what is not durable is told to the host", file: "runtime/sync/sync.js", find: `const durable = t.journal.next - t.journal.unsynced - first;`, replace: `const durable = t.journal.next - first;`, by: "seeds", invariant: "I12", near: 113 },
  { name: "an exit is not booked", file: "host/intake.js", find: `const takesNothing = receipt.amount < 1 && receipt.action !== action.exit;`, replace: `const takesNothing = receipt.amount < 1;`, by: "seeds", invariant: "I1", near: 101 },
  { name: "the commit word is written before what it commits", file: "runtime/journal/ring.js", find: `    store.sync();\n    writeHeader(store, header);\n    store.sync();\n    writeStands(store, header.page);`, replace: `    writeStands(store, header.page);\n    writeHeader(store, header);\n    store.sync();`, by: "recovery", invariant: "I5" },
  { name: "a delta is taken whatever list is held", file: "runtime/setup.js", find: `if (delta.appliesTo !== s.listNumber || delta.number <= s.listNumber)`, replace: `if (false)`, by: "status", invariant: "I15" },
  { name: "a letter that comes again is taken again", file: "host/device.js", find: `const before = known ?? (await knownLetter(tx, letter, m));`, replace: `const before = undefined;`, by: "seeds", invariant: "I10", near: 9 },
  { name: "each statement of the ledger commits by itself", file: "host/database.js", find: `        await sql \`begin immediate\`.execute(tx);\n        try {\n            const answer = await work(tx);\n            await sql \`commit\`.execute(tx);\n            return answer;`, replace: `        try {\n            return await work(tx);`, by: "workers", invariant: "I1" },
  { name: "a ledger event is not looked up by its id", file: "host/ledger.js", find: `    if (known !== undefined)\n        return known.digest`, replace: `    if (false)\n        return known.digest`, by: "workers", invariant: "I4" },
  { name: "a message is gathered before its length is checked", file: "protocol/link/link.js", find: `    link.arrivingBytes = Math.min(link.arrivingBytes + frame.payload.length, limits.messageBytesMax + 1);\n    if (link.arrivingBytes <= limits.messageBytesMax)`, replace: `    link.arrivingBytes += frame.payload.length;\n    if (true)`, by: "line", invariant: "I10" },
  { name: "an entry that the host has is taken once more", file: "host/intake.js", find: `        if (before === undefined)\n            await takeEntry`, replace: `        if (before === undefined || true)\n            await takeEntry`, by: "seeds", invariant: "I10" },
  { name: "of two uses at one counter the later clock counts", file: "runtime/value/wallet.js", find: `export function newestOf(list) {\n    return list[list.length - 1];`, replace: `export function newestOf(list) {\n    return list.slice().sort((a, b) => decodeReceipt(a.receipt).at - decodeReceipt(b.receipt).at).at(-1);`, by: "seeds", invariant: "I3", near: 8 },
];

export interface Finding { plant: Plant; found: boolean; seeds: number; points: number; invariant: string; what: string }

/** Plants one bug in a copy of `dist` and runs what is to find it; `root` is the repository. Seeds begin with `from`. */
export async function findPlanted(plant: Plant, root: string, from = 1, seedsMost = 500): Promise<Finding> {
  const folder = mkdtempSync(join(tmpdir(), "kaisatsu-planted-"));
  try {
    cpSync(join(root, "dist"), join(folder, "dist"), { recursive: true });
    for (const name of ["node_modules", "test", "protocol"]) symlinkSync(join(root, name), join(folder, name));
    writeFileSync(join(folder, "package.json"), readFileSync(join(root, "package.json")));
    const path = join(folder, "dist", plant.file);
    writeFileSync(path, planted(readFileSync(path, "utf8"), plant));
    const printed = await output(join(folder, "dist/test/simulation/main.js"), commandOf(plant, from, seedsMost));
    const last = printed.trim().split("\n").at(-1) ?? "";
    const said = (last.startsWith("{") ? JSON.parse(last) : {}) as { seeds?: number; points?: number; invariant?: string; what?: string; violations?: number };
    const found = plant.by === "seeds" ? said.invariant !== undefined : (said.violations ?? 0) > 0;
    return { plant, found, seeds: said.seeds ?? 0, points: said.points ?? 0, invariant: said.invariant ?? (found ? plant.invariant : ""), what: said.what ?? printed.slice(-300) };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function commandOf(plant: Plant, from: number, seedsMost: number): string[] {
  if (plant.by === "seeds") return ["--find", String(seedsMost), "--from", String(from)];
  return plant.by === "fuzz" ? ["--fuzz", "--seeds", "2000", "--json"] : ["--exhaust", plant.by, "--damage", String(plant.damage ?? 1), "--json"];
}

function output(program: string, args: string[]): Promise<string> {
  return new Promise((done) => { execFile(process.execPath, [program, ...args], { encoding: "utf8", maxBuffer: 1 << 28 }, (_error, said, complained) => done(said.trim() === "" ? complained : said)); });
}

/** The text with the bug in it. Throws unless what is replaced stands there exactly once. */
export function planted(text: string, plant: Plant): string {
  const parts = text.split(plant.find);
  if (parts.length !== 2) throw new Error(`planted bug "${plant.name}": what it replaces stands ${parts.length - 1} times in ${plant.file}`);
  return parts.join(plant.replace);
}
