/**
 * What `kaisatsu doctor` looks at, one function for each thing: it answers findings, changes nothing and shows no secret. A
 * port that another program holds is left alone; on one that is free a single frame delimiter is sent, which carries nothing.
 */
import { accessSync, constants, existsSync, readFileSync, readdirSync, readlinkSync, realpathSync, statfsSync, statSync } from "node:fs";
import { join } from "node:path";
import { memory } from "./inspect-journal.js";
import { makeClock, systemClockIsSet } from "../node/clock.js";
import { openSerial } from "../node/serial.js";
import { openJournal } from "../../runtime/journal/recovery.js";
import { openSetup } from "../../runtime/setup.js";
import type { Board, BoardError, Serial } from "../../runtime/board.js";
import { nodeCrypto as crypto } from "../../protocol/crypto/node/node.js";

export interface Finding { what: string; state: "ok" | "warning" | "problem"; says: string }
const finding = (what: string, state: Finding["state"], says: string): Finding => ({ what, state, says });

/** The least that this program runs on: package.json says the same. */
const nodeLeast = [20, 19] as const;
export function checkNode(version = process.versions.node): Finding {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const enough = major > nodeLeast[0] || (major === nodeLeast[0] && minor >= nodeLeast[1]);
  return enough ? finding("node", "ok", `Node ${version}.`) : finding("node", "problem", `Node ${version} is too old: install ${nodeLeast.join(".")} or newer.`);
}

/** `root` stands before the system's paths, for tests. */
export function checkClock(root = ""): Finding {
  const time = makeClock().utc();
  const quality = systemClockIsSet(root) ? time.quality : 0;
  if (quality >= 2) return finding("clock", "ok", `The system's clock is set: ${new Date(time.at * 1000).toISOString().slice(0, 19)}Z.`);
  const service = existsSync(`${root}/run/systemd/timesync`) ? "the time service has not reached a server yet" : "no time service runs (sudo timedatectl set-ntp true)";
  return finding("clock", "warning", `Nobody set the clock since this machine started and it has no battery: ${service}. Optical codes are answered "Cannot check now" until it hears its host or a time server.`);
}

// ---- ports ------------------------------------------------------------------------------------------------------------------

export type PortKind = "link" | "scanner" | "firmata";
export interface NamedPort { kind: PortKind; path: string; baud: number; medium: string }

export async function checkPort(port: NamedPort): Promise<Finding[]> {
  const what = `${port.kind} port`;
  const { path } = port;
  if (!existsSync(path)) return [finding(what, "problem", `${path} is not there: plug it in, or correct its path (ls -l /dev/serial/by-id).`)];
  if (!statSync(path).isCharacterDevice()) return [finding(what, "problem", `${path} is no serial port: correct its path.`)];
  try { accessSync(path, constants.R_OK | constants.W_OK); } catch { return [finding(what, "problem", `${path} may not be opened by this user: sudo usermod -aG ${groupOf(path)} ${process.env["USER"] ?? "USER"}, then log in again.`)]; }
  const console_ = consoleOn(path);
  if (console_) return [finding(what, "problem", `The system's console is on ${path}: take "console=${path.replace("/dev/", "")}" out of the kernel's command line (raspi-config, Serial Port), then restart.`)];
  const holders = holdersOf(path);
  if (holders.length > 0) return [finding(what, "warning", `${path} is in use by ${holders.join(", ")}: it was left alone. Stop that program to have it tried.`)];
  return await tryPort(port, what);
}

async function tryPort({ kind, path, baud, medium }: NamedPort, what: string): Promise<Finding[]> {
  let line: Serial;
  try { line = await openSerial(path, kind === "firmata" ? 57_600 : baud); } catch (error) { return [finding(what, "problem", (error as BoardError).message)]; }
  try {
    if (kind === "firmata") return [await answersAsFirmata(line, path)];
    const open = finding(what, "ok", `${path} opens at ${baud} baud.`);
    if (kind !== "link") return [open];
    const echoes = await heardBack(line);
    if (!echoes) return [open, ...(medium === "infrared" ? [finding("echo", "warning", `${path} does not hear its own light: that is right for wires and transceivers that mute themselves; else check the transceiver.`)] : [])];
    return [open, finding("echo", medium === "infrared" ? "ok" : "warning", medium === "infrared" ? "It hears its own light, as expected." : `${path} hears what it sends: its two wires are joined, or the other end echoes (a console, a modem). Taps work, slower.`)];
  } finally {
    line.close();
  }
}

/** One zero byte, which ends no frame on any medium; true when it comes back within 200 ms. */
async function heardBack(line: Serial): Promise<boolean> {
  while (line.read() !== undefined) { /* what stood there before */ }
  line.write(new Uint8Array([0]));
  return await within(200, line, (bytes) => bytes.length === 1 && bytes[0] === 0);
}

/** An Arduino restarts when its port is opened, and needs some seconds. The question for its version changes no pin. */
async function answersAsFirmata(line: Serial, path: string): Promise<Finding> {
  const ask = setInterval(() => line.write(new Uint8Array([0xf9])), 500);
  line.write(new Uint8Array([0xf9]));
  const answers = await within(5000, line, (bytes) => bytes.includes(0xf9));
  clearInterval(ask);
  return answers ? finding("firmata board", "ok", `${path} answers as a Firmata board.`) : finding("firmata board", "problem", `${path} does not answer as a Firmata board: load the StandardFirmata sketch (boards/node/README.md).`);
}

function within(ms: number, line: Serial, comes: (bytes: Uint8Array) => boolean): Promise<boolean> {
  return new Promise((done) => {
    const end = (found: boolean): void => { clearTimeout(timer); line.onReadable = undefined; done(found); };
    const timer = setTimeout(() => end(false), ms);
    line.onReadable = () => { for (let bytes = line.read(); bytes !== undefined; bytes = line.read()) if (comes(bytes)) { end(true); return; } };
    line.onClose = () => end(false);
  });
}

function groupOf(path: string): string {
  const { gid } = statSync(path);
  const line = textAt("/etc/group").split("\n").find((l) => l.split(":")[2] === String(gid));
  return line?.split(":")[0] ?? "dialout";
}

function consoleOn(path: string): boolean {
  const name = realpathSync(path).replace("/dev/", "");
  return textAt("/proc/cmdline").split(/\s+/).some((word) => word.split(",")[0] === `console=${name}`);
}

/** Other processes that have this device open, as far as this user may see; this process is none of them. */
function holdersOf(path: string): string[] {
  const device = realpathSync(path);
  return namesIn("/proc").filter((pid) => /^\d+$/.test(pid) && Number(pid) !== process.pid)
    .filter((pid) => namesIn(`/proc/${pid}/fd`).some((fd) => { try { return readlinkSync(`/proc/${pid}/fd/${fd}`) === device; } catch { return false; } }))
    .map((pid) => `process ${pid} (${textAt(`/proc/${pid}/comm`).trim() || "?"})`);
}
function namesIn(folder: string): string[] { try { return readdirSync(folder); } catch { return []; } }
function textAt(path: string): string { try { return readFileSync(path, "utf8"); } catch { return ""; } }

// ---- host ---------------------------------------------------------------------------------------------------------------------

const apartMostSeconds = 30;

export async function checkHost(host: string): Promise<Finding> {
  try {
    const response = await fetch(`${host}/provider`, { redirect: "error", signal: AbortSignal.timeout(5000) });
    await response.body?.cancel();
    if (!response.ok) return finding("host", "problem", `${host} answers, but not as a kaisatsu host: check "host" in the configuration.`);
    const at = Date.parse(response.headers.get("date") ?? "");
    const apart = Math.round(Math.abs(at - Date.now()) / 1000);
    if (apart > apartMostSeconds) return finding("host", "warning", `${host} answers; its clock and this one are ${apart} seconds apart: set the one that is wrong.`);
    return finding("host", "ok", `${host} answers${Number.isNaN(at) ? "" : `; its clock is ${apart === 0 ? "the same" : `${apart} s apart`}`}.`);
  } catch {
    return finding("host", "warning", `${host} does not answer: check address and network. The gate decides without it; it must hear it within days.`);
  }
}

// ---- what is kept -----------------------------------------------------------------------------------------------------------------

const roomLeast = 64 * 1024 * 1024;

/** Keys, certificate, journal and room in a terminal's folder; files are read, and opened as copies in memory. */
export function checkData(folder: string, now = Date.now() / 1000): Finding[] {
  if (!existsSync(folder)) return [finding("data", "warning", `${folder} is not there: the first start makes it and needs a claim code.`)];
  const checks: [string, () => Finding][] = [["keys", () => keysIn(folder)], ["certificate", () => certificateIn(folder, now)], ["journal", () => journalIn(folder)], ["disk", () => roomFor(folder)]];
  return checks.map(([what, check]) => {
    try { return check(); } catch (error) { return finding(what, "problem", `It could not be read (${(error as { code?: string }).code ?? "damaged"}): run this as the user of the terminal, or restore the folder.`); }
  });
}

function keysIn(folder: string): Finding {
  const path = join(folder, "keys.json");
  if (!existsSync(path)) return finding("keys", "warning", "There are no keys yet: the first start makes them.");
  const mode = statSync(path).mode & 0o777;
  if ((mode & 0o077) !== 0) return finding("keys", "problem", `${path} can be read by others (mode ${mode.toString(8)}): chmod 600 it, and enrol anew if anyone could have copied it.`);
  return finding("keys", "ok", "The keys are for their owner alone.");
}

function certificateIn(folder: string, now: number): Finding {
  const path = join(folder, "cells");
  if (!existsSync(path)) return finding("certificate", "warning", "It is not enrolled yet: start it with a claim code.");
  const bytes = new Uint8Array(readFileSync(path));
  // Of a board only the cells and the algorithms are looked at here.
  const setup = openSetup({ crypto, cells: memory(bytes, Math.floor(bytes.length / 2), 2) } as unknown as Board);
  if (setup.cells.fault !== undefined) return finding("certificate", "problem", setup.cells.fault.message);
  const certificate = setup.certificate?.decoded;
  if (certificate === undefined) return finding("certificate", "warning", "It is not enrolled yet: start it with a claim code.");
  const days = Math.floor((certificate.expires - now) / 86_400);
  if (days < 0) return finding("certificate", "problem", "The certificate has expired: let the terminal reach its host, or enrol it anew.");
  const half = certificate.expires - (certificate.expires - certificate.notBefore) / 2;
  if (now > half) return finding("certificate", "warning", `The certificate ends in ${days} days and its renewal is due: let the terminal reach its host.`);
  return finding("certificate", "ok", `"${certificate.name}" of ${certificate.merchant} is certified for ${days} more days.`.replace(/[\u0000-\u001f\u007f-\u009f]/g, "?"));
}

/** The journal's pages are of this size (`boards/node/terminal-board.ts`). */
const pageBytes = 65_536;
function journalIn(folder: string): Finding {
  const path = join(folder, "journal");
  if (!existsSync(path)) return finding("journal", "warning", "There is no journal yet: the first start makes it.");
  const bytes = new Uint8Array(readFileSync(path));
  const journal = openJournal(memory(bytes, pageBytes, 3), crypto, () => undefined);
  if (bytes.some((byte) => byte !== 0xff) && journal.pages.length === 0 && journal.fault === undefined) return finding("journal", "problem", `${path} holds no page of a journal: something else wrote to it. Restore it, or enrol anew.`);
  if (journal.fault !== undefined) return finding("journal", "problem", `${journal.fault.message} kaisatsu inspect ${path} shows where.`);
  const torn = journal.torn === undefined ? "" : " A power cut tore its end, which the next start mends.";
  return finding("journal", torn === "" ? "ok" : "warning", `The journal is whole up to entry ${journal.next - 1}.${torn}`);
}

function roomFor(folder: string): Finding {
  const { bavail, bsize } = statfsSync(folder);
  const room = bavail * bsize;
  const text = `${Math.floor(room / 1024 / 1024)} MiB are free for ${folder}`;
  return room < roomLeast ? finding("disk", "problem", `Only ${text}: free some space.`) : finding("disk", "ok", `${text}.`);
}
