/** Sets, phases and reservations (`money.md` §1): each row of the table is one thing a set may ask for. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sql } from "kysely";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { openDatabase, transact, type Database } from "../../host/database.js";
import { funds, parseAccount, post, resolve, trialBalance, type Transfer, type TransferSet } from "../../host/ledger.js";

let folder: string, db: Database;
beforeEach(async () => { folder = await mkdtemp(join(tmpdir(), "ledger-")); db = await openDatabase(folder); });
afterEach(async () => { await db.destroy(); await rm(folder, { recursive: true }); });

const recorded = { day: 1, at: 1000 };
function row(arrow: string, phase: Transfer["phase"] = "posted"): Transfer {
  const [debit, , credit, amount] = arrow.split(" ");
  return { debit: debit!, credit: credit!, amount: Number(amount), currency: "JPY", phase };
}
function set(setId: string, transfers: Transfer[], more: Partial<TransferSet> = {}): TransferSet {
  return { setId, kind: setId.split("/")[0]!, event: {}, at: 900, quality: 2, recorded, transfers, ...more };
}
const run = (x: TransferSet) => transact(db, (tx) => post(tx, x));
const end = (id: string, phase: "post" | "void" | "expire", amounts?: number[]) => transact(db, (tx) => resolve(tx, id, phase, recorded, amounts));
const paid = set("pay/1", [row("processor/c/{d} → order/o 1000")]);

describe("a set", () => {
  test("is posted once, then exists, on any later day", async () => {
    expect(await run(paid)).toBe("posted");
    expect(await run({ ...paid, recorded: { day: 9, at: 9000 } })).toBe("exists");
    expect(await trialBalance(db, "JPY")).toEqual(new Map([["order/o", -1000n], ["processor/c/1", 1000n]]));
  });

  test("with another content under its id is an incident and changes nothing", async () => {
    await run(paid);
    expect(await run(set("pay/1", [row("processor/c/{d} → order/o 1001")]))).toEqual({ incident: "pay/1" });
    expect((await funds(db, "order/o", "JPY")).owed).toBe(1000n);
  });

  test.each(["nothing/x", "prepaid", "prepaid/a/b", "bank/theirs", "merchant/m/monday", "toString/x", "order/"])("asserts on account %s", (id) => {
    expect(() => parseAccount(id)).toThrow("assertion");
  });

  test.each([0, -1, 0.5, NaN, 2 ** 53])("asserts on amount %d", async (amount) => {
    await expect(run(set("pay/2", [{ ...row("processor/c/{d} → order/o 1"), amount }]))).rejects.toThrow("assertion");
  });

  test("asserts on a second currency", async () => {
    await expect(run(set("pay/2", [row("bank/own → capital/own 1"), { ...row("bank/own → capital/own 1"), currency: "EUR" }]))).rejects.toThrow("one currency");
  });

  test("cannot be changed afterwards, not even by SQL", async () => {
    await run(paid);
    for (const statement of ["update transfer set amount = 1", "delete from transfer", "update transfer_set set kind = 'x'", "delete from transfer_set"]) {
      await expect(sql.raw(statement).execute(db)).rejects.toThrow("append-only");
    }
  });
});

describe("two phases", () => {
  const hold = set("pay/h", [row("order/o → refund/o 600", "pending")]);
  const table: [string, "post" | "void" | "expire" | undefined, number[] | undefined, bigint, bigint, bigint][] = [
    ["pending reserves", undefined, undefined, 1000n, 400n, 0n],
    ["post counts", "post", undefined, 400n, 400n, 600n],
    ["post of a part frees the rest", "post", [250], 750n, 750n, 250n],
    ["void undoes", "void", undefined, 1000n, 1000n, 0n],
    ["expire times out", "expire", undefined, 1000n, 1000n, 0n],
  ];
  test.each(table)("%s", async (_name, phase, amounts, owed, available, credited) => {
    await run(paid);
    await run(hold);
    if (phase !== undefined) expect(await end("pay/h", phase, amounts)).toBe("posted");
    expect(await funds(db, "order/o", "JPY")).toEqual({ owed, available });
    expect((await funds(db, "refund/o", "JPY")).owed).toBe(credited);
  });

  test("a row is resolved once; the same resolution again exists", async () => {
    await run(paid);
    await run(hold);
    expect(await end("pay/h", "post")).toBe("posted");
    expect(await end("pay/h", "post")).toBe("exists");
    expect(await end("pay/h", "void")).toEqual({ refused: "resolved" });
  });

  test("a pending credit adds nothing to what may be spent", async () => {
    await run(set("pay/p", [row("processor/c/{d} → order/o 500", "pending")]));
    expect(await run(set("issue/v", [row("order/o → unearned/v 1")]))).toEqual({ refused: "insufficient", account: "order/o" });
  });

  test("more than was reserved cannot be posted", async () => {
    await run(paid);
    await run(hold);
    await expect(end("pay/h", "post", [601])).rejects.toThrow("fits the amount");
  });
});

describe("overdrawing", () => {
  test("a holder's account never; a shared one may", async () => {
    await run(paid);
    expect(await run(set("issue/v", [row("order/o → unearned/v 1001")]))).toEqual({ refused: "insufficient", account: "order/o" });
    expect(await run(set("fees/b", [row("merchant/m/{d} → fee/acceptance/{d} 5")]))).toBe("posted");
  });

  test("of fifty racers on one account, in two connections, exactly ten win", async () => {
    await run(paid);
    const other = await openDatabase(folder);
    const all = await Promise.all(Array.from({ length: 50 }, (_, i) =>
      transact(i % 2 ? db : other, (tx) => post(tx, set(`issue/${i}`, [row(`order/o → unearned/v${i} 100`)])))));
    await other.destroy();
    expect(all.filter((x) => x === "posted")).toHaveLength(10);
    expect(await funds(db, "order/o", "JPY")).toEqual({ owed: 0n, available: 0n });
  });
});

test("opening again keeps what is there", async () => {
  await run(paid);
  const again = await openDatabase(folder);
  expect((await funds(again, "order/o", "JPY")).owed).toBe(1000n);
  await again.destroy();
});
