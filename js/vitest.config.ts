import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["tests/**/*.test.ts"],
    testTimeout: 60_000,
    coverage: {
      provider: "v8",
      include: ["src/**/*.ts"],
      reporter: ["text"],
      thresholds: {
        lines: 95,
        branches: 95,
        functions: 95,
        statements: 95,
        // The code that decides.
        "src/*.ts": { 100: true },
        "src/http/*.ts": { 100: true },
        "src/store/*.ts": { 100: true },
        "src/limiter/*.ts": { 100: true },
      },
    },
  },
});
