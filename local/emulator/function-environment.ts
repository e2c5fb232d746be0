import { setTimeout as delay } from "node:timers/promises";

import {
  GetFunctionConfigurationCommand,
  LambdaClient,
  UpdateFunctionConfigurationCommand,
} from "@aws-sdk/client-lambda";

import { emulatorClient } from "./aws-environment.ts";
import { LocalFault } from "../fault.ts";

const appliedTimeoutMilliseconds = 30_000;
/** The SDK's own waiter polls once a second at best, and a fault test sets variables many times. */
const appliedPollMilliseconds = 50;

export type FunctionEnvironmentOptions = {
  /** The emulator's own endpoint. */
  readonly endpoint: string;
  readonly functionName: string;
  /** Set beside the function's other variables; `undefined` removes one. */
  readonly variables: Readonly<Record<string, string | undefined>>;
};

/**
 * Sets variables of a deployed function and waits until new invocations see them. Returns the way back, which restores
 * exactly the variables named. AWS_ENDPOINT_URL_KMS and _DYNAMODB win over the AWS_ENDPOINT_URL that the emulator sets.
 */
export async function setFunctionEnvironment(options: FunctionEnvironmentOptions): Promise<() => Promise<void>> {
  const client = new LambdaClient(emulatorClient(options.endpoint));
  try {
    const { functionName: FunctionName } = options;
    const { Environment } = await client.send(new GetFunctionConfigurationCommand({ FunctionName }));
    const before = Environment?.Variables ?? {};
    const Variables = Object.fromEntries(
      Object.entries({ ...before, ...options.variables }).flatMap(([name, value]) =>
        value === undefined ? [] : [[name, value]],
      ),
    );
    await client.send(new UpdateFunctionConfigurationCommand({ FunctionName, Environment: { Variables } }));
    await applied(client, FunctionName);
    const named = Object.keys(options.variables).map((name) => [name, before[name]] as const);
    return async () => {
      await setFunctionEnvironment({ ...options, variables: Object.fromEntries(named) });
    };
  } finally {
    client.destroy();
  }
}

async function applied(client: LambdaClient, FunctionName: string): Promise<void> {
  const deadline = Date.now() + appliedTimeoutMilliseconds;
  for (;;) {
    const { LastUpdateStatus } = await client.send(new GetFunctionConfigurationCommand({ FunctionName }));
    if (LastUpdateStatus === undefined || LastUpdateStatus === "Successful") return;
    if (LastUpdateStatus === "Failed" || Date.now() > deadline) {
      throw new LocalFault("emulator-failed", `${FunctionName} did not take its new variables.`);
    }
    await delay(appliedPollMilliseconds);
  }
}
