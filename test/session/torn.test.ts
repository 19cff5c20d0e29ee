/**
 * Taps broken off at every message (S11; `tap.md` §4): whatever is lost, and wherever power fails, the holder is charged once
 * and let through at most once, and a retry says truly what happened.
 */
import { describe, expect, test } from "vitest";
import { makePhone, makeStation, makeWorld, powerCut, shownTo, tap, ticket, coupons, wait, card, type Phone, type Station } from "./world.js";
import { intent } from "../../protocol/wire/message.js";
import { refusal } from "../../protocol/refusal.js";
import { newestOf, newestReceipt } from "../../runtime/value/wallet.js";
import { decodeEntry } from "../../protocol/wire/entry.js";
import { readFrom } from "../../runtime/journal/journal.js";
import { driveHandover, driveQuestion, finish, know } from "./neighbours.js";
import { till } from "./till.js";

/** Lets `count` whole writes through, then nothing. */
function cutAfter(count: number): (bytes: Uint8Array) => Uint8Array[] {
  let passed = 0;
  return (bytes) => (passed++ < count ? [bytes] : []);
}
const records = (s: Station) => readFrom(s.terminal.journal, 1, 1000, 1e6).entries.map((e) => decodeEntry(e)!).filter((e) => e.kind === "finished").length;
const counter = (p: Phone) => newestReceipt(p.wallet.values[0]!)?.counter ?? 0;

/** Taps again as a holder would: an unresolved receipt is resumed, because the gate stayed shut. */
function retry(phone: Phone, gate: Station): void {
  const newest = newestOf(phone.wallet.values[0]!.receipts);
  phone.wallet.intent = newest?.state === "unresolved" ? intent.resume : intent.use;
  tap(phone, gate);
  phone.wallet.intent = intent.use;
}

describe("S11: the line goes dead after the n-th write", () => {
  for (const side of ["toTerminal", "toHandset"] as const) {
    for (let n = 0; n < 6; n++) {
      test(`${side}, ${n} writes pass: one passage, one record, one charge after the retry`, () => {
        const w = makeWorld();
        const gate = makeStation(w);
        const phone = makePhone(w, coupons(w, 5));
        tap(phone, gate, { [side]: cutAfter(n) });
        wait(gate, 10000);
        if (gate.opened() === 0) retry(phone, gate);
        expect(gate.opened()).toBe(1);
        expect(records(gate)).toBe(1);
        expect(newestReceipt(phone.wallet.values[0]!)!.after).toBe(1);
        tap(phone, gate);
        expect(newestReceipt(phone.wallet.values[0]!)!.after).toBe(2);
        expect(gate.opened()).toBe(2);
      });
    }
  }
});

describe("S11: power fails at the gate", () => {
  test("before the record: its own signature shown back is proof", () => {
    const w = makeWorld();
    let gate = makeStation(w);
    const phone = makePhone(w, ticket(w));
    tap(phone, gate, { toTerminal: cutAfter(3), forMs: 1500 });
    expect(counter(phone)).toBe(1);
    expect(records(gate)).toBe(0);
    gate = powerCut(gate);
    retry(phone, gate);
    expect(gate.codes()).toEqual([0]);
    expect(records(gate)).toBe(1);
  });

  test("at every byte of the record's append: open only if the record is there after restart", () => {
    for (let bytes = 0; bytes < 330; bytes += 7) {
      const w = makeWorld();
      let gate = makeStation(w);
      const phone = makePhone(w, coupons(w, 3));
      tap(phone, gate);
      const opened = gate.opened();
      gate.board.store.cutAfter(bytes);
      tap(phone, gate);
      const passed = gate.opened() - opened;
      gate = powerCut(gate);
      expect(records(gate) - 1).toBeGreaterThanOrEqual(passed);
      if (passed === 0) {
        retry(phone, gate);
        expect(gate.opened(), `cut after ${bytes} bytes`).toBe(1);
      }
      expect(records(gate)).toBe(2);
      expect(newestReceipt(phone.wallet.values[0]!)!.after).toBe(2);
    }
  });

  test("after the record: a gate opens once more, a second time it says ask staff", () => {
    const w = makeWorld();
    let gate = makeStation(w);
    const phone = makePhone(w, ticket(w));
    tap(phone, gate, { turns: false, stopWhen: () => gate.opened() > 0 });
    gate = powerCut(gate);
    phone.wallet.intent = intent.resume;
    tap(phone, gate, { turns: false, stopWhen: () => gate.opened() > 0 });
    expect(gate.codes()).toEqual([0]);
    gate = powerCut(gate);
    tap(phone, gate);
    expect(gate.codes()).toEqual([refusal.outcome_unknown]);
    expect(records(gate)).toBe(1);
  });

  test("after the record: a till never hands out twice", () => {
    const w = makeWorld();
    let shop = makeStation(w, { role: till(350), takes: [{ kind: "card", action: 3, zone: 1 }] });
    const phone = makePhone(w, card(w, 1000));
    tap(phone, shop, { turns: false, stopWhen: () => shop.opened() > 0 });
    shop = powerCut(shop);
    phone.wallet.intent = intent.resume;
    tap(phone, shop);
    expect(shop.codes()).toEqual([refusal.outcome_unknown]);
  });
});

describe("S11: the turnstile does not turn", () => {
  test("the use may pass again here, once it has it is used", () => {
    const w = makeWorld();
    const gate = makeStation(w);
    const phone = makePhone(w, ticket(w));
    tap(phone, gate, { turns: false, forMs: 9000 });
    expect(phone.events.some((e) => e.event === "walk_again")).toBe(true);
    phone.wallet.intent = intent.resume;
    tap(phone, gate);
    expect(gate.codes()).toEqual([0, 0]);
    tap(phone, gate);
    expect(shownTo(phone)).toEqual([refusal.already_used]);
    expect(records(gate)).toBe(1);
  });

  test("not used again in time: reversed, told to the handset, folded into the next step", () => {
    const w = makeWorld();
    const gate = makeStation(w);
    const phone = makePhone(w, coupons(w, 2));
    tap(phone, gate, { turns: false, forMs: 9000 });
    wait(gate, 700_000);
    phone.wallet.intent = intent.inquire;
    tap(phone, gate);
    expect(shownTo(phone)).toEqual([refusal.credited]);
    phone.wallet.intent = intent.use;
    tap(phone, gate);
    const newest = newestReceipt(phone.wallet.values[0]!)!;
    expect([newest.counter, newest.after, newest.fold?.length]).toEqual([2, 1, 16]);
    tap(phone, gate);
    expect(newestReceipt(phone.wallet.values[0]!)!.after).toBe(2);
    tap(phone, gate);
    expect(shownTo(phone)).toEqual([refusal.insufficient]);
  });

  test("a reversed use does not pass", () => {
    const w = makeWorld();
    const gate = makeStation(w);
    const phone = makePhone(w, ticket(w));
    tap(phone, gate, { turns: false, forMs: 9000 });
    wait(gate, 700_000);
    phone.wallet.intent = intent.resume;
    tap(phone, gate);
    expect(gate.opened()).toBe(1);
    expect(shownTo(phone)).toEqual([refusal.credited]);
  });
});

describe("S11: asking instead of opening", () => {
  test("inquire resolves a lost outcome and opens nothing", () => {
    const w = makeWorld();
    const gate = makeStation(w);
    const phone = makePhone(w, ticket(w));
    tap(phone, gate, { toHandset: cutAfter(3) });
    expect(gate.opened()).toBe(1);
    expect(newestOf(phone.wallet.values[0]!.receipts)!.state).toBe("unresolved");
    wait(gate, 9000);
    phone.wallet.intent = intent.inquire;
    tap(phone, gate);
    expect(gate.opened()).toBe(1);
    expect(newestOf(phone.wallet.values[0]!.receipts)!.state).toBe("used");
  });

  test("a receipt that nobody finished says so, and is too late once it is closed", () => {
    const w = makeWorld();
    const gate = makeStation(w);
    const phone = makePhone(w, ticket(w));
    tap(phone, gate, { toTerminal: cutAfter(3) });
    wait(gate, 3000);
    phone.wallet.intent = intent.inquire;
    tap(phone, gate);
    expect(shownTo(phone)).toEqual([refusal.not_acknowledged]);
    wait(gate, 700_000);
    phone.wallet.intent = intent.resume;
    tap(phone, gate);
    expect(shownTo(phone)).toEqual([refusal.resume_too_late]);
    expect(gate.terminal.book.closed).toBeGreaterThan(0);
    expect(records(gate)).toBe(0);
  });
});

describe("S11: at another terminal", () => {
  /** Carries one handover question by hand, as the host would. */
  function answerHandover(asker: Station, owner: Station | undefined): void {
    const q = asker.terminal.question!;
    asker.terminal.question = undefined;
    if (owner === undefined) { driveHandover(asker, q.receipt, -1); return; }
    owner.terminal.handoverAnswers = [];
    driveQuestion(owner, asker, q.receipt, q.proof);
    driveHandover(asker, q.receipt, owner.terminal.handoverAnswers[0]!.code);
  }

  function torn() {
    const w = makeWorld();
    const north = makeStation(w, { name: "north" });
    const south = makeStation(w, { name: "south" });
    know(north, south);
    know(south, north);
    const phone = makePhone(w, ticket(w));
    tap(phone, north, { toTerminal: cutAfter(3) });
    wait(north, 3000);
    phone.wallet.intent = intent.resume;
    return { w, north, south, phone };
  }

  test("the owner hands over durably, and then refuses the receipt itself", () => {
    const { north, south, phone } = torn();
    tap(phone, south, { stopWhen: () => south.terminal.question !== undefined });
    answerHandover(south, north);
    finish(south);
    expect(south.codes()).toEqual([0]);
    expect(records(south)).toBe(1);
    tap(phone, north, { stopWhen: () => north.terminal.question !== undefined });
    answerHandover(north, south);
    expect(north.opened()).toBe(0);
    expect(north.codes()).toEqual([refusal.not_acknowledged, refusal.already_used]);
  });

  test("nobody answers: finish elsewhere", () => {
    const { south, phone } = torn();
    tap(phone, south);
    expect(shownTo(phone)).toEqual([refusal.finish_elsewhere]);
    expect(records(south)).toBe(0);
  });

  test("the owner asked again by the same new owner says the same, also after closing and a power cut", () => {
    const { north, south, phone } = torn();
    tap(phone, south, { stopWhen: () => south.terminal.question !== undefined });
    const q = south.terminal.question!;
    const ask = (owner: Station, by: Station) => { owner.terminal.handoverAnswers = []; driveQuestion(owner, by, q.receipt, q.proof); return owner.terminal.handoverAnswers[0]!.code; };
    expect(ask(north, south)).toBe(0);
    expect(ask(north, south)).toBe(0);
    const again = powerCut(north);
    know(again, south);
    wait(again, 700_000);
    expect(ask(again, south)).toBe(0);
    expect(ask(again, makeStation(south.world, { name: "west" }))).toBe(refusal.finish_elsewhere);
  });

  test("after its time nobody finishes it, neither who was given it nor who gave: only so may the host undo it one day", () => {
    const { north, south, phone } = torn();
    tap(phone, south, { stopWhen: () => south.terminal.question !== undefined });
    const q = south.terminal.question!;
    driveQuestion(north, south, q.receipt, q.proof);
    expect(north.terminal.handoverAnswers[0]!.code).toBe(0);
    for (const station of [south, north]) {
      station.terminal.question = undefined;
      wait(station, 700_000);
      tap(phone, station);
      expect([shownTo(phone).at(-1), station.terminal.question]).toEqual([refusal.resume_too_late, undefined]);
    }
    expect([records(north), records(south)]).toEqual([0, 0]);
  });

  test("a receipt that the owner never made is not handed over", () => {
    const { north, south, phone } = torn();
    tap(phone, south, { stopWhen: () => south.terminal.question !== undefined });
    const q = south.terminal.question!;
    const proof = new Uint8Array(q.proof);
    proof[5]! ^= 1;
    north.terminal.handoverAnswers = [];
    driveQuestion(north, south, q.receipt, proof);
    expect(north.terminal.handoverAnswers[0]!.code).toBe(refusal.not_genuine);
  });
});
