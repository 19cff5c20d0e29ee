/** The package's version, read from its manifest so that it stands in one place. */
import { readFileSync } from "node:fs";

/** From `dist/boards/bench/` the manifest is three folders up; from the source two. */
function manifest(): { version: string } {
  for (const up of ["../../../package.json", "../../package.json"]) {
    try {
      return JSON.parse(readFileSync(new URL(up, import.meta.url), "utf8")) as { version: string };
    } catch {
      continue;
    }
  }
  return { version: "unknown" };
}

export const version = manifest().version;
