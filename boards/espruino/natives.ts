/**
 * The language's own names once more, as the first variables of the program: an engine that looks for a name among all globals
 * one by one finds these at once, and in the bundle they are one letter long. The bundler puts them in everywhere.
 */
const u8 = Uint8Array;
const math = Math;
const object = Object;

export { u8 as Uint8Array, math as Math, object as Object };
