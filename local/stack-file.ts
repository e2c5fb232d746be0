import { writeFile } from "node:fs/promises";

import type { StackOutputs } from "./emulator/deploy.ts";
import type { AccessKey } from "./emulator/operator-user.ts";

/** What the CLIs, the tests and the demo need to know about a running local stack. */
export type LocalStack = {
  readonly stage: "local";
  readonly outputs: StackOutputs;
  /** `https://<apiId>.execute-api.localhost:<port>`: SigV4 signs this host, so reach it with `lookup`, not by another name. */
  readonly operatorUrl: string;
  readonly bootstrapUrl: string;
  readonly messageUrl: string;
  /** PEM of the throw-away CA of the TLS edge. */
  readonly ca: string;
  /** The emulator itself, for the AWS SDK. */
  readonly endpoint: string;
  readonly region: string;
  /** The local operator's own IAM user. */
  readonly credentials: AccessKey;
  /** The process that keeps the stack up. */
  readonly pid: number;
};

/** Only the owner may read it: it holds an access key, if only one for this emulator. */
export async function writeStackFile(path: string, stack: LocalStack): Promise<void> {
  await writeFile(path, `${JSON.stringify(stack, null, 2)}\n`, { mode: 0o600 });
}
