/**
 * What esbuild cannot know of our own modules before it bundles them for a small board, done to each on its way in:
 *
 * - tables of numbers (`refusal.busy`, `limits.tapNumbersAhead`) become the numbers;
 * - what this board never has (`absent`) is folded to nothing, and cases of what never happens on it (`never`) go, so that
 *   esbuild drops what only they reached;
 * - functions become arrows, which are shorter there and take fewer variables, and words that only this program reads
 *   (states, kinds of effects) become as short as its properties;
 * - sentences for people become numbers, kept beside the bundle, and what is told to a watcher goes, assertions with it: where
 *   there is no display nobody reads them.
 *
 * Nothing here changes what a program does for the input that it can get; the whole tap, torn and cut, is run on the result.
 */
import { parse, type Node } from "acorn";

export interface Shortening {
  /** Properties that are always undefined on this board. */
  readonly absent: readonly string[];
  /** Words of unions that never occur on it. */
  readonly never: readonly string[];
  /** Words that nobody outside the program sees. */
  readonly words: readonly string[];
  /** Functions that only speak to somebody who watches; a call of one is left out where it is a statement. */
  readonly unheard: readonly string[];
}

/** The tables of numbers that a module exports, by name; `of` resolves one of its imports to the tables there. */
export type Tables = ReadonlyMap<string, ReadonlyMap<string, number>>;

interface Any extends Node { [key: string]: unknown }
interface Edit { start: number; end: number; text: string }

const isNode = (x: unknown): x is Any => typeof x === "object" && x !== null && typeof (x as Any).type === "string";
const child = (n: Any, key: string): Any => n[key] as Any;
const children = (n: Any): Any[] => Object.values(n).flatMap((v) => (Array.isArray(v) ? v.filter(isNode) : isNode(v) ? [v] : []));
const parsed = (code: string): Any => parse(code, { ecmaVersion: 2022, sourceType: "module" }) as unknown as Any;

/** Exported objects whose members are all numbers. */
export function tablesOf(code: string): Tables {
  const tables = new Map<string, Map<string, number>>();
  for (const statement of parsed(code).body as Any[]) {
    const declaration = statement.type === "ExportNamedDeclaration" ? child(statement, "declaration") : statement;
    if (declaration?.type !== "VariableDeclaration") continue;
    for (const d of declaration.declarations as Any[]) {
      const init = child(d, "init");
      if (init?.type !== "ObjectExpression") continue;
      const members = (init.properties as Any[]).map((p) => [nameOf(p), numberOf(child(p, "value"))] as const);
      if (members.length > 0 && members.every(([name, n]) => name !== undefined && n !== undefined)) tables.set(nameIn(child(d, "id")), new Map(members as [string, number][]));
    }
  }
  return tables;
}
const nameIn = (n: Any): string => n.name as string;
const nameOf = (p: Any): string | undefined => (p.type === "Property" && p.computed !== true && child(p, "key").type === "Identifier" ? nameIn(child(p, "key")) : undefined);
function numberOf(n: Any): number | undefined {
  if (n.type === "UnaryExpression" && n.operator === "-") { const value = numberOf(child(n, "argument")); return value === undefined ? undefined : -value; }
  if (n.type === "BinaryExpression" && n.operator === "*") {
    const [left, right] = [numberOf(child(n, "left")), numberOf(child(n, "right"))];
    return left === undefined || right === undefined ? undefined : left * right;
  }
  return n.type === "Literal" && typeof n.value === "number" ? n.value : undefined;
}

/** The shortened module. Sentences for people are added to `sentences`. */
export function shorten(code: string, s: Shortening, tablesAt: (specifier: string) => Tables, sentences: string[]): string {
  const tree = parsed(code);
  const tables = new Map(tablesOf(code));
  for (const statement of tree.body as Any[]) {
    if (statement.type !== "ImportDeclaration") continue;
    const there = tablesAt(child(statement, "source").value as string);
    for (const x of statement.specifiers as Any[]) {
      const table = x.type === "ImportSpecifier" ? there.get(nameIn(child(x, "imported"))) : undefined;
      if (table !== undefined) tables.set(nameIn(child(x, "local")), table);
    }
  }
  const edits: Edit[] = [];
  const walk = (n: Any, parent: Any | undefined, isTop: boolean): void => {
    if (edit(n, parent, isTop, code, s, tables, sentences, edits)) return;
    for (const c of children(n)) walk(c, n, n.type === "Program" || (isTop && (n.type === "ExportNamedDeclaration" || n.type === "VariableDeclaration")));
  };
  walk(tree, undefined, false);
  return applied(code, edits);
}

function applied(code: string, edits: Edit[]): string {
  let out = "";
  let at = 0;
  for (const e of edits.map((e, i) => ({ ...e, i })).sort((a, b) => a.start - b.start || a.end - b.end || a.i - b.i)) {
    if (e.start < at) continue; // inside something that was replaced whole
    out += code.slice(at, e.start) + e.text;
    at = e.end;
  }
  return out + code.slice(at);
}

/** Notes what becomes of one node; true when nothing inside it is of interest any more. */
function edit(n: Any, parent: Any | undefined, isTop: boolean, code: string, s: Shortening, tables: Tables, sentences: string[], edits: Edit[]): boolean {
  const replace = (x: Any, text: string): true => { edits.push({ start: x.start, end: x.end, text }); return true; };
  switch (n.type) {
    case "FunctionDeclaration": {
      const body = child(n, "body");
      const id = child(n, "id");
      if (isTop) edits.push({ start: n.start, end: id.start, text: "const " }, { start: id.end, end: id.end, text: "=" }, { start: body.start, end: body.start, text: "=>" }, { start: n.end, end: n.end, text: ";" });
      return false;
    }
    case "VariableDeclarator": {
      const init = n.init as Any | null;
      // Tables of texts: esbuild would not drop them if a word in them were shortened.
      if (isTop && init?.type === "ArrayExpression" && (init.elements as Any[]).some((x) => x.type === "ObjectExpression")) return true;
      if (isTop && init !== null && (init.type === "NewExpression" || init.type === "CallExpression")) edits.push({ start: init.start, end: init.start, text: "/* @__PURE__ */ " });
      return false;
    }
    case "BinaryExpression": {
      if (n.operator !== "===" && n.operator !== "!==") return false;
      const isNever = [child(n, "left"), child(n, "right")].some((x) => x.type === "Literal" && s.never.includes(x.value as string));
      if (isNever) return replace(n, n.operator === "===" ? "false" : "true");
      const at = code.indexOf(n.operator, child(n, "left").end);
      edits.push({ start: at, end: at + 3, text: n.operator.slice(0, 2) });
      return false;
    }
    case "SwitchCase": {
      const test = n.test as Any | null;
      return test?.type === "Literal" && s.never.includes(test.value as string) && replace(n, "");
    }
    case "ExpressionStatement": {
      const call = child(n, "expression");
      return call.type === "CallExpression" && s.unheard.includes(child(call, "callee").name as string) && replace(n, ";");
    }
    case "CallExpression": return sentence(n, sentences, replace);
    case "MemberExpression": return member(n, parent, s, tables, replace);
    case "Literal": {
      if (typeof n.value === "string" && s.words.includes(n.value) && parent?.type !== "ImportDeclaration") edits.push({ start: n.start, end: n.start, text: "/* @__KEY__ */ " });
      return true;
    }
  }
  return false;
}

/** `boardFault(kind, …)`, `report(t, …)`, `endService(t, …)`: what a person would read becomes the number of the sentence. */
function sentence(n: Any, sentences: string[], replace: (x: Any, text: string) => true): boolean {
  const name = child(n, "callee").name;
  const last = (n.arguments as Any[]).at(-1);
  if ((name !== "boardFault" && name !== "report" && name !== "endService") || last === undefined) return false;
  const text = textIn(last);
  if (text === "") return false;
  let number = sentences.indexOf(text);
  if (number < 0) number = sentences.push(text) - 1;
  replace(last, `"${number}"`);
  return false;
}
/** The words of a literal, or of literals joined with what is known only later. */
function textIn(n: Any): string {
  if (n.type === "Literal" && typeof n.value === "string") return n.value;
  if (n.type === "BinaryExpression" && n.operator === "+") {
    const [left, right] = [textIn(child(n, "left")), textIn(child(n, "right"))];
    return left === "" && right === "" ? "" : `${left === "" ? "…" : left}${right === "" ? "…" : right}`;
  }
  return "";
}

function member(n: Any, parent: Any | undefined, s: Shortening, tables: Tables, replace: (x: Any, text: string) => true): boolean {
  if (n.computed === true) return false;
  const object = child(n, "object");
  const name = nameIn(child(n, "property"));
  const number = object.type === "Identifier" ? tables.get(nameIn(object))?.get(name) : undefined;
  if (number !== undefined) return replace(n, number < 0 ? `(${number})` : String(number));
  const isTarget = parent?.type === "AssignmentExpression" && parent.left === n;
  return s.absent.includes(name) && !isTarget && replace(n, "undefined");
}
