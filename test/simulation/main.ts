/**
 * `npm run sim`: worlds from seeds on two processes, plans from files, exhaustive suites, and what was found, in words or as
 * JSON. A violation is shrunk and printed with one command line that replays it; the exit code is then 1.
 */
import { execFileSync, fork } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { makeBase } from "./base.js";
import { findPlanted, plants } from "./planted.js";
import { fuzz, suites, type Found } from "./suites.js";
import { missing, pairsInShort } from "./floors.js";
import { drawPlan, type Plan } from "./plan.js";
import { runPlan, type Result } from "./run.js";
import { shrink } from "./shrink.js";
import { runSuites, tableOf } from "./table.js";
import { listener } from "./violation.js";

export interface Totals { seeds: number; taps: number; faults: Record<string, number>; met: Record<string, number>; /** Worlds in which each pair met. */ pairs: Record<string, number>; violations: number; tracesRepeated: number; tracesDiffer: number; /** Of the block's first seed. */ firstTrace: string; failed: { seed: number; invariant: string; what: string }[] }
interface Options { seeds: number; from: number; seed: number | undefined; plan: string | undefined; json: boolean; table: boolean; exhaust: string | undefined; damage: number; soak: number; find: number; ci: boolean; fuzz: boolean; planted: boolean; first: boolean; only: string | undefined; worker: boolean; trace: boolean }

const self = fileURLToPath(import.meta.url);
const here = join(self, "..");
/** Compiled code stands in dist/test/simulation, plans beside the sources. */
export const regressions = join(here, "..", "..", "..", "test", "simulation", "regressions");
const processes = 2;
/** Worlds make much that soon is garbage: collecting it seldom costs a twentieth less. */
const roomForTheYoung = ["--max-semi-space-size=128"];
const perMessage = 10;
/** Of so many seeds the first one runs again behind the last: what ran before in a process changes nothing. */
const repeatEvery = 50;
/** From this many seeds on every floor must be reached. */
const floorsFrom = 500;

function optionsOf(args: readonly string[]): Options {
  const value = (name: string): string | undefined => { const at = args.indexOf(`--${name}`); return at < 0 ? undefined : args[at + 1]; };
  const has = (name: string): boolean => args.includes(`--${name}`);
  const number = (name: string, otherwise: number): number => {
    const text = value(name);
    if (text === undefined) return otherwise;
    const n = /^[0-9a-f]{7,40}$/.test(text) && !/^\d{1,9}$/.test(text) ? parseInt(text.slice(0, 7), 16) : Number(text);
    if (!Number.isSafeInteger(n) || n < 0) throw new Error(`--${name} needs a whole number, not ${text}`);
    return n;
  };
  return {
    seeds: number("seeds", 200), from: number("from", 1), seed: has("seed") ? number("seed", 0) : undefined, plan: value("plan"), json: has("json"), table: has("table"), exhaust: value("exhaust"),
    damage: number("damage", 0), soak: number("soak", 0), find: number("find", 0), ci: has("ci"), fuzz: has("fuzz"), planted: has("planted"), first: has("first"), only: value("only"), worker: has("worker"), trace: has("trace"),
  };
}

const newTotals = (): Totals => ({ seeds: 0, taps: 0, faults: {}, met: {}, pairs: {}, violations: 0, tracesRepeated: 0, tracesDiffer: 0, firstTrace: "", failed: [] });
function add(into: Record<string, number>, from: Record<string, number>): void {
  for (const [name, n] of Object.entries(from)) into[name] = (into[name] ?? 0) + n;
}
function addTotals(into: Totals, from: Totals): void {
  for (const name of ["seeds", "taps", "violations", "tracesRepeated", "tracesDiffer"] as const) into[name] += from[name];
  add(into.faults, from.faults);
  add(into.met, from.met);
  add(into.pairs, from.pairs);
  into.firstTrace += from.firstTrace;
  into.failed.push(...from.failed);
}

// ---- seeds ------------------------------------------------------------------------------------------------------------------

/** A worker: runs every `of`-th seed and tells what it found every few seeds. */
async function work(from: number, count: number, nth: number, of: number): Promise<void> {
  const base = await makeBase();
  let told = newTotals();
  const tell = (): void => { process.send!(told); told = newTotals(); };
  let first: Result | undefined;
  const repeat = async (r: Result): Promise<void> => {
    told.tracesRepeated++;
    if ((await runPlan(base, drawPlan(r.seed))).trace === r.trace) return;
    told.tracesDiffer++;
    told.failed.push({ seed: r.seed, invariant: "determinism", what: "the same seed gave another trace behind other worlds" });
  };
  for (let seed = from + nth, n = 1; seed < from + count; seed += of, n++) {
    const r = await runPlan(base, drawPlan(seed));
    take(told, r);
    if (seed === from) told.firstTrace = r.trace;
    first ??= r;
    if (n % repeatEvery === 0 || seed + of >= from + count) { await repeat(first); first = undefined; }
    if (told.seeds >= perMessage) tell();
  }
  tell();
  process.disconnect();
}

function take(t: Totals, r: Result): void {
  t.seeds++;
  t.taps += r.taps;
  t.violations += r.violations.length === 0 ? 0 : 1;
  add(t.faults, r.fired);
  add(t.met, r.met);
  for (const pair of r.pairs) t.pairs[pair] = (t.pairs[pair] ?? 0) + 1;
  if (r.violations.length > 0) t.failed.push({ seed: r.seed, invariant: r.violations[0]!.invariant, what: r.violations[0]!.what });
}

/** Runs seeds on two processes. `progress` is called as results come. */
export async function runSeeds(from: number, count: number, progress: (t: Totals) => void): Promise<Totals> {
  const totals = newTotals();
  await Promise.all(Array.from({ length: processes }, (_, nth) => new Promise<void>((done, failed) => {
    const child = fork(self, ["--worker", "--from", String(from), "--seeds", String(count), "--nth", String(nth)], { stdio: ["ignore", "inherit", "inherit", "ipc"], execArgv: roomForTheYoung });
    child.on("message", (t: Totals) => { addTotals(totals, t); progress(totals); });
    child.on("exit", (code) => { if (code === 0) done(); else failed(new Error(`a worker ended with ${code}`)); });
  })));
  return totals;
}

/** The same seed in another time zone, language and heap size: the trace must not know. */
async function traceElsewhere(seed: number): Promise<string> {
  return await new Promise((done, failed) => {
    const child = fork(self, ["--seed", String(seed), "--trace"], {
      stdio: ["ignore", "pipe", "inherit", "ipc"], execArgv: ["--max-old-space-size=220"], env: { ...process.env, TZ: "Pacific/Kiritimati", LANG: "tr_TR.UTF-8", LC_ALL: "tr_TR.UTF-8" },
    });
    let text = "";
    child.stdout!.on("data", (part: Buffer) => { text += part.toString("utf8"); });
    child.on("exit", (code) => { if (code === 0) done(text.trim()); else failed(new Error(`the run elsewhere ended with ${code}`)); });
  });
}

// ---- telling ------------------------------------------------------------------------------------------------------------------

const isTerminal = process.stderr.isTTY === true && process.env["NO_COLOR"] === undefined;
function makeProgress(what: string, of: number): (done: number, more: string) => void {
  let saidAt = 0;
  return (done, more) => {
    const now = performance.now();
    if (done < of && now - saidAt < (isTerminal ? 200 : 10_000)) return;
    saidAt = now;
    const line = `${what}: ${done} of ${of}${more}`;
    process.stderr.write(isTerminal ? `\r\x1b[K${line}${done >= of ? "\n" : ""}` : line + "\n");
  };
}

/** On standard output: words for people, or one JSON object a line and nothing else. */
function say(json: boolean, words: string, fact: object): void {
  console.log(json ? JSON.stringify(fact) : words);
}

/** Shrinks one failure and prints all that is needed to look into it. */
async function explain(plan: Plan, invariant: string, json: boolean): Promise<void> {
  const { plan: small, result } = await shrink(await makeBase(), plan, invariant);
  const folder = join(tmpdir(), "kaisatsu-sim");
  mkdirSync(folder, { recursive: true });
  const path = join(folder, `seed-${plan.seed}-${invariant}.json`);
  writeFileSync(path, JSON.stringify(small));
  const broken = result.violations.find((v) => v.invariant === invariant);
  const what = broken?.what ?? "not on the way back", atMs = broken?.atMs ?? 0;
  say(json, `
${invariant} is broken with seed ${plan.seed}: ${what} (at ${atMs} ms)
shrunk from ${plan.workload.length} actions and ${plan.faults.length} faults to ${small.workload.length} and ${small.faults.length}:
${JSON.stringify(small)}
last events:
  ${result.last.join("\n  ")}
replay: npm run sim -- --plan ${path}   (whole: npm run sim -- --seed ${plan.seed})
`, { broken: invariant, seed: plan.seed, what, atMs, plan: small, last: result.last, replay: `npm run sim -- --plan ${path}` });
}

function printTotals(t: Totals, seconds: number, json: boolean): void {
  const { seeds, taps, faults, violations, tracesRepeated } = t;
  if (json) console.log(JSON.stringify({ pairs: pairsInShort(t) }));
  say(json, `${seeds} seeds, ${taps} taps, ${(taps / seconds).toFixed(0)} taps a second, ${tracesRepeated} traces repeated, ${violations} with violations`, { seeds, taps, faults, violations, tracesRepeated });
}

// ---- the commands ---------------------------------------------------------------------------------------------------------------

/** Runs a block of seeds and tells of it; false when something broke or a floor was not reached. `into` gets its totals. */
async function seeds(o: Options, into = newTotals()): Promise<boolean> {
  const begun = performance.now();
  const progress = makeProgress("seeds", o.seeds);
  const elsewhere = traceElsewhere(o.from);
  const totals = await runSeeds(o.from, o.seeds, (t) => progress(t.seeds, `, ${t.taps} taps, ${(t.taps / ((performance.now() - begun) / 1000)).toFixed(0)} a second, ${t.violations} violations`));
  if ((await elsewhere) !== totals.firstTrace) totals.failed.push({ seed: o.from, invariant: "determinism", what: "another time zone, language and heap size gave another trace" });
  totals.tracesRepeated++;
  const lacking = totals.seeds >= floorsFrom ? missing(totals) : [];
  const differing = totals.failed.filter((f) => f.invariant === "determinism");
  totals.violations += differing.length;
  for (const f of differing) say(o.json, `seed ${f.seed}: ${f.what}`, { broken: "determinism", seed: f.seed, what: f.what });
  for (const f of totals.failed.filter((x) => x.invariant !== "determinism").slice(0, 3)) await explain(drawPlan(f.seed), f.invariant, o.json);
  for (const line of lacking) say(o.json, `never enough: ${line}`, { lacking: line });
  if (!o.json) printTable(totals);
  if (o.table) await printFaultTable(totals, o.json);
  addTotals(into, totals);
  printTotals(totals, (performance.now() - begun) / 1000, o.json);
  return totals.failed.length === 0 && lacking.length === 0;
}

/** The fault table of the README, from this run and from each suite once. */
async function printFaultTable(t: Totals, json: boolean): Promise<void> {
  const table = tableOf(t, await runSuites(() => fuzz(fuzzUsual, 1)));
  say(json, table, { table });
}

function printTable(t: Totals): void {
  const rows = Object.entries(t.faults).sort((a, b) => a[0].localeCompare(b[0], "en"));
  console.log(rows.map(([name, n]) => `${name} ${n}`).join(", "));
}

async function onePlan(plan: Plan, o: Options): Promise<boolean> {
  const r = await runPlan(await makeBase(), plan);
  if (o.trace) { console.log(r.trace); return true; }
  for (const v of r.violations) say(o.json, `${v.invariant} at ${v.atMs} ms: ${v.what}`, { broken: v.invariant, seed: plan.seed, what: v.what, atMs: v.atMs });
  say(o.json, `last events:\n  ${r.last.join("\n  ")}\nseed ${plan.seed}: ${r.taps} taps, trace ${r.trace}, ${r.violations.length === 0 ? "nothing broken" : `${r.violations.length} violations`}`, { last: r.last, trace: r.trace });
  if (r.violations.length > 0 && o.plan === undefined) await explain(plan, r.violations[0]!.invariant, o.json);
  if (o.json) printTotals({ ...newTotals(), seeds: 1, taps: r.taps, faults: r.fired, violations: Math.min(1, r.violations.length) }, 1, true);
  return r.violations.length === 0;
}

/** Plans of bugs that were fixed: each runs clean. */
export async function replayRegressions(): Promise<{ plans: number; broken: string[] }> {
  if (!existsSync(regressions)) return { plans: 0, broken: [] };
  const base = await makeBase();
  const files = readdirSync(regressions).filter((f) => f.endsWith(".json")).sort();
  const broken: string[] = [];
  for (const file of files) {
    const r = await runPlan(base, JSON.parse(readFileSync(join(regressions, file), "utf8")) as Plan);
    for (const v of r.violations) broken.push(`${file}: ${v.invariant} ${v.what}`);
  }
  return { plans: files.length, broken };
}

// ---- suites, soak, submission -----------------------------------------------------------------------------------------------------

async function exhaust(name: string, o: Options): Promise<boolean> {
  const chosen = suites.filter((s) => name === "all" || s.name === name);
  if (chosen.length === 0) throw new Error(`there is no suite ${name}: ${suites.map((s) => s.name).join(", ")}, all`);
  let good = true;
  for (const suite of chosen) {
    if (o.first) listener.hear = (what) => { tellFound(suite.name, { points: 0, faults: {}, violations: [what] }, o.json); process.exit(1); };
    const progress = makeProgress(suite.name, 100);
    const found = await suite.run({ damage: o.damage > 0 ? o.damage : suite.whole, progress: (done, of) => progress(Math.round((100 * done) / Math.max(1, of)), " %") });
    good = tellFound(suite.name, found, o.json) && good;
  }
  return good;
}

function tellFound(name: string, found: Found, json: boolean): boolean {
  if (json) {
    const first = found.violations[0] ?? "";
    console.log(JSON.stringify({ suite: name, points: found.points, faults: found.faults, violations: found.violations.length, invariant: /^I\d+/.exec(first)?.[0] ?? "", what: first }));
  } else {
    for (const violation of found.violations.slice(0, 5)) console.log(`${name}: ${violation}`);
    console.log(`${name}: ${found.points} points, ${found.violations.length} violations`);
  }
  return found.violations.length === 0;
}

/** Seed after seed in this process until something breaks: how planted bugs are looked for. */
async function find(from: number, most: number): Promise<void> {
  const base = await makeBase();
  for (let seed = from; seed < from + most; seed++) {
    const r = await runPlan(base, drawPlan(seed));
    if (r.violations.length > 0) { console.log(JSON.stringify({ seeds: seed - from + 1, ...r.violations[0] })); return; }
  }
  console.log(JSON.stringify({ seeds: most }));
}

async function showPlanted(only: string | undefined): Promise<boolean> {
  let good = true;
  for (const plant of plants.filter((p) => only === undefined || p.name.includes(only))) {
    const f = await findPlanted(plant, join(here, "..", "..", ".."));
    // A world may show another consequence first; the bug's own plan shows the one that it is named for.
    good = good && f.found && (plant.by === "seeds" || f.invariant === plant.invariant);
    console.log(`${f.found ? "found" : "NOT FOUND"} | ${plant.name} | ${plant.by === "seeds" ? `seed ${f.seeds}` : plant.by === "plan" ? plant.guards! : `${plant.by}, ${f.points} points`} | ${f.invariant} | ${f.what.slice(0, 140)}`);
  }
  return good;
}

/** New seeds until the time is over. */
async function soak(o: Options): Promise<boolean> {
  const ends = performance.now() + o.soak * 60_000;
  let good = true;
  for (let from = o.from; performance.now() < ends && good; from += 200) good = await seeds({ ...o, from, seeds: 200 });
  return good;
}

/** What every submission runs: plans of fixed bugs, exhaustive suites at their usual size, fixed seeds and seeds of this commit. */
async function submission(o: Options): Promise<boolean> {
  const begun = performance.now();
  const from = o.from === 1 ? ofCommit() : o.from;
  const plans = await fixedBugs(o);
  // What takes longest begins: fuzzing, then the last of the table.
  const runs = [...suites].reverse().map((suite) => ["--exhaust", suite.name, "--damage", String(suite.usual)]);
  const suitesGood = await inTurns([["--fuzz", "--seeds", String(fuzzUsual)], ...runs].map((args) => (o.json ? [...args, "--json"] : args)));
  const many = o.seeds === 200 ? 1000 : o.seeds;
  const both = newTotals();
  say(o.json, `seeds 1 to ${many}, and those of this commit: ${from} to ${from + many - 1}`, { fixed: [1, many], ofCommit: [from, from + many - 1] });
  const fixed = await seeds({ ...o, from: 1, seeds: many }, both);
  const fresh = await seeds({ ...o, from, seeds: many }, both);
  const good = plans.good && suitesGood && fixed && fresh;
  const seconds = (performance.now() - begun) / 1000;
  if (o.json) printTotals(both, seconds, true);
  else console.log(`simulation: ${plans.count} plans, ${suites.length} suites, fuzz, ${2 * many} seeds, ${good ? "nothing broken" : "BROKEN"}, ${seconds.toFixed(0)} s`);
  return good;
}

async function fixedBugs(o: Options): Promise<{ count: number; good: boolean }> {
  const { plans, broken } = await replayRegressions();
  for (const line of broken) say(o.json, line, { broken: line });
  say(o.json, `${plans} plans of fixed bugs replayed, ${broken.length} broken`, { plans, brokenPlans: broken.length });
  return { count: plans, good: broken.length === 0 };
}

/** Fuzzed inputs in every submission. */
const fuzzUsual = 20_000;

/** The block of seeds that belongs to the commit checked out here. */
const ofCommit = (): number => parseInt(execFileSync("git", ["rev-parse", "HEAD"], { cwd: here, encoding: "utf8" }).slice(0, 7), 16);

/** Another process of this program. */
function apart(args: string[]): Promise<boolean> {
  return new Promise((done) => { fork(self, args, { stdio: ["ignore", "inherit", "inherit", "ipc"] }).on("exit", (code) => done(code === 0)); });
}

/** All of these, each in a process of its own, as many at a time as there are processes. True when each ended well. */
async function inTurns(runs: string[][]): Promise<boolean> {
  const codes: boolean[] = [];
  const next = async (): Promise<void> => { for (let args = runs.shift(); args !== undefined; args = runs.shift()) codes.push(await apart(args)); };
  await Promise.all(Array.from({ length: processes }, next));
  return codes.every((x) => x);
}

async function main(): Promise<void> {
  const o = optionsOf(process.argv.slice(2));
  if (o.worker) { await work(o.from, o.seeds, Number(process.argv[process.argv.indexOf("--nth") + 1]), processes); return; }
  if (o.find > 0) { await find(o.from, o.find); return; }
  process.exitCode = (await chosen(o)) ? 0 : 1;
  process.disconnect?.();
}

async function chosen(o: Options): Promise<boolean> {
  if (o.plan !== undefined) return await onePlan(JSON.parse(readFileSync(o.plan, "utf8")) as Plan, o);
  if (o.seed !== undefined) return await onePlan(drawPlan(o.seed), o);
  if (o.exhaust !== undefined) return await exhaust(o.exhaust, o);
  if (o.planted) return await showPlanted(o.only);
  if (o.fuzz) return tellFound("fuzz", await fuzz(o.seeds === 200 ? 100_000 : o.seeds, o.from, makeProgressOf("fuzz")), o.json);
  if (o.soak > 0) return await soak(o);
  if (o.ci) return await submission(o);
  const plans = await fixedBugs(o);
  return (await seeds(o)) && plans.good;
}

function makeProgressOf(what: string): (done: number, of: number) => void {
  const progress = makeProgress(what, 100);
  return (done, of) => progress(Math.round((100 * done) / Math.max(1, of)), " %");
}

if (process.argv[1] === self) await main();
