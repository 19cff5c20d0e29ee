/**
 * How a tap ends and what is said at its end: the lights, the last message, the secrets erased, the state that follows.
 */
import type { Given } from "./book.js";
import type { Effect, Verifier, VerifierState } from "./events.js";
import { closeTap } from "./profile.js";
import { assert } from "../assert.js";
import { mayBeClear, refusal } from "../refusal.js";
import { encodeStop } from "../wire/message.js";

export function become(v: Verifier, state: VerifierState, until: number): void {
  v.state = state;
  v.deadline = until;
}

/** The tap's keys are erased when it ends. */
export function idle(v: Verifier): Effect[] {
  if (v.tap !== undefined) closeTap(v.tap);
  v.tap = undefined;
  become(v, "idle", -1);
  return [{ do: "done" }];
}

export function send(bytes: Uint8Array, last: boolean): Effect {
  return { do: "send", bytes: bytes, first: false, last: last };
}

export function show(v: Verifier, code: number, since: number): Effect {
  const tap = v.tap!;
  const p = tap.presented;
  const proved = code === 0 || code >= refusal.terminal_unknown;
  return { do: "show", code: code, since: since, value: proved && p !== undefined ? p.value : undefined, receipt: code === 0 ? tap.receipt : undefined };
}

export function clearStop(code: number): Effect[] {
  return [{ do: "show", code: code, since: 0, value: undefined, receipt: undefined }, { do: "send", bytes: encodeStop(code), first: true, last: true }];
}

/** A hint in clear, for when nothing protected can be said. */
export function stop(v: Verifier, code: number): Effect[] {
  const said: Effect[] = [show(v, code, 0), send(encodeStop(code), true)];
  return said.concat(idle(v));
}

/** A refusal that the handset can believe; in clear only where nothing is protected yet. */
export function refuse(v: Verifier, code: number, since: number, given: Given): Effect[] {
  const tap = v.tap!;
  if (!tap.secured) {
    assert(mayBeClear(code), "nothing about a value is said in clear");
    return stop(v, code);
  }
  const said: Effect[] = [show(v, code, since), send(tap.profile!.refusedMessage(tap, code, since, given), true)];
  return said.concat(idle(v));
}

/** A failed append: the record may or may not exist, so never open; after a restart the journal says. */
export function fallOut(v: Verifier): Effect[] {
  const said: Effect[] = [{ do: "show", code: refusal.out_of_service, since: 0, value: undefined, receipt: undefined }];
  if (v.tap !== undefined) said.push(send(encodeStop(refusal.out_of_service), true));
  idle(v);
  become(v, "out_of_service", -1);
  return said.concat([{ do: "done" }]);
}
