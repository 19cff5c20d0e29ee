/**
 * One firmware bundle a board and role, from the compiled core: shortened module by module (`shorten.ts`), bundled and minified
 * by esbuild alone, and then read as a board would read it (`syntax.ts`). Properties are shortened too; only names that the
 * engine or the language gives are kept, as `espruino.d.ts` and `portable.d.ts` list them.
 */
import { build, type Plugin } from "esbuild";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { bundles, keptNames, type Bundle } from "./bundles.js";
import { shorten, tablesOf, type Tables } from "./shorten.js";
import { refusedSyntax } from "./syntax.js";

/** Most that a bundle may have (`decision 6` for the Pico). */
export const bundleBytesMax = 20480;

export interface Built {
  readonly board: string;
  readonly role: string;
  readonly code: string;
  readonly bytes: number;
  readonly bytesMax: number;
  /** Bytes of each module in it. */
  readonly modules: Readonly<Record<string, number>>;
  /** What the numbers stand for that the board says instead of sentences. */
  readonly sentences: readonly string[];
  /** What the gate found; a board must not get such a bundle. */
  readonly refused: readonly string[];
}

/** `$` for what is not there: shorter, and quicker for an interpreter, than `void 0`. Because the modules name it, esbuild gives it to nothing else. */
function withNothing(code: string): string {
  return "var $;" + code.replace(/\$;$/, "").replace(/\bvoid 0\b/g, "$").replace(/([=!]=)null\b/g, "$1$");
}

/** Where the compiler puts what it makes: three folders above this one, or beside the sources when these are run as they are. */
const root = resolve(dirname(fileURLToPath(import.meta.url)), "../../..");
const compiled = existsSync(join(root, "protocol/limits.js")) ? root : join(root, "dist");

/** Builds one; `readable` keeps the names of functions. Throws what esbuild says of broken modules. */
export async function buildBundle(b: Bundle, readable = false): Promise<Built> {
  const sentences: string[] = [];
  const made = await build({
    entryPoints: [join(compiled, "boards/espruino", b.entry + ".js")], bundle: true, minifySyntax: true, minifyWhitespace: true, minifyIdentifiers: !readable, write: false, metafile: true, format: "cjs", external: ["crypto", "Flash", "Storage"], target: "es2015", charset: "ascii",
    legalComments: "none", mangleProps: /^/, reserveProps: new RegExp(`^(${keptNames.join("|")})$`),
    inject: [join(compiled, "boards/espruino/natives.js")], plugins: [modulesOf(b, sentences)], logLevel: "silent",
  });
  const code = withNothing(made.outputFiles[0]!.text.replace(/^"use strict";/, "").replace(/\n$/, ""));
  const inputs = Object.values(made.metafile.outputs)[0]!.inputs;
  const modules = Object.fromEntries(Object.entries(inputs).filter(([, x]) => x.bytesInOutput > 0).map(([path, x]) => [relative(compiled, resolve(path)).replace(/\.js$/, ""), x.bytesInOutput]));
  return { board: b.board, role: b.role, code, bytes: code.length, bytesMax: b.bytesMax ?? bundleBytesMax, modules, sentences, refused: refusedSyntax(code) };
}

export function bundleOf(board: string, role: string): Bundle | undefined {
  return bundles.find((b) => b.board === board && b.role === role);
}

/** Modules as they come: with the engine's own in the place of those that have one, and shortened. */
function modulesOf(b: Bundle, sentences: string[]): Plugin {
  const cache = new Map<string, Tables>();
  const tablesAt = (from: string) => (specifier: string): Tables => {
    const path = resolve(dirname(from), specifier);
    if (!cache.has(path)) cache.set(path, specifier.startsWith(".") && existsSync(path) ? tablesOf(readFileSync(path, "utf8")) : new Map());
    return cache.get(path)!;
  };
  return {
    name: "modules",
    setup: (to) => {
      to.onResolve({ filter: /^\./ }, (x) => {
        const own = b.own[relative(compiled, resolve(x.resolveDir, x.path)).replace(/\.js$/, "")];
        return own === undefined ? undefined : { path: join(compiled, own + ".js") };
      });
      const entry = join(compiled, "boards/espruino", b.entry + ".js");
      to.onLoad({ filter: /\.js$/ }, (x) => ({ contents: shorten(readFileSync(x.path, "utf8"), b, tablesAt(x.path), sentences) + (x.path === entry ? "\n$;" : "") }));
    },
  };
}
