/**
 * Strict NOR flash in memory. Programming only clears bits, in whole units, each once between erases; erasing sets a page.
 *
 * A cut in a write leaves a prefix of its units and one unit half done: some of its bits are programmed, some are not, and
 * some are weak: they read at random until the page is erased. A cut in an erase leaves each unit old, erased or weak.
 */
import { befalls, count, makePlan, powerIsOff, seeded, type FaultyStore } from "./faulty.js";
import { boardFault } from "../../runtime/journal/store.js";

/** A page fails in this way after it was erased so many times, as littlefs' emulated chip has it. */
export interface WearOut { way: "program error" | "erase error" | "read error" | "program does nothing" | "erase does nothing"; afterErases(page: number): number }
export interface FlashSize { pageBytes: number; pages: number; /** Bytes programmed at once: 4 or 8. */ unitBytes?: number; /** Programs of one unit between erases; 1 is strict. */ programs?: number; wearOut?: WearOut }
export interface Flash extends FaultyStore { /** Erases of each page so far. */ readonly wear: readonly number[] }

interface Medium { bits: Uint8Array; /** 1: reads at random. */ weak: Uint8Array; /** Programs of each unit since its erase. */ programs: Uint8Array; wear: number[]; noise: () => number }

export function makeFlash(size: FlashSize): Flash {
  const bytes = size.pageBytes * size.pages;
  const unit = size.unitBytes ?? 8;
  return powered(size, {
    bits: new Uint8Array(bytes).fill(0xff), weak: new Uint8Array(bytes), programs: new Uint8Array(bytes / unit),
    wear: new Array<number>(size.pages).fill(0), noise: seeded(bytes),
  });
}

function powered(size: FlashSize, m: Medium): Flash {
  const unit = size.unitBytes ?? 8;
  const plan = makePlan();
  const at = (page: number, offset: number, length: number): number => {
    if (page < 0 || page >= size.pages || offset < 0 || length < 0 || offset + length > size.pageBytes) throw new Error(`assertion failed: outside a page (${page}, ${offset}, ${length})`);
    return page * size.pageBytes + offset;
  };
  const program = (unitAt: number, data: Uint8Array, from: number): void => {
    if (m.programs[unitAt / unit]! >= (size.programs ?? 1)) throw new Error(`assertion failed: unit at ${unitAt} is programmed twice without an erase`);
    m.programs[unitAt / unit]!++;
    for (let i = 0; i < unit; i++) m.bits[unitAt + i]! &= data[from + i]!;
  };
  /** Somewhere in the middle; or all but a few bits are done, and those are weak; or nothing is, but for a few weak bits. */
  const tearUnit = (unitAt: number, data: Uint8Array, from: number, random: () => number): void => {
    m.programs[unitAt / unit] = 255;
    const bits: [at: number, bit: number][] = [];
    for (let i = 0; i < unit; i++) for (let bit = 1; bit < 256; bit <<= 1) if ((m.bits[unitAt + i]! & ~data[from + i]! & bit) !== 0) bits.push([unitAt + i, bit]);
    const share = random();
    const progress = Math.floor(random() * 3);
    const few = new Set([0, 1].slice(0, 1 + Math.floor(random() * 2)).map(() => Math.floor(random() * bits.length)));
    bits.forEach(([at, bit], i) => {
      const fate = random();
      const weak = progress === 0 ? fate >= share * 0.6 && fate < share * 0.6 + 0.3 : few.has(i);
      if (weak) m.weak[at]! |= bit;
      else if (progress === 0 ? fate < share * 0.6 : progress === 1) m.bits[at]! &= ~bit;
    });
  };
  const erase = (page: number): void => {
    const start = page * size.pageBytes;
    m.bits.fill(0xff, start, start + size.pageBytes);
    m.weak.fill(0, start, start + size.pageBytes);
    m.programs.fill(0, start / unit, (start + size.pageBytes) / unit);
  };
  const tearErase = (page: number, random: () => number): void => {
    const share = random();
    for (let unitAt = page * size.pageBytes; unitAt < (page + 1) * size.pageBytes; unitAt += unit) {
      const fate = random();
      m.programs[unitAt / unit] = 255;
      if (fate < share * 0.5) continue;
      if (fate < 0.75) m.bits.fill(0xff, unitAt, unitAt + unit);
      else for (let i = 0; i < unit; i++) m.weak[unitAt + i] = share < 0.5 ? 0xff : 0xff & ~m.bits[unitAt + i]! & Math.floor(random() * 256) & Math.floor(random() * 256);
    }
  };
  /** True when this page is worn in such a way; a way that is said by the chip throws. */
  const fails = (page: number, what: string): boolean => {
    const wearOut = size.wearOut;
    if (wearOut === undefined || !wearOut.way.startsWith(what) || m.wear[page]! < wearOut.afterErases(page)) return false;
    count(plan, wearOut.way);
    if (wearOut.way.endsWith("error")) throw boardFault("worn", `The flash says: ${wearOut.way}.`);
    return true;
  };
  const flash: Flash = {
    pageBytes: size.pageBytes, pages: size.pages, operations: plan.operations, fired: plan.fired, wear: m.wear,
    read: (page, offset, length) => {
      if (plan.dead) throw powerIsOff();
      const start = at(page, offset, length);
      fails(page, "read");
      const out = m.bits.slice(start, start + length);
      for (let i = 0; i < length; i++) {
        const weak = m.weak[start + i]!;
        if (weak === 0) continue;
        count(plan, "weak read");
        out[i] = (out[i]! & ~weak) | (Math.floor(m.noise() * 256) & weak);
      }
      return out;
    },
    write: (page, offset, data) => {
      const start = at(page, offset, data.length);
      if (offset % unit !== 0 || data.length % unit !== 0) throw new Error(`assertion failed: a write of ${data.length} bytes at ${offset} is not of whole units`);
      const what = befalls(plan, { what: "write", page, offset, length: data.length });
      if (fails(page, "program")) return;
      if (what !== undefined && "cut" in what) {
        const random = seeded(what.cut);
        // The last unit holds the commit word: every other cut falls on it.
        const units = data.length / unit;
        const whole = random() < 0.5 ? units - 1 : Math.floor(random() * units);
        for (let u = 0; u < whole; u++) program(start + u * unit, data, u * unit);
        tearUnit(start + whole * unit, data, whole * unit, random);
        throw powerIsOff();
      }
      if (what?.what === "refused") throw boardFault(what.kind, "The flash refuses a write: replace the board.");
      if (what?.what === "nothing") return;
      const landed = what?.what === "elsewhere" ? what.page * size.pageBytes + offset : start;
      for (let u = 0; u < data.length; u += unit) {
        if (landed === start) program(start + u, data, u);
        else for (let i = 0; i < unit; i++) m.bits[landed + u + i]! &= data[u + i]!;
      }
    },
    erase: (page) => {
      at(page, 0, 0);
      const what = befalls(plan, { what: "erase", page, offset: 0, length: size.pageBytes });
      if (fails(page, "erase")) return;
      m.wear[page]!++;
      if (what !== undefined && "cut" in what) { tearErase(page, seeded(what.cut)); throw powerIsOff(); }
      if (what?.what === "refused") throw boardFault(what.kind, "The flash refuses to erase: replace the board.");
      if (what?.what !== "nothing") erase(what?.what === "elsewhere" ? what.page : page);
    },
    sync: () => { if (plan.dead) throw powerIsOff(); },
    cutAt: (n, damage) => { plan.cut = { n, damage }; },
    failAt: (n, how) => { plan.misfortunes.set(n, how); },
    rot: (page, offset, bit) => { m.bits[at(page, offset, 1)]! ^= 1 << bit; count(plan, "rot"); },
    restarted: () => {
      plan.dead = true;
      return powered(size, { ...m, bits: m.bits.slice(), weak: m.weak.slice(), programs: m.programs.slice(), wear: m.wear.slice() });
    },
  };
  return flash;
}
