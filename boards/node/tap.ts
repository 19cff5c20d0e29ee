/**
 * One tap by a person with a handset on a Node machine: hold it to the line, answer its question, see what came of it.
 */
import type { Phone } from "./phone.js";
import type { Serial } from "../../runtime/board.js";
import { confirm, makeHandset, pollHandset, type HandsetEvent } from "../../runtime/role/handset.js";
import type { WalletState } from "../../runtime/value/wallet.js";
import { media } from "../../protocol/link/media.js";

export interface TapOptions {
  /** Money up to this is paid without a question, minor units. */
  silentAmount: number;
  confirm(question: HandsetEvent & { event: "confirm" }): Promise<boolean>;
  /** Give up after so long without a word of the terminal. */
  withinMs: number;
  /** Listen on for the passage after the all-clear. */
  waitForPassage: boolean;
  /** The outcome was heard; the passage may still follow. */
  onResolved?: () => void;
}

/** What the handset knows in the end. `stored` without `resolved`: ask the holder whether he was let through. */
export interface TapResult { stored: boolean; resolved: string | undefined; code: number; since: number; walkAgain: boolean; reversed: boolean; heard: boolean }

/** Runs one tap; the line stays open. */
export function runTap(phone: Pick<Phone, "clock" | "random" | "keys" | "crypto" | "trust"> & { wallet: WalletState }, line: Serial, o: TapOptions): Promise<TapResult> {
  return new Promise((resolve) => {
    const handset = makeHandset(phone, phone.wallet, phone.trust, line, media.serial, o.silentAmount);
    const result: TapResult = { stored: false, resolved: undefined, code: -1, since: 0, walkAgain: false, reversed: false, heard: false };
    const endsAt = phone.clock.monotonicMs() + o.withinMs;
    let timer: NodeJS.Timeout | undefined;
    let over = false;
    const end = (): void => {
      if (over) return;
      over = true;
      clearTimeout(timer);
      line.onReadable = undefined;
      resolve(result);
    };
    handset.onEvent = (e) => {
      result.heard = true;
      if (e.event === "resolved" && result.resolved === undefined) o.onResolved?.();
      note(result, e);
      if (e.event === "confirm") void o.confirm(e).then((yes) => { if (!over) { confirm(handset, yes); turn(); } });
      if (e.event === "done") setTimeout(end, 0);
      if (e.event === "resolved" && !o.waitForPassage) setTimeout(end, 0);
    };
    const turn = (): void => {
      if (over) return;
      clearTimeout(timer);
      const due = pollHandset(handset);
      const now = phone.clock.monotonicMs();
      if (handset.wakeAtMs >= 0 && now >= endsAt) { end(); return; }
      const wait = due < 0 ? 50 : Math.max(0, Math.min(50, due - now));
      timer = setTimeout(turn, wait);
    };
    while (line.read() !== undefined) { /* what an earlier tap left on the line is not ours */ }
    line.onReadable = turn;
    turn();
  });
}

function note(result: TapResult, e: HandsetEvent): void {
  if (e.event === "stored") { result.stored = true; result.code = 0; }
  if (e.event === "resolved") { result.resolved = e.outcome; if (result.code < 0) result.code = 0; }
  if (e.event === "shown") { result.code = e.code; result.since = e.since; }
  if (e.event === "walk_again") result.walkAgain = true;
  if (e.event === "reversed") result.reversed = true;
}
