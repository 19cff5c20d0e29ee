/**
 * A terminal's taps as lines for people and as JSON for machines: the light, the decision with its name, what was used, and
 * the time of each stage.
 */
import type { Context } from "./command.js";
import { amountText } from "./amount.js";
import { accepted, refusals } from "../../protocol/refusal.js";
import { hex } from "../../protocol/wire/bytes.js";
import type { Receipt } from "../../protocol/wire/receipt.js";
import { unit, type Value } from "../../protocol/wire/value.js";
import type { Stages, TerminalEvent } from "../../runtime/terminal.js";

type Shown = TerminalEvent & { event: "shown" };

/** Prints each decision when it is whole: a refusal at once, an acceptance with its stages. `where` names the terminal where there are several. */
export function makeTapLines(c: Context, where = ""): (e: TerminalEvent) => void {
  let last: Shown | undefined;
  return (e) => {
    if (e.event === "shown") { last = e; if (e.code !== 0) tell(c, where, e, undefined); }
    if (e.event === "opened" && last !== undefined) tell(c, where, last, e.stages);
    if (e.event === "ended") ended(c, where, e.turned);
    if (e.event === "fault") c.err(c.json ? JSON.stringify({ event: "fault", ...named(where), message: e.message }) : c.paint("red", `Out of service: ${e.message}`));
  };
}

const named = (where: string) => (where === "" ? {} : { terminal: where });

function tell(c: Context, where: string, e: Shown, stages: Stages | undefined): void {
  const row = refusals[e.code]!;
  const light = e.code === 0 ? accepted.light : row.light;
  const name = e.code === 0 ? "accepted" : row.name;
  const times = stages === undefined ? undefined : stageTimes(stages);
  if (c.json) {
    c.out(JSON.stringify({
      event: "tap", ...named(where), light, code: e.code, name, at: Math.floor(Date.now() / 1000), ...(e.value !== undefined && { valueId: hex(e.value.valueId), kind: e.value.kind }),
      ...(e.code === 0 && e.receipt !== undefined && { counter: e.receipt.counter, amount: e.receipt.amount, after: e.receipt.after }), ...(times !== undefined && { stages: times }),
    }));
    return;
  }
  const said = e.code === 0 ? name : `${e.code} ${name}: ${row.english}`;
  const what = e.value === undefined ? "" : ` · ${e.value.kind} ${hex(e.value.valueId)}${e.code === 0 && e.receipt !== undefined ? `, ${used(e.value, e.receipt)}` : ""}`;
  const timing = times === undefined ? "" : c.paint("dim", ` · ${Object.entries(times).map(([stage, ms]) => `${stage.slice(0, -2)} ${ms.toFixed(1)} ms`).join(", ")}`);
  c.out(`${clockTime()} ${where === "" ? "" : where + " "}${c.paint(light === "amber" ? "yellow" : light, light.padEnd(6))} ${said}${what}${timing}`);
}

function ended(c: Context, where: string, turned: boolean): void {
  if (c.json) c.out(JSON.stringify({ event: turned ? "turned" : "not_turned", ...named(where) }));
  else if (!turned) c.out(`${clockTime()} ${where === "" ? "" : where + " "}       nobody walked through: the holder may pass again`);
}

/** "use 2 of 3", "3.50 EUR, 16.50 EUR left". */
function used(v: Value, r: Receipt): string {
  if (v.unit !== unit.money) return `use ${r.after} of ${v.most}`;
  return `${amountText(r.amount, v.currency)}, ${amountText(v.most - r.after, v.currency)} left`;
}

/** How long each stage took. A resumed use has no receipt and no acknowledgement of its own. */
export function stageTimes(s: Stages): Record<string, number> {
  const round = (ms: number): number => Math.round(ms * 10) / 10;
  const whole = round(s.openMs - s.greetedMs);
  if (s.acknowledgedMs === 0) return { openMs: whole };
  return {
    shownMs: round(s.presentedMs - s.greetedMs), checkedMs: round(s.answeredMs - s.presentedMs), agreedMs: round(s.acknowledgedMs - s.answeredMs),
    recordedMs: round(s.durableMs - s.acknowledgedMs), openMs: whole,
  };
}

export const clockTime = (at = new Date()): string => at.toTimeString().slice(0, 8);
