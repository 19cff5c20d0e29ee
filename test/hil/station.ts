/**
 * What the suite holds a handset to. Without a device: a gate of the real core in this process, on a real `serialport` and a
 * Firmata board. With KAISATSU_PORT: whatever terminal is behind that port, and an enrolled handset's folder.
 */
import { startBoard, startLine, type EmulatedBoard, type EmulatedLine } from "./emulator.js";
import type { Settings } from "./line-emulator.js";
import { card, coupons, makePhone, makeStation, makeWorld, start, startStation, ticket, type Station, type World } from "../session/world.js";
import { openFirmata, type FirmataParts } from "../../boards/node/firmata.js";
import { openPhone, type Phone } from "../../boards/node/phone.js";
import { runTerminal } from "../../boards/node/run.js";
import { openSerial } from "../../boards/node/serial.js";
import type { SimBoard, SimClock } from "../../boards/sim/board.js";
import type { Serial } from "../../runtime/board.js";
import { nodeCrypto } from "../../protocol/crypto/node/node.js";
import { media } from "../../protocol/link/media.js";
import { unit } from "../../protocol/wire/value.js";
import type { WalletState, WalletValue } from "../../runtime/value/wallet.js";
import { leftOf as left } from "../../boards/bench/handset/handset.js";

export const pins = { accept: 13, refuse: 12, amber: 11, yellow: 10, blue: 9, buzzer: 8, relay: 7, passage: 2 } as const;
/** How long the gate of this process waits for the passage: nobody here carries luggage, but the machine may be busy. */
const passageMs = 700;
export const fare = 350;

export type Sort = "ticket" | "coupons" | "card";
export type Holder = Pick<Phone, "clock" | "random" | "keys" | "crypto" | "trust"> & { wallet: WalletState };
export interface LineKind { name: string; medium: keyof typeof media; settings: Omit<Settings, "medium" | "seed" | "port">; faults?: { noise?: number; flips?: number; lost?: number } }

/** One line with a terminal at its other end, and a handset at this. */
export interface Bench {
  readonly kind: LineKind; readonly line: EmulatedLine; readonly serial: Serial; readonly holder: Holder;
  /** The gate of this process; undefined for a real terminal. */
  readonly gate: Station | undefined;
  readonly board: EmulatedBoard | undefined;
  /** A value of this sort that can still be used, or undefined. */
  value(sort: Sort): WalletValue | undefined;
  close(): Promise<void>;
}

/** Where lights and turnstile are, for the life of the suite. */
export interface Lights { readonly parts: FirmataParts; readonly path: string; readonly board: EmulatedBoard | undefined; close(): Promise<void> }
export async function openLights(path: string | undefined): Promise<Lights> {
  const board = path === undefined ? await startBoard(pins) : undefined;
  const at = path ?? board!.path;
  const parts = await openFirmata(at, pins).catch(async (error: unknown) => { await board?.close(); throw error; });
  return { parts, path: at, board, close: async () => { parts.close(); await board?.close(); } };
}

/** The world's clock, which tests move, here runs by itself. */
function runningClock(): SimClock {
  return { monotonicMs: () => performance.now(), utc: () => ({ at: start + Math.floor(performance.now() / 1000), quality: 3 }), advance: () => undefined, setUtc: () => undefined };
}

/** A gate of this process on an emulated line. */
export async function openBench(kind: LineKind, lights: Lights): Promise<Bench> {
  const world: World = { ...makeWorld(), clock: runningClock() };
  const line = await startLine({ ...kind.settings, medium: kind.medium, seed: 7 });
  const terminalEnd = await openSerial(line.terminal, kind.settings.baud);
  const serial = await openSerial(line.handset, kind.settings.baud);
  const made = makeStation(world, {
    name: "north", zones: [1], takes: [{ kind: "ticket", action: 1, zone: 1 }, { kind: "coupon", action: 1, zone: 1 }, { kind: "card", action: 3, zone: 1 }],
    tariffs: [{ id: 1, kind: "card", price: { currency: 978, amount: fare }, from: 0 }], change: { passageMs, usesADay: 1000 },
  });
  const board = { ...made.board, link: terminalEnd, relay: lights.parts.relay, passage: lights.parts.passage, panel: lights.parts.panel } as unknown as SimBoard;
  const gate = startStation({ ...made, board }, media[kind.medium]);
  const running = runTerminal(gate.terminal, undefined, "");
  const phone = makePhone(world, coupons(world, 1000, { offline: { uses: 1000, amount: 1000, days: 30 } }), card(world, 50_000), ticket(world));
  const holder: Holder = { clock: world.clock as unknown as Phone["clock"], random: phone.random, keys: phone.keys, crypto: nodeCrypto, trust: phone.trust, wallet: phone.wallet };
  return {
    kind, line, serial, holder, gate, board: lights.board, value: (sort) => valueIn(phone.wallet, sort),
    close: async () => { running.stop(); serial.close(); terminalEnd.close(); await line.close(); },
  };
}

/** A real terminal behind `port`, the emulator between it and an enrolled handset. */
export async function openRealBench(kind: LineKind, port: string, phone: Phone): Promise<Bench> {
  const line = await startLine({ ...kind.settings, medium: kind.medium, seed: 7, port });
  const serial = await openSerial(line.handset, kind.settings.baud);
  return { kind, line, serial, holder: phone, gate: undefined, board: undefined, value: (sort) => valueIn(phone.wallet, sort), close: async () => { serial.close(); await line.close(); } };
}
export { openPhone };

function valueIn(wallet: WalletState, sort: Sort): WalletValue | undefined {
  const is = (v: WalletValue): boolean => (v.value.unit === unit.money ? sort === "card" : sort === (v.value.most === 1 ? "ticket" : "coupons"));
  return wallet.values.find((v) => is(v) && left(v) > 0);
}
