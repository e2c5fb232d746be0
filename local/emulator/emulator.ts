import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, open, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { get } from "node:http";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { Readable } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";

import { isolatedEnvironment } from "./aws-environment.ts";
import { LocalFault } from "../fault.ts";
import { freePort, loopback } from "./loopback.ts";
import { repository } from "../repository.ts";
import { identifyProcess } from "../process/process-identity.ts";
import { lastLines, signalGroup } from "../process/run-command.ts";

export type Emulator = {
  readonly endpoint: string;
  readonly port: number;
  readonly pid: number;
  readonly logPath: string;
  /** Resolves when the process has ended, asked for or not. */
  readonly ended: Promise<void>;
  stop(): Promise<void>;
};

export type EmulatorOptions = {
  /** An interpreter that has the packages of `requirements.txt`. */
  readonly python: string;
  /** The emulator's temporary files; made here, deleted by `stop`. */
  readonly temporaryDirectory: string;
  readonly logPath: string;
  /** Called with each line that a function prints. */
  readonly onFunctionLine?: (line: string) => void;
  readonly signal?: AbortSignal;
  readonly started?: (pid: number) => void;
};

const attempts = 3;
const readyTimeoutMilliseconds = 60_000;
const readyPollMilliseconds = 50;
const stopTimeoutMilliseconds = 8_000;
const workersGoneTimeoutMilliseconds = 5_000;

const nodeModules = join(repository, "node_modules");

/**
 * MiniStack, IAM enforced, on a free loopback port. Everything particular to it is in this file, emulator.py and measures.py:
 * - functions inherit its environment, so it gets a bare one; they run on the first `node` of its PATH;
 * - functions are unpacked into its TMPDIR and see what lies above it: see `layRuntime`;
 * - a custom resource whose function dies is waited for until cdk's time is up;
 * - it opens 8883 for MQTT unless told not to, and leaves TMPDIR full;
 * - another program may take the port between our look and its bind: it then exits, and the next port is tried.
 */
export async function startEmulator(options: EmulatorOptions): Promise<Emulator> {
  for (let attempt = 1; ; attempt += 1) {
    const port = await freePort();
    const emulator = await launch(options, port);
    try {
      await waitUntilReady(emulator, options.signal);
      return emulator;
    } catch (error) {
      await emulator.stop();
      if (options.signal?.aborted === true) throw error;
      const log = await readFile(options.logPath, "utf8").catch(() => "");
      if (attempt < attempts && /already in use|Address already in use/u.test(log)) continue;
      throw new LocalFault(
        "emulator-failed",
        `The emulator did not start: ${error instanceof Error ? error.message : "no reason given"}\n` +
          `${lastLines(log, 5)}\nIts log: ${options.logPath}`,
        { cause: error },
      );
    }
  }
}

async function launch(options: EmulatorOptions, port: number): Promise<Emulator> {
  options.signal?.throwIfAborted();
  await layRuntime(options.temporaryDirectory);
  const log = await open(options.logPath, "w");
  const child = spawn(options.python, [join(import.meta.dirname, "emulator.py")], {
    env: {
      ...isolatedEnvironment(options.temporaryDirectory),
      AUTH: "true",
      BIND_HOST: loopback,
      GATEWAY_PORT: String(port),
      IOT_MTLS_ENABLED: "0",
      // Its packages are installed without; nothing of it belongs beside measures.py, in the repository.
      PYTHONPYCACHEPREFIX: join(dirname(options.python), "..", "compiled"),
      PYTHONUNBUFFERED: "1",
    },
    // The first pipe, open, is a sign of life (emulator.py); the last carries what functions print (measures.py).
    stdio: ["pipe", log.fd, log.fd, "pipe"],
    detached: true,
  });
  await log.close();
  let spawnError: Error | undefined;
  child.once("error", (error) => {
    spawnError = error;
  });
  child.stdin?.on("error", () => undefined);
  const functionLines = child.stdio[3];
  // Read in any case: a full pipe would stop the emulator.
  if (functionLines instanceof Readable) {
    createInterface({ input: functionLines }).on("line", (line) => options.onFunctionLine?.(line));
  }
  const ended = new Promise<void>((resolve) => {
    child.once("exit", () => resolve());
    child.once("error", () => resolve());
  });
  if (child.pid === undefined) {
    await ended;
    throw new LocalFault("emulator-failed", `${options.python} could not be started.`, {
      cause: spawnError,
    });
  }
  options.started?.(child.pid);
  return {
    endpoint: `http://${loopback}:${port}`,
    port,
    pid: child.pid,
    logPath: options.logPath,
    ended,
    stop: async () => {
      await stop(child, ended);
      await rm(options.temporaryDirectory, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

/**
 * What AWS's Node runtime has around a function: its own loader is CommonJS, which a `"type": "module"` further up
 * would break, and it brings the AWS SDK, which CDK's own custom-resource functions rely on.
 */
async function layRuntime(temporaryDirectory: string): Promise<void> {
  const modules = join(temporaryDirectory, "node_modules");
  await rm(temporaryDirectory, { recursive: true, force: true });
  await mkdir(modules, { recursive: true });
  await writeFile(join(temporaryDirectory, "package.json"), '{ "type": "commonjs" }\n');
  await symlink(join(nodeModules, "@aws-sdk"), join(modules, "@aws-sdk"));
}

async function waitUntilReady(emulator: Emulator, signal: AbortSignal | undefined): Promise<void> {
  const deadline = Date.now() + readyTimeoutMilliseconds;
  for (;;) {
    const healthy = await isHealthy(emulator.port);
    signal?.throwIfAborted();
    if (identifyProcess(emulator.pid) === null) throw new Error("it ended at once.");
    if (healthy) return;
    if (Date.now() > deadline) throw new Error(`it was not ready in ${readyTimeoutMilliseconds / 1000} s.`);
    await delay(readyPollMilliseconds);
  }
}

async function isHealthy(port: number): Promise<boolean> {
  const request = get({ host: loopback, port, path: "/_ministack/health", agent: false });
  request.setTimeout(2_000, () => request.destroy(new Error("no answer")));
  try {
    const [response] = await once(request, "response");
    response.resume();
    return response.statusCode === 200;
  } catch {
    return false;
  }
}

async function stop(child: ChildProcess, ended: Promise<void>): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) {
    child.kill("SIGTERM");
    await Promise.race([ended, delay(stopTimeoutMilliseconds)]);
  }
  signalGroup(child, "SIGKILL");
  await Promise.race([ended, delay(workersGoneTimeoutMilliseconds)]);
}
