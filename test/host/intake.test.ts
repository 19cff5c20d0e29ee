/**
 * Intake of journals (`design.md` §8, `money.md` §3–5; I1, I2, I4, I14): each entry counts once, by whatever road, in whatever
 * order; a lie is an incident, wedges nothing and moves no money; after each of it the books balance.
 */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { checkBooks } from "../../host/invariants.js";
import { trialBalance } from "../../host/ledger.js";
import { sell } from "../../host/products.js";
import { transact } from "../../host/database.js";
import { declareLost, restoreTerminal, revokeTerminal, suspendTerminal } from "../../host/suspension.js";
import { encodeEntry, type Entry } from "../../protocol/wire/entry.js";
import { certificateId, decodeTerminalCertificate, encodeTerminalCertificate, terminalToSign } from "../../protocol/wire/certificate.js";
import { encodeReversal, reversalToSign } from "../../protocol/wire/receipt.js";
import * as handsetLetters from "../../protocol/wire/handset-letters.js";
import * as w from "../../protocol/wire/sync.js";
import { digest16 } from "../../protocol/wire/value.js";
import {
  ask, batchOf, card, collect, crypto, deliverLetter, enrolBox, gateOf, headAfter, holder, journal, letter, newSecret, openShop, openWorld, reversal, sync, tapSecret, ten, use,
  type Box, type Held, type Link, type World,
} from "./world.js";

let x: World;
let box: Box;
beforeEach(async () => { x = await openWorld(); await openShop(x); box = await enrolBox(x); });
afterEach(async () => {
  expect(await checkBooks(x.context.db)).toEqual([]);
  await x.close();
});

const incidents = async (): Promise<string[]> => (await x.context.db.selectFrom("incident").select("what").orderBy("incident_id").execute()).map((r) => r.what);
const states = async (): Promise<Record<string, number>> => {
  const rows = await x.context.db.selectFrom("value_use").select("state").execute();
  return rows.reduce<Record<string, number>>((all, r) => ({ ...all, [r.state]: (all[r.state] ?? 0) + 1 }), {});
};
const earned = async (merchant = "hall"): Promise<number> =>
  [...await trialBalance(x.context.db, "EUR")].filter(([a]) => a.startsWith(`merchant/${merchant}/`)).reduce((sum, [, v]) => sum - Number(v), 0);
const chain = (v: Held, length: number, at = box): Link[] => {
  const links: Link[] = [];
  for (let n = 0; n < length; n++) links.push(use(x, at, v, links.at(-1)));
  return links;
};

describe("each entry once", () => {
  const shuffled = <T>(items: T[], seed: number): T[] => items.map((item, i) => ({ item, key: crypto.sha256(new Uint8Array([seed, i])).join() })).sort((a, b) => (a.key < b.key ? -1 : 1)).map((e) => e.item);

  test("row 45: split, overlapping, repeated, in any order: taken once, and what is missing is asked for", async () => {
    const pieces: [number, number][] = [[1, 3], [2, 5], [5, 5], [7, 10], [6, 6], [4, 9]];
    for (let seed = 1; seed <= 8; seed++) {
      const terminal = await enrolBox(x);
      const { value } = await holder(x, `aiko ${seed}`.replace(" ", "-"), "ten");
      journal(terminal, ...chain(value, 10, terminal).map((l) => l.entry));
      const taken = new Set<number>();
      for (const [first, last] of shuffled(pieces, seed)) {
        for (let n = first; n <= last; n++) taken.add(n);
        let whole = 0;
        while (taken.has(whole + 1)) whole++;
        expect(await sync(x, terminal, batchOf(terminal, first, last)), `seed ${seed}`).toBe(whole);
      }
      expect(await states(), `seed ${seed}`).toEqual({ finished: 10 * seed });
    }
    expect(await earned()).toBe(8 * 4500);
    expect(new Set(await incidents())).toEqual(new Set(["entries are missing"]));
  });

  test("row 44: the answer is lost and the letter sent fifty times: one effect, one answer, byte for byte", async () => {
    const { value } = await holder(x, "aiko", "concert");
    journal(box, use(x, box, value, undefined).entry);
    const bytes = letter(x, box, w.messageType.records, batchOf(box), { quality: 0 });
    const answers = new Set<string>();
    for (let n = 0; n < 50; n++) answers.add(Buffer.from((await deliverLetter(x, bytes))!).toString("hex"));
    expect(answers.size).toBe(1);
    expect(x.counted["repeated"]).toBe(49);
    expect(await states()).toEqual({ finished: 1 });
  });

  test("the same batch in another letter is taken once, too", async () => {
    const { value } = await holder(x, "aiko", "concert");
    journal(box, use(x, box, value, undefined).entry);
    expect([await sync(x, box), await sync(x, box), await sync(x, box)]).toEqual([1, 1, 1]);
    expect(await earned()).toBe(2700);
  });

  test("I14: a journal with its beginning cut off: what arrived counts, the gap is noticed once and stays until an operator declares it lost", async () => {
    const { value } = await holder(x, "aiko", "ten");
    journal(box, ...chain(value, 6).map((l) => l.entry));
    await sync(x, box, batchOf(box, 1, 2));
    expect([await sync(x, box, batchOf(box, 5, 5)), await sync(x, box, batchOf(box, 6, 6)), await sync(x, box, batchOf(box, 5, 6))]).toEqual([2, 2, 2]);
    expect(await incidents()).toEqual(["entries are missing"]);
    expect(await states()).toEqual({ finished: 4 });
    await expect(transact(x.context.db, (tx) => declareLost(x.context, tx, box.id, 5, "flash broken"))).rejects.toThrow("no gap up to 5");
    expect(await transact(x.context.db, (tx) => declareLost(x.context, tx, box.id, 4, "flash broken"))).toBe(6);
    journal(box, { kind: "closed", tap: 99 });
    expect(await sync(x, box, batchOf(box, 7, 7))).toBe(7);
    expect(await incidents()).toEqual(["entries are missing"]);
  });

  test("sequences out of this world are not believed", async () => {
    journal(box, { kind: "closed", tap: 1 });
    for (const first of [0, 1_000_000, Number.MAX_SAFE_INTEGER]) expect(await sync(x, box, batchOf(box, 1, 1, { first }))).toBe(0);
    expect(new Set(await incidents())).toEqual(new Set(["a batch with sequences that cannot be"]));
    expect(await x.context.db.selectFrom("entry_taken").selectAll().execute()).toEqual([]);
  });

  test("an edited journal: the chain differs, once", async () => {
    journal(box, { kind: "closed", tap: 1 }, { kind: "closed", tap: 2 }, { kind: "closed", tap: 3 });
    await sync(x, box, batchOf(box, 1, 1));
    await sync(x, box, batchOf(box, 2, 2, { head: new Uint8Array(16).fill(7) }));
    expect(await incidents()).toEqual(["chain differs"]);
    const head = crypto.sha256(new Uint8Array([...new Uint8Array(16).fill(7), ...box.entries[2]!])).subarray(0, 16);
    await sync(x, box, batchOf(box, 3, 3, { head }));
    expect(await incidents(), "what follows the edited part fits it").toEqual(["chain differs"]);
    expect(headAfter(box.entries)).not.toEqual(head);
  });
});

describe("row 46: the same number, another content", () => {
  const entries: [string, Entry][] = [
    ["tap", { kind: "closed", tap: 6 }], ["boot", { kind: "boot", boot: 2, at: 0, quality: 0 }],
    ["refusal", { kind: "refused", code: 9, valueId: new Uint8Array(8), at: 0, quality: 0 }],
  ];
  test.each(entries)("a cloned box is found by its %s entry: suspended, both kept, the first stands", async (_name, other) => {
    const { value } = await holder(x, "aiko", "concert");
    const clone: Box = { ...box, entries: [], next: 500 };
    journal(box, { kind: "closed", tap: 5 });
    journal(clone, other, use(x, clone, value, undefined).entry);
    expect(await sync(x, box)).toBe(1);
    expect(await sync(x, clone)).toBe(1);
    expect(await incidents()).toEqual(["two entries with one number"]);
    expect(await x.context.db.selectFrom("terminal").select("suspended").execute()).toEqual([{ suspended: 1 }]);
    expect(await states(), "nothing of the second journal counted").toEqual({});
  });
  test("one byte changed anywhere in an entry is noticed", async () => {
    const { value } = await holder(x, "aiko", "concert");
    journal(box, use(x, box, value, undefined).entry);
    await sync(x, box);
    const bytes = box.entries[0]!;
    for (let at = 0; at < bytes.length; at += 17) {
      await transact(x.context.db, (tx) => restoreTerminal(x.context, tx, box.id, "test"));
      const changed = new Uint8Array(bytes);
      changed[at]! ^= 0x40;
      await sync(x, box, w.encodeBatch({ boot: 1, first: 1, entries: [changed], head: new Uint8Array(16) }));
    }
    expect(await incidents()).toHaveLength(Math.ceil(bytes.length / 17));
    expect(await states()).toEqual({ finished: 1 });
  });
});

describe("row 47: a poison record", () => {
  test("at every position of a batch is an incident, and the rest goes through", async () => {
    const size = 6;
    const { value } = await holder(x, "aiko", "ten");
    const good = chain(value, 3);
    const poison = encodeEntry({ kind: "reversal", reversal: new Uint8Array([1, 2]), proof: new Uint8Array(8) });
    for (let position = 0; position < size; position++) {
      const other = await enrolBox(x);
      const entries = Array.from({ length: size }, (_, n) => (n === position ? poison : encodeEntry({ kind: "closed", tap: n + 1 })));
      journal(other, ...entries);
      expect(await sync(x, other), `position ${position}`).toBe(size);
    }
    journal(box, new Uint8Array([0xff, 0x00]), good[0]!.entry, new Uint8Array(0), good[1]!.entry, new Uint8Array([0x80]), good[2]!.entry);
    expect(await sync(x, box)).toBe(6);
    expect(await states()).toEqual({ finished: 3 });
    expect(await incidents()).toEqual([...Array(size).fill("the reversal cannot be read"), ...Array(3).fill("the entry cannot be read")]);
  });
});

describe("what a terminal cannot claim", () => {
  type Forge = (v: Held, other: Held) => Link;
  const cases: [string, string, Forge][] = [
    ["a receipt that it did not sign", "the terminal's signature is not genuine", (v) => use(x, box, v, undefined, {}, { signer: newSecret(x) })],
    ["a use that the holder did not acknowledge", "the value's key did not agree to this receipt", (v) => use(x, box, v, undefined, {}, { holder: newSecret(x) })],
    ["a use that another value's key acknowledged", "the value's key did not agree to this receipt", (v, other) => use(x, box, v, undefined, {}, { holder: other.secret })],
    ["a value that was never issued", "the value was never issued", (v) => use(x, box, { ...v, valueId: new Uint8Array(8).fill(9) }, undefined)],
    ["a certificate that was never given", "the receipt names a terminal that was never certified", (v) => use(x, box, v, undefined, { terminal: new Uint8Array(8).fill(9) })],
    ["more than the value holds", "the running total does not fit the value", (v) => use(x, box, v, undefined, { amount: 11, after: 11 })],
    ["a use of nothing", "the running total does not fit the value", (v) => use(x, box, v, undefined, { amount: 0, after: 0 })],
    ["less than what it took", "the running total does not fit the value", (v) => use(x, box, v, undefined, { amount: 5, after: 4 })],
    ["a host's receipt", "only a use is finished by a terminal", (v) => use(x, box, v, undefined, { kind: 3 })],
    ["a use before its certificate", "the receipt is older than its certificate", (v) => use(x, box, v, undefined, { at: x.machine.now() - 86_400 })],
    ["a use after certificate and grace", "the receipt is later than its certificate allows", (v) => use(x, box, v, undefined, { at: x.machine.now() + 22 * 86_400 })],
  ];
  test.each(cases)("%s", async (_name, what, forge) => {
    const { value } = await holder(x, "aiko", "ten");
    const other = await holder(x, "ben", "concert");
    journal(box, forge(value, other.value).entry);
    expect(await sync(x, box)).toBe(1);
    expect(await incidents()).toEqual([what]);
    expect(await earned()).toBe(0);
    expect(await states()).toEqual({});
  });
  test("a kind that its certificate does not name, or more than its limit", async () => {
    const small = await enrolBox(x, gateOf({ takes: [{ kind: "card", action: 3, zone: 1 }], most: 500 }));
    const [ticket, money] = [(await holder(x, "aiko", "concert")).value, (await holder(x, "ben", "card")).value];
    journal(small, use(x, small, ticket, undefined).entry, use(x, small, money, undefined, { amount: 501 }).entry, use(x, small, money, undefined, { amount: 500 }).entry);
    expect(await sync(x, small)).toBe(3);
    expect(await incidents()).toEqual(["the terminal was not certified for this kind", "the amount is above the terminal's certificate"]);
    expect(await earned()).toBe(500);
  });
  test("an ended certificate is good for half its life more, for a tenth of its limit", async () => {
    const money = (await holder(x, "aiko", "card")).value;
    const at = x.machine.now() + 15 * 86_400;
    const first = use(x, box, money, undefined, { amount: 200, at });
    journal(box, first.entry, use(x, box, money, first, { amount: 201, at }).entry);
    await sync(x, box);
    expect(await incidents()).toEqual(["the amount is above a tenth of an ended certificate"]);
    expect(await earned()).toBe(200);
  });
  test("money for another merchant: it goes to whom the certificate names, whoever brings the record", async () => {
    const { value } = await holder(x, "aiko", "concert");
    await x.context.db.insertInto("merchant").values({ merchant_id: "bar", name: "Bar" }).execute();
    const bar = await enrolBox(x, gateOf({ merchant: "bar" }));
    journal(bar, use(x, box, value, undefined).entry);
    await sync(x, bar);
    expect([await earned("hall"), await earned("bar")]).toEqual([2700, 0]);
  });
});

describe("reversals", () => {
  test("a use undone by the terminal that made it is given back once", async () => {
    const { value } = await holder(x, "aiko", "concert");
    const link = use(x, box, value, undefined);
    journal(box, link.entry, reversal(x, box, link), reversal(x, box, link));
    expect(await sync(x, box)).toBe(3);
    expect([await states(), await earned()]).toEqual([{ reversed: 1 }, 0]);
  });
  test("nobody undoes another terminal's use, in either order of arrival", async () => {
    const thief = await enrolBox(x);
    const [a, b] = [await holder(x, "aiko", "concert"), await holder(x, "ben", "concert")];
    const [first, second] = [use(x, box, a.value, undefined), use(x, box, b.value, undefined)];
    const stolen = (link: Link): Entry => {
      const bytes = encodeReversal({ terminal: thief.certificateId, tap: link.fields.tap, valueId: link.fields.valueId, counter: 1, receipt: digest16(crypto, link.receipt), reason: 1, at: x.machine.now() });
      return { kind: "reversal", reversal: bytes, proof: crypto.sign(tapSecret(thief), reversalToSign(bytes)) };
    };
    journal(box, first.entry, second.entry);
    await sync(x, box, batchOf(box, 1, 1));
    journal(thief, stolen(first), stolen(second), reversal(x, box, first));
    await sync(x, thief);
    await sync(x, box);
    expect([await states(), await earned()]).toEqual([{ finished: 2 }, 5400]);
    expect(await incidents()).toEqual(["the reversal contradicts its use", "the reversal is not this terminal's"]);
  });
  test("after a handover the terminal that finished it undoes it, even if its reversal came before its record", async () => {
    const second = await enrolBox(x);
    const { value } = await holder(x, "aiko", "concert");
    const link = use(x, box, value, undefined);
    const undone: Entry = { ...reversal(x, second, link) } as Entry;
    journal(second, { kind: "boot", boot: 1, at: 0, quality: 0 }, { ...link.entry, own: false } as Entry, undone);
    await sync(x, second, batchOf(second, 3, 3));
    await ask(x, (await holder(x, "chi", "ten")).phone, w.messageType.report, handsetLetters.encodeReport([link.record]));
    expect(await states()).toEqual({ pending: 1 });
    expect(await sync(x, second)).toBe(3);
    expect([await states(), await earned()]).toEqual([{ reversed: 1 }, 0]);
  });
});

describe("decision 1: what the holder brings", () => {
  test("pends until the owner's journal has it, and is voided when that is closed without it", async () => {
    const { phone, value } = await holder(x, "aiko", "ten");
    const [one, two] = chain(value, 2);
    const told = async (l: Link) => handsetLetters.decodeReported((await ask(x, phone, w.messageType.report, handsetLetters.encodeReport([l.record])))!)!;
    expect([await told(one!), await told(one!), await earned()]).toEqual([[1], [1], 0]);
    journal(box, one!.entry);
    await sync(x, box);
    expect([await told(one!), await told(two!), await earned()]).toEqual([[0], [1], 450]);
    journal(box, { kind: "closed", tap: 2 });
    await sync(x, box);
    expect([await told(two!), await earned()]).toEqual([[2], 450]);
  });
  test("S11: is not told undone while a terminal that got it by handover may still finish it; sixty days later it is", async () => {
    const { phone, value } = await holder(x, "aiko", "concert");
    const second = await enrolBox(x);
    const link = use(x, box, value, undefined);
    const told = async () => handsetLetters.decodeReported((await ask(x, phone, w.messageType.report, handsetLetters.encodeReport([link.record])))!)!;
    const given: Entry = { kind: "handover", valueId: value.valueId, counter: 1, to: second.certificateId, receiptDigest: digest16(crypto, link.receipt), at: x.machine.now(), quality: 2 };
    journal(box, given, { kind: "closed", tap: 1 });
    await sync(x, box, batchOf(box, 2, 2));
    expect(await told()).toEqual([2]);
    await sync(x, box);
    expect(await told()).toEqual([1]);
    x.machine.advance(60 * 86_400 + 1);
    journal(second, { kind: "boot", boot: 1, at: 0, quality: 0 });
    await sync(x, second);
    expect([await told(), await states()]).toEqual([[2], { lapsed: 1 }]);
  });
  test("a forged record is told to differ and changes nothing", async () => {
    const { phone, value } = await holder(x, "aiko", "concert");
    const forged = use(x, box, value, undefined, {}, { signer: newSecret(x) });
    expect(handsetLetters.decodeReported((await ask(x, phone, w.messageType.report, handsetLetters.encodeReport([forged.record, new Uint8Array([1])])))!)).toEqual([3, 3]);
    expect(await states()).toEqual({});
  });
});

describe("double use", () => {
  test("I2: a copied handset at two deaf gates: both receipts in the case, the value suspended in books and list", async () => {
    const other = await enrolBox(x);
    const { value } = await holder(x, "aiko", "concert");
    journal(box, use(x, box, value, undefined).entry);
    journal(other, use(x, other, value, undefined).entry);
    await sync(x, box);
    expect((await x.context.db.selectFrom("issued").select("status").executeTakeFirst())!.status).toBe(0);
    await sync(x, other);
    const [found] = await x.context.db.selectFrom("double_use_case").selectAll().execute();
    expect([found!.first_evidence!.length > 200, found!.second_evidence!.length > 200, found!.first_use !== found!.second_use]).toEqual([true, true, true]);
    expect((await x.context.db.selectFrom("issued").select("status").executeTakeFirst())!.status).toBe(2);
    expect(await earned()).toBe(2700);
    expect(await x.context.db.selectFrom("held").select(["debit", "amount"]).execute()).toEqual([{ debit: "dispute/" + found!.case_id, amount: 2700 }]);
  });
  test("a case that opens by the holder's own word suspends the value, too", async () => {
    const other = await enrolBox(x);
    const { phone, value } = await holder(x, "aiko", "concert");
    const [a, b] = [use(x, box, value, undefined), use(x, other, value, undefined)];
    journal(box, a.entry);
    journal(other, b.entry);
    await ask(x, phone, w.messageType.report, handsetLetters.encodeReport([b.record]));
    await sync(x, other);
    await sync(x, box);
    expect((await x.context.db.selectFrom("double_use_case").selectAll().execute())).toHaveLength(1);
    expect((await x.context.db.selectFrom("issued").select("status").executeTakeFirst())!.status).toBe(2);
  });
});

describe("a terminal that is believed no longer", () => {
  const suspend = () => transact(x.context.db, (tx) => suspendTerminal(x.context, tx, box.id, "looked at"));
  test("its records are kept, count for nothing, and count in their order once it is restored", async () => {
    const { value } = await holder(x, "aiko", "ten");
    const links = chain(value, 3);
    journal(box, links[0]!.entry, links[1]!.entry, reversal(x, box, links[1]!), new Uint8Array([0xff]));
    await sync(x, box, batchOf(box, 1, 1));
    await suspend();
    expect(await sync(x, box)).toBe(4);
    expect([await states(), await earned(), await incidents()]).toEqual([{ finished: 1 }, 450, []]);
    await transact(x.context.db, (tx) => restoreTerminal(x.context, tx, box.id, "the clone was found"));
    expect([await states(), await earned(), await incidents()]).toEqual([{ finished: 1, reversed: 1 }, 450, ["the entry cannot be read"]]);
    expect(await x.context.db.selectFrom("entry_taken").select("held").where("held", "is not", null).execute()).toEqual([]);
  });
  test("a revoked one stays revoked; other terminals and handsets are told in a signed revocation", async () => {
    const { value } = await holder(x, "aiko", "concert");
    await transact(x.context.db, (tx) => revokeTerminal(x.context, tx, box.id, "stolen"));
    await expect(transact(x.context.db, (tx) => restoreTerminal(x.context, tx, box.id, "found"))).rejects.toThrow("stays revoked");
    journal(box, use(x, box, value, undefined).entry);
    await sync(x, box);
    expect([await states(), await earned()]).toEqual([{}, 0]);
  });
});

test("values sold and spent at the desk and gate leave what is unspent, and nothing else, to their holders", async () => {
  const { phone, value } = await holder(x, "aiko", "card");
  await sell(x.context, { product: ten.product, user: "aiko", reference: "second, with a / and {d}", paid: "desk" });
  const [book] = await collect(x, phone);
  const paid = use(x, box, value, undefined, { amount: 350 });
  journal(box, paid.entry, use(x, box, value, paid, { amount: 1650 }).entry, ...chain(book!, 4).map((l) => l.entry));
  expect(await sync(x, box)).toBe(6);
  const left = [...await trialBalance(x.context.db, "EUR")].filter(([a]) => /^(prepaid|unearned)/.test(a)).map(([, v]) => Number(v));
  expect([left, await incidents()]).toEqual([[-3000], []]);
  expect(card.most).toBe(2000);
});

describe("row 50: a host that was restored has forgotten certificates made since its backup", () => {
  interface Renewed { certificate: Uint8Array; id: Uint8Array; signing: Uint8Array }
  const keysOf = () => x.context.db.selectFrom("terminal").select(["certificate", "agreement_key", "expires"]).where("terminal_id", "=", box.id).executeTakeFirstOrThrow();
  /** A renewal whose answer the box read; its letters are opened with the new key from then on. */
  async function renewed(counter: number): Promise<Renewed> {
    const [signing, agreement] = [newSecret(x), newSecret(x)];
    x.machine.advance(3600);
    const certificate = (await ask(x, box, w.messageType.renew, w.encodeRenewal({ counter, signingKey: crypto.publicKey(signing)!, agreementKey: crypto.publicKey(agreement)! })))!;
    box.agreement = agreement;
    return { certificate, id: certificateId(crypto, w.decodeSignedClaims(certificate)!.claims), signing };
  }
  /** Does what is lost, and puts the terminal's row and the table of certificates back. */
  async function forgets<T>(lost: () => Promise<T>): Promise<T> {
    const [row, last] = [await keysOf(), await x.context.db.selectFrom("certificate").select((e) => e.fn.max("number").as("number")).executeTakeFirstOrThrow()];
    const answer = await lost();
    await x.context.db.deleteFrom("certificate").where("number", ">", last.number).execute();
    await x.context.db.updateTable("terminal").set({ ...row, renewal_counter: 0, renewal_digest: "" }).where("terminal_id", "=", box.id).execute();
    return answer;
  }
  const shows = async (certificate: Uint8Array | undefined, body = batchOf(box)): Promise<number | undefined> => {
    const answer = await ask(x, box, w.messageType.records, body, { quality: 0, certificate });
    return answer === undefined ? undefined : w.decodeBatchTaken(answer)?.through;
  };

  test("the terminal shows its own with the records: they count, and the answer is sealed to the key it has now", async () => {
    const { value } = await holder(x, "aiko", "concert");
    const now = await forgets(async () => { await renewed(1); return await renewed(2); });
    journal(box, use(x, box, value, undefined, { terminal: now.id }, { signer: now.signing }).entry);
    expect(await shows(now.certificate)).toBe(1);
    expect([await states(), await incidents(), await earned()]).toEqual([{ finished: 1 }, [], 2700]);
    expect(new Uint8Array((await keysOf()).certificate!)).toEqual(now.certificate);
  });
  test("records under several: taken up to the first that is unknown, which comes again with its own", async () => {
    const { value } = await holder(x, "aiko", "ten");
    const [first, second] = await forgets(async () => [await renewed(1), await renewed(2)] as const);
    const one = use(x, box, value, undefined, { terminal: first.id }, { signer: first.signing });
    const two = use(x, box, value, one, { terminal: first.id }, { signer: first.signing });
    const three = use(x, box, value, two, { terminal: second.id }, { signer: second.signing });
    journal(box, one.entry, reversal(x, box, one), two.entry, three.entry);
    expect(await shows(second.certificate), "it asks how far the host is, and can read the answer").toBe(0);
    await x.context.db.deleteFrom("certificate").where("certificate_id", "=", Buffer.from(second.id).toString("hex")).execute();
    expect(await shows(first.certificate)).toBe(3);
    expect(await shows(second.certificate, batchOf(box, 4))).toBe(4);
    expect([await states(), await incidents()]).toEqual([{ finished: 2, reversed: 1 }, []]);
    expect(new Uint8Array((await keysOf()).certificate!)).toEqual(second.certificate);
  });
  test("a record handed over comes with the certificate of whoever made it", async () => {
    const south = await enrolBox(x, gateOf({ name: "South" }));
    const { value } = await holder(x, "aiko", "concert");
    journal(south, use(x, box, value, undefined).entry);
    await x.context.db.deleteFrom("certificate").where("certificate_id", "=", Buffer.from(box.certificateId).toString("hex")).execute();
    const answer = await ask(x, south, w.messageType.records, batchOf(south), { quality: 0, certificate: box.certificate });
    expect([w.decodeBatchTaken(answer!)!.through, await states(), await earned()]).toEqual([1, { finished: 1 }, 2700]);
    expect((await keysOf()).expires, "another's certificate changes nothing of the sender's own").toBeGreaterThan(0);
  });
  test("one that was lost on both sides holds nothing up: with none to show, the record is an incident", async () => {
    const { value } = await holder(x, "aiko", "concert");
    const now = await forgets(() => renewed(1));
    journal(box, use(x, box, value, undefined, { terminal: now.id }, { signer: now.signing }).entry, { kind: "boot", boot: 2, at: 0, quality: 0 });
    box.agreement = now.signing;
    await x.context.db.updateTable("terminal").set({ agreement_key: Buffer.from(crypto.publicKey(now.signing)!).toString("hex") }).where("terminal_id", "=", box.id).execute();
    expect(await shows(undefined)).toBe(2);
    expect([await states(), await incidents()]).toEqual([{}, ["the receipt names a terminal that was never certified"]]);
  });
  test.each([
    ["signed by another key", (bytes: Uint8Array) => {
      const { kid, claims } = w.decodeSignedClaims(bytes)!;
      const richer = encodeTerminalCertificate({ ...decodeTerminalCertificate(claims)!, most: 1_000_000 });
      return w.encodeSignedClaims(kid, richer, crypto.sign(newSecret(x), terminalToSign(kid, richer)));
    }],
    ["for a terminal that nobody here knows", (bytes: Uint8Array) => {
      const { kid, claims } = w.decodeSignedClaims(bytes)!;
      const other = encodeTerminalCertificate({ ...decodeTerminalCertificate(claims)!, terminalId: new Uint8Array(8).fill(9) });
      return w.encodeSignedClaims(kid, other, x.context.keys.sign("certificates", terminalToSign(kid, other)));
    }],
    ["cut", (bytes: Uint8Array) => bytes.slice(1)],
  ])("a certificate %s teaches nothing", async (_what, change) => {
    const before = await x.context.db.selectFrom("certificate").selectAll().execute();
    const { value } = await holder(x, "aiko", "concert");
    journal(box, use(x, box, value, undefined, { terminal: new Uint8Array(8).fill(3) }).entry);
    expect(await shows(change(box.certificate))).toBe(1);
    expect([await states(), await incidents()]).toEqual([{}, ["the receipt names a terminal that was never certified"]]);
    expect(await x.context.db.selectFrom("certificate").selectAll().execute()).toEqual(before);
  });
  test("an older one shown again takes no newer key away", async () => {
    const old = box.certificate;
    await renewed(1);
    const before = await keysOf();
    expect(await shows(old)).toBe(0);
    expect(await keysOf()).toEqual(before);
  });
});
