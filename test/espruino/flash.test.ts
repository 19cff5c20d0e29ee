/**
 * The way of a new user: an emulated board on a real port is flashed, gets its keys from a real host, and sends letters, by the
 * commands as they are typed. Then everything that goes wrong on the way: each must say what happened and what to do.
 */
import { afterEach, beforeEach, expect, test } from "vitest";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { smallBundle } from "./bundle.js";
import { buildBundle, bundleOf } from "../../boards/bench/espruino/bundle.js";
import { startEmulator, type Emulator } from "../../boards/bench/espruino/emulator.js";
import { modelOf } from "../../boards/bench/espruino/models.js";
import { main } from "../../boards/bench/kaisatsu.js";
import type { Console } from "../../boards/bench/console.js";
import { startHost, type Host } from "../../host/host.js";
import { addMerchant } from "../../host/products.js";
import { addTerminal } from "../../host/terminals.js";
import { openPty } from "../../boards/bench/pty.js";

let folder: string, bundle: string, emulators: Emulator[] = [], host: Host | undefined;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "kaisatsu-flash-"));
  bundle = join(folder, "bundle.js");
  writeFileSync(bundle, await smallBundle());
  [emulators, host] = [[], undefined];
});
afterEach(async () => { for (const e of emulators) e.close(); await host?.close(); rmSync(folder, { recursive: true }); });

const emulate = (board = "puck", file?: string): Emulator => { const e = startEmulator({ model: modelOf(board)!, ...(file !== undefined && { file }) }); emulators.push(e); return e; };
async function run(...argv: string[]): Promise<{ code: number; out: string; err: string }> {
  let [out, err] = ["", ""];
  const on: Console = { asksPeople: false, colour: false, out: (t) => { out += t; }, err: (t) => { err += t; }, readInput: () => new Uint8Array(0), ask: () => Promise.reject(new Error("nobody")), askSecret: () => Promise.reject(new Error("nobody")), lines: (() => { throw new Error("nobody"); }) as unknown as Console["lines"], stopped: () => new Promise(() => undefined) };
  const code = await main(argv, on);
  return { code, out, err };
}
const flash = (e: Emulator, board = "puck") => run("flash", "--board", board, "--port", e.path, "--file", bundle);
async function openHost(): Promise<Host> {
  host = await startHost({ folder: ":memory:" });
  await addMerchant(host.context, { merchant: "hall", name: "Hall" });
  return host;
}
const claimCode = async (h: Host): Promise<{ terminalId: string; claimCode: string }> => await addTerminal(h.context, { name: "South", role: "gate", merchant: "hall", zones: [1], takes: [{ kind: "coupon", action: 1, zone: 1 }], board: true });
const provision = (e: Emulator, h: Host, code: string, board = "puck") => run("provision", "--board", board, "--port", e.path, "--host", h.url, "--claim", code);

test("flashed, provisioned, and its letters carried: each command says what it did, and the host knows the board", { timeout: 60_000 }, async () => {
  const e = emulate();
  const flashed = await flash(e);
  expect([flashed.code, flashed.err]).toMatchObject([0, expect.stringMatching(/Writing, 50 %/)]);
  const crc = crc32(readFileSync(bundle)).toString(16).padStart(8, "0");
  expect(flashed.out).toContain(`check sum ${crc}, on Puck.js with Espruino 2v29`);
  expect(flashed.out).toContain("It says: PUCKJS test, version test, chip ");
  const h = await openHost();
  const { terminalId, claimCode: code } = await claimCode(h);
  const keys = await provision(e, h, code);
  expect(keys).toMatchObject({ code: 0, out: expect.stringContaining(`It is terminal ${terminalId} now; its console is closed`) });
  const carried = await run("carry", "--board", "puck", "--port", e.path, "--host", h.url, "--json");
  expect(JSON.parse(carried.out)).toMatchObject({ event: "carried", why: "" });
  const row = await h.context.db.selectFrom("terminal").select(["generation", "generation_heard"]).where("terminal_id", "=", terminalId).executeTakeFirstOrThrow();
  expect(row).toEqual({ generation: 2, generation_heard: 2 });
  expect(await h.context.db.selectFrom("incident").selectAll().execute()).toEqual([]);
  // It is that terminal after a power cut, too, and nothing was moved in its flash or written twice.
  e.restart();
  const again = await provision(e, h, code);
  expect([again.code, again.err]).toMatchObject([3, expect.stringContaining(`This board has keys: it is terminal ${terminalId}`)]);
  expect([e.engine.errors, e.engine.storage.compactions, e.engine.storage.chip.violations]).toEqual([[], 0, []]);
});

test("a blank board gives its console back to be flashed again; one with keys does not", { timeout: 60_000 }, async () => {
  const e = emulate();
  expect((await flash(e)).code).toBe(0);
  expect((await flash(e)).code).toBe(0);
  const h = await openHost();
  expect((await provision(e, h, (await claimCode(h)).claimCode)).code).toBe(0);
  expect(await flash(e)).toMatchObject({ code: 3, err: expect.stringContaining("This board has keys: it is terminal") });
});

test("the real firmware: its console is closed once it has keys; the button held at a start erases them and opens it", { timeout: 60_000 }, async () => {
  writeFileSync(bundle, (await buildBundle(bundleOf("xiao-ble", "gate")!)).code);
  const e = emulate("xiao-ble");
  expect((await flash(e, "xiao-ble")).code).toBe(0);
  const h = await openHost();
  const { terminalId, claimCode: code } = await claimCode(h);
  expect(await provision(e, h, code, "xiao-ble")).toMatchObject({ code: 0, out: expect.stringContaining(terminalId) });
  expect(await flash(e, "xiao-ble")).toMatchObject({ code: 3, err: expect.stringContaining(`This board has keys: it is terminal ${terminalId}`) });
  const master = Buffer.from(h.context.keys.board(terminalId, 1));
  const onPages = (): boolean => Buffer.from(e.engine.storage.chip.bytes).includes(master);
  expect(onPages()).toBe(true);
  e.button(true);
  e.restart();
  e.button(false);
  expect(onPages()).toBe(false);
  expect((await flash(e, "xiao-ble")).code).toBe(0);
  expect([e.engine.errors, e.engine.storage.compactions, e.engine.storage.chip.violations]).toEqual([[], 0, []]);
});

test("another board, a program that is too long, no firmware, an option that is none", { timeout: 60_000 }, async () => {
  const e = emulate("pico");
  expect(await flash(e)).toMatchObject({ code: 3, err: expect.stringContaining("This is a board of another kind: it says PICO_R1_3, and a Puck.js says PUCKJS.") });
  writeFileSync(bundle, "x".repeat(41_000));
  expect(await flash(emulate())).toMatchObject({ code: 3, err: expect.stringContaining("The program has 41000 bytes and a Puck.js has room for 40896") });
  expect(await run("flash", "--board", "puck", "--port", e.path, "--role", "oven")).toMatchObject({ code: 2 });
  expect(await run("flash", "--board", "arduino", "--port", e.path)).toMatchObject({ code: 2, err: expect.stringContaining("it is one of puck, mdbt42q, xiao-ble, pico, esp32") });
  expect(await run("flash", "--board", "puck", "--port", e.path, "--file", join(folder, "none.js"))).toMatchObject({ code: 3, err: expect.stringContaining("There is no firmware for Puck.js as a gate") });
  expect(await run("flash", "--board", "puck", "--port", join(folder, "tty"), "--file", bundle)).toMatchObject({ code: 3 });
});

test("nothing there: the port answers nothing", { timeout: 60_000 }, async () => {
  const dead = openPty();
  expect(await run("flash", "--board", "puck", "--port", dead.path, "--file", bundle)).toMatchObject({ code: 3, err: expect.stringContaining(`Nothing answers on ${dead.path}: is the board plugged in`) });
  dead.close();
});

test("a wrong code gives no keys and leaves the board blank; a board with foreseeable random numbers is refused", { timeout: 60_000 }, async () => {
  const h = await openHost();
  const { claimCode: code } = await claimCode(h);
  const e = emulate("esp32");
  expect((await flash(e, "esp32")).code).toBe(0);
  expect(await provision(e, h, "0000-0000-0000-0000-000")).toMatchObject({ code: 2, err: expect.stringContaining("mistyped") });
  const puck = emulate();
  expect((await flash(puck)).code).toBe(0);
  const other = await claimCode(h);
  await h.context.db.updateTable("terminal").set({ claim_until: 0 }).where("terminal_id", "=", other.terminalId).execute();
  expect(await provision(puck, h, other.claimCode)).toMatchObject({ code: 1, err: expect.stringContaining("the host gives no keys for this code") });
  expect(await provision(e, h, code, "esp32")).toMatchObject({ code: 3, err: expect.stringContaining("can be foreseen (plain rand())") });
});

test("the emulator keeps its flash in a file: the board is what it was", { timeout: 60_000 }, async () => {
  const file = join(folder, "flash");
  const e = emulate("puck", file);
  expect((await flash(e)).code).toBe(0);
  e.close();
  const later = emulate("puck", file);
  expect(later.engine.storage.chip.bytes.indexOf(0x2e)).toBeGreaterThan(0);
  expect((await flash(later)).code).toBe(0);
  writeFileSync(file, "short");
  expect(() => emulate("puck", file)).toThrow(/is not the flash of a Puck.js/);
});
