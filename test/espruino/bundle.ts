/** Bundles of firmware for tests, made by esbuild as `npm run build:espruino` makes the real one. */
import { build } from "esbuild";
import { fileURLToPath } from "node:url";
import { projectFile } from "../published.js";

let small: Promise<Uint8Array> | undefined;
/** `small-board.ts`, for every board of the stand-in. */
export function smallBundle(): Promise<Uint8Array> {
  small ??= build({ entryPoints: [fileURLToPath(projectFile("test/espruino/small-board.ts"))], bundle: true, minify: true, format: "iife", target: "es2015", write: false, external: ["Flash", "Storage", "crypto"], charset: "ascii", logLevel: "silent" }).then((made) => made.outputFiles![0]!.contents);
  return small;
}
