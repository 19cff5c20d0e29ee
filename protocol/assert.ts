/**
 * The one way to say "this cannot be". An assertion that fails means broken code, never bad input: bad input is a
 * refusal (`refusal.ts`), a faulty device a board error (`runtime/board.ts`). Assertions stay on in the field.
 */

/** Throws when `holds` is false. */
export function assert(holds: boolean, what: string): asserts holds {
  if (!holds) throw new Error("assertion failed: " + what);
}

/** Ends a `switch` that must name every case: a forgotten one is a compile error. */
export function assertNever(left: never): never {
  throw new Error("assertion failed: unexpected case " + left);
}
