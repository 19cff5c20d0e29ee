/**
 * The runs that are no seeds: exhaustive suites and fuzzing, by name, each with how much of it belongs in every submission.
 */
export interface Found { points: number; faults: Record<string, number>; violations: string[] }
export interface SuiteOptions { damage: number; progress?: (done: number, of: number) => void }
export interface Suite { name: string; /** `damage` in every submission, and in `--exhaust` unless told. */ usual: number; whole: number; run(o: SuiteOptions): Promise<Found> }

export const suites: readonly Suite[] = [
  { name: "journal", usual: 20, whole: 200, run: async (o) => (await import("./exhaust/journal.js")).run(o) },
  { name: "recovery", usual: 4, whole: 40, run: async (o) => (await import("./exhaust/recovery.js")).run(o) },
  { name: "line", usual: 20, whole: 200, run: async (o) => (await import("./exhaust/line.js")).run(o) },
  { name: "tear", usual: 1, whole: 10, run: async (o) => (await import("./exhaust/tear.js")).run(o) },
  { name: "session", usual: 1, whole: 10, run: async (o) => (await import("./exhaust/session.js")).run(o) },
  { name: "sql", usual: 1, whole: 10, run: async (o) => (await import("./exhaust/sql.js")).run(o) },
  { name: "status", usual: 1, whole: 2, run: async (o) => (await import("./exhaust/status.js")).run(o) },
  { name: "workers", usual: 4, whole: 1, run: async (o) => (await import("./exhaust/workers.js")).run(o) },
  { name: "model", usual: 1, whole: 1, run: async (o) => (await import("./exhaust/model.js")).run(o) },
];

/** Hostile bytes and structure, and honest messages with one field changed, signed again by a real key. */
export async function fuzz(seeds: number, from: number, progress?: (done: number, of: number) => void): Promise<Found> {
  const half = (begins: number) => (done: number, of: number): void => progress?.(begins * of + done, 2 * of);
  const wire = (await import("../fuzz/wire.js")).run({ seeds, from, progress: half(0) });
  // Each of its seeds changes every field of every message in every state: 700 messages.
  const protocol = (await import("../fuzz/protocol.js")).run({ seeds: Math.ceil(seeds / 200), from, progress: half(1) });
  return {
    points: wire.inputs + protocol.messages, faults: { "fuzzed input": wire.inputs, "well-formed input": wire.wellFormed, "input taken": wire.taken, "field changed": protocol.messages },
    violations: [...wire.finds.map((what) => `I10 ${what}`), ...protocol.finds],
  };
}
