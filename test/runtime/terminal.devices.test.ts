/**
 * A terminal whose devices fail (I3, I10, I11): what it opens is durable first, by one write; what it cannot write it does
 * not open; and whatever breaks, it says so, goes on answering, and is well again after a restart.
 */
import { describe, expect, test } from "vitest";
import { makeFlash } from "../../boards/sim/flash.js";
import { makeSimRandom, type SimBoard } from "../../boards/sim/board.js";
import { intent } from "../../protocol/wire/message.js";
import { decodeEntry } from "../../protocol/wire/entry.js";
import { limits } from "../../protocol/limits.js";
import { refusal } from "../../protocol/refusal.js";
import type { Board } from "../../runtime/board.js";
import { boardFault, type Store } from "../../runtime/journal/store.js";
import { readFrom } from "../../runtime/journal/journal.js";
import { keepNumbers } from "../../runtime/kept.js";
import { poll } from "../../runtime/terminal.js";
import { newestReceipt } from "../../runtime/value/wallet.js";
import { coupons, copyPhone, crypto, makePhone, makeStation, makeWorld, powerCut, shownTo, startStation, tap, ticket, wait, type Station } from "../session/world.js";

/** The station again, on the same medium, with some of its devices replaced. */
function refitted(station: Station, change: (board: Board) => Partial<Board>): Station {
  return startStation({ ...station, board: { ...station.board, ...change(station.board) } as SimBoard });
}
/** A station whose medium and relay write what happens into one list. */
function watched(station: Station): { station: Station; trace: string[] } {
  const trace: string[] = [];
  const store = station.board.store;
  const told: Store = {
    pageBytes: store.pageBytes, pages: store.pages, read: (page, offset, length) => store.read(page, offset, length),
    write: (page, offset, bytes) => { store.write(page, offset, bytes); trace.push("write"); },
    erase: (page) => { store.erase(page); trace.push("erase"); },
    sync: () => { store.sync(); trace.push("sync"); },
  };
  const relay = { ...station.board.relay, write: (level: 0 | 1) => { station.board.relay.write(level); if (level === 1) trace.push("open"); } };
  return { station: refitted(station, () => ({ store: told, relay })), trace };
}
const entries = (s: Station) => readFrom(s.terminal.journal, 1, 10000, 1e9).entries.map((e) => decodeEntry(e)!);
const finished = (s: Station) => entries(s).filter((e) => e.kind === "finished").length;
/** Lets `count` writes of the handset through, then nothing. */
function cutAfter(count: number): (bytes: Uint8Array) => Uint8Array[] {
  let passed = 0;
  return (bytes) => (passed++ < count ? [bytes] : []);
}

describe("durable before it opens (I3), with one durable write on the way", () => {
  test("a use: written, synced, opened", () => {
    const w = makeWorld();
    const { station, trace } = watched(makeStation(w, { change: { usesADay: 100 } }));
    const phone = makePhone(w, coupons(w, 20, { offline: { uses: 100, amount: 100, days: 30 } }));
    tap(phone, station);
    for (let i = 0; i < 12; i++) {
      trace.length = 0;
      tap(phone, station, { forMs: 1000 });
      expect(trace.slice(0, trace.indexOf("open") + 1), `use ${i + 2}`).toEqual(["write", "sync", "open"]);
    }
  });

  test("a receipt resumed, and a gate opened once more, likewise", () => {
    const w = makeWorld();
    const { station, trace } = watched(makeStation(w));
    const phone = makePhone(w, coupons(w, 5));
    tap(phone, station);
    tap(phone, station, { toTerminal: cutAfter(2) });
    wait(station, 3000);
    phone.wallet.intent = intent.resume;
    trace.length = 0;
    tap(phone, station, { turns: false, forMs: 9000 });
    expect(trace.slice(0, trace.indexOf("open") + 1)).toEqual(["write", "sync", "open"]);
    trace.length = 0;
    tap(phone, station);
    expect(trace.slice(0, trace.indexOf("open") + 1), "it did not turn, and passes again").toEqual(["write", "sync", "open"]);
    expect(entries(station).filter((e) => e.kind === "reopened")).toHaveLength(1);
  });

  test("the write fails, or does nothing: never opened, out of service, still answering, healed by a restart", () => {
    for (const failing of ["sync", "write", "silent"] as const) {
      const w = makeWorld();
      const sound = makeStation(w);
      const phone = makePhone(w, coupons(w, 3));
      tap(phone, sound);
      const store = sound.board.store;
      let broken = false;
      const fault = (): never => { throw boardFault("broken", "The card is worn out: replace it."); };
      const failingStore: Store = {
        pageBytes: store.pageBytes, pages: store.pages, read: (page, offset, length) => store.read(page, offset, length), erase: (page) => store.erase(page),
        write: (page, offset, bytes) => { if (broken && failing === "write") fault(); if (!broken || failing !== "silent") store.write(page, offset, bytes); },
        sync: () => { if (broken && failing === "sync") fault(); store.sync(); },
      };
      const gate = refitted(sound, () => ({ store: failingStore }));
      tap(phone, gate, { toTerminal: (bytes) => { broken = newestReceipt(phone.wallet.values[0]!)!.counter === 2; return [bytes]; } });
      expect(gate.opened(), failing).toBe(0);
      expect(gate.codes(), failing).toContain(refusal.out_of_service);
      expect(gate.terminal.outOfService).not.toBe("");
      wait(gate, 20_000);
      tap(copyPhone(phone), gate);
      expect(gate.opened(), failing).toBe(0);
      broken = false;
      const healed = powerCut(sound);
      phone.wallet.intent = intent.resume;
      tap(phone, healed);
      expect(healed.opened(), failing).toBe(1);
      expect(finished(healed), failing).toBe(2);
      expect(newestReceipt(phone.wallet.values[0]!)!.after).toBe(2);
    }
  });
});

describe("devices that fail", () => {
  test("the line is gone: no record is lost, nobody is let through by it, and it is said once", () => {
    const w = makeWorld();
    const sound = makeStation(w);
    let gone = false;
    const link = { ...sound.board.link, read: () => sound.line.a.read(), write: (bytes: Uint8Array) => { if (gone) throw boardFault("disconnected", "The line was unplugged."); sound.line.a.write(bytes); } };
    const gate = refitted(sound, () => ({ link }));
    const phone = makePhone(w, coupons(w, 5));
    // Gone just when the outcome is to be said: the record stands and the gate has opened.
    tap(phone, gate, { toTerminal: (bytes) => { if (newestReceipt(phone.wallet.values[0]!) !== undefined) gone = true; return [bytes]; } });
    expect(finished(gate)).toBe(1);
    expect(gate.opened()).toBe(1);
    expect(gate.terminal.outOfService).toBe("");
    expect(gate.events.filter((e) => e.event === "fault")).toEqual([{ event: "fault", message: "The line was unplugged." }]);
    gone = false;
    wait(gate, 9000);
    tap(phone, gate);
    expect(gate.opened()).toBe(2);
  });

  test("the line fails at any of its writes: one use, one passage", () => {
    for (let n = 0; n < 8; n++) {
      const w = makeWorld();
      const sound = makeStation(w);
      let writes = 0;
      let healed = false;
      const link = { ...sound.board.link, read: () => sound.line.a.read(), write: (bytes: Uint8Array) => { if (!healed && writes++ >= n) throw boardFault("disconnected", "gone"); sound.line.a.write(bytes); } };
      const gate = refitted(sound, () => ({ link }));
      const phone = makePhone(w, ticket(w));
      tap(phone, gate);
      healed = true;
      wait(gate, 9000);
      if (gate.opened() === 0) { phone.wallet.intent = newestReceipt(phone.wallet.values[0]!) === undefined ? intent.use : intent.resume; tap(phone, gate); }
      expect(gate.opened(), `${n} writes`).toBe(1);
      expect(finished(gate), `${n} writes`).toBe(1);
    }
  });

  test("a dark display changes nothing", () => {
    const w = makeWorld();
    const gate = refitted(makeStation(w), () => ({ panel: { show: () => { throw boardFault("absent", "No display is connected."); } } }));
    tap(makePhone(w, ticket(w)), gate);
    expect(gate.opened()).toBe(1);
    expect(gate.events.filter((e) => e.event === "fault")).toHaveLength(1);
  });

  test("the relay does not move: recorded, not green, out of service; its holder gets the use back", () => {
    const w = makeWorld();
    const sound = makeStation(w);
    const relay = { ...sound.board.relay, write: (level: 0 | 1) => { if (level === 1) throw boardFault("broken", "The relay does not answer."); } };
    let gate = refitted(sound, () => ({ relay }));
    const phone = makePhone(w, coupons(w, 2));
    tap(phone, gate, { forMs: 9500, turns: false });
    expect([gate.opened(), gate.codes(), gate.terminal.outOfService]).toEqual([0, [refusal.out_of_service], "The relay does not answer."]);
    gate = powerCut(sound);
    phone.wallet.intent = intent.resume;
    tap(phone, gate);
    expect(gate.opened()).toBe(1);
    expect(finished(gate)).toBe(1);
  });

  test("the sensor fails: out of service, because nobody would be known to have passed", () => {
    const w = makeWorld();
    let dead = false;
    const sound = makeStation(w);
    const gate = refitted(sound, () => ({ passage: { ...sound.passage!, read: () => { if (dead) throw boardFault("absent", "The sensor is gone."); return sound.passage!.read(); } } }));
    dead = true;
    tap(makePhone(w, ticket(w)), gate);
    expect([gate.opened(), gate.codes(), finished(gate)]).toEqual([0, [refusal.out_of_service], 0]);
  });

  test.each(["signing", "agreement"])("the %s key is missing or its store fails: out of service and said, not a crash", (name) => {
    for (const throws of [false, true]) {
      const w = makeWorld();
      const gate = refitted(makeStation(w), (b) => ({ keys: {
        ...b.keys,
        sign: (key, message) => (key !== name ? b.keys.sign(key, message) : throws ? (() => { throw boardFault("absent", "The key file is gone."); })() : undefined),
        agree: (key, point) => (key !== name ? b.keys.agree(key, point) : throws ? (() => { throw boardFault("absent", "The key file is gone."); })() : undefined),
      } }));
      const phone = makePhone(w, ticket(w));
      tap(phone, gate);
      expect(gate.opened()).toBe(0);
      expect(newestReceipt(phone.wallet.values[0]!)).toBeUndefined();
      poll(gate.terminal);
      if (name === "signing") expect(gate.terminal.outOfService).not.toBe("");
    }
  });

  test("a terminal that was never enrolled tells whoever calls", () => {
    const w = makeWorld();
    const gate = refitted(makeStation(w), () => ({ cells: makeFlash({ pageBytes: 4096, pages: 2 }) }));
    const phone = makePhone(w, ticket(w));
    tap(phone, gate);
    expect(shownTo(phone)).toEqual([refusal.out_of_service]);
  });
});

describe("39: the random source", () => {
  test("one that repeats itself is not served from", () => {
    const w = makeWorld();
    const gate = refitted(makeStation(w), () => ({ random: { fill: (length) => new Uint8Array(length).fill(7) } }));
    expect(gate.terminal.outOfService).toMatch(/random/);
    tap(makePhone(w, ticket(w)), gate);
    expect(gate.opened()).toBe(0);
  });

  test("one that begins anew at each boot: the tap number keeps sessions apart, and nothing recorded opens again", () => {
    const w = makeWorld();
    const sound = makeStation(w);
    const reborn = (s: Station): Station => refitted(powerCut(s), () => ({ random: makeSimRandom(crypto, "the same at every boot") }));
    const recorded: Uint8Array[] = [];
    let gate = reborn(sound);
    const phone = makePhone(w, coupons(w, 5));
    tap(phone, gate, { toTerminal: (bytes) => { recorded.push(bytes); return [bytes]; } });
    const first = gate.line.a.sent.map((b) => Buffer.from(b).toString("hex"));
    expect(gate.opened()).toBe(1);
    gate = reborn(gate);
    let at = 0;
    tap(phone, gate, { toTerminal: () => (at < recorded.length ? [recorded[at++]!] : []) });
    expect(gate.opened()).toBe(0);
    expect(finished(gate)).toBe(1);
    const greeting = gate.line.a.sent.map((b) => Buffer.from(b).toString("hex")).filter((b) => first.includes(b) && b.length > 60 && b.length < 300);
    expect(greeting, "no hello is ever said twice").toEqual([]);
    tap(phone, gate);
    expect(gate.opened()).toBe(1);
  });
});

describe("full (25)", () => {
  test("a journal that fills up refuses before anything is taken, ten boots long, and serves again after sync", () => {
    const w = makeWorld();
    let gate = makeStation(w, { change: { usesADay: 100000 } });
    gate = refitted(gate, () => ({ store: makeFlash({ pageBytes: 4096, pages: 4 }) }));
    const phone = makePhone(w, coupons(w, 1000, { offline: { uses: 1000, amount: 1000, days: 30 } }));
    let taps = 0;
    while (!shownTo(phone).includes(refusal.terminal_full) && taps++ < 60) tap(phone, gate, { forMs: 700 });
    const used = newestReceipt(phone.wallet.values[0]!)!.after;
    expect(used).toBe(finished(gate));
    expect(used).toBeGreaterThan(10);
    for (let boot = 0; boot < 10; boot++) {
      gate = startStation(gate);
      tap(phone, gate, { forMs: 700 });
      expect(shownTo(phone)).toEqual([refusal.terminal_full]);
      expect(gate.terminal.outOfService).toBe("");
      expect(newestReceipt(phone.wallet.values[0]!)!.after).toBe(used);
    }
    gate.terminal.confirmed = gate.terminal.journal.next - 1;
    wait(gate, 1000);
    tap(phone, gate, { forMs: 700 });
    expect(gate.opened()).toBe(1);
    expect(newestReceipt(phone.wallet.values[0]!)!.after).toBe(used + 1);
  });

  test("tap numbers run out of a full journal: said, not silence", () => {
    const w = makeWorld();
    const gate = refitted(makeStation(w), () => ({ store: makeFlash({ pageBytes: 1024, pages: 3 }) }));
    const phone = makePhone(w, ticket(w));
    tap(phone, gate);
    gate.terminal.lastTap = gate.terminal.book.ceiling;
    for (let i = 0; i < 60; i++) wait(gate, 700_000);
    while (gate.terminal.book.ceiling <= gate.terminal.lastTap + limits.tapNumbersAhead && gate.terminal.outOfService === "" && !shownTo(phone).includes(refusal.terminal_full)) {
      gate.terminal.lastTap = gate.terminal.book.ceiling;
      tap(phone, gate, { forMs: 500 });
    }
    expect(shownTo(phone)).toContain(refusal.terminal_full);
    expect(gate.terminal.outOfService).toBe("");
  });
});

describe("42: the box was opened", () => {
  test("a journal shorter than what the host confirmed is not served from", () => {
    const w = makeWorld();
    const sound = makeStation(w);
    tap(makePhone(w, ticket(w)), sound);
    wait(sound, 1000);
    sound.terminal.setup.confirmed = sound.terminal.journal.next - 1;
    keepNumbers(sound.terminal.setup);
    expect(startStation(sound).terminal.outOfService).toBe("");
    const exchanged = refitted(sound, () => ({ store: makeFlash({ pageBytes: 4096, pages: 4 }) }));
    expect(exchanged.terminal.outOfService).toMatch(/shorter than what the host has confirmed/);
    const phone = makePhone(w, ticket(w));
    tap(phone, exchanged);
    expect([exchanged.opened(), shownTo(phone)]).toEqual([0, [refusal.out_of_service]]);
  });

  test("an edited journal is not served from, and what can be read of it can be drained", () => {
    const w = makeWorld();
    const sound = makeStation(w);
    const phone = makePhone(w, coupons(w, 5));
    for (let i = 0; i < 3; i++) tap(phone, sound);
    wait(sound, 1000);
    const edited = sound.board.store.restarted();
    const second = edited.bytes.findIndex((_, i) => i > 200 && edited.bytes[i] === 0xa5 && edited.bytes[i + 1] === 0x5a && edited.bytes[i + 2] === 0x3c && edited.bytes[i + 3] === 0xc3);
    edited.bytes[second - 30]! ^= 4;
    const before = entries(sound).length;
    const gate = refitted(sound, () => ({ store: edited }));
    expect(gate.terminal.outOfService).toMatch(/damaged/);
    let drained = 0;
    for (let at = 1; at < gate.terminal.journal.next;) {
      const batch = readFrom(gate.terminal.journal, at, 2, 1e9);
      if (batch.entries.length === 0) break;
      drained += batch.entries.length;
      at = batch.first + batch.entries.length;
    }
    expect(drained).toBe(before - 1);
  });
});
