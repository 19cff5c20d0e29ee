/**
 * What all measures look at: one gate of a venue and handsets with a ticket or a card, contents as long as real ones are
 * (a name, a merchant, one kind, one zone, a rule of one clause). Real core on boards in memory.
 */
import { makeMemoryStore } from "../../boards/sim/store.js";
import { makeSimKeys, makeSimRandom, type SimBoard } from "../../boards/sim/board.js";
import type { Crypto } from "../../protocol/crypto/crypto.js";
import { media } from "../../protocol/link/media.js";
import { profileB } from "../../protocol/session/profile-b.js";
import { clause, encodeRule } from "../../protocol/rule.js";
import { encodeReceipt, receiptKind, receiptToSign } from "../../protocol/wire/receipt.js";
import type { Value } from "../../protocol/wire/value.js";
import { makeHandset, pollHandset, type Handset } from "../../runtime/role/handset.js";
import { poll } from "../../runtime/terminal.js";
import { storeReceipt } from "../../runtime/value/wallet.js";
import { card, crypto as native, daySeconds, makePhone, makeStation, makeWorld, startStation, ticket, type Phone, type Sold, type Station, type World } from "../session/world.js";

export const place = { name: "North", merchant: "Example Hall" } as const;
export const currency = 978;
export const price = 350;

/** Six bytes: half a minute between two uses, so that nobody hands his handset back over the fence. */
const rule = encodeRule([[clause.interval, 30]]);
const realistic: Partial<Value> = { rule, offline: { uses: 1, amount: 1, days: 60 }, statusIndex: 41_234 };

export interface Scene { readonly world: World; gate: Station }

/** `takes`: a gate that wants tickets, or a fare gate that wants money. */
export function makeScene(takes: "ticket" | "card", o: { boardB?: boolean; crypto?: Crypto; journalPages?: number } = {}): Scene {
  const world = makeWorld();
  const gate = makeStation(world, {
    name: place.name, zones: [1], profileB: o.boardB === true, certificate: { kinds: [takes] }, takes: [{ kind: takes, action: takes === "card" ? 3 : 1, zone: 1 }],
    tariffs: takes === "card" ? [{ id: 1, kind: takes, price: { currency, amount: price }, from: 0 }] : [],
  });
  const crypto = o.crypto ?? native;
  const keys = makeSimKeys(crypto, makeSimRandom(crypto, place.name));
  for (const [name, secret] of gate.board.keys.secrets) keys.put(name, secret);
  const board: SimBoard = { ...gate.board, crypto, keys, store: makeMemoryStore({ pageBytes: 65_536, pages: o.journalPages ?? 4 }) };
  const scene = { world, gate: startStation({ ...gate, board }) };
  if (o.boardB === true) withoutSignatures(scene.gate);
  return scene;
}

/** A board that has nothing which verifies a signature: profile B alone. */
function withoutSignatures(gate: Station): void {
  gate.terminal.verifier.settings.certificate = undefined;
  gate.terminal.verifier.settings.profiles = [profileB];
}

export const singleUse = (w: World, change: Partial<Value> = {}): Sold => ticket(w, { ...realistic, ...change });
/** A ticket of many uses in the same bytes as a single one: for an earlier receipt, and for tap after tap. */
export const season = (w: World): Sold => ticket(w, { ...realistic, most: 100_000, offline: { uses: 100_000, amount: 100_000, days: 60 } });
export const prepaid = (w: World): Sold => card(w, 5000, { ...realistic, offline: { uses: 20, amount: 5000, days: 60 } });
export { makePhone };

export function choose(phone: Phone, sold: Sold): void {
  phone.wallet.chosen = sold.value.valueId;
}

/** The value was used before, and its newest receipt is one of the provider's, which moved the base. */
export function earlierReceipt(phone: Phone, sold: Sold): void {
  const at = phone.world.clock.utc().at;
  const bytes = encodeReceipt({
    kind: receiptKind.host, terminal: new Uint8Array(8).fill(7), tap: new Uint8Array([0, 0, 3, 232]), valueId: sold.value.valueId, counter: 3, previous: native.sha256(sold.claims).slice(0, 16), action: 1,
    amount: 0, after: 2, at, quality: 3, until: at + 600, base: { counter: 3, spent: 2, day: Math.floor(at / daySeconds) }, fold: undefined,
  });
  storeReceipt(phone.wallet, sold.value.valueId, bytes, native.sign(phone.world.provider.secrets["values"]!, receiptToSign(bytes)), undefined, "finished");
}

/** Called around each turn of one side's, so that a measure may time it alone. */
export type Turn = (work: () => void) => void;
const plainly: Turn = (work) => work();

/** One tap: holds the handset to the gate until it heard the outcome or a refusal, then the holder walks, if he is let through. */
export function tapOnce(phone: Phone, gate: Station, o: { turn?: Turn; handsetTurn?: Turn; walks?: boolean; afterOutcome?: () => void } = {}): Handset {
  const turns = { gate: o.turn ?? plainly, handset: o.handsetTurn ?? plainly };
  const clock = phone.world.clock;
  const handset = makeHandset({ clock, random: phone.random, keys: phone.keys, crypto: native }, phone.wallet, phone.trust, gate.line.b, media.serial, 2000);
  phone.events = [];
  handset.onEvent = (e) => phone.events.push(e);
  clock.advance(31_000);
  const heard = (): boolean => phone.events.some((e) => e.event === "resolved" || e.event === "shown");
  for (let i = 0; i < 100 && !heard(); i++) step(handset, gate, turns);
  o.afterOutcome?.();
  if (gate.terminal.verifier.state === "open") pass(handset, gate, turns, o.walks ?? true);
  return handset;
}

interface Turns { gate: Turn; handset: Turn }

function step(handset: Handset, gate: Station, turns: Turns): void {
  turns.handset(() => pollHandset(handset));
  gate.line.deliver();
  turns.gate(() => poll(gate.terminal));
  gate.line.deliver();
}

function pass(handset: Handset, gate: Station, turns: Turns, walks: boolean): void {
  if (walks) {
    gate.passage!.set(1);
    turns.gate(() => poll(gate.terminal));
    gate.passage!.set(0);
  } else gate.world.clock.advance(gate.terminal.verifier.settings.passageMs + 1);
  turns.gate(() => poll(gate.terminal));
  gate.line.deliver();
  turns.handset(() => pollHandset(handset));
}
