/**
 * The gate's firmware as it is flashed: the finished bundle on the stand-in engine, from the first byte of a tap to the record
 * on its flash pages (S1, S11).
 */
import { describe, expect, test } from "vitest";
import { bundle, dataAddress, firmware, pagesOf, restart, tap, type Firmware } from "./firmware.js";
import { ask, makeHand, newestOf, type Hand } from "../session/core.js";
import { makeEngine } from "../../boards/bench/espruino/engine.js";
import { makeChip } from "../../boards/bench/espruino/flash.js";
import { modelOf } from "../../boards/bench/espruino/models.js";
import { nodeCrypto as crypto } from "../../protocol/crypto/node/node.js";
import { refusal } from "../../protocol/refusal.js";
import { decodeEntry, type Entry } from "../../protocol/wire/entry.js";
import { makeLink, poll, receive, wake } from "../../protocol/link/link.js";
import { serial } from "../../protocol/link/media.js";
import { decodeStop, intent, messageType, type } from "../../protocol/wire/message.js";
import { acknowledgementToSign, decodeFinishedB } from "../../protocol/wire/receipt.js";
import { openJournal } from "../../runtime/journal/recovery.js";

/** What stands on its pages, read as any other terminal's journal is. */
function journal(f: Firmware): Entry[] {
  const entries: Entry[] = [];
  const copy = { ...f.chip, bytes: new Uint8Array(f.chip.bytes) };
  const read = openJournal(pagesOf(copy, dataAddress, 3), crypto, (bytes) => entries.push(decodeEntry(bytes)!));
  expect(read.damaged).toEqual([]);
  return entries;
}
const kinds = (f: Firmware): string[] => journal(f).map((e) => e.kind).filter((kind) => kind !== "boot" && kind !== "ceiling" && kind !== "incident");
/** The handset waits in vain. */
function silent(h: Hand): void {
  for (let i = 0; i < 3; i++) ask(h, { type: "time" }, { nowMs: 1e9 });
  h.out = [];
}
/** How often the relay went on. */
const opened = (f: Firmware): number => f.pins.filter(([pin, level]) => pin === "D29" && level === 1).length;
const last = (h: Hand): number | undefined => h.shown.at(-1)?.code;
const without = (number: number) => (_: string, bytes: Uint8Array): Uint8Array[] => (messageType(bytes) === number ? [] : [bytes]);

describe("a gate of profile B on a Xiao BLE", () => {
  test("S1: a grant opens it; the record on flash carries evidence that anyone can verify; once inside it is used", async () => {
    const f = await firmware();
    const hand = makeHand(f.mint, "ticket", { profile: "B" });
    tap(f, hand);
    expect([opened(f), kinds(f)]).toEqual([1, ["finished"]]);
    f.engine.drive("D3", 1);
    f.engine.advance(20);
    f.engine.drive("D3", 0);
    f.engine.advance(3000);
    const record = decodeFinishedB((journal(f).find((e) => e.kind === "finished") as Entry & { record: Uint8Array }).record)!;
    expect(crypto.verify(crypto.publicKey(hand.secret)!, acknowledgementToSign(crypto, record.receipt), record.evidence)).toBe(true);
    tap(f, hand);
    expect([last(hand), opened(f)]).toEqual([refusal.already_used, 1]);
    expect(kinds(f)).toEqual(["finished", "outcome", "refused"]);
    expect(f.engine.errors).toEqual([]);
  });

  test("nobody walks through: the relay goes off again, the use is noted as not turned and may pass once more", async () => {
    const f = await firmware();
    const hand = makeHand(f.mint, "coupon", { profile: "B" });
    tap(f, hand);
    f.engine.advance(9000);
    expect(f.pins.filter(([pin]) => pin === "D29").at(-1)).toEqual(["D29", 0]);
    hand.intent = intent.resume;
    tap(f, hand);
    expect([opened(f), kinds(f)]).toEqual([2, ["finished", "outcome", "reopened"]]);
  });

  test("S11: torn before the acknowledgement: nothing is recorded; resumed: one record, one passage, no second charge", async () => {
    const f = await firmware();
    const hand = makeHand(f.mint, "coupon", { profile: "B" });
    tap(f, hand, without(type.acknowledgement));
    silent(hand);
    f.engine.advance(6000);
    expect([opened(f), kinds(f)]).toEqual([0, []]);
    hand.intent = intent.resume;
    tap(f, hand);
    expect([opened(f), kinds(f), newestOf(hand)!.state]).toEqual([1, ["finished"], "finished"]);
  });

  test("noise and strangers on the line neither open it nor stop the next holder", async () => {
    const f = await firmware();
    for (let i = 0; i < 30; i++) { f.engine.receive("Serial1", Uint8Array.from({ length: 40 }, (_, j) => (i * 37 + j * 11) & 255)); f.engine.advance(50); }
    f.engine.receive("Serial1", new Uint8Array([0]));
    f.engine.advance(6000);
    tap(f, makeHand(f.mint, "ticket", { profile: "B" }));
    expect([opened(f), f.engine.errors]).toEqual([1, []]);
  });

  test("a forged grant, and one of another group, are not let through", async () => {
    const f = await firmware();
    const forged = makeHand({ ...f.mint, group: { ...f.mint.group, grantKey: new Uint8Array(32) } }, "ticket", { profile: "B" });
    tap(f, forged);
    expect([opened(f), kinds(f)]).toEqual([0, []]);
  });

  test("power fails at every operation of its flash during a tap: never open without a record, and the holder gets through", { timeout: 60_000 }, async () => {
    let cuts = 0;
    for (let n = 0; n < 40; n++) {
      const f = await firmware();
      const hand = makeHand(f.mint, "coupon", { profile: "B" });
      f.chip.cutAt = f.chip.operations + n;
      tap(f, hand);
      if (f.engine.isOn) break;
      cuts++;
      expect(opened(f)).toBe(0);
      f.chip.cutAt = -1;
      restart(f);
      silent(hand);
      expect(f.engine.errors.filter((e) => !e.includes("power"))).toEqual([]);
      const wasStored = hand.kept.length > 0;
      if (wasStored) hand.intent = intent.resume;
      tap(f, hand);
      expect([opened(f), kinds(f).filter((k) => k === "finished").length], `cut at ${n}`).toEqual([1, 1]);
    }
    expect(cuts).toBeGreaterThan(1);
  });

  test("the console is closed; holding the button at a start erases the keys and opens it", async () => {
    const f = await firmware();
    f.engine.receive("Serial1", Buffer.from("\n1+1\n"));
    f.engine.advance(100);
    expect(f.toHandset).toEqual([]);
    f.engine.powerOff();
    f.engine.drive("D2", 0);
    f.engine.powerOn();
    f.engine.receive("Serial1", Buffer.from("1+1\n"));
    expect(Buffer.concat(f.toHandset).toString()).toContain("=2");
    expect(pagesOf(f.chip, dataAddress + 3 * f.chip.pageBytes, 2).read(0, 0, f.chip.pageBytes).every((byte) => byte === 255)).toBe(true);
    expect(journal(f).length).toBeGreaterThan(0);
  });

  test("a board whose random source repeats serves nobody", async () => {
    const model = modelOf("esp32")!;
    const chip = makeChip(model, () => 0.5);
    const said: Uint8Array[] = [];
    const engine = makeEngine({ model, chip, random32: () => 1, world: { onBytes: (_, bytes) => said.push(bytes) } });
    engine.powerOn();
    engine.evaluate(`require("Storage").write(".bootcde", ${JSON.stringify((await bundle("esp32")).code)})`);
    engine.powerOff();
    engine.powerOn();
    said.length = 0;
    const link = makeLink(serial, true);
    wake(link);
    for (const bytes of poll(link, 0).output) engine.receive("Serial1", bytes);
    engine.advance(100);
    expect(said.flatMap((bytes) => receive(link, bytes, 100).messages).map(decodeStop)).toEqual([refusal.out_of_service]);
    expect(engine.errors.map((e) => e.slice(0, 80))).toEqual([]);
  });
});
