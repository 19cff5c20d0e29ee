/**
 * What is really said matches the grammar: every message of taps of each profile, every journal entry they leave, each signed
 * object a terminal is set up with. The other direction of `grammar.test.ts`, with nothing made up.
 */
import { expect, test } from "vitest";
import { cobs, deframer, feed } from "../../protocol/link/frame.js";
import { profileB } from "../../protocol/session/profile-b.js";
import { messageType } from "../../protocol/wire/message.js";
import { decodeSigned } from "../../protocol/wire/signed.js";
import { readFrom } from "../../runtime/journal/journal.js";
import { card, coupons, give, makePhone, makeStation, makeWorld, powerCut, tap, ticket, type Phone, type Station } from "../session/world.js";
import { matches } from "./cddl.js";
import { codecs, grammar } from "./codecs.js";
import { toHex } from "../published.js";

const rulesOf: Record<number, string[]> = {
  1: ["hello"], 2: ["presentation", "presentation-b"], 3: ["answer", "answer-b"], 4: ["acknowledgement", "acknowledgement-b"], 5: ["outcome", "outcome-b", "reversed-b"],
  6: ["ask"], 7: ["certificate"], 8: ["stop"],
};

/** Counts by rule what was said and written; fails for a byte string that no rule of its type matches. */
function listener(): { seen: Map<string, number>; hear(): (bytes: Uint8Array) => Uint8Array[]; read(station: Station): void } {
  const seen = new Map<string, number>();
  const count = (rules: string[], bytes: Uint8Array): void => {
    const rule = rules.find((name) => matches(grammar, name, bytes));
    expect(rule, toHex(bytes)).toBeDefined();
    expect(toHex(codecs[rule!]!(bytes)!)).toBe(toHex(bytes));
    seen.set(rule!, (seen.get(rule!) ?? 0) + 1);
  };
  return {
    seen,
    hear: () => {
      const d = deframer(cobs);
      return (bytes) => {
        for (const frame of feed(d, bytes)) if (frame.payload.length > 0) count(rulesOf[messageType(frame.payload)]!, frame.payload);
        return [bytes];
      };
    },
    read: (station) => { for (const entry of readFrom(station.terminal.journal, 1, 1000, 1e6).entries) count(["entry"], entry); },
  };
}

test("every message and entry of good, refused and torn taps of both profiles", () => {
  const w = makeWorld();
  const heard = listener();
  const tapped = (phone: Phone, station: Station, more = {}) => tap(phone, station, { toTerminal: heard.hear(), toHandset: heard.hear(), ...more });
  const gate = makeStation(w);
  const one = makePhone(w, ticket(w));
  tapped(one, gate);
  tapped(one, gate);
  const book = makePhone(w, coupons(w, 3));
  tapped(book, gate, { turns: false });
  tapped(book, powerCut(gate));
  tapped(makePhone(w, ticket(w, { zones: [77] })), gate);
  const fare = makeStation(w, { takes: [{ kind: "card", action: 3, zone: 1 }], tariffs: [{ id: 1, kind: "card", price: { currency: 978, amount: 350 }, from: 0 }] });
  tapped(makePhone(w, card(w, 1000)), fare);
  const board = makeStation(w, { profileB: true });
  board.terminal.verifier.settings.profiles = [profileB];
  const small = makePhone(w);
  give(small, coupons(w, 2), true);
  tapped(small, board);
  tapped(small, board);
  for (const station of [gate, fare, board]) heard.read(station);
  for (const rule of ["hello", "presentation", "answer", "acknowledgement", "outcome", "ask", "certificate", "presentation-b", "answer-b", "acknowledgement-b", "outcome-b", "entry"]) {
    expect(heard.seen.get(rule) ?? 0, rule).toBeGreaterThan(0);
  }
});

test("every object that the provider signs for devices", () => {
  const ruleOf: Record<string, string> = { role: "signed-role", revocation: "signed-revocation", configuration: "signed-configuration", status: "signed-status", time: "signed-time" };
  const { objects } = makeWorld().provider;
  for (const bytes of objects) expect(matches(grammar, ruleOf[decodeSigned(bytes)!.type]!, bytes)).toBe(true);
  expect(objects.length).toBeGreaterThan(4);
});
