#!/usr/bin/env node
// Plain JavaScript that any Node can read: it looks at the version before anything that an old one could not run.
import { readFileSync } from "node:fs";

const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);

if (major < 22 || (major === 22 && minor < 18)) {
  console.error(
    `error: sealpost needs Node 22.18 or newer to run TypeScript, and this is ${process.versions.node}.` +
      "\n→ In the repo, run `npm ci` once and then `npx sealpost`: that brings and uses Node 24.",
  );
  process.exitCode = 3;
} else {
  // Each write tells of its own failure.
  process.stdout.on("error", () => undefined);
  process.stderr.on("error", () => undefined);
  const { main } = await import("./cli.ts");
  const { version } = JSON.parse(readFileSync(new URL("package.json", import.meta.url), "utf8"));
  process.exitCode = await main(process.argv, version);
}
