/**
 * Visits every state that the model can reach, nearest first, and asks each the questions of `tap.md` §11. A broken promise
 * is told with the shortest way to it. `complete` says that nothing within the bounds was left out.
 */
import { choices, first, keyOf, nameOf, recordsOf, steps, undoLate, type Bounds, type State, type Step } from "./model.js";
import { counterOf, newestOf, type Plant } from "../../session/core.js";
import { hex } from "../../../protocol/wire/bytes.js";
import { intent } from "../../../protocol/wire/message.js";
import { decodeReceipt } from "../../../protocol/wire/receipt.js";

export interface Found { promise: string; way: string[] }
export interface Explored { states: number; steps: number; complete: boolean; quiet: number; found: Found | undefined }

export const honest: Bounds = { taps: 2, loss: 0, duplicate: 0, replay: 0, reset: 0, closes: 1, hearing: false, reopen: 1, dishonest: false, plant: undefined };

/** Stops at the first broken promise, or after `most` states. */
export function explore(b: Bounds, most: number, progress?: (states: number, waiting: number) => void): Explored {
  const begin = first(b);
  settled.clear();
  const seen = new Set<string>([keyOf(begin)]);
  const queue: { state: State; from: number; name: string }[] = [{ state: begin, from: -1, name: "" }];
  let walked = 0;
  let quiet = 0;
  const way = (at: number, last: string): string[] => {
    const names = [last];
    for (let i = at; i > 0; i = queue[i]!.from) names.unshift(queue[i]!.name);
    return names;
  };
  for (let at = 0; at < queue.length; at++) {
    if (at % 5000 === 0) progress?.(at, queue.length - at);
    const state = queue[at]!.state;
    if (isQuiet(state)) {
      quiet++;
      const broken = b.dishonest ? undefined : unsettled(state, b);
      if (broken !== undefined) return { states: at, steps: walked, complete: false, quiet, found: { promise: broken, way: way(at, "then nothing goes wrong any more") } };
    }
    for (const step of steps(state, b)) {
      walked++;
      const promise = step.violation ?? broken(step.to, b);
      if (promise !== undefined) return { states: at, steps: walked, complete: false, quiet, found: { promise, way: way(at, step.name) } };
      const key = keyOf(step.to);
      if (seen.has(key)) continue;
      seen.add(key);
      if (queue.length >= most) return { states: at, steps: walked, complete: false, quiet, found: undefined };
      queue.push({ state: step.to, from: at, name: step.name });
    }
    queue[at]!.state = begin;
  }
  return { states: queue.length, steps: walked, complete: true, quiet, found: undefined };
}

/** A promise that this state breaks. */
function broken(s: State, b: Bounds): string | undefined {
  const g = s.ghost.value;
  const seen = new Map<number, string>();
  for (const i of [0, 1]) {
    const own = new Set<number>();
    for (const r of recordsOf(s.gates[i]!.value)) {
      if (own.has(r.counter)) return "I2 one counter finished twice at one terminal";
      own.add(r.counter);
      if (g.undone.indexOf(r.digest) >= 0) return "I1 finished after the host undid it";
      if (!b.dishonest && seen.has(r.counter)) return "I2 an honest holder's counter finished twice";
      seen.set(r.counter, r.digest);
    }
    for (let c = 0; c < g.openings[i]!.length; c++) if (g.openings[i]![c]! > 1 + g.again[i]![c]!) return "I2 opened more often than allowed";
  }
  for (let c = 0; c < g.passed.length; c++) {
    if (g.passed[c]! > g.openings[0]![c]! + g.openings[1]![c]!) return "I3 passage without an opening";
    if (g.passed[c]! > 0 && !seen.has(c)) return "I3 a passage that no journal shows";
  }
  return undefined;
}

function isQuiet(s: State): boolean {
  const rests = s.gates.every((g) => g.value.verifier.state === "idle" && g.value.writing === undefined && g.value.question === undefined);
  return rests && s.hand.value.holder.state === "ready" && s.hand.value.storing === undefined && s.toHand.length + s.toGate.length + s.replies.length === 0;
}

// ---- once nothing goes wrong any more: charged − undone = passages -----------------------------------------------------------

const settled = new Map<string, string | undefined>();

/** The holder finishes what he began, the gates close, and the books must be even. */
function unsettled(s: State, b: Bounds): string | undefined {
  const key = `${s.gates[0].id}/${s.gates[1].id}/${s.hand.id}/${s.ghost.id}`;
  if (!settled.has(key)) settled.set(key, even(resolve(resolve(s, b, false), b, true)));
  return settled.get(key);
}

/** Taps again where his newest receipt is from, as often as it takes; walks through what opens. */
function resolve(from: State, b: Bounds, closing: boolean): State {
  let s: State = { ...from, left: { taps: 6, loss: 0, duplicate: 0, replay: 0, reset: 0, closes: 9 } };
  if (closing) for (const i of [0, 1]) s = undoLate(take(s, b, `gate ${i} closes`), b, i);
  for (let tries = 0; tries < 4; tries++) {
    const newest = newestOf(s.hand.value);
    const open = newest !== undefined && (newest.state === "unresolved" || newest.state === "walk_again" || newest.state === "finished");
    if (!open || s.ghost.value.passed[counterOf(s.hand.value)]! > 0) break;
    const terminal = hex(decodeReceipt(newest.receipt)!.terminal);
    const owner = s.gates.findIndex((g) => nameOf(g.value) === terminal);
    const i = tries % 2 === 0 ? owner : 1 - owner;
    const wish = closing ? intent.inquire : choices(s, b)[0]!.intent;
    s = drain(begin(s, b, i, wish), b);
  }
  return s;
}
function begin(s: State, b: Bounds, i: number, wish: number): State {
  const held = s.hand.value.intent;
  const step = steps(s, b).find((x) => x.name.startsWith(`tap at ${i} (intent ${wish},`)) ?? steps(s, b).find((x) => x.name.startsWith(`tap at ${i} `));
  return step === undefined || held < 0 ? s : step.to;
}
function take(s: State, b: Bounds, name: string): State {
  return steps(s, b).find((x) => x.name === name)?.to ?? s;
}
/** What happens when everything works, in the order in which it does. */
const order = ["handset stores", "gate 0 wrote", "gate 1 wrote", "gate 0 is asked", "gate 1 is asked", "the owner answers", "to handset", "to gate", "holder walks through", "gate 0 waited in vain", "gate 1 waited in vain", "handset gives up"];
function drain(from: State, b: Bounds): State {
  let s = from;
  for (let i = 0; i < 60; i++) {
    const list = steps(s, b);
    const step = order.map((name) => list.find((x) => x.name === name)).find((x): x is Step => x !== undefined);
    if (step === undefined) return s;
    s = step.to;
  }
  return s;
}

function even(s: State): string | undefined {
  const staff = s.ghost.value.staff;
  const charged = new Set<number>();
  for (const g of s.gates) for (const r of recordsOf(g.value)) if (staff.indexOf(r.counter) < 0) charged.add(r.counter);
  for (const g of s.gates) for (const { use } of Object.values(g.value.book.uses)) if (use.outcome === "reversed") charged.delete(use.counter);
  for (let c = 1; c < s.ghost.value.passed.length; c++) {
    const passed = staff.indexOf(c) >= 0 ? 0 : s.ghost.value.passed[c]!;
    if (passed !== (charged.has(c) ? 1 : 0)) return `I1 charged ${charged.has(c) ? 1 : 0}, passed ${passed} times: counter ${c}`;
  }
  return undefined;
}

// ---- bounds that are run ---------------------------------------------------------------------------------------------------

/** `few`: for every test run. `each`: every kind of fault alone, all settings. `together`: one of each kind in one run. */
export function bounds(size: "few" | "each" | "together"): Bounds[] {
  if (size === "few") return [{ ...honest, loss: 1, closes: 0 }, { ...honest, dishonest: true, closes: 0 }];
  const faults: Partial<Bounds>[] = size === "each" ? [{ loss: 1 }, { duplicate: 1 }, { replay: 1 }, { reset: 1 }] : [{ loss: 1, duplicate: 1, replay: 1, reset: 1 }];
  const list: Bounds[] = [];
  for (const hearing of [false, true]) for (const reopen of [0, 1] as const) for (const f of faults) list.push({ ...honest, ...f, hearing, reopen });
  for (const hearing of [false, true]) list.push({ ...honest, hearing, dishonest: true, reset: 1, closes: 1 });
  return list;
}

/** Within which bounds each planted mistake must show. */
export const plants: [Plant, Partial<Bounds>][] = [
  ["open before the record", {}], ["acknowledge before storing", { reset: 1, closes: 0 }], ["journal lost in a power cut", { reset: 1, closes: 0 }], ["resume at a deaf terminal", {}],
  ["finish after closing", {}], ["closing while a tap is open", {}], ["resume on a missing outcome", { reset: 1, closes: 0 }],
];
export function findPlant(plant: Plant, within: Partial<Bounds>, most: number): Explored {
  return explore({ ...honest, ...within, plant }, most);
}
