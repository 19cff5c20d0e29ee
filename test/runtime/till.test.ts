/**
 * The till (U7): an amount is keyed in, the next handset pays it, nobody needs a network, and whatever breaks off is
 * finished or undone, never half. Told over the real core on simulated devices.
 */
import { describe, expect, test } from "vitest";
import { intent } from "../../protocol/wire/message.js";
import { decodeEntry } from "../../protocol/wire/entry.js";
import { refusal } from "../../protocol/refusal.js";
import { readFrom } from "../../runtime/journal/journal.js";
import { till } from "../../runtime/role/till.js";
import { ask } from "../../runtime/terminal.js";
import { newestReceipt } from "../../runtime/value/wallet.js";
import { card, makePhone, makeStation, makeWorld, powerCut, shownTo, tap, ticket, wait, type Phone, type Station } from "../session/world.js";

const takes = [{ kind: "card", action: 3, zone: 1 }, { kind: "ticket", action: 1, zone: 1 }];
const makeTill = (sensor = false) => {
  const w = makeWorld();
  return { w, shop: makeStation(w, { role: till, takes, sensor }), phone: makePhone(w, card(w, 5000)) };
};
const paid = (p: Phone): number => newestReceipt(p.wallet.values[0]!)?.after ?? 0;
const finished = (s: Station) => readFrom(s.terminal.journal, 1, 10000, 1e9).entries.map((e) => decodeEntry(e)!).filter((e) => e.kind === "finished").length;
/** Lets `count` writes through, then the line is dead. */
function cutAfter(count: number): (bytes: Uint8Array) => Uint8Array[] {
  let passed = 0;
  return (bytes) => (passed++ < count ? [bytes] : []);
}

describe("U7: an amount is keyed in, and the next handset pays it", () => {
  test("once: what was due is gone with the payment, and the goods are handed out", () => {
    const { shop, phone } = makeTill();
    expect(ask(shop.terminal, 1250)).toBe("asked");
    tap(phone, shop);
    expect(paid(phone)).toBe(1250);
    expect(shop.opened()).toBe(1);
    wait(shop, 20_000);
    tap(phone, shop);
    expect(paid(phone), "nothing is due any more").toBe(1250);
    expect(finished(shop)).toBe(1);
  });

  test("a handset that lies there first waits, and pays as soon as something is due", () => {
    const { shop, phone } = makeTill();
    let keyed = false;
    tap(phone, shop, { toTerminal: (bytes) => { if (!keyed) { keyed = true; ask(shop.terminal, 300); } return [bytes]; } });
    expect(paid(phone)).toBe(300);
  });

  test("what was keyed in is taken back, also from under a handset that was greeted", () => {
    const { shop, phone } = makeTill();
    ask(shop.terminal, 700);
    expect(ask(shop.terminal, undefined)).toBe("asked");
    tap(phone, shop);
    expect(paid(phone)).toBe(0);
    const whenGreeted = (due: number | undefined) => {
      let done = false;
      return { stopWhen: () => { if (!done && shop.terminal.verifier.state === "greeted") { done = true; expect(ask(shop.terminal, due)).toBe("asked"); } return false; } };
    };
    ask(shop.terminal, 700);
    tap(phone, shop, whenGreeted(undefined));
    expect([paid(phone), shop.opened()]).toEqual([0, 0]);
    expect(shownTo(phone)).toEqual([refusal.busy]);
    ask(shop.terminal, 700);
    tap(phone, shop, whenGreeted(800));
    tap(phone, shop);
    expect(paid(phone), "never the amount that was taken back").toBe(800);
  });

  test("while a receipt is out, nothing is changed: it may be paid yet", () => {
    const { shop, phone } = makeTill();
    ask(shop.terminal, 700);
    tap(phone, shop, { stopWhen: () => shop.terminal.verifier.state === "answered" });
    expect(ask(shop.terminal, 900)).toBe("busy");
    expect(ask(shop.terminal, undefined)).toBe("busy");
    tap(phone, shop);
    expect(paid(phone)).toBe(700);
  });

  test("more than the provider allows this till for one use is not even asked for", () => {
    const { shop } = makeTill();
    expect(ask(shop.terminal, 5001)).toBe("too_much");
    expect(shop.terminal.due).toBeUndefined();
    expect(ask(shop.terminal, 5000)).toBe("asked");
  });

  test("the day's limit of the whole box outlives a power cut", () => {
    const w = makeWorld();
    const shop = makeStation(w, { role: till, takes, sensor: false, change: { boxADay: 1500 } });
    const phone = makePhone(w, card(w, 5000));
    ask(shop.terminal, 1250);
    tap(phone, shop);
    const again = powerCut(shop);
    ask(again.terminal, 300);
    tap(phone, again);
    expect([again.opened(), again.codes()]).toEqual([0, [refusal.sync_needed]]);
    ask(again.terminal, 250);
    tap(phone, again);
    expect([again.opened(), paid(phone)]).toEqual([1, 1500]);
  });

  test("whoever cannot pay leaves what is due to the next: too little left, or no money at all", () => {
    const { w, shop, phone } = makeTill();
    const poor = makePhone(w, card(w, 200));
    const other = makePhone(w, ticket(w));
    ask(shop.terminal, 1000);
    tap(poor, shop);
    tap(other, shop);
    expect([paid(poor), shop.opened()]).toEqual([0, 0]);
    wait(shop, 6000);
    tap(phone, shop);
    expect([paid(phone), shop.opened()]).toEqual([1000, 1]);
  });
});

describe("U7: broken off, it is finished or undone, never half", () => {
  test("cut at every message either way: the goods were given for money, or the money is still the holder's", () => {
    for (const way of ["toTerminal", "toHandset"] as const) {
      for (let cut = 0; cut < 6; cut++) {
        const { shop, phone } = makeTill();
        ask(shop.terminal, 1250);
        tap(phone, shop, { [way]: cutAfter(cut) });
        const given = finished(shop);
        expect(given, `${way} cut after ${cut}`).toBe(shop.opened());
        wait(shop, 20_000);
        phone.wallet.intent = intent.resume;
        if (shop.terminal.due === undefined) ask(shop.terminal, 1250);
        tap(phone, shop);
        if (finished(shop) === 0) { phone.wallet.intent = intent.use; tap(phone, shop); }
        expect(finished(shop), `${way} cut after ${cut}: paid once, by whichever tap`).toBe(1);
        expect(shop.opened()).toBe(1);
        expect(paid(phone)).toBe(1250);
      }
    }
  });

  test("power is cut after the payment was recorded: what was due is gone, and no till hands out twice", () => {
    const { shop, phone } = makeTill();
    ask(shop.terminal, 1250);
    tap(phone, shop, { stopWhen: () => finished(shop) === 1 });
    const again = powerCut(shop);
    expect(again.terminal.due).toBeUndefined();
    ask(again.terminal, 1250);
    phone.wallet.intent = intent.resume;
    tap(phone, again);
    expect(again.opened()).toBe(0);
    expect(shownTo(phone)).toContain(refusal.outcome_unknown);
  });

  test("a machine whose goods did not fall credits what was paid", () => {
    const { shop, phone } = makeTill(true);
    ask(shop.terminal, 150);
    tap(phone, shop, { turns: false, forMs: 9000 });
    expect(paid(phone)).toBe(150);
    wait(shop, 700_000);
    phone.wallet.intent = intent.inquire;
    ask(shop.terminal, 150);
    tap(phone, shop);
    expect(shownTo(phone)).toContain(refusal.credited);
    phone.wallet.intent = intent.use;
    tap(phone, shop);
    expect(newestReceipt(phone.wallet.values[0]!)!.after, "the credited amount was spent anew").toBe(150);
  });
});
