/**
 * A small CDDL reader (RFC 8610) for the part that our grammar uses: it checks an encoded item against a rule, and makes
 * random items that match one. It decodes with `cborg`, not with our own codec, so that grammar and code are held
 * together by something neither of them wrote.
 */
import { encode, rfc8949EncodeOptions, Tagged } from "cborg";
import { decodeStrictly } from "./cborg.js";

type Type =
  | { is: "choice"; of: Type[] }
  | { is: "literal"; value: number | string }
  | { is: "range"; from: number; to: number }
  | { is: "name"; name: string; of: Type[] }
  | { is: "array"; entries: Entry[] }
  | { is: "map"; pairs: { key: number | string; type: Type; optional: boolean }[] }
  | { is: "tag"; tag: number; type: Type }
  | { is: "control"; base: Type; size?: [number, number]; cbor?: Type };
interface Entry { least: number; most: number; type: Type }
/** A rule, and the names that stand for what a user of it puts in (`signed<class, claims>`). */
interface Rule { parameters: string[]; type: Type }
export type Grammar = Map<string, Rule>;

const tokenForm = /"[^"]*"|#6\.\d+|-?\d+\.\.-?\d+|\d*\*\d*|-?\d+|\.[a-z]+|[a-z][a-z0-9-]*|[[\]{}()<>:,/?=]/g;

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
      if (control === ".size") type = { is: "control", base: type, size: sizes() };
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
    if (token.startsWith("#6.")) { take("("); const type = choice(); take(")"); return { is: "tag", tag: Number(token.slice(3)), type }; }
    if (/^[a-z]/.test(token)) return { is: "name", name: token, of: list() };
    throw new Error(`CDDL: cannot read ${token}`);
  }
  function sizes(): [number, number] {
    if (tokens[at] !== "(") { const size = Number(next()); return [size, size]; }
    take("(");
    const [from, to] = next().split("..").map(Number);
    take(")");
    return [from!, to!];
  }
  /** `<one, other>` behind a name, or nothing. */
  function list(): Type[] {
    const of: Type[] = [];
    if (tokens[at] !== "<") return of;
    do { at++; of.push(choice()); } while (tokens[at] === ",");
    take(">");
    return of;
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
    const pairs: { key: number | string; type: Type; optional: boolean }[] = [];
    while (tokens[at] !== "}") {
      const optional = tokens[at] === "?";
      if (optional) at++;
      const token = next();
      const key = token.startsWith('"') ? token.slice(1, -1) : Number(token);
      take(":");
      pairs.push({ key, type: choice(), optional });
      if (tokens[at] === ",") at++;
    }
    take("}");
    return { is: "map", pairs };
  }
  while (at < tokens.length) {
    const name = next();
    const parameters = list().map((p) => (p as { name: string }).name);
    take("=");
    grammar.set(name, { parameters, type: choice() });
  }
  return grammar;
}

/** The rule behind a name, with what its user put in. */
function resolve(g: Grammar, type: { name: string; of: Type[] }): Type {
  const rule = g.get(type.name);
  if (rule === undefined) throw new Error(`CDDL: no rule ${type.name}`);
  return rule.parameters.length === 0 ? rule.type : filled(rule.type, new Map(rule.parameters.map((name, i) => [name, type.of[i]!])));
}
function filled(type: Type, given: Map<string, Type>): Type {
  const fill = (t: Type): Type => filled(t, given);
  switch (type.is) {
    case "name": return given.get(type.name) ?? { ...type, of: type.of.map(fill) };
    case "choice": return { is: "choice", of: type.of.map(fill) };
    case "array": return { is: "array", entries: type.entries.map((e) => ({ ...e, type: fill(e.type) })) };
    case "map": return { is: "map", pairs: type.pairs.map((p) => ({ ...p, type: fill(p.type) })) };
    case "tag": return { ...type, type: fill(type.type) };
    case "control": return { ...type, base: fill(type.base), ...(type.cbor === undefined ? {} : { cbor: fill(type.cbor) }) };
    default: return type;
  }
}

/** True when `bytes` are one item that matches the rule, with whatever `.cbor` says stands inside its byte strings. */
export function matches(grammar: Grammar, rule: string, bytes: Uint8Array): boolean {
  return fits(grammar, { is: "name", name: rule, of: [] }, decodeStrictly(bytes));
}

/** The grammar without its `.cbor` controls: what one decoder sees, before the items inside go to their own. */
export function outerLayer(text: string): Grammar {
  return readGrammar(text.replace(/\.cbor [a-z-]+(<[a-z]+>)?/g, ""));
}

function fits(g: Grammar, type: Type, x: unknown): boolean {
  switch (type.is) {
    case "choice": return type.of.some((t) => fits(g, t, x));
    case "literal": return x === type.value;
    case "range": return Number.isInteger(x) && (x as number) >= type.from && (x as number) <= type.to;
    case "array": return Array.isArray(x) && fitsEntries(g, type.entries, 0, x, 0);
    case "map": return x instanceof Map && [...x.keys()].every((k) => type.pairs.some((p) => p.key === k))
      && type.pairs.every((p) => (x.has(p.key) ? fits(g, p.type, x.get(p.key)) : p.optional));
    case "tag": return x instanceof Tagged && x.tag === type.tag && fits(g, type.type, x.value);
    case "control": return fits(g, type.base, x) && (type.size === undefined || fitsSize(type.size, x as Uint8Array | string))
      && (type.cbor === undefined || fitsInside(g, type.cbor, x as Uint8Array));
    case "name": return fitsName(g, type, x);
  }
}

/** RFC 8610 3.8.1: bytes of a byte string, and of a text's UTF-8. */
function fitsSize([least, most]: [number, number], x: Uint8Array | string): boolean {
  const size = typeof x === "string" ? Buffer.byteLength(x) : x.length;
  return size >= least && size <= most;
}

function fitsInside(g: Grammar, type: Type, bytes: Uint8Array): boolean {
  try {
    return fits(g, type, decodeStrictly(bytes));
  } catch {
    return false;
  }
}

function fitsName(g: Grammar, type: { name: string; of: Type[] }, x: unknown): boolean {
  switch (type.name) {
    case "uint": return Number.isSafeInteger(x) && (x as number) >= 0;
    case "int": return Number.isSafeInteger(x);
    case "bstr": return x instanceof Uint8Array;
    case "tstr": return typeof x === "string";
    case "bool": return typeof x === "boolean";
    case "null": return x === null;
  }
  return fits(g, resolve(g, type), x);
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

/** What CDDL cannot say in full: by the name of a rule, how to make an item of it. */
export type Makers = Record<string, (random: () => number) => unknown>;

/** A random item that matches the rule, deterministically encoded. `random` answers 0 ≤ x < 1. */
export function generate(grammar: Grammar, rule: string, random: () => number, makers: Makers = {}): Uint8Array {
  return encode(make({ grammar, random, makers }, { is: "name", name: rule, of: [] }), rfc8949EncodeOptions);
}

const edges = [0, 1, 23, 24, 255, 256, 65535, 65536, 4294967295, 4294967296, 1800000000, Number.MAX_SAFE_INTEGER];

interface Making { grammar: Grammar; random: () => number; makers: Makers }
function make(m: Making, type: Type): unknown {
  const below = (n: number) => Math.floor(m.random() * n);
  const bytes = (length: number) => Uint8Array.from({ length }, () => below(256));
  switch (type.is) {
    case "choice": return make(m, type.of[below(type.of.length)]!);
    case "literal": return type.value;
    case "range": return type.from + below(type.to - type.from + 1);
    case "array": return type.entries.flatMap((e) => times(e.least + below(Math.min(e.most - e.least, 2) + 1), () => make(m, e.type)));
    case "map": return new Map(type.pairs.filter((p) => !p.optional || m.random() < 0.5).map((p) => [p.key, make(m, p.type)]));
    case "tag": return new Tagged(type.tag, make(m, type.type));
    case "control": {
      if (type.cbor !== undefined) return encode(make(m, type.cbor), rfc8949EncodeOptions);
      const size = type.size![0] + below(Math.min(type.size![1] - type.size![0], 40) + 1);
      return (type.base as { name: string }).name === "tstr" ? Array.from({ length: size }, () => "0123456789ABCDEFGHJKMNPQRSTVWXYZ"[below(32)]).join("") : bytes(size);
    }
    case "name": break;
  }
  switch (type.name) {
    case "uint": return edges[below(edges.length)];
    case "int": return below(3) === 0 ? -1 - edges[below(edges.length - 1)]! : edges[below(edges.length)];
    case "bstr": return bytes(below(40));
    case "tstr": return ["", "t", "ticket", "展覧会", "café"][below(5)];
    case "bool": return m.random() < 0.5;
    case "null": return null;
  }
  return m.makers[type.name]?.(m.random) ?? make(m, resolve(m.grammar, type));
}

/** Each item wrapped, so that `flatMap` keeps items that are arrays themselves. */
function times(count: number, one: () => unknown): unknown[] {
  return Array.from({ length: count }, one);
}
