/**
 * What a terminal must not forget when it gives its oldest pages back: tap numbers, what is closed, and whom it gave a
 * receipt to (`tap.md` §3, §4).
 */
import { expect, test } from "vitest";
import { makePhone, makeStation, makeWorld, powerCut, startStation, tap, ticket, coupons, wait, type Station } from "./world.js";
import { idOf, know } from "./neighbours.js";
import { makeMemoryStore } from "../../boards/sim/store.js";
import { refusal } from "../../protocol/refusal.js";
import { intent } from "../../protocol/wire/message.js";
import { closeNow, drive, poll } from "../../runtime/terminal.js";
import { bookView } from "../../runtime/value/book.js";
import { newestOf } from "../../runtime/value/wallet.js";
import { firstKept } from "../../runtime/journal/journal.js";

/** A gate with four small pages. */
function small(w: ReturnType<typeof makeWorld>, name = "north"): Station {
  const station = makeStation(w, { name });
  return startStation({ ...station, board: { ...station.board, store: makeMemoryStore({ pageBytes: 2048, pages: 4 }) } });
}
/** So many people pass that the first pages are full, confirmed and given back. */
function busy(gate: Station, until: () => boolean): void {
  for (let i = 0; i < 60 && !until(); i++) {
    tap(makePhone(gate.world, ticket(gate.world, { expires: gate.world.clock.utc().at + 30 })), gate, { forMs: 400 });
    wait(gate, 9000);
    gate.world.clock.advance(30_000);
    gate.terminal.confirmed = gate.terminal.journal.next - 1;
    poll(gate.terminal);
  }
  expect(until()).toBe(true);
}

test("I8: no tap number comes twice, also when the page that said how far they go was given back and power fails", () => {
  const w = makeWorld();
  let gate = small(w);
  busy(gate, () => firstKept(gate.terminal.journal) > 12);
  closeNow(gate.terminal);
  const { lastTap, book } = gate.terminal;
  const closed = book.closed;
  gate = powerCut(gate);
  expect(gate.terminal.lastTap).toBeGreaterThanOrEqual(lastTap);
  expect(gate.terminal.book.closed).toBeGreaterThanOrEqual(closed);
  const before = gate.opened();
  tap(makePhone(w, ticket(w)), gate);
  expect(gate.opened()).toBe(before + 1);
});

test("S11: a receipt that was handed over is not finished here, also when the page that says so was given back and power fails", () => {
  const w = makeWorld();
  let gate = small(w);
  const south = makeStation(w, { name: "south" });
  know(gate, south);
  const phone = makePhone(w, coupons(w, 3));
  let writes = 0;
  tap(phone, gate, { toTerminal: (bytes) => (writes++ < 3 ? [bytes] : []), forMs: 1500 });
  wait(gate, 3000);
  const kept = newestOf(phone.wallet.values[0]!.receipts)!;
  gate.terminal.handoverAnswers = [];
  drive(gate.terminal, { type: "handover_asked", by: idOf(south), receipt: kept.receipt, proof: kept.proof });
  expect(gate.terminal.handoverAnswers[0]!.code).toBe(0);
  busy(gate, () => firstKept(gate.terminal.journal) > 12);
  const handed = bookView(gate.terminal.book).handedTo(phone.wallet.values[0]!.value.valueId, 1);
  expect(handed).toEqual(idOf(south));
  gate = powerCut(gate);
  phone.wallet.intent = intent.resume;
  tap(phone, gate);
  expect(gate.opened()).toBe(0);
  expect([refusal.finish_elsewhere, refusal.resume_too_late]).toContain(gate.codes()[0]);
});
