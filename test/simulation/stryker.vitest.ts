/**
 * The tests that a mutant of journal, verifier or judge is run against: those that take milliseconds, and the journal's cut at
 * every operation. Used by `stryker.config.json` alone.
 */
import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/session/*.test.ts", "test/runtime/journal*.test.ts", "test/protocol/*.test.ts"],
    exclude: ["test/session/attack.test.ts", "test/session/torn.test.ts", "test/session/tap.test.ts"], testTimeout: 30_000, isolate: false,
  },
});
