/** A statement that is written once says the same as the builder each time, whatever values it is given. */
import { expect, test } from "vitest";
import { inMemory, openDatabase, transact } from "../../host/database.js";
import { statement } from "../../host/statement.js";

const put = statement((tx, x: { name: string; value: string }) =>
  tx.insertInto("setting").values({ name: x.name, value: x.value }).onConflict((c) => c.column("name").doUpdateSet({ value: x.value })));
const under = statement((tx, x: { name: string }) => tx.selectFrom("setting").select(["name", "value"]).where("name", "<", x.name).where("value", "!=", "gone").orderBy("name"));

test("values go where their names stand, also twice; what is fixed stays; each database has its own rows", async () => {
  const [one, other] = [await openDatabase(inMemory), await openDatabase(inMemory)];
  await transact(one, async (tx) => {
    for (const [name, value] of [["b", "1"], ["a", "2"], ["c", "gone"], ["d", "'; drop table setting; --"], ["a", "3"]] as const) await put(tx, { name, value });
    expect(await under(tx, { name: "e" })).toEqual([{ name: "a", value: "3" }, { name: "b", value: "1" }, { name: "d", value: "'; drop table setting; --" }]);
    expect(await under(tx, { name: "b" })).toEqual([{ name: "a", value: "3" }]);
  });
  expect(await under(other, { name: "e" })).toEqual([]);
  expect(await under(one, { name: "e" })).toEqual(await one.selectFrom("setting").select(["name", "value"]).where("name", "<", "e").where("value", "!=", "gone").orderBy("name").execute());
  await one.destroy();
  await other.destroy();
});
test("a plugin sees every statement, and what it makes of one is not kept", async () => {
  const db = await openDatabase(inMemory);
  let seen = 0;
  const watched = db.withPlugin({ transformQuery: ({ node }) => { seen++; return node; }, transformResult: ({ result }) => Promise.resolve({ ...result, rows: [] }) });
  await put(db, { name: "a", value: "1" });
  for (const times of [1, 2, 3]) {
    expect(await under(watched, { name: "b" })).toEqual([]);
    expect(seen).toBe(times);
    expect(await under(db, { name: "b" })).toEqual([{ name: "a", value: "1" }]);
  }
  await db.destroy();
});
test("a null is a value; a value that was forgotten is the caller's mistake", async () => {
  const db = await openDatabase(inMemory);
  const held = statement((tx, x: { terminal: string; held: Uint8Array | null }) => tx.insertInto("entry_taken").values({ terminal_id: x.terminal, sequence: 1, digest: "", kind: "boot", held: x.held }));
  await held(db, { terminal: "a", held: null });
  await held(db, { terminal: "b", held: Uint8Array.of(1) });
  expect((await db.selectFrom("entry_taken").select(["terminal_id", "held"]).orderBy("terminal_id").execute()).map((x) => x.held && [...x.held])).toEqual([null, [1]]);
  await expect(held(db, { terminal: "c" } as never)).rejects.toThrow(/held/);
  await db.destroy();
});
