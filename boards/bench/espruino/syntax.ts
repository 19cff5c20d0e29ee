/**
 * The gate on the finished bundle: what an Espruino engine does not read, or reads otherwise than we do, is found here and not
 * on a board. It looks at what esbuild made, so it also finds what a tool brought in (language support as measured on the engine).
 */
import { parse, type Node } from "acorn";

interface Any extends Node { [key: string]: unknown }
const isNode = (x: unknown): x is Any => typeof x === "object" && x !== null && typeof (x as Any).type === "string";

/** Node kinds that the engine has not, and what to call them. */
const foreign: Record<string, string> = {
  SpreadElement: "spread", RestElement: "rest parameter", ObjectPattern: "destructuring", ArrayPattern: "destructuring", AssignmentPattern: "default parameter", LabeledStatement: "label",
  PropertyDefinition: "class field", PrivateIdentifier: "private name", StaticBlock: "static block", AwaitExpression: "await", YieldExpression: "generator", ChainExpression: "?.", TaggedTemplateExpression: "tagged template",
  MetaProperty: "new.target", ImportDeclaration: "import", ImportExpression: "import()", ExportNamedDeclaration: "export", ExportDefaultDeclaration: "export", ExportAllDeclaration: "export", ClassExpression: "class expression", WithStatement: "with",
};

/** What is wrong, one line each with the place in the bundle; empty when a board can read it. */
export function refusedSyntax(bundle: string): string[] {
  const found: string[] = [];
  let tree: Any;
  try { tree = parse(bundle, { ecmaVersion: 2022, sourceType: "script" }) as unknown as Any; } catch (error) { return [`not readable at all: ${(error as Error).message}`]; }
  const say = (n: Node, what: string): void => { found.push(`${what} at ${n.start}: ${bundle.slice(Math.max(0, n.start - 10), n.start + 40).replace(/\s+/g, " ")}`); };
  const walk = (n: Any, depth: number, isBodyTop: boolean): void => {
    const called = foreign[n.type];
    if (called !== undefined) say(n, called);
    kinds(n, depth, isBodyTop, say);
    const inside = /Function/.test(n.type) ? depth + 1 : depth;
    for (const value of Object.values(n)) {
      for (const c of Array.isArray(value) ? value : [value]) if (isNode(c)) walk(c, inside, n.type === "Program" || (n.type === "BlockStatement" && isBodyTop) || /Function/.test(n.type));
    }
  };
  walk(tree, 0, false);
  found.push(...usedTooEarly(tree, bundle), ...loopCaptures(tree, bundle));
  return found;
}

function kinds(n: Any, depth: number, isBodyTop: boolean, say: (n: Node, what: string) => void): void {
  switch (n.type) {
    case "BinaryExpression": if (n.operator === "**") say(n, "**"); break;
    case "AssignmentExpression": if (["**=", "||=", "&&=", "??="].includes(n.operator as string)) say(n, n.operator as string); break;
    case "Literal": if (typeof n.bigint === "string") say(n, "BigInt"); else if (isNode(n) && typeof n.regex === "object" && n.regex !== null) regex(n, say); break;
    case "VariableDeclaration": if (n.kind === "var" && depth > 0) say(n, "var in a function"); break;
    case "FunctionDeclaration": if (n.async === true || n.generator === true) say(n, "async or generator"); else if (depth > 0 && !isBodyTop) say(n, "a function declared in a block"); break;
    case "FunctionExpression": case "ArrowFunctionExpression": if (n.async === true || n.generator === true) say(n, "async or generator"); break;
    case "ClassDeclaration": if (isNode(n.superClass) && n.superClass.name === "Error") say(n, "extends Error"); break;
    case "Property": if (n.computed === true) say(n, "computed key"); break;
    case "MethodDefinition": if (n.computed === true) say(n, "computed key"); break;
    case "SwitchCase": for (const c of n.consequent as Any[]) if (c.type === "VariableDeclaration" && n.kind !== "var") say(c, "let or const in a case"); break;
  }
}

function regex(n: Any, say: (n: Node, what: string) => void): void {
  const { pattern, flags } = n.regex as { pattern: string; flags: string };
  if (/[^ig]/.test(flags) || /\{\d|\(\?|\\[1-9]|[*+?]\?/.test(pattern)) say(n, "a regular expression beyond the engine's");
}

/** Names of the top level that are used while the program starts before they were given: nothing is hoisted there. */
function usedTooEarly(tree: Any, bundle: string): string[] {
  const given = new Set<string>();
  const found: string[] = [];
  const all = new Set<string>();
  const body = tree.body as Any[];
  for (const statement of body) for (const name of declared(statement)) all.add(name);
  const look = (n: Any): void => {
    if (/Function/.test(n.type)) return; // runs later
    if (n.type === "Identifier" && all.has(n.name as string) && !given.has(n.name as string)) found.push(`use before definition of ${n.name as string} at ${n.start}: ${bundle.slice(n.start, n.start + 30)}`);
    for (const [key, value] of Object.entries(n)) {
      if (key === "property" && n.computed !== true) continue;
      if (key === "key" && n.computed !== true) continue;
      for (const c of Array.isArray(value) ? value : [value]) if (isNode(c)) look(c);
    }
  };
  for (const statement of body) {
    if (statement.type === "VariableDeclaration") {
      for (const d of statement.declarations as Any[]) { if (isNode(d.init)) look(d.init); given.add((d.id as Any).name as string); }
    } else if (statement.type === "FunctionDeclaration") given.add((statement.id as Any).name as string);
    else if (statement.type === "ClassDeclaration") { given.add((statement.id as Any).name as string); if (isNode(statement.superClass)) look(statement.superClass); }
    else look(statement);
  }
  return found;
}
function declared(statement: Any): string[] {
  if (statement.type === "FunctionDeclaration" || statement.type === "ClassDeclaration") return [(statement.id as Any).name as string];
  return statement.type === "VariableDeclaration" ? (statement.declarations as Any[]).map((d) => (d.id as Any).name as string) : [];
}

/** A `let` in a loop's header is one for all rounds there: no function made in the loop may hold it. */
function loopCaptures(tree: Any, bundle: string): string[] {
  const found: string[] = [];
  const walk = (n: Any): void => {
    const header = n.type === "ForStatement" ? n.init : n.type === "ForOfStatement" || n.type === "ForInStatement" ? n.left : undefined;
    if (isNode(header) && header.type === "VariableDeclaration") {
      const names = new Set(declared(header));
      const within = (x: Any, inFunction: boolean, held: Set<string>): void => {
        if (inFunction && x.type === "Identifier" && held.has(x.name as string)) found.push(`a loop's own ${x.name as string} held by a function at ${x.start}: ${bundle.slice(x.start - 20, x.start + 20)}`);
        for (const [key, value] of Object.entries(x)) {
          if ((key === "property" || key === "key") && x.computed !== true) continue;
          for (const c of Array.isArray(value) ? value : [value]) {
            if (isNode(c)) within(c, inFunction || /Function/.test(c.type), /Function/.test(c.type) ? new Set([...held].filter((name) => !ownNames(c).has(name))) : held);
          }
        }
      };
      within(n.body as Any, false, names);
    }
    for (const value of Object.values(n)) for (const c of Array.isArray(value) ? value : [value]) if (isNode(c)) walk(c);
  };
  walk(tree);
  return found;
}

/** Parameters and variables of a function, of inner blocks too: names that it does not hold from outside. */
export function ownNames(f: Node): Set<string> {
  const names = new Set(((f as Any).params as Any[]).map((p) => p.name as string));
  const walk = (n: Any): void => {
    if (n.type === "VariableDeclaration") for (const name of declared(n)) names.add(name);
    if (n !== f && /Function/.test(n.type)) return;
    for (const value of Object.values(n)) for (const c of Array.isArray(value) ? value : [value]) if (isNode(c)) walk(c);
  };
  walk(f as Any);
  return names;
}
