#!/usr/bin/env node
// Plain JavaScript, so that any Node can read it far enough to say what is wrong.
import { existsSync } from "node:fs";

const source = new URL("./cli.ts", import.meta.url);
const built = new URL("./dist/cli.js", import.meta.url);
const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);

// The repository has the source, which is never stale; a published package has what was built from it.
const readsTypeScript = major > 22 || (major === 22 && minor >= 18);
const entry = [readsTypeScript && source, major >= 20 && built].find((file) => file && existsSync(file));

if (entry) {
  await import(entry.href);
} else {
  const needed = existsSync(built) ? "20" : "22.18";
  process.stderr.write(
    `error: this is Node ${process.versions.node}, and sealpost-device needs Node ${needed} or newer.\n` +
      "  → install a newer Node from https://nodejs.org, or in the repository run `npx sealpost-device`\n",
  );
  process.exitCode = 1;
}
