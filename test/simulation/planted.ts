/**
 * Bugs planted on purpose, so that the simulator proves its worth, and fixes taken out again, so that each plan of a fixed bug
 * proves that it still guards its fix. Each is text replaced in a copy of the compiled code; no switch for any of them is in
 * the product.
 */
import { execFile } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** One replacement of text in a file of the compiled code, which must fit exactly once. */
export interface Change { file: string; find: string; replace: string }
export interface Plant {
  name: string;
  /** What finds it: worlds from seeds, an exhaustive suite by its name, fuzzing, or its plan alone. */
  by: "seeds" | "plan" | "fuzz" | "journal" | "recovery" | "line" | "status" | "workers";
  invariant: string;
  /** The plan in `regressions/` that guards the fix which this takes out again. */
  guards?: string;
  /** Several where checks stand behind each other: with one of them out nothing breaks, with all of them the promise must. */
  changes: readonly Change[];
}
const at = (file: string, find: string, replace: string): Change => ({ file, find, replace });

export const plants: readonly Plant[] = [
  { name: "opens before the record is written", by: "seeds", invariant: "I3", changes: [at("runtime/terminal.js", `const done = t.outOfService === "" && write(t, e.entry, true);`, `const done = true;`)] },
  { name: "a check sum is not looked at", by: "journal", invariant: "I5", changes: [at("runtime/journal/record.js", `if (get32(image, end - unitBytes) !== crc32(join([salt, image.subarray(offset, end - unitBytes)])))`, `if (false)`)] },
  { name: "fsync is skipped", by: "seeds", invariant: "I3", changes: [at("runtime/journal/journal.js", `    changing(journal, () => journal.store.sync());\n    journal.dirty = false;`, `    journal.dirty = false;`)] },
  { name: "an fsync error is ignored", by: "journal", invariant: "I3", changes: [at("runtime/journal/journal.js", `    changing(journal, () => journal.store.sync());\n    journal.dirty = false;`, `    try { journal.store.sync(); } catch (e) { if (!/could not write/.test(e.message)) throw e; }\n    journal.dirty = false;`)] },
  { name: "the tap-number ceiling is kept in memory", by: "seeds", invariant: "I8", changes: [at("runtime/terminal.js", `!write(t, { kind: "ceiling", tap: t.lastTap + limits.tapNumbersAhead }, true)`, `(t.book.ceiling = t.lastTap + limits.tapNumbersAhead) < 0`)] },
  { name: "letter numbers are used again after a start", by: "seeds", invariant: "I8", changes: [at("runtime/sync/letters.js", `        c.reserve(ceiling);\n`, ``)] },
  { name: "an own echo is taken for the peer", by: "line", invariant: "I4", changes: [at("protocol/link/link.js", `const isEcho = ((f & bit.fromHandset) !== 0) === link.fromHandset;`, `const isEcho = false;`)] },
  { name: "a receipt is good for ever", by: "seeds", invariant: "I1", changes: [at("protocol/session/resume.js", `    return late || (tap >= 0 && tap <= given.book.closed());`, `    return late && false;`)] },
  { name: "the ceiling goes with the page it stands on", by: "seeds", invariant: "I8", changes: [at("runtime/value/book.js", `if (b.ceiling > 0 && b.ceilingSequence <= through)`, `if (false)`)] },
  { name: "an answer sealed to the key that waits is not read", by: "seeds", invariant: "I12", guards: "renewal-whose-answer-was-lost", changes: [at("runtime/sync/sync.js", `openers: ["agreement", "agreement-next", "agreement-old"]`, `openers: ["agreement", "agreement-old"]`)] },
  { name: "a letter's key rests on the random source alone", by: "seeds", invariant: "I9", guards: "random-source-that-stands-still-seals-twice", changes: [at("runtime/sync/letters.js", `ephemeral: freshScalar(c, signed)`, `ephemeral: c.random.fill(32)`)] },
  { name: "what is not durable is told to the host", by: "seeds", invariant: "I12", guards: "undurable-entries-told-to-the-host", changes: [at("runtime/sync/sync.js", `const durable = t.journal.next - t.journal.unsynced - first;`, `const durable = t.journal.next - first;`)] },
  { name: "an exit is not booked", by: "seeds", invariant: "I1", guards: "exit-of-a-pass-takes-nothing", changes: [at("host/intake.js", `const takesNothing = receipt.amount < 1 && receipt.action !== action.exit;`, `const takesNothing = receipt.amount < 1;`)] },
  { name: "the commit word is written before what it commits", by: "recovery", invariant: "I6", changes: [at("runtime/journal/ring.js", `    store.sync();\n    writeHeader(store, header);\n    store.sync();\n    writeStands(store, header.page);`, `    writeStands(store, header.page);\n    writeHeader(store, header);\n    store.sync();`)] },
  { name: "a delta is taken whatever list is held", by: "status", invariant: "I15", changes: [at("runtime/setup.js", `if (delta.appliesTo !== s.listNumber || delta.number <= s.listNumber)`, `if (false)`)] },
  { name: "a letter that comes again is taken again", by: "seeds", invariant: "I10", changes: [at("host/device.js", `const before = known ?? (await knownLetter(tx, letter, m));`, `const before = undefined;`)] },
  { name: "each statement of the ledger commits by itself", by: "workers", invariant: "I1", changes: [at("host/database.js", `        await sql \`begin immediate\`.execute(tx);\n        try {\n            const answer = await work(tx);\n            await sql \`commit\`.execute(tx);\n            return answer;`, `        try {\n            return await work(tx);`)] },
  { name: "a ledger event is not looked up by its id, and nothing in its rows is unique", by: "workers", invariant: "I1", changes: [
    at("host/ledger.js", `    if (known !== undefined)\n        return known.digest`, `    if (false)\n        return known.digest`),
    at("host/ledger.js", `insertInto("transfer_set").values({ ...row, rows_digest: rowsDigest(row, rows) }).execute()`, `insertInto("transfer_set").values({ ...row, rows_digest: rowsDigest(row, rows) }).onConflict((c) => c.doNothing()).execute()`),
    at("host/ledger.js", "transfer_id: `${set.setId}#${i}`,", "transfer_id: `${set.setId} ${Math.random()}#${i}`,"),
  ] },
  { name: "a message is gathered before its length is checked", by: "line", invariant: "I10", changes: [at("protocol/link/link.js", `    link.arrivingBytes = Math.min(link.arrivingBytes + frame.payload.length, limits.messageBytesMax + 1);\n    if (link.arrivingBytes <= limits.messageBytesMax)`, `    link.arrivingBytes += frame.payload.length;\n    if (true)`)] },
  { name: "an entry that the host has is taken once more", by: "seeds", invariant: "I10", changes: [at("host/intake.js", `        if (before === undefined)\n            await takeEntry`, `        if (before === undefined || true)\n            await takeEntry`)] },
  { name: "of two uses at one counter the later clock counts", by: "seeds", invariant: "I3", changes: [at("runtime/value/wallet.js", `export function newestOf(list) {\n    return list[list.length - 1];`, `export function newestOf(list) {\n    return list.slice().sort((a, b) => decodeReceipt(a.receipt).at - decodeReceipt(b.receipt).at).at(-1);`)] },
  { name: "a use that is in the journal is finished again", by: "seeds", invariant: "I2", changes: [
    at("protocol/session/resume.js", `    if (used !== undefined)\n        return again(used, p, s, given);`, ``),
    at("protocol/session/resume.js", `    if (used !== undefined)\n        return verdict(refusal.already_used, used.at);`, ``),
    at("protocol/session/resume.js", `if (notice !== undefined && notice.counter >= receipt.counter)`, `if (false)`),
  ] },
  { name: "a terminal forgets at its start what it finished, and its notice is not looked at", by: "seeds", invariant: "I10", changes: [
    at("runtime/value/book.js", `    if (boot > b.boot)\n        forgetOutcomes(b);`, `    if (boot > b.boot)\n        b.uses = {};`),
    at("protocol/session/resume.js", `if (notice !== undefined && notice.counter >= receipt.counter)`, `if (false)`),
  ] },
  { name: "time goes back when a letter says so", by: "seeds", invariant: "I13", changes: [at("runtime/kept.js", `    if (at > s.timeFloor)\n        s.timeFloor = at;`, `    s.timeFloor = at;`)] },
  { name: "a record's last bytes are written first, and its check sum is not looked at", by: "journal", invariant: "I5", changes: [
    at("runtime/journal/record.js", `    store.write(page, offset, bytes);\n    if (!same(`, `    store.write(page, offset + bytes.length - unitBytes, bytes.subarray(bytes.length - unitBytes));\n    if (bytes.length > unitBytes) store.write(page, offset, bytes.subarray(0, bytes.length - unitBytes));\n    if (!same(`),
    at("runtime/journal/record.js", `if (get32(image, end - unitBytes) !== crc32(join([salt, image.subarray(offset, end - unitBytes)])))`, `if (false)`),
  ] },
  { name: "a length is believed before it is checked, and what is left over is not looked at", by: "fuzz", invariant: "I10", changes: [
    at("protocol/wire/cbor.js", `    if (n > b.length - start)\n        return -1;`, ``),
    at("protocol/wire/cbor.js", `return item(bytes, 0, cborDepthMax, tags === true) === bytes.length;`, `return item(bytes, 0, cborDepthMax, tags === true) > 0;`),
  ] },
  { name: "a renewal is tried again with other keys", by: "seeds", invariant: "I12", changes: [at("runtime/sync/sync.js", `return held === undefined ? s.terminal.board.keys.make(name) : held;`, `return s.terminal.board.keys.make(name);`)] },
  { name: "the clock of a letter that asks for news vouches for itself, and poor news are asked for at once", by: "plan", invariant: "I10", guards: "clock-an-hour-fast-asks-without-pause", changes: [
    at("runtime/sync/sync.js", `time.quality === 3 ? time.at : 0, time.quality === 3 ? 3 : 0`, `time.at, time.quality`),
    at("runtime/sync/sync.js", `s.nextPullMs = s.terminal.board.clock.monotonicMs() + atRandom(s, wait);`, `s.nextPullMs = s.terminal.board.clock.monotonicMs() + (current ? wait : 0);`),
  ] },
  { name: "a renewal that comes late is a second box", by: "plan", invariant: "I1", guards: "late-renewal-is-no-second-box", changes: [at("host/terminals.js", `if (x.counter < t.renewal_counter && (await wasCertified(tx, t, x.signingKey)))`, `if (false)`)] },
  { name: "a light over an open gate is a reason to look", by: "plan", invariant: "I10", guards: "light-over-an-open-gate-asks-without-pause", changes: [at("runtime/terminal.js", `const lightDue = t.verifier.state === "idle" ? t.lightUntilMs : -1;`, `const lightDue = t.lightUntilMs;`)] },
  { name: "a renewal's counter is written behind its certificate", by: "plan", invariant: "I1", guards: "renewal-cut-before-its-counter", changes: [at("runtime/sync/sync.js", `    setup.renewalCounter++;\n    keepNumbers(setup);\n    if (!takeCertificate(setup, body))\n        return;`, `    if (!takeCertificate(setup, body))\n        return;\n    setup.renewalCounter++;\n    keepNumbers(setup);`)] },
  { name: "records come without the certificate they name", by: "plan", invariant: "I7", guards: "restored-host-forgot-a-certificate", changes: [at("runtime/sync/sync.js", `shownWith(s, batch.entries)`, `undefined`)] },
  { name: "a day's debt of a merchant is none of another day", by: "plan", invariant: "I1", guards: "use-undone-on-a-later-day", changes: [at("host/invariants.js", `group by currency, case when day is null then account else substr(account, 1, length(account) - length(day)) end having`, `group by currency, account having`)] },
  { name: "a renewal that was answered is followed by the next at once", by: "plan", invariant: "I10", guards: "clock-far-ahead-renews-without-pause", changes: [at("runtime/sync/sync.js", `now < s.renewNotBeforeMs`, `false`)] },
  { name: "an empty word long before its time is followed by the next poll at once", by: "plan", invariant: "I10", guards: "two-boxes-chase-each-other", changes: [at("runtime/sync/sync.js", `if (s.terminal.board.clock.monotonicMs() - out.atMs < retryMs)`, `if (false)`)] },
  { name: "a terminal past its certificate serves", by: "plan", invariant: "I1", guards: "clock-past-the-certificate", changes: [at("protocol/session/profile-a.js", `function isUnpaid(s, amount, given) {`, `function isUnpaid(s, amount, given) {\n    return false;`)] },
  { name: "keys change before the certificate that names them", by: "plan", invariant: "I1", guards: "certificate-renewed-during-a-tap", changes: [at("runtime/sync/sync.js", `s.terminal.adopt = () => adoptKeys(s.terminal);`, `adoptKeys(s.terminal);`)] },
  { name: "a renewal answered again gets a certificate that has ended", by: "plan", invariant: "I12", guards: "renewal-answered-weeks-later", changes: [at("host/terminals.js", `if (again && c.now() < t.expires - (certificateDays[t.role] * daySeconds) / 2)`, `if (again)`)] },
  { name: "a receipt is not asked whether its certificate still pays", by: "plan", invariant: "I1", guards: "clock-set-ahead-in-the-middle-of-a-tap", changes: [at("protocol/session/verifier.js", `if (v.settings.profiles[0].isUnpaid(v.settings, tap.want.amount, given))`, `if (false)`)] },
];

export interface Finding { found: boolean; seeds: number; points: number; invariant: string; what: string }

/** The plan that shows a bug by itself, from `test/simulation`; undefined for those that only an exhaustive run shows. */
export function planOf(plant: Plant): string | undefined {
  if (plant.guards !== undefined) return `regressions/${plant.guards}.json`;
  return plant.by === "seeds" ? `planted/${plant.name.replace(/[^a-z0-9]+/g, "-")}.json` : undefined;
}

const seedsMost = 500;
const commands = { seeds: ["--find", String(seedsMost)], fuzz: ["--fuzz", "--seeds", "100", "--json"] } as const;

/** Runs what is to find this bug; `root` is the repository. `first`: an exhaustive suite ends with what it finds first. */
export async function findPlanted(plant: Plant, root: string, first = false): Promise<Finding> {
  if (plant.by === "plan") return await breaksItsPlan(plant, root);
  const args = plant.by === "seeds" || plant.by === "fuzz" ? commands[plant.by] : ["--exhaust", plant.by, "--damage", "1", "--json", ...(first ? ["--first"] : [])];
  const { seeds = 0, points = 0, invariant = "", what = "" } = await inCopy(plant, root, async (program) => (await linesOf(program, args)).at(-1)! as Partial<Finding>);
  return { found: invariant !== "", seeds, points, invariant, what };
}

/** Runs the plan of a bug with the bug in it. */
export async function breaksItsPlan(plant: Plant, root: string): Promise<Finding> {
  const lines = await inCopy(plant, root, (program) => linesOf(program, ["--plan", join(root, "test", "simulation", planOf(plant)!), "--json"]));
  const said = lines.find((line) => "broken" in line) as { broken: string; what: string } | undefined;
  return { found: said !== undefined, seeds: 0, points: 0, invariant: said?.broken ?? "", what: said?.what ?? "" };
}

/** A copy of `dist` with the bug in it; `work` gets its program. */
export async function inCopy<T>(plant: Plant, root: string, work: (program: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), "kaisatsu-planted-"));
  try {
    cpSync(join(root, "dist"), join(folder, "dist"), { recursive: true, filter: (path) => !path.endsWith(".map") && !path.endsWith(".d.ts") });
    for (const name of ["node_modules", "test", "protocol"]) symlinkSync(join(root, name), join(folder, name));
    writeFileSync(join(folder, "package.json"), readFileSync(join(root, "package.json")));
    for (const [file, text] of planted(plant, (name) => readFileSync(join(folder, "dist", name), "utf8"))) writeFileSync(join(folder, "dist", file), text);
    return await work(join(folder, "dist/test/simulation/main.js"));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** What a run says on standard output, which is JSON lines and nothing else; a run that says nothing is an error. */
export function linesOf(program: string, args: readonly string[]): Promise<Record<string, unknown>[]> {
  return new Promise((done, failed) => {
    execFile(process.execPath, [program, ...args], { encoding: "utf8", maxBuffer: 1 << 28 }, (_error, said, complained) => {
      if (said.trim() === "") failed(new Error(complained.slice(-2000)));
      else done(said.trim().split("\n").map((line) => JSON.parse(line) as Record<string, unknown>));
    });
  });
}

/** The files that the bug changes, with the bug in them. Throws unless all that is replaced stands there exactly once. */
export function planted(plant: Plant, read: (file: string) => string): Map<string, string> {
  const changed = new Map<string, string>();
  for (const { file, find, replace } of plant.changes) {
    const parts = (changed.get(file) ?? read(file)).split(find);
    if (parts.length !== 2) throw new Error(`planted bug "${plant.name}": what it replaces stands ${parts.length - 1} times in ${file}`);
    changed.set(file, parts.join(replace));
  }
  return changed;
}
