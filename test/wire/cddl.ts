/**
 * A small CDDL reader (RFC 8610) for the part that our grammar uses: it checks an encoded item against a rule, and makes
 * random items that match one. It decodes with `cborg`, not with our own codec, so that grammar and code are held
 * together by something neither of them wrote.
 */
import { decode, encode, rfc8949EncodeOptions } from "cborg";

type Type =
  | { is: "choice"; of: Type[] }
  | { is: "literal"; value: number | string }
  | { is: "range"; from: number; to: number }
  | { is: "name"; name: string }
  | { is: "array"; entries: Entry[] }
  | { is: "map"; pairs: { key: number; type: Type; optional: boolean }[] }
  | { is: "control"; base: Type; size?: number; cbor?: Type };
interface Entry { least: number; most: number; type: Type }
export type Grammar = Map<string, Type>;

const tokenForm = /"[^"]*"|-?\d+\.\.-?\d+|\d*\*\d*|-?\d+|\.[a-z]+|[a-z][a-z0-9-]*|[[\]{}():,/?=]/g;

/** The rules of a CDDL text. Anything outside the part understood here throws: the grammar must stay readable to it. */
export function readGrammar(text: string): Grammar {
  const tokens = text.replace(/;.*$/gm, "").match(tokenForm) ?? [];
  let at = 0;
  const next = () => tokens[at++]!;
  const take = (token: string) => { if (next() !== token) throw new Error(`CDDL: expected ${token} before ${tokens.slice(at, at + 5).join(" ")}`); };
  const grammar: Grammar = new Map();

  function choice(): Type {
    const of = [single()];
    while (tokens[at] === "/") { at++; of.push(single()); }
    return of.length === 1 ? of[0]! : { is: "choice", of };
  }
  function single(): Type {
    let type = plain(next());
    while (tokens[at]?.startsWith(".")) {
      const control = next();
      if (control === ".size") type = { is: "control", base: type, size: Number(next()) };
      else if (control === ".cbor") type = { is: "control", base: type, cbor: plain(next()) };
      else throw new Error(`CDDL: unknown control ${control}`);
    }
    return type;
  }
  function plain(token: string): Type {
    if (token === "[") return array();
    if (token === "{") return map();
    if (token.startsWith('"')) return { is: "literal", value: token.slice(1, -1) };
    if (token.includes("..")) { const [from, to] = token.split(".."); return { is: "range", from: Number(from), to: Number(to) }; }
    if (/^-?\d+$/.test(token)) return { is: "literal", value: Number(token) };
    if (/^[a-z]/.test(token)) return { is: "name", name: token };
    throw new Error(`CDDL: cannot read ${token}`);
  }
  function array(): Type {
    const entries: Entry[] = [];
    while (tokens[at] !== "]") {
      let least = 1, most = 1;
      if (tokens[at] === "?") { at++; least = 0; }
      else if (tokens[at]!.includes("*")) { const [a, b] = next().split("*"); least = Number(a || 0); most = b ? Number(b) : 8; }
      if (/^[a-z]/.test(tokens[at]!) && tokens[at + 1] === ":") at += 2;
      entries.push({ least, most, type: choice() });
      if (tokens[at] === ",") at++;
    }
    take("]");
    return { is: "array", entries };
  }
  function map(): Type {
    const pairs: { key: number; type: Type; optional: boolean }[] = [];
    while (tokens[at] !== "}") {
      const optional = tokens[at] === "?";
      if (optional) at++;
      const key = Number(next());
      take(":");
      pairs.push({ key, type: choice(), optional });
      if (tokens[at] === ",") at++;
    }
    take("}");
    return { is: "map", pairs };
  }
  while (at < tokens.length) {
    const name = next();
    take("=");
    grammar.set(name, choice());
  }
  return grammar;
}

const decodeStrictly = (bytes: Uint8Array): unknown =>
  decode(bytes, { useMaps: true, strict: true, allowIndefinite: false, rejectDuplicateMapKeys: true });

/** True when `bytes` are one item that matches the rule, with whatever `.cbor` says stands inside its byte strings. */
export function matches(grammar: Grammar, rule: string, bytes: Uint8Array): boolean {
  return fits(grammar, { is: "name", name: rule }, decodeStrictly(bytes));
}

/** The grammar without its `.cbor` controls: what one decoder sees, before the items inside go to their own. */
export function outerLayer(text: string): Grammar {
  return readGrammar(text.replace(/\.cbor [a-z-]+/g, ""));
}

function fits(g: Grammar, type: Type, x: unknown): boolean {
  switch (type.is) {
    case "choice": return type.of.some((t) => fits(g, t, x));
    case "literal": return x === type.value;
    case "range": return Number.isInteger(x) && (x as number) >= type.from && (x as number) <= type.to;
    case "array": return Array.isArray(x) && fitsEntries(g, type.entries, 0, x, 0);
    case "map": return x instanceof Map && [...x.keys()].every((k) => type.pairs.some((p) => p.key === k))
      && type.pairs.every((p) => (x.has(p.key) ? fits(g, p.type, x.get(p.key)) : p.optional));
    case "control": return fits(g, type.base, x) && (type.size === undefined || (x as Uint8Array).length === type.size)
      && (type.cbor === undefined || fitsInside(g, type.cbor, x as Uint8Array));
    case "name": return fitsName(g, type.name, x);
  }
}

function fitsInside(g: Grammar, type: Type, bytes: Uint8Array): boolean {
  try {
    return fits(g, type, decodeStrictly(bytes));
  } catch {
    return false;
  }
}

function fitsName(g: Grammar, name: string, x: unknown): boolean {
  switch (name) {
    case "uint": return Number.isInteger(x) && (x as number) >= 0;
    case "int": return Number.isInteger(x);
    case "bstr": return x instanceof Uint8Array;
    case "tstr": return typeof x === "string";
    case "bool": return typeof x === "boolean";
    case "null": return x === null;
  }
  const type = g.get(name);
  if (type === undefined) throw new Error(`CDDL: no rule ${name}`);
  return fits(g, type, x);
}

function fitsEntries(g: Grammar, entries: Entry[], entry: number, items: unknown[], item: number): boolean {
  if (entry === entries.length) return item === items.length;
  const e = entries[entry]!;
  for (let count = 0; count <= e.most && item + count <= items.length; count++) {
    if (count > 0 && !fits(g, e.type, items[item + count - 1])) return false;
    if (count >= e.least && fitsEntries(g, entries, entry + 1, items, item + count)) return true;
  }
  return false;
}

/** A random item that matches the rule, deterministically encoded. `random` answers 0 ≤ x < 1. */
export function generate(grammar: Grammar, rule: string, random: () => number): Uint8Array {
  return encode(make(grammar, { is: "name", name: rule }, random), rfc8949EncodeOptions);
}

function make(g: Grammar, type: Type, random: () => number): unknown {
  const below = (n: number) => Math.floor(random() * n);
  const bytes = (length: number) => Uint8Array.from({ length }, () => below(256));
  switch (type.is) {
    case "choice": return make(g, type.of[below(type.of.length)]!, random);
    case "literal": return type.value;
    case "range": return type.from + below(type.to - type.from + 1);
    case "array": return type.entries.flatMap((e) => times(e.least + below(Math.min(e.most - e.least, 2) + 1), () => make(g, e.type, random)));
    case "map": return new Map(type.pairs.filter((p) => !p.optional || random() < 0.5).map((p) => [p.key, make(g, p.type, random)]));
    case "control": return type.cbor !== undefined ? encode(make(g, type.cbor, random), rfc8949EncodeOptions) : bytes(type.size!);
    case "name": break;
  }
  switch (type.name) {
    case "uint": return [0, 1, 23, 24, 255, 256, 65535, 65536, 4294967295, 1800000000][below(10)];
    case "int": return below(2000) - 1000;
    case "bstr": return bytes(below(40));
    case "tstr": return ["", "t", "ticket", "展覧会", "café"][below(5)];
    case "bool": return random() < 0.5;
    case "null": return null;
  }
  return make(g, g.get(type.name)!, random);
}

/** Each item wrapped, so that `flatMap` keeps items that are arrays themselves. */
function times(count: number, one: () => unknown): unknown[] {
  return Array.from({ length: count }, one);
}
