/**
 * `npm run build:espruino`: every bundle there is, its size and that of its modules against those last committed, and whether a
 * board can take it. Leaves with 1 when one cannot: too large, or of syntax that the engine does not read.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { buildBundle, type Built } from "./bundle.js";
import { bundles } from "./bundles.js";

const sizesFile = "boards/espruino/sizes.json";
type Sizes = Record<string, { bytes: number; modules: Record<string, number> }>;

const keyOf = (b: { board: string; role: string }): string => `${b.board} ${b.role}`;
const change = (now: number, before: number | undefined): string => (before === undefined ? "new" : now === before ? "" : now > before ? `+${now - before}` : String(now - before));

function print(b: Built, before: Sizes[string] | undefined, all: boolean): void {
  const room = b.bytes <= b.bytesMax ? `${b.bytesMax - b.bytes} free of ${b.bytesMax}` : `${b.bytes - b.bytesMax} over ${b.bytesMax}`;
  process.stdout.write(`${keyOf(b).padEnd(40)} ${String(b.bytes).padStart(6)} bytes  ${room}  ${change(b.bytes, before?.bytes)}\n`);
  for (const [module, bytes] of Object.entries(b.modules).sort((x, y) => y[1] - x[1])) {
    const changed = change(bytes, before?.modules[module]);
    if (all || (changed !== "" && before !== undefined)) process.stdout.write(`  ${module.padEnd(38)} ${String(bytes).padStart(6)}        ${changed}\n`);
  }
  for (const line of b.refused) process.stdout.write(`  no board reads this: ${line}\n`);
}

export async function buildAll(folder: string, json: boolean, keep: boolean): Promise<boolean> {
  const before = JSON.parse(readFileSync(sizesFile, { encoding: "utf8", flag: "a+" }) || "{}") as Sizes;
  const built = [];
  mkdirSync(folder, { recursive: true });
  for (const b of bundles) {
    const made = await buildBundle(b);
    const file = join(folder, `${b.board}-${b.role}.js`);
    writeFileSync(file, made.code);
    writeFileSync(join(folder, `${b.board}-${b.role}.sentences.json`), JSON.stringify(made.sentences, undefined, 1) + "\n");
    if (!json) print(made, before[keyOf(made)], built.length === 0);
    built.push({ ...made, file });
  }
  if (keep) writeFileSync(sizesFile, JSON.stringify(Object.fromEntries(built.map((b) => [keyOf(b), { bytes: b.bytes, modules: b.modules }])), undefined, 1) + "\n");
  if (json) process.stdout.write(JSON.stringify({ bundles: built.map(({ board, role, bytes, file }) => ({ board, role, bytes, file })) }) + "\n");
  return built.every((b) => b.bytes <= b.bytesMax && b.refused.length === 0);
}

if (process.argv[1]?.endsWith("espruino/build.js") === true) {
  const fits = await buildAll("dist/espruino", process.argv.includes("--json"), process.argv.includes("--keep"));
  if (!fits) process.exitCode = 1;
}
