/**
 * Who could lie in a tap, and what becomes of it (`tap.md` §9): replayed, reordered, altered, cross-session and
 * cross-terminal messages, false terminals, false handsets, forged values, hostile bytes in any state.
 */
import { describe, expect, test } from "vitest";
import { card, certificateOf, copyPhone, crypto, give, makePhone, makeProvider, makeStation, makeWorld, secretOf, sell, shownTo, start, daySeconds, tap, ticket, coupons, wait, type Phone, type Station } from "./world.js";
import { refusal } from "../../protocol/refusal.js";
import { newestReceipt, newestOf } from "../../runtime/value/wallet.js";
import { cobs, deframer, encodeFrame, feed } from "../../protocol/link/frame.js";
import { decodeEntry } from "../../protocol/wire/entry.js";
import { encodeHello, decodeHello, messageType, type as kinds } from "../../protocol/wire/message.js";
import { readFrom } from "../../runtime/journal/journal.js";
import { encodeSignedClaims } from "../../protocol/wire/sync.js";

const records = (s: Station) => readFrom(s.terminal.journal, 1, 1000, 1e6).entries.filter((e) => decodeEntry(e)!.kind === "finished").length;

/** Looks at every message on the line by its type; `change` answers what goes on instead. */
function meddle(change: (payload: Uint8Array, type: number, link: number) => Uint8Array[] | undefined) {
  const d = deframer(cobs);
  return (bytes: Uint8Array): Uint8Array[] => feed(d, bytes).flatMap((frame) => {
    const changed = change(frame.payload, frame.payload.length === 0 ? -1 : messageType(frame.payload), frame.link);
    return (changed ?? [frame.payload]).map((payload) => encodeFrame(cobs, { link: frame.link, payload }, 0));
  });
}
function world(): { gate: Station; phone: Phone; w: ReturnType<typeof makeWorld> } {
  const w = makeWorld();
  return { w, gate: makeStation(w), phone: makePhone(w, ticket(w)) };
}
/** Both directions' messages of one good tap. */
function recorded() {
  const { w, gate, phone } = world();
  const toTerminal: Uint8Array[] = [];
  const toHandset: Uint8Array[] = [];
  tap(phone, gate, {
    toTerminal: meddle((p) => { if (p.length > 0) toTerminal.push(p); return undefined; }), toHandset: meddle((p) => { if (p.length > 0) toHandset.push(p); return undefined; }),
  });
  expect(gate.opened()).toBe(1);
  return { w, gate, phone, toTerminal, toHandset };
}

describe("altered", () => {
  const shape = recorded();
  test.each(shape.toTerminal.map((m, i) => [i, messageType(m), m.length]))("handset message %i (type %i): any byte changed, nothing opens on it", (i, type, length) => {
    for (let at = 0; at < length!; at += type === kinds.ask ? 1 : 9) {
      const { gate, phone } = world();
      let seen = -1;
      tap(phone, gate, { forMs: 2600, toTerminal: meddle((p) => {
        if (p.length === 0 || ++seen !== i) return undefined;
        const changed = new Uint8Array(p);
        changed[Math.min(at, p.length - 1)]! ^= 0x41;
        return [changed];
      }) });
      expect(gate.opened(), `byte ${at}`).toBe(0);
      expect(records(gate)).toBe(0);
    }
  });
  test.each(shape.toHandset.slice(0, 3).map((m, i) => [i, messageType(m), m.length]))("terminal message %i (type %i): any byte changed, nothing is acknowledged on it", (_i, type, length) => {
    for (let at = 0; at < length!; at += type === kinds.answer ? 3 : 11) {
      const { gate, phone } = world();
      tap(phone, gate, { forMs: 2600, toHandset: meddle((p, t) => {
        if (t !== type) return undefined;
        const changed = new Uint8Array(p);
        changed[Math.min(at, p.length - 1)]! ^= 0x41;
        return [changed];
      }) });
      expect(records(gate), `byte ${at}`).toBe(0);
      expect(newestReceipt(phone.wallet.values[0]!)).toBeUndefined();
    }
  });
});

describe("replayed and reordered", () => {
  test("a whole recorded tap, played to the same gate, opens nothing", () => {
    const { gate, phone, toTerminal } = recorded();
    wait(gate, 9000);
    let i = 0;
    tap(phone, gate, { toTerminal: meddle((p) => (p.length === 0 || i >= toTerminal.length ? undefined : [toTerminal[i++]!])) });
    expect(gate.opened()).toBe(1);
    expect(records(gate)).toBe(1);
  });
  test("a recorded tap opens nothing at another gate (cross-terminal)", () => {
    const { w, phone, toTerminal } = recorded();
    const other = makeStation(w, { name: "south" });
    let i = 0;
    tap(copyPhone(phone), other, { toTerminal: meddle((p) => (p.length === 0 || i >= toTerminal.length ? undefined : [toTerminal[i++]!])) });
    expect(other.opened()).toBe(0);
  });
  test("an acknowledgement of an earlier session acknowledges nothing (cross-session)", () => {
    const w = makeWorld();
    const gate = makeStation(w);
    const phone = makePhone(w, coupons(w, 5));
    let old: Uint8Array | undefined;
    tap(phone, gate, { toTerminal: meddle((p, type) => { if (type === kinds.acknowledgement) old = p; return undefined; }) });
    tap(phone, gate, { forMs: 2500, toTerminal: meddle((_p, type) => (type === kinds.acknowledgement ? [old!] : undefined)) });
    expect(gate.opened()).toBe(1);
  });
  test("the acknowledgement before the presentation is ignored", () => {
    const { gate, phone } = world();
    let held: Uint8Array | undefined;
    tap(phone, gate, { toTerminal: meddle((p, type) => {
      if (type === kinds.presentation && held === undefined) { held = p; return [p, p]; }
      return undefined;
    }) });
    expect(gate.opened()).toBe(1);
    expect(records(gate)).toBe(1);
  });
  test("a handset hearing its own words takes none for an answer (echo, reflection)", () => {
    const { gate, phone } = world();
    tap(phone, gate, { toHandset: meddle((p, _t, link) => [p, ...(p.length > 0 && link >= 0 ? [p] : [])]) });
    expect(gate.opened()).toBe(1);
    expect(records(gate)).toBe(1);
  });
});

describe("a false terminal", () => {
  test("without a certificate of this provider it is shown nothing", () => {
    const w = makeWorld();
    const thief = makeStation({ ...w, provider: makeProvider("thief") });
    const phone = makePhone(w, ticket(w));
    const seen: number[] = [];
    tap(phone, thief, { toTerminal: meddle((p, type) => { if (p.length > 0) seen.push(type); return undefined; }) });
    expect(seen).not.toContain(kinds.presentation);
  });
  test.each([
    ["ended beyond its grace", { certificate: { expires: start - 20 * daySeconds, notBefore: start - 30 * daySeconds } }],
    ["not begun", { certificate: { notBefore: start + daySeconds } }],
    ["not for this kind", { certificate: { kinds: ["coffee"] } }],
  ])("a certificate %s is shown nothing", (_why, options) => {
    const w = makeWorld();
    const gate = makeStation(w, options);
    const phone = makePhone(w, ticket(w));
    const seen: number[] = [];
    tap(phone, gate, { toTerminal: meddle((p, type) => { if (p.length > 0) seen.push(type); return undefined; }) });
    expect(seen).not.toContain(kinds.presentation);
  });
  test("another's certificate in its hands gives it nothing to read", () => {
    const w = makeWorld();
    const good = makeStation(w, { name: "good" });
    const thief = makeStation(w, { name: "thief" });
    const stolen = good.terminal.setup.certificate!;
    thief.terminal.verifier.settings.certificate = stolen;
    const phone = makePhone(w, ticket(w));
    tap(phone, thief);
    expect(thief.opened()).toBe(0);
    expect(thief.codes()).toEqual([refusal.bad_message]);
    expect(newestReceipt(phone.wallet.values[0]!)).toBeUndefined();
  });
  test("a higher amount in the hello is what the holder is asked about, and what fails if it is changed on the way", () => {
    const w = makeWorld();
    const fare = makeStation(w, { takes: [{ kind: "card", action: 3, zone: 1 }], tariffs: [{ id: 1, kind: "card", price: { currency: 978, amount: 350 }, from: 0 }] });
    const phone = makePhone(w, card(w, 5000));
    tap(phone, fare, { forMs: 2500, toHandset: meddle((p, type) => {
      if (type !== kinds.hello) return undefined;
      const h = decodeHello(p)!;
      return [encodeHello({ ...h, want: { ...h.want, amount: 35 } })];
    }) });
    expect(records(fare)).toBe(0);
    expect(newestReceipt(phone.wallet.values[0]!)).toBeUndefined();
  });
  test("a downgraded offer fails: every byte of hello is covered", () => {
    const { gate, phone } = world();
    tap(phone, gate, { forMs: 2500, toHandset: meddle((p, type) => {
      if (type !== kinds.hello) return undefined;
      return [encodeHello({ ...decodeHello(p)!, offer: 3 })];
    }) });
    expect(records(gate)).toBe(0);
  });
  test("a stop in clear, after the receipt is stored, changes nothing", () => {
    const { gate, phone } = world();
    tap(phone, gate, { toHandset: meddle((p, type) => (type === kinds.outcome ? [new Uint8Array([0x82, 8, 1])] : [p])) });
    expect(gate.opened()).toBe(1);
    expect(newestOf(phone.wallet.values[0]!.receipts)!.state).toBe("unresolved");
  });
});

describe("a false handset", () => {
  test("a value signed by another key is not genuine", () => {
    const w = makeWorld();
    const gate = makeStation(w);
    const phone = makePhone(w, sell(w, "ticket", {}, secretOf("forger")));
    tap(phone, gate);
    expect(shownTo(phone)).toEqual([refusal.not_genuine]);
    expect(gate.opened()).toBe(0);
  });
  test("a copied value without its key is not genuine", () => {
    const w = makeWorld();
    const gate = makeStation(w);
    const sold = ticket(w);
    const phone = makePhone(w, { ...sold, secret: secretOf("not it") });
    tap(phone, gate);
    expect(shownTo(phone)).toEqual([refusal.not_genuine]);
  });
  test("a copied phone passes once in all at one gate", () => {
    const w = makeWorld();
    const gate = makeStation(w);
    const phone = makePhone(w, coupons(w, 1));
    const copy = copyPhone(phone);
    tap(phone, gate);
    tap(copy, gate);
    expect(gate.codes()).toEqual([0, refusal.already_used]);
  });
  test("a rolled-back coupon book is an old copy", () => {
    const w = makeWorld();
    const gate = makeStation(w);
    const phone = makePhone(w, coupons(w, 5));
    tap(phone, gate);
    const old = copyPhone(phone);
    tap(phone, gate);
    tap(old, gate);
    expect(shownTo(old)).toEqual([refusal.state_outdated]);
  });
  test("k deaf gates accept at most k times the limit of one copied value (S11 bound)", () => {
    const w = makeWorld();
    const gates = ["a", "b", "c"].map((name) => makeStation(w, { name }));
    const original = makePhone(w, coupons(w, 9, { offline: { uses: 2, amount: 2, days: 30 } }));
    for (const gate of gates) {
      const copy = copyPhone(original);
      for (let i = 0; i < 4; i++) tap(copy, gate);
      expect(gate.opened()).toBe(2);
      expect(shownTo(copy)).toEqual([refusal.sync_needed]);
    }
  });
  test("two copies cannot climb in turn at one gate beyond the amount", () => {
    const w = makeWorld();
    const fare = makeStation(w, { takes: [{ kind: "card", action: 3, zone: 1 }], tariffs: [{ id: 1, kind: "card", price: { currency: 978, amount: 300 }, from: 0 }] });
    const phone = makePhone(w, card(w, 5000, { offline: { uses: 20, amount: 1000, days: 30 } }));
    for (let i = 0; i < 5; i++) tap(phone, fare);
    expect(fare.opened()).toBe(3);
    expect(shownTo(phone)).toEqual([refusal.sync_needed]);
  });
  test("a receipt of a terminal that the gate does not know is shown with its certificate the second time", () => {
    const w = makeWorld();
    const north = makeStation(w, { name: "north" });
    const south = makeStation(w, { name: "south" });
    const phone = makePhone(w, coupons(w, 5));
    tap(phone, north);
    tap(phone, south);
    expect(south.codes()).toEqual([refusal.terminal_unknown]);
    tap(phone, south);
    expect(south.codes()).toEqual([refusal.terminal_unknown, 0]);
  });
  test("a certificate shown along that the provider did not sign proves nothing", () => {
    const w = makeWorld();
    const north = makeStation({ ...w, provider: makeProvider("thief") }, { name: "north" });
    const south = makeStation(w, { name: "south" });
    const phone = makePhone({ ...w, provider: w.provider }, coupons(w, 5));
    const honest = makePhone(w, coupons(w, 5));
    tap(honest, makeStation(w, { name: "west" }));
    const kept = newestOf(honest.wallet.values[0]!.receipts)!;
    const c = certificateOf({ ...w, provider: makeProvider("thief") }, {}, "west");
    kept.certificate = c;
    honest.wallet.values[0]!.showCertificate = true;
    tap(honest, south);
    expect(shownTo(honest)).toEqual([refusal.terminal_unknown]);
    expect(encodeSignedClaims(c.kid, c.claims, c.signature).length).toBeGreaterThan(100);
    expect(phone.events.length + north.events.length).toBe(0);
  });
});

describe("hostile bytes", () => {
  test("noise of every length, in every state, neither crashes nor stops the next holder", () => {
    const w = makeWorld();
    const gate = makeStation(w);
    let seed = 7;
    const random = () => (seed = (seed * 1103515245 + 12345) & 0x7fffffff) >>> 8;
    for (let round = 0; round < 40; round++) {
      const phone = makePhone(w, ticket(w));
      let nth = 0;
      tap(phone, gate, { forMs: 400, toTerminal: (bytes) => {
        if (++nth !== 1 + (round % 5)) return [bytes];
        return [new Uint8Array(Array.from({ length: random() % 3000 }, () => random() & 255)), bytes];
      } });
      wait(gate, 9000);
    }
    const before = gate.opened();
    tap(makePhone(w, ticket(w)), gate);
    expect(gate.opened()).toBe(before + 1);
    expect(gate.terminal.verifier.pending.length).toBeLessThanOrEqual(64);
  });
  test("messages of random structure in every state end in at most a clean refusal", () => {
    const w = makeWorld();
    const gate = makeStation(w);
    let seed = 99;
    const random = () => (seed = (seed * 1103515245 + 12345) & 0x7fffffff) >>> 8;
    for (let round = 0; round < 60; round++) {
      const phone = makePhone(w, ticket(w));
      let nth = 0;
      tap(phone, gate, { forMs: 300, toTerminal: meddle((p) => {
        if (p.length === 0 || ++nth !== 1 + (round % 3)) return undefined;
        return [new Uint8Array([0x80 + (random() % 9), random() % 12, ...Array.from({ length: random() % 400 }, () => random() & 255)])];
      }) });
      wait(gate, 9000);
    }
    const before = gate.opened();
    tap(makePhone(w, ticket(w)), gate);
    expect(gate.opened()).toBe(before + 1);
  });
  test("an unknown version is answered by a clean refusal on the handset", () => {
    const { gate, phone } = world();
    tap(phone, gate, { forMs: 300, toHandset: meddle((p, type) => {
      if (type !== kinds.hello) return undefined;
      const changed = new Uint8Array(p);
      changed[2] = 2;
      return [changed];
    }) });
    expect(shownTo(phone)).toContain(refusal.unsupported_version);
  });
  test("secrets of a tap are erased when it ends", () => {
    const { gate, phone } = world();
    let secret: Uint8Array | undefined;
    tap(phone, gate, { stopWhen: () => { secret = gate.terminal.verifier.tap?.secret ?? secret; return gate.opened() > 0; } });
    tap(phone, gate, { forMs: 9000 });
    expect(secret!.every((b) => b === 0)).toBe(true);
    expect(crypto.publicKey(secret!)).toBeUndefined();
    give(phone, ticket(phone.world));
  });
});
