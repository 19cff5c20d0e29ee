/**
 * Builds the native P-256 verification (`boards/espruino/native`) into the flat blob that a board gets, and keeps it as a
 * TypeScript constant, so that making a bundle needs no cross compiler. `npm run build:native` runs it; `--check` only
 * compares.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { crc32 } from "../../protocol/link/crc.js";

const folder = "boards/espruino/native";
const compiler = "arm-none-eabi-gcc";
const target = ["-mthumb", "-mcpu=cortex-m4", "-mfloat-abi=soft"];
/** No libc, no tables that need relocating, no loop turned into a call of memset. */
const flags = ["-Os", "-std=c11", "-Wall", "-Wextra", "-Werror", "-ffreestanding", "-fno-builtin", "-fno-jump-tables", "-fno-tree-loop-distribute-patterns", "-fpic", "-fno-asynchronous-unwind-tables"];

/** Compiles and links; the blob's bytes. Throws what the compiler said. */
export function buildBlob(): Uint8Array {
  const work = mkdtempSync(join(tmpdir(), "kaisatsu-native-"));
  try {
    const [object, linked, blob] = ["p256.o", "p256.elf", "p256.bin"].map((name) => join(work, name)) as [string, string, string];
    execFileSync(compiler, [...target, ...flags, "-c", join(folder, "p256.c"), "-o", object], { stdio: "pipe" });
    execFileSync(compiler, [...target, "-nostdlib", "-Wl,-T," + join(folder, "blob.ld"), "-Wl,--no-warn-rwx-segments", object, "-o", linked], { stdio: "pipe" });
    execFileSync("arm-none-eabi-objcopy", ["-O", "binary", "-j", ".blob", linked, blob], { stdio: "pipe" });
    return new Uint8Array(readFileSync(blob));
  } finally {
    rmSync(work, { recursive: true });
  }
}

/** The first line of what the compiler says of itself: another version may give other bytes. */
export function compilerVersion(): string | undefined {
  try { return execFileSync(compiler, ["--version"], { stdio: "pipe" }).toString().split("\n")[0]!; } catch { return undefined; }
}

function source(blob: Uint8Array): string {
  const text = Buffer.from(blob).toString("base64");
  const lines = text.match(/.{1,150}/g)!.map((line) => `  "${line}"`).join(" +\n");
  return `/**
 * P-256 verification as Thumb code, ${blob.length} bytes: what \`p256.c\` beside this file becomes (\`npm run build:native\`). On an ARM board:
 * \`E.nativeCall(1, "int(int,int,int)", atob(p256))\`, then \`(key, digest, signature)\` as addresses of flat strings; 1 is good.
 * Built by ${compilerVersion()}.
 */
export const p256 =
${lines};
export const p256Bytes = ${blob.length};
export const p256Crc = ${crc32(blob)};
`;
}

if (process.argv[1]?.endsWith("native-build.js") === true) {
  const blob = buildBlob();
  const path = join(folder, "p256.ts");
  const same = readFileSync(path, { encoding: "utf8", flag: "a+" }) === source(blob);
  if (!same && process.argv.includes("--check")) { process.stderr.write(`${path} is not what p256.c gives: run npm run build:native.\n`); process.exit(1); }
  if (!same) writeFileSync(path, source(blob));
  process.stdout.write(`${path}: ${blob.length} bytes, ${same ? "unchanged" : "written"}\n`);
}
