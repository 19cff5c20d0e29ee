/** A readout as a table for people: what the meter's display would show, and whether it may be billed. */
import type { Paint } from "./command.js";
import type { Judgement, Reason } from "../../protocol/metering/billable.js";
import { registerKey, type Reading, type Readout } from "../../protocol/metering/reading.js";

/** What each reason says to a person. */
export const reasons: Record<Exclude<Reason, "">, string> = {
  truncated: "the telegram is cut off",
  too_long: "the telegram is longer than any meter sends",
  no_identification: "the meter did not say who it is",
  unreadable: "its contents cannot be read",
  error_answer: "the meter answered with an error",
  key_missing: "it is encrypted: give the meter's key with --key",
  tag_wrong: "the key is another meter's, or the telegram was changed",
  tag_missing: "it is encrypted but not authenticated: anybody could have changed it",
  replayed: "it was sent before",
  check_missing: "it carries no check character",
  check_bad: "its check character does not fit: characters were lost or changed",
  parity_bad: "the parity of a character does not fit",
  parity_unseen: "the parity bits were not recorded, so two errors could hide each other",
  no_register: "it holds no energy or volume register",
  doubled: "one register has two values",
  sum_wrong: "the tariffs do not add up to the total",
  disagrees: "the readout before says something else",
  read_once: "read once: a second readout must agree",
  went_back: "a register went back",
  too_fast: "a register ran faster than the connection can",
};

export function readingLines(readout: Readout, judgement: Judgement, paint: Paint): string[] {
  const { check } = readout.quality;
  const verdict = judgement.billable ? paint("green", "billable") : paint("yellow", `not billable: ${reasons[judgement.reason as Exclude<Reason, "">]}`);
  const head = `${paint("bold", visible(readout.identification) || "(no identification)")}, ${readout.protocol}, check ${check === "ok" ? "ok" : paint("red", check)}, ${verdict}`;
  const rows = readout.readings.map((r) => [visible(r.obis), visible(shown(r)), r.unit, mark(r, judgement)] as const);
  const widths = [0, 1, 2].map((i) => Math.max(0, ...rows.map((row) => Math.min(44, row[i]!.length))));
  const told = (note: string): string => (note === "" ? "" : paint(note === "billable" ? "green" : "dim", note));
  const line = ([obis, text, unit, note]: (typeof rows)[number]): string =>
    `  ${obis.padEnd(widths[0]!)}  ${text.padStart(Math.min(24, widths[1]!))}  ${unit.padEnd(widths[2]!)}  ${told(note)}`.trimEnd();
  return [head, ...rows.map(line), ""];
}

/** Digits as the meter sent them; an integer with a scaler that it did not write out is given its point. */
function shown(r: Reading): string {
  if (r.value === undefined || r.scaler === 0 || r.text.includes(".")) return r.text.length > 64 ? r.text.slice(0, 63) + "…" : r.text;
  if (r.scaler > 0) return r.text + "0".repeat(r.scaler);
  const digits = String(Math.abs(r.value)).padStart(1 - r.scaler, "0");
  return `${r.value < 0 ? "-" : ""}${digits.slice(0, r.scaler)}.${digits.slice(r.scaler)}`;
}

function mark(r: Reading, judgement: Judgement): string {
  const register = judgement.registers.find((x) => x.reading === r);
  if (register === undefined) return "";
  return register.reason === "" ? "billable" : registerKey(r.obis) === register.key && register.reason !== judgement.reason ? reasons[register.reason] : "";
}

/** A meter decides what stands here, so nothing of it may steer the screen. */
function visible(text: string): string {
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, "0")}`);
}
