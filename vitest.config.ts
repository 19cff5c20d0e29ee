import { defineConfig } from "vitest/config";

/**
 * All tests live under test/; a hanging line must fail a test, not the run. `npm run coverage` measures what everything else
 * rests on: every branch of framing, coding, tap and journal is taken by a test, or its comment says why it cannot be.
 */
export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"], testTimeout: 30_000, hookTimeout: 30_000, pool: "forks", maxWorkers: 2,
    coverage: {
      provider: "v8", include: ["protocol/{link,wire,session}/*.ts", "runtime/journal/*.ts"], reportOnFailure: true, reporter: ["text-summary", "json"],
      thresholds: { branches: 100 },
    },
  },
});
