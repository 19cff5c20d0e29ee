/**
 * The keys conformance on a file and in memory, and what only a file has: a mode, cuts, a disk that fails, two programs.
 */
import { afterAll, describe, expect, test } from "vitest";
import { chmodSync, existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { disk, type Disk } from "../../boards/node/durable.js";
import { openKeys } from "../../boards/node/keys.js";
import { makeSimKeys, makeSimRandom } from "../../boards/sim/board.js";
import { nodeCrypto } from "../../protocol/crypto/node/node.js";
import { keysConform } from "./keys.conformance.js";
import { faultIn } from "./store.conformance.js";

const folder = mkdtempSync(join(tmpdir(), "kaisatsu-keys-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
let files = 0;
const fresh = (): string => join(folder, String(++files), "keys.json");

keysConform("keys in a file", () => {
  const path = fresh();
  return { keys: openKeys(path, nodeCrypto), reopen: () => openKeys(path, nodeCrypto) };
});
keysConform("simulated keys", () => {
  const keys = makeSimKeys(nodeCrypto, makeSimRandom(nodeCrypto, "seed " + ++files));
  return { keys, reopen: () => keys };
});

const failingAt = (step: keyof Disk): Disk => ({ ...disk, [step]: () => { throw Object.assign(new Error("EIO: i/o error"), { code: "EIO" }); } });

describe("keys in a file", () => {
  test("only their owner reads them, and nothing is left beside them", () => {
    const path = fresh();
    openKeys(path, nodeCrypto).make("a");
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(readdirSync(join(path, ".."))).toEqual(["keys.json"]);
  });

  test.each([0o640, 0o604, 0o660, 0o777])("of mode %o are refused, with what to do, also while in use", (mode) => {
    const path = fresh();
    const keys = openKeys(path, nodeCrypto);
    keys.make("a");
    chmodSync(path, mode);
    const told = { kind: "denied", message: expect.stringMatching(/make its mode 0600, and enrol anew/) as unknown };
    expect(faultIn(() => openKeys(path, nodeCrypto))).toMatchObject(told);
    expect(faultIn(() => keys.make("b"))).toMatchObject(told);
  });

  test("what a cut left beside them is not read, and does not lend its mode", () => {
    const path = fresh();
    const point = openKeys(path, nodeCrypto).make("a");
    writeFileSync(path + ".new", "{\"a\":", { mode: 0o666 });
    const keys = openKeys(path, nodeCrypto);
    expect(keys.publicKey("a")).toEqual(point);
    keys.make("b");
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(openKeys(path, nodeCrypto).publicKey("a")).toEqual(point);
  });

  test.each(["writeSync", "fsyncSync", "renameSync"] as const)("a disk that fails at %s: a board error; the old keys stand, in the file and in use", (step) => {
    const path = fresh();
    const old = openKeys(path, nodeCrypto).make("signing");
    const keys = openKeys(path, nodeCrypto, failingAt(step));
    expect(faultIn(() => keys.make("signing"))).toMatchObject({ kind: "broken", message: expect.stringMatching(/replace the disk/) as unknown });
    expect(faultIn(() => keys.make("new"))).toBeDefined();
    expect(faultIn(() => keys.rename("signing", "moved"))).toBeDefined();
    for (const k of [keys, openKeys(path, nodeCrypto)]) expect([k.publicKey("signing"), k.publicKey("new"), k.publicKey("moved")]).toEqual([old, undefined, undefined]);
    expect(existsSync(path + ".lock")).toBe(false);
  });

  test("a disk that takes a byte at a time loses none", () => {
    const path = fresh();
    const slow = { ...disk, writeSync: ((d: number, b: Uint8Array, o: number, _l: number, at: number) => disk.writeSync(d, b, o, 1, at)) as Disk["writeSync"] };
    const point = openKeys(path, nodeCrypto, slow).make("a");
    expect(openKeys(path, nodeCrypto).publicKey("a")).toEqual(point);
  });

  test.each(["", "{", "null", "[]", "\"a\"", "{\"a\":5}", "{\"a\":\"\"}", "{\"a\":\"AAAA\"}"])("a file of %j holds no keys, is said to be broken, and stays as it is", (text) => {
    const path = fresh();
    openKeys(path, nodeCrypto).make("a");
    writeFileSync(path, text);
    expect(faultIn(() => openKeys(path, nodeCrypto))).toMatchObject({ kind: "broken", message: expect.stringMatching(/restore it from a backup, or enrol anew/) as unknown });
    expect(readFileSync(path, "utf8")).toBe(text);
  });

  test("two programs that have it open lose no key of each other", () => {
    const path = fresh();
    const [one, two] = [openKeys(path, nodeCrypto), openKeys(path, nodeCrypto)];
    const [a, b, c] = [one.make("a"), two.make("b"), one.make("c")];
    const found = openKeys(path, nodeCrypto);
    expect([found.publicKey("a"), found.publicKey("b"), found.publicKey("c")]).toEqual([a, b, c]);
    expect([two.publicKey("a"), one.publicKey("b")]).toEqual([a, b]);
  });
});
