/** Uses as money: the evening of §7, arrival in any order, who waits for whom (`money.md` §3, §5, decision 1). */
import { describe, expect, test } from "vitest";
import { transact, type Database } from "../../host/database.js";
import { checkBooks } from "../../host/invariants.js";
import { funds, post, trialBalance } from "../../host/ledger.js";
import { finishSurrender, surrender } from "../../host/ledger-events.js";
import { expireUnfinished, expireUse, handOver, recordUse, resolveCase, reverseUse, type Use } from "../../host/use.js";
import {
  beforeClearing, card, closed, evening, handedOver, paid, random, recorded, reversed, runAll, shuffle, ticket, use, used, when, withBooks, type Action,
} from "./use.evening.js";

const seeds = 50;
const one = (db: Database, action: Action) => transact(db, action);
const state = async (db: Database, id: string) => (await db.selectFrom("value_use").select("state").where("use_id", "=", id).executeTakeFirst())?.state;
const waiting = (db: Database) => db.selectFrom("intake").selectAll().execute();

describe("one evening", () => {
  test("gives the numbers of the paper, and no check complains", () => withBooks(async (db) => {
    await runAll(db, evening);
    expect(await trialBalance(db, "JPY")).toEqual(beforeClearing);
    expect(await checkBooks(db)).toEqual([]);
  }));

  test(`in ${seeds} orders, each set up to three times, gives the same`, async () => {
    for (let seed = 1; seed <= seeds; seed++) await withBooks(async (db) => {
      const next = random(seed);
      const repeated = evening.flatMap((x) => Array.from({ length: 1 + Math.floor(next() * 3) }, () => x));
      await runAll(db, shuffle(repeated, next));
      expect(await trialBalance(db, "JPY"), `seed ${seed}`).toEqual(beforeClearing);
      expect(await checkBooks(db), `seed ${seed}`).toEqual([]);
      expect(await waiting(db), `seed ${seed}`).toEqual([]);
    });
  }, 300_000);
});

/** A prepaid value of 1,000 and six uses of it, each brought by other roads; what must be left when all has arrived. */
const loaded = [...paid("p", "o", 1000), card("V", "order/o", 1000)];
function step(n: number, more: Partial<Use> = {}): Use {
  return use("s" + n, "V", n, n === 1 ? "V" : "s" + (n - 1), { amount: 150, before: 150 * (n - 1), after: 150 * n, ...more });
}
const roads: Action[] = [
  used(step(1)),
  used(step(2, { source: "holder" })), used(step(2, { acknowledged: false })),
  used(step(3, { source: "holder" })), closed("t-s3", 5),
  used(step(4, { acknowledged: false })), used(step(4, { source: "holder" })), closed("t-s4", 9),
  used(step(5)), reversed(step(5)),
  used(step(6, { acknowledged: false })),
];

test(`any road, any order: ${seeds} seeds`, async () => {
  for (let seed = 1; seed <= seeds; seed++) await withBooks(async (db) => {
    const next = random(seed);
    await runAll(db, shuffle([...loaded, ...roads, ...roads], next));
    expect(Object.fromEntries(await trialBalance(db, "JPY")), `seed ${seed}`)
      .toEqual({ "merchant/hall/1": -450n, "prepaid/V": -550n, "processor/c/1": 1000n });
    expect((await funds(db, "prepaid/V", "JPY")).available, `seed ${seed}`).toBe(400n);
    expect(await checkBooks(db), `seed ${seed}`).toEqual([]);
  });
}, 300_000);

describe("a record's facts decide", () => {
  const facts: [string, Action[], string, bigint, bigint][] = [
    ["journal with acknowledgement posts", [used(step(1))], "finished", 850n, 850n],
    ["a courier's is the journal's", [used(step(1, { source: "courier" }))], "finished", 850n, 850n],
    ["without acknowledgement it pends", [used(step(1, { acknowledged: false }))], "pending", 1000n, 850n],
    ["the holder's alone pends", [used(step(1, { source: "holder" }))], "pending", 1000n, 850n],
    ["the acknowledgement posts by any road", [used(step(1, { acknowledged: false })), used(step(1, { source: "holder" }))], "finished", 850n, 850n],
    ["closed without it voids", [used(step(1, { source: "holder" })), closed("t-s1", 5)], "lapsed", 1000n, 1000n],
    ["closed below it waits on", [used(step(1, { source: "holder" })), closed("t-s1", 4)], "pending", 1000n, 850n],
    ["brought after closed counts for nothing", [closed("t-s1", 5), used(step(1, { source: "holder" }))], "lapsed", 1000n, 1000n],
    ["a late journal is charged after all", [used(step(1, { source: "holder" })), closed("t-s1", 5), used(step(1))], "finished", 850n, 850n],
    ["a reversal voids what pends", [used(step(1, { acknowledged: false })), reversed(step(1))], "reversed", 1000n, 1000n],
    ["a reversal undoes what posted", [used(step(1)), reversed(step(1)), reversed(step(1))], "reversed", 1000n, 1000n],
    ["a reversal first waits for its use", [reversed(step(1)), used(step(1))], "reversed", 1000n, 1000n],
    ["unfinished for too long expires", [used(step(1, { acknowledged: false })), (tx) => expireUse(tx, "s1", recorded)], "lapsed", 1000n, 1000n],
    ["and still counts when proved", [used(step(1, { acknowledged: false })), (tx) => expireUse(tx, "s1", recorded), used(step(1))], "finished", 850n, 850n],
    ["a one-way record needs no acknowledgement", [used(step(1, { acknowledged: false, oneWayStep: 77 }))], "finished", 850n, 850n],
  ];
  test.each(facts)("%s", (_name, actions, expected, owed, available) => withBooks(async (db) => {
    await runAll(db, [...loaded, ...actions]);
    expect(await state(db, "s1")).toBe(expected);
    expect(await funds(db, "prepaid/V", "JPY")).toEqual({ owed, available });
    expect(await checkBooks(db)).toEqual([]);
  }));

  test("another content under the same id is an incident and changes nothing", () => withBooks(async (db) => {
    await runAll(db, [...loaded, used(step(1))]);
    const before = await trialBalance(db, "JPY");
    expect(await one(db, (tx) => recordUse(tx, step(1, { amount: 151 }), recorded))).toEqual({ incident: "use/s1" });
    expect(await trialBalance(db, "JPY")).toEqual(before);
  }));

  test("another content is an incident while the value is still unknown, too", () => withBooks(async (db) => {
    expect(await one(db, used(step(1)))).toEqual({ waits: "value" });
    expect(await one(db, used(step(1, { amount: 151 })))).toEqual({ incident: "use/s1" });
  }));

  test("undone on a later day: what the merchant must give back lowers what it is owed, and nobody else's money", () => withBooks(async (db) => {
    const undone = step(1, { merchant: "bar" });
    await runAll(db, [...loaded, used(undone), (tx) => reverseUse(tx, { useId: "s1", valueId: "V", terminal: "t-s1", at: 950, quality: 2 }, { day: 17, at: 1000 + 16 * 86_400 })]);
    expect(Object.fromEntries(await trialBalance(db, "JPY"))).toMatchObject({ "merchant/bar/1": -150n, "merchant/bar/17": 150n, "prepaid/V": -1000n });
    expect(await checkBooks(db)).toEqual([]);
    await one(db, (tx) => post(tx, {
      setId: "other/1", kind: "other", event: {}, at: 0, quality: 3, recorded, transfers: [{ debit: "merchant/bar/{d}", credit: "merchant/hall/{d}", amount: 1, currency: "JPY", phase: "posted" }],
    }));
    expect(await checkBooks(db)).toEqual([{ check: "M11", at: "JPY" }]);
  }));

  test("a reversal by another terminal is an incident", () => withBooks(async (db) => {
    await runAll(db, [...loaded, used(step(1))]);
    expect(await one(db, reversed(step(1, { terminal: "other" })))).toEqual({ incident: "reverse/s1" });
  }));

  test("a value worth nothing posts nothing; its use is recorded", () => withBooks(async (db) => {
    await runAll(db, [ticket("F", "order/o", { price: 0 }), used(use("f1", "F", 1, "F"))]);
    expect(await state(db, "f1")).toBe("finished");
    expect(await trialBalance(db, "JPY")).toEqual(new Map());
  }));
});

/** Whoever holds a receipt may still finish it, so its maker's `closed` says nothing of it (`tap.md` §4). */
describe("a receipt handed over stays with its new owner, in whatever order the journals arrive", () => {
  const brought = step(1, { source: "holder" });
  const byOther = step(1, { finisher: "t2" });
  const given = handedOver(brought);
  const late: Action = (tx) => expireUnfinished(tx, { day: 61, at: recorded.at + 60 * 86_400 + 1 });
  const cases: [string, Action[], string, bigint, bigint][] = [
    ["closed at the maker undoes nothing", [used(brought), given, closed("t-s1", 5)], "pending", 1000n, 850n],
    ["nor does the new owner's, whose numbers are others", [used(brought), given, closed("t-s1", 5), closed("t2", 99)], "pending", 1000n, 850n],
    ["the new owner finishes it", [used(brought), given, closed("t-s1", 5), used(byOther)], "finished", 850n, 850n],
    ["the maker finishes what came back to it", [used(brought), given, handedOver(brought, "t2"), closed("t-s1", 5), used(step(1))], "finished", 850n, 850n],
    ["on and back it is still somebody's", [used(brought), given, handedOver(brought, "t2"), given, closed("t-s1", 5)], "pending", 1000n, 850n],
    ["a stranger's word gives nothing away", [used(brought), handedOver(brought, "thief"), closed("t-s1", 5)], "lapsed", 1000n, 1000n],
    ["undone by the new owner", [used(brought), given, closed("t-s1", 5), used(byOther), reversed(byOther)], "reversed", 1000n, 1000n],
  ];
  test.each(cases)("%s", async (_name, actions, expected, owed, available) => {
    for (let seed = 0; seed < 12; seed++) await withBooks(async (db) => {
      await runAll(db, shuffle([...loaded, ...actions, ...actions], random(seed)));
      expect(await state(db, "s1"), `seed ${seed}`).toBe(expected);
      expect(await funds(db, "prepaid/V", "JPY"), `seed ${seed}`).toEqual({ owed, available });
      expect(await checkBooks(db), `seed ${seed}`).toEqual([]);
    });
  });

  test("never finished, it is given up after sixty days; not a second sooner, and a proof still counts", () => withBooks(async (db) => {
    await runAll(db, [...loaded, used(brought), given, closed("t-s1", 5)]);
    expect(await one(db, (tx) => expireUnfinished(tx, { day: 61, at: recorded.at + 60 * 86_400 }))).toEqual([]);
    expect([await one(db, late), await state(db, "s1")]).toEqual([["s1"], "lapsed"]);
    expect(await one(db, (tx) => handOver(tx, "t-s1", "s1", { day: 62, at: recorded.at + 61 * 86_400 }))).toBeUndefined();
    expect([await state(db, "s1"), (await funds(db, "prepaid/V", "JPY")).available]).toEqual(["lapsed", 1000n]);
    await one(db, used(byOther));
    expect([await state(db, "s1"), await checkBooks(db)]).toEqual(["finished", []]);
  }));
});

describe("double use", () => {
  const twins = [use("a", "V", 1, "V", { amount: 700, after: 700 }), use("b", "V", 1, "V", { amount: 800, after: 800, merchant: "bar" })] as const;

  test("only what exceeds the value is in dispute; both receipts are kept, the value is suspended", () => withBooks(async (db) => {
    await runAll(db, [...loaded, used({ ...twins[0], evidence: "0a" })]);
    expect(await one(db, used({ ...twins[1], evidence: "0b" }))).toEqual({ case: "V-1" });
    expect((await db.selectFrom("held").select(["debit", "amount"]).execute())).toEqual([{ debit: "dispute/V-1", amount: 500 }]);
    expect(await db.selectFrom("double_use_case").select(["first_evidence", "second_evidence"]).execute()).toEqual([{ first_evidence: "0a", second_evidence: "0b" }]);
    expect(await db.selectFrom("value").select("suspended").execute()).toEqual([{ suspended: 1 }]);
    expect(await checkBooks(db)).toEqual([]);
  }));

  test.each([
    ["for the merchant, the issuer bears", { merchant: true, bearer: "issuer/i/{d}" } as const, { "issuer/i/1": 500n, "merchant/bar/1": -800n, "merchant/hall/1": -700n, "processor/c/1": 1000n }],
    ["for the merchant, the provider bears", { merchant: true, bearer: "loss/double" } as const, { "loss/double": 500n, "merchant/bar/1": -800n, "merchant/hall/1": -700n, "processor/c/1": 1000n }],
    ["against the merchant", { merchant: false } as const, { "merchant/bar/1": -300n, "merchant/hall/1": -700n, "processor/c/1": 1000n }],
  ])("decided %s", (_name, decision, books) => withBooks(async (db) => {
    await runAll(db, [...loaded, used(twins[0]), used(twins[1])]);
    const decide: Action = (tx) => resolveCase(tx, "V-1", decision, recorded);
    expect([await one(db, decide), await one(db, decide)]).toEqual(["posted", "exists"]);
    expect(Object.fromEntries(await trialBalance(db, "JPY"))).toEqual(books);
    // A bearer's debit balance or loss lowers the cover until own money fills it (§5, line 41).
    expect((await checkBooks(db)).map((x) => x.check)).toEqual(decision.merchant ? ["M11"] : []);
    if (decision.merchant) await one(db, (tx) => post(tx, {
      setId: "own/1", kind: "own", event: {}, at: 0, quality: 3, recorded,
      transfers: [{ debit: "bank/client", credit: "bank/own", amount: 500, currency: "JPY", phase: "posted" }],
    }));
    expect(await checkBooks(db)).toEqual([]);
  }));

  test("nobody earns an issuer's share twice", () => withBooks(async (db) => {
    await runAll(db, [...paid("p", "o", 6000), ticket("T", "order/o"), used(use("a", "T", 1, "T")), used(use("b", "T", 1, "T"))]);
    expect(Object.fromEntries(await trialBalance(db, "JPY"))).toEqual({ "issuer/i/1": -4800n, "merchant/hall/1": -1200n, "processor/c/1": 6000n });
    expect(await db.selectFrom("held").select("amount").execute()).toEqual([{ amount: 1200 }]);
  }));

  test("an unacknowledged twin is none: its reservation gives way, in either order", () => withBooks(async (db) => {
    await runAll(db, [...loaded, used({ ...twins[0], acknowledged: false }), used(twins[1])]);
    expect([await state(db, "a"), await state(db, "b")]).toEqual(["lapsed", "finished"]);
    expect(await db.selectFrom("double_use_case").selectAll().execute()).toEqual([]);
    expect(await one(db, used(twins[0]))).toEqual({ case: "V-1" });
    expect(await checkBooks(db)).toEqual([]);
  }));

  test("a chain that names another predecessor opens a case", () => withBooks(async (db) => {
    await runAll(db, [...loaded, used(step(1))]);
    expect(await one(db, used(step(2, { previous: "other" })))).toEqual({ case: "V-2" });
  }));

  test("an honest chain in backward order opens none", () => withBooks(async (db) => {
    await runAll(db, [...loaded, used(step(3)), used(step(2)), used(step(1))]);
    expect(await db.selectFrom("double_use_case").selectAll().execute()).toEqual([]);
  }));
});

describe("surrender", () => {
  test("gives way to a use that was under way, and holds the rest", () => withBooks(async (db) => {
    await runAll(db, [...loaded, (tx) => surrender(tx, { valueId: "V", n: 1, order: "o" }, when), used(step(1))]);
    expect(await funds(db, "prepaid/V", "JPY")).toEqual({ owed: 850n, available: 0n });
    expect(await one(db, (tx) => finishSurrender(tx, "V", recorded))).toBe("posted");
    expect((await funds(db, "refund/o", "JPY")).owed).toBe(850n);
    expect(await checkBooks(db)).toEqual([]);
  }));
});

test("a surrender holds what is left, whenever uses, their end and their reversal arrive", async () => {
  const facts: Action[] = [
    used(step(1)), used(step(2)), reversed(step(2)), used(step(3, { source: "holder" })), closed("t-s3", 5),
    (tx) => surrender(tx, { valueId: "V", n: 1, order: "o" }, when),
  ];
  for (let seed = 1; seed <= 60; seed++) await withBooks(async (db) => {
    await runAll(db, [...loaded, ...shuffle(facts, random(seed))]);
    expect(await funds(db, "prepaid/V", "JPY"), `seed ${seed}`).toEqual({ owed: 850n, available: 0n });
    await one(db, (tx) => finishSurrender(tx, "V", recorded));
    expect((await funds(db, "refund/o", "JPY")).owed).toBe(850n);
    expect(await checkBooks(db)).toEqual([]);
  });
});

test("thirty terminals race for one value: it pays six, the rest wait", () => withBooks(async (db) => {
  await runAll(db, loaded);
  await Promise.all(Array.from({ length: 30 }, (_, i) => one(db, used(step(i + 1)))));
  expect(await funds(db, "prepaid/V", "JPY")).toEqual({ owed: 100n, available: 100n });
  expect(await db.selectFrom("value_use").select("use_id").where("state", "=", "waiting").execute()).toHaveLength(24);
}));
