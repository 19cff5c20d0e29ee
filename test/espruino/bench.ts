/**
 * `npm run bench:espruino`: time and memory of the gate's firmware, estimated from what the finished bundle does on the stand-in
 * engine in one tap of profile B with an earlier receipt, by the prices measured on the real engine.
 */
import { bundle, firmware, tap } from "./firmware.js";
import { makeHand } from "../session/core.js";
import { functionsOf, instrument, nativePrice } from "../../boards/bench/espruino/instrument.js";

export interface Figures { milliseconds: Record<string, number>; total: number; longest: number; blocks: { code: number; state: number; made: number }; variables: number; longestMessage: number }

const mhz = 64;

/** One tap, phase by phase: what the board did between hearing and answering. */
export async function measure(board: string): Promise<Figures> {
  const code = (await bundle(board)).code;
  const f = await firmware(board, {}, instrument(code));
  const e = f.engine;
  e.evaluate("(function(){var s=Uint8Array.prototype.set;Uint8Array.prototype.set=function(a,o){__b+=a.length;return s.call(this,a,o)}})()");
  const hand = makeHand(f.mint, "coupon", { profile: "B" });
  tap(f, hand);
  e.drive("D3", 1); e.advance(50); e.drive("D3", 0); e.advance(3000);
  const instructions = (): number => {
    const [n, d, h, b] = e.evaluate("[__n,__d,__h,__b]") as [number, number, number, number];
    return n + d * nativePrice.digest + h * nativePrice.digestByte + b * nativePrice.byte;
  };
  const phases: Record<string, number> = {};
  let longestMessage = 0;
  const receive = e.receive.bind(e);
  const names = ["hello", "presentation to answer", "acknowledgement to open"];
  let before = instructions();
  let made = e.allocated;
  let mostMade = 0;
  const step = (name: string): void => { phases[name] = (phases[name] ?? 0) + (instructions() - before) / mhz / 1000; mostMade = Math.max(mostMade, e.allocated - made); made = e.allocated; before = instructions(); };
  let heard = 0;
  e.receive = (port, bytes) => {
    step("between");
    longestMessage = Math.max(longestMessage, bytes.length);
    receive(port, bytes);
    e.advance(5);
    step(names[heard++] ?? "after");
  };
  tap(f, hand);
  step("between");
  const found = functionsOf(code);
  const held = found.names.map((name) => f.engine.global(name)).filter((value) => value !== undefined && typeof value !== "function");
  const blocksOfRoots = e.sizeOf(held) - held.length;
  const total = names.reduce((sum, name) => sum + (phases[name] ?? 0), 0);
  return {
    milliseconds: phases, total, longest: Math.max(...names.map((name) => phases[name] ?? 0)), variables: e.model.variables, longestMessage,
    blocks: { code: found.names.length + found.functions * 3 + found.parameters, state: blocksOfRoots + 60, made: Math.ceil(mostMade / (e.model.variableBytes - 1)) },
  };
}

if (process.argv[1]?.endsWith("espruino/bench.js") === true) {
  for (const board of ["xiao-ble"]) {
    const x = await measure(board);
    const steady = x.blocks.code + x.blocks.state;
    process.stdout.write(`${board} gate, one tap of profile B with an earlier receipt, estimated from the bundle on the stand-in engine at ${mhz} MHz\n`);
    for (const [name, ms] of Object.entries(x.milliseconds)) process.stdout.write(`  ${name.padEnd(28)} ${ms.toFixed(0).padStart(6)} ms\n`);
    process.stdout.write(`  a tap                        ${x.total.toFixed(0).padStart(6)} ms of 400\n`);
    process.stdout.write(`  memory, steady               ${String(steady).padStart(6)} variables of 1200 (${x.blocks.code} for functions, ${x.blocks.state} for what they hold), of ${x.variables} there are\n`);
    process.stdout.write(`  memory, at most in a tap     ${String(steady + x.blocks.made).padStart(6)} variables of 2000, were nothing given back in it\n`);
    process.stdout.write(`  longest frame heard          ${String(x.longestMessage).padStart(6)} bytes of 512\n`);
  }
}
