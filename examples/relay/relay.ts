import { hostname } from "node:os";
import { parseArgs } from "node:util";

import { exportTo, importFrom } from "./carry.ts";
import { startRelay } from "./server.ts";
import { openStore } from "./store.ts";

const usage = `Usage:
  node relay.ts serve --to <base URL> [--store <folder>] [--host <address>] [--port <n>]
                      [--count <tokens>] [--bytes <n>] [--seconds <n>] [--wait <seconds>] [--store-mib <n>]
  node relay.ts export <folder> [--store <folder>] [--name <name>]
  node relay.ts import <folder> [--store <folder>] [--name <name>]
  node relay.ts status [--store <folder>]`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    to: { type: "string" },
    store: { type: "string", default: "store" },
    host: { type: "string", default: "0.0.0.0" },
    port: { type: "string", default: "8080" },
    count: { type: "string", default: "50" },
    bytes: { type: "string", default: "4000000" },
    seconds: { type: "string", default: "2" },
    wait: { type: "string", default: "20" },
    "store-mib": { type: "string", default: "256" },
    name: { type: "string", default: hostname() },
  },
});
const [verb, folder] = positionals;
const storeBytes = number("store-mib") * 2 ** 20;
const log = (line: string) => process.stdout.write(`${new Date().toISOString()} ${line}\n`);

if (verb === "serve" && values.to !== undefined && /^https?:\/\//u.test(values.to)) {
  const relay = await startRelay({
    to: values.to.replace(/\/+$/u, ""),
    store: values.store,
    storeBytes,
    host: values.host,
    port: number("port"),
    count: Math.max(1, number("count")),
    bytes: number("bytes"),
    seconds: number("seconds"),
    waitSeconds: number("wait"),
    log,
  });
  log(`relay for ${values.to} on port ${relay.port}, ${JSON.stringify(relay.counts())}`);
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.once(signal, () => void relay.close().then(() => process.exit(0)));
  }
} else if ((verb === "export" || verb === "import") && folder !== undefined) {
  const store = await openStore(values.store, storeBytes);
  const carry = verb === "export" ? exportTo : importFrom;
  log(`${verb}: ${JSON.stringify(await carry(store, folder, values.name))}`);
} else if (verb === "status") {
  log(JSON.stringify((await openStore(values.store, storeBytes)).counts()));
} else {
  process.stderr.write(`${usage}\n`);
  process.exitCode = 64;
}

function number(option: "port" | "count" | "bytes" | "seconds" | "wait" | "store-mib"): number {
  const value = Number(values[option]);
  if (Number.isFinite(value) && value >= 0) return value;
  process.stderr.write(`--${option} must be a number\n${usage}\n`);
  process.exit(64);
}
