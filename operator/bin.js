#!/usr/bin/env node
// Plain JavaScript that any Node can read: it looks at the version before anything that an old one could not run.
const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);

if (major < 22 || (major === 22 && minor < 18)) {
  console.error(
    `error: sealpost needs Node 22.18 or newer to run TypeScript, and this is ${process.versions.node}.` +
      "\n→ In the repo, run `npm ci` once and then `npx sealpost`: that brings and uses Node 24.",
  );
  process.exitCode = 3;
} else {
  // A reader that has seen enough (`| head`) is no fault.
  process.stdout.on("error", () => process.exit(0));
  const { main } = await import("./cli.ts");
  process.exitCode = await main(process.argv);
}
