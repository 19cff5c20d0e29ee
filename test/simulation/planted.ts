/**
 * Bugs planted on purpose, so that the simulator proves its worth: each is one replacement in the compiled code of a copy,
 * which must fit exactly once, and is found within 500 seeds or by an exhaustive run. No switch for any of them is in the
 * product.
 */
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface Plant {
  name: string; file: string; find: string; replace: string;
  /** Which run finds it: worlds from seeds, or an exhaustive suite. */
  by: "seeds" | "journal" | "line";
  invariant: string;
}

export const plants: readonly Plant[] = [
  { name: "opens before the record is written", file: "runtime/terminal.js", find: `const done = t.outOfService === "" && write(t, e.entry, true);`, replace: `const done = true;`, by: "seeds", invariant: "I3" },
  { name: "a check sum is not looked at", file: "runtime/journal/record.js", find: `if (get32(image, end - unitBytes) !== crc32(join([salt, image.subarray(offset, end - unitBytes)])))`, replace: `if (false)`, by: "journal", invariant: "I5" },
  { name: "fsync is skipped", file: "runtime/journal/journal.js", find: `    changing(journal, () => journal.store.sync());\n    journal.dirty = false;`, replace: `    journal.dirty = false;`, by: "seeds", invariant: "I3" },
  { name: "an fsync error is ignored", file: "runtime/journal/journal.js", find: `    changing(journal, () => journal.store.sync());\n    journal.dirty = false;`, replace: `    try { journal.store.sync(); } catch { /* planted */ }\n    journal.dirty = false;`, by: "journal", invariant: "I3" },
  { name: "the tap-number ceiling is kept in memory", file: "runtime/terminal.js", find: `!write(t, { kind: "ceiling", tap: t.lastTap + limits.tapNumbersAhead }, true)`, replace: `(t.book.ceiling = t.lastTap + limits.tapNumbersAhead) < 0`, by: "seeds", invariant: "I8" },
  { name: "letter numbers are used again after a start", file: "runtime/sync/letters.js", find: `        c.reserve(ceiling);\n`, replace: ``, by: "seeds", invariant: "I8" },
  { name: "a use that is in the journal is finished again", file: "protocol/session/resume.js", find: `    if (used !== undefined)\n        return verdict(refusal.already_used, used.at);`, replace: ``, by: "seeds", invariant: "I2" },
  { name: "an own echo is taken for the peer", file: "protocol/link/link.js", find: `const isEcho = ((f & bit.fromHandset) !== 0) === link.fromHandset;`, replace: `const isEcho = false;`, by: "line", invariant: "I7" },
  { name: "a receipt is good for ever", file: "protocol/session/resume.js", find: `    return late || (tap >= 0 && tap <= given.book.closed());`, replace: `    return late && false;`, by: "seeds", invariant: "I1" },
  { name: "time goes back when a letter says so", file: "runtime/setup.js", find: `    if (at > s.timeFloor)\n        s.timeFloor = at;`, replace: `    s.timeFloor = at - (at % 3);`, by: "seeds", invariant: "I13" },
  { name: "the ceiling goes with the page it stands on", file: "runtime/value/book.js", find: `if (b.ceiling > 0 && b.ceilingSequence <= through)`, replace: `if (false)`, by: "seeds", invariant: "I8" },
  { name: "an answer sealed to the key that waits is not read", file: "runtime/sync/sync.js", find: `openers: ["agreement", "agreement-next", "agreement-old"]`, replace: `openers: ["agreement", "agreement-old"]`, by: "seeds", invariant: "I12" },
  { name: "a letter's key rests on the random source alone", file: "runtime/sync/letters.js", find: `ephemeral: freshScalar(c, signed)`, replace: `ephemeral: c.random.fill(32)`, by: "seeds", invariant: "I9" },
  { name: "what is not durable is told to the host", file: "runtime/sync/sync.js", find: `const durable = t.journal.next - t.journal.unsynced - first;`, replace: `const durable = t.journal.next - first;`, by: "seeds", invariant: "I12" },
  { name: "an exit is not booked", file: "host/intake.js", find: `const takesNothing = receipt.amount < 1 && receipt.action !== action.exit;`, replace: `const takesNothing = receipt.amount < 1;`, by: "seeds", invariant: "I1" },
];

export interface Finding { plant: Plant; found: boolean; seeds: number; invariant: string; what: string }

/** Plants one bug in a copy of `dist` and runs what is to find it; `root` is the repository. */
export function findPlanted(plant: Plant, root: string, seedsMost = 500): Finding {
  const folder = mkdtempSync(join(tmpdir(), "kaisatsu-planted-"));
  try {
    cpSync(join(root, "dist"), join(folder, "dist"), { recursive: true });
    symlinkSync(join(root, "node_modules"), join(folder, "node_modules"));
    writeFileSync(join(folder, "package.json"), readFileSync(join(root, "package.json")));
    const path = join(folder, "dist", plant.file);
    writeFileSync(path, planted(readFileSync(path, "utf8"), plant));
    const how = plant.by === "seeds" ? ["--find", String(seedsMost)] : ["--exhaust", plant.by, "--damage", "2", "--json"];
    const run = spawnSync(process.execPath, [join(folder, "dist/test/simulation/main.js"), ...how], { encoding: "utf8", maxBuffer: 1 << 28 });
    const last = run.stdout.trim().split("\n").at(-1) ?? "";
    const said = (last.startsWith("{") ? JSON.parse(last) : {}) as { seeds?: number; invariant?: string; what?: string; violations?: number };
    if (plant.by === "seeds") return { plant, found: said.invariant !== undefined, seeds: said.seeds ?? 0, invariant: said.invariant ?? "", what: said.what ?? run.stderr.slice(-300) };
    return { plant, found: (said.violations ?? 0) > 0, seeds: 0, invariant: (said.violations ?? 0) > 0 ? plant.invariant : "", what: said.what ?? run.stderr.slice(-300) };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The text with the bug in it. Throws unless what is replaced stands there exactly once. */
export function planted(text: string, plant: Plant): string {
  const parts = text.split(plant.find);
  if (parts.length !== 2) throw new Error(`planted bug "${plant.name}": what it replaces stands ${parts.length - 1} times in ${plant.file}`);
  return parts.join(plant.replace);
}
