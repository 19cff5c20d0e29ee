/**
 * What a program finds, and does not find, in the language of an Espruino board: run first in the context of the stand-in
 * engine, it takes away everything the engine has not (measured: 311 probes on the real one) and puts its own strictness in
 * the place of ours. It cannot show the engine's late declarations or its 8-bit strings; the finished bundle's syntax is checked apart.
 */
export const prelude = `(function (host) {
  "use strict";
  const world = globalThis;
  const construct = Reflect.construct;
  const keep = (object, names) => {
    for (const name of Object.getOwnPropertyNames(object)) if (!names.includes(name)) delete object[name];
  };
  const words = (text) => text.split(" ");
  const typed = Object.getPrototypeOf(Uint8Array);
  const plain = Array.prototype.slice;
  const from = Array.from;

  keep(Array.prototype, words("constructor length push pop shift unshift splice slice concat indexOf join map filter some every forEach reduce sort reverse includes find findIndex fill toString"));
  keep(Array, words("length name prototype isArray"));
  keep(Object, words("length name prototype assign keys values entries fromEntries create defineProperty getPrototypeOf setPrototypeOf getOwnPropertyNames"));
  keep(Object.prototype, words("constructor hasOwnProperty toString valueOf __proto__"));
  keep(String.prototype, words("constructor length charAt charCodeAt indexOf lastIndexOf substring substr slice split toUpperCase toLowerCase trim replace replaceAll match repeat padStart padEnd startsWith endsWith includes concat toString valueOf"));
  keep(String, words("length name prototype fromCharCode"));
  keep(Number.prototype, words("constructor toString toFixed valueOf"));
  const number = Number;
  world.Number = function (value) { return arguments.length === 0 ? 0 : number(value); };
  world.Number.prototype = number.prototype;
  keep(Math, words("abs acos asin atan atan2 ceil cos exp floor log max min pow random round sin sqrt tan sign PI E LN2 LN10 LOG2E LOG10E SQRT2 SQRT1_2"));
  keep(typed.prototype, words("constructor buffer byteLength byteOffset length set fill indexOf includes map reduce sort find findIndex join forEach subarray slice filter some every reverse toString"));
  keep(typed, words("length name prototype"));
  keep(ArrayBuffer.prototype, words("constructor byteLength"));
  keep(ArrayBuffer, words("length name prototype"));
  keep(RegExp.prototype, words("constructor exec test toString source flags global ignoreCase multiline lastIndex"));

  const create = Object.create;
  Object.create = function (prototype, properties) {
    if (arguments.length > 1) throw new Error("propertiesObject is not supported yet");
    return create(prototype);
  };
  const codes = String.fromCharCode;
  String.fromCharCode = function () { return codes.apply(null, plain.call(arguments).map((code) => code & 255)); };
  const stringify = JSON.stringify, parse = JSON.parse;
  JSON.stringify = (value, replacer, space) => stringify(value, undefined, space);
  JSON.parse = (text) => parse(text);
  typed.prototype.slice = function (start, end) { return plain.call(from(this), start, end); };
  const set = typed.prototype.set;
  typed.prototype.set = function (source, offset) {
    const at = offset || 0;
    const bytes = typeof source === "string" ? from(source).map((c) => c.charCodeAt(0)) : source;
    const room = this.length - at;
    if (room > 0) set.call(this, bytes.length > room ? plain.call(bytes, 0, room) : bytes, at);
  };
  for (const name of words("Uint8Array Int8Array Uint8ClampedArray Uint16Array Int16Array Uint32Array Int32Array Float32Array Float64Array")) {
    const native = world[name];
    world[name] = new Proxy(native, {
      construct(target, args) {
        if (typeof args[0] === "string") throw new Error("Unsupported first argument of type String");
        const made = construct(target, args);
        host.allocated(made.byteLength);
        return made;
      },
    });
  }

  /** Reactions come after timers of 0 ms that were set before: they are run by the engine's own queue. */
  function Later(executor) {
    this.state = 0; this.value = undefined; this.waiting = [];
    const settle = (state) => (value) => {
      if (this.state !== 0) return;
      if (state === 1 && value && typeof value.then === "function") { value.then(settle(1), settle(2)); return; }
      this.state = state; this.value = value;
      for (const each of this.waiting) react(this, each);
    };
    try { executor(settle(1), settle(2)); } catch (error) { settle(2)(error); }
  }
  const react = (promise, each) => host.react(() => {
    const handler = promise.state === 1 ? each.done : each.failed;
    if (typeof handler !== "function") { (promise.state === 1 ? each.resolve : each.reject)(promise.value); return; }
    try { each.resolve(handler(promise.value)); } catch (error) { each.reject(error); }
  });
  Later.prototype.then = function (done, failed) {
    return new Later((resolve, reject) => {
      const each = { done, failed, resolve, reject };
      if (this.state === 0) this.waiting.push(each); else react(this, each);
    });
  };
  Later.prototype.catch = function (failed) { return this.then(undefined, failed); };
  Later.resolve = (value) => new Later((resolve) => resolve(value));
  Later.reject = (error) => new Later((resolve, reject) => reject(error));
  Later.all = (list) => new Later((resolve, reject) => {
    const values = []; let left = list.length;
    if (left === 0) resolve(values);
    list.forEach((each, i) => Later.resolve(each).then((value) => { values[i] = value; if (--left === 0) resolve(values); }, reject));
  });
  world.Promise = Later;

  Math.random = host.random;
  world.global = world;
  const has = new Set(words("global Array Object String Number Boolean Function Math JSON Error TypeError SyntaxError ReferenceError RegExp ArrayBuffer DataView Uint8Array Int8Array Uint8ClampedArray Uint16Array Int16Array Uint32Array Int32Array Float32Array Float64Array Promise parseInt parseFloat isNaN isFinite NaN Infinity undefined encodeURIComponent decodeURIComponent eval"));
  const bytesOf = (list) => { const u8 = new Uint8Array(list.length); for (let i = 0; i < list.length; i++) u8[i] = list[i]; return u8; };
  const wrap = (bytes) => bytesOf(bytes).buffer;
  for (const name of Object.getOwnPropertyNames(world)) if (!has.has(name)) delete world[name];
  return { bytesOf, wrap };
})`;
