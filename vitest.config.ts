import { defineConfig } from "vitest/config";

/** All tests live under test/; a hanging line must fail a test, not the run. */
export default defineConfig({
  test: { include: ["test/**/*.test.ts"], testTimeout: 30_000, hookTimeout: 30_000, pool: "forks" },
});
