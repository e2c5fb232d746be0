// Plain JavaScript that old Node versions understand: they could not even read the TypeScript that explains the problem.
const commands = ["up", "down", "retire-key", "demo", "check-infra", "bench"];
const [command, ...rest] = process.argv.slice(2);
const major = Number(process.versions.node.split(".")[0]);

if (major < 24) {
  console.error(
    `Sealpost's local mode needs Node 24; this is ${process.versions.node}.\n` +
      "On Linux `npm ci` brings it and `npm run` finds it. Elsewhere install the version in .node-version.",
  );
  process.exitCode = 1;
} else if (commands.includes(command)) {
  process.argv.splice(2, process.argv.length, ...rest);
  await import(command === "bench" ? "../bench/bench.ts" : `./${command}.ts`);
} else {
  console.error(`usage: node local/start.js ${commands.join("|")}`);
  process.exitCode = 2;
}
