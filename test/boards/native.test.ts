/**
 * The native P-256 verification: one C source, run on this machine and, as the very bytes that a board gets, on an emulated
 * ARM, moved to an address of their own. Wycheproof decides what is good; both back ends of the core must agree besides.
 * What this machine cannot run (no C compiler, no `qemu-arm`) is said in one plain line.
 */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { p256, p256Bytes, p256Crc } from "../../boards/espruino/native/p256.js";
import { buildBlob, compilerVersion } from "../../boards/bench/native-build.js";
import { nodeCrypto as crypto } from "../../protocol/crypto/node/node.js";
import { crc32 } from "../../protocol/link/crc.js";
import { compressed, curveField, curveOrder, fromHex, published, scalar, seeded } from "../published.js";

interface Record { name: string; key: Uint8Array; digest: Uint8Array; signature: Uint8Array; good: boolean }
const folder = new URL("../../boards/espruino/native/", import.meta.url).pathname;
const work = mkdtempSync(join(tmpdir(), "kaisatsu-native-"));
afterAll(() => rmSync(work, { recursive: true }));

const has = (command: string): boolean => { try { execFileSync(command, ["--version"], { stdio: "pipe" }); return true; } catch { return false; } };
const unless = (available: boolean, what: string): boolean => { if (!available) process.stdout.write(`not run here: ${what}\n`); return available; };
const digestOf = (message: Uint8Array): Uint8Array => new Uint8Array(createHash("sha256").update(message).digest());

/** Asks a built checker about all records at once. */
function verdicts(program: string, args: string[], records: readonly Record[]): string {
  return execFileSync(program, args, { input: Buffer.concat(records.flatMap((r) => [r.key, r.digest, r.signature])) }).toString();
}

const blob = new Uint8Array(Buffer.from(p256, "base64"));
function hostChecker(): string {
  const path = join(work, "host");
  execFileSync("cc", ["-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-o", path, join(folder, "p256.c"), join(folder, "check.c")], { stdio: "pipe" });
  return path;
}
function armChecker(): string {
  writeFileSync(join(work, "blob"), blob);
  const path = join(work, "arm");
  execFileSync("arm-none-eabi-gcc", [
    "-mthumb", "-march=armv7-a", "-mfloat-abi=soft", "-O1", "-std=gnu11", "-ffreestanding", "-fno-builtin", "-fno-tree-loop-distribute-patterns", "-nostdlib", "-static",
    `-DBLOB="${join(work, "blob")}"`, join(folder, "check.c"), "-o", path,
  ], { stdio: "pipe" });
  return path;
}

interface Group { publicKey: { uncompressed: string }; tests: { tcId: number; comment: string; msg: string; sig: string; result: string }[] }
function wycheproof(): { records: Record[]; otherLength: number } {
  const { testGroups } = published<{ testGroups: Group[] }>("wycheproof/ecdsa_secp256r1_sha256_p1363_test.json");
  const all = testGroups.flatMap((g) => g.tests.map((t) => ({
    name: `tcId ${t.tcId} ${t.comment}`, key: compressed(fromHex(g.publicKey.uncompressed)), digest: digestOf(fromHex(t.msg)), signature: fromHex(t.sig), good: t.result === "valid",
  })));
  for (const r of all) if (r.signature.length !== 64) expect(r.good, r.name).toBe(false);
  return { records: all.filter((r) => r.signature.length === 64), otherLength: all.filter((r) => r.signature.length !== 64).length };
}

/** Good ones, each with a bit changed in key, digest or signature; keys that are no point; r and s at their bounds. */
function made(): Record[] {
  const random = seeded(11);
  const records: Record[] = [];
  const add = (name: string, key: Uint8Array, message: Uint8Array, signature: Uint8Array): void => {
    records.push({ name, key, digest: digestOf(message), signature, good: crypto.verify(key, message, signature) });
  };
  for (let i = 0; i < 60; i++) {
    const secret = scalar(1n + (BigInt("0x" + Buffer.from(random.bytes(32)).toString("hex")) % (curveOrder - 1n)));
    const message = random.bytes(40);
    const [key, signature] = [crypto.publicKey(secret)!, crypto.sign(secret, message)];
    const flip = (bytes: Uint8Array, at = random.below(bytes.length * 8)): Uint8Array => { const c = Uint8Array.from(bytes); c[at >> 3]! ^= 1 << (at & 7); return c; };
    const mirrored = Uint8Array.from([...signature.subarray(0, 32), ...scalar(curveOrder - BigInt("0x" + Buffer.from(signature.subarray(32)).toString("hex")))]);
    add(`good ${i}`, key, message, signature);
    add(`other form of s ${i}`, key, message, mirrored);
    add(`key changed ${i}`, flip(key), message, signature);
    add(`message changed ${i}`, key, flip(message), signature);
    add(`signature changed ${i}`, key, message, flip(signature));
  }
  const { key, signature } = records[0]!;
  for (const x of [0n, curveField, curveField - 1n, (1n << 256n) - 1n]) add(`x = ${x}`, Uint8Array.from([2, ...scalar(x)]), random.bytes(3), signature);
  for (const first of [0, 1, 4, 6, 255]) add(`form ${first}`, Uint8Array.from([first, ...key.subarray(1)]), random.bytes(3), signature);
  for (const n of [0n, 1n, curveOrder - 1n, curveOrder, curveField, (1n << 256n) - 1n]) for (const m of [0n, 1n, curveOrder]) {
    add(`r = ${n}, s = ${m}`, key, random.bytes(3), Uint8Array.from([...scalar(n), ...scalar(m)]));
  }
  return records;
}

/** All records right, and both answers among them. */
function agrees(program: string, args: string[]): void {
  const { records, otherLength } = wycheproof();
  expect([records.length, otherLength]).toEqual([161, 13]);
  for (const set of [records, made()]) {
    const said = verdicts(program, args, set);
    expect(said.length).toBe(set.length);
    set.forEach((r, i) => expect(said[i], r.name).toBe(r.good ? "1" : "0"));
    expect(new Set(said).size).toBe(2);
  }
}

describe("native P-256 verification", () => {
  test("the blob is what its page says, and small enough for a 64 KB board", () => {
    expect([blob.length, crc32(blob)]).toEqual([p256Bytes, p256Crc]);
    expect(p256Bytes).toBeLessThanOrEqual(4096);
  });
  test.runIf(unless(has("cc"), "the native verification from source; install a C compiler (cc)"))("on this machine", () => agrees(hostChecker(), []));
  test.runIf(unless(has("arm-none-eabi-gcc") && has("qemu-arm"), "the ARM blob; install gcc-arm-none-eabi and qemu-user"))("on an emulated ARM, as the bytes that a board gets", () => {
    agrees("qemu-arm", [armChecker()]);
  });
  const ours = "arm-none-eabi-gcc (15:12.2.rel1-1) 12.2.1 20221205";
  test.runIf(unless(compilerVersion() === ours, `a fresh build of the ARM blob, compared; it needs ${ours}`))("the blob is what the source gives", () => {
    expect(Buffer.from(buildBlob()).toString("base64")).toBe(p256);
  });
});
