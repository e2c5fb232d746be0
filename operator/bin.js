#!/usr/bin/env node
// Plain JavaScript, so that any Node can read it far enough to say what is wrong.
import { existsSync, readFileSync } from "node:fs";

const source = new URL("./cli.ts", import.meta.url);
const built = new URL("./dist/cli.js", import.meta.url);
const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);

// The repository has the source, which is never stale; a published package has what was built from it.
const readsTypeScript = major > 22 || (major === 22 && minor >= 18);
const entry = [readsTypeScript && source, major >= 20 && built].find((file) => file && existsSync(file));

if (entry) {
  // Each write tells of its own failure.
  process.stdout.on("error", () => undefined);
  process.stderr.on("error", () => undefined);
  const { main } = await import(entry.href);
  const { version } = JSON.parse(readFileSync(new URL("package.json", import.meta.url), "utf8"));
  process.exitCode = await main(process.argv, version);
} else {
  const needed = existsSync(built) ? "20" : "22.18";
  process.stderr.write(
    `error: sealpost needs Node ${needed} or newer, and this is Node ${process.versions.node}.\n` +
      "→ install a newer Node from https://nodejs.org, or in the repository run `npx sealpost`\n",
  );
  process.exitCode = 3;
}
