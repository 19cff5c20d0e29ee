/**
 * The handset role: a wallet, a line to a terminal, and a person who is asked when it matters. It runs the holder's table
 * over the link machine; like a terminal it owns no clock and no timer, and `pollHandset` says when to come back.
 */
import type { BoardError } from "../journal/store.js";
import type { Clock, Keys, Random, Serial } from "../board.js";
import {
  keepCertificate, resolveReceipt, showCertificate, storeReceipt, storeReversal, walletView, type WalletState,
} from "../value/wallet.js";
import { providerKeys, type Trust } from "../sync/trust.js";
import { assert } from "../../protocol/assert.js";
import type { Crypto } from "../../protocol/crypto/crypto.js";
import * as links from "../../protocol/link/link.js";
import type { Medium } from "../../protocol/link/media.js";
import { hold, holderDeadline, makeHolder, type Holder, type HolderEffect, type HolderInput } from "../../protocol/session/holder.js";
import { hex } from "../../protocol/wire/bytes.js";
import { asking, decodeAsk, messageType, type } from "../../protocol/wire/message.js";

/** What the machine gives a handset. */
export interface HandsetBoard { readonly clock: Clock; readonly random: Random; readonly keys: Keys; readonly crypto: Crypto }

/** What the person sees. */
export type HandsetEvent =
  | { event: "confirm"; terminal: string; merchant: string; action: number; amount: number; currency: number | undefined; kind: string; warning: boolean }
  | { event: "shown"; code: number; since: number; help: number }
  | { event: "stored"; valueId: Uint8Array; counter: number }
  | { event: "resolved"; valueId: Uint8Array; counter: number; outcome: string }
  | { event: "walk_again"; valueId: Uint8Array; counter: number }
  | { event: "reversed"; valueId: Uint8Array; counter: number }
  /** The handset said no by itself: `asking.nothing_to_show`, `.declined` or `.not_trusted`. */
  | { event: "declined"; what: number }
  | { event: "fault"; message: string }
  | { event: "done" };

export interface Handset {
  readonly board: HandsetBoard;
  readonly wallet: WalletState;
  readonly trust: Trust;
  holder: Holder;
  link: links.Link;
  line: Serial;
  /** Says *I am here* again at this moment, until a hello came. */
  wakeAtMs: number;
  /** The value shown, or about to be, at this terminal. */
  shows: Uint8Array | undefined;
  onEvent: ((e: HandsetEvent) => void) | undefined;
}

const wakeEveryMs = 300;

/** A handset before a terminal's line. `silentAmount`: money up to this is paid without a question, minor units. */
export function makeHandset(board: HandsetBoard, wallet: WalletState, trust: Trust, line: Serial, medium: Medium, silentAmount: number): Handset {
  const holder = makeHolder({ certificateKeys: providerKeys(trust, "certificates"), silentAmount: silentAmount, silentUses: 1 });
  return { board: board, wallet: wallet, trust: trust, holder: holder, link: links.makeLink(medium, true), line: line, wakeAtMs: board.clock.monotonicMs(), shows: undefined, onEvent: undefined };
}

/** Looks at the line once; answers the monotonic millisecond of the next call at the latest, or −1. */
export function pollHandset(h: Handset): number {
  const now = h.board.clock.monotonicMs();
  for (let bytes = h.line.read(); bytes !== undefined; bytes = h.line.read()) {
    for (const message of links.receive(h.link, bytes, now).messages) hear(h, message);
  }
  const due = holderDeadline(h.holder);
  if (due >= 0 && now >= due) drive(h, { type: "time" });
  if (h.wakeAtMs >= 0 && now >= h.wakeAtMs) { links.wake(h.link); h.wakeAtMs = now + wakeEveryMs; }
  writeLine(h);
  let next = -1;
  for (const at of [holderDeadline(h.holder), links.deadline(h.link), h.wakeAtMs]) if (at >= 0 && (next < 0 || at < next)) next = at;
  return next;
}

function writeLine(h: Handset): void {
  for (const bytes of links.poll(h.link, h.board.clock.monotonicMs()).output) h.line.write(bytes);
}

function hear(h: Handset, message: Uint8Array): void {
  if (messageType(message) !== type.hello) { drive(h, { type: "message", bytes: message }); return; }
  h.wakeAtMs = -1;
  drive(h, { type: "hello", bytes: message, secret: h.board.random.fill(32) });
}

/** The person's answer to `confirm`. */
export function confirm(h: Handset, yes: boolean): void {
  drive(h, { type: "confirmed", yes: yes });
  writeLine(h);
}

function drive(h: Handset, input: HolderInput): void {
  const queue: HolderInput[] = [input];
  for (let i = 0; i < queue.length; i++) {
    assert(i < 32, "a step of the holder ends");
    const time = h.board.clock.utc();
    const given = {
      nowMs: h.board.clock.monotonicMs(), at: time.at, quality: time.quality, crypto: h.board.crypto, wallet: walletView(h.wallet, h.trust.revokedTerminals),
    };
    const effects = hold(h.holder, queue[i]!, given);
    if (h.holder.meeting !== undefined) h.shows = h.holder.meeting.held.key;
    for (const effect of effects) {
      const answer = perform(h, effect);
      if (answer !== undefined) queue.push(answer);
    }
  }
}

function perform(h: Handset, e: HolderEffect): HolderInput | undefined {
  switch (e.do) {
    case "send":
      links.send(h.link, e.bytes, { first: false, last: e.last });
      writeLine(h);
      if (decodeAsk(e.bytes) > asking.certificate) tell(h, { event: "declined", what: decodeAsk(e.bytes) });
      return undefined;
    case "sign": return { type: "signed", number: e.number, signature: attempt(h, () => h.board.keys.sign("value " + hex(e.key), e.message)) };
    case "store": return { type: store(h, e) ? "stored" : "store_failed" };
    case "keep_certificate": attempt(h, () => keepCertificate(h.wallet, e.id, e.certificate)); return undefined;
    case "resolved":
      attempt(h, () => resolveReceipt(h.wallet, e.valueId, e.counter, e.outcome));
      tell(h, { event: "resolved", valueId: e.valueId, counter: e.counter, outcome: e.outcome });
      return undefined;
    case "walk_again":
      // The gate opened and he is still outside: the receipt's question is open again, and the answer is no.
      attempt(h, () => resolveReceipt(h.wallet, e.valueId, e.counter, "unresolved"));
      tell(h, { event: "walk_again", valueId: e.valueId, counter: e.counter });
      return undefined;
    case "store_reversal":
      attempt(h, () => storeReversal(h.wallet, e.valueId, e.counter, e.reversal, e.proof));
      tell(h, { event: "reversed", valueId: e.valueId, counter: e.counter });
      return undefined;
    case "show_certificate": attempt(h, () => showCertificate(h.wallet, e.valueId)); return undefined;
    case "show": tell(h, { event: "shown", code: e.code, since: e.since, help: e.help }); return undefined;
    case "ask_person":
      tell(h, {
        event: "confirm", terminal: e.terminal, merchant: e.merchant, action: e.action, amount: e.amount, currency: e.currency, kind: e.kind, warning: e.warning,
      });
      return undefined;
    case "done": tell(h, { event: "done" }); return undefined;
  }
}

/** Not stored means not acknowledged: the terminal's receipt lapses. */
function store(h: Handset, e: HolderEffect & { do: "store" }): boolean {
  const stored = attempt(h, () => { storeReceipt(h.wallet, e.valueId, e.receipt, e.proof, e.certificate, "unresolved"); return true; });
  if (stored === true) tell(h, { event: "stored", valueId: e.valueId, counter: e.counter });
  return stored === true;
}

/** Does something with storage, keys or line; when that fails it is said, and the answer is undefined. Other errors are not ours. */
function attempt<T>(h: Handset, work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    if ((error as BoardError).kind === undefined) throw error;
    tell(h, { event: "fault", message: (error as BoardError).message });
    return undefined;
  }
}

function tell(h: Handset, e: HandsetEvent): void {
  if (h.onEvent !== undefined) h.onEvent(e);
}
