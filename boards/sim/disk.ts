/**
 * A file on a disk with a cache, in memory. What is written can be read at once and is durable only after a sync: until then
 * its sectors are pending, and a cut keeps any of them, each whole or torn from its beginning to some byte.
 *
 * A sync may fail. Then, as on real systems, what was pending may be forgotten although reading still shows it, and the
 * next sync answers well. `crashed()` is a process that died while the machine stayed on: the cache is still there.
 */
import { befalls, makePlan, powerIsOff, seeded, type FaultyStore } from "./faulty.js";
import { boardFault } from "../../runtime/journal/store.js";

export interface DiskSize { pageBytes: number; pages: number; /** 512 or 4096; smaller ones make a small test thorough. */ sectorBytes?: number }
export interface Disk extends FaultyStore {
  /** Sectors written and not synced, in rising order. */
  pending(): number[];
  /** At the next cut exactly these pending sectors survive, whole. */
  surviving(sectors: readonly number[]): void;
  /** The process ends and another opens the file; the machine was on all the time. */
  crashed(): Disk;
  restarted(): Disk;
}

/** As long as nothing is pending the cache may be the durable image itself. */
interface Medium { durable: Uint8Array; cache: Uint8Array; dirty: Set<number> }

export function makeDisk(size: DiskSize): Disk {
  const bytes = new Uint8Array(size.pageBytes * size.pages).fill(0xff);
  return powered(size, { durable: bytes, cache: bytes, dirty: new Set() });
}

function powered(size: DiskSize, m: Medium): Disk {
  const sector = size.sectorBytes ?? 512;
  const plan = makePlan();
  let keep: readonly number[] | undefined;
  const at = (page: number, offset: number, length: number): number => {
    if (page < 0 || page >= size.pages || offset < 0 || offset + length > size.pageBytes) throw new Error(`assertion failed: outside a page (${page}, ${offset}, ${length})`);
    return page * size.pageBytes + offset;
  };
  const put = (start: number, data: Uint8Array): void => {
    if (m.cache === m.durable) m.cache = m.durable.slice();
    m.cache.set(data, start);
    for (let s = Math.floor(start / sector); s * sector < start + data.length; s++) m.dirty.add(s);
  };
  const pending = (): number[] => [...m.dirty].sort((a, b) => a - b);
  /** Any pending sectors survive, whole or torn. */
  const losePower = (damage: number): void => {
    const random = seeded(damage);
    const share = random();
    for (const s of pending()) {
      const lives = keep === undefined ? random() < share : keep.includes(s);
      const whole = keep !== undefined || random() < 0.7;
      const length = !lives ? 0 : whole ? sector : Math.floor(random() * sector);
      m.durable.set(m.cache.subarray(s * sector, s * sector + length), s * sector);
    }
    m.dirty = new Set();
    m.cache = m.durable;
  };
  const change = (what: "write" | "erase", page: number, offset: number, data: Uint8Array): void => {
    const start = at(page, offset, data.length);
    const fate = befalls(plan, { what, page, offset, length: data.length });
    if (fate !== undefined && "cut" in fate) { put(start, data); losePower(fate.cut); throw powerIsOff(); }
    if (fate?.what === "refused") throw boardFault(fate.kind, fate.kind === "full" ? "The disk has no room left: free some space." : "The disk could not write: replace it.");
    if (fate?.what !== "nothing") put(fate?.what === "elsewhere" ? fate.page * size.pageBytes + offset : start, data);
  };
  const disk: Disk = {
    pageBytes: size.pageBytes, pages: size.pages, operations: plan.operations, fired: plan.fired, pending,
    read: (page, offset, length) => {
      if (plan.dead) throw powerIsOff();
      return m.cache.slice(at(page, offset, length), page * size.pageBytes + offset + length);
    },
    write: (page, offset, data) => change("write", page, offset, data),
    erase: (page) => change("erase", page, 0, new Uint8Array(size.pageBytes).fill(0xff)),
    sync: () => {
      const fate = befalls(plan, { what: "sync", page: 0, offset: 0, length: 0 });
      if (fate !== undefined && "cut" in fate) { losePower(fate.cut); throw powerIsOff(); }
      if (fate?.what === "sync_failed") {
        if (fate.pending === "lost") m.dirty = new Set();
        throw boardFault("broken", "The disk could not write: replace it, its journal cannot be trusted.");
      }
      if (fate?.what === "nothing") return;
      for (const s of m.dirty) m.durable.set(m.cache.subarray(s * sector, (s + 1) * sector), s * sector);
      m.dirty = new Set();
    },
    cutAt: (n, damage) => { plan.cut = { n, damage }; },
    failAt: (n, how) => { plan.misfortunes.set(n, how); },
    surviving: (sectors) => { keep = sectors; },
    rot: (page, offset, bit) => { const byte = at(page, offset, 1); m.durable[byte]! ^= 1 << bit; if (m.cache !== m.durable) m.cache[byte]! ^= 1 << bit; },
    crashed: () => { plan.dead = true; return powered(size, { durable: m.durable.slice(), cache: m.cache.slice(), dirty: new Set(m.dirty) }); },
    restarted: () => {
      if (!plan.dead) { plan.dead = true; losePower(0); }
      const durable = m.durable.slice();
      return powered(size, { durable, cache: durable, dirty: new Set() });
    },
  };
  return disk;
}
