import { GetFunctionConfigurationCommand, LambdaClient } from "@aws-sdk/client-lambda";

import { LocalFault } from "../fault.ts";
import { type LocalStack, writeStackFile } from "../stack-file.ts";
import { emulatorClient } from "./aws-environment.ts";
import { type DeployOptions, deploy } from "./deploy.ts";

export type RetireKeyOptions = Pick<DeployOptions, "projectDirectory" | "directory" | "logPath" | "signal"> & {
  readonly stack: LocalStack;
  readonly stackFile: string;
};

/**
 * Retires the key that messages are sealed to, the way an operator does: the stack is deployed with the next key
 * generation, which is a new key, and the old one is deleted.
 * @returns the new generation
 */
export async function retireKey({ stack, stackFile, ...options }: RetireKeyOptions): Promise<number> {
  const { serviceId, keyGeneration } = await deployed(stack);
  const outputs = await deploy({
    ...options,
    endpoint: stack.endpoint,
    serviceId,
    keyGeneration: keyGeneration + 1,
  });
  await writeStackFile(stackFile, { ...stack, outputs });
  return keyGeneration + 1;
}

/** What the message function was deployed with. */
async function deployed({ endpoint, outputs }: LocalStack) {
  const client = new LambdaClient(emulatorClient(endpoint));
  try {
    const FunctionName = outputs["MessagesFunctionName"] ?? "";
    const { Environment } = await client.send(new GetFunctionConfigurationCommand({ FunctionName }));
    const { SERVICE_ID: serviceId, KEY_GENERATION: generation } = Environment?.Variables ?? {};
    if (serviceId === undefined || generation === undefined) {
      throw new LocalFault("state_unreadable", `The function ${FunctionName} names no service and no key generation.`);
    }
    return { serviceId, keyGeneration: Number(generation) };
  } finally {
    client.destroy();
  }
}
