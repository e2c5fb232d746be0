import { createWriteStream } from "node:fs";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { finished } from "node:stream/promises";

import { emulatorRegion } from "./emulator/aws-environment.ts";
import { issueEdgeCertificates } from "./network/certificates.ts";
import { deploy, type StackOutputs } from "./emulator/deploy.ts";
import { type Emulator, startEmulator } from "./emulator/emulator.ts";
import { LocalFault } from "./fault.ts";
import { assertPortAvailable } from "./network/listen.ts";
import { createOperatorUser } from "./emulator/operator-user.ts";
import { startPlainEdge } from "./network/plain-edge.ts";
import { publishTrust } from "./emulator/publish-trust.ts";
import { preparePython } from "./emulator/python.ts";
import { repository } from "./repository.ts";
import { type LocalCustody, synthesise } from "./emulator/synthesis.ts";
import { type LocalStack, writeStackFile } from "./stack-file.ts";
import { startTlsEdge } from "./network/tls-edge.ts";

export type StackOptions = {
  /** The run's own folder; two runs at once need two. Logs stay in it, the rest goes with `stop`. */
  readonly directory: string;
  readonly log: (line: string) => void;
  /** 0, the default: free ones. */
  readonly tlsPort?: number;
  readonly plainPort?: number;
  /** That of cdk.json unless told. */
  readonly custody?: LocalCustody;
  readonly signal?: AbortSignal;
  /** Called with each line that a function prints; all of them are in `logs/functions.log` too. */
  readonly onFunctionLine?: (line: string) => void;
  /** Called with the id of each child process, so that a killed run can be cleaned up later. */
  readonly started?: (pid: number) => void;
  /** Where cdk.json and operator/ are; the repository unless told. */
  readonly projectDirectory?: string;
  /** Shown what passes the TLS edge to devices: see `TlsEdgeOptions`. */
  readonly onBootstrapAnswer?: (path: string, body: Buffer) => void;
  /** Told the path of each request of the message plane that goes to a function. */
  readonly onMessagePlane?: (path: string) => void;
  /** In place of `sealpost trust publish`. */
  readonly publish?: (stack: LocalStack, stackFile: string) => Promise<void>;
};

export type RunningStack = {
  readonly stack: LocalStack;
  readonly stackFile: string;
  readonly emulator: Emulator;
  /** Ends everything that was started and removes the run's files but its logs. May be called twice. */
  stop(): Promise<void>;
};

const runFiles = ["cdk.out", "outputs.json", "stack.json", "deploy-tmp", "emulator-tmp"] as const;

/** The whole system on this machine: emulator, real `cdk deploy`, an operator, both edges, the trust document. */
export async function startStack(options: StackOptions): Promise<RunningStack> {
  const { log } = options;
  const directory = resolve(options.directory);
  const projectDirectory = options.projectDirectory ?? repository;
  const logs = join(directory, "logs");
  const ends: (() => Promise<void>)[] = [];
  let stopping: Promise<void> | undefined;
  const stop = (): Promise<void> => (stopping ??= endAll(ends, directory));
  const failed = new AbortController();
  const watched = {
    signal: options.signal ? AbortSignal.any([options.signal, failed.signal]) : failed.signal,
    ...(options.started ? { started: options.started } : {}),
  };
  try {
    await assertPortAvailable(options.tlsPort ?? 0, "TLS edge");
    await assertPortAvailable(options.plainPort ?? 0, "plain HTTP edge");
    await mkdir(logs, { recursive: true });
    await removeRunFiles(directory);
    const deployment = {
      projectDirectory,
      directory,
      logPath: join(logs, "deploy.log"),
      ...(options.custody ? { custody: options.custody } : {}),
      ...watched,
    };
    await writeFile(deployment.logPath, "");
    // Beside the installation of the emulator, which is as long.
    const synthesis = timed(log, "stack synthesised", () => synthesise(deployment));
    const ended = synthesis.then(
      () => undefined,
      () => undefined,
    );
    ends.push(async () => {
      failed.abort();
      await ended;
    });
    const python = await preparePython({
      directory: join(repository, ".local", "venv"),
      requirements: join(import.meta.dirname, "emulator", "requirements.txt"),
      log,
      signal: watched.signal,
    });
    const functionLog = createWriteStream(join(logs, "functions.log"));
    ends.push(async () => {
      functionLog.end();
      await finished(functionLog);
    });
    const emulator = await timed(log, "emulator started", () =>
      startEmulator({
        python,
        temporaryDirectory: join(directory, "emulator-tmp"),
        logPath: join(logs, "emulator.log"),
        onFunctionLine: (line) => {
          functionLog.write(`${line}\n`);
          options.onFunctionLine?.(line);
        },
        ...watched,
      }),
    );
    ends.push(() => emulator.stop());
    const assembly = await synthesis;
    const outputs = await timed(log, "stack deployed", () =>
      deploy({ ...deployment, endpoint: emulator.endpoint, assembly }),
    );
    const credentials = await createOperatorUser(emulator.endpoint, outputs);
    const certificates = issueEdgeCertificates();
    const apiId = required(outputs, "ApiId");
    const tlsEdge = await startTlsEdge({
      apiId,
      emulatorPort: emulator.port,
      certificates,
      port: options.tlsPort ?? 0,
      ...(options.onBootstrapAnswer ? { onBootstrapAnswer: options.onBootstrapAnswer } : {}),
    });
    ends.push(() => tlsEdge.close());
    const plainEdge = await startPlainEdge({
      apiId,
      distributionDomain: required(outputs, "DistributionDomain"),
      emulatorPort: emulator.port,
      port: options.plainPort ?? 0,
      ...(options.onMessagePlane ? { onForward: options.onMessagePlane } : {}),
    });
    ends.push(() => plainEdge.close());
    const stack: LocalStack = {
      stage: "local",
      outputs,
      operatorUrl: `https://${apiId}.execute-api.localhost:${tlsEdge.port}`,
      bootstrapUrl: `https://localhost:${tlsEdge.port}/bootstrap`,
      messageUrl: `http://localhost:${plainEdge.port}`,
      ca: certificates.ca,
      endpoint: emulator.endpoint,
      region: emulatorRegion,
      credentials,
      pid: process.pid,
    };
    const stackFile = join(directory, "stack.json");
    await writeStackFile(stackFile, stack);
    if (options.publish) await options.publish(stack, stackFile);
    else {
      await publishTrust({
        projectDirectory,
        stackFile,
        temporaryDirectory: directory,
        logPath: join(logs, "trust.log"),
        log,
        ...watched,
      });
    }
    options.signal?.throwIfAborted();
    return { stack, stackFile, emulator, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** What a run leaves in its folder besides its logs. */
export async function removeRunFiles(directory: string): Promise<void> {
  for (const name of runFiles) {
    await rm(join(directory, name), { recursive: true, force: true, maxRetries: 5 });
  }
}

/** In the reverse order of starting, and to the end even if one of them fails. */
async function endAll(ends: readonly (() => Promise<void>)[], directory: string): Promise<void> {
  const failures: unknown[] = [];
  for (const end of ends.toReversed()) {
    await end().catch((error: unknown) => failures.push(error));
  }
  await removeRunFiles(directory);
  if (failures.length > 0) throw new AggregateError(failures, "Not everything could be ended.");
}

async function timed<T>(log: (line: string) => void, what: string, work: () => Promise<T>): Promise<T> {
  const start = performance.now();
  const result = await work();
  log(`${what} (${((performance.now() - start) / 1000).toFixed(1)} s)`);
  return result;
}

function required(outputs: StackOutputs, name: string): string {
  const value = outputs[name];
  if (value === undefined) throw new LocalFault("deploy-failed", `The stack has no output ${name}.`);
  return value;
}
