/**
 * The language of the core: what Node, a browser, the simulator and Espruino really share, and nothing more.
 *
 * `protocol/` and `runtime/` are compiled with `noLib` against this page, so `Map`, `Date`, `Buffer`, timers, promises
 * and big integers are compile errors there. What is missing on one machine is missing here.
 */
interface Object { hasOwnProperty(name: string): boolean }
interface Function { call(self: any, ...args: any[]): any }
interface CallableFunction extends Function {}
interface NewableFunction extends Function {}
interface IArguments { readonly length: number; [index: number]: any }
interface Boolean {}
interface Number { toString(radix?: number): string }
interface RegExp { test(text: string): boolean }
interface String {
  readonly length: number;
  readonly [index: number]: string;
  charCodeAt(index: number): number;
  indexOf(part: string, from?: number): number;
  substring(start: number, end?: number): string;
  split(separator: string): string[];
  toString(): string;
}
interface StringConstructor { fromCharCode(...codes: number[]): string }
declare var String: StringConstructor;

interface Array<T> {
  length: number;
  [index: number]: T;
  push(...items: T[]): number;
  pop(): T | undefined;
  shift(): T | undefined;
  splice(start: number, deleteCount?: number): T[];
  slice(start?: number, end?: number): T[];
  concat(other: readonly T[]): T[];
  indexOf(item: T): number;
  join(separator?: string): string;
  map<U>(each: (item: T, index: number) => U): U[];
  filter(keep: (item: T, index: number) => boolean): T[];
  some(holds: (item: T, index: number) => boolean): boolean;
  every(holds: (item: T, index: number) => boolean): boolean;
  forEach(each: (item: T, index: number) => void): void;
  [Symbol.iterator](): IterableIterator<T>;
}
interface ReadonlyArray<T> {
  readonly length: number;
  readonly [index: number]: T;
  slice(start?: number, end?: number): T[];
  concat(other: readonly T[]): T[];
  indexOf(item: T): number;
  join(separator?: string): string;
  map<U>(each: (item: T, index: number) => U): U[];
  filter(keep: (item: T, index: number) => boolean): T[];
  some(holds: (item: T, index: number) => boolean): boolean;
  every(holds: (item: T, index: number) => boolean): boolean;
  forEach(each: (item: T, index: number) => void): void;
  [Symbol.iterator](): IterableIterator<T>;
}

/** Only so that `for … of` over an array type-checks; nobody may call it, as Espruino has no symbols. */
interface SymbolConstructor { readonly iterator: unique symbol }
declare const Symbol: SymbolConstructor;
interface IteratorResult<T> { done?: boolean; value: T }
interface IterableIterator<T> { next(): IteratorResult<T>; [Symbol.iterator](): IterableIterator<T> }
interface Iterable<T> { [Symbol.iterator](): IterableIterator<T> }

interface ArrayBuffer { readonly byteLength: number }
interface Uint8Array {
  readonly length: number;
  readonly byteOffset: number;
  readonly buffer: ArrayBuffer;
  [index: number]: number;
  /** Shares the bytes; `slice` is missing because Espruino's answers a plain array. */
  subarray(start?: number, end?: number): Uint8Array;
  set(source: Uint8Array | readonly number[], offset?: number): void;
  fill(byte: number, start?: number, end?: number): Uint8Array;
  indexOf(byte: number, from?: number): number;
}
interface Uint8ArrayConstructor { new (length: number): Uint8Array; new (bytes: readonly number[] | Uint8Array): Uint8Array }
declare var Uint8Array: Uint8ArrayConstructor;

interface Math {
  floor(x: number): number;
  min(a: number, b: number): number;
  max(a: number, b: number): number;
}
declare var Math: Math;

interface Error { message: string; name: string }
interface ErrorConstructor { new (message?: string): Error }
declare var Error: ErrorConstructor;

interface ObjectConstructor { keys(o: object): string[] }
declare var Object: ObjectConstructor;

type Readonly<T> = { readonly [P in keyof T]: T[P] };
type Partial<T> = { [P in keyof T]?: T[P] };
type Record<K extends string | number, T> = { [P in K]: T };
type Exclude<T, U> = T extends U ? never : T;
type Extract<T, U> = T extends U ? T : never;
type Pick<T, K extends keyof T> = { [P in K]: T[P] };
type Omit<T, K> = Pick<T, Exclude<keyof T, K>>;
