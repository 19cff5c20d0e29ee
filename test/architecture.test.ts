/**
 * The boundaries that everything else stands on: the core cannot reach for a clock, a timer or a `Map`, imports only point
 * one way, the core keeps to Espruino's subset of the language, and every file opens with a paragraph for a stranger.
 * The first two are asked of the compiler itself, with the project's own settings.
 */
import { describe, expect, test } from "vitest";
import { readFileSync, readdirSync, existsSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "..");

function filesUnder(folder: string): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return entry.name === "node_modules" || entry.name === "dist" ? [] : filesUnder(path);
    return path.endsWith(".ts") ? [path] : [];
  });
}

/** What the compiler says of `source` placed in a project's folder, under that project's own settings. */
function complaints(project: string, source: string): string[] {
  const settings = ts.parseJsonConfigFileContent(ts.readConfigFile(join(root, project, "tsconfig.json"), (p) => ts.sys.readFile(p)).config, ts.sys, join(root, project));
  const path = join(root, project, "snippet.ts");
  const host = ts.createCompilerHost(settings.options);
  const { fileExists, readFile, getSourceFile } = host;
  host.fileExists = (p) => p === path || fileExists(p);
  host.readFile = (p) => (p === path ? source : readFile(p));
  host.getSourceFile = (p, target) => (p === path ? ts.createSourceFile(p, source, target) : getSourceFile(p, target));
  const page = join(root, "protocol/portable.d.ts");
  const program = ts.createProgram([path, page], { ...settings.options, noEmit: true, composite: false, incremental: false }, host);
  return ts.getPreEmitDiagnostics(program, program.getSourceFile(path)).map((d) => ts.flattenDiagnosticMessageText(d.messageText, " "));
}

describe("the core is compiled for its smallest machine", () => {
  test.each([
    "Date.now()", "Math.random()", "setTimeout(() => 0, 1)", "new Map()", "new Set()", "Buffer.from([1])", "console.log(1)", "[1].includes(1)",
    "Math.trunc(1.5)", "Object.freeze({})", "new Promise(() => 0)", "new TextEncoder()", "new Uint8Array(2).slice(0)", "process.exit()",
  ])("%s does not compile in protocol/", (expression) => {
    expect(complaints("protocol", `export const x = ${expression};`)).not.toEqual([]);
  });
  test("what Espruino has does compile", () => {
    const source = 'export const x = [1, 2].map((n) => n + 1).join("-") + new Uint8Array(4).subarray(1).length + Math.floor(1.5);';
    expect(complaints("protocol", source)).toEqual([]);
  });
  test("async does not compile in protocol/", () => {
    expect(complaints("protocol", "export async function f() { return 1; }")).not.toEqual([]);
  });
});

/** Which folder may import which: protocol ← runtime ← boards, protocol ← host; boards/bench may import everything. */
const mayImport: [folder: string, allowed: string[]][] = [
  ["protocol/crypto/noble", ["protocol"]],
  ["protocol/crypto/node", ["protocol"]],
  ["protocol", []],
  ["runtime/journal", ["protocol"]],
  ["runtime", ["protocol", "runtime/journal"]],
  ["boards/sim", ["protocol", "runtime"]],
  ["boards/espruino", ["protocol", "runtime"]],
  ["boards/node", ["protocol", "protocol/crypto/node", "protocol/crypto/noble", "runtime"]],
  ["host", ["protocol", "protocol/crypto/node", "protocol/crypto/noble"]],
  ["boards/bench", ["protocol", "protocol/crypto/node", "protocol/crypto/noble", "runtime", "boards", "host"]],
];
const folderOf = (path: string) => mayImport.map(([folder]) => folder).filter((f) => path.startsWith(f + "/")).sort((a, b) => b.length - a.length)[0];

describe("imports point one way", () => {
  const sources = ["protocol", "runtime", "boards", "host"].flatMap(filesUnder).filter((p) => !p.endsWith(".d.ts"));
  test.each(sources)("%s", (path) => {
    const own = folderOf(path)!;
    const allowed = mayImport.find(([folder]) => folder === own)![1];
    for (const match of readFileSync(join(root, path), "utf8").matchAll(/from "(\.[^"]+)"/g)) {
      const target = relative(root, resolve(root, dirname(path), match[1]!.replace(/\.js$/, ".ts")));
      const there = folderOf(target)!;
      const fine = there === own || allowed.some((a) => target === a || there === a || (a === "boards" && there.startsWith("boards/")) || (a === "runtime" && there === "runtime/journal"));
      expect(fine, `${path} imports ${target}`).toBe(true);
      expect(existsSync(join(root, target)), `${path} imports ${target}`).toBe(true);
    }
  });
  test("every project is named at the top, and refers only to projects it may import", () => {
    const top = JSON.parse(readFileSync(join(root, "tsconfig.json"), "utf8")) as { references: { path: string }[] };
    expect(top.references.map((r) => r.path).sort()).toEqual([...mayImport.map(([f]) => f), "test"].sort());
    for (const [folder, allowed] of mayImport) {
      const config = JSON.parse(readFileSync(join(root, folder, "tsconfig.json"), "utf8")) as { references?: { path: string }[] };
      for (const { path } of config.references ?? []) {
        const target = relative(root, resolve(root, folder, path));
        expect(allowed.some((a) => target === a || target.startsWith(a + "/")), `${folder} refers to ${target}`).toBe(true);
      }
    }
  });
});

/** Syntax that Espruino lacks, by the node kinds of the TypeScript parser. */
const foreign = new Set([
  ts.SyntaxKind.SpreadElement, ts.SyntaxKind.SpreadAssignment, ts.SyntaxKind.ObjectBindingPattern, ts.SyntaxKind.ArrayBindingPattern,
  ts.SyntaxKind.ClassDeclaration, ts.SyntaxKind.ClassExpression, ts.SyntaxKind.LabeledStatement, ts.SyntaxKind.AwaitExpression, ts.SyntaxKind.YieldExpression,
  ts.SyntaxKind.BigIntLiteral, ts.SyntaxKind.QuestionDotToken, ts.SyntaxKind.AsteriskAsteriskToken, ts.SyntaxKind.QuestionQuestionEqualsToken, ts.SyntaxKind.ComputedPropertyName,
]);

describe("the core keeps to Espruino's subset", () => {
  const core = ["protocol", "runtime"].flatMap(filesUnder).filter((p) => !p.startsWith("protocol/crypto/n") && !p.endsWith(".d.ts"));
  test.each(core)("%s", (path) => {
    const source = ts.createSourceFile(path, readFileSync(join(root, path), "utf8"), ts.ScriptTarget.ES2022, true);
    const found: string[] = [];
    const visit = (node: ts.Node): void => {
      const defaulted = ts.isParameter(node) && (node.initializer !== undefined || node.dotDotDotToken !== undefined);
      if (foreign.has(node.kind) || defaulted) found.push(`${path}:${source.getLineAndCharacterOfPosition(node.getStart()).line + 1} ${ts.SyntaxKind[node.kind]}`);
      ts.forEachChild(node, visit);
    };
    visit(source);
    expect(found).toEqual([]);
  });
});

describe("every file opens with a paragraph for a stranger", () => {
  const all = ["protocol", "runtime", "boards", "host", "test"].flatMap(filesUnder);
  test.each(all)("%s", (path) => {
    const text = readFileSync(join(root, path), "utf8").replace(/^#!.*\n/, "");
    expect(text.startsWith("/**"), path).toBe(true);
  });
});
