/**
 * Sync over roads that lose, repeat and garble (rows 43, 44, 45, 50; S6): every record reaches the host once, the terminal
 * goes on without it, and comes back without a stampede; a host restored from a backup is told again.
 */
import { deflateSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { coupons, crypto, daySeconds, makePhone, makeStation, makeWorld, powerCut, publicOf, startStation, tap, wait, type Station } from "../session/world.js";
import { headOf, makeCorrespondent, receive, seal, syncOf, talk, type Correspondent, type Road } from "./correspondent.js";
import { makeFlash } from "../../boards/sim/flash.js";
import type { SimBoard } from "../../boards/sim/board.js";
import { equal, hex } from "../../protocol/wire/bytes.js";
import { decodeEntry } from "../../protocol/wire/entry.js";
import { decodeFinishedA, decodeReceipt, decodeReversal, receiptToSign, reversalToSign } from "../../protocol/wire/receipt.js";
import { certificateId, encodeTerminalCertificate, terminalToSign } from "../../protocol/wire/certificate.js";
import { keyId, shortKeyId, signObject } from "../../protocol/wire/signed.js";
import { refusal } from "../../protocol/refusal.js";
import { encodeStatusList, status, withStatus } from "../../protocol/wire/trust.js";
import { decodeBatch, encodeBatchTaken, encodeSignedClaims, messageType } from "../../protocol/wire/sync.js";
import { writeCell } from "../../runtime/journal/cells.js";
import { boardFault } from "../../runtime/journal/store.js";
import { readFrom } from "../../runtime/journal/journal.js";
import { openSetup } from "../../runtime/setup.js";
import { failed, nextLetter, takeAnswer, type Sync } from "../../runtime/sync/sync.js";
import { poll } from "../../runtime/terminal.js";

function used(taps: number): { gate: Station; host: Correspondent } {
  const w = makeWorld();
  const gate = makeStation(w, { change: { usesADay: 1000 } });
  const phone = makePhone(w, coupons(w, 1000, { offline: { uses: 1000, amount: 1000, days: 30 } }));
  for (let i = 0; i < taps; i++) tap(phone, gate, { forMs: 500 });
  const host = makeCorrespondent();
  host.at = () => w.clock.utc().at;
  return { gate, host };
}
const signedOf = ({ signed }: { signed: { kid: Uint8Array; claims: Uint8Array; signature: Uint8Array } }): Uint8Array => encodeSignedClaims(signed.kid, signed.claims, signed.signature);
const identityKid = (gate: Station): Uint8Array => keyId(crypto, publicOf(gate.board.keys.secrets.get("identity")!));
const all = (s: Station) => readFrom(s.terminal.journal, 1, 10000, 1e9).entries;
function same(gate: Station, host: Correspondent): void {
  expect(host.entries.map(hex)).toEqual(all(gate).map(hex));
  expect(equal(headOf(host), gate.terminal.journal.head)).toBe(true);
  expect(gate.terminal.confirmed).toBe(host.entries.length);
}
/** Letters and waiting, until the terminal rests. */
function drain(sync: Sync, host: Correspondent, gate: Station, road: (n: number) => Road = () => "through"): void {
  let carried = 0;
  for (let round = 0; round < 60 && gate.terminal.confirmed + 1 < gate.terminal.journal.next; round++) {
    talk(sync, host, gate, (n) => road(carried + n), 1);
    carried++;
    wait(gate, 2000);
  }
}

/** Certifies what is offered from the host's own time on. */
function certifies(gate: Station, host: Correspondent): Correspondent {
  const secret = gate.world.provider.secrets["certificates"]!;
  const kid = shortKeyId(crypto, publicOf(secret));
  host.renew = (x) => {
    const old = gate.terminal.setup.certificate!.decoded;
    const claims = encodeTerminalCertificate({ ...old, notBefore: host.at() - 60, expires: host.at() + 14 * daySeconds, signingKey: x.signingKey, agreementKey: x.agreementKey });
    return encodeSignedClaims(kid, claims, crypto.sign(secret, terminalToSign(kid, claims)));
  };
  return host;
}

describe("30: a clock far ahead calls each new certificate old", () => {
  const renewals = (host: Correspondent): number => host.letters.filter((m) => m.type === messageType.renew).length;

  test.each([["the host certifies", true], ["the host says no", false]])("%s: the terminal renews once an hour, and not without pause", (_name, agrees) => {
    const { gate, host } = used(1);
    const at = host.at();
    host.at = () => at;
    if (agrees) certifies(gate, host);
    gate.world.clock.setUtc(at + 60 * daySeconds, 2);
    const sync = syncOf(gate);
    talk(sync, host, gate);
    expect(renewals(host)).toBe(1);
    wait(gate, 3_500_000);
    talk(sync, host, gate);
    expect(renewals(host)).toBe(1);
    wait(gate, 200_000);
    talk(sync, host, gate);
    expect(renewals(host)).toBe(2);
  });
});

describe("S6: records up, exactly once", () => {
  const roads: Record<string, (n: number) => Road> = {
    "all letters arrive": () => "through", "every other letter is lost": (n) => (n % 2 === 0 ? "lost" : "through"), "every other answer is lost": (n) => (n % 2 === 0 ? "answer lost" : "through"),
    "letters arrive twice": () => "twice", "answers are garbled": (n) => (n % 3 === 2 ? "through" : "garbage"), "all of it": (n) => (["lost", "twice", "garbage", "answer lost", "through"] as const)[n % 5]!,
  };
  test.each(Object.keys(roads))("%s", (name) => {
    const { gate, host } = used(3);
    drain(syncOf(gate), host, gate, roads[name]!);
    same(gate, host);
  });

  test("44: an answer lost 50 times: taken once", () => {
    const { gate, host } = used(1);
    const sync = syncOf(gate);
    for (let i = 0; i < 50; i++) { talk(sync, host, gate, () => "answer lost", 1); wait(gate, 61_000); }
    drain(sync, host, gate);
    same(gate, host);
  });

  test("45: batches are cut to fit, and go on where they ended, also after a restart in between", () => {
    const { gate, host } = used(12);
    const sync = syncOf(gate);
    const letter = nextLetter(sync, "talk")!;
    const part = makeCorrespondent();
    receive(part, gate, letter);
    host.entries = part.entries.slice(0, 5);
    takeAnswer(sync, "talk", seal(gate, part.letters[0]!, encodeBatchTaken({ through: 5 }), identityKid(gate), host.at()));
    expect(gate.terminal.confirmed).toBe(5);
    const again = powerCut(gate);
    expect(again.terminal.confirmed).toBe(5);
    const resumed = syncOf(again);
    talk(resumed, host, again);
    expect(decodeBatch(host.letters[0]!.body)!.first).toBe(6);
    same(again, host);
  });

  test("an answer to another letter, of another sender, or too late, is none", () => {
    const { gate, host } = used(1);
    const sync = syncOf(gate);
    const first = nextLetter(sync, "talk")!;
    const answer = receive(host, gate, first)!;
    failed(sync, "talk");
    wait(gate, 5000);
    nextLetter(sync, "talk");
    expect(takeAnswer(sync, "talk", answer)).toBe(false);
    wait(gate, 5000);
    nextLetter(sync, "talk");
    const forged = { ...gate, world: { ...gate.world, provider: { ...gate.world.provider, secrets: { ...gate.world.provider.secrets, sender: gate.world.provider.secrets["values"]! } } } };
    expect(takeAnswer(sync, "talk", seal(forged, host.letters[0]!, encodeBatchTaken({ through: 1 }), identityKid(gate), host.at()))).toBe(false);
    expect(takeAnswer(sync, "wait", answer)).toBe(false);
    expect(gate.terminal.confirmed).toBe(0);
  });

  test("two slots at once: a handover is waited for while records go up", () => {
    const { gate, host } = used(2);
    const sync = syncOf(gate);
    const waiting = nextLetter(sync, "wait")!;
    drain(sync, host, gate);
    same(gate, host);
    expect(nextLetter(sync, "wait")).toBeUndefined();
    expect(takeAnswer(sync, "wait", receive(host, gate, waiting)!)).toBe(true);
    expect(nextLetter(sync, "wait")).toBeDefined();
  });

  test("numbers of letters are never used again, over power cuts at any moment", () => {
    let { gate, host } = used(1);
    for (let boot = 0; boot < 4; boot++) {
      const sync = syncOf(gate);
      for (let i = 0; i < 3; i++) { talk(sync, host, gate, () => "answer lost", 1); wait(gate, 61_000); }
      gate = powerCut(gate);
    }
    const numbers = host.letters.map((m) => m.sequence);
    expect(new Set(numbers).size).toBe(numbers.length);
    expect(numbers.every((n, i) => i === 0 || n > numbers[i - 1]!)).toBe(true);
  });
});

describe("news that come while somebody taps", () => {
  test("are in force for who comes next, also when the network is gone by then: a value that they revoke is refused", () => {
    const w = makeWorld();
    const gate = makeStation(w);
    const [first, revoked] = [coupons(w, 10), coupons(w, 10)];
    const host = makeCorrespondent();
    host.at = () => w.clock.utc().at;
    const bits = withStatus(new Uint8Array(0), [revoked.value.statusIndex], status.revoked);
    host.news = { list: signObject(crypto, "status", w.provider.secrets["status"]!, encodeStatusList({
      issuer: w.provider.name, list: "values", expires: host.at() + daySeconds, issuedAt: host.at(), packed: new Uint8Array(deflateSync(bits)), ttl: 900, number: 5, auditHead: new Uint8Array(32),
    })) };
    const sync = syncOf(gate);
    const during: string[] = [];
    const toTerminal = (bytes: Uint8Array): Uint8Array[] => {
      if (during.length === 0 && gate.terminal.verifier.state === "greeted") { during.push(gate.terminal.verifier.state); talk(sync, host, gate); }
      return [bytes];
    };
    tap(makePhone(w, first), gate, { toTerminal, forMs: 500 });
    expect([during, gate.terminal.setup.listNumber, gate.codes()]).toEqual([["greeted"], 5, [0]]);
    wait(gate, 5000);
    tap(makePhone(w, revoked), gate, { forMs: 500 });
    expect(gate.codes()).toEqual([0, refusal.revoked]);
  });
});

describe("a certificate that comes while somebody taps", () => {
  test.each(["greeted", "answered"])("%s: the tap ends under the old one with its keys, the next begins under the new one with its own", (state) => {
    const w = makeWorld();
    const gate = makeStation(w);
    const host = certifies(gate, makeCorrespondent());
    host.at = () => w.clock.utc().at;
    const old = gate.terminal.setup.certificate!;
    w.clock.setUtc(host.at() + 8 * daySeconds, 2);
    const sync = syncOf(gate);
    const phone = makePhone(w, coupons(w, 10));
    const during: string[] = [];
    const toTerminal = (bytes: Uint8Array): Uint8Array[] => {
      if (during.length === 0 && gate.terminal.verifier.state === state) { during.push(state); talk(sync, host, gate); }
      return [bytes];
    };
    tap(phone, gate, { toTerminal, forMs: 500 });
    expect([during, gate.codes()]).toEqual([[state], [0]]);
    wait(gate, 5000);
    tap(phone, gate, { forMs: 500 });
    const used = gate.terminal.setup.certificate!;
    expect([gate.codes(), hex(used.decoded.signingKey) === hex(old.decoded.signingKey)]).toEqual([[0, 0], false]);
    const records = all(gate).map((bytes) => decodeEntry(bytes)!).filter((e) => e.kind === "finished").map((e) => decodeFinishedA(e.record)!);
    const signed = records.map((r, i) => crypto.verify([old, used][i]!.decoded.signingKey, receiptToSign(r.receipt), r.signature) && equal(decodeReceipt(r.receipt)!.terminal, certificateId(crypto, [old, used][i]!.signed.claims)));
    expect(signed).toEqual([true, true]);
  });
  test("what is undone between two taps is signed by the key of the certificate that it names", () => {
    const w = makeWorld();
    const gate = makeStation(w);
    const host = certifies(gate, makeCorrespondent());
    host.at = () => w.clock.utc().at;
    const sync = syncOf(gate);
    tap(makePhone(w, coupons(w, 10)), gate, { forMs: 500, turns: false });
    wait(gate, 10_000);
    talk(sync, host, gate);
    w.clock.setUtc(host.at() + 8 * daySeconds, 2);
    const during: string[] = [];
    const toTerminal = (bytes: Uint8Array): Uint8Array[] => {
      if (during.length === 0 && gate.terminal.verifier.state === "greeted") { during.push("greeted"); talk(sync, host, gate); return []; }
      return [bytes];
    };
    tap(makePhone(w, coupons(w, 10)), gate, { toTerminal, forMs: 20_000 });
    wait(gate, 20_000);
    const undone = all(gate).map((bytes) => decodeEntry(bytes)!).find((e) => e.kind === "reversal")!;
    const named = gate.terminal.setup.terminals[hex(decodeReversal(undone.reversal)!.terminal)]!;
    expect([during, crypto.verify(named.certificate!.signingKey, reversalToSign(undone.reversal), undone.proof)]).toEqual([["greeted"], true]);
  });
});

describe("43: the host is away", () => {
  test.each([["an hour", 3600], ["a day", 86400], ["sixty days", 60 * 86400]])("for %s: asked again at most once in thirty seconds, and drained when it is back", (_, seconds) => {
    const { gate, host } = used(2);
    const sync = syncOf(gate);
    let letters = 0;
    const step = Math.max(1000, Math.floor((seconds * 1000) / 500));
    for (let passed = 0; passed < seconds * 1000; passed += step) {
      letters += talk(sync, host, gate, () => "lost", 3);
      gate.world.clock.advance(step);
      poll(gate.terminal);
    }
    expect(letters).toBeLessThanOrEqual(10 + seconds / 30);
    drain(sync, host, gate);
    same(gate, host);
  });

  test("1,000 terminals come back over half a minute and not in one moment", () => {
    const { gate } = used(0);
    const moments = new Map<number, number>();
    const sync = syncOf(gate);
    sync.failures.talk = 10;
    for (let i = 0; i < 1000; i++) {
      failed(sync, "talk");
      const after = Math.floor((sync.notBeforeMs.talk - gate.terminal.board.clock.monotonicMs()) / 1000);
      moments.set(after, (moments.get(after) ?? 0) + 1);
      expect(after).toBeGreaterThanOrEqual(30);
      expect(after).toBeLessThanOrEqual(60);
    }
    expect(Math.max(...moments.values())).toBeLessThan(70);
  });

  test("a full journal refuses before it takes, and pages come back when the host has them", () => {
    const w = makeWorld();
    let gate = makeStation(w, { change: { usesADay: 1000 } });
    gate = startStation({ ...gate, board: { ...gate.board, store: makeFlash({ pageBytes: 4096, pages: 4 }) } as unknown as SimBoard });
    const phone = makePhone(w, coupons(w, 1000, { offline: { uses: 1000, amount: 1000, days: 30 } }));
    const host = makeCorrespondent();
    host.at = () => w.clock.utc().at;
    const sync = syncOf(gate);
    for (let round = 0; round < 3; round++) {
      const before = gate.opened();
      for (let i = 0; i < 40 && !gate.terminal.book.journalFull; i++) tap(phone, gate, { forMs: 500 });
      expect(gate.terminal.book.journalFull).toBe(true);
      expect(gate.opened()).toBeGreaterThan(before + 5);
      const opened = gate.opened();
      tap(phone, gate, { forMs: 500 });
      expect(gate.opened()).toBe(opened);
      drain(sync, host, gate);
      wait(gate, 2000);
    }
    expect(host.entries.map((e) => decodeEntry(e)!.kind).filter((kind) => kind === "finished")).toHaveLength(gate.opened());
  });
});

describe("50: the host was restored from a backup", () => {
  test("it says so when asked after the outage, and is told again what it lacks", () => {
    const { gate, host } = used(4);
    const sync = syncOf(gate);
    drain(sync, host, gate);
    host.entries = host.entries.slice(0, 3);
    talk(sync, host, gate, () => "lost", 1);
    wait(gate, 5000);
    expect(gate.terminal.confirmed).toBe(gate.terminal.journal.next - 1);
    talk(sync, host, gate);
    same(gate, host);
  });

  test("what was given back here cannot be told again: no storm of letters", () => {
    const { gate, host } = used(4);
    const sync = syncOf(gate);
    drain(sync, host, gate);
    gate.terminal.journal.pages[0]!.firstSequence = 6; // as if earlier pages were given back
    host.entries = host.entries.slice(0, 3);
    failed(sync, "talk");
    let letters = 0;
    for (let i = 0; i < 600; i++) { letters += talk(sync, host, gate, () => "through", 5); gate.world.clock.advance(1000); }
    expect(host.letters.filter((m) => m.type === messageType.records).length).toBeLessThan(60);
    expect(letters).toBeLessThan(250);
    expect(gate.terminal.outOfService).toBe("");
  });
  test("while records wait for the operator's word, news come all the same: status lists grow no older, certificates are renewed", () => {
    const { gate, host } = used(4);
    const sync = syncOf(gate);
    drain(sync, host, gate);
    gate.terminal.journal.pages[0]!.firstSequence = 6; // as if earlier pages were given back
    host.entries = host.entries.slice(0, 3);
    failed(sync, "talk");
    const before = host.letters.length;
    for (let i = 0; i < 60; i++) { talk(sync, host, gate); gate.world.clock.advance(1000); }
    expect(host.letters.slice(before).filter((m) => m.type === messageType.pull).length).toBeGreaterThan(6);
    expect(gate.terminal.setup.pulledAt).toBeGreaterThan(host.at() - 20);
    certifies(gate, host);
    gate.world.clock.advance(8 * daySeconds * 1000);
    talk(sync, host, gate);
    expect(gate.terminal.setup.certificate!.decoded.expires).toBeGreaterThan(host.at() + 13 * daySeconds);
    expect(gate.terminal.confirmed).toBe(5);
  });

  test("it shows what such a host has forgotten: its own certificate while it asks, then the one that the first record names", () => {
    const { gate, host } = used(2);
    const first = gate.terminal.setup.certificate!;
    certifies(gate, host);
    gate.world.clock.setUtc(host.at() + 8 * daySeconds, 2);
    const sync = syncOf(gate);
    drain(sync, host, gate);
    talk(sync, host, gate);
    const second = gate.terminal.setup.certificate!;
    expect(hex(second.decoded.signingKey)).not.toBe(hex(first.decoded.signingKey));
    [host.entries, host.letters] = [[], []];
    failed(sync, "talk");
    wait(gate, 5000);
    talk(sync, host, gate);
    same(gate, host);
    const shown = host.letters.filter((m) => m.type === messageType.records).map((m) => (m.certificate === undefined ? "none" : equal(m.certificate, signedOf(first)) ? "first" : equal(m.certificate, signedOf(second)) ? "second" : "other"));
    expect(shown).toEqual(["second", "first"]);
    // Lost here as well: then it says the record with none, and the host does not wait for one.
    writeCell(gate.terminal.setup.cells, "terminals", new Uint8Array(0));
    [host.entries, host.letters] = [[], []];
    failed(sync, "talk");
    wait(gate, 5000);
    talk(sync, host, gate);
    expect(host.letters.filter((m) => m.type === messageType.records).map((m) => m.certificate === undefined)).toEqual([false, true]);
  });

  test("42: a host that has more than the journal holds: the box is not served from", () => {
    const { gate, host } = used(1);
    const sync = syncOf(gate);
    talk(sync, host, gate, () => "lost", 1);
    wait(gate, 3000);
    const letter = nextLetter(sync, "talk")!;
    receive(host, gate, letter);
    takeAnswer(sync, "talk", seal(gate, host.letters[0]!, encodeBatchTaken({ through: 1000 }), identityKid(gate), host.at()));
    expect(gate.terminal.outOfService).toMatch(/more entries/);
    expect(gate.terminal.confirmed).toBe(0);
  });
});

describe("a medium that fails while an answer is taken", () => {
  test("nothing counts as confirmed that would be forgotten, nothing crashes, and after a restart it is asked again", () => {
    const { gate, host } = used(2);
    const cells = gate.board.cells;
    let broken = false;
    const failing = { ...cells, read: cells.read, erase: cells.erase, write: cells.write, sync: () => { if (broken) throw boardFault("broken", "The card is worn out."); cells.sync(); } };
    const sick = startStation({ ...gate, board: { ...gate.board, cells: failing } as unknown as SimBoard });
    const sync = syncOf(sick);
    const letter = nextLetter(sync, "talk")!;
    broken = true;
    expect(takeAnswer(sync, "talk", receive(host, sick, letter)!)).toBe(false);
    expect(sick.terminal.outOfService).toBe("The card is worn out.");
    poll(sick.terminal);
    broken = false;
    const healed = startStation({ ...sick, board: { ...sick.board, cells: cells.restarted() } as SimBoard });
    drain(syncOf(healed), host, healed);
    same(healed, host);
    expect(openSetup(healed.board).confirmed).toBe(host.entries.length);
  });
});
