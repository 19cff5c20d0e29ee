/**
 * One tap by a person with a handset on a Node machine: hold it to the line, answer its question, see what came of it.
 */
import type { Phone } from "./phone.js";
import type { Serial } from "../../runtime/board.js";
import { boardFault } from "../../runtime/journal/store.js";
import { confirm, makeHandset, pollHandset, type HandsetEvent } from "../../runtime/role/handset.js";
import type { WalletState } from "../../runtime/value/wallet.js";
import { asking } from "../../protocol/wire/message.js";
import { media, type Medium } from "../../protocol/link/media.js";

export interface TapOptions {
  /** Money up to this is paid without a question, minor units. */
  silentAmount: number;
  confirm(question: HandsetEvent & { event: "confirm" }): Promise<boolean>;
  /** Give up after so long without a word of the terminal. */
  withinMs: number;
  /** Listen on for the passage after the all-clear. */
  waitForPassage: boolean;
  /** What the line is made of; serial unless told. */
  medium?: Medium;
  /** The outcome was heard; the passage may still follow. */
  onResolved?: () => void;
}

/** What the handset knows in the end. `stored` without `resolved`: ask the holder whether he was let through. */
export interface TapResult { /** The value shown, or about to be. */ valueId: Uint8Array | undefined; /** Nothing to show (1), declined (2), terminal not trusted (3); 0: none of them. */ declined: number; stored: boolean; resolved: string | undefined; code: number; since: number; walkAgain: boolean; reversed: boolean; heard: boolean }

/** A terminal greets again at once when it wants something else: twice the time in which a lost greeting is sent again, and then some. */
const nextWantMs = 1000;

/** Runs one tap; the line stays open. Rejects with the line's `BoardError` when it breaks. */
export function runTap(phone: Pick<Phone, "clock" | "random" | "keys" | "crypto" | "trust"> & { wallet: WalletState }, line: Serial, o: TapOptions): Promise<TapResult> {
  const medium = o.medium ?? media.serial;
  return new Promise((resolve, reject) => {
    const handset = makeHandset(phone, phone.wallet, phone.trust, line, medium, o.silentAmount);
    const result: TapResult = { valueId: undefined, declined: 0, stored: false, resolved: undefined, code: -1, since: 0, walkAgain: false, reversed: false, heard: false };
    const now = (): number => phone.clock.monotonicMs();
    const endsAt = now() + o.withinMs;
    let lingersUntil = -1;
    let timer: NodeJS.Timeout | undefined;
    let over = false;
    const leave = (): boolean => {
      if (over) return false;
      over = true;
      clearTimeout(timer);
      line.onReadable = undefined;
      line.onClose = undefined;
      return true;
    };
    const end = (): void => { if (leave()) resolve(result); };
    const fail = (error: unknown): void => { if (leave()) reject(error as Error); };
    handset.onEvent = (e) => {
      result.heard = true;
      result.valueId = handset.shows;
      lingersUntil = -1;
      if (e.event === "resolved" && result.resolved === undefined) o.onResolved?.();
      note(result, e);
      if (e.event === "confirm") o.confirm(e).then((yes) => { if (!over) attempt(() => confirm(handset, yes)); }, fail);
      // A terminal that takes several things asks for the next one when there is nothing to show for the first.
      if (e.event === "done" && result.declined === asking.nothing_to_show) lingersUntil = now() + nextWantMs + medium.retransmitMs;
      else if (e.event === "done") setTimeout(end, 0);
      if (e.event === "resolved" && !o.waitForPassage) setTimeout(end, 0);
    };
    const attempt = (first?: () => void): void => {
      try { first?.(); turn(); } catch (error) { fail(error); }
    };
    const turn = (): void => {
      if (over) return;
      clearTimeout(timer);
      const due = pollHandset(handset);
      if ((handset.wakeAtMs >= 0 && now() >= endsAt) || (lingersUntil >= 0 && now() >= lingersUntil)) { end(); return; }
      const wait = due < 0 ? 50 : Math.max(0, Math.min(50, due - now()));
      timer = setTimeout(() => attempt(), wait);
    };
    while (line.read() !== undefined) { /* what an earlier tap left on the line is not ours */ }
    line.onReadable = () => attempt();
    line.onClose = (error) => fail(error ?? boardFault("disconnected", "The line to the terminal was closed."));
    attempt();
  });
}

function note(result: TapResult, e: HandsetEvent): void {
  if (e.event === "declined") result.declined = e.what; else if (e.event !== "done") result.declined = 0;
  if (e.event === "stored") { result.stored = true; result.code = 0; }
  if (e.event === "resolved") { result.resolved = e.outcome; if (result.code < 0) result.code = 0; }
  if (e.event === "shown") { result.code = e.code; result.since = e.since; }
  if (e.event === "walk_again") result.walkAgain = true;
  if (e.event === "reversed") result.reversed = true;
}
