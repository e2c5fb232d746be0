import { defineConfig } from "vitest/config";

const expect = { poll: { timeout: 30_000 } };

/** `fast` runs in memory; `e2e` runs on the emulator, which its global set-up starts once and stops. */
export default defineConfig({
  test: {
    reporters: ["default", "./test/reporter.ts"],
    maxWorkers: 2,
    teardownTimeout: 60_000,
    projects: [
      {
        test: {
          name: "fast",
          include: ["test/**/*.test.ts"],
          setupFiles: ["test/property-seed.ts"],
          exclude: ["test/e2e/**"],
          // Bounds for what hangs, not for what is slow: the machine may have other work.
          expect,
          testTimeout: 300_000,
          hookTimeout: 120_000,
        },
      },
      {
        test: {
          name: "e2e",
          include: ["test/e2e/**/*.test.ts"],
          globalSetup: ["test/e2e/stack-setup.ts"],
          // One stack: what a file counts or breaks between a function and AWS must not meet another file's messages.
          fileParallelism: false,
          expect,
          testTimeout: 300_000,
          hookTimeout: 240_000,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
