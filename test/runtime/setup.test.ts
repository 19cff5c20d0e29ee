/**
 * What a terminal was given never goes back (`trust.md` §2; rows 30, 31, 51, 53): configuration, status list and deltas, role
 * keys, certificates, time. A lower number is ignored, an equal and different one is an incident, a hole is asked for whole.
 */
import { deflateSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { certificateOf, crypto, daySeconds, makeStation, makeWorld, publicOf, secretOf, shownTo, start, startStation, tap, ticket, makePhone, wait, type Station } from "../session/world.js";
import { makeCorrespondent, syncOf, talk } from "./correspondent.js";
import type { SimBoard } from "../../boards/sim/board.js";
import { makeMemoryStore } from "../../boards/sim/store.js";
import { refusal } from "../../protocol/refusal.js";
import { hex } from "../../protocol/wire/bytes.js";
import { decodeEntry } from "../../protocol/wire/entry.js";
import { signObject } from "../../protocol/wire/signed.js";
import { encodeSignedClaims } from "../../protocol/wire/sync.js";
import {
  bitsDigest, encodeConfiguration, encodeRevocation, encodeRole, encodeStatusDelta, encodeStatusList, revoked, statusAt, withStatus, type Configuration, type StatusDelta,
} from "../../protocol/wire/trust.js";
import { keyId } from "../../protocol/wire/signed.js";
import { readFrom } from "../../runtime/journal/journal.js";
import { keepNumbers, ladderAt, raiseFloor } from "../../runtime/kept.js";
import { openSetup, takeCertificate, takeConfiguration, takeDelta, takeList, takeRoles, valuesList, type Setup } from "../../runtime/setup.js";
import { timeOf } from "../../runtime/keeping.js";
import { endsMax, signersFor } from "../../runtime/sync/trust.js";

function given(): { gate: Station; setup: Setup; reopened: () => Setup } {
  const gate = makeStation(makeWorld());
  const setup = openSetup(gate.board);
  return { gate, setup, reopened: () => openSetup({ ...gate.board, cells: gate.board.cells.restarted() }) };
}
const status = (gate: Station) => gate.world.provider.secrets["status"]!;
function configured(gate: Station, change: Partial<Configuration>, signer = gate.world.provider.secrets["configuration"]!): Uint8Array {
  return signObject(crypto, "configuration", signer, encodeConfiguration({ ...gate.terminal.setup.configuration!, ...change }));
}
const inflate = (gate: Station) => (packed: Uint8Array, most: number) => gate.board.inflate(packed, most);
function listed(gate: Station, number: number, bits: Uint8Array, list = valuesList, signer = status(gate)): Uint8Array {
  return signObject(crypto, "status", signer, encodeStatusList({
    issuer: "example", list, expires: start + 60 * daySeconds, issuedAt: start, packed: new Uint8Array(deflateSync(bits)), ttl: 900, number, auditHead: new Uint8Array(32),
  }));
}
function changed(gate: Station, x: Partial<StatusDelta> & { number: number; appliesTo: number }, before: Uint8Array, signer = status(gate)): Uint8Array {
  const delta = { issuer: "example", list: valuesList, issuedAt: start, ttl: 900, revoked: [], valid: [], suspended: [], result: new Uint8Array(8), ...x };
  const after = withStatus(withStatus(withStatus(before, delta.revoked, 1), delta.valid, 0), delta.suspended, 2);
  return signObject(crypto, "status-delta", signer, encodeStatusDelta({ ...delta, result: x.result ?? bitsDigest(crypto, after) }));
}

describe("53: configuration", () => {
  const rows: [what: string, change: Partial<Configuration>, signer: string, taken: boolean][] = [
    ["a higher number", { number: 2, zones: [4] }, "configuration", true],
    ["a lower number", { number: 0, zones: [4] }, "configuration", false],
    ["the same number, another content", { zones: [4] }, "configuration", false],
    ["the very same again", {}, "configuration", true],
    ["for another terminal", { number: 2, subject: "0000000000000000" }, "configuration", false],
    ["of a key for something else", { number: 2, zones: [4] }, "status", false],
    ["of nobody", { number: 2, zones: [4] }, "stranger", false],
  ];
  test.each(rows)("%s", (_, change, signer, taken) => {
    const { gate, setup, reopened } = given();
    const before = hex(encodeConfiguration(setup.configuration!));
    const secret = gate.world.provider.secrets[signer] ?? secretOf(signer);
    expect(takeConfiguration(setup, configured(gate, change, secret))).toBe(taken);
    const zones = taken && change.zones !== undefined ? [4] : [1];
    expect([setup.configuration!.zones, reopened().configuration!.zones]).toEqual([zones, zones]);
    if (!taken) expect(hex(encodeConfiguration(reopened().configuration!))).toBe(before);
  });

  test("any older one is refused at any time, also after a restart, and when the key that signed the newest is gone", () => {
    const { gate, setup, reopened } = given();
    const versions = [2, 3, 4, 5].map((number) => configured(gate, { number, zones: [number] }));
    for (const bytes of versions) expect(takeConfiguration(setup, bytes)).toBe(true);
    for (const bytes of versions.slice(0, 3)) expect([takeConfiguration(setup, bytes), takeConfiguration(reopened(), bytes)]).toEqual([false, false]);
    const next = secretOf("next configuration key");
    const p = gate.world.provider;
    takeRoles(setup, [
      signObject(crypto, "role", p.root, encodeRole({ issuer: p.name, role: "configuration", expires: start + 900 * daySeconds, notBefore: start, publicKey: publicOf(next), generation: 2, leastGeneration: 2, signsUntil: start + 800 * daySeconds })),
    ]);
    const after = reopened();
    expect(after.configuration, "the old key is no longer believed").toBeUndefined();
    expect(takeConfiguration(after, configured(gate, { number: 4 }, next))).toBe(false);
    expect(takeConfiguration(after, configured(gate, { number: 6 }, next))).toBe(true);
  });

  test("two with one number: both are kept, journaled once, and reach the host", () => {
    const w = makeWorld();
    const gate = makeStation(w);
    const host = makeCorrespondent();
    host.at = () => w.clock.utc().at;
    const other = configured(gate, { zones: [9] });
    host.news = { configuration: other };
    const sync = syncOf(gate);
    for (let i = 0; i < 5; i++) { talk(sync, host, gate); wait(gate, 61_000); }
    const incidents = host.entries.map((e) => decodeEntry(e)!).filter((e) => e.kind === "incident");
    expect(incidents).toHaveLength(1);
    expect(incidents[0]!.what).toMatch(/two configurations/);
    expect(hex(incidents[0]!.second)).toBe(hex(other));
    expect(gate.terminal.setup.configuration!.zones).toEqual([1]);
  });
});

describe("51: the status list", () => {
  test("whole lists: higher taken, lower, equal, forged, of another name or below the least number not", () => {
    const { gate, setup, reopened } = given();
    const bits = (state: number) => withStatus(new Uint8Array(0), [7], state);
    expect(takeList(setup, listed(gate, 5, bits(1)), inflate(gate))).toBe(true);
    for (const [what, list] of Object.entries({
      lower: listed(gate, 4, bits(0)), equal: listed(gate, 5, bits(0)), forged: listed(gate, 6, bits(0), valuesList, secretOf("forger")), another: listed(gate, 6, bits(0), "terminals"),
      "no zlib": signObject(crypto, "status", status(gate), encodeStatusList({ issuer: "example", list: valuesList, expires: start, issuedAt: start, packed: new Uint8Array(9), ttl: 1, number: 6, auditHead: new Uint8Array(32) })),
    })) expect(takeList(setup, list, inflate(gate)), what).toBe(false);
    expect([setup.listNumber, statusAt(setup.statusBits!, 7), reopened().listNumber, statusAt(reopened().statusBits!, 7)]).toEqual([5, 1, 5, 1]);
    takeConfiguration(setup, configured(gate, { number: 2, lists: [{ list: valuesList, number: 20 }] }));
    expect(takeList(setup, listed(gate, 19, bits(0)), inflate(gate))).toBe(false);
    expect(takeList(setup, listed(gate, 20, bits(0)), inflate(gate))).toBe(true);
  });

  test("deltas: exactly the next; lost, replayed, reordered, forged or of another result leave the list as it is", () => {
    const { gate, setup, reopened } = given();
    const none = new Uint8Array(0);
    const first = changed(gate, { number: 6, appliesTo: 5, revoked: [3] }, none);
    expect(takeDelta(setup, first), "no list yet").toBe(false);
    takeList(setup, listed(gate, 5, none), inflate(gate));
    const after = withStatus(none, [3], 1);
    const second = changed(gate, { number: 7, appliesTo: 6, suspended: [900] }, after);
    for (const [what, delta] of Object.entries({
      reordered: second, forged: changed(gate, { number: 6, appliesTo: 5, revoked: [3] }, none, secretOf("forger")), "another result": changed(gate, { number: 6, appliesTo: 5, revoked: [3], result: new Uint8Array(8) }, none),
      "not rising": changed(gate, { number: 5, appliesTo: 5, revoked: [3] }, none), "another list": changed(gate, { number: 6, appliesTo: 5, revoked: [3], list: "terminals" }, none),
      "an index beyond all bounds": changed(gate, { number: 6, appliesTo: 5, revoked: [999_999_999], result: new Uint8Array(8) }, none),
    })) expect(takeDelta(setup, delta), what).toBe(false);
    expect([takeDelta(setup, first), takeDelta(setup, first), takeDelta(setup, second)]).toEqual([true, false, true]);
    expect([reopened().listNumber, statusAt(reopened().statusBits!, 3), statusAt(reopened().statusBits!, 900)]).toEqual([7, 1, 2]);
  });

  test.each([0, 1, 1000, 100_000, 1_000_000])("%i values: two bits each and not more, taken and looked up", (values) => {
    const w = makeWorld();
    const sound = makeStation(w);
    const setup = openSetup({ ...sound.board, cells: makeMemoryStore({ pageBytes: 1 << 20, pages: 2 }) });
    setup.trust = sound.terminal.setup.trust;
    const indices = values === 0 ? [] : [0, values - 1];
    const bits = withStatus(new Uint8Array(Math.ceil(values / 4)), indices, 1);
    expect(takeList(setup, listed(sound, 1, bits), inflate(sound))).toBe(true);
    expect(setup.statusBits!.length).toBe(Math.ceil(values / 4));
    for (const index of indices) expect(statusAt(setup.statusBits!, index)).toBe(1);
    expect(takeDelta(setup, changed(sound, { number: 2, appliesTo: 1, valid: indices.slice(0, 1), suspended: [values + 10] }, bits))).toBe(true);
  });

  test("a list that inflates beyond the bound, or that this machine cannot hold, is not taken, and the old one stays", () => {
    const { gate, setup } = given();
    takeList(setup, listed(gate, 1, withStatus(new Uint8Array(0), [7], 1)), inflate(gate));
    expect(takeList(setup, listed(gate, 2, new Uint8Array(2_000_000)), inflate(gate))).toBe(false);
    expect(takeList(setup, listed(gate, 2, new Uint8Array(70_000)), inflate(gate))).toBe(false);
    expect([setup.listNumber, statusAt(setup.statusBits!, 7), setup.cells.fault]).toEqual([1, 1, undefined]);
  });

  test("S11: revoked after the next sync, refused at the gate; news that cannot be taken does not count as fresh", () => {
    const w = makeWorld();
    const gate = makeStation(w);
    const host = makeCorrespondent();
    host.at = () => w.clock.utc().at;
    const sync = syncOf(gate);
    const sold = ticket(w);
    host.news = { list: listed(gate, 1, withStatus(new Uint8Array(0), [sold.value.statusIndex], 1), valuesList, secretOf("forger")) };
    const pulledAt = gate.terminal.setup.pulledAt;
    w.clock.advance(600_000);
    let letters = 0;
    for (let i = 0; i < 300; i++) { letters += talk(sync, host, gate); w.clock.advance(1000); }
    expect(gate.terminal.setup.pulledAt).toBe(pulledAt);
    expect(letters, "asked again ever later").toBeLessThan(40);
    host.news = { list: listed(gate, 1, withStatus(new Uint8Array(0), [sold.value.statusIndex], 1)) };
    w.clock.advance(61_000);
    talk(sync, host, gate);
    expect(gate.terminal.setup.pulledAt).toBe(w.clock.utc().at);
    const phone = makePhone(w, sold);
    tap(phone, gate);
    expect(shownTo(phone)).toEqual([refusal.revoked]);
  });
});

describe("role keys and certificates", () => {
  const role = (gate: Station, generation: number, leastGeneration: number, secret: Uint8Array, signer = gate.world.provider.root) => signObject(crypto, "role", signer, encodeRole({
    issuer: "example", role: "status", expires: start + 900 * daySeconds, notBefore: start, publicKey: publicOf(secret), generation, leastGeneration, signsUntil: start + 800 * daySeconds,
  }));
  test("a generation ends the ones below it, for good; only a root may say so", () => {
    const { gate, setup, reopened } = given();
    const [second, third] = [secretOf("status 2"), secretOf("status 3")];
    takeRoles(setup, [role(gate, 2, 0, second), role(gate, 9, 9, secretOf("mine"), secretOf("no root"))]);
    expect(signersFor(setup.trust, "status")).toHaveLength(2);
    takeRoles(setup, [role(gate, 3, 3, third)]);
    for (const s of [setup, reopened()]) expect(signersFor(s.trust, "status").map((k) => hex(k.publicKey))).toEqual([hex(publicOf(third))]);
    takeRoles(setup, [role(gate, 2, 1, secretOf("status 2 again"))]);
    expect(signersFor(reopened().trust, "status")).toHaveLength(1);
  });
  test("a revocation from the safe ends a key at once, never to be withdrawn; by the spare root as well", () => {
    const { gate, setup, reopened } = given();
    const name = keyId(crypto, publicOf(status(gate)));
    takeRoles(setup, [signObject(crypto, "revocation", secretOf("example spare"), encodeRevocation({ issuer: "example", at: start, what: revoked.role, name }))]);
    takeRoles(setup, [...gate.world.provider.objects]);
    for (const s of [setup, reopened()]) expect(signersFor(s.trust, "status")).toEqual([]);
    expect(takeList(setup, listed(gate, 9, new Uint8Array(4)), inflate(gate))).toBe(false);
  });
  test("the certificates key revokes terminals, not roles", () => {
    const { gate, setup } = given();
    const by = gate.world.provider.secrets["certificates"]!;
    takeRoles(setup, [signObject(crypto, "revocation", by, encodeRevocation({ issuer: "example", at: start, what: revoked.role, name: keyId(crypto, publicOf(status(gate))) }))]);
    expect(signersFor(setup.trust, "status")).toHaveLength(1);
    takeRoles(setup, [signObject(crypto, "revocation", by, encodeRevocation({ issuer: "example", at: start, what: revoked.terminal, name: new Uint8Array(8) }))]);
    expect(setup.trust.revokedTerminals).toHaveLength(1);
  });
  test("terminals are revoked without end: the newest ends are kept, role certificates are never crowded out", () => {
    const { gate, setup, reopened } = given();
    const by = gate.world.provider.secrets["certificates"]!;
    const nameOf = (n: number) => new Uint8Array([0, 0, 0, 0, 0, 0, n >> 8, n & 255]);
    const end = (n: number, at = start + n) => signObject(crypto, "revocation", by, encodeRevocation({ issuer: "example", at, what: revoked.terminal, name: nameOf(n) }));
    const ends = Array.from({ length: endsMax + 40 }, (_x, n) => end(n));
    takeRoles(setup, [...ends.slice(0, 100), ...ends]);
    const newest = Array.from({ length: endsMax }, (_x, i) => hex(nameOf(i + 40))).sort();
    const held = (s: Setup) => s.trust.revokedTerminals.map(hex).sort();
    expect(held(setup)).toEqual(newest);
    takeRoles(setup, [ends[3]!, end(60, start + 9999)]);
    takeRoles(setup, [role(gate, 2, 2, secretOf("status 2"))]);
    for (const s of [setup, reopened()]) {
      expect(held(s)).toEqual(newest);
      expect(signersFor(s.trust, "status").map((k) => hex(k.publicKey))).toEqual([hex(publicOf(secretOf("status 2")))]);
    }
  });
  test("a certificate of another box, of no certificates key, or that ends sooner never replaces the present one", () => {
    const { gate, setup, reopened } = given();
    const packed = (c: { kid: Uint8Array; claims: Uint8Array; signature: Uint8Array }) => encodeSignedClaims(c.kid, c.claims, c.signature);
    const good = (expires: number, name = "north") => certificateOf(gate.world, { certificate: { expires } }, name);
    expect(takeCertificate(setup, packed(good(start + 10 * daySeconds)))).toBe(false);
    expect(takeCertificate(setup, packed(good(start + 20 * daySeconds, "south")))).toBe(false);
    expect(takeCertificate(setup, packed({ ...good(start + 20 * daySeconds), signature: new Uint8Array(64).fill(1) }))).toBe(false);
    expect(takeCertificate(setup, packed(good(start + 20 * daySeconds)))).toBe(true);
    expect(takeCertificate(setup, packed(good(start + 14 * daySeconds)))).toBe(false);
    expect(reopened().certificate!.decoded.expires).toBe(start + 20 * daySeconds);
  });
});

describe("30, 31: time", () => {
  test("the floor only rises, is durable, and leaps at most 400 days on one word", () => {
    const { setup, reopened } = given();
    expect([raiseFloor(setup, start), raiseFloor(setup, start - 5), raiseFloor(setup, start + 399 * daySeconds), raiseFloor(setup, start + 2000 * daySeconds)]).toEqual([true, true, true, false]);
    keepNumbers(setup);
    expect(reopened().timeFloor).toBe(start + 399 * daySeconds);
  });
  test("a stolen status key that says year 2056 moves neither floor, clock nor freshness", () => {
    const w = makeWorld();
    const gate = makeStation(w);
    const host = makeCorrespondent();
    const sync = syncOf(gate);
    let set = 0;
    sync.onTime = (at) => { set = at; };
    host.at = () => w.clock.utc().at;
    talk(sync, host, gate);
    expect(set).toBe(w.clock.utc().at);
    host.at = () => start + 30 * 365 * daySeconds;
    set = 0;
    w.clock.advance(60_000);
    talk(sync, host, gate);
    expect([set, gate.terminal.setup.timeFloor < start + daySeconds, gate.terminal.setup.pulledAt < start + daySeconds]).toEqual([0, true, true]);
  });
  const clocks: [what: string, at: number, quality: 0 | 2, believed: boolean][] = [
    ["as it should be", start, 2, true], ["a minute slow", start - 60, 2, true], ["a day slow", start - daySeconds, 2, false], ["1970", 0, 2, false], ["2000", 946_684_800, 2, false], ["unknown", 0, 0, false],
  ];
  test.each(clocks)("a clock that says %s", (_, at, quality, believed) => {
    const w = makeWorld();
    let gate = makeStation(w);
    raiseFloor(gate.terminal.setup, start);
    keepNumbers(gate.terminal.setup);
    w.clock.setUtc(at, quality);
    gate = startStation(gate);
    const time = timeOf(gate.terminal);
    expect(time.quality > 0).toBe(believed);
    expect(time.at).toBeGreaterThanOrEqual(start - 60);
  });
  test("a battery that died: expired stays expired, by the time of the own journal", () => {
    const w = makeWorld();
    let gate = makeStation(w);
    w.clock.advance(40 * daySeconds * 1000);
    gate = startStation(gate);
    wait(gate, 1000);
    w.clock.setUtc(0, 0);
    gate = startStation(gate);
    expect(timeOf(gate.terminal).at).toBeGreaterThanOrEqual(start + 40 * daySeconds);
    const phone = makePhone(w, ticket(w, { expires: start + 30 * daySeconds }));
    tap(phone, gate);
    expect(gate.opened()).toBe(0);
  });
  const ladder: [hours: number, quality: number, step: string][] = [
    [0, 2, "fresh"], [24, 2, "fresh"], [25, 2, "offline"], [7 * 24, 2, "offline"], [7 * 24 + 1, 2, "reduced"], [30 * 24, 3, "reduced"], [30 * 24 + 1, 3, "closed"], [0, 0, "offline"], [0, 1, "offline"],
  ];
  test.each(ladder)("the ladder after %i h with a clock of quality %i: %s", (hours, quality, step) => {
    const { setup } = given();
    setup.pulledAt = start;
    expect(ladderAt(setup, start + hours * 3600, quality)).toBe(step);
  });
  test("never pulled, or never configured: closed", () => {
    const { gate } = given();
    const setup = openSetup(gate.board);
    expect(ladderAt(setup, start, 2)).toBe("closed");
    expect(readFrom(gate.terminal.journal, 1, 1, 1).entries.length).toBe(1);
    const board = { ...gate.board, cells: makeMemoryStore({ pageBytes: 4096, pages: 2 }) } as SimBoard;
    expect(ladderAt({ ...openSetup(board), pulledAt: start }, start, 2)).toBe("closed");
  });
});
