/**
 * Recovery on media that fail, by enumeration: power cut at every operation, and again at every operation of the recovery
 * from that cut, and once more by chance (row 19); cells and their page change likewise (rows 21, 52), bit rot in them.
 * Old or new and never neither; a number never goes back; what was once read stays (I5, I6, I15).
 */
import { collectInto, fresh, makeResult, media, open, stays, workloads, type Options, type Result } from "./journal.js";
import { keys } from "./keys.js";
import { seeded, type FaultyStore } from "../../../boards/sim/faulty.js";
import { makeDisk } from "../../../boards/sim/disk.js";
import { makeFlash } from "../../../boards/sim/flash.js";
import { openCells, readCell, writeCell, type Cells } from "../../../runtime/journal/cells.js";
import { violation } from "../violation.js";

// ---- the journal ------------------------------------------------------------------------------------------------------------

/** Power fails again at every operation of the recovery, with `again` damages each, and a third time at a random one. */
export function journalTwice(result: Result, names: readonly string[], damage: number, again: number): void {
  const collect = collectInto(result);
  for (const [medium, make] of Object.entries(media)) for (const name of names) {
    const steps = workloads[name]!;
    const operations = fresh(make, steps, () => undefined).store.operations.length;
    for (let n = 1; n <= operations; n++) for (let seed = 0; seed < damage; seed++) {
      const { store, told } = fresh(make, steps, (s) => s.cutAt(n, seed));
      const recovery = store.restarted();
      open(recovery);
      for (let m = 1; m <= recovery.operations.length; m++) for (let second = 0; second < again; second++) {
        const cut = store.restarted();
        cut.cutAt(m, second * 131 + n);
        const during = open(cut);
        if (during.journal.fault === undefined) continue; // weak bits read otherwise, and the recovery was shorter
        collect(cut);
        const third = cut.restarted();
        if (second % 3 === 2) { third.cutAt(1 + Math.floor(seeded(m * 31 + seed)() * 6), second); open(third); }
        const problem = stays(third.restarted(), told, collect);
        result.points++;
        if (problem !== undefined) result.violations.push(violation(`${medium}, ${name}, cut at ${n} (${seed}), recovery cut at ${m} (${second})`, problem));
      }
    }
  }
}

// ---- cells --------------------------------------------------------------------------------------------------------------------

/** Names and lengths; the value is a number that rises with each write, in the first four bytes. */
const cellSteps: [name: string, length: number][] = [
  ["number", 8], ["list", 90], ["number", 8], ["other", 4], ["list", 110], ["number", 8], ["other", 60], ["number", 8], ["list", 90], ["number", 8], ["number", 8], ["other", 40], ["list", 100], ["number", 8],
];
const cellMedia: Record<string, () => FaultyStore> = {
  flash: () => makeFlash({ pageBytes: 512, pages: 2 }),
  "flash of 4-byte units": () => makeFlash({ pageBytes: 512, pages: 2, unitBytes: 4 }),
  disk: () => makeDisk({ pageBytes: 512, pages: 2, sectorBytes: 128 }),
};

/** For each name the newest value that was acknowledged, and the one being written. */
interface CellsTold { acknowledged: Record<string, number>; writing: { name: string; value: number } | undefined }

function valueOf(value: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length).fill(value & 255);
  new DataView(bytes.buffer).setUint32(0, value);
  return bytes;
}
function numberOf(bytes: Uint8Array | undefined): number {
  return bytes === undefined ? 0 : new DataView(bytes.buffer, bytes.byteOffset).getUint32(0);
}

function writeAll(cells: Cells, told: CellsTold): boolean {
  try {
    cellSteps.forEach(([name, length], i) => {
      told.writing = { name, value: i + 1 };
      writeCell(cells, name, valueOf(i + 1, length));
      told.acknowledged[name] = i + 1;
      told.writing = undefined;
    });
    return true;
  } catch (error) {
    if ((error as { kind?: string }).kind === undefined) throw error;
    return false;
  }
}

function wrongCells(cells: Cells, told: CellsTold): string | undefined {
  if (cells.damaged) return "I6 damage that nobody did";
  if (cells.fault !== undefined) return `I5 fault: ${cells.fault.message}`;
  for (const name of ["number", "list", "other"]) {
    const value = numberOf(readCell(cells, name));
    const fits = value === (told.acknowledged[name] ?? 0) || (told.writing?.name === name && value === told.writing.value);
    if (!fits) return `I5 "${name}" is ${value}, acknowledged was ${told.acknowledged[name] ?? 0}`;
    if (value > 0 && !readCell(cells, name)!.every((byte, i) => i < 4 || byte === (value & 255))) return `I5 "${name}" is mixed of two values`;
  }
  return undefined;
}

function cellsStay(store: FaultyStore, told: CellsTold, collect: (s: FaultyStore) => void): string | undefined {
  const first = openCells(store);
  const problem = wrongCells(first, told);
  if (problem !== undefined) return problem;
  const firm: CellsTold = { acknowledged: {}, writing: undefined };
  for (const name of ["number", "list", "other"]) firm.acknowledged[name] = numberOf(readCell(first, name));
  for (let boot = 0; boot < 2; boot++) {
    collect(store);
    store = store.restarted();
    const again = openCells(store);
    const gone = wrongCells(again, firm);
    if (gone !== undefined) return `after restart ${boot + 1}: ${gone}`;
    firm.acknowledged["number"] = 100 + boot;
    writeCell(again, "number", valueOf(100 + boot, 8));
  }
  collect(store);
  return undefined;
}

function cellsRun(make: () => FaultyStore, plan: (s: FaultyStore) => void): { store: FaultyStore; told: CellsTold } {
  const store = make();
  plan(store);
  const told: CellsTold = { acknowledged: {}, writing: undefined };
  writeAll(openCells(store), told);
  return { store, told };
}

/** Cut at every operation, and again at every operation of the opening. */
export function cellsCut(result: Result, damage: number, again: number): void {
  const collect = collectInto(result);
  for (const [medium, make] of Object.entries(cellMedia)) {
    const operations = cellsRun(make, () => undefined).store.operations.length;
    for (let n = 1; n <= operations; n++) for (let seed = 0; seed < damage; seed++) {
      const { store, told } = cellsRun(make, (s) => s.cutAt(n, seed));
      collect(store);
      const problem = cellsStay(store.restarted(), told, collect);
      result.points++;
      if (problem !== undefined) result.violations.push(violation(`cells on ${medium}, cut at operation ${n}, damage ${seed}`, problem));
      if (seed >= again) continue;
      const recovery = store.restarted();
      openCells(recovery);
      for (let m = 1; m <= recovery.operations.length; m++) for (let second = 0; second < again; second++) {
        const cut = store.restarted();
        cut.cutAt(m, second * 131 + n);
        if (openCells(cut).fault === undefined) continue; // weak bits read otherwise, and the opening was shorter
        const third = cut.restarted();
        if (second % 3 === 2) { third.cutAt(1 + Math.floor(seeded(m * 31 + seed)() * 6), second); openCells(third); }
        const twice = cellsStay(third.restarted(), told, collect);
        result.points++;
        if (twice !== undefined) result.violations.push(violation(`cells on ${medium}, cut at ${n} (${seed}), opening cut at ${m} (${second})`, twice));
      }
    }
  }
}

/** One bit flips in every byte of the cells: found, or nothing of value has changed. */
export function cellsRot(result: Result): void {
  const collect = collectInto(result);
  const { store, told } = cellsRun(cellMedia["flash"]!, () => undefined);
  for (let page = 0; page < 2; page++) for (let offset = 0; offset < 512; offset++) for (let bit = 0; bit < 8; bit++) {
    const rotten = store.restarted();
    rotten.rot(page, offset, bit);
    collect(rotten);
    const cells = openCells(rotten);
    result.points++;
    if (!cells.damaged && cells.torn === undefined && wrongCells(cells, told) !== undefined) result.violations.push(violation(`bit ${bit} of byte ${offset} on page ${page} of the cells`, wrongCells(cells, told)!));
  }
}

/** An operation on cells answers well and did nothing, or changed the other page: never acknowledged, or found. */
export function cellsSilent(result: Result): void {
  const collect = collectInto(result);
  for (const make of Object.values(cellMedia)) cellsRun(make, () => undefined).store.operations.forEach((operation, i) => {
    if (operation.what === "sync") return;
    for (const how of [{ what: "nothing" } as const, { what: "elsewhere", page: 1 - operation.page } as const]) {
      const { store, told } = cellsRun(make, (s) => s.failAt(i + 1, how));
      collect(store);
      const cells = openCells(store.restarted());
      result.points++;
      const problem = cells.damaged ? undefined : wrongCells(cells, told);
      if (problem !== undefined) result.violations.push(violation(`operation ${i + 1} on cells did ${how.what}`, problem));
    }
  });
}

export function run(o: Options): Result {
  const result = makeResult();
  const again = Math.max(1, Math.floor(o.damage / 20));
  const parts: (() => void)[] = [
    () => journalTwice(result, ["three entries", "lazy ones between", "the largest entries", "pages given back"], Math.max(1, Math.floor(o.damage / 10)), again),
    () => cellsCut(result, o.damage, again), () => cellsRot(result), () => cellsSilent(result),
    () => keys(result, Math.max(1, Math.floor(o.damage / 20))),
  ];
  parts.forEach((part, i) => { part(); o.progress?.(i + 1, parts.length); });
  return result;
}

