/** Tables for people: a figure, its floor, how many times the floor that is, its goal, and what stands beside it. */
import { meets, type Figure, type Table } from "./measure.js";

type Row = [what: string, figure: string, floor: string, times: string, goal: string, verdict: string, beside: string];
const heads: Row = ["", "figure", "floor", "times", "goal", "", "beside"];

export function printed(table: Table): string {
  const rows = [heads, ...table.figures.map(rowOf)];
  const used = heads.map((_head, i) => rows.slice(1).some((row) => row[i] !== ""));
  const widths = heads.map((_head, i) => Math.max(...rows.map((row) => row[i]!.length)));
  const line = (row: Row): string => row.flatMap((cell, i) => (used[i] ? [i === 0 || i >= 5 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)] : [])).join("  ").trimEnd();
  return [table.title, ...rows.map((row) => "  " + line(row)), ...floorsOf(table).map((text) => "  " + text), ...table.notes.map((note) => "  " + note), ""].join("\n");
}

function rowOf(f: Figure): Row {
  const floor = f.floor === undefined || f.floor.value === 0 ? undefined : f.floor.value;
  return [
    f.what, `${rounded(f.value)} ${f.unit}`, f.floor === undefined ? "" : rounded(f.floor.value), floor === undefined ? "" : (f.value / floor).toFixed(2), goalOf(f),
    f.goal === undefined ? "" : meets(f) ? "met" : "MISSED", f.beside === undefined ? "" : `${rounded(f.beside.value)} ${f.beside.from}`,
  ];
}

function goalOf(f: Figure): string {
  if (f.goal === undefined) return "";
  if ("most" in f.goal) return `≤ ${rounded(f.goal.most)}`;
  if ("least" in f.goal) return `≥ ${rounded(f.goal.least)}`;
  return "exactly" in f.goal ? `= ${rounded(f.goal.exactly)}` : `≤ ${f.goal.timesFloor} × floor`;
}

/** What each floor is, said once. */
function floorsOf(table: Table): string[] {
  const said = new Map<string, string[]>();
  for (const f of table.figures) if (f.floor !== undefined) said.set(f.floor.of, [...(said.get(f.floor.of) ?? []), f.what]);
  if (said.size === 1) return [`floor: ${[...said.keys()][0]}`];
  return [...said].map(([of, whats]) => `floor of ${whats.join(", ")}: ${of}`);
}

export function rounded(n: number): string {
  const digits = Number.isInteger(n) || Math.abs(n) >= 1000 ? 0 : Math.abs(n) >= 100 ? 1 : Math.abs(n) >= 1 ? 2 : 3;
  return n.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}
