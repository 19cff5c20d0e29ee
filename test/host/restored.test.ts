/**
 * `kaisatsu host --restored`: a folder put back from a backup has forgotten numbers that it gave out. Its command line says
 * so once, and nothing it signs from then on is older than what devices were told before (`trust.md` §6, row 50).
 */
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { readSetting } from "../../host/context.js";
import { transact } from "../../host/database.js";
import { setStatus } from "../../host/status.js";
import { openSigned } from "../../protocol/wire/signed.js";
import { decodeConfiguration, decodeStatusDelta, decodeStatusList } from "../../protocol/wire/trust.js";
import { kaisatsu } from "../bench/command-line.js";
import { crypto, enrolBox, holder, openShop, openWorld, pull, type Box, type World } from "./world.js";

const folder = mkdtempSync(join(tmpdir(), "restored-"));
const [shop, backup, plain] = [join(folder, "shop"), join(folder, "backup"), join(folder, "plain")];

/** Numbers of what a terminal is told: its configuration, and the list that it has afterwards. */
async function told(x: World, box: Box, list = 0): Promise<{ configuration: number; list: number; whole: boolean }> {
  const news = (await pull(x, box, { list }))!;
  const keys = (role: string) => [{ kid: x.context.keys.kid(role), publicKey: x.context.keys.publicKey(role) }];
  const whole = openSigned(crypto, news.list, "status", keys("status"));
  const deltas = news.deltas.map((bytes) => decodeStatusDelta(openSigned(crypto, bytes, "status-delta", keys("status"))!)!.number);
  return {
    configuration: decodeConfiguration(openSigned(crypto, news.configuration, "configuration", keys("configuration"))!)!.number,
    list: whole === undefined ? deltas.at(-1) ?? list : decodeStatusList(whole)!.number, whole: whole !== undefined,
  };
}
async function inHost<T>(of: string, seed: string, work: (x: World) => Promise<T>): Promise<T> {
  const x = await openWorld(seed, of);
  return await work(x).finally(() => x.close());
}
const epochOf = async (x: World): Promise<number> => Number((await readSetting(x.context.db, "restore epoch")) ?? "1");
const served = async (of: string, ...more: string[]): Promise<number> => (await kaisatsu(["host", "--data", of, "--port", "0", ...more])).code;

test("row 50: after --restored numbers go on above all that were given out, and a terminal told before gets the whole newer list", async () => {
  const { box, valueId } = await inHost(shop, "before", async (x) => {
    await openShop(x);
    const { value } = await holder(x, "aiko", "ten");
    return { box: await enrolBox(x), valueId: Buffer.from(value.valueId).toString("hex") };
  });
  for (const copy of [backup, plain]) cpSync(shop, copy, { recursive: true });
  // What was said after the backup, and what a terminal holds since then.
  const lost = await inHost(shop, "after", async (x) => {
    for (const state of ["suspended", "valid", "revoked"] as const) await transact(x.context.db, (tx) => setStatus(x.context, tx, valueId, state));
    return await told(x, box);
  });
  expect([await served(plain), await served(backup, "--restored")]).toEqual([0, 0]);
  const forgetful = await inHost(plain, "plain", async (x) => ({ epoch: await epochOf(x), ...(await told(x, box)) }));
  expect(forgetful.list, "without the word the lost numbers would be given out again").toBeLessThan(lost.list);
  const first = await inHost(backup, "restored", async (x) => ({ epoch: await epochOf(x), ...(await told(x, box, lost.list)) }));
  expect(first.epoch).toBeGreaterThan(forgetful.epoch);
  expect(first).toMatchObject({ whole: true });
  expect([first.list > lost.list, first.configuration > lost.configuration]).toEqual([true, true]);
  // Once is enough: the next start goes on from there, and by deltas.
  expect(await served(backup)).toBe(0);
  const then = await inHost(backup, "then", async (x) => {
    await transact(x.context.db, (tx) => setStatus(x.context, tx, valueId, "revoked"));
    return { epoch: await epochOf(x), ...(await told(x, box, first.list)) };
  });
  expect(then).toEqual({ epoch: first.epoch, configuration: first.configuration, list: first.list + 1, whole: false });
  // A second restore of the same backup begins above the first.
  expect(await served(backup, "--restored")).toBe(0);
  expect(await inHost(backup, "again", async (x) => await epochOf(x))).toBeGreaterThan(first.epoch);
  rmSync(folder, { recursive: true });
});
