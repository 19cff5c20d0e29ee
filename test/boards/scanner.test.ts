/**
 * An optical scanner on a real port with the real line parser, from its first character to an open gate: whole lines,
 * whatever is typed, and the one-way class end to end (S1; P3 and P4's class of link: the handset only shows, the terminal
 * only reads; `tap.md` §7).
 */
import { afterEach, describe, expect, test } from "vitest";
import { stat } from "node:fs/promises";
import { openPty, type Pty } from "../../boards/bench/pty.js";
import { openScanner } from "../../boards/node/scanner.js";
import type { BoardError, Serial } from "../../runtime/board.js";
import { poll } from "../../runtime/terminal.js";
import { beaconText, beaconPrefix, encodeBase45 } from "../../protocol/link/beacon.js";
import { refusal } from "../../protocol/refusal.js";
import { beaconStep, beaconToSign, makeBeacon } from "../../protocol/session/oneway.js";
import { action } from "../../protocol/wire/receipt.js";
import { flag, unit } from "../../protocol/wire/value.js";
import { card, coupons, crypto, makeStation, makeWorld, startStation, ticket, wait, type Sold, type Station, type TerminalOptions, type World } from "../session/world.js";

const turnOfLoop = () => new Promise<void>((done) => setImmediate(done));
const settled = async (): Promise<void> => { for (let i = 0; i < 100; i++) await stat("."); };
const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, "latin1"));
const text = (line: Uint8Array | undefined): string | undefined => (line === undefined ? undefined : Buffer.from(line).toString("latin1"));

const open: { close(): void }[] = [];
afterEach(() => { for (const part of open.splice(0).reverse()) part.close(); });

interface Desk { pty: Pty; scanner: Serial; /** Types it, and answers all lines that came of it. */ types(...chunks: Uint8Array[]): Promise<(string | undefined)[]> }
async function desk(delimiter?: string): Promise<Desk> {
  const pty = openPty();
  open.push(pty);
  const scanner = await openScanner(pty.path, 9600, delimiter);
  open.push(scanner);
  const next = async (): Promise<string | undefined> => {
    for (;;) {
      const line = scanner.read();
      if (line !== undefined) return text(line);
      await turnOfLoop();
    }
  };
  let fences = 0;
  return {
    pty, scanner,
    types: async (...chunks) => {
      for (const chunk of chunks) { pty.write(chunk); await turnOfLoop(); }
      // One line more: when it is there, everything typed before it was read.
      const fence = `fence ${++fences}`;
      pty.write(bytes(fence + (delimiter ?? "\n")));
      const lines: (string | undefined)[] = [];
      for (let line = await next(); line !== fence; line = await next()) lines.push(line);
      return lines;
    },
  };
}

describe("lines", () => {
  const rows: [string, string[], string[]][] = [
    ["one line", ["KST:AB\n"], ["KST:AB"]],
    ["its carriage return is no part of it", ["KST:AB\r\n"], ["KST:AB"]],
    ["two in one chunk", ["one\r\ntwo\r\n"], ["one", "two"]],
    ["the end of one and the beginning of the next in one chunk", ["on", "e\ntw", "o\n"], ["one", "two"]],
    ["empty lines are none", ["\n\r\n\n"], []],
    ["spaces are characters", [" a b \n"], [" a b "]],
    ["a carriage return inside stays inside", ["a\rb\n"], ["a\rb"]],
    ["control characters and bytes beyond ASCII are what they are", ["\x00\x03\x04\x11\x13\x1b\x7f\x80\xc3\xff\n"], ["\x00\x03\x04\x11\x13\x1b\x7f\x80\xc3\xff"]],
    ["the longest line", ["x".repeat(840) + "\n"], ["x".repeat(840)]],
    ["a line longer than any code is dropped, and only that", ["x".repeat(841) + "\ngood\n"], ["good"]],
  ];
  test.each(rows)("%s", async (_name, chunks, lines) => {
    expect(await (await desk()).types(...chunks.map(bytes))).toEqual(lines);
  });

  test("split at every place, a line is the same line", async () => {
    const d = await desk();
    const line = bytes("KST:0 $%*+-./:\r\n");
    for (let at = 1; at < line.length; at++) expect(await d.types(line.subarray(0, at), line.subarray(at))).toEqual(["KST:0 $%*+-./:"]);
  });

  test("typed a character at a time", async () => {
    const d = await desk();
    expect(await d.types(...[...bytes("KST:SLOW\r\nAND NEXT\n")].map((b) => new Uint8Array([b])))).toEqual(["KST:SLOW", "AND NEXT"]);
  });

  test("a delimiter of two characters, split between them", async () => {
    expect(await (await desk("\r\n")).types(bytes("one\r"), bytes("\ntwo\r\nth\nree\r"), bytes("\n"))).toEqual(["one", "two", "th\nree"]);
  });

  test.each([["\n", 100_000], ["\r\n", 100_000], ["\n", 3500], ["\n", 5000]])("a code without an end (%j after %i characters) is not kept, nor is its tail taken for a line", async (delimiter, length) => {
    const d = await desk(delimiter);
    expect(await d.types(new Uint8Array(length).fill(0x41), bytes(`KST:TAIL${delimiter}good${delimiter}`))).toEqual(["good"]);
  });

  test("every byte value in noise: no crash, and the next line is whole", async () => {
    const d = await desk();
    let x = 1;
    const noise = new Uint8Array(20_000).map(() => { x = (Math.imul(x, 1664525) + 1013904223) >>> 0; return x >>> 24; });
    await d.types(noise, bytes("\n"));
    expect(await d.types(bytes("after\n"))).toEqual(["after"]);
  });

  test("codes that nobody reads: the newest eight are kept", async () => {
    const d = await desk();
    for (let i = 0; i < 20; i++) d.pty.write(bytes(`code ${i}\n`));
    await settled();
    const lines = Array.from({ length: 10 }, () => text(d.scanner.read()));
    expect(lines).toEqual([...Array.from({ length: 8 }, (_, i) => `code ${i + 12}`), undefined, undefined]);
  });

  test("onReadable once for each read that found nothing; silence while nobody scans", async () => {
    const d = await desk();
    let calls = 0;
    d.scanner.onReadable = () => { calls++; };
    await settled();
    expect([calls, d.scanner.read()]).toEqual([0, undefined]);
    d.pty.write(bytes("one\ntwo\n"));
    while (calls === 0) await turnOfLoop();
    expect([text(d.scanner.read()), text(d.scanner.read()), d.scanner.read(), calls]).toEqual(["one", "two", undefined, 1]);
    d.pty.write(bytes("three\n"));
    while (calls === 1) await turnOfLoop();
    expect(text(d.scanner.read())).toBe("three");
  });

  test("half a line is silence", async () => {
    const d = await desk();
    d.pty.write(bytes("no end"));
    await settled();
    expect(d.scanner.read()).toBeUndefined();
  });

  test("a command to the scanner is sent; too much of it, or after it was unplugged, is a board error", async () => {
    const d = await desk();
    let got = "";
    d.pty.onBytes = (b) => { got += text(b)!; };
    d.scanner.write(bytes("beep"));
    while (got !== "beep") await turnOfLoop();
    expect(() => d.scanner.write(new Uint8Array(2000))).toThrow(/takes no bytes/);
    const told: BoardError[] = [];
    d.scanner.onClose = (error) => told.push(error);
    d.pty.close();
    while (told.length === 0) await turnOfLoop();
    expect(told[0]).toMatchObject({ kind: "disconnected" });
    expect(() => d.scanner.write(bytes("beep"))).toThrow(/closed/);
    d.scanner.close();
    expect(told).toHaveLength(1);
  });

  test("no scanner: a board error", async () => {
    await expect(openScanner("/dev/no-such-scanner", 9600)).rejects.toMatchObject({ kind: "absent" });
  });
});

describe("S1, one-way: a code before a real scanner", () => {
  const showable = (w: World, change: Parameters<typeof ticket>[1] = {}): Sold => ticket(w, { flags: flag.oneWay | (1 << 3) | (1 << 5), ...change });

  /** A gate with a real scanner, and the hand that holds a code before it; answers what the gate showed. */
  async function gateOf(w: World, options: TerminalOptions = {}): Promise<{ station: Station; hold(code: string): Promise<void>; scan(code: string): Promise<number[]> }> {
    const d = await desk();
    const station = makeStation(w, { oneWay: true, ...options });
    const real = startStation({ ...station, board: { ...station.board, scanner: d.scanner } as Station["board"] });
    const hold = async (code: string): Promise<void> => {
      let lines = 0;
      d.scanner.onReadable = () => { lines++; };
      d.pty.write(bytes(code + "\r\n"));
      while (lines === 0) await turnOfLoop();
    };
    return {
      station: real, hold,
      scan: async (code) => {
        const before = real.codes().length;
        await hold(code);
        poll(real.terminal);
        const shown = real.codes().slice(before);
        walkThrough(real);
        return shown;
      },
    };
  }
  /** Whoever was let in walks; nobody else can. */
  function walkThrough(station: Station): void {
    if (station.board.relay.read() === 1) { station.passage!.set(1); poll(station.terminal); station.passage!.set(0); }
    wait(station, 500);
  }
  /** What the handset shows at this moment. */
  function codeOf(w: World, sold: Sold, o: { act?: number; zone?: number; secret?: Uint8Array } = {}): string {
    const step = beaconStep(w.clock.utc().at);
    const [act, zone] = [o.act ?? action.enter, o.zone ?? 1];
    return beaconText(makeBeacon(sold.signed, act, step, zone, crypto.sign(o.secret ?? sold.secret, beaconToSign(sold.value.valueId, act, step, zone))));
  }

  test("a ticket opens the gate; the same code again, photographed, does not; nor a fresh one of the same ticket", async () => {
    const w = makeWorld();
    const { station, scan } = await gateOf(w);
    const sold = showable(w);
    const code = codeOf(w, sold);
    expect(code.length).toBeLessThanOrEqual(420);
    expect(await scan(code)).toEqual([0]);
    expect(station.board.relay.levels).toContain(1);
    expect(await scan(code)).toEqual([refusal.already_used]);
    w.clock.advance(15_000);
    expect(await scan(codeOf(w, sold))).toEqual([refusal.already_used]);
    expect(station.opened()).toBe(1);
  });

  test("it is durable before the gate opens: power is cut at once, and the code is known", async () => {
    const w = makeWorld();
    const { station, hold } = await gateOf(w);
    const code = codeOf(w, showable(w));
    let durable: Station["board"]["store"] | undefined;
    const relay = station.board.relay;
    const write = relay.write;
    relay.write = (level) => { if (level === 1) durable ??= station.board.store.restarted(); write(level); };
    await hold(code);
    poll(station.terminal);
    const again = startStation({ ...station, board: { ...station.board, store: durable! } as Station["board"] });
    await hold(code);
    poll(again.terminal);
    expect([station.codes(), again.codes()]).toEqual([[0], [refusal.already_used]]);
  });

  // The world begins at the first second of a step of fifteen.
  test.each([[-3600, refusal.clock_unknown], [-60, refusal.state_outdated], [-16, refusal.state_outdated], [-15, 0], [0, 0], [29, 0], [30, refusal.state_outdated], [45, refusal.state_outdated], [3600, refusal.state_outdated]])("a code %i seconds old: %i", async (seconds, code) => {
    const w = makeWorld();
    const { scan } = await gateOf(w);
    const shown = codeOf(w, showable(w));
    w.clock.setUtc(w.clock.utc().at + seconds, 2);
    expect(await scan(shown)).toEqual([code]);
  });

  test("a gate that does not know the time takes no codes", async () => {
    const w = makeWorld();
    const { scan } = await gateOf(w);
    const shown = codeOf(w, showable(w));
    w.clock.setUtc(w.clock.utc().at, 1);
    expect(await scan(shown)).toEqual([refusal.clock_unknown]);
  });

  test("the declared limit: a photographed code still works at another gate that hears nobody, and not 45 seconds later", async () => {
    const w = makeWorld();
    const [north, south, west] = [await gateOf(w), await gateOf(w, { name: "south" }), await gateOf(w, { name: "west" })];
    const code = codeOf(w, showable(w));
    expect(await north.scan(code)).toEqual([0]);
    expect(await south.scan(code)).toEqual([0]);
    w.clock.advance(45_000);
    expect(await west.scan(code)).toEqual([refusal.state_outdated]);
  });

  const rows: [string, (w: World) => string, number[]][] = [
    ["a value that does not allow it", (w) => codeOf(w, ticket(w)), [refusal.profile_too_weak]],
    ["an amount: never by a code", (w) => codeOf(w, card(w, 500, { flags: flag.oneWay, unit: unit.money })), [refusal.profile_too_weak]],
    ["a coupon, with the host off line", (w) => codeOf(w, coupons(w, 5, { flags: flag.oneWay | (1 << 3) | (1 << 5) })), [refusal.sync_needed]],
    ["another's key", (w) => codeOf(w, showable(w), { secret: crypto.sha256(bytes("thief")) }), [refusal.not_genuine]],
    ["another zone", (w) => codeOf(w, showable(w, { zones: [2] }), { zone: 2 }), [refusal.wrong_zone]],
    ["an exit at an entry", (w) => codeOf(w, showable(w), { act: action.exit }), [refusal.wrong_kind]],
    ["a value that has expired", (w) => codeOf(w, showable(w, { expires: w.clock.utc().at - 1 })), [refusal.expired]],
    ["somebody's boarding pass", () => "M1DOE/JOHN EABC123 FRAJFKLH 0400 326M009C0001 100", []],
    ["an address on the web", () => "https://example.org/KST:", []],
    ["our prefix and nothing", () => beaconPrefix, []],
    ["our prefix and no base45", () => beaconPrefix + "abc", []],
    ["our prefix and noise", () => beaconPrefix + encodeBase45(crypto.sha256(bytes("noise"))), []],
  ];
  test.each(rows)("%s: nothing opens", async (_name, code, shown) => {
    const w = makeWorld();
    const { station, scan } = await gateOf(w);
    expect(await scan(code(w))).toEqual(shown);
    expect(station.opened()).toBe(0);
    expect(await scan(codeOf(w, showable(w)))).toEqual([0]);
  });
});
