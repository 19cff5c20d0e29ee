/**
 * Statements that are asked by the thousand: the query builder writes their text the first time, later only the values are
 * put in. To build and compile a statement costs more than SQLite's own work on a row or two.
 */
import type { Compilable, CompiledQuery, InferResult } from "kysely";
import type { Tx } from "./database.js";
import { assert } from "../protocol/assert.js";

/** Stands where a value will stand. */
class Place {
  readonly name: string;
  constructor(name: string) {
    this.name = name;
  }
}

const places = new Proxy({}, { get: (_none, name) => new Place(String(name)) });

/**
 * A statement with named values. `build` gets places in place of them and may do nothing with a place but hand it on to the
 * builder: no arithmetic, no question, no list. Answers the rows; what inserts, changes or deletes has none.
 */
export function statement<Values extends object, Built extends Compilable<unknown>>(build: (tx: Tx, values: Values) => Built): (tx: Tx, values: Values) => Promise<InferResult<Built>> {
  // The text is the dialect's; every transaction of a database has one and the same adapter.
  const written = new WeakMap<object, CompiledQuery>();
  return async (tx, values) => {
    const { adapter, plugins } = tx.getExecutor();
    // A plugin looks at each statement anew and may change it: what it made of one is not kept.
    const known = plugins.length > 0 ? undefined : written.get(adapter);
    const compiled = known ?? build(tx, places as Values).compile();
    if (plugins.length === 0) written.set(adapter, compiled);
    const parameters = compiled.parameters.map((x) => (x instanceof Place ? valueOf(values, x.name) : x));
    return (await tx.executeQuery({ ...compiled, parameters })).rows as InferResult<Built>;
  };
}

function valueOf(values: object, name: string): unknown {
  const value = (values as Record<string, unknown>)[name];
  assert(value !== undefined, "a statement gets all of its values: " + name);
  return value;
}
