/**
 * The stand-in engine holds a program to what a real Espruino board has: rows are probes of the real engine, written down in
 * the order in which somebody would be caught by them. What it lets through wrongly would be found on a board, by a customer.
 */
import { describe, expect, test } from "vitest";
import { seeded, toHex } from "../published.js";
import { makeEngine, type Engine, type PortName } from "../../boards/bench/espruino/engine.js";
import { makeChip, type Chip } from "../../boards/bench/espruino/flash.js";
import { modelOf, models } from "../../boards/bench/espruino/models.js";

interface Bench { engine: Engine; chip: Chip; said: string[]; pins: [string, number][] }

/** A board of this kind with a program in its flash, switched on. */
function board(program: string, name = "puck", chip?: Chip): Bench {
  const random = seeded(7);
  const model = modelOf(name)!;
  const said: string[] = [];
  const pins: [string, number][] = [];
  const flash = chip ?? makeChip(model, () => random.below(2 ** 32) / 2 ** 32);
  const engine = makeEngine({
    model, chip: flash, console: "Serial1", random32: () => random.below(2 ** 32),
    world: { onBytes: (port: PortName, bytes) => said.push(port[0] + ":" + Buffer.from(bytes).toString("latin1")), onPin: (pin, level) => pins.push([pin, level]) },
  });
  engine.powerOn();
  if (program !== "") { engine.evaluate(`require("Storage").write(".bootcde", ${JSON.stringify(program)})`); engine.powerOff(); engine.powerOn(); }
  return { engine, chip: flash, said, pins };
}
const value = (expression: string, name = "puck"): unknown => board("", name).engine.evaluate(expression);
/** What goes wrong in a program, or "" when nothing does. */
const trouble = (program: string): string => board(program).engine.errors.at(-1)?.split("\n")[0] ?? "";

describe("the language", () => {
  test.each([
    "new Map()", "new Set()", "Symbol()", "new Proxy({}, {})", "Reflect.ownKeys({})", "1 + BigInt(1)", "queueMicrotask(()=>0)", "new TextEncoder()", "structuredClone({})", "new Date()",
    "[1].flat()", "[1].at(0)", "[1].keys()", "Array.from([1])", "Array.of(1)", "Object.freeze({})", "Object.hasOwn({}, 'a')", "Object.create({}, {})", "'a'.localeCompare('b')", "'a'.codePointAt(0)",
    "new Uint8Array(2).copyWithin(0, 1)", "Uint8Array.from([1])", "new Uint8Array('abc')", "new ArrayBuffer(4).slice(1)", "ArrayBuffer.isView(1)", "Math.imul(2, 3)", "Math.trunc(1.5)", "Math.clz32(1)",
    "Number.isInteger(1)", "new RangeError()", "Promise.race([])", "Promise.resolve(1).finally(()=>0)", "process.exit()", "fetch('x')", "globalThis.x", "setImmediate(()=>0)", "Buffer.from('a')", "Object.seal({})", "crypto.subtle",
  ])("has no %s", (expression) => { expect(trouble(expression)).not.toBe(""); });

  test.each<[string, unknown]>([
    ["[3,1,2].sort().map(function(x){return x+1}).join('-')", "2-3-4"], ["'aXbX'.replaceAll('X','').padStart(4,'.')+'x'.repeat(2)", "..abxx"], ["Object.keys({a:1,b:2}).length+Object.entries({a:1}).length", 3],
    ["var s=0;for (var x of [1,2,3]) s+=x;s", 6], ["JSON.stringify({a:[1,null]})", '{"a":[1,null]}'], ["JSON.stringify({a:1,b:2},['a'])", '{"a":1,"b":2}'], ["[1,2].includes(2)&&!isNaN(1)", true],
    ["String.fromCharCode(321,65)", "AA"], ["typeof new Uint8Array(4).slice(1).push", "function"], ["Array.isArray(new Uint8Array([1,2,3]).slice(1))", true], ["new Uint8Array([1,2,3,4]).subarray(1,3).length", 2],
    ["var u=new Uint8Array(2);u.set([1,2,3],1);u.join()", "0,1"], ["var u=new Uint8Array(3);u.set('ab',1);u.join()", "0,97,98"], ["[].slice.call(new Uint8Array([7,8])).length", 2], ["new Function('return 3')()", 3],
    ["(-1>>>0)+Math.floor(2.9)", 4294967297], ["try{null.x}catch(e){'caught'}", "caught"],
  ])("%s is %s", (expression, expected) => { expect(value(expression)).toEqual(expected); });

  test("reactions of promises come after timers of nothing that were set before", () => {
    const { engine } = board("var seen=[];setTimeout(function(){seen.push('timer')},0);Promise.resolve(1).then(function(){seen.push('promise')});seen.push('now')");
    expect(engine.evaluate("seen.join()")).toBe("now,timer,promise");
  });

  test("text above 255 is found where it would become bytes, and a literal is its UTF-8 bytes", () => {
    expect(trouble("Serial1.write('\\u20ac')")).toMatch(/a character above 255/);
    expect(value("'é'.length")).toBe(2);
    expect(board("var n='é'.length").engine.evaluate("n")).toBe(2);
  });
});

describe("native cryptography", () => {
  test("each board has its own functions and no others; nobody has HMAC or curves", () => {
    const has = (name: string): string => ["SHA256", "SHA512", "AES", "PBKDF2", "HMAC", "ECDSA"].filter((f) => value(`require("crypto").${f} !== undefined`, name) === true).join(" ");
    expect(models.map((m) => `${m.name}: ${has(m.name)}`)).toEqual(["puck: SHA256 AES", "mdbt42q: SHA256", "xiao-ble: SHA256 SHA512 AES", "pico: SHA256 AES", "esp32: SHA256 SHA512 AES"]);
    expect(value('typeof require("crypto").AES.ccmEncrypt', "puck")).toBe("undefined");
  });
  test("digests answer an ArrayBuffer at once, of bytes, arrays or text", () => {
    const abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    for (const of of ["'abc'", "[97,98,99]", "E.toUint8Array('abc')"]) expect(toHex(new Uint8Array(value(`require("crypto").SHA256(${of})`) as ArrayBuffer))).toBe(abc);
    expect(value('require("crypto").SHA256("") instanceof ArrayBuffer')).toBe(true);
  });
  test("AES: FIPS 197's block; chaining takes whole blocks only; counter mode passes over its IV", () => {
    const key = "[0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15]";
    const data = "[0,17,34,51,68,85,102,119,136,153,170,187,204,221,238,255]";
    const aes = (options: string, of = data): unknown => value(`E.toString(require("crypto").AES.encrypt(${of},${key},${options}))`);
    expect(Buffer.from(aes("{mode:'ECB'}") as string, "latin1").toString("hex")).toBe("69c4e0d86a7b0430d8cdb78070b4c55a");
    expect(aes("{mode:'CTR'}", "[1,2,3]")).toBe(aes("{mode:'CTR',iv:[9,9,9,9,9,9,9,9,9,9,9,9,9,9,9,9]}", "[1,2,3]"));
    expect(aes("{mode:'CBC',iv:new Uint8Array(16)}")).toBe(aes("{mode:'ECB'}"));
    expect(trouble(`require("crypto").AES.encrypt([1,2,3],${key})`)).toMatch(/Invalid input length/);
  });
  test("a hardware source never repeats, rand() does at each start; native code finds no ARM", () => {
    const draws = (name: string): unknown[] => { const { engine } = board("", name); const first = engine.evaluate("E.hwRand()"); engine.powerOff(); engine.powerOn(); return [first, engine.evaluate("E.hwRand()")]; };
    expect(new Set(draws("puck")).size).toBe(2);
    expect(new Set(draws("esp32")).size).toBe(1);
    expect(trouble("E.nativeCall(1,'int(int)','x')(1)")).toMatch(/no ARM here/);
  });
});

describe("flash", () => {
  const run = (program: string): Bench => board(`var S=require("Storage"),F=require("Flash");${program}`);
  test("files: names are cut at 28, reserved room takes each byte once, equal bytes again", () => {
    expect(run('S.write("abcdefghijklmnopqrstuvwxyz0123456","x")').engine.evaluate('S.list().join()')).toBe(".bootcde,abcdefghijklmnopqrstuvwxyz01");
    const reserved = run('S.write("log","ab",0,8);S.write("log","cd",2);S.write("log","cd",2)');
    expect(reserved.engine.errors).toEqual([]);
    expect(reserved.engine.evaluate('S.read("log")')).toBe("abcd\xff\xff\xff\xff");
    expect(trouble('var S=require("Storage");S.write("log","ab",0,8);S.write("log","x",1)')).toMatch(/File already written with different data/);
    expect(trouble('var S=require("Storage");S.write("log","ab",0,8);S.write("log","123456789",0)')).toBe("");
    expect(trouble('var S=require("Storage");S.write("log","ab",0,8);S.write("log","1234567",2)')).toMatch(/Too much data/);
  });
  test("the same content again costs nothing, other content leaves the old as trash, until all is moved together", () => {
    const { engine } = run("");
    const free = (): number => engine.evaluate("S.getFree()") as number;
    engine.evaluate('S.write("a","1234")');
    const before = free();
    engine.evaluate('S.write("a","1234")');
    expect(free()).toBe(before);
    engine.evaluate('S.write("a","4321")');
    expect(free()).toBe(before - 36);
    for (let i = 0; i < 20; i++) engine.evaluate(`S.write("big","${String(i % 10).repeat(4000)}")`);
    expect(engine.storage.compactions).toBeGreaterThan(0);
    expect(engine.evaluate('S.read("a")+S.read("big").length')).toBe("43214000");
    expect(engine.errors).toEqual([]);
  });
  test("raw: whole words, bits only cleared, pages erased whole, and nothing outside", () => {
    const { engine, chip } = run('var at=442368+4096*8;F.write([1,2,3,4],at);');
    expect(toHex(new Uint8Array(engine.evaluate("F.read(5,at)") as Uint8Array))).toBe("01020304ff");
    engine.evaluate("F.write([255,0,255,255],at)");
    expect(toHex(new Uint8Array(engine.evaluate("F.read(4,at)") as Uint8Array))).toBe("01000304");
    engine.evaluate("F.erasePage(at+100)");
    expect(new Uint8Array(engine.evaluate("F.read(4,at)") as Uint8Array)).toEqual(new Uint8Array(4).fill(255));
    for (const wrong of ["F.write([1,2,3],at)", "F.write([1,2,3,4],at+1)", "F.write([1,2,3,4],0)", "F.erasePage(4096)"]) { const n = engine.errors.length; engine.evaluate(wrong); expect(engine.errors.length, wrong).toBe(n + 1); }
    expect(chip.violations.length).toBe(2);
    for (let i = 0; i < 3; i++) engine.evaluate("F.write([254,254,254,254],at)");
    expect(chip.violations.at(-1)).toMatch(/more than twice/);
  });
  test("a file has an address where flash is mapped, and a whole page lies in one that was reserved for it", () => {
    const { engine } = run('S.write("data","",0,4096*6)');
    const address = engine.evaluate('E.getAddressOf(S.read("data"),false)') as number;
    expect(address).toBeGreaterThan(442_368);
    expect(engine.evaluate(`F.getPage(${address}).length`)).toBe(4096);
    expect(value('var S=require("Storage");S.write("data","abc");E.getAddressOf(S.read("data"),false)', "xiao-ble")).toBe(0);
  });

  test("a power cut in any operation leaves some of it, and a program that catches everything does not run on", () => {
    const seen = new Set<string>();
    for (let cut = 0; cut < 6; cut++) {
      const random = seeded(100 + cut);
      const chip = makeChip(modelOf("puck")!, () => random.below(2 ** 32) / 2 ** 32);
      const { engine } = board('var F=require("Flash"),at=442368+4096*9,n=0;function go(){for(var i=0;i<6;i++){try{F.write([0,0,0,0,0,0,0,0],at+i*8);n++}catch(e){}}Serial1.write("done")}', "puck", chip);
      chip.cutAt = chip.operations + cut;
      engine.evaluate("go()");
      expect(engine.isOn).toBe(false);
      const left = chip.bytes.subarray(4096 * 9, 4096 * 9 + 48);
      for (let i = 0; i < 48; i++) if (i < cut * 8) expect(left[i]).toBe(0); else if (i >= cut * 8 + 8) expect(left[i]).toBe(255);
      seen.add(toHex(left.subarray(cut * 8, cut * 8 + 8)));
      engine.powerOn();
      expect(engine.isOn).toBe(true);
      expect(engine.evaluate("n")).toBe(0);
    }
    expect(seen.size).toBeGreaterThan(3);
  });
});

describe("lines, pins, time", () => {
  test("the console has the port until it is taken away; then the program hears it, in pieces", () => {
    const { engine, said } = board("var got=[];Serial1.on('data',function(d){got.push(d.length)})");
    engine.receive("Serial1", Buffer.from("1+1\n"));
    expect(said.join("")).toBe("S:1+1\r\nS:=2\r\nS:>");
    engine.evaluate("E.setConsole(null,{force:true})");
    engine.receive("Serial1", new Uint8Array(150));
    expect(engine.evaluate("got.join()")).toBe("64,64,22");
    said.length = 0;
    engine.evaluate("print('nobody')");
    expect(said).toEqual([]);
  });
  test("more at once than the input buffer holds is lost, and flagged", () => {
    const { engine } = board("E.setConsole(null,{force:true});var n=0,flags=[];Serial1.on('data',function(d){n+=d.length});E.on('errorFlag',function(f){flags.push(f.join())})");
    engine.receive("Serial1", new Uint8Array(1000));
    engine.receive("Serial1", new Uint8Array(1100));
    expect([engine.evaluate("n"), engine.evaluate("flags.join()"), engine.lost]).toEqual([2024, "FIFO_FULL", 76]);
  });
  test("Bluetooth leaves in notifications of 20 bytes", () => {
    const { said } = board("Bluetooth.write(new Uint8Array(50))");
    expect(said.map((s) => s.length - 2)).toEqual([20, 20, 10]);
  });
  test("a watch sees its edge, a pin drives, a timer comes in its time and a cleared one does not", () => {
    const { engine, pins } = board("var n=0;setWatch(function(e){n+=e.state?10:1},D1,{repeat:true,edge:'rising'});setTimeout(function(){LED1.write(1)},100);var t=setInterval(function(){n+=100},40);setTimeout(function(){clearInterval(t)},90)");
    engine.drive("D1", 1); engine.drive("D1", 0); engine.drive("D1", 1);
    expect(engine.evaluate("n")).toBe(20);
    engine.advance(99);
    expect([engine.evaluate("n"), pins.length]).toEqual([220, 0]);
    engine.advance(1);
    expect(pins).toEqual([["D5", 1]]);
    expect(engine.next()).toBe(-1);
  });
  test("a board that is not kicked in time starts again; so it does when its program asks", () => {
    const { engine } = board("E.enableWatchdog(10,false);setInterval(function(){if(getTime()<100)E.kickWatchdog()},5000)");
    const before = engine.boots;
    engine.advance(99_000);
    expect(engine.boots).toBe(before);
    engine.advance(11_000);
    expect([engine.boots - before, engine.startedBy]).toEqual([1, "the watchdog"]);
    engine.evaluate("E.reboot()");
    expect([engine.boots - before, engine.startedBy]).toEqual([2, "the program"]);
    engine.evaluate("reset()");
    expect(engine.next()).toBe(-1);
  });
  test("saved code runs at a start, and then what waits for init; an error in it stops neither the rest nor the console", () => {
    const { engine } = board("var seen=['code'];E.on('init',function(){seen.push('init')});E.on('init',function(){throw new Error('oh')});E.on('init',function(){seen.push('more')})");
    expect(engine.evaluate("seen.join()")).toBe("code,init,more");
    expect(engine.errors.length).toBe(1);
    expect(board("process.on('uncaughtException',function(e){var x=1;global.said=e.message});setTimeout(function(){throw new Error('late')},5)").engine.evaluate("1")).toBe(1);
  });
  test("the same seed gives the same run", () => {
    const once = (): unknown => board("var a=[];for(var i=0;i<5;i++)a.push(E.hwRand(),Math.random())").engine.evaluate("a.join()");
    expect(once()).toBe(once());
  });
  test("sizes are those that were measured: 4, 6, 11, 23 blocks for 16, 32, 100, 256 bytes", () => {
    const { engine } = board("");
    expect([16, 32, 100, 256].map((n) => engine.evaluate(`E.getSizeOf(new Uint8Array(${n}))`))).toEqual([4, 6, 11, 23]);
    expect([engine.evaluate("E.getSizeOf([1,2,3,4,5,6,7,8,9,10])"), engine.evaluate("E.getSizeOf([70000,2e5,3e5,4e5,5e5,6e5,7e5,8e5,9e5,1e6])")]).toEqual([11, 21]);
  });
});
