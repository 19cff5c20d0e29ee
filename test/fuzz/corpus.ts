/**
 * What the fuzzers start from: one item of each rule of the grammar and all that was ever found (`corpus/*.txt`, a line an
 * item: hexadecimal, then why), and every message of the published vectors.
 */
import { readdirSync, readFileSync } from "node:fs";
import { fromHex, projectFile } from "../published.js";

export interface Item { bytes: Uint8Array; why: string }

const here = projectFile("test/fuzz/corpus/");
/** Lines of the corpus folder, in order. */
export function corpus(): Item[] {
  return readdirSync(here).filter((name) => name.endsWith(".txt")).sort().flatMap((name) => readFileSync(new URL(name, here), "utf8").split("\n"))
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) => { const [hex, ...why] = line.split(" "); return { bytes: fromHex(hex!), why: why.join(" ") }; });
}

/** Hexadecimal CBOR anywhere in the published files: inputs, outputs, structures to be signed. */
export function publishedItems(): Uint8Array[] {
  const found: Uint8Array[] = [];
  const walk = (url: URL): void => {
    for (const entry of readdirSync(url, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1))) {
      if (entry.isDirectory()) walk(new URL(`${entry.name}/`, url));
      else if (entry.name.endsWith(".json")) gather(JSON.parse(readFileSync(new URL(entry.name, url), "utf8")));
    }
  };
  const gather = (value: unknown): void => {
    if (typeof value === "string") { if (/^([0-9a-fA-F]{2}){1,1500}$/.test(value)) found.push(fromHex(value)); }
    else if (typeof value === "object" && value !== null) for (const inner of Object.values(value)) gather(inner);
  };
  for (const folder of ["cbor", "cose", "eudcc", "mdoc"]) walk(projectFile(`test/vectors/${folder}/`));
  return found;
}
