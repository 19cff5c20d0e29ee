/**
 * A handset whose storage fails, fills up, or whose battery dies at any write (rows 16, 18, 25; I1, I10): it never
 * acknowledges what it could not store, never shows an older state, and everything it keeps has a bound.
 */
import { describe, expect, test } from "vitest";
import { coupons, copyPhone, give, makePhone, makeStation, makeWorld, sell, shownTo, tap, ticket, wait, type Phone, type Sold, type Station, type World } from "../session/world.js";
import { makeFlash } from "../../boards/sim/flash.js";
import type { FaultyStore } from "../../boards/sim/faulty.js";
import { makeMemoryStore, type MemoryStore } from "../../boards/sim/store.js";
import { hex } from "../../protocol/wire/bytes.js";
import { intent, offer, type Hello } from "../../protocol/wire/message.js";
import { encodeValue, flag } from "../../protocol/wire/value.js";
import { decodeEntry } from "../../protocol/wire/entry.js";
import { readFrom } from "../../runtime/journal/journal.js";
import { openCells } from "../../runtime/journal/cells.js";
import { boardFault } from "../../runtime/journal/store.js";
import { addValue, keepCertificate, newestOf, newestReceipt, openWallet, storeReceipt, walletView } from "../../runtime/value/wallet.js";

/** A phone on flash that a test may cut. */
function phoneOn(w: World, store: FaultyStore, ...sold: Sold[]): Phone {
  const phone = makePhone(w);
  const fresh = { ...phone, cells: store as unknown as MemoryStore, wallet: openWallet(openCells(store)) };
  for (const s of sold) give(fresh, s);
  return fresh;
}
const restarted = (phone: Phone): Phone => {
  const store = (phone.cells as unknown as FaultyStore).restarted();
  return { ...phone, cells: store as unknown as MemoryStore, wallet: openWallet(openCells(store)), events: [] };
};
const finished = (s: Station) => readFrom(s.terminal.journal, 1, 10000, 1e9).entries.filter((e) => decodeEntry(e)!.kind === "finished").length;
const flash = () => makeFlash({ pageBytes: 8192, pages: 2 });

describe("16, 18: the battery dies at any write of a tap", () => {
  test("one use, one passage, one charge after the retry", () => {
    const probe = makeWorld();
    const store = flash();
    const before = phoneOn(probe, store, coupons(probe, 5));
    const opening = store.operations.length;
    tap(before, makeStation(probe));
    const operations = store.operations.length;
    expect(operations - opening).toBeGreaterThan(2);
    for (let n = opening + 1; n <= operations; n++) for (let damage = 0; damage < 3; damage++) {
      const w = makeWorld();
      const gate = makeStation(w);
      const medium = flash();
      let phone = phoneOn(w, medium, coupons(w, 5));
      medium.cutAt(n, damage);
      tap(phone, gate);
      phone = restarted(phone);
      wait(gate, 10_000);
      const newest = newestOf(phone.wallet.values[0]!.receipts);
      expect(finished(gate), `acknowledged and not kept, cut at ${n}`).toBeLessThanOrEqual(newest === undefined ? 0 : 1);
      if (gate.opened() === 0) { phone.wallet.intent = newest?.state === "unresolved" ? intent.resume : intent.use; tap(phone, gate); }
      expect(gate.opened(), `cut at ${n}`).toBe(1);
      phone.wallet.intent = intent.use;
      tap(phone, gate);
      expect([newestReceipt(phone.wallet.values[0]!)!.after, finished(gate), gate.opened()], `cut at ${n}`).toEqual([2, 2, 2]);
    }
  });
});

describe("a storage that fails", () => {
  test("while the receipt is stored: not acknowledged, said, and the wallet is as it was", () => {
    const w = makeWorld();
    const gate = makeStation(w);
    const phone = makePhone(w, coupons(w, 5));
    tap(phone, gate);
    const cells = phone.cells;
    let broken = false;
    const failing = { ...cells, write: (page: number, offset: number, bytes: Uint8Array) => { if (broken) throw boardFault("broken", "The phone's storage is worn out."); cells.write(page, offset, bytes); } } as MemoryStore;
    const sick = { ...phone, cells: failing, wallet: openWallet(openCells(failing)) };
    broken = true;
    tap(sick, gate);
    expect([gate.opened(), finished(gate)]).toEqual([1, 1]);
    expect(newestReceipt(sick.wallet.values[0]!)!.counter).toBe(1);
    expect(sick.events).toContainEqual({ event: "fault", message: "The phone's storage is worn out." });
    wait(gate, 3000);
    tap(sick, gate);
    expect(gate.opened(), "it shows nothing any more in this life").toBe(1);
    const healed = copyPhone(phone);
    tap(healed, gate);
    expect([gate.opened(), newestReceipt(healed.wallet.values[0]!)!.after]).toEqual([2, 2]);
  });

  test("a value key that is missing or its store fails: the tap ends, nothing is taken", () => {
    for (const sign of [() => undefined, () => { throw boardFault("denied", "The key store is locked."); }]) {
      const w = makeWorld();
      const gate = makeStation(w);
      const phone = makePhone(w, ticket(w));
      tap({ ...phone, keys: { ...phone.keys, sign } }, gate);
      expect([gate.opened(), finished(gate)]).toEqual([0, 0]);
    }
  });

  test("a damaged wallet shows nothing: what it still reads may be an older state", () => {
    const w = makeWorld();
    const gate = makeStation(w);
    const store = flash();
    const phone = phoneOn(w, store, coupons(w, 5));
    for (let i = 0; i < 3; i++) tap(phone, gate);
    const rotten = store.restarted();
    const used = [0, 1].find((page) => rotten.read(page, 0, 1)[0] !== 0xff)!;
    rotten.rot(used, 70, 1);
    const sick = { ...phone, cells: rotten as unknown as MemoryStore, wallet: openWallet(openCells(rotten)) };
    expect(sick.wallet.cells.damaged).toBe(true);
    wait(gate, 3000);
    const opened = gate.opened();
    tap(sick, gate);
    expect(gate.opened()).toBe(opened);
  });
});

describe("I10: a bound on everything kept", () => {
  test("a wallet that is full refuses the next value with a board error, and stays as it was", () => {
    const w = makeWorld();
    const cells = openCells(makeMemoryStore({ pageBytes: 16384, pages: 2 }));
    const wallet = openWallet(cells);
    let taken = 0;
    let kind = "";
    for (let i = 0; i < 200 && kind === ""; i++) {
      const s = sell(w, "ticket");
      try { if (addValue(wallet, s.name, s.signed, new Uint8Array(0), undefined)) taken++; } catch (error) { kind = (error as { kind: string }).kind; }
    }
    expect(kind).toBe("full");
    expect(taken).toBeGreaterThan(10);
    expect(wallet.values).toHaveLength(taken);
    expect(openWallet(openCells(cells.store)).values).toHaveLength(taken);
  });

  test("4,096 values are taken, one more is refused, and none is lost by opening again", () => {
    const w = makeWorld();
    const s = sell(w, "ticket");
    const cells = openCells(makeMemoryStore({ pageBytes: 1 << 20, pages: 2 }));
    const wallet = openWallet(cells);
    for (let i = 0; i < 4096; i++) wallet.values.push({ name: "", signed: s.signed, value: { ...s.value, valueId: new Uint8Array([i >> 8, i & 255, 0, 0, 0, 0, 0, 0]) }, issuerPart: new Uint8Array(0), grant: undefined, receipts: [], grantReceipts: [], showCertificate: false, given: "" });
    expect(() => addValue(wallet, "one more", sell(w, "ticket").signed, new Uint8Array(0), undefined)).toThrow(/full/);
  });

  test("a full wallet cannot store a receipt, and so does not acknowledge it", () => {
    const w = makeWorld();
    const gate = makeStation(w);
    const phone = makePhone(w);
    const cells = makeMemoryStore({ pageBytes: 2048, pages: 2 });
    const small = { ...phone, cells, wallet: openWallet(openCells(cells)) };
    for (let i = 0; i < 10; i++) try { give(small, ticket(w)); } catch { break; }
    expect(small.wallet.values.length).toBeGreaterThan(1);
    tap(small, gate);
    expect([gate.opened(), finished(gate), newestReceipt(small.wallet.values[0]!)]).toEqual([0, 0, undefined]);
    expect(small.events.some((e) => e.event === "fault" && /full/.test(e.message))).toBe(true);
  });

  test("receipts: the newest 64 of each value; certificates of terminals: the last 64 met", () => {
    const w = makeWorld();
    const gate = makeStation(w, { change: { usesADay: 1000 } });
    const phone = makePhone(w, coupons(w, 100, { offline: { uses: 1000, amount: 1000, days: 30 } }));
    tap(phone, gate);
    const value = phone.wallet.values[0]!;
    const kept = value.receipts[0]!;
    while (value.receipts.length < 64) value.receipts.push(kept);
    tap(phone, gate);
    expect(value.receipts).toHaveLength(64);
    expect(newestReceipt(value)!.counter).toBe(2);
    const cells = phone.wallet.cells;
    const certificate = { signed: { kid: new Uint8Array(4), claims: new Uint8Array(60), signature: new Uint8Array(64) }, decoded: undefined as never };
    for (let i = 0; i < 300; i++) keepCertificate(phone.wallet, new Uint8Array([i >> 8, i & 255]), certificate);
    const met = (from: typeof cells) => from.values.filter((cell) => cell.name.startsWith("terminal ")).length;
    expect(met(cells)).toBe(64);
    expect(openWallet(openCells(phone.cells.restarted())).values).toHaveLength(1);
    tap(phone, gate);
    expect(shownTo(phone)).toEqual([]);
  });

  test("a receipt that is not newer is never stored", () => {
    const w = makeWorld();
    const gate = makeStation(w);
    const phone = makePhone(w, coupons(w, 5));
    tap(phone, gate);
    const kept = newestOf(phone.wallet.values[0]!.receipts)!;
    expect(() => storeReceipt(phone.wallet, phone.wallet.values[0]!.value.valueId, kept.receipt, kept.proof, undefined, "unresolved")).toThrow(/newer/);
  });
});

describe("a terminal that speaks MACs alone (code 4)", () => {
  const hello = (offered: number, group: number) => ({ offer: offered, want: { action: 1, kinds: ["coupon"], amount: 1, currency: undefined }, group: { group, epoch: 3 } }) as unknown as Hello;
  const chosen = (phone: Phone, h: Hello) => walletView(phone.wallet, []).choose(h);
  test("no grant of this group: the value is answered, so that the holder is told of the missing profile instead of nothing", () => {
    const w = makeWorld();
    const phone = makePhone(w, coupons(w, 5));
    expect(chosen(phone, hello(offer.profileB, 7))?.profile).toBe("A");
    expect(chosen(makePhone(w, ticket(w)), hello(offer.profileB, 7)), "a kind that is not wanted is nothing to show").toBeUndefined();
  });
  test("of two values the one with a grant for this group and epoch goes first", () => {
    const w = makeWorld();
    const phone = makePhone(w, coupons(w, 5), coupons(w, 5));
    const second = phone.wallet.values[1]!;
    second.grant = { claims: encodeValue({ ...second.value, flags: second.value.flags | flag.profileB }), mac: new Uint8Array(8), key: new Uint8Array(32), group: 7, epoch: 3 };
    const held = (h: Hello) => { const x = chosen(phone, h); return x === undefined ? [] : [x.profile, hex(x.key)]; };
    const [one, two] = phone.wallet.values.map((v) => hex(v.value.valueId));
    expect(held(hello(offer.profileB, 7))).toEqual(["B", two]);
    expect(held(hello(offer.profileB, 8)), "a grant of another group").toEqual(["A", one]);
    expect(held(hello(offer.profileA | offer.profileB, 7)), "both profiles").toEqual(["A", one]);
    phone.wallet.profile = "B";
    expect(held(hello(offer.profileA | offer.profileB, 8)), "its holder wants MACs and has none that fits").toEqual([]);
  });
});
