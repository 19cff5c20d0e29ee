/**
 * Answers that come too late: a key store, a secure element or another terminal may answer when the tap that asked is long
 * over. Its answer belongs to nobody then, least of all to the tap that is going on now.
 */
import { expect, test } from "vitest";
import { makePhone, makeStation, makeWorld, tap, ticket, wait, type Phone, type Station } from "./world.js";
import { greet, hear, makeGate, makeHand, makeMint, secretOf, start as core, tapOnce } from "./core.js";
import { driveHandover, finish, know } from "./neighbours.js";
import { refusal } from "../../protocol/refusal.js";
import { intent } from "../../protocol/wire/message.js";
import { decodeEntry } from "../../protocol/wire/entry.js";
import { readFrom } from "../../runtime/journal/journal.js";
import { newestReceipt } from "../../runtime/value/wallet.js";
import { bookView } from "../../runtime/value/book.js";
import { step } from "../../protocol/session/verifier.js";
import { hold, type HolderEffect, type Wallet } from "../../protocol/session/holder.js";
import type { Effect } from "../../protocol/session/events.js";
import { none } from "../../protocol/session/transcript.js";
import { nodeCrypto } from "../../protocol/crypto/node/node.js";
import { hex } from "../../protocol/wire/bytes.js";

const records = (s: Station) => readFrom(s.terminal.journal, 1, 1000, 1e6).entries.filter((e) => decodeEntry(e)!.kind === "finished").length;

/** A ticket whose acknowledgement never arrived at `gate`. */
function torn(w: ReturnType<typeof makeWorld>, gate: Station): Phone {
  const phone = makePhone(w, ticket(w));
  let writes = 0;
  tap(phone, gate, { toTerminal: (bytes) => (writes++ < 3 ? [bytes] : []), forMs: 1500 });
  expect(newestReceipt(phone.wallet.values[0]!)!.counter).toBe(1);
  wait(gate, 3000);
  phone.wallet.intent = intent.resume;
  return phone;
}

test("S11: the owner's late yes to one receipt does not finish another", () => {
  const w = makeWorld();
  const north = makeStation(w, { name: "north" });
  const south = makeStation(w, { name: "south" });
  know(south, north);
  const first = torn(w, north);
  const second = torn(w, north);
  tap(first, south, { stopWhen: () => south.terminal.question !== undefined });
  const asked = south.terminal.question!;
  wait(south, 2000);
  expect(south.codes()).toEqual([refusal.finish_elsewhere]);
  south.terminal.question = undefined;
  tap(second, south, { stopWhen: () => south.terminal.question !== undefined });
  driveHandover(south, asked.receipt, 0);
  expect(south.opened()).toBe(0);
  expect(records(south)).toBe(0);
  driveHandover(south, south.terminal.question!.receipt, 0);
  finish(south);
  expect(records(south)).toBe(1);
});

test("a signature that the secure element makes too late is no receipt of the next tap", () => {
  const mint = makeMint(nodeCrypto);
  const gate = makeGate(mint, "north");
  const hand = makeHand(mint, "coupon");
  const given = (nowMs: number) => ({ nowMs, at: core, quality: 2, crypto: nodeCrypto, book: bookView(gate.book) });
  const present = (): Uint8Array => {
    greet(gate);
    hear(hand, gate.out.shift()!);
    return hand.out.shift()!;
  };
  const keyed = (bytes: Uint8Array): number => {
    const agree = step(gate.verifier, { type: "message", bytes }, given(0))[0] as Extract<Effect, { do: "agree" }>;
    const sign = step(gate.verifier, { type: "agreed", number: agree.number, shared: nodeCrypto.agree(gate.agreement, agree.publicKey) }, given(0))[0] as Extract<Effect, { do: "sign" }>;
    expect(sign.do).toBe("sign");
    return sign.number;
  };
  tapOnce(hand, gate);
  const first = keyed(present());
  step(gate.verifier, { type: "time" }, given(1e6));
  const second = keyed(present());
  expect(step(gate.verifier, { type: "signed", number: first, signature: new Uint8Array(64) }, given(0))).toEqual([]);
  expect(gate.verifier.pending).toEqual([]);
  expect(step(gate.verifier, { type: "signed", number: second, signature: new Uint8Array(64) }, given(0))[0]!.do).toBe("send");
});

test("a signature that the phone makes too late does not prove its next tap", () => {
  const mint = makeMint(nodeCrypto);
  const gate = makeGate(mint, "north");
  const hand = makeHand(mint, "coupon");
  tapOnce(hand, gate);
  const wallet: Wallet = { choose: () => ({ profile: "A", signed: hand.signed, value: hand.value, key: hand.value.valueId, grantKey: none, newest: undefined, undone: undefined, intent: 0, showCertificate: false }), certificate: (id) => hand.known[hex(id)], terminalRevoked: () => false };
  const meet = (): number => {
    gate.out = [];
    greet(gate);
    const sign = hold(hand.holder, { type: "hello", bytes: gate.out.shift()!, secret: secretOf(nodeCrypto, "meeting") }, { nowMs: 0, at: core, quality: 2, crypto: nodeCrypto, wallet })
      .find((e) => e.do === "sign") as Extract<HolderEffect, { do: "sign" }>;
    return sign.number;
  };
  const first = meet();
  meet();
  expect(hold(hand.holder, { type: "signed", number: first, signature: new Uint8Array(64) }, { nowMs: 0, at: core, quality: 2, crypto: nodeCrypto, wallet })).toEqual([]);
  expect(hand.holder.state).toBe("proving");
});
