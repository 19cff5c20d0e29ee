/**
 * How an exhaustive suite says what it found: the invariant first, as whoever looked named it, then where, then what. A finding
 * that names no invariant is a mistake of the suite.
 */
import { assert } from "../../protocol/assert.js";

/** Who wants to hear of the first violation without waiting for the end of the suite. */
export const listener: { hear: ((what: string) => void) | undefined } = { hear: undefined };

/** `where` and a `problem` with its invariant in it: `I5 disk, cut at operation 3: ends with 2, acknowledged were 3`. */
export function violation(where: string, problem: string): string {
  const named = /\bI\d+ /.exec(problem);
  assert(named !== null, "a violation names its invariant: " + problem);
  const what = `${named![0]}${where}: ${problem.replace(named![0], "")}`;
  listener.hear?.(what);
  return what;
}
