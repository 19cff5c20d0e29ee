/**
 * The fault table as it was run: for each row where it is injected in the world and how often it struck, and which exhaustive
 * suite goes through all of its points. `npm run sim -- --seeds 2000 --table` prints it; nobody counts by hand.
 */
import type { Totals } from "./main.js";
import { suites, type Found } from "./suites.js";

interface Row {
  rows: string; what: string;
  /** Kinds of faults and things done in the world. */
  struck: readonly string[];
  suites: readonly string[];
  /** Tests that keep what neither seeds nor suites can. */
  tests?: string;
}

/** `reliability` rows 1–54, in order; a row names what it has, so that an empty one would be seen. */
export const rows: readonly Row[] = [
  { rows: "1", what: "byte lost", struck: ["lost_byte"], suites: ["line"] },
  { rows: "2", what: "bit flips, noise burst", struck: ["flip", "burst"], suites: ["line"] },
  { rows: "3", what: "garbage between frames", struck: ["garbage"], suites: [] },
  { rows: "4", what: "echo", struck: ["echo"], suites: ["line"] },
  { rows: "5", what: "frame duplicated", struck: ["duplicate"], suites: ["line"] },
  { rows: "6", what: "frames late, reordered", struck: ["late"], suites: ["line"] },
  { rows: "7", what: "replay", struck: ["replay"], suites: ["model", "session"] },
  { rows: "8", what: "line cut", struck: ["dropped", "leave"], suites: ["line"] },
  { rows: "9", what: "trickle, endless frame", struck: ["trickle", "endless"], suites: ["line"] },
  { rows: "10", what: "length lies", struck: [], suites: ["fuzz"] },
  { rows: "11", what: "wrong baud, error marks", struck: ["error_marks"], suites: [] },
  { rows: "12", what: "two handsets at once", struck: ["does pair"], suites: [] },
  { rows: "13–15", what: "torn, back here or elsewhere", struck: ["leave", "does torn_tap", "stays"], suites: ["tear", "model"] },
  { rows: "16", what: "handset killed", struck: ["killed", "killed_writing"], suites: ["tear"] },
  { rows: "17", what: "gate reset", struck: ["reset", "does reboot"], suites: ["tear"] },
  { rows: "18, 20", what: "power cut at a disk or flash operation", struck: ["power_cut on disk", "power_cut on flash"], suites: ["journal"] },
  { rows: "19", what: "cut during the recovery", struck: [], suites: ["recovery"] },
  { rows: "21–24", what: "torn erase, bit rot, lost and misdirected writes, worn pages", struck: [], suites: ["journal"] },
  { rows: "25", what: "disk full", struck: ["disk_full"], suites: ["journal"] },
  { rows: "26", what: "a sync fails", struck: ["sync_fails"], suites: ["journal"] },
  { rows: "27", what: "unsynced writes lost, torn", struck: ["power_cut on disk"], suites: ["journal"] },
  { rows: "28", what: "damage beside a write", struck: [], suites: ["journal"], tests: "outside the claim; found as 22" },
  { rows: "29", what: "out of memory", struck: [], suites: [], tests: "limits of every queue and table: the oracle, after each event" },
  { rows: "30", what: "clock jumps, drifts", struck: ["clock_jump", "clock off"], suites: [] },
  { rows: "31", what: "dead battery", struck: ["no clock"], suites: [] },
  { rows: "32", what: "timers late", struck: ["late_timer"], suites: [] },
  { rows: "33", what: "cloned handset", struck: ["does clone", "copied handset"], suites: ["model"] },
  { rows: "34", what: "rolled-back handset", struck: ["rolled-back handset"], suites: ["tear"] },
  { rows: "35", what: "hostile bytes", struck: ["scratched"], suites: ["fuzz"] },
  { rows: "36", what: "messages out of order", struck: ["replay"], suites: ["session"] },
  { rows: "37", what: "somebody in the middle", struck: ["alter"], suites: ["session"] },
  { rows: "38", what: "distant relay", struck: ["late"], suites: [], tests: "a bound on the reply is for radio, which no medium here is" },
  { rows: "39", what: "weak random source", struck: ["random_constant", "random_repeats", "random_counts"], suites: [] },
  { rows: "40", what: "algorithm, key, header confusion", struck: [], suites: ["fuzz"], tests: "test/crypto/, test/wire/cose.vectors.test.ts" },
  { rows: "41", what: "stolen gate key", struck: ["does steal_key"], suites: [] },
  { rows: "42", what: "stolen box edited", struck: [], suites: ["journal"], tests: "test/runtime/sync.test.ts" },
  { rows: "43", what: "host away", struck: ["does outage", "request_lost", "does travel"], suites: [] },
  { rows: "44", what: "response lost, letter again", struck: ["answer_lost", "posted_again"], suites: ["sql"] },
  { rows: "45", what: "batches late, out of order", struck: ["posted_late"], suites: [], tests: "test/host/intake.test.ts" },
  { rows: "46", what: "same event, other content", struck: ["answer_altered"], suites: ["workers"], tests: "test/host/intake.test.ts" },
  { rows: "47", what: "poison record", struck: [], suites: [], tests: "test/host/intake.test.ts" },
  { rows: "48", what: "two workers, a crash at each statement", struck: ["to_both", "worker_dies"], suites: ["workers", "sql"] },
  { rows: "49", what: "statements fail, commit of unknown fate", struck: ["statement_lost", "commit_unknown"], suites: ["sql"] },
  { rows: "50", what: "host restored", struck: ["host_restored"], suites: [] },
  { rows: "51", what: "status lists lost, late, again, forged", struck: ["status_lost", "status_late", "status_again", "status_forged"], suites: ["status"], tests: "sizes to 1,000,000: test/runtime/setup.test.ts" },
  { rows: "52", what: "cut during an update of keys or lists", struck: ["key_cut", "power_cut on cells"], suites: ["journal"] },
  { rows: "53", what: "downgrade", struck: ["status_again"], suites: ["status"], tests: "the oracle, after each event" },
  { rows: "54", what: "mixed versions", struck: [], suites: [], tests: "one version so far" },
  { rows: "tap.md §4", what: "a terminal never comes back", struck: ["does lose", "found late"], suites: [] },
  { rows: "tap.md §7", what: "one-way codes, photographs of them", struck: ["code shown", "photograph", "opened by code"], suites: [] },
  { rows: "tap.md §6", what: "boards with profile B alone", struck: ["only profile B"], suites: [] },
];

/** Times that this came up: as a fault, as a state met, or in so many worlds as a feature. */
export function timesOf(t: Pick<Totals, "faults" | "met">, what: string): number {
  return t.faults[what] ?? t.met[what] ?? 0;
}

const number = (n: number): string => n.toLocaleString("en-US");

/** Markdown, for the README. `found`: what each suite went through, at its usual size. */
export function tableOf(t: Totals, found: ReadonlyMap<string, Found>): string {
  const line = (r: Row): string => {
    const struck = r.struck.map((what) => `${what.replace(/^does /, "")} ${number(timesOf(t, what))}`).join(", ");
    const points = r.suites.map((name) => `\`${name}\`${found.has(name) ? ` ${number(found.get(name)!.points)}` : ""}`).join(", ");
    return `| ${r.rows} | ${r.what} | ${struck} | ${points}${points !== "" && r.tests !== undefined ? "; " : ""}${r.tests ?? ""} |`;
  };
  return [`| row | fault | struck in ${number(t.seeds)} seeds (${number(t.taps)} taps) | points of suites; tests |`, "| --- | --- | --- | --- |", ...rows.map(line)].join("\n");
}

/** Each suite once, at the size that every submission runs. */
export async function runSuites(fuzz: () => Promise<Found>): Promise<Map<string, Found>> {
  const found = new Map<string, Found>();
  for (const suite of suites) found.set(suite.name, await suite.run({ damage: suite.usual }));
  return found.set("fuzz", await fuzz());
}
