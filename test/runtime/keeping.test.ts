/**
 * What a terminal must not forget when pages are given back, and what it must be able to unlearn: the number of its boot,
 * the latest time it knew, and a clock that somebody had set ahead (`trust.md` §2).
 */
import { describe, expect, test } from "vitest";
import { makeCorrespondent, syncOf, talk } from "./correspondent.js";
import { makeFlash } from "../../boards/sim/flash.js";
import type { SimBoard } from "../../boards/sim/board.js";
import { decodeEntry } from "../../protocol/wire/entry.js";
import { signObject } from "../../protocol/wire/signed.js";
import { encodeTime } from "../../protocol/wire/trust.js";
import { firstKept, readFrom } from "../../runtime/journal/journal.js";
import { floorOf, timeOf } from "../../runtime/keeping.js";
import { coupons, crypto, makePhone, makeStation, makeWorld, start, startStation, tap, wait, type Station } from "../session/world.js";

const daySeconds = 86400;
const entries = (s: Station) => readFrom(s.terminal.journal, 1, 10000, 1e9).entries.map((e) => decodeEntry(e)!);
const incidents = (s: Station) => entries(s).flatMap((e) => (e.kind === "incident" ? [e.what] : []));

const foreignTime = (s: Station): Uint8Array =>
  signObject(crypto, "time", s.world.provider.secrets["status"]!, encodeTime({ issuer: s.world.provider.name, at: start + 60, nonce: new Uint8Array(8) }));

/** Taps until the page with the first entries is given back, its host having confirmed everything. */
function untilGivenBack(station: Station): Station {
  const gate = startStation({ ...station, board: { ...station.board, store: makeFlash({ pageBytes: 4096, pages: 4 }) } as unknown as SimBoard });
  const phone = makePhone(gate.world, coupons(gate.world, 1000, { offline: { uses: 1000, amount: 1000, days: 30 } }));
  for (let i = 0; firstKept(gate.terminal.journal) === 1 && i < 60; i++) {
    tap(phone, gate, { forMs: 700 });
    gate.terminal.confirmed = gate.terminal.journal.next - 1;
    wait(gate, 1000);
  }
  expect(firstKept(gate.terminal.journal), "a page was given back").toBeGreaterThan(1);
  return gate;
}

describe("what outlives its page", () => {
  test("the boot's number: it rises, also when every record of the last boot was given back", () => {
    let gate = untilGivenBack(makeStation(makeWorld(), { change: { usesADay: 100000 } }));
    const before = gate.terminal.book.boot;
    for (let boot = 1; boot <= 3; boot++) {
      gate = startStation(gate);
      expect(gate.terminal.book.boot).toBe(before + boot);
    }
  });
  test("the number written again is no new boot: how a use ended is not forgotten", () => {
    const gate = untilGivenBack(makeStation(makeWorld(), { change: { usesADay: 100000 } }));
    const outcomes = Object.values(gate.terminal.book.uses).map((kept) => kept.use.outcome);
    expect(outcomes.length).toBeGreaterThan(0);
    expect(outcomes.filter((outcome) => outcome === "unknown")).toEqual([]);
  });
  test("30: the latest time known, for a battery that dies afterwards", () => {
    const w = makeWorld();
    let gate = makeStation(w, { change: { usesADay: 100000 } });
    w.clock.advance(5 * daySeconds * 1000);
    gate = untilGivenBack(gate);
    w.clock.setUtc(0, 0);
    gate = startStation(gate);
    expect(timeOf(gate.terminal)).toMatchObject({ quality: 0 });
    expect(timeOf(gate.terminal).at).toBeGreaterThanOrEqual(start + 5 * daySeconds);
  });
});

describe("31: a clock that was set ahead", () => {
  const ahead = 300 * daySeconds;
  function setAhead() {
    const w = makeWorld();
    let gate = makeStation(w);
    const host = makeCorrespondent();
    host.at = () => start + 60;
    w.clock.setUtc(start + ahead, 2);
    gate = startStation(gate);
    w.clock.setUtc(start + 60, 2);
    return { w, gate, host };
  }
  test("later signed time with the terminal's own nonce is believed again, at once and after a restart, and the host is told", () => {
    const { w, gate, host } = setAhead();
    expect(timeOf(gate.terminal).quality, "until then nothing vouches for the earlier time").toBe(0);
    const sync = syncOf(gate);
    sync.onTime = (at) => w.clock.setUtc(at, 3);
    talk(sync, host, gate);
    expect(timeOf(gate.terminal)).toEqual({ at: start + 60, quality: 3 });
    expect(incidents(gate)).toEqual(["the clock had been set ahead"]);
    const again = startStation(gate);
    expect(timeOf(again.terminal)).toEqual({ at: start + 60, quality: 3 });
    expect(floorOf(again.terminal)).toBeLessThan(start + ahead);
  });
  test("signed time without the own nonce, as any courier may carry it, does not take the floor back", () => {
    const { gate, host } = setAhead();
    const sync = syncOf(gate);
    host.news = { ...host.news, time: foreignTime(gate) };
    talk(sync, host, gate);
    expect([timeOf(gate.terminal).quality, floorOf(gate.terminal), incidents(gate)]).toEqual([0, start + ahead, []]);
  });
  test("a floor of signed objects does not yield", () => {
    const { w, gate, host } = setAhead();
    gate.terminal.setup.timeFloor = start + ahead;
    const sync = syncOf(gate);
    sync.onTime = (at) => w.clock.setUtc(at, 3);
    talk(sync, host, gate);
    expect(timeOf(gate.terminal)).toEqual({ at: start + ahead, quality: 0 });
  });
  test("what was recorded under signed time does not yield to what comes after it", () => {
    const w = makeWorld();
    let gate = makeStation(w);
    w.clock.setUtc(start + daySeconds, 3);
    gate = startStation(gate);
    w.clock.setUtc(start + ahead, 2);
    gate = startStation(gate);
    const host = makeCorrespondent();
    host.at = () => start + 60;
    talk(syncOf(gate), host, gate);
    expect(floorOf(gate.terminal)).toBe(start + daySeconds);
  });
});
