/** Runs the cases over the lines and says what ran on what. */
import { startEspruino } from "./espruino.js";
import { spent } from "../../boards/bench/handset/handset.js";
import { cases, garbled, Broken, type Case } from "./cases.js";
import { openBench, openLights, openPhone, openRealBench, type Bench, type LineKind, type Lights } from "./station.js";

const serial = (baud: number): LineKind => ({ name: `serial, ${baud} baud`, medium: "serial", settings: { baud } });
const infrared = (baud: number): LineKind => ({ name: `infrared framing with its own echo, ${baud} baud`, medium: "infrared", settings: { baud, echo: true } });
const bad = (name: string, faults: LineKind["faults"]): LineKind => ({ name: `serial, 115200 baud, ${name}`, medium: "serial", settings: { baud: 115_200 }, faults: faults! });

export const lines: readonly LineKind[] = [
  serial(115_200), serial(57_600), serial(38_400), serial(19_200), serial(9600),
  infrared(115_200), infrared(9600),
  { name: "pieces of 20 bytes as by BLE", medium: "ble", settings: { baud: 115_200, pieces: { bytes: 20, gapMs: 2 } } },
  bad("noise", { noise: 1 / 500 }), bad("flipped bits", { flips: 1 / 500 }), bad("lost bytes", { lost: 1 / 500 }),
  { name: "infrared framing with its own echo, 115200 baud, flipped bits", medium: "infrared", settings: { baud: 115_200, echo: true }, faults: { flips: 1 / 500 } },
];

export interface Row { line: string; case: string; result: "ok" | "broken" | "not run"; says: string }
export interface Ran { terminal: string; board: string; rows: Row[] }
/** What is named in the environment; undefined is emulated. `handset` is the folder of a handset enrolled with the terminal's host. */
export interface Devices { port: string | undefined; baud: number; firmata: string | undefined; handset: string | undefined }

export function devicesOf(environment: NodeJS.ProcessEnv): Devices {
  const { KAISATSU_PORT: port, KAISATSU_BAUD: baud = "115200", KAISATSU_FIRMATA: firmata, KAISATSU_HANDSET: handset } = environment;
  return { port, baud: Number(baud), firmata, handset };
}

/** Runs what `wanted` picks; `told` hears each row when it is known. */
export async function runSuite(devices: Devices, wanted: (line: LineKind, one: Case) => boolean, told: (row: Row) => void = () => undefined): Promise<Ran> {
  const rows: Row[] = [];
  const note = (row: Row): void => { rows.push(row); told(row); };
  if (devices.port !== undefined) return { ...(await onRealTerminal(devices, devices.port, wanted, note)), rows };
  const lights = await openLights(devices.firmata);
  try {
    for (const kind of lines) await onLine(kind, wanted, note, () => openBench(kind, lights));
  } finally {
    await lights.close();
  }
  const small = await onSmallBoard(wanted, note);
  return { terminal: `a gate of the real core in this process, on the emulator's pseudo-terminals; then ${small}`, board: boardName(lights), rows };
}

/** The same dialogues with the firmware of a small board: coupons of its group, and what its host counted in the end. */
async function onSmallBoard(wanted: (line: LineKind, one: Case) => boolean, note: (row: Row) => void): Promise<string> {
  const kinds = lines.filter((kind) => kind.medium === "serial" && kind.settings.baud === 115_200).map((kind) => ({ ...kind, name: `Espruino board, ${kind.name}` }));
  if (!kinds.some((kind) => chosenOf(kind, wanted).length > 0)) return "no small board";
  const small = await startEspruino();
  const phone = openPhone(small.handset);
  try {
    let uses = 0;
    for (const kind of kinds) {
      await onLine(kind, (line, one) => one.needs === "coupons" && one.needsBoard !== true && wanted(line, one), note, () => openRealBench(kind, small.port, phone));
    }
    for (const value of phone.wallet.values) uses += spent(value);
    const settled = await small.settle();
    const wrong = [...small.troubles(), ...settled.incidents, ...(settled.uses === uses ? [] : [`the host counted ${settled.uses} uses, the handset ${uses}`])];
    note({ line: "Espruino board, its letters", case: "every use is in the books, once", result: wrong.length === 0 ? "ok" : "broken", says: wrong.length === 0 ? `${uses} uses` : wrong.join("; ") });
    return small.name;
  } finally {
    phone.store.close();
    await small.close();
  }
}

const boardName = (lights: Lights): string => (lights.board === undefined ? `the Firmata board on ${lights.path}` : `a Firmata board emulated on ${lights.path}`);

async function onRealTerminal(d: Devices, port: string, wanted: (line: LineKind, one: Case) => boolean, note: (row: Row) => void): Promise<{ terminal: string; board: string }> {
  if (d.handset === undefined) throw new Error("KAISATSU_PORT names a terminal: KAISATSU_HANDSET must name the folder of a handset that is enrolled with its host and has collected values.");
  const phone = openPhone(d.handset);
  try {
    for (const kind of lines) {
      if (kind.medium === "infrared" || kind.settings.baud !== 115_200) continue;
      const here = { ...kind, name: kind.name.replace("115200", String(d.baud)), settings: { ...kind.settings, baud: d.baud } };
      await onLine(here, wanted, note, () => openRealBench(here, port, phone));
    }
  } finally {
    phone.store.close();
  }
  return { terminal: `the terminal on ${port}, at ${d.baud} baud, with the handset in ${d.handset}`, board: "the terminal's own" };
}

const chosenOf = (kind: LineKind, wanted: (line: LineKind, one: Case) => boolean): Case[] => (kind.faults === undefined ? [...cases] : [garbled]).filter((one) => wanted(kind, one));

async function onLine(kind: LineKind, wanted: (line: LineKind, one: Case) => boolean, note: (row: Row) => void, open: () => Promise<Bench>): Promise<void> {
  const chosen = chosenOf(kind, wanted);
  if (chosen.length === 0) return;
  const bench = await open();
  try {
    for (const one of chosen) note({ line: kind.name, case: one.name, ...(await runCase(bench, one)) });
  } finally {
    await bench.close();
  }
}

async function runCase(bench: Bench, one: Case): Promise<Pick<Row, "result" | "says">> {
  if (one.needsBoard === true && bench.board === undefined) return { result: "not run", says: "it needs a turnstile that nobody turns, which only the emulated board is" };
  const value = bench.value(one.needs);
  if (value === undefined) return { result: "not run", says: `the handset holds no ${one.needs} that can be used` };
  try {
    return { result: "ok", says: await one.run(bench, value) };
  } catch (error) {
    if (!(error instanceof Broken)) throw error;
    await bench.line.set({});
    return { result: "broken", says: error.message };
  }
}
