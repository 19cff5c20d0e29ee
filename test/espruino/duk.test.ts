/**
 * A second opinion on the finished firmware by an engine that nobody here wrote: Debian's `duk` (ES5, no hoisting of ours), on a
 * copy brought down to ES5. It boots blank and answers who it is, byte for byte what the stand-in engine hears. Where `duk` is
 * not installed this says plainly that it did not run.
 */
import { expect, test } from "vitest";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import ts from "typescript";
import { buildBundle, bundleOf } from "../../boards/bench/espruino/bundle.js";
import { makeEngine } from "../../boards/bench/espruino/engine.js";
import { makeChip } from "../../boards/bench/espruino/flash.js";
import { modelOf } from "../../boards/bench/espruino/models.js";
import { makeLink, poll, receive, send } from "../../protocol/link/link.js";
import { serial } from "../../protocol/link/media.js";
import { decodeHere, encodeKnock } from "../../protocol/wire/carry.js";

const has = spawnSync("duk", ["/dev/null"]).status === 0;

/** The engine's globals as far as a blank board calls them, in ES5. Time stands still; a timer runs when it is asked to. */
const world = (model: { address: number; pageBytes: number; pages: number }): string => `
var timers = [], heard = [], said = [], nowMs = 0, draw = 1;
var mem = new Uint8Array(${model.pages * model.pageBytes}); for (var i = 0; i < mem.length; i++) mem[i] = 255;
function pin() { return { write: function () {}, read: function () { return 1; }, mode: function () {}, set: function () {}, reset: function () {} }; }
var names = "D2 D3 D28 D29 D43 D44 LED1 LED2 LED3 BTN".split(" "); for (var n = 0; n < names.length; n++) this[names[n]] = pin();
var Pin = pin;
var Serial1 = { setup: function () {}, setConsole: function () {}, write: function (b) { for (var i = 0; i < b.length; i++) said.push(b[i]); }, on: function (e, f) { heard.push(f); } };
var process = { env: { VERSION: "2v29", BOARD: "XIAOBLE", SERIAL: "SERIAL" }, memory: function () { return { free: 9999, usage: 60, total: 14000 }; }, on: function () {} };
var E = { setConsole: function () {}, enableWatchdog: function () {}, kickWatchdog: function () {}, hwRand: function () { draw = (draw * 1103515245 + 12345) % 4294967296; return draw | 0; },
  toString: function (u) { return String.fromCharCode.apply(null, [].slice.call(u)); }, toUint8Array: function (t) { if (typeof t !== "string") return new Uint8Array(t); var u = new Uint8Array(t.length); for (var i = 0; i < t.length; i++) u[i] = t.charCodeAt(i); return u; },
  getAddressOf: function () { return 0; }, on: function () {}, CRC32: function (u) { var c = -1; for (var i = 0; i < u.length; i++) { c ^= typeof u === "string" ? u.charCodeAt(i) : u[i]; for (var k = 0; k < 8; k++) c = (c >>> 1) ^ (0xedb88320 & -(c & 1)); } return ~c >>> 0; } };
function getTime() { return nowMs / 1000; }
function setTimeout(f, ms) { timers.push(f); return timers.length; }
function clearTimeout(id) { timers[id - 1] = undefined; }
function setInterval() { return 1; } function clearInterval() {} function setWatch() { return 1; } function digitalWrite() {} function digitalRead() { return 0; } function analogWrite() {} function atob(t) { throw new Error("atob"); }
var modules = {
  Storage: { read: function () { return undefined; }, write: function () { return true; }, erase: function () {} },
  Flash: { read: function (l, a) { return new Uint8Array([].slice.call(mem.subarray(a - ${model.address}, a - ${model.address} + l))); }, write: function (d, a) { for (var i = 0; i < d.length; i++) mem[a - ${model.address} + i] &= d[i]; },
    erasePage: function (a) { var p = a - ${model.address}; p -= p % ${model.pageBytes}; for (var i = 0; i < ${model.pageBytes}; i++) mem[p + i] = 255; }, getPage: function (a) { var p = a - ${model.address}; return { addr: a - p % ${model.pageBytes}, length: ${model.pageBytes} }; } },
  crypto: { SHA256: function () { return new Uint8Array(32).buffer; }, AES: {} } };
function require(name) { return modules[name]; }
if (!Uint8Array.prototype.indexOf) Uint8Array.prototype.indexOf = Array.prototype.indexOf;
if (!Uint8Array.prototype.fill) Uint8Array.prototype.fill = function (v, s, e) { for (var i = s || 0; i < (e === undefined ? this.length : e); i++) this[i] = v; return this; };
function run() { for (var turns = 0; turns < 50; turns++) { var due = timers; timers = []; for (var i = 0; i < due.length; i++) if (due[i]) due[i](); } }
function hear(text) { for (var i = 0; i < heard.length; i++) heard[i](text); run(); }
`;

test.runIf(has)("in duk the firmware boots blank and answers who it is", { timeout: 30_000 }, async () => {
  const made = await buildBundle(bundleOf("xiao-ble", "gate")!);
  const es5 = ts.transpileModule(made.code, { compilerOptions: { target: ts.ScriptTarget.ES5, allowJs: true } }).outputText;
  const model = modelOf("xiao-ble")!;

  // What a bench says, and what the stand-in answers.
  const link = makeLink(serial, true);
  send(link, encodeKnock(new Uint8Array(8).fill(7)), { first: true, last: false });
  const knock = Buffer.concat(poll(link, 0).output);
  const chip = makeChip(model, () => 0.5);
  const out: Uint8Array[] = [];
  const engine = makeEngine({ model, chip, random32: () => 1 + out.length, world: { onBytes: (_port, bytes) => out.push(bytes) } });
  engine.powerOn();
  engine.evaluate(`require("Storage").write(".bootcde",atob("${Buffer.from(made.code).toString("base64")}"))`);
  engine.powerOff();
  engine.powerOn();
  out.length = 0;
  engine.receive("Serial1", knock);
  engine.advance(100);
  const standIn = Buffer.concat(out);
  const answers = receive(link, standIn, 10).messages;
  expect(answers.map(decodeHere)).toMatchObject([{ passesOn: false }]);

  const folder = mkdtempSync(join(tmpdir(), "kaisatsu-duk-"));
  try {
    const file = join(folder, "firmware.js");
    const text = JSON.stringify(knock.toString("latin1")).replace(/[\u007f-\uffff]/g, (c) => "\\u" + c.charCodeAt(0).toString(16).padStart(4, "0"));
    writeFileSync(file, `${world(model.storage)}\n${es5}\nrun();\nhear(${text});\nprint(said.join(","));\n`);
    const ran = spawnSync("duk", [file], { encoding: "utf8" });
    expect(ran.stderr).toBe("");
    const bytes = Uint8Array.from(ran.stdout.trim().split(",").map(Number));
    expect(Buffer.from(bytes).toString("hex")).toBe(standIn.toString("hex"));
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test.runIf(!has)("duk is not installed: the second opinion on the firmware did NOT run (apt-get install duktape)", () => undefined);
