/**
 * Counts what a bundle does, for an estimate of its time on a board without one: the engine walks the text of the program, so
 * its time follows the parts of expressions that it evaluates, the calls of functions, and how far it looks for a name among
 * the globals. A copy of the bundle adds these up as it runs on the stand-in engine.
 *
 * The prices are instructions counted on the real engine (Thumb-2, `-Os`): an empty round of a loop is five parts and 5,900,
 * a round that adds 8,700, one that stores a byte 12,100; that is 1,150 a part. A cycle an instruction is assumed.
 */
import { parse, type Node } from "acorn";
import { ownNames } from "./syntax.js";

interface Any extends Node { [key: string]: unknown }
const isNode = (x: unknown): x is Any => typeof x === "object" && x !== null && typeof (x as Any).type === "string";
const isFunction = (n: Any): boolean => n.type === "ArrowFunctionExpression" || n.type === "FunctionExpression" || n.type === "FunctionDeclaration";

/** Instructions: of a part of an expression, of a call into a function of the program beside its parts, of one name passed over among the globals. */
export const price = { part: 1150, call: 9000, passed: 30 } as const;
/** Native work: bytes moved, one digest, each byte of it. */
export const nativePrice = { byte: 297, digest: 33400, digestByte: 56 } as const;

/** The bundle with counters, `__p` by the names of its functions: `__n` instructions of the program, `__d` and `__h` digests and their bytes. */
export function instrument(code: string): string {
  const tree = parse(code, { ecmaVersion: 2022, sourceType: "script" }) as unknown as Any;
  const globals = new Map<string, number>();
  for (const statement of tree.body as Any[]) if (statement.type === "VariableDeclaration") for (const d of statement.declarations as Any[]) globals.set((d.id as Any).name as string, globals.size);
  const inserts: { at: number; text: string; order: number }[] = [];
  const scopes: Set<string>[] = [];
  let inside = "start";
  const add = (sum: number): string => `__n+=${sum},__p.${inside}=(__p.${inside}||0)+${sum}`;
  const insert = (at: number, text: string): void => { inserts.push({ at, text, order: inserts.length }); };

  /** Price of what is always evaluated in `n`; what may not be is wrapped with its own. */
  function cost(n: Any | null | undefined): number {
    if (!isNode(n)) return 0;
    if (isFunction(n)) { body(n); return 3 * price.part; }
    switch (n.type) {
      case "ConditionalExpression": wrapped(n.consequent as Any); wrapped(n.alternate as Any); return price.part + cost(n.test as Any);
      case "LogicalExpression": wrapped(n.right as Any); return price.part + cost(n.left as Any);
      case "Identifier": return price.part + price.passed * (scopes.some((names) => names.has(n.name as string)) ? 0 : globals.get(n.name as string) ?? (native.has(n.name as string) ? globals.size : 0));
      case "MemberExpression": return price.part + cost(n.object as Any) + (n.computed === true ? cost(n.property as Any) : 0);
      case "Property": return cost(n.value as Any);
      case "CallExpression": if (isDigest(n)) digest(n); break;
    }
    let sum: number = price.part;
    for (const [key, value] of Object.entries(n)) {
      if (key === "id" && n.type === "VariableDeclarator") continue;
      for (const c of Array.isArray(value) ? value : [value]) if (isNode(c)) sum += cost(c);
    }
    return sum;
  }
  const isDigest = (n: Any): boolean => { const c = n.callee as Any; return c.type === "MemberExpression" && (c.property as Any).name === "SHA256"; };
  function digest(n: Any): void {
    const argument = (n.arguments as Any[])[0]!;
    insert(n.start, `(__d++,__h+=${code.slice(argument.start, argument.end)}.length,`);
    insert(n.end, ")");
  }
  function wrapped(n: Any): void {
    const at = inserts.length;
    insert(n.start, "");
    const sum = cost(n);
    inserts[at]!.text = `(${add(sum)},`;
    insert(n.end, ")");
  }
  function body(f: Any): void {
    scopes.push(ownNames(f));
    within(f.body as Any);
    scopes.pop();
  }
  function within(b: Any): void {
    if (b.type !== "BlockStatement") {
      const at = inserts.length;
      insert(b.start, "");
      const sum = cost(b);
      inserts[at]!.text = `(${add(sum + price.call)},`;
      insert(b.end, ")");
      return;
    }
    insert(b.start + 1, `${add(price.call)};`);
    for (const s of b.body as Any[]) statement(s);
  }
  /** A statement where one stands alone: in braces, so that its counter belongs to it. */
  function alone(s: Any | null | undefined): void {
    if (!isNode(s)) return;
    if (s.type === "BlockStatement") { for (const each of s.body as Any[]) statement(each); return; }
    insert(s.start, "{");
    statement(s);
    insert(s.end, "}");
  }
  function counted(s: Any, sum: () => number): void {
    const at = inserts.length;
    insert(s.start, "");
    inserts[at]!.text = `${add(price.part + sum())};`;
  }
  function statement(s: Any): void {
    switch (s.type) {
      case "BlockStatement": for (const each of s.body as Any[]) statement(each); return;
      case "IfStatement": counted(s, () => cost(s.test as Any)); alone(s.consequent as Any); alone(s.alternate as Any); return;
      case "ForStatement":
        counted(s, () => cost(s.init as Any));
        if (isNode(s.test)) wrapped(s.test);
        if (isNode(s.update)) wrapped(s.update);
        alone(s.body as Any);
        return;
      case "ForOfStatement": case "ForInStatement": counted(s, () => cost(s.right as Any)); round(s); return;
      case "WhileStatement": wrapped(s.test as Any); alone(s.body as Any); return;
      case "SwitchStatement":
        counted(s, () => cost(s.discriminant as Any) + (s.cases as Any[]).length * 2 * price.part);
        for (const c of s.cases as Any[]) for (const each of c.consequent as Any[]) statement(each);
        return;
      case "TryStatement":
        alone(s.block as Any);
        if (isNode(s.handler)) alone(s.handler.body as Any);
        alone(s.finalizer as Any);
        return;
      default: counted(s, () => cost(s)); return;
    }
  }
  function round(s: Any): void {
    const b = s.body as Any;
    if (b.type === "BlockStatement") { insert(b.start + 1, `${add(3 * price.part)};`); for (const each of b.body as Any[]) statement(each); return; }
    insert(b.start, `{${add(3 * price.part)};`);
    statement(b);
    insert(b.end, "}");
  }
  for (const s of tree.body as Any[]) if (s.type === "VariableDeclaration") for (const d of s.declarations as Any[]) { inside = (d.id as Any).name as string; cost(d.init as Any); }
  let out = "";
  let at = 0;
  // What closes stands before what opens at the same place.
  for (const i of inserts.sort((a, b) => a.at - b.at || Number(!/^[)}]/.test(a.text)) - Number(!/^[)}]/.test(b.text)) || a.order - b.order)) { out += code.slice(at, i.at) + i.text; at = i.at; }
  return `var __n=0,__d=0,__h=0,__b=0,__p={};${out}${code.slice(at)}`;
}
const native = new Set("E Math Object Uint8Array Uint32Array Error String getTime setTimeout clearTimeout setInterval clearInterval setWatch analogWrite require".split(" "));

/** Root names of a bundle, its functions with their parameters: each costs memory for as long as the program runs. */
export function functionsOf(code: string): { functions: number; parameters: number; names: string[] } {
  const tree = parse(code, { ecmaVersion: 2022, sourceType: "script" }) as unknown as Any;
  const found = { functions: 0, parameters: 0, names: [] as string[] };
  for (const s of tree.body as Any[]) {
    if (s.type !== "VariableDeclaration") continue;
    for (const d of s.declarations as Any[]) {
      found.names.push((d.id as Any).name as string);
      if (isNode(d.init) && isFunction(d.init)) { found.functions++; found.parameters += (d.init.params as unknown[]).length; }
    }
  }
  return found;
}
